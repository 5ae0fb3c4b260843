"""GET requests to addresses that strangers gave, safely.

A name is looked up once, every answer must be public, and the connection goes to exactly that
address, under the name's own certificate. Every redirect is checked again. The bytes are capped,
timed and sniffed. No key, no cookie and nothing from ``~/.netrc`` is sent. Source of the pinning:
``HTTPAdapter`` of requests.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import ipaddress
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from kling_utils.errors import AddressRefused, KlingError, NoContact
from kling_utils.media.files import atomic_write
from kling_utils.media.sniff import HEAD_BYTES, Kind, sniff

REDIRECTS = 4
AGENT = "motion-control-studio"
NETWORK_ERRORS = (requests.RequestException, HTTPError, OSError)
FULL = "the disk is full"
PORTS = {"http": 80, "https": 443}
_LONGEST = 8000  # characters of an address; signed ones reach about 2000
_TRIED = 3  # addresses of one name
_CHUNK = 64 * 1024

Resolve = Callable[..., list[Any]]
"""As ``socket.getaddrinfo``."""

PLAYERS: dict[str, str] = {
    "youtube.com": "YouTube",
    "youtu.be": "YouTube",
    "youtube-nocookie.com": "YouTube",
    "tiktok.com": "TikTok",
    "douyin.com": "Douyin",
    "instagram.com": "Instagram",
    "instagr.am": "Instagram",
    "facebook.com": "Facebook",
    "fb.watch": "Facebook",
    "vimeo.com": "Vimeo",
    "x.com": "X",
    "twitter.com": "X",
    "bilibili.com": "Bilibili",
}
"""Sites that show a video in a page and do not serve the file. They are never contacted."""
# A translated address can lead anywhere behind its translator: NAT64, 6to4 and its relays.
_TRANSLATED = tuple(
    ipaddress.ip_network(n)
    for n in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "192.88.99.0/24")
)


# -- addresses -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address that decide where a connection goes."""

    scheme: str
    host: str
    """Lower case, without brackets."""
    port: int

    @property
    def netloc(self) -> str:
        """For the ``Host`` header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def bare(url: str) -> str:
    """The form in which an address is shown: no user, query or fragment, at most 120 characters."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "the address"
    return f"{parts.scheme}://{host}{parts.path}"[:120] if host else "the address"


