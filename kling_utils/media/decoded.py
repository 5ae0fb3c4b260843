"""What decoding tells of a clip: which pictures come out, how large they are, and from when on none does.

Owns the choice of pictures and the reading of ffmpeg's ``showinfo``. Key pictures alone are decoded, at most one a second and ever fewer
of a long clip; all of a clip only where one of them is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from kling_utils.media import ffmpeg
from kling_utils.media.arrays import Floats
from kling_utils.media.packets import MOST_PACKETS, Table, Track
from kling_utils.values import Size

_APART, _GROWS = 0.9, 1.05
"""Seconds between two pictures that are decoded, and the growth of their times: 30 s of clip give 33 of them, an hour 130."""
# Of the second input every packet is dropped but the chosen ones. 1: its time, 2: the time of the first, 3: there was one, 0: from when on
# the next is due. Where a file has no times of showing (AVI), those of decoding count.
_AT = r"0*st(1\,tb*if(eq(pts\,nopts)\,dts\,pts))+eq(max(pts\,dts)\,nopts)"
_SINCE = r"(ld(1)-ld(2))"
_CHOSEN = (
    rf"if(not(key)\,1\,if({_AT}\,0\,if(ld(3)*lt({_SINCE}\,ld(0))\,1\,"
    rf"0*st(2\,if(ld(3)\,ld(2)\,ld(1)))+0*st(3\,1)"
    rf"+0*st(0\,max({_SINCE}+{_APART}\,{_SINCE}*{_GROWS})))))"
)
_HOLE = 0.25
"""Seconds without a picture that are a hole; less is what some decoders leave out around a cut."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture. ``size``: in the samples that are left after cropping, before rotation and pixel aspect."""

    size: Size
    pixel_format: str
    pixel_aspect: Fraction
    interlaced: bool


def key_pictures(path: Path) -> tuple[list[str], list[str]]:
    """Arguments for a second input and a second output: the chosen packets are stream 1 of the first output, and are decoded."""
    # one thread: with more a decoder keeps more pictures, and 4K in 10 bits would need 400 MB
    # its header was read for the first input already
    opened = [
        "-nofind_stream_info",
        "-bsf:V:0",
        f"noise=drop='{_CHOSEN}'",
        "-threads",
        "1",
        "-noautorotate",
    ]
    shown = ["-map", "1:V:0", "-vf", "showinfo=checksum=0", "-fps_mode", "passthrough"]
    opened += ffmpeg.source(path)
    return opened, [*shown, "-noautoscale", "-f", "null", "-"]


def pictures(log: bytes) -> list[Picture]:
    """The pictures that ``showinfo`` saw, in order."""
    found = []
    for line in log.split(b"\n"):
        if not line.startswith(b"[Parsed_showinfo_0 @ ") or b" pts_time:" not in line:
            continue
        text = line.decode("ascii", "replace")
        size = re.search(r" s:(\d+)x(\d+) ", text)
        if size is None:
            continue
        told = dict(re.findall(r" (fmt|sar|i):(\S+)", text))
        over, under = (int(part) for part in re.findall(r"\d+", told.get("sar", "1/1"))[:2])
        found.append(
            Picture(
                Size(int(size[1]), int(size[2])),
                told.get("fmt", "unknown"),
                Fraction(over, under) if over and under else Fraction(1),
                told.get("i", "P") in ("T", "B"),
            )
        )
    return found


def readable(
    path: Path, track: Track, *, timeout: float, damaged: bool = False
) -> tuple[float, float] | None:
    """The longest stretch of the clip that can be decoded, in seconds after its first picture; None where all of it can be.

    All of it is decoded. What took longer than ``timeout`` counts as readable up to the last picture. ``damaged``: packets are known to be,
    so a single picture that is missing is a hole, and what follows leans on it.
    """
    table = Table()
    args = [*ffmpeg.source(path), "-map", "0:V:0", "-c:v", "wrapped_avframe"]
    form = ["-enc_time_base", "demux", "-fps_mode", "passthrough", "-noautoscale"]
    try:
        ffmpeg.run(
            [*args, *form, "-f", "framecrc", "pipe:1"],
            timeout=timeout,
            check=False,
            sink=table.feed,
        )
    except ffmpeg.TimedOut:
        return None if len(table.track(0)) else (0.0, 0.0)
    made = table.track(0)
    wanted = np.sort(track.times).astype(np.float64) * float(track.tick)
    if not len(made) or not made.tick:
        return (0.0, 0.0)
    there = np.sort(made.times).astype(np.float64) * float(made.tick)
    hole = 0.0 if damaged else _HOLE
    return _longest(wanted, there, hole) if len(there) < len(wanted) else None


def unbroken(track: Track) -> tuple[float, float] | None:
    """The longest stretch whose packets are there; None where none is missing. For a file in which some were lost."""
    there = np.sort(track.times).astype(np.float64) * float(track.tick)
    if len(there) < 3:
        return None
    step = float(np.median(np.diff(there)))
    count = round((there[-1] - there[0]) / step) if step > 0 else 0
    if not 0 < count <= MOST_PACKETS:
        return None
    return _longest(np.linspace(there[0], there[-1], count + 1), there, _HOLE)


def _longest(wanted: Floats, there: Floats, hole: float) -> tuple[float, float] | None:
    """From when each picture is ``wanted`` and when one was ``there``: the longest stretch without a hole; None for no hole at all."""
    step = float(np.median(np.diff(wanted))) if len(wanted) > 1 else 0.04
    end = float(wanted[-1]) + step
    begins = np.concatenate([[float(wanted[0]) - step], there])
    ends = np.concatenate([there, [end]])
    usual = np.interp(begins, wanted, np.append(np.diff(wanted), step))
    gaps = (ends - begins - step > hole) & (ends - begins > 1.5 * usual)
    if not gaps.any():
        return None
    borders = np.flatnonzero(gaps)
    stretches = []
    first = 0
    for border in [*borders.tolist(), len(there)]:
        if border > first:  # pictures ``first`` to ``border`` - 1 have no hole between them
            stretches.append((float(there[first]), float(there[border - 1]) + step))
        first = border
    start, stop = max(stretches, key=lambda each: each[1] - each[0], default=(0.0, 0.0))
    zero = float(wanted[0])
    return max(0.0, start - zero), max(0.0, min(stop, end) - zero)
