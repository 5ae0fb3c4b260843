"""A zoo of clips, made on the spot: the right values are those that each was made with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from helpers import zoo

from kling_utils.media import ffmpeg
from kling_utils.media.ffmpeg_output import UNDECODED
from kling_utils.media.probe import probe_video, read_streams
from kling_utils.values import Size

FFMPEG = "n9.0.2-17-g2a571b6068-20260930"
"""The bundled ffmpeg that this zoo was run with. Another one may print its listing in another form: run these tests with it first."""


def test_the_bundled_ffmpeg_is_the_one_that_the_zoo_was_run_with() -> None:
    version = ffmpeg.run(["-version"], timeout=20).stdout.decode().split()[2]
    if not os.environ.get("KLING_REQUIRE_FFPROBE") and version != FFMPEG:
        pytest.skip(f"another ffmpeg is bundled here: {version}")
    assert version == FFMPEG


def test_sounds_without_a_decoder_are_known() -> None:
    if ffmpeg.run(["-version"], timeout=20).stdout.decode().split()[2] != FFMPEG:
        pytest.skip("another ffmpeg is bundled here")
    told = ffmpeg.run(["-codecs"], timeout=20).stdout.decode()
    without = re.findall(r"^ \.[E.]A[I.][L.][S.] (\w+)", told, re.MULTILINE)
    assert set(without) == UNDECODED - {"none", "unknown"}


@pytest.fixture(scope="session")
def ffprobe() -> str:
    """Debian's ffprobe: a reader of clips that is not ours."""
    found = shutil.which("ffprobe")
    if not found:
        if os.environ.get("KLING_REQUIRE_FFPROBE"):
            pytest.fail("needs ffprobe, which KLING_REQUIRE_FFPROBE says must be there")
        pytest.skip("needs ffprobe, which Debian's package ffmpeg has")
    return found


def asked(ffprobe: str, path: Path, entries: str) -> list[str]:
    """The values of the first video stream, in ffprobe's own order."""
    args = ["-v", "error", "-select_streams", "V:0", "-show_entries", f"stream={entries}"]
    form = ["-of", "default=noprint_wrappers=1:nokey=1", f"file:{path}"]
    done = subprocess.run([ffprobe, *args, *form], capture_output=True, check=True, timeout=60)
    return done.stdout.decode().split()


GROUPED: list[tuple[str, Callable[[Path], Path]]] = [
    ("timecode in mp4", lambda to: zoo.timecode(to, "tc.mp4")),
    ("timecode in mov", lambda to: zoo.timecode(to, "tc.mov")),
    ("timecode with sound", lambda to: zoo.timecode(to, "tc.mp4", sound=4)),
    ("sensor data of a camera", zoo.data_track),
    ("metadata of a phone", lambda to: zoo.data_track(to, b"mebx")),
    ("data of an unknown kind", lambda to: zoo.data_track(to, b"xyzq", b"data")),
    ("cover art first", zoo.cover_first),
    ("two pictures", zoo.two_pictures),
]


@pytest.mark.parametrize("make", [row[1] for row in GROUPED], ids=[row[0] for row in GROUPED])
def test_other_tracks_beside_the_picture(
    tmp_path: Path, ffprobe: str, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    info, streams = probe_video(path), read_streams(path)
    assert (info.size, info.coded, info.rotation) == (Size(640, 480), Size(640, 480), 0)
    assert (info.duration, info.frames, info.frame_rate) == (4.0, 100, 25)
    assert (info.codec, info.pixel_format, info.variable_rate) == ("h264", "yuv420p", False)
    assert len(streams.times) == 100
    assert asked(ffprobe, path, "codec_name,width,height,r_frame_rate") == [
        "h264",
        "640",
        "480",
        "25/1",
    ]


def test_a_timecode_track_keeps_the_tags_of_hdr(tmp_path: Path, ffprobe: str) -> None:
    path = zoo.timecode(tmp_path, "hdr.mp4", after=zoo.HDR, codec=zoo.HEVC_10)
    colour, info = read_streams(path).colour, probe_video(path)
    assert colour.hdr
    assert (colour.matrix, colour.primaries, colour.transfer) == (
        "bt2020nc",
        "bt2020",
        "smpte2084",
    )
    assert (info.pixel_format, info.size, info.frame_rate) == ("yuv420p10le", Size(640, 480), 25)
    assert asked(ffprobe, path, "color_space,color_transfer,color_primaries") == [
        "bt2020nc",
        "smpte2084",
        "bt2020",
    ]


def test_a_turned_clip_with_a_timecode(tmp_path: Path) -> None:
    turned = zoo.copied(
        zoo.timecode(tmp_path, "tc.mov"), "turned.mov", before=("-display_rotation", "90")
    )
    info = probe_video(turned)
    assert (info.size, info.rotation, info.frame_rate) == (Size(480, 640), 90, Fraction(25))


SHAPES: list[tuple[str, Callable[[Path], Path], Size, Size, int]] = [
    ("odd pixels", lambda to: zoo.shaped(to, "4/3", 0), Size(640, 360), Size(853, 360), 0),
    (
        "odd pixels, turned",
        lambda to: zoo.shaped(to, "4/3", 90),
        Size(640, 360),
        Size(360, 853),
        90,
    ),
    ("narrow, turned", lambda to: zoo.shaped(to, "3/4", 270), Size(640, 360), Size(480, 640), 270),
    ("upside down", lambda to: zoo.shaped(to, "1/1", 180), Size(640, 360), Size(640, 360), 180),
]


@pytest.mark.parametrize(
    ("make", "coded", "shown", "rotation"), [row[1:] for row in SHAPES], ids=[r[0] for r in SHAPES]
)
def test_shapes_and_rotations(
    tmp_path: Path,
    ffprobe: str,
    make: Callable[[Path], Path],
    coded: Size,
    shown: Size,
    rotation: int,
) -> None:
    path = make(tmp_path)
    info = probe_video(path)
    assert (info.coded, info.visible, info.size, info.rotation) == (coded, coded, shown, rotation)
    assert asked(ffprobe, path, "width,height") == [str(coded.width), str(coded.height)]


def test_when_the_picture_begins(tmp_path: Path, ffprobe: str) -> None:
    path = zoo.late_picture(zoo.clip(tmp_path, seconds=3, rate="25", sound=3), 0.6)
    info = probe_video(path)
    assert (info.duration, info.frames) == (3.0, 75)
    assert info.first_picture == pytest.approx(0.6, abs=0.005)
    assert float(asked(ffprobe, path, "start_time")[0]) == pytest.approx(0.6, abs=0.005)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_start_before_zero(tmp_path: Path, name: str) -> None:
    plain = zoo.clip(tmp_path, "plain.mp4", seconds=4, rate="25", sound=4, after=("-g", "25"))
    path = zoo.copied(plain, name, before=("-ss", "0.5"), after=("-copyts", "-start_at_zero"))
    info = probe_video(path)
    assert info.frame_rate == 25
    assert not info.variable_rate
    assert info.duration == pytest.approx(info.frames / 25)


def test_more_pixels_than_are_decoded(tmp_path: Path) -> None:
    path = zoo.clip(tmp_path, "wall.mp4", seconds=1, size="9000x6000", rate="1")
    info = probe_video(path)
    assert (info.size, info.readable) == (Size(9000, 6000), (0.0, 0.0))
