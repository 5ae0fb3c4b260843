"""The command line as a shell sees it: what is on stdout, what on stderr, and the exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from helpers.scripted import File, HangUp, Hold, ScriptedNovita, bill
from PIL import Image

import kling_utils
from kling_utils import cli_words
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "dance.mp4"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x480:rate=25",
            "-t",
            "3.2",
            *ffmpeg.H264,
            "-preset",
            "ultrafast",
            str(path),
        ],
        timeout=60,
    )
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "hero.png"
    Image.effect_noise((360, 640), 60).convert("RGB").save(path)
    return path


@pytest.fixture
def novita(clip: Path) -> Iterator[ScriptedNovita]:
    with ScriptedNovita() as server:
        server.state.video = clip.read_bytes()
        yield server


@pytest.fixture
def address(novita: ScriptedNovita, clip: Path) -> str:
    return novita.serve("/in/dance.mp4", File(clip.read_bytes()))


Shell = Callable[..., subprocess.CompletedProcess[str]]


def environment(novita: ScriptedNovita, **more: str) -> dict[str, str]:
    known = {
        "NOVITA_API_KEY": novita.key,
        "NOVITA_BASE_URL": novita.base_url,
        "KLING_ALLOW_PRIVATE_HOSTS": "127.0.0.1",
        "KLING_POLL_INTERVAL": "0.05",
    }
    return {**os.environ, **known, **more}


@pytest.fixture
def shell(novita: ScriptedNovita) -> Shell:
    def call(*args: object, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kling_utils", *map(str, args)]
        return subprocess.run(
            command, env=environment(novita, **more), capture_output=True, text=True, timeout=120
        )

    return call


def interrupted(
    novita: ScriptedNovita,
    picture: Path,
    address: str,
    *more: str,
    at: str = "making the video",
    by: signal.Signals = signal.SIGINT,
) -> tuple[int, str, str]:
    """``run --json`` that gets a Ctrl-C, or another signal, when it says ``at``: exit code, stdout and stderr. The task never ends."""
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    command = [sys.executable, "-m", "kling_utils", "run", str(picture), address, *more, "--json"]
    with subprocess.Popen(
        command, env=environment(novita), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        heard = []
        for said in process.stderr:
            heard.append(said)
            if said.startswith(at):
                process.send_signal(by)
                break
        out, rest = process.communicate(timeout=60)
    return process.returncode, out, "".join(heard) + rest


def line(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one line of JSON that stdout holds."""
    (only,) = done.stdout.splitlines()
    parsed = json.loads(only)
    assert isinstance(parsed, dict)
    return parsed


def test_check_knows_that_a_clip_of_this_machine_cannot_get_there(
    shell: Shell, novita: ScriptedNovita, picture: Path, clip: Path
) -> None:
    done = shell("check", picture, clip)
    assert done.returncode == 1
    assert "Address of the clip" in done.stdout
    assert "KLING_PUBLISH_TO" in done.stdout
    assert shell("check", picture, clip, "--publish", "tunnel").returncode == 0, "there is a way"
    wrong = shell("check", picture, clip, "--publish", "tunel")
    assert (wrong.returncode, "must be tunnel" in wrong.stderr) == (2, True)
    assert shell("check", picture, clip, NOVITA_API_KEY="").returncode == 0, (
        "a draft needs no address"
    )


def test_check_prints_every_finding_and_sends_nothing(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str
) -> None:
    done = shell("check", picture, address, "--all")
    assert done.returncode == 0
    assert "[pass] Video length: 3.2 s (allowed: 3 to 30 s)" in done.stdout
    assert "about 0.38 to 0.50 USD" in done.stdout
    assert novita.state.submit_count == 0
    as_json = json.loads(shell("check", picture, address, "--json").stdout)
    assert as_json["ok"] is True
    assert as_json["report"]["findings"]


def test_check_lists_what_matters_and_counts_the_rest(
    shell: Shell, picture: Path, address: str, clip: Path
) -> None:
    said = shell("check", picture, address).stdout.splitlines()
    *found, count, nobody, no_person, usable, cost = said
    assert [each.partition(":")[0] for each in found] == [
        "[advice] Sound",
        "[warning] Video size for Kling",
    ]
    assert nobody.startswith("[warning] Person in the clip: Nobody was found")
    assert no_person.startswith("[warning] Person in the picture: Nobody was found")
    assert usable.startswith("No part of 3 s or more is usable: nobody is found all the time")
    assert count.startswith("1 warning, 1 piece of advice, ")
    assert count.endswith(" checks passed.")
    assert cost.startswith("Expected length: 3.2 s. Cost: about ")
    drafted = shell("check", picture, clip, NOVITA_API_KEY="").stdout
    assert "Cost: free (a local draft). Made on this computer, free of charge." in drafted


def test_check_without_advice_looks_at_the_format_only(
    shell: Shell, picture: Path, clip: Path
) -> None:
    assert "Nobody" not in shell("check", picture, clip, "--no-advice").stdout
    as_json = json.loads(shell("check", picture, clip, "--no-advice", "--json").stdout)
    assert as_json["advice"] is None


def test_a_span_that_is_none_is_refused_before_anything_is_sent(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str
) -> None:
    for wrong in ("5-2", "abc", "3"):
        done = shell("run", picture, address, "--span", wrong)
        assert done.returncode == 2
        assert f"--span {wrong} is no part of a clip" in done.stderr
    brief = shell("run", picture, address, "--span", "1-2.5")
    assert brief.returncode == 2
    assert "1 to 2.5 s are 1.5 s of the clip, and at least 3 are needed" in brief.stderr
    nobody = shell("run", picture, address, "--span", "clean")
    assert nobody.returncode == 2
    assert "No clean take of 3 s" in nobody.stderr
    assert novita.state.submit_count == 0


def test_check_of_a_wrong_pair_ends_with_1_and_says_all_of_it(
    shell: Shell, picture: Path, clip: Path
) -> None:
    done = shell("check", clip, picture)
    assert done.returncode == 1
    assert done.stdout.count("[error]") == 2


