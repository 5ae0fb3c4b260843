"""The still's figure cut into trunk, arms and legs: which part owns a pixel. Knows one picture and its joints, and draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kling_utils.draft.skeleton import CHAINS, NECK, PELVIS, SEEN, Limb, chain, is_arm
from kling_utils.draft.warp import hull, segment_distance
from kling_utils.media.arrays import Bools, Floats, Floats32, Frame, Ints, f32, u8

# Half-widths of a limb's upper part, lower part, and hand or foot, in lengths of the trunk.
RADII = {"arm": (0.15, 0.12, 0.10), "leg": (0.21, 0.15, 0.15)}
REACH = {"arm": 1.6, "leg": 1.3}
"""Hands and feet go on past their last landmark."""
SHRINK = 2
"""Labels are found at half size."""
_FAR = 9.0
_TRUNK = 0


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """``label`` (height, width) holds each pixel's index into ``names``; index 0 is the trunk with the head."""

    label: Frame
    names: tuple[str, ...]
    limbs: tuple[Limb, ...]

    def where(self, names: Sequence[str]) -> Bools:
        """Pixels of the named parts."""
        return np.isin(self.label, [self.names.index(n) for n in names])


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """One segment of an arm: the arm's index, whether it is its upper part or its hand, and the distance in units of its thickness."""

    arm: int
    upper: bool
    hand: bool
    distance: Floats32
    mine: Bools
    """Where no other segment of the arm is nearer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    """Distance from each part in units of its thickness, (parts, h, w) at half size."""

    score: Floats32
    arms: list[int]
    rest: list[int]
    segments: list[_Segment]
    low: Bools
    """Well below the hips."""
    thin: int
    """Pixels, at half size, up to which something between the legs is a thread rather than a skirt."""


def seen_limbs(joints: Floats, height: int) -> tuple[Limb, ...]:
    """The limbs whose middle joint is visible in the still."""
    return tuple(
        x
        for x, (_, middle, *_) in CHAINS.items()
        if joints[middle, 3] >= SEEN and -0.1 * height < joints[middle, 1] < 1.05 * height
    )


def divide(image: Frame, alpha: Frame, joints: Floats, length: float) -> Labels:
    """Cut the figure; ``joints`` (35, 4) in pixels of the image, ``length`` of the trunk in pixels."""
    height, width = alpha.shape
    limbs = seen_limbs(joints, height)
    names = ("trunk", *limbs)
    label = _cut(image, alpha, _measure(joints, length, limbs, width, height), _skin(image, joints))
    return Labels(
        u8(cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST)), names, limbs
    )


def _measure(
    joints: Floats, length: float, limbs: Sequence[Limb], width: int, height: int
) -> _Scores:
    ys, xs = np.mgrid[0:height:SHRINK, 0:width:SHRINK].astype(np.float32)
    points = np.stack([xs, ys], -1).astype(np.float64)
    trunk = np.zeros(xs.shape, np.uint8)
    cv2.fillConvexPoly(trunk, hull(joints[[11, 12, 24, 23], :2] / SHRINK).astype(np.int32), 1)
    score = [
        f32(0.55 + cv2.distanceTransform(1 - trunk, cv2.DIST_L2, 3) * (SHRINK / (0.13 * length)))
    ]
    head = joints[[0, 7, 8], :2].mean(0)
    radius = 0.75 * max(float(np.linalg.norm(joints[7, :2] - joints[8, :2])), 0.3 * length)
    from_head = np.maximum(np.hypot(xs - head[0], ys - head[1]) - 1.1 * radius, 0) / (0.7 * radius)
    score[0] = f32(np.minimum(score[0], 0.4 + from_head))
    segments: list[_Segment] = []
    for k, limb in enumerate(limbs, 1):
        kind, c = limb[:3], chain(joints, limb)
        c[3] = c[2] + (c[3] - c[2]) * REACH[kind]
        near = np.stack(
            [
                f32(segment_distance(points, c[n], c[n + 1]) / (RADII[kind][n] * length))
                for n in range(3)
            ]
        )
        if is_arm(limb):
            nearest = np.argmin(near, 0)
            segments += [_Segment(k, n == 0, n == 2, near[n], nearest == n) for n in range(3)]
        score.append(near.min(0) + np.float32(0 if is_arm(limb) else 0.15))
    arms = [k for k, limb in enumerate(limbs, 1) if is_arm(limb)]
    low = np.asarray(ys > joints[PELVIS, 1] + 0.25 * length, np.bool_)
    rest = [k for k in range(len(score)) if k not in arms]
    return _Scores(np.stack(score), arms, rest, segments, low, max(3, int(0.2 * length / SHRINK)))


def _skin(image: Frame, joints: Floats) -> Floats:
    """Median Lab colour between eyes and mouth."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, hull(joints[[2, 5, 9, 10], :2]).astype(np.int32), 1)
    pixels = image[mask > 0].reshape(-1, 1, 3)
    if not len(pixels):
        return np.zeros(3)
    return np.asarray(
        np.median(cv2.cvtColor(pixels, cv2.COLOR_BGR2LAB).reshape(-1, 3), 0), np.float64
    )


