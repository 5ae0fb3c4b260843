"""Whole and half bodies as a puppet: every part of the still a skinned mesh, drawn from back to front.

Owns how parts are textured, weighted and drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kling_utils.draft.matte import fill
from kling_utils.draft.parts import Labels, divide, joined_legs, outline, pelvis_or_edge
from kling_utils.draft.retarget import Pose
from kling_utils.draft.skeleton import (
    CHAINS,
    NECK,
    PELVIS,
    TORSO,
    Limb,
    Part,
    chain,
    is_arm,
    joints,
    trunk_length,
)
from kling_utils.draft.warp import (
    Layer,
    bone,
    fitted_affine,
    grid_mesh,
    segment_distance,
    similarity,
    skin,
)
from kling_utils.media.arrays import Bools, Floats, Floats32, Frame, Ints, f32, u8

CAP = {"arm": 0.12, "leg": 0.30}
"""Radius, in lengths of the trunk, of the round cap at a limb's root that hides the seam."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    name: Part
    limbs: tuple[Limb, ...]
    layers: tuple[Layer, ...]
    """Upper and lower half of a single limb, drawn one after the other so that they may overlap."""
    weights: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Where bones go in one frame: (3, 2, 3) affines of trunk, head and the pinned lower edge, and of each limb's segments."""

    trunk: Floats
    limbs: dict[Limb, Floats]


