"""Every start of the bundled ffmpeg.

It gets argument lists, never a shell; formats and protocols from a white list; a time-out; and no
stdin that waits.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kling_utils.errors import FfmpegFailed
from kling_utils.media import bounds
from kling_utils.media.processes import Log, Watchdog, opened

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

# A playlist named .mp4 would make ffmpeg open other files. A list of protocols alone does not stop
# it, the list of formats does.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
MOST_PIXELS = 40_000_000
"""Of a decoded picture: 8K has 33 million. A few bytes can claim 4,000 million, which is 6 GB."""
_GUARD = (
    *("-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS),
    *("-max_pixels:v", str(MOST_PIXELS)),
)
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error")

# Every video that we write plays in every browser, seeks fast and starts at once.
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-map_metadata", "-1")
GOP_SECONDS = 1

MOST_BYTES = 64_000_000
"""Bytes of output that a run may keep in memory, unless its caller says another number."""
_BLOCK, _LINE = 65536, 4096
_ASKED = 0.5
"""Seconds between two calls of ``stop`` during a run that reports nothing."""
_LOOK = 60.0
"""Seconds of time-out up to which a run counts as a look at a file, which needs no reaper."""
_INSTALL = "Install imageio-ffmpeg again, and unset IMAGEIO_FFMPEG_EXE."
_SMALLER = "Try a shorter or smaller file."
_DAMAGED = "The file may be damaged; export it again."
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC)


class TimedOut(FfmpegFailed):
    """ffmpeg took longer than it was given."""


@functools.cache
def executable() -> str:
    """Path of the binary that imageio-ffmpeg (and so moviepy) bundles. Raises ``FfmpegFailed``."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise FfmpegFailed("There is no ffmpeg on this machine.", hint=_INSTALL) from error


