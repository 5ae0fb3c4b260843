"""Writing clips: encoded by a recipe, copied into another container, made playable; thumbnails.

An encoded clip is H.264, yuv420p, of constant rate, with square pixels, upright, and with AAC.
Sound and picture stay together.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kling_utils.errors import FfmpegFailed
from kling_utils.media import ffmpeg
from kling_utils.media.bounds import visitor
from kling_utils.media.files import atomic_write
from kling_utils.media.probe import Colour, Streams, colour, read_streams
from kling_utils.media.sniff import boxes
from kling_utils.values import Size, VideoInfo

Progress = Callable[[float], None]
Stop = Callable[[], bool]

PRESET = "faster"
"""Of x264. At 2.6 Mbit/s and 1080x1920 it was 0.2 VMAF below ``medium`` and took 0.67 of its time;
``veryfast`` was 0.9 below."""
_LARGE, _HUGE = 1_500_000, 3_000_000
"""Pixels of a picture, encoded or decoded, from which on memory is saved: fewer threads and less
foresight hold fewer pictures. With 1080p it is 60 MB less than x264's 20 pictures of foresight. A
source of 4K needs 140 MB to be decoded alone, and 240 MB in 10 bits. One thread decodes it, for
which one that encodes need not wait; each picture of foresight is 7 MB (4 instead of 8: 0.6 VMAF at
a size)."""
_STEREO = 128_000
_AAC_RATES = (44_100, 48_000)
_SYNC = 0.001
"""Seconds by which a cut comes before its picture, so that rounding never drops that picture."""
_TOGETHER = 0.01
"""Seconds by which copied sound may begin apart from the picture: less than half a packet."""
_LONGER = 0.2
"""Seconds by which copied sound may outlast the picture; more of it is cut off."""
_EVERYWHERE = {"yuv420p", "yuvj420p"}
CLEAN = ("-map_metadata", "-1", "-map_chapters", "-1")
_SHORT = 60.0
"""Seconds of a clip that is decoded whole for thumbnails when it has few key pictures: about 2 s of
work at 1080p."""
_JPEG = ("-c:v", "mjpeg", "-q:v", "4", "-f", "image2pipe", "pipe:1")


class Clip(NamedTuple):
    """A clip, measured twice: by the probe and by the packets."""

    info: VideoInfo
    streams: Streams
    turn: int = 0
    """Degrees clockwise by which it is turned; ``info`` has its size and rotation then."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make of a clip: ``frames`` pictures of ``size``, ``rate`` a second.

    They begin ``start`` seconds after its first picture.
    """

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
    """Input arguments for ``seconds`` and a little more, from ``start`` after the first picture."""
    at = clip.streams.offset + start - _SYNC
    seek = ["-ss", f"{at:.6f}"] if at > _SYNC else []
    workers = 1 if clip.info.coded.width * clip.info.coded.height > _HUGE else threads()
    # the same filters for all sizes: the first of them brings every picture to one size
    one = ["-reinit_filter", "0"] if clip.info.other_sizes else []
    length = ["-t", f"{seconds + 1:.3f}", "-threads", str(workers)]
    turn = ["-display_rotation:v", str(clip.info.rotation)] if clip.turn else []
    return [*one, *seek, *length, *turn, *ffmpeg.source(clip.info.path)]


def pictures(clip: Clip, recipe: Recipe, first: int = 0, last: int | None = None) -> str:
    """Filters for pictures ``first`` to ``last`` (not included) of the recipe.

    They count from the input's start; ffmpeg has turned the source's pictures upright before.
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
    # a late beginning is filled with the first picture: no player has to obey an edit list
    chain.append(f"fps={recipe.rate}:start_time=0")
    end = recipe.frames if last is None else last
    chain.append(f"trim=start_frame={first}:end_frame={end},setpts=PTS-STARTPTS")
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
    """Filters from PQ, HLG or the wide colours of BT.2020 to BT.709; empty for other colours.

    A missing tag is filled in by what goes with the others, as ``zscale`` would refuse it.
    """
    if not (colour.hdr or colour.wide):
        return ""
    lacking = "" if colour.matrix else ":min=bt2020nc"
    lacking += "" if colour.primaries else ":pin=bt2020"
    if not colour.hdr:
        lacking += "" if colour.transfer else ":tin=bt709"
        return f"zscale=p=bt709:t=bt709:m=bt709:r=tv{lacking}"
    # light and primaries at once: two steps need another picture of floats, 25 MB at 1080p
    linear = f"zscale=t=linear:npl=100:p=bt709{lacking},format=gbrpf32le"
    return f"{linear},tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"


