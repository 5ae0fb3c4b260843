"""Time that passes only when someone waits."""

from __future__ import annotations


class Clock:
    """A clock, its wall-clock twin, and the wait that moves both. ``waits`` keeps what was waited for; ``stop_after`` waits it stops."""

    def __init__(self, start: float = 1_000.0, *, stop_after: int | None = None) -> None:
        self.now, self.waits, self.stop_after = start, list[float](), stop_after

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return self.stop_after is not None and len(self.waits) >= self.stop_after
