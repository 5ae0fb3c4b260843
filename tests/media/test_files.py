"""File names are cut by bytes, and a file has its final name only when it is whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from helpers import zoo
from hypothesis import given
from hypothesis import strategies as st

from kling_utils.errors import SettingError
from kling_utils.media.files import MOST_BYTES, atomic_write, cut, named, part_name, temp_workdir
from kling_utils.preflight.plan import plan_file
from kling_utils.preflight.repair import fit
from kling_utils.review.compare import compare

LETTERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), max_size=300)


@given(text=LETTERS, most=st.integers(0, 300))
def test_what_is_cut_fits_and_is_a_beginning(text: str, most: int) -> None:
    short = cut(text, most)
    assert len(os.fsencode(short)) <= most or short == text == ""
    assert text.startswith(short)
    if short != text:
        more = text[: len(short) + 1]
        assert len(os.fsencode(more)) > most, "as much as fits"


def test_bytes_that_are_no_text_stay_what_they_are() -> None:
    odd = os.fsdecode(b"a\xff\xfe" * 200)
    assert os.fsencode(odd).startswith(os.fsencode(cut(odd, 100)))
    assert len(os.fsencode(named(odd, ".mp4"))) <= MOST_BYTES


NAMES = [
    "舞" * 83 + ".png",  # 253 bytes
    "é" * 125 + ".png",
    "💃" * 62 + ".png",
    "a" * 251 + ".png",
    ".hidden.png",
    "-rf.png",
    " both ends .png",
    "ends in a space.png ",
    os.fsdecode(b"not utf-8 \xff\xfe") + ".png",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_that_a_file_can_have_is_worked_with(tmp_path: Path, name: str) -> None:
    original = zoo.image(tmp_path, name, size=(400, 200))
    (tmp_path / "out").mkdir()
    for made in (part_name(original), part_name(original, letters=12)):
        made.touch(exist_ok=False)
        made.unlink()
    with atomic_write(original) as part:
        shutil.copyfile(original, part)
    with temp_workdir(tmp_path / "out", name) as folder:
        (folder / "x").touch()
    for number in (1, 2):
        made = fit(plan_file(original), tmp_path / "out").image
        assert made is not None
        assert made.exists()
        assert len(list((tmp_path / "out").iterdir())) == number


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    plan = plan_file(zoo.image(tmp_path, size=(400, 200)))
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="could not be written") as caught:
        fit(plan, tmp_path / "file" / "out")
    assert caught.value.money == "no"
    assert caught.value.hint


def test_a_comparison_has_a_long_name(tmp_path: Path) -> None:
    clip = zoo.clip(tmp_path, seconds=1)
    out = tmp_path / ("舞" * 83 + ".mp4")
    assert compare(clip, clip, out) == out
    with pytest.raises(SettingError, match="could not be written"):
        compare(clip, clip, tmp_path / ("舞" * 90 + ".mp4"))


def test_what_a_killed_process_left_beside_a_file_goes_at_the_next_run(tmp_path: Path) -> None:
    old, young, other = (
        tmp_path / name
        for name in (".out.mp4.0123abcd.part", ".out.mp4.0123abce.part", ".x.mp4.0123abcd.part")
    )
    for path in (old, young, other):
        path.write_bytes(b"half")
    os.utime(old, (1.0, 1.0))
    os.utime(other, (1.0, 1.0))
    with atomic_write(tmp_path / "out.mp4") as part:
        part.touch()
    assert not old.exists()
    assert young.exists(), "somebody may be writing it"
    assert other.exists(), "it is another file's"
