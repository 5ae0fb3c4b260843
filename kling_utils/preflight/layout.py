"""What a picture is made of besides the person: several pictures put together, lines of text; and whether one is another one, moved.

Owns these measures. None finds all there is, so an empty answer is no promise.
"""

from __future__ import annotations

import functools
import math
import threading
from typing import Any

import cv2
import numpy as np

from kling_utils.media.arrays import Floats, Frame, u8
from kling_utils.media.nets import MODELS

_STEP, _SHARPER = 10, 1.5
"""Grey levels of an edge, and how much sharper it is than the picture beside it."""
_EDGE = 0.6
"""Part of the picture's height or width that an edge runs through. Measured: 0.52 at most on real pictures, and 0.43 on frames of
clips; 0.62 to 0.88 between pictures that were put together, less where both are white there."""
_MARGIN = 0.06
"""Part of a side beside which an edge is a border, and in which two edges are one gutter."""
_PLAIN = 10.0
"""Standard deviation of grey below which a part is a border or a bar."""


def pictures(frame: Frame) -> int:
    """How many pictures it is put together from, by straight edges through all of it; 1 where none is found."""
    return _parts(frame) * _parts(u8(np.ascontiguousarray(frame.transpose(1, 0, 2))))


def _parts(frame: Frame) -> int:
    """Parts beside each other that are not plain."""
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    width = frame.shape[1]
    least = max(4, round(_MARGIN * width))
    edges = [0]
    for at in np.flatnonzero(_edges(frame) >= _EDGE) + 1:
        if least < at < width - least and at - edges[-1] > least:
            edges.append(int(at))
    sides = zip(edges, [*edges[1:], width], strict=True)
    return max(1, sum(float(grey[:, a + 2 : b - 2].std()) > _PLAIN for a, b in sides))


def _edges(frame: Frame) -> Floats:
    """For each column but the first and the last: part of its height at which the picture changes there, and only there."""
    soft = cv2.GaussianBlur(frame, (0, 0), 0.6).astype(np.int16)
    blue, green, red = np.moveaxis(np.abs(soft[:, 2:] - soft[:, :-2]), 2, 0)
    step = np.maximum(np.maximum(blue, green), red)  # ten times as fast as max(2)
    beside = np.maximum(np.roll(step, 4, 1), np.roll(step, -4, 1))
    return np.asarray(((step > _STEP) & (step > _SHARPER * beside)).mean(0), np.float64)


_TEXT_SIDE = 256
"""Pixels of the shorter side at which text is looked for: letters are still read at this size, and patterns no longer are."""
_TEXT, _SURE = 0.3, 0.9
"""Least score of a point of a line, and of all of it. Measured: 0.97 to 1 for captions."""
_LINE, _THICK = 0.1, 0.12
"""Length of a line at least, and its height at most, in shorter sides of the picture."""
_LONG, _LONG_UPRIGHT = 2.0, 4.0
"""Length of a line across, and of one upright, in its own height at least. Measured: prints on clothes and striped legs are up to
2.7 times as long as wide, and 0.13 of the shorter side wide; captions are longer and thinner."""


def lines(frame: Frame) -> int:
    """How many lines of text are in it, across or upright, in any script. About 50 ms."""
    scale = _TEXT_SIDE / min(frame.shape[:2])
    size = [max(32, round(side * scale / 32) * 32) for side in frame.shape[1::-1]]
    blob = cv2.dnn.blobFromImage(frame, 1 / 127.5, size, (127.5, 127.5, 127.5))
    with _text_lock:
        net = _text_net()
        net.setInput(blob)
        score = np.asarray(net.forward()[0, 0], np.float64)
    _, labels, found, _ = cv2.connectedComponentsWithStats(u8((score > _TEXT).astype(np.uint8)))
    return sum(
        max(width, height) > _LINE * _TEXT_SIDE
        and min(width, height) < _THICK * _TEXT_SIDE
        and (width > _LONG * height or height > _LONG_UPRIGHT * width)
        and float(score[labels == i].mean()) > _SURE
        for i, (_, _, width, height, _) in enumerate(found[1:].tolist(), 1)
    )


_text_lock = threading.Lock()


@functools.cache
def _text_net() -> Any:
    return cv2.dnn.readNetFromONNX(str(MODELS / "text_detection.onnx"))


_OFF = 2.0
"""Pixels that a corner may lie beside where the motion of all puts it."""
_LEAST_CORNERS = 20


def moved(before: Frame, after: Frame, box: Floats) -> float:
    """Share of the corners in a box (x, y, width, height) that one shift, turn and zoom explains; NaN where there are too few.

    About 10 ms.
    """
    grey, then = (u8(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)) for frame in (before, after))
    x, y, width, height = (int(side) for side in box[:4])
    inside = np.zeros_like(grey)
    inside[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)] = 255
    corners = cv2.goodFeaturesToTrack(grey, 150, 0.01, 6, mask=inside)
    if corners is None or len(corners) < _LEAST_CORNERS:
        return math.nan
    found, _, _ = cv2.calcOpticalFlowPyrLK(grey, then, corners, None, maxLevel=4)  # type: ignore[call-overload]
    matrix, explained = cv2.estimateAffinePartial2D(corners, found, ransacReprojThreshold=_OFF)
    return float(explained.mean()) if matrix is not None else 0.0
