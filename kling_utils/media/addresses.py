"""Which addresses may be fetched, and how an address is shown.

Owns the policy: schemes, ports, public networks only, and the sites that serve pages instead of
files.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from kling_utils.errors import AddressRefused
from kling_utils.media.shares import share_of

PORTS = {"http": 80, "https": 443}
_LONGEST = 8000  # characters; signed addresses reach about 2000

# Sites that play a video in a page and do not serve the file: named before anything is contacted.
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
# A translated address can lead anywhere behind its translator: NAT64, 6to4 and its relays.
_TRANSLATED = tuple(
    ipaddress.ip_network(n)
    for n in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "192.88.99.0/24")
)


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
    """The address without user, query and fragment, at most 120 characters: the only form in which one is shown."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "the address"
    return f"{parts.scheme}://{host}{parts.path}"[:120] if host else "the address"


def without_queries(text: str) -> str:
    """``text`` with every address in it cut down to what may be shown: a signed query is a credential."""
    text = re.sub(r"(https?://)[^\s/@?#\"'<>]+@", r"\1", text, flags=re.IGNORECASE)
    return re.sub(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*", r"\1", text, flags=re.IGNORECASE)


def public(ip: str) -> bool:
    """True for an address on the public internet. Carrier NAT, loopback, link-local, mapped, translated and multicast are not."""
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
    """The hosts that may be private: ``host`` (all its ports, and http) or ``host:port``, as in the setting."""

    def __init__(self, entries: frozenset[str]) -> None:
        self._entries = frozenset(_host_and_port(e.strip().lower()) for e in entries if e.strip())

    def __contains__(self, address: object) -> bool:
        return isinstance(address, Address) and bool(
            {(address.host, None), (address.host, address.port)} & self._entries
        )


def _host_and_port(entry: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"\[(.+)\](?::(\d+))?", entry) or re.fullmatch(
        r"([^:]+)(?::(\d+))?", entry
    )
    if match is None:  # an IPv6 address without brackets
        return entry, None
    return match[1], int(match[2]) if match[2] else None


def proxies_for(url: str, proxies: Mapping[str, str]) -> dict[str, str]:
    """Those of ``proxies`` (as ``urllib.request.getproxies`` gives them, ``no`` included) that a request to ``url`` goes through."""
    host = (urlsplit(url).hostname or "").lower()
    spared = [
        name.strip().lstrip(".").lower()
        for name in proxies.get("no", "").split(",")
        if name.strip()
    ]
    if host in ("127.0.0.1", "localhost", "::1") or any(
        n == "*" or host == n or host.endswith(f".{n}") for n in spared
    ):
        return {}
    return {scheme: proxy for scheme, proxy in proxies.items() if scheme != "no"}


def parse(url: str, allowed: Allowed) -> Address:
    """Where ``url`` leads, if the policy lets it be fetched. No contact is made. Raises ``AddressRefused``."""
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
            hint="Put the file on an ordinary https address, or name the host in KLING_ALLOW_PRIVATE_HOSTS.",
        )
    return address


def _refuse_pages(url: str, host: str) -> None:
    if name := next(
        (name for site, name in PLAYERS.items() if host == site or host.endswith(f".{site}")), None
    ):
        raise AddressRefused(
            f"This is a {name} page, not a video file.",
            hint="Give the clip as a file that you have the right to use, or an address that ends at the file itself.",
        )
    share = share_of(url)
    if share is None or share.direct(urlsplit(url)) == url:
        return
    raise AddressRefused(
        f"This is a {share.name} share page, not the file itself.",
        hint="Download the file and give it from there, or use an address that serves the file directly.",
    )
