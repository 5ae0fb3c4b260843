"""How much may be started and kept, for all visitors of this process together.

Every figure stands here with its reason, above the classes that hold them: ``Turns``, ``Slots``,
``Lane`` and ``Rate``. What is scarce is shared fairly by the visitor's id, never by a network
address: behind a platform all visitors share one. The figures are meant for 2 cores and 2 GB,
where a page with its libraries takes about 250 MB.
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

# -- at once

PICTURE_MEMORY = 560_000_000
"""Bytes of pictures that are decoded at once: one of the largest, or many usual ones of 50 MB."""
LOOKS = 4
"""Short runs of ffmpeg (probes, thumbnails) at once. One takes 0.1 to 0.5 s and up to 130 MB; they
never wait for long runs."""
LOOK_MEMORY = 950_000_000
"""Bytes of address space of one look, of which ffmpeg maps 700 MB without using them. A file of
200 kB can name twelve million samples, for which ffmpeg takes 1.3 GB before it says a word."""
MAKING, LONG_RUNS = 2, 3
"""Repairs, exports, recordings and previews of the page at once, and long runs of ffmpeg in all,
which leaves one for the jobs. A run uses all cores, and up to 400 MB for a 4K clip: more of them
end no earlier."""
LOOKING = 2
"""Looks at the content of clips at once: each takes a core for 0.4 s for a second of the clip."""
NICE = 10
"""Niceness of a long run: the page and short looks go first."""
FETCHES, FETCHES_EACH = 8, 2
"""Downloads at once, in all and for a visitor. A dead address holds one for up to 120 s."""
CALLS, CALLS_EACH = 4, 1
"""Free calls to the provider from the page at once (balance, health panel), in all and for a
visitor. A host that hangs holds one."""
QUEUE, QUEUE_EACH = 100, 8
"""Asks of one kind that wait, in all and for a visitor: one session has at most three."""
SHORT_WAIT, LONG_WAIT = 30.0, 1800.0
"""Seconds that a look and a long run wait for their turn before ``Busy`` is raised. A long one says
that it waits, and can be stopped."""
EVENTS, EVENTS_EACH = 500, 24
"""Events of the page under way, in all and those of a visitor that wait for a lane. Gradio begins
none beyond the first figure: one that only waits counts as well, and a page that follows a job is
one. Its usual 40 are taken by 40 pages."""
FETCH_WAIT = 150.0
"""Seconds that a check waits for a download, its turn included: a download ends after 120 s."""
SHOWS = 6
"""Looks at the store for open pages at once: milliseconds each, or a second to make a preview."""

# -- waiting

DRAFTS_WAITING, DRAFTS_WAITING_EACH = 30, 2
"""Drafts of a hosted page that wait, in all and for a visitor. A draft takes 5 to 30 s: 30 of them
take at most 15 minutes."""
KEY_JOBS_WAITING, KEY_JOBS_WAITING_EACH = 200, 20
"""Jobs with a visitor's key that are not sent yet, in all and for a visitor. A key may be invented,
and each job keeps two files."""
BALANCES, BALANCES_EACH, BALANCES_SECONDS = 60, 6, 60.0
"""Balance calls within so many seconds, in all and for a visitor: each new key is asked about, and
keys can be made up."""

# -- kept

FILE = 200_000_000
"""Bytes of one input, uploaded or fetched: twice what a provider takes, as a repair shrinks it."""
UPLOADS_IN_REQUEST = 2
"""Files in one upload: the form has two inputs."""
UPLOAD_BYTES = 210_000_000
"""Bytes of one upload: a file of 200 MB, the most that the page takes, and its form."""
UPLOADING, UPLOADING_EACH = 24, 4
"""Uploads under way, in all and for a visitor: they take 5 GB of disk at most."""
UPLOAD_WAIT, UPLOAD_RATE = 60.0, 10_000.0
"""Seconds that an upload may take, and bytes a second for which it may take longer: one that drips
would hold its place for good."""
KEPT_EACH, KEPT = 1_000_000_000, 10_000_000_000
"""Bytes of uploads that are kept for a visitor and in all. Beyond, the least recently used go."""
JOBS_EACH, JOBS = 3_000_000_000, 20_000_000_000
"""Bytes of the jobs of a visitor and of all visitors: 50 long clips of the largest size. Beyond,
their oldest drafts go first; what was paid for stays, and a new job finds no room."""
FETCHED_EACH, FETCHED = 600_000_000, 4_000_000_000
"""The same of fetched files: three clips of the largest size for a visitor."""
FITTED_EACH, FITTED = 600_000_000, 4_000_000_000
"""The same of repaired files: three pairs of the largest that a provider takes."""
COPIES_EACH, COPIES = 1_000_000_000, 10_000_000_000
"""The same of what the page made: copies, trims, previews, recordings. As many as of uploads."""
UNREACHABLE_FOR = 45.0
"""Seconds for which an address that failed is not fetched again; longer than ``SHORT_WAIT``."""

# -- who is next -----------------------------------------------------------------------------------

visitor: contextvars.ContextVar[str] = contextvars.ContextVar("visitor", default="")
"""The visitor that this context works for; empty outside the page. Being a context variable, code
far below a handler gets it without a parameter."""
_PASSES = 8
"""Smaller asks that may pass one that waits for more room."""
_ASKED = 0.5
"""Seconds between two calls of ``stop`` during a wait."""
T = TypeVar("T")


def check_stop(stop: Callable[[], bool] | None) -> None:
    """Raise ``Interrupted`` when ``stop`` says so."""
    if stop is not None and stop():
        raise Interrupted("Stopped.", hint="Nothing was kept of it; start it again when you like.")


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
    """One visitor: waiting asks, units held, turns held, and the number of the last turn."""

    waiting: collections.deque[Ticket] = field(default_factory=collections.deque)
    held: int = 0
    turns: int = 0
    last: int = 0


class Turns:
    """At most ``most`` units at once, and ``each`` turns for a visitor. Thread-safe.

    Next is the visitor who holds the least; of several, the one whose last turn is longest ago.
    ``queue`` asks may wait in all, and ``queue_each`` of a visitor: one more raises ``Busy``, whose
    sentence ends in ``what``: "busy with ...".
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
        """Call the ticket's ``go`` in its turn, perhaps now. Raises ``Busy`` if too many wait."""
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
        """End the turn, or the wait for it. A second call does nothing."""
        with self._lock:
            self._drop(ticket)
            granted = self._grant()  # also after a mere wait: it may have stood before others
        _go(granted)

    def busy(self) -> Busy:
        """The error for an ask that gets no turn."""
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
            del self._lines[ticket.who]  # invented visitors must leave nothing behind

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
    """Turns for threads that wait.

    A thread that holds one takes no second one: two threads never wait for each other.
    """

    def __init__(self, turns: Turns, *, patience: float) -> None:
        self.turns, self._patience = turns, patience
        self._holders: set[int] = set()

    @contextlib.contextmanager
    def taken(self, weight: int = 1, *, stop: Callable[[], bool] | None = None) -> Iterator[None]:
        """Wait for a turn. Raises ``Busy`` after ``patience`` seconds, or ``Interrupted``."""
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
            check_stop(stop)
            if time.monotonic() >= end:
                raise self.turns.busy()


