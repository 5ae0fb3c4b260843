"""The loopback server over real HTTP: the contract's words, who may ask, links, and one server for each home."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from novita_client import NovitaClient
from novita_client import settings as novita_settings
from PIL import Image

from kling_utils.errors import KlingError, NoContact
from kling_utils.local import routes as wire_routes
from kling_utils.local import server, wire
from kling_utils.local.server import Endpoint

ROOT = Path(__file__).resolve().parents[2]
SUBMIT = "/v3/async/kling-v3.0-motion-control"


class Caller:
    """A client of one endpoint that knows the wire and nothing of the package."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.base_url = endpoint, endpoint.base_url
        self.headers = {"Authorization": f"Bearer {endpoint.key}"}

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = self.headers | more.pop("headers", {})
        return requests.request(
            method,
            self.base_url + path,
            headers={k: v for k, v in headers.items() if v is not None},
            timeout=30,
            **more,
        )

    def put(self, data: bytes, name: str = "clip.mp4") -> str:
        answer = self.ask("PUT", f"/local/files/{name}", data=data)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"url"}
        return str(answer.json()["url"])

    def submit(self, body: dict[str, Any]) -> requests.Response:
        return self.ask("POST", SUBMIT, json=body)

    def poll(self, task_id: str) -> dict[str, Any]:
        answer = self.ask("GET", "/v3/async/task-result", params={"task_id": task_id})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def over(answer: dict[str, Any]) -> bool:
    return answer["task"]["status"] in ("TASK_STATUS_SUCCEED", "TASK_STATUS_FAILED")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "home"
    yield place
    server.close(place)


@pytest.fixture
def start(home: Path, engine: Any) -> Callable[..., Caller]:
    return lambda **options: Caller(server.ensure(home, **({"command": engine.command} | options)))


@pytest.fixture
def caller(start: Callable[..., Caller]) -> Caller:
    return start()


@pytest.fixture
def body(caller: Caller, clip: Path, picture: Callable[..., bytes]) -> dict[str, Any]:
    return {
        "image": base64.b64encode(picture()).decode(),
        "video": caller.put(clip.read_bytes()),
        "model_name": "kling-v3-0-std",
        "character_orientation": "video",
    }


# --- a task's way ---


def test_a_task_from_submit_to_download(
    caller: Caller, body: dict[str, Any], clip: Path, until: Callable[..., Any]
) -> None:
    answer = caller.submit(body)
    assert answer.status_code == 200
    assert set(answer.json()) == {"task_id"}
    task_id = answer.json()["task_id"]
    until(lambda: over(caller.poll(task_id)))
    done = caller.poll(task_id)
    assert done["task"] == {
        "task_id": task_id,
        "status": "TASK_STATUS_SUCCEED",
        "reason": "",
        "task_type": "LOCAL_DRAFT",
        "eta": 0,
        "progress_percent": 100,
    }
    assert (done["images"], done["audios"]) == ([], [])
    assert done["extra"]["draft"] is True
    assert set(done["extra"]["debug_info"]) == {
        "request_info",
        "submit_time_ms",
        "execute_time_ms",
        "complete_time_ms",
    }
    (video,) = done["videos"]
    assert set(video) == {"video_url", "video_url_ttl", "video_type"}
    assert video["video_type"] == "mp4"
    assert int(video["video_url_ttl"]) > 3600
    assert requests.get(video["video_url"], timeout=10).content == clip.read_bytes()


