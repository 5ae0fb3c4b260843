"""Where the figure stands: as tall as the person of the clip, on the same floor, with the background that belongs to it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from helpers.figures import figure

from kling_utils.draft.clip import Clip
from kling_utils.draft.placement import as_in_clip, as_in_picture, leg_length
from kling_utils.draft.still import Still
from kling_utils.draft.warp import moved
from kling_utils.media.arrays import Floats
from kling_utils.media.pose import Body
from kling_utils.values import Size

CANVAS = Size(720, 1280)
ANKLES, HIPS = [27, 28], [23, 24]


def still(points: Floats, size: tuple[int, int] = (400, 600)) -> Still:
    return Still(
        np.zeros((size[1], size[0], 3), np.uint8), Body(points, 1.0, None, np.eye(2, 3)), None
    )


def clip(points: Floats) -> Clip:
    return Clip(Size(360, 640), Fraction(25), 10, np.repeat(points[None], 10, 0), None)


def shorter_legs(points: Floats, share: float) -> Floats:
    """The same body with legs of ``share`` of their length."""
    out = points.copy()
    hips = points[HIPS, 1].mean()
    for k in (*range(25, 33),):
        out[k, 1] = hips + share * (points[k, 1] - hips)
    return out


@pytest.mark.parametrize("share", [0.7, 1.0, 1.2])
def test_the_feet_stand_where_the_clips_feet_stand_whatever_the_legs(share: float) -> None:
    theirs = figure(scale=1.6, at=(180, 160))
    own = shorter_legs(figure(scale=1.3, at=(200, 120)), share)
    found = as_in_clip(still(own), clip(theirs), "body", CANVAS, cut_off=False)
    drawn = moved(own, found.figure)
    assert found.place is not None
    floor = 2 * theirs[ANKLES, 1].mean()
    assert drawn[ANKLES, 1].mean() == pytest.approx(floor, abs=4)
    assert drawn[HIPS, :2].mean(0) == pytest.approx(found.place(theirs[HIPS, :2].mean(0)), abs=1), (
        "as the motion will have it"
    )
    height = drawn[ANKLES, 1].mean() - drawn[[11, 12], 1].mean()
    assert height == pytest.approx(
        2 * (theirs[ANKLES, 1].mean() - theirs[[11, 12], 1].mean()), rel=0.02
    ), "as tall"


def test_the_background_comes_along_and_always_fills_the_canvas() -> None:
    theirs = figure(scale=1.6, at=(180, 160))
    for x, y in ((90, 60), (200, 100), (330, 140)):
        own = figure(scale=1.6, at=(x, y))
        found = as_in_clip(still(own), clip(theirs), "body", CANVAS, cut_off=False)
        (left, top), (right, bottom) = moved(np.array([[0.0, 0.0], [400.0, 600.0]]), found.ground)
        assert left <= 1e-6
        assert top <= 1e-6
        assert right >= CANVAS.width - 1e-6
        assert bottom >= CANVAS.height - 1e-6
        feet = own[ANKLES, :2].mean(0)
        apart = moved(feet[None], found.ground) - moved(feet[None], found.figure)
        assert abs(apart[0, 1]) < 40, "the figure stands on its own floor"


def test_a_figure_without_visible_feet_is_as_large_by_its_trunk() -> None:
    own = figure(scale=1.3, at=(200, 120))
    own[25:, 3] = 0.0
    found = as_in_clip(
        still(own), clip(figure(scale=1.6, at=(180, 160))), "body", CANVAS, cut_off=False
    )
    assert found.figure[0, 0] == pytest.approx(2 * 1.6 / 1.3, rel=0.01)


def test_legs_are_measured_only_where_they_are_seen() -> None:
    body = figure(scale=2.0)
    assert leg_length(body[None], 1000) == pytest.approx(2.0 * 140)
    assert leg_length(body[None], 300) == 0.0, "the ankles lie below the picture"


def test_in_image_orientation_the_picture_fills_the_canvas_and_nothing_else_moves_it() -> None:
    found = as_in_picture(Size(400, 600), CANVAS)
    assert found.place is None
    assert (found.figure == found.ground).all()
    assert moved(np.array([[200.0, 300.0]]), found.figure)[0] == pytest.approx([360, 640])
