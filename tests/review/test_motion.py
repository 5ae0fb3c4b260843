"""Motion over time and hard cuts, on clips whose truth is known and on real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video
from kling_utils.review import motion

MOVES_THEN_RESTS = "color=black:s={s}:r={r}:d={d},geq=lum='if(between(X,40*min(T,1),40*min(T,1)+60),220,40)':cb=128:cr=128"


def joined(path: Path, *parts: tuple[Path, float, float]) -> Path:
    """The parts (clip, from, to in seconds) one after the other, 360x640, 24 frames a second, without sound."""
    inputs = [arg for clip, _, _ in parts for arg in ffmpeg.source(clip)]
    chains = [
        f"[{n}:v]trim={begin}:{end},setpts=PTS-STARTPTS,fps=24,scale=360:640:force_original_aspect_ratio=increase,crop=360:640,setsar=1[p{n}]"
        for n, (_, begin, end) in enumerate(parts)
    ]
    names = "".join(f"[p{n}]" for n in range(len(parts)))
    graph = ";".join([*chains, f"{names}concat=n={len(parts)}[v]"])
    ffmpeg.run(
        [
            *inputs,
            "-filter_complex",
            graph,
            "-map",
            "[v]",
            *ffmpeg.H264,
            "-preset",
            "ultrafast",
            f"file:{path}",
        ],
        timeout=60,
    )
    return path


@pytest.mark.parametrize("rate", [12, 25, 60])
def test_where_it_moves(make, rate: int) -> None:  # type: ignore[no-untyped-def]
    seen = motion.activity(
        make(
            f"rests{rate}",
            size="200x200",
            rate=rate,
            seconds=2,
            source=MOVES_THEN_RESTS,
            sound=None,
        )
    )
    times, values = np.array(seen.times), np.array(seen.values)
    assert values[times < 0.9].min() > 0.5
    assert values[times > 1.25].max() < 0.15
    assert seen.cuts == ()
    assert np.diff(times) == pytest.approx(1 / 12, abs=0.002)
    assert times[-1] <= 2.0 + 1e-6


def test_the_same_curve_at_any_frame_rate(make) -> None:  # type: ignore[no-untyped-def]
    slow, fast = (
        motion.scan(
            probe_video(
                make(
                    f"rests{r}",
                    size="200x200",
                    rate=r,
                    seconds=2,
                    source=MOVES_THEN_RESTS,
                    sound=None,
                )
            )
        )
        for r in (12, 60)
    )
    n = min(len(slow.energy), len(fast.energy))
    assert slow.energy[:n] == pytest.approx(fast.energy[:n], abs=0.8)


def test_noise_is_not_motion(make) -> None:  # type: ignore[no-untyped-def]
    still = make(
        "still",
        size="640x480",
        seconds=2,
        source="smptebars=s={s}:r={r}:d={d},noise=alls=4:allf=t",
        sound=None,
    )
    assert max(motion.activity(still).values) < 0.5


def test_rate_is_that_of_the_samples(make) -> None:  # type: ignore[no-untyped-def]
    clip = make("rests25", size="200x200", rate=25, seconds=2, source=MOVES_THEN_RESTS, sound=None)
    assert motion.activity(clip, rate=5).times == (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8)
    assert (
        len(motion.activity(clip, rate=100).values)
        == len(motion.activity(clip, rate=100).times)
        >= 190
    )
    with pytest.raises(ValueError, match="above 0"):
        motion.activity(clip, rate=0)


def test_a_single_frame_has_no_motion(make) -> None:  # type: ignore[no-untyped-def]
    one = make("one", size="64x64", rate=10, seconds=0.1, sound=None)
    assert motion.activity(one) == motion.Activity((), (), ())


def test_hard_and_jump_cuts_are_found(shared_media: Path, tmp_path: Path) -> None:
    video = shared_media / "video"
    dance, man, woman = (
        video / "dance_woman_4s.mp4",
        video / "talking_man_portrait.mp4",
        video / "sitting_woman_5s.mp4",
    )
    cut = joined(tmp_path / "cut.mp4", (dance, 0, 1.5), (man, 0, 1.5), (woman, 0, 1.5))
    assert motion.activity(cut).cuts == pytest.approx((1.5, 3.0), abs=0.05)
    jump = joined(tmp_path / "jump.mp4", (man, 0, 2), (man, 6, 8))
    assert motion.activity(jump).cuts == pytest.approx((2.0,), abs=0.05)


@pytest.mark.parametrize(
    "name",
    [
        "dance_woman_4s",
        "talking_man_portrait",
        "sitting_woman_5s",
        "face_expressions_7s",
        "dog_16fps",
    ],
)
def test_no_cut_in_one_shot(shared_media: Path, name: str) -> None:
    seen = motion.activity(shared_media / "video" / f"{name}.mp4")
    assert seen.cuts == ()
    assert max(seen.values) > 0.9


def test_a_cut_is_not_drawn_as_motion(shared_media: Path, tmp_path: Path) -> None:
    man = shared_media / "video" / "talking_man_portrait.mp4"
    seen = motion.activity(joined(tmp_path / "jump.mp4", (man, 0, 2), (man, 6, 8)))
    values, times = np.array(seen.values), np.array(seen.times)
    assert values[np.abs(times - 2.0).argmin()] < 0.8
    assert np.median(values) > 0.2  # and the rest is not pressed to the ground by it


def test_a_stutter_of_a_real_clip(shared_media: Path, tmp_path: Path) -> None:
    dance = shared_media / "video" / "dance_woman_4s.mp4"
    seen = {}
    for name, filters in (("plain", "null"), ("four", "fps=4,fps=24"), ("twos", "fps=12,fps=24")):
        out = tmp_path / f"{name}.mp4"
        cut = [*ffmpeg.source(dance), "-an", "-vf", f"scale=240:-2,{filters}"]
        ffmpeg.run([*cut, *ffmpeg.H264, "-preset", "veryfast", f"file:{out}"], timeout=60)
        seen[name] = motion.scan(probe_video(out))
    assert motion.stutter(seen["four"], seen["plain"]) == pytest.approx(4.0, abs=0.3)
    assert motion.stutter(seen["twos"], seen["plain"]) is None
    assert motion.stutter(seen["plain"], seen["plain"]) is None
    assert motion.stutter(seen["four"], seen["four"]) is None
