"""From the file to the finding: each awkward file ends in a finding with a next step, never in a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import zoo
from helpers.infos import by_code, image_info, video_info

from kling_utils.errors import UnreadableMedia
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.preflight.check import check
from kling_utils.values import Finding, ImageInfo, MotionRequest, Report, VideoInfo


def report(path: Path, place: str) -> Report:
    """As the runner does it: measure what can be measured, check all of it."""
    image: ImageInfo | UnreadableMedia = image_info()
    video: VideoInfo | UnreadableMedia = video_info()
    try:
        if place == "image":
            image = probe_image(path)
        else:
            video = probe_video(path)
    except UnreadableMedia as error:
        image, video = (error, video) if place == "image" else (image, error)
    request = MotionRequest(
        path if place == "image" else "figure.png", path if place == "video" else "dance.mp4"
    )
    return check(request, image, video)


Make = Callable[[Path], Path]
TALL = "360x640"

ZOO: list[tuple[str, str, Make, str, str]] = [
    # what it is, the place it is put in, how it is made, the rule, how bad
    ("zero bytes", "image", lambda to: zoo.written(to, "a.png"), "image.unreadable", "error"),
    ("text", "image", lambda to: zoo.written(to, "a.png", "hello"), "image.unreadable", "error"),
    (
        "truncated png",
        "image",
        lambda to: zoo.beginning(zoo.image(to), 0.5),
        "image.unreadable",
        "error",
    ),
    (
        "truncated jpeg",
        "image",
        lambda to: zoo.beginning(zoo.image(to, "a.jpg", kind="JPEG"), 0.5),
        "image.unreadable",
        "error",
    ),
    ("heic", "image", zoo.heic, "image.unreadable", "error"),
    ("bomb", "image", zoo.bomb, "image.unreadable", "error"),
    ("clip", "image", zoo.clip, "image.is_video", "error"),
    ("webp", "image", lambda to: zoo.image(to, "a.webp", kind="WEBP"), "image.format", "error"),
    ("gif", "image", lambda to: zoo.animated_image(to, "a.gif"), "image.format", "error"),
    ("apng", "image", zoo.animated_image, "image.frames", "warning"),
    (
        "cmyk",
        "image",
        lambda to: zoo.image(to, "a.jpg", mode="CMYK", kind="JPEG"),
        "image.mode",
        "advice",
    ),
    ("16 bits", "image", zoo.deep_image, "image.mode", "advice"),
    ("see-through", "image", zoo.see_through, "image.mode", "advice"),
    (
        "png named jpg",
        "image",
        lambda to: zoo.image(to, "a.jpg", kind="PNG"),
        "image.name",
        "advice",
    ),
    ("turned by a tag", "image", zoo.turned_image, "image.turned", "advice"),
    ("small", "image", lambda to: zoo.image(to, size=(299, 299)), "image.side", "error"),
    ("tall", "image", lambda to: zoo.image(to, size=(300, 751)), "image.aspect", "error"),
    (
        "tall, just legal",
        "image",
        lambda to: zoo.image(to, size=(300, 750)),
        "image.aspect",
        "pass",
    ),
    ("zero bytes", "video", lambda to: zoo.written(to, "a.mp4"), "video.unreadable", "error"),
    ("text", "video", lambda to: zoo.written(to, "a.mp4", "hello"), "video.unreadable", "error"),
    (
        "playlist",
        "video",
        lambda to: zoo.written(to, "a.mp4", "#EXTM3U\n#EXTINF:3,\nb.mp4\n"),
        "video.unreadable",
        "error",
    ),
    (
        "file list",
        "video",
        lambda to: zoo.written(to, "a.mp4", "ffconcat version 1.0\nfile b.mp4\n"),
        "video.unreadable",
        "error",
    ),
    (
        "truncated",
        "video",
        lambda to: zoo.beginning(zoo.clip(to), 0.5),
        "video.unreadable",
        "error",
    ),
    ("sound only", "video", zoo.sound_only, "video.unreadable", "error"),
    ("sound with a cover", "video", zoo.sound_with_cover, "video.unreadable", "error"),
    ("picture", "video", zoo.image, "video.is_image", "error"),
    ("heic", "video", zoo.heic, "video.is_image", "error"),
    ("webcam", "video", zoo.streamed_webm, "video.container", "error"),
    ("webcam", "video", zoo.streamed_webm, "video.duration", "pass"),
    (
        "one frame",
        "video",
        lambda to: zoo.clip(to, after=("-frames:v", "1")),
        "video.duration",
        "error",
    ),
    (
        "120 fps",
        "video",
        lambda to: zoo.clip(to, rate="120", size=TALL),
        "video.frame_rate",
        "advice",
    ),
    (
        "odd sides",
        "video",
        lambda to: zoo.clip(to, after=("-vf", "scale=301:401,setsar=1", "-pix_fmt", "yuv444p")),
        "video.sides_even",
        "advice",
    ),
    (
        "4:4:4",
        "video",
        lambda to: zoo.clip(to, codec=("libx264", "-pix_fmt", "yuv444p")),
        "video.pixels",
        "warning",
    ),
    (
        "10 bits",
        "video",
        lambda to: zoo.clip(to, codec=("libx264", "-pix_fmt", "yuv420p10le")),
        "video.pixels",
        "warning",
    ),
    (
        "interlaced",
        "video",
        lambda to: zoo.clip(to, after=("-flags", "+ildct+ilme")),
        "video.scan",
        "warning",
    ),
    (
        "stretched pixels",
        "video",
        lambda to: zoo.clip(to, after=("-vf", "setsar=4/3")),
        "video.pixel_aspect",
        "advice",
    ),
    ("phone, upright", "video", zoo.rotated_clip, "video.side", "pass"),
    ("varying rate", "video", zoo.varying_clip, "video.rate", "advice"),
    (
        "longer sound",
        "video",
        lambda to: zoo.clip(to, seconds=3, sound=31),
        "video.duration",
        "pass",
    ),
    ("silent", "video", zoo.clip, "request.sound", "advice"),
    (
        "mov named mp4",
        "video",
        lambda to: zoo.clip(to, "a.mov").rename(to / "a.mp4"),
        "video.name",
        "advice",
    ),
    (
        "ünï 日本",
        "video",
        lambda to: zoo.clip(to).rename(to / "ünï 日本.mp4"),
        "video.container",
        "pass",
    ),
    ("missing", "video", lambda to: to / "gone.mp4", "video.unreadable", "error"),
]


@pytest.mark.parametrize(
    ("what", "place", "make", "code", "severity"),
    ZOO,
    ids=[f"{row[1]}: {row[0]}, {row[3]}" for row in ZOO],
)
def test_each_ends_in_a_finding(
    tmp_path: Path, what: str, place: str, make: Make, code: str, severity: str
) -> None:
    made = report(make(tmp_path), place)
    finding: Finding = by_code(made.findings)[code]
    assert finding.severity == severity
    assert bool(finding.fix) == (severity != "pass")
    assert made.ok == all(found.severity != "error" for found in made.findings)
    if code.endswith(("unreadable", "is_image", "is_video")):
        assert len(made.of(place)) == 1
    assert str(tmp_path) not in str(made)


def test_the_inventory_is_right_about_what_is_legal(shared_media: Path) -> None:
    rows = [
        line.split("|")
        for line in (shared_media / "INVENTORY.md").read_text("utf-8").splitlines()
        if line.startswith(("| image/", "| video/"))
    ]
    wrong = {row[1].strip(): row[5].strip() for row in rows if not row[5].strip().startswith("yes")}
    assert {
        name: [found.code for found in report(shared_media / name, name[:5]).errors]
        for name in wrong
    } == {
        "image/small_dog_256.jpg": ["image.side"],
        "video/face_33s_too_long.mp4": ["video.duration"],
        "video/crowd_50fps.avi": [],  # only its name says AVI: the bytes are MP4
    }
    assert (
        by_code(report(shared_media / "video" / "crowd_50fps.avi", "video").findings)[
            "video.name"
        ].severity
        == "advice"
    )
    for row in rows:
        name = row[1].strip()
        assert name in wrong or report(shared_media / name, name[:5]).ok, name
