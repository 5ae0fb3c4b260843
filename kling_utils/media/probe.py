"""What a clip or a picture really is: ``probe_video``, ``probe_image``, ``read_streams`` and ``damage``.

A file's name is never trusted. Facts come from ffmpeg's table of packets and from decoded pictures
where they can, and from its description of the header where only that has them (codec, colours,
display matrix).

PyAV would give all of this as values, but inside our process: there it cannot be ended after a
time-out nor bounded in memory, and a crash of a decoder takes the page with it. In a process of its
own it is slower, as ``import av`` alone takes longer than a whole run of ffmpeg. Measured with PyAV
18.1 on a clip of 5 MB (that of tests/bench/probe.py) and two busy cores, medians of 25 and, in
brackets, the fastest: ffmpeg 138 ms (58), PyAV in a process 412 ms (218), of which the import is
345 ms (171). Its wheel also brings a second ffmpeg of 100 MB. So the bundled ffmpeg reads files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kling_utils.errors import UnreadableMedia
from kling_utils.media import bounds, ffmpeg
from kling_utils.media.arrays import Floats
from kling_utils.media.ffmpeg_output import (
    MOST_PACKETS,
    Listing,
    Picture,
    Stream,
    Table,
    TooManyPackets,
    Track,
    by_moviepy,
    read_listing,
    read_pictures,
    timing,
)
from kling_utils.media.images import SIDEWAYS, open_picture, other_profile, see_through
from kling_utils.media.picture_header import NoHeader, TooMuch, read_header
from kling_utils.media.sniff import Kind, boxes, file_hash, read_head, sniff, unreadable
from kling_utils.values import MISSED, ImageInfo, Size, VideoInfo

__all__ = ["probe_image", "probe_video"]

_AGAIN = "Export, record or download it again: this copy is incomplete or damaged."
_AS_CLIP = "Save or convert it as MP4 (H.264) and choose that file."
_MOTION = "Choose a clip that shows the motion."
_WORTH_KEEPING = 1.0
"""Seconds of a file that was cut off: less is no clip."""
_MP4 = ("mp4", "mov", "3gp")
_COPY = ("-map", "0:V:0", "-c", "copy")
"""``V`` is the first video stream that is not a cover picture."""
_TABLE = ("-f", "framecrc", "pipe:1")
_FRAMES = ("-enc_time_base", "demux", "-fps_mode", "passthrough", "-noautoscale")
"""Decoded pictures or sound as they come, at their own times."""

# What ffmpeg logs about damage:
_HOLES = ("Invalid NAL unit size", "missing picture in access unit")
"""A packet that is none. ffmpeg looks into each packet of H.264, though only keys are decoded."""
_LOST = ("EBML number", "exceeds containing master element")
"""A part of a Matroska file is something else: ffmpeg goes on at the next cluster."""
_HARM = re.compile(
    "error while decoding MB|concealing|Error submitting packet|Decoding error|Invalid NAL unit"
    "|missing picture in access unit|EBML number|exceeds containing master element"
)
"""A damaged packet; of a damaged picture ffmpeg makes something that can be shown."""
_WALKS = {"hevc": "hevc_mp4toannexb", "vp9": "vp9_metadata", "av1": "av1_metadata"}
"""Filters that look into each packet, for codecs of which ffmpeg itself does not."""

_APART, _GROWS = 0.9, 1.05
"""Seconds between two decoded pictures, and their growth: 30 s give 33 pictures, an hour 130."""
# Of the second input every packet is dropped but the chosen ones. 1: its time, 2: the time of the
# first, 3: there was one, 0: when the next is due. A file without times of showing (AVI) has those
# of decoding.
_AT = r"0*st(1\,tb*if(eq(pts\,nopts)\,dts\,pts))+eq(max(pts\,dts)\,nopts)"
_SINCE = r"(ld(1)-ld(2))"
_CHOSEN = (
    rf"if(not(key)\,1\,if({_AT}\,0\,if(ld(3)*lt({_SINCE}\,ld(0))\,1\,"
    rf"0*st(2\,if(ld(3)\,ld(2)\,ld(1)))+0*st(3\,1)"
    rf"+0*st(0\,max({_SINCE}+{_APART}\,{_SINCE}*{_GROWS})))))"
)
_HOLE = 0.25
"""Seconds without a picture that count as a hole; some decoders leave out less around a cut."""

SECONDS = 180.0
"""Most time for decoding a result once: 30 s of 1080p take 6 s on two cores."""
_MAY_MISS = 2
"""Pictures that a decoder may leave out: some encoders end with one that is never shown."""
_MAY_LACK = 0.1
"""Seconds of sound that a decoder may leave out, at its beginning and in the last packet."""
_PLAIN = ("pcm", "rawvideo")
"""Codecs in which a packet of zeros is silence, or black."""


def probe_video(path: Path) -> VideoInfo:
    """Measure a clip with one run of ffmpeg: header, table of packets, decoded key pictures.

    A second run decodes everything where a key picture does not come out, to tell from when on.
    Length and rate come from the packets, because the header's length may be the sound's, and a
    webcam's WebM has none. Raises ``UnreadableMedia`` (message: what the file is; hint: what to do)
    for anything that is not a whole clip.
    """
    size_bytes, head = read_head(path, "video")
    kind = sniff(head)
    if kind.family in ("image", "heif") and not _moves(path, kind.container):
        swapped = "Give a clip here; perhaps the two files were swapped."
        raise unreadable(path, "video", f"{kind.phrase}, not a video", swapped, "image")
    if kind.family == "audio":
        raise unreadable(path, "video", f"{kind.phrase}, without a picture", _MOTION, "audio")
    if kind.family not in ("image", "video", "unknown"):
        hint = "Choose the clip itself, as an MP4 or MOV file."
        raise unreadable(path, "video", f"{kind.phrase}, not a video", hint, kind.family)
    digest: list[str] = []
    clip = _measure(
        path, kind, size_bytes, meanwhile=lambda: digest.append(file_hash(path, "video"))
    )
    video, first = clip.video, clip.pictures[0] if clip.pictures else None
    sounds = clip.listing.of("Audio")
    number, sound = next(((n, s) for n, s in enumerate(sounds) if s.known), (0, None))
    try:
        known = by_moviepy(clip.listing, video, sound, path.name)
    except ValueError as error:
        what = "a clip whose header says too little"
        raise unreadable(path, "video", what, _AS_CLIP, "broken") from error
    times = timing(clip.track, float(known["video_fps"]))
    if times is None:
        raise unreadable(path, "video", "a clip without a single frame", _AGAIN, "broken")
    coded = Size(*known["video_size"])
    turned = re.search(r"rotation of (-?[\d.]+) degrees", video.detail("Display Matrix"))
    rotation = round(float(turned[1]) / 90) * 90 % 360 if turned else 0
    dolby = re.search(r"profile: (\d+)", video.detail("DOVI configuration record"))
    shown = [_shown(each.size, each.pixel_aspect, rotation) for each in clip.pictures]
    aspect = first.pixel_aspect if first else clip.track.pixel_aspect
    visible = first.size if first else coded
    pixels = re.search(r"^\w+(?: \([^)]*\))*, (\w+)(?:\(([^)]*))?", video.words)
    order = pixels[2] or "" if pixels else ""
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
        duration=float(times.duration),
        frames=times.frames,
        frame_rate=times.rate,
        variable_rate=times.variable,
        audio_codec=sound.codec if sound else None,
        interlaced="first" in order or bool(first and first.interlaced),
        first_picture=max(0.0, float(int(clip.track.times.min()) * clip.track.tick)),
        audio_number=number,
        unknown_sound=sound is None and bool(sounds),
        header_duration=known.get("duration"),
        visible=visible,
        other_sizes=tuple(dict.fromkeys(shown))[1:],
        readable=clip.readable,
        protected=clip.track.encrypted,
        dolby_profile=int(dolby[1]) if dolby else None,
    )


def probe_image(path: Path) -> ImageInfo:
    """Measure a picture.

    Everything is decoded once, so a truncated file does not pass; a JPEG at an eighth, which is as
    strict. Raises ``UnreadableMedia`` (message: what the file is; hint: what to do) for anything
    that is not a whole picture, and for one that would take too much memory.
    """
    with open_picture(path, longest=1) as opened:
        image, header, mode = opened.image, opened.header, opened.mode
        profile = other_profile(opened.profile, image.mode)
        if see_through(image):
            mode = {"RGB": "RGBA", "L": "LA", "1": "LA", "P": "PA"}.get(image.mode, image.mode)
        elif mode == image.mode:
            opaque = {"RGBA": "RGB", "RGBX": "RGB", "RGBa": "RGB", "LA": "L", "La": "L", "PA": "P"}
            mode = opaque.get(mode, mode)
        # AVIF says its frames when it is open; a phone's HEIC may hold a burst around the picture
        frames = getattr(image, "n_frames", 1) if opened.format == "AVIF" else header.frames
        width, height = opened.size
        sideways = opened.turn in SIDEWAYS
        return ImageInfo(
            path=path,
            sha256=file_hash(path, "image"),
            size_bytes=read_head(path, "image")[0],
            format=opened.format,
            size=Size(height, width) if sideways else Size(width, height),
            mode=mode,
            frames=frames,
            turned=opened.turn != 1 or header.orientation != 1,
            profile=profile,
            broken_tags=header.broken_tags,
        )


def _moves(path: Path, container: str) -> bool:
    """True for an animated GIF, which is a clip as well as a picture."""
    if container != "gif":
        return False
    try:
        header = read_header(path)
    except (NoHeader, TooMuch):
        return False
    return header is not None and header.frames > 1


def _shown(coded: Size, pixel_aspect: Fraction, rotation: int) -> Size:
    """Upright size with square pixels. One side grows, none shrinks, as the HTML standard says."""
    width, height = coded
    if pixel_aspect >= 1:
        width = round(width * pixel_aspect)
    else:
        height = round(height / pixel_aspect)
    return Size(height, width) if rotation in (90, 270) else Size(width, height)


# -- one run of ffmpeg: packets and key pictures ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Measured:
    listing: Listing
    video: Stream
    track: Track
    pictures: list[Picture]
    readable: tuple[float, float] | None


def _run(
    path: Path,
    args: list[str],
    table: Table,
    *,
    timeout: float,
    check: bool = False,
    header: bool = False,
    meanwhile: Callable[[], object] | None = None,
) -> ffmpeg.Finished:
    """Run ffmpeg on the file; its first output is read as a table of packets.

    ``header``: print what the header says, within the memory of a look.
    """
    return ffmpeg.run(
        ["-nostats", *ffmpeg.source(path), *args],
        timeout=timeout,
        check=check,
        quiet=not header,
        meanwhile=meanwhile,
        sink=table.feed,
        memory=bounds.LOOK_MEMORY if header else None,
    )


def _patience(size_bytes: int) -> float:
    """Time-out of a look at a file, seconds."""
    return 30 + size_bytes / 20e6


def _measure(
    path: Path, kind: Kind, size_bytes: int, *, meanwhile: Callable[[], object]
) -> _Measured:
    """List the packets and decode the key pictures."""
    timeout = _patience(size_bytes)

    def listed(
        args: list[str], meanwhile: Callable[[], object] | None = None
    ) -> tuple[ffmpeg.Finished, Table]:
        table = Table()
        try:
            done = _run(path, args, table, timeout=timeout, header=True, meanwhile=meanwhile)
        except ffmpeg.TimedOut as error:
            raise unreadable(path, "video", "not measured in time", _AS_CLIP, "slow") from error
        except TooManyPackets as error:
            what = f"a clip of more than {MOST_PACKETS:,} pictures"
            raise unreadable(path, "video", what, "Cut it shorter first.", "long") from error
        return done, table

    # The chosen packets come from a second input: they are stream 1 of the first output, and are
    # decoded for a second output. Its header was read for the first input already. One thread: with
    # more a decoder keeps more pictures, and 4K in 10 bits would need 400 MB.
    chosen = ["-nofind_stream_info", "-bsf:V:0", f"noise=drop='{_CHOSEN}'", "-threads", "1"]
    second = [*chosen, "-noautorotate", *ffmpeg.source(path)]
    shown = ["-map", "1:V:0", "-vf", "showinfo=checksum=0", "-fps_mode", "passthrough"]
    decode = [*shown, "-noautoscale", "-f", "null", "-"]
    both = [*second, *_COPY, "-map", "1:V:0", "-flush_packets", "0", *_TABLE, *decode]
    done, table = listed(both, meanwhile)
    pictures = read_pictures(done.log)
    plain = not done.code and 0 < len(table.track(1)) <= len(pictures)
    holes = any(sign in _complaints(done) for sign in _HOLES)
    if done.code:
        # without a decoder, or a picture out of it, ffmpeg gives up before everything is listed
        done, table = listed([*_COPY, "-flush_packets", "0", *_TABLE])
    listing, complaints = read_listing(done.log, path), _complaints(done)
    video = listing.picture
    if done.code or video is None:
        raise _no_clip(path, kind, done, listing)
    track = table.track(0)
    if kind.container in _MP4 and "partial file" in complaints:
        times = timing(track)
        there = (0.0, float(times.duration) if times else 0.0)
        there = _readable(path, track, timeout=timeout) or there
        if there[1] - there[0] < _WORTH_KEEPING:
            raise _no_clip(path, kind, done, listing)
        return _Measured(listing, video, track, pictures, there)
    stretch = None
    if len(track) and not track.encrypted:
        damaged = holes or track.zeros > 0 or (plain and _broken_inside(path, video, timeout))
        if damaged or not plain:
            stretch = _readable(path, track, timeout=timeout, damaged=damaged)
        if stretch is None and any(sign in complaints for sign in _LOST):
            stretch = _unbroken(track)
    return _Measured(listing, video, track, pictures, stretch)


def _broken_inside(path: Path, video: Stream, timeout: float) -> bool:
    """True where the structure of a packet is damaged, as far as that shows without decoding."""
    walk = _WALKS.get(video.codec)
    if walk is None:
        return False
    args = ["-nostats", "-loglevel", "error", *ffmpeg.source(path), *_COPY]
    args += ["-bsf:v", walk, "-f", "null", "-"]
    try:
        walked = ffmpeg.run(
            args, timeout=timeout, check=False, quiet=False, memory=bounds.LOOK_MEMORY
        )
    except ffmpeg.TimedOut:
        return False
    return "Error applying bitstream filters" in walked.stderr or "Invalid OBU" in walked.stderr


def _complaints(done: ffmpeg.Finished) -> str:
    """Log lines of ffmpeg's parts. They begin at the margin; tags, which are free text, do not."""
    return "\n".join(line for line in done.stderr.split("\n") if line.startswith("["))


