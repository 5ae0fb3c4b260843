"""What visitors of a hosted page may have waiting and may ask, each and in all: the bounds hold where a runner uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from helpers.clocks import Clock
from helpers.scripted import ScriptedNovita
from pydantic import SecretStr

from kling_utils.errors import Busy
from kling_utils.jobs.client import Client
from kling_utils.media import bounds
from kling_utils.values import MotionRequest


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosted(make: Any, clock: Clock) -> Client:
    """A runner of a hosted page which sends nothing."""
    runner: Client = make(settings={"space_id": "me/studio"}, clock=clock.wall)
    runner._watcher.close()
    return runner


def submits(
    runner: Client, request: MotionRequest, key: SecretStr | None
) -> Callable[[str, int], str]:
    def one(owner: str, number: int) -> str:
        try:
            asked = replace(request, prompt=f"scene {number}")
            return runner.submit(asked, owner=owner, key=key).state
        except Busy as error:
            return f"{error.message} {error.money}"

    return one


@pytest.mark.parametrize(
    ("each", "most", "what"), [(2, 30, "drafts"), (20, 200, "jobs that are not sent yet")]
)
def test_jobs_that_wait_have_a_bound_for_a_visitor_and_in_all(
    hosted: Client, request_: MotionRequest, each: int, most: int, what: str
) -> None:
    submit = submits(hosted, request_, None if what == "drafts" else SecretStr("sk_visitor"))
    full = f"You have {each} {what} waiting already. no"
    for visitor in range(most // each):
        took = [submit(f"visitor {visitor}", n) for n in range(each)]
        assert took == ["checked"] * each
        if visitor == 0:
            assert submit("visitor 0", each) == full
    busy = f"This page is busy: {most} {what} of its visitors wait already. no"
    assert submit("one more", 1) == busy
    assert len(hosted.jobs(limit=1000)) == most


def test_balances_have_a_bound_for_a_visitor_and_in_all(
    hosted: Client, novita: ScriptedNovita, clock: Clock
) -> None:
    key = SecretStr(novita.key)

    def asks(owner: str) -> bool:
        try:
            hosted.balance(key, owner=owner)
        except Busy:
            return False
        return True

    each = bounds.BALANCES_EACH
    assert [asks("first") for _ in range(each + 1)] == [True] * each + [False]
    for visitor in range(1, bounds.BALANCES // each):
        assert all(asks(f"visitor {visitor}") for _ in range(each))
    assert not asks("one more")
    assert novita.state.balance_count == bounds.BALANCES, "what is refused is not asked"
    clock.now += bounds.BALANCES_SECONDS
    assert asks("one more")
