"""Panels against a runner that says what it is told: who sees what, what stops, and what is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from kling_utils import Client, examples
from kling_utils.errors import KeyRefused, KlingError, NoContact, Refused, SettingError
from kling_utils.preflight.limits import limit
from kling_utils.studio import actions, inputs, job_view, routes, visitor
from kling_utils.studio.account import Account
from kling_utils.studio.gallery import Gallery
from kling_utils.studio.generate import Generate
from kling_utils.studio.inputs import ImageInput, VideoInput
from kling_utils.studio.job_view import JobView, panel
from kling_utils.studio.pairs import LABEL
from kling_utils.studio.session import Form, Session, typed_key
from kling_utils.studio.theme import static
from kling_utils.values import Finding, Job, Report, Trouble

from .conftest import StandIn, bound_page

Make = Callable[..., Any]
FORM = Form("a.png", "b.mp4", "video", "kling-v3-0-std", "", "", True)
EMPTY = replace(FORM, image="", video="")
LOCAL = {"host": "localhost:7860"}


def of(who: visitor.Visitor) -> Session:
    session = Session()
    session.visitor = who
    return session


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
    orientation: Any, take: int, says: str, stand_in: Make, job: Make, built: Make
) -> None:
    runner, made = stand_in(), job("A", state="succeeded", take=take)
    runner.kept["A"] = replace(
        made, request=replace(made.request, character_orientation=orientation)
    )
    assert built(lambda: Gallery(runner)).value(Session())["items"][0]["state"] == says


@pytest.mark.parametrize(
    ("name", "title", "part"),
    [
        ("dance_woman_4s 0.5-3.5 s.mp4", "who × dance_woman_4s", "0.5 to 3.5 s"),
        ("moves.mp4", "who × moves", ""),
        ("1-2 s.mp4", "who × 1-2 s", ""),
    ],
)
def test_the_part_of_a_clip_is_never_cut_off(
    name: str, title: str, part: str, stand_in: Make, job: Make, built: Make
) -> None:
    runner = stand_in()
    runner.kept["A"] = replace(job("A"), video_name=name)
    (item,) = built(lambda: Gallery(runner)).value(Session())["items"]
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
    facts: Any, money: Any, says: str, stand_in: Make, job: Make, built: Make
) -> None:
    runner = stand_in()
    cost = runner.price({"model_name": "std"}, "a key")
    trouble = None if facts["state"] == "succeeded" else Trouble("TaskFailed", "m", "h", money)
    runner.kept["A"] = job("A", provider="novita", cost=cost, trouble=trouble, **facts)
    assert built(lambda: Gallery(runner)).value(Session())["items"][0]["cost"] == says


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


def test_hosted_visitors_meet_only_their_own_jobs(stand_in: Make, job: Make, built: Make) -> None:
    mine, other = visitor.fresh(), visitor.fresh()
    runner = stand_in(space_id="me/space")
    runner.kept = {"A": job("A", mine.id), "B": job("B", other.id)}
    gallery, session = built(lambda: Gallery(runner)), of(mine)
    assert [item["id"] for item in gallery.value(session)["items"]] == ["A"]
    assert "no such job" in gallery.on_pick(SimpleNamespace(id="B"), session)
    assert session.job_id == ""
    assert not gallery.value(of(visitor.UNKNOWN))["items"]


def test_on_ones_own_machine_all_jobs_are_seen(stand_in: Make, job: Make, built: Make) -> None:
    runner = stand_in()
    runner.kept = {"A": job("A", "home"), "B": job("B", "someone")}
    shown = built(lambda: Gallery(runner)).value(Session())
    assert len(shown["items"]) == 2
    assert "what was paid for is kept" in shown["kept"]


@pytest.mark.parametrize("sent", ["../../etc", "", None, 3, {"id": "A"}])
def test_a_made_up_job_id_opens_nothing(sent: Any, stand_in: Make, built: Make) -> None:
    desk = Session()
    said = built(lambda: Gallery(stand_in())).on_pick(SimpleNamespace(id=sent), desk)
    assert "no such job" in said
    assert desk.job_id == ""


# -- the desk


class Slow:
    """A runner whose look takes as long as the test wants."""

    def __init__(self) -> None:
        self.go, self.began, self.count = threading.Event(), threading.Event(), 0

    def preflight(self, **asked: Any) -> Any:
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

        def preflight(self, **asked: Any) -> Any:
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
    first = desk.view
    assert desk.shows(first)
    desk.open("B")
    assert not desk.shows(first)
    assert desk.shows(desk.view)


def test_a_key_that_cannot_be_used_is_not_repeated() -> None:
    assert typed_key("  ") is None
    with pytest.raises(SettingError) as caught:
        typed_key("sk-secret\nsecond")
    assert "sk-secret" not in str(caught.value)


# -- following


def bound(runner: Any) -> JobView:
    return bound_page(runner).job_view


async def drained(follow: JobView, desk: Session, each: Callable[[dict[Any, Any]], None]) -> None:
    async for news in follow.watch(desk):
        each(news)


def test_watching_shows_the_job_until_it_ends(
    stand_in: Make, job: Make, clip: Path, built: Make
) -> None:
    runner = stand_in()
    runner.kept["A"] = job("A", progress=10)
    follow, desk = built(lambda: bound(runner)), Session()
    desk.open("A")
    seen: list[dict[Any, Any]] = []

    def next_state(news: dict[Any, Any]) -> None:
        seen.append(news)
        if len(seen) == 2:
            runner.kept["A"] = job("A", state="succeeded", video=clip, finished_at=120.0)

    asyncio.run(drained(follow, desk, next_state))
    assert [news[follow.panel]["mode"] for news in seen if follow.panel in news] == [
        "run",
        "run",
        "done",
    ]
    assert list(seen[0]) == [follow.panel], "what is known at once comes first"
    assert seen[1][follow.stage]["b"] is None
    last = {where: what for news in seen for where, what in news.items()}
    assert last[follow.stage]["b"]["url"].startswith(routes.JOB_FILES)
    assert last[follow.stage]["autoplay"] is True
    assert last[follow.stage]["save"]["name"] == "who-moves-draft.mp4", "it says what it is"
    assert follow.recovery.doubt not in seen[-1], "only what changed"


def test_what_is_on_its_way_of_one_job_is_not_drawn_over_the_next(
    stand_in: Make, job: Make, built: Make
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept |= {"A": job("A"), "B": job("B")}
    follow, order = built(lambda: bound(runner)), list[str]()

    async def back() -> None:
        desk.open("A")
        old = follow.watch(desk)
        await anext(old)  # gradio takes its time to send it
        desk.open("B")
        new = asyncio.create_task(anext(follow.watch(desk)))
        new.add_done_callback(lambda _: order.append("B is drawn"))
        await asyncio.wait([new], timeout=0.1)
        order.append("A is sent")
        assert (await anext(old)) == {follow.stop: gr.skip()}
        shown = await new
        assert shown[follow.panel]["job_id"] == "B"

    asyncio.run(back())
    assert order == ["A is sent", "B is drawn"]


def test_stop_watching_stops_only_the_watching(stand_in: Make, job: Make, built: Make) -> None:
    runner = stand_in()
    runner.kept["A"] = job("A")
    follow, desk = built(lambda: bound(runner)), Session()
    desk.open("A")
    said: list[Any] = []
    seen: list[Any] = []

    def stop(news: dict[Any, Any]) -> None:
        seen.append(news)
        if not said:
            said.append(follow.on_stop(desk))
        else:
            desk.open("")

    asyncio.run(drained(follow, desk, stop))
    assert [set(news) for news in seen[1:]] == [{follow.gallery.panel}, {follow.stop}], (
        "and nothing is drawn over it"
    )
    assert seen[-1] == {follow.stop: gr.skip()}
    assert "goes on" in said[0][follow.panel]["note"]
    assert runner.kept["A"].state == "processing"
    assert runner.done == []


def test_the_gallery_goes_on_when_nobody_watches(
    stand_in: Make, job: Make, clip: Path, built: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = job("A", progress=10)
    follow = built(lambda: bound(runner))
    monkeypatch.setattr(job_view, "GALLERY_EVERY", 0.01)
    desk.open("A")
    seen: list[Any] = []

    def beside(news: dict[Any, Any]) -> None:
        if desk.job_id:
            follow.on_stop(desk)
        else:
            seen.append(news)
            runner.kept["A"] = job("A", state="succeeded", video=clip, finished_at=120.0)

    asyncio.run(drained(follow, desk, beside))
    last = seen.pop()
    assert last == {follow.stop: gr.skip()}, (
        "gradio sends the last value of a generator again at its end"
    )
    groups = [news[follow.gallery.panel]["items"][0]["group"] for news in seen]
    assert groups == ["going", "done"]
    asyncio.run(drained(follow, desk, seen.append))
    assert seen[2:] == [last], "once for a view"
    desk.open("A")
    asyncio.run(drained(follow, desk, seen.append))
    assert follow.gallery.panel in seen[-2]


def test_a_watcher_without_a_job_leaves_the_page_alone(stand_in: Make, built: Make) -> None:
    follow = built(lambda: bound(stand_in()))
    seen: list[dict[Any, Any]] = []
    asyncio.run(drained(follow, Session(), seen.append))
    assert [list(news) for news in seen] == [[follow.gallery.panel], [follow.stop]], (
        "a generator that yields nothing would make gradio empty its outputs"
    )


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
    follow = built(lambda: bound(stand_in()))
    shown = follow.recovery.draw(job(**facts))
    assert shown[follow.recovery.doubt]["visible"] is doubt
    assert shown[follow.recovery.standing]["visible"] is standing
    assert shown[follow.recovery.key]["visible"] is (facts.get("waits_for") == "key")
    if facts["state"] in ("succeeded", "failed") and standing:
        assert shown[follow.recovery.go_on]["value"] == "Fetch it again"
        theirs = follow.recovery.draw(job("A", "v2_a", **facts))
        # a visitor's key is not kept
        assert theirs[follow.recovery.key]["visible"] is (facts.get("provider") == "novita")


def test_the_three_ways_out_ask_the_runner_as_the_visitor(
    stand_in: Make, job: Make, built: Make
) -> None:
    who = visitor.fresh()
    runner = stand_in(space_id="me/space")
    runner.kept["A"] = job("A", who.id, state="unconfirmed")
    rescue, desk = built(lambda: bound(runner)).recovery, of(who)
    desk.open("A")
    rescue.on_adopt(desk, " sk-box ", "task-1")
    rescue.on_dismiss(desk)
    rescue.on_sure(desk, "")
    assert [done[0] for done in runner.done] == ["adopt", "dismiss"], "it is asked first"
    asked = rescue.on_resend(desk)
    assert asked[rescue.ask]["visible"]
    assert "may be paid twice" in asked[rescue.question]
    assert "price not known" in asked[rescue.sure]["value"]
    rescue.on_sure(desk, "")
    rescue.on_sure(desk, "")
    emptied = rescue.on_go_on(desk, " sk-typed ")[rescue.key]
    assert [done[0] for done in runner.done] == ["adopt", "dismiss", "send_again", "resume"]
    assert {done[2] if done[0] != "adopt" else done[3] for done in runner.done} == {who.id}
    assert runner.done[-1][3].get_secret_value() == "sk-typed"
    assert emptied == ""


def test_the_panel_says_that_the_page_may_be_closed(job: Make) -> None:
    assert "safe to close" in panel(job(), 110.0)["note"]
    doubt = panel(job(state="unconfirmed", trouble=Trouble("c", "m", "h", "unknown")), 110.0)
    assert doubt["mode"] == "standing"


# -- the form


def test_the_choices_say_length_and_price(
    stand_in: Make, picture: Path, clip: Path, tmp_path: Path
) -> None:
    assert dict((value, label) for label, value in inputs.orientation_choices())["image"] == (
        "Like the picture\n5 s"
    )
    assert dict((value, label) for label, value in inputs.model_choices())["kling-v3-0-pro"] == (
        "Pro\nkling-v3-0-pro"
    )
    desk, client = Session(), Client(home=tmp_path / "home", api_key="sk-of-a-test-0123456789")
    form = Form(str(picture), str(clip), "video", "kling-v3-0-std", "", "", True)
    preflight = desk.check(client, form, None)
    assert preflight.quote is not None
    orientation = dict((value, label) for label, value in inputs.orientation_choices(desk))
    model = dict((value, label) for label, value in inputs.model_choices(desk))
    assert orientation["video"].endswith(f", {preflight.quote.amount}")
    assert orientation["image"] == "Like the picture\n5 s, 0.63 USD"
    assert model["kling-v3-0-std"] == f"Standard\n{preflight.quote.amount}"
    assert model["kling-v3-0-pro"] != model["kling-v3-0-std"]
    client.close()


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
    [
        ("", "No key is set"),
        ("sk-mine", "Key from this session, not tested"),
        ("sk mine", "cannot be used"),
    ],
)
def test_the_line_says_whose_key_is_used(key: str, says: str, stand_in: Make, built: Make) -> None:
    line = built(lambda: Account(stand_in())).says(key, Session())
    assert says in line
    assert "sk" not in line.replace("risk", "")


def test_generate_without_files_says_what_is_missing(stand_in: Make, built: Make) -> None:
    generate = built(lambda: Generate(stand_in()))
    steps = list(generate.on_generate(Session(), "", **asdict(EMPTY)))
    assert steps[0][generate.button]["interactive"] is False
    assert steps[-1][generate.button]["interactive"] is True
    assert "The picture and the clip are missing" in steps[-1][generate.notice]
    assert 'data-goto="examples"' in steps[-1][generate.notice]
    *_, last = generate.on_generate(Session(), "", **asdict(replace(EMPTY, image="a.png")))
    assert "The clip is missing" in last[generate.notice]


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
    account = built(lambda: Account(runner))

    def tested(key: str) -> tuple[str, str]:
        shown = account.on_test(desk, key)
        return shown[account.result], shown[account.line]

    runner.refuses = NoContact("Nobody answers.", hint="Look at the network.")
    said, line = tested("sk-mine")
    assert "The key could not be tested" in said
    assert "sending" not in said
    assert "not tested yet" in line
    runner.refuses = KeyRefused("The API key was refused.")
    said, line = tested("sk-mine")
    assert "The key was refused" in said
    assert "Your key was refused" in line
    assert line == account.says("sk-mine", desk), "also when the box is left again"
    assert "not tested yet" in account.says("sk-another", desk)
    runner.refuses = None
    said, line = tested("sk-mine")
    assert "The key works" in said
    assert "Key from this session, tested, balance 12.50 USD" in line
    assert "not tested yet" in account.says("sk-another", desk)
    emptied = account.on_forget(desk)
    assert (emptied[account.box], emptied[account.result]) == ("", "")
    assert "No key is set" in emptied[account.line]


def test_the_panel_of_the_key_folds_when_the_key_works_and_opens_when_it_does_not(
    tmp_path: Path, built: Make
) -> None:
    runner, desk = Banker(tmp_path), Session()
    account = built(lambda: Account(runner))

    def told(key: str) -> bool | None:
        """Whether the panel is shown by it; None where it stays as it is."""
        panel = account.on_key(desk, key).get(account.panel)
        return None if panel is None else panel["visible"]

    opened = account.on_open(desk, "")
    assert (opened[account.panel]["visible"], opened[account.opener]["value"]) == (True, "Close")
    assert told("sk-mine") is None, "not asked for yet: it can be tested there"
    desk.balance(runner, typed_key("sk-mine"))
    folded = account.on_key(desk, "sk-mine")
    assert (folded[account.panel]["visible"], folded[account.opener]["value"]) == (False, "Change")
    assert account.on_open(desk, "sk-mine")[account.panel]["visible"] is True
    assert told("sk-mine") is None, "who opens it again finds it open"
    assert told("sk mine") is True
    runner.refuses = KeyRefused("The API key was refused.")
    with pytest.raises(KeyRefused):
        desk.balance(runner, typed_key("sk-another"))
    assert told("sk-another") is True


def test_the_key_that_was_typed_last_decides_in_whatever_order_events_end(
    tmp_path: Path, built: Make
) -> None:
    runner, desk = Banker(tmp_path), Session()
    account = built(lambda: Account(runner))
    account.on_open(desk, "")
    account.on_typed(desk, "sk-refused")
    account.on_typed(desk, "sk-good")
    desk.balance(runner, typed_key("sk-good"))
    assert account.on_key(desk, "sk-good")[account.panel]["visible"] is False
    runner.refuses = KeyRefused("The API key was refused.")
    with pytest.raises(KeyRefused):  # asked for before the good one, and answered after it
        desk.balance(runner, typed_key("sk-refused"))
    for late in ("sk-refused", "sk re fused", ""):
        assert account.on_key(desk, late) == {}
    good = typed_key("sk-good")
    assert good is not None
    assert desk.proven(good)
    assert "tested, balance" in account.on_key(desk, "sk-good")[account.line]
    account.on_forget(desk)
    assert account.on_key(desk, "sk-good") == {}, "it was forgotten meanwhile"
    account.on_typed(desk, "sk-refused")
    with pytest.raises(KeyRefused):
        desk.balance(runner, typed_key("sk-refused"))
    assert account.on_key(desk, "sk-refused")[account.panel]["visible"] is True


def test_what_is_said_at_the_button_goes_when_it_is_about_something_else(
    stand_in: Make, job: Make, built: Make
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = job("A")
    generate = built(lambda: Generate(runner))
    asked = replace(FORM, image="")
    about = asked, hash("")
    list(generate.on_generate(desk, "", **asdict(asked)))
    assert generate.clear_notice(desk, about) == {}, "it is about this form"
    other = replace(asked, model_name="kling-v3-0-pro"), hash("")
    assert generate.clear_notice(desk, other)[generate.notice] == ""
    list(generate.on_generate(desk, "", **asdict(asked)))
    assert generate.clear_notice(desk) == {}, "and about the job that is open"
    desk.open("A")
    assert generate.clear_notice(desk)[generate.have]["visible"] is False


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
    asked = replace(FORM, image=str(picture), video=str(clip))
    *_, last = generate.on_generate(Session(), "", **asdict(asked))
    said = last[generate.notice]
    assert "1 thing has to change first" in said
    assert "nothing was spent" in said
    assert 'data-goto="image"' in said
    assert "data-close" in said
    assert "Save it anew" not in said, "that stands at the picture"


# -- coming back


def test_an_unfinished_job_is_found_again(stand_in: Make, job: Make, built: Make) -> None:
    runner = stand_in()
    finished: Job = job("B", state="succeeded")
    runner.kept = {"B": finished, "A": job("A")}

    page = built(lambda: bound_page(runner))
    for asked, opened in (({}, "A"), ({"job": "B"}, "B"), ({"job": "nothing"}, "A")):
        desk = Session()
        request = SimpleNamespace(query_params=asked, headers=LOCAL, username=None)
        page.on_load(desk, request)
        assert desk.job_id == opened


def test_an_example_plays_on_an_empty_page_and_nowhere_else(
    stand_in: Make, job: Make, built: Make, picture: Path
) -> None:
    runner = stand_in()
    page = built(lambda: bound_page(runner))
    board = page.job_view.stage

    def arrive(job_id: str = "") -> tuple[Session, Any]:
        session, asked = Session(), {"job": job_id} if job_id else {}
        request = SimpleNamespace(query_params=asked, headers=LOCAL, username=None)
        return session, page.on_load(session, request).get(board)

    session, shown = arrive()
    assert Path(shown["b"]["path"]).read_bytes() == examples.PAIRS[0].result.read_bytes()
    assert shown["label_b"] == LABEL
    assert "draft" in LABEL
    assert page.gallery.value(session)["items"] == [], "an example is no job"
    form = {"key": "", **asdict(EMPTY)}
    assert board not in next(iter(page.on_change(session, **form))), "the form is still empty"
    first = next(iter(page.on_change(session, **form | {"image": str(picture)})))
    assert first[board]["b"] is None, "it ends with the first file of one's own"
    session, _ = arrive()
    assert page.pairs.on_stop(session)[board]["b"] is None, "and with a press of Generate"

    assert arrive("gone")[1] is None, "not where a job was asked for"
    runner.kept = {"A": job("A")}
    session, shown = arrive()
    assert (session.job_id, shown) == ("A", None)
    assert page.pairs.on_watch(SimpleNamespace(id="0"), session) == gr.skip()


def test_both_files_of_an_example_fill_the_form(stand_in: Make, built: Make) -> None:
    page, pair = built(lambda: bound_page(stand_in())), examples.PAIRS[1]

    def picked(number: Any) -> Any:
        return page.pairs.on_pick(SimpleNamespace(id=number), Session(), "", "")

    filled = picked("1")
    sources = filled[page.image.source], filled[page.video.source]
    wanted = pair.image.path.read_bytes(), pair.video.path.read_bytes()
    assert tuple(Path(path).read_bytes() for path in sources) == wanted
    assert filled[page.video.view] == filled[page.video.source]
    assert picked("2") == picked("../1") == picked(None) == gr.skip(), (
        "a browser names nothing else"
    )


def test_the_files_of_a_job_fill_the_form_again(
    stand_in: Make, job: Make, built: Make, picture: Path
) -> None:
    runner = stand_in(space_id="me/space")
    mine = visitor.fresh()
    runner.kept = {"A": job("A", mine.id), "B": job("B", "someone else")}
    page, desk = built(lambda: bound_page(runner)), of(mine)
    desk.open("A")
    filled = page.job_view.actions.on_refill(desk, "")
    form = {name: filled[component] for name, component in page.events.form.items()}
    assert Path(form["image"]).read_bytes() == picture.read_bytes()
    assert Form(**form) == replace(FORM, image=form["image"], video=form["video"])
    desk.open("B")
    assert page.job_view.actions.on_refill(desk, "") == gr.skip()
