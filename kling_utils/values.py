"""The nouns: frozen values that all other modules share, such as a request, a finding, a quote and a job.

Units: seconds for time, bytes for size, ``Fraction`` for frame rates, ``Decimal`` for
money. Sizes are as displayed.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kling_utils.errors import InvalidRequest, MoneyState

if TYPE_CHECKING:
    from moviepy import VideoFileClip
    from numpy import ndarray

    from kling_utils.show.stage import Stage

ModelName = Literal["kling-v3-0-std", "kling-v3-0-pro"]
CharacterOrientation = Literal["image", "video"]
Provider = Literal["novita", "local"]
Severity = Literal["pass", "unknown", "advice", "warning", "error"]
"""``unknown``: it was looked at, and cannot be told; the finding says why."""
Rating = Literal["", "good", "bad", "favourite"]
Choice = Literal["left", "right", "same"]
Span = tuple[float, float]
"""Start and end of a stretch of a clip, seconds."""
State = Literal[
    "checked",
    "submitting",
    "unconfirmed",
    "queued",
    "processing",
    "downloading",
    "succeeded",
    "failed",
]
Layout = Literal["side", "stack", "wipe", "triptych", "sheet", "html"]

MODEL_NAMES: tuple[ModelName, ...] = get_args(ModelName)
CHARACTER_ORIENTATIONS: tuple[CharacterOrientation, ...] = get_args(CharacterOrientation)
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
STATES: tuple[State, ...] = get_args(State)
TERMINAL: frozenset[State] = frozenset({"succeeded", "failed"})
RATINGS: tuple[Rating, ...] = get_args(Rating)
NAME_LENGTH, NOTE_LENGTH = 80, 1000
"""Most characters of the name and of the note that a user gives a take."""
_FIRST_WORDS, _FIRST = 6, 40
"""Words and characters of a prompt by which a take is called."""

HOME_OWNER = "home"
"""Whose jobs they are where there are no visitors: this home's."""
HUB_OWNER = "hf:"
"""How the owner begins who has signed in with Hugging Face; the account's name follows."""
LIST_STD, LIST_PRO, LIST_CURRENCY = Decimal("0.126"), Decimal("0.168"), "USD"
"""Kling's list prices a second, the default rates, and the currency of all rates; Novita publishes none for this model."""
MISSED = 0.5
"""Seconds that people notice to be missing from a result."""


_CONTROLS = {
    n: "\N{REPLACEMENT CHARACTER}" for n in (*range(32), *range(127, 160)) if n not in (9, 10)
}


def printable(text: str) -> str:
    """The text without control characters, which would steer a terminal or a log; tabs and line breaks stay."""
    return text.translate(_CONTROLS)


def storable(text: str) -> str:
    """The text without halves of characters, which browsers may send and no database takes."""
    return text.encode("utf-8", "replace").decode()


def is_url(source: str | Path) -> bool:
    """True for an http(s) address, False for a file's path."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


class Shown:
    """A value that Jupyter shows as a card; the drawing itself is the business of ``kling_utils.show``."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from kling_utils.show import (
            cards,
        )  # the one late import upwards: values stay cheap to import

        return cards.html(self)

    def __repr__(self) -> str:
        """One line, for a terminal and for the text beside a card."""
        return f"{type(self).__name__}({str(self).splitlines()[0].removeprefix('- ')})"


