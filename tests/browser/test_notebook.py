"""Cards and the stage in notebooks as people open them: JupyterLab, trusted and not, and nbconvert's HTML."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import pytest
from helpers import burnt
from helpers.served import chromium
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from kling_utils import Stage
from kling_utils.errors import TaskFailed
from kling_utils.preflight.plan import plan_file
from kling_utils.preflight.repair import fit
from kling_utils.show import cards
from kling_utils.values import Finding, Job, Jobs, Money, MotionRequest, Quote, Report, Result

pytestmark = pytest.mark.browser

BOXES = """() => {
  const grids = '.kc-table, .kc-beside, .kc-row, .kc-head', wrong = [];
  const visible = (e) => e.getBoundingClientRect().width > 1;
  for (const grid of document.querySelectorAll(grids)) {
    const cells = [...grid.children].filter(visible).map((e) => [e, e.getBoundingClientRect()]);
    for (const [i, [one, a]] of cells.entries()) for (const [other, b] of cells.slice(i + 1)) {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 1) wrong.push(`overlap: ${one.textContent} / ${other.textContent}`);
    }
  }
  for (const label of document.querySelectorAll('.kc-key, .kc-name')) {
    const lines = label.getBoundingClientRect().height / parseFloat(getComputedStyle(label).lineHeight);
    if (label.textContent && lines > 1.5) wrong.push(`broken label: ${label.textContent}`);
  }
  for (const card of document.querySelectorAll('.kc')) {
    const style = getComputedStyle(card);
    if (style.borderTopStyle !== 'solid' || parseFloat(style.paddingLeft) < 8) wrong.push('a card without its style');
  }
  for (const sign of document.querySelectorAll('.kc-i')) {
    const box = sign.getBoundingClientRect();
    if (box.width && (Math.abs(box.width - 18) > 0.5 || Math.abs(box.height - 18) > 0.5)) wrong.push('a sign out of shape');
  }
  return [document.querySelectorAll('.kc').length, wrong];
}"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook with every card as the output of a cell."""
    room = tmp_path_factory.mktemp("notebook")
    reference = burnt.clip(room / "reference.mp4", fps=24, frames=48)
    video = burnt.clip(room / "result.mp4", fps=24, frames=48)
    Image.new("RGB", (1200, 400), "teal").save(room / "wide.png")
    request = MotionRequest(room / "wide.png", reference)
    cost = Quote(
        Decimal("4.13"),
        Money(Decimal("0.126")),
        Money(Decimal("0.50")),
        Money(Decimal("0.63")),
        "list price",
        ("the rounding",),
    )
    name = "a rather long name of a picture that somebody chose.png"
    job = Job(
        "01J0000000000000000000000",
        "home",
        "local",
        1,
        "succeeded",
        request,
        "f",
        0.0,
        0.0,
        room,
        name,
        "dance.mp4",
        2.0,
        cost,
        video=video,
    )
    findings = [
        Finding(
            "image.size",
            "image",
            severity,
            "Image size",
            "200 x 200",
            "300 px a side or more",
            "Use a larger picture.",
        )
        for severity in ("error", "warning", "advice", "pass")
    ]
    failed = TaskFailed(
        "The task failed.", hint="Crop the clip.", words="No complete upper body detected"
    )
    failed.task_id = "task-17"
    plan = plan_file(room / "wide.png")
    result = Result(job, video, reference, room / "wide.png")
    shown = [Report(tuple(findings)), cost, job, Jobs([job, job]), plan, fit(plan, room), result]
    pages = [
        *(each._repr_html_() for each in shown),
        cards.html(failed),
        Stage(result)._repr_html_(),
    ]
    book = new_notebook(
        cells=[
            new_code_cell(
                "...",
                outputs=[
                    new_output("display_data", data={"text/html": page, "text/plain": "card"})
                ],
            )
            for page in pages
        ]
    )
    path = room / "book.ipynb"
    nbformat.write(book, path)
    return path


@pytest.fixture(scope="module")
def lab(notebook: Path) -> Iterator[str]:
    """Address of a JupyterLab over the notebook's folder; it keeps its own settings and signatures there."""
    env = {
        **os.environ,
        "HOME": str(notebook.parent),
        "JUPYTER_DATA_DIR": str(notebook.parent / "data"),
    }
    options = [
        "--no-browser",
        "--allow-root",
        "--port=0",
        "--IdentityProvider.token=",
        "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly",
    ]
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        *options,
        f"--ServerApp.root_dir={notebook.parent}",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"http://(?:localhost|127\.0\.0\.1):(\d+)/lab", line):
                    yield f"http://127.0.0.1:{found[1]}"
                    break
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[..., Any]]:
    with chromium() as browser:

        def page(url: str) -> Any:
            shown = browser.new_page(viewport={"width": 1280, "height": 6000})
            shown.goto(url)
            return shown

        yield page


def sound(page: Any, cards_there: int) -> None:
    page.wait_for_function("n => document.querySelectorAll('.kc').length >= n", arg=cards_there)
    with contextlib.suppress(
        PlaywrightTimeout
    ):  # a notebook lays its cells out one after the other
        page.wait_for_function(f"() => !({BOXES})()[1].length")
    count, wrong = page.evaluate(BOXES)
    assert count >= cards_there
    assert wrong == []


def test_cards_keep_their_shape_in_a_notebook_that_is_not_trusted(
    lab: str, opened: Callable[..., Any]
) -> None:
    page = opened(f"{lab}/lab/tree/book.ipynb")
    sound(page, 9)
    assert page.locator("iframe[srcdoc]").count() == 0, "JupyterLab drops frames"
    still = page.locator("img[alt^='Reference and result']:visible")
    assert still.bounding_box()["height"] > 100
    assert page.locator(":text('trust this notebook'):visible").count() == 1


def test_cards_and_the_stage_in_a_trusted_notebook(
    lab: str, notebook: Path, opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(notebook.parent / "data"))
    trusted = notebook.with_name("trusted.ipynb")
    book = nbformat.read(notebook, as_version=4)
    nbformat.write(book, trusted)
    NotebookNotary(data_dir=str(notebook.parent / "data")).sign(book)
    page = opened(f"{lab}/lab/tree/trusted.ipynb")
    # while it lays cells out, JupyterLab holds a second copy that is not shown
    page.frame_locator("iframe[srcdoc]:visible").first.locator(".stage").wait_for()
    sound(page, 8)
    assert page.locator(":text('trust this notebook'):visible").count() == 0, "the player is there"


def test_cards_and_the_stage_in_exported_html(notebook: Path, opened: Callable[..., Any]) -> None:
    made = notebook.with_suffix(".html")
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--to",
        "html",
        str(notebook),
        "--output",
        str(made),
    ]
    subprocess.run(command, check=True, capture_output=True)
    page = opened(made.as_uri())
    page.frame_locator("iframe[srcdoc]").locator(".stage").wait_for()
    sound(page, 8)
