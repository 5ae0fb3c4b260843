"""Readers of what ffmpeg prints about a file.

``read_listing`` reads the description of the header by what a line says, not by how far it is
indented: nested streams (of a timecode or a group), data and subtitles do not move a fact to
another stream. ``Table`` reads packets from ``framecrc`` as they come, in 25 bytes a packet.
``read_pictures`` reads decoded pictures from ``showinfo``. The bundled ffmpeg is pinned, and the
tests read a zoo of files with it.
"""

from __future__ import annotations

import contextlib
import os
import re
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kling_utils.values import Size

MOST_PACKETS = 1_000_000
"""Packets of one stream that are read: four hours at 60 pictures a second, and 33 MB."""
UNDECODED = frozenset({"4gv", "ac4", "apple_apac", "celt", "codec2", "lc3", "mpegh_3d_audio"})
UNDECODED |= {"smv", "sonic", "sonicls", "none", "unknown"}
"""Sounds that ffmpeg names but does not decode: ``apple_apac`` is the spatial sound of phones."""
_STREAM = re.compile(r"Stream #0:(\d+)(?:\[[^\]]*\])?(?:\([^)]*\))?: (\w+): (.*)")
_MAPPED = re.compile(r"Stream #(\d+):(\d+) -> #(\d+):(\d+)")
_HEADER_ENDS = ("Stream mapping:", "Input #1,", "Output #0,", "At least one output file")
_CONTROL = re.compile(rb"[\x01-\x07\x0e-\x1f]")
_NO_TIME = -(2**63)
_KEY, _DISCARD = 0x1, 0x4
_ROUNDED = Fraction(3, 5)
"""Share of the doubt about a rate that rounding explains: each end of the clip is off by half a
tick at most, which is half of the doubt, and a little more."""


# -- the header ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Stream:
    """A stream of a file. ``details``: the lines of its tags and side data."""

    number: int
    kind: str
    """``Video``, ``Audio``, ``Data``, ..."""
    words: str
    """What follows the kind."""
    details: list[str] = field(default_factory=list)

    @property
    def codec(self) -> str:
        found = re.match(r"\w+", self.words)
        return found[0] if found else "unknown"

    @property
    def known(self) -> bool:
        """False where ffmpeg has no decoder for it."""
        return self.codec not in UNDECODED

    def detail(self, name: str) -> str:
        """The text behind ``name: `` in the tags and side data; empty without it."""
        for each in self.details:
            if each.lower().startswith(f"{name}:".lower()):
                return each.partition(":")[2].strip()
        return ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The header of the first input."""

    container: str
    duration: str
    """``00:00:04.00, start: 0.000000, bitrate: 59 kb/s``, or ``N/A, ...``."""
    streams: tuple[Stream, ...]
    mapped: dict[tuple[int, int], int]
    """(output, stream in it) to the number of the input's stream."""

    def of(self, kind: str) -> tuple[Stream, ...]:
        return tuple(each for each in self.streams if each.kind == kind)

    @property
    def picture(self) -> Stream | None:
        """The stream that became stream 0 of the first output."""
        wanted = self.mapped.get((0, 0))
        return next((each for each in self.streams if each.number == wanted), None)


def read_listing(log: bytes, path: Path) -> Listing:
    """The header of the input ``path`` in ffmpeg's log; empty where it is not there."""
    # The name may hold line breaks. For other control characters ffmpeg prints a question mark.
    name = _CONTROL.sub(b"?", b"file:" + os.fsencode(path))
    container, duration = "", "N/A"
    streams: dict[int, Stream] = {}
    mapped: dict[tuple[int, int], int] = {}
    inside, current = False, None
    for raw in log.replace(name, b"").decode("utf-8", "replace").split("\n"):
        line = raw.strip()
        if line.startswith("Input #0, "):
            inside, container = True, line[len("Input #0, ") :].partition(",")[0]
        elif line.startswith(_HEADER_ENDS):
            inside = False
        elif inside:
            # a line break in a tag's value is followed by a colon, so no tag passes for a stream
            if found := _STREAM.match(line):
                number = int(found[1])
                current = streams.setdefault(number, Stream(number, found[2], found[3]))
            elif line.startswith("Duration: ") and not streams:
                duration = line[len("Duration: ") :]
            elif current is not None:
                current.details.append(line)
        elif pair := _MAPPED.match(line):
            mapped[int(pair[3]), int(pair[4])] = int(pair[2])
    return Listing(container, duration, tuple(streams.values()), mapped)