def _no_clip(path: Path, kind: Kind, done: ffmpeg.Finished, listing: Listing) -> UnreadableMedia:
    complaints = _complaints(done)
    cut = "partial file" in complaints or "moov atom not found" in complaints
    if kind.container in _MP4 and cut:
        what = "cut off: a part of the file is missing"
        return unreadable(path, "video", what, _AGAIN, "broken")
    if listing.streams and not listing.mapped:
        sound = bool(listing.of("Audio"))
        what = "sound only, without a picture" if sound else "without a video stream"
        return unreadable(path, "video", what, _MOTION, "audio" if sound else "other")
    if kind.container:
        reason = re.sub(r"^\[[^\]]*\] ", "", ffmpeg.last_line(done.stderr)).rstrip(".")
        what = f"not readable as a video (ffmpeg: {reason})"
        return unreadable(path, "video", what, _AGAIN, "broken")
    what = f"{kind.phrase}, which is not read here"
    return unreadable(path, "video", what, _AS_CLIP, "other")


# -- which part of a clip can be decoded -----------------------------------------------------------


def _readable(
    path: Path, track: Track, *, timeout: float, damaged: bool = False
) -> tuple[float, float] | None:
    """The longest stretch that can be decoded, in seconds after the first picture; None for all.

    Everything is decoded; after ``timeout`` it counts as readable up to the last picture.
    ``damaged``: packets are known to be, so even one missing picture is a hole, and what follows
    leans on it.
    """
    table = Table()
    args = ["-map", "0:V:0", "-c:v", "wrapped_avframe", *_FRAMES, *_TABLE]
    try:
        _run(path, args, table, timeout=timeout)
    except ffmpeg.TimedOut:
        return None if len(table.track(0)) else (0.0, 0.0)
    made = table.track(0)
    if not len(made) or not made.tick:
        return (0.0, 0.0)
    wanted, there = np.sort(track.seconds), np.sort(made.seconds)
    hole = 0.0 if damaged else _HOLE
    return _longest(wanted, there, hole) if len(there) < len(wanted) else None


