"""Pictures turned into plain ones: upright, 8-bit sRGB, nothing see-through, no metadata; padded, cropped, scaled, saved within a size.

Owns pixels and how they are saved.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageColor, ImageFilter, ImageOps

from kling_utils.errors import UnreadableMedia
from kling_utils.media.colours import strips, to_srgb
from kling_utils.media.picture_file import open_picture, upright
from kling_utils.values import Size

Saved = Literal["JPEG", "PNG"]

QUALITY = 95
"""Of a JPEG that is free in its size: no loss that one sees, and a third of the bytes of 100."""
_LEAST_QUALITY = 80.0
"""Below it the picture is made smaller instead, which looks better."""
_FILLED = 0.925
# The example tables of the JPEG standard (ITU T.81, annex K), which every encoder scales; ours in steps finer than whole qualities.
_LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
_CHROMA = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""


def plain(path: Path, ground: str, *, longest: int | None = None) -> Image.Image:
    """The picture (of several, the first) as 8-bit sRGB, upright. ``ground``, a name or ``#rrggbb``, shows where it is see-through.

    ``longest``: no more pixels than about that are needed on the longer side, see ``open_picture``. Raises ``UnreadableMedia``.
    """
    with open_picture(path, longest=longest) as opened:
        picture, turn = opened.image, opened.turn
        made = Image.new("RGB", picture.size, ImageColor.getrgb(ground)[:3])
        top = _top(picture)
        convert, known = None, False
        for row, strip in strips(picture):
            flat = _eight_bits(strip, top)
            if not known:
                convert, known = to_srgb(opened.profile, flat.mode), True
            seen = strip.convert("RGBA").getchannel("A") if strip.has_transparency_data else None
            made.paste(convert(flat) if convert else flat.convert("RGB"), (0, row), seen)
    return upright(made, turn)


def _top(picture: Image.Image) -> float:
    """The greatest value of a picture with more than 8 bits, or floating point; 0 for others."""
    if not picture.mode.startswith(("I", "F")):
        return 0.0
    return max(float(np.asarray(strip).max(initial=0.0)) for _, strip in strips(picture))


def _eight_bits(picture: Image.Image, top: float) -> Image.Image:
    """RGB, CMYK, LAB or L of 8 bits; what has more is scaled by its greatest value ``top``, not clipped."""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture).astype(np.float32)
        full = (
            1.0
            if picture.mode == "F" and top <= 1
            else 255.0
            if top <= 255
            else 65535.0
            if top <= 65535
            else top
        )
        return Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))
    if picture.mode in ("RGB", "CMYK", "LAB", "L"):
        return picture
    if picture.mode in ("LA", "La", "1"):
        return picture.convert("L")
    return (
        picture.convert("RGBA").convert("RGB")
        if picture.mode in ("P", "PA", "RGBA", "RGBa")
        else picture.convert("RGB")
    )


def pad(picture: Image.Image, size: Size, ground: str) -> Image.Image:
    """The picture in the middle of a larger one, on a colour, or on itself, blurred, when ``ground`` is ``blur``."""
    if ground == "blur":
        small = ImageOps.fit(
            picture, (max(1, 128 * size.width // max(size)), max(1, 128 * size.height // max(size)))
        )
        under = small.filter(ImageFilter.GaussianBlur(6)).resize(size, Image.Resampling.BICUBIC)
    else:
        under = Image.new("RGB", size, ImageColor.getrgb(ground)[:3])
    under.paste(picture, ((size.width - picture.width) // 2, (size.height - picture.height) // 2))
    return under


def scale(picture: Image.Image, size: Size) -> Image.Image:
    """At another size, by Lanczos."""
    return (
        picture if picture.size == tuple(size) else picture.resize(size, Image.Resampling.LANCZOS)
    )


def save(
    picture: Image.Image,
    dest: Path,
    kind: Saved,
    *,
    max_bytes: int,
    fill: bool,
    least: int,
    stop: Callable[[], None],
) -> tuple[Saved, float]:
    """Write it within ``max_bytes``: what it was saved as, and how much smaller it was made (1: not).

    A PNG that does not fit becomes a JPEG. ``fill``: use the best quality that fits, because the source had more to give; otherwise
    ``QUALITY``. ``least``: pixels that the shorter side keeps. ``stop`` is asked between attempts and raises.
    """
    if kind == "PNG":
        data = _png(picture)
        if len(data) <= max_bytes:
            dest.write_bytes(data)
            return "PNG", 1.0
    shrunk, made = 1.0, picture
    for _ in range(6):
        stop()
        best = _search(made, max_bytes, 100.0 if fill else float(QUALITY), stop)
        if best is not None:
            dest.write_bytes(best)
            return "JPEG", shrunk
        worst = len(_jpeg(made, _LEAST_QUALITY + 6))
        factor = max(min(0.95, (0.95 * max_bytes / worst) ** 0.5), least / min(made.size))
        shrunk *= factor
        made = scale(picture, Size(round(picture.width * shrunk), round(picture.height * shrunk)))
        fill = True
    raise UnreadableMedia(
        "The picture could not be brought under its size.", hint="Export it smaller.", field="image"
    )


def _search(
    picture: Image.Image, max_bytes: int, high: float, stop: Callable[[], None]
) -> bytes | None:
    """The JPEG of the best quality up to ``high`` that fits; None when even the least quality is too large."""
    data = _jpeg(picture, high)
    if len(data) <= max_bytes:
        return data
    low, best = _LEAST_QUALITY, None
    for _ in range(9):
        stop()
        middle = (low + high) / 2
        data = _jpeg(picture, middle)
        if len(data) <= max_bytes:
            low, best = middle, data
            if len(data) >= _FILLED * max_bytes:
                break
        else:
            high = middle
    return best


def _jpeg(picture: Image.Image, quality: float) -> bytes:
    """All the colour (4:4:4), and tables for any quality from 50 to 100, such as 91.4."""
    factor = (200 - 2 * quality) / 100
    tables = [
        [min(255, max(1, round(int(v) * factor))) for v in table.split()]
        for table in (_LUMA, _CHROMA)
    ]
    # optimised code tables need a buffer for the whole file, and Pillow's holds two bytes a pixel: noise needs more at a high quality
    for optimize in (True, False) if quality <= QUALITY else (False,):
        out = io.BytesIO()
        try:
            picture.save(out, "JPEG", qtables=tables, subsampling=0, optimize=optimize)
        except OSError:
            if not optimize:
                raise
        else:
            break
    return out.getvalue()


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
