"""The face: shape of the head, ears, eyes, nose, mouth.

Owns where features sit, in natural proportions: face models must find them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drawing.brush import Decal, Shape

if TYPE_CHECKING:
    from drawing.figure import Figure

SKULL = [
    (0.0, -0.222),
    (0.088, -0.205),
    (0.145, -0.135),
    (0.163, -0.03),
    (0.155, 0.055),
    (0.128, 0.135),
    (0.078, 0.195),
    (0.0, 0.222),
]
EYE = 0.066  # from the middle to the centre of an eye


def draw_face(f: Figure) -> None:
    """The bare head with its features, on what is drawn so far."""
    u, look = f.unit, f.look
    for x in (-1, 1):
        ear = Shape().blob(
            f.head(
                (x * 0.15, -0.03),
                (x * 0.19, -0.035),
                (x * 0.192, 0.02),
                (x * 0.175, 0.065),
                (x * 0.15, 0.06),
            )
        )
        inner = Shape().line(
            f.head((x * 0.175, -0.012), (x * 0.18, 0.015), (x * 0.17, 0.035)), 0.011 * u
        )
        f.sheet.part(
            ear,
            look.skin,
            [Decal(inner, look.skin_dark, 0.7, 0.002 * u)],
            depth=0.02 * u,
            shade=look.skin_dark,
        )
    shape = Shape().blob(f.head(*f.mirrored(SKULL)))
    f.sheet.part(
        shape,
        look.skin,
        _complexion(f),
        depth=0.06 * u,
        shadow=0.55,
        light=0.22,
        cast=0.2,
        shade=look.skin_dark,
    )
    for x in (-1, 1):
        _eye(f, x)
    _nose(f)
    _mouth(f)


def _complexion(f: Figure) -> list[Decal]:
    u, look = f.unit, f.look
    out = [
        Decal(
            Shape().oval(f.face((x * 0.1, 0.065))[0], 0.042 * u, 0.032 * u),
            look.lips,
            look.blush,
            0.016 * u,
        )
        for x in (-1, 1)
    ]
    out += [
        Decal(
            Shape().oval(f.face((x * EYE, -0.012))[0], 0.05 * u, 0.03 * u),
            look.skin_dark,
            0.28,
            0.012 * u,
        )
        for x in (-1, 1)
    ]
    out.append(
        Decal(
            Shape().oval(f.face((0.0, 0.16))[0], 0.05 * u, 0.014 * u),
            look.skin_dark,
            0.3,
            0.008 * u,
        )
    )
    return out


def _eye(f: Figure, x: int) -> None:
    u, look, sheet = f.unit, f.look, f.sheet
    top = [(-0.04, 0.004), (-0.024, -0.016), (0.002, -0.0235), (0.026, -0.016), (0.041, -0.003)]
    low = [(0.026, 0.012), (0.0, 0.0165), (-0.024, 0.0125)]
    white = Shape().blob(f.face(*[(x * (EYE + a), b) for a, b in (*top, *low)]))
    iris = f.face((x * EYE + 0.001, -0.002))[0]
    blank = "#fbf7f4"
    decals = [
        Decal(
            Shape().oval(f.face((x * EYE, -0.02))[0], 0.045 * u, 0.012 * u),
            "#8a7f93",
            0.45,
            0.005 * u,
        ),
        Decal(Shape().oval(iris, 0.0205 * u, 0.0205 * u), look.iris),
        Decal(Shape().oval(iris, 0.0205 * u, 0.0205 * u, 0, 0.5, 2.6), "#ffffff", 0.22, 0.004 * u),
        Decal(Shape().oval(iris, 0.0095 * u, 0.0095 * u), "#15101a"),
        Decal(
            Shape().oval(iris + u * np.array([-0.008, -0.008]), 0.0058 * u, 0.0058 * u), "#ffffff"
        ),
        Decal(
            Shape().oval(iris + u * np.array([0.008, 0.008]), 0.003 * u, 0.003 * u), "#ffffff", 0.7
        ),
    ]
    sheet.part(white, blank, decals, depth=0.008 * u, shadow=0.25, light=0.0)
    lid = f.face(
        *[
            (x * (EYE + a), b)
            for a, b in (
                (-0.042, 0.006),
                *top[1:4],
                (0.041 + 0.005 * look.lash, -0.003 - 0.005 * look.lash),
            )
        ]
    )
    sheet.glow(
        Shape().line(lid, np.array([0.004, 0.011, 0.013, 0.012, 0.006]) * u * look.lash), "#2a1a1c"
    )
    crease = f.face(*[(x * (EYE + a), b - 0.012) for a, b in top])
    sheet.glow(
        Shape().line(crease, [0.0, 0.005 * u, 0.006 * u, 0.004 * u, 0.0]),
        look.skin_dark,
        opacity=0.8,
    )
    brow = f.face(
        (x * (EYE - 0.038), -0.056),
        (x * (EYE - 0.008), -0.066),
        (x * (EYE + 0.022), -0.065),
        (x * (EYE + 0.05), -0.05),
    )
    sheet.glow(
        Shape().line(brow, [0.011 * u, 0.018 * u, 0.014 * u, 0.004 * u]), look.hair, opacity=0.92
    )


def _nose(f: Figure) -> None:
    u, look, sheet = f.unit, f.look, f.sheet
    sheet.glow(
        Shape().line(
            f.face((0.016, -0.02), (0.014, 0.03), (0.026, 0.062)), [0.004 * u, 0.012 * u, 0.01 * u]
        ),
        look.skin_dark,
        opacity=0.5,
        blur=0.004 * u,
    )
    sheet.glow(
        Shape().line(
            f.face((-0.004, -0.02), (-0.004, 0.03), (-0.004, 0.055)),
            [0.008 * u, 0.012 * u, 0.02 * u],
        ),
        "#ffffff",
        opacity=0.3,
        blur=0.005 * u,
    )
    under = f.face((-0.028, 0.066), (-0.016, 0.076), (0.0, 0.08), (0.016, 0.076), (0.028, 0.066))
    sheet.glow(
        Shape().line(under, [0.004 * u, 0.008 * u, 0.007 * u, 0.008 * u, 0.004 * u]),
        look.skin_dark,
        opacity=0.95,
    )
    for x in (-1, 1):
        sheet.glow(
            Shape().oval(f.face((x * 0.0125, 0.074))[0], 0.006 * u, 0.0036 * u),
            "#4a2224",
            opacity=0.6,
        )


def _mouth(f: Figure) -> None:
    """A closed, small smile: engines open a closed mouth more easily than they close an open one."""
    u, look, sheet = f.unit, f.look, f.sheet
    upper = [
        (-0.058, 0.113),
        (-0.03, 0.112),
        (-0.01, 0.107),
        (0.0, 0.110),
        (0.01, 0.107),
        (0.03, 0.112),
        (0.058, 0.113),
    ]
    lower = [(0.04, 0.131), (0.018, 0.142), (0.0, 0.144), (-0.018, 0.142), (-0.04, 0.131)]
    line = [(-0.06, 0.111), (-0.032, 0.121), (0.0, 0.1235), (0.032, 0.121), (0.06, 0.111)]
    lit = Shape().oval(f.face((-0.008, 0.134))[0], 0.018 * u, 0.004 * u)
    sheet.part(
        Shape().blob(f.face(*upper, *lower)),
        look.lips,
        [Decal(lit, "#ffffff", 0.45, 0.004 * u)],
        depth=0.012 * u,
        light=0.1,
    )
    sheet.glow(
        Shape().line(f.face(*line), [0.003 * u, 0.007 * u, 0.006 * u, 0.007 * u, 0.003 * u]),
        "#5b2027",
        opacity=0.95,
    )
    for x in (-1, 1):
        corner = f.face((x * 0.064, 0.104), (x * 0.068, 0.112), (x * 0.065, 0.12))
        sheet.glow(Shape().line(corner, 0.005 * u), look.skin_dark, opacity=0.7, blur=0.002 * u)
