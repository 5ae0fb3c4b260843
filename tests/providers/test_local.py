"""Drafts of this machine: order, what a failure leaves, slots between programs, and what survives an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from helpers import zoo
from helpers.engine import FakeEngine, make

from kling_utils.providers.base import TaskStatus
from kling_utils.providers.local import ATTEMPTS, RECEIVED, LocalProvider
from kling_utils.values import Job, MotionRequest

Start = Callable[..., LocalProvider]


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return make(tmp_path / "engine")


@pytest.fixture
def start(tmp_path: Path, engine: FakeEngine) -> Iterator[Start]:
    """Providers on one home, as several programs have them; closed at the end."""
    made: list[LocalProvider] = []

    def one(**how: Any) -> LocalProvider:
        made.append(LocalProvider(tmp_path / "home", **{"command": engine.command, **how}))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    clip = zoo.clip(tmp_path, seconds=3)

    def one(name: str = "a", **parameters: Any) -> Job:
        folder = tmp_path / "home" / "jobs" / name
        folder.mkdir(parents=True)
        request = MotionRequest(zoo.image(tmp_path), clip, **parameters)
        return Job(name, "home", "local", 1, "queued", request, name, 1.0, 1.0, folder, "i", "c", 3)

    return one


def polled(provider: LocalProvider, job: Job, *states: str, least: int = 0) -> TaskStatus:
    """Poll until the task is in one of the states, and as far as that."""
    until = time.monotonic() + 20
    while True:
        status = provider.poll(job)
        if status.status in states and (status.progress or 0) >= least:
            return status
        assert time.monotonic() < until, f"still {status}"
        threading.Event().wait(0.01)


def test_a_draft_is_its_own_task_and_lies_in_its_folder(
    start: Start, engine: FakeEngine, job: Callable[..., Job]
) -> None:
    asked = job(keep_original_sound=False, model_name="kling-v3-0-pro", prompt="rain")
    provider = start()
    assert provider.ready() == 0
    assert provider.submit(asked) == asked.job_id
    polled(provider, asked, "succeeded")
    video = asked.folder / RECEIVED
    assert video.read_bytes() == Path(asked.request.video).read_bytes()
    (order,) = engine.orders
    assert order["model_name"] == "kling-v3-0-pro"
    assert order["keep_original_sound"] is False
    assert start().poll(asked).status == "succeeded", "another program finds it"


def test_the_engine_gets_no_key(
    start: Start, engine: FakeEngine, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVITA_API_KEY", "sk_made_up")
    polled(start(), job(), "succeeded")
    assert engine.orders[0]["secret"] is None


def test_progress_never_goes_back_and_tells_when_it_ends(
    start: Start, engine: FakeEngine, job: Callable[..., Job]
) -> None:
    engine.mode("backwards")
    now = [100.0]
    provider, asked = start(clock=lambda: now[0]), job()
    first = provider.poll(asked)
    assert first.status == "processing"
    assert first.eta == round(3 * 2.5)
    status = polled(provider, asked, "processing", least=60)
    now[0] += 6
    status = provider.poll(asked)
    assert status.progress == 60
    assert status.eta == pytest.approx(4.0)
    engine.open()
    polled(provider, asked, "succeeded")


def test_one_is_rendered_at_a_time_also_by_two_programs(
    start: Start, engine: FakeEngine, job: Callable[..., Job]
) -> None:
    engine.mode("gate")
    here, there = start(), start()
    first, second = job("a"), job("b")
    polled(here, first, "processing")
    for each in (here, there):
        status = each.poll(second)
        assert (status.status, status.place) == ("queued", 1)
    engine.open()
    polled(here, first, "succeeded")
    polled(there, second, "succeeded")
    assert len(engine.orders) == 2


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("crash", "the local engine stopped unexpectedly (exit code -9)"),
        ("silent", "the local engine stopped unexpectedly (exit code 0)"),
        ("refuse", "No complete upper body detected in the image"),
    ],
)
def test_a_failure_is_the_drafts_own_and_the_next_one_runs(
    start: Start, engine: FakeEngine, job: Callable[..., Job], mode: str, reason: str
) -> None:
    engine.mode(mode)
    provider = start()
    assert polled(provider, job("a"), "failed").reason == reason
    engine.mode("copy")
    polled(provider, job("b"), "succeeded")


def test_an_engine_that_hangs_is_stopped(
    start: Start, engine: FakeEngine, job: Callable[..., Job]
) -> None:
    engine.mode("gate")
    assert "took longer than" in polled(start(run_limit=0.5), job(), "failed").reason


def test_an_engine_that_cannot_be_started_fails_the_draft(
    start: Start, job: Callable[..., Job], caplog: pytest.LogCaptureFixture
) -> None:
    status = polled(start(command=("/nonexistent/engine",)), job(), "failed")
    assert status.reason == "this program could not render the draft"
    assert "/nonexistent/engine" in caplog.text


def test_what_was_cut_short_is_rendered_again_and_a_stop_is_no_attempt(
    start: Start, engine: FakeEngine, job: Callable[..., Job]
) -> None:
    engine.mode("gate")
    asked = job()
    for _ in range(ATTEMPTS + 1):
        provider = start()
        polled(provider, asked, "processing", least=25)
        provider.close()
        assert provider.poll(asked).status == "queued", "it begins nothing any more"
    engine.open()
    polled(start(), asked, "succeeded")


def test_a_draft_that_takes_the_program_down_is_given_up(
    start: Start, engine: FakeEngine, job: Callable[..., Job]
) -> None:
    asked = job()
    (asked.folder / "attempts").write_text(str(ATTEMPTS))  # written before each try
    assert "ended 3 times" in polled(start(), asked, "failed").reason
    assert engine.orders == []


def test_a_draft_whose_file_was_removed_is_rendered_again(
    start: Start, engine: FakeEngine, job: Callable[..., Job]
) -> None:
    asked = job()
    for _ in range(ATTEMPTS + 2):
        polled(start(), asked, "succeeded")
        (asked.folder / RECEIVED).unlink()
    assert len(engine.orders) == ATTEMPTS + 2


def test_a_slot_is_free_when_its_program_is_gone(
    start: Start, job: Callable[..., Job], tmp_path: Path
) -> None:
    slot = FileLock(tmp_path / "home" / "renders" / "0.lock", thread_local=False)
    slot.lock_file and Path(slot.lock_file).parent.mkdir(parents=True)
    slot.acquire()
    asked, provider = job(), start()
    assert provider.poll(asked).status == "queued"
    slot.release()
    polled(provider, replace(asked, state="processing"), "succeeded")
