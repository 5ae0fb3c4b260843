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
from kling_utils.providers.huggingface import SCOPES
from kling_utils.show import cards
from kling_utils.studio import notices
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.inputs import ImageInput, Input, Options, VideoInput
from kling_utils.studio.repair import Repair
from kling_utils.studio.session import Session
from kling_utils.studio.sign_in import Account, account
from kling_utils.studio.theme import static
from kling_utils.studio.visitor import Tokens, Visitor, of
from kling_utils.values import CHARACTER_ORIENTATIONS, MODEL_NAMES, is_url

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

SESSIONS = 300
"""Sessions that are remembered, the newest ones."""
LONGEST = 20_000
"""Characters of a text that a browser gives back."""
_NOUN = {"image": "picture", "video": "clip"}


class Keeper:
    """Remembers sessions, and fills the form of a new one from them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.tokens = Tokens(client.home.root)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Session] = OrderedDict()
        self.said = gr.HTML(
            "", js_on_load=static("notice.js"), apply_default_css=False, elem_id="restarted"
        )
        self.panel = gr.HTML(
            {}, html_template="<i></i>", js_on_load=static("keeper.js"), elem_id="kept"
        )
        self.drawn = [self.panel]

    def bind(
        self,
        events: Events,
        image: ImageInput,
        video: VideoInput,
        options: Options,
        repair: Repair,
    ) -> None:
        self._inputs: tuple[Input, Input] = (image, video)
        self._options, self._repair = options, repair
        filled = [*image.filled, *video.filled, *events.form.values(), *repair.choices.values()]
        filled.append(options.fold)
        outputs = list(dict.fromkeys([self.panel, self.said, *filled]))
        events.on(self.said.dismiss, self.on_dismiss, [self.said])
        events.on(self.panel.forgets, self.on_forgets, [self.said])
        events.on(self.panel.ask, self.on_ask, [self.panel])
        events.on(self.panel.restore, self.on_restore, outputs, lane=bounds.checking, opens=True)

    @staticmethod
    def on_dismiss(session: Session) -> str:
        """The notice was closed."""
        session.restarted = ""
        return ""

    @staticmethod
    def on_forgets(session: Session) -> str:
        """This browser keeps nothing for the page where it stands."""
        head = "This browser keeps nothing for a page in a frame"
        text = "After a reload the page does not know your videos any more: download them before."
        own = '<a class="kc-act" href="" target="_blank" rel="noopener">Open the page in a tab</a>'
        more = f'<p class="kc-do">{text}</p><p class="kc-acts">{own}</p>'
        card = cards.listing(head, (), severity="advice", extra=more)
        return notices.closable(card)

    # -- what the tab is given

    def hello(self, session: Session, *, lost: bool = False) -> dict[str, Any]:
        """What a tab is told on arrival, or when its session was ``lost``: the secret name of the session that it has now."""
        session.arrived, session.secret = True, secrets.token_urlsafe(24)
        self._remember(session)
        visitor = session.visitor
        # who has signed in needs no token; a tab drops the form of who was signed in before
        who = visitor.id if visitor.name else ""
        token = self.tokens.sign(visitor.id) if visitor.hosted and not who else ""
        return self.value(session) | {"lost": lost, "visitor": token, "who": who}

    def _remember(self, session: Session) -> None:
        with self._lock:
            self._known[session.secret] = session
            while len(self._known) > SESSIONS:
                self._known.popitem(last=False)

    def identify(self, session: Session, request: gr.Request) -> None:
        """Write into the session who has sent a request."""
        session.visitor, known = self.visitor(request), self.account(request)
        may = known is not None and not SCOPES.isdisjoint(known.scopes)
        session.signed_token = known.token if known is not None and may else None

    def visitor(self, request: gr.Request) -> Visitor:
        """Who sent a request."""
        settings, headers = self._client.settings, Headers(dict(request.headers))
        name: str | None = request.username
        known = self.account(request)
        account = known.name if known is not None else None
        return of(settings, self.tokens, headers, name=name, account=account)

    def account(self, request: gr.Request) -> Account | None:
        """With which Hugging Face account the sender has signed in."""
        if not self._client.settings.signs_in or request.request is None:
            return None
        return account(request.request.session)

    def on_ask(self, session: Session, request: gr.Request) -> Any:
        """The tab was left alone for a while: is its session still there?"""
        if session.arrived:
            return gr.skip()
        self.identify(session, request)
        return self.hello(session, lost=True)

    def draw(self, session: Session) -> Updates:
        """The tab keeps the form that was checked last."""
        return {self.panel: self.value(session)}

    def value(self, session: Session) -> dict[str, Any]:
        """The form that was checked last, as the tab keeps it: no path is in it."""
        told: dict[str, Any] = {"session": session.secret}
        if (form := session.form) is None:
            return told
        told["form"] = {
            "orientation": form.character_orientation,
            "model": form.model_name,
            "sound": form.keep_original_sound,
            **{each.name: self._told(each, session) for each in self._inputs},
        }
        return told

    @staticmethod
    def _told(each: Input, session: Session) -> dict[str, Any]:
        source: str = getattr(session.form, each.name)
        if not source:
            return {}
        if is_url(source):
            return {"address": source}
        number = each.example_number(source)
        if number is not None:
            return {"sample": number}
        original = session.repaired.get(source, source)
        mark = hashlib.sha256(original.encode()).hexdigest()[:16]
        return {"name": Path(original).name, "mark": mark}

    # -- what the tab gives back

    def on_restore(self, event: gr.EventData, session: Session, request: gr.Request) -> Updates:
        """Fill the form as it was. What is not known is left as it is."""
        if not session.visitor.id:  # of a session that was lost
            self.identify(session, request)
            self._remember(session)
        form, texts = _object(event, "form"), _object(event, "texts")
        held = getattr(event, "held", None)
        held = held if isinstance(held, list) else []
        old = self._old(getattr(event, "session", None), session.visitor)
        self._reopen(session, getattr(event, "job", ""))
        updates: Updates = {}
        missing: dict[str, str] = {}
        for each in self._inputs:
            told = form.get(each.name)
            told = told if isinstance(told, dict) else {}
            source, view = each.restored(old, told)
            if not source and told:
                name = told.get("name")
                missing[each.name] = name[:120] if isinstance(name, str) else ""
            awaited = each.name in missing and each.name in held
            updates |= {
                each.source: source,
                each.view: view,
                each.card: each.restored_card(source, awaited=awaited),
                each.address: source if is_url(source) else "",
            }
        options, sound = self._options, form.get("sound")
        updates |= {
            options.orientation: _one_of(form.get("orientation"), CHARACTER_ORIENTATIONS),
            options.model: _one_of(form.get("model"), MODEL_NAMES),
            options.prompt: _text(texts.get("prompt")),
            options.negative: _text(texts.get("negative")),
            options.sound: sound if isinstance(sound, bool) else gr.skip(),
            options.fold: gr.update(open=any(texts.values()) or sound is False),
        }
        if old is not None:
            session.choices, session.repaired = old.choices, dict(old.repaired)
            session.cropped = set(old.cropped)
            for name, component in self._repair.choices.items():
                updates[component] = getattr(old.choices, name)
        sent = [name for name in missing if name in held]
        lost = getattr(event, "lost", None) is True
        if missing or lost:
            session.restarted = _said(missing, sent, lost=lost)
        else:  # gradio may reload the page once more
            session.restarted = old.restarted if old is not None else ""
        told = {"session": session.secret, "send": sent}
        return {self.panel: told, self.said: session.restarted, **updates}

    def _old(self, secret: Any, visitor: Visitor) -> Session | None:
        """The session of that name, for the visitor whose it was."""
        with self._lock:
            old = self._known.get(secret) if isinstance(secret, str) else None
        return old if old is not None and old.visitor.sees == visitor.sees else None

    def _reopen(self, session: Session, job_id: Any) -> None:
        """The job that stood on the page, where the session that followed it is gone."""
        if session.job_id or not isinstance(job_id, str) or not job_id:
            return
        try:
            session.open(self._client.record(job_id, owner=session.visitor.sees).job_id)
        except (KlingError, ValueError):
            return


def _object(event: gr.EventData, name: str) -> dict[str, Any]:
    value = getattr(event, name, None)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> Any:
    return value if isinstance(value, str) and len(value) <= LONGEST else gr.skip()


def _one_of(value: Any, known: tuple[str, ...]) -> Any:
    return value if isinstance(value, str) and value in known else gr.skip()


def _said(missing: dict[str, str], sent: list[str], *, lost: bool) -> str:
    """What happened to the page, and what is to do now. ``lost``: it was found out by a press of a button."""
    choose = [
        f"the {_NOUN[field]}{f' ({name})' if name else ''}"
        for field, name in missing.items()
        if field not in sent
    ]
    text = "Nothing was sent now, and nothing was spent. " if lost else ""
    text += "Your texts and choices are kept."
    if sent:
        what = " and ".join(_NOUN[field] for field in sent)
        text += f" The {what} {'is' if len(sent) == 1 else 'are'} sent to the page anew."
    if choose:
        text += f" Choose {' and '.join(choose)} again."
    else:
        text += " Look at the form before you press Generate."
    head = "This page was restarted"
    return notices.closable(cards.note(head, text, severity="warning" if choose else "advice"))
