"""The whole zoo through fit: legal and safe afterwards, in sync, untouched where nothing was wrong, and playing in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import fit_checks, fit_zoo

from kling_utils.preflight.fit import fit, plan_file

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module")
def page() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(chromium), args=["--no-sandbox", "--allow-file-access-from-files"])
        yield browser.new_page()
        browser.close()


PLAYS = """async (name) => {
  const video = document.createElement('video');
  video.muted = true; video.src = name;
  await new Promise((done, fail) => { video.onloadeddata = done; video.onerror = () => fail(new Error(video.error.message)); });
  const shown = new Promise(done => video.requestVideoFrameCallback((_, frame) => done(frame.presentedFrames)));
  await video.play();
  const frames = await shown;
  return [video.readyState, video.videoWidth, video.videoHeight, frames];
}"""


@pytest.mark.parametrize("kind", fit_zoo.IMAGES)
def test_picture(tmp_path: Path, kind: str) -> None:
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
@pytest.mark.parametrize("kind", fit_zoo.CLIPS)
def test_clip(tmp_path: Path, kind: str, page) -> None:  # type: ignore[no-untyped-def]
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
    if plan.video and plan.video.fill and kind != "prores, too long":  # drawn shapes: almost without loss they still need less
        assert 9_200_000 <= made.stat().st_size <= 10_000_000
    assert source.read_bytes() == before
    assert sorted(each.name for each in (tmp_path / "out").glob("*")) == ([made.name] if fitted.video else [])
    page.goto((tmp_path).as_uri())
    ready, width, height, frames = page.evaluate(PLAYS, made.as_uri())
    size = fitted.report.video.size
    assert ready >= 2
    assert (width, height) == tuple(size)
    assert frames >= 1
