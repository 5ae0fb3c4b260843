"""What picture and clip show, on the page: advice behind the form, a still that seeks, and the usable part by one press."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.served import Served, Watched, serving, watching
from PIL import Image

from kling_utils import examples
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_image, probe_video

pytestmark = pytest.mark.browser

DANCER, GROOVE = (Path(examples.__file__).parent / name for name in ("dancer.jpg", "groove.mp4"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("content")) as one:
        yield one


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    with watching(browser, viewport={"width": 1280, "height": 1000}) as seen:
        yield seen


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example clip after 2 s of an empty wall: the usable part is the rest. Its length is no tenth of a second."""
    path = tmp_path_factory.mktemp("late") / "late.mp4"
    graph = "[0]tpad=start_duration=2:start_mode=add:color=0x808080,scale=480:-2[v]"
    coded = ["-t", "6.55", *ffmpeg.H264, "-preset", "ultrafast", str(path)]
    ffmpeg.run(["-i", str(GROOVE), "-filter_complex", graph, "-map", "[v]", *coded], timeout=120)
    return path


def test_what_is_shown_is_told_and_the_usable_part_is_taken(
    watched: Watched, served: Served, late: Path
) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label")
    page.set_input_files("#image input[type=file]", str(DANCER))
    page.set_input_files("#video input[type=file]", str(late))
    page.wait_for_selector("#advice >> text=First picture", timeout=60_000)
    page.wait_for_selector("#advice .ka-frame", timeout=60_000)
    page.wait_for_selector("#image-report >> text=The picture is fine")
    assert page.inner_text("#video-report .kc-title") == "Format is fine"
    page.click("#advice .ka-frame >> nth=-1")
    page.wait_for_function("() => document.querySelector('#video video').currentTime > 2")
    assert page.inner_text("#use-part").startswith("Use 2.")
    page.click("#use-part")
    page.wait_for_selector("#fit-done .kc", timeout=120_000)
    page.wait_for_selector("#video-report >> text=The clip is fine", timeout=60_000)
    assert not page.is_visible("#use-part")
    (fitted,) = (served.home / "fitted").glob("*/*.mp4")
    whole = probe_video(late).duration
    assert probe_video(fitted).duration == pytest.approx(whole - 2, abs=0.5)
    assert watched.ours == []


def test_what_is_upside_down_is_turned_by_one_press(
    watched: Watched, served: Served, tmp_path: Path
) -> None:
    page, over = watched.page, tmp_path / "over.png"
    with Image.open(DANCER) as upright:
        upright.transpose(Image.Transpose.ROTATE_180).save(over)
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label")
    page.set_input_files("#image input[type=file]", str(over))
    page.wait_for_selector("#advice >> text=The picture is upside down", timeout=60_000)
    page.click("#turn-upright >> text=Turn the picture upright")
    page.wait_for_selector("#fit-done >> text=Turned clockwise by 180 degrees", timeout=60_000)
    page.wait_for_selector("#image-report >> text=The picture is fine", timeout=60_000)
    page.wait_for_selector("#turn-upright", state="hidden")
    page.click(".crop-whole >> text=Original picture again")
    page.wait_for_selector("#advice >> text=The picture is upside down", timeout=60_000)
    assert watched.ours == []


def test_a_dog_gets_no_green_tick(watched: Watched, served: Served, shared_media: Path) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label")
    page.set_input_files("#image input[type=file]", str(shared_media / "image/wide_alpaca.jpg"))
    page.wait_for_selector("#advice >> text=Nobody was found in the picture", timeout=60_000)
    assert page.inner_text("#image-report .kc-title").startswith("Format is fine")


