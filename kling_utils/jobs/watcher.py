"""One poller for all jobs in flight of this process: a schedule and a small pool of threads, not a thread for each job.

Owns when a job is looked at again, the leases that keep two processes off one job, and the adoption of jobs that a process left behind.
Refuses to know what a step does: it calls ``advance(job_id)`` and is told after how many seconds to call again, or None.
"""

from __future__ import annotations

import functools
import heapq
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from kling_utils.jobs.pace import Pace
from kling_utils.jobs.store import Store

LOG = logging.getLogger(__name__)


class Watcher:
    """Calls ``advance`` for every job it holds the lease of. Starts with the first job or ``start()``; ``close()`` lets go of all."""

    def __init__(
        self,
        store: Store,
        worker: str,
        advance: Callable[[str], float | None],
        *,
        servable: Callable[[str], bool],
        sweep: Callable[[], None],
        pace: Pace,
        clock: Callable[[], float] = time.time,
        threads: int = 4,
    ) -> None:
        self._store, self._worker, self._advance, self._servable, self._sweep = (
            store,
            worker,
            advance,
            servable,
            sweep,
        )
        self._pace, self._clock = pace, clock
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kling-job")
        self._due: list[tuple[float, str]] = []
        self._held: set[str] = set()
        self._running: set[str] = set()
        self._again: set[str] = set()
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

    def claim(self, job_id: str) -> bool:
        """Take the job's lease. False when another process has it."""
        now = self._clock()
        return self._store.claim(self._worker, job_id, now=now, until=now + self._pace.lease)

    def add(self, job_id: str, delay: float = 0.0) -> bool:
        """Take the job, if no other process has it, and look at it after ``delay`` seconds. False when another process has it."""
        self.start()
        with (
            self._wake
        ):  # claimed inside: a step that ends right now must not give back what was just claimed
            if not self.claim(job_id):
                return False
            self._held.add(job_id)
            if job_id in self._running:
                self._again.add(job_id)
            else:
                self._due = [(at, other) for at, other in self._due if other != job_id]
                heapq.heapify(self._due)
                heapq.heappush(self._due, (time.monotonic() + delay, job_id))
            self._wake.notify()
        return True

    def close(self, patience: float = 10.0) -> None:
        """Stop; waits up to ``patience`` seconds for steps under way, so that a submit on its way is not left in doubt."""
        with self._wake:
            self._closed = True
            self._due.clear()
            self._wake.notify_all()
            self._wake.wait_for(lambda: not self._running, patience)
            left = self._held - self._running
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._thread is not None:
            self._thread.join(patience)
        for job_id in left:
            self._store.release(self._worker, job_id)

    def _loop(self) -> None:
        chores, sweeping = 0.0, 0.0
        while True:
            with self._wake:
                if self._closed:
                    return
                now = time.monotonic()
                while self._due and self._due[0][0] <= now:
                    job_id = heapq.heappop(self._due)[1]
                    self._running.add(job_id)
                    looked = self._pool.submit(self._advance, job_id)
                    looked.add_done_callback(functools.partial(self._done, job_id))
            if now >= sweeping:
                sweeping = now + self._pace.sweep_every
                self._chore(self._sweep)
            if now >= chores:
                chores = now + self._pace.adopt_every
                self._chore(self._renew_and_adopt)
            with self._wake:
                if not self._closed:
                    next_due = self._due[0][0] if self._due else chores
                    self._wake.wait(max(0.0, min(next_due, chores) - time.monotonic()))

    def _chore(self, chore: Callable[[], None]) -> None:
        try:
            chore()
        except Exception:
            LOG.warning("the watcher could not do its chores; it goes on", exc_info=True)

    def _renew_and_adopt(self) -> None:
        now = self._clock()
        with self._wake:
            held = set(self._held)
        self._store.renew(self._worker, held, until=now + self._pace.lease)
        for job_id in self._store.adoptable(now=now):
            if job_id not in held and self._servable(job_id):
                self.add(job_id)

    def _done(self, job_id: str, step: Future[float | None]) -> None:
        if step.cancelled():
            delay: float | None = None
        elif (error := step.exception()) is not None:
            LOG.error(
                "a step of job %s ended unexpectedly; it is tried again", job_id, exc_info=error
            )
            delay = self._pace.mishap
        else:
            delay = step.result()
        with self._wake:
            self._running.discard(job_id)
            if job_id in self._again:  # asked for while it ran
                self._again.discard(job_id)
                delay = 0.0
            if delay is None or self._closed:
                self._held.discard(job_id)
                self._store.release(self._worker, job_id)
            else:
                heapq.heappush(self._due, (time.monotonic() + delay, job_id))
            self._wake.notify_all()