def _unbroken(track: Track) -> tuple[float, float] | None:
    """The longest stretch without a missing packet; None for all. For a file that lost some."""
    there = np.sort(track.seconds)
    if len(there) < 3:
        return None
    step = float(np.median(np.diff(there)))
    count = round((there[-1] - there[0]) / step) if step > 0 else 0
    if not 0 < count <= MOST_PACKETS:
        return None
    return _longest(np.linspace(there[0], there[-1], count + 1), there, _HOLE)


def _longest(wanted: Floats, there: Floats, hole: float) -> tuple[float, float] | None:
    """The longest stretch without a hole; None for no hole at all.

    ``wanted``: when each picture is due, ``there``: when there was one, both in seconds, sorted.
    """
    step = float(np.median(np.diff(wanted))) if len(wanted) > 1 else 0.04
    end = float(wanted[-1]) + step
    begins = np.concatenate([[float(wanted[0]) - step], there])
    ends = np.concatenate([there, [end]])
    usual = np.interp(begins, wanted, np.append(np.diff(wanted), step))
    gaps = (ends - begins - step > hole) & (ends - begins > 1.5 * usual)
    if not gaps.any():
        return None
    stretches = []
    first = 0
    for border in [*np.flatnonzero(gaps).tolist(), len(there)]:
        if border > first:  # pictures ``first`` to ``border`` - 1 have no hole between them
            stretches.append((float(there[first]), float(there[border - 1]) + step))
        first = border
    start, stop = max(stretches, key=lambda each: each[1] - each[0], default=(0.0, 0.0))
    zero = float(wanted[0])
    return max(0.0, start - zero), max(0.0, min(stop, end) - zero)


