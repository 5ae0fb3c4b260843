"""A fit that is killed at any moment: nothing half done under a final name, nothing beside it after the next start, no ffmpeg that goes on.

The child says which moment it is at and then waits, so that the kill falls exactly there and nothing has to be timed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import fit_checks, fit_zoo

from kling_utils.media import ffmpeg, processes
from kling_utils.preflight.plan import FitChoices, plan_file
from kling_utils.preflight.repair import fit, fit_file

CHILD = """
import sys
from pathlib import Path
from kling_utils.media.sized import Sized
from kling_utils.preflight.plan import FitChoices, plan_file
from kling_utils.preflight.repair import fit, fit_file
moment, source, out, start = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
folder = out.parent if out.suffix else out
reached, passes = 0.0, False

def at(now):
    if now == moment:
        print(now, flush=True)
        sys.stdin.read()

def progress(share, what):
    global reached
    reached = share
    if share > 0:
        at("first progress")
    if share >= 0.5:
        at("half")
    if share == 1:
        at("renamed")

def asked():
    at("begun")
    if any(folder.glob(".*.part/*.mp4")):
        at("first file")
    if passes:
        at("first pass")
    if passes and any(folder.glob(".*.part/passes*.log")):
        at("second pass")
    if reached >= 0.99:
        at("before it is renamed")
    return False

def two_passes(self, *args):
    global passes
    passes = True
    return plain(self, *args)

