"""A skeleton seen from the front: a pose in angles and steps becomes joints in pixels.

Owns human proportions. Lengths are in units (the trunk is 0.85), angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from drawing.brush import Points

TRUNK, NECK, UPPER_ARM, FOREARM, HAND, THIGH, SHIN, FOOT = (
    0.85,
    0.32,
    0.5,
    0.42,
    0.17,
    0.72,
    0.68,
    0.10,
)
HIP, STANCE = 0.14, 0.24
SOLE = 0.095  # from the ankle down to the ground


@dataclass(frozen=True)
class Pose:
    """How the person stands. Left is the person's own left, on the right of the picture; x grows to the right, y upwards.

    Arm angles: 0 hangs down, pi/2 points outwards, pi points up; ``*_lower`` is the forearm's own direction, not the elbow's angle.
    The defaults are the pose of rest: arms and legs a little away from the body.
    """

    x: float = 0.0
    drop: float = 0.0
    lean: float = 0.0
    hips: float = 0.0
    shoulders: float = 0.0
    shrug: float = 0.0
    tilt: float = 0.0
    turn: float = 0.0
    nod: float = 0.0
    left_upper: float = 0.68
    left_lower: float = 0.56
    right_upper: float = 0.68
    right_lower: float = 0.56
    left_hand: float = 0.0
    right_hand: float = 0.0
    left_foot: float = STANCE
    right_foot: float = -STANCE
    left_lift: float = 0.0
    right_lift: float = 0.0


CHANNELS = tuple(f.name for f in fields(Pose))


@dataclass(frozen=True)
class Joints:
    """Places in pixels. Pairs are (left, right)."""

    unit: float
    ground: float
    pelvis: Points
    neck: Points
    head: Points
    tilt: float
    turn: float
    nod: float
    shoulders: tuple[Points, Points]
    elbows: tuple[Points, Points]
    wrists: tuple[Points, Points]
    fingers: tuple[Points, Points]
    hips: tuple[Points, Points]
    knees: tuple[Points, Points]
    ankles: tuple[Points, Points]


def joints(
    pose: Pose, *, unit: float, centre: float, ground: float, shoulder: float = 0.29
) -> Joints:
    """Joints of a pose: ``unit`` pixels for one unit, the body's middle at ``centre``, its soles on ``ground``.

    ``shoulder`` is half the shoulders' width in units.
    """
    reach = THIGH + SHIN
    high = SOLE + float(np.sqrt(reach**2 - (STANCE - HIP) ** 2)) * 0.992 - pose.drop
    pelvis = np.array([centre / unit + pose.x, ground / unit - high])
    up = np.array([np.sin(pose.lean), -np.cos(pose.lean)])
    neck = pelvis + up * TRUNK
    across = _turned(pose.lean + pose.shoulders)
    waist = _turned(pose.lean * 0.3 + pose.hips)
    head_angle = pose.lean * 0.6 + pose.tilt
    head = neck + NECK * np.array(
        [np.sin((pose.lean + head_angle) / 2), -np.cos((pose.lean + head_angle) / 2)]
    )
    rows: list[tuple[Points, ...]] = []
    arms = (
        (pose.left_upper, pose.left_lower, pose.left_hand),
        (pose.right_upper, pose.right_lower, pose.right_hand),
    )
    feet = ((pose.left_foot, pose.left_lift), (pose.right_foot, pose.right_lift))
    for side, (upper, lower, hand), (foot, lift) in zip((1, -1), arms, feet, strict=True):
        raised = (
            max(0.0, upper - np.pi / 2) * 0.05 + pose.shrug
        )  # a shoulder follows an arm that goes up
        s = neck + across * side * (shoulder - 0.35 * raised) + np.array([0, 0.08 - raised])
        e = s + UPPER_ARM * np.array([side * np.sin(upper), np.cos(upper)])
        w = e + FOREARM * np.array([side * np.sin(lower), np.cos(lower)])
        f = w + HAND * np.array([side * np.sin(lower + hand), np.cos(lower + hand)])
        h = pelvis + waist * side * HIP
        a = np.array([centre / unit + foot, ground / unit - SOLE - lift])
        k = _knee(h, a, side)
        rows.append(tuple(point * unit for point in (s, e, w, f, h, k, a)))
    pairs = list(zip(*rows, strict=True))
    return Joints(
        unit,
        ground,
        pelvis * unit,
        neck * unit,
        head * unit,
        head_angle,
        pose.turn,
        pose.nod,
        *pairs,
    )


def _turned(angle: float) -> Points:
    return np.array([np.cos(angle), np.sin(angle)])


def _knee(hip: Points, ankle: Points, side: int) -> Points:
    """Seen from the front a bent knee comes half forwards, which shortens the leg, and half outwards."""
    line = ankle - hip
    length = float(np.linalg.norm(line))
    free = max(0.0, THIGH**2 - (length * THIGH / (THIGH + SHIN)) ** 2) ** 0.5
    normal = np.array([line[1], -line[0]]) / max(length, 1e-6) * side
    return hip + line * (THIGH / (THIGH + SHIN)) + normal * min(0.5 * free, 0.2)  # type: ignore[no-any-return]
