"""Each way in which a result can be wrong is named, and a good result is called good: on made tracks."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.dancers import ANOTHER, Person, clip, still_of
from pydantic import TypeAdapter

from kling_utils.media import ffmpeg, people
from kling_utils.media.arrays import Frame, u8
from kling_utils.media.people import PoseTrack
from kling_utils.review import looks, verdict
from kling_utils.review.fidelity import LEAST_TIMING
from kling_utils.values import Fidelity, Trait

LONG = 10.0


@cache
def reference(kind: str = "body", seconds: float = 6.0) -> PoseTrack:
    return clip(1, seconds, kind=kind, person=ANOTHER, hands=0.9, noise=2)


def judged(
    kind: str = "body", *, of: float = 6.0, asked: float | None = None, **made: Any
) -> Fidelity:
    """The result made so, of a motion that takes ``of`` seconds, beside a picture of the right person."""
    made = {"seconds": of, "hands": 0.9, **made}
    result = clip(made.pop("seed", 1), made.pop("seconds"), kind=kind, **made)
    picture = still_of(clip(5, 0.5, kind=kind))
    return verdict.fidelity(reference(kind, of), result, picture, asked=asked)


def faults(found: Fidelity, **more: Any) -> dict[str, str]:
    return {
        f.code.removeprefix("result."): f.measured
        for f in verdict.findings(found, **more)
        if f.severity not in ("pass", "unknown")
    }


def hue(image: Frame, turn: float) -> Frame:
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(int)
    hsv[..., 0] = (hsv[..., 0] + turn / 2) % 180
    return u8(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR))


def grain(image: Frame, t: float) -> Frame:
    noise = np.random.default_rng(int(t * 1000)).normal(0, 14, image.shape[:2])[..., None]
    return u8(np.clip(image + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("kind", ["body", "face"])
def test_a_good_result(kind: str) -> None:
    found = judged(kind)
    assert found.score.value is not None
    assert found.score.value > 90
    assert re.fullmatch("Follows the (motion|face's motion) well.", found.sentence)
    assert faults(found) == {}
    assert found.reading == ""
    assert (found.frozen, found.unseen, found.stops, found.ends) == ((), (), None, None)


WRONG: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "still": ({"when": lambda t: 0.0}, "The person does not move.", {"motion"}),
    "still with zoom": (
        {"when": lambda t: 0.0, "zoom": 0.02, "paint": grain},
        "does not move, only the picture zooms",
        {"motion"},
    ),
    "still with grain": (
        {"when": lambda t: 0.0, "paint": grain},
        "does not move, only the grain",
        {"motion"},
    ),
    "wrong clip": ({"seed": 4}, "looks like that of another clip", {"motion"}),
    "other part": (
        {"of": LONG, "seconds": 4.0, "when": lambda t: t + 3},
        "shows another part of the motion: 3.0 to 7.0 s",
        {"motion"},
    ),
    "mirrored": ({"mirrored": True}, "in a mirror: left and right are swapped", {"motion"}),
    "reversed": ({"when": lambda t: 6 - t}, "runs backwards", {"motion"}),
    "half speed": ({"when": lambda t: t / 2}, "at half speed", {"motion"}),
    "double speed": ({"when": lambda t: (2 * t) % 6}, "at double speed", {"motion"}),
    "half frozen": (
        {"when": lambda t: min(t, 3.0)},
        "until 3(.[01])? s, and stands still from then on",
        {"motion"},
    ),
    "starts late": (
        {"when": lambda t: max(0.0, t - 1.5)},
        "1.5 s late",
        {"motion"},
    ),
    "begins late": (
        {"seconds": 4.5, "when": lambda t: t + 1.5},
        "Begins late: the first 1.5 s of the motion are missing",
        {"motion"},
    ),
    "cut off": (
        {"seconds": 3.6},
        "as far as it goes; it ends at 3.6 s of the reference",
        {"motion"},
    ),
    "late": ({"when": lambda t: t - 0.6}, "Follows the motion, but it is 0.6 s late", {"timing"}),
    "no colour": (
        {"paint": lambda image, t: u8(np.repeat(image[..., :1], 3, 2))},
        "lost its colours",
        {"colours"},
    ),
    "nothing to be seen": (
        {"paint": lambda image, t: u8(np.full_like(image, 128))},
        "nothing can be seen",
        {"colours"},
    ),
    "another person": ({"person": ANOTHER}, "not the person of the picture", {"person"}),
    "becomes another person": (
        {"person": lambda t: Person() if t < 4 else ANOTHER},
        "the clothes change after 4 s",
        {"person"},
    ),
    "two people": ({"people": 2}, "more than one person", {"people"}),
    "colour drift": (
        {"paint": lambda image, t: hue(image, 12 * t)},
        "the colours drift from [1-4](.\\d)? s on",
        {"colours"},
    ),
    "flicker": (
        {"paint": lambda image, t: u8(np.clip(image.astype(int) + round(t * 12) % 2 * 4, 0, 255))},
        "flickers",
        {"flicker"},
    ),
    "hands": ({"hands": 0.1}, "the hands are hardly recognisable", {"hands"}),
}


@pytest.mark.parametrize("fault", WRONG)
def test_each_wrong_result_is_named(fault: str) -> None:
    made, sentence, codes = WRONG[fault]
    found = judged(**made)
    assert re.search(sentence, found.sentence, re.IGNORECASE), found.sentence
    assert set(faults(found)) == codes
    assert all(f.fix for f in verdict.findings(found) if f.severity not in ("pass", "unknown"))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"when": lambda t: 0.0}, "does not move"),
        ({"when": lambda t: 0.0, "zoom": 0.02, "paint": grain}, "only the picture zooms"),
        ({"when": lambda t: 6 - t}, "backwards"),
        ({"when": lambda t: t / 2}, "at half speed"),
        ({"when": lambda t: min(t, 3.0)}, "stands still from then on"),
        ({"seed": 2}, "another clip"),
        ({"person": ANOTHER}, "not the person of the picture"),
        (
            {"person": lambda t: Person() if t < 4 else ANOTHER},
            "from 4 s on somebody else is in the picture",
        ),
    ],
)
def test_the_same_of_a_face(made: dict[str, Any], sentence: str) -> None:
    assert sentence in judged("face", **made).sentence


@pytest.mark.parametrize("who", ["body", "face"])
@pytest.mark.parametrize("fault", ["reversed", "half speed", "double speed", "starts late"])
def test_what_is_not_in_time_scores_low_however_alike_the_poses_are(fault: str, who: str) -> None:
    score = judged(who, **WRONG[fault][0]).score
    assert score.value is not None
    assert score.value <= 100 * LEAST_TIMING
    assert score.timing == LEAST_TIMING


def test_a_limb_that_lags_and_one_that_rests() -> None:
    found = judged(of=LONG, arm=lambda t: 0.0 if t < 4 else 0.4)
    left, right = (next(x for x in found.limbs if x.name == f"{s} arm") for s in ("left", "right"))
    assert left.lag == pytest.approx(0.4, abs=0.1)
    assert left.lags_from == pytest.approx(4.0, abs=1.0)
    assert right.lag is None
    assert "the left arm lags from" in found.sentence
    stiff = judged(of=LONG, arm=lambda t: t)  # always where it was at 0 s
    assert "the left arm hardly moves" in stiff.sentence
    assert next(x for x in stiff.limbs if x.name == "left arm").amplitude < 0.3


def test_a_picture_is_compared_with_its_own_sound() -> None:
    found = judged(when=lambda t: t - 0.6)
    assert "later than its sound" in faults(found, sound_late=0.0)["timing"]
    assert faults(found, sound_late=0.6) == {}  # both late: trim, nothing to shift


def test_what_was_asked_is_the_measure_of_length() -> None:
    found = judged(of=LONG, seconds=5.0, asked=5.0)
    assert found.ends is None
    assert found.score.coverage > 0.95
    assert judged(of=LONG, seconds=5.0).ends == pytest.approx(5.0)


def test_no_number_without_a_reason_to_give_one() -> None:
    rests = verdict.fidelity(clip(1, when=lambda t: 0.0), clip(1))
    assert rests.score.value is None
    assert rests.sentence.startswith(
        "Cannot tell how well the motion is followed, because the body hardly"
    )
    nobody = clip(1)
    nobody.bodies[:] = np.nan
    gone = verdict.fidelity(clip(1), nobody)
    assert "because nobody was found in the result" in gone.sentence
    told = {f.code: f for f in verdict.findings(gone) if f.severity not in ("pass", "unknown")}
    assert list(told) == ["result.people"]
    assert told["result.people"].measured.startswith("nobody was found in the result")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("body", "face", "The reference shows a moving body and the result only a face:"),
        (
            "face",
            "body",
            "The reference shows a face from near and the result a whole moving body:",
        ),
    ],
)
def test_a_clip_of_another_framing_is_a_fault(before: str, after: str, sentence: str) -> None:
    found = verdict.fidelity(clip(1, kind=before), clip(1, kind=after))
    assert found.score.value is None
    assert found.sentence.startswith(sentence)
    motion = next(f for f in verdict.findings(found) if f.code == "result.motion")
    assert motion.severity == "warning"
    assert motion.fix


@pytest.mark.parametrize("before", ["body", "face"])
def test_a_person_who_rests_or_is_too_small_to_tell_is_no_other_framing(before: str) -> None:
    rests = verdict.fidelity(clip(1, kind="face"), clip(1, when=lambda t: 0.0))
    small = clip(1, kind="face")
    small.faces[..., :2] *= 0.3
    distant = verdict.fidelity(clip(1, kind=before), small)
    for found in (rests, distant):
        assert found.sentence.startswith("Cannot tell"), found.sentence
        assert "motion" not in faults(found)


def test_another_face_with_skin_and_hair_alike() -> None:
    ours = looks.looks(clip(1, kind="face"))
    picture = looks.looks(still_of(clip(5, 0.5, kind="face")))[0]
    assert looks.face_trait(ours, picture).value == pytest.approx(1.0, abs=0.05)
    turned = [None if look.face is None else -look.face for look in ours]
    other = tuple(replace(look, face=face) for look, face in zip(ours, turned, strict=True))
    value = looks.face_trait(other, picture).value
    assert value is not None
    assert value < verdict.OTHER


@pytest.mark.parametrize("beside", ["picture", "start"])
def test_a_face_too_small_to_be_like_itself_is_no_other_person(beside: str) -> None:
    """Its structure is noise from look to look, and says nothing of whose it is."""
    ours = looks.looks(clip(1, kind="face"))
    noise = np.random.default_rng(1)
    blurs = tuple(replace(look, face=noise.normal(size=(48, 48))) for look in ours)
    found = looks.face_trait(blurs, blurs[0] if beside == "picture" else None)
    assert found.against == beside
    assert found.value == pytest.approx(1.0, abs=0.05)
    assert found.since is None


def test_no_moment_of_a_face_beside_its_own_start_unless_it_changes() -> None:
    low = Trait("face", 0.4, times=(0.0, 2.0), values=(0.5, 0.2), against="start")
    assert verdict._others((low,)) == ()
    (told,) = verdict._others((replace(low, since=1.5),))
    assert (told.kind, told.time) == ("identity", 2.0)
    assert verdict._others((replace(low, against="picture"),))


def test_a_clip_beside_itself_has_nothing_to_look_at(shared_media: Path) -> None:
    dance = people.track(shared_media / "video" / "dance_fullbody_12s.mp4", fps=8.0)
    found = verdict.fidelity(dance, dance)
    assert found.worst == ()
    face = found.trait("face")
    assert face is not None
    assert face.value is not None
    assert face.value > 0.8


def test_hands_are_compared_at_the_same_times() -> None:
    """The reference's hands are clear in its second half only, which a shorter result does not show."""

    def clear_from(track: PoseTrack, since: float) -> PoseTrack:
        stills = [
            replace(s, hands=np.where([True, True, False], s.hands, 0.1)) if s.time < since else s
            for s in track.stills
        ]
        return replace(track, stills=tuple(stills))

    whole = clear_from(clip(1, 10.0, hands=0.9), 3.0)
    part = clear_from(clip(1, 5.0, hands=0.9), 3.0)
    found = looks.hands_trait(part, whole)
    assert (found.value, found.detail) == (1.0, 0.4)
    late = looks.hands_trait(clear_from(clip(1, 10.0, hands=0.9), 4.0), whole, late=1.0)
    assert late.value == 1.0


