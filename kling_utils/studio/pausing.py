"""Sending is paused and goes on: shown while jobs wait to be sent, and for as long as sending is paused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.show import cards
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.session import Session
from kling_utils.values import counted

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

LOOK = 1.0
"""Seconds between two looks while jobs wait."""


class PausePanel:
    """The line and its two buttons. What was sent goes on; one job that waits is stopped by deleting it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        with gr.Row(visible=False, elem_id="pausing", equal_height=True) as self.panel:
            self.line = gr.HTML("", elem_id="pausing-says", apply_default_css=False)
            self.pause = gr.Button("Pause sending", size="sm", elem_id="pause-sending", scale=0)
            self.go_on = gr.Button(
                "Go on", size="sm", variant="primary", elem_id="go-on", scale=0, visible=False
            )
        self.drawn = [self.panel, self.line, self.pause, self.go_on]

    def bind(self, events: Events) -> None:
        events.on(self.pause.click, self.on_pause, self.drawn)
        events.on(self.go_on.click, self.on_go_on, self.drawn)

    def _waiting(self, session: Session) -> int:
        """Paid jobs that are not sent yet."""
        jobs = self._client.jobs(owner=session.visitor.owner, state="checked", limit=None)
        return sum(not job.draft for job in jobs)

    def draw(self, session: Session) -> Updates:
        """Is there something to pause, or to let go on?"""
        owner = session.visitor.owner
        paused = self._client.paused(owner) is not None
        number = self._waiting(session)
        waiting = counted(number, "job")
        if paused:
            text = (
                f"{waiting} not sent yet. Nothing more is sent or spent until you go on, also after a restart of this program. "
                "What was sent goes on, and so do drafts, which are free."
            )
            said = cards.note("Sending is paused", text, severity="warning")
        else:
            said = f'<p class="hint">{waiting} not sent yet.</p>'
        return {
            self.panel: gr.update(visible=paused or number > 0),
            self.line: said,
            self.pause: gr.update(visible=not paused),
            self.go_on: gr.update(visible=paused),
        }

    async def on_look(self, session: Session) -> AsyncIterator[Any]:
        """A job was made, ended or deleted: drawn anew until nothing waits any more."""
        before: Updates = {}
        while True:
            drawn = await asyncio.to_thread(self.draw, session)
            if drawn != before:
                yield (before := drawn)
            if not self._waiting(session):
                break
            await asyncio.sleep(LOOK)
        yield gr.skip()  # gradio sends the last value again, by then over a newer one

    def on_pause(self, session: Session) -> Updates:
        """Nothing more is sent."""
        if session.visitor.owner:
            self._client.pause(session.visitor.owner)
        return self.draw(session)

    def on_go_on(self, session: Session) -> Updates:
        """What waits is sent."""
        self._client.go_on(session.visitor.owner)
        return self.draw(session)
