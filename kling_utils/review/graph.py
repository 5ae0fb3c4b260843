"""ffmpeg's filter graphs for comparisons: one graph for each file.

Owns time (one constant rate, the shorter clip holds its last frame, sound in step with its picture)
and colour (every clip is brought to one matrix and range, so that a difference of colour is one of
the pictures and not of their tags).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image

from kling_utils.errors import UnreadableMedia
from kling_utils.media import ffmpeg
from kling_utils.media.encode import for_screen
from kling_utils.media.streams import colour
from kling_utils.review.labels import GROUND, Role, strip
from kling_utils.review.layout import Board, Panel
from kling_utils.values import Size, VideoInfo

FILL = "0x{:02x}{:02x}{:02x}".format(*GROUND)
MOST_FRAMES_A_SECOND = Fraction(60)
SWEEP_SECONDS = 4.0
"""About so long does the line of a wipe take to and fro; stretched so that a whole number of sweeps fits."""
_DECODERS = (
    "-threads",
    "2",
)  # each thread of a decoder keeps its own frames: more would cost memory on large machines and no time
_ROLES: tuple[Role, Role] = ("Reference", "Result")
_MATRICES = (
    "bt709",
    "bt470bg",
    "smpte170m",
    "bt2020nc",
    "bt2020c",
    "fcc",
    "smpte240m",
    "ycgco",
    "gbr",
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip, the matrix that its colours are in (``auto`` where the file says it), and filters to what a screen shows, if it is more."""

    info: VideoInfo
    matrix: str
    screen: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Arguments for ffmpeg up to the graph; its outputs are ``[v]`` and, where ``sound``, ``[a]``. ``seconds`` is the length."""

    inputs: tuple[str, ...]
    filters: str
    size: Size
    rate: Fraction
    seconds: float
    sound: bool = False


def clip(info: VideoInfo) -> Clip:
    """Ask ffmpeg for the colour tags. Where there are none, guess as players do: BT.709 from 720 lines on, BT.601 below.

    Raises ``UnreadableMedia`` for an encrypted clip, which ffmpeg would try to decode for minutes.
    """
    if info.protected:
        raise UnreadableMedia(
            f"{info.path.name} is encrypted, so no picture of it can be shown.",
            hint="Use a copy without copy protection.",
            field="video",
        )
    tags = colour(info.path)
    tagged = tags.matrix in _MATRICES
    return Clip(
        info,
        "auto" if tagged else "bt709" if info.size.height >= 720 else "bt601",
        for_screen(tags),
    )


def common_rate(
    reference: VideoInfo, result: VideoInfo, most: Fraction = MOST_FRAMES_A_SECOND
) -> Fraction:
    """One constant rate for both: the faster one's, so that no frame of either is lost, up to ``most``."""
    return min(max(reference.frame_rate, result.frame_rate, Fraction(1)), most)


def opened(one: Clip, at: float = 0.0) -> list[str]:
    """The arguments that open a clip ``at`` seconds after its first picture, which may come later than its sound."""
    begin = at + one.info.first_picture - (0.001 if one.info.first_picture else 0)
    seek = ["-ss", f"{begin:.3f}"] if begin > 0 else []
    # pictures of another size go through the same filters: to begin anew with them would begin at 0 s again
    return [*seek, "-reinit_filter", "0", *_DECODERS, *ffmpeg.source(one.info.path)]


def raw(picture: Image.Image, path: Path, rate: Fraction) -> list[str]:
    """A picture of our own as an input. Its demuxer is named, so nothing is guessed from its bytes."""
    path.write_bytes(picture.tobytes())
    form = [
        "-f",
        "rawvideo",
        "-pixel_format",
        "rgba" if picture.mode == "RGBA" else "rgb24",
        "-video_size",
        f"{picture.width}x{picture.height}",
    ]
    return [*form, "-framerate", str(rate), "-i", f"file:{path}"]


def fitted(source: Clip, size: Size, *, pixels: str, matrix: str) -> str:
    """Filters that bring a clip to exactly that size, in square pixels of one format, matrix and range, as a screen shows it."""
    scale, told = f"scale={size.width}:{size.height}:flags=bicubic", source.matrix
    if source.screen:  # small first: it is done in floats; and as fit does it, so that what was fitted looks like what it was made from
        full = "yuv444p" if pixels == "gbrp" else pixels
        scale, told = (
            f"{scale}:out_range=tv,{source.screen},format={full},scale=flags=bicubic",
            "bt709",
        )
    colour = (
        f"in_color_matrix={told}"
        if pixels == "gbrp"
        else f"in_color_matrix={told}:out_color_matrix={matrix}:out_range=tv"
    )
    return f"{scale}:{colour},setsar=1,format={pixels}"


def steady(rate: Fraction) -> str:
    """Filters to a constant rate that starts at 0 s and never ends: past its end a clip holds its last frame."""
    return f"fps={rate.numerator}/{rate.denominator}:start_time=0,tpad=stop=-1:stop_mode=clone"


