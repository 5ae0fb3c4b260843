"""The loopback server of a home: found when it runs, started when it does not, one at a time.

Owns the lock, the key and the address file in ``home/local``, and the thread that serves. Refuses to know routes and tasks beyond
starting them. When the process that serves is gone, the lock is free, and the next one that asks takes over, with all tasks.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from kling_utils.errors import KlingError, NoContact
from kling_utils.local import key as keys
from kling_utils.local.files import UPLOAD_LIMIT, write_atomic
from kling_utils.local.rendering import RUN_LIMIT, WORKER
from kling_utils.media.signals import terminated_as_interrupted

PATIENCE = 20.0  # seconds that another process may take from the lock to the first answer
_ASK = 2.0  # seconds for an answer on the loopback; long because both cores may be rendering
_BASE_URL = re.compile(r"http://127\.0\.0\.1:(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server of a home is, and the key to it."""

    base_url: str
    key: str = field(repr=False)


class Server:
    """A running server, owned by this process. Made by ``ensure`` and ``serve``; ``close`` ends it and lets another take over."""

    def __init__(
        self, endpoint: Endpoint, stop: Callable[[], None], alive: Callable[[], bool]
    ) -> None:
        self.endpoint, self._stop, self._alive, self._pid = endpoint, stop, alive, os.getpid()

    @property
    def ours(self) -> bool:
        """False in a forked child: it has inherited the variable, but neither the thread nor the lock."""
        return self._pid == os.getpid()

    @property
    def alive(self) -> bool:
        return self.ours and self._alive()

    def close(self) -> None:
        if self.ours:
            self._stop()


_servers: dict[Path, Server] = {}
_guard = threading.RLock()


def ensure(
    home: Path,
    *,
    allow: frozenset[str] = frozenset(),
    command: Sequence[str] = WORKER,
    run_limit: float = RUN_LIMIT,
    upload_limit: int = UPLOAD_LIMIT,
    wait: Callable[[float], object] | None = None,
    patience: float = PATIENCE,
) -> Endpoint:
    """The server of this home: the one that runs, or a new one in a thread of this process.

    Cheap when one runs, so ask again before each call: it may have moved. The options count only when a server is started here:
    ``allow`` for the guard of addresses, ``command`` of the engine.
    Raises ``NoContact`` when another process holds the home for ``patience`` seconds without answering.
    """
    wait = wait or threading.Event().wait
    home = home.resolve()
    with _guard:
        mine = _servers.get(home)
        if mine is not None and mine.alive:
            return mine.endpoint
        if mine is not None:
            mine.close()
            del _servers[home]
        deadline = time.monotonic() + patience
        while True:
            if (found := find(home)) is not None:
                return found
            with contextlib.suppress(Timeout):
                server = _start(home, 0, allow, command, run_limit, upload_limit)
                _servers[home] = server
                return server.endpoint
            if time.monotonic() > deadline:
                raise NoContact(
                    "The local server of this home does not answer.",
                    hint="End the other process that uses it, and try again.",
                )
            wait(0.05)


def serve(
    home: Path,
    port: int = 0,
    *,
    on_ready: Callable[[Endpoint], None],
    allow: frozenset[str] = frozenset(),
    command: Sequence[str] = WORKER,
    stop: threading.Event | None = None,
) -> None:
    """Serve until Ctrl-C, a termination signal or ``stop``. ``port`` 0 takes the port of last time, or any.

    ``on_ready`` gets the endpoint, key included, when the server answers. Raises ``KlingError`` when this home is being served already,
    and when the port is taken.
    """
    home, stop = home.resolve(), stop or threading.Event()
    with _guard:
        try:
            server = _start(home, port, allow, command, RUN_LIMIT, UPLOAD_LIMIT)
        except Timeout:
            running = find(home)
            at = f" at {running.base_url}" if running else ""
            raise KlingError(
                f"This home already has a local server{at}.", hint="Use that one, or end it first."
            ) from None
        except OSError as error:
            raise KlingError(
                f"Port {port} cannot be used: {error.strerror}.",
                hint="Give another port, or 0 for any.",
            ) from error
        _servers[home] = server
    try:
        with terminated_as_interrupted():
            on_ready(server.endpoint)
            # in steps: on Windows an endless wait does not see Ctrl-C
            while server.alive and not stop.wait(0.5):
                pass
    except KeyboardInterrupt:
        pass
    finally:
        close(home)


