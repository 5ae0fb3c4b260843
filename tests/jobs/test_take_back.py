"""Taking back what was lent: all of it at the end, and nothing that another job still needs."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_utils import events as ev
from kling_utils.errors import NotPublished
from kling_utils.jobs.budget import Limits
from kling_utils.jobs.home import Home, new_job_id
from kling_utils.jobs.store import JobSecrets, Store
from kling_utils.jobs.timing import Pace
from kling_utils.jobs.worker import Worker
from kling_utils.media.fetch import Guard
from kling_utils.providers.publish import PublishTarget
from kling_utils.values import Job, MotionRequest, Published, Report


class Host:
    """Notes what is taken back."""

    def __init__(self) -> None:
        self.gone: list[str] = []
        self.fails = False

    def publish(self, path: Path) -> Published:
        raise AssertionError("nothing is published here")

    def withdraw(self, path: Path) -> None:
        if self.fails:
            raise NotPublished("The store is closed.", hint="Open it.", field="video")
        self.gone.append(path.name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(Home(tmp_path / "home"))
    yield opened
    opened.close()


def job(
    store: Store,
    take: int,
    *,
    image: bytes = b"hero",
    video: bytes = b"dance",
    video_url: str | None = None,
) -> Job:
    folder = store.home.folder(job_id := new_job_id())
    folder.mkdir()
    (folder / "image.png").write_bytes(image)
    (folder / "video.mp4").write_bytes(video)
    request = MotionRequest(folder / "image.png", folder / "video.mp4")
    made = Job(
        job_id,
        "home",
        "novita",
        take,
        "processing",
        request,
        "f" * 64,
        1.0,
        1.0,
        folder,
        "hero.png",
        "dance.mp4",
        5.0,
    )
    store.add(
        made,
        JobSecrets("settings", None, video_url, True),
        ev.Checked(report=Report(()), quote=None),
    )
    return made


def working(store: Store, way: PublishTarget) -> Worker:
    return Worker(
        store,
        provider=lambda _: pytest.fail("nobody is asked"),
        guard=Guard(),
        pace=Pace(),
        clock=lambda: 10.0,
        rng=random.Random(1),
        stopping=threading.Event(),
        ways=lambda _: [way],
        limits=Limits,
        balance=lambda job, before: None,
        after=lambda _: None,
    )


def back(worker: Worker, store: Store, job: Job, *, unsent: bool = False) -> list[str]:
    """What is said while the job's files are taken back."""
    worker.take_back(job, unsent=unsent)
    return [event.text for _, event in store.events(job.job_id) if isinstance(event, ev.Note)]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def worker(store: Store, host: Host) -> Worker:
    return working(store, PublishTarget(host, "the store", True, by_content=True))


def test_both_files_are_taken_back_at_the_end(store: Store, host: Host, worker: Worker) -> None:
    assert back(worker, store, job(store, 1)) == []
    assert host.gone == ["image.png", "video.mp4"]


def test_what_another_job_still_needs_stays_until_that_one_has_ended(
    store: Store, host: Host, worker: Worker
) -> None:
    first, second = job(store, 1), job(store, 2, image=b"another hero")
    assert back(worker, store, first) == []
    assert host.gone == ["image.png"]
    store.change(first.job_id, now=11.0, state="succeeded")
    assert back(worker, store, second) == []
    assert host.gone == ["image.png", "image.png", "video.mp4"]


def test_an_address_of_the_users_own_is_not_touched(
    store: Store, host: Host, worker: Worker
) -> None:
    assert back(worker, store, job(store, 1, video_url="https://e.example/a.mp4")) == []
    assert host.gone == ["image.png"]


def test_what_cannot_be_taken_back_is_said_and_fails_nothing(
    store: Store, host: Host, worker: Worker
) -> None:
    host.fails = True
    assert back(worker, store, job(store, 1)) == [
        "The image could not be taken back from the store: The store is closed.",
        "The video could not be taken back from the store: The store is closed.",
    ]


def test_an_address_of_its_own_is_taken_back_whatever_others_hold(store: Store, host: Host) -> None:
    worker = working(store, PublishTarget(host, "this page", True))
    first, _ = job(store, 1), job(store, 2)
    assert back(worker, store, first) == []
    assert host.gone == ["image.png", "video.mp4"]


def test_what_a_refused_submit_shares_with_another_job_stays(store: Store, host: Host) -> None:
    leaves = PublishTarget(host, "the store", False, by_content=True)
    worker = working(store, leaves)
    first, _ = job(store, 1), job(store, 2, image=b"another hero")
    assert back(worker, store, first, unsent=True) == []
    assert host.gone == ["image.png"]
    assert back(worker, store, first) == []
    assert host.gone == ["image.png"], "what was sent is left there"
