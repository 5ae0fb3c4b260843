"""The stage's files: static, from nowhere else, and free of the signs that a template would act on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from kling_utils.show import stage
from kling_utils.values import Job, MotionRequest


def job(tmp_path: Path) -> Job:
    request = MotionRequest(tmp_path / "i.png", tmp_path / "v.mp4")
    return Job("01J", "home", "local", 1, "queued", request, "f", 0.0, 0.0, tmp_path, "i", "v", 4.1)


@pytest.mark.parametrize("sign", ["${", "{{", "`", "\\", "http:", "https:", "innerHTML"])
def test_the_markup_is_inert(sign: str) -> None:
    assert sign not in stage.template()


@pytest.mark.parametrize("sign", ["innerHTML", "insertAdjacentHTML", "eval(", "http:", "https:", "document.write"])
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
