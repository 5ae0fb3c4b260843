"""The balance beside the price, for who pays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo
from helpers.scripted import File, ScriptedNovita

from kling_utils.jobs.client import Client
from kling_utils.settings import clean_key, load
from kling_utils.studio.generate import Generate, Twin
from kling_utils.studio.session import Form, Session
from kling_utils.studio.visitor import HOME


@pytest.mark.parametrize(("balance", "warned"), [("125000", False), ("100", True)])
def test_the_balance_is_shown_and_warned_about_when_it_is_below(
    balance: str, warned: bool, tmp_path: Path, built: Callable[[Callable[[], Any]], Any]
) -> None:
    with ScriptedNovita() as novita:
        novita.state.balance["availableBalance"] = balance
        settings = load(home=tmp_path / "home", novita_base_url=novita.base_url)
        with Client(settings) as runner:
            panel, desk = built(lambda: Generate(runner)), Session()
            form = Form(
                str(zoo.image(tmp_path)),
                str(zoo.clip(tmp_path)),
                "video",
                "kling-v3-0-std",
                "",
                "",
                True,
            )
            desk.check(runner, form, None)
            assert "value" not in panel.funds(
                "", desk
            )  # a draft costs nothing, and nobody is asked
            assert novita.state.balance_count == 0
            desk.check(runner, form, clean_key(novita.key))
            said = panel.funds(novita.key, desk)
            assert ("The balance may not be enough" in said) is warned
            assert ("0.01 USD" if warned else "12.50 USD") in said
            panel.funds(novita.key, desk)
            assert novita.state.balance_count == 1
            assert novita.key not in said


def test_another_take_is_not_made_at_another_price_than_the_one_on_its_button(
    tmp_path: Path, built: Callable[[Callable[[], Any]], Any]
) -> None:
    with ScriptedNovita() as novita:
        settings = load(home=tmp_path / "home", novita_base_url=novita.base_url)
        with Client(settings) as runner:
            panel, desk = built(lambda: Generate(runner)), Session()
            fields = (
                str(zoo.image(tmp_path)),
                str(zoo.clip(tmp_path)),
                "video",
                "kling-v3-0-std",
                "",
                "",
                True,
            )
            desk.check(
                runner, Form(*fields), clean_key(novita.key)
            )  # a key was typed after the offer of a free take
            *_, last = panel.submit_again(Twin("JOB", "free"), *fields, novita.key, desk, "")
            assert "The price is another one now" in last[1]
            assert runner.jobs() == []
            assert novita.state.submit_count == 0


def test_a_job_in_doubt_is_sent_again_only_after_the_question_with_the_price(
    tmp_path: Path, built: Callable[[Callable[[], Any]], Any]
) -> None:
    with ScriptedNovita() as novita:
        address = novita.serve("/in/clip.mp4", File(zoo.clip(tmp_path).read_bytes()))
        settings = load(
            home=tmp_path / "home",
            novita_base_url=novita.base_url,
            private_hosts=frozenset({"127.0.0.1"}),
        )
        with Client(settings) as runner:
            panel, desk = built(lambda: Generate(runner)), Session()
            fields = (str(zoo.image(tmp_path)), address, "video", "kling-v3-0-std", "", "", True)
            rest = (novita.key, desk, HOME)
            desk.check(runner, Form(*fields), clean_key(novita.key))
            list(panel.submit(*fields, *rest))
            (job,) = runner.jobs()
            runner._store.change(job.job_id, now=runner.now(), state="unconfirmed")

            *_, (_, said, row, another, twin, sure, *_) = panel.submit(*fields, *rest)
            assert "may be paid twice: about" in said
            assert "USD" in said
            assert row["visible"] is True
            assert another["value"] == "Send it again…"
            assert sure["visible"] is False
            *_, (_, said, _, another, asked, sure, *_) = panel.submit_again(twin, *fields, *rest)
            assert "It may be paid twice" in said
            assert another["visible"] is False
            assert "pay twice — about" in sure["value"]
            assert len(runner.jobs()) == 1
            list(panel.submit_surely(twin, *fields, *rest))
            list(panel.submit_again(asked, *fields, *rest))
            assert len(runner.jobs()) == 1, "neither a double click nor a forged one sends"
            list(panel.submit_surely(asked, *fields, *rest))
            assert len(runner.jobs()) == 2
