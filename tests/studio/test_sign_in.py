"""A page with a password: who comes in, and what is served to those who did not. Asked of the real page over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from helpers.served import Served, serving
from pydantic import SecretStr

from kling_utils.errors import SettingError
from kling_utils.settings import load
from kling_utils.studio.sign_in import MINUTE, TRIES, Door, account
from kling_utils.studio.visitor import UNKNOWN, Tokens, of

SHOWCASE = """
import os, runpy
os.environ.update(KLING_PASSWORD="pässword of the house", NOVITA_API_KEY="sk-of-the-owner-0123456789")
runpy.run_path("app.py", run_name="__main__")
"""
PASSWORD = "pässword of the house"


@pytest.fixture(scope="module")
def showcase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("showcase"), "-c", SHOWCASE) as page:
        yield page


def signed_in(page: Served, name: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    answer = session.post(f"{page.url}/login", data={"username": name, "password": PASSWORD})
    assert answer.status_code == 200
    return session


def test_without_a_sign_in_only_its_form_is_served(showcase: Served) -> None:
    page = requests.get(showcase.url, timeout=10)
    assert page.status_code == 200
    assert '"auth_required":true' in page.text
    assert "set-cookie" not in page.headers
    for path in (
        "/config",
        "/gradio_api/info",
        "/gradio_api/file=/etc/hostname",
        "/gradio_api/queue/data?session_hash=a",
        "/gradio_api/heartbeat/a",
        "/gradio_api/media/job/token/result.mp4",
        "/gradio_api/upload_progress?upload_id=a",
    ):
        answer = requests.get(showcase.url + path, timeout=10)
        assert answer.status_code == 401, path
        assert "sign in" in answer.json()["detail"]
    files = {"files": ("a.png", b"x")}
    upload = requests.post(f"{showcase.url}/gradio_api/upload", files=files, timeout=10)
    assert upload.status_code == 401
    assert not list(showcase.home.rglob("a.png"))
    for path in ("queue/join", "cancel", "reset"):
        answer = requests.post(f"{showcase.url}/gradio_api/{path}", json={"data": []}, timeout=10)
        assert answer.status_code == 401, path


def test_a_clip_for_the_provider_is_served_without_a_sign_in(showcase: Served) -> None:
    answer = requests.get(f"{showcase.url}/gradio_api/media/token/clip.mp4", timeout=10)
    assert answer.status_code == 404, "there is none of this name, and nobody was asked to sign in"


def test_a_cookie_of_an_open_page_signs_nobody_in(showcase: Served) -> None:
    token = Tokens(showcase.home).sign("v2_" + "a" * 32)
    for headers in ({"cookie": f"motion-control-studio={token}"}, {"x-studio-visitor": token}):
        answer = requests.get(f"{showcase.url}/config", headers=headers, timeout=10)
        assert answer.status_code == 401


def test_with_the_password_the_page_is_served_and_a_session_is_of_one_name(
    showcase: Served,
) -> None:
    anna, again, ben = (signed_in(showcase, name) for name in ("Anna", "anna ", "Ben"))
    assert anna.get(f"{showcase.url}/config").status_code == 200

    def heard(person: requests.Session, session: str) -> int:
        reset = {"event_id": "none", "session_hash": session, "fn_index": 0}
        url = f"{showcase.url}/gradio_api/reset?session_hash={session}"
        return person.post(url, json=reset).status_code

    assert heard(anna, "one") == 200
    assert heard(again, "one") == 200, "the same name from another browser"
    assert heard(ben, "one") == 403


def test_who_signs_out_has_to_sign_in_again(showcase: Served) -> None:
    carla = signed_in(showcase, "Carla")
    before = carla.cookies.copy()
    out = carla.get(f"{showcase.url}/logout")
    assert '"auth_required":true' in out.text
    answer = requests.get(f"{showcase.url}/config", cookies=before, timeout=10)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("name", "password"),
    [("Anna", "wrong"), ("Anna", ""), ("x" * 41, PASSWORD), ("a\x07b", PASSWORD)],
)
def test_a_wrong_password_or_name_does_not_come_in(
    showcase: Served, name: str, password: str
) -> None:
    data = {"username": name, "password": password}
    answer = requests.post(f"{showcase.url}/login", data=data, timeout=10)
    assert answer.status_code in (400, 422)
    assert "set-cookie" not in answer.headers


def test_another_site_signs_nobody_in(showcase: Served) -> None:
    data = {"username": "Anna", "password": PASSWORD}
    headers = {"origin": "http://evil.test"}
    answer = requests.post(f"{showcase.url}/login", data=data, headers=headers, timeout=10)
    assert answer.status_code == 403


def test_guessing_ends_for_a_minute() -> None:
    now = 1000.0
    door = Door(SecretStr("secret"), lambda: now)
    assert door(" Anna ", "secret")
    for _ in range(TRIES):
        assert not door("Anna", "guess")
    assert not door("Anna", "secret")
    now += MINUTE
    assert door("Anna", "secret")


def test_a_name_is_the_same_person_however_it_is_written(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    assert tokens.named("Anna  Maria").id == tokens.named(" anna maria").id
    assert tokens.named("Anna").id != tokens.named("Ann").id
    assert tokens.read(tokens.sign(tokens.named("Anna").id)) == tokens.named("Anna").id
    assert Tokens(tmp_path / "other").named("Anna").id != tokens.named("Anna").id
    settings = load(home=tmp_path, password="secret")
    assert of(settings, tokens, {}) == UNKNOWN


def test_without_the_variable_there_is_no_sign_in(tmp_path: Path) -> None:
    assert load(home=tmp_path).password is None
    assert load(home=tmp_path, password="  ").password is None
    assert not load(home=tmp_path, password="").hosted


# -- with Hugging Face, on a Space

SPACE = {"system": "spaces", "space_id": "me/studio", "oauth_client_id": "client"}
LENDING = SPACE | {
    "novita_api_key": "sk-of-the-owner",
    "budget": "2",
    "budget_visitor": "1",
    "lend_key": True,
}


def test_the_key_is_lent_to_accounts_only() -> None:
    assert load(**LENDING).lends("hf:anna")
    for owner in ("home", "v2_" + "a" * 32, "", "anna"):
        assert not load(**LENDING).lends(owner), owner
    listed = load(**LENDING, lend_to="Anna, ben")
    assert listed.lends("hf:anna")
    assert listed.lends("hf:ben")
    assert not listed.lends("hf:carla")
    assert not load(**(LENDING | {"lend_key": False})).lends("hf:anna"), "off unless asked for"


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ("budget", "KLING_BUDGET."),
        ("budget_visitor", "KLING_BUDGET_VISITOR."),
        ("novita_api_key", "NOVITA_API_KEY."),
        ("oauth_client_id", "the sign-in with Hugging Face"),
        ("space_id", "the sign-in with Hugging Face"),
        ("system", "the sign-in with Hugging Face"),
    ],
)
def test_lending_without_a_bound_does_not_start(without: str, told: str) -> None:
    given = {name: value for name, value in LENDING.items() if name != without}
    with pytest.raises(SettingError, match="KLING_LEND_KEY") as caught:
        load(**given)
    assert told in caught.value.message


def test_a_password_proves_no_account() -> None:
    with pytest.raises(SettingError, match="no KLING_PASSWORD"):
        load(**LENDING, password="secret")


def test_an_account_is_one_visitor_in_every_browser(tmp_path: Path) -> None:
    settings, tokens = load(home=tmp_path, **SPACE), Tokens(tmp_path)
    assert of(settings, tokens, {}, account="Anna").owner == "hf:anna"
    assert of(settings, tokens, {}, account="anna").owner == "hf:anna"
    elsewhere = load(home=tmp_path, server_name="0.0.0.0")  # noqa: S104 - hosted, and no Space
    assert of(elsewhere, tokens, {}, account="anna").owner.startswith("v2_")


def test_a_sign_in_expires() -> None:
    info = {
        "access_token": "hf_oauth_token",
        "scope": "openid profile",
        "userinfo": {"preferred_username": "anna"},
    }
    known = account({"oauth_info": info | {"expires_at": time.time() + 60}})
    assert known is not None
    assert (known.name, known.scopes) == ("anna", {"openid", "profile"})
    assert "hf_oauth_token" not in repr(known)
    assert account({"oauth_info": info | {"expires_at": time.time() - 1}}) is None
    assert account({}) is None
    assert account(None) is None
