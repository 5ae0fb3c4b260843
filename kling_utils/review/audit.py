"""The result against the reference and the request: what came, and what it probably means.

Owns the rules and their numbers; their words are in ``words``. Looks at each file once. No finding
is more than a warning: the result exists and was paid for.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kling_utils.errors import UnreadableMedia
from kling_utils.media.arrays import Bools
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.review import motion, sound, words
from kling_utils.review.motion import Scan
from kling_utils.review.sound import Envelope
from kling_utils.values import MISSED, Finding, MotionRequest, Report, Severity, VideoInfo, is_url

LENGTH_TOLERANCE = 0.15
"""Seconds: four frames, by which encoders and players differ."""
RATE_TOLERANCE = 0.02
CHOPPY = 0.9
SMALLER = 0.75
SHAPE_TOLERANCE = 0.03
"""Sizes that are multiples of 16 miss a shape by so much."""
DETECTABLE = (-0.045, 0.125)
ACCEPTABLE = (-0.090, 0.185)
"""Seconds, sound early and late: ITU-R BT.1359-1."""
COARSE_STEP = 0.15
"""Seconds: no finer is it known by motion alone where a result begins."""
SEARCHED = 2.0
"""Seconds of offset that are looked at."""
BLACK_SHARE, BLACK_SECONDS = 0.98, 0.1
STILL = 0.12
"""Grey levels between samples: the calmest of eight real clips, a talking face, never fell below 0.22."""
KEY_FRAME = 1.5
"""A still picture is drawn anew at each key frame, which makes one sample differ by less than that."""
STILL_SECONDS = 0.8
MOVES = 0.3
COARSE = 0.006
"""Bits a pixel. Four real clips at CRF 38 of x264, where blocks are plain to see, have 0.0025 to 0.010; at CRF 23 0.019 to 0.075."""


@dataclass(frozen=True, slots=True)
class _Side:
    info: VideoInfo
    seen: Scan
    heard: Envelope | None


@dataclass(frozen=True, slots=True)
class _Stretch:
    begin: float
    end: float


def audit(
    result: Path, reference: Path, *, request: MotionRequest, expected_seconds: float
) -> Report:
    """Every rule, passes included, as findings of the field ``result``; the report is bound to the result's hash.

    ``expected_seconds``: what the request should have given. Raises ``UnreadableMedia`` or ``FfmpegFailed`` for files that cannot be read.
    """
    ours, theirs = _look(Path(result)), _look(Path(reference))
    offset = (
        sound.offset(
            theirs.heard,
            ours.heard,
            most=SEARCHED + max(0.0, theirs.info.duration - ours.info.duration),
        )
        if (
            theirs.heard is not None
            and ours.heard is not None
            and not (theirs.heard.silent or ours.heard.silent)
        )
        else None
    )
    findings = [
        _length(ours, theirs, request, expected_seconds, offset),
        _frame_rate(ours.info, theirs.info),
        _size(ours.info, theirs.info),
        _shape(ours.info, theirs.info, request),
        *_sound(ours, theirs, request, offset),
        _black(ours.seen, theirs.seen),
        _frozen(ours.seen, theirs.seen),
        _cuts(ours.seen, theirs.seen),
        _bit_rate(ours.info),
    ]
    return Report(tuple(findings), video=ours.info)


def _look(path: Path) -> _Side:
    info = probe_video(path)
    heard = (
        sound.envelope(
            path, seconds=info.duration, start=info.first_picture, number=info.audio_number
        )
        if info.audio_codec is not None
        else None
    )
    return _Side(info, motion.scan(info), heard)


def _length(
    ours: _Side, theirs: _Side, request: MotionRequest, expected: float, offset: sound.Offset | None
) -> Finding:
    seconds = ours.info.duration
    missing = expected - seconds
    allowed = words.ALLOWED["length"].format(expected=_number(expected))
    begin = _begins_at(ours, theirs, offset)
    end = begin + seconds
    cut_end, cut_start = theirs.info.duration - end > MISSED, begin > MISSED
    if -LENGTH_TOLERANCE <= missing <= LENGTH_TOLERANCE and not cut_start:
        # In image orientation the documented length ends a longer reference: worth saying, and no fault.
        if not cut_end:
            return _finding(
                "length", "pass", _measured("length", seconds=_number(seconds)), allowed
            )
        measured = _measured("cut end", seconds=_number(seconds), end=_number(end))
        documented = request.character_orientation == "image"
        return _finding(
            "length",
            "advice" if documented else "pass",
            measured,
            allowed,
            "short, documented" if documented else "",
            "length",
        )
    if missing < -LENGTH_TOLERANCE:
        return _finding(
            "length", "advice", _measured("length", seconds=_number(seconds)), allowed, "long"
        )
    how = "cut both" if cut_start and cut_end else "cut start" if cut_start else "cut end"
    measured = _measured(how, seconds=_number(seconds), begin=_number(begin), end=_number(end))
    if cut_start:
        return _finding("length", "warning", measured, allowed, "begins late", "length")
    return _finding(
        "length",
        *(
            ("advice", measured, allowed, "a bit short")
            if missing <= MISSED
            else ("warning", measured, allowed, "short")
        ),
    )


def _begins_at(ours: _Side, theirs: _Side, offset: sound.Offset | None) -> float:
    """Seconds of the reference at which the result begins; 0 where nothing says otherwise. The sound knows best, else the motion."""
    if theirs.info.duration - ours.info.duration < MISSED:
        return 0.0
    if offset is not None and offset.sure:
        return max(0.0, -offset.seconds)
    return motion.begins_at(ours.seen, theirs.seen) or 0.0


def _frame_rate(ours: VideoInfo, theirs: VideoInfo) -> Finding:
    rate, wanted = float(ours.frame_rate), float(theirs.frame_rate)
    allowed = words.ALLOWED["frame_rate"].format(rate=_number(wanted))
    if ours.variable_rate:
        return _finding(
            "frame_rate",
            "advice",
            _measured("variable", rate=_number(rate)),
            allowed,
            "variable rate",
        )
    slow = rate < CHOPPY * wanted
    return _finding(
        "frame_rate",
        "advice" if slow else "pass",
        _measured("frame_rate", rate=_number(rate)),
        allowed,
        "slow rate" if slow else "",
    )


def _size(ours: VideoInfo, theirs: VideoInfo) -> Finding:
    wanted = min(theirs.size)
    small = min(ours.size) < SMALLER * wanted
    allowed = words.ALLOWED["size"].format(lines=wanted)
    return _finding(
        "size",
        "advice" if small else "pass",
        _measured("size", size=ours.size),
        allowed,
        "small" if small else "",
    )


def _shape(ours: VideoInfo, theirs: VideoInfo, request: MotionRequest) -> Finding:
    shapes = [theirs.size.aspect]
    if not is_url(request.image):
        # the image may be gone by now, and the reference is enough to compare with
        with contextlib.suppress(UnreadableMedia):
            shapes.append(probe_image(Path(request.image)).size.aspect)
    other = all(abs(float(ours.size.aspect / shape) - 1) > SHAPE_TOLERANCE for shape in shapes)
    return _finding(
        "shape",
        "advice" if other else "pass",
        _measured("size", size=ours.size),
        words.ALLOWED["shape"],
        "shape" if other else "",
    )


def _sound(
    ours: _Side, theirs: _Side, request: MotionRequest, offset: sound.Offset | None
) -> list[Finding]:
    has, had = (side.heard is not None and not side.heard.silent for side in (ours, theirs))
    if not request.keep_original_sound:
        verdict: tuple[Severity, str, str] = (
            ("advice", "sound", "unwanted") if has else ("pass", "no sound", "")
        )
        return [
            _finding(
                "sound", verdict[0], _measured(verdict[1]), words.ALLOWED["no sound"], verdict[2]
            )
        ]
    if not had:
        return [
            _finding(
                "sound",
                "pass",
                _measured("sound" if has else "no sound"),
                words.ALLOWED["nothing to keep"],
            )
        ]
    allowed = words.ALLOWED["sound"]
    if not has:
        kind = "no track" if ours.heard is None else "silent track"
        return [
            _finding(
                "sound",
                "warning",
                _measured(kind),
                allowed,
                "no track" if ours.heard is None else "silent",
            )
        ]
    found = [_finding("sound", "pass", _measured("sound"), allowed)]
    limits = words.ALLOWED["sound_offset"].format(
        early=round(-DETECTABLE[0] * 1000), late=round(DETECTABLE[1] * 1000)
    )
    if offset is None or not offset.sure:
        return [*found, _finding("sound_offset", "pass", _measured("cannot tell"), limits)]
    late = offset.seconds
    if late < -MISSED and theirs.info.duration - ours.info.duration >= MISSED:
        # A result that begins later in the reference has its sound earlier, rightly. Where the motion cannot say when, that is believed.
        begin = motion.begins_at(ours.seen, theirs.seen)
        late = 0.0 if begin is None or abs(late + begin) < COARSE_STEP else late + begin
        if late == 0.0:
            return [
                *found,
                _finding(
                    "sound_offset",
                    "pass",
                    _measured("in step", ms=round(COARSE_STEP * 1000)),
                    limits,
                ),
            ]
    ms = round(abs(late) * 1000)
    if DETECTABLE[0] <= late <= DETECTABLE[1]:
        return [
            *found,
            _finding("sound_offset", "pass", _measured("in step", ms=max(10, ms)), limits),
        ]
    way = "late" if late > 0 else "early"
    slight = ACCEPTABLE[0] <= late <= ACCEPTABLE[1]
    fix = "slightly off" if slight else way
    return [
        *found,
        _finding(
            "sound_offset",
            "advice" if slight else "warning",
            _measured(way, ms=ms),
            limits,
            fix,
            "sound_offset",
        ),
    ]


def _black(ours: Scan, theirs: Scan) -> Finding:
    stretches = [
        s
        for s in _runs(ours.dark >= BLACK_SHARE, ours.rate)
        if s.end - s.begin >= BLACK_SECONDS - 1e-6
    ]
    news = [s for s in stretches if not _also(theirs.dark >= BLACK_SHARE, theirs.rate, s)]
    return _stretches("black", stretches, news, ours.seconds, "black", "")


def _frozen(ours: Scan, theirs: Scan) -> Finding:
    still = ours.energy < STILL
    if len(still) > 2:  # one sample between two still ones is a key frame, not a motion
        alone = np.zeros_like(still)
        alone[1:-1] = still[:-2] & still[2:] & (ours.energy[1:-1] < KEY_FRAME)
        still = still | alone
    stretches = []
    for s in _runs(still, ours.energy_rate):
        bright = ours.dark[int(s.begin * ours.rate) : max(1, int(s.end * ours.rate))]
        if s.end - s.begin >= STILL_SECONDS and not (
            len(bright) and float(np.mean(bright >= BLACK_SHARE)) > 0.5
        ):
            stretches.append(s)
    usual = float(np.median(theirs.energy)) if len(theirs.energy) else 0.0

    def moves(s: _Stretch) -> bool:
        there = theirs.energy[int(s.begin * theirs.energy_rate) : int(s.end * theirs.energy_rate)]
        return not len(there) or float(there.mean()) > max(MOVES, 0.25 * usual)

    news = [s for s in stretches if moves(s)]
    whole = sum(s.end - s.begin for s in news) >= 0.9 * ours.seconds
    at_end = bool(news) and ours.seconds - news[-1].end < 0.25
    return _stretches(
        "frozen",
        stretches,
        news,
        ours.seconds,
        "frozen all" if whole else "frozen end" if at_end else "frozen",
        "measured",
        whole=whole,
    )


def _cuts(ours: Scan, theirs: Scan) -> Finding:
    known = motion.hard_cuts(theirs)
    ends = [s.begin for s in _runs(ours.dark >= BLACK_SHARE, ours.rate)] + [
        s.end for s in _runs(ours.dark >= BLACK_SHARE, ours.rate)
    ]
    # Into and out of black is one fault, and it is told there.
    found = [c for c in motion.hard_cuts(ours) if all(abs(c - e) > 0.15 for e in ends)]
    news = [c for c in found if all(abs(c - k) > 0.25 for k in known)]
    if not news:
        return _finding(
            "cuts", "pass", _measured("as reference" if found else "none"), words.ALLOWED["cuts"]
        )
    told = ", ".join(f"{_number(c)} s" for c in news[:5]) + (" ..." if len(news) > 5 else "")
    return _finding(
        "cuts",
        "warning",
        _measured("stretches", list=told),
        words.ALLOWED["cuts"],
        "cuts",
        "measured",
    )


def _bit_rate(ours: VideoInfo) -> Finding:
    rate = ours.size_bytes * 8 / max(ours.duration, 1e-3)
    bits = rate / max(1e-3, float(ours.frame_rate)) / (ours.size.width * ours.size.height)
    coarse = bits < COARSE
    measured = _measured("bit_rate", kbps=f"{rate / 1000:.0f}", bits=f"{bits:.3f}")
    allowed = words.ALLOWED["bit_rate"].format(bits=COARSE)
    return _finding(
        "bit_rate",
        "advice" if coarse else "pass",
        measured,
        allowed,
        "coarse" if coarse else "",
        "measured" if coarse else "",
    )


# -- stretches ---------------------------------------------------------------------------------------------------------------------------


def _runs(flags: Bools, rate: float) -> list[_Stretch]:
    """Begin and end, in seconds, of each row of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [_Stretch(float(a) / rate, float(b) / rate) for a, b in edges.reshape(-1, 2)]


