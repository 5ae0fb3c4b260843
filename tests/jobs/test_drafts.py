"""The same road without a key: this home's own server, the real engine, a real person."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import File, ScriptedNovita

from kling_utils import errors
from kling_utils import events as ev
from kling_utils.jobs.client import Client
from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video
from kling_utils.settings import load
from kling_utils.values import MotionRequest


@pytest.fixture(scope="module")
def dance(shared_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shortest legal take of a real dance, small, with its sound."""
    path = tmp_path_factory.mktemp("clips") / "dance.mp4"
    scale = ["-vf", "scale=400:-2,fps=15", *ffmpeg.H264, "-preset", "ultrafast", "-c:a", "aac"]
    ffmpeg.run(
        [
            *ffmpeg.source(shared_media / "video" / "dance_woman_4s.mp4"),
            "-t",
            "3.1",
            *scale,
            str(path),
        ],
        timeout=60,
    )
    return path


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "home"


@pytest.fixture
def drafts(home: Path) -> Iterator[Client]:
    with Client(load(home=home, poll_interval=0.2)) as runner:
        yield runner


def test_a_draft_is_made_without_a_key(drafts: Client, shared_media: Path, dance: Path) -> None:
    request = MotionRequest(
        shared_media / "image" / "fullbody_man.png", dance, character_orientation="video"
    )
    seen: list[ev.Event] = []
    result = drafts.run(request, progress=seen.append)
    info = probe_video(result.video)
    assert result.draft
    assert result.job.money == "no"
    assert str(result.job.cost) == "free (a local draft)"
    assert (info.codec, info.pixel_format, info.audio_codec) == ("h264", "yuv420p", "aac")
    assert min(info.size) == 720
    assert info.duration == pytest.approx(3.1, abs=0.2)
    told = [e.progress for e in seen if isinstance(e, ev.Processing)]
    assert told == sorted(told, key=lambda p: p or 0)
    with pytest.raises(errors.AlreadyHave):
        drafts.submit(request)


def test_no_person_fails_with_klings_own_kind_of_reason(
    drafts: Client, shared_media: Path, dance: Path
) -> None:
    with pytest.raises(errors.TaskFailed) as caught:
        drafts.run(
            MotionRequest(shared_media / "image" / "no_person_camera.png", dance), progress=False
        )
    assert (
        caught.value.words
        == "Image recognition failed. No complete upper body detected in the image"
    )
    assert caught.value.field == "image"
    assert caught.value.money == "no"


def test_checking_renders_nothing(drafts: Client, home: Path, picture: Path, clip: Path) -> None:
    assert drafts.check(MotionRequest(picture, clip)).ok
    assert not (home / "renders").exists()


def test_a_draft_on_purpose_costs_nothing_where_a_key_is_set(
    home: Path, shared_media: Path, novita: ScriptedNovita, dance: Path, drafts: Client
) -> None:
    known: dict[str, Any] = {"novita_api_key": novita.key, "novita_base_url": novita.base_url}
    with Client(load(home=home, poll_interval=0.05, **known)) as paid:
        image = shared_media / "image" / "no_person_camera.png"
        assert (
            paid.preflight(image=image, video=dance, draft=True).quote
            == drafts.preflight(image=image, video=dance).quote
        )
        with pytest.raises(errors.TaskFailed, match="Image recognition failed") as caught:
            paid.run(MotionRequest(image, dance), draft=True, progress=False)
        job = paid.record(caught.value.job_id or "")
        assert job.draft
        assert job.money == "no"
    assert novita.state.seen == []


def test_a_key_that_is_set_later_makes_another_job_and_says_so(
    drafts: Client, home: Path, shared_media: Path, novita: ScriptedNovita, dance: Path
) -> None:
    image = shared_media / "image" / "fullbody_man.png"
    draft = drafts.run(MotionRequest(image, dance), progress=False).job
    known: dict[str, Any] = {
        "novita_api_key": novita.key,
        "novita_base_url": novita.base_url,
        "private_hosts": frozenset({"127.0.0.1"}),
    }
    with Client(load(home=home, poll_interval=0.02, **known)) as paid:
        address = novita.serve("/in/dance.mp4", File(dance.read_bytes()))
        job = paid.submit(MotionRequest(image, address))
        assert job.job_id != draft.job_id
        assert job.fingerprint == draft.fingerprint
        assert not job.draft
        assert "A local draft of the same request exists" in " ".join(
            e.text for _, e in paid.events(job.job_id) if isinstance(e, ev.Note)
        )
        assert not paid.result(job.job_id).draft
    assert novita.state.submit_count == 1


def test_a_hosted_visitor_has_two_drafts_waiting_at_most(
    home: Path, shared_media: Path, dance: Path
) -> None:
    going = threading.Event()
    settings = load(home=home, space_id="me/studio", poll_interval=0.2)

    def held(step: str) -> None:
        if step == "submitting":
            going.wait(60)

    with Client(settings, after=held) as hosted:
        requests = [
            MotionRequest(shared_media / "image" / "fullbody_man.png", dance, prompt=str(n))
            for n in range(6)
        ]

        def ask(request: MotionRequest) -> str:
            try:
                return hosted.submit(request, owner="alice").state
            except errors.KlingError as error:
                return f"{error.message} {error.money}"

        with ThreadPoolExecutor(6) as visitors:  # all at once
            answers = list(visitors.map(ask, requests))
        assert sorted(answers) == ["You have 2 drafts waiting already. no"] * 4 + ["checked"] * 2
        assert len(hosted.jobs(owner="alice")) == 2
        assert hosted.submit(requests[0], owner="bob").owner == "bob"
        going.set()
