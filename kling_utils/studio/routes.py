"""The route of the page that serves files of jobs to the browser, under tokens that cannot be guessed.

Clips are served to the provider by ``providers.media_route``.
"""

from __future__ import annotations

import contextvars
import mimetypes
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kling_utils.providers.media_route import HEADERS, MEDIA
from kling_utils.values import Job

_HEADERS = HEADERS | {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "sandbox",
}
JOB_FILES = f"{MEDIA}/job"
MOST = 20_000
"""Tokens of files of jobs that are kept, the newest ones: a gallery of 48 jobs has about 100."""
ROOT: contextvars.ContextVar[str] = contextvars.ContextVar("root", default="")
"""The address of the page as the browser of this event sees it: a page may lie under a path, or stand in another page."""


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
        headers=_HEADERS,
    )
