"""The engine's arithmetic: tracks, retargeting, faces, meshes, mattes. No nets, no clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import zoo
from helpers.figures import figure
from PIL import Image

from kling_utils.draft import matte, parts, tracks, warp
from kling_utils.draft.clip import working_rate, working_size
from kling_utils.draft.errors import EngineError
from kling_utils.draft.face import STABLE, FaceRetarget, gentle, mouth_open, procrustes
from kling_utils.draft.placement import canvas_size
from kling_utils.draft.retarget import Retarget
from kling_utils.draft.scene import corner, stamp
from kling_utils.draft.skeleton import angle, chain, joints, wrap
from kling_utils.draft.still import load_picture
from kling_utils.media.arrays import Floats, Frame
from kling_utils.values import Size, VideoInfo


def waving(n: int = 40, *, scale: float = 0.5) -> Floats:
    """A clip in which the left arm goes from hanging to over the head."""
    return np.stack(
        [
            figure(scale=scale, at=(200, 100), raised=a)
            for a in np.linspace(np.pi / 2, -np.pi / 3, n)
        ]
    )


def left_arm(limb: Floats) -> float:
    return float(angle(limb[1] - limb[0]))


# tracks


def test_smoothing_keeps_a_line_and_takes_out_jitter() -> None:
    line = np.linspace(0, 10, 30)[:, None] * np.ones(3)
    assert tracks.savgol(line) == pytest.approx(line)
    noisy = line + np.random.default_rng(0).normal(0, 1, line.shape)
    assert np.std(tracks.savgol(noisy) - line) < 0.7 * np.std(noisy - line)
    assert tracks.savgol(line[:4]) is not None


def test_gaps_are_bridged_and_ends_are_held() -> None:
    rows = [None, np.array([1.0]), None, None, np.array([4.0]), None]
    found = tracks.bridge(rows)
    assert found is not None
    assert found.ravel().tolist() == [1, 1, 2, 3, 4, 4]
    assert tracks.bridge([None, None]) is None


def test_a_switch_does_not_flicker_between_its_limits() -> None:
    on = tracks.hysteresis(np.array([0.0, 0.2, 0.31, 0.2, 0.16, 0.14, 0.2]), on=0.3, off=0.15)
    assert on.tolist() == [False, False, True, True, True, False, False]


# bodies


def test_the_clips_angles_come_on_the_stills_proportions() -> None:
    still, track = figure(arm=1.4, at=(300, 200)), waving()
    moves = Retarget(still, track, frame_rate=25, relative=False, place=lambda p: p)
    for i in (0, 13, 39):
        limb = moves.pose(i).chains["arm_l"]
        assert left_arm(limb) == pytest.approx(left_arm(chain(track[i], "arm_l")), abs=0.01)
        assert np.linalg.norm(limb[1] - limb[0]) == pytest.approx(1.4 * 45, rel=0.02)


def test_image_orientation_starts_in_the_stills_pose_and_settles_on_the_clips() -> None:
    still, track = figure(at=(300, 200), raised=0.3), waving()
    moves = Retarget(still, track, frame_rate=25, relative=True)
    first = moves.pose(0)
    assert first.chains["arm_l"] == pytest.approx(chain(joints(still), "arm_l"), abs=0.5)
    assert first.torso == pytest.approx(still[[11, 12, 23, 24], :2], abs=0.5)
    assert left_arm(moves.pose(30).chains["arm_l"]) == pytest.approx(
        left_arm(chain(track[30], "arm_l")), abs=0.01
    )


def test_place_puts_the_figure_where_the_clips_person_is() -> None:
    moves = Retarget(
        figure(at=(300, 200)),
        waving(),
        frame_rate=25,
        relative=False,
        place=lambda p: 2 * p + (7, 0),
    )
    hips = moves.pose(5).torso[2:].mean(0)
    assert hips == pytest.approx(2 * np.array([200, 100 + 40]) + (7, 0), abs=0.5)


def test_a_figure_cut_by_the_lower_edge_is_never_lifted() -> None:
    track = waving()
    track[:, :, 1] -= np.linspace(0, 30, len(track))[:, None]  # a jump
    still = figure(at=(300, 200))
    free, cut = (
        Retarget(still, track, frame_rate=25, relative=True, cut=c).pose(39).torso[:, 1].mean()
        for c in (False, True)
    )
    assert free < still[[11, 12, 23, 24], 1].mean() - 20
    assert cut >= still[[11, 12, 23, 24], 1].mean() - 0.5


def test_unseen_limbs_hang_as_in_the_still() -> None:
    still, track = figure(at=(300, 200), raised=0.4), waving()
    track[:, 13, 3] = 0.1
    limb = (
        Retarget(still, track, frame_rate=25, relative=False, place=lambda p: p)
        .pose(20)
        .chains["arm_l"]
    )
    assert left_arm(limb) == pytest.approx(0.4, abs=0.01)


# faces


def some_face(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 40, (468, 3)) + np.array([200, 200, 0])


def test_procrustes_finds_scale_turn_and_shift_and_never_mirrors() -> None:
    turn = np.asarray(cv2.Rodrigues(np.array([0.2, -0.4, 0.1]))[0])
    face = some_face()
    found = procrustes(face, 1.7 * face @ turn.T + (5, 6, 7))
    assert (found.scale, found.turn, found.shift) == (
        pytest.approx(1.7),
        pytest.approx(turn),
        pytest.approx((5, 6, 7)),
    )
    assert np.linalg.det(procrustes(face, face * (-1, 1, 1)).turn) == pytest.approx(1)


def test_turns_are_held_back_beyond_what_a_flat_picture_bears() -> None:
    small, large = (np.asarray(cv2.Rodrigues(np.array([0, a, 0.0]))[0]) for a in (0.3, 1.2))
    assert gentle(small) is small
    assert 0.45 < float(np.linalg.norm(cv2.Rodrigues(gentle(large))[0])) < 0.6


def test_a_face_that_only_moves_rigidly_shows_no_expression() -> None:
    still, base = some_face(1), some_face(2)
    turns = [np.asarray(cv2.Rodrigues(np.array([0, a, 0]))[0]) for a in np.linspace(0, 0.4, 9)]
    track = np.stack(
        [(base - (200, 200, 0)) @ r.T * 1.3 + (220 + 5 * i, 180, 0) for i, r in enumerate(turns)]
    )
    moves = FaceRetarget(still, track)
    rest = [k for k in STABLE if k not in (33, 133, 263, 362)]
    assert moves.expression(8)[rest] == pytest.approx(still[rest], abs=0.5)
    moved = moves(8)
    assert (moved.points - still)[STABLE].mean(0)[0] > 20


def test_the_mouth_opens_by_as_much_as_the_clips() -> None:
    still = some_face(3)
    for a, b, x, y in ((61, 291, 40, 0), (78, 308, 36, 0), (13, 14, 0, 1)):
        still[a], still[b] = (200 - x, 240 - y, 0), (200 + x, 240 + y, 0)
    track = np.stack([still.copy() for _ in range(20)])
    track[10:, 14, 1] += 20
    moves = FaceRetarget(still, track)
    assert mouth_open(moves.expression(15)) > mouth_open(moves.expression(2)) + 0.2


# meshes


def textured(width: int = 120, height: int = 90) -> Frame:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)


def test_an_unmoved_mesh_draws_the_picture_and_a_moved_one_moves_it() -> None:
    image, opaque = textured(), np.full((90, 120), 255, np.uint8)
    verts, tris = warp.grid_mesh(opaque > 0, 10)
    layer = warp.Layer(image, opaque, verts, tris)
    out = np.zeros_like(image)
    layer.draw(out, verts)
    assert np.abs(out[2:-2, 2:-2].astype(int) - image[2:-2, 2:-2]).max() <= 2
    shifted = np.zeros_like(image)
    layer.draw(shifted, verts + np.array([20, 10], np.float32))
    assert np.abs(shifted[14:-2, 24:-2].astype(int) - image[4:-12, 4:-22]).max() <= 3
    assert not shifted[:8].any()


def test_alpha_shows_the_background_and_nothing_is_drawn_out_of_view() -> None:
    image, half = textured(), np.zeros((90, 120), np.uint8)
    half[:, :60] = 255
    verts, tris = warp.grid_mesh(half > 0, 10)
    layer = warp.Layer(image, half, verts, tris)
    out = np.full_like(image, 7)
    layer.draw(out, verts)
    assert (out[:, 75:] == 7).all()
    far = np.full_like(image, 7)
    layer.draw(far, verts + np.float32(5000))
    assert (far == 7).all()


def test_a_grid_mesh_covers_its_mask() -> None:
    mask = np.zeros((50, 70), np.bool_)
    mask[20:30, 33:41] = True
    verts, tris = warp.grid_mesh(mask, 8)
    drawn = np.zeros(mask.shape, np.uint8)
    for t in verts[tris].astype(np.int32):
        cv2.fillConvexPoly(drawn, t, 1)
    assert drawn[mask].all()
    assert drawn.mean() < 0.6


def test_delaunay_uses_every_point() -> None:
    points = np.random.default_rng(1).uniform(0, 100, (30, 2)).astype(np.float32)
    tris = warp.delaunay(points, 100, 100)
    assert set(np.unique(tris)) == set(range(30))


def test_a_bone_takes_its_ends_along_and_keeps_its_width() -> None:
    a, b, to_a, to_b = (np.array(p, float) for p in ((0, 0), (10, 0), (5, 5), (5, 25)))
    m = warp.bone(a, b, to_a, to_b)
    at = [m[:, :2] @ np.array(p) + m[:, 2] for p in ((0.0, 0.0), (10.0, 0.0), (0.0, 3.0))]
    assert at[0] == pytest.approx(to_a)
    assert at[1] == pytest.approx(to_b)
    assert np.linalg.norm(at[2] - at[0]) == pytest.approx(3)


def test_a_trunk_seen_from_behind_is_not_mirrored() -> None:
    src = np.array([[10, 0], [-10, 0], [8, 40], [-8, 40]], float)
    m = warp.fitted_affine(src, src * (-1, 1))
    assert np.linalg.det(m[:, :2]) > 0
    assert warp.fitted_affine(src, src + np.array([3, 4])) == pytest.approx(
        np.array([[1, 0, 3], [0, 1, 4]]), abs=1e-9
    )


def test_skin_blends_its_bones() -> None:
    still, moved = np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([[1.0, 0, 10], [0, 1, 0]])
    verts = np.array([[5, 5], [5, 5]], np.float32)
    out = warp.skin(verts, np.array([[1, 0], [0.5, 0.5]]), np.stack([still, moved]))
    assert out.tolist() == [[5, 5], [10, 5]]


# mattes and parts


def test_only_the_main_figure_is_kept_and_real_gaps_stay_open() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[20:80, 20:60] = 1
    mask[40:60, 30:50] = 0  # between arm and body
    mask[30, 25] = 0  # a pinhole
    mask[5:8, 90:93] = 1  # a speck
    kept = matte.keep_main(mask)
    assert (kept[6, 91], kept[50, 40], kept[30, 25], kept[70, 40]) == (0, 0, 1, 1)


def test_filling_keeps_what_is_known_and_continues_it() -> None:
    image = np.full((64, 64, 3), (10, 200, 90), np.uint8)
    image[20:40, 20:40] = 255
    known = np.ones((64, 64), np.float32)
    known[20:40, 20:40] = 0
    out = matte.fill(image, known, relax=20)
    assert np.abs(out.astype(int) - (10, 200, 90)).max() <= 1


def test_the_guided_filter_moves_an_edge_to_the_pictures() -> None:
    guide = np.zeros((40, 40), np.float32)
    guide[:, 20:] = 1
    rough = np.zeros((40, 40), np.float32)
    rough[:, 22:] = 1
    out = matte.guided(guide, rough, 4, 1e-4)
    assert out[20, 21] > 0.45
    assert abs(float(out[20, 5])) < 0.05


def test_an_arm_beside_the_trunk_is_cut_from_it() -> None:
    body = figure(scale=1.5, at=(200, 120), raised=0.0)
    image = np.full((520, 420, 3), 255, np.uint8)
    alpha = np.zeros((520, 420), np.uint8)
    for a, b, width in ((11, 15, 26), (12, 16, 26), (23, 27, 40), (24, 28, 40)):
        for canvas, colour in ((image, (60, 60, 200)), (alpha, 255)):
            cv2.line(
                canvas,
                tuple(body[a, :2].astype(int).tolist()),
                tuple(body[b, :2].astype(int).tolist()),
                colour,
                width,
            )
    for canvas, colour in ((image, (200, 90, 30)), (alpha, 255)):
        cv2.fillConvexPoly(canvas, body[[11, 12, 24, 23], :2].astype(np.int32), colour)
    labels = parts.divide(image, alpha, joints(body), 120.0)
    wrist, belly, knee = (
        body[15, :2].astype(int),
        body[[11, 24], :2].mean(0).astype(int),
        body[25, :2].astype(int),
    )
    named = [labels.names[labels.label[y, x]] for x, y in (wrist, belly, knee)]
    assert named == ["arm_l", "trunk", "leg_l"]


# frames, sizes, pictures


def video(**changes: object) -> VideoInfo:
    facts: dict[str, object] = {
        "path": Path("a.mp4"), "sha256": "", "size_bytes": 1, "container": "mp4", "codec": "h264", "pixel_format": "yuv420p",
        "size": Size(720, 1280), "coded": Size(720, 1280), "rotation": 0, "duration": 4.0, "frames": 100, "frame_rate": Fraction(25),
        "variable_rate": False, "audio_codec": None,
    }  # fmt: skip
    return VideoInfo(**(facts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rate", "used"),
    [
        ("25", "25"),
        ("30000/1001", "30000/1001"),
        ("24000/1001", "24000/1001"),
        ("50", "25"),
        ("60000/1001", "30000/1001"),
        ("120", "30"),
        ("0", "25"),
    ],
)
def test_rates_stay_exact_and_are_capped(rate: str, used: str) -> None:
    assert working_rate(video(frame_rate=Fraction(rate))) == Fraction(used)


def test_sizes_are_even_and_keep_the_aspect() -> None:
    assert canvas_size("kling-v3-0-std", 9 / 16) == (720, 1280)
    assert canvas_size("kling-v3-0-pro", 16 / 9) == (1920, 1080)
    assert working_size(Size(1080, 1920)) == (640, 1138)
    assert working_size(Size(361, 541)) == (360, 540)


@pytest.mark.parametrize("size", [(720, 1280), (1920, 1080), (720, 720)])
@pytest.mark.parametrize("ground", [0, 128, 255])
def test_the_label_is_legible_on_any_ground(size: tuple[int, int], ground: int) -> None:
    frame = np.full((size[1], size[0], 3), ground, np.uint8)
    stamp(frame)
    assert np.ptp(corner(frame)) > 100
    assert corner(frame).size < 0.015 * frame.size, "small"
    corner(frame)[...] = ground
    assert (frame == ground).all(), "the rest is as it was"


def test_pictures_are_turned_by_their_exif_and_laid_on_neutral_ground(tmp_path: Path) -> None:
    turned = Image.new("RGB", (40, 20), "red")
    turned.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.png", exif=exif)
    assert load_picture(tmp_path / "a.png").shape == (40, 20, 3)
    assert tuple(load_picture(tmp_path / "a.png")[0, -1]) == (255, 0, 0)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "b.png")
    assert load_picture(tmp_path / "b.png").min() > 230
    Image.new("L", (3200, 1600)).save(tmp_path / "c.png")
    assert load_picture(tmp_path / "c.png").shape == (800, 1600, 3)


def test_a_file_that_is_no_picture_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(EngineError, match="cannot be read"):
        load_picture(tmp_path / "a.png")


def test_wrap_brings_angles_home() -> None:
    assert float(wrap(np.array(3 * np.pi / 2))) == pytest.approx(-np.pi / 2)


def test_a_picture_of_wide_colours_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    profile = zoo.icc_profile("Display P3", zoo.DISPLAY_P3)
    Image.new("RGB", (8, 8), (200, 100, 50)).save(path, icc_profile=profile)
    assert load_picture(path)[4, 4].tolist() == pytest.approx([24, 93, 216], abs=2)
