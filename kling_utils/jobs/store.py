"""The job store: rows, their events, and who works on them. Every change of a job and the events that tell of it are one transaction.

The database itself holds two rules: one unfinished job for each take of a request, and one worker for one job.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError, NoResultFound, SQLAlchemyError

from kling_utils import events as ev
from kling_utils.errors import KlingError, NoSuchJob
from kling_utils.events import Event
from kling_utils.jobs import budget, database, listing
from kling_utils.jobs.budget import Limits
from kling_utils.jobs.database import open_database
from kling_utils.jobs.home import (
    DESCRIPTION,
    JOB_ID,
    Home,
    Presence,
    describe,
    described,
    new_job_id,
)
from kling_utils.jobs.ledger import Entry, Settled
from kling_utils.jobs.listing import Group, Tally
from kling_utils.values import (
    HOME_OWNER,
    TERMINAL,
    Job,
    Money,
    MotionRequest,
    Provider,
    Quote,
    Rating,
    State,
    Trouble,
    Vote,
    parameters,
)

KeyFrom = Literal["settings", "visitor", "none"]

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_QUOTE = TypeAdapter(Quote)
_TROUBLE = TypeAdapter(Trouble)
_VOTES = TypeAdapter(tuple[Vote, ...])
_jobs, _events, _ledger = database.jobs, database.events, database.ledger
_pauses = database.pauses
_PLAIN = tuple(
    each.name
    for each in fields(Job)
    if each.name in _jobs.c and each.name not in ("trouble", "video", "votes")
)
"""Attributes of a job that a column holds as they are."""

LOG = logging.getLogger(__name__)
_DESCRIBED = tuple(
    _jobs.c[name]
    for name in (
        *("state", "task_id", "video", "waits_for", "overdue", "trouble", "finished_at"),
        *("name", "rating", "note"),
    )
)
"""What is written into the job's folder as soon as it changes. Progress is not: the provider tells it again."""

_CAME_BACK = "The database did not have this job; it was taken from the job's folder."

WAITING: tuple[State, ...] = ("checked", "submitting", "queued")
MOST_VOTES = 100
"""Votes that are kept with a job, the newest."""


def _say(db: Connection, job_id: str, at: float, event: Event) -> None:
    db.execute(insert(_events).values(job_id=job_id, at=at, event=_EVENT.dump_json(event).decode()))


def _votes(kept: str | None) -> tuple[Vote, ...]:
    return _VOTES.validate_json(kept) if kept else ()


def _no_job(job_id: str) -> NoSuchJob:
    return NoSuchJob(f"There is no job {job_id}.", hint="List the jobs of this home to find it.")


def _same(owner: str, provider: str, fingerprint: str) -> ColumnElement[bool]:
    """The condition that a job is for one request."""
    mine = (_jobs.c.owner == owner) & (_jobs.c.provider == provider)
    return mine & (_jobs.c.fingerprint == fingerprint)


_AMOUNTS = ("low", "high", "reserved", "charge", "hour_sum", "balance_before", "balance_after")


def _entry(row: Mapping[str, Any] | RowMapping) -> Entry:
    """A row of the ledger, with the state of its job."""

    def money(name: str) -> Money | None:
        return None if row[name] is None else Money(Decimal(row[name]), row["currency"] or "USD")

    known: dict[str, Any] = {
        "state": row["state"] or "deleted",
        "seconds": Decimal(row["seconds"]) if row["seconds"] else None,
        **{name: money(name) for name in _AMOUNTS},
    }
    plain = {each.name: row[each.name] for each in fields(Entry) if each.name not in known}
    return Entry(**plain, **known)


class DraftLimitReached(Exception):
    """As many jobs wait as may wait: of the owner (``mine``), or of all visitors."""

    def __init__(self, *, mine: bool) -> None:
        super().__init__()
        self.mine = mine


class DuplicateRequest(Exception):
    """This take of the request is already unfinished; the database refused a second one."""


