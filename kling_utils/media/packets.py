"""What a list of packets tells about time: exact length, frames, rate, and whether the rate varies.

Owns the reading of ffmpeg's ``framecrc`` table. Refuses to know files and how the table came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Timing:
    """Exact length in seconds, frames that are shown, frames a second, and whether that rate varies."""

    duration: Fraction
    frames: int
    rate: Fraction
    variable: bool


_NO_TIME = -(2**63)
_DISCARD = 0x4


def timing(table: bytes, header_rate: float = 0.0) -> Timing | None:
    """Length, frames and rate from the table: stream, dts, pts, duration, bytes, checksum, flags. None when it has no frame.

    ``header_rate``: frames a second by the header, 0 if unknown; it only serves a single frame whose length was not written.
    Packets that an edit list hides carry the discard flag and do not count. They come in decoding order, so times are sorted.
    """
    tick = Fraction(0)
    decoded, shown, lengths = [], [], []
    for line in table.decode("ascii", "replace").splitlines():
        if line.startswith("#tb 0: "):
            tick = Fraction(line[7:])
        elif line.startswith("0,"):
            parts = line.split(",")
            if len(parts) > 6 and parts[6].startswith(" F=") and int(parts[6][3:], 16) & _DISCARD:
                continue
            decoded.append(int(parts[1]))
            shown.append(int(parts[2]))
            lengths.append(int(parts[3]))
    if not tick or not decoded:
        return None
    times = decoded if _NO_TIME in shown else shown  # AVI knows only the decoding order
    last = lengths[times.index(max(times))]
    times.sort()
    steps = [b - a for a, b in pairwise(times)]
    step = sorted(steps)[len(steps) // 2] if steps else 0
    if last <= 0:  # no length was written for the last frame: it is held as long as most are
        last = step or (round(1 / (Fraction(header_rate) * tick)) if header_rate else 0)
    span = times[-1] - times[0]
    duration = (span + last) * tick
    if not steps or span <= 0:
        rate = Fraction(1) / (last * tick) if last else Fraction(0)
        return Timing(duration, len(times), _neat(rate, Fraction(1, 1000)), False)
    # Rounding to the file's clock moves a frame by up to one tick, which counts only where ticks are fine enough for it to be rounding.
    slack = max(Fraction(step, 10), Fraction(1 if step >= 4 else 0))
    variable = max(steps) - min(steps) > slack
    rate = Fraction(len(steps)) / (span * tick)
    if min(steps) != max(steps):
        rate = rate.limit_denominator(1001) if variable else _neat(rate, Fraction(2, span))
        if not variable and abs(duration - len(times) / rate) < 2 * tick:
            duration = (
                len(times) / rate
            )  # what the clock could not write: 24 frames at 24 a second are 1 s, not 0.999 s
    return Timing(duration, len(times), rate, variable)


def _neat(rate: Fraction, doubt: Fraction) -> Fraction:
    """The usual rate (n, or n * 1000/1001) that ``rate`` is, when it is within ``doubt`` (a share of it); else ``rate``, shortened."""
    usual = min(
        Fraction(round(rate)),
        Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001),
        key=lambda each: abs(each - rate),
    )
    return usual if usual and abs(usual - rate) <= doubt * rate else rate.limit_denominator(1001)
