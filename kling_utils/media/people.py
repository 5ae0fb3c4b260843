"""One look at the people of a clip or a picture: who is there, where, how they move, and what the camera does.

Owns ``track`` and ``track_image``, their one decode at a small size, and what is kept of it.
Advice, repair, stage and fidelity read the same ``PoseTrack``.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kling_utils.errors import UnreadableMedia
from kling_utils.media import ffmpeg, track_files
from kling_utils.media.arrays import Bools, Floats, Floats32, Frame, u8
from kling_utils.media.images import plain
from kling_utils.media.nets import Detection, Net, Roi, crop, detect
from kling_utils.media.pose import (
    ANKLES,
    ELBOWS,
    HIPS,
    KNEES,
    SHOULDERS,
    WRISTS,
    Body,
    Face,
    FaceTracker,
    PoseTracker,
    believed,
    body_roi,
    head_hint,
    selfie_mask,
    upright,
)
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.media.shots import Scan, Scanner, shots
from kling_utils.values import ImageInfo, Size, Span, VideoInfo

SHORT_SIDE = 480
"""Pixels that clips are decoded to: sharpness and noise depend on it, and the thresholds were measured at it."""
MOST_RATE = Fraction(30)
"""Frames a second that are decoded at most."""
STILLS = 2.0
"""Stills a second: people, sharpness, light and hands are looked at in these."""
BODY, FACE = 0.5, 0.5
"""Least scores of the person detector and of the full-range face detector."""
SMALL = 0.6
"""Least score of a person who is found in a part of the frame only, where the detector sees parts of a large one, too."""
SPEED_RATE = 12.0
"""Speed is measured over one interval of this rate: below ten a second, fast motion reads as slow."""
LARGE_FACE, BESIDE_FACE = 0.3, 0.75
"""Part of the shorter side from which a face hides small people from the detector of bodies, and the least score of one who
is found when such a face is painted over: 0.98 and 0.99 for people, up to 0.54 for what is none."""
LIES, LIES_SHARE = 55.0, 0.6
"""Degrees from upright from which a trunk lies, and the share of the looks in which it does. Measured: 12 at most in dances."""
LONGEST_PICTURE = 1600
GROUND = "#f4f4f2"
"""Colour behind what is see-through in a picture."""
CAMERA_RATE = 4.0
"""Looks a second at the background."""
KEPT = 8
"""Tracks in memory: about 2 MB for 10 s each."""
KEPT_FRAMES = 48_000_000
"""Bytes of small frames in memory, about 5 MB for 10 s: the audit looks at them again, and decodes nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """One frame that is kept, and what was measured in it. Pixels are those of the track's ``size``."""

    time: float
    jpeg: bytes
    boxes: Floats
    """(k, 5): x, y, width, height and score of each person, the largest first."""
    faces: int
    """How many faces were found."""
    sharpness: float
    """Variance of the Laplacian over the squared range of grey, times 10,000, on the largest person."""
    light: float
    """95th percentile of grey on the largest person, 0..255."""
    noise: float
    """Standard deviation of the noise by Immerkaer's mask, in grey levels, on the whole frame."""
    area: float
    """Share of the frame that is a person, 0..1."""
    hands: Floats
    """(2, 21, 3): x, y of the left and the right hand's points, and the hand's score; NaN without a wrist."""

    def pixels(self) -> Frame:
        """The frame, BGR."""
        return _decoded(self.jpeg)


