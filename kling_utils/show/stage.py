"""The stage: reference and result on one clock. Static files, and the shape of the value that they are given.

Owns the markup, style and script, and which words stand on it. Refuses to know who serves the files: a host page puts ``script()``
where ``element``, ``props``, ``watch`` and ``trigger`` exist, and gives both clips as ``{"url": ...}``. Nothing is written into the
markup, so there is nothing to escape: data travels through properties and ``textContent``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from kling_utils.values import Job

_HERE = Path(__file__).parent
_LESSON = "<!--lesson-->"


class Value(TypedDict):
    """What the script reads. ``a`` is the reference, ``b`` the result; ``later`` stands where a result is still missing."""

    a: Mapping[str, Any] | None
    b: Mapping[str, Any] | None
    label_a: str
    label_b: str
    later: str
    fps: float | None
    autoplay: bool


@functools.cache
def template(lesson: str = "") -> str:
    """The markup. ``lesson`` is trusted HTML of our own that is shown while there is nothing to play."""
    return (_HERE / "stage.html").read_text("utf-8").replace(_LESSON, lesson)


@functools.cache
def css() -> str:
    """The style sheet; colours come from the host's variables where it has them."""
    return (_HERE / "stage.css").read_text("utf-8")


@functools.cache
def script() -> str:
    """The script, run once for each stage."""
    return (_HERE / "stage.js").read_text("utf-8")


def nothing() -> Value:
    """An empty stage, which shows its lesson."""
    return Value(a=None, b=None, label_a="", label_b="", later="", fps=None, autoplay=False)


def of(job: Job, reference: Mapping[str, Any] | None, result: Mapping[str, Any] | None, *, autoplay: bool = False) -> Value:
    """A job on the stage: its reference alone until there is a result. The files are as the host serves them."""
    if result is None:
        later = "There is no result." if job.state == "failed" else "The result will play here, in step with the reference."
    else:
        later = ""
    made = "Result, local draft" if job.draft else "Result"
    return Value(a=reference, b=result, label_a="Reference", label_b=made, later=later, fps=None, autoplay=autoplay)
