"""What one process writes down about a job between two looks, and what it only remembers.

Owns how a note, a doubt and an end are put into the store, and that files are taken back before an
end is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kling_utils import events as ev
from kling_utils.errors import KlingError, SubmitUnconfirmed
from kling_utils.jobs.publishing import Publishing
from kling_utils.jobs.store import Store
from kling_utils.values import Job, Published, State, Trouble


@dataclass(slots=True)
class PollState:
    """What this process remembers of a job between two looks; losing it loses nothing but patience."""

    polls: int = 0
    said: str = ""
    unread: bool = False
    """It was told that the state could not be read, and not yet that it can be again."""
    gone_since: float | None = None
    """When the provider first said that the task, or the link to its result, is not there."""
    task_id: str | None = None
    """Told by the provider and not written down yet."""
    lent: bool = False
    """Something of its files may lie with a host."""
    published: Published | None = None
    """Where the clip lies, between two tries of a submit."""
    sends: int = 0
    sending_since: float = 0.0
    """When the first of ``sends`` tries of a submit was made."""
    misses: int = 0
    """Polls in a row that could not be read."""
    link: str | None = None
    """To the result, as the poll that saw the success gave it."""
    saves: int = 0
    resumed_at: float = 0.0


class Diary:
    """Of this process: what it writes is refused where another one holds the job by now."""

    def __init__(self, store: Store, *, outbox: Publishing, clock: Callable[[], float]) -> None:
        self._store, self._outbox, self._clock = store, outbox, clock
        self._memory: dict[str, PollState] = {}
        self._ends = threading.Lock()

    def take_back(self, job: Job, *, unsent: bool = False) -> None:
        """Nobody gets the job's files any more."""
        private = self._store.private(job.job_id)
        for sentence in self._outbox.take_back(job, private, unsent=unsent):
            self.change(job, ev.Note(text=sentence, lasting=True))

    def remember(self, job_id: str) -> PollState:
        """What is only in this process; of a job that was not met before, nothing."""
        return self._memory.setdefault(job_id, PollState())

    def resumed(self, job_id: str) -> None:
        """All patience starts again; a task id that is not written yet is kept."""
        self._memory[job_id] = PollState(
            resumed_at=self._clock(), task_id=self.remember(job_id).task_id
        )

    def change(
        self, job: Job, *events: ev.Event, states: tuple[State, ...] | None = None, **columns: Any
    ) -> bool:
        """Write columns and events; False when the job is not in one of ``states`` (any more), or another process holds it."""
        return self._store.change(
            job.job_id, *events, now=self._clock(), leased=True, states=states, **columns
        )

    def say(self, job: Job, text: str) -> None:
        """A note, which is not repeated while nothing else was said."""
        memory = self.remember(job.job_id)
        if memory.said != text:
            memory.said = text
            self.change(job, ev.Note(text=text))

    def patient(self, job: Job, seconds: float) -> bool:
        """Is it too early to believe that something is gone?"""
        memory = self.remember(job.job_id)
        memory.gone_since = memory.gone_since or self._clock()
        return not job.draft and self._clock() - memory.gone_since < seconds

    def doubt(self, job: Job, error: SubmitUnconfirmed) -> None:
        """It may have been sent: only a person can say."""
        if job.draft:  # nothing can be paid twice at home
            self.fail(job, error)
            return
        trouble = trouble_of(error, job)
        self.change(
            job,
            ev.Unconfirmed(trouble=trouble),
            states=("submitting",),
            state="unconfirmed",
            trouble=trouble,
        )

    def fail(self, job: Job, error: KlingError) -> None:
        """It ended without a result."""
        trouble = trouble_of(error, job)
        self.end(job, ev.Failed(trouble=trouble), state="failed", trouble=trouble)

    def lost(self, job: Job, error: KlingError) -> None:
        """The provider does not have it (any more), or not for this key: what was paid for is looked for again when somebody asks."""
        if not job.draft:
            error.money = "yes"
            error.hint = f"{error.hint} Resume the job, with a key of the account that sent it, to look again."
        self.fail(job, error)

    def end(self, job: Job, *events: ev.Event, **columns: Any) -> None:
        """The provider has what it needed, or never will: its files are taken back before the end is told. One job at a time, because two
        that end together would each leave what they share to the other."""
        memory = self._memory.pop(job.job_id, None)
        unsent = memory is not None and memory.lent and columns.get("state") == "failed"
        with self._ends:
            self.take_back(job, unsent=unsent and job.task_id is None)
            self.change(
                job,
                *events,
                finished_at=self._clock(),
                eta=None,
                waits_for="",
                overdue=False,
                **columns,
            )


def trouble_of(error: KlingError, job: Job) -> Trouble:
    """The error as the store keeps it; a draft never costs anything."""
    return Trouble(
        error.code,
        error.message,
        error.hint,
        "no" if job.draft else error.money,
        error.words,
        error.field,
    )
