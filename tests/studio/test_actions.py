"""What next: what is offered at which price, that nothing else is sent, and what a job is as code."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from kling_utils.errors import AlreadyHave
from kling_utils.jobs.retakes import Try
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video
from kling_utils.studio import actions as as_code
from kling_utils.studio import files, notices, visitor
from kling_utils.studio.actions import Actions
from kling_utils.studio.files import uploads
from kling_utils.studio.session import Form, Session
from kling_utils.values import Finding, Job, MotionRequest, Trouble

from .conftest import StandIn, bound_page

Make = Callable[..., Any]
KEY = SecretStr("sk-typed")


def event(**data: Any) -> Any:
    return SimpleNamespace(**data)


def bound(runner: Any) -> Actions:
    return bound_page(runner).job_view.actions


def form_of(actions: Actions, updates: dict[Any, Any]) -> dict[str, Any]:
    """What the form is filled with, by name."""
    return {name: updates[each] for name, each in actions._form.items() if each in updates}


@pytest.fixture
def at(stand_in: Make, job: Make, built: Make) -> Callable[..., tuple[Any, Actions, Session]]:
    """A runner, its offers, and a desk with the job on it."""

    def make(**facts: Any) -> tuple[Any, Actions, Session]:
        runner = stand_in()
        runner.kept["A"] = job("A", **{"state": "succeeded", **facts})
        desk = Session()
        desk.open("A")
        return runner, built(lambda: bound(runner)), desk

    return make


def offered(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in value["items"]}


def test_a_draft_without_a_key_is_followed_by_free_drafts(at: Make) -> None:
    runner, actions, _ = at()
    offers = offered(actions.value(runner.kept["A"]))
    assert set(offers) == {"model", "orientation", "again"}
    assert {offer["price"] for offer in offers.values()} == {"free"}
    assert "draft" in offers["model"]["label"]


def test_with_a_key_the_price_is_on_the_button(at: Make) -> None:
    runner, actions, _ = at()
    offers = offered(actions.value(runner.kept["A"], KEY))
    assert offers["kling"]["note"] == "about 1.26 USD"
    assert offers["model"]["note"] == "about 1.68 USD"


def test_a_paid_result_says_what_pro_costs_more_and_offers_a_draft(at: Make) -> None:
    runner, actions, _ = at(provider="novita")
    runner.kept["A"] = replace(runner.kept["A"], cost=runner.price({"model_name": "std"}, KEY))
    offers = offered(actions.value(runner.kept["A"], KEY))
    assert offers["model"]["note"] == "about 1.68 USD, 0.42 USD more"
    assert offers["again"]["note"] == "about 1.26 USD, paid again"
    assert offers["draft"]["price"] == "free"
    assert "kling" not in offers


def test_what_the_checks_refuse_is_not_for_sale(at: Make) -> None:
    runner, actions, _ = at()
    runner.findings = (
        Finding("video.duration", "video", "error", "Length of the clip", "20 s", "3 to 10 s"),
    )
    value = actions.value(runner.kept["A"])
    assert all(offer["blocked"] for offer in value["items"])
    assert {offer["note"] for offer in value["items"]} == {"cannot be sent"}
    assert value["why"] == ["Length of the clip: 20 s."], "once for all of them"


@pytest.mark.parametrize("state", ["processing", "queued", "unconfirmed"])
def test_a_job_on_its_way_offers_only_its_code(at: Make, state: str) -> None:
    runner, actions, desk = at(state=state)
    value = actions.value(runner.kept["A"])
    assert value["items"] == []
    assert not value["deletable"]
    assert [copy["id"] for copy in value["copies"]] == ["python", "cell", "curl"]
    actions.on_act(event(id="again", price="free"), desk, "")
    assert runner.done == []


def test_as_pro_sends_the_same_files_under_their_names(at: Make, picture: Path) -> None:
    runner, actions, desk = at()
    runner.kept["A"] = replace(runner.kept["A"], image_name="Hero of mine.png")
    shown = actions.on_act(event(id="model", price="free"), desk, "")
    assert shown == {actions.answer: ""}
    ((_, request, how),) = runner.done
    assert request.model_name == "kling-v3-0-pro"
    assert Path(request.image).name == "Hero of mine.png"
    assert Path(request.image).read_bytes() == picture.read_bytes()
    assert how["owner"] == "home"
    assert desk.job_id == "NEW"


def test_a_clip_that_was_given_by_its_address_goes_by_it_again_where_kling_makes_it(
    at: Make,
) -> None:
    runner, actions, desk = at(provider="novita")
    address = "https://clips.example/dance.mp4?signed=s3cret"
    runner.addresses = {"video": address}
    actions.on_act(event(id="again", price="about 1.26 USD"), desk, "sk-typed")
    ((_, request, _),) = runner.done
    assert request.video == address
    desk.open("A")
    filled = actions.on_refill(desk, "sk-typed")
    assert form_of(actions, filled)["video"] == address
    shown = filled[actions._views["video"]]
    assert "s3cret" not in str(shown), "what is shown is the copy that is here"
    assert "s3cret" not in str(actions.value(runner.kept["A"])), "nor does it stand on the page"
    draft = form_of(actions, actions.on_refill(desk, ""))
    assert not str(draft["video"]).startswith("https"), "a draft needs no address"


@pytest.mark.parametrize("shown", ["free", "about 1.25 USD", ""])
def test_another_price_than_the_one_on_the_button_sends_nothing(at: Make, shown: str) -> None:
    runner, actions, desk = at()
    updates = actions.on_act(event(id="again", price=shown), desk, " sk-typed ")
    assert runner.done == []
    assert "about 1.26 USD" in updates[actions.answer]
    assert offered(updates[actions.panel])["again"]["price"] == "about 1.26 USD"


def failed(code: str = "TaskFailed", money: Any = "unknown", field: str = "") -> dict[str, Any]:
    trouble = Trouble(code, "It failed.", "Change it.", money, "", field)
    return {"provider": "novita", "state": "failed", "trouble": trouble}


@pytest.mark.parametrize("money", ["unknown", "yes"])
def test_what_may_be_paid_twice_is_asked_first_with_its_price(at: Make, money: str) -> None:
    runner, actions, desk = at(**failed(money=money))
    offer = offered(actions.value(runner.kept["A"], KEY))["again"]
    assert "paid twice" in offer["risk"]["ask"]
    assert "about 1.26 USD" in offer["risk"]["text"]
    assert "pay twice — about 1.26 USD" in offer["risk"]["yes"]
    for sure in (None, False, "yes", 1):
        updates = actions.on_act(
            event(id="again", price="about 1.26 USD", sure=sure), desk, "sk-typed"
        )
        assert "paid twice" in updates[actions.answer]
    assert runner.done == []
    actions.on_act(event(id="again", price="about 1.26 USD", sure=True), desk, "sk-typed")
    ((_, _, how),) = runner.done
    assert how["again"] is True


@pytest.mark.parametrize("trouble", [failed("ProviderDown", "no"), failed("NoFreeSlot")])
def test_what_cost_nothing_is_tried_again_without_a_question(
    at: Make, trouble: dict[str, Any]
) -> None:
    runner, actions, desk = at(**trouble)
    offer = offered(actions.value(runner.kept["A"], KEY))["again"]
    assert offer["risk"] is None
    actions.on_act(event(id="again", price="about 1.26 USD"), desk, "sk-typed")
    ((_, _, how),) = runner.done
    assert how["again"] is False


def test_a_draft_is_never_asked_about(at: Make) -> None:
    runner, actions, _ = at(**failed())
    assert offered(actions.value(runner.kept["A"]))["again"]["risk"] is None, "free without a key"


class Has(StandIn):
    """The same request is there already, as another job."""

    def submit(self, request: MotionRequest, **how: Any) -> Job:
        error = AlreadyHave("It was sent, and its outcome is in doubt.", money="unknown")
        error.job_id = "B"
        raise error


def test_an_offer_whose_request_is_in_doubt_opens_that_job(
    tmp_path: Path, job: Make, built: Make
) -> None:
    runner, desk = Has(tmp_path / "home"), Session()
    runner.kept = {"A": job("A", state="succeeded"), "B": job("B", state="unconfirmed")}
    desk.open("A")
    actions = built(lambda: bound(runner))
    said = actions.on_act(event(id="model", price="free"), desk, "")[actions.answer]
    assert desk.job_id == "B"
    assert "in doubt" in said
    assert "nothing was sent now" in said


@pytest.mark.parametrize(
    ("trouble", "names"),
    [
        (failed(field="image"), ["change image", "model", "orientation", "again", "draft"]),
        (failed(field="video"), ["change video", "model", "orientation", "again", "draft"]),
        (failed("ModerationRefused", field="prompt"), ["change prompt", "draft"]),
        (
            failed("ModerationRefused"),
            ["change image", "change video", "change prompt", "draft"],
        ),
        (failed("InputRefused", "no", "image"), ["change image", "draft"]),
        (failed(), ["again", "model", "orientation", "draft"]),
        (failed("ProviderDown", "no"), ["again", "model", "orientation", "draft"]),
    ],
)
def test_the_first_offer_fits_the_failure(
    at: Make, trouble: dict[str, Any], names: list[str]
) -> None:
    runner, actions, desk = at(**trouble)
    items = actions.value(runner.kept["A"], KEY)["items"]
    assert [f"{i['id']} {i.get('goto', '')}".strip() for i in items] == names
    actions.on_act(event(id="change", price=""), desk, "sk-typed")
    assert runner.done == [], "it fills the form and sends nothing"


def test_a_clip_that_failed_can_begin_elsewhere(at: Make, tmp_path: Path) -> None:
    runner, actions, _ = at(**failed(field="video"))
    runner.preflight = lambda **asked: SimpleNamespace(  # a clip that is long enough to be trimmed
        report=SimpleNamespace(video=SimpleNamespace(duration=8.0), errors=()),
        quote=runner.price(asked, None),
        provider="local",
    )
    first = actions.value(runner.kept["A"])["items"][0]
    assert first["id"] == "trim"


@pytest.mark.parametrize("name", ["", "nonsense", "draft", None, {"a": 1}])
def test_what_is_not_offered_is_not_done(at: Make, name: Any) -> None:
    runner, actions, desk = at()
    actions.on_act(event(id=name, price="free"), desk, "")
    assert runner.done == []


def test_another_visitors_job_is_neither_used_nor_deleted(
    stand_in: Make, job: Make, built: Make
) -> None:
    runner, mine = stand_in(space_id="me/space"), visitor.fresh()
    runner.kept["A"] = job("A", "somebody else", state="succeeded")
    actions, desk = built(lambda: bound(runner)), Session()
    desk.visitor = mine
    desk.open("A")
    actions.on_act(event(id="again", price="free"), desk, "")
    assert "no such job" in actions.delete(event(id="A"), desk)
    assert runner.done == []


def test_deleting_the_open_job_empties_the_desk(at: Make) -> None:
    runner, actions, desk = at()
    assert actions.delete(event(id="A"), desk) == ""
    assert runner.kept == {}
    assert desk.job_id == ""


def test_a_trimmed_clip_fills_the_form(at: Make, tmp_path: Path) -> None:
    runner, actions, desk = at()
    long = tmp_path / "long.mp4"
    ffmpeg.run(
        ["-f", "lavfi", "-i", "testsrc2=s=360x640:r=24:d=6", *ffmpeg.H264, str(long)], timeout=60
    )
    before = runner.kept["A"]
    runner.kept["A"] = replace(
        before, video_name="dance.mp4", request=replace(before.request, video=long)
    )
    first, last = actions.on_trim(event(**{"from": 1.5, "to": 5.0}), desk)
    assert "Trimming the clip" in first[actions.answer], "at once"
    assert set(first) == {actions.answer}, "the form stays as it is until then"
    said = last[actions.answer]
    assert "Nothing was sent" in said
    assert "data-filled" in said
    filled = form_of(actions, last)
    assert probe_video(Path(filled["video"])).duration == pytest.approx(3.5, abs=0.1)
    assert Path(filled["video"]).name.startswith("dance")
    assert filled["image"]
    usual = Form(filled["image"], filled["video"], "video", "kling-v3-0-std", "", "", True)
    assert Form(**filled) == usual
    assert runner.done == []


@pytest.mark.parametrize(
    "sent",
    [
        {"from": 3, "to": 3},
        {"from": 5, "to": 2},
        {"from": "x", "to": None},
        {},
        {"from": 2, "to": 3.5},
    ],
)
def test_a_part_that_is_none_or_too_short_leaves_the_form_alone(
    at: Make, sent: dict[str, Any]
) -> None:
    _, actions, desk = at()
    *_, last = actions.on_trim(event(**sent), desk)
    assert "kc-error-card" in last[actions.answer]
    assert "At least 3 s must remain" in last[actions.answer]
    assert set(last) == {actions.answer}


def test_what_was_said_about_a_job_goes_with_it(at: Make) -> None:
    _, actions, desk = at()
    *_, last = actions.on_trim(event(**{"from": 2, "to": 3.5}), desk)
    said = last[actions.answer]
    assert actions.on_moved(event(id="NEW"), desk, said) == "", "another one was sent or opened"
    assert actions.on_moved(event(), desk, said) == ""
    assert not isinstance(actions.on_moved(event(id="A"), desk, said), str), "it is about this one"
    assert actions.on_moved(event(id="A"), desk, notices.gone()) == ""


# -- as code

HOSTILE = """a'); import os; os.system("rm -rf /") # $(touch x) `touch y`\n"""