@pytest.mark.parametrize("late", [0.6, 0.8, 1.1])
def test_a_lag_is_told_where_it_is(late: float) -> None:
    found = judged(of=8.0, when=lambda t: t - late)
    assert found.score.lag == pytest.approx(late, abs=0.04)
    assert f"{late} s late" in found.sentence


def face_turning(way: float) -> PoseTrack:
    """A face that talks and turns its head a little, to one side or the other."""
    made = clip(1, kind="face")
    for face, t in zip(made.faces, made.times, strict=True):
        left, right = face[33, :2].copy(), face[263, :2].copy()
        turn = np.arctan2(*(right - left)[::-1]) - way * 0.04 * np.sin(2 * np.pi * 0.4 * t)
        back = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        face[:, :2] = (face[:, :2] - (left + right) / 2) @ back.T + [240, 180]
        face[[1, 4], 0] = 240
    return made


def test_a_face_that_turns_the_other_way_is_in_a_mirror() -> None:
    found = verdict.fidelity(face_turning(1), face_turning(-1))
    assert found.reading == "mirrored", found.sentence
    assert "follows the face's motion in a mirror" in found.sentence.lower()
    assert "motion" in faults(found)
    assert found.score.value is not None
    assert found.score.value < verdict.WELL
    assert verdict.fidelity(face_turning(1), face_turning(1)).reading == ""


