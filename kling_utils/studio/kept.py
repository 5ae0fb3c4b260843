"""What is kept for a visitor: how much of the disk it takes, and its removal as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from kling_utils.errors import NoSuchJob, StillRunning
from kling_utils.media import bounds
from kling_utils.show import cards
from kling_utils.studio.actions import remove
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.gallery import Gallery
from kling_utils.studio.session import Session
from kling_utils.values import counted, megabytes

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

_ALL = "Pictures, clips, results, and what was seen in them go. What was paid is still counted."


class KeptPanel:
    """The panel at the end of the page. Removal asks first."""

    def __init__(self, client: Client) -> None:
        self._client = client
        with gr.Accordion("Your data", open=False, elem_id="kept-data") as self.panel:
            self.sums = gr.HTML("", elem_id="kept-sums", apply_default_css=False)
            self.all = gr.Button(
                "Delete all my data", size="sm", elem_id="kept-all", scale=0, min_width=170
            )
            with gr.Row(visible=False, elem_id="kept-sure") as self.sure:
                self.yes = gr.Button(
                    "Delete all, for good", size="sm", variant="stop", elem_id="kept-yes", scale=0
                )
                self.no = gr.Button("Keep them", size="sm", elem_id="kept-no", scale=0)
            self.answer = gr.HTML("", elem_id="kept-answer", apply_default_css=False)

    def bind(self, events: Events, gallery: Gallery) -> None:
        self._gallery = gallery
        drawn = [self.sums, self.all, self.sure, self.answer]
        events.on(
            self.panel.expand,
            self.on_open,
            drawn,
            lane=bounds.checking,
            busy=lambda error, _: {self.answer: cards.error(error)},
        )
        events.on(self.all.click, self.on_ask, [self.all, self.sure, self.answer])
        events.on(self.no.click, self.on_keep, [self.all, self.sure])
        events.on(
            self.yes.click,
            self.on_delete,
            [*drawn, gallery.panel],
            lane=bounds.checking,
            busy=lambda error, _: {self.answer: cards.error(error)},
            opens=True,
        )

    def on_open(self, session: Session) -> Updates:
        """How much there is now."""
        usage = self._client.usage(owner=session.visitor.sees)
        rows = [("Videos", str(usage.jobs)), ("On the disk", megabytes(usage.size_bytes))]
        if not session.visitor.hosted:
            rows.append(("In the folder", str(self._client.home.root)))
        return {
            self.sums: cards.facts(rows, "Download what you want to keep before you delete it."),
            self.all: gr.update(visible=usage.jobs > 0),
            self.sure: gr.update(visible=False),
            self.answer: "",
        }

    def on_ask(self, session: Session) -> Updates:
        """Is that meant?"""
        count = self._client.tally(owner=session.visitor.sees).total
        what = counted(count, "video")
        return {
            self.all: gr.update(visible=False),
            self.sure: gr.update(visible=True),
            self.answer: cards.note(f"Delete {what} and all files of them?", _ALL),
        }

    @staticmethod
    def _kept(count: int) -> str:
        one = count == 1
        left = f"{counted(count, 'video')} {'is' if one else 'are'} under way or in doubt"
        return f"{left}, and {'stays' if one else 'stay'} until {'it has' if one else 'they have'} ended."

    def on_keep(self, session: Session) -> Updates:
        """It was not meant."""
        return {self.all: gr.update(visible=True), self.sure: gr.update(visible=False)}

    def on_delete(self, session: Session) -> Updates:
        """Remove the jobs, and what was uploaded for them."""
        gone, left = 0, 0
        for job in self._client.jobs(owner=session.visitor.sees, limit=None):
            try:
                remove(self._client, session, job)
                gone += 1
            except StillRunning:
                left += 1
            except NoSuchJob:  # deleted meanwhile
                continue
        told = f"{counted(gone, 'video')} deleted"
        said = cards.note(told, self._kept(left) if left else "", severity="pass")
        return {
            **self.on_open(session),
            self.answer: said,
            self._gallery.panel: self._gallery.value(session),
        }
