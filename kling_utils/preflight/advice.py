"""What the content of the picture and the clip will probably do, before anything is paid.

Owns the rules about people, shots, light and motion, their thresholds, and the ranking of starts.
Advice is never an error: the provider decides. What cannot be told is said with its reason.
"""

from __future__ import annotations

import contextvars
import functools
import itertools
import math
import queue
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from kling_utils.errors import Interrupted, KlingError
from kling_utils.media import bounds
from kling_utils.media.arrays import Bools, Floats
from kling_utils.media.people import PoseTrack, Still, track, track_image
from kling_utils.media.pose import ANKLES, EARS, ELBOWS, HIPS, KNEES, NOSE, SHOULDERS, WRISTS
from kling_utils.media.shots import runs
from kling_utils.preflight import layout
from kling_utils.preflight.limits import limit
from kling_utils.preflight.quote import for_part
from kling_utils.values import (
    CharacterOrientation,
    Finding,
    ImageInfo,
    Quote,
    Report,
    Severity,
    Shown,
    Span,
    VideoInfo,
    counted,
)

UPSTREAM = "Kling's guide and users' reports"
MEASURED = "measured on example clips"


class Threshold(NamedTuple):
    value: float
    unit: str
    source: str


THRESHOLDS: dict[str, Threshold] = {
    # share of the moments that were looked at
    "people": Threshold(0.25, "of the moments", MEASURED),
    "nobody": Threshold(0.5, "of the moments", MEASURED),
    "torso": Threshold(0.8, "of the moments", MEASURED),
    "throughout": Threshold(0.9, "of the clip", "assumed"),
    "crowd": Threshold(0.25, "of the moments with three people or more", "one example clip"),
    "ankles": Threshold(0.75, "visibility", "95 % of the looks at a dance have more"),
    "shoulders": Threshold(0.15, "of their width below the frame", MEASURED),
    "hidden": Threshold(0.4, "of the moments", MEASURED),
    "back": Threshold(0.6, "of the moments", "one example clip"),
    # of the frame
    "area small": Threshold(0.04, "of the frame", "Kling's guide asks for more than 5 %"),
    "area modest": Threshold(0.08, "of the frame", MEASURED),
    # of the picture
    "sharp": Threshold(1.5, "sharpness", MEASURED),
    "light": Threshold(60.0, "of 255", MEASURED),
    "noise": Threshold(5.0, "grey levels", MEASURED),
    "first frame": Threshold(0.3, "of the clip's sharpness", MEASURED),
    # of motion
    "pictures": Threshold(
        5.0, "a second", "a clip of 6 a second is told right, and one of 1 is not"
    ),
    "camera": Threshold(0.015, "of the width a second", MEASURED),
    "zoom": Threshold(0.015, "a second", MEASURED),
    "camera known": Threshold(0.3, "of the moments", MEASURED),
    "fast": Threshold(
        3.0, "torso lengths a second", "a dance has up to 2.2, the same three times as fast 3.8"
    ),
    "still": Threshold(0.15, "torso lengths a second", MEASURED),
    "frozen": Threshold(0.12, "grey levels", "the steadyest real clip has 0.22"),
    "still face": Threshold(1.0, "grey levels", MEASURED),
    "rigid face": Threshold(0.02, "of its size", "moved stills have 0.015, a quiet talker 0.026"),
    "moved": Threshold(
        0.9,
        "of the corners on the person",
        "moved stills have 0.93, other clips with such a face none",
    ),
    # of a part of a clip
    "camera part": Threshold(1.5, "s", "a face that fills the frame hides the ground for 1.3 s"),
    "part": Threshold(1.0, "s", "clean clips have 0.5 s at most that are dark, blurred or frozen"),
    "text": Threshold(2.0, "s", "two looks, a second apart"),
    "side": Threshold(0.75, "of a full turn of the head", "one example clip"),
    "put together": Threshold(0.8, "of the moments", MEASURED),
    # of a pair
    "pose": Threshold(0.55, "likeness of the pose", MEASURED),
    "pose apart": Threshold(0.25, "likeness of the pose", "assumed"),
    "child": Threshold(0.2, "difference of head to height", "assumed"),
}

LEAST = 3.0
"""Seconds of a clip, at least."""
IMAGE_SECONDS = 5.0
"""Seconds of a result in image orientation."""
STARTS, _TOLD_STARTS = 10, 3
"""Starts that are ranked, and told, at most."""

TURN_EYES, EXPRESSION_EYES = (25.0, 40.0), (40.0, 70.0)
"""Pixels between the outer corners of the eyes, from which the turn of a face and its expression begin to count, and from
which they count in full. Measured: an expression is read at 77 and not at 34, the turn at 36."""
_LOOKS_OF_SPEED = 12
"""Looks at one person in one shot, below which no speed is said to be fast."""

FIELDS = ("image", "video", "pair")
FRAMINGS = ("full body", "down to the knees", "half body", "head and shoulders", "face")
_SHOWN = (
    "the full body",
    "the body down to the knees",
    "half of the body",
    "head and shoulders",
    "only the head",
)
"""The same inside a sentence."""
_JOINTS = (ANKLES, KNEES, HIPS, SHOULDERS)


@dataclass(frozen=True, slots=True)
class Start:
    """A moment of the clip to begin at."""

    time: float
    match: float
    """Likeness of the picture's pose, facing and framing to the clip's at that moment, 0..1."""
    end: float = 0.0
    """Where the clean take ends, or the 5 s of image orientation."""

    @property
    def span(self) -> Span:
        """The part of the clip from here on: what ``client.submit(request, span=...)`` takes."""
        return self.time, self.end


@dataclass(frozen=True, slots=True, repr=False)
class Advice(Shown):
    """What was seen in picture and clip, and what to do about it."""

    findings: tuple[Finding, ...]
    seconds: float | None = None
    """Length of the clip."""
    clean: Span | None = None
    """The longest take with one person, no cut, head and torso in the frame, and light; None for none of 3 s."""
    starts: tuple[Start, ...] = ()
    """The best first."""
    use: Span | None = None
    """The part of the clip that is worth paying for: the clean take; in image orientation 5 s of it from the best start."""
    image: PoseTrack | None = field(default=None, compare=False)
    video: PoseTrack | None = field(default=None, compare=False)
    done: bool = True
    """False while the clip is still being looked at."""

    def of(self, *fields: str) -> tuple[Finding, ...]:
        """The findings of the named fields (``image``, ``video``, ``pair``), the worst first."""
        return Report(self.findings).of(*fields)

    @property
    def turned(self) -> tuple[str, ...]:
        """Which of both, ``image`` and ``video``, seem to be on their side or upside down."""
        both = (("image", self.image), ("video", self.video))
        return tuple(name for name, track in both if track is not None and track.turned)

    def about(self, codes: Container[str]) -> Advice:
        """The same with the findings of these codes alone, without what passed, and without a part to use."""
        kept = tuple(f for f in self.findings if f.code in codes and f.severity != "pass")
        return replace(self, findings=kept, clean=None, use=None)

    @property
    def better_starts(self) -> tuple[Start, ...]:
        """Up to three moments at which the poses match clearly better than at the clip's own start."""
        told = {at for f in self.findings if f.code == "pair.start" for at, _ in f.spans}
        return tuple(start for start in self.starts[:_TOLD_STARTS] if start.time in told)

    def told(self, *fields: str) -> tuple[Finding, ...]:
        """The same without what passed."""
        return tuple(f for f in self.of(*fields) if f.severity != "pass")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return Report(self.findings).warnings

    def __bool__(self) -> bool:
        """True when nothing of it is a warning."""
        return not self.warnings

    def __str__(self) -> str:
        return (
            "\n".join(map(str, self.told(*FIELDS)))
            or "Nothing in the picture or the clip stands out."
        )

    def __repr__(self) -> str:
        return f"Advice({len(self.warnings)} warnings, clean={self.clean})"