class Size(NamedTuple):
    """Width and height in pixels, as displayed: never a bare pair whose order must be guessed."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def aspect(self) -> Fraction:
        """Width over height."""
        return Fraction(self.width, self.height)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a picture is, as measured from its bytes. ``size`` is after the EXIF orientation."""

    path: Path
    sha256: str
    size_bytes: int
    format: str
    """Pillow's name for the format that the bytes are in, such as ``JPEG``; the file's name has no say."""
    size: Size
    mode: str
    """Pillow's name; with transparency (``RGBA``, ``LA``, ``PA``) only where a pixel is see-through."""
    frames: int
    turned: bool
    """True when the EXIF orientation turns or mirrors the picture."""
    profile: str = ""
    """Name of a colour profile with which it looks different from sRGB, such as ``Display P3``."""
    broken_tags: bool = False
    """True when something that is not pixels is damaged: EXIF data, a profile, a text."""

    def __repr__(self) -> str:
        return f"ImageInfo({self.path.name}, {self.size}, {self.format}, {self.size_bytes} bytes)"


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a clip is, as measured from its packets. ``size`` is as displayed: display matrix and pixel aspect applied."""

    path: Path
    sha256: str
    size_bytes: int
    container: str
    """``mp4``, ``mov``, ``webm``, ``matroska``, ``avi``, ...: told from the bytes, not from the file's name."""
    codec: str
    pixel_format: str
    size: Size
    coded: Size
    rotation: int
    """Degrees of the display matrix: 0, 90, 180 or 270."""
    duration: float
    """Seconds of the first video stream, from its packets."""
    frames: int
    frame_rate: Fraction
    variable_rate: bool
    audio_codec: str | None
    """Of the first sound that can be decoded."""
    interlaced: bool = False
    first_picture: float = 0.0
    """Seconds from the clip's start to its first picture: sound may begin before it."""
    audio_number: int = 0
    """Which of the file's sounds that is, from 0."""
    unknown_sound: bool = False
    """There is sound, and none of it can be decoded."""
    header_duration: float | None = None
    """Seconds by the header, sound included, which players and providers go by; None where it has none."""
    visible: Size | None = None
    """What is left of ``coded`` after the file's own cropping; None for all of it."""
    other_sizes: tuple[Size, ...] = ()
    """Sizes as displayed that come later in the same stream."""
    readable: tuple[float, float] | None = None
    """Start and end, in seconds, of the longest stretch that can be decoded; None for all of it, (0, 0) for none."""
    protected: bool = False
    """Encrypted: nobody decodes it without its key."""
    dolby_profile: int | None = None
    """Of Dolby Vision."""

    @property
    def whole(self) -> bool:
        """True where all of it can be decoded, as far as its key pictures and the list of its packets tell."""
        return self.readable is None and not self.protected

    def __repr__(self) -> str:
        rate = f"{float(self.frame_rate):.3g} fps"
        return (
            f"VideoInfo({self.path.name}, {self.size}, {self.duration:.2f} s, {rate}, {self.codec})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class MotionRequest:
    """What is asked: a character (``image``), a motion (``video``) and how. Paths or http(s) addresses.

    Field names and values are those of the wire, except that ``image`` and ``video`` may be local files.
    Raises ``InvalidRequest`` for a value that no provider could accept; files are looked at later, by the checks.
    """

    image: str | Path
    video: str | Path
    prompt: str = ""
    negative_prompt: str = ""
    model_name: ModelName = "kling-v3-0-std"
    character_orientation: CharacterOrientation = "video"
    keep_original_sound: bool = True

    def __post_init__(self) -> None:
        for name in ("image", "video"):
            value = getattr(self, name)
            if not isinstance(value, str | Path) or not str(value).strip():
                raise InvalidRequest(
                    f"The {name} is missing.",
                    hint=f"Give the {name} as a file or an https address.",
                )
            if str(value).lower().startswith("file:"):
                value = url2pathname(urlsplit(str(value)).path)
            if not is_url(value):
                object.__setattr__(self, name, Path(value).expanduser())
        for name, value in parameters(self).items():
            default = type(self).__dataclass_fields__[name].default
            if name in CHOICES and value not in CHOICES[name]:
                hint = f"Use {' or '.join(map(repr, CHOICES[name]))}."
                raise InvalidRequest(f"{name} is {value!r}.", hint=hint)
            if isinstance(default, str) and not isinstance(value, str):
                told = f"{name} must be text, not {type(value).__name__}."
                raise InvalidRequest(told, hint="Give a string.")
            if isinstance(default, bool) and not isinstance(value, bool):
                hint = "On this wire it is a boolean, not 'yes' or 'no'."
                raise InvalidRequest(f"{name} must be True or False.", hint=hint)

    def __repr__(self) -> str:
        """One line; of an address only its last part, because the rest may be a signature."""
        image, video = (
            str(each).split("?")[0].rsplit("/", 1)[-1] for each in (self.image, self.video)
        )
        return f"MotionRequest({image} + {video}, {self.model_name}, {self.character_orientation})"


CHOICES: dict[str, tuple[str, ...]] = {
    "model_name": MODEL_NAMES,
    "character_orientation": CHARACTER_ORIENTATIONS,
}


PARAMETERS = tuple(f.name for f in fields(MotionRequest) if f.name not in ("image", "video"))
"""Names of everything that is asked except the two files. The wire, the fingerprint, the store, the command line and the
table of jobs go by them."""


def parameters(request: MotionRequest) -> dict[str, Any]:
    """Everything that is asked except the two files, by the names of the wire."""
    return {name: getattr(request, name) for name in PARAMETERS}


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """One measured fact against one rule."""

    code: str
    """Stable name of the rule, such as ``video.duration``."""
    field: str
    """The part of the request: ``image``, ``video``, ``prompt``, ``negative_prompt`` or ``request``."""
    severity: Severity
    title: str
    measured: str
    allowed: str
    fix: str = ""
    """What to do about it; empty for a pass."""
    source: str = ""
    """Who says so."""
    spans: tuple[Span, ...] = ()
    """Where in the clip."""

    @property
    def word(self) -> str:
        """What ``allowed`` is: a provider allows what is sent; of a result something is expected."""
        return "expected" if self.field == "result" else "allowed"

    def __repr__(self) -> str:
        return f"Finding({self.severity}, {self.code})"

    def __str__(self) -> str:
        line = f"[{self.severity}] {self.title}: {self.measured}"
        line += f" ({self.word}: {self.allowed})" if self.allowed else ""
        return (
            f"{line.removesuffix('.')}. {self.fix}" if self.fix else line
        )  # what was measured may be a sentence


def counted(number: int, what: str) -> str:
    """``1 error``, ``2 errors``, ``2 pieces of advice``."""
    first, _, rest = what.partition(" ")
    return f"{number} {first}{'' if number == 1 else 's'}{' ' + rest if rest else ''}"


_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "advice": 2, "unknown": 3, "pass": 4}


