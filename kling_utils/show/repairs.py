"""A repair as HTML: what would be done, and what was done. Owns the look of both."""

from __future__ import annotations

from kling_utils.preflight import fit_words
from kling_utils.preflight.plan import Fitted, Plan
from kling_utils.preflight.preflight import Preflight
from kling_utils.show import cards
from kling_utils.values import Finding, Shown


def html(value: Shown) -> str:
    """What is known before, a plan, or what came of it."""
    match value:
        case Plan():
            return plan(value)
        case Fitted():
            return fitted(value)
        case Preflight():
            price = cards.quote(value.quote) if value.quote is not None else ""
            return cards.report(value.report) + price
        case _:
            raise TypeError(f"no card for {type(value).__name__}")


def plan(value: Plan) -> str:
    """What would be done, what it costs, and what cannot be done."""
    rows = [
        Finding(s.code, s.field, "advice", s.text, "", "", f"{s.cost}." if s.cost else "")
        for s in value.ahead
    ]
    cannot = [Finding(i.code, i.field, "error", i.reason, "", "", i.hint) for i in value.impossible]
    if cannot:
        return cards.listing("Cannot be fixed with one click", [*cannot, *rows], severity="error")
    head = "Can be fixed with one click" if value.required else "Could be safer"
    return cards.listing(head, rows, severity="warning" if value.required else "advice")


def fitted(value: Fitted) -> str:
    """Before and after beside each other, with sizes, and what was done."""
    rows, before = list[tuple[str, str, str]](), value.before
    if before.image is not None and value.image is not None and value.report.image is not None:
        rows.append(
            (
                "Picture",
                cards.image_facts(before.image),
                cards.image_facts(value.report.image),
            )
        )
    if before.video is not None and value.video is not None and value.report.video is not None:
        rows.append(
            ("Clip", cards.video_facts(before.video), cards.video_facts(value.report.video))
        )
    if not value.done:
        return cards.listing(fit_words.NOTHING, (), severity="pass")
    done = [Finding(s.code, s.field, "pass", s.text, "", "") for s in value.done]
    return cards.listing(
        "Fixed; your own files are as they were",
        done,
        severity="pass",
        extra=cards.grid(("", "Before", "After"), rows),
    )
