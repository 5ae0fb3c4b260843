"""A result is whole before the job has succeeded, in whatever container it came, and is fetched again when it is not."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import zoo
from helpers.scripted import Reply, ScriptedNovita, task_answer

from kling_utils import events as ev
from kling_utils.errors import DownloadFailed, TaskFailed, UnreadableMedia
from kling_utils.jobs.client import Client
from kling_utils.jobs.result_file import ResultFile
from kling_utils.media import ffmpeg
from kling_utils.media.fetch import Guard
from kling_utils.media.probe import damage, probe_video
from kling_utils.values import MotionRequest


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def noise(data: bytes) -> bytes:
    at = data.index(b"mdat") + 2048
    return data[:at] + random.Random(1).randbytes(len(data) - at)


@pytest.mark.parametrize("harm", [cut, noise])
def test_a_damaged_result_is_fetched_again_before_it_counts(
    runner: Client,
    novita: ScriptedNovita,
    request_: MotionRequest,
    rendered: Path,
    harm: Callable[[bytes], bytes],
) -> None:
    novita.state.statuses = [*["TASK_STATUS_QUEUED"] * 5, "TASK_STATUS_SUCCEED"]
    said: list[str] = []

    def hear(event: object) -> None:
        said.append(str(getattr(event, "text", "")))
        if isinstance(event, ev.Submitted):
            file = novita.state.files[f"/results/{event.task_id}.mp4"]
            file.acts.append(Reply(200, harm(rendered.read_bytes())))

    result = runner.run(request_, progress=hear)
    assert damage(result.video, probe_video(result.video)) == ""
    assert probe_video(result.video).frames == 80
    assert any("came damaged" in each for each in said)
    assert not (result.job.folder / "damaged.mp4").exists()
    assert novita.state.submit_count == 1


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("r.webm", ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"]),
        ("r.gif", []),
        ("r.mov", ["-c:v", "libx264", "-pix_fmt", "yuv420p"]),
    ],
)
def test_a_result_in_another_container_becomes_one_that_plays(
    runner: Client,
    novita: ScriptedNovita,
    request_: MotionRequest,
    rendered: Path,
    tmp_path: Path,
    name: str,
    codec: list[str],
) -> None:
    made = tmp_path / name
    ffmpeg.run(["-i", str(rendered), "-an", *codec, str(made)], timeout=60)
    novita.state.video = made.read_bytes()
    result = runner.run(request_, progress=False)
    assert result.video.name == "result.mp4"
    info = probe_video(result.video)
    assert (info.container, info.codec) == ("mp4", "h264")
    assert info.duration == pytest.approx(3.2, abs=0.1)
    kept = result.job.folder / f"received.{made.suffix[1:]}"
    assert kept.exists() == (name != "r.mov"), "kept where it was encoded again"
    assert not (result.job.folder / "received.mp4").exists()


def test_a_result_whose_file_was_removed_is_fetched_again(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    first = runner.run(request_, progress=False)
    first.video.unlink()
    with pytest.raises(DownloadFailed, match="not there any more") as caught:
        runner.result(first.job.job_id)
    assert (caught.value.money, caught.value.job_id) == ("yes", first.job.job_id)
    again = runner.run(request_, progress=False)
    assert again.job.job_id == first.job.job_id
    assert again.video.is_file()
    assert novita.state.submit_count == 1


def test_what_is_whole_has_no_damage(rendered: Path) -> None:
    assert damage(rendered, probe_video(rendered)) == ""


def test_a_success_that_becomes_a_failure_ends_the_job(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    answer = task_answer("", "TASK_STATUS_SUCCEED")  # without a link
    novita.state.polls.append(Reply(200, answer))
    novita.state.statuses = ["TASK_STATUS_FAILED"]
    novita.state.reason = "the encoder stopped"
    with pytest.raises(TaskFailed, match="the encoder stopped") as caught:
        runner.run(request_, progress=False)
    assert caught.value.money == "unknown"
    assert runner.jobs()[0].state == "failed"


@pytest.mark.parametrize("every", [False, True])
def test_a_result_finds_a_place_where_the_jobs_folder_was_removed(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest, rendered: Path, every: bool
) -> None:
    def hear(event: object) -> None:
        if isinstance(event, ev.Submitted):
            folder = runner.home.folder(runner.jobs()[0].job_id)
            shutil.rmtree(folder.parent if every else folder)
            novita.state.statuses = ["TASK_STATUS_SUCCEED"]

    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    result = runner.run(request_, progress=hear)
    assert result.video.read_bytes() == rendered.read_bytes()
    assert novita.state.submit_count == 1


def test_a_job_whose_files_were_removed_before_it_was_sent_ends_unspent(
    make: Callable[..., Client], novita: ScriptedNovita, request_: MotionRequest
) -> None:
    def after(step: str) -> None:
        if step == "stored":
            shutil.rmtree(runner.home.root / "jobs")

    runner = make(after=after)
    with pytest.raises(UnreadableMedia, match="cannot be read: No such file") as caught:
        runner.run(request_, progress=False)
    assert caught.value.money == "no"
    assert novita.state.submit_count == 0


def tail(data: bytes, share: float, fill: Callable[[int], bytes]) -> bytes:
    """The last ``share`` of the pictures and sound in an MP4 is something else."""
    _, at, size = next(box for box in zoo.boxes(data) if box[0] == b"mdat")
    count = int(size * share)
    return data[: at + size - count] + fill(count) + data[at + size :]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "mjpeg"])
@pytest.mark.parametrize("fill", [bytes, random.Random(1).randbytes], ids=["zeros", "noise"])
def test_a_tail_that_cannot_be_decoded_is_damage(
    tmp_path: Path, codec: str, fill: Callable[[int], bytes]
) -> None:
    path = zoo.clip(tmp_path, "film.mp4", seconds=3, codec=(codec,), sound=3)
    assert damage(path, probe_video(path)) == ""
    path.write_bytes(tail(path.read_bytes(), 0.015, fill))
    assert damage(path, probe_video(path))


@pytest.mark.parametrize("fill", [bytes, random.Random(1).randbytes], ids=["zeros", "noise"])
def test_sound_that_cannot_be_decoded_is_damage(
    tmp_path: Path, fill: Callable[[int], bytes]
) -> None:
    plain = zoo.clip(tmp_path, "film.mp4", seconds=3, sound=3)
    song = tmp_path / "song.mp4"
    ffmpeg.run(["-i", str(plain), "-vn", "-c", "copy", str(song)], timeout=20)
    whole, harmed = song.read_bytes(), tail(song.read_bytes(), 0.1, fill)
    song.write_bytes(harmed)
    assert whole != harmed
    path = tmp_path / "both.mp4"
    maps = ["-map", "0:v", "-map", "1:a", "-c", "copy", str(path)]
    ffmpeg.run(["-i", str(plain), "-i", str(song), *maps], timeout=20)
    assert "sound" in damage(path, probe_video(path))


def test_what_could_not_be_looked_at_in_time_is_said(
    runner: Client, request_: MotionRequest
) -> None:
    job = runner.run(request_, progress=False).job
    (job.folder / "result.mp4").rename(job.folder / "received.mp4")
    saver = ResultFile(
        lambda _: pytest.fail("it is there"),
        guard=Guard(),
        stopping=threading.Event(),
        after=lambda _: None,
        seconds=0.001,
    )
    result, notes = saver.save(job, None, lambda event: None)
    assert result.name == "result.mp4"
    assert ["could not be looked at to its end in time" in each.text for each in notes] == [True]
    assert notes[0].lasting
