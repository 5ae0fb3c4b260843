"""The first sight of the page: an example plays in step and in silence, one press puts both of its files into the form, and all that
decides about the price is in view, with a key and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import ScriptedNovita, ServerState
from helpers.served import Served, paying, serving, type_key, watching

from kling_utils import examples

pytestmark = pytest.mark.browser
PLAYING = "() => [...document.querySelectorAll('.stage video')].filter(v => v.src && !v.paused && v.currentTime > 0.3).length === 2"
APART = "() => { const [a, b] = document.querySelectorAll('.stage video'); return Math.abs(a.currentTime - b.currentTime); }"
KEY = "sk_typed-by-a-visitor-4711"
HIDDEN = """() => [...document.querySelectorAll('#image, #video, #orientation label, #model label, #generate')].filter((e) => {
  const r = e.getBoundingClientRect();
  const over = (x, y) => { const at = document.elementFromPoint(x, y); return !at || !(e.contains(at) || at.contains(e)); };
  return r.top < 0 || r.bottom > innerHeight || over(r.left + 9, r.top + 9) || over(r.right - 9, r.bottom - 9);
}).map((e) => e.outerHTML.slice(0, 80))"""
"""What is out of the window or under something else."""
HEARD = "() => [...document.querySelectorAll('video')].filter(v => !v.muted && !v.paused).length"


@pytest.fixture(scope="module")
def served(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("first")) as page:
        yield page


def test_an_example_plays_and_one_press_loads_both_files(browser: Any, served: Served) -> None:
    with watching(browser) as seen:
        page = seen.page
        page.goto(served.url)
        page.wait_for_function(PLAYING)
        page.wait_for_function(f"({APART})() < 0.1")  # the page brings them together as they play
        assert page.evaluate(HEARD) == 0
        assert page.inner_text(".stage-b figcaption") == (
            "Example: a local draft, made without a key"
        )
        page.wait_for_selector("#history .gallery-label >> text=Your videos will be kept here.")

        page.click(".pairs-watch >> nth=1")
        page.wait_for_function(
            "() => document.querySelector('.stage-a video').src.includes('groove')"
        )
        page.wait_for_function(PLAYING)
        assert page.evaluate(HEARD) == 0, "this one's clip has sound"

        page.click(".pairs-use >> nth=1")
        page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
        page.wait_for_selector("#video-report .kc-report-card >> text=4.8 s")
        page.wait_for_selector(".pairs", state="hidden")
        page.wait_for_function(
            "() => !document.querySelector('.stage-b video').getAttribute('src')"
        )
        assert page.is_visible("#trim")
        assert seen.ours == []
        assert seen.elsewhere == []


def test_who_asks_for_less_motion_gets_a_still_and_a_button(browser: Any, served: Served) -> None:
    with watching(browser, reduced_motion="reduce") as seen:
        page = seen.page
        page.goto(served.url)
        page.wait_for_function(
            "() => { const v = [...document.querySelectorAll('.stage video')]; return v.length && v.every(x => x.readyState > 1); }"
        )
        page.wait_for_selector("#history .gallery-label")
        assert page.evaluate(APART) == 0
        assert page.evaluate("document.querySelector('.stage-a video').paused")
        page.click(".stage-play")
        page.wait_for_function(PLAYING)
        page.click("#generate")  # there is nothing to send, and the page says so
        page.wait_for_selector("#notice .kc")
        page.wait_for_selector(".lesson-steps")
        assert seen.ours == []


def test_on_a_phone_the_example_is_one_press_away(browser: Any, served: Served) -> None:
    with watching(browser, viewport={"width": 390, "height": 844}) as seen:
        page = seen.page
        page.goto(served.url)
        page.click(".brand-look")
        page.wait_for_function(
            "(r => r.top >= 0 && r.bottom <= innerHeight)(document.querySelector('.stage-screen').getBoundingClientRect())"
        )
        if page.get_attribute(".stage-play", "aria-label") == "Play":  # it rests out of sight
            page.click(".stage-play")
        page.wait_for_function(PLAYING)
        assert page.evaluate(HEARD) == 0
        page.set_input_files("#image input[type=file]", str(examples.IMAGES[0].path))
        page.wait_for_selector(".brand-look", state="hidden")
        assert seen.ours == []


def test_the_page_of_a_job_shows_no_example(browser: Any, served: Served) -> None:
    name = examples.PAIRS[0].result.name
    with watching(browser) as seen:
        asked: list[str] = []
        seen.page.on("request", lambda request: asked.append(request.url))
        seen.page.goto(f"{served.url}/?job=01J0000000000000000000000A")
        seen.page.wait_for_selector("#trouble .kc")
        seen.page.wait_for_selector(".pairs")
        assert seen.page.is_visible(".lesson-steps")
        assert not [url for url in asked if name in url]


def test_all_that_decides_is_in_view(browser: Any, tmp_path: Path) -> None:
    with (
        ScriptedNovita(ServerState(key=KEY)) as novita,
        paying(tmp_path, novita.base_url) as served,
        watching(browser) as seen,
    ):
        page = seen.page
        page.goto(served.url)
        page.click(".pairs-use >> nth=0")
        page.wait_for_selector("#video-report .kc-report-card >> text=The clip is fine")
        page.wait_for_selector("#image-report .kc-report-card >> text=The picture is fine")
        assert page.evaluate("scrollY") == 0
        assert page.evaluate(HIDDEN) == []

        type_key(page, KEY)
        page.wait_for_selector("#publishing >> text=Novita needs to fetch your clip")
        page.wait_for_selector("#whose-key >> text=Key from this session, tested, balance")
        page.wait_for_selector("#key", state="hidden")
        page.wait_for_selector("#price >> text=Balance")
        assert page.evaluate("document.activeElement.id") == "open-key", "who uses keys stays there"
        assert page.locator("#model >> text=USD").count() >= 1
        assert page.evaluate(HIDDEN) == []

        page.click("#use-link")
        page.wait_for_selector("#publishing >> text=Your clip goes by a temporary link")
        assert page.evaluate("scrollY") == 0
        assert page.evaluate(HIDDEN) == []
        page.click("#open-key")
        assert page.input_value("#key input") == KEY
        page.click("#key input")
        page.click("#image-report .kc-title")
        page.wait_for_selector("#key", state="hidden")
        assert seen.ours == []
