"""The result against the reference and the request: what came, and what it probably means.

Holds the rules, their numbers and their sentences. Each file is read once. No finding is more
than a warning, because the result exists and was paid for.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from kling_utils.errors import UnreadableMedia
from kling_utils.media import people
from kling_utils.media.arrays import Bools
from kling_utils.media.people import PoseTrack
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.media.shots import Scan, runs
from kling_utils.review import motion, sound, verdict
from kling_utils.review.sound import Envelope
from kling_utils.values import (
    MISSED,
    Fidelity,
    Finding,
    MotionRequest,
    Report,
    Severity,
    VideoInfo,
    is_url,
)

LOG = logging.getLogger(__name__)
LOOKS = 8.0
"""Looks a second at the people: bodies score the same from 7.5 on, and two talking faces, good, frozen
and at half speed, within 2 points of 12."""
LENGTH_TOLERANCE = 0.15
"""Seconds: four frames, by which encoders and players differ."""
CHOPPY = 0.9
SMALLER = 0.75
SHAPE_TOLERANCE = 0.03
"""Sizes that are multiples of 16 miss a shape by so much."""
DETECTABLE = (-0.045, 0.125)
ACCEPTABLE = (-0.090, 0.185)
"""Seconds, sound early and late: ITU-R BT.1359-1."""
COARSE_STEP = 0.15
"""Seconds: motion alone tells no finer where a result begins."""
SEARCHED = 2.0
"""Seconds of offset that are searched."""
BLACK_SHARE, BLACK_SECONDS = 0.98, 0.1
STILL = 0.12
"""Grey levels between samples: the calmest of eight real clips, a talking face, never fell below 0.22."""
KEY_FRAME = 1.5
"""A still picture is drawn anew at each key frame, which makes one sample differ by less than that."""
STILL_SECONDS = 0.8
MOVES = 0.3
COARSE = 0.006
"""Bits a pixel. Four real clips at CRF 38 of x264, where blocks are plain to see, have 0.0025 to 0.010; at CRF 23 0.019 to 0.075."""

TITLES: dict[str, str] = {
    "result.length": "Length of the result",
    "result.frame_rate": "Frame rate",
    "result.size": "Size of the picture",
    "result.shape": "Shape of the picture",
    "result.sound": "Sound",
    "result.sound_offset": "Sound in step",
    "result.black": "Black stretches",
    "result.frozen": "Frozen stretches",
    "result.cuts": "Hard cuts",
    "result.bit_rate": "Bit rate",
    **verdict.TITLES,
}
_MEASURED = "measured on real clips"
_NOTHING_NEW = "only where the reference has them"


@dataclass(frozen=True, slots=True)
class _Side:
    info: VideoInfo
    seen: Scan
    heard: Envelope | None

    @property
    def audible(self) -> bool:
        return self.heard is not None and not self.heard.silent


@dataclass(frozen=True, slots=True)
class _Stretch:
    begin: float
    end: float


def audit(
    result: Path,
    reference: Path,
    *,
    request: MotionRequest,
    expected_seconds: float,
    fidelity: bool = True,
) -> Report:
    """Every rule, passes included, as findings of the field ``result``; the report is bound to the result's hash.

    ``expected_seconds``: what the request should have given. ``fidelity``: look at the people, too,
    about 0.4 CPU seconds for a second of each clip; it is left out where it fails.
    Raises ``UnreadableMedia`` or ``FfmpegFailed`` for files that cannot be read.
    """
    infos = probe_video(Path(result)), probe_video(Path(reference))
    tracks = _tracks(*infos) if fidelity else (None, None)
    ours, theirs = map(_measure, infos, tracks)
    offset = None
    if theirs.heard is not None and ours.heard is not None and theirs.audible and ours.audible:
        longer = max(0.0, theirs.info.duration - ours.info.duration)
        offset = sound.offset(theirs.heard, ours.heard, most=SEARCHED + longer)
    followed = _fidelity(*tracks, request, expected_seconds)
    # what presupposes the right clip is not said of another one
    other = followed is not None and verdict.wrong_clip(followed)
    told_late = followed is not None and _told_with_motion(followed)
    steps = motion.stutter(ours.seen, theirs.seen)
    findings = [
        _length(ours, theirs, request, expected_seconds, offset, other=other),
        _frame_rate(ours.info, theirs.info, steps),
        _size(ours.info, theirs.info),
        _shape(ours.info, theirs.info, request),
        _sound(ours, theirs, request, other=other),
        *([] if other or told_late else _sound_offset(ours, theirs, request, offset)),
        _black(ours.seen, theirs.seen),
        _frozen(ours.seen, theirs.seen),
        _cuts(ours.seen, theirs.seen, steps),
        _bit_rate(ours.info),
    ]
    if followed is not None:
        # a sound that alone is out of step was told above
        with_sound = told_late and request.keep_original_sound
        late = offset.seconds if offset is not None and offset.sure else None
        findings += verdict.findings(followed, sound_late=late if with_sound else None)
    return Report(tuple(findings), video=ours.info, fidelity=followed)


_Tracks: TypeAlias = tuple[PoseTrack | None, PoseTrack | None]


def _tracks(result: VideoInfo, reference: VideoInfo) -> _Tracks:
    """A look at the people of both; None for both where that fails."""
    try:
        # the reference first: it may be known from the advice
        theirs = people.track(reference.path, fps=LOOKS, info=reference)
        return people.track(result.path, fps=LOOKS, info=result), theirs
    except Exception:  # whatever it is, the rest of the audit holds
        LOG.warning("the people of %s could not be found", result.path.name, exc_info=True)
        return None, None


def _fidelity(
    ours: PoseTrack | None, theirs: PoseTrack | None, request: MotionRequest, expected: float
) -> Fidelity | None:
    if ours is None or theirs is None:
        return None
    try:
        picture = None
        if not is_url(request.image):
            with contextlib.suppress(UnreadableMedia):
                picture = people.track_image(Path(request.image))
        return verdict.fidelity(theirs, ours, picture, asked=expected)
    except Exception:  # whatever it is, the rest of the audit holds
        LOG.warning("the people of both clips could not be compared", exc_info=True)
        return None


def _measure(info: VideoInfo, track: PoseTrack | None) -> _Side:
    heard = None
    if info.audio_codec is not None:
        heard = sound.envelope(
            info.path, seconds=info.duration, start=info.first_picture, number=info.audio_number
        )
    # a track was made by decoding the clip already
    return _Side(info, track.scan if track is not None else motion.scan(info), heard)


def _finding(
    code: str, measured: str, allowed: str, fault: tuple[Severity, str] | None, source: str = ""
) -> Finding:
    """One rule. ``fault``: how severe it is and what to do; None for a pass."""
    severity, fix = fault or ("pass", "")
    return Finding(
        code=f"result.{code}",
        field="result",
        severity=severity,
        title=TITLES[f"result.{code}"],
        measured=measured,
        allowed=allowed,
        fix=fix,
        source=source,
    )


def _told_with_motion(followed: Fidelity) -> bool:
    """The picture itself is late: where its sound belongs is then told with that, by one rule."""
    late = verdict.picture_late(followed)
    return late is not None and abs(late) >= verdict.LATE


def _length(
    ours: _Side,
    theirs: _Side,
    request: MotionRequest,
    expected: float,
    offset: sound.Offset | None,
    *,
    other: bool = False,
) -> Finding:
    """``other``: the result is of another clip, and ends nowhere in this one."""
    seconds, allowed = ours.info.duration, f"{_number(expected)} s"
    measured = f"{_number(seconds)} s"
    missing = expected - seconds
    if other:
        return _finding("length", f"{measured}, of another clip", allowed, None)
    if missing < -LENGTH_TOLERANCE:
        return _finding(
            "length",
            measured,
            allowed,
            (
                "advice",
                "It is longer than expected: the provider may have held or repeated frames; trim it to the reference.",
            ),
        )
    begin = _begins_at(ours, theirs, offset)
    end = begin + seconds
    cut_end, cut_start = theirs.info.duration - end > MISSED, begin > MISSED
    if cut_start:
        measured += (
            f": it shows {_number(begin)} to {_number(end)} s of the reference"
            if cut_end
            else f": it begins at {_number(begin)} s of the reference"
        )
    elif cut_end or missing > LENGTH_TOLERANCE:
        measured += f": it ends at {_number(end)} s of the reference"
    fault: tuple[Severity, str] | None = None
    source = "Novita's documentation of both orientations"
    if cut_start:
        fault = (
            "warning",
            "The beginning of the motion is missing. Let the clip begin with a second of calm, and try again.",
        )
    elif missing > LENGTH_TOLERANCE:
        source = ""
        fault = (
            (
                "advice",
                "A few frames are missing at the end, which most people do not notice.",
            )
            if missing <= MISSED
            else (
                "warning",
                "The result was cut short: the rest of the motion is missing. Look at what was billed; try again with a shorter clip.",
            )
        )
    elif not cut_end:
        source = ""
    elif request.character_orientation == "image":
        # The documented length ends a longer reference: worth saying, and no fault.
        fault = (
            "advice",
            "In image orientation results have a fixed length; use video orientation for the whole motion.",
        )
    return _finding("length", measured, allowed, fault, source)


def _begins_at(ours: _Side, theirs: _Side, offset: sound.Offset | None) -> float:
    """Seconds of the reference at which the result begins; 0 where nothing says otherwise. The sound knows best, else the motion."""
    if theirs.info.duration - ours.info.duration < MISSED:
        return 0.0
    if offset is not None and offset.sure:
        return max(0.0, -offset.seconds)
    return motion.begins_at(ours.seen, theirs.seen) or 0.0


def _frame_rate(ours: VideoInfo, theirs: VideoInfo, steps: float | None) -> Finding:
    """``steps``: new pictures a second, where most of them are repeated."""
    rate, wanted = float(ours.frame_rate), float(theirs.frame_rate)
    measured, fault = f"{_number(rate)} fps", None
    if steps is not None:
        measured += f", of which about {steps:.0f} are new pictures: it stutters"
        fix = "Pictures are repeated although the reference moves on: try another take; an editor can blend between them."
        return _finding(
            "frame_rate",
            measured,
            f"{_number(wanted)} fps, as the reference",
            ("warning", fix),
            _MEASURED,
        )
    if ours.variable_rate:
        measured += " on average, varying"
        fault = "Frames are not evenly spaced, which not every editor takes well: export it at a constant rate before editing."
    elif rate < CHOPPY * wanted:
        fault = "Fast motion looks choppier than in the reference. The provider chooses the rate; a calmer motion suffers less."
    allowed = f"{_number(wanted)} fps, as the reference"
    return _finding("frame_rate", measured, allowed, ("advice", fault) if fault else None)


def _size(ours: VideoInfo, theirs: VideoInfo) -> Finding:
    wanted = min(theirs.size)
    small = min(ours.size) < SMALLER * wanted
    return _finding(
        "size",
        str(ours.size),
        f"{wanted} lines, as the reference",
        (
            "advice",
            "It has fewer details than the reference. A take with the other model may have more.",
        )
        if small
        else None,
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
        str(ours.size),
        "that of the reference or the image",
        (
            "advice",
            "Neither the reference nor the image has this shape: something was cropped or padded. Give both the shape that you want.",
        )
        if other
        else None,
    )


def _other_sound(ours: _Side, theirs: _Side) -> bool:
    both = theirs.heard, ours.heard
    return both[0] is not None and both[1] is not None and sound.another(both[0], both[1])


def _sound(ours: _Side, theirs: _Side, request: MotionRequest, *, other: bool = False) -> Finding:
    """``other``: the result is of another clip, and so is its sound."""
    there = "there" if ours.audible else "none"
    if not request.keep_original_sound:
        fault: tuple[Severity, str] = ("advice", "It was not asked for: mute it if it disturbs.")
        return _finding("sound", there, "no sound was asked for", fault if ours.audible else None)
    if not theirs.audible:
        return _finding("sound", there, "the reference has no sound", None)
    allowed = "the reference's sound"
    if ours.audible and not other and _other_sound(ours, theirs):
        measured = "another sound than the reference's"
        fix = "Lay the reference's sound under it, both start together; look whether this result belongs to this clip."
        return _finding("sound", measured, allowed, ("warning", fix), _MEASURED)
    if ours.audible:
        return _finding("sound", there, allowed, None)
    if ours.heard is None:
        measured = "no sound track"
        fix = "The sound was to be kept and is missing: lay the reference's sound under it, both start together."
    else:
        measured = "a sound track that is silent"
        fix = "The track is there, but nothing can be heard: lay the reference's sound under it."
    return _finding("sound", measured, allowed, ("warning", fix))


def _sound_offset(
    ours: _Side, theirs: _Side, request: MotionRequest, offset: sound.Offset | None
) -> list[Finding]:
    """How far the sound is from where the reference has it; no finding where there is nothing to compare."""
    if not (request.keep_original_sound and ours.audible and theirs.audible):
        return []
    early, most_late = (round(abs(bound) * 1000) for bound in DETECTABLE)
    allowed = f"at most {early} ms early, {most_late} ms late"
    if offset is None or not offset.sure:
        why = (
            "it is another sound"
            if _other_sound(ours, theirs)
            else "the two sounds are too steady or too little alike to be laid over each other"
        )
        return [
            _finding("sound_offset", f"cannot be told, because {why}", allowed, ("unknown", ""))
        ]
    late, known_to = offset.seconds, 0.01
    if late < -MISSED and theirs.info.duration - ours.info.duration >= MISSED:
        # A result that begins later in the reference has its sound earlier, rightly. Where the motion cannot say when, that is believed.
        begin = motion.begins_at(ours.seen, theirs.seen)
        if begin is None or abs(late + begin) < COARSE_STEP:
            late, known_to = 0.0, COARSE_STEP
        else:
            late += begin
    if DETECTABLE[0] <= late <= DETECTABLE[1]:
        within = round(max(abs(late), known_to) * 1000)
        return [_finding("sound_offset", f"in step, within {within} ms", allowed, None)]
    way = "late" if late > 0 else "early"
    fault: tuple[Severity, str]
    if ACCEPTABLE[0] <= late <= ACCEPTABLE[1]:
        fault = ("advice", "Attentive people may notice it with lips and claps.")
    elif late > 0:
        fault = (
            "warning",
            "The sound comes after the picture of the reference would have it: shift it by that much in an editor.",
        )
    else:
        fault = ("warning", "The sound runs ahead: shift it by that much in an editor.")
    source = "ITU-R BT.1359: detectable and acceptable offsets of sound and picture"
    measured = f"{round(abs(late) * 1000)} ms {way}"
    return [_finding("sound_offset", measured, allowed, fault, source)]


def _black(ours: Scan, theirs: Scan) -> Finding:
    stretches = [s for s in _blacks(ours) if s.end - s.begin >= BLACK_SECONDS - 1e-6]

    def is_new(stretch: _Stretch) -> bool:
        begin, end = int(stretch.begin * theirs.rate), int(stretch.end * theirs.rate)
        there = theirs.dark[begin : max(begin + 1, end)] >= BLACK_SHARE
        return not len(there) or float(there.mean()) <= 0.5

    news = [s for s in stretches if is_new(s)]
    fault: tuple[Severity, str] = (
        "warning",
        "Frames were lost or the generation failed there: try again, and trim the result otherwise.",
    )
    return _finding(
        "black",
        _listed(stretches, news, ours.seconds),
        "none that the reference has not",
        fault if news else None,
    )


def _frozen(ours: Scan, theirs: Scan) -> Finding:
    still = ours.energy < STILL
    if len(still) > 2:  # one sample between two still ones is a key frame, not a motion
        alone = np.zeros_like(still)
        alone[1:-1] = still[:-2] & still[2:] & (ours.energy[1:-1] < KEY_FRAME)
        still = still | alone

    def is_black(s: _Stretch) -> bool:
        there = ours.dark[int(s.begin * ours.rate) : max(1, int(s.end * ours.rate))]
        return bool(len(there)) and float(np.mean(there >= BLACK_SHARE)) > 0.5

    usual = float(np.median(theirs.energy)) if len(theirs.energy) else 0.0

    def reference_moves(s: _Stretch) -> bool:
        there = theirs.energy[int(s.begin * theirs.energy_rate) : int(s.end * theirs.energy_rate)]
        return not len(there) or float(there.mean()) > max(MOVES, 0.25 * usual)

    stretches = [
        s
        for s in _runs(still, ours.energy_rate)
        if s.end - s.begin >= STILL_SECONDS and not is_black(s)
    ]
    news = [s for s in stretches if reference_moves(s)]
    measured, allowed = _listed(stretches, news, ours.seconds), "none while the reference moves"
    if not news:
        return _finding("frozen", measured, allowed, None)
    if sum(s.end - s.begin for s in news) >= 0.9 * ours.seconds:
        measured = "all of it"
        fix = (
            "Nothing moves although the reference does: the motion was not taken over. "
            "See that picture and clip show the same parts of the body."
        )
    elif ours.seconds - news[-1].end < 0.25:
        fix = "The motion stops before the reference does: trim the result there, or try again with a shorter clip."
    else:
        fix = "The motion stands still while the reference goes on: look whether the figure is covered or leaves the picture there."
    return _finding("frozen", measured, allowed, ("warning", fix), _MEASURED)


def _cuts(ours: Scan, theirs: Scan, steps: float | None) -> Finding:
    allowed = "none that the reference has not"
    if steps is not None:
        why = "cannot be told, because the picture stutters"
        return _finding("cuts", why, allowed, ("unknown", ""))
    known = motion.hard_cuts(theirs)
    # Into and out of black is one fault, and it is told there.
    ends = [end for s in _blacks(ours) for end in (s.begin, s.end)]
    found = [c for c in motion.hard_cuts(ours) if all(abs(c - e) > 0.15 for e in ends)]
    news = [c for c in found if all(abs(c - k) > 0.25 for k in known)]
    if not news:
        return _finding("cuts", _NOTHING_NEW if found else "none", allowed, None)
    measured = ", ".join(f"{_number(c)} s" for c in news[:5]) + (" ..." if len(news) > 5 else "")
    fix = "The picture jumps although the reference does not: the generation was stitched there. Try again, or cut at that place."
    return _finding("cuts", measured, allowed, ("warning", fix), _MEASURED)


def _bit_rate(ours: VideoInfo) -> Finding:
    rate = ours.size_bytes * 8 / max(ours.duration, 1e-3)
    bits = rate / max(1e-3, float(ours.frame_rate)) / (ours.size.width * ours.size.height)
    measured, allowed = (
        f"{rate / 1000:.0f} kbit/s, {bits:.3f} bits a pixel",
        f"at least {COARSE} bits a pixel",
    )
    if bits >= COARSE:
        return _finding("bit_rate", measured, allowed, None)
    fix = "Strongly compressed: blocks and smeared details are likely, and they are in the file that came."
    return _finding("bit_rate", measured, allowed, ("advice", fix), _MEASURED)


# -- stretches of time


def _runs(flags: Bools, rate: float) -> list[_Stretch]:
    """Begin and end, in seconds, of each row of true values."""
    return [_Stretch(a / rate, (b + 1) / rate) for a, b in runs(flags)]


def _blacks(scan: Scan) -> list[_Stretch]:
    return _runs(scan.dark >= BLACK_SHARE, scan.rate)


def _listed(found: list[_Stretch], news: list[_Stretch], seconds: float) -> str:
    """The first five of ``news`` in words. ``found``: also those that the reference has."""
    if not news:
        return _NOTHING_NEW if found else "none"
    listed = []
    for s in news[:5]:
        if s.begin < 0.05 and seconds - s.end < 0.25:
            listed.append("all of it")
        elif s.begin < 0.05:
            listed.append(f"{_number(s.end - s.begin)} s at its start")
        elif seconds - s.end < 0.25:
            listed.append(f"from {_number(s.begin)} s to its end")
        else:
            listed.append(f"{_number(s.begin)} to {_number(s.end)} s")
    return ", ".join(listed)


def _number(value: float) -> str:
    """At most two decimals, without trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
