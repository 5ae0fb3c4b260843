"""What is told about a result: numbers where there are some, reasons where there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helpers.dancers import ANOTHER, clip, still_of

from kling_utils.review import verdict
from kling_utils.show.judge import Bar, card, judge, waiting
from kling_utils.values import Fidelity, MotionScore, Report, Trait


def judged(seconds: float = 6.0, *, picture: int = 5, **made: Any) -> Report:
    reference = clip(1, seconds, person=ANOTHER, hands=0.9, noise=2)
    result = clip(made.pop("seed", 1), seconds, hands=0.9, **made)
    found = verdict.fidelity(reference, result, still_of(clip(picture, 0.5)))
    return Report(verdict.findings(found), fidelity=found)


def bars(report: Report) -> dict[str, Bar]:
    told = judge(report)
    assert told is not None
    return {bar["name"]: bar for bar in told["bars"]}


def test_a_good_result_has_three_full_bars_and_a_row_for_each_limb() -> None:
    report = judged()
    told, found = judge(report), bars(report)
    assert told is not None
    assert told["level"] == "pass"
    assert list(found) == ["Motion", "Identity", "In step"]
    assert all(bar["level"] == "pass" and (bar["value"] or 0) > 80 for bar in found.values())
    assert found["In step"]["text"] == "Together"
    assert {"Left arm", "Right arm"} <= {row["name"] for row in told["limbs"]}
    assert told["curve"] is not None
    assert len(told["curve"]["times"]) == len(told["curve"]["error"])
    assert all(0 <= e <= 1 for e in told["curve"]["error"] if e is not None)
    assert {"Motion of the body", "In step", "Identity"} <= {name for name, _ in told["how"]}


def test_a_late_result_tells_how_late_and_the_curve_leaves_it_aside() -> None:
    report = judged(when=lambda t: t - 0.6)
    told, found = judge(report), bars(report)
    assert found["In step"]["text"] == "0.6 s late"
    assert found["In step"]["level"] == "warning"
    assert told is not None
    assert told["curve"] is not None
    assert abs(told["curve"]["offset"] - 0.6) < 0.1


def test_what_cannot_be_told_is_no_number_but_a_reason() -> None:
    still = bars(judged(when=lambda t: 0.0))
    assert still["In step"]["value"] is None
    assert still["In step"]["text"] == "Cannot be told, because the person does not move"
    mirrored = bars(judged(mirrored=True))
    assert mirrored["In step"]["text"] == "Cannot be told, because left and right are swapped"
    assert mirrored["Motion"]["level"] == "warning"


def test_every_reason_stands_under_its_bar() -> None:
    nothing = Fidelity(
        "Cannot tell.",
        MotionScore(None, "body rests"),
        MotionScore(None, "face rests"),
        traits=(Trait("face", None, "face unseen"), Trait("clothes", None, "torso unseen")),
    )
    report = Report(verdict.findings(nothing), fidelity=nothing)
    told = judge(report)
    assert told is not None
    assert told["level"] == "unknown"
    assert [bar["value"] for bar in told["bars"]] == [None, None, None]
    motion, identity, step = (bar["text"] for bar in told["bars"])
    assert verdict.WHY["body rests"] in motion
    assert verdict.WHY["face rests"] in motion
    assert verdict.WHY["torso unseen"] in identity
    assert step.startswith("Cannot be told, because ")
    assert told["curve"] is None
    assert told["limbs"] == []
    html = card(report)
    assert html.count("kj-none") == 3
    assert "kj-fill" not in html


def test_a_report_without_it_has_no_card() -> None:
    assert judge(None) is None
    assert judge(Report(())) is None
    assert card(None) == card(Report(())) == ""
    assert waiting()["waiting"]


def test_the_card_is_whole_without_a_script_and_escapes() -> None:
    report = judged()
    assert report.fidelity is not None
    hostile = replace(report, fidelity=replace(report.fidelity, sentence="<b>${x}</b>"))
    html = card(hostile)
    assert "&lt;b&gt;" in html
    assert "<script" not in html
    assert html.count("kj-fill") == 3
    assert "Left arm" in html
    assert "How this is measured" in html


def test_a_stutter_is_not_called_late() -> None:
    report = judged(when=lambda t: t - 0.3)
    found = report.fidelity
    assert found is not None
    steps = tuple(replace(t, detail=4.0) if t.name == "steps" else t for t in found.traits)
    told = bars(replace(report, fidelity=replace(found, traits=steps)))
    assert told["In step"]["text"] == "Cannot be told, because the picture stutters"
