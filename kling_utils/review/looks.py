"""What a viewer sees besides motion: whose face and clothes, colours, hands, flicker.

Owns the measures, from the stills and landmarks of a ``PoseTrack``. Colour and structure only: no
net here knows people, so a look-alike in the same clothes passes for the same person.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import cv2
import numpy as np

from kling_utils.media.arrays import Bools, Floats, Floats32, f32
from kling_utils.media.shots import runs
from kling_utils.values import Flaw, Trait

if TYPE_CHECKING:
    from kling_utils.media.people import PoseTrack, Still

_FACE_SIDE = 48
"""Pixels of the side of a face that is laid straight."""
_LEAST_FACE = 24.0
"""Pixels between the eyes' outer corners from which on a face's structure is compared."""
_LEAST_TORSO = 200
"""Pixels of a torso."""
_NEAR = 0.3
"""Seconds between a still and the landmarks that are used for it."""

_Against: TypeAlias = Literal["", "picture", "start", "reference"]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One still: what the person looks like in it. NaN or None where it is not seen."""

    time: float
    face: Floats | None
    """(48, 48): luma of the straightened face, mean 0 and spread 1."""
    skin: Floats
    """(3,): Lab of the face."""
    hair: Floats
    """(3,): Lab above the forehead."""
    torso: Floats
    """(3,): Lab, median of the torso."""
    clothes: Floats | None
    """Histogram of the torso's colours, sums to 1."""
    yaw: float
    chroma: float
    """95th percentile of the frame's distance from grey."""
    spread: float
    """Standard deviation of the frame's lightness."""
    frame: Floats
    """(3,): Lab, mean of the frame."""
    torso_seen: float = 1.0
    """Share of the torso that is in the frame, 0..1."""
    thumb: Floats | None = None
    """(256,): edges of the whole frame in 16 x 16 places, mean 0 and spread 1: colours change them little."""
    tiles: Floats | None = None
    """(256, 3): Lab of 16 x 16 places of the frame."""
    ground: Bools | None = None
    """(256,): places where nobody is."""


def looks(track: PoseTrack) -> tuple[Look, ...]:
    """What the person looks like in each still."""
    return tuple(_look(still, track) for still in track.stills)


def _look(still: Still, track: PoseTrack) -> Look:
    lab = f32(cv2.cvtColor(still.pixels().astype(np.float32) / 255, cv2.COLOR_BGR2LAB))
    small = lab[::4, ::4].reshape(-1, 3)
    i = int(np.argmin(abs(track.times - still.time))) if len(track.times) else -1
    near = i >= 0 and (abs(track.times[i] - still.time) <= _NEAR or len(track.times) == 1)
    body = track.bodies[i] if near and np.isfinite(track.bodies[i, 0, 0]) else None
    mesh = track.faces[i] if near and np.isfinite(track.faces[i, 0, 0]) else None
    nothing = np.full(3, np.nan)
    face, skin, hair, yaw = None, nothing, nothing, np.nan
    if mesh is not None:
        face, skin, hair, yaw = _face(lab, mesh)
    torso, clothes, torso_seen = _torso(lab, body) if body is not None else (nothing, None, 0.0)
    return Look(
        still.time,
        face,
        skin,
        hair,
        torso,
        clothes,
        float(yaw),
        float(np.percentile(np.hypot(small[:, 1], small[:, 2]), 95)),
        float(small[:, 0].std()),
        small.mean(0).astype(np.float64),
        torso_seen,
        _thumb(lab),
        np.asarray(cv2.resize(lab, (16, 16), interpolation=cv2.INTER_AREA), np.float64).reshape(
            -1, 3
        ),
        _ground(still, lab.shape[0], lab.shape[1]),
    )


def _ground(still: Still, height: int, width: int) -> Bools:
    clear = np.ones((16, 16), bool)
    for x, y, w, h in still.boxes[:, :4] / [width, height, width, height] * 16:
        left, top = max(0, int(np.floor(x))), max(0, int(np.floor(y)))
        clear[top : max(0, int(np.ceil(y + h))), left : max(0, int(np.ceil(x + w)))] = False
    return np.asarray(clear.reshape(-1), np.bool_)


