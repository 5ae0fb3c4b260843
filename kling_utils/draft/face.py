"""A face's motion split into head pose and expression, and both put on another face. Pure arithmetic on dense landmarks.

Knows no picture. Points are (468, 3): x and y in pixels, z on the same scale, smaller is nearer.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np

from kling_utils.draft.retarget import Place
from kling_utils.media.arrays import Floats

# Points that hardly move with the expression: they carry the head's pose.
STABLE = [
    10,
    151,
    9,
    8,
    168,
    6,
    197,
    195,
    5,
    4,
    33,
    133,
    362,
    263,
    127,
    356,
    234,
    454,
    21,
    251,
    103,
    332,
    67,
    297,
]
OVAL = [
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
]
LIPS_INSIDE = [
    78,
    191,
    80,
    81,
    82,
    13,
    312,
    311,
    310,
    415,
    308,
    324,
    318,
    402,
    317,
    14,
    87,
    178,
    88,
    95,
]
LIPS = sorted(
    {
        *LIPS_INSIDE,
        *(
            61,
            146,
            91,
            181,
            84,
            17,
            314,
            405,
            321,
            375,
            291,
            185,
            40,
            39,
            37,
            0,
            267,
            269,
            270,
            409,
        ),
        *(
            76,
            62,
            77,
            90,
            180,
            85,
            16,
            315,
            404,
            320,
            307,
            306,
            292,
            184,
            74,
            73,
            72,
            11,
            302,
            303,
            304,
            408,
        ),
    }
)
CHIN = 152
TURN_LIMIT = 0.45
"""Radians that a flat picture's head can turn before the far cheek looks torn."""
SHUT = 0.12
"""Opening of the mouth, relative to its width, under which a still's mouth counts as shut."""


class Eye(NamedTuple):
    """Indices of one eye: upper lid, the lower lid's points below them, corners, and the two whose distance is the opening."""

    up: tuple[int, ...]
    low: tuple[int, ...]
    ends: tuple[int, int]
    gap: tuple[int, int]


Side = Literal["r", "l"]
EYES: dict[Side, Eye] = {
    "r": Eye(
        (246, 161, 160, 159, 158, 157, 173),
        (7, 163, 144, 145, 153, 154, 155),
        (33, 133),
        (159, 145),
    ),
    "l": Eye(
        (466, 388, 387, 386, 385, 384, 398),
        (249, 390, 373, 374, 380, 381, 382),
        (263, 362),
        (386, 374),
    ),
}


class Similarity(NamedTuple):
    """``b ~ scale * a @ turn.T + shift`` over rows of points."""

    scale: float
    turn: Floats
    shift: Floats


def procrustes(a: Floats, b: Floats) -> Similarity:
    """The similarity that brings points ``a`` (n, 3) nearest to ``b``, never a mirror image."""
    ca, cb = a.mean(0), b.mean(0)
    u, _, vt = np.linalg.svd((b - cb).T @ (a - ca))
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    scale = float(np.linalg.norm(b - cb)) / max(float(np.linalg.norm(a - ca)), 1e-6)
    return Similarity(scale, turn, cb - scale * turn @ ca)


def opening(face: Floats, eye: Side) -> float:
    """How far an eye is open, relative to its width."""
    e = EYES[eye]
    return _apart(face, *e.gap) / max(_apart(face, *e.ends), 1e-6)


def mouth_open(face: Floats) -> float:
    """How far the mouth is open, relative to its width."""
    return _apart(face, 13, 14) / max(_apart(face, 78, 308), 1e-6)


def head_size(face: Floats) -> float:
    """Size of a head whatever its expression: spread of the stable points, pixels."""
    stable = face[STABLE]
    return float(np.linalg.norm(stable - stable.mean(0)))


def gentle(turn: Floats, limit: float = TURN_LIMIT) -> Floats:
    """A rotation matrix as it is up to ``limit`` radians, then held back more and more (at most 1.3 of it)."""
    vector = np.asarray(cv2.Rodrigues(turn)[0], np.float64)
    n = float(np.linalg.norm(vector))
    if n <= limit:
        return turn
    return np.asarray(
        cv2.Rodrigues(vector * (limit * (1 + 0.3 * np.tanh((n - limit) / limit)) / n))[0],
        np.float64,
    )


class MovedFace(NamedTuple):
    """A face in one frame: points (468, 3) on the canvas, and the head's turn (3, 3) and scale from the still's."""

    points: Floats
    turn: Floats
    scale: float