# -- whether a downloaded result is whole ----------------------------------------------------------


def damage(path: Path, info: VideoInfo, *, seconds: float = SECONDS) -> str:
    """What is wrong with a downloaded clip, in words; empty when it is whole.

    Its boxes are checked, and pictures and sound are decoded to their end. ``info`` is what the
    probe measured. Raises ``ffmpeg.TimedOut`` when one decoding takes more than ``seconds``.
    """
    cut = (info.header_duration or 0.0) > info.duration + 2 * MISSED
    if info.container in _MP4:
        cut = _boxes_are_cut(path, info.size_bytes)
    if cut:
        return "its end is missing"
    stored, made, harmed = _decoded(path, "0:V:0", "wrapped_avframe", seconds)
    if len(stored) - len(made) > _MAY_MISS:
        return f"only {len(made)} of its {len(stored)} pictures can be decoded"
    if harmed:
        return "some of its pictures are damaged"
    if info.audio_codec is not None:
        sound = f"0:a:{info.audio_number}"
        stored, made, harmed = _decoded(path, sound, "pcm_s16le", seconds)
        lack = max(_length(stored) - _length(made), _end(stored) - _end(made))
        if lack > _MAY_LACK:
            return f"{lack:.1f} s of its sound cannot be decoded"
        if harmed:
            return "some of its sound is damaged"
    return ""


