"""The reference image as the engine needs it: upright pixels without transparency, and who is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from kling_utils.draft.errors import NO_PERSON_IN_IMAGE, EngineError
from kling_utils.errors import UnreadableMedia
from kling_utils.media.arrays import Frame, u8
from kling_utils.media.images import plain
from kling_utils.media.pose import Body, Face, FaceTracker, PoseTracker, head_hint, person

LONGEST = 1600
"""Pixels of the longest side that are used: 1080p shows no more."""
NEUTRAL = "#f4f4f2"
"""Colour that transparent parts are laid on."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """``image`` BGR; ``body`` and ``face`` in its pixels, one of them may be missing."""

    image: Frame
    body: Body | None
    face: Face | None


def load_picture(path: Path) -> Frame:
    """The picture as BGR of sRGB, turned by its EXIF orientation, transparency on a neutral ground, shrunk to ``LONGEST``.

    Raises ``EngineError`` for a file that is no picture.
    """
    try:
        pixels = np.asarray(plain(path, NEUTRAL, longest=LONGEST), np.uint8)
    except UnreadableMedia as error:
        raise EngineError(
            f"The reference image cannot be read: it is {error.what or 'damaged'}"
        ) from error
    frame = np.ascontiguousarray(pixels[:, :, ::-1])
    scale = LONGEST / max(frame.shape[:2])
    return (
        u8(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        if scale < 1
        else frame
    )


def look_at(image: Frame, *, threads: int = 2) -> Still:
    """Find the person in the picture. Raises ``EngineError`` when there is none."""
    find_face = FaceTracker(threads=threads)
    body = PoseTracker("full", threads=threads)(image, want_mask=True, passes=2)
    face = find_face(image, head_hint(body), passes=2) if body is not None else None
    body, face = person(body, face or find_face(image, passes=2))
    if body is None and face is None:
        raise EngineError(NO_PERSON_IN_IMAGE)
    return Still(image, body, face)
