"""Probes: what a file is, whatever it is called."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from helpers import zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_utils.errors import UnreadableMedia
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.values import Size


def refused(path: Path, place: str) -> UnreadableMedia:
    with pytest.raises(UnreadableMedia) as caught:
        (probe_image if place == "image" else probe_video)(path)
    error = caught.value
    assert error.hint
    assert error.message.startswith(path.name)
    assert str(path.parent) not in str(error)
    assert error.field == place
    return error


# -- real files ----------------------------------------------------------------------------------------------------------------------


def inventory(folder: Path) -> dict[str, str]:
    rows = [
        line.split("|")
        for line in (folder / "INVENTORY.md").read_text("utf-8").splitlines()
        if line.startswith(("| image/", "| video/"))
    ]
    return {row[1].strip(): row[3].strip() for row in rows}


def test_real_pictures_are_what_the_inventory_says(shared_media: Path) -> None:
    told = {
        name: facts for name, facts in inventory(shared_media).items() if name.startswith("image/")
    }
    assert len(told) == 11
    for name, facts in told.items():
        info = probe_image(shared_media / name)
        width, height = re.findall(r"\d+", facts)[:2]
        assert info.size == Size(int(width), int(height)), name
        assert info.mode != "RGBA", f"{name}: nothing in it is see-through"
        assert (info.mode == "P") == ("palette" in facts), name
        assert info.frames == 1, name
        assert info.sha256 == hashlib.sha256((shared_media / name).read_bytes()).hexdigest()


def test_the_bytes_decide_and_not_the_name(shared_media: Path) -> None:
    assert probe_image(shared_media / "image" / "small_dog_256.jpg").format == "PNG"
    assert probe_video(shared_media / "video" / "crowd_50fps.avi").container == "mp4"


def test_real_clips_are_what_the_inventory_says(shared_media: Path) -> None:
    told = {
        name: facts for name, facts in inventory(shared_media).items() if name.startswith("video/")
    }
    assert len(told) == 8
    for name, facts in told.items():
        info = probe_video(shared_media / name)
        size, rate, seconds = re.match(r"(\d+x\d+), (\d+) fps, ([\d.]+) s", facts).groups()  # type: ignore[union-attr]
        assert str(info.size) == size, name
        assert info.frame_rate == Fraction(rate), name
        assert info.duration == pytest.approx(float(seconds), abs=0.05), name
        assert (info.audio_codec is not None) == ("sound" in facts), name
        assert info.codec == "h264"
        assert info.pixel_format == "yuv420p"
        assert not info.variable_rate
        assert info.duration == pytest.approx(info.frames / info.frame_rate)


def test_length_is_the_pictures_and_not_the_headers(shared_media: Path) -> None:
    # The header says 33.62 s, as long as the sound is.
    assert probe_video(shared_media / "video" / "face_33s_too_long.mp4").duration == 33.6


# -- pictures ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "shown"),
    [("RGB", "RGB"), ("RGBA", "RGB"), ("L", "L"), ("P", "P"), ("1", "1"), ("LA", "L")],
)
def test_png_modes_without_a_see_through_pixel(tmp_path: Path, mode: str, shown: str) -> None:
    info = probe_image(zoo.image(tmp_path, mode=mode))
    assert (info.format, info.mode, info.size, info.frames, info.turned) == (
        "PNG",
        shown,
        Size(400, 600),
        1,
        False,
    )
    assert info.size_bytes == (tmp_path / "figure.png").stat().st_size


def test_cmyk_and_sixteen_bits(tmp_path: Path) -> None:
    assert probe_image(zoo.image(tmp_path, "print.jpg", mode="CMYK", kind="JPEG")).mode == "CMYK"
    assert probe_image(zoo.deep_image(tmp_path)).mode.startswith("I")


@pytest.mark.parametrize(
    ("tag", "sideways"),
    [(1, False), (2, False), (3, False), (4, False), (5, True), (6, True), (7, True), (8, True)],
)
def test_size_is_as_held_by_the_viewer(tmp_path: Path, tag: int, sideways: bool) -> None:
    info = probe_image(zoo.turned_image(tmp_path, tag))
    assert info.size == (Size(400, 600) if sideways else Size(600, 400))
    assert info.turned == (tag != 1)


@pytest.mark.parametrize("name", ["animated.png", "animated.gif", "animated.webp"])
def test_animations_are_counted(tmp_path: Path, name: str) -> None:
    assert probe_image(zoo.animated_image(tmp_path, name)).frames == 3


def test_a_cameras_jpeg_with_a_preview_is_one_jpeg(tmp_path: Path) -> None:
    info = probe_image(zoo.camera_image(tmp_path))
    assert (info.format, info.frames, info.size) == ("JPEG", 1, Size(400, 600))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as when the app runs
@pytest.mark.parametrize(("side", "megapixels"), [(20_000, "400"), (10_000, "100")])
def test_a_bomb_is_never_unpacked(tmp_path: Path, side: int, megapixels: str) -> None:
    path = zoo.bomb(tmp_path, side)
    assert path.stat().st_size < 300_000
    error = refused(path, "image")
    assert f"{megapixels} megapixels" in error.message
    assert error.found == "bomb"


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"avif"])
def test_heic_is_named_and_told_what_to_do(tmp_path: Path, brand: bytes) -> None:
    error = refused(zoo.heic(tmp_path, "photo.jpg", brand), "image")
    assert ("AVIF" if brand == b"avif" else "HEIC") in error.message
    assert "JPEG" in error.hint


def test_a_real_heic_is_measured(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "photo.heic"
    heif.from_pillow(zoo.picture()).save(path)
    info = probe_image(path)
    assert (info.format, info.size, info.frames) == ("HEIF", Size(400, 600), 1)
    assert refused(path, "video").found == "image"
    assert refused(zoo.beginning(path, 0.5), "image").found == "heif"


def test_avif_is_measured(tmp_path: Path) -> None:
    info = probe_image(zoo.image(tmp_path, "photo.avif", kind="AVIF"))
    assert (info.format, info.size) == ("AVIF", Size(400, 600))


def test_sixteen_bits_of_colour_are_not_taken_for_eight(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x320",
            "-frames:v",
            "1",
            "-pix_fmt",
            "rgb48be",
            str(path),
        ],
        timeout=30,
    )
    assert probe_image(path).mode == "RGB;16B"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_truncated_picture_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    whole = zoo.image(tmp_path, f"figure.{kind.lower()}", kind=kind)
    assert probe_image(whole).format == kind
    assert "not a whole picture" in refused(zoo.beginning(whole, share), "image").message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"hello", "text"),
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b'<?xml version="1.0"?><svg xmlns="x"/>', "SVG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (bytes(range(1, 200)), "not a picture"),
        ("Übung macht den Meister " * 400, "text"),
    ],
)
def test_not_a_picture(tmp_path: Path, content: bytes | str, says: str) -> None:
    assert says in refused(zoo.written(tmp_path, "figure.png", content), "image").message


def test_a_clip_in_the_images_place(tmp_path: Path) -> None:
    error = refused(zoo.clip(tmp_path, "figure.png", after=("-f", "mp4")), "image")
    assert error.found == "video"
    assert "not a picture" in error.message


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    at=st.integers(0, 5000),
    value=st.integers(0, 255),
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]),
)
def test_a_damaged_byte_never_ends_in_a_traceback(
    tmp_path: Path, at: int, value: int, kind: str
) -> None:
    data = bytearray(zoo.image(tmp_path, "whole", kind=kind, size=(60, 90)).read_bytes())
    data[at % len(data)] = value
    path = zoo.written(tmp_path, "damaged", bytes(data))
    with contextlib.suppress(UnreadableMedia):
        assert probe_image(path).frames >= 1


# -- clips ---------------------------------------------------------------------------------------------------------------------------


def test_an_ordinary_clip(tmp_path: Path) -> None:
    path = zoo.clip(tmp_path, seconds=3.5, sound=3.5)
    info = probe_video(path)
    assert (info.container, info.codec, info.pixel_format, info.audio_codec) == (
        "mp4",
        "h264",
        "yuv420p",
        "aac",
    )
    assert (info.size, info.coded, info.rotation) == (Size(320, 480), Size(320, 480), 0)
    assert (info.duration, info.frames, info.frame_rate, info.variable_rate, info.interlaced) == (
        3.5,
        84,
        24,
        False,
        False,
    )
    assert (info.path, info.size_bytes) == (path, path.stat().st_size)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "codec", "container", "codec_name"),
    [
        ("a.mov", ("libx264", "-pix_fmt", "yuv420p"), "mov", "h264"),
        ("a.webm", ("libvpx", "-deadline", "realtime"), "webm", "vp8"),
        ("a.mkv", ("libx264", "-pix_fmt", "yuv420p"), "matroska", "h264"),
        ("a.avi", ("mpeg4", "-bf", "2"), "avi", "mpeg4"),
        ("a.3gp", ("libx264", "-pix_fmt", "yuv420p"), "3gp", "h264"),
        (
            "a.mp4",
            ("libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"),
            "mp4",
            "hevc",
        ),
    ],
)
def test_containers_and_codecs_from_the_bytes(
    tmp_path: Path, name: str, codec: tuple[str, ...], container: str, codec_name: str
) -> None:
    made = zoo.clip(tmp_path, name, codec=codec, seconds=1)
    info = probe_video(made.rename(tmp_path / "wrongly_named.txt"))
    assert (info.container, info.codec, info.frames, info.duration) == (
        container,
        codec_name,
        24,
        1.0,
    )
    assert info.frame_rate == 24
    assert not info.variable_rate
    assert info.pixel_format == ("yuv420p10le" if codec_name == "hevc" else "yuv420p")


@pytest.mark.parametrize(
    "rate", ["24000/1001", "30000/1001", "60000/1001", "25", "16", "12.5", "120"]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_rates_are_exact(tmp_path: Path, rate: str, name: str) -> None:
    # Matroska rounds times to milliseconds, and the rate comes out exact all the same.
    info = probe_video(zoo.clip(tmp_path, name, rate=rate, seconds=3, size="64x64"))
    assert info.frame_rate == Fraction(rate)
    assert not info.variable_rate
    assert Fraction(info.duration).limit_denominator(10_000) == info.frames / info.frame_rate


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_phones_clip_is_measured_as_shown(tmp_path: Path, degrees: int) -> None:
    info = probe_video(zoo.rotated_clip(tmp_path, degrees))
    assert info.coded == Size(640, 360)
    assert info.size == (Size(640, 360) if degrees == 180 else Size(360, 640))
    assert info.rotation == degrees


@pytest.mark.parametrize(
    ("aspect", "size"), [("4/3", Size(427, 480)), ("1/2", Size(320, 960)), ("1/1", Size(320, 480))]
)
def test_pixels_that_are_not_square(tmp_path: Path, aspect: str, size: Size) -> None:
    info = probe_video(zoo.clip(tmp_path, after=("-vf", f"setsar={aspect}")))
    assert (info.size, info.coded) == (size, Size(320, 480))


def test_pixel_shape_and_rotation_together(tmp_path: Path) -> None:
    wide = zoo.clip(tmp_path, size="640x360", after=("-vf", "setsar=4/3"))
    info = probe_video(zoo.copied(wide, "both.mp4", before=("-display_rotation", "90")))
    assert (info.size, info.coded) == (Size(360, 853), Size(640, 360))


def test_odd_sides(tmp_path: Path) -> None:
    info = probe_video(
        zoo.clip(
            tmp_path,
            after=("-vf", "scale=321:481,setsar=1"),
            codec=("libx264", "-pix_fmt", "yuv444p"),
        )
    )
    assert (info.size, info.pixel_format) == (Size(321, 481), "yuv444p")


def test_one_frame(tmp_path: Path) -> None:
    info = probe_video(zoo.clip(tmp_path, after=("-frames:v", "1"), rate="25"))
    assert (info.frames, info.duration, info.frame_rate, info.variable_rate) == (1, 0.04, 25, False)


def test_interlaced(tmp_path: Path) -> None:
    assert probe_video(zoo.clip(tmp_path, after=("-flags", "+ildct+ilme"))).interlaced


def test_varying_rate(tmp_path: Path) -> None:
    info = probe_video(zoo.varying_clip(tmp_path))
    assert info.variable_rate
    assert info.duration == pytest.approx(3.0, abs=0.05)
    assert info.frames == 72 - 7


def test_a_webcams_recording_without_a_length(tmp_path: Path) -> None:
    path = zoo.streamed_webm(tmp_path)
    info = probe_video(path)
    assert (info.container, info.frames, info.frame_rate) == ("webm", 90, 30)
    assert info.duration == pytest.approx(3.0, abs=0.002)


def test_sound_longer_than_the_picture_does_not_count(tmp_path: Path) -> None:
    info = probe_video(zoo.clip(tmp_path, seconds=3, sound=7))
    assert (info.duration, info.audio_codec) == (3.0, "aac")


def test_hidden_packets_of_an_edit_list_do_not_count(tmp_path: Path) -> None:
    whole = zoo.clip(tmp_path, seconds=4, rate="25", after=("-g", "100", "-bf", "0"))
    cut = probe_video(zoo.copied(whole, "cut.mp4", before=("-ss", "1.48"), after=("-t", "1.6")))
    assert (cut.frames, cut.duration) == (40, 1.6)


def test_frames_out_of_order(tmp_path: Path) -> None:
    info = probe_video(
        zoo.clip(
            tmp_path,
            codec=("libx264", "-bf", "3", "-pix_fmt", "yuv420p"),
            after=("-preset", "fast"),
        )
    )
    assert (info.duration, info.frames, info.variable_rate) == (3.0, 72, False)


NAMES = (
    "-version.mp4",
    "a:b.mp4",
    "100%03d.mp4",
    "ünï 日本 🕺.mp4",
    "it's.mp4",
    "a\n  Stream #0:0: Video: none, 1x1.mp4",
    "x[0]*.mp4",
)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: quote(name))
def test_odd_names(tmp_path: Path, name: str) -> None:
    path = zoo.clip(tmp_path, seconds=1).rename(tmp_path / name)
    assert probe_video(path).size == Size(320, 480)


def test_a_relative_name_that_looks_like_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.clip(tmp_path, seconds=1).rename(tmp_path / "-i.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe_video(Path("-i.mp4")).frames == 24


def test_a_name_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    zoo.clip(tmp_path, seconds=1).rename(path)
    assert probe_video(path).frames == 24


def test_tags_cannot_pass_for_streams(tmp_path: Path) -> None:
    title = "title=x\n  Stream #0:0: Video: theora, yuv444p, 9x9, 5 fps\n  Duration: 99:00:00.00\u2028  Stream #0:1: Audio: mp3"
    info = probe_video(
        zoo.copied(zoo.clip(tmp_path, seconds=1), "tagged.mp4", after=("-metadata", title))
    )
    assert (info.codec, info.size, info.duration, info.audio_codec) == (
        "h264",
        Size(320, 480),
        1.0,
        None,
    )


def test_subtitles_and_a_cover_beside_the_picture(tmp_path: Path) -> None:
    from kling_utils.media import ffmpeg

    video, cover = (
        zoo.clip(tmp_path, seconds=1, sound=1),
        zoo.image(tmp_path, "cover.jpg", kind="JPEG"),
    )
    lines = zoo.written(tmp_path, "lines.srt", "1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    path = tmp_path / "rich.mp4"
    maps = [
        "-map",
        "0",
        "-map",
        "1",
        "-map",
        "2",
        "-c",
        "copy",
        "-c:s",
        "mov_text",
        "-disposition:v:1",
        "attached_pic",
    ]
    ffmpeg.run(["-i", str(video), "-i", str(lines), "-i", str(cover), *maps, str(path)], timeout=60)
    info = probe_video(path)
    assert (info.codec, info.frames, info.audio_codec) == ("h264", 24, "aac")


# -- files that are no clips ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty (0 bytes)"),
        (b"just words", "text"),
        (b"#EXTM3U\n#EXTINF:3,\nsecret.mp4\n", "playlist"),
        (b"\xef\xbb\xbf#EXTM3U\n", "playlist"),
        (b"ffconcat version 1.0\nfile secret.mp4\n", "list of files"),
        (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash"/>', "playlist"),
        (b"<!DOCTYPE html><title>Sign in</title>", "web page"),
        (b"PK\x03\x04" + bytes(100), "ZIP"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(100), "sound only"),
        (b"\xff\xfe\x00\x01" + bytes(range(256)), "unknown kind"),
        (b"\x1aE\xdf\xa3" + bytes(100), "not readable as a video (ffmpeg: "),
        (b"\0\0\0\x18ftypisom" + bytes(200), "cut off"),
    ],
)
def test_not_a_clip(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refused(zoo.written(tmp_path, "dance.mp4", content), "video").message


@pytest.mark.parametrize("muxer", ["hls", "ffconcat"])
def test_a_list_that_points_at_a_real_clip_opens_nothing(tmp_path: Path, muxer: str) -> None:
    target = zoo.clip(tmp_path, seconds=1)
    text = (
        f"#EXTM3U\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n"
        if muxer == "hls"
        else f"ffconcat version 1.0\nfile '{target}'\n"
    )
    assert refused(zoo.written(tmp_path, "dance.mp4", text), "video").found == "text"


def test_a_playlist_behind_other_bytes_opens_nothing(tmp_path: Path) -> None:
    target = zoo.clip(tmp_path, seconds=1)
    refused(
        zoo.written(
            tmp_path, "dance.mp4", b"\x01\x02" + f"\n#EXTM3U\n#EXTINF:1,\n{target}\n".encode()
        ),
        "video",
    )


def test_a_truncated_clip(tmp_path: Path) -> None:
    error = refused(zoo.beginning(zoo.clip(tmp_path), 0.6), "video")
    assert "cut off" in error.message
    assert "again" in error.hint


def test_hardly_anything_of_a_clip(tmp_path: Path) -> None:
    whole = zoo.clip(tmp_path, after=("-movflags", "+faststart"))
    assert "cut off" in refused(zoo.beginning(whole, 0.2), "video").message


def test_sound_only(tmp_path: Path) -> None:
    for path in (
        zoo.sound_only(tmp_path),
        zoo.sound_only(tmp_path, "song.m4a"),
        zoo.sound_with_cover(tmp_path),
    ):
        error = refused(path, "video")
        assert error.found == "audio", path.name
        assert "sound only" in error.message


@pytest.mark.parametrize("name", ["figure.png", "figure.jpg", "figure.gif", "figure.webp"])
def test_a_picture_in_the_videos_place(tmp_path: Path, name: str) -> None:
    error = refused(
        zoo.image(tmp_path, name, kind=_kind(name)),
        "video",
    )
    assert error.found == "image"
    assert "swapped" in error.hint


def _kind(name: str) -> str:
    return {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "gif": "GIF"}[name[-4:].lstrip(".")]


@pytest.mark.parametrize(
    ("name", "says"), [("a.ts", "transport stream"), ("a.flv", "Flash"), ("a.asf", "Windows Media")]
)
def test_containers_that_are_not_read(tmp_path: Path, name: str, says: str) -> None:
    assert says in refused(zoo.clip(tmp_path, name, seconds=1), "video").message


@pytest.mark.parametrize("place", ["image", "video"])
def test_no_regular_file(tmp_path: Path, place: str) -> None:
    assert "not there" in refused(tmp_path / "gone.mp4", place).message
    (tmp_path / "folder.mp4").mkdir()
    assert "a folder" in refused(tmp_path / "folder.mp4", place).message
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "not a regular file" in refused(tmp_path / "pipe.mp4", place).message


def test_many_threads_at_once(tmp_path: Path) -> None:
    # Both probes are called from the app's and the watcher's threads.
    still, moving = zoo.image(tmp_path), zoo.clip(tmp_path, seconds=1)
    seen: list[object] = []

    def look() -> None:
        seen.append((probe_image(still), probe_video(moving)))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [(probe_image(still), probe_video(moving))] * 6


def test_length_and_size_are_read_with_moviepy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moviepy.video.io.ffmpeg_reader import FFmpegInfosParser

    parse = FFmpegInfosParser.parse

    def other(self: Any) -> Any:
        return parse(self) | {"duration": 7.5, "video_size": [16, 32]}

    path = zoo.clip(tmp_path)
    assert probe_video(path).header_duration == pytest.approx(3.0, abs=0.05)
    monkeypatch.setattr(FFmpegInfosParser, "parse", other)
    told = probe_video(path)
    assert (told.header_duration, told.coded) == (7.5, Size(16, 32))