def test_a_face_that_turns_hardly_tells_no_mirror_but_its_ground_does() -> None:
    plain, other = face_turning(0.2), face_turning(-0.2)
    assert verdict.fidelity(plain, other).reading == ""
    ours = looks.looks(plain)
    edges = np.random.default_rng(1).normal(size=(16, 16))
    edges /= edges.std()
    there = tuple(replace(look, thumb=edges.ravel()) for look in ours)
    back = tuple(replace(look, thumb=edges[:, ::-1].ravel()) for look in ours)
    assert looks.turned_round(back, there)
    assert not looks.turned_round(there, there)
    even = (edges + edges[:, ::-1]).ravel()
    even /= even.std()
    alike = tuple(replace(look, thumb=even) for look in ours)
    assert not looks.turned_round(alike, alike), "either way is right over such a ground"


@pytest.mark.parametrize("name", ["face_expressions_7s.mp4", "talking_man_portrait.mp4"])
def test_a_mirrored_face_of_a_real_clip(shared_media: Path, tmp_path: Path, name: str) -> None:
    source, out = shared_media / "video" / name, tmp_path / "a.mp4"
    small = "scale='if(gt(iw,ih),-2,480)':'if(gt(iw,ih),480,-2)'"
    found = []
    for filters in (f"{small},hflip", small):
        cut = ["-y", *ffmpeg.source(source), "-t", "4", "-an", "-vf", filters]
        ffmpeg.run([*cut, *ffmpeg.H264, "-preset", "veryfast", f"file:{out}"], timeout=120)
        found.append(people.track(out, fps=8.0))
    assert verdict.fidelity(found[1], found[0]).reading == "mirrored"
    assert verdict.fidelity(found[1], found[1]).reading == ""