class Puppet:
    """``image`` BGR, ``color`` its figure's colours without fringe, ``alpha`` bytes, ``points`` (33, 4); all in pixels of the canvas.

    ``cut_off``: the figure leaves the picture at the lower edge, which is pinned so that the cut does not turn into view.
    """

    def __init__(
        self, image: Frame, color: Frame, alpha: Frame, points: Floats, *, cut_off: bool = False
    ) -> None:
        self._joints = joints(points)
        self._length = float(trunk_length(points))
        self._cut_off, self._bottom = cut_off, float(alpha.shape[0])
        self._step = max(6, int(self._length / 13))
        inside = alpha > 20
        labels = divide(image, alpha, self._joints, self._length)
        self._limbs = labels.limbs
        found = (
            self._piece(name, limbs, labels, image, color, alpha, inside)
            for name, limbs in self._order(labels, inside)
        )
        self._pieces = [piece for piece in found if piece is not None]

    def _order(self, labels: Labels, inside: Bools) -> list[tuple[Part, tuple[Limb, ...]]]:
        """Parts from back to front."""
        legs, arms = (tuple(x for x in labels.limbs if is_arm(x) == arm) for arm in (False, True))
        if len(legs) == 2 and joined_legs(self._joints, inside, self._length):
            return [("legs", legs), ("trunk", ()), *((x, (x,)) for x in arms)]
        return [*((x, (x,)) for x in legs), ("trunk", ()), *((x, (x,)) for x in arms)]

    def _piece(
        self,
        name: Part,
        limbs: tuple[Limb, ...],
        labels: Labels,
        image: Frame,
        color: Frame,
        alpha: Frame,
        inside: Bools,
    ) -> _Piece | None:
        mask = labels.where(limbs or ("trunk",))
        for limb in limbs:
            mask |= self._cap(limb, alpha.shape) & (labels.label == 0)
        if not is_arm(name):
            hidden = outline(mask & inside, self._joints, trunk=name == "trunk") & inside
            hidden &= labels.where([x for x in labels.limbs if is_arm(x)])
            color = _under(image, color, mask & inside, hidden)
            mask |= hidden
        soft = f32(
            cv2.GaussianBlur(
                cv2.dilate(mask.astype(np.float32), np.ones((3, 3), np.uint8)), (0, 0), 1.2
            )
        )
        own = np.clip(alpha * soft, 0, 255).astype(np.uint8)
        if not (own > 8).any():
            return None
        verts, tris = grid_mesh(own > 8, self._step)
        weights = self._limb_weights(verts, limbs) if limbs else self._trunk_weights(verts)
        halves = [tris := _empty_first(verts, tris, own)]
        if len(limbs) == 1:
            low = weights[:, 1:3].sum(1)[tris]
            halves = [tris[low.min(1) < 0.75], tris[low.max(1) > 0.4]]
        return _Piece(
            name, limbs, tuple(Layer(color, own, verts, t) for t in halves if len(t)), weights
        )

    def _cap(self, limb: Limb, shape: tuple[int, ...]) -> Bools:
        x, y = self._joints[CHAINS[limb][0], :2]
        ys, xs = np.ogrid[0 : shape[0], 0 : shape[1]]
        return np.asarray(np.hypot(xs - x, ys - y) < CAP[limb[:3]] * self._length, np.bool_)

    def _trunk_weights(self, verts: Floats32 | Floats) -> Floats:
        """(n, 3): chest, head, pinned lower edge."""
        neck = self._joints[NECK, :2]
        up = (
            self._joints[[9, 10], :2].mean(0) - neck
        )  # the mouth: the head goes as one from there on
        head = _smooth(
            np.clip(((verts - neck) @ up / max(float(up @ up), 1e-3) - 0.1) / 0.75, 0, 1)
        )
        pin = np.zeros(len(verts))
        if self._cut_off:
            hip = pelvis_or_edge(self._joints, self._bottom, self._length)
            pin = _smooth(np.clip((verts[:, 1] - hip) / max(self._bottom - hip, 1), 0, 1))
        return np.column_stack([(1 - head) * (1 - pin), head * (1 - pin), pin])

    def _limb_weights(self, verts: Floats32, limbs: Sequence[Limb]) -> Floats:
        """(n, 3 * limbs + 1): three segments of each limb, and the trunk."""
        columns: list[Floats] = []
        for limb in limbs:
            c, sharp = chain(self._joints, limb), 4 if is_arm(limb) else 3
            near = [
                segment_distance(verts.astype(np.float64), c[k], c[k + 1]) / self._length
                for k in range(3)
            ]
            columns += [1 / (d + 0.03) ** sharp for d in near]
        trunk = np.zeros(len(verts))
        if not is_arm(limbs[0]):  # the waist end of trousers and skirts stays with the trunk
            hip = self._joints[[23, 24], :2].mean(0)
            axis = chain(self._joints, limbs[0])[1] - hip
            along = ((verts - hip) @ axis) / max(float(axis @ axis), 1e-3)
            trunk = (np.maximum(0.35 - along, 0) / 0.35) ** 2 * np.max(columns, 0) * 2
        w = np.column_stack([*columns, trunk])
        return np.asarray(w / w.sum(1, keepdims=True))

    def moves(self, pose: Pose) -> Moves:
        """Where the bones go in this pose."""
        j = self._joints[:, :2]
        trunk = fitted_affine(j[list(TORSO)], pose.torso)
        neck, pelvis = (trunk[:, :2] @ j[k] + trunk[:, 2] for k in (NECK, PELVIS))
        head = similarity(j[NECK], pose.head_angle, 1.0, neck + pose.head_shift)
        low = pelvis - j[PELVIS]
        pinned = np.column_stack([np.eye(2), [low[0], max(low[1], 0)]])
        limbs: dict[Limb, Floats] = {}
        for limb in self._limbs:
            c, d = chain(self._joints, limb), pose.chains[limb]
            d = d + (
                trunk[:, :2] @ c[0] + trunk[:, 2] - d[0]
            )  # the root sits on the trunk as it is drawn
            limbs[limb] = np.stack([bone(c[k], c[k + 1], d[k], d[k + 1]) for k in range(3)])
        return Moves(np.stack([trunk, head, pinned]), limbs)

    def carry(self, start: Floats, points: Floats, moves: Moves) -> Floats32:
        """Points of the head that the expression moved from ``start`` to ``points`` (both (n, 3)), taken along with the head."""
        return skin(f32(points[:, :2]), self._trunk_weights(start[:, :2]), moves.trunk)

    def draw(self, out: Frame, pose: Pose) -> Moves:
        """Draw the figure onto ``out`` in place; returns where the bones went."""
        moves = self.moves(pose)
        for piece in sorted(
            self._pieces, key=lambda p: not (p.name in CHAINS and pose.behind[p.limbs[0]])
        ):
            mats = (
                np.concatenate([*(moves.limbs[x] for x in piece.limbs), moves.trunk[:1]])
                if piece.limbs
                else moves.trunk
            )
            verts = skin(piece.layers[0].verts, piece.weights, mats)
            for layer in piece.layers:
                layer.draw(out, verts)
        return moves


def _smooth(t: Floats) -> Floats:
    return np.asarray(t * t * (3 - 2 * t))


def _under(image: Frame, color: Frame, mask: Bools, hidden: Bools) -> Frame:
    """The part's colours with what an arm hides of it filled from the part's own."""
    if not hidden.any():
        return color
    keep = u8(cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)))
    pulled = fill(image, keep.astype(np.float32))
    grown = f32(
        cv2.GaussianBlur(
            cv2.dilate(hidden.astype(np.float32), np.ones((9, 9), np.uint8)), (0, 0), 2
        )
    )[..., None]
    return np.asarray(pulled * grown + color * (1 - grown)).astype(np.uint8)


def _empty_first(verts: Floats32, tris: Ints, alpha: Frame) -> Ints:
    """Where a limb folds, its empty border must not cover it: triangles with an empty middle are drawn first."""
    middle = verts[tris].mean(1).astype(np.int32)
    height, width = alpha.shape
    solid = alpha[np.clip(middle[:, 1], 0, height - 1), np.clip(middle[:, 0], 0, width - 1)]
    return tris[np.argsort(solid, kind="stable")]
