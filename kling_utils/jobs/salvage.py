"""The home's database as it is found: opened, or set aside when it is damaged, or a sentence that says why it cannot be used."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from filelock import FileLock
from sqlalchemy import Engine, select
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from kling_utils.errors import MoneyState, SettingError
from kling_utils.jobs import schema
from kling_utils.jobs.home import Home

_DAMAGED = ("malformed", "not a database", "no such table", "no such column")
_CHECKED_BYTES = 64 * 2**20
"""A database up to this size is looked through whenever it is opened: 64 MB take 0.2 s."""


def rescued(home: Home) -> Engine:
    """The database of a home, made or migrated; a damaged one is set aside first.

    Raises ``SettingError`` where there is no way to use it: then nothing was sent.
    """
    try:
        with FileLock(home.root / "database.lock"):
            try:
                return _opened(home.database)
            except (DatabaseError, _Damaged) as error:
                if not _damaged(error):
                    raise
                _set_aside(home.database)
                return _opened(home.database)
    except (SQLAlchemyError, OSError, schema.NewerDatabase) as error:
        raise explained(error, home) from error


def explained(
    error: Exception, home: Home | None = None, *, money: MoneyState = "no"
) -> SettingError:
    """Trouble with the database or its disk as a sentence. ``money``: what is known to be spent."""
    where = str(home.database) if home is not None else "the home"
    told = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)
    hint = "Point KLING_HOME to a folder that can be written, or give this one back its rights."
    if isinstance(error, schema.NewerDatabase):
        hint = "Update the program, or point KLING_HOME to another folder."
    elif home is not None and (folder := _folder_in_place(home)):
        told = "it is a folder" if folder == home.database else f"{folder.name} is a folder"
        hint = "Move that folder away; the jobs' own folders are kept."
    elif "full" in told or "No space" in told or "disk I/O" in told:
        told, hint = (
            "the disk is full",
            "Free some space, then start again: jobs go on by themselves.",
        )
        told = told if "disk I/O" not in str(error) else "the disk is full or damaged"
    elif "locked" in told:
        hint = "Another process writes to it. Try again in a moment."
    elif _damaged(error):
        hint = "Start again: a damaged database is set aside, and rebuilt from the jobs' folders."
    return SettingError(f"The database {where} cannot be used: {told}.", hint=hint, money=money)


def _folder_in_place(home: Home) -> Path | None:
    """A folder where the database or one of the files beside it has to be."""
    files = (home.database.with_name(home.database.name + end) for end in ("", "-wal", "-shm"))
    return next((each for each in files if each.is_dir()), None)


def set_aside(home: Home) -> list[Path]:
    """Damaged databases of a home, the oldest first."""
    found = home.root.glob(f"{home.database.name}.damaged-*")
    return sorted(each for each in found if not each.name.endswith(("-wal", "-shm")))


def sentence(home: Home, rebuilt: int) -> str:
    """What to tell about a database that was rebuilt or set aside; empty when there is nothing."""
    kept = set_aside(home)
    parts = []
    if kept:
        parts.append(f"A damaged database was set aside as {kept[-1].name}.")
    if rebuilt:
        parts.append(f"{rebuilt} job{'s' * (rebuilt != 1)} came back from the folders.")
    return " ".join(parts)


class _Damaged(Exception):
    """A database that does not pass its own check."""


def _opened(path: Path) -> Engine:
    _whole(path)
    engine = schema.connect(path)
    try:
        with engine.connect() as db:
            if path.stat().st_size <= _CHECKED_BYTES:
                found = db.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if found != "ok":
                    raise _Damaged(str(found))
            for table in schema.metadata.sorted_tables:
                db.execute(select(table).limit(0))  # another program's database lacks them
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "it cannot be written")
    except BaseException:
        engine.dispose()
        raise
    return engine


def _whole(path: Path) -> None:
    """Raises ``_Damaged`` for a file that is shorter than its header says."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
            size = file.seek(0, os.SEEK_END)
    except (FileNotFoundError, IsADirectoryError):
        return
    if not head:
        return
    page = int.from_bytes(head[16:18], "big") if len(head) == 100 else 0
    page = 65536 if page == 1 else page
    pages = int.from_bytes(head[28:32], "big")
    log = path.with_name(f"{path.name}-wal")
    with contextlib.suppress(OSError):
        if log.stat().st_size:
            return  # what is missing may still lie in the log
    if head[:16] != b"SQLite format 3\0" or size < pages * page:
        raise _Damaged("it is not a whole database")


def _damaged(error: Exception) -> bool:
    if isinstance(error, _Damaged):
        return True
    told = str(getattr(error, "orig", error))
    return isinstance(error, DatabaseError) and any(each in told for each in _DAMAGED)


def _set_aside(path: Path) -> None:
    """Give a damaged database a dated name; nothing of it is removed."""
    dated = time.strftime("damaged-%Y%m%dT%H%M%S", time.gmtime())
    for tail in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(path.with_name(f"{path.name}.{dated}{tail}"))
