"""JSON calls: what is repeated, what is never repeated, and whose credentials travel.

Owns connections, time-outs and repeats. The rule that decides everything: a submit costs money, so it is sent again only when it provably
never left this machine or was refused with 429; anything else is ``SubmitUnconfirmed``. Reads are free and are repeated. No session is
used, so nothing from ``~/.netrc``, the environment or a cookie can travel along; redirects are not followed. Refuses to know what bodies
mean, beyond telling an answer from a page.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from kling_utils.errors import Interrupted, KlingError, MoneyState, NoContact, SubmitUnconfirmed
from kling_utils.media.addresses import bare, proxies_for
from kling_utils.media.guard import AGENT, NETWORK_ERRORS
from kling_utils.novita.backoff import (
    PATIENCE,
    SUBMIT_PATIENCE,
    TRIES,
    Limiter,
    full_jitter,
    retry_after,
)
from kling_utils.novita.failures import error_for

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


class _Departure(HTTPAdapter):
    """A fresh connection that notes when the first byte of a request is about to leave.

    Until then (name, connection, TLS, a proxy's CONNECT) nothing can have arrived. This is a proof; the types of the errors are not:
    a stalled handshake, for one, is reported as a read time-out.
    """

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self.left = False

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        base, departure = pool.ConnectionCls, self

        class Noted(base):  # type: ignore[misc, valid-type]
            def request(self, *args: Any, **kwargs: Any) -> None:
                if self.is_closed:
                    self.connect()  # plain http would connect only while it sends
                departure.left = True
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
    certificates. ``wait(seconds)`` returns True to stop, as ``threading.Event.wait`` does.
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
    ) -> None:
        self._proxies, self._verify = dict(proxies or {}), verify
        self._wait, self._rng = wait or threading.Event().wait, rng or random.Random()  # noqa: S311 - jitter
        self._clock, self._wall = clock, wall
        self._limiter = Limiter(per_minute, clock) if per_minute else None
        self._reads, self._submits = (
            (connect_timeout, read_timeout),
            (connect_timeout, submit_timeout),
        )
        self._adapter = HTTPAdapter(pool_maxsize=10)

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
    ) -> Answer:
        """A free read: repeated on trouble of the network, 408, 429, 5xx and answers that say nothing.

        Returns a usable answer, or the provider's considered no (another status). Raises ``NoContact``, ``RateLimited`` or
        ``ProviderDown`` after the last try, with the given money state: a task that was asked about has cost something already.
        """
        request = requests.Request(
            "GET", url, params=dict(params or {}), auth=Bearer(key), headers=_headers()
        )
        return self._repeat(
            lambda: self._read(self._adapter, request, key, money), stop_after_attempt(TRIES)
        )

    def put_file(self, url: str, key: SecretStr, path: Path) -> Answer:
        """Hand over a file's bytes; repeated like a read: the same bytes under the same name change nothing. Errors as ``get_json``."""

        def once() -> Answer:
            with path.open(
                "rb"
            ) as file:  # opened for each try: a repeat must not begin in the middle
                headers = {**_headers(), "Content-Type": "application/octet-stream"}
                request = requests.Request("PUT", url, data=file, auth=Bearer(key), headers=headers)
                return self._read(self._adapter, request, key, "no")

        return self._repeat(once, stop_after_attempt(TRIES))

    def post_once(self, url: str, key: SecretStr, body: Mapping[str, Any]) -> Answer:
        """The paid call. Repeated only when it provably never left or was refused with 429, within 60 s; on a connection of its own.

        Returns any answer but 429. Raises ``NoContact`` (never left), ``RateLimited`` (refused), ``SubmitUnconfirmed`` (anything may
        have happened), ``Interrupted`` (stopped before it was sent).
        """
        data = json.dumps(body).encode()
        headers = {**_headers(), "Content-Type": "application/json", "Connection": "close"}
        request = requests.Request("POST", url, data=data, auth=Bearer(key), headers=headers)
        began = self._clock()

        def enough(state: RetryCallState) -> bool:
            return (
                state.attempt_number >= TRIES
                or int(self._clock() - began) + state.upcoming_sleep > SUBMIT_PATIENCE
            )

        def once() -> Answer:
            while self._limiter and (seconds := self._limiter.take(key.get_secret_value())):
                self._pause(seconds)
            return self._submit(request, key)

        return self._repeat(once, enough, patience=None)

    def _submit(self, request: requests.Request, key: SecretStr) -> Answer:
        adapter = _Departure()
        try:
            answer = self._exchange(adapter, request, key, self._submits)
        except (*NETWORK_ERRORS, ValueError) as error:
            if adapter.left:
                raise SubmitUnconfirmed(
                    f"The request was sent to {_host(request.url)}, but no usable answer came: {_why(error)}.",
                    hint="The task may exist: look at your tasks at the provider before you send it again.",
                ) from error
            lost = NoContact(
                f"{_host(request.url)} could not be reached, nothing was sent: {_why(error)}.",
                hint=_HINT,
            )
            if _pointless(error):
                raise lost from error
            raise _Again(lost) from error
        finally:
            adapter.close()
        if answer.status == 429:
            raise _Again(
                error_for(429, answer.body, retry_after=answer.retry_after), told=answer.retry_after
            )
        return answer

    def _read(
        self, adapter: HTTPAdapter, request: requests.Request, key: SecretStr, money: MoneyState
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
        adapter: HTTPAdapter,
        request: requests.Request,
        key: SecretStr,
        timeout: tuple[float, float],
    ) -> Answer:
        prepared = request.prepare()
        response = adapter.send(
            prepared,
            stream=True,
            timeout=timeout,
            verify=self._verify,
            proxies=proxies_for(prepared.url or "", self._proxies),
        )
        try:
            text = b"".join(_capped(response)).decode("utf-8", "replace")
        finally:
            response.close()
        text = text.replace(
            key.get_secret_value(), "***"
        )  # an answer that repeats the key must not carry it into a message
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        return Answer(
            response.status_code,
            body,
            retry_after(response.headers.get("Retry-After"), self._wall()),
        )

    def _repeat(
        self, once: Callable[[], Answer], stop: Any, patience: float | None = PATIENCE
    ) -> Answer:
        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            told = error.told if isinstance(error, _Again) else None
            if told is None:
                return full_jitter(state.attempt_number, self._rng)
            return told if patience is None else min(told, patience)

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