def advise(
    image: PoseTrack | None,
    video: PoseTrack | None,
    character_orientation: CharacterOrientation = "video",
) -> Advice:
    """Judge what was seen. Either may be missing; the pair is judged when both are there."""
    findings: list[Finding] = []
    clean: Span | None = None
    starts: list[Start] = []
    use: Span | None = None
    if image is not None:
        findings += _picture(image)
    if video is not None:
        findings += _clip(video)
        clean = clean_take(video) if not video.turned else None
    if image is not None and video is not None and not (image.turned or video.turned):
        starts = rank_starts(image, video, character_orientation)
        findings += _pair(image, video, starts, character_orientation)
    if clean is not None:
        longest = float(limit("video.duration").high or clean[1])
        use = (clean[0], min(clean[1], clean[0] + longest))
        if character_orientation == "image":
            first = Start(clean[0], 0.0, min(clean[1], clean[0] + IMAGE_SECONDS))
            use = (starts[0] if starts else first).span
    seconds = video.seconds if video is not None else None
    return Advice(tuple(findings), seconds, clean, tuple(starts), use, image, video)


def look(
    image: ImageInfo | None,
    video: VideoInfo | None,
    character_orientation: CharacterOrientation = "video",
    *,
    on_advice: Callable[[Advice], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Advice:
    """Look at files that were measured, and judge them. What cannot be decoded is said in a finding.

    ``on_advice`` gets what is known so far: about the picture, then at the clip's first still. ``stop``
    is asked at each still; raises ``Interrupted`` then. Both tracks are kept in memory by the files'
    hashes, so that the next call with the same files takes no time.
    """
    said: list[Finding] = []
    picture = _tried("image", said, lambda: track_image(image.path, info=image)) if image else None
    begun: list[Finding] = list(advise(picture, None).findings)

    def tell(still: Still) -> None:
        bounds.check_stop(stop)
        if still.time == 0 and on_advice is not None:
            begun.extend(_first_still(still))
            on_advice(Advice((*said, *begun), image=picture, done=False))

    if picture is not None and on_advice is not None:
        on_advice(Advice((*said, *begun), image=picture, done=False))
    clip = (
        _tried("video", said, lambda: track(video.path, info=video, on_still=tell))
        if video
        else None
    )
    made = advise(picture, clip, character_orientation)
    return replace(made, findings=(*said, *made.findings))


def looking(
    image: ImageInfo | None,
    video: VideoInfo | None,
    character_orientation: CharacterOrientation = "video",
) -> Iterator[Advice]:
    """The same as ``look``, as it becomes known: the last one is ``done``. Closing the iterator ends the work soon."""
    known: queue.SimpleQueue[Advice | BaseException] = queue.SimpleQueue()
    closed = threading.Event()

    def work() -> None:
        how: dict[str, Any] = {"on_advice": known.put, "stop": closed.is_set}
        try:
            known.put(look(image, video, character_orientation, **how))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            known.put(error)

    context = contextvars.copy_context()  # whose look it is
    threading.Thread(target=context.run, args=(work,), name="kling-look", daemon=True).start()
    try:
        while True:
            found = known.get()
            if isinstance(found, BaseException):
                raise found
            yield found
            if found.done:
                return
    finally:
        closed.set()


def saving(
    advice: Advice, quote: Quote | None, character_orientation: CharacterOrientation = "video"
) -> str:
    """What the usable part costs beside the whole clip, or why no part is usable; empty when all of it is, or none is known.

    A price that is the same is left out.
    """
    if advice.use is None:
        return unusable(advice)
    if advice.seconds is None:
        return ""
    start, end = advice.use
    if end - start > advice.seconds - 0.5:
        return ""
    word = "needed" if character_orientation == "image" else "usable"
    usable = f"{end - start:.1f} of {advice.seconds:.1f} s are {word}: start at {start:.1f} s"
    part = for_part(quote, end - start, character_orientation) if quote is not None else None
    if quote is None or part is None or part.amount == quote.amount:
        return f"{usable}."
    return f"{usable}, pay {part.amount} instead of {quote.amount}."


def unusable(advice: Advice) -> str:
    """Why no part of the clip is usable, for a clip that was looked at and has none."""
    track = advice.video
    if track is None or not advice.done or advice.use is not None or advice.clean is not None:
        return ""
    none = f"No part of {LEAST:.0f} s or more is usable: "
    if track.turned:
        return f"{none}the person does not stand upright in it."
    if track.seconds < LEAST:
        return f"{none}the clip has {track.seconds:.1f} s."
    if too_few(track):
        return f"Which part of the clip is usable cannot be told: {_TOO_FEW}."
    grid, holes = _holes(track)
    found = {what: _spans(grid, on, _GRID, track.seconds) for what, on in holes.items()}
    long = {what: [s for s in spans if s[1] - s[0] > _SHORT] for what, spans in found.items()}
    cuts = told_spans((cut, cut) for cut in track.cuts)
    told = [f"{counted(len(track.cuts), 'cut')} {cuts}"] if cuts else []
    some = long if told or any(long.values()) else found
    told += [f"{what}{_when(spans, track.seconds)}" for what, spans in some.items() if spans]
    return f"{none}{'; '.join(told)}."


def _tried(where: str, said: list[Finding], look: Callable[[], PoseTrack]) -> PoseTrack | None:
    try:
        return look()
    except Interrupted:
        raise
    except KlingError as error:
        name = "picture" if where == "image" else "clip"
        why = error.message.rstrip(".")
        said.append(
            _finding(
                f"{where}.person",
                "unknown",
                f"Person in the {name}",
                f"The {name} could not be looked at: {why}.",
                error.hint,
            )
        )
        return None


def _first_still(still: Still) -> Iterable[Finding]:
    """What the first frame of a clip tells by itself."""
    people = len(still.boxes)
    if people == 1:
        return
    yield _finding(
        "video.first",
        "warning",
        "First picture",
        f"{_counted(people)} are in the first picture of the clip."
        if people
        else "Nobody was found in the first picture of the clip.",
        "Begin where one person is clearly seen.",
        spans=[(0.0, 0.0)],
        source=UPSTREAM,
    )


def _finding(
    code: str,
    severity: Severity,
    title: str,
    measured: str,
    fix: str = "",
    *,
    spans: Iterable[Span] = (),
    source: str = MEASURED,
) -> Finding:
    where = code.partition(".")[0]
    return Finding(code, where, severity, title, measured, "", fix, source, tuple(spans))


def _over(name: str, value: float) -> bool:
    return value > THRESHOLDS[name].value


# -- what a track tells


def framing(track: PoseTrack) -> int | None:
    """How much of the person is in the frame: an index of ``FRAMINGS``; None without a person."""
    kind = _lowest(track)
    if kind == 4 and track.seen.any():  # the joints lie below the top of the shoulders
        low = track.bodies[track.seen][:, list(SHOULDERS)]
        wide = np.ptp(low[..., 0], axis=1)
        below = (low[..., 1].mean(1) - track.size.height) / np.maximum(wide, 1.0)
        return 4 if _over("shoulders", float(np.median(below))) else 3
    return kind


def _lowest(track: PoseTrack) -> int | None:
    """The same by the joints that are seen."""
    if not track.seen.any():
        return 4 if track.faced.any() else None
    for i, joints in enumerate(_JOINTS):
        least = THRESHOLDS["ankles"].value if joints == ANKLES else 0.5  # hidden ones are guessed
        if np.mean(np.asarray(visible(track, joints, least).all(1))[track.seen]) > 0.6:
            return i
    return 4


def visible(track: PoseTrack, joints: tuple[int, ...], least: float = 0.5) -> Bools:
    """(n, k): whether each joint is in the frame and not hidden."""
    part = track.bodies[:, list(joints)]
    return np.asarray(_inside(track, part) & (part[..., 3] > least))


def _inside(track: PoseTrack, points: Floats) -> Bools:
    width, height = track.size
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x >= 0) & (x < width) & (y >= 0) & (y < height))


def _whole(track: PoseTrack) -> Bools:
    """(n,): head and torso in the frame, as far down as the clip shows the person at all."""
    nose = track.bodies[:, NOSE]
    low_enough = nose[:, 1] > 0.01 * track.size.height  # a nose out of the frame is put at its edge
    wanted = visible(track, SHOULDERS).any(1) & _inside(track, nose) & low_enough
    kind = _lowest(track)
    if kind is not None and kind <= 2:
        wanted &= visible(track, HIPS).any(1)
    return np.asarray(wanted if kind is not None and kind < 4 else track.seen | track.faced)


