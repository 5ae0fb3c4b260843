"""The form survives a reload of the page and a restart of its server.

The server remembers the session of a page under a secret name that only its tab has (sessionStorage): a reload gets its files back, and no
path is taken from a browser. After a restart the server knows nothing: the tab then gives its texts, addresses and examples, and sends its
files anew where it still has them. The key is no part of it.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.datastructures import Headers

from kling_utils.errors import KlingError
from kling_utils.media import bounds
from kling_utils.show import cards
from kling_utils.studio import notices
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.fitting import Fitting
from kling_utils.studio.inputs import ImageInput, Input, VideoInput
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.options import Options
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static
from kling_utils.studio.visitor import Tokens, Visitor, of
from kling_utils.values import CHARACTER_ORIENTATIONS, MODEL_NAMES, is_url

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

SESSIONS = 300
"""Sessions that are remembered, the newest ones."""
LONGEST = 20_000
"""Characters of a text that a browser gives back."""
_WHAT = {"image": "picture", "video": "clip"}


class Keeper:
    """Remembers sessions, and fills the form of a new one from them."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        self.tokens = Tokens(runner.home.root)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[str | None, Session]] = OrderedDict()
        self.said = gr.HTML(
            "", js_on_load=static("notice.js"), apply_default_css=False, elem_id="restarted"
        )
        self.panel = gr.HTML(
            {}, html_template="<i></i>", js_on_load=static("keeper.js"), elem_id="kept"
        )

    @staticmethod
    def unsaid(desk: Session) -> str:
        """What was said was closed."""
        desk.restarted = ""
        return ""

    def bind(
        self,
        image: ImageInput,
        video: VideoInput,
        options: Options,
        fitting: Fitting,
        desk: gr.State,
        who: Any,
    ) -> Any:
        """Returns the event after which a job is to be watched."""
        self._inputs: tuple[Input, Input] = (image, video)
        boxes = [options.orientation, options.model, options.prompt, options.negative]
        outputs: list[Any] = [who, self.panel, self.said]
        for each in self._inputs:
            outputs += [each.source, each.view, each.card, each.address]
        outputs += [*boxes, options.sound, *fitting.choices]
        self.said.dismiss(self.unsaid, [desk], [self.said], **PRIVATE, **HIDDEN)
        self.panel.forgets(self.forgets, None, [self.said], **PRIVATE, **HIDDEN)
        self.panel.ask(self.asked, [desk], [who, self.panel], **PRIVATE, **HIDDEN)
        restore = in_lane(bounds.checking, self.restore)
        return self.panel.restore(restore, [desk], outputs, **PRIVATE, **HIDDEN, **UNLIMITED)

    # -- what the tab is given

    def hello(self, desk: Session, *, lost: bool = False) -> dict[str, Any]:
        """What a tab is told on arrival, or when its session was ``lost``: the secret name of the session that it has now."""
        desk.arrived, desk.secret = True, secrets.token_urlsafe(24)
        self._remember(desk)
        token = self.tokens.sign(desk.who.id) if desk.who.hosted else ""
        return self.value(desk) | {"lost": lost, "visitor": token}

    def _remember(self, desk: Session) -> None:
        with self._lock:
            self._known[desk.secret] = (desk.who.sees, desk)
            while len(self._known) > SESSIONS:
                self._known.popitem(last=False)

    def visitor(self, request: gr.Request) -> Visitor:
        """Who sent a request."""
        return of(self._runner.settings, self.tokens, Headers(dict(request.headers)))

    def asked(self, desk: Session, request: gr.Request) -> Any:
        """The tab was left alone for a while: is its session still there?"""
        if desk.arrived:
            return gr.skip(), gr.skip()
        desk.who = self.visitor(request)
        return desk.who, self.hello(desk, lost=True)

    @staticmethod
    def forgets() -> str:
        """This browser keeps nothing for the page where it stands."""
        head = "This browser keeps nothing for a page in a frame"
        text = "After a reload the page does not know your videos any more: download them before."
        own = '<a class="kc-act" href="" target="_blank" rel="noopener">Open the page in a tab</a>'
        more = f'<p class="kc-do">{text}</p><p class="kc-acts">{own}</p>'
        card = cards.listing(head, (), severity="advice", extra=more)
        return notices.closable(card)

    def value(self, desk: Session) -> dict[str, Any]:
        """The form that was checked last, as the tab keeps it: no path is in it."""
        told: dict[str, Any] = {"session": desk.secret}
        if (form := desk.form) is None:
            return told
        told["form"] = {
            "orientation": form.character_orientation,
            "model": form.model_name,
            "sound": form.keep_original_sound,
            "image": self._told(self._inputs[0], form.image, desk),
            "video": self._told(self._inputs[1], form.video, desk),
        }
        return told

    @staticmethod
    def _told(each: Input, source: str, desk: Session) -> dict[str, Any]:
        if not source:
            return {}
        if is_url(source):
            return {"address": source}
        sample = each.sample(source)
        if sample is not None:
            return {"sample": sample}
        original = desk.fitted.get(source, source)
        mark = hashlib.sha256(original.encode()).hexdigest()[:16]
        return {"name": Path(original).name, "mark": mark}

    # -- what the tab gives back

    def restore(self, event: gr.EventData, desk: Session, request: gr.Request) -> tuple[Any, ...]:
        """Fill the form as it was. Yields nothing that is not known: see ``bind`` for the order."""
        if not desk.who.id:  # of a session that was lost
            desk.who = self.visitor(request)
            self._remember(desk)
        who = desk.who
        given = {name: getattr(event, name, None) for name in ("session", "form", "texts", "held")}
        form = given["form"] if isinstance(given["form"], dict) else {}
        texts = given["texts"] if isinstance(given["texts"], dict) else {}
        held = given["held"] if isinstance(given["held"], list) else []
        old = self._old(given["session"], who)
        self._reopen(getattr(event, "job", ""), desk, who)
        updates: list[Any] = []
        missing: dict[str, str] = {}
        for each in self._inputs:
            told = form.get(each.name)
            told = told if isinstance(told, dict) else {}
            source, view = each.restored(old, told)
            if not source and told:
                missing[each.name] = _name(told)
            card = each.card_of(source, sent=each.name in held, missing=each.name in missing)
            updates += [source, view, card, source if is_url(source) else ""]
        chosen = [
            _one_of(form.get("orientation"), CHARACTER_ORIENTATIONS),
            _one_of(form.get("model"), MODEL_NAMES),
            _text(texts.get("prompt")),
            _text(texts.get("negative")),
            form["sound"] if isinstance(form.get("sound"), bool) else gr.skip(),
        ]
        fit: list[Any] = [gr.skip()] * 4
        if old is not None:
            desk.fit_for, desk.fit_choices = old.fit_for, old.fit_choices
            desk.fitted = dict(old.fitted)
            fit = list(old.fit_choices) or fit
        sent = [name for name in missing if name in held]
        lost = getattr(event, "lost", None) is True
        before = old.restarted if old is not None else ""  # gradio may reload the page once more
        said = desk.restarted = _said(missing, sent, lost=lost) if missing or lost else before
        return (who, {"session": desk.secret, "send": sent}, said, *updates, *chosen, *fit)

    def _old(self, secret: Any, who: Visitor) -> Session | None:
        """The session of that name, for the visitor whose it was."""
        with self._lock:
            owner, desk = (
                self._known.get(secret, (None, None)) if isinstance(secret, str) else (None, None)
            )
        return desk if owner == who.sees else None

    def _reopen(self, job_id: Any, desk: Session, who: Visitor) -> None:
        """The job that stood on the page, where the session that followed it is gone."""
        if desk.job_id or not isinstance(job_id, str) or not job_id:
            return
        try:
            desk.open(self._runner.record(job_id, owner=who.sees).job_id)
        except (KlingError, ValueError):
            return


def _name(told: dict[str, Any]) -> str:
    name = told.get("name")
    return name[:120] if isinstance(name, str) else ""


def _text(value: Any) -> Any:
    return value if isinstance(value, str) and len(value) <= LONGEST else gr.skip()


def _one_of(value: Any, known: tuple[str, ...]) -> Any:
    return value if isinstance(value, str) and value in known else gr.skip()


def _said(missing: dict[str, str], sent: list[str], *, lost: bool) -> str:
    """What happened to the page, and what is to do now. ``lost``: it was found out by a press of a button."""
    choose = [
        f"the {_WHAT[field]}{f' ({name})' if name else ''}"
        for field, name in missing.items()
        if field not in sent
    ]
    text = "Nothing was sent now, and nothing was spent. " if lost else ""
    text += "Your texts and choices are kept."
    if sent:
        what = " and ".join(_WHAT[field] for field in sent)
        text += f" The {what} {'is' if len(sent) == 1 else 'are'} sent to the page anew."
    if choose:
        text += f" Choose {' and '.join(choose)} again."
    else:
        text += " Look at the form before you press Generate."
    head = "This page was restarted"
    return notices.closable(cards.note(head, text, severity="warning" if choose else "advice"))
