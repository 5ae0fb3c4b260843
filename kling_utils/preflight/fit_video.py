"""The clip's half of fit: which change answers which finding, whether packets can be kept, and the making of it.

Owns decisions: length, rate, size, copy or encode.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from kling_utils.errors import FfmpegFailed, Interrupted, UnreadableMedia
from kling_utils.media import encode, sized
from kling_utils.media.encode import Clip, Progress, Recipe, Stop
from kling_utils.media.ffmpeg import TimedOut
from kling_utils.media.probe import Streams, look, probe_video
from kling_utils.preflight import fit_words, words
from kling_utils.preflight.check import check_video
from kling_utils.preflight.limits import (
    DOLBY_ONLY,
    HEADER_TOLERANCE,
    limit,
    number,
    show,
)
from kling_utils.preflight.plan import FitChoices, Impossible, Step, VideoPlan, step
from kling_utils.values import Finding, Severity, Size, VideoInfo

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
_ANSWERED = _ENCODED | {
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
_BEST, _FILLING = 17.0, 1.0
"""x264's quality beyond which nothing is seen, and what is gone up to when the source had more to give (0 would be another profile)."""
_HOPELESS = 0.7
"""Share of the size to be expected by now above which going on at the best quality is given up."""
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
    found = {f.code: f for f in findings if f.severity != "pass" and f.code in _ANSWERED}
    if "video.frame_rate" in found and info.frame_rate <= _most_rate():
        del found["video.frame_rate"]  # too few pictures: none can be added
    length = limit("video.duration")
    least, most = Fraction(length.low or 0), Fraction(length.high or 0)
    whole = _readable(info)
    if info.protected:
        return Impossible("video", "video.protected", *fit_words.impossible("protected"))
    if "video.decodes" in found and whole[1] - whole[0] < least:
        what = words.decodes(info.readable, info.duration)
        return Impossible(
            "video", "video.decodes", *fit_words.impossible("damaged.short", what=what)
        )
    short = "video.duration" in found and info.duration < float(least - length.grace)
    if short and (not choices.slow or info.duration < float(least * _SLOWEST)):
        return _too_short(info, found["video.duration"], float(least))
    if "video.duration" in found and found["video.duration"].severity != "error":
        del found["video.duration"]  # a frame or two beyond: it passes
    chosen = choices.start > 0 or (choices.length is not None and choices.length < info.duration)
    turned = info.rotation != 0
    if (
        not chosen
        and not any(f.severity == "error" for f in found.values())
        and not (choices.careful and (found or turned))
    ):
        return None
    clip = Clip(info, look(info.path))
    start, seconds = _cut(info, choices, float(least), float(most))
    trimmed = seconds < info.duration - 0.5 / float(info.frame_rate or 1)
    copied = None
    if not (short or turned or _ENCODED & found.keys() or "video.frame_rate" in found):
        asked = choices.length is not None and choices.length < most
        copied = _copied(clip, start, seconds, trimmed, short=0.0 if asked else _SHORT)
    size = _size(info, choices)
    if isinstance(size, Impossible):
        return size
    plain = size == info.size
    ceiling = int(limit("video.bytes").high or 0)
    build = _Build(clip, found, start, seconds, trimmed)
    if copied is not None and plain and copied[1] <= ceiling:
        recipe = copied[0]
        build.copy(recipe)
        return VideoPlan(info, tuple(build.steps), "copy", recipe, ceiling, fill=False)
    slow = _AIM / Fraction(info.duration).limit_denominator(1000) if short else Fraction(1)
    rate = _rate(info, clip.streams) / (
        slow if short and info.frame_rate / slow >= _USUAL[0] else 1
    )
    frames = max(
        1, math.floor(Fraction(seconds).limit_denominator(100_000) * slow * rate + Fraction(1, 100))
    )
    if frames / rate > most:
        frames = math.floor(most * rate)
    kept = clip.streams.bytes_between(start, start + seconds)
    fill = kept > ceiling
    size = _bounded(size, choices)
    if fill:
        size = _looks_best(size, kept, ceiling, float(frames / rate), float(rate))
    recipe = Recipe(size, rate, frames, start, slow)
    build.encode(recipe, kept if fill else 0, ceiling)
    return VideoPlan(info, tuple(build.steps), "encode", recipe, ceiling, fill)


def make_video(
    plan: VideoPlan, work: Path, *, on_progress: Progress | None, stop: Stop | None
) -> tuple[Path, tuple[Step, ...]]:
    """Make it in the folder ``work``: the file and what was done. Raises ``FfmpegFailed``, ``UnreadableMedia`` and ``Interrupted``."""
    clip = Clip(plan.info, look(plan.info.path))
    try:
        return _make(clip, plan, work, on_progress, stop)
    except TimedOut:
        raise
    except FfmpegFailed:
        if clip.streams.sound is None:
            raise
        # a codec that is known, and packets that are none of it
        silent = Clip(clip.info, replace(clip.streams, sound=None))
        path, done = _make(silent, plan, work, on_progress, stop)
        return path, (*done, step("video.silent"))


