"""Hand-made measurements: legal in every respect unless told otherwise, so a test names only what it is about."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from kling_utils.values import Finding, ImageInfo, Size, VideoInfo


def image_info(**changes: Any) -> ImageInfo:
    facts: dict[str, Any] = {
        "path": Path("figure.png"),
        "sha256": "0" * 64,
        "size_bytes": 500_000,
        "format": "PNG",
        "size": Size(720, 1280),
        "mode": "RGB",
        "frames": 1,
        "turned": False,
    }
    return ImageInfo(**{**facts, **changes})


def video_info(**changes: Any) -> VideoInfo:
    size = changes.get("size", Size(720, 1280))
    facts: dict[str, Any] = {
        "path": Path("dance.mp4"),
        "sha256": "1" * 64,
        "size_bytes": 3_000_000,
        "container": "mp4",
        "codec": "h264",
        "pixel_format": "yuv420p",
        "size": size,
        "coded": size,
        "rotation": 0,
        "duration": 8.0,
        "frames": 240,
        "frame_rate": Fraction(30),
        "variable_rate": False,
        "audio_codec": "aac",
    }
    return VideoInfo(**{**facts, **changes})


def by_code(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    """The findings by their codes, each of which may occur once."""
    found = {finding.code: finding for finding in findings}
    assert len(found) == len(findings), "a rule was told twice"
    return found
