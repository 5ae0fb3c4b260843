"""Motion fidelity: how well the person in the result follows the one in the reference.

Owns the signals made from landmarks, how they are laid over each other, and the scores. Pure numpy
on two ``PoseTrack``; the words are in ``verdict``, what a viewer sees besides motion in ``looks``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from kling_utils.media.arrays import Bools, Floats
from kling_utils.media.shots import runs
from kling_utils.values import Flaw, Limb, Moment, MotionCurve, MotionScore, Span

if TYPE_CHECKING:
    from kling_utils.media.people import PoseTrack

RATE = 15.0
"""Samples a second that tracks are brought to."""

# -- thresholds. Where no source is named: measured on clips with known damage, see docs/benchmarks.md.

BODY_FLOOR, FACE_FLOOR = 0.06, 1.0
"""Noise of a signal: what a detector's jitter adds. Of bone directions, and of a face's channels."""
LEAST_ENERGY = 0.2
"""Motion of a reference's body below which no number is given: dances have 0.37 to 0.44; the same
seated clip encoded again, 0.11, scores 37."""
LEAST_SEEN = 0.4
"""Share of usable samples of a body, on either side."""
HIDDEN = 0.3
"""Part of a limb's samples below which it is not in sight in the result: covered legs have 0."""
LEAST_EYES = 60.0
"""Pixels between the eyes' outer corners, shorter side 480: 77 is fine, 34 loses the mesh."""
LEAST_FACE = 0.6
"""Share of a reference's frames with a face."""
LEAST_FACE_ENERGY = 0.5
"""Noise floors. A talking face has 1.4 to 5; one that does not move has nothing to follow."""
STILL = 0.15
"""Motion of a result relative to the reference's: stills with noise have 0.03."""
LEAST_TIMING = 0.35
"""Share of the score that is left where the motion is not in time."""
CLOSE = 0.7
"""Seconds of lag that are searched for the score."""
LIMB_ENERGY = 0.15
"""A limb that moves less in the reference cannot be judged: it reads 0.16 to 0.89 although right."""
EXPLAINS, BETTER = 70.0, 20.0
"""Score that another reading (mirrored, reversed, shifted, another speed) needs, and by how much it
must beat the plain one: true mirrors gain 49 to 99, the worst false one had 48 against 25."""
LEAST_OVERLAP = 1.5
"""Seconds that must be common for a shift to be believed."""
SPEEDS = tuple(float(s) for s in np.geomspace(0.5, 2.0, 25) if abs(s - 1) > 0.08)
"""Speeds that are tried, 6 % apart: closer ones cannot be told from a drifting lag."""
FROZEN = 0.8
"""Seconds without motion while the reference moves."""
_OPPOSITE, _IN_A_MIRROR = -0.5, 0.5
"""Likeness of what a mirror turns round, from which on it was turned; the part of the score that is left then, as a body in a mirror
keeps 37 to 50. Right faces have -0.0 to 0.1 where they hardly turn, and then nothing is told by it, and 0.85 to 0.96 where they do."""
STRAYS, STAYS, STRAY_SECONDS = 0.3, 0.6, 1.5
"""Likeness of motion and pose in a stretch that shows another motion, and in the rest, which is right: in
six results that join halves of two of three real clips 0.00 to 0.16 and 0.98 to 1.00. Their right
halves are the reference itself; what a model follows less exactly was not measured. Parts of quite
other clips reach 0.6 to 0.9 by chance, so the rest must also score ``EXPLAINS`` in one piece. The
least length of both is assumed."""
_AS_WELL, _NOT_AT_ALL, _FALLS_BEHIND = 5.0, 15.0, 0.3
"""Points by which a reading may fit a half worse than that half as it is; score of a half that does not follow; seconds between
the lags of two halves. Of results that join two parts of a dance, or a part and its mirror, the right halves have 98 to 100, the
others 0 to 46, where a speed fitted the right one with 90 by chance."""
_FOLLOWING = 0.5
"""Likeness of half of the channels that move, from which on they follow: in those six the right halves
have 0.97 to 0.98, the others -0.41 to 0.35."""
LEAST_SECONDS, LEAST_RATE = 0.5, 4.0
"""Length of a clip, and pictures a second, below which no motion can be compared. Assumed: a
step of a dance takes about half a second, and two pictures of it are the least."""
LIMB_LAG = 0.15
"""Seconds that a limb lies behind the rest of the body."""
UNSEEN = 0.5
"""Seconds without a usable body."""

# Bones as pairs of landmarks: arms, legs, shoulder line, spine, neck; left and right are the person's.
_BONES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((11,), (13,)),
    ((13,), (15,)),
    ((12,), (14,)),
    ((14,), (16,)),
    ((23,), (25,)),
    ((25,), (27,)),
    ((24,), (26,)),
    ((26,), (28,)),
    ((11,), (12,)),
    ((11, 12), (23, 24)),
    ((11, 12), (0,)),
)
LIMBS = {
    "left arm": (0, 1),
    "right arm": (2, 3),
    "left leg": (4, 5),
    "right leg": (6, 7),
    "torso": (8, 9),
    "head": (10,),
}
_SWAPPED = [2, 3, 0, 1, 6, 7, 4, 5, 8, 9, 10]
_LINE = 8
"""The bone that runs from the left to the right side, and so turns round in a mirror."""

