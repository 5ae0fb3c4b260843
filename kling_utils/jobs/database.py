"""The database: its tables and their version, and how it is opened, made, migrated or set aside when it is damaged."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from filelock import FileLock
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from kling_utils.errors import MoneyState, SettingError
from kling_utils.jobs.home import Home, describe
from kling_utils.jobs.job_errors import LOOK_THERE
from kling_utils.values import NAME_LENGTH, NOTE_LENGTH, RATINGS, TERMINAL, Provider, State

metadata = MetaData()

version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", String(26), primary_key=True),
    Column("owner", String(64), nullable=False, index=True),
    Column("provider", String(16), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("take", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("parameters", Text, nullable=False),
    Column("image_file", Text, nullable=False),
    Column("video_file", Text, nullable=False),
    Column("image_name", Text, nullable=False),
    Column("video_name", Text, nullable=False),
    Column("image_url", Text),  # given by the user; may be signed, so it is never shown
    Column("video_url", Text),
    Column("duration", Float, nullable=False),
    Column("quote", Text),
    Column("key_from", String(16), nullable=False),
    Column("task_id", Text),
    Column("base_url", Text),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("queued_at", Float),
    Column("processing_at", Float),
    Column("finished_at", Float),
    Column("progress", Integer),
    Column("eta", Float),
    Column("place", Integer),
    Column("overdue", Boolean, nullable=False, default=False),
    Column("waits_for", String(16), nullable=False, default=""),
    Column("publish", String(16), nullable=False, default="", server_default=""),
    Column("trouble", Text),
    Column("video", Text),
    Column("lease_by", String(26)),
    Column("name", String(NAME_LENGTH), nullable=False, default="", server_default=""),
    Column("rating", String(16), nullable=False, default="", server_default=""),
    Column("note", String(NOTE_LENGTH), nullable=False, default="", server_default=""),
    Column("votes", Text),
)

_unfinished = jobs.c.state.not_in(sorted(TERMINAL))
Index(
    "one_unfinished_job",
    jobs.c.owner,
    jobs.c.provider,
    jobs.c.fingerprint,
    jobs.c.take,
    unique=True,
    sqlite_where=_unfinished,
    postgresql_where=_unfinished,
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(26), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("event", Text, nullable=False),
    sqlite_autoincrement=True,
)


ledger = Table(
    "ledger",  # a row for each time that a job was or will be sent; it outlives the job
    metadata,
    Column("entry", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(26), nullable=False, index=True),
    Column("owner", String(64), nullable=False),
    Column("home", Boolean, nullable=False),  # this home pays
    Column("model_name", Text, nullable=False),
    Column("at", Float, nullable=False, index=True),  # when the amount was reserved
    Column("ended_at", Float),
    Column("low", Text),  # the quote; amounts are decimals as text
    Column("high", Text),
    Column("currency", String(8), nullable=False),
    Column("seconds", Text),  # that are billed; none where it is in doubt how many
    Column("base_url", Text),
    Column("reserved", Text),
    Column("status", String(16), nullable=False),  # reserved, spent, unknown, released
    Column("charge", Text),
    Column("hour_sum", Text),  # of the account, in the hours of the job
    Column("billed_at", Float),  # when the bill of these hours was read
    Column("balance_before", Text),
    Column("balance_after", Text),
    Column("balance_at", Float),  # when the latter was read
    sqlite_autoincrement=True,
)


pauses = Table(
    "pauses",  # whose jobs are not sent at the moment
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("at", Float, nullable=False),
)


TICK = 1e-3
"""Seconds by which a job's last change grows at least: folder and database are told apart by it, also when a clock is set back."""


def later(now: float) -> ColumnElement[float]:
    """When a job is changed at ``now``: never before its last change."""
    return func.max(now, jobs.c.updated + TICK)


def _leases_by_process(db: Connection) -> None:
    """A lease no longer ends by the clock: it is its process's, and dies with it."""
    if any(column["name"] == "lease_until" for column in inspect(db).get_columns("jobs")):
        db.exec_driver_sql("ALTER TABLE jobs DROP COLUMN lease_until")
        db.execute(update(jobs).values(lease_by=None))


