"""The verdict on results with known faults, and the ranking of starts: ``python tests/bench/judging.py``.

Options as ``truth.py``; run by hand. For each half: the scores of the same clip, of good, damaged and
bad results, how well they are told apart (AUC, and the gap between the worst good and the best bad
one), whether each fault is named, what is said wrongly of good ones, how often the planted best start
is among the first three of ten, and the CPU seconds beside a plain program that gives every frame of
both clips to the nets.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import truth
from people import cpu, every_frame, kept, looked, wilson
from truth import TAKES, Files, Half, Pair, Shot

from kling_utils.media import ffmpeg
from kling_utils.media.people import track, track_image
from kling_utils.preflight.advice import likeness, rank_starts
from kling_utils.review.verdict import fidelity, findings
from kling_utils.values import Fidelity, Finding

AUDIT_RATE = 12.0
"""Looks a second that the audit takes."""
GAP_GOAL, RANK_GOAL, CPU_GOAL = 50.0, 0.9, 7.0


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    pair: Pair
    found: Fidelity
    told: tuple[Finding, ...]

    @property
    def score(self) -> float | None:
        return self.found.score.value

    def warned(self, *codes: str) -> bool:
        return any(f.code.removeprefix("result.") in codes for f in self.warnings)

    @property
    def warnings(self) -> list[Finding]:
        return [f for f in self.told if f.severity == "warning"]

    def near(self, *times: float | None) -> bool:
        return any(t is not None and abs(t - self.pair.when) <= 0.5 for t in times)


NAMED: dict[str, Callable[[Judged], bool]] = {
    "still": lambda j: j.found.score.still,
    "stillzoom": lambda j: j.found.score.still,
    "stillgrain": lambda j: j.found.score.still,
    "wrong": lambda j: j.warned("motion"),
    "otherpart": lambda j: j.warned("motion"),
    "mirrored": lambda j: j.found.reading == "mirrored" or j.pair.reference in ("T", "F1", "F2"),
    "reversed": lambda j: j.found.reading == "reversed" or j.warned("motion"),
    "halfspeed": lambda j: j.found.reading == "speed",
    "doublespeed": lambda j: j.found.reading == "speed",
    "halffrozen": lambda j: j.near(j.found.stops, *(s[0] for s in j.found.frozen)),
    "late": lambda j: j.near(j.found.score.lag, -j.found.score.begins),
    "picturelate": lambda j: (
        j.warned("timing", "motion") and j.near(j.found.score.lag, -j.found.score.begins)
    ),
    "cutoff": lambda j: j.near(j.found.ends),
    "greypicture": lambda j: j.found.colours == "flat",
    "blackwhite": lambda j: j.found.colours == "grey",
    "anotherperson": lambda j: j.warned("person"),
    "otherclothes": lambda j: j.warned("person", "colours"),
    "twopeople": lambda j: j.warned("people"),
    "colourdrift": lambda j: j.warned("colours"),
    "flicker": lambda j: any(f.code == "result.flicker" and f.severity != "pass" for f in j.told),
}
"""What counts as naming a fault. A face from the front looks the same in a mirror: nothing need be said."""


def judged(files: Files, pair: Pair) -> Judged:
    reference, result = (looked(p, AUDIT_RATE) for p in (files.reference, files.result))
    found = fidelity(reference, result, looked(files.picture))
    late = None
    if TAKES[pair.reference].sound and pair.sound != "none":
        late = 0.6 if pair.sound == "late" else 0.0
    return Judged(pair, found, findings(found, sound_late=late))


def auc(good: list[float], bad: list[float]) -> float:
    """How often a good one scores above a bad one; a tie counts half."""
    pairs = [(g > b) + 0.5 * (g == b) for g in good for b in bad]
    return float(np.mean(pairs)) if pairs else float("nan")


def report(name: str, all_of: list[Judged]) -> bool:
    print(f"\n## {name}: fidelity\n\n| results | with a number | score |\n| --- | --- | --- |")
    scores: dict[str, list[float]] = {}
    for verdict in ("self", "good", "damaged", "bad"):
        some = [j for j in all_of if j.pair.verdict == verdict]
        known = sorted(j.score for j in some if j.score is not None)
        scores[verdict] = known
        middle = (
            f"{known[0]:.0f} to {known[-1]:.0f}, median {np.median(known):.0f}" if known else "-"
        )
        print(f"| {verdict} | {len(known)}/{len(some)} | {middle} |")
    good, bad = scores["self"] + scores["good"], scores["bad"]
    gap = min(good, default=0) - max(bad, default=100)
    print(
        f"\nAUC good against bad {auc(good, bad):.3f}, good against damaged {auc(good, scores['damaged']):.3f};"
        f" worst gap {gap:+.0f} points (goal: {GAP_GOAL:.0f})"
    )
    takes = sorted({j.pair.reference for j in all_of})
    print(f"\n| result | named | {' | '.join(takes)} |\n|{' --- |' * (2 + len(takes))}")
    missed, wrong, hits, planted = [], [], 0, 0
    for kind in dict.fromkeys(j.pair.kind for j in all_of):
        some = [j for j in all_of if j.pair.kind == kind]
        cells = {j.pair.reference: "-" if j.score is None else f"{j.score:.0f}" for j in some}
        named = ""
        if kind in NAMED:
            right = [j for j in some if NAMED[kind](j)]
            hits, planted = hits + len(right), planted + len(some)
            named = f"{len(right)}/{len(some)}"
            missed += [j for j in some if j not in right]
        else:
            wrong += [j for j in some if j.warnings]
        print(f"| {kind} | {named} | {' | '.join(cells.get(t, '') for t in takes)} |")
    fair = [j for j in all_of if j.pair.kind not in NAMED]
    print(
        f"\nFaults named: {wilson(hits, planted)}. Good results with a wrong warning: {wilson(len(wrong), len(fair))}"
    )
    for title, some in (("not named", missed), ("wrong warning", wrong)):
        print(f"\n{title}:")
        for j in some:
            said = "; ".join(
                f"{f.code.removeprefix('result.')}: {f.measured}"
                for f in j.told
                if f.severity != "pass"
            )
            print(f"- {j.pair.name}: {j.found.sentence} [{said or 'no warning'}]")
    return gap >= GAP_GOAL and auc(good, bad) == 1.0


def starts(media: truth.Media, folder: Path, half: Half) -> bool:
    """Pictures are frames of the clip itself, in another size, colour, ground and proportion."""
    # The short ones are slowed, so that ten starts are far enough from each other.
    clips = [
        t
        for t in (("D1", 1.0), ("T", 1.0), ("F1", 1.5), ("D2", 2.4), ("S", 2.0), ("F2", 1.5))
        if TAKES[t[0]].half == half
    ]
    even, first, n = 0, 0, 0
    wrong: list[str] = []
    for name, slow in clips:
        s = media.take(name)
        s = s.picked([int(i / slow) for i in range(int(len(s.frames) * slow))])
        path = folder / f"starts_{name}.mp4"
        if not path.exists():
            truth.write(s, path)
        video = track(path)
        places = np.linspace(0.2, s.seconds - 3.2, 10)
        for at in places:
            frame = s.frames[round(at * s.fps)]
            seen = track_image(_altered(s, frame, folder / "start.png"))
            match = np.nan_to_num(likeness(seen, video).value)
            near = [match[np.argmin(abs(video.times - p))] for p in places]
            rank = int(np.sum(np.array(near) > near[list(places).index(at)]))
            best = rank_starts(seen, video)[:3]
            n, even = n + 1, even + (rank < 3)
            hit = any(abs(b.time - at) <= 0.3 for b in best)
            first += hit
            if rank >= 3:
                wrong.append(f"{name} at {at:.1f} s: rank {rank + 1}")
    print(
        f"\nStarts, {half}: the planted one in the first three of ten {wilson(even, n)} (goal: {RANK_GOAL:.0%});"
        f" within 0.3 s of one of the first three told {wilson(first, n)}"
    )
    if wrong:
        print(f"not: {', '.join(wrong)}")
    return even >= RANK_GOAL * n


def _altered(s: Shot, frame: truth.Frame, dest: Path) -> Path:
    small = truth.hue(truth.resize(frame, 0.8), 16)
    small = truth.u8(cv2.resize(small, (round(small.shape[1] * 1.1), small.shape[0])))
    ground = np.full_like(s.frames[0], 200)
    cv2.imwrite(str(dest), truth.paste(ground, small, 0.06 * frame.shape[1], 0.2 * frame.shape[0]))
    return dest


def cost(media: truth.Media) -> bool:
    """The audit of a 10 s pair of 1080x1920 and 720p whose reference was looked at for the advice."""
    with tempfile.TemporaryDirectory() as name:
        reference, result = Path(name) / "reference.mp4", Path(name) / "result.mp4"
        cut = ["-y", "-i", str(media.clip("D1")), "-t", "10"]
        ffmpeg.run([*cut, "-c", "copy", str(reference)], timeout=60)
        ffmpeg.run([*cut, "-vf", "scale=720:-2", "-preset", "veryfast", str(result)], timeout=120)
        track(media.clip("D2"))
        track(reference)
        spent = cpu()
        one, other = track(reference, fps=AUDIT_RATE), track(result, fps=AUDIT_RATE)
        looked = cpu() - spent
        findings(fidelity(one, other))
        ours = cpu() - spent
        plain = every_frame(reference) + every_frame(result)
    print(
        f"\nAudit of a 10 s pair: {ours:.1f} CPU seconds, {looked:.1f} of them looking (goal: {CPU_GOAL});"
        f" every frame of both to the nets {plain:.1f}: {plain / ours:.1f} times as much"
    )
    return ours <= CPU_GOAL


def main() -> int:
    parser = truth.arguments(__doc__)
    parser.add_argument("--cost", action="store_true", help="only the cost")
    parser.add_argument("--starts", action="store_true", help="only the ranking of starts")
    args = parser.parse_args()
    media = truth.Media(truth.media_folder(args.media))
    folder = args.folder or Path(tempfile.mkdtemp(prefix="truth-"))
    results = folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    met = True
    if not (args.cost or args.starts):
        halves: dict[str, list[Judged]] = defaultdict(list)
        for files, pair in truth.results(media, results, args.half, args.only):
            if not args.kept or kept(files.result, AUDIT_RATE).exists():
                halves[pair.half].append(judged(files, pair))
        met = all([report(name, some) for name, some in halves.items()])
    if not (args.cost or args.kept):
        wanted: tuple[Half, ...] = (args.half,) if args.half else ("dev", "held")
        met = all([met, *(starts(media, results, half) for half in wanted)])
    if not (args.starts or args.kept):
        met &= cost(media)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