def hostile(job: Make) -> Job:
    made: Job = job(state="succeeded")
    request = MotionRequest(
        made.request.image, made.request.video, prompt=HOSTILE, negative_prompt="it's"
    )
    return replace(made, request=request, image_name=HOSTILE + ".png", video_name=HOSTILE + ".mp4")


def test_as_python_it_is_one_request_with_the_typed_texts(job: Make) -> None:
    for text in (as_code.as_python(hostile(job)), as_code.as_cell(hostile(job))):
        calls = [
            n
            for n in ast.walk(ast.parse(text))
            if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "run"
        ]
        named = {k.arg: ast.literal_eval(k.value) for k in calls[0].keywords}
        assert named["prompt"] == HOSTILE
        assert named["image"] == HOSTILE + ".png"
        assert named["model_name"] == "kling-v3-0-std"
        assert "system" not in {
            n.attr for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)
        }


def test_as_curl_it_carries_no_key_and_runs_nothing_else(job: Make, tmp_path: Path) -> None:
    text = as_code.as_curl(hostile(job))
    assert "$NOVITA_API_KEY" in text
    tools = "base64() { cat >/dev/null; }\ntr() { cat; }\ncurl() { :; }\njq() { printf '%s' \"$3\" >body; }\n"
    ran = subprocess.run(
        ["/bin/bash", "-c", tools + text],
        cwd=tmp_path,
        capture_output=True,
        timeout=10,
        check=False,
    )
    assert sorted(p.name for p in tmp_path.iterdir() if p.name in ("x", "y")) == []
    assert b"syntax" not in ran.stderr