def stepping(gap: int, *, late: float = 0.0) -> PoseTrack:
    """A new picture in each ``gap`` of 24 a second; the motion comes ``late``."""
    made = clip(1, when=lambda t: t - late, hands=0.9)
    change = np.where(np.arange(6 * 24 - 1) % gap == 0, 2.0, 0.03)
    scan = replace(made.scan, rate=24.0, changes=np.stack([change, change], 1))
    return replace(made, scan=scan)


def test_a_stutter_is_told_and_neither_lag_nor_animation_on_twos() -> None:
    smooth = stepping(1)
    for gap, late in ((6, 0.3), (3, 0.17)):
        found = verdict.fidelity(smooth, stepping(gap, late=late))
        assert f"the picture stutters: about {24 // gap} pictures a second" in found.sentence
        assert " late" not in found.sentence
        assert "timing" not in faults(found)
    for there, here in ((1, 1), (1, 2), (6, 6)):
        found = verdict.fidelity(stepping(there), stepping(here))
        assert found.sentence == "Follows the motion well."
    slow = verdict.fidelity(smooth, stepping(6, late=0.65))
    assert "it is 0.6 s late" in slow.sentence, "that is more than the steps explain"


@pytest.mark.parametrize(
    ("joints", "sentence"),
    [
        (range(25, 33), "What is in sight follows the motion well, but the legs are not in sight."),
        ((13, 15), "Follows the motion well; the left arm is not in sight."),
        (
            (13, 15, 25, 26, 27, 28),
            "What is in sight follows the motion well, but the left arm and the legs are not in sight.",
        ),
    ],
)
def test_the_part_that_is_not_in_sight_is_named(joints: Any, sentence: str) -> None:
    result = clip(1)
    result.bodies[:, list(joints), 3] = 0.0
    found = verdict.fidelity(reference(), result)
    assert found.sentence == sentence
    motion = next(f for f in verdict.findings(found) if f.code == "result.motion")
    least = found.score.value is not None and found.score.value >= verdict.WELL
    assert motion.severity == ("pass" if least else "advice")
    assert least or "of what is in sight" in motion.measured


