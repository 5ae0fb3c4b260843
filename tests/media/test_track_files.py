"""Looks at people outlive their process, and leave nothing of strangers or of what was deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_utils import examples
from kling_utils.media import people, track_files
from kling_utils.media.bounds import visitor

GROOVE, DANCER = (Path(examples.__file__).parent / name for name in ("groove.mp4", "dancer.jpg"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    track_files.keep_in(tmp_path / "looks")
    yield tmp_path / "looks"
    track_files.keep_in(None)


@pytest.fixture(scope="module")
def track() -> people.PoseTrack:
    return people.track(GROOVE)


@pytest.fixture(scope="module")
def picture() -> people.PoseTrack:
    return people.track_image(DANCER)


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, True)
    return type(a) is type(b) and a == b


def test_a_track_is_read_as_it_was_written(folder: Path, track: people.PoseTrack) -> None:
    track_files.write("a" * 64, track)
    read = track_files.read("a" * 64)
    assert read is not None
    pairs = [(track, read), (track.scan, read.scan), *zip(track.stills, read.stills, strict=True)]
    for before, after in pairs:
        for name in (each.name for each in fields(before)):
            if name not in ("scan", "stills"):
                assert same(getattr(before, name), getattr(after, name)), name


def test_the_next_process_does_not_look_again(folder: Path, track: people.PoseTrack) -> None:
    key = people.probe_video(GROOVE).sha256
    track_files.write(key, track)
    with people._kept_lock:
        people._kept.clear()  # as in a new process
    looked: list[people.Still] = []
    again = people.track(GROOVE, on_still=looked.append)
    assert again is not track
    assert [still.time for still in looked] == [still.time for still in track.stills]
    assert people.track(GROOVE) is again


@given(st.data())
@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_a_damaged_file_is_looked_at_anew(
    folder: Path, picture: people.PoseTrack, data: st.DataObject
) -> None:
    track_files.write("a" * 64, picture)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = data.draw(
        st.sampled_from(
            [whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], whole[at:]]
        )
    )
    path.write_bytes(broken)
    assert (track_files.read("a" * 64) is None) == (broken != whole)
    assert path.exists() == (broken == whole)


def test_what_cannot_be_read_or_removed_fails_nothing(
    folder: Path, picture: people.PoseTrack
) -> None:
    stuck = folder / f"{'a' * 64}-{track_files.VERSION}.npz"
    (stuck / "inside").mkdir(parents=True)
    os.utime(stuck, (1.0, 1.0))
    assert track_files.read("a" * 64) is None
    track_files.sweep()
    track_files.write("a" * 64, picture)
    assert stuck.is_dir()


def test_nothing_of_a_visitor_is_kept(folder: Path, track: people.PoseTrack) -> None:
    token = visitor.set("somebody")
    track_files.write("a" * 64, track)
    visitor.reset(token)
    assert not folder.exists()


def test_they_go_after_a_day_and_when_there_are_too_many(
    folder: Path, picture: people.PoseTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        track_files.write(name * 64, picture)
        os.utime(folder / f"{name * 64}-{track_files.VERSION}.npz", (2e9, 2e9 + ord(name)))
    old = folder / f"{'a' * 64}-{track_files.VERSION}.npz"
    os.utime(old, (1.0, 1.0))
    track_files.sweep()
    assert not old.exists()
    monkeypatch.setattr(track_files, "MOST", 2)
    track_files.sweep()
    assert sorted(path.name[0] for path in folder.iterdir()) == ["c", "d"]
    track_files.forget("c" * 64)
    assert [path.name[0] for path in folder.iterdir()] == ["d"]


def test_a_folder_that_cannot_be_written_fails_nothing(
    tmp_path: Path, track: people.PoseTrack
) -> None:
    (tmp_path / "looks").write_text("a file", "utf-8")
    track_files.keep_in(tmp_path / "looks")
    track_files.write("a" * 64, track)
    assert track_files.read("a" * 64) is None
    track_files.keep_in(None)
