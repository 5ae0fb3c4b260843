"""The page that travels: one file, nothing from elsewhere, nothing that a name could run. How it plays is tested in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from helpers import burnt
from PIL import Image

from kling_utils.errors import InvalidRequest, UnreadableMedia
from kling_utils.media import ffmpeg
from kling_utils.show import judge, stage

HOSTILE = "</script><script>alert(1)</script><!-- ${x} {{y}}"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, frames in (("a", 48), ("b", 36)):
        burnt.clip(folder / f"{name}.mp4", fps=24, frames=frames)
    ffmpeg.run(
        [
            *ffmpeg.source(folder / "b.mp4"),
            "-c:v",
            "libvpx",
            "-b:v",
            "200k",
            str(folder / "b.webm"),
        ],
        timeout=60,
    )
    Image.new("RGB", (40, 30), "teal").save(folder / "i.png")
    return folder


def parts(page: Path) -> dict[str, str]:
    """The blocks of the page by their id, and its script as ``script``."""
    text = page.read_text("utf-8")
    found = {
        name: body
        for name, body in re.findall(
            r'<script type="[a-z/]+" id="([a-z0-9-]+)"[^>]*>(.*?)</script>', text, re.S
        )
    }
    [found["script"]] = re.findall(r"<script>(.*?)</script>", text, re.S)
    return found


def test_both_clips_are_inside_unchanged_and_the_size_is_stated(
    clips: Path, tmp_path: Path
) -> None:
    page = stage.write_page(
        clips / "a.mp4", clips / "b.mp4", tmp_path / "new" / "page.html", image=clips / "i.png"
    )
    held = parts(page)
    value = json.loads(held["value"])
    for file, source in (
        (value["a"], "a.mp4"),
        (value["takes"][0]["b"], "b.mp4"),
        (value["image"], "i.png"),
    ):
        assert base64.b64decode(held[file["block"]], validate=True) == (clips / source).read_bytes()
    total = sum((clips / name).stat().st_size for name in ("a.mp4", "b.mp4", "i.png"))
    assert f"{total / 1e6:.1f} MB" in value["foot"]
    assert value["fps"] == 24.0
    assert len(value["motion"]["a"]["times"]) == len(value["motion"]["a"]["values"]) > 10
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_what_was_judged_goes_with_its_take(clips: Path, tmp_path: Path) -> None:
    told = judge.waiting()
    page = stage.write_page(
        clips / "a.mp4",
        [clips / "b.mp4", clips / "b.mp4"],
        tmp_path / "page.html",
        judged=[None, {**told, "sentence": HOSTILE}],
        motion=False,
    )
    takes = json.loads(parts(page)["value"])["takes"]
    assert [take["judge"] and take["judge"]["sentence"] for take in takes] == [None, HOSTILE]


def test_a_file_larger_than_a_piece_is_one_base64(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 7001)
    assert (
        base64.b64decode("".join(stage._Held("", "", large).base64()), validate=True)
        == large.read_bytes()
    )


def test_names_stay_names(clips: Path, tmp_path: Path) -> None:
    page = stage.write_page(
        clips / "a.mp4",
        [clips / "b.mp4"] * 2,
        tmp_path / "p.html",
        title=HOSTILE,
        labels=[HOSTILE, "std", HOSTILE],
        motion=False,
    )
    assert "alert(1)</script>" not in page.read_text("utf-8")
    value = json.loads(parts(page)["value"])
    assert (value["title"], value["label_a"], value["takes"][1]["label"]) == (
        HOSTILE,
        HOSTILE,
        HOSTILE,
    )
    assert "motion" not in value


def test_the_policy_allows_this_script_and_no_address(clips: Path, tmp_path: Path) -> None:
    page = stage.write_page(clips / "a.mp4", clips / "b.mp4", tmp_path / "p.html", motion=False)
    text = page.read_text("utf-8")
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    digest = base64.b64encode(hashlib.sha256(parts(page)["script"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in text
    assert "https:" not in text


def test_what_browsers_do_not_play_is_encoded_again(clips: Path, tmp_path: Path) -> None:
    held = parts(
        stage.write_page(clips / "a.mp4", clips / "b.webm", tmp_path / "p.html", motion=False)
    )
    block = json.loads(held["value"])["takes"][0]["b"]["block"]
    assert base64.b64decode(held[block])[4:8] == b"ftyp"


def test_a_draft_is_named_on_the_page(clips: Path, tmp_path: Path) -> None:
    page = stage.write_page(
        clips / "a.mp4", clips / "b.mp4", tmp_path / "p.html", motion=False, draft=True
    )
    assert json.loads(parts(page)["value"])["takes"][0]["label"] == "Result, local draft"


def test_what_cannot_be_written_is_refused_and_leaves_the_old_page(
    clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.html"
    out.write_text("old")
    with pytest.raises(InvalidRequest, match="no result"):
        stage.write_page(clips / "a.mp4", [], out)
    with pytest.raises(InvalidRequest, match="labels"):
        stage.write_page(clips / "a.mp4", clips / "b.mp4", out, labels=["one"])
    with pytest.raises(InvalidRequest, match="one of the files"):
        stage.write_page(clips / "a.mp4", clips / "b.mp4", clips / "b.mp4")
    with pytest.raises(InvalidRequest, match="no name of a page"):
        stage.write_page(clips / "a.mp4", clips / "b.mp4", tmp_path / "page.mp4")
    with pytest.raises(UnreadableMedia):
        stage.write_page(clips / "a.mp4", out, tmp_path / "q.html")
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]
