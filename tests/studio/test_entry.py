"""Each value from a browser is checked before a handler sees it: all handlers are called with forged values, and over HTTP too."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import gradio as gr
import httpx
import pytest
from gradio.route_utils import Request
from gradio.state_holder import SessionState
from helpers import zoo
from helpers.served import Served, serving
from PIL import Image
from starlette.requests import Request as StarletteRequest

import app
from kling_utils.jobs.client import Client
from kling_utils.settings import load
from kling_utils.studio import entry, visitor
from kling_utils.studio.files import uploads
from kling_utils.studio.results import ANIMATION_MB, _megabytes
from kling_utils.studio.session import Session
from kling_utils.values import MotionRequest


class Fetched(BaseHTTPRequestHandler):
    """Writes down that it was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(401)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fetched)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary.png"
    Image.new("RGB", (400, 600), "red").save(path)
    return path


def forged(path: str, url: str) -> list[Any]:
    """What an attacker sends in the place of any value."""
    file = {"path": path, "orig_name": "x.png", "meta": {"_type": "gradio.FileData"}}
    deep: Any = path
    for _ in range(60):
        deep = [deep, {"path": deep}]
    return [
        None,
        path,
        "~/x.png",
        {"path": path},
        file,
        {"video": {"path": path}},
        {"path": url, "url": url, "meta": {"_type": "gradio.FileData"}},
        {"path": "x", "url": url, "meta": {"_type": "gradio.FileData"}},
        {"image": file},
        [file, path],
        [[path, "x"]],
        deep,
        1e300,
        -1e300,
        10**400,
        math.nan,
        math.inf,
        True,
        "nan",
        "\ud800\x1b[31m\x00",
        "x" * 300_000,
        {},
        [],
    ]


def arrived(page: entry.CheckedBlocks) -> SessionState:
    """A session whose page has arrived, as a stranger's."""
    state = SessionState(page)
    for each in state.blocks_config.blocks.values():
        if isinstance(each, gr.State) and isinstance(each.value, Session):
            desk = state[each._id]
            desk.arrived, desk.visitor = True, visitor.fresh()
    return state


def event_data(value: Any, job_id: str) -> list[Any]:
    names = ("id", "price", "sound", "most", "at", "from", "to", "session", "form", "texts", "held")
    told: list[Any] = [value, dict.fromkeys((*names, "job", "lost", "sure"), value)]
    return [*told, {"id": job_id, "job": job_id, "session": value, "form": {"image": value}}]


class Attack:
    """Calls handlers of a hosted page as a stranger, and knows what they must not touch."""

    def __init__(self, page: entry.CheckedBlocks) -> None:
        self.page, self.raised = page, list[str]()

    async def call(self, fn: Any, inputs: list[Any], data: Any) -> dict[str, Any] | None:
        state = arrived(self.page)
        event = gr.EventData(None, data)
        scope = {"type": "http", "headers": [], "query_string": b"job=../../etc", "path": "/"}
        request = Request(StarletteRequest(scope))
        result: dict[str, Any] = {}
        iterator = None
        for _ in range(4):
            try:
                result = await self.page.process_api(
                    fn, inputs, state=state, request=request, event_data=event, iterator=iterator
                )
            except gr.Error as error:
                self.raised.append(f"{fn.fn.__qualname__}: {error.message}")
            iterator = result.get("iterator")
            if not result.get("is_generating"):
                break
        return result


