"""What is found out about a result after it is there: the audit, the motion of both clips, a poster.

Owns when it is measured (once, behind the page) and where it is kept (in the job's folder). What
cannot be measured is not shown, and fails nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from pydantic import TypeAdapter

from kling_utils.errors import KlingError
from kling_utils.jobs import audits
from kling_utils.media.files import atomic_write
from kling_utils.show import stage
from kling_utils.values import Job, Report

LOG = logging.getLogger(__name__)
POSTER = "poster.jpg"
"""Name of the poster in the folder of a job."""
MOTION = "motion-2.json"
"""The number counts up when what is measured changes: an older file is measured again."""
_STRIPS = TypeAdapter(
    dict[Literal["a", "b"], dict[Literal["times", "values", "cuts"], list[float]]]
)


@dataclass(frozen=True, slots=True)
class ResultAnalysis:
    """``audit`` and ``motion`` are None where they could not be measured. ``motion``: reference and result."""

    audit: Report | None
    motion: stage.Motions | None


class ResultAnalyses:
    """Measures finished jobs, one after the other, in a thread of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="insight")
        self._lock = threading.Lock()
        self._known: dict[str, ResultAnalysis | None] = {}  # None: at work

    def of(self, job: Job) -> ResultAnalysis | None:
        """What is known; None while it is being measured, which this begins. Reads a small file at most."""
        if job.state != "succeeded" or job.video is None:
            return ResultAnalysis(None, None)
        with self._lock:
            if job.job_id in self._known:
                return self._known[job.job_id]
            there = all((job.folder / name).exists() for name in (audits.NAME, MOTION))
            self._known[job.job_id] = None
        if there:
            self._measure(job)
        else:
            self._pool.submit(self._measure, job)
        return self._known[job.job_id]

    def _measure(self, job: Job) -> None:
        found = ResultAnalysis(None, None)
        try:
            found = measured(job)
        except Exception:  # whatever it is, the result is there and is shown
            LOG.warning("a result could not be looked into", exc_info=True)
        with self._lock:
            self._known[job.job_id] = found


def measured(job: Job) -> ResultAnalysis:
    """Look at both clips; takes about a second, and a moment when it was done before."""
    poster(job)
    return ResultAnalysis(audits.audit_of(job), motion_of(job))


def motion_of(job: Job) -> stage.Motions | None:
    """The motion of reference and result, measured once and kept beside the result."""
    if job.video is None:
        return None
    kept = job.folder / MOTION
    with contextlib.suppress(OSError, ValueError):  # not there, or broken
        if both := _STRIPS.validate_json(kept.read_bytes()):
            return cast(stage.Motions, both)
    from kling_utils.review import motion  # opencv and numpy: only when there is a result

    try:
        strips: stage.Motions = {
            "a": stage.strip(motion.activity(Path(job.request.video))),
            "b": stage.strip(motion.activity(job.video)),
        }
    except KlingError:
        return None
    with atomic_write(kept) as part:
        part.write_text(json.dumps(strips), "utf-8")
    return strips


def poster(job: Job) -> Path | None:
    """A frame of the result, made once; None without a result, or when it cannot be read."""
    out = job.folder / POSTER
    if job.video is None or out.exists():
        return out if out.exists() else None
    from kling_utils.review.compare import poster as draw

    try:
        return draw(job.video, out, height=480)
    except (KlingError, OSError):
        return None
