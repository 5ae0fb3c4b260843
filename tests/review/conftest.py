"""Small clips made by ffmpeg's own sources, and a look into what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kling_utils.media import ffmpeg
from kling_utils.media.arrays import Frame

Make = Callable[..., Path]
Look = Callable[..., Frame]

CLICKS = "aevalsrc='0.6*sin(2*PI*900*t)*(lt(mod(t,0.61),0.05)+lt(mod(t+0.2,0.97),0.04))':s=44100"
"""Clicks in two rhythms whose pattern does not come again within a minute."""


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """``make(name, size, rate, seconds, source=..., sound=...)``: a clip. ``{s}``, ``{r}`` and ``{d}`` are filled into ``source``."""
    folder = tmp_path_factory.mktemp("clips")

    def clip(
        name: str,
        *,
        size: str = "320x240",
        rate: int = 25,
        seconds: float = 2.0,
        source: str = "testsrc2=s={s}:r={r}:d={d}",
        sound: str | None = CLICKS,
        video_filter: str = "null",
        extra: tuple[str, ...] = (),
    ) -> Path:
        path = folder / f"{name}.mp4"
        if path.exists():
            return path
        args = ["-f", "lavfi", "-i", source.format(s=size, r=rate, d=seconds)]
        args += ["-f", "lavfi", "-i", sound, "-c:a", "aac"] if sound else []
        args += ["-vf", video_filter, *ffmpeg.H264, "-preset", "ultrafast", "-crf", "18", *extra]
        ffmpeg.run([*args, "-t", str(seconds), f"file:{path}"], timeout=60)
        return path

    return clip


@pytest.fixture(scope="session")
def look() -> Look:
    """``look(path, at)``: the frame shown at that second, (height, width, 3) RGB."""

    def frame(path: Path, at: float = 0.0) -> Frame:
        from kling_utils.media.probe import probe_video

        size = probe_video(path).size
        args = [
            *ffmpeg.source(path),
            "-ss",
            f"{at:.3f}",
            "-frames:v",
            "1",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "pipe:1",
        ]
        return np.frombuffer(ffmpeg.run(args, timeout=30).stdout, np.uint8).reshape(
            size.height, size.width, 3
        )

    return frame


@pytest.fixture
def circle() -> str:
    """A source: a white disc, half as wide as the shorter side, on grey."""
    return "color=gray:s={s}:r={r}:d={d},format=gray,geq=lum='if(lt(hypot(X-W/2,Y-H/2),min(W,H)/4),255,90)'"
