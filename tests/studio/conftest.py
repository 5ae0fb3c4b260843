"""A runner whose jobs are told what to be, for panels: they render what a runner says, so this says it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from helpers.scripted import ScriptedNovita
from PIL import Image

from kling_utils.errors import NoSuchJob
from kling_utils.events import Event
from kling_utils.jobs.budget import Allowance, Limits
from kling_utils.jobs.client import Client
from kling_utils.jobs.home import Home
from kling_utils.jobs.listing import Group, Tally
from kling_utils.jobs.timing import Pace
from kling_utils.media import ffmpeg
from kling_utils.settings import load
from kling_utils.studio.page import Page
from kling_utils.values import Finding, Job, Money, MotionRequest, Quote, Report


class StandIn:
    """Jobs from a dictionary; what is done to them is written down."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = Home(home)
        self.settings = load(home=home, **settings)
        self.kept: dict[str, Job] = {}
        self.done: list[tuple[Any, ...]] = []
        self.looked: list[dict[str, Any]] = []
        self.findings: tuple[Finding, ...] = ()
        self.addresses: dict[str, Any] = {}

    def now(self) -> float:
        return time.time()

    limits = Limits()

    def allowance(self, owner: str = "home") -> Allowance | None:
        return None

    def paused(self, owner: str = "home") -> float | None:
        return None

    def periods(self, owner: str = "home") -> tuple[list[Any], list[Any]]:
        return [], []

    def charge(self, job_id: str) -> None:
        return None

    series: Any = None
    """The tries that every job belongs to."""

    def retakes_of(self, job_id: str) -> Any:
        return self.series

    def retake(self, job_id: str, **how: Any) -> None:
        self.done.append(("retake", job_id, how))

    def doubt(self, job_id: str, *, key: Any = None) -> str:
        return ""

    def provider_for(self, key: Any, *, owner: str = "home") -> str:
        return "novita" if key is not None else "local"

    def preflight(self, *, key: Any = None, draft: bool = False, **asked: Any) -> Any:
        key = None if draft else key
        asked.pop("owner", None)
        self.looked.append(asked)
        return SimpleNamespace(
            report=Report(self.findings),
            quote=self.price(asked, key),
            seconds=1.0,
            provider=self.provider_for(key),
        )

    def price(self, asked: dict[str, Any], key: Any) -> Quote:
        """Free here; with a key 0.126 or 0.168 a second."""
        rate = Decimal(
            "0" if key is None else "0.168" if asked["model_name"].endswith("pro") else "0.126"
        )
        return Quote(Decimal(10), Money(rate), Money(10 * rate), Money(10 * rate), "a test's price")

    def submit(self, request: MotionRequest, **how: Any) -> Job:
        self.done.append(("submit", request, how))
        made = replace(
            next(iter(self.kept.values())),
            job_id="NEW",
            state="checked",
            request=request,
            owner=how["owner"],
        )
        self.kept["NEW"] = made
        return made

    def delete(self, job_id: str, *, owner: str | None = None) -> None:
        self.done.append(("delete", job_id, owner))
        del self.kept[job_id]

    def record(self, job_id: str, *, owner: str | None = None) -> Job:
        job = self.kept.get(job_id)
        if job is None or (owner is not None and job.owner != owner):
            raise NoSuchJob("There is no such job.")
        return job

    def history(self, job_id: str, *, after: int = 0) -> list[tuple[int, Event]]:
        self.record(job_id)
        return []

    def as_given(self, job: Job) -> MotionRequest:
        return replace(job.request, **self.addresses)

    def jobs(
        self,
        *,
        owner: str | None = None,
        state: str | None = None,
        limit: int | None = 50,
        offset: int = 0,
        **_: Any,
    ) -> list[Job]:
        mine = [j for j in self.kept.values() if owner is None or j.owner == owner]
        mine = [j for j in mine if state in (None, j.state)]
        return mine[offset:] if limit is None else mine[offset : offset + limit]

    def tally(self, *, owner: str | None = None, **_: Any) -> Tally:
        mine = self.jobs(owner=owner)
        stands = [j for j in mine if j.state in ("failed", "unconfirmed") or j.waits_for]
        done = sum(j.state == "succeeded" for j in mine)
        drafts = sum(j.draft for j in mine)
        groups: dict[Group, int] = {
            "done": done,
            "stopped": len(stands),
            "going": len(mine) - done - len(stands),
            "draft": drafts,
            "kling": len(mine) - drafts,
        }
        return Tally(len(mine), groups)

    def reference(self, job: Job) -> Path:
        return Path(job.request.video)

    def resume(self, job_id: str, *, owner: str | None = None, key: Any = None) -> None:
        self.done.append(("resume", job_id, owner, key))

    def with_task(self, task_id: str, *, owner: str | None = None) -> Job | None:
        return next((job for job in self.jobs(owner=owner) if job.task_id == task_id), None)

    def adopt_task(self, request: MotionRequest, task_id: str, **how: Any) -> Job:
        self.done.append(("adopt_task", request, task_id, how))
        return replace(next(iter(self.kept.values())), job_id="NEW")

    def adopt(
        self, job_id: str, task_id: str, *, owner: str | None = None, key: Any = None
    ) -> Job | None:
        self.done.append(("adopt", job_id, task_id, owner))
        return self.kept.get(job_id)

    def dismiss(self, job_id: str, *, owner: str | None = None) -> None:
        self.done.append(("dismiss", job_id, owner))

    def send_again(self, job_id: str, *, owner: str | None = None, key: Any = None) -> None:
        self.done.append(("send_again", job_id, owner))


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., Any]:
    def make(**settings: Any) -> StandIn:
        return StandIn(tmp_path / "home", **settings)

    return make


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "who.png"
    Image.new("RGBA", (400, 600), (200, 30, 30, 128)).save(path)
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "moves.mp4"
    ffmpeg.run(
        ["-f", "lavfi", "-i", "testsrc2=s=320x480:r=24:d=1", *ffmpeg.H264, str(path)], timeout=60
    )
    return path


