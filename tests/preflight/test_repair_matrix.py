"""The whole zoo through fit: legal and safe afterwards, in sync, untouched where nothing was wrong, and playing in a browser.

By default a clip of every family that is made quickly; all others, and the pictures, with ``-m matrix``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import fit_checks, fit_zoo, stagehand
from helpers.served import chromium

from kling_utils.preflight.plan import plan_file
from kling_utils.preflight.repair import fit

CLIPS = [
    pytest.param(kind, marks=() if kind in fit_zoo.FAST_CLIPS else pytest.mark.matrix)
    for kind in fit_zoo.CLIPS
]


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with chromium() as browser:
        yield browser.new_page()


PLAYS = """async (name) => {
  const video = document.createElement('video'), pen = new OffscreenCanvas(32, 32).getContext('2d', { willReadFrequently: true });
  video.muted = true; video.src = name;
  const late = (fail, what) => setTimeout(() => fail(new Error(what)), 20000);
  await new Promise((done, fail) => {
    video.onloadeddata = done; video.onerror = () => fail(new Error(video.error.message)); late(fail, 'nothing is loaded');
  });
  const shown = new Promise((done, fail) => {
    const look = (_, frame) => {
      pen.drawImage(video, 0, 0, 32, 32);
      const green = pen.getImageData(0, 0, 32, 32).data.filter((_, i) => i % 4 === 1);
      if (Math.max(...green) - Math.min(...green) > 60) done(frame.presentedFrames); else video.requestVideoFrameCallback(look);  // a flash
    };
    video.requestVideoFrameCallback(look); late(fail, 'no picture is shown, or a plane');
  });
  await video.play();
  const frames = await shown;
  return [video.readyState, video.videoWidth, video.videoHeight, frames];
}"""


@pytest.mark.matrix
@pytest.mark.parametrize("kind", fit_zoo.IMAGES)
def test_a_picture_is_legal_and_its_source_untouched(tmp_path: Path, kind: str) -> None:
    source = fit_zoo.IMAGES[kind](tmp_path)
    before = source.read_bytes()
    plan = plan_file(source)
    assert plan.needed, str(plan)
    fitted = fit(plan, tmp_path / "out")
    assert fitted.image is not None
    assert fit_checks.wrong(fitted.image) == []
    assert fitted.done == plan.steps
    assert source.read_bytes() == before


@pytest.mark.browser
@pytest.mark.parametrize("kind", CLIPS)
def test_a_clip_is_legal_in_sync_and_plays(tmp_path: Path, kind: str, page: Any) -> None:
    source = fit_zoo.CLIPS[kind](tmp_path)
    before = source.read_bytes()
    plan = plan_file(source)
    assert plan.needed == (kind not in ("mov",)), str(plan)
    fitted = fit(plan, tmp_path / "out")
    made = fitted.video or source
    assert fit_checks.wrong(made) == []
    assert [step.code for step in fitted.done] == [step.code for step in plan.steps]
    if kind != "silent":
        assert fit_checks.shift(made) <= fit_checks.IN_SYNC
    if (
        plan.video and plan.video.fill and kind != "prores, too long"
    ):  # drawn shapes: almost without loss they still need less
        assert 9_200_000 <= made.stat().st_size <= 10_000_000
    assert source.read_bytes() == before
    assert sorted(each.name for each in (tmp_path / "out").glob("*")) == (
        [made.name] if fitted.video else []
    )
    with stagehand.serving(made.parent) as site:
        page.goto(site.url)
        ready, width, height, frames = page.evaluate(PLAYS, f"/{made.name}")
        page.goto("about:blank")
    assert ready >= 2
    assert (width, height) == tuple(fitted.report.video.size)
    assert frames >= 1
