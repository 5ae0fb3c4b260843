"""A clip, a picture, a scripted provider, and runners that are quick: real sockets, real files, small waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import File, ScriptedNovita
from PIL import Image

from kling_utils.jobs.client import Client
from kling_utils.jobs.timing import Pace
from kling_utils.media import ffmpeg
from kling_utils.providers.http import Transport
from kling_utils.settings import load
from kling_utils.values import MotionRequest

QUICK = Pace(interval=0.01, adopt_every=0.05, late=0.02, mishap=0.01)

Make = Callable[..., Client]


def encode(path: Path, *source: str, seconds: float = 3.2) -> Path:
    ffmpeg.run(
        [*source, "-t", str(seconds), *ffmpeg.H264, "-preset", "ultrafast", str(path)], timeout=60
    )
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3.2 s, 320x480, 25 frames a second, with a tone."""
    sound = ["-f", "lavfi", "-i", "sine=frequency=440"]
    return encode(
        tmp_path_factory.mktemp("clips") / "dance.mp4",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x480:rate=25",
        *sound,
    )


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the provider gives back: as long as the clip."""
    return encode(
        tmp_path_factory.mktemp("clips") / "result.mp4",
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=320x480:rate=25",
    )


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "hero.png"
    Image.effect_noise((360, 640), 60).convert("RGB").save(path)
    return path


@pytest.fixture
def novita(clip: Path, rendered: Path) -> Iterator[ScriptedNovita]:
    with ScriptedNovita() as server:
        server.state.video = rendered.read_bytes()
        yield server


@pytest.fixture
def request_(novita: ScriptedNovita, clip: Path, picture: Path) -> MotionRequest:
    """A local picture and a clip at an address."""
    return MotionRequest(
        picture, novita.serve("/in/dance.mp4", File(clip.read_bytes())), prompt="a bright studio"
    )


@pytest.fixture
def make(novita: ScriptedNovita, tmp_path: Path) -> Iterator[Make]:
    """Runners on one home that talk to the scripted provider; closed at the end."""
    made: list[Client] = []

    def one(
        *,
        kind: type[Client] = Client,
        pace: Pace = QUICK,
        settings: dict[str, Any] | None = None,
        **given: Any,
    ) -> Client:
        known: dict[str, Any] = {
            "novita_api_key": novita.key,
            "novita_base_url": novita.base_url,
            "home": tmp_path / "home",
            "private_hosts": frozenset({"127.0.0.1"}),
        }
        # short time-outs: what never answers is noticed at once
        wire = Transport(
            rng=random.Random(1),
            wait=lambda seconds: False,
            read_timeout=0.3,
            submit_timeout=0.3,
            per_minute=None,
        )
        made.append(
            kind(
                load(**{**known, **(settings or {})}),
                pace=pace,
                transport=given.pop("transport", wire),
                **given,
            )
        )
        return made[-1]

    yield one
    for runner in made:
        runner.close()


@pytest.fixture
def runner(make: Make) -> Client:
    return make()