# Channels of a face: mouth open and wide, both eyes, brows, roll, yaw, pitch, place of the head.
_FACE_NOISE = np.array([0.02, 0.02, 0.04, 0.04, 0.015, 0.02, 0.02, 0.02, 0.04, 0.04])
_PLACE = 8
"""The first channel of the place of the head."""
_FACE_SWAPPED = [0, 1, 3, 2, 4, 5, 6, 7, 8, 9]
_FACE_SIGNS = np.array([1, 1, 1, 1, 1, -1, -1, 1, -1, 1])


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """What moves: ``values`` (n, channels, dimensions) at ``RATE``, ``weights`` (n, channels) 0..1."""

    kind: Literal["body", "face"]
    values: Floats
    weights: Floats

    @property
    def floor(self) -> float:
        return BODY_FLOOR if self.kind == "body" else FACE_FLOOR

    def __len__(self) -> int:
        return len(self.values)

    def part(self, begin: int, end: int) -> Signal:
        return Signal(self.kind, self.values[begin:end], self.weights[begin:end])

    def only(self, channels: tuple[int, ...]) -> Signal:
        return Signal(self.kind, self.values[:, list(channels)], self.weights[:, list(channels)])

    def mirrored(self) -> Signal:
        """As a mirror shows it: x turned round, and left and right changed."""
        if self.kind == "face":
            values = self.values[:, _FACE_SWAPPED] * _FACE_SIGNS[:, None]
            return Signal(self.kind, values, self.weights[:, _FACE_SWAPPED])
        values = self.values[:, _SWAPPED] * np.array([-1.0, 1.0])
        values[:, _LINE] *= -1
        return Signal(self.kind, values, self.weights[:, _SWAPPED])

    def reversed(self) -> Signal:
        return Signal(self.kind, self.values[::-1], self.weights[::-1])

    def at_speed(self, speed: float) -> Signal:
        """Stretched in time, as if it had been played that many times as fast before."""
        at = np.arange(0.0, len(self) - 1, 1 / speed)
        low = at.astype(int)
        share = at - low
        values = (
            self.values[low] * (1 - share)[:, None, None]
            + self.values[low + 1] * share[:, None, None]
        )
        return Signal(self.kind, values, np.minimum(self.weights[low], self.weights[low + 1]))

    @property
    def energy(self) -> float:
        """Root mean square of the deviation from the mean."""
        own = _moments(self, self)
        return float(np.sqrt(own.first.sum() / max(own.count.sum(), 1e-9)))

    @property
    def seen(self) -> float:
        """Share of usable samples."""
        return float((self.weights > 0).mean()) if self.weights.size else 0.0


def body_signal(track: PoseTrack) -> Signal:
    """Unit directions of eleven bones in the picture: free of scale, place and bone length.

    A bone weighs nothing when it is hidden or outside, and little when it points at the camera.
    """
    points = _resampled(track, track.bodies)
    xy = points[..., :2]
    width, height = track.size
    with np.errstate(invalid="ignore"):
        inside = (
            (xy[..., 0] > -0.02 * width)
            & (xy[..., 0] < 1.02 * width)
            & (xy[..., 1] > -0.02 * height)
            & (xy[..., 1] < 1.02 * height)
        )
    sure = np.where(inside, points[..., 3], 0.0)
    ends = [(xy[:, list(a)].mean(1), xy[:, list(b)].mean(1)) for a, b in _BONES]
    bones = np.stack([b - a for a, b in ends], 1)
    length = np.linalg.norm(bones, axis=2)
    weights = np.stack(
        [np.minimum(sure[:, list(a)].mean(1), sure[:, list(b)].mean(1)) for a, b in _BONES], 1
    )
    weights = np.where(weights > 0.5, weights, 0.0)
    found = np.isfinite(length).all(1)
    if found.any():
        usual = np.maximum(np.percentile(length[found], 90, axis=0), 1e-6)
        weights = weights * np.nan_to_num(((length / usual - 0.1) / 0.3).clip(0, 1))
    values = np.nan_to_num(bones / np.maximum(length[..., None], 1e-6))
    return Signal("body", values, weights)


def face_signal(track: PoseTrack) -> Signal:
    """Ten channels of a face in units of their noise."""
    f = track.faces[..., :2]

    def apart(i: int, j: int) -> Floats:
        return np.asarray(np.linalg.norm(f[:, i] - f[:, j], axis=1), np.float64)

    eyes = apart(33, 263)
    middle, line = (f[:, 33] + f[:, 263]) / 2, f[:, 263] - f[:, 33]
    nose = f[:, 1] - middle
    along = line / np.maximum(eyes, 1e-6)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    usual = float(np.nanmedian(eyes)) if np.isfinite(eyes).any() else 1.0
    eyes_or_1 = np.maximum(eyes, 1e-6)
    channels = np.stack(
        [
            apart(13, 14) / eyes_or_1,
            apart(61, 291) / eyes_or_1,
            apart(159, 145) / np.maximum(apart(33, 133), 1e-6),
            apart(386, 374) / np.maximum(apart(362, 263), 1e-6),
            (apart(105, 159) + apart(334, 386)) / 2 / eyes_or_1,
            np.arctan2(line[:, 1], line[:, 0]),
            (nose * along).sum(1) / eyes_or_1,
            (nose * across).sum(1) / eyes_or_1,
            middle[:, 0] / usual,
            middle[:, 1] / usual,
        ],
        1,
    )
    even = _resampled(track, channels)
    return Signal(
        "face", np.nan_to_num(even / _FACE_NOISE)[..., None], np.isfinite(even).astype(np.float64)
    )


def eye_distance(track: PoseTrack) -> float:
    """Median pixels between the eyes' outer corners, for a shorter side of 480; 0 without a face."""
    apart = np.linalg.norm(track.faces[:, 33, :2] - track.faces[:, 263, :2], axis=1)
    found = apart[np.isfinite(apart)]
    return float(np.median(found)) * 480 / min(track.size) if len(found) else 0.0


def _resampled(track: PoseTrack, points: Floats) -> Floats:
    """Rows at ``RATE``, smoothed over a sample; gaps longer than two looks stay NaN."""
    flat = points.reshape(len(points), int(np.prod(points.shape[1:])))
    found = np.isfinite(flat).all(1)
    grid = np.arange(0.0, max(track.seconds, 1 / RATE) - 1e-6, 1 / RATE)
    even = np.full((len(grid), flat.shape[1]), np.nan)
    if found.sum() >= 3:
        times, rows = track.times[found], flat[found]
        for channel in range(flat.shape[1]):
            even[:, channel] = np.interp(grid, times, rows[:, channel])
        after = np.searchsorted(times, grid).clip(1, len(times) - 1)
        away = np.minimum(abs(grid - times[after]), abs(grid - times[after - 1]))
        even[away > max(0.17, 1.2 / track.fps)] = np.nan
    kernel = np.exp(-0.5 * np.arange(-3, 4) ** 2)
    there = np.isfinite(even)
    total, weight = np.zeros_like(even), np.zeros_like(even)
    padded = np.pad(np.where(there, even, 0.0), ((3, 3), (0, 0)))
    mask = np.pad(there.astype(np.float64), ((3, 3), (0, 0)))
    for i, share in enumerate(kernel):
        total += share * padded[i : i + len(even)]
        weight += share * mask[i : i + len(even)]
    smooth = np.where(there, total / np.maximum(weight, 1e-9), np.nan)
    return smooth.reshape(len(grid), *points.shape[1:])


