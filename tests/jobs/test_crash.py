"""A process that is killed after any step of the flow: the next one never submits twice and never loses a result."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.scripted import ScriptedNovita

from kling_utils.errors import AlreadyHave, StillRunning, SubmitUnconfirmed
from kling_utils.jobs.client import Client
from kling_utils.jobs.home import describe, described
from kling_utils.values import Job, MotionRequest

CRASH = Path(__file__).with_name("crash.py")


def crash(step: str, request: MotionRequest, novita: ScriptedNovita, home: Path) -> None:
    env = {
        **os.environ,
        "NOVITA_API_KEY": novita.key,
        "NOVITA_BASE_URL": novita.base_url,
        "KLING_HOME": str(home),
        "KLING_ALLOW_PRIVATE_HOSTS": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, str(CRASH), step, str(request.image), str(request.video)],
        env=env,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 9, done.stderr.decode()[-2000:]


def only_job(runner: Client) -> Job:
    (job,) = runner.jobs()
    return job


@pytest.mark.parametrize("step", ["stored", "published"])
def test_before_it_was_sent(
    step: str, make, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    crash(step, request_, novita, tmp_path / "home")
    assert novita.state.submit_count == 0
    runner = make()
    runner.watch()
    job = only_job(runner)
    assert job.state == "checked"
    assert job.money == "no"
    with pytest.raises(StillRunning, match="not sent and nothing was spent"):
        runner.follow(job.job_id, progress=False)
    assert novita.state.submit_count == 0  # nobody sends it without being asked
    assert runner.run(request_, progress=False).job.job_id == job.job_id, "the same request does"
    assert novita.state.submit_count == 1


@pytest.mark.parametrize("step", ["stored", "published"])
def test_an_immediate_rerun_sends_what_was_never_sent_once(
    step: str, make, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    crash(step, request_, novita, tmp_path / "home")
    first = make()
    assert first.run(request_, progress=False).video.exists()
    assert novita.state.submit_count == 1
    other = replace(request_, prompt="at night")
    job = first.submit(other)
    first.close()
    assert make().run(other, progress=False).job.job_id == job.job_id, "after close() as well"
    assert novita.state.submit_count == 2


@pytest.mark.parametrize("step", ["stored", "published"])
def test_resume_sends_what_was_never_sent_once(
    step: str, make, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    crash(step, request_, novita, tmp_path / "home")
    runner = make()
    job = runner.resume(only_job(runner).job_id)
    assert runner.resume(job.job_id).job_id == job.job_id, "twice is once"
    result = runner.follow(job.job_id, progress=False)
    assert (result.job.job_id, result.job.money) == (job.job_id, "yes")
    assert novita.state.submit_count == 1


def test_that_a_request_is_in_doubt_is_told_without_a_key(
    make, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    crash("submitting", request_, novita, tmp_path / "home")
    runner = make(settings={"novita_api_key": None})
    job_id = only_job(runner).job_id
    with pytest.raises(SubmitUnconfirmed, match="the task may exist"):
        runner.follow(job_id, progress=False)
    job = runner.record(job_id)
    assert (job.state, job.money, job.waits_for) == ("unconfirmed", "unknown", "")
    assert runner.dismiss(job_id).state == "failed"
    assert novita.state.submit_count == 0


def test_a_task_id_that_only_the_folder_has_is_found_by_a_process_that_runs_already(
    make, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    runner = make()  # opened before: it compares folders with the database no more
    crash("submitted", request_, novita, tmp_path / "home")
    job = only_job(runner)
    assert job.task_id is None
    (task_id,) = novita.state.tasks
    row = described(job.folder)
    assert row is not None
    describe(job.folder, {**row, "task_id": task_id})
    result = runner.follow(job.job_id, progress=False)
    assert result.job.task_id == task_id
    assert novita.state.submit_count == 1


@pytest.mark.parametrize(("step", "sent"), [("submitting", 0), ("submitted", 1)])
def test_while_it_was_sent(
    step: str, sent: int, make, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    crash(step, request_, novita, tmp_path / "home")
    assert novita.state.submit_count == sent
    runner = make()
    runner.watch()
    job = only_job(runner)
    for _ in runner.events(job.job_id):
        pass
    job = only_job(runner)
    assert job.state == "unconfirmed"
    assert job.money == "unknown"
    with pytest.raises(AlreadyHave, match="in doubt") as caught:  # asking again does not send again
        runner.run(request_, progress=False)
    assert caught.value.job_id == job.job_id
    assert novita.state.submit_count == sent
    if sent:
        runner.adopt(job.job_id, next(iter(novita.state.tasks)))
    else:
        runner.send_again(job.job_id)
    assert runner.follow(job.job_id, progress=False).video.exists()
    assert novita.state.submit_count == 1


@pytest.mark.parametrize("step", ["queued", "polled", "received", "saved", "succeeded"])
def test_after_it_was_accepted(
    step: str, make, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path, rendered: Path
) -> None:  # type: ignore[no-untyped-def]
    crash(step, request_, novita, tmp_path / "home")
    fetched = sum(novita.state.gets.values())
    runner = make()
    runner.watch()
    job = only_job(runner)
    result = runner.follow(job.job_id, progress=False)
    assert result.video.read_bytes() == rendered.read_bytes()
    assert not result.draft
    assert novita.state.submit_count == 1
    if step in ("received", "saved", "succeeded"):
        assert sum(novita.state.gets.values()) == fetched  # what was saved is not fetched again
    assert not list(job.folder.glob("*.part"))


def test_before_anything_was_written(
    make, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    crash("measured", request_, novita, tmp_path / "home")
    runner = make()
    assert runner.jobs() == []
    assert runner.run(request_, progress=False).video.exists()
    assert novita.state.submit_count == 1
