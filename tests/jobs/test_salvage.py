"""A home whose database is lost, old, damaged or in the way, and what the sweep leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from kling_utils import events as ev
from kling_utils.errors import SettingError
from kling_utils.jobs import database
from kling_utils.jobs.home import Home, begin_job, described, new_job_id, unmade
from kling_utils.jobs.store import JobSecrets, Store
from kling_utils.media.files import part_name
from kling_utils.values import Job, MotionRequest, Report, State

SIGNED = "https://example.org/dance.mp4?signature=secret"
DAY = 86400.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def add(store: Store, state: State = "checked", **columns: object) -> Job:
    job_id = new_job_id()
    folder = store.home.folder(job_id)
    folder.mkdir()
    begin_job(folder)
    (folder / "video.mp4").write_bytes(b"clip")
    request = MotionRequest(folder / "image.png", folder / "video.mp4", prompt="näcken ☂")
    names = ("hero.png", "dance.mp4")
    job = Job(
        job_id, "home", "novita", 1, "checked", request, job_id, 100.0, 100.0, folder, *names, 5.0
    )
    store.add(
        job, JobSecrets("settings", None, SIGNED, True), ev.Checked(report=Report(()), quote=None)
    )
    if state != "checked":
        store.change(job_id, now=200.0, state=state, **columns)
    return store.get(job_id)


def lose(home: Home) -> None:
    for path in home.root.glob("jobs.sqlite3*"):
        path.unlink()


def empty(home: Home) -> None:
    lose(home)
    home.database.touch()


def garbage(home: Home) -> None:
    lose(home)
    home.database.write_bytes(os.urandom(30_000))


def truncate(home: Home) -> None:
    with home.database.open("r+b") as file:
        file.truncate(home.database.stat().st_size // 2)


def scribble(home: Home) -> None:
    """The header is whole, pages behind it are not."""
    with home.database.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(home.database.stat().st_size - 4096))


@pytest.mark.parametrize("harm", [lose, empty, garbage, truncate, scribble])
def test_a_home_without_its_database_is_rebuilt_from_its_folders(
    home: Home, harm: Callable[[Home], None]
) -> None:
    store = Store(home)
    done = add(store, "succeeded", video="result.mp4", task_id="t1", finished_at=200.0)
    (done.folder / "result.mp4").write_bytes(b"paid")
    queued = add(store, "queued", task_id="t2", queued_at=200.0)
    sending, unsent = add(store, "submitting"), add(store)
    store.close()
    harm(home)
    damaged = harm in (garbage, truncate, scribble)
    rebuilt = Store(home)
    assert rebuilt.rebuilt == 4
    assert rebuilt.get(done.job_id) == done
    assert rebuilt.get(queued.job_id) == queued
    assert rebuilt.get(unsent.job_id) == unsent
    doubt = rebuilt.get(sending.job_id)
    assert (doubt.state, doubt.money) == ("unconfirmed", "unknown"), "it is never sent again"
    assert rebuilt.adoptable() == [queued.job_id]
    assert bool(database.damaged_databases(home)) == damaged
    assert ("set aside as jobs.sqlite3.damaged-" in database.repair_notice(home, 4)) == damaged
    rebuilt.sweep(ended_before=9e9, unused_since=9e9, halves_since=9e9)
    assert (done.folder / "result.mp4").read_bytes() == b"paid"
    rebuilt.close()
    again = Store(home)
    assert again.rebuilt == 0
    again.close()


def test_a_database_that_is_older_than_the_folders_takes_what_they_know(home: Home) -> None:
    store = Store(home)
    job = add(store)
    store.close()
    old = home.database.read_bytes()
    store = Store(home)
    store.change(job.job_id, now=200.0, state="queued", task_id="t1", queued_at=200.0)
    store.close()
    lose(home)
    home.database.write_bytes(old)
    opened = Store(home)
    assert opened.get(job.job_id).task_id == "t1", "and is not sent a second time"
    opened.close()


def test_a_task_id_that_the_database_could_not_take_is_in_the_folder(home: Home) -> None:
    store = Store(home)
    job = add(store, "submitting")
    store.describe_task(job.job_id, "t9", 300.0)
    store.close()
    opened = Store(home)
    assert (opened.get(job.job_id).state, opened.get(job.job_id).task_id) == ("queued", "t9")
    opened.close()


@pytest.mark.parametrize("now", [300.0, 150.0, -9e5])
def test_what_a_folder_knows_counts_also_when_the_clock_was_set_back(
    home: Home, now: float
) -> None:
    store = Store(home)
    kept, sending = add(store), add(store, "submitting")
    store.close()
    old = home.database.read_bytes()
    store = Store(home)
    store.change(kept.job_id, now=now, state="queued", task_id="t8", queued_at=now)
    store.describe_task(sending.job_id, "t9", now)
    store.close()
    lose(home)
    home.database.write_bytes(old)
    opened = Store(home)
    told = [
        (opened.get(job.job_id).state, opened.get(job.job_id).task_id) for job in (kept, sending)
    ]
    assert told == [("queued", "t8"), ("queued", "t9")], "and is not sent a second time"
    opened.close()


def test_a_folder_tells_no_key_and_no_signed_address(home: Home) -> None:
    store = Store(home)
    told = (add(store).folder / "job.json").read_text("utf-8")
    store.close()
    assert json.loads(told)["job"]["video_name"] == "dance.mp4"
    assert "secret" not in told


def test_folders_of_an_older_program_are_described(home: Home) -> None:
    store = Store(home)
    job = add(store, "queued", task_id="t1")
    store.close()
    (job.folder / "job.json").unlink()
    with sqlite3.connect(home.database) as db:
        db.execute("UPDATE schema_version SET version = 2")
    Store(home).close()
    lose(home)
    opened = Store(home)
    assert opened.get(job.job_id).task_id == "t1"
    opened.close()


def test_the_sweep_leaves_alone_what_it_does_not_know(home: Home) -> None:
    thesis = home.root / "jobs" / "my-thesis" / "chapter1.txt"
    unknown = home.root / "jobs" / new_job_id() / "video.mp4"
    half = home.root / "jobs" / new_job_id()
    gone = home.root / "jobs" / f".{new_job_id()}.gone"
    for folder in (thesis.parent, unknown.parent, half, gone):
        folder.mkdir(parents=True)
    thesis.write_text("all of it")
    unknown.write_bytes(b"a job of an older program")
    begin_job(half)
    store = Store(home)
    store.sweep(ended_before=9e9, unused_since=9e9, halves_since=9e9)
    store.close()
    assert thesis.exists()
    assert unknown.exists()
    assert not half.exists()
    assert not gone.exists()


def test_the_sweep_takes_only_names_that_this_program_makes(home: Home) -> None:
    home.make()
    theirs = [
        home.fetched / "my-thesis" / "chapter1.txt",
        home.fetched / "clip.mp4",
        home.fetched / ".notes.part",
        home.fitted / "suit.doc",
        home.fitted / "my-films" / ".film.mp4.0123456789ab.part" / "lock",
    ]
    ours = [home.new_fetched(), part_name(home.new_fetched()), home.new_fitted() / "clip-fit.mp4"]
    for path in (*theirs, *ours):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"all of it")
    home.sweep(set(), unused_since=9e9, halves_since=9e9)
    assert [path for path in theirs if not path.exists()] == []
    assert [path for path in ours if path.exists()] == []


def test_a_clock_that_jumps_makes_nothing_old(home: Home) -> None:
    home.make()
    assert not home.steady(100 * DAY), "the first look knows nothing"
    assert not home.steady(100.5 * DAY)
    assert home.steady(101.5 * DAY)
    assert not home.steady(141.5 * DAY), "40 days ahead"
    assert not home.steady(142 * DAY)
    assert not home.steady(102 * DAY), "and back"
    assert home.steady(104 * DAY)


def test_a_deletion_that_is_cut_short_leaves_no_job(home: Home) -> None:
    store = Store(home)
    job = add(store, "succeeded")
    kept = shutil.copytree(job.folder, home.root / "kept")
    assert store.delete([job.job_id])
    shutil.move(kept, job.folder.with_name(f".{job.job_id}.gone"))
    store.close()
    opened = Store(home)
    assert opened.jobs() == []
    opened.close()


def test_a_folder_in_the_place_of_the_database_is_said(home: Home) -> None:
    home.database.mkdir(parents=True)
    with pytest.raises(SettingError, match=r"it is a folder.*Move that folder.*Nothing was spent"):
        Store(home)
    assert list(home.workers.glob("*.lock")) == []


def test_trouble_of_the_disk_is_a_sentence(home: Home) -> None:
    full = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    told = database.explain(full, home, money="yes")
    assert "the disk is full. Free some space" in str(told)
    assert told.money == "yes"
    only = OperationalError(
        "x", {}, sqlite3.OperationalError("attempt to write a readonly database")
    )
    assert "KLING_HOME" in database.explain(only, home).hint


ODD = (
    {"updated": "x"},
    {"updated": None},
    {"created": float("nan")},
    {"created": 1e300},
    {"take": 10**30},
    {"take": "x"},
    {"state": "flying"},
    {"state": ["queued"]},
    {"provider": "other"},
    {"owner": 5},
    {"owner": "o" * 65},
    {"key_from": "a friend"},
    {"waits_for": "moon"},
    {"overdue": "maybe"},
    {"progress": "x"},
    {"parameters": "garbage"},
    {"parameters": '{"other": 1}'},
    {"parameters": "[" * 100_000},
    {"quote": "{"},
    {"trouble": "[]"},
    {"task_id": "\ud800"},
    {"image_file": "../../../etc/passwd"},
    {"image_file": "/etc/passwd"},
    {"video_file": ".."},
    {"video": "..\\x.mp4"},
    {"video": "a\0b"},
)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:40])
def test_a_folder_that_describes_no_possible_job_is_left_alone(
    home: Home, odd: dict[str, object]
) -> None:
    store = Store(home)
    kept, job = add(store, "queued", task_id="t1"), add(store, "queued", task_id="t2")
    store.close()
    lose(home)
    path = job.folder / "job.json"
    told = json.loads(path.read_text("utf-8"))
    told["job"] |= odd
    path.write_text(json.dumps(told))
    opened = Store(home)
    assert [each.job_id for each in opened.jobs()] == [kept.job_id]
    opened.sweep(ended_before=9e9, unused_since=9e9, halves_since=9e9)
    assert path.exists()
    opened.close()


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, '{"version": 1}', "9" * 5000, "null", None])
def test_a_description_that_cannot_be_read_is_none(tmp_path: Path, text: str | None) -> None:
    if text is None:
        os.mkfifo(tmp_path / "job.json")  # nobody waits for its other end
    else:
        (tmp_path / "job.json").write_text(text)
    assert described(tmp_path) is None
    assert not unmade(tmp_path)


def test_folders_of_another_home_come_in_beside_the_same_request(
    home: Home, tmp_path: Path
) -> None:
    stores = [Store(home), Store(Home(tmp_path / "other"))]
    first, second = (add(store, "queued", task_id=f"t{n}") for n, store in enumerate(stores))
    for store in stores:
        store.close()
    path = shutil.copytree(second.folder, home.folder(second.job_id)) / "job.json"
    told = json.loads(path.read_text("utf-8"))
    told["job"]["fingerprint"] = first.fingerprint
    path.write_text(json.dumps(told))
    opened = Store(home)
    assert {(job.job_id, job.task_id, job.take) for job in opened.jobs()} == {
        (first.job_id, "t0", 1),
        (second.job_id, "t1", 2),
    }
    opened.close()


@pytest.mark.parametrize("put_back", [False, True])
def test_a_database_that_goes_away_under_a_process_is_the_others_as_well(
    home: Home, put_back: bool
) -> None:
    store = Store(home)
    held, sending = add(store, "queued", task_id="t1"), add(store)
    old = home.database.read_bytes()
    lose(home)
    if put_back:
        home.database.write_bytes(old)
    other = Store(home)
    assert other.claim(sending.job_id)
    assert not store.change(
        sending.job_id, now=300.0, leased=True, states=("checked",), state="submitting"
    ), "it is not sent by both"
    assert store.claim(held.job_id)
    assert store.change(held.job_id, now=301.0, leased=True, state="processing"), "and goes on"
    assert other.get(held.job_id).state == "processing"
    store.close()
    other.close()


@pytest.mark.parametrize("table", ["jobs", "events", "jobs(a)"])
def test_a_database_without_the_jobs_tables_is_set_aside(home: Home, table: str) -> None:
    store = Store(home)
    job = add(store, "queued", task_id="t1")
    store.close()
    with sqlite3.connect(home.database) as db:
        db.execute(f"DROP TABLE {table.partition('(')[0]}")
        if "(" in table:
            db.execute(f"CREATE TABLE {table}")
    opened = Store(home)
    assert opened.get(job.job_id).task_id == "t1"
    assert len(database.damaged_databases(home)) == 1
    opened.close()


def test_a_file_in_the_place_of_the_locks_is_said(home: Home) -> None:
    home.make()
    home.workers.write_text("x")
    with pytest.raises(SettingError, match=r"cannot be the home of the jobs.*Nothing was spent"):
        Store(home)
