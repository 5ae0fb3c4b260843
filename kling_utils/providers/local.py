"""This machine as a provider: drafts, rendered one at a time by a process that ends with this one.

A slot is a lock of the operating system, so that several programs on one home render no more at once than one does. What was cut short is
rendered again by the next program that polls the job.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from kling_utils.draft.process import RUN_LIMIT, WORKER, Rendering
from kling_utils.errors import Interrupted, KlingError
from kling_utils.providers.base import TaskStatus
from kling_utils.values import Job, parameters

RECEIVED = "received.mp4"
"""Where the video appears in the job's folder."""
USUAL_SPEED = 2.5
"""Seconds of work for one of video, until this machine has shown its own; measured on two slow cores."""
RECENT = 5
"""Renders that the speed is reckoned from."""
TELLING = 0.05
"""Progress from which on a render's own pace says more than the others'."""
ATTEMPTS = 3
"""A draft during which the program went this often is probably why it went."""
FAREWELL = 5.0
"""Seconds that a render which was stopped is waited for."""

LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """One render of this process. Only its thread changes it."""

    rendering: Rendering
    thread: threading.Thread
    started: float
    progress: float = 0.0
    over: bool = False
    reason: str = ""
    """Why it failed; empty while it runs, when it was stopped, and when all went well."""


class LocalProvider:
    """The drafts of one home. Thread-safe."""

    base_url: str | None = None
    takes_files = True

    def __init__(
        self,
        home: Path,
        *,
        command: Sequence[str] = WORKER,
        run_limit: float = RUN_LIMIT,
        slots: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._slots = [home / "renders" / f"{n}.lock" for n in range(slots)]
        self._command, self._run_limit, self._clock = tuple(command), run_limit, clock
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._speeds: collections.deque[float] = collections.deque(maxlen=RECENT)
        self._closing = False

    def ready(self) -> float:
        """Always: what waits for a slot waits in the queue."""
        return 0.0

    def submit(self, job: Job, *, image: str = "", video: str = "") -> str:
        """The job is its own task: there is nothing to send."""
        return job.job_id

    def poll(self, job: Job) -> TaskStatus:
        """How the render goes. It is begun here when a slot is free, so the first in the queue is to be polled first."""
        with self._lock:
            run = self._runs.get(job.job_id)
            if run is not None and run.over:
                del self._runs[job.job_id]
                if run.reason:
                    return TaskStatus("failed", "failed", reason=run.reason)
            if run is None or run.over:
                if (job.folder / RECEIVED).is_file():
                    return TaskStatus("succeeded", "succeeded", progress=100)
                begun = self._begin(job)
                if isinstance(begun, TaskStatus):
                    return begun
                run = begun
            progress = min(99, int(run.progress * 100))
            return TaskStatus(
                "processing", "processing", progress=progress, eta=self._eta(run, job.duration)
            )

    def close(self) -> None:
        """Stop all renders; the next program renders them again."""
        with self._lock:
            self._closing = True
            runs = list(self._runs.values())
        for run in runs:
            run.rendering.stop()
        for run in runs:
            run.thread.join(FAREWELL)

    # -- inside

    def _begin(self, job: Job) -> _Run | TaskStatus:
        waits = TaskStatus("queued", "queued", place=1, eta=job.duration * self._speed())
        slot = None if self._closing else self._slot()
        if slot is None:
            return waits
        attempts = _attempts(job.folder)
        if attempts >= ATTEMPTS:
            slot.release()
            reason = f"this program ended {ATTEMPTS} times while it rendered the draft"
            return TaskStatus("failed", "failed", reason=reason)
        _count(job.folder, attempts + 1)
        rendering = Rendering(self._command, limit=self._run_limit)
        thread = threading.Thread(
            target=self._render, args=(job, slot), name="kling-draft", daemon=True
        )
        run = self._runs[job.job_id] = _Run(rendering, thread, self._clock())
        thread.start()
        return run

    def _slot(self) -> FileLock | None:
        """A free slot's lock, taken; None where all are held."""
        for path in self._slots:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # released by another thread than the one that took it
            lock = FileLock(path, thread_local=False)
            with contextlib.suppress(OSError, Timeout):
                lock.acquire(timeout=0)
                return lock
        return None

    def _render(self, job: Job, slot: FileLock) -> None:
        with self._lock:
            run = self._runs[job.job_id]
        reason = ""
        try:
            self._work(job, run)
        except Interrupted:  # on purpose, which says nothing about the job
            _count(job.folder, _attempts(job.folder) - 1)
        except KlingError as error:
            _count(job.folder, 0)
            reason = error.message
        except Exception:  # one broken draft must not stop the others
            LOG.exception("the draft %s failed unexpectedly", job.job_id)
            reason = "this program could not render the draft"
        finally:
            slot.release()
            with self._lock:
                run.reason, run.over = reason, True

    def _work(self, job: Job, run: _Run) -> None:
        out = job.folder / RECEIVED
        for half in job.folder.glob(f".{out.stem}.*.part.mp4"):
            half.unlink(missing_ok=True)  # of a process that was killed

        def told(share: float, _: str) -> None:
            run.progress = max(run.progress, share)

        files = {"image": str(job.request.image), "video": str(job.request.video), "out": str(out)}
        run.rendering.run(
            {**parameters(job.request), **files},
            on_progress=told,
            log=job.folder / "engine.log",
        )
        if not out.is_file() or not out.stat().st_size:
            out.unlink(missing_ok=True)
            raise KlingError("the local engine wrote no video")
        _count(job.folder, 0)
        if job.duration > 0:
            self._speeds.append((self._clock() - run.started) / job.duration)

    def _speed(self) -> float:
        """Seconds of work for one second of video."""
        speeds = list(self._speeds)
        return sum(speeds) / len(speeds) if speeds else USUAL_SPEED

    def _eta(self, run: _Run, duration: float) -> float:
        """Seconds to the end, by the render's own pace, or by that of the last ones."""
        gone = max(0.0, self._clock() - run.started)
        own = run.progress >= TELLING
        whole = gone / run.progress if own else duration * self._speed()
        return float(max(1, round(whole - gone)))


def _attempts(folder: Path) -> int:
    try:
        return int((folder / "attempts").read_text("ascii"))
    except (OSError, ValueError):
        return 0


def _count(folder: Path, attempts: int) -> None:
    path = folder / "attempts"
    with contextlib.suppress(OSError):
        path.write_text(str(attempts), "ascii") if attempts > 0 else path.unlink(missing_ok=True)
