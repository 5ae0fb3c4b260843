"""The one table of limits: what may be sent, and who says so.

Owns every number of the checks; their words are in ``words``. Novita's documented rules are errors;
Kling's own, stricter ones are warnings; what nobody documents is a warning at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal

from kling_utils.preflight import words
from kling_utils.values import Severity

Unit = Literal["px", "aspect", "bytes", "s", "fps", "characters", "kind"]
Source = Literal["novita", "kling", "nobody", "measured"]

MEGABYTE = 1_000_000
MEBIBYTE = 2**20
DURATION_TOLERANCE = Fraction(1, 20)
"""Seconds by which a length may miss a bound: a frame or two, which containers and players count differently."""
HEADER_TOLERANCE = 0.25
"""Seconds between the length by the header and that of the pictures: sound ends in whole packets, and phones end it a little later."""
DOLBY_ONLY = 5
"""The profile of Dolby Vision whose picture has no meaning to a reader that does not know it."""
RESULT_SECONDS_IMAGE = 5
"""Length of every result in ``image`` orientation, by Novita's documentation."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule. Inside of ``low``..``high``, both included, or among ``options``: a pass. Outside: ``severity``.

    Less than ``grace`` beyond a bound it is only ``grace_severity``. ``field`` and words follow from the code.
    """

    code: str
    unit: Unit
    severity: Severity
    source: Source
    low: Fraction | int | None = None
    high: Fraction | int | None = None
    options: tuple[str, ...] = ()
    grace: Fraction | int = 0
    grace_severity: Severity = "pass"

    @property
    def field(self) -> str:
        """``image``, ``video``, ``prompt``, ``negative_prompt`` or ``request``."""
        return self.code.partition(".")[0]

    @property
    def title(self) -> str:
        return words.TEXTS[self.code].title

    @property
    def allowed(self) -> str:
        """The rule in words, such as ``3 to 30 s``."""
        unit = words.UNITS[self.unit]
        low, high = (
            None if bound is None else _bound(bound, self.unit) for bound in (self.low, self.high)
        )
        if low is None and high is None:
            return words.either(self.options)
        return words.span(low, high, unit)

    def fix(self, breach: Literal["low", "high", "grace", ""] = "") -> str:
        """What the user does about a breach of that kind."""
        text = words.TEXTS[self.code]
        chosen = {"low": text.low, "high": text.high, "grace": text.grace, "": ""}[
            breach
        ] or text.fix
        low, high = ("" if bound is None else number(bound) for bound in (self.low, self.high))
        return chosen.format(low=low, high=high, seconds=RESULT_SECONDS_IMAGE)


def show(value: Fraction | float, unit: Unit) -> str:
    """A measured number as people read it: ``4.12 s``, ``9.87 MB``, ``1:2.5``."""
    # Both are rounded up, so that what is just beyond a limit never reads as if it were at the limit.
    if unit == "aspect":
        slim = Fraction(ceil(max(value, 1 / Fraction(value)) * 1000), 1000)
        return _bound(slim if value >= 1 else 1 / slim, unit)
    if unit == "bytes":
        return (
            f"{number(ceil(value / 10_000) / 100)} MB"
            if value >= MEGABYTE
            else f"{ceil(value / 1000)} kB"
        )
    return _bound(value, unit) + words.UNITS[unit]


def number(value: Fraction | float) -> str:
    """At most three decimals, and none that says nothing."""
    return f"{float(value):.3f}".rstrip("0").rstrip(".")


def _bound(value: Fraction | float, unit: Unit) -> str:
    if unit == "aspect":
        return f"{number(value)}:1" if value >= 1 else f"1:{number(1 / value)}"
    return number(value / MEGABYTE if unit == "bytes" else value)


_TEN, _MAYBE = 10 * MEGABYTE, 10 * (MEBIBYTE - MEGABYTE)
_STILL, _CLIP = ("JPEG", "PNG"), ("MP4", "MOV")

LIMITS: tuple[Limit, ...] = (
    Limit("image.format", "kind", "error", "novita", options=_STILL),
    Limit(
        "image.bytes", "bytes", "error", "novita", high=_TEN, grace=_MAYBE, grace_severity="warning"
    ),
    Limit("image.side", "px", "error", "novita", low=300),
    Limit("image.side.kling", "px", "warning", "kling", low=340),
    Limit("image.aspect", "aspect", "error", "novita", low=Fraction(2, 5), high=Fraction(5, 2)),
    Limit("image.frames", "kind", "warning", "nobody", options=("still",)),
    Limit("image.mode", "kind", "advice", "nobody", options=("8-bit RGB", "8-bit grey", "palette")),
    Limit("image.profile", "kind", "advice", "nobody", options=("sRGB",)),
    Limit("image.tags", "kind", "advice", "nobody", options=("whole",)),
    Limit("image.turned", "kind", "advice", "nobody", options=("upright",)),
    Limit(
        "image.name",
        "kind",
        "warning",
        "novita",
        options=(".jpg", ".jpeg", ".png"),
        grace_severity="advice",
    ),
    Limit("video.container", "kind", "error", "novita", options=_CLIP),
    Limit(
        "video.bytes", "bytes", "error", "novita", high=_TEN, grace=_MAYBE, grace_severity="warning"
    ),
    Limit("video.side", "px", "error", "novita", low=300),
    Limit("video.side.kling", "px", "warning", "kling", low=340, high=3850),
    Limit(
        "video.duration",
        "s",
        "error",
        "novita",
        low=3,
        high=30,
        grace=DURATION_TOLERANCE,
        grace_severity="advice",
    ),
    Limit(
        "video.duration.image",
        "s",
        "warning",
        "kling",
        low=3,
        high=10,
        grace=DURATION_TOLERANCE,
        grace_severity="advice",
    ),
    Limit("video.codec", "kind", "warning", "nobody", options=("H.264",), grace_severity="advice"),
    Limit("video.pixels", "kind", "warning", "nobody", options=("yuv420p", "yuvj420p")),
    Limit("video.scan", "kind", "warning", "nobody", options=("progressive",)),
    Limit("video.pixel_aspect", "kind", "advice", "nobody", options=("square",)),
    Limit("video.sides_even", "kind", "advice", "nobody", options=("even",)),
    Limit("video.frame_rate", "fps", "advice", "nobody", low=15, high=60),
    Limit("video.rate", "kind", "advice", "nobody", options=("constant",)),
    Limit("video.protected", "kind", "error", "measured", options=("not encrypted",)),
    Limit("video.decodes", "kind", "error", "measured", options=("to its end",)),
    Limit("video.one_size", "kind", "warning", "nobody", options=("one size",)),
    Limit("video.header", "kind", "warning", "nobody", options=("as its pictures",)),
    Limit("video.crop", "kind", "advice", "nobody", options=("whole pictures",)),
    Limit("video.sound", "kind", "warning", "nobody", options=("readable, or none",)),
    Limit("video.dolby", "kind", "warning", "nobody", options=("standard colours",)),
    Limit(
        "video.name", "kind", "warning", "novita", options=(".mp4", ".mov"), grace_severity="advice"
    ),
    Limit("prompt.length", "characters", "error", "novita", low=0, high=2500),
    Limit("negative_prompt.length", "characters", "error", "novita", low=0, high=2500),
    Limit(
        "request.length",
        "kind",
        "advice",
        "novita",
        options=(f"{RESULT_SECONDS_IMAGE} s in image orientation", words.AS_VIDEO),
    ),
    Limit(
        "request.sound",
        "kind",
        "advice",
        "measured",
        options=("a clip with sound", "sound not wanted"),
    ),
    Limit(
        "request.address",
        "kind",
        "error",
        "novita",
        options=("a public https address", "a file and a way to publish it"),
    ),
    Limit("image.unreadable", "kind", "error", "measured", options=_STILL),
    Limit("image.is_video", "kind", "error", "measured", options=_STILL),
    Limit("video.unreadable", "kind", "error", "measured", options=_CLIP),
    Limit("video.is_image", "kind", "error", "measured", options=_CLIP),
)

_BY_CODE = {limit.code: limit for limit in LIMITS}


def limit(code: str) -> Limit:
    """The rule of that code; ``KeyError`` for an unknown one."""
    return _BY_CODE[code]
