"""A place for unfinished work beside where it will lie: a hidden folder that is gone when the work is done, stopped or killed.

Owns temporary names and who may sweep them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kling_utils.errors import KlingError, SettingError
from kling_utils.media.names import part_name

_LOCK = "lock"
_ORPHAN = re.compile(
    r"\..+\.[0-9a-f]{12}\.part"
)  # 12 letters: the 8 of ``playable.beside`` are somebody else's work


@contextmanager
def temp_workdir(dest: Path, name: str) -> Iterator[Path]:
    """A new folder ``.{name}.{hex}.part``, the name cut where it is long, in the folder ``dest``, removed at the end whatever happens.

    What earlier workshops left there when they were killed is swept first. A lock that the system gives back when a process dies tells
    them from those that are still at work, in this process or another.
    """
    dest.mkdir(parents=True, exist_ok=True)
    sweep(dest)
    while True:
        folder = part_name(dest / name, letters=12)
        folder.mkdir()
        lock = FileLock(folder / _LOCK)
        # somebody swept it in the instant before it was locked: another name, then
        with contextlib.suppress(OSError, Timeout):
            lock.acquire(timeout=0)
            if (folder / _LOCK).exists():
                break
        lock.release()
    try:
        yield folder
    finally:
        _remove(folder, lock)


@contextmanager
def local_trouble(dest: Path) -> Iterator[None]:
    """What the system says when ``dest`` cannot be written becomes a ``SettingError``: nothing was sent, so nothing was spent."""
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


def sweep(dest: Path) -> int:
    """Remove the workshops in ``dest`` in which nobody works any more; how many there were."""
    count = 0
    for folder in [
        each
        for each in dest.iterdir()
        if _ORPHAN.fullmatch(each.name) and each.is_dir() and not each.is_symlink()
    ]:
        lock = FileLock(folder / _LOCK)
        with contextlib.suppress(OSError, Timeout):
            lock.acquire(timeout=0)
            _remove(folder, lock)
            count += 1
    return count


def move(made: Path, dest: Path) -> None:
    """Give a whole file its final name in one step."""
    os.replace(made, dest)


def _remove(folder: Path, lock: FileLock) -> None:
    """Empty it while the lock is held, then let go: some systems do not remove a file that is open."""
    for each in folder.iterdir():
        if each.name != _LOCK:
            shutil.rmtree(each, ignore_errors=True) if each.is_dir() else each.unlink(
                missing_ok=True
            )
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)
