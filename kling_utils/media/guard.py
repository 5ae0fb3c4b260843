"""A GET to a stranger's address, safely.

Owns how an address that somebody typed is fetched: looked up once, every answer public, connected
to exactly that address with the name's own certificate, every redirect checked anew, and the bytes
capped, timed and looked at. Never sends a key, a cookie or anything from ``~/.netrc``. Address
policy: ``addresses``. Source of the pinning: ``HTTPAdapter`` of requests.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from kling_utils.errors import AddressRefused, KlingError, NoContact
from kling_utils.media.addresses import Address, Allowed, bare, parse, proxies_for, public
from kling_utils.media.names import part_name
from kling_utils.media.sniff import HEAD_BYTES, Kind, sniff

REDIRECTS = 4
AGENT = "motion-control-studio"
_TRIED = 3  # addresses of one name
_CHUNK = 64 * 1024
NETWORK_ERRORS = (requests.RequestException, HTTPError, OSError)
FULL = "the disk is full"

Resolve = Callable[..., list[Any]]
"""As ``socket.getaddrinfo``."""


class _NoQueries(logging.Filter):
    """Takes the queries out of what urllib3 logs: those of result links are signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(a.split("?")[0] if isinstance(a, str) else a for a in record.args)
        return True


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_NoQueries())


