"""An engine that does as it is told, in a real process."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
if mode.startswith("refuse"):
    say(failed=f"No complete upper body detected in the {mode[7:] or 'image'}")
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


def make(room: Path) -> FakeEngine:
    """An engine in a folder of its own, which copies the clip."""
    room.mkdir()
    (room / "engine.py").write_text(ENGINE)
    made = FakeEngine(room)
    made.mode("copy")
    return made
