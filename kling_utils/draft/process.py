"""One draft in a process of its own: started, listened to, and never outliving its use.

Owns how the engine's process is started, how its lines are read and how it is ended. The process
gets one JSON line on stdin, which then stays open: its end tells the process that we are gone,
however we went.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from kling_utils.errors import Interrupted, TaskFailed

WORKER: tuple[str, ...] = (sys.executable, "-m", "kling_utils.draft.worker")
RUN_LIMIT = (
    30 * 60.0
)  # seconds; a 30 s clip takes a few minutes on two slow cores, so that only a hung engine gets here
_LAST_WORDS = 5.0  # seconds that a process may take to end after its final line
_LONGEST_LINE = 64 * 1024  # characters; a longer line is no report of ours
_SECRETS = (
    "NOVITA_",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
)  # variables that the engine has no use for


class Rendering:
    """A single run of the engine. ``run`` may be called once; ``stop`` from any thread, at any time."""

    def __init__(self, command: Sequence[str] = WORKER, *, limit: float = RUN_LIMIT) -> None:
        self._command, self._limit = tuple(command), limit
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopped = self._too_long = False

    def run(
        self, order: Mapping[str, Any], *, on_progress: Callable[[float, str], None], log: Path
    ) -> dict[str, Any]:
        """Render, and return what the engine said about it. ``on_progress`` gets 0..1 and the name of the stage.

        Raises ``TaskFailed`` with the reason as its message when the engine refused, crashed or ran too long,
        and ``Interrupted`` after ``stop``. ``log`` receives what the process writes to its error output.
        """
        with log.open("wb") as errors:
            process = self._start(errors.fileno())
            timer = threading.Timer(self._limit, self._expire)
            timer.daemon = True
            timer.start()
            try:
                final = self._listen(process, order, on_progress)
            finally:
                timer.cancel()
                code = self._end(process)
        if self._stopped:
            raise Interrupted("The local engine was stopped.")
        if final is not None and "done" in final:
            done = final["done"]
            return done if isinstance(done, dict) else {}
        if final is not None:
            raise TaskFailed(str(final["failed"]) or "the local engine gave no reason", money="no")
        if self._too_long:
            raise TaskFailed(
                f"the local engine took longer than {self._limit / 60:.0f} minutes and was stopped",
                money="no",
            )
        raise TaskFailed(f"the local engine stopped unexpectedly (exit code {code})", money="no")

    def stop(self) -> None:
        """End the process at once; a run in progress raises ``Interrupted``."""
        with self._lock:
            self._stopped = True
            self._kill()

    def _start(self, errors: int) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise Interrupted("The local engine was stopped.")
            # A session of its own: Ctrl-C in the terminal is for the server, and killing the group takes the engine's ffmpeg along.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                env=_environment(),
                start_new_session=True,
            )
            return self._process

    def _listen(
        self,
        process: subprocess.Popen[str],
        order: Mapping[str, Any],
        on_progress: Callable[[float, str], None],
    ) -> dict[str, Any] | None:
        """The final line, or None when the process ended without one. Lines that are no reports (a library's chatter) are skipped."""
        stdin, stdout = _pipes(process)
        # a process that died at once is told from its missing final line
        with contextlib.suppress(OSError):
            stdin.write(json.dumps(dict(order)) + "\n")
            stdin.flush()
        while line := stdout.readline(_LONGEST_LINE):
            try:
                report = json.loads(line)
            except ValueError:
                continue
            if not isinstance(report, dict):
                continue
            if "done" in report or "failed" in report:
                return report
            progress = report.get("progress")
            if isinstance(progress, int | float) and 0 <= progress <= 1:
                on_progress(float(progress), str(report.get("stage", ""))[:80])
        return None

    def _end(self, process: subprocess.Popen[str]) -> int:
        """Close the pipes and wait for the process, in the end by force. Returns its exit code."""
        stdin, stdout = _pipes(process)
        with contextlib.suppress(OSError):
            stdin.close()
        try:
            code = process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            with self._lock:
                self._kill()
            code = process.wait()
        with self._lock:
            self._process = None
        stdout.close()
        return code

    def _expire(self) -> None:
        with self._lock:
            self._too_long = self._process is not None
            self._kill()

    def _kill(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the engine's process was started without pipes")
    return process.stdin, process.stdout


def _environment() -> dict[str, str]:
    """Ours without the secrets, and with this very package on the path, from wherever it was imported."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    here = str(Path(__file__).resolve().parents[2])
    env["PYTHONPATH"] = os.pathsep.join(part for part in (here, env.get("PYTHONPATH", "")) if part)
    return env
