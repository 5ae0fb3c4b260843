"""A paying person's whole visit, from a clip on the disk to an evidence pack: nothing is paid for that the ledger does not tell."""

from __future__ import annotations

import re
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from helpers.frpc import StandIn
from helpers.scripted import Hold, ScriptedNovita, ServerState
from helpers.served import paying, type_key, watching

from kling_utils import Client, examples
from kling_utils.media import ffmpeg

pytestmark = pytest.mark.browser
KEY = "sk_typed-by-a-visitor-4713"
DONE = ".panel[data-mode=done]"
IN_VIEW = "s => { const r = document.querySelector(s).getBoundingClientRect(); return r.top >= 0 && r.top < innerHeight; }"


def part(source: Path, out: Path, filters: str = "null") -> Path:
    how = ["-vf", filters, "-t", "4.5", *ffmpeg.H264, "-preset", "veryfast", "-an", str(out)]
    ffmpeg.run([*ffmpeg.source(source), *how], timeout=60)
    return out


def test_a_paying_persons_whole_visit(browser: Any, tmp_path: Path) -> None:
    clip = part(examples.VIDEOS[0].path, tmp_path / "dance.mp4")
    wrong = part(examples.VIDEOS[0].path, tmp_path / "wrong.mp4", "hflip")
    frpc, held = StandIn(tmp_path / "frpc"), Hold()
    state = ServerState(key=KEY, video=wrong.read_bytes())
    state.submits.append(held)
    with (
        ScriptedNovita(state) as novita,
        paying(tmp_path, novita.base_url, patches=frpc.settings()) as served,
        watching(browser, viewport={"width": 1280, "height": 900}) as watched,
    ):
        page = watched.page
        page.goto(served.url)
        page.wait_for_selector("#history .gallery-label")
        type_key(page, KEY)

        # The files, what is seen in them, and a part of the clip.
        page.set_input_files("#image input[type=file]", str(examples.IMAGES[0].path))
        page.set_input_files("#video input[type=file]", str(clip))
        page.wait_for_selector("#trim .ka-frame", timeout=60_000)
        page.wait_for_selector("#advice >> text=looked at", timeout=60_000)
        page.fill(".trim-end", "4.0")
        page.press(".trim-end", "Tab")
        page.click(".trim-cut")
        page.wait_for_selector("#video-report >> text=4 s,", timeout=60_000)

        # Novita has to fetch it: by a link from here.
        page.click("#other-ways > button")
        page.click("#use-link")
        page.wait_for_selector("#publishing >> text=Your clip goes by a temporary link")
        page.wait_for_selector("#generate.primary >> text=USD")

        # A budget that is too small, and a larger one.
        page.click("#spending > button")
        page.fill("#spending-budget :is(input, textarea)", "0.20")
        page.click("#spending-save")
        page.wait_for_selector("#spending-answer >> text=Kept for this home")
        page.click("#generate")
        page.wait_for_selector("#notice >> text=budget")
        assert state.submit_count == 0
        page.click("#spending > button")  # folded
        page.wait_for_selector("#spending-budget", state="hidden")
        page.click("#notice [data-goto=budget]")
        page.wait_for_selector("#spending-budget :is(input, textarea):focus")
        page.fill("#spending-budget :is(input, textarea)", "5")
        page.click("#spending-save")
        page.wait_for_selector("#spending-sums >> text=of 5.00 USD")
        page.click("#generate")
        assert held.arrived.wait(60), page.inner_text("#said")

        # A reload half-way, and back to the page before.
        page.wait_for_function("new URL(location.href).searchParams.get('job')")
        first = page.evaluate("new URL(location.href).searchParams.get('job')")
        page.reload()
        page.wait_for_selector(".panel[data-mode=run]")
        held.answer.set()
        page.wait_for_selector(DONE, timeout=60_000)
        page.wait_for_function(IN_VIEW, arg=".stage-screen")
        page.wait_for_selector(".stage-save", state="visible")
        page.wait_for_selector(".stage-judge:not(.is-waiting):not([hidden])", timeout=60_000)
        assert re.search("left and right are swapped", page.inner_text(".stage-verdict"))
        assert page.evaluate(f"({IN_VIEW})('.stage-verdict')")

        # It does not follow: tried again, within a sum, until one does.
        type_key(page, KEY)
        page.wait_for_selector("#next [data-offer=again] >> text=USD")
        state.submits.append(second := Hold())
        page.press(".next-retake > summary", "Enter")
        page.fill(".next-retake [name=until]", "90")
        page.fill(".next-retake [name=budget]", "2")
        page.wait_for_selector(".next-retake [type=submit] >> text=up to 3 takes, 2.00 USD at most")
        page.click(".next-retake [type=submit]")
        assert second.arrived.wait(60)
        page.wait_for_selector(".next-series >> text=Try 1 of 3")
        state.video = clip.read_bytes()
        second.answer.set()
        page.wait_for_selector(".next-over >> text=Try 1 follows", timeout=90_000)
        page.click(".next-show")
        page.wait_for_function(
            "job => new URL(location.href).searchParams.get('job') !== job", arg=first
        )
        first_task, second_task = state.tasks
        page.wait_for_selector(f".panel-task code >> text={second_task}")
        page.go_back()
        page.wait_for_function(
            "job => new URL(location.href).searchParams.get('job') === job", arg=first
        )
        page.wait_for_selector(f".panel-task code >> text={first_task}")
        assert state.submit_count == 2

        # Both takes beside each other, and a vote without names.
        page.wait_for_selector(".gallery-card >> nth=1")
        page.click(".gallery-choose >> nth=0")
        page.click(".gallery-choose >> nth=1")
        page.click(".gallery-versus")
        page.wait_for_selector(".versus[data-mode=open]")
        page.click(".versus-blind")
        page.wait_for_selector(".versus[data-mode=blind]")
        page.wait_for_selector("[data-choice=left]:enabled")
        page.click("[data-choice=left]")
        page.wait_for_selector(".versus[data-mode=told]")

        # The evidence of the first one.
        page.click(".gallery-open >> nth=1")
        page.wait_for_selector(DONE)
        with page.expect_download(timeout=60_000) as download:
            page.click("#exports [data-kind=evidence]")
        pack = tmp_path / "pack.zip"
        download.value.save_as(pack)
        with zipfile.ZipFile(pack) as archive:
            told = b"".join(archive.read(name) for name in archive.namelist())
        assert KEY.encode() not in told
        assert watched.ours == []
        assert watched.elsewhere == []

    with Client(home=served.home) as client:
        sends = client.ledger()
        assert len(sends) == state.submit_count == 2
        assert len(client.votes()) == 1
        for entry in sends:
            assert entry.high is not None
            assert entry.seconds is not None
            assert entry.high.amount == entry.seconds * Decimal("0.126")
