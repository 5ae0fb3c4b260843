"""Which requests the page answers at all, and whose upload is whose: the middleware around an application that says yes to everything."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.routes import App
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from kling_utils.media import bounds
from kling_utils.settings import load
from kling_utils.studio import files, visitor
from kling_utils.studio.files import uploads
from kling_utils.studio.gate import Gate
from kling_utils.studio.visitor import COOKIE, Tokens

LOCAL = {"host": "localhost:7860"}
SPACE = {"space_id": "me/space", "space_host": "me-space.hf.space, studio.example.org"}
Ask = Callable[..., Response]


@pytest.fixture
def kept(tmp_path: Path) -> list[str]:
    """What the next upload leaves."""
    return [str(tmp_path / "upload" / "a.png")]


@pytest.fixture
def ask(tmp_path: Path, kept: list[str]) -> Ask:
    """Send one request through the gate of a page with these settings."""

    async def yes(request: Request) -> Response:
        return JSONResponse("yes")

    async def upload(request: Request) -> Response:
        await request.body()
        for path in kept:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(b"a picture")
        return JSONResponse(kept)

    def one(
        headers: dict[str, str],
        path: str = "/config",
        method: str = "GET",
        *,
        body: Any = None,
        **settings: Any,
    ) -> Any:
        inner = Starlette(
            routes=[
                Route("/gradio_api/upload", upload, methods=["POST"]),
                Route("/{rest:path}", yes, methods=["GET", "HEAD", "POST", "PUT", "DELETE"]),
            ]
        )
        known = load(home=tmp_path / "home", novita_api_key="sk-of-the-owner", **settings)
        gate = Gate(inner, settings=known, tokens=Tokens(known.home), root_path=known.root_path)
        client = TestClient(gate, base_url="http://localhost:7860")
        sent = b'{"data": []}' if body is None and method == "POST" else body
        return client.request(method, path, headers=headers, content=sent)

    return one


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:7860", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST:8888"]
)
def test_a_local_page_answers_to_its_loopback_names_on_any_port(ask: Ask, host: str) -> None:
    assert ask({"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test:7860",
        "localhost.:7860",
        "x.localhost:7860",
        "[::ffff:127.0.0.1]:7860",
        "127.1:7860",
        "2130706433:7860",
        "0.0.0.0:7860",
        "localhost.evil.test",
        "user@localhost.evil.test",
        "[::1",
        "",
    ],
)
def test_any_other_name_is_refused_with_what_allows_it(ask: Ask, host: str) -> None:
    for path in (
        "/",
        "/config",
        "/gradio_api/upload",
        "/gradio_api/queue/join",
        "/gradio_api/file=/x",
    ):
        answer = ask({"host": host}, path)
        assert answer.status_code == 403
        assert b"KLING_ALLOWED_HOSTS" in answer.content


def test_a_name_that_is_allowed_is_answered_as_a_stranger(ask: Ask, kept: list[str]) -> None:
    headers = {"host": "studio.lan:7860"}
    assert ask(headers, allowed_hosts="studio.lan").status_code == 200
    ask(headers, "/gradio_api/upload", "POST", body=b"x", allowed_hosts="studio.lan")
    assert not uploads.owns("home", kept[0]), "only the owner's own proxy makes it the owner"
    ask(
        headers, "/gradio_api/upload", "POST", body=b"x", allowed_hosts="studio.lan", own_proxy=True
    )
    assert uploads.owns("home", kept[0])


@pytest.mark.parametrize("origin", [None, "http://localhost:7860"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_page_itself_and_clients_without_an_origin_pass(
    ask: Ask, origin: str | None, method: str
) -> None:
    headers = LOCAL | ({"origin": origin} if origin else {})
    assert ask(headers, "/gradio_api/queue/join", method).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "http://localhost:8888",
        "http://127.0.0.1:7860",
        "http://localhost",
        "https://localhost",
        "null",
        "http://localhost:7860.evil.test",
        "file://",
        "http://[",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused(ask: Ask, origin: str, method: str) -> None:
    headers = LOCAL | {"origin": origin}
    for path in ("/config", "/gradio_api/upload", "/gradio_api/queue/join"):
        assert ask(headers, path, method).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_page_loads_into_itself_is_refused_but_a_link_works(
    ask: Ask, site: str
) -> None:
    assert ask(LOCAL | {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}).status_code == 403
    assert (
        ask(LOCAL | {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}, "/").status_code == 200
    )


def test_a_hosted_page_is_read_by_anyone(ask: Ask) -> None:
    for host in ("10.0.0.7:7860", "me-space.hf.space", "probe"):
        assert ask({"host": host, "origin": "https://blog.example"}, **SPACE).status_code == 200


@pytest.mark.parametrize("credential", [{"cookie": "a=b"}, {"authorization": "Bearer x"}])
def test_a_hosted_page_takes_changes_with_a_cookie_from_itself_only(
    ask: Ask, credential: dict[str, str]
) -> None:
    def sent(host: str, origin: str | None, **more: str) -> int:
        headers = {"host": host, **credential, **more} | ({"origin": origin} if origin else {})
        return ask(headers, "/gradio_api/queue/join", "POST", **SPACE).status_code

    assert sent("me-space.hf.space", "https://me-space.hf.space") == 200
    assert sent("studio.example.org", "https://studio.example.org") == 200, "each name counts"
    assert sent("10.0.0.7", "https://studio.example.org") == 200, "behind a proxy that renames"
    assert sent("me-space.hf.space", None) == 200, "a client"
    assert sent("me-space.hf.space", "https://evil.example") == 403
    assert sent("me-space.hf.space", "null") == 403
    assert sent("me-space.hf.space", None, **{"sec-fetch-site": "cross-site"}) == 403


def test_an_embed_without_a_cookie_works_and_gets_none(ask: Ask) -> None:
    headers = {"host": "me-space.hf.space", "origin": "https://blog.example"}
    answer = ask(headers, "/gradio_api/queue/join", "POST", **SPACE)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "set-cookie" not in ask(headers, "/", **SPACE).headers


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link",
        "/monitoring",
        "/monitoring/summary",
        "/openapi.json",
        "/gradio_api/openapi.json",
        "/gradio_api/proxy=https://evil.test/",
        "/proxy=https://evil.test/",
        "/gradio_api/file=https://evil.test/x",
        "/gradio_api/file=http://evil.test/x",
        "/gradio_api/dev/reload",
        "/gradio_api/vibe-code/",
        "/gradio_api/process_recording",
        "/gradio_api/runs",
        "/gradio_api/call/x",
        "/gradio_api/run/x",
        "/gradio_api/token",
        "/gradio_api/stream/x",
        "/gradio_api/component_server",
        "/login_check",
        "/login",
        "/logout",
        "/docs",
        "/?deep_link=abc",
        "/?deep%5Flink=abc",
        "/?page=zzz",
        "/config%0A",
        "/gradio_api/upload%0A",
        "/gradio_api/queue/join%0A",
        "/gradio_api/queue/join%00",
    ],
)
def test_routes_that_the_page_does_not_use_are_closed(ask: Ask, path: str) -> None:
    assert ask(LOCAL, path).status_code == 403
    assert ask({"host": "me-space.hf.space"}, path, **SPACE).status_code == 403


def test_only_hugging_face_and_the_page_itself_may_frame_it(ask: Ask) -> None:
    local = ask(LOCAL, "/").headers["content-security-policy"]
    assert local == "frame-ancestors 'self' https://huggingface.co"
    space = ask({"host": "me-space.hf.space"}, "/", **SPACE).headers["content-security-policy"]
    assert space.endswith("https://me-space.hf.space https://studio.example.org")


# -- visitors


@pytest.mark.parametrize(
    "sign",
    [
        {"x-forwarded-for": "1.2.3.4"},
        {"x-forwarded-host": "studio.example"},
        {"forwarded": "for=1.2.3.4"},
        {"via": "1.1 proxy"},
        {"x-real-ip": "1.2.3.4"},
        {"true-client-ip": "1.2.3.4"},
        {"cf-ray": "1"},
        {"X-Forwarded": "for=1"},
        {"X-Original-Proto": "https"},
        {"Client-IP": "1.2.3.4"},
        {"WL-Proxy-Client-IP": "1.2.3.4"},
        {"Tailscale-User-Login": "x"},
        {"X-Amzn-Trace-Id": "Root=1"},
        {"X-Request-Id": "1"},
        {"X-Auth-Request-User": "x"},
        {"X-Authenticated-User": "x"},
        {"X-MS-Client-Principal-Name": "x"},
        {"X-Goog-IAP-JWT-Assertion": "x"},
        {"traceparent": "00-1-1-00"},
        {"X-Host": "studio.example"},
        {"X-Rewrite-URL": "/"},
        {"X-Url-Scheme": "https"},
        {"Remote-Addr": "1.2.3.4"},
    ],
)
def test_a_sign_of_a_proxy_makes_a_request_a_strangers(
    ask: Ask, sign: dict[str, str], kept: list[str]
) -> None:
    settings = load(novita_api_key="sk-x")
    assert visitor.hosted(settings, LOCAL | sign)
    assert not visitor.hosted(settings, LOCAL)
    assert not visitor.hosted(load(own_proxy=True), LOCAL | sign)
    ask(LOCAL | sign, "/gradio_api/upload", "POST", body=b"x")
    assert not uploads.owns("home", kept[0])


def test_a_root_path_makes_the_page_hosted() -> None:
    assert load(root_path="/studio").hosted
    assert not load(root_path="/studio", own_proxy=True).hosted
    assert not load(root_path="/").hosted


def test_a_visitor_gets_a_cookie_that_the_page_signed(ask: Ask, tmp_path: Path) -> None:
    host = {"host": "me-space.hf.space"}
    plain = ask(host, "/", **SPACE).headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    framed = ask(host | {"x-forwarded-proto": "https"}, "/", **SPACE).headers["set-cookie"]
    assert "Secure; SameSite=None; Partitioned" in framed
    token = plain.split(";")[0].removeprefix(f"{COOKIE}=")
    assert Tokens(tmp_path / "home").read(token)
    for known in ({"cookie": f"{COOKIE}={token}"}, {visitor.HEADER: token}):
        assert "set-cookie" not in ask(host | known, "/", **SPACE).headers
    for forged in ("", "v2_" + "a" * 32, token[:-1] + "x", "%00", '"' * 50):
        assert "set-cookie" in ask(host | {"cookie": f"{COOKIE}={forged}"}, "/", **SPACE).headers
    assert "set-cookie" not in ask(LOCAL, "/").headers, "at home nobody is told apart"


# -- sessions


def test_a_session_is_the_visitors_who_began_it(tmp_path: Path) -> None:
    async def yes(request: Request) -> Response:
        return JSONResponse("yes")

    inner = Starlette(routes=[Route("/{rest:path}", yes, methods=["GET", "POST"])])
    settings = load(home=tmp_path / "home", **SPACE)
    tokens = Tokens(settings.home)
    client = TestClient(Gate(inner, settings=settings, tokens=tokens))
    host = {"host": "studio.example.org"}
    mine, other = (
        host | {"cookie": f"{COOKIE}={tokens.sign(visitor.fresh().id)}"} for _ in range(2)
    )

    def status(headers: dict[str, str], session: str) -> tuple[int, int]:
        event = {"data": [], "fn_index": 0, "session_hash": session}
        joined = client.post("/gradio_api/queue/join", headers=headers, json=event)
        url = f"/gradio_api/queue/data?session_hash={session}"
        return joined.status_code, client.get(url, headers=headers).status_code

    assert status(mine, "one") == (200, 200)
    assert status(other, "one") == (403, 403)
    assert status(host, "one") == (403, 403)
    assert status(mine, "one") == (200, 200)
    assert status(other, "two") == (200, 200)
    # before its token came, each request is a new visitor's, and the session knows who it is
    assert status(host, "three") == status(host, "three") == (200, 200)


# -- uploads


def test_an_upload_belongs_to_the_visitor_who_sent_it(
    ask: Ask, tmp_path: Path, kept: list[str]
) -> None:
    tokens = Tokens(tmp_path / "home")
    mine, other = visitor.fresh(), visitor.fresh()
    cookie = {"host": "x", "cookie": f"{COOKIE}={tokens.sign(mine.id)}"}
    assert ask(cookie, "/gradio_api/upload", "POST", body=b"x", **SPACE).json() == kept
    payload = {"path": kept[0], "meta": {"_type": "gradio.FileData"}}
    assert files.uploaded(payload, mine.owner) == Path(kept[0])
    assert files.uploaded({"path": kept[0]}, mine.owner) == Path(kept[0])
    assert files.uploaded(payload, other.owner) is None
    assert files.uploaded(payload, "home") is None


@pytest.mark.parametrize(
    "path",
    ["/etc/hostname", "~/x.png", "https://evil.test/x.png", "", "../a.png", None, 3, ["x"], {}],
)
def test_nothing_else_is_an_upload(path: Any) -> None:
    for payload in ({"path": path}, path, [path], {"video": {"path": path}}):
        assert files.uploaded(payload, "home") is None


def test_an_upload_has_bounds(
    ask: Ask, kept: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept[:] = [str(tmp_path / str(n) / "a.png") for n in range(bounds.UPLOADS_IN_REQUEST + 1)]
    answer = ask(LOCAL, "/gradio_api/upload", "POST", body=b"x")
    assert answer.status_code == 413
    assert "Nothing was kept" in answer.text
    assert not any(Path(path).exists() for path in kept)
    declared = LOCAL | {"content-length": str(bounds.UPLOAD_BYTES + 1)}
    assert ask(declared, "/gradio_api/upload", "POST", body=b"x").status_code == 413


def test_the_oldest_uploads_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "KEPT_EACH", 2500)
    paths = [tmp_path / str(n) / "a.png" for n in range(4)]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b"x" * 1000)
    for path in paths[:3]:
        uploads.add("visitor", str(path))
    uploads.add("neighbour", str(paths[3]))
    assert [path.exists() for path in paths] == [False, True, True, True]
    assert not uploads.owns("visitor", str(paths[0]))


def test_the_oldest_uploads_of_all_visitors_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_uses", OrderedDict())
    monkeypatch.setattr(bounds, "KEPT", 3500)
    paths = [tmp_path / str(n) / "a.png" for n in range(5)]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(b"x" * 1000)
        uploads.add(f"visitor {number}", str(path))
        uploads.add("visitor 0", str(paths[0]))  # used again and again
    assert [path.exists() for path in paths] == [True, False, False, True, True]
    assert not uploads.owns("visitor 1", str(paths[1]))


def test_a_file_that_two_visitors_sent_stays_while_one_of_them_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "KEPT_EACH", 1500)
    shared, more = (tmp_path / str(n) / "a.png" for n in range(2))
    for path in (shared, more):
        path.parent.mkdir()
        path.write_bytes(b"x" * 1000)
    uploads.add("visitor", str(shared))
    uploads.add("neighbour", str(shared))
    uploads.add("visitor", str(more))
    assert not uploads.owns("visitor", str(shared))
    assert uploads.owns("neighbour", str(shared))
    assert shared.exists()
    uploads.forget("neighbour", str(shared))
    assert not shared.parent.exists()


# -- payloads


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"path": "https://evil.test/x.png"}]},
        {
            "data": [
                {"a": [{"path": "HTTP://evil.test/x.png", "meta": {"_type": "gradio.FileData"}}]}
            ]
        },
        {"data": [], "event_data": "no object"},
        {"data": [], "event_data": [1]},
        {"data": "no list"},
        [],
        "text",
    ],
)
def test_forged_payloads_do_not_reach_gradio(ask: Ask, body: Any) -> None:
    sent = json.dumps(body).encode()
    refused = ask(LOCAL, "/gradio_api/queue/join", "POST", body=sent)
    assert refused.status_code == 422
    assert "Load the page again" in refused.json()["detail"], "gradio's page shows this"
    assert ask(LOCAL, "/gradio_api/queue/join", "POST", body=b"{" * 100_000).status_code == 422
    assert ask(LOCAL, "/gradio_api/queue/join", "POST", body=b" " * 3_000_000).status_code == 413


@pytest.mark.parametrize("told", [None, {}, {"value": "x"}, 2.5, 3])
def test_an_ordinary_payload_reaches_gradio(ask: Ask, told: Any) -> None:
    """The data of a slider's event is a number."""
    body = {"data": ["https://example.org/a.png", {"path": "/tmp/x"}, None, 3], "event_data": told}
    sent = json.dumps(body).encode()
    assert ask(LOCAL, "/gradio_api/queue/join", "POST", body=sent).status_code == 200


