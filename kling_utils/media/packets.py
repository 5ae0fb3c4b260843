"""Packets of a file: read from ffmpeg's ``framecrc`` table as it comes, and what they tell about time.

Owns the reading of the table, in 25 bytes a packet, and exact length, frames, rate, and whether the
rate varies.
"""

from __future__ import annotations

import contextlib
from array import array
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

MOST_PACKETS = 1_000_000
"""Packets of one stream that are read: four hours at 60 pictures a second, and 33 MB."""
_NO_TIME = -(2**63)
_KEY, _DISCARD = 0x1, 0x4
_ROUNDED = Fraction(3, 5)
"""Of the doubt about a rate: each end of the clip is off by half a tick at most, which is half of the doubt, and a little more."""


class TooManyPackets(ValueError):
    """There are more packets than are read."""


@dataclass(slots=True)
class Track:
    """The packets of one stream in the order in which they are decoded; times in ticks. What an edit list hides is left out."""

    tick: Fraction = Fraction(0)
    """Seconds."""
    codec: str = ""
    dimensions: tuple[int, int] | None = None
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
    """Packets without a byte that is not zero: a hole in the file."""

    def __len__(self) -> int:
        return len(self.decoded)

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """When each is shown; when each is decoded where only that is known."""
        return np.frombuffer(self.shown if self.timed else self.decoded, np.int64)


class Table:
    """The tracks of a ``framecrc`` table: ``feed`` takes it block by block and raises ``TooManyPackets``."""

    def __init__(self, most: int = MOST_PACKETS) -> None:
        self._most, self._rest = most, b""
        self._tracks: dict[int, Track] = {}

    def track(self, number: int) -> Track:
        return self._tracks.setdefault(number, Track())

    def feed(self, block: bytes) -> None:
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._read(line.decode("ascii", "replace"))

    def _read(self, line: str) -> None:
        # stream, dts, pts, duration, bytes, checksum, then flags and the names of side data where there are any
        if line.startswith("#"):
            name, _, value = line[1:].partition(": ")
            name, _, number = name.partition(" ")
            if number.isdigit():
                self._told(self.track(int(number)), name, value.strip())
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
        if len(parts) > 7:
            track.encrypted = track.encrypted or any(
                each.startswith("Encryption") for each in parts[7:]
            )

    def _told(self, track: Track, name: str, value: str) -> None:
        with contextlib.suppress(ValueError, ZeroDivisionError):
            if name == "tb":
                track.tick = Fraction(value)
            elif name == "codec_id":
                track.codec = value
            elif name == "dimensions":
                width, height = (int(side) for side in value.split("x"))
                track.dimensions = width, height
            elif name == "sar":
                track.pixel_aspect = Fraction(value) or Fraction(1)


@dataclass(frozen=True, slots=True)
class Timing:
    """Exact length in seconds, frames that are shown, frames a second, and whether that rate varies."""

    duration: Fraction
    frames: int
    rate: Fraction
    variable: bool


def timing(track: Track, header_rate: float = 0.0) -> Timing | None:
    """Length, frames and rate; None where there is no frame. Packets come in decoding order, so times are sorted.

    ``header_rate``: frames a second by the header, 0 if unknown; it serves a single frame whose length was not written, and chooses between
    two usual rates that the file's clock is too coarse to tell apart.
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
    # Rounding to the file's clock moves a frame by up to one tick, which counts only where ticks are fine enough for it to be rounding.
    slack = max(Fraction(step, 10), Fraction(1 if step >= 4 else 0))
    shortest, longest = int(steps.min()), int(steps.max())
    variable = longest - shortest > slack
    rate = Fraction(len(steps)) / (span * tick)
    if shortest != longest:
        rate = _short(rate) if variable else _neat(rate, Fraction(2, span), header_rate)
        if not variable and abs(duration - len(times) / rate) < 2 * tick:
            duration = (
                len(times) / rate
            )  # what the clock could not write: 24 frames at 24 a second are 1 s, not 0.999 s
    return Timing(duration, len(times), rate, variable)


def _neat(rate: Fraction, doubt: Fraction, header_rate: float) -> Fraction:
    """The usual rate (n, or n * 1000/1001) that ``rate`` is, when it is within ``doubt`` (a share of it); else ``rate``, shortened.

    Where both are: the one that the header says, else the whole number where rounding explains it, else the nearer one.
    """
    whole = Fraction(round(rate))
    usual = (whole, Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001))
    likely = [each for each in usual if each and abs(each - rate) <= doubt * rate]
    if not likely:
        return _short(rate)
    rounded = whole in likely and abs(whole - rate) <= _ROUNDED * doubt * rate
    return min(
        likely,
        key=lambda each: (
            abs(float(each) - header_rate) > 0.02,
            rounded and each != whole,
            abs(each - rate),
        ),
    )


def _short(rate: Fraction) -> Fraction:
    """With a denominator that can be read; a picture that is held for hours keeps its own."""
    return rate.limit_denominator(1001) or rate
