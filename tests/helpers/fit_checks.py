"""What a fitted file must be: legal and safe by the product's own checks, with its sound where it belongs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kling_utils.media import ffmpeg
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.preflight.check import check_image, check_video

_HERTZ, _GRID = 8000, 200
IN_SYNC = 0.040


def wrong(path: Path) -> list[str]:
    """Codes of everything that is not a pass (a frame rate below 15 and sound do not count)."""
    picture = path.suffix in (".jpg", ".png")
    findings = (
        check_image(probe_image(path)) if picture else check_video(probe_video(path), "video")
    )
    return [f"{f.code}: {f.measured}" for f in findings if f.severity != "pass"]


def shift(path: Path) -> float:
    """Seconds between flashes and beeps, the worst of all pairs. Fails when they cannot be paired."""
    flashes, beeps = _flashes(path), _beeps(path)
    assert len(flashes) >= 2, f"{len(flashes)} flashes"
    assert abs(len(flashes) - len(beeps)) <= 1, f"flashes at {flashes}, beeps at {beeps}"
    few, many = sorted((flashes, beeps), key=len)  # what begins late may miss one
    return max(min(abs(one - other) for other in many) for one in few)


def _flashes(path: Path) -> list[float]:
    """When the picture turns white: on a fine grid, so that late beginnings and varying steps count."""
    filters = f"scale=16:16,format=gray,fps={_GRID}:start_time=0:round=near"
    raw = ffmpeg.run(
        ["-i", f"file:{path}", "-map", "0:v:0", "-vf", filters, "-f", "rawvideo", "pipe:1"],
        timeout=120,
    ).stdout
    light = np.frombuffer(raw, np.uint8).reshape(-1, 256).mean(1)
    return _onsets(light > (light.min() + light.max()) / 2, _GRID)


def _beeps(path: Path) -> list[float]:
    heard = [
        "-af",
        "aresample=async=1:first_pts=0",
        "-ac",
        "1",
        "-ar",
        str(_HERTZ),
        "-f",
        "s16le",
        "pipe:1",
    ]
    raw = ffmpeg.run(["-i", f"file:{path}", "-map", "0:a:0", *heard], timeout=120).stdout
    loud = np.abs(np.frombuffer(raw, np.int16).astype(np.float64))
    window = _HERTZ // 500  # two periods of the tone
    level = np.convolve(loud, np.ones(window) / window, "same")
    return _onsets(level > level.max() / 3, _HERTZ)


def _onsets(on: np.ndarray, rate: int) -> list[float]:
    """Moments at which it begins, at least 0.3 s apart; what is on from the first sample does not count."""
    starts = np.flatnonzero(on[1:] & ~on[:-1]) + 1
    kept: list[float] = []
    for start in starts / rate:
        if not kept or start - kept[-1] > 0.3:
            kept.append(float(start))
    return kept