def without_queries(text: str) -> str:
    """``text`` with no user and no query in its addresses: a signature is a credential."""
    text = re.sub(r"(https?://)[^\s/@?#\"'<>]+@", r"\1", text, flags=re.IGNORECASE)
    return re.sub(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*", r"\1", text, flags=re.IGNORECASE)


def public(ip: str) -> bool:
    """True for an IP address on the public internet.

    Carrier NAT, loopback, link-local, mapped, translated and multicast addresses are not.
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped or address.teredo or address.is_site_local
    ):
        return False
    if any(address.version == network.version and address in network for network in _TRANSLATED):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
    )


class Allowed:
    """Hosts that may be private: ``host`` (any port, also http) or ``host:port``."""

    def __init__(self, entries: frozenset[str]) -> None:
        self._entries = frozenset(_host_and_port(e.strip().lower()) for e in entries if e.strip())

    def __contains__(self, address: object) -> bool:
        return isinstance(address, Address) and bool(
            {(address.host, None), (address.host, address.port)} & self._entries
        )


def _host_and_port(entry: str) -> tuple[str, int | None]:
    bracketed, plain = r"\[(.+)\](?::(\d+))?", r"([^:]+)(?::(\d+))?"
    match = re.fullmatch(bracketed, entry) or re.fullmatch(plain, entry)
    if match is None:  # an IPv6 address without brackets
        return entry, None
    return match[1], int(match[2]) if match[2] else None


def _belongs(host: str, site: str) -> bool:
    return host == site or host.endswith(f".{site}")


def proxies_for(url: str, proxies: Mapping[str, str]) -> dict[str, str]:
    """Those of ``proxies``, as urllib gives them, that a request to ``url`` goes through."""
    host = (urlsplit(url).hostname or "").lower()
    spared = (each.strip().lstrip(".").lower() for each in proxies.get("no", "").split(","))
    direct = any(each == "*" or _belongs(host, each) for each in spared if each)
    if direct or host in ("127.0.0.1", "localhost", "::1"):
        return {}
    return {scheme: proxy for scheme, proxy in proxies.items() if scheme != "no"}


def parse(url: str, allowed: Allowed) -> Address:
    """Where ``url`` leads. Makes no contact. Raises ``AddressRefused`` where policy forbids it."""
    if len(url) > _LONGEST or re.search(r"[\x00-\x20\x7f\\]", url):
        raise AddressRefused(
            "The address is malformed.",
            hint="Copy it again; an address has no blanks or backslashes in it.",
        )
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise AddressRefused("The address is malformed.", hint="Copy it again.") from None
    if scheme not in PORTS or not host:
        raise AddressRefused(
            f"{bare(url)} is not a web address.", hint="Give an address that begins with https://."
        )
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(
            f"{bare(url)} carries a user name or password.",
            hint="Give an address that opens without logging in.",
        )
    address = Address(scheme, host, port or PORTS[scheme])
    if address in allowed:
        return address
    _refuse_pages(url, host)
    if address.port not in PORTS.values():
        raise AddressRefused(
            f"{bare(url)} uses port {address.port}; only 80 and 443 are fetched.",
            hint="Put the file on an ordinary https address, or name the host in "
            "KLING_ALLOW_PRIVATE_HOSTS.",
        )
    return address


def _refuse_pages(url: str, host: str) -> None:
    if name := next((name for site, name in PLAYERS.items() if _belongs(host, site)), None):
        raise AddressRefused(
            f"This is a {name} page, not a video file.",
            hint="Give the clip as a file that you have the right to use, or an address that ends "
            "at the file itself.",
        )
    share = share_of(url)
    if share is not None and share.direct(urlsplit(url)) != url:
        raise AddressRefused(
            f"This is a {share.name} share page, not the file itself.",
            hint="Download the file and give it from there, or use an address that serves the "
            "file directly.",
        )


# -- share links -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """A host of share pages.

    ``direct`` gives the address of the file itself, which may be the link itself, or None.
    """

    name: str
    direct: Callable[[SplitResult], str | None] = lambda parts: None


def _drive(parts: SplitResult) -> str | None:
    found = re.match(r"/(?:a/[^/]+/)?file/(?:u/\d+/)?d/([\w-]+)", parts.path)
    query = dict(parse_qsl(parts.query))
    file = found[1] if found else query.get("id", "") if parts.path in ("/open", "/uc") else ""
    if not re.fullmatch(r"[\w-]+", file):
        return None
    key = f"&resourcekey={quote(query['resourcekey'])}" if "resourcekey" in query else ""
    return f"https://drive.usercontent.google.com/download?id={file}&export=download{key}"


def _dropbox(parts: SplitResult) -> str | None:
    query = dict(parse_qsl(parts.query))
    if parts.path.startswith(("/sh/", "/scl/fo/", "/home")):
        return None
    return parts.geturl() if "1" in (query.get("raw"), query.get("dl")) else _with(parts, dl="1")


def _onedrive(parts: SplitResult) -> str | None:
    if parts.path in ("", "/"):  # a list of files
        return None
    token = base64.urlsafe_b64encode(parts.geturl().encode()).decode().rstrip("=")
    return f"https://api.onedrive.com/v1.0/shares/u!{token}/root/content"


def _sharepoint(parts: SplitResult) -> str | None:
    if parts.path.startswith("/:f:/"):
        return None
    file = ("download", "1") in parse_qsl(parts.query)
    return parts.geturl() if file else _with(parts, download="1")


def _with(parts: SplitResult, **more: str) -> str:
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in query if name not in more]
    return parts._replace(query=urlencode([*kept, *more.items()]), fragment="").geturl()


_GOOGLE = Share("Google Drive", _drive)
_PHOTOS, _WETRANSFER = Share("Google Photos"), Share("WeTransfer")
# Google Drive's own download host, Dropbox's ``dl=1`` (its help pages), OneDrive's shares API
# (Microsoft's reference), SharePoint's ``download=1``. A folder has no address of a file. Whether
# the new address serves the file is seen when it is fetched.
HOSTS: dict[str, Share] = {
    "drive.google.com": _GOOGLE,
    "docs.google.com": _GOOGLE,
    "photos.google.com": _PHOTOS,
    "photos.app.goo.gl": _PHOTOS,
    "dropbox.com": Share("Dropbox", _dropbox),
    "1drv.ms": Share("OneDrive", _onedrive),
    "onedrive.live.com": Share("OneDrive", _onedrive),
    "sharepoint.com": Share("OneDrive", _sharepoint),
    "icloud.com": Share("iCloud"),
    "wetransfer.com": _WETRANSFER,
    "we.tl": _WETRANSFER,
}


def share_of(url: str) -> Share | None:
    """The host of share pages that ``url`` is at; None for any other, also malformed, address."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return None
    return next((share for site, share in HOSTS.items() if _belongs(host, site)), None)


def direct(url: str) -> str:
    """The address of the file behind a share link; ``url`` itself where there is none."""
    share = share_of(url)
    return (share.direct(urlsplit(url)) if share else None) or url


# -- requests --------------------------------------------------------------------------------------


class _NoQueries(logging.Filter):
    """Removes queries from what urllib3 logs: those of result links are signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(a.split("?")[0] if isinstance(a, str) else a for a in record.args)
        return True


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_NoQueries())


class NoAuth(AuthBase):
    """Sends no credentials; without any ``auth``, requests would look for some."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        return request


class _Pinned(HTTPAdapter):
    """Connects to one checked IP address; SNI, certificate and ``Host`` stay those of the name."""

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
        """End what is under way: a server that drips bytes never runs into a read time-out."""
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Guard:
    """Fetches from addresses that strangers gave.

    ``allow`` holds hosts that may be private: ``host`` or ``host:port`` (the setting
    ``KLING_ALLOW_PRIVATE_HOSTS``). ``proxies`` are used for https only, which passes through them
    to the checked address. ``verify``: True or a file of certificates.
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
        self._allowed, self._resolve = Allowed(allow), resolve
        self._clock, self._verify = clock, verify
        used = ("https", "no")
        self._proxies = {name: each for name, each in (proxies or {}).items() if name in used}

    @contextlib.contextmanager
    def open(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: tuple[float, float] = (8.0, 30.0),
        total: float | None = None,
    ) -> Iterator[requests.Response]:
        """The streamed response, of any status, after at most ``REDIRECTS`` redirects.

        ``timeout`` is (connect, read), ``total`` is for everything, in seconds. Raises
        ``AddressRefused`` and ``NoContact``.
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
                    raise _late(url, total or 0) from None
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
        parse(url, self._allowed)
        fixed = {"Accept-Encoding": "identity", "Connection": "close", "Accept": "*/*"}
        sent = fixed | {"User-Agent": AGENT} | dict(headers)
        try:
            request = requests.Request("GET", url, headers=sent, auth=NoAuth()).prepare()
            # as it will be sent: international names encoded
            address = parse(request.url or "", self._allowed)
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
        # No cause: the texts of the network libraries repeat the address with its signature.
        raise NoContact(
            f"{bare(url)} could not be fetched: {failure}.",
            hint="Check the address, and try again.",
        ) from None

    def _addresses(self, address: Address) -> list[str]:
        """Every IP address of the name, looked up once.

        All must be public: a mixed answer is an attempt to get in.
        """
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
                hint="Use a public address; to allow a private host, name it in "
                "KLING_ALLOW_PRIVATE_HOSTS.",
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
        """Save the file behind ``url`` as ``dest``, which is returned.

        It must be whole, of a wanted kind by its first bytes, and at most ``max_bytes``. Raises
        ``AddressRefused`` (policy, status, size, kind), ``NoContact``, and ``KlingError`` when it
        cannot be written.
        """
        deadline = self._clock() + total_timeout
        try:
            with (
                atomic_write(dest) as part,
                self.open(url, total=total_timeout) as response,
                part.open("xb") as file,
            ):
                refuse_status(response, url)
                expected = length(response)
                if expected is not None and expected > max_bytes:
                    raise _too_large(url, max_bytes)
                head = b""
                for chunk in chunks(response, url):
                    if self._clock() > deadline:
                        raise _late(url, total_timeout)
                    if len(head) < HEAD_BYTES:
                        head += chunk[:HEAD_BYTES]
                        if len(head) >= HEAD_BYTES:
                            refuse_kind(head, url, kinds, response)
                    file.write(chunk)
                    if file.tell() > max_bytes:
                        raise _too_large(url, max_bytes)
                if len(head) < HEAD_BYTES:
                    refuse_kind(head, url, kinds, response)
                if expected is not None and file.tell() != expected:
                    broken = f"{bare(url)} broke off after {file.tell()} of {expected} bytes."
                    raise NoContact(broken, hint="Try again.")
        except OSError as error:
            if isinstance(error, KlingError):  # NoContact is one, too
                raise
            why = unwritten(error)
            what = "Free some space" if why == FULL else "Look at the disk that it is saved on"
            message = f"{bare(url)} could not be saved: {why}."
            raise KlingError(message, hint=f"{what}, and try again.") from error
        return dest


def _late(url: str, seconds: float) -> NoContact:
    message = f"{bare(url)} did not finish within {seconds:.0f} s."
    return NoContact(message, hint="Try again, or another host.")


def _expire(expired: threading.Event, live: list[_Pinned]) -> None:
    expired.set()
    for adapter in list(live):
        adapter.abort()


def chunks(response: requests.Response, url: str) -> Iterator[bytes]:
    """The decoded body as it arrives. Raises ``NoContact`` when it breaks off.

    ``iter_content`` would hold bytes back until a whole chunk is there; ``read1`` does not.
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
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return FULL if full else error.strerror or type(error).__name__


def length(response: requests.Response) -> int | None:
    """Bytes of the body by its header; None without one, and where the body is encoded."""
    length = response.headers.get("Content-Length", "")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    plain = encoding in ("", "identity")
    return int(length) if length.isascii() and length.isdigit() and plain else None


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
    """The kind of file that begins with ``head``. Raises ``AddressRefused`` for another kind."""
    found = sniff(head)
    family = "image" if found.family == "heif" else found.family
    if family in kinds:
        return found
    content_type = response.headers.get("Content-Type", "").lower()
    page = found.phrase == "a saved web page" or content_type.startswith("text/html")
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
