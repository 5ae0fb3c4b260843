"""What picture and clip show: advice under the form as it becomes known, and the button that keeps the usable part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from kling_utils.media import bounds
from kling_utils.preflight.quote import for_part
from kling_utils.show import advice as card
from kling_utils.studio import notices
from kling_utils.studio.crop import Crop
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.inputs import Input
from kling_utils.studio.session import Session
from kling_utils.studio.trim import Trim

LOOKING = "Format is fine, looking at the content"
LOOKING_ALSO = "Looking at the content"
"""Where the format is not fine."""
NOUNS = {"image": "picture", "video": "clip"}
BUSY = "The content was not looked at: this page is busy with other clips. Change the form to try again."


class Content:
    """Advice about the files of the form. Hidden while there is no file that could be measured."""

    def __init__(self, inputs: tuple[Input, ...], line: gr.HTML) -> None:
        """``line`` stands above the button: what the panel says, in a few words."""
        self._inputs, self.line = inputs, line
        with gr.Column(visible=False, elem_id="advice") as self.panel:
            self.trim = Trim()
            self.crop = Crop()
            self.card = gr.HTML("", elem_id="advice-card", apply_default_css=False)
            self.use = gr.Button("", visible=False, elem_id="use-part")
            self.turn = gr.Button("", visible=False, elem_id="turn-upright")
        self.drawn = [self.panel, self.card, self.use, self.turn, self.line]
        self.drawn += [*self.trim.drawn, *self.crop.drawn]

    def bind(self, events: Events, checked: Any) -> None:
        """Look after each check of the form, behind it: nothing waits for it."""
        events.on(
            checked,
            self.on_checked,
            [*self.drawn, *(each.card for each in self._inputs)],
            lane=bounds.looking,
            busy=lambda *_: {
                self.card: card.waiting(BUSY),
                self.use: gr.update(visible=False),
                self.turn: gr.update(visible=False),
            },
            options={"trigger_mode": "multiple"},  # a look at files of before ends by itself
        )

    def draw(self, session: Session) -> Updates:
        """What is known of the files that were checked last."""
        preflight = session.preflight
        if preflight is None or not (preflight.report.image or preflight.report.video):
            return {self.panel: gr.update(visible=False), self.line: ""}
        known = session.advice
        if known is None:
            text = LOOKING if preflight.report.ok else LOOKING_ALSO
            shown = f'<div aria-live="polite">{card.waiting(text)}</div>'
            return {
                self.panel: gr.update(visible=True),
                self.card: shown,
                self.use: gr.update(visible=False),
                self.turn: gr.update(visible=False),
                self.line: notices.content_line(LOOKING_ALSO, "unknown"),
                **self.trim.draw(session),
                **self.crop.draw(session),
            }
        looking = "" if known.done else LOOKING_ALSO
        return {
            self.panel: gr.update(visible=True),
            self.card: card.advice(
                known, saving=preflight.saving_of(known), looking=looking, stills=False
            ),
            self.use: self._button(session),
            self.turn: gr.update(
                visible=bool(known.turned),
                value=f"Turn the {' and the '.join(NOUNS[each] for each in known.turned)} upright",
            ),
            self.line: notices.content_line(*card.headline(known, looking=looking)),
            **self.trim.draw(session),
            **self.crop.draw(session),
        }

    def _button(self, session: Session) -> Any:
        known, preflight = session.advice, session.preflight
        if (
            known is None
            or preflight is None
            or not preflight.saving_of(known)
            or known.use is None
        ):
            return gr.update(visible=False)
        start, end = known.use
        price, quote = "", preflight.quote
        if quote is not None:
            part = for_part(quote, end - start, preflight.character_orientation)
            if part.amount != quote.amount:
                price = f", {part.amount} instead of {quote.amount}"
        return gr.update(visible=True, value=f"Use {start:.1f} to {end:.1f} s{price}")

    def on_checked(self, session: Session) -> Iterator[Updates]:
        """Look at the files that were checked last, and draw what becomes known."""
        from kling_utils.preflight.advice import looking

        preflight, known = session.preflight, session.advice
        if preflight is None or (known is not None and known.done):
            return
        report, orientation = preflight.report, preflight.character_orientation
        if report.image is None and report.video is None:
            return
        about = session.looked_at()
        for found in looking(report.image, report.video, orientation):
            if not session.advised(about, found):
                break  # the files have changed; another look follows
            yield self._drawn(session)
        # gradio draws the last value again at the end, over what came meanwhile: so it is what is known then
        yield self._drawn(session)

    def _drawn(self, session: Session) -> Updates:
        """The panel, and the cards of both files."""
        drawn = self.draw(session)
        for each in self._inputs:
            drawn |= each.draw(session)
        return drawn
