"""Polls and balances are free: repeated on trouble, and lenient about what real answers leave out."""

from __future__ import annotations

import base64
import json
import random
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import pytest
from helpers.clocks import Clock
from helpers.scripted import HangUp, Reply, Reset, ScriptedNovita, Stall, bill, refusal, task_answer
from pydantic import SecretStr

from kling_utils.errors import (
    DownloadFailed,
    Interrupted,
    KeyRefused,
    KlingError,
    NoContact,
    ProviderDown,
    RateLimited,
    SubmitUnconfirmed,
    TaskNotFound,
)
from kling_utils.providers.http import Transport
from kling_utils.providers.novita import NovitaAPI, TaskStatus
from kling_utils.values import Money

URL = "https://storage.example/prod/result.mp4?q-sign-algorithm=sha1&q-signature=feed"
TASK = "f97d3f93"
CAPTURE: dict[str, Any] = {
    "audios": [],
    "extra": {},
    "images": [],
    "task": {
        "eta": 0,
        "progress_percent": 0,
        "reason": "",
        "status": "TASK_STATUS_SUCCEED",
        "task_id": TASK,
        "task_type": "MINIMAX_HAILUO_02_6S_768P",
    },
    "videos": [
        {"nsfw_detection_result": None, "video_type": "mp4", "video_url": URL, "video_url_ttl": "0"}
    ],
}


def polled(client: NovitaAPI, server: ScriptedNovita, *bodies: Any) -> TaskStatus:
    server.state.polls.extend(Reply(200, body) for body in bodies)
    return client.poll(TASK)


# -- trouble


@pytest.mark.parametrize(
    "act",
    [
        Stall(),
        Reset(),
        HangUp(),
        *(Reply(s, "") for s in (408, 500, 502, 503, 504)),
        refusal(429, "RATE_LIMIT_EXCEEDED"),
    ],
    ids=lambda act: f"{type(act).__name__} {getattr(act, 'status', '')}",
)
def test_a_poll_gets_over_trouble(
    client: NovitaAPI, server: ScriptedNovita, clock: Clock, act: Any
) -> None:
    server.state.polls.extend([act, Reply(200, CAPTURE)])
    assert client.poll(TASK).status == "succeeded"
    assert server.state.poll_count == 2
    assert len(clock.waits) == 1
    assert 0 <= clock.waits[0] <= 0.5


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "<html>Just a moment...</html>"),
        Reply(200, '{"task": {"status"'),
        Reply(200, ["task"]),
        Reply(200, {"code": 500, "reason": "GET_RESULT_FAILED", "message": "cannot read it"}),
        Reply(302, "", {"Location": "/login"}),
        refusal(500, "GET_RESULT_FAILED"),
    ],
    ids=lambda r: f"{r.status} {str(r.body)[:20]}",
)
def test_an_answer_that_says_nothing_is_trouble_too(
    client: NovitaAPI, server: ScriptedNovita, reply: Reply
) -> None:
    server.state.polls.extend([reply, Reply(200, CAPTURE)])
    assert client.poll(TASK).status == "succeeded"
    server.state.polls.extend([reply] * 5)
    with pytest.raises(ProviderDown) as caught:
        client.poll(TASK)
    assert caught.value.money == "yes"  # the task that was asked about exists


def test_five_500s_in_a_row_end_one_poll_but_not_the_next(
    client: NovitaAPI, server: ScriptedNovita, clock: Clock
) -> None:
    task_id = client.submit(
        {
            "image": "https://e.example/i.png",
            "video": "https://e.example/v.mp4",
            "model_name": "kling-v3-0-std",
            "character_orientation": "image",
        }
    )
    server.state.polls.extend([Reply(500, "")] * 5)
    with pytest.raises(ProviderDown):
        client.poll(task_id)
    assert len(clock.waits) == 4
    assert client.poll(task_id).status == "queued"


def test_nobody_there(transport: Transport) -> None:
    server = ScriptedNovita()
    server.close()
    with pytest.raises(NoContact, match="refused") as caught:
        NovitaAPI(server.base_url, SecretStr("k" * 20), transport=transport).poll(TASK)
    assert caught.value.money == "yes"


def test_a_stop_is_obeyed_at_once(server: ScriptedNovita) -> None:
    clock = Clock(stop_after=1)
    server.state.polls.extend([Reply(500, "")] * 5)
    with pytest.raises(Interrupted):
        NovitaAPI(
            server.base_url,
            SecretStr(server.key),
            transport=Transport(wait=clock.wait, clock=clock),
        ).poll(TASK)
    assert server.state.poll_count == 1


