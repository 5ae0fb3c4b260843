"""A head and shoulders as one mesh: landmarks inside the face, a regular grid over hair, neck and shoulders; and a painted mouth.

Owns how a portrait is bent and drawn.
"""

from __future__ import annotations

import cv2
import numpy as np

from kling_utils.draft.face import (
    CHIN,
    LIPS_INSIDE,
    OVAL,
    SHUT,
    STABLE,
    MovedFace,
    mouth_open,
)
from kling_utils.draft.warp import Layer, delaunay, grid_mesh, hull
from kling_utils.media.arrays import Floats, Floats32, Frame, f32

_UPPER_LIP = LIPS_INSIDE[:11]
_TEETH = 8
"""That are seen in a row."""


class Portrait:
    """``color`` and ``alpha`` of the figure on the canvas, ``face`` (468, 3) there; ``shoulders`` (2, 2) where they are known."""

    def __init__(
        self, color: Frame, alpha: Frame, face: Floats, shoulders: Floats | None = None
    ) -> None:
        height, width = alpha.shape
        self._face = face
        size = float(np.ptp(face[:, 1]))
        step = max(8, int(size / 9))
        verts, _ = grid_mesh(alpha > 4, step)
        outline = hull(face[:, :2])
        inside = np.array(
            [cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in verts]
        )
        self._grid = verts[inside < -0.35 * step].astype(np.float64)
        points = f32(np.concatenate([face[:, :2], self._grid]))
        tris = delaunay(points, width, height)
        self._layer = Layer(color, alpha, points, tris)
        depth = np.concatenate([face[:, 2], np.full(len(self._grid), face[OVAL, 2].max() + 1)])
        self._order = np.argsort(-depth[tris].mean(1)).astype(np.int32)  # far triangles first
        self._shut = mouth_open(face) < SHUT
        self._head_weight = _head_weights(self._grid, face, size, shoulders)
        apart = np.linalg.norm(self._grid[:, None] - face[OVAL][None, :, :2], axis=2)
        nearness = 1 / (apart + 1) ** 3
        self._oval_weights = nearness / nearness.sum(1, keepdims=True)
        self._near = np.exp(-np.square(apart.min(1) / (0.25 * size)))
        self._depth = (self._oval_weights @ face[OVAL, 2]) * self._near + np.percentile(
            face[:, 2], 90
        ) * (1 - self._near)

    def verts(self, moved: MovedFace, body_move: Floats) -> Floats32:
        """Where every vertex goes. ``body_move`` (2,): how far the shoulders go."""
        before, after = self._face[STABLE].mean(0), moved.points[STABLE].mean(0)

        def rigid(points: Floats) -> Floats:
            return np.asarray(((points - before) @ moved.turn.T * moved.scale + after)[:, :2])

        soft = self._oval_weights @ (
            moved.points[OVAL, :2] - rigid(self._face[OVAL])
        )  # the jaw takes its skin along
        head = rigid(np.column_stack([self._grid, self._depth])) + soft * self._near[:, None]
        w = self._head_weight[:, None]
        return f32(
            np.concatenate([moved.points[:, :2], w * head + (1 - w) * (self._grid + body_move)])
        )

    def draw(self, out: Frame, moved: MovedFace, body_move: Floats) -> None:
        """Draw the portrait onto ``out`` in place."""
        self._layer.draw(out, self.verts(moved, body_move), order=self._order)
        if self._shut and mouth_open(moved.points) > 0.03:
            paint_mouth(out, moved.points, self._layer.color, self._face)


def _head_weights(grid: Floats, face: Floats, size: float, shoulders: Floats | None) -> Floats:
    """How much each grid point goes with the head (1) rather than with the shoulders (0)."""
    centre = face[STABLE, :2].mean(0)
    below = (grid[:, 1] - face[CHIN, 1]) / size
    neck = (
        max(float(shoulders[:, 1].mean() - face[CHIN, 1]) / size, 0.25)
        if shoulders is not None
        else 0.5
    )
    u = np.clip((below + 0.10) / (neck * 0.95), 0, 1)
    far = np.clip(
        (np.hypot(np.abs(grid[:, 0] - centre[0]) / size, (grid[:, 1] - centre[1]) / size) - 0.75)
        / 0.9,
        0,
        1,
    )
    return np.asarray((1 - u * u * (3 - 2 * u)) * (1 - far * 0.35))