@pytest.mark.parametrize(("degrees", "way"), [(180, "upside down"), (90, "on its side")])
def test_a_turned_result_is_told_as_one(degrees: int, way: str) -> None:
    fallen = replace(clip(4), turned=degrees)
    unseen = replace(fallen, bodies=np.full_like(fallen.bodies, np.nan))
    for result in (fallen, unseen):
        found = verdict.fidelity(reference(), result)
        assert found.sentence.startswith(f"The result is {way}: turn it by {degrees} degrees")
        assert faults(found)["motion"].startswith("the result is")
        assert "people" not in faults(found)
    both = verdict.fidelity(replace(reference(), turned=degrees), replace(clip(1), turned=degrees))
    assert both.turned == 0


def test_a_score_just_below_well_is_no_matter_of_time() -> None:
    found = judged()
    score = replace(found.body, value=74.6, aligned=75.3, coverage=0.99)
    assert verdict.sentence(replace(found, body=score)) == "Follows the motion partly."


def test_well_is_said_of_a_score_that_is_well() -> None:
    for late in (0.0, 0.1, 0.2, 0.3, 0.4, 0.6):
        found = judged(when=lambda t, late=late: t - late)
        assert found.score.value is not None
        assert ("well" in found.sentence) == (found.score.value >= verdict.WELL), found


def half_of(kind: str) -> Fidelity:
    """The first half right, the second of another kind."""
    if kind == "slower":
        return judged(of=8.0, when=lambda t: t if t < 4 else t - min(0.6, (t - 4) / 2))
    one = clip(1, 8.0)
    two = clip(4, 8.0) if kind == "other" else clip(1, 8.0, mirrored=True)
    bodies = np.where((one.times < 4)[:, None, None], one.bodies, two.bodies)
    return verdict.fidelity(clip(1, 8.0, noise=2), replace(one, bodies=bodies))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("other", "the motion is not the reference's"),
        ("mirrored", "left and right are swapped"),
        ("slower", "it falls behind"),
    ],
)
def test_a_reading_of_one_half_is_not_said_of_both(kind: str, words: str) -> None:
    found = half_of(kind)
    assert found.reading == ""
    told = re.search(
        r"Follows the motion only until ([\d.]+) s: from then on (.*)\.", found.sentence
    )
    assert told is not None, found.sentence
    assert told[2].startswith(words)
    assert float(told[1]) == pytest.approx(4.0, abs=0.8)
    motion = next(f for f in verdict.findings(found) if f.code == "result.motion")
    assert motion.severity == "warning"
    assert motion.fix
    assert motion.spans


def test_without_a_picture_the_result_is_compared_with_its_start() -> None:
    found = verdict.fidelity(reference(), clip(1, person=ANOTHER))
    assert "person" not in faults(found)
    clothes = found.trait("clothes")
    assert clothes is not None
    assert clothes.against == "start"


def test_out_of_sight() -> None:
    result = clip(1)
    result.bodies[24:48] = np.nan
    found = verdict.fidelity(reference(), result)
    assert found.unseen[0] == pytest.approx((2.0, 4.0), abs=0.2)
    assert "not in sight from" in found.sentence
    assert found.worst[0].kind == "unseen"
    assert found.curve is not None
    assert None in found.curve.error


def test_the_curve_shows_where() -> None:
    found = judged(when=lambda t: min(t, 3.0))
    assert found.curve is not None
    early = [
        e
        for t, e in zip(found.curve.times, found.curve.error, strict=True)
        if t < 2.8 and e is not None
    ]
    late = [
        e
        for t, e in zip(found.curve.times, found.curve.error, strict=True)
        if t > 3.5 and e is not None
    ]
    assert max(early) < 5 < np.mean(late)
    assert 1 <= len(found.worst) <= 3
    assert all(m.time > 2.9 for m in found.worst)
    assert found.frozen[-1] == pytest.approx((3.0, 6.0), abs=0.3)


