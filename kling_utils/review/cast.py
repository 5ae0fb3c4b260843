"""A colour cast: all of a result is bluer, warmer or turned in hue beside its reference or picture.

Owns the measure. It is taken from the ground, where that is known again by its lights and darks; what
the ground tells is then taken off the person, who is not another one for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import cv2
import numpy as np

from kling_utils.media.arrays import Floats, f32
from kling_utils.media.shots import runs
from kling_utils.review.looks import Look, grade, nearest
from kling_utils.values import Trait

CAST, _TOUCHED = 6.5, 3.0
"""Distance in Lab, lightness left out, of the ground's colours, in the middle: right results of four
real clips have 0 to 1.2, with hues turned by 12 degrees 0.1 to 5.4, with a tenth less blue 9.6 to 11.
The same of the fifth of the ground with the most colour, below which nothing is looked for."""
PLAIN_CAST = 8.0
"""From which on it is plain to see. Assumed."""
_SAME_GROUND = 0.85
"""Correlation of lightness in the places of the ground from which on two pictures show the same one."""
_LEAST_TILES, _LEAST_SPREAD = 24, 2.0
"""Places of 256 that must show ground on both sides, and its spread of lightness: a wall says nothing."""
_HUES_FIT, _LEAST_TURN = 0.7, 20.0
"""A turn of all hues must leave so little of what gains of the three channels leave; degrees from
which on it is told: 30 are plain on skin, 12 pass for a look."""
_SKIN = 18.0
"""Distance in Lab of a usual skin from grey: a turn of 30 degrees moves it by 9. Assumed."""
_EXPLAINED = 0.6
"""Of the distance one of the two must leave less: another light on a part is no cast. Assumed."""
_WHOLE, _LEAST_LOOKS = 0.8, 3
_RAMP = (2.0, 12.0)

Kind: TypeAlias = Literal["blue", "warm", "green", "pink", "hues"]
_Against: TypeAlias = Literal["picture", "reference"]


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    trait: Trait
    """``detail``: distance in Lab. ``since`` and ``until`` where only a part has it."""
    kind: Kind | None = None
    """None where there is none, or where it cannot be told."""
    gains: Floats | None = None
    """(3,): of blue, green and red."""
    turn: float = 0.0
    """Degrees of hue, where ``kind`` is ``hues``."""

    def holds(self, time: float) -> bool:
        since, until = self.trait.since, self.trait.until
        return (since is None or time >= since) and (until is None or time < until)

    def undone(self, lab: Floats) -> Floats:
        """Colours as they were without it."""
        if self.kind == "hues":
            return _turned(lab, -self.turn)
        return _gained(lab, 1 / (self.gains if self.gains is not None else np.ones(3)))

    def off(self, ours: tuple[Look, ...]) -> tuple[Look, ...]:
        """The looks without it: colours of skin, hair and torso; histograms are left out."""
        return tuple(
            replace(
                look,
                clothes=None,
                skin=self.undone(look.skin),
                hair=self.undone(look.hair),
                torso=self.undone(look.torso),
            )
            if self.holds(look.time)
            else look
            for look in ours
        )


def measured(ours: tuple[Look, ...], theirs: tuple[Look, ...], picture: Look | None) -> Cast:
    """The cast of a result beside its reference or its picture, whose ground is more like its own."""
    if len(ours) < _LEAST_LOOKS:
        return Cast(Trait("cast", None, "too short"))
    bases: list[tuple[_Against, list[Look]]] = []
    if picture is not None:
        bases.append(("picture", [picture] * len(ours)))
    if theirs:
        bases.append(("reference", nearest(theirs, [look.time for look in ours])))
    best: tuple[float, _Against, list[Look], Floats] | None = None
    for against, base in bases:
        alike = np.array([_alike(a, b) for a, b in zip(ours, base, strict=True)])
        score = float(np.median(np.nan_to_num(alike)))
        if best is None or score > best[0]:
            best = score, against, base, alike
    if best is None or int((best[3] >= _SAME_GROUND).sum()) < max(_LEAST_LOOKS, len(ours) // 2):
        return Cast(Trait("cast", None, "other ground"))
    _, against, base, alike = best
    shifts, most = np.full((len(ours), 2), np.nan), np.full(len(ours), np.nan)
    for i, (look, other) in enumerate(zip(ours, base, strict=True)):
        if alike[i] >= _SAME_GROUND:
            one, two = _ground(look, other)
            shifts[i] = np.median(one[:, 1:] - two[:, 1:], 0)
            most[i] = np.percentile(np.hypot(*(one[:, 1:] - two[:, 1:]).T), 80)
    size = np.hypot(shifts[:, 0], shifts[:, 1])
    plain = trait = Trait(
        "cast",
        1.0,
        times=tuple(look.time for look in ours),
        values=tuple(None if np.isnan(d) else round(grade(float(d), _RAMP), 3) for d in size),
        detail=round(float(np.nanmedian(size)), 1),
        against=against,
    )
    size, most = _filled(size), _filled(most)
    off = most >= _TOUCHED
    if off.mean() >= _WHOLE:
        part = off
    else:
        span = _part(most)
        if span is None:
            return Cast(plain)
        first, last = span
        part = np.zeros(len(ours), bool)
        part[first:last] = off[first:last]
        trait = replace(
            trait,
            since=round(ours[first].time, 1) if first else 0.0,
            until=None if last == len(ours) else round(ours[last].time, 1),
        )
    amount = float(np.median(size[part]))
    trait = replace(trait, value=round(grade(amount, _RAMP), 3), detail=round(amount, 1))
    seen = np.flatnonzero(part & np.isfinite(shifts[:, 0]))
    if not len(seen):
        return Cast(plain)
    both = [_ground(ours[i], base[i]) for i in seen]
    one, two = (np.concatenate([pair[k] for pair in both]) for k in (0, 1))
    here, there = _bgr(one), _bgr(two)
    gains = np.median((here + 0.02) / (there + 0.02), 0)
    left = _apart(_gained(two, gains), one)
    turns = np.arange(-180.0, 180.0, 5.0)
    untouched = _apart(two, one)
    rests = [_apart(_turned(two, float(turn)), one) for turn in turns]
    turn = float(turns[int(np.argmin(rests))])
    if min(left, *rests) > _EXPLAINED * untouched:
        return Cast(plain)
    if min(rests) < _HUES_FIT * left:
        on_skin = 2 * _SKIN * np.sin(np.radians(abs(turn)) / 2)
        strong = max(
            float(np.median(most[part])), float(on_skin)
        )  # also over a ground of little colour
        trait = replace(trait, value=round(grade(strong, _RAMP), 3), detail=round(strong, 1))
        return Cast(trait, "hues", gains, turn) if abs(turn) >= _LEAST_TURN else Cast(plain)
    if amount < CAST:
        return Cast(plain)
    _, a, b = _gained(np.array([60.0, 0.0, 0.0]), gains)
    if abs(b) >= abs(a):
        return Cast(trait, "warm" if b > 0 else "blue", gains)
    return Cast(trait, "pink" if a > 0 else "green", gains)


def _filled(values: Floats) -> Floats:
    """What is not known is as in the nearest look that is."""
    known = np.flatnonzero(np.isfinite(values))
    near = abs(np.arange(len(values))[:, None] - known).argmin(1)
    return np.asarray(values[known[near]], np.float64)


def _part(size: Floats) -> tuple[int, int] | None:
    """First and last look of the longest stretch that has it, if it begins and ends at once."""
    found = (0, 0)
    for begin, end in runs(size >= _TOUCHED):
        if end + 1 - begin > found[1] - found[0]:
            found = begin, end + 1
    first, last = found
    if last - first < _LEAST_LOOKS:
        return None
    usual = float(np.median(size[first:last]))
    before, after = size[max(0, first - 1) : first], size[last : last + 1]
    sharp = all(each < 0.4 * usual for each in (*before, *after))
    inside = size[[min(first + 1, last - 1), max(last - 2, first)]]
    return (first, last) if sharp and (inside > 0.7 * usual).all() else None


def _alike(look: Look, other: Look) -> float:
    one, two = _ground(look, other)
    if len(one) < _LEAST_TILES:
        return float("nan")
    # a turn of hues changes the lightness and leaves the largest channel as it is
    return max(
        _correlation(one[:, 0], two[:, 0]),
        _correlation(100 * _bgr(one).max(1), 100 * _bgr(two).max(1)),
    )


def _correlation(one: Floats, other: Floats) -> float:
    a, b = one - one.mean(), other - other.mean()
    if min(a.std(), b.std()) < _LEAST_SPREAD:
        return 0.0
    return float((a * b).mean() / (a.std() * b.std()))


def _ground(look: Look, other: Look) -> tuple[Floats, Floats]:
    """Lab of the places that show ground on both sides."""
    if look.tiles is None or other.tiles is None or look.ground is None or other.ground is None:
        return np.zeros((0, 3)), np.zeros((0, 3))
    common = look.ground & other.ground
    return look.tiles[common], other.tiles[common]


def _apart(one: Floats, other: Floats) -> float:
    return float(np.mean(np.hypot(*(one[:, 1:] - other[:, 1:]).T)))


def _bgr(lab: Floats) -> Floats:
    rows = lab.reshape(1, -1, 3).astype(np.float32)
    found = cv2.cvtColor(rows, cv2.COLOR_LAB2BGR)
    return np.asarray(found, np.float64).reshape(-1, 3).clip(0, 1)


def _lab(bgr: Floats) -> Floats:
    rows = bgr.reshape(1, -1, 3).clip(0, 1).astype(np.float32)
    return np.asarray(cv2.cvtColor(rows, cv2.COLOR_BGR2LAB), np.float64).reshape(-1, 3)


def _gained(lab: Floats, gains: Floats) -> Floats:
    return np.where(
        np.isnan(lab), np.nan, _lab(_bgr(np.nan_to_num(lab)) * gains).reshape(lab.shape)
    )


def _turned(lab: Floats, degrees: float) -> Floats:
    bgr = _bgr(np.nan_to_num(lab)).reshape(1, -1, 3).astype(np.float32)
    hsv = f32(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV))
    hsv[..., 0] = (hsv[..., 0] + degrees) % 360
    back = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.float64).reshape(-1, 3)
    return np.where(np.isnan(lab), np.nan, _lab(back).reshape(lab.shape))
