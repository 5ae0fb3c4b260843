"""Sums and limits on the page: who sees which, what is asked before it is paid, and the line beside the price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo
from helpers.scripted import File, HangUp, ScriptedNovita, bill
from pydantic import SecretStr
from sqlalchemy import text

from kling_utils.jobs.budget import Limits
from kling_utils.jobs.client import Client
from kling_utils.jobs.ledger import Settled
from kling_utils.settings import clean_key, load
from kling_utils.studio import spending
from kling_utils.studio.actions import Actions
from kling_utils.studio.generate import Generate
from kling_utils.studio.session import Form, Session
from kling_utils.studio.spending import SpendingPanel
from kling_utils.studio.visitor import Visitor
from kling_utils.values import Money

Built = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def form(novita: ScriptedNovita, tmp_path: Path) -> Form:
    clip = zoo.clip(tmp_path)
    novita.state.video = clip.read_bytes()
    address = novita.serve("/in/clip.mp4", File(clip.read_bytes()))
    image = str(zoo.image(tmp_path))
    return Form(image, address, "video", "kling-v3-0-std", "", "", True)


def paid(client: Client, form: Form, key: str) -> str:
    """A job that was made and paid."""
    job = client.submit(form.request(), key=SecretStr(key))
    job.wait(progress=False)
    return job.job_id


def test_a_price_above_the_sum_is_asked_about_and_one_yes_sends_it(
    client: Client, novita: ScriptedNovita, form: Form, built: Built
) -> None:
    client.limit_spending(Limits(None, None, Decimal("0.1")))
    panel, session = built(lambda: Generate(client)), Session()
    fields, key = asdict(form), novita.key
    session.check(client, form, clean_key(key))
    *_, last = panel.on_generate(session, key, **fields)
    assert "Spend about " in last[panel.notice]
    assert "you want to be asked above 0.10 USD" in last[panel.notice]
    assert last[panel.sure]["value"].startswith("Yes, generate — about ")
    assert last[panel.again]["visible"] is last[panel.show]["visible"] is False
    assert client.jobs() == []
    other = asdict(Form(form.image, form.video, "image", form.model_name, "", "", True))
    list(panel.on_send_again(session, key, **other))
    assert client.jobs() == [], "a yes to another form"
    list(panel.on_send_again(session, key, **fields))
    assert len(client.jobs()) == 1
    list(panel.on_send_again(session, key, **fields))
    assert len(client.jobs()) == 1, "the question was answered"


def test_a_yes_that_nobody_asked_for_sends_nothing(
    client: Client, novita: ScriptedNovita, form: Form, built: Built
) -> None:
    client.limit_spending(Limits(None, None, Decimal("0.1")))
    panel, session = built(lambda: Generate(client)), Session()
    session.check(client, form, clean_key(novita.key))
    list(panel.on_send_again(session, novita.key, **asdict(form)))
    list(panel.on_generate(session, novita.key, **asdict(form)))
    panel.on_dismiss(session)
    list(panel.on_send_again(session, novita.key, **asdict(form)))
    assert client.jobs() == []


def test_an_offer_above_the_sum_asks_as_well(
    client: Client, novita: ScriptedNovita, form: Form, built: Built
) -> None:
    job_id = paid(client, form, novita.key)
    offers, key = built(lambda: Actions(client)), SecretStr(novita.key)
    plain = offers.value(client.record(job_id), key)["items"]
    assert all(item.get("risk") is None for item in plain)
    client.limit_spending(Limits(None, None, Decimal("0.1")))
    items = {item["id"]: item for item in offers.value(client.record(job_id), key)["items"]}
    assert items["model"]["risk"]["ask"] == f"Spend {items['model']['price']}?"
    assert items["draft"]["risk"] is None
    session = Session()
    session.open(job_id)

    class Press:
        id, price, sure = "model", items["model"]["price"], False

    said = offers.on_act(Press(), session, novita.key)[offers.answer]
    assert "you want to be asked above" in said
    assert len(client.jobs()) == 1, "a forged press without the question"
    Press.sure = True
    offers.on_act(Press(), session, novita.key)
    assert len(client.jobs()) == 2


def test_the_line_beside_the_price_has_the_sums_and_warns_of_the_budget(
    client: Client, novita: ScriptedNovita, form: Form, built: Built
) -> None:
    panel, session = built(lambda: Generate(client)), Session()
    session.check(client, form, clean_key(novita.key))
    assert "oday" not in panel.funds(session, novita.key), "nothing spent, nothing limited"
    paid(client, form, novita.key)
    said = panel.funds(session, novita.key)
    quote = session.preflight.quote if session.preflight else None
    assert quote is not None
    assert f"today about {quote.high} · this month about {quote.high}" in said
    client.limit_spending(Limits(Decimal(20)))
    left = Decimal(20) - quote.high.amount
    assert f"{left:.2f} of 20.00 USD left today · this month" in panel.funds(session, novita.key)
    client.limit_spending(Limits(Decimal("0.1")))
    said = panel.funds(session, novita.key)
    assert "is-short" in said
    assert "over today&#39;s budget" in said


def test_over_the_budget_the_button_says_what_is_left_and_raising_it_helps(
    client: Client, novita: ScriptedNovita, form: Form, built: Built
) -> None:
    client.limit_spending(Limits(Decimal("0.1")))
    panel, session = built(lambda: Generate(client)), Session()
    session.check(client, form, clean_key(novita.key))
    *_, last = panel.on_generate(session, novita.key, **asdict(form))
    assert "0.10 USD of the budget of 0.10 USD are left today" in last[panel.notice]
    assert "Nothing was spent" in last[panel.notice]
    assert client.jobs() == []
    limits = built(lambda: SpendingPanel(client))
    drawn = limits.on_save(session, "5 USD", "")
    assert "Kept for this home" in drawn[limits.answer]
    assert drawn[limits.budget] == "5"
    list(panel.on_generate(session, novita.key, **asdict(form)))
    assert len(client.jobs()) == 1


def test_the_limits_are_the_owners_to_set(client: Client, built: Built) -> None:
    panel, stranger = built(lambda: SpendingPanel(client)), Session()
    stranger.visitor = Visitor("v2_x", hosted=True)
    assert panel.on_open(stranger)[panel.form]["visible"] is False
    panel.on_save(stranger, "1000", "")
    assert client.limits == Limits()
    owner = Session()
    assert panel.on_open(owner)[panel.form]["visible"] is True
    assert "must be an amount" in panel.on_save(owner, "much", "")[panel.answer]
    panel.on_save(owner, "20", "1.5")
    assert client.limits == Limits(Decimal(20), None, Decimal("1.5"))
    panel.on_save(owner, " ", "")
    assert client.limits == Limits()


def test_a_limit_that_a_variable_sets_is_not_changed_here(tmp_path: Path, built: Built) -> None:
    with Client(load(home=tmp_path / "home", budget="3")) as client:
        panel = built(lambda: SpendingPanel(client))
        assert panel.budget.interactive is False
        assert "KLING_BUDGET" in panel.budget.info
        assert panel.on_open(Session())[panel.budget] == "3"


def test_the_bill_is_read_with_the_key_that_pays(
    client: Client, novita: ScriptedNovita, form: Form, built: Built
) -> None:
    panel, visitor = built(lambda: SpendingPanel(client)), Session()
    visitor.visitor = Visitor("v2_x", hosted=True)
    job = client.submit(form.request(), owner="v2_x", key=SecretStr(novita.key))
    job.wait(progress=False)
    (entry,) = client.ledger(owner="v2_x")
    novita.state.bills = [bill(entry.at - 7200, "0.5")]
    with client._store._write.begin() as db:
        db.execute(text("UPDATE ledger SET at = at - 7200, ended_at = ended_at - 7200"))
    assert "by the bill" not in panel.on_open(visitor)[panel.sums]
    panel.on_bill(visitor, "")
    assert novita.state.bill_count == 0, "nobody's key is used for them"
    assert client.ledger(owner="v2_x")[0].charge is None
    assert "by the bill 0.50 USD for 1" in panel.on_bill(visitor, novita.key)
    assert "nothing so far" in panel.on_open(Session())[panel.sums], "it is not the home's"


def test_the_sums_tell_charges_from_estimates_and_doubts(
    client: Client, novita: ScriptedNovita, form: Form, built: Built
) -> None:
    panel, session = built(lambda: SpendingPanel(client)), Session()
    assert "nothing so far" in panel.on_open(session)[panel.sums]
    job_id = paid(client, form, novita.key)
    (entry,) = client.ledger()
    client._store.note_bill([Settled(entry.entry, Money(Decimal("0.63")), None)], client.now())
    assert spending.amount(client.costs()) == "0.63 USD"
    assert client.job(job_id).charge.brief == "charged 0.63 USD"  # type: ignore[union-attr]
    sums = panel.on_open(session)[panel.sums]
    assert "0.63 USD: 1 job paid (by the bill 0.63 USD for 1)" in sums
    novita.state.submits.append(HangUp())
    other = Form(form.image, form.video, "image", form.model_name, "", "", True)
    client.submit(other.request(), key=SecretStr(novita.key))
    for _ in client.events(client.jobs()[0].job_id):
        pass
    assert "1 perhaps paid" in panel.on_open(session)[panel.sums]
    assert spending.amount(client.costs()).startswith("about ")
