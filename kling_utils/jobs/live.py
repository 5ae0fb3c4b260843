"""The public handle of a job: each attribute is read from the store when it is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_utils.events import Event
from kling_utils.values import Job, Quote, Rating, Result, Shown, State

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.jobs.ledger import Entry
    from kling_utils.jobs.retakes import Retakes
    from kling_utils.preflight.advice import Advice


class LiveJob(Shown):
    """A job of a client. Its attributes are those of ``Job``, read at each access; ``record`` is all of them at one moment.

    ``await job`` gives its result, ``async for event in job`` its events. Equal to another handle of the same job. Pickled, it opens the
    home of its client again.
    """

    __slots__ = ("_client", "_stopped", "job_id")

    def __init__(self, client: Client, job_id: str) -> None:
        self._client, self.job_id = client, job_id
        self._stopped = threading.Event()

    @property
    def record(self) -> Job:
        """The job as the store has it now. Raises ``NoSuchJob`` when it was deleted."""
        return self._client.record(self.job_id)

    @property
    def state(self) -> State:
        return self.record.state

    @property
    def money(self) -> str:
        """Was money spent: ``no``, ``yes`` or ``unknown``."""
        return self.record.money

    @property
    def cost(self) -> Quote | None:
        """What was quoted for it."""
        return self.record.cost

    @property
    def charge(self) -> Entry | None:
        """What is known of what it really cost: by the bill, else the sum of the account's hour; None for a draft."""
        return self._client.charge(self.job_id)

    @property
    def result(self) -> Result:
        """The result, or the error that says why there is none (yet)."""
        return self._client.result(self.job_id)

    def evidence(self, out: str | Path) -> Path:
        """Write a ZIP about the job for the provider's support; no key is in it."""
        return self._client.evidence(self.job_id, out)

    @property
    def explanation(self) -> Advice | None:
        """What the files of a failed job show that the provider's reason is about, with times; None where there is nothing."""
        return self._client.explanation(self.job_id)

    def wait(
        self, timeout: float | None = None, *, progress: bool | Callable[[Event], None] = True
    ) -> Result:
        """Follow the job to its result. Raises the error that ended or holds it, and ``StillRunning`` after ``timeout`` seconds.

        The job goes on after a time-out, an interrupt or ``stop_watching``.
        """
        self._stopped.clear()
        return self._client.follow(
            self.job_id, progress=progress, timeout=timeout, stop=self._stopped.is_set
        )

    def events(self) -> Iterator[Event]:
        """What has happened and what happens, until the job ends, is in doubt or waits for a key or a decision."""
        self._stopped.clear()
        for _, event in self._client.events(self.job_id, stop=self._stopped.is_set):
            yield event

    def stop_watching(self) -> None:
        """End ``wait`` and ``events`` of this handle, in whichever thread they run. The job goes on."""
        self._stopped.set()

    def delete(self) -> None:
        """Remove the job and its files. Raises ``StillRunning`` for one that is on its way, which may be paid for."""
        self._client.delete(self.job_id)

    def resume(self) -> LiveJob:
        """Go on with a job that stopped; never sends twice."""
        self._client.resume(self.job_id)
        return self

    def retake(
        self, *, until: float = 70.0, takes: int = 3, budget: str | float | None = None
    ) -> Retakes:
        """Try it again until a result scores ``until`` of 100, at most ``takes`` times and for ``budget`` USD: as ``Client.retake``."""
        return self._client.retake(self.job_id, until=until, takes=takes, budget=budget)

    def rate(self, rating: Rating | None) -> LiveJob:
        """``good``, ``bad``, ``favourite``, or None for no rating."""
        self._client.annotate(self.job_id, rating=rating or "")
        return self

    def rename(self, name: str) -> LiveJob:
        """Give it a name; an empty one brings the usual ``title`` back. Raises ``InvalidRequest`` for more than 80 characters."""
        self._client.annotate(self.job_id, name=name)
        return self

    def write_note(self, note: str) -> LiveJob:
        """What is to be remembered about it, in place of the note before. Raises ``InvalidRequest`` for more than 1000 characters."""
        self._client.annotate(self.job_id, note=note)
        return self

    def __await__(self) -> Generator[Any, None, Result]:
        return self._awaited().__await__()

    async def _awaited(self) -> Result:
        try:
            return await asyncio.to_thread(self.wait, progress=False)
        except asyncio.CancelledError:
            self.stop_watching()
            raise

    async def __aiter__(self) -> AsyncIterator[Event]:
        events = self.events()
        try:
            while (event := await asyncio.to_thread(next, events, None)) is not None:
                yield event
        finally:
            self.stop_watching()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.record, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveJob | Job) and other.job_id == self.job_id

    def __hash__(self) -> int:
        return hash(self.job_id)

    def __str__(self) -> str:
        return str(self.record)

    def __repr__(self) -> str:
        return repr(self.record)

    def _repr_html_(self) -> str:
        return self.record._repr_html_()

    def _ipython_display_(self) -> None:
        """The card of the job, which follows it until it ends or waits for a key or a decision."""
        from IPython.display import display

        shown = display(self._shown(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if shown is not None:
            watch = threading.Thread(target=self._follow_card, args=(shown,), daemon=True)
            watch.start()

    def _shown(self) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _follow_card(self, shown: Any) -> None:
        """Update what is shown, a second at the earliest after the last time. A closed client or a deleted job ends it."""
        before = self._shown()
        with contextlib.suppress(Exception):  # it could not be shown anywhere
            while not (self.done or self.waits_for or self.state == "unconfirmed"):
                self._client.wait_for_change(1.0)
                if (now := self._shown()) != before:
                    shown.update(before := now, raw=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self._client.home.root, self.job_id)


def _opened(home: Path, job_id: str) -> LiveJob:
    from kling_utils.jobs.client import Client

    return LiveJob(Client(home=home), job_id)