def _spans(times: Floats, on: Bools, step: float, end: float) -> tuple[Span, ...]:
    """Seconds of each run of True; a moment lasts until the next one."""
    return tuple(
        (round(float(times[a]), 2), round(min(end, float(times[b]) + step), 2)) for a, b in runs(on)
    )


def _spans_of(stills: Sequence[Still], on: Bools, seconds: float) -> tuple[Span, ...]:
    times = np.array([s.time for s in stills])
    step = float(times[1] - times[0]) if len(times) > 1 else seconds
    return _spans(times, on, step, seconds)


def _still_spans(track: PoseTrack, on: Bools) -> tuple[Span, ...]:
    return _spans_of(track.stills, on, track.seconds)


def _lasting(spans: Iterable[Span], least: str = "part") -> tuple[Span, ...]:
    """Those that are long enough to be told of a part of a clip."""
    return tuple(s for s in spans if s[1] - s[0] >= THRESHOLDS[least].value - 0.05)


def _look_spans(track: PoseTrack, on: Bools) -> tuple[Span, ...]:
    return _spans(track.times, on, 1 / track.fps, track.seconds)


def _of_stills(track: PoseTrack, what: Callable[[Still], float]) -> Floats:
    return np.array([what(s) for s in track.stills], np.float64)


def _count(track: PoseTrack) -> Floats:
    """(m,): people in each still. One still alone between two others that agree is not believed, unless several are seen elsewhere."""
    found = _of_stills(track, lambda s: len(s.boxes))
    count = found.copy()
    for i in range(1, len(count) - 1):
        if count[i - 1] == count[i + 1] != count[i]:
            count[i] = count[i - 1]
    return np.where(found >= 2, found, count) if (count >= 2).any() else count


def crowd(track: PoseTrack) -> bool:
    """Whether so many people are there that those who are found change from still to still: no part shows one alone."""
    many = _of_stills(track, lambda s: len(s.boxes)) > 2
    return len(many) > 1 and float(many.mean()) > THRESHOLDS["crowd"].value


def too_few(track: PoseTrack) -> bool:
    """Whether a clip has too few pictures for its motion and its cuts to be told."""
    few = track.scan.rate < THRESHOLDS["pictures"].value or track.scan.frames < 4
    return few and len(track.times) > 0


def _counted(people: int) -> str:
    """In a crowd some are too small or hidden to be found."""
    return f"{'At least ' if people > 2 else ''}{people} people"


def told_spans(spans: Iterable[Span], most: int = 3) -> str:
    """``at 1.2 to 2.0 s and 4.5 to 5.0 s``."""
    shown = list(spans)
    if not shown:
        return ""
    words = [f"{a:.1f} to {b:.1f} s" if b - a > 0.05 else f"{a:.1f} s" for a, b in shown[:most]]
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    joined = ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else words[0]
    return f"at {', '.join(words)}{more}" if more else f"at {joined}"


def _throughout(spans: Iterable[Span], seconds: float) -> bool:
    """Whether spans cover nearly all of a clip."""
    return sum(b - a for a, b in spans) >= THRESHOLDS["throughout"].value * seconds


def _when(spans: Iterable[Span], seconds: float) -> str:
    """`` at 1.2 to 2.0 s``, or that it is so all the time."""
    found = list(spans)
    return " all the time" if _throughout(found, seconds) else f" {told_spans(found)}"


# -- the picture


def _picture(track: PoseTrack) -> Iterable[Finding]:
    still = track.stills[0]
    people = len(still.boxes)
    if track.turned:
        yield from _turned(track, "image", "picture")
        return
    if not people:
        yield _finding(
            "image.person",
            "warning",
            "Person in the picture",
            "Nobody was found in the picture. Stylised figures are sometimes missed.",
            "Choose a picture that shows one person or figure, upright and from the front.",
            source=UPSTREAM,
        )
        return
    yield _finding("image.person", "pass", "Person in the picture", "one person was found")
    yield from _together(still)
    kind = framing(track)
    area = _area(still.area, "image", "The person", "Crop the picture closer to the person.")
    if area is not None:
        yield area
    if kind is None:
        return
    yield from _torso(track, "image", "picture")
    yield from _quality("image", [still], "the picture")
    hidden = [
        name for name, joint in zip(("left", "right"), WRISTS, strict=True) if _hidden(track, joint)
    ]
    if hidden and kind <= 2:
        hands = "Both hands of the person are" if len(hidden) == 2 else f"The {hidden[0]} hand is"
        yield _finding(
            "image.hands",
            "advice",
            "Hands in the picture",
            f"{hands} hidden or behind the body, so hands will be invented.",
            "A picture that shows both hands gives better ones.",
            source=UPSTREAM,
        )
    yield from _picture_view(track)


def _together(still: Still) -> Iterable[Finding]:
    """Several people, several pictures, and text in one picture."""
    people = len(still.boxes)
    parts = _pictures(still)
    if people > 1:
        same = f"{people} people of about the same size stand in the picture"
        yield _finding(
            "image.people",
            "warning",
            "People in the picture",
            f"The picture is a collage of {parts} pictures, with {people} people in them."
            if parts > 1
            else f"{same}: it may be a collage."
            if _alike(still)
            else f"{_counted(people)} are in the picture.",
            "Crop it to the one who should move.",
            source=UPSTREAM,
        )
    elif parts > 1:
        yield _finding(
            "image.collage",
            "advice",
            "Collage",
            f"The picture seems to be a collage of {parts} pictures: straight edges run through all of it.",
            "Crop it to the one that shows the person.",
            source=UPSTREAM,
        )
    if not _lettered(still):
        return
    yield _finding(
        "image.text",
        "advice",
        "Text in the picture",
        "A line of text seems to be in the picture: it would stay, or bend as the picture moves.",
        "Crop it away, or use a picture without text.",
        source=UPSTREAM,
    )


@functools.lru_cache(maxsize=256)  # a change of the form advises anew about the same stills
def _pictures(still: Still) -> int:
    """How many pictures a still is put together from. About 30 ms."""
    return layout.pictures(still.pixels()) if still.jpeg else 1


@functools.lru_cache(maxsize=256)
def _lettered(still: Still) -> bool:
    """Whether a line of text is seen in a still. About 50 ms."""
    return bool(still.jpeg) and layout.lines(still.pixels()) > 0


def _alike(still: Still) -> bool:
    heights = still.boxes[:, 3]
    return bool(len(heights) > 1 and heights.min() > 0.75 * heights.max())


def _hidden(track: PoseTrack, joint: int) -> bool:
    """Whether a joint lies in the frame and is not seen, in most of the moments."""
    points = track.bodies[track.seen, joint]
    inside = _inside(track, points)
    return bool(inside.any()) and float(np.mean(points[inside, 3] < 0.5)) > 0.5


def _torso(track: PoseTrack, where: str, name: str) -> Iterable[Finding]:
    """Whether head and upper body are in the frame at all."""
    kind = framing(track)
    told = f"Upper body in the {name}"
    if kind is None:
        return
    if kind >= 3:
        yield _finding(
            f"{where}.torso",
            "warning" if kind == 4 else "advice",
            told,
            f"The {name} shows only the head." if kind == 4 else f"The {name} ends above the hips.",
            f"Choose a {name} that shows head and upper body, down to the hips at least.",
            source=UPSTREAM,
        )
    elif len(track.times) == 1 and not _whole(track).all():
        yield _finding(
            f"{where}.torso",
            "warning",
            told,
            "The head of the person is cut off or cannot be seen.",
            f"Choose a {name} that shows head and upper body.",
            source=UPSTREAM,
        )
    else:
        yield _finding(f"{where}.torso", "pass", told, FRAMINGS[kind])


_TURNS = {
    90: "a quarter turn to the right",
    180: "a half turn",
    270: "a quarter turn to the left",
}


