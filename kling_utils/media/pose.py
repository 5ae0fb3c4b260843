"""People in frames: 33 points of a body (BlazePose) and 468 of a face (face mesh), found once and then followed.

Owns the two trackers and ``follow``, which turns frames into ``Landmarks``. Frames are BGR bytes;
points are in pixels of the frame they were found in. A tracker belongs to one thread and one clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from kling_utils.media.arrays import Floats, Floats32, Frame, u8
from kling_utils.media.nets import Backend, CannotRun, Detection, Net, Roi, crop, detect, sigmoid

PoseModel = Literal["lite", "full"]

# Indices of the body's points, as the model has them; left and right are the person's own.
NOSE, EARS, SHOULDERS, ELBOWS, WRISTS, HIPS, KNEES, ANKLES = (
    0,
    (7, 8),
    (11, 12),
    (13, 14),
    (15, 16),
    (23, 24),
    (25, 26),
    (27, 28),
)
HEAD = slice(0, 11)
NOSE_TIP = 4
"""Index of the nose's tip in a face."""

BODY_SCORE = 0.4
FACE_SCORE = 0.5
LONE_FACE = 0.85
"""The face mesh fits dogs and cars, too. Without a body a face counts only if the face detector is as sure as this: it gave 0.89
to 0.95 on the faces of people in clips and 0.54 to 0.78 on a dog and a toy camera."""


CHECK_EVERY = 12
"""Frames between two looks of the person detector at what is followed: the landmarks alone can settle on a dog and stay there (score
0.99), while the detector gave it 0.12 to 0.52, and people 0.76 to 0.94. Once in 12 frames costs 6 % of following."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """One body: ``points`` (33, 4) are x, y, z in pixels and visibility 0..1."""

    points: Floats
    score: float
    mask: Floats32 | None
    """How probably each pixel of the patch is the person, (256, 256), if asked for."""
    matrix: Floats
    """(2, 3), patch -> frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face: ``points`` (468, 3) are x, y, z in pixels; ``found`` is the face detector's score, 0 if it was not what found it."""

    points: Floats
    score: float
    found: float


