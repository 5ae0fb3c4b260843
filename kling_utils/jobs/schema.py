"""The tables, their version, and how a database is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import (
    Boolean,
    Column,
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
    insert,
    inspect,
    select,
    update,
)

from kling_utils.jobs import manifest
from kling_utils.jobs.job_errors import LOOK_THERE
from kling_utils.values import TERMINAL, Provider, State

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
    Column("trouble", Text),
    Column("video", Text),
    Column("lease_by", String(26)),
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


def _leases_by_process(db: Connection) -> None:
    """A lease no longer ends by the clock: it is its process's, and dies with it."""
    if any(column["name"] == "lease_until" for column in inspect(db).get_columns("jobs")):
        db.exec_driver_sql("ALTER TABLE jobs DROP COLUMN lease_until")
        db.execute(update(jobs).values(lease_by=None))


def _described(db: Connection) -> None:
    """Each job's folder describes it."""
    home = Path(str(db.engine.url.database)).parent
    for row in db.execute(select(jobs)).mappings():
        folder = home / "jobs" / row["job_id"]
        if folder.is_dir():
            manifest.write(folder, dict(row))


def recovered(row: dict[str, Any]) -> dict[str, Any] | None:
    """A row of a job's folder, as it goes on: what was being sent is in doubt, a draft is made again.

    None for one that no job can have: a folder may be damaged, copied from elsewhere or forged.
    """
    row = {"overdue": False, "waits_for": "", **row, "lease_by": None}
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
)

BUSY_SECONDS = 30.0


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
