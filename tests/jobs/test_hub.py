"""Jobs whose clip goes by Hugging Face: a repository for each, gone with the job, and a token that stays in memory."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.hub import TOKEN, ScriptedHub
from helpers.scripted import ScriptedNovita
from pydantic import SecretStr

from kling_utils import events as ev
from kling_utils.errors import NotPublished
from kling_utils.jobs.client import Client
from kling_utils.values import MotionRequest

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library's
GIVEN = SecretStr(TOKEN)


@pytest.fixture
def hub() -> Iterator[ScriptedHub]:
    with ScriptedHub() as server:
        yield server


@pytest.fixture
def local(clip: Path, picture: Path) -> MotionRequest:
    return MotionRequest(picture, clip)


def notes(client: Client, job_id: str) -> list[str]:
    return [e.text for _, e in client.history(job_id) if isinstance(e, ev.Note) and e.lasting]


def test_a_visitors_token_publishes_one_job_and_is_written_nowhere(
    make: Callable[..., Client],
    novita: ScriptedNovita,
    hub: ScriptedHub,
    local: MotionRequest,
    clip: Path,
    tmp_path: Path,
) -> None:
    got: list[bytes] = []

    def after(step: str) -> None:
        if step == "polled":
            (body,) = novita.state.tasks.values()
            with urllib.request.urlopen(body["video"]) as answer:
                got.append(answer.read())

    client = make(settings={"hf_endpoint": hub.base_url}, after=after)
    assert [f.code for f in client.check(local).report.errors] == ["request.address"]
    fields = {"image": local.image, "video": local.video}
    assert client.preflight(**fields, hf_token=GIVEN).report.ok
    job = client.submit(local, hf_token=GIVEN)
    assert job.wait(progress=False).video.is_file()
    assert got[0] == clip.read_bytes()
    assert (hub.state.repos, hub.state.deleted) == ({}, hub.state.made)
    assert notes(client, job.job_id) == []
    assert client._credentials.token(job.job_id) is None
    held = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert all(TOKEN.encode() not in each for each in held)


def test_the_owners_token_is_a_setting(
    make: Callable[..., Client], hub: ScriptedHub, local: MotionRequest
) -> None:
    settings = {"publish": "huggingface", "hf_endpoint": hub.base_url}
    with pytest.raises(NotPublished, match="HF_TOKEN is not set"):
        make(settings=settings).submit(local)
    client = make(settings={**settings, "hf_token": TOKEN})
    assert client.run(local, progress=False).video.is_file()
    assert len(hub.state.deleted) == 1


def test_a_job_that_lost_its_token_by_a_restart_names_what_is_left(
    make: Callable[..., Client], novita: ScriptedNovita, hub: ScriptedHub, local: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_QUEUED"]
    settings = {"hf_endpoint": hub.base_url}
    before = make(settings=settings)
    job = before.submit(local, hf_token=GIVEN)
    for _ in before.events(job.job_id, stop=lambda: job.state == "queued"):
        pass
    before.close()
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    after = make(settings=settings)
    assert after.follow(job.job_id, progress=False).video.is_file()
    (told,) = notes(after, job.job_id)
    assert "could not be taken back from Hugging Face" in told
    assert f"{hub.base_url}/datasets/{hub.state.made[0]} is still public" in told


def test_a_token_that_is_refused_ends_the_job_unspent(
    make: Callable[..., Client], novita: ScriptedNovita, hub: ScriptedHub, local: MotionRequest
) -> None:
    client = make(settings={"hf_endpoint": hub.base_url})
    job = client.submit(local, hf_token=SecretStr("hf_wrong"))
    with pytest.raises(NotPublished, match="does not know the token") as caught:
        job.wait(progress=False)
    assert (caught.value.money, novita.state.submit_count) == ("no", 0)
