"""The reference clip as the engine needs it: one person's landmarks over time. The clip is decoded once; frames are not kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kling_utils.draft.errors import MOTION_TOO_SHORT, NO_PERSON_IN_VIDEO, EngineError
from kling_utils.draft.tracks import bridge, savgol
from kling_utils.media import ffmpeg
from kling_utils.media.arrays import Floats, Frame
from kling_utils.media.pose import Landmarks, PoseModel, follow
from kling_utils.values import CharacterOrientation, Size, VideoInfo

WORK = 640
"""Shortest side that the clip is decoded to: nets see no more."""
MOST_RATE = Fraction(61, 2)
"""Frames a second above which every second or third frame is taken; 30 and a bit, for clips that are a little off 30."""
LONGEST: dict[CharacterOrientation, float] = {"image": 5.0, "video": 30.0}
"""Seconds of the clip that are used."""
FOLLOWED, GLIMPSED = 0.5, 0.3
"""Part of the frames with a person: from the first on the clip is used; under the second it is called a clip without a person."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One person through the clip, smoothed and without gaps; all in pixels of ``size``."""

    size: Size
    frame_rate: Fraction
    frames: int
    bodies: Floats | None
    """(n, 33, 4), or None when the body was not followed."""
    faces: Floats | None
    """(n, 468, 3), or None when the face was not followed."""

    @property
    def seconds(self) -> float:
        return float(self.frames / self.frame_rate)


def working_rate(info: VideoInfo) -> Fraction:
    """The constant rate of the result: the clip's own, or a whole part of it that is about 30 at most."""
    rate = info.frame_rate.limit_denominator(1001) if info.frame_rate > 0 else Fraction(25)
    return rate if rate <= MOST_RATE else rate / math.ceil(rate / 30)


def working_size(size: Size) -> Size:
    """Even sides with the clip's aspect, ``WORK`` on the shorter one at most."""
    scale = min(1.0, WORK / min(size))
    return Size(even(size.width * scale), even(size.height * scale))


def even(length: float) -> int:
    """The nearest even number of pixels, 2 at least."""
    return max(2, round(length / 2) * 2)


def decode(info: VideoInfo, size: Size, rate: Fraction, limit: float) -> Iterator[Frame]:
    """Frames (height, width, 3) BGR as displayed, at a constant rate, streamed."""
    filters = f"fps={rate.numerator}/{rate.denominator},scale={size.width}:{size.height}:flags=area,setsar=1"
    for data in ffmpeg.raw_frames(info.path, filters, size.width * size.height * 3, limit=limit):
        yield np.frombuffer(data, np.uint8).reshape(size.height, size.width, 3)


def study(
    info: VideoInfo,
    character_orientation: CharacterOrientation,
    *,
    model: PoseModel = "lite",
    threads: int = 2,
    on_progress: Callable[[float], None] | None = None,
) -> Clip:
    """Follow the person through the part of the clip that is used; ``on_progress`` gets 0..1. Raises ``EngineError`` without one."""
    limit = (
        min(info.duration, LONGEST[character_orientation])
        if info.duration > 0
        else LONGEST[character_orientation]
    )
    rate, size = working_rate(info), working_size(info.size)
    expected = max(1.0, limit * float(rate))

    def count(done: int) -> None:
        if on_progress is not None:
            on_progress(min(1.0, done / expected))

    track = follow(decode(info, size, rate, limit), model=model, threads=threads, on_frame=count)
    if len(track) == 0:
        raise EngineError("The reference video cannot be decoded: no frame of it could be read")
    _demand_person(track)
    bodies = bridge(track.bodies) if track.body_ratio >= FOLLOWED else None
    faces = bridge(track.faces) if track.face_ratio > FOLLOWED else None
    return Clip(
        size,
        rate,
        len(track),
        savgol(bodies, 7) if bodies is not None else None,
        savgol(faces, 5) if faces is not None else None,
    )


def _demand_person(track: Landmarks) -> None:
    best = max(track.body_ratio, track.face_ratio)
    if best < GLIMPSED:
        raise EngineError(NO_PERSON_IN_VIDEO)
    if best < FOLLOWED or len(track) < 2:
        raise EngineError(MOTION_TOO_SHORT)
