"""How often a job is looked at."""

from __future__ import annotations

import random

from kling_utils.jobs.poll_schedule import Pace, next_wait


class Middle(random.Random):
    """No jitter."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def test_waits_grow_to_five_times_the_first() -> None:
    waits = [next_wait(Pace(interval=2.0), n, None, Middle()) for n in range(12)]
    assert waits[0] == 2.0
    assert waits[1] == 2.6
    assert waits == sorted(waits)
    assert waits[-1] == 10.0


def test_jitter_is_a_fifth() -> None:
    waits = {next_wait(Pace(interval=2.0), 0, None, random.Random(n)) for n in range(200)}
    assert 1.6 <= min(waits) < 1.7
    assert 2.3 < max(waits) <= 2.4


def test_the_providers_estimate_makes_a_wait_shorter_but_never_hectic() -> None:
    assert next_wait(Pace(interval=2.0), 10, 4.0, Middle()) == 4.0
    assert next_wait(Pace(interval=2.0), 10, 0.1, Middle()) == 2.0
    assert next_wait(Pace(interval=2.0), 0, 300.0, Middle()) == 2.0


def test_a_server_on_this_machine_is_asked_every_second() -> None:
    assert next_wait(Pace(interval=2.0), 10, None, Middle(), near=True) == 1.0


def test_a_wait_of_days_does_not_overflow() -> None:
    assert next_wait(Pace(), 100_000, None, random.Random(1)) <= 12.0
