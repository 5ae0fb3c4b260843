"""Who gets a thread: what hangs holds up its own kind and its own owner only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_utils import events as ev
from kling_utils.jobs.home import Home, new_job_id
from kling_utils.jobs.store import JobSecrets, Store
from kling_utils.jobs.timing import Pace
from kling_utils.jobs.watcher import LANES, Lane, Watcher, share
from kling_utils.values import Job, MotionRequest, Report


class Worker:
    """Steps of the owner ``slow`` hang until they are released; those of others are counted."""

    def __init__(self, store: Store) -> None:
        self.store, self.released = store, threading.Event()
        self.lanes: dict[str, tuple[Lane, str]] = {}
        self.hanging, self.most, self.done = 0, 0, list[str]()
        self.changed = threading.Condition()

    def add(self, lane: Lane, owner: str) -> str:
        job_id = new_job_id()
        folder = self.store.home.folder(job_id)
        folder.mkdir()
        request = MotionRequest(folder / "image.png", folder / "video.mp4")
        job = Job(
            job_id, owner, "novita", 1, "queued", request, job_id, 1.0, 1.0, folder, "a", "b", 5.0
        )
        private = JobSecrets("none", None, None, True)
        self.store.add(job, private, ev.Checked(report=Report(()), quote=None))
        self.lanes[job_id] = (lane, owner)
        return job_id

    def advance(self, job_id: str) -> None:
        if self.lanes[job_id][1] == "slow":
            with self.changed:
                self.hanging += 1
                self.most = max(self.most, self.hanging)
                self.changed.notify_all()
            self.released.wait(20)
            with self.changed:
                self.hanging -= 1
        else:
            with self.changed:
                self.done.append(job_id)
                self.changed.notify_all()


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Worker]:
    store = Store(Home(tmp_path / "home"))
    yield Worker(store)
    store.close()


@pytest.fixture
def watcher(steps: Worker) -> Iterator[Watcher]:
    made = Watcher(
        steps.store,
        steps.advance,
        lane_of=steps.lanes.__getitem__,
        servable=lambda job_id: False,
        sweep=lambda: None,
        settle=lambda: None,
        pace=Pace(),
    )
    yield made
    steps.released.set()
    made.close()


def test_sends_that_hang_delay_no_poll_no_download_and_no_draft(
    steps: Worker, watcher: Watcher
) -> None:
    for _ in range(2 * LANES["send"]):
        watcher.add(steps.add("send", "slow"))
    with steps.changed:
        assert steps.changed.wait_for(lambda: steps.hanging == share("send", "slow"), 10)
    lanes: tuple[Lane, ...] = ("poll", "save", "draft")
    others = [steps.add(lane, "quick") for lane in lanes]
    for job_id in others:
        watcher.add(job_id)
    with steps.changed:
        assert steps.changed.wait_for(lambda: set(steps.done) == set(others), 10)
    assert steps.most == share("send", "slow"), "the bound holds"


@pytest.mark.parametrize("lane", LANES)
def test_a_visitor_has_a_quarter_of_a_lane(steps: Worker, watcher: Watcher, lane: Lane) -> None:
    for _ in range(20):
        watcher.add(steps.add(lane, "slow"))
    quick = steps.add(lane, "quick")
    watcher.add(quick)
    with steps.changed:
        assert steps.changed.wait_for(lambda: steps.done == [quick], 10)
    assert steps.most == share(lane, "slow") < LANES[lane]
