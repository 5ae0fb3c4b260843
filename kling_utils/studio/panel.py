"""The panel that says where a job is: what its script reads.

Owns the words and facts of waiting, also how long it usually takes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kling_utils.jobs.timing import Wait
from kling_utils.show import words
from kling_utils.values import Job

NOTES = 3
"""That are shown at once, the newest ones."""
PAST = 20
"""That are shown when they are unfolded."""
SAFE = "It is safe to close this page: the job goes on and the result is saved."


@dataclass(frozen=True, slots=True)
class Notes:
    """What is true of a job now, and what was and is over; the newest last."""

    now: Sequence[str] = ()
    past: Sequence[str] = ()


def panel(
    job: Job, now: float, usual: Wait | None = None, notes: Notes | None = None
) -> dict[str, Any]:
    """Facts and words about a job. ``usual`` is what this home's own past jobs say about the wait, ``notes`` what happened on the way."""
    notes = notes or Notes()
    mode = "done" if job.state == "succeeded" else "failed" if job.state == "failed" else "run"
    note = SAFE
    if job.state == "unconfirmed" or job.waits_for:
        mode, note = "standing", ""
    elif job.done:
        note = ""
    elif job.overdue:
        note = "It takes longer than usual and is still followed, more slowly. It is safe to close this page."
    return {
        "mode": mode,
        "title": words.WAITS[job.waits_for] or words.STATE[job.state],
        "made": words.maker(job),
        "draft": job.draft,
        "note": note,
        "notes": list(notes.now)[-NOTES:],
        "past": list(notes.past)[-PAST:],
        "job_id": job.job_id,
        "task_id": job.task_id or "",
        "created": job.created,
        "queued_at": job.queued_at,
        "processing_at": job.processing_at,
        "finished_at": job.finished_at,
        "now": now if not job.done else 0,
        "progress": job.progress,
        "eta": job.eta,
        "place": job.place,
        "usual": {"median": usual.median, "late": usual.late, "jobs": usual.jobs}
        if usual is not None and mode == "run"
        else None,
        "price": "" if job.draft else words.spent(job),
        "take": job.take,
    }


def idle() -> dict[str, Any]:
    """Nothing is open."""
    return {"mode": "idle"}


def stopped(job_id: str) -> dict[str, Any]:
    """Nobody watches, and the job goes on."""
    note = "The job goes on and its result is saved. Open it below, under Your videos."
    return {"mode": "stopped", "title": "Not watching any more", "note": note, "job_id": job_id}
