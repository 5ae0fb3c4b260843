"""Your videos: the jobs of this visitor as posters, newest first, each of which opens on the stage.

Owns what a poster says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.show import words
from kling_utils.studio import files, job_files, result_analysis
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static
from kling_utils.studio.visitor import Visitor
from kling_utils.values import Job

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

SHOWN = 48
"""Jobs in the gallery."""
DRAWN = 4
"""Posters made at one look, for results whose poster is missing; the rest is made at the next looks."""
_EMPTY = "Your videos will be kept here."
_PART = re.compile(r"(.+) (\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) s")
"""How ``actions.trimmed`` names a part of a clip."""


class History:
    """The gallery; its events ``pick`` and ``discard`` carry a job's id."""

    def __init__(self) -> None:
        self.panel = gr.HTML(
            {"items": [], "label": "", "empty": _EMPTY, "kept": ""},
            html_template=static("gallery.html"),
            js_on_load=static("gallery.js"),
            apply_default_css=False,
            elem_id="history",
            render=False,
        )

    def place(self) -> None:
        """Put it here on the page."""
        self.panel.render()  # type: ignore[no-untyped-call]


def value(runner: Client, who: Visitor, current: str = "") -> dict[str, Any]:
    """What the gallery shows: all jobs of this home on one's own machine, one's own on a hosted page."""
    items = []
    missing = DRAWN
    for job in runner.jobs(owner=who.sees, limit=SHOWN):
        poster = job.folder / result_analysis.POSTER
        if job.video is not None and not poster.exists() and missing:
            missing -= 1
            result_analysis.poster(job)
        items.append(
            _item(job, poster if poster.exists() else files.poster(Path(job.request.image)))
        )
    days = runner.settings.keep_days
    if runner.settings.hosted:
        kept = f"Finished videos are removed after {days} days: download what you want to keep."
    else:
        kept = (
            f"Drafts are removed after {days} days; what was paid for is kept until you delete it."
        )
    shown = {"label": "Your videos", "empty": _EMPTY, "items": items, "current": current}
    return {**shown, "kept": kept if items else ""}


def picked(runner: Client, desk: Session, who: Visitor, event: gr.EventData) -> bool:
    """Open the card that was clicked; False for an id that is none of this visitor's jobs."""
    job_id = getattr(event, "id", "")
    try:
        job = runner.record(str(job_id), owner=who.sees)
    except (KlingError, ValueError):
        return False
    desk.open(job.job_id)
    return True


def _item(job: Job, poster: Path | None) -> dict[str, Any]:
    waiting = bool(job.waits_for) or job.state == "unconfirmed"
    group = "done" if job.state == "succeeded" else "stopped" if job.done or waiting else "going"
    state = (
        words.MODEL[job.request.model_name]
        if group == "done"
        else words.WAITS[job.waits_for] or words.STATE[job.state]
    )
    took = words.clock(job.finished_at - job.created) if job.finished_at and group == "done" else ""
    clip, part = _parted(Path(job.video_name).stem)
    way = job.request.character_orientation
    more = [words.ORIENTATION[way].lower()] if way != "video" else []  # the usual one is not said
    more += [f"take {job.take}"] if job.take > 1 else []
    return {
        "id": job.job_id,
        "title": f"{Path(job.image_name).stem} × {clip}",
        "part": part,
        "state": ", ".join([state, *more]),
        "code": job.state,
        "group": group,
        "draft": job.draft,
        "cost": words.spent(job),
        "wait": f"took {took}" if took else "",
        "progress": job.progress if group == "going" else None,
        "created": job.created,
        "deletable": job.done or job.state == "checked",
        "image": job_files.data(job, poster),
        "video": job_files.data(job, job.video),
    }


def _parted(clip: str) -> tuple[str, str]:
    """A clip's name, and which part of it: the end of a long name is cut off, and two parts differ in nothing else."""
    found = _PART.fullmatch(clip)
    return (found[1], f"{found[2]} to {found[3]} s") if found else (clip, "")