def test_code_names_no_folder_of_this_machine(job: Make, tmp_path: Path) -> None:
    for text in (as_code.as_python(job()), as_code.as_cell(job()), as_code.as_curl(job())):
        assert str(tmp_path) not in text


def test_a_deleted_job_leaves_no_copy_that_only_it_used(
    stand_in: Make, job: Make, built: Make
) -> None:
    runner = stand_in()
    runner.kept = {"A": job("A", state="succeeded")}
    actions, desk = built(lambda: bound(runner)), Session()
    desk.open("A")
    filled = form_of(actions, actions.on_refill(desk, ""))
    image, video = filled["image"], filled["video"]
    poster = files.poster(Path(runner.kept["A"].request.image))
    assert poster is not None
    desk.form = Form(image, "", "video", "kling-v3-0-std", "", "", True)
    assert actions.delete(event(id="A"), desk) == ""
    assert Path(image).exists(), "the form still uses it"
    assert not Path(video).exists()
    assert not poster.exists()


def test_a_deleted_job_takes_its_trims_and_the_uploads_behind_it_along(
    stand_in: Make, job: Make, built: Make, tmp_path: Path
) -> None:
    runner = stand_in()
    kept = runner.kept["A"] = job("A", owner="v2_a", state="succeeded")
    actions, desk = built(lambda: bound(runner)), Session()
    desk.visitor = visitor.Visitor("v2_a", hosted=True)
    desk.open("A")
    sent = [tmp_path / name / "dance.mp4" for name in ("mine", "theirs", "other")]
    for path in sent:
        path.parent.mkdir()
        path.write_bytes(Path(kept.request.video).read_bytes())
    sent[2].write_bytes(b"another clip")
    uploads.add("v2_a", str(sent[0]))
    uploads.add("v2_b", str(sent[1]))
    uploads.add("v2_a", str(sent[2]))
    seen = files.shown(sent[0], "video")
    video = form_of(actions, actions.on_refill(desk, ""))["video"]
    trim = files.made(Path(video), "clip 0-4 s.mp4")
    trim.write_bytes(b"a part")
    assert actions.delete(event(id="A"), desk) == ""
    assert seen is not None
    gone = [sent[0], Path(seen), trim]
    assert [path.exists() for path in gone] == [False] * 3
    assert [path.exists() for path in sent[1:]] == [True, True]
    assert not uploads.owns("v2_a", str(sent[0]))


