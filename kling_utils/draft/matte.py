"""The person's matte in the still, what lies behind the person, and the person's colours without a fringe. Knows pictures only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from kling_utils.media.arrays import Bools, Floats, Floats32, Frame, Ints, f32, u8
from kling_utils.media.pose import Body, selfie_mask

WORK = 640
"""Longest side of the picture that GrabCut sees."""
_CROSS = np.ones((3, 3), np.uint8)
# Segments between body points that surely lie on the person.
_BONES = (
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
    (23, 25),
    (25, 27),
    (24, 26),
    (26, 28),
    (29, 31),
    (30, 32),
    (27, 31),
    (28, 32),
    (11, 24),
    (12, 23),
)


class Seed(NamedTuple):
    """A segment that surely belongs to the person: its ends in pixels, and how thick it is."""

    a: Floats
    b: Floats
    width: float


def seeds(body: Body) -> list[Seed]:
    """Segments along the body's clearly visible bones."""
    p = body.points
    width = 0.05 * max(
        float(np.linalg.norm(p[[11, 12], :2].mean(0) - p[[23, 24], :2].mean(0))), 1.0
    )
    return [Seed(p[a, :2], p[b, :2], width) for a, b in _BONES if min(p[a, 3], p[b, 3]) > 0.6]


def person_matte(image: Frame, body: Body | None = None) -> Floats32:
    """Alpha 0..1 of the person in a BGR picture.

    The pose net's mask and the selfie net say where about, GrabCut finds the outline at ``WORK`` pixels, a guided filter its soft edge.
    """
    height, width = image.shape[:2]
    scale = min(1.0, WORK / max(height, width))
    small = u8(
        cv2.resize(
            image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
        )
    )
    hard = keep_main(
        _grab_cut(
            small, _probability(small, body, scale), seeds(body) if body is not None else (), scale
        )
    )
    soft = f32(cv2.resize(hard.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR))
    grey = f32(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)) / np.float32(255)
    alpha = guided(grey, soft, max(2, round(max(height, width) / 300)), 1e-4)
    return np.asarray(np.clip((alpha - 0.1) / 0.8, 0, 1), np.float32)


def _probability(small: Frame, body: Body | None, scale: float) -> Floats32:
    """How probably a pixel of the small picture is the person."""
    size = (small.shape[1], small.shape[0])
    found = f32(cv2.resize(selfie_mask(small), size, interpolation=cv2.INTER_LINEAR))
    if body is None or body.mask is None:
        return found
    mask = f32(cv2.warpAffine(body.mask, scale * body.matrix, size, flags=cv2.INTER_LINEAR))
    return np.asarray(np.maximum(0.5 * found + 0.5 * mask, mask * 0.9), np.float32)


