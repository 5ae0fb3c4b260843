"""Bad input at all three doors: in Python, on the command line and on the page, each with a sentence and a next step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import zoo

from kling_utils import cli
from kling_utils.jobs.client import Client
from kling_utils.settings import load
from kling_utils.show import cards

Make = Callable[[Path], Path]
AWKWARD: list[tuple[str, str, Make]] = [
    ("zero bytes", "image", lambda to: zoo.written(to, "a.png")),
    ("text named .mp4", "video", lambda to: zoo.written(to, "a.mp4", "hello")),
    ("truncated picture", "image", lambda to: zoo.beginning(zoo.image(to), 0.5)),
    ("truncated clip", "video", lambda to: zoo.beginning(zoo.clip(to), 0.5)),
    ("heic", "image", zoo.heic),
    ("cmyk", "image", lambda to: zoo.image(to, "a.jpg", mode="CMYK", kind="JPEG")),
    ("16 bits", "image", zoo.deep_image),
    ("20000 x 20000", "image", zoo.bomb),
    ("audio only", "video", zoo.sound_only),
    (
        "playlist named .mp4",
        "video",
        lambda to: zoo.written(to, "a.mp4", "#EXTM3U\n#EXTINF:3,\nb.mp4\n"),
    ),
    ("one frame", "video", lambda to: zoo.clip(to, seconds=0.04)),
    ("120 frames a second", "video", lambda to: zoo.clip(to, rate="120")),
    (
        "odd sides",
        "video",
        lambda to: zoo.clip(to, size="321x481", codec=("libx264", "-pix_fmt", "yuv444p")),
    ),
    ("png named .jpg", "image", lambda to: zoo.image(to, "a.jpg")),
    ("a picture as the clip", "video", lambda to: zoo.image(to, "b.png")),
    ("a clip as the picture", "image", lambda to: zoo.clip(to, "b.mp4")),
    ("a name beyond ASCII", "image", lambda to: zoo.written(to, "näcken ☂.png")),
    ("not there", "video", lambda to: to / "gone.mp4"),
]


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Client]:
    with Client(load(home=tmp_path / "home")) as made:
        yield made


@pytest.mark.parametrize(("what", "place", "build"), AWKWARD, ids=[row[0] for row in AWKWARD])
def test_every_door_says_what_it_is_and_what_to_do(
    what: str,
    place: str,
    build: Make,
    runner: Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    bad = build(tmp_path / "in")
    image, video = (bad, zoo.clip(tmp_path)) if place == "image" else (zoo.image(tmp_path), bad)

    found = [
        f
        for f in runner.preflight(image=image, video=video).report.findings
        if f.severity != "pass" and f.field == place
    ]
    assert found, what
    assert all(f.measured and f.fix for f in found)

    code = cli.app(["check", str(image), str(video), "--json"], standalone_mode=False)
    said = json.loads(capsys.readouterr().out)
    assert code == (0 if said["ok"] else 1)
    assert {f["code"] for f in said["report"]["findings"]} >= {f.code for f in found}

    page = cards.report(runner.preflight(**{place: bad}).report, place)  # type: ignore[arg-type]
    assert all(cards.escape(f.fix) in page for f in found)
