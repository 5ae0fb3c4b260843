"""Turns: what many visitors want at once is done a few at a time, and one visitor's many asks never starve another's one.

Owns who is next. Knows neither the work nor the figures: those are in ``bounds``. The visitor is a context variable, so that code far
below a handler gets it without a parameter.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from kling_utils.errors import Busy, Interrupted

visitor: contextvars.ContextVar[str] = contextvars.ContextVar("visitor", default="")
"""For whom this context works; empty outside the page."""
_PASSES = 8
"""Smaller asks that may go before one that waits for more room."""
_ASKED = 0.5
"""Seconds between two questions whether a wait was stopped."""
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Ticket:
    """One ask. ``go`` is called when it is its turn, outside of any lock."""

    who: str
    go: Callable[[], object]
    weight: int = 1
    state: Literal["new", "waiting", "held", "over"] = "new"
    passed: int = 0


@dataclass(slots=True)
class _Line:
    """One visitor: what waits, how much is held in how many turns, and the number of the last turn."""

    waiting: collections.deque[Ticket] = field(default_factory=collections.deque)
    held: int = 0
    turns: int = 0
    last: int = 0


class Turns:
    """At most ``most`` units at once, and ``each`` turns for a visitor. The visitor who holds the least is next.

    Of those who hold the same, the one whose last turn is longest ago. ``queue`` asks may wait in all, and ``queue_each`` of a
    visitor: one more raises ``Busy``. ``what`` is in its sentence: "busy with ...". Thread-safe.
    """

    def __init__(
        self,
        most: int,
        what: str,
        *,
        each: int | None = None,
        queue: int = 1000,
        queue_each: int = 1000,
    ) -> None:
        self.most, self._what, self._each = most, what, each or most
        self._queue, self._queue_each = queue, queue_each
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._held = 0
        self._number = itertools.count(1)

    def ask(self, ticket: Ticket) -> None:
        """The ticket's ``go`` is called in its turn, perhaps at once. Raises ``Busy`` where too many wait."""
        with self._lock:
            ticket.weight = min(ticket.weight, self.most)
            line = self._lines.setdefault(ticket.who, _Line())
            line.waiting.append(ticket)
            ticket.state = "waiting"
            granted = self._grant()
            many = sum(len(each.waiting) for each in self._lines.values()) > self._queue
            full = ticket.state == "waiting" and (many or len(line.waiting) > self._queue_each)
            if full:
                self._drop(ticket)
        _go(granted)
        if full:
            raise self.busy()

    def leave(self, ticket: Ticket) -> None:
        """The turn is over, or is not waited for any more. A second call does nothing."""
        with self._lock:
            self._drop(ticket)
            granted = self._grant()  # also where it only waited: it may have stood before others
        _go(granted)

    def busy(self) -> Busy:
        """What is said when there is no turn."""
        return Busy(f"This page is busy with {self._what}.", hint="Try again in a moment.")

    def _drop(self, ticket: Ticket) -> None:
        line = self._lines.get(ticket.who)
        if line is None:
            return
        if ticket.state == "waiting":
            line.waiting.remove(ticket)
        elif ticket.state == "held":
            line.held -= ticket.weight
            line.turns -= 1
            self._held -= ticket.weight
        ticket.state = "over"
        if not line.turns and not line.waiting:
            del self._lines[ticket.who]  # of made-up visitors nothing stays

    def _grant(self) -> list[Ticket]:
        granted: list[Ticket] = []
        while (ticket := self._next()) is not None:
            line = self._lines[ticket.who]
            line.waiting.remove(ticket)
            ticket.state = "held"
            line.held += ticket.weight
            line.turns += 1
            line.last = next(self._number)
            self._held += ticket.weight
            granted.append(ticket)
        return granted

    def _next(self) -> Ticket | None:
        ready = [each for each in self._lines.values() if each.waiting and each.turns < self._each]
        passed: list[Ticket] = []
        for line in sorted(ready, key=lambda each: (each.held, each.last)):
            head = line.waiting[0]
            if self._held + head.weight <= self.most:
                for other in passed:
                    other.passed += 1
                return head
            if head.passed >= _PASSES:
                return None
            passed.append(head)
        return None


def _go(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        ticket.go()


class Slots:
    """Turns for threads that wait. A thread that holds one takes no second one, so that no two wait for each other."""

    def __init__(self, turns: Turns, *, patience: float) -> None:
        self.turns, self._patience = turns, patience
        self._holders: set[int] = set()

    @contextlib.contextmanager
    def taken(self, weight: int = 1, *, stop: Callable[[], bool] | None = None) -> Iterator[None]:
        """Wait for a turn, at most ``patience`` seconds: then ``Busy``. ``stop`` is asked meanwhile, and ends it with ``Interrupted``."""
        thread = threading.get_ident()
        if thread in self._holders:
            yield
            return
        turn = threading.Event()
        ticket = Ticket(visitor.get(), turn.set, weight)
        self.turns.ask(ticket)
        try:
            self._wait(turn, stop)
            self._holders.add(thread)
            yield
        finally:
            self._holders.discard(thread)  # a generator may end in another one
            self.turns.leave(ticket)

    def _wait(self, turn: threading.Event, stop: Callable[[], bool] | None) -> None:
        end = time.monotonic() + self._patience
        while not turn.wait(max(0.0, min(end - time.monotonic(), _ASKED if stop else end))):
            if stop is not None and stop():
                raise Interrupted(
                    "Stopped.", hint="Nothing was kept of it; start it again when you like."
                )
            if time.monotonic() >= end:
                raise self.turns.busy()


class Lane:
    """Threads of their own for one kind of work, as many as ``turns`` has units: no other thread waits for it.

    They are daemons: a stranger's server that does not answer keeps no program from ending.
    """

    def __init__(self, name: str, turns: Turns) -> None:
        self._name, self.turns = f"kling-{name}", turns

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """``work`` in its turn, with this context and for its visitor. Raises ``Busy`` where too many wait.

        To cancel the future before its turn takes it out of the queue; later it does nothing.
        """
        context = contextvars.copy_context()
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = context.run(work)
            except BaseException as error:  # noqa: BLE001 - the future carries it
                future.set_exception(error)
            else:
                future.set_result(result)

        thread = threading.Thread(target=run, name=self._name, daemon=True)
        ticket = Ticket(visitor.get(), thread.start)
        self.turns.ask(ticket)
        future.add_done_callback(lambda _: self.turns.leave(ticket))
        return future


class Rate:
    """At most ``most`` calls within ``seconds``, and ``each`` of a visitor. Thread-safe."""

    def __init__(self, most: int, each: int, seconds: float, what: str) -> None:
        self._most, self._each, self._seconds, self._what = most, each, seconds, what
        self._lock = threading.Lock()
        self._calls: collections.deque[tuple[float, str]] = collections.deque()

    def count(self, who: str, now: float) -> None:
        """One more call at ``now``. Raises ``Busy`` where that is too many."""
        with self._lock:
            while self._calls and now - self._calls[0][0] >= self._seconds:
                self._calls.popleft()
            mine = sum(1 for _, by in self._calls if by == who)
            if mine >= self._each or len(self._calls) >= self._most:
                hint = "Try again in a minute."
                raise Busy(f"This page is busy with {self._what}.", hint=hint)
            self._calls.append((now, who))
