"""The stage in a real browser. Both clips carry their frame numbers in the picture, and the numbers that are seen are compared.

Plain page, offline page, and the component inside Gradio. What takes long is marked ``matrix``.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import burnt, stagehand
from helpers.served import serving
from helpers.stagehand import Site, value
from PIL import Image
from playwright.sync_api import Error as PlaywrightError

from kling_utils import Stage
from kling_utils.show.stage import write_page
from kling_utils.values import Job, MotionRequest, Result

pytestmark = pytest.mark.browser
RATES = {
    "24": Fraction(24),
    "25": Fraction(25),
    "30": Fraction(30),
    "60": Fraction(60),
    "ntsc": Fraction(30000, 1001),
}
SECONDS = 6
FOCUS = "(({ id, dataset, className }) => id || dataset.act || className || dataset.mode)(document.activeElement)"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``a24.mp4``, ``b24.mp4``, ... of six seconds; ``short.mp4`` of three; ``tall.mp4`` of another shape; ``image.png``."""
    folder = tmp_path_factory.mktemp("clips")
    for name, fps in RATES.items():
        for side in "ab":
            burnt.clip(
                folder / f"{side}{name}.mp4",
                fps=fps,
                frames=round(fps * SECONDS),
                sound=name == "30",
            )
    for side in "ab":
        burnt.clip(folder / f"{side}-large.mp4", fps=30, frames=30 * SECONDS, grain=True)
    burnt.clip(folder / "short.mp4", fps=30, frames=90)
    burnt.clip(folder / "tall.mp4", fps=30, frames=180, size=(120, 200))
    Image.new("RGB", (60, 80), "teal").save(folder / "image.png")
    return folder


