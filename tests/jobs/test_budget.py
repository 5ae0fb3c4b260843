"""What may be spent in a day: never more, from however many threads and processes, and what a failure gives back."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import HangUp, ScriptedNovita, refusal
from pydantic import SecretStr

from kling_utils import errors
from kling_utils.jobs import budget
from kling_utils.jobs.budget import Limits
from kling_utils.jobs.client import Client
from kling_utils.jobs.home import Home
from kling_utils.jobs.store import Store
from kling_utils.values import HOME_OWNER, MotionRequest

Make = Callable[..., Client]
PRICE = Decimal("0.504")
"""The high end for a clip of 3.2 s."""
SPENDER = Path(__file__).with_name("spender.py")


def limited(amount: str) -> dict[str, Any]:
    return {"settings": {"budget": amount}}


def spent(client: Client) -> Decimal:
    return client._store.spent(HOME_OWNER, client.now())


def test_what_is_over_the_budget_is_not_sent_and_says_all_that_one_needs(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    client = make(**limited("0.80 USD/day"))
    client.run(request_, progress=False)
    with pytest.raises(errors.OverBudget) as caught:
        client.run(replace(request_, prompt="at night"), progress=False)
    error, midnight = caught.value, budget.day_of(time.time()).end
    assert error.money == "no"
    assert "may cost up to 0.50 USD" in error.message
    assert "0.30 USD of the budget of 0.80 USD are left today" in error.message
    assert f"{datetime.fromtimestamp(midnight):%Y-%m-%d 00:00}" in error.hint
    assert (
        "raise the budget: on the page under Spending and budget, or by KLING_BUDGET" in error.hint
    )
    assert (error.left, error.resets_at) == (Decimal("0.296"), midnight)
    assert novita.state.submit_count == 1
    assert len(client.jobs()) == 1, "and it leaves no job"
    allowance = client.allowance()
    assert allowance is not None
    assert str(allowance.left) == "0.30 USD"
    assert client.run(request_, progress=False).cached, "what is there costs nothing"
    draft = client.submit(replace(request_, prompt="at night"), draft=True)
    assert draft.money == "no"
    assert spent(client) == PRICE


def test_twenty_submits_at_once_never_overspend(make: Make, request_: MotionRequest) -> None:
    client = make(**limited("3.1"))  # six of them
    client.check(request_)

    def submitted(number: int) -> bool:
        try:
            client.submit(replace(request_, prompt=str(number)))
        except errors.OverBudget:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(submitted, range(20))) == 6
    assert spent(client) == 6 * PRICE


def test_several_processes_at_once_never_overspend(
    novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:
    env = {
        **os.environ,
        "NOVITA_API_KEY": novita.key,
        "NOVITA_BASE_URL": novita.base_url,
        "KLING_HOME": str(tmp_path / "home"),
        "KLING_ALLOW_PRIVATE_HOSTS": "127.0.0.1",
        "KLING_BUDGET": "3.1",
    }
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(SPENDER), request_.image, request_.video, name, "5"],
                    env=env,
                    stdin=pipe,
                    stdout=pipe,
                    text=True,
                )
            )
            for name in "abcd"
        ]
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in processes:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        taken = [int(each.stdout.readline()) for each in processes if each.stdout is not None]
        for each in processes:
            each.communicate("\n", timeout=60)
    assert sum(taken) == 6
    store = Store(Home(tmp_path / "home"))
    assert store.spent(HOME_OWNER, time.time()) == 6 * PRICE
    store.close()
    assert novita.state.submit_count <= 6


def test_a_failure_that_cost_nothing_gives_it_back_and_a_doubt_does_not(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    client = make(**limited("1.2"))
    novita.state.submits.append(refusal(400, "ILLEGAL_PROMPT"))
    with pytest.raises(errors.ModerationRefused):
        client.run(request_, progress=False)
    assert spent(client) == 0
    novita.state.submits.append(HangUp())
    with pytest.raises(errors.SubmitUnconfirmed) as doubt:
        client.run(request_, progress=False)
    assert spent(client) == PRICE
    novita.state.statuses, novita.state.reason = ["TASK_STATUS_FAILED"], "no reason"
    with pytest.raises(errors.TaskFailed) as failed:
        client.run(replace(request_, prompt="at night"), progress=False)
    assert failed.value.money == "unknown"
    assert spent(client) == 2 * PRICE
    client.delete(failed.value.job_id or "")
    assert spent(client) == 2 * PRICE, "deleting a job gives nothing back"
    client.dismiss(doubt.value.job_id or "")
    assert spent(client) == 2 * PRICE
    with pytest.raises(errors.OverBudget):
        client.submit(replace(request_, prompt="in the rain"))


def test_a_doubt_that_is_sent_again_counts_twice(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    client = make(**limited("0.6"))
    novita.state.submits.append(HangUp())
    with pytest.raises(errors.SubmitUnconfirmed) as doubt:
        client.run(request_, progress=False)
    job_id = doubt.value.job_id or ""
    with pytest.raises(errors.OverBudget):
        client.send_again(job_id)
    assert client.record(job_id).state == "unconfirmed"
    assert novita.state.submit_count == 1
    richer = make(**limited("1.1"))
    richer.send_again(job_id)
    richer.follow(job_id, progress=False)
    assert novita.state.submit_count == 2
    assert spent(richer) == 2 * PRICE


class Clock:
    """Noon of a day, and the days after."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 10, 12).timestamp()

    def __call__(self) -> float:
        return self.now


