"""Novita's contract on the loopback address: the words, who may ask, and other programs' own clients."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from helpers import zoo
from helpers.engine import FakeEngine, make
from helpers.scripted import File, ScriptedNovita
from novita_client import NovitaClient
from novita_client import settings as novita_settings
from PIL import Image

from kling_utils import serve
from kling_utils.errors import KlingError
from kling_utils.jobs.client import Client
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video
from kling_utils.providers.local import LocalProvider
from kling_utils.serve import SUBMIT, Served
from kling_utils.settings import load

ROOT = Path(__file__).resolve().parents[1]


class Caller:
    """A client that knows the wire and nothing of the package."""

    def __init__(self, served: Served, files: ScriptedNovita) -> None:
        self.served, self.base_url, self.files = served, served.base_url, files
        self.headers = {"Authorization": f"Bearer {served.key}"}

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = self.headers | more.pop("headers", {})
        return requests.request(
            method,
            self.base_url + path,
            headers={k: v for k, v in headers.items() if v is not None},
            timeout=30,
            **more,
        )

    def put(self, data: bytes, path: str = "/in/clip.mp4") -> str:
        return self.files.serve(path, File(data))

    def submit(self, body: dict[str, Any]) -> requests.Response:
        return self.ask("POST", SUBMIT, json=body)

    def poll(self, task_id: str) -> dict[str, Any]:
        answer = self.ask("GET", "/v3/async/task-result", params={"task_id": task_id})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, task_id: str, seconds: float = 20) -> dict[str, Any]:
        """Poll until the task is over."""
        until = time.monotonic() + seconds
        while True:
            told = self.poll(task_id)
            if told["task"]["status"] in ("TASK_STATUS_SUCCEED", "TASK_STATUS_FAILED"):
                return told
            assert time.monotonic() < until, told
            threading.Event().wait(0.02)


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return make(tmp_path / "engine")


@pytest.fixture
def files() -> Iterator[ScriptedNovita]:
    """Where clips lie."""
    with ScriptedNovita() as server:
        yield server


@pytest.fixture
def start(tmp_path: Path, engine: FakeEngine, files: ScriptedNovita) -> Iterator[Any]:
    stop: list[Any] = []

    def one(**how: Any) -> Caller:
        known = {"poll_interval": 0.02, "private_hosts": frozenset({"127.0.0.1"})} | how
        home = tmp_path / "home"
        local = LocalProvider(home, command=known.pop("command", engine.command))
        runner = Client(load(home=home, **known), local=local)
        runner.watch()
        server = serve.serving(runner)
        stop[:0] = [lambda: server.__exit__(None, None, None), runner.close]
        return Caller(server.__enter__(), files)

    yield one
    for each in stop:
        each()


@pytest.fixture
def caller(start: Any) -> Caller:
    return start()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with sound that browsers play as they are."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    sources = ["-f", "lavfi", "-i", "testsrc2=size=320x320:rate=25:duration=3"]
    sources += ["-f", "lavfi", "-i", "sine=duration=3"]
    how = [*ffmpeg.H264, "-preset", "ultrafast", "-c:a", "aac", "-shortest"]
    ffmpeg.run([*sources, *how, "-movflags", "+faststart", str(path)], timeout=60)
    return path


def picture(width: int = 400, height: int = 600, kind: str = "PNG", **how: Any) -> str:
    data = io.BytesIO()
    Image.new("L" if kind == "GIF" else "RGB", (width, height), "teal").save(data, kind, **how)
    return base64.b64encode(data.getvalue()).decode()


@pytest.fixture
def body(caller: Caller, clip: Path) -> dict[str, Any]:
    return {
        "image": picture(),
        "video": caller.put(clip.read_bytes()),
        "model_name": "kling-v3-0-std",
        "character_orientation": "video",
    }


# -- a task's way


def test_a_task_from_submit_to_download(caller: Caller, body: dict[str, Any], clip: Path) -> None:
    answer = caller.submit(body)
    assert answer.status_code == 200
    assert set(answer.json()) == {"task_id"}
    task_id = answer.json()["task_id"]
    done = caller.ended(task_id)
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
    times = done["extra"]["debug_info"]
    assert set(times) == {
        "request_info",
        "submit_time_ms",
        "execute_time_ms",
        "complete_time_ms",
    }
    assert int(times["complete_time_ms"]) >= int(times["submit_time_ms"]) > 0
    (video,) = done["videos"]
    assert set(video) == {"video_url", "video_url_ttl", "video_type"}
    assert video["video_type"] == "mp4"
    assert int(video["video_url_ttl"]) > 3600
    assert requests.get(video["video_url"], timeout=10).content == clip.read_bytes()


def test_novitas_own_client_submits_polls_and_downloads(
    caller: Caller, body: dict[str, Any], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(novita_settings, "DEFAULT_POLL_INTERVAL", 0.05)
    client = NovitaClient(caller.served.key, caller.base_url)
    task_id = client._post(SUBMIT, body)["task_id"]
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
    start: Any, shared_media: Path, tmp_path: Path
) -> None:
    from kling_utils.draft.process import WORKER

    caller = start(command=WORKER, poll_interval=0.2)
    man = shared_media / "image" / "fullbody_man.png"
    given = shared_media / "video" / "dance_woman_4s.mp4"
    fields = {"model_name": "kling-v3-0-std", "character_orientation": "video"}
    fields["image"] = caller.put(man.read_bytes(), "/in/man.png")
    fields["video"] = caller.put(given.read_bytes())
    answer = caller.ended(caller.submit(fields).json()["task_id"], seconds=240)
    assert answer["task"]["status"] == "TASK_STATUS_SUCCEED", answer
    drawn = tmp_path / "drawn.mp4"
    drawn.write_bytes(requests.get(answer["videos"][0]["video_url"], timeout=30).content)
    assert abs(probe_video(drawn).duration - probe_video(given).duration) < 0.2


def test_the_place_in_the_queue_is_told(
    caller: Caller, body: dict[str, Any], engine: FakeEngine
) -> None:
    engine.mode("gate")
    first, second, third = (caller.submit(body).json()["task_id"] for _ in range(3))

    def until(question: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not question():
            assert time.monotonic() < end, [caller.poll(t) for t in (first, second, third)]
            threading.Event().wait(0.02)

    until(lambda: caller.poll(first)["task"]["progress_percent"] == 25)
    assert caller.poll(first)["task"]["status"] == "TASK_STATUS_PROCESSING"
    assert "queue_position" not in caller.poll(first)["extra"]
    until(
        lambda: [caller.poll(t)["extra"].get("queue_position") for t in (second, third)] == [1, 2]
    )
    assert caller.poll(second)["task"]["status"] == "TASK_STATUS_QUEUED"
    assert caller.poll(third)["task"]["eta"] > 0
    assert caller.poll(third)["videos"] == []
    engine.open()
    for each in (first, second, third):
        assert caller.ended(each)["task"]["status"] == "TASK_STATUS_SUCCEED"


def test_a_failed_task_is_a_good_answer(
    caller: Caller, body: dict[str, Any], engine: FakeEngine
) -> None:
    engine.mode("crash")
    answer = caller.ended(caller.submit(body).json()["task_id"])
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


# -- refusals, in the documented words


def big_picture() -> str:
    return base64.b64encode(b"\x89PNG" + bytes(serve.FILE_LIMIT)).decode()


REFUSED = [
    ({"image": None}, "INVALID_REQUEST_BODY", "image: is required"),
    ({"image": ""}, "INVALID_REQUEST_BODY", "image: is required"),
    ({"image": 5}, "INVALID_REQUEST_BODY", "image: must be a string"),
    ({"image": "hero.png"}, "INVALID_REQUEST_BODY", "image: neither"),
    ({"image": "data:image/png;base64,"}, "INVALID_REQUEST_BODY", "image: is empty"),
    ({"image": base64.b64encode(b"no picture at all").decode()}, "INVALID_IMAGE_FORMAT", "image"),
    ({"image": picture(400, 400, "GIF")}, "INVALID_IMAGE_FORMAT", "image"),
    ({"image": picture(400, 400, "JPEG")[:400]}, "INVALID_IMAGE_FORMAT", "image"),
    ({"image": big_picture()}, "IMAGE_FILE_EXCEEDS_MAX_SIZE", "image"),
    ({"image": picture(299, 400, "JPEG")}, "INVALID_IMAGE_SIZE", "299"),
    ({"image": picture(751, 300, "JPEG")}, "INVALID_IMAGE_SIZE", "image"),
    ({"video": None}, "INVALID_REQUEST_BODY", "video: is required"),
    ({"video": "AAAA"}, "INVALID_REQUEST_BODY", "video: must be an http(s) URL"),
    ({"video": ["http://x.test/a.mp4"]}, "INVALID_REQUEST_BODY", "video: must be a string"),
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
    texts = {"prompt": "x" * 2500, "negative_prompt": ""}
    more = {"keep_original_sound": False, "unknown": 1}
    assert caller.submit(body | texts | more).status_code == 200


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object(caller: Caller, raw: bytes) -> None:
    answer = caller.ask("POST", SUBMIT, data=raw)
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_REQUEST_BODY")


@pytest.mark.parametrize(
    ("size", "seconds", "says"),
    [("320x320", 2, "2 s"), ("320x320", 31, "31 s"), ("298x320", 3, "298x320")],
)
def test_a_clip_outside_the_limits(
    caller: Caller, body: dict[str, Any], tmp_path: Path, size: str, seconds: int, says: str
) -> None:
    path = zoo.clip(tmp_path, size=size, seconds=seconds, rate="5")
    answer = caller.submit(body | {"video": caller.put(path.read_bytes())})
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_REQUEST_BODY")
    assert answer.json()["message"].startswith("video: ")
    assert says in answer.json()["message"]


def test_a_clip_that_is_none(caller: Caller, body: dict[str, Any]) -> None:
    answer = caller.submit(body | {"video": caller.put(b"#EXTM3U\nfile:///etc/passwd\n")})
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_REQUEST_BODY")
    assert answer.json()["message"].startswith("video: ")


def test_a_private_address_is_not_fetched(
    start: Any, body: dict[str, Any], files: ScriptedNovita, tmp_path: Path
) -> None:
    strict = start(private_hosts=frozenset())
    before = len(files.state.seen)
    answer = strict.submit(body | {"video": f"{files.base_url}/in/clip.mp4?sig=SECRET"})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("video: ")
    assert "SECRET" not in answer.text
    assert len(files.state.seen) == before


# -- who may ask

ROUTES = [
    ("POST", SUBMIT),
    ("GET", "/v3/async/task-result?task_id=x"),
    ("GET", "/openapi/v1/billing/balance/detail"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_the_key_nothing_goes(caller: Caller, method: str, path: str) -> None:
    for value in (None, "", "Bearer ", "Basic abc"):
        answer = caller.ask(method, path, headers={"Authorization": value})
        assert (answer.status_code, answer.json()["reason"]) == (400, "MISSING_API_KEY")
    answer = caller.ask(
        method, path, headers={"Authorization": "Bearer wrong"}, data=b"x" * 5_000_000
    )
    assert (answer.status_code, answer.json()["reason"]) == (403, "INVALID_API_KEY")


def test_a_foreign_host_name_is_refused(caller: Caller) -> None:
    port = caller.base_url.rpartition(":")[2]
    for host in ("evil.test", f"evil.test:{port}", "127.0.0.1", f"127.0.0.1.evil.test:{port}", ""):
        for method, path in (*ROUTES, ("GET", "/results/x.mp4")):
            answer = caller.ask(method, path, headers={"Host": host})
            assert (answer.status_code, answer.json()["reason"]) == (403, "ACCESS_DENY")
    answer = caller.ask(
        "GET", "/openapi/v1/billing/balance/detail", headers={"Host": f"localhost:{port}"}
    )
    assert answer.status_code == 200


def test_no_page_of_another_origin_may_read(caller: Caller) -> None:
    for method, path in (*ROUTES, ("OPTIONS", SUBMIT)):
        answer = caller.ask(method, path, headers={"Origin": "https://evil.test"})
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_task_is_only_one_that_came_this_way_and_a_link_cannot_be_guessed(
    caller: Caller, body: dict[str, Any], start: Any
) -> None:
    task_id = caller.submit(body).json()["task_id"]
    link = caller.ended(task_id)["videos"][0]["video_url"]
    assert requests.get(link, timeout=10).status_code == 200
    for wrong in (link.replace(".mp4", "x.mp4"), f"{caller.base_url}/results/{task_id}-.mp4"):
        assert requests.get(wrong, timeout=10).status_code == 404
    head = requests.head(link, timeout=10)
    part = requests.get(link, headers={"Range": "bytes=10-19"}, timeout=10)
    assert (head.status_code, part.status_code, len(part.content)) == (200, 206, 10)
    other = start()
    path = link.removeprefix(caller.base_url)
    assert requests.get(other.base_url + path, timeout=10).status_code == 404, "of another key"


# -- the command's loop

SERVE = """
import sys
from kling_utils.jobs.client import Client
from kling_utils.serve import serve
from kling_utils.settings import load
with Client(load()) as runner:
    serve(runner, on_ready=lambda served: print(served.base_url, served.key, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_on_ctrl_c_and_on_a_termination_signal(tmp_path: Path, number: int) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT), "KLING_HOME": str(tmp_path / "home")}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout is not None
        base_url, key = process.stdout.readline().split()
        headers = {"Authorization": f"Bearer {key}"}
        told = requests.get(
            f"{base_url}/openapi/v1/billing/balance/detail", headers=headers, timeout=10
        )
        assert told.json()["availableBalance"] == "0"
        process.send_signal(number)
        assert process.stdout.readline() == "ended\n"
        assert process.wait(10) == 0


def test_it_takes_the_port_it_is_given_or_says_that_it_cannot(
    tmp_path: Path, files: ScriptedNovita
) -> None:
    taken, stop, found = int(files.base_url.rpartition(":")[2]), threading.Event(), list[Served]()

    def ready(served: Served) -> None:
        found.append(served)
        stop.set()

    with Client(load(home=tmp_path / "home")) as runner:
        with pytest.raises(KlingError, match=f"Port {taken} cannot be used"):
            serve.serve(runner, taken, on_ready=ready)
        serve.serve(runner, on_ready=ready, stop=stop)
        port = int(found[0].base_url.rpartition(":")[2])
        serve.serve(runner, port, on_ready=ready, stop=stop)
    assert found[0].base_url == found[1].base_url
    assert found[0].key != found[1].key
