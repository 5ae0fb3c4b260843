"""The screens of the page at both widths and in both schemes: axe finds nothing serious, nothing overflows, fingers hit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import fit_zoo
from helpers.axe import serious
from helpers.scripted import File, HangUp, Hold, ScriptedNovita, ServerState, refusal
from helpers.served import Served, paying, type_key, watching

from kling_utils import Client, examples
from kling_utils.errors import KlingError
from kling_utils.media import ffmpeg

pytestmark = pytest.mark.browser
KEY = "sk_typed-by-a-visitor-4714"
SMALL = """() => [...document.querySelectorAll('button, summary, select, input:not([type=file])')]
  .filter((e) => e.checkVisibility({ visibilityProperty: true }) && ![...e.classList].some((c) => c.startsWith('svelte-')))
  .filter((e) => !(e.type === 'checkbox' || e.type === 'radio' || e.type === 'range') && e.tabIndex >= 0 && !e.matches('.ka-frame'))
  .map((e) => [e.getBoundingClientRect(), e.outerHTML.slice(0, 110)])
  .filter(([r]) => r.width > 1 && Math.min(r.width, r.height) < 39.5).map(([r, html]) => [r.width | 0, r.height | 0, html])"""
"""Controls of ours below 40 px; those of Gradio's own components have its class names, and any point of a time line seeks."""
LOOKS = os.environ.get("SCREENS", "")
"""A folder for pictures of the screens, to look at by hand."""


@pytest.fixture(scope="module")
def novita() -> Iterator[ScriptedNovita]:
    with ScriptedNovita(ServerState(key=KEY)) as server:
        yield server


@pytest.fixture(scope="module")
def jobs(
    novita: ScriptedNovita, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, dict[str, str]]]:
    """A page on a home with jobs that are done, failed and in doubt."""
    folder = tmp_path_factory.mktemp("screens")
    clip = folder / "dance.mp4"
    how = ["-t", "3.2", *ffmpeg.H264, "-preset", "veryfast", "-an", str(clip)]
    ffmpeg.run([*ffmpeg.source(examples.VIDEOS[0].path), *how], timeout=60)
    state, made = novita.state, dict[str, str]()
    state.video = clip.read_bytes()
    at = novita.serve("/in/dance.mp4", File(clip.read_bytes()))
    with Client(
        home=folder / "home",
        novita_api_key=KEY,
        novita_base_url=novita.base_url,
        private_hosts=frozenset({"127.0.0.1"}),
        poll_interval=0.2,
    ) as client:
        for name, act in (
            ("done", None),
            ("failed", refusal(400, "INVALID_IMAGE")),
            ("doubt", HangUp()),
        ):
            if act is not None:
                state.submits.append(act)
            job = client.submit(examples.IMAGES[0].path, at, prompt=name)
            made[name] = job.job_id
            try:
                job.wait(progress=False)
            except KlingError:
                continue
        client.run(examples.IMAGES[1].path, at, prompt="another take", progress=False)
    with paying(folder, novita.base_url) as page:
        yield page, made


def sees(page: Any, axe: str, name: str, width: int, scheme: str) -> None:
    """Look at one screen."""
    if LOOKS:
        page.screenshot(path=f"{LOOKS}/{name.replace(' ', '_')}-{width}-{scheme}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    if width < 500:
        small = page.evaluate(SMALL)
        assert small == [], f"{name}: {small}"
    assert serious(page, axe) == [], name


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (390, "dark"),
        pytest.param(1280, "light", marks=pytest.mark.matrix),
        pytest.param(390, "light", marks=pytest.mark.matrix),
        pytest.param(1280, "dark", marks=pytest.mark.matrix),
    ],
)
def test_the_screens(
    browser: Any,
    novita: ScriptedNovita,
    jobs: tuple[Served, dict[str, str]],
    axe: str,
    tmp_path: Path,
    width: int,
    scheme: str,
) -> None:
    served, made = jobs
    view = {"width": width, "height": 844 if width < 500 else 900}
    with watching(browser, viewport=view, color_scheme=scheme, reduced_motion="reduce") as seen:
        page = seen.page

        def look(name: str) -> None:
            sees(page, axe, name, width, scheme)

        page.goto(served.url)
        page.wait_for_selector(f".gallery-card >> nth={len(made)}")
        look("opened again")

        type_key(page, KEY)
        page.set_input_files("#image input[type=file]", str(examples.IMAGES[0].path))
        page.set_input_files("#video input[type=file]", str(examples.VIDEOS[0].path))
        page.wait_for_selector("#video-report .kc-report-card >> text=The clip is fine")
        page.wait_for_selector("#image-report .kc-report-card >> text=The picture is fine")
        page.wait_for_selector("#publishing >> text=Novita needs to fetch your clip")
        page.evaluate("scrollTo(0, 0)")
        look("loaded")

        page.click("#generate")
        page.wait_for_selector("#notice .kc")
        look("refused")

        tall = fit_zoo.saved(fit_zoo.drawing((300, 1200)), tmp_path / "tall.webp")
        page.set_input_files("#image input[type=file]", str(tall))
        page.wait_for_selector("#fix-all", state="visible", timeout=60_000)
        look("repairing")

        for name, mode in (("done", "done"), ("failed", "failed"), ("doubt", "standing")):
            page.goto(f"{served.url}/?job={made[name]}")
            page.wait_for_selector(f".panel[data-mode={mode}]")
            if mode == "done":
                page.wait_for_selector(".stage[data-fill=both]")
                page.wait_for_selector("#next [data-offer=again]")
            look(name)

        for choose in (0, 1):
            page.click(f".gallery-choose:visible >> nth={choose}")
        page.click(".gallery-versus")
        page.wait_for_selector(".versus[data-mode=open]")
        look("takes")

        page.click(".gallery-write >> nth=0")
        page.locator(".gallery-edit-name").scroll_into_view_if_needed()
        look("gallery")
        assert seen.ours == []


def test_the_page_of_a_job_that_is_under_way(
    browser: Any, novita: ScriptedNovita, jobs: tuple[Served, dict[str, str]], axe: str
) -> None:
    served, _ = jobs
    novita.state.submits.append(held := Hold())
    with watching(browser, viewport={"width": 390, "height": 844}) as seen:
        page = seen.page
        page.goto(served.url)
        type_key(page, KEY)
        page.set_input_files("#image input[type=file]", str(examples.IMAGES[0].path))
        at = novita.serve("/in/other.mp4", File(novita.state.video))
        page.fill("#video-address :is(input, textarea)", at)
        page.press("#video-address :is(input, textarea)", "Enter")
        page.wait_for_selector("#generate >> text=USD", timeout=60_000)
        page.click("#generate")
        assert held.arrived.wait(60)
        page.wait_for_selector(".panel[data-mode=run]")
        sees(page, axe, "waiting", 390, "light")
        held.answer.set()
        page.wait_for_selector(".panel[data-mode=done]", timeout=60_000)
        assert seen.ours == []