def _turned(track: PoseTrack, where: str, name: str) -> Iterable[Finding]:
    """Which way up it is, for one that is turned."""
    over = track.turned == 180
    yield _finding(
        f"{where}.turned",
        "warning",
        f"Way up of the {name}",
        f"The {name} is upside down."
        if over
        else f"The person in the {name} lies, or the {name} is turned on its side.",
        f"{'Turn' if over else 'If it is turned, turn'} it upright, by {_TURNS[track.turned]}: a repair does it "
        f"(turn_{where}={track.turned}).",
        source=UPSTREAM,
    )


def _picture_view(track: PoseTrack) -> Iterable[Finding]:
    still = track.stills[0]
    if still.faces or track.faced.any():
        turned = facing(track)[0]
        if math.isfinite(turned) and abs(turned) > 0.75:
            yield _finding(
                "image.view",
                "advice",
                "View of the person",
                "The person is seen from the side, so half of face and body must be invented.",
                "A picture from the front, or slightly turned, gives a steadier likeness.",
                source=UPSTREAM,
            )
        return
    wide = np.ptp(track.bodies[0, list(SHOULDERS), 0]) if track.seen.any() else 0.0
    if wide > 40:
        yield _finding(
            "image.view",
            "warning",
            "View of the person",
            "No face is seen: the person is seen from behind, or the face is covered.",
            "Choose a picture that shows the face, uncovered and from the front.",
            source=UPSTREAM,
        )


def _area(
    area: float, where: str, who: str, fix: str, spans: Iterable[Span] = ()
) -> Finding | None:
    if area <= 0 or area >= THRESHOLDS["area modest"].value:
        return None
    small = area < THRESHOLDS["area small"].value
    return _finding(
        f"{where}.area",
        "warning" if small else "advice",
        "Size of the person",
        f"{who} fills {f'{100 * area:.0f}' if area >= 0.01 else 'less than 1'} % of the frame.",
        fix,
        spans=spans,
        source=UPSTREAM,
    )


def _quality(where: str, stills: list[Still], name: str, seconds: float = 0.0) -> Iterable[Finding]:
    """Sharpness, light and noise of the person: of most stills in which one was found, or of a part of a clip."""
    there = np.array([len(s.boxes) > 0 for s in stills], np.bool_)
    if not there.any():
        return

    def told(code: str, title: str, on: Bools, text: str, fix: str) -> Iterable[Finding]:
        most = float(np.mean(on[there])) > 0.5
        spans = _lasting(_spans_of(stills, on & there, seconds)) if seconds else ()
        if not (most or spans):
            return
        when = f" {told_spans(spans)}" if spans and not on[there].all() else ""
        yield _finding(code, "advice", title, f"{text}{when}.", fix, spans=spans if when else ())

    sharp, light, noise = (
        np.array([getattr(s, what) for s in stills]) for what in ("sharpness", "light", "noise")
    )
    yield from told(
        f"{where}.sharp",
        "Sharpness",
        sharp < THRESHOLDS["sharp"].value,
        f"The person in {name} is blurred",
        "Use a sharper one: blurred faces and hands come out blurred.",
    )
    dark = light < THRESHOLDS["light"].value
    yield from told(
        f"{where}.light",
        "Light",
        dark,
        f"The person in {name} is very dark",
        "Brighten it before it is sent."
        if not seconds
        else "Brighten it, or use a part with light."
        if dark[there].mean() < THRESHOLDS["throughout"].value
        else "Brighten it, or use another clip.",
    )
    yield from told(
        f"{where}.noise",
        "Noise",
        noise > THRESHOLDS["noise"].value,
        f"{name[0].upper()}{name[1:]} is noisy or grainy",
        "Use a cleaner one, or remove the noise first.",
    )


# -- the clip


def _clip(track: PoseTrack) -> Iterable[Finding]:
    nobody = _of_stills(track, lambda s: len(s.boxes)) == 0
    if track.turned:  # nothing else of the person can be told
        yield from _turned(track, "video", "clip")
        yield from _shots(track)
        yield from _camera(track)
        return
    if not (track.seen.any() or track.faced.any()) and nobody.mean() <= THRESHOLDS["nobody"].value:
        yield _finding(
            "video.area",
            "warning",
            "Size of the person",
            "The person in the clip is too small to be followed.",
            "Crop the clip closer to the person.",
            source=UPSTREAM,
        )
        yield from _shots(track)
        return
    if not (track.seen.any() or track.faced.any()) or nobody.mean() > THRESHOLDS["nobody"].value:
        yield _finding(
            "video.person",
            "warning",
            "Person in the clip",
            f"Nobody was found {told_spans(_still_spans(track, nobody))}."
            if not nobody.all()
            else "Nobody was found in the clip.",
            "Choose a clip of one person whose head and upper body are seen.",
            spans=_still_spans(track, nobody),
            source=UPSTREAM,
        )
        yield from _shots(track)
        return
    yield _finding(
        "video.person", "pass", "Person in the clip", FRAMINGS[framing(track) or 0], source=MEASURED
    )
    yield from _torso(track, "video", "clip")
    yield from _people(track)
    yield from _shots(track)
    yield from _leaving(track)
    yield from _camera(track)
    yield from _first_picture(track)
    yield from _back(track)
    yield from _side(track)
    yield from _arms(track)
    yield from _speed(track)
    areas = [s.area for s in track.stills if len(s.boxes)]
    small = _area(
        float(np.median(areas)) if areas else 0.0,
        "video",
        "The person",
        "Crop the clip closer to the person.",
    )
    if small is not None:
        yield small
    yield from _quality("video", list(track.stills), "the clip", track.seconds)
    yield from _made_of(track)


def _people(track: PoseTrack) -> Iterable[Finding]:
    count = _count(track)
    several = count >= 2
    if not several.any():
        yield _finding("video.people", "pass", "People in the clip", "one person throughout")
        return
    spans = _still_spans(track, several)
    many = crowd(track)
    if many:
        spans = ((0.0, round(track.seconds, 2)),)
    yield _finding(
        "video.people",
        "warning" if _over("people", float(several.mean())) else "advice",
        "People in the clip",
        "Many people are in the clip all the time."
        if many
        else f"{_counted(int(count.max()))} are in the clip{_when(spans, track.seconds)}.",
        "Crop the clip to the one who should be followed, or use another clip: the largest is followed."
        if _throughout(spans, track.seconds)
        else "Crop the clip to the one who should be followed, or use a part with one person: "
        "the largest is followed.",
        spans=spans,
        source=UPSTREAM,
    )


def _shots(track: PoseTrack) -> Iterable[Finding]:
    if too_few(track):
        yield _finding(
            "video.cuts",
            "unknown",
            "One shot",
            f"Whether the clip has cuts cannot be told: {_TOO_FEW}.",
            source=MEASURED,
        )
        return
    if track.cuts:
        spans = [(t, t) for t in track.cuts]
        yield _finding(
            "video.cuts",
            "warning",
            "One shot",
            f"The clip has {len(spans)} cut{'s' if len(spans) > 1 else ''} {told_spans(spans)}.",
            "Use one shot: cut the clip before or after it.",
            spans=spans,
            source=UPSTREAM,
        )
    if track.changes:
        yield _finding(
            "video.changes",
            "warning",
            "Gradual change",
            f"The picture changes gradually {told_spans(track.changes)}: a dissolve, a fade, or "
            "someone who leaves.",
            "Use another clip."
            if _throughout(track.changes, track.seconds)
            else "Use a part without it.",
            spans=track.changes,
            source=UPSTREAM,
        )
    if track.flashes:
        yield _finding(
            "video.flashes",
            "advice",
            "Flash",
            f"The picture flashes {told_spans(track.flashes)}.",
            "Use a part without it, if there is one.",
            spans=track.flashes,
        )
    if not (track.cuts or track.changes):
        yield _finding("video.cuts", "pass", "One shot", "no cut was found")


_TOO_FEW = "it has too few pictures, or too few a second"


