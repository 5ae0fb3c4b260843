"""An object store as the way to an address: upload, sign, take away. Any store that fsspec speaks.

Owns names, lives and refusals of what is put there. Refuses to know credentials: each store's own library finds them where its users
keep them, and nothing of them is logged or shown.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kling_utils.errors import NotPublished
from kling_utils.media.opening import sha256
from kling_utils.values import Published, is_url

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
