"""Where the figure and its background go on the canvas: as the picture has them, or as the person of the clip stands there.

Pure arithmetic: knows joints and sizes, and no pixel.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from kling_utils.draft.clip import Clip, even
from kling_utils.draft.face import STABLE, head_size
from kling_utils.draft.retarget import Place
from kling_utils.draft.skeleton import CHAINS, SEEN, TORSO, Limb, spans, trunk_length
from kling_utils.draft.still import Still
from kling_utils.media.arrays import Floats
from kling_utils.media.pose import ANKLES, HIPS
from kling_utils.values import ModelName, Size

Kind = Literal["portrait", "body"]
SHORT_SIDE: dict[ModelName, int] = {"kling-v3-0-std": 720, "kling-v3-0-pro": 1080}
"""Pixels of the result's shorter side."""
_LEGS: tuple[Limb, Limb] = ("leg_l", "leg_r")
_UNLIKE = (0.75, 1.35)
"""How far the whole figure's scale may be from its trunk's: drawn figures may have hardly any legs."""
_CLOSER = 1.5
"""How much the background may be enlarged, beyond filling the canvas, to belong to the figure."""


class Placement(NamedTuple):
    """Affines (2, 3) from the still to the canvas, and where points of the clip go; None where the picture's own place is kept."""

    figure: Floats
    ground: Floats
    place: Place | None


def canvas_size(model_name: ModelName, aspect: float) -> Size:
    """Even sides of that aspect with the model's shorter side."""
    short = SHORT_SIDE[model_name]
    return Size(even(short * max(1.0, aspect)), even(short * max(1.0, 1 / aspect)))


def as_in_picture(size: Size, canvas: Size) -> Placement:
    """The picture fills the canvas."""
    cover = _cover(size, canvas)
    framing = _scaled(
        cover, (canvas.width - size.width * cover) / 2, (canvas.height - size.height * cover) / 2
    )
    return Placement(framing, framing, None)


def as_in_clip(still: Still, clip: Clip, kind: Kind, canvas: Size, *, cut_off: bool) -> Placement:
    """The figure is as large as the person of the clip and stands where that one stands; the background comes along as far as it reaches.

    ``cut_off``: the figure leaves the picture below.
    """
    height, width = still.image.shape[:2]
    to_canvas = canvas.width / clip.size.width
    fall, floors = (
        0.0,
        None,
    )  # how far the hips are moved down; the floor's height in the still and on the canvas
    if kind == "portrait":
        assert still.face is not None and clip.faces is not None  # noqa: S101, PT018 - choose() has seen to it
        usual = np.median(clip.faces, 0)
        scale = to_canvas * head_size(usual) / head_size(still.face.points)
        centre, to = still.face.points[STABLE, :2].mean(0), usual[STABLE, :2].mean(0) * to_canvas
    else:
        assert still.body is not None and clip.bodies is not None  # noqa: S101, PT018
        own, theirs = (
            float(trunk_length(still.body.points)),
            float(np.percentile(trunk_length(clip.bodies), 80)),
        )
        scale, parts = to_canvas * theirs / own, list(TORSO)
        own_legs, their_legs = (
            leg_length(still.body.points[None], height),
            leg_length(clip.bodies, clip.size.height),
        )
        # from the shoulders to the floor, and the feet on it
        if own_legs and their_legs and not cut_off:
            scale *= float(
                np.clip((theirs + their_legs) / (own + own_legs) * own / theirs, *_UNLIKE)
            )
            fall, parts = to_canvas * their_legs - scale * own_legs, list(HIPS)
            floors = _floor(still.body.points[None]), to_canvas * _floor(clip.bodies)
        centre, to = (
            still.body.points[parts, :2].mean(0),
            np.median(clip.bodies, 0)[parts, :2].mean(0) * to_canvas,
        )
    if cut_off:  # never show where the picture ends: a little larger first, then lower in the frame
        below = height - float(centre[1])
        scale = min(
            max(scale, (canvas.height - float(to[1])) / max(below, 1.0) * 1.02), 1.2 * scale
        )
        fall = max(0.0, canvas.height * 1.01 - (float(to[1]) + scale * below))
    shift = np.array([0.0, fall])
    placed = to + shift
    figure = _scaled(scale, *(placed - scale * centre))
    here, there = (float(centre[1]), float(placed[1])) if floors is None else floors
    ground = _ground(
        Size(width, height),
        canvas,
        scale,
        np.array([centre[0], here]),
        np.array([placed[0], there]),
    )
    return Placement(figure, ground, lambda p: np.asarray(p * to_canvas + shift))


def leg_length(track: Floats, height: int) -> float:
    """Length of a stretched leg in (n, 33, 4), hip to ankle; 0 where none is seen down to the ankle in most frames."""
    longest = 0.0
    for leg in _LEGS:
        _, knee, ankle, _ = CHAINS[leg]
        seen = (track[:, [knee, ankle], 3].min(1) > SEEN) & (track[:, ankle, 1] < height)
        if np.mean(seen) > 0.5:
            longest = max(longest, float(np.percentile(spans(track[seen], leg)[:, :2].sum(1), 92)))
    return longest


def _floor(track: Floats) -> float:
    """Height of the lower ankle in most frames of (n, 33, 4)."""
    return float(np.median(track[:, list(ANKLES), 1].max(1)))


def _cover(size: Size, canvas: Size) -> float:
    """The scale at which a picture fills the canvas."""
    return max(canvas.width / size.width, canvas.height / size.height)


def _ground(size: Size, canvas: Size, scale: float, anchor: Floats, to: Floats) -> Floats:
    """The background under a figure of that ``scale``: as large, and with ``anchor`` (of the still) at ``to``, where the picture allows it.

    It always fills the canvas; it is enlarged a little more where that brings the floor to the feet.
    """
    cover = _cover(size, canvas)
    level = max(
        to[1] / max(anchor[1], 1.0), (canvas.height - to[1]) / max(size.height - anchor[1], 1.0)
    )
    scale = float(np.clip(max(scale, level), cover, _CLOSER * cover))
    free = np.minimum(np.array(canvas) - scale * np.array(size), 0.0)
    return _scaled(scale, *np.clip(to - scale * anchor, free, 0.0))


def _scaled(scale: float, x: float, y: float) -> Floats:
    return np.array([[scale, 0.0, x], [0.0, scale, y]])
