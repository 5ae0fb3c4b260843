"""Shots of a clip: hard cuts, gradual changes and flashes, from small copies of every frame.

Owns the pass's features and the cut rules. Nothing here looks at people.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from kling_utils.media.arrays import Bools, Floats, Frame, u8

WIDTH = 128
"""Pixels. The same cuts were found at 64, 128 and 256; smaller costs less, and still sees a hand."""
ENERGY_RATE = 12.0
"""Samples of motion a second: below ten, fast motion folds back into slow."""
DARK = 26
"""Grey levels, a tenth of the range, as ffmpeg's ``blackdetect`` has it."""
_THUMB = 32
"""Pixels of the side of the copies that frames some time apart are compared by."""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Features of ``n`` frames at ``rate`` a second, the first at 0 s.

    A difference belongs to the later one of two frames.
    """

    rate: float
    changes: Floats
    """(n - 1, 2): mean absolute change of HSV and of YUV, in grey levels."""
    dark: Floats
    """(n,): share of nearly black pixels."""
    colour: Floats
    """(n, 3): mean Y, U and V, in grey levels."""
    histograms: Floats
    """(n, 96): 32 bins of Y, U and V; each third sums to 1."""
    thumbs: Frame
    """(n, 32, 32): luma."""
    energy_rate: float
    """Samples a second of ``energy``: the nearest to 12 that are whole frames apart."""
    jumps: Floats
    """(n - 1,): how much more of a change motion cannot explain than of those near it; 0 where it does not stand out."""
    energy: Floats
    """Mean absolute change of luma in a twelfth of a second, in grey levels: the same at any rate."""

    @property
    def frames(self) -> int:
        return len(self.dark)

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    @property
    def energy_times(self) -> Floats:
        """Seconds at which each interval of ``energy`` ends."""
        return (np.arange(len(self.energy)) + 1) / self.energy_rate


class Scanner:
    """Collects the features of one clip, frame by frame: memory is 1.4 kB a frame."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._reach = max(3, round(_WINDOW * rate))
        self._lights: deque[Frame] = deque(maxlen=2 * self._reach + 2)
        self._jumps: list[float] = []
        self._step = max(1, round(rate / ENERGY_RATE))
        self._before: tuple[Frame, Frame] | None = None
        self._sample: Frame | None = None
        self._changes: list[tuple[float, float]] = []
        self._energy: list[float] = []
        self._dark: list[float] = []
        self._colour: list[Floats] = []
        self._histograms: list[Floats] = []
        self._thumbs: list[Frame] = []

    def add(self, frame: Frame) -> None:
        """Take the next frame, BGR, of any size."""
        height = max(2, round(frame.shape[0] * WIDTH / frame.shape[1]))
        small = frame
        if frame.shape[1] != WIDTH:
            small = u8(cv2.resize(frame, (WIDTH, height), interpolation=cv2.INTER_AREA))
        hsv, yuv = (
            u8(cv2.cvtColor(small, code)) for code in (cv2.COLOR_BGR2HSV, cv2.COLOR_BGR2YUV)
        )
        light = yuv[..., 0]
        if self._before is not None:
            self._changes.append(
                (_difference(hsv, self._before[0]), _difference(yuv, self._before[1]))
            )
        if len(self._dark) % self._step == 0:
            if self._sample is not None:
                scale = self._rate / self._step / ENERGY_RATE
                self._energy.append(_difference(light, self._sample) * scale)
            self._sample = light
        self._before = hsv, yuv
        self._lights.append(light)
        if len(self._changes) > self._reach:
            self._jumps.append(self._jump(len(self._jumps)))
        self._dark.append(float(np.count_nonzero(light < DARK)) / light.size)
        self._colour.append(np.asarray(yuv.reshape(-1, 3).mean(0), np.float64))
        bins = [np.bincount(yuv[..., k].ravel() >> 3, minlength=32) for k in range(3)]
        self._histograms.append(np.concatenate(bins) / light.size)
        self._thumbs.append(u8(cv2.resize(light, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)))

    def _jump(self, at: int) -> float:
        """How much the change number ``at`` stands out by what motion leaves of it. Its neighbours have come."""
        first = max(0, at - self._reach)
        change = np.array(self._changes[first : at + self._reach + 1], np.float64)[:, 1]
        near = _beside(change, at - first, self._reach)
        if not len(near) or change[at - first] < max(_JUMP, _JUMP_CHANGE * near.max()):
            return 0.0
        first = len(self._changes) - len(self._lights) + 1
        left = np.array([_unexplained(a, b) for a, b in itertools.pairwise(self._lights)])
        near = _beside(left, at - first, self._reach)
        return float(left[at - first] / max(near.max(), 0.1 * _JUMP))

    def scan(self) -> Scan:
        n = len(self._dark)
        while len(self._jumps) < len(self._changes):
            self._jumps.append(self._jump(len(self._jumps)))
        return Scan(
            self._rate,
            np.array(self._changes, np.float64).reshape(-1, 2),
            np.array(self._dark, np.float64),
            np.array(self._colour, np.float64).reshape(n, 3),
            np.array(self._histograms, np.float64).reshape(n, 96),
            np.array(self._thumbs, np.uint8).reshape(n, _THUMB, _THUMB),
            self._rate / self._step,
            np.array(self._jumps, np.float64),
            np.array(self._energy, np.float64),
        )


