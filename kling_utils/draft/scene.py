"""The still set on its canvas and tied to the clip: after this, a frame is drawn from its number alone.

Owns the choice between portrait and body. ``draw`` is a pure function of the frame's number, so frames may
be drawn side by side.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kling_utils.draft import matte
from kling_utils.draft.body import Puppet
from kling_utils.draft.clip import Clip
from kling_utils.draft.errors import NO_PERSON_IN_IMAGE, NO_PERSON_IN_VIDEO, EngineError
from kling_utils.draft.face import SHUT, STABLE, FaceRetarget, mouth_open
from kling_utils.draft.placement import Kind, as_in_clip, as_in_picture, canvas_size
from kling_utils.draft.portrait import Portrait, paint_mouth
from kling_utils.draft.retarget import Place, Retarget
from kling_utils.draft.still import Still
from kling_utils.draft.warp import Layer, delaunay, hull, moved
from kling_utils.media.arrays import Floats, Floats32, Frame, f32, u8
from kling_utils.media.pose import ELBOWS, HIPS, SHOULDERS
from kling_utils.values import CharacterOrientation, ModelName, Size

TEXT = "local draft"
_TEXT_SIZE, _MARGIN = 1 / 28, 1 / 60
"""Of the picture's shorter side."""
_DARK = 0.55
"""How much darker the ground becomes behind the letters."""

FACE_ON_BODY = (60, 80)
"""Pixels of height that a body's face needs on the canvas, and in the clip, to show the expression: under that it is noise."""
_BEYOND = 1.5
"""Heights of the canvas that are kept of a figure that goes on below it."""


class Scene(Protocol):
    """Something that draws frames."""

    def draw(self, i: int) -> Frame:
        """Frame ``i`` of the clip as a new BGR picture of the canvas."""


def choose(still: Still, clip: Clip) -> Kind:
    """Portrait when both sides have a face and one of them lacks hips or arms, else body.

    Raises ``EngineError`` when one side has only a face and the other none.
    """
    height = still.image.shape[0]
    if (
        still.face is not None
        and clip.faces is not None
        and np.ptp(still.face.points[:, 1]) > 0.1 * height
    ):
        hips = still.body is not None and still.body.points[list(HIPS), 3].min() > 0.5
        hips = (
            hips
            and still.body is not None
            and bool(still.body.points[list(HIPS), 1].max() < 0.98 * height)
        )
        if not hips or not _arms_in_view(clip):
            return "portrait"
    if still.body is None:
        raise EngineError(NO_PERSON_IN_IMAGE)
    if clip.bodies is None:
        raise EngineError(NO_PERSON_IN_VIDEO)
    return "body"


def _arms_in_view(clip: Clip) -> bool:
    """Whether an elbow is seen in most of the clip."""
    if clip.bodies is None:
        return False
    elbows = clip.bodies[:, list(ELBOWS)]
    return bool(
        np.mean((elbows[..., 3].max(1) > 0.5) & (elbows[..., 1].min(1) < clip.size.height)) > 0.5
    )


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """The still on the canvas, everything in the canvas's pixels."""

    canvas: Size
    background: Frame
    image: Frame
    """As are ``color`` and ``alpha``: as wide as the canvas, and longer where the figure goes on below it."""
    color: Frame
    alpha: Frame
    body: Floats | None
    face: Floats | None
    cut_off: bool
    place: Place | None
    """Clip -> canvas, in video orientation."""


def set_up(
    still: Still,
    clip: Clip,
    kind: Kind,
    *,
    character_orientation: CharacterOrientation,
    model_name: ModelName,
) -> Setting:
    """Matte the figure, fill the background, and put both on the canvas."""
    alpha = matte.person_matte(still.image, still.body)
    height, width = still.image.shape[:2]
    cut_off = matte.leaves_below(alpha)
    by_clip = character_orientation == "video"
    canvas = canvas_size(
        model_name, clip.size.width / clip.size.height if by_clip else width / height
    )
    figure, ground, place = (
        as_in_clip(still, clip, kind, canvas, cut_off=cut_off)
        if by_clip
        else as_in_picture(Size(width, height), canvas)
    )
    sheet = canvas if cut_off else _with_room(canvas, alpha, figure)
    image = _laid(still.image, figure, sheet, cv2.BORDER_REPLICATE)
    alpha8 = u8(
        cv2.warpAffine((alpha * 255).astype(np.uint8), figure, sheet, flags=cv2.INTER_LINEAR)
    )
    return Setting(
        canvas,
        _laid(
            matte.background(still.image, alpha, still.body), ground, canvas, cv2.BORDER_REPLICATE
        ),
        image,
        matte.foreground(image, f32(alpha8.astype(np.float32) / 255)),
        alpha8,
        moved(still.body.points, figure) if still.body is not None else None,
        moved(still.face.points, figure) if still.face is not None else None,
        cut_off,
        place,
    )


def _with_room(canvas: Size, alpha: Floats32, figure: Floats) -> Size:
    """The canvas, longer where the figure goes on below it: a jump may bring that into view."""
    rows = np.flatnonzero((alpha > 0.5).any(1))
    below = int(np.ceil(figure[1, 1] * rows[-1] + figure[1, 2])) + 2 if len(rows) else 0
    return Size(canvas.width, min(max(canvas.height, below), int(_BEYOND * canvas.height)))


