"""The verdict on a result: everything measured, one sentence for people, and the findings of the audit.

Owns ``fidelity`` (the one call), and the words. Left and right are the person's own; times are
those of the result unless the text says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from kling_utils.review import cast, looks
from kling_utils.review.fidelity import (
    body_gate,
    body_signal,
    face_gate,
    face_signal,
    framing_gate,
    judge,
    length_gate,
    other_framing,
    worst_moments,
)
from kling_utils.review.motion import stutter
from kling_utils.values import MISSED, Fidelity, Finding, Flaw, Limb, Moment, Severity, Span, Trait

if TYPE_CHECKING:
    from kling_utils.media.people import PoseTrack

WELL, PARTLY, HARDLY = 75.0, 45.0, 15.0
"""Bands of the score. Plausible good results score 75 to 95; assumed: few real ones were seen."""
WHOLE = 0.85
"""Coverage from which on a fault is one of timing: 0.7 s of lag leave 0.88 of 6 s."""
LATE, VERY_LATE = 0.15, 0.4
"""Seconds of lag: tracks tell 0.04."""
PICTURE_LATE, PICTURE_EARLY = 0.13, 0.225
"""Seconds between a picture and its own sound: acceptable by ITU-R BT.1359 (0.09 and 0.185), and the
0.04 that a track tells."""
SMALLER, LARGER = 0.75, 1.4
"""Size of the movements."""
LIMB_RESTS = 0.3
"""Size of a limb's movements under which it does not take part."""
OTHER, UNLIKE = 0.35, 0.6
"""Likeness of face or clothes below which it is another person, or looks different."""
PEOPLE = 0.25
"""Share of the looks with more than one person."""
FEW_HANDS, NO_HANDS = 0.5, 0.1
"""Hands that are recognised, as a share of the reference's."""
_WORSE = 0.3
"""By how much less face and clothes together are like the picture's when a cast is taken off that
only the ground has. Assumed."""
_HELD = 1.6
"""Gaps between new pictures that a stutter is late by at most: a program that drops pictures rounds up, too."""
_IN_TIME = 0.95
"""Timing from which on nothing is lost by it."""
_SAME_MOMENT = 1.0
"""Seconds within which two changes are one."""
SEVERAL = "there is more than one person"
_STILL_PICTURE, _ZOOM = 0.12, 0.04
"""Grey levels of change in a twelfth of a second, as the audit has it; growth of the person."""

WHY: dict[str, str] = {
    "no body": "nobody's body was found in the reference",
    "body hidden": "too little of the body is in sight in the reference",
    "body rests": "the body hardly moves in the reference",
    "nobody": "nobody was found in the result",
    "hardly seen": "too little of the body was found in the result",
    "no face": "the face is not in sight for most of the reference",
    "small face": "the face is too small in the reference",
    "face rests": "the face hardly moves in the reference",
    "no face in result": "the face was not found in most of the result",
    "small face in result": "the face is too small in the result",
    "face unseen": "the face is too small or turned away",
    "torso unseen": "the upper body is not in sight",
    "colours off": "all colours of the result are off",
    "too short": "it is too short",
    "hands small": "the hands are too small or blurred in the reference",
    "hands unseen": "the hands are too small or out of sight in the result",
    "only a face": "the reference shows a moving body and the result only a face",
    "only a body": "the reference shows a face from near and the result a whole moving body",
    "blurred reference": "the reference is blurred itself",
    "short reference": "the reference is shorter than half a second",
    "short result": "the result is shorter than half a second",
    "few in reference": "the reference has too few pictures a second",
    "few in result": "the result has too few pictures a second",
    "another clip": "another clip begins in it",
    "cast": "a colour cast begins or ends in it",
    "other ground": "the ground is like neither the picture's nor the reference's",
    "person apart": "the ground's colours are shifted and the person's are not",
    "failed": "the result could not be looked at",
}
"""Why something cannot be told."""

FRAMINGS = ("only a face", "only a body")
"""Reasons that are themselves a fault: what the two show cannot be the same motion."""

HOW: dict[str, str] = {
    "body": "Directions of arms, legs and trunk in the picture, compared over time. Reliable for "
    "people in sight from one side; a figure that is shown from another angle scores lower.",
    "face": "Mouth, eyes, brows and turns of the head, compared over time. Reliable for faces of a "
    "fifth of the picture's width; drawn faces move less for the detector. Left and right of a face "
    "that hardly turns are told only over the reference's ground.",
    "look": "Colours of skin, hair and clothes, and the face's light and dark when it is turned alike, "
    "compared with the picture. A look-alike in the same clothes passes; strange light does not.",
    "colour": "Colours of face, clothes and the whole picture at the end, compared with the start. A "
    "cast is told by the ground, where it is the picture's or the reference's; hues that are turned "
    "by less than 20 degrees are not told.",
    "hands": "How often a hand is recognised at a wrist that is in sight, compared with the "
    "reference. Fingers are not counted.",
    "flicker": "Brightness of the whole picture from frame to frame. Flicker of small parts is not seen.",
    "sharp": "Fine detail on the person, in two pictures a second. Smooth drawings have little of it.",
    "people": "Persons found in two pictures a second. Small ones at a distance may be missed.",
}
"""How each part is measured, and how far it can be trusted."""

