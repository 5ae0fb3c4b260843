"""Where everything lies in a comparison: pictures, strips of names, gaps. Plain arithmetic, no picture is touched.

Owns the one rule of scale: all pictures of a comparison have the same height, none is stretched, and what is left over is ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kling_utils.review.labels import Caption, Role
from kling_utils.values import Layout, Size

LARGEST = Size(4096, 2304)
"""What phones and browsers still decode (H.264 level 5.1)."""
MOST_PIXELS = 1920 * 1080
"""Of a film. Messengers scale down to it anyway, and the encoder's memory grows with it: 450 MB and more at twice as many."""
SMALLEST = 64


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: whose it is and the box that it fills exactly."""

    role: Role
    left: int
    top: int
    size: Size


@dataclass(frozen=True, slots=True)
class Strip:
    """One strip of names."""

    left: int
    top: int
    size: Size
    captions: tuple[Caption, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """The whole picture, even in both sides."""

    size: Size
    panels: tuple[Panel, ...]
    strips: tuple[Strip, ...]


def even(value: float, least: int = 2) -> int:
    """The nearest even number, as 4:2:0 needs it."""
    return max(least, 2 * round(value / 2))


def width_at(height: int, size: Size) -> int:
    """Even width of a picture of that shape at that height: true to shape within one pixel."""
    return even(height * float(size.aspect))


def inside(box: Size, size: Size) -> Size:
    """The largest even size of that shape inside of the box: what letterboxing leaves."""
    if size.aspect > box.aspect:
        return Size(box.width, min(box.height, even(box.width / float(size.aspect))))
    return Size(min(box.width, width_at(box.height, size)), box.height)


def board(
    layout: Layout,
    height: int,
    pictures: Sequence[tuple[Role, Size, str]],
    *,
    draft: bool,
    most_pixels: int = MOST_PIXELS,
) -> Board:
    """``pictures``: role, shape and name of each, in order; the last is the result. ``height`` of each picture, at most.

    Made smaller where the whole would be larger than ``LARGEST`` or have more than ``most_pixels``.
    """
    height = even(height, SMALLEST)
    made = _BOARDS[layout](height, pictures, draft)
    while height > SMALLEST:
        width, tall = made.size
        by = min(
            LARGEST.width / width, LARGEST.height / tall, (most_pixels / (width * tall)) ** 0.5
        )
        if by >= 1:
            break
        height = min(height - 2, max(SMALLEST, 2 * int(height * by / 2)))
        made = _BOARDS[layout](height, pictures, draft)
    return made


def bar_height(height: int) -> int:
    """Height of a strip of names above pictures of that height."""
    return even(max(22.0, height * 0.062))


def _gap(height: int) -> int:
    return even(height / 240)


def _row(height: int, pictures: Sequence[tuple[Role, Size, str]], draft: bool) -> Board:
    bar, gap, left = bar_height(height), _gap(height), 0
    panels, captions = [], []
    for role, size, name in pictures:
        width = width_at(height, size)
        panels.append(Panel(role, left, bar, Size(width, height)))
        captions.append(Caption(name, role, left, width, draft and role == "Result"))
        left += width + gap
    whole = Size(left - gap, bar + height)
    return Board(whole, tuple(panels), (Strip(0, 0, Size(whole.width, bar), tuple(captions)),))


def _column(height: int, pictures: Sequence[tuple[Role, Size, str]], draft: bool) -> Board:
    bar = bar_height(height)
    whole = Size(
        max(width_at(height, size) for _, size, _ in pictures), len(pictures) * (bar + height)
    )
    panels, strips = [], []
    for n, (role, size, name) in enumerate(pictures):
        width, top = width_at(height, size), n * (bar + height)
        left = even((whole.width - width) / 2, 0)
        panels.append(Panel(role, left, top + bar, Size(width, height)))
        strips.append(
            Strip(
                0,
                top,
                Size(whole.width, bar),
                (Caption(name, role, left, whole.width - left, draft and role == "Result"),),
            )
        )
    return Board(whole, tuple(panels), tuple(strips))


def _over(height: int, pictures: Sequence[tuple[Role, Size, str]], draft: bool) -> Board:
    """Both in one box, which is the reference's: left of the line one sees the reference, right of it the result."""
    (_, shape, left_name), (_, other, right_name) = pictures
    bar, box = bar_height(height), Size(width_at(height, shape), height)
    small = inside(box, other)
    at = even((box.width - small.width) / 2, 0), bar + even((box.height - small.height) / 2, 0)
    half = box.width // 2
    captions = (
        Caption(left_name, "Reference", 0, half),
        Caption(right_name, "Result", half, box.width - half, draft, "right"),
    )
    panels = (Panel("Reference", 0, bar, box), Panel("Result", *at, small))
    return Board(
        Size(box.width, bar + height), panels, (Strip(0, 0, Size(box.width, bar), captions),)
    )


_BOARDS = {"side": _row, "triptych": _row, "stack": _column, "wipe": _over}
DRAWN: tuple[Layout, ...] = ("side", "stack", "wipe", "triptych", "sheet")
"""The layouts that this room can draw; ``html`` is the business of ``show``."""
