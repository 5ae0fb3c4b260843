"""Two people in a house network: each signs in with a name, sees their own videos only, and finds them again in another browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.served import Served, serving, watching

pytestmark = pytest.mark.browser
SHOWCASE = """
import os, runpy
os.environ.update(KLING_PASSWORD="secret")
runpy.run_path("app.py", run_name="__main__")
"""
EMPTY = "#history .gallery-label >> text=Your videos will be kept here."


@pytest.fixture(scope="module")
def showcase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("showcase"), "-c", SHOWCASE) as page:
        yield page


def sign_in(page: Any, name: str, word: str = "secret") -> None:
    page.get_by_label("username").fill(name)
    page.get_by_label("password").fill(word)
    page.get_by_role("button", name="Login").click()


def test_two_people_are_kept_apart_by_name(browser: Any, showcase: Served) -> None:
    with watching(browser) as annas, watching(browser) as bens, watching(browser) as other:
        anna, ben = annas.page, bens.page
        anna.goto(showcase.url)
        sign_in(anna, "Anna", "guess")
        anna.get_by_role("alert").filter(has_text="The password is wrong").wait_for()
        sign_in(anna, "Anna")
        anna.get_by_text("Signed in as Anna").wait_for()
        anna.click(".pairs-use >> nth=0")
        anna.wait_for_selector("#image img")
        anna.wait_for_selector("#video video")
        anna.get_by_role("button", name="Generate draft").click()
        anna.wait_for_selector("#history .gallery-open >> text=Draft")
        job = anna.evaluate("new URL(location.href).searchParams.get('job')")
        assert job

        ben.goto(f"{showcase.url}/?job={job}")
        sign_in(ben, "Ben")
        ben.get_by_text("Signed in as Ben").wait_for()
        ben.wait_for_selector(EMPTY)
        assert ben.locator(".gallery-open").count() == 0

        again = other.page
        again.goto(showcase.url)
        sign_in(again, "anna")
        again.wait_for_selector("#history .gallery-open >> text=Draft")

        # In Anna's browser somebody else signs in: neither her job nor her form is there.
        anna.get_by_role("link", name="Sign out").click()
        anna.get_by_label("username").wait_for()
        sign_in(anna, "Carla")
        anna.get_by_text("Signed in as Carla").wait_for()
        anna.wait_for_selector(EMPTY)
        assert anna.locator("#video video, #image img").count() == 0
        assert bens.ours == []
        assert annas.elsewhere == []