def _make(
    clip: Clip, plan: VideoPlan, work: Path, on_progress: Progress | None, stop: Stop | None
) -> tuple[Path, tuple[Step, ...]]:
    dest, done = work / "video.mp4", plan.steps
    if plan.way == "copy":
        try:
            encode.copy(clip, plan.recipe, dest, on_progress=on_progress, stop=stop)
            if _as_planned(dest, plan, sound=clip.streams.sound is not None):
                return dest, done
        except (FfmpegFailed, UnreadableMedia):
            pass  # packets that an MP4 does not take, or an index that does not tell the truth: then it has to be encoded
        done = (
            *(each for each in done if each.code not in ("video.repack",)),
            step("video.encode", cost=fit_words.COST_NONE),
        )
    dest.unlink(missing_ok=True)
    if not plan.fill and _at_best(clip, plan, dest, on_progress, stop):
        return dest, done
    best = _FILLING if plan.fill else _BEST
    job = sized.Sized(
        clip,
        plan.recipe,
        work,
        max_bytes=plan.max_bytes,
        best_crf=best,
        on_progress=on_progress,
        stop=stop,
    )
    job.make(dest)
    return dest, done


def _at_best(
    clip: Clip, plan: VideoPlan, dest: Path, on_progress: Progress | None, stop: Stop | None
) -> bool:
    """Write ``dest`` at the best quality, in a plain pass; False when that will not fit, which shows early."""
    reached = 0.0

    def progress(share: float) -> None:
        nonlocal reached
        reached = share
        if on_progress is not None:
            on_progress(share)

    def too_much() -> bool:
        size = dest.stat().st_size if dest.exists() else 0
        return size > plan.max_bytes or (
            reached > 0.1 and _HOPELESS * size / reached > plan.max_bytes
        )

    try:
        encode.encode(
            clip,
            plan.recipe,
            dest,
            crf=_BEST,
            on_progress=progress,
            stop=lambda: too_much() or (stop is not None and stop()),
        )
    except Interrupted:
        if stop is not None and stop():
            raise
        return False
    return dest.stat().st_size <= plan.max_bytes


