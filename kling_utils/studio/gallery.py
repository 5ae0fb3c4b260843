"""Your videos: the jobs of this visitor as posters, newest first, each of which opens on the stage.

They are searched, filtered and shown in pages by the store; name, rating and note are written from here.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.jobs.listing import Group
from kling_utils.media import bounds
from kling_utils.show import cards, words
from kling_utils.studio import files, notices, results, routes
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.session import Listing, Session
from kling_utils.studio.theme import static
from kling_utils.values import NAME_LENGTH, NOTE_LENGTH, RATINGS, Job

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

SHOWN = 24
"""Jobs on a page of the gallery."""
_SEARCHED = 200
"""Characters of a search."""
_GROUPS: dict[Group, str] = {
    "done": "Finished",
    "going": "Under way",
    "stopped": "Stopped",
    "draft": "Drafts",
    "kling": "Kling",
}
DRAWN = 4
"""Posters made in one update, for results whose poster is missing; the rest is made in the next ones."""
_EMPTY = "Your videos will be kept here."
_PART = re.compile(r"(.+) (\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) s")
"""How ``actions.trimmed`` names a part of a clip."""


class Gallery:
    """The gallery; its events ``pick`` and ``discard`` carry a job's id, ``leave`` opens none, ``compare`` carries two."""

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
        self._notice = notice
        events.on(self.panel.pick, self.on_pick, [notice], opens=True)
        events.on(self.panel.leave, self.on_leave, opens=True)
        how: dict[str, Any] = {  # posters are made
            "lane": bounds.checking,
            "busy": lambda error, _: {notice: notices.closable(cards.error(error))},
        }
        newest = {"trigger_mode": "always_last"}
        events.on(self.panel.list, self.on_list, [self.panel, notice], options=newest, **how)
        each = {"trigger_mode": "multiple"}  # several in a row, and none of them is dropped
        events.on(self.panel.annotate, self.on_annotate, [self.panel, notice], options=each, **how)

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

    def on_list(self, event: gr.EventData, session: Session) -> Updates:
        """Another search, filter or page."""
        rating, group = getattr(event, "rating", None), getattr(event, "group", None)
        page = getattr(event, "page", 0)
        session.listing = Listing(
            str(getattr(event, "text", ""))[:_SEARCHED],
            rating if rating in RATINGS else None,
            group if group in tuple(_GROUPS) else None,
            page if isinstance(page, int) and page > 0 else 0,
        )
        return {self.panel: self.value(session)}

    def on_annotate(self, event: gr.EventData, session: Session) -> Updates:
        """A job gets a name, a rating or a note."""
        given = {name: getattr(event, name, None) for name in ("name", "rating", "note")}
        told: dict[str, Any] = {name: str(text) for name, text in given.items() if text is not None}
        said = ""
        try:
            job_id = str(getattr(event, "id", ""))
            self._client.annotate(job_id, **told, owner=session.visitor.sees)
        except KlingError as error:
            said = notices.closable(cards.error(error))
        except ValueError:
            said = notices.closable(notices.gone())
        return {self.panel: self.value(session), self._notice: said}

    def value(self, session: Session) -> dict[str, Any]:
        """What the gallery shows: of all jobs of this home on one's own machine, of one's own on a hosted page."""
        begun = time.monotonic()
        client, items, missing, owner = self._client, [], DRAWN, session.visitor.sees
        all_jobs = client.tally(owner=owner)
        # a group that holds all jobs, or none, is nothing to choose
        groups = {g: said for g, said in _GROUPS.items() if 0 < all_jobs.groups[g] < all_jobs.total}
        listing = session.listing
        if listing.group not in groups:
            listing = replace(listing, group=None)
        about: dict[str, Any] = {"owner": owner, "text": listing.text, "rating": listing.rating}
        found = client.tally(**about)
        count = found.total if listing.group is None else found.groups[listing.group]
        last = max(0, count - 1) // SHOWN
        listing = session.listing = replace(listing, page=min(listing.page, last))
        first = listing.page * SHOWN
        for job in client.jobs(**about, group=listing.group, limit=SHOWN, offset=first):
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
            "now": begun,  # events overtake each other: the browser keeps the value that was begun last
            "total": all_jobs.total,
            "found": count,
            "first": first,
            "last_page": last,
            "groups": [["", "All"], *([group, said] for group, said in groups.items())],
            "listing": {
                "text": listing.text,
                "rating": "any" if listing.rating is None else listing.rating,
                "group": listing.group or "",
                "page": listing.page,
            },
            "going": all_jobs.groups["going"],
            "comparable": all_jobs.groups["done"] > 1,
            "name_length": NAME_LENGTH,
            "note_length": NOTE_LENGTH,
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
    made_of = f"{Path(job.image_name).stem} × {part[1] if part else stem}"
    files_said = f"{Path(job.image_name).stem} × {stem}"
    usual = replace(job, name="").subject
    usual = made_of if usual == files_said else usual
    return {
        "id": job.job_id,
        "title": job.name or usual,
        "usual": usual,
        "made_of": made_of,
        "name": job.name,
        "rating": job.rating,
        "note": job.note,
        "standing": words.standing(job),
        "finished": done and job.video is not None,
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
