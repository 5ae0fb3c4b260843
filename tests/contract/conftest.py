"""The servers that speak the contract, behind one fixture: the scripted provider, and the loopback server with an engine of our own."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.engine import make
from helpers.scripted import File, ScriptedNovita
from PIL import Image
from pydantic import SecretStr

from kling_utils.jobs.client import Client
from kling_utils.media import ffmpeg
from kling_utils.providers.http import Transport
from kling_utils.providers.local import LocalProvider
from kling_utils.providers.novita import NovitaAPI, TaskStatus
from kling_utils.providers.publish import data_uri
from kling_utils.serve import serving
from kling_utils.settings import load

FAILURE = "No complete upper body detected in the video"


@dataclass
class Side:
    """One server, a legal request for it, and how to make its next task fail."""

    name: str
    base_url: str
    key: str
    client: NovitaAPI
    body: dict[str, Any]
    fail: Callable[[], object]

    def end_of(self, task_id: str) -> TaskStatus:
        """Poll until the task is over."""
        breath = threading.Event()
        for _ in range(2000):
            status = self.client.poll(task_id)
            if status.status in ("succeeded", "failed"):
                return status
            breath.wait(0.01)
        raise AssertionError(f"still {status.word} after 20 s")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s, 320x320, the smallest that every rule lets pass."""
    path = tmp_path_factory.mktemp("contract") / "clip.mp4"
    ffmpeg.run(
        ["-f", "lavfi", "-i", "testsrc=size=320x320:rate=10:duration=3.0", *ffmpeg.H264, str(path)],
        timeout=60,
    )
    return path


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contract") / "hero.png"
    data = io.BytesIO()
    Image.new("RGB", (320, 400), "teal").save(data, "PNG")
    path.write_bytes(data.getvalue())
    return path


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(per_minute=None)
    yield made
    made.close()


@pytest.fixture(params=["scripted", "serve"])
def side(
    request: pytest.FixtureRequest, clip: Path, picture: Path, transport: Transport, tmp_path: Path
) -> Iterator[Side]:
    with ScriptedNovita() as server:
        server.state.video = clip.read_bytes()
        body = {
            "image": data_uri(picture),
            "video": server.serve("/in/clip.mp4", File(clip.read_bytes())),
            "prompt": "a stage",
            "model_name": "kling-v3-0-std",
            "negative_prompt": "rain",
            "keep_original_sound": True,
            "character_orientation": "video",
        }

        def made(base_url: str, key: str, fail: Callable[[], object]) -> Side:
            client = NovitaAPI(base_url, SecretStr(key), transport=transport)
            return Side(request.param, base_url, key, client, body, fail)

        def fail() -> None:
            words = ["TASK_STATUS_PROCESSING", "TASK_STATUS_FAILED"]
            server.state.statuses, server.state.reason = words, FAILURE

        if request.param == "scripted":
            yield made(server.base_url, server.key, fail)
            return
        engine, home = make(tmp_path / "engine"), tmp_path / "served"
        settings = load(home=home, poll_interval=0.02, private_hosts=frozenset({"127.0.0.1"}))
        with (
            Client(settings, local=LocalProvider(home, command=engine.command)) as runner,
            serving(runner) as served,
        ):
            runner.watch()
            yield made(served.base_url, served.key, lambda: engine.mode("refuse video"))