def test_it_goes_through_pickle_and_json_and_to_a_table() -> None:
    found = judged(person=lambda t: Person() if t < 4 else ANOTHER)
    kind = TypeAdapter(Fidelity)
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301
    assert kind.validate_json(kind.dump_json(found)) == found
    frame = found.to_frame()
    assert {"time", "error", "follows", "motion", "clothes", "colour"} <= set(frame.columns)
    assert frame["time"].is_monotonic_increasing
    assert str(found).startswith(f"{found.score.value:.0f} of 100. Follows")


def test_every_reason_has_words() -> None:
    found = [judged(), judged("face"), verdict.fidelity(clip(1), clip(1, kind="face"))]
    reasons = {t.why for f in found for t in f.traits} | {
        s.why for f in found for s in (f.body, f.face)
    }
    assert reasons - {""} <= set(verdict.WHY)
    assert {f.code for f in verdict.findings(found[0])} == set(verdict.TITLES)


def test_a_blurred_person_is_named_unless_the_reference_is_blurred() -> None:
    def soft(track: PoseTrack) -> PoseTrack:
        return replace(track, stills=tuple(replace(s, sharpness=0.6) for s in track.stills))

    found = verdict.fidelity(reference(), soft(clip(1)))
    assert "the person is blurred" in found.sentence
    assert set(faults(found)) == {"sharp"}
    found = verdict.fidelity(soft(reference()), soft(clip(1)))
    assert "sharp" not in faults(found)
    assert "blurred" not in found.sentence


def test_hands_of_a_smaller_result_are_not_called_worse() -> None:
    def small(track: PoseTrack) -> PoseTrack:
        stills = (
            replace(s, hands=np.where([True, True, False], 0.55 * s.hands, s.hands))
            for s in track.stills
        )
        return replace(track, stills=tuple(stills))

    found = looks.hands_trait(small(clip(1, hands=0.1)), reference())
    assert (found.value, found.why) == (None, "hands unseen")
    assert looks.hands_trait(clip(1, hands=0.1), reference()).value == 0


def test_another_part_of_the_clothes_is_not_compared() -> None:
    """A result that shows head and chest of a picture of the whole dress."""
    (whole, *_) = looks.looks(reference())
    neckline = np.array([70.0, 20.0, 20.0])
    near = [
        replace(whole, time=t / 2, torso=neckline, clothes=None, torso_seen=0.4) for t in range(8)
    ]
    found = looks.clothes_trait(tuple(near), whole)
    assert found.value is None
    assert verdict.WHY[found.why] == "the upper body is not in sight"
    same_part = [replace(each, torso_seen=whole.torso_seen) for each in near]
    worn = looks.clothes_trait(tuple(same_part), whole)
    assert worn.value is not None
    assert worn.value < verdict.OTHER, "in the same framing, other colours are other clothes"


def joined(at: float, *, back: float | None = None, kind: str = "body", **other: Any) -> Fidelity:
    """A result that shows another clip from ``at`` on, until ``back`` where that is given."""
    one, two = clip(1, 8.0, kind=kind), clip(**{"seed": 4, "seconds": 8.0, "kind": kind, **other})
    until = back or 8.0
    away = (one.times >= at) & (one.times < until)
    bodies, faces = one.bodies.copy(), one.faces.copy()
    bodies[away], faces[away] = two.bodies[away], two.faces[away]
    stills = tuple(
        b if at <= a.time < until else a for a, b in zip(one.stills, two.stills, strict=True)
    )
    made = replace(one, bodies=bodies, faces=faces, stills=stills)
    return verdict.fidelity(
        clip(1, 8.0, kind=kind, person=ANOTHER, noise=2), made, still_of(clip(5, 0.5, kind=kind))
    )


@pytest.mark.parametrize("kind", ["body", "face"])
def test_another_clip_from_the_middle_on_is_told_with_its_time(kind: str) -> None:
    found = joined(4.0, kind=kind, person=ANOTHER)
    stray = found.flaw("stray")
    assert stray is not None, found.sentence
    assert (stray.begin, stray.end) == pytest.approx((4.0, 8.0), abs=0.6)
    told = r"until [34](\.\d)? s: from then on somebody else moves"
    assert re.search(told, found.sentence), found.sentence
    assert {"motion", "person"} >= set(faults(found)) >= {"motion"}
    alone = joined(4.0, kind=kind)
    told = r"until [34](\.\d)? s: from then on the motion is not the ref"
    assert re.search(told, alone.sentence), alone


def test_another_motion_for_a_while() -> None:
    stray = joined(3.0, back=5.5).flaw("stray")
    assert stray is not None
    assert (stray.begin, stray.end) == pytest.approx((3.0, 5.5), abs=0.6)


