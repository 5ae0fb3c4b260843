"""Visitors of the page, and the tokens that name them.

A visitor is a random id that a secret of the home has signed: it survives a reload and a restart, and cannot be made up. The browser keeps
it in a cookie, and in its storage for frames that allow no cookies. Where a password is asked for, the id is made from the name with which
somebody signed in; who signed in with Hugging Face is known by the account. On one's own machine nobody is told apart: the visitor is the
home.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from kling_utils.settings import Settings
from kling_utils.values import HOME_OWNER, HUB_OWNER

COOKIE, HEADER = "motion-control-studio", "x-studio-visitor"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FORWARDED = re.compile(
    r"forwarded|client-?ip|real-ip|^via$|^x-(original|proxy|remote|scheme|script-name|nginx|varnish|arr|akamai|envoy|azure|appengine|vercel"
    r"|amzn-trace|cloud-trace|jupyterhub|request-id|auth-request|authenticated|ms-client-principal|goog|host|rewrite-url|url-scheme)"
    r"|^(cf|cdn|cloudfront|fly|fastly|tailscale|ngrok|surrogate|wl-proxy)-|^front-end-https$|^remote-(user|addr)$|^traceparent$"
)
"""Names of headers that a proxy adds; browsers and command line clients send none of them."""
_TOKEN = re.compile(r"(v2_[A-Za-z0-9_-]{32})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Visitor:
    """``hosted`` is False for the owner of this machine, who sees all jobs of the home and whose key is used."""

    id: str
    hosted: bool
    name: str = ""
    """With which somebody has signed in."""

    @property
    def owner(self) -> str:
        """As whom jobs are written and files are uploaded."""
        return self.id if self.hosted else HOME_OWNER

    @property
    def sees(self) -> str | None:
        """Whose jobs are shown: None is all of this home."""
        return self.id if self.hosted else None


HOME = Visitor(HOME_OWNER, hosted=False)
UNKNOWN = Visitor("", hosted=True)
"""The visitor of a session in which no page has loaded: it owns nothing, and can make nothing."""


def fresh() -> Visitor:
    """A visitor who was not here before."""
    return Visitor(f"v2_{secrets.token_urlsafe(24)}", hosted=True)


class Tokens:
    """Signs ids with a secret of the home, and reads them back."""

    def __init__(self, home: Path) -> None:
        self._secret = _secret(home / "visitors.key")

    def sign(self, visitor_id: str) -> str:
        """The token of an id."""
        mark = hmac.new(self._secret, visitor_id.encode(), hashlib.sha256).hexdigest()
        return f"{visitor_id}.{mark}"

    def named(self, name: str) -> Visitor:
        """Who signed in with this name: the same one from every browser, and however the name's letters are written."""
        same = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        mark = hmac.new(self._secret, f"name {same}".encode(), hashlib.sha256).digest()[:24]
        made = base64.urlsafe_b64encode(mark).decode()
        return Visitor(f"v2_{made}", hosted=True, name=name.strip())

    def read(self, token: object) -> str | None:
        """The id in a token; None for one that was not signed here."""
        parts = _TOKEN.fullmatch(token) if isinstance(token, str) else None
        if parts is None or not hmac.compare_digest(self.sign(parts[1]), parts[0]):
            return None
        return parts[1]


def hosted(settings: Settings, headers: Mapping[str, str]) -> bool:
    """May this request come from a stranger: is the page hosted, or did a proxy that is not the owner's own leave a sign?"""
    if settings.hosted:
        return True
    if settings.own_proxy:
        return False
    proxied = any(FORWARDED.search(name.lower()) for name in headers)
    return proxied or host_name(headers.get("host", "")) not in LOOPBACK


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without the port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def known(tokens: Tokens, headers: Mapping[str, str]) -> str | None:
    """The id that a request names: by the cookie, else by the header that the page's script sets; None for a new visitor's."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    given = tokens.read(cookie.value) if cookie is not None else None
    return given or tokens.read(headers.get(HEADER))


def of(
    settings: Settings,
    tokens: Tokens,
    headers: Mapping[str, str],
    *,
    name: str | None = None,
    account: str | None = None,
) -> Visitor:
    """The visitor of a request; a new one when it names none.

    ``name`` is the one of a sign-in with a password, ``account`` that of one with Hugging Face.
    """
    if not hosted(settings, headers):
        return HOME
    if settings.password is not None:
        return tokens.named(name) if name else UNKNOWN
    if account and settings.signs_in:
        return Visitor(f"{HUB_OWNER}{account.lower()}", hosted=True, name=account)
    visitor_id = known(tokens, headers)
    return Visitor(visitor_id, hosted=True) if visitor_id is not None else fresh()


def _secret(path: Path) -> bytes:
    """32 random bytes, made once and readable by their owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    found = path.read_bytes()
    if len(found) >= 32:
        return found
    path.unlink(missing_ok=True)  # a process was killed while it wrote it
    return _secret(path)
