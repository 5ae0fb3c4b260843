"""Paper and brush: shapes from splines and tubes, filled with soft light, drawn large and made small.

Owns pixels. Points are in pixels of the finished picture, colours are "#rrggbb".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]

LIGHT = np.array([-0.55, -0.83])  # towards the lamp: up and to the left
SHADE = np.array(
    [0.72, 0.55, 0.62], np.float32
)  # what full shadow leaves of blue, green, red: cool, never grey
_SHIFT = 4  # fractional bits of OpenCV's polygon corners


def colour(code: str) -> Plane:
    """ "#rrggbb" as blue, green, red in 0..1."""
    value = int(code.lstrip("#"), 16)
    return np.asarray(np.array([value & 255, value >> 8 & 255, value >> 16]) / 255, np.float32)


def spline(
    corners: Sequence[Sequence[float]] | Points, *, closed: bool = True, steps: int = 10
) -> Points:
    """A Catmull-Rom curve through the corners."""
    p = np.asarray(corners, np.float64)
    p = (
        np.vstack([p[-1:], p, p[:2]])
        if closed
        else np.vstack([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    )
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    out = curve.reshape(-1, 2)
    return out if closed else np.vstack([out, p[-2:-1]])


def bend(a: Points, b: Points, c: Points, *, steps: int = 24, soft: float = 0.22) -> Points:
    """From ``a`` over ``b`` to ``c`` with a rounded corner: ``2 * steps + 1`` points, the middle one near ``b``."""
    t = np.linspace(0, 2, 2 * steps + 1)[:, None]
    line = np.where(t <= 1, a + (b - a) * t, b + (c - b) * (t - 1))
    u = np.clip((t - 1 + soft) / (2 * soft), 0, 1)
    start, end = b + (a - b) * soft, b + (c - b) * soft
    curve = (1 - u) ** 2 * start + 2 * u * (1 - u) * b + u**2 * end
    return np.where(np.abs(t - 1) < soft, curve, line)


@dataclass
class Shape:
    """A union of polygons."""

    parts: list[Points] = field(default_factory=list)

    def poly(self, corners: Sequence[Sequence[float]] | Points) -> Shape:
        self.parts.append(np.asarray(corners, np.float64))
        return self

    def blob(self, corners: Sequence[Sequence[float]] | Points) -> Shape:
        return self.poly(spline(corners))

    def oval(
        self,
        centre: Points,
        rx: float,
        ry: float,
        angle: float = 0.0,
        start: float = 0.0,
        stop: float = 2 * np.pi,
    ) -> Shape:
        t = np.linspace(start, stop, int(np.clip(1.2 * max(rx, ry), 32, 400)))
        x, y = rx * np.cos(t), ry * np.sin(t)
        return self.poly(
            np.column_stack(
                [
                    centre[0] + x * np.cos(angle) - y * np.sin(angle),
                    centre[1] + x * np.sin(angle) + y * np.cos(angle),
                ]
            )
        )

    def tube(
        self, path: Points, radii: float | Sequence[float] | Points, *, ends: str = "round"
    ) -> Shape:
        """``path`` with a width: ``radii`` is spread evenly over it. ``ends``: round, flat or start (only that one round)."""
        knots = np.atleast_1d(np.asarray(radii, np.float64))
        r = (
            np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(knots)), knots)
            if len(knots) > 1
            else np.full(len(path), knots[0])
        )
        along = np.gradient(path, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
        side = np.column_stack([-along[:, 1], along[:, 0]]) * r[:, None]
        left, right = path + side, path - side
        for i in range(len(path) - 1):
            self.parts.append(np.array([left[i], left[i + 1], right[i + 1], right[i]]))
        run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        for i, centre in enumerate(path):
            if (run[i] >= r[i] or ends != "flat") and (run[-1] - run[i] >= r[i] or ends == "round"):
                self.oval(centre, r[i], r[i])
        return self

    def line(
        self, corners: Sequence[Sequence[float]] | Points, width: float | Sequence[float] | Points
    ) -> Shape:
        """A curved stroke; ``width`` may swell along it."""
        half = np.atleast_1d(np.asarray(width, np.float64)) / 2
        return self.tube(spline(corners, closed=False, steps=6), half)


@dataclass
class Decal:
    """Something on the surface of a part: it ends where the part ends and takes the part's light."""

    shape: Shape
    colour: str
    opacity: float = 1.0
    blur: float = 0.0


@dataclass
class Stamp:
    """A mask in its box of the large picture."""

    box: tuple[slice, slice]
    alpha: Plane


