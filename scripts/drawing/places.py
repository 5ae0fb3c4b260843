"""The places: what stands behind the people.

Owns scenes: soft, with few edges, since an engine must guess what a person hides.
"""

from __future__ import annotations

import numpy as np

from drawing.brush import Plane, Shape, Sheet, colour


def _gradient(height: int, stops: list[tuple[float, str]]) -> Plane:
    y = np.linspace(0, 1, height)
    colours = np.array([colour(code) for _, code in stops])
    return np.column_stack(
        [np.interp(y, [at for at, _ in stops], colours[:, c]) for c in range(3)]
    ).astype(np.float32)[:, None]


def studio(
    sheet: Sheet, *, wall: tuple[str, str], floor: tuple[str, str], disc: str, horizon: float
) -> None:
    """A wall that rounds into the floor, a large pale disc of light behind the person, a pool of light on the floor."""
    w, h = sheet.width, sheet.height
    sheet.image[:] = _gradient(
        sheet.figure.shape[0],
        [(0, wall[0]), (horizon - 0.06, wall[1]), (horizon + 0.04, floor[0]), (1, floor[1])],
    )
    sheet.glow(
        Shape().oval(np.array([w * 0.5, h * 0.40]), w * 0.46, w * 0.46), disc, opacity=0.5, blur=2.0
    )
    sheet.glow(
        Shape().oval(np.array([w * 0.5, h * 0.40]), w * 0.36, w * 0.36),
        disc,
        opacity=0.45,
        blur=w * 0.05,
    )
    sheet.glow(
        Shape().poly([(-0.3 * w, -0.1 * h), (0.12 * w, -0.1 * h), (0.62 * w, h), (0.05 * w, h)]),
        "#ffffff",
        opacity=0.10,
        blur=w * 0.05,
    )
    sheet.glow(
        Shape().oval(np.array([w * 0.5, h * (horizon + 0.085)]), w * 0.5, h * 0.055),
        "#ffffff",
        opacity=0.35,
        blur=w * 0.05,
    )


def _ridge(w: int, h: int, base: float, swell: list[tuple[float, float, float]]) -> Shape:
    x = np.linspace(-0.05, 1.05, 80)
    y = base - sum(a * np.sin(2 * np.pi * (k * x + p)) for a, k, p in swell)
    return Shape().poly(
        np.vstack([np.column_stack([x * w, y * h]), [[1.05 * w, 1.1 * h], [-0.05 * w, 1.1 * h]]])
    )


def hills(sheet: Sheet) -> None:
    """Morning in the mountains: sun, four ridges that pale with distance, a meadow with a light path."""
    w, h = sheet.width, sheet.height
    sheet.image[:] = _gradient(
        sheet.figure.shape[0],
        [(0, "#8fc9dd"), (0.32, "#c9e4de"), (0.56, "#fbe6c4"), (1, "#f7d9b0")],
    )
    sun = np.array([w * 0.78, h * 0.24])
    sheet.glow(Shape().oval(sun, w * 0.2, w * 0.2), "#fff4cf", opacity=0.75, blur=w * 0.07)
    sheet.glow(Shape().oval(sun, w * 0.085, w * 0.085), "#fffbe8", blur=1.5)
    for x, y, s in ((0.2, 0.14, 1.0), (0.84, 0.10, 0.6)):
        cloud = Shape()
        for dx, dy, r in (
            (-0.09, 0.0, 0.035),
            (-0.035, -0.018, 0.05),
            (0.035, -0.01, 0.042),
            (0.09, 0.004, 0.03),
        ):
            cloud.oval(
                np.array([w * (x + dx * s), h * y + w * dy * s]), w * r * s * 1.5, w * r * s * 0.75
            )
        sheet.glow(cloud, "#ffffff", opacity=0.7, blur=w * 0.008)
    layers = (
        (0.60, "#c9dccf", [(0.04, 0.85, 0.78), (0.014, 2.1, 0.3)]),
        (0.66, "#a9cdbd", [(0.032, 0.9, 0.30), (0.01, 2.6, 0.1)]),
        (0.73, "#a3cb98", [(0.012, 1.1, 0.62)]),
    )
    for base, tint, swell in layers:
        sheet.glow(_ridge(w, h, base, swell), tint, blur=h * 0.003)
        sheet.glow(
            Shape().oval(np.array([w * 0.5, h * (base + 0.09)]), w * 0.9, h * 0.03),
            "#fdf3dc",
            opacity=0.4,
            blur=h * 0.03,
        )
    sheet.glow(_ridge(w, h, 0.83, [(0.006, 0.9, 0.2)]), "#abd089", blur=h * 0.03)
    path = Shape().poly(
        [
            (0.49 * w, 0.79 * h),
            (0.53 * w, 0.79 * h),
            (0.72 * w, 0.88 * h),
            (0.98 * w, 1.05 * h),
            (0.02 * w, 1.05 * h),
            (0.25 * w, 0.88 * h),
        ]
    )
    sheet.glow(path, "#ecd9a4", opacity=0.85, blur=w * 0.02)
