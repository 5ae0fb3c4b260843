"""Two people in a house network: each signs in with a name, sees their own videos only, and finds them again in another browser."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import File, ScriptedNovita, ServerState
from helpers.served import Served, serving, watching
from itsdangerous import TimestampSigner

from kling_utils import examples
from kling_utils.media import ffmpeg

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


# -- with Hugging Face, on a Space whose owner lends the key

KEY = "sk-of-the-owner-0123456789"
SECRET = "client's secret"
SPACE = """
import os, runpy, sys
os.environ.update(
    SYSTEM="spaces", SPACE_ID="me/studio", OAUTH_CLIENT_ID="client", OAUTH_CLIENT_SECRET="client's secret", OAUTH_SCOPES="openid profile",
    OPENID_PROVIDER_URL="http://127.0.0.1:9", NOVITA_API_KEY="sk-of-the-owner-0123456789", NOVITA_BASE_URL=sys.argv[1],
    KLING_ALLOW_PRIVATE_HOSTS="127.0.0.1", KLING_LEND_KEY="1", KLING_BUDGET="5", KLING_BUDGET_VISITOR="0.6", KLING_POLL_INTERVAL="0.2",
)
runpy.run_path("app.py", run_name="__main__")
"""


def signed(page: Any, url: str, name: str, scope: str = "openid profile") -> None:
    """As after a sign-in: the cookie that gradio's own routes would have set."""
    person = {"preferred_username": name, "name": name, "profile": "", "picture": ""}
    info = {"access_token": "hf_scripted0123456789abcdefghijklmno", "scope": scope}
    session = json.dumps({"oauth_info": info | {"userinfo": person}}).encode()
    secret = hashlib.sha256(f"{SECRET}-v4".encode()).hexdigest()
    value = TimestampSigner(secret).sign(base64.b64encode(session)).decode()
    page.context.add_cookies([{"name": "session", "value": value, "url": url}])


def fill(page: Any, clip: str) -> None:
    page.set_input_files("#image input[type=file]", str(examples.IMAGES[0].path))
    page.fill("#video-address input, #video-address textarea", clip)
    page.keyboard.press("Enter")
    page.wait_for_selector("#video-report >> text=fine")


def test_the_owners_key_is_lent_to_an_account_within_its_budget(
    browser: Any, tmp_path: Path
) -> None:
    clip = tmp_path / "dance.mp4"
    cut = ["-t", "3.2", *ffmpeg.H264, "-preset", "veryfast", "-an", str(clip)]
    ffmpeg.run([*ffmpeg.source(examples.VIDEOS[0].path), *cut], timeout=60)
    state = ServerState(key=KEY, video=clip.read_bytes())
    with (
        ScriptedNovita(state) as novita,
        serving(tmp_path, "-c", SPACE, novita.base_url) as served,
        watching(browser) as stranger,
        watching(browser) as first,
        watching(browser) as second,
    ):
        address = novita.serve("/in/dance.mp4", File(clip.read_bytes()))
        stranger.page.goto(served.url)
        stranger.page.get_by_role("button", name="Sign in with Hugging Face").wait_for()
        stranger.page.get_by_text("Sign in with Hugging Face to use the key").wait_for()
        stranger.page.wait_for_selector("#generate >> text=draft")

        page = first.page
        signed(page, served.url, "Anna")
        page.goto(served.url)
        page.get_by_text("The owner of this page pays.").wait_for()
        page.get_by_role("button", name="Sign out (Anna)").wait_for()
        fill(page, address)
        page.click("#generate >> text=USD")
        page.wait_for_selector(".panel[data-mode=done]", timeout=60_000)
        assert novita.state.submit_count == 1
        assert KEY not in page.content()

        other = second.page
        signed(other, served.url, "anna")
        other.goto(served.url)
        other.get_by_text("0.10 USD of 0.60 USD are left for you today").wait_for()
        fill(other, address)
        other.wait_for_selector("#generate >> text=USD")
        other.get_by_text("It is over today's budget.").wait_for()
        assert novita.state.submit_count == 1
        assert KEY not in served.log.read_text("utf-8")
