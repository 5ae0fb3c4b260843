"""Wrong results on the real page: their faults are said in words under the stage, and the worst moments lead to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import File, ScriptedNovita, ServerState
from helpers.served import Served, serving, watching

from kling_utils import Client
from kling_utils.media import ffmpeg

pytestmark = pytest.mark.browser
WRONG = {
    "still": (
        "select=eq(n\\,0),loop=loop=-1:size=1,setpts=N/24/TB,fps=24",
        "The person does not move",
    ),
    "mirrored": ("hflip", "left and right are swapped"),
    "late": ("tpad=start_duration=0.5:start_mode=clone", r"0\.5 s late"),
}
"""The filter that makes it, and what is said."""


def cut(source: Path, out: Path, filters: str = "null") -> Path:
    small = f"scale=-2:480,fps=24,{filters}"
    made = [*ffmpeg.source(source), "-vf", small, "-t", "3.2", *ffmpeg.H264, "-an", str(out)]
    ffmpeg.run(made, timeout=120)
    return out


@pytest.fixture(scope="module")
def jobs(
    shared_media: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, dict[str, str]]]:
    """A page on a home with a finished job for each wrong result, and their ids."""
    folder = tmp_path_factory.mktemp("wrong")
    source = shared_media / "video" / "dance_woman_4s.mp4"
    clip = cut(source, folder / "dance.mp4").read_bytes()
    made = {}
    for name, (filters, _) in WRONG.items():
        result = cut(source, folder / f"{name}.mp4", filters).read_bytes()
        with ScriptedNovita(ServerState(video=result)) as novita:
            client = Client(
                home=folder / "home",
                novita_api_key=novita.key,
                novita_base_url=novita.base_url,
                private_hosts=frozenset({"127.0.0.1"}),
            )
            at = novita.serve("/in/dance.mp4", File(clip))
            picture = shared_media / "image" / "fullbody_woman.png"
            made[name] = client.run(picture, at, prompt=name).job.job_id
            client.close()
    with serving(folder) as page:
        yield page, made


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_result_says_its_fault_under_the_stage(
    browser: Any, jobs: tuple[Served, dict[str, str]], name: str
) -> None:
    served, ids = jobs
    with watching(browser) as seen:
        page = seen.page
        page.goto(f"{served.url}/?job={ids[name]}")
        page.wait_for_selector(".stage[data-fill=both]")
        page.wait_for_selector(".stage-judge:not(.is-waiting):not([hidden])", timeout=60_000)
        assert re.search(WRONG[name][1], page.inner_text(".stage-verdict"))
        assert page.get_attribute(".stage-sign", "data-level") == "warning"
        names = page.locator(".stage-score-name").all_inner_texts()
        assert names == ["Motion", "Identity", "In step"]
        step = page.inner_text(".stage-score:nth-child(3) .stage-score-text")
        assert re.search(r"0\.5 s late" if name == "late" else "^Cannot be told, because", step)
        page.wait_for_selector(".stage-bones", state="attached")
        page.locator(".stage-near").scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('.stage-bones-a').getAttribute('d')")
        assert seen.ours == []


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_a_worst_moment_is_a_picture_that_leads_there(
    browser: Any, jobs: tuple[Served, dict[str, str]], width: int, theme: str
) -> None:
    served, ids = jobs
    with watching(browser, viewport={"width": width, "height": 844}) as seen:
        page = seen.page
        page.goto(f"{served.url}/?job={ids['still']}&__theme={theme}")
        page.wait_for_selector(".stage-moment:nth-child(2) img >> nth=1", timeout=60_000)
        moment = page.locator(".stage-moment").nth(1)
        time = float(moment.get_attribute("data-at"))
        moment.click()
        page.wait_for_function(
            "at => [...document.querySelectorAll('.stage video[src]')].every(v => !v.seeking && Math.abs(v.currentTime - at) < 0.04)",
            arg=time,
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.ours == []
