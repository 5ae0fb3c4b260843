"""A provider that can be told to misbehave: real HTTP on 127.0.0.1, scripted through ``ServerState``, with counters to assert on.

    with ScriptedNovita() as server:
        server.state.submits.append(Stall())      # the next submit gets no answer
        ...
        assert server.state.submit_count == 1

Left alone it keeps the documented contract. Every kind of request (submit, poll, balance, each file) has a queue of acts; an act is used
up by one request, and an empty queue means the documented answer.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import struct
import threading
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

SUBMIT = "/v3/async/kling-v3.0-motion-control"
POLL = "/v3/async/task-result"
BALANCE = "/openapi/v1/billing/balance/detail"
BILLS = "/openapi/v1/billing/bill/list"
SIGNATURE = "X-Signature=0badc0ffee0ddf00d"
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41" + bytes(range(256)) * 800
"""Begins as a video does, 204,824 bytes; does not play."""


@dataclass
class Reply:
    """Answer this. A dict is sent as JSON."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Stall:
    """Read the request and say nothing until the server closes (or the client gives up)."""


@dataclass
class Reset:
    """Read the request and reset the connection."""


@dataclass
class HangUp:
    """Read the request and close the connection without an answer."""


@dataclass
class CutAfter:
    """Files only: promise all of it, send so many bytes of the body, and close."""

    sent: int


@dataclass
class Hold:
    """Submits only: say that the request ``arrived``, and answer as documented when told to ``answer``."""

    arrived: threading.Event = field(default_factory=threading.Event)
    answer: threading.Event = field(default_factory=threading.Event)


Act = Reply | Stall | Reset | HangUp | CutAfter | Hold


@dataclass
class File:
    """Something that is served. ``told_length`` is a lie about its length; ``ranges`` False ignores ``Range``."""

    data: bytes = MP4
    etag: str = '"v1"'
    ranges: bool = True
    content_type: str = "video/mp4"
    told_length: int | None = None
    acts: deque[Act] = field(default_factory=deque)


@dataclass
class Seen:
    """One request as it arrived. ``nth`` counts the requests on its connection, from 1."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    nth: int
    body: bytes = field(default=b"", repr=False)


@dataclass
class ServerState:
    key: str = "sk-scripted-0123456789abcdef"
    submits: deque[Act] = field(default_factory=deque)
    polls: deque[Act] = field(default_factory=deque)
    balances: deque[Act] = field(default_factory=deque)
    statuses: list[str] = field(
        default_factory=lambda: [
            "TASK_STATUS_QUEUED",
            "TASK_STATUS_PROCESSING",
            "TASK_STATUS_SUCCEED",
        ]
    )
    """What the polls of a task say, one after the other; the last one stays."""
    reason: str = ""
    """Of a task that failed."""
    video: bytes = MP4
    """The result of every task made from now on."""
    balance: dict[str, Any] = field(
        default_factory=lambda: {
            "availableBalance": "125000",
            "cashBalance": "100000",
            "creditLimit": "25000",
            "outstandingInvoices": "0",
        }
    )
    bills: Any = field(default_factory=list)
    """Lines of the bill, as ``bill`` makes them; anything else is answered as it is."""
    files: dict[str, File] = field(default_factory=dict)
    """By path. Results and uploads are put here too."""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Bodies of the submits that made a task, by its id."""
    seen: list[Seen] = field(default_factory=list)
    submit_count: int = 0
    """Submits that arrived, whatever became of them."""
    poll_count: int = 0
    balance_count: int = 0
    bill_count: int = 0
    gets: Counter[str] = field(default_factory=Counter)
    """Requests for files, by path."""
    polled: Counter[str] = field(default_factory=Counter)


class ScriptedNovita:
    """The server, in a thread; ``base_url`` is where, ``state`` what it does and saw. A context manager."""

    def __init__(
        self, state: ServerState | None = None, *, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.state = state or ServerState()
        self.released = threading.Event()
        self.lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), _handler_of(self))
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._http.server_address[1])
        self.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def key(self) -> str:
        return self.state.key

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.end_connections()  # also those that are kept open between two requests
        self._http.server_close()
        self._thread.join(5)

    def serve(self, path: str, file: File) -> str:
        """Put a file at ``path``; its address, signed as those of storage hosts are."""
        self.state.files[path] = file
        return f"{self.base_url}{path}?{SIGNATURE}"

    def sent(self, method: str, path: str) -> list[Seen]:
        """The requests of that kind, in order."""
        return [s for s in self.state.seen if s.method == method and s.path == path]


