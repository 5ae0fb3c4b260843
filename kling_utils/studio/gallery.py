"""Your videos: the jobs of this visitor as posters, newest first, each of which opens on the stage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.show import words
from kling_utils.studio import files, notices, results, routes
from kling_utils.studio.events import Events
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static
from kling_utils.values import Job

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

SHOWN = 48
"""Jobs in the gallery."""
DRAWN = 4
"""Posters made in one update, for results whose poster is missing; the rest is made in the next ones."""
_EMPTY = "Your videos will be kept here."
_PART = re.compile(r"(.+) (\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) s")
"""How ``actions.trimmed`` names a part of a clip."""


class Gallery:
    """The gallery; its events ``pick`` and ``discard`` carry a job's id, ``leave`` opens none."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.panel = gr.HTML(
            {"items": [], "empty": _EMPTY},
            html_template=static("gallery.html"),
            js_on_load=static("gallery.js"),
            apply_default_css=False,
            elem_id="history",
        )

    def bind(self, events: Events, notice: Any) -> None:
        """``notice`` is where it is said that there is no such job."""
        events.on(self.panel.pick, self.on_pick, [notice], opens=True)
        events.on(self.panel.leave, self.on_leave, opens=True)

    def on_pick(self, event: gr.EventData, session: Session) -> str:
        """A poster was clicked, or the browser went back to a job. The id must be one of this visitor's jobs."""
        job_id = str(getattr(event, "id", ""))
        try:
            session.open(self._client.record(job_id, owner=session.visitor.sees).job_id)
        except (KlingError, ValueError):
            return notices.closable(notices.gone())
        return ""

    @staticmethod
    def on_leave(session: Session) -> None:
        """The browser went back to where no job was open."""
        session.open("")

    def value(self, session: Session) -> dict[str, Any]:
        """What the gallery shows: all jobs of this home on one's own machine, one's own on a hosted page."""
        client, items, missing = self._client, [], DRAWN
        for job in client.jobs(owner=session.visitor.sees, limit=SHOWN):
            poster = job.folder / results.POSTER
            if job.video is not None and not poster.exists() and missing:
                missing -= 1
                results.poster(job)
            items.append(
                _item(job, poster if poster.exists() else files.poster(Path(job.request.image)))
            )
        days = client.settings.keep_days
        if client.settings.hosted:
            kept = f"Finished videos are removed after {days} days: download what you want to keep."
        else:
            kept = f"Drafts are removed after {days} days; what was paid for is kept until you delete it."
        return {
            "label": "Your videos",
            "empty": _EMPTY,
            "items": items,
            "current": session.job_id,
            "kept": kept if items else "",
        }


def _item(job: Job, poster: Path | None) -> dict[str, Any]:
    waiting = bool(job.waits_for) or job.state == "unconfirmed"
    group = "done" if job.state == "succeeded" else "stopped" if job.done or waiting else "going"
    done = group == "done"
    model = words.MODEL[job.request.model_name]
    state = [model if done else words.WAITS[job.waits_for] or words.STATE[job.state]]
    if job.request.character_orientation != "video":  # the usual one is not said
        state.append(words.ORIENTATION[job.request.character_orientation].lower())
    if job.take > 1:
        state.append(f"take {job.take}")
    took = words.clock(job.finished_at - job.created) if job.finished_at and done else ""
    # the end of a long name is cut off, and two parts of a clip differ in nothing else
    stem = Path(job.video_name).stem
    part = _PART.fullmatch(stem)
    return {
        "id": job.job_id,
        "title": f"{Path(job.image_name).stem} × {part[1] if part else stem}",
        "part": f"{part[2]} to {part[3]} s" if part else "",
        "state": ", ".join(state),
        "code": job.state,
        "group": group,
        "draft": job.draft,
        "cost": words.spent(job),
        "wait": f"took {took}" if took else "",
        "progress": job.progress if group == "going" else None,
        "created": job.created,
        "deletable": job.done or job.state == "checked",
        "image": routes.data(job, poster),
        "video": routes.data(job, job.video),
    }
