"""A person pauses sending: the page says so, nothing is sent, and one press sends what waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import File, ScriptedNovita, ServerState
from helpers.served import paying, watching

import kling_utils as kling
from kling_utils import examples
from kling_utils.media import ffmpeg

pytestmark = pytest.mark.browser
KEY = "sk-own-0123456789"


def test_paused_sending_is_told_and_goes_on_at_one_press(browser: Any, tmp_path: Path) -> None:
    clip = tmp_path / "dance.mp4"
    cut = ["-t", "3.2", *ffmpeg.H264, "-preset", "veryfast", "-an", str(clip)]
    ffmpeg.run([*ffmpeg.source(examples.VIDEOS[0].path), *cut], timeout=60)
    state = ServerState(key=KEY, video=clip.read_bytes())
    with (
        ScriptedNovita(state) as novita,
        paying(tmp_path, novita.base_url, NOVITA_API_KEY="sk-own-0123456789") as served,
        watching(browser) as watched,
    ):
        with kling.Client(home=served.home) as other:  # another program of the home
            other.pause()
        page = watched.page
        page.goto(served.url)
        page.wait_for_selector("#pausing >> text=Sending is paused")
        page.set_input_files("#image input[type=file]", str(examples.IMAGES[0].path))
        address = novita.serve("/in/dance.mp4", File(clip.read_bytes()))
        page.fill("#video-address input, #video-address textarea", address)
        page.keyboard.press("Enter")
        page.wait_for_selector("#video-report >> text=fine")
        page.click("#generate >> text=USD")
        page.wait_for_selector("#pausing >> text=1 job not sent yet")
        page.wait_for_selector(".panel >> text=Sending is paused")
        assert novita.state.submit_count == 0

        state.statuses = ["TASK_STATUS_PROCESSING"]
        page.click("#go-on")
        page.wait_for_selector(".panel-task code:not(:empty)")
        page.wait_for_selector("#pausing", state="detached")  # also while the job is made
        state.statuses = ["TASK_STATUS_SUCCEED"]
        page.wait_for_selector(".panel[data-mode=done]", timeout=60_000)
        assert novita.state.submit_count == 1
        assert watched.ours == []