def test_a_series_of_tries_begins_with_its_highest_price_and_is_told_line_by_line(at: Make) -> None:
    runner, actions, desk = at(provider="novita")
    value = actions.value(runner.kept["A"], KEY)
    assert value["retake"] == {"until": 70, "takes": 3, "budget": 3.8}
    assert value["series"] is None
    draft = replace(runner.kept["A"], provider="local")
    assert actions.value(draft, KEY)["retake"]["budget"] is None, "drafts are free"
    form = event(until=80, takes=2, budget=2.5)
    assert actions.on_retake(form, desk, KEY.get_secret_value()) == ""
    ((what, job_id, how),) = runner.done
    assert (what, job_id, how["until"], how["takes"]) == ("retake", "A", 80, 2)
    assert how["budget"] == "2.5"

    tries = (Try("A", "as it was", 55.0, "55 of 100"), Try("B", "from 3.2 s on"))
    halted: list[bool] = []
    runner.series = SimpleNamespace(
        tries=tries,
        takes=2,
        until=80.0,
        budget="2.50 USD",
        over="",
        stop=lambda: halted.append(True),
    )
    told = actions.value(runner.kept["A"], KEY)["series"]
    assert told == {
        "lines": [
            {"text": "Try 1 of 2, as it was: 55 of 100", "id": ""},
            {"text": "Try 2 of 2, from 3.2 s on: under way", "id": "B"},
        ],
        "over": "",
        "goal": "Until 80 of 100 is reached, for 2.50 USD at most.",
    }
    actions.on_halt(desk)
    assert halted == [True]


def test_a_key_that_is_none_begins_no_series(at: Make) -> None:
    runner, actions, desk = at(provider="novita")
    told = actions.on_retake(event(until=80, takes=2, budget=2.5), desk, "sk with blanks")
    assert "kc-error" in told
    assert runner.done == []


def test_nobody_opens_a_try_of_somebody_else(at: Make) -> None:
    runner, actions, desk = at()
    runner.kept["B"] = replace(runner.kept["A"], job_id="B", owner="somebody")
    opened = desk.view
    desk.visitor = visitor.Visitor("me", hosted=True)
    assert "kc" in actions.on_show(event(id="B"), desk)
    assert desk.view is opened
