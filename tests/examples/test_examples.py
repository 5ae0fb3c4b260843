"""The examples are legal, light, and show bodies that the pose models find; the code that drew them still draws the same; and their results
are results."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

import kling_utils
from kling_utils import MotionRequest, examples
from kling_utils.examples import Pair
from kling_utils.media import ffmpeg
from kling_utils.media.pose import FaceTracker, PoseTracker, head_hint
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.review.audit import audit

SCRIPTS = Path(kling_utils.__file__).resolve().parents[1] / "scripts"
JOINTS = [11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]


def frames(path: Path, every: int = 1) -> list[np.ndarray]:
    """Each ``every``-th frame, BGR."""
    size = probe_video(path).size
    raw = ffmpeg.raw_frames(path, "null", size.width * size.height * 3, limit=30)
    return [
        np.frombuffer(data, np.uint8).reshape(size.height, size.width, 3)
        for i, data in enumerate(raw)
        if i % every == 0
    ]


@pytest.fixture(scope="module")
def drawer() -> Iterator[ModuleType]:
    """scripts/draw_examples.py as a module."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield importlib.import_module("draw_examples")
    finally:
        sys.path.remove(str(SCRIPTS))


def test_two_of_each_with_words_for_everyone() -> None:
    for shelf, paths in (
        (examples.IMAGES, examples.images()),
        (examples.VIDEOS, examples.videos()),
    ):
        assert [example.path for example in shelf] == paths
        assert len({example.title for example in shelf}) == 2
        assert all(path.is_file() for path in paths)
        assert all(40 < len(example.alt) < 300 for example in shelf)


def test_nothing_else_lies_in_the_folder() -> None:
    folder = Path(examples.__file__).parent
    kept = {path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
    results = [pair.result for pair in examples.PAIRS]
    named = {path.name for path in (*examples.images(), *examples.videos(), *results)}
    assert kept == named | {"NOTICE.md"}
    record = (folder / "NOTICE.md").read_text("utf-8")
    assert all(name in record for name in named), "how each was made"


@pytest.mark.parametrize("path", examples.images(), ids=lambda path: path.name)
def test_a_still_is_legal_and_light(path: Path) -> None:
    info = probe_image(path)
    assert info.format == "JPEG"
    assert (info.size.width, info.size.height) == (900, 1200)
    assert info.size_bytes < 500_000
    assert not info.turned


@pytest.mark.parametrize("path", examples.videos(), ids=lambda path: path.name)
def test_a_clip_is_legal_and_light(path: Path) -> None:
    info = probe_video(path)
    assert (info.container, info.codec, info.pixel_format) == ("mp4", "h264", "yuv420p")
    assert (info.size.width, info.size.height) == (720, 1280)
    assert 4 <= info.duration <= 6
    assert info.frame_rate in (25, 30)
    assert not info.variable_rate
    assert info.size_bytes < 1_500_000
    head = path.read_bytes()[:4096]
    assert b"moov" in head, "a browser must wait for the whole file"


def test_one_clip_has_sound_and_one_has_none() -> None:
    assert [probe_video(path).audio_codec for path in examples.videos()] == ["aac", None]


def test_the_sound_is_heard() -> None:
    args = [
        *ffmpeg.source(examples.videos()[0]),
        "-map",
        "0:a:0",
        "-f",
        "f32le",
        "-ac",
        "1",
        "-ar",
        "16000",
        "pipe:1",
    ]
    sound = np.frombuffer(ffmpeg.run(args, timeout=60).stdout, np.float32)
    assert 4.5 < len(sound) / 16_000 < 5.0
    assert 0.05 < float(np.sqrt(np.mean(sound**2))) < 0.4
    assert float(np.abs(sound).max()) < 1.0


@pytest.mark.parametrize("path", examples.images(), ids=lambda path: path.name)
def test_a_still_shows_a_whole_body_and_a_face(path: Path) -> None:
    picture = cv2.imread(str(path))
    assert picture is not None
    body = PoseTracker("full")(picture)
    assert body is not None
    assert body.points[JOINTS, 3].min() > 0.8
    assert FaceTracker()(picture, head_hint(body)) is not None
    left, right = body.points[11, 0], body.points[12, 0]
    assert left > right, "the character faces the viewer"


@pytest.mark.parametrize("path", examples.videos(), ids=lambda path: path.name)
def test_a_body_is_found_in_a_clip(path: Path) -> None:
    tracker = PoseTracker("lite")
    bodies = [tracker(frame) for frame in frames(path, every=5)]
    assert len(bodies) >= 25
    assert None not in bodies
    assert tracker.detections == 1, "followed without losing it"
    reach = np.ptp([body.points[16, 1] for body in bodies if body is not None])
    assert reach > 300, "the right hand travels: there is a motion to transfer"


@pytest.mark.parametrize("path", examples.videos(), ids=lambda path: path.name)
def test_a_clip_is_a_loop(path: Path) -> None:
    every = [frame.astype(np.int16) for frame in frames(path)]
    steps = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(every)]
    assert float(np.abs(every[0] - every[-1]).mean()) < 1.5 * max(steps)


@pytest.mark.parametrize("number", [0, 1])
def test_the_script_still_draws_the_stills(drawer: ModuleType, tmp_path: Path, number: int) -> None:
    kept = examples.images()[number]
    drawer.write_still(tmp_path / kept.name, drawer.stills()[kept.name]())
    again, before = cv2.imread(str(tmp_path / kept.name)), cv2.imread(str(kept))
    assert again is not None
    assert before is not None
    assert float(np.abs(again.astype(np.int16) - before).mean()) < 0.5


@pytest.mark.parametrize("number", [0, 1])
def test_the_script_still_draws_the_motions(drawer: ModuleType, number: int) -> None:
    kept = examples.videos()[number]
    motion = drawer.clips()[kept.name]
    before = frames(kept)
    assert len(before) == len(motion.poses)
    assert probe_video(kept).frame_rate == motion.rate
    for i in (0, len(before) // 2):
        again = next(
            iter(drawer.clip(motion.look, motion.scene, [motion.poses[i]], unit=motion.unit))
        )
        assert float(np.abs(again.astype(np.int16) - before[i]).mean()) < 3.0, f"frame {i}"


@pytest.mark.parametrize("pair", examples.PAIRS, ids=lambda pair: pair.result.stem)
def test_a_result_follows_its_clip_and_says_that_it_is_a_draft(pair: Pair) -> None:
    made, clip = probe_video(pair.result), probe_video(pair.video.path)
    assert made.duration == pytest.approx(clip.duration, abs=0.05)
    assert float(made.frame_rate) == float(clip.frame_rate) == pair.fps
    assert made.audio_codec is None, "nothing is heard of it"
    assert made.size_bytes < 700_000
    request = MotionRequest(pair.image.path, pair.video.path, keep_original_sound=False)
    found = audit(
        pair.result, pair.video.path, request=request, expected_seconds=clip.duration
    ).fidelity
    assert found is not None
    assert found.score.value is not None
    assert found.score.value > 90
    corner = frames(pair.result)[0][-40:, -150:].astype(np.int16)
    plate = corner[corner.max(axis=2) < 130]
    assert len(plate) > 1000, "the words stand on a dark plate, in a light picture"