def test_novitas_own_client_submits_polls_and_downloads(
    caller: Caller, body: dict[str, Any], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(novita_settings, "DEFAULT_POLL_INTERVAL", 0.05)
    client = NovitaClient(caller.endpoint.key, caller.base_url)
    task_id = client._post(wire_routes.SUBMIT, body)["task_id"]
    first = client.async_task_result(task_id)
    assert first.task.task_id == task_id
    assert first.extra.debug_info.submit_time_ms > 0
    seen: list[str] = []
    done = client.wait_for_task_v3(
        task_id, callback=lambda each: seen.append(each.task.status.name)
    )
    assert seen[-1] == done.task.status.name == "TASK_STATUS_SUCCEED"
    assert requests.get(done.videos[0].video_url, timeout=10).content == clip.read_bytes()


def test_the_real_engine_draws_through_the_wire(
    home: Path, shared_media: Path, until: Callable[..., Any]
) -> None:
    from kling_utils.media.probe import probe_video

    caller = Caller(server.ensure(home))
    fields = {"model_name": "kling-v3-0-std", "character_orientation": "video"}
    fields["image"] = caller.put(
        (shared_media / "image" / "fullbody_man.png").read_bytes(), "man.png"
    )
    fields["video"] = caller.put((shared_media / "video" / "dance_woman_4s.mp4").read_bytes())
    task_id = caller.submit(fields).json()["task_id"]
    until(lambda: over(caller.poll(task_id)), seconds=240)
    answer = caller.poll(task_id)
    assert answer["task"]["status"] == "TASK_STATUS_SUCCEED", answer
    drawn = home / "drawn.mp4"
    drawn.write_bytes(requests.get(answer["videos"][0]["video_url"], timeout=30).content)
    given = probe_video(shared_media / "video" / "dance_woman_4s.mp4")
    assert abs(probe_video(drawn).duration - given.duration) < 0.2


def test_the_place_in_the_queue_is_told(
    caller: Caller, body: dict[str, Any], engine: Any, until: Callable[..., Any]
) -> None:
    engine.mode("gate")
    first, second, third = (caller.submit(body).json()["task_id"] for _ in range(3))
    until(lambda: caller.poll(first)["task"]["progress_percent"] == 25)
    assert caller.poll(first)["task"]["status"] == "TASK_STATUS_PROCESSING"
    assert caller.poll(first)["extra"]["stage"] == "reading"
    assert "queue_position" not in caller.poll(first)["extra"]
    assert [caller.poll(t)["extra"]["queue_position"] for t in (second, third)] == [1, 2]
    assert caller.poll(second)["task"]["status"] == "TASK_STATUS_QUEUED"
    assert caller.poll(third)["task"]["eta"] > caller.poll(second)["task"]["eta"] > 0
    assert caller.poll(third)["videos"] == []
    engine.open()
    until(lambda: over(caller.poll(third)))


def test_a_failed_task_is_a_good_answer(
    caller: Caller, body: dict[str, Any], engine: Any, until: Callable[..., Any]
) -> None:
    engine.mode("crash")
    task_id = caller.submit(body).json()["task_id"]
    until(lambda: over(caller.poll(task_id)))
    answer = caller.poll(task_id)
    assert answer["task"]["status"] == "TASK_STATUS_FAILED"
    assert answer["task"]["reason"] == "the local engine stopped unexpectedly (exit code -9)"
    assert answer["videos"] == []


@pytest.mark.parametrize(
    "head", ["", "data:image/png;base64,", "data:;base64,", "data:image/png;name=x.png;base64,"]
)
def test_base64_is_taken_raw_and_as_data_uri(
    caller: Caller, body: dict[str, Any], head: str
) -> None:
    assert caller.submit(body | {"image": head + body["image"]}).status_code == 200


def test_an_image_may_lie_on_the_server(
    caller: Caller, body: dict[str, Any], picture: Callable[..., bytes]
) -> None:
    assert (
        caller.submit(body | {"image": caller.put(picture(kind="JPEG"), "a b.jpg")}).status_code
        == 200
    )


# --- refusals, in the documented words ---


def big_picture() -> str:
    return base64.b64encode(b"\x89PNG" + bytes(wire.FILE_LIMIT)).decode()


def jpeg(width: int, height: int) -> str:
    import io

    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "JPEG", quality=5)
    return base64.b64encode(buffer.getvalue()).decode()


def gif() -> str:
    import io

    buffer = io.BytesIO()
    Image.new("L", (400, 400)).save(buffer, "GIF")
    return base64.b64encode(buffer.getvalue()).decode()


