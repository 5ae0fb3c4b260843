"""The scheduler of all jobs of this process (sends, polls, saves and drafts): due times, and a few threads in lanes.

A lane bounds what its jobs can hold up: drafts, polls, downloads and sends have threads of their own, so that a host that hangs delays
its own kind only, and one visitor has at most a quarter of a lane. A step never waits for its turn: it returns the seconds after which to
call again. ``advance(job_id)`` is one step; None ends the watch.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from kling_utils.errors import KlingError
from kling_utils.jobs.store import Store
from kling_utils.jobs.timing import Pace
from kling_utils.values import HOME_OWNER

LOG = logging.getLogger(__name__)

Lane = Literal["draft", "poll", "save", "send"]
LANES: dict[Lane, int] = {"draft": 4, "poll": 12, "save": 8, "send": 6}
"""Threads of each lane: 30 in all. A poll takes 0.2 s, so 12 do 60 a second; a download is bound by the network."""


def share(lane: Lane, owner: str) -> int:
    """Threads of a lane that one owner may use at once: all of them at home, a quarter for a visitor."""
    return LANES[lane] if owner == HOME_OWNER else max(1, LANES[lane] // 4)


class Watcher:
    """Calls ``advance`` for every job it holds the lease of. Starts with the first job or ``start()``; ``close()`` lets go of all.

    ``lane_of`` tells a job's lane and owner, ``servable`` whether this process can go on with a job that a dead one left. ``sweep`` and
    ``settle`` are chores.
    """

    def __init__(
        self,
        store: Store,
        advance: Callable[[str], float | None],
        *,
        lane_of: Callable[[str], tuple[Lane, str]],
        servable: Callable[[str], bool],
        sweep: Callable[[], None],
        settle: Callable[[], None],
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._advance, self._lane_of = store, advance, lane_of
        self._servable, self._sweep, self._settle = servable, sweep, settle
        self._pace, self._clock = pace, clock
        self._pools = {
            lane: ThreadPoolExecutor(size, thread_name_prefix=f"kling-{lane}")
            for lane, size in LANES.items()
        }
        self._due: list[tuple[float, str]] = []
        self._ready: dict[Lane, deque[tuple[str, str]]] = {lane: deque() for lane in LANES}
        self._busy: dict[Lane, Counter[str]] = {lane: Counter() for lane in LANES}
        self._held: set[str] = set()  # known to this watcher: due, waiting or running
        self._running: set[str] = set()
        self._again: set[str] = set()  # asked for while a step ran: due at once after it
        self._faults: Counter[str] = Counter()
        self._wake = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch and to adopt."""
        with self._wake:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._loop, name="kling-watcher", daemon=True
                )
                self._thread.start()

    def add(self, job_id: str, delay: float = 0.0) -> bool:
        """Take the job, if no live process has it, and look at it after ``delay`` seconds. False when another process has it."""
        self.start()
        with self._wake:
            # claimed inside: a step that ends right now must not give back what was just claimed
            if not self._store.claim(job_id):
                return False
            self._held.add(job_id)
            if job_id in self._running:
                self._again.add(job_id)
            else:
                self._due = [(at, other) for at, other in self._due if other != job_id]
                heapq.heapify(self._due)
                heapq.heappush(self._due, (self._clock() + delay, job_id))
            self._wake.notify()
        return True

    def close(self, patience: float = 7.0) -> None:
        """Stop; waits up to ``patience`` seconds for steps under way, so that a submit on its way is not left in doubt. A container
        is killed 10 s after it was asked to stop.

        The leases are given back by the store when it closes, all in one transaction.
        """
        with self._wake:
            self._closed = True
            self._due.clear()
            for waiting in self._ready.values():
                self._running.difference_update(job_id for job_id, _ in waiting)
                waiting.clear()
            self._wake.notify_all()
            self._wake.wait_for(lambda: not self._running, patience)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        if self._thread is not None:
            self._thread.join(patience)

    def _loop(self) -> None:
        chores, sweeping = 0.0, 0.0
        while True:
            with self._wake:
                if self._closed:
                    return
                now, ready = self._clock(), list[str]()
                while self._due and self._due[0][0] <= now:
                    ready.append(heapq.heappop(self._due)[1])
                self._running.update(ready)
            for job_id in ready:
                self._enter(job_id)
            if now >= sweeping:
                sweeping = now + self._pace.sweep_every
                self._chore(self._sweep)
            if now >= chores:
                chores = now + self._pace.adopt_every
                self._chore(self._adopt)
                # it may wait for the network, and nothing waits in this thread
                with contextlib.suppress(RuntimeError):  # closed meanwhile
                    self._pools["poll"].submit(self._chore, self._settle)
            with self._wake:
                if not self._closed:
                    next_due = self._due[0][0] if self._due else chores
                    self._wake.wait(max(0.0, min(next_due, chores) - self._clock()))

    def _enter(self, job_id: str) -> None:
        """Put a job that is due into its lane."""
        try:
            lane, owner = self._lane_of(job_id)
        except (KlingError, SQLAlchemyError):  # deleted meanwhile, or no database: its step says so
            lane, owner = "poll", ""
        with self._wake:
            self._ready[lane].append((job_id, owner))
            self._pump(lane)

    def _pump(self, lane: Lane) -> None:
        """Start what may start, the oldest first; a visitor who has their share of the lane waits for themselves."""
        waiting, busy, size = self._ready[lane], self._busy[lane], LANES[lane]
        while waiting and busy.total() < size and not self._closed:
            free = (n for n, (_, owner) in enumerate(waiting) if busy[owner] < share(lane, owner))
            if (place := next(free, None)) is None:
                return
            job_id, owner = waiting[place]
            del waiting[place]
            busy[owner] += 1
            looked = self._pools[lane].submit(self._advance, job_id)
            looked.add_done_callback(functools.partial(self._done, lane, owner, job_id))

    def _chore(self, chore: Callable[[], None]) -> None:
        try:
            chore()
        except Exception:
            LOG.warning("the watcher could not do its chores; it goes on", exc_info=True)

    def _adopt(self) -> None:
        with self._wake:
            held = set(self._held)
        for job_id in self._store.adoptable():
            if job_id not in held and self._servable(job_id):
                self.add(job_id)

    def _done(self, lane: Lane, owner: str, job_id: str, step: Future[float | None]) -> None:
        if step.cancelled():
            delay: float | None = None
        elif (error := step.exception()) is not None:
            LOG.error(
                "a step of job %s ended unexpectedly; it is tried again", job_id, exc_info=error
            )
            self._faults[job_id] += 1
            # doubled each time, up to a quarter of an hour
            delay = min(900.0, self._pace.mishap * 2.0 ** min(self._faults[job_id] - 1, 20))
        else:
            self._faults.pop(job_id, None)
            delay = step.result()
        with self._wake:
            self._busy[lane][owner] -= 1
            self._running.discard(job_id)
            if job_id in self._again:  # asked for while it ran
                self._again.discard(job_id)
                delay = 0.0
            if delay is None or self._closed:
                self._held.discard(job_id)
                if not self._closed:
                    self._store.release(job_id)
            else:
                heapq.heappush(self._due, (self._clock() + delay, job_id))
            self._pump(lane)
            self._wake.notify_all()
