"""The two motions: poses over time, as loops without a seam.

Owns choreography. Keys are (time in beats, channel values); a channel that a key leaves out keeps
the curve between its other keys.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drawing.rig import CHANNELS, STANCE, Pose

Curve = npt.NDArray[np.float64]


def loop(keys: list[tuple[float, float]], length: float, count: int) -> Curve:
    """``count`` values of a smooth closed curve through the keys (monotone between them, so that nothing overshoots)."""
    at, value = np.array(sorted(keys)).T
    at = np.concatenate([at - length, at, at + length])
    value = np.tile(value, 3)
    step, rise = np.diff(at), np.diff(value)
    slope = rise / step
    before, after = slope[:-1], slope[1:]
    mean = np.where(
        before * after > 0,
        2 * before * after / np.where(before + after == 0, 1, before + after),
        0.0,
    )
    tangent = np.concatenate([[0.0], mean, [0.0]])
    t = np.arange(count) * length / count
    i = np.clip(np.searchsorted(at, t, side="right") - 1, 0, len(step) - 1)
    u = (t - at[i]) / step[i]
    h00, h10, h01, h11 = (
        2 * u**3 - 3 * u**2 + 1,
        u**3 - 2 * u**2 + u,
        -2 * u**3 + 3 * u**2,
        u**3 - u**2,
    )
    return np.asarray(
        h00 * value[i]
        + h10 * step[i] * tangent[i]
        + h01 * value[i + 1]
        + h11 * step[i] * tangent[i + 1]
    )


def rounded(curve: Curve, sigma: float) -> Curve:
    """A Gaussian over the closed curve: limbs have weight."""
    n = len(curve)
    distance = np.minimum(np.arange(n), n - np.arange(n))
    kernel = np.exp(-0.5 * (distance / sigma) ** 2)
    return np.fft.irfft(np.fft.rfft(curve) * np.fft.rfft(kernel / kernel.sum()), n)


def _poses(curves: dict[str, Curve], count: int) -> list[Pose]:
    return [
        Pose(**{name: float(curve[i]) for name, curve in curves.items() if name in CHANNELS})
        for i in range(count)
    ]


def _keyed(
    keys: list[tuple[float, dict[str, float]]], length: float, count: int, sigma: float
) -> dict[str, Curve]:
    names = {name for _, values in keys for name in values}
    return {
        name: rounded(loop([(t, v[name]) for t, v in keys if name in v], length, count), sigma)
        for name in sorted(names)
    }


def groove(count: int) -> list[Pose]:
    """Eight beats: step and touch from side to side; arms swing low for four beats, then wave overhead for four."""
    beats = 8.0
    t = np.arange(count) / count * beats
    steps = []
    for start in (0.0, 4.0):
        steps += [
            (
                start + 0,
                {
                    "left_foot": 0.10,
                    "right_foot": -0.32,
                    "x": -0.12,
                    "lean": 0.035,
                    "hips": -0.07,
                    "tilt": -0.10,
                    "turn": -0.012,
                },
            ),
            (
                start + 1,
                {
                    "left_foot": 0.36,
                    "right_foot": -0.30,
                    "x": 0.03,
                    "lean": 0.0,
                    "hips": 0.0,
                    "tilt": 0.02,
                    "turn": 0.0,
                },
            ),
            (
                start + 2,
                {
                    "left_foot": 0.34,
                    "right_foot": -0.10,
                    "x": 0.12,
                    "lean": -0.035,
                    "hips": 0.07,
                    "tilt": 0.10,
                    "turn": 0.012,
                },
            ),
            (
                start + 3,
                {
                    "left_foot": 0.32,
                    "right_foot": -0.34,
                    "x": -0.03,
                    "lean": 0.0,
                    "hips": 0.0,
                    "tilt": -0.02,
                    "turn": 0.0,
                },
            ),
        ]
    arms = [
        (0.0, {"left_upper": 0.42, "left_lower": 0.55, "right_upper": 0.62, "right_lower": 1.75}),
        (1.0, {"left_upper": 0.55, "left_lower": 1.10, "right_upper": 0.55, "right_lower": 1.10}),
        (2.0, {"left_upper": 0.62, "left_lower": 1.75, "right_upper": 0.42, "right_lower": 0.55}),
        (3.0, {"left_upper": 0.80, "left_lower": 1.60, "right_upper": 0.80, "right_lower": 1.60}),
        (4.0, {"left_upper": 2.25, "left_lower": 3.15, "right_upper": 2.05, "right_lower": 2.55}),
        (5.0, {"left_upper": 2.15, "left_lower": 2.85, "right_upper": 2.15, "right_lower": 2.85}),
        (6.0, {"left_upper": 2.05, "left_lower": 2.55, "right_upper": 2.25, "right_lower": 3.15}),
        (7.0, {"left_upper": 1.45, "left_lower": 2.35, "right_upper": 1.45, "right_lower": 2.35}),
    ]
    curves = _keyed(steps, beats, count, 2.2) | _keyed(arms, beats, count, 2.6)
    bounce = 0.5 - 0.5 * np.cos(2 * np.pi * t)  # down between the beats, up on them
    curves["drop"] = 0.012 + 0.045 * bounce
    curves["nod"] = 0.010 * bounce
    curves["shoulders"] = 0.05 * np.sin(np.pi * t / 2 + np.pi / 2)
    curves["left_lift"] = _hops(t, (0.0, 3.0, 4.0, 7.0))
    curves["right_lift"] = _hops(t, (1.0, 2.0, 5.0, 6.0))
    return _poses(curves, count)


def _hops(t: Curve, starts: tuple[float, ...]) -> Curve:
    """A foot that is in the air for the beat after each of ``starts``."""
    out = np.zeros_like(t)
    for start in starts:
        out += np.where(
            (t >= start) & (t < start + 1), np.sin(np.pi * np.clip(t - start, 0, 1)) ** 2 * 0.05, 0
        )
    return out


def hello(count: int) -> list[Pose]:
    """Ten counts: a wave with the right hand, then both arms sweep up, the body leans to either side, and the arms come down."""
    counts = 10.0
    rest = {"left_upper": 0.34, "left_lower": 0.22, "right_upper": 0.34, "right_lower": 0.22}
    keys = [
        (
            0.0,
            {
                **rest,
                "x": 0.0,
                "lean": 0.0,
                "tilt": 0.0,
                "hips": 0.0,
                "drop": 0.0,
                "turn": 0.0,
                "nod": 0.0,
            },
        ),
        (
            1.0,
            {
                "left_upper": 0.36,
                "left_lower": 0.30,
                "right_upper": 1.20,
                "right_lower": 2.75,
                "tilt": -0.10,
                "x": 0.03,
                "hips": 0.04,
                "turn": -0.008,
            },
        ),
        (1.5, {"right_upper": 1.30, "right_lower": 2.40}),
        (2.0, {"right_upper": 1.20, "right_lower": 3.05, "tilt": -0.13}),
        (2.5, {"right_upper": 1.30, "right_lower": 2.40}),
        (
            3.0,
            {
                "right_upper": 1.20,
                "right_lower": 3.00,
                "tilt": -0.10,
                "x": 0.03,
                "hips": 0.04,
                "turn": -0.008,
                "left_upper": 0.36,
                "left_lower": 0.30,
            },
        ),
        (
            4.0,
            {
                "right_upper": 0.55,
                "right_lower": 0.75,
                "left_upper": 0.55,
                "left_lower": 0.75,
                "tilt": 0.0,
                "x": 0.0,
                "hips": 0.0,
                "drop": 0.05,
                "lean": 0.0,
                "nod": 0.014,
                "turn": 0.0,
            },
        ),
        (4.8, {"right_upper": 1.35, "right_lower": 2.05, "left_upper": 1.35, "left_lower": 2.05}),
        (
            5.6,
            {
                "right_upper": 2.45,
                "right_lower": 3.05,
                "left_upper": 2.45,
                "left_lower": 3.05,
                "drop": -0.004,
                "lean": 0.0,
                "nod": -0.012,
            },
        ),
        (
            6.4,
            {
                "lean": 0.20,
                "x": -0.06,
                "hips": -0.06,
                "tilt": 0.05,
                "left_upper": 2.45,
                "left_lower": 3.0,
                "right_upper": 2.5,
                "right_lower": 3.15,
            },
        ),
        (7.1, {"lean": 0.0, "x": 0.0, "hips": 0.0, "tilt": 0.0}),
        (
            7.8,
            {
                "lean": -0.20,
                "x": 0.06,
                "hips": 0.06,
                "tilt": -0.05,
                "left_upper": 2.5,
                "left_lower": 3.15,
                "right_upper": 2.45,
                "right_lower": 3.0,
                "nod": 0.0,
            },
        ),
        (
            8.8,
            {
                "right_upper": 1.40,
                "right_lower": 1.9,
                "left_upper": 1.40,
                "left_lower": 1.9,
                "lean": 0.0,
                "x": 0.0,
                "tilt": 0.0,
                "drop": 0.03,
            },
        ),
        (
            9.5,
            {
                "right_upper": 0.55,
                "right_lower": 0.6,
                "left_upper": 0.55,
                "left_lower": 0.6,
                "nod": 0.012,
            },
        ),
    ]
    curves = _keyed(keys, counts, count, 2.6)
    breath = np.sin(2 * np.pi * np.arange(count) / count * 2)
    curves["shrug"] = 0.006 * breath
    curves["left_foot"], curves["right_foot"] = np.full(count, STANCE), np.full(count, -STANCE)
    return _poses(curves, count)
