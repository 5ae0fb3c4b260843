"""A temporary public link to files of this machine: Gradio's share tunnel in front of a server that has only the route of tokens.

The page itself is never behind the link. The link is opened for the first file and closed when the last one was taken back.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

from starlette.applications import Starlette

from kling_utils.errors import NotPublished
from kling_utils.media.fetch import Guard
from kling_utils.media.files import sha256
from kling_utils.providers.loopback import listening
from kling_utils.providers.media_route import MediaRoute
from kling_utils.values import Published

LOG = logging.getLogger(__name__)
HOW = "a temporary link from this machine"
STARTS_IN = 30.0
"""Seconds in which the tunnel's program says its address."""
LOOKS, LOOK_EVERY = 6, 1.0
"""The new address is asked for so many times, every so many seconds: a name may need a moment until it works."""
PRUNE_EVERY = 60.0
"""Seconds between two looks whether the link is still needed: another process may have ended or deleted its jobs."""
_OTHERWISE = (
    "Publish the clip another way: Hugging Face (huggingface), an object store (s3://bucket/prefix) "
    "or a public https address. A local draft needs none, and is free."
)


class Tunnel(Protocol):
    """An open tunnel to a port of this machine."""

    url: str

    @property
    def ended(self) -> bool:
        """True when it has ended by itself, or was closed."""
        ...

    def close(self) -> None: ...