class FaceRetarget:
    """``still`` (468, 3), ``track`` (n, 468, 3) of the clip, smoothed.

    ``place`` puts the clip's points on the canvas (video orientation); without it the head moves as it does from the clip's first frame on.
    ``gain`` scales the expression.
    """

    def __init__(
        self, still: Floats, track: Floats, *, place: Place | None = None, gain: float = 1.0
    ) -> None:
        self.still, self.track, self._place, self._gain = still, track, place, gain
        self.size, self.clip_size = (
            head_size(still),
            float(np.median([head_size(p) for p in track])),
        )
        self._centre = still[STABLE].mean(0)
        self._reference = self._most_alike()
        self._to_still = procrustes(self._reference[STABLE], still[STABLE])
        self._usual = self._usual_head()
        width = _mouth_width(still) / max(_mouth_width(self._reference), 1e-6)
        self._mouth_gain = float(np.clip(width, 0.6, 1.5))

    def _most_alike(self) -> Floats:
        """The clip's face without expression: mean of its 7 frames most like the still (eyes open, mouth as open).

        One best frame alone would bend every other when it was tracked badly; for the same reason the mouth is looked for in the
        clip's usual range.
        """
        gaps = np.array([(opening(p, "r") + opening(p, "l")) / 2 for p in self.track])
        mouths = np.array([mouth_open(p) for p in self.track])
        wanted = np.clip(mouth_open(self.still), *np.percentile(mouths, (10, 60)))
        best = np.argsort(
            np.abs(mouths - wanted) + 0.7 * np.maximum(np.percentile(gaps, 70) - gaps, 0)
        )[:7]
        one = self.track[best[0]]
        return np.asarray(
            np.mean(
                [
                    _undone(procrustes(one[STABLE], self.track[i][STABLE]), self.track[i])
                    for i in best
                ],
                0,
            )
        )

    def _usual_head(self) -> Floats:
        """The frame whose head pose is nearest to the clip's median."""
        first = self.track[0][STABLE]
        turns = np.array(
            [cv2.Rodrigues(procrustes(first, p[STABLE]).turn)[0].ravel() for p in self.track]
        )
        return np.asarray(
            self.track[int(np.argmin(np.linalg.norm(turns - np.median(turns, 0), axis=1)))]
        )

    def expression(self, i: int) -> Floats:
        """The still's face with the expression of frame ``i``, in the still's own place and head pose."""
        d = self.track[i]
        canonical = _undone(procrustes(self._reference[STABLE], d[STABLE]), d)
        delta = (
            (canonical - self._reference)
            @ self._to_still.turn.T
            * (self._to_still.scale * self._gain)
        )
        middle = delta[LIPS].mean(0)
        delta[LIPS] = middle + (delta[LIPS] - middle) * self._mouth_gain
        delta[:, 2] *= 0.5
        out = self.still + delta
        for side, eye in EYES.items():
            self._lids(out, canonical, delta, side, eye)
        return out

    def _lids(self, out: Floats, canonical: Floats, delta: Floats, side: Side, eye: Eye) -> None:
        """Lids close by the clip's ratio, from the still's own opening: drawn eyes are larger than the clip's."""
        ratio = float(
            np.clip(opening(canonical, side) / max(opening(self._reference, side), 1e-3), 0.0, 1.35)
        )
        if ratio < 1:  # a shut eye still measures about a third
            ratio = max(0.0, (ratio - 0.35) / 0.65)
        up, low = list(eye.up), list(eye.low)
        span = self.still[up] - self.still[low]
        out[low] = (
            self.still[low] + delta[list(eye.ends)].mean(0) + 0.15 * (1 - min(ratio, 1.0)) * span
        )
        out[up] = out[low] + span * ratio

    def __call__(self, i: int) -> MovedFace:
        """The still's face in frame ``i``, with head pose."""
        stable, out = self.track[i][STABLE], self.expression(i)
        base = self.track[0] if self._place is None else self._usual
        # Turned from the still's own pose by what the clip turns: unrolling a half-hidden cheek to an absolute pose looks torn.
        found = procrustes(base[STABLE], stable)
        turn = gentle(found.turn)
        if self._place is None:
            scale = float(np.clip(found.scale, 0.8, 1.25))
            k = self.size / max(head_size(base), 1e-6)
            to = self._centre[:2] + k * (stable.mean(0) - base[STABLE].mean(0))[:2]
            depth = self._centre[2]
        else:
            scale = float(np.clip(head_size(self.track[i]) / self.clip_size, 0.75, 1.35))
            to, depth = self._place(stable.mean(0)[:2]), 0.0
        return MovedFace(
            (out - self._centre) @ turn.T * scale + np.array([*to, depth]), turn, scale
        )


def _undone(moved: Similarity, face: Floats) -> Floats:
    """The face with a similarity taken back."""
    return (face - moved.shift) @ moved.turn / moved.scale


def _apart(face: Floats, a: int, b: int) -> float:
    return float(np.linalg.norm(face[a] - face[b]))


def _mouth_width(face: Floats) -> float:
    return _apart(face, 61, 291) / max(head_size(face), 1e-6)
