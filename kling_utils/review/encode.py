"""What kinds of files a comparison can be, how each is encoded, and how one is kept under a size.

Owns encoder settings and the search for what fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from kling_utils.errors import InvalidRequest
from kling_utils.media import ffmpeg
from kling_utils.review.graph import Graph

Kind = Literal["mp4", "gif", "webp", "png", "jpg"]
KINDS: dict[str, Kind] = {
    ".mp4": "mp4",
    ".gif": "gif",
    ".webp": "webp",
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
}
STILLS: frozenset[Kind] = frozenset({"png", "jpg"})

MOST_TRIES = 7
_AIM = 0.93
"""Part of the size that the next try aims at, because sizes are only guessed."""
_SOUND_BITS = 160_000
_THREADS = ("-threads", "3", "-x264-params", "sliced-threads=1")
"""Of x264, on one frame together: a thread for each frame, which is its habit, keeps 25 MB more for each at 2 megapixels."""
_LEAST_BITS_PER_PIXEL = 0.035
"""Below it, this preset of x264 shows blocks: a smaller picture looks better (compared by eye at 720p)."""


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How large and how well one try is made."""

    height: float
    """Of each picture, pixels."""
    rate: Fraction
    """At most so many frames a second."""
    quality: float = 75.0
    """Of WebP and JPEG, 0..100."""
    bits: float | None = None
    """Of the pictures of an MP4 a second; None: by quality."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where making it smaller ends, because nobody could see anything."""

    height: float
    rate: Fraction
    quality: float


START: dict[Kind, EncodeSettings] = {
    "mp4": EncodeSettings(1080, Fraction(60)),
    "gif": EncodeSettings(480, Fraction(25, 2)),
    "webp": EncodeSettings(540, Fraction(15), 72),
    "png": EncodeSettings(1080, Fraction(60)),
    "jpg": EncodeSettings(1080, Fraction(60), 88),
}
_LEAST: dict[Kind, Bounds] = {
    "mp4": Bounds(160, Fraction(1), 0),
    "gif": Bounds(96, Fraction(5), 0),
    "webp": Bounds(96, Fraction(5), 35),
    "png": Bounds(64, Fraction(1), 0),
    "jpg": Bounds(64, Fraction(1), 40),
}


def arguments(
    kind: Kind, graph: Graph, knobs: EncodeSettings, part: Path, palette: Path | None
) -> list[str]:
    """Arguments for one run of ffmpeg that writes ``part``."""
    inputs, filters, shown = list(graph.inputs), graph.filters, "[v]"
    if palette is not None:
        pictures = inputs.count("-i")
        inputs += [
            "-f",
            "rawvideo",
            "-pixel_format",
            "bgra",
            "-video_size",
            "16x16",
            "-i",
            f"file:{palette}",
        ]
        filters += (
            f";[v][{pictures}:v]paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle[shown]"
        )
        shown = "[shown]"
    if kind == "jpg":  # JPEG has no tag for its matrix: readers take BT.601, full range
        filters, shown = (
            f"{filters};[v]scale=out_color_matrix=bt601:out_range=pc,format=yuvj444p[shown]",
            "[shown]",
        )
    out = [*inputs, "-filter_complex", filters, "-map", shown]
    if kind in STILLS:
        one = ["-frames:v", "1", "-f", "image2", "-update", "1"]
        code = (
            ["-c:v", "png", "-pix_fmt", "rgb24"]
            if kind == "png"
            else ["-c:v", "mjpeg", "-q:v", _jpeg(knobs.quality)]
        )
        return [*out, *code, *one, f"file:{part}"]
    out += ["-t", f"{graph.seconds:.6f}"]
    if kind == "gif":
        return [*out, "-c:v", "gif", "-loop", "0", "-f", "gif", f"file:{part}"]
    if kind == "webp":
        code = [
            "-c:v",
            "libwebp_anim",
            "-quality",
            f"{knobs.quality:.0f}",
            "-compression_level",
            "3",
            "-loop",
            "0",
        ]
        return [*out, *code, "-f", "webp", f"file:{part}"]
    sound = ["-map", "[a]", "-c:a", "aac", "-b:a", str(_SOUND_BITS)] if graph.sound else ["-an"]
    bits = (
        ["-crf", "20"]
        if knobs.bits is None
        else [
            "-b:v",
            f"{knobs.bits:.0f}",
            "-maxrate",
            f"{knobs.bits * 1.5:.0f}",
            "-bufsize",
            f"{knobs.bits * 2:.0f}",
        ]
    )
    gop = str(max(1, round(graph.rate * ffmpeg.GOP_SECONDS)))
    pictures_out = [
        *ffmpeg.H264,
        "-preset",
        "veryfast",
        *bits,
        "-g",
        gop,
        *_THREADS,
        "-video_track_timescale",
        _clock(graph.rate),
    ]
    return [*out, *pictures_out, *sound, "-f", "mp4", f"file:{part}"]


