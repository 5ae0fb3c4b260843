"""One render in a process of its own, which may crash or be killed without taking the server along.

``python -m kling_utils.draft.worker`` reads one JSON line (the job) from stdin and writes JSON
lines to stdout: ``{"progress", "stage"}`` as it goes, and last ``{"done": {...}}`` or ``{"failed":
"<reason>"}``. When stdin closes, its parent is gone, and it ends at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, get_args

from kling_utils.values import CharacterOrientation, ModelName

INTERVAL = 0.2
"""Least seconds between two progress lines."""
ORPHANED = 3
"""Exit status when the parent went away."""
Write = Callable[[dict[str, Any]], None]


class Throttle:
    """Passes progress on at most every ``INTERVAL`` seconds; a new stage passes at once."""

    def __init__(
        self,
        write: Write,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._interval, self._clock = write, interval, clock
        self._next, self._stage = float("-inf"), ""

    def __call__(self, done: float, stage: str) -> None:
        now = self._clock()
        if now >= self._next or stage != self._stage:
            self._next, self._stage = now + self._interval, stage
            self._write({"progress": round(done, 4), "stage": stage})


def work(line: str, write: Write) -> int:
    """Do the job that ``line`` describes and write how it went; returns the exit status."""
    from kling_utils.draft import EngineError, render

    try:
        job = _job(line)
    except (ValueError, KeyError, TypeError) as error:
        write({"failed": f"The job cannot be understood: {error}"})
        return 2
    try:
        made = render(**job, on_progress=Throttle(write))
    except EngineError as error:
        write({"failed": error.reason})
        return 1
    except Exception as error:  # noqa: BLE001 - the process ends here, and its last line must say why
        write({"failed": f"The engine stopped: {type(error).__name__}: {error}"})
        return 2
    rate = made.frame_rate
    write(
        {
            "done": {
                "kind": made.kind,
                "frames": made.frames,
                "frame_rate": f"{rate.numerator}/{rate.denominator}",
                "width": made.size.width,
                "height": made.size.height,
                "seconds": made.seconds,
            }
        }
    )
    return 0


def _job(line: str) -> dict[str, Any]:
    """The arguments of ``render``. Raises ``ValueError`` or ``KeyError`` for a line that does not say them."""
    told = json.loads(line)
    if told["character_orientation"] not in get_args(CharacterOrientation) or told[
        "model_name"
    ] not in get_args(ModelName):
        raise ValueError("unknown model_name or character_orientation")
    return {
        **{name: Path(told[name]) for name in ("image", "video", "out")},
        **{name: told[name] for name in ("character_orientation", "model_name")},
        "keep_original_sound": bool(told["keep_original_sound"]),
    }


def follow_parent(stdin: IO[str], leave: Callable[[], object]) -> None:
    """Wait for the end of stdin, whatever else is said there; then leave."""
    while stdin.read(1):
        pass
    leave()


def leave_at_once(line: str) -> None:
    """End this process and the ffmpeg that it started, and take the half-written file along."""
    with contextlib.suppress(ValueError, KeyError, TypeError, OSError):
        from kling_utils.draft.encode import partial_path
        from kling_utils.media import processes

        processes.end_all()  # first: what runs could still begin the file
        partial_path(_job(line)["out"]).unlink(missing_ok=True)
    os._exit(ORPHANED)


def main() -> int:
    """Entry of the process."""

    def write(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    if hasattr(os, "nice"):
        os.nice(5)  # the page and the server come first
    if hasattr(os, "setpgrp"):
        with contextlib.suppress(OSError):  # it may lead its group already
            os.setpgrp()  # a group of its own, so that ffmpeg can be ended together with it, and Ctrl-C is the parent's business
    line = sys.stdin.readline()
    if not line:
        return ORPHANED
    threading.Thread(
        target=follow_parent, args=(sys.stdin, lambda: leave_at_once(line)), daemon=True
    ).start()
    try:
        return work(line, write)
    except BrokenPipeError:
        leave_at_once(line)
        return ORPHANED


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the reader of stdin is still blocked, and would hold an orderly exit up