def test_a_part_is_cut_by_its_handles_and_the_whole_comes_back(
    watched: Watched, served: Served, late: Path
) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label")
    page.set_input_files("#image input[type=file]", str(DANCER))
    page.set_input_files("#video input[type=file]", str(late))
    page.wait_for_selector("#trim .ka-frame", timeout=60_000)
    whole = probe_video(late).duration
    assert page.is_hidden(".trim-cut"), "nothing is left out yet"
    page.focus(".trim-from")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.input_value(".trim-start") == "0.5"
    page.wait_for_function(
        "Math.abs(document.querySelector('#video video').currentTime - 0.5) < 0.1"
    )
    page.fill(".trim-end", "2.0")
    page.press(".trim-end", "Tab")
    assert "at least 3 s" in page.inner_text(".trim-says")
    assert page.is_hidden(".trim-cut")
    page.fill(".trim-end", "4.5")
    page.press(".trim-end", "Tab")
    assert page.inner_text(".trim-says") == "4.0 s"
    page.click(".trim-cut")
    page.wait_for_selector("#video-report >> text=4 s,", timeout=60_000)
    page.wait_for_selector(".trim-whole >> visible=true")
    assert page.input_value(".trim-end") == "4.0", "the handles stand around the new clip"
    page.click(".trim-whole")
    page.wait_for_selector(f"#video-report >> text={whole:.1f}".removesuffix(".0"), timeout=60_000)
    page.wait_for_selector(".trim-whole", state="hidden")
    assert watched.ours == []


def test_a_picture_is_cropped_by_its_frame_and_the_whole_comes_back(
    watched: Watched, served: Served
) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label")
    page.set_input_files("#image input[type=file]", str(DANCER))
    page.wait_for_selector("#image-report >> text=900 × 1200")
    page.click(".crop-open")
    assert "300 px a side" in page.inner_text(".crop-rule")
    assert page.is_hidden(".crop-cut"), "nothing is left out yet"

    box = page.locator(".crop-frame [data-edge=se]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 900, y - 900, steps=5)
    assert page.inner_text(".crop-says") == "300 × 300 px", "no handle leads below the limit"
    page.mouse.move(x - 40, y, steps=5)
    page.mouse.up()
    width = int(page.input_value(".crop-width"))
    assert 700 < width < 890
    page.keyboard.press("ArrowRight")
    assert page.input_value(".crop-left") == "12", "a hundredth of the longer side"
    page.keyboard.press("Shift+ArrowUp")
    assert page.input_value(".crop-height") == "1188"
    page.fill(".crop-height", "250")
    page.press(".crop-height", "Tab")
    assert "at least 300 px a side are needed" in page.inner_text(".crop-says")
    assert page.is_hidden(".crop-cut")
    page.fill(".crop-height", "1100")
    page.fill(".crop-width", "400")
    page.press(".crop-width", "Tab")
    assert "too tall" in page.inner_text(".crop-says")
    page.fill(".crop-width", "600")
    page.press(".crop-width", "Tab")
    page.click(".crop-cut")
    page.wait_for_selector("#image-report >> text=600 × 1100", timeout=60_000)
    page.wait_for_selector("#fit-done >> text=Cropped to the chosen part")
    page.wait_for_selector("#advice >> text=Looking", state="hidden", timeout=60_000)
    (fitted,) = (served.home / "fitted").glob("*/dancer*.jpg")
    assert tuple(probe_image(fitted).size) == (600, 1100)
    page.click(".crop-whole")
    page.wait_for_selector("#image-report >> text=900 × 1200", timeout=60_000)
    page.wait_for_selector(".crop-whole", state="hidden")
    assert watched.ours == []


def test_a_better_start_is_taken_by_one_press(
    watched: Watched, served: Served, shared_media: Path
) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label")
    page.set_input_files("#image input[type=file]", str(shared_media / "image/fullbody_man.png"))
    dance = shared_media / "video/dance_fullbody_12s.mp4"
    page.set_input_files("#video input[type=file]", str(dance))
    page.wait_for_selector(".trim-starts button", timeout=90_000)
    assert page.locator(".trim-starts button").count() == 3
    best = page.inner_text(".trim-starts button >> nth=0")
    page.click(".trim-starts button >> nth=0")
    assert best.startswith(f"{float(page.input_value('.trim-start')):.1f} s (")
    assert page.input_value(".trim-end") == "12.0"
    assert f"at {float(page.input_value('.trim-start')):.1f} s they match best" in page.inner_text(
        "#advice"
    )
    page.wait_for_selector(".trim-cut >> visible=true")
    assert watched.ours == []