def find(home: Path) -> Endpoint | None:
    """The running server of this home, or None. The key is not sent: the server has to prove that it knows it."""
    folder = home / "local"
    port, key = _last_port(folder), keys.read(folder)
    if not port or key is None:
        return None
    challenge = secrets.token_hex(16)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK)
    try:
        connection.request("GET", f"/local/alive?challenge={challenge}")
        said = json.loads(connection.getresponse().read(4096))["proof"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
    known = secrets.compare_digest(str(said).encode(), keys.proof(key, port, challenge).encode())
    return Endpoint(f"http://127.0.0.1:{port}", key) if known else None


def close(home: Path | None = None) -> None:
    """End the server of this home, or all, that this process runs. Unfinished tasks stay for the next one."""
    with _guard:
        for place in [home.resolve()] if home is not None else list(_servers):
            if (server := _servers.pop(place, None)) is not None:
                server.close()


def _start(
    home: Path,
    port: int,
    allow: frozenset[str],
    command: Sequence[str],
    run_limit: float,
    upload_limit: int,
) -> Server:
    """Take the lock and serve from a thread. Raises ``filelock.Timeout`` when the lock is another's, ``OSError`` when the port is."""
    folder = home / "local"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as undo:
        lock = FileLock(folder / "lock", timeout=0, thread_local=False)
        lock.acquire()
        undo.callback(lock.release)
        # Late: half a second of imports that a process which only finds a server does not need.
        import uvicorn

        from kling_utils.local import routes
        from kling_utils.local.files import Uploads
        from kling_utils.local.tasks import Tasks

        key = keys.make(folder)
        listener = _listen(port, _last_port(folder))
        undo.callback(listener.close)
        uploads = Uploads(folder / "uploads", key, limit=upload_limit)
        tasks = Tasks(folder / "tasks", uploads, command=command, allow=allow, run_limit=run_limit)
        undo.callback(tasks.close)
        ready = threading.Event()

        class Announced(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                ready.set()

        config = uvicorn.Config(
            routes.build(tasks, uploads, key),
            lifespan="off",
            http="h11",
            ws="none",
            loop="asyncio",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        web = Announced(config)
        thread = threading.Thread(
            target=web.run, args=([listener],), name="kling-local-server", daemon=True
        )
        thread.start()

        def end() -> None:
            web.should_exit = True
            thread.join(10)

        undo.callback(end)
        if not ready.wait(10):
            raise NoContact("The local server did not start.", hint="Try again; the log says more.")
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        write_atomic(folder / "server.json", json.dumps({"base_url": base_url, "pid": os.getpid()}))
        tasks.start()
        return Server(Endpoint(base_url, key), undo.pop_all().close, thread.is_alive)


def _listen(port: int, last: int) -> socket.socket:
    """A listening socket on the port asked for, or else on the last one, so that links outlive a change of servers, or else on any."""
    for choice in [port] if port else [last, 0] if last else [0]:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if sys.platform != "win32":  # there it would let two servers share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", choice))
            listener.listen(128)
        except OSError:
            listener.close()
            if choice in (port, 0):
                raise
        else:
            return listener
    raise AssertionError("one of the choices is returned or raised")


def _last_port(folder: Path) -> int:
    """The port in the address file, or 0."""
    try:
        kept = json.loads((folder / "server.json").read_text(encoding="utf-8"))["base_url"]
        address = _BASE_URL.fullmatch(kept)
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    port = int(address[1]) if address else 0
    return port if port < 65536 else 0


atexit.register(close)
