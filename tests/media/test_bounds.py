"""The bounds hold where the work is begun: ffmpeg's processes and decoded pictures, whoever begins them."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from kling_utils.errors import Interrupted
from kling_utils.media import bounds, ffmpeg
from kling_utils.media.bounds import visitor
from kling_utils.media.images import MAX_MEMORY, open_picture, picture_cost

OTHERS = 4


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    """A file that never gives a byte: whoever opens it waits."""
    path = tmp_path / "silent.mp4"
    os.mkfifo(path)
    held = os.open(path, os.O_RDWR)
    yield path
    os.close(held)


def nice(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def test_long_runs_are_bounded_and_looks_do_not_wait_for_them(silent: Path) -> None:
    over = threading.Event()
    begun: list[int] = []
    more = threading.Condition()

    def long_run(who: str) -> None:
        visitor.set(who)
        with (
            contextlib.suppress(Interrupted),
            ffmpeg.start(
                [*ffmpeg.source(silent), "-f", "null", "-"], stdin=False, stop=over.is_set
            ) as running,
        ):
            with more:
                begun.append(nice(running.process.pid))
                more.notify_all()
            over.wait(60)

    with ThreadPoolExecutor(bounds.LONG_RUNS + OTHERS) as threads:
        runs = [threads.submit(long_run, "a") for _ in range(bounds.LONG_RUNS + OTHERS)]
        try:
            with more:
                assert more.wait_for(lambda: len(begun) == bounds.LONG_RUNS, 30)
            assert ffmpeg.run(["-version"], timeout=20, quiet=False).stdout  # a look
            with pytest.raises(Interrupted):
                ffmpeg.run_to_end(["-version"], seconds=1, stop=lambda: True)
            assert len(begun) == bounds.LONG_RUNS
            assert set(begun) == {max(bounds.NICE, nice(0))}
        finally:
            over.set()
        for run in runs:
            run.result(60)


def test_a_thread_that_runs_one_may_run_more_inside(silent: Path) -> None:
    args = [*ffmpeg.source(silent), "-f", "null", "-"]
    with contextlib.ExitStack() as stack:
        for _ in range(bounds.LONG_RUNS + 1):
            stack.enter_context(ffmpeg.start(args, stdin=False))


def test_decoded_pictures_share_the_memory_that_there_is(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (7000, 6000)).save(path, compress_level=1)
    most = bounds.PICTURE_MEMORY // picture_cost(path)[1]
    assert 1 <= most < OTHERS
    open_now, peak, lock = [0], [0], threading.Lock()

    def look(_: int) -> None:
        with open_picture(path):
            with lock:
                open_now[0] += 1
                peak[0] = max(peak[0], open_now[0])
            with lock:
                open_now[0] -= 1

    with ThreadPoolExecutor(OTHERS) as threads:
        waiting: list[Future[None]] = [threads.submit(look, n) for n in range(OTHERS)]
        for each in waiting:
            each.result(60)
    assert 1 <= peak[0] <= most


def test_the_largest_picture_fits() -> None:
    assert bounds.PICTURE_MEMORY >= MAX_MEMORY


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="needs limits of processes")
def test_a_clip_that_names_millions_of_samples_takes_no_memory(tmp_path: Path) -> None:
    """200 kB whose tables claim a hundred million pictures: ffmpeg would make an index of them all."""
    clip = tmp_path / "bomb.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=s=320x480:r=25:d=3"]
    ffmpeg.run([*source, *ffmpeg.H264, "-bf", "0", str(clip)], timeout=60)
    data, count = bytearray(clip.read_bytes()), 100_000_000
    for box, fields in (
        (b"stsz", (1, count)),
        (b"stts", (1, count, 512)),
        (b"stsc", (1, 1, count, 1)),
        (b"stco", (1,)),
    ):
        struct.pack_into(f">{len(fields)}I", data, data.index(box) + 8, *fields)
    clip.write_bytes(data)
    script = (
        "import resource, sys; from pathlib import Path;"
        "from kling_utils.errors import UnreadableMedia; from kling_utils.media.probe import probe_video\n"
        "try: probe_video(Path(sys.argv[1])); print('read')\n"
        "except UnreadableMedia: print('refused')\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(clip)], capture_output=True, text=True, timeout=120
    )
    said, megabytes = done.stdout.split()
    assert said == "refused", done.stderr
    assert int(megabytes) < bounds.LOOK_MEMORY / 2**20
