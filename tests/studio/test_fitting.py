"""The panel that repairs: what it shows for a report, and what the form holds afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo

from kling_utils.jobs.runner import Runner
from kling_utils.settings import load
from kling_utils.studio.desk import Desk, Form
from kling_utils.studio.fitting import CROP, PAD, Fitting


@pytest.fixture
def panel(tmp_path: Path, built: Callable[[Callable[[], Any]], Any]) -> Iterator[Any]:
    with Runner(load(home=tmp_path / "home")) as runner:
        yield runner, built(lambda: Fitting(runner))


def form(image: Path | str = "", video: Path | str = "") -> Form:
    return Form(str(image), str(video), "video", "kling-v3-0-std", "", "", True)


def judged(panel: Any, asked: Form, *, slow: bool = False) -> tuple[tuple[Any, ...], Desk]:
    runner, fitting = panel
    desk = Desk()
    look = desk.check(runner, asked, None)
    return fitting.judged(look.report, asked, 0.0, PAD, slow), desk


def test_nothing_is_shown_while_nothing_is_wrong(panel: Any, tmp_path: Path) -> None:
    (shown, *_), _ = judged(panel, form(zoo.image(tmp_path), zoo.clip(tmp_path, size="360x640")))
    assert shown["visible"] is False


def test_what_will_be_done_and_its_cost_are_told_before(panel: Any, tmp_path: Path) -> None:
    (shown, plan, start, shape, slow, button), _ = judged(panel, form(zoo.image(tmp_path, size=(900, 300))))
    assert shown["visible"]
    assert "Ground" in plan
    assert "The person takes up less of the picture" in plan
    assert shape["visible"]
    assert not start["visible"]
    assert not slow["visible"]
    assert (button["interactive"], button["value"]) == (True, "Fix all")


def test_a_long_clip_asks_where_to_begin_with_pictures(panel: Any, tmp_path: Path) -> None:
    asked = form(video=zoo.clip(tmp_path, seconds=36.0, rate="10"))
    (shown, plan, start, *_), desk = judged(panel, asked)
    assert shown["visible"]
    assert start["visible"]
    assert start["maximum"] == pytest.approx(6.0, abs=0.2)
    strip = panel[1].frames(desk)
    assert strip["value"].count("data:image/jpeg;base64,") == 8
    later, _ = panel[1].replan(*vars_of(asked), 5.0, PAD, False, desk)
    assert "from 5 s" in later
    assert plan != later


def test_a_short_clip_is_slowed_only_when_asked(panel: Any, tmp_path: Path) -> None:
    asked = form(video=zoo.clip(tmp_path, seconds=2.0))
    (_, plan, _, _, slow, button), _ = judged(panel, asked)
    assert "Cannot be fixed with one click" in plan
    assert slow["visible"]
    assert button["interactive"] is False
    (_, plan, _, _, _, button), _ = judged(panel, asked, slow=True)
    assert "Slowed down" in plan
    assert button["interactive"] is True


def test_one_click_fixes_both_and_shows_before_and_after(panel: Any, tmp_path: Path) -> None:
    asked = form(zoo.image(tmp_path, "photo.webp", kind="WEBP"), zoo.streamed_webm(tmp_path))
    _, desk = judged(panel, asked)

    async def click() -> list[tuple[Any, ...]]:
        return [out async for out in panel[1].fix(*vars_of(asked), 0.0, CROP, False, desk)]

    *under_way, last = asyncio.run(click())
    assert under_way
    assert "Fixing" in under_way[0][4]
    image, _, video, _, _, done, *_ = last
    assert desk.check(panel[0], form(image, video), None).report.ok
    assert "Before" in done["value"]
    assert "WEBP" in done["value"]


def vars_of(asked: Form) -> list[Any]:
    return [
        asked.image,
        asked.video,
        asked.character_orientation,
        asked.model_name,
        asked.prompt,
        asked.negative_prompt,
        asked.keep_original_sound,
    ]