# -- likeness of two signals


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    first: Floats
    second: Floats
    both: Floats
    """(channels,): weighted sums of squares and of products of deviations from the means."""
    count: Floats
    weights: Floats
    """(n, channels)"""


def _moments(one: Signal, other: Signal) -> _Moments:
    w = one.weights * (other.weights > 0)
    count = np.maximum(w.sum(0), 1e-9)[:, None]
    a = one.values - (w[..., None] * one.values).sum(0) / count
    b = other.values - (w[..., None] * other.values).sum(0) / count
    first, second, both = ((w * (p * q).sum(2)).sum(0) for p, q in ((a, a), (b, b), (a, b)))
    return _Moments(first, second, both, w.sum(0), w)


def _likeness(one: Signal, other: Signal, floor: float) -> float:
    """Correlation of deviations from the mean, -1..1; noise below ``floor`` counts as unlike."""
    m = _moments(one, other)
    noise = floor**2 * m.count.sum()
    return float(m.both.sum() / np.sqrt((m.first.sum() + noise) * (m.second.sum() + noise) + 1e-12))


def _laid_over(one: Signal, other: Signal, shift: int) -> tuple[Signal, Signal]:
    """The common part when ``other`` comes ``shift`` samples later (negative: earlier)."""
    a, b = max(0, -shift), max(0, shift)
    n = max(0, min(len(one) - a, len(other) - b))
    return one.part(a, a + n), other.part(b, b + n)


@dataclass(frozen=True, slots=True)
class _Lag:
    seconds: float
    samples: int


def _lag(one: Signal, other: Signal, *, low: int, high: int, overlap: int, step: int = 1) -> _Lag:
    """The shift in ``low..high`` samples at which both are most alike; small ones are preferred."""
    shifts = np.arange(low, high + 1, step)
    alike = np.full(len(shifts), -1.0)
    for i, shift in enumerate(shifts):
        a, b = _laid_over(one, other, int(shift))
        if len(a) >= overlap:
            # a short overlap agrees by chance more easily
            share = min(1.0, len(a) / max(1, min(len(one), len(other))))
            alike[i] = _likeness(a, b, one.floor) * share**0.1 - 0.02 * abs(shift) / RATE * (
                step == 1
            )
    best = int(alike.argmax())
    fine = 0.0
    if 0 < best < len(shifts) - 1 and step == 1:
        left, top, right = alike[best - 1 : best + 2]
        bend = left - 2 * top + right
        fine = float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if abs(bend) > 1e-9 else 0.0
    return _Lag(float((shifts[best] + fine) / RATE), int(shifts[best]))


def _close_lag(one: Signal, other: Signal) -> _Lag:
    """Within ``CLOSE``; beyond it where the likeness still rises, and both are much alike there."""
    most, overlap = int(CLOSE * RATE), int(RATE)
    found = _lag(one, other, low=-most, high=most, overlap=overlap)
    beyond = found
    while most <= abs(beyond.samples) < 2 * CLOSE * RATE:
        most = abs(beyond.samples) + 1
        low, high = beyond.samples - 1, beyond.samples + 1
        beyond = _lag(one, other, low=low, high=high, overlap=overlap)
    if _match(*_laid_over(one, other, beyond.samples)).aligned < 100 - BETTER:
        return found
    return beyond


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """Two signals at one alignment."""

    motion: float
    ratio: float
    pose: float
    windows: Floats
    """(k, 4): second of the reference, its energy, likeness 0..1, the result's energy."""
    angles: Floats
    """(n, channels): degrees between bones; empty for a face."""
    moments: _Moments

    @property
    def amplitude(self) -> float:
        return min(1.0, self.ratio, 1 / max(self.ratio, 1e-6))

    @property
    def aligned(self) -> float:
        """Score 0..100 of what is common, lag and missing parts left aside."""
        return float(100 * self.motion * self.amplitude**0.5 * self.pose**0.5)


def _match(one: Signal, other: Signal) -> _Match:
    """Two signals of one length, sample for sample."""
    floor = one.floor
    m = _moments(one, other)
    noise = floor**2 * m.count.sum()
    ceiling = m.first.sum() / (m.first.sum() + noise + 1e-9)
    whole = m.both.sum() / np.sqrt((m.first.sum() + noise) * (m.second.sum() + noise) + 1e-12)
    whole = float(np.clip(whole / max(ceiling, 0.2), 0, 1))
    windows, fine, n = [], floor * 0.5, int(RATE)
    for begin in range(0, max(1, len(one) - n + 1), max(1, int(RATE / 4))):
        a, b = one.part(begin, begin + n), other.part(begin, begin + n)
        energy = a.energy
        alike = _likeness(a, b, fine) / max(energy**2 / (energy**2 + fine**2), 0.05)
        seen = Signal(b.kind, b.values, a.weights * (b.weights > 0))
        windows.append((begin / RATE + 0.5, energy, float(np.clip(alike, 0, 1)), seen.energy))
    table = np.array(windows).reshape(-1, 4)
    moving = table[:, 1] > max(0.8 * floor, 0.25 * float(np.median(table[:, 1])))
    local = (
        float((table[moving, 1] * table[moving, 2]).sum() / table[moving, 1].sum())
        if moving.any()
        else whole
    )
    angles, pose = np.zeros((0, 0)), 1.0
    if one.kind == "body":
        angles = np.degrees(np.arccos(np.clip((one.values * other.values).sum(2), -1, 1)))
        pose = float((m.weights * np.exp(-((angles / 40) ** 2))).sum() / max(m.weights.sum(), 1e-9))
    ratio = float(np.sqrt(m.second.sum() / max(m.first.sum(), 1e-9)))
    return _Match(float(np.sqrt(max(0.0, whole * local))), ratio, pose, table, angles, m)


def _size(m: _Moments, kind: str) -> float:
    """Size of the result's movements relative to the reference's; the place of a head is left out: a
    zoom moves it, too."""
    used = slice(0, _PLACE if kind == "face" else None)
    return float(np.sqrt(m.second[used].sum() / max(m.first[used].sum(), 1e-9)))


