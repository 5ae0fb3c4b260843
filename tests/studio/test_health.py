"""The panel that looks whether everything is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import ScriptedNovita

from kling_utils.jobs.client import Client
from kling_utils.providers.http import Transport
from kling_utils.settings import load
from kling_utils.studio.account import FRESH, Health
from kling_utils.studio.session import Session


@pytest.fixture
def runner(novita: ScriptedNovita, tmp_path: Path) -> Iterator[Any]:
    made: list[Client] = []

    def one(**settings: Any) -> Client:
        known = {
            "home": tmp_path / "home",
            "novita_base_url": novita.base_url,
            "private_hosts": frozenset({"127.0.0.1"}),
        }
        made.append(
            Client(
                load(**(known | settings)),
                transport=Transport(wait=lambda seconds: False),
                clock=lambda: one.now,
            )
        )
        return made[-1]

    one.now = 1000.0
    yield one
    for each in made:
        each.close()


def test_it_says_what_is_there_and_what_to_set(runner: Any, built: Any, tmp_path: Path) -> None:
    said = built(lambda: Health(runner())).on_check(Session(), "")
    assert "Everything is there" in said
    assert str(tmp_path) in said
    assert "KLING_PUBLISH_TO" in said
    assert "set NOVITA_API_KEY" in said


def test_the_typed_key_is_tried_and_never_shown(
    runner: Any, built: Any, novita: ScriptedNovita
) -> None:
    health = built(lambda: Health(runner()))
    assert "12.50 USD" in health.on_check(Session(), novita.key)
    said = health.on_check(Session(), "sk_wrong_s3cret")
    assert "Something is missing" in said
    assert "s3cret" not in said
    assert "kc-error-card" in health.on_check(Session(), "två")


def test_a_visitor_of_a_hosted_page_is_not_told_where_things_lie(
    runner: Any, built: Any, tmp_path: Path
) -> None:
    said = built(lambda: Health(runner(space_id="me/space"))).on_check(Session(), "")
    assert "a local disk" in said
    assert str(tmp_path) not in said


def test_a_crowd_asks_once_a_minute(runner: Any, built: Any, novita: ScriptedNovita) -> None:
    health = built(lambda: Health(runner()))
    for _ in range(3):
        health.on_check(Session(), novita.key)
    assert len(novita.state.seen) == 1
    runner.now += FRESH + 1
    health.on_check(Session(), novita.key)
    assert len(novita.state.seen) == 2
