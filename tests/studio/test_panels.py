"""Panels against a runner that says what it is told: who sees what, what stops, and what is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from kling_utils.errors import KeyRefused, KlingError, NoContact, Refused, SettingError
from kling_utils.preflight.limits import limit
from kling_utils.studio import actions, history, job_files, options, visitor
from kling_utils.studio.account import Account
from kling_utils.studio.generate import Generate
from kling_utils.studio.inputs import ImageInput, VideoInput
from kling_utils.studio.job_view import JobView, panel
from kling_utils.studio.session import Form, Session, typed_key
from kling_utils.studio.theme import static
from kling_utils.values import Finding, Job, Report, Trouble

from .conftest import StandIn

Make = Callable[..., Any]
FORM = Form("a.png", "b.mp4", "video", "kling-v3-0-std", "", "", True)


# -- the gallery


@pytest.mark.parametrize(
    ("orientation", "take", "says"),
    [
        ("video", 1, "Standard"),
        ("image", 1, "Standard, like the picture"),
        ("image", 2, "Standard, like the picture, take 2"),
    ],
)
def test_a_poster_says_what_tells_it_from_the_others(
    orientation: Any, take: int, says: str, stand_in: Make, job: Make
) -> None:
    runner, made = stand_in(), job("A", state="succeeded", take=take)
    runner.kept["A"] = replace(
        made, request=replace(made.request, character_orientation=orientation)
    )
    assert history.value(runner, visitor.HOME)["items"][0]["state"] == says


@pytest.mark.parametrize(
    ("name", "title", "part"),
    [
        ("dance_woman_4s 0.5-3.5 s.mp4", "who × dance_woman_4s", "0.5 to 3.5 s"),
        ("moves.mp4", "who × moves", ""),
        ("1-2 s.mp4", "who × 1-2 s", ""),
    ],
)
def test_the_part_of_a_clip_is_never_cut_off(
    name: str, title: str, part: str, stand_in: Make, job: Make
) -> None:
    runner = stand_in()
    runner.kept["A"] = replace(job("A"), video_name=name)
    (item,) = history.value(runner, visitor.HOME)["items"]
    assert (item["title"], item["part"]) == (title, part)


@pytest.mark.parametrize(
    ("facts", "money", "says"),
    [
        ({"state": "succeeded"}, "yes", "about 1.26 USD"),
        ({"state": "failed"}, "unknown", "perhaps 1.26 USD"),
        ({"state": "unconfirmed"}, "unknown", "perhaps 1.26 USD"),
        ({"state": "failed"}, "no", "nothing spent"),
        ({"state": "failed"}, "yes", "about 1.26 USD"),
    ],
)
def test_a_price_that_nobody_knows_was_charged_is_no_price(
    facts: Any, money: Any, says: str, stand_in: Make, job: Make
) -> None:
    runner = stand_in()
    cost = runner.price({"model_name": "std"}, "a key")
    trouble = None if facts["state"] == "succeeded" else Trouble("TaskFailed", "m", "h", money)
    runner.kept["A"] = job("A", provider="novita", cost=cost, trouble=trouble, **facts)
    assert history.value(runner, visitor.HOME)["items"][0]["cost"] == says


# -- visitors


@pytest.mark.parametrize(
    "stranger",
    [
        None,
        "",
        7,
        {"a": 1},
        "home",
        "v2_short",
        "v2_" + "a" * 32,
        f"v2_{'a' * 32}.{'0' * 64}",
        ["x"],
    ],
)
def test_a_token_that_was_not_signed_here_is_none(stranger: Any, tmp_path: Path) -> None:
    tokens = visitor.Tokens(tmp_path)
    assert tokens.read(stranger) is None
    who = visitor.fresh()
    assert visitor.Tokens(tmp_path).read(tokens.sign(who.id)) == who.id, "also after a restart"
    assert visitor.Tokens(tmp_path / "another").read(tokens.sign(who.id)) is None
    assert (tmp_path / "visitors.key").stat().st_mode & 0o077 == 0


def test_hosted_visitors_meet_only_their_own_jobs(stand_in: Make, job: Make) -> None:
    mine, other = visitor.fresh(), visitor.fresh()
    runner = stand_in(space_id="me/space")
    runner.kept = {"A": job("A", mine.id), "B": job("B", other.id)}
    assert [item["id"] for item in history.value(runner, mine)["items"]] == ["A"]
    assert not history.picked(runner, Session(), mine, SimpleNamespace(id="B"))  # type: ignore[arg-type]
    assert not history.value(runner, visitor.UNKNOWN)["items"]


def test_on_ones_own_machine_all_jobs_are_seen(stand_in: Make, job: Make) -> None:
    runner = stand_in()
    runner.kept = {"A": job("A", "home"), "B": job("B", "someone")}
    assert len(history.value(runner, visitor.HOME)["items"]) == 2
    assert "what was paid for is kept" in history.value(runner, visitor.HOME)["kept"]


@pytest.mark.parametrize("sent", ["../../etc", "", None, 3, {"id": "A"}])
def test_a_made_up_job_id_opens_nothing(sent: Any, stand_in: Make) -> None:
    desk = Session()
    assert not history.picked(stand_in(), desk, visitor.HOME, SimpleNamespace(id=sent))  # type: ignore[arg-type]
    assert desk.job_id == ""


# -- the desk


class Slow:
    """A runner whose look takes as long as the test wants."""

    def __init__(self) -> None:
        self.go, self.began, self.count = threading.Event(), threading.Event(), 0

    def look(self, **asked: Any) -> Any:
        self.count += 1
        self.began.set()
        assert self.go.wait(10)
        return SimpleNamespace(
            report=Report(()), quote=None, seconds=None, provider="local", asked=asked
        )


def test_a_submit_waits_for_the_running_check() -> None:
    runner, desk, done = Slow(), Session(), threading.Event()
    checking = threading.Thread(target=lambda: desk.check(runner, FORM, None))  # type: ignore[arg-type]
    checking.start()
    assert runner.began.wait(10)

    def submit() -> None:
        desk.agreed(runner, FORM, None)  # type: ignore[arg-type]
        done.set()

    submitting = threading.Thread(target=submit)
    submitting.start()
    assert runner.count == 1, "the second has not begun while the first runs"
    assert not done.is_set()
    runner.go.set()
    checking.join(10)
    submitting.join(10)
    assert done.is_set()
    assert runner.count == 2


def test_the_report_that_was_shown_is_the_one_that_is_sent() -> None:
    runner, desk = Slow(), Session()
    runner.go.set()
    shown = desk.check(runner, FORM, None)  # type: ignore[arg-type]
    look, _ = desk.agreed(runner, FORM, None)  # type: ignore[arg-type]
    assert look is shown
    other = replace(FORM, image="c.png")
    look, _ = desk.agreed(runner, other, None)  # type: ignore[arg-type]
    assert look is not shown
    assert look.asked["image"] == "c.png"  # type: ignore[attr-defined]


def test_a_price_that_was_not_on_the_button_is_not_agreed_to(
    stand_in: Make, picture: Path, clip: Path
) -> None:
    from decimal import Decimal

    from kling_utils.values import Money, Quote

    class Priced:
        def __init__(self) -> None:
            self.amount = "0"

        def look(self, **asked: Any) -> Any:
            money = Money(Decimal(self.amount))
            cost = Quote(Decimal(1), money, money, money, "")
            return SimpleNamespace(
                report=Report(()),
                quote=cost,
                seconds=1.0,
                provider="novita" if money.amount else "local",
            )

    runner, desk = Priced(), Session()
    desk.check(runner, FORM, None)  # type: ignore[arg-type]
    runner.amount = "0.52"
    assert desk.agreed(runner, FORM, None)[1] is False  # type: ignore[arg-type]
    assert desk.agreed(runner, FORM, None)[1] is True, "now it was shown"  # type: ignore[arg-type]
    assert Session().agreed(runner, FORM, None)[1] is False, "nothing was shown yet"  # type: ignore[arg-type]


def test_each_session_has_a_desk_of_its_own() -> None:
    import copy

    desk = Session()
    desk.open("A")
    assert copy.deepcopy(desk).job_id == ""


def test_one_view_is_followed_once() -> None:
    desk = Session()
    desk.open("A")
    first = desk.claim()
    assert desk.holds(first)
    assert desk.claim() == 0
    desk.open("B")
    assert not desk.holds(first)


def test_a_key_that_cannot_be_used_is_not_repeated() -> None:
    assert typed_key("  ") is None
    with pytest.raises(SettingError) as caught:
        typed_key("sk-secret\nsecond")
    assert "sk-secret" not in str(caught.value)


# -- following


async def drained(
    follow: JobView, desk: Session, who: visitor.Visitor, each: Callable[[dict[Any, Any]], None]
) -> None:
    async for news in follow.watch(desk, who):
        each(news)


def test_watching_shows_the_job_until_it_ends(
    stand_in: Make, job: Make, clip: Path, built: Make
) -> None:
    runner = stand_in()
    runner.kept["A"] = job("A", progress=10)
    follow, desk = built(lambda: JobView(runner)), Session()
    desk.open("A")
    seen: list[dict[Any, Any]] = []

    def next_state(news: dict[Any, Any]) -> None:
        seen.append(news)
        if len(seen) == 2:
            runner.kept["A"] = job("A", state="succeeded", video=clip, finished_at=120.0)

    asyncio.run(drained(follow, desk, visitor.HOME, next_state))
    assert [news[follow.panel]["mode"] for news in seen if follow.panel in news] == [
        "run",
        "run",
        "done",
    ]
    assert list(seen[0]) == [follow.panel], "what is known at once comes first"
    assert seen[1][follow.stage]["b"] is None
    last = {where: what for news in seen for where, what in news.items()}
    assert last[follow.stage]["b"]["url"].startswith(job_files.PREFIX)
    assert last[follow.stage]["autoplay"] is True
    assert last[follow.download]["visible"] is True
    assert 'download="who-moves-draft.mp4"' in last[follow.download]["value"], (
        "what is saved says what it is"
    )
    assert follow.rescue.doubt not in seen[-1], "only what changed"


def test_stop_watching_stops_only_the_watching(stand_in: Make, job: Make, built: Make) -> None:
    runner = stand_in()
    runner.kept["A"] = job("A")
    follow, desk = built(lambda: JobView(runner)), Session()
    desk.open("A")
    said: list[Any] = []
    seen: list[Any] = []

    def stop(news: dict[Any, Any]) -> None:
        seen.append(news)
        if not said:
            said.append(follow.stopped(desk))

    asyncio.run(drained(follow, desk, visitor.HOME, stop))
    assert seen[1:] == [{follow.stop: gr.skip()}], "and nothing is drawn over it"
    assert "goes on" in said[0][0]["note"]
    assert runner.kept["A"].state == "processing"
    assert runner.done == []


def test_the_gallery_goes_on_when_nobody_watches(
    stand_in: Make, job: Make, clip: Path, built: Make
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = job("A", progress=10)
    follow = built(lambda: JobView(runner))
    desk.open("A")
    follow.stopped(desk)
    seen: list[Any] = []

    async def beside() -> None:
        async for gallery in follow.aside(desk, visitor.HOME, 0.01):
            seen.append(gallery)
            runner.kept["A"] = job("A", state="succeeded", video=clip, finished_at=120.0)

    asyncio.run(beside())
    assert seen.pop() == gr.skip(), "gradio sends the last value of a generator again at its end"
    assert [gallery["items"][0]["group"] for gallery in seen] == ["going", "done"]
    assert desk.aside() is None, "once for a view"
    desk.open("A")
    assert desk.aside() is not None


def test_a_watcher_without_a_job_leaves_the_page_alone(stand_in: Make, built: Make) -> None:
    follow = built(lambda: JobView(stand_in()))
    seen: list[dict[Any, Any]] = []
    asyncio.run(drained(follow, Session(), visitor.HOME, seen.append))
    assert len(seen) == 1, "a generator that yields nothing would make gradio empty its outputs"
    assert list(seen[0]) == [follow.stop]


LINK = Trouble("LinkExpired", "The link has expired.", "", "yes")


@pytest.mark.parametrize(
    ("facts", "doubt", "standing"),
    [
        ({"state": "processing"}, False, False),
        ({"state": "unconfirmed"}, True, False),
        ({"state": "checked", "waits_for": "resume"}, False, True),
        ({"state": "queued", "waits_for": "key"}, False, True),
        ({"state": "processing", "overdue": True}, False, True),
        ({"state": "failed"}, False, False),
        ({"state": "succeeded", "task_id": "t", "video": Path("/gone.mp4")}, False, True),
        ({"state": "failed", "task_id": "t", "provider": "novita", "trouble": LINK}, False, True),
    ],
)
def test_a_job_asks_for_what_it_waits_for(
    facts: dict[str, Any], doubt: bool, standing: bool, stand_in: Make, job: Make, built: Make
) -> None:
    follow = built(lambda: JobView(stand_in()))
    shown = follow.rescue.picture(job(**facts))
    assert shown[follow.rescue.doubt]["visible"] is doubt
    assert shown[follow.rescue.standing]["visible"] is standing
    assert shown[follow.rescue.key]["visible"] is (facts.get("waits_for") == "key")
    if facts["state"] in ("succeeded", "failed") and standing:
        assert shown[follow.rescue.go_on]["value"] == "Fetch it again"
        theirs = follow.rescue.picture(job("A", "v2_a", **facts))
        # a visitor's key is not kept
        assert theirs[follow.rescue.key]["visible"] is (facts.get("provider") == "novita")


def test_the_three_ways_out_ask_the_runner_as_the_visitor(
    stand_in: Make, job: Make, built: Make
) -> None:
    who = visitor.fresh()
    runner = stand_in(space_id="me/space")
    runner.kept["A"] = job("A", who.id, state="unconfirmed")
    rescue, desk = built(lambda: JobView(runner)).rescue, Session()
    desk.open("A")
    rescue._adopt(desk, who, " sk-box ", "task-1")
    rescue._dismiss(desk, who)
    rescue._resend(desk, who, "")
    assert [done[0] for done in runner.done] == ["adopt", "dismiss"], "it is asked first"
    panel, question, button = rescue._asked(desk, who)
    assert panel["visible"]
    assert "may be paid twice" in question
    assert "price not known" in button["value"]
    rescue._resend(desk, who, "")
    rescue._resend(desk, who, "")
    _, emptied = rescue._resume(desk, who, " sk-typed ")
    assert [done[0] for done in runner.done] == ["adopt", "dismiss", "send_again", "resume"]
    assert {done[2] if done[0] != "adopt" else done[3] for done in runner.done} == {who.id}
    assert runner.done[-1][3].get_secret_value() == "sk-typed"
    assert emptied == ""


def test_the_panel_says_that_the_page_may_be_closed(job: Make) -> None:
    assert "safe to close" in panel(job(), 110.0)["note"]
    doubt = panel(job(state="unconfirmed", trouble=Trouble("c", "m", "h", "unknown")), 110.0)
    assert doubt["mode"] == "standing"


# -- the form


def test_the_orientation_cards_say_consequence_and_length() -> None:
    blank, measured = (
        options.orientation_choices({}),
        options.orientation_choices({"video": 4.13, "image": 5.0}),
    )
    assert dict((value, label) for label, value in blank)["image"].endswith("5 s")
    assert (
        "4.1 s, as long as the clip" in dict((value, label) for label, value in measured)["video"]
    )


def test_the_numbers_of_the_page_are_those_of_the_table() -> None:
    seconds, bytes_ = (limit(code) for code in ("video.duration", "video.bytes"))
    assert f"{seconds.low} to {seconds.high} seconds" in static("lesson.html")
    assert seconds.allowed in VideoInput.hint
    for code in ("image.format", "image.side", "image.bytes"):
        assert limit(code).allowed in ImageInput.hint
    assert bytes_.allowed in VideoInput.hint
    assert seconds.low == actions.SHORTEST


@pytest.mark.parametrize(
    ("key", "says"),
    [("", "No key is set"), ("sk-mine", "Your key is not tested"), ("sk mine", "cannot be used")],
)
def test_the_line_says_whose_key_is_used(key: str, says: str, stand_in: Make, built: Make) -> None:
    line = built(lambda: Account(stand_in(), gr.State(Session()))).says(key, Session())
    assert says in line
    assert "sk" not in line.replace("risk", "")


def test_generate_without_files_says_what_is_missing(stand_in: Make, built: Make) -> None:
    generate = built(lambda: Generate(stand_in()))
    steps = list(
        generate.submit(
            "", "", "video", "kling-v3-0-std", "", "", True, "", Session(), visitor.HOME
        )
    )
    assert steps[0][0]["interactive"] is False
    assert steps[-1][0]["interactive"] is True
    assert "The picture and the clip are missing" in steps[-1][1]
    assert 'data-goto="examples"' in steps[-1][1]
    *_, last = generate.submit(
        "a.png", "", "video", "kling-v3-0-std", "", "", True, "", Session(), visitor.HOME
    )
    assert "The clip is missing" in last[1]


class Banker(StandIn):
    """Knows a balance, or why there is none."""

    refuses: KlingError | None = None

    def balance(self, key: Any, *, owner: str = "home") -> Any:
        if self.refuses is not None:
            raise self.refuses
        return SimpleNamespace(available="12.50 USD")


def test_a_key_counts_as_used_only_when_the_provider_answered_to_it(
    tmp_path: Path, built: Make
) -> None:
    runner, desk = Banker(tmp_path), Session()
    account = built(lambda: Account(runner, gr.State(desk)))
    runner.refuses = NoContact("Nobody answers.", hint="Look at the network.")
    said, line = account.tested("sk-mine", desk)
    assert "The key could not be tested" in said
    assert "sending" not in said
    assert "not tested yet" in line
    runner.refuses = KeyRefused("The API key was refused.")
    said, line = account.tested("sk-mine", desk)
    assert "The key was refused" in said
    assert "Your key was refused" in line
    assert line == account.says("sk-mine", desk), "also when the box is left again"
    assert "not tested yet" in account.says("sk-another", desk)
    runner.refuses = None
    said, line = account.tested("sk-mine", desk)
    assert "The key works" in said
    assert "Your key is used" in line
    assert "not tested yet" in account.says("sk-another", desk)
    box, result, line, count = account.emptied(0, desk)
    assert (box, result, count) == ("", "", 1)
    assert "No key is set" in line


def test_what_is_said_at_the_button_goes_when_it_is_about_something_else(
    stand_in: Make, job: Make, built: Make
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = job("A")
    generate = built(lambda: Generate(runner))
    asked = Form("", "b.mp4", "video", "kling-v3-0-std", "", "", True)
    about = asked, hash("")
    list(generate.submit(*vars_of(asked), "", desk, visitor.HOME))
    assert generate.still(desk, about) == (gr.skip(), gr.skip()), "it is about this form"
    assert generate.still(desk, (replace(asked, model_name="kling-v3-0-pro"), hash("")))[0] == ""
    list(generate.submit(*vars_of(asked), "", desk, visitor.HOME))
    assert generate.still(desk) == (gr.skip(), gr.skip()), "and about the job that is open"
    desk.open("A")
    assert generate.still(desk)[1]["visible"] is False


def vars_of(asked: Form) -> list[Any]:
    return [getattr(asked, field.name) for field in fields(asked)]


class Picky(StandIn):
    """Refuses what is sent."""

    def submit(self, request: Any, **how: Any) -> Any:
        raise Refused(how["report"])


def test_a_refusal_by_the_checks_is_short_and_leads_on(
    tmp_path: Path, picture: Path, clip: Path, built: Make
) -> None:
    runner = Picky(tmp_path)
    runner.findings = (
        Finding(
            "image.format", "image", "error", "Image format", "WebP", "JPEG or PNG", "Save it anew."
        ),
    )
    generate = built(lambda: Generate(runner))
    *_, last = generate.submit(
        str(picture),
        str(clip),
        "video",
        "kling-v3-0-std",
        "",
        "",
        True,
        "",
        Session(),
        visitor.HOME,
    )
    assert "1 thing has to change first" in last[1]
    assert "nothing was spent" in last[1]
    assert 'data-goto="image"' in last[1]
    assert "data-close" in last[1]
    assert "Save it anew" not in last[1], "that stands at the picture"


# -- coming back


def test_an_unfinished_job_is_found_again(stand_in: Make, job: Make, built: Make) -> None:
    from kling_utils.studio.arrive import Arrive
    from kling_utils.studio.inputs import ImageInput, VideoInput

    runner = stand_in()
    finished: Job = job("B", state="succeeded")
    runner.kept = {"B": finished, "A": job("A")}

    def make() -> Arrive:
        desk = gr.State(Session())
        inputs = ImageInput(desk), VideoInput(desk)
        return Arrive(runner, *inputs, JobView(runner), Generate(runner), Account(runner, desk))

    arrive = built(make)
    for asked, opened in (({}, "A"), ({"job": "B"}, "B"), ({"job": "nothing"}, "A")):
        desk = Session()
        arrive.on_load(
            desk, SimpleNamespace(query_params=asked, headers={"host": "localhost:7860"})
        )
        assert desk.job_id == opened


def test_the_files_of_a_job_fill_the_form_again(
    stand_in: Make, job: Make, built: Make, picture: Path
) -> None:
    runner = stand_in(space_id="me/space")
    mine = visitor.fresh()
    runner.kept = {"A": job("A", mine.id), "B": job("B", "someone else")}
    follow, desk = built(lambda: JobView(runner)), Session()
    desk.open("A")
    filled = follow.actions.again(desk, mine, "")
    assert Path(filled[0]).read_bytes() == picture.read_bytes()
    assert filled[4:] == ("video", "kling-v3-0-std", "", "", True)
    desk.open("B")
    assert not any(isinstance(value, str) for value in follow.actions.again(desk, mine, ""))