def test_a_face_from_near_after_half_a_dance_is_told_with_its_time() -> None:
    """The body is not seen from then on, which alone would be called out of sight."""
    dance, near = clip(1, 8.0), clip(4, 8.0, kind="face")
    late = dance.times >= 4
    bodies, faces = dance.bodies.copy(), dance.faces.copy()
    bodies[late], faces[late] = np.nan, near.faces[late]
    found = verdict.fidelity(clip(1, 8.0, noise=2), replace(dance, bodies=bodies, faces=faces))
    stray = found.flaw("stray")
    assert stray is not None, found.sentence
    assert (stray.begin, stray.end) == pytest.approx((4.0, 8.0), abs=0.6)
    faces[late] = np.nan
    gone = verdict.fidelity(clip(1, 8.0, noise=2), replace(dance, bodies=bodies, faces=faces))
    assert gone.flaw("stray") is None


def test_a_second_half_hides_no_lag_of_the_first() -> None:
    """The lag at which all of it fits best is that of chance, if the second half is long and lively."""
    for kind in ("body", "face"):
        found = joined(3.0, kind=kind, seed=7)
        stray = found.flaw("stray")
        assert stray is not None, found.sentence
        assert (stray.begin, stray.end) == pytest.approx((3.0, 8.0), abs=0.7)
        assert not verdict.wrong_clip(found)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_right_motion_with_a_pause_or_a_jitter_strays_nowhere(seed: int) -> None:
    found = verdict.fidelity(clip(seed, 8.0), clip(seed, 8.0, noise=seed + 5))
    assert found.flaws == ()
    assert verdict.fidelity(clip(seed, 8.0), clip(seed + 5, 8.0)).flaw("stray") is None


def test_somebody_else_for_two_seconds() -> None:
    found = judged("face", person=lambda t: ANOTHER if 2 <= t < 4 else Person())
    assert "from 2 s to 4 s somebody else is in the picture" in found.sentence
    finding = next(f for f in verdict.findings(found) if f.code == "result.person")
    assert finding.severity == "warning"
    assert finding.spans == ((2.0, 4.0),)


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [
        ({"sharpness": 0.5}, "from 3 s on the person is blurred", "sharp"),
        ({"light": 30.0}, "from 3 s on it is too dark", "colours"),
    ],
)
def test_a_flaw_of_a_part_has_its_time(change: dict[str, Any], words: str, code: str) -> None:
    good = clip(1, hands=0.9)
    stills = tuple(replace(s, **change) if s.time >= 3 else s for s in good.stills)
    found = verdict.fidelity(reference(), replace(good, stills=stills))
    assert words in found.sentence.lower()
    assert set(faults(found)) == {code}
    one = tuple(replace(s, **change) if s.time == 3 else s for s in good.stills)
    assert verdict.fidelity(reference(), replace(good, stills=one)).flaws == ()


def test_a_part_without_colour_has_its_time() -> None:
    def grey(image: Frame, t: float) -> Frame:
        return u8(np.repeat(image[..., 1:2], 3, 2)) if 2 <= t < 4 else image

    found = judged(paint=grey)
    assert "from 2 s to 4 s the colours are lost" in found.sentence.lower(), found.sentence


def test_what_cannot_be_compared_says_why() -> None:
    whole = clip(1)
    short = clip(1, 0.4)
    rare = replace(
        whole, fps=1.0, times=whole.times[::12], bodies=whole.bodies[::12], faces=whole.faces[::12]
    )
    empty = replace(
        whole, times=np.zeros(0), bodies=whole.bodies[:0], faces=whole.faces[:0], stills=()
    )
    for track, why in (
        (short, "shorter than half a second"),
        (rare, "too few pictures a second"),
        (empty, "too few pictures a second"),
        (still_of(whole), "shorter than half a second"),
    ):
        found = verdict.fidelity(whole, track)
        assert found.score.value is None
        assert why in found.sentence
        assert verdict.findings(found)


def test_measures_that_are_missing_are_left_out() -> None:
    good = clip(1)
    unknown = replace(good, stills=tuple(replace(s, sharpness=np.nan) for s in good.stills))
    found = verdict.fidelity(reference(), unknown)
    sharp = found.trait("sharp")
    assert sharp is not None
    assert sharp.value is None
    assert verdict.fidelity(reference(), replace(good, stills=())).score.value is not None
    assert verdict.fidelity(reference(), good, asked=100.0).score.value is not None
    with pytest.raises(ValueError, match="above 0"):
        verdict.fidelity(reference(), good, asked=0)


