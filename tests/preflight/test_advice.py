"""Advice about the content of picture and clip: made tracks for each rule, and a few real files."""

from __future__ import annotations

import pickle
import re
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.infos import image_info

from kling_utils import Client, examples
from kling_utils.media import ffmpeg, people
from kling_utils.media.arrays import Floats
from kling_utils.media.people import PoseTrack, Still
from kling_utils.media.probe import probe_video
from kling_utils.media.shots import Scan
from kling_utils.preflight import layout
from kling_utils.preflight.advice import (
    Advice,
    advise,
    clean_take,
    facing,
    framing,
    likeness,
    look,
    looking,
    rank_starts,
    saving,
)
from kling_utils.preflight.plan import FitChoices, plan_file
from kling_utils.preflight.repair import fit
from kling_utils.preflight.variants import variants
from kling_utils.values import Finding, Size

SIZE = Size(480, 854)


def standing(arm: float = 0.0) -> Floats:
    """A whole body (33, 4), seen from the front; ``arm``: angle of the person's left arm from hanging, radians."""
    p = np.zeros((33, 4))
    p[:, 3] = 1.0
    p[:11, :2] = (240, 100)
    p[0, :2] = (240, 110)
    p[[7, 8], :2] = (262, 100), (218, 100)
    p[[11, 12], :2] = (290, 200), (190, 200)
    p[[14, 16, 18, 20, 22], :2] = (185, 290), (182, 380), (180, 400), (184, 400), (186, 395)
    along = np.array([np.sin(arm), np.cos(arm)])
    p[13, :2] = p[11, :2] + 90 * along
    p[[15, 17, 19, 21], :2] = p[11, :2] + 180 * along
    p[[23, 24], :2] = (270, 420), (210, 420)
    p[[25, 26], :2] = (272, 570), (208, 570)
    p[[27, 28], :2] = (272, 720), (208, 720)
    p[29:, :2] = (240, 740)
    return p


def face(mouth: float, *, turn: float = 0.0, width: float = 1.0) -> Floats:
    """The points (468, 3) of a face that the expression is read from. ``turn`` in radians, ``mouth`` in pixels open."""
    p = np.zeros((468, 3))
    p[[10, 152, 168, 2, 13, 14], 1] = -90, 100 + mouth, -30, 25, 45, 45 + mouth
    p[[2, 168], 2] = -40, -25
    p[[33, 133, 362, 263], 0] = -45, -17, 17, 45
    p[[159, 386, 145, 374, 105, 334], 0] = -31, 31, -31, 31, -31, 31
    p[[159, 386, 145, 374, 105, 334], 1] = -36, -36, -24, -24, -55, -55
    p[[33, 133, 362, 263], 1] = -30
    p[[61, 291, 234, 454], :2] = (-25, 45), (25, 45), (-70, 0), (70, 0)
    p[:, 0] *= width
    c, s = np.cos(turn), np.sin(turn)
    return p @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T + (240, 100, 0)


