"""Clips with a few bytes changed, cut or moved: each is measured or refused in words, in time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from helpers import zoo

from kling_utils.errors import KlingError
from kling_utils.media.probe import probe_video
from kling_utils.preflight.check import check_video
from kling_utils.preflight.plan import plan_file

KINDS = ("tc.mov", "a.mp4", "pieces.mp4", "a.mkv", "a.webm", "a.avi", "a.gif")
TIMES = 12


def original(folder: Path, name: str) -> Path:
    if name == "tc.mov":
        return zoo.timecode(folder, name, sound=2)
    codec = {"webm": ("libvpx", "-deadline", "realtime"), "avi": ("mpeg4",), "gif": ("gif",)}
    chosen = codec.get(name.rpartition(".")[2], ("libx264", "-pix_fmt", "yuv420p"))
    more = zoo.FRAGMENTED if name.startswith("pieces") else ()
    sound = 0 if name.endswith(("gif", "webm")) else 1
    return zoo.clip(
        folder, name, seconds=1, size="64x96", rate="10", codec=chosen, sound=sound, after=more
    )


def mutated(data: bytes, dice: random.Random) -> bytes:
    changed, size = bytearray(data), len(data)
    reach = min(size, 3000)
    for _ in range(dice.choice((1, 1, 3, 10, 50))):
        # headers lie at both ends, and most of what can be read wrong lies in them
        at = dice.choice(
            (dice.randrange(reach), size - 1 - dice.randrange(reach), dice.randrange(size))
        )
        new = dice.choice((bytes([dice.randrange(256)]), b"\xff" * 4, bytes(4)))
        changed[at : at + len(new)] = new[: size - at]
    if dice.random() < 0.15:
        del changed[dice.randrange(size) :]
    return bytes(changed)


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_clip_never_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    data, dice = original(tmp_path, name).read_bytes(), random.Random(name)
    measured = 0
    for n in range(TIMES):
        path = tmp_path / f"{n}{name}"
        path.write_bytes(mutated(data, dice))
        try:
            info = probe_video(path)
        except KlingError:
            continue
        measured += 1
        assert info.frame_rate >= 0
        assert all(each.measured for each in check_video(info, "video"))
        str(plan_file(info))
    assert measured


def test_a_header_that_claims_a_huge_picture_is_not_decoded(tmp_path: Path) -> None:
    made = zoo.clip(tmp_path, "a.gif", seconds=1, rate="5", codec=("gif",)).read_bytes()
    path = zoo.written(tmp_path, "huge.gif", made[:6] + b"\xff" * 4 + made[10:])
    with pytest.raises(KlingError):
        probe_video(path)
