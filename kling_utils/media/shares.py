"""Share links of file hosts: the page around a file, and the address of the file itself where the host has one.

Owns which hosts are known and how their links are rewritten. Forms: Google Drive's own download
host, Dropbox's ``dl=1`` (its help pages), OneDrive's shares API (Microsoft's reference),
SharePoint's ``download=1``. A folder has no direct form. Whether the rewritten address serves the
file is seen when it is looked at.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit


@dataclass(frozen=True, slots=True)
class Share:
    """A host of share pages. ``direct`` gives the file's own address, the link itself where it is one, or None."""

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
    return (
        parts.geturl()
        if ("download", "1") in parse_qsl(parts.query)
        else _with(parts, download="1")
    )


def _with(parts: SplitResult, **more: str) -> str:
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in more
    ]
    return parts._replace(query=urlencode(kept + list(more.items())), fragment="").geturl()


_GOOGLE = Share("Google Drive", _drive)
_PHOTOS, _WETRANSFER = Share("Google Photos"), Share("WeTransfer")
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
    """The host of share pages that ``url`` is at; None for every other address, malformed ones included."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return None
    return next(
        (share for site, share in HOSTS.items() if host == site or host.endswith(f".{site}")), None
    )


def direct(url: str) -> str:
    """The address of the file itself; ``url`` as it is where there is none."""
    share = share_of(url)
    return (share.direct(urlsplit(url)) if share else None) or url
