"""What a repair would do, and what it costs in quality: choices, steps, and the decisions behind them.

A plan is the least change that makes both files legal. Nothing is written here: ``repair`` carries
a plan out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias, overload

from PIL import Image, ImageColor

from kling_utils.errors import FfmpegFailed, InvalidRequest, UnreadableMedia
from kling_utils.media import encode, images
from kling_utils.media.encode import Clip, Recipe
from kling_utils.media.files import cut
from kling_utils.media.probe import Streams, probe_image, probe_video, read_streams
from kling_utils.preflight.check import check_image, check_video, readable_part
from kling_utils.preflight.limits import DOLBY_ONLY, limit, name, number, show
from kling_utils.values import (
    CharacterOrientation,
    Finding,
    ImageInfo,
    Report,
    Severity,
    Shown,
    Size,
    VideoInfo,
    is_url,
)

Field = Literal["image", "video"]
FIELDS: tuple[Field, ...] = ("image", "video")
Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom."""
NOTHING = "Nothing has to be changed."
CANNOT = "Cannot be repaired"

_SAVED = "Fine differences of colour that one does not see"

STEPS: dict[str, tuple[str, str]] = {
    "image.format": ("Converted from {from_} to {to}", ""),
    "image.still": ("Reduced to the first of {frames} frames", "The other frames are left out"),
    "image.turn": ("Turned clockwise by {degrees} degrees", ""),
    "image.upright": ("Turned upright in the pixels instead of by a tag", ""),
    "image.colours": ("Converted in colour from {from_} to 8-bit sRGB", _SAVED),
    "image.srgb": ("Converted in colour from {from_} to sRGB", "Colours beyond what screens show"),
    "image.untagged": ("Saved without the tags, which are damaged", ""),
    "image.behind": ("Put on {colour} where it is see-through", "The see-through ground is gone"),
    "image.pad": (
        "Padded with ground ({ground}): {from_} becomes {to}",
        "The person takes up less of the picture",
    ),
    "image.reduce": (
        "Made smaller, from {from_} to {to}: with its ground it would take too much memory to open",
        "Fine detail",
    ),
    "image.part": (
        "Cropped to the chosen part: {from_} becomes {to}",
        "What lies outside of it is gone",
    ),
    "image.crop": (
        "Cut around the person: {from_} becomes {to}",
        "What lies outside of the cut is gone",
    ),
    "image.enlarge": (
        "Enlarged from {from_} to {to}",
        "No detail is gained: the picture looks soft",
    ),
    "image.shrink": (
        "Brought from {from_} to at most {to}, at the best quality that fits",
        "{cost}",
    ),
    "image.save": ("Saved as {to}, without metadata", "{cost}"),
    "image.smaller": (
        "Made smaller, from {from_} to {to}, because that looks better than a low quality",
        "Fine detail",
    ),
    "video.repack": ("Put into an MP4 without encoding: the pictures stay as they are", ""),
    "video.cut": (
        "Cut to {to} from {start}, without encoding: the pictures stay as they are",
        "The rest of the clip is left out",
    ),
    "video.trim": ("Cut to {to} from {start}", "The rest of the clip is left out"),
    "video.slow": (
        "Slowed down to {share} of its speed: {from_} becomes {to}",
        "Movement and sound are slower than they were",
    ),
    "video.turn": ("Turned clockwise by {degrees} degrees", ""),
    "video.upright": ("Turned upright in the pixels instead of by a tag ({degrees} degrees)", ""),
    "video.scan": ("Deinterlaced", "Fine horizontal lines are a little softer"),
    "video.rate": (
        "Given a constant rate of {to} pictures a second",
        "Single pictures are repeated or left out",
    ),
    "video.fewer": (
        "Reduced from {from_} to {to} pictures a second",
        "Fast movement is a little less smooth",
    ),
    "video.square": ("Given square pixels: {from_} becomes {to}", ""),
    "video.even": ("Cut to even sides: {from_} becomes {to}", "One row or column of pixels"),
    "video.enlarge": (
        "Enlarged from {from_} to {to}",
        "No detail is gained: the picture looks soft",
    ),
    "video.reduce": (
        "Made smaller, from {from_} to {to}",
        "Detail that results of this model do not have either",
    ),
    "video.colours": ("Converted in colour from {from_} to 8-bit 4:2:0", _SAVED),
    "video.hdr": (
        "Tone-mapped from HDR to a standard screen's brightness (BT.709)",
        "The brightest lights lose their difference",
    ),
    "video.silent": ("Stripped of its sound, which cannot be decoded", "The sound is gone"),
    "video.one_size": (
        "Given one size, {to}, throughout: later pictures have {from_}",
        "Pictures of another shape get black bars",
    ),
    "video.crop": ("Cropped in the pixels instead of by a tag: {from_} becomes {to}", ""),
    "video.dolby": (
        "Saved in the colours of Dolby Vision profile 5, which are not converted here",
        "People look green and purple: export the clip as standard video instead",
    ),
    "video.encode": ("Encoded as H.264 in an MP4, without metadata", "{cost}"),
    "video.shrink": (
        "Brought from {from_} to at most {to}: about {rate} Mbit/s at {size}, the size that looks best at that rate",
        "{cost}",
    ),
}
"""By code: what was done, told of the file and beginning with a participle, so that it can also be told ahead; what it costs in quality."""