def _cut(image: Frame, alpha: Frame, parts: _Scores, skin: Floats, sure: float = 0.35) -> Frame:
    """The nearest bone's part where that is clear; in between, a watershed finds the edge in the picture itself."""
    score, arms = parts.score, parts.arms
    ranked, near = np.sort(score, 0), np.argmin(score, 0)
    size = (near.shape[1], near.shape[0])
    small = u8(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    inside = u8(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)) > 20
    lead = ranked[1] - ranked[0] if len(ranked) > 1 else np.full(near.shape, _FAR)
    clear = (lead > sure) & (ranked[0] < np.where(np.isin(near, arms), 0.5, 0.8))
    marks = np.where(clear & inside, near + 2, 0).astype(np.int32)
    marks[u8(cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8))) == 0] = 1
    small = u8(cv2.bilateralFilter(small, 5, 30, 5))
    cv2.watershed(small, marks)
    label: Ints = np.where(marks >= 2, marks - 2, near).astype(np.int32)
    for k in arms:  # wide skirts and robes are not part of an arm
        _give(label, (label == k) & (score[k] > 1.7), parts)
    # between the legs: it would hang from the trunk as a thread when they part
    if len(parts.rest) > 1:
        whole = (label == _TRUNK).astype(np.uint8)
        opened = cv2.morphologyEx(
            whole,
            cv2.MORPH_OPEN,
            cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (parts.thin, parts.thin)),
        )
        thread = parts.low & (whole > opened)
        label[thread] = np.array(parts.rest[1:])[np.argmin(score[parts.rest[1:]][:, thread], 0)]
    label = u8(cv2.medianBlur(label.astype(np.uint8), 9)).astype(
        np.int32
    )  # before the colours: it would take the fingers off
    lab = f32(cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32))
    for piece in parts.segments:
        _sort_by_colour(label, lab, inside, piece, parts, skin)
    out = u8(cv2.medianBlur(label.astype(np.uint8), 3)).astype(np.int32)
    for k in arms:
        _give(out, _shreds((out == k) & inside), parts)
    if arms:  # an arm's rim is mixed with what lies behind it, and may look like cloth: it would hang in the air as a contour
        nearest = np.argmin(score[arms], 0)
        rim = _shreds(np.isin(out, parts.rest) & inside) & (
            score[arms].min(0) < score[parts.rest].min(0)
        )
        out[rim] = np.array(arms)[nearest[rim]]
    return u8(out)


def _shreds(mask: Bools) -> Bools:
    """Islands of under a twentieth of the largest one: a shred that flies along with a hand is worse than one that stays."""
    _, islands, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = stats[:, 4].copy()
    areas[0] = 0
    small = np.flatnonzero((areas > 0) & (areas < 0.05 * areas.max()))
    return np.asarray(np.isin(islands, small), np.bool_)


