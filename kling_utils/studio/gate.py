"""The middleware around all routes: hosts and origins that are answered, routes that are open, and the owner of an upload.

On one's own machine the page uses the owner's key, so it answers to loopback names only, and never to another origin: a website that is
open in the same browser can send requests there. A hosted page never uses an owner's key unasked and is read by anyone; what changes
something with a cookie must come from the page itself.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kling_utils.media import bounds
from kling_utils.settings import Settings
from kling_utils.studio import sign_in, visitor
from kling_utils.studio.files import uploads
from kling_utils.studio.theme import static
from kling_utils.studio.visitor import COOKIE, LOOPBACK, Tokens, Visitor

ROUTES = re.compile(
    r"/(\Z|(assets|static|svelte)/|config/?\Z|theme\.css\Z|favicon\.ico\Z|manifest\.json\Z|robots\.txt\Z"
    r"|gradio_api/(info/?\Z|startup-events/?\Z|theme\.css\Z|upload\Z|upload_progress\Z|queue/(join|data)\Z"
    r"|heartbeat/|cancel\Z|reset/?\Z|app_id\Z|file=(?!https?:)|media/))"
)
"""What the page, gradio_client and the provider use. Gradio has more: deep links, a proxy, monitoring, its own fetching of addresses."""
SIGN_IN = re.compile(r"/log(in|out)/?\Z")
"""Routes of the page that asks for a password."""
HUB_SIGN_IN = re.compile(r"/(login/(huggingface|callback)|logout)\Z")
"""Routes of the sign-in with Hugging Face."""
OPEN = re.compile(
    r"/(\Z|(assets|static|svelte)/|theme\.css\Z|favicon\.ico\Z|manifest\.json\Z|robots\.txt\Z|login/?\Z|logout/?\Z"
    r"|gradio_api/(startup-events/?\Z|theme\.css\Z|app_id\Z|media/(?!job/)))"
)
"""What such a page answers before a sign-in: itself, and clips to the provider. ``/`` is then the form of the sign-in."""
QUERIES = frozenset({"deep_link", "page"})
"""Names in a query by which Gradio shows something that this page does not have."""
EVENT_BYTES = 2_000_000
"""Of the data of one event: two prompts and what the page's own components tell have some 100 kB at most."""
_PART = re.compile(rb"content-disposition:([^\r\n]*)\r\n", re.IGNORECASE)
_PART_HEADER = 9000
"""Bytes in which the header of a part ends: Gradio reads at most 8,192."""
SESSIONS = 10_000
"""Sessions of the page whose visitor is known, the newest ones."""
_ANOTHER = "This session is another visitor's. Nothing was changed. Load the page again."
_NO_EVENT = "This page did not take that. Nothing was sent or spent. Load the page again."
_READS = ("GET", "HEAD", "OPTIONS")
_YEAR = 365 * 86400
_PORTS = {"http": "80", "https": "443"}


