"""Hair: six ways to wear it.

Owns what lies on and behind the head.
"""

from __future__ import annotations

import numpy as np

from drawing.brush import Decal, Shape
from drawing.figure import Figure


def _cap(
    f: Figure, hairline: list[tuple[float, float]], *, volume: float, depth: float = 0.6
) -> Shape:
    """Hair on the skull, ``volume`` units thick, from ear to ear; ``hairline`` runs over the forehead from left to right."""
    v = volume
    outer = [
        (0.165 + v * 0.6, 0.0),
        (0.168 + v, -0.08),
        (0.145 + v, -0.165),
        (0.08 + v * 0.5, -0.224 - v),
        (0.0, -0.246 - v),
    ]
    ring = np.vstack(
        [
            f.head(*outer, *[(-x, y) for x, y in reversed(outer[:-1])]),
            f.head(*hairline, depth=depth),
        ]
    )
    return Shape().blob(ring)


def _strands(
    f: Figure, curves: list[list[tuple[float, float]]], tint: str, width: float, opacity: float
) -> list[Decal]:
    u = f.unit
    return [
        Decal(Shape().line(f.head(*c), [0.0, width * u, 0.0]), tint, opacity, 0.003 * u)
        for c in curves
    ]


def bun(f: Figure) -> None:
    u = f.unit
    shape = Shape()
    for x, y, r in (
        (0.0, -0.315, 0.085),
        (-0.055, -0.295, 0.062),
        (0.055, -0.295, 0.062),
        (-0.03, -0.355, 0.056),
        (0.034, -0.352, 0.056),
        (0.0, -0.27, 0.07),
    ):
        shape.oval(f.head((x, y))[0], r * u, r * u)
    shine = _strands(
        f,
        [
            [(-0.07, -0.33), (-0.045, -0.375), (0.0, -0.39)],
            [(-0.02, -0.3), (0.0, -0.33), (0.04, -0.335)],
        ],
        "#a8707c",
        0.02,
        0.5,
    )
    f.sheet.part(shape, f.look.hair, shine, depth=0.035 * u, light=0.16)


def pulled_back(f: Figure) -> None:
    u = f.unit
    line = [
        (-0.16, 0.0),
        (-0.15, -0.075),
        (-0.112, -0.13),
        (-0.05, -0.155),
        (0.02, -0.158),
        (0.095, -0.14),
        (0.147, -0.085),
        (0.16, 0.0),
    ]
    shine = _strands(
        f,
        [
            [(-0.13, -0.12), (-0.1, -0.19), (-0.03, -0.235)],
            [(-0.06, -0.16), (-0.045, -0.2), (0.0, -0.24)],
            [(0.09, -0.15), (0.075, -0.2), (0.02, -0.24)],
        ],
        "#a8707c",
        0.014,
        0.42,
    )
    arc = [
        (-0.25, -0.03),
        (-0.19, -0.13),
        (-0.1, -0.19),
        (0.0, -0.208),
        (0.1, -0.19),
        (0.19, -0.13),
        (0.25, -0.03),
    ]
    band = [
        Decal(Shape().line(f.head(*arc), 0.044 * u), "#ffc145"),
        Decal(Shape().line(f.head(*[(x, y + 0.002) for x, y in arc]), 0.01 * u), "#fff3d6"),
    ]
    f.sheet.part(
        _cap(f, line, volume=0.02),
        f.look.hair,
        [*shine, *band],
        depth=0.035 * u,
        light=0.16,
        cast=0.25,
    )
    for x in (-1, 1):
        lock = f.head((x * 0.152, -0.06), (x * 0.17, 0.0), (x * 0.163, 0.06))
        f.sheet.part(
            Shape().line(lock, [0.03 * u, 0.022 * u, 0.0]), f.look.hair, depth=0.012 * u, light=0.12
        )


def quiff(f: Figure) -> None:
    u = f.unit
    for x in (-1, 1):
        side = f.head(
            (x * 0.166, -0.06),
            (x * 0.176, 0.0),
            (x * 0.168, 0.06),
            (x * 0.15, 0.05),
            (x * 0.15, -0.05),
        )
        f.sheet.part(Shape().blob(side), f.look.hair, depth=0.015 * u)
    line = [
        (-0.162, -0.02),
        (-0.15, -0.09),
        (-0.118, -0.118),
        (-0.07, -0.108),
        (-0.02, -0.125),
        (0.04, -0.148),
        (0.105, -0.14),
        (0.15, -0.1),
        (0.162, -0.02),
    ]
    shine = _strands(
        f,
        [
            [(-0.14, -0.15), (-0.1, -0.235), (-0.01, -0.275)],
            [(-0.09, -0.13), (-0.05, -0.205), (0.04, -0.25)],
            [(-0.02, -0.14), (0.03, -0.195), (0.1, -0.22)],
            [(0.06, -0.16), (0.1, -0.18), (0.14, -0.18)],
        ],
        "#f0a45c",
        0.018,
        0.6,
    )
    f.sheet.part(
        _cap(f, line, volume=0.045), f.look.hair, shine, depth=0.04 * u, light=0.22, cast=0.3
    )


def short_hair(f: Figure) -> None:
    u = f.unit
    line = [
        (-0.162, -0.01),
        (-0.15, -0.09),
        (-0.1, -0.138),
        (-0.04, -0.125),
        (0.03, -0.14),
        (0.1, -0.138),
        (0.15, -0.09),
        (0.162, -0.01),
    ]
    shine = _strands(
        f,
        [
            [(-0.13, -0.14), (-0.09, -0.21), (-0.01, -0.25)],
            [(-0.05, -0.15), (-0.01, -0.2), (0.06, -0.225)],
        ],
        "#8fa0c8",
        0.016,
        0.35,
    )
    f.sheet.part(
        _cap(f, line, volume=0.026), f.look.hair, shine, depth=0.035 * u, light=0.16, cast=0.25
    )


def bob_back(f: Figure) -> None:
    u = f.unit
    back = f.head(
        (-0.19, -0.1),
        (-0.215, 0.03),
        (-0.2, 0.15),
        (-0.12, 0.2),
        (0.12, 0.2),
        (0.2, 0.15),
        (0.215, 0.03),
        (0.19, -0.1),
        (0.1, -0.22),
        (-0.1, -0.22),
    )
    f.sheet.part(Shape().blob(back), f.look.hair, depth=0.04 * u)


def bob(f: Figure) -> None:
    u = f.unit
    line = [
        (-0.165, 0.02),
        (-0.15, -0.07),
        (-0.11, -0.1),
        (-0.05, -0.095),
        (0.03, -0.1),
        (0.1, -0.105),
        (0.15, -0.07),
        (0.165, 0.02),
    ]
    shine = _strands(
        f,
        [
            [(-0.15, -0.1), (-0.11, -0.2), (-0.02, -0.25)],
            [(-0.08, -0.12), (-0.04, -0.19), (0.04, -0.235)],
        ],
        "#e2b7a0",
        0.016,
        0.4,
    )
    f.sheet.part(
        _cap(f, line, volume=0.032), f.look.hair, shine, depth=0.035 * u, light=0.16, cast=0.25
    )
    for x in (-1, 1):
        lock = f.head((x * 0.168, -0.05), (x * 0.186, 0.04), (x * 0.18, 0.13))
        f.sheet.part(
            Shape().line(lock, [0.04 * u, 0.062 * u, 0.03 * u]),
            f.look.hair,
            depth=0.018 * u,
            light=0.12,
        )
