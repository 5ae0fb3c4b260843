"""The contact sheet: twelve aligned pairs of frames with their times, as one picture.

Owns where the cells lie and which moments are shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from kling_utils.review.graph import FILL, Clip, Graph, common_rate, fitted, opened, raw, steady
from kling_utils.review.labels import GROUND, Caption, draw_caption, write_quiet
from kling_utils.review.layout import even, width_at
from kling_utils.values import Size

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


def moments(seconds: float) -> tuple[float, ...]:
    """The middles of twelve equal parts, in seconds."""
    return tuple((n + 0.5) * seconds / PAIRS for n in range(PAIRS))


def sheet(
    clips: Sequence[Clip], folder: Path, labels: tuple[str, str], *, draft: bool, scale: float = 1.0
) -> Graph:
    """The graph that draws the sheet as one frame ``[v]``: both clips are decoded once, and only the frames that are shown are scaled."""
    reference, result = clips
    grid = cells(reference.info.size, result.info.size, scale=scale)
    rate = common_rate(reference.info, result.info)
    seconds = max(reference.info.duration, result.info.duration)
    frames = [
        min(math.floor(t * rate + 1e-6), max(0, math.ceil(seconds * rate) - 1))
        for t in moments(seconds)
    ]
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
            f"[{n}:V:0]{steady(rate)},trim=end_frame={max(frames) + 1},select='{chosen}',"
            f"{fitted(one, size, pixels='gbrp', matrix='bt709')}[clip{n}]"
        )
    ink = _ink(
        grid,
        [n / float(rate) for n in frames],
        labels,
        (reference.info.duration, result.info.duration),
        draft=draft,
    )
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
    draw_caption(
        ink,
        Caption(labels[1], "Result", left + taken, grid.size.width - left - taken, draft),
        top=8,
        height=46,
    )
    for n, time in enumerate(times):
        x = _MARGIN + (n % grid.columns) * (grid.cell.width + _SPACE)
        y = _HEADER + (n // grid.columns) * (grid.cell.height + _SPACE)
        x_time = x + write_quiet(ink, f"{time:.2f} s", left=x, top=y, height=_TIME, strong=True)
        for end, side, width in zip(ends, (x, x + grid.widths[0] + _GAP), grid.widths, strict=True):
            if time >= end:
                start = max(side, x_time + 12)
                if side + width - start > 60:
                    write_quiet(
                        ink,
                        "ended" if width < 150 else f"ended at {end:.2f} s",
                        left=start,
                        top=y,
                        height=_TIME,
                    )
    return ink
