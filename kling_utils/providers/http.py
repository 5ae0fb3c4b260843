"""JSON calls: connections, time-outs, repeats of free reads, and whose credentials travel.

A submit costs money and is sent once for each call. Its error says whether it provably never left this machine (``NoContact``), was
refused before work (``RateLimited``), or may have arrived (``SubmitUnconfirmed``). Reads are free and are repeated. No session is used,
so nothing from ``~/.netrc``, the environment or a cookie can travel along; redirects are not followed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import json
import math
import random
import re
import socket
import ssl
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests
from pydantic import SecretStr
from pyrate_limiter import Duration, InMemoryBucket, Rate, RateItem
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from kling_utils.errors import Interrupted, KlingError, MoneyState, NoContact, SubmitUnconfirmed
from kling_utils.media.fetch import AGENT, NETWORK_ERRORS, bare, proxies_for
from kling_utils.providers.failures import error_for

TRIES = 5
FIRST, LONGEST = 0.5, 8.0  # seconds
PATIENCE = 120.0  # seconds that a poll or a download waits at most when it is told to
SUBMIT_PATIENCE = 60.0  # seconds for all tries of one submit


def full_jitter(failures: int, rng: random.Random) -> float:
    """Seconds before the next try after ``failures`` (1, 2, ...) in a row: anything from 0 to 0.5, 1, 2, 4, 8, 8 ..."""
    return rng.uniform(0.0, min(LONGEST, FIRST * 2.0 ** min(failures - 1, 10)))


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for: a number or an HTTP date (``now`` is Unix time).

    None for nothing, nonsense, and what lies in the past.
    """
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


class Limiter:
    """Submits a minute, counted for each key apart; only a hash of the key is kept."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = Rate(per_minute, Duration.MINUTE), clock
        self._buckets: dict[str, InMemoryBucket] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """0 when a submit may go now, and it is counted; otherwise the seconds after which to ask again."""
        now = int(self._clock() * 1000)
        with self._lock:
            for name in list(self._buckets):
                self._buckets[name].leak(now)
                if not self._buckets[name].count():
                    del self._buckets[name]
            bucket = self._buckets.setdefault(
                hashlib.sha256(key.encode()).hexdigest(), InMemoryBucket([self._rate])
            )
            item = RateItem("submit", now)
            return 0.0 if bucket.put(item) else max(1, bucket.waiting(item)) / 1000  # type: ignore[type-var, operator]


_MOST = 8 * 2**20  # bytes of an answer; real ones have a few thousand
_HINT = "Check the network and NOVITA_BASE_URL, and try again."


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``body`` is the JSON, or None when it was none; the key that was sent is masked wherever it was echoed."""

    status: int
    body: Any = field(repr=False)
    retry_after: float | None = None

    @property
    def usable(self) -> bool:
        """A success that says something: JSON, and not an error in disguise (a body with a ``code``)."""
        return (
            200 <= self.status < 300 and isinstance(self.body, dict) and not self.body.get("code")
        )


