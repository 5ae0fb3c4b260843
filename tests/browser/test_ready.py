"""A job that ends while one is elsewhere on the page: its result is in sight, and who types is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.served import Served, Watched, serving, watching

pytestmark = pytest.mark.browser
SEEN = """(r => (Math.min(r.bottom, innerHeight) - Math.max(r.top, 0)) / Math.min(r.height, innerHeight))
  (document.querySelector('.stage-screen').getBoundingClientRect())"""
"""The share of the stage's screen that is in sight."""
DONE = ".panel[data-mode=done]"
ELSEWHERE = """
window.notices = [];
window.Notification = class {
  static permission = 'default';
  static async requestPermission() { return (this.permission = 'granted'); }
  constructor(title) { window.notices.push(title); }
};
document.hasFocus = () => false;
"""
"""A browser that asks nobody, whose user looks at another window."""


@pytest.fixture(scope="module")
def served(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("ready")) as page:
        yield page


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    with watching(browser, reduced_motion="reduce") as seen:
        yield seen


def to_the_prompt(page: Any) -> None:
    page.mouse.wheel(0, 5)  # a hand of one's own ends what the page still scrolls
    page.eval_on_selector("#prompt", "e => e.scrollIntoView({ block: 'center' })")


def begun(watched: Watched, served: Served, width: int, height: int) -> Any:
    """A draft that is being made, and the page scrolled to the prompt."""
    page = watched.page
    page.set_viewport_size({"width": width, "height": height})
    page.goto(served.url)
    page.wait_for_selector("#video-examples .strip-card")
    page.click("#image-examples .strip-card >> nth=0")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
    page.click("#video-examples .strip-card >> nth=0")
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
    page.click("#more > button")
    page.fill("#prompt textarea", f"{width} pixels")
    page.click("#generate")
    page.wait_for_selector(".panel[data-mode=run]")
    page.wait_for_selector(".stage[data-fill=a]")
    to_the_prompt(page)
    return page


@pytest.mark.matrix
def test_beside_the_prompt_the_result_stays_in_sight(watched: Watched, served: Served) -> None:
    page = begun(watched, served, 1280, 900)
    page.focus("#prompt textarea")
    before = page.evaluate("scrollY")
    assert before > 100
    page.wait_for_selector(DONE, timeout=180_000)
    page.wait_for_selector(".exports:not([hidden])")
    page.wait_for_selector("#audit .kc-audit-card summary")
    assert page.evaluate(SEEN) > 0.95
    assert abs(page.evaluate("scrollY") - before) < 20, "a card above may grow by a line, no more"
    assert page.is_hidden(".panel-ready"), "there is nothing to be shown"
    page.click(".next-code summary")  # and what belongs to it is reached
    page.wait_for_function(
        "(r => r.bottom <= innerHeight)(document.querySelector('.next-code .next-pop').getBoundingClientRect())"
    )
    page.keyboard.press("Escape")
    page.eval_on_selector(".exports", "e => e.scrollIntoView({ block: 'end' })")
    assert page.locator(".exports-item").last.is_visible()
    assert watched.ours == []


def test_on_a_phone_the_result_comes_into_sight_and_who_types_is_asked(
    watched: Watched, served: Served
) -> None:
    page = begun(watched, served, 390, 844)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_selector(DONE, timeout=180_000)
    page.wait_for_function(f"{SEEN} > 0.9")

    # The next one, while the next prompt is typed.
    page.click("#model label >> nth=1")
    page.wait_for_function("!document.querySelector('#generate').disabled")
    page.click("#generate")
    page.wait_for_selector(".panel[data-mode=run]")
    to_the_prompt(page)
    page.focus("#prompt textarea")
    page.keyboard.type(" and rain")
    before = page.evaluate("scrollY")
    page.wait_for_selector(DONE, timeout=180_000)
    page.wait_for_selector(".panel-ready >> text=The result is ready: show it")
    assert page.evaluate("scrollY") == before
    page.keyboard.type(" at night")
    assert page.input_value("#prompt textarea").endswith("and rain at night")
    page.click(".panel-ready")
    page.wait_for_function(f"{SEEN} > 0.9")
    assert page.is_hidden(".panel-ready")
    assert watched.ours == []


def test_who_looks_elsewhere_is_told_when_it_is_done_if_asked_for(
    watched: Watched, served: Served
) -> None:
    watched.page.add_init_script(ELSEWHERE)
    page = begun(watched, served, 1200, 1000)
    page.click(".panel-notify")
    page.wait_for_selector(".panel-notify", state="hidden")
    page.wait_for_selector(DONE, timeout=180_000)
    assert page.evaluate("window.notices") == ["Your video is ready"]
    assert watched.ours == []