def _also(flags: Bools, rate: float, stretch: _Stretch) -> bool:
    """True when most of that time is flagged in the other clip, too."""
    there = flags[
        int(stretch.begin * rate) : max(int(stretch.begin * rate) + 1, int(stretch.end * rate))
    ]
    return bool(len(there)) and float(there.mean()) > 0.5


def _stretches(
    code: str,
    found: list[_Stretch],
    news: list[_Stretch],
    seconds: float,
    fix: str,
    source: str,
    *,
    whole: bool = False,
) -> Finding:
    if not news:
        return _finding(
            code, "pass", _measured("as reference" if found else "none"), words.ALLOWED[code]
        )
    if whole:
        return _finding(code, "warning", _measured("all frozen"), words.ALLOWED[code], fix, source)
    told = []
    for s in news[:5]:
        where = "start" if s.begin < 0.05 else "end" if seconds - s.end < 0.25 else "middle"
        told.append(
            words.AT[where].format(
                begin=_number(s.begin), end=_number(s.end), length=_number(s.end - s.begin)
            )
        )
    return _finding(
        code,
        "warning",
        _measured("stretches", list=", ".join(told)),
        words.ALLOWED[code],
        fix,
        source,
    )


def _measured(text: str, **values: object) -> str:
    return words.MEASURED[text].format(**values)


def _finding(
    code: str, severity: Severity, measured: str, allowed: str, fix: str = "", source: str = ""
) -> Finding:
    full = f"result.{code}"
    return Finding(
        code=full,
        field="result",
        severity=severity,
        title=words.TITLES[full],
        measured=measured,
        allowed=allowed,
        fix=words.FIXES[fix] if fix else "",
        source=words.SOURCES[source] if source else "",
    )


def _number(value: float) -> str:
    """At most two decimals, and none that says nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
