"""What may be spent in a day. The amount is reserved in the transaction that writes or sends a job, so no number of submits overspends.

A reservation is a row of the ledger. It is released when the job failed unspent; a job in doubt counts as spent. A day is one of this
machine's clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, insert, select, update

from kling_utils.errors import OverBudget, PriceNotAgreed, SettingError
from kling_utils.jobs import database
from kling_utils.jobs.home import Home
from kling_utils.media.files import atomic_write
from kling_utils.settings import clean_amount
from kling_utils.values import HOME_OWNER, Money, Quote, moment_of, money_of

FILE = "spending.json"
_QUOTE = TypeAdapter(Quote)
_jobs, _ledger = database.jobs, database.ledger


@dataclass(frozen=True, slots=True)
class Limits:
    """USD; None where there is no limit."""

    budget: Decimal | None = None
    """A day, for what this home pays."""
    budget_visitor: Decimal | None = None
    """A day, for one visitor."""
    confirm_above: Decimal | None = None
    """For one job: more than this is asked about first."""

    def agree(self, quote: Quote | None) -> None:
        """Raises ``PriceNotAgreed`` for a price that the user wants to be asked about."""
        most = self.confirm_above
        if most is not None and quote is not None and quote.high.amount > most:
            raise PriceNotAgreed(
                f"It may cost up to {quote.high}, and you want to be asked above {Money(most)}.",
                hint="Confirm the price, or choose a shorter clip or the standard model.",
            )


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a budget today."""

    spent: Money
    """Also what is reserved for jobs that are not sent yet, and what may have been spent."""
    budget: Money
    resets_at: float
    """Unix time."""

    @property
    def left(self) -> Money:
        return Money(max(Decimal(0), self.budget.amount - self.spent.amount), self.budget.currency)


class Day(NamedTuple):
    """Unix times."""

    start: float
    end: float


def day_of(now: float) -> Day:
    """The day of this machine's clock that ``now`` is in."""
    start = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return Day(start.timestamp(), (start + timedelta(days=1)).timestamp())


def month_of(now: float) -> float:
    """When the month of this machine's clock began that ``now`` is in."""
    return datetime.fromtimestamp(day_of(now).start).replace(day=1).timestamp()


# -- the reservation, inside a transaction of the store


def reserve(db: Connection, job_id: str, limits: Limits, now: float) -> None:
    """Reserve the high end of a job's quote for today, once for each time that it is sent. A draft costs nothing.

    Raises ``OverBudget``; the transaction must then be rolled back.
    """
    row = db.execute(select(_jobs).where(_jobs.c.job_id == job_id)).mappings().one()
    if row["provider"] == "local":
        return
    last = latest(db, job_id)
    held, day = last is not None and last["status"] == "reserved", day_of(now)
    if last is not None and held and last["at"] >= day.start:
        return
    entry = entry_of(row, now)
    _check(db, entry, limits, day)
    if last is not None and held:  # of an earlier day
        same = _ledger.c.entry == last["entry"]
        db.execute(update(_ledger).where(same).values(at=now))
    else:
        db.execute(insert(_ledger).values(**entry, reserved=entry["high"]))


def record(db: Connection, row: Any, at: float, *, sent_here: bool) -> None:
    """The ledger's row for a job that is there already. What was not ``sent_here`` takes nothing of a budget."""
    if row["provider"] != "local":
        entry = entry_of(row, at)
        db.execute(insert(_ledger).values(**entry, reserved=entry["high"] if sent_here else None))
        settle(db, row)


def entry_of(row: Any, at: float) -> dict[str, Any]:
    """A row of the ledger for a row of a job."""
    asked = json.loads(row["parameters"])
    quote = _QUOTE.validate_json(row["quote"]) if row["quote"] else None
    return {
        "job_id": row["job_id"],
        "owner": row["owner"],
        "home": row["owner"] == HOME_OWNER or row["key_from"] == "settings",
        "model_name": asked["model_name"],
        "at": at,
        "low": str(quote.low.amount) if quote else None,
        "high": str(quote.high.amount) if quote else None,
        "currency": quote.high.currency if quote else "",
        "seconds": str(quote.seconds)
        if quote and _one_length(quote, asked["character_orientation"])
        else None,
        "base_url": row["base_url"],
        "status": "reserved",
    }


def _one_length(quote: Quote, orientation: str) -> bool:
    """Is it known how long the video is that is billed? In image orientation, of a clip of 5 s at most."""
    return orientation == "video" or quote.low == quote.high


