"""What a clip really is: ``probe_video``; ``probe_image`` for pictures is offered here as well.

Owns measuring: format from the bytes, size as displayed, exact length and rate from the packets, a
hash. Each file is read once.

Facts come from ffmpeg's table of packets and from decoded pictures where they can, and from its
description of the header where only that has them (codec, colours, display matrix). PyAV would give
them as values, but in a process that can be ended it takes 80 ms a clip. A file's name is never
trusted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from kling_utils.errors import UnreadableMedia
from kling_utils.media import bounds, decoded, ffmpeg, packets
from kling_utils.media.colours import other_profile, see_through
from kling_utils.media.listing import Listing, Stream, by_moviepy
from kling_utils.media.listing import read as read_listing
from kling_utils.media.opening import begin, file_hash
from kling_utils.media.opening import begin as _begin
from kling_utils.media.opening import file_hash as _hash
from kling_utils.media.opening import unreadable as _unreadable
from kling_utils.media.picture_file import SIDEWAYS, open_picture
from kling_utils.media.sniff import Kind, is_animated_gif, sniff
from kling_utils.values import ImageInfo, Size, VideoInfo

_WITH_ALPHA = {"RGB": "RGBA", "L": "LA", "1": "LA", "P": "PA"}
_OPAQUE = {"RGBA": "RGB", "RGBX": "RGB", "RGBa": "RGB", "LA": "L", "La": "L", "PA": "P"}

__all__ = ["probe_image", "probe_video"]

_AGAIN = "Export, record or download it again: this copy is incomplete or damaged."
_HOLES = ("Invalid NAL unit size", "missing picture in access unit")
"""What ffmpeg says of a packet that is none, although it decodes only key pictures here: it looks into each packet of H.264."""
_LOST = ("EBML number", "exceeds containing master element")
"""What ffmpeg says of a Matroska file of which a part is something else: it goes on at the next cluster."""
_WALKS = {"hevc": "hevc_mp4toannexb", "vp9": "vp9_metadata", "av1": "av1_metadata"}
"""Filters that look into each packet of codecs of which ffmpeg does not do so by itself."""
_WORTH_KEEPING = 1.0
"""Seconds of a file that was cut off: less is no clip."""
_AS_CLIP = "Save or convert it as MP4 (H.264) and choose that file."


def probe_video(path: Path) -> VideoInfo:
    """Measure a clip with one start of ffmpeg: it prints what the header says, lists every packet, and decodes key pictures.

    Another start decodes all of it where a key picture does not come out, to tell from when on. Length and rate come
    from the packets, because the header's length may be the sound's, and a webcam's WebM has none.
    Raises ``UnreadableMedia`` (message: what the file is; hint: what to do) for anything that is not a whole clip.
    """
    size_bytes, head = _begin(path, "video")
    kind = sniff(head)
    if kind.family in ("image", "heif") and not _moves(path, kind.container):
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
    if kind.family not in ("image", "video", "unknown"):
        raise _unreadable(
            path,
            "video",
            f"{kind.phrase}, not a video",
            "Choose the clip itself, as an MP4 or MOV file.",
            kind.family,
        )
    digest: list[str] = []
    clip = _measure(path, kind, size_bytes, meanwhile=lambda: digest.append(_hash(path, "video")))
    video, first = clip.video, clip.pictures[0] if clip.pictures else None
    sounds = clip.listing.of("Audio")
    number, sound = next(((n, s) for n, s in enumerate(sounds) if s.known), (0, None))
    try:
        known = by_moviepy(clip.listing, video, sound, path.name)
    except ValueError as error:
        raise _unreadable(
            path, "video", "a clip whose header says too little", _AS_CLIP, "broken"
        ) from error
    timing = packets.timing(clip.track, float(known["video_fps"]))
    if timing is None:
        raise _unreadable(path, "video", "a clip without a single frame", _AGAIN, "broken")
    coded = Size(*known["video_size"])
    rotation = _rotation(video)
    sizes = tuple(
        dict.fromkeys(_shown(each.size, each.pixel_aspect, rotation) for each in clip.pictures)
    )
    aspect = first.pixel_aspect if first else clip.track.pixel_aspect
    visible = first.size if first else coded
    pixels = re.search(r"^\w+(?: \([^)]*\))*, (\w+)(?:\(([^)]*))?", video.words)
    return VideoInfo(
        path=path,
        sha256=digest[0],
        size_bytes=size_bytes,
        container=kind.container or clip.listing.container,
        codec=known["video_codec_name"] or "unknown",
        pixel_format=first.pixel_format if first else pixels[1] if pixels else "unknown",
        size=_shown(visible, aspect, rotation),
        coded=coded,
        rotation=rotation,
        duration=float(timing.duration),
        frames=timing.frames,
        frame_rate=timing.rate,
        variable_rate=timing.variable,
        audio_codec=sound.codec if sound else None,
        interlaced=bool(pixels and pixels[2] and "first" in pixels[2])
        or bool(first and first.interlaced),
        first_picture=max(0.0, float(int(clip.track.times.min()) * clip.track.tick)),
        audio_number=number,
        unknown_sound=sound is None and bool(sounds),
        header_duration=known.get("duration"),
        visible=visible,
        other_sizes=sizes[1:],
        readable=clip.readable,
        protected=clip.track.encrypted,
        dolby_profile=_dolby(video),
    )


def _moves(path: Path, container: str) -> bool:
    """True for an animated GIF, which is a clip as well as a picture."""
    if container != "gif":
        return False
    with path.open("rb") as file:
        return is_animated_gif(file)


# -- clips: one run of ffmpeg, its two outputs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Measured:
    listing: Listing
    video: Stream
    track: packets.Track
    pictures: list[decoded.Picture]
    readable: tuple[float, float] | None


def _measure(
    path: Path, kind: Kind, size_bytes: int, *, meanwhile: Callable[[], object]
) -> _Measured:
    """List the packets and decode the key pictures. ``V`` is the first video stream that is not a cover picture."""
    timeout = 30 + size_bytes / 20e6
    copy = ["-map", "0:V:0", "-c", "copy"]
    table = ["-flush_packets", "0", "-f", "framecrc", "pipe:1"]
    second, decode = decoded.key_pictures(path)
    # copied twice: all packets, and those that are decoded
    both = [*second, *copy, "-map", "1:V:0", *table, *decode]
    found, tracks = _list(path, both, timeout, meanwhile)
    pictures = decoded.pictures(found.log)
    plain = not found.code and 0 < len(tracks.track(1)) <= len(pictures)
    holes = any(sign in _complaints(found) for sign in _HOLES)
    if found.code:
        # without a decoder, or with not a picture out of it, ffmpeg gives up before it has listed everything
        found, tracks = _list(path, [*copy, *table], timeout, None)
    listing = read_listing(found.log, path)
    video = listing.output(0)
    if found.code or video is None:
        raise _no_clip(path, kind, found, listing)
    track = tracks.track(0)
    if kind.container in ("mp4", "mov", "3gp") and "partial file" in _complaints(found):
        timing = packets.timing(track)
        there = (0.0, float(timing.duration) if timing else 0.0)
        there = decoded.readable(path, track, timeout=timeout) or there
        if there[1] - there[0] < _WORTH_KEEPING:
            raise _no_clip(path, kind, found, listing)
        return _Measured(listing, video, track, pictures, there)
    stretch = None
    if len(track) and not track.encrypted:
        damaged = holes or track.zeros > 0 or (plain and _walked(path, video, timeout))
        if damaged or not plain:
            stretch = decoded.readable(path, track, timeout=timeout, damaged=damaged)
        if stretch is None and any(sign in _complaints(found) for sign in _LOST):
            stretch = decoded.unbroken(track)
    return _Measured(listing, video, track, pictures, stretch)


def _walked(path: Path, video: Stream, timeout: float) -> bool:
    """True where the inner structure of a packet is damaged, as far as it can be told without decoding."""
    walk = _WALKS.get(video.codec)
    if walk is None:
        return False
    copy = ["-map", "0:V:0", "-c", "copy", "-bsf:v", walk, "-f", "null", "-"]
    args = ["-nostats", "-loglevel", "error", *ffmpeg.source(path), *copy]
    try:
        walked = ffmpeg.run(
            args, timeout=timeout, check=False, quiet=False, memory=bounds.LOOK_MEMORY
        )
    except ffmpeg.TimedOut:
        return False
    return "Error applying bitstream filters" in walked.stderr or "Invalid OBU" in walked.stderr


def _list(
    path: Path, args: list[str], timeout: float, meanwhile: Callable[[], object] | None
) -> tuple[ffmpeg.Finished, packets.Table]:
    table = packets.Table()
    try:
        found = ffmpeg.run(
            ["-nostats", *ffmpeg.source(path), *args],
            timeout=timeout,
            check=False,
            quiet=False,
            meanwhile=meanwhile,
            sink=table.feed,
            memory=bounds.LOOK_MEMORY,
        )
    except ffmpeg.TimedOut as error:
        raise _unreadable(path, "video", "not measured in time", _AS_CLIP, "slow") from error
    except packets.TooManyPackets as error:
        what = f"a clip of more than {packets.MOST_PACKETS:,} pictures"
        raise _unreadable(path, "video", what, "Cut it shorter first.", "long") from error
    return found, table


def _complaints(found: ffmpeg.Finished) -> str:
    """What ffmpeg's parts say of themselves. Such lines begin at the margin; tags, in which anything can stand, do not."""
    return "\n".join(line for line in found.stderr.split("\n") if line.startswith("["))


def _no_clip(path: Path, kind: Kind, found: ffmpeg.Finished, listing: Listing) -> UnreadableMedia:
    complaints = _complaints(found)
    if kind.container in ("mp4", "mov", "3gp") and (
        "partial file" in complaints or "moov atom not found" in complaints
    ):
        return _unreadable(
            path, "video", "cut off: a part of the file is missing", _AGAIN, "broken"
        )
    if listing.streams and not listing.mapped:
        sound = bool(listing.of("Audio"))
        what = "sound only, without a picture" if sound else "without a video stream"
        hint = "Choose a clip that shows the motion."
        return _unreadable(path, "video", what, hint, "audio" if sound else "other")
    if kind.container:
        what = f"not readable as a video (ffmpeg: {_reason(found.stderr)})"
        return _unreadable(path, "video", what, _AGAIN, "broken")
    what = f"{kind.phrase}, which is not read here"
    return _unreadable(path, "video", what, _AS_CLIP, "other")


def _reason(text: str) -> str:
    return re.sub(r"^\[[^\]]*\] ", "", ffmpeg.last_line(text)).rstrip(".")


def _rotation(video: Stream) -> int:
    """Degrees of the display matrix, to the nearest right angle."""
    turned = re.search(r"rotation of (-?[\d.]+) degrees", video.detail("Display Matrix"))
    return round(float(turned[1]) / 90) * 90 % 360 if turned else 0