class Sheet:
    """A picture in the making, ``scale`` times as large as the finished one."""

    def __init__(self, width: int, height: int, *, scale: int = 2) -> None:
        self.width, self.height, self.scale = width, height, scale
        self.image: Plane = np.ones((height * scale, width * scale, 3), np.float32)
        self.figure: Plane = np.zeros((height * scale, width * scale), np.float32)
        """Where something with a surface is: what later parts cast their shadows on."""

    def stamp(self, shape: Shape, *, pad: float = 0.0, blur: float = 0.0) -> Stamp | None:
        """The shape as a mask, with ``pad`` pixels around it; None when it is outside of the picture."""
        if not shape.parts:
            return None
        k, (h, w) = self.scale, self.figure.shape
        every = np.vstack(shape.parts) * k
        room = (pad + 3 * blur) * k + 3
        x0, y0 = np.maximum(np.floor(every.min(0) - room), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(every.max(0) + room), [w, h]).astype(int)
        if x0 >= x1 or y0 >= y1:
            return None
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        for part in shape.parts:
            corners = np.round((part * k - 0.5 * (k > 1) - [x0, y0]) * (1 << _SHIFT)).astype(
                np.int32
            )
            cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _SHIFT)
        alpha: Plane = np.asarray(mask / 255, np.float32)
        return Stamp((slice(y0, y1), slice(x0, x1)), soften(alpha, blur * k) if blur else alpha)

    def glow(
        self,
        shape: Shape,
        tint: str,
        *,
        opacity: float = 1.0,
        blur: float = 0.0,
        on_figure: bool = False,
    ) -> None:
        """A flat or blurred mark; with ``on_figure`` it stays on what is drawn already."""
        stamp = self.stamp(shape, blur=blur)
        if stamp is None:
            return
        alpha = stamp.alpha * opacity
        if on_figure:
            alpha = alpha * self.figure[stamp.box]
        self._mix(stamp.box, colour(tint), alpha)

    def part(
        self,
        shape: Shape,
        tint: str,
        decals: Sequence[Decal] = (),
        *,
        depth: float = 12.0,
        shadow: float = 0.62,
        light: float = 0.2,
        cast: float = 0.0,
        shade: str = "",
    ) -> None:
        """A solid part of the figure: lit from the left, shaded to the right over ``depth`` pixels, casting on what lies under it.

        ``shade`` is the colour of full shadow where that is not just the darker, cooler ``tint``: skin stays warm.
        """
        pad = 2.2 * depth
        stamp = self.stamp(shape, pad=pad)
        if stamp is None:
            return
        alpha, box, k = stamp.alpha, stamp.box, self.scale
        wide = soften(alpha, depth * k * 0.55)
        if cast:
            fall = (
                slide(soften(alpha, depth * k * 0.4), -LIGHT * depth * k * 0.55)
                * self.figure[box]
                * cast
            )
            self.image[box] *= 1 - fall[..., None] * (1 - SHADE * 0.8)
        surface = np.broadcast_to(colour(tint), (*alpha.shape, 3)).copy()
        for decal in decals:
            self._decal(surface, box, decal)
        dark = 1 - slide(wide, LIGHT * depth * k)
        bright = 1 - slide(wide, -LIGHT * depth * k * 0.8)
        dark = np.clip(dark, 0, 1)[..., None] * shadow
        if shade:
            surface += (colour(shade) - surface) * dark
        else:
            surface *= 1 - dark * (1 - SHADE)
        surface += (1 - surface) * (np.clip(bright, 0, 1) ** 1.5)[..., None] * light
        patch = self.image[box]
        patch += (surface - patch) * alpha[..., None]
        self.figure[box] = np.maximum(self.figure[box], alpha)

    def _decal(self, surface: Plane, box: tuple[slice, slice], decal: Decal) -> None:
        mark = self.stamp(decal.shape, blur=decal.blur)
        if mark is None:
            return
        y0, x0 = max(box[0].start, mark.box[0].start), max(box[1].start, mark.box[1].start)
        y1, x1 = min(box[0].stop, mark.box[0].stop), min(box[1].stop, mark.box[1].stop)
        if y0 >= y1 or x0 >= x1:
            return
        alpha = mark.alpha[
            y0 - mark.box[0].start : y1 - mark.box[0].start,
            x0 - mark.box[1].start : x1 - mark.box[1].start,
        ]
        patch = surface[
            y0 - box[0].start : y1 - box[0].start, x0 - box[1].start : x1 - box[1].start
        ]
        patch += (colour(decal.colour) - patch) * (alpha * decal.opacity)[..., None]

    def _mix(self, box: tuple[slice, slice], tint: Plane, alpha: Plane) -> None:
        patch = self.image[box]
        patch += (tint - patch) * alpha[..., None]

    def finished(self) -> npt.NDArray[np.uint8]:
        """The picture at its own size, 8 bits, BGR, dithered by less than one step so that gradients show no bands."""
        small = cv2.resize(self.image, (self.width, self.height), interpolation=cv2.INTER_AREA)
        noise = np.random.default_rng(7).random(small.shape[:2], np.float32)[..., None] - 0.5
        return np.asarray(np.clip(np.round(small * 255 + noise), 0, 255), np.uint8)


def soften(plane: Plane, sigma: float) -> Plane:
    """A Gaussian blur whose price does not grow with ``sigma``: wide ones are made small first."""
    if sigma <= 0.3:
        return plane
    shrink = max(1, int(sigma // 4))
    h, w = plane.shape
    if shrink == 1 or min(h, w) < 4 * shrink:
        return cv2.GaussianBlur(plane, (0, 0), sigma).astype(np.float32)
    small = cv2.resize(
        plane, (max(2, w // shrink), max(2, h // shrink)), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(
        cv2.GaussianBlur(small, (0, 0), sigma / shrink), (w, h), interpolation=cv2.INTER_LINEAR
    ).astype(np.float32)


def slide(plane: Plane, by: Points) -> Plane:
    """The plane moved so that each pixel shows what lies ``-by`` pixels away; nothing comes in from outside."""
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float64)
    return cv2.warpAffine(
        plane, matrix, (plane.shape[1], plane.shape[0]), flags=cv2.INTER_LINEAR
    ).astype(np.float32)
