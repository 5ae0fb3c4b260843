"""Our probe beside moviepy's ``VideoFileClip`` and beside one bare start of ffmpeg, in one run: ``python tests/bench/probe.py``.

Goals for a clip of 5 MB: at least 4 times as fast as ``VideoFileClip`` (although ours gives the exact length and a hash as well), and at
most 2.5 times as long as a bare start, here the cheapest there is: ``ffmpeg -version``. Ratios, so that they hold on any machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_video

ROUNDS = 41
FASTER_THAN_MOVIEPY = 4.0
STARTS_OF_FFMPEG = 2.5


def make(path: Path) -> None:
    """Ten seconds of 720p with sound, about 5 MB."""
    pictures = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30", "-f", "lavfi", "-i", "sine"]
    rate = [
        "-b:v",
        "4M",
        "-minrate",
        "4M",
        "-maxrate",
        "4M",
        "-bufsize",
        "8M",
        "-preset",
        "veryfast",
    ]
    ffmpeg.run([*pictures, "-t", "10", *ffmpeg.H264, *rate, "-c:a", "aac", str(path)], timeout=120)


def by_moviepy(path: Path) -> None:
    from moviepy import VideoFileClip

    VideoFileClip(str(path)).close()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make(clip)
        ways: dict[str, Callable[[], object]] = {
            "probe_video": lambda: probe_video(clip),
            "VideoFileClip": lambda: by_moviepy(clip),
            "ffmpeg -version": lambda: ffmpeg.run(["-version"], timeout=10),
            "ffmpeg -i": lambda: ffmpeg.run(
                ffmpeg.source(clip), timeout=10, check=False, quiet=False
            ),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():
            way()  # imports and the disk's cache are nobody's merit
        for _ in range(ROUNDS):  # interleaved, so that a busy moment hits all of them
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                times[name].append(time.perf_counter() - start)
        took = {name: statistics.median(each) for name, each in times.items()}
        print(
            f"{clip.stat().st_size / 1e6:.1f} MB, median of {ROUNDS}: "
            + ", ".join(f"{n} {t * 1e3:.1f} ms" for n, t in took.items())
        )
    ours = took["probe_video"]
    faster, starts = took["VideoFileClip"] / ours, ours / took["ffmpeg -version"]
    print(f"{faster:.1f} times as fast as VideoFileClip (goal: at least {FASTER_THAN_MOVIEPY})")
    print(
        f"{starts:.2f} bare starts of ffmpeg (goal: at most {STARTS_OF_FFMPEG}); {ours / took['ffmpeg -i']:.2f} times `ffmpeg -i`"
    )
    return 0 if faster >= FASTER_THAN_MOVIEPY and starts <= STARTS_OF_FFMPEG else 1


if __name__ == "__main__":
    raise SystemExit(main())
