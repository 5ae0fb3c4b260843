"""Clips whose every frame carries its number as black and white blocks, and the script that reads it back from a picture.

Owns the code: twelve blocks in a row along the top, most significant first, over a middle grey that
moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from kling_utils.media import ffmpeg

BLOCKS = 12
READ = """
(videos) => {
  const tall = 8 * videos.length, pen = (window.pen ||= new OffscreenCanvas(96, 64).getContext('2d', { willReadFrequently: true }));
  const order = [...videos.keys()];
  if (window.turned = !window.turned) order.reverse();
  for (const i of order) pen.drawImage(videos[i], 0, 0, videos[i].videoWidth, videos[i].videoHeight / 8, 0, 8 * i, 96, 8);
  const dots = pen.getImageData(0, 0, 96, tall).data;
  return videos.map((_, v) => {
    let number = 0;
    for (let i = 0; i < 12; i++) {
      const light = dots[4 * (96 * (8 * v + 4) + 8 * i + 4)];
      if (light > 90 && light < 165) return -1;
      number = 2 * number + (light > 127 ? 1 : 0);
    }
    return number;
  });
}
"""
"""A function of videos that gives the number of the frame each shows, or -1 for none. All are drawn before any is read, and in turned
order every other time: drawing takes milliseconds, in which the second would get ahead."""


def clip(
    path: Path,
    *,
    fps: Fraction | int,
    frames: int,
    size: tuple[int, int] = (192, 128),
    grain: bool = False,
    sound: bool = False,
) -> Path:
    """Write an MP4 of ``frames`` numbered frames at ``fps``, ``size`` wide and high; ``grain`` makes it large. Raises ``FfmpegFailed``."""
    width, height = size
    dice = np.random.default_rng(7)
    rate = f"{Fraction(fps).numerator}/{Fraction(fps).denominator}"
    heard = ["-f", "lavfi", "-i", f"sine=frequency=330:duration={frames / fps}"] if sound else []
    head = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-s",
        f"{width}x{height}",
        "-r",
        rate,
        "-i",
        "pipe:0",
        *heard,
    ]
    tail = [
        *ffmpeg.H264,
        "-preset",
        "ultrafast",
        "-crf",
        "18",
        "-g",
        str(round(fps)),
        *(["-c:a", "aac"] if sound else []),
        str(path),
    ]
    with ffmpeg.start(["-y", *head, *tail], stdin=True) as running:
        assert running.stdin is not None
        for number in range(frames):
            drawn = picture(number, width, height)
            if grain:
                drawn[height // 2 :] = dice.integers(
                    60, 160, (height - height // 2, width), np.uint8
                )
            running.stdin.write(drawn.tobytes())
        running.finish()
    return path


def picture(number: int, width: int, height: int) -> np.ndarray:
    """One frame, (height, width) of grey."""
    drawn = np.full((height, width), 110, np.uint8)
    edges: Sequence[int] = [round(i * width / BLOCKS) for i in range(BLOCKS + 1)]
    for i in range(BLOCKS):
        drawn[: height // 8, edges[i] : edges[i + 1]] = (
            235 if number >> (BLOCKS - 1 - i) & 1 else 16
        )
    x = (7 * number) % (width - 24)
    drawn[height // 2 : height // 2 + 24, x : x + 24] = 200
    return drawn
