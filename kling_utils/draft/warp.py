"""Triangle meshes: piecewise affine backward warps, drawn layer by layer over a background. Knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from kling_utils.media.arrays import Bools, Floats, Floats32, Frame, Ints, f32, u8

STEP = 2
"""Maps are computed for every second pixel and enlarged: 24 % (720p) to 36 % (1080p) of drawing saved; coarser brings little."""


class Layer:
    """A textured mesh: ``color`` BGR (pulled outwards past its edge), ``alpha`` bytes, ``verts`` (n, 2) pixels of both, ``tris`` (m, 3)."""

    def __init__(self, color: Frame, alpha: Frame, verts: Floats32, tris: Ints) -> None:
        self.color, self.alpha, self.verts, self.tris = (
            color,
            alpha,
            f32(verts),
            np.asarray(tris, np.int32),
        )
        self._used = np.unique(self.tris)
        self._corners = self.verts[self.tris]
        self._edges = np.stack(
            [self._corners[:, 1] - self._corners[:, 0], self._corners[:, 2] - self._corners[:, 0]],
            2,
        )

    def draw(
        self, out: Frame, verts: Floats32, *, order: Ints | None = None, step: int = STEP
    ) -> None:
        """Composite the layer onto ``out`` in place, its vertices moved to ``verts``; ``order`` draws triangles back to front."""
        found = self._maps(f32(verts), out.shape[1], out.shape[0], order, step)
        if found is None:
            return
        uv, (x0, y0, x1, y1) = found
        xy, fraction = cv2.convertMaps(uv, np.empty(0), cv2.CV_16SC2)
        color = cv2.remap(
            self.color, xy, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        alpha = cv2.remap(
            self.alpha, xy, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        weight = f32(alpha) * np.float32(1 / 255)
        view = out[y0:y1, x0:x1]
        view[:] = cv2.blendLinear(color, np.ascontiguousarray(view), weight, 1 - weight)

    def _maps(
        self, dst: Floats32, width: int, height: int, order: Ints | None, step: int
    ) -> tuple[Floats32, tuple[int, int, int, int]] | None:
        """Where each pixel of the destination's box comes from, (h, w, 2), and the box; None when nothing is in view."""
        low, high = dst[self._used].min(0), dst[self._used].max(0)
        x0, y0 = max(int(np.floor(low[0])) - step, 0), max(int(np.floor(low[1])) - step, 0)
        x1, y1 = min(int(np.ceil(high[0])) + step, width), min(int(np.ceil(high[1])) + step, height)
        if x1 - x0 < 2 * step or y1 - y0 < 2 * step:
            return None
        cells_x, cells_y = -(-(x1 - x0) // step), -(-(y1 - y0) // step)
        corners = f32((dst - np.array([x0, y0], np.float32)) / np.float32(step))[
            self.tris
        ]  # (m, 3, 2) in the small grid
        coefficients, flat = self._affines(corners)
        ids = np.zeros((cells_y, cells_x), np.int32)
        outlines = np.round(corners * 16).astype(np.int32)
        sequence = np.arange(len(corners)) if order is None else order
        for i in sequence[~flat[sequence]]:
            cv2.fillConvexPoly(ids, outlines[i], int(i) + 1, cv2.LINE_8, 4)
        c = coefficients[ids]
        gx, gy = (
            np.arange(cells_x, dtype=np.float32)[None],
            np.arange(cells_y, dtype=np.float32)[:, None],
        )
        uv = np.stack(
            [
                c[..., 0] * gx + c[..., 1] * gy + c[..., 4],
                c[..., 2] * gx + c[..., 3] * gy + c[..., 5],
            ],
            -1,
        )
        # sample k of the small grid sits at k * step, which plain resizing would shift by half a cell
        if step > 1:
            enlarge = np.array([[step, 0, 0], [0, step, 0]], np.float32)
            uv = f32(
                cv2.warpAffine(
                    uv,
                    enlarge,
                    (x1 - x0, y1 - y0),
                    flags=cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REPLICATE,
                )
            )
        return uv, (x0, y0, x1, y1)

    def _affines(self, corners: Floats32) -> tuple[Floats32, Bools]:
        """Destination -> source for each triangle, (m + 1, 6) with row 0 for "outside"; and which triangles are flat."""
        e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        det = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
        flat = np.abs(det) <= 1e-4
        d = np.where(flat, np.float32(1), det)
        inverse = np.stack(
            [
                np.stack([e2[:, 1] / d, -e2[:, 0] / d], 1),
                np.stack([-e1[:, 1] / d, e1[:, 0] / d], 1),
            ],
            1,
        )
        m = np.einsum("nij,njk->nik", self._edges, inverse)
        offset = self._corners[:, 0] - np.einsum("nij,nj->ni", m, corners[:, 0])
        outside = np.array([[0, 0, 0, 0, -1e4, -1e4]], np.float32)
        return np.vstack([outside, np.concatenate([m.reshape(-1, 4), offset], 1)]).astype(
            np.float32
        ), flat


def grid_mesh(mask: Bools, step: int) -> tuple[Floats32, Ints]:
    """Regular triangles over every cell of ``step`` pixels that touches ``mask`` or neighbours one that does: verts (n, 2), tris (m, 3)."""
    height, width = mask.shape
    across, down = -(-width // step), -(-height // step)
    padded = np.zeros((down * step, across * step), np.uint8)
    padded[:height, :width] = mask
    touched = padded.reshape(down, step, across, step).max((1, 3))
    cells = u8(cv2.dilate(touched, np.ones((3, 3), np.uint8))) > 0
    ys, xs = np.nonzero(cells)
    corner = np.zeros((down + 1, across + 1), np.bool_)
    for dy in (0, 1):
        for dx in (0, 1):
            corner[ys + dy, xs + dx] = True
    vy, vx = np.nonzero(corner)
    index = np.full((down + 1, across + 1), -1, np.int32)
    index[vy, vx] = np.arange(len(vy))
    a, b, c, d = index[ys, xs], index[ys, xs + 1], index[ys + 1, xs + 1], index[ys + 1, xs]
    return np.column_stack([vx, vy]).astype(np.float32) * step, np.concatenate(
        [np.column_stack([a, b, c]), np.column_stack([a, c, d])]
    )


def delaunay(points: Floats32, width: int, height: int) -> Ints:
    """Delaunay triangles (m, 3) of the (n, 2) points, which may lie outside the picture."""
    mesh = cv2.Subdiv2D((-4000, -4000, width + 8000, height + 8000))
    index: dict[tuple[float, float], int] = {}
    for i, p in enumerate(np.round(points.astype(np.float64), 2)):
        mesh.insert((float(p[0]), float(p[1])))
        index[_key(np.float32(p[0]), np.float32(p[1]))] = i
    found = (
        [index.get(_key(t[j], t[j + 1])) for j in (0, 2, 4)]
        for t in np.asarray(mesh.getTriangleList(), np.float32)
    )
    return np.array([t for t in found if None not in t], np.int32).reshape(-1, 3)


def _key(x: np.float32, y: np.float32) -> tuple[float, float]:
    return round(float(x), 2), round(float(y), 2)


def skin(verts: Floats32, weights: Floats, mats: Floats) -> Floats32:
    """Linear blend skinning: verts (n, 2), weights (n, b) with rows that sum to 1, mats (b, 2, 3) -> (n, 2)."""
    h = np.column_stack([verts, np.ones(len(verts))])
    return np.asarray(np.einsum("nb,bij,nj->ni", weights, mats, h, optimize=True), np.float32)


def segment_distance(points: Floats, a: Floats, b: Floats) -> Floats:
    """Distance of (..., 2) points from the segment a-b."""
    ab = b - a
    t = np.clip(((points - a) @ ab) / max(float(ab @ ab), 1e-6), 0, 1)
    return np.asarray(np.linalg.norm(points - a - t[..., None] * ab, axis=-1))


def bone(a: Floats, b: Floats, to_a: Floats, to_b: Floats) -> Floats:
    """(2, 3) affine that takes the segment a-b to its new ends and keeps its width."""
    u, v = b - a, to_b - to_a
    before, after = max(float(np.linalg.norm(u)), 1e-3), max(float(np.linalg.norm(v)), 1e-3)
    u, v = u / before, v / after
    across, to_across = np.array([-u[1], u[0]]), np.array([-v[1], v[0]])
    m = np.outer(v, u) * (after / before) + np.outer(to_across, across)
    return np.column_stack([m, to_a - m @ a])


def similarity(centre: Floats, turn: float, scale: float, to: Floats) -> Floats:
    """(2, 3): turn by radians and scale about ``centre``, which goes to ``to``."""
    m = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([m, to - m @ centre])


def fitted_affine(src: Floats, dst: Floats, *, least: float = 0.6, most: float = 1.25) -> Floats:
    """Least-squares (2, 3) affine over point pairs, kept from collapsing or mirroring.

    A trunk that turns sideways keeps ``least`` of its width; one seen from behind is only moved: the drawing has no back.
    """
    fit = np.linalg.lstsq(np.column_stack([src, np.ones(len(src))]), dst, rcond=None)[0].T
    u, d, vt = np.linalg.svd(fit[:, :2])
    if np.linalg.det(u @ vt) < 0:
        u, vt, d = np.eye(2), np.eye(2), np.ones(2)
    m = u @ np.diag(np.clip(d, least, most)) @ vt
    return np.column_stack([m, dst.mean(0) - m @ src.mean(0)])


def moved(points: Floats, m: Floats) -> Floats:
    """(..., k) points through a (2, 3) similarity: x and y moved, z (if there) scaled, the rest kept."""
    out = np.array(points, np.float64)
    out[..., :2] = points[..., :2] @ m[:, :2].T + m[:, 2]
    if out.shape[-1] >= 3:
        out[..., 2] *= np.sqrt(abs(np.linalg.det(m[:, :2])))
    return out


def hull(points: Floats | Floats32 | Sequence[Floats]) -> Floats32:
    """Convex hull (m, 2): OpenCV 4 and 5 differ in the shape they return."""
    return f32(cv2.convexHull(f32(np.asarray(points))).reshape(-1, 2))
