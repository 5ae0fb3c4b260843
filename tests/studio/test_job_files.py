"""Files of jobs are served under tokens, which die with the job."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kling_utils.settings import load
from kling_utils.studio import routes
from kling_utils.studio.gallery import Gallery
from kling_utils.studio.gate import Gate
from kling_utils.studio.session import Session
from kling_utils.studio.visitor import Tokens
from kling_utils.values import Job


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[routes.job_files()]))


@pytest.fixture
def done(tmp_path: Path, clip: Path, job: Callable[..., Job]) -> Job:
    folder = tmp_path / "jobs" / "A"
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / "result.mp4"
    shutil.copyfile(clip, result)
    return replace(job(state="succeeded"), folder=folder, video=result)


def test_a_clip_can_be_sought_in_and_asked_about(client: TestClient, done: Job) -> None:
    assert done.video is not None
    url = routes.url(done, done.video)
    assert url == routes.url(done, done.video), "the browser keeps what it has"
    whole = client.get(url)
    assert whole.content == done.video.read_bytes()
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    head = client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


def test_what_the_file_may_do_is_still_said_behind_the_gate(done: Job, tmp_path: Path) -> None:
    assert done.video is not None
    known = load(home=tmp_path / "home")
    inner = Starlette(routes=[routes.job_files()])
    gate = TestClient(
        Gate(inner, settings=known, tokens=Tokens(known.home)), base_url="http://localhost"
    )
    got = gate.get(routes.url(done, done.video))
    assert got.status_code == 200
    policies = got.headers.get_list("content-security-policy")
    assert policies == ["sandbox", "frame-ancestors 'self' https://huggingface.co"]


def test_what_is_saved_has_its_name(client: TestClient, done: Job) -> None:
    assert done.video is not None
    got = client.get(routes.url(done, done.video, "dancer groove.mp4", saved=True))
    assert got.headers["content-disposition"].startswith("attachment")
    assert "dancer%20groove.mp4" in got.headers["content-disposition"]


def test_a_page_that_was_made_is_never_opened_here(client: TestClient, done: Job) -> None:
    for name in ("page.html", "drawn.svg"):
        made = done.folder / name
        made.write_text("<script>alert(1)</script>")
        got = client.get(routes.url(done, made))
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize("path", ["x/result.mp4", "../jobs/A/result.mp4", "A/result.mp4", "/"])
def test_a_token_that_is_none(client: TestClient, done: Job, path: str) -> None:
    assert client.get(f"{routes.JOB_FILES}/{path}").status_code == 404


def urls(value: Any) -> list[str]:
    """All addresses in what the page shows."""
    if isinstance(value, dict):
        return [u for each in value.values() for u in urls(each)]
    if isinstance(value, list | tuple):
        return [u for each in value for u in urls(each)]
    return [value] if isinstance(value, str) and value.startswith(routes.JOB_FILES) else []


def test_what_only_a_deleted_job_uses_is_gone_at_once(
    client: TestClient, done: Job, picture: Path, stand_in: Callable[..., Any], built: Any
) -> None:
    made = done.folder / "made.gif"
    made.write_bytes(b"GIF89a")
    runner = stand_in()
    runner.kept["A"] = done
    shown = [
        built(lambda: Gallery(runner)).value(Session()),
        routes.data(done, made),
        routes.data(done, picture),
    ]
    told = urls(shown)
    assert len(told) >= 4
    assert [client.get(url).status_code for url in told] == [200] * len(told)
    shutil.rmtree(done.folder)
    assert [client.get(url).status_code for url in told] == [404] * len(told)
    assert routes.data(done, done.video) is None


def test_an_address_begins_where_the_page_lies(done: Job) -> None:
    assert done.video is not None
    routes.ROOT.set("https://studio.example.org/app")
    try:
        url = routes.url(done, done.video)
        assert url.startswith("https://studio.example.org/app/gradio_api/media/job/")
    finally:
        routes.ROOT.set("")