def _beside(values: Floats, at: int, reach: int) -> Floats:
    """Those up to ``reach`` before and after one."""
    return np.concatenate([values[max(0, at - reach) : at], values[at + 1 : at + 1 + reach]])


def _unexplained(before: Frame, after: Frame) -> float:
    """Mean grey levels between a frame and the next one whose points were moved back. About 1 ms."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(before, after, None)  # type: ignore[call-overload]
    height, width = before.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    back = cv2.remap(
        after, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return _difference(before, u8(back))


def _difference(a: Frame, b: Frame) -> float:
    return float(np.mean(cv2.absdiff(a, b)))


@dataclass(frozen=True, slots=True)
class Shots:
    """Where a clip changes its picture other than by motion. Seconds."""

    cuts: tuple[float, ...]
    """Of the first frame after each hard cut."""
    changes: tuple[tuple[float, float], ...]
    """Dissolves, fades and other gradual changes, start and end."""
    flashes: tuple[tuple[float, float], ...]
    """Flashes and light leaks after which the same shot goes on, start and end."""


# Rules on the change from one distinct frame to the next. The change of hue, saturation and value stands out among its
# four neighbours, or the change of YUV does within 0.4 s to both sides. Measured: 6 of 6 hard and jump cuts, none false on 58 clips.
_CONTENT_RATIO, _CONTENT = 3.0, 15.0
_CHANGE_RATIO, _CHANGE, _CHANGE_FLOOR = 2.5, 1.5, 0.5
_WINDOW = 0.4
_JUMP, _JUMP_CHANGE, _JUMP_LEFT = 1.0, 1.5, 1.8
"""A third rule, for jump cuts within a fast motion: least change of YUV, and of it and of what motion leaves of it, how much more
than in any frame within 0.4 s. Measured: both are 1.64 and 1.68 at most on clean clips, 1.7 to 11 at five of six jump cuts."""
_SAME = 0.12
"""A frame that differs by less than this part of the usual change repeats the one before it."""
_FLASH = 1.2
"""Seconds that a flash lasts at most."""
_BRIGHTER = 8.0
_TINTED = 20.0
"""By how much the mean of U or V differs: 59 and 70 in a light leak, up to 16 in a dissolve."""
_WHITE = 235.0
_SAME_SHOT, _SAME_LIT, _OTHER = 0.9, 0.6, 0.5
"""Likeness of a shot before and after a flash, of the shot and its own flash unless that is white, and more than another shot has:
0.42 at most between a frame of one source and a frame of another."""
_NEAR = 0.5
_PLAIN_CHANGE, _OVERLAY = 8.0, 0.15
_STILL_PART, _STILL_SHARE = 0.25, 0.6
"""What is laid over a shot: seconds of it that are looked at to both sides, grey levels that count as a change of a point, the part
of the picture that changes at most, how little it moves otherwise, and how much of the change is there. Measured: 65 to 100 % of the
change for stickers and somebody pasted in; up to 41 % at jump cuts that change so little; other cuts change more of the picture."""
_PICTURE = 6.0
"""Standard deviation of luma below which there is no picture."""
_MIX_SECONDS = (0.6, 0.9)
_MIX_CHANGE, _MIX_STEADY, _MIX_PART, _MIX_SHARE = 12.0, 0.99, 0.06, 0.45
"""A dissolve within one shot: seconds that are looked at, grey levels by which a point changes, how steadily, the part of the picture
that does so at least, and its share of all that changes. Measured: 0.55 for such a dissolve, up to 0.39 for a slow zoom."""
_SPAN, _GRADUAL = 0.6, 0.3
"""Seconds over which histograms are compared, and the least distance of a gradual change."""


def shots(scan: Scan) -> Shots:
    """Hard cuts, gradual changes and flashes. Repeated frames (animation on twos) count as one."""
    spikes = _spikes(scan)
    flashes = _flashes(scan, spikes)
    frames = [
        i
        for i in spikes
        if not any(a <= i <= b for a, b in flashes)
        and not _other_light(scan, i - 1, i)
        and not _laid_over(scan, i)
    ]
    at = tuple(round(i / scan.rate, 3) for i in frames)
    lit = [(round(a / scan.rate, 2), round(b / scan.rate, 2)) for a, b in flashes]
    changes: list[tuple[float, float]] = []
    for a, b in _gradual(scan, at, tuple(lit)):
        (lit if _leak(scan, round(a * scan.rate), round(b * scan.rate)) else changes).append((a, b))
    for first, last in _mixed(scan):
        a, b = round(first / scan.rate, 2), round(last / scan.rate, 2)
        if not any(
            s - 0.1 <= b and a - 0.1 <= e for s, e in (*changes, *lit, *zip(at, at, strict=True))
        ):
            changes.append((a, b))
    changes.sort()
    return Shots(at, tuple(changes), tuple(sorted(lit)))


def _leak(scan: Scan, first: int, last: int) -> bool:
    """Whether light, white or coloured, comes and goes between two frames of the same shot."""
    last = min(last, scan.frames - 1)
    part = scan.colour[first : last + 1]
    apart = np.abs(part[:, 1:] - (part[0, 1:] + part[-1, 1:]) / 2).max(1)
    brighter = part[:, 0] - max(part[0, 0], part[-1, 0])
    if brighter.max() < _BRIGHTER and apart.max() < _TINTED:
        return False
    # who moves fast looks another way at the ends, and less so right beside the light
    lit = first + np.flatnonzero((brighter > 0.2 * _BRIGHTER) | (apart > 0.2 * _TINTED))
    beside = max(first, int(lit[0]) - 1), min(last, int(lit[-1]) + 1)
    return any(
        _likeness(scan.thumbs[a], scan.thumbs[b]) > _usual(scan, a, b, _OTHER)
        for a, b in ((first, last), beside)
    )


def _usual(scan: Scan, first: int, last: int, floor: float) -> float:
    """Likeness that two frames of one shot have at least: as much as over the same time before and after, or the floor."""
    apart = last - first
    before = _likeness(scan.thumbs[max(0, first - apart)], scan.thumbs[first])
    after = _likeness(scan.thumbs[last], scan.thumbs[min(scan.frames - 1, last + apart)])
    return min(_SAME_SHOT, max(floor, min(before, after) - 0.1))


def _spikes(scan: Scan) -> list[int]:
    """Frames whose change from the distinct frame before stands out."""
    content, change = scan.changes[:, 0], scan.changes[:, 1]
    if len(change) < 3:
        return []
    reach = max(3, round(_WINDOW * scan.rate))
    usual = np.array(
        [_strongest(change[max(0, i - reach) : i + reach + 1]) for i in range(len(change))]
    )
    own = np.flatnonzero((change > 0.05) & (change > _SAME * usual))
    found = []
    for j, i in enumerate(own):
        near = own[(own != i) & (abs(own - i) <= reach)]
        four = content[[own[k] for k in (j - 2, j - 1, j + 1, j + 2) if 0 <= k < len(own)]]
        hue = len(four) == 4 and content[i] >= max(_CONTENT, _CONTENT_RATIO * float(four.mean()))
        usually = max(_strongest(change[near]), _CHANGE_FLOOR)
        jump = scan.jumps[i] >= _JUMP_LEFT
        if hue or jump or change[i] >= max(_CHANGE, _CHANGE_RATIO * usually):
            found.append(int(i) + 1)
    return found


def _strongest(changes: Floats) -> float:
    """Mean of the strongest quarter, so that a dance is not a row of cuts."""
    return float(np.sort(changes)[-max(1, len(changes) // 4) :].mean()) if len(changes) else 0.0


def _flashes(scan: Scan, spikes: list[int]) -> list[tuple[int, int]]:
    """Pairs of spikes between which the picture is brighter, and around which it is the same."""
    found: list[tuple[int, int]] = []
    for a in spikes:
        if found and a <= found[-1][1]:
            continue
        for b in range(a + 1, min(len(scan.colour) - 1, a + round(_FLASH * scan.rate)) + 1):
            light = scan.colour[:, 0]
            before, after = light[a - 1], light[b]
            if light[a:b].max() < max(before, after) + _BRIGHTER or abs(before - after) > _BRIGHTER:
                continue
            if (
                _likeness(scan.thumbs[a - 1], scan.thumbs[a]) < _SAME_LIT
                and light[a:b].max() < _WHITE
            ):
                continue  # another picture, not this one with more light
            # the picture moves meanwhile, so it may differ as much as over the same time elsewhere
            span = b - a + 1
            usual = min(
                _likeness(scan.thumbs[max(0, a - 1 - span)], scan.thumbs[a - 1]),
                _likeness(scan.thumbs[b], scan.thumbs[min(len(light) - 1, b + span)]),
            )
            if _likeness(scan.thumbs[a - 1], scan.thumbs[b]) > min(_SAME_SHOT, usual - 0.1):
                found.append((a, b))
                break
    return found


def _likeness(a: Frame, b: Frame) -> float:
    """Correlation of two small pictures, -1..1."""
    x, y = (p.astype(np.float64).ravel() - p.mean() for p in (a, b))
    return float(x @ y / max(np.sqrt((x @ x) * (y @ y)), 1e-9))


def _other_light(scan: Scan, before: int, after: int) -> bool:
    """Whether two frames show the same picture, and only the light is another: a jump cut keeps the light."""
    darker = abs(scan.colour[before, 0] - scan.colour[after, 0]) > _BRIGHTER
    hue = np.abs(scan.colour[before, 1:] - scan.colour[after, 1:]).max() > _BRIGHTER
    alike = _likeness(scan.thumbs[before], scan.thumbs[after]) > _SAME_SHOT
    return bool((darker or hue) and alike)


def _laid_over(scan: Scan, i: int) -> bool:
    """Whether something appears in a part of the picture that is still before and after: a sticker, a caption.

    A jump cut changes the picture where the person moves, and another shot changes all of it.
    """
    near = round(_NEAR * scan.rate)
    thumbs = scan.thumbs[max(0, i - 1 - near) : i + near + 1].astype(np.float64)
    k = min(i, near + 1)  # of frame i among them
    before, after = thumbs[:k], thumbs[k:]
    change = np.abs(after[0] - before[-1])
    steps = [np.abs(np.diff(side, axis=0)).max(0, initial=0.0) for side in (before, after)]
    moves = [*steps, *(np.abs(side[-1] - side[0]) for side in (before, after))]
    changed = change > _PLAIN_CHANGE
    if not changed.any() or changed.mean() > _OVERLAY:
        return False
    more = changed & (change > np.maximum(*steps))  # than from any frame to the next
    still = changed & (np.maximum.reduce(moves) < _STILL_PART * change)
    return bool(change[still].sum() > _STILL_SHARE * change[more].sum())


def _gradual(
    scan: Scan, cuts: tuple[float, ...], flashes: tuple[tuple[float, float], ...]
) -> tuple[tuple[float, float], ...]:
    span = max(1, round(_SPAN * scan.rate))
    if scan.frames <= span:
        return ()
    distance = np.abs(scan.histograms[span:] - scan.histograms[:-span]).sum(1) / 6
    merged: list[tuple[int, int]] = []
    for first, last in runs(distance > _GRADUAL):
        end = min(scan.frames - 1, last + span)
        if _same_picture(scan, first, end):
            continue
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], end
        else:
            merged.append((first, end))
    found: list[tuple[float, float]] = []
    for first, end in merged:
        a, b = first / scan.rate, end / scan.rate
        taken = [t for t in cuts if a - 0.1 <= t <= b + 0.1]
        taken += [t for s, e in flashes for t in (s, e) if a - 0.1 <= t <= b + 0.1]
        if not taken:
            found.append((round(a, 2), round(b, 2)))
    return tuple(found)


def _mixed(scan: Scan) -> list[tuple[int, int]]:
    """First and last frames of dissolves within one shot: the light and the ground stay, and what moves is mixed.

    Each point of the picture goes from one value to another at a steady pace; motion makes steps of it.
    """
    thumbs = scan.thumbs.reshape(scan.frames, _THUMB**2).astype(np.float64)
    found: list[tuple[int, int]] = []
    for seconds in _MIX_SECONDS:
        n = round(seconds * scan.rate)
        along = np.arange(n + 1) - n / 2
        for first in range(0, scan.frames - n, max(1, n // 8)):
            part = thumbs[first : first + n + 1]
            apart = part - part.mean(0)
            all_of_it = (apart**2).sum(0)
            steady = (along @ apart) ** 2 / (along @ along)
            change = np.sqrt(12 * all_of_it / (n + 1))  # from end to end, of what is steady
            moves = change > _MIX_CHANGE
            ramps = moves & (steady > _MIX_STEADY * all_of_it)
            if (
                ramps.mean() > _MIX_PART
                and ramps.sum() > _MIX_SHARE * moves.sum()
                and abs(part[-1].mean() - part[0].mean()) < _BRIGHTER
            ):
                found.append((first, first + n))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _same_picture(scan: Scan, first: int, last: int) -> bool:
    """Whether the same picture is at both ends and between, in whatever light: a leak, a pulse, lamps.

    Someone who leaves, and a fade through black, have another picture or none between.
    """
    middle = scan.thumbs[first : last + 1 : max(1, (last - first) // 8)]
    if min(thumb.std() for thumb in middle) < _PICTURE:
        return False
    if _likeness(scan.thumbs[first], scan.thumbs[last]) <= _usual(scan, first, last, _SAME_LIT):
        return False
    return all(_likeness(scan.thumbs[first], thumb) > _SAME_LIT for thumb in middle)


def runs(on: Bools) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