@contextlib.contextmanager
def _begun(
    args: Sequence[str],
    *,
    brief: bool = False,
    stdin: int = subprocess.DEVNULL,
    stderr: int,
    stop: Callable[[], bool] | None = None,
    memory: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A started ffmpeg, as ``processes.opened``, in its turn. Raises ``FfmpegFailed``.

    ``brief``: a look at a file, which has turns of its own. ``stop`` is asked during the wait.
    """
    turns = bounds.looks if brief else bounds.long_runs
    with contextlib.ExitStack() as stack:
        stack.enter_context(turns.taken(stop=stop))
        command = [executable(), *args]
        try:
            process = stack.enter_context(opened(command, brief=brief, stdin=stdin, stderr=stderr))
        except OSError as error:  # of the start alone; errors in the block are the caller's
            missing = error.errno in _NOT_THERE
            why = error.strerror or type(error).__name__
            raise FfmpegFailed(
                f"ffmpeg could not be started: {why}.",
                hint=_INSTALL if missing else "Try again when this machine has less to do.",
            ) from error
        if memory is not None and resource is not None:
            with contextlib.suppress(OSError):  # it has ended already
                resource.prlimit(process.pid, resource.RLIMIT_AS, (memory, memory))
        if not brief and hasattr(os, "setpriority"):  # not on Windows
            with contextlib.suppress(OSError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, process.pid, bounds.NICE)
        yield process


def source(path: Path) -> list[str]:
    """Input arguments for a file that came from anywhere, up to and with ``-i``."""
    return [*_GUARD, "-i", f"file:{path}"]


@dataclass(frozen=True, slots=True)
class Finished:
    """Result of a run of ffmpeg. Of a long ``log`` the beginning and the end."""

    code: int
    stdout: bytes
    log: bytes

    @property
    def stderr(self) -> str:
        return self.log.decode("utf-8", "replace")


def run(
    args: Sequence[str],
    *,
    timeout: float,
    check: bool = True,
    quiet: bool = True,
    meanwhile: Callable[[], object] | None = None,
    sink: Callable[[bytes], object] | None = None,
    most: int = MOST_BYTES,
    memory: int | None = None,
) -> Finished:
    """Run ffmpeg to its end, within ``timeout`` seconds.

    Raises ``FfmpegFailed`` when there is no ffmpeg, on a time-out, on more than ``most`` bytes of
    output, and on a failure when ``check``. ``meanwhile`` is called once while ffmpeg works.
    ``sink`` gets the output block by block, and none is kept; its exceptions end the run.
    ``memory`` bounds the address space of ffmpeg, in bytes.
    """
    flags = _QUIET if quiet else ("-hide_banner", "-nostdin")
    out = bytearray()
    with (
        Log() as log,
        _begun(
            [*flags, *args], brief=timeout <= _LOOK, stderr=log.writer, memory=memory
        ) as process,
        Watchdog(process, timeout) as watchdog,
    ):
        assert process.stdout is not None  # noqa: S101 - a pipe
        log.handed_over()
        if meanwhile is not None:
            meanwhile()
        with watchdog.waiting():
            while block := os.read(process.stdout.fileno(), _BLOCK):
                if sink is not None:
                    sink(block)
                    continue
                out += block
                if len(out) > most:
                    message = f"ffmpeg wrote more than the {most / 1e6:.0f} MB that are read."
                    raise FfmpegFailed(message, hint=_SMALLER)
            process.wait()
    if watchdog.bit:
        raise TimedOut(f"ffmpeg did not finish within {timeout:.0f} s.", hint=_SMALLER)
    done = Finished(process.returncode, bytes(out), log.text())
    if check and done.code:
        raise FfmpegFailed(f"ffmpeg failed: {last_line(done.stderr)}", hint=_DAMAGED)
    return done


def run_to_end(
    args: Sequence[str],
    *,
    seconds: float,
    on_progress: Callable[[float], None] | None = None,
    stop: Callable[[], bool] | None = None,
    patience: float = 60.0,
) -> None:
    """Run a long job, with progress from ffmpeg's own report.

    ``seconds`` is the length of what is written; ``on_progress`` gets 0..1; ``stop`` is asked about
    twice a second and ends the run with ``Interrupted``. Raises ``FfmpegFailed`` on a failure and
    after ``patience`` seconds without progress, also of a silent ffmpeg.
    """
    reports_too = ["-stats_period", "0.5", "-progress", "pipe:1", *args]
    with start(reports_too, stdin=False, stop=stop) as running:
        assert running.stdout is not None  # noqa: S101 - start() opens it
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        reports = running.stdout

        def read() -> None:
            with contextlib.suppress(OSError, ValueError):  # closed, because the run was given up
                while line := reports.readline(_LINE):
                    lines.put(line)
            lines.put(b"")

        threading.Thread(target=read, daemon=True).start()
        moved, best = time.monotonic(), -1.0
        while True:
            try:
                raw = lines.get(timeout=min(_ASKED, patience))
            except queue.Empty:
                raw = b"\n"
            bounds.check_stop(stop)
            if not raw:
                break
            key, _, value = raw.decode("ascii", "replace").strip().partition("=")
            if key == "out_time_us" and value.lstrip("-").isdigit():
                at = max(0, int(value)) / 1e6
                if at > best:
                    moved, best = time.monotonic(), at
                    if on_progress is not None and seconds > 0:
                        on_progress(min(1.0, at / seconds))
            if time.monotonic() - moved > patience:
                raise TimedOut(f"ffmpeg made no progress for {patience:.0f} s.", hint=_SMALLER)
        running.finish()
    if on_progress is not None:
        on_progress(1.0)


class Running:
    """A started ffmpeg with its pipes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Log) -> None:
        self.process, self._log = process, log
        self.stdin, self.stdout = process.stdin, process.stdout

    def finish(self, timeout: float = 120.0) -> None:
        """Wait for a clean end. Raises ``FfmpegFailed`` otherwise."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            message = f"ffmpeg did not finish within {timeout:.0f} s."
            raise TimedOut(message, hint=_SMALLER) from error
        if code:
            raise FfmpegFailed(f"ffmpeg failed: {self.said()}", hint=_DAMAGED)

    def said(self) -> str:
        """The last line of its error output."""
        return last_line(self._log.text().decode("utf-8", "replace"))


@contextlib.contextmanager
def start(
    args: Sequence[str], *, stdin: bool, stop: Callable[[], bool] | None = None
) -> Iterator[Running]:
    """A started ffmpeg with a pipe for stdout, and one for ``stdin``; it ends with the block."""
    pipe = subprocess.PIPE if stdin else subprocess.DEVNULL
    begun = functools.partial(_begun, [*_QUIET, *args], stdin=pipe, stop=stop)
    with Log() as log, begun(stderr=log.writer) as process:
        log.handed_over()
        yield Running(process, log)


def raw_frames(
    path: Path,
    filters: str,
    frame_bytes: int,
    *,
    limit: float,
    pixel_format: str = "bgr24",
    patience: float = 60.0,
) -> Iterator[bytes]:
    """Decoded frames of a clip, streamed, one ``bytes`` of ``frame_bytes`` each.

    The first picture is at 0 s, whenever it is in the file. ``filters`` is a chain that ends in the
    wanted size and rate; ``limit`` is in seconds. ffmpeg applies the rotation. Raises ``TimedOut``
    when no frame comes for ``patience`` seconds.
    """
    tail = ["-t", f"{limit:.3f}", "-map", "0:V:0", "-vf", f"setpts=PTS-STARTPTS,{filters}"]
    tail += ["-f", "rawvideo", "-pix_fmt", pixel_format, "pipe:1"]
    with (
        # Pictures of another size use the same filters: new ones would begin at 0 s again.
        # One thread is as fast as the reader, and costs a fifth less CPU time than two.
        start(
            ["-reinit_filter", "0", "-threads", "1", *source(path), *tail], stdin=False
        ) as running,
        Watchdog(running.process, patience) as watchdog,
    ):
        assert running.stdout is not None  # noqa: S101 - start() opens it
        while True:
            with watchdog.waiting():
                frame = running.stdout.read(frame_bytes)
            if watchdog.bit:
                raise TimedOut(f"ffmpeg gave no picture for {patience:.0f} s.", hint=_SMALLER)
            if len(frame) < frame_bytes:
                return
            yield frame


def last_line(text: str) -> str:
    """The last line that is not empty, without the path of this machine in it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[-1] if lines else "no reason given"
    if "file:" not in line:
        return line
    return line.rsplit("file:", 1)[0] + line.rsplit(":", 1)[-1].strip()