@dataclass(frozen=True, slots=True)
class _LocalLags:
    times: Floats
    lags: Floats

    @property
    def drift(self) -> float | None:
        """Seconds of lag a second, which grows when the result plays at another speed."""
        return float(np.polyfit(self.times, self.lags, 1)[0]) if len(self.times) >= 4 else None


def _local_lags(one: Signal, other: Signal, *, floor: float, least: float = 0.5) -> _LocalLags:
    """The lag of each 2 s of the reference that moves, at its middle."""
    n, most = int(2 * RATE), int(0.8 * RATE)
    found = []
    for begin in range(0, max(1, len(one) - n + 1), int(RATE / 2)):
        here = one.part(begin, begin + n)
        if here.energy < 2 * floor:
            continue
        best = max(
            (
                (
                    _likeness(here, other.part(begin + s, begin + s + n), floor)
                    - 0.01 * abs(s) / RATE,
                    s,
                )
                for s in range(-most, most + 1)
                if begin + s >= 0 and begin + s + n <= len(other) and len(here) == n
            ),
            default=(0.0, 0),
        )
        if best[0] > least:
            found.append((begin / RATE + 1, best[1] / RATE))
    table = np.array(found).reshape(-1, 2)
    return _LocalLags(table[:, 0], table[:, 1])


# -- the score, and what else would explain it

Reading = Literal["", "mirrored", "reversed", "shifted", "speed"]


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """One channel (body or face) judged. ``score.value`` is None where ``score.why`` says so."""

    score: MotionScore
    reading: Reading = ""
    """What explains the result better than "the same motion"."""
    limbs: tuple[Limb, ...] = ()
    curve: MotionCurve | None = None
    frozen: tuple[Span, ...] = ()
    unseen: tuple[Span, ...] = ()
    stops: float | None = None
    """Second of the result from which nothing moves to its end, although the reference goes on."""
    strays: tuple[Flaw, ...] = ()
    """Where the motion is not the reference's as it is, although the rest is."""
    hidden: tuple[str, ...] = ()
    """Limbs that only the reference shows."""


def judge(
    reference: Signal,
    result: Signal,
    why: str = "",
    *,
    asked: float | None = None,
    framed: Bools | None = None,
    turned: bool = False,
) -> Followed:
    """Score of a result against a reference.

    ``why``: a reason for which no number can be given, see ``gate``. ``asked``: seconds of the
    reference that were to be followed; None for all. ``framed``: see ``other_framing``. ``turned``:
    the ground of the reference is known again in a mirror.
    """
    if why:
        return Followed(MotionScore(value=None, why=why))
    whole = reference
    if asked is not None:
        reference = reference.part(0, max(int(RATE), round(asked * RATE)))
    close = _close_lag(reference, result)
    one, other = _laid_over(reference, result, close.samples)
    match = _match(one, other)
    if match.aligned < EXPLAINS:
        # half of it may be right and the other half hide by how much that is late
        for each in _lags_of_halves(reference, result):
            near = abs(each.samples) <= CLOSE * RATE and each.samples != close.samples
            if near and _joined(whole, reference, result, each, framed):
                close = each
                one, other = _laid_over(reference, result, close.samples)
                match = _match(one, other)
                break
    used = (one.weights > 0) & (other.weights > 0)
    coverage = float(used.sum() / max((reference.weights > 0).sum(), 1))
    local = _local_lags(reference, result, floor=reference.floor)
    behind = float(np.median(abs(local.lags))) if len(local.lags) >= 2 else abs(close.seconds)
    in_time = float(np.exp(-((max(0.0, behind - 0.04) / 0.3) ** 2)))
    still = _size(match.moments, reference.kind) < STILL
    offset = max(0, close.samples) / RATE
    frozen, stops = ((), None) if still else _frozen(one, other, match, offset, len(result))
    reading: Reading = ""
    begins, speed = 0.0, 1.0
    halves = _halves(reference, result)
    if not still and match.aligned < 100 - BETTER:
        reading, begins, speed = _explained(
            whole, reference, result, match.aligned, halves, stopped=stops is not None
        )
    if not (still or reading or stops is not None) and _turned_round(
        reference, result, one, other, turned=turned
    ):
        reading, match = "mirrored", replace(match, motion=_IN_A_MIRROR * match.motion)
    if reading in ("reversed", "shifted", "speed"):  # what fits by chance is not in time
        in_time = 0.0
    timing = LEAST_TIMING + (1 - LEAST_TIMING) * in_time
    strays: tuple[Flaw, ...] = ()
    if not (still or reading or stops is not None):
        strays = tuple(
            Flaw("stray", *span)
            for span in _strays(whole, result, one, other, match, offset, framed)
        )
        half = _other_half(whole, reference, result, halves, match.aligned)
        if half is not None and (half.kind != "stray" or not strays):
            strays = (half,)
    score = MotionScore(
        value=round(coverage * timing * match.aligned, 1),
        why="",
        motion=round(match.motion, 3),
        pose=round(match.pose, 3),
        amplitude=round(match.amplitude, 3),
        timing=round(timing, 3),
        coverage=round(min(1.0, coverage), 3),
        ratio=round(match.ratio, 3),
        aligned=round(match.aligned, 1),
        lag=round(close.seconds, 3),
        drift=None if local.drift is None else round(local.drift, 3),
        speed=round(speed, 2),
        begins=round(begins, 2),
        energy=round(reference.energy, 3),
        still=still,
    )
    return Followed(
        score,
        reading,
        _limbs(reference, result, close) if reference.kind == "body" else (),
        _curve_of(whole, result, reading, begins)
        or _curve(match, one, other, offset, max(0, -close.samples) / RATE),
        frozen,
        _unseen(one, other, offset),
        stops,
        strays,
        _hidden(one, other) if reference.kind == "body" else (),
    )


def _turned_round(
    reference: Signal, result: Signal, one: Signal, other: Signal, *, turned: bool
) -> bool:
    """Left and right are swapped although the motion as such fits either way."""
    if turned:
        swapped = result.mirrored()
        shift = _close_lag(reference, swapped).samples
        return _match(*_laid_over(reference, swapped, shift)).aligned > EXPLAINS
    if one.kind != "face":
        return False
    ours, theirs = _sides(other), _sides(one)
    return theirs.energy > 1.0 and _likeness(theirs, ours, FACE_FLOOR) < _OPPOSITE