def by_moviepy(listing: Listing, video: Stream, sound: Stream | None, name: str) -> dict[str, Any]:
    """Size, rate, codec and length of the header, by moviepy's parser.

    It gets only the lines that count, in the indentation that it knows: it stumbles over subtitles,
    covers, nested streams and odd tags. Raises ``ValueError`` for a header that says too little.
    """
    # half a second, because it imports all of moviepy
    from moviepy.video.io.ffmpeg_reader import FFmpegInfosParser

    picture = video.words
    if " fps" not in picture and " tbr" not in picture:
        picture += ", 0 tbr"  # one frame has no rate, and the parser insists on one
    long = not listing.duration.startswith("N/A")
    lines = [
        f"Input #0, {listing.container}:",
        f"  Duration: {listing.duration}",
        f"  Stream #0:{video.number}: Video: {picture}",
        *([f"  Stream #0:{sound.number}: Audio: {sound.words}"] if sound else []),
    ]
    parser = FFmpegInfosParser("\n".join(lines), name, check_duration=long)
    try:
        known: dict[str, Any] = parser.parse()
        width, height = known["video_size"]
        float(known["video_fps"])
    except (AttributeError, IndexError, KeyError, OSError, TypeError) as error:
        raise ValueError("the header says too little") from error
    return {**known, "video_size": (width, height)}


# -- decoded pictures ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture. ``size``: after cropping, before rotation and pixel aspect."""

    size: Size
    pixel_format: str
    pixel_aspect: Fraction
    interlaced: bool


def read_pictures(log: bytes) -> list[Picture]:
    """The pictures that ``showinfo`` saw, in order."""
    pictures = []
    for line in log.split(b"\n"):
        if not line.startswith(b"[Parsed_showinfo_0 @ ") or b" pts_time:" not in line:
            continue
        text = line.decode("ascii", "replace")
        size = re.search(r" s:(\d+)x(\d+) ", text)
        if size is None:
            continue
        facts = dict(re.findall(r" (fmt|sar|i):(\S+)", text))
        over, under = (int(part) for part in re.findall(r"\d+", facts.get("sar", "1/1"))[:2])
        pictures.append(
            Picture(
                Size(int(size[1]), int(size[2])),
                facts.get("fmt", "unknown"),
                Fraction(over, under) if over and under else Fraction(1),
                facts.get("i", "P") in ("T", "B"),
            )
        )
    return pictures


# -- packets ---------------------------------------------------------------------------------------


class TooManyPackets(ValueError):
    """A stream has more packets than are read."""


@dataclass(slots=True)
class Track:
    """The packets of one stream in decoding order, times in ticks.

    Packets that an edit list hides are left out.
    """

    tick: Fraction = Fraction(0)
    """Seconds."""
    codec: str = ""
    pixel_aspect: Fraction = Fraction(1)
    decoded: array[int] = field(default_factory=lambda: array("q"))
    shown: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("b"))
    timed: bool = True
    """False where the file only knows the order of decoding (AVI)."""
    encrypted: bool = False
    zeros: int = 0
    """Packets of nothing but zeros: a hole in the file."""

    def __len__(self) -> int:
        return len(self.decoded)

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """When each is shown, or decoded where only that is known."""
        return np.frombuffer(self.shown if self.timed else self.decoded, np.int64)

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """``times`` in seconds."""
        return self.times.astype(np.float64) * float(self.tick)