def frozen(track: PoseTrack) -> tuple[Span, ...]:
    """Spans in which the very picture stands still: a freeze, a title card, an empty room."""
    energy = track.scan.energy
    if not len(energy):
        return ()
    step = 1 / track.scan.energy_rate
    on = np.asarray(energy < _frozen_energy(track))
    return _lasting(_spans(track.scan.energy_times - step, on, step, track.seconds))


def rigid(track: PoseTrack) -> bool:
    """Whether it is a still picture that is moved or zoomed: the face keeps its shape, and one motion explains all of the person."""
    if not _bends(track.faces[track.faced]) <= THRESHOLDS["rigid face"].value:
        return False
    shares = [_moved(a, b) for a, b in itertools.pairwise(track.stills)]
    known = [share for share in shares if math.isfinite(share)]
    return bool(known) and _over("moved", float(np.percentile(known, 10)))


@functools.lru_cache(maxsize=256)
def _moved(before: Still, after: Still) -> float:
    if not (len(before.boxes) and before.jpeg and after.jpeg):
        return math.nan
    return layout.moved(before.pixels(), after.pixels(), before.boxes[0])


def _bends(points: Floats) -> float:
    """How far points (n, k, 3) move within their own shape, 80th percentile in parts of its size; NaN for less than four moments."""
    if len(points) < 4:
        return math.nan
    flat = points[..., 0] + 1j * points[..., 1]
    flat -= flat.mean(1, keepdims=True)
    shape = flat[0]
    for _ in range(3):  # turned and scaled onto the median shape
        onto = (flat.conj() * shape).sum(1) / (np.abs(flat) ** 2).sum(1)
        fitted = flat * onto[:, None]
        shape = np.median(fitted.real, 0) + 1j * np.median(fitted.imag, 0)
    size = math.sqrt(float((np.abs(shape) ** 2).mean()))
    return float(np.percentile(np.abs(fitted - shape), 80)) / max(size, 1e-6)


def _frozen_energy(track: PoseTrack) -> float:
    """Change in grey levels below which a picture stands still. A small person changes less of it."""
    area = float(np.median([s.area for s in track.stills])) if track.stills else 1.0
    return THRESHOLDS["frozen"].value * min(1.0, area / 0.2)


def _leaving(track: PoseTrack) -> Iterable[Finding]:
    whole = _whole(track)
    if whole.mean() >= THRESHOLDS["torso"].value:
        return
    spans = _look_spans(track, ~whole)
    outside = any(_at_edge(track, a, b) for a, b in runs(~whole))
    told = "are out of the frame" if outside else "cannot be seen"
    yield _finding(
        "video.leaving",
        "warning",
        "Head and upper body",
        f"Head or upper body of the person {told}{_when(spans, track.seconds)}.",
        "Use another clip, or crop less."
        if _throughout(spans, track.seconds)
        else f"Use a part in which they are{', or crop less' if outside else ' seen'}.",
        spans=spans,
        source=UPSTREAM,
    )


def _at_edge(track: PoseTrack, first: int, last: int) -> bool:
    """Whether head, shoulders or hips are at the edge of the frame, or beyond, in some looks or in those beside them."""
    some = track.bodies[max(0, first - 1) : last + 2][:, [NOSE, *SHOULDERS, *HIPS], :2]
    points = some[np.isfinite(some[..., 0])] / np.array(track.size, np.float64)
    return bool(((points < 0.01) | (points > 0.99)).any())


def _camera(track: PoseTrack) -> Iterable[Finding]:
    known = np.isfinite(track.camera[:, 1])
    if too_few(track):
        yield _finding(
            "video.camera",
            "unknown",
            "Camera",
            f"Whether the camera moves cannot be told: {_TOO_FEW}.",
            source=UPSTREAM,
        )
        return
    if len(known) < 3 or known.mean() < THRESHOLDS["camera known"].value:
        yield _finding(
            "video.camera",
            "unknown",
            "Camera",
            "Whether the camera moves cannot be told: the background is too plain, or hidden.",
            source=UPSTREAM,
        )
        return
    shift = float(np.median(np.hypot(*track.camera[known, 1:3].T)))
    zoom = float(np.median(track.camera[known, 3]))
    moves, zooms = _over("camera", shift), _over("zoom", abs(zoom))
    with np.errstate(invalid="ignore"):
        fast = np.hypot(*track.camera[:, 1:3].T) > THRESHOLDS["camera"].value
        fast |= abs(track.camera[:, 3]) > THRESHOLDS["zoom"].value
    step = float(np.median(np.diff(track.camera[:, 0])))
    spans = _spans(track.camera[:, 0] - step, fast, step, track.seconds)
    if moves or zooms:
        told = f"zooms {'in' if zoom > 0 else 'out'}" if zooms else "moves"
        parts = _lasting(spans)
        if parts and sum(b - a for a, b in parts) < 0.8 * track.seconds:
            told += f" {told_spans(parts)}"
    else:  # one look alone may err
        steady = fast.copy()
        steady[1:-1] = fast[:-2].astype(int) + fast[1:-1] + fast[2:] >= 2
        spans = _lasting(
            _spans(track.camera[:, 0] - step, steady, step, track.seconds), "camera part"
        )
        if not spans:
            yield _finding("video.camera", "pass", "Camera", "it stands still", source=UPSTREAM)
            return
        told = f"moves {told_spans(spans)}"
    yield _finding(
        "video.camera",
        "warning" if moves or zooms else "advice",
        "Camera",
        f"The camera {told}.",
        "A camera that stands still is followed best."
        if moves or zooms
        else "Use a part in which it stands still: that is followed best.",
        spans=spans,
        source=UPSTREAM,
    )


def _made_of(track: PoseTrack) -> Iterable[Finding]:
    """Lines of text in the clip, and straight edges between several pictures."""
    some = track.stills[::2]  # captions stay, and each look costs
    text = np.zeros(len(some), np.bool_)
    text[::2] = [_lettered(still) for still in some[::2]]
    for i in range(1, len(some), 2):  # between two that agree nothing is looked at
        before, after = text[i - 1], text[min(i + 1, len(some) - 1)]
        text[i] = before if before == after and i + 1 < len(some) else _lettered(some[i])
    spans = _lasting(_spans_of(some, text, track.seconds), "text")
    if spans:
        yield _finding(
            "video.text",
            "advice",
            "Text in the clip",
            f"A line of text seems to be in the clip{_when(spans, track.seconds)}: what is behind it is not seen.",
            "Crop it away, or use another clip."
            if _throughout(spans, track.seconds)
            else "Crop it away, or use a part without text.",
            spans=spans,
            source=UPSTREAM,
        )
    parts = [_pictures(still) > 1 for still in track.stills[::4]]
    if parts and _over("put together", float(np.mean(parts))):
        yield _finding(
            "video.collage",
            "advice",
            "Split screen",
            "Straight edges run through the clip: it seems to be put together of several pictures, "
            "or to have blurred sides.",
            "Crop it to the part that shows the person.",
            source=UPSTREAM,
        )


def _first_picture(track: PoseTrack) -> Iterable[Finding]:
    first, usual = track.stills[0], float(np.median([s.sharpness for s in track.stills]))
    bright = float(np.median([s.light for s in track.stills]))

    def dark(still: Still) -> bool:
        return still.light < THRESHOLDS["light"].value and still.light < 0.6 * bright

    def clear(still: Still) -> bool:
        sharp = still.sharpness >= THRESHOLDS["first frame"].value * usual
        return len(still.boxes) > 0 and sharp and not dark(still)

    if clear(first) or (crowd(track) and not len(first.boxes)):
        return
    good = next((s.time for s in track.stills if clear(s)), None)
    yield _finding(
        "video.first",
        "warning",
        "First picture",
        "Nobody was found in the first picture of the clip."
        if not len(first.boxes)
        else f"The first picture of the clip is {'dark' if dark(first) else 'blurred'}.",
        f"Begin at {good:.1f} s."
        if good is not None
        else "Begin where the person is clearly seen.",
        spans=[(0.0, good if good is not None else 0.0)],
        source=UPSTREAM,
    )


