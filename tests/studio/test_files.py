"""Files on their way to and from the browser: copies that it can show, and nothing of what was not handed out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from kling_utils.media import bounds, ffmpeg, probe
from kling_utils.media.bounds import visitor
from kling_utils.studio import files
from kling_utils.studio.files import CacheFiles, uploads
from kling_utils.studio.inputs import ImageInput
from kling_utils.studio.session import Session


def test_a_file_of_the_home_is_handed_out_as_a_copy(picture: Path) -> None:
    given = files.data(picture)
    assert given is not None
    copy = Path(given["path"])
    assert copy.is_relative_to(get_upload_folder())
    assert copy.read_bytes() == picture.read_bytes()
    copy.unlink()
    again = files.data(picture)
    assert again is not None
    assert Path(again["path"]).is_file(), "a copy that was cleared away is made again"
    assert files.data(picture.with_name("gone.png")) is None


def test_what_came_from_an_address_is_shown_under_a_name_that_browsers_know(
    picture: Path, tmp_path: Path
) -> None:
    nameless = tmp_path / "0123abcd"
    nameless.write_bytes(picture.read_bytes())
    for kind, suffix in (("image", ".png"), ("video", ".mp4")):
        copy = Path(files.shown(nameless, kind) or "")  # type: ignore[arg-type]
        assert copy.suffix == suffix
        assert copy.is_relative_to(get_upload_folder())
        assert copy.read_bytes() == picture.read_bytes()
    assert files.shown(tmp_path / "gone", "image") is None


def test_posters_are_small_upright_and_never_fail_the_page(picture: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (800, 400)).save(turned, exif=exif)
    for path in (picture, turned):
        small = files.poster(path)
        assert small is not None
        with Image.open(small) as opened:
            assert opened.format == "JPEG"
            assert opened.height > opened.width
            assert max(opened.size) <= files.POSTER
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    assert files.poster(broken) is None
    assert files.poster(tmp_path / "gone.png") is None


def test_a_clip_that_browsers_refuse_gets_a_preview(tmp_path: Path, clip: Path) -> None:
    assert files.clip(probe.probe_video(clip)) == clip
    deep = tmp_path / "deep.mp4"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x480:r=24:d=1",
            "-c:v",
            "libx265",
            "-pix_fmt",
            "yuv420p10le",
            "-tag:v",
            "hvc1",
            str(deep),
        ],
        timeout=60,
    )
    shown = probe.probe_video(files.clip(probe.probe_video(deep)))
    assert (shown.codec, shown.pixel_format, shown.container) == ("h264", "yuv420p", "mp4")


def test_a_recording_becomes_an_mp4_with_a_length(tmp_path: Path) -> None:
    live = tmp_path / "sample.webm"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x240:r=30:d=1",
            "-c:v",
            "libvpx",
            "-live",
            "1",
            str(live),
        ],
        timeout=60,
    )
    made = probe.probe_video(files.recording(live))
    assert (made.codec, made.container) == ("h264", "mp4")
    assert made.duration == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("payload", [None, "", {}, {"path": None}, 3, {"video": None}, []])
def test_an_upload_that_is_none(payload: Any) -> None:
    assert files.uploaded(payload, "home") is None


@pytest.mark.parametrize("sent", [None, "-1", "99", "x", "../0", {}])
def test_an_example_that_is_none(sent: Any, built: Any) -> None:
    image = built(ImageInput)
    assert image.on_example(SimpleNamespace(id=sent), Session(), "") == gr.skip()


def test_the_same_file_again_is_not_said_to_be_measured(built: Any, tmp_path: Path) -> None:
    desk, image = Session(), built(ImageInput)
    (tmp_path / "a.png").write_bytes(b"a picture")
    uploads.add("home", str(tmp_path / "a.png"))
    payload = {"path": str(tmp_path / "a.png"), "meta": {"_type": "gradio.FileData"}}
    assert "Measuring" in image.on_upload(desk, payload, "")[image.card]
    again = image.on_upload(desk, payload, str(tmp_path / "a.png"))
    assert again[image.source] == str(tmp_path / "a.png")
    assert image.card not in again, "no check follows that would say more"
    first = image.on_example(SimpleNamespace(id="0"), desk, "")[image.source]
    assert image.card not in image.on_example(SimpleNamespace(id="0"), desk, first)


def empty() -> CacheFiles:
    return CacheFiles(files.copies._limits, files.copies._spared)


def test_what_is_made_for_visitors_has_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied(who: str, number: int) -> Path:
        """A trim, a preview or a copy of 1,000 bytes."""
        source = tmp_path / f"{who}{number}.mp4"
        if not source.exists():
            source.write_bytes(source.name.encode() * 200)
        token = visitor.set(who)
        copy = files.named(source, f"dance {number}.mp4")
        assert files.named(source, f"dance {number}.mp4") == copy
        visitor.reset(token)
        assert copy is not None
        return copy

    monkeypatch.setattr(files, "copies", empty())
    size = copied("a", 0).stat().st_size
    monkeypatch.setattr(bounds, "COPIES_EACH", 2 * size)
    monkeypatch.setattr(bounds, "COPIES", 4 * size)
    first, second = copied("a", 0), copied("a", 1)
    copied("a", 0)  # used again
    copied("a", 2)
    third = copied("a", 3)
    assert [path.exists() for path in (first, second, third)] == [True, False, True]
    assert copied("a", 1).exists(), "made again when it is asked for"
    others = [copied(who, 0) for who in "bcdef"]
    assert not third.exists(), "of all visitors together"
    assert others[-1].exists()


def test_a_copy_that_is_an_upload_as_well_does_not_make_room(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "copies", empty())
    monkeypatch.setattr(bounds, "COPIES", 0)
    copy = files.handed(picture)
    assert copy is not None
    uploads.add("visitor", copy)
    other = files.made(picture, "other.jpg")
    other.write_bytes(b"x")
    files.made(picture, "another.jpg")
    assert (Path(copy).exists(), other.exists()) == (True, False)
    uploads.forget("visitor", copy)
