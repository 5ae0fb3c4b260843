"""What the command ``fit`` says of a plan.

Owns the names that a repaired file may have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_utils.values import Report

if TYPE_CHECKING:
    from kling_utils.preflight.plan import Plan

_SEEN = 0.1
"""Seconds by which a clip may begin or end elsewhere than asked, as pictures have it, without a word."""


def endings(plan: Plan) -> tuple[str, ...]:
    """Of the names that the repaired file may have. A file that is fine as it is keeps its kind."""
    report = plan.report or Report(())
    if report.image is None:
        return (
            (".mp4", ".mov")
            if report.video is not None and report.video.container == "mov" and not plan.needed
            else (".mp4",)
        )
    kinds = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg")}
    return (*kinds["JPEG"], *kinds["PNG"]) if plan.needed else kinds[report.image.format]


def otherwise(plan: Plan, start: float, length: float | None) -> list[str]:
    """What becomes of a start and a length that the clip has no room for."""
    if plan.video is None:
        return []
    recipe, notes = plan.video.recipe, []
    if abs(recipe.start - start) > _SEEN:
        notes.append(
            f"--start {start:g} leaves too little of the clip: it begins at {recipe.start:.3g} s."
        )
    if length is not None and recipe.seconds - length > _SEEN:
        notes.append(f"--length {length:g} is too short: {recipe.seconds:.3g} s are kept.")
    return notes
