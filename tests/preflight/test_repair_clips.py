"""Clips with a fault of their own kind: what is found, and what the repair makes of it."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import zoo
from helpers.infos import by_code
from PIL import Image

from kling_utils.errors import Refused, Unrepairable
from kling_utils.media import ffmpeg
from kling_utils.media.encode import thumbnails
from kling_utils.media.probe import probe_video, read_streams
from kling_utils.preflight.check import check_video
from kling_utils.preflight.plan import FitChoices, plan_file
from kling_utils.preflight.repair import Fitted, fit, fit_file
from kling_utils.review.compare import compare
from kling_utils.values import Finding, Report, Size


def found(path: Path) -> dict[str, Finding]:
    return by_code(check_video(probe_video(path), "video"))


def fitted(path: Path, to: Path) -> tuple[Path, Fitted]:
    to.mkdir(exist_ok=True)
    done = fit(plan_file(path), to)
    assert done.video is not None
    return done.video, done


def test_an_encrypted_clip_is_an_error_before_money(tmp_path: Path) -> None:
    path = zoo.encrypted(tmp_path)
    finding = found(path)["video.protected"]
    assert (finding.severity, finding.measured) == ("error", "encrypted")
    assert "video.decodes" not in found(path)
    plan = plan_file(path)
    assert [each.code for each in plan.impossible] == ["video.protected"]
    with pytest.raises(Unrepairable, match="encrypted"):
        fit(plan, tmp_path)


@pytest.mark.parametrize("gop", ["24", "250"])
def test_zeros_in_the_second_half(tmp_path: Path, gop: str) -> None:
    path = zoo.zeroed(zoo.clip(tmp_path, seconds=8, size="360x480", sound=8, after=("-g", gop)))
    info = probe_video(path)
    assert info.readable is not None
    assert info.readable[0] == 0
    assert 3.2 < info.readable[1] < 4.8
    finding = found(path)["video.decodes"]
    assert finding.severity == "error"
    assert finding.measured == f"cannot be decoded from {round(info.readable[1], 2):g} s on"
    made, done = fitted(path, tmp_path / "out")
    after = probe_video(made)
    assert after.readable is None
    assert after.duration == pytest.approx(info.readable[1], abs=0.3)
    assert done.report.ok
    said = str(Refused(Report((finding,))))
    assert f"Not sent. Video decoding: {finding.measured}." in said
    assert any("video.decodes" in step.answers for step in done.done)


def test_random_bytes_behind_the_only_key_picture(tmp_path: Path) -> None:
    whole = zoo.clip(tmp_path, seconds=8, size="360x480", sound=8, after=("-g", "250"))
    info = probe_video(zoo.scrambled(whole))
    assert info.readable is not None
    assert info.readable == (0.0, pytest.approx(4.0, abs=0.3))


X265 = ("libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=48")
VP9 = ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "48")
AV1 = (*zoo.AV1, "-g", "48")
H264 = ("libx264", "-pix_fmt", "yuv420p", "-g", "48")
# A negative ``-cpu-used`` is a fixed speed; else the file depends on the load of the machine.
VP8 = ("libvpx", "-deadline", "realtime", "-cpu-used", "-8", "-g", "48")
HOLES: list[tuple[str, tuple[str, ...], int, bool]] = [
    ("fast.mp4", H264, 20_000, False),
    ("phone.mov", X265, 20_000, False),
    ("phone.mov", X265, 3000, True),
    ("browser.mp4", VP9, 20_000, False),
    ("browser.mp4", AV1, 20_000, False),
    ("recorded.mkv", H264, 20_000, True),
    ("recorded.mkv", H264, 20_000, False),
    ("recorded.webm", VP8, 20_000, False),
]


@pytest.mark.parametrize(("name", "codec", "size", "zeros"), HOLES)
def test_a_hole_that_spares_the_key_pictures(
    tmp_path: Path, name: str, codec: tuple[str, ...], size: int, zeros: bool
) -> None:
    whole = zoo.clip(tmp_path, name, seconds=8, size="360x480", codec=codec)
    assert probe_video(whole).whole
    path = zoo.holed(whole, size, zeros=zeros)
    readable = probe_video(path).readable
    assert readable is not None
    assert 3.2 < readable[1] - readable[0] < 5
    assert found(path)["video.decodes"].severity == "error"
    made, done = fitted(path, tmp_path / "out")
    assert done.report.ok
    after = probe_video(made)
    assert (after.readable, after.variable_rate) == (None, False)


def test_a_file_that_was_cut_off_behind_its_index(tmp_path: Path) -> None:
    whole = zoo.clip(tmp_path, seconds=8, size="360x480", after=("-movflags", "+faststart"))
    path = zoo.beginning(whole, 0.6)
    info = probe_video(path)
    assert (probe_video(whole).whole, info.whole) == (True, False)
    assert info.readable == (0.0, pytest.approx(4.8, abs=0.5))
    assert found(path)["video.decodes"].severity == "error"
    made, done = fitted(path, tmp_path / "out")
    assert done.report.ok
    assert probe_video(made).duration == pytest.approx(info.readable[1], abs=0.3)


def test_what_is_left_of_a_damaged_clip_may_be_too_short(tmp_path: Path) -> None:
    path = zoo.zeroed(zoo.clip(tmp_path, seconds=4, size="360x480", after=("-g", "24")))
    plan = plan_file(path)
    assert [each.code for each in plan.impossible] == ["video.decodes"]
    assert "too short" in plan.impossible[0].reason


def test_a_codec_without_a_decoder(tmp_path: Path) -> None:
    path = zoo.replaced(zoo.clip(tmp_path), b"avc1", b"xxyz")
    path = zoo.replaced(path, b"avcC", b"xxxC")
    assert found(path)["video.decodes"].measured == "cannot be decoded"


@pytest.mark.parametrize("name", ["changing.mp4", "changing.mkv"])
def test_a_size_that_changes_within_the_stream(tmp_path: Path, name: str) -> None:
    path = zoo.changing_size(tmp_path, name)
    info = probe_video(path)
    assert (info.size, info.other_sizes) == (Size(480, 720), (Size(320, 480),))
    finding = found(path)["video.one_size"]
    assert (finding.severity, finding.measured) == ("warning", "480x720, then 320x480 px")
    made, done = fitted(path, tmp_path / "out")
    after = probe_video(made)
    assert (after.size, after.other_sizes, after.frames) == (Size(480, 720), (), 144)
    assert "video.one_size" in [step.code for step in done.done]


@pytest.mark.parametrize("sound", ["pcm_s16le", "ac3"])
@pytest.mark.parametrize("length", [None, 4.0])
def test_a_repacked_avi_keeps_its_sound(tmp_path: Path, sound: str, length: float | None) -> None:
    keep = ("-bf", "0", "-g", "24", "-c:a", sound)
    path = zoo.clip(tmp_path, "old.avi", seconds=6, size="360x480", sound=6, after=keep)
    made = fit(plan_file(path, choices=FitChoices(length=length)), tmp_path).video
    assert made is not None
    info, heard = probe_video(made), read_streams(made).sound
    assert (info.duration, info.first_picture) == (length or 6.0, 0.0)
    assert heard is not None
    assert heard.seconds == pytest.approx(info.duration, abs=0.1)


def test_a_header_that_is_too_short(tmp_path: Path) -> None:
    path = zoo.header_length(zoo.clip(tmp_path, seconds=8, size="360x480"), 0.276)
    info = probe_video(path)
    assert (info.duration, info.header_duration) == (8.0, pytest.approx(0.276, abs=0.006))
    finding = found(path)["video.header"]
    assert (finding.severity, finding.measured) == (
        "warning",
        "0.28 s, but its pictures last 8 s",
    )
    made, done = fitted(path, tmp_path / "out")
    assert [step.code for step in done.done] == ["video.repack"]
    after = probe_video(made)
    assert (after.duration, after.header_duration) == (8.0, 8.0)


def test_sound_that_outlasts_the_picture(tmp_path: Path) -> None:
    path = zoo.clip(tmp_path, seconds=4, size="360x480", sound=9)
    assert found(path)["video.header"].measured == "9 s, but its pictures last 4 s"
    made, done = fitted(path, tmp_path / "out")
    assert [step.code for step in done.done] == ["video.repack"]
    after = probe_video(made)
    assert after.audio_codec == "aac"
    assert (after.duration, after.header_duration) == (4.0, pytest.approx(4.0, abs=0.1))


def test_sound_that_nobody_decodes(tmp_path: Path) -> None:
    path = zoo.unknown_sound(tmp_path)
    info = probe_video(path)
    assert (info.audio_codec, info.unknown_sound) == (None, True)
    assert found(path)["video.sound"].severity == "warning"
    made, done = fitted(path, tmp_path / "out")
    assert "video.silent" in [step.code for step in done.done]
    assert (probe_video(made).audio_codec, probe_video(made).unknown_sound) == (None, False)


def test_another_sound_is_taken_where_the_first_cannot_be_decoded(tmp_path: Path) -> None:
    path = zoo.two_sounds(tmp_path)
    info = probe_video(path)
    assert (info.audio_codec, info.audio_number, info.unknown_sound) == ("aac", 1, False)
    made, _ = fitted(path, tmp_path / "out")
    assert probe_video(made).audio_codec == "aac"


def test_spatial_sound_counts_as_one_that_cannot_be_decoded(tmp_path: Path) -> None:
    path = zoo.spatial_sound(tmp_path)
    info = probe_video(path)
    assert (info.audio_codec, info.audio_number, info.unknown_sound) == ("aac", 1, False)
    made, done = fitted(path, tmp_path / "out")
    assert "video.silent" not in [step.code for step in done.done]
    assert probe_video(made).audio_codec == "aac"


def test_sound_that_says_nothing_of_itself(tmp_path: Path) -> None:
    path = zoo.nameless_sound(tmp_path)
    info = probe_video(path)
    assert (info.audio_codec, info.unknown_sound) == (None, True)
    made, done = fitted(path, tmp_path / "out")
    assert "video.silent" in [step.code for step in done.done]
    assert probe_video(made).size == Size(480, 360)


def test_sound_whose_packets_are_none_of_its_codec(tmp_path: Path) -> None:
    path = zoo.broken_sound(tmp_path)
    made, done = fitted(path, tmp_path / "out")
    assert "video.silent" in [step.code for step in done.done]
    assert probe_video(made).audio_codec is None


def test_a_clean_aperture_is_measured(tmp_path: Path) -> None:
    path = zoo.clean_aperture(zoo.clip(tmp_path, seconds=3, size="480x640"), Size(400, 600))
    info = probe_video(path)
    assert (info.coded, info.visible, info.size) == (
        Size(480, 640),
        Size(400, 600),
        Size(400, 600),
    )
    assert found(path)["video.crop"].measured == "400x600 px of 480x640 px"
    made, _ = fitted(path, tmp_path / "out")
    after = probe_video(made)
    assert (after.coded, after.visible, after.size) == ((400, 600),) * 3


def test_dolby_vision_five_is_told(tmp_path: Path) -> None:
    path = zoo.dolby_five(tmp_path)
    assert probe_video(path).dolby_profile == 5
    assert found(path)["video.dolby"].severity == "warning"
    plan = plan_file(path)
    assert "video.dolby" in [step.code for step in plan.steps]
    assert not any("No difference" in step.cost for step in plan.steps)


def test_an_animated_gif_becomes_a_clip(tmp_path: Path) -> None:
    path = zoo.clip(tmp_path, "dance.gif", seconds=4, size="360x480", rate="10", codec=("gif",))
    info = probe_video(path)
    assert (info.container, info.codec, info.size) == ("gif", "gif", Size(360, 480))
    assert (info.duration, info.frames, info.frame_rate) == (4.0, 40, 10)
    assert found(path)["video.container"].severity == "error"
    made, done = fitted(path, tmp_path / "out")
    after = probe_video(made)
    assert (after.codec, after.pixel_format, after.duration) == ("h264", "yuv420p", 4.0)
    assert done.report.ok


def test_a_short_animation_is_a_picture(tmp_path: Path) -> None:
    path = zoo.animated_image(tmp_path, "wink.gif")
    assert probe_video(path).frames == 3
    assert plan_file(path).image is not None


def test_a_crop_of_matroska_is_measured(tmp_path: Path) -> None:
    whole = zoo.clip(tmp_path, seconds=3, size="480x640")
    path = zoo.copied(zoo.clean_aperture(whole, Size(400, 600)), "crop.mkv")
    info = probe_video(path)
    assert (info.size, info.visible) == (Size(400, 600), Size(400, 600))
    made, _ = fitted(path, tmp_path / "out")
    assert probe_video(made).size == Size(400, 600)


KINDS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("hevc.mov", {"codec": zoo.HEVC_ALPHA}, "hevc", {"pixel_format": "yuva420p"}),
    ("prores.mov", {"codec": ("prores_ks",)}, "prores", {"pixel_format": "yuv422p10le"}),
    ("av1.mp4", {"codec": zoo.AV1, "sound": 4, "after": ("-c:a", "libopus")}, "av1", {}),
    ("phone.3gp", {"codec": ("h263",), "size": "352x288", "rate": "15"}, "h263", {}),
    ("slow.mov", {"rate": "240"}, "h264", {"frame_rate": 240}),
    ("late_index.mov", {"sound": 4}, "h264", {"audio_codec": "aac"}),
    ("pieces.mp4", {"after": zoo.FRAGMENTED}, "h264", {"frames": 96}),
    ("screen.mp4", {"after": zoo.SCREEN}, "h264", {"variable_rate": True}),
    ("meeting.webm", {"codec": ("libvpx", "-deadline", "realtime")}, "vp8", {}),
    ("old.avi", {"codec": ("mpeg4", "-bf", "2")}, "mpeg4", {"frames": 96}),
]


def test_cover_art_that_lies_before_the_film_is_not_taken_for_it(tmp_path: Path) -> None:
    path = zoo.cover_first(tmp_path)
    choices = FitChoices(start=0.5, length=3.2)
    fit_file(plan_file(path, choices=choices), tmp_path / "out.mp4")
    after = probe_video(tmp_path / "out.mp4")
    assert (str(after.size), after.frames) == ("640x480", 80)
    compare(path, path, tmp_path / "both.mp4")
    assert probe_video(tmp_path / "both.mp4").duration == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize(("name", "how", "codec", "facts"), KINDS, ids=[row[0] for row in KINDS])
def test_kinds_of_clips_are_measured_and_made_legal(
    tmp_path: Path, name: str, how: dict[str, Any], codec: str, facts: dict[str, Any]
) -> None:
    size = how.get("size", "360x480")
    path = zoo.clip(tmp_path, name, **{"seconds": 4, "size": size, **how})
    info = probe_video(path)
    assert info.codec == codec
    assert str(info.size) == size
    assert info.duration == pytest.approx(4, abs=0.1)
    assert info.header_duration == pytest.approx(4, abs=0.1)
    assert info.readable is None
    assert {key: getattr(info, key) for key in facts} == facts
    plan = plan_file(path)
    assert not plan.impossible
    if plan.needed:
        _, done = fitted(path, tmp_path / "out")
        assert [each.code for each in done.report.findings if each.severity != "pass"] in (
            [],
            ["video.frame_rate"],
        )
        after = done.report.video
        assert after is not None
        assert (after.codec, after.container, after.variable_rate) == ("h264", "mp4", False)
        assert after.duration == pytest.approx(4, abs=0.1)
        assert (after.audio_codec is not None) == (info.audio_codec is not None)


@pytest.mark.parametrize(
    "name",
    ["-i.mkv", "a\nb.mkv", "100%03d.mkv", "🕺.mkv", 'it\'s "x".mkv', "a:b.mkv", b"caf\xe9\n.mkv"],
)
def test_odd_names_go_through_a_repair(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    zoo.clip(tmp_path, "plain.mkv", seconds=3, size="360x480", sound=3).rename(path)
    made, done = fitted(path, tmp_path / "out")
    assert done.report.ok
    assert probe_video(made).duration == pytest.approx(3, abs=0.01)


def beats(path: Path) -> tuple[list[float], list[float]]:
    """When a clip flashes and when it clicks, in seconds."""
    take = ["-vf", "scale=8:8", "-pix_fmt", "gray", "-fps_mode", "passthrough", "-f", "rawvideo"]
    seen = ffmpeg.run([*ffmpeg.source(path), "-map", "0:V:0", *take, "-"], timeout=60).stdout
    heard = ffmpeg.run(
        [*ffmpeg.source(path), "-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"],
        timeout=60,
    ).stdout
    light = np.frombuffer(seen, np.uint8).reshape(-1, 64).mean(1) > 128
    loud = np.abs(np.frombuffer(heard, np.int16).reshape(-1, 1)[:, 0].astype(float)) > 8000
    loud = np.array([loud[at : at + 160].any() for at in range(0, len(loud), 160)])  # 20 ms

    def begins(on: np.ndarray[Any, Any], step: float) -> list[float]:
        return [float(n * step) for n in np.flatnonzero(on & ~np.append(False, on[:-1]))]

    return begins(light, 1 / 25), begins(loud, 0.02)


@pytest.mark.parametrize(
    ("start", "length", "frames"),
    [(0.0, None, 100), (0.0, 3.5, 87), (1.0, 3.0, 75)],
)
def test_a_clip_of_two_parts_stays_in_step(
    tmp_path: Path, start: float, length: float | None, frames: int
) -> None:
    path = zoo.two_parts(tmp_path)
    info = probe_video(path)
    assert (info.duration, info.frames, info.frame_rate) == (4.0, 100, 25)
    assert beats(path)[0] == pytest.approx(zoo.FLASHES)
    choices = FitChoices(fields=("video",), start=start, length=length, longest_side=640)
    plan = plan_file(path, choices=choices, character_orientation="video")
    made = path
    if plan.needed:
        made = tmp_path / "fitted.mp4"
        fit_file(plan, made)
    assert probe_video(made).frames == frames
    wanted = [at - start for at in zoo.FLASHES if start <= at < start + frames / 25]
    seen, heard = beats(made)
    assert seen == pytest.approx(wanted, abs=0.041)
    assert heard == pytest.approx(wanted, abs=0.061)


def test_a_length_that_was_chosen_is_kept_to_the_picture(tmp_path: Path) -> None:
    """Cut as they are, these packets would end a picture early: each second one leans on the next."""
    leaning = ("-bf", "1", "-b_strategy", "0", "-x264-params", "scenecut=0")
    path = zoo.clip(tmp_path, seconds=6, rate="25", size="480x640", after=leaning)
    for length, frames, way in ((4.0, 100, "video.encode"), (3.96, 99, "video.cut")):
        choices = FitChoices(fields=("video",), length=length)
        plan = plan_file(path, choices=choices, character_orientation="video")
        assert way in [step.code for step in plan.steps]
        fit_file(plan, tmp_path / f"{frames}.mp4")
        assert probe_video(tmp_path / f"{frames}.mp4").frames == frames


@pytest.mark.parametrize("tag", [0, 90])
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_clip_is_turned_clockwise_also_over_its_tag(tmp_path: Path, tag: int, turn: int) -> None:
    corner = "color=black:s=480x360:r=24:d=3.2,drawbox=w=120:h=90:color=white:t=fill"
    plain, source = tmp_path / "plain.mp4", tmp_path / "clip.mp4"
    ffmpeg.run(["-f", "lavfi", "-i", corner, *ffmpeg.H264, str(plain)], timeout=60)
    tagged = ["-display_rotation:v", str(tag), "-i", str(plain), "-c", "copy", str(source)]
    ffmpeg.run(tagged, timeout=60)
    before = Image.open(io.BytesIO(thumbnails(source, 1)[0])).convert("L")
    plan = plan_file(source, choices=FitChoices(turn_video=turn))
    assert f"clockwise by {turn} degrees" in str(plan)
    made = fit(plan, tmp_path / "out").video
    assert made is not None
    info = probe_video(made)
    assert info.rotation == 0
    wanted = before.rotate(-turn, expand=True)
    after = Image.open(io.BytesIO(thumbnails(made, 1)[0])).convert("L").resize(wanted.size)
    assert np.abs(np.asarray(after, float) - np.asarray(wanted, float)).mean() < 8
    assert info.size.aspect == Fraction(*wanted.size)
