"""What people say of takes: names, ratings, notes and votes, kept with the job; and lists that find them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo
from helpers.engine import FakeEngine, make

import kling_utils as kling
from kling_utils.errors import InvalidRequest, NoSuchJob
from kling_utils.jobs import database
from kling_utils.jobs.home import Home
from kling_utils.jobs.store import MOST_VOTES, Store
from kling_utils.providers.local import LocalProvider
from kling_utils.settings import load
from kling_utils.show import words
from kling_utils.values import NAME_LENGTH, NOTE_LENGTH, Vote


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return make(tmp_path / "engine")


def opened(tmp_path: Path, engine: FakeEngine) -> kling.Client:
    home = tmp_path / "home"
    local = LocalProvider(home, command=engine.command)
    return kling.Client(load(home=home, poll_interval=0.05), local=local)


@pytest.fixture
def client(tmp_path: Path, engine: FakeEngine) -> Iterator[kling.Client]:
    with opened(tmp_path, engine) as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return zoo.image(tmp_path), zoo.clip(tmp_path, seconds=3.2)


def done(client: kling.Client, files: tuple[Path, Path], **fields: Any) -> kling.LiveJob:
    job = client.submit(*files, again=True, **fields)
    job.wait(progress=False)
    return job


def found(client: kling.Client, **how: Any) -> list[str]:
    return [job.job_id for job in client.jobs(**how)]


def test_a_take_has_a_name_from_the_start_and_may_get_another(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    said = "A knight in rusty armour walks slowly through tall wet grass"
    plain, told = done(client, files), done(client, files, prompt=said, model_name="kling-v3-0-pro")
    assert plain.subject == f"{files[0].stem} × {files[1].stem}"
    assert plain.title.startswith(f"{plain.subject}, std draft, video, 20")
    assert told.subject == "A knight in rusty armour walks..."
    assert told.title.startswith("A knight in rusty armour walks..., pro draft, video, 20")
    assert told.rename("  The best\n one ").title == "The best one"
    assert told.subject == "The best one"
    assert words.takes([plain.record, told.record]) == ["Standard draft", "The best one draft"]
    assert told.rename("").title.startswith("A knight")


def test_what_is_too_long_or_unknown_changes_nothing(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    job = done(client, files).rename("x" * NAME_LENGTH).write_note("y" * NOTE_LENGTH).rate("good")
    with pytest.raises(InvalidRequest, match="name has 81 characters; at most 80"):
        job.rename("x" * 81)
    with pytest.raises(InvalidRequest, match="note has 1001 characters"):
        client.annotate(job.job_id, name="short", note="y" * 1001)
    with pytest.raises(InvalidRequest, match="'great' is no rating"):
        job.rate("great")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="'great' is no rating"):
        client.jobs(rating="great")  # type: ignore[arg-type]
    assert (job.name, job.note, job.rating) == ("x" * 80, "y" * 1000, "good")
    assert (
        client.annotate(job.job_id, note="a\x1b[2Jb\nc").note == "a\N{REPLACEMENT CHARACTER}[2Jb\nc"
    )
    assert (job.rate(None).rating, job.name) == ("", "x" * 80)


def test_a_list_is_filtered_by_words_rating_and_group(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    one = done(client, files, prompt="Überall Nebel").rate("favourite")
    two = done(client, files, character_orientation="image").write_note("Hände 100% gut")
    assert one.job_id == found(client, text="ÜBERALL nebel")[0]
    assert found(client, text="hände") == [two.job_id]
    assert found(client, text="100%") == [two.job_id]
    assert found(client, text="100_") == [], "a wildcard of the database is a plain character"
    assert found(client, text="like the picture") == [two.job_id]
    assert found(client, text=one.job_id[-8:].lower()) == [one.job_id]
    assert found(client, text="nebel hände") == []
    assert found(client, rating="favourite") == [one.job_id]
    assert found(client, rating="") == [two.job_id]
    assert found(client, group="kling") == []
    assert found(client, group="done") == [two.job_id, one.job_id]
    assert found(client, limit=1, offset=1) == [one.job_id]
    tally = client.tally(text="nebel")
    assert (tally.total, tally.groups["done"], tally.groups["kling"]) == (1, 1, 0)
    table = client.jobs().to_frame().set_index("job_id")
    assert table.rating[one.job_id] == "favourite"
    assert table.note[two.job_id] == "Hände 100% gut"


def test_a_vote_is_kept_with_both_takes(client: kling.Client, files: tuple[Path, Path]) -> None:
    one, two = done(client, files), done(client, files)
    first = client.vote(one.job_id, two.job_id, "right")
    second = client.vote(two.job_id, one.job_id, "same")
    assert client.votes() == [second, first]
    assert (first.winner, second.winner) == (two.job_id, None)
    assert [words.standing(job.record) for job in (one, two)] == ["won 0 of 2", "won 1 of 2"]
    with pytest.raises(InvalidRequest, match="'both' is no vote"):
        client.vote(one.job_id, two.job_id, "both")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="with itself"):
        client.vote(one.job_id, one.job_id, "left")
    one.delete()
    assert client.votes() == [second, first], "the other take still knows"
    with pytest.raises(NoSuchJob):
        client.vote(two.job_id, one.job_id, "left")
    assert len(two.votes) == 2


def test_a_take_without_a_result_is_not_compared(
    client: kling.Client, files: tuple[Path, Path], engine: FakeEngine
) -> None:
    one = done(client, files)
    engine.mode("gate")
    two = client.submit(*files, again=True, prompt="slow")
    with pytest.raises(InvalidRequest, match=r"slow, std draft, video.* has no result"):
        client.vote(one.job_id, two.job_id, "left")
    assert client.votes() == []
    engine.open()
    two.wait(progress=False)


def test_another_owner_neither_sees_nor_changes_anything(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    one, two = done(client, files), done(client, files)
    with pytest.raises(NoSuchJob):
        client.annotate(one.job_id, note="mine now", owner="visitor")
    with pytest.raises(NoSuchJob):
        client.vote(one.job_id, two.job_id, "left", owner="visitor")
    client.vote(one.job_id, two.job_id, "left", owner="home")
    assert client.votes(owner="visitor") == []
    assert client.tally(owner="visitor").total == 0
    assert one.note == ""


def test_all_of_it_survives_a_lost_database(
    tmp_path: Path, engine: FakeEngine, files: tuple[Path, Path]
) -> None:
    with opened(tmp_path, engine) as client:
        one, two = done(client, files), done(client, files)
        one.rename("Nebel").rate("bad").write_note("line one\nline two")
        client.vote(one.job_id, two.job_id, "left")
        before = [job.record for job in (one, two)]
        database_file = client.home.database
    for path in database_file.parent.glob("jobs.sqlite3*"):
        path.unlink()
    with opened(tmp_path, engine) as client:
        assert client.rebuilt == 2
        assert [client.record(job.job_id) for job in before] == before


def test_a_folder_of_an_older_program_comes_back(
    tmp_path: Path, engine: FakeEngine, files: tuple[Path, Path]
) -> None:
    with opened(tmp_path, engine) as client:
        job = done(client, files).record
        database_file = client.home.database
    told = json.loads((job.folder / "job.json").read_text())
    for name in ("name", "rating", "note", "votes"):
        del told["job"][name]
    (job.folder / "job.json").write_text(json.dumps(told))
    for path in database_file.parent.glob("jobs.sqlite3*"):
        path.unlink()
    with opened(tmp_path, engine) as client:
        assert client.record(job.job_id) == job


def test_a_database_of_an_older_program_gets_the_columns(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    Store(home).close()
    with sqlite3.connect(home.database) as db:
        for name in ("name", "rating", "note", "votes"):
            db.execute(f"ALTER TABLE jobs DROP COLUMN {name}")
        db.execute("UPDATE schema_version SET version = 6")
    again = Store(home)
    assert again.tally(text="x", rating="good").total == 0
    again.close()
    with sqlite3.connect(home.database) as db:
        assert db.execute("SELECT version FROM schema_version").fetchone() == (
            len(database.MIGRATIONS),
        )


def test_votes_are_bounded(client: kling.Client, files: tuple[Path, Path]) -> None:
    one, two = done(client, files), done(client, files)
    vote = client.vote(one.job_id, two.job_id, "left")
    store = client._store
    kept = tuple(replace(vote, vote_id=f"{n:026}") for n in range(MOST_VOTES))
    for each in kept:
        store.vote(each)
    assert one.votes == kept, "the oldest went"
    assert isinstance(one.votes[0], Vote)