COST_NONE = "No difference that one sees"


def _cost_of(ratio: float) -> str:
    """What it costs to have ``ratio`` of the bytes."""
    if ratio > 0.8:
        return COST_NONE
    if ratio > 0.4:
        return "A little fine detail"
    if ratio > 0.1:
        return "Fine detail, grain first"
    return "Much fine detail: cut it shorter to keep more"


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
    crop: Box | None = None
    """The part of the picture that is kept: left, top, right, bottom, in pixels of the upright picture. None for the whole."""
    turn_image: int = 0
    """Degrees by which the picture is turned clockwise: 0, 90, 180 or 270. ``crop`` is of the turned picture."""
    turn_video: int = 0
    """The same of the clip."""
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
        if self.crop is not None:
            left, top, right, bottom = self.crop
            if not (0 <= left < right and 0 <= top < bottom):
                raise InvalidRequest(
                    f"{self.crop} is no part of a picture.",
                    hint="Give left, top, right and bottom in pixels, from the upper left corner on.",
                    field="image",
                )
        for field, degrees in (("image", self.turn_image), ("video", self.turn_video)):
            if degrees not in (0, 90, 180, 270):
                raise InvalidRequest(
                    f"Nothing can be turned by {degrees!r} degrees.",
                    hint="Give 90, 180 or 270: degrees clockwise.",
                    field=field,
                )
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
        for what, colour in (("ground", self.ground), ("behind", self.behind)):
            if what == "ground" and colour == "blur":
                continue
            try:
                ImageColor.getrgb(colour)
            except ValueError:
                raise InvalidRequest(
                    f"{what} is {colour!r}, which is no colour.",
                    hint="Give a name or #rrggbb.",
                    field="image",
                ) from None


@dataclass(frozen=True, slots=True)
class Step:
    """One change: which rows of the checks it answers, and what it costs in quality."""

    code: str
    """Stable name, such as ``video.trim``."""
    answers: tuple[str, ...] = ()
    """Codes of the findings that it takes away."""
    severity: Severity = "advice"
    """The worst of them."""
    values: Mapping[str, object] = dataclasses.field(default_factory=dict, hash=False)
    """What the sentences are filled with."""
    ahead: bool = False
    """Told before it is done."""

    @property
    def field(self) -> str:
        return self.code.partition(".")[0]

    @property
    def text(self) -> str:
        done = STEPS[self.code][0].format(**self.values)
        return f"Would be {done[:1].lower()}{done[1:]}" if self.ahead else done

    @property
    def cost(self) -> str:
        """What is lost, in words; empty when nothing is."""
        return STEPS[self.code][1].format(**self.values)

    def __str__(self) -> str:
        return f"{self.text}. {self.cost}." if self.cost else f"{self.text}."


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
    turn: int
    """Degrees clockwise, before everything else."""
    crop: Box | None
    """In the upright picture."""
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
    turn: int = 0
    """Degrees clockwise."""


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
        return tuple(replace(each, ahead=True) for each in self.steps)

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
        steps = (each for each in self.steps if code in each.answers)
        impossible = (each for each in self.impossible if each.code == code)
        return next(steps, None) or next(impossible, None)

    def saved_as(self, ending: str) -> Plan:
        """The plan for a file with that ending: a picture becomes a JPEG where the name says so, and what is said of the steps with it."""
        image = self.image
        if image is None or image.kind == "JPEG" or ending.lower() not in (".jpg", ".jpeg"):
            return self
        steps = (
            replace(each, values={**each.values, "to": "JPEG"})
            if each.code in ("image.format", "image.save")
            else each
            for each in image.steps
        )
        return replace(self, image=replace(image, kind="JPEG", steps=tuple(steps)))

    def __str__(self) -> str:
        lines = [
            *(f"- {each}" for each in self.ahead),
            *(f"- {CANNOT}: {each}" for each in self.impossible),
        ]
        return "\n".join(lines) if lines else NOTHING