def still(time: float, people: int = 1, **fields: object) -> Still:
    boxes = np.array([[180 - 60 * i, 60, 120, 700 - 40 * i, 0.9] for i in range(people)])
    made = Still(
        time, b"", boxes.reshape(-1, 5), 1, 8.0, 200.0, 0.5, 0.2, np.full((2, 21, 3), np.nan)
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def scan(n: int, energy: float = 5.0) -> Scan:
    return Scan(
        24.0,
        np.full((n - 1, 2), 3.0),
        np.zeros(n),
        np.zeros((n, 3)),
        np.zeros((n, 96)),
        np.zeros((n, 32, 32), np.uint8),
        12.0,
        np.zeros(n - 1),
        np.full(n // 2, energy),
    )


def clip(seconds: float = 8.0, **fields: object) -> PoseTrack:
    """A clip without fault: one person who swings an arm, before a camera that stands still."""
    times = np.arange(0, seconds, 0.25)
    camera = np.zeros((len(times), 4))
    camera[:, 0] = times
    made = PoseTrack(
        SIZE,
        seconds,
        4.0,
        times,
        np.stack([standing(0.3 * t) for t in times]),
        np.full((len(times), 468, 3), np.nan),
        np.full(len(times), 1.0),
        tuple(still(float(t)) for t in np.arange(0, seconds, 0.5)),
        (),
        (),
        (),
        camera,
        scan(round(24 * seconds)),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def picture(body: Floats | None = None, **fields: object) -> PoseTrack:
    bodies = (standing() if body is None else body)[None]
    one = clip(1.0)
    return replace(
        one,
        times=np.zeros(1),
        bodies=bodies,
        faces=one.faces[:1],
        speed=np.full(1, np.nan),
        stills=(still(0.0, **fields),),  # type: ignore[arg-type]
    )


def told(track: PoseTrack | None, *, image: PoseTrack | None = None) -> dict[str, Finding]:
    return {f.code: f for f in advise(image, track).findings if f.severity != "pass"}


def test_a_clip_without_fault_gets_no_advice() -> None:
    assert told(clip()) == {}
    assert clean_take(clip()) == (0.0, 8.0)


def test_a_second_person_is_told_with_the_time() -> None:
    stills = tuple(still(t, 2 if 4 <= t < 7 else 1) for t in np.arange(0, 8, 0.5))
    found = told(clip(stills=stills))["video.people"]
    assert found.severity == "warning"
    assert found.spans == ((4.0, 7.0),)
    assert "4.0 to 7.0 s" in found.measured
    assert clean_take(clip(stills=stills)) == (0.0, pytest.approx(3.7, abs=0.1))


def test_one_still_with_a_false_second_person_is_not_believed() -> None:
    stills = tuple(still(t, 2 if t == 3 else 1) for t in np.arange(0, 8, 0.5))
    assert told(clip(stills=stills)) == {}


def test_cuts_and_gradual_changes_are_told_and_end_the_clean_take() -> None:
    track = clip(cuts=(2.0,), changes=((5.0, 6.0),))
    found = told(track)
    assert found["video.cuts"].spans == ((2.0, 2.0),)
    assert found["video.changes"].spans == ((5.0, 6.0),)
    assert clean_take(track) == (2.0, 5.0)
    assert clean_take(replace(track, changes=((4.9, 6.0),))) is None  # none of 3 s is left
    assert clean_take(replace(track, changes=())) == (2.0, 8.0)


def test_a_person_who_leaves_is_told() -> None:
    track = clip()
    bodies = track.bodies.copy()
    bodies[12:20] = np.nan
    found = told(replace(track, bodies=bodies))["video.leaving"]
    assert found.spans == ((3.0, 5.0),)


def test_a_moving_camera_is_a_warning_and_a_plain_ground_cannot_be_told() -> None:
    moving = clip()
    camera = moving.camera.copy()
    camera[:, 1] = 0.05
    assert told(replace(moving, camera=camera))["video.camera"].severity == "warning"
    camera[3:, 1:] = np.nan
    found = told(replace(moving, camera=camera))["video.camera"]
    assert found.severity == "unknown"
    assert "too plain" in found.measured


def test_a_camera_that_zooms_is_told_by_its_direction() -> None:
    track = clip()
    camera = track.camera.copy()
    camera[:, 3] = -0.05
    assert "zooms out" in told(replace(track, camera=camera))["video.camera"].measured


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"light": 30.0}, "video.light"),
        ({"sharpness": 0.8}, "video.sharp"),
        ({"noise": 11.0}, "video.noise"),
        ({"area": 0.02}, "video.area"),
    ],
)
def test_dark_blurred_noisy_and_small_people_are_told(fields: dict[str, float], code: str) -> None:
    stills = tuple(still(t, **fields) for t in np.arange(0, 8, 0.5))
    assert code in told(clip(stills=stills))


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"light": 30.0}, "light"), ({"sharpness": 0.5}, "sharp"), ({"noise": 9.0}, "noise")],
)
def test_a_fault_of_less_than_half_of_the_clip_is_told_with_its_time(
    fields: dict[str, float], code: str
) -> None:
    stills = tuple(still(t, **(fields if 3 <= t < 5 else {})) for t in np.arange(0, 8, 0.5))
    found = told(clip(stills=stills))[f"video.{code}"]
    assert found.spans == ((3.0, 5.0),)
    assert found.measured.endswith("at 3.0 to 5.0 s.")
    once = tuple(still(t, **(fields if t == 3 else {})) for t in np.arange(0, 8, 0.5))
    assert told(clip(stills=once)) == {}, "half a second is no more than a fast movement"


