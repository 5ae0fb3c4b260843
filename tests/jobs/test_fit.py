"""Repair at the three doors of code: the runner, one line with ``fit=True``, and the command line."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo
from helpers.scripted import ScriptedNovita

from kling_utils import cli, errors
from kling_utils.jobs.client import Client
from kling_utils.media import bounds
from kling_utils.media.bounds import visitor
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.preflight.plan import FitChoices
from kling_utils.values import MotionRequest


def test_what_is_wrong_is_planned_first_and_then_repaired_in_copies(
    runner: Client, tmp_path: Path
) -> None:
    image, video = (
        zoo.image(tmp_path, "photo.webp", kind="WEBP", size=(200, 900)),
        zoo.streamed_webm(tmp_path),
    )
    before = image.read_bytes(), video.read_bytes()
    request = MotionRequest(image, video)
    plan = runner.plan_fit(request)
    assert plan.required
    assert "ground" in str(plan)
    assert not list(runner.home.fitted.glob("*/*"))  # a plan changes nothing
    fitted = runner.fit(request)
    assert fitted.report.ok
    left = [finding.code for finding in runner.check(fitted.apply(request)).errors]
    assert left == ["request.address"], "with a key, a file of this machine has no way to get there"
    assert (image.read_bytes(), video.read_bytes()) == before


def test_repaired_files_of_visitors_have_a_bound(
    runner: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = zoo.image(tmp_path, "photo.webp", kind="WEBP", size=(200, 900))
    plan = runner.plan_fit(MotionRequest(image, zoo.clip(tmp_path)))

    def repaired(who: str) -> Path:
        token = visitor.set(who)
        path = runner.repair(plan).image
        visitor.reset(token)
        assert path is not None
        os.utime(path.parent, (next(age), next(age)))  # the order does not hang on the clock
        return path

    age = itertools.count(1)
    old = repaired("")
    once = sum(each.stat().st_size for each in (old.parent, *old.parent.iterdir()))
    monkeypatch.setattr(bounds, "FITTED_EACH", 2 * once)
    monkeypatch.setattr(bounds, "FITTED", 4 * once)
    mine = [repaired("a") for _ in range(3)]
    assert [path.exists() for path in mine] == [False, True, True], "the oldest makes room"
    others = [repaired(who) for who in "bc"]
    assert not old.exists(), "of all together"
    assert all(path.exists() for path in (*mine[1:], *others))
    repaired("")
    assert all(path.exists() for path in mine[1:]), "at home, nobody's work makes room"


def test_fit_and_run_in_one_line(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:
    small = zoo.image(tmp_path, "small.bmp", kind="BMP", size=(150, 240))
    runner = make()
    with pytest.raises(errors.Refused):
        runner.run(replace(request_, image=small), progress=False)
    assert runner.run(replace(request_, image=small), fit=True, progress=False).video.exists()
    assert novita.state.submit_count == 1


def test_what_cannot_be_repaired_says_why_and_what_else(
    runner: Client, picture: Path, tmp_path: Path
) -> None:
    short = zoo.clip(tmp_path, seconds=1.0)
    with pytest.raises(errors.Unrepairable, match="at least 3 s is needed") as caught:
        runner.fit(MotionRequest(picture, short))
    assert "slowed" in caught.value.hint or "longer" in caught.value.hint
    slowed = runner.fit(
        MotionRequest(picture, zoo.clip(tmp_path, "two.mp4", seconds=2.0)),
        choices=FitChoices(slow=True),
    )
    assert slowed.video is not None
    assert probe_video(slowed.video).duration >= 3


def shell(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, Any]:
    code = cli.app([*map(str, args), "--json"], standalone_mode=False)
    return int(code or 0), json.loads(capsys.readouterr().out)


def test_the_command_line_writes_a_copy_and_never_over_the_original(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, out = zoo.image(tmp_path, "photo.tiff", kind="TIFF"), tmp_path / "fitted.jpg"
    code, said = shell(capsys, "fit", photo, "--out", out)
    assert (code, said["file"]) == (0, str(out))
    assert probe_image(out).format == "JPEG"
    assert said["steps"]
    before = photo.read_bytes()
    assert shell(capsys, "fit", photo, "--out", photo, "--force")[0] == 2
    assert photo.read_bytes() == before
    assert shell(capsys, "fit", photo, "--out", out)[0] == 2  # exists
    fine, _ = zoo.image(tmp_path, "fine.png"), None
    code, said = shell(capsys, "fit", fine, "--out", tmp_path / "not.png")
    assert (code, said["file"]) == (0, str(tmp_path / "not.png"))
    assert (tmp_path / "not.png").read_bytes() == fine.read_bytes()
    code, said = shell(
        capsys, "fit", zoo.clip(tmp_path, seconds=1.0), "--out", tmp_path / "never.mp4"
    )
    assert code == 1
    assert said["impossible"]
    assert not (tmp_path / "never.mp4").exists()
