"""The small "local draft" label that every frame carries: a draft never passes for a Kling result."""

from __future__ import annotations

import cv2
import numpy as np

from kling_utils.media.arrays import Frame

TEXT = "local draft"


def stamp(out: Frame) -> None:
    """Write the label into the lower left corner, in place: white on a dark shadow, legible on any ground."""
    height, width = out.shape[:2]
    k = min(height, width) / 720
    for colour, shift in (((0, 0, 0), 1), ((255, 255, 255), 0)):
        at = (int(14 * k) + shift, int(height - 14 * k) + shift)
        cv2.putText(out, TEXT, at, cv2.FONT_HERSHEY_SIMPLEX, 0.55 * k, colour, max(1, round(k)), cv2.LINE_AA)


def corner(frame: Frame) -> Frame:
    """The part of a frame that the label lies in."""
    height, width = frame.shape[:2]
    k = min(height, width) / 720
    return np.asarray(frame[int(height - 40 * k) :, : int(150 * k)], np.uint8)