def test_a_camera_that_moves_for_a_while_is_told_with_the_time() -> None:
    track = clip()
    camera = track.camera.copy()
    camera[12:20, 1] = 0.05
    found = told(replace(track, camera=camera))["video.camera"]
    assert (found.severity, found.measured) == ("advice", "The camera moves at 2.8 to 4.8 s.")
    camera[12:20, 1] = 0.0
    camera[[12, 16], 1] = 0.05
    assert told(replace(track, camera=camera)) == {}, "single looks err"


def test_a_picture_that_stands_still_meanwhile_is_told_and_not_paid_for() -> None:
    track = clip()
    energy = track.scan.energy.copy()
    energy[36:60] = 0.0  # 3 to 5 s
    frozen = replace(track, scan=replace(track.scan, energy=energy))
    found = told(frozen)["video.still"]
    assert (found.severity, found.spans) == ("advice", ((3.0, 5.0),))
    assert clean_take(frozen) in ((0.0, 3.0), (5.0, 8.0))


def test_a_person_who_is_seen_from_the_side_for_a_while_is_told() -> None:
    track = clip()
    bodies = track.bodies.copy()
    bodies[8:16, 0, 0] += 40  # the nose beside the ears
    found = told(replace(track, bodies=bodies))["video.side"]
    assert found.spans == ((2.0, 4.0),)


def test_a_line_of_text_in_the_clip_is_told_with_its_time() -> None:
    plain = np.full((854, 480, 3), 90, np.uint8)
    words = cv2.putText(plain.copy(), "Subscribe now", (40, 700), 0, 1.2, (255, 255, 255), 3)
    bare, named = (cv2.imencode(".png", each)[1].tobytes() for each in (plain, words))
    stills = tuple(still(t, jpeg=named if 2 <= t < 6 else bare) for t in np.arange(0, 8, 0.5))
    assert told(clip(stills=stills))["video.text"].spans == ((2.0, 6.0),)
    assert told(clip(stills=tuple(replace(each, jpeg=bare) for each in stills))) == {}


def test_a_split_screen_is_told() -> None:
    halves = np.full((854, 480, 3), 90, np.uint8)
    halves[:, 240:] = 200
    for x, colour in ((120, (255, 255, 255)), (360, (0, 0, 0))):
        cv2.circle(halves, (x, 300), 100, colour, -1)
    png = cv2.imencode(".png", halves)[1].tobytes()
    stills = tuple(still(t, jpeg=png) for t in np.arange(0, 8, 0.5))
    assert "video.collage" in told(clip(stills=stills))


def test_a_bad_first_picture_says_where_to_begin() -> None:
    stills = tuple(still(t, 0 if t < 1 else 1) for t in np.arange(0, 8, 0.5))
    assert "1.0 s" in told(clip(stills=stills))["video.first"].fix
    blurred = tuple(still(t, sharpness=0.5 if t < 1 else 9.0) for t in np.arange(0, 8, 0.5))
    assert "blurred" in told(clip(stills=blurred))["video.first"].measured
    dark = tuple(still(t, light=20.0 if t < 1 else 200.0) for t in np.arange(0, 8, 0.5))
    assert "dark" in told(clip(stills=dark))["video.first"].measured


def test_a_person_who_is_too_small_for_landmarks_is_not_nobody() -> None:
    track = clip()
    found = told(replace(track, bodies=np.full_like(track.bodies, np.nan)))
    assert found["video.area"].severity == "warning"
    assert "too small" in found["video.area"].measured
    assert "video.person" not in found


def test_a_frozen_clip_is_still_though_landmarks_tremble() -> None:
    assert told(clip(scan=scan(192, energy=0.02)))["video.still"].severity == "warning"


def test_a_turned_back_is_told_with_spans() -> None:
    track = clip()
    bodies = track.bodies.copy()
    bodies[:, [11, 12, 23, 24]] = bodies[:, [12, 11, 24, 23]]
    stills = tuple(still(t, faces=0) for t in np.arange(0, 8, 0.5))
    found = told(replace(track, bodies=bodies, stills=stills))["video.back"]
    assert found.severity == "warning"
    assert found.spans == ((0.0, 8.0),)