_DEFAULT = FitChoices()
_UNREADABLE = ("image.unreadable", "image.is_video", "video.unreadable", "video.is_image")


def plan_fit(
    report: Report,
    *,
    choices: FitChoices = _DEFAULT,
    character_orientation: CharacterOrientation = "video",
) -> Plan:
    """What would make the files of the report legal, and what that costs in quality. Nothing is changed.

    A file that could not be measured, or cannot be repaired, is in ``.impossible`` with its reason. Takes about 0.1 s for a clip.
    """
    image: ImagePlan | None = None
    video: VideoPlan | Impossible | None = None
    cannot = [
        Impossible(each.field, each.code, f"It cannot be read: {each.measured}.", each.fix)
        for each in report.errors
        if each.code in _UNREADABLE and each.field in choices.fields
    ]
    if report.image is not None and "image" in choices.fields:
        image = plan_image(report.image, report.of("image"), choices)
    if report.video is not None and "video" in choices.fields:
        try:
            video = plan_video(report.video, report.of("video"), choices)
        except (UnreadableMedia, FfmpegFailed) as error:
            video = Impossible("video", "video.unreadable", error.message, error.hint)
    if isinstance(video, Impossible):
        cannot.append(video)
        video = None
    return Plan(image, video, tuple(cannot), character_orientation, report)


def left_in_place(
    choices: FitChoices, report: Report, *, image: str | Path, video: str | Path
) -> FitChoices:
    """The choices without what is at an address, would not be refused and is neither cropped nor turned: the provider can fetch it, and a
    copy would have to be published.

    ``image`` and ``video`` as they were given; the report tells what would be refused.
    """
    given, wrong = {"image": image, "video": video}, {finding.field for finding in report.errors}
    wrong |= {"image"} if choices.crop or choices.turn_image else set()
    wrong |= {"video"} if choices.turn_video else set()
    return replace(
        choices,
        fields=tuple(
            field for field in choices.fields if field in wrong or not is_url(given[field])
        ),
    )


def plan_file(
    file: Path | ImageInfo | VideoInfo,
    *,
    choices: FitChoices = _DEFAULT,
    character_orientation: CharacterOrientation = "video",
) -> Plan:
    """The same for one file, by its path or as it was measured. Raises ``UnreadableMedia`` for what is neither picture nor clip."""
    info = measure(file) if isinstance(file, Path) else file
    if isinstance(info, ImageInfo):
        report = Report(check_image(info), image=info)
    else:
        report = Report(check_video(info, character_orientation), video=info)
    return plan_fit(report, choices=choices, character_orientation=character_orientation)


def measure(path: Path) -> ImageInfo | VideoInfo:
    """A file as what it is, a picture or a clip. Raises ``UnreadableMedia`` for what is neither."""
    try:
        clip = probe_video(path)
        # an animation that is shorter than any clip may be is meant as a picture
        short = clip.container == "gif" and clip.duration < float(limit("video.duration").low or 0)
        return probe_image(path) if short else clip
    except UnreadableMedia as error:
        if error.found == "image":
            return probe_image(path)
        raise


def _bound(code: str, side: Literal["low", "high"] = "high") -> int:
    """A bound of a rule, as a whole number."""
    return int(getattr(limit(code), side) or 0)


class _Steps(list[Step]):
    """Collects the steps of one file that answer what was ``found``: severities by code."""

    def __init__(self, found: Mapping[str, Severity]) -> None:
        super().__init__()
        self.found = found

    def add(self, code: str, *answers: str, **values: object) -> None:
        """A step, and the findings that it would take away if they are there."""
        there = tuple(each for each in answers if each in self.found)
        severities = {self.found[each] for each in there}
        worst: Severity = "warning" if "warning" in severities else "advice"
        self.append(Step(code, there, "error" if "error" in severities else worst, values))


