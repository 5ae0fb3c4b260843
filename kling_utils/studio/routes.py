"""Routes of the page that serve files under tokens: files of jobs to the browser, and clips to the provider for a while.

A token cannot be guessed, so an address with one is enough, and nothing else is. The public base address is a setting: no
address for the provider is built from a request's headers.
"""

from __future__ import annotations

import contextvars
import json
import mimetypes
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kling_utils.errors import KlingError, NotPublished
from kling_utils.media.fetch import Guard, chunks
from kling_utils.media.files import atomic_write
from kling_utils.values import Job, Published

LIFE = 24 * 3600.0
"""Seconds; a job is watched by itself for as long."""
ROUTE = "/gradio_api/media/{token}/{name}"
_HEADERS = {
    "Cache-Control": "private, max-age=600",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_JOB_HEADERS = _HEADERS | {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "sandbox",
}
_PROBE = b"motion-control-studio"
JOB_FILES = "/gradio_api/media/job"
MOST = 20_000
"""Tokens of files of jobs that are kept, the newest ones: a gallery of 48 jobs has about 100."""
ROOT: contextvars.ContextVar[str] = contextvars.ContextVar("root", default="")
"""The address of the page as the browser of this event sees it: a page may lie under a path, or stand in another page."""


@dataclass(frozen=True, slots=True)
class _Shared:
    path: Path
    until: float


class MediaRoute:
    """A publisher, and the route that serves what it published. ``ledger`` is the file that keeps the addresses. Thread-safe."""

    def __init__(
        self,
        base_url: str,
        guard: Guard,
        ledger: Path,
        *,
        wall: Callable[[], float] = time.time,
        life: float = LIFE,
    ) -> None:
        self._base, self._guard, self._ledger = base_url.rstrip("/"), guard, ledger
        self._wall, self._life = wall, life
        self._lock = threading.Lock()
        self._shared = self._read()
        self._nonce = secrets.token_urlsafe(24)
        self.refusal = ""
        """Why this way cannot be used, once ``ask_self`` found out."""

    def publish(self, path: Path) -> Published:
        """An address under a token that cannot be guessed. Raises ``NotPublished`` when the page cannot be reached from outside."""
        if self.refusal:
            raise NotPublished(
                self.refusal, hint="Make the page public, or set KLING_PUBLISH_TO.", field="video"
            )
        token, until = secrets.token_urlsafe(24), self._wall() + self._life
        with self._lock:
            self._shared = {t: s for t, s in self._shared.items() if s.until > self._wall()}
            self._shared[token] = _Shared(path, until)
            self._write()
        return Published(
            f"{self._base}/gradio_api/media/{token}/motion{path.suffix.lower()}",
            until,
            "this page's own address",
        )

    def withdraw(self, path: Path) -> None:
        """Take back every address of ``path``."""
        with self._lock:
            self._shared = {t: s for t, s in self._shared.items() if s.path != path}
            self._write()

    def ask_self(self) -> str:
        """Fetch one's own address as a stranger would; the reason why that failed, or nothing. Ask when the page is up."""
        url = f"{self._base}/gradio_api/media/{self._nonce}/self"
        try:
            with self._guard.open(url, total=20.0) as response:
                got = b"".join(chunks(response, url)) if response.status_code == 200 else b""
        except KlingError as error:
            self.refusal = f"This page could not be reached at its public address: {error.message}"
        else:
            reached = got == _PROBE
            self.refusal = (
                ""
                if reached
                else f"A stranger gets HTTP {response.status_code} at this page's public address; it seems private."
            )
        return self.refusal

    def route(self) -> Route:
        """For ``launch(app_kwargs={"routes": [...]})``; under /gradio_api/, where a Space's front door lets it pass."""
        return Route(ROUTE, self._serve, methods=["GET", "HEAD"])

    def _read(self) -> dict[str, _Shared]:
        """Addresses outlive a restart: a provider may fetch a clip long after it was told of it."""
        try:
            kept = json.loads(self._ledger.read_text("utf-8"))
            return {
                token: _Shared(Path(path), float(until)) for token, (path, until) in kept.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _write(self) -> None:
        with atomic_write(self._ledger) as part:
            part.touch(mode=0o600)
            part.write_text(
                json.dumps({t: (str(s.path), s.until) for t, s in self._shared.items()}), "utf-8"
            )

    async def _serve(self, request: Request) -> Response:
        token = request.path_params["token"]
        if secrets.compare_digest(token.encode(), self._nonce.encode()):
            return Response(_PROBE, media_type="text/plain", headers=_HEADERS)
        with self._lock:
            shared = self._shared.get(token)
        if shared is None or shared.until < self._wall() or not shared.path.is_file():
            raise HTTPException(404)
        return FileResponse(shared.path, headers=_HEADERS)  # answers Range and HEAD by itself


@dataclass(frozen=True, slots=True)
class _File:
    folder: Path
    path: Path
    name: str
    saved: bool


_tokens_lock = threading.Lock()
_tokens: dict[_File, str] = {}
_files: dict[str, _File] = {}


def url(job: Job, path: Path, name: str = "", *, saved: bool = False) -> str:
    """The address of a file of the job, the same each time. ``saved``: a browser saves it, as ``name``, and does not show it."""
    file = _File(job.folder, path, name or path.name, saved)
    with _tokens_lock:
        token = _tokens.get(file)
        if token is None:
            token = _tokens[file] = secrets.token_urlsafe(24)
            _files[token] = file
            while len(_files) > MOST:
                oldest = next(iter(_files))
                del _tokens[_files.pop(oldest)]
    return f"{ROOT.get().rstrip('/')}{JOB_FILES}/{token}/{quote(file.name, safe='')}"


def data(job: Job, path: Path | None) -> dict[str, Any] | None:
    """A file of the job as our own components take it; None for a file that is gone."""
    return {"url": url(job, path)} if path is not None and path.is_file() else None


def job_files() -> Route:
    """For ``launch(app_kwargs={"routes": [...]})``."""
    return Route(f"{JOB_FILES}/{{token}}/{{name}}", _serve_job_file, methods=["GET", "HEAD"])


async def _serve_job_file(request: Request) -> Response:
    with _tokens_lock:
        file = _files.get(request.path_params["token"])
    if file is None or not file.folder.is_dir() or not file.path.is_file():
        raise HTTPException(404)
    kind = mimetypes.guess_type(file.path.name)[0] or ""
    shown = kind.startswith(("video/", "image/")) and "svg" not in kind
    return FileResponse(  # answers Range and HEAD by itself
        file.path,
        media_type=kind if shown else "application/octet-stream",
        filename=file.name,
        content_disposition_type="attachment" if file.saved or not shown else "inline",
        headers=_JOB_HEADERS,
    )