def test_no_handler_takes_what_was_forged(
    tmp_path: Path,
    canary: Path,
    address: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All events of the page, found by enumeration: a new one is covered by itself."""
    Fetched.asked.clear()
    os.utime(canary, (1, canary.stat().st_mtime))  # so that a read would show
    before = canary.stat().st_atime_ns
    with Client(load(home=tmp_path / "home", share=True, novita_base_url=address)) as runner:
        runner._watcher.close()  # nothing goes on by itself: what changes, a handler changed
        request = MotionRequest(
            zoo.image(tmp_path, "their-face.png"), zoo.clip(tmp_path, seconds=4)
        )
        theirs = runner.submit(request, owner="v2_another")
        uploads.add("v2_another", str(canary))
        opened: list[str] = []
        preflight = runner.preflight

        def watched(**asked: Any) -> Any:
            opened.extend(str(asked[name]) for name in ("image", "video") if asked.get(name))
            return preflight(**asked)

        runner.preflight = watched  # type: ignore[method-assign]

        async def attack() -> list[str]:
            page = app.build(runner)
            assert isinstance(page, entry.CheckedBlocks)
            attacker, said = Attack(page), []
            handlers = {
                (fn.fn.__qualname__, *(type(each) for each in fn.inputs)): fn
                for fn in page.fns.values()
                if fn.fn is not None
            }  # a watcher stands behind many events: once is enough
            for fn in handlers.values():
                for i, value in enumerate(forged(str(canary), f"{address}/x.png")):
                    bare, named, known = event_data(value, theirs.job_id)
                    shapes = (bare, named, known) if i < 3 else ((named, known)[i % 2],)
                    for data in shapes:
                        got = await attacker.call(fn, [value] * len(fn.inputs), data)
                        said.append(json.dumps(got, default=str))
                        if not fn.collects_event_data:
                            break
            assert attacker.raised == []
            return said

        with caplog.at_level(logging.WARNING):
            said = asyncio.run(attack())
        assert said
        assert not [path for path in opened if "canary" in path or path.startswith("~")]
        assert [*runner.jobs()] == [theirs], (
            "another visitor's job is as it was, and there is no other"
        )
        assert not [text for text in said if "their-face" in text], "and nobody was told of it"
    assert "/x.png" not in Fetched.asked
    assert canary.stat().st_atime_ns == before
    assert "Traceback" not in caplog.text
    assert not [text for text in said if "\\ud800" in text or "\\u001b" in text]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as page:
        yield page


def pressed(url: str, name: str, inputs: list[Any], data: Any = None) -> str:
    """What the first event of that name answers over HTTP, as text."""
    events = httpx.get(f"{url}/config").json()["dependencies"]
    return asked(url, next(e for e in events if e["api_name"] == name), inputs, data)


def asked(url: str, event: dict[str, Any], inputs: list[Any], data: Any = None) -> str:
    """The same for an event of the page's configuration."""
    inputs = inputs + [None] * (len(event["inputs"]) - len(inputs))
    body = {"data": inputs, "fn_index": event["id"], "session_hash": "one", "event_data": data}
    joined = httpx.post(f"{url}/gradio_api/queue/join", json=body)
    if joined.status_code == 422:
        return joined.text
    assert joined.status_code == 200, joined.text
    said = ""
    waiting = f"{url}/gradio_api/queue/data?session_hash=one"
    with httpx.stream("GET", waiting, timeout=30) as got:
        for line in got.iter_lines():
            said += line
            if "process_completed" in line:
                break
    return said


def test_an_event_of_a_script_alone_is_told_so_and_logs_nothing(served: Served) -> None:
    events = httpx.get(f"{served.url}/config").json()["dependencies"]
    scripts = [event for event in events if not event["backend_fn"]]
    assert scripts
    for event in scripts:
        assert "The server does nothing for this" in asked(served.url, event, [])
    assert "Traceback" not in served.log.read_text("utf-8")


def test_over_http_a_file_counts_only_when_it_was_uploaded(
    served: Served, canary: Path, address: str
) -> None:
    url = served.url
    Fetched.asked.clear()
    meta = {"_type": "gradio.FileData"}
    assert '"success":true' in pressed(url, "on_load", [])
    for path in (str(canary), str(canary.with_name("gone.png")), "~"):
        for file in ({"path": path}, {"path": path, "meta": meta}, [path], path):
            said = pressed(url, "on_upload", [file])
            assert '"success":true' in said
            assert "was not uploaded to this page" in said, "the same for each of them"
            assert "canary" not in said
    path = f"{address}/x.png"
    for file in ({"path": path}, {"path": path, "meta": meta}, {"path": "x", "url": path}):
        assert "Measuring" not in pressed(url, "on_upload", [file])
    assert not Fetched.asked
    sent = httpx.post(
        f"{url}/gradio_api/upload", files={"files": ("me.png", canary.read_bytes(), "image/png")}
    )
    said = pressed(url, "on_upload", [{"path": sent.json()[0], "meta": meta}])
    assert "Measuring" in said
    assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("a\x1b[31mb\x00c\x9b", "a[31mbc"),
        ("\ud800", "?"),
        ("two\nlines", "two\nlines"),
        ("x" * (entry.TEXT + 9), "x" * entry.TEXT),
        (3, ""),
        (None, ""),
    ],
)
def test_texts_have_bounds(given: Any, read: str) -> None:
    assert entry.text(given) == read


@pytest.mark.parametrize("given", [math.nan, math.inf, -math.inf, 1e300, 10**400, True, "1", None])
def test_what_is_no_number(given: Any) -> None:
    assert entry.finite(given) is None


@pytest.mark.parametrize("given", [math.nan, "nan", "inf", "x", None, 10**400, [], {}])
def test_a_size_that_is_none_is_the_usual_one(given: Any) -> None:
    assert _megabytes(given) == ANIMATION_MB


def test_an_event_carries_plain_values_only() -> None:
    assert entry.told(3) == entry.told("x") == entry.told(None) == entry.told([1]) == {}
    assert entry.told({"id": 1, "most": math.nan, "f": {"path": "/x"}, "l": [{"meta": {}}]}) == {
        "id": 1,
        "most": None,
        "f": None,
        "l": [None],
    }
    wide = entry.told({str(n): n for n in range(10_000)})
    assert len(wide) <= entry.VALUES


CHOICE = gr.Radio(["video", ("Image", "image")], value="video")
LIST = gr.Dropdown([("As usual", "usual"), ("White", "white")], value="usual")
SLIDER, BOX = gr.Slider(1, 30, value=5), gr.Checkbox(True)


@pytest.mark.parametrize(
    ("block", "given", "read"),
    [
        (CHOICE, "image", "image"),
        (CHOICE, "Image", "video"),  # the label is no value
        (CHOICE, ["image"], "video"),
        (CHOICE, None, "video"),
        (LIST, "white", "white"),
        (LIST, "#ff00ff", "usual"),
        (LIST, ["white", "usual"], "usual"),
        (LIST, {"path": "/x"}, "usual"),
        (SLIDER, 7.5, 7.5),
        (SLIDER, 31, 30),
        (SLIDER, -1e9, 1),
        (SLIDER, math.nan, 5),
        (SLIDER, "7", 5),
        (SLIDER, True, 5),
        (BOX, False, False),
        (BOX, 0, True),
        (BOX, "false", True),
        (gr.HTML("own"), "<b>x</b>\x00", "<b>x</b>"),
        (gr.HTML("own"), "x" * (5 * entry.TEXT + 9), "x" * 5 * entry.TEXT),
        (gr.HTML("own"), {"job_id": "J"}, ""),
        (gr.Textbox("own"), 3, ""),
        (gr.State("own"), "forged", None),
        (gr.File(), {"path": "/etc/passwd"}, None),
    ],
)
def test_a_component_gets_what_it_may_have_and_else_its_own_value(
    block: Any, given: Any, read: Any
) -> None:
    value = entry.component_value(block, given)
    assert (value, type(value)) == (read, type(read))
