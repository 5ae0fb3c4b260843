"""The part of the clip that is sent: handles on its time line, with pictures, and the price of the part before it is cut."""

from __future__ import annotations

from typing import Any

import gradio as gr

from kling_utils.preflight.limits import limit
from kling_utils.show import advice
from kling_utils.studio.events import Updates
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static


class Trim:
    """Hidden while there is no clip. Events: ``cut`` with ``start`` and ``end`` in seconds, and ``whole``."""

    def __init__(self) -> None:
        self.panel = gr.HTML(
            {},
            html_template=static("trim.html"),
            js_on_load=static("trim.js"),
            apply_default_css=False,
            elem_id="trim",
        )
        self.drawn = [self.panel]

    def draw(self, session: Session) -> Updates:
        """The time line of the clip that was checked last. The handles stay where they are while it is the same clip."""
        return {self.panel: self.value(session)}

    @staticmethod
    def value(session: Session) -> dict[str, Any]:
        """What the browser draws; empty without a clip."""
        preflight, form, known = session.preflight, session.form, session.advice
        clip = preflight.report.video if preflight is not None else None
        if preflight is None or form is None or clip is None:
            return {}
        quote, rule = preflight.quote, limit("video.duration")
        paid = quote is not None and not quote.free and session.video_orientation
        return {
            "clip": clip.sha256,
            "seconds": round(clip.duration, 3),
            "least": float(rule.low or 0),
            "most": float(rule.high or clip.duration),
            "film": advice.film(known.video) if known is not None else [],
            "clean": list(known.use) if known is not None and known.use is not None else None,
            "starts": [
                {"start": s.time, "end": s.end, "match": round(100 * s.match)}
                for s in (known.better_starts if known is not None else ())
            ],
            "rate": float(quote.rate.amount) if quote is not None and paid else 0,
            "currency": quote.rate.currency if quote is not None else "",
            "image": not session.video_orientation,
            "cut": form.video in session.repaired,
        }


def span(event: gr.EventData, seconds: float) -> tuple[float, float] | None:
    """The part that a browser asked for, inside a clip of ``seconds``; None for anything else."""
    start, end = _second(event, "start"), _second(event, "end")
    if start is None or end is None or not 0 <= start < end <= seconds + 0.1:
        return None
    return start, min(end, seconds)


def _second(event: gr.EventData, name: str) -> float | None:
    value = getattr(event, name, None)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