# -- the picture

_IMAGE_ANSWERED = frozenset(
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
        f.code: f.severity for f in findings if f.severity != "pass" and f.code in _IMAGE_ANSWERED
    }
    turn = choices.turn_image
    info = replace(info, size=_turned(info.size, turn))
    part = _chosen_part(info, choices)
    if not (turn or part or any(s == "error" or choices.careful for s in found.values())):
        return None
    most, least = _bound("image.bytes"), _bound("image.side.kling", "low")
    steps, size, crop, padded = _Steps(found), _size_of(part) or info.size, part, None
    kept = info.size_bytes * size.width * size.height / (info.size.width * info.size.height)
    fill = "image.bytes" in found and kept > most
    low, high = _aspects()
    slim = not low <= size.aspect <= high if part or turn else "image.aspect" in found
    kind: Literal["PNG", "JPEG"] = "PNG" if _as_png(info, size, most, fill=fill) else "JPEG"
    if "image.format" in found:
        steps.add("image.format", "image.format", from_=name(info.format), to=kind)
    if "image.frames" in found:
        steps.add("image.still", "image.frames", frames=info.frames)
    if "image.turned" in found:
        steps.add("image.upright", "image.turned")
    if turn:
        steps.add("image.turn", degrees=turn)
    if "image.mode" in found:
        if info.mode in _SEE_THROUGH:
            steps.add("image.behind", "image.mode", colour=choices.behind)
        else:
            steps.add("image.colours", "image.mode", from_=name(info.mode))
    if "image.profile" in found:
        steps.add("image.srgb", "image.profile", from_=info.profile)
    if "image.tags" in found:
        steps.add("image.untagged", "image.tags")
    if part is not None:
        answers = [*([] if slim else ["image.aspect"]), *([] if fill else ["image.bytes"])]
        steps.add("image.part", *answers, from_=info.size, to=size)
    if slim:
        person = _around_person(info, choices, part) if choices.shape == "crop" else None
        if person is not None:
            code, before, ground, crop = "image.crop", size, "", person
            size = _size_of(person)
        else:
            code, before = "image.pad", inner_size(size)
            if before != size:
                steps.add("image.reduce", from_=size, to=before)
            size = padded = _padded(before)
            ground = "its own, blurred" if choices.ground == "blur" else choices.ground
        sides = ("image.side", "image.side.kling") if min(size) >= least else ()
        steps.add(code, "image.aspect", *sides, from_=before, to=size, ground=ground)
    if min(size) < least:
        before, size = size, _enlarged(size, least)
        steps.add("image.enlarge", "image.side", "image.side.kling", from_=before, to=size)
    if fill:
        ratio = most / kept
        steps.add(
            "image.shrink",
            "image.bytes",
            from_=show(kept, "bytes"),
            to=show(most, "bytes"),
            cost=_cost_of(ratio if info.format == "JPEG" else min(1.0, 4 * ratio)),
        )
    cost = "" if kind == "PNG" or fill else COST_NONE
    steps.add("image.save", "image.name", to=kind, cost=cost)
    return ImagePlan(
        info=info,
        steps=tuple(steps),
        kind=kind,
        turn=turn,
        crop=crop,
        padded=padded,
        size=size,
        max_bytes=most,
        fill=fill,
        ground=choices.ground,
        behind=choices.behind,
    )


def _turned(size: Size, degrees: int) -> Size:
    return Size(size.height, size.width) if degrees in (90, 270) else size


def _chosen_part(info: ImageInfo, choices: FitChoices) -> Box | None:
    """The part that was chosen; None for the whole picture. Raises ``InvalidRequest`` where it is not in the picture."""
    part = choices.crop
    if part is None or part == (0, 0, *info.size):
        return None
    if part[2] > info.size.width or part[3] > info.size.height:
        raise InvalidRequest(
            f"The part {part} reaches beyond the picture, which has {info.size} pixels.",
            hint="Give left, top, right and bottom inside of it.",
            field="image",
        )
    return part


@overload
def _size_of(part: Box) -> Size: ...
@overload
def _size_of(part: None) -> None: ...
def _size_of(part: Box | None) -> Size | None:
    return None if part is None else Size(part[2] - part[0], part[3] - part[1])