def palette_of(graph: Graph, path: Path, *, stop: Callable[[], bool] | None) -> None:
    """Write the 256 colours that serve the whole film best, as raw BGRA.

    In a run of its own on a small version: inside of one graph ffmpeg would keep every full frame until the last one is seen.
    """
    filters = f"{graph.filters};[v]trim=end={graph.seconds:.6f},palettegen=stats_mode=full[colours]"
    out = ["-filter_complex", filters, "-map", "[colours]"]
    ffmpeg.run_to_end(
        [*graph.inputs, *out, "-f", "rawvideo", "-pix_fmt", "bgra", "-y", f"file:{path}"],
        seconds=graph.seconds,
        stop=stop,
    )


def smaller(
    kind: Kind, knobs: EncodeSettings, graph: Graph, size: int, most: int
) -> EncodeSettings | None:
    """What to try after ``size`` bytes came out where ``most`` are allowed; None when there is nothing left to give up."""
    least = _LEAST[kind]
    by = _AIM * most / size
    if kind == "mp4":
        whole = most * 8 * 0.97 / graph.seconds - (_SOUND_BITS * 1.05 if graph.sound else 0)
        bits = whole * _AIM if knobs.bits is None else knobs.bits * by
        pixels = bits / (float(graph.rate) * _LEAST_BITS_PER_PIXEL)
        height = (
            min(
                knobs.height,
                knobs.height * (pixels / (graph.size.width * graph.size.height)) ** 0.5,
            )
            if bits > 0
            else 0.0
        )
        if bits <= 0 or height < least.height:
            if bits <= 0 or knobs.height <= least.height:
                return None
            height = least.height
        return replace(knobs, bits=bits, height=height)
    if (
        knobs.height <= least.height
        and knobs.rate <= least.rate
        and knobs.quality <= max(least.quality, 1)
    ):
        return None
    if kind == "png":
        shrink, slower, worse = by**0.5, 1.0, 1.0
    elif kind == "gif":
        shrink, slower, worse = by**0.4, by**0.2, 1.0
    else:
        shrink, slower, worse = by**0.35, 1.0 if kind == "jpg" else by**0.15, by**0.25
    rate = max(least.rate, Fraction(float(knobs.rate) * slower).limit_denominator(100))
    given = EncodeSettings(
        max(least.height, knobs.height * shrink), rate, max(least.quality, knobs.quality * worse)
    )
    return given if given != knobs else None


def kind_of(out: Path) -> Kind:
    """The kind of file, by its ending. Raises ``InvalidRequest`` for an ending that is not written here."""
    kind = KINDS.get(out.suffix.lower())
    if kind is None:
        raise InvalidRequest(
            f"{out.name} ends in {out.suffix or 'nothing'}, which a comparison cannot be written as.",
            hint="Use .mp4 for a film, .gif or .webp for an animation, .png or .jpg for a picture, .html for a page.",
        )
    return kind


def _jpeg(quality: float) -> str:
    """ffmpeg's scale for JPEG, 2 (best) to 31, for a quality of 0..100."""
    return f"{min(31.0, max(2.0, 2 + (95 - quality) * 0.32)):.0f}"


def _clock(rate: Fraction) -> str:
    """Ticks a second that hold the frame rate exactly."""
    return str(rate.numerator * max(1, round(15000 / rate.numerator)))
