"""Jobs as they are: looked up, followed, and what came of them. Nothing here makes or changes one.

Owns how a job is followed from any process.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from kling_utils import events as ev
from kling_utils.errors import InvalidRequest
from kling_utils.events import Event
from kling_utils.jobs.audits import audit_of
from kling_utils.jobs.checks import Checks
from kling_utils.jobs.job_errors import error_of, missing, standing
from kling_utils.jobs.live import still_running
from kling_utils.media import playable
from kling_utils.media.probe import probe_video
from kling_utils.values import STATES, Job, Jobs, MotionRequest, Result, State

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def moment(since: str | float | datetime, now: float) -> float:
    """The Unix time that ``since`` means: a span before ``now`` (``90m``, ``12h``, ``1d``, ``2w``), a date or time, or itself.

    Without a time zone it is this machine's time. Raises ``InvalidRequest``.
    """
    try:
        if isinstance(since, datetime):
            return since.timestamp()
        if not isinstance(since, str):
            return float(since)
        if span := _SPAN.fullmatch(since.strip().lower()):
            return now - float(span[1]) * _SECONDS[span[2]]
        return datetime.fromisoformat(since.strip()).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(
            f"{since!r} is no time.",
            hint="Give a span such as 90m, 12h, 1d or 2w, or a date such as 2026-01-31.",
        ) from error


ELSEWHERE = "Another process of this home works on the job; it is followed from here."
HERE = "The other process does not work on the job any more."


class Views(Checks):
    """The half of ``Client`` that reads jobs."""

    def record(self, job_id: str, *, owner: str | None = None) -> Job:
        """A job as the store has it now. Raises ``NoSuchJob``, also for another owner's."""
        return self._store.get(job_id, owner=owner)

    def jobs(
        self,
        *,
        owner: str | None = None,
        state: State | None = None,
        since: str | float | datetime | None = None,
        limit: int | None = 50,
    ) -> Jobs:
        """The newest first; of all owners when none is named. ``since`` as in ``moment``; ``limit=None`` gives all."""
        if state is not None and state not in STATES:
            raise InvalidRequest(f"{state!r} is no state.", hint=f"Use one of {', '.join(STATES)}.")
        start = None if since is None else moment(since, self._clock())
        return Jobs(self._store.jobs(owner=owner, state=state, since=start, limit=limit))

    def stopped(self) -> Jobs:
        """What ``resume`` can go on with: jobs of this home that were not sent, are past their deadline, or that no process works on.

        The oldest first; none in doubt.
        """
        return Jobs(self._store.stopped())

    def as_given(self, job: Job) -> MotionRequest:
        """The request as it was asked: a file that was given by its address is one again, which may be signed: it is not to be shown."""
        private = self._store.private(job.job_id)
        asked: dict[str, Any] = {}
        for field, url in (("image", private.image_url), ("video", private.video_url)):
            if url:
                self._intake.known(field, url, Path(getattr(job.request, field)))
                asked[field] = url
        return replace(job.request, **asked)

    def with_task(self, task_id: str, *, owner: str | None = None) -> Job | None:
        """The job that has a provider's task, if one has."""
        return self._store.with_task(task_id, owner=owner)

    def result(self, job_id: str) -> Result:
        """The result of a job, or the error that says why there is none (yet)."""
        job = self._store.get(job_id)
        if job.state == "succeeded" and job.video is not None and not missing(job):
            return Result(
                job, job.video, Path(job.request.video), Path(job.request.image), audit_of(job)
            )
        raise error_of(job)

    def reference(self, job: Job) -> Path:
        """The reference in a form that every browser plays: the job's own copy, or one made from it, once."""
        original, made = Path(job.request.video), job.folder / "reference.mp4"
        if made.exists():
            return made
        info = probe_video(original)
        if playable.plays(info) and playable.starts_at_once(original):
            return original
        playable.make_playable(original, info, made)
        return made

    def events(
        self, job_id: str, *, after: int = 0, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Event]]:
        """(number, event) of a job, from any process, until it ended, is in doubt, is past its deadline or waits for something.

        That another process works on it is said while it does, and when it is over. ``stop`` is asked all the time.
        """
        elsewhere = False
        while not stop():
            job = self._store.get(
                job_id
            )  # before its events: they are written with the state that they tell of
            for number, event in self._store.events(job_id, after):
                after = number
                yield number, event
            if job.done or job.state == "unconfirmed" or job.waits_for or job.overdue:
                return
            private = self._store.private(job_id)
            if private.elsewhere != elsewhere:
                elsewhere = private.elsewhere
                yield after, ev.Note(text=ELSEWHERE if elsewhere else HERE)
            if not private.leased and (job.state == "checked" or not self._access.servable(job_id)):
                yield after, ev.Note(text=standing(job))
                return
            self._store.wait(0.2)

    def history(self, job_id: str, *, after: int = 0) -> list[tuple[int, Event]]:
        """(number, event) of everything so far, or since number ``after``; does not wait."""
        self._store.get(job_id)
        return self._store.events(job_id, after)

    def log(self, job_id: str) -> list[tuple[float, Event]]:
        """(Unix time, event) of everything so far."""
        self._store.get(job_id)
        return self._store.log(job_id)

    def pause(self, seconds: float) -> None:
        """Until a job of this process changes, at most ``seconds``."""
        self._store.wait(seconds)

    def now(self) -> float:
        """Unix time by this runner's clock."""
        return self._clock()

    def follow(
        self,
        job_id: str,
        *,
        progress: bool | Callable[[Event], None] = True,
        after: int = 0,
        timeout: float | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Follow a job to its result. Raises ``StillRunning`` after ``timeout`` seconds, and after a ``stop``."""
        from kling_utils.show.progress import Bar

        until = None if timeout is None else time.monotonic() + timeout

        def over() -> bool:
            return stop() or (until is not None and time.monotonic() > until)

        with Bar(quiet=progress is not True) as bar:
            tell = progress if callable(progress) else bar
            for _, event in self.events(job_id, after=after, stop=over):
                tell(event)
        job = self.record(job_id)
        if over() and not job.done:
            raise still_running(job, timeout)
        return self.result(job_id)