def _as_png(info: ImageInfo, size: Size, most: int, *, fill: bool) -> bool:
    """Whether a lossless picture stays one at that size: only where that surely fits."""
    if info.format not in _LOSSLESS or fill:
        return False
    return 3 * size.width * size.height < most or (
        info.format == "PNG" and 2 * info.size_bytes < most
    )


def _aspects() -> tuple[Fraction, Fraction]:
    rule = limit("image.aspect")
    return Fraction(rule.low or 0), Fraction(rule.high or 0)


def _padded(size: Size) -> Size:
    """The least size around it whose aspect is allowed."""
    low, high = _aspects()
    if size.aspect > high:
        return Size(size.width, math.ceil(size.width / high))
    return Size(math.ceil(size.height * low), size.height)


def inner_size(size: Size) -> Size:
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


def _around_person(info: ImageInfo, choices: FitChoices, part: Box | None) -> Box | None:
    """The cut of the allowed aspect, in ``part`` of the picture, that has the person in its middle; None when nobody is found or would be
    cut."""
    picture = images.plain(info.path, choices.behind, choices.turn_image)
    x, y, right_end, bottom_end = part or (0, 0, *picture.size)
    picture = picture.crop(part) if part else picture
    found = _person(picture)
    if found is None:
        return None
    left, top, right, bottom = found
    low, high = _aspects()
    if picture.width / picture.height > high:
        width = math.floor(picture.height * high)
        if right - left > width:
            return None
        x += min(max(0, round((left + right - width) / 2)), picture.width - width)
        return (x, y, x + width, bottom_end)
    height = math.floor(picture.width / low)
    if bottom - top > height:
        return None
    y += min(max(0, round((top + bottom - height) / 2)), picture.height - height)
    return (x, y, right_end, y + height)


