"""What jobs have cost: quotes, and what the provider's bill and the account's balance say of them. Sums, and the rates that are learned.

The bill is the account's and goes by the hour. Where exactly one paid job falls into its billed hours, their sum is its charge; else the
sum is shown beside the jobs as what it is. What is not known stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from operator import attrgetter
from typing import Any, Literal

from kling_utils.preflight.quote import LearnedRate
from kling_utils.providers.base import Bill
from kling_utils.values import MODEL_NAMES, ModelName, Money, iso, moment_of

By = Literal["model_name", "day", "month", "state", "job"]
"""What sums can be made by."""
Status = Literal["reserved", "spent", "unknown", "released"]
DAY = 86400.0
READ_FOR = 3 * DAY
"""Seconds after its end for which a job's bill is read. How soon a task shows in the bill is not documented."""
_MARGIN = 120.0
"""Seconds by which the provider's clock may differ from this machine's."""
_DOUBT = 3 * 3600.0
"""Seconds within which a task that was perhaps made would be billed."""
_AGREE = Decimal("0.01")
"""Share by which two rates may differ and still be one: bills are rounded."""
_PAST = 6
"""Charges of a model that are compared, the newest."""
_LEAST, _MOST = Decimal("0.7"), Decimal("1.5")
"""Of the quote: between them a billed sum is taken for the charge. Two jobs cost twice as much. Assumed."""
_NAMED = "kling"
"""In the names of the products that the jobs are billed as, where a bill tells several apart. The name itself is not documented."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One send of a job. Amounts are None where they are not known; times are Unix times."""

    entry: int
    job_id: str
    owner: str
    home: bool
    """This home pays, not a visitor."""
    model_name: str
    state: str
    """The job's; ``deleted`` when it is gone."""
    status: Status
    at: float
    """When its amount was reserved."""
    ended_at: float | None
    base_url: str | None
    seconds: Decimal | None
    """That are billed; None also where it is in doubt how many."""
    low: Money | None
    """The quote's ends."""
    high: Money | None
    reserved: Money | None
    charge: Money | None
    """What the bill says that this job alone has cost."""
    hour_sum: Money | None
    """What the account was charged in the job's hours, where other jobs fall into them, or nothing was billed."""
    billed_at: float | None
    balance_before: Money | None
    balance_after: Money | None
    balance_at: float | None
    """When ``balance_after`` was read."""

    @property
    def rate(self) -> Money | None:
        """Charged for one second."""
        if self.charge is None or not self.seconds:
            return None
        rate = self.charge.amount / self.seconds
        return Money(rate.quantize(Decimal("0.0001")), self.charge.currency)

    @property
    def span(self) -> tuple[float, float]:
        """The times between which the provider may have billed it."""
        end = self.ended_at if self.ended_at is not None else self.at + _DOUBT
        return self.at - _MARGIN, end + _MARGIN

    @property
    def brief(self) -> str:
        """What was charged, in a few words, for the place beside the quote; empty while nothing is known."""
        if self.charge is not None:
            return f"charged {self.charge}"
        if self.hour_sum is not None and self.hour_sum.amount:
            return f"account, this hour: {self.hour_sum}"
        return ""

    def told(self) -> str:
        """What was charged, in a sentence; empty while there is nothing to say."""
        if self.charge is not None:
            each = f", {self.rate.amount:f} {self.rate.currency} a second" if self.rate else ""
            return f"Charged {self.charge}{each}, by the bill."
        if self.hour_sum is not None and self.hour_sum.amount:
            return f"Account, this hour: {self.hour_sum}. Several jobs share the hour of the bill."
        if self.hour_sum is not None:
            return "Account, this hour: nothing is billed so far."
        return ""


def _pays(entry: Entry) -> bool:
    """Was or may it have been sent?"""
    return entry.status != "released" and (entry.status != "reserved" or entry.base_url is not None)


# -- the bill


@dataclass(frozen=True, slots=True)
class Settled:
    """What a bill says of one entry."""

    entry: int
    charge: Money | None
    hour_sum: Money | None


