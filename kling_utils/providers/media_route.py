"""A publisher, and the route that serves what it published under tokens: the page's own, and that of a temporary link.

A token cannot be guessed, so an address with one is enough, and nothing else is. The public base address is a setting or a tunnel's: no
address for the provider is built from a request's headers.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kling_utils.errors import KlingError, NotPublished
from kling_utils.media.fetch import Guard, chunks
from kling_utils.media.files import atomic_write
from kling_utils.values import Published

LIFE = 24 * 3600.0
"""Seconds; a job is watched by itself for as long."""
MEDIA = "/gradio_api/media"
ROUTE = f"{MEDIA}/{{token}}/{{name}}"
HEADERS = {
    "Cache-Control": "private, max-age=600",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_PROBE = b"motion-control-studio"


@dataclass(frozen=True, slots=True)
class _Shared:
    path: Path
    until: float


class MediaRoute:
    """Gives files addresses under ``base_url``, and serves them. ``ledger`` is the file that keeps the addresses, if they outlive the
    process. ``name`` is what has the address. Thread-safe.
    """

    def __init__(
        self,
        base_url: str,
        guard: Guard,
        ledger: Path | None = None,
        *,
        name: str = "This page",
        wall: Callable[[], float] = time.time,
        life: float = LIFE,
    ) -> None:
        self.base_url, self._guard, self._ledger = base_url.rstrip("/"), guard, ledger
        self._name, self._wall, self._life = name, wall, life
        self._lock = threading.Lock()
        self._shared = self._read()
        self._nonce = secrets.token_urlsafe(24)
        self.refusal = ""
        """Why this way cannot be used, once ``ask_self`` found out."""

    def publish(self, path: Path) -> Published:
        """An address under a token that cannot be guessed. Raises ``NotPublished`` when it cannot be reached from outside."""
        if self.refusal:
            raise NotPublished(
                self.refusal, hint="Make the page public, or set KLING_PUBLISH_TO.", field="video"
            )
        token, until = secrets.token_urlsafe(24), self._wall() + self._life
        with self._lock:
            self._shared = self._live()
            self._shared[token] = _Shared(path, until)
            self._write()
        name = self._name[:1].lower() + self._name[1:]
        url = f"{self.base_url}{MEDIA}/{token}/motion{path.suffix.lower()}"
        return Published(url, until, f"{name}'s own address")

    def withdraw(self, path: Path) -> None:
        """Take back every address of ``path``."""
        with self._lock:
            self._shared = {t: s for t, s in self._shared.items() if s.path != path}
            self._write()

    def serves(self, path: Path | None = None) -> bool:
        """Does an address of ``path``, or of any file, work?"""
        with self._lock:
            return any(path in (None, s.path) and s.path.is_file() for s in self._live().values())

    def ask_self(self) -> str:
        """Fetch one's own address as a stranger would; the reason why that failed, or nothing. Ask when the server is up."""
        url = f"{self.base_url}{MEDIA}/{self._nonce}/self"
        try:
            with self._guard.open(url, total=20.0) as response:
                got = b"".join(chunks(response, url)) if response.status_code == 200 else b""
        except KlingError as error:
            self.refusal = (
                f"{self._name} could not be reached at its public address: {error.message}"
            )
        else:
            reached = got == _PROBE
            status, name = response.status_code, self._name[:1].lower() + self._name[1:]
            self.refusal = (
                ""
                if reached
                else f"A stranger gets HTTP {status} at {name}'s public address; it seems private."
            )
        return self.refusal

    def route(self) -> Route:
        """For ``launch(app_kwargs={"routes": [...]})``; under /gradio_api/, where a Space's front door lets it pass."""
        return Route(ROUTE, self._serve, methods=["GET", "HEAD"])

    def _live(self) -> dict[str, _Shared]:
        return {t: s for t, s in self._shared.items() if s.until > self._wall()}

    def _read(self) -> dict[str, _Shared]:
        """Addresses outlive a restart: a provider may fetch a clip long after it was told of it."""
        if self._ledger is None:
            return {}
        try:
            kept = json.loads(self._ledger.read_text("utf-8"))
            return {
                token: _Shared(Path(path), float(until)) for token, (path, until) in kept.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _write(self) -> None:
        if self._ledger is None:
            return
        with atomic_write(self._ledger) as part:
            part.touch(mode=0o600)
            part.write_text(
                json.dumps({t: (str(s.path), s.until) for t, s in self._shared.items()}), "utf-8"
            )

    async def _serve(self, request: Request) -> Response:
        token = request.path_params["token"]
        if secrets.compare_digest(token.encode(), self._nonce.encode()):
            return Response(_PROBE, media_type="text/plain", headers=HEADERS)
        with self._lock:
            shared = self._shared.get(token)
        if shared is None or shared.until < self._wall() or not shared.path.is_file():
            raise HTTPException(404)
        return FileResponse(shared.path, headers=HEADERS)  # answers Range and HEAD by itself