def _sides(face: Signal) -> Signal:
    """What a mirror turns round: one eye against the other, roll, yaw and the place across."""
    left, right = face.values[:, [2]], face.values[:, [3]]
    both = np.minimum(face.weights[:, [2]], face.weights[:, [3]])
    turns = [5, 6, _PLACE]
    return Signal(
        "face",
        np.concatenate([(left - right) / 2, face.values[:, turns]], 1),
        np.concatenate([both, face.weights[:, turns]], 1),
    )


def _curve_of(whole: Signal, result: Signal, reading: Reading, begins: float) -> MotionCurve | None:
    """The curve of what explains the result: a mirrored one is compared with the mirrored motion."""
    if reading == "mirrored":
        whole = whole.mirrored()
        shift = _close_lag(whole, result).samples
    elif reading == "reversed":
        whole = whole.reversed()
        least = int(max(LEAST_OVERLAP * RATE, 0.4 * min(len(whole), len(result))))
        low, high = -(len(whole) - least), len(result) - least
        shift = _lag(whole, result, low=low, high=high, overlap=least, step=2).samples
        shift = _lag(whole, result, low=shift - 2, high=shift + 2, overlap=least).samples
    elif reading == "shifted":
        shift = -round(begins * RATE)
    else:
        return None
    one, other = _laid_over(whole, result, shift)
    match = _match(one, other)
    return _curve(match, one, other, max(0, shift) / RATE, max(0, -shift) / RATE)


def _lags_of_halves(reference: Signal, result: Signal) -> list[_Lag]:
    """The lag of the first half alone, and of the second."""
    middle = min(len(reference), len(result)) // 2
    if middle < STRAY_SECONDS * RATE:
        return []
    halves = ((0, middle), (middle, 2 * middle))
    return [_close_lag(reference.part(a, b), result.part(a, b)) for a, b in halves]


def _joined(
    whole: Signal, reference: Signal, result: Signal, lag: _Lag, framed: Bools | None
) -> bool:
    """With that lag a part of the result is right, and another one is not."""
    one, other = _laid_over(reference, result, lag.samples)
    offset = max(0, lag.samples) / RATE
    return bool(_strays(whole, result, one, other, _match(one, other), offset, framed))


def _rest_fits(one: Signal, other: Signal, span: Span) -> bool:
    """Chance finds a lag at which some of another clip fits: what is right must be so, and in one piece."""
    first, last = round(span[0] * RATE), round(span[1] * RATE)
    begin, end = max(((0, first), (last, len(one))), key=lambda part: part[1] - part[0])
    if end - begin < RATE:
        return False
    return _match(one.part(begin, end), other.part(begin, end)).aligned > EXPLAINS


def _strays(
    whole: Signal,
    result: Signal,
    one: Signal,
    other: Signal,
    match: _Match,
    offset: float,
    framed: Bools | None = None,
) -> tuple[Span, ...]:
    """The longest stretch of another motion, if the rest is right and it is no other part of this one."""
    at, energy, alike, moved = match.windows.T
    usual = float(np.median(energy)) if len(energy) else 0.0
    weight = np.where(energy > max(0.8 * one.floor, 0.25 * usual), np.minimum(energy, 2 * usual), 0)
    quality = alike * _poses(match, at)
    begin, end = _heaviest(weight * (0.5 * (STRAYS + STAYS) - quality))
    # where the reference rests its pose tells whether that goes on
    while 0 < begin < end and not weight[begin - 1] and quality[begin - 1] < STRAYS:
        begin -= 1
    while begin < end < len(at) and not weight[end] and quality[end] < STRAYS:
        end += 1
    inside = np.zeros(len(at), bool)
    inside[begin:end] = True
    if weight[inside].sum() <= 0 or weight[~inside].sum() <= 0:
        return ()
    length = len(one) / RATE
    # a second at either end is too short to be told from its neighbour
    span = (
        float(at[begin]) if at[begin] >= 1.0 else 0.0,
        float(at[end - 1]) if length - at[end - 1] >= 1.0 else length,
    )
    if min(span[1] - span[0], length - (span[1] - span[0])) < STRAY_SECONDS:
        return ()
    inside = (at >= span[0]) & (at <= span[1])
    if (
        np.average(quality[inside], weights=weight[inside]) > STRAYS
        or np.average(quality[~inside], weights=weight[~inside]) < STAYS
    ):
        return ()
    if moved[inside].sum() < 0.4 * energy[inside].sum():  # it rests, or is not seen
        told, _ = _frozen(one, other, match, 0.0, len(one))
        hidden = [] if _framed_otherwise(framed, span, offset) else _unseen(one, other, 0.0)
        common = [min(b, span[1]) - max(a, span[0]) for a, b in (*told, *hidden)]
        if sum(max(0.0, each) for each in common) > 0.5 * (span[1] - span[0]):
            return ()
    if not _rest_fits(one, other, span):
        return ()
    here = slice(round(span[0] * RATE), round(span[1] * RATE))
    if _bones_follow(one.part(here.start, here.stop), other.part(here.start, here.stop)):
        return ()
    first = max(0, round((span[0] + offset) * RATE))
    part = result.part(first, first + round((span[1] - span[0]) * RATE))
    if len(part) <= len(whole):
        found = _lag(whole, part, low=len(part) - len(whole), high=0, overlap=len(part), step=2)
        elsewhere = _match(*_laid_over(whole, part, found.samples))
        if elsewhere.aligned > EXPLAINS:
            return ()
    seconds = len(result) / RATE
    stop = span[1] + offset if span[1] < length else seconds
    return ((round(span[0] + offset if span[0] else 0.0, 1), round(min(stop, seconds), 2)),)


def _framed_otherwise(framed: Bools | None, span: Span, offset: float) -> bool:
    here = slice(round((span[0] + offset) * RATE), round((span[1] + offset) * RATE))
    return framed is not None and len(framed[here]) > 0 and bool(framed[here].mean() > 0.5)


def _bones_follow(one: Signal, other: Signal) -> bool:
    """Half of what moves follows: a limb that goes its own way is no other motion."""
    m = _moments(one, other)
    noise = one.floor**2 * m.count
    moves = m.first > 4 * noise
    alike = m.both / np.sqrt((m.first + noise) * (m.second + noise) + 1e-12)
    return bool(moves.any()) and float(np.median(alike[moves])) > _FOLLOWING


def _poses(match: _Match, at: Floats) -> Floats:
    """Nearness of the poses, 0..1, in the second around each moment; 1 for a face."""
    if not match.angles.size:
        return np.ones(len(at))
    weights, near = match.moments.weights, np.exp(-((match.angles / 40) ** 2))
    found = []
    for middle in at:
        here = slice(max(0, round((middle - 0.5) * RATE)), round((middle + 0.5) * RATE))
        total = float(weights[here].sum())
        found.append(float((weights[here] * near[here]).sum()) / total if total > 0 else 0.0)
    return np.array(found)


def _heaviest(gains: Floats) -> tuple[int, int]:
    """Begin and end of the row of neighbours with the largest sum; (0, 0) where none is above 0."""
    best, found, total, begin = 0.0, (0, 0), 0.0, 0
    for i, gain in enumerate(gains):
        total += float(gain)
        if total <= 0:
            total, begin = 0.0, i + 1
        elif total > best:
            best, found = total, (begin, i + 1)
    return found


def _explained(
    whole: Signal,
    reference: Signal,
    result: Signal,
    plain: float,
    halves: list[_Half],
    *,
    stopped: bool,
) -> tuple[Reading, float, float]:
    """(reading, begins, speed): the reading that fits far better than the plain one, if any does.

    ``begins``: second of the reference at which the result begins; negative: by how much later the
    motion starts in the result.
    """
    found: list[tuple[float, Reading, float, float]] = []

    def consider(reading: Reading, one: Signal, other: Signal, shift: int, speed: float) -> None:
        a, b = _laid_over(one, other, shift)
        if len(a) < LEAST_OVERLAP * RATE:
            return
        share = (a.weights.astype(bool) & b.weights.astype(bool)).sum() / max(
            1, (a.weights > 0).sum()
        )
        fits = _match(a, b).aligned * float(share)
        if fits > EXPLAINS and fits > plain + BETTER and not _half_is_right(a, b, halves):
            found.append((fits, reading, -shift / RATE, speed))

    swapped = result.mirrored()
    consider("mirrored", reference, swapped, _close_lag(reference, swapped).samples, 1.0)
    if stopped:  # what stands still agrees with many a pause
        return _best(found)
    back = result.reversed()
    least = int(max(LEAST_OVERLAP * RATE, 0.4 * min(len(whole), len(result))))
    wide = {"low": -(len(whole) - least), "high": len(result) - least, "overlap": least}
    if wide["low"] <= wide["high"]:
        for reading, other in (("reversed", back), ("shifted", result)):
            rough = _lag(whole, other, **wide, step=2).samples
            fine = _lag(whole, other, low=rough - 2, high=rough + 2, overlap=least)
            if reading == "reversed" or abs(fine.samples) > CLOSE * RATE:
                consider(reading, whole, other, fine.samples, 1.0)  # type: ignore[arg-type]
    for speed in SPEEDS:
        stretched = result.at_speed(speed)
        consider("speed", reference, stretched, _close_lag(reference, stretched).samples, speed)
    return _best(found)


@dataclass(frozen=True, slots=True)
class _Half:
    aligned: float
    lag: _Lag


def _halves(reference: Signal, result: Signal) -> list[_Half]:
    """How well each half follows as it is, at its own lag."""
    middle = min(len(reference), len(result)) // 2
    parts = ((0, middle), (middle, 2 * middle))
    found = []
    for (begin, end), lag in zip(parts, _lags_of_halves(reference, result), strict=False):
        one, other = reference.part(begin, end), result.part(begin, end)
        moves = one.energy > 2 * one.floor
        aligned = _match(*_laid_over(one, other, lag.samples)).aligned if moves else 0.0
        found.append(_Half(aligned, lag))
    return found


def _half_is_right(one: Signal, other: Signal, halves: list[_Half]) -> bool:
    """A reading that is of the other half only explains nothing: as it is, this half fits better."""
    middle = len(one) // 2
    parts = ((0, middle), (middle, len(one)))
    return any(
        half.aligned > EXPLAINS
        and half.aligned > _match(one.part(*part), other.part(*part)).aligned + _AS_WELL
        for part, half in zip(parts, halves, strict=False)
    )


def _other_half(
    whole: Signal, reference: Signal, result: Signal, halves: list[_Half], plain: float
) -> Flaw | None:
    """Where one half of the result follows, and the other does so later, in a mirror, or not at all."""
    if len(halves) != 2 or plain > 100 - BETTER:
        return None
    lags = [half.lag.samples for half in halves]
    right, wrong = (0, 1) if halves[0].aligned > halves[1].aligned else (1, 0)
    least = max(EXPLAINS, plain + _AS_WELL)
    if halves[wrong].aligned > least and abs(lags[0] - lags[1]) >= _FALLS_BEHIND * RATE:
        apart = int(abs(lags[1]) > abs(lags[0]))
        kind: _Kind = "late" if lags[apart] > lags[1 - apart] else "early"
        away = _away(reference, result, lags[apart])
        return _from_where(kind, apart, _away(reference, result, lags[1 - apart]), away, result)
    if halves[right].aligned < 100 - BETTER:
        return None
    near = _away(reference, result, lags[right])
    middle = min(len(reference), len(result)) // 2
    span = (wrong * middle, (wrong + 1) * middle)
    one, other, swapped = reference.part(*span), result.part(*span), result.mirrored()
    lag = _close_lag(one, swapped.part(*span)).samples
    fits = _match(*_laid_over(one, swapped.part(*span), lag)).aligned
    if fits > EXPLAINS and fits > halves[wrong].aligned + BETTER:
        return _from_where("swapped", wrong, near, _away(reference, swapped, lag), result)
    unseen = (other.weights > 0).sum() < 0.5 * (one.weights > 0).sum()
    if halves[wrong].aligned > _NOT_AT_ALL or unseen or other.energy < 2 * other.floor:
        return None
    found = _lag(whole, other, low=middle - len(whole), high=0, overlap=middle, step=2)
    if _match(*_laid_over(whole, other, found.samples)).aligned > EXPLAINS:
        return None  # another part of the same motion
    usual = np.full(len(near), (one.floor**2 + one.energy**2) / 2)
    return _from_where("stray", wrong, near, usual, result)


