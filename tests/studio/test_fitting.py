"""The panel that repairs: what it shows for a report, and what the form holds afterwards."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from helpers import zoo
from helpers.scripted import File, ScriptedNovita

from kling_utils.errors import Interrupted
from kling_utils.jobs.client import Client
from kling_utils.media.probe import probe_video
from kling_utils.preflight.plan import Plan
from kling_utils.preflight.repair import Fitted
from kling_utils.settings import load
from kling_utils.studio.generate import Generate
from kling_utils.studio.repair import Repair, one_click_fixable
from kling_utils.studio.session import CROP, PAD, USUAL, Form, RepairChoices, Session
from kling_utils.values import Finding, MotionRequest

from .conftest import bound_page

Built = Callable[[Callable[[], Any]], Any]


def repair_of(client: Client) -> Repair:
    return bound_page(client).repair


@pytest.fixture
def panel(tmp_path: Path, built: Built) -> Iterator[Any]:
    with Client(load(home=tmp_path / "home")) as runner:
        yield runner, built(lambda: repair_of(runner))


def chosen(
    start: float = 0.0, shape: str = PAD, slow: bool = False, colour: str = USUAL
) -> dict[str, Any]:
    """The choices as the page sends them."""
    return {"start": start, "shape": shape, "slow": slow, "colour": colour}


NO_WAY = Finding("request.address", "request", "error", "Address", "none", "a public address")


def form(image: Path | str = "", video: Path | str = "") -> Form:
    return Form(str(image), str(video), "video", "kling-v3-0-std", "", "", True)


class Drawn:
    """What the panel shows, by the names of its components."""

    def __init__(self, repair: Repair, updates: dict[Any, Any]) -> None:
        self._repair, self.updates = repair, updates

    def __getattr__(self, name: str) -> Any:
        return self.updates[getattr(self._repair, name)]

    def __contains__(self, name: str) -> bool:
        return getattr(self._repair, name) in self.updates


def drawn(panel: Any, asked: Form, *, slow: bool = False) -> tuple[Drawn, Session]:
    runner, repair = panel
    session = Session()
    session.choices = RepairChoices(asked.image, asked.video, slow=slow)
    session.check(runner, asked, None)
    return Drawn(repair, repair.draw(session)), session


def chose(panel: Any, asked: Form, session: Session, **choices: Any) -> Drawn:
    updates = panel[1].on_choice(session, **chosen(**choices), **asdict(asked))
    return Drawn(panel[1], updates)


def test_nothing_is_shown_while_nothing_is_wrong(panel: Any, tmp_path: Path) -> None:
    shown, _ = drawn(panel, form(zoo.image(tmp_path), zoo.clip(tmp_path, size="360x640")))
    assert shown.panel["visible"] is False


def test_what_will_be_done_and_its_cost_are_told_before(panel: Any, tmp_path: Path) -> None:
    shown, _ = drawn(panel, form(zoo.image(tmp_path, size=(900, 300))))
    assert shown.panel["visible"]
    assert "ground" in shown.plan.lower()
    assert "The person takes up less of the picture" in shown.plan
    assert shown.shape["visible"]
    assert not shown.start["visible"]
    assert not shown.slow["visible"]
    assert (shown.button["interactive"], shown.button["value"]) == (True, "Fix all")
    assert shown.colour["visible"]


def test_a_long_clip_asks_where_to_begin_with_pictures(panel: Any, tmp_path: Path) -> None:
    asked = form(video=zoo.clip(tmp_path, seconds=36.0, rate="10"))
    shown, desk = drawn(panel, asked)
    assert shown.panel["visible"]
    assert shown.start["visible"]
    assert shown.start["maximum"] == pytest.approx(6.0, abs=0.2)
    strip = panel[1].on_checked(desk)
    assert strip["value"].count("data:image/jpeg;base64,") == 8
    later = chose(panel, asked, desk, start=5.0).plan
    assert "from 5 s" in later
    assert shown.plan != later


def test_a_thumbnail_chooses_where_the_clip_begins(panel: Any, tmp_path: Path) -> None:
    asked = form(video=zoo.clip(tmp_path, seconds=36.0, rate="10"))
    _, desk = drawn(panel, asked)
    frames = re.findall(
        r'<button type="button" data-begin="([0-9.]+)"[^>]* aria-label="([^"]+)"',
        panel[1].on_checked(desk)["value"],
    )
    assert [float(at) for at, _ in frames] == pytest.approx([4.5 * n for n in range(8)])
    assert frames[1][1] == "Begin at 4.5 s"
    assert frames[7][1] == "Begin at 6 s, the latest"
    repair = panel[1]

    def pressed_at(at: Any) -> Any:
        event = SimpleNamespace(at=at)
        return repair.on_thumbnail(event, desk, **chosen(), **asdict(asked))

    shown = pressed_at(4.5)
    assert shown[repair.start] == 4.5
    assert "from 4.5 s" in shown[repair.plan]
    assert pressed_at(31.5)[repair.start] == pytest.approx(6.0, abs=0.1)
    for nonsense in (None, "4", -1, True, 1e9):
        assert pressed_at(nonsense) == gr.skip()


def test_the_colour_of_the_ground_is_asked_for_where_one_is_needed(
    panel: Any, tmp_path: Path
) -> None:
    asked = form(zoo.image(tmp_path, size=(900, 300)))
    shown, desk = drawn(panel, asked)
    assert shown.colour["choices"][0][0] == "Blurred picture (usual)"
    again = chose(panel, asked, desk, colour="black")
    assert "black" in again.plan
    assert again.colour["visible"]
    through = form(zoo.see_through(tmp_path, size=(600, 600)))
    shown, desk = drawn(panel, through)
    assert shown.colour["visible"]
    assert shown.colour["label"] == "Colour behind what is see-through"
    assert "#00b140" in chose(panel, through, desk, colour="#00b140").plan
    assert "white" in chose(panel, through, desk, colour="url(x)").plan, "only what is offered"
    photo = form(zoo.image(tmp_path, "photo.webp", kind="WEBP"))
    assert drawn(panel, photo)[0].colour["visible"] is False


def test_what_cannot_be_read_is_told_by_its_own_card_alone(panel: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    shown, desk = drawn(panel, form(zoo.image(tmp_path, "photo.webp", kind="WEBP"), broken))
    assert shown.panel["visible"]
    assert "Cannot be fixed" not in shown.plan
    assert shown.button["value"] == "Fix the picture"
    assert not one_click_fixable(desk), "one press does not make it ready"


def test_a_short_clip_is_slowed_only_when_asked(panel: Any, tmp_path: Path) -> None:
    asked = form(video=zoo.clip(tmp_path, seconds=2.0))
    shown, _ = drawn(panel, asked)
    assert "Cannot be fixed with one click" in shown.plan
    assert shown.slow["visible"]
    assert shown.button["visible"] is False, "it cannot be pressed"
    shown, _ = drawn(panel, asked, slow=True)
    assert "slowed down" in shown.plan.lower()
    assert shown.button["interactive"] is True
    assert shown.button["visible"] is True


def test_where_nothing_can_be_repaired_the_card_says_it_alone(panel: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    shown, desk = drawn(panel, form(broken))
    assert shown.panel["visible"] is False
    assert not one_click_fixable(desk)


def test_the_way_to_the_repair_stands_at_the_button(panel: Any, tmp_path: Path) -> None:
    fine, wrong = zoo.image(tmp_path), zoo.image(tmp_path, "photo.webp", kind="WEBP")
    for image, offered in ((fine, False), (wrong, True)):
        _, desk = drawn(panel, form(image, zoo.clip(tmp_path, size="360x640")))
        assert one_click_fixable(desk) is offered
        assert ("data-fix" in Generate.fix_line(desk)) is offered
        assert desk.preflight is not None
        findings = (*desk.preflight.report.findings, NO_WAY)
        desk.preflight = replace(
            desk.preflight, report=replace(desk.preflight.report, findings=findings)
        )
        assert ("data-fix" in Generate.fix_line(desk)) is offered, "before the way to the provider"


def test_one_click_fixes_both_and_shows_before_and_after(panel: Any, tmp_path: Path) -> None:
    asked = form(zoo.image(tmp_path, "photo.webp", kind="WEBP"), zoo.streamed_webm(tmp_path))
    _, desk = drawn(panel, asked)

    repair = panel[1]
    *under_way, last = pressed(panel, asked, desk, shape=CROP)
    assert under_way
    assert "Fixing" in under_way[0][repair.plan]
    image, video = last[repair._image.source], last[repair._video.source]
    assert desk.check(panel[0], form(image, video), None).report.ok
    assert "Before" in last[repair.done]["value"]
    assert "WEBP" in last[repair.done]["value"]


def pressed(panel: Any, asked: Form, desk: Session, **choices: Any) -> list[dict[Any, Any]]:
    """What the button shows, and leaves behind."""

    async def press() -> list[dict[Any, Any]]:
        fixing = panel[1].on_fix(desk, **chosen(**choices), **asdict(asked))
        return [updates async for updates in fixing]

    return asyncio.run(press())


def test_a_chosen_start_is_applied_once_and_to_the_original(panel: Any, tmp_path: Path) -> None:
    runner, repair = panel
    video = repair._video.source
    asked = form(video=zoo.clip(tmp_path, seconds=36.0, rate="10"))
    choices = chosen(2.5, CROP, True, "black")
    _, desk = drawn(panel, asked)
    fitted = pressed(panel, asked, desk, **choices)[-1][video]
    assert probe_video(Path(fitted)).duration == pytest.approx(30.0, abs=0.2)

    # The page sends the choices as they stand until the check of the new file is there.
    now = form(video=fitted)
    again = pressed(panel, now, desk, **choices)[-1]
    assert video not in again, "the fitted clip is left as it is"
    for _ in ("picture", "clip"):  # each new file is checked
        desk.check(runner, now, None)
        shown = Drawn(repair, repair.draw(desk))
        assert shown.panel["visible"] is False
        assert (shown.start["value"], shown.slow["value"]) == (0.0, False)
        assert (shown.shape["value"], shown.colour["value"]) == (CROP, "black"), (
            "the picture is the same as before"
        )
        assert "done" not in shown, "what was done is still told"


def test_choices_do_not_go_over_to_another_file(panel: Any, tmp_path: Path) -> None:
    runner, repair = panel
    first = form(zoo.image(tmp_path, size=(900, 300)), zoo.clip(tmp_path, seconds=36.0, rate="10"))
    other = form(
        zoo.image(tmp_path, "other.png", size=(900, 300)),
        zoo.clip(tmp_path, "other.mp4", seconds=6.0, rate="10"),
    )
    _, desk = drawn(panel, first)
    chose(panel, first, desk, start=2.5, shape=CROP, slow=True, colour="black")
    desk.check(runner, other, None)
    shown = Drawn(repair, repair.draw(desk))
    assert "from 2.5 s" not in shown.plan
    assert "black" not in shown.plan
    values = (shown.start, shown.shape, shown.slow, shown.colour)
    assert [each["value"] for each in values] == [0.0, PAD, False, USUAL]
    assert shown.done["visible"] is False, "what was done was about the other files"


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
        panel = runner, built(lambda: repair_of(runner))
        address = server.serve("/in/dance.mp4", File(clip.read_bytes()))
        assert drawn(panel, form(video=clip))[0].panel["visible"] is True
        assert drawn(panel, form(video=address))[0].panel["visible"] is needed
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

    async def leave(runner: Patient, repair: Repair) -> bool:
        under_way = repair.on_fix(desk, **chosen(), **asdict(asked))
        await anext(under_way)
        assert await asyncio.to_thread(runner.began.wait, 10)
        await under_way.aclose()
        ended = await asyncio.to_thread(runner.ended.wait, 5)
        runner.ended.set()  # also where nobody stopped it: the thread must not outlive the test
        return ended

    with Patient(tmp_path / "home") as runner:
        assert asyncio.run(leave(runner, built(lambda: repair_of(runner))))
