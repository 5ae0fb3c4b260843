"""What a browser is given: it plays there, and looks as it was meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import fit_zoo

from kling_utils.media import ffmpeg
from kling_utils.media.encode import make_playable, plays, starts_at_once
from kling_utils.media.probe import probe_video
from kling_utils.preflight.plan import plan_file
from kling_utils.preflight.repair import fit


def middle(path: Path) -> list[float]:
    """Mean red, green and blue around the middle of the first picture."""
    shown = ffmpeg.run(
        [*ffmpeg.source(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"],
        timeout=30,
    ).stdout
    size = probe_video(path).size
    picture = np.frombuffer(shown, np.uint8).reshape(size.height, size.width, 3)
    return list(
        picture[
            size.height // 2 - 40 : size.height // 2 + 40,
            size.width // 2 - 40 : size.width // 2 + 40,
        ].mean((0, 1))
    )


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_a_phones_hdr_clip_looks_on_the_page_as_it_does_when_it_is_fitted(
    tmp_path: Path, transfer: str
) -> None:
    bright = fit_zoo.hdr(
        tmp_path, transfer, filters="drawbox=c=0x806048:t=fill", sound=None, seconds=3
    )
    fitted = fit(plan_file(bright), tmp_path / "out").video
    assert fitted is not None
    shown = tmp_path / "shown.mp4"
    assert not make_playable(bright, probe_video(bright), shown)
    assert plays(probe_video(shown))
    assert starts_at_once(shown)
    assert middle(shown) == pytest.approx(middle(fitted), abs=4)


def test_what_only_lies_in_another_container_is_not_encoded_again(tmp_path: Path) -> None:
    clip = fit_zoo.clip(tmp_path, "a.mkv")
    shown = tmp_path / "shown.mp4"
    assert make_playable(clip, probe_video(clip), shown)
    assert plays(probe_video(shown))