class _Build:
    """Collects the steps of one clip."""

    def __init__(
        self, clip: Clip, found: dict[str, Finding], start: float, seconds: float, trimmed: bool
    ) -> None:
        self.clip, self.found, self.trimmed = clip, found, trimmed
        self.start, self.seconds = start, seconds
        self.steps: list[Step] = []

    def add(self, code: str, *answers: str, **values: object) -> None:
        there = [self.found[each].severity for each in answers if each in self.found]
        worst: Severity = (
            "error" if "error" in there else "warning" if "warning" in there else "advice"
        )
        self.steps.append(
            step(code, tuple(each for each in answers if each in self.found), worst, **values)
        )

    def copy(self, recipe: Recipe) -> None:
        if self.trimmed:
            self._cut("video.cut", recipe.seconds)
        self._silenced()
        if self.clip.info.container not in ("mp4", "mov") or not self.trimmed:
            self.add("video.repack", "video.container", "video.bytes", "video.header")

    def encode(self, recipe: Recipe, kept: int, ceiling: int) -> None:
        """``kept``: bytes of what is kept of the source, when they are more than ``ceiling``; else 0."""
        info, found = self.clip.info, self.found
        if self.trimmed:
            self._cut("video.trim", recipe.seconds)
        self._silenced()
        if recipe.slow != 1:
            share = f"{round(100 / recipe.slow)} %"
            self.add(
                "video.slow",
                "video.duration",
                share=share,
                from_=show(info.duration, "s"),
                to=show(recipe.seconds, "s"),
            )
        if info.rotation:
            self.add("video.upright", degrees=info.rotation)
        if info.interlaced:
            self.add("video.scan", "video.scan")
        if "video.frame_rate" in found:
            self.add(
                "video.fewer",
                "video.frame_rate",
                "video.rate",
                from_=number(info.frame_rate),
                to=number(recipe.rate),
            )
        elif info.variable_rate:
            self.add("video.rate", "video.rate", to=number(recipe.rate))
        if info.other_sizes:
            later = ", ".join(map(str, info.other_sizes))
            self.add("video.one_size", "video.one_size", from_=later, to=info.size)
        if "video.crop" in found:
            self.add("video.crop", "video.crop", from_=info.coded, to=info.visible)
        self._sizes(recipe.size, shrink=kept > 0)
        if info.dolby_profile == DOLBY_ONLY:
            self.add("video.dolby")
        if self.clip.streams.colour.hdr:
            self.add("video.hdr", "video.pixels")
        elif "video.pixels" in found:
            self.add("video.colours", "video.pixels", from_=words.name(info.pixel_format))
        cost = "" if info.dolby_profile == DOLBY_ONLY else fit_words.COST_NONE
        if kept:
            rate = number(round(8 * ceiling / recipe.seconds / 1e6, 1))
            lost = fit_words.shrunk(ceiling / kept)
            told = {
                "from_": show(kept, "bytes"),
                "to": show(ceiling, "bytes"),
                "rate": rate,
                "size": recipe.size,
            }
            self.add("video.shrink", "video.bytes", **told, cost=lost)
            cost = ""
        self.add(
            "video.encode",
            "video.container",
            "video.codec",
            "video.header",
            *(() if kept else ("video.bytes",)),
            cost=cost,
        )

    def _cut(self, code: str, seconds: float) -> None:
        longer = self.clip.info.duration > self.seconds
        bounds = ("video.decodes", "video.header", *(("video.duration",) if longer else ()))
        begins = "its start" if self.start < 0.001 else f"{number(self.start)} s"
        more = () if code == "video.trim" else ("video.bytes",)
        self.add(code, *bounds, *more, to=show(seconds, "s"), start=begins)

    def _silenced(self) -> None:
        if "video.sound" in self.found:
            self.add("video.silent", "video.sound")

    def _sizes(self, size: Size, *, shrink: bool) -> None:
        shown = self.clip.info.size
        told = {"from_": self.clip.info.visible or self.clip.info.coded, "to": shown}
        if "video.pixel_aspect" in self.found:
            self.add("video.square", "video.pixel_aspect", **told)
        even = Size(shown.width // 2 * 2, shown.height // 2 * 2)
        if size == even != shown or ("video.sides_even" in self.found and size == even):
            self.add("video.even", "video.sides_even", from_=shown, to=size)
        elif min(size) > min(shown):
            self.add(
                "video.enlarge",
                "video.side",
                "video.side.kling",
                "video.sides_even",
                from_=shown,
                to=size,
            )
        elif size != shown:
            self.add("video.reduce", "video.side.kling", "video.sides_even", from_=shown, to=size)


def _most_rate() -> Fraction:
    return Fraction(limit("video.frame_rate").high or 60)


def _too_short(info: VideoInfo, finding: Finding, least: float) -> Impossible:
    slower = info.duration >= least * float(_SLOWEST)
    told = {
        "measured": show(info.duration, "s"),
        "allowed": show(least, "s"),
        "share": f"{round(100 * info.duration / float(_AIM))} %",
    }
    return Impossible(
        "video", finding.code, *fit_words.impossible("short.slow" if slower else "short", **told)
    )


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
        cut = encode.copied_frames(clip, start, seconds, short=short)
        if cut is None or cut[1] < float(limit("video.duration").low or 0):
            return None
        frames, length = cut
        begins = float(streams.key_times[abs(streams.key_times - start).argmin()])
        start = begins
    size = streams.bytes_between(start, start + length) * 1.005 + 24 * frames + 8000
    return Recipe(info.size, info.frame_rate, frames, start), int(size)


def _as_planned(path: Path, plan: VideoPlan, *, sound: bool) -> bool:
    """Whether what was copied is legal and whole, with its ``sound``, and its header says so."""
    made = probe_video(path)
    if sound and made.audio_codec is None:
        return False
    errors = [f for f in check_video(made, "video") if f.severity == "error"]
    whole = (
        abs(made.duration - plan.recipe.seconds) <= 1 / plan.recipe.rate and not made.variable_rate
    )
    header = made.duration if made.header_duration is None else made.header_duration
    whole = whole and abs(header - made.duration) <= HEADER_TOLERANCE
    return not errors and whole and made.size_bytes <= plan.max_bytes


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
    rule = limit("video.side.kling")
    least, most = int(rule.low or 0), int(rule.high or 0)
    shown = info.size
    if min(shown) < least and (choices.careful or min(shown) < int(limit("video.side").low or 0)):
        for side in (least, int(limit("video.side").low or 0)):
            size = _even(shown, side / min(shown), up=True)
            if max(size) <= most:
                return size
        return Impossible(
            "video", "video.side", *fit_words.impossible("pixels", measured=words.size(str(shown)))
        )
    if max(shown) > most:
        size = _even(shown, most / max(shown))
        if min(size) >= least:
            return size
        return Impossible(
            "video",
            "video.side.kling",
            *fit_words.impossible("pixels", measured=words.size(str(shown))),
        )
    return shown


def _bounded(size: Size, choices: FitChoices) -> Size:
    """Even, and no larger than what is worth encoding."""
    factor = min(1.0, choices.longest_side / max(size))
    least = int(limit("video.side.kling").low or 0)
    if factor < 1 and min(size) * factor >= least:
        return _even(size, factor)
    return Size(size.width // 2 * 2, size.height // 2 * 2)


def _looks_best(size: Size, kept: int, ceiling: int, seconds: float, rate: float) -> Size:
    """The size that looks best at the rate that the bytes allow. A source with hardly more bytes keeps its own."""
    if ceiling > 0.6 * kept:
        return size
    bits = 8 * 0.95 * ceiling / seconds * math.sqrt(30 / rate)
    share = _PIXELS * (bits / _AT) ** _POWER / (size.width * size.height)
    least = int(limit("video.side.kling").low or 0)
    if share > _WORTH:
        return size
    return _even(size, max(math.sqrt(share), least / min(size)))


def _even(size: Size, factor: float, *, up: bool = False) -> Size:
    rounded = math.ceil if up else round
    width, height = (max(2, rounded(side * factor / 2 - (1e-6 if up else 0)) * 2) for side in size)
    return Size(width, height)
