"""Small pictures from a clip, for choosing where it begins. Owns how they are found fast."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from kling_utils.media import ffmpeg
from kling_utils.media.encode import for_screen
from kling_utils.media.streams import Streams, look
from kling_utils.media.turns import visitor

_SHORT = 60.0
"""Seconds of a clip that is decoded as a whole when it has too few key pictures: about 2 s of work at 1080p."""


def thumbnails(path: Path, count: int, *, height: int = 96) -> list[bytes]:
    """``count`` JPEGs of ``height`` pixels, evenly spread over the clip: the first one at its start, the last one before its end.

    The nearest key picture stands for the exact moment, as it is decoded at once. Raises ``UnreadableMedia`` and ``FfmpegFailed``.
    """
    streams = look(path)
    length, keys = float(streams.times.max()), streams.key_times
    if count < 1:
        return []
    apart = length / count
    if length <= _SHORT and len(keys) < count and length > 0:
        made = _all(path, streams, count, apart, height)
        if made:
            return [made[min(i, len(made) - 1)] for i in range(count)]
    moments = [
        float(keys[np.abs(keys - apart * i).argmin()]) if len(keys) else 0.0 for i in range(count)
    ]
    with ThreadPoolExecutor(2, initializer=visitor.set, initargs=(visitor.get(),)) as pool:
        found = dict(
            zip(
                sorted(set(moments)),
                pool.map(lambda at: _at(path, streams, at, height), sorted(set(moments))),
                strict=True,
            )
        )
    return [found[at] for at in moments]


def _all(path: Path, streams: Streams, count: int, apart: float, height: int) -> list[bytes]:
    """By decoding all of it once, roughly: nothing of what is skipped is seen at this size."""
    filters = f"fps={1 / apart:.6f}:start_time=0:round=up,{_filters(streams, height)}"
    seek = ["-ss", f"{streams.offset:.6f}"] if streams.offset > 0 else []
    args = [
        *seek,
        "-skip_loop_filter",
        "all",
        *ffmpeg.source(path),
        "-map",
        "0:V:0",
        "-frames:v",
        str(count),
        "-vf",
        filters,
        *_JPEG,
    ]
    data = ffmpeg.run(args, timeout=120).stdout
    starts = [
        found.start() for found in re.finditer(b"\xff\xd8\xff", data)
    ]  # within a JPEG's data such bytes do not occur
    return [data[begin:end] for begin, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def _at(path: Path, streams: Streams, at: float, height: int) -> bytes:
    moment = streams.offset + at - 0.001
    seek = ["-ss", f"{moment:.6f}"] if moment > 0 else []
    args = [
        *seek,
        "-threads",
        "1",
        *ffmpeg.source(path),
        "-map",
        "0:V:0",
        "-frames:v",
        "1",
        "-vf",
        _filters(streams, height),
        *_JPEG,
    ]
    return ffmpeg.run(args, timeout=60).stdout


_JPEG = ("-c:v", "mjpeg", "-q:v", "4", "-f", "image2pipe", "pipe:1")


def _filters(streams: Streams, height: int) -> str:
    return f"scale=-2:{height},{for_screen(streams.colour) or 'null'},format=yuvj420p"