def _boxes_are_cut(path: Path, size_bytes: int) -> bool:
    """True where the boxes of an MP4 are longer than the file."""
    lengths = [length for _, length in boxes(path)]
    return all(length >= 8 for length in lengths) and sum(lengths) > size_bytes


def _decoded(path: Path, stream: str, to: str, seconds: float) -> tuple[Track, Track, bool]:
    """The packets of a stream, what decoding makes of them, and whether one is damaged."""
    stored, made = Table(), Table()
    _run(path, ["-map", stream, "-c", "copy", *_TABLE], stored, timeout=seconds)
    decode = ["-map", stream, "-c", to, *_FRAMES, *_TABLE]
    done = _run(path, decode, made, timeout=seconds)
    track = stored.track(0)
    zeros = track.zeros > 0 and not track.codec.startswith(_PLAIN)
    return track, made.track(0), zeros or bool(_HARM.search(done.stderr))


def _length(track: Track) -> float:
    """Seconds of all packets of a stream."""
    return float(int(np.frombuffer(track.lengths, np.int64).sum()) * track.tick)


def _end(track: Track) -> float:
    """When the last packet of a stream ends, in seconds."""
    times = track.times
    if not len(times):
        return 0.0
    return float((int(times.max()) + track.lengths[int(times.argmax())]) * track.tick)


