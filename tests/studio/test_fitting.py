"""The panel that repairs: what it shows for a report, and what the form holds afterwards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo
from helpers.scripted import File, ScriptedNovita

from kling_utils.errors import Interrupted
from kling_utils.jobs.runner import Runner
from kling_utils.preflight.fit import Fitted, Plan
from kling_utils.settings import load
from kling_utils.studio.desk import Desk, Form
from kling_utils.studio.fitting import CROP, PAD, Fitting, mends
from kling_utils.studio.generate import Generate
from kling_utils.values import MotionRequest


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
    assert "ground" in plan.lower()
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
    assert button["visible"] is False, "it cannot be pressed"
    (_, plan, _, _, _, button), _ = judged(panel, asked, slow=True)
    assert "slowed down" in plan.lower()
    assert button["interactive"] is True
    assert button["visible"] is True


def test_where_nothing_can_be_repaired_the_card_says_it_alone(panel: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    (shown, *_), desk = judged(panel, form(broken))
    assert shown["visible"] is False
    assert not mends(desk)


def test_the_way_to_the_repair_stands_at_the_button(panel: Any, tmp_path: Path) -> None:
    fine, wrong = zoo.image(tmp_path), zoo.image(tmp_path, "photo.webp", kind="WEBP")
    for image, offered in ((fine, False), (wrong, True)):
        _, desk = judged(panel, form(image, zoo.clip(tmp_path, size="360x640")))
        assert mends(desk) is offered
        assert ("data-fix" in Generate.fine_print(desk)) is offered


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


@pytest.mark.parametrize(("made", "needed"), [(zoo.rotated_clip, False), (zoo.streamed_webm, True)], ids=["only advised", "refused"])
def test_what_is_at_an_address_is_changed_only_when_it_would_be_refused(
    made: Callable[[Path], Path], needed: bool, tmp_path: Path, built: Callable[[Callable[[], Any]], Any]
) -> None:
    clip = made(tmp_path)
    with ScriptedNovita() as server, Runner(load(home=tmp_path / "home", private_hosts=frozenset({"127.0.0.1"}))) as runner:
        panel = runner, built(lambda: Fitting(runner))
        address = server.serve("/in/dance.mp4", File(clip.read_bytes()))
        (of_file, *_), _ = judged(panel, form(video=clip))
        (of_address, *_), _ = judged(panel, form(video=address))
        assert of_file["visible"] is True
        assert of_address["visible"] is needed
        assert runner.plan_fit(MotionRequest(zoo.image(tmp_path), address)).needed is needed  # code and page agree


class Patient(Runner):
    """Its repairs go on until they are told to stop."""

    def __init__(self, home: Path) -> None:
        super().__init__(load(home=home))
        self.began, self.ended = threading.Event(), threading.Event()

    def repair(self, plan: Plan, *, on_progress: Any = None, stop: Any = None) -> Fitted:
        self.began.set()
        while not stop() and not self.ended.wait(0.005):
            pass
        self.ended.set()
        raise Interrupted("Stopped.")


def test_a_closed_page_ends_the_repair(tmp_path: Path, built: Callable[[Callable[[], Any]], Any]) -> None:
    asked, desk = form(zoo.image(tmp_path, "photo.webp", kind="WEBP")), Desk()

    async def leave(runner: Patient, fitting: Fitting) -> bool:
        under_way = fitting.fix(*vars_of(asked), 0.0, PAD, False, desk)
        await anext(under_way)
        assert await asyncio.to_thread(runner.began.wait, 10)
        await under_way.aclose()
        ended = await asyncio.to_thread(runner.ended.wait, 5)
        runner.ended.set()  # also where nobody stopped it: the thread must not outlive the test
        return ended

    with Patient(tmp_path / "home") as runner:
        assert asyncio.run(leave(runner, built(lambda: Fitting(runner))))


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
