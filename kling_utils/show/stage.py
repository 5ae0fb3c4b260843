"""The stage: reference and result on one clock. Static files, and the shape of the value that they are given.

Owns the markup, style and script, and which words stand on it. Refuses to know who serves the files: a host page puts ``script()``
where ``element``, ``props``, ``watch`` and ``trigger`` exist, and gives clips as ``{"url": ...}``. Nothing is written into the
markup, so there is nothing to escape: data travels through properties and ``textContent``.

The keys are listed in ``stage.html``. Tab goes through the takes once, back to the one it began with, and then on to the controls and out
of the stage: it has to lead people without a mouse everywhere. ``t`` and ``T`` and buttons go through them, too.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from kling_utils.values import Job

if TYPE_CHECKING:
    from kling_utils.review.motion import Activity

_HERE = Path(__file__).parent
_LESSON = "<!--lesson-->"
_SCRIPTS = ("stage_clock.js", "stage_strip.js", "stage_view.js", "stage.js")
"""One scope, in this order: the last one starts what the others define."""

File = Mapping[str, Any]
"""A file as its host serves it; the script reads ``url``."""


class Motion(TypedDict):
    """Motion over time: seconds, values of 0..1, and the seconds of the cuts."""

    times: Sequence[float]
    values: Sequence[float]
    cuts: Sequence[float]


class Motions(TypedDict, total=False):
    """The motion of the reference and of the result."""

    a: Motion | None
    b: Motion | None


class Take(TypedDict):
    """One of several results. ``id`` stands in links, so it is something that a stranger may see, such as a job's id."""

    id: str
    label: str
    b: File | None
    motion: NotRequired[Motion | None]


class Value(TypedDict):
    """What the script reads. ``a`` is the reference, ``b`` the result; ``later`` stands where a result is still missing."""

    a: File | None
    b: File | None
    label_a: str
    label_b: str
    later: str
    fps: float | None
    """Frames a second of the reference, by which one steps; measured while it plays where it is not given."""
    autoplay: bool
    takes: NotRequired[Sequence[Take]]
    """Several results of the one reference; ``b`` and ``label_b`` are not read then."""
    take: NotRequired[str | None]
    """Which of them to show; a change of it goes there, anything else stays with what the person chose."""
    image: NotRequired[File | None]
    """Can be pinned into a corner."""
    motion: NotRequired[Motions | None]


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
    return "".join((_HERE / name).read_text("utf-8") for name in _SCRIPTS)


def nothing() -> Value:
    """An empty stage, which shows its lesson."""
    return Value(a=None, b=None, label_a="", label_b="", later="", fps=None, autoplay=False)


def made(job: Job) -> str:
    """How a result is called on the stage: a draft never passes for a Kling result."""
    return "Result, local draft" if job.draft else "Result"


def strip(activity: Activity) -> Motion:
    """Motion as the strip under the time line draws it."""
    return Motion(times=activity.times, values=activity.values, cuts=activity.cuts)


def of(
    job: Job,
    reference: File | None,
    result: File | None,
    *,
    autoplay: bool = False,
    fps: float | None = None,
    image: File | None = None,
    motion: Motions | None = None,
    takes: Sequence[Take] = (),
) -> Value:
    """A job on the stage: its reference alone until there is a result. The files are as the host serves them.

    ``fps``: of the reference. ``takes``: this and other results of the same reference, the job's own with ``id=job.job_id``.
    """
    if result is None:
        later = (
            "There is no result."
            if job.state == "failed"
            else "The result will play here, in step with the reference."
        )
    else:
        later = ""
    value = Value(
        a=reference,
        b=result,
        label_a="Reference",
        label_b=made(job),
        later=later,
        fps=fps,
        autoplay=autoplay,
    )
    if takes and result is not None:
        value["takes"], value["take"] = list(takes), job.job_id
    if image is not None:
        value["image"] = image
    if motion is not None:
        value["motion"] = motion
    return value