def test_waits_grow_with_full_jitter(server: ScriptedNovita) -> None:
    class Highest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            assert a == 0
            return b

    clock = Clock()
    server.state.polls.extend([Reply(500, "")] * 5)
    client = NovitaAPI(
        server.base_url,
        SecretStr(server.key),
        transport=Transport(wait=clock.wait, clock=clock, rng=Highest()),
    )
    with pytest.raises(ProviderDown):
        client.poll(TASK)
    assert clock.waits == [0.5, 1, 2, 4]


@pytest.mark.parametrize(
    ("told", "waited"), [("7", 7), ("119.5", 119.5), ("120", 120), ("600", 120)]
)
def test_retry_after_in_seconds_is_obeyed_up_to_two_minutes(
    client: NovitaAPI, server: ScriptedNovita, clock: Clock, told: str, waited: float
) -> None:
    server.state.polls.extend([Reply(429, "", {"Retry-After": told}), Reply(200, CAPTURE)])
    client.poll(TASK)
    assert clock.waits == [waited]


def test_retry_after_as_a_date(client: NovitaAPI, server: ScriptedNovita, clock: Clock) -> None:
    server.state.polls.extend(
        [
            Reply(503, "", {"Retry-After": formatdate(clock.wall() + 30, usegmt=True)}),
            Reply(200, CAPTURE),
        ]
    )
    client.poll(TASK)
    assert clock.waits == [pytest.approx(30)]


def test_the_last_429_tells_its_pace(client: NovitaAPI, server: ScriptedNovita) -> None:
    server.state.polls.extend([Reply(429, "", {"Retry-After": "600"})] * 5)
    with pytest.raises(RateLimited) as caught:
        client.poll(TASK)
    assert caught.value.retry_after == 600


# -- considered noes


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(404, "TASK_NOT_FOUND"), TaskNotFound),
        (refusal(403, "INVALID_API_KEY"), KeyRefused),
        (Reply(401, {"code": 401}), KeyRefused),
    ],
)
def test_a_considered_no_is_not_repeated(
    client: NovitaAPI, server: ScriptedNovita, reply: Reply, error: type[KlingError]
) -> None:
    server.state.polls.append(reply)
    with pytest.raises(error) as caught:
        client.poll(TASK)
    assert server.state.poll_count == 1
    assert caught.value.money == "yes"


def test_a_404_page_of_a_gateway_says_nothing_about_the_task(
    client: NovitaAPI, server: ScriptedNovita
) -> None:
    server.state.polls.append(Reply(404, "<html>404</html>"))
    with pytest.raises(ProviderDown):
        client.poll(TASK)


# -- leniency


def test_the_captured_answer(client: NovitaAPI, server: ScriptedNovita) -> None:
    status = polled(client, server, CAPTURE)
    assert (status.status, status.video_url, status.eta, status.progress, status.place) == (
        "succeeded",
        URL,
        None,
        0,
        None,
    )
    assert "q-signature" not in repr(status)


def test_the_documented_answer(client: NovitaAPI, server: ScriptedNovita) -> None:
    status = polled(client, server, task_answer(TASK, "TASK_STATUS_PROCESSING"))
    assert (status.status, status.word, status.eta, status.progress, status.video_url) == (
        "processing",
        "TASK_STATUS_PROCESSING",
        60.0,
        40,
        None,
    )


@pytest.mark.parametrize(
    "absent",
    [
        "extra",
        "images",
        "audios",
        "task.eta",
        "task.progress_percent",
        "task.reason",
        "task.task_type",
        "task.task_id",
    ],
)
def test_whatever_may_be_absent(client: NovitaAPI, server: ScriptedNovita, absent: str) -> None:
    body = {**CAPTURE, "task": dict(CAPTURE["task"])}
    where, _, name = absent.rpartition(".")
    del (body["task"] if where else body)[name]
    assert polled(client, server, body).video_url == URL


@pytest.mark.parametrize("ttl", ["3600", "0", 3600, 0, None])
def test_any_lifetime(client: NovitaAPI, server: ScriptedNovita, ttl: Any) -> None:
    video = {"video_url": URL, "video_type": "mp4"} | (
        {} if ttl is None else {"video_url_ttl": ttl}
    )
    assert polled(client, server, {**CAPTURE, "videos": [video]}).video_url == URL


@pytest.mark.parametrize(
    ("given", "progress", "eta"),
    [
        ({"progress_percent": 33, "eta": 12}, 33, 12.0),
        ({"progress_percent": "33", "eta": "12"}, 33, 12.0),
        ({"progress_percent": 120, "eta": 0}, 100, None),
        ({"progress_percent": -1, "eta": -5}, None, None),
        ({"progress_percent": "half", "eta": {}}, None, None),
        ({"progress_percent": None, "eta": True}, None, None),
        ({"progress_percent": "nan", "eta": "inf"}, None, None),
        ({}, None, None),
    ],
)
def test_numbers_as_they_come(
    client: NovitaAPI,
    server: ScriptedNovita,
    given: dict[str, Any],
    progress: int | None,
    eta: float | None,
) -> None:
    status = polled(client, server, {"task": {"status": "TASK_STATUS_PROCESSING", **given}})
    assert (status.progress, status.eta) == (progress, eta)


