"""The part of the picture that is sent: a frame to drag over it, with the limits that it has to keep."""

from __future__ import annotations

from typing import Any

import gradio as gr

from kling_utils.preflight.limits import limit
from kling_utils.preflight.plan import Box
from kling_utils.studio import files
from kling_utils.studio.events import Updates
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static
from kling_utils.values import Size


class Crop:
    """Hidden while there is no picture. Events: ``crop`` with ``left``, ``top``, ``right``, ``bottom`` in pixels, and ``whole``."""

    def __init__(self) -> None:
        self.panel = gr.HTML(
            {},
            html_template=static("crop.html"),
            js_on_load=static("crop.js"),
            apply_default_css=False,
            elem_id="crop",
        )
        self.drawn = [self.panel]

    def draw(self, session: Session) -> Updates:
        """The picture that was checked last. The frame stays where it is while it is the same picture."""
        return {self.panel: self.value(session)}

    @staticmethod
    def value(session: Session) -> dict[str, Any]:
        """What the browser draws; empty without a picture."""
        preflight, form = session.preflight, session.form
        info = preflight.report.image if preflight is not None else None
        if form is None or info is None:
            return {}
        aspect = limit("image.aspect")
        return {
            "picture": info.sha256,
            "file": files.data(files.picture(info)),
            "width": info.size.width,
            "height": info.size.height,
            "least": int(limit("image.side").low or 0),
            "low": float(aspect.low or 0),
            "high": float(aspect.high or 0),
            "cut": form.image in session.cropped,
        }


def part(event: gr.EventData, size: Size) -> Box | None:
    """The part that a browser asked for, inside a picture of that size; None for anything else."""
    asked = [getattr(event, name, None) for name in ("left", "top", "right", "bottom")]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in asked):
        return None
    left, top, right, bottom = (round(each) for each in asked)  # type: ignore[arg-type]
    if not (0 <= left < right <= size.width and 0 <= top < bottom <= size.height):
        return None
    return left, top, right, bottom