def test_hidden_arms_speed_and_stillness_are_told() -> None:
    track = clip()
    bodies = track.bodies.copy()
    bodies[:16, 15, 3] = 0.1
    assert "video.arms" in told(replace(track, bodies=bodies))
    assert "video.fast" in told(replace(track, speed=np.full(len(track.times), 7.0)))
    still_one = replace(track, speed=np.full(len(track.times), 0.05), scan=scan(192, energy=0.3))
    assert told(still_one)["video.still"].severity == "warning"


def test_nobody_in_clip_or_picture_is_a_warning_and_never_an_error() -> None:
    track = clip()
    empty = replace(
        track,
        bodies=np.full_like(track.bodies, np.nan),
        stills=tuple(still(t, 0, faces=0) for t in np.arange(0, 8, 0.5)),
    )
    found = told(empty)
    assert found["video.person"].severity == "warning"
    alone = picture(np.full((33, 4), np.nan), people=0, faces=0)
    assert told(None, image=alone)["image.person"].severity == "warning"
    assert advise(alone, empty).starts == ()


def test_framing_tells_what_the_picture_must_invent() -> None:
    half = standing()
    half[25:, 3] = 0.1
    assert framing(picture(half)) == 2
    assert told(clip(), image=picture(half))["pair.framing"].severity == "warning"
    assert "pair.framing" not in told(clip(), image=picture())
    near = told(clip(bodies=np.stack([half] * 32)), image=picture())["pair.framing"]
    assert near.severity == "advice"
    assert near.measured.startswith("The picture shows the full body, the clip ")
    bust = half.copy()
    bust[23:, 3] = 0.1
    assert told(None, image=picture(bust))["image.torso"].severity == "advice"


def test_the_best_start_is_where_the_pose_is_the_pictures() -> None:
    wanted = standing(1.8)  # the clip gets there at 6 s
    starts = rank_starts(picture(wanted), clip(10.0))
    assert starts[0].time == pytest.approx(6.0, abs=0.3)
    assert starts[0].match > 0.95
    found = told(clip(10.0), image=picture(wanted))["pair.start"]
    assert f"Start at {starts[0].time:.1f} s" in found.fix
    assert found.measured.startswith("The clip begins with another pose than the picture's")
    made = advise(picture(wanted), clip(10.0))
    assert [s.time for s in made.better_starts] == [at for at, _ in found.spans]
    assert [s.end for s in made.better_starts] == [10.0] * 3, "from there to the end of the take"
    five = advise(picture(wanted), clip(10.0), "image").better_starts[0]
    assert five.span == (five.time, five.time + 5)
    assert advise(picture(), clip(10.0)).better_starts == (), "they match at the start already"


def test_a_clip_too_short_for_another_start_has_its_own_judged() -> None:
    other = standing(3.0)
    other[[14, 16], :2] = (100, 150), (60, 60)
    other[[25, 26, 27, 28], :2] = (400, 480), (90, 480), (400, 400), (90, 400)
    apart = told(clip(2.5), image=picture(other))["pair.start"]
    assert apart.severity == "warning"
    assert "% alike" in apart.measured


def test_what_differs_at_the_start_is_named() -> None:
    one = replace(picture(), faces=face(0.0)[None])
    turned = replace(picture(), faces=face(0.0, turn=0.6)[None])
    laughs = replace(picture(), faces=face(40.0)[None])
    lifted = replace(picture(standing(3.0)), faces=face(40.0)[None])
    assert likeness(one, turned).differs(0) == "with another turn of the head than the picture's"
    assert likeness(one, laughs).differs(0) == "with another expression than the picture's"
    assert likeness(one, lifted).differs(0) == "with another pose and expression than the picture's"


def test_of_a_talking_head_the_mouth_and_the_turn_decide_the_start() -> None:
    """The body says little: it hardly moves. The face of the picture is that of the clip at 4 s, of another build."""
    track = clip(10.0)
    mouths = 30 * np.abs(np.sin(track.times * np.pi / 8))  # widest open at 4 s
    heads = np.stack([face(mouth) for mouth in mouths])
    talking = replace(track, bodies=np.repeat(standing()[None], len(heads), 0), faces=heads)
    seen = replace(picture(), faces=face(30.0, width=1.15)[None])
    assert rank_starts(seen, talking)[0].time == pytest.approx(4.0, abs=0.6)
    turns = np.stack([face(0.0, turn=t) for t in np.linspace(-0.6, 0.6, len(track.times))])
    looks = replace(talking, faces=turns)
    aside = replace(picture(), faces=face(0.0, turn=0.12)[None])
    assert rank_starts(aside, looks)[0].time == pytest.approx(6.0, abs=0.3)


