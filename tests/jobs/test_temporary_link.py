"""Jobs whose clip goes by a temporary link: fetched late and twice, closed at the end, and honest about a restart."""

from __future__ import annotations

import importlib
import os
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.frpc import StandIn, alive
from helpers.scripted import Reply, ScriptedNovita, refusal

from kling_utils import events as ev
from kling_utils.errors import NotPublished
from kling_utils.jobs.client import Client
from kling_utils.jobs.worker import LINK_ENDED
from kling_utils.providers.tunnel import HOW
from kling_utils.values import MotionRequest

TUNNEL = {"publish": "tunnel"}


@pytest.fixture
def frpc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn(tmp_path / "frpc")
    for module, name, value in made.settings():
        monkeypatch.setattr(importlib.import_module(module), name, value)
    return made


@pytest.fixture
def local(clip: Path, picture: Path) -> MotionRequest:
    return MotionRequest(picture, clip)


def fetched(novita: ScriptedNovita, field: str = "video") -> bytes:
    """What the provider gets at the address that it was given last."""
    body = list(novita.state.tasks.values())[-1]
    with urllib.request.urlopen(body[field]) as answer:
        return bytes(answer.read())


def notes(client: Client, job_id: str) -> list[str]:
    return [e.text for _, e in client.history(job_id) if isinstance(e, ev.Note)]


def test_the_provider_fetches_late_and_twice_and_the_link_ends_with_the_job(
    make: Callable[..., Client],
    novita: ScriptedNovita,
    frpc: StandIn,
    local: MotionRequest,
    clip: Path,
    picture: Path,
) -> None:
    got: list[bytes] = []

    def after(step: str) -> None:
        if step == "polled":
            got.append(fetched(novita))
        if step == "queued":
            got.append(fetched(novita, "image"))

    client = make(settings=TUNNEL, after=after)
    assert client.check(local).report.ok, "there is a way to the provider"
    result = client.run(local, progress=False)
    assert got[0] == picture.read_bytes()
    assert got[1:3] == [clip.read_bytes()] * 2
    assert all(not alive(pid) for pid in frpc.pids)
    assert len(frpc.pids) == 1
    told = [e for _, e in client.history(result.job.job_id) if isinstance(e, ev.Published)]
    assert [each.how for each in told] == [HOW]
    assert notes(client, result.job.job_id)[0].startswith("Opening a temporary link")
    assert LINK_ENDED not in notes(client, result.job.job_id)


def test_a_link_that_died_before_the_next_try_is_opened_anew(
    make: Callable[..., Client],
    novita: ScriptedNovita,
    frpc: StandIn,
    local: MotionRequest,
    clip: Path,
) -> None:
    novita.state.submits.append(Reply(429, "", {"Retry-After": "1"}))
    got: list[bytes] = []

    def after(step: str) -> None:
        if step == "submitting" and len(frpc.pids) == 1:  # of the try that is refused
            os.kill(frpc.pids[0], signal.SIGKILL)
            os.waitid(os.P_PID, frpc.pids[0], os.WEXITED | os.WNOWAIT)
        if step == "polled":
            got.append(fetched(novita))

    client = make(settings=TUNNEL, after=after)
    client.run(local, progress=False)
    assert got[0] == clip.read_bytes()
    assert len(frpc.pids) == 2


def test_a_restart_ends_the_link_and_the_job_says_so_and_goes_on(
    make: Callable[..., Client], novita: ScriptedNovita, frpc: StandIn, local: MotionRequest
) -> None:
    novita.state.statuses = ["TASK_STATUS_QUEUED"]
    before = make(settings=TUNNEL)
    job = before.submit(local)
    for _ in before.events(job.job_id, stop=lambda: job.state == "queued"):
        pass
    before.close()
    assert all(not alive(pid) for pid in frpc.pids)
    after = make()  # without the setting: the job knows by itself how its clip went
    novita.state.statuses = ["TASK_STATUS_SUCCEED"]
    result = after.follow(job.job_id, progress=False)
    assert notes(after, job.job_id).count(LINK_ENDED) == 1
    assert result.video.is_file()
    assert novita.state.submit_count == 1


def test_where_no_link_can_be_opened_nothing_is_sent_or_spent(
    make: Callable[..., Client], novita: ScriptedNovita, frpc: StandIn, local: MotionRequest
) -> None:
    frpc.told("refused")
    client = make(settings=TUNNEL)
    with pytest.raises(NotPublished, match="No temporary link") as caught:
        client.run(local, progress=False)
    assert caught.value.money == "no"
    assert "huggingface" in caught.value.hint
    assert novita.state.submit_count == 0


def test_a_refused_job_gives_its_link_up(
    make: Callable[..., Client], novita: ScriptedNovita, frpc: StandIn, local: MotionRequest
) -> None:
    novita.state.submits.append(refusal(400, "ILLEGAL_PROMPT"))
    client = make(settings=TUNNEL)
    job = client.submit(local)
    for _ in job.events():
        pass
    assert job.state == "failed"
    assert [alive(pid) for pid in frpc.pids] == [False]


def test_a_clip_at_its_own_address_opens_no_link(
    make: Callable[..., Client],
    novita: ScriptedNovita,
    frpc: StandIn,
    request_: MotionRequest,
) -> None:
    make(settings=TUNNEL).run(request_, progress=False)
    assert frpc.pids == []
    (body,) = novita.state.tasks.values()
    assert body["image"].startswith("data:"), "the picture goes along with the request"


def test_the_way_is_a_setting_with_a_closed_set_of_names(tmp_path: Path) -> None:
    from kling_utils.errors import SettingError

    with Client(home=tmp_path / "home", publish=" Tunnel ") as client:
        assert client.settings.publish == "tunnel"
    with pytest.raises(SettingError, match="KLING_PUBLISH_TO cannot be used: it must be tunnel"):
        Client(home=tmp_path / "home", publish="tunel")
