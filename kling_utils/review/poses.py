"""Skeletons and close-ups of two clips, small enough to be sent: points, boxes and a few pictures over time.

Owns the format that the stage draws. Numbers are whole: points are hundredths of the person's own
size, boxes are thousandths of the picture.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import numpy as np

from kling_utils.media.arrays import Bools, Floats
from kling_utils.media.encode import picture_at
from kling_utils.media.pose import HIPS, SHOULDERS

if TYPE_CHECKING:
    from kling_utils.media.people import PoseTrack

RATE = 8.0
"""Looks a second: as many as the audit takes."""
SEEN = 0.5
"""Least visibility of a point that is drawn."""
AROUND = 0.5
"""Seconds before and after over which the size of a person is taken, which jitters and shrinks when one bends."""
SHOULDERS_TO_TORSO = 1.3
"""Torso lengths of an adult for one shoulder width, for people whose hips are out of the picture."""
FACE_BOX, HAND_BOX = 1.5, 0.55
"""Sides of the boxes: of a face's height with room for the hair, and in torso lengths."""
PICTURE_HEIGHT = 160

_BODY = (0, 7, 8, 11, 12, 13, 14, 15, 16, 19, 20, 23, 24, 25, 26, 27, 28)
_NECK = -1
"""Between the shoulders: no landmark, the last point of a body."""
_BODY_LINES = (
    *(
        (7, 0),
        (0, 8),
        (0, _NECK),
        (11, 12),
        (11, 13),
        (13, 15),
        (15, 19),
        (12, 14),
        (14, 16),
        (16, 20),
    ),
    *((11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (24, 26), (26, 28)),
)
# Of the face mesh: both brows, both eyes, nose, the lips' outline, the chin's.
_FACE_PATHS = (
    (70, 63, 105, 66, 107),
    (336, 296, 334, 293, 300),
    (33, 160, 158, 133, 153, 144, 33),
    (362, 385, 387, 263, 373, 380, 362),
    (168, 6, 195, 4),
    (61, 37, 0, 267, 291, 314, 17, 84, 61),
    (78, 13, 308, 14, 78),
    (127, 132, 172, 150, 152, 379, 397, 361, 356),
)
_HANDS = {"left": (15, 17, 19, 21), "right": (16, 18, 20, 22)}
"""Wrist, little finger, index finger and thumb."""

Look: TypeAlias = list[int | None] | None
Box: TypeAlias = list[int] | None


class Side(TypedDict):
    """One clip, a look after the other, ``RATE`` a second. None where something is not seen."""

    points: list[Look]
    """x and y of each point, by turns; y runs down."""
    face: list[Box]
    left: list[Box]
    right: list[Box]
    """Middle and side of a square: x and side in thousandths of the width, y of the height. Left is the person's own."""


class Pictures(TypedDict):
    """A moment, as addresses of the scheme ``data``."""

    a: str
    b: str


class Poses(TypedDict):
    """Of the reference ``a`` and the result ``b``."""

    rate: float
    kind: str
    """``body`` or ``face``."""
    lines: list[list[int]]
    """Pairs of points that are joined."""
    view: list[int]
    """x, y, width and height that hold nearly all points of both."""
    a: Side
    b: Side
    moments: list[Pictures]


def poses(reference: PoseTrack, result: PoseTrack, *, face: bool = False) -> Poses:
    """Skeletons of both over time, each centred on the hips and one torso long, and where face and hands are.

    ``face``: the lines of the face instead of the body's, between the eyes and scaled to them. A person
    whose hips are out of one of the pictures is centred between the shoulders in both.
    """
    tracks = reference, result
    if face:
        used = tuple(dict.fromkeys(i for path in _FACE_PATHS for i in path))
        pairs = [pair for path in _FACE_PATHS for pair in itertools.pairwise(path)]
    else:
        used, pairs = _BODY, list(_BODY_LINES)
    hips = all(_mostly_seen(track, HIPS) for track in tracks)
    placed = [_placed_face(t, used) if face else _placed_body(t, used, hips) for t in tracks]
    sides = [_side(track, points) for track, points in zip(tracks, placed, strict=True)]
    at = {point: i for i, point in enumerate((*used, _NECK))}
    return {
        "rate": RATE,
        "kind": "face" if face else "body",
        "lines": [[at[a], at[b]] for a, b in pairs],
        "view": _view(placed),
        "a": sides[0],
        "b": sides[1],
        "moments": [],
    }


def pictures(reference: Path, result: Path, times: Sequence[float]) -> list[Pictures]:
    """Both clips at these seconds; a clip that has ended shows its last picture. Raises ``FfmpegFailed``."""

    def shown(path: Path, time: float) -> str:
        jpeg = picture_at(path, time, height=PICTURE_HEIGHT)
        return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"

    return [{"a": shown(reference, time), "b": shown(result, time)} for time in times]


# -- points


def _seen(track: PoseTrack, points: Sequence[int]) -> Bools:
    """(n, points): which are sure and inside the picture, with a little beyond its edge."""
    found = track.bodies[:, list(points)]
    share = found[..., :2] / np.array(track.size)
    with np.errstate(invalid="ignore"):
        inside = ((share > -0.05) & (share < 1.05)).all(2)
        return np.asarray(inside & (found[..., 3] > SEEN))


def _mostly_seen(track: PoseTrack, points: Sequence[int]) -> bool:
    found = int(track.seen.sum())
    return found > 0 and int(np.all(_seen(track, points), axis=1).sum()) > found / 2


def _torso(track: PoseTrack, hips: bool) -> Floats:
    """(n,): pixels of one torso, even over time; NaN throughout where nobody is seen."""
    shoulders = track.bodies[:, list(SHOULDERS), :2]
    if hips:
        middle = track.bodies[:, list(HIPS), :2].mean(1)
        raw = np.linalg.norm(shoulders.mean(1) - middle, axis=1)
    else:
        raw = SHOULDERS_TO_TORSO * np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1)
    return _even(track.times, raw)