def test_the_small_mouth_and_short_chin_of_a_drawn_face_are_no_expression() -> None:
    """The clip pouts meanwhile, and then has the proportions that the picture has at rest."""
    rest, pout, drawn = face(0.0), face(0.0), face(0.0)
    for made, lids in ((pout, 0), (drawn, 3)):
        made[[61, 291], 0] = 240 - 20, 240 + 20
        made[152, 1] -= 20
        made[[159, 386], 1] -= lids
    track = clip(8.0)
    faces = np.stack([pout if 1 <= t <= 2 else rest for t in track.times])
    quiet = replace(track, faces=faces, bodies=np.repeat(standing()[None], len(faces), 0))
    seen = replace(picture(), faces=drawn[None])
    value = likeness(seen, quiet).value
    assert value[0] > value[6] + 0.02
    assert "pair.start" not in told(quiet, image=seen)
    assert rank_starts(seen, quiet)[0].time not in (1.0, 1.5, 2.0)


def test_a_small_face_says_nothing_about_its_expression() -> None:
    track = clip(10.0)
    small = np.stack([0.3 * face(30 * (t > 5)) for t in track.times])
    talking = replace(track, bodies=np.repeat(standing()[None], len(small), 0), faces=small)
    match = likeness(replace(picture(), faces=0.3 * face(30.0)[None]), talking).value
    assert np.ptp(match) == 0


def test_a_bone_seen_from_its_end_has_no_direction() -> None:
    ahead, other = standing(), standing()
    ahead[15, :2] = ahead[13, :2] + (2, 0)
    other[15, :2] = other[13, :2] - (2, 0)
    track = replace(clip(4.0), bodies=np.repeat(other[None], 16, 0))
    assert likeness(picture(ahead), track).value.min() > 0.95


def test_a_start_leaves_the_seconds_that_the_orientation_needs() -> None:
    wanted = picture(standing(3.0))  # best at the end
    assert max(s.time for s in rank_starts(wanted, clip(10.0))) <= 7.0
    assert max(s.time for s in rank_starts(wanted, clip(10.0), "image")) <= 5.0


def test_facing_is_zero_from_the_front_and_signed_to_the_sides() -> None:
    turned = standing()
    turned[0, 0] += 25
    assert facing(picture())[0] == 0
    assert facing(picture(turned))[0] > 0.5


def test_advice_pickles() -> None:
    made = advise(picture(), clip())
    again = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own bytes
    assert again.findings == made.findings
    assert again.starts == made.starts


def test_real_pictures(shared_media: Path) -> None:
    def codes(name: str) -> set[str]:
        return set(told(None, image=people.track_image(shared_media / "image" / name)))

    assert codes("fullbody_woman.png") == set()
    assert codes("drawing_woman.png") == set()
    assert codes("wide_alpaca.jpg") == codes("no_person_camera.png") == {"image.person"}
    portrait = people.track_image(shared_media / "image/portrait_woman.png")
    assert told(None, image=portrait)["image.torso"].severity == "advice", "her shirt is seen"


def test_no_grimace_is_told_as_the_start_for_a_drawn_or_rendered_face(shared_media: Path) -> None:
    track = people.track(shared_media / "video/face_expressions_7s.mp4")
    for name in ("anime_girl.png", "render_boy_portrait.jpg", "portrait_woman.png"):
        image = people.track_image(shared_media / "image" / name)
        assert "pair.start" not in told(track, image=image), "both are at rest at 0 s"


def test_real_clips(shared_media: Path) -> None:
    def codes(name: str) -> set[str]:
        return set(told(people.track(shared_media / "video" / name)))

    assert codes("dance_fullbody_12s.mp4") == {"video.text"}  # subtitles
    assert codes("dance_woman_4s.mp4") == {"video.camera"}  # cannot be told: a plain ground
    assert codes("sitting_woman_5s.mp4") == {"video.camera"}  # hand-held
    sits = people.track(shared_media / "video/sitting_woman_5s.mp4")
    assert framing(sits) == 1, "her feet are hidden"
    assert {"video.people", "video.camera"} <= codes("crowd_50fps.avi")