@pytest.mark.parametrize("made", [{"mirrored": True}, {"when": lambda t: 6 - t}])
def test_worst_moments_are_those_of_the_alignment_that_explains_it(made: dict[str, Any]) -> None:
    found = judged(**made)
    assert found.reading in ("mirrored", "reversed")
    assert found.curve is not None
    assert np.median([e for e in found.curve.error if e is not None]) < 8


def test_a_wrong_clip_is_known_as_one() -> None:
    assert verdict.wrong_clip(judged(seed=4))
    assert verdict.wrong_clip(verdict.fidelity(clip(1), clip(1, kind="face")))
    assert not verdict.wrong_clip(judged())
    assert not verdict.wrong_clip(judged(when=lambda t: 0.0))


def test_a_late_picture_gets_one_advice() -> None:
    late = judged(when=lambda t: max(0.0, t - 1.5))
    assert verdict.picture_late(late) == pytest.approx(1.5, abs=0.1)
    for sound, words in ((None, "Cut that"), (1.5, "Cut that"), (0.0, "earlier against its sound")):
        told = [f for f in verdict.findings(late, sound_late=sound) if f.fix]
        assert [f.code for f in told] == ["result.motion"], sound
        assert words in told[0].fix


BLUE, WARM = (1.25, 1.0, 0.75), (0.7, 1.0, 1.15)
"""Gains of blue, green and red."""


def gained(image: Frame, gains: tuple[float, float, float]) -> Frame:
    return u8(np.clip(image * np.array(gains), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("paint", "words"),
    [
        (lambda image, t: gained(image, BLUE), "; the whole picture has a blue cast, unlike the"),
        (lambda image, t: gained(image, WARM), "; the whole picture has a warm cast, unlike the"),
        (lambda image, t: hue(image, 30), "; the whole picture has other hues, unlike the"),
        (lambda image, t: hue(image, 60), "; the whole picture has other hues, unlike the"),
        (
            lambda image, t: gained(image, BLUE) if t >= 3 else image,
            "; from 3 s on the whole picture has a blue cast",
        ),
    ],
)
def test_a_colour_cast_is_no_other_person(paint: Any, words: str) -> None:
    found = judged(paint=paint)
    assert words in found.sentence
    assert set(faults(found)) == {"colours"}
    beside = verdict.fidelity(reference(), clip(1, hands=0.9, person=ANOTHER, paint=paint))
    assert words in beside.sentence, "without a picture, too"


def test_turned_hues_are_plain_to_see_also_over_a_ground_of_little_colour() -> None:
    across = np.arange(480)
    faint = np.stack([across * 3 % 180, 12 + across % 2, 120 + 60 * np.sin(across / 20)], -1)
    ground = cv2.cvtColor(faint[None].astype(np.uint8), cv2.COLOR_HSV2BGR)

    def over(image: Frame) -> Frame:
        return u8(np.where(image == image[:, :1], ground, image))

    theirs = clip(1, paint=lambda image, t: over(image))
    ours = clip(1, hands=0.9, paint=lambda image, t: hue(over(image), 100))
    found = verdict.fidelity(theirs, ours)
    colours = next(f for f in verdict.findings(found) if f.code == "result.colours")
    assert "the whole picture has other hues" in colours.measured
    assert colours.severity == "warning"


def test_what_is_no_cast() -> None:
    assert faults(judged(paint=lambda image, t: hue(image, 12))) == {}
    other = judged(person=ANOTHER, paint=lambda image, t: gained(image, BLUE))
    assert {"person", "colours"} <= set(faults(other)), "another person in blue is another person"


def test_on_another_ground_a_cast_cannot_be_told() -> None:
    light = 120 + 60 * np.sin(np.arange(480) / 20)
    stripes = (light[None, :, None] * np.array([1.0, 0.8, 0.5])).astype(np.uint8)

    def elsewhere(image: Frame, t: float) -> Frame:
        return u8(np.where(image == image[:, :1], stripes, image))

    found = judged(paint=elsewhere)
    colours = next(f for f in verdict.findings(found) if f.code == "result.colours")
    assert colours.severity == "pass"
    assert (
        "a cast of all of it cannot be told, because the ground is like neither" in colours.measured
    )