@dataclass(frozen=True, slots=True, eq=False)
class PoseTrack:
    """The largest person through a clip, everyone who was seen, the shots and the camera. Pixels are those of ``size``."""

    size: Size
    """Of the frames that were looked at: ``SHORT_SIDE`` on the shorter side at most."""
    seconds: float
    fps: float
    """Looks a second at body and face."""
    times: Floats
    """(n,): seconds."""
    bodies: Floats
    """(n, 33, 4): x, y, z and visibility 0..1; NaN where nobody was found."""
    faces: Floats
    """(n, 468, 3); NaN where no face was found."""
    speed: Floats
    """(n,): of the second fastest visible joint, torso lengths a second, over a twelfth of a second; NaN where unknown."""
    stills: tuple[Still, ...]
    cuts: tuple[float, ...]
    changes: tuple[Span, ...]
    flashes: tuple[Span, ...]
    camera: Floats
    """(m, 4): seconds, x and y in widths a second, zoom in log a second; NaN where the background does not tell."""
    scan: Scan
    turned: int = 0
    """Degrees, clockwise, by which the frames must be turned for a person to stand upright in them: 0, 90, 180 or 270."""

    @property
    def seen(self) -> Bools:
        """(n,): whether a body was found."""
        return np.asarray(np.isfinite(self.bodies[:, 0, 0]))

    @property
    def faced(self) -> Bools:
        """(n,): whether a face was found."""
        return np.asarray(np.isfinite(self.faces[:, 0, 0]))


def track(
    path: Path,
    *,
    fps: float = 4.0,
    info: VideoInfo | None = None,
    on_still: Callable[[Still], None] | None = None,
) -> PoseTrack:
    """Look at a clip ``fps`` times a second or more often. The same file is looked at again only for a higher rate.

    ``on_still`` gets each still as soon as it is there. About 0.3 CPU seconds for a second of 1080p at 4 looks.
    Raises ``UnreadableMedia`` or ``FfmpegFailed``.
    """
    info = info or probe_video(path)
    with _lock(info.sha256):
        kept = _known(info.sha256)
        if kept is None or kept.fps < fps - 1e-6:
            kept = _look(info, fps, on_still, kept)
            _keep(info.sha256, kept)
            track_files.write(info.sha256, kept)
        elif on_still is not None:
            for still in kept.stills:
                on_still(still)
    return kept


def track_image(path: Path, *, info: ImageInfo | None = None) -> PoseTrack:
    """Look at a picture: a track of one moment. Raises ``UnreadableMedia``."""
    info = info or probe_image(path)
    key = f"{info.sha256}{track_files.PICTURE}"  # an animation may be looked at as a clip, too
    with _lock(key):
        kept = _known(key)
        if kept is None:
            kept = _look_at_picture(path)
            _keep(key, kept)
            track_files.write(key, kept)
    return kept


def _look_at_picture(path: Path) -> PoseTrack:
    rgb = np.asarray(plain(path, GROUND, longest=LONGEST_PICTURE), np.uint8)
    frame = np.ascontiguousarray(rgb[:, :, ::-1])
    scale = min(1.0, SHORT_SIDE / min(frame.shape[:2]))
    size = Size(*(max(2, round(side * scale)) for side in frame.shape[1::-1]))
    small = u8(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
    return _study([small], 1.0, 1.0, 0.0, size, picture=True)


def _jpeg(frame: Frame, quality: int) -> bytes:
    ok, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(jpeg) if ok else b""


def _decoded(jpeg: bytes) -> Frame:
    frame = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert frame is not None  # noqa: S101 - written by this module
    return u8(frame)


class _Frames:
    """Small frames of the clips that were looked at last, with their numbers, up to ``KEPT_FRAMES``."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, list[tuple[int, bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: str, frames: list[tuple[int, bytes]]) -> None:
        with self._lock:
            self._of[key] = frames
            while sum(len(jpeg) for some in self._of.values() for _, jpeg in some) > KEPT_FRAMES:
                self._of.popitem(last=False)

    def take(self, key: str) -> list[tuple[int, bytes]]:
        """Those of a clip, which are kept no longer; none if there are none."""
        with self._lock:
            return self._of.pop(key, [])


_frames = _Frames()
_kept: OrderedDict[str, PoseTrack] = OrderedDict()
_kept_lock = threading.Lock()
_locks: dict[str, threading.Lock] = {}


def _lock(key: str) -> threading.Lock:
    """One look at a time for each file: the second caller takes the first one's track."""
    with _kept_lock:
        while len(_locks) > 64:
            free = next((k for k, lock in _locks.items() if not lock.locked()), None)
            if free is None:
                break
            del _locks[free]
        return _locks.setdefault(key, threading.Lock())


def _known(key: str) -> PoseTrack | None:
    """What is kept of an earlier look, in memory or on the disk."""
    with _kept_lock:
        made = _kept.get(key)
    if made is None and (made := track_files.read(key)) is None:
        return None
    _keep(key, made)
    return made


def _keep(key: str, made: PoseTrack) -> None:
    with _kept_lock:
        _kept[key] = made
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)


