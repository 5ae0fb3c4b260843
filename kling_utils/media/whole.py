"""Whether a film that came over a network is all there: its boxes are whole, and its pictures can be decoded to the last one."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kling_utils.media import ffmpeg
from kling_utils.values import MISSED, VideoInfo

_SECONDS = 180.0
"""Most time for the decoding: 30 s of 1080p take 6 s on two cores. A film that takes longer is taken as it is."""
_MAY_MISS = 0.02
"""Share of the pictures that a decoder may leave out: some encoders end with one that is never shown."""


def damage(path: Path, info: VideoInfo) -> str:
    """What is wrong with the file, in words, or nothing. ``info`` is what the probe measured."""
    boxes = info.container in ("mp4", "mov", "3gp")
    if boxes and _cut(path):
        return "its end is missing"
    if not boxes and (info.header_duration or 0.0) > info.duration + 2 * MISSED:
        return "its end is missing"
    told = ["-progress", "pipe:1", *ffmpeg.source(path), "-map", "0:V:0"]
    try:
        done = ffmpeg.run(
            [*told, "-fps_mode", "passthrough", "-f", "null", "-"], timeout=_SECONDS, check=False
        )
    except ffmpeg.TimedOut:
        return ""
    counts = re.findall(rb"^frame=\s*(\d+)", done.stdout, re.M)
    pictures = int(counts[-1]) if counts else 0
    if pictures < info.frames - max(2, info.frames * _MAY_MISS):
        return f"only {pictures} of its {info.frames} pictures can be decoded"
    return ""


def _cut(path: Path) -> bool:
    """Does a box of the file say that it is longer than the file?"""
    with path.open("rb") as file:
        end, at = file.seek(0, os.SEEK_END), 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1 and len(head) == 16:
                size = int.from_bytes(head[8:16], "big")
            if size < 8:  # 0: to the end of the file
                return False
            at += size
    return at > end
