"""Clips whose picture begins later than their sound, or changes its size: nothing of them is lost in a draft."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers import zoo

from kling_utils.draft.clip import decode
from kling_utils.draft.encode import film
from kling_utils.media.probe import probe_video
from kling_utils.review import sound
from kling_utils.values import Size


@pytest.mark.parametrize("late", [0.07, 0.6])
def test_the_end_of_a_late_picture_is_kept(tmp_path: Path, late: float) -> None:
    plain = zoo.clip(tmp_path, seconds=2, size="64x96", rate="25", sound=2)
    moved = probe_video(zoo.late_picture(plain, late))
    assert moved.first_picture == pytest.approx(late, abs=0.01)
    assert (moved.duration, moved.frames) == (2.0, 50)
    frames = list(decode(moved, Size(64, 96), Fraction(25), 2.0))
    wanted = list(decode(probe_video(plain), Size(64, 96), Fraction(25), 2.0))
    assert len(frames) == len(wanted) == 50
    assert all(np.array_equal(a, b) for a, b in zip(frames, wanted, strict=True))


@pytest.mark.parametrize("name", ["changing.mp4", "changing.mkv"])
def test_a_size_that_changes_is_followed_to_the_end(tmp_path: Path, name: str) -> None:
    info = probe_video(zoo.changing_size(tmp_path, name))
    frames = list(decode(info, Size(64, 96), Fraction(24), 6.0))
    assert len(frames) == 144
    assert all(frame.std() > 20 for frame in frames)


def test_the_sound_of_a_late_picture_stays_in_step_in_a_draft(tmp_path: Path) -> None:
    plain = zoo.clicking(tmp_path)
    moved = probe_video(zoo.late_picture(plain, 0.5))
    out = tmp_path / "draft.mp4"
    with film(
        out,
        Size(64, 96),
        Fraction(25),
        sound=moved.path,
        sound_start=moved.first_picture,
        seconds=3.0,
    ) as reel:
        for _ in range(75):
            reel.add(np.zeros((96, 64, 3), np.uint8))
    whole = sound.envelope(plain, seconds=4)
    heard = sound.offset(whole, sound.envelope(out, seconds=3), most=1)
    assert heard is not None
    # the picture began half a second into the sound, and the draft begins with the picture
    assert heard.seconds == pytest.approx(-0.5, abs=0.02)
