"""Inputs from addresses: what is fetched, what the provider is told, and what a share link that is closed says."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import File, ScriptedNovita

from kling_utils.errors import AddressRefused
from kling_utils.jobs.home import Home
from kling_utils.jobs.intake import Intake, display_name
from kling_utils.media.guard import Guard


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        assert host == "www.dropbox.com"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    return Intake(
        Home(tmp_path / "home"), Guard(allow=frozenset({"www.dropbox.com"}), resolve=resolve)
    )


def test_a_share_link_is_measured_and_sent_as_the_address_of_its_file(
    intake: Intake, novita: ScriptedNovita, clip: Path
) -> None:
    novita.serve("/s/x/dance.mp4", File(clip.read_bytes()))
    link = f"http://www.dropbox.com:{novita.port}/s/x/dance.mp4?dl=0"
    looked = intake.video(link)
    assert not isinstance(looked.info, Exception), looked.info
    assert looked.info.duration == pytest.approx(3.2, abs=0.05)
    assert looked.name == "dance.mp4"
    assert looked.url == link.replace("dl=0", "dl=1")
    assert [(seen.path, seen.query) for seen in novita.state.seen] == [("/s/x/dance.mp4", "dl=1")]


def test_a_share_link_that_shows_a_page_to_strangers_says_what_to_do(
    intake: Intake, novita: ScriptedNovita
) -> None:
    novita.serve("/s/x/dance.mp4", File(b"<!doctype html><p>Sign in", content_type="text/html"))
    looked = intake.video(f"http://www.dropbox.com:{novita.port}/s/x/dance.mp4")
    assert isinstance(looked.info, AddressRefused)
    assert "Dropbox" in looked.info.message
    assert "a web page" in looked.info.message
    assert "everyone who has the link" in looked.info.hint


def test_a_link_without_a_name_is_called_after_its_host() -> None:
    assert (
        display_name("https://drive.google.com/file/d/1aB/view?usp=sharing")
        == "file at Google Drive"
    )
    assert display_name("https://example.com/in/my%20dance.mp4?sig=x") == "my dance.mp4"