def _sort_by_colour(
    label: Ints, lab: Floats32, inside: Bools, piece: _Segment, parts: _Scores, skin: Floats
) -> None:
    """Where an arm or a hand rests on cloth, colour tells them apart, where the colours differ: in place.

    What looks like the cloth goes back to it; what looks like the hand, and hangs together with it, comes to the hand.
    """
    arm, distance = label == piece.arm, piece.distance
    core = (distance < 0.4) & arm & inside & piece.mine
    around = np.isin(label, parts.rest) & inside & (distance < 4.0) & (distance > 1.0)
    if core.sum() <= 10 or around.sum() <= 30:
        return
    own, other = np.median(lab[core], 0), np.median(lab[around], 0)
    # the landmarks lie on the cloth beside the hand
    if piece.hand and _differ(skin, other) and not _differ(own, other):
        own = skin
        core &= np.linalg.norm(lab - own, axis=2) < np.linalg.norm(lab - other, axis=2)
    # a sleeve's upper part goes over into the shoulder
    if not _differ(own, other) or (piece.upper and _differ(own, skin)):
        return
    to_own, to_other = np.linalg.norm(lab - own, axis=2), np.linalg.norm(lab - other, axis=2)
    cloth = (
        arm
        & inside
        & piece.mine
        & ((distance > 0.4) | ~core)
        & (to_other < (0.9 if piece.hand else 0.7) * to_own)
    )
    cloth = (
        u8(cv2.morphologyEx(cloth.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))) > 0
    )  # threads stay where they are
    _give(label, cloth, parts)
    beside = np.isin(label, parts.rest) & inside & (distance < 3.0) & (distance > 1.0)
    bare = (
        beside.any() and float(np.mean(to_own[beside] < 0.7 * to_other[beside])) > 0.25
    )  # a bare leg would come along
    if piece.hand and not bare:
        alike = ((distance < 3.0) & inside & (to_own < 0.8 * to_other)).astype(np.uint8)
        _, islands = cv2.connectedComponents(alike)
        touched = np.unique(islands[core & (alike > 0)])
        label[np.isin(islands, touched[touched > 0]) & np.isin(label, parts.rest)] = piece.arm


def _differ(a: Floats | Floats32, b: Floats | Floats32) -> bool:
    """Whether two Lab colours (of bytes) can be told apart."""
    return bool(np.linalg.norm(a - b) > 25)


def _give(label: Ints, where: Bools, parts: _Scores) -> None:
    """Give pixels to the nearest part that is not an arm."""
    label[where] = np.array(parts.rest)[np.argmin(parts.score[parts.rest][:, where], 0)]


def joined_legs(joints: Floats, inside: Bools, length: float) -> bool:
    """A skirt or a robe: figure all the way between the knees although they stand apart. Then both legs are one part."""
    a, b = joints[25, :2], joints[26, :2]
    if np.linalg.norm(a - b) < 0.12 * length:
        return False
    height, width = inside.shape
    line = np.linspace(a, b, 19)[2:-2].astype(int)
    return bool(
        inside[np.clip(line[:, 1], 0, height - 1), np.clip(line[:, 0], 0, width - 1)].mean() > 0.95
    )


def outline(mask: Bools, joints: Floats, *, trunk: bool) -> Bools:
    """Convex hull of a part: what it would cover if no arm lay over it. Hair and head do not widen the trunk."""
    seen = u8(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8)))
    if trunk:
        seen[: int(max(joints[NECK, 1], 0))] = 0
    own = cv2.findNonZero(seen)
    points = [] if own is None else [np.asarray(own, np.int32).reshape(-1, 2)]
    if trunk:
        points.append(joints[[11, 12, 24, 23], :2].astype(np.int32))
    out = np.zeros(mask.shape, np.uint8)
    if points:
        cv2.fillConvexPoly(out, hull(np.vstack(points).astype(np.float64)).astype(np.int32), 1)
    return out > 0


def pelvis_or_edge(joints: Floats, bottom: float, length: float) -> float:
    """Height of the hips, or well above the picture's lower edge when they are beyond it."""
    return float(min(joints[PELVIS, 1], bottom - 0.6 * length))