def _thumb(lab: Floats32) -> Floats:
    light = cv2.GaussianBlur(lab[..., 0], (0, 0), 1.5)
    edges = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    small = cv2.resize(edges, (16, 16), interpolation=cv2.INTER_AREA)
    thumb = np.asarray(small, np.float64).reshape(-1)
    return np.asarray((thumb - thumb.mean()) / max(float(thumb.std()), 1e-3), np.float64)


def _face(lab: Floats32, mesh: Floats) -> tuple[Floats | None, Floats, Floats, float]:
    left, right, mouth = mesh[33, :2], mesh[263, :2], mesh[[61, 291], :2].mean(0)
    eyes = float(np.linalg.norm(right - left))
    yaw = float(((mesh[1, :2] - (left + right) / 2) @ (right - left)) / max(eyes, 1e-6) ** 2)
    nothing = np.full(3, np.nan)
    if eyes < _LEAST_FACE:
        return None, nothing, nothing, yaw
    side = _FACE_SIDE
    goal = np.array([[0.25, 0.35], [0.75, 0.35], [0.5, 0.8]]) * side
    matrix, _ = cv2.estimateAffinePartial2D(
        np.stack([left, right, mouth]).astype(np.float32), goal.astype(np.float32)
    )
    if matrix is None:
        return None, nothing, nothing, yaw
    up = matrix.copy()
    up[1, 2] += 0.6 * side  # room above for the hair
    patch = cv2.warpAffine(
        lab.astype(np.float32), up, (side, int(1.6 * side)), borderMode=cv2.BORDER_REPLICATE
    )
    luma = cv2.GaussianBlur(patch[int(0.6 * side) :, :, 0], (0, 0), 1.5).astype(np.float64)
    spread = float(luma.std())
    skin = np.median(patch[int(1.0 * side) : int(1.35 * side), side // 5 : -side // 5], (0, 1))
    hair = np.median(patch[int(0.15 * side) : int(0.4 * side), side // 5 : -side // 5], (0, 1))
    return (
        (luma - luma.mean()) / max(spread, 1e-3),
        skin.astype(np.float64),
        hair.astype(np.float64),
        yaw,
    )


def _torso(lab: Floats32, body: Floats) -> tuple[Floats, Floats | None, float]:
    """Colour and histogram of the torso, and the share of it that is in the frame."""
    height, width = lab.shape[:2]
    nothing = np.full(3, np.nan)
    corners = body[[11, 12, 24, 23], :2].copy()
    if body[[11, 12], 3].min() < 0.5:
        return nothing, None, 0.0
    if body[[23, 24], 3].min() < 0.5:  # hips outside: what is seen of the trunk below the shoulders
        across = corners[0] - corners[1]
        down = np.array([-across[1], across[0]])
        down *= np.sign(down[1]) or 1.0
        corners[2:] = corners[1::-1] + 0.8 * down
    corners = corners.mean(0) + 0.75 * (corners - corners.mean(0))
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1)
    inside = lab[mask > 0]
    seen = len(inside) / max(float(cv2.contourArea(corners.astype(np.float32))), 1.0)
    if len(inside) < _LEAST_TORSO:
        return nothing, None, seen
    bins = (
        np.clip(inside[:, 0] // 20, 0, 4) * 100
        + np.clip((inside[:, 1] + 50) // 10, 0, 9) * 10
        + np.clip((inside[:, 2] + 50) // 10, 0, 9)
    ).astype(int)
    grid = np.bincount(bins, minlength=500)[:500].reshape(5, 10, 10).astype(np.float32)
    soft = np.stack([cv2.GaussianBlur(layer, (0, 0), 0.8) for layer in grid])
    soft[1:-1] = 0.25 * soft[:-2] + 0.5 * soft[1:-1] + 0.25 * soft[2:]
    middle = np.median(inside, 0).astype(np.float64)
    return middle, (soft / soft.sum()).astype(np.float64), min(seen, 1.0)


# -- traits. Each ramp gives the values for "the same" and "another": see docs/benchmarks.md.

_SKIN, _HAIR, _TORSO = (4.0, 16.0), (8.0, 28.0), (6.0, 26.0)
"""Distances in Lab, lightness counted half. Same person later in a clip: at most 2, 16 and 5;
others: 15, 25 and 32 in the middle."""
_CLOTHES, _STRUCTURE = (0.8, 0.3), (0.5, 0.15)
"""Overlap of the torso's colours (same 0.93 to 1, others 0.27), and correlation of straightened
faces at a like turn (same 0.43 to 1, others -0.23 to 0.46)."""
_OTHER_PART = 0.35
"""Difference of the shares of the torso in the frame from which on it is another part of the clothes: not compared."""
_OTHER_FACE = 0.35
"""Value of the structure, 0.27 as a correlation, below which it alone says "another face": skin and
hair of two people may be much alike."""
_LIKE_YAW = 0.12
_DRIFT = (3.0, 12.0)
"""Distance in Lab, lightness counted 0.3, of the last second's colours from the first: clean clips
0.2 to 3.9, a hue turned by 60 degrees 10, a warm tint 16."""
DRIFTS = 6.0
_FRAME = 4.0
"""The same of the whole frame, whose colours a person hardly changes: clean clips at most 1.4."""
_SAME_SHOT = 0.45
"""Likeness of the edges of two pictures 1.5 s apart, relative to those of the same clip, below which
they show something else."""
_KNOWN_AGAIN, _RATHER = 0.9, 0.1
"""Likeness of the edges of two pictures of one place, and by how much more it must be in a mirror: mirrored clips have 1.00 against
0.49, 0.62 and 0.82, right ones on the reference's ground 0.96 to 1.00 as they are, on another ground at most 0.7 either way."""
GREY, COLOURFUL = 5.0, 12.0
"""95th percentile of the distance from grey in Lab: clips have 21 to 88, a clip without colour 0."""
FLAT = 3.0
"""Spread of lightness: clips have 14 to 26."""
FLICKERS = 0.8
"""Grey levels, upper quartile of how far a frame's mean lies off its neighbours': clips 0 to 0.41."""
_FLICKER = (0.5, 2.5)
_FLICKER_TIMES = 3.0
"""Times the reference's, which may flicker itself."""
_DROP, _UNLIKE = 0.3, 0.5
"""By how much a likeness must fall for good to be called a change, and what it must fall below."""
_FIRST_LOOKS = 5
"""Looks at the start, of which the one that is turned least is what the rest is compared with."""
_LEAST_LOOKS = 3
_HAND, _HAND_PIXELS, _HAND_LOOKS = 0.5, 10.0, 6
"""Presence of a hand, pixels from its wrist to the middle knuckle, and looks that are needed."""
_HANDS = 0.3
"""Share of the reference's hands that must be recognised for the result's to be judged."""
_HAND_SMALLER, _HAND_LARGE = 0.7, 20.0
"""A hand that is smaller than that part of the reference's is recognised less often for that reason alone, unless it is so large."""
_SOFTER, _FLAW_SECONDS = 0.4, 1.0
"""A stretch is blurred below ``BLURRED`` and that part of the rest; the least length of a flaw.
Both are assumed."""
DARK, LIGHT = 60.0, 90.0
"""95th percentile of grey on the person: darkened clips have 30 to 48, all others 167 or more."""
BLURRED = 1.5
"""Sharpness as advice has it: real clips have more but for 0.5 s; blurred by 5 pixels of 480 they have less."""


def face_trait(ours: tuple[Look, ...], picture: Look | None, *, colours: bool = True) -> Trait:
    """Whether skin, hair and structure of the face stay those of the picture, or of the result's start.

    ``colours``: False where the result's colours are known to be off: they are most of a person.
    """
    base, against = _base(ours, picture, "face")
    if not colours:
        return Trait("face", None, "colours off", against=against)
    if base is None or against == "":
        return Trait("face", None, "face unseen", against="picture" if picture else "start")
    values: list[float | None] = []
    structure: list[float] = []
    steady = _like_itself(ours)
    for look in ours:
        parts = [_close(look.skin, base.skin, _SKIN), _close(look.hair, base.hair, _HAIR)]
        alike = _structure(look, base) if steady else None
        if alike is not None:
            structure.append(grade(alike, _STRUCTURE))
            parts.append(structure[-1])
        values.append(_mean(parts))
    found = _over_time("face", ours, values, against)
    if against == "picture" and found.value is not None and len(structure) >= _LEAST_LOOKS:
        unlike = float(np.median(structure))
        if unlike < _OTHER_FACE:
            return replace(found, value=round(min(found.value, unlike), 3))
    return found


def _structure(look: Look, other: Look) -> float | None:
    """Correlation of two faces that are turned alike."""
    if look.face is None or other.face is None or abs(look.yaw - other.yaw) > _LIKE_YAW:
        return None
    return float((look.face * other.face).mean())


def _like_itself(ours: tuple[Look, ...]) -> bool:
    """From look to look the face's structure stays: otherwise it says nothing about whose it is."""
    faced = [look for look in ours if look.face is not None]
    steps = [_structure(one, other) for one, other in itertools.pairwise(faced)]
    known = [step for step in steps if step is not None]
    return len(known) < _LEAST_LOOKS or grade(float(np.median(known)), _STRUCTURE) >= _OTHER_FACE


def clothes_trait(ours: tuple[Look, ...], picture: Look | None, *, colours: bool = True) -> Trait:
    """Whether the torso keeps the colours of the picture, or of the result's start."""
    base, against = _base(ours, picture, "torso")
    if not colours:
        return Trait("clothes", None, "colours off", against=against)
    if base is None or against == "":
        return Trait("clothes", None, "torso unseen", against="picture" if picture else "start")
    values: list[float | None] = []
    for look in ours:
        if abs(look.torso_seen - base.torso_seen) > _OTHER_PART:
            values.append(None)
            continue
        parts = [_close(look.torso, base.torso, _TORSO)]
        if look.clothes is not None and base.clothes is not None:
            parts.append(grade(float(np.sqrt(look.clothes * base.clothes).sum()), _CLOTHES))
        values.append(_mean(parts))
    return _over_time("clothes", ours, values, against)


def colour_trait(ours: tuple[Look, ...], theirs: tuple[Look, ...]) -> Trait:
    """Whether the result's colours stay those of its first second. ``detail``: distance at the end."""
    if len(ours) < 2 * _LEAST_LOOKS:
        return Trait("colour", None, "too short")
    k = max(2, len(ours) // 6)
    series = []
    for name in ("frame", "skin", "torso"):
        points = np.array([getattr(look, name) for look in ours])
        start = _median(points[:k])
        away = points - start
        away[:, 0] *= 0.3
        series.append(np.sqrt((away**2).sum(1)))
    distance = _smooth(_median(np.array(series)))
    end = float(_median(distance[-k:, None])[0])
    steps = np.nan_to_num(np.diff(distance))
    leap = int(np.argmax(steps))
    if steps[leap] > 0.5 * end and (
        float(np.median(series[0][-k:])) < _FRAME or _other_shot(ours, leap)
    ):
        end = 0.0  # at once, and not the whole picture, or another one: no change of colours
    # the reference's own light may change, and the result is right to follow it
    known = colour_trait(theirs, ()).detail if theirs else None
    over = end - (known or 0.0)
    since = None
    if over > DRIFTS:
        off = distance > DRIFTS
        first = len(off) - int(np.argmin(off[::-1])) if not off.all() else 0
        since = round(ours[min(first, len(ours) - 1)].time, 1)
    return Trait(
        "colour",
        round(grade(over, _DRIFT), 3),
        times=tuple(look.time for look in ours),
        values=tuple(None if np.isnan(d) else round(grade(float(d), _DRIFT), 3) for d in distance),
        since=since,
        detail=round(end, 1),
        against="start",
    )


def _other_shot(ours: tuple[Look, ...], before: int) -> bool:
    """After that look the picture shows something else, whatever its colours are."""
    thumbs = [look.thumb for look in ours]
    alike = [
        float((one * other).mean())
        for one, other in zip(thumbs, thumbs[3:], strict=False)
        if one is not None and other is not None
    ]
    if len(alike) != len(ours) - 3:
        return False
    across = alike[min(max(0, before - 1), len(alike) - 1)]
    return across < _SAME_SHOT * float(np.median(alike))


def turned_round(ours: tuple[Look, ...], theirs: tuple[Look, ...]) -> bool:
    """The reference's picture is known again in a mirror, and clearly less as it is."""
    pairs = (
        [
            (one.thumb, other.thumb)
            for one, other in zip(ours, nearest(theirs, [each.time for each in ours]), strict=True)
            if one.thumb is not None and other.thumb is not None
        ]
        if theirs
        else []
    )
    if len(pairs) < _LEAST_LOOKS:
        return False
    plain = float(np.median([(one * other).mean() for one, other in pairs]))
    swapped = [(one.reshape(16, 16)[:, ::-1].ravel() * other).mean() for one, other in pairs]
    return float(np.median(swapped)) > max(_KNOWN_AGAIN, plain + _RATHER)


def colourless(ours: tuple[Look, ...], others: tuple[Look, ...]) -> bool:
    """The result has no colour although the picture or the reference has some."""
    mine = float(np.median([look.chroma for look in ours])) if ours else COLOURFUL
    rest = float(np.median([look.chroma for look in others])) if others else 0.0
    return mine < GREY and rest > COLOURFUL


def flat(ours: tuple[Look, ...]) -> bool:
    """Nothing can be seen: most pictures are of one lightness."""
    return bool(ours) and float(np.median([look.spread for look in ours])) < FLAT


def flicker_trait(result: PoseTrack, reference: PoseTrack) -> Trait:
    """Whether the brightness of the whole picture jumps from frame to frame. ``detail``: grey levels."""
    mine, theirs = _flicker(result), _flicker(reference)
    if mine is None:
        return Trait("flicker", None, "too short")
    over = mine if theirs is None or mine > _FLICKER_TIMES * theirs else 0.0
    return Trait("flicker", round(grade(over, _FLICKER), 3), detail=round(mine, 2))


def _flicker(track: PoseTrack) -> float | None:
    light = track.scan.colour[:, 0]
    if len(light) < 12:
        return None
    return float(np.percentile(abs(light[1:-1] - (light[2:] + light[:-2]) / 2), 75))


def hands_trait(result: PoseTrack, reference: PoseTrack, *, late: float = 0.0) -> Trait:
    """Share of the looks at a wrist where a hand is recognised, relative to the reference's then.

    ``late``: seconds by which the result comes later. ``detail``: the share.
    """
    mine, theirs = _hands(result), _hands(reference)
    if theirs is None or float(np.mean([hand.found for hand in theirs])) < _HANDS:
        return Trait("hands", None, "hands small", against="reference")
    if mine is None:
        return Trait("hands", None, "hands unseen", against="reference")
    size, other = (float(np.median([hand.size for hand in hands])) for hands in (mine, theirs))
    if size < min(_HAND_SMALLER * other, _HAND_LARGE):
        return Trait("hands", None, "hands unseen", against="reference")
    shared = [
        (hand, min(then, key=lambda other: abs(other.time + late - hand.time)))
        for hand in mine
        if (then := [h for h in theirs if h.side == hand.side])
    ]
    shared = [(a, b) for a, b in shared if abs(b.time + late - a.time) <= _NEAR]
    usual = float(np.mean([there.found for _, there in shared])) if shared else 0.0
    if len(shared) < _HAND_LOOKS or usual < _HANDS:
        return Trait("hands", None, "hands small", against="reference")
    share = float(np.mean([hand.found for hand, _ in shared]))
    times = tuple(dict.fromkeys(hand.time for hand in mine))
    return Trait(
        "hands",
        round(min(1.0, share / usual), 3),
        times=times,
        values=tuple(float(np.mean([h.found for h in mine if h.time == time])) for time in times),
        detail=round(share, 3),
        against="reference",
    )


def sharp_trait(result: PoseTrack, reference: PoseTrack) -> Trait:
    """Whether the person is sharp, where the reference's is. ``detail``: the sharpness, median of the stills."""
    mine, theirs = _sharpness(result), _sharpness(reference)
    if mine is None:
        return Trait("sharp", None, "nobody")
    if theirs is not None and theirs < BLURRED:
        return Trait("sharp", None, "blurred reference", detail=round(mine, 1))
    return Trait("sharp", round(min(1.0, mine / (2 * BLURRED)), 3), detail=round(mine, 1))


def flaws(result: PoseTrack, reference: PoseTrack, ours: tuple[Look, ...]) -> tuple[Flaw, ...]:
    """Stretches of a second or more that are blurred, grey or dark, unlike the rest and the reference."""
    stills, there = result.stills, reference.stills
    if len(stills) < 2 * _LEAST_LOOKS or not there:
        return ()
    sharp = np.array([s.sharpness if len(s.boxes) else np.nan for s in stills])
    light = np.array([s.light for s in stills])
    chroma = np.array([look.chroma for look in ours])
    near = nearest(there, [s.time for s in stills])
    blurred = (
        (sharp < BLURRED)
        & (sharp < _SOFTER * np.nan_to_num(_upper(sharp)))
        & (np.array([s.sharpness for s in near]) >= BLURRED)
    )
    dark = (light < DARK) & (np.array([s.light for s in near]) >= LIGHT)
    grey = (chroma < GREY) & (light >= DARK) & (_upper(chroma) > COLOURFUL)
    found = []
    kinds: tuple[tuple[Literal["blur", "grey", "dark"], Bools], ...] = (
        ("blur", blurred & ~dark),
        ("grey", grey),
        ("dark", dark),
    )
    for kind, bad in kinds:
        for first, last in runs(bad):
            begin = stills[first].time if first else 0.0
            end = stills[last + 1].time if last + 1 < len(stills) else result.seconds
            if end - begin >= _FLAW_SECONDS and last > first:
                found.append(Flaw(kind, round(begin, 1), round(end, 2)))
    return tuple(found)


class _Timed(Protocol):
    @property
    def time(self) -> float: ...


_T = TypeVar("_T", bound=_Timed)


def nearest(there: Sequence[_T], times: Iterable[float]) -> list[_T]:
    """For each time the one of ``there`` that is closest to it."""
    at = np.array([each.time for each in there])
    return [there[int(np.argmin(abs(at - time)))] for time in times]


def _upper(values: Floats) -> float:
    """What the better half of it has: NaN where nothing is known."""
    known = values[np.isfinite(values)]
    return float(np.percentile(known, 75)) if len(known) else float("nan")


def _sharpness(track: PoseTrack) -> float | None:
    seen = [s.sharpness for s in track.stills if len(s.boxes) and np.isfinite(s.sharpness)]
    return float(np.median(seen)) if seen else None


class _Hand(NamedTuple):
    time: float
    side: int
    """0 for the left one, 1 for the right one."""
    found: bool
    size: float
    """Pixels from the wrist to the middle knuckle."""


def _hands(track: PoseTrack) -> list[_Hand] | None:
    """Each wrist that is seen and near enough."""
    found = []
    for still in track.stills:
        for side, hand in enumerate(still.hands):
            if not np.isfinite(hand).all():
                continue
            size = float(np.linalg.norm(hand[9, :2] - hand[0, :2]))
            if size >= _HAND_PIXELS:
                found.append(_Hand(still.time, side, bool(hand[0, 2] > _HAND), size))
    return found if len(found) >= _HAND_LOOKS else None


def several(track: PoseTrack) -> float:
    """Share of the looks with more than one person."""
    return float(np.mean([len(still.boxes) > 1 for still in track.stills])) if track.stills else 0.0


def _base(ours: tuple[Look, ...], picture: Look | None, what: str) -> tuple[Look | None, _Against]:
    """What to compare with: the picture, else the result's first look that shows it."""

    def shows(look: Look) -> bool:
        return look.face is not None if what == "face" else bool(np.isfinite(look.torso[0]))

    if picture is not None:
        return (picture, "picture") if shows(picture) else (None, "")
    first = [look for look in ours if shows(look)][:_FIRST_LOOKS]
    if not first:
        return None, ""
    return min(first, key=lambda look: abs(look.yaw) if np.isfinite(look.yaw) else 9.0), "start"


def _over_time(
    name: str, ours: tuple[Look, ...], values: list[float | None], against: _Against
) -> Trait:
    known = [v for v in values if v is not None]
    since, until, outside = _changes(tuple(look.time for look in ours), values)
    if len(known) < _LEAST_LOOKS:
        return Trait(name, None, f"{'face' if name == 'face' else 'torso'} unseen", against=against)
    return Trait(
        name,
        round(float(np.median(known)), 3),
        times=tuple(look.time for look in ours),
        values=tuple(None if v is None else round(v, 3) for v in values),
        since=since,
        against=against,
        until=until,
        outside=outside,
    )


_Change: TypeAlias = tuple[float | None, float | None, float | None]


def _changes(times: tuple[float, ...], values: list[float | None]) -> _Change:
    """(since, until, outside): where the value is clearly lower than in the rest, and that of the rest.

    ``until`` is None where it stays so to the end; all are None where nothing changes.
    """
    known = [(t, v) for t, v in zip(times, values, strict=True) if v is not None]
    if len(known) < 2 * _LEAST_LOOKS:
        return None, None, None
    series = _smooth(np.array([v for _, v in known]))
    n = len(series)
    to_the_end = [(i, n) for i in range(2, n - 2)]
    between = [
        (i, k) for i in range(n) for k in range(i + _LEAST_LOOKS, n - 1) if n - (k - i) >= (k - i)
    ]
    for stretches in (to_the_end, between):
        best, at = _DROP, None
        for i, k in stretches:
            inside, rest = series[i:k], np.concatenate([series[:i], series[k:]])
            low, usual = float(np.median(inside)), float(np.median(rest))
            fall = usual - low
            gain = fall if k == n else fall + 0.01 * (k - i)
            if low >= _UNLIKE or fall <= _DROP or gain <= best:
                continue
            whole = float(np.percentile(inside, 90)) < usual - 0.5 * fall
            # what comes back must have been as good before: a value that only varies is no change
            steady = k == n or float(np.percentile(rest, 20)) > usual - 0.5 * fall
            if whole and steady:
                best, at = gain, (known[i][0], None if k == n else known[k][0], usual)
        if at is not None:
            since, until, outside = at
            return round(since, 1), None if until is None else round(until, 1), round(outside, 3)
    return None, None, None


def _smooth(series: Floats) -> Floats:
    """Median of three."""
    if len(series) < 3:
        return series
    padded = np.pad(series, 1, mode="edge")
    return _median(np.stack([padded[:-2], padded[1:-1], padded[2:]]))


def _median(points: Floats) -> Floats:
    """Along the first axis, NaN left out, without a warning where nothing is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(points, axis=0), np.float64)


def _close(one: Floats, other: Floats, ramp: tuple[float, float]) -> float | None:
    apart = (one - other) * np.array([0.5, 1.0, 1.0])
    distance = float(np.sqrt((apart**2).sum()))
    return None if np.isnan(distance) else grade(distance, ramp)


def grade(value: float, ends: tuple[float, float]) -> float:
    """1 at the first end, 0 at the second."""
    good, bad = ends
    return float(np.clip((value - bad) / (good - bad), 0.0, 1.0))


def _mean(parts: list[float | None]) -> float | None:
    known = [p for p in parts if p is not None]
    return float(np.mean(known)) if known else None
