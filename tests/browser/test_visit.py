"""A person's whole visit, in a real browser: from the empty page over two takes to an empty gallery, by mouse and by keyboard.

And what is measured on the way: nothing jumps, nothing complains, everything has a name, and axe finds nothing serious.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.axe import serious
from helpers.fit_zoo import X265
from helpers.scripted import File, ScriptedNovita
from helpers.served import Served, Watched, serving, type_key, watching
from PIL import Image

from kling_utils import Client, MotionRequest, examples
from kling_utils.errors import KlingError
from kling_utils.jobs.timing import Pace
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video
from kling_utils.settings import load

pytestmark = pytest.mark.browser
SHIFTS = """
window.shifts = [];
const name = (source) => source.node && (source.node.id || source.node.className || source.node.nodeName);
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifts.push([e.value, e.startTime, ...(e.sources || []).map(name)]);
}).observe({ type: 'layout-shift', buffered: true });
"""
MOVED = (
    0.02  # of layout shift after load, all together; a good page may have 0.1 by the usual measure
)
QUIET = "() => performance.now() - Math.max(window.since ||= performance.now(), ...window.shifts.map((s) => s[1])) > 700"
SEEN = "(e) => e.checkVisibility({ visibilityProperty: true }) && e.type !== 'file'"
NAMES = f"""() => [...document.querySelectorAll('button, input, textarea, select, summary, a[href], [tabindex="0"]')].filter({SEEN})
  .filter((e) => !['aria-label', 'aria-labelledby', 'title'].some((a) => e.getAttribute(a)) && !e.textContent.trim() && !e.labels?.length)
  .map((e) => e.outerHTML.slice(0, 160))"""
WANTED = f"""() => {{
  const one = new Set();  // of the radio buttons of a group, the keyboard reaches one
  return [...document.querySelectorAll('button, input, textarea, select, summary, a[href]')].filter({SEEN})
    .filter((e) => !e.disabled && e.tabIndex >= 0 && !(e.type === 'radio' && (one.has(e.name) || !one.add(e.name))))
    .map((e, n) => {{ e.dataset.wanted = String(n); return e.outerHTML.slice(0, 120); }});
}}"""
UNCOVERED = """(place) => {
  const r = document.querySelector(place).getBoundingClientRect();
  return r.top >= 0 && r.bottom <= document.querySelector('#generate-panel').getBoundingClientRect().top;
}"""
AT_HAND = """() => [...document.querySelectorAll('.fix-line [data-fix], #fix-all')].some((e) => {
  const r = e.getBoundingClientRect(), panel = document.querySelector('#generate-panel').getBoundingClientRect();
  return e.checkVisibility({ visibilityProperty: true }) && r.top >= 0 && r.bottom <= (e.id ? panel.top : innerHeight);
})"""
REACHED = """() => {
  const e = document.activeElement, first = e?.type === 'radio' ? document.querySelector(`input[name="${e.name}"][data-wanted]`) : e;
  return first?.dataset.wanted || '';
}"""


@pytest.fixture(scope="module")
def served(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("visit")) as page:
        yield page


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    with watching(
        browser, reduced_motion="reduce", permissions=["clipboard-read", "clipboard-write"]
    ) as seen:
        seen.page.add_init_script(SHIFTS)
        yield seen


def made(page: Any) -> str:
    """Wait for the open job to end well, and give its id."""
    page.wait_for_selector(".panel[data-mode=done]", timeout=180_000)
    page.wait_for_selector(".stage[data-fill=both]")
    page.wait_for_selector("#audit .kc-audit-card summary >> text=checks passed")
    return str(page.evaluate("new URL(location.href).searchParams.get('job')"))


def filled(page: Any) -> None:
    page.click("#image-examples .strip-card >> nth=0")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
    page.click("#video-examples .strip-card >> nth=0")
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
    page.wait_for_selector("#generate >> text=free")


def hero(kind: str) -> dict[str, Any]:
    """A drawn character as a file of that kind, as a browser is given it."""
    picture = io.BytesIO()
    Image.open(examples.IMAGES[0].path).save(picture, kind)
    return {
        "name": f"Hero.{kind}",
        "mimeType": f"image/{kind.lower()}",
        "buffer": picture.getvalue(),
    }


def test_a_whole_visit(watched: Watched, served: Served, fetched: tuple[str, str]) -> None:
    page = watched.page

    # First load: nothing moves once it is there, and the empty page says what to do.
    page.goto(served.url)
    page.wait_for_selector(".stage[data-fill=both]")  # an example
    page.wait_for_selector("#history .gallery-label >> text=Your videos will be kept here.")
    page.wait_for_selector("#video-examples .strip-card")
    page.wait_for_function(QUIET)
    assert sum(value for value, *_ in page.evaluate("window.shifts")) <= MOVED, page.evaluate(
        "window.shifts"
    )
    assert page.is_hidden(".next")
    assert page.is_hidden(".exports")

    # Two examples; then a picture of one's own, of a kind that is refused, and mended by one press.
    filled(page)
    page.set_input_files("#image input[type=file]", hero("WEBP"))
    page.wait_for_selector("#image-report .kc-report-card >> text=Cannot be sent")
    page.click("#fix-all")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")

    # A draft. The tab tells how far it is, and never goes back.
    page.click("#generate")
    page.wait_for_selector(".panel[data-mode=run]")
    page.wait_for_selector(".stage[data-fill=a]")  # the reference alone, until there is a result
    page.reload()
    page.wait_for_selector(".panel[data-mode=run]")
    page.evaluate("""() => { window.told = []; new MutationObserver(() => window.told.push(document.title))
      .observe(document.querySelector('title'), { childList: true }); }""")
    first = made(page)
    page.wait_for_function("document.title.startsWith('Done · ')")
    told = [int(title.split(" %")[0]) for title in page.evaluate("window.told") if " %" in title]
    assert told, "or this looks at nothing"
    assert told == sorted(told)

    # What was found out, and the same position in every view, by keyboard alone.
    page.wait_for_selector("#history .gallery-open[aria-current=true] >> text=Draft")
    page.focus(".stage")
    page.keyboard.press("Home")
    for key, mode in zip(
        "12345",
        page.eval_on_selector_all(".stage button[data-mode]", "b => b.map(e => e.dataset.mode)"),
        strict=False,
    ):
        page.keyboard.press(key)
        page.wait_for_selector(f".stage[data-mode={mode}]")
    page.keyboard.press("1")
    for _ in range(6):
        page.keyboard.press(".")
    with page.expect_download() as still:
        page.keyboard.press("p")
    assert still.value.suggested_filename.endswith(".png")

    # One file to send.
    with page.expect_download(timeout=120_000) as sent:
        page.click(".exports-item[data-kind=side]")
    path = Path(sent.value.path())
    film = probe_video(path)
    assert sent.value.suggested_filename.endswith("side-by-side-draft.mp4")
    assert film.size.width > film.size.height
    page.wait_for_selector(".exports-said >> text=Ready")

    # As code, without a key and without this machine's folders.
    page.click(".next-code summary")
    page.click(".next-copy >> text=Copy as Python")
    page.wait_for_selector(".next-told >> text=Copied")
    code = page.evaluate("navigator.clipboard.readText()")
    compile(code, "copied", "exec")
    assert "groove.mp4" in code
    assert str(served.home) not in code

    # The second take, as pro: its own job, and both on one stage.
    page.click(".next-offer[data-offer=model]")
    page.wait_for_function(
        "was => new URL(location.href).searchParams.get('job') !== was", arg=first
    )
    page.wait_for_selector(".panel[data-mode=run]")
    second = made(page)
    assert second != first
    page.wait_for_selector(f".stage-takes button[data-take='{second}'][aria-pressed=true]")
    page.focus(".stage")
    page.keyboard.press("t")
    page.wait_for_selector(f".stage-takes button[data-take='{first}'][aria-pressed=true]")
    assert page.eval_on_selector_all(".stage-takes button", "b => b.map(e => e.textContent)") == [
        "Standard draft",
        "Pro draft",
    ]

    # The gallery: open the first one again, then remove both, each after a question.
    assert page.locator(".gallery-card").count() == 2
    page.locator(".gallery-open").nth(1).click()
    page.wait_for_function("id => new URL(location.href).searchParams.get('job') === id", arg=first)
    assert page.evaluate(NAMES) == []
    assert serious(page, fetched[0]) == []
    page.locator(".gallery-card").nth(0).hover()
    page.locator(".gallery-delete").nth(0).click()
    page.click(".gallery-no:visible")
    assert page.locator(".gallery-card").count() == 2
    page.locator(".gallery-delete").nth(0).click()
    page.click(".gallery-yes:visible")
    page.wait_for_function("document.querySelectorAll('.gallery-card').length === 1")
    page.click(".next-delete")
    page.click(".next-yes")
    page.wait_for_selector(".gallery.is-empty")
    page.wait_for_selector(".panel[data-mode=idle]", state="attached")
    assert page.is_visible("#trim"), "the files of the form are still there"
    page.wait_for_function("!new URL(location.href).searchParams.has('job')")
    assert not list((served.home / "jobs").glob("*")), "files go with their job"
    assert watched.elsewhere == []
    assert watched.ours == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_moves_on_a_phone(watched: Watched, served: Served, theme: str) -> None:
    page = watched.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{served.url}/?__theme={theme}")
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    page.wait_for_selector("#video-examples .strip-card")
    page.wait_for_function(QUIET)
    assert sum(value for value, *_ in page.evaluate("window.shifts")) <= MOVED, page.evaluate(
        "window.shifts"
    )


def test_every_control_is_reached_by_keyboard(watched: Watched, served: Served) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    page.wait_for_selector("#video-examples .strip-card")
    wanted = page.evaluate(WANTED)
    reached = set()
    for _ in range(len(wanted) + 30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(REACHED))
    missed = [html for n, html in enumerate(wanted) if str(n) not in reached]
    assert missed == []
    assert page.evaluate(NAMES) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(watched: Watched, served: Served, axe: str, theme: str) -> None:
    page = watched.page
    page.goto(f"{served.url}/?__theme={theme}")
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    filled(page)
    page.click("#open-key")
    page.wait_for_selector("#key input")
    assert serious(page, axe) == []


def test_a_refusal_leads_to_the_field(watched: Watched, served: Served) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    page.click("#generate")
    page.wait_for_selector("#notice >> text=The picture and the clip are missing")
    page.click("#notice >> text=Go to the drawn examples")
    page.wait_for_function(UNCOVERED, arg="#image-examples")
    filled(page)
    page.wait_for_selector("#notice .kc", state="detached")

    # Another trouble, whose report can be copied; and it can be closed.
    type_key(page, "not one key")
    page.wait_for_selector("#whose-key >> text=This key cannot be used.")
    page.click("#generate")
    page.wait_for_selector("#notice .kc-kind >> text=Stopped before sending, free")
    page.click("#notice [data-report]")
    page.wait_for_selector("#notice [data-report] >> text=Copied")
    assert "SettingError" in page.evaluate("navigator.clipboard.readText()")
    page.click("#notice [data-close]")
    page.wait_for_selector("#notice .kc", state="detached")


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_the_repair_is_at_hand_wherever_one_stands(
    watched: Watched, served: Served, width: int, height: int
) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": height})
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    page.click("#video-examples .strip-card >> nth=0")
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
    page.set_input_files("#image input[type=file]", hero("WEBP"))
    page.wait_for_function(AT_HAND)  # before anything was pressed
    page.click("#generate")
    page.wait_for_selector("#notice >> text=nothing was spent")
    assert page.eval_on_selector("#generate-panel", "e => e.offsetHeight") <= height / 3
    page.click("#notice [data-goto=image]")
    page.wait_for_function(UNCOVERED, arg="#image")
    page.click("#notice [data-fix]")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
    page.wait_for_selector("#notice .kc", state="detached")
    page.wait_for_selector(".fix-line", state="detached")
    assert watched.ours == []


def test_a_file_in_the_wrong_place_is_told_by_our_own_card(
    watched: Watched, served: Served
) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    page.set_input_files("#image input[type=file]", str(examples.VIDEOS[0].path))
    page.wait_for_selector("#image-report .kc-report-card >> text=in the image's place")
    page.wait_for_selector("#image img", state="detached")
    page.set_input_files("#video input[type=file]", str(examples.IMAGES[0].path))
    page.wait_for_selector("#video-report .kc-report-card >> text=in the video's place")
    page.wait_for_selector("#video video", state="detached")
    assert page.locator(".toast-body").count() == 0
    assert page.locator("#fit").count() == 0, "the card says it, once"
    page.set_input_files(
        "#image input[type=file]", str(examples.IMAGES[0].path)
    )  # and the place is free for the right one
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine")
    page.wait_for_selector("#image img")


def test_a_clip_that_the_browser_cannot_play_gets_a_copy_without_alarm(
    watched: Watched, served: Served, tmp_path: Path
) -> None:
    page, film = watched.page, tmp_path / "IMG_0815.MOV"
    ffmpeg.run(
        ["-i", str(examples.VIDEOS[0].path), "-t", "3.2", "-c:v", *X265, "-an", str(film)],
        timeout=120,
    )
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    page.evaluate("""() => { window.said = []; new MutationObserver(() => window.said.push(document.querySelector('#video').className))
      .observe(document.querySelector('#video'), { attributes: true }); }""")
    page.set_input_files("#video input[type=file]", str(film))
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine")
    page.wait_for_function("(e => e && e.readyState >= 2)(document.querySelector('#video video'))")
    assert "is-unplayable" in page.evaluate("window.said.join()"), "or this browser plays it"
    assert "is-unplayable" not in page.get_attribute("#video", "class")
    assert page.locator(".toast-body").count() == 0


def test_what_is_no_address_is_told_at_once(watched: Watched, served: Served) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    box = "#video-address :is(input, textarea)"
    page.fill(box, "http://127.0.0.1:1/clip.mp4")
    page.press(box, "Enter")
    page.wait_for_selector("#video-report .kc-report-card")
    page.fill(box, "hello")
    page.press(box, "Enter")
    page.wait_for_selector("#video-report >> text=This is not an address")
    page.click(
        "#image-examples .strip-card >> nth=0"
    )  # whose check of the form comes after the one of this
    page.wait_for_selector("#image-report >> text=is fine")
    assert "This is not an address" in page.inner_text("#video-report")


def test_a_key_is_untested_until_it_worked_and_can_be_forgotten(
    watched: Watched, served: Served
) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    filled(page)
    type_key(page, "sk_not_a_key")
    page.wait_for_selector("#whose-key >> text=not tested yet")
    page.wait_for_selector("#generate >> text=USD")
    page.click("#forget-key")
    page.wait_for_selector("#whose-key >> text=No key is set")
    page.wait_for_selector("#generate >> text=free")
    assert page.input_value("#key input") == ""
    page.focus("#key input")
    page.keyboard.press("Escape")
    page.wait_for_selector("#key", state="detached")


def test_what_a_finger_presses_is_large_enough_for_it(watched: Watched, served: Served) -> None:
    page = watched.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    filled(page)
    page.wait_for_selector("#video video")
    small = f"""() => [...document.querySelectorAll('#desk :is(button, summary)')].filter({SEEN})
      .map((e) => [e.getBoundingClientRect(), e.outerHTML.slice(0, 120)]).filter(([r]) => r.height < 32 || r.width < 32)
      .map(([r, html]) => [r.width, r.height, html]).filter(([, , html]) => !html.includes('volume-button'))"""
    assert page.evaluate(small) == []  # the button of the volume is the player's own


def test_a_job_that_nobody_watches_is_followed_in_the_gallery(
    watched: Watched, served: Served
) -> None:
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label >> text=Your videos")
    filled(page)
    page.click("#generate")
    page.click("#stop")
    page.wait_for_selector(".panel[data-mode=stopped]")
    page.wait_for_selector(".gallery-card .gallery-facts >> text=took", timeout=120_000)

    # A click brings it into sight, and complains about nothing.
    page.mouse.wheel(0, 4000)
    page.locator(".gallery-open").nth(0).hover()
    page.wait_for_selector(".gallery-card")
    page.locator(".gallery-open").nth(0).click()
    page.wait_for_selector(".stage[data-fill=both]")
    page.wait_for_function(
        "(r => r.top > -1 && r.top < innerHeight / 2)(document.querySelector('#panel').getBoundingClientRect())"
    )
    with page.expect_download() as saved:
        page.click(".stage-save")
    assert saved.value.suggested_filename == "dancer-groove-draft.mp4"

    # Back leads to the page as it was before the job, and Forward to the job again.
    page.go_back()
    page.wait_for_selector(".panel[data-mode=idle]", state="attached")
    page.wait_for_selector(".stage-save", state="hidden")
    page.go_forward()
    page.wait_for_selector(".stage[data-fill=both]")

    # The same again is not made by mistake, and what was said about it does not stay for another form.
    page.click("#generate")
    page.wait_for_selector("#have-already")
    assert "again=True" not in page.inner_text("#notice")
    page.eval_on_selector(
        "#model", "e => e.scrollIntoView({ block: 'start' })"
    )  # the notice lies over what is below
    page.click("#model label >> nth=1")
    page.wait_for_selector("#have-already", state="detached")
    page.wait_for_selector("#notice .kc", state="detached")

    # By its task id.
    page.mouse.wheel(0, 4000)
    page.click("#find-task button")
    page.fill("#find-task-id :is(input, textarea)", page.inner_text(".panel-task code"))
    page.click("#find-task-go")
    page.click("#find-task-answer [data-goto=stage]")
    page.wait_for_function(
        "(r => r.top > -1 && r.top < innerHeight / 2)(document.querySelector('#panel').getBoundingClientRect())"
    )
    page.click(".next-delete")
    page.click(".next-yes")
    page.wait_for_selector(".gallery.is-empty")
    assert watched.ours == []


def kept(home: Path, motion: Path) -> None:
    """One finished and one failed job of Kling in that home, as a page finds them that is started later."""
    with ScriptedNovita() as novita:
        novita.state.video = motion.read_bytes()
        address = novita.serve("/in/dance.mp4", File(novita.state.video))
        known = {
            "home": home,
            "novita_api_key": novita.key,
            "novita_base_url": novita.base_url,
            "private_hosts": frozenset({"127.0.0.1"}),
        }
        with Client(
            load(**known), pace=Pace(interval=0.01, adopt_every=0.05, late=0.02, mishap=0.01)
        ) as runner:
            runner.run(MotionRequest(examples.IMAGES[0].path, address), progress=False)
            novita.state.statuses = ["TASK_STATUS_FAILED"]
            with pytest.raises(KlingError):
                runner.run(
                    MotionRequest(examples.IMAGES[0].path, address, prompt="in the rain"),
                    progress=False,
                )


def test_the_gallery_shows_only_what_is_chosen(watched: Watched, tmp_path: Path) -> None:
    page, motion = watched.page, tmp_path / "dance.mp4"
    ffmpeg.run(
        [
            *ffmpeg.source(examples.VIDEOS[0].path),
            "-t",
            "3.2",
            *ffmpeg.H264,
            "-preset",
            "veryfast",
            "-an",
            str(motion),
        ],
        timeout=60,
    )
    kept(tmp_path / "home", motion)

    def seen() -> list[str]:
        cards = "all => all.filter((c) => c.checkVisibility()).map((c) => c.querySelector('.gallery-state').dataset.state)"
        return list(page.eval_on_selector_all(".gallery-card", cards))

    def chosen(group: str) -> None:
        page.click(f".gallery-filter[data-group={group}]")
        page.wait_for_selector(f".gallery-filter[data-group={group}][aria-pressed=true]")
        assert page.locator(".gallery-filter[aria-pressed=true]").count() == 1

    with serving(tmp_path) as served:
        page.goto(served.url)
        page.wait_for_selector(".gallery-card >> nth=1")
        assert page.locator(".gallery-filter").all_inner_texts() == ["All", "Finished", "Stopped"]
        assert seen() == ["failed", "succeeded"], "newest first"
        chosen("done")
        assert seen() == ["succeeded"]
        chosen("stopped")
        assert seen() == ["failed"]
        chosen("all")
        assert seen() == ["failed", "succeeded"]

        # The last one of a choice goes, and the choice with it: the others are there again.
        chosen("stopped")
        page.hover(".gallery-card:visible")
        page.click(".gallery-delete:visible")
        page.click(".gallery-yes:visible")
        page.wait_for_selector(".gallery-state[data-state=succeeded]")
        assert seen() == ["succeeded"]
        assert page.is_hidden(".gallery-filters")
    assert watched.elsewhere == []
    assert watched.ours == []


def test_a_task_id_that_nobody_knows_is_answered(watched: Watched, served: Served) -> None:
    page = watched.page
    page.goto(served.url)
    page.click("#find-task button")
    page.fill("#find-task-id input", "task-of-nobody")
    page.press("#find-task-id input", "Enter")
    page.wait_for_selector("#find-task-answer >> text=No job here has this task id")
