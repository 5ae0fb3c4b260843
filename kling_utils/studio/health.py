"""Is everything there that a job will need? The questions of ``doctor``, asked from the page.

Owns the button and how often it may ask: trying a way to publish uploads a small file.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import gradio as gr

from kling_utils.errors import SettingError
from kling_utils.jobs.doctor import examine
from kling_utils.media import bounds
from kling_utils.show import cards
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.session import Session, typed_key
from kling_utils.values import Report, Severity

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kling_utils.jobs.client import Client

FRESH = 60.0
"""Seconds for which an answer is given again, whoever asks."""
_HEADS: dict[Severity, str] = {"error": "Something is missing", "warning": "Something to look at"}
_WELL: tuple[str, Severity] = ("Everything is there", "pass")


class Health:
    """The panel at the end of the page."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        self._lock = threading.Lock()
        self._known: tuple[float, int, Report] | None = None
        with gr.Accordion("Check this installation", open=False, elem_id="health"):
            with gr.Row(equal_height=True):
                gr.HTML(
                    '<p class="hint">Looks at the home, ffmpeg, the pose models and the key, and tries every way by which a clip of this '
                    "machine would get to Novita: who can see it, and for how long. Costs nothing.</p>",
                    apply_default_css=False,
                )
                self.button = gr.Button(
                    "Check it", size="sm", elem_id="health-go", scale=0, min_width=120
                )
            self.answer = gr.HTML("", elem_id="health-answer", apply_default_css=False)

    def bind(self, key: gr.Textbox, desk: gr.State) -> None:
        asked = self.button.click(self.looking, None, [self.answer], **PRIVATE, **HIDDEN)
        look = in_lane(bounds.examining, self.look, busy=lambda error, *_: cards.error(error))
        asked.then(look, [key, desk], [self.answer], **PRIVATE, **HIDDEN, **UNLIMITED)

    @staticmethod
    def looking() -> str:
        return cards.note("Looking", "This takes a few seconds.")

    def look(self, key: str, desk: Session) -> str:
        """Every question and its answer, with the key that is in the box."""
        try:
            report = self._report(typed_key(key), desk.who.owner)
        except SettingError as error:
            return cards.error(error)
        head, sign = next(
            (
                (text, s)
                for s, text in _HEADS.items()
                if any(f.severity == s for f in report.findings)
            ),
            _WELL,
        )
        return cards.listing(head, report.findings, severity=sign)

    def _report(self, key: SecretStr | None, owner: str) -> Report:
        mark = hash((key, owner))  # of a secret: salted for each process, and no way back
        with self._lock:  # one at a time
            now = self._runner.now()
            if self._known is None or self._known[1] != mark or now - self._known[0] > FRESH:
                self._known = (now, mark, examine(self._runner, key=key, owner=owner))
            return self._known[2]