TITLES: dict[str, str] = {
    "result.motion": "Motion",
    "result.timing": "Motion in step",
    "result.person": "Person of the picture",
    "result.colours": "Colours",
    "result.people": "Number of people",
    "result.hands": "Hands",
    "result.flicker": "Flicker",
    "result.sharp": "Sharpness",
}
_NO_TIMING = "the motion itself is another one"
_THROUGH = "Person through the result"
"""Title where there is no picture to compare with."""

_ALLOWED = {
    "motion": f"{WELL:.0f} of 100 or more",
    "timing": f"within {LATE} s",
    "sound": f"at most {PICTURE_LATE} s late, {PICTURE_EARLY} s early",
    "person": "face and clothes of the picture",
    "start": "face and clothes as at the start",
    "colours": "as at the start",
    "people": "one, as in the reference",
    "hands": "as often as in the reference",
    "flicker": f"at most {looks.FLICKERS} levels of 256",
    "sharp": f"{looks.BLURRED} or more",
}

_FIX = {
    "still": "The motion was not taken over. See that picture and clip show the same parts of the body, and try again.",
    "mirrored": "Mirror the result or the clip; the picture may show the person turned the other way.",
    "reversed": "Play the result backwards, or try again.",
    "other": "See that this result belongs to this clip; try another take otherwise.",
    "framing": "See that this result belongs to this clip, and that picture and clip show the same parts of the body.",
    "part": "Trim the reference to that part to compare, or make it again with the part that you want.",
    "late start": "Cut that much off the start of the result.",
    "late picture": "Start the picture that much earlier against its sound, in an editor.",
    "begins late": "Let the clip begin with a second of calm, and try again.",
    "speed": "Change the speed of the result in an editor, or try again.",
    "stops": "Trim the result there, or try again with a shorter clip.",
    "stray": "Cut that part out, or try another take: something else was put there.",
    "part of it": "Cut the result there and mend that part in an editor, or try another take.",
    "ends": "Compare with that part of the reference, or try again with a shorter clip.",
    "turned": "Turn the result in an editor, or try another take.",
    "hidden": "See that picture and clip show the same parts of the body, and try again.",
    "hardly": "Try another take; a picture in the pose of the clip's start follows better.",
    "partly": "Look at the worst moments; another take may follow better.",
    "shift": "Shift the sound against the picture by that much in an editor.",
    "trim": "Trim or shift the result by that much.",
    "person": "Try another take; a picture with a larger, sharp face keeps it better.",
    "colour": "Correct the colours over time in an editor, or use the part before.",
    "grey": "Try another take: the colours are lost.",
    "cast": "Correct the white balance or the hue in an editor, or try another take.",
    "flat": "Try another take: nothing can be seen.",
    "people": "Use a clip and a picture with one person, or crop to one.",
    "nobody": "Look at the result: drawn figures are sometimes missed. Try another take where nobody is in it.",
    "hands": "A picture that shows both hands, and calmer hands in the clip, give better ones.",
    "flicker": "A deflicker filter of an editor helps.",
    "part blurred": "Cut that part out, or try another take; calmer motion there keeps it sharper.",
    "part lost": "Cut that part out, correct its light and colours in an editor, or try another take.",
    "sharp": "A larger, sharper picture gives more detail; an upscaler helps little with faces and hands.",
}
_MEASURED_ON = "measured on clips with known faults"


