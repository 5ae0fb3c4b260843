"""A clip made anew so that it fills a size and never exceeds it: in one pass that is steered, in two where that cannot hit the size.

Owns how quality is found for a number of bytes.

A few short windows, encoded twice, tell how many bytes the clip needs at a quality. Then it is encoded in pieces of falling length, each
at the quality that what is left of the budget allows by then; the pieces are joined without another encoding. The last piece is short, so
that making it again is cheap. Pieces begin where a key picture is due anyway, so they cost nothing. What cannot be hit so, because the
end of the clip is unlike the rest, is done in x264's own two passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kling_utils.errors import FfmpegFailed, Interrupted
from kling_utils.media import encode, ffmpeg
from kling_utils.media.arrays import Floats
from kling_utils.media.encode import Clip, Progress, Recipe, Stop

FULL, LOW = 0.97, 0.925
"""Shares of the size: what is aimed at, and what counts as filled."""
_GOP_SECONDS, _SHORT = 2.0, 8.0
"""Where bytes are short a key picture every 2 s: every second costs 0.4 VMAF at 2.6 Mbit/s. Below 8 s of clip there are bytes enough."""
_SHARES = (0.4, 0.7, 0.9, 1.0)
_SAMPLE, _SAMPLED, _WINDOWS = 12, 0.065, (3, 8)
"""Pictures in a window, the share of the clip that is sampled, and the least and most windows."""
_FORESIGHT = 1.35
"""What a window needs more of inside of the clip, where the encoder sees ahead how long a picture will be built upon. Measured: 1.3 to
1.4."""
_ALIKE = 5.0
"""Steps of quality by which the last piece may differ from the others."""
_SLOPE = math.log(2) / 6
"""x264's rule of thumb: 6 steps of quality are a factor of 2 in bytes. It is measured, too, and this only begins the search."""
_WORST = 45.0
_PLENTY = 0.9
_PER_FRAME, _PER_FILE = 20, 3000
"""Bytes that an MP4's index needs for a picture, and all else around them."""

Outcome = Literal["quality", "one pass", "two passes"]


@dataclass(slots=True)
class _Model:
    """Bytes that the clip needs at a quality: ``amount`` for all of it at ``crf``, ``slope`` for the logarithm of a step."""

    crf: float
    amount: float
    slope: float = _SLOPE

    def need(self, crf: float) -> float:
        return self.amount * math.exp(self.slope * (self.crf - crf))

    def solve(self, amount: float) -> float:
        return self.crf + math.log(self.amount / max(amount, 1.0)) / self.slope