def test_a_second_person_in_the_picture_is_told(shared_media: Path, tmp_path: Path) -> None:
    one = cv2.imread(str(shared_media / "image/standing_woman.jpg"))
    assert one is not None
    cv2.imwrite(str(tmp_path / "two.jpg"), np.hstack([one, one]))
    found = told(None, image=people.track_image(tmp_path / "two.jpg"))["image.people"]
    assert "collage" in found.measured


def test_a_clip_on_its_side_is_told_and_nothing_else_is_told_of_the_person() -> None:
    stills = tuple(still(t, 0) for t in np.arange(0, 8, 0.5))
    over = clip(stills=stills, turned=180)
    assert set(told(over)) == {"video.turned"}
    assert "upside down" in told(over)["video.turned"].measured
    lying = clip(turned=270)
    assert "quarter turn to the left" in told(lying)["video.turned"].fix
    assert "turn_video=270" in told(lying)["video.turned"].fix
    assert advise(None, lying).use is None
    assert set(told(clip(), image=replace(picture(), turned=90))) == {"image.turned"}


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_real_clip_that_was_turned_is_seen_and_turned_back(
    shared_media: Path, tmp_path: Path, turns: int
) -> None:
    source = cv2.VideoCapture(str(shared_media / "video/dance_woman_4s.mp4"))
    frame = cv2.resize(source.read()[1], (480, 720))
    cv2.imwrite(str(tmp_path / "turned.png"), np.rot90(frame, turns))
    seen = people.track_image(tmp_path / "turned.png").turned
    assert seen == 90 * turns
    made = fit(plan_file(tmp_path / "turned.png", choices=FitChoices(turn_image=seen)), tmp_path)
    assert made.image is not None
    assert people.track_image(made.image).turned == 0
    assert (made.report.image.size if made.report.image else None) == (480, 720)


def test_a_still_picture_under_a_moving_camera_is_no_motion() -> None:
    track = clip()
    spots = np.random.default_rng(1).integers(0, 255, (60, 40, 3)).astype(np.uint8)
    picture = cv2.resize(spots, (600, 1000), interpolation=cv2.INTER_LINEAR)

    def frame(i: int) -> bytes:
        return bytes(cv2.imencode(".png", picture[i : i + 854, i : i + 480])[1])

    stills = tuple(still(0.5 * i, jpeg=frame(2 * i)) for i in range(16))
    shift = np.arange(len(track.times))[:, None, None] * np.array([3.0, 1.0, 0.0])
    faces = np.stack([face(4.0) for _ in track.times]) + shift
    moved = replace(track, faces=faces, stills=stills)
    assert "still picture" in told(moved)["video.still"].measured
    talks = faces.copy()
    talks[len(faces) // 2 :, 200:, 1] += 20
    assert "video.still" not in told(replace(moved, faces=talks))
    other = tuple(
        replace(s, jpeg=frame(0) if i % 2 else stills[9].jpeg) for i, s in enumerate(stills)
    )
    assert layout.moved(stills[0].pixels(), stills[1].pixels(), stills[0].boxes[0]) > 0.95
    assert "video.still" in told(replace(moved, stills=other)), "any shift is one motion"
    mixed = np.flipud(picture[:854, :480])
    two = (stills[0], replace(stills[1], jpeg=bytes(cv2.imencode(".png", mixed)[1])))
    assert "video.still" not in told(replace(moved, stills=two))


def test_of_a_crowd_no_part_shows_one_person() -> None:
    counts = [0, 1, 1, 3, 1, 1, 3, 3, 3]
    crowd = clip(4.5, stills=tuple(still(0.5 * i, n) for i, n in enumerate(counts)))
    found = told(crowd)
    assert found["video.people"].measured == "Many people are in the clip all the time."
    assert found["video.people"].spans == ((0.0, 4.5),)
    assert "use another clip" in found["video.people"].fix
    assert "video.first" not in found, "they are not all found, so nobody is no finding"
    assert clean_take(crowd) is None
    assert "more than one person all the time" in saving(advise(None, crowd), None)
    group = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3]
    some = told(clip(6.0, stills=tuple(still(0.5 * i, n) for i, n in enumerate(group))))
    assert some["video.people"].measured == "At least 3 people are in the clip at 5.0 to 6.0 s."


