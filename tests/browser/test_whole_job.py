"""The whole job in a real browser, on a real page with a real runner: files in, a draft out, and a key that stays nowhere.

Slow on purpose (a minute): it is the one test that would notice if the parts did not fit together.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo
from helpers.disguises import DISGUISES
from helpers.scripted import BALANCE, SUBMIT, File, ScriptedNovita, ServerState
from helpers.served import Served, Watched, paying, serving, type_key, watching

from kling_utils import examples
from kling_utils.media import ffmpeg

pytestmark = pytest.mark.browser
KEY = "sk_typed-by-a-visitor-4711"
HOSTILE = "<img src=x onerror=window.hacked=1>${window.hacked=2}{{hacked}}.png"
TICK = (
    "() => [...document.querySelectorAll('.stage video')].map(v => [v.readyState, v.currentTime])"
)
STORED = """async () => {
  const rows = [];
  for (const { name } of await indexedDB.databases()) {
    const db = await new Promise((done, fail) => {
      const r = indexedDB.open(name); r.onsuccess = () => done(r.result); r.onerror = () => fail(r.error);
    });
    for (const store of db.objectStoreNames) {
      const asked = db.transaction(store).objectStore(store).getAll();
      rows.push([name, store, await new Promise((done) => { asked.onsuccess = () => done(asked.result); })]);
    }
    db.close();
  }
  return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state, location.href, rows]);
}"""


@pytest.fixture(scope="module")
def empty(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One page for all tests that leave no job behind."""
    with serving(tmp_path_factory.mktemp("empty")) as page:
        yield page


@pytest.fixture
def served(browser: Any, tmp_path: Path) -> Iterator[Served]:
    """A page for one test."""
    with serving(tmp_path) as page:
        yield page


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    with watching(browser) as seen:
        yield seen


