"""Examples: drawn characters and motions that fill the form. They never submit, so they never cost anything.

Owns the strip of small pictures and clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from kling_utils import examples
from kling_utils.studio import files
from kling_utils.studio.theme import static


@dataclass(frozen=True, slots=True)
class Sample:
    """One example: a file of ours, its name, and what it shows for those who cannot see it."""

    path: Path
    title: str
    alt: str


def images() -> list[Sample]:
    """The drawn characters."""
    return [Sample(e.path, e.title, e.alt) for e in examples.IMAGES if e.path.is_file()]


def videos() -> list[Sample]:
    """The drawn motions."""
    return [Sample(e.path, e.title, e.alt) for e in examples.VIDEOS if e.path.is_file()]


def strip(samples: list[Sample], kind: str) -> Any:
    """The strip, still empty; its ``pick`` event carries the number of the example."""
    return gr.HTML(
        None,
        html_template=static("strip.html"),
        js_on_load=static("strip.js"),
        apply_default_css=False,
        elem_id=f"{kind}-examples",
        elem_classes="samples",
        visible=bool(samples),
    )


def value(samples: list[Sample], kind: str) -> dict[str, Any]:
    """What the strip shows, once somebody looks at the page."""
    items = []
    for number, sample in enumerate(samples):
        shown = files.poster(sample.path) if kind == "image" else sample.path
        items.append(
            {"id": str(number), "title": sample.title, "says": sample.alt, kind: files.data(shown)}
        )
    return {
        "label": "Try a drawn character" if kind == "image" else "Try a drawn motion",
        "small": True,
        "items": items,
    }


def chosen(samples: list[Sample], event: gr.EventData) -> Path | None:
    """The example that was picked; what the browser sends is only believed when it is the number of one."""
    number = str(getattr(event, "id", ""))
    return numbered(samples, int(number)) if number.isdigit() and len(number) < 4 else None


def numbered(samples: list[Sample], number: Any) -> Path | None:
    """The example of that number, as a file that the browser may fetch."""
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(samples):
        return None
    handed = files.handed(samples[number].path)
    return Path(handed) if handed else None
