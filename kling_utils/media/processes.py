"""Child processes: none outlives this process, and all can be ended at once."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType
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
    """A small process (8 MB, 10 ms) that kills our children when this process is gone.

    ffmpeg itself would go on to its end: neither a broken pipe for its progress nor a closed stdin
    stops it. The reaper is told what starts and what has ended; its pipe ends with this process.
    """

    def __init__(self) -> None:
        self._owner, self._process = os.getpid(), None
        # everything else works without it
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _REAPER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                # Ctrl-C is for this process alone; on Windows the flag does that
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            atexit.register(self._close)

    def tell(self, pid: int) -> None:
        """``pid`` has started; ``-pid`` has ended; 0: that was all."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(b"%d\n" % pid)

    def _close(self) -> None:
        if self._process is not None and self._owner == os.getpid():  # not in a fork
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
    """A started process, which ends with the block, and with this process.

    ``brief``: it ends so soon that it needs no reaper. Raises ``Interrupted`` after ``end_all``.
    """
    reaper = None
    with _door:
        if _leaving.is_set():
            hint = "Nothing was kept of it; start it again when you like."
            raise Interrupted("This process is ending.", hint=hint)
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)
        _running.add(process)
        if not brief:
            reaper = _reapers.get(os.getpid()) or _reapers.setdefault(os.getpid(), _Reaper())
            reaper.tell(process.pid)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()  # first: another thread may be reading from a pipe that is closed here
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        _running.discard(process)
        if reaper is not None:
            reaper.tell(-process.pid)


class Log:
    """The error output of a process, read while it runs; of much, the beginning and the end."""

    HEAD, TAIL = 256_000, 1_000_000
    """Bytes. A file with a million edits makes ffmpeg say 129 MB."""

    def __init__(self) -> None:
        self._head, self._tail, self._cut = bytearray(), bytearray(), False
        reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._read, args=(reader,), daemon=True)

    def __enter__(self) -> Log:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.handed_over()

    @property
    def writer(self) -> int:
        """The file descriptor for the standard error of the process."""
        return self._writer

    def handed_over(self) -> None:
        """The process has its copy of ``writer``: the log ends when it does."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def text(self) -> bytes:
        """All of it, once the process has ended."""
        self._thread.join(10)
        return bytes(self._head) + (b"\n" if self._cut else b"") + bytes(self._tail)

    def _read(self, reader: int) -> None:
        with open(reader, "rb", buffering=0) as pipe:
            while block := pipe.read(65536):
                room = self.HEAD - len(self._head)
                self._head += block[:room] if room > 0 else b""
                self._tail += block[max(0, room) :]
                if len(self._tail) > 2 * self.TAIL:
                    del self._tail[: -self.TAIL]
                    self._cut = True


class Watchdog:
    """Kills a process after a wait of more than ``patience`` seconds; then ``bit`` is True."""

    def __init__(self, process: subprocess.Popen[bytes], patience: float) -> None:
        self._process, self._patience = process, patience
        self._since: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bit = False

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        left = self._patience
        while not self._over.wait(max(left, 0.005)):
            since = self._since
            left = self._patience - (time.monotonic() - since if since is not None else 0)
            if left <= 0:
                self.bit = True
                self._process.kill()
                return


def end_all() -> None:
    """Kill all children and start no new ones: this process is about to end."""
    with _door:
        _leaving.set()
        for process in list(_running):
            process.kill()
            process.wait()


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Inside, SIGTERM raises ``KeyboardInterrupt``, as Ctrl-C does, so that work is put away.

    Only the main thread may listen to signals; in others nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
