"""Made ``PoseTrack``: a figure whose joints swing by a formula, as any clip of it would be looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from kling_utils.media.arrays import Floats, Frame, u8
from kling_utils.media.people import PoseTrack, Still
from kling_utils.media.shots import Scanner
from kling_utils.values import Size

SIZE = Size(480, 720)
SKIN, HAIR, SHIRT, GROUND = (150, 180, 225), (30, 40, 60), (60, 60, 190), (170, 140, 90)
"""BGR"""
_PAIRS = ((11, 12), (13, 14), (15, 16), (23, 24), (25, 26), (27, 28))


@dataclass(frozen=True, slots=True)
class Person:
    """What the figure looks like."""

    skin: tuple[int, int, int] = SKIN
    hair: tuple[int, int, int] = HAIR
    shirt: tuple[int, int, int] = SHIRT
    brows: float = 1.0
    """Where the dark parts of the face lie."""


ANOTHER = Person((70, 100, 150), (120, 190, 220), (150, 120, 40), brows=-1.0)


def joints(t: float, seed: int, *, arm: float | None = None) -> Floats:
    """(33, 2): pixels at ``t`` seconds of a motion. ``arm``: the left arm is that many seconds late."""
    r = np.random.default_rng(seed)
    speed, phase = r.uniform(0.25, 0.9, (10, 3)), r.uniform(0, 2 * np.pi, (10, 3))

    def swing(i: int, reach: float, at: float) -> float:
        return float(reach * np.sin(2 * np.pi * speed[i] * at + phase[i]).mean())

    late = t if arm is None else t - arm
    points = np.zeros((33, 2))
    hip, lean = np.array([240.0, 400.0]), swing(0, 0.25, t)
    neck = hip + 140 * np.array([np.sin(lean), -np.cos(lean)])
    side = np.array([np.cos(lean), np.sin(lean)])
    points[11], points[12] = neck + 45 * side, neck - 45 * side
    points[23], points[24] = hip + 30 * side, hip - 30 * side
    nose = neck + 55 * np.array([np.sin(lean + swing(1, 0.4, t)), -1.0])
    points[:11] = nose + np.random.default_rng(0).uniform(-14, 14, (11, 2))
    points[0] = nose
    limbs = (
        (11, 13, 15, 1.6, 70.0, 65.0, 2, late),
        (12, 14, 16, -1.6, 70.0, 65.0, 4, t),
        (23, 25, 27, 0.15, 100.0, 95.0, 6, t),
        (24, 26, 28, -0.15, 100.0, 95.0, 8, t),
    )
    for start, middle, end, rest, upper, lower, i, at in limbs:
        reach = 1.8 if start < 20 else 0.7
        a = rest + swing(i, reach, at)
        b = a + swing(i + 1, reach, at)
        points[middle] = points[start] + upper * np.array([np.sin(a), np.cos(a)])
        points[end] = points[middle] + lower * np.array([np.sin(b), np.cos(b)])
    points[17:23] = points[[15, 16, 15, 16, 15, 16]]
    points[29:] = points[[27, 28, 27, 28]]
    return points


def mesh(t: float, seed: int, eyes: float = 90.0) -> Floats:
    """(468, 3): a face that talks and turns; ``eyes``: pixels between the outer corners."""
    r = np.random.default_rng(seed + 100)
    speed, phase = r.uniform(0.3, 1.4, (6, 3)), r.uniform(0, 2 * np.pi, (6, 3))
    wave = np.sin(2 * np.pi * speed * t + phase).mean(1)
    face = np.zeros((468, 3))
    face[:, :2] = np.random.default_rng(0).uniform(-0.6, 0.6, (468, 2))
    mouth = 0.12 + 0.1 * wave[0]
    key = {
        33: (-0.5, 0.0),
        263: (0.5, 0.0),
        133: (-0.2, 0.0),
        362: (0.2, 0.0),
        159: (-0.35, -0.05 - 0.02 * wave[1]),
        145: (-0.35, 0.05),
        386: (0.35, -0.05 - 0.02 * wave[1]),
        374: (0.35, 0.05),
        105: (-0.35, -0.25 - 0.05 * wave[2]),
        334: (0.35, -0.25 - 0.05 * wave[2]),
        1: (0.08 * wave[3], 0.35),
        4: (0.08 * wave[3], 0.35),
        13: (0.0, 0.65 - mouth / 2),
        14: (0.0, 0.65 + mouth / 2),
        61: (-0.25 - 0.03 * wave[4], 0.65),
        291: (0.25 + 0.03 * wave[4], 0.65),
    }
    for index, place in key.items():
        face[index, :2] = place
    turn = 0.1 * wave[5]
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    face[:, :2] = face[:, :2] @ matrix.T * eyes + np.array([240.0, 180.0])
    return face


def drawn(points: Floats, face: Floats | None, person: Person) -> Frame:
    """The figure as flat colours."""
    light = np.linspace(0.6, 1.2, SIZE.height)[:, None, None]
    image = u8((light * np.array(GROUND) * np.ones((1, SIZE.width, 1))).astype(np.uint8))
    trunk = np.round(points[[11, 12, 24, 23]]).astype(np.int32)
    cv2.fillConvexPoly(image, trunk, person.shirt)
    if face is None:
        cv2.circle(image, np.round(points[0]).astype(int).tolist(), 30, person.skin, -1)
        return u8(image)
    eyes = float(np.linalg.norm(face[263, :2] - face[33, :2]))
    middle = (face[33, :2] + face[263, :2]) / 2
    x, y = np.round(middle).astype(int).tolist()
    cv2.ellipse(
        image,
        (x, int(y + 0.3 * eyes)),
        (int(0.9 * eyes), int(1.3 * eyes)),
        0,
        0,
        360,
        person.skin,
        -1,
    )
    cv2.rectangle(
        image,
        (x - int(eyes), int(y - 1.3 * eyes)),
        (x + int(eyes), int(y - 0.45 * eyes)),
        person.hair,
        -1,
    )
    dark = tuple(c // 3 for c in person.skin)
    for index in (133, 362) if person.brows > 0 else (1,):
        cv2.circle(
            image, np.round(face[index, :2]).astype(int).tolist(), int(0.15 * eyes), dark, -1
        )
    cv2.line(image, *(np.round(face[i, :2]).astype(int).tolist() for i in (61, 291)), dark, 4)
    return u8(image)


def as_it_is(image: Frame, t: float) -> Frame:
    return image


def clip(
    seed: int = 1,
    seconds: float = 6.0,
    *,
    when: Callable[[float], float] = lambda t: t,
    kind: str = "body",
    person: Person | Callable[[float], Person] = Person(),
    arm: Callable[[float], float] | None = None,
    paint: Callable[[Frame, float], Frame] = as_it_is,
    mirrored: bool = False,
    people: int = 1,
    hands: float | None = None,
    zoom: float = 0.0,
    fps: float = 12.0,
    noise: int = 1,
) -> PoseTrack:
    """A look at a clip that shows at ``t`` what the motion ``seed`` is at ``when(t)``.

    ``kind``: ``body`` has no face in sight, ``face`` no body. ``paint`` changes the picture.
    """
    jitter = np.random.default_rng(noise)
    times = np.arange(round(seconds * fps)) / fps
    bodies, faces = np.full((len(times), 33, 4), np.nan), np.full((len(times), 468, 3), np.nan)
    for i, t in enumerate(times):
        scale = 1 + zoom * float(t)
        if kind == "body":
            at = joints(when(t), seed, arm=None if arm is None else arm(t))
            at = (at - [240, 360]) * scale + [240, 360] + jitter.normal(0, 0.6, at.shape)
            bodies[i] = np.column_stack([at, np.zeros(33), np.full(33, 0.95)])
        else:
            faces[i] = mesh(when(t), seed)
            faces[i, :, :2] = (faces[i, :, :2] - [240, 560]) * scale + [240, 560]
            faces[i, :, :2] += jitter.normal(0, 0.15, (468, 2))
    if mirrored:
        for points in (bodies, faces):
            points[..., 0] = SIZE.width - points[..., 0]
        swap = np.arange(33)
        for a, b in _PAIRS:
            swap[[a, b]] = b, a
        bodies = bodies[:, swap]
    rate = 4 if paint is as_it_is else 12  # pictures a second: they take most of the time
    scanner, stills = Scanner(float(rate)), []
    rows = len(times)
    for n in range(round(seconds * rate)):
        t = n / rate
        i = min(rows - 1, round(t * fps))
        look = person(t) if callable(person) else person
        picture = paint(
            drawn(
                joints(when(t), seed) if kind == "body" else np.zeros((33, 2)),
                None if kind == "body" else faces[i],
                look,
            ),
            t,
        )
        scanner.add(picture)
        if n % (rate // 2) == 0:
            box = [160.0, 120.0, 160.0, 480.0, 0.9]
            stills.append(
                Still(
                    t,
                    cv2.imencode(".jpg", picture)[1].tobytes(),
                    np.array([box] * people),
                    people,
                    5.0,
                    200.0,
                    0.3,
                    0.2,
                    _hands(bodies[i] if kind == "body" else None, hands),
                )
            )
    return PoseTrack(
        SIZE,
        seconds,
        fps,
        times,
        bodies,
        faces,
        np.full(len(times), np.nan),
        tuple(stills),
        (),
        (),
        (),
        np.zeros((0, 4)),
        scanner.scan(),
    )


def _hands(body: Floats | None, presence: float | None) -> Floats:
    found = np.full((2, 21, 3), np.nan)
    if body is not None and presence is not None:
        for side, wrist in enumerate((15, 16)):
            found[side, :, :2] = body[wrist, :2] + np.linspace(0, 30, 21)[:, None]
            found[side, :, 2] = presence
    return found


def still_of(track: PoseTrack) -> PoseTrack:
    """Its first picture as a track of one moment."""
    return replace(
        track,
        seconds=0.0,
        fps=1.0,
        times=track.times[:1],
        bodies=track.bodies[:1],
        faces=track.faces[:1],
        stills=track.stills[:1],
    )
