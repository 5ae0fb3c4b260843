"""The page: what stands where, and what leads to what. The rules are the client's.

Each panel is drawn from the session (``draw``) or from the open job; ``drawn`` are the components that its ``draw`` may change. To add
a panel about the form, place it and add it to ``Page.about_form``; a panel about a result is placed and drawn in ``JobView``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from filelock import FileLock, Timeout
from starlette.middleware import Middleware

from kling_utils.errors import KlingError
from kling_utils.media import bounds
from kling_utils.providers.media_route import MediaRoute
from kling_utils.show import cards
from kling_utils.studio import notices, routes, sign_in, theme
from kling_utils.studio.account import Account, Health
from kling_utils.studio.content import Content
from kling_utils.studio.entry import CheckedBlocks
from kling_utils.studio.events import Events, Panel, Updates
from kling_utils.studio.gallery import Gallery
from kling_utils.studio.gate import Gate
from kling_utils.studio.generate import Generate
from kling_utils.studio.inputs import ImageInput, Options, VideoInput
from kling_utils.studio.job_view import JobView
from kling_utils.studio.kept import KeptPanel
from kling_utils.studio.pairs import Pairs
from kling_utils.studio.pausing import PausePanel
from kling_utils.studio.publishing import PublishingPanel
from kling_utils.studio.recovery import TaskLookup
from kling_utils.studio.repair import Repair
from kling_utils.studio.session import Form, Session, key_or_none
from kling_utils.studio.spending import SpendingPanel
from kling_utils.studio.visitor import Tokens

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.settings import Settings

TITLE = "Motion Control Studio"


class Page:
    """The panels of the page, and the events that concern several of them. Made inside ``gr.Blocks``."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.events = Events(client)
        with gr.Row(elem_id="top"):
            gr.HTML(
                theme.static("header.html"),
                js_on_load=theme.static("page.js"),
                apply_default_css=False,
                elem_id="header",
            )
            self.account = Account(client)
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="inputs", scale=10, min_width=340):
                with gr.Row(elem_id="files"):
                    with gr.Column(min_width=220, elem_classes="input"):
                        self.image = ImageInput()
                    with gr.Column(min_width=220, elem_classes="input"):
                        self.video = VideoInput()
                self.repair = Repair(client, self.image, self.video)
                self.options = Options()
                content_line = gr.HTML("", elem_id="content-line", apply_default_css=False)
                self.generate = Generate(client)
            with gr.Column(elem_id="results", scale=12, min_width=340):
                self.publishing = PublishingPanel(client)
                self.repair.done.render()  # type: ignore[no-untyped-call]
                self.content = Content((self.image, self.video), content_line)
                self.job_view = JobView(client)
                self.pairs = Pairs(self.image, self.video, self.job_view.stage)
        self.pausing = PausePanel(client)
        self.gallery = Gallery(client)
        self.lookup = TaskLookup(client)
        self.spending = SpendingPanel(client)
        self.kept = KeptPanel(client)
        self.health = Health(client)
        self.keeper = self.generate.keeper
        self.about_form: list[Panel] = [
            self.image,
            self.video,
            self.options,
            self.content,
            self.repair,
            self.publishing,
            self.generate,
            self.keeper,
        ]

    def bind(self, blocks: gr.Blocks) -> None:
        """Bind all events."""
        events, key, options = self.events, self.account.box, self.options
        events.form = {
            "image": self.image.source,
            "video": self.video.source,
            "character_orientation": options.orientation,
            "model_name": options.model,
            "prompt": options.prompt,
            "negative_prompt": options.negative,
            "keep_original_sound": options.sound,
        }
        self.account.bind(events)
        self.image.bind(events)
        self.video.bind(events)
        self.repair.bind(events, self.content)
        self.publishing.bind(events)
        self.generate.bind(events, key, self.publishing.draft)
        self.keeper.bind(events, self.image, self.video, options, self.repair)
        self.job_view.bind(events, self.gallery)
        self.pairs.bind(events, self.generate.button)
        self.job_view.recovery.bind(events, key)
        self.job_view.actions.bind(events, key, self.image, self.video, self.job_view.reuse)
        self.job_view.exports.bind(events)
        self.pausing.bind(events)
        self.gallery.bind(events, self.generate.notice)
        self.job_view.comparison.bind(
            events, self.job_view.stage, self.gallery, self.generate.notice
        )
        self.lookup.bind(events, key)
        self.spending.bind(events, key)
        self.kept.bind(events, self.gallery)
        self.health.bind(events, key)
        self._bind_check(key)
        self._bind_load(blocks)
        job_view, generate = self.job_view, self.generate
        for opening in events.opening:
            events.on(opening.then, self.on_opened, generate.said)
            watched = events.on(
                opening.then,
                job_view.watch,
                [*job_view.drawn, self.gallery.panel],
                options={"trigger_mode": "multiple"},  # the session tells the older one to stop
                key=key,
            )
            for after in (opening, watched):  # what is reserved, what was spent, and what waits
                events.on(after.then, self.pausing.on_look, self.pausing.drawn)
                events.on(
                    after.then,
                    generate.funds,
                    [generate.price],
                    lane=bounds.calling,
                    busy=lambda *_: gr.skip(),
                    key=key,
                )

    # -- the form

    def _bind_check(self, key: Any) -> None:
        """Check whenever something changes that a rule or the price depends on."""
        events, account, options = self.events, self.account, self.options
        sources = [self.image.source.change, self.video.source.change]
        changes = [
            *sources,
            options.orientation.input,
            options.model.input,
            options.sound.input,
            options.prompt.blur,
            options.negative.blur,
            key.blur,
            key.submit,
            self.publishing.chosen.change,
        ]
        outputs = [component for panel in self.about_form for component in panel.drawn]
        outputs.append(self.job_view.stage)
        events.on(sources, self.generate.on_dismiss, self.generate.said)
        for triggers in (changes, account.forgotten.then):
            checked = events.on(
                triggers,
                self.on_change,
                outputs,
                lane=bounds.checking,
                busy=self._unchecked,
                fetch=True,
                newest=True,
                options={"trigger_mode": "always_last"},
                key=key,
                **events.form,
            )
            funds = events.on(
                checked.then,
                self.generate.funds,
                [self.generate.price],
                lane=bounds.calling,
                busy=lambda *_: gr.skip(),
                key=key,
            )
            events.on(funds.then, account.on_key, account.drawn, key=key)
            making: dict[str, Any] = {"lane": bounds.making, "busy": lambda *_: gr.skip()}
            for each in (self.image, self.video):
                view = [each.view]
                events.on(checked.then, each.on_checked, view, source=each.source, **making)
            events.on(checked.then, self.repair.on_checked, [self.repair.strip], **making)
            self.content.bind(events, checked.then)
        actions = self.job_view.actions
        events.on(
            account.forgotten.then,
            actions.on_key,
            [actions.panel],
            lane=bounds.checking,
            key=key,
        )

    def on_change(self, session: Session, key: str, **fields: Any) -> Iterator[Updates]:
        """Check the form, and draw all that is about it."""
        form, before = Form(**fields), session.form
        if not session.arrived:  # the form of a session that is lost: it is filled again first
            yield {self.keeper.panel: self.keeper.hello(session, lost=True)}
            return
        # the cards are about the files before, until these are measured
        measuring = {
            **self.image.measuring(form.image, before.image if before else ""),
            **self.video.measuring(form.video, before.video if before else ""),
        }
        if form.image or form.video:
            measuring |= self.pairs.stop(session)
        yield measuring or gr.skip()
        about = form, hash(key)
        try:
            session.check(self._client, form, key_or_none(key))
        except KlingError as error:
            yield {
                **self._unchecked(error, session),
                **self.generate.clear_notice(session, about),
            }
            return
        yield {**self.draw(session), **self.generate.clear_notice(session, about)}

    def draw(self, session: Session) -> Updates:
        """All that is about the form that was checked last."""
        drawn: Updates = {}
        for panel in self.about_form:
            drawn |= panel.draw(session)
        return drawn

    def _unchecked(self, error: KlingError, session: Session) -> Updates:
        return {
            self.image.card: self.image.empty(),
            self.video.card: self.video.empty(),
            self.options.card: gr.update(value=cards.error(error), visible=True),
        }

    def on_opened(self, session: Session) -> Any:
        """What was said at the button goes when it is about another job."""
        return self.generate.clear_notice(session) or gr.skip()

    # -- arriving

    def _bind_load(self, blocks: gr.Blocks) -> None:
        outputs = [
            self.gallery.panel,
            self.job_view.trouble,
            self.job_view.panel,
            self.job_view.stage,
            self.pairs.panel,
            self.image.strip,
            self.video.strip,
            self.keeper.panel,
            self.account.line,
            self.account.signed_in,
            self.generate.button,
            *self.pausing.drawn,
        ]
        script = {"js": theme.static("visitor.js")}
        self.events.on(blocks.load, self.on_load, outputs, opens=True, options=script)

    def on_load(self, session: Session, request: gr.Request) -> Updates:
        """Who it is, and which job to go on showing: the one in the address, else the newest one that is still under way."""
        self.keeper.identify(session, request)
        sees, asked = session.visitor.sees, str(request.query_params.get("job", ""))
        drawn: Updates = {}
        if asked:
            try:
                session.open(self._client.record(asked, owner=sees).job_id)
            except (KlingError, ValueError):
                drawn[self.job_view.trouble] = gr.update(value=notices.gone(), visible=True)
        if not session.job_id:
            jobs = self._client.jobs(owner=sees)
            unfinished = next((job for job in jobs if not job.done), None)
            if unfinished is not None:
                session.open(unfinished.job_id)
        if drawn and not session.job_id:
            drawn[self.job_view.panel] = {"mode": "idle", "asked": asked}
        if not asked and not session.job_id:
            drawn |= self.pairs.first(session)
        return {
            **drawn,
            self.gallery.panel: self.gallery.value(session),
            self.pairs.panel: self.pairs.value(),
            self.image.strip: self.image.strip_value(),
            self.video.strip: self.video.strip_value(),
            self.keeper.panel: self.keeper.hello(session),
            self.account.line: self.account.says(None, session),
            self.account.signed_in: self.account.who(session),
            self.generate.button: gr.update(value=self.generate.label(session)),
            **self.pausing.draw(session),
        }


