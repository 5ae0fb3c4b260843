"""The order of the engine's steps: look at the still, follow the clip, set the scene, draw and write. Does none of them itself."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2

from kling_utils.draft.clip import study
from kling_utils.draft.encode import film
from kling_utils.draft.errors import EngineError
from kling_utils.draft.placement import Kind
from kling_utils.draft.scene import Scene, build
from kling_utils.draft.still import load_picture, look_at
from kling_utils.errors import KlingError
from kling_utils.media.arrays import Frame
from kling_utils.media.probe import probe_video
from kling_utils.values import CharacterOrientation, ModelName, Size, VideoInfo

Progress = Callable[[float, str], None]
# Where each stage ends, as a part of the whole; from the times of a job of the usual length.
_LOOKED, _FOLLOWED, _SET, _DRAWN = 0.03, 0.35, 0.40, 0.98
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was made."""

    kind: Kind
    frames: int
    frame_rate: Fraction
    size: Size
    seconds: float


def render(
    image: Path,
    video: Path,
    out: Path,
    *,
    character_orientation: CharacterOrientation,
    model_name: ModelName,
    keep_original_sound: bool,
    on_progress: Progress | None = None,
    threads: int = 2,
) -> Rendered:
    """Make ``out``: the character of ``image`` moving as the person in ``video``, as a draft.

    ``on_progress`` gets 0..1, never going back, and the stage in a word or two. A process does one job at a time, since OpenCV's
    number of threads is the process's. Raises ``EngineError`` with a reason; then ``out`` is as it was.
    """
    report = on_progress or (lambda _done, _stage: None)
    with _one_at_a_time:
        report(0.0, "reading")
        info = _probed(video)
        still = look_at(load_picture(image), threads=threads)
        report(_LOOKED, "following the motion")
        clip = study(
            info,
            character_orientation,
            threads=threads,
            on_progress=lambda done: report(
                _LOOKED + done * (_FOLLOWED - _LOOKED), "following the motion"
            ),
        )
        report(_FOLLOWED, "cutting out the character")
        kind, canvas, scene = build(
            still, clip, character_orientation=character_orientation, model_name=model_name
        )
        sound = video if keep_original_sound and info.audio_codec is not None else None
        with film(
            out,
            canvas,
            clip.frame_rate,
            sound=sound,
            sound_start=info.first_picture,
            sound_number=info.audio_number,
            seconds=clip.seconds,
        ) as reel:
            for i, frame in enumerate(drawn(scene, clip.frames, threads=threads)):
                reel.add(frame)
                report(_SET + (i + 1) / clip.frames * (_DRAWN - _SET), "drawing")
            report(_DRAWN, "finishing")
        report(1.0, "done")
    return Rendered(kind, clip.frames, clip.frame_rate, canvas, clip.seconds)


def _probed(video: Path) -> VideoInfo:
    try:
        return probe_video(video)
    except KlingError as error:
        raise EngineError(f"The reference video cannot be read: {error.message}") from error


def drawn(scene: Scene, frames: int, *, threads: int = 2) -> Iterator[Frame]:
    """Frames in order, ``threads`` of them drawn at once; never more than that many in memory."""
    with _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Frame]] = deque()
        for i in range(frames):
            waiting.append(pool.submit(scene.draw, i))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Two frames at once beat two threads inside one frame, 1.3 to 1.45 times; the setting is the process's, so it is put back."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