# -- what an encoder needs -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Colour:
    """How samples are to be read, in ffmpeg's words; empty where the file does not say."""

    range: str = ""
    matrix: str = ""
    primaries: str = ""
    transfer: str = ""

    @property
    def hdr(self) -> bool:
        """Brighter than a screen's white: PQ or HLG."""
        return self.transfer in ("smpte2084", "arib-std-b67")

    @property
    def wide(self) -> bool:
        """The colours of BT.2020, whatever the brightness."""
        return self.primaries == "bt2020" or self.matrix.startswith("bt2020")


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a clip. Times in seconds after the clip's start."""

    codec: str
    rate: int
    channels: int
    start: float
    size_bytes: int
    seconds: float
    number: int = 0
    """Among the sounds of the file: the first that can be decoded."""

    @property
    def bits_per_second(self) -> float:
        return 8 * self.size_bytes / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """Packets of the picture in decoding order, times in seconds after the first picture."""

    offset: float
    """Seconds from the clip's start to its first picture: sound may begin before it."""
    times: Floats
    sizes: npt.NDArray[np.int64]
    keys: npt.NDArray[np.bool_]
    timed: bool
    """False where the file only knows the decoding order (AVI)."""
    colour: Colour
    sound: Sound | None

    @property
    def key_times(self) -> Floats:
        """When pictures that need no other are shown, in order."""
        return np.sort(self.times[self.keys])

    @property
    def usual_rate(self) -> float:
        """Pictures a second by the median step, which ignores a few gaps; 0 for one picture."""
        steps = np.diff(np.sort(self.times))
        steps = steps[steps > 0]
        return float(1 / np.median(steps)) if len(steps) else 0.0

    def bytes_between(self, start: float, end: float) -> int:
        """Bytes of picture and sound from ``start`` to ``end`` seconds."""
        inside = (self.times >= start - 1e-3) & (self.times < end - 1e-3)
        total = float(self.sizes[inside].sum())
        if self.sound:
            total += self.sound.bits_per_second / 8 * min(end - start, self.sound.seconds)
        return int(total)


