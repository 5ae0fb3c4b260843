"""How long to wait before a call is repeated, and how many submits a minute one key may make.

Owns arithmetic only: pure functions and a counter. Refuses to sleep; whoever calls does that, so that it can be stopped and tested.
Source of the numbers: the retry rules of openai-python and huggingface_hub; 20 submits a minute is what Novita documents for Kling V1.6.
"""

from __future__ import annotations

import hashlib
import math
import random
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from pyrate_limiter import Duration, InMemoryBucket, Rate, RateItem

TRIES = 5
FIRST, LONGEST = 0.5, 8.0  # seconds
PATIENCE = 120.0  # seconds that a poll or a download waits at most when it is told to
SUBMIT_PATIENCE = 60.0  # seconds for all tries of one submit


def full_jitter(failures: int, rng: random.Random) -> float:
    """Seconds before the next try after ``failures`` (1, 2, ...) in a row: anything from 0 to 0.5, 1, 2, 4, 8, 8 ..."""
    return rng.uniform(0.0, min(LONGEST, FIRST * 2.0 ** min(failures - 1, 10)))


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for: a number or an HTTP date (``now`` is Unix time).

    None for nothing, nonsense, and what lies in the past.
    """
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


class Limiter:
    """Submits a minute, counted for each key apart; only a hash of the key is kept."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = Rate(per_minute, Duration.MINUTE), clock
        self._buckets: dict[str, InMemoryBucket] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """0 when a submit may go now, and it is counted; otherwise the seconds after which to ask again."""
        now = int(self._clock() * 1000)
        with self._lock:
            for name in list(self._buckets):
                self._buckets[name].leak(now)
                if not self._buckets[name].count():
                    del self._buckets[name]
            bucket = self._buckets.setdefault(
                hashlib.sha256(key.encode()).hexdigest(), InMemoryBucket([self._rate])
            )
            item = RateItem("submit", now)
            return 0.0 if bucket.put(item) else max(1, bucket.waiting(item)) / 1000  # type: ignore[type-var, operator]
