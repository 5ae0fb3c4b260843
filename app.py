"""The page: what stands where, and what leads to what. Panels, texts and handlers live in ``kling_utils.studio``; rules in the runner."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.middleware import Middleware

from kling_utils.errors import KlingError
from kling_utils.media import bounds
from kling_utils.media.files import temp_workdir
from kling_utils.media.processes import terminated_as_interrupted
from kling_utils.settings import load, unknown_variables
from kling_utils.studio import entry, job_files, theme, visitor
from kling_utils.studio.account import Account
from kling_utils.studio.arrive import Arrive
from kling_utils.studio.event_options import ALLOW_OVERLAP, HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.fitting import Fitting
from kling_utils.studio.gate import Gate
from kling_utils.studio.generate import Generate
from kling_utils.studio.health import Health
from kling_utils.studio.inputs import ImageInput, VideoInput
from kling_utils.studio.job_view import JobView
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.media_route import MediaRoute
from kling_utils.studio.options import Options
from kling_utils.studio.session import Session
from kling_utils.studio.single_instance import SingleInstanceLock
from kling_utils.studio.task_lookup import TaskLookup
from kling_utils.studio.visitor import Tokens

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.settings import Settings

TITLE = "Motion Control Studio"
HEAVY = ("cv2", "numpy", "ai_edge_litert.interpreter")
"""Imported after the page is up, so that the first check does not wait for them."""


def build(runner: Client) -> gr.Blocks:
    """The page over a runner. Nothing is loaded, fetched or started here."""
    with entry.Page(
        title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)
    ) as blocks:
        page: gr.Blocks = blocks
        desk, who = gr.State(Session()), gr.State(visitor.UNKNOWN)

        gr.HTML(
            theme.static("header.html"),
            js_on_load=theme.static("cards.js") + theme.static("kinds.js"),
            apply_default_css=False,
            elem_id="header",
        )
        account = Account(runner, desk)
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="inputs", scale=10, min_width=340):
                with gr.Row(elem_id="files"):
                    with gr.Column(min_width=220, elem_classes="input"):
                        image = ImageInput(desk)
                    with gr.Column(min_width=220, elem_classes="input"):
                        video = VideoInput(desk)
                fitting = Fitting(runner)
                options = Options()
                generate = Generate(runner)
            with gr.Column(elem_id="results", scale=12, min_width=340):
                follow = JobView(runner)
        follow.history.place()
        adopt = TaskLookup(runner)
        health = Health(runner)
        arrive = Arrive(runner, image, video, follow, generate, account)

        form = [
            image.source,
            video.source,
            options.orientation,
            options.model,
            options.prompt,
            options.negative,
            options.sound,
        ]
        health.bind(account.box, desk)
        generate.bind(form, account, image, video, options, fitting, desk, who)
        asks = [
            generate.keeper.bind(image, video, options, fitting, desk, who),
            generate.button.click(
                generate.in_turn(generate.submit),
                [*form, account.box, desk, who],
                generate.outputs,
                **PRIVATE,
                **HIDDEN,
                **UNLIMITED,
            ),
        ]
        asks += [
            generate.again.click(
                generate.in_turn(generate.submit_again, form_at=1),
                [generate.twin, *form, account.box, desk, who],
                generate.outputs,
                **PRIVATE,
                **HIDDEN,
                **UNLIMITED,
            )
        ]
        asks += [
            generate.sure.click(
                generate.in_turn(generate.submit_surely, form_at=1),
                [generate.twin, *form, account.box, desk, who],
                generate.outputs,
                **PRIVATE,
                **HIDDEN,
                **UNLIMITED,
            )
        ]
        asks += [
            generate.draft.click(
                generate.in_turn(generate.submit_draft),
                [*form, account.box, desk, who],
                generate.outputs,
                **PRIVATE,
                **HIDDEN,
                **UNLIMITED,
            )
        ]
        asks += [
            generate.show.click(
                generate.open_twin, [generate.twin, desk], generate.choice, **PRIVATE, **HIDDEN
            )
        ]
        asks += [
            follow.history.panel.pick(
                follow.picked, [desk, who], [generate.notice], **PRIVATE, **HIDDEN
            )
        ]
        asks += [
            *follow.rescue.bind(desk, who, account.box),
            *adopt.bind(desk, who, account.box, form),
            *follow.bind(desk, who, account.box, form, (image.view, video.view)),
        ]
        asks += [
            page.load(
                arrive.on_load,
                [desk],
                arrive.outputs(who),
                js=theme.static("visitor.js"),
                **PRIVATE,
                **HIDDEN,
            )
        ]
        for asked in asks:
            asked.then(generate.still, [desk], generate.choice, **PRIVATE, **HIDDEN)
            watched = asked.then(
                follow.watch,
                [desk, who, account.box],
                follow.outputs,
                **PRIVATE,
                **HIDDEN,
                **UNLIMITED,
                **ALLOW_OVERLAP,
            )
            watched.then(
                follow.aside,
                [desk, who],
                [follow.history.panel],
                **PRIVATE,
                **HIDDEN,
                **UNLIMITED,
                **ALLOW_OVERLAP,
            )
        account.forgotten.change(
            in_lane(bounds.checking, follow.actions.refreshed),
            [desk, who, account.box],
            [follow.actions.panel],
            **PRIVATE,
            **HIDDEN,
            **UNLIMITED,
        )
        follow.stop.click(follow.stopped, [desk], [follow.panel, follow.stop], **PRIVATE, **HIDDEN)
    return page


def options(settings: Settings, tokens: Tokens, media: MediaRoute | None = None) -> dict[str, Any]:
    """What the page is launched with: everything from this machine, nothing recorded, nothing offered to strangers."""
    gate = Middleware(Gate, settings=settings, tokens=tokens, root_path=settings.root_path)
    routes = [job_files.route(), *([media.route()] if media is not None else [])]
    return {
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
            "routes": routes,
            "middleware": [gate],
        },
    }


def main() -> None:
    """Serve the page until it is stopped."""
    from kling_utils.jobs.client import Client

    try:
        for told in unknown_variables():
            sys.stderr.write(f"{told}\n")
        runner = Client(load())
    except KlingError as error:
        sys.exit(str(error))
    home = runner.home.root
    with (
        contextlib.suppress(KeyboardInterrupt),
        terminated_as_interrupted(),
        runner,
        temp_workdir(home / "page", "files") as cache,
    ):
        # uploads and copies go with the process, and those of a killed one with the next
        os.environ.setdefault("GRADIO_TEMP_DIR", str(cache))
        runner.watch()
        if runner.home_said:
            sys.stderr.write(f"{runner.home_said}\n")
        neighbours = SingleInstanceLock(home)
        settings = runner.settings
        media = (
            MediaRoute(settings.page_url, runner.guard, home / "shared.json")
            if settings.page_url
            else None
        )
        page = build(runner).queue(default_concurrency_limit=32, max_size=256)
        page.launch(
            prevent_thread_lock=True,
            share=settings.share,
            server_name=settings.server_name or None,
            **options(settings, Tokens(settings.home), media),
        )
        if neighbours.sentence:
            sys.stderr.write(f"{neighbours.sentence}\n")
        threading.Thread(
            target=_after_launch, args=(runner, media), name="after-launch", daemon=True
        ).start()
        page.block_thread()


def _after_launch(runner: Client, media: MediaRoute | None) -> None:
    """What takes a moment and need not keep the page waiting."""
    if media is not None:
        runner.page_refusal = media.ask_self()
        runner.page = None if runner.page_refusal else media
        if runner.page_refusal:
            sys.stderr.write(
                f"Local clips cannot be offered from this page. {runner.page_refusal}\n"
            )
    for name in HEAVY:
        importlib.import_module(name)


if __name__ == "__main__":
    main()
