"""The engine from files to a file: real pictures and clips, short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from kling_utils.draft import EngineError, Rendered, render
from kling_utils.draft.clip import decode, study, working_size
from kling_utils.draft.encode import film
from kling_utils.draft.errors import MOTION_TOO_SHORT, NO_PERSON_IN_IMAGE, NO_PERSON_IN_VIDEO
from kling_utils.draft.scene import corner
from kling_utils.draft.skeleton import angle, chain, wrap
from kling_utils.draft.tracks import bridge
from kling_utils.media import ffmpeg
from kling_utils.media.arrays import Floats, Frame
from kling_utils.media.pose import follow
from kling_utils.media.probe import probe_video
from kling_utils.values import Size


def cut(source: Path, out: Path, *more: str, start: float = 0.0, seconds: float = 1.2) -> Path:
    """A piece of a clip, shrunk to 360 pixels across."""
    ffmpeg.run(
        [
            "-ss",
            str(start),
            "-t",
            str(seconds),
            "-i",
            str(source),
            "-vf",
            "scale=360:-2",
            *more,
            "-y",
            str(out),
        ],
        timeout=60,
    )
    return out


@pytest.fixture(scope="module")
def dance(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.2 s in which both arms go up."""
    return cut(
        shared_media / "video" / "dance_woman_4s.mp4",
        tmp_path_factory.mktemp("clips") / "dance.mp4",
        start=1.4,
    )


@pytest.fixture(scope="module")
def danced(
    shared_media: Path, dance: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Rendered, list[tuple[float, str]]]:
    out = tmp_path_factory.mktemp("results") / "danced.mp4"
    heard: list[tuple[float, str]] = []
    made = render(
        shared_media / "image" / "fullbody_man.png",
        dance,
        out,
        character_orientation="video",
        model_name="kling-v3-0-std",
        keep_original_sound=True,
        on_progress=lambda done, stage: heard.append((done, stage)),
    )
    return out, made, heard


def frames(path: Path) -> Iterator[Frame]:
    info = probe_video(path)
    return decode(info, working_size(info.size), info.frame_rate, 30)


def bodies(path: Path) -> Floats:
    track = bridge(follow(frames(path)).bodies)
    assert track is not None
    return track


def test_the_figure_moves_in_step_with_the_reference(
    dance: Path, danced: tuple[Path, Rendered, list[tuple[float, str]]]
) -> None:
    wanted, got = bodies(dance), bodies(danced[0])
    assert len(wanted) == len(got)
    for limb in ("arm_l", "arm_r"):
        directions = [
            np.stack([angle(np.diff(chain(p, limb), axis=0)[n]) for p in (w, g)])
            for w, g in zip(wanted, got, strict=True)
            for n in (0, 1)
        ]
        reference, result = np.array(directions).reshape(len(wanted), 2, 2).transpose(2, 0, 1)
        apart = np.degrees(np.abs(wrap(reference - result)))
        moved = np.degrees(np.abs(wrap(reference - reference[0])))
        assert moved.max() > 45, "the piece of the clip must really move"
        assert np.median(apart) < 12
        assert np.percentile(apart, 90) < 30
        assert np.median(np.degrees(np.abs(wrap(reference[::-1] - result)))) > 2 * np.median(
            apart
        ), "backwards it would not fit"


def test_what_is_written(danced: tuple[Path, Rendered, list[tuple[float, str]]]) -> None:
    out, made, heard = danced
    info = probe_video(out)
    assert made == Rendered("body", 30, Fraction(25), Size(720, 1080), 1.2)
    assert (info.container, info.codec, info.pixel_format, info.audio_codec) == (
        "mp4",
        "h264",
        "yuv420p",
        "aac",
    )
    assert (info.size, info.frame_rate, info.frames, info.variable_rate) == (
        made.size,
        Fraction(25),
        30,
        False,
    )
    assert out.read_bytes().index(b"moov") < out.read_bytes().index(b"mdat"), "faststart"
    done = [d for d, _ in heard]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 1)
    assert {"following the motion", "drawing"} <= {stage for _, stage in heard}
    assert not list(out.parent.glob(".*"))


def test_every_frame_carries_the_label(
    danced: tuple[Path, Rendered, list[tuple[float, str]]],
) -> None:
    info = probe_video(danced[0])
    shots = [corner(f) for f in decode(info, info.size, info.frame_rate, 30)]
    wanted = np.mean(shots, 0)
    assert np.ptp(wanted) > 80
    for shot in shots:  # the same marks in the same place
        assert np.corrcoef(shot.ravel(), wanted.ravel())[0, 1] > 0.9


def test_image_orientation_at_pro_keeps_the_pictures_shape_and_sound_can_be_left_out(
    shared_media: Path, dance: Path, tmp_path: Path
) -> None:
    made = render(
        shared_media / "image" / "drawing_woman.png",
        cut(dance, tmp_path / "half.mp4", seconds=0.4),
        tmp_path / "a.mp4",
        character_orientation="image",
        model_name="kling-v3-0-pro",
        keep_original_sound=False,
    )
    info = probe_video(tmp_path / "a.mp4")
    assert (made.kind, made.size, info.size, info.audio_codec) == (
        "body",
        Size(1080, 1622),
        Size(1080, 1622),
        None,
    )


def test_a_silent_clip_with_sound_asked_and_a_face_alone(
    shared_media: Path, tmp_path: Path
) -> None:
    clip = cut(
        shared_media / "video" / "talking_man_portrait.mp4",
        tmp_path / "talk.mp4",
        start=3,
        seconds=0.6,
    )
    made = render(
        shared_media / "image" / "portrait_woman.png",
        clip,
        tmp_path / "a.mp4",
        character_orientation="image",
        model_name="kling-v3-0-std",
        keep_original_sound=True,
    )
    assert (made.kind, made.size) == ("portrait", Size(720, 720))
    assert probe_video(tmp_path / "a.mp4").audio_codec is None
    tracks = [bridge(follow(frames(p)).faces) for p in (clip, tmp_path / "a.mp4")]
    assert all(t is not None for t in tracks)


