"""The rules at their bounds, on hand-made measurements: no file is opened here."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from helpers.infos import by_code, image_info, video_info
from hypothesis import given
from hypothesis import strategies as st

from kling_utils.errors import AddressRefused, FfmpegFailed, Refused, UnreadableMedia
from kling_utils.preflight.check import check, check_image, check_text, check_video
from kling_utils.preflight.limits import LIMITS, SOURCES, TEXTS, limit
from kling_utils.values import Finding, MotionRequest, Report, Size

IMAGE: list[tuple[dict[str, Any], str, str]] = [
    ({"format": "PNG"}, "image.format", "pass"),
    ({"format": "JPEG"}, "image.format", "pass"),
    ({"format": "WEBP"}, "image.format", "error"),
    ({"format": "GIF", "frames": 12}, "image.format", "error"),
    ({"format": "GIF", "frames": 12}, "image.frames", "warning"),
    ({"format": "PNG", "frames": 2}, "image.frames", "warning"),
    ({"size_bytes": 10_000_000}, "image.bytes", "pass"),
    ({"size_bytes": 10_000_001}, "image.bytes", "warning"),
    ({"size_bytes": 10_485_760}, "image.bytes", "warning"),
    ({"size_bytes": 10_485_761}, "image.bytes", "error"),
    ({"size": Size(300, 300)}, "image.side", "pass"),
    ({"size": Size(299, 700)}, "image.side", "error"),
    ({"size": Size(700, 299)}, "image.side", "error"),
    ({"size": Size(300, 400)}, "image.side.kling", "warning"),
    ({"size": Size(400, 339)}, "image.side.kling", "warning"),
    ({"size": Size(340, 340)}, "image.side.kling", "pass"),
    ({"size": Size(9000, 9000)}, "image.side.kling", "pass"),
    ({"size": Size(400, 1000)}, "image.aspect", "pass"),
    ({"size": Size(1000, 400)}, "image.aspect", "pass"),
    ({"size": Size(400, 1001)}, "image.aspect", "error"),
    ({"size": Size(1001, 400)}, "image.aspect", "error"),
    ({"mode": "CMYK"}, "image.mode", "advice"),
    ({"mode": "I;16"}, "image.mode", "advice"),
    ({"mode": "RGBA"}, "image.mode", "advice"),
    ({"mode": "P"}, "image.mode", "pass"),
    ({"profile": "Display P3"}, "image.profile", "advice"),
    ({"profile": ""}, "image.profile", "pass"),
    ({"broken_tags": True}, "image.tags", "advice"),
    ({"broken_tags": False}, "image.tags", "pass"),
    ({"turned": True}, "image.turned", "advice"),
    ({"turned": False}, "image.turned", "pass"),
    ({"path": Path("a.PNG")}, "image.name", "pass"),
    ({"path": Path("a.jpg")}, "image.name", "advice"),
    ({"path": Path("a.jpeg"), "format": "JPEG"}, "image.name", "pass"),
    ({"path": Path("a.jfif"), "format": "JPEG"}, "image.name", "advice"),
]

VIDEO: list[tuple[dict[str, Any], str, str, str]] = [
    ({"container": "mp4"}, "video", "video.container", "pass"),
    ({"container": "mov"}, "video", "video.container", "pass"),
    ({"container": "webm"}, "video", "video.container", "error"),
    ({"container": "avi"}, "video", "video.container", "error"),
    ({"container": "3gp"}, "video", "video.container", "error"),
    ({"size_bytes": 10_000_000}, "video", "video.bytes", "pass"),
    ({"size_bytes": 10_000_001}, "video", "video.bytes", "warning"),
    ({"size_bytes": 10_485_760}, "video", "video.bytes", "warning"),
    ({"size_bytes": 10_485_761}, "video", "video.bytes", "error"),
    ({"size": Size(300, 300)}, "video", "video.side", "pass"),
    ({"size": Size(298, 720)}, "video", "video.side", "error"),
    ({"size": Size(338, 720)}, "video", "video.side.kling", "warning"),
    ({"size": Size(340, 3850)}, "video", "video.side.kling", "pass"),
    ({"size": Size(340, 3852)}, "video", "video.side.kling", "warning"),
    ({"size": Size(4096, 320)}, "video", "video.side.kling", "warning"),
    ({"duration": 3.0}, "video", "video.duration", "pass"),
    ({"duration": 2.97}, "video", "video.duration", "advice"),
    ({"duration": 2.95}, "video", "video.duration", "advice"),
    ({"duration": 2.94}, "video", "video.duration", "error"),
    ({"duration": 0.04}, "video", "video.duration", "error"),
    ({"duration": 30.0}, "video", "video.duration", "pass"),
    ({"duration": 30.03}, "video", "video.duration", "advice"),
    ({"duration": 30.05}, "video", "video.duration", "advice"),
    ({"duration": 30.06}, "video", "video.duration", "error"),
    ({"duration": 10.0}, "image", "video.duration.image", "pass"),
    ({"duration": 10.04}, "image", "video.duration.image", "advice"),
    ({"duration": 10.1}, "image", "video.duration.image", "warning"),
    ({"duration": 30.0}, "image", "video.duration.image", "warning"),
    ({"codec": "hevc"}, "video", "video.codec", "advice"),
    ({"codec": "vp9"}, "video", "video.codec", "warning"),
    ({"codec": "h264"}, "video", "video.codec", "pass"),
    ({"pixel_format": "yuv420p10le"}, "video", "video.pixels", "warning"),
    ({"pixel_format": "yuv444p"}, "video", "video.pixels", "warning"),
    ({"pixel_format": "yuvj420p"}, "video", "video.pixels", "pass"),
    ({"interlaced": True}, "video", "video.scan", "warning"),
    ({"variable_rate": True}, "video", "video.rate", "advice"),
    ({"frame_rate": Fraction(60)}, "video", "video.frame_rate", "pass"),
    ({"frame_rate": Fraction(120)}, "video", "video.frame_rate", "advice"),
    ({"frame_rate": Fraction(12)}, "video", "video.frame_rate", "advice"),
    ({"size": Size(961, 720), "coded": Size(720, 720)}, "video", "video.pixel_aspect", "advice"),
    (
        {"size": Size(720, 1280), "coded": Size(1280, 720), "rotation": 90},
        "video",
        "video.pixel_aspect",
        "pass",
    ),
    ({"size": Size(720, 1278), "coded": Size(720, 1280)}, "video", "video.pixel_aspect", "pass"),
    ({"size": Size(721, 1280)}, "video", "video.sides_even", "advice"),
    ({"path": Path("a.mov")}, "video", "video.name", "advice"),
    ({"path": Path("a.avi")}, "video", "video.name", "advice"),
    ({"path": Path("a.mp4")}, "video", "video.name", "pass"),
]


@pytest.mark.parametrize(("facts", "code", "severity"), IMAGE)
def test_image_rules(facts: dict[str, Any], code: str, severity: str) -> None:
    found = by_code(check_image(image_info(**facts)))[code]
    assert found.severity == severity
    assert bool(found.fix) == (severity != "pass")
    assert found.measured
    assert found.allowed
    assert found.field == "image"


@pytest.mark.parametrize(("facts", "orientation", "code", "severity"), VIDEO)
def test_video_rules(facts: dict[str, Any], orientation: Any, code: str, severity: str) -> None:
    found = by_code(check_video(video_info(**facts), orientation))[code]
    assert found.severity == severity
    assert bool(found.fix) == (severity != "pass")
    assert found.measured
    assert found.allowed
    assert found.field == "video"


def test_legal_files_pass_every_rule() -> None:
    for orientation in ("image", "video"):
        report = check(
            MotionRequest("figure.png", "dance.mp4", character_orientation=orientation),
            image_info(),
            video_info(duration=5.0),
        )
        assert {finding.severity for finding in report.findings} == {"pass"}
        assert report.ok
    assert report.image == image_info()
    assert report.video == video_info(duration=5.0)


def test_everything_wrong_is_told_at_once() -> None:
    image = image_info(
        format="WEBP", size_bytes=11_000_000, size=Size(200, 2000), mode="CMYK", turned=True
    )
    video = video_info(
        container="webm",
        size_bytes=40_000_000,
        size=Size(200, 100),
        duration=1.0,
        codec="vp8",
        interlaced=True,
    )
    report = check(
        MotionRequest("a", "b", prompt="x" * 2501, negative_prompt="y" * 2501), image, video
    )
    assert {finding.code for finding in report.errors} == {
        "image.format",
        "image.bytes",
        "image.side",
        "image.aspect",
        "video.container",
        "video.bytes",
        "video.side",
        "video.duration",
        "prompt.length",
        "negative_prompt.length",
    }
    assert not report.ok
    assert {finding.code for finding in report.warnings} >= {"video.codec", "video.scan"}


def test_one_breach_is_told_once() -> None:
    assert "image.side.kling" not in by_code(check_image(image_info(size=Size(256, 256))))
    assert "video.side.kling" not in by_code(check_video(video_info(size=Size(256, 256)), "video"))
    assert "video.duration.image" not in by_code(check_video(video_info(duration=33.6), "image"))
    assert "video.duration.image" not in by_code(check_video(video_info(duration=12.0), "video"))
    assert "image.name" not in by_code(check_image(image_info(format="WEBP", path=Path("a.webp"))))


@pytest.mark.parametrize(("count", "severity"), [(0, "pass"), (2500, "pass"), (2501, "error")])
@pytest.mark.parametrize("letter", ["a", "é", "舞", "🕺"])
def test_prompts_are_counted_in_characters(count: int, severity: str, letter: str) -> None:
    request = MotionRequest(
        "a.png",
        "b.mp4",
        prompt=letter * count,
        negative_prompt=letter * (2500 - count if count < 2500 else count),
    )
    assert check_text(request)[0].severity == severity
    assert check_text(request)[0].measured == f"{count} characters"


@pytest.mark.parametrize(
    ("source", "severity"),
    [
        ("https://host.example/a.png", "pass"),
        ("https://host.example/a.jpg?sig=x.bin", "advice"),
        ("https://host.example/a.php?file=x.png", "warning"),
        ("https://host.example/a", None),
    ],
)
def test_the_ending_of_an_address_is_sent_as_it_is(source: str, severity: str | None) -> None:
    found = by_code(check_image(image_info(path=Path("fetched.tmp")), source=source)).get(
        "image.name"
    )
    assert (found.severity if found else None) == severity
    report = check(
        MotionRequest(source, "b.mp4"),
        image_info(path=Path("fetched.tmp")),
        video_info(path=Path("copy.bin")),
    )
    assert (by_code(report.findings)["image.name"].severity if severity else None) == severity
    assert "sig" not in str(report)


def test_numbers_are_shown_so_that_a_breach_can_be_seen() -> None:
    assert (
        by_code(check_image(image_info(size_bytes=10_000_001)))["image.bytes"].measured
        == "10.01 MB"
    )
    assert (
        by_code(check_image(image_info(size=Size(400, 1001))))["image.aspect"].measured == "1:2.503"
    )
    assert (
        by_code(check_image(image_info(size=Size(622, 913))))["image.side"].measured == "622x913 px"
    )
    assert (
        by_code(check_video(video_info(duration=30.0625), "video"))["video.duration"].measured
        == "30.062 s"
    )
    assert (
        by_code(check_video(video_info(frame_rate=Fraction(30000, 1001)), "video"))[
            "video.frame_rate"
        ].measured
        == "29.97 frames a second"
    )


def test_rules_in_words() -> None:
    told = {rule.code: rule.allowed for rule in LIMITS}
    assert told["image.format"] == "JPEG or PNG"
    assert told["image.bytes"] == told["video.bytes"] == "10 MB or less"
    assert told["image.side"] == "300 px a side or more"
    assert told["image.aspect"] == "1:2.5 to 2.5:1"
    assert told["video.side.kling"] == "340 to 3850 px a side"
    assert told["video.duration"] == "3 to 30 s"
    assert told["prompt.length"] == "0 to 2500 characters"
    assert limit("video.duration").field == "video"


def test_every_rule_has_its_words_and_no_words_are_left_over() -> None:
    assert [rule.code for rule in LIMITS] == list(dict.fromkeys(rule.code for rule in LIMITS))
    assert set(TEXTS) == {rule.code for rule in LIMITS}
    for rule in LIMITS:
        for breach in ("low", "high", "grace", ""):
            assert "{" not in rule.fix(breach)
        assert rule.allowed
        assert SOURCES[rule.source]
        assert any((rule.fix(), rule.fix("low"), rule.fix("high")))
        assert rule.grace_severity == "pass" or rule.fix("grace")


# -- the request as a whole ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orientation", "duration", "severity", "measured"),
    [
        ("video", 12.0, "pass", "12 s"),
        ("image", 4.0, "pass", "5 s"),
        ("image", 5.04, "pass", "5 s"),
        ("image", 8.0, "advice", "5 s of a clip of 8 s"),
    ],
)
def test_length_of_the_result(
    orientation: Any, duration: float, severity: str, measured: str
) -> None:
    request = MotionRequest("a.png", "b.mp4", character_orientation=orientation)
    found = by_code(check(request, image_info(), video_info(duration=duration)).findings)[
        "request.length"
    ]
    assert (found.severity, found.measured) == (severity, measured)


@pytest.mark.parametrize(
    ("keep", "audio", "severity"),
    [(True, "aac", "pass"), (True, None, "advice"), (False, None, "pass"), (False, "aac", "pass")],
)
def test_sound_that_is_wanted_and_not_there(keep: bool, audio: str | None, severity: str) -> None:
    request = MotionRequest("a.png", "b.mp4", keep_original_sound=keep)
    found = by_code(check(request, image_info(), video_info(audio_codec=audio)).findings)[
        "request.sound"
    ]
    assert found.severity == severity
    assert ("no sound, so the result has none" in found.fix) == (severity == "advice")


# -- files that could not be measured ------------------------------------------------------------------------------------------------


def test_an_unreadable_file_is_one_error() -> None:
    error = UnreadableMedia(
        "figure.png is empty (0 bytes).",
        hint="Choose it again.",
        what="empty (0 bytes)",
        found="empty",
        field="image",
    )
    report = check(MotionRequest("figure.png", "b.mp4"), error, video_info())
    (finding,) = report.of("image")
    assert (finding.code, finding.severity, finding.measured, finding.fix) == (
        "image.unreadable",
        "error",
        "empty (0 bytes)",
        "Choose it again.",
    )
    assert report.image is None
    assert report.video is not None
    assert len(report.of("video")) > 10
    assert Refused(report).message == "Not sent. Image file: empty (0 bytes)."


def test_a_refusal_is_a_sentence() -> None:
    """Of a value, of words about a file, and of a sentence about it."""
    gone = UnreadableMedia("nothere.mp4 is not there.", hint="Choose it again.", found="missing")
    page = AddressRefused("This is a YouTube page, not a video file.", hint="Download the clip.")
    request = MotionRequest("a.png", "b.mp4")
    assert (
        Refused(check(request, image_info(), gone)).message
        == "Not sent. Video file: nothere.mp4 is not there."
    )
    assert (
        Refused(check(request, image_info(), page)).message
        == "Not sent. Video file: This is a YouTube page, not a video file."
    )
    nowhere = Finding(
        "request.address",
        "request",
        "error",
        "Address of the clip",
        "b.mp4 is a file here.",
        "",
        "Publish it.",
    )
    assert (
        Refused(Report((nowhere,))).message
        == "Not sent. Address of the clip: b.mp4 is a file here."
    )
    wide = image_info(format="WEBP", size=Size(3000, 400))
    told = "Not sent: the image format is WebP, allowed is JPEG or PNG"
    assert Refused(check(request, wide, video_info())).message == f"{told} (and 1 more error)."
    assert Refused(check(request, wide, gone)).message == f"{told} (and 2 more errors)."


def test_any_other_trouble_with_a_file_is_an_error_too() -> None:
    (finding,) = check_video(FfmpegFailed("ffmpeg failed: no idea.", hint="Try another."), "video")
    assert (finding.code, finding.measured, finding.fix) == (
        "video.unreadable",
        "ffmpeg failed: no idea",
        "Try another.",
    )
    (finding,) = check_image(FfmpegFailed("ffmpeg failed."))
    assert finding.fix  # never an error without a next step


def test_files_in_each_others_place() -> None:
    picture = UnreadableMedia(
        "a.png is a picture (PNG), not a video.", what="a picture (PNG), not a video", found="image"
    )
    clip = UnreadableMedia(
        "b.mp4 is a clip (MP4), not a picture.", what="a clip (MP4), not a picture", found="video"
    )
    report = check(MotionRequest("b.mp4", "a.png"), clip, picture)
    told = by_code(report.findings)
    assert "picture in the video's place" in told["video.is_image"].fix
    assert "video in the image's place" in told["image.is_video"].fix
    assert {finding.code for finding in report.errors} == {"video.is_image", "image.is_video"}


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    size_bytes=st.integers(1, 20_000_000),
    duration=st.floats(0, 100),
    orientation=st.sampled_from(["image", "video"]),
)
def test_errors_are_novitas_documented_rules_and_nothing_else(
    width: int, height: int, size_bytes: int, duration: float, orientation: Any
) -> None:
    size = Size(width, height)
    report = check(
        MotionRequest("a.png", "b.mp4", character_orientation=orientation),
        image_info(size=size, size_bytes=size_bytes),
        video_info(size=size, size_bytes=size_bytes, duration=duration),
    )
    legal = (
        min(size) >= 300
        and 2 * height <= 5 * width
        and 2 * width <= 5 * height
        and size_bytes <= 10_485_760
    )
    assert report.ok == (legal and 2.95 - 1e-6 <= duration <= 30.05 + 1e-6)
    for finding in report.findings:
        assert finding.severity != "error" or "Novita" in finding.source
        assert finding.severity == "pass" or finding.fix


def test_the_page_of_checks_has_every_rule() -> None:
    page = Path(__file__).resolve().parents[2].joinpath("docs/checks.md").read_text("utf-8")
    rows = dict.fromkeys(
        f"| {rule.title} | {rule.allowed} | {rule.severity} | {rule.source} |" for rule in LIMITS
    )
    told = page.partition("| what | allowed | otherwise | by |\n")[2].partition("\n\n")[0]
    assert told.splitlines()[1:] == list(rows)