@dataclass(frozen=True, slots=True)
class JobSecrets:
    """What only the worker of a job sees."""

    key_from: KeyFrom
    image_url: str | None
    video_url: str | None
    leased: bool
    """True while a live process works on the job."""
    elsewhere: bool = False
    """That is another process."""


class Store:
    """Jobs and their events in ``home``. Thread-safe; any number of processes may share a home."""

    def __init__(self, home: Home, worker: str = "") -> None:
        home.make()
        self.home = home
        try:
            self.presence = Presence(home.workers, worker or new_job_id())
        except OSError as error:
            raise home.unusable(error) from error
        self.worker = self.presence.worker
        self._reopening = threading.RLock()
        try:
            self._engine, self._file = open_database(home), database.identity(home)
        except BaseException:
            self.presence.close()
            raise
        self._changed = threading.Condition()
        self.rebuilt = self._rebuild(self._engine)

    def close(self) -> None:
        """Let go of all leases at once, and of the database."""
        with contextlib.suppress(SQLAlchemyError), database.writing(self._engine).begin() as db:
            mine = _jobs.c.lease_by == self.worker
            db.execute(update(_jobs).where(mine).values(lease_by=None))
        self.presence.close()  # with it all leases end, also where the database cannot be written
        self._engine.dispose()

    # -- the database

    @property
    def _read(self) -> Engine:
        """The database at its path. One that was removed or replaced under this process is opened anew: what other processes write is
        there, and a request that both knew must not be sent by both."""
        if database.identity(self.home) != self._file:
            with self._reopening:
                if database.identity(self.home) != self._file:
                    self._reopen()
        return self._engine

    @property
    def _write(self) -> Engine:
        return database.writing(self._read)

    def _reopen(self) -> None:
        LOG.warning("%s was removed or replaced; it is opened anew", self.home.database)
        held: list[str] = []
        mine = select(_jobs.c.job_id).where(_jobs.c.lease_by == self.worker)
        with contextlib.suppress(SQLAlchemyError), self._engine.connect() as db:
            held = list(db.scalars(mine))
        self.home.make()
        engine = open_database(self.home)
        self.rebuilt += self._rebuild(engine)
        with database.writing(engine).begin() as db:
            again = _jobs.c.job_id.in_(held) & self._free(db)
            db.execute(update(_jobs).where(again).values(lease_by=self.worker))
        before, self._engine = self._engine, engine  # other threads meet it when all is there
        self._file = database.identity(self.home)
        before.dispose()

    # -- reading

    def get(self, job_id: str, *, owner: str | None = None) -> Job:
        """Raises ``NoSuchJob``, also for a job of another owner."""
        return self._job(self._row(job_id, owner))

    def private(self, job_id: str) -> JobSecrets:
        row = self._row(job_id)
        holder = row["lease_by"]
        leased = holder is not None and self.presence.alive(holder)
        elsewhere = leased and holder != self.worker
        return JobSecrets(row["key_from"], row["image_url"], row["video_url"], leased, elsewhere)

    def jobs(
        self,
        *,
        owner: str | None = None,
        state: State | None = None,
        since: float | None = None,
        text: str = "",
        rating: Rating | None = None,
        group: Group | None = None,
        limit: int | None = 50,
        offset: int = 0,
    ) -> list[Job]:
        """The newest first; with ``since``, those that were made at that Unix time or later.

        ``text``, ``rating`` and ``group`` as in ``listing``.
        """
        query = select(_jobs).order_by(_jobs.c.job_id.desc()).limit(limit).offset(offset)
        query = query.where(*listing.about(owner, text, rating), *listing.grouped(group))
        if state is not None:
            query = query.where(_jobs.c.state == state)
        if since is not None:
            query = query.where(_jobs.c.created >= since)
        return self._list(query)

    def tally(
        self, *, owner: str | None = None, text: str = "", rating: Rating | None = None
    ) -> Tally:
        """How many jobs there are, in all and in each group."""
        counts = [func.count().filter(*listing.grouped(each)) for each in listing.GROUPS]
        query = select(func.count(), *counts).where(*listing.about(owner, text, rating))
        with self._read.connect() as db:
            total, *each = db.execute(query.select_from(_jobs)).one()
            return Tally(total, dict(zip(listing.GROUPS, each, strict=True)))

    def voted(self, owner: str | None = None) -> list[Vote]:
        """All votes on jobs of the owner, or of all, the newest first."""
        query = select(_jobs.c.votes).where(_jobs.c.votes.is_not(None), *listing.about(owner))
        with self._read.connect() as db:
            found = {vote.vote_id: vote for kept in db.scalars(query) for vote in _votes(kept)}
        return sorted(found.values(), key=lambda vote: vote.vote_id, reverse=True)

    def stopped(self) -> list[Job]:
        """Unfinished jobs of this home that no live process works on, or that are past their deadline, the oldest first. None in doubt."""
        ended = sorted({*TERMINAL, "unconfirmed"})
        mine = (_jobs.c.owner == HOME_OWNER) & _jobs.c.state.not_in(ended)
        with self._read.connect() as db:
            still = or_(self._free(db), _jobs.c.overdue, _jobs.c.waits_for != "")
        return self._list(select(_jobs).where(mine & still).order_by(_jobs.c.job_id))

    def of_visitors(self, owner: str | None) -> list[Job]:
        """Jobs of one visitor, or of all of them, the oldest first; none of this home."""
        theirs = _jobs.c.owner != HOME_OWNER if owner is None else _jobs.c.owner == owner
        return self._list(select(_jobs).where(theirs).order_by(_jobs.c.job_id))

    def exists(self, job_id: str) -> bool:
        with self._read.connect() as db:
            return db.scalar(select(_jobs.c.job_id).where(_jobs.c.job_id == job_id)) is not None

    def with_task(self, task_id: str, *, owner: str | None = None) -> Job | None:
        """The newest job that has the task."""
        query = select(_jobs).where(_jobs.c.task_id == task_id).order_by(_jobs.c.job_id.desc())
        if owner is not None:
            query = query.where(_jobs.c.owner == owner)
        return next(iter(self._list(query.limit(1))), None)

    def unended(self, provider: Provider) -> list[Job]:
        """Jobs at that provider, of all owners, which still may need their files."""
        unended = _jobs.c.state.not_in(sorted(TERMINAL))
        return self._list(select(_jobs).where(_jobs.c.provider == provider, unended))

    def twins(self, owner: str, provider: Provider, fingerprint: str) -> list[Job]:
        """All jobs for the same request, the newest take first."""
        query = select(_jobs).where(_same(owner, provider, fingerprint))
        return self._list(query.order_by(_jobs.c.take.desc(), _jobs.c.job_id.desc()))

    def _list(self, query: Select[Any]) -> list[Job]:
        with self._read.connect() as db:
            return [self._job(row) for row in db.execute(query).mappings()]

    def place(self, job: Job) -> int:
        """Place of a queued draft among all that wait to be rendered, 1 being next."""
        earlier = (_jobs.c.queued_at < job.queued_at) | (
            (_jobs.c.queued_at == job.queued_at) & (_jobs.c.job_id < job.job_id)
        )
        waiting = (_jobs.c.provider == job.provider) & (_jobs.c.state == "queued")
        with self._read.connect() as db:
            count = select(func.count()).select_from(_jobs).where(waiting & earlier)
            return 1 + (db.scalar(count) or 0)

    def events(self, job_id: str, after: int = 0) -> list[tuple[int, Event]]:
        """(sequence number, event) of one job, in order."""
        query = (
            select(_events.c.seq, _events.c.event)
            .where(_events.c.job_id == job_id, _events.c.seq > after)
            .order_by(_events.c.seq)
        )
        with self._read.connect() as db:
            return [(seq, _EVENT.validate_json(text)) for seq, text in db.execute(query)]

    def log(self, job_id: str) -> list[tuple[float, Event]]:
        """(Unix time, event) of one job, in order."""
        query = select(_events.c.at, _events.c.event).where(_events.c.job_id == job_id)
        with self._read.connect() as db:
            rows = db.execute(query.order_by(_events.c.seq))
            return [(at, _EVENT.validate_json(text)) for at, text in rows]

    def entries(
        self,
        *,
        owner: str = HOME_OWNER,
        since: float | None = None,
        job_id: str | None = None,
        charged: bool = False,
        limit: int | None = None,
    ) -> list[Entry]:
        """Entries of the ledger, the newest first. ``job_id``: those of that job only, of any owner."""
        query = select(_ledger, _jobs.c.state).outerjoin(_jobs, _jobs.c.job_id == _ledger.c.job_id)
        if job_id is not None:
            query = query.where(_ledger.c.job_id == job_id)
        else:
            query = query.where(_ledger.c.home if owner == HOME_OWNER else _ledger.c.owner == owner)
        if since is not None:
            query = query.where(_ledger.c.at >= since)
        if charged:
            query = query.where(_ledger.c.charge.is_not(None))
        query = query.order_by(_ledger.c.at.desc(), _ledger.c.entry.desc()).limit(limit)
        with self._read.connect() as db:
            return [_entry(row) for row in db.execute(query).mappings()]

    def note_bill(self, told: Sequence[Settled], now: float) -> None:
        """What the bill says of entries."""
        with self._write.begin() as db:
            for each in told:
                values = {
                    "charge": None if each.charge is None else str(each.charge.amount),
                    "hour_sum": None if each.hour_sum is None else str(each.hour_sum.amount),
                    "billed_at": now,
                }
                same = _ledger.c.entry == each.entry
                db.execute(update(_ledger).where(same).values(values))
        self._tell()

    def note_balance(self, job_id: str, amount: Decimal, now: float, *, before: bool) -> None:
        """The account's balance before or after a job's last send."""
        values: dict[str, Any] = {"balance_after": str(amount), "balance_at": now}
        if before:
            values = {"balance_before": str(amount), "balance_after": None, "balance_at": None}
        with self._write.begin() as db:
            last = budget.latest(db, job_id)
            if last is not None:
                same = _ledger.c.entry == last["entry"]
                db.execute(update(_ledger).where(same).values(values))

    def spent(self, owner: str, now: float) -> Decimal:
        """USD that count against today's budget of this home, or of one visitor."""
        with self._read.connect() as db:
            return budget.spent(db, owner, budget.day_of(now))

    def wait(self, seconds: float) -> None:
        """Until something changes in this process, at most ``seconds``: other processes' changes are found by looking again."""
        with self._changed:
            self._changed.wait(seconds)

    # -- writing

    def add(
        self,
        job: Job,
        private: JobSecrets,
        event: Event,
        *,
        most: tuple[int, int] | None = None,
        known: Collection[str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Write a new job, leased to this worker. What it may cost is reserved where it is to be sent.

        Raises ``DuplicateRequest`` when the same request is unfinished, or has a job that is not
        among ``known``: another process was faster. Raises ``DraftLimitReached`` when as many jobs
        of that provider wait as may wait: ``most`` are for the owner and for all visitors. Raises
        ``OverBudget`` by ``limits``. All of it is asked in the transaction that writes.
        """
        row = {
            **{name: getattr(job, name) for name in _PLAIN},
            "parameters": json.dumps(parameters(job.request)),
            "image_file": Path(job.request.image).name,
            "video_file": Path(job.request.video).name,
            "image_url": private.image_url,
            "video_url": private.video_url,
            "quote": _QUOTE.dump_json(job.cost).decode() if job.cost else None,
            "key_from": private.key_from,
            "lease_by": self.worker,
        }
        try:
            with self._write.begin() as db:
                if most is not None:
                    self._room(db, job, *most)
                if known is not None:
                    same = _same(job.owner, job.provider, job.fingerprint)
                    if not set(db.scalars(select(_jobs.c.job_id).where(same))) <= set(known):
                        raise DuplicateRequest
                db.execute(insert(_jobs).values(row))
                if job.state == "checked":
                    budget.reserve(db, job.job_id, limits or Limits(), job.created)
                else:  # a task that was sent from elsewhere
                    budget.record(db, self._whole(db, job.job_id), job.created, sent_here=False)
                self._describe(db, job.job_id)
                _say(db, job.job_id, job.created, event)
        except IntegrityError as error:
            raise DuplicateRequest from error
        self._tell()

    @staticmethod
    def _room(db: Connection, job: Job, each: int, most: int) -> None:
        """Raises ``DraftLimitReached``.

        A draft waits until it is rendered, another job until it is sent; what waits for a visitor
        does not count.
        """
        states = WAITING if job.provider == "local" else ("checked", "submitting")
        waiting = (
            (_jobs.c.provider == job.provider)
            & (_jobs.c.owner != HOME_OWNER)
            & (_jobs.c.waits_for == "")
            & _jobs.c.state.in_(states)
        )
        count = select(func.count()).select_from(_jobs).where(waiting)
        if (db.scalar(count.where(_jobs.c.owner == job.owner)) or 0) >= each:
            raise DraftLimitReached(mine=True)
        if (db.scalar(count) or 0) >= most:
            raise DraftLimitReached(mine=False)

    def change(
        self,
        job_id: str,
        *events: Event,
        now: float,
        leased: bool = False,
        states: Collection[State] | None = None,
        unleased: bool = False,
        limits: Limits | None = None,
        unpaused: bool = False,
        **columns: Any,
    ) -> bool:
        """Change a job and tell of it, or do nothing and return False.

        False when it is not in ``states``; with ``unpaused``, when its owner has paused sending; with ``leased``, when it is not leased to
        this worker; with ``unleased``, when a live process holds it. With ``limits``, what it may cost is reserved for today; raises
        ``OverBudget``, and then nothing is changed.
        Raises ``DuplicateRequest`` when it would be the second unfinished one of the same request.
        """
        for name, adapter in (("quote", _QUOTE), ("trouble", _TROUBLE)):
            if columns.get(name) is not None:
                columns[name] = adapter.dump_json(columns[name]).decode()
        where = _jobs.c.job_id == job_id
        if leased:
            where &= _jobs.c.lease_by == self.worker
        if states is not None:
            where &= _jobs.c.state.in_(list(states))
        if unpaused:
            where &= _jobs.c.owner.not_in(select(_pauses.c.owner))
        try:
            with self._write.begin() as db:
                if unleased:
                    where &= self._free(db)
                kept = select(*_DESCRIBED).where(_jobs.c.job_id == job_id)
                before = db.execute(kept).first()
                changed = update(_jobs).where(where).values(updated=database.later(now), **columns)
                if db.execute(changed).rowcount == 0:
                    return False
                if limits is not None:
                    budget.reserve(db, job_id, limits, now)
                if "state" in columns or "trouble" in columns:
                    budget.settle(db, self._whole(db, job_id))
                if db.execute(kept).first() != before:
                    self._describe(db, job_id)
                for event in events:
                    _say(db, job_id, now, event)
        except IntegrityError as error:
            raise DuplicateRequest from error
        self._tell()
        return True

    def pause(self, owner: str, now: float) -> None:
        """From here on no paid job of the owner leaves ``checked``, in no process."""
        if self.paused(owner) is None:
            with self._write.begin() as db:
                db.execute(insert(_pauses).prefix_with("OR IGNORE").values(owner=owner, at=now))
            self._tell()

    def go_on(self, owner: str) -> None:
        """Jobs of the owner are sent again."""
        with self._write.begin() as db:
            db.execute(delete(_pauses).where(_pauses.c.owner == owner))
        self._tell()

    def paused(self, owner: str) -> float | None:
        """Since when jobs of the owner are not sent, Unix time; None when they are."""
        with self._read.connect() as db:
            return db.scalar(select(_pauses.c.at).where(_pauses.c.owner == owner))

    def vote(self, vote: Vote) -> None:
        """Keep a vote with both of its jobs. Raises ``NoSuchJob``, and then nothing is kept."""
        with self._write.begin() as db:
            for job_id in (vote.left, vote.right):
                try:
                    before = _votes(self._whole(db, job_id)["votes"])
                except NoResultFound:
                    raise _no_job(job_id) from None
                kept = _VOTES.dump_json((*before, vote)[-MOST_VOTES:]).decode()
                changed = update(_jobs).where(_jobs.c.job_id == job_id)
                db.execute(changed.values(updated=database.later(vote.at), votes=kept))
                self._describe(db, job_id)
        self._tell()

    def delete(self, job_ids: Sequence[str], *, states: Collection[State] | None = None) -> bool:
        """Rows, events and folders; nothing, and False, when not all are in ``states``."""
        where = and_(
            _jobs.c.job_id.in_(job_ids),
            true() if states is None else _jobs.c.state.in_(list(states)),
        )
        with self._write.connect() as db, db.begin() as transaction:
            if db.execute(delete(_jobs).where(where)).rowcount < len(set(job_ids)):
                transaction.rollback()
                return False
            db.execute(delete(_events).where(_events.c.job_id.in_(job_ids)))
        for job_id in job_ids:
            self.home.remove(job_id)
        self.home.release()
        self._tell()
        return True

    # -- who works on what

    def claim(self, job_id: str) -> bool:
        """Take one job's lease when no live process holds it. False when one does, or when the job is gone."""
        with self._write.begin() as db:
            free = or_(self._free(db), _jobs.c.lease_by == self.worker)
            where = (_jobs.c.job_id == job_id) & free
            return bool(
                db.execute(update(_jobs).where(where).values(lease_by=self.worker)).rowcount
            )

    def adoptable(self) -> list[str]:
        """Jobs that go on by themselves, that no live process works on and that wait for nothing.

        A paid job that was not sent is none: only the same request or ``resume`` sends it. A draft costs nothing and is one.
        """
        moving = _jobs.c.state.in_(["submitting", "queued", "processing", "downloading"])
        draft = (_jobs.c.state == "checked") & (_jobs.c.provider == "local")
        with self._read.connect() as db:
            query = (
                select(_jobs.c.job_id)
                .where(or_(moving, draft), self._free(db), _jobs.c.waits_for == "")
                .order_by(_jobs.c.job_id)
            )
            return list(db.scalars(query))

    def release(self, job_id: str) -> None:
        """Give one job's lease back."""
        with self._write.begin() as db:
            where = (_jobs.c.lease_by == self.worker) & (_jobs.c.job_id == job_id)
            db.execute(update(_jobs).where(where).values(lease_by=None))

    def _free(self, db: Connection) -> ColumnElement[bool]:
        """The condition that no live process holds a job."""
        held = _jobs.c.lease_by.is_not(None)
        holders = db.scalars(select(_jobs.c.lease_by).where(held).distinct())
        alive = [worker for worker in holders if self.presence.alive(worker)]
        return or_(_jobs.c.lease_by.is_(None), _jobs.c.lease_by.not_in(alive))

    def sweep(self, *, ended_before: float, unused_since: float, halves_since: float) -> None:
        """Remove ended drafts, ended jobs of visitors, and what no job owns.

        An unfinished job is never removed, nor one of this home that Kling made: it was paid for.
        """
        with self._read.connect() as db:
            old = (_jobs.c.state.in_(sorted(TERMINAL))) & (
                func.coalesce(_jobs.c.finished_at, _jobs.c.updated) < ended_before
            )
            free = or_(_jobs.c.provider == "local", _jobs.c.owner != HOME_OWNER)
            ended = list(db.scalars(select(_jobs.c.job_id).where(old & free)))
            known = set(db.scalars(select(_jobs.c.job_id)))
        if ended:
            self.delete(ended)
        self.home.sweep(known, unused_since=unused_since, halves_since=halves_since)

    # -- the database and the folders

    def _describe(self, db: Connection, job_id: str) -> None:
        """Write the job's ``job.json`` before its change is committed: in doubt, the folder knows more than the database."""
        describe(self.home.folder(job_id), dict(self._whole(db, job_id)))

    @staticmethod
    def _whole(db: Connection, job_id: str) -> RowMapping:
        return db.execute(select(_jobs).where(_jobs.c.job_id == job_id)).mappings().one()

    def describe_task(self, job_id: str, task_id: str, now: float) -> None:
        """Keep a task id in the job's folder, whatever the database does."""
        folder = self.home.folder(job_id)
        row = described(folder)
        if row is not None:
            more = {"state": "queued", "task_id": task_id, "queued_at": now, "trouble": None}
            last = row.get("updated")
            later = max(now, last + database.TICK) if isinstance(last, int | float) else now
            describe(folder, {**row, **more, "updated": later})

    def task_in_folder(self, job_id: str) -> str | None:
        """The task id in the job's folder: a process may have ended before the database took it."""
        row = described(self.home.folder(job_id)) or {}
        task_id = row.get("task_id")
        return task_id if isinstance(task_id, str) and task_id else None

    def _rebuild(self, engine: Engine) -> int:
        """Take from the folders what the database lacks: jobs that it does not have, and what it does not know of unfinished ones.

        The number of jobs. Under the write lock database and folders agree, so what differs was lost.
        """
        with engine.connect() as db:
            if not self._differing(db):
                return 0
        count = 0
        with database.writing(engine).begin() as db:
            for row in self._differing(db):
                # the same request may be under way as a job of another home whose folders were copied here
                same = _same(row["owner"], row["provider"], row["fingerprint"])
                same &= _jobs.c.job_id != row["job_id"]
                takes = set(db.scalars(select(_jobs.c.take).where(same)))
                if row["take"] in takes:
                    row["take"] = max(takes) + 1
                db.execute(delete(_jobs).where(_jobs.c.job_id == row["job_id"]))
                db.execute(insert(_jobs).values(row))
                if budget.latest(db, row["job_id"]) is None:
                    budget.record(db, row, row["queued_at"] or row["created"], sent_here=True)
                budget.settle(db, row)
                self._describe(db, row["job_id"])
                _say(db, row["job_id"], row["updated"], ev.Note(text=_CAME_BACK, lasting=True))
                count += 1
        return count

    def _differing(self, db: Connection) -> list[dict[str, Any]]:
        """Rows that the folders describe and the database has not, or has older."""
        columns = (_jobs.c.job_id, _jobs.c.state, _jobs.c.updated)
        known = {each: (state, updated) for each, state, updated in db.execute(select(*columns))}
        held = set(db.scalars(select(_jobs.c.job_id).where(~self._free(db))))
        found = []
        for folder in (self.home.root / "jobs").glob("*"):
            state, updated = known.get(folder.name, ("", -1.0))
            if not JOB_ID.fullmatch(folder.name) or state in TERMINAL or folder.name in held:
                continue
            told = described(folder)
            if told is None or told.get("state") == state:
                continue
            row = database.recovered(told)
            if row is None or not self._readable(row):
                LOG.warning("%s describes no job that this program can read", folder / DESCRIPTION)
            elif row["updated"] > updated:
                found.append(row)
        return found

    def _readable(self, row: dict[str, Any]) -> bool:
        with contextlib.suppress(KlingError, ValueError, TypeError, RecursionError):
            return bool(self._job(row))
        return False

    # -- rows to values

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _row(self, job_id: str, owner: str | None = None) -> RowMapping:
        with self._read.connect() as db:
            row = db.execute(select(_jobs).where(_jobs.c.job_id == job_id)).mappings().first()
        if row is None or (owner is not None and row["owner"] != owner):
            raise _no_job(job_id)
        return row

    def _job(self, row: Mapping[str, Any] | RowMapping) -> Job:
        folder = self.home.folder(row["job_id"])
        request = MotionRequest(
            image=folder / row["image_file"],
            video=folder / row["video_file"],
            **json.loads(row["parameters"]),
        )
        return Job(
            **{name: row[name] for name in _PLAIN},
            request=request,
            folder=folder,
            cost=_QUOTE.validate_json(row["quote"]) if row["quote"] else None,
            trouble=_TROUBLE.validate_json(row["trouble"]) if row["trouble"] else None,
            video=folder / row["video"] if row["video"] else None,
            votes=_votes(row["votes"]),
        )