def _person(picture: Image.Image) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the largest person's visible points; None when nobody is found.

    The detector looks at a square, in which a person in a panorama is tiny: it gets squares along the longer side.
    """
    import numpy as np

    from kling_utils.media.pose import follow

    short, long = min(picture.size), max(picture.size)
    count = min(math.ceil(2 * long / short) - 1, _LOOKS)
    best: tuple[float, float, float, float] | None = None
    for n in range(count):
        at = round((long - short) * n / max(1, count - 1))
        x, y = (at, 0) if picture.width >= picture.height else (0, at)
        square = picture.crop((x, y, x + short, y + short))
        square.thumbnail((640, 640), Image.Resampling.BILINEAR)
        bgr = np.ascontiguousarray(np.asarray(square)[:, :, ::-1])
        body = follow([bgr], model="full").bodies[0]
        seen = body[body[:, 3] > 0.5, :2] * (short / square.width) if body is not None else ()
        if len(seen):
            (left, top), (right, bottom) = np.min(seen, axis=0), np.max(seen, axis=0)
            box = (float(left) + x, float(top) + y, float(right) + x, float(bottom) + y)
            if best is None or bottom - top > best[3] - best[1]:
                best = box
    return best


# -- the clip

_ENCODED = frozenset(
    {
        "video.codec",
        "video.pixels",
        "video.scan",
        "video.pixel_aspect",
        "video.sides_even",
        "video.rate",
        "video.one_size",
        "video.crop",
    }
)
"""What no copy of the packets takes away."""
_VIDEO_ANSWERED = _ENCODED | {
    "video.container",
    "video.bytes",
    "video.side",
    "video.side.kling",
    "video.duration",
    "video.frame_rate",
    "video.decodes",
    "video.header",
    "video.sound",
}
_SLOWEST = Fraction(1, 2)
"""Of the speed: below it a movement is not the same any more."""
_AIM = Fraction(61, 20)
"""Seconds that a slowed clip gets: the least, and a frame or two."""
_USUAL = tuple(
    Fraction(rate) * each
    for rate in (15, 24, 25, 30, 48, 50, 60)
    for each in (1, Fraction(1000, 1001))
)
_PIXELS, _AT, _POWER = 1.0e6, 1.6e6, 0.6
"""The size that looks best: a megapixel at 1.6 Mbit/s and 30 pictures a second, else by this power of the rate. Measured by VMAF on a
dancer, clean and with noise, in 1080, 810, 720 and 540 lines: at 2.6, 1.6, 1.0 and 0.6 Mbit/s the best were 810, 720 to 810, 720, 720."""
_SHORT = 0.25
"""Seconds that a clip cut to the longest that is allowed may lose, to stay as it is: pictures that lean on later ones end in groups. A
length that somebody chose is kept to the picture."""
_WORTH = 0.85
"""Making it smaller than this share of the pixels is worth the blur."""


def plan_video(
    info: VideoInfo, findings: tuple[Finding, ...], choices: FitChoices
) -> VideoPlan | Impossible | None:
    """What makes the clip legal; None when nothing has to be done. Its packets are listed again (0.1 s). Raises ``UnreadableMedia``."""
    found: dict[str, Severity] = {
        f.code: f.severity for f in findings if f.severity != "pass" and f.code in _VIDEO_ANSWERED
    }
    turn = choices.turn_video
    rotation = (info.rotation - turn) % 360  # ffmpeg counts the other way round
    info = replace(info, size=_turned(info.size, turn), rotation=rotation)
    if "video.frame_rate" in found and info.frame_rate <= _most_rate():
        del found["video.frame_rate"]  # too few pictures: none can be added
    length = limit("video.duration")
    least, most = Fraction(length.low or 0), Fraction(length.high or 0)
    first, last = _readable(info)
    if info.protected:
        return Impossible(
            "video",
            "video.protected",
            "The clip is encrypted, and nobody can decode it without its key.",
            "Export it without protection, or record the movement yourself.",
        )
    if "video.decodes" in found and last - first < least:
        return Impossible(
            "video",
            "video.decodes",
            f"The file is damaged: it {readable_part(info)}, and what is left is too short.",
            "Export or download it again.",
        )
    short = "video.duration" in found and info.duration < float(least - length.grace)
    slowable = info.duration >= float(least * _SLOWEST)
    if short and not (choices.slow and slowable):
        share = round(100 * info.duration / float(_AIM))
        slower = f", or let it be slowed down to {share} % of its speed" if slowable else ""
        return Impossible(
            "video",
            "video.duration",
            f"The clip has {show(info.duration, 's')}, and at least {show(least, 's')} is needed.",
            f"Use a longer take{slower}.",
        )
    if found.get("video.duration", "error") != "error":
        del found["video.duration"]  # a frame or two beyond: it passes
    chosen = choices.start > 0 or (choices.length is not None and choices.length < info.duration)
    turned = info.rotation != 0
    wrong = "error" in found.values() or (choices.careful and (found or turned))
    if not (chosen or wrong or turn):
        return None
    clip = Clip(info, read_streams(info.path), turn)
    start, seconds = _cut(info, choices, float(least), float(most))
    trimmed = seconds < info.duration - 0.5 / float(info.frame_rate or 1)
    size = _size(info, choices)
    if isinstance(size, Impossible):
        return size
    ceiling = _bound("video.bytes")
    if size == info.size and not (
        short or turned or turn or _ENCODED & found.keys() or "video.frame_rate" in found
    ):
        asked = choices.length is not None and choices.length < most
        copied = _copied(clip, start, seconds, trimmed, short=0.0 if asked else _SHORT)
        if copied is not None and copied[1] <= ceiling:
            steps = _copy_steps(info, found, copied[0], start, trimmed)
            return VideoPlan(info, tuple(steps), "copy", copied[0], ceiling, fill=False)
    slow = _AIM / Fraction(info.duration).limit_denominator(1000) if short else Fraction(1)
    rate = _rate(info, clip.streams)
    if short and info.frame_rate / slow >= _USUAL[0]:
        rate /= slow
    exact = Fraction(seconds).limit_denominator(100_000) * slow * rate
    frames = max(1, math.floor(exact + Fraction(1, 100)))
    if frames / rate > most:
        frames = math.floor(most * rate)
    kept = clip.streams.bytes_between(start, start + seconds)
    fill = kept > ceiling
    size = _bounded(size, choices)
    if fill:
        size = _looks_best(size, kept, ceiling, float(frames / rate), float(rate))
    recipe = Recipe(size, rate, frames, start, slow)
    steps = _encode_steps(clip, found, recipe, start, trimmed, kept if fill else 0)
    return VideoPlan(info, tuple(steps), "encode", recipe, ceiling, fill, turn)


def _copy_steps(
    info: VideoInfo, found: Mapping[str, Severity], recipe: Recipe, start: float, trimmed: bool
) -> _Steps:
    steps = _Steps(found)
    if trimmed:
        _add_cut(steps, "video.cut", start, recipe.seconds)
    if "video.sound" in found:
        steps.add("video.silent", "video.sound")
    if info.container not in ("mp4", "mov") or not trimmed:
        steps.add("video.repack", "video.container", "video.bytes", "video.header")
    return steps


def _encode_steps(
    clip: Clip,
    found: Mapping[str, Severity],
    recipe: Recipe,
    start: float,
    trimmed: bool,
    kept: int,
) -> _Steps:
    """``kept``: bytes of what is kept of the source, when they are more than is allowed; else 0."""
    info, steps = clip.info, _Steps(found)
    if trimmed:
        _add_cut(steps, "video.trim", start, recipe.seconds)
    if "video.sound" in found:
        steps.add("video.silent", "video.sound")
    if recipe.slow != 1:
        times = {"from_": show(info.duration, "s"), "to": show(recipe.seconds, "s")}
        share = f"{round(100 / recipe.slow)} %"
        steps.add("video.slow", "video.duration", share=share, **times)
    if clip.turn:
        steps.add("video.turn", degrees=clip.turn)
    elif info.rotation:
        steps.add("video.upright", degrees=info.rotation)
    if info.interlaced:
        steps.add("video.scan", "video.scan")
    if "video.frame_rate" in found:
        rates = {"from_": number(info.frame_rate), "to": number(recipe.rate)}
        steps.add("video.fewer", "video.frame_rate", "video.rate", **rates)
    elif info.variable_rate:
        steps.add("video.rate", "video.rate", to=number(recipe.rate))
    if info.other_sizes:
        later = ", ".join(map(str, info.other_sizes))
        steps.add("video.one_size", "video.one_size", from_=later, to=info.size)
    if "video.crop" in found:
        steps.add("video.crop", "video.crop", from_=info.coded, to=info.visible)
    _add_sizes(steps, info, recipe.size)
    if info.dolby_profile == DOLBY_ONLY:
        steps.add("video.dolby")
    if clip.streams.colour.hdr:
        steps.add("video.hdr", "video.pixels")
    elif "video.pixels" in found:
        steps.add("video.colours", "video.pixels", from_=name(info.pixel_format))
    encoded = ("video.container", "video.codec", "video.header")
    if kept:
        most = _bound("video.bytes")
        steps.add(
            "video.shrink",
            "video.bytes",
            from_=show(kept, "bytes"),
            to=show(most, "bytes"),
            rate=number(round(8 * most / recipe.seconds / 1e6, 1)),
            size=recipe.size,
            cost=_cost_of(most / kept),
        )
        steps.add("video.encode", *encoded, cost="")
    else:
        cost = "" if info.dolby_profile == DOLBY_ONLY else COST_NONE
        steps.add("video.encode", *encoded, "video.bytes", cost=cost)
    return steps


def _add_cut(steps: _Steps, code: str, start: float, seconds: float) -> None:
    answers = ("video.decodes", "video.header", "video.duration")
    more = () if code == "video.trim" else ("video.bytes",)
    begins = "its start" if start < 0.001 else f"{number(start)} s"
    steps.add(code, *answers, *more, to=show(seconds, "s"), start=begins)


def _add_sizes(steps: _Steps, info: VideoInfo, size: Size) -> None:
    shown = info.size
    if "video.pixel_aspect" in steps.found:
        before = info.visible or info.coded
        steps.add("video.square", "video.pixel_aspect", from_=before, to=shown)
    even, change = Size(shown.width // 2 * 2, shown.height // 2 * 2), {"from_": shown, "to": size}
    if size == even and (even != shown or "video.sides_even" in steps.found):
        steps.add("video.even", "video.sides_even", **change)
    elif min(size) > min(shown):
        steps.add("video.enlarge", "video.side", "video.side.kling", "video.sides_even", **change)
    elif size != shown:
        steps.add("video.reduce", "video.side.kling", "video.sides_even", **change)


def _most_rate() -> Fraction:
    return Fraction(_bound("video.frame_rate"))


def _cut(info: VideoInfo, choices: FitChoices, least: float, most: float) -> tuple[float, float]:
    """Start and seconds that are kept: what was chosen, moved as little as keeps the least length."""
    first, last = _readable(info)
    if last - first <= least:
        return first, last - first
    longest = min(most, max(least, choices.length or most))
    start = min(max(first, choices.start), last - least)
    seconds = min(last - start, longest)
    grace = float(limit("video.duration").grace)
    if (
        info.readable is None
        and start == 0
        and choices.length is None
        and info.duration <= most + grace
    ):
        seconds = info.duration
    return start, seconds


def _readable(info: VideoInfo) -> tuple[float, float]:
    """Where the part begins and ends that can be decoded, in seconds."""
    return info.readable or (0.0, info.duration)


def _copied(
    clip: Clip, start: float, seconds: float, trimmed: bool, *, short: float
) -> tuple[Recipe, int] | None:
    """What can be kept as packets, and how many bytes that makes; None when the cut is not at a key picture, or would end too early:
    by a picture and by ``short`` seconds."""
    info, streams = clip.info, clip.streams
    if info.variable_rate or not streams.timed or not info.frame_rate:
        return None
    frames, length = info.frames, info.duration
    if trimmed and info.container == "avi":
        return None  # its packets cannot be counted without losing the sound
    if trimmed:
        copied = encode.copied_frames(clip, start, seconds, short=short)
        if copied is None or copied[1] < float(limit("video.duration").low or 0):
            return None
        frames, length = copied
        start = float(streams.key_times[abs(streams.key_times - start).argmin()])
    size = streams.bytes_between(start, start + length) * 1.005 + 24 * frames + 8000
    return Recipe(info.size, info.frame_rate, frames, start), int(size)


def _rate(info: VideoInfo, streams: Streams) -> Fraction:
    """The constant rate: the clip's own; of a varying one the usual rate next to its usual step; at most what is allowed."""
    rate = info.frame_rate
    if info.variable_rate:
        told = streams.usual_rate
        near = min(_USUAL, key=lambda each: abs(float(each) - told))
        rate = near if abs(float(near) - told) < 0.04 * told else Fraction(max(15, round(told)))
    most = _most_rate()
    # below one picture a second they are repeated, so that every second has one
    return rate / math.ceil(rate / most) if rate > most else max(rate, Fraction(1))


