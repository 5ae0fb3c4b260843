"""Whose key is used, said in one line, and the box for a visitor's own key.

Owns the key's box: masked, read by private events only, handed to the runner and to nobody else.
The page's session holds in memory what is in the box: no browser storage, log, event or error has
it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KeyRefused, KlingError, SettingError
from kling_utils.media import bounds
from kling_utils.show import cards
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.session import Session, typed_key

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client


def key_box(label: str, **more: Any) -> gr.Textbox:
    """A masked box that browsers are asked not to remember."""
    return gr.Textbox(
        label=label,
        type="password",
        max_lines=1,
        html_attributes=gr.InputHTMLAttributes(
            autocomplete="new-password", spellcheck=False, autocapitalize="off"
        ),
        **more,
    )


class Account:
    """The line at the top, the box under it, and the free test of a key."""

    def __init__(self, runner: Client, desk: Any) -> None:
        self._runner = runner
        with gr.Column(elem_id="account"):
            with gr.Row(elem_id="account-line", equal_height=True):
                # Who pays is known when the page arrives. Until then the place is kept, so that nothing moves.
                place = self.says(None, copy.deepcopy(Session()))
                self.line = gr.HTML(
                    f'<div style="visibility: hidden">{place}</div>',
                    elem_id="whose-key",
                    apply_default_css=False,
                )
                self.opener = gr.Button(
                    "Use a Novita key", size="sm", elem_id="open-key", scale=0, min_width=150
                )
            with gr.Column(visible=False, elem_id="key-panel") as self.panel:
                with gr.Row(equal_height=True):
                    self.box = key_box(
                        "Novita API key",
                        placeholder="sk_…",
                        info="Used for your jobs alone, kept in memory only, never stored.",
                        elem_id="key",
                        scale=1,
                    )
                    self.test = gr.Button(
                        "Test the key", size="sm", elem_id="test-key", scale=0, min_width=120
                    )
                    self.forget = gr.Button(
                        "Forget the key", size="sm", elem_id="forget-key", scale=0, min_width=130
                    )
                self.result = gr.HTML("", elem_id="key-result", apply_default_css=False)
            self._open = gr.State(False)
            self.forgotten = gr.State(0)
            """Counts up: what looks at the key is told by its change that the box was emptied."""
        self.opener.click(
            self.toggle,
            [self._open, self.box],
            [self._open, self.panel, self.opener],
            **PRIVATE,
            **HIDDEN,
        )
        self.test.click(
            in_lane(bounds.calling, self.tested),
            [self.box, desk],
            [self.result, self.line],
            **PRIVATE,
            **HIDDEN,
            **UNLIMITED,
        )
        # What was found out is about the key that was in the box. The key itself stays in the browser here.
        self.box.change(None, None, [self.result], js="() => ['']", **PRIVATE, **HIDDEN)
        self.forget.click(
            self.emptied,
            [self.forgotten, desk],
            [self.box, self.result, self.line, self.forgotten],
            **PRIVATE,
            **HIDDEN,
        )
        gr.on(
            [self.box.blur, self.box.submit],
            self.says,
            [self.box, desk],
            [self.line],
            **PRIVATE,
            **HIDDEN,
        )

    def toggle(self, is_open: bool, key: str) -> tuple[bool, Any, Any]:
        label = (
            ("Close" if not is_open else "Change the key")
            if key
            else ("Close" if not is_open else "Use a Novita key")
        )
        return not is_open, gr.update(visible=not is_open), gr.update(value=label)

    def says(self, key: str | None, desk: Session) -> str:
        """The line: who pays, and what comes out."""
        try:
            typed = typed_key(key)
        except SettingError as error:
            return _line("error", "This key cannot be used.", error.hint)
        if typed is not None and desk.refused(typed):
            return _line(
                "error",
                "Your key was refused.",
                "Put in another key, or forget this one: without a key, drafts are free.",
            )
        if typed is not None:
            head = "Your key is used." if desk.proven(typed) else "Your key is not tested yet."
            return _line(
                "key", head, "Results come from Kling and cost money: the price is on the button."
            )
        if self._runner.provider_for(None, owner=desk.who.owner) == "novita":
            return _line(
                "key",
                "This machine's key is used.",
                "Results come from Kling and cost money: the price is on the button.",
            )
        where = "this page's server" if desk.who.hosted else "this computer"
        return _line(
            "draft",
            "No key is set, so results are local drafts.",
            f"They are free, made on {where}, and marked as drafts.",
        )

    def emptied(self, count: int, desk: Session) -> tuple[str, str, str, int]:
        """Nothing of the key is left on the page."""
        return "", "", self.says(None, desk), count + 1

    def tested(self, key: str, desk: Session) -> tuple[str, str]:
        """Ask for the balance: costs nothing, and tells whether the key works."""
        try:
            balance = desk.balance(self._runner, typed_key(key), anew=True)
        except KlingError as error:
            head = (
                "The key was refused"
                if isinstance(error, KeyRefused)
                else "The key could not be tested"
            )
            return cards.note(
                head, f"{error.message} {error.hint}".strip(), severity="error"
            ), self.says(key, desk)
        return cards.note(
            "The key works", f"Balance: {balance.available}.", severity="pass"
        ), self.says(key, desk)


def _line(kind: str, head: str, rest: str) -> str:
    said = f"<b>{cards.escape(head)}</b> {cards.escape(rest)}"
    return f'<p class="whose whose-{kind}"><span class="whose-dot" aria-hidden="true"></span><span>{said}</span></p>'