def settled(entries: Sequence[Entry], bills: Iterable[Bill], now: float) -> list[Settled]:
    """What the bill of one account says of its entries: of those whose hours are over. ``entries``: all of the account in that time."""
    hours: dict[tuple[float, float], list[Bill]] = {}
    for bill in bills:
        hours.setdefault((bill.start, bill.end), []).append(bill)
    sums = {span: _ours(listed) for span, listed in hours.items()}
    paid = [entry for entry in entries if _pays(entry)]
    found = []
    for entry in paid:
        last_hour = entry.span[1] // 3600 * 3600 + 3600
        if (entry.ended_at is None and entry.status != "unknown") or now < last_hour:
            continue
        mine = {span: total for span, total in sums.items() if _within(entry, span)}
        alone = all(
            not _within(other, span) for span in mine for other in paid if other is not entry
        )
        known = [total for total in mine.values() if total is not None]
        charge = sum(known, Money(Decimal(0)))
        if mine and alone and len(known) == len(mine) and _plausible(entry, charge):
            found.append(Settled(entry.entry, charge, None))
        else:
            whole = [bill.amount for span in mine for bill in hours[span]]
            found.append(Settled(entry.entry, None, sum(whole, Money(Decimal(0)))))
    return found


def _plausible(entry: Entry, amount: Money) -> bool:
    """Whether it may be the price of that job alone: another program, another product or half of a bill is not."""
    low, high = entry.low, entry.high
    if low is None or high is None or low.currency != amount.currency:
        return False
    return low.amount * _LEAST <= amount.amount <= high.amount * _MOST


def _within(entry: Entry, hour: tuple[float, float]) -> bool:
    return entry.span[0] < hour[1] and hour[0] < entry.span[1]


def _ours(bills: Sequence[Bill]) -> Money | None:
    """What an hour's bill has for this kind of job; None where it has several products and none of them is named so."""
    named = [bill for bill in bills if _NAMED in bill.product.lower()]
    if not named and len({bill.product for bill in bills}) > 1:
        return None
    return sum((bill.amount for bill in named or bills), Money(Decimal(0)))


def due(entries: Iterable[Entry], now: float) -> list[Entry]:
    """Entries that the bill may say something new about."""
    return [
        entry
        for entry in entries
        if _pays(entry)
        and (entry.ended_at is not None or entry.status == "unknown")
        and now - entry.span[1] < READ_FOR
        and now >= entry.span[1] // 3600 * 3600 + 3600
        and entry.charge is None
    ]


# -- the balance


def fell(entry: Entry, entries: Iterable[Entry]) -> str:
    """What the balance says of a job in doubt, in a sentence; empty where it is not known."""
    before, after = entry.balance_before, entry.balance_after
    if before is None or after is None or before.currency != after.currency:
        return ""
    end = entry.balance_at or entry.at
    others = (e for e in entries if e.entry != entry.entry and _pays(e))
    if any(e.at < end and entry.at < e.span[1] for e in others):
        return "Other jobs were paid meanwhile, so the balance does not tell whether it was made."
    when = moment_of(end, None)
    at = f" at {when:%H:%M}" if when is not None else ""
    less = before.amount - after.amount
    if less <= 0:
        return f"The balance had not fallen{at}: it was probably not made, or is not charged yet."
    gone = Money(less, before.currency)
    if entry.low and entry.high and not _plausible(entry, gone):
        return f"The balance fell by {gone}, which is not the price of this job."
    return f"The balance fell by {gone}: it was probably made."


# -- what is learned


_ROUNDINGS = {"up": ROUND_CEILING, "not": None, "down": ROUND_FLOOR}
"""How seconds may be rounded before they are billed, the most usual first."""


def learned(entries: Iterable[Entry]) -> list[LearnedRate]:
    """The rate of each model for which two charges agree. ``entries``: the newest first, of one account."""
    charges: dict[ModelName, list[tuple[Decimal, Decimal]]] = {name: [] for name in MODEL_NAMES}
    for each in entries:
        of_model = charges.get(each.model_name)  # type: ignore[call-overload]
        if of_model is not None and each.charge is not None and each.charge.amount and each.seconds:
            of_model.append((each.charge.amount, each.seconds))
    rates = (_agreeing(name, listed[:_PAST]) for name, listed in charges.items())
    return [rate for rate in rates if rate is not None]


def _agreeing(
    model_name: ModelName, charges: Sequence[tuple[Decimal, Decimal]]
) -> LearnedRate | None:
    """What the newest charge that agrees with another one means; ``charges`` are amounts and seconds."""
    for newest in range(len(charges)):
        found: dict[str, tuple[Decimal, int]] = {}
        for name, rounding in _ROUNDINGS.items():
            rates = [_per_second(*each, rounding) for each in charges[newest:]]
            same = sum(abs(rate - rates[0]) <= rates[0] * _AGREE for rate in rates)
            if same > 1:
                found[name] = rates[0].quantize(Decimal("0.00001")), same
        if found:
            most = max(same for _, same in found.values())
            name = next(name for name, (_, same) in found.items() if same == most)
            rate, same = found[name]
            one = all(abs(other - rate) <= rate * _AGREE for other, _ in found.values())
            return LearnedRate(model_name, rate, same, "" if one else name)
    return None


