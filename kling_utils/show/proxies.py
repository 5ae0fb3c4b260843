"""Small copies of clips and pictures, embedded in notebooks.

The originals are never embedded: a notebook of a dozen results must stay a file that opens. Where a
clip cannot be made there is a still, else a sentence.
"""

from __future__ import annotations

import base64
import functools
import math
import tempfile
from pathlib import Path

from kling_utils.errors import FfmpegFailed, KlingError
from kling_utils.media import ffmpeg
from kling_utils.media.encode import Clip, Recipe
from kling_utils.media.images import plain
from kling_utils.media.probe import probe_video, read_streams
from kling_utils.media.sized import Sized
from kling_utils.values import Size

MAX_BYTES = 1_100_000
"""Of the clip; base64 makes it a third larger, so about 1.5 MB in the page."""
GONE = '<p class="kc-note">The files of this result are not here any more.</p>'
HEIGHT = 320
_TALL = ((12.0, 480), (math.inf, 360))
"""Lengths in seconds, and the shorter side in pixels that 1.1 MB are enough for."""
_FINE = 24.0
"""x264's quality beyond which nobody sees a difference at such a size."""
_PICTURE = 480
LONGEST = 30.0
"""Seconds: the longest result there is."""


def embedded(reference: Path, video: Path) -> str:
    """Both clips in one, as HTML that needs no other file. Never raises for a file that is gone or broken."""
    try:
        return _embedded(reference, _stamp(reference), video, _stamp(video))
    except OSError:
        return GONE


def small(source: Path, out: Path) -> Path:
    """A copy for a page that plays clips apart: every picture at its time, upright, with the sound. Raises ``FfmpegFailed``."""
    info = probe_video(source)
    tall = next(height for seconds, height in _TALL if info.duration <= seconds)
    share = min(1.0, tall / min(info.size))
    size = Size(*(max(2, 2 * round(side * share / 2)) for side in info.size))
    recipe = Recipe(size, info.frame_rate, info.frames)
    with tempfile.TemporaryDirectory(prefix="small-") as folder:
        made = Sized(
            Clip(info, read_streams(source)),
            recipe,
            Path(folder),
            max_bytes=MAX_BYTES,
            best_crf=_FINE,
            on_progress=None,
            stop=None,
        )
        made.make(out)
    return out


def still(reference: Path, video: Path) -> str:
    """Both clips at half of the shorter one's length, beside each other, as an ``<img>``; empty when they cannot be read."""
    with tempfile.TemporaryDirectory(prefix="still-") as folder:
        out = Path(folder) / "still.jpg"
        try:
            middle = min(probe_video(reference).duration, probe_video(video).duration) / 2
            seek = ["-ss", f"{middle:.3f}"]
            both = f"[0:V:0]scale=-2:{HEIGHT}[a];[1:V:0]scale=-2:{HEIGHT}[b];[a][b]hstack"
            inputs = [*seek, *ffmpeg.source(reference), *seek, *ffmpeg.source(video)]
            ffmpeg.run(
                [*inputs, "-filter_complex", both, "-frames:v", "1", "-q:v", "5", str(out)],
                timeout=30,
            )
            alt = "Reference and result, half way"
            return f'<img class="kc-still" alt="{alt}" src="{_data(out, "image/jpeg")}">'
        except (KlingError, OSError):
            return ""


def small_image(source: Path, out: Path) -> Path:
    """A picture no larger than a page needs."""
    image = plain(source, "#ffffff", longest=2 * _PICTURE)
    image.thumbnail((_PICTURE, _PICTURE))
    image.save(out, "JPEG", quality=80)
    return out


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@functools.lru_cache(maxsize=32)
def _embedded(reference: Path, _r: tuple[int, int], video: Path, _v: tuple[int, int]) -> str:
    with tempfile.TemporaryDirectory(prefix="card-") as folder:
        pair, still = Path(folder) / "pair.mp4", Path(folder) / "still.jpg"
        try:
            for bits in (260_000, 120_000, 60_000):  # 30 s fit at the second, always at the third
                ffmpeg.run(_pair(reference, video, pair, bits), timeout=60)
                if pair.stat().st_size <= MAX_BYTES:
                    shown = 'controls loop muted playsinline preload="auto" aria-label="Reference and result"'
                    sides = '<p class="kc-note">Left the reference, right the result.</p>'
                    return f'<video {shown} src="{_data(pair, "video/mp4")}"></video>{sides}'
        except FfmpegFailed:
            pass
        try:
            first = ["-frames:v", "1", "-vf", f"scale=-2:{HEIGHT}", "-q:v", "5", str(still)]
            ffmpeg.run([*ffmpeg.source(video), *first], timeout=30)
            return f'<img class="kc-still" alt="First frame of the result" src="{_data(still, "image/jpeg")}">'
        except (FfmpegFailed, OSError):
            return '<p class="kc-note">The result cannot be shown here.</p>'


def _pair(reference: Path, video: Path, out: Path, bits: int) -> list[str]:
    """Side by side at one height and one constant rate; the shorter holds its last frame; the result's sound, if it has any."""
    one = f"scale=-2:{HEIGHT},setsar=1,fps=24"
    held = f"{one},tpad=stop_mode=clone:stop_duration={LONGEST:.0f}"
    both = f"[0:V:0]{held}[a];[1:V:0]{one}[b];[a][b]hstack=inputs=2:shortest=1[v]"
    rate = f"-b:v {bits} -maxrate {bits} -bufsize {2 * bits} -preset veryfast -g 24".split()
    sound = ["-map", "1:a:0?", "-c:a", "aac", "-b:a", "48k", "-ac", "1", "-shortest"]
    inputs = [*ffmpeg.source(reference), *ffmpeg.source(video)]
    picture = ["-filter_complex", both, "-map", "[v]", *ffmpeg.H264, *rate]
    return [*inputs, *picture, *sound, "-t", f"{LONGEST:.0f}", str(out)]


def _data(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
