"""Novita's contract on the loopback address: other programs' requests become drafts of this home.

The provider's side of the wire is written here a second time on purpose: routes and refusals are not those of the client, so that a
test between the two means something. Files are held to the rules of the checks.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from kling_utils.errors import Busy, KlingError, NoSuchJob, Refused
from kling_utils.jobs.client import Client
from kling_utils.media.processes import terminated_as_interrupted
from kling_utils.providers.loopback import listening
from kling_utils.values import CHOICES, Job, MotionRequest

SUBMIT = "/v3/async/kling-v3.0-motion-control"
POLL = "/v3/async/task-result"
BALANCE = "/openapi/v1/billing/balance/detail"
BILLS = "/openapi/v1/billing/bill/list"
CYCLES = ("Hour", "Day", "Week", "Month")
BALANCES = ("availableBalance", "cashBalance", "creditLimit", "outstandingInvoices")
FILE_LIMIT = 10 * 1024 * 1024
"""Bytes of an image; the page says "10 MB" and the larger reading is the tolerant one."""
TEXT_LIMIT = 2500
"""Characters."""
BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of a submit: far over what a legal image needs, so that a large image gets its own refusal."""
LINK_SECONDS = 86400
"""For which a link to a result is said to work."""
OWNER = "serve_"
"""How the owners of such jobs begin: each task has its own, since the contract makes a task of each submit."""
STATUS_WORDS = {
    **dict.fromkeys(("checked", "submitting", "queued"), "TASK_STATUS_QUEUED"),
    **dict.fromkeys(("processing", "downloading"), "TASK_STATUS_PROCESSING"),
    "succeeded": "TASK_STATUS_SUCCEED",
    "failed": "TASK_STATUS_FAILED",
}
STATUS_OF = {
    **dict.fromkeys(("INVALID_REQUEST_BODY", "IMAGE_FILE_EXCEEDS_MAX_SIZE"), 400),
    **dict.fromkeys(("INVALID_IMAGE_FORMAT", "IMAGE_EXCEEDS_MAX_RESOLUTION"), 400),
    **dict.fromkeys(("INVALID_IMAGE_SIZE", "MISSING_API_KEY"), 400),
    **dict.fromkeys(("INVALID_API_KEY", "ACCESS_DENY"), 403),
    **dict.fromkeys(("API_NOT_FOUND", "TASK_NOT_FOUND"), 404),
    "RATE_LIMIT_EXCEEDED": 429,
    "CREATE_TASK_FAILED": 500,
}
REASON_OF = {
    "image.bytes": "IMAGE_FILE_EXCEEDS_MAX_SIZE",
    "image.format": "INVALID_IMAGE_FORMAT",
    "image.unreadable": "INVALID_IMAGE_FORMAT",
    "image.side": "INVALID_IMAGE_SIZE",
    "image.aspect": "INVALID_IMAGE_SIZE",
}
"""By the code of a finding; the others are INVALID_REQUEST_BODY."""
_URL = re.compile(r"https?://[^\s/]+", re.IGNORECASE)
_DATA_URI = re.compile(r"data:[\w.+/-]*(;[\w.+=-]+)*;base64,", re.IGNORECASE)


class Refusal(Exception):
    """A refusal in the contract's words. ``message`` never repeats a value that could be a secret."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message, self.status = reason, message, STATUS_OF[reason]

    def answer(self) -> JSONResponse:
        told = {"code": self.status, "reason": self.reason, "message": self.message}
        return JSONResponse({**told, "metadata": {}}, self.status)


@dataclass(frozen=True, slots=True)
class Served:
    """Where the server is, and the key to it."""

    base_url: str
    key: str = field(repr=False)


@contextmanager
def serving(client: Client, port: int = 0) -> Iterator[Served]:
    """The server, in a thread, while the block lasts. ``port`` 0 takes any. Raises ``KlingError`` when the port is taken."""
    key = f"local-{secrets.token_urlsafe(32)}"
    with listening(application(client, key), port) as taken:
        yield Served(f"http://127.0.0.1:{taken}", key)


def serve(
    client: Client,
    port: int = 0,
    *,
    on_ready: Callable[[Served], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve until Ctrl-C, a termination signal or ``stop``. ``on_ready`` gets the address and the key when the server answers."""
    stop = stop or threading.Event()
    with (
        contextlib.suppress(KeyboardInterrupt),
        terminated_as_interrupted(),
        serving(client, port) as served,
    ):
        client.watch()
        on_ready(served)
        while not stop.wait(0.5):  # in steps: on Windows an endless wait does not see Ctrl-C
            pass