def test_the_place_in_the_queue_where_it_is_told(client: NovitaAPI, server: ScriptedNovita) -> None:
    assert (
        polled(
            client,
            server,
            {"task": {"status": "TASK_STATUS_QUEUED"}, "extra": {"queue_position": 3}},
        ).place
        == 3
    )


@pytest.mark.parametrize("word", ["TASK_STATUS_PAUSED", "", None, 7])
def test_an_unknown_word_is_kept(client: NovitaAPI, server: ScriptedNovita, word: Any) -> None:
    status = polled(client, server, {"task": {"status": word}})
    assert status.status == "unknown"
    assert status.word == str(word or "")


def test_failed_is_an_answer_not_an_error(client: NovitaAPI, server: ScriptedNovita) -> None:
    status = polled(
        client,
        server,
        {
            "task": {
                "status": "TASK_STATUS_FAILED",
                "reason": "Failure to pass the risk control system",
            }
        },
    )
    assert (status.status, status.reason) == ("failed", "Failure to pass the risk control system")


@pytest.mark.parametrize(
    "videos",
    [
        [],
        None,
        "none",
        [None],
        [{}],
        [{"video_url": ""}],
        [{"video_url": None}],
        [{"video_url": "s3://bucket/x.mp4"}],
        [{"video_url": "/x.mp4"}],
    ],
)
def test_success_without_a_usable_link_is_an_error(
    client: NovitaAPI, server: ScriptedNovita, videos: Any
) -> None:
    with pytest.raises(DownloadFailed) as caught:
        polled(client, server, {**CAPTURE, "videos": videos})
    assert caught.value.money == "yes"


def test_an_mp4_is_taken_before_a_gif(client: NovitaAPI, server: ScriptedNovita) -> None:
    videos = [
        {"video_url": "https://storage.example/a.gif", "video_type": "gif"},
        {"video_url": URL, "video_type": "mp4"},
    ]
    assert polled(client, server, {**CAPTURE, "videos": videos}).video_url == URL


@pytest.mark.parametrize("body", [{}, {"task": None}, {"task": []}, {"videos": []}])
def test_an_answer_without_a_task(client: NovitaAPI, server: ScriptedNovita, body: Any) -> None:
    with pytest.raises(ProviderDown):
        polled(client, server, body)


def test_the_task_id_is_opaque(client: NovitaAPI, server: ScriptedNovita) -> None:
    server.state.polls.append(Reply(200, task_answer("a b&c=d/é", "TASK_STATUS_QUEUED")))
    client.poll("a b&c=d/é")
    assert server.state.seen[-1].query == "task_id=a+b%26c%3Dd%2F%C3%A9"


@pytest.mark.parametrize("suffix", ["", "/", "/v3", "/v3/", "//"])
def test_the_base_address_may_end_as_it_likes(
    server: ScriptedNovita, transport: Transport, suffix: str
) -> None:
    assert (
        NovitaAPI(server.base_url + suffix, SecretStr(server.key), transport=transport)
        .balance()
        .available
    )


# -- balance


def test_the_balance_is_in_ten_thousandths(client: NovitaAPI) -> None:
    balance = client.balance()
    assert balance.available == Money(Decimal("12.5"))
    assert balance.cash == Money(Decimal(10))


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        ("0", "0"),
        ("1", "0.0001"),
        (" 99 ", "0.0099"),
        (20000, "2"),
        ("-5000", "-0.5"),
        ("123456.5", "12.34565"),
    ],
)
def test_amounts_as_they_come(
    client: NovitaAPI, server: ScriptedNovita, said: Any, amount: str
) -> None:
    server.state.balance = {"availableBalance": said}
    assert client.balance().available.amount == Decimal(amount)
    assert client.balance().cash is None


@pytest.mark.parametrize("said", [None, "", "much", True, [], "NaN"])
def test_a_balance_that_is_none(client: NovitaAPI, server: ScriptedNovita, said: Any) -> None:
    server.state.balance = {"availableBalance": said}
    with pytest.raises(ProviderDown):
        client.balance()