def megabytes(count: int) -> str:
    """``84.0 MB``, ``1.2 GB``, ``12 kB``."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{max(1, round(count / 1000))} kB"


@dataclass(frozen=True, slots=True)
class Usage:
    """What kept jobs take of the disk."""

    jobs: int
    size_bytes: int
    """Of an input that several jobs use, each has its share."""

    def __str__(self) -> str:
        return f"{counted(self.jobs, 'job')}, {megabytes(self.size_bytes)}"


@dataclass(frozen=True, slots=True)
class MotionScore:
    """How well a body or a face follows the reference's: one number, and what it is made of."""

    value: float | None
    """0..100: ``coverage * timing * motion * sqrt(amplitude * pose)``; None where ``why`` says so."""
    why: str = ""
    """Why no number is given: a key of ``review.verdict.WHY``."""
    motion: float = 0.0
    """0..1: likeness of how it moves, over the whole and second by second."""
    pose: float = 0.0
    """0..1: how near the directions of arms, legs and trunk are. 1 for a face."""
    amplitude: float = 0.0
    """0..1: how near the size of the movements is."""
    timing: float = 0.0
    """0.35..1: how near in time."""
    coverage: float = 0.0
    """0..1: share of the reference's motion for which the result shows the person at all."""
    ratio: float = 0.0
    """Size of the movements relative to the reference's."""
    aligned: float = 0.0
    """0..100: the score of what both show, with the lag and the missing parts left aside."""
    lag: float = 0.0
    """Seconds by which the result comes later; searched within 0.7."""
    drift: float | None = None
    """Seconds by which the lag grows in a second; None where it cannot be told."""
    speed: float = 1.0
    """Of the motion in the result, relative to the reference's, where that explains it."""
    begins: float = 0.0
    """Second of the reference at which the result begins; negative: by how much the motion starts
    later in the result. 0 where nothing says otherwise."""
    energy: float = 0.0
    """Size of the reference's movements: of bone directions, or in noise floors of a face."""
    still: bool = False
    """The reference moves and the result does not."""


@dataclass(frozen=True, slots=True)
class Limb:
    """One limb, head or torso; left and right are the person's own."""

    name: str
    judged: bool
    """False where it hardly moves in the reference, or is hidden: then only ``error`` says something."""
    follows: float
    """0..1"""
    amplitude: float
    """Size of its movements relative to the reference's."""
    error: float
    """Mean degrees between both."""
    energy: float
    """Size of its movements in the reference."""
    lag: float | None = None
    """Seconds by which it lies behind the rest of the body; None where it does not."""
    lags_from: float | None = None
    """Second of the result from which it does."""