@pytest.mark.matrix
def test_from_two_files_to_a_draft_that_plays(
    watched: Watched, served: Served, shared_media: Path, tmp_path: Path
) -> None:
    page = watched.page
    short = tmp_path / "dance.mp4"
    source = shared_media / "video" / "dance_woman_4s.mp4"
    ffmpeg.run(
        [
            *ffmpeg.source(source),
            "-t",
            "3.2",
            *ffmpeg.H264,
            "-preset",
            "veryfast",
            "-c:a",
            "aac",
            str(short),
        ],
        timeout=120,
    )

    page.goto(served.url)
    page.wait_for_selector("text=No key is set, so results are local drafts.")
    page.wait_for_selector(".stage[data-fill=both]")  # an example

    # A key is typed, looked at, and taken back: nothing may remember it.
    type_key(page, KEY)
    page.wait_for_selector("text=Key from this session, not tested yet.")
    page.fill("#key input", "")
    page.press("#key input", "Tab")
    page.wait_for_selector("text=No key is set")

    picture = shared_media / "image" / "fullbody_man.png"
    page.set_input_files(
        "#image input[type=file]",
        {"name": HOSTILE, "mimeType": "image/png", "buffer": picture.read_bytes()},
    )
    page.set_input_files("#video input[type=file]", str(short))
    page.wait_for_selector("#image-report .kc-report-card >> text=622 × 913")
    page.wait_for_selector("#video-report .kc-report-card >> text=3.2 s")
    page.wait_for_selector("#orientation >> text=3.2 s")
    page.wait_for_selector("#generate >> text=free")

    page.click("#generate")
    page.wait_for_selector(".panel[data-mode=run]")
    page.wait_for_selector(".panel-task code:not(:empty)")
    page.wait_for_selector("text=It is safe to close this page")
    job = page.evaluate("new URL(location.href).searchParams.get('job')")
    assert job

    page.reload()
    page.wait_for_selector(".panel[data-mode=run], .panel[data-mode=done]")
    page.wait_for_selector(".panel[data-mode=done]", timeout=240_000)
    page.wait_for_selector(".stage[data-fill=both]")
    page.wait_for_selector(".stage-save")

    page.wait_for_function(
        "() => [...document.querySelectorAll('.stage video')].every(v => v.readyState >= 2)"
    )
    if page.get_attribute(".stage-play", "aria-label") == "Play":
        page.click(".stage-play")
    before = page.evaluate(TICK)
    page.wait_for_function(
        "was => [...document.querySelectorAll('.stage video')].every((v, i) => v.currentTime !== was[i][1])",
        arg=before,
    )
    page.click(".stage-play")
    page.wait_for_selector(".stage-play[aria-label=Play]")
    left, right = page.evaluate(TICK)
    assert abs(left[1] - right[1]) < 0.05, "both sides stand at the same moment"

    page.reload()  # a finished job comes back too
    page.wait_for_selector(".panel[data-mode=done]")
    page.wait_for_selector(".stage[data-fill=both]")
    page.wait_for_selector("#history .gallery-open[aria-current=true] >> text=Draft")

    page.hover(".gallery-open")  # its clip plays under the pointer, and goes without a complaint
    page.wait_for_selector(".gallery-video")
    page.click(".gallery-open")
    page.mouse.move(5, 5)
    page.wait_for_selector(".gallery-video", state="detached")

    kept = page.evaluate(
        "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    assert "motion-control-studio.form.v1" in kept, "or this looks in the wrong place"
    with urllib.request.urlopen(f"{served.url}/config", timeout=10) as answer:
        config = answer.read().decode()
    assert json.loads(config)["components"]
    database = b"".join(p.read_bytes() for p in served.home.rglob("*.sqlite3*"))
    assert job.encode() in database
    for where, text in {
        "storage": kept,
        "config": config,
        "log": served.log.read_text("utf-8"),
        "page": page.content(),
    }.items():
        assert KEY not in text, where
    assert KEY.encode() not in database
    assert page.evaluate("window.hacked") is None
    assert watched.elsewhere == []
    assert watched.ours == []


def places(text: str, watched: Watched, served: Served) -> set[str]:
    """Where that text can be read: on the page, in what the browser keeps, in what the server tells a stranger, in files."""
    page = watched.page
    said = {"page": page.content(), "browser": page.evaluate(STORED)}
    said["cookies"] = json.dumps(page.context.cookies())
    for name in ("config", "gradio_api/info"):
        with urllib.request.urlopen(f"{served.url}/{name}", timeout=10) as answer:
            said[name] = answer.read().decode()
    assert json.loads(said["config"])["components"]
    texts = {text, *(write(text) for write in DISGUISES.values())}
    found = {where for where, held in said.items() if any(each in held for each in texts)}
    for path in served.log.parent.rglob("*"):  # home, uploads and log
        with contextlib.suppress(
            FileNotFoundError, IsADirectoryError
        ):  # what is written beside its place is renamed meanwhile
            held = path.read_bytes()
            if text in path.name or any(each.encode() in held for each in texts):
                found.add(path.name)
    return found


def test_a_key_that_paid_for_a_job_stays_nowhere(watched: Watched, tmp_path: Path) -> None:
    page, requests = watched.page, list[str]()
    page.on("request", lambda request: requests.append(request.url))
    short = tmp_path / "dance.mp4"
    ffmpeg.run(
        [
            *ffmpeg.source(examples.VIDEOS[0].path),
            "-t",
            "3.2",
            *ffmpeg.H264,
            "-preset",
            "veryfast",
            "-an",
            str(short),
        ],
        timeout=60,
    )
    motion = short.read_bytes()
    with (
        ScriptedNovita(ServerState(key=KEY, video=motion)) as novita,
        paying(tmp_path, novita.base_url) as served,
    ):
        page.goto(served.url)
        page.wait_for_selector(".stage[data-fill=both]")  # an example
        type_key(page, "sk_mistyped")
        page.click("#test-key")
        page.wait_for_selector("#key-result >> text=The key was refused")
        page.wait_for_selector("#whose-key >> text=Your key was refused.")
        page.fill("#key input", KEY)
        page.wait_for_selector("#key-result .kc", state="detached")  # it was about another key
        page.press("#key input", "Tab")
        page.wait_for_selector("text=Key from this session, not tested yet.")
        page.click("#test-key")
        # the panel folds as soon as the key works
        page.wait_for_selector("#whose-key >> text=tested, balance")

        # Both files are checked while the key is there.
        page.set_input_files("#image input[type=file]", str(examples.IMAGES[0].path))
        page.fill(
            "#video-address :is(input, textarea)", novita.serve("/in/dance.mp4", File(motion))
        )
        page.press("#video-address :is(input, textarea)", "Enter")
        page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
        page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
        page.wait_for_selector("#generate >> text=USD")

        page.click("#generate")
        page.wait_for_selector(".panel[data-mode=done]", timeout=60_000)
        page.wait_for_selector(".stage[data-fill=both]")
        job, task = (
            page.evaluate("new URL(location.href).searchParams.get('job')"),
            page.inner_text(".panel-task code"),
        )
        (sent,) = novita.sent("POST", SUBMIT)
        assert sent.headers["authorization"] == f"Bearer {KEY}"
        assert [task] == list(novita.state.tasks)
        assert novita.sent("GET", BALANCE)
        if page.is_hidden("#key"):  # it folds for a key that works, unless it was opened again
            page.click("#open-key")
        assert page.input_value("#key input") == KEY, "the box still has it"

        # What is looked through is the right place: it holds what may be kept.
        seen = places(job, watched, served) | places(task, watched, served)
        assert {"page", "browser"} <= seen
        assert any(".sqlite3" in place for place in seen)
        kept = page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
        assert kept == ["motion-control-studio.form.v1"], (
            "gradio scrambles what it keeps; the form is kept in clear, so it is looked through"
        )
        assert "config" in places("open-key", watched, served)
        assert "server.log" in places(served.url, watched, served)
        assert places(KEY, watched, served) == set()
        page.reload()
        page.wait_for_selector(".panel[data-mode=done]")
        page.wait_for_selector("#history .gallery-open[aria-current=true]")
        page.click("#open-key")
        assert page.input_value("#key input") == ""
        assert places(KEY, watched, served) == set()
        assert [url for url in requests if KEY in url] == []
    assert watched.elsewhere == []
    assert watched.ours == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_empty_page_fits_and_is_named(
    watched: Watched, empty: Served, width: int, theme: str
) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{empty.url}/?__theme={theme}")
    page.wait_for_selector(".stage[data-fill=both]")  # an example
    page.wait_for_selector("#history .gallery-label >> text=Your videos will be kept here.")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, (
        "nothing hangs over the edge"
    )
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, select')].filter(e => e.offsetParent && e.type !== 'file')
        .filter(e => !(e.getAttribute('aria-label') || e.title || e.textContent.trim() || (e.labels && e.labels.length)))
        .map(e => e.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
    assert watched.elsewhere == []
    assert watched.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_chosen_is_seen_under_the_pointer(
    watched: Watched, empty: Served, theme: str
) -> None:
    page = watched.page
    page.goto(f"{empty.url}/?__theme={theme}")
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    page.click("#more > button")
    for chosen in ("#orientation", "#model", "#sound"):
        box = page.locator(f"{chosen} input:checked")
        colours = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).borderColor]"
        before = box.evaluate(colours)
        box.hover()
        assert box.evaluate("e => e.matches(':hover')"), "or this looks at nothing"
        assert box.evaluate(colours) == before, chosen