def paint_mouth(out: Frame, face: Floats, color: Frame, still: Floats) -> None:
    """The inside of an opened mouth for a still whose mouth is shut: dark cavity, tongue, upper teeth, soft at the lips.

    ``face`` is where it goes; lip and skin colours are taken from ``color`` at the points of ``still``.
    """
    polygon = face[LIPS_INSIDE, :2]
    low = np.maximum(np.floor(polygon.min(0)).astype(int) - 3, 0)
    high = np.minimum(np.ceil(polygon.max(0)).astype(int) + 4, (out.shape[1], out.shape[0]))
    if (high - low).min() < 4:
        return
    shape = (int(high[1] - low[1]), int(high[0] - low[0]))
    wide = float(np.linalg.norm(face[78, :2] - face[308, :2]))
    tall = float(np.linalg.norm(face[13, :2] - face[14, :2]))
    soft = max(1.0, wide / 30)
    lip, skin = _colour_at(color, still[17]), _colour_at(color, still[4])
    middle = polygon.mean(0)
    # a little over the dark seam between the lips
    grown = (
        middle
        + (polygon - middle) * 1.03
        + np.sign(polygon - middle) * [0, min(0.025 * wide, 0.12 * tall)]
    )
    mask = _polygon(shape, grown - low)
    inner = np.empty((*shape, 3), np.float32)
    inner[:] = lip * np.array([0.18, 0.16, 0.28], np.float32)

    tongue = np.zeros(shape, np.float32)
    cx, cy = (face[14, :2] - low - np.array([0, 0.12 * tall])).astype(int).tolist()
    cv2.ellipse(
        tongue, (cx, cy), (max(2, int(wide * 0.28)), max(2, int(tall * 0.38))), 0, 0, 360, 1.0, -1
    )
    tongue = _blurred(tongue, soft * 1.5)[..., None]
    inner = inner * (1 - tongue) + lip * np.array([0.55, 0.5, 0.75], np.float32) * tongue

    teeth, ivory = _teeth(shape, face, low, min(0.5 * tall, 0.16 * wide), soft), _ivory(skin)
    inner = inner * (1 - teeth) + ivory * teeth

    inner = inner * (np.float32(0.55) + np.float32(0.45) * _blurred(mask, soft * 2)[..., None])
    edge = _blurred(mask, max(0.8, soft * 0.35))[..., None]
    view = out[low[1] : high[1], low[0] : high[0]]
    view[:] = np.clip(inner * edge + view * (1 - edge), 0, 255).astype(np.uint8)


def _teeth(shape: tuple[int, int], face: Floats, low: Floats, deep: float, soft: float) -> Floats32:
    """How much of the upper teeth is seen in each pixel, (h, w, 1): a row that is rounded below, darker to the sides and in the gaps."""
    right, left = face[_UPPER_LIP[0], :2], face[_UPPER_LIP[-1], :2]
    along = (left - right) / max(float(np.linalg.norm(left - right)), 1e-3)
    down = np.array([-along[1], along[0]])
    u = np.linspace(-1, 1, 4 * len(_UPPER_LIP) - 3)
    stations = np.linspace(-1, 1, len(_UPPER_LIP))
    top = np.column_stack([np.interp(u, stations, face[_UPPER_LIP, k] - low[k]) for k in (0, 1)])
    gap = np.abs(
        np.sin(u * _TEETH * np.pi / 2)
    )  # 1 in the middle of a tooth; an even number, so a gap lies in the middle of the row
    fall = np.sqrt(np.maximum(1 - u * u, 0)) * (0.86 + 0.14 * gap)
    row = _blurred(
        _polygon(shape, np.vstack([top, (top + (deep * fall)[:, None] * down)[::-1]])), soft * 0.4
    )
    ys, xs = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    middle, half = (right + left) / 2 - low, max(float(np.linalg.norm(left - right)) / 2, 1.0)
    across = f32(((xs - middle[0]) * along[0] + (ys - middle[1]) * along[1]) / half)
    lines = np.exp(
        -np.square(np.sin(across * _TEETH * np.pi / 2) * (2 * half / (_TEETH * 0.9 * soft)))
    )
    return f32(row * (1 - 0.45 * np.square(across)) * (1 - 0.16 * lines))[..., None]


def _ivory(skin: Floats32) -> Floats32:
    """The colour of teeth in that light."""
    return f32(np.array([0.86, 0.93, 0.97], np.float32) * min(float(skin.max()) * 1.05, 245.0))


def _colour_at(color: Frame, point: Floats) -> Floats32:
    y, x = (
        np.clip(int(point[1]), 0, color.shape[0] - 1),
        np.clip(int(point[0]), 0, color.shape[1] - 1),
    )
    return f32(color[y, x])


def _polygon(shape: tuple[int, int], points: Floats) -> Floats32:
    """1 inside the polygon, with smooth edges."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / np.float32(255)


def _blurred(x: Floats32, sigma: float) -> Floats32:
    return f32(cv2.GaussianBlur(x, (0, 0), sigma))