class Gate:
    """An ASGI middleware around Gradio's routes."""

    def __init__(
        self, app: ASGIApp, *, settings: Settings, tokens: Tokens, root_path: str = ""
    ) -> None:
        self._app, self._settings, self._tokens = app, settings, tokens
        self._root = root_path.rstrip("/")
        self._own = frozenset(map(_netloc, settings.frame_hosts))
        self._sessions: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._uploading: collections.Counter[str] = collections.Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # browsers speak 1.1: nginx, as it is set up at first, does not
        if scope.get("http_version") == "1.0":
            scope["headers"] = [*scope["headers"], (b"via", b"1.0 proxy")]
        headers = Headers(scope=scope)
        query = scope.get("query_string", b"").decode("latin-1")
        asked = parse_qs(query, keep_blank_values=True)
        refusal = self._refusal(scope, headers, asked)
        if refusal is not None or scope["type"] == "websocket":  # the page uses none
            await PlainTextResponse(refusal or "There is nothing here.", 403)(scope, receive, send)
            return
        who, token = self._visitor(scope, headers)
        if not who.id and not OPEN.match(self._path(scope)):
            await _told(sign_in.SIGNED_OUT, 401)(scope, receive, send)
            return
        if not self._same(asked.get("session_hash", [""])[0], who, token):
            await PlainTextResponse(_ANOTHER, 403)(scope, receive, send)
            return
        path, marked = self._path(scope), self._marked(send, scope, headers, token)
        if path == "/gradio_api/upload":
            await self._upload(who, scope, receive, marked)
        elif path == "/":
            scripts = static("parts.js") if who.id else static("parts.js") + sign_in.script()
            await self._app(scope, receive, _with_script(marked, scripts))
        elif path == "/gradio_api/queue/join" and scope["method"] == "POST":
            await self._join(who, token, scope, receive, marked)
        else:
            await self._app(scope, receive, marked)

    # -- who may ask, and for what

    def _refusal(
        self, scope: Scope, headers: Headers, asked: Mapping[str, list[str]]
    ) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        name = visitor.host_name(host)
        if not self._settings.hosted and name not in LOOPBACK | self._settings.allowed_hosts:
            return (
                f"This page is not hosted, so it does not answer to the name {name!r}. "
                "If the name is yours, add it to KLING_ALLOWED_HOSTS. Nothing was sent or spent."
            )
        scheme = scope.get("scheme", "http")
        same = origin is None or _netloc(origin) == _netloc(f"{scheme}://{host}", origin)
        same = same or (origin is not None and _netloc(origin) in self._own)
        embedded = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        embedded = embedded and headers.get("sec-fetch-mode") != "navigate"
        if not self._settings.hosted and (not same or embedded):
            return "Another page asked for this, and this page answers to itself only."
        changes = scope["type"] == "websocket" or scope["method"] not in _READS
        signing = SIGN_IN.match(self._path(scope)) is not None
        credentials = signing or "cookie" in headers or "authorization" in headers
        if changes and credentials and (not same or (embedded and origin is None)):
            return "Another page asked for a change in the name of a visitor. Nothing was changed."
        path = self._path(scope)
        routes = [ROUTES]
        if self._settings.password is not None:
            routes.append(SIGN_IN)
        if self._settings.signs_in:
            routes.append(HUB_SIGN_IN)
        if (
            not any(route.match(path) for route in routes)
            or not path.isprintable()
            or not asked.keys().isdisjoint(QUERIES)
        ):
            return "There is nothing here."
        return None

    def _path(self, scope: Scope) -> str:
        path: str = scope["path"]
        return path.removeprefix(self._root) or "/" if self._root else path

    def _visitor(self, scope: Scope, headers: Headers) -> tuple[Visitor, str]:
        """The visitor, and the token to set where the browser has none yet. Who has not signed in has no id."""
        if not visitor.hosted(self._settings, headers):
            return visitor.HOME, ""
        if self._settings.password is not None:
            name = sign_in.name_in(scope)
            return visitor.of(self._settings, self._tokens, headers, name=name), ""
        if self._settings.signs_in and (by := sign_in.account(scope.get("session"))) is not None:
            return visitor.of(self._settings, self._tokens, headers, account=by.name), ""
        known = visitor.known(self._tokens, headers)
        if known is not None:
            return Visitor(known, hosted=True), ""
        new = visitor.fresh()
        return new, self._tokens.sign(new.id)

    def _same(self, session: object, who: Visitor, token: str) -> bool:
        """Is a session the visitor's who began it? One without a token begins none: each of its requests would be another visitor's."""
        if not isinstance(session, str) or not session:
            return True
        owner = self._sessions.get(session)
        if owner is None and not token:
            owner = self._sessions[session] = who.id
            if len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return owner is None or owner == who.id

    # -- what is added to an answer

    def _marked(self, send: Send, scope: Scope, headers: Headers, token: str) -> Send:
        """Adds who may frame the page, and the cookie of a new visitor: only where the page itself is loaded, never for an embed."""
        ancestors = " ".join(["'self'", "https://huggingface.co", *self._settings.frame_hosts])
        loads = self._path(scope) == "/" and headers.get("origin") is None

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                # an answer's own policy stays: of two, a browser keeps to both
                answer.append("content-security-policy", f"frame-ancestors {ancestors}")
                answer["x-content-type-options"] = "nosniff"
                if token and loads:
                    answer.append(
                        "set-cookie", f"{COOKIE}={token}; {self._attributes(scope, headers)}"
                    )
            await send(message)

        return marked

    def _attributes(self, scope: Scope, headers: Headers) -> str:
        common = f"Path=/; Max-Age={_YEAR}; HttpOnly"
        secure = scope.get("scheme") == "https" or headers.get("x-forwarded-proto") == "https"
        # in a Space's frame the page is a third party: its cookie is kept apart for each embedding site
        return (
            f"{common}; Secure; SameSite=None; Partitioned" if secure else f"{common}; SameSite=Lax"
        )

    # -- payloads

    async def _join(
        self, who: Visitor, token: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass an event on whose payload has the form that Gradio's page sends."""
        body, more = bytearray(), True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > EVENT_BYTES:
                text = "This form is too large. Nothing was sent or spent."
                await _told(text, 413)(scope, receive, send)
                return
        event = _event(bytes(body))
        if event is None:
            await _told(_NO_EVENT, 422)(scope, receive, send)
            return
        if not self._same(event.get("session_hash"), who, token):
            await _told(_ANOTHER, 403)(scope, receive, send)
            return
        given = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return given.pop() if given else await receive()

        await self._app(scope, again, send)

    # -- uploads

    async def _upload(self, who: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an upload on, bounded, and write down whose it is."""
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > bounds.UPLOAD_BYTES:
            text = f"An upload may have {bounds.UPLOAD_BYTES / 1e6:.0f} MB. Nothing was kept."
            await PlainTextResponse(text, 413)(scope, receive, send)
            return
        if (
            self._uploading[who.owner] >= bounds.UPLOADING_EACH
            or self._uploading.total() >= bounds.UPLOADING
        ):
            text = "Other uploads are under way. Nothing was kept. Try again in a minute."
            await PlainTextResponse(text, 503)(scope, receive, send)
            return
        self._uploading[who.owner] += 1
        try:
            await self._take(who, scope, receive, send)
        finally:
            self._uploading[who.owner] -= 1
            self._uploading += collections.Counter()  # drops the zeros

    async def _take(self, who: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        seen, start, body = 0, dict[str, object](), bytearray()
        began, tail = time.monotonic(), b""

        async def counted() -> Message:
            """The next part of the body. Of an error that is raised here Gradio removes what it has written."""
            nonlocal seen, tail
            message: Message = {"type": "http.disconnect"}
            due = began + bounds.UPLOAD_WAIT + seen / bounds.UPLOAD_RATE
            with contextlib.suppress(TimeoutError):
                message = await asyncio.wait_for(receive(), due - time.monotonic())
            if message["type"] == "http.disconnect":
                raise MultiPartException("The upload broke off.")
            body = message.get("body", b"")
            seen += len(body)
            if seen > bounds.UPLOAD_BYTES:
                raise MultiPartException("The upload is over the maximum allowed size.")
            joined = tail + body
            if any(not _names_file(found[1]) for found in _PART.finditer(joined)):
                raise MultiPartException("An upload has files only.")  # others are held in memory
            tail = joined[-_PART_HEADER:]
            return message

        async def held(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))

        await self._app(scope, counted, held)
        paths = _paths(bytes(body)) if start.get("status") == 200 else []
        if len(paths) > bounds.UPLOADS_IN_REQUEST:
            for path in paths:
                Path(path).unlink(missing_ok=True)
            text = f"One upload may have {bounds.UPLOADS_IN_REQUEST} files. Nothing was kept."
            await PlainTextResponse(text, 413)(scope, receive, send)
            return
        for path in paths:
            uploads.add(who.owner, path)
        if start:
            await send(start)
            await send({"type": "http.response.body", "body": bytes(body)})


def _names_file(disposition: bytes) -> bool:
    """Does the header of a part of a form name a file?"""
    return b"filename" in parse_options_header(disposition)[1]


def _with_script(send: Send, script: str) -> Send:
    """Puts the page's first script into its head: it tells when the rest of the page cannot be loaded."""
    start: Message | None = None
    page = bytearray()

    async def whole_page(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        page.extend(message.get("body", b""))
        if message.get("more_body") or start is None:
            return
        headers = MutableHeaders(scope=start)
        whole = bytes(page)
        if headers.get("content-type", "").startswith("text/html") and whole:
            added = f"<head><script>{script}</script>".encode()
            whole = whole.replace(b"<head>", added, 1)
            headers["content-length"] = str(len(whole))
        await send(start)
        await send({"type": "http.response.body", "body": whole})

    return whole_page


def _told(text: str, status: int) -> JSONResponse:
    """A refused event, in the form in which Gradio's page shows it: a plain text would be shown as a fault of its syntax."""
    return JSONResponse({"detail": text}, status)


def _event(body: bytes) -> dict[str, object] | None:
    """An event of the page, or None. A file that lies at an address is none: Gradio would fetch it itself, past the guard."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("data", []), list):
        return None
    # a slider's data is its number; ``entry.told`` reads nothing but objects
    if not isinstance(event.get("event_data"), dict | int | float | None):
        return None
    waiting: list[object] = [event]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if isinstance(path, str) and path.strip().lower().startswith(("http:", "https:")):
                return None
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return event


def _netloc(origin: str, like: str = "") -> str:
    """Host and port of an origin, the port always written; ``like`` gives the scheme where a proxy ended TLS."""
    try:
        parts = urlsplit(origin)
        scheme = urlsplit(like).scheme or parts.scheme
        port = parts.port
    except ValueError:
        return f"invalid {origin}"
    return f"{parts.hostname or 'invalid'}:{port if port is not None else _PORTS.get(scheme, '')}"


def _paths(body: bytes) -> list[str]:
    try:
        found = json.loads(body)
    except ValueError:
        return []
    return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []
