"""Writing files: names that fit, and temporary names until a file is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kling_utils.errors import KlingError, SettingError

MOST_BYTES = 255
"""Bytes of a file name that file systems hold."""
_LOCK = "lock"
_FOLDER = re.compile(r"\..+\.[0-9a-f]{12}\.part")
"""A temporary folder: 12 letters, because names with 8 are those of ``atomic_write``."""
_ABANDONED = 3600.0
"""Seconds without a write after which a temporary file belongs to a process that was killed."""


def sha256(path: Path) -> str:
    """Hash of a file's bytes. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cut(text: str, most: int) -> str:
    """The beginning of ``text`` in at most ``most`` bytes of UTF-8, without half a character."""
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= most:
        return text
    end = most
    while end > 0 and data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end].decode("utf-8", "surrogateescape")


def named(stem: str, ending: str) -> str:
    """``stem`` and ``ending``, the stem cut so that both fit."""
    most = MOST_BYTES - len(ending.encode("utf-8", "surrogateescape"))
    return cut(stem, max(0, most)) + ending


def part_name(dest: Path, *, letters: int = 8) -> Path:
    """A new hidden name beside ``dest``, for a file or folder that is renamed when it is whole."""
    return dest.with_name(named(f".{dest.name}", f".{secrets.token_hex(letters // 2)}.part"))


@contextmanager
def atomic_write(dest: Path) -> Iterator[Path]:
    """A temporary name beside ``dest``; the file gets its final name at the end of the block.

    After an exception it is removed. Temporary files of ``dest`` that a killed process left, and
    to which nobody wrote for an hour, are removed as well.
    """
    left = re.compile(rf"\.{re.escape(dest.name)}\.[0-9a-f]{{8}}\.part")
    with contextlib.suppress(OSError):
        for each in dest.parent.iterdir():
            if left.fullmatch(each.name) and time.time() - each.stat().st_mtime > _ABANDONED:
                each.unlink()
    part = part_name(dest)
    try:
        yield part
        if part.exists():
            os.replace(part, dest)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def temp_workdir(dest: Path, name: str) -> Iterator[Path]:
    """A new folder ``.{name}.{hex}.part`` in ``dest``, removed at the end of the block.

    Folders of processes that were killed are swept first. The lock in each is free once its
    process is dead, so those that are in use stay, in this process or another.
    """
    dest.mkdir(parents=True, exist_ok=True)
    sweep(dest)
    while True:
        folder = part_name(dest / name, letters=12)
        folder.mkdir()
        lock = FileLock(folder / _LOCK)
        # another process may have swept it before it was locked: then another name is tried
        with contextlib.suppress(OSError, Timeout):
            lock.acquire(timeout=0)
            if (folder / _LOCK).exists():
                break
        lock.release()
    try:
        yield folder
    finally:
        _remove(folder, lock)


def sweep(dest: Path) -> int:
    """Remove the temporary folders in ``dest`` whose process is dead. Returns how many."""
    count = 0
    for folder in list(dest.iterdir()):
        if not _FOLDER.fullmatch(folder.name) or not folder.is_dir() or folder.is_symlink():
            continue
        lock = FileLock(folder / _LOCK)
        with contextlib.suppress(OSError, Timeout):
            lock.acquire(timeout=0)
            _remove(folder, lock)
            count += 1
    return count


def _remove(folder: Path, lock: FileLock) -> None:
    """Empty it under the lock, then release it: Windows does not remove an open file."""
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each, ignore_errors=True)
        elif each.name != _LOCK:
            each.unlink(missing_ok=True)
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def local_trouble(dest: Path) -> Iterator[None]:
    """Turn an ``OSError`` about ``dest`` into a ``SettingError``: nothing was sent or spent."""
    try:
        yield
    except KlingError:
        raise
    except OSError as error:
        where = error.filename2 or error.filename or dest
        raise SettingError(
            f"{where} could not be written or read: {error.strerror or error}.",
            hint="Check the folder, its permissions and the free space, or choose another place.",
        ) from error
