"""Bodies that are made up, point by point: what the engine's arithmetic is tried on."""

from __future__ import annotations

import numpy as np

from kling_utils.media.arrays import Floats


def figure(
    *,
    scale: float = 1.0,
    arm: float = 1.0,
    at: tuple[float, float] = (0, 0),
    raised: float = np.pi / 2,
) -> Floats:
    """A body (33, 4): ``arm`` scales the arms, ``raised`` is the direction of the left arm (0: to the right, pi/2: down)."""
    p = np.zeros((33, 4))
    p[:, 3] = 1.0
    p[:11, :2] = (0, -40)
    p[7, :2], p[8, :2] = (8, -40), (-8, -40)
    p[[9, 10], :2] = (0, -30)
    for left, right, x, y in (
        (11, 12, 25, 0),
        (23, 24, 15, 80),
        (25, 26, 15, 150),
        (27, 28, 15, 220),
        (31, 32, 20, 230),
        (29, 30, 10, 228),
    ):
        p[left, :2], p[right, :2] = (x, y), (-x, y)
    for root, way, side in ((11, raised, (13, 15, 17, 19)), (12, np.pi / 2, (14, 16, 18, 20))):
        step = arm * np.array([np.cos(way), np.sin(way)])
        elbow, wrist, knuckle, finger = side
        p[elbow, :2] = p[root, :2] + 45 * step
        p[wrist, :2] = p[root, :2] + 85 * step
        p[[knuckle, finger], :2] = p[root, :2] + 95 * step
    p[:, :2] = p[:, :2] * scale + at
    return p
