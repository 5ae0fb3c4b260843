"""The loopback server's routes: HTTP in, the wire's values out.

Owns who may ask (loopback names, the key) and how answers travel. Refuses to know rules: ``wire`` has them, ``tasks`` does the work.
Links to files need no key, like a provider's: their names cannot be guessed. There is no CORS header, so no page can read an answer.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from kling_utils.local import wire
from kling_utils.local.files import TYPES, TooLarge, Uploads
from kling_utils.local.key import proof
from kling_utils.local.tasks import Tasks
from kling_utils.local.wire import Refusal

SUBMIT = "/v3/async/kling-v3.0-motion-control"
POLL = "/v3/async/task-result"
BALANCE = "/openapi/v1/billing/balance/detail"


def build(tasks: Tasks, uploads: Uploads, key: str) -> ASGIApp:
    """The application. ``key`` is what a Bearer header must carry."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    bearer = [Depends(_needs(key))]
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(Exception, _broken)

    @app.post(SUBMIT, dependencies=bearer)
    async def submit(request: Request) -> JSONResponse:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > wire.BODY_LIMIT:
                raise Refusal(
                    "INVALID_REQUEST_BODY", f"the body is larger than {wire.BODY_LIMIT} bytes"
                )
        task_id = await run_in_threadpool(lambda: tasks.submit(wire.read_submit(bytes(body))))
        return JSONResponse({"task_id": task_id})

    @app.get(POLL, dependencies=bearer)
    async def poll(request: Request) -> JSONResponse:
        task_id = request.query_params.get("task_id", "")
        if not task_id:
            raise Refusal("INVALID_REQUEST_BODY", "task_id: is required")
        return JSONResponse(wire.answer(tasks.view(task_id), _base_url(request)))

    @app.get(BALANCE, dependencies=bearer)
    async def balance() -> JSONResponse:
        return JSONResponse(wire.BALANCE)

    @app.put("/local/files/{name}", dependencies=bearer)
    async def receive(name: str, request: Request) -> JSONResponse:
        if int(request.headers.get("content-length") or 0) > uploads.limit:
            return _too_large(uploads.limit)
        with uploads.receive(name) as upload:
            try:
                async for chunk in request.stream():
                    upload.write(chunk)
            except TooLarge:
                return _too_large(uploads.limit)
            kept = upload.keep()
        return JSONResponse({"url": f"{_base_url(request)}/local/files/{kept}"})

    @app.api_route("/local/files/{name}", methods=["GET", "HEAD"])
    async def upload(name: str) -> Response:
        return _file(uploads.find(name))

    @app.api_route("/local/results/{token}.mp4", methods=["GET", "HEAD"])
    async def result(token: str) -> Response:
        return _file(tasks.result(token))

    @app.get("/local/alive")
    async def alive(request: Request) -> JSONResponse:
        challenge = request.query_params.get("challenge", "")
        if not 16 <= len(challenge) <= 128 or not challenge.isalnum():
            raise Refusal("INVALID_REQUEST_BODY", "challenge: 16 to 128 letters and digits")
        return JSONResponse({"proof": proof(key, _port(request.scope), challenge)})

    return LoopbackOnly(app)


class LoopbackOnly:
    """Refuses any Host header that is not this server's own name: a domain name rebound to the loopback would carry its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        hosts = [
            value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"
        ]
        port = _port(scope)
        own = len(hosts) == 1 and hosts[0] in {
            f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")
        }
        answer = (
            self._app
            if own
            else _json(Refusal("ACCESS_DENY", "this server answers to its loopback address only"))
        )
        await answer(scope, receive, send)


def _needs(key: str) -> Callable[[Request], None]:
    expected = key.encode()

    def check(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refusal("MISSING_API_KEY", "missing api-key")
        if not hmac.compare_digest(given.strip().encode(), expected):
            raise Refusal("INVALID_API_KEY", "invalid api-key")

    return check


def _file(path: Path | None) -> Response:
    if path is None:
        raise Refusal("API_NOT_FOUND", "there is no such file, or not any more")
    kind = TYPES.get(path.suffix, "application/octet-stream")
    headers = {
        "cache-control": "private",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
    }
    return FileResponse(path, media_type=kind, headers=headers)


def _port(scope: Scope) -> int:
    return int(scope["server"][1])


def _base_url(request: Request) -> str:
    return f"http://127.0.0.1:{_port(request.scope)}"


def _json(refusal: Refusal) -> JSONResponse:
    return JSONResponse(refusal.body(), status_code=refusal.status)


def _too_large(limit: int) -> JSONResponse:
    body: dict[str, Any] = Refusal(
        "INVALID_REQUEST_BODY", f"the file is larger than {limit} bytes"
    ).body()
    return JSONResponse(body | {"code": 413}, status_code=413)


async def _refused(_: Request, error: Exception) -> Response:
    return _json(
        error if isinstance(error, Refusal) else Refusal("CREATE_TASK_FAILED", "internal error")
    )


async def _unrouted(_: Request, __: Exception) -> Response:
    return _json(Refusal("API_NOT_FOUND", "there is no such route"))


async def _broken(_: Request, __: Exception) -> Response:
    return _json(Refusal("CREATE_TASK_FAILED", "the local server failed; its log says why"))
