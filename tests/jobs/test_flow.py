"""What a user lives through, against a provider that misbehaves: one request, from submit to result."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import (
    BALANCE,
    POLL,
    SUBMIT,
    CutAfter,
    File,
    Reply,
    Reset,
    ScriptedNovita,
    Stall,
    refusal,
)
from PIL import Image
from pydantic import SecretStr
from sqlalchemy.event import listen

from kling_utils import errors
from kling_utils import events as ev
from kling_utils.jobs.client import ELSEWHERE, HERE, Client
from kling_utils.jobs.inputs import fingerprint
from kling_utils.jobs.timing import Pace
from kling_utils.media import encode, ffmpeg
from kling_utils.media.probe import probe_video
from kling_utils.providers.publish import PublishTarget
from kling_utils.values import MotionRequest, Published

QUICK = Pace(interval=0.01, adopt_every=0.05, late=0.02, mishap=0.01)


def run(runner: Client, request: MotionRequest, **given: Any) -> tuple[Any, list[ev.Event]]:
    """The result or the error, and every event."""
    seen: list[ev.Event] = []
    try:
        return runner.run(request, progress=seen.append, **given), seen
    except errors.KlingError as error:
        return error, seen


def notes(seen: list[ev.Event]) -> str:
    return " ".join(e.text for e in seen if isinstance(e, ev.Note))


def test_the_main_path(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, rendered: Path
) -> None:
    result, seen = run(runner, request_)
    assert [type(e).__name__ for e in seen if not isinstance(e, ev.Downloading)] == [
        "Checked",
        "Published",
        "Submitted",
        "Queued",
        "Processing",
        "Succeeded",
    ]
    assert result.video.read_bytes() == rendered.read_bytes()
    assert not result.draft
    assert result.job.money == "yes"
    (sent,) = novita.state.tasks.values()
    assert sent["video"] == request_.video
    assert sent["image"].startswith("data:image/png;base64,")
    assert sent["model_name"] == "kling-v3-0-std"
    assert sent["keep_original_sound"] is True
    assert "negative_prompt" not in sent


def test_a_read_time_out_on_submit_is_not_resent(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.submits.append(Stall())
    error, seen = run(runner, request_)
    assert isinstance(error, errors.SubmitUnconfirmed)
    assert error.money == "unknown"
    assert error.job_id
    assert novita.state.submit_count == 1
    assert isinstance(seen[-1], ev.Unconfirmed)
    again, _ = run(runner, request_)
    assert isinstance(again, errors.AlreadyHave)
    take, _ = run(runner, request_, again=True)
    assert isinstance(take, errors.AlreadyHave), "another take would not say that it is paid twice"
    assert "at your own risk of paying twice" in take.hint
    assert novita.state.submit_count == 1


def test_a_reset_on_submit_is_not_resent_and_can_be_dismissed(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.submits.append(Reset())
    error, _ = run(runner, request_)
    assert isinstance(error, errors.SubmitUnconfirmed)
    job = runner.dismiss(error.job_id or "")
    assert job.state == "failed"
    assert job.money == "unknown"
    again, _ = run(runner, request_)
    assert isinstance(again, errors.AlreadyHave), "it may have been paid for"
    assert novita.state.submit_count == 1
    result, _ = run(runner, request_, again=True)
    assert result.video.exists()
    assert novita.state.submit_count == 2


def test_five_500s_in_a_row_while_polling_still_succeed(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.polls.extend(
        Reply(500, {"code": 500, "reason": "GET_RESULT_FAILED", "message": "later"})
        for _ in range(5)
    )
    result, _ = run(runner, request_)
    assert result.video.exists()
    assert novita.state.submit_count == 1


def test_contact_that_stays_lost_is_a_note_and_not_the_end(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.polls.extend(Reply(502, "<html>bad gateway</html>") for _ in range(14))
    result, seen = run(runner, request_)
    assert result.video.exists()
    assert notes(seen).count("goes on at the provider") == 1
    assert notes(seen).count("can be read again") == 1, "and its end is told"


def test_an_unknown_status_keeps_polling_and_is_said_once(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = [
        "TASK_STATUS_QUEUED",
        *["TASK_STATUS_WARMING_UP"] * 4,
        "TASK_STATUS_SUCCEED",
    ]
    result, seen = run(runner, request_)
    assert result.video.exists()
    assert notes(seen).count("TASK_STATUS_WARMING_UP") == 1


def test_progress_never_goes_back(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    def processing(progress: int | None) -> Reply:
        return Reply(
            200,
            {"task": {"status": "TASK_STATUS_PROCESSING", "progress_percent": progress}},
        )

    novita.state.polls.extend(processing(p) for p in (30, 10, None, 60, 0))
    _, seen = run(runner, request_)
    told = [e.progress for e in seen if isinstance(e, ev.Processing) and e.progress is not None]
    assert told == sorted(told)
    assert told[0] == 30


def test_a_deadline_leaves_the_job_resumable(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    runner = make(pace=replace(QUICK, deadline=0.05))
    error, seen = run(runner, request_)
    assert isinstance(error, errors.StillRunning)
    assert isinstance(error, TimeoutError)
    assert isinstance(seen[-1], ev.StillRunning)
    assert error.job_id is not None
    assert error.job_id in error.hint
    runner.close()
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    other = make()
    other.resume(error.job_id)
    assert other.follow(error.job_id, progress=False).video.exists()
    assert novita.state.submit_count == 1


def test_queue_time_does_not_count(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = [*["TASK_STATUS_QUEUED"] * 12, "TASK_STATUS_SUCCEED"]
    result, _ = run(make(pace=replace(QUICK, deadline=0.01)), request_)
    assert result.video.exists()


class Meddler:
    """Collects events, and does something to the provider the moment the task exists."""

    def __init__(self, novita: ScriptedNovita, *acts: Any) -> None:
        self.novita, self.acts, self.seen = novita, acts, list[ev.Event]()

    def __call__(self, event: ev.Event) -> None:
        self.seen.append(event)
        if isinstance(event, ev.Submitted):
            self.novita.state.files[f"/results/{event.task_id}.mp4"].acts.extend(self.acts)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_link_is_refreshed_once(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, status: int
) -> None:
    novita.state.statuses = [*["TASK_STATUS_QUEUED"] * 3, "TASK_STATUS_SUCCEED"]
    meddler = Meddler(novita, Reply(status, ""))
    assert runner.run(request_, progress=meddler).video.exists()
    assert sum(n for path, n in novita.state.gets.items() if path.startswith("/results/")) == 2


def test_a_link_that_is_gone_for_good_is_a_failure_that_was_paid_for(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = [*["TASK_STATUS_QUEUED"] * 3, "TASK_STATUS_SUCCEED"]
    with pytest.raises(errors.StillRunning, match="ready and could not be saved so far"):
        runner.run(request_, progress=Meddler(novita, *[Reply(410, "")] * 400))
    (job,) = runner.jobs()
    while not runner.record(job.job_id).done:  # links live about an hour, and so long it is tried
        runner._store.wait(0.05)
    with pytest.raises(errors.LinkExpired) as caught:
        runner.result(job.job_id)
    assert caught.value.money == "yes"
    assert "Signature" not in str(caught.value)
    assert "Resume the job" in caught.value.hint
    for file in novita.state.files.values():
        file.acts.clear()
    job = runner.resume(
        caught.value.job_id or ""
    )  # it was paid for: who asks again gets another look
    assert runner.follow(job.job_id, progress=False).video.exists()
    assert novita.state.submit_count == 1


def test_a_link_that_does_not_work_yet_is_asked_again(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = [*["TASK_STATUS_QUEUED"] * 3, "TASK_STATUS_SUCCEED"]
    result = runner.run(
        request_, progress=Meddler(novita, Reply(404, ""), Reply(404, ""), Reply(403, ""))
    )
    assert result.video.exists()


def test_a_truncated_download_is_resumed_and_never_renamed(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, rendered: Path
) -> None:
    novita.state.statuses = [*["TASK_STATUS_QUEUED"] * 3, "TASK_STATUS_SUCCEED"]
    result = runner.run(request_, progress=Meddler(novita, CutAfter(5000), CutAfter(7000)))
    assert result.video.read_bytes() == rendered.read_bytes()
    assert not list(result.job.folder.glob(".*"))


def test_what_is_no_video_is_never_saved_as_the_result(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.video = b"<html>sign in</html>" * 100
    error, _ = run(make(), request_)
    assert isinstance(error, errors.StillRunning | errors.DownloadFailed)
    assert error.money == "yes"
    (job,) = make().jobs()
    assert job.trouble is not None
    assert "is not a video but a saved web page" in job.trouble.message, "what stands in the way"
    assert job.video is None
    assert not (job.folder / "result.mp4").exists()


def test_a_result_that_does_not_start_at_once_is_rewritten_for_the_browser(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, rendered: Path, tmp_path: Path
) -> None:
    late = tmp_path / "late.mp4"
    ffmpeg.run(
        [*ffmpeg.source(rendered), "-c", "copy", str(late)], timeout=30
    )  # the index comes last
    assert not encode.starts_at_once(late)
    novita.state.video = late.read_bytes()
    result, _ = run(runner, request_)
    assert encode.starts_at_once(result.video)
    assert probe_video(result.video).codec == "h264"


def test_a_shorter_result_is_said(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path, rendered: Path
) -> None:
    short = tmp_path / "short.mp4"
    ffmpeg.run(
        [
            *ffmpeg.source(rendered),
            "-t",
            "1.5",
            "-c",
            "copy",
            "-movflags",
            "+faststart",
            str(short),
        ],
        timeout=30,
    )
    novita.state.video = short.read_bytes()
    _, seen = run(runner, request_)
    assert "3.2 s were expected" in notes(seen)


def test_a_failure_has_the_providers_words_and_the_advice(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_FAILED"]
    novita.state.reason = "task failed: No complete upper body detected in the video"
    error, _ = run(runner, request_)
    assert isinstance(error, errors.TaskFailed)
    assert error.words == novita.state.reason
    assert error.field == "video"
    assert error.money == "unknown"
    assert error.hint
    assert error.task_id
    told = runner.job(str(error.job_id)).explanation
    assert told is not None
    assert [finding.code for finding in told.findings] == ["video.person"]
    assert told.use is None


def test_an_evidence_pack_has_all_of_a_failure_and_nothing_secret(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:
    novita.state.statuses = ["TASK_STATUS_FAILED"]
    novita.state.reason = "duration of continuous valid motion is too short, token=abcdef123"
    client = make()
    asked = replace(request_, prompt="a bright studio")
    error, _ = run(client, asked)
    path = client.job(str(error.job_id)).evidence(tmp_path / "pack.zip")
    with zipfile.ZipFile(path) as pack:
        names = set(pack.namelist())
        report, facts = pack.read("report.txt").decode(), json.loads(pack.read("report.json"))
        clip = next(name for name in names if name.startswith("reference."))
        assert hashlib.sha256(pack.read(clip)).hexdigest() == facts["files"][clip]["sha256"]
        everything = b"".join(pack.read(name) for name in names)
    assert {"report.txt", "report.json"} < names
    assert len(names) == 4, "picture and clip; there is no result"
    assert str(error.task_id) in report
    assert "duration of continuous valid motion is too short" in report
    assert "prompt: a bright studio" in report
    assert "[warning] Person in the clip" in report
    assert facts["request"]["prompt"] == "a bright studio"
    assert facts["job"]["task_id"] == error.task_id
    assert "charged: not known" in report
    assert (facts["charge"]["quoted_high"], facts["charge"]["charged"]) == ("0.504", None)
    signature = str(request_.video).partition("?")[2]
    assert signature, "the clip's address is signed"
    for secret in (novita.state.key or "", "abcdef123", str(tmp_path), signature):
        assert secret.encode() not in everything


def test_a_failure_that_is_not_about_the_files_has_no_explanation(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_FAILED"]
    novita.state.reason = "Failure to pass the risk control system"
    error, _ = run(runner, request_)
    assert runner.job(str(error.job_id)).explanation is None


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(403, "INVALID_API_KEY"), errors.KeyRefused),
        (refusal(403, "NOT_ENOUGH_BALANCE"), errors.BalanceTooLow),
        (refusal(400, "ILLEGAL_PROMPT"), errors.ModerationRefused),
        (refusal(400, "INVALID_REQUEST_BODY", "video: duration"), errors.InputRefused),
    ],
)
def test_a_considered_no_costs_nothing(
    runner: Client,
    novita: ScriptedNovita,
    request_: MotionRequest,
    reply: Reply,
    kind: type[errors.KlingError],
) -> None:
    novita.state.submits.append(reply)
    error, _ = run(runner, request_)
    assert isinstance(error, kind)
    assert error.money == "no"
    assert novita.state.submit_count == 1


def test_no_contact_means_nothing_left(make: Any, request_: MotionRequest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    error, _ = run(make(settings={"novita_base_url": f"http://127.0.0.1:{port}"}), request_)
    assert isinstance(error, errors.NoContact)
    assert error.money == "no"


def test_a_double_click_is_one_job(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    with ThreadPoolExecutor(6) as pool:
        jobs = list(pool.map(lambda _: runner.submit(request_), range(6)))
    assert len({job.job_id for job in jobs}) == 1
    runner.follow(jobs[0].job_id, progress=False)
    assert novita.state.submit_count == 1
    assert [p.name for p in (runner.home.root / "jobs").iterdir()] == [
        jobs[0].job_id
    ]  # no folder is left of the others


def test_what_was_given_by_its_address_is_given_so_again(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    first = runner.run(request_, progress=False).job
    assert not str(first.request.video).startswith("http"), "the job has its own copy"
    again = runner.as_given(first)
    assert again.video == request_.video
    assert not str(again.image).startswith("http")
    asked = novita.state.gets["/in/dance.mp4"]
    assert runner.preflight(
        **{name: getattr(again, name) for name in again.__dataclass_fields__}
    ).report.ok
    assert novita.state.gets["/in/dance.mp4"] == asked, (
        "what is here already is not fetched to be measured"
    )
    runner.run(again, again=True, progress=False)
    sent = [json.loads(seen.body)["video"] for seen in novita.state.seen if seen.path == SUBMIT]
    assert sent == [request_.video] * 2


def test_asking_again_shows_what_is_there_and_a_take_is_made_on_purpose(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    first, _ = run(runner, request_)
    same, seen = run(runner, request_)
    assert (same.video, seen) == (first.video, []), "what is there is returned"
    with pytest.raises(errors.AlreadyHave) as caught:
        runner.submit(request_)
    assert caught.value.job_id == first.job.job_id
    assert "USD" in caught.value.hint
    assert novita.state.submit_count == 1
    second, _ = run(runner, request_, again=True)
    assert second.job.take == 2
    assert novita.state.submit_count == 2
    other, _ = run(runner, replace(request_, prompt="at night"))  # something else was asked
    assert other.job.take == 1


def test_a_file_swapped_after_the_check_is_not_sent(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, picture: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.png"
    shutil.copyfile(picture, mine)
    request = replace(request_, image=mine)
    report = runner.check(request).report
    Image.effect_noise((360, 640), 90).convert("RGB").save(mine)
    with pytest.raises(
        errors.UnreadableMedia, match=r"image mine\.png changed after it was checked"
    ) as caught:
        runner.submit(request, report=report)
    assert caught.value.money == "no"
    assert caught.value.field == "image"
    assert novita.state.submit_count == 0
    assert runner.jobs() == []


def test_an_error_of_the_checks_stops_before_anything_is_kept(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(errors.Refused) as caught:
        runner.run(replace(request_, image=tmp_path / "empty.png"))
    assert caught.value.report.errors[0].field == "image"
    assert caught.value.money == "no"
    assert novita.state.submit_count == 0
    assert runner.jobs() == []


def test_a_local_clip_towards_novita_is_refused_before_anything_is_spent(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, clip: Path
) -> None:
    with pytest.raises(errors.NotPublished) as caught:
        runner.run(replace(request_, video=clip))
    assert caught.value.money == "no"
    assert "https" in caught.value.hint
    assert novita.state.submit_count == 0


def test_a_clip_that_is_gone_from_its_address_stops_the_job_unspent(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    runner.check(request_)
    novita.state.files["/in/dance.mp4"].acts.extend([Reply(404, "gone")] * 3)
    error, _ = run(runner, request_)
    assert error.money == "no"
    assert novita.state.submit_count == 0
    assert "Signature" not in str(error)


def test_a_visitors_key_is_not_on_the_disk_and_the_job_waits_for_it(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    without = {"novita_api_key": None}
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    first = make(settings=without)
    job = first.submit(request_, owner="alice", key=SecretStr(novita.key))
    for _, event in first.events(job.job_id):
        if isinstance(event, ev.Processing):
            break
    first.close()
    kept = b"".join(p.read_bytes() for p in first.home.root.rglob("*") if p.is_file())
    assert novita.key.encode() not in kept
    second = make(settings=without)
    second.watch()
    list(second.events(job.job_id))
    assert second.record(job.job_id).waits_for == "key"
    with pytest.raises(errors.KlingError, match="waits for its API key"):
        second.resume(job.job_id)
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    second.resume(job.job_id, key=SecretStr(novita.key))
    assert second.follow(job.job_id, progress=False).video.exists()
    assert novita.state.submit_count == 1


def test_a_key_is_not_sent_to_another_host(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    first = make()
    job = first.submit(request_)
    for _, event in first.events(job.job_id):
        if isinstance(event, ev.Processing):
            break
    first.close()
    with ScriptedNovita() as elsewhere:
        second = make(settings={"novita_base_url": elsewhere.base_url})
        with pytest.raises(errors.KlingError, match="NOVITA_BASE_URL says"):
            second.resume(job.job_id)
        assert elsewhere.state.poll_count == 0


def test_a_refused_key_while_polling_keeps_the_job(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.polls.append(refusal(403, "INVALID_API_KEY"))
    error, _ = run(runner, request_)
    assert isinstance(error, errors.StillRunning)
    (job,) = runner.jobs()
    assert job.waits_for == "key"
    runner.resume(job.job_id)
    assert runner.follow(job.job_id, progress=False).video.exists()


def test_a_task_that_stays_unknown_is_looked_for_a_day_and_then_on_request(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.polls.extend(refusal(404, "TASK_NOT_FOUND") for _ in range(1000))
    now = [1_800_000_000.0]
    runner = make(clock=lambda: now[0], pace=replace(QUICK, late=0.01))
    job = runner.submit(request_)
    for _, event in runner.events(job.job_id):
        if isinstance(event, ev.Note) and "does not know the task" in event.text:
            assert runner.record(job.job_id).state == "queued"
            now[0] += 23.9 * 3600
            break
    asked = len(novita.state.polls)
    while len(novita.state.polls) == asked:  # it still asks, hours later
        runner._store.wait(0.01)
    assert runner.record(job.job_id).state == "queued"
    now[0] += 3600
    seen = [event for _, event in runner.events(job.job_id)]
    with pytest.raises(errors.StillRunning) as caught:
        runner.result(job.job_id)
    assert caught.value.money == "yes"
    assert runner.record(job.job_id).waits_for == "resume"
    assert notes(seen).count("does not know the task") == 1
    novita.state.polls.clear()
    runner.resume(job.job_id)
    assert runner.follow(job.job_id, progress=False).video.exists()
    assert novita.state.submit_count == 1


def test_a_task_is_looked_at_once_more_after_days_of_sleep(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    def after(step: str) -> None:
        if step == "queued":
            now[0] += 3 * 86400.0

    now = [1_800_000_000.0]
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    result, _ = run(make(clock=lambda: now[0], after=after), request_)
    assert result.video.exists()


def test_a_task_that_is_unknown_for_a_moment_is_not_given_up(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.polls.extend(refusal(404, "TASK_NOT_FOUND") for _ in range(40))
    result, seen = run(make(), request_)
    assert result.video.exists()
    assert notes(seen).count("can be read again") == 1


def test_the_submit_and_the_result_follow_nobody_elsewhere_with_the_key(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    run(runner, request_)
    for seen in novita.state.seen:
        authorised = "authorization" in {name.lower() for name in seen.headers}
        assert authorised is (seen.path in (SUBMIT, POLL, BALANCE))


def test_a_job_on_its_way_cannot_be_deleted_and_a_finished_one_can(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    job = runner.submit(request_).record
    for _, event in runner.events(job.job_id):
        if isinstance(event, ev.Processing):
            break
    with pytest.raises(errors.StillRunning):
        runner.delete(job.job_id)
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    runner.follow(job.job_id, progress=False)
    runner.delete(job.job_id)
    assert runner.jobs() == []
    assert not job.folder.exists()


def test_two_processes_do_not_work_on_one_job(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = [*["TASK_STATUS_QUEUED"] * 5, "TASK_STATUS_SUCCEED"]
    first, second = make(), make()
    second.watch()
    job = first.submit(request_)
    assert second.submit(request_).job_id == job.job_id
    followed = [second.follow(job.job_id, progress=False), first.follow(job.job_id, progress=False)]
    assert followed[0].video == followed[1].video
    assert novita.state.submit_count == 1
    assert sum(n for path, n in novita.state.gets.items() if path.startswith("/results/")) == 1


def test_a_job_that_another_process_works_on_says_so_until_that_one_ends(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    first, second = make(), make()
    job = first.submit(request_)
    said: list[str] = []

    def hear(event: ev.Event) -> None:
        said.append(getattr(event, "text", ""))
        if said[-1] == ELSEWHERE:
            first.close()
            novita.state.statuses = ["TASK_STATUS_SUCCEED"]

    second.resume(job.job_id)
    assert second.follow(job.job_id, progress=hear).video.exists()
    notes = [text for text in said if text in (ELSEWHERE, HERE)]
    assert notes == [ELSEWHERE, HERE]


def test_a_hosted_page_ignores_its_owners_key(make: Any) -> None:
    runner = make(settings={"space_id": "me/studio"})
    assert runner.provider_for() == "local"
    assert runner.provider_for(SecretStr("sk_visitor")) == "novita"
    with pytest.raises(errors.SettingError):
        runner.balance()


def test_the_balance_is_the_free_test_of_a_key(runner: Client, novita: ScriptedNovita) -> None:
    assert str(runner.balance().available) == "12.50 USD"
    with pytest.raises(errors.KeyRefused):
        runner.balance(SecretStr("sk_wrong"))


def test_the_fingerprint_knows_every_field(request_: MotionRequest) -> None:
    """A new field of the request changes the fingerprint, or it would be answered with an old result."""
    marks = {
        fingerprint(request_, "a", "b"),
        fingerprint(request_, "A", "b"),
        fingerprint(request_, "a", "B"),
    }
    other = {
        "prompt": "x",
        "negative_prompt": "x",
        "model_name": "kling-v3-0-pro",
        "character_orientation": "image",
        "keep_original_sound": False,
    }
    assert set(other) | {"image", "video"} == {f.name for f in fields(MotionRequest)}
    marks |= {
        fingerprint(replace(request_, **{name: value}), "a", "b") for name, value in other.items()
    }
    assert len(marks) == 3 + len(other)
    assert (
        fingerprint(replace(request_, image="elsewhere.png"), "a", "b") in marks
    )  # names do not count, bytes do


class Shelf:
    """A host of local clips: the scripted server's own files."""

    def __init__(self, novita: ScriptedNovita, *, cut: int = 0) -> None:
        self.novita, self.cut, self.kept = novita, cut, list[Path]()

    def publish(self, path: Path) -> Published:
        self.kept.append(path)
        data = path.read_bytes()
        return Published(
            self.novita.serve(f"/shelf/{path.name}", File(data[: len(data) - self.cut])),
            None,
            "a shelf",
        )

    def withdraw(self, path: Path) -> None:
        self.kept = [
            kept for kept in self.kept if kept.read_bytes() != path.read_bytes()
        ]  # like a store, it knows contents