def _backs(track: PoseTrack) -> Bools:
    """(n,): no face although the person is large enough for one, and the shoulders are the wrong way round or too narrow."""
    wide = np.ptp(track.bodies[:, list(SHOULDERS), 0], axis=1)
    order = track.bodies[:, SHOULDERS[0], 0] < track.bodies[:, SHOULDERS[1], 0]
    # a face that was looked for and not found is the better sign: the landmarks of a back are turned round
    near = np.array([_face_near(track, t) for t in track.times], np.bool_)
    return np.asarray(
        track.seen
        & ~near
        & (track.bodies[:, NOSE, 1] > 0.03 * track.size.height)
        & ((order & (wide > 12)) | (wide > 40))
    )


def _part(spans: Iterable[Span], track: PoseTrack) -> str:
    """What to use instead: a part of the clip, or a clip."""
    return "clip" if _throughout(spans, track.seconds) else "part"


def _back(track: PoseTrack) -> Iterable[Finding]:
    seen = track.seen
    if not seen.any():
        return
    back = _backs(track)
    share = float(np.mean(back[seen]))
    if share < 0.15:
        return
    spans = tuple(s for s in _look_spans(track, back) if s[1] - s[0] > 0.6)
    if not spans:
        return
    yield _finding(
        "video.back",
        "warning" if _over("back", share) else "advice",
        "Facing the camera",
        f"The person is turned away from the camera{_when(spans, track.seconds)}.",
        f"Use a {_part(spans, track)} in which the face is seen.",
        spans=spans,
        source=UPSTREAM,
    )


def _side(track: PoseTrack) -> Iterable[Finding]:
    turned = np.nan_to_num(np.abs(facing(track))) > THRESHOLDS["side"].value
    spans = _lasting(_look_spans(track, turned & track.seen))
    if spans:
        yield _finding(
            "video.side",
            "advice",
            "Side view",
            f"The person is seen from the side{_when(spans, track.seconds)}.",
            f"Use a {_part(spans, track)} in which the face is turned to the camera: a hidden side is invented.",
            spans=spans,
            source=UPSTREAM,
        )


def _face_near(track: PoseTrack, time: float) -> bool:
    """Whether a face was found within half a second."""
    near = abs(track.times - time) <= 0.5
    return bool(track.faced[near].any()) or any(
        s.faces > 0 for s in track.stills if abs(s.time - time) <= 0.5
    )


def _arms(track: PoseTrack) -> Iterable[Finding]:
    if (framing(track) or 0) >= 3:
        return  # arms end outside the frame
    worst = 0.0
    spans: tuple[Span, ...] = ()
    for joint in (*WRISTS, *ELBOWS):
        points = track.bodies[:, joint]
        inside = track.seen & _inside(track, points)
        hidden = inside & (points[:, 3] < 0.5)
        share = float(hidden.sum() / max(1, track.seen.sum()))
        if share > worst:
            worst, spans = share, _look_spans(track, hidden)
    if _over("hidden", worst):
        yield _finding(
            "video.arms",
            "advice",
            "Arms and hands",
            f"An arm or a hand of the person is hidden{_when(spans, track.seconds)}.",
            "Clips in which arms and hands are seen are followed better.",
            spans=spans,
            source=UPSTREAM,
        )


def _speed(track: PoseTrack) -> Iterable[Finding]:
    if too_few(track):
        yield _finding(
            "video.still",
            "unknown",
            "Motion",
            f"How much the person moves cannot be told: {_TOO_FEW}.",
        )
        return
    # where two people are seen, the one who is followed may change
    alone = _at(np.array([s.time for s in track.stills]), _count(track) <= 1, track.times)
    for a, b in (*((t, t) for t in track.cuts), *track.changes, *track.flashes):
        alone &= (track.times < a - 0.3) | (track.times > b + 0.3)
    speed = track.speed[np.isfinite(track.speed) & alone]
    # one look's speed is uncertain, so a quarter of many must be fast
    if len(speed) >= _LOOKS_OF_SPEED and _over("fast", float(np.percentile(speed, 75))):
        fast = alone & (np.nan_to_num(track.speed) > THRESHOLDS["fast"].value)
        spans = _look_spans(track, fast)
        yield _finding(
            "video.fast",
            "advice",
            "Speed",
            f"Some movements are very fast{_when(spans, track.seconds)}.",
            "Slower movements are followed better; hands blur.",
            spans=spans,
            source=UPSTREAM,
        )
    quiet = len(speed) < 4 or float(np.percentile(speed, 90)) < THRESHOLDS["still"].value
    energy = float(np.percentile(track.scan.energy, 90)) if len(track.scan.energy) else 0.0
    # landmarks tremble on a still picture
    if energy < _frozen_energy(track) or (quiet and not _over("still face", energy)):
        yield _finding(
            "video.still",
            "warning",
            "Motion",
            "The person hardly moves in the clip.",
            "Choose a clip with the motion that the result should have.",
        )
    elif rigid(track):
        yield _finding(
            "video.still",
            "warning",
            "Motion",
            "The person in the clip does not move: the clip seems to be a still picture under a camera that moves.",
            "Choose a clip with the motion that the result should have.",
        )
    elif spans := frozen(track):
        yield _finding(
            "video.still",
            "advice",
            "Motion",
            f"The picture stands still {told_spans(spans)}.",
            "Use a part in which the person moves: each second is paid for.",
            spans=spans,
        )


def clean_take(track: PoseTrack, least: float = LEAST) -> Span | None:
    """The longest stretch, seconds, with one person who moves, no cut, head and torso in the frame, and light.

    Rounded inwards to a tenth of a second; None when it is shorter than ``least``.
    """
    if too_few(track):
        return None
    grid, holes = _holes(track)
    good = ~np.any([*holes.values()], axis=0)
    for cut in track.cuts:
        good[max(0, math.ceil(cut / _GRID - 1e-6) - 1)] = False
    spans = [(float(grid[a]), float(min(track.seconds, grid[b] + _GRID))) for a, b in runs(good)]
    best = max(spans, key=lambda s: s[1] - s[0], default=(0.0, 0.0))
    start, end = math.ceil(best[0] * 10 - 1e-6) / 10, best[1]
    end = track.seconds if end >= track.seconds - _GRID else math.floor(end * 10 + 1e-6) / 10
    return (round(start, 3), round(end, 3)) if end - start >= least - 1e-6 else None


_GRID, _SHORT = 0.05, 0.3
"""Seconds between the moments that a clean take is put together from, and of a fault that is left out where others are told."""


def _holes(track: PoseTrack) -> tuple[Floats, dict[str, Bools]]:
    """Moments of the clip, and for each fault, by its words, at which of them it is there."""
    grid = np.arange(0.0, track.seconds, _GRID)
    holes: dict[str, Bools] = {}
    if track.stills:
        times = np.array([s.time for s in track.stills])
        count = _count(track)
        light = _of_stills(track, lambda s: s.light)
        many = crowd(track)
        holes["nobody is found"] = _at(times, (count == 0) & ~np.bool_(many), grid)
        holes["more than one person"] = _at(times, (count > 1) | np.bool_(many), grid)
        holes["darkness"] = _at(times, (count > 0) & (light < THRESHOLDS["light"].value), grid)
    if len(track.times):
        cut_off = ~_at(track.times, _filled(_whole(track)), grid)
        nobody = holes.get("nobody is found", np.zeros_like(cut_off))
        holes["head or upper body are not seen"] = np.asarray(cut_off & ~nobody)
    for words, spans in (
        ("a gradual change", track.changes),
        ("a flash", track.flashes),
        ("a picture that stands still", frozen(track)),
    ):
        holes[words] = np.zeros(len(grid), np.bool_)
        for a, b in spans:
            holes[words] |= (grid >= a) & (grid <= b)
    return grid, holes


def _filled(on: Bools) -> Bools:
    """Single gaps between two that are on, closed."""
    out = on.copy()
    out[1:-1] |= on[:-2] & on[2:]
    return np.asarray(out)


def _at(times: Floats, on: Bools, grid: Floats) -> Bools:
    """The value of the nearest moment."""
    edges = (times[1:] + times[:-1]) / 2
    return np.asarray(on[np.searchsorted(edges, grid)])


# -- the pair

