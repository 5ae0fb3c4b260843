"""The servers that speak the contract, behind one fixture: the scripted provider, and the loopback server with an engine of our own."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import ScriptedNovita
from PIL import Image
from pydantic import SecretStr

from kling_utils.local import server as local
from kling_utils.media import ffmpeg
from kling_utils.novita.client import Client, TaskStatus
from kling_utils.novita.publish import Loopback, data_uri
from kling_utils.novita.transport import Transport

FAILURE = "No complete upper body detected in the video"
# Renders by copying; fails when a file says so.
ENGINE = f"""
import json, shutil, sys
from pathlib import Path

order = json.loads(sys.stdin.readline())
if (Path(sys.argv[1]) / "fail").exists():
    print(json.dumps({{"failed": {FAILURE!r}}}), flush=True)
    sys.exit(0)
shutil.copyfile(order["video"], order["out"])
print(json.dumps({{"done": {{}}}}), flush=True)
"""


@dataclass
class Side:
    """One server, a legal request for it, and how to make its next task fail."""

    name: str
    base_url: str
    key: str
    client: Client
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


@pytest.fixture(params=["scripted", "loopback"])
def side(
    request: pytest.FixtureRequest, clip: Path, picture: Path, transport: Transport, tmp_path: Path
) -> Iterator[Side]:
    def made(base_url: str, key: str, fail: Callable[[], object]) -> Side:
        video = Loopback(base_url, SecretStr(key), transport).publish(clip)
        body = {
            "image": data_uri(picture),
            "video": video.url,
            "prompt": "a stage",
            "model_name": "kling-v3-0-std",
            "negative_prompt": "rain",
            "keep_original_sound": True,
            "character_orientation": "video",
        }
        return Side(
            request.param,
            base_url,
            key,
            Client(base_url, SecretStr(key), transport=transport),
            body,
            fail,
        )

    if request.param == "scripted":
        with ScriptedNovita() as server:
            server.state.video = clip.read_bytes()

            def fail() -> None:
                server.state.statuses, server.state.reason = (
                    ["TASK_STATUS_PROCESSING", "TASK_STATUS_FAILED"],
                    FAILURE,
                )

            yield made(server.base_url, server.key, fail)
        return
    room = tmp_path / "engine"
    room.mkdir()
    (room / "engine.py").write_text(ENGINE)
    home = tmp_path / "served"
    endpoint = local.ensure(home, command=(sys.executable, str(room / "engine.py"), str(room)))
    try:
        yield made(endpoint.base_url, endpoint.key, (room / "fail").touch)
    finally:
        local.close(home)
