"""Tries until a result follows: what each changes, when no other is sent, and what a series may cost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from helpers.scripted import File, HangUp, Hold, ScriptedNovita, refusal

from kling_utils import examples
from kling_utils.errors import InvalidRequest
from kling_utils.jobs.client import Client
from kling_utils.values import MotionRequest

Make = Callable[..., Client]
CLIPS = Path(examples.__file__).parent
RIGHT, WRONG = CLIPS / "groove.mp4", CLIPS / "hello.mp4"
WAIT = 60.0


@pytest.fixture
def asked(novita: ScriptedNovita) -> MotionRequest:
    """Both files at hand, the clip at an address; results have another motion."""
    novita.state.video = WRONG.read_bytes()
    address = novita.serve("/in/groove.mp4", File(RIGHT.read_bytes()))
    return MotionRequest(examples.IMAGES[0].path, address)


def first(client: Client, asked: MotionRequest) -> str:
    return client.run(asked, progress=False).job.job_id


def test_it_is_tried_again_until_a_result_follows(
    make: Make, novita: ScriptedNovita, asked: MotionRequest
) -> None:
    client = make()
    job_id = first(client, asked)
    held = [Hold(), Hold()]
    novita.state.submits.extend(held)
    series = client.retake(job_id, until=90, takes=5, budget="10 USD")
    assert held[0].arrived.wait(WAIT)
    held[0].answer.set()
    assert held[1].arrived.wait(WAIT), "the first try had the wrong motion"
    novita.state.video = RIGHT.read_bytes()
    held[1].answer.set()
    assert series.wait(WAIT).over.startswith("Try 2 follows: ")
    one, two = series.tries
    assert one.score is not None
    assert one.score < 60
    assert two.score is not None
    assert two.score >= 90
    assert series.best == two
    assert client.record(two.job_id).note == f"Try 2 of 5: {two.told}."
    assert client.record(two.job_id).image_name == client.record(job_id).image_name
    assert novita.state.submit_count == 3
    assert client.retakes_of(one.job_id) is series
    assert series.spent.amount == sum(
        (e.high.amount for e in client.ledger()[:2] if e.high), Decimal(0)
    )


def test_no_try_costs_more_than_is_left(
    make: Make, novita: ScriptedNovita, asked: MotionRequest
) -> None:
    client = make()
    job_id = first(client, asked)
    high = client.ledger()[0].high
    assert high is not None
    series = client.retake(job_id, takes=5, budget=high.amount * Decimal("1.5")).wait(WAIT)
    assert len(series.tries) == 1
    assert series.over.startswith("Try 2 would cost up to")
    assert novita.state.submit_count == 2


def test_a_stopped_series_sends_no_other(
    make: Make, novita: ScriptedNovita, asked: MotionRequest
) -> None:
    client = make()
    job_id = first(client, asked)
    novita.state.submits.append(hold := Hold())
    series = client.retake(job_id, takes=5, budget="10 USD")
    assert hold.arrived.wait(WAIT)
    with pytest.raises(InvalidRequest, match="being tried again already"):
        client.retake(job_id, budget="10 USD")
    series.stop()
    hold.answer.set()
    assert series.wait(WAIT).over == "Stopped: no other try is sent."
    assert [each.score is None for each in series.tries] == [False], "it was followed to its end"
    assert novita.state.submit_count == 2


def test_a_try_that_waits_for_a_pause_is_not_sent_after_a_stop(
    make: Make, novita: ScriptedNovita, asked: MotionRequest
) -> None:
    client = make()
    job_id = first(client, asked)
    client.pause()
    series = client.retake(job_id, takes=5, budget="10 USD")
    while not series.tries:
        client.wait_for_change(0.2)
    series.stop()
    assert series.wait(WAIT).over == "Stopped: no other try is sent."
    client.go_on()
    assert novita.state.submit_count == 1
    assert [job.job_id for job in client.jobs()] == [job_id]


def test_a_doubt_ends_it(make: Make, novita: ScriptedNovita, asked: MotionRequest) -> None:
    client = make()
    job_id = first(client, asked)
    novita.state.submits.append(HangUp())
    series = client.retake(job_id, takes=5, budget="10 USD").wait(WAIT)
    assert "not known whether the last try was sent" in series.over
    assert novita.state.submit_count == 2


def test_what_the_provider_refuses_for_its_content_ends_it(
    make: Make, novita: ScriptedNovita, asked: MotionRequest
) -> None:
    client = make()
    job_id = first(client, asked)
    novita.state.submits.append(refusal(400, "INVALID_IMAGE", "sensitive content"))
    series = client.retake(job_id, takes=5, budget="10 USD").wait(WAIT)
    assert len(series.tries) == 1
    assert series.over.startswith("Another try would not change this: The request was refused")
    assert series.spent.amount == 0


def test_a_result_that_cannot_be_judged_ends_it(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    client = make()
    job_id = first(client, request_)  # a test pattern: nobody is in it
    series = client.retake(job_id, takes=5, budget="10 USD").wait(WAIT)
    assert series.over.startswith("No score can be given")
    assert novita.state.submit_count == 2


def test_nothing_is_begun_that_is_not_needed_or_not_bounded(
    make: Make, novita: ScriptedNovita, asked: MotionRequest
) -> None:
    client = make()
    novita.state.video = RIGHT.read_bytes()
    job_id = first(client, asked)
    for how, told in (
        ({"budget": "2 USD"}, "follows already"),
        ({"budget": "2 USD", "until": 101}, "101 is no score"),
        ({"budget": "2 USD", "takes": 0}, "0 tries"),
        ({}, "paid for"),
    ):
        with pytest.raises(InvalidRequest, match=told):
            client.retake(job_id, **how)  # type: ignore[arg-type]
    assert novita.state.submit_count == 1