class TemporaryLink:
    """A host of clips (``publish.Host``) that lives as long as a file needs it. Thread-safe.

    ``open_tunnel`` opens a tunnel to a port of 127.0.0.1, and raises ``NotPublished``.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        open_tunnel: Callable[[int], Tunnel] | None = None,
        wall: Callable[[], float] = time.time,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._guard, self._open_tunnel = guard, open_tunnel or ShareTunnel
        self._wall, self._wait = wall, wait
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._open: _Open | None = None
        self._over = False

    def notice(self) -> str:
        """What a person is told before the link is opened; empty while it is open."""
        with self._lock:
            if self._open is not None and not self._open.tunnel.ended:
                return ""
        first = "" if downloaded() else " Gradio's tunnel program (frpc) is downloaded first, once."
        return f"Opening a temporary link to the clip from this machine.{first}"

    def publish(self, path: Path) -> Published:
        """An address that works until ``withdraw``. Opens the link where there is none. Raises ``NotPublished``."""
        with self._opening:
            with self._lock:
                if self._open is not None and not self._open.tunnel.ended:
                    return replace(self._open.media.publish(path), how=HOW)
                self._close()
            started = self._started()  # takes seconds: who only asks does not wait for it
            with self._lock:
                self._open = started
                published = replace(started.media.publish(path), how=HOW)
                if self._over:
                    self._close()
                    raise _failed("This program is ending.")
                return published

    def withdraw(self, path: Path) -> None:
        """Take the file's addresses back; the link is closed when no other file needs it."""
        with self._lock:
            if self._open is not None:
                self._open.media.withdraw(path)
                self._close_unused()

    def serves(self, path: Path) -> bool:
        """Does an address of the file work at the moment?"""
        with self._lock:
            up = self._open is not None and not self._open.tunnel.ended
            return up and self._open is not None and self._open.media.serves(path)

    def close(self) -> None:
        """Close the link, whoever needs it: this program is ending."""
        with self._lock:
            self._over = True
            self._close()

    def _started(self) -> _Open:
        media = MediaRoute("", self._guard, name="The temporary link", wall=self._wall)
        with contextlib.ExitStack() as undo:
            # nothing but the route of tokens: the page is not behind the link
            port = undo.enter_context(listening(Starlette(routes=[media.route()])))
            tunnel = self._open_tunnel(port)
            undo.callback(tunnel.close)
            media.base_url = tunnel.url.rstrip("/")
            for turn in range(LOOKS):
                if turn:
                    self._wait(LOOK_EVERY)
                if not media.ask_self():
                    break
            else:
                raise _failed(media.refusal)
            closed = threading.Event()
            opened = _Open(media, tunnel, closed, undo.pop_all())
        threading.Thread(target=self._watch, args=(opened,), name="link", daemon=True).start()
        return opened

    def _watch(self, opened: _Open) -> None:
        """Close the link when its files are gone or their time is over."""
        while not opened.closed.wait(PRUNE_EVERY):
            with self._lock:
                if self._open is opened:
                    self._close_unused()

    def _close_unused(self) -> None:
        if self._open is not None and not self._open.media.serves():
            self._close()

    def _close(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened.closed.set()
            opened.undo.close()


@dataclass(frozen=True, slots=True)
class _Open:
    """An open link."""

    media: MediaRoute
    tunnel: Tunnel
    closed: threading.Event
    undo: contextlib.ExitStack
    """Closes tunnel and server."""


# -- Gradio's tunnel


class ShareTunnel:
    """The tunnel that ``share=True`` uses, to a port of 127.0.0.1. Its program is downloaded at first use.

    Raises ``NotPublished`` with the reason where it cannot be opened.
    """

    def __init__(self, port: int) -> None:
        from gradio import networking

        token, over = secrets.token_urlsafe(32), threading.Event()
        watch = threading.Thread(target=_end_stuck, args=(token, over), name="frpc", daemon=True)
        watch.start()
        self.url = ""
        try:
            _drop_damaged()
            self.url = networking.setup_tunnel("127.0.0.1", port, token, None, None)
        except Exception as error:
            raise _failed(_reason(error)) from error
        finally:
            over.set()
            watch.join()
            self._process = _taken(token)
            pipes = (self._process.stdout, self._process.stderr) if self._process else ()
            self._drains = [threading.Thread(target=_drain, args=(p,), daemon=True) for p in pipes]
            for drain in self._drains:
                drain.start()
            if not self.url:
                self.close()

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def close(self) -> None:
        """End the program, and take its exit code: it would stay in the table of processes."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(process.terminate)
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for drain in self._drains:
            drain.join(1)


def downloaded() -> bool:
    """Is the tunnel's program on this machine already?"""
    from gradio import tunneling

    return Path(tunneling.BINARY_PATH).exists()


def _drop_damaged() -> None:
    """Remove a program that is not the one that Gradio names: it is checked after its download only, and a download may be cut off."""
    from gradio import tunneling

    path, wanted = Path(tunneling.BINARY_PATH), tunneling.CHECKSUMS.get(tunneling.BINARY_URL)
    if path.exists() and not (
        os.access(path, os.X_OK) and (wanted is None or sha256(path) == wanted)
    ):
        path.unlink()


def _tunnel(token: str) -> Any:
    from gradio import tunneling

    return next((t for t in tunneling.CURRENT_TUNNELS if t.share_token == token), None)


def _end_stuck(token: str, over: threading.Event) -> None:
    """End a start that would not end by itself: Gradio waits for a line of the program, also when it is dead or says nothing."""
    seen: float | None = None
    while not over.wait(0.1):
        tunnel = _tunnel(token)
        process = tunnel.proc if tunnel is not None else None
        if process is None:
            continue
        seen = time.monotonic() if seen is None else seen
        if time.monotonic() - seen > STARTS_IN:
            process.kill()
        if process.poll() is not None:
            tunnel.lost = process
            tunnel.proc = None  # the loop that reads asserts that there is one
            return


def _taken(token: str) -> subprocess.Popen[bytes] | None:
    """The process of the tunnel, which Gradio forgets: its own way to end it prints, and leaves a zombie."""
    from gradio import tunneling

    if (tunnel := _tunnel(token)) is None:
        return None
    process: subprocess.Popen[bytes] | None = tunnel.proc or getattr(tunnel, "lost", None)
    tunneling.CURRENT_TUNNELS.remove(tunnel)
    atexit.unregister(tunnel.kill)
    if process is not None:
        atexit.register(process.terminate)
    return process


def _drain(pipe: IO[bytes] | None) -> None:
    """Read what nobody wants to know: a full pipe would stop the program."""
    if pipe is not None:
        with pipe:
            for _ in pipe:
                pass


def _reason(error: Exception) -> str:
    from gradio.exceptions import ChecksumMismatchError, ShareCertificateWriteError

    LOG.info("the tunnel could not be opened", exc_info=error)
    match error:
        case ChecksumMismatchError():
            return "The tunnel program that was downloaded is not the one that Gradio published."
        case ShareCertificateWriteError():
            return "The tunnel's certificate could not be written into the working folder."
        case RuntimeError():
            return "Gradio's share server did not answer."
        case AssertionError() | AttributeError():
            return "The tunnel program ended, or got no connection to Gradio's share server."
        case ValueError():
            return "Gradio's share server did not let the tunnel program in."
        case OSError():
            return f"The tunnel program could not be downloaded or started ({error.strerror or type(error).__name__})."
        case _:
            return (
                f"The tunnel program could not be downloaded or started ({type(error).__name__})."
            )


def _failed(why: str) -> NotPublished:
    told = f"No temporary link from this machine could be opened. {why}"
    return NotPublished(told, hint=_OTHERWISE, field="video")