_BONES = (
    (SHOULDERS[0], ELBOWS[0]),
    (ELBOWS[0], WRISTS[0]),
    (SHOULDERS[1], ELBOWS[1]),
    (ELBOWS[1], WRISTS[1]),
    (HIPS[0], KNEES[0]),
    (KNEES[0], ANKLES[0]),
    (HIPS[1], KNEES[1]),
    (KNEES[1], ANKLES[1]),
    (SHOULDERS[0], HIPS[0]),
    (SHOULDERS[1], HIPS[1]),
)

# Differences of two faces that count as one: degrees of turn, nod and tilt, then parts of the face. Other scales, from half to
# one and a half, gave the same order of starts. More than three of one part counts as three; all of a face count as 16 beside a body.
_SCALES = np.array([10.0, 10.0, 8.0, 0.1, 0.16, 0.2, 0.1, 0.08])
_MOST_APART, _MOST_OF_FACE = 9.0, 16.0
_SAME_BUILD = 0.7
"""Squared difference of the expression up to which a face is one of the clip's. Measured: 0.65 at most for 57 of 60 faces of a clip in
another size and proportion, 2 and more for a drawn and a rendered face beside a man's."""
_REST = np.array([[0.0, 1.2, 1.2, 0.26, 0.36], [0.06, 1.6, 1.45, 0.4, 0.48]])
"""Parts of a face that is at rest, the least and the most of the eight people in the example clips and pictures."""
_WITH_BODY, _ALONE = 24.0, 12.0
_FROM_BEHIND = 0.4
"""What is left of the likeness of a person who is seen from behind to one who is not. Assumed."""
_UNLIKE_BODY, _UNLIKE_FACE = 0.85, 4.0
"""Likeness of the bones below which, and squared difference of the face from which, the text names the part. Assumed."""
_SHORT_BONE = 0.35
"""Torsos below which the direction of a bone counts less: seen from its end, it has none."""


