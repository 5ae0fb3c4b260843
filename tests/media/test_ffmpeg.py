"""The door to ffmpeg: what it says is read with a cap, and one that says nothing is ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import zoo

from kling_utils.errors import FfmpegFailed, Interrupted
from kling_utils.media import ffmpeg
from kling_utils.media.processes import Log, opened


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    """A file that never gives a byte: whoever opens it waits."""
    path = tmp_path / "silent.mp4"
    os.mkfifo(path)
    held = os.open(path, os.O_RDWR)
    yield path
    os.close(held)


def test_an_export_without_a_line_of_progress_is_ended(silent: Path, tmp_path: Path) -> None:
    args = [*ffmpeg.source(silent), "-f", "null", "-"]
    with pytest.raises(ffmpeg.TimedOut, match="no progress"):
        ffmpeg.run_to_end(args, seconds=3, patience=0.3)


def test_an_export_that_only_says_that_it_is_alive_is_ended() -> None:
    # the pictures come in real time, and only one in a thousand seconds: the reports go on, the time in them does not
    args = ["-re", "-f", "lavfi", "-i", "testsrc=r=1/1000:s=32x32", "-f", "null", "-"]
    with pytest.raises(ffmpeg.TimedOut, match="no progress"):
        ffmpeg.run_to_end(args, seconds=3000, patience=1.2)


def test_a_silent_export_can_be_stopped(silent: Path) -> None:
    args = [*ffmpeg.source(silent), "-f", "null", "-"]
    with pytest.raises(Interrupted):
        ffmpeg.run_to_end(args, seconds=3, stop=lambda: True, patience=60)


def test_a_silent_decoder_is_ended(silent: Path) -> None:
    with pytest.raises(ffmpeg.TimedOut, match="no picture"):
        list(ffmpeg.raw_frames(silent, "null", 64, limit=3, patience=0.3))


def test_a_silent_look_is_ended(silent: Path) -> None:
    with pytest.raises(ffmpeg.TimedOut, match="did not finish"):
        ffmpeg.run([*ffmpeg.source(silent), "-f", "null", "-"], timeout=0.3)


def test_output_beyond_its_cap_ends_the_run() -> None:
    args = ["-f", "lavfi", "-i", "testsrc=s=640x480", "-f", "rawvideo", "pipe:1"]
    with pytest.raises(FfmpegFailed, match="more than the 1 MB"):
        ffmpeg.run(args, timeout=60, most=1_000_000)


def test_what_a_sink_raises_ends_the_run() -> None:
    def sink(block: bytes) -> None:
        raise ValueError(len(block))

    args = ["-f", "lavfi", "-i", "testsrc=s=640x480", "-f", "rawvideo", "pipe:1"]
    with pytest.raises(ValueError, match=r"^[0-9]+$"):
        ffmpeg.run(args, timeout=60, sink=sink)


def test_of_a_long_log_the_beginning_and_the_end_are_kept() -> None:
    says = "import sys; sys.stderr.write('first\\n' + 'x' * 99 + '\\n')\n"
    says += "for _ in range(100_000): sys.stderr.write('y' * 99 + '\\n')\nsys.stderr.write('last')"
    with (
        Log() as log,
        opened([sys.executable, "-I", "-c", says], brief=True, stderr=log.writer) as process,
    ):
        log.handed_over()
        process.wait()
        text = log.text()
    assert text.startswith(b"first\n")
    assert text.endswith(b"\nlast")
    assert len(text) < Log.HEAD + 2 * Log.TAIL + 100_000


def test_no_pipe_is_left_open(tmp_path: Path) -> None:
    clip = zoo.clip(tmp_path, seconds=1, size="64x64")
    args = [*ffmpeg.source(clip), "-f", "null", "-"]
    ffmpeg.run(args, timeout=60)
    before = set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()
    for _ in range(3):
        ffmpeg.run(args, timeout=60)
        ffmpeg.run_to_end(args, seconds=1)
        list(ffmpeg.raw_frames(clip, "null", 64 * 64 * 3, limit=1))
    after = set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()
    assert len(after) <= len(before) + 2  # the reaper's pipe and the folder that is listed


def test_a_process_that_cannot_be_started_leaves_no_log_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        Log() as log,
        opened([str(tmp_path / "gone")], stderr=log.writer, stdin=subprocess.DEVNULL),
    ):
        pass
    assert log.text() == b""