def _laid(image: Frame, m: Floats, canvas: Size, border: int) -> Frame:
    return u8(
        cv2.warpAffine(
            image,
            m,
            canvas,
            flags=cv2.INTER_CUBIC if m[0, 0] > 1 else cv2.INTER_AREA,
            borderMode=border,
        )
    )


class PortraitScene:
    """Head and face follow; shoulders sway along."""

    def __init__(self, s: Setting, clip: Clip) -> None:
        assert s.face is not None and clip.faces is not None  # noqa: S101, PT018 - choose() has seen to it
        shoulders = (
            s.body[list(SHOULDERS), :2]
            if s.body is not None and s.body[list(SHOULDERS), 3].min() > 0.5
            else None
        )
        self._background = s.background
        self._portrait = Portrait(s.color, s.alpha, s.face, shoulders)
        self._face = FaceRetarget(s.face, clip.faces, place=s.place)
        where = (
            clip.bodies[:, list(SHOULDERS), :2].mean(1)
            if clip.bodies is not None
            else clip.faces[:, STABLE, :2].mean(1)
        )
        scale = self._face.size / self._face.clip_size
        self._sway = (
            scale * (where - np.median(where, 0))
            if s.place is not None
            else 0.8 * scale * (where - where[0])
        )
        if s.cut_off:
            self._sway[:, 1] = np.maximum(self._sway[:, 1], 0)

    def draw(self, i: int) -> Frame:
        out = self._background.copy()
        self._portrait.draw(out, self._face(i), self._sway[i])
        stamp(out)
        return out


class BodyScene:
    """The whole figure follows, with its expression where both faces are large enough to show one."""

    def __init__(self, s: Setting, clip: Clip) -> None:
        assert s.body is not None and clip.bodies is not None  # noqa: S101, PT018 - choose() has seen to it
        self._background, self._color, self._still_face = s.background, s.color, s.face
        self._puppet = Puppet(s.image, s.color, s.alpha, s.body, cut_off=s.cut_off)
        relative = s.place is None
        self._retarget = Retarget(
            s.body,
            clip.bodies,
            frame_rate=float(clip.frame_rate),
            relative=relative,
            place=s.place,
            cut=s.cut_off,
        )
        self._face: FaceRetarget | None = None
        if s.face is not None and clip.faces is not None and _legible(s.face, clip.faces):
            self._face = FaceRetarget(s.face, clip.faces, gain=0.9)
            self._shut = mouth_open(s.face) < SHUT
            mask = np.minimum(_feathered(s.alpha.shape, s.face), s.alpha).astype(np.uint8)
            verts = f32(s.face[:, :2])
            self._layer = Layer(
                s.color, mask, verts, delaunay(verts, s.canvas.width, s.canvas.height)
            )

    def draw(self, i: int) -> Frame:
        out = self._background.copy()
        moves = self._puppet.draw(out, self._retarget.pose(i))
        if self._face is not None and self._still_face is not None:
            points = self._face.expression(i)
            verts = self._puppet.carry(self._still_face, points, moves)
            self._layer.draw(out, verts, step=1)
            if self._shut and mouth_open(points) > 0.05:
                paint_mouth(
                    out, np.column_stack([verts, points[:, 2]]), self._color, self._still_face
                )
        stamp(out)
        return out


def _legible(face: Floats, clip_faces: Floats) -> bool:
    own, clip = FACE_ON_BODY
    return bool(np.ptp(face[:, 1]) > own and np.median(np.ptp(clip_faces[:, :, 1], axis=1)) > clip)


def _feathered(shape: tuple[int, ...], face: Floats) -> Floats32:
    """0..255: the face's outline, a little inwards, with a soft edge."""
    outline = hull(face[:, :2])
    centre = outline.mean(0)
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, (centre + (outline - centre) * 0.93).astype(np.int32), 255)
    return f32(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), float(np.ptp(face[:, 1])) / 40))


def build(
    still: Still, clip: Clip, *, character_orientation: CharacterOrientation, model_name: ModelName
) -> tuple[Kind, Size, Scene]:
    """Everything between looking and drawing: which path, how large, and the scene itself."""
    kind = choose(still, clip)
    setting = set_up(
        still, clip, kind, character_orientation=character_orientation, model_name=model_name
    )
    return (
        kind,
        setting.canvas,
        PortraitScene(setting, clip) if kind == "portrait" else BodyScene(setting, clip),
    )


def stamp(out: Frame) -> None:
    """Write the label into the picture, in place: white on a darkened ground, legible on any picture."""
    letters = _letters(min(out.shape[:2]))
    into = corner(out)
    into[...] = cv2.max(u8(cv2.convertScaleAbs(into, alpha=1 - _DARK)), letters)


def corner(frame: Frame) -> Frame:
    """The part of a frame that the label lies in."""
    height, width = frame.shape[:2]
    short = min(height, width)
    margin, (down, across) = round(short * _MARGIN), _letters(short).shape[:2]
    return frame[height - margin - down : height - margin, width - margin - across : width - margin]


@functools.lru_cache(maxsize=4)
def _letters(short: int) -> Frame:
    """White letters on black, for a picture with that shorter side."""
    size = max(10, round(short * _TEXT_SIZE))
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(TEXT))
    pad = max(3, round(size * 0.4))
    image = Image.new("RGB", (right - left + 2 * pad, bottom - top + 2 * pad))
    ImageDraw.Draw(image).text((pad - left, pad - top), TEXT, font=font, fill="white")
    return np.asarray(image)
