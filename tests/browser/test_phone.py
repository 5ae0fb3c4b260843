"""What a phone holds, through the page: one press on "Fix all", one on "Generate", and a result that plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.fit_zoo import X265, wrapped
from helpers.served import Served, Watched, serving, watching
from PIL import Image
from pillow_heif import register_heif_opener

from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_image, probe_video

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("phone")) as one:
        yield one


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    with watching(browser, viewport={"width": 1280, "height": 1000}) as seen:
        yield seen


def filmed(
    source: Path, folder: Path, *, seconds: float, bitrate: str = "", height: int = 640
) -> Path:
    """A dance as a phone leaves it: HEVC in a MOV, lying on its side with a tag that says so, and pictures missing where it was busy."""
    gaps = f"scale=-2:{height},select='not(gt(n\\,45)*eq(mod(n\\,7)\\,0))',transpose=clock"
    coded = [
        "-c:v",
        *X265,
        "-vf",
        gaps,
        "-fps_mode",
        "vfr",
        *(["-b:v", bitrate] if bitrate else []),
        "-c:a",
        "aac",
        "-t",
        str(seconds),
    ]
    ffmpeg.run(
        ["-y", "-stream_loop", "-1", "-i", f"file:{source}", *coded, f"file:{folder / 'flat.mov'}"],
        timeout=600,
    )
    return wrapped(folder / "flat.mov", "IMG_0815.MOV", before=("-display_rotation", "90"))


def photographed(source: Path, path: Path) -> Path:
    """A photograph as a phone leaves it."""
    register_heif_opener()
    Image.open(source).convert("RGB").save(path)
    return path


def panorama(source: Path, path: Path) -> Path:
    """A person in a picture of 6000 by 2000."""
    person = Image.open(source).convert("RGB")
    person = person.resize((person.width * 2000 // person.height, 2000))
    wide = Image.new("RGB", (6000, 2000), person.getpixel((2, 2)))
    wide.paste(person, (2300, 0))
    wide.save(path)
    return path


def fixed_and_generated(
    watched: Watched, served: Served, image: Path, video: Path, *, patience: float
) -> Path:
    """Both files in, one press each; the folder of the job."""
    page = watched.page
    page.goto(served.url)
    page.wait_for_selector("#history .gallery-label")
    page.set_input_files("#image input[type=file]", str(image))
    page.set_input_files("#video input[type=file]", str(video))
    page.wait_for_selector("#image-report .kc-report-card >> text=Cannot be sent")
    page.wait_for_selector("#video-report .kc-report-card")
    page.wait_for_selector("#fix-all:not([disabled])")
    page.click("#fix-all")
    page.wait_for_selector("#image-report .kc-report-card >> text=is fine", timeout=patience)
    page.wait_for_selector("#video-report .kc-report-card >> text=is fine", timeout=patience)
    page.click("#generate")
    page.wait_for_selector(".panel[data-mode=run], .panel[data-mode=done]")
    page.wait_for_selector(".panel[data-mode=done]", timeout=patience)
    page.wait_for_selector(".stage[data-fill=both]")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.stage video')].every(v => v.readyState >= 2 && !v.error)"
    )
    assert watched.ours == []
    job = page.evaluate("new URL(location.href).searchParams.get('job')")
    (folder,) = (served.home / "jobs").glob(f"**/{job}")
    return Path(folder)


def test_a_picture_of_6000_by_2000_and_a_clip_on_its_side(
    watched: Watched, served: Served, shared_media: Path, tmp_path: Path
) -> None:
    image = panorama(shared_media / "image" / "fullbody_man.png", tmp_path / "wide.png")
    video = filmed(shared_media / "video" / "dance_woman_4s.mp4", tmp_path, seconds=3.2)
    folder = fixed_and_generated(watched, served, image, video, patience=240_000)
    sent, made = probe_image(next(folder.glob("image.*"))), probe_video(folder / "result.mp4")
    assert sent.size.width / sent.size.height <= 2.5
    assert made.size.height > made.size.width, "the clip was held upright"
    assert made.duration == pytest.approx(3.2, abs=0.3)


@pytest.mark.matrix
def test_a_photograph_and_45_seconds_of_40_megabytes(
    watched: Watched, served: Served, shared_media: Path, tmp_path: Path
) -> None:
    image = photographed(shared_media / "image" / "standing_woman.jpg", tmp_path / "IMG_0816.HEIC")
    video = filmed(
        shared_media / "video" / "dance_woman_4s.mp4",
        tmp_path,
        seconds=45,
        bitrate="7200k",
        height=1080,
    )
    assert video.stat().st_size > 30_000_000
    folder = fixed_and_generated(watched, served, image, video, patience=900_000)
    sent, made = probe_video(next(folder.glob("video.*"))), probe_video(folder / "result.mp4")
    assert sent.size_bytes <= 10_000_000
    assert made.duration == pytest.approx(30.0, abs=0.3)