def application(client: Client, key: str) -> ASGIApp:
    """The routes. ``key`` is what a Bearer header must carry; links to results need none, as a provider's: they cannot be guessed."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    bearer = [Depends(_needs(key))]

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> JSONResponse:
        return error.answer()

    @app.exception_handler(HTTPException)
    async def unrouted(_: Request, error: HTTPException) -> JSONResponse:
        return Refusal("API_NOT_FOUND", "api not found").answer()

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return Refusal("CREATE_TASK_FAILED", "the server failed").answer()

    @app.post(SUBMIT, dependencies=bearer)
    async def submit(request: Request) -> JSONResponse:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise _invalid(f"the body is larger than {BODY_LIMIT} bytes")
        job = await run_in_threadpool(_submitted, client, bytes(body))
        return JSONResponse({"task_id": job.job_id})

    @app.get(POLL, dependencies=bearer)
    def poll(request: Request) -> JSONResponse:
        task_id = request.query_params.get("task_id", "")
        if not task_id:
            raise _invalid("task_id: is required")
        try:
            job = client.record(task_id)
        except (NoSuchJob, ValueError):
            job = None
        if job is None or not job.owner.startswith(OWNER):
            raise Refusal("TASK_NOT_FOUND", "task not found")
        link = f"{str(request.base_url).rstrip('/')}/results/{job.job_id}-{_mark(key, job)}.mp4"
        return JSONResponse(answer(job, link))

    @app.get(BALANCE, dependencies=bearer)
    async def balance() -> JSONResponse:
        return JSONResponse(
            dict.fromkeys(BALANCES, "0")
        )  # drafts are free: there is nothing to have

    @app.get(BILLS, dependencies=bearer)
    async def bills(request: Request) -> JSONResponse:
        asked = request.query_params
        if asked.get("cycleType") not in CYCLES:
            raise _invalid(f"cycleType: must be {' or '.join(CYCLES)}")
        if not asked.get("productCategory"):
            raise _invalid("productCategory: is required")
        return JSONResponse({"bills": []})

    @app.api_route("/results/{name}.mp4", methods=["GET", "HEAD"])
    def result(name: str) -> FileResponse:
        job_id, _, mark = name.partition("-")
        with contextlib.suppress(NoSuchJob, ValueError):
            job = client.record(job_id)
            known = hmac.compare_digest(mark.encode(), _mark(key, job).encode())
            if known and job.video is not None and job.video.is_file():
                return FileResponse(job.video, media_type="video/mp4")
        raise HTTPException(404)

    return LoopbackOnly(app)


class LoopbackOnly:
    """Takes only requests whose Host header is this server's own name: a domain name rebound to the loopback carries another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        hosts = [
            value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"
        ]
        own = {f"{name}:{scope['server'][1]}" for name in ("127.0.0.1", "localhost", "[::1]")}
        no = Refusal("ACCESS_DENY", "this server answers to its loopback address only").answer()
        await (self._app if len(hosts) == 1 and hosts[0] in own else no)(scope, receive, send)


