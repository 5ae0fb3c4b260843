"""Is another page open on this home? Owns the lock that tells and the sentence that says so. Both may go on: a job has one worker."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

SENTENCE = (
    "Another page is open on this home: both show the same jobs, and none of them is sent or billed twice. "
    "Set KLING_HOME to keep them apart."
)


class SingleInstanceLock:
    """Holds the home's page lock for as long as this process lives, when it is free."""

    def __init__(self, home: Path) -> None:
        self._lock = FileLock(home / "page.lock")
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            self.sentence = SENTENCE
        else:
            self.sentence = ""

    def close(self) -> None:
        """Let the next page be the only one."""
        self._lock.release()