def read_streams(path: Path) -> Streams:
    """Read the header and list all packets. Raises ``UnreadableMedia`` and ``FfmpegFailed``."""
    timeout = _patience(path.stat().st_size)
    try:
        for sound in (["-map", "0:a?"], []):
            table = Table()
            args = ["-map", "0:V:0", *sound, "-c", "copy", *_TABLE]
            done = _run(path, args, table, timeout=timeout, header=True, check=not sound)
            if not done.code:  # a sound whose header says too little is not even listed
                break
    except TooManyPackets as error:
        raise UnreadableMedia(
            f"{path.name} has more than {error.args[0]:,} packets in a stream.",
            hint="Cut it shorter first.",
            field="video",
        ) from error
    listing, track = read_listing(done.log, path), table.track(0)
    if not len(track) or not track.tick:
        raise UnreadableMedia(
            f"{path.name} is a clip without a single frame.",
            hint="Record or export it again.",
            field="video",
        )
    heard = (
        _sound(stream, number, table.track(number + 1))
        for number, stream in enumerate(listing.of("Audio"))
        if stream.known and len(table.track(number + 1))
    )
    offset = float(track.seconds.min())
    return Streams(
        offset=offset,
        times=track.seconds - offset,
        sizes=np.array(track.sizes, np.int64),
        keys=np.array(track.keys, np.bool_),
        timed=track.timed,
        colour=colour_of(listing.picture.words if listing.picture else ""),
        sound=next(heard, None),
    )


def colour(path: Path) -> Colour:
    """The colour tags of a clip, by its header. Raises ``FfmpegFailed``."""
    args = [*ffmpeg.source(path), *_COPY, "-t", "0", "-f", "null", "-"]
    done = ffmpeg.run(args, timeout=30, check=False, quiet=False, memory=bounds.LOOK_MEMORY)
    picture = read_listing(done.log, path).picture
    return colour_of(picture.words if picture else "")


def colour_of(words: str) -> Colour:
    """From ``yuv420p10le(tv, bt2020nc/bt2020/smpte2084, progressive)``.

    One word stands for three that are alike.
    """
    found = re.search(r"^\w+(?: \([^)]*\))*, \w+\(([^)]*)\)", words)
    tags = [word.strip() for word in found[1].split(",")] if found else []
    levels = next((tag for tag in tags if tag in ("tv", "pc")), "")
    space = next((tag for tag in tags if "/" in tag), "")
    if not space:
        one = next((tag for tag in tags if tag.startswith(("bt", "smpte"))), "")
        space = f"{one}/{one}/{one}"
    known = ["" if each in ("unknown", "reserved") else each for each in space.split("/")]
    return Colour(levels, *known) if len(known) == 3 else Colour(levels)


def _sound(stream: Stream, number: int, packets: Track) -> Sound:
    rate = re.search(r"(\d+) Hz(?:, ([^,]+))?", stream.words)
    layout = (rate[2] or "").strip() if rate else ""
    if counted := re.match(r"(\d+) channels", layout) or re.match(r"(\d+)\.(\d)", layout):
        channels = sum(map(int, counted.groups()))
    else:
        channels = {"mono": 1, "stereo": 2, "quad": 4}.get(layout.split("(")[0], 2)
    tick, first = float(packets.tick), int(packets.times[0])
    return Sound(
        codec=stream.codec,
        rate=int(rate[1]) if rate else 0,
        channels=channels,
        start=first * tick,
        size_bytes=sum(packets.sizes),
        seconds=(int(packets.times[-1]) + packets.lengths[-1] - first) * tick,
        number=number,
    )