@dataclass(frozen=True, slots=True)
class MotionCurve:
    """Five times a second, on the time of the result. None: the person is not seen there."""

    times: tuple[float, ...]
    error: tuple[float | None, ...]
    """Mean degrees between both persons' arms, legs and trunk; None throughout for a face."""
    follows: tuple[float | None, ...]
    """0..1, of the second around."""
    motion: tuple[float, ...]
    """Size of the reference's movements there: where it is small, a low ``follows`` is no fault."""
    offset: float = 0.0
    """Seconds to subtract from ``times`` for the same moment of the reference."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the result that is worth a look."""

    time: float
    kind: str
    """``pose``, ``face``, ``frozen``, ``unseen``, ``identity``, ``hands`` or ``colour``."""
    size: float
    """How bad, in degrees or on a scale that compares with them."""


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that a viewer sees besides motion."""

    name: str
    """``face``, ``clothes``, ``colour``, ``cast``, ``hands``, ``flicker``, ``sharp`` or ``steps``: new pictures a second where
    the picture stutters."""
    value: float | None
    """0..1, 1 is best; None where ``why`` says so."""
    why: str = ""
    """Why it cannot be told: a key of ``review.verdict.WHY``."""
    times: tuple[float, ...] = ()
    values: tuple[float | None, ...] = ()
    """The same over time, on the result's time."""
    since: float | None = None
    """Second of the result from which it is worse; None where it is not."""
    detail: float | None = None
    """What it is judged by, in its own unit: see ``review.verdict.HOW``."""
    against: Literal["", "picture", "start", "reference"] = ""
    """What it is compared with; ``start``: the beginning of the result itself."""
    until: float | None = None
    """Second at which it is as before again; None where it stays worse to the end."""
    outside: float | None = None
    """``value`` of the rest, where ``since`` is known."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A stretch of the result that is worse than the rest."""

    kind: Literal["stray", "swapped", "late", "early", "blur", "grey", "dark"]
    """``stray``: its motion is not the reference's; ``swapped``: it is, in a mirror; ``late`` and
    ``early``: it is, at another time than in the rest."""
    begin: float
    end: float
    """Seconds of the result."""


@dataclass(frozen=True, slots=True, repr=False)
class Fidelity:
    """How well a result follows its reference, and what a viewer sees besides motion."""

    sentence: str
    """For people: the whole of it in one sentence."""
    body: MotionScore
    face: MotionScore
    reading: Literal["", "mirrored", "reversed", "shifted", "speed"] = ""
    """What explains the result better than "the same motion"."""
    limbs: tuple[Limb, ...] = ()
    curve: MotionCurve | None = None
    frozen: tuple[Span, ...] = ()
    unseen: tuple[Span, ...] = ()
    stops: float | None = None
    """Second of the result from which it stands still to its end, although the reference goes on."""
    ends: float | None = None
    """Second of the reference at which the result ends too early; None where it does not."""
    worst: tuple[Moment, ...] = ()
    traits: tuple[Trait, ...] = ()
    people: float = 0.0
    """Share of the result's looks with more than one person."""
    people_before: float = 0.0
    """The same of the reference."""
    moves: Literal["", "grain", "zoom"] = ""
    """What changes in the result although the person stands still."""
    colours: Literal["", "grey", "flat", "blue", "warm", "green", "pink", "hues"] = ""
    """``grey``: without colour, unlike the picture or the reference. ``flat``: nothing to be seen. The
    others are a cast, of all of it or where the trait ``cast`` says; ``hues``: all hues are turned."""
    seconds: float = 0.0
    """Of the result."""
    flaws: tuple[Flaw, ...] = ()
    hidden: tuple[str, ...] = ()
    """Limbs that are not in sight in the result, and are in the reference."""
    turned: int = 0
    """Degrees, clockwise, by which the result must be turned to stand upright, unless the reference must, too."""

    @property
    def score(self) -> MotionScore:
        """The headline: the body's where it can be judged, else the face's."""
        return self.face if self.body.value is None and self.face.value is not None else self.body

    def flaw(self, kind: str) -> Flaw | None:
        """The first of its kind."""
        return next((each for each in self.flaws if each.kind == kind), None)

    def trait(self, name: str) -> Trait | None:
        return next((each for each in self.traits if each.name == name), None)

    def to_frame(self) -> Any:
        """A pandas DataFrame over the time of the result: ``time``, ``error``, ``follows``, ``motion``, and each trait."""
        import pandas as pd  # type: ignore[import-untyped]

        curve = self.curve or MotionCurve((), (), (), ())
        columns = {
            "error": pd.Series(curve.error, curve.times, float),
            "follows": pd.Series(curve.follows, curve.times, float),
            "motion": pd.Series(curve.motion, curve.times, float),
        }
        for each in self.traits:
            if each.times:
                columns[each.name] = pd.Series(each.values, each.times, float)
        return pd.DataFrame(columns).rename_axis("time").reset_index()

    def __str__(self) -> str:
        value = self.score.value
        return self.sentence if value is None else f"{value:.0f} of 100. {self.sentence}"

    def __repr__(self) -> str:
        return f"Fidelity({self})"


