"""ffmpeg's filter graphs for comparisons: one graph for each file, a film or a contact sheet.

All clips have one constant rate, the shorter one holds its last frame, and sound stays in step with
its picture. Every clip is brought to one matrix and range of colours, so that a difference of
colour is one of the pictures and not of their tags.
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
from kling_utils.media.probe import colour
from kling_utils.review.board import (
    GROUND,
    Board,
    Caption,
    Role,
    draw_caption,
    draw_note,
    even,
    width_at,
)
from kling_utils.values import Size, VideoInfo

FILL = "0x{:02x}{:02x}{:02x}".format(*GROUND)
MOST_FRAMES_A_SECOND = Fraction(60)
SWEEP_SECONDS = 4.0
"""About so long does the line of a wipe take to and fro; stretched so that a whole number of sweeps fits."""
_DECODERS = ("-threads", "2")
"""Each thread of a decoder keeps its own frames: more would cost memory on large machines and no time."""
_ROLES: tuple[Role, Role] = ("Reference", "Result")
_MATRICES = {
    "bt709",
    "bt470bg",
    "smpte170m",
    "bt2020nc",
    "bt2020c",
    "fcc",
    "smpte240m",
    "ycgco",
    "gbr",
}


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip, the matrix that its colours are in (``auto`` where the file says it), and filters to what a screen shows, if it is more."""

    info: VideoInfo
    matrix: str
    screen: str = ""

    def up_to_last(self, at: float) -> float:
        """``at`` seconds, or those of the last picture where the clip has already ended."""
        last = self.info.duration - 1.5 / float(self.info.frame_rate or 1)
        return max(0.0, min(at, last))


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
    pixels = "rgba" if picture.mode == "RGBA" else "rgb24"
    size = f"{picture.width}x{picture.height}"
    form = ["-f", "rawvideo", "-pixel_format", pixels, "-video_size", size]
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


def steady(rate: Fraction) -> tuple[str, str]:
    """Filters to a constant rate that starts at 0 s and never ends: past its end a clip holds its last frame."""
    fps = f"fps={rate.numerator}/{rate.denominator}:start_time=0"
    return fps, "tpad=stop=-1:stop_mode=clone"


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
        inputs += opened(one, one.up_to_last(at or 0.0))
    lines, places = [], []
    for n, (one, role) in enumerate(zip(clips, _ROLES, strict=True)):
        panel = board.panel(role)
        fit, (fps, hold) = fitted(one, panel.size, pixels=pixels, matrix=matrix), steady(rate)
        # frames that are dropped need not be scaled
        chain = (fps, fit, hold) if one.info.frame_rate > rate else (fit, fps, hold)
        lines.append(f"[{n}:V:0]{','.join(chain)}[clip{n}]")
        places.append((f"clip{n}", panel.left, panel.top))
    if wipe:
        places = [_wiped(board, lines, seconds, pixels)]
    stills = [(strip.draw(), 0, strip.top) for strip in board.strips]
    if still is not None:
        panel = board.panel("Image")
        stills.append((still, panel.left, panel.top))
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


def _wiped(board: Board, lines: list[str], seconds: float, pixels: str) -> tuple[str, int, int]:
    """Reference left of a line that sweeps to and fro, result right of it: the picture's name, and where it lies.

    For each frame the reference is cut so that its right edge is the line, and laid over the result: only copies, no arithmetic on pixels.
    """
    box, result = board.panel("Reference"), board.panel("Result")
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
    return "both", box.left, box.top


# -- the contact sheet: twelve aligned pairs of frames with their times, as one picture

PAIRS = 12
_WIDTH, _TALLEST = 2000, 420
_SHAPE = 1.45
"""Width over height that is aimed at: a page, lying."""
_HEADER, _TIME, _MARGIN, _SPACE, _GAP = 64, 30, 24, 18, 2


@dataclass(frozen=True, slots=True)
class Cells:
    """``columns`` x ``rows`` pairs; each picture ``height`` high, ``widths`` wide."""

    columns: int
    rows: int
    height: int
    widths: tuple[int, int]

    @property
    def cell(self) -> Size:
        """One pair with its line of time."""
        return Size(sum(self.widths) + _GAP, self.height + _TIME)

    @property
    def grid(self) -> Size:
        width, height = self.cell
        return Size(
            2 * _MARGIN + self.columns * width + (self.columns - 1) * _SPACE,
            _MARGIN + self.rows * height + (self.rows - 1) * _SPACE,
        )

    @property
    def size(self) -> Size:
        return Size(self.grid.width, self.grid.height + _HEADER)


