"""While sending is paused no paid request leaves, from no process, and what was sent goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
from helpers.scripted import ScriptedNovita

from kling_utils import events as ev
from kling_utils.jobs.client import Client
from kling_utils.jobs.worker import PAUSED
from kling_utils.studio.pausing import PausePanel
from kling_utils.studio.session import Session
from kling_utils.values import MotionRequest

Make = Callable[..., Client]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_utils.jobs.worker.PAUSED_LOOK", 0.02)


def held(job: Any) -> bool:
    """Until the job says that it is not sent."""
    return any(isinstance(event, ev.Note) and event.text == PAUSED for event in job.events())


def test_what_waits_is_sent_when_sending_goes_on(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    runner.pause()
    since = runner.paused()
    assert since is not None
    job = runner.submit(request_)
    assert held(job)
    assert (job.state, job.money, novita.state.submit_count) == ("checked", "no", 0)
    runner.pause()
    assert runner.paused() == since, "a second press changes nothing"
    runner.go_on()
    assert job.wait(progress=False).video
    assert novita.state.submit_count == 1
    assert runner.paused() is None


def test_a_pause_outlives_the_program_and_holds_other_processes(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    first = make()
    first.pause()
    first.close()
    second, third = make(), make()
    assert second.paused() is not None
    job = second.submit(request_)
    assert held(job)
    third.go_on()
    assert job.wait(progress=False).video
    assert novita.state.submit_count == 1


def test_a_pause_while_the_clip_is_published_still_sends_nothing(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    made = list[Client]()

    def after(step: str) -> None:
        if step == "published" and made[0].paused() is None and not gone:
            gone.append(step)
            made[0].pause()

    gone = list[str]()
    made.append(make(after=after))
    job = made[0].submit(request_)
    assert held(job)
    assert gone == ["published"]
    assert (job.state, novita.state.submit_count) == ("checked", 0)
    made[0].go_on()
    assert job.wait(progress=False).video
    assert novita.state.submit_count == 1


def test_a_pause_at_the_last_moment_still_sends_nothing(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    made = list[Client]()
    made.append(make(after=lambda step: made[0].pause() if step == "submitting" else None))
    job = made[0].submit(request_)
    assert held(job)
    assert novita.state.submit_count == 0
    assert job.state == "checked"


def test_what_was_sent_goes_on_and_one_that_waits_can_be_stopped(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    sent = runner.submit(request_)
    assert any(isinstance(event, ev.Submitted) for event in sent.events())
    runner.pause()
    waits = runner.submit(replace(request_, prompt="another"))
    assert held(waits)
    assert sent.wait(progress=False).video
    waits.delete()
    runner.go_on()
    last = runner.submit(replace(request_, prompt="a third"))
    assert last.wait(progress=False).video
    assert novita.state.submit_count == 2


def test_a_visitor_pauses_their_own_jobs_only(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    runner.pause("v2_x")
    assert runner.paused() is None
    assert runner.submit(request_).wait(progress=False).video


def test_the_page_tells_that_sending_is_paused(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    async def build() -> PausePanel:
        with gr.Blocks():
            return PausePanel(runner)

    panel, session = asyncio.run(build()), Session()
    assert panel.draw(session)[panel.panel]["visible"] is False, "nothing waits"
    drawn = panel.on_pause(session)
    assert "Sending is paused" in drawn[panel.line]
    job = runner.submit(request_)
    assert held(job)
    again = panel.draw(Session())
    assert "1 job not sent yet" in again[panel.line]
    assert (again[panel.go_on]["visible"], again[panel.pause]["visible"]) == (True, False)
    session.visitor = replace(session.visitor, id="v2_x", hosted=True)
    assert panel.draw(session)[panel.panel]["visible"] is False, "of another visitor"
    panel.on_go_on(Session())
    assert job.wait(progress=False).video
    assert panel.draw(Session())[panel.panel]["visible"] is False
