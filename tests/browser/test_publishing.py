"""A person with a key and a clip on the disk gets a result: the card, one press, and a link that ends with the job."""

from __future__ import annotations

import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from helpers.frpc import StandIn, alive
from helpers.scripted import Hold, ScriptedNovita, ServerState
from helpers.served import paying, type_key, watching

from kling_utils import examples
from kling_utils.media import ffmpeg

pytestmark = pytest.mark.browser
KEY = "sk_typed-by-a-visitor-4712"


def test_a_local_clip_goes_by_a_temporary_link_at_one_press(browser: Any, tmp_path: Path) -> None:
    clip = tmp_path / "dance.mp4"
    ffmpeg.run(
        [
            *ffmpeg.source(examples.VIDEOS[0].path),
            "-t",
            "3.2",
            *ffmpeg.H264,
            "-preset",
            "veryfast",
            "-an",
            str(clip),
        ],
        timeout=60,
    )
    frpc = StandIn(tmp_path / "frpc")
    held = Hold()
    state = ServerState(key=KEY, video=clip.read_bytes())
    state.statuses = ["TASK_STATUS_PROCESSING"]
    state.submits.append(held)
    with (
        ScriptedNovita(state) as novita,
        paying(tmp_path, novita.base_url, patches=frpc.settings()) as served,
        watching(browser) as watched,
    ):
        page = watched.page
        page.goto(served.url)
        page.wait_for_selector("#history .gallery-label")
        type_key(page, KEY)
        page.set_input_files("#image input[type=file]", str(examples.IMAGES[0].path))
        page.set_input_files("#video input[type=file]", str(clip))
        page.wait_for_selector("#publishing >> text=Novita needs to fetch your clip")
        page.wait_for_selector("#video-report >> text=fine")
        page.click("#other-ways > button")
        for way in ("temporary link", "Hugging Face", "object store", "https address", "draft"):
            assert way in page.inner_text("#ways")
        page.click("#generate")  # leads to the choice, and sends nothing
        page.click("#notice [data-goto=ways]")
        assert novita.state.submit_count == 0

        page.click("#use-link")
        page.wait_for_selector("#publishing >> text=Your clip goes by a temporary link")
        assert frpc.pids == [], "nothing is opened before there is a job"
        page.wait_for_selector("#generate.primary >> text=USD")
        page.click("#generate")
        assert held.arrived.wait(60)
        held.answer.set()
        page.wait_for_selector(".panel-task code:not(:empty)")
        (body,) = novita.state.tasks.values()
        for _ in range(2):  # the provider fetches late, and twice
            with urllib.request.urlopen(body["video"], timeout=10) as answer:
                assert answer.read() == clip.read_bytes()
        with pytest.raises(OSError, match="404"):  # the page is not behind the link
            urllib.request.urlopen(body["video"].partition("/gradio_api")[0], timeout=10)
        (pid,) = frpc.pids
        state.statuses = ["TASK_STATUS_SUCCEED"]
        page.wait_for_selector(".panel[data-mode=done]", timeout=60_000)
        until = time.monotonic() + 10
        while alive(pid) and time.monotonic() < until:
            threading.Event().wait(0.05)
        assert not alive(pid), "the link is closed"

        page.reload()  # the choice is kept for this home
        page.wait_for_selector("#video video")  # so is the form
        type_key(page, KEY)
        page.wait_for_selector("#publishing >> text=Your clip goes by a temporary link")
        assert watched.ours == []
        assert watched.elsewhere == []