@dataclass(frozen=True, slots=True, repr=False)
class Report(Shown):
    """Every rule that was looked at, bound to the files it was measured on by their hashes."""

    findings: tuple[Finding, ...]
    image: ImageInfo | None = None
    video: VideoInfo | None = None
    fidelity: Fidelity | None = None
    """Of the audit of a result only, and where it could be measured."""

    @property
    def ok(self) -> bool:
        """True when nothing stands in the way of sending it."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "warning")

    def of(self, *names: str) -> tuple[Finding, ...]:
        """The findings of the named fields, the worst first."""
        return tuple(
            sorted((f for f in self.findings if f.field in names), key=lambda f: _ORDER[f.severity])
        )

    def __str__(self) -> str:
        worst_first = sorted(self.findings, key=lambda f: _ORDER[f.severity])
        count = {s: sum(f.severity == s for f in self.findings) for s in _ORDER}
        told = [
            counted(count["error"], "error"),
            counted(count["warning"], "warning"),
            counted(count["advice"], "piece of advice"),
        ]
        head = ", ".join([*told, f"{count['pass']} passed"])
        return "\n".join([head, *map(str, worst_first)])


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency."""

    amount: Decimal
    currency: str = "USD"

    def __add__(self, other: Money | int) -> Money:
        """The sum of amounts in one currency; of 0 too, so that ``sum`` works."""
        if other == 0:
            return self
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.amount + self._same(other), self.currency)

    __radd__ = __add__

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} are not added or compared.")
        return other.amount

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"


@dataclass(frozen=True, slots=True, repr=False)
class Quote(Shown):
    """What a request will cost, and how sure that is."""

    seconds: Decimal
    """Seconds billed, before any rounding by the provider: an upper bound for video orientation."""
    rate: Money
    """For one second."""
    low: Money
    """With the seconds rounded down."""
    high: Money
    """With the seconds rounded up."""
    basis: str
    """Where the rate and the seconds come from, in words."""
    unknown: tuple[str, ...] = ()
    """What is not known about the price, in words."""
    draft: bool = False
    """True for a local draft, which is free whatever the rates are."""
    model_name: str = ""
    """Empty for a draft."""

    @property
    def free(self) -> bool:
        return self.high.amount == 0

    @property
    def amount(self) -> str:
        """``1.51 USD``, or both ends where rounding matters: ``0.50 to 0.63 USD``."""
        return str(self.high) if self.low == self.high else f"{self.low.amount:.2f} to {self.high}"

    def __str__(self) -> str:
        if self.free:
            return "free (a local draft)" if self.draft else "free (at a rate of 0)"
        return f"about {self.amount}"

    def __repr__(self) -> str:
        parts = [
            str(self).removeprefix("about "),
            self.model_name,
            f"{self.seconds.normalize():f} s",
        ]
        return f"Quote({', '.join(part for part in parts if part)})"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a job failed or stands still, as it is kept in the store and shown: never a key, never a signed address."""

    code: str
    message: str
    hint: str
    money: Literal["no", "yes", "unknown"]
    words: str = ""
    """The provider's own words, verbatim."""
    field: str = ""
    """The part of the request to change, when one is to blame."""


def money_of(provider: Provider, state: State, trouble: MoneyState | None) -> MoneyState:
    """Was money spent on a job? ``trouble`` is what its trouble says of it."""
    if provider == "local" or state == "checked":
        return "no"
    if trouble is not None:
        return trouble
    return "unknown" if state in ("submitting", "unconfirmed") else "yes"