def fidelity(
    reference: PoseTrack,
    result: PoseTrack,
    picture: PoseTrack | None = None,
    *,
    asked: float | None = None,
) -> Fidelity:
    """How well ``result`` follows ``reference``, and how it looks beside ``picture``. A pure function.

    ``asked``: seconds of the reference that the result should show; None for all of it.
    """
    if asked is not None and not asked > 0:
        raise ValueError(f"asked must be above 0 seconds, not {asked}")
    ours, theirs = body_signal(result), body_signal(reference)
    our_face, their_face = face_signal(result), face_signal(reference)
    why_body, why_face = body_gate(theirs, ours), face_gate(reference, result, their_face)
    why_body = framing_gate(result, ours, body=why_body, face=why_face) or why_body
    why_body, why_face = (length_gate(reference, result) or why for why in (why_body, why_face))
    near, far = (other_framing(reference, result, body=body) for body in (True, False))
    seen, there = looks.looks(result), looks.looks(reference)
    turned = looks.turned_round(seen, there)
    body = judge(theirs, ours, why_body, asked=asked, framed=near, turned=turned)
    face = judge(their_face, our_face, why_face, asked=asked, framed=far, turned=turned)
    main = face if body.score.value is None and face.score.value is not None else body
    own = looks.looks(picture)[0] if picture is not None and picture.stills else None
    grey = looks.colourless(seen, (own,) if own is not None else there)
    colour = looks.colour_trait(seen, there)
    if colour.since is not None and any(
        abs(colour.since - each.begin) <= _SAME_MOMENT for each in main.strays
    ):
        colour = Trait("colour", None, "another clip", against="start")
    flat = looks.flat(seen) and not looks.flat(there)
    tint = cast.Cast(Trait("cast", None, "colours off"))
    if not (grey or flat):
        tint = cast.measured(seen, there, own)
    if tint.kind is not None and tint.trait.since is not None and colour.since is not None:
        colour = Trait("colour", None, "cast", against="start")  # it comes at once: no drift
    known = not (grey or flat) and colour.since is None
    face_like, clothes_like, tint = _without_cast(seen, own, tint, known=known)
    score = main.score
    steps = None if score.still else stutter(result.scan, reference.scan)
    traits = (
        face_like,
        clothes_like,
        colour,
        tint.trait,
        Trait("hands", None, "colours off")
        if grey or flat
        else looks.hands_trait(
            result, reference, late=-score.begins if main.reading == "shifted" else score.lag
        ),
        looks.flicker_trait(result, reference),
        looks.sharp_trait(result, reference),
        Trait("steps", None if steps is None else 0.0, detail=steps, against="reference"),
    )
    wanted = min(reference.seconds, asked or reference.seconds)
    end = result.seconds + max(0.0, score.begins)
    ends = round(end, 2) if wanted - end > MISSED and main.reading != "speed" else None
    stops = None if main.stops is None else max(main.stops, _quiet_from(result, main.stops))
    frozen = tuple(
        (stops, span[1]) if stops is not None and span[0] == main.stops else span
        for span in main.frozen
    )
    found = Fidelity(
        "",
        body.score,
        face.score,
        main.reading,
        body.limbs,
        main.curve,
        frozen,
        main.unseen,
        stops,
        ends,
        worst_moments(main.curve, frozen, main.unseen, _others(traits), still=score.still),
        traits,
        round(looks.several(result), 2),
        round(looks.several(reference), 2),
        _moves(result) if score.still else "",
        "flat" if flat else "grey" if grey else tint.kind or "",
        round(result.seconds, 2),
        (
            *main.strays,
            *(() if flat or grey else looks.flaws(result, reference, seen)),
        ),
        body.hidden,
        0 if result.turned == reference.turned else result.turned,
    )
    return replace(found, sentence=sentence(found))


def _without_cast(
    seen: tuple[looks.Look, ...], own: looks.Look | None, tint: cast.Cast, *, known: bool
) -> tuple[Trait, Trait, cast.Cast]:
    """Face and clothes, and the cast: it moves person and ground alike, or it is none."""
    plain = tuple(
        trait(seen, own, colours=known) for trait in (looks.face_trait, looks.clothes_trait)
    )
    if tint.kind is None or not known:
        return plain[0], plain[1], tint
    bare = tint.off(seen)
    without = tuple(trait(bare, own) for trait in (looks.face_trait, looks.clothes_trait))
    gains = [
        b.value - a.value
        for a, b in zip(plain, without, strict=True)
        if a.value is not None and b.value is not None and b.against == "picture"
    ]
    if sum(gains) < -_WORSE:
        none = replace(tint.trait, value=None, why="person apart", since=None, until=None)
        return plain[0], plain[1], cast.Cast(none)
    face, clothes = (_better(a, b) for a, b in zip(plain, without, strict=True))
    return face, clothes, tint


def _better(plain: Trait, without: Trait) -> Trait:
    """A cast that is taken off may excuse a person, and accuses none."""
    if (plain.since is None) != (without.since is None):
        return plain if plain.since is None else without
    return without if (without.value or 0.0) >= (plain.value or 0.0) else plain


def _moves(result: PoseTrack) -> Literal["", "grain", "zoom"]:
    """What changes in pictures of a person who stands still."""
    energy = result.scan.energy
    if not (len(energy) and result.stills) or float(np.median(energy)) < _STILL_PICTURE:
        return ""
    first, last = result.stills[0], result.stills[-1]
    k = _growth(result)
    if k is not None and abs(k) > _ZOOM:
        return "zoom"
    return "grain" if len(result.stills) > 1 and first is not last else ""


def _quiet_from(result: PoseTrack, since: float) -> float:
    """Second from which on the very picture stands still: a pause of the motion may come before it."""
    scan = result.scan
    moving = np.flatnonzero(scan.energy >= _STILL_PICTURE)
    last = float(scan.energy_times[moving[-1]]) if len(moving) else 0.0
    return round(last, 2) if since < last < result.seconds - 0.5 else since