class Sized:
    """One encoding of ``clip`` by ``recipe`` into at most ``max_bytes``, with its temporary files in the folder ``work``.

    ``best_crf``: the quality (0 to 51, less is better) beyond which more bytes are not worth having, though they would fit.
    """

    def __init__(
        self,
        clip: Clip,
        recipe: Recipe,
        work: Path,
        *,
        max_bytes: int,
        best_crf: float,
        on_progress: Progress | None,
        stop: Stop | None,
    ) -> None:
        self.clip, self.recipe, self.work = clip, recipe, work
        self.max_bytes, self.best_crf = max_bytes, best_crf
        self._report, self._stop = on_progress or (lambda share: None), stop
        self.gop_seconds = _GOP_SECONDS if recipe.seconds > _SHORT else float(ffmpeg.GOP_SECONDS)
        self.gop = encode.gop(recipe, self.gop_seconds)
        self._weights = _weights(clip, recipe)
        self._sound: Path | None = None

    def make(self, dest: Path) -> Outcome:
        """Write ``dest``. Raises ``FfmpegFailed`` and ``Interrupted``."""
        self._sound = self._encode_sound()
        around = (
            (self._sound.stat().st_size if self._sound else 0)
            + _PER_FILE
            + _PER_FRAME * self.recipe.frames
        )
        budget = FULL * self.max_bytes - around
        if budget <= 0:
            raise FfmpegFailed("The sound alone does not fit.", hint="Use a shorter clip.")
        model = self._calibrate(budget)
        if model.need(self.best_crf) < _PLENTY * budget:
            self._piece(0, 0, self.recipe.frames, self.best_crf, 0.1, 0.97)
            self._join(dest, 1)
            if dest.stat().st_size <= self.max_bytes:
                return "quality"
        else:
            pieces, hit = self._steer(model, budget)
            self._join(dest, pieces)
            if dest.stat().st_size <= self.max_bytes and (
                hit or dest.stat().st_size >= LOW * self.max_bytes
            ):
                return "one pass"
        self._two_passes(budget, dest)
        return "two passes"

    # -- how much is needed ----------------------------------------------------------------------------------------------------------

    def _calibrate(self, budget: float) -> _Model:
        frames = self.recipe.frames
        count = max(_WINDOWS[0], min(_WINDOWS[1], round(_SAMPLED * frames / _SAMPLE)))
        length = min(_SAMPLE, frames)
        firsts = self._windows(count, frames - length)
        # 0.045 bits a pixel is about quality 26 for a filmed person
        pixels = self.recipe.size.width * self.recipe.size.height
        guess = min(
            38.0, max(14.0, 26 - 6 * math.log2(max(8 * budget / frames / pixels, 1e-6) / 0.045))
        )
        model = _Model(guess, self._scaled(firsts[len(firsts) // 2], length, guess))
        crf = self._within(model.solve(budget))
        self._report(0.03)
        amounts = [self._scaled(first, length, crf) for first in firsts]
        if abs(crf - guess) > 1:
            model.slope = _slope(model.amount, amounts[len(firsts) // 2], crf - guess)
        # the windows tell which parts need more than the source's own bytes say
        centres = [first + length / 2 for first in firsts]
        corrected = self._weights * np.interp(np.arange(frames), centres, amounts)
        amount = float(corrected.sum())
        self._weights = corrected / amount
        self._report(0.1)
        return _Model(crf, amount, model.slope)

    def _windows(self, count: int, last: int) -> list[int]:
        """Where to look, spread over the clip; at a key picture of the source where one is near, because it is decoded at once."""
        keys = (self.clip.streams.key_times - self.recipe.start) * float(
            self.recipe.slow * self.recipe.rate
        )
        near = last / count / 2
        chosen = []
        for i in range(count):
            at = last * (i + 0.5) / count
            key = float(keys[np.abs(keys - at).argmin()]) if len(keys) else at
            chosen.append(round(min(last, max(0.0, key if abs(key - at) <= near else at))))
        return sorted(set(chosen))

    def _scaled(self, first: int, length: int, crf: float) -> float:
        """Bytes of all of the clip, were it like the window: its key picture counts once in each stretch between two."""
        if self._stop is not None and self._stop():
            raise Interrupted(
                "Stopped.", hint="Nothing was kept of it; start it again when you like."
            )
        inputs, filters = self._window(first, first + length, before=0)
        tail = [
            "-map",
            "0:V:0",
            "-an",
            "-vf",
            filters,
            *self._h264(crf),
            "-f",
            "framecrc",
            "pipe:1",
        ]
        told = ffmpeg.run([*inputs, *tail], timeout=300).stdout.decode("ascii", "replace")
        sizes = [int(line.split(",")[4]) for line in told.splitlines() if line.startswith("0,")]
        if not sizes:
            raise FfmpegFailed(
                "A part of the clip could not be decoded.",
                hint="The file may be damaged; export it again.",
            )
        rest = sum(sizes[1:]) / max(1, len(sizes) - 1)
        share = float(self._weights[first : first + length].sum())
        return (
            _FORESIGHT
            * (sizes[0] / self.gop + rest * (self.gop - 1) / self.gop)
            * length
            / max(share, 1e-9)
        )

    def _within(self, crf: float) -> float:
        return min(_WORST, max(self.best_crf, crf))

    # -- one pass --------------------------------------------------------------------------------------------------------------------

    def _steer(self, model: _Model, budget: float) -> tuple[int, bool]:
        """Encode all pieces; how many, and whether the size was hit (or no better quality is worth having)."""
        ends = sorted(
            {
                min(
                    self.recipe.frames,
                    max(1, round(share * self.recipe.frames / self.gop)) * self.gop,
                )
                for share in _SHARES[:-1]
            }
        )
        ends = [end for end in ends if end < self.recipe.frames] + [self.recipe.frames]
        begins = [0, *ends[:-1]]
        spent, crf, steps = 0.0, self._within(model.solve(budget)), 0.0
        for number, (first, last) in enumerate(zip(begins, ends, strict=True)):
            left = float(self._weights[first:].sum())
            wanted = self._within(model.solve((budget - spent) / left))
            crf = wanted if number == 0 else min(crf + 3, max(crf - 3, wanted))
            share = float(self._weights[first:last].sum())
            made = self._piece(
                number,
                first,
                last,
                crf,
                0.1 + 0.87 * first / self.recipe.frames,
                0.1 + 0.87 * last / self.recipe.frames,
            )
            if last == self.recipe.frames:
                return number + 1, self._land(
                    number,
                    first,
                    last,
                    crf,
                    made,
                    budget - spent,
                    model.slope,
                    steps / first if first else crf,
                )
            spent, steps = spent + made, steps + crf * (last - first)
            model = _Model(crf, made / share * (model.need(crf) * share / made) ** 0.3, model.slope)
        raise AssertionError("a clip has a last piece")

    def _land(
        self,
        number: int,
        first: int,
        last: int,
        crf: float,
        made: float,
        wanted: float,
        slope: float,
        usual: float,
    ) -> bool:
        """Make the last piece again until the whole fills its size. False when it would have to look unlike the rest (``usual``)."""
        # the budget lies in the middle of what is allowed, so half of the width is free to either side
        free = (1 - FULL) * self.max_bytes * 0.9
        for _ in range(4):
            if wanted - (FULL - LOW) * self.max_bytes <= made <= wanted + free:
                return True
            if made < wanted and crf <= self.best_crf:
                return True
            model = _Model(crf, made, slope)
            again = self._within(model.solve(max(wanted, 0.0)))
            if abs(again - usual) > _ALIKE:
                return False
            fresh = self._piece(number, first, last, again, 0.95, 0.97)
            if abs(again - crf) > 0.2 and fresh != made:
                slope = _slope(made, fresh, again - crf)
            crf, made = again, fresh
        return False

    def _piece(
        self, number: int, first: int, last: int, crf: float, begin: float, end: float
    ) -> float:
        """Encode pictures ``first`` to ``last`` at a quality; bytes of the pictures."""
        inputs, filters = self._window(first, last)
        path = self.work / f"piece{number}.mp4"
        tail = [
            "-y",
            *inputs,
            "-map",
            "0:V:0",
            "-an",
            "-vf",
            filters,
            *self._h264(crf),
            "-f",
            "mp4",
            f"file:{path}",
        ]
        seconds = float((last - first) / self.recipe.rate)
        ffmpeg.run_to_end(
            tail, seconds=seconds, on_progress=self._part(begin, end), stop=self._stop
        )
        return float(path.stat().st_size - _PER_FRAME * (last - first))

    def _window(self, first: int, last: int, before: int | None = None) -> tuple[list[str], str]:
        """Input arguments and filters for some pictures; half a second (or ``before``) is decoded in advance, for what looks back."""
        before = min(first, math.ceil(self.recipe.rate / 2)) if before is None else before
        begin = float((first - before) / self.recipe.rate / self.recipe.slow)
        length = float((last - first + before) / self.recipe.rate / self.recipe.slow)
        inputs = encode.reading(self.clip, self.recipe.start + begin, length)
        return inputs, encode.pictures(self.clip, self.recipe, before, before + last - first)

    def _h264(self, crf: float) -> list[str]:
        # stitchable: headers that do not depend on the content, so that pieces share them
        return encode.h264(
            self.clip, self.recipe, crf=crf, gop_seconds=self.gop_seconds, params=("stitchable=1",)
        )

    def _part(self, begin: float, end: float) -> Callable[[float], None]:
        return lambda share: self._report(begin + (end - begin) * share)

    # -- two passes, sound, joining --------------------------------------------------------------------------------------------------

    def _two_passes(self, budget: float, dest: Path) -> None:
        bits, log = 8 * budget / self.recipe.seconds, self.work / "passes"
        inputs, filters = self._window(0, self.recipe.frames)
        common = ["-y", *inputs, "-map", "0:V:0", "-an", "-vf", filters]
        for attempt in range(4):
            rate = [*self._h264(23), "-passlogfile", str(log)]
            at = rate.index("-crf")
            rate[at : at + 2] = ["-b:v", f"{bits:.0f}"]
            if attempt == 0:
                first = [*common, *rate, "-pass", "1", "-f", "null", "-"]
                ffmpeg.run_to_end(
                    first,
                    seconds=self.recipe.seconds,
                    on_progress=self._part(0.1, 0.4),
                    stop=self._stop,
                )
            second = [*common, *rate, "-pass", "2", "-f", "mp4", f"file:{self.work / 'piece0.mp4'}"]
            ffmpeg.run_to_end(
                second,
                seconds=self.recipe.seconds,
                on_progress=self._part(0.4, 0.97),
                stop=self._stop,
            )
            self._join(dest, 1)
            size = dest.stat().st_size
            if size <= self.max_bytes and (size >= LOW * self.max_bytes or attempt > 1):
                return
            bits *= FULL * self.max_bytes / size * (1 if size < self.max_bytes else 0.99)
        raise FfmpegFailed(
            "The clip could not be brought under its size.",
            hint="Cut it shorter, or export it smaller.",
        )

    def _encode_sound(self) -> Path | None:
        if self.clip.streams.sound is None:
            return None
        path, number = self.work / "sound.m4a", self.clip.streams.sound.number
        most = int(min(128_000, max(48_000, 0.08 * 8 * self.max_bytes / self.recipe.seconds)))
        heard = encode.sound(self.clip, self.recipe, most=most)
        length = ["-t", f"{self.recipe.seconds:.6f}"]
        inputs = encode.reading(self.clip, self.recipe.start, self.recipe.taken)
        args = [
            "-y",
            *inputs,
            "-map",
            f"0:a:{number}",
            "-vn",
            *heard,
            *length,
            "-map_metadata",
            "-1",
            "-map_chapters",
            "-1",
        ]
        ffmpeg.run_to_end(
            [*args, "-f", "mp4", f"file:{path}"], seconds=self.recipe.seconds, stop=self._stop
        )
        return path

    def _join(self, dest: Path, pieces: int) -> None:
        listing = self.work / "pieces.txt"
        listing.write_text(
            "ffconcat version 1.0\n" + "".join(f"file piece{i}.mp4\n" for i in range(pieces)),
            "ascii",
        )
        heard = (
            ["-i", f"file:{self._sound}", "-map", "0:V:0", "-map", "1:a:0"]
            if self._sound
            else ["-map", "0:V:0"]
        )
        clean = [
            "-c",
            "copy",
            "-map_metadata",
            "-1",
            "-movflags",
            "+faststart",
            "-f",
            "mp4",
            f"file:{dest}",
        ]
        args = ["-y", "-f", "concat", "-safe", "0", "-i", f"file:{listing}", *heard, *clean]
        ffmpeg.run_to_end(args, seconds=self.recipe.seconds, stop=self._stop)
        self._report(1.0)


def _slope(one: float, other: float, steps: float) -> float:
    """Logarithm of the bytes that a step of quality saves, from two measurements ``steps`` apart."""
    return min(0.3, max(0.07, math.log(one / other) / steps))


def _weights(clip: Clip, recipe: Recipe) -> Floats:
    """How much of the work each picture is, in sum 1: half by number, half by the bytes that the source spends on its half second."""
    bins = max(1, math.ceil(recipe.seconds * 2))
    at = (clip.streams.times - recipe.start) * float(recipe.slow)
    inside = (at >= 0) & (at < recipe.seconds)
    spent, _ = np.histogram(
        at[inside], bins=bins, range=(0, bins / 2), weights=clip.streams.sizes[inside]
    )
    index = np.minimum(
        (np.arange(recipe.frames) / float(recipe.rate) * 2).astype(np.int64), bins - 1
    )
    bytes_there = spent[index].astype(np.float64)
    even = np.full(recipe.frames, 1 / recipe.frames)
    return even if bytes_there.sum() <= 0 else 0.5 * even + 0.5 * bytes_there / bytes_there.sum()