def test_a_refusal_is_explained_beside_the_button(
    watched: Watched, empty: Served, shared_media: Path
) -> None:
    page = watched.page
    page.goto(empty.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    page.click("#generate")
    page.wait_for_selector("#notice .kc-error-card >> text=missing")
    page.set_input_files(
        "#image input[type=file]", str(shared_media / "image" / "small_dog_256.jpg")
    )
    page.wait_for_selector("#image-report .kc-report-card >> text=Cannot be sent")
    page.set_input_files(
        "#video input[type=file]", str(shared_media / "video" / "dance_woman_4s.mp4")
    )
    page.wait_for_selector("#video-report .kc-report-card >> text=4.1 s")
    page.click("#generate")
    page.wait_for_selector("#notice .kc-error-card >> text=Nothing was spent")
    assert page.get_attribute(".panel", "data-mode") == "idle"


def test_the_start_of_a_long_clip_is_chosen_with_the_slider_and_applied_once(
    watched: Watched, empty: Served, tmp_path: Path
) -> None:
    page = watched.page
    page.goto(empty.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    image = zoo.image(tmp_path, "photo.webp", kind="WEBP")
    page.set_input_files("#image input[type=file]", str(image))
    long = zoo.clip(tmp_path, seconds=36.0, rate="10")
    page.set_input_files("#video input[type=file]", str(long))
    page.wait_for_selector("#video-report .kc-report-card >> text=Cannot be sent")
    page.wait_for_selector("#image-report .kc-report-card >> text=Cannot be sent")
    assert not page.is_visible("#image .address, .report .kc-fix")  # one click does it all
    page.fill("#fit-start input[type=number]", "2.5")
    page.press("#fit-start input[type=number]", "Tab")
    page.wait_for_selector("#fit-plan >> text=from 2.5 s", state="attached")
    page.click("#fit-plan summary")
    page.wait_for_selector("#fit-plan >> text=from 2.5 s")
    page.click("#fix-all")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
    page.wait_for_selector("#fit-done >> text=from 2.5 s")
    page.wait_for_selector("#fit-plan", state="hidden")
    assert watched.ours == []


def test_an_example_fills_the_form_and_submits_nothing(watched: Watched, empty: Served) -> None:
    page = watched.page
    page.goto(empty.url)
    page.click("#image-examples .strip-card >> nth=0")
    page.wait_for_selector("#image-report .kc-report-card")
    page.click("#video-examples .strip-card >> nth=0")
    page.wait_for_selector("#video-report .kc-report-card")
    page.wait_for_selector("#image img")
    page.wait_for_selector("#video video")
    assert page.get_attribute(".panel", "data-mode") == "idle"
    assert not list((empty.home / "jobs").glob("*/*"))
