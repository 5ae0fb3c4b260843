"""The expected wait: learned from jobs of the same kind, and not at all from too few."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kling_utils.jobs import eta
from kling_utils.values import Job, MotionRequest


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
    found = eta.expected(job("N", seconds=10.0), past)
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
    assert eta.expected(job("N"), past) is None
    assert eta.expected(job("N"), [*past, job("C", 70.0)]) is not None


def test_a_job_does_not_learn_from_itself() -> None:
    assert eta.expected(job("A", 50.0), [job("A", 50.0), job("B", 50.0)]) is None


def test_only_the_newest_count() -> None:
    past = [job(f"{n}", 50.0) for n in range(eta.MOST)] + [job("old", 5000.0)]
    found = eta.expected(job("N"), past)
    assert found is not None
    assert found.late == pytest.approx(50.0)
