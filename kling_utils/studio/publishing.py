"""How the clip gets to the provider: the ways, each with who can see the clip and how long, and the one that was chosen.

On one's own computer the choice is kept for the home. A visitor of a hosted page chooses for their session. A Hugging Face token stays
in the session's memory, as the API key does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.jobs.doctor import try_way
from kling_utils.jobs.publishing import Publishing
from kling_utils.media import bounds
from kling_utils.providers import huggingface, tunnel
from kling_utils.providers.publish import store_target
from kling_utils.settings import clean_token
from kling_utils.show import cards
from kling_utils.studio.account import key_box
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.session import Session
from kling_utils.values import is_url

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

HEAD = "Novita needs to fetch your clip"
_OTHERS = "Other ways: Hugging Face, an object store, an address, a free draft"
_HOSTED = "Hugging Face, an address, a free draft"
_DOWNLOADS = " Gradio's tunnel program (frpc) is downloaded at first use."


@dataclass(frozen=True, slots=True)
class Way:
    """What a way means for who can see the clip, and how long."""

    title: str
    who: str
    until: str
    note: str = ""

    name: str = ""
    """In a sentence."""

    def card(self, more: str = "") -> str:
        """As it is offered."""
        return _drawn(self.title, self.who, self.until, self.note + more)

    def used(self, *, whole: bool) -> str:
        """As the one that is used; ``whole``: with what it means."""
        meaning = (self.who, self.until) if whole else ("", "")
        return _drawn(f"Your clip goes by {self.name}", *meaning, "")


def _drawn(title: str, who: str, until: str, note: str) -> str:
    template = cards.TEMPLATES.get_template("way.html")
    return template.render(title=title, who=who, until=until, note=note)


LINK = Way(
    "A temporary link from this computer",
    "whoever has the link, which cannot be guessed. It passes through Gradio's share server.",
    "until the job has ended. Keep this program running: a restart ends the link.",
    name="a temporary link",
)
HUB = Way(
    "Hugging Face",
    "everyone. It is a public dataset of your account, whose name cannot be guessed; your profile lists it.",
    "until the job has ended. Then the dataset is deleted whole.",
    f"The token needs “{huggingface.RIGHT}”. It is kept in memory only, never stored.",
    "Hugging Face",
)
STORE = Way(
    "An object store",
    "whoever has the signed address; where the store signs none, everyone who can see the store.",
    "24 hours, or until the job has ended if it is deleted then.",
    "The store's own package and credentials have to be set up on this computer.",
    "an object store",
)
ADDRESS = Way(
    "A public https address of the clip",
    "everyone who can see it now.",
    "as long as it is there.",
)
DRAFT = Way("A draft, free", "", "", "It is made without Novita, so the clip goes nowhere.")
_CHOSEN = {"tunnel": LINK, "huggingface": HUB, "store": STORE}


class PublishingPanel:
    """Hidden while nothing has to be chosen: without a key, without a clip, for an address, and where the page itself is the way."""

    def __init__(self, client: Client) -> None:
        self._client = client
        html: dict[str, Any] = {"apply_default_css": False}
        small: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 150}
        with gr.Column(visible=False, elem_id="publishing") as self.panel:
            with gr.Row(equal_height=True, elem_id="publishing-head"):
                self.head = gr.HTML("", elem_id="publishing-says", **html)
                self.change = gr.Button(
                    "Change", visible=False, elem_id="change-way", **small | {"min_width": 90}
                )
            with gr.Column(elem_id="ways") as self.ways:
                with gr.Row(visible=False, elem_classes="way-row") as self.link_row:
                    self.link_card = gr.HTML(LINK.card(), **html)
                    self.link = gr.Button(
                        "Use a temporary link", variant="primary", elem_id="use-link", **small
                    )
                with gr.Accordion(_OTHERS, open=False, elem_id="other-ways") as self.others:
                    with gr.Column(elem_classes="way-row way-form"):
                        gr.HTML(HUB.card(), **html)
                        with gr.Row(equal_height=True):
                            self.token = key_box(
                                "Hugging Face token",
                                show_label=False,
                                placeholder="Token: hf_…",
                                elem_id="hf-token",
                                scale=1,
                            )
                            self.hub = gr.Button("Use Hugging Face", elem_id="use-hub", **small)
                        self.account = gr.Button(
                            "Use my sign-in", visible=False, elem_id="use-sign-in", **small
                        )
                    with gr.Column(
                        visible=False, elem_classes="way-row way-form"
                    ) as self.store_row:
                        gr.HTML(STORE.card(), **html)
                        self.store = gr.Textbox(
                            label="Address of the store",
                            show_label=False,
                            placeholder="s3://bucket/prefix",
                            max_lines=1,
                            elem_id="store",
                        )
                        self.delete = gr.Checkbox(
                            True,
                            label="Delete the clip there when the job has ended",
                            container=False,
                            elem_id="store-delete",
                        )
                        with gr.Row():
                            self.test = gr.Button("Test it", elem_id="test-store", size="sm")
                            self.use_store = gr.Button(
                                "Use this store", elem_id="use-store", size="sm"
                            )
                    with gr.Row(elem_classes="way-row"):
                        gr.HTML(ADDRESS.card(), **html)
                        gr.HTML(
                            '<button type="button" class="kc-act" data-goto="address">Paste its address</button>',
                            elem_classes="way-go",
                            **html,
                        )
                    with gr.Row(elem_classes="way-row"):
                        gr.HTML(DRAFT.card(), **html)
                        self.draft = gr.Button(
                            "Make a free draft", elem_id="draft-instead", **small
                        )
            self.answer = gr.HTML("", elem_id="publishing-answer", **html)
        self.chosen = gr.State(0)
        """Changes when a way was chosen: the form is then checked again."""
        self.drawn = [self.panel, self.head, self.change, self.ways, self.link_row, self.link_card]
        self.drawn += [self.store_row, self.store, self.others, self.account]

    def bind(self, events: Events) -> None:
        """The draft's button is bound where drafts are made."""
        said = [*self.drawn, self.answer, self.chosen]
        store: dict[str, Any] = {"store": self.store, "delete": self.delete}
        trying: dict[str, Any] = {
            "lane": bounds.examining,
            "busy": lambda e, _: {self.answer: cards.error(e)},
        }
        events.on(self.change.click, self.on_change, [*self.drawn, self.answer])
        events.on(self.link.click, self.on_link, said)
        events.on(
            [self.hub.click, self.token.submit], self.on_hub, [*said, self.token], token=self.token
        )
        events.on(self.account.click, self.on_account, said)
        asked = events.on(self.test.click, self.on_press, [self.answer])
        events.on(asked.then, self.on_test, [self.answer], **trying, **store)
        events.on([self.use_store.click, self.store.submit], self.on_store, said, **store)

    # -- what is drawn

    def draw(self, session: Session) -> Updates:
        """The ways where one has to be chosen, else the one that is used."""
        form, preflight = session.form, session.preflight
        local = form is not None and bool(form.video) and not is_url(form.video)
        if (
            preflight is None
            or preflight.provider == "local"
            or not local
            or preflight.report.video is None
        ):
            return {self.panel: gr.update(visible=False)}
        used, hosted = self._used(session), session.visitor.hosted
        if used is None and not session.unreachable:  # the page itself is the way
            return {self.panel: gr.update(visible=False)}
        choosing = session.unreachable or session.choosing_way
        mine = not self._client.settings.publish  # else it is set, and chosen nowhere else
        return {
            self.panel: gr.update(visible=True),
            self.head: self._says(session, None if session.unreachable else used),
            self.change: gr.update(visible=mine and not session.unreachable and not choosing),
            self.ways: gr.update(visible=choosing),
            self.link_row: gr.update(visible=not hosted and used is not LINK),
            self.link_card: LINK.card("" if tunnel.downloaded() else _DOWNLOADS),
            self.store_row: gr.update(visible=not hosted),
            self.store: self._store() or gr.skip(),
            self.account: gr.update(visible=session.signed_token is not None),
            # where it is the only thing to see, it is not folded
            self.others: gr.update(open=True, label=_HOSTED if hosted else _OTHERS)
            if hosted or used is LINK
            else gr.skip(),
        }

    def _used(self, session: Session) -> Way | None:
        """The way that this session's clips take; None where none was chosen."""
        if session.hf_token is not None:
            return HUB
        way = self._client.publishing.way
        return _CHOSEN.get(way if way in _CHOSEN else "store") if way else None

    def _store(self) -> str:
        way = self._client.publishing.way
        return way if "://" in way and not self._client.settings.publish else ""

    def _says(self, session: Session, used: Way | None) -> str:
        if used is not None:
            return used.used(whole=session.choosing_way)
        where = "this page's server" if session.visitor.hosted else "this computer"
        text = (
            f"It is on {where}, and Novita takes a clip only by its web address. Choose how it gets there. "
            "Nothing is sent before you press Generate."
        )
        if self._client.page_refusal:
            text = f"{self._client.page_refusal} {text}"
        if self._client.publishing.way == "huggingface":
            text = f"{text} You chose Hugging Face before; its token is not kept, so it is asked for again."
        return cards.note(HEAD, text, severity="warning")

    # -- what is chosen

    def on_change(self, session: Session) -> Updates:
        """Show the ways again. The one that is used stays until another one is chosen."""
        session.choosing_way = True
        return {**self.draw(session), self.answer: ""}

    def on_link(self, session: Session) -> Updates:
        """A temporary link: opened when the first job needs it."""
        return self._choose(session, Publishing("tunnel"))

    def on_hub(self, session: Session, token: str) -> Updates:
        """A token for Hugging Face. It leaves the page's box for the session's memory."""
        try:
            session.hf_token = clean_token(token)
        except KlingError as error:
            return {self.answer: cards.error(error)}
        return {**self._choose(session, Publishing("huggingface"), keeps=True), self.token: ""}

    def on_account(self, session: Session) -> Updates:
        """The token of the sign-in with Hugging Face, where it may make a dataset."""
        session.hf_token = session.signed_token
        if session.hf_token is None:
            return {self.answer: ""}
        return self._choose(session, Publishing("huggingface"), keeps=True)

    def on_store(self, session: Session, store: str, delete: bool) -> Updates:
        """An object store, kept for this home."""
        if "://" not in store:
            return {self.answer: _NO_STORE}
        return self._choose(session, Publishing(store.strip(), delete))

    @staticmethod
    def on_press(session: Session) -> str:
        return cards.note("Trying the store", "A small test file is uploaded, fetched and deleted.")

    def on_test(self, session: Session, store: str, delete: bool) -> Updates:
        """Upload a small file, fetch it as the provider would, and delete it."""
        if session.visitor.hosted:
            return {self.answer: ""}
        if "://" not in store:
            return {self.answer: _NO_STORE}
        found = try_way(self._client, store_target(store.strip(), delete=delete))
        head = "The store works" if found.severity == "pass" else "The store does not work"
        return {self.answer: cards.listing(head, (found,), severity=found.severity)}

    def _choose(self, session: Session, chosen: Publishing, *, keeps: bool = False) -> Updates:
        """``keeps``: the session's token stays."""
        try:
            if not session.visitor.hosted:
                self._client.choose_publishing(chosen)
            elif chosen.way != "huggingface":
                return {self.answer: ""}  # of this machine's owner only
        except (KlingError, OSError) as error:
            return {self.answer: _refused(error)}
        session.hf_token = session.hf_token if keeps else None
        session.choosing_way = False
        session.ways_chosen += 1
        return {self.answer: "", self.chosen: session.ways_chosen}


_NO_STORE = cards.note(
    "This is no address of a store",
    "It begins with the store's kind, such as s3://bucket/prefix.",
    severity="error",
)


def _refused(error: KlingError | OSError) -> str:
    if isinstance(error, KlingError):
        return cards.error(error)
    return cards.note(
        "The choice could not be kept", "Look at the disk of the home.", severity="error"
    )
