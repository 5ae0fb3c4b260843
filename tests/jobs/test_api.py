"""What an experimenter guesses: inputs of every kind, live jobs, results that can be worked with, and filters."""

from __future__ import annotations

import asyncio
import io
import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import zoo
from helpers.engine import FakeEngine, make
from PIL import Image

import kling_utils as kling
from kling_utils.errors import InvalidRequest, NoSuchJob, StillRunning
from kling_utils.events import Processing, Succeeded
from kling_utils.jobs.inputs import as_file
from kling_utils.jobs.timing import moment
from kling_utils.media import ffmpeg
from kling_utils.providers.local import LocalProvider
from kling_utils.settings import load


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return make(tmp_path / "engine")


@pytest.fixture
def client(tmp_path: Path, engine: FakeEngine) -> Iterator[kling.Client]:
    home = tmp_path / "home"
    local = LocalProvider(home, command=engine.command)
    with kling.Client(load(home=home, poll_interval=0.05), local=local) as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return zoo.image(tmp_path), zoo.clip(tmp_path, seconds=3.2)


def test_image_and_video_and_their_fields_are_a_request(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    job = client.submit(*files, character_orientation="image", prompt="rain")
    assert job.request.prompt == "rain"
    assert job.request.character_orientation == "image"
    with pytest.raises(TypeError, match="promt"):
        client.submit(*files, promt="rain")
    with pytest.raises(InvalidRequest, match="The video is missing"):
        client.submit(files[0])
    with pytest.raises(TypeError, match="MotionRequest alone"):
        client.submit(kling.MotionRequest(*files), prompt="x")


def test_a_job_is_live(client: kling.Client, files: tuple[Path, Path], engine: FakeEngine) -> None:
    engine.mode("gate")
    job = client.submit(*files)
    assert job == client.job(job.job_id)
    assert job in client.jobs()
    assert (job.money, str(job.cost)) == ("no", "free (a local draft)")
    with pytest.raises(StillRunning, match=r"after 0\.2 s") as late:
        job.wait(timeout=0.2, progress=False)
    assert late.value.job_id == job.job_id
    with pytest.raises(StillRunning):
        _ = job.result
    assert not job.done
    engine.open()
    seen: list[Any] = []
    result = job.wait(progress=seen.append)
    assert job.state == "succeeded"
    assert isinstance(seen[-1], Succeeded)
    assert result.video == job.video
    assert not result.cached
    job.delete()
    with pytest.raises(NoSuchJob):
        _ = job.state


def test_watching_ends_and_the_job_goes_on(
    client: kling.Client, files: tuple[Path, Path], engine: FakeEngine
) -> None:
    engine.mode("gate")
    job, ended = client.submit(*files), threading.Event()

    def watch() -> None:
        for event in job.events():
            if isinstance(event, Processing):
                job.stop_watching()
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    assert ended.wait(20)
    assert job.state == "processing"
    engine.open()
    assert job.wait(progress=False).draft


def test_a_job_is_awaited_and_its_events_are_iterated(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    async def all_of_it() -> tuple[list[Any], kling.Result]:
        job = client.submit(*files)
        events = [event async for event in job]
        return events, await job

    events, result = asyncio.run(all_of_it())
    assert isinstance(events[-1], Succeeded)
    assert result.video.is_file()


def test_a_handle_is_pickled_and_prints_as_one_line(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    job = client.submit(*files)
    job.wait(progress=False)
    again = pickle.loads(pickle.dumps(job))  # noqa: S301
    assert again == job
    assert again.state == "succeeded"
    assert "\n" not in repr(job)
    assert job.job_id in job._repr_html_()
    again._client.close()


def test_the_card_of_a_job_follows_it_to_its_end(
    client: kling.Client, files: tuple[Path, Path], engine: FakeEngine
) -> None:
    engine.mode("gate")
    job, cards = client.submit(*files), list[dict[str, str]]()

    class Shown:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            cards.append(data)
            engine.open()

    job._follow_card(Shown())
    assert job.done
    assert len(cards) >= 2
    assert job.job_id in cards[0]["text/html"]
    assert "succeeded" in cards[-1]["text/plain"]


def test_what_is_there_already_is_returned_and_again_makes_another(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    first = client.run(*files, progress=False)
    same = client.run(*files, progress=False)
    assert (first.cached, same.cached) == (False, True)
    assert same.job.job_id == first.job.job_id
    other = client.run(*files, again=True, progress=False)
    assert other.job.take == 2


def test_a_result_is_saved_and_read(
    client: kling.Client, files: tuple[Path, Path], tmp_path: Path
) -> None:
    result = client.run(*files, progress=False)
    assert result.save(tmp_path / "x.mp4").read_bytes() == result.video.read_bytes()
    assert result.save(tmp_path).name == "figure - clip.mp4"
    frames = result.frames(fps=4)
    assert 12 <= len(frames) <= 14
    assert frames[0].shape == (480, 320, 3)
    with result.clip() as clip:
        assert clip.duration == pytest.approx(3.2, abs=0.1)
    assert result.stage().results == (result,)
    assert str(result.cost) == "free (a local draft)"


def test_all_that_is_known_before_is_one_value(
    client: kling.Client, files: tuple[Path, Path], tmp_path: Path
) -> None:
    before = client.check(*files)
    assert before
    assert before.quote is not None
    assert before.quote.free
    assert repr(before) == "Preflight(ok, free (a local draft))"
    assert not before.plan.required
    small = client.check(zoo.image(tmp_path, "small.png", size=(200, 200)), files[1])
    assert not small
    assert [finding.code for finding in small.errors] == ["image.side"]
    assert small.plan.required
    assert "200" in small._repr_html_()
    fixed = client.submit(zoo.image(tmp_path, "small.png", size=(200, 200)), files[1], fit=True)
    assert fixed.wait(progress=False).draft


@pytest.mark.parametrize("kind", ["path", "text", "file", "bytes", "pil", "array"])
def test_an_image_is_given_as_anything(
    client: kling.Client, files: tuple[Path, Path], kind: str, tmp_path: Path
) -> None:
    path = files[0]
    opened = Image.open(path)
    given: Any = {
        "path": path,
        "text": str(path),
        "file": path.as_uri(),
        "bytes": path.read_bytes(),
        "pil": opened,
        "array": np.asarray(opened),
    }[kind]
    before = client.check(given, files[1])
    assert before
    assert before.report.image is not None
    assert tuple(before.report.image.size) == opened.size
    kept = sorted(client.home.fetched.iterdir())
    client.check(given, files[1])
    assert sorted(client.home.fetched.iterdir()) == kept, "written once"


# moviepy leaves its own pipes open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_moviepy_clip_is_given_as_a_video(client: kling.Client, files: tuple[Path, Path]) -> None:
    from moviepy import VideoFileClip

    with VideoFileClip(str(files[1])) as clip:
        before = client.check(files[0], clip)
    assert before
    assert before.report.video is not None
    assert before.report.video.duration == pytest.approx(3.2, abs=0.1)


@pytest.mark.parametrize(
    ("value", "field", "says"),
    [
        (3, "image", "The image cannot be a int"),
        (np.zeros((2, 3, 5), "uint8"), "image", r"an array of \(2, 3, 5\)"),
        (np.zeros((9, 4, 4, 3), "uint8"), "video", "The video cannot be a ndarray"),
        (None, "video", "The video cannot be a NoneType"),
    ],
)
def test_what_is_no_input_is_told(tmp_path: Path, value: Any, field: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as told:
        as_file(value, field, tmp_path)
    assert "Give a path" in told.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_ending_of_bytes_is_their_own(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (9, 9)).save(data, "JPEG")
    assert Path(as_file(data.getvalue(), "image", tmp_path)).suffix == ".jpg"
    clip = zoo.clip(tmp_path, "c.mov").read_bytes()
    assert Path(as_file(clip, "video", tmp_path)).suffix == ".mov"


def test_jobs_are_filtered_and_become_a_table(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    client.run(*files, progress=False)
    client.run(*files, prompt="rain", progress=False)
    assert len(client.jobs(state="succeeded", since="1h")) == 2
    assert client.jobs(state="failed") == []
    assert client.jobs(since=client.now() + 60) == []
    frame = client.jobs().to_frame()
    assert list(frame["prompt"]) == ["rain", ""]
    assert list(frame["cost_high"]) == [0.0, 0.0]
    assert (frame["finished"] >= frame["created"]).all()
    assert client.jobs(limit=0).to_frame().empty


@pytest.mark.parametrize(
    ("since", "then"),
    [("90s", 910.0), ("2m", 880.0), ("0.5h", -800.0), (7, 7.0), (datetime.fromtimestamp(50), 50.0)],
)
def test_since_when(since: Any, then: float) -> None:
    assert moment(since, 1000.0) == then


def test_since_no_time_at_all() -> None:
    day = datetime(2026, 1, 31).timestamp()
    assert moment("2026-01-31", 0.0) == day
    with pytest.raises(InvalidRequest, match="'yesterday' is no time"):
        moment("yesterday", 0.0)


def test_a_client_takes_settings_by_their_names(tmp_path: Path) -> None:
    with kling.Client(home=tmp_path / "home", api_key="sk-x", poll_interval=3) as made:
        key = made.settings.novita_api_key
        assert key is not None
        assert key.get_secret_value() == "sk-x"
        assert made.settings.poll_interval == 3
    with pytest.raises(TypeError, match="hom"):
        kling.Client(hom=tmp_path)
    with pytest.raises(TypeError, match="by its name"):
        kling.Client(load(home=tmp_path), poll_interval=3)


def test_one_call_each(client: kling.Client, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, video = (kling.probe(path) for path in files)
    assert (type(image).__name__, type(video).__name__) == ("ImageInfo", "VideoInfo")
    small = zoo.image(tmp_path, "small.png", size=(200, 200))
    made = kling.fit(small)
    assert made.image == small.with_suffix(".fit.png")
    with pytest.raises(InvalidRequest, match="needs no repair"):
        kling.fit(files[0])
    result = client.run(*files, progress=False)
    both = kling.compare(result, out=tmp_path / "both.mp4")
    two = kling.compare(result, replace(result), tmp_path / "two.mp4")
    for path in (both, two):
        found = kling.probe(path)
        assert found.size.width > found.size.height


def test_any_two_clips_are_judged_and_the_card_says_how_the_motion_is_followed(
    shared_media: Path, tmp_path: Path
) -> None:
    dance, mirrored = shared_media / "video/dance_woman_4s.mp4", tmp_path / "mirrored.mp4"
    how = ["-vf", "hflip,scale=480:-2", *ffmpeg.H264, "-preset", "ultrafast", str(mirrored)]
    ffmpeg.run(["-i", str(dance), *how], timeout=60)
    found = kling.judge(dance, mirrored)
    assert found.fidelity is not None
    assert "left and right are swapped" in found.fidelity.sentence
    card = found._repr_html_()
    assert "left and right are swapped" in card
    assert "Ready to send" not in card


def test_a_printed_check_says_where_the_content_is_told(
    client: kling.Client, files: tuple[Path, Path]
) -> None:
    assert ".advice" in str(client.check(*files))


def test_amounts_add_and_compare() -> None:
    from decimal import Decimal

    one, two = kling.Money(Decimal("0.5")), kling.Money(Decimal(2))
    assert sum([one, two]) == kling.Money(Decimal("2.5"))
    assert one < two <= two
    with pytest.raises(ValueError, match="USD and CNY"):
        _ = one + kling.Money(Decimal(1), "CNY")
