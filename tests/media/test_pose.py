"""Finding and following people: the arithmetic on its own, and the nets on real pictures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kling_utils.media import nets, pose
from kling_utils.media.arrays import Floats, Frame


def picture(path: Path, longest: int = 900) -> Frame:
    with Image.open(path) as opened:
        opened.thumbnail((longest, longest))
        return np.ascontiguousarray(np.asarray(opened.convert("RGB"))[:, :, ::-1])


def standing() -> Floats:
    """A body (33, 4) that stands upright and is wholly visible."""
    points = np.zeros((33, 4))
    points[:, 3] = 1.0
    points[:11, :2] = (100, 40)
    points[[11, 12], :2] = (130, 80), (70, 80)
    points[[23, 24], :2] = (120, 200), (80, 200)
    return points


def body(points: Floats) -> pose.Body:
    return pose.Body(points, 0.99, None, np.eye(2, 3))


def face(at: tuple[float, float], *, found: float) -> pose.Face:
    points = np.zeros((468, 3))
    points[:, 0], points[:, 1] = at[0], np.linspace(at[1] - 20, at[1] + 20, 468)
    points[pose.NOSE_TIP, :2] = at
    return pose.Face(points, 0.99, found)


# arithmetic


def test_the_models_are_those_of_the_table() -> None:
    table = json.loads((nets.MODELS / "models.json").read_text("utf-8"))["models"]
    assert {row["file"] for row in table} == {
        p.name for p in nets.MODELS.iterdir() if p.suffix in (".tflite", ".onnx")
    }
    for row in table:
        assert (
            hashlib.sha256((nets.MODELS / row["file"]).read_bytes()).hexdigest() == row["sha256"]
        ), row["file"]


def test_overlap_is_one_for_the_same_box_and_zero_for_distant_ones() -> None:
    box = np.array([10.0, 10.0, 20.0, 10.0])
    assert nets.overlap(box, box) == pytest.approx(1)
    assert nets.overlap(box, box + np.array([10, 0, 0, 0])) == pytest.approx(1 / 3)
    assert nets.overlap(box, box + np.array([100, 0, 0, 0])) == 0


def test_a_crop_knows_the_way_back_to_the_frame() -> None:
    frame = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(frame, (180, 90), 4, (255, 255, 255), -1)
    patch, matrix = nets.crop(frame, nets.Roi(170, 100, 80, 0.6), 128)
    ys, xs = np.nonzero(patch[:, :, 0] > 128)
    back = matrix[:, :2] @ np.array([xs.mean(), ys.mean()]) + matrix[:, 2]
    assert back == pytest.approx((180, 90), abs=0.7)


def test_a_letterbox_keeps_the_aspect_and_swaps_to_rgb() -> None:
    square, back = nets.letterbox(np.full((100, 400, 3), (255, 0, 0), np.uint8), 200)
    assert square.shape == (200, 200, 3)
    assert back == pytest.approx(2)
    assert tuple(square[10, 10]) == (0, 0, 255)
    assert not square[60:].any()


def test_upright_wants_head_over_shoulders_over_hips() -> None:
    assert pose.upright(standing())
    upside_down = standing()
    upside_down[:, 1] *= -1
    assert not pose.upright(upside_down)
    hips_unseen = standing()
    hips_unseen[[23, 24], 3] = 0.1
    assert not pose.upright(hips_unseen)
    alpaca = standing()
    alpaca[[11, 12], 0] = (400, -200)
    assert not pose.upright(alpaca)


def test_a_body_counts_with_its_face_or_upright_and_a_face_with_its_body_or_for_sure() -> None:
    lying = standing()
    lying[:, [0, 1]] = lying[:, [1, 0]]
    own, far, sure = (
        face((40, 100), found=0.0),
        face((400, 400), found=0.0),
        face((400, 400), found=0.95),
    )
    assert pose.person(body(lying), None) == (None, None)
    assert pose.person(body(lying), far) == (None, None)
    assert pose.person(None, far) == (None, None)
    assert pose.person(None, sure)[1] is sure
    found, with_face = pose.person(body(lying), own)
    assert found is not None
    assert with_face is own
    assert pose.person(body(standing()), None)[0] is not None


def test_ratios_of_an_empty_track_are_zero() -> None:
    assert pose.Landmarks((), ()).body_ratio == 0
    assert pose.Landmarks((standing(), None), (None, None)).body_ratio == 0.5


# the nets


@pytest.mark.parametrize(
    "name", ["fullbody_man.png", "drawing_woman.png", "painting_halfbody.jpg", "portrait_woman.png"]
)
def test_people_are_found_with_their_faces(shared_media: Path, name: str) -> None:
    image = picture(shared_media / "image" / name)
    found = pose.PoseTracker("full")(image, passes=2)
    assert found is not None
    seen = pose.FaceTracker()(image, pose.head_hint(found), passes=2)
    assert seen is not None
    assert pose.person(found, seen) == (found, seen)


@pytest.mark.parametrize("name", ["no_person_camera.png", "wide_alpaca.jpg", "small_dog_256.jpg"])
def test_things_and_animals_are_not_people(shared_media: Path, name: str) -> None:
    image = picture(shared_media / "image" / name)
    found = pose.PoseTracker("full")(image, passes=2)
    seen = pose.FaceTracker()(image, pose.head_hint(found) if found is not None else None, passes=2)
    assert pose.person(found, seen) == (None, None)


def test_following_finds_once_and_then_keeps_up(shared_media: Path) -> None:
    image = picture(shared_media / "image" / "fullbody_man.png", 500)
    height, width = image.shape[:2]
    shifts = [(0, 0), (4, 2), (8, 4), (12, 6), (16, 8)]
    frames = [
        cv2.warpAffine(
            image,
            np.float32([[1, 0, x], [0, 1, y]]),
            (width, height),
            borderMode=cv2.BORDER_REPLICATE,
        )
        for x, y in shifts
    ]
    done: list[int] = []
    track = pose.follow(frames, on_frame=done.append)
    assert (track.body_ratio, track.face_ratio, done) == (1, 1, [1, 2, 3, 4, 5])
    first, last = track.bodies[0], track.bodies[-1]
    assert first is not None
    assert last is not None
    assert np.median(last[:, :2] - first[:, :2], 0) == pytest.approx((16, 8), abs=1.5)
    tracker = pose.PoseTracker("lite")
    for frame in frames:
        tracker(frame)
    assert tracker.detections == 1


def test_a_person_that_leaves_is_not_followed_on(shared_media: Path) -> None:
    image = picture(shared_media / "image" / "fullbody_man.png", 500)
    track = pose.follow([image, np.full_like(image, 200), np.full_like(image, 200)])
    assert [b is not None for b in track.bodies] == [True, False, False]
    assert track.faces[1] is None


def test_both_backends_see_the_same(shared_media: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    image = picture(shared_media / "image" / "fullbody_man.png", 600)
    with pytest.raises(nets.CannotRun, match="pose_detection"):
        nets.Net("pose_detection", backend="opencv")
    found = [pose.PoseTracker("full", backend=b)(image, passes=3) for b in ("litert", "opencv")]
    assert found[0] is not None
    assert found[1] is not None
    seen = found[0].points[:, 3] > 0.7
    apart = np.linalg.norm(found[0].points[seen, :2] - found[1].points[seen, :2], axis=1)
    assert float(np.median(apart)) < 3.0
