"""Bounds hold where work begins: processes of ffmpeg, decoded pictures; turns are fair."""

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

from kling_utils.errors import Busy, Interrupted
from kling_utils.media import bounds, ffmpeg
from kling_utils.media.bounds import Lane, Rate, Slots, Ticket, Turns, visitor
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


# -- turns: who is next ----------------------------------------------------------------------------


class Row:
    """Tickets that write down the order of their turns."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.order, self.tickets = turns, list[str](), list[Ticket]()

    def ask(self, who: str, weight: int = 1) -> Ticket:
        ticket = Ticket(who, lambda: self.order.append(who), weight)
        self.turns.ask(ticket)
        self.tickets.append(ticket)
        return ticket

    def end_all(self) -> None:
        """End each turn, the oldest first, until nobody waits."""
        while held := [t for t in self.tickets if t.state == "held"]:
            self.turns.leave(held[0])


def test_one_ask_goes_before_the_second_of_another_visitor() -> None:
    row = Row(Turns(1, "tests"))
    for who in ["a", "a", "a", "a", "b", "c", "b"]:
        row.ask(who)
    row.end_all()
    assert row.order == ["a", "b", "c", "a", "b", "a", "a"]


def test_bounds_hold_in_all_and_for_a_visitor() -> None:
    row = Row(Turns(3, "tests", each=2))
    for _ in range(5):
        row.ask("a")
    assert row.order == ["a", "a"]
    row.ask("b")
    assert row.order == ["a", "a", "b"]
    row.ask("c")
    assert row.order == ["a", "a", "b"]


def test_a_small_ask_passes_a_large_one_but_not_for_ever() -> None:
    row = Row(Turns(10, "tests"))
    first = row.ask("a", 6)
    row.ask("large", 99)
    for n in range(12):
        row.turns.leave(row.ask(f"small {n}"))
    assert row.order == ["a", *(f"small {n}" for n in range(8))]
    row.turns.leave(first)
    row.end_all()
    assert row.order[9:] == ["large"]  # the others did not wait for it any more


def test_a_queue_that_is_full_says_so_and_nothing_was_spent() -> None:
    row = Row(Turns(1, "tests", queue=3, queue_each=2))
    for _ in range(3):
        row.ask("a")
    with pytest.raises(Busy, match=r"busy with tests. Try again in a moment. Nothing was spent."):
        row.ask("a")
    row.ask("b")
    with pytest.raises(Busy):
        row.ask("c")
    row.end_all()
    assert sorted(row.order) == ["a", "a", "a", "b"]


def test_nothing_stays_of_visitors_who_want_nothing() -> None:
    turns = Turns(1, "tests")
    row = Row(turns)
    waiting = [row.ask(str(n)) for n in range(20)]
    for ticket in waiting:
        turns.leave(ticket)
        turns.leave(ticket)  # a second time does nothing
    assert turns._lines == {}
    assert turns._held == 0


def test_a_wait_ends_in_busy_or_where_it_is_stopped_and_holds_nothing() -> None:
    slots = Slots(Turns(1, "tests"), patience=0.01)
    with slots.taken(), ThreadPoolExecutor(1) as other:

        def wait(stop: bool) -> None:
            with slots.taken(stop=(lambda: True) if stop else None):
                pytest.fail("there is no turn")

        with pytest.raises(Busy):
            other.submit(wait, False).result()
        with pytest.raises(Interrupted):
            other.submit(wait, True).result()
        with slots.taken():  # the thread that holds one needs no second one
            pass
    with slots.taken(), pytest.raises(ValueError, match="inside"):
        raise ValueError("inside")
    with slots.taken():
        pass


def test_a_lane_runs_in_turn_for_the_visitor_of_the_context() -> None:
    lane = Lane("test", Turns(2, "tests", each=1))
    go, order = threading.Event(), list[str]()
    most, running, lock = [0], [0], threading.Lock()

    def work() -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            order.append(visitor.get())
        go.wait(20)
        with lock:
            running[0] -= 1
        return visitor.get()

    futures = []
    for who in ["a", "a", "a", "b"]:
        token = visitor.set(who)
        futures.append(lane.submit(work))
        visitor.reset(token)
    assert futures[2].cancel()
    go.set()
    assert [futures[n].result(20) for n in (0, 1, 3)] == ["a", "a", "b"]
    assert most == [2]
    assert sorted(order[:2]) == ["a", "b"]


def test_what_a_lane_runs_raises_in_its_future() -> None:
    lane = Lane("test", Turns(1, "tests"))

    def fail() -> None:
        raise Busy("no")

    for _ in range(3):
        with pytest.raises(Busy):
            lane.submit(fail).result(20)


def test_a_rate_holds_in_all_and_for_a_visitor_and_time_gives_it_back() -> None:
    rate = Rate(5, 2, 60.0, "other keys")

    def ask(who: str, now: float) -> bool:
        try:
            rate.count(who, now)
        except Busy:
            return False
        return True

    assert [ask("a", 1.0 + n) for n in range(3)] == [True, True, False]
    assert [ask(who, 10.0) for who in "bcde"] == [True, True, True, False], "five in all"
    assert not ask("a", 60.9), "what was refused counts as nothing"
    assert ask("a", 61.0), "a minute after the first one"
    assert not ask("f", 61.5)
    assert [ask(who, 70.0) for who in "fghi"] == [True, True, True, True]
