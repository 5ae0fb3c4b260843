"""The first look at a file, whatever is in it: is it there, how large is it, how does it begin, which hash does it have."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from kling_utils.errors import UnreadableMedia
from kling_utils.media.sniff import HEAD_BYTES

Field = Literal["image", "video"]


def begin(path: Path, field: Field) -> tuple[int, bytes]:
    """Size in bytes and first bytes of a regular, non-empty file."""
    try:
        if not path.is_file():
            what = (
                "a folder"
                if path.is_dir()
                else "not there"
                if not path.exists()
                else "not a regular file"
            )
            raise unreadable(path, field, what, f"Choose the {field} again.", "missing")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            size = file.seek(0, 2)
    except OSError as error:
        raise _closed(path, field, error) from error
    if size == 0:
        raise unreadable(
            path,
            field,
            "empty (0 bytes)",
            "The copy or upload was interrupted; choose the file again.",
            "empty",
        )
    return size, head


def unreadable(path: Path, field: Field, what: str, hint: str, found: str) -> UnreadableMedia:
    return UnreadableMedia(
        f"{path.name} is {what}.", hint=hint, what=what, found=found, field=field
    )


def sha256(path: Path) -> str:
    """Hash of a file's bytes. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_hash(path: Path, field: Field) -> str:
    """The same of an input. Raises ``UnreadableMedia``."""
    try:
        return sha256(path)
    except OSError as error:
        raise _closed(path, field, error) from error


def _closed(path: Path, field: Field, error: OSError) -> UnreadableMedia:
    return unreadable(
        path,
        field,
        f"not readable ({error.strerror})",
        "Check its permissions and its disk.",
        "missing",
    )