class Table:
    """The tracks of a ``framecrc`` table, which is fed block by block."""

    def __init__(self, most: int = MOST_PACKETS) -> None:
        self._most, self._rest = most, b""
        self._tracks: dict[int, Track] = {}

    def track(self, number: int) -> Track:
        return self._tracks.setdefault(number, Track())

    def feed(self, block: bytes) -> None:
        """Raises ``TooManyPackets``."""
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._read(line.decode("ascii", "replace"))

    def _read(self, line: str) -> None:
        # stream, dts, pts, duration, bytes, checksum; then flags and names of side data, if any
        if line.startswith("#"):
            name, _, value = line[1:].partition(": ")
            name, _, number = name.partition(" ")
            if number.isdigit():
                self._read_head(self.track(int(number)), name, value.strip())
            return
        parts = [part.strip() for part in line.split(",")]
        if len(parts) < 6 or not parts[0].isdigit():
            return
        flags = int(parts[6][2:], 16) if len(parts) > 6 and parts[6].startswith("F=") else _KEY
        if flags & _DISCARD:
            return
        track = self.track(int(parts[0]))
        if len(track) >= self._most:
            raise TooManyPackets(self._most)
        dts, pts, length, size = (int(part) for part in parts[1:5])
        track.timed = track.timed and pts != _NO_TIME
        track.decoded.append(dts)
        track.shown.append(pts)
        track.lengths.append(length)
        track.sizes.append(size)
        track.keys.append(flags & _KEY)
        track.zeros += size > 0 and parts[5] == "0x00000000"
        track.encrypted |= any(each.startswith("Encryption") for each in parts[7:])

    def _read_head(self, track: Track, name: str, value: str) -> None:
        with contextlib.suppress(ValueError, ZeroDivisionError):
            if name == "tb":
                track.tick = Fraction(value)
            elif name == "codec_id":
                track.codec = value
            elif name == "sar":
                track.pixel_aspect = Fraction(value) or Fraction(1)


@dataclass(frozen=True, slots=True)
class Timing:
    """Exact length in seconds, shown frames, frames a second, and whether that rate varies."""

    duration: Fraction
    frames: int
    rate: Fraction
    variable: bool


def timing(track: Track, header_rate: float = 0.0) -> Timing | None:
    """Length, frames and rate; None without a frame.

    ``header_rate``: frames a second by the header, 0 if unknown. It serves a single frame whose
    length was not written, and chooses between two usual rates that the file's clock is too coarse
    to tell apart.
    """
    tick = track.tick
    if not tick or not len(track):
        return None
    unsorted = track.times
    last = int(track.lengths[int(unsorted.argmax())])
    times = np.sort(unsorted)
    steps = np.diff(times)
    step = int(np.sort(steps)[len(steps) // 2]) if len(steps) else 0
    if last <= 0:  # no length was written for the last frame: it is held as long as most are
        last = step or (round(1 / (Fraction(header_rate) * tick)) if header_rate else 0)
    span = int(times[-1]) - int(times[0])
    duration = (span + last) * tick
    if not len(steps) or span <= 0:
        rate = Fraction(1) / (last * tick) if last else Fraction(0)
        return Timing(duration, len(times), _neat(rate, Fraction(1, 1000), header_rate), False)
    # Rounding to the file's clock moves a frame by up to one tick; coarse ticks say nothing.
    slack = max(Fraction(step, 10), Fraction(1 if step >= 4 else 0))
    shortest, longest = int(steps.min()), int(steps.max())
    variable = longest - shortest > slack
    rate = Fraction(len(steps)) / (span * tick)
    if shortest != longest:
        rate = _short(rate) if variable else _neat(rate, Fraction(2, span), header_rate)
        if not variable and abs(duration - len(times) / rate) < 2 * tick:
            # what the clock could not write: 24 frames at 24 a second are 1 s, not 0.999 s
            duration = len(times) / rate
    return Timing(duration, len(times), rate, variable)


def _neat(rate: Fraction, doubt: Fraction, header_rate: float) -> Fraction:
    """The usual rate (n, or n * 1000/1001) within ``doubt``, a share of ``rate``; else ``rate``.

    Of two usual ones that of the header, else the whole number where rounding explains it, else
    the nearer one.
    """
    whole = Fraction(round(rate))
    usual = (whole, Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001))
    likely = [each for each in usual if each and abs(each - rate) <= doubt * rate]
    if not likely:
        return _short(rate)
    rounded = whole in likely and abs(whole - rate) <= _ROUNDED * doubt * rate

    def doubtful(each: Fraction) -> tuple[bool, bool, Fraction]:
        return abs(float(each) - header_rate) > 0.02, rounded and each != whole, abs(each - rate)

    return min(likely, key=doubtful)


def _short(rate: Fraction) -> Fraction:
    """With a readable denominator; a picture that is held for hours keeps its own."""
    return rate.limit_denominator(1001) or rate
