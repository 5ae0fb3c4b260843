"""What a step does while the provider, the pace or the network holds it: it returns a delay and waits for nothing.

The watcher is closed, so that the test takes each step itself, on a clock of its own.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.clocks import Clock
from helpers.scripted import Reply, Reset, ScriptedNovita, refusal

from kling_utils import errors
from kling_utils import events as ev
from kling_utils.jobs.client import Client
from kling_utils.jobs.store import Store
from kling_utils.jobs.timing import Pace
from kling_utils.jobs.worker import TURN
from kling_utils.providers.http import Transport
from kling_utils.values import Job, MotionRequest

SLOW = Reply(429, {"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "slow"})
Still = Callable[..., Client]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def still(make: Any, clock: Clock) -> Still:
    """A runner whose watcher does nothing by itself."""

    def one(*, per_minute: int | None = None, **given: Any) -> Client:
        transport = Transport(
            per_minute=per_minute,
            clock=clock,
            wall=clock.wall,
            wait=clock.wait,
            rng=random.Random(1),
            read_timeout=0.5,
            submit_timeout=0.5,
        )
        runner: Client = make(clock=clock.wall, transport=transport, pace=Pace(), **given)
        runner._watcher.close()
        return runner

    return one


def step(runner: Client, job: Job) -> float | None:
    return runner._advance(job.job_id)


def test_a_submit_beyond_the_pace_is_delayed_and_provably_not_sent(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    runner = still(per_minute=1)
    first, second = (runner.submit(replace(request_, prompt=text)) for text in ("one", "two"))
    step(runner, first)
    delay = step(runner, second)
    assert delay is not None
    assert 0 < delay < 61
    assert clock.waits == [], "no thread waited"
    assert runner.record(second.job_id).state == "checked", "a kill now leaves nothing in doubt"
    assert novita.state.submit_count == 1
    step(runner, second)
    told = [getattr(event, "text", "") for _, event in runner.history(second.job_id)]
    assert told.count(TURN) == 1, "what it waits for is said, once"
    clock.now += delay
    step(runner, second)
    assert runner.record(second.job_id).state == "queued"


def test_forty_jobs_at_ten_a_minute_are_saved_whatever_waits_to_be_sent(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    runner = still(per_minute=10)
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    jobs = [runner.submit(replace(request_, prompt=str(n))) for n in range(40)]
    due = [(clock.now, job.job_id) for job in jobs]
    sent: dict[str, float] = {}
    saved: dict[str, float] = {}
    while due:
        at, job_id = heapq.heappop(due)
        clock.now = max(clock.now, at)
        delay = runner._advance(job_id)
        state = runner.record(job_id).state
        if state == "queued":
            sent.setdefault(job_id, clock.now)
        if state == "succeeded":
            saved[job_id] = clock.now
        if delay is not None:
            heapq.heappush(due, (clock.now + delay, job_id))
    assert len(saved) == 40
    assert clock.waits == []
    assert clock.now - 1000.0 > 170, "the pace was kept"
    interval = 2.0 * 1.2  # with jitter
    assert max(saved[job] - sent[job] for job in saved) <= interval + 1


def test_429_is_sent_again_after_what_it_asks_for(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    novita.state.submits.append(Reply(429, "", {"Retry-After": "3"}))
    runner = still()
    job = runner.submit(request_)
    assert step(runner, job) == 3
    assert runner.record(job.job_id).state == "checked"
    clock.now += 3
    step(runner, job)
    assert runner.record(job.job_id).state == "queued"
    assert (novita.state.submit_count, clock.waits) == (2, [])


@pytest.mark.parametrize("told", ["61", "3600", "1e9"])
def test_429_that_asks_for_more_than_a_minute_ends_the_job_unspent(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, told: str
) -> None:
    novita.state.submits.append(Reply(429, SLOW.body, {"Retry-After": told}))
    runner = still()
    job = runner.submit(request_)
    assert step(runner, job) is None
    ended = runner.record(job.job_id)
    assert (ended.state, ended.money) == ("failed", "no")
    assert novita.state.submit_count == 1


def test_all_tries_of_a_submit_fit_into_a_minute(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    novita.state.submits.extend(Reply(429, "", {"Retry-After": "25"}) for _ in range(9))
    runner = still()
    job = runner.submit(request_)
    delays = []
    while (delay := step(runner, job)) is not None:
        delays.append(delay)
        clock.now += delay
    assert delays == [25, 25]
    assert runner.record(job.job_id).trouble.code == "RateLimited"  # type: ignore[union-attr]


def test_an_unknown_outcome_after_a_429_is_not_repeated(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    novita.state.submits.extend([SLOW, Reset()])
    runner = still()
    job = runner.submit(request_)
    clock.now += step(runner, job) or 0
    assert step(runner, job) is None
    assert runner.record(job.job_id).state == "unconfirmed"
    assert novita.state.submit_count == 2


def test_what_never_left_is_tried_again_and_costs_nothing(
    still: Still, request_: MotionRequest, clock: Clock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    runner = still(settings={"novita_base_url": f"http://127.0.0.1:{port}"})
    job, tries = runner.submit(request_), 0
    while (delay := step(runner, job)) is not None:
        tries, clock.now = tries + 1, clock.now + delay
    ended = runner.record(job.job_id)
    assert (tries, ended.state, ended.money) == (4, "failed", "no")
    assert ended.trouble is not None
    assert ended.trouble.code == "NoContact"


def test_a_poll_that_is_told_to_wait_returns_the_delay(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    runner = still()
    job = runner.submit(request_)
    step(runner, job)
    novita.state.polls.append(Reply(429, SLOW.body, {"Retry-After": "7"}))
    novita.state.polls.append(Reply(503, "", {"Retry-After": "1e9"}))
    assert step(runner, job) == 7
    assert step(runner, job) == 120, "bounded"
    assert clock.waits == []


@pytest.mark.parametrize(("status", "reason"), [(401, "FAILED_TO_AUTH"), (403, "INVALID_API_KEY")])
def test_a_key_is_proved_before_anything_is_published(
    still: Still,
    novita: ScriptedNovita,
    clip: Path,
    picture: Path,
    tmp_path: Path,
    status: int,
    reason: str,
) -> None:
    novita.state.balances.append(refusal(status, reason))
    runner = still(settings={"publish": f"file://{tmp_path}/bucket"})
    job = runner.submit(MotionRequest(picture, clip))
    assert step(runner, job) is None
    ended = runner.record(job.job_id)
    assert (ended.state, ended.money) == ("failed", "no")
    assert not list(tmp_path.glob("bucket/**/*.mp4"))
    assert novita.state.submit_count == 0


@pytest.mark.parametrize(
    "answer", [refusal(404, "API_NOT_FOUND"), Reply(500, ""), Reply(200, "{}")]
)
def test_a_host_without_a_balance_is_no_reason_to_stop(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, answer: Reply
) -> None:
    novita.state.balances.append(answer)
    runner = still()
    job = runner.submit(request_)
    step(runner, job)
    assert runner.record(job.job_id).state == "queued"


def test_a_key_is_proved_once_in_a_while(
    still: Still, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    runner = still()
    asked = []
    for n in range(3):
        step(runner, runner.submit(replace(request_, prompt=str(n))))
        all_of_them = sum(seen.path.endswith("balance/detail") for seen in novita.state.seen)
        asked.append(all_of_them - (n + 1))  # one is noted before each submit
        clock.now += 400
    assert asked == [1, 1, 2]


def test_a_failure_that_may_have_been_paid_for_is_not_sent_again_unasked(
    still: Still, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.reason = "No complete upper body detected in the video"
    novita.state.statuses = ["TASK_STATUS_FAILED"]
    runner = still()
    job = runner.submit(request_)
    while step(runner, job) is not None:
        pass
    with pytest.raises(errors.AlreadyHave, match="ended without a result") as caught:
        runner.submit(request_)
    assert (caught.value.money, caught.value.job_id) == ("unknown", job.job_id)
    assert runner.submit(request_, again=True).take == 2


def test_a_provider_without_a_free_slot_may_be_asked_again(
    still: Still, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.reason = "parallel task over resource pack limit"
    novita.state.statuses = ["TASK_STATUS_FAILED"]
    runner = still()
    job = runner.submit(request_)
    while step(runner, job) is not None:
        pass
    ended = runner.record(job.job_id)
    assert ended.trouble is not None
    assert "send the same request again" in ended.trouble.hint
    assert runner.submit(request_).job_id != job.job_id


def test_a_task_id_that_comes_after_the_job_was_dismissed_is_kept(
    still: Still, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    runner = still()
    job = runner.submit(request_)
    runner._worker._after = lambda name: (  # another process, between the send and the answer
        (_doubt(other, job), other.dismiss(job.job_id)) if name == "submitted" else None
    )
    other = still()
    step(runner, job)
    kept = other.record(job.job_id)
    assert (kept.state, kept.task_id) == ("queued", next(iter(novita.state.tasks)))


def _doubt(runner: Client, job: Job) -> None:
    from kling_utils.values import Trouble

    trouble = Trouble("SubmitUnconfirmed", "In doubt.", "", "unknown")
    runner._store.change(job.job_id, now=1.0, state="unconfirmed", trouble=trouble)


def test_a_worker_that_lost_its_lease_writes_nothing_more(
    make: Callable[..., Client], novita: ScriptedNovita, request_: MotionRequest
) -> None:
    stepped = threading.Event()

    def after(name: str) -> None:
        if name == "saved":  # the home was taken away and given back: another process has the job
            runner._store.release(job.job_id)
            assert other.claim(job.job_id)
        if name == "succeeded":
            stepped.set()

    runner = make(after=after)
    with contextlib.closing(Store(runner.home)) as other:
        novita.state.statuses = ["TASK_STATUS_QUEUED", "TASK_STATUS_SUCCEED"]
        job = runner.submit(request_)
        assert stepped.wait(20)
        now = other.get(job.job_id)
        assert (now.state, now.video) == ("downloading", None), "its end is for the other to tell"
        said = [event for _, event in other.events(job.job_id)]
        assert not any(isinstance(event, ev.Succeeded) for event in said)
        assert other.private(job.job_id).leased


def test_a_store_that_cannot_be_used_for_a_moment_ends_no_job(
    still: Still,
    novita: ScriptedNovita,
    request_: MotionRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = still()
    job = runner.submit(request_)
    while runner.record(job.job_id).state != "queued":
        step(runner, job)
    change = runner._store.change

    def broken(*args: Any, **columns: Any) -> bool:
        monkeypatch.setattr(runner._store, "change", change)
        raise errors.SettingError("The database cannot be used.")

    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    monkeypatch.setattr(runner._store, "change", broken)
    with pytest.raises(errors.SettingError):
        step(runner, job)
    assert runner.record(job.job_id).state == "queued"
    while step(runner, job) is not None:
        pass
    assert runner.record(job.job_id).state == "succeeded"


def test_a_host_of_clips_that_cannot_be_reached_is_no_unreadable_file(
    make: Callable[..., Client], novita: ScriptedNovita, clip: Path, picture: Path
) -> None:
    class Away:
        def publish(self, path: Path) -> Any:
            raise errors.NoContact("The shelf cannot be reached.")

        def withdraw(self, path: Path) -> None: ...

    runner = make()
    runner.page = Away()
    with pytest.raises(errors.NoContact, match="The shelf"):
        runner.run(MotionRequest(picture, clip), progress=False)
    assert novita.state.submit_count == 0
