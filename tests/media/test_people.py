"""One look at the people of a clip: on real clips, and on clips that are made from them with a known fault."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kling_utils.media import ffmpeg, people
from kling_utils.media.arrays import Frame
from kling_utils.media.probe import probe_video
from kling_utils.media.shots import Scanner, shots


def made(path: Path, *inputs: Path, graph: str, seconds: float = 3.0, rate: int = 25) -> Path:
    """A clip made by a filter graph that ends in [v]."""
    args = [a for one in inputs for a in ("-i", str(one))]
    ffmpeg.run(
        [
            *args,
            *("-filter_complex", graph, "-map", "[v]", "-t", str(seconds), "-r", str(rate)),
            *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)),
        ],
        timeout=60,
    )
    return path


def unseen(clip: Path, folder: Path) -> Path:
    """A copy that nothing has looked at yet in this process: a box at its end makes another file of it."""
    mark = str(folder).encode()
    copy = folder / clip.name
    copy.write_bytes(clip.read_bytes() + (8 + len(mark)).to_bytes(4, "big") + b"free" + mark)
    return copy


def test_a_dancer_is_one_person_in_one_shot(shared_media: Path, tmp_path: Path) -> None:
    track = people.track(unseen(shared_media / "video/dance_woman_4s.mp4", tmp_path))
    assert [len(s.boxes) for s in track.stills] == [1] * len(track.stills)
    assert len(track.stills) == 9
    assert track.seen.all()
    assert track.faced.all()
    assert track.cuts == track.changes == track.flashes == ()
    assert track.bodies.shape == (17, 33, 4)
    assert track.times[1] == pytest.approx(0.25, abs=0.04)


def test_a_dog_is_nobody(shared_media: Path) -> None:
    track = people.track(shared_media / "video/dog_16fps.mp4")
    assert not track.seen.any()
    assert all(len(s.boxes) == 0 and s.area == 0 for s in track.stills)


def test_a_second_person_of_a_quarter_of_the_height_is_counted(
    shared_media: Path, tmp_path: Path
) -> None:
    clip = made(
        tmp_path / "two.mp4",
        shared_media / "video/dance_woman_4s.mp4",
        shared_media / "image/fullbody_man.png",
        graph="[0]scale=480:720,setsar=1[a];[1]scale=-2:190[b];[a][b]overlay=10:500[v]",
    )
    track = people.track(clip)
    assert [len(s.boxes) for s in track.stills] == [2] * len(track.stills)
    assert all(s.boxes[0, 3] > 2 * s.boxes[1, 3] for s in track.stills)  # the dancer comes first


def test_a_higher_rate_looks_only_at_bodies_again(shared_media: Path, tmp_path: Path) -> None:
    clip = unseen(shared_media / "video/dance_woman_4s.mp4", tmp_path)
    slow = people.track(clip)
    close = people.track(clip, fps=12)
    assert close.fps == 12
    assert len(close.times) == pytest.approx(3 * len(slow.times), abs=3)
    assert close.stills is slow.stills
    assert people.track(clip, fps=4) is close  # what is known is not looked for again


def test_small_frames_for_a_closer_look_have_a_bound_and_are_given_once() -> None:
    frames = people._Frames()
    large = b"0" * (people.KEPT_FRAMES * 2 // 3)
    frames.put("first", [(0, large)])
    frames.put("second", [(0, large)])
    assert frames.take("first") == []
    assert frames.take("second") == [(0, large)]
    assert frames.take("second") == []


def test_a_small_person_beside_a_large_face_is_counted(shared_media: Path, tmp_path: Path) -> None:
    face = cv2.imread(str(shared_media / "image/portrait_woman.png"))
    face = cv2.resize(face, (480, round(480 * face.shape[0] / face.shape[1])))
    other = cv2.imread(str(shared_media / "image/fullbody_man.png"))
    small = cv2.resize(other, (90, round(90 * other.shape[0] / other.shape[1])))
    face[300 : 300 + small.shape[0], 4:94] = small
    both = tmp_path / "both.png"
    cv2.imwrite(str(both), face)
    assert len(people.track_image(shared_media / "image/portrait_woman.png").stills[0].boxes) == 1
    assert len(people.track_image(both).stills[0].boxes) == 2


def test_stills_are_given_as_they_come(shared_media: Path, tmp_path: Path) -> None:
    clip = made(
        tmp_path / "c.mp4", shared_media / "video/sitting_woman_5s.mp4", graph="[0]scale=360:-2[v]"
    )
    seen: list[float] = []
    track = people.track(clip, on_still=lambda still: seen.append(still.time))
    assert seen == [s.time for s in track.stills]
    assert track.stills[0].pixels().shape == (track.size.height, track.size.width, 3)


def test_a_moving_camera_is_measured_and_a_plain_ground_does_not_tell(
    shared_media: Path, tmp_path: Path
) -> None:
    source = shared_media / "video/talking_man_portrait.mp4"
    pan = made(
        tmp_path / "pan.mp4", source, graph="[0]scale=600:-2,crop=480:800:20+20*t:60[v]", seconds=4
    )
    camera = people.track(pan).camera
    assert np.nanmedian(camera[:, 1]) == pytest.approx(-20 / 480, rel=0.2)
    plain = people.track(shared_media / "video/dance_woman_4s.mp4").camera
    assert np.isfinite(plain[:, 1]).mean() < 0.3


def test_a_picture_is_a_track_of_one_moment(shared_media: Path) -> None:
    track = people.track_image(shared_media / "image/standing_woman.jpg")
    assert track.bodies.shape == (1, 33, 4)
    assert len(track.stills[0].boxes) == 1
    assert not people.track_image(shared_media / "image/wide_alpaca.jpg").seen.any()


# shots, on drawn frames


def moving(n: int, *, ground: int = 60, speed: float = 0.1) -> list[Frame]:
    """A square that swings over a textured ground."""
    rng = np.random.default_rng(ground)
    base = (rng.integers(0, 60, (90, 128, 1)) + ground).astype(np.uint8).repeat(3, 2)
    frames = []
    for i in range(n):
        frame = base.copy()
        x = round(50 + 40 * np.sin(i * speed))
        cv2.rectangle(frame, (x, 30), (x + 25, 70), (200, 220, 240), -1)
        frames.append(frame)
    return frames


def found(frames: list[Frame], rate: float = 25.0) -> tuple[tuple[float, ...], int, int]:
    scanner = Scanner(rate)
    for frame in frames:
        scanner.add(frame)
    result = shots(scanner.scan())
    return result.cuts, len(result.changes), len(result.flashes)


def test_a_hard_cut_is_at_the_first_frame_of_the_new_shot() -> None:
    assert found(moving(40) + moving(40, ground=140)) == ((1.6,), 0, 0)


def test_animation_on_twos_and_threes_has_no_cuts() -> None:
    for repeats in (2, 3):
        frames = [f for f in moving(30, speed=0.15) for _ in range(repeats)]
        assert found(frames) == ((), 0, 0)


def test_a_cut_within_animation_on_twos_is_found() -> None:
    frames = [f for f in moving(20) + moving(20, ground=140) for _ in range(2)]
    assert found(frames) == ((1.6,), 0, 0)


def test_a_flash_that_returns_to_the_same_shot_is_no_cut() -> None:
    frames = moving(75)
    for i in range(30, 36):
        frames[i] = cv2.addWeighted(frames[i], 0.3, np.full_like(frames[i], 255), 0.7, 0)
    cuts, changes, flashes = found(frames)
    assert (cuts, changes, flashes) == ((), 0, 1)


def test_a_brighter_insert_that_returns_is_two_cuts() -> None:
    frames = moving(75)
    frames[30:50] = moving(20, ground=170)
    assert found(frames) == ((1.2, 2.0), 0, 0)


def test_a_slow_light_leak_is_a_flash_and_a_pulse_of_light_is_nothing() -> None:
    def lit(shares: np.ndarray, speed: float = 0.1) -> list[Frame]:
        frames = moving(100, speed=speed)
        white = np.full_like(frames[0], 255)
        return [cv2.addWeighted(f, 1 - s, white, s, 0) for f, s in zip(frames, shares, strict=True)]

    leak = np.clip(1 - np.abs(np.arange(100) - 50) / 15, 0, 1) * 0.8
    assert found(lit(leak, speed=0.01)) == ((), 0, 1)
    pulse = 0.2 + 0.2 * np.sin(np.arange(100) / 6)
    assert found(lit(pulse, speed=0.0)) == ((), 0, 0)


def test_coloured_light_over_a_bright_picture_is_a_flash() -> None:
    frames = moving(100, ground=140, speed=0.0)
    orange = np.full_like(frames[0], (60, 150, 255))
    shares = np.clip(1 - np.abs(np.arange(100) - 50) / 15, 0, 1) * 0.9
    lit = [cv2.addWeighted(f, 1 - s, orange, s, 0) for f, s in zip(frames, shares, strict=True)]
    assert found(lit) == ((), 0, 1)


def test_a_sticker_beside_the_person_is_no_cut_and_a_jump_of_the_person_is_one() -> None:
    pasted = moving(75, speed=0.01)
    for frame in pasted[30:50]:
        cv2.circle(frame, (112, 12), 9, (0, 215, 255), -1)
    assert found(pasted) == ((), 0, 0)
    steady = moving(90, speed=0.05)
    assert found(steady[:30] + steady[60:]) == ((1.2,), 0, 0)


def test_a_dissolve_is_a_gradual_change_and_no_cut() -> None:
    a, b = moving(75), moving(75, ground=170)
    mixed = [
        cv2.addWeighted(x, 1 - w, y, w, 0)
        for x, y, w in zip(a, b, np.clip((np.arange(75) - 30) / 20, 0, 1), strict=True)
    ]
    cuts, changes, _ = found(mixed)
    assert cuts == ()
    assert changes == 1


def test_a_dissolve_within_one_shot_is_a_gradual_change_and_slow_motion_is_none() -> None:
    a, b = moving(75, speed=0.01), moving(75, speed=0.01)[::-1]
    for frame in b:
        frame[30:70, 20:45] = 40
    mixed = [
        cv2.addWeighted(x, 1 - w, y, w, 0)
        for x, y, w in zip(a, b, np.clip((np.arange(75) - 30) / 25, 0, 1), strict=True)
    ]
    assert found(mixed) == ((), 1, 0)
    assert found(a) == ((), 0, 0)


def test_the_probe_is_taken_over_when_it_is_there(shared_media: Path) -> None:
    info = probe_video(shared_media / "video/dance_woman_4s.mp4")
    assert people.track(info.path, info=info) is people.track(info.path)
