"""Which processes of a home are alive, told by locks that the operating system gives back when a process dies.

No clock takes part: a clock that is set back or a machine that slept says nothing about a process.
"""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

from filelock import FileLock, Timeout

_STALE = 86400.0
"""Seconds after which the lock file of a process is looked at by the sweep; young ones may be about to be locked."""


class Presence:
    """The lock of one worker. Held until ``close`` or until the process ends, however it ends."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._folder, self.worker = folder, worker
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # not of the thread that made it: handlers, watchers and callers ask from threads of their own
        self._lock = FileLock(self._path(worker), thread_local=False)
        self._lock.acquire(timeout=0)

    def alive(self, worker: str) -> bool:
        """True while the process of that worker holds its lock. The lock file of a dead one is removed."""
        if worker == self.worker:
            return self._lock.is_locked
        path = self._path(worker)
        if not path.exists():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            return True
        path.unlink(missing_ok=True)
        lock.release()
        return False

    def sweep(self) -> None:
        """Remove the lock files of processes that died."""
        for path in self._folder.glob("*.lock"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    self.alive(path.stem)

    def close(self) -> None:
        """Tell the others that this worker is gone."""
        with contextlib.suppress(OSError):
            self._path(self.worker).unlink(missing_ok=True)
        self._lock.release()

    def _path(self, worker: str) -> Path:
        return self._folder / f"{re.sub(r'[^0-9A-Za-z_-]', '', worker)}.lock"
