"""A clothed person, drawn part by part over a skeleton.

Owns where a sleeve, a collar or a hand lies on the body. Farther parts first: legs, trunk, neck,
head, arms. Lengths are in units, like the skeleton's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from drawing.brush import Decal, Points, Shape, Sheet, bend
from drawing.rig import Joints

ARM = (0.092, 0.092, 0.078, 0.066, 0.066, 0.056, 0.046)
LEG = (0.128, 0.129, 0.115, 0.094, 0.092, 0.08, 0.064)
HAND = ((-0.03, 0.041), (0.03, 0.049), (0.09, 0.058), (0.145, 0.051), (0.186, 0.027), (0.193, 0.0))


@dataclass(frozen=True)
class Look:
    """One person: colours as "#rrggbb", cuts in units. The three functions add what is this person's own."""

    skin: str
    skin_dark: str
    lips: str
    hair: str
    iris: str
    top: str
    sleeve: str
    trousers: str
    stripe: str
    shoe: str
    sole: str
    accent: str
    shoulder: float = 0.29
    waist: float = 0.195
    hem: float = -0.03
    """Where the top ends: 0 at the hips, 1 at the neck."""
    sleeve_end: float = 2.0
    """0 at the shoulder, 1 at the elbow, 2 at the wrist."""
    cuff: str = ""
    turn_up: str = ""
    """The lowest strip of the trousers."""
    trouser_end: float = 1.97
    slim: float = 1.0
    """Factor of all radii of arms and legs."""
    blush: float = 0.35
    lash: float = 1.0
    boot: float = 0.0
    """How far the shoe goes up the leg."""
    outfit: Callable[[Figure], list[Decal]] = field(default=lambda figure: [])
    behind: Callable[[Figure], None] = field(default=lambda figure: None)
    hairdo: Callable[[Figure], None] = field(default=lambda figure: None)
    over: Callable[[Figure], None] = field(default=lambda figure: None)


