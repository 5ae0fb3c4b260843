"""A clip made anew: H.264, yuv420p, constant rate, square pixels, upright, with AAC beside it; or its packets in a new wrapping.

Owns filters and encoder settings, and that sound and picture stay together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kling_utils.media import ffmpeg
from kling_utils.media.streams import Colour, Streams
from kling_utils.values import Size, VideoInfo

Progress = Callable[[float], None]
Stop = Callable[[], bool]

PRESET = "faster"
"""Of x264. At 2.6 Mbit/s and 1080x1920 it was 0.2 VMAF below ``medium`` and took 0.67 of its time; ``veryfast`` was 0.9 below."""
_LARGE, _HUGE = 1_500_000, 3_000_000
"""Pixels of a picture, encoded or decoded, from which on memory is spared: fewer threads and less foresight hold fewer pictures. With
1080p it is 60 MB less than x264's 20 pictures of foresight. A source of 4K needs 140 MB to be decoded alone, and 240 MB in 10 bits. One
thread decodes it, for which one that encodes need not wait; each picture of foresight is 7 MB (4 instead of 8: 0.6 VMAF at a size)."""
_STEREO = 128_000
_AAC_RATES = (44_100, 48_000)
_SYNC = 0.001
"""Seconds by which a cut comes before the picture it is meant for, so that rounding never drops that picture."""
_TOGETHER = 0.01
"""Seconds by which sound and picture may begin apart for the sound to be copied: less than half a packet."""

_LONGER = 0.2
"""Seconds by which copied sound may outlast the picture; more of it is cut off."""


class Clip(NamedTuple):
    """A clip, measured twice: by the probe and by the packets."""

    info: VideoInfo
    streams: Streams


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make of a clip: ``frames`` pictures of ``size``, ``rate`` a second, from ``start`` seconds after its first picture."""

    size: Size
    rate: Fraction
    frames: int
    start: float = 0.0
    slow: Fraction = Fraction(1)
    """How many times as long everything takes."""

    @property
    def seconds(self) -> float:
        return float(self.frames / self.rate)

    @property
    def taken(self) -> float:
        """Seconds of the source."""
        return float(self.frames / self.rate / self.slow)


def threads() -> int:
    """Threads of one coder: more than eight need memory for little."""
    return min(8, (os.cpu_count() or 1) + 1)


def reading(clip: Clip, start: float, seconds: float) -> list[str]:
    """Input arguments: from ``start`` seconds after the first picture, ``seconds`` long and a little more."""
    at = clip.streams.offset + start - _SYNC
    seek = ["-ss", f"{at:.6f}"] if at > _SYNC else []
    workers = 1 if clip.info.coded.width * clip.info.coded.height > _HUGE else threads()
    # a later size is no reason to begin anew with all filters: the first one brings it to the one size
    one = ["-reinit_filter", "0"] if clip.info.other_sizes else []
    return [
        *one,
        *seek,
        "-t",
        f"{seconds + 1:.3f}",
        "-threads",
        str(workers),
        *ffmpeg.source(clip.info.path),
    ]


