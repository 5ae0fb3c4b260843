"""Processes that we start: none of them outlives this one, however it went, and all can be ended at once.

Owns starting and ending. Refuses to know what the processes do.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO

from kling_utils.errors import Interrupted

_REAPER = """
import os, sys
left = set()
for line in sys.stdin:
    pid = int(line)
    if pid == 0:
        break
    left.add(pid) if pid > 0 else left.discard(-pid)
for pid in left:
    try:
        os.kill(pid, 9)
    except OSError:
        pass
"""


class _Reaper:
    """A small process (8 MB, 10 ms) that ends what is still running when this one is gone, however it went.

    ffmpeg itself would go on to its end: neither a broken pipe for its progress nor a closed stdin stops it. The reaper is told what
    starts and what has ended, and its pipe ends when this process does.
    """

    def __init__(self) -> None:
        self._owner, self._process = os.getpid(), None
        with contextlib.suppress(
            OSError
        ):  # without it everything works, but for the one case that it is there for
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _REAPER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for this process alone; on Windows it is the flag that says so
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            atexit.register(self._close)

    def tell(self, pid: int) -> None:
        """``pid`` has started; ``-pid`` has ended; 0: that was all."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(b"%d\n" % pid)

    def _close(self) -> None:
        if self._process is not None and self._owner == os.getpid():  # a fork has no say in it
            self.tell(0)
            self._process.__exit__(None, None, None)


_door = threading.Lock()
_reapers: dict[int, _Reaper] = {}  # by process: a forked one has its own
_running: set[subprocess.Popen[bytes]] = set()
_leaving = threading.Event()


@contextlib.contextmanager
def opened(
    command: Sequence[str],
    *,
    brief: bool = False,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int | IO[bytes],
) -> Iterator[subprocess.Popen[bytes]]:
    """A started process, which is ended with the block, and with this process. Raises ``Interrupted`` after ``end_all``.

    ``brief``: it is over before anybody could be killed, and needs no reaper.
    """
    reaper = None
    with _door:
        if _leaving.is_set():
            raise Interrupted(
                "This process is ending.",
                hint="Nothing was kept of it; start it again when you like.",
            )
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)
        _running.add(process)
        if not brief:
            reaper = _reapers.get(os.getpid()) or _reapers.setdefault(os.getpid(), _Reaper())
            reaper.tell(process.pid)
    try:
        yield process
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        if process.poll() is None:
            process.kill()
        process.wait()
        _running.discard(process)
        if reaper is not None:
            reaper.tell(-process.pid)


def end_all() -> None:
    """End what runs, and let nothing start any more: for a process that is about to leave."""
    with _door:
        _leaving.set()
        for process in list(_running):
            process.kill()
            process.wait()