class Figure:
    """One person in one pose on one sheet. ``draw()`` draws all of it."""

    def __init__(self, sheet: Sheet, joints: Joints, look: Look) -> None:
        self.sheet, self.joints, self.look, self.unit = sheet, joints, look, joints.unit

    def trunk(self, *corners: Sequence[float]) -> Points:
        """(x, v) on the front of the trunk: x in units from the middle, v 0 at the hips and 1 at the neck."""
        j = self.joints
        low, high = (pair[0] - pair[1] for pair in (j.hips, j.shoulders))
        low, high = low / np.linalg.norm(low), high / np.linalg.norm(high)
        c = np.asarray(corners, np.float64)
        v = np.clip(c[:, 1:], 0, 1)
        return (
            j.pelvis
            + (j.neck - j.pelvis) * c[:, 1:]
            + (low * (1 - v) + high * v) * c[:, :1] * self.unit
        )

    def head(self, *corners: Sequence[float], depth: float = 0.0) -> Points:
        """(x, y) on the head, y downwards. ``depth``: how far in front of the ears it lies, so how much it follows a turn or a nod."""
        j, c = self.joints, np.asarray(corners, np.float64)
        x, y = c[:, 0] + j.turn * depth, c[:, 1] + j.nod * depth
        cos, sin = np.cos(j.tilt), np.sin(j.tilt)
        return j.head + self.unit * np.column_stack([x * cos - y * sin, x * sin + y * cos])

    def face(self, *corners: Sequence[float]) -> Points:
        return self.head(*corners, depth=1.0)

    def mirrored(self, half: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """A closed outline from its right half, top to bottom."""
        return [*half, *[(-x, y) for x, y in reversed(half) if abs(x) > 1e-9]]

    def arm(self, side: int) -> Points:
        j = self.joints
        return bend(j.shoulders[side], j.elbows[side], j.wrists[side])

    def leg(self, side: int) -> Points:
        j = self.joints
        return bend(j.hips[side], j.knees[side], j.ankles[side], soft=0.3)

    def draw(self) -> None:
        self.shadow()
        self.look.behind(self)
        for side in (0, 1):
            self.shoe(side)
        self.legs()
        self.neck()
        self.top()
        self.head_and_face()
        self.look.hairdo(self)
        self.look.over(self)
        for side in (0, 1):
            self.hand(side)
            self.sleeve(side)

    def shadow(self) -> None:
        j, u = self.joints, self.unit
        middle = np.array(
            [(j.ankles[0][0] + j.ankles[1][0]) / 2 * 0.7 + j.pelvis[0] * 0.3, j.ground + 0.005 * u]
        )
        spread = abs(j.ankles[0][0] - j.ankles[1][0]) / 2 + 0.3 * u
        self.sheet.glow(
            Shape().oval(middle + np.array([0.08 * u, 0]), spread, 0.06 * u),
            "#2a1c3a",
            opacity=0.30,
            blur=0.06 * u,
        )
        for ankle in j.ankles:
            near = 1 - min(1.0, max(0.0, j.ground - ankle[1] - 0.095 * u) / (0.15 * u))
            self.sheet.glow(
                Shape().oval(
                    np.array([ankle[0] + 0.02 * u, j.ground - 0.002 * u]), 0.13 * u, 0.026 * u
                ),
                "#201430",
                opacity=0.1 + 0.22 * near,
                blur=0.03 * u,
            )

    def shoe(self, side: int) -> None:
        look, u, out = self.look, self.unit * 1.12, 1 - 2 * side
        at = self.joints.ankles[side] - [0, 0.012 * u]

        def place(*corners: tuple[float, float]) -> Points:
            return at + u * np.asarray(corners) * [out, 1]

        outline = (
            (-0.058, -0.05),
            (0.058, -0.05),
            (0.07, 0.0),
            (0.108, 0.05),
            (0.112, 0.088),
            (0.03, 0.098),
            (-0.06, 0.096),
            (-0.078, 0.07),
            (-0.066, 0.01),
        )
        sole = Shape().poly(
            place((-0.15, 0.070), (0.02, 0.074), (0.16, 0.064), (0.16, 0.13), (-0.15, 0.13))
        )
        toe = Shape().blob(
            place((-0.05, 0.045), (0.03, 0.032), (0.095, 0.045), (0.12, 0.085), (-0.08, 0.085))
        )
        decals = [Decal(toe, look.accent, 0.9), Decal(sole, look.sole)]
        for y in (-0.012, 0.006, 0.024):
            decals.append(
                Decal(
                    Shape().line(place((-0.024, y), (0.008, y + 0.006), (0.04, y)), 0.011 * u),
                    look.sole,
                )
            )
        shape = Shape().blob(place(*outline))
        if look.boot:
            shape.poly(
                place((-0.058, -0.03), (0.058, -0.03), (0.064, -look.boot), (-0.064, -look.boot))
            )
            decals.append(
                Decal(
                    Shape().poly(
                        place(
                            (-0.1, 0.03 - look.boot),
                            (0.1, 0.03 - look.boot),
                            (0.1, -look.boot),
                            (-0.1, -look.boot),
                        )
                    ),
                    look.accent,
                )
            )
        self.sheet.part(shape, look.shoe, decals, depth=0.035 * u, shadow=0.6, light=0.25)

    def legs(self) -> None:
        look, u = self.look, self.unit
        slim = 0.5 + 0.5 * look.slim
        shape = Shape().blob(
            self.trunk(
                (-0.19, 0.2),
                (0, 0.22),
                (0.19, 0.2),
                (0.225, 0.1),
                (0.262, -0.03),
                (0.2, -0.1),
                (0, -0.14),
                (-0.2, -0.1),
                (-0.262, -0.03),
                (-0.225, 0.1),
            )
        )
        decals: list[Decal] = []
        for side in (0, 1):
            path = self.leg(side)
            radii = (
                np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(LEG)), LEG) * u * slim
            )
            end = int(look.trouser_end / 2 * (len(path) - 1)) + 1
            if end < len(path) - 2:
                self.sheet.part(
                    Shape().tube(path[end - 8 :], radii[end - 8 :] * 0.82),
                    look.skin,
                    depth=0.04 * u,
                )
            shape.tube(path[:end], radii[:end], ends="flat")
            along = np.gradient(path, axis=0)
            normal = (
                np.column_stack([along[:, 1], -along[:, 0]])
                / np.linalg.norm(along, axis=1, keepdims=True)
                * (1 - 2 * side)
            )
            outer = path + normal * radii[:, None] * 0.72
            if look.stripe:
                decals.append(Decal(Shape().tube(outer[:end], 0.02 * u, ends="flat"), look.stripe))
            decals.append(
                Decal(
                    Shape().tube(path[end - 4 : end], radii[end - 4 : end] * 1.1, ends="flat"),
                    look.turn_up or look.accent,
                )
            )
            inner = path - normal * radii[:, None] * 0.15
            knee = inner[len(path) // 2]
            fold = [
                knee + u * np.array([-0.05, -0.012]),
                knee + u * np.array([0, 0.008]),
                knee + u * np.array([0.045, -0.006]),
            ]
            decals.append(
                Decal(Shape().line(fold, [0.0, 0.011 * u, 0.0]), "#000000", 0.16, 0.004 * u)
            )
        decals.append(
            Decal(
                Shape().line(
                    self.trunk((0, 0.1), (0.004, -0.03), (0, -0.16)),
                    [0.008 * u, 0.012 * u, 0.03 * u],
                ),
                "#000000",
                0.2,
                0.006 * u,
            )
        )
        decals.append(
            Decal(
                Shape().poly(self.trunk((-0.4, 0.115), (0.4, 0.115), (0.4, 0.3), (-0.4, 0.3))),
                look.turn_up or look.accent,
            )
        )
        for x in (-1, 1):
            pocket = self.trunk((x * 0.115, 0.1), (x * 0.16, 0.03), (x * 0.235, -0.01))
            decals.append(Decal(Shape().line(pocket, 0.01 * u), "#000000", 0.22, 0.003 * u))
        self.sheet.part(shape, look.trousers, decals, depth=0.06 * u, cast=0.35)

    def neck(self) -> None:
        j, u = self.joints, self.unit
        chin = self.head((0, 0.12))[0]
        shade = Decal(
            Shape().oval(self.head((0.01, 0.21))[0], 0.13 * u, 0.07 * u),
            self.look.skin_dark,
            0.8,
            0.018 * u,
        )
        path = np.linspace(j.neck + np.array([0, 0.05 * u]), chin, 8)
        shape = Shape().tube(path, [0.088 * u, 0.075 * u, 0.072 * u])
        shape.blob(
            self.trunk(
                (-0.16, 0.99),
                (-0.06, 1.06),
                (0.06, 1.06),
                (0.16, 0.99),
                (0.09, 0.85),
                (-0.09, 0.85),
            )
        )
        self.sheet.part(shape, self.look.skin, [shade], depth=0.045 * u, shade=self.look.skin_dark)

    def top_outline(self) -> Shape:
        s, w, hem = self.look.shoulder, self.look.waist, self.look.hem
        low = w + (0.27 - w) * min(1.0, max(0.0, (0.32 - hem) / 0.34))
        half = [
            (0.0, 0.965),
            (0.05, 0.985),
            (0.088, 1.06),
            (0.15, 1.053),
            (s - 0.05, 1.028),
            (s + 0.03, 0.965),
            (s + 0.05, 0.84),
        ]
        half += [(s - 0.035, 0.68), (w + 0.02, 0.47)] + ([(w, 0.33)] if hem < 0.25 else [])
        half += [
            (low, hem + 0.05),
            (low + 0.004, hem + 0.01),
            (low - 0.012, hem - 0.004),
            (low * 0.5, hem - 0.02),
        ]
        return Shape().blob(
            self.trunk(*half, (0, hem - 0.025), *[(-x, v) for x, v in reversed(half[1:])])
        )

    def top(self) -> None:
        u, look = self.unit, self.look
        fold = [
            Decal(
                Shape().line(
                    self.trunk((x * (look.waist + 0.01), 0.42), (x * 0.12, 0.37), (x * 0.07, 0.36)),
                    [0.014 * u, 0.01 * u, 0.0],
                ),
                "#000000",
                0.12,
                0.005 * u,
            )
            for x in (-1, 1)
        ]
        self.sheet.part(
            self.top_outline(), look.top, [*fold, *look.outfit(self)], depth=0.075 * u, cast=0.45
        )

    def hand(self, side: int) -> None:
        j, u, look, out = self.joints, self.unit, self.look, 1 - 2 * side
        wrist, tip = j.wrists[side], j.fingers[side]
        d = (tip - wrist) / np.linalg.norm(tip - wrist)
        n = np.array([-d[1], d[0]]) * out
        flip = float(
            np.clip(d[1] * 2.5, -1, 1)
        )  # the thumb points to the middle of the body, hanging and raised

        def place(*corners: Sequence[float]) -> Points:
            c = np.asarray(corners, np.float64) * u
            return np.asarray(wrist + c[:, :1] * d + c[:, 1:] * n)

        mitt = Shape().blob(place(*HAND, *[(a, -b) for a, b in reversed(HAND[:-1])]))
        thumb = place((0.02, 0.022 * flip), (0.06, 0.062 * flip), (0.105, 0.078 * flip))
        mitt.tube(np.linspace(thumb[0], thumb[1], 6), [0.024 * u, 0.021 * u]).tube(
            np.linspace(thumb[1], thumb[2], 6), [0.021 * u, 0.016 * u]
        )
        lines = [
            Decal(
                Shape().line(place((0.10, y), (0.135, y * 1.02), (0.165, y * 0.85)), 0.006 * u),
                look.skin_dark,
                0.55,
                0.001 * u,
            )
            for y in (-0.026, 0.0, 0.026)
        ]
        lines.append(
            Decal(
                Shape().line(
                    place((0.085, 0.036 * flip), (0.06, 0.034 * flip), (0.045, 0.02 * flip)),
                    0.007 * u,
                ),
                look.skin_dark,
                0.6,
                0.002 * u,
            )
        )
        self.sheet.part(
            mitt, look.skin, lines, depth=0.03 * u, light=0.0, cast=0.3, shade=look.skin_dark
        )

    def sleeve(self, side: int) -> None:
        u, look = self.unit, self.look
        path = self.arm(side)
        radii = (
            np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(ARM)), ARM)
            * u
            * look.slim
        )
        end = int(look.sleeve_end / 2 * (len(path) - 1)) + 1
        if end < len(path) - 4:
            self.sheet.part(
                Shape().tube(path[end - 6 :], radii[end - 6 :] * 0.93),
                look.skin,
                depth=0.045 * u,
                light=0.0,
                shade=look.skin_dark,
            )
        wide = radii[:end] * (1.0 if end > len(path) - 4 else np.linspace(1.0, 1.16, end))
        hem = Decal(
            Shape().tube(path[end - 3 : end], wide[-3:] * 1.2, ends="flat"),
            look.cuff or look.accent,
        )
        decals = [hem]
        if end > len(path) // 2 + 4:
            elbow = path[len(path) // 2]
            along = path[len(path) // 2 + 2] - path[len(path) // 2 - 2]
            along = along / np.linalg.norm(along)
            across = np.array([-along[1], along[0]])
            for shift in (-0.03, 0.015):
                mark = [
                    elbow + u * (along * shift + across * y + along * 0.012 * (1 - abs(y) / 0.05))
                    for y in (-0.05, 0.0, 0.035)
                ]
                decals.append(
                    Decal(Shape().line(mark, [0.0, 0.012 * u, 0.0]), "#000000", 0.16, 0.004 * u)
                )
        shape = Shape().tube(path[:end], wide, ends="start")
        self.sheet.part(shape, look.sleeve, decals, depth=0.05 * u, cast=0.22)

    def head_and_face(self) -> None:
        from drawing.face import draw_face

        draw_face(self)
