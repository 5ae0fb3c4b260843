"""Skeletons and boxes of made tracks: size, place and what is not seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import burnt
from helpers.dancers import clip

from kling_utils.media.people import PoseTrack
from kling_utils.review.poses import RATE, pictures, poses


def scaled(track: PoseTrack, by: float, right: float) -> PoseTrack:
    bodies = track.bodies.copy()
    bodies[..., 0] = (bodies[..., 0] - 240) * by + 240 + right
    bodies[..., 1] = (bodies[..., 1] - 400) * by + 400
    return replace(track, bodies=bodies)


def test_the_same_motion_of_a_smaller_person_elsewhere_is_the_same_skeleton() -> None:
    track = clip(1, 3.0)
    found = poses(track, scaled(track, 0.6, 20.0))
    assert len(found["a"]["points"]) == 3 * RATE
    for one, other in zip(found["a"]["points"], found["b"]["points"], strict=True):
        assert one is not None
        assert other is not None
        assert np.abs(np.subtract(one, other)).max() <= 1


def test_the_hips_are_the_middle_and_the_torso_is_one() -> None:
    track = clip(1, 2.0)
    found = poses(track, track)
    for points in found["a"]["points"]:
        assert points is not None
        at = np.array(points, float).reshape(-1, 2)
        hips, neck = at[[11, 12]].mean(0), at[-1]
        assert np.abs(hips).max() <= 1
        assert 80 <= np.linalg.norm(neck - hips) <= 103
    x, y, width, height = found["view"]
    everything = np.array([p for p in found["a"]["points"] if p], float).reshape(-1, 2)
    inside = (everything >= [x, y]) & (everything <= [x + width, y + height])
    assert inside.mean() > 0.98


def test_what_is_not_seen_is_none() -> None:
    track = clip(1, 2.0)
    bodies = track.bodies.copy()
    bodies[:6] = np.nan  # half a second of nobody
    bodies[:, 15, 3] = 0.1  # a hidden wrist
    found = poses(track, replace(track, bodies=bodies))["b"]
    assert found["points"][:3] == [None] * 3
    assert found["points"][-1] is not None
    assert found["points"][-1][14:16] == [None, None]
    assert set(map(str, found["left"])) == {"None"}
    assert found["right"][-1] is not None
    assert found["right"][0] is None


def test_hips_out_of_the_picture_of_one_centre_both_between_the_shoulders() -> None:
    track = clip(1, 2.0)
    bodies = track.bodies.copy()
    bodies[:, 23:29, 3] = 0.1
    found = poses(track, replace(track, bodies=bodies))
    for side in (found["a"], found["b"]):
        for points in side["points"]:
            assert points is not None
            assert points[-2:] == [0, 0]


def test_a_face_is_drawn_between_its_eyes() -> None:
    found = poses(clip(1, 2.0, kind="face"), clip(1, 2.0, kind="face"), face=True)
    assert found["kind"] == "face"
    used = len(found["a"]["points"][0] or []) // 2
    assert max(map(max, found["lines"])) < used
    assert all(box is not None and box[2] > 100 for box in found["a"]["face"])
    assert set(map(str, found["a"]["left"])) == {"None"}


def test_nobody_at_all_and_a_clip_of_another_length() -> None:
    empty = clip(1, 1.0, kind="face")
    found = poses(clip(1, 2.0), replace(empty, faces=np.full_like(empty.faces, np.nan)))
    assert found["b"]["points"] == [None] * int(RATE)
    assert len(found["a"]["points"]) == 2 * RATE


def test_it_is_small_and_plain_json() -> None:
    found = poses(clip(1, 6.0), clip(2, 6.0))
    text = json.dumps(found, allow_nan=False, separators=(",", ":"))
    assert len(text) < 6 * 9_000


@pytest.mark.parametrize("time", [0.0, 1.0, 99.0])
def test_pictures_are_those_of_the_moment(tmp_path: Path, time: float) -> None:
    import base64

    import cv2

    made = tmp_path / "a.mp4"
    burnt.clip(made, fps=24, frames=48)
    [both] = pictures(made, made, [time])
    assert both["a"] == both["b"]
    jpeg = np.frombuffer(base64.b64decode(both["a"].partition(",")[2]), np.uint8)
    seen = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert seen is not None
    assert seen.shape[0] == 160
