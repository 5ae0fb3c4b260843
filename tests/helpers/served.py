"""The page in a process of its own, and a browser whose complaints are written down: what all browser tests begin with."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).resolve().parents[2]
# What gradio itself logs when a page is closed while it still listens; our own scripts never say this.
LEAVING = re.compile(r"AbortError: signal is aborted|Connection errored out")


@dataclass
class Served:
    """A page that runs in a process of its own."""

    url: str
    log: Path
    home: Path
    restart: Callable[[], None] = lambda: None
    """Ends the process, and starts it again with the same port and home."""
    kill: Callable[[], None] = lambda: None
    """Kills the process, which gets no say, and starts it again."""


@dataclass
class Watched:
    """A browser page whose complaints and requests are written down."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    @property
    def ours(self) -> list[str]:
        """The complaints that are not gradio's own about a page that is closed."""
        return [text for text in self.complaints if not LEAVING.search(text)]


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser; skips where there is none, unless one is required."""
    if not CHROMIUM.exists():
        if os.environ.get("KLING_REQUIRE_BROWSER"):
            pytest.fail(f"needs {CHROMIUM}, which KLING_REQUIRE_BROWSER says must be there")
        pytest.skip(f"needs {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def serving(folder: Path, *program: str) -> Iterator[Served]:
    """``python app.py``, or another ``program``, with a home of its own and nothing of the environment of the person who runs the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    ours = {
        "KLING_HOME": str(folder / "home"),
        "GRADIO_SERVER_PORT": str(port),
        "HOME": str(folder),
    }
    theirs = {
        k: v
        for k, v in os.environ.items()
        if not k.upper().startswith(("HF_TOKEN", "NOVITA_", "KLING_", "SPACE_", "GRADIO_"))
        and "PROXY" not in k.upper()
    }
    url = f"http://127.0.0.1:{port}"
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-u", *(program or ("app.py",))],
                cwd=ROOT,
                env=theirs | ours,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        running.append(process)
        answers(url, process, log)

    def stop() -> None:
        process = running.pop()
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)

    def restart() -> None:
        stop()
        start()

    def kill() -> None:
        process = running.pop()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        start()

    try:
        start()
        yield Served(url, log, folder / "home", restart, kill)
    finally:
        if running:
            stop()


_PAID = """
import importlib, json, os, runpy, sys
os.environ.update(NOVITA_BASE_URL=sys.argv[1], KLING_ALLOW_PRIVATE_HOSTS="127.0.0.1", KLING_POLL_INTERVAL="0.2")
os.environ.update(json.loads(sys.argv[2]))
for module, name, value in json.loads(sys.argv[3]):
    setattr(importlib.import_module(module), name, value)
runpy.run_path("app.py", run_name="__main__")
"""


def paying(
    folder: Path, base_url: str, *, patches: Sequence[tuple[str, str, Any]] = (), **variables: str
) -> contextlib.AbstractContextManager[Served]:
    """The page with the provider at that address. ``patches``: (module, name, value) that are set before it starts."""
    return serving(folder, "-c", _PAID, base_url, json.dumps(variables), json.dumps(list(patches)))


def answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the page answers, or its process is gone."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text("utf-8")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            threading.Event().wait(0.2)
    pytest.fail(f"the page does not answer: {log.read_text('utf-8')}")


@contextlib.contextmanager
def watching(browser: Any, **how: Any) -> Iterator[Watched]:
    """A page of that browser; ``how`` is the context's."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | how))
    seen = Watched(context.new_page())
    seen.page.set_default_timeout(30_000)
    seen.page.on("console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None)
    seen.page.on("pageerror", lambda e: seen.complaints.append(str(e)))
    seen.page.on(
        "request",
        lambda r: (
            None
            if r.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            else seen.elsewhere.append(r.url)
        ),
    )
    yield seen
    context.close()


def type_key(page: Any, key: str) -> None:
    """Open the box of the key, type one, and leave it."""
    page.click("#open-key")
    page.fill("#key input", key)
    page.press("#key input", "Tab")
