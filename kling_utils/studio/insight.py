"""What is found out about a result after it is there: the audit, the motion of both clips, a poster.

Owns when it is measured (once, behind the page) and where it is kept (in the job's folder). Refuses to let any of it fail the page:
what cannot be measured is not shown.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from kling_utils.errors import KlingError
from kling_utils.media.playable import beside
from kling_utils.show import stage
from kling_utils.values import Finding, Job, Report

LOG = logging.getLogger(__name__)
VERSION = 2
"""Of the file: an older one is measured again."""
POSTER = "poster.jpg"
"""Name of the poster in the folder of a job."""
_FILE = "insight.json"
_FINDINGS = TypeAdapter(tuple[Finding, ...])


@dataclass(frozen=True, slots=True)
class Insight:
    """``audit`` and ``motion`` are None where they could not be measured. ``motion``: reference and result."""

    audit: Report | None
    motion: stage.Motions | None


class Insights:
    """Measures finished jobs, one after the other, in a thread of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="insight")
        self._lock = threading.Lock()
        self._known: dict[str, Insight | None] = {}  # None: at work

    def of(self, job: Job) -> Insight | None:
        """What is known; None while it is being measured, which this begins. Reads a small file at most."""
        if job.state != "succeeded" or job.video is None:
            return Insight(None, None)
        with self._lock:
            if job.job_id in self._known:
                return self._known[job.job_id]
            kept = _kept(job.folder / _FILE)
            self._known[job.job_id] = kept
            if kept is None:
                self._pool.submit(self._measure, job)
            return kept

    def _measure(self, job: Job) -> None:
        found = Insight(None, None)
        try:
            found = measured(job)
            _keep(job.folder / _FILE, found)
        except Exception:  # whatever it is, the result is there and is shown
            LOG.warning("a result could not be looked into", exc_info=True)
        with self._lock:
            self._known[job.job_id] = found


def measured(job: Job) -> Insight:
    """Look at both clips; takes about a second."""
    from kling_utils.review import motion  # opencv and numpy: only when there is a result
    from kling_utils.review.audit import audit

    if job.video is None:
        return Insight(None, None)
    reference = Path(job.request.video)
    poster(job)
    strips: stage.Motions | None = None
    report: Report | None = None
    with contextlib.suppress(KlingError):
        strips = {"a": stage.strip(motion.activity(reference)), "b": stage.strip(motion.activity(job.video))}
    with contextlib.suppress(KlingError):
        report = audit(job.video, reference, request=job.request, expected_seconds=job.duration)
    return Insight(report, strips)


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


def _kept(path: Path) -> Insight | None:
    try:
        said = json.loads(path.read_text("utf-8"))
        if said["version"] != VERSION:
            return None
        audit = None if said["audit"] is None else Report(_FINDINGS.validate_python(said["audit"]))
        return Insight(audit, said["motion"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, found: Insight) -> None:
    findings = None if found.audit is None else json.loads(_FINDINGS.dump_json(found.audit.findings))
    with beside(path) as part:
        part.write_text(json.dumps({"version": VERSION, "audit": findings, "motion": found.motion}), "utf-8")
        os.replace(part, path)