def facing(track: PoseTrack) -> Floats:
    """(n,): turn of the head, -1 (its left side) to 1; 0 is towards the camera. NaN where it is not seen."""
    nose, left, right = (track.bodies[:, k, :2] for k in (NOSE, *EARS))
    middle, half = (left + right) / 2, np.linalg.norm(left - right, axis=1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        turn = (nose[:, 0] - middle[:, 0]) / np.maximum(half, 1.0)
        return np.asarray(np.clip(turn / 1.5, -1, 1))


class _Likeness(NamedTuple):
    value: Floats
    """(n,): 0..1; NaN where neither a body nor a face is seen well enough in both."""
    pose: Bools
    """(n,): whether the pose differs."""
    facing: Bools
    """(n,): whether the head is turned another way."""
    expression: Bools
    """(n,): whether the expression differs."""

    def differs(self, i: int) -> str:
        """What differs most at one look: ``with another pose and expression``."""
        parts = [part for part in ("pose", "facing", "expression") if getattr(self, part)[i]]
        names = [{"facing": "turn of the head"}.get(part, part) for part in parts]
        return f"with another {' and '.join(names) or 'pose'} than the picture's"


def likeness(image: PoseTrack, video: PoseTrack) -> _Likeness:
    """How much the person in the picture stands and looks as the person in the clip does at each look.

    Of bodies: mean of exp(-(angle / 40 degrees)^2) over the bones that both show, times what the difference of the
    heads leaves. Where fewer than four bones are seen, of faces alone. NaN where neither is seen well enough.
    """
    body, bones = _body_likeness(image.bodies[:1], video.bodies)
    eyes = np.minimum(_eyes(image.faces[:1]), _eyes(video.faces))
    apart = _apart(_expression(video.faces), _expression(image.faces[:1]))
    turned, said = _grows(eyes, *TURN_EYES), _grows(eyes, *EXPRESSION_EYES)
    view, look = turned * apart[:, :3].sum(1), said * apart[:, 3:].sum(1)
    face = view + look
    known = np.isfinite(face)
    # a face that is too small for its mesh is turned by the points of the body's head
    turn = np.nan_to_num(np.abs(facing(video) - facing(image)[0]))
    rough = np.clip(turn, 0, 1) * (1 - np.where(known, turned, 0.0))
    head = np.exp(-np.where(known, np.minimum(face, _MOST_OF_FACE), 0.0) / _WITH_BODY)
    head *= 1 - 0.5 * rough
    with np.errstate(invalid="ignore"):
        alone = np.where(known & (said > 0), np.exp(-face / _ALONE), np.nan)
    # bones look the same from behind
    turned_away = _backs(video) & ~_backs(image)[0]
    head = np.where(turned_away, _FROM_BEHIND * head, head)
    return _Likeness(
        np.asarray(np.where(bones >= 4, body * head, alone)),
        np.asarray((bones >= 4) & (body < _UNLIKE_BODY)),
        (np.nan_to_num(view) > _UNLIKE_FACE) | (rough > 0.5) | turned_away,
        np.nan_to_num(look) > _UNLIKE_FACE,
    )


def _body_likeness(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """(n,) twice: likeness of the directions of the bones that both show, 0..1, and how many those are."""
    (mine, my), (theirs, their) = _bones(one), _bones(other)
    both = np.minimum(my, their)
    angle = np.degrees(np.arccos(np.clip((mine * theirs).sum(2), -1, 1)))
    weight = np.clip(np.nan_to_num(both) / _SHORT_BONE, 0, 1)
    near = weight * np.exp(-((np.nan_to_num(angle) / 40) ** 2))
    seen: Floats = np.isfinite(both).sum(1).astype(np.float64)
    return near.sum(1) / np.maximum(weight.sum(1), 0.5), seen


def _bones(bodies: Floats) -> tuple[Floats, Floats]:
    """Unit direction (n, k, 2) and length (n, k) in torsos of each bone; NaN where an end of it is not seen."""
    a, b = (np.array([bone[i] for bone in _BONES]) for i in (0, 1))
    along = bodies[:, b, :2] - bodies[:, a, :2]
    seen = np.minimum(bodies[:, a, 3], bodies[:, b, 3]) > 0.5
    length = np.linalg.norm(along, axis=2)
    trunk = bodies[:, list(SHOULDERS), :2].mean(1) - bodies[:, list(HIPS), :2].mean(1)
    torso = np.maximum(np.linalg.norm(trunk, axis=1), 1e-6)
    unit = along / np.maximum(length, 1e-6)[..., None]
    return np.where(seen[..., None], unit, np.nan), np.where(seen, length / torso[:, None], np.nan)


def _eyes(faces: Floats) -> Floats:
    """(n,): pixels between the outer corners of the eyes."""
    return np.asarray(np.linalg.norm(faces[:, 33, :2] - faces[:, 263, :2], axis=1))


def _grows(value: Floats, low: float, high: float) -> Floats:
    return np.asarray(np.clip((value - low) / (high - low), 0.0, 1.0))


def _expression(faces: Floats) -> Floats:
    """(n, 8): turn, nod and tilt in degrees; opening and width of the mouth, chin, eyes and brows.

    The last five are lengths over others of the same face that do not move.
    """

    def apart(a: int, b: int) -> Floats:
        return np.asarray(np.linalg.norm(faces[:, a] - faces[:, b], axis=1))

    def unit(v: Floats) -> Floats:
        return np.asarray(v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-6))

    across = unit(faces[:, 454] - faces[:, 234])
    down = faces[:, 152] - faces[:, 10]
    down = unit(down - (down * across).sum(1, keepdims=True) * across)
    tilt = faces[:, 263] - faces[:, 33]
    nose, between = np.maximum(apart(168, 2), 1e-6), np.maximum(apart(133, 362), 1e-6)
    eyes = apart(159, 145) / np.maximum(apart(33, 133), 1e-6)
    eyes += apart(386, 374) / np.maximum(apart(263, 362), 1e-6)
    return np.stack(
        [
            np.degrees(np.arctan2(across[:, 2], across[:, 0])),
            np.degrees(np.arctan2(down[:, 2], down[:, 1])),
            np.degrees(np.arctan2(tilt[:, 1], tilt[:, 0])),
            apart(13, 14) / nose,
            apart(61, 291) / between,
            apart(2, 152) / nose,
            eyes / 2,
            (apart(105, 159) + apart(334, 386)) / 2 / nose,
        ],
        1,
    )


def _apart(clip: Floats, picture: Floats) -> Floats:
    """(n, 8): squared differences of the faces of a clip to that of a picture.

    Where no moment has the picture's expression, the face is of another build, or drawn: a small mouth or large eyes are no
    expression then, and what each face departs from itself at rest is compared.
    """

    def squared(clip: Floats, picture: Floats) -> Floats:
        return np.asarray(np.minimum(((clip - picture) / _SCALES) ** 2, _MOST_APART))

    out = squared(clip, picture)
    nearest = out[:, 3:].sum(1)
    nearest = nearest[np.isfinite(nearest)]
    if not len(nearest) or nearest.min() < _SAME_BUILD:
        return out
    return squared(_from_rest(clip), _from_rest(picture))


def _from_rest(parts: Floats) -> Floats:
    """The parts after the three angles, less those of the face at rest: the median, within what people have."""
    rest = np.clip(np.nanmedian(parts[:, 3:], 0), *_REST)
    return np.column_stack([parts[:, :3], parts[:, 3:] - rest])


def rank_starts(
    image: PoseTrack, video: PoseTrack, character_orientation: CharacterOrientation = "video"
) -> list[Start]:
    """Moments of the clip to begin at, the best first, half a second apart at least.

    A start leaves 3 s (5 s in image orientation, where the clip has them) and lies in the clean take, if there is one.
    """
    match = likeness(image, video).value
    wanted = LEAST if character_orientation == "video" else IMAGE_SECONDS
    low, high = clean_take(video) or _longest_shot(video)
    last = max(low, high - min(wanted, high - low))

    def end(begin: float) -> float:
        return round(min(high, begin + wanted) if character_orientation == "image" else high, 3)

    starts = [
        Start(round(float(t), 1), round(float(m), 4), end(round(float(t), 1)))
        for t, m in zip(video.times, match, strict=True)
        if math.isfinite(m) and low - 1e-6 <= t <= last + 1e-6
    ]
    best: list[Start] = []
    for start in sorted(starts, key=lambda s: -s.match):
        if all(abs(start.time - other.time) >= 0.5 for other in best):
            best.append(start)
        if len(best) == STARTS:
            break
    return best


def _longest_shot(track: PoseTrack) -> Span:
    """The longest part without a cut or a gradual change."""
    edges = sorted([(0.0, 0.0), *((t, t) for t in track.cuts), *track.changes])
    edges.append((track.seconds, track.seconds))
    parts = [(a[1], b[0]) for a, b in itertools.pairwise(edges)]
    return max(parts, key=lambda part: part[1] - part[0])


def _pair(
    image: PoseTrack,
    video: PoseTrack,
    starts: list[Start],
    character_orientation: CharacterOrientation,
) -> Iterable[Finding]:
    mine, theirs = framing(image), framing(video)
    if mine is None or theirs is None:
        return
    if mine > theirs:
        steps = mine - theirs
        yield _finding(
            "pair.framing",
            "warning" if steps >= 2 else "advice",
            "Framing of both",
            f"The picture shows {_SHOWN[mine]}, the clip {_SHOWN[theirs]}: "
            "what the picture does not show is invented.",
            f"Use a picture that shows {_SHOWN[theirs]}, or crop the clip to what the picture shows.",
            source=UPSTREAM,
        )
    elif theirs - mine >= 2:
        result = "is framed as the clip" if character_orientation == "video" else "moves only there"
        yield _finding(
            "pair.framing",
            "advice",
            "Framing of both",
            f"The picture shows {_SHOWN[mine]}, the clip {_SHOWN[theirs]}: the result {result}.",
            f"Crop the picture to {_SHOWN[theirs].removeprefix('only ')}, or use a clip that shows {_SHOWN[mine]}.",
            source=UPSTREAM,
        )
    else:
        yield _finding("pair.framing", "pass", "Framing of both", FRAMINGS[mine])
    yield from _pose_at_start(image, video, starts, character_orientation)
    yield from _proportions(image, video)


def _pose_at_start(
    image: PoseTrack,
    video: PoseTrack,
    starts: list[Start],
    character_orientation: CharacterOrientation,
) -> Iterable[Finding]:
    alike = likeness(image, video)
    known = np.isfinite(alike.value)
    if not known.any():
        yield _finding(
            "pair.start",
            "unknown",
            "Pose at the start",
            "Whether the poses match cannot be told: too little of a body or a face is seen in both.",
            source=UPSTREAM,
        )
        return
    at = int(np.argmax(known))
    first = float(alike.value[at])
    better = [s for s in starts[:_TOLD_STARTS] if s.match > first + 0.15 and s.time > 0.3]
    poor = first < THRESHOLDS["pose"].value
    if not (poor or better):
        yield _finding(
            "pair.start",
            "pass",
            "Pose at the start",
            f"alike ({100 * first:.0f} %)",
            source=UPSTREAM,
        )
        return
    told = f"The clip begins {alike.differs(at)} ({100 * first:.0f} % alike)"
    fix = "A picture that is like the clip's start gives a steadier result."
    if better:
        best, *rest = better
        told += f"; at {best.time:.1f} s they match best ({100 * best.match:.0f} %)"
        told += f", then at {' and '.join(f'{s.time:.1f} s' for s in rest)}" if rest else ""
        until = f", and use {best.time:.1f} to {best.end:.1f} s"
        fix = f"Start at {best.time:.1f} s{until if character_orientation == 'image' else ''}: the pose matches best there."
    yield _finding(
        "pair.start",
        "warning" if poor and (better or first < THRESHOLDS["pose apart"].value) else "advice",
        "Pose at the start",
        f"{told}.",
        fix,
        spans=[(s.time, s.time) for s in better],
        source=UPSTREAM,
    )


def _proportions(image: PoseTrack, video: PoseTrack) -> Iterable[Finding]:
    """Head against height where both show a whole body: a child's is about 1 to 5, an adult's 1 to 7."""
    mine, theirs = _head_share(image), _head_share(video)
    if mine is None or theirs is None:
        return
    if abs(math.log(mine / theirs)) > math.log(1 + 2 * THRESHOLDS["child"].value):
        larger = "larger" if mine > theirs else "smaller"
        yield _finding(
            "pair.proportions",
            "advice",
            "Proportions",
            f"The head of the person in the picture is much {larger} for the body than that of the "
            "person in the clip, such as a child's beside an adult's.",
            "Limbs may be stretched: people of about the same build are followed best.",
            source=UPSTREAM,
        )


def _upright_legs(bodies: Floats) -> Bools:
    """(n,): whether both legs are stretched and longer than the torso: nobody who sits or bends."""
    hip, knee, ankle = (bodies[:, list(k), :2] for k in (HIPS, KNEES, ANKLES))
    thigh, shin, leg = (
        np.linalg.norm(a - b, axis=2) for a, b in ((hip, knee), (knee, ankle), (hip, ankle))
    )
    torso = np.linalg.norm(bodies[:, list(SHOULDERS), :2].mean(1) - hip.mean(1), axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (leg > 0.93 * (thigh + shin)).all(1) & (leg > 1.1 * torso[:, None]).all(1)
        )


def _head_share(track: PoseTrack) -> float | None:
    """Median width of the head at the ears over the length from shoulders to ankles."""
    seen = visible(track, (*EARS, *SHOULDERS, *HIPS, *KNEES, *ANKLES)).all(1)
    seen &= (np.abs(facing(track)) < 0.35) & _upright_legs(track.bodies)
    if not seen.any():
        return None
    b = track.bodies[seen][..., :2]
    head = np.linalg.norm(b[:, EARS[0]] - b[:, EARS[1]], axis=1)
    shoulders, ankles = b[:, list(SHOULDERS)].mean(1), b[:, list(ANKLES)].mean(1)
    length = np.linalg.norm(shoulders - ankles, axis=1)
    return float(np.median(head / np.maximum(length, 1.0)))
