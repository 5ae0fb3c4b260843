"""The picture's half of fit: which change answers which finding, and the making of it.

Owns the geometry: how much ground is added, where it is cut, how far it is enlarged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from PIL import Image

from kling_utils.media import bounds, images
from kling_utils.media.images import picture_cost
from kling_utils.preflight import fit_words, words
from kling_utils.preflight.limits import limit, show
from kling_utils.preflight.plan import FitChoices, ImagePlan, Step, step
from kling_utils.values import Finding, ImageInfo, Severity, Size

Box = tuple[int, int, int, int]

_ANSWERED = frozenset(
    {
        "image.format",
        "image.bytes",
        "image.side",
        "image.side.kling",
        "image.aspect",
        "image.frames",
        "image.mode",
        "image.profile",
        "image.tags",
        "image.turned",
    }
)
_LOSSLESS = ("PNG", "BMP", "GIF", "TIFF")
_SEE_THROUGH = ("RGBA", "LA", "PA")
_LONGEST = 8192
"""Pixels of the longer side of a padded picture, which has 27 megapixels then. A line of 65535 pixels would become 1,718 megapixels."""
_LOOKS = 24
"""Squares of a panorama in which a person is looked for, 20 ms each."""


def plan_image(
    info: ImageInfo, findings: tuple[Finding, ...], choices: FitChoices
) -> ImagePlan | None:
    """What makes the picture legal; None when nothing has to be done. With ``crop`` the person is looked for (0.3 s)."""
    found: dict[str, Severity] = {
        f.code: f.severity for f in findings if f.severity != "pass" and f.code in _ANSWERED
    }
    if not any(severity == "error" or choices.careful for severity in found.values()):
        return None
    most = int(limit("image.bytes").high or 0)
    crop, padded = None, None
    size = info.size
    steps: list[Step] = []

    def add(code: str, *answers: str, **values: object) -> None:
        there: list[Severity] = [found[each] for each in answers if each in found]
        worst: Severity = (
            "error" if "error" in there else "warning" if "warning" in there else "advice"
        )
        steps.append(step(code, tuple(each for each in answers if each in found), worst, **values))

    fill = "image.bytes" in found
    kind = "PNG" if _as_png(info, most, fill=fill) else "JPEG"
    if "image.format" in found:
        add("image.format", "image.format", from_=words.name(info.format), to=kind)
    if "image.frames" in found:
        add("image.still", "image.frames", frames=info.frames)
    if "image.turned" in found:
        add("image.upright", "image.turned")
    if "image.mode" in found:
        if info.mode in _SEE_THROUGH:
            add("image.behind", "image.mode", colour=choices.behind)
        else:
            add("image.colours", "image.mode", from_=words.name(info.mode))
    if "image.profile" in found:
        add("image.srgb", "image.profile", from_=info.profile)
    if "image.tags" in found:
        add("image.untagged", "image.tags")
    if "image.aspect" in found:
        box = _around_person(info, choices) if choices.shape == "crop" else None
        if box is not None:
            crop, before, size = box, size, Size(box[2] - box[0], box[3] - box[1])
            add("image.crop", "image.aspect", from_=before, to=size)
        else:
            inner = _inner(size)
            if inner != size:
                add("image.reduce", from_=size, to=inner)
            size, padded = inner, _padded(inner)
            ground = "its own, blurred" if choices.ground == "blur" else choices.ground
            add("image.pad", "image.aspect", from_=size, to=padded, ground=ground)
            size = padded
    least = int(limit("image.side.kling").low or 0)
    if min(size) < least:
        before, size = size, _enlarged(size, least)
        add("image.enlarge", "image.side", "image.side.kling", from_=before, to=size)
    elif padded is not None or crop is not None:
        steps[-1] = _also(steps[-1], found, "image.side", "image.side.kling")
    if fill:
        ratio = most / info.size_bytes
        kept = fit_words.shrunk(ratio if info.format == "JPEG" else min(1.0, 4 * ratio))
        add(
            "image.shrink",
            "image.bytes",
            from_=show(info.size_bytes, "bytes"),
            to=show(most, "bytes"),
            cost=kept,
        )
    add(
        "image.save",
        "image.name",
        to=kind,
        cost="" if kind == "PNG" or fill else fit_words.COST_NONE,
    )
    return ImagePlan(
        info=info,
        steps=tuple(steps),
        kind="PNG" if kind == "PNG" else "JPEG",
        crop=crop,
        padded=padded,
        size=size,
        max_bytes=most,
        fill=fill,
        ground=choices.ground,
        behind=choices.behind,
    )


def make_image(
    plan: ImagePlan, work: Path, *, stop: Callable[[], None]
) -> tuple[Path, tuple[Step, ...]]:
    """Make it in the folder ``work``: the file and what was done. ``stop`` raises when it is time. Raises ``UnreadableMedia``."""
    stop()
    with bounds.pictures.taken(picture_cost(plan.info.path)[1]):
        return _made(plan, work, stop)


def _made(plan: ImagePlan, work: Path, stop: Callable[[], None]) -> tuple[Path, tuple[Step, ...]]:
    picture = images.plain(plan.info.path, plan.behind)
    stop()
    if plan.crop is not None:
        picture = picture.crop(plan.crop)
    if plan.padded is not None:
        inner = _inner(Size(*picture.size))
        picture = images.pad(images.scale(picture, inner), plan.padded, plan.ground)
    picture = images.scale(picture, plan.size)
    path = work / "image"
    least = int(limit("image.side.kling").low or 0)
    kind, shrunk = images.save(
        picture, path, plan.kind, max_bytes=plan.max_bytes, fill=plan.fill, least=least, stop=stop
    )
    done = plan.steps
    if kind != plan.kind:  # rare: a drawing that a PNG holds badly
        done = (
            *done[:-1],
            step(
                "image.save", done[-1].answers, done[-1].severity, to=kind, cost=fit_words.COST_NONE
            ),
        )
    if shrunk < 1:
        made = Size(round(picture.width * shrunk), round(picture.height * shrunk))
        done = (*done, step("image.smaller", from_=plan.size, to=made))
    return path.rename(path.with_suffix(".png" if kind == "PNG" else ".jpg")), done


def _as_png(info: ImageInfo, most: int, *, fill: bool) -> bool:
    """Whether a lossless picture stays one: only where that surely fits."""
    if info.format not in _LOSSLESS or fill:
        return False
    return 3 * info.size.width * info.size.height < most or (
        info.format == "PNG" and 2 * info.size_bytes < most
    )


def _also(done: Step, found: dict[str, Severity], *codes: str) -> Step:
    """The same step, when it also takes away another finding."""
    more = tuple(code for code in codes if code in found)
    worst: Severity = "error" if any(found[code] == "error" for code in more) else done.severity
    return Step(done.code, done.text, done.cost, (*done.answers, *more), worst)


def _aspects() -> tuple[Fraction, Fraction]:
    rule = limit("image.aspect")
    return Fraction(rule.low or 0), Fraction(rule.high or 0)


def _padded(size: Size) -> Size:
    """The least size around it whose aspect is allowed."""
    low, high = _aspects()
    if size.aspect > high:
        return Size(size.width, math.ceil(size.width / high))
    return Size(math.ceil(size.height * low), size.height)


def _inner(size: Size) -> Size:
    """The size at which a picture is padded: smaller where the ground would make it huge."""
    factor = _LONGEST / max(size)
    if factor >= 1:
        return size
    return Size(max(1, round(size.width * factor)), max(1, round(size.height * factor)))


def _enlarged(size: Size, least: int) -> Size:
    """The shorter side at ``least``; the longer one rounded down, so that the aspect stays allowed."""
    if size.width <= size.height:
        return Size(least, size.height * least // size.width)
    return Size(size.width * least // size.height, least)


def _around_person(info: ImageInfo, choices: FitChoices) -> Box | None:
    """The cut of the allowed aspect that has the person in its middle; None when nobody is found or would be cut."""
    picture = images.plain(info.path, choices.behind)
    found = _person(picture)
    if found is None:
        return None
    left, top, right, bottom = found
    low, high = _aspects()
    if info.size.aspect > high:
        width = math.floor(picture.height * high)
        if right - left > width:
            return None
        at = min(max(0, round((left + right - width) / 2)), picture.width - width)
        return (at, 0, at + width, picture.height)
    height = math.floor(picture.width / low)
    if bottom - top > height:
        return None
    at = min(max(0, round((top + bottom - height) / 2)), picture.height - height)
    return (0, at, picture.width, at + height)


def _person(picture: Image.Image) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the largest person's visible points; None when nobody is found.

    The detector looks at a square, in which a person in a panorama is tiny: it gets squares along the longer side.
    """
    import numpy as np

    from kling_utils.media.pose import follow

    short, long = min(picture.size), max(picture.size)
    count = min(math.ceil(2 * long / short) - 1, _LOOKS)
    best: tuple[float, float, float, float] | None = None
    for number in range(count):
        at = round((long - short) * number / max(1, count - 1))
        x, y = (at, 0) if picture.width >= picture.height else (0, at)
        square = picture.crop((x, y, x + short, y + short))
        square.thumbnail((640, 640), Image.Resampling.BILINEAR)
        body = follow([np.ascontiguousarray(np.asarray(square)[:, :, ::-1])], model="full").bodies[
            0
        ]
        seen = body[body[:, 3] > 0.5, :2] * (short / square.width) if body is not None else ()
        if len(seen):
            (left, top), (right, bottom) = np.min(seen, axis=0), np.max(seen, axis=0)
            box = (float(left) + x, float(top) + y, float(right) + x, float(bottom) + y)
            if best is None or bottom - top > best[3] - best[1]:
                best = box
    return best
