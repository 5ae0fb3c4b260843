"""The advice on clips and pictures with planted faults: hits, false alarms and cost, for each half.

``python tests/bench/people.py [--folder FOLDER] [--half dev] [--only 'cut_*'] [--eye] [--cost]``.
Run by hand; ``truth.py`` makes the clips. Counts are given with 95 % intervals (Wilson), because real
sources are few: clips of one source are not independent, so the intervals are narrower than the truth.
``--eye`` judges what ``media.people.track`` alone says. ``--cost`` measures only the cost: 10 s of
1080p beside a plain program that gives every frame to the same nets.
"""

from __future__ import annotations

import functools
import hashlib
import math
import pickle
import resource
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import truth
from truth import RULES, Span, Truth

from kling_utils.media import ffmpeg, people
from kling_utils.media.nets import Net, detect
from kling_utils.media.people import PoseTrack
from kling_utils.media.pose import FaceTracker, PoseTracker, selfie_mask

NEAR = 0.3
"""Seconds by which a told change may be beside the true one."""
LEAST, NO_TAKE = 3.0, (0.0, 0.0)
"""Seconds of a clean take at least; told where there is none."""
FOUND_GOAL, FALSE_GOAL, CPU_GOAL, FIRST_GOAL = 0.95, 0.02, 5.0, 0.2


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of one clip. Spans of a rule; the whole clip where it names none."""

    rules: dict[str, tuple[Span, ...]]
    warnings: frozenset[str] = frozenset()
    """Rules that are shown as a warning; the others are advice."""
    unknown: frozenset[str] = frozenset()
    """Rules that say that they cannot tell."""
    clean: Span | None = None


Teller = Callable[[Path, bool], Told]


def wilson(hits: int, n: int) -> str:
    """Count and 95 % interval of a share."""
    if not n:
        return "-"
    z, p = 1.96, hits / n
    middle, wide = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + s * wide) / (1 + z * z / n) for s in (-1, 1))
    return f"{hits}/{n} ({100 * max(0.0, low):.0f} to {100 * min(1.0, high):.0f} %)"


@functools.cache
def code() -> str:
    """Name of the code that looks at clips: what it saw is kept until one of its files changes."""
    names = ("people.py", "shots.py", "pose.py", "nets.py", "models/models.json")
    media = Path(people.__file__).parent
    return hashlib.sha256(b"".join((media / n).read_bytes() for n in names)).hexdigest()[:10]


def kept(path: Path, fps: float = 4.0) -> Path:
    """Where a track is kept."""
    return path.with_name(f"{path.name}.{code()}-{fps:g}.pickle")


def looked(path: Path, fps: float = 4.0) -> PoseTrack:
    """The track of a made clip or picture, kept beside it: rules can be tried again in seconds."""
    place = kept(path, fps)
    if place.exists() and place.stat().st_mtime >= path.stat().st_mtime:
        seen: PoseTrack = pickle.loads(place.read_bytes())  # noqa: S301 - written below
        return seen
    seen = people.track_image(path) if path.suffix in PICTURES else people.track(path, fps=fps)
    part = place.with_name(f".part-{place.name}")
    part.write_bytes(pickle.dumps(seen))
    part.replace(place)
    return seen


PICTURES = (".png", ".jpg")


def by_eye(path: Path, picture: bool) -> Told:
    """The track alone: shots as they are, people and camera by the thresholds of the first measurement."""
    seen = looked(path)
    counts = np.array([len(still.boxes) for still in seen.stills])
    times = [still.time for still in seen.stills]
    rules: dict[str, tuple[Span, ...]] = {}
    unknown: set[str] = set()
    if (counts == 0).mean() > 0.5:
        rules["nobody"] = ()
    several = _spans(times, counts >= 2, seen.seconds)
    if (counts >= 2).mean() > 0.25 or any(b - a >= 1.0 for a, b in several):
        rules["people"] = several
    changes = tuple((cut, cut) for cut in seen.cuts) + seen.changes
    if changes:
        rules["change"] = changes
    moves = _camera(seen)
    if moves is None and not picture:
        unknown.add("camera")
    elif moves:
        rules["camera"] = ()
    return Told(rules, frozenset(rules), frozenset(unknown))


CODES = {
    "image.person": "nobody",
    "image.people": "people",
    "image.collage": "collage",
    "image.torso": "framing",
    "image.area": "small",
    "image.sharp": "blurred",
    "image.light": "dark",
    "image.noise": "noisy",
    "image.hands": "hidden",
    "image.view": "back",
    "image.turned": "turned",
    "image.text": "text",
    "video.person": "nobody",
    "video.people": "people",
    "video.cuts": "change",
    "video.changes": "change",
    "video.leaving": "leaves",
    "video.torso": "framing",
    "video.camera": "camera",
    "video.first": "first",
    "video.back": "back",
    "video.arms": "hidden",
    "video.fast": "fast",
    "video.still": "still",
    "video.area": "small",
    "video.sharp": "blurred",
    "video.light": "dark",
    "video.noise": "noisy",
    "video.turned": "turned",
    "video.text": "text",
}
"""Rules by the codes of the product's findings; those of flashes and of the pair are not counted."""


