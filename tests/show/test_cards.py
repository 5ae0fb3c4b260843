"""Cards: everything that strangers wrote stays text, and a notebook's card carries no original."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from kling_utils.errors import AlreadyHave, KeyRefused, KlingError, Refused, TaskFailed
from kling_utils.media import ffmpeg
from kling_utils.preflight.plan import plan_file
from kling_utils.preflight.repair import fit
from kling_utils.show import cards, proxies, words
from kling_utils.values import (
    Finding,
    Job,
    Jobs,
    Money,
    MotionRequest,
    Quote,
    Report,
    Result,
    Trouble,
)

HOSTILE = """<img src=x onerror="alert(1)">'"&{{constructor}}${alert(2)}`</script><script>alert(3)</script>"""
HARMLESS = {
    "div",
    "span",
    "p",
    "ul",
    "li",
    "br",
    "code",
    "details",
    "summary",
    "blockquote",
    "video",
    "img",
    "pre",
}


class Tags(HTMLParser):
    """Every tag and attribute that a browser would see, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text += data


def finding(text: str) -> Finding:
    return Finding("image.size", "image", "error", text, text, text, text)


def job(tmp_path: Path, text: str = "a") -> Job:
    request = MotionRequest(tmp_path / "image.png", tmp_path / "video.mp4")
    trouble = Trouble(text, text, text, "unknown", text, text)
    return Job(
        "01J",
        "home",
        "local",
        2,
        "failed",
        request,
        "f",
        0.0,
        0.0,
        tmp_path,
        text,
        text,
        4.1,
        price(),
        task_id=text,
        trouble=trouble,
    )


def price(low: str = "0.50", high: str = "0.63", basis: str = "b") -> Quote:
    return Quote(
        Decimal("4.13"),
        Money(Decimal("0.126")),
        Money(Decimal(low)),
        Money(Decimal(high)),
        basis,
        ("unknown",),
    )


def hostile_values(tmp_path: Path) -> dict[str, object]:
    report = Report((finding(HOSTILE),))
    have = AlreadyHave(HOSTILE, hint=HOSTILE)
    failed = TaskFailed(HOSTILE, hint=HOSTILE, words=HOSTILE)
    failed.task_id = HOSTILE
    doomed = job(tmp_path, HOSTILE)
    result = Result(
        doomed, tmp_path / "gone.mp4", tmp_path / "gone too.mp4", tmp_path / "gone.png", report
    )
    return {
        "report": report,
        "quote": price(basis=HOSTILE),
        "job": doomed,
        "jobs": Jobs([doomed]),
        "result": result,
        "refused": Refused(report),
        "have": have,
        "failed": failed,
    }


@pytest.mark.parametrize(
    "kind", ["report", "quote", "job", "jobs", "result", "refused", "have", "failed"]
)
def test_hostile_text_stays_text(kind: str, tmp_path: Path) -> None:
    html = cards.html(hostile_values(tmp_path)[kind])
    seen = Tags(html)
    assert {tag for tag, _ in seen.tags} <= HARMLESS
    assert not [names for _, names in seen.tags if any(name.startswith("on") for name in names)]
    assert "${" not in html
    assert "{{" not in html
    assert "`" not in html
    if kind not in ("result", "jobs"):
        assert HOSTILE in seen.text, "what was said is shown, as it was said"


def test_a_list_of_jobs_has_a_row_for_each(tmp_path: Path) -> None:
    one = job(tmp_path)
    seen = Tags(Jobs([one, dataclasses.replace(one, job_id="01K")])._repr_html_())
    assert "01J" in seen.text
    assert "01K" in seen.text
    assert "Local draft, standard" in seen.text
    assert "No jobs yet" in Jobs()._repr_html_()
    assert str(Jobs([one, one])).count("\n") == 1


def test_what_a_person_said_of_a_take_stands_on_its_card(tmp_path: Path) -> None:
    said = dataclasses.replace(job(tmp_path), name="slow turn", rating="good", note="feet slide")
    seen = Tags(said._repr_html_()).text
    assert "slow turn" in seen
    assert "Good" in seen
    assert "feet slide" in seen
    assert "slow turn" in Tags(Jobs([said])._repr_html_()).text
    assert "Rating" not in Tags(job(tmp_path)._repr_html_()).text


def test_a_repair_is_a_card_before_and_after(tmp_path: Path) -> None:
    Image.new("RGB", (1200, 400), "teal").save(tmp_path / "wide.png")
    plan = plan_file(tmp_path / "wide.png")
    assert "Can be fixed with one click" in plan._repr_html_()
    folded = Tags(cards.plan(plan, most=0)).text
    assert f"{len(plan.ahead)} change" in folded
    assert all(step.text in folded for step in plan.ahead)
    shown = Tags(fit(plan, tmp_path)._repr_html_()).text
    assert "1200 × 400" in shown
    assert "1200 × 480" in shown


def test_other_values_are_preformatted_text() -> None:
    assert "<pre>&lt;b&gt;</pre>" in cards.html("<b>")


def test_an_error_says_all_five_things() -> None:
    error = TaskFailed("It failed.", hint="Crop the clip.", words="No upper body")
    error.task_id = "task-17"
    text = Tags(cards.error(error)).text
    for part in (
        "It failed.",
        "Crop the clip.",
        "No upper body",
        words.MONEY["unknown"],
        "task-17",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("money", "said"),
    [("no", "Nothing was spent"), ("yes", "Money was spent"), ("unknown", "not known")],
)
def test_the_money_state_is_told(money: str, said: str) -> None:
    assert said in cards.error(KlingError("x", money=money))  # type: ignore[arg-type]


def test_a_report_shows_only_the_fields_that_were_asked_for() -> None:
    other = Finding("video.size", "video", "warning", "Clip size", "1", "2", "fix")
    report = Report((finding("Picture size"), other))
    about_image = cards.report(report, "image")
    assert "Picture size" in about_image
    assert "Clip size" not in about_image
    assert "Cannot be sent" in about_image
    assert "with 1 warning" in cards.report(report, "video", ready="The clip is fine")


def test_a_draft_says_so(tmp_path: Path) -> None:
    assert "Draft" in cards.job(job(tmp_path))
    assert words.maker(job(tmp_path)).startswith("Local draft")


def test_prices_are_said_with_their_width() -> None:
    assert words.price(price()) == "about 0.50 to 0.63 USD"
    assert words.price(price("0", "0")) == "free"
    assert "About 0.50 to 0.63 USD" in cards.quote(price())
    assert "Free" in cards.quote(price("0", "0"))
    assert "0.50 to 0.63 USD" in words.span(price())


@pytest.mark.parametrize(
    ("seconds", "said"), [(4.13, "4.1 s"), (5.0, "5 s"), (59.94, "59.9 s"), (125, "2 min 05 s")]
)
def test_lengths(seconds: float, said: str) -> None:
    assert words.seconds(seconds) == said


@pytest.mark.parametrize(
    ("gone", "said"),
    [(3, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (200_000, "2 days ago")],
)
def test_ages(gone: float, said: str) -> None:
    assert words.age(1000.0, 1000.0 + gone) == said


def clip(path: Path, size: str, seconds: float) -> Path:
    source = [
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=s={size}:r=24:d={seconds}",
        "-f",
        "lavfi",
        "-i",
        f"sine=d={seconds}",
    ]
    ffmpeg.run([*source, *ffmpeg.H264, "-c:a", "aac", str(path)], timeout=60)
    return path


def test_a_result_embeds_a_small_pair_and_never_the_original(tmp_path: Path) -> None:
    reference, video = (
        clip(tmp_path / "r.mp4", "360x640", 3),
        clip(tmp_path / "v.mp4", "640x360", 2),
    )
    result = Result(job(tmp_path), video, reference, tmp_path / "i.png")
    html = result._repr_html_()
    found = re.search(r'src="data:video/mp4;base64,([A-Za-z0-9+/=]+)"', html)
    assert found
    assert len(found[1]) <= 1_500_000
    import base64

    pair = tmp_path / "pair.mp4"
    pair.write_bytes(base64.b64decode(found[1]))
    said = ffmpeg.run(
        [*ffmpeg.source(pair), "-f", "null", "-"], timeout=60, check=False, quiet=False
    ).stderr
    assert "h264" in said
    assert "748x320" in said, "180 and 568 pixels wide, beside each other"
    assert re.search(r"Duration: 00:00:02", said), (
        "as long as the result; the longer reference is cut"
    )


def test_a_still_stands_in_when_the_pair_cannot_be_made(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a clip")
    assert 'src="data:image/jpeg;base64,' in proxies.embedded(
        broken, clip(tmp_path / "v.mp4", "320x320", 1)
    )
    assert "cannot be shown" in proxies.embedded(broken, broken)
    assert "not here any more" in proxies.embedded(tmp_path / "gone.mp4", broken)


def test_cards_import_nothing_heavy() -> None:
    heavy = "('gradio', 'cv2', 'numpy', 'PIL', 'moviepy')"
    script = f"import sys; import kling_utils.show.cards; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert out.stdout.strip() == "[]"


# -- the page's own


@pytest.mark.parametrize(
    ("code", "money", "task", "said"),
    [
        ("InvalidRequest", "no", None, "Stopped before sending, free"),
        ("NoContact", "no", None, "Stopped before sending, free"),
        ("BalanceTooLow", "no", None, "Refused by Novita"),
        ("ModerationRefused", "no", None, "Refused by Novita"),
        ("ModerationRefused", "unknown", "t", "Failed while it was made"),
        ("TaskFailed", "unknown", "t", "Failed while it was made"),
        ("TaskNotFound", "unknown", None, "Not found at the provider"),
        ("SubmitUnconfirmed", "unknown", None, "Lost contact: the job may be running"),
        ("LinkExpired", "yes", "t", "Made, but not saved"),
    ],
)
def test_an_error_says_at_which_point_it_happened(
    code: str, money: str, task: str | None, said: str
) -> None:
    assert words.when(code, money=money, task_id=task) == said


def test_a_card_leads_to_the_field_and_a_notebooks_card_does_not() -> None:
    error = TaskFailed("It failed.", field="video")
    assert 'data-goto="video"' in cards.error(error)
    assert (
        "<button" not in error._repr_html_()
        if hasattr(error, "_repr_html_")
        else "<button" not in cards.html(error)
    )
    assert 'data-goto="key"' in cards.error(KeyRefused("No."))
    assert "data-goto" not in cards.error(KlingError("x", field="request"))


def test_a_report_to_send_tells_no_secret(tmp_path: Path) -> None:
    said = "Bearer abc.def sk_live_0123456789 https://u:pw@host.example/clip.mp4?X-Sig=deadbeef /home/me/private/clip.mp4"
    told = words.report_of_job(
        job(tmp_path), Trouble("TaskFailed", "It failed.", "Crop it.", "unknown", said, "video")
    )
    for secret in ("abc.def", "sk_live", "deadbeef", "pw@", "/home/me", "private", str(tmp_path)):
        assert secret not in told
    for fact in ("It failed.", "Crop it.", "clip.mp4", "01J", "unknown", "host.example"):
        assert fact in told


def test_the_audit_is_two_lines_until_it_is_opened() -> None:
    passed, short = (
        Finding("a", "result", "pass", "Sound", "there", ""),
        Finding("b", "result", "warning", "Length", "4 s", "5 s", "fix"),
    )
    folded = cards.audit(Report((passed, short)))
    assert "1 thing to know about the result" in folded
    assert "Length; 1 of 2 checks passed" in folded
    assert "keeps to its reference" in cards.audit(Report((passed,)))
    assert "being compared" in cards.audit(None, waiting=True)
    assert cards.audit(None) == ""


def test_a_failed_job_does_not_show_a_price_that_was_not_paid(tmp_path: Path) -> None:
    paid = dataclasses.replace(
        job(tmp_path), provider="novita", trouble=Trouble("c", "m", "h", "no")
    )
    assert words.spent(paid) == "nothing spent"
    assert (
        words.spent(dataclasses.replace(paid, state="succeeded", trouble=None))
        == "about 0.50 to 0.63 USD"
    )
    assert words.spent(job(tmp_path)) == "free"