class PoseTracker:
    """Follows the largest person. The detector runs only to find, or find again; then the region follows the landmarks."""

    def __init__(
        self, model: PoseModel = "full", *, threads: int = 2, backend: Backend = "auto"
    ) -> None:
        self._landmarks = Net(f"pose_landmark_{model}", threads=threads, backend=backend)
        self._detector: Net | None = None
        self._selfie: Net | None = None
        try:
            self._detector = Net("pose_detection", threads=threads, backend=backend)
        except CannotRun:
            self._selfie = Net("selfie_segmentation", threads=threads, backend=backend)
        self.roi: Roi | None = None
        self.detections = 0

    def forget(self) -> None:
        """Begin anew with the next frame, as for another clip."""
        self.roi = None

    def __call__(self, frame: Frame, *, want_mask: bool = False, passes: int = 1) -> Body | None:
        """The body in the next frame, or None. ``passes`` above 1 steady the region on a still."""
        for fresh in (False, True) if self.roi is not None else (True,):
            roi = self._find(frame) if fresh else self.roi
            if roi is None:
                continue
            body, after = self.look(frame, roi, want_mask)
            # a region from the mask's box is rough: it takes two more looks to settle
            for _ in range(passes + fresh + (2 if fresh and self._detector is None else 0) - 1):
                roi = after if body.score > BODY_SCORE else roi
                body, after = self.look(frame, roi, want_mask)
            if body.score > BODY_SCORE:
                self.roi = after
                return body
        self.roi = None
        return None

    def confirms(self, frame: Frame) -> bool:
        """Whether the detector sees a person in the frame at all; True where it cannot run."""
        return self._detector is None or bool(self._detected(frame))

    def _detected(self, frame: Frame) -> list[Detection]:
        return (
            detect(self._detector, frame, strides=(8, 16, 32, 32, 32), points=4)
            if self._detector is not None
            else []
        )

    def _find(self, frame: Frame) -> Roi | None:
        self.detections += 1
        if self._detector is None:
            return self._find_by_mask(frame)
        found = self._detected(frame)
        if not found:
            return None
        largest = max(found, key=lambda d: d.score * float(np.hypot(*(d.points[1] - d.points[0]))))
        return body_roi(largest.points[0], largest.points[1])

    def _find_by_mask(self, frame: Frame) -> Roi | None:
        """Without the detector: the box of the largest blob that the selfie model takes for a person."""
        probability = selfie_mask(frame, self._selfie)
        on = (probability > 0.5).astype(np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(on)
        if count < 2 or stats[1:, 4].max() < 0.02 * on.size:
            return None
        x, y, w, h = (
            stats[1 + int(np.argmax(stats[1:, 4])), :4]
            * np.array([frame.shape[1], frame.shape[0]] * 2)
            / on.shape[0]
        )
        return Roi(x + w / 2, y + h / 2, 1.25 * max(w, h))

    def look(self, frame: Frame, roi: Roi, want_mask: bool = False) -> tuple[Body, Roi]:
        patch, matrix = crop(frame, roi, self._landmarks.side)
        out = self._landmarks(patch)
        raw = _refine(
            out["Identity"].reshape(39, 5).astype(np.float64), out["Identity_3"].reshape(64, 64, 39)
        )
        xy = raw[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        points = np.column_stack(
            [xy, raw[:, 2] * roi.side / self._landmarks.side, sigmoid(raw[:, 3])]
        )
        mask = (
            sigmoid(out["Identity_2"].reshape(256, 256)).astype(np.float32) if want_mask else None
        )
        body = Body(points[:33], float(out["Identity_1"].reshape(-1)[0]), mask, matrix)
        return body, body_roi(points[33, :2], points[34, :2])


def _refine(raw: Floats, heat: Floats32) -> Floats:
    """Points moved to the centre of their 7 x 7 window of the heat map where that is hot, as the original graph does."""
    for i in range(33):
        cx, cy = int(raw[i, 0] / 4), int(raw[i, 1] / 4)
        if 0 <= cx < 64 and 0 <= cy < 64:
            y0, y1, x0, x1 = max(cy - 3, 0), min(cy + 4, 64), max(cx - 3, 0), min(cx + 4, 64)
            window = sigmoid(heat[y0:y1, x0:x1, i])
            if window.max() >= 0.5:
                xs, ys = np.arange(x0, x1), np.arange(y0, y1)
                raw[i, :2] = np.array([window.sum(0) @ xs, window.sum(1) @ ys]) / window.sum() * 4
    return raw


def body_roi(centre: Floats, edge: Floats) -> Roi:
    """Square around a body, from the middle of its hips and a point half its size away."""
    d = edge - centre
    return Roi(
        float(centre[0]),
        float(centre[1]),
        float(2.5 * np.hypot(*d)),
        float(np.arctan2(d[1], d[0]) + np.pi / 2),
    )


class FaceTracker:
    """Follows one face; a hint from the body finds faces that are too small for the detector."""

    def __init__(self, *, threads: int = 2, backend: Backend = "auto") -> None:
        self._detector = Net("face_detection_short_range", threads=threads, backend=backend)
        self._landmarks = Net("face_landmark", threads=threads, backend=backend)
        self._roi: Roi | None = None
        self._found = 0.0

    def forget(self) -> None:
        """Begin anew with the next frame, as for another clip."""
        self._roi, self._found = None, 0.0

    def __call__(self, frame: Frame, hint: Roi | None = None, *, passes: int = 1) -> Face | None:
        """The face in the next frame, or None. ``hint`` is the square around the head, see ``head_hint``."""
        for fresh in (False, True) if self._roi is not None else (True,):
            roi = self._find(frame, hint) if fresh else self._roi
            if roi is None:
                continue
            face, roi = self._look(frame, roi)
            for _ in range(passes + fresh - 1):
                face, roi = self._look(frame, roi)
            if face.score > FACE_SCORE:
                self._roi = roi
                return face
        self._roi = None
        return None

    def _find(self, frame: Frame, hint: Roi | None) -> Roi | None:
        offset, view = np.zeros(2), frame
        if hint is not None:
            x0, y0 = max(0, int(hint.x - hint.side)), max(0, int(hint.y - hint.side))
            view, offset = (
                frame[y0 : max(0, int(hint.y + hint.side)), x0 : max(0, int(hint.x + hint.side))],
                np.array([x0, y0]),
            )
            if min(view.shape[:2]) < 24:
                return None
        found = detect(self._detector, view, strides=(8, 16, 16, 16), points=6)
        if not found:
            self._found = 0.0
            return hint
        best: Detection = max(found, key=lambda d: float(d.box[2]))
        self._found = best.score
        eyes = best.points[1] - best.points[0]
        x, y = best.box[:2] + best.box[2:] / 2 + offset
        return Roi(
            float(x), float(y), float(max(best.box[2:]) * 1.5), float(np.arctan2(eyes[1], eyes[0]))
        )

    def _look(self, frame: Frame, roi: Roi) -> tuple[Face, Roi]:
        patch, matrix = crop(frame, roi, self._landmarks.side)
        out = self._landmarks(patch)
        raw = next(v for v in out.values() if v.size == 468 * 3).reshape(468, 3).astype(np.float64)
        score = float(sigmoid(next(v for v in out.values() if v.size == 1).reshape(-1))[0])
        points = np.column_stack(
            [
                raw[:, :2] @ matrix[:, :2].T + matrix[:, 2],
                raw[:, 2] * roi.side / self._landmarks.side,
            ]
        )
        eyes = points[263, :2] - points[33, :2]
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        x, y = (low + high) / 2
        after = Roi(
            float(x), float(y), float(max(high - low) * 1.5), float(np.arctan2(eyes[1], eyes[0]))
        )
        return Face(points, score, self._found), after


def head_hint(body: Body) -> Roi:
    """Square around the head, from the body's eleven points of it."""
    p = body.points[HEAD, :2]
    x, y = p.mean(0)
    return Roi(
        float(x),
        float(y),
        float(max(np.ptp(p[:, 0]), np.ptp(p[:, 1]), np.hypot(*(p[EARS[0]] - p[EARS[1]]))) * 2.2),
    )


def selfie_mask(frame: Frame, net: Net | None = None) -> Floats32:
    """How probably each pixel is a person, (256, 256) in 0..1, over the whole frame."""
    net = net or Net("selfie_segmentation")
    rgb = u8(cv2.resize(frame, (256, 256), interpolation=cv2.INTER_AREA))[:, :, ::-1]
    return next(iter(net(rgb).values())).reshape(256, 256)


def upright(points: Floats) -> bool:
    """Whether a body (33, 4) stands or sits upright: head over shoulders over hips, and shoulders of a person's width.

    The score alone says nothing about "is it a person": it was 0.99 on an alpaca.
    """
    neck, hip = points[SHOULDERS, :2].mean(0), points[HIPS, :2].mean(0)
    trunk, width = hip - neck, float(np.linalg.norm(points[11, :2] - points[12, :2]))
    shape = width / max(float(np.linalg.norm(trunk)), 1e-3)
    return bool(
        trunk[1] > 0
        and points[NOSE, 1] < neck[1]
        and 0.1 < shape < 1.6
        and points[[*SHOULDERS, *HIPS], 3].min() > 0.5
    )


def belong(body: Body, face: Face) -> bool:
    """Whether the face is where this body's head is."""
    apart = np.linalg.norm(body.points[NOSE, :2] - face.points[NOSE_TIP, :2])
    return bool(apart <= np.ptp(face.points[:, 1]))


def person(body: Body | None, face: Face | None) -> tuple[Body | None, Face | None]:
    """What of a body and a face found in one picture can be believed: both None when there is no person.

    A body counts with its face, or when it is upright; a face counts with its body, or when the detector is sure of it.
    """
    if body is not None and face is not None and belong(body, face):
        return body, face
    sure = face if face is not None and face.found >= LONE_FACE else None
    return (body if body is not None and sure is None and upright(body.points) else None), sure


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """One person through a clip: for each frame the body's (33, 4) and the face's (468, 3) points in pixels, or None."""

    bodies: tuple[Floats | None, ...]
    faces: tuple[Floats | None, ...]

    def __len__(self) -> int:
        return len(self.bodies)

    @property
    def body_ratio(self) -> float:
        """Part of the frames with a body, 0..1."""
        return sum(b is not None for b in self.bodies) / max(len(self), 1)

    @property
    def face_ratio(self) -> float:
        """Part of the frames with a face, 0..1."""
        return sum(f is not None for f in self.faces) / max(len(self), 1)


def follow(
    frames: Iterable[Frame],
    *,
    model: PoseModel = "lite",
    threads: int = 2,
    backend: Backend = "auto",
    on_frame: Callable[[int], None] | None = None,
) -> Landmarks:
    """Follow the largest person through the frames; ``on_frame`` gets the number of frames done. Keeps landmarks, not frames."""
    find_body, find_face = (
        PoseTracker(model, threads=threads, backend=backend),
        FaceTracker(threads=threads, backend=backend),
    )
    bodies: list[Body | None] = []
    faces: list[Face | None] = []
    confirmed: list[bool] = []
    unchecked = 0
    for frame in frames:
        body = find_body(frame)
        bodies.append(body)
        faces.append(find_face(frame, head_hint(body) if body is not None else None))
        unchecked += body is not None
        if unchecked >= CHECK_EVERY:
            confirmed.append(find_body.confirms(frame))
            unchecked = 0
        if on_frame is not None:
            on_frame(len(bodies))
    kept, faces = believed(bodies, faces, confirmed)
    return Landmarks(
        tuple(None if b is None else b.points for b in kept),
        tuple(None if f is None else f.points for f in faces),
    )


def believed(
    bodies: list[Body | None], faces: list[Face | None], confirmed: list[bool]
) -> tuple[list[Body | None], list[Face | None]]:
    """What of the bodies and faces that were followed through a clip is a person's.

    ``confirmed``: at some moments, whether the detector saw a person.
    """
    pairs = [person(body, face) for body, face in zip(bodies, faces, strict=True)]
    # A dancer bends and turns away: once most of what was followed is a person, the rest of it is, too.
    seen, sure = sum(b is not None for b in bodies), sum(b is not None for b, _ in pairs)
    kept = bodies if sure > 0.5 * seen else [b for b, _ in pairs]
    if confirmed and sum(confirmed) < 0.5 * len(confirmed):
        lone = [f if f is not None and f.found >= LONE_FACE else None for f in faces]
        return [None] * len(bodies), lone
    return kept, [f for _, f in pairs]