REFUSED = [
    ({"image": None}, "INVALID_REQUEST_BODY", "image: is required"),
    ({"image": ""}, "INVALID_REQUEST_BODY", "image: is required"),
    ({"image": 5}, "INVALID_REQUEST_BODY", "image: must be a string"),
    ({"image": "hero.png"}, "INVALID_REQUEST_BODY", "image: neither"),
    ({"image": "data:image/png;base64,"}, "INVALID_REQUEST_BODY", "image: is empty"),
    ({"image": base64.b64encode(b"no picture at all").decode()}, "INVALID_IMAGE_FORMAT", "image"),
    ({"image": gif()}, "INVALID_IMAGE_FORMAT", "image"),
    ({"image": jpeg(400, 400)[:800]}, "INVALID_IMAGE_FORMAT", "image"),
    ({"image": big_picture()}, "IMAGE_FILE_EXCEEDS_MAX_SIZE", "image"),
    ({"image": jpeg(299, 400)}, "INVALID_IMAGE_SIZE", "299x400"),
    ({"image": jpeg(751, 300)}, "INVALID_IMAGE_SIZE", "751x300"),
    ({"image": jpeg(8000, 6251)}, "IMAGE_EXCEEDS_MAX_RESOLUTION", "image"),
    ({"video": None}, "INVALID_REQUEST_BODY", "video: is required"),
    ({"video": "AAAA"}, "INVALID_REQUEST_BODY", "video: must be an http(s) URL"),
    ({"video": ["http://x.test/a.mp4"]}, "INVALID_REQUEST_BODY", "video: must be a string"),
    (
        {"video": f"http://127.0.0.1:1/local/files/{'a' * 32}-x.mp4"},
        "INVALID_REQUEST_BODY",
        "video: there is no such file",
    ),
    ({"prompt": "x" * 2501}, "INVALID_REQUEST_BODY", "prompt: at most 2500"),
    ({"prompt": None}, "INVALID_REQUEST_BODY", "prompt: must be a string"),
    ({"negative_prompt": "x" * 2501}, "INVALID_REQUEST_BODY", "negative_prompt: at most 2500"),
    ({"negative_prompt": 1}, "INVALID_REQUEST_BODY", "negative_prompt: must be a string"),
    ({"model_name": None}, "INVALID_REQUEST_BODY", "model_name: is required"),
    ({"model_name": "kling-v2"}, "INVALID_REQUEST_BODY", "model_name: must be"),
    (
        {"keep_original_sound": "yes"},
        "INVALID_REQUEST_BODY",
        "keep_original_sound: must be a boolean",
    ),
    ({"character_orientation": None}, "INVALID_REQUEST_BODY", "character_orientation: is required"),
    ({"character_orientation": "left"}, "INVALID_REQUEST_BODY", "character_orientation: must be"),
]


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    REFUSED,
    ids=[f"{next(iter(c))}-{n}" for n, (c, _, _) in enumerate(REFUSED)],
)
def test_a_field_that_is_wrong_is_named(
    caller: Caller, body: dict[str, Any], change: dict[str, Any], reason: str, says: str
) -> None:
    answer = caller.submit(body | change)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "reason", "message", "metadata"}
    assert (answer.json()["code"], answer.json()["reason"]) == (400, reason)
    assert says in answer.json()["message"]


