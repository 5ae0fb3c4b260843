"""Whose key is used, the box for a visitor's own key, and the check of the installation.

The key is masked, read by private events only, and handed to the client alone. Gradio's session holds in memory what is in the
box; no browser storage, log, event or error has it.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KeyRefused, KlingError, SettingError
from kling_utils.jobs.doctor import examine
from kling_utils.media import bounds
from kling_utils.show import cards
from kling_utils.studio import sign_in
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.session import Session, key_or_none, typed_key
from kling_utils.values import HUB_OWNER, Report, Severity

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kling_utils.jobs.client import Client

FRESH = 60.0
"""Seconds for which the report on the installation is given again."""
_HEADS: dict[Severity, str] = {
    "error": "Something is missing",
    "warning": "Something to look at",
    "pass": "Everything is there",
}
_COSTS = "The price is on the button."


def key_box(label: str, **more: Any) -> gr.Textbox:
    """A masked box that browsers are asked not to remember."""
    attributes = gr.InputHTMLAttributes(
        autocomplete="new-password", spellcheck=False, autocapitalize="off"
    )
    return gr.Textbox(label=label, type="password", max_lines=1, html_attributes=attributes, **more)


class Account:
    """The line at the top, the box under it, and the free test of a key."""

    def __init__(self, client: Client) -> None:
        self._client = client
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
            self.signed_in = gr.HTML(
                "", visible=False, elem_id="signed-in", apply_default_css=False
            )
            if client.settings.signs_in:
                gr.LoginButton(
                    "Sign in with Hugging Face",
                    "Sign out ({})",
                    size="sm",
                    elem_id="hf-sign-in",
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

    def bind(self, events: Events) -> None:
        """Keeps ``forgotten``, the event after which the box is empty."""
        key, said = self.box, [self.result, self.line]
        self.drawn = [self.line, self.panel, self.opener]
        events.on(self.opener.click, self.on_open, [self.panel, self.opener], key=key)
        events.on(self.test.click, self.on_test, said, lane=bounds.calling, key=key)
        # What was found out is about the key that was in the box. The key itself stays in the browser here.
        self.box.change(
            None,
            None,
            [self.result],
            js="() => ['']",
            api_visibility="private",
            show_progress="hidden",
        )
        self.forgotten = events.on(self.forget.click, self.on_forget, [key, *said])
        events.on([key.blur, key.submit], self.on_typed, self.drawn, key=key)

    def on_open(self, session: Session, key: str) -> Updates:
        """Open or close the panel of the key."""
        return self._show(session, key, not session.key_panel)

    def _show(self, session: Session, key: str, is_open: bool) -> Updates:
        session.key_panel = is_open
        label = "Close" if is_open else "Change" if key.strip() else "Use a Novita key"
        return {self.panel: gr.update(visible=is_open), self.opener: gr.update(value=label)}

    def on_typed(self, session: Session, key: str) -> Updates:
        """Somebody left the box: this key decides from here on."""
        session.key_typed = hash(key_or_none(key))
        return self.on_key(session, key)

    def on_key(self, session: Session, key: str) -> Updates:
        """What is known of the key. The panel folds once for each key that works, and is there for one that does not.

        Nothing changes for a key that is not the last one: events of an earlier one may end late.
        """
        if not session.last_typed(key_or_none(key)):
            return {}
        said: Updates = {self.line: self.says(key, session)}
        try:
            typed = typed_key(key)
        except SettingError:
            return said | self._show(session, key, True)
        if typed is None:
            return said
        if session.refused(typed):
            return said | self._show(session, key, True)
        if session.proven(typed) and session.key_folded != hash(typed):
            session.key_folded = hash(typed)
            return said | self._show(session, key, False)
        return said

    def on_forget(self, session: Session) -> Updates:
        """Nothing of the key is left on the page."""
        session.key_folded, session.key_typed = None, hash(None)
        return {self.box: "", self.result: "", self.line: self.says(None, session)}

    def on_test(self, session: Session, key: str) -> Updates:
        """Ask for the balance: costs nothing, and tells whether the key works."""
        session.key_typed = hash(key_or_none(key))
        try:
            balance = session.balance(self._client, typed_key(key), anew=True)
        except KlingError as error:
            refused = isinstance(error, KeyRefused)
            head = "The key was refused" if refused else "The key could not be tested"
            text = f"{error.message} {error.hint}".strip()
            said = cards.note(head, text, severity="error")
        else:
            text = f"Balance: {balance.available}."
            said = cards.note("The key works", text, severity="pass")
        return {self.result: said, self.line: self.says(key, session)}

    @staticmethod
    def who(session: Session) -> Any:
        """Who is signed in with a password; with Hugging Face the button says it."""
        name = session.visitor.name
        if not name or session.visitor.id.startswith(HUB_OWNER):
            return gr.skip()
        return gr.update(value=sign_in.line(name), visible=True)

    def says(self, key: str | None, session: Session) -> str:
        """The line: who pays, and what comes out."""
        try:
            typed = typed_key(key)
        except SettingError as error:
            return _line("error", "This key cannot be used.", error.hint)
        if typed is not None and session.refused(typed):
            text = "Put in another key, or forget this one: without a key, drafts are free."
            return _line("error", "Your key was refused.", text)
        if typed is not None:
            balance = session.known_balance(typed)
            if balance is None:
                return _line("key", "Key from this session, not tested yet.", _COSTS)
            return _line("key", f"Key from this session, tested, balance {balance}.")
        owner, lends = session.visitor.owner, self._client.settings.lend_key
        if lends and self._client.settings.lends(owner):
            allowance = self._client.allowance(owner)
            left = (
                f"{allowance.left} of {allowance.budget} are left for you today."
                if allowance
                else ""
            )
            return _line("key", "The owner of this page pays.", left)
        if lends and not session.visitor.name:
            text = "Sign in with Hugging Face to use the key of this page's owner, or use your own."
            return _line("draft", "No key is set, so results are local drafts.", text)
        if self._client.provider_for(None, owner=owner) == "novita":
            return _line("key", "This machine's key is used.", _COSTS)
        where = "this page's server" if session.visitor.hosted else "this computer"
        text = f"They are free, made on {where}, and marked as drafts."
        return _line("draft", "No key is set, so results are local drafts.", text)


def _line(kind: str, head: str, rest: str = "") -> str:
    said = f"<b>{cards.escape(head)}</b> {cards.escape(rest)}"
    return f'<p class="whose whose-{kind}"><span class="whose-dot" aria-hidden="true"></span><span>{said}</span></p>'


class Health:
    """The panel at the end of the page: the questions of ``doctor``. Trying a way to publish uploads a small file."""

    def __init__(self, client: Client) -> None:
        self._client = client
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

    def bind(self, events: Events, key: gr.Textbox) -> None:
        answer = [self.answer]
        asked = events.on(self.button.click, self.on_press, answer)
        events.on(
            asked.then,
            self.on_check,
            answer,
            lane=bounds.examining,
            busy=lambda error, _: cards.error(error),
            key=key,
        )

    @staticmethod
    def on_press(session: Session) -> str:
        return cards.note("Looking", "This takes a few seconds.")

    def on_check(self, session: Session, key: str) -> str:
        """Every question and its answer, with the key that is in the box."""
        try:
            report = self._report(typed_key(key), session.visitor.owner)
        except SettingError as error:
            return cards.error(error)
        found = {finding.severity for finding in report.findings}
        worst: Severity = (
            "error" if "error" in found else "warning" if "warning" in found else "pass"
        )
        return cards.listing(_HEADS[worst], report.findings, severity=worst)

    def _report(self, key: SecretStr | None, owner: str) -> Report:
        mark = hash((key, owner))  # of a secret: salted for each process, and no way back
        with self._lock:  # one at a time
            now = self._client.now()
            if self._known is None or self._known[1] != mark or now - self._known[0] > FRESH:
                self._known = (now, mark, examine(self._client, key=key, owner=owner))
            return self._known[2]
