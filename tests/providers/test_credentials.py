"""The key goes to the provider and nowhere else, and into no text."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from helpers.clocks import Clock
from helpers.disguises import DISGUISES
from helpers.scripted import SIGNATURE, HangUp, Reply, Reset, ScriptedNovita, refusal
from pydantic import SecretStr

from kling_utils.errors import KlingError
from kling_utils.media.fetch import Guard
from kling_utils.providers.download import download
from kling_utils.providers.failures import task_failed
from kling_utils.providers.http import Transport
from kling_utils.providers.novita import NovitaAPI

BODY = {
    "image": "https://e.example/i.png",
    "video": "https://e.example/v.mp4",
    "model_name": "kling-v3-0-std",
    "character_orientation": "video",
}
LOCAL = frozenset({"127.0.0.1"})


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that requests would obey, in both places where it looks."""
    text = "machine 127.0.0.1 login me password hunter2\ndefault login me password hunter2\n"
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


@pytest.mark.usefixtures("netrc")
def test_netrc_would_be_obeyed_by_a_session(server: ScriptedNovita) -> None:
    import requests

    with (
        requests.Session() as session
    ):  # shows that the file is found, and what would happen without our care
        session.get(f"{server.base_url}/x", headers={"Authorization": "Bearer key"}).close()
    assert server.state.seen[0].headers["authorization"].startswith("Basic ")


@pytest.mark.usefixtures("netrc")
def test_netrc_changes_nothing(client: NovitaAPI, server: ScriptedNovita, tmp_path: Path) -> None:
    server.state.statuses = ["TASK_STATUS_SUCCEED"]
    link = client.poll(client.submit(BODY)).video_url
    assert link is not None
    client.balance()
    download(Guard(allow=LOCAL), link, tmp_path / "r.mp4", fresh_link=lambda: None, max_bytes=10**9)
    *api, last = [seen.headers.get("authorization") for seen in server.state.seen]
    assert api == [f"Bearer {server.key}"] * 3
    assert last is None


def test_the_environments_proxies_change_nothing(
    client: NovitaAPI, server: ScriptedNovita, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client.balance()
    assert server.state.balance_count == 1


def test_cookies_are_not_kept(client: NovitaAPI, server: ScriptedNovita) -> None:
    server.state.balances.append(
        Reply(200, {"availableBalance": "1"}, {"Set-Cookie": "session=1; Path=/"})
    )
    client.balance()
    client.balance()
    assert "cookie" not in server.state.seen[1].headers


def test_a_redirect_takes_the_key_nowhere(client: NovitaAPI, server: ScriptedNovita) -> None:
    with ScriptedNovita() as other:
        away = Reply(302, "", {"Location": f"{other.base_url}/v3/async/task-result?task_id=t"})
        server.state.polls.extend([away] * 5)
        with pytest.raises(KlingError):
            client.poll("t")
        assert other.state.seen == []


ECHO = "wrong key sk-scripted-0123456789abcdef, see https://bucket.example/x?" + SIGNATURE
TROUBLE: list[Any] = [
    refusal(403, "INVALID_API_KEY", ECHO),
    refusal(400, "INVALID_REQUEST_BODY", ECHO),
    refusal(500, "CREATE_TASK_FAILED", ECHO),
    refusal(429, "RATE_LIMIT_EXCEEDED", ECHO),
    Reply(200, {"code": 500, "reason": ECHO, "message": ECHO, "metadata": {"trace_id": ECHO}}),
    Reply(418, {"code": 418, "reason": ECHO, "metadata": {"trace_id": ECHO}}),
    Reply(200, ECHO),
    Reply(502, ECHO),
    Reset(),
    HangUp(),
]


@pytest.mark.parametrize(
    "act", TROUBLE, ids=lambda act: f"{type(act).__name__} {getattr(act, 'status', '')}"
)
def test_no_text_and_no_log_has_the_key(
    client: NovitaAPI, server: ScriptedNovita, caplog: pytest.LogCaptureFixture, act: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    for queue, call in (
        (server.state.submits, lambda: client.submit(BODY)),
        (server.state.polls, lambda: client.poll("t")),
        (server.state.balances, client.balance),
    ):
        queue.extend([act] * 5)
        with pytest.raises(KlingError) as caught:
            call()
        error = caught.value
        for text in (
            str(error),
            repr(error),
            error.words,
            error.hint,
            repr(vars(error)),
            "".join(traceback.format_exception(error)),
        ):
            assert server.key not in text
            assert SIGNATURE not in text
    assert server.key not in caplog.text


@pytest.mark.parametrize("disguise", DISGUISES)
def test_no_disguise_brings_the_key_into_a_text(
    client: NovitaAPI, server: ScriptedNovita, disguise: str
) -> None:
    told = DISGUISES[disguise](server.key)
    server.state.submits.append(refusal(403, "INVALID_API_KEY", f"Unknown: {told}."))
    with pytest.raises(KlingError) as caught:
        client.submit(BODY)
    error = caught.value
    assert told not in f"{error} {error.words} {vars(error)}"
    assert "***" in error.words


@pytest.mark.parametrize(
    "words",
    [
        "the balance is 0.10 USD, 0x1F of 25%20more; see &lt;docs&gt; and C:\\path\\x41",
        "c2stc29tZWJvZHktZWxzZS1lbnRpcmVseQ== is another key",
        "Video 720x1280 is too short: 2.9 s. \u4f59\u989d\u4e0d\u8db3",
    ],
)
def test_other_words_stay_verbatim(client: NovitaAPI, server: ScriptedNovita, words: str) -> None:
    server.state.submits.append(refusal(403, "INVALID_API_KEY", words))
    with pytest.raises(KlingError) as caught:
        client.submit(BODY)
    assert caught.value.words == words


def test_words_stay_verbatim_around_the_key(client: NovitaAPI, server: ScriptedNovita) -> None:
    server.state.submits.append(refusal(403, "INVALID_API_KEY", f"the key {server.key} is unknown"))
    with pytest.raises(KlingError) as caught:
        client.submit(BODY)
    assert caught.value.words == "the key *** is unknown"


def test_nobody_there_tells_no_key(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = SecretStr("sk-nobody-0123456789")
    client = NovitaAPI(
        "http://nobody.invalid", key, transport=Transport(wait=clock.wait, clock=clock)
    )
    for call in (lambda: client.submit(BODY), lambda: client.poll("t")):
        with pytest.raises(KlingError) as caught:
            call()
        assert (
            key.get_secret_value()
            not in "".join(traceback.format_exception(caught.value)) + caplog.text
        )


def test_what_a_failed_task_says_loses_signatures() -> None:
    assert SIGNATURE not in str(
        task_failed(f"cannot fetch https://bucket.example/clip.mp4?{SIGNATURE}")
    )


def test_values_do_not_show_links(client: NovitaAPI, server: ScriptedNovita) -> None:
    server.state.statuses = ["TASK_STATUS_SUCCEED"]
    status = client.poll(client.submit(BODY))
    assert SIGNATURE in (status.video_url or "")
    assert SIGNATURE not in repr(status)