class Lane:
    """Threads for one kind of work, as many as ``turns`` has units.

    They are daemons: a server that does not answer keeps no program from ending.
    """

    def __init__(self, name: str, turns: Turns) -> None:
        self._name, self.turns = f"kling-{name}", turns

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do ``work`` in its turn, in a copy of this context. Raises ``Busy`` if too many wait.

        A cancelled future leaves the queue; once its work has begun, cancelling does nothing.
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
        """Count a call at ``now``. Raises ``Busy`` where that is too many."""
        with self._lock:
            while self._calls and now - self._calls[0][0] >= self._seconds:
                self._calls.popleft()
            mine = sum(1 for _, by in self._calls if by == who)
            if mine >= self._each or len(self._calls) >= self._most:
                raise Busy(f"This page is busy with {self._what}.", hint="Try again in a minute.")
            self._calls.append((now, who))


# -- the turns

pictures = Slots(Turns(PICTURE_MEMORY, "other pictures"), patience=SHORT_WAIT)
looks = Slots(Turns(LOOKS, "other clips", each=LOOKS - 1), patience=SHORT_WAIT)
long_runs = Slots(Turns(LONG_RUNS, "other clips"), patience=LONG_WAIT)


def _lane(name: str, most: int, what: str, each: int | None = None) -> Lane:
    return Lane(name, Turns(most, what, each=each, queue=QUEUE, queue_each=QUEUE_EACH))


checking = _lane("check", LOOKS, "other checks", LOOKS // 2)
"""Checks and submits of the page: files are measured, nothing is fetched."""
making = _lane("make", MAKING, "other clips")
"""Repairs, exports, recordings, previews and thumbnails of the page."""
looking = _lane("look", LOOKING, "other clips", 1)
"""Looks of the page at what pictures and clips show."""
fetching = _lane("fetch", FETCHES, "other downloads", FETCHES_EACH)
"""Downloads from addresses that visitors gave."""
calling = _lane("call", CALLS, "other keys", CALLS_EACH)
"""Free calls to the provider."""
examining = _lane("examine", 1, "the same question of others")
"""The health panel: one at a time, since each tries every way to publish a file."""
showing = Lane("show", Turns(SHOWS, "other pages", each=SHOWS // 2))
"""The open views of jobs."""
