"""How the provider gets at an input: hosts that give a file an address, and a check of the address before money is spent.

An object store's own library finds the credentials where its users keep them: nothing of them is logged or shown.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from kling_utils.errors import AddressRefused, NoContact, NotPublished, UnreadableMedia
from kling_utils.media.fetch import Guard, bare, chunks, length, refuse_kind, refuse_status
from kling_utils.media.files import sha256
from kling_utils.media.sniff import HEAD_BYTES, sniff
from kling_utils.providers.huggingface import HuggingFace
from kling_utils.values import Published, is_url

if TYPE_CHECKING:
    from kling_utils.providers.tunnel import TemporaryLink

NEEDED_LIFE = 30 * 60.0  # seconds: in the queue a clip may wait long before it is fetched
_LOOK = 60.0  # seconds
Input = Literal["image", "video"]
_MIME = {"a picture (JPEG)": "image/jpeg", "a picture (PNG)": "image/png"}
_ELSEWHERE = (
    "Let this machine serve it by a temporary link (KLING_PUBLISH_TO=tunnel), publish it at Hugging Face (KLING_PUBLISH_TO=huggingface) or "
    "in an object store, or put it at a public https address and give that instead of the file. A local draft needs none, and is free."
)


class Host(Protocol):
    """A way to an address for files of this machine, which can take back what it published."""

    def publish(self, path: Path) -> Published:
        """An address at which the provider finds the bytes of ``path``. Raises ``KlingError``, and then nothing was spent."""
        ...

    def withdraw(self, path: Path) -> None:
        """Take ``path`` off the host. Raises ``NotPublished`` when that cannot be done."""
        ...


Kind = Literal["", "tunnel", "huggingface", "store"]
"""What a job keeps of the way by which its files were published: an object store's address may hold a key. Empty: by the page, or not."""


@dataclass(frozen=True, slots=True)
class PublishTarget:
    """A configured host, and whether what it published is taken back when the job has ended."""

    host: Host
    name: str
    withdraw: bool
    by_content: bool = False
    """The same bytes have one address there, whoever published them."""
    whole: bool = False
    """One ``withdraw`` takes back all files of a job."""
    kind: Kind = ""
    notice: Callable[[], str] = str
    """What a person is told before a file is published there."""
    serves: Callable[[Path], bool] = lambda path: True
    """False when the address of a file has ended, as a temporary link does with its program."""


def link_target(link: TemporaryLink) -> PublishTarget:
    """The temporary link from this machine."""
    return PublishTarget(
        link,
        "the temporary link",
        withdraw=True,
        kind="tunnel",
        notice=link.notice,
        serves=link.serves,
    )


def hub_target(token: SecretStr | None, endpoint: str) -> PublishTarget:
    """A dataset at Hugging Face for each job."""
    host = HuggingFace(token, endpoint)
    return PublishTarget(host, "Hugging Face", withdraw=True, whole=True, kind="huggingface")


def store_target(root: str, *, delete: bool) -> PublishTarget:
    """An object store. ``delete``: what was uploaded is deleted when the job has ended."""
    return PublishTarget(
        ObjectStore(root), "the object store", withdraw=delete, by_content=True, kind="store"
    )


def publish_clip(
    path: Path, *, url: str | None, guard: Guard, ways: Sequence[PublishTarget] = ()
) -> Published:
    """The address of a clip: one that was given stays what it is, a file goes to the first host. Raises ``NotPublished``."""
    if url:
        return at_address(url, path, guard)
    if not ways:
        raise not_public(f"{path.name} is a file")
    return at_host(ways[0].host, path, guard)


def at_host(host: Host, path: Path, guard: Guard, *, field: Input = "video") -> Published:
    """A file at a host, looked at from here as the provider will: no file, no paid call. Raises ``NotPublished``."""
    published = host.publish(path)
    at_address(published.url, path, guard, field=field)
    return published


def at_address(
    url: str,
    path: Path,
    guard: Guard,
    *,
    field: Input = "video",
    wall: Callable[[], float] = time.time,
) -> Published:
    """An address as it is, after a look that it serves the file to anyone. Raises ``NotPublished``.

    ``path`` is the copy that was checked: a file of another length is refused.
    """
    expires = expires_at(url)
    if expires is not None and expires - wall() < NEEDED_LIFE:
        raise NotPublished(
            f"{bare(url)} stops working too soon: the provider may fetch it half an hour from now.",
            hint="Make an address that lives longer, a day for example.",
            field=field,
        )
    try:
        served = _served(url, guard, field)
    except (AddressRefused, NoContact) as error:
        told = f"The provider could not fetch the {field}. {error.message}"
        raise NotPublished(told, hint=error.hint, field=field) from None
    size = path.stat().st_size
    if served not in (None, size):
        raise NotPublished(
            f"{bare(url)} serves {served} bytes by now, the file that was checked has {size}.",
            hint="Check the address again, so that what is sent is what was checked.",
            field=field,
        )
    return Published(url, expires, "its own public address")


def _served(url: str, guard: Guard, field: Input) -> int | None:
    """Ask for the first bytes only; the file's length, where the host tells it."""
    headers = {"Range": f"bytes=0-{HEAD_BYTES - 1}"}
    with guard.open(url, headers=headers, total=_LOOK) as response:
        refuse_status(response, url)
        head = b""
        for chunk in chunks(response, url):
            if len(head := head + chunk) >= HEAD_BYTES:
                break  # a host that ignores the range would send all of it
        refuse_kind(head[:HEAD_BYTES], url, (field,), response)
        if response.status_code == 200:
            return length(response)
        total = re.fullmatch(
            r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", "").strip()
        )
        return int(total[1]) if total else None


