"""What is measured once a job has ended: the audit of its result with the skeletons that show it, or what explains its failure.

An audit is kept in the job's folder, and one that fails never fails the job.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from kling_utils.errors import KlingError
from kling_utils.media.files import atomic_write
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.providers import failures
from kling_utils.values import Fidelity, Finding, Job, Report

if TYPE_CHECKING:
    from kling_utils.preflight.advice import Advice

LOG = logging.getLogger(__name__)
NAME = "audit-4.json"
"""In the job's folder; the number counts up when what is measured changes, and an older file is measured again."""
POSES = "poses-1.json"
"""Beside it: skeletons and boxes over time and pictures of the worst moments, as ``review.poses`` writes them."""


@dataclass(frozen=True, slots=True)
class _Kept:
    findings: tuple[Finding, ...]
    fidelity: Fidelity | None


_KEPT = TypeAdapter(_Kept)


def audit_of(job: Job) -> Report | None:
    """The result against its reference and its request; None where it cannot be measured. The first call takes seconds."""
    if job.video is None:
        return None
    kept = job.folder / NAME
    try:
        known = _KEPT.validate_json(kept.read_bytes())
        return Report(known.findings, fidelity=known.fidelity)
    except (OSError, ValidationError):
        pass
    from kling_utils.review.audit import audit  # opencv and numpy: only when there is a result

    try:
        found = audit(
            job.video, Path(job.request.video), request=job.request, expected_seconds=job.duration
        )
        with atomic_write(kept) as part:
            part.write_bytes(_KEPT.dump_json(_Kept(found.findings, found.fidelity)))
    except Exception:  # whatever it is, the result is there
        LOG.warning("the result of job %s could not be audited", job.job_id, exc_info=True)
        return None
    with contextlib.suppress(Exception):  # it is drawn from them, and judged without
        _write_poses(job, job.video, found.fidelity)
    return found


def poses_of(job: Job) -> Path | None:
    """What was written beside the audit; None where there is nothing."""
    kept = job.folder / POSES
    return kept if kept.is_file() else None


def _write_poses(job: Job, result: Path, fidelity: Fidelity | None) -> None:
    if fidelity is None:
        return
    from kling_utils.media import people
    from kling_utils.review import audit, poses

    reference = Path(job.request.video)
    # both are known: the audit has just looked at them
    tracks = [people.track(path, fps=audit.LOOKS) for path in (reference, result)]
    found = poses.poses(*tracks, face=fidelity.score is fidelity.face)
    with contextlib.suppress(KlingError):  # skeletons alone are worth something
        times = [moment.time for moment in fidelity.worst]
        found["moments"] = poses.pictures(reference, result, times)
    with atomic_write(job.folder / POSES) as part:
        part.write_text(json.dumps(found, separators=(",", ":")), "utf-8")


def explained(job: Job) -> bool:
    """True for a failed job whose reason is about what its files show."""
    return job.state == "failed" and bool(_codes(job))


def explanation_of(job: Job) -> Advice | None:
    """The advice about a failed job's files that the provider's reason is about; None where there is none.

    Files that were not looked at before take seconds.
    """
    if not explained(job):
        return None
    from kling_utils.preflight.advice import look

    try:
        found = look(
            probe_image(Path(job.request.image)),
            probe_video(Path(job.request.video)),
            job.request.character_orientation,
        )
    except (KlingError, OSError):
        return None
    about = found.about(_codes(job))
    return about if about.findings else None


def _codes(job: Job) -> tuple[str, ...]:
    trouble = job.trouble
    return failures.advice_for(f"{trouble.words} {trouble.message}") if trouble is not None else ()
