"""What a browser plays, and how a file is made so. Owns containers and codecs of the web."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kling_utils.errors import FfmpegFailed
from kling_utils.media import ffmpeg
from kling_utils.media.names import part_name
from kling_utils.values import VideoInfo

_ABANDONED = 3600.0
"""Seconds after which a temporary file that nobody wrote to is one that a killed process left."""
_EVERYWHERE = {"yuv420p", "yuvj420p"}


def plays(info: VideoInfo) -> bool:
    """True when every browser decodes it as it is: H.264, 8 bit, 4:2:0, in an MP4."""
    return info.codec == "h264" and info.pixel_format in _EVERYWHERE and info.container == "mp4"


def starts_at_once(path: Path) -> bool:
    """True when the index (``moov``) of an MP4 lies before its data, so that it plays and seeks while it loads."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        at = 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if kind in (b"moov", b"mdat"):
                return kind == b"moov"
            if size < 8:
                return False
            at += size
    return False


def make_playable(source: Path, info: VideoInfo, dest: Path, *, timeout: float = 600.0) -> bool:
    """Write ``dest`` as an MP4 that plays in every browser; True when nothing was encoded again. ``source`` is left alone.

    Only the container is rewritten where the codec allows; HDR is brought to what every screen shows. Raises ``FfmpegFailed``.
    """
    maps = ["-map", "0:V:0"]
    if info.audio_codec is not None:
        maps += ["-map", f"0:a:{info.audio_number}"]
    same = info.codec == "h264" and info.pixel_format in _EVERYWHERE
    if same:
        sound = ["-c:a", "copy" if info.audio_codec in (None, "aac", "mp3") else "aac"]
        with beside(dest) as part, contextlib.suppress(FfmpegFailed):
            tail = ["-c:v", "copy", *sound, "-movflags", "+faststart", "-f", "mp4", f"file:{part}"]
            ffmpeg.run([*ffmpeg.source(source), *maps, *tail], timeout=timeout)
            os.replace(part, dest)
            return True
    from kling_utils.media.encode import for_screen  # numpy: only what is encoded again needs it
    from kling_utils.media.streams import colour

    screen = for_screen(colour(source))
    even = "scale=trunc(iw*sar/2)*2:trunc(ih/2)*2,setsar=1"
    with beside(dest) as part:
        gop = str(max(1, round(ffmpeg.GOP_SECONDS * info.frame_rate)))
        video = [
            "-vf",
            f"{even},{screen}" if screen else even,
            *ffmpeg.H264,
            "-preset",
            "veryfast",
            "-crf",
            "20",
            "-g",
            gop,
        ]
        ffmpeg.run(
            [
                *ffmpeg.source(source),
                *maps,
                *video,
                "-c:a",
                "aac",
                "-f",
                "mp4",
                f"file:{part}",
            ],
            timeout=timeout,
        )
        os.replace(part, dest)
    return False


@contextmanager
def beside(dest: Path) -> Iterator[Path]:
    """A temporary name in the folder of ``dest``, for a file that is renamed when it is whole; removed when it was not.

    What a process that was killed left there under such a name goes too, when nobody wrote to it for an hour.
    """
    left = re.compile(rf"\.{re.escape(dest.name)}\.[0-9a-f]{{8}}\.part")
    with contextlib.suppress(OSError):
        for each in dest.parent.iterdir():
            if left.fullmatch(each.name) and time.time() - each.stat().st_mtime > _ABANDONED:
                each.unlink()
    part = part_name(dest)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