def by_advice(path: Path, picture: bool) -> Told:
    """The product's advice."""
    from kling_utils.preflight.advice import advise

    seen = looked(path)
    advice = advise(seen if picture else None, None if picture else seen)
    rules: dict[str, tuple[Span, ...]] = {}
    warned, unknown = set(), set()
    for finding in advice.findings:
        rule = CODES.get(finding.code)
        if rule is None or finding.severity == "pass":
            continue
        if finding.severity == "unknown":
            unknown.add(rule)
            continue
        rules[rule] = rules.get(rule, ()) + finding.spans
        if finding.severity == "warning":
            warned.add(rule)
    clean = None if picture else advice.clean or NO_TAKE
    return Told(rules, frozenset(warned), frozenset(unknown - set(rules)), clean)


def _camera(seen: PoseTrack) -> bool | None:
    known = seen.camera[np.isfinite(seen.camera[:, 1])]
    if len(known) < max(2, 0.3 * len(seen.camera)):
        return None
    shift = float(np.median(np.hypot(known[:, 1], known[:, 2])))
    return shift > 0.015 or abs(float(np.median(known[:, 3]))) > 0.015


def _spans(times: list[float], on: Iterable[bool], end: float) -> tuple[Span, ...]:
    spans: list[Span] = []
    stops = [*times[1:], end]
    for begin, stop, flag in zip(times, stops, on, strict=True):
        if flag and spans and spans[-1][1] == begin:
            spans[-1] = (spans[-1][0], stop)
        elif flag:
            spans.append((begin, stop))
    return tuple(spans)


@dataclass(slots=True)
class Score:
    """Counts of one rule on one half."""

    planted: int = 0
    hits: int = 0
    unknown: int = 0
    """Planted, and the rule said that it cannot tell: neither a hit nor a miss."""
    clean: int = 0
    false: int = 0
    missed: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Half:
    scores: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    clean: int = 0
    warned: list[str] = field(default_factory=list)
    """Clips without a planted fault that got a wrong warning."""
    takes: int = 0
    takes_right: int = 0
    takes_wrong: list[str] = field(default_factory=list)
    spans: int = 0
    spans_right: int = 0


def judge(half: Half, true: Truth, told: Told) -> None:
    """Add one clip to the counts."""
    wrong = set()
    for fault in true.planted:
        names = fault.split("|")
        score = half.scores[names[0]]
        if fault == "change":
            _changes(score, true, told)
        elif any(name in told.rules for name in names):
            score.planted, score.hits = score.planted + 1, score.hits + 1
            if names == ["people"]:
                _when(half, true, told)
        elif all(name in told.unknown for name in names):
            score.unknown += 1
        else:
            score.planted += 1
            score.missed.append(true.name)
    expected = {name for fault in true.planted for name in fault.split("|")} | set(true.open)
    for rule in RULES:
        if rule in expected or (
            true.seconds == 0 and rule in ("change", "camera", "first", "fast", "still")
        ):
            continue
        score = half.scores[rule]
        score.clean += 1
        if rule in told.rules:
            score.false += 1
            at = ", ".join(f"{a:.1f}" for a, _ in told.rules[rule][:4])
            score.alarms.append(f"{true.name}{f' ({at})' if at else ''}")
            wrong.add(rule)
    if not true.planted:
        half.clean += 1
        if wrong & told.warnings:
            half.warned.append(f"{true.name} ({', '.join(sorted(wrong & told.warnings))})")
    _take(half, true, told)


def _changes(score: Score, true: Truth, told: Told) -> None:
    """Each planted change is one event; a told one beside all of them is a false alarm."""
    said = told.rules.get("change", ())

    def near(one: Span, other: Span) -> bool:
        return one[0] - NEAR <= other[1] and other[0] <= one[1] + NEAR

    for event in true.changes:
        score.planted += 1
        if any(near(event, s) for s in said):
            score.hits += 1
        else:
            score.missed.append(f"{true.name} ({event[0]:.1f})")
    beside = [s for s in said if not any(near(event, s) for event in true.changes)]
    score.clean += 1
    if beside:
        score.false += 1
        score.alarms.append(f"{true.name} ({', '.join(f'{a:.1f}' for a, _ in beside[:4])})")


def _when(half: Half, true: Truth, told: Told) -> None:
    """Whether the spans with a second person are those of the truth, where they are a part of the clip."""
    if not true.people or true.people[0][1] - true.people[0][0] > 0.9 * true.seconds:
        return
    half.spans += 1
    said = told.rules["people"] or ((0.0, true.seconds),)
    grid = np.arange(0, true.seconds, 0.1)
    a, b = (
        np.array([any(s <= t < e for s, e in spans) for t in grid]) for spans in (true.people, said)
    )
    half.spans_right += bool((a & b).sum() >= 0.5 * (a | b).sum())


