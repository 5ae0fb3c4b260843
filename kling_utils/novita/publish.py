"""How the provider gets at an input: the ways to an address, and the look at it before money is spent.

Owns the choice among the ways. Refuses to know jobs and limits: what a clip may be was checked before.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import SecretStr

from kling_utils.errors import AddressRefused, NoContact, NotPublished, UnreadableMedia
from kling_utils.media.addresses import bare
from kling_utils.media.guard import Guard, chunks, length, refuse_kind, refuse_status
from kling_utils.media.sniff import HEAD_BYTES, sniff
from kling_utils.novita.transport import Transport
from kling_utils.values import Published, is_url

NEEDED_LIFE = 30 * 60.0  # seconds: in the queue a clip may wait long before it is fetched
_LOOK = 60.0  # seconds
_MIME = {"a picture (JPEG)": "image/jpeg", "a picture (PNG)": "image/png"}
_ELSEWHERE = "Put the clip at a public https address and give that instead of the file; or run it as a local draft, without a key."


class Publisher(Protocol):
    """A way to an address. Another one (an object store) is a class more and a line in ``choose``."""

    def publish(self, path: Path) -> Published:
        """An address at which the provider finds the bytes of ``path``. Raises ``KlingError``, and then nothing was spent."""
        ...


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """The address that the user gave, used as it is after a look that it serves that very clip, to anyone."""

    url: str
    guard: Guard
    wall: Callable[[], float] = time.time

    def publish(self, path: Path) -> Published:
        """``path`` is the copy that was checked: a file of another length is refused."""
        expires = expires_at(self.url)
        if expires is not None and expires - self.wall() < NEEDED_LIFE:
            raise NotPublished(
                f"{bare(self.url)} stops working too soon: the provider may fetch it half an hour from now.",
                hint="Make an address that lives longer, a day for example.",
                field="video",
            )
        try:
            served = self._look()
        except (AddressRefused, NoContact) as error:
            raise NotPublished(f"The provider could not fetch the video. {error.message}", hint=error.hint, field="video") from None
        if served is not None and served != path.stat().st_size:
            raise NotPublished(
                f"{bare(self.url)} serves {served} bytes by now, the clip that was checked has {path.stat().st_size}.",
                hint="Check the address again, so that what is sent is what was checked.",
                field="video",
            )
        return Published(self.url, expires, "its own public address")

    def _look(self) -> int | None:
        """Ask for the first bytes only; the file's length, where the host tells it."""
        headers = {"Range": f"bytes=0-{HEAD_BYTES - 1}"}
        with self.guard.open(self.url, headers=headers, total=_LOOK) as response:
            refuse_status(response, self.url)
            head = b""
            for chunk in chunks(response, self.url):
                if len(head := head + chunk) >= HEAD_BYTES:
                    break  # a host that ignores the range would send all of it
            refuse_kind(head[:HEAD_BYTES], self.url, ("video",), response)
            if response.status_code == 200:
                return length(response)
            total = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", "").strip())
            return int(total[1]) if total else None


@dataclass(frozen=True, slots=True)
class Loopback:
    """The server of this home, which keeps the file for itself."""

    base_url: str
    key: SecretStr
    transport: Transport

    def publish(self, path: Path) -> Published:
        answer = self.transport.put_file(f"{self.base_url.rstrip('/')}/local/files/{quote(path.name, safe='')}", self.key, path)
        url = answer.body.get("url") if answer.usable else None
        if not isinstance(url, str) or not is_url(url):
            raise NotPublished(f"The local server did not take {path.name} (HTTP {answer.status}).", hint="Try again; its log says more.")
        return Published(url, None, "the local server")


class Nowhere:
    """No way from a file on this machine to the provider."""

    def publish(self, path: Path) -> Published:
        raise NotPublished(f"The provider fetches clips by their address, and {path.name} is a file here.", hint=_ELSEWHERE, field="video")


def choose(*, draft: bool, video_url: str | None, base_url: str, key: SecretStr, guard: Guard, transport: Transport) -> Publisher:
    """The way for one clip: a draft's goes to the server of this home, an address stays what it is."""
    if draft:
        return Loopback(base_url, key, transport)
    return PublicUrl(video_url, guard) if video_url else Nowhere()


def image_source(image: str | Path) -> str:
    """The ``image`` of a submit: an address as it is, a file as a data URI of its untouched bytes, typed by them.

    Raises ``UnreadableMedia`` for a file that is neither JPEG nor PNG.
    """
    if is_url(image):
        return str(image)
    path = Path(image)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableMedia(f"{path.name} cannot be read: {error.strerror}.", hint="Choose the image again.", field="image") from error
    kind = sniff(data[:HEAD_BYTES]).phrase
    if kind not in _MIME:
        raise UnreadableMedia(f"{path.name} is {kind}; a .jpg or .png is needed.", hint="Convert it first (fit does).", field="image")
    return f"data:{_MIME[kind]};base64,{base64.b64encode(data).decode('ascii')}"


def expires_at(url: str) -> float | None:
    """Unix time at which a signed address stops working, or None when it does not say (or is not signed).

    Read from what the large stores sign: Amazon and its likes, Google, Azure, Tencent, and a plain ``Expires``.
    """
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    try:
        for prefix in ("x-amz", "x-goog"):
            if f"{prefix}-date" in query and f"{prefix}-expires" in query:
                signed = datetime.strptime(query[f"{prefix}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                return signed.timestamp() + float(query[f"{prefix}-expires"])
        if "sig" in query and "se" in query:
            return datetime.fromisoformat(query["se"]).timestamp()
        if "q-sign-time" in query:
            return float(query["q-sign-time"].rpartition(";")[2])
        if "expires" in query and "signature" in query:
            return float(query["expires"])
    except (ValueError, OverflowError):
        pass
    return None