def _add_columns(db: Connection, table: Table) -> None:
    there = {column["name"] for column in inspect(db).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            what = CreateColumn(column).compile(dialect=db.dialect)
            db.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {what}")


def _jobs_as_now(db: Connection) -> None:
    """A job knows how its files are published; later, also its name, rating, note and votes."""
    _add_columns(db, jobs)


def _described(db: Connection) -> None:
    """Each job's folder describes it."""
    _jobs_as_now(db)  # the rows are read as they are now
    home = Path(str(db.engine.url.database)).parent
    for row in db.execute(select(jobs)).mappings():
        folder = home / "jobs" / row["job_id"]
        if folder.is_dir():
            describe(folder, dict(row))


def _ledger(db: Connection) -> None:
    """What was or may have been spent is written down apart from the jobs."""
    from kling_utils.jobs import budget

    _jobs_as_now(db)
    ledger.create(db, checkfirst=True)
    known = set(db.scalars(select(ledger.c.job_id)))
    for row in db.execute(select(jobs).order_by(jobs.c.job_id)).mappings().all():
        if row["job_id"] not in known:
            budget.record(db, row, row["queued_at"] or row["created"], sent_here=True)


def _charged(db: Connection) -> None:
    """The ledger knows what was charged."""
    _add_columns(db, ledger)


def _pauses(db: Connection) -> None:
    """Sending can be paused."""
    pauses.create(db, checkfirst=True)


_LATER = {"overdue": False} | dict.fromkeys(("waits_for", "publish", "name", "rating", "note"), "")
"""What folders of older programs do not say."""


def recovered(row: dict[str, Any]) -> dict[str, Any] | None:
    """A row of a job's folder, as it goes on: what was being sent is in doubt, a draft is made again.

    None for one that no job can have: a folder may be damaged, copied from elsewhere or forged.
    """
    row = {**_LATER, **row, "lease_by": None}
    kept = {column.name: row.get(column.name) for column in jobs.columns}
    if not all(_sound(column, kept[column.name]) for column in jobs.columns):
        return None
    if kept.get("state") == "submitting":
        if kept.get("provider") == "local":
            kept["state"] = "checked"
        else:
            kept |= {"state": "unconfirmed", "trouble": json.dumps(_IN_DOUBT)}
    return kept


_CHOICES: dict[str, tuple[str, ...]] = {
    "state": get_args(State),
    "provider": get_args(Provider),
    "key_from": ("settings", "visitor", "none"),
    "waits_for": ("", "resume", "key", "host"),
    "publish": ("", "tunnel", "huggingface", "store"),
    "rating": RATINGS,
}
_FILES = ("image_file", "video_file", "video")
"""Names of files in the job's folder."""
_LARGEST = 1e12


def _sound(column: Column[Any], value: object) -> bool:
    """Can the column hold the value? SQLite itself takes anything."""
    if value is None:
        return bool(column.nullable)
    kind = column.type.python_type
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if not isinstance(value, str):
        fits = isinstance(value, int | float if kind is float else kind)
        return fits and abs(value) < _LARGEST  # type: ignore[arg-type]
    length = getattr(column.type, "length", None)
    plain = value.isprintable() and not {"/", "\\"} & set(value) and value.strip(". ") != ""
    return (
        kind is str
        and (length is None or len(value) <= length)
        and value == value.encode("utf-8", "replace").decode()
        and value in _CHOICES.get(column.name, (value,))
        and (plain or column.name not in _FILES)
    )


_IN_DOUBT = {
    "code": "SubmitUnconfirmed",
    "message": "The request was being sent when the database was lost: the task may exist.",
    "hint": LOOK_THERE,
    "money": "unknown",
}

# Forward only: migration i takes a database from version i to i + 1. The first one makes the tables as they are now.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    metadata.create_all,
    _leases_by_process,
    _described,
    _jobs_as_now,
    _ledger,
    _charged,
    _jobs_as_now,
    _pauses,
)

BUSY_SECONDS = 30.0


def _casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


class NewerDatabase(RuntimeError):
    """The database was written by a newer program."""


