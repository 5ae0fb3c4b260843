"""The panel that repairs: what it shows for a report, and what the form holds afterwards."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import zoo
from helpers.scripted import File, ScriptedNovita

from kling_utils.errors import Interrupted
from kling_utils.jobs.client import Client
from kling_utils.media.probe import probe_video
from kling_utils.preflight.plan import Plan
from kling_utils.preflight.repair import Fitted
from kling_utils.settings import load
from kling_utils.studio.fitting import CROP, PAD, USUAL, Fitting, one_click_fixable
from kling_utils.studio.generate import Generate
from kling_utils.studio.session import Form, Session
from kling_utils.values import MotionRequest


@pytest.fixture
def panel(tmp_path: Path, built: Callable[[Callable[[], Any]], Any]) -> Iterator[Any]:
    with Client(load(home=tmp_path / "home")) as runner:
        yield runner, built(lambda: Fitting(runner))


def form(image: Path | str = "", video: Path | str = "") -> Form:
    return Form(str(image), str(video), "video", "kling-v3-0-std", "", "", True)


def judged(panel: Any, asked: Form, *, slow: bool = False) -> tuple[tuple[Any, ...], Session]:
    runner, fitting = panel
    desk = Session()
    look = desk.check(runner, asked, None)
    desk.fit_for = (asked.image, asked.video)
    return fitting.judged(look.report, asked, desk, 0.0, PAD, slow, USUAL), desk


def test_nothing_is_shown_while_nothing_is_wrong(panel: Any, tmp_path: Path) -> None:
    (shown, *_), _ = judged(panel, form(zoo.image(tmp_path), zoo.clip(tmp_path, size="360x640")))
    assert shown["visible"] is False


def test_what_will_be_done_and_its_cost_are_told_before(panel: Any, tmp_path: Path) -> None:
    (shown, plan, start, shape, slow, button, colour, _), _ = judged(
        panel, form(zoo.image(tmp_path, size=(900, 300)))
    )
    assert shown["visible"]
    assert "ground" in plan.lower()
    assert "The person takes up less of the picture" in plan
    assert shape["visible"]
    assert not start["visible"]
    assert not slow["visible"]
    assert (button["interactive"], button["value"]) == (True, "Fix all")
    assert colour["visible"]


def test_a_long_clip_asks_where_to_begin_with_pictures(panel: Any, tmp_path: Path) -> None:
    asked = form(video=zoo.clip(tmp_path, seconds=36.0, rate="10"))
    (shown, plan, start, *_), desk = judged(panel, asked)
    assert shown["visible"]
    assert start["visible"]
    assert start["maximum"] == pytest.approx(6.0, abs=0.2)
    strip = panel[1].frames(desk)
    assert strip["value"].count("data:image/jpeg;base64,") == 8
    later, *_ = panel[1].replan(*vars_of(asked), 5.0, PAD, False, USUAL, desk)
    assert "from 5 s" in later
    assert plan != later


def test_a_thumbnail_chooses_where_the_clip_begins(panel: Any, tmp_path: Path) -> None:
    asked = form(video=zoo.clip(tmp_path, seconds=36.0, rate="10"))
    _, desk = judged(panel, asked)
    frames = re.findall(
        r'<button type="button" data-begin="([0-9.]+)"[^>]* aria-label="([^"]+)"',
        panel[1].frames(desk)["value"],
    )
    assert [float(at) for at, _ in frames] == pytest.approx([4.5 * n for n in range(8)])
    assert frames[1][1] == "Begin at 4.5 s"
    assert frames[7][1] == "Begin at 6 s, the latest"
    rest = [*vars_of(asked), 0.0, PAD, False, USUAL, desk]
    start, plan, _ = panel[1].begun(SimpleNamespace(at=4.5), *rest)
    assert start == 4.5
    assert "from 4.5 s" in plan
    assert panel[1].begun(SimpleNamespace(at=31.5), *rest)[0] == pytest.approx(6.0, abs=0.1)
    for nonsense in (None, "4", -1, True, 1e9):
        assert not isinstance(panel[1].begun(SimpleNamespace(at=nonsense), *rest)[1], str)


def test_the_colour_of_the_ground_is_asked_for_where_one_is_needed(
    panel: Any, tmp_path: Path
) -> None:
    asked = form(zoo.image(tmp_path, size=(900, 300)))
    (*_, colour, _), desk = judged(panel, asked)
    assert colour["choices"][0][0] == "Blurred picture (usual)"
    plan, _, again = panel[1].replan(*vars_of(asked), 0.0, PAD, False, "black", desk)
    assert "black" in plan
    assert again["visible"]
    through = form(zoo.see_through(tmp_path, size=(600, 600)))
    (*_, colour, _), desk = judged(panel, through)
    assert colour["visible"]
    assert colour["label"] == "Colour behind what is see-through"
    assert "#00b140" in panel[1].replan(*vars_of(through), 0.0, PAD, False, "#00b140", desk)[0]
    assert "white" in panel[1].replan(*vars_of(through), 0.0, PAD, False, "url(x)", desk)[0], (
        "only what is offered"
    )
    (*_, colour, _), _ = judged(panel, form(zoo.image(tmp_path, "photo.webp", kind="WEBP")))
    assert colour["visible"] is False


def test_what_cannot_be_read_is_told_by_its_own_card_alone(panel: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    (shown, plan, *_, button, _, _), desk = judged(
        panel, form(zoo.image(tmp_path, "photo.webp", kind="WEBP"), broken)
    )
    assert shown["visible"]
    assert "Cannot be fixed" not in plan
    assert button["value"] == "Fix the picture"
    assert not one_click_fixable(desk), "one press does not make it ready"


def test_a_short_clip_is_slowed_only_when_asked(panel: Any, tmp_path: Path) -> None:
    asked = form(video=zoo.clip(tmp_path, seconds=2.0))
    (_, plan, _, _, slow, button, *_), _ = judged(panel, asked)
    assert "Cannot be fixed with one click" in plan
    assert slow["visible"]
    assert button["visible"] is False, "it cannot be pressed"
    (_, plan, _, _, _, button, *_), _ = judged(panel, asked, slow=True)
    assert "slowed down" in plan.lower()
    assert button["interactive"] is True
    assert button["visible"] is True


def test_where_nothing_can_be_repaired_the_card_says_it_alone(panel: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    (shown, *_), desk = judged(panel, form(broken))
    assert shown["visible"] is False
    assert not one_click_fixable(desk)


def test_the_way_to_the_repair_stands_at_the_button(panel: Any, tmp_path: Path) -> None:
    fine, wrong = zoo.image(tmp_path), zoo.image(tmp_path, "photo.webp", kind="WEBP")
    for image, offered in ((fine, False), (wrong, True)):
        _, desk = judged(panel, form(image, zoo.clip(tmp_path, size="360x640")))
        assert one_click_fixable(desk) is offered
        assert ("data-fix" in Generate.fine_print(desk)) is offered


def test_one_click_fixes_both_and_shows_before_and_after(panel: Any, tmp_path: Path) -> None:
    asked = form(zoo.image(tmp_path, "photo.webp", kind="WEBP"), zoo.streamed_webm(tmp_path))
    _, desk = judged(panel, asked)

    async def click() -> list[tuple[Any, ...]]:
        return [out async for out in panel[1].fix(*vars_of(asked), 0.0, CROP, False, USUAL, desk)]

    *under_way, last = asyncio.run(click())
    assert under_way
    assert "Fixing" in under_way[0][4]
    image, _, video, _, _, done, *_ = last
    assert desk.check(panel[0], form(image, video), None).report.ok
    assert "Before" in done["value"]
    assert "WEBP" in done["value"]


def pressed(panel: Any, asked: Form, desk: Session, *choices: Any) -> tuple[Any, ...]:
    """What the button leaves behind."""

    async def press() -> list[tuple[Any, ...]]:
        return [out async for out in panel[1].fix(*vars_of(asked), *choices, desk)]

    return asyncio.run(press())[-1]


def test_a_chosen_start_is_applied_once_and_to_the_original(panel: Any, tmp_path: Path) -> None:
    runner, fitting = panel
    asked, choices = (
        form(video=zoo.clip(tmp_path, seconds=36.0, rate="10")),
        (2.5, CROP, True, "black"),
    )
    _, desk = judged(panel, asked)
    _, _, fitted, *_ = pressed(panel, asked, desk, *choices)
    assert probe_video(Path(fitted)).duration == pytest.approx(30.0, abs=0.2)

    # The page sends the choices as they stand until the check of the new file is there, and after it, if it were asked to.
    now = form(video=fitted)
    _, _, again, *_ = pressed(panel, now, desk, *choices)
    assert not isinstance(again, str), "the fitted clip is left as it is"
    look = desk.check(runner, now, None)
    for _ in (
        "picture",
        "clip",
    ):  # each new file is checked, and the choices are sent before they are set
        shown, _, start, shape, slow, _, colour, done = fitting.judged(
            look.report, now, desk, *choices
        )
        assert shown["visible"] is False
        assert (start["value"], slow["value"]) == (0.0, False)
        assert (shape["value"], colour["value"]) == (CROP, "black"), (
            "the picture is the same as before"
        )
        assert "visible" not in done, "what was done is still told"


def test_choices_do_not_go_over_to_another_file(panel: Any, tmp_path: Path) -> None:
    runner, fitting = panel
    first = form(zoo.image(tmp_path, size=(900, 300)), zoo.clip(tmp_path, seconds=36.0, rate="10"))
    other = form(
        zoo.image(tmp_path, "other.png", size=(900, 300)),
        zoo.clip(tmp_path, "other.mp4", seconds=6.0, rate="10"),
    )
    _, desk = judged(panel, first)
    look = desk.check(runner, other, None)
    _, plan, start, shape, slow, _, colour, done = fitting.judged(
        look.report, other, desk, 2.5, CROP, True, "black"
    )
    assert "from 2.5 s" not in plan
    assert "black" not in plan
    assert [each["value"] for each in (start, shape, slow, colour)] == [0.0, PAD, False, USUAL]
    assert done["visible"] is False, "what was done was about the other files"


@pytest.mark.parametrize(
    ("made", "needed"),
    [(zoo.rotated_clip, False), (zoo.streamed_webm, True)],
    ids=["only advised", "refused"],
)
def test_what_is_at_an_address_is_changed_only_when_it_would_be_refused(
    made: Callable[[Path], Path],
    needed: bool,
    tmp_path: Path,
    built: Callable[[Callable[[], Any]], Any],
) -> None:
    clip = made(tmp_path)
    with (
        ScriptedNovita() as server,
        Client(load(home=tmp_path / "home", private_hosts=frozenset({"127.0.0.1"}))) as runner,
    ):
        panel = runner, built(lambda: Fitting(runner))
        address = server.serve("/in/dance.mp4", File(clip.read_bytes()))
        (of_file, *_), _ = judged(panel, form(video=clip))
        (of_address, *_), _ = judged(panel, form(video=address))
        assert of_file["visible"] is True
        assert of_address["visible"] is needed
        assert (
            runner.plan_fit(MotionRequest(zoo.image(tmp_path), address)).needed is needed
        )  # code and page agree


class Patient(Client):
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


def test_a_closed_page_ends_the_repair(
    tmp_path: Path, built: Callable[[Callable[[], Any]], Any]
) -> None:
    asked, desk = form(zoo.image(tmp_path, "photo.webp", kind="WEBP")), Session()

    async def leave(runner: Patient, fitting: Fitting) -> bool:
        under_way = fitting.fix(*vars_of(asked), 0.0, PAD, False, USUAL, desk)
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
