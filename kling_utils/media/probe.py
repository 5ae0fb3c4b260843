"""What a clip really is: ``probe_video``; ``probe_image`` for pictures is offered here as well.

Owns measuring: format from the bytes, size as displayed, exact length and rate from the packets, a hash. Each file is read once.
Refuses to know what anybody's limits are, and to trust a file's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from kling_utils.media import ffmpeg, packets
from kling_utils.media.listing import by_moviepy
from kling_utils.media.listing import read as listing_of
from kling_utils.media.opening import begin as _begin
from kling_utils.media.opening import file_hash as _hash
from kling_utils.media.opening import unreadable as _unreadable
from kling_utils.media.probe_image import probe_image
from kling_utils.media.sniff import Kind, sniff
from kling_utils.values import Size, VideoInfo

__all__ = ["probe_image", "probe_video"]

_AGAIN = "Export, record or download it again: this copy is incomplete or damaged."
_AS_CLIP = "Save or convert it as MP4 (H.264) and choose that file."


def probe_video(path: Path) -> VideoInfo:
    """Measure a clip with one start of ffmpeg: it prints what the header says, and lists every packet without decoding it.

    Length and rate come from the packets, because the header's length may be the sound's, and a webcam's WebM has none.
    Raises ``UnreadableMedia`` (message: what the file is; hint: what to do) for anything that is not a whole clip.
    """
    size_bytes, head = _begin(path, "video")
    kind = sniff(head)
    if kind.family in ("image", "heif"):
        raise _unreadable(
            path,
            "video",
            f"{kind.phrase}, not a video",
            "Give a clip here; perhaps the two files were swapped.",
            "image",
        )
    if kind.family == "audio":
        raise _unreadable(
            path,
            "video",
            f"{kind.phrase}, without a picture",
            "Choose a clip that shows the motion.",
            "audio",
        )
    if kind.family not in ("video", "unknown"):
        raise _unreadable(
            path,
            "video",
            f"{kind.phrase}, not a video",
            "Choose the clip itself, as an MP4 or MOV file.",
            kind.family,
        )
    digest: list[str] = []
    listing = _list_packets(
        path, kind, size_bytes, meanwhile=lambda: digest.append(_hash(path, "video"))
    )
    stream = _describe(path, listing)
    timing = packets.timing(listing.stdout, stream.rate)
    if timing is None:
        raise _unreadable(path, "video", "a clip without a single frame", _AGAIN, "broken")
    shown = _square(stream.coded, stream.pixel_aspect)
    return VideoInfo(
        path=path,
        sha256=digest[0],
        size_bytes=size_bytes,
        container=kind.container or stream.container,
        codec=stream.codec,
        pixel_format=stream.pixel_format,
        size=Size(shown.height, shown.width) if stream.rotation in (90, 270) else shown,
        coded=stream.coded,
        rotation=stream.rotation,
        duration=float(timing.duration),
        frames=timing.frames,
        frame_rate=timing.rate,
        variable_rate=timing.variable,
        audio_codec=stream.audio_codec,
        interlaced=stream.interlaced,
    )


# -- clips: one run of ffmpeg, its two outputs ---------------------------------------------------------------------------------------


def _list_packets(
    path: Path, kind: Kind, size_bytes: int, *, meanwhile: Callable[[], object]
) -> ffmpeg.Finished:
    """Header in ``stderr``, packets in ``stdout``. ``V`` is the first video stream that is not a cover picture."""
    args = [
        "-nostats",
        *ffmpeg.source(path),
        "-map",
        "0:V:0",
        "-c",
        "copy",
        "-flush_packets",
        "0",
        "-f",
        "framecrc",
        "pipe:1",
    ]
    try:
        listing = ffmpeg.run(
            args, timeout=30 + size_bytes / 20e6, check=False, quiet=False, meanwhile=meanwhile
        )
    except ffmpeg.TimedOut as error:
        raise _unreadable(path, "video", "not measured in time", _AS_CLIP, "slow") from error
    described = listing_of(listing.log, path)
    complaints = [line for line in listing.stderr.split("\n") if line.startswith("[")]
    if kind.container in ("mp4", "mov", "3gp") and any(
        cut in line for line in complaints for cut in ("partial file", "moov atom not found")
    ):
        raise _unreadable(path, "video", "cut off: a part of the file is missing", _AGAIN, "broken")
    if described.streams and described.output(0) is None:
        sound = described.of("Audio")
        what = "sound only, without a picture" if sound else "without a video stream"
        raise _unreadable(
            path,
            "video",
            what,
            "Choose a clip that shows the motion.",
            "audio" if sound else "other",
        )
    if listing.code or described.output(0) is None:
        what = (
            f"not readable as a video (ffmpeg: {_reason(listing.stderr)})"
            if kind.container
            else f"{kind.phrase}, which is not read here"
        )
        raise _unreadable(
            path,
            "video",
            what,
            _AGAIN if kind.container else _AS_CLIP,
            "broken" if kind.container else "other",
        )
    return listing


def _reason(text: str) -> str:
    return re.sub(r"^\[[^\]]*\] ", "", ffmpeg.last_line(text)).rstrip(".")


@dataclass(frozen=True, slots=True)
class _Stream:
    container: str
    codec: str
    pixel_format: str
    interlaced: bool
    coded: Size
    pixel_aspect: Fraction
    rotation: int
    rate: float
    audio_codec: str | None


def _describe(path: Path, run: ffmpeg.Finished) -> _Stream:
    """The header's facts: moviepy's parser for what it knows; pixel format, pixel aspect and display matrix from beside it."""
    described = listing_of(run.log, path)
    video, sound = described.output(0), next(iter(described.of("Audio")), None)
    assert video is not None  # noqa: S101 - as was seen when it was listed
    try:
        known = by_moviepy(described, video, sound, path.name)
    except ValueError as error:
        raise _unreadable(
            path, "video", "a clip whose header says too little", _AS_CLIP, "broken"
        ) from error
    width, height = known["video_size"]
    pixels = re.search(r"^\w+(?: \([^)]*\))*, (\w+)(?:\(([^)]*))?", video.words)
    matrix = re.search(r"rotation of (-?[\d.]+) degrees", video.detail("Display Matrix"))
    aspect = re.search(
        r"^#sar 0: (\d+)/(\d+)", run.stdout[:2000].decode("ascii", "replace"), re.MULTILINE
    )
    square = aspect is None or int(aspect[1]) == 0 or int(aspect[2]) == 0
    return _Stream(
        container=described.container,
        codec=known["video_codec_name"] or "unknown",
        pixel_format=pixels[1] if pixels else "unknown",
        interlaced=bool(pixels and pixels[2] and "first" in pixels[2]),
        coded=Size(width, height),
        pixel_aspect=Fraction(1)
        if square or aspect is None
        else Fraction(int(aspect[1]), int(aspect[2])),
        rotation=round(float(matrix[1]) / 90) * 90 % 360 if matrix else 0,
        rate=float(known["video_fps"]),
        audio_codec=sound.codec if sound else None,
    )


def _square(coded: Size, pixel_aspect: Fraction) -> Size:
    """Size with square pixels. One side grows and none shrinks, which is what the HTML standard asks of a browser."""
    if pixel_aspect >= 1:
        return Size(round(coded.width * pixel_aspect), coded.height)
    return Size(coded.width, round(coded.height / pixel_aspect))