def cells(reference: Size, result: Size, *, scale: float = 1.0) -> Cells:
    """The grid whose shape comes nearest to a page; ``scale`` makes it smaller."""

    def fill(columns: int) -> Cells:
        both = float(reference.aspect) + float(result.aspect)
        room = (_WIDTH * scale - 2 * _MARGIN - (columns - 1) * _SPACE) / columns - _GAP
        height = even(min(_TALLEST * scale, room / both), 48)
        return Cells(
            columns,
            PAIRS // columns,
            height,
            (width_at(height, reference), width_at(height, result)),
        )

    return min(
        map(fill, (1, 2, 3, 4, 6)), key=lambda c: abs(math.log(float(c.size.aspect) / _SHAPE))
    )


def sheet(
    clips: Sequence[Clip], folder: Path, labels: tuple[str, str], *, draft: bool, scale: float = 1.0
) -> Graph:
    """The graph that draws the sheet as one frame ``[v]``: both clips are decoded once, and only the frames that are shown are scaled."""
    reference, result = clips
    grid = cells(reference.info.size, result.info.size, scale=scale)
    rate = common_rate(reference.info, result.info)
    seconds = max(reference.info.duration, result.info.duration)
    middles = [(n + 0.5) * seconds / PAIRS for n in range(PAIRS)]  # of twelve equal parts
    last = max(0, math.ceil(seconds * rate) - 1)
    frames = [min(math.floor(t * rate + 1e-6), last) for t in middles]
    # Several moments of a very short clip may be the same frame, and a filter cannot show one twice: then they are taken in a row.
    if len(set(frames)) < PAIRS:
        frames = list(range(PAIRS))
    chosen = "+".join(f"eq(n,{n})" for n in frames)
    inputs: list[str] = []
    lines = []
    for n, one in enumerate(clips):
        inputs += opened(one)
        size = Size(grid.widths[n], grid.height)
        lines.append(
            f"[{n}:V:0]{','.join(steady(rate))},trim=end_frame={max(frames) + 1},select='{chosen}',"
            f"{fitted(one, size, pixels='gbrp', matrix='bt709')}[clip{n}]"
        )
    times, ends = [n / float(rate) for n in frames], (reference.info.duration, result.info.duration)
    ink = _ink(grid, times, labels, ends, draft=draft)
    inputs += raw(ink, folder / "ink.rgba", rate)
    width, height = grid.size
    lines += [
        f"[clip0][clip1]xstack=inputs=2:layout=0_{_TIME}|{grid.widths[0] + _GAP}_{_TIME}:fill={FILL}[pair]",
        f"[pair]tile={grid.columns}x{grid.rows}:margin={_MARGIN}:padding={_SPACE}:color={FILL},"
        f"crop={grid.grid.width}:{grid.grid.height}:0:{_MARGIN},pad={width}:{height}:0:{_HEADER}:color={FILL}[grid]",
        "[grid][2:v]overlay=format=gbrp[v]",
    ]
    return Graph(tuple(inputs), ";".join(lines), grid.size, rate, seconds)


def _ink(
    grid: Cells,
    times: Sequence[float],
    labels: tuple[str, str],
    ends: tuple[float, float],
    *,
    draft: bool,
) -> Image.Image:
    """All that is written: names on top, and over each pair its time and which side has already ended and is held."""
    ink = Image.new("RGBA", grid.size, (*GROUND, 0))
    half = min(grid.size.width // 2, 700)
    left = _MARGIN - round(_HEADER * 0.46 * 0.7 * 0.72)
    taken = draw_caption(ink, Caption(labels[0], "Reference", left, half), top=8, height=46)
    room = grid.size.width - left - taken
    draw_caption(ink, Caption(labels[1], "Result", left + taken, room, draft), top=8, height=46)
    for n, time in enumerate(times):
        x = _MARGIN + (n % grid.columns) * (grid.cell.width + _SPACE)
        y = _HEADER + (n // grid.columns) * (grid.cell.height + _SPACE)
        x_time = x + draw_note(ink, f"{time:.2f} s", left=x, top=y, height=_TIME, strong=True)
        for end, side, width in zip(ends, (x, x + grid.widths[0] + _GAP), grid.widths, strict=True):
            if time >= end:
                start = max(side, x_time + 12)
                if side + width - start > 60:
                    text = "ended" if width < 150 else f"ended at {end:.2f} s"
                    draw_note(ink, text, left=start, top=y, height=_TIME)
    return ink
