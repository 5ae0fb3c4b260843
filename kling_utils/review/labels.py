"""The strip of names above the pictures, drawn with Pillow, because not every ffmpeg can draw text and none knows where fonts lie.

Owns how a caption looks and that hostile text stays text.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from kling_utils.values import Size

GROUND = (10, 12, 16)
"""The stage's own ground, behind and between the pictures."""
_TEXT, _QUIET, _CHIP, _ON_CHIP = (243, 244, 246), (170, 177, 190), (255, 180, 84), (28, 20, 6)
DOTS = {"Image": (150, 158, 172), "Reference": (143, 163, 255), "Result": (255, 180, 84)}
DRAFT = "local draft"
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

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Role = Literal["Image", "Reference", "Result"]


@dataclass(frozen=True, slots=True)
class Caption:
    """One name, the room it has (``left`` and ``width`` in pixels), and whether a local draft lies below it."""

    text: str
    role: Role
    left: int
    width: int
    draft: bool = False
    align: Literal["left", "right"] = "left"


def clean(text: str) -> str:
    """One line of printable characters: line breaks, control, direction and private characters are gone."""
    kept = "".join(
        " " if c.isspace() else c
        for c in text[: 4 * _LONGEST]
        if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    return " ".join(kept.split())[:_LONGEST]


def strip(size: Size, captions: Sequence[Caption]) -> Image.Image:
    """A strip of that size with its captions, in RGB."""
    picture = Image.new("RGB", size, GROUND)
    for caption in captions:
        draw_caption(picture, caption, top=0, height=size.height)
    return picture


def draw_caption(picture: Image.Image, caption: Caption, *, top: int, height: int) -> int:
    """A dot in the colour of its role, the name, and the draft's chip; shortened to fit. Gives the pixels it took."""
    pen = ImageDraw.Draw(picture)
    size = max(9, round(height * 0.46))
    margin, gap, dot = round(size * 0.7), round(size * 0.5), max(4, round(size * 0.42))
    middle = top + height / 2
    chip_font = font(DRAFT, max(8, round(size * 0.74)))
    chip = round(chip_font.getlength(DRAFT) + size * 0.9) if caption.draft else 0
    room = caption.width - 2 * margin - dot - gap - (chip + gap if chip else 0)
    text = clean(caption.text) or caption.role
    face = font(text, size)
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
        pen.rounded_rectangle(
            (x, middle - tall / 2, x + chip, middle + tall / 2), radius=tall / 2, fill=_CHIP
        )
        _write(pen, x + size * 0.45, middle, DRAFT, chip_font, _ON_CHIP)
    return taken + 2 * margin


def write_quiet(
    picture: Image.Image, text: str, *, left: int, top: int, height: int, strong: bool = False
) -> int:
    """A time or a note, small; gives the pixels it took."""
    face = font(text, max(9, round(height * 0.56)))
    _write(ImageDraw.Draw(picture), left, top + height / 2, text, face, _TEXT if strong else _QUIET)
    return round(face.getlength(text))


def font(text: str, size: int) -> Font:
    """The first font that has every character of the text, else the one that has most of them. Pillow's own has ASCII and little more."""
    best, most = _load("", size), -1
    for name in ("", *_FONTS):
        face = _load(name, size)
        if face is None:
            continue
        has = sum(_has(name, c) for c in set(text))
        if has == len(set(text)):
            return face
        if has > most:
            best, most = face, has
    assert best is not None  # noqa: S101 - Pillow's own font is always there
    return best


@functools.lru_cache(64)
def _load(name: str, size: int) -> Font | None:
    if not name:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(
            name, size
        )  # Pillow looks through the system's own folders of fonts
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
