"""The form over a reload of the page and a restart of its server, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.served import Served, Watched, serving, type_key, watching
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from kling_utils import examples

pytestmark = pytest.mark.browser
KEY = "sk_typed-by-a-visitor-4711"
STORED = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
PROMPT = "document.querySelector('#prompt textarea')?.value === 'Rain at night'"
CHECKED = "name => document.querySelector(`#${name} input:checked`)?.value"


@pytest.fixture(scope="module")
def served(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("reload")) as page:
        yield page


@pytest.fixture
def watched(browser: Any, request: pytest.FixtureRequest) -> Iterator[Watched]:
    with watching(browser) as seen:
        yield seen


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file of one's own, which is no example."""
    path = tmp_path / "My hero.png"
    path.write_bytes(examples.IMAGES[0].path.read_bytes())
    return path


def filled(page: Any, url: str, picture: Path) -> None:
    page.goto(url)
    page.wait_for_selector("#video-examples .strip-card")
    page.set_input_files("#image input[type=file]", str(picture))
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
    page.click("#video-examples .strip-card >> nth=1")
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
    page.click("#model label >> nth=1")
    page.click("#orientation label >> nth=1")
    page.click("#more > button")
    page.click("#sound label")
    page.wait_for_function(
        "JSON.parse(sessionStorage['motion-control-studio.form.v1'])?.form?.sound === false"
    )
    page.fill("#prompt textarea", "Rain at night")  # and still in it: no check has seen this


def as_filled(page: Any) -> None:
    page.wait_for_selector("#image img")
    page.wait_for_selector("#video video")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
    page.wait_for_function(PROMPT)
    assert page.evaluate(CHECKED, "model") == "kling-v3-0-pro"
    assert page.evaluate(CHECKED, "orientation") == "image"
    assert not page.is_checked("#sound input")


def reconnected(page: Any) -> None:
    """Gradio reloads the page by itself, up to two seconds after it has lost the connection: until that is over."""
    page.wait_for_selector("text=Connection Lost", state="detached")


def pressed(page: Any, shown: str) -> None:
    """Press Generate. A press that meets the very moment of the restart is lost: then reload, as one would."""
    page.click("#generate")
    try:
        page.wait_for_selector(shown, timeout=20_000)
    except PlaywrightTimeout:
        reloaded(page)
        page.wait_for_selector(shown)


def reloaded(page: Any) -> None:
    """Reload after a restart. Gradio's own reload may come in between, which ends this one: as good."""
    try:
        page.reload()
    except Exception as error:
        if "ERR_ABORTED" not in str(error):
            raise
        page.wait_for_load_state("load")
    reconnected(page)


def test_a_reload_keeps_the_form_and_nobody_else_sees_it(
    browser: Any, watched: Watched, served: Served, picture: Path
) -> None:
    page = watched.page
    filled(page, served.url, picture)
    type_key(page, KEY)
    page.wait_for_selector("#whose-key >> text=not tested yet")
    page.wait_for_selector("#generate >> text=USD")
    page.reload()
    as_filled(page)
    assert page.locator("#restarted .kc").count() == 0, "nothing is lost, so nothing is said"
    assert KEY not in page.evaluate(STORED)
    assert str(served.home.parent) not in page.evaluate(STORED), "nor does a path stand there"
    page.reload()
    as_filled(page)

    with watching(browser) as other:
        other.page.goto(served.url)
        other.page.wait_for_selector("#video-examples .strip-card")
        other.page.wait_for_function("sessionStorage['motion-control-studio.form.v1']")
        assert other.page.locator("#image img").count() == 0
        other.page.click("#more > button")
        assert other.page.input_value("#prompt textarea") == ""
    # an event of the page that a reload cut off is not found any more
    assert [each for each in watched.ours if "404: Not Found" not in each] == []


def test_a_restart_of_the_server_is_said_and_the_files_are_sent_anew(
    watched: Watched, served: Served, picture: Path
) -> None:
    page = watched.page
    filled(page, served.url, picture)
    served.restart()
    pressed(page, "#restarted >> text=This page was restarted")
    reconnected(page)
    page.wait_for_selector("#restarted >> text=The picture is sent to the page anew")
    as_filled(page)
    assert page.locator("#notice .kc").count() == 0
    assert page.locator(".gallery-card").count() == 0, "nothing was sent"
    page.click("#generate")
    page.wait_for_selector(".panel[data-mode=run]")
    page.wait_for_selector("#restarted .kc", state="detached")
    page.wait_for_selector(".panel[data-mode=done]", timeout=180_000)

    # The same with a reload: the browser has the file all the same.
    served.restart()
    reloaded(page)
    page.wait_for_selector("#restarted >> text=The picture is sent to the page anew")
    as_filled(page)

    # Where it has none, the page says which file to choose.
    served.restart()
    page.evaluate("indexedDB.deleteDatabase('motion-control-studio.form.v1')")
    reloaded(page)
    page.wait_for_selector("#restarted >> text=Choose the picture (My hero.png) again")
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
    page.wait_for_function(PROMPT)
    assert page.locator("#image img").count() == 0
    page.set_input_files("#image input[type=file]", str(picture))
    as_filled(page)


@pytest.mark.matrix
def test_a_picture_that_is_replaced_during_a_check_outlives_a_restart(
    watched: Watched, served: Served, picture: Path
) -> None:
    page, uploads = watched.page, list[Any]()
    filled(page, served.url, picture)
    other = picture.with_name("Other" + examples.IMAGES[1].path.suffix)
    other.write_bytes(examples.IMAGES[1].path.read_bytes())
    upload = re.compile(r"/gradio_api/upload\?")
    page.route(upload, lambda route: uploads.append(route))
    with page.expect_request(upload):
        page.set_input_files("#image input[type=file]", str(other))
    page.click("#model label >> nth=0")
    model = "JSON.parse(sessionStorage['motion-control-studio.form.v1']).form.model"
    page.wait_for_function(f"{model} === 'kling-v3-0-std'")  # told of the form with the old picture
    uploads.pop().continue_()
    page.unroute(upload)
    name = "JSON.parse(sessionStorage['motion-control-studio.form.v1']).form.image.name"
    page.wait_for_function(f"{name}.startsWith('Other')")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
    served.restart()
    reloaded(page)
    page.wait_for_selector("#restarted >> text=The picture is sent to the page anew")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
