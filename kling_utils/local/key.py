"""The loopback server's key: a random token in a file that only its owner can read, and a proof of knowing it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from kling_utils.local.files import write_atomic

_SHORTEST = 32  # characters; less was not written by us


def make(folder: Path) -> str:
    """The key of this folder, made when there is none. Only the holder of the lock calls this."""
    path = folder / "key"
    key = read(folder)
    if key is None:
        key = f"local-{secrets.token_urlsafe(32)}"
        write_atomic(path, key + "\n")
    path.chmod(0o600)
    return key


def read(folder: Path) -> str | None:
    """The key, or None when there is none that can be used."""
    try:
        key = (folder / "key").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return key if len(key) >= _SHORTEST else None


def proof(key: str, port: int, challenge: str) -> str:
    """What only a holder of the key can answer, and only for its own port: nobody can pass another server's answer off as its own."""
    return hmac.new(key.encode(), f"{port}:{challenge}".encode(), hashlib.sha256).hexdigest()