@dataclass(frozen=True, slots=True)
class Vote:
    """Two finished takes were compared without their names; ``left`` and ``right`` are job ids, as they stood."""

    vote_id: str
    left: str
    right: str
    choice: Choice
    at: float
    """Unix time."""

    @property
    def winner(self) -> str | None:
        """The job that was found better; None for no difference."""
        return {"left": self.left, "right": self.right, "same": None}[self.choice]


@dataclass(frozen=True, slots=True, repr=False)
class Job(Shown):
    """One request on its way, as the store has it. ``request`` points at the job's own copies of both files."""

    job_id: str
    owner: str
    provider: Provider
    take: int
    state: State
    request: MotionRequest
    fingerprint: str
    created: float
    """Unix time, as are the other times."""
    updated: float
    folder: Path
    image_name: str
    """The name under which the user gave the image."""
    video_name: str
    duration: float
    """Expected length of the result, seconds."""
    cost: Quote | None = None
    task_id: str | None = None
    base_url: str | None = None
    queued_at: float | None = None
    processing_at: float | None = None
    finished_at: float | None = None
    progress: int | None = None
    """Per cent; never goes back."""
    eta: float | None = None
    """The provider's estimate, seconds."""
    place: int | None = None
    """Place in the provider's queue, where it tells one."""
    overdue: bool = False
    """True when the job passed its deadline: it may still be running and can be resumed."""
    waits_for: Literal["", "resume", "key", "host"] = ""
    """What must be given before the watcher can go on."""
    publish: Literal["", "tunnel", "huggingface", "store"] = ""
    """How its files were published; empty: by the page, or not at all."""
    trouble: Trouble | None = None
    video: Path | None = None
    """The result, once it is saved."""
    name: str = ""
    """What the user called it; empty where it has no name but ``title``."""
    rating: Rating = ""
    note: str = ""
    votes: tuple[Vote, ...] = ()
    """Blind comparisons with other takes, the oldest first."""

    @property
    def subject(self) -> str:
        """The name that the user gave, else the prompt's first words, else the names of picture and clip."""
        said = self.request.prompt.split()
        first = " ".join(said[:_FIRST_WORDS])[:_FIRST].rstrip()
        if first:
            first += "..." * (first != " ".join(said))
        return self.name or first or f"{Path(self.image_name).stem} × {Path(self.video_name).stem}"

    @property
    def title(self) -> str:
        """A name to read: the user's own, else ``subject`` with model, orientation and time."""
        if self.name:
            return self.name
        model = self.request.model_name.rpartition("-")[2] + " draft" * self.draft
        when = moment_of(self.created, None)
        time = "" if when is None else f", {when:%Y-%m-%d %H:%M}"
        return f"{self.subject}, {model}, {self.request.character_orientation}{time}"

    @property
    def won(self) -> int:
        """In how many of ``votes`` it was found better."""
        return sum(vote.winner == self.job_id for vote in self.votes)

    @property
    def draft(self) -> bool:
        """True for a result of the local engine: never to be taken for a Kling result."""
        return self.provider == "local"

    @property
    def done(self) -> bool:
        return self.state in TERMINAL

    @property
    def money(self) -> Literal["no", "yes", "unknown"]:
        """Was money spent?"""
        told = self.trouble.money if self.trouble is not None else None
        return money_of(self.provider, self.state, told)

    def __str__(self) -> str:
        made = "local draft" if self.draft else self.request.model_name
        end = (
            f": {self.video}" if self.video else f": {self.trouble.message}" if self.trouble else ""
        )
        return f"{self.job_id} {self.state}, {made}, {self.image_name} + {self.video_name}{end}"

    def __repr__(self) -> str:
        made = "local draft" if self.draft else self.request.model_name
        named = f"{self.image_name} + {self.video_name}"
        return f"Job({self.job_id} {self.state}, {made}, {named})"