class NoAuth(AuthBase):
    """Sends no credentials, and says so: without it, requests would look for some."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        return request


class _Pinned(HTTPAdapter):
    """Connects to one address that was checked, under the name it was checked for: SNI, certificate and ``Host`` stay the name's."""

    def __init__(self, ip: str, address: Address) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self._ip, self._address = ip, address
        self._sockets: list[socket.socket] = []

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host: Any
        kept: Any
        host, kept = super().build_connection_pool_key_attributes(request, verify, cert)
        if self._address.scheme == "https":
            kept |= {"server_hostname": self._address.host, "assert_hostname": self._address.host}
        return host | {"host": self._ip}, kept

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        base, sockets = pool.ConnectionCls, self._sockets

        class Held(base):  # type: ignore[misc, valid-type]
            def _new_conn(self) -> Any:
                sockets.append(sock := super()._new_conn())
                return sock

            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)  # over TLS it is another one

        pool.ConnectionCls = Held
        return pool

    def abort(self) -> None:
        """End whatever is under way: a server that drips bytes would otherwise never run into a read time-out."""
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Guard:
    """Fetches from addresses that strangers gave.

    ``allow`` holds hosts that may be private: ``host`` or ``host:port`` (the setting ``KLING_ALLOW_PRIVATE_HOSTS``). ``proxies`` are used
    for https, which passes through them to the address that was checked; plain http goes directly. ``verify``: True or a file of
    certificates.
    """

    def __init__(
        self,
        *,
        allow: frozenset[str] = frozenset(),
        resolve: Resolve = socket.getaddrinfo,
        clock: Callable[[], float] = time.monotonic,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self._allowed, self._resolve, self._clock, self._verify = (
            Allowed(allow),
            resolve,
            clock,
            verify,
        )
        self._proxies = {
            scheme: proxy for scheme, proxy in (proxies or {}).items() if scheme in ("https", "no")
        }

    @contextlib.contextmanager
    def open(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: tuple[float, float] = (8.0, 30.0),
        total: float | None = None,
    ) -> Iterator[requests.Response]:
        """The streamed answer, whatever its status, after at most ``REDIRECTS`` redirects.

        ``timeout`` is (connect, read), ``total`` for all of it, in seconds. Raises ``AddressRefused`` and ``NoContact``.
        """
        with contextlib.ExitStack() as stack:
            live: list[_Pinned] = []
            expired = threading.Event()
            if total is not None:
                timer = threading.Timer(total, _expire, (expired, live))
                timer.daemon = True
                timer.start()
                stack.callback(timer.cancel)
            try:
                for _ in range(REDIRECTS + 1):
                    response = self._ask(url.strip(), headers or {}, timeout, stack, live, expired)
                    if not response.is_redirect:
                        break
                    url = requests.compat.urljoin(url, response.headers["Location"])
                else:
                    raise AddressRefused(
                        f"{bare(url)} redirects more than {REDIRECTS} times.",
                        hint="Give the address it ends at.",
                    )
                yield response
                if expired.is_set():  # what was cut off may look like an end
                    raise NoContact("")
            except (NoContact, AddressRefused):
                if expired.is_set():
                    raise NoContact(
                        f"{bare(url)} did not finish within {total:.0f} s.",
                        hint="Try again, or another host.",
                    ) from None
                raise

    def _ask(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
        stack: contextlib.ExitStack,
        live: list[_Pinned],
        expired: threading.Event,
    ) -> requests.Response:
        address = parse(url, self._allowed)
        fixed = {
            "Accept-Encoding": "identity",
            "User-Agent": AGENT,
            "Connection": "close",
            "Accept": "*/*",
        }
        try:
            request = requests.Request(
                "GET", url, headers=fixed | dict(headers), auth=NoAuth()
            ).prepare()
            address = parse(
                request.url or "", self._allowed
            )  # as it will be sent: international names encoded
        except (requests.RequestException, UnicodeError):
            raise AddressRefused("The address is malformed.", hint="Copy it again.") from None
        request.headers["Host"] = address.netloc
        failure = "no connection"
        proxies = {} if address in self._allowed else proxies_for(request.url or "", self._proxies)
        for ip in self._addresses(address)[:_TRIED]:
            adapter = _Pinned(ip, address)
            stack.callback(adapter.close)
            live.append(adapter)
            if expired.is_set():
                break
            try:
                response = adapter.send(
                    request, stream=True, timeout=timeout, verify=self._verify, proxies=proxies
                )
            except requests.exceptions.SSLError:
                failure = "its certificate is not valid for that name, or not trusted"
            except requests.exceptions.ConnectTimeout:
                failure = f"no connection within {timeout[0]:.0f} s"
            except requests.exceptions.ReadTimeout:
                failure = f"no answer within {timeout[1]:.0f} s"
                break
            except (*NETWORK_ERRORS, ValueError):
                failure = "the connection failed or broke"
            else:
                stack.callback(response.close)
                return response
        # Without their cause: the texts of the network libraries repeat the whole address, with its signature.
        raise NoContact(
            f"{bare(url)} could not be fetched: {failure}.",
            hint="Check the address, and try again.",
        ) from None

    def _addresses(self, address: Address) -> list[str]:
        """Every address of the name, looked up this once. All must be public: a mixed answer is an attempt to get in."""
        try:
            answers = self._resolve(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NoContact(
                f"The name {address.host} has no address.",
                hint="Check the spelling, and the network.",
            ) from None
        ips = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        if not ips:
            raise NoContact(f"The name {address.host} has no address.", hint="Check the spelling.")
        if address not in self._allowed and not all(public(ip) for ip in ips):
            raise AddressRefused(
                f"{address.host} is not on the public internet.",
                hint="Use a public address; to allow a private host, name it in KLING_ALLOW_PRIVATE_HOSTS.",
            )
        return ips

    def fetch(
        self,
        url: str,
        dest: Path,
        *,
        max_bytes: int,
        kinds: tuple[Literal["image", "video"], ...] = ("image", "video"),
        total_timeout: float = 120.0,
    ) -> Path:
        """Save the file behind ``url`` as ``dest``: whole, of a wanted kind by its first bytes, at most ``max_bytes``. Returns ``dest``.

        Raises ``AddressRefused`` (policy, status, size, kind), ``NoContact``, and ``KlingError`` when it cannot be written.
        """
        deadline = self._clock() + total_timeout
        part = part_name(dest)
        try:
            with self.open(url, total=total_timeout) as response, part.open("xb") as file:
                refuse_status(response, url)
                told = length(response)
                if told is not None and told > max_bytes:
                    raise _too_large(url, max_bytes)
                head = b""
                for chunk in chunks(response, url):
                    if self._clock() > deadline:
                        raise NoContact(
                            f"{bare(url)} did not finish within {total_timeout:.0f} s.",
                            hint="Try again, or another host.",
                        )
                    if (
                        len(head) < HEAD_BYTES
                        and len(head := head + chunk[:HEAD_BYTES]) >= HEAD_BYTES
                    ):
                        refuse_kind(head, url, kinds, response)
                    file.write(chunk)
                    if file.tell() > max_bytes:
                        raise _too_large(url, max_bytes)
                if len(head) < HEAD_BYTES:
                    refuse_kind(head, url, kinds, response)
                if told is not None and file.tell() != told:
                    raise NoContact(
                        f"{bare(url)} broke off after {file.tell()} of {told} bytes.",
                        hint="Try again.",
                    )
            os.replace(part, dest)
        except OSError as error:
            if isinstance(error, KlingError):  # NoContact is one, too
                raise
            why = unwritten(error)
            hint = (
                "Free some space, and try again."
                if why == FULL
                else "Look at the disk that it is saved on, and try again."
            )
            raise KlingError(f"{bare(url)} could not be saved: {why}.", hint=hint) from error
        finally:
            part.unlink(missing_ok=True)
        return dest


def _expire(expired: threading.Event, live: list[_Pinned]) -> None:
    expired.set()
    for adapter in list(live):
        adapter.abort()


def chunks(response: requests.Response, url: str) -> Iterator[bytes]:
    """The body as it arrives, decoded. Raises ``NoContact`` when it breaks off.

    ``read1`` and not ``iter_content``, which would hold bytes back until a whole chunk is there.
    """
    while True:
        try:
            chunk = response.raw.read1(_CHUNK, decode_content=True)
        except (*NETWORK_ERRORS, ValueError):
            raise NoContact(f"{bare(url)} broke off.", hint="Try again.") from None
        if not chunk:
            return
        yield chunk


def unwritten(error: OSError) -> str:
    """Why a file could not be written, without the paths of this machine."""
    return (
        FULL
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else error.strerror or type(error).__name__
    )


def length(response: requests.Response) -> int | None:
    """Bytes of the body as told, or None. Not told at all where the body is encoded: the number would count something else."""
    told = response.headers.get("Content-Length", "")
    encoded = response.headers.get("Content-Encoding", "identity").strip().lower() not in (
        "",
        "identity",
    )
    return int(told) if told.isascii() and told.isdigit() and not encoded else None


def refuse_status(response: requests.Response, url: str) -> None:
    """Raise for anything but 200 and 206."""
    status = response.status_code
    if status in (200, 206):
        return
    if status >= 500 or status in (408, 429):
        raise NoContact(f"{bare(url)} answered HTTP {status}.", hint="Try again later.")
    raise AddressRefused(
        f"{bare(url)} answered HTTP {status}.",
        hint="It must open without logging in: try it in a private window.",
    )


def refuse_kind(head: bytes, url: str, kinds: tuple[str, ...], response: requests.Response) -> Kind:
    """The kind of the file that begins with ``head``; raises ``AddressRefused`` when it is not among ``kinds``."""
    found = sniff(head)
    family = "image" if found.family == "heif" else found.family
    if family in kinds:
        return found
    page = found.phrase == "a saved web page" or response.headers.get(
        "Content-Type", ""
    ).lower().startswith("text/html")
    what = "a web page" if page else "empty" if not head else found.phrase
    raise AddressRefused(
        f"{bare(url)} is not {' or '.join(_WANTED[k] for k in kinds)}: what it serves is {what}.",
        hint="Give an address that ends at the file itself, and opens without logging in.",
    )


_WANTED = {"image": "a picture", "video": "a video file"}


def _too_large(url: str, max_bytes: int) -> AddressRefused:
    return AddressRefused(
        f"{bare(url)} is larger than {max_bytes / 2**20:.0f} MB.", hint="Give a smaller file."
    )