def test_at_their_limits_the_texts_pass(caller: Caller, body: dict[str, Any]) -> None:
    fields = {
        "prompt": "x" * 2500,
        "negative_prompt": "",
        "keep_original_sound": False,
        "unknown": 1,
    }
    assert caller.submit(body | fields).status_code == 200


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object(caller: Caller, raw: bytes) -> None:
    answer = caller.ask("POST", SUBMIT, data=raw)
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_REQUEST_BODY")


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        (
            ["-f", "lavfi", "-i", "testsrc=size=320x320:rate=10:duration=2"],
            "video: 3 to 30 s, got 2.00 s",
        ),
        (
            ["-f", "lavfi", "-i", "testsrc=size=320x320:rate=2:duration=31"],
            "video: 3 to 30 s, got 31.00 s",
        ),
        (
            ["-f", "lavfi", "-i", "testsrc=size=298x320:rate=10:duration=3"],
            "video: sides of at least 300 px, got 298x320",
        ),
    ],
)
def test_a_clip_outside_the_limits(
    caller: Caller, body: dict[str, Any], tmp_path: Path, sources: list[str], says: str
) -> None:
    from kling_utils.media import ffmpeg

    path = tmp_path / "made.mp4"
    ffmpeg.run([*sources, *ffmpeg.H264, "-preset", "ultrafast", str(path)], timeout=60)
    answer = caller.submit(body | {"video": caller.put(path.read_bytes())})
    assert (answer.status_code, answer.json()["reason"], answer.json()["message"]) == (
        400,
        "INVALID_REQUEST_BODY",
        says,
    )


def test_a_clip_that_is_none_or_too_large(caller: Caller, body: dict[str, Any]) -> None:
    answer = caller.submit(body | {"video": caller.put(b"#EXTM3U\nfile:///etc/passwd\n")})
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_REQUEST_BODY")
    assert answer.json()["message"].startswith("video: cannot be read")
    answer = caller.submit(body | {"video": caller.put(bytes(wire.FILE_LIMIT + 1))})
    assert f"video: at most {wire.FILE_LIMIT} bytes" in answer.json()["message"]


# --- addresses elsewhere ---


class Elsewhere(BaseHTTPRequestHandler):
    files: dict[str, bytes]
    seen: list[dict[str, str]]
    relay = ""

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers) | {"path": self.path})
        data = (
            requests.get(self.relay + self.path, timeout=5).content
            if self.relay
            else self.files.get(self.path.partition("?")[0])
        )
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[tuple[int, type[Elsewhere]]]:
    handler = type("Handler", (Elsewhere,), {"files": {}, "seen": []})
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=web.serve_forever, args=(0.02,))
    thread.start()
    yield web.server_address[1], handler
    web.shutdown()
    thread.join()
    web.server_close()


def test_a_video_elsewhere_is_fetched(
    start: Callable[..., Caller],
    elsewhere: Any,
    clip: Path,
    picture: Callable[..., bytes],
    until: Callable[..., Any],
) -> None:
    port, handler = elsewhere
    handler.files.update(
        {"/clip.mp4": clip.read_bytes(), "/hero.png": picture(), "/small.png": picture(200, 200)}
    )
    caller = start(allow=frozenset({f"127.0.0.1:{port}"}))
    fields = {
        "model_name": "kling-v3-0-std",
        "character_orientation": "video",
        "video": f"http://127.0.0.1:{port}/clip.mp4?sig=SECRET",
    }
    task_id = caller.submit(fields | {"image": f"http://127.0.0.1:{port}/hero.png"}).json()[
        "task_id"
    ]
    until(lambda: over(caller.poll(task_id)))
    assert caller.poll(task_id)["task"]["status"] == "TASK_STATUS_SUCCEED", caller.poll(task_id)
    small = caller.submit(fields | {"image": f"http://127.0.0.1:{port}/small.png"}).json()[
        "task_id"
    ]
    until(lambda: over(caller.poll(small)))
    assert caller.poll(small)["task"]["status"] == "TASK_STATUS_FAILED"
    assert (
        "resolution or aspect ratio of the input image is invalid"
        in caller.poll(small)["task"]["reason"]
    )
    gone = caller.submit(fields | {"image": f"http://127.0.0.1:{port}/gone.png"}).json()["task_id"]
    until(lambda: over(caller.poll(gone)))
    assert caller.poll(gone)["task"]["reason"].startswith("the image could not be fetched")