@pytest.mark.parametrize(("seconds", "rate"), [(7.0, 1.0), (0.1, 24.0)])
def test_of_too_few_pictures_no_motion_camera_or_cut_is_told(seconds: float, rate: float) -> None:
    few = clip(seconds, changes=((0.0, seconds),), speed=np.full(round(4 * seconds) or 1, 0.0))
    few = replace(few, scan=replace(scan(max(2, round(seconds * rate)), energy=0.0), rate=rate))
    found = told(few)
    assert {found[f"video.{what}"].severity for what in ("cuts", "camera", "still")} == {"unknown"}
    assert "video.changes" not in found
    assert "too few pictures" in found["video.still"].measured
    assert advise(None, few).use is None


def test_what_lasts_all_the_time_has_no_part_without_it() -> None:
    turned = clip().bodies
    turned[:, 0, 0] += 40  # the nose beside the ears
    side = told(clip(bodies=turned))["video.side"]
    assert side.measured == "The person is seen from the side all the time."
    assert side.fix.startswith("Use a clip in which")
    dark = tuple(still(t, light=30.0) for t in np.arange(0, 8, 0.5))
    assert "part" not in told(clip(stills=dark))["video.light"].fix
    two = tuple(still(t, 2) for t in np.arange(0, 8, 0.5))
    assert "part" not in told(clip(stills=two))["video.people"].fix


def test_no_usable_part_is_said_with_its_reasons() -> None:
    def why(**fields: object) -> str:
        return saving(advise(None, clip(5.0, **fields)), None)

    assert why(cuts=(2.5,)) == "No part of 3 s or more is usable: 1 cut at 2.5 s."
    assert why(changes=((2.0, 3.0),)).endswith("usable: a gradual change at 2.0 to 3.0 s.")
    dark = tuple(still(t, light=30.0) for t in np.arange(0, 5, 0.5))
    assert why(stills=dark).endswith("usable: darkness all the time.")
    assert why(turned=180).endswith("usable: the person does not stand upright in it.")
    assert saving(advise(None, clip(2.0)), None).endswith("usable: the clip has 2.0 s.")
    assert why() == ""
    assert saving(replace(advise(None, clip(5.0, cuts=(2.5,))), done=False), None) == ""


def test_hidden_ankles_are_no_full_body_and_a_shirt_is_more_than_a_head() -> None:
    sits = standing()
    sits[[27, 28], 3] = 0.65
    assert framing(picture(sits)) == 1
    bust = standing()
    bust[:, :2] = 4 * (bust[:, :2] - (240, 100)) + (240, 400)
    bust[[11, 12], 1] = SIZE.height + 25
    bust[23:, 3] = 0.0
    assert framing(picture(bust)) == 3
    assert told(None, image=picture(bust))["image.torso"].severity == "advice"
    bust[[11, 12], 1] = SIZE.height + 120
    near = told(None, image=picture(bust))["image.torso"]
    assert near.measured == "The picture shows only the head."


def test_a_person_is_out_of_the_frame_only_at_its_edge() -> None:
    track = clip()
    gone = track.bodies.copy()
    gone[12:20] = np.nan
    inside = told(replace(track, bodies=gone))["video.leaving"]
    assert inside.measured == "Head or upper body of the person cannot be seen at 3.0 to 5.0 s."
    above = track.bodies.copy()
    above[12:20, :, 1] -= 260
    outside = told(replace(track, bodies=above))["video.leaving"]
    assert "are out of the frame at 3.0 to 5.0 s" in outside.measured


def test_another_try_begins_where_the_pose_matches_better() -> None:
    advice = advise(picture(standing(1.5)), clip())
    (first, *_) = found = list(variants(advice, None, "video"))
    assert first.span == advice.better_starts[0].span
    assert first.span[0] == pytest.approx(5.0, abs=0.3)
    assert [each.span for each in found] == [s.span for s in advice.better_starts[:2]]
    assert list(variants(advise(picture(), clip()), None, "video")) == []


