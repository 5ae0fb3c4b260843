"""A submit costs money: it is sent again only when it provably never left, or was refused with 429."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from helpers.clocks import Clock
from helpers.scripted import SUBMIT, HangUp, Reply, Reset, ScriptedNovita, Stall, refusal
from pydantic import SecretStr

from kling_utils.errors import (
    AccountRefused,
    BalanceTooLow,
    InputRefused,
    KeyRefused,
    KlingError,
    ModerationRefused,
    NoContact,
    ProviderError,
    RateLimited,
    SubmitUnconfirmed,
)
from kling_utils.providers.http import Transport
from kling_utils.providers.novita import NovitaAPI

BODY = {
    "image": "https://files.example/hero.png",
    "video": "https://files.example/dance.mp4",
    "model_name": "kling-v3-0-std",
    "character_orientation": "video",
    "keep_original_sound": True,
}
KEY = SecretStr("sk-scripted-0123456789abcdef")


class Deaf:
    """Accepts connections and never says a word: no TLS handshake, no answer."""

    def __init__(self) -> None:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._held.append(connection)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        for connection in self._held:
            connection.close()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    made = Deaf()
    yield made
    made.close()


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_submit_returns_the_task_id(client: NovitaAPI, server: ScriptedNovita) -> None:
    task_id = client.submit(BODY)
    assert server.state.tasks[task_id] == BODY


def test_a_byte_order_mark_hides_no_task_id(client: NovitaAPI, server: ScriptedNovita) -> None:
    server.state.submits.append(Reply(200, b'\xef\xbb\xbf{"task_id": "t1"}'))
    assert client.submit(BODY) == "t1"


@pytest.mark.parametrize(
    "act", [Stall(), Reset(), HangUp()], ids=["read time-out", "reset", "closed"]
)
def test_no_answer_is_unconfirmed_and_never_resent(
    client: NovitaAPI, server: ScriptedNovita, clock: Clock, act: Stall | Reset | HangUp
) -> None:
    server.state.submits.append(act)
    with pytest.raises(SubmitUnconfirmed) as caught:
        client.submit(BODY)
    assert caught.value.money == "unknown"
    assert server.state.submit_count == 1
    assert clock.waits == []


@pytest.mark.parametrize(
    "reply",
    [
        refusal(500, "CREATE_TASK_FAILED", "could not create the task"),
        refusal(500, "BILLING_FAILED"),
        refusal(503, "SERVICE_NOT_AVAILABLE"),
        Reply(502, "<html>Bad Gateway</html>"),
        Reply(504, ""),
        Reply(408, ""),
        Reply(200, "<html>hello</html>"),
        Reply(200, '{"task_id": "abc'),
        Reply(200, {}),
        Reply(200, {"task_id": ""}),
        Reply(200, {"task_id": None}),
        Reply(200, {"code": 500, "reason": "CREATE_TASK_FAILED", "message": "oops"}),
        Reply(200, ["task_id"]),
        Reply(200, {"task_id": "abc"}, {"Content-Length": "1000"}),
    ],
    ids=lambda r: f"{r.status} {str(r.body)[:20]}",
)
def test_an_answer_that_settles_nothing_is_unconfirmed(
    client: NovitaAPI, server: ScriptedNovita, reply: Reply
) -> None:
    if reply.headers:
        reply.headers["Connection"] = "close"
    server.state.submits.append(reply)
    with pytest.raises(SubmitUnconfirmed) as caught:
        client.submit(BODY)
    assert caught.value.money == "unknown"
    assert server.state.submit_count == 1
    if isinstance(reply.body, dict) and "message" in reply.body:
        assert caught.value.words == reply.body["message"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(client: NovitaAPI, server: ScriptedNovita, status: int) -> None:
    with ScriptedNovita() as other:
        server.state.submits.append(Reply(status, "", {"Location": other.base_url + SUBMIT}))
        with pytest.raises(SubmitUnconfirmed):
            client.submit(BODY)
        assert other.state.seen == []
    assert server.state.submit_count == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(400, "INVALID_REQUEST_BODY", "video: must be a URL"), InputRefused),
        (refusal(400, "ILLEGAL_PROMPT"), ModerationRefused),
        (refusal(401, "FAILED_TO_AUTH"), KeyRefused),
        (refusal(403, "INVALID_API_KEY", "invalid api-key"), KeyRefused),
        (refusal(403, "NOT_ENOUGH_BALANCE", "not enough balance"), BalanceTooLow),
        (refusal(403, "ACCESS_DENY"), AccountRefused),
        (refusal(404, "API_NOT_FOUND"), ProviderError),
        (Reply(403, "<html>blocked</html>"), AccountRefused),
        (Reply(422, {"detail": "no"}), InputRefused),
    ],
)
def test_a_considered_no_costs_nothing_and_is_not_repeated(
    client: NovitaAPI, server: ScriptedNovita, reply: Reply, error: type[KlingError]
) -> None:
    server.state.submits.append(reply)
    with pytest.raises(error) as caught:
        client.submit(BODY)
    assert caught.value.money == "no"
    assert server.state.submit_count == 1
    if isinstance(reply.body, dict) and "message" in reply.body:
        assert caught.value.words == reply.body["message"]


def test_the_refused_field_is_named(client: NovitaAPI, server: ScriptedNovita) -> None:
    server.state.submits.append(
        refusal(400, "INVALID_REQUEST_BODY", "negative_prompt: at most 2500 characters")
    )
    with pytest.raises(InputRefused) as caught:
        client.submit(BODY)
    assert caught.value.field == "negative_prompt"


# -- never sent: safe to repeat, and money "no"


def test_a_refused_connection_costs_nothing(
    transport: Transport, clock: Clock, closed_port: int
) -> None:
    with pytest.raises(NoContact, match="refused") as caught:
        NovitaAPI(f"http://127.0.0.1:{closed_port}", KEY, transport=transport).submit(BODY)
    assert caught.value.money == "no"
    assert clock.waits == [], "the caller decides when to try again"


def test_a_name_that_does_not_resolve_costs_nothing(transport: Transport) -> None:
    with pytest.raises(NoContact, match="name could not be resolved") as caught:
        NovitaAPI("https://nobody.invalid", KEY, transport=transport).submit(BODY)
    assert caught.value.money == "no"


def test_a_stalled_tls_handshake_was_never_sent_though_it_is_a_read_timeout(
    clock: Clock, deaf: Deaf
) -> None:
    transport = Transport(wait=clock.wait, clock=clock, connect_timeout=0.1)
    with pytest.raises(NoContact) as caught:
        NovitaAPI(f"https://127.0.0.1:{deaf.port}", KEY, transport=transport).submit(BODY)
    assert caught.value.money == "no"
    assert deaf.connections == 1


def test_a_server_that_takes_plain_http_and_stays_silent_may_have_got_it(
    clock: Clock, deaf: Deaf
) -> None:
    transport = Transport(wait=clock.wait, clock=clock, submit_timeout=0.1)
    with pytest.raises(SubmitUnconfirmed):
        NovitaAPI(f"http://127.0.0.1:{deaf.port}", KEY, transport=transport).submit(BODY)
    assert deaf.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_reached_was_never_passed(
    clock: Clock, closed_port: int, scheme: str
) -> None:
    transport = Transport(
        proxies={scheme: f"http://127.0.0.1:{closed_port}"}, wait=clock.wait, clock=clock
    )
    with pytest.raises(NoContact, match="proxy") as caught:
        NovitaAPI(f"{scheme}://provider.example", KEY, transport=transport).submit(BODY)
    assert caught.value.money == "no"


def test_a_proxy_that_refuses_to_connect_was_never_passed(
    clock: Clock, server: ScriptedNovita
) -> None:
    transport = Transport(
        proxies={"https": server.base_url}, wait=clock.wait, clock=clock
    )  # it does not know CONNECT
    with pytest.raises(NoContact, match="proxy"):
        NovitaAPI("https://provider.example", KEY, transport=transport).submit(BODY)
    assert server.state.submit_count == 0


def test_a_proxy_is_used_and_spares_named_hosts(
    clock: Clock, server: ScriptedNovita, closed_port: int
) -> None:
    through = Transport(proxies={"http": server.base_url}, wait=clock.wait, clock=clock)
    assert (
        NovitaAPI("http://provider.example", KEY, transport=through).submit(BODY)
        in server.state.tasks
    )
    around = Transport(
        proxies={"http": f"http://127.0.0.1:{closed_port}", "no": "provider.invalid"},
        wait=clock.wait,
        clock=clock,
    )
    with pytest.raises(NoContact, match="name could not be resolved"):
        NovitaAPI("http://api.provider.invalid", KEY, transport=around).submit(BODY)


# -- 429: refused before work


# -- connections and pace


def test_a_submit_never_uses_a_kept_connection(client: NovitaAPI, server: ScriptedNovita) -> None:
    first = client.submit(BODY)
    client.poll(first)
    client.poll(first)
    client.submit(BODY)
    assert [seen.nth for seen in server.state.seen if seen.method == "POST"] == [1, 1]
    assert [seen.nth for seen in server.state.seen if seen.method == "GET"] == [1, 2]  # reads do


def test_429_tells_its_pace(client: NovitaAPI, server: ScriptedNovita, clock: Clock) -> None:
    date = formatdate(clock.wall() + 7, usegmt=True)
    server.state.submits.append(Reply(429, "", {"Retry-After": date}))
    with pytest.raises(RateLimited) as caught:
        client.submit(BODY)
    assert caught.value.retry_after == pytest.approx(7)
    assert (caught.value.money, server.state.submit_count, clock.waits) == ("no", 1, [])


def test_a_key_has_so_many_turns_a_minute(clock: Clock) -> None:
    transport = Transport(per_minute=2, wait=clock.wait, clock=clock)
    assert [transport.turn(KEY), transport.turn(KEY)] == [0, 0]
    wait = transport.turn(KEY)
    assert 0 < wait < 61
    assert transport.turn(SecretStr("sk-another-0123456789")) == 0, "keys are counted apart"
    clock.wait(wait + 0.001)
    assert transport.turn(KEY) == 0


@pytest.mark.parametrize("status", [408, 420, 444, 460, 499])
def test_a_status_that_settles_nothing_is_unconfirmed(
    client: NovitaAPI, server: ScriptedNovita, status: int
) -> None:
    server.state.submits.append(Reply(status, {"code": status, "message": "closed"}))
    with pytest.raises(SubmitUnconfirmed):
        client.submit(BODY)