def _per_second(amount: Decimal, seconds: Decimal, rounding: str | None) -> Decimal:
    whole = seconds if rounding is None else seconds.quantize(Decimal(1), rounding)
    return amount / max(whole, Decimal(1))


# -- sums


@dataclass(frozen=True, slots=True)
class Spending:
    """Several sends, added up. Quotes are estimates; charges are the bill's. What cost nothing is not among them."""

    group: str
    currency: str
    """Empty where none of the group has a quote."""
    paid: int
    """Sends that were paid."""
    low: Decimal
    high: Decimal
    charges: int
    """Of all, those whose charge is known."""
    charged: Decimal
    perhaps: int
    """Sends that may have been paid."""
    perhaps_low: Decimal
    perhaps_high: Decimal
    unquoted: int
    """Of both kinds, those without a quote; no sum contains them."""
    at_most: Decimal
    """Charges where they are known, else the high ends of the quotes."""


def spending(entries: Iterable[Entry], by: By | None = None) -> list[Spending]:
    """Sums of what was or may have been paid, by group and currency; without ``by`` there is one group, ``total``.

    Days and months are those of the reservation, by this machine's clock.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.status in ("spent", "unknown"):
            currency = entry.high.currency if entry.high else ""
            groups.setdefault((_group(entry, by), currency), []).append(entry)
    return [_added(*key, groups[key]) for key in sorted(groups)]


def _group(entry: Entry, by: By | None) -> str:
    if by in ("day", "month"):
        when = moment_of(entry.at, None)
        return "" if when is None else f"{when:%Y-%m-%d}" if by == "day" else f"{when:%Y-%m}"
    if by == "job":
        return entry.job_id
    return {"model_name": entry.model_name, "state": entry.state}.get(by or "", "total")


def _added(group: str, currency: str, entries: list[Entry]) -> Spending:
    known = [entry for entry in entries if entry.charge is not None]
    paid = [entry for entry in entries if entry.status == "spent" or entry.charge is not None]
    perhaps = [entry for entry in entries if entry.status == "unknown" and entry.charge is None]
    return Spending(
        group=group,
        currency=currency,
        paid=len(paid),
        low=_total(entry.low for entry in paid),
        high=_total(entry.high for entry in paid),
        charges=len(known),
        charged=_total(entry.charge for entry in known),
        perhaps=len(perhaps),
        perhaps_low=_total(entry.low for entry in perhaps),
        perhaps_high=_total(entry.high for entry in perhaps),
        unquoted=sum(entry.high is None for entry in entries),
        at_most=_total(entry.charge or entry.high for entry in entries),
    )


def _total(amounts: Iterable[Money | None]) -> Decimal:
    return sum((money.amount for money in amounts if money is not None), Decimal(0))


ROW: dict[str, Callable[[Entry], Any]] = {
    "job_id": attrgetter("job_id"),
    "model_name": attrgetter("model_name"),
    "state": attrgetter("state"),
    "status": attrgetter("status"),
    "reserved_at": lambda entry: iso(entry.at),
    "ended_at": lambda entry: iso(entry.ended_at),
    "seconds": attrgetter("seconds"),
    "currency": lambda entry: entry.high.currency if entry.high else "",
    "quoted_low": lambda entry: _plain(entry.low),
    "quoted_high": lambda entry: _plain(entry.high),
    "reserved": lambda entry: _plain(entry.reserved),
    "charged": lambda entry: _plain(entry.charge),
    "rate": lambda entry: _plain(entry.rate),
    "account_hour": lambda entry: _plain(entry.hour_sum),
    "balance_before": lambda entry: _plain(entry.balance_before),
    "balance_after": lambda entry: _plain(entry.balance_after),
}
"""Columns of a table of sends."""


def row(entry: Entry) -> dict[str, Any]:
    """An entry as flat plain values, for a table; times are UTC."""
    return {name: read(entry) for name, read in ROW.items()}


def _plain(money: Money | None) -> Decimal | None:
    return None if money is None else money.amount
