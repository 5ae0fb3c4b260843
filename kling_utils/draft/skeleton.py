"""The figure's joints and limbs by name, on top of the body model's 33 points. Pure arithmetic; y grows downwards."""

from __future__ import annotations

from typing import Literal

import numpy as np

from kling_utils.media.arrays import Floats

Limb = Literal["arm_l", "arm_r", "leg_l", "leg_r"]
Part = Literal["trunk", "legs", "arm_l", "arm_r", "leg_l", "leg_r"]

NECK, PELVIS = 33, 34
"""Made-up joints: the middles of the shoulders and of the hips."""
TORSO = (11, 12, 23, 24)
CHAINS: dict[Limb, tuple[int, int, int, int]] = {
    "arm_l": (11, 13, 15, 19),
    "arm_r": (12, 14, 16, 20),
    "leg_l": (23, 25, 27, 31),
    "leg_r": (24, 26, 28, 32),
}
MIRROR: dict[Limb, Limb] = {"arm_l": "arm_r", "arm_r": "arm_l", "leg_l": "leg_r", "leg_r": "leg_l"}
SEEN = 0.35
"""Visibility from which a joint is believed."""


def is_arm(name: str) -> bool:
    """Whether the limb or part is an arm."""
    return name.startswith("arm")


def joints(points: Floats) -> Floats:
    """(..., 33, 4) -> (..., 35, 4), with neck and pelvis."""
    neck = (points[..., 11:12, :] + points[..., 12:13, :]) / 2
    pelvis = (points[..., 23:24, :] + points[..., 24:25, :]) / 2
    return np.concatenate([points, neck, pelvis], -2)


def chain(points: Floats, limb: Limb) -> Floats:
    """(..., n, 4) -> (..., 4, 2): root, middle, end of a limb, and its hand (between the knuckles) or toe."""
    a, b, c, end = CHAINS[limb]
    tip = (
        (points[..., end, :2] + points[..., end - 2, :2]) / 2
        if is_arm(limb)
        else points[..., end, :2]
    )
    return np.stack([points[..., a, :2], points[..., b, :2], points[..., c, :2], tip], -2)


def spans(points: Floats, limb: Limb) -> Floats:
    """(..., n, 4) -> (..., 3): lengths of a limb's segments in the picture."""
    return np.asarray(np.linalg.norm(np.diff(chain(points, limb), axis=-2), axis=-1))


def trunk_length(points: Floats) -> Floats:
    """Length of the trunk of (..., 33, 4) in the picture; never under 0.9 of the shoulders' width, so that a bow does not shrink it."""
    neck, pelvis = (
        (points[..., 11, :2] + points[..., 12, :2]) / 2,
        (points[..., 23, :2] + points[..., 24, :2]) / 2,
    )
    shoulders = np.linalg.norm(points[..., 11, :2] - points[..., 12, :2], axis=-1)
    return np.asarray(np.maximum(np.linalg.norm(neck - pelvis, axis=-1), 0.9 * shoulders))


def angle(v: Floats) -> Floats:
    """Direction of (..., 2) in radians."""
    return np.asarray(np.arctan2(v[..., 1], v[..., 0]))


def wrap(a: Floats | float) -> Floats:
    """Angles brought into -pi .. pi."""
    return np.asarray((a + np.pi) % (2 * np.pi) - np.pi)


def turned(v: Floats, by: float) -> Floats:
    """(2,) turned by radians."""
    c, s = np.cos(by), np.sin(by)
    return np.array([c * v[0] - s * v[1], s * v[0] + c * v[1]])