def _grab_cut(small: Frame, probability: Floats32, sure: Sequence[Seed], scale: float) -> Frame:
    """1 where the person is, at the small picture's size."""
    trimap = np.full(small.shape[:2], cv2.GC_PR_BGD, np.uint8)
    trimap[probability > 0.5] = cv2.GC_PR_FGD
    trimap[
        cv2.dilate(
            (probability > 0.3).astype(np.uint8), _CROSS, iterations=max(4, small.shape[0] // 60)
        )
        == 0
    ] = cv2.GC_BGD
    trimap[cv2.erode((probability > 0.85).astype(np.uint8), _CROSS, iterations=3) > 0] = cv2.GC_FGD
    for seed in sure:
        a, b = ((int(x * scale), int(y * scale)) for x, y in (seed.a, seed.b))
        cv2.line(trimap, a, b, int(cv2.GC_FGD), max(1, int(seed.width * scale)))
    if (trimap == cv2.GC_FGD).any() and (trimap == cv2.GC_BGD).any():
        cv2.setRNGSeed(0)  # the same picture gives the same matte
        cv2.grabCut(
            small,
            trimap,
            (0, 0, 0, 0),
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            4,
            cv2.GC_INIT_WITH_MASK,
        )
    hard = ((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)).astype(np.uint8)
    return u8(cv2.morphologyEx(hard, cv2.MORPH_OPEN, _CROSS))


def keep_main(hard: Frame) -> Frame:
    """A mask of 0 and 1 without specks, and with its pinholes closed; a gap between arm and body is real and stays."""
    out = hard.copy()
    labels, areas = _components(out)
    if not areas.size:
        return out
    for i, area in enumerate(areas, 1):
        if area < 0.08 * areas.max():
            out[labels == i] = 0
    labels, areas = _components(u8(1 - out))
    for i, area in enumerate(areas, 1):
        if area < 0.0004 * hard.size:
            out[labels == i] = 1
    return out


def _components(mask: Frame) -> tuple[Ints, Ints]:
    """Labels of the connected parts (1, 2, ...) and their areas in pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    return np.asarray(labels, np.int32), np.asarray(stats[1:, 4], np.int32)


def guided(guide: Floats32, source: Floats32, radius: int, eps: float) -> Floats32:
    """Guided filter (He et al. 2010) with a grey guide in 0..1: ``source`` with its edges moved onto the guide's."""

    def box(x: Floats32) -> Floats32:
        return f32(cv2.boxFilter(x, -1, (2 * radius + 1, 2 * radius + 1)))

    mean, target = box(guide), box(source)
    a = f32(
        (box(guide * source) - mean * target) / (box(guide * guide) - mean * mean + np.float32(eps))
    )
    return box(a) * guide + box(target - a * mean)


def fill(image: Frame, known: Floats32, *, relax: int = 0) -> Frame:
    """The picture with everything filled where ``known`` (0..1) is 0, by a push-pull pyramid: smooth, repeatable, linear time.

    ``relax`` steps on the coarse levels pull the fill towards a membrane: the rim decides, not the average, and no ghost is left.
    """
    levels, weights = [f32(image.astype(np.float32) * known[..., None])], [known.astype(np.float32)]
    while min(levels[-1].shape[:2]) > 2:
        size = ((levels[-1].shape[1] + 1) // 2, (levels[-1].shape[0] + 1) // 2)
        levels.append(f32(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)))
        weights.append(f32(cv2.resize(weights[-1], size, interpolation=cv2.INTER_AREA)))
    up = f32(levels[-1] / np.maximum(weights[-1], np.float32(1e-6))[..., None])
    for level, weight in zip(levels[-2::-1], weights[-2::-1], strict=True):
        up = f32(cv2.resize(up, (level.shape[1], level.shape[0]), interpolation=cv2.INTER_LINEAR))
        missing = f32(1 - np.minimum(weight, 1)[..., None])
        for _ in range(relax if max(weight.shape) < 200 else relax // 8):
            up = f32(cv2.blur(level + missing * up, (3, 3)))
        up = f32(level + missing * up)
    return np.clip(up, 0, 255).astype(np.uint8)


def feet(body: Body, shape: tuple[int, ...]) -> Frame:
    """1 around each visible foot: pale shoes on a pale floor escape the matte, and would stay behind as a pair of soles."""
    out = np.zeros(shape[:2], np.uint8)
    p = body.points
    length = max(float(np.linalg.norm(p[[11, 12], :2].mean(0) - p[[23, 24], :2].mean(0))), 1.0)
    for foot in ((27, 29, 31), (28, 30, 32)):
        if p[list(foot), 3].min() > 0.6:
            ankle, heel, toe = (p[k, :2] for k in foot)
            for start in (ankle, heel):
                tip = toe + 0.4 * (toe - start)  # shoes go on past the last landmark
                cv2.line(
                    out,
                    (int(start[0]), int(start[1])),
                    (int(tip[0]), int(tip[1])),
                    1,
                    max(1, int(0.26 * length)),
                )
    return out


def background(image: Frame, alpha: Floats32, body: Body | None = None) -> Frame:
    """The picture without the person, with the picture's own grain over the fill, so that it does not look like plastic."""
    person = (alpha > 0.02).astype(np.uint8)
    hole = u8(cv2.dilate(person, _CROSS, iterations=max(3, max(image.shape[:2]) // 120)))
    if body is not None:
        hole |= feet(body, image.shape)
    filled = fill(image, f32(1.0 - hole), relax=80)
    rough = u8(cv2.absdiff(image, cv2.GaussianBlur(image, (0, 0), 1.5)))[hole == 0]
    grain = min(4.0, float(rough.mean())) if rough.size else 0.0
    noise = np.random.default_rng(0).normal(0, grain, image.shape[:2]).astype(np.float32)
    soft = f32(cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 2))
    return np.clip(filled + (noise * soft)[..., None], 0, 255).astype(np.uint8)


def foreground(image: Frame, alpha: Floats32) -> Frame:
    """The person's colours pulled outwards over the soft edge, so that no colour of the background travels along."""
    core = u8(
        cv2.erode(
            (alpha > 0.9).astype(np.uint8), _CROSS, iterations=max(1, max(image.shape[:2]) // 700)
        )
    )
    return fill(image, core.astype(np.float32)) if core.any() else image


def leaves_below(alpha: Floats32) -> bool:
    """Whether the figure runs out of the picture at its lower edge."""
    on: Bools = alpha[-2:] > 0.5
    return bool(on.mean() > 0.02)
