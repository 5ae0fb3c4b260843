"""The small "local draft" label that every frame carries: a draft never passes for a Kling result.

It lies in the lower right corner: a wipe from the left, half-way, still shows it.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kling_utils.media.arrays import Frame, u8

TEXT = "local draft"
_TEXT_SIZE, _MARGIN = 1 / 28, 1 / 60
"""Of the picture's shorter side."""
_DARK = 0.55
"""How much darker the ground becomes behind the letters."""


def stamp(out: Frame) -> None:
    """Write the label into the picture, in place: white on a darkened ground, legible on any picture."""
    letters = _letters(min(out.shape[:2]))
    into = corner(out)
    into[...] = cv2.max(u8(cv2.convertScaleAbs(into, alpha=1 - _DARK)), letters)


def corner(frame: Frame) -> Frame:
    """The part of a frame that the label lies in."""
    height, width = frame.shape[:2]
    short = min(height, width)
    margin, (down, across) = round(short * _MARGIN), _letters(short).shape[:2]
    return frame[height - margin - down : height - margin, width - margin - across : width - margin]


@functools.lru_cache(maxsize=4)
def _letters(short: int) -> Frame:
    """White letters on black, for a picture with that shorter side."""
    size = max(10, round(short * _TEXT_SIZE))
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(TEXT))
    pad = max(3, round(size * 0.4))
    image = Image.new("RGB", (right - left + 2 * pad, bottom - top + 2 * pad))
    ImageDraw.Draw(image).text((pad - left, pad - top), TEXT, font=font, fill="white")
    return np.asarray(image)
