"""The stage's files: static, from nowhere else, and free of the signs that a template would act on."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from kling_utils.review.motion import Activity
from kling_utils.show import stage
from kling_utils.values import Job, MotionRequest


def job(tmp_path: Path) -> Job:
    request = MotionRequest(tmp_path / "i.png", tmp_path / "v.mp4")
    return Job("01J", "home", "local", 1, "queued", request, "f", 0.0, 0.0, tmp_path, "i", "v", 4.1)


@pytest.mark.parametrize("sign", ["${", "{{", "`", "\\", "http:", "https:", "innerHTML"])
def test_the_markup_is_inert(sign: str) -> None:
    assert sign not in stage.template()


@pytest.mark.parametrize(
    "sign", ["innerHTML", "insertAdjacentHTML", "eval(", "http:", "https:", "document.write"]
)
def test_the_script_writes_no_markup_and_loads_nothing(sign: str) -> None:
    assert sign not in stage.script()


def test_the_lesson_stands_on_the_empty_stage() -> None:
    assert "<p>learn</p>" in stage.template("<p>learn</p>")
    assert stage.nothing()["a"] is None


def test_a_job_without_a_result_shows_its_reference_and_what_is_to_come(tmp_path: Path) -> None:
    shown = stage.of(job(tmp_path), {"url": "a"}, None)
    assert shown["a"] == {"url": "a"}
    assert "will play here" in shown["later"]
    failed = dataclasses.replace(job(tmp_path), state="failed")
    assert "no result" in stage.of(failed, {"url": "a"}, None)["later"]


def test_a_draft_is_named_on_the_stage(tmp_path: Path) -> None:
    assert "draft" in stage.of(job(tmp_path), None, {"url": "b"})["label_b"]
    paid = dataclasses.replace(job(tmp_path), provider="novita")
    assert stage.of(paid, None, {"url": "b"})["label_b"] == "Result"


def test_a_value_says_only_what_it_was_given(tmp_path: Path) -> None:
    assert stage.of(job(tmp_path), {"url": "a"}, {"url": "b"}).keys() == stage.nothing().keys()
    motion = stage.Motions(a=stage.strip(Activity((0.1,), (0.5,), ())))
    takes = [
        stage.Take(id="01J", label="std", b={"url": "b"}),
        stage.Take(id="02J", label="pro", b={"url": "c"}),
    ]
    full = stage.of(
        job(tmp_path),
        {"url": "a"},
        {"url": "b"},
        fps=25.0,
        image={"url": "i"},
        motion=motion,
        takes=takes,
    )
    assert full["take"] == "01J"
    assert full["fps"] == 25.0
    assert full["motion"] == {"a": {"times": (0.1,), "values": (0.5,), "cuts": ()}}
    assert "takes" not in stage.of(job(tmp_path), {"url": "a"}, None, takes=takes), (
        "a job that has no result yet shows none"
    )


def test_every_element_that_the_script_looks_for_is_in_the_markup() -> None:
    looked = set(re.findall(r"\$\('\.(stage-[a-z-]+)", stage.script()))
    assert len(looked) > 20
    assert [
        name for name in looked if not re.search(rf'class="[^"]*\b{name}\b', stage.template())
    ] == []
