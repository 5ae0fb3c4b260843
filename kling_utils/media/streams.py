"""What is inside a clip that the probe does not need and an encoder does: colours, sound, when each stream begins, every packet.

Owns the second look at a clip: one start of ffmpeg that decodes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kling_utils.errors import UnreadableMedia
from kling_utils.media import bounds, ffmpeg, listing
from kling_utils.media.arrays import Floats
from kling_utils.media.listing import Stream
from kling_utils.media.packets import Table, TooManyPackets, Track


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
    try:
        done, table = _listed(path, sound=True)
        if done.code:  # a sound whose header says too little is not even listed
            done, table = _listed(path, sound=False)
    except TooManyPackets as error:
        raise UnreadableMedia(
            f"{path.name} has more than {error.args[0]:,} packets in a stream.",
            hint="Cut it shorter first.",
            field="video",
        ) from error
    described, track = listing.read(done.log, path), table.track(0)
    picture, sounds = described.output(0), described.of("Audio")
    if not len(track) or not track.tick:
        raise UnreadableMedia(
            f"{path.name} is a clip without a single frame.",
            hint="Record or export it again.",
            field="video",
        )
    at = track.times.astype(np.float64) * float(track.tick)
    offset = float(at.min())
    heard = [
        (number, stream)
        for number, stream in enumerate(sounds)
        if stream.known and len(table.track(number + 1))
    ]
    return Streams(
        offset=offset,
        times=at - offset,
        sizes=np.array(track.sizes, np.int64),
        keys=np.array(track.keys, np.bool_),
        timed=track.timed,
        colour=colour_of(picture.words if picture else ""),
        sound=_sound(heard[0][1], heard[0][0], table.track(heard[0][0] + 1)) if heard else None,
    )


def _listed(path: Path, *, sound: bool) -> tuple[ffmpeg.Finished, Table]:
    table, heard = Table(), ["-map", "0:a?"] if sound else []
    maps = ["-map", "0:V:0", *heard, "-c", "copy", "-f", "framecrc", "pipe:1"]
    done = ffmpeg.run(
        ["-nostats", *ffmpeg.source(path), *maps],
        timeout=30 + path.stat().st_size / 20e6,
        check=not sound,
        quiet=False,
        sink=table.feed,
        memory=bounds.LOOK_MEMORY,
    )
    return done, table


def colour(path: Path) -> Colour:
    """The colour tags of a clip, by its header. Raises ``FfmpegFailed``."""
    args = [*ffmpeg.source(path), "-map", "0:V:0", "-c", "copy", "-t", "0", "-f", "null", "-"]
    done = ffmpeg.run(args, timeout=30, check=False, quiet=False, memory=bounds.LOOK_MEMORY)
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


def _sound(heard: Stream, number: int, packets: Track) -> Sound:
    rate = re.search(r"(\d+) Hz(?:, ([^,]+))?", heard.words)
    layout = (rate[2] or "").strip() if rate else ""
    counted = re.match(r"(\d+) channels", layout) or re.match(r"(\d+)\.(\d)", layout)
    channels = (
        sum(map(int, counted.groups()))
        if counted
        else {"mono": 1, "stereo": 2, "quad": 4}.get(layout.split("(")[0], 2)
    )
    tick = float(packets.tick)
    first = int(packets.times[0])
    return Sound(
        codec=heard.codec,
        rate=int(rate[1]) if rate else 0,
        channels=channels,
        start=first * tick,
        size_bytes=sum(packets.sizes),
        seconds=(int(packets.times[-1]) + packets.lengths[-1] - first) * tick,
        number=number,
    )
