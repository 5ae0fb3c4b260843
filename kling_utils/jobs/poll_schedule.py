"""How often a job is looked at and for how long: numbers and arithmetic only."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """All in seconds."""

    interval: float = 2.0
    """First wait between two polls; grows by ``growth`` to ``most`` times itself."""
    growth: float = 1.3
    most: float = 5.0
    near: float = 1.0
    """Longest wait for a server on this machine, where asking costs nothing."""
    late: float = 60.0
    """Between two polls once the deadline has passed."""
    deadline: float = 1200.0
    """Of processing; queue time does not count."""
    give_up: float = 24 * 3600.0
    """After the submit: from then on only on request."""
    adopt_every: float = 10.0
    sweep_every: float = 6 * 3600.0
    mishap: float = 10.0
    """After a step that ended in an unexpected error."""


def next_wait(
    pace: Pace, polls: int, eta: float | None, rng: random.Random, *, near: bool = False
) -> float:
    """Seconds until the next poll after ``polls`` of them: growing, with a fifth of jitter; the provider's ``eta`` makes it shorter."""
    wait = min(pace.interval * pace.growth ** min(polls, 50), pace.interval * pace.most)
    if near:
        wait = min(wait, pace.near)
    if eta is not None and 0 < eta < wait:
        wait = max(eta, pace.interval)
    return wait * rng.uniform(0.8, 1.2)
