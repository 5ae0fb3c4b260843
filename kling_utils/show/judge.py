"""How well a result follows: one sentence, bars, a row for each limb, and the moments to look at.

Owns the words and numbers that the stage draws under its time line, and the same as a card that
needs no script. What cannot be told has no number, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import markupsafe

from kling_utils.show.cards import TEMPLATES
from kling_utils.values import Fidelity, Finding, Limb, Report, Trait

FAR = 60.0
"""Degrees between both persons at which the curve of errors is at its top."""
IN_STEP = 0.06
"""Seconds that are called "in step": tracks tell 0.04."""
_KINDS = {
    "pose": "the poses differ",
    "face": "the face follows least",
    "frozen": "it stands still",
    "unseen": "the person is not in sight",
    "identity": "the face looks different",
    "hands": "the hands are not clear",
    "colour": "the colours are off",
}
_OTHER_TIMES = {
    "mirrored": "left and right are swapped",
    "reversed": "the motion runs backwards",
    "speed": "the motion runs at another speed",
}
_PARTS = {
    "motion": "moves alike",
    "pose": "poses",
    "amplitude": "size of movements",
    "coverage": "shown",
}


class Bar(TypedDict):
    """One thing that is judged."""

    name: str
    value: int | None
    """0..100; None where it cannot be told."""
    level: Literal["pass", "advice", "warning", "unknown"]
    text: str
    """The number in words, or why there is none."""
    detail: str
    """What it is made of."""


class Row(TypedDict):
    """One limb. Texts; empty where there is nothing to say."""

    name: str
    judged: bool
    follows: str
    size: str
    apart: str
    note: str


class Curve(TypedDict):
    """On the time of the result."""

    times: list[float]
    error: list[float | None]
    """0..1, 1 is worst."""
    offset: float
    """Seconds by which the result comes later; they are left aside in ``error``."""


class Spot(TypedDict):
    """A moment to look at first."""

    time: float
    text: str


class Judge(TypedDict):
    """What the stage draws under its time line."""

    sentence: str
    level: Literal["pass", "advice", "warning", "unknown"]
    bars: list[Bar]
    limbs: list[Row]
    curve: Curve | None
    moments: list[Spot]
    how: list[tuple[str, str]]
    """What is measured, and how far it can be trusted."""
    waiting: bool
    poses: NotRequired[Mapping[str, Any] | None]
    """``review.poses.Poses``, or a file of it as its host serves it."""


def judge(value: Report | None, *, poses: Mapping[str, Any] | None = None) -> Judge | None:
    """What an audit says about the motion and what a viewer sees; None where that was not measured."""
    found = value.fidelity if value is not None else None
    if value is None or found is None:
        return None
    from kling_utils.review import verdict

    findings = {f.code.removeprefix("result."): f for f in value.findings}
    told = [f for code, f in findings.items() if f"result.{code}" in verdict.TITLES]
    bars = [*_motion(found, findings), _person(found, findings), _sync(found, findings)]
    return {
        "sentence": found.sentence,
        "level": _worst(found, told),
        "bars": bars,
        "limbs": _rows(found.limbs),
        "curve": _curve(found),
        "moments": [
            {"time": each.time, "text": _spot(each.kind, each.size)} for each in found.worst
        ],
        "how": _how(found),
        "waiting": False,
        "poses": poses,
    }


def waiting() -> Judge:
    """While it is being measured."""
    said = "The result is being compared with its reference."
    return {
        "sentence": said,
        "level": "unknown",
        "bars": [],
        "limbs": [],
        "curve": None,
        "moments": [],
        "how": [],
        "waiting": True,
    }


def card(value: Report | None, *, limbs: bool = True) -> str:
    """The same as HTML that needs no script; empty where nothing was measured.

    ``limbs``: with the rows of limbs, and how each part is measured.
    """
    shown = judge(value)
    if shown is None:
        return ""
    return str(
        markupsafe.Markup(  # noqa: S704 - the template escapes every value
            TEMPLATES.get_template("judge.html").render(judge=shown, limbs=limbs)
        )
    )


# -- bars


def _bar(name: str, share: float | None, finding: Finding | None, text: str, detail: str) -> Bar:
    severity = finding.severity if finding is not None else "unknown"
    return {
        "name": name,
        "value": None if share is None else round(max(0.0, min(100.0, share))),
        "level": "unknown" if share is None or severity == "error" else severity,
        "text": text[:1].upper() + text[1:],
        "detail": detail,
    }


def _motion(found: Fidelity, findings: Mapping[str, Finding]) -> list[Bar]:
    """One bar; two where both body and face are judged."""
    from kling_utils.review.verdict import FRAMINGS, PARTLY, WELL, WHY

    score = found.score
    finding = findings.get("motion")
    if score.value is None:
        reasons = [WHY.get(each.why, each.why) for each in (found.body, found.face) if each.why]
        if found.body.why in ("nobody", "no body", *FRAMINGS):  # then the face is no matter
            reasons = reasons[:1]
        return [_bar("Motion", None, finding, _unknown(*reasons), "")]
    bars = []
    for name, each in (("Body", found.body), ("Face", found.face)):
        if each.value is None:
            continue
        detail = ", ".join(
            f"{word} {getattr(each, part):.0%}"
            for part, word in _PARTS.items()
            if not (part == "pose" and name == "Face")
        )
        bar = _bar("Motion", each.value, finding, f"{each.value:.0f} of 100", detail)
        if each is not score:  # the finding is about the headline
            good = each.value >= WELL
            bar["level"] = "pass" if good else "advice" if each.value >= PARTLY else "warning"
            bar["name"] = "Face"
        elif name == "Face":
            bar["name"] = "Motion of the face"
        bars.append(bar)
    return bars


def _person(found: Fidelity, findings: Mapping[str, Finding]) -> Bar:
    from kling_utils.review.verdict import WHY

    traits = [t for t in (found.trait("face"), found.trait("clothes")) if t is not None]
    known = [(t, t.value) for t in traits if t.value is not None]
    finding = findings.get("person")
    if not known:
        return _bar(
            "Identity", None, finding, _unknown(*(WHY.get(t.why, t.why) for t in traits)), ""
        )
    mean = 100 * sum(value for _, value in known) / len(known)
    against = {t.against for t, _ in known}
    beside = "the picture" if "picture" in against else "the start of the result"
    detail = ", ".join(f"{t.name} {value:.0%}" for t, value in known)
    changes = [f"{t.name} {_from(t)}" for t, _ in known if t.since is not None]
    detail += "".join(f"; {change}" for change in changes)
    return _bar("Identity", mean, finding, f"{mean:.0f}% like {beside}", detail)


def _from(trait: Trait) -> str:
    verb = "change" if trait.name == "clothes" else "changes"
    return f"{verb} after {trait.since:.1f} s"


def _sync(found: Fidelity, findings: Mapping[str, Finding]) -> Bar:
    """Of motion against motion: sound has a finding of its own."""
    from kling_utils.review.verdict import PARTLY, WHY, picture_late

    score, finding = found.score, findings.get("timing")
    if score.value is None:
        why = _unknown(WHY.get(score.why, "there is no motion to compare"))
        return _bar("In step", None, finding, why, "")
    if score.still:
        return _bar("In step", None, finding, _unknown("the person does not move"), "")
    if found.reading in _OTHER_TIMES:
        return _bar("In step", None, finding, _unknown(_OTHER_TIMES[found.reading]), "")
    if score.aligned < PARTLY:
        return _bar("In step", None, finding, _unknown("the motion is too different"), "")
    if found.reading == "shifted":
        return _bar("In step", None, finding, _unknown(_shifted(score.begins)), "")
    if found.reading == "" and picture_late(found) is None:
        return _bar("In step", None, finding, _unknown("the picture stutters"), "")
    late = score.lag
    told = "together" if abs(late) < IN_STEP else f"{abs(late):.1f} s {_when(late)}"
    detail = ""
    if score.drift is not None and abs(score.drift) > 0.02:
        more = "more" if score.drift * (late or 1) > 0 else "less"
        detail = f"{abs(score.drift):.2f} s {more} each second"
    return _bar("In step", 100 * score.timing, finding, told, detail)


def _when(late: float) -> str:
    return "late" if late > 0 else "early"


def _shifted(begins: float) -> str:
    if begins < 0:
        return f"the motion begins {-begins:.1f} s later than in the reference"
    return f"the result begins {begins:.1f} s into the motion"


def _unknown(*reasons: str) -> str:
    said = " and ".join(dict.fromkeys(r for r in reasons if r)) or "it could not be measured"
    return f"cannot be told, because {said}"


# -- the rest


def _worst(found: Fidelity, told: list[Finding]) -> Literal["pass", "advice", "warning", "unknown"]:
    if any(f.severity in ("warning", "error") for f in told):
        return "warning"
    if found.score.value is None:
        return "unknown"
    return "advice" if any(f.severity == "advice" for f in told) else "pass"


def _rows(limbs: Sequence[Limb]) -> list[Row]:
    """A row each; those that cannot be told have one together."""
    rows = [_row(limb) for limb in limbs if limb.judged]
    names = [limb.name for limb in limbs if not limb.judged]
    if names and rows:
        named = ", ".join(names)
        which = "they move too little" if len(names) > 1 else "it moves too little"
        verb = "are" if len(names) > 1 else "is"
        rows.append(
            {
                "name": named[:1].upper() + named[1:],
                "judged": False,
                "follows": "",
                "size": "",
                "apart": "",
                "note": f"Cannot be told, because {which} in the reference or {verb} hidden",
            }
        )
    return rows


def _row(limb: Limb) -> Row:
    note = ""
    if limb.lag is not None:
        since = f" from {limb.lags_from:.1f} s on" if limb.lags_from else ""
        note = f"{limb.lag:.1f} s behind the rest{since}"
    return {
        "name": limb.name[:1].upper() + limb.name[1:],
        "judged": True,
        "follows": f"{limb.follows:.0%}",
        "size": f"{limb.amplitude:.0%}",
        "apart": f"{limb.error:.0f}°",
        "note": note,
    }


def _curve(found: Fidelity) -> Curve | None:
    """Of a body the angles; of a face what is missing to follow, where there is something to follow."""
    curve = found.curve
    if curve is None or not curve.times:
        return None
    if any(e is not None for e in curve.error):
        error = [None if e is None else round(min(1.0, e / FAR), 3) for e in curve.error]
    else:
        usual = sorted(curve.motion)[len(curve.motion) // 2] if curve.motion else 0.0
        error = [
            None if f is None or m < 0.5 * usual else round(1 - max(0.0, f), 3)
            for f, m in zip(curve.follows, curve.motion, strict=True)
        ]
    if all(e is None for e in error):
        return None
    return {"times": list(curve.times), "error": error, "offset": round(curve.offset, 3)}


def _spot(kind: str, size: float) -> str:
    said = _KINDS.get(kind, kind)
    return f"{said} by {size:.0f}°" if kind == "pose" else said


def _how(found: Fidelity) -> list[tuple[str, str]]:
    from kling_utils.review.verdict import HOW

    names = {
        "body": "Motion of the body",
        "face": "Motion of the face",
        "look": "Identity",
        "colour": "Colours",
        "hands": "Hands",
        "flicker": "Flicker",
        "sharp": "Sharpness",
        "people": "People",
    }
    left_out = {"face"} if found.face.value is None and found.body.value is not None else set()
    told = [(names[key], HOW[key]) for key in names if key in HOW and key not in left_out]
    step = (
        "How much later or earlier the same motion comes in the result; 100 is together, 35 is "
        "half a second or more apart. Told to 0.04 s where the motion is clear."
    )
    at = next(i for i, (name, _) in enumerate(told) if name == "Identity")
    return [*told[:at], ("In step", step), *told[at:]]
