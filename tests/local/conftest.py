"""What the tests of the loopback server share: a legal picture and clip, and an engine that does as it is told."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kling_utils.media import ffmpeg

# Reads its order, reports, and ends as its mode file says. A gate is a file that it waits for; its parent's end is noted and obeyed.
ENGINE = """
import json, os, shutil, sys, threading
from pathlib import Path

room = Path(sys.argv[1])
order = json.loads(sys.stdin.readline())
with open(room / "orders.jsonl", "a") as log:
    log.write(json.dumps(order | {"pid": os.getpid(), "secret": os.environ.get("NOVITA_API_KEY")}) + "\\n")

def orphaned():
    sys.stdin.read()
    (room / "orphaned").touch()
    os._exit(3)

threading.Thread(target=orphaned, daemon=True).start()

def say(**report):
    print(json.dumps(report), flush=True)

print("a library that talks on stdout", flush=True)
say(progress=0.25, stage="reading")
mode = (room / "mode").read_text()
if mode == "crash":
    os.kill(os.getpid(), 9)
if mode == "refuse":
    say(failed="No complete upper body detected in the image")
    sys.exit(0)
if mode == "silent":
    sys.exit(0)
if mode == "backwards":
    say(progress=0.6, stage="drawing")
    say(progress=0.1, stage="drawing")
if mode in ("gate", "backwards"):
    while not (room / "open").exists():
        threading.Event().wait(0.01)
shutil.copyfile(order["video"], order["out"])
say(progress=1.0, stage="done")
say(done={"frames": 75})
"""


@dataclass
class FakeEngine:
    """A real process with a script of our own; ``mode`` is read at its start."""

    room: Path

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, str(self.room / "engine.py"), str(self.room))

    def mode(self, word: str) -> None:
        (self.room / "mode").write_text(word)

    def open(self) -> None:
        (self.room / "open").touch()

    @property
    def orders(self) -> list[dict[str, Any]]:
        log = self.room / "orders.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    room = tmp_path / "engine"
    room.mkdir()
    (room / "engine.py").write_text(ENGINE)
    made = FakeEngine(room)
    made.mode("copy")
    return made


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of moving stripes, 320x320, with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    sources = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x320:rate=25:duration=3",
        "-f",
        "lavfi",
        "-i",
        "sine=duration=3",
    ]
    ffmpeg.run(
        [
            *sources,
            *ffmpeg.H264,
            "-preset",
            "ultrafast",
            "-c:a",
            "aac",
            "-shortest",
            "-y",
            str(path),
        ],
        timeout=60,
    )
    return path


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """Makes a plain picture's bytes: ``picture(400, 600, "PNG")``."""

    def make(width: int = 400, height: int = 600, kind: str = "PNG") -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (width, height), "teal").save(buffer, kind)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Ask again and again until the answer is true, and return it; fail when that takes too long."""

    def ask(question: Callable[[], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (answer := question()):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds:.0f} s")
            threading.Event().wait(0.02)
        return answer

    return ask