_Kind: TypeAlias = Literal["stray", "swapped", "late", "early"]


def _away(one: Signal, other: Signal, lag: int) -> Floats:
    """(n,): squared distance at each sample of the reference; NaN where only one is there."""
    a, b = _laid_over(one, other, lag)
    m = _moments(a, b)
    apart = m.weights * ((a.values - b.values) ** 2).sum(2)
    found = np.full(min(len(one), len(other)), np.nan)
    begin = max(0, -lag)
    room = found[begin : begin + len(a)]
    room[:] = (apart.sum(1) / np.maximum(m.weights.sum(1), 1e-9))[: len(room)]
    return found


def _from_where(kind: _Kind, half: int, near: Floats, away: Floats, result: Signal) -> Flaw:
    """The stretch of the result that begins, or ends, where the other alignment becomes the better one."""
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(near - away))])
    if half == 1:
        return Flaw(kind, round(int(np.argmin(sums)) / RATE, 1), round(len(result) / RATE, 2))
    return Flaw(kind, 0.0, round(int(np.argmax(sums)) / RATE, 1))


def _best(found: list[tuple[float, Reading, float, float]]) -> tuple[Reading, float, float]:
    if not found:
        return "", 0.0, 1.0
    _, reading, begins, speed = max(found)
    return reading, begins if reading == "shifted" else 0.0, speed


def _limbs(reference: Signal, result: Signal, close: _Lag) -> tuple[Limb, ...]:
    one, other = _laid_over(reference, result, close.samples)
    rows = []
    for name, bones in LIMBS.items():
        a, b = one.only(bones), other.only(bones)
        m = _moments(a, b)
        noise = BODY_FLOOR**2 * m.count.sum()
        energy = float(np.sqrt(m.first.sum() / max(m.count.sum(), 1e-9)))
        angles = np.degrees(np.arccos(np.clip((a.values * b.values).sum(2), -1, 1)))
        follows = m.both.sum() / np.sqrt((m.first.sum() + noise) * (m.second.sum() + noise) + 1e-12)
        judged = energy >= LIMB_ENERGY and (m.weights > 0).mean() >= LEAST_SEEN
        lag, since = (None, None)
        if judged:
            lag, since = _limb_lag(reference.only(bones), result.only(bones), close)
        rows.append(
            Limb(
                name=name,
                judged=bool(judged),
                follows=round(float(np.clip(follows, 0, 1)), 3),
                amplitude=round(float(np.sqrt(m.second.sum() / max(m.first.sum(), 1e-9))), 3),
                error=round(float((m.weights * angles).sum() / max(m.weights.sum(), 1e-9)), 1),
                energy=round(energy, 3),
                lag=lag,
                lags_from=since,
            )
        )
    return tuple(rows)


def _hidden(one: Signal, other: Signal) -> tuple[str, ...]:
    """Limbs that are in sight in the reference, and most of the time not in the result."""
    found = []
    for name, bones in LIMBS.items():
        there, here = (signal.only(bones).weights > 0 for signal in (one, other))
        if there.mean() >= LEAST_SEEN and (there & here).sum() < HIDDEN * there.sum():
            found.append(name)
    return tuple(found)


def _limb_lag(one: Signal, other: Signal, close: _Lag) -> tuple[float | None, float | None]:
    """(lag, since): seconds that the limb lies behind the whole body at the end, and from when on."""
    local = _local_lags(one, other, floor=BODY_FLOOR, least=0.7)
    behind = local.lags - close.seconds
    late = behind > LIMB_LAG
    if not len(late) or not late[-1]:
        return None, None
    first = len(late) - int(np.argmin(late[::-1])) if not late.all() else 0
    if len(late) - first < 2:
        return None, None
    since = max(0.0, float(local.times[first]) - 1.0) if first else 0.0
    return round(float(np.median(behind[first:])), 2), round(since, 1)


def _speed(signal: Signal) -> Floats:
    """How fast it changes from sample to sample, a third of a second's mean."""
    weights = signal.weights[1:] * (signal.weights[:-1] > 0)
    steps = np.linalg.norm(np.diff(signal.values, axis=0), axis=2)
    raw = (weights * steps).sum(1) / np.maximum(weights.sum(1), 1e-9)
    return np.convolve(raw, np.full(5, 0.2), "same")


def _frozen(
    one: Signal, other: Signal, match: _Match, offset: float, length: int
) -> tuple[tuple[Span, ...], float | None]:
    """Spans of the result that stand still while the reference moves, and when it stops for good."""
    if len(one) <= RATE:
        return (), None
    a = _speed(Signal(one.kind, one.values, match.moments.weights))
    b = _speed(Signal(other.kind, other.values, match.moments.weights))
    moves = a > max(0.5 * float(a.mean()), 0.15 * one.floor)
    if not moves.any():
        return (), None
    usual = float(a[moves].mean())
    quiet = b < 0.15 * usual
    spans: list[Span] = []
    for begin, last in runs(quiet):
        end = last + 1
        if (end - begin) / RATE >= FROZEN and moves[begin:end].mean() > 0.4:
            spans.append((round(begin / RATE + offset, 2), round(end / RATE + offset, 2)))
    followed = np.flatnonzero(moves & (b > np.maximum(0.2 * a, 0.1 * usual)))
    last = int(followed[-1] + 1) if len(followed) else 0
    until = int(np.flatnonzero(moves)[-1] + 1)
    stops = None
    if until - last >= FROZEN * RATE and quiet[last:until].mean() > 0.6:
        stops = round(last / RATE + offset, 2)
        spans = [s for s in spans if s[1] <= stops + 0.1]
        spans.append((stops, round(length / RATE, 2)))
    return tuple(spans), stops


def _unseen(one: Signal, other: Signal, offset: float) -> tuple[Span, ...]:
    """Spans of the result in which the person is not seen although the reference's is."""
    least = 3 if one.kind == "body" else 1
    there, here = ((each.weights > 0).sum(1) >= least for each in (one, other))
    return tuple(
        (round(begin / RATE + offset, 2), round((last + 1) / RATE + offset, 2))
        for begin, last in runs(there & ~here)
        if (last + 1 - begin) / RATE >= UNSEEN
    )