def _dolby(video: Stream) -> int | None:
    profile = re.search(r"profile: (\d+)", video.detail("DOVI configuration record"))
    return int(profile[1]) if profile else None


def _shown(decoded: Size, pixel_aspect: Fraction, rotation: int) -> Size:
    square = _square(decoded, pixel_aspect)
    return Size(square.height, square.width) if rotation in (90, 270) else square


def _square(coded: Size, pixel_aspect: Fraction) -> Size:
    """Size with square pixels. One side grows and none shrinks, which is what the HTML standard asks of a browser."""
    if pixel_aspect >= 1:
        return Size(round(coded.width * pixel_aspect), coded.height)
    return Size(coded.width, round(coded.height / pixel_aspect))


def probe_image(path: Path) -> ImageInfo:
    """Measure a picture. Everything is decoded once, so a truncated file does not pass; a JPEG at an eighth, which is as strict.

    Raises ``UnreadableMedia`` (message: what the file is; hint: what to do) for anything that is not a whole picture, and
    for one that would take too much memory.
    """
    with open_picture(path, longest=1) as opened:
        image, header, mode = opened.image, opened.header, opened.mode
        profile = other_profile(opened.profile, image.mode)
        if see_through(image):
            mode = _WITH_ALPHA.get(image.mode, image.mode)
        elif mode == image.mode:
            mode = _OPAQUE.get(mode, mode)
        # AVIF says its frames when it is open; a phone's HEIC may hold a burst around the picture
        frames = getattr(image, "n_frames", 1) if opened.format == "AVIF" else header.frames
        width, height = opened.size
        sideways = opened.turn in SIDEWAYS
        return ImageInfo(
            path=path,
            sha256=file_hash(path, "image"),
            size_bytes=begin(path, "image")[0],
            format=opened.format,
            size=Size(height, width) if sideways else Size(width, height),
            mode=mode,
            frames=frames,
            turned=opened.turn != 1 or header.orientation != 1,
            profile=profile,
            broken_tags=header.broken_tags,
        )
