"""The board of a comparison: where pictures and names lie, and the names themselves, drawn with Pillow.

All pictures of a comparison have the same height, none is stretched, and what is left over is
ground. Names are drawn here because not every ffmpeg can draw text and none knows where fonts lie;
hostile text stays text.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from kling_utils.values import Layout, Size

Role = Literal["Image", "Reference", "Result"]
Pictures = Sequence[tuple[Role, Size, str]]
"""Role, shape and name of each picture, in order; the last is the result."""
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

LARGEST = Size(4096, 2304)
"""What phones and browsers still decode (H.264 level 5.1)."""
MOST_PIXELS = 1920 * 1080
"""Of a film. Messengers scale down to it anyway, and the encoder's memory grows with it: 450 MB and more at twice as many."""
SMALLEST = 64
GROUND = (10, 12, 16)
"""The stage's own ground, behind and between the pictures."""
DOTS = {"Image": (150, 158, 172), "Reference": (143, 163, 255), "Result": (255, 180, 84)}
DRAFT = "local draft"
_TEXT, _QUIET, _CHIP, _ON_CHIP = (243, 244, 246), (170, 177, 190), (255, 180, 84), (28, 20, 6)
_LONGEST = 120
"""Characters looked at: no caption shows more."""
_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "arial.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "msyh.ttc",
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: whose it is and the box that it fills exactly."""

    role: Role
    left: int
    top: int
    size: Size


@dataclass(frozen=True, slots=True)
class Caption:
    """One name, the room it has (``left`` and ``width`` in pixels), and whether a local draft lies below it."""

    text: str
    role: Role
    left: int
    width: int
    draft: bool = False
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Strip:
    """One strip of names, as wide as the board."""

    top: int
    size: Size
    captions: tuple[Caption, ...]

    def draw(self) -> Image.Image:
        """The strip in RGB."""
        picture = Image.new("RGB", self.size, GROUND)
        for caption in self.captions:
            draw_caption(picture, caption, top=0, height=self.size.height)
        return picture


@dataclass(frozen=True, slots=True)
class Board:
    """The whole picture, even in both sides."""

    size: Size
    panels: tuple[Panel, ...]
    strips: tuple[Strip, ...]

    def panel(self, role: Role) -> Panel:
        return next(panel for panel in self.panels if panel.role == role)


# -- where everything lies


def even(value: float, least: int = 2) -> int:
    """The nearest even number, as 4:2:0 needs it."""
    return max(least, 2 * round(value / 2))


def width_at(height: int, size: Size) -> int:
    """Even width of a picture of that shape at that height: true to shape within one pixel."""
    return even(height * float(size.aspect))


def bar_height(height: int) -> int:
    """Height of a strip of names above pictures of that height."""
    return even(max(22.0, height * 0.062))


def board(
    layout: Layout,
    height: int,
    pictures: Pictures,
    *,
    draft: bool,
    most_pixels: int = MOST_PIXELS,
) -> Board:
    """The board with pictures of ``height`` at most.

    Made smaller where the whole would be larger than ``LARGEST`` or have more than ``most_pixels``.
    """
    height = even(height, SMALLEST)
    while True:
        made = _BOARDS[layout](height, pictures, draft)
        width, tall = made.size
        by = min(
            LARGEST.width / width, LARGEST.height / tall, (most_pixels / (width * tall)) ** 0.5
        )
        if by >= 1 or height <= SMALLEST:
            return made
        height = min(height - 2, max(SMALLEST, 2 * int(height * by / 2)))


def _row(height: int, pictures: Pictures, draft: bool) -> Board:
    bar, gap, left = bar_height(height), even(height / 240), 0
    panels, captions = [], []
    for role, size, name in pictures:
        width = width_at(height, size)
        panels.append(Panel(role, left, bar, Size(width, height)))
        captions.append(Caption(name, role, left, width, draft and role == "Result"))
        left += width + gap
    whole = Size(left - gap, bar + height)
    return Board(whole, tuple(panels), (Strip(0, Size(whole.width, bar), tuple(captions)),))


def _column(height: int, pictures: Pictures, draft: bool) -> Board:
    bar = bar_height(height)
    whole = max(width_at(height, size) for _, size, _ in pictures)
    panels, strips = [], []
    for n, (role, size, name) in enumerate(pictures):
        width, top = width_at(height, size), n * (bar + height)
        left = even((whole - width) / 2, 0)
        panels.append(Panel(role, left, top + bar, Size(width, height)))
        caption = Caption(name, role, left, whole - left, draft and role == "Result")
        strips.append(Strip(top, Size(whole, bar), (caption,)))
    return Board(Size(whole, len(pictures) * (bar + height)), tuple(panels), tuple(strips))


def _over(height: int, pictures: Pictures, draft: bool) -> Board:
    """Both in one box, which is the reference's: left of the line one sees the reference, right of it the result."""
    (_, shape, left_name), (_, other, right_name) = pictures
    bar, box = bar_height(height), Size(width_at(height, shape), height)
    small = _inside(box, other)
    at = even((box.width - small.width) / 2, 0), bar + even((box.height - small.height) / 2, 0)
    half = box.width // 2
    captions = (
        Caption(left_name, "Reference", 0, half),
        Caption(right_name, "Result", half, box.width - half, draft, "right"),
    )
    panels = (Panel("Reference", 0, bar, box), Panel("Result", *at, small))
    return Board(Size(box.width, bar + height), panels, (Strip(0, Size(box.width, bar), captions),))


