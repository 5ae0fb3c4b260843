"""What belongs to a result: files to send, what was found out, takes, and the box for a task id."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kling_utils.errors import Interrupted
from kling_utils.events import Note, Processing, StillRunning, Succeeded
from kling_utils.jobs import audits
from kling_utils.show import words
from kling_utils.studio import results, visitor
from kling_utils.studio.job_view import JobNotes, JobView, Shown, panel
from kling_utils.studio.recovery import TaskLookup
from kling_utils.studio.results import Exports
from kling_utils.studio.session import Session
from kling_utils.values import Job, Trouble

Make = Callable[..., Any]


@pytest.fixture
def finished(job: Make, clip: Path) -> Job:
    made: Job = job("A", state="succeeded", video=clip, finished_at=120.0)
    return made


# -- files to send


async def drained(asked: Exports, kind: str, desk: Session, **more: Any) -> list[Any]:
    event = SimpleNamespace(id=kind, sound="result", **more)
    return [value async for value in asked.on_make(event, desk)]  # type: ignore[arg-type]


def test_an_animation_keeps_to_the_size_that_was_named(
    stand_in: Make, built: Make, finished: Job
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = finished
    desk.open("A")
    asked = built(lambda: Exports(runner))
    usual = asyncio.run(drained(asked, "gif", desk, most="nonsense"))[-1]
    small = asyncio.run(drained(asked, "gif", desk, most="0.2"))[-1]
    assert (usual["name"], small["name"]) == (
        "who-moves-animation-draft.gif",
        "who-moves-animation-0-2-MB-draft.gif",
    )
    assert (finished.folder / "exports" / small["name"]).stat().st_size <= 200_000


def test_a_file_is_made_once_and_handed_out(stand_in: Make, built: Make, finished: Job) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = finished
    desk.open("A")
    asked = built(lambda: Exports(runner))
    last = asyncio.run(drained(asked, "sheet", desk))[-1]
    assert last["ready"] == "sheet"
    assert last["name"] == "who-moves-contact-sheet-draft.png", "a draft's file says so"
    made = finished.folder / "exports" / last["name"]
    before = made.stat().st_mtime_ns
    assert asyncio.run(drained(asked, "sheet", desk))[-1]["ready"] == "sheet"
    assert made.stat().st_mtime_ns == before


def test_a_stopped_file_leaves_nothing(finished: Job) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        results.make(finished, "side", "result", 8.0, [0.0], stop)
    assert not list(finished.folder.glob("exports/*"))


def test_a_failure_is_told_and_the_page_goes_on(
    stand_in: Make, built: Make, finished: Job, tmp_path: Path
) -> None:
    runner, desk, broken = stand_in(), Session(), tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    runner.kept["A"] = replace(finished, video=broken)
    desk.open("A")
    last = asyncio.run(drained(built(lambda: Exports(runner)), "side", desk))[-1]
    assert last["error"]
    assert last["busy"] == ""
    assert str(tmp_path) not in last["error"]


@pytest.mark.parametrize("kind", ["", "nonsense", "../side", None])
def test_an_unknown_kind_makes_nothing(
    kind: Any, stand_in: Make, built: Make, finished: Job
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = finished
    desk.open("A")
    asyncio.run(drained(built(lambda: Exports(runner)), kind, desk))
    assert not (finished.folder / "exports").exists()


def test_strangers_get_no_files(stand_in: Make, built: Make, finished: Job) -> None:
    runner, desk = stand_in(space_id="me/space"), Session()
    runner.kept["A"] = replace(finished, owner="somebody")
    desk.visitor = visitor.fresh()
    desk.open("A")
    asyncio.run(drained(built(lambda: Exports(runner)), "sheet", desk))
    assert not (finished.folder / "exports").exists()


# -- what was found out


def found(insights: results.ResultAnalyses, job: Job) -> results.ResultAnalysis:
    while (seen := insights.of(job)) is None:
        threading.Event().wait(0.02)
    return seen


def test_a_result_is_looked_into_once(finished: Job) -> None:
    seen = found(results.ResultAnalyses(), finished)
    assert seen.audit is not None
    assert seen.motion is not None
    assert len(seen.motion["a"]["times"]) == len(seen.motion["a"]["values"])  # type: ignore[index, arg-type]
    again = results.ResultAnalyses().of(finished)
    assert again is not None, "read from the job's folder, at once"
    assert again.audit is not None
    assert again.audit.findings == seen.audit.findings
    assert (finished.folder / results.POSTER).exists()


def test_a_result_that_cannot_be_read_is_shown_all_the_same(finished: Job, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    seen = found(results.ResultAnalyses(), replace(finished, video=broken))
    assert seen.audit is None
    assert seen.motion is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"a": 1}'])
def test_what_lies_there_broken_is_measured_again(finished: Job, text: str) -> None:
    for name in (audits.NAME, results.MOTION):
        (finished.folder / name).write_text(text, "utf-8")
    seen = found(results.ResultAnalyses(), finished)
    assert seen.audit is not None
    assert seen.motion is not None
    assert len(seen.motion["a"]["times"]) > 1  # type: ignore[index, arg-type]


def test_a_job_without_a_result_has_nothing_to_look_into(job: Make) -> None:
    assert results.ResultAnalyses().of(job()) == results.ResultAnalysis()


def test_a_failure_about_the_files_is_explained_by_what_they_show(
    stand_in: Make, built: Make, finished: Job
) -> None:
    words = "No complete upper body detected in the video"
    trouble = Trouble("TaskFailed", "No upper body.", "Crop it.", "unknown", words, "video")
    failed = replace(finished, state="failed", video=None, trouble=trouble)
    analyses = results.ResultAnalyses()
    view: JobView = built(lambda: JobView(stand_in()))
    waiting = view.draw(Shown(failed))[view.trouble]["value"]
    assert "Looking at what the files show" in waiting
    explained = view.draw(Shown(failed, analysis=found(analyses, failed)))[view.trouble]["value"]
    assert "What the files show" in explained
    assert "Nobody was found" in explained
    other = replace(failed, trouble=replace(trouble, words="Failure to pass the risk control"))
    assert (
        "files show"
        not in view.draw(Shown(other, analysis=analyses.of(other)))[view.trouble]["value"]
    )


# -- takes


def test_takes_are_results_of_the_same_two_files(finished: Job, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(Path(finished.request.image).read_bytes()[:-1] + b"x")
    pro = replace(
        finished, job_id="B", request=replace(finished.request, model_name="kling-v3-0-pro")
    )
    stranger = replace(finished, job_id="C", request=replace(finished.request, image=other))
    running = replace(finished, job_id="D", video=None, state="processing")
    shown = results.takes(finished, [running, stranger, pro, finished], lambda job: None)
    assert [(take["id"], take["label"]) for take in shown] == [
        ("A", "Standard draft"),
        ("B", "Pro draft"),
    ]
    assert results.takes(finished, [stranger, finished], lambda job: None) == [], (
        "one alone is nothing to choose from"
    )


def test_labels_say_what_tells_takes_apart(finished: Job) -> None:
    turned = replace(finished, request=replace(finished.request, character_orientation="image"))
    paid = replace(finished, provider="novita")
    assert words.takes([finished, finished]) == ["Standard draft 1", "Standard draft 2"]
    assert words.takes([finished, paid]) == ["Standard draft", "Standard"]
    assert words.takes([finished, turned]) == [
        "Standard draft, like the clip",
        "Standard draft, like the picture",
    ]


# -- a task id

FORM: dict[str, Any] = {
    "image": "",
    "video": "",
    "character_orientation": "video",
    "model_name": "kling-v3-0-std",
    "prompt": "",
    "negative_prompt": "",
    "keep_original_sound": True,
}


def test_a_known_task_id_opens_its_job(stand_in: Make, built: Make, finished: Job) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = replace(finished, task_id="task-7")
    assert "Here it is" in built(lambda: TaskLookup(runner)).on_find(desk, " task-7 ", "", **FORM)
    assert desk.job_id == "A"


def test_an_unknown_one_is_adopted_only_by_the_open_job_in_doubt(
    stand_in: Make, built: Make, job: Make
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = job("A", state="unconfirmed")
    adopt = built(lambda: TaskLookup(runner))
    assert "Open the job" in adopt.on_find(desk, "task-8", "", **FORM)
    assert runner.done == []
    desk.open("A")
    assert "Here it is" in adopt.on_find(desk, "task-8", "", **FORM)
    assert runner.done == [("adopt", "A", "task-8", None)]


def test_one_that_was_sent_from_elsewhere_becomes_a_job_of_the_forms_files(
    stand_in: Make, built: Make, finished: Job
) -> None:
    runner, desk = stand_in(), Session()
    runner.kept["A"] = finished
    adopt = built(lambda: TaskLookup(runner))
    assert "into the form" in adopt.on_find(desk, "task-9", "sk-typed", **FORM)
    assert runner.done == []
    form = FORM | {
        "image": "hero.png",
        "video": "dance.mp4",
        "character_orientation": "image",
        "model_name": "kling-v3-0-pro",
        "prompt": "a studio",
    }
    assert "Here it is" in adopt.on_find(desk, "task-9", "sk-typed", **form)
    ((_, request, task_id, how),) = runner.done
    assert task_id == "task-9"
    assert (request.model_name, request.character_orientation, request.prompt) == (
        "kling-v3-0-pro",
        "image",
        "a studio",
    )
    assert how["key"].get_secret_value() == "sk-typed"
    assert desk.job_id == "NEW"


def test_a_task_of_somebody_else_is_not_found(stand_in: Make, built: Make, finished: Job) -> None:
    runner, desk = stand_in(space_id="me/space"), Session()
    desk.visitor = visitor.fresh()
    runner.kept["A"] = replace(finished, task_id="task-7", owner="somebody")
    assert "No job here" in built(lambda: TaskLookup(runner)).on_find(desk, "task-7", "", **FORM)
    assert desk.job_id == ""


# -- what happened on the way


def noted(*events: Any) -> tuple[JobNotes, list[int]]:
    asked: list[int] = []

    def history(job_id: str, *, after: int) -> list[tuple[int, Any]]:
        asked.append(after)
        return [(n, event) for n, event in enumerate(events, 1) if n > after]

    return JobNotes(SimpleNamespace(history=history), "01J"), asked  # type: ignore[arg-type]


def test_notes_are_shown_once_and_the_newest_stay(job: Make) -> None:
    lasting = [Note(text=text, lasting=True) for text in "ABCBD"]
    notes, asked = noted(*lasting)
    assert list(notes.read().now) == list(notes.read().now) == ["A", "C", "B", "D"]
    assert asked == [0, 5], "what was read is not read again"
    assert panel(job(), 0.0, None, notes.read())["notes"] == ["C", "B", "D"]


UNREAD = Note(text="The state could not be read: asking again.")
RUNNING = Processing(progress=10, queue_seconds=1.0, run_seconds=1.0)
DRAFT = Note(text="A local draft exists.", lasting=True)


@pytest.mark.parametrize(
    ("events", "now", "past"),
    [
        ([UNREAD], [UNREAD], []),
        ([UNREAD, StillRunning(hint="Resume it.")], [UNREAD], []),
        ([UNREAD, Note(text="The state can be read again.")], ["again"], [UNREAD]),
        ([UNREAD, RUNNING], [], [UNREAD]),
        ([DRAFT, UNREAD, RUNNING], [DRAFT], [UNREAD]),
        ([DRAFT, UNREAD, Succeeded(video=Path("v"), draft=False)], [DRAFT], [UNREAD]),
        ([UNREAD, RUNNING, UNREAD], [UNREAD], []),
    ],
)
def test_trouble_that_is_over_is_history(
    events: list[Any], now: list[Any], past: list[Any], job: Make
) -> None:
    def texts(notes: list[Any]) -> list[str]:
        return ["The state can be read again." if n == "again" else n.text for n in notes]

    shown = panel(job(), 0.0, None, noted(*events)[0].read())
    assert (shown["notes"], shown["past"]) == (texts(now), texts(past))
