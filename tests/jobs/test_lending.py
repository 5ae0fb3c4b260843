"""The key of a Space that is lent: to accounts only, inside two budgets, and nothing of the account is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from helpers.scripted import HangUp, ScriptedNovita

from kling_utils import errors
from kling_utils.jobs.client import Client
from kling_utils.values import MotionRequest

Make = Callable[..., Client]
ANNA, BEN = "hf:anna", "hf:ben"
LENDING: dict[str, Any] = {
    "system": "spaces",
    "space_id": "me/studio",
    "oauth_client_id": "client",
    "lend_key": True,
    "budget": "1.3",
    "budget_visitor": "0.6",
}


@pytest.fixture
def lending(make: Make) -> Client:
    return make(settings=LENDING)


def send(client: Client, request: MotionRequest, owner: str, prompt: str) -> Any:
    job = client.submit(replace(request, prompt=prompt), owner=owner)
    job.wait(progress=False)
    return client.record(job.job_id)


def test_an_account_uses_the_key_and_a_free_id_gets_a_draft(
    lending: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    assert lending.provider_for(None, owner=ANNA) == "novita"
    job = send(lending, request_, ANNA, "one")
    assert (job.state, job.provider, job.owner) == ("succeeded", "novita", ANNA)
    for stranger in ("v2_" + "a" * 32, "home"):
        assert lending.provider_for(None, owner=stranger) == "local"
    assert novita.state.submit_count == 1


def test_a_name_that_is_not_on_the_list_gets_a_draft(make: Make) -> None:
    client = make(settings=LENDING | {"lend_to": "Anna"})
    assert client.provider_for(None, owner=ANNA) == "novita"
    assert client.provider_for(None, owner=BEN) == "local"


def test_each_name_has_its_budget_and_all_have_the_homes(
    lending: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    send(lending, request_, ANNA, "one")
    with pytest.raises(errors.OverBudget, match="a visitor's budget") as caught:
        send(lending, request_, ANNA, "two")
    assert caught.value.money == "no"
    send(lending, request_, BEN, "one")
    with pytest.raises(errors.OverBudget, match=r"the budget of 1\.30 USD") as caught:
        send(lending, request_, "hf:carla", "one")
    assert "KLING_BUDGET" not in caught.value.hint, "a visitor raises nothing"
    assert novita.state.submit_count == 2


def test_nothing_of_the_owners_account_is_told_or_taken(
    lending: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.submits.append(HangUp())
    job = lending.submit(request_, owner=ANNA)
    assert list(job.events())
    assert lending.record(job.job_id).state == "unconfirmed"
    assert lending.doubt(job.job_id) == ""
    (entry,) = lending.ledger(owner=ANNA)
    assert (entry.home, entry.balance_before, entry.balance_after) == (True, None, None)
    with pytest.raises(errors.SettingError):
        lending.balance(owner=ANNA)
    with pytest.raises(errors.SettingError):
        lending.adopt_task(replace(request_, prompt="x"), "task-of-the-owner", owner=ANNA)
    lending.read_bill(owner=ANNA)
    assert not [seen for seen in novita.state.seen if "bill/list" in seen.path]


def test_a_restart_goes_on_with_a_lent_job(
    make: Make, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    first = make(settings=LENDING)
    job = first.submit(request_, owner=ANNA)
    next(e for e in job.events() if type(e).__name__ == "Submitted")
    first.close()
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    second = make(settings=LENDING)
    second.watch()
    assert second.job(job.job_id).wait(progress=False).video
    assert novita.state.submit_count == 1
