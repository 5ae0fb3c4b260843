"""What another try of a request may change, from what was seen of its picture and clip.

Owns the order of the changes and the closer crop of the picture. Nothing is made or sent here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from kling_utils.media.pose import HIPS, KNEES, SHOULDERS
from kling_utils.preflight.advice import Advice, framing
from kling_utils.values import CharacterOrientation, ImageInfo, Size, Span

STARTS = 2
"""Other starts that are tried, the best ones."""
_LAST_JOINTS = {1: KNEES, 2: HIPS, 3: SHOULDERS}
"""The joints at which a framing ends."""
_BELOW = 0.25
"""Torso lengths that stay below them."""
_LEAST, _WIDEST = 340, 2.4
"""Pixels of a side and aspect ratio that a crop keeps: inside the limits of Novita and Kling."""
_OTHER: dict[CharacterOrientation, CharacterOrientation] = {"video": "image", "image": "video"}
_ABOUT_FRAMES = ("pair.framing", "video.camera", "video.leaving", "video.torso")
"""Findings after which pose and framing of the other side may do better."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One change of a request. The parts that are empty stay as they are."""

    told: str
    """``from 3.2 s on, where the pose matches best``."""
    span: Span | None = None
    crop: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom in the picture's pixels."""
    orientation: CharacterOrientation | None = None


def variants(
    advice: Advice, image: ImageInfo | None, orientation: CharacterOrientation
) -> Iterator[Variant]:
    """The changes that the advice suggests, the most promising first."""
    for start in advice.better_starts[:STARTS]:
        yield Variant(f"from {start.time:.1f} s on, where the pose matches better", start.span)
    if not advice.better_starts and advice.use is not None and advice.seconds is not None:
        begin, end = advice.use
        if end - begin < advice.seconds - 0.5:
            yield Variant(
                f"only {begin:.1f} to {end:.1f} s, the clean part of the clip", (begin, end)
            )
    told = {finding.code for finding in advice.told("video", "pair")}
    crop = _closer(advice, image) if "pair.framing" in told and image is not None else None
    if crop is not None:
        yield Variant("with the picture cropped to what the clip shows", crop=crop)
    if told.intersection(_ABOUT_FRAMES):
        other = _OTHER[orientation]
        whose = "picture" if other == "image" else "clip"
        yield Variant(f"with pose and framing of the {whose}", orientation=other)


def _closer(advice: Advice, image: ImageInfo) -> tuple[int, int, int, int] | None:
    """The part of the picture down to where the clip's framing ends; None where it shows no more than the clip."""
    if advice.image is None or advice.video is None:
        return None
    mine, theirs = framing(advice.image), framing(advice.video)
    if mine is None or theirs is None or theirs <= mine or theirs not in _LAST_JOINTS:
        return None
    body, seen = advice.image.bodies[0], advice.image.size
    joints = body[list(_LAST_JOINTS[theirs]), 1]
    torso = body[list(HIPS), 1].mean() - body[list(SHOULDERS), 1].mean()
    bottom = float(joints.mean() + _BELOW * torso) * image.size.height / seen.height
    if not math.isfinite(bottom):
        return None
    size = Size(image.size.width, min(image.size.height, round(bottom)))
    if size.height < max(_LEAST, size.width / _WIDEST) or size.height > 0.95 * image.size.height:
        return None
    return 0, 0, size.width, size.height
