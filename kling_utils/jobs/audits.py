"""The audit of a job's result, and the skeletons that show it: measured once, kept in the job's folder, read where they are shown.

An audit that fails never fails the job.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kling_utils.errors import KlingError
from kling_utils.media.files import atomic_write
from kling_utils.values import Fidelity, Finding, Job, Report

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
