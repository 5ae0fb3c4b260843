"""Values and errors go through pickle, copy and a pool of processes as they are, and print as one short line."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from helpers.infos import image_info, video_info

import kling_utils
from kling_utils import errors
from kling_utils.errors import KlingError
from kling_utils.jobs.client import Client
from kling_utils.preflight.plan import FitChoices, Plan
from kling_utils.preflight.preflight import Preflight
from kling_utils.preflight.quote import RateCard, quote
from kling_utils.preflight.repair import Fitted
from kling_utils.settings import load
from kling_utils.values import (
    Finding,
    Job,
    Jobs,
    Money,
    MotionRequest,
    Report,
    Result,
    Size,
)

FINDING = Finding("video.duration", "video", "error", "Length", "2.0 s", "3 to 30 s", "Cut it.")
REPORT = Report((FINDING,))
REQUEST = MotionRequest("hero.png", "https://example.org/dance.mp4?sig=secret")
QUOTE = quote(
    provider="novita",
    model_name="kling-v3-0-std",
    character_orientation="video",
    duration=5.3,
    rates=RateCard(),
)
NAMES = ("hero.png", "dance.mp4")
JOB = Job("J" * 26, "home", "novita", 1, "queued", REQUEST, "f", 1.0, 2.0, Path("j"), *NAMES, 5.0)
VALUES: list[Any] = [
    FINDING,
    REPORT,
    REQUEST,
    QUOTE,
    JOB,
    Jobs([JOB]),
    Money(Decimal(1)),
    Size(3, 4),
    Result(JOB, Path("r.mp4"), Path("d.mp4"), Path("h.png"), REPORT),
    FitChoices(),
    FitChoices(
        ("image",),
        False,
        "crop",
        "#123456",
        "#654321",
        (0, 0, 9, 9),
        90,
        270,
        2.5,
        10.5,
        True,
        1280,
    ),
    image_info(path=Path("hero.png")),
    video_info(path=Path("dance.mp4")),
    load(home="h" * 200, novita_api_key="sk_secret", publish="s3://key:secret@bucket"),
    Plan(report=REPORT),
    Fitted(None, None, REPORT, (), REPORT),
    Preflight(REPORT, QUOTE, 5.3, "novita", "hero.png", "dance.mp4"),
]
KINDS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, KlingError)
]
SPECIAL: dict[type[KlingError], Any] = {
    errors.Refused: lambda: errors.Refused(REPORT),
    errors.Unrepairable: lambda: errors.Unrepairable(REPORT, "No.", hint="Try.", field="video"),
    errors.CannotServe: lambda: errors.CannotServe(
        "No key.", hint="Give it.", waits_for="key", money="yes"
    ),
}


def made(kind: type[KlingError]) -> KlingError:
    error = SPECIAL[kind]() if kind in SPECIAL else kind("It failed.", hint="Wait.", money="yes")
    error.job_id, error.task_id = "J1", "T1"
    if isinstance(error, errors.ProviderError):
        error.retry_after, error.status = 3.0, 429
    return error  # type: ignore[no-any-return]


def told(error: KlingError) -> tuple[Any, ...]:
    return type(error), error.args, str(error), error.code, vars(error)


def fails(kind: type[KlingError]) -> None:
    raise made(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickle_and_copy(kind: type[KlingError]) -> None:
    error = made(kind)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert told(again) == told(error)


def test_an_error_of_each_kind_comes_out_of_a_pool_of_processes() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for kind, future in [(kind, pool.submit(fails, kind)) for kind in KINDS]:
            error = future.exception(60)
            assert type(error) is kind
            assert (error.job_id, error.task_id) == ("J1", "T1")  # type: ignore[union-attr]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives_pickle_and_copy_and_prints_as_one_line(value: Any) -> None:
    for again in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301
        assert again == value
        assert type(again) is type(value)
    assert_short(value)


def assert_short(value: Any) -> None:
    assert repr(value).startswith(f"{type(value).__name__}(")
    assert "\n" not in repr(value)
    assert len(repr(value)) < 100
    assert "secret" not in f"{value!r} {value}"


def test_a_client_prints_as_one_line(tmp_path: Path) -> None:
    with Client(load(home=tmp_path / ("h" * 200), novita_api_key="sk_secret")) as runner:
        assert_short(runner)
        assert_short(runner.settings)
    assert repr(runner) == f"Client(home {'h' * 60!r}, closed)"


def test_every_public_value_and_error_is_walked() -> None:
    """What else is public is no value: functions, modules, and what holds a process."""
    others = {"Client", "LiveJob", "Stage"}
    walked = {type(value).__name__ for value in VALUES} | {kind.__name__ for kind in KINDS}
    public = {name for name in kling_utils.__all__ if name[:1].isupper()}
    assert public - others <= walked


def test_how_values_print() -> None:
    assert repr(QUOTE) == "Quote(0.63 to 0.76 USD, kling-v3-0-std, 5.3 s)"
    assert repr(REPORT) == "Report(1 error, 0 warnings, 0 pieces of advice, 0 passed)"
    assert repr(REQUEST) == "MotionRequest(hero.png + dance.mp4, kling-v3-0-std, video)"
    assert repr(JOB) == f"Job({'J' * 26} queued, kling-v3-0-std, hero.png + dance.mp4)"
    assert repr(Jobs([JOB])) == "Jobs(1 job)"
    free = replace(QUOTE, high=Money(Decimal(0)), draft=True, model_name="")
    assert repr(free) == "Quote(free (a local draft), 5.3 s)"
