"""Frames in, an H.264 file out: constant rate, yuv420p, short GOP, faststart, and the reference's sound beside it if wanted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2

from kling_utils.draft.errors import EngineError
from kling_utils.errors import FfmpegFailed
from kling_utils.media import ffmpeg
from kling_utils.media.arrays import Frame
from kling_utils.media.files import named
from kling_utils.media.processes import Watchdog
from kling_utils.values import Size

CRF = 19
PRESET = "veryfast"
PATIENCE = 60.0
"""Seconds that ffmpeg may take for a frame: a sound that it cannot get on with stops it."""


class Film:
    """An open file that takes frames; see ``film``."""

    def __init__(self, running: ffmpeg.Running, watchdog: Watchdog) -> None:
        self._running, self._watchdog = running, watchdog

    def add(self, frame: Frame) -> None:
        """Append one BGR frame. It goes down the pipe as I420, half the bytes of BGR."""
        assert self._running.stdin is not None  # noqa: S101 - film() opens it
        data = cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).data
        try:
            with self._watchdog.waiting():
                self._running.stdin.write(data)
        except BrokenPipeError as error:
            raise EngineError(f"The video could not be encoded: {self._running.said()}") from error


def partial_path(out: Path) -> Path:
    """Where this process writes ``out`` until it is whole."""
    return out.with_name(named(f".{out.stem}", f".{os.getpid()}.part.mp4"))


@contextlib.contextmanager
def film(
    out: Path,
    size: Size,
    rate: Fraction,
    *,
    sound: Path | None = None,
    sound_start: float = 0.0,
    sound_number: int = 0,
    seconds: float = 0.0,
) -> Iterator[Film]:
    """Write ``out``: it appears whole when the block ends well, and not at all otherwise.

    ``sound`` is a file whose audio stream ``sound_number`` is kept for ``seconds`` from ``sound_start``, where its picture begins: padded
    with silence when it is shorter, so that it never cuts the picture. Raises ``EngineError`` when ffmpeg refuses.
    """
    partial = partial_path(out)
    fraction = f"{rate.numerator}/{rate.denominator}"
    video_in = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "yuv420p",
        "-s",
        str(size),
        "-framerate",
        fraction,
        "-color_range",
        "tv",
        "-i",
        "pipe:0",
    ]
    audio_in, audio_out = [], ["-an"]
    if sound is not None:
        seek = ["-ss", f"{sound_start:.6f}"] if sound_start > 0.001 else []
        audio_in = [*seek, "-t", f"{seconds:.3f}", *ffmpeg.source(sound)]
        audio_out = [
            "-map",
            "0:v:0",
            "-map",
            f"1:a:{sound_number}",
            "-af",
            "aresample=async=1:first_pts=0,apad",
            "-t",
            f"{seconds:.6f}",
            "-c:a",
            "aac",
            "-b:a",
            "128k",
            "-ac",
            "2",
        ]
    gop = max(1, round(rate * ffmpeg.GOP_SECONDS))
    video_out = [
        *ffmpeg.H264,
        "-preset",
        PRESET,
        "-crf",
        str(CRF),
        "-g",
        str(gop),
        "-r",
        fraction,
        "-f",
        "mp4",
        "-y",
        f"file:{partial}",
    ]
    try:
        args = [*video_in, *audio_in, *audio_out, *video_out]
        with (
            ffmpeg.start(args, stdin=True) as running,
            Watchdog(running.process, PATIENCE) as watchdog,
        ):
            yield Film(running, watchdog)
            running.finish()
        partial.replace(out)
    except FfmpegFailed as error:
        raise EngineError(f"The video could not be encoded: {error.message}") from error
    finally:
        partial.unlink(missing_ok=True)