def not_public(what: str, why: str = "") -> NotPublished:
    """No way from a file on this machine to the provider; ``why`` the one that is set is none."""
    told = f"The provider fetches clips by their address, and {what} here. {why}".strip()
    return NotPublished(told, hint=_ELSEWHERE, field="video")


def image_source(
    path: Path, *, url: str | None, guard: Guard, ways: Sequence[PublishTarget] = ()
) -> str:
    """The ``image`` of a submit: an address where one serves the file that was checked, else a data URI.

    The address that the user gave comes first, then the first host. An address is the form that every host of the contract is known to
    take; when neither works, the bytes themselves are sent. Raises ``UnreadableMedia`` for a file that is neither JPEG nor PNG.
    """
    inline = data_uri(path)
    with contextlib.suppress(NotPublished):
        if url:
            return at_address(url, path, guard, field="image").url
    with contextlib.suppress(NotPublished):
        if ways:
            return at_host(ways[0].host, path, guard, field="image").url
    return inline


def data_uri(path: Path) -> str:
    """A picture's untouched bytes as a data URI, typed by them. Raises ``UnreadableMedia`` for what is neither JPEG nor PNG."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableMedia(
            f"{path.name} cannot be read: {error.strerror}.",
            hint="Choose the image again.",
            field="image",
        ) from error
    kind = sniff(data[:HEAD_BYTES]).phrase
    if kind not in _MIME:
        raise UnreadableMedia(
            f"{path.name} is {kind}; a .jpg or .png is needed.",
            hint="Convert it first (fit does).",
            field="image",
        )
    return f"data:{_MIME[kind]};base64,{base64.b64encode(data).decode('ascii')}"


def expires_at(url: str) -> float | None:
    """Unix time at which a signed address stops working, or None when it does not say (or is not signed).

    Read from what the large stores sign: Amazon and its likes, Google, Azure, Tencent, and a plain ``Expires``.
    """
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    try:
        for prefix in ("x-amz", "x-goog"):
            if f"{prefix}-date" in query and f"{prefix}-expires" in query:
                signed = datetime.strptime(query[f"{prefix}-date"], "%Y%m%dT%H%M%SZ").replace(
                    tzinfo=UTC
                )
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


LIFE = 24 * 3600.0
"""Seconds that a signed address lives: a day, as long as a job is watched by itself."""
_NEEDS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hf": "huggingface_hub",
}
_HERE = ("file", "local", "memory", "")


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """``root`` such as ``s3://bucket/prefix``. Raises ``NotPublished``, and then nothing was spent."""

    root: str
    wall: Callable[[], float] = time.time
    life: float = LIFE

    @property
    def scheme(self) -> str:
        return urlsplit(self.root).scheme.lower()

    def publish(self, path: Path) -> Published:
        """Upload under a name made from the content, so that a repeat is harmless, and sign an address for it."""
        store, target = self._open(path)
        try:
            size = path.stat().st_size
            if not (store.exists(target) and store.size(target) == size):
                store.put_file(str(path), target)
            url, signed = self._address(store, target)
        except NotPublished:
            raise
        except Exception as error:  # noqa: BLE001 - each store's library has its own tree of errors
            raise self._refused(error, "take the clip") from None
        return Published(
            url, self.wall() + self.life if signed else None, f"an object store ({self.scheme})"
        )

    def withdraw(self, path: Path) -> None:
        """Delete what was uploaded. Raises ``NotPublished`` when the store does not allow it."""
        store, target = self._open(path)
        try:
            if store.exists(target):
                store.rm_file(target)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._refused(error, "delete the clip") from None

    def _open(self, path: Path) -> tuple[Any, str]:
        if self.scheme in _HERE:
            raise NotPublished(
                "KLING_PUBLISH_TO names a place on this machine, which the provider cannot reach.",
                hint="Use an object store, such as s3://bucket/prefix.",
                field="video",
            )
        package = _NEEDS.get(self.scheme)
        if package and importlib.util.find_spec(package) is None:
            raise NotPublished(
                f"KLING_PUBLISH_TO begins with {self.scheme}://, which needs the package {package}.",
                hint=f"pip install {package}",
                field="video",
            )
        from fsspec.core import url_to_fs

        try:
            store, root = url_to_fs(self.root)
        except (ImportError, ValueError) as error:
            raise self._refused(error, "open") from None
        name = sha256(path)[:32]
        return store, f"{root.rstrip('/')}/{name}{path.suffix.lower()}"

    def _address(self, store: Any, target: str) -> tuple[str, bool]:
        """An address, and whether it is signed and ends; a store that signs none may have a public one, which does not end."""
        signed = True
        try:
            url = store.sign(target, expiration=int(self.life))
        except (NotImplementedError, AttributeError):
            url, signed = store.url(target) if hasattr(store, "url") else None, False
        if not is_url(url):
            raise NotPublished(
                f"A store of the kind {self.scheme} gives no web address for a file.",
                hint="Use one that does, such as s3.",
                field="video",
            )
        return str(url), signed

    def _refused(self, error: Exception, what: str) -> NotPublished:
        kind = type(error).__name__  # its text may hold a key or a signed address
        place = f"{self.scheme}://{self.root.partition('://')[2].rpartition('@')[2]}"
        return NotPublished(
            f"The object store {place} did not {what} ({kind}).",
            hint="Check KLING_PUBLISH_TO, and that the store's own credentials are set here and allow it: run doctor.",
            field="video",
        )
