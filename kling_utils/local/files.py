"""What is handed to the loopback server, and where it lies until it is used.

Owns the folder of uploads, their names, and the reading of an address as a file of ours. Refuses to know tasks and HTTP servers.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from kling_utils.media.names import part_name

UPLOAD_LIMIT = (
    128 * 1024 * 1024
)  # bytes; over the wire's own limit, so that an oversized file gets the wire's words for it
UPLOAD_HOURS = 1.0  # an upload lives this long after it was last handed over or used; tasks keep their own copies

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_NAME = re.compile(r"[0-9a-f]{32}-[A-Za-z0-9._-]{1,64}")


class TooLarge(Exception):
    """An upload went over the limit; nothing of it was kept."""


class Uploads:
    """A folder of files under names that cannot be guessed, and that are the same for the same bytes and name.

    One process has it at a time, so what is half written when it is opened was left by one that was killed, and is removed.
    """

    def __init__(self, folder: Path, key: str, *, limit: int = UPLOAD_LIMIT) -> None:
        self._folder, self._key, self.limit = folder, key.encode(), limit
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for half in folder.glob(".*.part"):
            half.unlink(missing_ok=True)

    def receive(self, name: str) -> Upload:
        """Begin to take a file; ``name`` may be anything, and lends its safe part and its suffix."""
        return Upload(self._folder, safe_name(name), self._key, self.limit)

    def find(self, name: str) -> Path | None:
        """The file of that name, or None."""
        path = self._folder / name
        return path if _NAME.fullmatch(name) and path.is_file() else None

    def sweep(self, now: float) -> None:
        """Remove what has not been touched for ``UPLOAD_HOURS``; ``now`` is Unix time."""
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > UPLOAD_HOURS * 3600:
                    path.unlink()


class Upload:
    """A file on its way in: beside its place until it is whole. Used as a context manager, so that a broken one leaves nothing."""

    def __init__(self, folder: Path, name: str, key: bytes, limit: int) -> None:
        self._folder, self._name, self._key, self._limit = folder, name, key, limit
        self._part = folder / f".{secrets.token_hex(8)}.part"
        self._file = self._part.open("xb")
        self._digest, self._size = hashlib.sha256(), 0

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """Raises ``TooLarge`` past the limit."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLarge
        self._digest.update(chunk)
        self._file.write(chunk)

    def keep(self) -> str:
        """Put it in its place and return its name there: a keyed hash of the bytes, then the safe part of the name."""
        self._file.close()
        token = hmac.new(self._key, self._digest.digest(), hashlib.sha256).hexdigest()[:32]
        name = f"{token}-{self._name}"
        os.replace(self._part, self._folder / name)
        return name


def safe_name(name: str) -> str:
    """The last part of a name, of harmless characters only, at most 64 of them, with a suffix of the known ones or none."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, suffix = last.rpartition(".")
    known = f".{suffix.lower()}" if dot and f".{suffix.lower()}" in TYPES else ""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", stem if known else last).strip("_")
    return (plain[: 64 - len(known)] or "file") + known


def own_path(url: str) -> str | None:
    """The path of an address on a loopback server of this package, or None for an address anywhere else.

    Any port counts: the server may have moved to another one since the address was given, and only files of this home are found.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    own = parts.scheme == "http" and host in LOOPBACK and parts.path.startswith("/local/")
    return parts.path if own else None


def link(source: Path, place: Path) -> None:
    """The same bytes under a second name, without a copy where the disk allows it."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)


def write_atomic(path: Path, text: str) -> None:
    """Write beside the place, readable by nobody else, and rename."""
    part = part_name(path)
    try:
        with open(part, "x", encoding="utf-8", opener=_private) as file:
            file.write(text)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
