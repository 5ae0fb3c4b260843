"""From the clip's landmarks to the character's pose: the clip's bone angles on the character's own proportions.

Pure arithmetic: knows no picture and no net. Lengths are in the pixels of the still; the clip may have other pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kling_utils.draft.skeleton import (
    CHAINS,
    MIRROR,
    NECK,
    PELVIS,
    SEEN,
    TORSO,
    Limb,
    angle,
    chain,
    is_arm,
    joints,
    spans,
    turned,
    wrap,
)
from kling_utils.draft.tracks import hysteresis
from kling_utils.media.arrays import Floats

Place = Callable[[Floats], Floats]
"""Points of the clip (2,) -> points of the canvas."""


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """The character's joints in one frame, in pixels of the still."""

    chains: dict[Limb, Floats]
    """Each limb's (4, 2): root, middle, end, tip."""
    torso: Floats
    """(4, 2): shoulders and hips, left before right."""
    head_angle: float
    """How far the head is turned in the picture from the still's, radians."""
    head_shift: Floats
    """(2,): how far the head moves on its neck."""
    behind: dict[Limb, bool]
    """Limbs that are drawn behind the trunk."""


class Retarget:
    """``still`` (33, 4) and ``track`` (n, 33, 4), smoothed, visibility last. ``pose(i)`` is a pure function of the frame.

    ``relative`` (image orientation): frame 0 is the still's own pose, and joints settle on the clip's angles within ``settle`` seconds;
    else ``place`` puts the clip's points on the canvas. Angles that stayed relative would carry a tilted first frame for ever.
    ``cut``: the figure leaves the picture at the lower edge, so it is never lifted.
    """

    def __init__(
        self,
        still: Floats,
        track: Floats,
        *,
        frame_rate: float,
        relative: bool,
        settle: float = 0.8,
        place: Place | None = None,
        cut: bool = False,
    ) -> None:
        self.s, self.v = joints(still), joints(track)
        self._rate, self._relative, self._settle, self._place, self._cut = (
            frame_rate,
            relative,
            settle,
            place,
            cut,
        )
        s, v = self.s, self.v
        # half bodies have no reliable hips: then the shoulders give the scale
        self.hips = bool(v[:, [23, 24], 3].mean() > 0.5 and s[[23, 24], 3].mean() > 0.5)
        ends = (NECK, PELVIS) if self.hips else (11, 12)
        self._still_size = _length(s, *ends)
        self.scale = self._still_size / max(float(np.percentile(_lengths(v, *ends), 80)), 1e-3)
        """Pixels of the still for one of the clip."""
        self._bones: dict[Limb, Floats] = {}
        self._clip_bones: dict[Limb, Floats] = {}
        for limb, other in MIRROR.items():
            # true bone lengths: of the still the longer side, of the clip a high percentile of both: bones are never longer than true
            self._bones[limb] = np.maximum(*(spans(s, x) for x in (limb, other)))
            self._clip_bones[limb] = np.maximum(
                *(np.percentile(spans(v, x), 92, axis=0) for x in (limb, other))
            )
        self._widths = {
            a: max(float(np.percentile(_lengths(v, a, b), 85)), 1e-3)
            for a, b in ((11, 12), (23, 24))
        }
        self._head_offset = np.median(_head_offset(v), 0)
        self._behind = {limb: self._goes_behind(limb) for limb in CHAINS}

    def _goes_behind(self, limb: Limb) -> list[bool]:
        if not is_arm(limb):
            return [False] * len(self.v)
        root, _, end, _ = CHAINS[limb]
        depth = (self.v[:, end, 2] - self.v[:, root, 2]) * self.scale / max(self._still_size, 1e-3)
        return [bool(b) for b in hysteresis(depth, on=0.3, off=0.15)]

    def pose(self, i: int) -> Pose:
        """The character in frame ``i`` of the clip."""
        w = (
            max(0.0, 1 - i / self._rate / self._settle) ** 2 if self._relative else 0.0
        )  # how much of the still's own pose is left
        torso = self._torso(i, w)
        chains = {limb: self._limb(i, limb, torso[root], w) for limb, (root, *_) in CHAINS.items()}
        turn, shift = self._head(i, w)
        return Pose(
            chains,
            np.stack([torso[j] for j in TORSO]),
            turn,
            shift,
            {limb: self._behind[limb][i] for limb in CHAINS},
        )

    def _torso(self, i: int, w: float) -> dict[int, Floats]:
        s, v, first, k = self.s[:, :2], self.v[i, :, :2], self.v[0, :, :2], self.scale
        base = PELVIS if self.hips else NECK
        root = (
            self._place(v[base])
            if self._place is not None and not self._relative
            else s[base] + k * (v[base] - first[base])
        )
        torso: dict[int, Floats] = {}
        for pair in ((11, 12), (23, 24)) if self.hips else ((11, 12),):
            middle = (v[pair[0]] + v[pair[1]]) / 2
            widen = float(np.linalg.norm(s[pair[0]] - s[pair[1]])) / self._widths[pair[0]]
            for j in pair:
                own = (
                    k * (middle - v[base]) + (v[j] - middle) * widen
                )  # the clip's shape at the still's widths
                relative = s[j] - s[base] + k * ((v[j] - v[base]) - (first[j] - first[base]))
                torso[j] = root + w * relative + (1 - w) * own
        if self._cut:
            ids = list(torso)
            up = np.mean([torso[j] for j in ids], 0) - np.mean(s[ids], 0)
            torso = {j: p + np.array([0.0, max(-up[1], 0.0)]) for j, p in torso.items()}
        if not self.hips:  # the hips hang from the shoulders and follow half of their tilt
            shift = (torso[11] + torso[12]) / 2 - s[NECK]
            tilt = float(wrap(angle(torso[11] - torso[12]) - angle(s[11] - s[12]))) * 0.5
            torso |= {j: s[NECK] + shift + turned(s[j] - s[NECK], tilt) for j in (23, 24)}
        return torso

    def _limb(self, i: int, limb: Limb, root: Floats, w: float) -> Floats:
        s, v = self.s, self.v[i]
        a, b, c, _ = CHAINS[limb]
        seen = min(v[b, 3], v[a, 3]) > SEEN and s[b, 3] > SEEN
        seen_end = seen and v[c, 3] > 0.3 and s[c, 3] > 0.3
        now, first, own = (np.diff(chain(p, limb), axis=0) for p in (v, self.v[0], s))
        points = [root]
        for n in range(3):
            direction, length = float(angle(own[n])), float(np.linalg.norm(own[n]))
            if seen if n == 0 else seen_end:
                wanted = float(angle(now[n]))
                direction = wanted + w * float(wrap(direction - float(angle(first[n]))))
                short = float(np.linalg.norm(now[n])) / max(
                    float(self._clip_bones[limb][n]), 1e-3
                )  # foreshortening
                if n == 2:
                    true = length * float(
                        np.clip(short, 0.8, 1.0) if is_arm(limb) else np.clip(short, 0.5, 1.1)
                    )
                else:
                    true = float(self._bones[limb][n]) * float(np.clip(short, 0.3, 1.05))
                length = true + w * (length - true)
            points.append(points[-1] + length * np.array([np.cos(direction), np.sin(direction)]))
        return np.array(points)

    def _head(self, i: int, w: float) -> tuple[float, Floats]:
        v, first = self.v[i], self.v[0]
        tilt = float(angle(v[7, :2] - v[8, :2]))
        turn = w * wrap(tilt - float(angle(first[7, :2] - first[8, :2]))) + (1 - w) * wrap(
            tilt - float(angle(self.s[7, :2] - self.s[8, :2]))
        )
        rest = w * _head_offset(first) + (1 - w) * self._head_offset
        return float(np.clip(turn, -0.6, 0.6)), self.scale * (_head_offset(v) - rest)


def _lengths(points: Floats, a: int, b: int) -> Floats:
    return np.asarray(np.linalg.norm(points[..., a, :2] - points[..., b, :2], axis=-1))


def _length(points: Floats, a: int, b: int) -> float:
    return float(_lengths(points, a, b))


def _head_offset(points: Floats) -> Floats:
    """Where the head is on its neck: middle of nose and ears, from the neck."""
    return np.asarray(
        (points[..., 0, :2] + points[..., 7, :2] + points[..., 8, :2]) / 3 - points[..., NECK, :2]
    )
