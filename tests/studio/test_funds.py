"""The balance beside the price, for who pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo
from helpers.scripted import File, ScriptedNovita

from kling_utils.jobs.client import Client
from kling_utils.settings import clean_key, load
from kling_utils.studio.generate import Generate
from kling_utils.studio.session import Duplicate, Form, Session


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
            # a draft costs nothing, and nobody is asked
            assert "value" not in panel.funds(desk, "")
            assert novita.state.balance_count == 0
            desk.check(runner, form, clean_key(novita.key))
            said = panel.funds(desk, novita.key)
            assert ("The balance may not be enough" in said) is warned
            assert ("0.01 USD" if warned else "12.50 USD") in said
            panel.funds(desk, novita.key)
            assert novita.state.balance_count == 1
            assert novita.key not in said


def test_another_take_is_not_made_at_another_price_than_the_one_on_its_button(
    tmp_path: Path, built: Callable[[Callable[[], Any]], Any]
) -> None:
    with ScriptedNovita() as novita:
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
            # a key was typed after the offer of a free take
            desk.check(runner, form, clean_key(novita.key))
            desk.duplicate = Duplicate("JOB", "free")
            *_, last = panel.on_another_take(desk, novita.key, **asdict(form))
            assert "The price is another one now" in last[panel.notice]
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
            image = str(zoo.image(tmp_path))
            form = Form(image, address, "video", "kling-v3-0-std", "", "", True)
            asked = (desk, novita.key)
            fields = asdict(form)
            desk.check(runner, form, clean_key(novita.key))
            list(panel.on_generate(*asked, **fields))
            (job,) = runner.jobs()
            runner._store.change(job.job_id, now=runner.now(), state="unconfirmed")

            *_, last = panel.on_generate(*asked, **fields)
            assert "may be paid twice: about" in last[panel.notice]
            assert "USD" in last[panel.notice]
            assert last[panel.have]["visible"] is True
            assert last[panel.again]["value"] == "Send it again…"
            assert last[panel.sure]["visible"] is False
            list(panel.on_send_again(*asked, **fields))
            assert len(runner.jobs()) == 1, "a forged answer does not send"
            *_, last = panel.on_another_take(*asked, **fields)
            assert "It may be paid twice" in last[panel.notice]
            assert last[panel.again]["visible"] is False
            assert "pay twice — about" in last[panel.sure]["value"]
            assert len(runner.jobs()) == 1
            list(panel.on_another_take(*asked, **fields))
            assert len(runner.jobs()) == 1, "nor does a double click"
            list(panel.on_send_again(*asked, **fields))
            (sent,) = runner.jobs()
            assert (sent.job_id, desk.job_id) == (job.job_id, job.job_id), (
                "as itself, no other take"
            )
            assert sent.state != "unconfirmed"