def test_the_bill_is_read_leniently(client: NovitaAPI, server: ScriptedNovita) -> None:
    hour = 1_772_532_000
    server.state.bills = [
        bill(hour, "0.63"),
        {**bill(hour, "0"), "amount": 6300, "startTime": hour, "endTime": hour + 3600},
        {**bill(hour, "0"), "amount": "much"},
        {**bill(hour, "0"), "endTime": hour + 1, "startTime": hour + 1},
    ]
    found = client.bills(hour, hour + 120)
    assert [(each.start, each.end, str(each.amount)) for each in found] == [
        (hour, hour + 3600, "0.63 USD")
    ] * 2
    (asked,) = server.sent("GET", "/openapi/v1/billing/bill/list")
    assert "cycleType=Hour" in asked.query
    assert "productCategory=gen_api" in asked.query
    server.state.bills = "none"
    with pytest.raises(ProviderDown, match="has no bills in it"):
        client.bills(hour, hour + 60)


def test_a_wrong_key_is_told_by_the_balance(server: ScriptedNovita, transport: Transport) -> None:
    with pytest.raises(KeyRefused) as caught:
        NovitaAPI(server.base_url, SecretStr("sk-wrong-000000"), transport=transport).balance()
    assert caught.value.money == "no"
    assert caught.value.words == "invalid api-key"


def test_an_answer_about_another_task_is_not_believed(
    client: NovitaAPI, server: ScriptedNovita
) -> None:
    server.state.polls.extend(
        Reply(200, task_answer("another", "TASK_STATUS_SUCCEED")) for _ in range(9)
    )
    with pytest.raises(ProviderDown, match="another task"):
        client.poll(TASK)


@pytest.mark.parametrize("number", [1e300, "1e300", 2**70, -1, "NaN", "inf", True, [], {}])
def test_no_number_is_more_than_a_database_holds(
    client: NovitaAPI, server: ScriptedNovita, number: Any
) -> None:
    body = task_answer(TASK, "TASK_STATUS_QUEUED")
    body["extra"] = {"queue_position": number}
    body["task"] |= {"eta": number, "progress_percent": number}
    status = polled(client, server, body)
    assert status.place is None or 0 < status.place <= 1_000_000
    assert status.eta is None or 0 < status.eta <= 7 * 86400
    assert status.progress is None or 0 <= status.progress <= 100


def test_a_lone_surrogate_in_a_reason_is_replaced(
    client: NovitaAPI, server: ScriptedNovita
) -> None:
    body = json.dumps(task_answer(TASK, "TASK_STATUS_FAILED")).replace(
        '"reason": ""', '"reason": "no \\ud83d"'
    )
    server.state.polls.append(Reply(200, body))
    reason = client.poll(TASK).reason
    assert reason == "no ?"
    reason.encode()


@pytest.mark.parametrize(
    "form",
    [
        "plain",
        "escaped",
        "quoted",
        "base64",
        "upper",
        "hex",
        "header",
        "every",
        "entities",
        "twice",
    ],
)
def test_a_key_that_is_repeated_is_masked_in_every_form(
    server: ScriptedNovita, transport: Transport, form: str
) -> None:
    key = "sk-Ab/9+scripted=0123"
    server.state.key = key
    said = {
        "plain": key,
        "escaped": "".join(f"\\u{ord(c):04x}" for c in key),
        "quoted": quote(key, safe=""),
        "base64": base64.b64encode(key.encode()).decode(),
        "upper": key.upper(),
        "hex": key.encode().hex(),
        "header": base64.b64encode(f"Bearer {key}".encode()).decode(),
        "every": "".join(f"%{ord(c):02X}" for c in key),
        "entities": "".join(f"&#{ord(c)};" for c in key),
        "twice": "".join(f"\\\\u{ord(c):04x}" for c in key),
    }[form]
    body = json.dumps(task_answer(TASK, "TASK_STATUS_FAILED")).replace(
        '"reason": ""', f'"reason": "key {said}!"'
    )
    server.state.polls.append(Reply(200, body))
    reason = NovitaAPI(server.base_url, SecretStr(key), transport=transport).poll(TASK).reason
    assert "***" in reason
    assert reason.startswith("key ***") or form in ("entities", "twice")
    assert said.lower() not in reason.lower()


class Drip:
    """A server whose answer never ends: a byte of a header every 20 ms."""

    def __init__(self) -> None:
        self.sent, self._over = 0, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not self._over.wait(0.02):
                    connection.sendall(b"x")
                    self.sent += 1
            except OSError:
                return

    def close(self) -> None:
        self._over.set()
        self._listener.close()


@pytest.fixture
def drip() -> Iterator[Drip]:
    server = Drip()
    yield server
    server.close()


def test_a_server_that_sends_a_byte_now_and_then_meets_a_deadline(drip: Drip) -> None:
    transport = Transport(read_timeout=5, total_timeout=0.3)
    client = NovitaAPI(
        f"http://127.0.0.1:{drip.port}", SecretStr("k" * 20), transport=transport, tries=1
    )
    with pytest.raises(NoContact):
        client.poll(TASK)
    with pytest.raises(SubmitUnconfirmed):  # it was sent
        client.submit({})
    assert drip.sent < 200, "cut, not waited for"
