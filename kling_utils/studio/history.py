"""Your videos: the jobs of this visitor, newest first, each of which opens on the stage.

Owns what a card of the strip says. Refuses to know how a job got where it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.show import words
from kling_utils.studio import files, visitor
from kling_utils.studio.desk import Desk
from kling_utils.studio.theme import static

if TYPE_CHECKING:
    from kling_utils.jobs.runner import Runner

SHOWN = 24
"""Jobs in the strip."""
_EMPTY = "Your videos will be kept here."


def strip() -> Any:
    """The strip; its ``pick`` event carries a job's id."""
    return gr.HTML(
        {"items": [], "label": "", "empty": _EMPTY},
        html_template=static("strip.html"),
        js_on_load=static("strip.js"),
        apply_default_css=False,
        elem_id="history",
    )


def value(runner: Runner, who: Any, current: str = "") -> dict[str, Any]:
    """What the strip shows: all jobs of this home on one's own machine, one's own on a hosted page."""
    items = []
    for job in runner.jobs(owner=visitor.sees(runner, who), limit=SHOWN):
        state = words.STATE[job.state] if job.state != "succeeded" else ""
        take = f", take {job.take}" if job.take > 1 else ""
        items.append(
            {
                "id": job.job_id,
                "title": f"{Path(job.image_name).stem} × {Path(job.video_name).stem}",
                "state": (state or words.MODEL[job.request.model_name]) + take,
                "code": job.state,
                "draft": job.draft,
                "created": job.created,
                "image": files.data(files.poster(Path(job.request.image))),
            }
        )
    return {"label": "Your videos", "empty": _EMPTY, "items": items, "current": current}


def picked(runner: Runner, desk: Desk, who: Any, event: gr.EventData) -> bool:
    """Open the card that was clicked; False for an id that is none of this visitor's jobs."""
    job_id = getattr(event, "id", "")
    try:
        job = runner.job(str(job_id), owner=visitor.sees(runner, who))
    except (KlingError, ValueError):
        return False
    desk.open(job.job_id)
    return True