@pytest.fixture
def site(clips: Path) -> Iterator[Site]:
    with stagehand.serving(clips) as served:
        yield served


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open an address in a page of its own; at the end, nothing may have been complained about."""
    contexts, complaints = [], list[str]()

    def opening(url: str, *, width: int = 1000, height: int = 860, **more: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **more
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on(
            "console",
            lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(url)
        return page

    yield opening
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def stage(opened: Callable[..., Any], site: Site) -> Callable[..., Any]:
    """A page whose stage was given a value and stands at its first frame."""

    def with_value(
        a: str | None = "a30.mp4",
        b: str | None = "b30.mp4",
        *,
        wait: bool = True,
        page: dict[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        found = opened(site.url + (page or {}).pop("hash", ""), **(page or {}))
        found.evaluate("v => give(v)", value(a, b, **{"fps": 30.0, **more}))
        if wait:
            stands(found)
        found.focus(".stage")
        return found

    return with_value


def stands(page: Any) -> None:
    page.wait_for_function("still()")
    page.evaluate("frames(2)")


def tap(page: Any, target: str, then: str) -> None:
    """A tap, and what it brings. Where a busy machine keeps the finger down so long that it counts as a long press, it is tapped again."""
    for patience in (3000, 6000, 15_000):
        page.locator(target).tap()
        with contextlib.suppress(PlaywrightError):
            page.wait_for_selector(then, timeout=patience)
            return
    pytest.fail(f"three taps on {target} do not bring {then}")


def numbers(page: Any) -> list[int]:
    stands(page)
    seen = page.evaluate("numbers()")
    assert -1 not in seen
    return list(seen)


def told(page: Any) -> int:
    return int(page.text_content(".stage-frame").split()[1])


@dataclass(frozen=True)
class Gaps:
    """Seconds between what both sides show while they play: the mean with its sign and without, the most, and how many looks."""

    mean: float
    away: float
    most: float
    looks: int


def apart(page: Any, a: Fraction, b: Fraction, milliseconds: int = 1200) -> Gaps:
    """What is held does not count, nor a look at which one side shows nothing."""
    seen = page.evaluate("ms => sample(ms)", milliseconds)
    there = [(x, y) for x, y, held in seen if x >= 0 and y >= 0 and not held]
    gaps = np.array(
        [float((x + Fraction(1, 2)) / a - (y + Fraction(1, 2)) / b) for x, y in there] or [9.0]
    )
    return Gaps(
        abs(float(gaps.mean())), float(np.abs(gaps).mean()), float(np.abs(gaps).max()), len(there)
    )


def in_step(page: Any, a: Fraction, b: Fraction) -> None:
    """Within half a frame on average, and never two frames apart; a machine that is busy with something else gets five chances.

    Half a frame apart shows as one frame at every other look; a quarter more is what the stage lets pass before it corrects. What swings a
    whole frame to both sides has a mean of nothing, and is not in step.

    Clips of different rates are looked at in different phases of their frames, which moves the mean by up to half the time between looks.
    """
    frame = float(1 / min(a, b))
    seen = []
    for _ in range(5):
        gaps = apart(page, a, b)
        seen.append(gaps)
        phase = 0.6 / gaps.looks if a != b and gaps.looks else 0.0
        if (
            gaps.looks >= 12
            and gaps.mean <= frame / 2 + phase
            and gaps.away <= 0.75 * frame + phase
            and gaps.most <= 2.01 * frame + 2 * phase
        ):
            return
    pytest.fail(f"in seconds: {seen}; a frame is {frame:.4f} s")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("24", "24"),
        ("30", "30"),
        ("60", "60"),
        ("24", "30"),
        pytest.param("30", "24", marks=pytest.mark.matrix),
    ],
)
def test_plays_in_step_and_pauses_on_one_frame(stage: Callable[..., Any], a: str, b: str) -> None:
    page = stage(f"a{a}.mp4", f"b{b}.mp4", fps=float(RATES[a]))
    page.keyboard.press("Space")
    page.wait_for_function("numbers()[0] > 8")
    in_step(page, RATES[a], RATES[b])
    page.keyboard.press("Space")
    left, right = numbers(page)
    assert left == told(page)
    assert right == int((left / RATES[a] + Fraction(2, 1000)) * RATES[b])
    for key, frame in [(".", left + 1), (".", left + 2), (",", left + 1)]:
        page.keyboard.press(key)
        assert numbers(page) == [frame, int((frame / RATES[a] + Fraction(2, 1000)) * RATES[b])]
        assert told(page) == frame


def test_the_side_that_is_heard_is_never_bent(stage: Callable[..., Any]) -> None:
    page = stage()
    page.keyboard.press("m")
    page.evaluate(
        "() => { window.rates = []; shown[1]().addEventListener('ratechange', (e) => rates.push(e.target.playbackRate)); }"
    )
    page.keyboard.press("Space")
    page.wait_for_function("numbers()[0] > 8")
    page.evaluate("shown[0]().currentTime -= 0.1")
    page.wait_for_function("shown[0]().playbackRate > 1")
    in_step(page, RATES["30"], RATES["30"])
    assert page.evaluate("rates") == []


@pytest.mark.parametrize(("a", "b"), [("30", "30"), ("24", "30")])
def test_fifty_random_seeks_end_on_the_same_moment(
    stage: Callable[..., Any], a: str, b: str
) -> None:
    page = stage(f"a{a}.mp4", f"b{b}.mp4", fps=float(RATES[a]))
    seeks(page, RATES[a], RATES[b])


def seeks(page: Any, a: Fraction, b: Fraction) -> None:
    dice = random.Random(7)
    wrong = []
    for _ in range(50):
        at = dice.random()
        page.evaluate(
            "at => { const s = document.querySelector('.stage-seek'); s.value = at; s.dispatchEvent(new Event('input')); }",
            at,
        )
        with contextlib.suppress(
            PlaywrightError
        ):  # a busy browser draws a little after it says that it has sought
            page.wait_for_function(
                "n => still() && numbers()[0] === n", arg=told(page), timeout=3000
            )
        left, right = numbers(page)
        if (
            left != told(page)
            or abs(left - at * SECONDS * a) > 1.01
            or right != int((left / a + Fraction(2, 1000)) * b)
        ):
            wrong.append((at, left, right))
    assert wrong == []
    page.keyboard.press("Space")
    in_step(page, a, b)


@pytest.mark.parametrize(
    "slow", [pytest.param("a-large.mp4", marks=pytest.mark.matrix), "b-large.mp4"]
)
def test_a_slow_connection_of_one_holds_both(
    stage: Callable[..., Any], site: Site, clips: Path, slow: str
) -> None:
    site.pace[slow] = (clips / slow).stat().st_size / SECONDS * 0.55
    page = stage("a-large.mp4", "b-large.mp4", wait=False)
    page.keyboard.press("Space")
    page.wait_for_selector(".stage.is-buffering")
    page.wait_for_function("still() && numbers()[0] > 3 && numbers()[1] > 3")
    in_step(page, RATES["30"], RATES["30"])


def test_the_shorter_one_holds_its_last_frame_and_the_time_line_says_so(
    stage: Callable[..., Any],
) -> None:
    page = stage("a30.mp4", "short.mp4")
    assert "ends 3.0 s early" in page.text_content(".stage-ends")
    assert float(page.get_attribute(".stage-gap", "width")) == pytest.approx(500, abs=12)
    page.keyboard.press("End")
    assert numbers(page) == [179, 89]
    page.keyboard.press("l")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    page.wait_for_selector(".stage:not(.is-playing)")
    assert numbers(page) == [179, 89]


def test_an_offset_moves_the_result_by_frames(stage: Callable[..., Any]) -> None:
    page = stage()
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("]")
    page.wait_for_function("JSON.stringify(numbers()) === '[30,27]'")
    assert page.text_content(".stage-offset") == "+3"
    page.keyboard.press("Space")
    page.wait_for_function("numbers()[0] > 40")
    seen = page.evaluate("sample(800)")
    assert np.median([a - b for a, b, held in seen if not held]) == pytest.approx(3, abs=1)
    page.keyboard.press("Space")
    page.keyboard.press("0")
    left, right = numbers(page)
    assert left == right


def test_a_loop_between_two_moments_stays_between_them(stage: Callable[..., Any]) -> None:
    page = stage()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    for _ in range(12):
        page.keyboard.press(".")
    page.keyboard.press("b")
    page.keyboard.press("Space")
    page.wait_for_function(
        "numbers()[0] < 40 && document.querySelector('.stage').classList.contains('is-playing')"
    )
    seen = {x for pair in page.evaluate("sample(1800)") for x in pair[:2]}
    assert seen <= set(range(29, 50)), "B is frame 42; a busy page notices a little later"
    assert len(seen) > 6
    page.keyboard.press("x")
    page.wait_for_function("numbers()[0] > 60")


def test_takes_change_without_losing_the_position_or_the_reference(
    stage: Callable[..., Any], site: Site
) -> None:
    takes = [
        {"id": n, "label": n, "b": stagehand.file(f)}
        for n, f in (("std", "b30.mp4"), ("pro", "tall.mp4"), ("old", "b24.mp4"))
    ]
    page = stage("a30.mp4", None, takes=takes, take="std")
    page.keyboard.press("ArrowRight")
    for key, name, frame in [
        ("t", "pro", 30),
        ("t", "old", 24),
        ("t", "std", 30),
        ("T", "old", 24),
    ]:
        page.keyboard.press(key)
        page.wait_for_selector(f".stage-b figcaption >> text={name}")
        stands(page)
        page.wait_for_function("n => still() && numbers()[1] === n", arg=frame)
        assert numbers(page) == [30, frame]
        assert page.get_attribute(".stage-takes [aria-pressed=true]", "data-take") == name
    page.focus("#before")
    page.focus(".stage")
    seen = []
    for _ in range(3):
        page.keyboard.press("Tab")
        seen.append(page.get_attribute(".stage-takes [aria-pressed=true]", "data-take"))
    assert seen == ["std", "pro", "old"], "Tab goes through all of them"
    stands(page)
    assert numbers(page)[0] == 30
    page.keyboard.press("Tab")
    assert "stage" not in page.evaluate(FOCUS).split(), "and then on"
    assert page.get_attribute(".stage-takes [aria-pressed=true]", "data-take") == "old"
    asked = site.times("b24.mp4")
    page.click(".stage-takes [data-take=std]")
    page.click(".stage-takes [data-take=old]")
    stands(page)
    assert site.times("a30.mp4") == 1
    assert site.times("b24.mp4") == asked, "a take that was seen is kept"


def test_twenty_results_do_not_reload_the_reference(stage: Callable[..., Any], site: Site) -> None:
    page = stage()
    page.keyboard.press("ArrowRight")
    page.evaluate("window.first = document.querySelector('.stage-a video')")
    for n in range(20):
        page.evaluate("v => give(v)", value("a30.mp4", f"b30.mp4?{n}", fps=30.0))
        page.wait_for_function("n => still() && shown[1]().src.endsWith('?' + n)", arg=n)
        assert numbers(page) == [30, 30]
    assert site.times("a30.mp4") == 1
    assert (
        page.evaluate(
            "first === document.querySelector('.stage-a video') && document.querySelectorAll('.stage video').length"
        )
        == 2
    )


def test_a_link_reopens_at_the_same_time_view_and_take(
    stage: Callable[..., Any], site: Site
) -> None:
    takes = [
        {"id": n, "label": n, "b": stagehand.file(f)}
        for n, f in (("std", "b30.mp4"), ("pro", "b24.mp4"))
    ]
    granted = {"permissions": ["clipboard-read", "clipboard-write"]}
    page = stage(None, None, wait=False, page={**granted, "hash": "?job=01J"})
    page.evaluate("v => give(v)", value("a30.mp4", None, takes=takes, fps=30.0))
    stands(page)
    for key in ("t", "3", "ArrowRight", ".", "s"):
        page.keyboard.press(key)
    page.keyboard.press("c")
    page.wait_for_selector(".stage-say >> text=Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{site.url}?job=01J#")
    again = stage(
        "a30.mp4",
        None,
        takes=takes,
        take="std",
        autoplay=True,
        page={"hash": link.removeprefix(site.url)},
    )
    assert numbers(again) == [31, int(31 / 30 * 24)]
    assert again.get_attribute(".stage", "data-mode") == "wipe"
    assert "is-swapped" in again.get_attribute(".stage", "class")
    again.evaluate("v => give(v)", value("short.mp4", "b30.mp4", fps=30.0))
    stands(again)
    assert again.evaluate("location.hash") == "", "another job's clips start at their start"
    assert numbers(again) == [0, 0]


def test_a_link_that_makes_no_sense_does_no_harm(stage: Callable[..., Any]) -> None:
    page = stage(page={"hash": "#t=1e999&mode=%3Cb%3E&take=none&offset=x&swap=2"})
    assert numbers(page) == [0, 0]
    assert page.get_attribute(".stage", "data-mode") == "side"


def test_a_still_holds_both_frames(stage: Callable[..., Any], tmp_path: Path) -> None:
    page = stage("a30.mp4", "tall.mp4")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(".")
    with page.expect_download() as got:
        page.keyboard.press("p")
    assert got.value.suggested_filename == "compare-1.03s.png"
    got.value.save_as(tmp_path / "still.png")
    with Image.open(tmp_path / "still.png") as still:
        grey = np.asarray(still.convert("L"))
    high, wide, tall = 200, round(192 * 200 / 128), 120
    assert grey.shape[1] == wide + 2 + tall
    for left, width in ((0, wide), (wide + 2, tall)):
        dots = [
            grey[high // 16, left + round((i + 0.5) * width / burnt.BLOCKS)] > 127
            for i in range(burnt.BLOCKS)
        ]
        assert sum(bit << (burnt.BLOCKS - 1 - i) for i, bit in enumerate(dots)) == 31


def test_everything_has_a_key_and_tab_leads_out(stage: Callable[..., Any]) -> None:
    page = stage(image=stagehand.file("image.png"))
    for key, mode in zip("12345", ["side", "stack", "wipe", "blend", "difference"], strict=True):
        page.keyboard.press(key)
        assert page.get_attribute(".stage", "data-mode") == mode
    page.keyboard.press("m")
    assert page.evaluate("[...document.querySelectorAll('.stage video')].map(v => v.muted)") == [
        True,
        False,
    ]
    page.keyboard.press("m")
    assert page.evaluate("[...document.querySelectorAll('.stage video')].map(v => v.muted)") == [
        False,
        True,
    ]
    page.keyboard.press("-")
    assert page.evaluate("shown.map(v => v().playbackRate)") == [0.5, 0.5]
    page.keyboard.press("i")
    assert page.is_visible(".stage-pin")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement === document.querySelector('.stage')")
    page.keyboard.press("f")
    page.wait_for_function("!document.fullscreenElement")
    page.keyboard.press("?")
    assert page.evaluate("document.querySelector('.stage-help').open")
    listed = {
        key.lower()
        for key in page.eval_on_selector_all(
            ".stage-help kbd", "all => all.map(k => k.textContent)"
        )
    }
    assert set("kablxsitm0pcf?[],.-+15") <= listed
    page.keyboard.press("Escape")
    assert not page.evaluate("document.querySelector('.stage-help').open")

    assert page.is_hidden("[data-act=swap]"), "what is seldom used is folded"
    page.click("[data-act=tools]")
    page.focus("#before")
    passed = []
    for _ in range(60):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(FOCUS))
        if passed[-1] == "after":
            break
    assert passed[-1] == "after", "no key holds the focus inside"
    assert {"stage", "play", "stage-seek", "swap", "image", "from", "still", "link", "help"} <= {
        name.split()[0] for name in passed
    }
    nameless = page.eval_on_selector_all(
        ".stage button, .stage select, .stage input, .stage [role=slider]",
        "all => all.filter(e => !(e.getAttribute('aria-label') || e.title || e.textContent.trim())).length",
    )
    assert nameless == 0


def test_each_take_is_downloaded_under_its_own_name(stage: Callable[..., Any]) -> None:
    def take(name: str) -> dict[str, Any]:
        file = stagehand.file("b24.mp4")
        return {"id": name, "label": name, "b": file, "save": {**file, "name": f"{name}.mp4"}}

    page = stage(takes=[take("one"), take("two")])
    assert page.get_attribute(".stage-save", "download") == "one.mp4"
    page.keyboard.press("t")
    assert page.get_attribute(".stage-save", "download") == "two.mp4"
    plain = stage()
    assert plain.is_hidden(".stage-save"), "where nothing is offered, as in a notebook"


def test_every_button_works_and_none_complains(stage: Callable[..., Any]) -> None:
    page = stage(image=stagehand.file("image.png"))
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
    )  # as on a page without https
    for name in page.eval_on_selector_all(
        ".stage-bar [data-act]", "all => all.map(b => b.dataset.act)"
    ):
        page.click(f".stage-bar [data-act={name}]")
        if name == "help":
            page.click("[data-act=close]")
        if name == "full":
            page.wait_for_function("!!document.fullscreenElement")
            page.click("[data-act=full]")
            page.wait_for_function("!document.fullscreenElement")
    page.click(".stage-pin")
    assert page.get_attribute(".stage-pin", "data-corner") == "0"
    assert page.get_attribute("[data-act=swap]", "aria-pressed") == "true"
    assert page.evaluate("new URLSearchParams(location.hash.slice(1)).get('swap')") == "1", (
        "without a clipboard the address is the link"
    )


def test_less_motion_means_that_nothing_starts_by_itself(stage: Callable[..., Any]) -> None:
    moving = stage(autoplay=True)
    moving.wait_for_selector(".stage.is-playing")
    page = stage(autoplay=True, page={"reduced_motion": "reduce"})
    page.evaluate("frames(20)")
    assert page.get_attribute(".stage-play", "aria-label") == "Play"
    assert numbers(page) == [0, 0]


def test_fingers_play_wipe_and_scrub_on_a_phone(stage: Callable[..., Any]) -> None:
    page = stage(page={"width": 390, "height": 844, "has_touch": True, "is_mobile": True})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tap(page, ".stage-a", ".stage.is-playing")
    tap(page, ".stage-a", ".stage:not(.is-playing)")
    page.keyboard.press("Home")
    box = page.locator(".stage-screen").bounding_box()
    finger = page.context.new_cdp_session(page)

    def drag(start: float, end: float) -> None:
        for kind, at in [
            ("touchStart", start),
            ("touchMove", (start + end) / 2),
            ("touchMove", end),
            ("touchEnd", None),
        ]:
            points = [] if at is None else [{"x": box["x"] + at * box["width"], "y": box["y"] + 60}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    drag(0.2, 0.7)  # browsers hand on a finger's moves with the next frame, so it is waited for
    page.wait_for_function("Math.abs(numbers()[0] - 90) <= 4")
    tap(page, "[data-mode=wipe]", ".stage[data-mode=wipe] .stage-handle >> visible=true")
    drag(0.3, 0.8)
    page.wait_for_function(
        "Math.abs(+document.querySelector('.stage-handle').getAttribute('aria-valuenow') - 80) <= 3"
    )
    assert page.get_attribute(".stage-play", "aria-label") == "Play"


def test_the_strip_draws_motion_and_cuts_and_refuses_nonsense(stage: Callable[..., Any]) -> None:
    moves = {"times": [0, 2, 4, 6], "values": [0, 1, 9, "x"], "cuts": [3.0]}
    page = stage(
        motion={"a": moves, "b": {**moves, "cuts": []}},
        label_b="<img src=x onerror=window.hacked=1>",
        later="<b>",
    )
    lines = page.eval_on_selector_all(
        ".stage-strip :is(.stage-line-a, .stage-line-b, .stage-cuts)",
        "all => all.map(p => p.getAttribute('d'))",
    )
    assert lines[0] == "M0.0 94.0L333.3 12.0L666.7 12.0"
    assert lines[2] == "M500.0 0V50"
    assert page.text_content(".stage-b figcaption") == "<img src=x onerror=window.hacked=1>"
    assert page.evaluate("window.hacked") is None


def judged(**more: Any) -> dict[str, Any]:
    """What the stage is told about a result that is bad at the second second."""
    bar = {"level": "warning", "detail": ""}
    told = {
        "sentence": "Follows <b>partly</b>.",
        "level": "warning",
        "bars": [
            {"name": "Motion", "value": 40, "text": "40 of 100", **bar},
            {
                "name": "In step",
                "value": None,
                "text": "Cannot be told, because it is still",
                **bar,
            },
        ],
        "limbs": [],
        "curve": {"times": [1.0, 2.0, 3.0], "error": [0.1, 1, None], "offset": 0.5},
        "moments": [{"time": 2.0, "text": "the poses differ by 40°"}],
        "how": [["Motion", "By angles."]],
        "waiting": False,
    }
    return told | more


def skeletons(folder: Path) -> dict[str, str]:
    """Two points that are joined, which stand in the reference and lie in the result; faces, and a hand that goes."""
    looks = 8 * SECONDS
    boxes = {"face": [[500, 500, 400]] * looks, "right": [None] * looks}
    hand = [[300, 300, 200]] * 8 + [None] * (looks - 8)
    a = {"points": [[0, 0, 0, 100]] * looks, **boxes, "left": hand}
    b = {"points": [[0, 0, 100, 0]] * looks, **boxes, "left": [None] * looks}
    shown = {"rate": 8, "kind": "body", "lines": [[0, 1]], "view": [0, 0, 100, 100], "a": a, "b": b}
    (folder / "poses.json").write_text(json.dumps({**shown, "moments": []}))
    return stagehand.file("poses.json")


def test_a_worst_moment_seeks_both_players(stage: Callable[..., Any]) -> None:
    page = stage(judge=judged())
    assert page.text_content(".stage-verdict") == "Follows <b>partly</b>."
    assert page.text_content(".stage-moment") == "2.0 s: the poses differ by 40°"
    page.click(".stage-moment")
    assert numbers(page) == [60, 60]
    page.keyboard.press("]")  # the result a frame later: it is a moment of the result
    page.click(".stage-moment")
    assert numbers(page) == [61, 60]
    page.click(".stage-even-out")  # half a second of delay is taken out
    page.click(".stage-moment")
    assert numbers(page) == [45, 60]
    page.click(".stage-even-out")
    assert page.text_content(".stage-offset") == "0"


def test_what_is_not_told_has_no_bar_and_the_curve_has_a_gap(stage: Callable[..., Any]) -> None:
    page = stage(judge=judged())
    assert page.locator(".stage-score").count() == 2
    assert page.locator(".stage-fill").count() == 1
    assert page.inner_text(".stage-score:nth-child(2) .stage-score-text").startswith("Cannot be")
    area = page.get_attribute(".stage-error", "d")
    assert area == "M166.7 94L166.7 85.8L333.3 12.0L333.3 94Z"
    page.focus(".stage-how summary")
    page.keyboard.press("Space")  # opens the fold, and does not play
    assert page.is_visible("text=By angles.")
    assert page.get_attribute(".stage-play", "aria-label") == "Play"


def test_each_take_has_its_own_judgement(stage: Callable[..., Any]) -> None:
    takes = [
        {"id": "1", "label": "One", "b": stagehand.file("b30.mp4"), "judge": judged(sentence="1.")},
        {"id": "2", "label": "Two", "b": stagehand.file("b24.mp4")},
    ]
    page = stage(takes=takes, take="1", judge=judged(sentence="Of the first one."))
    assert page.inner_text(".stage-verdict") == "1."
    page.keyboard.press("t")
    assert not page.is_visible(".stage-judge"), "that of another result is not shown"


def test_skeletons_and_close_ups_go_with_the_clock(stage: Callable[..., Any], clips: Path) -> None:
    page = stage(judge=judged(poses=skeletons(clips)))
    page.locator(".stage-near").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.stage-bones-far').getAttribute('d')")
    assert page.get_attribute(".stage-bones-a", "d") == "M0.0 0.0L0.0 100.0"
    assert page.get_attribute(".stage-bones-far", "d") == "M0.0 0.0L100.0 0.0"
    assert page.inner_text(".stage-apart").startswith("90° apart")
    assert page.locator(".stage-tile").count() == 2, "the right hand is never seen"
    bright = """() => [...document.querySelectorAll('.stage-tile[data-part=face] canvas')].map((c) =>
        Math.max(...c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 4 < 3)))"""
    page.wait_for_function(f"() => ({bright})().every((most) => most > 60)")
    gone = "[...document.querySelectorAll('.stage-tile[data-part=left] .stage-view')].map(e => e.classList.contains('is-gone'))"
    assert page.evaluate(gone) == [False, True]
    page.click(".stage-moment")
    stands(page)
    assert page.evaluate(gone) == [True, True]


def test_the_offline_page_plays_without_a_network(
    opened: Callable[..., Any], clips: Path, tmp_path: Path
) -> None:
    made = write_page(
        clips / "a30.mp4",
        [clips / "b30.mp4", clips / "b24.mp4"],
        tmp_path / "page.html",
        title="</script><script>window.hacked=1</script>",
        labels=["<b>Reference", "std", "pro"],
        image=clips / "image.png",
    )
    page = opened("about:blank")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.context.set_offline(True)
    page.goto(f"{made.as_uri()}#t=1.0&take=2")
    page.evaluate(f"() => {{ window.read = {burnt.READ}; }}")
    page.wait_for_function(
        "document.querySelector('.stage-b video.is-on') && [...document.querySelectorAll('video')].every(v => !v.seeking)"
    )
    shown = "() => read(['.stage-a video', '.stage-b video.is-on'].map((v) => document.querySelector(v)))"
    page.wait_for_function(f"() => String(({shown})()) === '30,24'")
    assert page.title() == page.text_content("h1") == "</script><script>window.hacked=1</script>"
    assert page.evaluate("window.hacked") is None
    page.focus(".stage")
    page.keyboard.press("Space")
    page.wait_for_function(f"() => ({shown})()[0] > 36")
    page.keyboard.press("Space")
    with page.expect_download():
        page.keyboard.press("p")
    page.keyboard.press("i")
    assert page.is_visible(".stage-pin")
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []


def test_a_notebooks_cell_plays_the_stage(
    opened: Callable[..., Any], clips: Path, tmp_path: Path
) -> None:
    request = MotionRequest(clips / "image.png", clips / "a30.mp4")
    job = Job(
        "01J",
        "home",
        "local",
        1,
        "succeeded",
        request,
        "f",
        0.0,
        0.0,
        tmp_path,
        "image.png",
        "a30.mp4",
        6.0,
    )
    cell = Stage(
        Result(job, clips / "b24.mp4", clips / "a30.mp4", clips / "image.png")
    )._repr_html_()
    page = opened("about:blank")
    page.evaluate(
        "html => { document.body.innerHTML = html; }", cell
    )  # as a notebook puts it there
    frame = page.wait_for_selector("iframe").content_frame()
    frame.wait_for_function(
        "[...document.querySelectorAll('video.is-on, .stage-a video')].every(v => v.readyState === 4)"
    )
    frame.evaluate(f"() => {{ window.read = {burnt.READ}; }}")
    shown = "() => read(['.stage-a video', '.stage-b video.is-on'].map((v) => document.querySelector(v)))"
    frame.focus(".stage")
    for _ in range(5):
        page.keyboard.press(".")
    frame.wait_for_function(f"() => String(({shown})()) === '5,4'")
    page.keyboard.press("Space")
    frame.wait_for_function(f"() => ({shown})()[0] > 30")
    assert not frame.is_visible('[data-act="link"]'), "a cell has no address"
    high = frame.evaluate("document.body.offsetHeight")
    assert abs(page.evaluate("document.querySelector('iframe').offsetHeight") - high) <= 1, (
        "nothing is cut off, nothing scrolls"
    )


GRADIO = """
import sys
from pathlib import Path
import gradio as gr
from gradio.data_classes import FileData
from kling_utils.show import stage

