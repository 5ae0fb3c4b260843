"""Serves the page: settings, client, page, launch. The page itself is ``kling_utils.studio.page``."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from typing import TYPE_CHECKING

from kling_utils.errors import KlingError
from kling_utils.media.files import temp_workdir
from kling_utils.media.processes import terminated_as_interrupted
from kling_utils.providers.media_route import MediaRoute
from kling_utils.settings import load, unknown_variables
from kling_utils.studio.page import SingleInstanceLock, build
from kling_utils.studio.page import launch_options as options
from kling_utils.studio.visitor import Tokens

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

__all__ = ["build", "main", "options"]
HEAVY = ("cv2", "numpy", "ai_edge_litert.interpreter")
"""Imported after the page is up, so that the first check does not wait for them."""


def main() -> None:
    """Serve the page until it is stopped."""
    from kling_utils.jobs.client import Client

    try:
        for line in unknown_variables():
            sys.stderr.write(f"{line}\n")
        client = Client(load())
    except KlingError as error:
        sys.exit(str(error))
    home = client.home.root
    with (
        contextlib.suppress(KeyboardInterrupt),
        terminated_as_interrupted(),
        client,
        temp_workdir(home / "page", "files") as cache,
    ):
        # uploads and copies go with the process, and those of a killed one with the next
        os.environ.setdefault("GRADIO_TEMP_DIR", str(cache))
        client.watch()
        if client.home_said:
            sys.stderr.write(f"{client.home_said}\n")
        neighbours = SingleInstanceLock(home)
        settings = client.settings
        media = (
            MediaRoute(settings.page_url, client.guard, home / "shared.json")
            if settings.page_url
            else None
        )
        page = build(client).queue(default_concurrency_limit=32, max_size=256)
        page.launch(
            prevent_thread_lock=True,
            share=settings.share,
            server_name=settings.server_name or None,
            **options(settings, Tokens(settings.home), media),
        )
        if neighbours.sentence:
            sys.stderr.write(f"{neighbours.sentence}\n")
        threading.Thread(
            target=_after_launch, args=(client, media), name="after-launch", daemon=True
        ).start()
        page.block_thread()


def _after_launch(client: Client, media: MediaRoute | None) -> None:
    """What takes a moment and need not keep the page waiting."""
    if media is not None:
        client.page_refusal = media.ask_self()
        client.page = None if client.page_refusal else media
        if client.page_refusal:
            sys.stderr.write(
                f"Local clips cannot be offered from this page. {client.page_refusal}\n"
            )
    for name in HEAVY:
        importlib.import_module(name)


if __name__ == "__main__":
    main()
