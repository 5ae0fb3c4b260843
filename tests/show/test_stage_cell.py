"""The stage in a notebook's cell: what is in its frame. How it plays there is tested in a browser."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from pathlib import Path

import pytest
from helpers import burnt
from PIL import Image

from kling_utils import Stage
from kling_utils.errors import InvalidRequest
from kling_utils.media.probe import probe_video
from kling_utils.show import proxies
from kling_utils.values import Job, MotionRequest, Result


@pytest.fixture
def result(tmp_path: Path) -> Result:
    reference, video, image = (
        burnt.clip(tmp_path / "r.mp4", fps=24, frames=72),
        burnt.clip(tmp_path / "v.mp4", fps=24, frames=48),
        tmp_path / "i.png",
    )
    Image.new("RGB", (900, 1200), "teal").save(image)
    request = MotionRequest(image, reference)
    job = Job(
        "01J",
        "home",
        "local",
        1,
        "succeeded",
        request,
        "f",
        0.0,
        0.0,
        tmp_path,
        "<i>.png",
        "r.mp4",
        3.0,
        video=video,
    )
    return Result(job, video, reference, image)


def paid(result: Result) -> Result:
    return dataclasses.replace(
        result, job=dataclasses.replace(result.job, job_id="01K", provider="novita")
    )


def test_a_cell_holds_the_page_in_a_frame_and_names_a_draft(result: Result) -> None:
    shown = Stage(result)._repr_html_()
    [page] = re.findall(r'<iframe [^>]*srcdoc="([^"]*)"></iframe></div>$', shown)
    assert "<" not in page, "nothing of it can leave its attribute"
    page = html.unescape(page)
    assert page.startswith("<!doctype html>")
    assert '"label": "Result, local draft"' in page
    still = shown.partition("<iframe")[0]
    assert 'src="data:image/jpeg;base64,' in still, "shown where the frame is dropped"
    assert "trust this notebook" in still
    assert "save() writes a page with the clips as they are" in page


def test_takes_are_named_by_what_tells_them_apart(result: Result) -> None:
    page = html.unescape(Stage(result, paid(result))._repr_html_())
    assert '"label": "Standard draft"' in page
    assert '"label": "Standard"' in page


def test_the_saved_page_has_the_clips_as_they_are(result: Result, tmp_path: Path) -> None:
    page = Stage(result).save(tmp_path / "page.html").read_text("utf-8")
    size = sum(path.stat().st_size for path in (result.reference, result.video, result.image)) / 1e6
    assert f"{size:.1f} MB" in page
    [value] = re.findall(r'id="value">(.*?)</script>', page)
    assert json.loads(value)["title"] == "<i>.png × r.mp4"


def test_results_of_two_references_do_not_share_a_stage(result: Result, tmp_path: Path) -> None:
    other = dataclasses.replace(
        result, reference=burnt.clip(tmp_path / "other.mp4", fps=25, frames=75)
    )
    with pytest.raises(InvalidRequest, match="one reference"):
        Stage(result, other)


def test_a_job_is_no_result_and_it_is_said_how_to_get_one(result: Result) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Stage(result.job)  # type: ignore[arg-type]
    assert "runner.result" in caught.value.hint


def test_files_that_are_gone_are_told_of(result: Result) -> None:
    stage = Stage(result)
    result.video.unlink()
    assert "<iframe" not in stage._repr_html_()
    assert "v.mp4" in stage._repr_html_()


def test_a_small_copy_keeps_pictures_times_and_sound(tmp_path: Path) -> None:
    source = burnt.clip(tmp_path / "large.mp4", fps=30, frames=120, size=(1280, 720), sound=True)
    small = probe_video(proxies.small(source, tmp_path / "small.mp4"))
    assert min(small.size) == 480
    assert (small.frames, small.frame_rate, small.audio_codec) == (120, 30, "aac")
    assert small.size_bytes <= proxies.MAX_BYTES