def _even(times: Floats, sizes: Floats) -> Floats:
    """The largest usual size around each moment: bending and turning make a person look small."""
    there = np.isfinite(sizes)
    out = np.full(len(sizes), np.nan)
    if not there.any():
        return out
    least = 0.7 * float(np.percentile(sizes[there], 75))
    for i, time in enumerate(times):
        near = there & (np.abs(times - time) <= AROUND)
        out[i] = max(least, float(np.percentile(sizes[near], 75)) if near.any() else least)
    return out


def _placed_body(track: PoseTrack, used: Sequence[int], hips: bool) -> Floats:
    """(n, points + 1, 2): in torso lengths around the hips, the neck last; NaN where a point is not seen."""
    points = track.bodies[:, list(used), :2].copy()
    points[~_seen(track, used)] = np.nan
    neck = points[:, [used.index(i) for i in SHOULDERS]].mean(1, keepdims=True)
    points = np.concatenate([points, neck], 1)
    middle = track.bodies[:, list(HIPS if hips else SHOULDERS), :2].mean(1)
    return np.asarray((points - middle[:, None]) / _torso(track, hips)[:, None, None])


def _placed_face(track: PoseTrack, used: Sequence[int]) -> Floats:
    """(n, points, 2): in distances of the eyes' outer corners around the point between them."""
    eyes = track.faces[:, [33, 263], :2]
    apart = _even(track.times, np.asarray(np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)))
    middle = eyes.mean(1)
    return np.asarray((track.faces[:, list(used), :2] - middle[:, None]) / apart[:, None, None])


def _view(placed: Sequence[Floats]) -> list[int]:
    """What both need, without the few looks that reach further, and a margin."""
    points = np.concatenate([each.reshape(-1, 2) for each in placed])
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        return [-100, -100, 200, 200]
    low, high = np.percentile(points, 0.5, axis=0) - 0.15, np.percentile(points, 99.5, axis=0)
    wide, tall = high + 0.15 - low
    return [math.floor(100 * v) for v in (*low, max(wide, 0.5), max(tall, 0.5))]


# -- boxes


def _side(track: PoseTrack, placed: Floats) -> Side:
    rows = _rows(track)
    hips = _mostly_seen(track, HIPS)
    torso = _torso(track, hips)
    hands = {name: _hand(track, points, torso) for name, points in _HANDS.items()}
    face = _face(track, torso)
    return {
        "points": [_whole(100 * placed[i]) if i is not None else None for i in rows],
        "face": [_box(track, face, i) for i in rows],
        "left": [_box(track, hands["left"], i) for i in rows],
        "right": [_box(track, hands["right"], i) for i in rows],
    }


def _rows(track: PoseTrack) -> list[int | None]:
    """The look for each sample; None where there is none near."""
    grid = np.arange(0.0, max(track.seconds, 1 / RATE) - 1e-6, 1 / RATE)
    if not len(track.times):
        return [None] * len(grid)
    nearest = np.abs(track.times[None] - grid[:, None]).argmin(1)
    close = np.abs(track.times[nearest] - grid) <= 0.75 / min(track.fps, RATE)
    return [int(i) if near else None for i, near in zip(nearest, close, strict=True)]


def _face(track: PoseTrack, torso: Floats) -> Floats:
    """(n, 3): middle and side in pixels; NaN where no face is seen. Small faces are known from the body alone."""
    mesh = track.faces[..., :2]
    low, high = mesh.min(1), mesh.max(1)
    size = _even(track.times, np.asarray((high - low).max(1)))
    boxes = np.concatenate([(low + high) / 2, FACE_BOX * size[:, None]], 1)
    head = track.bodies[:, :11, :2].mean(1)
    known = _seen(track, (0,))[:, 0]
    small = np.concatenate([head, HAND_BOX * 1.2 * torso[:, None]], 1)
    small[~known] = np.nan
    missing = ~np.isfinite(boxes).all(1)
    boxes[missing] = small[missing]
    return np.asarray(boxes)


def _hand(track: PoseTrack, points: Sequence[int], torso: Floats) -> Floats:
    """(n, 3): around wrist and fingers."""
    middle = track.bodies[:, list(points), :2].mean(1)
    boxes = np.concatenate([middle, HAND_BOX * torso[:, None]], 1)
    boxes[~_seen(track, points[:1])[:, 0]] = np.nan
    return np.asarray(boxes)


def _box(track: PoseTrack, boxes: Floats, row: int | None) -> Box:
    if row is None or not np.isfinite(boxes[row]).all():
        return None
    x, y, side = boxes[row]
    width, height = track.size
    return [round(1000 * x / width), round(1000 * y / height), max(1, round(1000 * side / width))]


def _whole(points: Floats) -> Look:
    flat = points.reshape(-1)
    if not np.isfinite(flat).any():
        return None
    return [round(float(v)) if math.isfinite(v) else None for v in flat]