plain, Sized._two_passes = Sized._two_passes, two_passes
plan = plan_file(source, choices=FitChoices(start=start))
print(plan.video.way, flush=True)
(fit_file if out.suffix else fit)(plan, out, on_progress=progress, stop=asked)
"""


@contextmanager
def waiting(
    moment: str, source: Path, out: Path, *, way: str = "encode", start: float = 0.0
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that fits ``source`` into ``out`` and has stopped to wait at the moment. Killed at the end, if it was not."""
    command = [sys.executable, "-c", CHILD, moment, str(source), str(out), str(start)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert [child.stdout.readline().decode().strip() for _ in range(2)] == [way, moment]
            yield child
        finally:
            child.kill()


def names(out: Path, *, hidden: bool) -> list[str]:
    return sorted(each.name for each in out.glob("*") if hidden or not each.name.startswith("."))


def starts_anew(out: Path, folder: Path) -> None:
    """The next fit in that folder, of anything, leaves its own file and nothing else."""
    fitted = fit(plan_file(fit_zoo.IMAGES["webp"](folder)), out)
    assert fitted.image is not None
    assert names(out, hidden=True) == [fitted.image.name]
    fitted.image.unlink()


def to_encode(folder: Path) -> Path:
    return fit_zoo.clip(folder, "a.mkv", video=fit_zoo.X265, size="540x720")


def too_heavy(folder: Path) -> Path:
    return fit_zoo.heavy(folder, seconds=3.2, size="360x480", grain=60)


def heavy_at_its_end(folder: Path) -> Path:
    """So unlike its beginning that one pass cannot hit the size."""
    grain = "noise=alls=100:allf=t:enable='gt(t\\,8.4)'"
    return fit_zoo.clip(
        folder, seconds=9, size="540x720", filters=grain, video=(*fit_zoo.X264, "-crf", "0")
    )


@pytest.mark.parametrize(
    ("make", "moment"),
    [
        (to_encode, "begun"),
        (to_encode, "first progress"),
        (to_encode, "first file"),
        (to_encode, "half"),
        (to_encode, "before it is renamed"),
        (too_heavy, "first file"),
        pytest.param(too_heavy, "half", marks=pytest.mark.matrix),
        pytest.param(too_heavy, "before it is renamed", marks=pytest.mark.matrix),
        pytest.param(heavy_at_its_end, "first pass", marks=pytest.mark.matrix),
        pytest.param(heavy_at_its_end, "second pass", marks=pytest.mark.matrix),
    ],
)
def test_a_kill_leaves_nothing_after_the_next_start(
    tmp_path: Path, make: Callable[[Path], Path], moment: str
) -> None:
    source, out = make(tmp_path), tmp_path / "out"
    with waiting(moment, source, out) as child:
        if moment != "begun":
            assert names(out, hidden=True), "it was not at work"
        child.kill()
    assert names(out, hidden=False) == []
    starts_anew(out, tmp_path)
    if moment == "half":
        again = fit(plan_file(source), out)
        assert again.video is not None
        assert fit_checks.wrong(again.video) == []
        assert names(out, hidden=True) == [again.video.name]


def test_a_kill_while_packets_are_copied(tmp_path: Path) -> None:
    source, out = (
        fit_zoo.clip(tmp_path, seconds=6, rate="12", after=("-g", "24", "-sc_threshold", "0")),
        tmp_path / "out",
    )
    with waiting("before it is renamed", source, out, way="copy", start=2.0) as child:
        child.kill()
    assert names(out, hidden=False) == []
    starts_anew(out, tmp_path)
    assert fit(plan_file(source, choices=FitChoices(start=2.0)), out).video is not None


def test_what_was_renamed_before_the_kill_is_whole(tmp_path: Path) -> None:
    source, out = to_encode(tmp_path), tmp_path / "out"
    with waiting("renamed", source, out) as child:
        child.kill()
    (made,) = (out / name for name in names(out, hidden=False))
    assert fit_checks.wrong(made) == []
    made.unlink()
    starts_anew(out, tmp_path)


def test_a_file_that_is_replaced_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    source, out = to_encode(tmp_path), tmp_path / "out" / "a.mp4"
    out.parent.mkdir()
    out.write_bytes(b"the old one")
    with waiting("before it is renamed", source, out) as child:
        child.kill()
    assert out.read_bytes() == b"the old one"
    assert fit_file(plan_file(source), out).video == out
    assert names(out.parent, hidden=True) == ["a.mp4"]
    assert fit_checks.wrong(out) == []


# -- the ffmpeg of a process that is killed ------------------------------------------------------------------------------------------

AT_WORK = """
import sys
from kling_utils.media import ffmpeg, processes
hour = ["-re", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=10", "-t", "3600", "-c:v", "libx264", "-f", "mp4", sys.argv[2]]
def at_work(*_):
    print("at work", flush=True)
    sys.stdin.read()
if sys.argv[1] == "run":
    ffmpeg.run(hour, timeout=3600, meanwhile=at_work)
else:
    ffmpeg.run_to_end(hour, seconds=3600, on_progress=at_work)
"""


def ffmpegs_of(pid: int) -> list[int]:
    """The processes that ``pid`` started and that are the bundled ffmpeg."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and (each / "exe").resolve() == Path(ffmpeg.executable()).resolve():
                found.append(int(each.name))
    return found


@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"),
    reason="needs Linux, where one can wait for a process that is not one's own",
)
@pytest.mark.parametrize(
    ("door", "end"),
    [("run_to_end", signal.SIGKILL), ("run_to_end", signal.SIGTERM), ("run", signal.SIGKILL)],
)
def test_ffmpeg_does_not_go_on_alone(tmp_path: Path, door: str, end: signal.Signals) -> None:
    command = [sys.executable, "-c", AT_WORK, door, str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"at work\n"
        (pid,) = ffmpegs_of(child.pid)
        watched = os.pidfd_open(pid)
        try:
            child.send_signal(end)
            child.wait()
            assert select.select([watched], [], [], 60)[0], (
                "ffmpeg, which has an hour to do, is still at work"
            )
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.close(watched)


def test_who_has_ended_by_then_is_not_touched() -> None:
    """Its number may be another's already."""
    wait = [sys.executable, "-I", "-S", "-c", "input()"]
    with (
        subprocess.Popen(wait, stdin=subprocess.PIPE) as ended,
        subprocess.Popen(wait, stdin=subprocess.PIPE) as left,
        subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", processes._REAPER], stdin=subprocess.PIPE
        ) as reaper,
    ):
        reaper.communicate(b"%d\n%d\n%d\n" % (ended.pid, left.pid, -ended.pid))
        assert left.wait() != 0
        assert ended.poll() is None
        ended.communicate(b"\n")
        assert ended.returncode == 0


def test_a_process_that_ends_well_ends_at_once_and_without_a_word() -> None:
    code = "from kling_utils.media import ffmpeg, processes; ffmpeg.run(['-version'], timeout=100); assert processes._reapers"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