def unsent(client: Client, request: MotionRequest) -> str:
    """A job that was written and not sent, as a process leaves it that ends then."""
    asked = client._new_job(request, HOME_OWNER, "novita", None, sendable=True)
    job = client._make(asked, "checked", take=1)
    client._store.release(job.job_id)
    return job.job_id


def test_a_day_later_all_of_it_is_there_and_what_was_not_sent_asks_anew(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    clock = Clock()
    client = make(clock=clock, **limited("0.6"))
    left = unsent(client, request_)
    other = replace(request_, prompt="at night")
    with pytest.raises(errors.OverBudget):
        client.submit(other)
    clock.now += 86400
    client.run(other, progress=False)
    with pytest.raises(errors.OverBudget):
        client.resume(left)
    with pytest.raises(errors.OverBudget):
        client.run(request_, progress=False)
    assert client.record(left).state == "checked"
    assert novita.state.submit_count == 1
    clock.now += 86400
    client.resume(left)
    client.follow(left, progress=False)
    assert novita.state.submit_count == 2
    assert spent(client) == PRICE, "it counts for the day on which it is sent"


def test_midnight_between_the_row_and_the_submit_does_not_overspend(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    clock = Clock()
    client = make(clock=clock, **limited("0.6"))
    waiting = unsent(client, request_)
    clock.now += 86400
    client.run(replace(request_, prompt="at night"), progress=False)
    client._store.claim(waiting)
    assert client._worker.advance(waiting) is None
    with pytest.raises(errors.OverBudget, match="are left today"):
        client.result(waiting)
    assert client.record(waiting).money == "no"
    assert novita.state.submit_count == 1


def test_a_visitor_has_a_budget_of_their_own(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    limits = {"novita_api_key": None, "budget": "0.1", "budget_visitor": "0.6"}
    client = make(settings=limits)
    key = SecretStr(novita.key)
    client.submit(request_, owner="alice", key=key)
    with pytest.raises(errors.OverBudget, match="a visitor's budget") as caught:
        client.submit(replace(request_, prompt="at night"), owner="alice", key=key)
    assert "raise" not in caught.value.hint, "it is not theirs"
    client.submit(request_, owner="bob", key=key)
    assert spent(client) == 0, "they pay with their own keys"


def test_a_price_above_the_users_sum_is_agreed_to_first(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    client = make(settings={"confirm_above": "0.5"})
    with pytest.raises(errors.PriceNotAgreed, match=r"up to 0.50 USD.* above 0.50 USD"):
        client.submit(request_, agreed=False)
    assert client.jobs() == []
    client.run(request_, progress=False)  # a program has said what it wants
    client.submit(request_, agreed=False, draft=True)
    make(settings={"confirm_above": "0.51"}).submit(replace(request_, prompt="x"), agreed=False)


def test_limits_of_a_home_are_kept_and_a_setting_wins(make: Make, tmp_path: Path) -> None:
    client = make()
    assert client.limits == Limits()
    client.limit_spending(Limits(Decimal("12.5"), None, Decimal(2)))
    assert make().limits == Limits(Decimal("12.5"), None, Decimal(2))
    assert make(**limited("20 USD/day")).limits == Limits(Decimal(20), None, Decimal(2))
    assert make(settings={"public_base_url": "https://studio.example"}).limits == Limits()
    (client.home.root / budget.FILE).write_text("{", "utf-8")
    with pytest.raises(errors.SettingError, match="cannot be read"):
        _ = client.limits


@pytest.mark.parametrize("wrong", ["-1", "20 EUR", "much", "1e3", "nan", True])
def test_a_budget_that_is_no_amount_is_refused(wrong: object, tmp_path: Path) -> None:
    with pytest.raises(errors.SettingError, match="KLING_BUDGET cannot be used"):
        Client(home=tmp_path / "home", budget=wrong)


@pytest.mark.parametrize("said", ["20", "20 USD", "20 usd/day", "20USD a day", 20, Decimal(20)])
def test_a_budget_as_people_write_it(said: object, tmp_path: Path) -> None:
    with Client(home=tmp_path / "home", budget=said) as client:
        assert client.limits.budget == 20


def test_an_older_home_opens_and_what_it_spent_is_known(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    client = make()
    client.run(request_, progress=False)
    novita.state.submits.append(refusal(400, "ILLEGAL_PROMPT"))
    with pytest.raises(errors.ModerationRefused):
        client.run(replace(request_, prompt="at night"), progress=False)
    client.submit(request_, draft=True)
    client.close()
    with sqlite3.connect(client.home.database) as db:
        db.execute("DROP TABLE ledger")
        db.execute("UPDATE schema_version SET version = 4")
    assert spent(make()) == PRICE


def test_a_home_whose_database_is_lost_still_knows_what_was_spent(
    make: Make, request_: MotionRequest
) -> None:
    client = make()
    client.run(request_, progress=False)
    client.close()
    for path in client.home.root.glob("jobs.sqlite3*"):
        path.unlink()
    again = make()
    assert again.rebuilt == 1
    assert spent(again) == PRICE


def test_a_task_from_elsewhere_takes_nothing_of_the_budget(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.tasks["t1"] = {}
    novita.state.files["/results/t1.mp4"] = novita.state.files["/in/dance.mp4"]
    client = make(**limited("0.1"))
    job = client.adopt_task(request_, "t1")
    client.follow(job.job_id, progress=False)
    assert spent(client) == 0
