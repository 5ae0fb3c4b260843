"""Landmarks over time: gaps closed, jitter smoothed. Pure arithmetic on arrays whose first axis is the frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kling_utils.media.arrays import Bools, Floats


def savgol(x: Floats, window: int = 7, order: int = 2) -> Floats:
    """Savitzky-Golay smoothing along axis 0, without lag: the whole track is known before anything is drawn.

    Shorter tracks than ``window`` frames come back as they are. A polynomial of ``order`` passes unchanged, ends included for order 1.
    """
    n, half = len(x), window // 2
    if n < window:
        return x
    kernel = np.linalg.pinv(np.vander(np.arange(-half, half + 1), order + 1, increasing=True))[0]
    flat = x.reshape(n, -1)
    padded = np.concatenate(
        [2 * flat[:1] - flat[half:0:-1], flat, 2 * flat[-1:] - flat[-2 : -half - 2 : -1]]
    )
    out = np.zeros_like(flat)
    for i, k in enumerate(kernel):
        out += k * padded[i : i + n]
    return out.reshape(x.shape)


def bridge(rows: Sequence[Floats | None]) -> Floats | None:
    """Rows with gaps -> (n, ...) with the gaps interpolated, ends held; None when every row is missing."""
    seen = [i for i, row in enumerate(rows) if row is not None]
    if not seen:
        return None
    known = np.stack([row for row in rows if row is not None]).astype(np.float64)
    at = np.arange(len(rows))
    columns = [np.interp(at, seen, column) for column in known.reshape(len(seen), -1).T]
    return np.stack(columns, 1).reshape((len(rows), *known.shape[1:]))


def hysteresis(x: Floats, *, on: float, off: float) -> Bools:
    """A switch over time: on above ``on``, off again below ``off``, so that it does not flicker between the two."""
    out = np.zeros(len(x), np.bool_)
    state = False
    for i, value in enumerate(x):
        state = bool(value > (off if state else on))
        out[i] = state
    return out
