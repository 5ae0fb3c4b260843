"""Takes in a real browser: named, rated, noted, searched, paged, set against each other, and voted on without their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers import zoo
from helpers.engine import make
from helpers.served import Served, Watched, serving, watching

import kling_utils as kling
from kling_utils.providers.local import LocalProvider
from kling_utils.settings import load
from kling_utils.studio.gallery import SHOWN

JOBS = SHOWN + 2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page over a home with two more takes than a page of the gallery shows."""
    folder = tmp_path_factory.mktemp("takes")
    files, home = (zoo.image(folder), zoo.clip(folder, seconds=3.2)), folder / "home"
    local = LocalProvider(home, command=make(folder / "engine").command)
    with kling.Client(load(home=home, poll_interval=0.05), local=local) as client:
        jobs = [client.submit(*files, prompt=f"number{n:02} of all") for n in range(JOBS)]
        for job in jobs:
            assert list(job.events())
            assert job.state == "succeeded"
    with serving(folder) as page:
        yield page


@pytest.fixture(
    params=[(1280, "light"), pytest.param((390, "dark"), marks=pytest.mark.matrix)],
    ids=["desk", "phone"],
)
def watched(request: pytest.FixtureRequest, browser: Any) -> Iterator[Watched]:
    width, scheme = request.param
    view = {"width": width, "height": 900}
    with watching(browser, viewport=view, color_scheme=scheme, has_touch=width < 500) as seen:
        yield seen
        assert seen.elsewhere == []
        assert seen.ours == []


def titles(page: Any) -> list[str]:
    return list(page.locator(".gallery-title").all_inner_texts())


def shows(page: Any, *wanted: str) -> None:
    told = "wanted => [...document.querySelectorAll('.gallery-title')].map(e => e.textContent).join() === wanted"
    page.wait_for_function(told, arg=",".join(wanted))


def named(*numbers: int) -> list[str]:
    return [f"number{n:02} of all" for n in numbers]