def gop(recipe: Recipe, seconds: float = ffmpeg.GOP_SECONDS) -> int:
    """Pictures from one key picture to the next."""
    return max(1, round(recipe.rate * Fraction(seconds)))


def h264(
    clip: Clip,
    recipe: Recipe,
    *,
    crf: float,
    gop_seconds: float = ffmpeg.GOP_SECONDS,
    params: tuple[str, ...] = (),
) -> list[str]:
    """Encoder arguments for a constant quality; ``params`` are more of x264's own."""
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
    """Arguments for the sound: copied where it stays in place, else AAC of ``most`` bit/s."""
    source = clip.streams.sound
    if source is None:
        return ["-an"]
    usual = source.codec == "aac" and source.channels <= 2
    untouched = recipe.start == 0 and recipe.slow == 1 and _together(clip, recipe)
    if usual and untouched and source.bits_per_second <= most * 1.1:
        return ["-c:a", "copy"]
    # silence before and in gaps, so that its own clock is the picture's
    chain = ["aresample=async=1:first_pts=0"]
    if recipe.slow != 1:
        chain.append(f"atempo={float(1 / recipe.slow):.9f}")
    chain.append(f"atrim=end={recipe.seconds:.6f}")
    rate = source.rate if source.rate in _AAC_RATES else 48_000
    channels = min(2, source.channels)
    form = ["-ac", str(channels), "-ar", str(rate)]
    return ["-af", ",".join(chain), *form, "-c:a", "aac", "-b:a", str(most * channels // 2)]


def _together(clip: Clip, recipe: Recipe) -> bool:
    """True where the sound begins with the picture, and does not outlast it."""
    sound, offset = clip.streams.sound, clip.streams.offset
    if sound is None or abs(sound.start - offset) >= _TOGETHER:
        return False
    return sound.seconds < recipe.seconds + _LONGER


def _maps(clip: Clip) -> list[str]:
    """The picture, and the sound that is taken, where there is one."""
    sound = clip.streams.sound
    return ["-map", "0:V:0", *(["-map", f"0:a:{sound.number}"] if sound is not None else [])]


def encode(
    clip: Clip,
    recipe: Recipe,
    dest: Path,
    *,
    crf: float,
    on_progress: Progress | None = None,
    stop: Stop | None = None,
) -> None:
    """Write ``dest`` as MP4 of constant quality ``crf`` (x264's 0 to 51).

    Raises ``FfmpegFailed`` and ``Interrupted``.
    """
    how = ["-vf", pictures(clip, recipe), *h264(clip, recipe, crf=crf), *sound(clip, recipe)]
    end = ["-t", f"{recipe.seconds:.6f}", "-f", "mp4", f"file:{dest}"]
    args = [*reading(clip, recipe.start, recipe.taken), *_maps(clip), *how, *end]
    ffmpeg.run_to_end(args, seconds=recipe.seconds, on_progress=on_progress, stop=stop)


def copy(
    clip: Clip,
    recipe: Recipe,
    dest: Path,
    *,
    on_progress: Progress | None = None,
    stop: Stop | None = None,
) -> None:
    """Write ``dest`` as MP4 with ``recipe.frames`` packets as they are, from a key picture on.

    Sound that an MP4 does not carry everywhere is encoded. Raises ``FfmpegFailed`` and
    ``Interrupted``.
    """
    at = clip.streams.offset + recipe.start
    seek = ["-ss", f"{at + _SYNC:.6f}"] if at > _SYNC else []
    # Back by what the seek went too far and a little more: a picture before zero would be hidden
    # by an edit list.
    back = ["-output_ts_offset", f"{1.5 * _SYNC:.6f}"] if seek else []
    source = clip.streams.sound
    carried = source is not None and source.codec in ("aac", "mp3")
    heard = ["-c:a", "copy"] if carried and _together(clip, recipe) else sound(clip, recipe)
    # a count would drop the sound of an AVI, whose packets have no time of showing
    whole = recipe.start == 0 and recipe.frames == clip.info.frames
    count = [] if whole else ["-frames:v", str(recipe.frames)]
    # also ends the sound; half a second more, because for packets it counts the decoding order
    length = ["-t", f"{recipe.seconds + 0.5:.6f}"]
    tail = [*CLEAN, "-movflags", "+faststart", *back, "-f", "mp4", f"file:{dest}"]
    args = [*seek, *ffmpeg.source(clip.info.path), *_maps(clip), "-c:v", "copy", *count, *heard]
    args += [*length, *tail]
    ffmpeg.run_to_end(args, seconds=recipe.seconds, on_progress=on_progress, stop=stop)


def copied_frames(
    clip: Clip, start: float, seconds: float, *, short: float = 0.0
) -> tuple[int, float] | None:
    """Packets from the key picture at ``start`` for a clip of at most ``seconds``, and its length.

    A cut in the order of decoding is clean where the pictures before it are all that are shown
    before any picture behind it. None when no key picture is there, or when no clean cut is less
    than a picture, or ``short`` seconds, below ``seconds``.
    """
    times, keys = clip.streams.times, clip.streams.keys
    step = float(1 / clip.info.frame_rate)
    begins = [int(i) for i in keys.nonzero()[0] if abs(times[i] - start) < step / 2]
    if not begins or not clip.streams.timed:
        return None
    shown = times[begins[0] :] - times[begins[0]]
    if shown.min() < -step / 2:
        return None  # a picture behind the key picture but shown before it needs what is cut off
    counts = np.arange(1, len(shown) + 1)
    clean = np.round(np.maximum.accumulate(shown) / step) + 1 == counts
    usable = counts[clean & (counts * step <= seconds + step / 100)]
    if not len(usable):
        return None
    count, length = int(usable[-1]), float(usable[-1] * step)
    if count < len(shown) and seconds - length > max(step * 0.99, short):
        return None
    return count, length


# -- what a browser plays --------------------------------------------------------------------------


def plays(info: VideoInfo) -> bool:
    """True when every browser decodes it as it is: H.264, 8 bit, 4:2:0, in an MP4."""
    return info.codec == "h264" and info.pixel_format in _EVERYWHERE and info.container == "mp4"


def starts_at_once(path: Path) -> bool:
    """True when the index (``moov``) of an MP4 lies before its data: it plays while it loads."""
    first = next((kind for kind, _ in boxes(path) if kind in (b"moov", b"mdat")), b"")
    return first == b"moov"


def make_playable(source: Path, info: VideoInfo, dest: Path, *, timeout: float = 600.0) -> bool:
    """Write ``dest`` as an MP4 that plays in every browser; True when only the container changed.

    HDR is brought to what every screen shows. Raises ``FfmpegFailed``.
    """
    maps = ["-map", "0:V:0"]
    if info.audio_codec is not None:
        maps += ["-map", f"0:a:{info.audio_number}"]
    opened = [*ffmpeg.source(source), *maps]
    if info.codec == "h264" and info.pixel_format in _EVERYWHERE:
        sound = "copy" if info.audio_codec in (None, "aac", "mp3") else "aac"
        copied = ["-c:v", "copy", "-c:a", sound, "-movflags", "+faststart", "-f", "mp4"]
        with contextlib.suppress(FfmpegFailed):
            with atomic_write(dest) as part:
                ffmpeg.run([*opened, *copied, f"file:{part}"], timeout=timeout)
            return True
    screen = for_screen(colour(source))
    chain = "scale=trunc(iw*sar/2)*2:trunc(ih/2)*2,setsar=1" + (f",{screen}" if screen else "")
    gop = str(max(1, round(ffmpeg.GOP_SECONDS * info.frame_rate)))
    how = ["-vf", chain, *ffmpeg.H264, "-preset", "veryfast", "-crf", "20", "-g", gop]
    with atomic_write(dest) as part:
        args = [*opened, *how, "-c:a", "aac", "-f", "mp4", f"file:{part}"]
        ffmpeg.run(args, timeout=timeout)
    return False


# -- thumbnails ------------------------------------------------------------------------------------


def thumbnails(path: Path, count: int, *, height: int = 96) -> list[bytes]:
    """``count`` JPEGs of ``height`` pixels, evenly spread over the clip from its start on.

    The nearest key picture stands for the exact moment, as it is decoded at once. Raises
    ``UnreadableMedia`` and ``FfmpegFailed``.
    """
    streams = read_streams(path)
    length, keys = float(streams.times.max()), streams.key_times
    if count < 1:
        return []
    apart = length / count
    filters = _small(streams, height)
    if length <= _SHORT and len(keys) < count and length > 0:
        made = _all_thumbnails(path, streams.offset, count, apart, filters)
        if made:
            return [made[min(i, len(made) - 1)] for i in range(count)]

    def at(moment: float) -> bytes:
        return _thumbnail(path, streams, moment, filters)

    wanted = [apart * i for i in range(count)]
    moments = [float(keys[np.abs(keys - each).argmin()]) if len(keys) else 0.0 for each in wanted]
    once = sorted(set(moments))
    with ThreadPoolExecutor(2, initializer=visitor.set, initargs=(visitor.get(),)) as pool:
        found = dict(zip(once, pool.map(at, once), strict=True))
    return [found[each] for each in moments]


def picture_at(path: Path, moment: float, *, height: int = 96) -> bytes:
    """The picture that is shown at that second, as a JPEG; after the end the last one.

    Raises ``UnreadableMedia`` and ``FfmpegFailed``.
    """
    streams = read_streams(path)
    before = streams.times[streams.times <= moment + 1e-3]
    shown = float(before.max()) if len(before) else 0.0
    return _thumbnail(path, streams, shown, _small(streams, height))


def _small(streams: Streams, height: int) -> str:
    screen = for_screen(streams.colour) or "null"
    return f"scale=-2:{height},{screen},format=yuvj420p"


def _thumbnail(path: Path, streams: Streams, moment: float, filters: str) -> bytes:
    """The first picture from that moment on."""
    begin = streams.offset + moment - 0.001
    seek = ["-ss", f"{begin:.6f}"] if begin > 0 else []
    one = ["-map", "0:V:0", "-frames:v", "1", "-vf", filters, *_JPEG]
    return ffmpeg.run([*seek, "-threads", "1", *ffmpeg.source(path), *one], timeout=60).stdout


def _all_thumbnails(
    path: Path, offset: float, count: int, apart: float, filters: str
) -> list[bytes]:
    """By decoding all of the clip once, without loop filters: at this size nobody sees that."""
    seek = ["-ss", f"{offset:.6f}"] if offset > 0 else []
    spread = f"fps={1 / apart:.6f}:start_time=0:round=up,{filters}"
    taken = ["-map", "0:V:0", "-frames:v", str(count), "-vf", spread, *_JPEG]
    args = [*seek, "-skip_loop_filter", "all", *ffmpeg.source(path), *taken]
    data = ffmpeg.run(args, timeout=120).stdout
    # such bytes do not occur within the data of a JPEG
    starts = [found.start() for found in re.finditer(b"\xff\xd8\xff", data)]
    return [data[begin:end] for begin, end in zip(starts, [*starts[1:], len(data)], strict=True)]
