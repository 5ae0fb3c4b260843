"""Colours of pictures: another profile into sRGB, and whether a profile changes what is seen, or anything is see-through."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageCms

ROWS = 256
"""Rows that are converted at once, so that a large picture needs no second copy in another form."""
_SEEN = 8  # of 255: variants of sRGB differ by 2, grey of gamma 2.2 by 6, Display P3 by 30


def strips(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The first row and the picture of each ``ROWS`` rows."""
    for top in range(0, picture.height, ROWS):
        yield top, picture.crop((0, top, picture.width, min(top + ROWS, picture.height)))


def to_srgb(profile: bytes | None, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    """What turns pictures of the mode into sRGB; None for no profile, or a broken one, or one for other colours."""
    try:
        if mode == "LAB":
            own = ImageCms.createProfile("LAB")
        elif profile:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
        else:
            return None
        transform = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return lambda picture: ImageCms.applyTransform(picture, transform) or picture.convert("RGB")


def other_profile(profile: bytes | None, mode: str) -> str:
    """The name of a profile with which colours look different from sRGB; empty for sRGB, and where it says nothing."""
    plain = "L" if mode in ("L", "LA", "La", "1") or mode.startswith("I") else "RGB"
    convert = None if mode in ("CMYK", "LAB") else to_srgb(profile, plain)
    if convert is None or profile is None:
        return ""
    levels = np.arange(0, 256, 51, dtype=np.uint8)[1:]
    if plain == "L":
        tried = Image.fromarray(levels[None, :])
    else:
        tried = Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3))
    before, after = (np.asarray(each.convert("RGB"), int) for each in (tried, convert(tried)))
    if np.abs(before - after).max() <= _SEEN:
        return ""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        name = ""
    return "".join(each for each in name if each.isprintable())[:60] or "a profile of its own"


def see_through(picture: Image.Image) -> bool:
    """True when any pixel is not fully opaque, however the picture says so."""
    if not picture.has_transparency_data:
        return False
    return any(
        np.asarray(strip.convert("RGBA").getchannel("A")).min() < 255
        for _, strip in strips(picture)
    )