@pytest.mark.parametrize("command", ["doctor", "check"])
def test_without_ffmpeg_it_is_said_what_to_do(
    shell: Shell, picture: Path, clip: Path, command: str
) -> None:
    done = shell(
        command, *((picture, clip) if command == "check" else ()), IMAGEIO_FFMPEG_EXE="/nonexistent"
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    if command == "doctor":
        assert "ffmpeg could not be started: No such file" in done.stdout
        assert "Install imageio-ffmpeg again, and unset IMAGEIO_FFMPEG_EXE." in done.stdout


def test_where_no_ffmpeg_is_installed_doctor_says_so(shell: Shell, tmp_path: Path) -> None:
    nothing = "def get_ffmpeg_exe():\n    raise RuntimeError('No ffmpeg exe could be found.')\n"
    (tmp_path / "imageio_ffmpeg.py").write_text(nothing)
    done = shell("doctor", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "There is no ffmpeg on this machine. Install imageio-ffmpeg again" in done.stdout
    assert "Traceback" not in done.stderr


def test_run_json_is_one_line_and_progress_goes_to_stderr(
    shell: Shell, picture: Path, address: str, tmp_path: Path
) -> None:
    done = shell("run", picture, address, "--json", "--out", tmp_path / "out.mp4")
    said = line(done)
    assert done.returncode == 0
    assert said["state"] == "succeeded"
    assert said["video"] == str(tmp_path / "out.mp4")
    assert said["draft"] is False
    assert said["money"] == "yes"
    assert said["error"] is None
    assert said["task_id"]
    assert "accepted as task" in done.stderr
    assert (tmp_path / "out.mp4").stat().st_size > 1000
    listed = json.loads(shell("jobs", "--json").stdout)
    assert [job["job_id"] for job in listed] == [said["job_id"]]


def test_the_same_again_is_shown_and_not_sent_and_a_folder_gets_the_jobs_name(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str, tmp_path: Path
) -> None:
    first = line(shell("run", picture, address, "--json"))
    done = shell("run", picture, address, "--out", tmp_path)
    assert done.returncode == 0
    assert "You have this result already" in done.stderr
    assert done.stdout.strip() == str(tmp_path / f"{first['job_id']}.mp4")
    assert novita.state.submit_count == 1
    assert line(shell("run", picture, address, "--json", "--again"))["take"] == 2
    assert novita.state.submit_count == 2


def test_out_that_exists_is_refused_without_force_and_before_anything_is_spent(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.mp4"
    mine.write_text("keep me")
    done = shell("run", picture, address, "--out", mine, "--json")
    assert done.returncode == 2
    assert line(done)["error"]["money"] == "no"
    assert mine.read_text() == "keep me"
    assert novita.state.submit_count == 0
    assert shell("run", picture, address, "--out", mine, "--force").returncode == 0
    assert mine.stat().st_size > 1000


def test_trouble_of_this_machine_is_a_sentence_where_nothing_is_sent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended, cli_words.ending(True, costs=False):
        raise PermissionError(13, "Permission denied", "/full/of/it.mp4")
    said = capsys.readouterr()
    assert ended.value.exit_code != 70
    assert "/full/of/it.mp4 could not be used: Permission denied." in said.err
    assert json.loads(said.out)["money"] == "no"


def test_names_of_any_length_are_repaired_and_too_long_ones_are_told(
    shell: Shell, novita: ScriptedNovita, address: str, tmp_path: Path
) -> None:
    small = tmp_path / ("舞" * 83 + ".png")
    Image.effect_noise((280, 300), 60).convert("RGB").save(small)
    done = shell("run", small, address, "--fit", "--json")
    assert (done.returncode, line(done)["state"]) == (0, "succeeded"), done.stderr
    for command in (("run", small, address), ("compare", address, address)):
        told = shell(*command, "--out", tmp_path / ("舞" * 90 + ".mp4"), "--json")
        assert told.returncode == 2
        assert "274 bytes; at most 255" in told.stderr
        assert "Traceback" not in told.stderr
    assert novita.state.submit_count == 1


def test_out_is_no_input_and_says_what_it_is(
    shell: Shell, novita: ScriptedNovita, picture: Path, clip: Path, address: str, tmp_path: Path
) -> None:
    mine, same, own = tmp_path / "mine.png", tmp_path / "same.png", tmp_path / "own.mp4"
    mine.write_bytes(picture.read_bytes())
    own.write_bytes(clip.read_bytes())
    same.symlink_to(mine)
    for image, video, out in (
        (mine, address, mine),
        (same, address, mine),
        (mine, own, tmp_path / "." / "own.mp4"),
    ):
        done = shell("run", image, video, "--out", out, "--force")
        assert done.returncode == 2
        assert "never written over" in done.stderr
    wrong = shell("run", mine, address, "--out", tmp_path / "result.txt")
    assert (wrong.returncode, wrong.stderr.splitlines()[0]) == (
        2,
        "result.txt does not end in .mp4.",
    )
    assert (mine.read_bytes(), own.read_bytes()) == (picture.read_bytes(), clip.read_bytes())
    assert novita.state.seen == []


def test_a_finished_job_is_not_written_over_a_file_and_not_changed(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str, clip: Path, tmp_path: Path
) -> None:
    job = line(shell("run", picture, address, "--out", tmp_path, "--json"))
    saved, original = tmp_path / f"{job['job_id']}.mp4", tmp_path / "dance.mp4"
    saved.write_text("changed since")
    for args in (("run", picture, address), ("resume", job["job_id"])):
        done = shell(*args, "--out", tmp_path, "--json")
        assert (done.returncode, line(done)["money"], saved.read_text()) == (
            2,
            "yes",
            "changed since",
        )
    for option in (["--dismiss"], ["--send-again"], ["--task-id", "another"]):
        done = shell("resume", job["job_id"], *option, "--json")
        assert (done.returncode, line(done)["state"]) == (2, "succeeded")
        assert "has ended" in line(done)["error"]["message"]
    assert (
        shell(
            "resume", job["job_id"], "--task-id", job["task_id"], "--out", tmp_path, "--force"
        ).returncode
        == 0
    )
    assert saved.stat().st_size > 1000
    original.write_bytes(clip.read_bytes())
    kept = shell("resume", job["job_id"], "--out", original, "--force")
    assert (kept.returncode, "made of" in kept.stderr, original.read_bytes()) == (
        2,
        True,
        clip.read_bytes(),
    )
    assert novita.state.submit_count == 1


@pytest.mark.parametrize("command", ["jobs", "serve", "check"])
def test_a_home_that_is_none_is_2(
    shell: Shell, picture: Path, clip: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "file").touch()
    files = (picture, clip) if command == "check" else ()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        done = shell(command, *files, "--json", KLING_HOME=str(home))
        assert done.returncode == 2
        assert line(done)["error"]["code"] == "SettingError"
        assert "KLING_HOME" in line(done)["error"]["hint"]
        assert "Traceback" not in done.stderr


def test_a_hint_names_the_command(shell: Shell) -> None:
    assert "python -m kling_utils jobs" in shell("resume", "NO-SUCH-JOB").stderr


def test_refused_by_the_checks_is_1(
    shell: Shell, novita: ScriptedNovita, address: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").touch()
    done = shell("run", tmp_path / "empty.png", address, "--json")
    assert done.returncode == 1
    assert line(done)["error"]["field"] == "image"
    assert novita.state.submit_count == 0


def test_a_refusal_ends_with_what_to_do_and_has_every_error(
    shell: Shell, novita: ScriptedNovita, picture: Path, clip: Path
) -> None:
    done = shell("run", clip, picture, "--json")
    said = line(done)["error"]
    assert (
        said["message"] == "Not sent. Image file: a clip (MP4), not a picture (and 1 more error)."
    )
    assert [each["code"] for each in said["findings"]] == ["image.is_video", "video.is_image"]
    lines = done.stderr.splitlines()
    assert lines[-3:] == [said["message"], said["hint"], "Nothing was spent."]
    assert [each.partition(":")[0] for each in lines[:-3]] == [
        "[error] Video file",
        "2 errors, 2 checks passed.",
    ]
    assert novita.state.seen == []


def test_a_local_clip_with_a_key_is_1_with_what_to_do(
    shell: Shell, novita: ScriptedNovita, picture: Path, clip: Path
) -> None:
    done = shell("run", picture, clip, "--json")
    assert done.returncode == 1
    assert "https" in line(done)["error"]["hint"]
    assert novita.state.seen == []


@pytest.mark.parametrize(
    ("args", "more"),
    [
        (("run", "--character-orientation", "left"), {}),
        (("run", "--nonsense"), {}),
        (("run",), {"KLING_POLL_INTERVAL": "never"}),
        (("run",), {"NOVITA_API_KEY": "sk\nsecret"}),
        (("resume", "NO-SUCH-JOB"), {}),
    ],
)
def test_usage_is_2_and_json_all_the_same(
    shell: Shell, picture: Path, clip: Path, args: tuple[str, ...], more: dict[str, str]
) -> None:
    files = (picture, clip) if args[0] == "run" else ()
    done = shell(args[0], *files, *args[1:], "--json", **more)
    assert done.returncode == 2
    assert line(done)["error"]["money"] == "no"
    assert "secret" not in done.stdout + done.stderr


def test_failed_at_the_provider_is_3(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str
) -> None:
    novita.state.statuses, novita.state.reason = (
        ["TASK_STATUS_FAILED"],
        "Failure to pass the risk control system",
    )
    done = shell("run", picture, address, "--json")
    said = line(done)
    assert done.returncode == 3
    assert said["state"] == "failed"
    assert said["error"]["words"] == novita.state.reason
    assert said["video"] is None


def test_a_failure_about_the_content_names_what_the_files_show(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str
) -> None:
    novita.state.statuses = ["TASK_STATUS_FAILED"]
    novita.state.reason = "duration of continuous valid motion is too short"
    done = shell("run", picture, address, "--json")
    said = line(done)
    assert done.returncode == 3
    assert "What the files show: [warning] Person in the clip: " in done.stderr
    assert "video.person" in [finding["code"] for finding in said["error"]["findings"]]
    assert "Person in the clip" in shell("show", said["job_id"]).stdout


def test_unconfirmed_is_4_and_the_task_id_is_a_way_out(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str
) -> None:
    novita.state.submits.append(HangUp())
    done = shell("run", picture, address, "--json")
    said = line(done)
    assert done.returncode == 4
    assert said["state"] == "unconfirmed"
    assert said["money"] == "unknown"
    assert shell("run", picture, address, "--json").returncode == 4
    novita.state.tasks["found"] = {}
    novita.state.files["/results/found.mp4"] = File(novita.state.video)
    resumed = shell("resume", said["job_id"], "--task-id", "found", "--json")
    assert resumed.returncode == 0
    assert line(resumed)["state"] == "succeeded"
    assert novita.state.submit_count == 1


def test_a_task_that_was_sent_from_elsewhere_is_followed_and_saved(
    shell: Shell, novita: ScriptedNovita, picture: Path, clip: Path, tmp_path: Path
) -> None:
    novita.state.tasks["found"] = {}
    novita.state.files["/results/found.mp4"] = File(novita.state.video)
    done = shell(
        "run", picture, clip, "--task-id", "found", "--out", tmp_path / "out.mp4", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert (line(done)["task_id"], line(done)["state"]) == ("found", "succeeded")
    assert (tmp_path / "out.mp4").exists()
    assert novita.state.submit_count == 0
    assert shell("run", picture, clip, "--task-id", "nobodys").returncode == 3
    assert shell("run", picture, clip, "--task-id", "found", "--draft").returncode == 2


def test_still_running_is_5_and_resume_goes_on(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    done = shell("run", picture, address, "--json", KLING_DEADLINE="0.1")
    said = line(done)
    assert done.returncode == 5
    assert said["state"] == "processing"
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    resumed = shell("resume", said["job_id"], "--json")
    assert resumed.returncode == 0
    task = next(iter(novita.state.tasks))
    first = f"The job goes on at the provider as task {task}; it is looked at now."
    assert resumed.stderr.splitlines()[0] == first
    assert line(resumed)["video"]
    assert novita.state.submit_count == 1


def test_no_contact_is_6(shell: Shell, novita: ScriptedNovita, picture: Path, clip: Path) -> None:
    with ScriptedNovita() as other:
        address = other.serve("/in/dance.mp4", File(clip.read_bytes()))
        novita.close()
        done = shell("run", picture, address, "--json")
    assert done.returncode == 6
    assert line(done)["money"] == "no"


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_termination_keep_the_job(
    novita: ScriptedNovita, picture: Path, address: str, shell: Shell, by: signal.Signals
) -> None:
    code, out, err = interrupted(novita, picture, address, by=by)
    assert code == 130
    job = json.loads(out)
    assert job["state"] == "processing"
    assert f"resume {job['job_id']}" in err
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    assert shell("resume", job["job_id"]).returncode == 0
    assert novita.state.submit_count == 1


def started(novita: ScriptedNovita, picture: Path, address: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kling_utils", "run", str(picture), address, "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(novita), stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_termination_while_the_paid_call_is_answered_waits_for_the_answer(
    novita: ScriptedNovita, picture: Path, address: str, shell: Shell, by: signal.Signals
) -> None:
    held = Hold()
    novita.state.submits.append(held)
    with started(novita, picture, address) as process:
        assert held.arrived.wait(60)
        process.send_signal(by)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        held.answer.set()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    job = json.loads(out)
    assert (job["state"], job["task_id"]) == ("queued", next(iter(novita.state.tasks)))
    again = shell("run", picture, address, "--json")
    assert again.returncode == 0, again.stderr
    assert line(again)["job_id"] == job["job_id"]
    assert novita.state.submit_count == 1


def test_a_kill_while_the_paid_call_is_answered_leaves_a_doubt(
    novita: ScriptedNovita, picture: Path, address: str, shell: Shell
) -> None:
    held = Hold()
    novita.state.submits.append(held)
    with started(novita, picture, address) as process:
        assert held.arrived.wait(60)
        process.kill()
        process.communicate(timeout=60)
    held.answer.set()
    again = shell("run", picture, address, "--json")
    assert again.returncode == 4, again.stderr
    assert line(again)["money"] == "unknown"
    assert novita.state.submit_count == 1
    found = shell(
        "resume", line(again)["job_id"], "--task-id", next(iter(novita.state.tasks)), "--json"
    )
    assert found.returncode == 0, found.stderr
    assert novita.state.submit_count == 1


def test_compare_writes_what_the_ending_says_and_nothing_over_a_file(
    shell: Shell, clip: Path, picture: Path, tmp_path: Path
) -> None:
    done = shell(
        "compare",
        clip,
        clip,
        "--out",
        tmp_path / "both.mp4",
        "--layout",
        "triptych",
        "--image",
        picture,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == (tmp_path / "both.mp4").stat().st_size
    assert shell("compare", clip, clip, "--out", tmp_path / "both.mp4").returncode == 2
    page = shell("compare", clip, clip, "--out", tmp_path / "page.html", "--layout", "html")
    assert page.returncode == 0, page.stderr
    assert (tmp_path / "page.html").stat().st_size > 2 * clip.stat().st_size  # both clips are in it


@pytest.mark.parametrize(
    ("out", "layout"),
    [
        ("page.mp4", ["--layout", "html"]),
        ("page.html", ["--layout", "side"]),
        ("none/both.mp4", []),
        ("none/page.html", []),
    ],
)
def test_compare_writes_no_page_under_another_name_and_makes_no_folder(
    shell: Shell, clip: Path, tmp_path: Path, out: str, layout: list[str]
) -> None:
    assert shell("compare", clip, clip, "--out", tmp_path / out, *layout).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_the_name_alone_makes_a_page(shell: Shell, clip: Path, tmp_path: Path) -> None:
    assert shell("compare", clip, clip, "--out", tmp_path / "page.html").returncode == 0
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")


# -- repairs


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.bmp"
    Image.effect_noise((256, 256), 60).convert("RGB").save(path)
    return path


def test_a_repair_is_told_ahead_and_afterwards(shell: Shell, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    before = shell("fit", small, "--out", out, "--dry-run")
    assert before.stdout.splitlines()[0] == "- Would be converted from BMP to JPEG."
    assert all(each.startswith("- Would be ") for each in before.stdout.splitlines())
    assert not out.exists()
    after = shell("fit", small, "--out", out)
    assert after.stdout.splitlines()[0] == "- Converted from BMP to JPEG."
    assert after.stdout.splitlines()[-2:] == ["- Saved as JPEG, without metadata.", str(out)]
    with Image.open(out) as made:
        assert made.format == "JPEG"


def test_a_name_that_does_not_suit_is_refused_before_anything_is_said(
    shell: Shell, small: Path, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.png").mkdir()
    for file, out in (
        (small, "out.txt"),
        (clip, "out.txt"),
        (small, "none/out.png"),
        (small, "folder.png"),
        (small, "small.bmp"),
    ):
        done = shell("fit", file, "--out", tmp_path / out, "--force")
        assert (done.returncode, done.stdout) == (2, "")
    assert not (tmp_path / "none").exists()


def test_what_is_fine_is_copied_so_that_the_next_command_finds_it(
    shell: Shell, picture: Path, tmp_path: Path
) -> None:
    done = shell("fit", picture, "--out", tmp_path / "same.png", "--json")
    assert json.loads(done.stdout)["file"] == str(tmp_path / "same.png")
    assert "fine as it is" in done.stderr
    assert (tmp_path / "same.png").read_bytes() == picture.read_bytes()
    assert (
        shell("fit", picture, "--out", tmp_path / "same.jpg").returncode == 2
    )  # it would not be one


def test_a_mov_that_is_fine_becomes_what_the_name_says(shell: Shell, tmp_path: Path) -> None:
    source = tmp_path / "a.mov"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=360x480:rate=25",
            "-t",
            "3.2",
            *ffmpeg.H264,
            str(source),
        ],
        timeout=60,
    )
    assert shell("fit", source, "--out", tmp_path / "b.mp4").returncode == 0
    assert (probe_video(source).container, probe_video(tmp_path / "b.mp4").container) == (
        "mov",
        "mp4",
    )


def test_a_start_and_a_length_that_cannot_be_are_said(
    shell: Shell, clip: Path, tmp_path: Path
) -> None:
    late = shell("fit", clip, "--out", tmp_path / "a.mp4", "--start", "99", "--dry-run")
    assert "--start 99 leaves too little of the clip: it begins at 0.2 s." in late.stderr
    brief = shell("fit", clip, "--out", tmp_path / "a.mp4", "--length", "2", "--dry-run")
    assert "--length 2 is too short: 3 s are kept." in brief.stderr
    fine = shell(
        "fit", clip, "--out", tmp_path / "a.mp4", "--start", "0.1", "--length", "3", "--dry-run"
    )
    assert fine.stderr == ""


def test_a_part_of_a_picture_is_kept(shell: Shell, tmp_path: Path) -> None:
    picture, out = tmp_path / "a.png", tmp_path / "b.png"
    Image.new("RGB", (800, 1000), "teal").save(picture)
    done = shell("fit", picture, "--out", out, "--crop-to", "100,0,700,900")
    assert done.returncode == 0
    with Image.open(out) as kept:
        assert kept.size == (600, 900)
    wrong = shell("fit", picture, "--out", tmp_path / "c.png", "--crop-to", "100,0,700")
    assert wrong.returncode != 0
    assert "--crop-to 100,0,700 is no part of a picture." in wrong.stderr


def test_a_picture_is_turned(shell: Shell, tmp_path: Path) -> None:
    picture, out = tmp_path / "a.png", tmp_path / "b.png"
    lying = Image.new("RGB", (1000, 800), "teal")
    lying.paste("white", (0, 0, 100, 100))
    lying.save(picture)
    assert shell("fit", picture, "--out", out, "--turn-image", "90").returncode == 0
    with Image.open(out) as kept:
        assert kept.size == (800, 1000)
        assert kept.getpixel((790, 10)) == (255, 255, 255)
    wrong = shell("fit", picture, "--out", tmp_path / "c.png", "--turn-image", "45")
    assert wrong.returncode != 0
    assert "90, 180 or 270" in wrong.stderr


def test_run_repairs_first_when_asked_and_says_how_far_it_is(
    shell: Shell, novita: ScriptedNovita, small: Path, address: str, tmp_path: Path
) -> None:
    refused = shell("run", small, address, "--json")
    assert refused.returncode == 1
    done = shell(
        "run", small, address, "--fit", "--ground", "navy", "--out", tmp_path / "out.mp4", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert line(done)["state"] == "succeeded"
    assert novita.state.submit_count == 1
    assert "repairing, 100 %" in done.stderr.splitlines(), "plain lines in a pipe"
    assert "Enlarged from 256x256" in done.stderr, "and what was done"


def test_what_cannot_be_repaired_is_1_with_its_findings(
    shell: Shell, novita: ScriptedNovita, picture: Path, tmp_path: Path
) -> None:
    short = tmp_path / "short.mp4"
    ffmpeg.run(
        ["-f", "lavfi", "-i", "testsrc2=size=320x480:rate=25", "-t", "2", *ffmpeg.H264, str(short)],
        timeout=60,
    )
    done = shell("run", picture, short, "--fit", "--json")
    assert done.returncode == 1
    assert [found["field"] for found in line(done)["error"]["findings"]].count("video") == 1
    slowed = shell("run", picture, short, "--fit", "--slow", "--draft", "--json")
    assert line(slowed)["job_id"], "slowed down it can be tried"


def test_the_options_of_repair_belong_to_repair(shell: Shell, picture: Path, address: str) -> None:
    done = shell("run", picture, address, "--crop", "--json")
    assert done.returncode == 2
    assert "--fit" in done.stderr


def test_ctrl_c_before_anything_was_sent_says_so(
    shell: Shell, novita: ScriptedNovita, picture: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.mkv"
    source = "testsrc2=size=1280x720:rate=30,noise=alls=40:allf=t"
    ffmpeg.run(
        ["-f", "lavfi", "-i", source, "-t", "20", "-c:v", "mpeg2video", "-q:v", "3", str(large)],
        timeout=120,
    )
    code, out, err = interrupted(novita, picture, str(large), "--fit", at="repairing, 25 %")
    assert err.startswith("repairing, 25 %"), "nothing was said before"
    assert code == 130
    assert json.loads(out)["error"]["code"] == "Interrupted"
    assert json.loads(out)["money"] == "no"
    assert "nothing was sent" in err
    assert novita.state.submit_count == 0
    fitted = Path(os.environ["KLING_HOME"]) / "fitted"
    assert not [path for path in fitted.rglob("*") if path.is_file()], "nothing half-made is left"


def test_a_job_whose_key_is_missing_is_named_and_goes_on_without_this_program(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str
) -> None:
    job = json.loads(interrupted(novita, picture, address)[1])
    without = shell("resume", job["job_id"], "--json", NOVITA_API_KEY="")
    assert without.returncode == 5
    assert {"job_id": job["job_id"], "state": "processing", "money": "yes"}.items() <= line(
        without
    ).items()
    assert "NOVITA_API_KEY" in without.stderr


@pytest.mark.parametrize("trouble", ["truncated", "wal", "jobs", "workers"])
def test_the_doctor_says_what_is_wrong_with_a_home(
    shell: Shell, tmp_path: Path, trouble: str
) -> None:
    home = tmp_path / "home"
    assert shell("jobs", KLING_HOME=str(home)).returncode == 0
    database = home / "jobs.sqlite3"
    if trouble == "truncated":
        database.write_bytes(database.read_bytes()[:5000])
    elif trouble == "wal":
        wal = home / "jobs.sqlite3-wal"
        wal.unlink(missing_ok=True)
        wal.mkdir()
    else:
        shutil.rmtree(home / trouble)
        (home / trouble).write_text("a file")
    asked = shell("doctor", "--json", KLING_HOME=str(home))
    assert "Traceback" not in asked.stderr
    findings = json.loads(asked.stdout)["findings"]
    told = " ".join(f"{each['measured']} {each['fix']}" for each in findings)
    expected = {"truncated": "set aside", "wal": "-wal", "jobs": "jobs", "workers": "workers"}
    (home_said,) = [
        each
        for each in findings
        if each["field"].startswith("home.")
        or (each["field"] == "home" and each["severity"] == "error")
    ]
    assert expected[trouble] in home_said["measured"], told
    assert home_said["fix"]


@pytest.mark.parametrize("trouble", ["garbage", "newer", "folder"])
def test_trouble_of_the_database_is_a_sentence_and_the_doctor_works(
    shell: Shell, tmp_path: Path, trouble: str
) -> None:
    home = tmp_path / "home"
    assert shell("jobs", KLING_HOME=str(home)).returncode == 0
    database = home / "jobs.sqlite3"
    if trouble == "newer":
        with sqlite3.connect(database) as db:
            db.execute("UPDATE schema_version SET version = 99")
    else:
        database.unlink()
        database.write_bytes(b"garbage" * 1000) if trouble == "garbage" else database.mkdir()
    listed = shell("jobs", "--json", KLING_HOME=str(home))
    if trouble == "garbage":
        assert listed.returncode == 0
        assert "A damaged database was set aside as jobs.sqlite3.damaged-" in listed.stderr
    else:
        assert listed.returncode == 2
        assert line(listed)["money"] == "no"
        assert "Traceback" not in listed.stderr
    asked = json.loads(shell("doctor", "--json", KLING_HOME=str(home)).stdout)
    (told, *_) = [each for each in asked["findings"] if each["field"].startswith("home")]
    assert {"garbage": "set aside", "newer": "of version 99", "folder": "it is a folder"}[
        trouble
    ] in told["measured"]


def test_a_name_cannot_steer_the_terminal(shell: Shell, tmp_path: Path) -> None:
    name = "evil\x1b[2J\x1b]0;owned\x07\x9b31m.png"
    for more in ([], ["--json"]):
        done = shell("check", tmp_path / name, tmp_path / name, *more)  # it says what is not there
        said = done.stdout + done.stderr
        assert "evil" in said
        assert not set(said) & {"\x1b", "\x07", "\x9b"}


def test_a_variable_that_is_no_setting_is_told_of_once(shell: Shell, tmp_path: Path) -> None:
    done = shell("jobs", KLING_HOME=str(tmp_path / "home"), KLING_POL_INTERVAL="1")
    assert done.stderr.count("KLING_POL_INTERVAL") == 1, done.stderr
    assert "Did you mean KLING_POLL_INTERVAL?" in done.stderr


# -- many jobs


def left_unsent(novita: ScriptedNovita, picture: Path, address: str) -> None:
    """A job whose process was killed before it was sent."""
    crash = Path(__file__).parent / "jobs" / "crash.py"
    command = [sys.executable, str(crash), "stored", str(picture), address]
    done = subprocess.run(command, env=environment(novita), capture_output=True, timeout=60)
    assert done.returncode == 9, done.stderr


def in_colour(folder: Path, colour: str) -> Path:
    path = folder / f"{colour}.png"
    Image.new("RGB", (360, 640), colour).save(path)
    return path


def table(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_the_version_and_completion(shell: Shell, novita: ScriptedNovita) -> None:
    done = shell("--version")
    assert (done.returncode, done.stdout) == (0, f"kling-utils {kling_utils.__version__}\n")
    script = shell("--show-completion", "bash")
    assert "_KLING_UTILS_COMPLETE=complete_bash" in script.stdout, script.stderr
    called = "import sys; sys.argv[0] = 'kling-utils'; from kling_utils.cli import main; main()"
    asked = {
        "_KLING_UTILS_COMPLETE": "complete_bash",
        "COMP_WORDS": "kling-utils res",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", called],
        env=environment(novita, **asked, KLING_POL_INTERVAL="1"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(), done.stderr) == (["resume"], "")


def test_jobs_are_found_by_state_and_time_and_written_as_a_table(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str, tmp_path: Path
) -> None:
    said = line(shell("run", picture, address, "--prompt", 'a "red", coat', "--json"))
    left_unsent(novita, in_colour(tmp_path, "red"), address)
    unsent, sent = json.loads(shell("jobs", "--json").stdout)
    assert (unsent["state"], unsent["money"], unsent["queued"]) == ("checked", "no", None)
    assert sent == said
    assert sent["cost"] == {"low": "0.378", "high": "0.504", "currency": "USD"}
    asked = ("provider", "prompt", "model_name", "character_orientation", "money")
    assert [sent[name] for name in asked] == [
        "novita",
        'a "red", coat',
        "kling-v3-0-std",
        "video",
        "yes",
    ]
    times = [datetime.fromisoformat(sent[n]) for n in ("created", "queued", "finished")]
    assert times == sorted(times)
    assert times[0].tzinfo is not None
    assert [
        job["job_id"] for job in json.loads(shell("jobs", "--state", "succeeded", "--json").stdout)
    ] == [said["job_id"]]
    (row,) = table(shell("jobs", "--state", "succeeded", "--since", "1d", "--csv"))
    assert (row["prompt"], row["cost_high"], row["task_id"]) == (
        'a "red", coat',
        "0.504",
        said["task_id"],
    )
    found = json.loads(shell("jobs", "--text", "RED coat", "--rating", "none", "--json").stdout)
    assert [(job["job_id"], job["rating"], job["votes"]) for job in found] == [
        (said["job_id"], None, 0)
    ]
    assert shell("jobs", "--rating", "good").stderr.endswith("No such jobs.\n")
    assert table(shell("jobs", "--since", "2999-01-01", "--csv")) == []
    assert shell("jobs", "--since", "2999-01-01", "--csv").stdout.startswith("job_id,task_id,")
    first = shell("jobs", "--limit", "1")
    assert first.stdout.startswith(unsent["job_id"])
    assert "There are more than these 1; --limit N lists more." in first.stderr
    for wrong in (("--since", "tomorrow"), ("--state", "lost"), ("--csv", "--json")):
        assert shell("jobs", *wrong).returncode == 2


def test_one_job_is_shown_with_its_events_and_files(
    shell: Shell, picture: Path, address: str
) -> None:
    said = line(shell("run", picture, address, "--json"))
    job = line(shell("show", said["job_id"], "--json"))
    assert said.items() <= job.items()
    kinds = [each["kind"] for each in job["events"]]
    assert (kinds[0], kinds[-1]) == ("checked", "succeeded")
    assert all(datetime.fromisoformat(each["at"]) for each in job["events"])
    assert {"file": said["video"], "bytes": Path(said["video"]).stat().st_size} in job["files"]
    lines = shell("show", said["job_id"]).stdout.splitlines()
    assert lines[0] == f"{said['job_id']}  succeeded"
    assert f"  {'task':<16}{said['task_id']}" in lines
    assert f"accepted as task {said['task_id']}" in "".join(lines[lines.index("events") :])
    assert shell("show", "NO-SUCH-JOB", "--json").returncode == 2


def test_what_was_not_sent_is_sent_together_and_only_after_a_yes(
    shell: Shell, novita: ScriptedNovita, address: str, tmp_path: Path
) -> None:
    for colour in ("red", "blue"):
        left_unsent(novita, in_colour(tmp_path, colour), address)
    asked = shell("resume", "--all", "--json")
    assert asked.returncode == 2
    assert line(asked)["error"]["message"] == (
        "2 jobs to be sent, about 0.76 to 1.01 USD. Nothing was changed."
    )
    assert "resume --all --yes" in line(asked)["error"]["hint"]
    assert novita.state.submit_count == 0
    done = shell("resume", "--all", "--yes", "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    jobs = json.loads(done.stdout)
    assert [job["image"] for job in jobs] == ["red.png", "blue.png"]
    assert [job["video"] for job in jobs] == [str(tmp_path / f"{j['job_id']}.mp4") for j in jobs]
    assert novita.state.submit_count == 2
    again = shell("resume", "--all", "--yes")
    assert (again.returncode, again.stderr) == (0, "No job stands still.\n")


def test_what_is_past_its_time_is_watched_again_without_a_yes_and_a_doubt_is_left(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str, tmp_path: Path
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    late = line(shell("run", picture, address, "--json", KLING_DEADLINE="0.1"))
    novita.state.submits.append(HangUp())
    assert shell("run", in_colour(tmp_path, "red"), address).returncode == 4
    novita.state.statuses, novita.state.reason = ["TASK_STATUS_FAILED"], "no reason"
    done = shell("resume", "--all", "--json")
    (job,) = json.loads(done.stdout)
    assert (done.returncode, job["job_id"], job["state"]) == (3, late["job_id"], "failed")
    assert "1 job to be watched, free" in done.stderr
    assert novita.state.submit_count == 2


def test_a_job_that_cannot_go_on_does_not_hold_up_the_others(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str, tmp_path: Path
) -> None:
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    late = line(shell("run", picture, address, "--json", KLING_DEADLINE="0.1"))
    with ScriptedNovita() as other:
        other.state.video = novita.state.video
        left_unsent(
            other, in_colour(tmp_path, "red"), other.serve("/in/a.mp4", File(other.state.video))
        )
        done = shell(
            "resume",
            "--all",
            "--yes",
            "--json",
            NOVITA_BASE_URL=other.base_url,
            NOVITA_API_KEY=other.key,
        )
    assert [job["state"] for job in json.loads(done.stdout)] == ["processing", "succeeded"]
    assert (done.returncode, json.loads(done.stdout)[0]["error"]["code"]) == (5, "CannotServe")
    assert late["job_id"] in done.stderr


@pytest.mark.parametrize(
    "args",
    [(), ("--yes",), ("SOME-ID", "--all"), ("--all", "--dismiss"), ("--all", "--out", "one.mp4")],
)
def test_resume_is_told_which(shell: Shell, args: tuple[str, ...]) -> None:
    done = shell("resume", *args, "--json")
    assert done.returncode == 2
    assert line(done)["error"]["code"] == "InvalidRequest"


def hours_ago(hours: int) -> None:
    """What was sent is as old as that."""
    with sqlite3.connect(Path(os.environ["KLING_HOME"]) / "jobs.sqlite3") as db:
        db.execute("UPDATE ledger SET at = at - :s, ended_at = ended_at - :s", {"s": hours * 3600})


def test_what_was_paid_is_added_up_and_what_may_have_been_stands_apart(
    shell: Shell, novita: ScriptedNovita, picture: Path, clip: Path, address: str, tmp_path: Path
) -> None:
    assert shell("cost").stdout == "No job was paid.\n"
    assert line(shell("cost", "--json"))["total"] == []
    for more in ([], ["--model-name", "kling-v3-0-pro"]):
        assert shell("run", picture, address, *more).returncode == 0
    novita.state.submits.append(HangUp())
    assert shell("run", in_colour(tmp_path, "red"), address).returncode == 4
    left_unsent(novita, in_colour(tmp_path, "blue"), address)
    summed = line(shell("cost", "--by", "model_name", "--since", "1d", "--json"))
    assert [(each["group"], each["paid"], each["high"]) for each in summed["rows"]] == [
        ("kling-v3-0-pro", 1, "0.672"),
        ("kling-v3-0-std", 1, "0.504"),
    ]
    (total,) = summed["total"]
    assert (total["paid"], total["low"], total["high"]) == (2, "0.882", "1.176")
    assert (total["perhaps"], total["perhaps_low"], total["perhaps_high"]) == (1, "0.378", "0.504")
    (row,) = table(shell("cost", "--csv"))
    assert (row["group"], row["high"], row["perhaps_high"]) == ("total", "1.176", "0.504")
    told = shell("cost", "--by", "state")
    assert told.stdout.splitlines() == [
        "succeeded    2 jobs paid, about 0.88 to 1.18 USD",
        "unconfirmed  1 job perhaps paid, about 0.38 to 0.50 USD",
        "total        2 jobs paid, about 0.88 to 1.18 USD; 1 job perhaps paid, about 0.38 to 0.50 USD",
    ]
    assert "Quotes are estimates" in told.stderr
    (today,), (month,) = summed["today"], summed["month"]
    assert (today["group"], today["high"]) == ("today", "1.176")
    assert month["group"] == "this month"
    assert "Left of today's budget: 0.82 USD of 3.00 USD." in shell("cost", KLING_BUDGET="3").stdout
    jobs = table(shell("cost", "--by", "job", "--csv"))
    assert [(each["status"], each["quoted_high"], each["charged"]) for each in jobs] == [
        ("reserved", "0.504", ""),
        ("unknown", "0.504", ""),
        ("spent", "0.672", ""),
        ("spent", "0.504", ""),
    ]
    hours_ago(3)
    novita.state.bills = [bill(time.time() - 3 * 3600, "2.5"), bill(time.time() - 4 * 3600, "9")]
    assert "Account, this hour: " in shell("cost", "--by", "job").stdout
    assert table(shell("cost", "--by", "day", "--since", "2999-01-01", "--csv")) == []
    with sqlite3.connect(Path(os.environ["KLING_HOME"]) / "jobs.sqlite3") as db:
        db.execute(
            "UPDATE ledger SET low = NULL, high = NULL, currency = '' WHERE status = 'unknown'"
        )
    assert "1 job perhaps paid, cost not known" in shell("cost", "--by", "state").stdout


def test_the_budget_and_the_price_to_agree_to(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str, tmp_path: Path
) -> None:
    asking = shell("run", picture, address, KLING_CONFIRM_ABOVE="0.5")
    assert asking.returncode == 2
    assert "--yes" in asking.stderr
    assert novita.state.submit_count == 0
    left_unsent(novita, in_colour(tmp_path, "red"), address)
    left = json.loads(shell("jobs", "--json").stdout)[0]["job_id"]
    assert shell("resume", left, KLING_CONFIRM_ABOVE="0.5").returncode == 2
    assert novita.state.submit_count == 0
    limits = {"KLING_CONFIRM_ABOVE": "0.5", "KLING_BUDGET": "1.1"}
    assert shell("resume", left, "--yes", **limits).returncode == 0
    assert shell("run", picture, address, "--yes", **limits).returncode == 0
    over = shell("run", in_colour(tmp_path, "blue"), address, "--yes", "--json", **limits)
    assert over.returncode == 7
    assert (line(over)["error"]["code"], line(over)["money"]) == ("OverBudget", "no")
    assert "Nothing was spent." in over.stderr
    assert novita.state.submit_count == 2


def test_review_compares_any_two_clips(shell: Shell, shared_media: Path, tmp_path: Path) -> None:
    dance, result = shared_media / "video" / "dance_woman_4s.mp4", tmp_path / "mirrored.mp4"
    args = (*ffmpeg.source(dance), "-vf", "hflip,scale=320:-2", "-an", *ffmpeg.H264)
    ffmpeg.run([*args, "-preset", "ultrafast", f"file:{result}"], timeout=60)
    done = shell("review", str(dance), str(result), "--json")
    assert done.returncode == 0, done.stderr
    said = line(done)
    assert "left and right are swapped" in said["sentence"]
    assert said["score"] == said["fidelity"]["body"]["value"] < 75
    assert {limb["name"] for limb in said["fidelity"]["limbs"]} >= {"left arm", "right arm"}
    found = {f["code"]: f["severity"] for f in said["findings"]}
    assert found["result.motion"] == found["result.sound"] == "warning"
    plain = shell("review", str(dance), str(result))
    assert "[unknown] Motion in step: cannot be told" in plain.stdout
    titles = {f["code"]: f["title"] for f in said["findings"]}
    assert titles["result.person"] == "Person through the result", "no picture was given"
    short = tmp_path / "short.mp4"
    ffmpeg.run(
        [*ffmpeg.source(dance), "-t", "2", "-c", "copy", f"file:{short}"],
        timeout=60,
    )
    cut = shell("review", str(dance), str(short))
    assert "[warning] Length of the result" in cut.stdout
    asked = shell("review", str(dance), str(short), "--seconds", "2")
    assert "Length of the result" not in asked.stdout
    nothing = shell("review", str(dance), str(tmp_path / "none.mp4"))
    assert nothing.returncode == 1
    assert "is not there" in nothing.stderr


def test_sending_is_paused_and_goes_on(
    shell: Shell, novita: ScriptedNovita, picture: Path, address: str
) -> None:
    assert "Sending is paused: nothing more is sent or spent." in shell("pause").stdout
    code, _, told = interrupted(novita, picture, address, at="Sending is paused")
    assert code == 130
    assert novita.state.submit_count == 0, told
    again = json.loads(shell("pause", "--json").stdout)
    assert again["paused"] is True
    assert len(again["not_sent"]) == 1
    ended = shell("pause", "--end")
    assert "Sending goes on." in ended.stdout
    assert "1 job not sent yet." in ended.stderr
    assert novita.state.submit_count == 0, "its program has ended: only resume sends it"