def _look(
    info: VideoInfo, fps: float, on_still: Callable[[Still], None] | None, known: PoseTrack | None
) -> PoseTrack:
    rate = min(info.frame_rate if info.frame_rate > 0 else MOST_RATE, MOST_RATE)
    scale = min(1.0, SHORT_SIDE / min(info.size))
    size = Size(*(max(2, round(side * scale / 2) * 2) for side in info.size))
    filters = (
        f"fps={rate.numerator}/{rate.denominator},"
        f"scale={size.width}:{size.height}:flags=area,setsar=1"
    )
    length, limit = size.width * size.height * 3, info.duration + 1.0
    frames = (
        np.frombuffer(data, np.uint8).reshape(size.height, size.width, 3)
        for data in ffmpeg.raw_frames(info.path, filters, length, limit=limit)
    )
    if known is not None:
        small = _frames.take(info.sha256) if fps == SPEED_RATE else ()
        again = ((i, _decoded(jpeg)) for i, jpeg in small) if small else enumerate(frames)
        return _look_closer(known, again, float(rate), fps)
    shelf: list[tuple[int, bytes]] = []
    made = _study(frames, float(rate), fps, info.duration, size, on_still, shelf)
    if fps < SPEED_RATE:
        _frames.put(info.sha256, shelf)
    if not made.stills:
        raise UnreadableMedia(
            f"No frame of {info.path.name} could be decoded.", hint="Choose another clip."
        )
    return made


def _study(
    frames: Iterable[Frame],
    rate: float,
    fps: float,
    seconds: float,
    size: Size,
    on_still: Callable[[Still], None] | None = None,
    shelf: list[tuple[int, bytes]] | None = None,
    *,
    picture: bool = False,
) -> PoseTrack:
    """One pass over the frames, which come ``rate`` times a second. ``shelf`` gets those that a closer look needs."""
    scanner = Scanner(rate)
    still_times, camera_times = _Clock(rate, STILLS), _Clock(rate, CAMERA_RATE)
    shelf_times = _Clock(rate, SPEED_RATE)
    stills: list[Still] = []
    camera: list[tuple[float, float, float, float]] = []
    with _borrowed(picture=picture) as nets:
        eye = _Eye(nets, rate, fps)
        for i, frame in enumerate(frames):
            scanner.add(frame)
            time = i / rate
            new_still = still_times.due(i)
            if new_still:
                boxes, faces = eye.people(frame, parts=len(stills) % 2 == 0)
                eye.restart(boxes)
            eye.follow(frame, i)
            if shelf is not None and shelf_times.due(i):
                shelf.append((i, _jpeg(frame, 90)))
            if not picture and camera_times.due(i):
                camera.append((time, *eye.camera(frame, time)))
            if new_still:
                stills.append(eye.still(frame, time, boxes, faces))
                if on_still is not None:
                    on_still(stills[-1])
        times, bodies, points, speed = eye.followed([len(still.boxes) > 0 for still in stills])
        turned = _lies(bodies)
        someone = np.isfinite(bodies[:, 0, 0]) | np.isfinite(points[:, 0, 0])
        if not turned and someone.sum() < 0.5 * len(someone):
            turned = eye.turned(stills)
    scan = scanner.scan()
    found = shots(scan)
    return PoseTrack(
        size,
        seconds or scan.seconds,
        min(fps, rate),
        times,
        bodies,
        points,
        speed,
        tuple(stills),
        found.cuts,
        found.changes,
        found.flashes,
        np.array(camera, np.float64).reshape(-1, 4),
        scan,
        turned,
    )


