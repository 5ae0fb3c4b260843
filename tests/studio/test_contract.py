"""The page as it is built, without serving it: who may call what, and who may see the key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

import app
from kling_utils.jobs.client import Client
from kling_utils.settings import load
from kling_utils.studio.visitor import Tokens

KEYS = {"key", "key-again"}


async def inside_a_loop(runner: Client) -> gr.Blocks:
    """Gradio makes a loop of its own, and leaves it open, where there is none."""
    return app.build(runner)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    with Client(
        load(home=tmp_path / "home", novita_api_key="sk-owner-secret-0123456789")
    ) as runner:
        page = asyncio.run(inside_a_loop(runner))
        assert isinstance(page, gr.Blocks)
        return dict(page.get_config_file())


def by_id(config: dict[str, Any]) -> dict[str, int]:
    return {
        c["props"]["elem_id"]: c["id"] for c in config["components"] if c["props"].get("elem_id")
    }


def test_no_event_is_public(config: dict[str, Any]) -> None:
    assert config["dependencies"]
    assert {d["api_visibility"] for d in config["dependencies"]} == {"private"}


def test_the_key_is_read_by_private_events_only(config: dict[str, Any]) -> None:
    boxes = {number for name, number in by_id(config).items() if name in KEYS}
    assert len(boxes) == len(KEYS)
    readers = [d for d in config["dependencies"] if boxes & set(d["inputs"])]
    assert readers, "or this test looks at nothing"
    assert not [d["api_name"] for d in readers if d["api_visibility"] == "public"]


def test_the_key_goes_into_no_state_and_no_browser_storage(config: dict[str, Any]) -> None:
    # one of Gradio's ends the page where a frame may keep nothing
    assert not [c for c in config["components"] if c["type"] == "browserstate"]


def test_the_key_boxes_are_masked(config: dict[str, Any]) -> None:
    boxes = [c["props"] for c in config["components"] if c["props"].get("elem_id") in KEYS]
    assert [(b["type"], b.get("value") or "") for b in boxes] == [("password", "")] * len(KEYS)


def test_every_event_has_a_name_of_its_own(config: dict[str, Any]) -> None:
    assert not [d["api_name"] for d in config["dependencies"] if "lambda" in str(d["api_name"])]


def test_the_owners_key_is_nowhere_in_the_page(config: dict[str, Any]) -> None:
    assert "sk-owner-secret" not in str(config)


def test_there_is_no_deep_link(config: dict[str, Any]) -> None:
    assert "deeplinkbutton" not in {c["type"] for c in config["components"]}


def test_watchers_make_nobody_wait(config: dict[str, Any]) -> None:
    watchers = [d for d in config["dependencies"] if str(d["api_name"]).startswith("watch")]
    assert watchers
    assert all(d["queue"] for d in watchers)


def test_the_launch_keeps_to_this_machine(tmp_path: Path) -> None:
    options = app.options(load(home=tmp_path), Tokens(tmp_path))
    assert options["run_history"] is False
    assert options["ssr_mode"] is False
    assert options["show_error"] is False
    assert "allowed_paths" not in options
    assert options["app_kwargs"]["docs_url"] is None
    assert options["theme"]._stylesheets == []
    for place in ("http:", "https:", "@import", "url("):
        assert place not in options["css"]
    assert "http" not in "".join(str(font) for font in options["theme"]._font)