def build(client: Client) -> gr.Blocks:
    """The page over a client. Nothing is loaded, fetched or started here."""
    blocks = CheckedBlocks(
        title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)
    )
    with blocks:
        Page(client).bind(blocks)
    return blocks


def launch_options(
    settings: Settings, tokens: Tokens, media: MediaRoute | None = None
) -> dict[str, Any]:
    """What the page is launched with: everything from this machine, nothing recorded, nothing offered to strangers."""
    gate = Middleware(Gate, settings=settings, tokens=tokens, root_path=settings.root_path)
    own = [routes.job_files(), *([media.route()] if media is not None else [])]
    password = settings.password
    return {
        "auth": sign_in.Door(password) if password is not None else None,
        "auth_message": sign_in.ASKS,
        "theme": theme.theme(),
        "css": theme.css(),
        "footer_links": ["settings"],
        "run_history": False,
        "ssr_mode": False,
        "show_error": False,
        "max_file_size": "200mb",
        "max_threads": bounds.EVENTS,
        "enable_monitoring": False,
        "mcp_server": False,
        "pwa": False,
        "app_kwargs": {
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
            "routes": own,
            "middleware": [gate],
        },
    }


class SingleInstanceLock:
    """Holds the home's page lock for as long as this process lives, when it is free. ``sentence`` says when it is not."""

    def __init__(self, home: Path) -> None:
        self._lock = FileLock(home / "page.lock")
        self.sentence = ""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            self.sentence = (
                "Another page is open on this home: both show the same jobs, and none of them is sent or billed twice. "
                "Set KLING_HOME to keep them apart."
            )

    def close(self) -> None:
        """Let the next page be the only one."""
        self._lock.release()