def _lies(bodies: Floats) -> int:
    """Degrees, clockwise, that bring most of the bodies (n, 33, 4) upright; 0 where most are, or none was found."""
    trunk = bodies[:, list(SHOULDERS), :2].mean(1) - bodies[:, list(HIPS), :2].mean(1)
    trunk = trunk[np.isfinite(trunk[:, 0])]
    if not len(trunk):
        return 0
    lean = np.degrees(np.arctan2(trunk[:, 0], -trunk[:, 1]))  # of the head, clockwise from upwards
    over = abs(lean) > 180 - LIES / 2
    for turn, lies in ((180, over), (270, (lean > LIES) & ~over), (90, (lean < -LIES) & ~over)):
        if lies.mean() > LIES_SHARE:
            return turn
    return 0


def _look_closer(
    known: PoseTrack, frames: Iterable[tuple[int, Frame]], rate: float, fps: float
) -> PoseTrack:
    """The same track with body and face ``fps`` times a second; all else is known, and who was found is not looked for again."""
    stills = iter(known.stills)
    still = next(stills, None)
    with _borrowed(picture=False) as nets:
        eye = _Eye(nets, rate, fps, known)
        for i, frame in frames:
            if still is not None and i / rate >= still.time - 1e-6:
                eye.restart(still.boxes)
                still = next(stills, None)
            eye.follow(frame, i)
    times, bodies, faces, speed = eye.followed([len(s.boxes) > 0 for s in known.stills])
    return replace(known, fps=min(fps, rate), times=times, bodies=bodies, faces=faces, speed=speed)


def _found(known: PoseTrack) -> dict[int, tuple[Body, Face]]:
    """Body and face by milliseconds, where both were found."""
    none = np.zeros((2, 3))
    return {
        round(1000 * time): (Body(body, 1.0, None, none), Face(face, 1.0, 1.0))
        for time, body, face in zip(known.times, known.bodies, known.faces, strict=True)
        if math.isfinite(body[0, 0]) and math.isfinite(face[0, 0])
    }


class _Clock:
    """Tells which of the frames, ``rate`` a second, are wanted ``each`` times a second."""

    def __init__(self, rate: float, each: float) -> None:
        self._step = rate / min(each, rate)
        self._count = 0

    def due(self, i: int) -> bool:
        if i < self._count * self._step - 1e-6:
            return False
        self._count += 1
        return True


def _points(found: Body | Face | None, rows: int, columns: int) -> Floats:
    return found.points if found is not None else np.full((rows, columns), np.nan)


class _Nets:
    """The nets of one look at a time. A picture gets the larger model of the body, and two passes of it."""

    def __init__(self, *, picture: bool) -> None:
        self.person = Net("pose_detection", threads=1)
        self.faces = Net("face_detection_full_range", threads=1)
        self.hand = Net("hand_landmark_lite", threads=1)
        self.selfie = Net("selfie_segmentation", threads=1)
        self.small = PoseTracker("lite", threads=1)
        self.body = PoseTracker("full" if picture else "lite", threads=1)
        self.face = FaceTracker(threads=1)
        self.passes = 2 if picture else 1


_free: dict[bool, list[_Nets]] = {False: [], True: []}
"""Loaded and in no use, for clips and for pictures."""


@contextmanager
def _borrowed(*, picture: bool) -> Iterator[_Nets]:
    """Nets for one look: those of a look that has ended, or new ones, which takes a third of a second."""
    try:
        nets = _free[picture].pop()
    except IndexError:
        nets = _Nets(picture=picture)
    try:
        yield nets
    finally:
        nets.body.forget()
        nets.face.forget()
        _free[picture].append(nets)