def test_a_local_clip_is_published_looked_at_and_taken_back(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, clip: Path
) -> None:
    runner = make()
    runner.page = shelf = Shelf(novita)
    result, seen = run(runner, replace(request_, video=clip))
    assert result.video.exists()
    assert [e.how for e in seen if isinstance(e, ev.Published)] == ["a shelf"]
    (sent,) = novita.state.tasks.values()
    assert sent["video"].startswith(f"{novita.base_url}/shelf/")
    assert sent["image"].startswith(f"{novita.base_url}/shelf/")
    assert shelf.kept == []


def test_an_address_that_does_not_serve_the_file_stops_the_job_unspent(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, clip: Path
) -> None:
    runner = make()
    runner.page = shelf = Shelf(novita, cut=10)
    error, _ = run(runner, replace(request_, video=clip))
    assert isinstance(error, errors.NotPublished)
    assert error.money == "no"
    assert novita.state.submit_count == 0
    assert shelf.kept == []


class LeavingStore(Client):
    """A runner whose object store leaves what it published, as with KLING_PUBLISH_DELETE off."""

    host: Shelf

    def ways(self, job: Any = None, *, hf_token: Any = None) -> list[PublishTarget]:
        return [PublishTarget(self.host, "the store", False, by_content=True)]


@pytest.mark.parametrize("refused", [True, False])
def test_what_was_published_for_a_refused_submit_is_taken_back_whatever_is_set(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, clip: Path, refused: bool
) -> None:
    runner = make(kind=LeavingStore)
    runner.host = shelf = Shelf(novita)
    if refused:
        novita.state.submits.append(refusal(403, "NOT_ENOUGH_BALANCE"))
    answer, _ = run(runner, replace(request_, video=clip))
    if refused:
        assert isinstance(answer, errors.BalanceTooLow)
        assert shelf.kept == []
    else:
        assert answer.video.exists()
        assert [path.stem for path in shelf.kept] == ["video", "image"]