def moment_of(at: float | None, zone: tzinfo | None = UTC) -> datetime | None:
    """A Unix time as a date and time, in this machine's zone for ``zone=None``. None for one that no calendar has."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return None if at is None else datetime.fromtimestamp(at, zone)
    return None


def iso(at: float | None) -> str | None:
    """A Unix time as ISO 8601 in UTC, to the second."""
    when = moment_of(at)
    return None if when is None else when.isoformat(timespec="seconds")


_RECORD: dict[str, Callable[[Job], Any]] = {
    "job_id": attrgetter("job_id"),
    "task_id": attrgetter("task_id"),
    "title": attrgetter("title"),
    "state": attrgetter("state"),
    "provider": attrgetter("provider"),
    "draft": attrgetter("draft"),
    "take": attrgetter("take"),
    "image": attrgetter("image_name"),
    "reference": attrgetter("video_name"),
    **{name: attrgetter(f"request.{name}") for name in PARAMETERS},
    "seconds": attrgetter("duration"),
    "money": attrgetter("money"),
    "cost_low": lambda job: job.cost and job.cost.low.amount,
    "cost_high": lambda job: job.cost and job.cost.high.amount,
    "currency": lambda job: job.cost and job.cost.high.currency,
    "created": lambda job: iso(job.created),
    "queued": lambda job: iso(job.queued_at),
    "processing": lambda job: iso(job.processing_at),
    "finished": lambda job: iso(job.finished_at),
    "video": lambda job: job.video and str(job.video),
    "error": lambda job: job.trouble and job.trouble.code,
    "error_message": lambda job: job.trouble and job.trouble.message,
    "rating": lambda job: job.rating or None,
    "note": lambda job: job.note or None,
    "won": attrgetter("won"),
    "votes": lambda job: len(job.votes),
}
RECORD: tuple[str, ...] = tuple(_RECORD)
"""Names in a record of a job."""


def record(job: Job) -> dict[str, Any]:
    """A job as flat plain values, for a table: ``cost_low`` and ``cost_high`` are its quote, ``seconds`` its expected length."""
    return {name: read(job) for name, read in _RECORD.items()}


class Jobs(list[Job], Shown):
    """Several jobs, the newest first."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(str(job) for job in self) or "No jobs yet."

    def __repr__(self) -> str:
        return f"Jobs({counted(len(self), 'job')})"

    def to_frame(self) -> Any:
        """A pandas DataFrame, a row for each job: what was asked, where it stands, what it costs in USD, and times."""
        import pandas as pd

        frame = pd.DataFrame([record(job) for job in self], columns=list(RECORD))
        for name in ("created", "queued", "processing", "finished"):
            frame[name] = pd.to_datetime(frame[name], utc=True)
        for name in ("cost_low", "cost_high"):
            frame[name] = frame[name].astype(float)
        return frame


@dataclass(frozen=True, slots=True)
class Published:
    """A local file that the provider can fetch. ``url`` may carry a signature: it is a credential, never shown or logged."""

    url: str = field(repr=False)
    expires_at: float | None = None
    """Unix time; None when it does not expire."""
    how: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Result(Shown):
    """The video, and what it is to be compared with."""

    job: Job
    video: Path
    reference: Path
    image: Path
    audit: Report | None = None
    cached: bool = False
    """It was there already: nothing was sent or paid for it now."""

    @property
    def draft(self) -> bool:
        return self.job.draft

    @property
    def cost(self) -> Quote | None:
        """What was quoted for it."""
        return self.job.cost

    def save(self, path: str | Path) -> Path:
        """Copy the video to ``path``, a file or a folder, and give the copy's path. Raises ``OSError``."""
        dest = Path(path).expanduser()
        if dest.is_dir():
            dest = dest / f"{Path(self.job.image_name).stem} - {Path(self.job.video_name).stem}.mp4"
        part = dest.with_name(f".{dest.name}.part")
        try:
            shutil.copyfile(self.video, part)
            part.replace(dest)
        finally:
            part.unlink(missing_ok=True)
        return dest

    def clip(self) -> VideoFileClip:
        """The video as a moviepy clip; close it when done."""
        from moviepy import VideoFileClip

        return VideoFileClip(str(self.video))

    def frames(self, fps: float = 4) -> list[ndarray[Any, Any]]:
        """Pictures of the video, ``fps`` a second: arrays of height x width x 3, uint8, RGB."""
        with self.clip() as clip:
            return list(clip.iter_frames(fps=fps, dtype="uint8"))

    def stage(self) -> Stage:
        """Reference and result in step, for a notebook's cell."""
        from kling_utils.show.stage import Stage

        return Stage(self)

    def __str__(self) -> str:
        return f"{'local draft' if self.draft else self.job.request.model_name}: {self.video}"