def test_a_private_address_is_not_fetched(
    caller: Caller, home: Path, body: dict[str, Any], elsewhere: Any, until: Callable[..., Any]
) -> None:
    port, handler = elsewhere
    task_id = caller.submit(
        body | {"video": f"http://127.0.0.1:{port}/clip.mp4?sig=SECRET"}
    ).json()["task_id"]
    until(lambda: over(caller.poll(task_id)))
    task = caller.poll(task_id)["task"]
    assert task["status"] == "TASK_STATUS_FAILED"
    assert task["reason"].startswith("the video could not be fetched")
    assert "SECRET" not in task["reason"]
    assert "SECRET" not in (home / "local" / "tasks" / task_id / "task.json").read_text()
    assert handler.seen == []


# --- who may ask ---

ROUTES = [
    ("POST", SUBMIT),
    ("GET", "/v3/async/task-result?task_id=x"),
    ("GET", "/openapi/v1/billing/balance/detail"),
    ("PUT", "/local/files/x.png"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_the_key_nothing_goes(caller: Caller, method: str, path: str) -> None:
    for value in (None, "", "Bearer ", "Basic abc"):
        answer = caller.ask(method, path, headers={"Authorization": value})
        assert (answer.status_code, answer.json()["reason"]) == (400, "MISSING_API_KEY")
    answer = caller.ask(
        method, path, headers={"Authorization": "Bearer wrong"}, data=b"x" * 5_000_000
    )
    assert (answer.status_code, answer.json()) == (
        403,
        {"code": 403, "reason": "INVALID_API_KEY", "message": "invalid api-key", "metadata": {}},
    )


def test_a_foreign_host_name_is_refused(caller: Caller) -> None:
    port = caller.base_url.rpartition(":")[2]
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        f"127.0.0.1.nip.io:{port}",
        f"x@127.0.0.1:{port}",
    ):
        answer = caller.ask("GET", "/openapi/v1/billing/balance/detail", headers={"Host": host})
        assert (answer.status_code, answer.json()["reason"]) == (403, "ACCESS_DENY")
    for host in ("127.0.0.1", "localhost", "[::1]", "LOCALHOST"):
        assert (
            caller.ask(
                "GET", "/openapi/v1/billing/balance/detail", headers={"Host": f"{host}:{port}"}
            ).status_code
            == 200
        )


def test_no_page_of_another_origin_may_read(caller: Caller) -> None:
    answer = caller.ask(
        "GET", "/openapi/v1/billing/balance/detail", headers={"Origin": "https://evil.example"}
    )
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert (
        caller.ask("OPTIONS", SUBMIT, headers={"Origin": "https://evil.example"}).status_code == 404
    )


def test_the_balance_has_the_documented_fields(caller: Caller) -> None:
    answer = caller.ask("GET", "/openapi/v1/billing/balance/detail").json()
    assert set(answer) == {"availableBalance", "cashBalance", "creditLimit", "outstandingInvoices"}
    assert all(isinstance(value, str) for value in answer.values())


def test_what_is_not_there_is_said_so(caller: Caller) -> None:
    for method, path, reason in (
        ("GET", "/v3/async/task-result?task_id=nobody", "TASK_NOT_FOUND"),
        ("GET", "/v3/async/kling-v2", "API_NOT_FOUND"),
        ("GET", SUBMIT, "API_NOT_FOUND"),
        ("GET", "/docs", "API_NOT_FOUND"),
        ("GET", "/openapi.json", "API_NOT_FOUND"),
        ("GET", "/local/results/guess.mp4", "API_NOT_FOUND"),
        ("GET", "/local/files/..%2f..%2fkey", "API_NOT_FOUND"),
    ):
        answer = caller.ask(method, path)
        assert (answer.status_code, answer.json()["reason"]) == (404, reason), path
    answer = caller.ask("GET", "/v3/async/task-result")
    assert (answer.status_code, answer.json()["reason"], answer.json()["message"]) == (
        400,
        "INVALID_REQUEST_BODY",
        "task_id: is required",
    )


# --- files ---


def test_links_answer_to_head_and_ranges_without_a_key(
    caller: Caller, body: dict[str, Any], clip: Path, until: Callable[..., Any]
) -> None:
    task_id = caller.submit(body).json()["task_id"]
    until(lambda: over(caller.poll(task_id)))
    data = clip.read_bytes()
    for url in (body["video"], caller.poll(task_id)["videos"][0]["video_url"]):
        head = requests.head(url, timeout=10)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(data))
        assert head.headers["content-type"] == "video/mp4"
        assert head.headers["accept-ranges"] == "bytes"
        part = requests.get(
            url, headers={"Range": "bytes=100-199", "If-Range": head.headers["etag"]}, timeout=10
        )
        assert (part.status_code, part.content) == (206, data[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
        assert requests.get(url, headers={"Range": "bytes=-10"}, timeout=10).content == data[-10:]
        assert (
            requests.get(url, headers={"Range": f"bytes={len(data)}-"}, timeout=10).status_code
            == 416
        )
        assert (
            requests.get(
                url, headers={"Range": "bytes=100-", "If-Range": '"other"'}, timeout=10
            ).content
            == data
        )


def test_an_upload_s_name_is_made_harmless_and_cannot_be_guessed(caller: Caller) -> None:
    url = caller.put(b"<script>", "..%5Cpage <1>.HTML")
    name = url.rpartition("/")[2]
    assert len(name.partition("-")[0]) == 32
    assert name.partition("-")[2] == "page_1_HTML"
    answer = requests.get(url, timeout=10)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_upload_is_refused_and_leaves_nothing(
    start: Callable[..., Caller], home: Path, chunked: bool
) -> None:
    caller = start(upload_limit=1_000_000)
    data = bytes(20_000_000)
    answer = caller.ask(
        "PUT", "/local/files/x.mp4", data=iter([data[:500_000]] * 40) if chunked else data
    )
    assert answer.status_code == 413
    assert "larger than 1000000 bytes" in answer.json()["message"]
    assert list((home / "local" / "uploads").iterdir()) == []
    caller.put(bytes(1_000_000))


# --- one server for each home ---

OTHER = """
import sys
from pathlib import Path
from kling_utils.local import server
endpoint = server.ensure(Path(sys.argv[1]), command=tuple(sys.argv[2:]))
print(endpoint.base_url, flush=True)
sys.stdin.read()
server.close()
"""
SERVE = """
import sys
from pathlib import Path
from kling_utils.local import server
command = {"command": tuple(sys.argv[2:])} if sys.argv[2:] else {}
server.serve(Path(sys.argv[1]), on_ready=lambda endpoint: print(endpoint.base_url, endpoint.key, flush=True), **command)
print("ended", flush=True)
"""


@pytest.fixture
def process(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def begin(script: str, *args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, str(home), *args]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=env, start_new_session=True, **pipes))
        return started[-1]

    yield begin
    for one in started:
        one.kill()
        one.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_running_server_is_found_again(
    caller: Caller, home: Path, start: Callable[..., Caller]
) -> None:
    assert start().endpoint == caller.endpoint
    assert server.find(home) == caller.endpoint
    kept = json.loads((home / "local" / "server.json").read_text())
    assert kept == {"base_url": caller.base_url, "pid": os.getpid()}


def test_two_processes_share_one_server(
    home: Path, process: Callable[..., Any], engine: Any
) -> None:
    both = [process(OTHER, *engine.command) for _ in range(2)]
    first, second = (line(one) for one in both)
    assert first == second
    assert server.ensure(home, command=engine.command).base_url == first
    kept = json.loads((home / "local" / "server.json").read_text())
    assert kept["pid"] in [one.pid for one in both]


def test_when_the_owner_is_killed_the_next_one_goes_on(
    home: Path,
    process: Callable[..., Any],
    engine: Any,
    clip: Path,
    picture: Callable[..., bytes],
    until: Callable[..., Any],
) -> None:
    engine.mode("gate")
    owner = process(OTHER, *engine.command)
    before = line(owner)
    caller = Caller(server.ensure(home, command=engine.command))
    assert caller.base_url == before
    fields = {
        "image": base64.b64encode(picture()).decode(),
        "video": caller.put(clip.read_bytes()),
        "model_name": "kling-v3-0-pro",
    }
    tasks = [
        caller.submit(fields | {"character_orientation": "video"}).json()["task_id"]
        for _ in range(2)
    ]
    until(lambda: caller.poll(tasks[0])["task"]["progress_percent"] == 25)
    owner.kill()
    owner.wait()
    until(lambda: (engine.room / "orphaned").exists())  # the engine's process ends with its parent
    after = Caller(server.ensure(home, command=engine.command))
    assert (
        after.endpoint == caller.endpoint
    )  # the same key, and the same port: links given before still work
    assert json.loads((home / "local" / "server.json").read_text())["pid"] == os.getpid()
    assert after.poll(tasks[0])["task"]["progress_percent"] >= 20
    engine.open()
    for task_id in tasks:
        until(lambda task_id=task_id: over(after.poll(task_id)))
        link = after.poll(task_id)["videos"][0]["video_url"]
        assert requests.get(link, timeout=10).content == clip.read_bytes()


def test_an_upload_that_is_cut_by_a_kill_leaves_nothing_at_the_next_start(
    home: Path, process: Callable[..., Any], engine: Any, until: Callable[..., Any]
) -> None:
    owner = process(OTHER, *engine.command)
    line(owner)
    there = server.find(home)
    assert there is not None
    uploads = home / "local" / "uploads"
    host, _, port = there.base_url.removeprefix("http://").partition(":")
    head = [
        "PUT /local/files/a.mp4 HTTP/1.1",
        f"Host: {host}:{port}",
        f"Authorization: Bearer {there.key}",
        "Content-Length: 1000000",
        "",
        "",
    ]
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall("\r\n".join(head).encode() + bytes(500_000))
        until(lambda: any(path.stat().st_size for path in uploads.glob(".*.part")))
        owner.kill()
        owner.wait()
    server.ensure(home, command=engine.command)
    assert list(uploads.iterdir()) == []


def test_a_stranger_on_the_old_port_never_sees_the_key(
    caller: Caller, home: Path, elsewhere: Any, engine: Any
) -> None:
    port, handler = elsewhere
    key = caller.endpoint.key
    server.close(home)
    handler.files["/local/alive"] = b'{"proof": "guess", "base_url": "x"}'
    (home / "local" / "server.json").write_text(
        json.dumps({"base_url": f"http://127.0.0.1:{port}", "pid": 1})
    )
    assert server.find(home) is None
    assert len(handler.seen) == 1
    assert key not in str(handler.seen)
    again = server.ensure(home, command=engine.command)
    assert again.key == key
    assert not again.base_url.endswith(f":{port}")


def test_a_stranger_cannot_pass_the_server_s_answer_off_as_its_own(
    caller: Caller, home: Path, elsewhere: Any
) -> None:
    port, handler = elsewhere
    handler.relay = caller.base_url
    (home / "local" / "server.json").write_text(
        json.dumps({"base_url": f"http://127.0.0.1:{port}", "pid": 1})
    )
    assert server.find(home) is None
    assert len(handler.seen) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"base_url": 5}',
        '{"base_url": "http://evil.example:80"}',
        '{"base_url": "http://127.0.0.1:99999"}',
    ],
)
def test_a_broken_address_file_is_no_server(home: Path, engine: Any, text: str) -> None:
    (home / "local").mkdir(parents=True)
    (home / "local" / "server.json").write_text(text)
    assert server.find(home) is None
    assert server.ensure(home, command=engine.command).base_url.startswith("http://127.0.0.1:")


