"""What jobs have cost: the bill of an hour with one job teaches, that of several does not, and nothing is invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import HangUp, Reply, ScriptedNovita, bill, refusal
from pydantic import SecretStr

from kling_utils import errors
from kling_utils.jobs.client import Client
from kling_utils.jobs.ledger import Entry, due, learned, settled, spending
from kling_utils.providers.base import Bill
from kling_utils.values import Money, MotionRequest

Make = Callable[..., Client]
HOUR, STD = 3600.0, "kling-v3-0-std"
NOON = 1_772_532_000.0
"""Some full hour."""


class Clock:
    def __init__(self) -> None:
        self.now = NOON + 600

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(client: Client, request: MotionRequest, prompt: str, **how: Any) -> str:
    return client.run(replace(request, prompt=prompt), progress=False, **how).job.job_id


def test_the_bill_of_an_hour_with_one_job_is_its_charge(
    make: Make, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    client = make(clock=clock)
    job_id = made(client, request_, "one")
    novita.state.bills = [bill(NOON, "0.63"), bill(NOON + HOUR, "7")]
    client.read_bill()
    assert novita.state.bill_count == 0, "the hour is not over"
    clock.now = NOON + HOUR + 1
    client.read_bill()
    entry = client.charge(job_id)
    assert entry is not None
    assert (entry.charge, entry.hour_sum) == (Money(Decimal("0.63")), None)
    assert entry.told() == "Charged 0.63 USD, 0.1969 USD a second, by the bill."
    assert (str(entry.low), str(entry.high), str(entry.reserved)) == (
        "0.38 USD",
        "0.50 USD",
        "0.50 USD",
    )
    count = novita.state.bill_count
    client.read_bill()
    assert novita.state.bill_count == count, "what is known is not asked for again"
    (total,) = client.costs()
    assert (total.charges, total.charged, total.high) == (1, Decimal("0.63"), Decimal("0.504"))
    assert client.allowance() is None
    assert client._store.spent("home", clock.now) == Decimal("0.63"), "the charge counts"


def test_the_bill_of_an_hour_with_several_jobs_is_the_accounts(
    make: Make, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    client = make(clock=clock)
    one = made(client, request_, "one")
    clock.now += 600
    two = made(client, request_, "two")
    client.delete(two)
    novita.state.bills = [bill(NOON, "1.26")]
    clock.now = NOON + 2 * HOUR
    client.read_bill()
    entry = client.charge(one)
    assert entry is not None
    assert entry.charge is None
    assert entry.told().startswith("Account, this hour: 1.26 USD.")
    (total,) = client.costs()
    assert (total.paid, total.charges) == (2, 0), "what was deleted was paid, too"


def test_what_is_not_on_the_bill_stays_unknown_until_it_is(
    make: Make, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    client = make(clock=clock)
    job_id = made(client, request_, "one")
    clock.now = NOON + HOUR
    client.read_bill()
    entry = client.charge(job_id)
    assert entry is not None
    assert entry.charge is None
    assert entry.told() == "Account, this hour: nothing is billed so far."
    novita.state.bills = [bill(NOON, "0.5")]
    clock.now += HOUR
    client.read_bill()
    entry = client.charge(job_id)
    assert entry is not None
    assert entry.charge == Money(Decimal("0.5"))


def test_a_rate_is_used_once_two_charges_agree_and_says_so(
    make: Make, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    client = make(clock=clock)
    for hour, amount in enumerate(("0.2", "0.4")):
        made(client, request_, str(hour))
        novita.state.bills.append(bill(clock.now, amount))
        clock.now += 2 * HOUR
        client.read_bill()
        before = client.quote(request_)
        assert before is not None
        assert "list price" in before.basis, "two that disagree teach nothing"
        assert before.rate.amount == Decimal("0.126")
    made(client, request_, "third")
    novita.state.bills.append(bill(clock.now, "0.4"))
    clock.now += 2 * HOUR
    client.read_bill()
    quote = client.quote(request_)
    assert quote is not None
    assert quote.high.amount == Decimal("0.4")
    assert (
        "learned from 2 charges on your bill that agree, if seconds are rounded up" in quote.basis
    )
    pro = client.quote(replace(request_, model_name="kling-v3-0-pro"))
    assert pro is not None
    assert "list price" in pro.basis
    mine = make(clock=clock, settings={"rate_std": "0.3"}).quote(request_)
    assert mine is not None
    assert "a rate that you set" in mine.basis
    key = SecretStr(novita.key)
    visitors = client.preflight(
        image=request_.image, video=request_.video, key=key, owner="alice"
    ).quote
    assert visitors is not None
    assert "list price" in visitors.basis, "another account may have another price"


def test_a_doubt_hears_what_the_balance_says(
    make: Make, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    client = make(clock=clock)
    novita.state.submits.append(HangUp())
    with pytest.raises(errors.SubmitUnconfirmed) as caught:
        client.run(request_, progress=False)
    job_id = caught.value.job_id or ""
    assert "had not fallen" in client.doubt(job_id)
    assert "probably not made, or is not charged yet" in client.doubt(job_id)
    novita.state.balance["availableBalance"] = "119960"
    assert "had not fallen" in client.doubt(job_id), "it is not asked for all the time"
    clock.now += 61
    assert client.doubt(job_id) == "The balance fell by 0.50 USD: it was probably made."
    clock.now += 61
    novita.state.balance["availableBalance"] = "124000"
    assert "which is not the price of this job" in client.doubt(job_id)
    made(client, request_, "meanwhile")
    clock.now += 61
    assert client.doubt(job_id).startswith("Other jobs were paid meanwhile")


def test_the_balance_is_kept_around_a_job_and_its_absence_harms_nobody(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    client = make()
    entry = client.charge(made(client, request_, "one"))
    assert entry is not None
    assert entry.balance_before == entry.balance_after == Money(Decimal("12.5"))
    novita.state.balances.extend([refusal(404, "API_NOT_FOUND"), Reply(200, "gone")] * 5)
    other = client.charge(made(client, request_, "two"))
    assert other is not None
    assert other.balance_before is other.balance_after is None
    draft = client.submit(request_, draft=True)
    assert client.charge(draft.job_id) is None


def test_a_bill_that_cannot_be_read_says_so(
    make: Make, novita: ScriptedNovita, request_: MotionRequest, clock: Clock
) -> None:
    client = make(clock=clock)
    made(client, request_, "one")
    clock.now += 2 * HOUR
    novita.state.key = "another"
    with pytest.raises(errors.KeyRefused):
        client.read_bill()
    client._bill_read = 0.0
    client._settle()  # the watcher's chore is quiet


# -- arithmetic


def entry(number: int = 1, **given: Any) -> Entry:
    usd = Money(Decimal("0.63"))
    known: dict[str, Any] = {
        "entry": number,
        "job_id": str(number),
        "owner": "home",
        "home": True,
        "model_name": STD,
        "state": "succeeded",
        "status": "spent",
        "at": NOON + 600,
        "ended_at": NOON + 900,
        "base_url": "https://api.novita.ai",
        "seconds": Decimal(5),
        "low": usd,
        "high": usd,
        "reserved": usd,
        "charge": None,
        "hour_sum": None,
        "billed_at": None,
        "balance_before": None,
        "balance_after": None,
        "balance_at": None,
    }
    return Entry(**{**known, **given})


def line(hour: float, amount: str, product: str = "Kling V3.0 Motion Control") -> Bill:
    return Bill(hour, hour + HOUR, product, Money(Decimal(amount)))


def charges(entries: list[Entry], *bills: Bill, now: float = NOON + 9 * HOUR) -> dict[int, Any]:
    found = settled(entries, bills, now)
    return {each.entry: each.charge and str(each.charge.amount) for each in found}


def test_a_job_over_two_hours_is_charged_where_both_are_its_own() -> None:
    long = entry(1, at=NOON + 3000, ended_at=NOON + 4000)
    assert charges([long], line(NOON, "0.3"), line(NOON + HOUR, "0.4")) == {1: "0.7"}
    assert charges([long], line(NOON + HOUR, "0.6")) == {1: "0.6"}
    later = entry(2, at=NOON + 5000, ended_at=NOON + 5100)
    assert charges([long, later], line(NOON, "0.6")) == {1: "0.6", 2: None}
    assert charges([long, later], line(NOON, "0.3"), line(NOON + HOUR, "0.4")) == {1: None, 2: None}


@pytest.mark.parametrize(
    ("amount", "product"),
    [
        ("4.00", "seedream-image"),  # of another program
        ("9.00", "kling-v3.0-t2v-pro"),
        ("0", "Kling V3.0 Motion Control"),  # not charged yet
        ("0.10", "Kling V3.0 Motion Control"),  # a part of it, so far
        ("1.26", "Kling V3.0 Motion Control"),  # of two homes with one key
    ],
)
def test_what_is_no_price_of_the_job_is_told_as_the_sum_of_the_hour(
    amount: str, product: str
) -> None:
    (found,) = settled([entry()], [line(NOON, amount, product)], NOON + 9 * HOUR)
    assert found.charge is None
    assert found.hour_sum == Money(Decimal(amount))
    assert due([entry(hour_sum=found.hour_sum)], NOON + 9 * HOUR), "it is read again"


def test_what_cost_nothing_does_not_stand_in_the_way() -> None:
    free = [entry(2, status="released"), entry(3, status="reserved", base_url=None)]
    assert charges([entry(), *free], line(NOON, "0.63"))[1] == "0.63"
    assert charges([entry(), entry(4, status="unknown", ended_at=None)], line(NOON, "1"))[1] is None
    running = entry(5, ended_at=None, status="spent")
    assert charges([entry(), running], line(NOON, "1")) == {1: None}


def test_an_edge_of_the_hour_is_nobodys_alone() -> None:
    edge = entry(2, at=NOON + HOUR + 60, ended_at=NOON + HOUR + 900)
    assert charges([entry(), edge], line(NOON, "0.63")) == {1: None, 2: None}


def test_other_products_of_the_account_are_told_apart_where_the_bill_names_ours() -> None:
    image = line(NOON, "3", "flux-dev")
    assert charges([entry()], line(NOON, "0.63"), image) == {1: "0.63"}
    assert charges([entry()], line(NOON, "0.63", "p-17"), image) == {1: None}
    assert charges([entry()], line(NOON, "0.63", "p-17")) == {1: "0.63"}
    (told,) = settled([entry()], [line(NOON, "0.63", "p-17"), image], NOON + 9 * HOUR)
    assert told.hour_sum == Money(Decimal("3.63"))


def charged(number: int, amount: str, seconds: str) -> Entry:
    return entry(number, charge=Money(Decimal(amount)), seconds=Decimal(seconds))


@pytest.mark.parametrize(
    ("known", "rate", "rounding"),
    [
        ([("0.63", "5"), ("1.26", "10")], "0.126", ""),
        ([("0.63", "4.12"), ("0.504", "3.2")], "0.126", ""),
        ([("0.51912", "4.12"), ("0.4032", "3.2")], "0.126", ""),
        ([("0.504", "4.12"), ("0.378", "3.2")], "0.126", ""),
        ([("0.63", "4.12"), ("0.63", "4.12")], "0.126", "up"),
    ],
)
def test_how_seconds_are_rounded_is_learned_with_the_rate(
    known: list[tuple[str, str]], rate: str, rounding: str
) -> None:
    entries = [charged(n, *each) for n, each in enumerate(known)]
    (found,) = learned(entries)
    assert found.rate == Decimal(rate)
    assert (found.rounding, found.charges) == (rounding, 2)


@pytest.mark.parametrize(
    "known",
    [
        [("0.63", "5")],
        [("0.63", "5"), ("0.63", "9.5")],
        [("0", "5"), ("0", "5")],
    ],
)
def test_one_charge_or_two_that_differ_teach_nothing(known: list[tuple[str, str]]) -> None:
    assert learned([charged(n, *each) for n, each in enumerate(known)]) == []


def test_sums_know_doubts_and_what_was_given_back() -> None:
    entries = [
        charged(1, "0.5", "5"),
        entry(2, status="unknown"),
        entry(3, status="released"),
        entry(4, status="reserved"),
        entry(5, low=None, high=None),
        charged(6, "0.7", "5"),
    ]
    entries[-1] = replace(entries[-1], status="unknown")
    with_quote = next(each for each in spending(entries) if each.currency)
    assert (with_quote.paid, with_quote.perhaps, with_quote.charges) == (2, 1, 2)
    assert (with_quote.charged, with_quote.at_most) == (Decimal("1.2"), Decimal("1.83"))
    (unquoted,) = [each for each in spending(entries) if not each.currency]
    assert (unquoted.paid, unquoted.unquoted, unquoted.high) == (1, 1, 0)
    assert [each.group for each in spending(entries[:2], "job")] == ["1", "2"]
    assert {each.group[:8] for each in spending(entries, "month")} == {"2026-03"}


def test_the_ledger_of_an_older_home_is_kept(
    make: Make, request_: MotionRequest, tmp_path: Path
) -> None:
    import sqlite3

    client = make()
    job_id = made(client, request_, "one")
    client.close()
    with sqlite3.connect(client.home.database) as db:
        for name in ("seconds", "base_url", "hour_sum", "billed_at", "balance_before"):
            db.execute(f"ALTER TABLE ledger DROP COLUMN {name}")
        db.execute("UPDATE schema_version SET version = 5")
    entry = make().charge(job_id)
    assert entry is not None
    assert (entry.status, str(entry.high)) == ("spent", "0.50 USD")
