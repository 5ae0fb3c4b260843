"""How often a job is looked at, and the wait that is expected from jobs of the same kind."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from kling_utils.jobs import timing
from kling_utils.jobs.timing import Pace, next_wait
from kling_utils.values import Job, MotionRequest


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


def job(job_id: str, took: float | None = None, *, seconds: float = 5.0, **more: Any) -> Job:
    request = MotionRequest("i.png", "v.mp4", model_name=more.pop("model_name", "kling-v3-0-std"))
    facts: dict[str, Any] = {
        "provider": "novita",
        "state": "succeeded" if took else "queued",
        "queued_at": 100.0,
    } | more
    end = 100.0 + took if took else None
    return Job(
        job_id=job_id,
        owner="home",
        take=1,
        request=request,
        fingerprint="f",
        created=90.0,
        updated=90.0,
        folder=Path(),
        image_name="i",
        video_name="v",
        duration=seconds,
        finished_at=end,
        **facts,
    )


def test_the_wait_is_by_second_of_output() -> None:
    past = [job("A", 50.0), job("B", 100.0), job("C", 150.0)]
    found = timing.expected(job("N", seconds=10.0), past)
    assert found is not None
    assert found.median == pytest.approx(200.0)
    assert found.late == pytest.approx(280.0)
    assert found.jobs == 3


@pytest.mark.parametrize(
    "other",
    [
        {"provider": "local"},
        {"model_name": "kling-v3-0-pro"},
        {"state": "failed"},
        {"seconds": 0.0},
    ],
    ids=lambda o: next(iter(o)),
)
def test_only_finished_jobs_of_the_same_kind_count(other: dict[str, Any]) -> None:
    past = [job("A", 50.0), job("B", 60.0, **other)]
    assert timing.expected(job("N"), past) is None
    assert timing.expected(job("N"), [*past, job("C", 70.0)]) is not None


def test_a_job_does_not_learn_from_itself() -> None:
    assert timing.expected(job("A", 50.0), [job("A", 50.0), job("B", 50.0)]) is None


def test_only_the_newest_count() -> None:
    past = [job(f"{n}", 50.0) for n in range(timing.MOST)] + [job("old", 5000.0)]
    found = timing.expected(job("N"), past)
    assert found is not None
    assert found.late == pytest.approx(50.0)