def test_image_orientation_ends_after_five_seconds(shared_media: Path, dance: Path) -> None:
    info = replace(probe_video(dance), duration=60.0)
    asked: list[float] = []
    clip = study(info, "image", on_progress=asked.append)
    assert clip.frames == 30
    assert asked[-1] == pytest.approx(30 / (5 * 25))


@pytest.mark.parametrize(
    ("image", "clip", "reason"),
    [
        ("no_person_camera.png", "dance_woman_4s.mp4", NO_PERSON_IN_IMAGE),
        ("wide_alpaca.jpg", "dance_woman_4s.mp4", NO_PERSON_IN_IMAGE),
        ("fullbody_man.png", "dog_16fps.mp4", NO_PERSON_IN_VIDEO),
        ("portrait_woman.png", "dog_16fps.mp4", NO_PERSON_IN_VIDEO),
    ],
)
def test_refusals_use_the_providers_own_words(
    shared_media: Path, tmp_path: Path, image: str, clip: str, reason: str
) -> None:
    with pytest.raises(EngineError) as error:
        render(
            shared_media / "image" / image,
            shared_media / "video" / clip,
            tmp_path / "a.mp4",
            character_orientation="image",
            model_name="kling-v3-0-std",
            keep_original_sound=True,
        )
    assert error.value.reason == reason
    assert not list(tmp_path.iterdir())


def test_a_person_in_under_half_of_the_frames_is_too_short(dance: Path, tmp_path: Path) -> None:
    blank = ["-vf", "drawbox=t=fill:c=gray:enable='gt(t,0.45)'"]
    ffmpeg.run(["-i", str(dance), *blank, str(tmp_path / "a.mp4")], timeout=60)
    with pytest.raises(EngineError, match=MOTION_TOO_SHORT):
        study(probe_video(tmp_path / "a.mp4"), "video")


@pytest.mark.parametrize("case", ["rotated", "odd", "anamorphic", "webm", "variable"])
def test_unusual_clips_are_followed(
    shared_media: Path, dance: Path, tmp_path: Path, case: str
) -> None:
    path = tmp_path / f"{case}.mp4"
    if case == "rotated":
        ffmpeg.run(
            ["-i", str(dance), "-vf", "transpose=1", str(tmp_path / "lying.mp4")], timeout=60
        )
        ffmpeg.run(
            ["-display_rotation", "90", "-i", str(tmp_path / "lying.mp4"), "-c", "copy", str(path)],
            timeout=60,
        )
    elif case == "odd":
        ffmpeg.run(["-i", str(dance), "-vf", "scale=361:541,format=yuv444p", str(path)], timeout=60)
    elif case == "anamorphic":
        ffmpeg.run(["-i", str(dance), "-vf", "scale=180:540,setsar=2", str(path)], timeout=60)
    elif case == "webm":
        path = tmp_path / "a.webm"
        quick = [
            "-c:v",
            "libvpx",
            "-deadline",
            "realtime",
            "-cpu-used",
            "8",
            "-an",
            "-f",
            "webm",
            "pipe:1",
        ]
        path.write_bytes(
            ffmpeg.run(["-i", str(dance), *quick], timeout=60).stdout
        )  # a pipe cannot be wound back: no duration is written
    else:
        ffmpeg.run(
            [
                "-i",
                str(dance),
                "-vf",
                "select='not(eq(mod(n,3),1))'",
                "-fps_mode",
                "vfr",
                str(path),
            ],
            timeout=60,
        )
    info = probe_video(path)
    clip = study(info, "video")
    assert clip.bodies is not None
    assert clip.size.height / clip.size.width == pytest.approx(1.5, abs=0.02)
    assert clip.seconds == pytest.approx(1.2, abs=0.13)
    neck, hips = clip.bodies[:, [11, 12], 1].mean(), clip.bodies[:, [23, 24], 1].mean()
    assert 0.1 * clip.size.height < hips - neck < 0.5 * clip.size.height


def test_short_sound_never_cuts_the_picture(dance: Path, tmp_path: Path) -> None:
    ffmpeg.run(
        ["-i", str(dance), "-t", "0.4", "-vn", "-c:a", "aac", str(tmp_path / "short.m4a")],
        timeout=60,
    )
    with film(
        tmp_path / "a.mp4", Size(64, 48), Fraction(25), sound=tmp_path / "short.m4a", seconds=2.0
    ) as reel:
        for i in range(50):
            reel.add(np.full((48, 64, 3), i * 5, np.uint8))
    info = probe_video(tmp_path / "a.mp4")
    assert (info.frames, info.audio_codec) == (50, "aac")
    assert info.duration == pytest.approx(2, abs=0.05)


def test_an_unfinished_film_leaves_the_old_file(tmp_path: Path) -> None:
    out = tmp_path / "a.mp4"
    out.write_bytes(b"old")
    with pytest.raises(cv2.error), film(out, Size(64, 48), Fraction(25)) as reel:
        reel.add(np.zeros((47, 63, 3), np.uint8))  # odd sides cannot be I420
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert out.read_bytes() == b"old"


def test_opencvs_threads_are_put_back(
    danced: tuple[Path, Rendered, list[tuple[float, str]]],
) -> None:
    assert danced[1].frames
    assert cv2.getNumThreads() != 1
