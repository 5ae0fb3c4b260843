"""The audit of a job's result: measured once, kept in the job's folder, and read where it is shown.

An audit that fails never fails the job.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kling_utils.media.files import atomic_write
from kling_utils.values import Fidelity, Finding, Job, Report

LOG = logging.getLogger(__name__)
NAME = "audit-3.json"
"""In the job's folder; the number counts up when what is measured changes, and an older file is measured again."""


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
    return found