def moving(
    board: Board,
    clips: Sequence[Clip],
    folder: Path,
    *,
    rate: Fraction,
    still: Image.Image | None = None,
    wipe: bool = False,
    heard: int | None = None,
    pixels: str = "yuv420p",
    matrix: str = "bt709",
    at: float | None = None,
) -> Graph:
    """The board as a film. ``clips``: reference, result. ``still``: the image, at its panel's size. ``heard``: the clip whose sound it has.

    ``at`` seconds: both are opened there, for a single picture. ``folder`` takes the strips, until the film is made.
    """
    seconds = max(float(c.info.duration) for c in clips)
    inputs: list[str] = []
    for one in clips:
        last = one.info.duration - 1.5 / float(one.info.frame_rate or 1)
        inputs += opened(one, max(0.0, min(at or 0.0, last)))
    lines = []
    boxes = {panel.role: panel for panel in board.panels}
    for n, (one, role) in enumerate(zip(clips, _ROLES, strict=True)):
        chain = [fitted(one, boxes[role].size, pixels=pixels, matrix=matrix), steady(rate)]
        if one.info.frame_rate > rate:  # frames that are dropped need not be scaled
            chain = [
                f"fps={rate.numerator}/{rate.denominator}:start_time=0",
                chain[0],
                "tpad=stop=-1:stop_mode=clone",
            ]
        lines.append(f"[{n}:V:0]{','.join(chain)}[clip{n}]")
    tiles = (
        _wiped(board, lines, seconds, pixels)
        if wipe
        else [("clip0", boxes["Reference"]), ("clip1", boxes["Result"])]
    )
    places = [(name, panel.left, panel.top) for name, panel in tiles]
    stills = [(strip(s.size, s.captions), s.left, s.top) for s in board.strips]
    if still is not None:
        stills.append((still, boxes["Image"].left, boxes["Image"].top))
    colour = "" if pixels == "gbrp" else f"scale=out_color_matrix={matrix}:out_range=tv,"
    for n, (picture, left, top) in enumerate(stills, len(clips)):
        inputs += raw(picture, folder / f"still{n}.rgb", rate)
        lines.append(
            f"[{n}:v]{colour}setsar=1,format={pixels},tpad=stop=-1:stop_mode=clone[still{n}]"
        )
        places.append((f"still{n}", left, top))
    where = "|".join(f"{left}_{top}" for _, left, top in places)
    names = "".join(f"[{name}]" for name, _, _ in places)
    said = (
        ""
        if pixels == "gbrp"
        else f",setparams=range=tv:colorspace={matrix if matrix == 'bt709' else 'smpte170m'}"
    )
    said += ":color_primaries=bt709:color_trc=bt709" if said else ""
    lines.append(f"{names}xstack=inputs={len(places)}:layout={where}:fill={FILL}{said}[v]")
    # silence before its first and after its last sample keeps it in step with its picture
    if heard is not None:
        lines.append(
            f"[{heard}:a:{clips[heard].info.audio_number}]aresample=48000:async=1:first_pts=0,aformat=sample_fmts=fltp:channel_layouts=stereo,apad[a]"
        )
    return Graph(tuple(inputs), ";".join(lines), board.size, rate, seconds, heard is not None)


def _wiped(board: Board, lines: list[str], seconds: float, pixels: str) -> list[tuple[str, Panel]]:
    """Reference left of a line that sweeps to and fro, result right of it.

    For each frame the reference is cut so that its right edge is the line, and laid over the result: only copies, no arithmetic on pixels.
    """
    box = next(p for p in board.panels if p.role == "Reference")
    result = next(p for p in board.panels if p.role == "Result")
    width, height = box.size
    period = seconds / max(1, round(seconds / SWEEP_SECONDS))
    # Even, as 4:2:0 needs it, and never quite at an edge. It starts in the middle: the first frame is the one that messengers show.
    edge = f"(2*floor({width}*(0.5+0.49*sin(2*PI*t/{period:.6f}))/2))"
    thick = max(2, 2 * math.ceil(width / 600))
    dx, dy = result.left, result.top - box.top
    if result.size != box.size:
        lines.append(f"[clip1]pad={width}:{height}:{dx}:{dy}:color={FILL}[under]")
    under = "under" if result.size != box.size else "clip1"
    lines.append(
        f"[clip0]pad={2 * width}:{height}:{width}:0,crop={width}:{height}:x='{edge}':y=0[cut]"
    )
    lines.append(f"[{under}][cut]overlay=x='{edge}-{width}':y=0:eval=frame:shortest=0[wiped]")
    lines.append(f"color=white:size={thick}x{height}:duration=0.04,format=yuv420p[line]")
    lines.append(
        f"[wiped][line]overlay=x='{edge}-{thick // 2}':y=0:eval=frame:eof_action=repeat,format={pixels}[both]"
    )
    return [("both", Panel("Result", box.left, box.top, box.size))]
