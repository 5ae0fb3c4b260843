"""What a picture is made of besides the person: several pictures put together, and lines of text.

Owns both measures, which look at structure alone. Neither finds all there is, so an empty answer is no promise.
"""

from __future__ import annotations

import cv2
import numpy as np

from kling_utils.media.arrays import Bools, Floats, Frame, u8

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
    step = np.abs(soft[:, 2:] - soft[:, :-2]).max(2)
    beside = np.maximum(np.roll(step, 4, 1), np.roll(step, -4, 1))
    return np.asarray(((step > _STEP) & (step > _SHARPER * beside)).mean(0), np.float64)


_STROKE = 17
"""Pixels that are wider than the strokes of letters."""
_INK = 40
"""Grey levels between a letter and what is around it."""
_TALL = (8, 40)
"""Pixels of a letter's height: in the picture, and in the same at half the size."""
LETTERS = 6
"""Letters in one line, from which it is text. Measured: 4 at most on real pictures and frames of clips, 9 to 12 on
captions; about half of the words set in various sizes on real pictures were found."""


def letters(frame: Frame) -> int:
    """Most shapes in one line that look like letters: of one height, on one ground line, close, and of different widths."""
    grey = u8(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    half = u8(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return max(
        _line(one, how) for one in (grey, half) for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    )


def _line(grey: Frame, how: int) -> int:
    box = cv2.getStructuringElement(cv2.MORPH_RECT, (_STROKE, _STROKE))
    ink = u8((cv2.morphologyEx(grey, how, box) > _INK).astype(np.uint8))
    found = np.asarray(cv2.connectedComponentsWithStats(ink)[2][1:], np.float64)
    shapes = found[_like_letters(found)]
    most = 0
    for _, top, _, height, _ in shapes:
        off = 0.12 * height + 1
        foot = np.abs(shapes[:, 1] + shapes[:, 3] - top - height) <= off
        level = foot | (np.abs(shapes[:, 1] - top) <= off)
        row = shapes[level & (np.abs(shapes[:, 3] - height) <= 0.2 * height + 1)]
        row = row[np.argsort(row[:, 0])]
        gap = row[1:, 0] - row[:-1, 0] - row[:-1, 2]
        for word in np.split(row, np.flatnonzero((gap < -2) | (gap > height)) + 1):
            if len(word) > most and _differ(word):
                most = len(word)
    return most


def _like_letters(found: Floats) -> Bools:
    """Of connected shapes (n, 5), left, top, width, height and area: which have the proportions of a letter."""
    _, _, width, height, area = found.T
    full = area / (width * height)
    tall = (height >= _TALL[0]) & (height <= _TALL[1])
    slim = (width <= 1.8 * height) & (width >= 0.12 * height)
    return np.asarray(tall & slim & (full > 0.2) & (full < 0.95))


def _differ(word: Floats) -> bool:
    """Whether shapes differ as letters do, and windows and posts do not."""
    width, full = word[:, 2], word[:, 4] / (word[:, 2] * word[:, 3])
    return bool(np.std(width) > 0.2 * np.mean(width) and np.std(full) > 0.05)