def read_submit(raw: bytes, folder: Path) -> MotionRequest:
    """The request in a body, its fields checked in the documented order; an image that came as base64 is written to ``folder``.

    Raises ``Refusal``, which names the first field that is wrong.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _invalid("the body is not JSON") from error
    if not isinstance(body, dict):
        raise _invalid("the body is not a JSON object")
    image, video = _text(body, "image").strip(), _text(body, "video").strip()
    if not _URL.match(image):
        (folder / "image").write_bytes(_decoded(image))
    if not _URL.match(video):
        raise _invalid("video: must be an http(s) URL")
    given: dict[str, Any] = {}
    for each in fields(MotionRequest):
        name, default = each.name, each.default
        if name in CHOICES:
            # The page calls them required *and* gives the model a default. What passes here, passes there.
            given[name] = _text(body, name)
            if given[name] not in CHOICES[name]:
                raise _invalid(f"{name}: must be {' or '.join(CHOICES[name])}")
        elif default is not MISSING:
            value = given[name] = body.get(name, default)
            if not isinstance(value, type(default)):
                kind = "boolean" if isinstance(default, bool) else "string"
                raise _invalid(f"{name}: must be a {kind}")
            if isinstance(value, str) and len(value) > TEXT_LIMIT:
                raise _invalid(f"{name}: at most {TEXT_LIMIT} characters, got {len(value)}")
    return MotionRequest(image if _URL.match(image) else folder / "image", video, **given)


def answer(job: Job, link: str) -> dict[str, Any]:
    """The documented answer to a poll. Additions stand in ``extra``: ``queue_position``, ``draft``."""
    moments = {"submit": job.created, "execute": job.processing_at, "complete": job.finished_at}
    # of a moment that is not there yet, 0: the provider's own client reads a number
    times = {f"{name}_time_ms": str(int((at or 0) * 1000)) for name, at in moments.items()}
    extra: dict[str, Any] = {
        "seed": "0",
        "enable_nsfw_detection": False,
        "debug_info": {"request_info": "", **times},
        "draft": True,  # a draft never passes for a result of the model
    }
    if job.place is not None:
        extra["queue_position"] = job.place
    done, trouble = job.state == "succeeded", job.trouble
    video = {"video_url": link, "video_url_ttl": str(LINK_SECONDS), "video_type": "mp4"}
    return {
        "extra": extra,
        "task": {
            "task_id": job.job_id,
            "status": STATUS_WORDS[job.state],
            "reason": (trouble.words or trouble.message) if trouble and job.done else "",
            "task_type": "LOCAL_DRAFT",
            "eta": 0 if job.done else max(1, round(job.eta or job.duration)),
            "progress_percent": 100 if done else min(99, job.progress or 0),
        },
        "images": [],
        "videos": [video] if done else [],
        "audios": [],
    }


def _submitted(client: Client, raw: bytes) -> Job:
    """The job of a submit. Raises ``Refusal``."""
    with tempfile.TemporaryDirectory() as name:
        request = read_submit(raw, Path(name))
        try:
            owner = f"{OWNER}{secrets.token_hex(8)}"
            return client.submit(request, owner=owner, draft=True).record
        except Refused as error:
            finding = error.report.errors[0]
            told = f"{finding.field}: {finding.title}: {finding.measured}"
            raise Refusal(REASON_OF.get(finding.code, "INVALID_REQUEST_BODY"), told) from error
        except Busy as error:
            raise Refusal("RATE_LIMIT_EXCEEDED", error.message) from error
        except KlingError as error:
            raise _invalid(f"{error.field or 'request'}: {error.message}") from error


def _mark(key: str, job: Job) -> str:
    """What makes a link to a result hard to guess."""
    return hmac.new(key.encode(), job.job_id.encode(), hashlib.sha256).hexdigest()


def _needs(key: str) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refusal("MISSING_API_KEY", "missing api key")
        if not hmac.compare_digest(given.strip().encode(), key.encode()):
            raise Refusal("INVALID_API_KEY", "invalid api key")

    return check


def _decoded(image: str) -> bytes:
    """Base64, raw or as a data URI: the page does not say which, so both are taken."""
    head = _DATA_URI.match(image)
    text = "".join(image[head.end() if head else 0 :].split())
    if len(text) > FILE_LIMIT * 4 // 3 + 4:
        raise Refusal("IMAGE_FILE_EXCEEDS_MAX_SIZE", f"image: at most {FILE_LIMIT} bytes")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("image: neither an http(s) URL nor base64") from error
    if not data:
        raise _invalid("image: is empty")
    return data


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None or value == "":
        raise _invalid(f"{name}: is required")
    if not isinstance(value, str):
        raise _invalid(f"{name}: must be a string")
    return value


def _invalid(message: str) -> Refusal:
    return Refusal("INVALID_REQUEST_BODY", message)