def test_another_try_crops_the_picture_to_what_the_clip_shows() -> None:
    half = clip()
    bodies = half.bodies.copy()
    bodies[:, 25:, 1] += 800  # knees and feet are below the frame
    info = image_info(size=Size(960, 1708))  # twice that of the track
    found = list(variants(advise(picture(), replace(half, bodies=bodies)), info, "video"))
    (crop,) = (each.crop for each in found if each.crop)
    assert crop[:3] == (0, 0, 960)
    assert crop[3] == 2 * (420 + 55), "the hips, and a quarter of the torso below"
    assert [each.orientation for each in found if each.orientation] == ["image"]


def test_another_try_takes_the_clean_part() -> None:
    advice = advise(picture(), clip(cuts=(2.0,)))
    assert [each.span for each in variants(advice, None, "video")] == [(2.0, 8.0)]


def test_every_rule_of_the_content_is_documented() -> None:
    root = Path(__file__).resolve().parents[2]
    code = (root / "kling_utils/preflight/advice.py").read_text("utf-8")
    rules = set(re.findall(r'^ +f?"((?:image|video|pair|\{where\})\.[a-z]+)",', code, re.M))
    each = {rule.replace("{where}", where) for rule in rules for where in ("image", "video")}
    page = (root / "docs/checks.md").read_text("utf-8")
    assert set(re.findall(r"`((?:image|video|pair)\.[a-z]+)`", page)) == each


# with a client: the part that is worth paying for


EXAMPLES = Path(examples.__file__).parent


@pytest.fixture
def late_clip(tmp_path: Path) -> Path:
    """The example clip after 1.5 s of an empty wall."""
    path = tmp_path / "late.mp4"
    graph = "[0]tpad=start_duration=1.5:start_mode=add:color=0x808080[v]"
    ffmpeg.run(
        [
            *("-i", str(EXAMPLES / "groove.mp4"), "-filter_complex", graph, "-map", "[v]"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)),
        ],
        timeout=60,
    )
    return path


def test_the_clean_part_of_a_clip_is_priced_and_taken(tmp_path: Path, late_clip: Path) -> None:
    with Client(home=tmp_path / "home", api_key="sk-1") as client:
        before = client.check(EXAMPLES / "dancer.jpg", late_clip)
        use = before.advice.use
        assert use is not None
        assert use[0] == pytest.approx(1.5, abs=0.3)
        assert f"start at {use[0]:.1f} s, pay" in before.saving
        request = client.request(EXAMPLES / "dancer.jpg", late_clip)
        choices = client.trimmed(request, "clean")
        assert (choices.start, choices.start + (choices.length or 0)) == pytest.approx(use)
        assert client.trimmed(request, (2.0, 5.5)).length == 3.5


def test_in_image_orientation_five_seconds_are_taken(tmp_path: Path, late_clip: Path) -> None:
    with Client(home=tmp_path / "home") as client:
        before = client.check(EXAMPLES / "dancer.jpg", late_clip, character_orientation="image")
        use = before.advice.use
        assert use is not None
        assert use[1] - use[0] <= 5.0


def test_advice_comes_as_it_is_known(late_clip: Path) -> None:
    seen: list[Advice] = []
    made = look(None, probe_video(late_clip), on_advice=seen.append)
    assert [each.done for each in seen] == [False]
    assert seen[0].findings[0].code == "video.first"
    assert made.done


def test_a_file_that_cannot_be_looked_at_is_said(late_clip: Path) -> None:
    info = probe_video(late_clip)
    late_clip.write_bytes(b"no clip")
    found = look(None, replace(info, sha256="0" * 64)).findings[0]
    assert found.severity == "unknown"
    assert "could not be looked at" in found.measured


def test_a_look_that_nobody_waits_for_any_more_ends(late_clip: Path) -> None:
    info = replace(probe_video(late_clip), sha256="1" * 64)  # nothing of it is kept
    begun = looking(None, info)
    assert not next(begun).done
    begun.close()
    threads = [t for t in threading.enumerate() if t.name == "kling-look"]
    for thread in threads:
        thread.join(20)
    assert not any(t.is_alive() for t in threads)
    assert next(looking(None, info)).done is False  # it was given up, so nothing is known


def test_looking_ends_with_what_is_known_at_the_end(late_clip: Path) -> None:
    seen = list(looking(None, probe_video(late_clip)))
    assert [each.done for each in seen][-1:] == [True]
    assert seen[-1].clean is not None
