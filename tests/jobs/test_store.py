"""The store, as two processes that share a home see it: what the database promises by itself."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from kling_utils import events as ev
from kling_utils.errors import NoSuchJob, SettingError
from kling_utils.jobs import database
from kling_utils.jobs.home import Home, new_job_id
from kling_utils.jobs.store import DraftLimitReached, DuplicateRequest, JobSecrets, Store
from kling_utils.media.files import part_name, temp_workdir
from kling_utils.values import HOME_OWNER, Job, MotionRequest, Provider, Report, Trouble

CHECKED = ev.Checked(report=Report(()), quote=None)
PRIVATE = JobSecrets("none", None, None, True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(Home(tmp_path / "home"))
    yield opened
    opened.close()


def make(store: Store, **given: object) -> Job:
    job_id = new_job_id()
    folder = store.home.folder(job_id)
    folder.mkdir()
    request = MotionRequest(folder / "image.png", folder / "video.mp4", prompt="näcken ☂")
    job = Job(
        job_id,
        "home",
        "novita",
        1,
        "checked",
        request,
        "f" * 64,
        100.0,
        100.0,
        folder,
        "hero.png",
        "dance.mp4",
        5.0,
    )
    return replace(job, **given)  # type: ignore[arg-type]


def add(store: Store, **given: object) -> Job:
    job = make(store, **given)
    store.add(job, PRIVATE, CHECKED)
    return job


def test_a_job_comes_back_as_it_was_written(store: Store) -> None:
    job = add(store)
    assert store.get(job.job_id) == job
    assert store.jobs() == [job]
    assert [event for _, event in store.events(job.job_id)] == [CHECKED]


def test_the_same_request_cannot_be_unfinished_twice(store: Store) -> None:
    first = add(store)
    with pytest.raises(DuplicateRequest):
        add(store)
    add(store, provider="local")  # at another provider it is another job
    add(store, owner="visitor")
    add(store, take=2)
    store.change(first.job_id, now=101.0, state="failed")
    add(store)  # finished: it may be asked again


def test_a_double_click_is_one_job_by_the_databases_word(store: Store) -> None:
    jobs = [make(store) for _ in range(8)]

    def click(job: Job) -> bool:
        try:
            store.add(job, PRIVATE, CHECKED)
        except DuplicateRequest:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(click, jobs)) == 1


def test_what_is_leased_is_not_marked_by_whoever_only_looked(store: Store) -> None:
    job = add(store)
    note = ev.Note(text="no key")
    assert not store.change(job.job_id, note, now=129.0, unleased=True, waits_for="key")
    assert store.get(job.job_id).waits_for == ""
    store.release(job.job_id)
    assert store.change(job.job_id, note, now=130.0, unleased=True, waits_for="key")
    assert store.get(job.job_id).waits_for == "key"


def test_another_owner_sees_nothing(store: Store) -> None:
    job = add(store, owner="alice")
    assert store.jobs(owner="bob") == []
    with pytest.raises(NoSuchJob):
        store.get(job.job_id, owner="bob")


def test_a_change_and_its_events_are_one(store: Store) -> None:
    job = add(store)
    told = ev.Submitted(task_id="t1")
    assert store.change(
        job.job_id, told, now=101.0, leased=True, states=("checked",), state="queued", task_id="t1"
    )
    assert not store.change(
        job.job_id, told, now=102.0, leased=True, states=("checked",), state="queued"
    )  # not in that state any more
    other = Store(store.home)
    assert not other.change(job.job_id, told, now=102.0, leased=True, state="failed")  # not its job
    other.close()
    assert store.get(job.job_id).state == "queued"
    seen = store.events(job.job_id)
    assert [event for _, event in seen] == [CHECKED, told]
    assert store.events(job.job_id, after=seen[0][0]) == seen[1:]


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """Another process of the same home."""
    opened = Store(store.home)
    yield opened
    opened.close()


def test_a_lease_is_one_processes_until_it_is_gone(store: Store, other: Store) -> None:
    job = add(store, state="queued")
    assert not other.claim(job.job_id)
    assert other.adoptable() == []
    assert not other.change(job.job_id, now=131.0, leased=True, state="failed")
    store.close()
    assert other.adoptable() == [job.job_id]
    assert other.claim(job.job_id)
    assert other.change(job.job_id, now=131.0, leased=True, state="processing")
    other.release(job.job_id)
    assert other.adoptable() == [job.job_id]


def test_a_lease_is_the_processes_in_every_thread(store: Store, other: Store) -> None:
    job = add(store, state="queued")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(store.private, job.job_id).result().leased
        assert pool.submit(store.adoptable).result() == []
        pool.submit(store.close).result()
    assert other.claim(job.job_id)


def test_leases_are_given_back_in_one_transaction(store: Store, other: Store) -> None:
    for n in range(50):
        add(store, state="queued", fingerprint=f"{n:064}")
    writes: list[str] = []
    event.listen(store._read, "commit", lambda connection: writes.append("commit"))
    store.close()
    assert writes == ["commit"]
    assert len(other.adoptable()) == 50


def test_a_process_that_was_killed_holds_nothing_whatever_the_clock_says(store: Store) -> None:
    script = (
        "import os, sys; from pathlib import Path; from kling_utils.jobs.home import Home;"
        "from kling_utils.jobs.store import Store;"
        "store = Store(Home(Path(sys.argv[1]))); print(store.claim(sys.argv[2]), flush=True);"
        "input(); os._exit(9)"
    )
    job = add(store, state="queued")
    store.release(job.job_id)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(store.home.root), job.job_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "True\n"
        assert not store.claim(job.job_id)
        assert store.private(job.job_id).leased
        killed.communicate("\n")
    assert not store.private(job.job_id).leased
    assert store.claim(job.job_id)
    assert len(list(store.home.workers.glob("*.lock"))) == 1, "the dead one's file is gone"


def test_what_waits_or_is_paid_and_was_not_sent_is_not_adopted(store: Store, other: Store) -> None:
    add(store, state="checked", fingerprint="a" * 64)
    waiting = add(store, state="queued", fingerprint="b" * 64)
    add(store, state="unconfirmed", fingerprint="c" * 64)
    draft = add(store, state="checked", provider="local", fingerprint="d" * 64)
    store.change(waiting.job_id, now=101.0, waits_for="key")
    store.close()
    assert other.adoptable() == [draft.job_id], "a draft costs nothing"


def test_a_request_that_somebody_else_just_made_is_not_made_again(store: Store) -> None:
    """Between the look at the other jobs and the write, another process may have sent the request, and ended."""
    known = add(store, state="failed")
    ended = add(store, state="failed", take=2)
    with pytest.raises(DuplicateRequest):
        store.add(make(store, take=2), PRIVATE, CHECKED, known=[known.job_id])
    store.add(make(store, take=3), PRIVATE, CHECKED, known=[known.job_id, ended.job_id])


def test_leases_by_the_clock_are_migrated(tmp_path: Path) -> None:
    store = Store(Home(tmp_path / "old"))
    job = add(store, state="queued")
    store.close()
    with sqlite3.connect(store.home.database) as db:
        db.execute("ALTER TABLE jobs ADD COLUMN lease_until FLOAT NOT NULL DEFAULT 0.0")
        db.execute("UPDATE jobs SET lease_by = 'w1', lease_until = 9e9")
        db.execute("UPDATE schema_version SET version = 1")
    opened = Store(store.home)
    assert opened.claim(job.job_id)
    opened.close()


def test_trouble_survives(store: Store) -> None:
    job = add(store)
    trouble = Trouble(
        "TaskFailed",
        "It failed.",
        "Crop.",
        "unknown",
        words="No complete upper body",
        field="video",
    )
    store.change(job.job_id, ev.Failed(trouble=trouble), now=101.0, state="failed", trouble=trouble)
    assert store.get(job.job_id).trouble == trouble


def test_a_sweep_takes_old_results_and_orphans_but_no_unfinished_job(store: Store) -> None:
    old, running = (
        add(store, state="succeeded", fingerprint="a" * 64, provider="local"),
        add(store, state="processing", fingerprint="b" * 64),
    )
    paid = add(store, state="succeeded", fingerprint="c" * 64)
    visitors = add(store, state="succeeded", fingerprint="c" * 64, owner="visitor")
    for each in (old, paid, visitors):
        store.change(each.job_id, now=50.0, finished_at=50.0)
    orphan = store.home.root / "jobs" / new_job_id()
    orphan.mkdir()
    fitted, half = store.home.new_fitted() / "clip.mp4", part_name(store.home.new_fetched())
    killed, working = store.home.new_fitted(), store.home.new_fitted()
    (killed / ".clip.mp4.0123456789ab.part").mkdir(parents=True)
    fitted.parent.mkdir()
    for path in (fitted, half):
        path.write_bytes(b"clip")
    now = half.stat().st_mtime
    with temp_workdir(working, "clip.mp4") as bench:
        store.sweep(ended_before=60.0, unused_since=now - 10, halves_since=now - 1)
        assert bench.exists(), "somebody works there, however long it takes"
    assert not killed.exists()
    assert orphan.exists(), "somebody may be writing it right now"
    assert half.exists()
    store.sweep(ended_before=60.0, unused_since=now - 10, halves_since=now + 1)
    assert not old.folder.exists()
    assert not orphan.exists()
    assert not half.exists()
    assert fitted.exists(), "it may stand in somebody's form"
    assert running.folder.exists()
    assert not visitors.folder.exists(), "it has no other owner"
    assert paid.folder.exists(), "it was paid for"
    assert [job.job_id for job in store.jobs()] == [paid.job_id, running.job_id]
    assert store.events(old.job_id) == []


def test_the_disk_has_it_before_the_act(store: Store) -> None:
    with sqlite3.connect(store.home.database) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with store._read.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_two_writers_wait_for_each_other_instead_of_failing(store: Store) -> None:
    job = add(store)
    other = Store(store.home)
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(
            lambda n: (store, other)[n % 2].change(job.job_id, ev.Note(text=str(n)), now=float(n)),
            range(40),
        )
        assert all(done)
    assert len(store.events(job.job_id)) == 41
    other.close()


def test_a_database_of_a_newer_program_is_refused(store: Store) -> None:
    with database.writing(store._read).begin() as db:
        db.execute(database.version.update().values(version=99))
    with pytest.raises(SettingError, match=r"of version 99.*Update the program.*Nothing was spent"):
        Store(store.home)


@pytest.mark.parametrize("evil", ["../x", "", "A" * 25, "job", "0" * 25 + "/"])
def test_no_id_leads_elsewhere(store: Store, evil: str) -> None:
    with pytest.raises(ValueError, match="not a job id"):
        store.home.folder(evil)


@pytest.mark.parametrize(
    ("provider", "over"), [("local", {"state": "processing"}), ("novita", {"state": "queued"})]
)
def test_what_waits_is_bounded_for_a_visitor_and_for_all(
    store: Store, provider: Provider, over: dict[str, Any]
) -> None:
    def submit(owner: str, number: int) -> Job:
        job = make(store, owner=owner, provider=provider, fingerprint=f"{owner} {number}")
        store.add(job, PRIVATE, CHECKED, most=(2, 5))
        return job

    jobs = [submit(owner, number) for owner in "ab" for number in range(2)]
    with pytest.raises(DraftLimitReached) as full:
        submit("a", 2)
    assert full.value.mine
    submit("c", 0)
    for number in range(3):  # owners that are made up
        with pytest.raises(DraftLimitReached) as full:
            submit(f"d{number}", 0)
        assert not full.value.mine
    add(store, owner=HOME_OWNER, provider=provider, fingerprint="home")
    store.change(jobs[0].job_id, now=1.0, **over)
    submit("d", 0)
    store.change(jobs[2].job_id, now=1.0, waits_for="key")  # it waits for its visitor, for ever
    submit("e", 0)