def _size(info: VideoInfo, choices: FitChoices) -> Size | Impossible:
    """The size that sides and evenness ask for; the clip's own where they ask for nothing."""
    shown, least, most = info.size, _bound("video.side.kling", "low"), _bound("video.side.kling")
    needed = _bound("video.side", "low")
    if min(shown) < least and (choices.careful or min(shown) < needed):
        sizes = [_even(shown, side / min(shown), up=True) for side in (least, needed)]
        size, code = next((size for size in sizes if max(size) <= most), None), "video.side"
    elif max(shown) > most:
        code, size = "video.side.kling", _even(shown, most / max(shown))
        if min(size) < least:
            size = None
    else:
        return shown
    reason = f"The clip has {shown} px: no size is both large enough and small enough."
    return size or Impossible("video", code, reason, "Crop it first.")


def _bounded(size: Size, choices: FitChoices) -> Size:
    """Even, and no larger than what is worth encoding."""
    factor = min(1.0, choices.longest_side / max(size))
    least = _bound("video.side.kling", "low")
    if factor < 1 and min(size) * factor >= least:
        return _even(size, factor)
    return Size(size.width // 2 * 2, size.height // 2 * 2)


def _looks_best(size: Size, kept: int, ceiling: int, seconds: float, rate: float) -> Size:
    """The size that looks best at the rate that the bytes allow. A source with hardly more bytes keeps its own."""
    if ceiling > 0.6 * kept:
        return size
    bits = 8 * 0.95 * ceiling / seconds * math.sqrt(30 / rate)
    share = _PIXELS * (bits / _AT) ** _POWER / (size.width * size.height)
    least = _bound("video.side.kling", "low")
    if share > _WORTH:
        return size
    return _even(size, max(math.sqrt(share), least / min(size)))


def _even(size: Size, factor: float, *, up: bool = False) -> Size:
    rounded = math.ceil if up else round
    width, height = (max(2, rounded(side * factor / 2 - (1e-6 if up else 0)) * 2) for side in size)
    return Size(width, height)