# -- a task that was sent from elsewhere


def test_a_task_from_elsewhere_becomes_a_job_and_nothing_is_sent(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:
    elsewhere = make(settings={"home": tmp_path / "elsewhere"})
    elsewhere.follow(elsewhere.submit(request_).job_id, progress=False)
    (task_id,) = novita.state.tasks
    runner = make()
    job = runner.adopt_task(request_, f" {task_id} ")
    result = runner.follow(job.job_id, progress=False)
    assert result.video.exists()
    assert result.job.task_id == task_id
    assert novita.state.submit_count == 1
    assert runner.adopt_task(request_, task_id).job_id == job.job_id, "it has a job by now"
    assert len(runner.jobs()) == 1


def test_a_task_that_the_account_does_not_have_leaves_nothing(
    runner: Client, request_: MotionRequest
) -> None:
    with pytest.raises(errors.TaskNotFound):
        runner.adopt_task(request_, "task-of-nobody")
    with pytest.raises(errors.InvalidRequest):
        runner.adopt_task(request_, " ")
    assert runner.jobs() == []


def test_the_same_request_in_doubt_takes_the_task(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.submits.append(Stall())
    runner = make()
    error, _ = run(runner, request_)
    assert isinstance(error, errors.SubmitUnconfirmed)
    novita.state.tasks["found"] = {}
    novita.state.files["/results/found.mp4"] = File(novita.state.video)
    job = runner.adopt_task(request_, "found")
    assert job.job_id == error.job_id
    assert runner.follow(job.job_id, progress=False).video.exists()


def test_without_a_key_there_is_nobody_to_ask_for_a_task(
    make: Any, request_: MotionRequest
) -> None:
    with pytest.raises(errors.SettingError, match="no API key"):
        make(settings={"novita_api_key": None}).adopt_task(request_, "task")


def test_a_task_id_that_the_account_does_not_have_leaves_the_doubt(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.submits.append(Stall())
    runner = make()
    error, _ = run(runner, request_)
    with pytest.raises(errors.TaskNotFound) as caught:
        runner.adopt(error.job_id, "mistyped")
    assert caught.value.money == "unknown"
    assert runner.record(error.job_id).state == "unconfirmed"


# -- keys, and jobs that wait for one


def test_a_doubt_of_a_visitor_can_be_ended_after_a_restart_with_the_key(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    key, without = SecretStr(novita.key), {"novita_api_key": None}
    novita.state.submits.append(Stall())
    first = make(settings=without)
    job = first.submit(request_, owner="alice", key=key)
    list(first.events(job.job_id))
    first.close()
    second = make(settings=without)
    novita.state.tasks["found"] = {}
    novita.state.files["/results/found.mp4"] = File(novita.state.video)
    with pytest.raises(errors.KlingError, match="waits for its API key") as caught:
        second.adopt(job.job_id, "found")
    assert caught.value.money == "unknown"
    second.adopt(job.job_id, "found", key=key)
    assert second.follow(job.job_id, progress=False).video.exists()


def test_a_job_that_a_key_of_another_account_could_not_find_goes_on_with_the_right_one(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    without = {"novita_api_key": None}
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    first = make(settings=without)
    job = first.submit(request_, owner="alice", key=SecretStr(novita.key))
    next(event for _, event in first.events(job.job_id) if isinstance(event, ev.Processing))
    first.close()
    task_id, kept = next(iter(novita.state.tasks.items()))
    del novita.state.tasks[task_id]  # as a key of another account sees it
    second = make(settings=without)
    second.resume(job.job_id, key=SecretStr(novita.key))
    next(
        event
        for _, event in second.events(job.job_id)
        if isinstance(event, ev.Note) and "does not know the task" in event.text
    )
    assert second.record(job.job_id).money == "yes"
    novita.state.tasks[task_id] = kept
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    assert (
        second.adopt_task(request_, task_id, owner="alice", key=SecretStr(novita.key)).job_id
        == job.job_id
    )
    assert second.follow(job.job_id, progress=False).video.exists()
    assert novita.state.submit_count == 1


def test_dismissing_forgets_the_key_and_takes_the_files_back(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, clip: Path
) -> None:
    novita.state.submits.append(Stall())
    runner = make(settings={"novita_api_key": None})
    runner.page = shelf = Shelf(novita)
    job = runner.submit(replace(request_, video=clip), owner="alice", key=SecretStr(novita.key))
    list(runner.events(job.job_id))
    assert len(shelf.kept) == 2
    runner.dismiss(job.job_id)
    assert shelf.kept == []
    with pytest.raises(errors.KlingError, match="waits for its API key"):
        runner.send_again(job.job_id)


# -- nothing is lost on this side


def test_a_task_id_that_could_not_be_written_down_is_written_later(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, caplog: pytest.LogCaptureFixture
) -> None:
    def sent(step: str) -> None:
        if step == "submitted":
            listen(runner._store._read, "begin", full)

    def full(connection: Any) -> None:
        """The disk is full for one write."""
        if connection.get_execution_options().get("writes") and not failed:
            failed.append(True)
            raise OSError("no space left on device")

    failed: list[bool] = []
    runner = make(after=sent)
    result, _ = run(runner, request_)
    assert failed
    assert result.job.task_id in caplog.text
    assert novita.state.submit_count == 1


def test_a_job_that_is_on_its_way_is_not_deleted_and_money_is_told(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    job = runner.submit(request_)
    next(event for _, event in runner.events(job.job_id) if isinstance(event, ev.Processing))
    with pytest.raises(errors.StillRunning) as caught:
        runner.delete(job.job_id)
    assert caught.value.money == "yes"
    assert runner.record(job.job_id).state == "processing"


def test_a_job_that_is_deleted_while_it_is_published_is_not_sent_and_lends_nothing(
    make: Any, novita: ScriptedNovita, request_: MotionRequest, clip: Path
) -> None:
    def gone(step: str) -> None:
        if step == "published":
            runner.delete(runner.jobs()[0].job_id)
            over.set()

    over = threading.Event()
    runner = make(after=gone)
    runner.page = shelf = Shelf(novita)
    runner.submit(replace(request_, video=clip))
    assert over.wait(20)
    runner.close()
    assert novita.state.submit_count == 0
    assert shelf.kept == []


def test_a_job_that_a_dead_process_left_is_taken_up_by_who_follows_it(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    first = make()
    job = first.submit(request_)
    next(event for _, event in first.events(job.job_id) if isinstance(event, ev.Processing))
    first.close()
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    assert make().follow(job.job_id, progress=False).video.exists()


def test_an_end_takes_the_delay_back(
    make: Any, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    novita.state.statuses = [*["TASK_STATUS_PROCESSING"] * 6, "TASK_STATUS_SUCCEED"]
    runner = make(pace=replace(QUICK, deadline=0.0))
    job = runner.submit(request_)
    while not runner.record(job.job_id).done:
        list(runner.events(job.job_id))
    assert not runner.record(job.job_id).overdue