def task_answer(
    task_id: str, status: str, *, reason: str = "", videos: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A poll's answer with every documented field."""
    return {
        "extra": {
            "seed": "1",
            "enable_nsfw_detection": False,
            "debug_info": {
                "request_info": "",
                "submit_time_ms": "1",
                "execute_time_ms": "2",
                "complete_time_ms": "3",
            },
        },
        "task": {
            "task_id": task_id,
            "status": status,
            "reason": reason,
            "task_type": "KLING_V3_MOTION_CONTROL",
            "eta": 60 if status in ("TASK_STATUS_QUEUED", "TASK_STATUS_PROCESSING") else 0,
            "progress_percent": 100
            if status == "TASK_STATUS_SUCCEED"
            else 40
            if status == "TASK_STATUS_PROCESSING"
            else 0,
        },
        "images": [],
        "videos": videos or [],
        "audios": [],
    }


def bill(
    hour: float, amount: str, product: str = "kling-v3.0-motion-control-std"
) -> dict[str, Any]:
    """A line of the bill for the hour that the Unix time ``hour`` is in; ``amount`` in USD."""
    start, units = int(hour // 3600) * 3600, str(int(Decimal(amount) * 10000))
    return {
        "startTime": str(start),
        "endTime": str(start + 3600),
        "billingMethod": 1,
        "productName": product,
        "category": "gen_api",
        "ownerID": "owner",
        "billNum0": "1000",
        "billNum1": "0",
        "basePrice0": "0",
        "basePrice1": "0",
        "discountPrice0": "0",
        "discountPrice1": "0",
        "amount": units,
        "voucherAmount": "0",
        "payAmount": units,
        "payAmountDisplay": 1,
        "pricePrecision": 1,
        "productId": "p1",
    }


def refusal(status: int, reason: str, message: str = "") -> Reply:
    """The documented form of an error."""
    return Reply(
        status,
        {
            "code": status,
            "reason": reason,
            "message": message or reason.lower().replace("_", " "),
            "metadata": {},
        },
    )


def invalid(body: Any) -> str:
    """What the contract has against a submit's body, or nothing."""
    if not isinstance(body, dict):
        return "the body is not a JSON object"
    for name in ("image", "video", "model_name", "character_orientation"):
        if not isinstance(body.get(name), str) or not body[name]:
            return f"{name}: is required"
    if not body["video"].startswith(("http://", "https://")):
        return "video: must be a URL"
    for name, allowed in (
        ("model_name", ("kling-v3-0-std", "kling-v3-0-pro")),
        ("character_orientation", ("image", "video")),
    ):
        if body[name] not in allowed:
            return f"{name}: must be {' or '.join(allowed)}"
    if not isinstance(body.get("keep_original_sound", True), bool):
        return "keep_original_sound: must be a boolean"
    for name in ("prompt", "negative_prompt"):
        if not isinstance(body.get(name, ""), str) or len(body.get(name, "")) > 2500:
            return f"{name}: at most 2500 characters"
    return ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


class _End(Exception):
    """The connection was dealt with."""


def _handler_of(server: ScriptedNovita) -> type[BaseHTTPRequestHandler]:
    state = server.state

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        nth = 0

        def setup(self) -> None:
            self.request.settimeout(30)
            if isinstance(self.request, ssl.SSLSocket):
                self.request.do_handshake()
            super().setup()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            self._run("POST")

        def do_GET(self) -> None:
            self._run("GET")

        def _run(self, method: str) -> None:
            parts = urlsplit(self.path)
            body = self._body()
            self.nth += 1
            with server.lock:
                headers = {name.lower(): value for name, value in self.headers.items()}
                state.seen.append(Seen(method, parts.path, parts.query, headers, self.nth, body))
            try:
                self._route(method, parts.path, parse_qs(parts.query), body)
            except _End:
                self.close_connection = True

        def _body(self) -> bytes:
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length)

        def _route(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> None:
            if method == "POST" and path == SUBMIT:
                with server.lock:
                    state.submit_count += 1
                    act = state.submits.popleft() if state.submits else None
                if isinstance(act, Hold):
                    act.arrived.set()
                    act.answer.wait(30)
                    act = None
                self._do(act) if act else self._authorised(lambda: self._submit(body))
            elif method == "GET" and path == POLL:
                with server.lock:
                    state.poll_count += 1
                    act = state.polls.popleft() if state.polls else None
                self._do(act) if act else self._authorised(
                    lambda: self._poll((query.get("task_id") or [""])[0])
                )
            elif method == "GET" and path == BALANCE:
                with server.lock:
                    state.balance_count += 1
                    act = state.balances.popleft() if state.balances else None
                self._do(act) if act else self._authorised(lambda: Reply(200, state.balance))
            elif method == "GET" and path == BILLS:
                with server.lock:
                    state.bill_count += 1
                self._authorised(lambda: self._bills({k: v[0] for k, v in query.items()}))
            elif method == "GET" and path in state.files:
                with server.lock:
                    state.gets[path] += 1
                    file = state.files[path]
                    act = file.acts.popleft() if file.acts else None
                self._file(file, act)
            else:
                self._do(refusal(404, "API_NOT_FOUND", "there is no such route"))

        def _authorised(self, answer: Any) -> None:
            scheme, _, key = self.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or not key:
                self._do(refusal(400, "MISSING_API_KEY", "missing api-key"))
            elif key != state.key:
                self._do(refusal(403, "INVALID_API_KEY", "invalid api-key"))
            else:
                self._do(answer())

        def _submit(self, body: bytes) -> Reply:
            try:
                asked = json.loads(body)
            except ValueError:
                asked = None
            if problem := invalid(asked):
                return refusal(400, "INVALID_REQUEST_BODY", problem)
            task_id = str(uuid.uuid4())
            state.tasks[task_id] = asked
            state.files.setdefault(f"/results/{task_id}.mp4", File(state.video))
            return Reply(200, {"task_id": task_id})

        def _poll(self, task_id: str) -> Reply:
            if not task_id:
                return refusal(400, "INVALID_REQUEST_BODY", "task_id: is required")
            if task_id not in state.tasks:
                return refusal(404, "TASK_NOT_FOUND", "task not found")
            with server.lock:
                status = state.statuses[min(state.polled[task_id], len(state.statuses) - 1)]
                state.polled[task_id] += 1
            link = f"{server.base_url}/results/{task_id}.mp4?{SIGNATURE}"
            videos = (
                [{"video_url": link, "video_url_ttl": "3600", "video_type": "mp4"}]
                if status == "TASK_STATUS_SUCCEED"
                else []
            )
            reason = state.reason if status == "TASK_STATUS_FAILED" else ""
            return Reply(200, task_answer(task_id, status, reason=reason, videos=videos))

        def _bills(self, asked: dict[str, str]) -> Reply:
            if asked.get("cycleType") not in ("Hour", "Day", "Week", "Month"):
                return refusal(400, "INVALID_REQUEST_BODY", "cycleType: is required")
            if not asked.get("productCategory"):
                return refusal(400, "INVALID_REQUEST_BODY", "productCategory: is required")
            start, end = int(asked.get("startTime", 0)), int(asked.get("endTime", 2**40))
            if end - start > 31 * 86400:
                return refusal(400, "INVALID_REQUEST_BODY", "at most 31 days")
            if not isinstance(state.bills, list):
                return Reply(200, {"bills": state.bills})
            hours = [
                b for b in state.bills if int(b["startTime"]) < end and start < int(b["endTime"])
            ]
            return Reply(200, {"bills": hours})

        def _file(self, file: File, act: Act | None) -> None:
            if act is not None and not isinstance(act, CutAfter):
                self._do(act)
                return
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start, end, total = 0, len(file.data), len(file.data)
            condition = self.headers.get("If-Range")
            status = 200
            if wanted and file.ranges and condition in (None, file.etag):
                start = int(wanted[1])
                if start >= total:
                    self._do(Reply(416, b"", {"Content-Range": f"bytes */{total}"}))
                    return
                end = min(total, int(wanted[2]) + 1) if wanted[2] else total
                status = 206
            part = file.data[start:end]
            self.send_response(status)
            self.send_header("Content-Type", file.content_type)
            self.send_header(
                "Content-Length",
                str(file.told_length if file.told_length is not None else len(part)),
            )
            if file.etag:
                self.send_header("ETag", file.etag)
            if file.ranges:
                self.send_header("Accept-Ranges", "bytes")
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{total}")
            self.end_headers()
            self.wfile.write(part[: act.sent] if act else part)
            if act or file.told_length is not None:
                raise _End

        def _do(self, act: Act) -> None:
            match act:
                case Stall():
                    server.released.wait(30)
                    raise _End
                case Reset():
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    raise _End
                case HangUp() | CutAfter():
                    raise _End
                case Reply(status=status, body=body, headers=headers):
                    kind = "application/json" if isinstance(body, dict | list) else "text/html"
                    data = (
                        json.dumps(body).encode()
                        if isinstance(body, dict | list)
                        else (body or b"")
                    )
                    data = data.encode() if isinstance(data, str) else data
                    self.send_response(status)
                    for name, value in {
                        "Content-Type": kind,
                        "Content-Length": str(len(data)),
                        **headers,
                    }.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)

    return Handler