def _inside(box: Size, size: Size) -> Size:
    """The largest even size of that shape inside of the box: what letterboxing leaves."""
    if size.aspect > box.aspect:
        return Size(box.width, min(box.height, even(box.width / float(size.aspect))))
    return Size(min(box.width, width_at(box.height, size)), box.height)


_BOARDS = {"side": _row, "triptych": _row, "stack": _column, "wipe": _over}
DRAWN: tuple[Layout, ...] = ("side", "stack", "wipe", "triptych", "sheet")
"""The layouts of this room; ``html`` is drawn by ``show``."""


# -- names


def draw_caption(picture: Image.Image, caption: Caption, *, top: int, height: int) -> int:
    """A dot in the colour of its role, the name, and the draft's chip; shortened to fit. Gives the pixels it took."""
    pen = ImageDraw.Draw(picture)
    size = max(9, round(height * 0.46))
    margin, gap, dot = round(size * 0.7), round(size * 0.5), max(4, round(size * 0.42))
    middle = top + height / 2
    chip_font = _font(DRAFT, max(8, round(size * 0.74)))
    chip = round(chip_font.getlength(DRAFT) + size * 0.9) if caption.draft else 0
    room = caption.width - 2 * margin - dot - gap - (chip + gap if chip else 0)
    text = _clean(caption.text) or caption.role
    face = _font(text, size)
    text = _shorten(_drawable(text, face), face, room)
    name = round(face.getlength(text)) if text else 0
    taken = dot + (gap + name if text else 0) + (gap + chip if chip else 0)
    x = caption.left + (margin if caption.align == "left" else caption.width - margin - taken)
    pen.ellipse((x, middle - dot / 2, x + dot, middle + dot / 2), fill=DOTS[caption.role])
    x += dot + gap
    if text:
        _write(pen, x, middle, text, face, _TEXT)
        x += name + gap
    if chip:
        tall = size * 1.3
        box = (x, middle - tall / 2, x + chip, middle + tall / 2)
        pen.rounded_rectangle(box, radius=tall / 2, fill=_CHIP)
        _write(pen, x + size * 0.45, middle, DRAFT, chip_font, _ON_CHIP)
    return taken + 2 * margin


def draw_note(
    picture: Image.Image, text: str, *, left: int, top: int, height: int, strong: bool = False
) -> int:
    """A time or a note, small; gives the pixels it took."""
    face = _font(text, max(9, round(height * 0.56)))
    _write(ImageDraw.Draw(picture), left, top + height / 2, text, face, _TEXT if strong else _QUIET)
    return round(face.getlength(text))


def _clean(text: str) -> str:
    """One line of printable characters: line breaks, control, direction and private characters are gone."""
    kept = "".join(
        " " if c.isspace() else c
        for c in text[: 4 * _LONGEST]
        if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    return " ".join(kept.split())[:_LONGEST]


def _font(text: str, size: int) -> Font:
    """The first font that has every character of the text, else the one that has most of them. Pillow's own has ASCII and little more."""
    characters, best, most = set(text), "", -1
    for name in ("", *_FONTS):
        has = sum(_has(name, c) for c in characters)
        if has > most and _load(name, size) is not None:
            best, most = name, has
        if most == len(characters):
            break
    return _load(best, size) or ImageFont.load_default(size)


@functools.lru_cache(64)
def _load(name: str, size: int) -> Font | None:
    if not name:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(name, size)  # Pillow searches the system's own folders of fonts
    except OSError:
        return None


@functools.lru_cache(4096)
def _has(name: str, character: str) -> bool:
    face = _load(name, 24)
    return face is not None and (
        character == " " or bytes(face.getmask(character)) != bytes(face.getmask("\uffff"))
    )


def _drawable(text: str, face: Font) -> str:
    """What the font lacks is written without its accent, or as a question mark, rather than as an empty box."""
    empty = bytes(face.getmask("\uffff"))

    def one(character: str) -> str:
        for candidate in (character, unicodedata.normalize("NFKD", character)[:1]):
            if candidate == " " or bytes(face.getmask(candidate)) != empty:
                return candidate
        return "?"

    return "".join(one(c) for c in text)


def _shorten(text: str, face: Font, room: int) -> str:
    if face.getlength(text) <= room:
        return text
    while text and face.getlength(text.rstrip() + "...") > room:
        text = text[:-1]
    return text.rstrip() + "..." if text else ""


def _write(
    pen: ImageDraw.ImageDraw,
    x: float,
    middle: float,
    text: str,
    face: Font,
    fill: tuple[int, int, int],
) -> None:
    """Centred on the height of capitals, so that names with and without descenders stand on one line."""
    box = face.getbbox("H")
    pen.text((x, round(middle - (box[1] + box[3]) / 2)), text, font=face, fill=fill)