def connect(path: Path) -> Engine:
    """Open, create or migrate the database at ``path``.

    WAL, so that readers never wait; ``synchronous=FULL``, so that a state is on the disk before the act that it names. Writers use
    ``writing(engine)``, whose transactions take the write lock at their first word: SQLite's default begin would fail at once with
    "database is locked" when two readers want to become writers.
    """
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        # SQLite's own lower() knows no letters but those of ASCII
        connection.create_function("casefold", 1, _casefold, deterministic=True)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={int(BUSY_SECONDS * 1000)}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(
            "BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN"
        )

    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def identity(home: Home) -> tuple[int, int] | None:
    """Which database lies in the home now; None where there is none."""
    with contextlib.suppress(OSError):
        stat = home.database.stat()
        return stat.st_dev, stat.st_ino
    return None


def writing(engine: Engine) -> Engine:
    """The same engine with transactions that take the write lock at once."""
    return engine.execution_options(writes=True)


def migrate(engine: Engine) -> None:
    """Bring the database to the newest version. Raises ``NewerDatabase`` for one written by a newer program."""
    with writing(engine).begin() as db:
        known = inspect(db).has_table("schema_version")
        at = db.scalar(select(version.c.version)) or 0 if known else 0
        if at > len(MIGRATIONS):
            raise NewerDatabase(
                f"it is of version {at}, this program knows up to {len(MIGRATIONS)}"
            )
        for step in MIGRATIONS[at:]:
            step(db)
        if at == 0:
            db.execute(insert(version).values(version=len(MIGRATIONS)))
        elif at < len(MIGRATIONS):
            db.execute(update(version).values(version=len(MIGRATIONS)))


# -- a database as it is found

_DAMAGED = ("malformed", "not a database", "no such table", "no such column")
_CHECKED_BYTES = 64 * 2**20
"""A database up to this size is looked through whenever it is opened: 64 MB take 0.2 s."""


def open_database(home: Home) -> Engine:
    """The database of a home, made or migrated; a damaged one is set aside first.

    Raises ``SettingError`` where there is no way to use it: then nothing was sent.
    """
    try:
        with FileLock(home.root / "database.lock"):
            try:
                return _open_checked(home.database)
            except (DatabaseError, _Damaged) as error:
                if not _damaged(error):
                    raise
                _move_away(home.database)
                return _open_checked(home.database)
    except (SQLAlchemyError, OSError, NewerDatabase) as error:
        raise explain(error, home) from error


def explain(
    error: Exception, home: Home | None = None, *, money: MoneyState = "no"
) -> SettingError:
    """Trouble with the database or its disk as a sentence. ``money``: what is known to be spent."""
    where = str(home.database) if home is not None else "the home"
    told = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)
    hint = "Point KLING_HOME to a folder that can be written, or give this one back its rights."
    if isinstance(error, NewerDatabase):
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


def damaged_databases(home: Home) -> list[Path]:
    """Damaged databases of a home, the oldest first."""
    found = home.root.glob(f"{home.database.name}.damaged-*")
    return sorted(each for each in found if not each.name.endswith(("-wal", "-shm")))


def repair_notice(home: Home, rebuilt: int) -> str:
    """What to tell about a database that was rebuilt or set aside; empty when there is nothing."""
    kept = damaged_databases(home)
    parts = []
    if kept:
        parts.append(f"A damaged database was set aside as {kept[-1].name}.")
    if rebuilt:
        parts.append(f"{rebuilt} job{'s' * (rebuilt != 1)} came back from the folders.")
    return " ".join(parts)


class _Damaged(Exception):
    """A database that does not pass its own check."""


def _open_checked(path: Path) -> Engine:
    _check_length(path)
    engine = connect(path)
    try:
        with engine.connect() as db:
            if path.stat().st_size <= _CHECKED_BYTES:
                found = db.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if found != "ok":
                    raise _Damaged(str(found))
            for table in metadata.sorted_tables:
                db.execute(select(table).limit(0))  # another program's database lacks them
        if not os.access(path, os.W_OK):
            raise PermissionError(13, "it cannot be written")
    except BaseException:
        engine.dispose()
        raise
    return engine


def _check_length(path: Path) -> None:
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


def _move_away(path: Path) -> None:
    """Give a damaged database a dated name; nothing of it is removed."""
    dated = time.strftime("damaged-%Y%m%dT%H%M%S", time.gmtime())
    for tail in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(path.with_name(f"{path.name}.{dated}{tail}"))