def _curve(
    match: _Match, one: Signal, other: Signal, offset: float, reference_offset: float
) -> MotionCurve:
    """Error, likeness and the reference's motion every fifth of a second, on the result's time."""
    n = max(1, round(RATE / 5))
    weights, angles = match.moments.weights, match.angles
    times: list[float] = []
    error: list[float | None] = []
    follows: list[float | None] = []
    motion: list[float] = []
    at = match.windows[:, 0]
    for begin in range(0, len(one), n):
        w = weights[begin : begin + n]
        middle = (begin + min(n, len(one) - begin) / 2) / RATE
        times.append(round(middle + offset, 3))
        if angles.size and w.sum() > 0:
            error.append(round(float((w * angles[begin : begin + n]).sum() / w.sum()), 1))
        else:
            error.append(None)
        follows.append(
            round(float(np.interp(middle, at, match.windows[:, 2])), 3) if w.sum() > 0 else None
        )
        motion.append(round(float(np.interp(middle, at, match.windows[:, 1])), 3))
    return MotionCurve(
        tuple(times),
        tuple(error),
        tuple(follows),
        tuple(motion),
        round(offset - reference_offset, 3),
    )


def length_gate(reference: PoseTrack, result: PoseTrack) -> str:
    """Key of the reason why two clips cannot be compared at all; empty if they can."""
    for track, of in ((reference, "reference"), (result, "result")):
        if track.seconds < LEAST_SECONDS:
            return f"short {of}"
        rare = (
            len(track.times) < 2 or float(np.median(np.diff(track.times))) > 1 / LEAST_RATE + 0.01
        )
        if rare or len(track.times) < 0.75 * LEAST_RATE * LEAST_SECONDS:
            return f"few in {of}"
    return ""


def body_gate(reference: Signal, result: Signal) -> str:
    """Key of the reason (see ``verdict.WHY``) why no number is given for the body; empty if one is."""
    if reference.seen == 0:
        return "no body"
    if reference.seen < LEAST_SEEN:
        return "body hidden"
    if reference.energy < LEAST_ENERGY:
        return "body rests"
    if result.seen == 0:
        return "nobody"
    if result.seen < LEAST_SEEN:
        return "hardly seen"
    return ""


def face_gate(reference: PoseTrack, result: PoseTrack, moves: Signal) -> str:
    """The same for the face; ``moves``: the reference's signal."""
    found = np.isfinite(reference.faces[:, 0, 0]).mean() if len(reference.faces) else 0.0
    if found < LEAST_FACE:
        return "no face"
    if eye_distance(reference) < LEAST_EYES:
        return "small face"
    if moves.energy < LEAST_FACE_ENERGY:
        return "face rests"
    there = np.isfinite(result.faces[:, 0, 0]).mean() if len(result.faces) else 0.0
    if there < LEAST_SEEN:
        return "no face in result"
    if eye_distance(result) < LEAST_EYES:
        return "small face in result"
    return ""


def other_framing(reference: PoseTrack, result: PoseTrack, *, body: bool) -> Bools:
    """Samples of the result that show what the reference does not show then.

    ``body``: the body is judged, and a face from near takes its place; else the other way round.
    """
    there, here = (
        _near_faces(track) if body else _whole_bodies(track) for track in (reference, result)
    )
    n = min(len(there), len(here))
    return np.asarray(here[:n] & ~there[:n], np.bool_)


def _near_faces(track: PoseTrack) -> Bools:
    eyes = _resampled(track, track.faces[:, [33, 263], :2])
    apart = np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1) * 480 / min(track.size)
    return np.asarray(np.nan_to_num(apart) >= LEAST_EYES, np.bool_)


def _whole_bodies(track: PoseTrack) -> Bools:
    return np.asarray((body_signal(track).weights > 0).mean(1) >= LEAST_SEEN, np.bool_)


def framing_gate(track: PoseTrack, moves: Signal, *, body: str, face: str) -> str:
    """Key of the reason where one side shows a moving body and the other only a face, or empty.

    ``track`` and ``moves``: the result, and the signal of its body; ``body`` and ``face``: what the
    two other gates say. Where nobody at all is found in the result it is empty: a drawn figure or
    an animal may not be recognised.
    """
    if not (body and face):
        return ""
    if body in ("nobody", "hardly seen"):
        there = np.isfinite(track.faces[:, 0, 0]).mean() if len(track.faces) else 0.0
        near = there >= LEAST_FACE and eye_distance(track) >= LEAST_EYES
        return "only a face" if near else ""
    if body in ("no body", "body hidden") and face in ("no face in result", "small face in result"):
        dances = moves.seen >= LEAST_SEEN and moves.energy >= LEAST_ENERGY
        return "only a body" if dances else ""
    return ""


def worst_moments(
    curve: MotionCurve | None,
    frozen: tuple[Span, ...],
    unseen: tuple[Span, ...],
    others: tuple[Moment, ...] = (),
    *,
    still: bool = False,
) -> tuple[Moment, ...]:
    """At most three moments of the result to look at first, the worst first, 0.7 s apart.

    Of a result that stands ``still``, those at which the reference moves most.
    """
    found = list(others)
    if still and curve is not None:
        top = max(curve.motion, default=0.0) or 1.0
        moving = zip(curve.times, curve.motion, strict=True)
        found += [Moment(t, "frozen", round(40 * m / top, 1)) for t, m in moving]
        curve = None
    found += [Moment(round(sum(s) / 2, 2), "frozen", 40.0) for s in frozen]
    found += [Moment(round(sum(s) / 2, 2), "unseen", 35.0) for s in unseen]
    if curve is not None:
        errors = [(e, t) for e, t in zip(curve.error, curve.times, strict=True) if e is not None]
        found += [Moment(t, "pose", e) for e, t in errors if e >= 5.0]
        if not errors:  # a face has no angles: where it follows least while it should move
            usual = float(np.median(curve.motion)) if curve.motion else 0.0
            found += [
                Moment(t, "face", round(40 * (1 - f), 1))
                for f, t, m in zip(curve.follows, curve.times, curve.motion, strict=True)
                if f is not None and f < 0.6 and m > 0.5 * usual
            ]
    kept: list[Moment] = []
    for moment in sorted(found, key=lambda m: -m.size):
        if all(abs(moment.time - other.time) >= 0.7 for other in kept):
            kept.append(moment)
    return tuple(kept[:3])