@dataclass(frozen=True, slots=True, eq=False)
class _Person:
    box: Floats
    """(5,): x, y, width, height, score."""
    head: Floats
    """(4,): box of the face, or of where it would be."""

    def covers(self, box: Floats) -> bool:
        """Whether the middle of another box lies in this person: in the box, beside the head only if close to it."""
        x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
        left, top, width, height, _ = self.box
        if not (left <= x <= left + width and top <= y <= top + height):
            return False
        beside_head = y < self.head[1] + 1.3 * self.head[3]
        return not beside_head or abs(x - self.head[0] - self.head[2] / 2) < 0.9 * self.head[2]


_JOINTS = (*SHOULDERS, *ELBOWS, *WRISTS, *HIPS, *KNEES, *ANKLES)


class _Eye:
    """What one pass over a clip remembers. The frames come ``rate`` a second, and ``fps`` of them are looked at."""

    def __init__(
        self, nets: _Nets, rate: float, fps: float, known: PoseTrack | None = None
    ) -> None:
        self._nets = nets
        self._rate = rate
        self._looks = _Clock(rate, fps)
        self._rare = fps < 0.75 * SPEED_RATE
        self._close = -1
        """The frame soon after a look that its speed is measured in, where the next look comes too late for that."""
        self._known = _found(known) if known is not None else {}
        self._times: list[float] = []
        self._bodies: list[Body | None] = []
        self._faces: list[Face | None] = []
        self._speeds: list[float] = []
        self.mask: Floats32 | None = None
        self._small: list[_Person] = []
        self._before: tuple[float, Frame, Frame] | None = None

    def people(self, frame: Frame, *, parts: bool) -> tuple[Floats, int]:
        """Boxes (k, 5) of everyone in the frame, the largest first, and the number of faces.

        ``parts``: look for small people in parts of the frame, too; without it the last ones are kept.
        """
        bodies = _bodies(self._nets.person, frame)
        faces = _faces(self._nets.faces, frame)
        alone = [face for face in faces if not any(_owns(body, face) for body in bodies)]
        people = [
            _Person(_box(body), body.box)
            for body in bodies
            if any(_owns(body, face) for face in faces) or self._is_person(frame, body)
        ]
        people += [_Person(_around(face), face.box) for face in alone]
        if len(faces) > len(people):  # two people whom the detector of bodies took for one
            people = [_Person(_around(face), face.box) for face in faces]
        if parts:
            self._small = self._in_parts(frame, people, faces)
        everyone = people + [s for s in self._small if not any(p.covers(s.box) for p in people)]
        boxes = sorted((p.box for p in everyone), key=lambda box: -float(box[2] * box[3]))
        return np.array(boxes, np.float64).reshape(-1, 5), len(faces)

    def turned(self, stills: list[Still]) -> int:
        """Degrees, clockwise, by which some stills must be turned to show a face upright; 0 where no turn does."""
        some = [stills[i * (len(stills) - 1) // 2].pixels() for i in range(min(3, len(stills)))]
        for turn, how in _TURNS.items():
            frames = [u8(cv2.rotate(frame, how)) for frame in some]
            found = [_faces(self._nets.faces, frame) for frame in frames]
            if sum(any(map(_upright_face, faces)) for faces in found) > len(frames) / 2:
                return turn
        return 0

    def _in_parts(
        self, frame: Frame, people: list[_Person], faces: list[Detection]
    ) -> list[_Person]:
        """People whom the whole frame shows too small for the detector: down to a quarter of its height."""
        found: list[_Person] = []
        height, width = frame.shape[:2]
        large = [face for face in faces if face.box[2] > LARGE_FACE * min(width, height)]
        seen = _without(frame, large) if large else frame
        least = BESIDE_FACE if large else SMALL
        for left, top, side in _tiles(width, height):
            part = seen[top : top + side, left : left + side]
            for body in _bodies(self._nets.person, part, least=least):
                if not 0.1 * side < _radius(body) < 0.55 * side:
                    continue  # a larger one does not fit into this part
                at = np.array([left, top], np.float64)
                moved = Detection(
                    body.score, np.r_[body.box[:2] + at, body.box[2:]], body.points + at
                )
                box = _box(moved)
                if any(p.covers(box) for p in (*people, *found)):
                    continue
                if self._is_person(frame, moved):
                    found.append(_Person(box, moved.box))
        return found

    def _is_person(self, frame: Frame, found: Detection) -> bool:
        """Whether the landmarks of a small candidate are those of a person who stands or sits."""
        body, _ = self._nets.small.look(frame, body_roi(found.points[0], found.points[1]))
        return body.score > 0.8 and upright(body.points)

    def follow(self, frame: Frame, i: int) -> None:
        """Find body and face in the next frame if it is one to look at, or its body for the speed since the last look."""
        time = i / self._rate
        if self._looks.due(i):
            self._look(frame, time)
            if self._rare:
                self._close = i + max(1, round(self._rate / SPEED_RATE))
        elif i == self._close:
            self._set_speed(self._nets.body(frame), time)

    def _look(self, frame: Frame, time: float) -> None:
        body, face = self._known.get(round(1000 * time)) or self._find(frame)
        if self._times and time - self._times[-1] < 1.5 / SPEED_RATE:
            self._set_speed(body, time)
        self._faces.append(face)
        self._bodies.append(body)
        self._times.append(time)
        self._speeds.append(math.nan)

    def _find(self, frame: Frame) -> tuple[Body | None, Face | None]:
        passes = self._nets.passes
        body = self._nets.body(frame, passes=passes)
        hint = head_hint(body) if body is not None else None
        return body, self._nets.face(frame, hint, passes=passes)

    def _set_speed(self, body: Body | None, time: float) -> None:
        before = self._bodies[-1]
        if before is None or body is None:
            return
        a, b = before.points, body.points
        torso = np.hypot(*(a[SHOULDERS, :2].mean(0) - a[HIPS, :2].mean(0)))
        seen = [k for k in _JOINTS if min(a[k, 3], b[k, 3]) > 0.5]
        if len(seen) >= 2 and torso > 1:
            moved = np.sort(np.hypot(*(b[seen, :2] - a[seen, :2]).T))[-2]
            self._speeds[-1] = float(moved / torso / max(time - self._times[-1], 1e-3))

    def followed(self, confirmed: list[bool]) -> tuple[Floats, Floats, Floats, Floats]:
        """Times (n,), bodies (n, 33, 4), faces (n, 468, 3) and speeds (n,) of all looks; NaN where nobody was found."""
        bodies, faces = believed(self._bodies, self._faces, confirmed)
        return (
            np.array(self._times, np.float64),
            np.array([_points(b, 33, 4) for b in bodies], np.float64).reshape(-1, 33, 4),
            np.array([_points(f, 468, 3) for f in faces], np.float64).reshape(-1, 468, 3),
            np.where([b is not None for b in bodies], self._speeds, math.nan).astype(np.float64),
        )

    def restart(self, boxes: Floats) -> None:
        """Follow the largest person anew if what is followed lies outside everyone who was found."""
        roi = self._nets.body.roi
        if roi is not None and len(boxes):
            x, y, w, h = boxes[:, :4].T
            if not ((abs(x + w / 2 - roi.x) < w) & (abs(y + h / 2 - roi.y) < h / 2)).any():
                self._nets.body.roi = None

    def camera(self, frame: Frame, time: float) -> tuple[float, float, float]:
        """Movement of the background since the last call: widths a second in x and y, and zoom, log a second.

        Corners outside the person are followed there and back, and one similarity is fitted to them. NaN where
        there are too few: a plain ground does not tell.
        """
        side = _CAMERA_WIDTH if frame.shape[1] >= frame.shape[0] else _CAMERA_WIDTH * 3 // 4
        scale = side / frame.shape[1]
        grey = u8(cv2.cvtColor(u8(cv2.resize(frame, None, fx=scale, fy=scale)), cv2.COLOR_BGR2GRAY))
        self.mask = selfie_mask(frame, self._nets.selfie)
        mask = u8(cv2.resize((self.mask > 0.3).astype(np.uint8), grey.shape[::-1]))
        ground = u8(255 * (1 - cv2.dilate(mask, np.ones((15, 15), np.uint8))))
        before, self._before = self._before, (time, grey, ground)
        nothing = (math.nan, math.nan, math.nan)
        if before is None:
            return nothing
        moved = _similarity(before[1], before[2], grey)
        if moved is None:
            return nothing
        dx, dy, zoom = moved
        seconds = max(time - before[0], 1e-6)
        width = grey.shape[1]
        return dx / width / seconds, dy / width / seconds, zoom / seconds

    def still(self, frame: Frame, time: float, boxes: Floats, faces: int) -> Still:
        """Measure one frame that is kept."""
        body = self._bodies[-1]
        if self.mask is None:
            self.mask = selfie_mask(frame, self._nets.selfie)
        grey = u8(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
        part = grey
        if len(boxes):
            x, y, w, h = boxes[0, :4]
            inside = grey[max(0, int(y)) : max(0, int(y + h)), max(0, int(x)) : max(0, int(x + w))]
            part = inside if min(inside.shape) >= 16 else grey
        low, high = (float(v) for v in np.percentile(part, (5, 95)))
        edges = cv2.Laplacian(cv2.GaussianBlur(part, (0, 0), 0.8).astype(np.float32), cv2.CV_32F)
        area = float(np.mean(self.mask > 0.5)) if len(boxes) else 0.0
        return Still(
            time,
            _jpeg(frame, 85),
            boxes,
            faces,
            float(edges.var()) / max(high - low, 1.0) ** 2 * 1e4,
            high,
            _noise(grey),
            area,
            np.stack([self._hand(frame, body, k) for k in (0, 1)]),
        )

    def _hand(self, frame: Frame, body: Body | None, k: int) -> Floats:
        """(21, 3): x, y of one hand's points, and its score; NaN where the wrist was not seen."""
        nothing = np.full((21, 3), np.nan)
        if body is None or body.points[WRISTS[k], 3] < 0.5:
            return nothing
        wrist, little, index = (body.points[i, :2] for i in (WRISTS[k], 17 + k, 19 + k))
        knuckles = (little + index) / 2
        size = float(np.hypot(*(knuckles - wrist)))
        fore = float(np.hypot(*(wrist - body.points[ELBOWS[k], :2])))
        size = max(size, 0.2 * fore)
        if size < 4:
            return nothing
        x, y = wrist + 1.2 * (knuckles - wrist)
        dx, dy = knuckles - wrist
        roi = Roi(float(x), float(y), 4.0 * size, float(np.arctan2(dy, dx) + np.pi / 2))
        patch, matrix = crop(frame, roi, self._nets.hand.side)
        out = self._nets.hand(patch)
        points = out["Identity"].reshape(21, 3)[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        score = float(out["Identity_1"].reshape(-1)[0])
        return np.column_stack([points, np.full(21, score)])


_CAMERA_WIDTH = 290
_TURNS = {
    180: cv2.ROTATE_180,
    90: cv2.ROTATE_90_CLOCKWISE,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def _similarity(before: Frame, ground: Frame, after: Frame) -> tuple[float, float, float] | None:
    """Shift in x and y and log of the zoom between two frames, by corners of the ground; None where it cannot be told."""
    corners = cv2.goodFeaturesToTrack(before, 80, 0.02, 7, mask=ground)
    if corners is None or len(corners) < 8:
        return None
    how: dict[str, Any] = {"winSize": (13, 13), "maxLevel": 3}
    there, _, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, None, **how)  # type: ignore[call-overload]
    back, _, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **how)  # type: ignore[call-overload]
    kept = np.linalg.norm((corners - back).reshape(-1, 2), axis=1) < 1
    if kept.sum() < 6:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(
        corners[kept], there[kept], ransacReprojThreshold=1.2
    )
    if matrix is None:
        return None
    used = inliers.ravel() == 1
    at = corners[kept][used].reshape(-1, 2)
    if used.sum() < max(8, 0.5 * len(corners)):
        return None
    spread = (np.percentile(at, 95, 0) - np.percentile(at, 5, 0)) / before.shape[::-1]
    if spread.max() <= 0.25:
        return None
    dx, dy = np.median((there - corners)[kept][used].reshape(-1, 2), 0)
    return float(dx), float(dy), float(np.log(np.hypot(matrix[0, 0], matrix[1, 0])))


def _noise(grey: Frame) -> float:
    """Standard deviation of noise in grey levels, by Immerkaer's fast estimate (1996)."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    filtered = cv2.filter2D(grey.astype(np.float32), -1, mask)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) * np.abs(filtered).mean() / 6)


def _bodies(net: Net, frame: Frame, *, least: float = BODY) -> list[Detection]:
    found = detect(net, frame, strides=(8, 16, 32, 32, 32), points=4, threshold=least)
    return sorted(found, key=lambda d: -_radius(d))


def _faces(net: Net, frame: Frame) -> list[Detection]:
    return detect(net, frame, strides=(4,), points=6, per_cell=1, threshold=FACE)


def _upright_face(face: Detection) -> bool:
    """Whether the mouth is below the eyes: a face that lies is found as well."""
    x, y = face.points[3] - face.points[:2].mean(0)
    return bool(y > abs(x))


def _radius(body: Detection) -> float:
    """Half the height of a person, pixels, by the detector's two points."""
    return float(np.hypot(*(body.points[1] - body.points[0])))


def _box(body: Detection) -> Floats:
    """Box of a person around the middle of the hips: as high as two radii, and 0.7 as wide."""
    (x, y), radius = body.points[0], _radius(body)
    return np.array([x - 0.35 * radius, y - radius, 0.7 * radius, 2 * radius, body.score])


def _without(frame: Frame, faces: list[Detection]) -> Frame:
    """The frame with faces painted over, from the hair to the chin."""
    out = frame.copy()
    for face in faces:
        x, y, w, h = face.box
        left, top = max(0, int(x)), max(0, int(y - 0.15 * h))
        out[top : max(0, int(y + h)), left : max(0, int(x + w))] = 128
    return out


def _around(face: Detection) -> Floats:
    """Box of a person of whom a face was found: head and shoulders."""
    x, y, w, h = face.box
    return np.array([x - w, y - h / 2, 3 * w, 4 * h, face.score])


def _owns(body: Detection, face: Detection) -> bool:
    """Whether a face is that of this body: where the detector of people looks for its own."""
    middle = face.box[:2] + face.box[2:] / 2
    apart = np.hypot(*(middle - (body.box[:2] + body.box[2:] / 2)))
    return bool(apart < 0.5 * max(body.box[2], face.box[2]) + 0.25 * face.box[2])


def _tiles(width: int, height: int) -> list[tuple[int, int, int]]:
    """Squares, left, top and side: they overlap by a third, and a person of a quarter of the height fits into one."""
    side = min(width, round(0.6 * height))
    xs = {min(x, width - side) for x in range(0, width, side * 2 // 3)}
    ys = {min(y, height - side) for y in range(0, height, side * 2 // 3)}
    return [(x, y, side) for y in sorted(ys) for x in sorted(xs)]
