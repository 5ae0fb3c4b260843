"""The nouns: what a request refuses, how a report reads, what a job says about money."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_utils.errors import InvalidRequest
from kling_utils.values import (
    Finding,
    Job,
    Money,
    MotionRequest,
    Quote,
    Report,
    Size,
    Trouble,
    parameters,
)


def test_a_request_compares_by_content_and_knows_files_from_addresses() -> None:
    one = MotionRequest(image="hero.png", video="https://example.org/dance.mp4")
    assert one == MotionRequest(image=Path("hero.png"), video="https://example.org/dance.mp4")
    assert one.image == Path("hero.png")
    assert one.video == "https://example.org/dance.mp4"


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": ""},
        {"video": None},
        {"model_name": "kling-v2"},
        {"character_orientation": "left"},
        {"keep_original_sound": "yes"},
        {"prompt": None},
    ],
)
def test_a_request_that_no_provider_could_accept_is_refused_where_it_is_made(
    wrong: dict[str, Any],
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        MotionRequest(**{"image": "hero.png", "video": "dance.mp4", **wrong})
    assert caught.value.hint
    assert caught.value.money == "no"
    assert isinstance(caught.value, ValueError)


def test_parameters_are_everything_but_the_files() -> None:
    assert set(parameters(MotionRequest("a.png", "b.mp4"))) == {
        "prompt",
        "negative_prompt",
        "model_name",
        "character_orientation",
        "keep_original_sound",
    }


def test_a_report_reads_the_worst_first() -> None:
    found = [
        Finding(f"code.{s}", "video", s, f"Rule {s}", "1", "2", "Do it.")
        for s in ("pass", "warning", "advice", "error")
    ]
    report = Report(tuple(found))
    lines = str(report).splitlines()
    assert lines[0] == "1 error, 1 warning, 1 piece of advice, 1 passed"
    assert [line.split("]")[0] for line in lines[1:]] == ["[error", "[warning", "[advice", "[pass"]
    assert not report.ok


def test_an_aspect_is_exact() -> None:
    assert Size(1000, 400).aspect == Size(5, 2).aspect == Decimal("2.5")


def test_a_quote_says_when_rounding_matters() -> None:
    rate = Money(Decimal("0.126"))
    assert (
        str(Quote(Decimal("4.13"), rate, Money(Decimal("0.504")), Money(Decimal("0.63")), ""))
        == "about 0.50 to 0.63 USD"
    )
    assert (
        str(Quote(Decimal(5), rate, Money(Decimal("0.63")), Money(Decimal("0.63")), ""))
        == "about 0.63 USD"
    )


@pytest.mark.parametrize(
    ("state", "provider", "trouble", "money"),
    [
        ("checked", "novita", None, "no"),
        ("submitting", "novita", None, "unknown"),
        ("unconfirmed", "novita", Trouble("SubmitUnconfirmed", "", "", "unknown"), "unknown"),
        ("processing", "novita", None, "yes"),
        ("failed", "novita", Trouble("InputRefused", "", "", "no"), "no"),
        ("succeeded", "local", None, "no"),
    ],
)
def test_a_job_says_whether_money_was_spent(
    tmp_path: Path, state: Any, provider: Any, trouble: Trouble | None, money: str
) -> None:
    request = MotionRequest("a.png", "b.mp4")
    job = Job(
        "0" * 26,
        "home",
        provider,
        1,
        state,
        request,
        "f",
        0.0,
        0.0,
        tmp_path,
        "a.png",
        "b.mp4",
        5.0,
    )
    assert dataclasses.replace(job, trouble=trouble).money == money
