"""What is kept for a visitor: its size, a copy that another home takes, and its removal as a whole."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import zoo
from helpers.scripted import File, ScriptedNovita
from pydantic import SecretStr

from kling_utils.jobs.client import Client
from kling_utils.settings import load
from kling_utils.studio.gallery import Gallery
from kling_utils.studio.kept import KeptPanel
from kling_utils.studio.session import Session
from kling_utils.studio.visitor import Visitor
from kling_utils.values import MotionRequest

Built = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def request_(novita: ScriptedNovita, tmp_path: Path) -> MotionRequest:
    clip = zoo.clip(tmp_path)
    novita.state.video = clip.read_bytes()
    address = novita.serve("/in/clip.mp4", File(clip.read_bytes()))
    return MotionRequest(zoo.image(tmp_path), address)


def made(client: Client, request_: MotionRequest, key: str, owner: str) -> str:
    job = client.submit(request_, key=SecretStr(key), owner=owner)
    job.wait(progress=False)
    return job.job_id


def test_a_copy_of_ended_jobs_is_taken_by_another_home(
    client: Client, novita: ScriptedNovita, request_: MotionRequest, tmp_path: Path
) -> None:
    job_id = made(client, request_, novita.key, "home")
    client.annotate(job_id, name="The best one", rating="favourite")
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    going = client.submit(request_, key=SecretStr(novita.key), again=True)
    assert client.backup(tmp_path / "copy.zip") == 1
    with zipfile.ZipFile(tmp_path / "copy.zip") as pack:
        names = pack.namelist()
        everything = b"".join(pack.read(name) for name in names)
        pack.extractall(tmp_path / "other")
    assert not any(going.job_id in name for name in names), "two homes would both go on with it"
    assert novita.key.encode() not in everything
    usage = client.usage()
    assert usage.jobs == 2
    assert usage.size_bytes > sum(
        path.stat().st_size for path in request_.image.parent.glob("*.png")
    )
    with Client(load(home=tmp_path / "other")) as other:
        job = other.record(job_id)
        assert (job.name, job.rating, job.state) == ("The best one", "favourite", "succeeded")
        assert job.video is not None
        assert job.video.read_bytes() == client.result(job_id).video.read_bytes()
        assert Path(job.request.video).is_file()


def test_all_of_a_visitors_data_goes_and_nobody_elses(
    client: Client, novita: ScriptedNovita, request_: MotionRequest, built: Built
) -> None:
    mine, other = Visitor("mine", hosted=True), Visitor("other", hosted=True)
    gone = made(client, request_, novita.key, mine.owner)
    stays = made(client, request_, novita.key, other.owner)
    novita.state.statuses = ["TASK_STATUS_PROCESSING"]
    going = client.submit(request_, key=SecretStr(novita.key), owner=mine.owner, again=True)
    next(event for event in going.events() if going.record.task_id)  # what is not sent goes, too

    def panels() -> KeptPanel:
        panel = KeptPanel(client)
        panel._gallery = Gallery(client)
        return panel

    panel, session = built(panels), Session()
    session.visitor = mine
    session.open(gone)
    opened = panel.on_open(session)[panel.sums]
    assert ">2<" in opened
    assert str(client.home.root) not in opened, "a stranger is told no path"
    asked = panel.on_ask(session)
    assert "Delete 2 videos" in asked[panel.answer]
    assert len(client.jobs()) == 3, "a question deletes nothing"
    folder = client.record(gone).folder
    said = panel.on_delete(session)
    assert "1 video deleted" in said[panel.answer]
    assert "1 video is under way or in doubt, and stays until it has ended." in said[panel.answer]
    assert {job.job_id for job in client.jobs()} == {stays, going.job_id}
    assert not folder.exists()
    assert session.job_id == "", "a job that is gone is not open"
    assert [item["id"] for item in said[panel._gallery.panel]["items"]] == [going.job_id]