class Bearer(AuthBase):
    """The key, for this one call."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        return request


@dataclass(slots=True)
class _Exchange:
    """One request and its answer: the connection in use, and whether the first byte of the request was about to leave.

    Until then (name, connection, TLS, a proxy's CONNECT) nothing can have arrived. This is a proof; the types of the errors are not:
    a stalled handshake, for one, is reported as a read time-out.
    """

    connection: Any = None
    left: bool = False
    late: bool = False
    """True when its total time was over."""

    def end(self) -> None:
        """Cut the connection: a server that sends a byte now and then never meets a read time-out."""
        self.late = True
        sock = getattr(self.connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Notes the connection of the exchange that each thread makes."""

    def __init__(self, pool_maxsize: int) -> None:
        super().__init__(pool_connections=pool_maxsize, pool_maxsize=pool_maxsize)
        self.current = threading.local()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        base, current = pool.ConnectionCls, self.current
        if not hasattr(base, "noted"):

            class Noted(base):  # type: ignore[misc, valid-type]
                noted = True

                def connect(self) -> None:
                    current.exchange.connection = self  # a proxy may never end its answer
                    super().connect()

                def request(self, *args: Any, **kwargs: Any) -> None:
                    current.exchange.connection = self
                    if self.is_closed:
                        self.connect()  # plain http would connect only while it sends
                    current.exchange.left = True
                    super().request(*args, **kwargs)

            pool.ConnectionCls = Noted
        return pool


class _Again(Exception):
    """A try that may be repeated; ``final`` is what to raise when it was the last one."""

    def __init__(self, final: KlingError, *, told: float | None = None) -> None:
        super().__init__(str(final))
        self.final, self.told = final, told


class Transport:
    """Makes the calls. Thread-safe; one for a process, since it counts submits.

    ``proxies`` as from ``urllib.request.getproxies``; a loopback host never goes through one. ``verify``: True or a file of
    certificates. ``wait(seconds)`` returns True to stop, as ``threading.Event.wait`` does. ``total_timeout`` is the longest time in
    seconds that one exchange may take, whatever the server sends.
    """

    def __init__(
        self,
        *,
        proxies: Mapping[str, str] | None = None,
        verify: bool | str = True,
        per_minute: int | None = 20,
        wait: Callable[[float], bool] | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        submit_timeout: float = 90.0,
        total_timeout: float = 120.0,
    ) -> None:
        self._proxies, self._verify = dict(proxies or {}), verify
        self._wait, self._rng = wait or threading.Event().wait, rng or random.Random()  # noqa: S311 - jitter
        self._clock, self._wall = clock, wall
        self._limiter = Limiter(per_minute, clock) if per_minute else None
        self._reads, self._submits = (
            (connect_timeout, read_timeout),
            (connect_timeout, submit_timeout),
        )
        self._total = total_timeout
        self._adapter = _Adapter(pool_maxsize=10)

    def close(self) -> None:
        """Let go of idle connections."""
        self._adapter.close()

    def get_json(
        self,
        url: str,
        key: SecretStr,
        params: Mapping[str, str] | None = None,
        *,
        money: MoneyState = "no",
        tries: int = TRIES,
    ) -> Answer:
        """A free read, up to ``tries`` times: repeated on trouble of the network, 408, 429, 5xx and answers that say nothing.

        Returns a usable answer, or the provider's considered no (another status). Raises ``NoContact``, ``RateLimited`` or
        ``ProviderDown`` after the last try, with the given money state: a task that was asked about has cost something already.
        """
        request = requests.Request(
            "GET", url, params=dict(params or {}), auth=Bearer(key), headers=_headers()
        )
        return self._repeat(
            lambda: self._read(self._adapter, request, key, money), stop_after_attempt(tries)
        )

    def turn(self, key: SecretStr) -> float:
        """0 when a submit with this key may go now, which is counted; else the seconds after which to ask again."""
        return self._limiter.take(key.get_secret_value()) if self._limiter else 0.0

    def post_once(self, url: str, key: SecretStr, body: Mapping[str, Any]) -> Answer:
        """The paid call, sent once on a connection of its own.

        Returns any answer but 429. Raises ``NoContact`` (it provably never left), ``RateLimited`` (refused before work) and
        ``SubmitUnconfirmed`` (anything may have happened).
        """
        data = json.dumps(body).encode()
        headers = {**_headers(), "Content-Type": "application/json", "Connection": "close"}
        request = requests.Request("POST", url, data=data, auth=Bearer(key), headers=headers)
        adapter, exchange = _Adapter(pool_maxsize=1), _Exchange()
        try:
            answer = self._exchange(adapter, request, key, self._submits, exchange)
        except (*NETWORK_ERRORS, ValueError) as error:
            if exchange.left:
                raise SubmitUnconfirmed(
                    f"The request was sent to {_host(request.url)}, but no usable answer came: {_why(error)}.",
                    hint="The task may exist: look at your tasks at the provider before you send it again.",
                ) from error
            lost = NoContact(
                f"{_host(request.url)} could not be reached, nothing was sent: {_why(error)}.",
                hint=_HINT,
            )
            lost.lasting = _pointless(error)
            raise lost from error
        finally:
            adapter.close()
        if answer.status == 429:
            raise error_for(429, answer.body, retry_after=answer.retry_after)
        return answer

    def _read(
        self, adapter: _Adapter, request: requests.Request, key: SecretStr, money: MoneyState
    ) -> Answer:
        try:
            answer = self._exchange(adapter, request, key, self._reads)
        except (*NETWORK_ERRORS, ValueError) as error:
            lost = NoContact(
                f"{_host(request.url)} could not be reached: {_why(error)}.",
                hint=_HINT,
                money=money,
            )
            if _pointless(error):
                raise lost from error
            raise _Again(lost) from error
        if answer.usable:
            return answer
        if answer.status in (408, 429) or answer.status >= 500 or 200 <= answer.status < 400:
            failure = error_for(
                answer.status, answer.body, money=money, retry_after=answer.retry_after
            )
            raise _Again(failure, told=answer.retry_after)
        return answer

    def _exchange(
        self,
        adapter: _Adapter,
        request: requests.Request,
        key: SecretStr,
        timeout: tuple[float, float],
        exchange: _Exchange | None = None,
    ) -> Answer:
        prepared = request.prepare()
        adapter.current.exchange = exchange = exchange or _Exchange()
        timer = threading.Timer(self._total, exchange.end)
        timer.daemon = True
        timer.start()
        try:
            response = adapter.send(
                prepared,
                stream=True,
                timeout=timeout,
                verify=self._verify,
                proxies=proxies_for(prepared.url or "", self._proxies),
            )
            try:
                text = b"".join(_capped(response)).decode("utf-8-sig", "replace")
            finally:
                response.close()
        finally:
            timer.cancel()
        if exchange.late:  # what was read may be half an answer
            raise requests.exceptions.ReadTimeout
        try:
            body = _clean(json.loads(text), _usual(key), _forms(key))
        except (ValueError, RecursionError):
            body = None
        return Answer(
            response.status_code,
            body,
            retry_after(response.headers.get("Retry-After"), self._wall()),
        )

    def _repeat(self, once: Callable[[], Answer], stop: Any) -> Answer:
        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            told = error.told if isinstance(error, _Again) else None
            if told is None:
                return full_jitter(state.attempt_number, self._rng)
            return min(told, PATIENCE)

        try:
            return Retrying(
                sleep=self._pause,
                stop=stop,
                wait=wait,
                retry=retry_if_exception_type(_Again),
                reraise=True,
            )(once)
        except _Again as error:
            raise error.final from error.__cause__

    def _pause(self, seconds: float) -> None:
        if self._wait(seconds):
            raise Interrupted("Stopped while waiting to try again.", hint="It can be resumed.")


_ESCAPED = re.compile(
    r"\\u\{?([0-9a-fA-F]{2,6})\}?|\\x([0-9a-fA-F]{2})|\\([0-3][0-7]{2})|\\U([0-9a-fA-F]{8})"
)
"""A letter as JSON, JavaScript, C and Python write it: in hexadecimal, or as three octal digits."""
_STEPS = 5
"""Encodings within one another that are undone."""
_SHORTEST = 6
"""Letters of a form of the key that is looked for; in fewer, an ordinary word could be found."""


def _usual(key: SecretStr) -> tuple[str, ...]:
    """The key as an answer may repeat it: plain, in an address, in Base64, in hexadecimal, and with its header in Base64."""
    plain = key.get_secret_value()
    told = (plain, f"Bearer {plain}", f"bearer {plain}")
    encoded = {base64.b64encode(each.encode()).decode().rstrip("=") for each in told}
    every = "".join(f"%{byte:02x}" for byte in plain.encode())
    return tuple({plain, quote(plain, safe=""), every, plain.encode().hex(), *encoded})


def _forms(key: SecretStr) -> tuple[str, ...]:
    """What is left of the key in a squeezed text: of itself, in hexadecimal and decimal, and in Base64 and Base32 at any offset."""
    plain = key.get_secret_value()
    forms = {plain}
    for raw in (plain.encode(), plain.encode("utf-16-le")):
        forms |= {raw.hex(), "".join(map(str, raw))}
        for encode, bits in ((base64.b64encode, 6), (base64.b32encode, 5)):
            for offset in range(bits):
                whole = encode(bytes(offset) + raw).decode()
                forms.add(whole[-(-8 * offset // bits) : 8 * (offset + len(raw)) // bits])
    return tuple(each for each in map(_squeezed, forms) if len(each) >= _SHORTEST)


def _squeezed(text: str) -> str:
    """Letters and digits alone, without what introduces a number: separators and line breaks hide nothing."""
    text = re.sub(r"0x|\\x|&#x?|u\+", "", unicodedata.normalize("NFKC", text).lower())
    return re.sub(r"[^a-z0-9]", "", text)


def _letter(found: re.Match[str]) -> str:
    octal = found[3]
    number = int(octal, 8) if octal else int(found[1] or found[2] or found[4], 16)
    return chr(number) if number <= sys.maxunicode else ""


def _holds(text: str, forms: tuple[str, ...]) -> bool:
    """Does the text hold the key, in an encoding or in several within one another?"""
    for _ in range(_STEPS):
        squeezed = _squeezed(text)
        if any(form in squeezed for form in forms):
            return True
        before, text = text, html.unescape(unquote(_ESCAPED.sub(_letter, text)))
        if text == before:
            return False
    return False


def _clean(value: Any, usual: tuple[str, ...], forms: tuple[str, ...]) -> Any:
    """JSON without the key and without lone surrogates, which no file, database or page can hold.

    The key is masked after decoding: JSON can write each of its letters as an escape. A text that holds it in
    another encoding is masked whole.
    """
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
        for secret in usual:
            value = re.sub(re.escape(secret), "***", value, flags=re.IGNORECASE)
        return "***" if _holds(value, forms) else value
    if isinstance(value, list):
        return [_clean(each, usual, forms) for each in value]
    if isinstance(value, dict):
        return {
            _clean(name, usual, forms): _clean(each, usual, forms) for name, each in value.items()
        }
    return value


def _headers() -> dict[str, str]:
    return {"Accept": "application/json", "User-Agent": AGENT}


def _capped(response: requests.Response) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_content(64 * 1024):
        size += len(chunk)
        if size > _MOST:
            raise ValueError("the answer is far too large")
        yield chunk


def _host(url: str) -> str:
    return urlsplit(bare(url)).netloc or "the provider"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was made from: requests and urllib3 wrap by cause, by ``reason`` and by argument."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or any(one is s for s in seen):
            continue
        seen.append(one)
        yield one
        waiting += [
            one.__cause__,
            one.__context__,
            getattr(one, "reason", None),
            getattr(one, "original_error", None),
            *one.args,
        ]


def _pointless(error: BaseException) -> bool:
    """True where a repeat cannot end differently: a certificate, an address or a proxy's that cannot be used."""
    broken = (
        ssl.SSLCertVerificationError,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidHeader,
    )
    return any(isinstance(e, broken) for e in _chain(error))


def _why(error: BaseException) -> str:
    """The failure in words of our own: those of the libraries repeat whole addresses."""
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (
            ssl.SSLCertVerificationError,
            "its certificate is not trusted (set REQUESTS_CA_BUNDLE if this network inspects traffic)",
        ),
        (socket.gaierror, "its name could not be resolved"),
        (requests.exceptions.ProxyError, "the proxy could not be reached or refused"),
        (requests.exceptions.ConnectTimeout, "no connection in time"),
        (requests.exceptions.ReadTimeout, "no answer in time"),
        (ConnectionRefusedError, "the connection was refused"),
        (ssl.SSLError, "the TLS connection failed"),
        (TimeoutError, "no answer in time"),
        (requests.exceptions.InvalidURL, "the address cannot be used"),
    )
    chain = list(_chain(error))
    return next(
        (words for kind, words in kinds if any(isinstance(e, kind) for e in chain)),
        "the connection broke",
    )
