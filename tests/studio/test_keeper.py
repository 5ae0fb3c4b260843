"""The form of a session that is gone: what comes back, to whom, and what is not believed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from helpers import zoo

from kling_utils.jobs.client import Client
from kling_utils.settings import load
from kling_utils.studio import files, visitor
from kling_utils.studio.session import CROP, Form, Session

from .conftest import bound_page

Make = Callable[..., Any]


class Page:
    """A keeper between the parts of a page."""

    def __init__(self, runner: Any, built: Make) -> None:
        self.page = built(lambda: bound_page(runner))
        self.keeper, self.repair, self.image = (
            self.page.keeper,
            self.page.repair,
            self.page.image,
        )
        options = self.page.options
        self._names = {
            "panel": self.keeper.panel,
            "said": self.keeper.said,
            **{
                f"{each.name}_{part}": getattr(each, part)
                for each in (self.page.image, self.page.video)
                for part in ("source", "view", "card", "address")
            },
            "orientation": options.orientation,
            "model": options.model,
            "prompt": options.prompt,
            "negative": options.negative,
            "sound": options.sound,
            **self.repair.choices,
        }

    def restored(self, desk: Session, sender: Any = visitor.HOME, **sent: Any) -> dict[str, Any]:
        desk.visitor = sender
        updates = self.keeper.on_restore(SimpleNamespace(**sent), desk, None)
        return {name: updates[each] for name, each in self._names.items() if each in updates}


@pytest.fixture
def page(tmp_path: Path, built: Make) -> Iterator[tuple[Any, Page]]:
    with Client(load(home=tmp_path / "home")) as runner:
        yield runner, Page(runner, built)


def form(image: Path | str = "", video: Path | str = "") -> Form:
    return Form(str(image), str(video), "image", "kling-v3-0-pro", "In the rain", "", False)


def test_a_reload_gets_its_files_and_choices_back(page: tuple[Any, Page], tmp_path: Path) -> None:
    runner, it = page
    asked, before, now = form(zoo.image(tmp_path, size=(900, 300))), Session(), Session()
    told = it.keeper.hello(before)
    before.check(runner, asked, None)
    it.repair.on_choice(before, 0.0, CROP, False, "black", **asdict(asked))
    kept = it.keeper.value(before)
    assert str(tmp_path) not in str(kept), "no path goes to the browser"
    it.keeper.hello(now)
    back = it.restored(
        now, **told, form=kept["form"], texts={"prompt": "typed later", "negative": ""}
    )
    assert back["image_source"] == asked.image
    assert Path(back["image_view"]).is_file()
    assert (back["orientation"], back["model"], back["prompt"], back["sound"]) == (
        "image",
        "kling-v3-0-pro",
        "typed later",
        False,
    )
    assert (back["shape"], back["colour"]) == (CROP, "black")
    assert back["said"] == "", "nothing is lost"
    now.check(runner, asked, None)
    shown = it.repair.draw(now)
    assert "black" in shown[it.repair.plan], "and the choices are still about this file"


def test_a_session_that_has_no_page_is_one_that_was_lost(page: tuple[Any, Page]) -> None:
    _, it = page
    lost = copy.deepcopy(Session())
    assert lost.arrived is False
    local = SimpleNamespace(headers={"host": "localhost:7860"}, cookies={}, username=None)
    told = it.keeper.on_ask(lost, local)
    assert (lost.visitor, told["lost"]) == (visitor.HOME, True)
    assert lost.arrived is True
    assert it.keeper.on_ask(lost, local) == gr.skip()


def test_generate_on_a_lost_session_sends_nothing_and_asks_for_the_form(
    page: tuple[Any, Page],
) -> None:
    runner, it = page
    generate = it.page.generate
    asked = asdict(form())
    (out,) = generate.on_generate(copy.deepcopy(Session()), "", **asked)
    assert out[it.keeper.panel]["lost"] is True
    assert runner.jobs() == []


def test_after_a_restart_the_tab_gives_what_it_has(page: tuple[Any, Page]) -> None:
    _, it = page
    told = {
        "image": {"name": "Hero.png", "mark": "x"},
        "video": {"address": "https://clips.example/dance.mp4"},
    }
    back = it.restored(
        Session(), session="of before", form=told, texts={}, held=["image"], lost=True
    )
    assert (back["image_source"], back["image_view"]) == ("", None)
    assert back["panel"]["send"] == ["image"]
    assert back["video_source"] == back["video_address"] == told["video"]["address"]
    assert "The picture is sent to the page anew" in back["said"]
    assert "nothing was spent" in back["said"]
    back = it.restored(Session(), session="of before", form=told, texts={}, held=[])
    assert "Choose the picture (Hero.png) again" in back["said"]
    back = it.restored(Session(), session="", form={"image": {"sample": 0}}, texts={})
    assert back["image_source"] == files.handed(it.image.samples[0].path)


def test_another_visitor_gets_nothing_of_it(stand_in: Make, built: Make, tmp_path: Path) -> None:
    it, mine, other = (
        Page(stand_in(space_id="me/space"), built),
        visitor.fresh(),
        visitor.fresh(),
    )
    before = Session()
    before.visitor = mine
    secret = it.keeper.hello(before)["session"]
    before.form = form(zoo.image(tmp_path))
    report: Any = SimpleNamespace(image=None, video=None)
    before.preflight = SimpleNamespace(report=report)  # type: ignore[assignment]
    assert it.restored(Session(), mine, session=secret)["image_source"]
    assert it.restored(Session(), other, session=secret)["image_source"] == ""


@pytest.mark.parametrize("value", [None, 7, "x" * 30_000, ["a"], {"a": {}}, -1, 1e300, True])
def test_what_a_browser_makes_up_is_not_believed(
    page: tuple[Any, Page], value: Any, tmp_path: Path
) -> None:
    _, it = page
    path = zoo.image(tmp_path)
    for told in (
        value,
        {"address": value},
        {"sample": value},
        {"name": value},
        {"path": str(path)},
    ):
        back = it.restored(
            Session(),
            session=value,
            form={
                "image": told,
                "video": told,
                "orientation": value,
                "model": value,
                "sound": value,
            }
            if told is not value
            else value,
            texts={"prompt": value} if told is not value else value,
            held=value,
            job=value,
            lost=value,
        )
        if told != {"sample": True}:
            assert back["image_source"] == ""
        assert str(path) not in str(back)
        assert value is True or back["sound"] == gr.skip()
        assert back["orientation"] == back["model"] == gr.skip()


def test_a_job_that_stood_on_the_page_is_opened_again(
    stand_in: Make, job: Make, built: Make
) -> None:
    runner = stand_in()
    runner.kept["A"] = job("A")
    it, desk = Page(runner, built), Session()
    it.restored(desk, session="", job="A")
    assert desk.job_id == "A"
    it.restored(desk, session="", job="nothing")
    assert desk.job_id == "A"


def test_what_is_said_about_a_restart_outlives_one_more_reload(page: tuple[Any, Page]) -> None:
    _, it = page
    told = {"image": {"name": "Hero.png", "mark": "x"}}
    first, second, third = Session(), Session(), Session()
    secret = it.keeper.hello(first)["session"]
    said = it.restored(first, session="", form=told, texts={}, held=["image"])["said"]
    assert "This page was restarted" in said
    again = it.restored(second, session=secret, form={}, texts={}, held=[])
    assert again["said"] == said, "gradio reloads the page by itself, too"
    secret = it.keeper.hello(second)["session"]
    it.keeper.on_dismiss(second)
    assert it.restored(third, session=secret, form={}, texts={}, held=[])["said"] == ""