def test_a_proxy_that_is_not_set_up_at_all_makes_a_strangers_request(tmp_path: Path) -> None:
    """nginx asks by HTTP/1.0, with the loopback name and no header of its own."""
    settings, seen = load(home=tmp_path, novita_api_key="sk-x"), list[dict[str, str]]()

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(Headers(scope=scope)))

    scope: Any = {
        "type": "http",
        "http_version": "1.0",
        "method": "GET",
        "path": "/config",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:7860")],
    }
    asyncio.run(Gate(inner, settings=settings, tokens=Tokens(tmp_path))(scope, None, None))  # type: ignore[arg-type]
    assert visitor.hosted(settings, seen[0])


BOUNDARY = {"host": "127.0.0.1:7860", "content-type": "multipart/form-data; boundary=XX"}
FILE = b'--XX\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\n'


def uploaded(gate: Gate, *chunks: bytes, breaks: bool = False, hangs: bool = False) -> int:
    """Status of an upload that comes in these chunks, and then ends, breaks off or says no more; 0 for none."""
    answered: list[Any] = []
    waiting: list[Any] = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
    end = {"type": "http.disconnect"} if breaks else {"type": "http.request", "body": b""}
    waiting.append(end)

    async def receive() -> Any:
        if hangs and len(waiting) == 1:
            await asyncio.Event().wait()
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answered.append(message)

    headers = [(k.encode(), v.encode()) for k, v in BOUNDARY.items()]
    scope: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/gradio_api/upload",
        "raw_path": b"/gradio_api/upload",
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "server": ("127.0.0.1", 7860),
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(gate(scope, receive, send))
    return next((m["status"] for m in answered if m["type"] == "http.response.start"), 0)