def _take(half: Half, true: Truth, told: Told) -> None:
    """The longest clean take, to half a second; only where the truth is sharp."""
    vague = {"people", "change", "leaves", "nobody", "dark"} & set(true.open)
    length = true.clean[1] - true.clean[0]
    if told.clean is None or vague or true.flashes or abs(length - LEAST) < 0.2:
        return
    half.takes += 1
    off = max(abs(told.clean[0] - true.clean[0]), abs(told.clean[1] - true.clean[1]))
    if (told.clean == NO_TAKE) if length < LEAST else off <= 0.5:
        half.takes_right += 1
    else:
        a, b = told.clean
        half.takes_wrong.append(
            f"{true.name} ({a:.1f} to {b:.1f}, not {true.clean[0]:.1f} to {true.clean[1]:.1f})"
        )


def report(name: str, half: Half) -> bool:
    """Prints the tables of one half. Returns whether the goals were met."""
    print(
        f"\n## {name}\n\n| rule | found | cannot tell | false alarms |\n| --- | --- | --- | --- |"
    )
    for rule in RULES:
        s = half.scores.get(rule, Score())
        if s.planted or s.clean:
            found, alarms = wilson(s.hits, s.planted), wilson(s.false, s.clean)
            print(f"| {rule} | {found} | {s.unknown or ''} | {alarms} |")
    hits, planted = (sum(getattr(s, k) for s in half.scores.values()) for k in ("hits", "planted"))
    print(f"| all | {wilson(hits, planted)} | | |\n")
    print(
        f"Clean clips with a wrong warning: {wilson(len(half.warned), half.clean)} (goal: {FALSE_GOAL:.0%})"
    )
    if half.takes:
        print(f"Longest clean take within 0.5 s: {wilson(half.takes_right, half.takes)}")
    if half.spans:
        print(f"Spans with a second person: {wilson(half.spans_right, half.spans)}")
    for what in ("missed", "alarms"):
        print(f"\n{what}:")
        for rule, s in half.scores.items():
            if getattr(s, what):
                print(f"- {rule}: {', '.join(getattr(s, what))}")
    for what, names in (("wrong takes", half.takes_wrong), ("warned", half.warned)):
        if names:
            print(f"\n{what}: {', '.join(names)}")
    return hits >= FOUND_GOAL * planted and len(half.warned) <= FALSE_GOAL * half.clean


# --- cost ---------------------------------------------------------------------------------------------


def cpu() -> float:
    """CPU seconds of this process and of the programs that it has waited for."""
    each = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(r.ru_utime + r.ru_stime for r in each)


def every_frame(path: Path) -> float:
    """CPU seconds of the plain way: each frame decoded whole, and given to all nets."""
    body, face = PoseTracker("lite", threads=1), FaceTracker(threads=1)
    person, selfie = Net("pose_detection", threads=1), Net("selfie_segmentation", threads=1)
    video, began = cv2.VideoCapture(str(path)), cpu()
    while True:
        ok, frame = video.read()
        if not ok:
            return cpu() - began
        small = truth.resize(truth.u8(frame), 480 / min(frame.shape[:2]))
        detect(person, small, strides=(8, 16, 32, 32, 32), points=4, threshold=0.5)
        body(small)
        face(small, None)
        selfie_mask(small, selfie)


def cost(media: truth.Media, teller: Callable[[Path], object]) -> bool:
    """10 s of 1080x1920 H.264: the advice, its first finding, and the plain way."""
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "ten.mp4"
        source = media.clip("D1")
        ffmpeg.run(["-y", "-i", str(source), "-t", "10", "-c", "copy", str(clip)], timeout=60)
        people.track(media.clip("D2"))  # the nets are loaded
        first: list[float] = []
        spent = cpu()
        people.track(clip, on_still=lambda _s: first.append(cpu() - spent))
        teller(clip)
        ours = cpu() - spent
        plain = every_frame(clip)
    print(
        f"\n10 s of 1080x1920: {ours:.1f} CPU seconds (goal: {CPU_GOAL}), the first look after {first[0]:.2f}"
        f" (goal: {FIRST_GOAL}); every frame to all nets {plain:.1f}: {plain / ours:.1f} times as much"
    )
    return ours <= CPU_GOAL


def main() -> int:
    parser = truth.arguments(__doc__)
    parser.add_argument("--eye", action="store_true", help="what the track alone says")
    parser.add_argument("--cost", action="store_true", help="only the cost")
    args = parser.parse_args()
    media = truth.Media(truth.media_folder(args.media))
    folder = args.folder or Path(tempfile.mkdtemp(prefix="truth-"))
    teller: Teller = by_eye if args.eye else by_advice
    halves: dict[str, Half] = defaultdict(Half)
    met = True
    if not args.cost:
        for what, make in (("clips", truth.clips), ("images", truth.images)):
            for path, true in make(media, folder / what, args.half, args.only):
                if args.kept and not kept(path).exists():
                    continue
                name = f"{true.half}, {what.replace('images', 'pictures')}"
                judge(halves[name], true, teller(path, what == "images"))
        met = all([report(name, half) for name, half in halves.items()])
    if not args.kept:
        met &= cost(media, lambda path: teller(path, False))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
