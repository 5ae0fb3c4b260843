"""What is inside a clip that the probe does not need and an encoder does: colours, sound, when each stream begins, every packet.

Owns the second look at a clip: one start of ffmpeg that decodes nothing. Refuses to know limits and what will be made of the clip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kling_utils.errors import UnreadableMedia
from kling_utils.media import ffmpeg, listing
from kling_utils.media.arrays import Floats
from kling_utils.media.listing import Stream

_DISCARD, _KEY = 0x4, 0x1
_NO_TIME = -(2**63)


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
    """The first sound of a clip. Times in seconds after the clip's start."""

    codec: str
    rate: int
    channels: int
    start: float
    size_bytes: int
    seconds: float

    @property
    def bits_per_second(self) -> float:
        return 8 * self.size_bytes / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """Packets of the picture in the order in which they are decoded, times in seconds after the first picture."""

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
        """When a picture is shown that needs no other, in order."""
        return np.sort(self.times[self.keys])

    @property
    def usual_rate(self) -> float:
        """Pictures a second by the usual step, which a few gaps do not change; 0 for a single picture."""
        steps = np.diff(np.sort(self.times))
        steps = steps[steps > 0]
        return float(1 / np.median(steps)) if len(steps) else 0.0

    def bytes_between(self, start: float, end: float) -> int:
        """Bytes of picture and sound that are shown and heard from ``start`` to ``end`` seconds."""
        inside = (self.times >= start - 1e-3) & (self.times < end - 1e-3)
        heard = (
            self.sound.bits_per_second / 8 * min(end - start, self.sound.seconds)
            if self.sound
            else 0.0
        )
        return int(self.sizes[inside].sum() + heard)


def look(path: Path) -> Streams:
    """Read the header and list the packets. Raises ``UnreadableMedia`` and ``FfmpegFailed``."""
    maps = ["-map", "0:V:0", "-map", "0:a:0?", "-c", "copy", "-f", "framecrc", "pipe:1"]
    done = ffmpeg.run(
        ["-nostats", *ffmpeg.source(path), *maps],
        timeout=30 + path.stat().st_size / 20e6,
        quiet=False,
    )
    described = listing.read(done.log, path)
    picture, heard = described.output(0), described.output(1)
    ticks = {
        int(i): float(Fraction(t))
        for i, t in re.findall(
            r"^#tb (\d): (\S+)", done.stdout[:4000].decode("ascii", "replace"), re.M
        )
    }
    rows: dict[int, list[tuple[int, int, int, bool]]] = {0: [], 1: []}
    timed = True
    for line in done.stdout.decode("ascii", "replace").splitlines():
        if not line.startswith(("0,", "1,")):
            continue
        parts = line.split(",")
        flags = int(parts[6][3:], 16) if len(parts) > 6 and parts[6].startswith(" F=") else _KEY
        if flags & _DISCARD:
            continue
        stream, dts, pts = int(parts[0]), int(parts[1]), int(parts[2])
        timed = timed and (stream == 1 or pts != _NO_TIME)
        rows[stream].append(
            (dts if pts == _NO_TIME else pts, int(parts[3]), int(parts[4]), bool(flags & _KEY))
        )
    if not rows[0] or 0 not in ticks:
        raise UnreadableMedia(
            f"{path.name} is a clip without a single frame.",
            hint="Record or export it again.",
            field="video",
        )
    at = np.array([row[0] for row in rows[0]], np.float64) * ticks[0]
    offset = float(at.min())
    return Streams(
        offset=offset,
        times=at - offset,
        sizes=np.array([row[2] for row in rows[0]], np.int64),
        keys=np.array([row[3] for row in rows[0]], np.bool_),
        timed=timed,
        colour=colour_of(picture.words if picture else ""),
        sound=_sound(heard, rows[1], ticks.get(1, 0.0)) if rows[1] and heard else None,
    )


def colour(path: Path) -> Colour:
    """The colour tags of a clip, by its header. Raises ``FfmpegFailed``."""
    args = [*ffmpeg.source(path), "-map", "0:V:0", "-c", "copy", "-t", "0", "-f", "null", "-"]
    done = ffmpeg.run(args, timeout=30, check=False, quiet=False)
    picture = listing.read(done.log, path).output(0)
    return colour_of(picture.words if picture else "")


def colour_of(words: str) -> Colour:
    """From ``yuv420p10le(tv, bt2020nc/bt2020/smpte2084, progressive)``; one word stands for three that are alike."""
    found = re.search(r"^\w+(?: \([^)]*\))*, \w+\(([^)]*)\)", words)
    tags = [word.strip() for word in found[1].split(",")] if found else []
    levels = next((tag for tag in tags if tag in ("tv", "pc")), "")
    space = next((tag for tag in tags if "/" in tag), "")
    if not space:
        one = next((tag for tag in tags if tag.startswith(("bt", "smpte"))), "")
        space = f"{one}/{one}/{one}"
    known = ["" if each in ("unknown", "reserved") else each for each in space.split("/")]
    return Colour(levels, *known) if len(known) == 3 else Colour(levels)


def _sound(heard: Stream, rows: list[tuple[int, int, int, bool]], tick: float) -> Sound:
    rate = re.search(r"(\d+) Hz(?:, ([^,]+))?", heard.words)
    layout = (rate[2] or "").strip() if rate else ""
    counted = re.match(r"(\d+) channels", layout) or re.match(r"(\d+)\.(\d)", layout)
    channels = (
        sum(map(int, counted.groups()))
        if counted
        else {"mono": 1, "stereo": 2, "quad": 4}.get(layout.split("(")[0], 2)
    )
    first, last = rows[0], rows[-1]
    return Sound(
        codec=heard.codec,
        rate=int(rate[1]) if rate else 0,
        channels=channels,
        start=first[0] * tick,
        size_bytes=sum(row[2] for row in rows),
        seconds=(last[0] + last[1] - first[0]) * tick,
    )