@pytest.fixture
def gradios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Gate, Path]:
    """The gate before Gradio's own upload, and the folder that it writes to."""
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(cache))

    async def made() -> Any:  # gradio wants a loop, and leaves open the one that it makes
        with gr.Blocks() as page:
            gr.Image()
        page.max_file_size = None  # as launch() does
        return App.create_app(page)

    settings = load(home=tmp_path / "home")
    return Gate(asyncio.run(made()), settings=settings, tokens=Tokens(settings.home)), cache


def test_an_upload_that_is_whole_is_kept(gradios: tuple[Gate, Path]) -> None:
    gate, cache = gradios
    assert uploaded(gate, FILE, b"x" * 1000, b"\r\n--XX--\r\n") == 200
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["a.bin"]


def test_an_upload_that_breaks_off_or_is_too_large_leaves_nothing(
    gradios: tuple[Gate, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, cache = gradios
    uploaded(gate, FILE, b"x" * 1000, breaks=True)
    assert not [path for path in cache.rglob("*") if path.is_file()]
    monkeypatch.setattr(bounds, "UPLOAD_BYTES", 500)
    assert uploaded(gate, FILE, b"x" * 1000, b"\r\n--XX--\r\n") == 413
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_an_upload_that_says_no_more_ends_and_leaves_nothing(
    gradios: tuple[Gate, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, cache = gradios
    monkeypatch.setattr(bounds, "UPLOAD_WAIT", 0.05)
    assert uploaded(gate, FILE, b"x" * 1000, hangs=True) == 400
    assert not [path for path in cache.rglob("*") if path.is_file()]
    assert uploaded(gate, FILE, b"x" * 1000, b"\r\n--XX--\r\n") == 200, "its place is free again"


def test_uploads_under_way_are_bounded(
    gradios: tuple[Gate, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, cache = gradios
    monkeypatch.setattr(bounds, "UPLOADING", 0)
    assert uploaded(gate, FILE, b"x", b"\r\n--XX--\r\n") == 503
    monkeypatch.setattr(bounds, "UPLOADING", 9)
    monkeypatch.setattr(bounds, "UPLOADING_EACH", 0)
    assert uploaded(gate, FILE, b"x", b"\r\n--XX--\r\n") == 503
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_part_that_is_no_file_is_not_held_in_memory(gradios: tuple[Gate, Path]) -> None:
    gate, cache = gradios
    for name in (b'name="x"', b'name="filename="', b'name=x; file="a"'):
        head = b"--XX\r\nContent-DISPOSITION: form-data; " + name + b"\r\n\r\n"
        for cut in (5, 20, len(head) - 1):  # wherever the network cuts it
            sent = (
                FILE,
                b"x" * 100 + b"\r\n",
                head[:cut],
                head[cut:],
                b"y" * 1000,
                b"\r\n--XX--\r\n",
            )
            assert uploaded(gate, *sent) == 400
    assert not [path for path in cache.rglob("*") if path.is_file()]