def settle(db: Connection, row: Any) -> None:
    """Bring the ledger up to the state of a row of a job."""
    last = latest(db, row["job_id"])
    if last is None:
        return
    trouble = json.loads(row["trouble"])["money"] if row["trouble"] else None
    money = money_of(row["provider"], row["state"], trouble)
    unsent = "released" if row["state"] == "failed" else "reserved"
    status = {"no": unsent, "yes": "spent"}.get(money, "unknown")
    same = _ledger.c.entry == last["entry"]
    told = {"ended_at": row["finished_at"], "base_url": row["base_url"]}
    db.execute(update(_ledger).where(same).values(status=status, **told))


def latest(db: Connection, job_id: str) -> Any:
    """The ledger's row of a job's last send."""
    query = select(_ledger).where(_ledger.c.job_id == job_id).order_by(_ledger.c.entry.desc())
    return db.execute(query.limit(1)).mappings().first()


def spent(db: Connection, owner: str, day: Day) -> Decimal:
    """What counts against the budget of this home, or of one visitor: what was charged where that is known, else what is reserved."""
    return _sum(db, _paid_by(owner, home=owner == HOME_OWNER), day)


def _check(db: Connection, entry: dict[str, Any], limits: Limits, day: Day) -> None:
    owner = entry["owner"]
    price = Money(Decimal(entry["high"]), entry["currency"]) if entry["high"] else None
    for applies, most, home in (
        (entry["home"], limits.budget, True),
        (owner != HOME_OWNER, limits.budget_visitor, False),
    ):
        if not applies or most is None:
            continue
        gone = _sum(db, _paid_by(owner, home=home), day)
        if price is None or gone + price.amount > most:
            left = Allowance(Money(gone), Money(most), day.end)
            raise _over(left, price, visitor=not home, owned=owner == HOME_OWNER)


def _over(allowance: Allowance, price: Money | None, *, visitor: bool, owned: bool) -> OverBudget:
    """``owned``: it is told to the owner of this home, who can raise the budget."""
    costs = f"may cost up to {price}" if price else "has no known price"
    whose = "a visitor's budget" if visitor else "the budget"
    resets = moment_of(allowance.resets_at, None)
    when = f"{resets:%Y-%m-%d %H:%M %Z}".strip() if resets else "midnight"
    error = OverBudget(
        f"Not sent: the job {costs}, and {allowance.left} of {whose} of {allowance.budget} are left today.",
        hint=f"The budget starts anew at {when}. Wait until then, or send a shorter clip."
        + (
            ""
            if not owned
            else " You can also raise the budget: on the page under Spending and budget, or by KLING_BUDGET."
        ),
    )
    error.field = "budget" if owned else ""
    error.left, error.resets_at = allowance.left.amount, allowance.resets_at
    return error


def _paid_by(owner: str, *, home: bool) -> ColumnElement[bool]:
    return _ledger.c.home if home else _ledger.c.owner == owner


def _sum(db: Connection, where: ColumnElement[bool], day: Day) -> Decimal:
    counts = where & (_ledger.c.at >= day.start) & (_ledger.c.status != "released")
    query = select(_ledger.c.charge, _ledger.c.reserved).where(counts)
    query = query.where(_ledger.c.reserved.is_not(None))
    rows = db.execute(query)
    return sum((Decimal(charge or reserved) for charge, reserved in rows), Decimal(0))


# -- what was set on the page


def kept(home: Home) -> Limits:
    """The limits that were set on the page of this home; none where the file is not there.

    Raises ``SettingError`` for a file that says nothing readable: a limit that cannot be read is no reason to spend.
    """
    path = home.root / FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Limits()
    try:
        held = json.loads(text)
        return Limits(_kept(held["budget"]), None, _kept(held["confirm_above"]))
    except (ValueError, TypeError, KeyError) as error:
        raise SettingError(
            f"{path.name} in the home holds the spending limits and cannot be read.",
            hint="Remove the file, then set the limits again.",
        ) from error


def keep(home: Home, limits: Limits) -> None:
    """Keep limits for this home."""
    held = {
        name: None if value is None else str(value)
        for name, value in (("budget", limits.budget), ("confirm_above", limits.confirm_above))
    }
    with atomic_write(home.root / FILE) as part:
        part.touch(mode=0o600)
        part.write_text(json.dumps(held), "utf-8")


def _kept(text: Any) -> Decimal | None:
    return None if text is None else clean_amount(text)