def all_large_enough(page: Any) -> None:
    """Every control of ours that is in sight, also over a picture, takes a finger."""
    small = page.evaluate(
        """() => [...document.querySelectorAll('#history :is(button, input, select), #comparison button')]
            .filter((e) => e.checkVisibility() && Math.min(e.offsetWidth, e.offsetHeight) < 40)
            .map((e) => e.outerHTML)"""
    )
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_takes_are_named_rated_noted_found_and_paged(served: Served, watched: Watched) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector(f".gallery-card >> nth={SHOWN - 1}")
    assert titles(page) == named(*range(JOBS - 1, 1, -1))
    assert page.inner_text(".gallery-place") == f"1 to {SHOWN} of {JOBS}"
    all_large_enough(page)

    # The second page, by keyboard: the focus does not get lost where there is no further one.
    page.focus(".gallery-next")
    page.keyboard.press("Enter")
    shows(page, *named(1, 0))
    assert page.evaluate("document.activeElement.className") == "gallery-prev"

    # A rating and a note, by keyboard.
    page.focus(".gallery-card >> nth=0 >> [data-rating=favourite]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".gallery-card >> nth=0 >> [data-rating=favourite][aria-pressed=true]")
    page.focus(".gallery-card >> nth=1 >> .gallery-write")
    page.keyboard.press("Enter")
    assert page.get_attribute(".gallery-edit-name", "placeholder") == "number00 of all"
    page.keyboard.type("The <b>best</b>")
    page.keyboard.press("Tab")
    page.keyboard.type("hands blur at 3 s")
    all_large_enough(page)
    page.keyboard.press("Control+Enter")
    shows(page, "number01 of all", "The <b>best</b>")
    assert page.inner_text(".gallery-note >> nth=1") == "hands blur at 3 s"
    assert page.evaluate("document.activeElement.className") == "gallery-write"

    # Found by words and by rating, over all pages; said where nothing is.
    page.fill(".gallery-search", "HANDS blur")
    shows(page, "The <b>best</b>")
    assert page.inner_text(".gallery-found") == f"1 of {JOBS}"
    page.select_option(".gallery-rated", "favourite")
    shows(page)
    page.wait_for_selector(f".gallery-found >> text=None of {JOBS} videos fits")
    page.fill(".gallery-search", "")
    shows(page, "number01 of all")

    # All of it is kept; for the next one who looks it goes away again.
    page.goto(served.url)
    page.fill(".gallery-search", "best")
    shows(page, "The <b>best</b>")
    page.click(".gallery-write")
    page.fill(".gallery-edit-name", "")
    page.fill(".gallery-edit-note", "")
    page.click(".gallery-save")
    shows(page)
    page.fill(".gallery-search", "number01")
    shows(page, "number01 of all")
    page.click("[data-rating=favourite]")
    page.wait_for_selector("[data-rating=favourite][aria-pressed=false]")
    page.select_option(".gallery-rated", "")
    shows(page, "number01 of all")


def test_two_takes_are_compared_and_voted_on_blind(served: Served, watched: Watched) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector(f".gallery-card >> nth={SHOWN - 1}")
    page.click(".gallery-open >> nth=4")
    page.wait_for_selector(".panel[data-mode=done]")
    opened = page.url

    # Chosen on two pages of the gallery.
    page.focus(".gallery-choose >> nth=0")
    page.keyboard.press("Enter")
    newest = page.get_attribute(".gallery-card >> nth=0", "data-video")
    assert "choose the take to compare it with" in page.inner_text(".gallery-chosen")
    page.click(".gallery-next")
    shows(page, *named(1, 0))
    oldest = page.get_attribute(".gallery-card >> nth=1", "data-video")
    page.focus(".gallery-choose >> nth=1")
    page.keyboard.press("Enter")
    both = named(JOBS - 1, 0)
    assert page.inner_text(".gallery-chosen") == " against ".join(both)
    all_large_enough(page)

    # With their names, in step, and nothing of the job that was open.
    page.focus(".gallery-versus")
    page.keyboard.press("Enter")
    page.wait_for_selector(".versus[data-mode=open]")
    page.wait_for_function("document.activeElement.id === 'versus-head'")
    assert page.locator(".versus-name").all_inner_texts() == [f"{name}, draft" for name in both]
    page.wait_for_selector(f".stage-a video[src='{newest}']", state="attached")
    page.wait_for_selector(f".stage-b video.is-on[src='{oldest}']", state="attached")
    assert page.locator(".stage-hear option").all_inner_texts() == [
        "Sound off",
        "Hear left",
        "Hear right",
    ]
    for gone in ("#panel", "#audit .kc", "#next", "#exports", ".stage-judge", ".stage-save"):
        assert page.locator(f"{gone} >> visible=true").count() == 0, gone
    page.focus(".stage")
    page.keyboard.press("s")
    assert page.locator(".stage.is-swapped").count() == 0
    page.wait_for_function(
        "[...document.querySelectorAll('.stage-pane video')].filter((v) => v.src).every((v) => v.currentTime > 0.3)"
    )
    page.wait_for_function("Math.abs(Number(document.querySelector('.stage').dataset.drift)) < 0.2")

    # Without them: neither the panel nor the stage says which is which until the vote.
    page.evaluate(
        """() => {
          for (const v of document.querySelectorAll('.stage-a video, .stage-b video.is-on'))
            v.addEventListener('emptied', () => { v.dataset.emptied = 'yes'; });
        }"""
    )
    page.focus(".versus-blind")
    page.keyboard.press("Enter")
    page.wait_for_selector(".versus[data-mode=blind]")
    page.wait_for_selector(".stage-b figcaption >> text=Right")
    page.wait_for_function(  # also where chance left both where they were: a side that plays on is known
        "document.querySelectorAll('.stage-pane video[data-emptied][src]').length === 2"
    )
    told = page.inner_text("#comparison") + page.inner_text("#stage")
    assert "number" not in told
    all_large_enough(page)
    page.focus("[data-choice=left]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".versus[data-mode=told]")
    left, right = (
        name.removesuffix(", draft") for name in page.locator(".versus-name").all_inner_texts()
    )
    assert {left, right} == set(both)
    assert page.inner_text(".versus-said") == f"You chose left: {left}, draft."
    left_source = newest if left == both[0] else oldest
    page.wait_for_selector(f".stage-a video[src='{left_source}']", state="attached")
    page.wait_for_selector(f".stage-a figcaption >> text={left}")
    page.wait_for_selector(r".gallery-fact >> text=/^won \d of \d$/")

    # Kept with both, and told in Python.
    with kling.Client(load(home=served.home)) as client:
        vote = client.votes()[0]
        assert [client.record(each).subject for each in (vote.left, vote.right)] == [left, right]
        assert vote.winner == vote.left
        count = len(client.votes())

    # Once more, without a difference; and the way back to the job that was open.
    page.click(".versus-blind")
    page.wait_for_selector(".versus[data-mode=blind]")
    page.click("[data-choice=same]")
    page.wait_for_selector(".versus-said >> text=You saw no difference.")
    with kling.Client(load(home=served.home)) as client:
        assert [vote.choice for vote in client.votes()[: len(client.votes()) - count]] == ["same"]
    page.click(".versus-back")
    page.wait_for_selector(".panel[data-mode=done]")
    page.wait_for_selector("#stage .stage-a figcaption >> text=Reference")
    assert page.is_hidden(".versus")
    assert page.url == opened