@pytest.fixture
def job(tmp_path: Path, picture: Path, clip: Path) -> Callable[..., Job]:
    def make(job_id: str = "A", owner: str = "home", **more: Any) -> Job:
        request = MotionRequest(picture, clip)
        facts: dict[str, Any] = {
            "provider": "local",
            "take": 1,
            "state": "processing",
            "created": 100.0,
            "updated": 100.0,
        } | more
        return Job(
            job_id=job_id,
            owner=owner,
            request=request,
            fingerprint=job_id,
            folder=tmp_path,
            image_name=picture.name,
            video_name=clip.name,
            duration=1.0,
            **facts,
        )

    return make


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))


@pytest.fixture
def novita() -> Iterator[ScriptedNovita]:
    with ScriptedNovita() as server:
        yield server


@pytest.fixture
def client(novita: ScriptedNovita, tmp_path: Path) -> Iterator[Client]:
    """A client whose provider is ``novita``."""
    settings = load(
        home=tmp_path / "home",
        novita_base_url=novita.base_url,
        private_hosts=frozenset({"127.0.0.1"}),
    )
    with Client(settings, pace=Pace(interval=0.01, adopt_every=0.05)) as made:
        yield made


@pytest.fixture
def built() -> Callable[[Callable[[], Any]], Any]:
    """Builds components. Inside a loop, because gradio makes one of its own, and leaves it open, where there is none."""

    def build(make: Callable[[], Any]) -> Any:
        async def inside() -> Any:
            with gr.Blocks():
                return make()

        return asyncio.run(inside())

    return build


def bound_page(client: Any) -> Page:
    """The panels of a page, bound to their events. Call it through ``built``."""
    with gr.Blocks() as blocks:
        page = Page(client)
        page.bind(blocks)
    return page
