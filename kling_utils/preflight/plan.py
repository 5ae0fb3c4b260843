"""What a repair is before it is done, and after: choices, steps, plan, result.

Owns the values that the two halves of fit share.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

from kling_utils.errors import InvalidRequest
from kling_utils.media.encode import Recipe
from kling_utils.media.files import cut
from kling_utils.preflight import fit_words
from kling_utils.values import (
    CharacterOrientation,
    ImageInfo,
    MotionRequest,
    Report,
    Severity,
    Shown,
    Size,
    VideoInfo,
)

Field = Literal["image", "video"]
FIELDS: tuple[Field, ...] = ("image", "video")


@dataclass(frozen=True, slots=True, repr=False)
class FitChoices:
    """What the user decides; the defaults change the least. Raises ``InvalidRequest`` for a value that makes no sense."""

    fields: tuple[Field, ...] = FIELDS
    """Which of both files may be changed."""
    careful: bool = True
    """Also what is legal but not safe (HEVC, 10 bits, rotation, a varying rate, ...). False: only what would be refused."""
    shape: Literal["pad", "crop"] = "pad"
    """A picture that is too wide or too tall: ground added, or cut around the person (where one is found; else ground is added)."""
    ground: str = "blur"
    """What is added: ``blur`` (the picture itself, blurred) or a colour, by name or ``#rrggbb``."""
    behind: str = "white"
    """The colour behind what is see-through."""
    start: float = 0.0
    """Where the clip begins, seconds."""
    length: float | None = None
    """How long it is at most, seconds; None for as long as is allowed."""
    slow: bool = False
    """A clip that is too short may be slowed down."""
    longest_side: int = 1920
    """Pixels of the longer side that an encoded clip keeps: results have no more, and larger pictures need memory and bytes."""

    def __repr__(self) -> str:
        """What differs from the defaults."""
        chosen = [
            f"{each.name}={value!r}"
            for each in fields(self)
            if (value := getattr(self, each.name)) != each.default
        ]
        return f"FitChoices({cut(', '.join(chosen), 86)})"

    def __post_init__(self) -> None:
        if not self.start >= 0:
            raise InvalidRequest(
                "A clip cannot begin before its start.",
                hint="Give seconds from 0 on.",
                field="video",
            )
        if self.length is not None and not self.length > 0:
            raise InvalidRequest(
                "A clip of no length is none.", hint="Give the seconds to keep.", field="video"
            )
        if self.longest_side < 640:
            raise InvalidRequest(
                "longest_side is too small.", hint="Give at least 640 pixels.", field="video"
            )
        for name, colour in (("ground", self.ground), ("behind", self.behind)):
            if not (name == "ground" and colour == "blur") and not _is_colour(colour):
                raise InvalidRequest(
                    f"{name} is {colour!r}, which is no colour.",
                    hint="Give a name or #rrggbb.",
                    field="image",
                )


def _is_colour(text: str) -> bool:
    from PIL import ImageColor

    try:
        ImageColor.getrgb(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Step:
    """One change: which rows of the checks it answers, and what it costs in quality."""

    code: str
    """Stable name, such as ``video.trim``."""
    text: str
    cost: str
    """What is lost, in words; empty when nothing is."""
    answers: tuple[str, ...] = ()
    """Codes of the findings that it takes away."""
    severity: Severity = "advice"
    """The worst of them."""

    @property
    def field(self) -> str:
        return self.code.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.text}. {self.cost}." if self.cost else f"{self.text}."


def step(
    code: str, answers: tuple[str, ...] = (), severity: Severity = "advice", **values: object
) -> Step:
    """A step with its words from the table."""
    text, cost = fit_words.STEPS[code]
    return Step(code, text.format(**values), cost.format(**values), answers, severity)


@dataclass(frozen=True, slots=True)
class Impossible:
    """What cannot be repaired, why, and what else to do."""

    field: str
    code: str
    """Of the finding that stays."""
    reason: str
    hint: str

    def __str__(self) -> str:
        return f"{self.reason} {self.hint}"


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """How the picture is made: cut to ``crop``, put on ground of ``padded``, brought to ``size``."""

    info: ImageInfo
    steps: tuple[Step, ...]
    kind: Literal["JPEG", "PNG"]
    crop: tuple[int, int, int, int] | None
    """Left, top, right, bottom in the upright picture."""
    padded: Size | None
    size: Size
    max_bytes: int
    fill: bool
    ground: str
    behind: str


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """How the clip is made."""

    info: VideoInfo
    steps: tuple[Step, ...]
    way: Literal["copy", "encode"]
    recipe: Recipe
    max_bytes: int
    fill: bool
    """The source has more to give than fits."""


@dataclass(frozen=True, slots=True, repr=False)
class Plan(Shown):
    """What would be done, in order, and what cannot be done. ``str()`` of it is the whole of it in words."""

    image: ImagePlan | None = None
    video: VideoPlan | None = None
    impossible: tuple[Impossible, ...] = ()
    character_orientation: CharacterOrientation = "video"
    report: Report | None = None
    """The report it was made for."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return (
            *(self.image.steps if self.image else ()),
            *(self.video.steps if self.video else ()),
        )

    @property
    def ahead(self) -> tuple[Step, ...]:
        """The steps as they are told before they are done."""
        return tuple(replace(each, text=fit_words.ahead(each.text)) for each in self.steps)

    @property
    def needed(self) -> bool:
        """True when there is something to do that can be done."""
        return bool(self.steps)

    @property
    def required(self) -> bool:
        """True when without it the request would be refused."""
        return any(step.severity == "error" for step in self.steps)

    def of(self, field: str) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.field == field)

    def answer(self, code: str) -> Step | Impossible | None:
        """What is done about the finding of that code; None when nothing is."""
        found = [each for each in self.steps if code in each.answers]
        return (
            found[0]
            if found
            else next((each for each in self.impossible if each.code == code), None)
        )

    def saved_as(self, ending: str) -> Plan:
        """The plan for a file with that ending: a picture becomes a JPEG where the name says so, and what is said of the steps with it."""
        if (
            self.image is None
            or self.image.kind == "JPEG"
            or ending.lower() not in (".jpg", ".jpeg")
        ):
            return self
        named = ("image.format", "image.save")
        steps = (
            replace(each, text=each.text.replace("PNG", "JPEG")) if each.code in named else each
            for each in self.image.steps
        )
        return replace(self, image=replace(self.image, kind="JPEG", steps=tuple(steps)))

    def __str__(self) -> str:
        lines = [
            *(f"- {each}" for each in self.ahead),
            *(f"- {fit_words.CANNOT}: {each}" for each in self.impossible),
        ]
        return "\n".join(lines) if lines else fit_words.NOTHING


@dataclass(frozen=True, slots=True, repr=False)
class Fitted(Shown):
    """The new files, measured and checked; None for one that is as it was."""

    image: Path | None
    video: Path | None
    report: Report
    """Of the new files, and of the old where nothing was changed."""
    done: tuple[Step, ...]
    before: Report
    """The report that the plan was made for."""

    def apply(self, request: MotionRequest) -> MotionRequest:
        """The request with the new files in it."""
        return replace(
            request, image=self.image or request.image, video=self.video or request.video
        )

    def __str__(self) -> str:
        return "\n".join(f"- {each}" for each in self.done) if self.done else fit_words.NOTHING
