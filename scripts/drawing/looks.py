"""The cast: two characters for the stills, two actors for the motions.

Owns taste: colours, hair, clothes. Trunk, arms and legs of one person never share a colour, and no colour of a person
comes back in the place behind it: whoever cuts the figure out finds clear edges.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drawing import hair
from drawing.brush import Decal, Points, Shape
from drawing.figure import Figure, Look

# --- the dancer -------------------------------------------------------------------------------------------------------------------------


def _dance_shirt(f: Figure) -> list[Decal]:
    u = f.unit
    out = [
        Decal(
            Shape().poly(f.trunk((-0.4, 0.66), (0.4, 0.74), (0.4, 0.62), (-0.4, 0.54))), "#fff1dc"
        ),
        Decal(
            Shape().poly(f.trunk((-0.4, 0.52), (0.4, 0.60), (0.4, 0.56), (-0.4, 0.48))), "#ffc145"
        ),
        Decal(
            Shape().line(
                f.trunk((-0.115, 1.08), (-0.085, 0.98), (0.0, 0.935), (0.085, 0.98), (0.115, 1.08)),
                0.03 * u,
            ),
            "#ffc145",
        ),
        Decal(
            Shape().poly(
                f.trunk(
                    (-0.4, f.look.hem + 0.025), (0.4, f.look.hem + 0.025), (0.4, -0.3), (-0.4, -0.3)
                )
            ),
            "#e8483f",
        ),
    ]
    return out


DANCER = Look(
    skin="#c98a62",
    skin_dark="#8f5238",
    lips="#b5505a",
    hair="#33202b",
    iris="#6b3f22",
    top="#ff6f5b",
    sleeve="#8a4fd0",
    trousers="#178a8f",
    stripe="#ffc145",
    shoe="#6d3bd1",
    sole="#ffdf8a",
    accent="#ffc145",
    shoulder=0.27,
    waist=0.185,
    hem=0.10,
    sleeve_end=0.72,
    cuff="#ffc145",
    slim=0.92,
    outfit=_dance_shirt,
    behind=hair.bun,
    hairdo=hair.pulled_back,
)


# --- the explorer -----------------------------------------------------------------------------------------------------------------------


def _vest(f: Figure) -> list[Decal]:
    u = f.unit
    out = []
    for v in (0.14, 0.30, 0.46, 0.62, 0.78):  # quilting: a dark seam with light under it
        seam = [
            (-0.36, v + 0.012),
            (-0.18, v - 0.008),
            (0.0, v),
            (0.18, v - 0.008),
            (0.36, v + 0.012),
        ]
        out.append(Decal(Shape().line(f.trunk(*seam), 0.03 * u), "#b06c12", 0.55, 0.012 * u))
        out.append(
            Decal(
                Shape().line(f.trunk(*[(x, w - 0.028) for x, w in seam]), 0.03 * u),
                "#ffe09a",
                0.5,
                0.012 * u,
            )
        )
    out.append(
        Decal(
            Shape().poly(f.trunk((-0.012, 1.1), (0.012, 1.1), (0.012, -0.2), (-0.012, -0.2))),
            "#7a4416",
        )
    )
    out.append(Decal(Shape().oval(f.trunk((0.0, 0.83))[0], 0.016 * u, 0.026 * u), "#fff0c4"))
    for x in (-1, 1):
        strap = f.trunk((x * 0.165, 1.08), (x * 0.185, 0.86), (x * 0.2, 0.62), (x * 0.245, 0.42))
        out.append(Decal(Shape().line(strap, 0.062 * u), "#6b3f24"))
        out.append(Decal(Shape().line(strap + np.array([0.008 * u, 0]), 0.01 * u), "#a9713f"))
        out.append(
            Decal(
                Shape().poly(
                    f.trunk(
                        (x * 0.15, 0.70), (x * 0.24, 0.70), (x * 0.24, 0.655), (x * 0.15, 0.655)
                    )
                ),
                "#fff0c4",
            )
        )
        pocket = f.trunk((x * 0.09, 0.22), (x * 0.16, 0.19), (x * 0.19, 0.1))
        out.append(Decal(Shape().line(pocket, 0.014 * u), "#7a4416", 0.8))
    out.append(
        Decal(
            Shape().poly(
                f.trunk(
                    (-0.4, f.look.hem + 0.03), (0.4, f.look.hem + 0.03), (0.4, -0.3), (-0.4, -0.3)
                )
            ),
            "#c47f1c",
        )
    )
    return out


def _high_collar(f: Figure) -> None:
    u = f.unit
    scarf = Shape().blob(
        f.trunk(
            (-0.125, 1.075),
            (-0.06, 1.035),
            (0.0, 1.02),
            (0.06, 1.035),
            (0.125, 1.075),
            (0.13, 0.995),
            (0.06, 0.94),
            (0.0, 0.925),
            (-0.06, 0.94),
            (-0.13, 0.995),
        )
    )
    folds = [
        Decal(
            Shape().line(f.trunk((-0.11, y), (0.0, y - 0.05), (0.11, y)), 0.012 * u),
            "#1d4e63",
            0.45,
            0.004 * u,
        )
        for y in (1.045, 1.01)
    ]
    f.sheet.part(scarf, "#2f7f95", folds, depth=0.03 * u, cast=0.4)


EXPLORER = Look(
    skin="#f0bd98",
    skin_dark="#b97555",
    lips="#cc7f74",
    hair="#b5541c",
    iris="#3c7d5c",
    top="#f3b02f",
    sleeve="#b8383f",
    trousers="#33436b",
    stripe="",
    shoe="#7b4526",
    sole="#3a231a",
    accent="#9c5f35",
    lash=0.62,
    boot=0.12,
    shoulder=0.30,
    waist=0.215,
    hem=0.0,
    sleeve_end=1.98,
    cuff="#8f2730",
    turn_up="#26324f",
    slim=1.03,
    outfit=_vest,
    hairdo=hair.quiff,
    over=_high_collar,
)


# --- the two actors of the motions ------------------------------------------------------------------------------------------------------


def _marks(f: Figure) -> None:
    """Small bright balls, as on a suit for motion capture: on the trunk here, on the limbs where they end up."""
    u, j = f.unit, f.joints
    spots: list[Points] = [
        *f.trunk((-0.12, 0.8), (0.12, 0.8), (0.0, 0.5), (-0.15, 0.15), (0.15, 0.15)),
        *j.knees,
        *j.elbows,
    ]
    spots += [*j.shoulders, *(a + np.array([0, -0.06 * u]) for a in j.ankles)]
    for at in spots:
        f.sheet.part(
            Shape().oval(at, 0.021 * u, 0.021 * u),
            "#fdf8ec",
            depth=0.01 * u,
            shadow=0.5,
            light=0.5,
            cast=0.4,
        )


def _zip_suit(panel: str, line: str) -> Callable[[Figure], list[Decal]]:
    def outfit(f: Figure) -> list[Decal]:
        u = f.unit
        out = [
            Decal(
                Shape().blob(
                    f.trunk(
                        (x * 0.5, 1.1),
                        (x * 0.24, 0.9),
                        (x * 0.15, 0.55),
                        (x * 0.2, 0.2),
                        (x * 0.5, -0.2),
                    )
                ),
                panel,
            )
            for x in (-1, 1)
        ]
        out += [
            Decal(
                Shape().line(
                    f.trunk(
                        (x * 0.27, 1.0),
                        (x * 0.225, 0.88),
                        (x * 0.148, 0.55),
                        (x * 0.2, 0.2),
                        (x * 0.26, 0.0),
                    ),
                    0.014 * u,
                ),
                line,
            )
            for x in (-1, 1)
        ]
        out.append(
            Decal(
                Shape().line(
                    f.trunk((-0.11, 1.08), (-0.08, 1.0), (0.0, 0.96), (0.08, 1.0), (0.11, 1.08)),
                    0.028 * u,
                ),
                line,
            )
        )
        return out

    return outfit


ACTOR_DANCE = Look(
    skin="#e8b48c",
    skin_dark="#ad6f4f",
    lips="#c0746a",
    hair="#23263a",
    iris="#40528a",
    top="#2c3f8f",
    sleeve="#3fb6c9",
    trousers="#27306b",
    stripe="#3fb6c9",
    shoe="#e9553f",
    sole="#ffd6a8",
    accent="#ff8a5c",
    lash=0.7,
    shoulder=0.29,
    waist=0.20,
    hem=0.0,
    sleeve_end=1.96,
    cuff="#ffd166",
    outfit=_zip_suit("#3fb6c9", "#ffd166"),
    hairdo=hair.short_hair,
    over=_marks,
)

ACTOR_STRETCH = Look(
    skin="#f2c7a5",
    skin_dark="#bd8260",
    lips="#c9606c",
    hair="#7a4030",
    iris="#5a4630",
    top="#7b2f5e",
    sleeve="#e8795f",
    trousers="#4d2450",
    stripe="#e8795f",
    shoe="#2f8f83",
    sole="#f2e3c2",
    accent="#55c3b2",
    shoulder=0.275,
    waist=0.19,
    hem=0.0,
    sleeve_end=1.96,
    cuff="#ffe0a3",
    slim=0.95,
    outfit=_zip_suit("#e8795f", "#ffe0a3"),
    behind=hair.bob_back,
    hairdo=hair.bob,
    over=_marks,
)