folder = Path(sys.argv[1])
def file(name):
    return FileData(path=str(folder / name), mime_type="video/mp4").model_dump()
def shown(n):
    result = file("b30.mp4" if n % 2 else "tall.mp4")
    return {**stage.nothing(), "a": file("a30.mp4"), "b": result, "label_b": f"Result {n}", "fps": 30.0}, n + 1
with gr.Blocks(analytics_enabled=False) as page:
    count = gr.State(0)
    board = gr.HTML(stage.nothing(), html_template=stage.template(), js_on_load=stage.script(), apply_default_css=False)
    gr.Button("Next", elem_id="next").click(shown, count, [board, count], show_progress="hidden")
page.launch(css=stage.css(), ssr_mode=False, allowed_paths=[str(folder)], quiet=True)
"""


@pytest.mark.matrix
def test_inside_gradio_twenty_results_do_not_reload_the_reference(
    opened: Callable[..., Any], clips: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, "-c", GRADIO, str(clips)) as served:
        page = opened(served.url)
        asked: list[str] = []
        page.on("request", lambda r: asked.append(r.url.rsplit("/", 1)[-1]))
        page.wait_for_selector(".stage[data-fill=empty]", state="attached")
        page.evaluate(
            f"() => {{ window.read = {burnt.READ}; window.node = document.querySelector('.stage'); }}"
        )
        shown = "() => read(['.stage-a video', '.stage-b video.is-on'].map((v) => document.querySelector(v)))"
        for n in range(20):
            page.click("#next")
            page.wait_for_selector(f".stage-b figcaption >> text=/Result {n}$/")
            page.wait_for_function("!!document.querySelector('.stage-b video.is-on')")
            if not n:
                page.focus(".stage")
                page.keyboard.press("ArrowRight")
        page.wait_for_function(f"() => String(({shown})()) === '30,30'")
        assert asked.count("a30.mp4") == 1
        assert page.evaluate("node === document.querySelector('.stage')")
        page.close()


@pytest.mark.matrix
@pytest.mark.parametrize("b", list(RATES))
@pytest.mark.parametrize("a", list(RATES))
def test_every_pair_of_rates_after_fifty_seeks_and_at_every_speed(
    stage: Callable[..., Any], a: str, b: str
) -> None:
    page = stage(f"a{a}.mp4", f"b{b}.mp4", fps=float(RATES[a]))
    seeks(page, RATES[a], RATES[b])
    for key in "---++++":
        page.keyboard.press(key)
        if page.input_value(".stage-rate") in ("0.25", "2"):
            page.wait_for_function(
                "!document.querySelector('.stage').classList.contains('is-buffering')"
            )
            in_step(page, RATES[a], RATES[b])


@pytest.mark.matrix
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("slow", ["a-large.mp4", "b-large.mp4"])
def test_slow_connections_of_either_side(
    stage: Callable[..., Any], site: Site, clips: Path, slow: str, share: float
) -> None:
    site.pace[slow] = (clips / slow).stat().st_size / SECONDS * share
    page = stage("a-large.mp4", "b-large.mp4", wait=False)
    page.keyboard.press("Space")
    page.wait_for_function("shown.every((v) => v()) && numbers()[0] > 3 && numbers()[1] > 3")
    in_step(page, RATES["30"], RATES["30"])
    if share < 0.5:  # while one waits, both stand, on one frame
        page.wait_for_function(
            "document.querySelector('.stage.is-buffering') && numbers()[0] > 20 && numbers()[0] === numbers()[1]"
        )