def pictures(clip: Clip, recipe: Recipe, first: int = 0, last: int | None = None) -> str:
    """Filters from the source's pictures to pictures ``first`` to ``last`` (not included) of the recipe, counted from the input's start.

    ffmpeg has turned them upright before.
    """
    colour, chain = clip.streams.colour, []
    decoded = clip.info.visible or clip.info.coded
    turned = Size(decoded.height, decoded.width)
    if clip.info.other_sizes:
        upright = turned if clip.info.rotation in (90, 270) else decoded
        box = f"{upright.width}:{upright.height}"
        chain.append(f"scale={box}:force_original_aspect_ratio=decrease")
        chain.append(f"pad={box}:-1:-1:eval=frame")
    if clip.info.interlaced:
        chain.append("bwdif=mode=send_frame:deint=all")
    if recipe.slow != 1:
        chain.append(f"setpts=PTS*{float(recipe.slow):.9f}")
    # what begins late is filled with its first picture: no player has to obey an edit list
    chain.append(f"fps={recipe.rate}:start_time=0")
    chain.append(
        f"trim=start_frame={first}:end_frame={recipe.frames if last is None else last},setpts=PTS-STARTPTS"
    )
    shown = clip.info.size
    even = Size(shown.width // 2 * 2, shown.height // 2 * 2)
    if recipe.size == even and shown in (decoded, turned):
        chain.append(f"crop={even.width}:{even.height}:0:0" if even != shown else "null")
        chain.append("scale=out_range=tv")
    else:
        chain.append(f"scale={recipe.size.width}:{recipe.size.height}:flags=lanczos:out_range=tv")
    if clip.info.pixel_format.startswith(("gbr", "rgb", "bgr")):
        chain[-1] += ":out_color_matrix=bt709"
    chain.append(for_screen(colour) or "null")
    chain.append("format=yuv420p,setsar=1")
    return ",".join(each for each in chain if each != "null")


def for_screen(colour: Colour) -> str:
    """Filters from PQ, HLG or the wide colours of BT.2020 to what every screen shows, BT.709; empty for what is that already.

    A tag that the file lacks is filled in by what goes with the others: ``zscale`` would refuse it.
    """
    if not (colour.hdr or colour.wide):
        return ""
    told = f"{'' if colour.matrix else ':min=bt2020nc'}{'' if colour.primaries else ':pin=bt2020'}"
    if not colour.hdr:
        return f"zscale=p=bt709:t=bt709:m=bt709:r=tv{told}{'' if colour.transfer else ':tin=bt709'}"
    # light and primaries at once: between two steps would lie another picture of floats, 25 MB at 1080p
    linear = f"zscale=t=linear:npl=100:p=bt709{told},format=gbrpf32le"
    return f"{linear},tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"


def gop(recipe: Recipe, seconds: float = ffmpeg.GOP_SECONDS) -> int:
    """Pictures from one that needs no other to the next."""
    return max(1, round(recipe.rate * Fraction(seconds)))


def h264(
    clip: Clip,
    recipe: Recipe,
    *,
    crf: float,
    gop_seconds: float = ffmpeg.GOP_SECONDS,
    params: tuple[str, ...] = (),
) -> list[str]:
    """Encoder arguments for one quality throughout; ``params`` are more of x264's own."""
    coded = clip.info.coded
    workers, foresight = threads(), []
    if coded.width * coded.height > _HUGE:
        deep = not clip.info.pixel_format.endswith("p")  # yuv420p, but yuv420p10le
        workers, params = 1, (*params, "sync-lookahead=0")
        foresight = ["-rc-lookahead", "4", "-bf", "2"] if deep else ["-rc-lookahead", "8"]
    elif recipe.size.width * recipe.size.height > _LARGE:
        workers, foresight = min(4, workers), ["-rc-lookahead", "12"]
    own = ["-x264-params", ":".join(params)] if params else []
    keys = ["-g", str(gop(recipe, gop_seconds)), "-threads", str(workers), *foresight, *own]
    return [*ffmpeg.H264, "-map_chapters", "-1", "-preset", PRESET, "-crf", f"{crf:.2f}", *keys]


def sound(clip: Clip, recipe: Recipe, *, most: int = _STEREO) -> list[str]:
    """Arguments for the sound: copied where that keeps it in place, else AAC of at most ``most`` bits a second."""
    told = clip.streams.sound
    if told is None:
        return ["-an"]
    apart = abs(told.start - clip.streams.offset)
    whole = recipe.start == 0 and recipe.slow == 1 and apart < _TOGETHER
    whole = whole and told.seconds < recipe.seconds + _LONGER
    if told.codec == "aac" and whole and told.channels <= 2 and told.bits_per_second <= most * 1.1:
        return ["-c:a", "copy"]
    # silence before and in gaps, so that its own clock is the picture's
    chain = ["aresample=async=1:first_pts=0"]
    if recipe.slow != 1:
        chain.append(f"atempo={float(1 / recipe.slow):.9f}")
    chain.append(f"atrim=end={recipe.seconds:.6f}")
    rate = told.rate if told.rate in _AAC_RATES else 48_000
    channels = min(2, told.channels)
    return [
        "-af",
        ",".join(chain),
        "-ac",
        str(channels),
        "-ar",
        str(rate),
        "-c:a",
        "aac",
        "-b:a",
        str(most * channels // 2),
    ]


def _heard(clip: Clip) -> list[str]:
    """The sound that is taken, where there is one."""
    sound = clip.streams.sound
    return ["-map", f"0:a:{sound.number}"] if sound is not None else []


def encode(
    clip: Clip,
    recipe: Recipe,
    dest: Path,
    *,
    crf: float,
    on_progress: Progress | None = None,
    stop: Stop | None = None,
) -> None:
    """Write ``dest`` as MP4, in one pass of one quality (``crf``, x264's 0 to 51). Raises ``FfmpegFailed`` and ``Interrupted``."""
    maps = ["-map", "0:V:0", *_heard(clip)]
    tail = [
        "-vf",
        pictures(clip, recipe),
        *h264(clip, recipe, crf=crf),
        *sound(clip, recipe),
        "-t",
        f"{recipe.seconds:.6f}",
    ]
    args = [*reading(clip, recipe.start, recipe.taken), *maps, *tail, "-f", "mp4", f"file:{dest}"]
    ffmpeg.run_to_end(args, seconds=recipe.seconds, on_progress=on_progress, stop=stop)


def copy(
    clip: Clip,
    recipe: Recipe,
    dest: Path,
    *,
    on_progress: Progress | None = None,
    stop: Stop | None = None,
) -> None:
    """Write ``dest`` as MP4 with the packets as they are: ``recipe.frames`` of them from a picture that needs no other.

    Sound that an MP4 does not carry everywhere is encoded. Raises ``FfmpegFailed`` and ``Interrupted``.
    """
    at = clip.streams.offset + recipe.start
    seek = ["-ss", f"{at + _SYNC:.6f}"] if at > _SYNC else []
    # back by what the seek went too far and a hair more: a picture before zero would be hidden by an edit list
    back = ["-output_ts_offset", f"{1.5 * _SYNC:.6f}"] if seek else []
    told = clip.streams.sound
    together = (
        told is not None
        and abs(told.start - clip.streams.offset) < _TOGETHER
        and told.seconds < recipe.seconds + _LONGER
    )
    heard = (
        ["-c:a", "copy"]
        if told is not None and together and told.codec in ("aac", "mp3")
        else sound(clip, recipe)
    )
    clean = ["-map_metadata", "-1", "-map_chapters", "-1", "-movflags", "+faststart"]
    # a count would drop the sound of an AVI, whose packets have no time of showing
    whole = recipe.start == 0 and recipe.frames == clip.info.frames
    count = [] if whole else ["-frames:v", str(recipe.frames)]
    maps = [
        "-map",
        "0:V:0",
        *_heard(clip),
        "-c:v",
        "copy",
        *count,
        *heard,
        "-t",
        f"{recipe.seconds + 0.5:.6f}",
    ]
    # -t also ends the sound; half a second on top, because for packets it counts the decoding order
    args = [
        *seek,
        *ffmpeg.source(clip.info.path),
        *maps,
        *clean,
        *back,
        "-f",
        "mp4",
        f"file:{dest}",
    ]
    ffmpeg.run_to_end(args, seconds=recipe.seconds, on_progress=on_progress, stop=stop)


def copied_frames(
    clip: Clip, start: float, seconds: float, *, short: float = 0.0
) -> tuple[int, float] | None:
    """How many packets from the key picture at ``start`` make a whole clip of at most ``seconds``, and how long that is.

    A cut in the order of decoding is clean where the pictures before it are all that are shown before any picture behind it. None when no
    key picture is there, or no cut is clean that is short of ``seconds`` by less than a picture, or by ``short`` seconds.
    """
    times, keys = clip.streams.times, clip.streams.keys
    step = float(1 / clip.info.frame_rate)
    begins = [int(i) for i in keys.nonzero()[0] if abs(times[i] - start) < step / 2]
    if not begins or not clip.streams.timed:
        return None
    shown = times[begins[0] :] - times[begins[0]]
    if shown.min() < -step / 2:
        return None  # behind the key picture in the file, shown before it: such pictures need what is cut off
    counts = np.arange(1, len(shown) + 1)
    clean = np.round(np.maximum.accumulate(shown) / step) + 1 == counts
    usable = counts[clean & (counts * step <= seconds + step / 100)]
    if not len(usable) or (
        usable[-1] < len(shown) and seconds - usable[-1] * step > max(step * 0.99, short)
    ):
        return None
    return int(usable[-1]), float(usable[-1] * step)