def _growth(result: PoseTrack) -> float | None:
    """By which share the person grows from the start to the end."""
    points = result.bodies if np.isfinite(result.bodies[:, 0, 0]).mean() > 0.5 else result.faces
    found = points[np.isfinite(points[:, 0, 0])][..., :2]
    if len(found) < 4:
        return None
    k = max(1, len(found) // 6)
    spread = np.sqrt(((found - found.mean(1, keepdims=True)) ** 2).sum(2).mean(1))
    return float(np.median(spread[-k:]) / max(np.median(spread[:k]), 1e-6) - 1)


def _others(traits: tuple[Trait, ...]) -> tuple[Moment, ...]:
    """Where a trait is at its worst, when that is bad enough to be looked at."""
    found = []
    for trait in traits:
        known = [(v, t) for v, t in zip(trait.values, trait.times, strict=True) if v is not None]
        if trait.name in ("face", "colour", "hands") and known:
            value, time = min(known)
            # beside its own start a face is worth a look where it changes, and nowhere else
            own = trait.name == "face" and trait.against == "start"
            bad = not own and trait.value is not None and trait.value < UNLIKE
            bad = bad or trait.since is not None
            if bad and value < UNLIKE:
                kind = "identity" if trait.name == "face" else trait.name
                found.append(Moment(round(time, 2), kind, round(40 * (1 - value), 1)))
    return tuple(found)


# -- the sentence


def sentence(found: Fidelity) -> str:
    """The whole of it for people: what matters first, at most four parts."""
    parts = [_motion_part(found), *_time_parts(found), *_look_parts(found)]
    if found.score.value is None and _several(found) and not found.turned:  # the reason comes first
        parts.sort(key=lambda part: part != SEVERAL)
    told = "; ".join(parts[:4])
    return told[:1].upper() + told[1:] + "."


def _motion_part(found: Fidelity) -> str:
    score = found.score
    what = "the motion" if found.body.value is not None else "the face's motion"
    if found.turned:
        return turned_words(found)
    if score.value is None:
        if found.body.why in FRAMINGS:
            return f"{WHY[found.body.why]}: it looks like another clip or another framing"
        reasons = dict.fromkeys(WHY.get(s.why, s.why) for s in (found.body, found.face) if s.why)
        if found.body.why in ("nobody", "no body"):
            reasons = {WHY[found.body.why]: None}
        return f"cannot tell how well the motion is followed, because {' and '.join(reasons)}"
    if score.still:
        return {
            "": "the person does not move",
            "grain": "the person does not move, only the grain of the picture does",
            "zoom": "the person does not move, only the picture zooms",
        }[found.moves]
    if found.reading == "mirrored":
        return f"follows {what} in a mirror: left and right are swapped"
    if found.reading == "reversed":
        return "the motion runs backwards"
    if found.reading == "speed":
        return f"the motion runs {speed_words(score.speed)}"
    if found.reading == "shifted":
        return _shifted_part(found)
    if found.stops is not None:
        return f"follows {what} until {_s(found.stops)}, and stands still from then on"
    stray = _stray(found)
    if stray is not None:
        return f"follows {what}{stray_words(found, stray)}"
    if score.value >= WELL:
        return f"follows {what} well"
    if score.aligned >= WELL:
        return _loss(found, what)
    if score.value >= PARTLY:
        return f"follows {what} partly"
    if score.value >= HARDLY:
        return f"hardly follows {what}"
    return f"does not follow {what}: it looks like that of another clip"


def turned_words(found: Fidelity) -> str:
    """Such a result was not followed: the nets look for upright people."""
    way = "upside down" if found.turned == 180 else "on its side"
    return (
        f"the result is {way}: turn it by {found.turned} degrees, clockwise, and compare it again"
    )


def _loss(found: Fidelity, what: str) -> str:
    """What is shown is right: "well" is said of that part alone, and what the rest lacks at once."""
    if found.ends is not None:
        return f"follows {what} well as far as it goes"
    if found.score.coverage <= WHOLE:
        return f"what is in sight follows {what} well, but {_hidden_words(found)}"
    told = _stutters(found)
    if told:
        return f"follows {what}, but {told}"
    late = _late_words(found)
    if not late and found.score.timing > _IN_TIME:
        return f"follows {what} partly"
    return f"follows {what}, but {late or 'not evenly in time'}"


def _hidden_words(found: Fidelity) -> str:
    unseen = _limb_words(found.hidden) or "part of the person"
    verb = "are" if unseen.endswith("s") or " and " in unseen else "is"
    return f"{unseen} {verb} not in sight"


def _limb_words(names: tuple[str, ...]) -> str:
    """``the legs and the head``: both sides of one kind are one."""
    told: list[str] = []
    for name in names:
        kind = name.split()[-1]
        pair = {f"left {kind}", f"right {kind}"} <= set(names)
        word = f"the {kind}s" if pair else f"the {name}"
        if word not in told:
            told.append(word)
    return " and ".join((", ".join(told[:-1]), told[-1])) if len(told) > 1 else "".join(told)


def _steps(found: Fidelity) -> float | None:
    """New pictures a second, where the picture stutters."""
    steps = found.trait("steps")
    return steps.detail if steps is not None else None


def _stutters(found: Fidelity) -> str:
    steps = _steps(found)
    return "" if steps is None else f"the picture stutters: about {steps:.0f} pictures a second"


def _late_words(found: Fidelity) -> str:
    """A picture that stands for a while is late for that reason alone."""
    lag, steps = found.score.lag, _steps(found)
    if abs(lag) < LATE or (steps is not None and abs(lag) <= _HELD / steps):
        return ""
    return f"it is {_s(abs(lag))} {'late' if lag > 0 else 'early'}"


_STRAYS = {
    "stray": "the motion is not the reference's",
    "swapped": "left and right are swapped",
    "late": "it falls behind",
    "early": "it runs ahead",
}


def _stray(found: Fidelity) -> Flaw | None:
    """A stretch of another motion, or of the same one at another time or in a mirror."""
    return next((each for each in found.flaws if each.kind in _STRAYS), None)


def stray_words(found: Fidelity, stray: Flaw) -> str:
    """What comes after "follows the motion": how far it does, and what the rest is."""
    said = _STRAYS[stray.kind]
    _, since = _person(found)
    if stray.kind == "stray" and since is not None and _moves_too(found, since[1]):
        # the whole picture is where the person is, too
        said = "somebody else moves, and not as in the reference"
    if stray.begin >= 0.3 and found.seconds - stray.end < 0.3:
        return f" only until {_s(stray.begin)}: from then on {said}"
    if stray.begin < 0.3:
        return f" only from {_s(stray.end)} on: until then {said}"
    return f", but {span_words(stray.begin, stray.end, found.seconds)} {said}"


def span_words(begin: float, end: float | None, seconds: float) -> str:
    """``from 5 s on``, ``until 2 s``, ``from 2 s to 4 s``, ``all of the time``."""
    last = end is None or seconds - end < 0.3
    if begin < 0.3:
        return "all of the time" if last else f"until {_s(end)}"
    return f"from {_s(begin)} on" if last else f"from {_s(begin)} to {_s(end)}"


def speed_words(speed: float) -> str:
    """``at half speed``, ``at 1.3 times the speed``."""
    if abs(speed - 0.5) < 0.04:
        return "at half speed"
    if abs(speed - 2.0) < 0.13:
        return "at double speed"
    return f"at about {speed:.1f} times the speed"


def _part_of(found: Fidelity) -> tuple[float, float]:
    begin = found.score.begins
    return begin, begin + found.seconds


def _shifted_part(found: Fidelity) -> str:
    begin, end = _part_of(found)
    if begin < 0:
        return f"follows the motion {_s(-begin)} late"
    if found.ends is None:
        return f"begins late: the first {_s(begin)} of the motion are missing"
    return f"shows another part of the motion: {begin:.1f} to {end:.1f} s of the reference"


def _time_parts(found: Fidelity) -> Iterator[str]:
    score = found.score
    if score.value is None or score.still or score.aligned < PARTLY or found.turned:
        return
    plain = found.reading == "" and found.stops is None and _stray(found) is None
    told = _loss(found, "") if plain and score.aligned >= WELL > score.value else ""
    hidden = _hidden_words(found) if found.hidden and score.coverage <= WHOLE else ""
    for part in (_stutters(found), _late_words(found) if plain else "", hidden):
        if part and part not in told:
            yield part
    if found.ends is not None and found.reading in ("", "mirrored") and found.stops is None:
        yield f"it ends at {_s(found.ends)} of the reference"
    if plain:
        if score.ratio < SMALLER:
            yield f"the movements are {1 - score.ratio:.0%} smaller"
        elif score.ratio > LARGER:
            yield f"the movements are {score.ratio - 1:.0%} larger"
        yield from _limb_parts(found.limbs)
        for span in found.frozen[:1]:
            yield f"it stands still from {_s(span[0])} to {_s(span[1])}"
    for span in found.unseen[:1]:
        yield f"the person is not in sight from {_s(span[0])} to {_s(span[1])}"


def _limb_parts(limbs: tuple[Limb, ...]) -> Iterator[str]:
    resting = [limb for limb in limbs if limb.judged and limb.amplitude < LIMB_RESTS]
    if resting:
        names = " and ".join(limb.name for limb in resting[:2])
        yield f"the {names} hardly move{'s' if len(resting) == 1 else ''}"
    late = [limb for limb in limbs if limb.lag is not None]
    if late:
        worst = max(late, key=lambda limb: limb.lag or 0)
        since = f" from {_s(worst.lags_from)} on" if worst.lags_from else ""
        yield f"the {worst.name} lags{since}"


def _look_parts(found: Fidelity) -> Iterator[str]:
    if found.colours == "flat":
        yield "nothing can be seen in most pictures"
    elif found.colours == "grey":
        yield "the picture has lost its colours"
    elif found.colours:
        yield _cast_words(found)
    colour = found.trait("colour")
    if colour is not None and colour.since is not None:
        yield f"the colours drift from {_s(colour.since)} on"
    if _several(found):
        yield SEVERAL
    person, since = _person(found)
    if person == "other":
        yield "it is not the person of the picture"
    elif since is not None:
        if not _moves_too(found, since[1]):
            yield _changed(found, since)
    elif person == "unlike":
        yield "the person looks different from the picture"
    hands = found.trait("hands")
    if hands is not None and hands.value is not None and hands.value < FEW_HANDS:
        yield f"the hands are {'hardly' if hands.value < NO_HANDS else 'often not'} recognisable"
    if _flickers(found):
        yield "the picture flickers"
    if _blurred(found):
        yield "the person is blurred"
    yield from _flaw_parts(found, "blur", "grey", "dark")


_FLAWS = {
    "blur": "the person is blurred",
    "grey": "the colours are lost",
    "dark": "it is too dark to see the person",
}


_CASTS = {
    "blue": "has a blue cast",
    "warm": "has a warm cast",
    "green": "has a green cast",
    "pink": "has a pink cast",
    "hues": "has other hues",
}


def _cast_words(found: Fidelity) -> str:
    tint = found.trait("cast")
    where = ""
    if tint is not None and tint.since is not None:
        where = f"{span_words(tint.since, tint.until, found.seconds)} "
    beside = tint.against if tint is not None and tint.against else "reference"
    return f"{where}the whole picture {_CASTS[found.colours]}, unlike the {_BESIDE[beside]}"


_BESIDE = {"picture": "picture of the character", "reference": "reference"}


def _flaw_parts(found: Fidelity, *kinds: str) -> Iterator[str]:
    for each in found.flaws:
        if each.kind in kinds and not (each.kind == "blur" and _blurred(found)):
            yield f"{span_words(each.begin, each.end, found.seconds)} {_FLAWS[each.kind]}"


def _flaw_spans(found: Fidelity, *kinds: str) -> tuple[Span, ...]:
    return tuple((each.begin, each.end) for each in found.flaws if each.kind in kinds)


def _changed(found: Fidelity, since: tuple[str, float]) -> str:
    """What of the person changes, from when and until when."""
    name, time = since
    trait = found.trait(name)
    if trait is not None and _somebody_else(trait):
        where = span_words(time, trait.until, found.seconds)
        return f"{where} somebody else is in the picture"
    told = f"the {name} change{'' if name == 'clothes' else 's'}"
    if trait is not None and trait.until is not None:
        return f"{told} {span_words(time, trait.until, found.seconds)}"
    return f"{told} after {_s(time)}"


def _somebody_else(trait: Trait) -> bool:
    """A face that becomes another one: of clothes alone that is not said."""
    if trait.name != "face" or trait.since is None:
        return False
    inside = [
        v
        for v, t in zip(trait.values, trait.times, strict=True)
        if v is not None and trait.since <= t < (trait.until or np.inf)
    ]
    return bool(inside) and float(np.median(inside)) < OTHER


def _moves_too(found: Fidelity, since: float) -> bool:
    """The change of the person was told with the motion."""
    stray = _stray(found)
    return stray is not None and abs(since - stray.begin) <= _SAME_MOMENT


def wrong_clip(found: Fidelity) -> bool:
    """It is of another motion altogether: what presupposes the right one need not be said."""
    if found.turned:
        return False
    if found.body.why in FRAMINGS:
        return True
    score = found.score
    if score.value is None or score.still or found.reading or found.stops is not None:
        return False
    return score.value < HARDLY and score.aligned < PARTLY and _stray(found) is None


def _several(found: Fidelity) -> bool:
    return found.people > PEOPLE and found.people_before <= PEOPLE


def _flickers(found: Fidelity) -> bool:
    flicker = found.trait("flicker")
    return (
        flicker is not None
        and flicker.value is not None
        and flicker.value < 1.0
        and (flicker.detail or 0.0) > looks.FLICKERS
    )


def _blurred(found: Fidelity) -> bool:
    sharp = found.trait("sharp")
    return sharp is not None and sharp.value is not None and (sharp.detail or 0.0) < looks.BLURRED


def _person(
    found: Fidelity,
) -> tuple[Literal["", "same", "unlike", "other"], tuple[str, float] | None]:
    """What the person is beside the picture ("" where it cannot be told), and what changes when."""
    traits = [t for t in (found.trait("face"), found.trait("clothes")) if t is not None]
    since = next(((t.name, t.since) for t in traits if t.since is not None), None)
    if any((t.outside or 0.0) >= UNLIKE for t in traits if t.since is not None):
        return "same", since  # the rest is right: what changes, and when, is what matters
    known = [t.value for t in traits if t.value is not None and t.against == "picture"]
    if not known:
        return "", since
    # clothes may be hidden or wet by a prompt; a face alone is enough to say "another person"
    face = next((t.value for t in traits if t.name == "face" and t.against == "picture"), None)
    worst, mean = (face if face is not None else min(known)), float(np.mean(known))
    if mean < OTHER or (worst < OTHER and mean < OTHER + 0.15):
        return "other", since
    unlike = min(known) < OTHER or worst < UNLIKE
    # a strong cast cannot be taken off without loss
    return ("unlike" if unlike and found.colours not in _CASTS else "same"), since


def _s(seconds: float | None) -> str:
    """At most one decimal below ten minutes, and none that says nothing."""
    return f"{seconds or 0:.1f}".removesuffix(".0") + " s"


# -- the findings


def findings(found: Fidelity, *, sound_late: float | None = None) -> tuple[Finding, ...]:
    """Every rule, passes included, as findings of the field ``result``.

    ``sound_late``: seconds by which the result's sound comes later than the reference's; None
    where it cannot be told.
    """
    return (
        _motion(found, sound_late),
        _timing(found, sound_late),
        _person_finding(found),
        _colours(found),
        _people(found),
        _hands_finding(found),
        _flicker_finding(found),
        _sharp_finding(found),
    )


def picture_late(found: Fidelity) -> float | None:
    """Seconds by which the motion comes later than in the reference; None where it cannot be told."""
    score = found.score
    if (
        score.value is None
        or score.still
        or (score.aligned < PARTLY and found.reading != "shifted")
    ):
        return None
    if found.reading == "shifted":
        return -score.begins
    if _steps(found) is not None and not _late_words(found):
        return None
    return score.lag if found.reading == "" else None


def _motion(found: Fidelity, sound_late: float | None) -> Finding:
    score = found.score
    told = _motion_part(found)
    if found.turned:
        return _finding("motion", "warning", told, _ALLOWED["motion"], "turned")
    if score.value is None:
        if found.body.why in FRAMINGS:
            return _finding("motion", "warning", told, _ALLOWED["motion"], "framing")
        return _finding("motion", "unknown", told, _ALLOWED["motion"])
    measured = f"{score.value:.0f} of 100: {told}"
    if score.aligned >= WELL > score.value and not found.reading:
        part = "once in step"
        if found.ends is not None:
            part = "as far as it goes"
        elif score.coverage <= WHOLE:
            part = "of what is in sight"
        measured = f"{score.aligned:.0f} of 100 {part}, {score.value:.0f} as it is: {told}"
    parts = [part for part in _time_parts(found) if not part.startswith("it is ")]
    if parts:
        measured += "; " + "; ".join(parts)
    fix: str
    severity: Severity = "warning"
    stray = _stray(found)
    if score.still:
        fix = "still"
    elif found.reading == "shifted":
        begin, _ = _part_of(found)
        fix = "late start" if begin < 0 else "begins late" if found.ends is None else "part"
        if begin < 0 and sound_late is not None and not _in_step(-begin - sound_late):
            fix = "late picture"
    elif found.reading:
        fix = str(found.reading)
    elif found.stops is not None:
        fix = "stops"
    elif stray is not None:
        fix = "stray" if stray.kind == "stray" else "part of it"
    elif score.value >= WELL or (score.aligned >= WELL and score.coverage > WHOLE):
        return _finding("motion", "pass", measured, _ALLOWED["motion"])
    elif score.aligned >= WELL and found.ends is not None:
        severity, fix = "advice", "ends"
    elif score.aligned >= WELL and score.coverage <= WHOLE:
        severity, fix = "advice", "hidden"
    elif score.value >= PARTLY or score.aligned >= WELL:
        severity, fix = "advice", "partly"
    else:
        fix = "hardly" if score.value >= HARDLY else "other"
    spans = (*found.frozen, *found.unseen, *_flaw_spans(found, *_STRAYS))
    return _finding("motion", severity, measured, _ALLOWED["motion"], fix, spans)


def _timing(found: Fidelity, sound_late: float | None) -> Finding:
    score, lag = found.score, picture_late(found)
    if lag is None:
        why = "how well the motion is followed is not known" if score.value is None else _NO_TIMING
        if score.aligned >= PARTLY and _steps(found) is not None:
            why = "the picture stutters"
        return _finding("timing", "unknown", f"cannot be told, because {why}", _ALLOWED["timing"])
    if sound_late is not None:
        apart = lag - sound_late
        measured = f"the picture is {abs(apart):.2f} s {'later' if apart > 0 else 'earlier'} than its sound"
        if _in_step(apart):
            return _finding(
                "timing", "pass", "the picture is in step with its sound", _ALLOWED["sound"]
            )
        if found.reading == "shifted":  # what to do is told with the motion
            return _finding("timing", "pass", measured, _ALLOWED["sound"])
        return _finding("timing", "warning", measured, _ALLOWED["sound"], "shift")
    measured = f"{abs(lag):.2f} s {'late' if lag > 0 else 'early'}"
    if abs(lag) < LATE or found.reading == "shifted":  # that is told with the motion
        return _finding("timing", "pass", measured, _ALLOWED["timing"])
    return _finding(
        "timing",
        "warning" if abs(lag) >= VERY_LATE else "advice",
        measured,
        _ALLOWED["timing"],
        "trim",
    )


def _in_step(apart: float) -> bool:
    """The picture comes so much later than its sound, and nobody minds."""
    return -PICTURE_EARLY <= apart <= PICTURE_LATE


def _person_finding(found: Fidelity) -> Finding:
    made = _person_judged(found)
    compared = any(t.against == "picture" for t in found.traits)
    return made if compared else replace(made, title=_THROUGH)


def _person_judged(found: Fidelity) -> Finding:
    person, since = _person(found)
    allowed = _ALLOWED["person" if person else "start"]
    traits = [t for t in (found.trait("face"), found.trait("clothes")) if t is not None]
    told = ", ".join(f"{t.name} {t.value:.0%} alike" for t in traits if t.value is not None)
    if not told:
        why = " and ".join(dict.fromkeys(WHY.get(t.why, t.why) for t in traits))
        return _finding("person", "unknown", f"cannot be told, because {why}", allowed)
    if person == "other":
        return _finding("person", "warning", f"another person: {told}", allowed, "person")
    if since is not None:
        trait = found.trait(since[0])
        until = found.seconds if trait is None or trait.until is None else trait.until
        told = f"{_changed(found, since)}: {told}"
        return _finding("person", "warning", told, allowed, "person", ((since[1], until),))
    if person == "unlike":
        return _finding("person", "advice", f"looks different: {told}", allowed, "person")
    return _finding("person", "pass", told, allowed)


def _colours(found: Fidelity) -> Finding:
    allowed = _ALLOWED["colours"]
    if found.colours == "flat":
        return _finding(
            "colours", "warning", "nothing to be seen in most pictures", allowed, "flat"
        )
    if found.colours == "grey":
        return _finding("colours", "warning", "no colours left", allowed, "grey")
    tint = found.trait("cast")
    parts = list(_flaw_parts(found, "grey", "dark"))
    if found.colours and tint is not None:
        told = "; ".join([_cast_words(found), *parts])
        severity: Severity = "warning" if (tint.detail or 0.0) >= cast.PLAIN_CAST else "advice"
        spans: tuple[Span, ...] = ()
        if tint.since is not None:
            spans = ((tint.since, found.seconds if tint.until is None else tint.until),)
        return _finding("colours", severity, told, allowed, "cast", spans)
    if parts:
        spans = _flaw_spans(found, "grey", "dark")
        return _finding("colours", "warning", "; ".join(parts), allowed, "part lost", spans)
    colour = found.trait("colour")
    if colour is None or colour.value is None:
        why = WHY.get(colour.why, "too little is seen") if colour is not None else "it is too short"
        return _finding("colours", "unknown", f"cannot be told, because {why}", allowed)
    if colour.since is not None:
        told = f"they drift from {_s(colour.since)} on, by {colour.detail:.0f} at the end"
        spans = ((colour.since, found.seconds),)
        return _finding("colours", "warning", told, allowed, "colour", spans)
    told = "as at the start"
    if tint is not None and tint.why == "other ground":
        told += f"; a cast of all of it cannot be told, because {WHY[tint.why]}"
    return _finding("colours", "pass", told, allowed)


def _people(found: Fidelity) -> Finding:
    allowed = _ALLOWED["people"]
    if found.turned:
        return _finding("people", "unknown", "cannot be told of a turned picture", allowed)
    if found.body.why == "nobody":
        told = "nobody was found in the result, though somebody moves in the reference"
        return _finding("people", "warning", told, allowed, "nobody")
    if _several(found):
        told = f"more than one person in {found.people:.0%} of the pictures"
        return _finding("people", "warning", told, allowed, "people")
    return _finding("people", "pass", "as in the reference", allowed)


def _hands_finding(found: Fidelity) -> Finding:
    hands, allowed = found.trait("hands"), _ALLOWED["hands"]
    if hands is None or hands.value is None:
        why = WHY.get(hands.why, "") if hands is not None else ""
        return _finding("hands", "unknown", f"cannot be told, because {why}", allowed)
    told = (
        "hardly ever recognised, though they are in the reference"
        if hands.value < NO_HANDS
        else f"recognised {hands.value:.0%} as often as in the reference"
    )
    few = hands.value < FEW_HANDS
    return _finding("hands", "advice" if few else "pass", told, allowed, "hands" if few else "")


def _flicker_finding(found: Fidelity) -> Finding:
    flicker, allowed = found.trait("flicker"), _ALLOWED["flicker"]
    if flicker is None or flicker.value is None:
        return _finding(
            "flicker", "unknown", f"cannot be told, because {WHY['too short']}", allowed
        )
    told = f"{flicker.detail:.1f} levels of 256 from frame to frame"
    bad = _flickers(found)
    severity: Severity = "pass" if not bad else "advice" if flicker.value > 0.3 else "warning"
    return _finding("flicker", severity, told, allowed, "flicker" if bad else "")


def _sharp_finding(found: Fidelity) -> Finding:
    sharp, allowed = found.trait("sharp"), _ALLOWED["sharp"]
    if sharp is None or sharp.value is None:
        why = WHY.get(sharp.why, "") if sharp is not None else ""
        return _finding("sharp", "unknown", f"cannot be told, because {why}", allowed)
    parts = list(_flaw_parts(found, "blur"))
    if parts:
        spans = _flaw_spans(found, "blur")
        return _finding("sharp", "advice", "; ".join(parts), allowed, "part blurred", spans)
    bad = _blurred(found)
    told = f"{'the person is blurred: ' if bad else ''}{sharp.detail:.1f}"
    return _finding("sharp", "advice" if bad else "pass", told, allowed, "sharp" if bad else "")


def _finding(
    code: str,
    severity: Severity,
    measured: str,
    allowed: str,
    fix: str = "",
    spans: tuple[Span, ...] = (),
) -> Finding:
    full = f"result.{code}"
    return Finding(
        code=full,
        field="result",
        severity=severity,
        title=TITLES[full],
        measured=measured,
        allowed=allowed,
        fix=_FIX[fix] if fix else "",
        source=_MEASURED_ON if fix else "",
        spans=spans,
    )