def test_a_holder_that_never_answers_is_an_error_with_a_hint(home: Path, engine: Any) -> None:
    from filelock import FileLock

    (home / "local").mkdir(parents=True)
    waited: list[float] = []
    with FileLock(home / "local" / "lock"), pytest.raises(NoContact) as error:
        server.ensure(home, command=engine.command, wait=waited.append, patience=0.1)
    assert waited
    assert error.value.hint


def test_threads_that_ask_at_once_get_one_server(home: Path, engine: Any) -> None:
    found: list[Endpoint] = []
    threads = [
        threading.Thread(target=lambda: found.append(server.ensure(home, command=engine.command)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    assert len(set(found)) == 1


def test_the_key_is_for_its_owner_only(
    caller: Caller, home: Path, body: dict[str, Any], until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    task_id = caller.submit(body).json()["task_id"]
    until(lambda: over(caller.poll(task_id)))
    key = (home / "local" / "key").read_text().strip()
    assert key == caller.endpoint.key
    assert stat.S_IMODE((home / "local" / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "local").stat().st_mode) == 0o700
    assert key not in repr(caller.endpoint)
    assert key not in caplog.text
    others = [p for p in (home / "local").rglob("*") if p.is_file() and p.name != "key"]
    assert len(others) >= 4
    assert not [p for p in others if key.encode() in p.read_bytes()]


def test_a_key_file_that_others_can_read_is_closed_again(home: Path, engine: Any) -> None:
    key = server.ensure(home, command=engine.command).key
    server.close(home)
    (home / "local" / "key").chmod(0o644)
    assert server.ensure(home, command=engine.command).key == key
    assert stat.S_IMODE((home / "local" / "key").stat().st_mode) == 0o600


def test_serve_prints_and_ends_on_ctrl_c(
    home: Path, process: Callable[..., Any], until: Callable[..., Any]
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        serving = process(SERVE)
        base_url, key = line(serving).split()
        assert server.find(home) == Endpoint(base_url, key)
        with pytest.raises(KlingError, match="already has a local server"):
            server.serve(home, on_ready=lambda endpoint: pytest.fail("two servers on one home"))
        serving.send_signal(number)
        assert line(serving) == "ended"
        assert serving.wait(10) == 0
        assert server.find(home) is None


def test_ctrl_c_in_the_terminal_fails_no_task(
    home: Path,
    process: Callable[..., Any],
    engine: Any,
    clip: Path,
    picture: Callable[..., bytes],
    until: Callable[..., Any],
) -> None:
    engine.mode("gate")
    serving = process(SERVE, *engine.command)
    caller = Caller(Endpoint(*line(serving).split()))
    fields = {
        "image": base64.b64encode(picture()).decode(),
        "video": caller.put(clip.read_bytes()),
        "model_name": "kling-v3-0-std",
    }
    task_id = caller.submit(fields | {"character_orientation": "image"}).json()["task_id"]
    until(lambda: caller.poll(task_id)["task"]["progress_percent"] == 25)
    os.killpg(
        serving.pid, signal.SIGINT
    )  # as a terminal does: to the server and to all that it started
    assert line(serving) == "ended"
    engine.open()
    after = Caller(server.ensure(home, command=engine.command))
    until(lambda: over(after.poll(task_id)))
    assert after.poll(task_id)["task"]["status"] == "TASK_STATUS_SUCCEED"


def test_serve_takes_the_port_it_is_given_or_says_that_it_cannot(
    home: Path, elsewhere: Any
) -> None:
    with pytest.raises(KlingError, match=f"Port {elsewhere[0]} cannot be used"):
        server.serve(
            home, elsewhere[0], on_ready=lambda endpoint: pytest.fail("the port is another's")
        )
    stop, found = threading.Event(), []
    server.serve(home, on_ready=lambda endpoint: (found.append(endpoint), stop.set()), stop=stop)
    port = int(found[0].base_url.rpartition(":")[2])
    server.serve(home, port, on_ready=lambda endpoint: found.append(endpoint), stop=stop)
    assert found[0] == found[1]


def test_finding_a_server_loads_no_web_framework(caller: Caller, home: Path) -> None:
    script = "import sys; from pathlib import Path; from kling_utils.local import server; e = server.ensure(Path(sys.argv[1])); "
    script += (
        "print(e.base_url, [m for m in ('fastapi', 'uvicorn', 'PIL', 'numpy') if m in sys.modules])"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(home)],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == f"{caller.base_url} []"
