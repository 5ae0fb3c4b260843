"""An ASGI application on a port of the loopback address, in a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from kling_utils.errors import KlingError


@contextlib.contextmanager
def listening(app: ASGIApp, port: int = 0) -> Iterator[int]:
    """Serve while the block lasts; the port. ``port`` 0 takes any. Raises ``KlingError`` when the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(128)
        except OSError as error:
            told = f"Port {port} cannot be used: {error.strerror}."
            raise KlingError(told, hint="Give another port, or 0 for any.") from error
        ready = threading.Event()

        class Announced(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                ready.set()

        config = uvicorn.Config(
            app,
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
        server = Announced(config)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="loopback", daemon=True
        )
        thread.start()
        ready.wait(10)
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(10)
