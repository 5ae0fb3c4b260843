"""Encoding a clip so that it fills a size in bytes and never exceeds it.

A few short windows, encoded twice, tell how many bytes the clip needs at a quality. Then it is
encoded in pieces of falling length, each at the quality that the rest of the budget allows by then;
the pieces are joined without another encoding. The last piece is short, so that making it again is
cheap. Pieces begin where a key picture is due anyway, so they cost nothing. Where the end of the
clip is unlike the rest this cannot hit the size, and x264's own two passes are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kling_utils.errors import FfmpegFailed
from kling_utils.media import bounds, encode, ffmpeg
from kling_utils.media.arrays import Floats
from kling_utils.media.encode import Clip, Progress, Recipe, Stop

FULL, LOW = 0.97, 0.925
"""Shares of the size: the aim, and what counts as filled."""
_GOP_SECONDS, _SHORT = 2.0, 8.0
"""Where bytes are short, a key picture every 2 s: every second costs 0.4 VMAF at 2.6 Mbit/s. A clip
of less than 8 s has bytes enough."""
_SHARES = (0.4, 0.7, 0.9, 1.0)
_SAMPLE, _SAMPLED, _WINDOWS = 12, 0.065, (3, 8)
"""Pictures in a window, share of the clip that is sampled, least and most windows."""
_FORESIGHT = 1.35
"""Factor of a window's bytes inside of the clip, where the encoder sees ahead how long a picture
will be built upon. Measured: 1.3 to 1.4."""
_ALIKE = 5.0
"""Steps of quality by which the last piece may differ from the others."""
_SLOPE = math.log(2) / 6
"""x264's rule of thumb, with which the search begins: 6 steps are a factor of 2 in bytes."""
_WORST = 45.0
_PLENTY = 0.9
_PER_FRAME, _PER_FILE = 20, 3000
"""Bytes of an MP4's index for a picture, and of everything else around them."""
_WINDOWS_END, _PIECES_END = 0.1, 0.97
"""Progress when the windows and when all pieces are made."""
_PICTURE = ("-map", "0:V:0", "-an", "-vf")

Outcome = Literal["quality", "one pass", "two passes"]


@dataclass(slots=True)
class _Model:
    """Bytes that the clip needs at a quality: ``amount`` at ``crf``, ``slope`` for a log step."""

    crf: float
    amount: float
    slope: float = _SLOPE

    def need(self, crf: float) -> float:
        return self.amount * math.exp(self.slope * (self.crf - crf))

    def solve(self, amount: float) -> float:
        return self.crf + math.log(self.amount / max(amount, 1.0)) / self.slope

    def measure(self, crf: float, amount: float) -> None:
        """Learn the slope from another measurement of the same pictures."""
        slope = math.log(self.amount / amount) / (crf - self.crf)
        self.slope = min(0.3, max(0.07, slope))


class Sized:
    """One encoding of ``clip`` by ``recipe`` into at most ``max_bytes``.

    Its temporary files lie in the folder ``work``. ``best_crf``: the quality (0 to 51, less is
    better) beyond which more bytes are not worth having, though they would fit.
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
        self._on_progress, self._stop, self._progress = on_progress, stop, 0.0
        self.gop_seconds = _GOP_SECONDS if recipe.seconds > _SHORT else float(ffmpeg.GOP_SECONDS)
        self.gop = encode.gop(recipe, self.gop_seconds)
        self._weights = _weights(clip, recipe)
        self._sound: Path | None = None

    def make(self, dest: Path) -> Outcome:
        """Write ``dest``. Raises ``FfmpegFailed`` and ``Interrupted``."""
        self._sound = self._encode_sound()
        around = _PER_FILE + _PER_FRAME * self.recipe.frames
        around += self._sound.stat().st_size if self._sound else 0
        budget = FULL * self.max_bytes - around
        if budget <= 0:
            raise FfmpegFailed("The sound alone does not fit.", hint="Use a shorter clip.")
        model = self._calibrate(budget)
        if model.need(self.best_crf) < _PLENTY * budget:
            self._piece(0, 0, self.recipe.frames, self.best_crf)
            if self._join(dest, 1) <= self.max_bytes:
                return "quality"
        else:
            pieces, hit = self._steer(model, budget)
            size = self._join(dest, pieces)
            if size <= self.max_bytes and (hit or size >= LOW * self.max_bytes):
                return "one pass"
        self._two_passes(budget, dest)
        return "two passes"

    def _report(self, share: float) -> None:
        self._progress = max(self._progress, share)
        if self._on_progress is not None:
            self._on_progress(self._progress)

    def _run(self, args: list[str], seconds: float, begin: float, end: float) -> None:
        """Run ffmpeg for ``seconds`` of video, which is progress from ``begin`` to ``end``."""
        ffmpeg.run_to_end(
            ["-y", *args],
            seconds=seconds,
            on_progress=lambda share: self._report(begin + (end - begin) * share),
            stop=self._stop,
        )

    def _within(self, crf: float) -> float:
        return min(_WORST, max(self.best_crf, crf))

    # -- how much is needed ------------------------------------------------------------------------

    def _calibrate(self, budget: float) -> _Model:
        frames = self.recipe.frames
        count = max(_WINDOWS[0], min(_WINDOWS[1], round(_SAMPLED * frames / _SAMPLE)))
        length = min(_SAMPLE, frames)
        firsts = self._windows(count, frames - length)
        # 0.045 bits a pixel is about quality 26 for a filmed person
        pixels = self.recipe.size.width * self.recipe.size.height
        bits = max(8 * budget / frames / pixels, 1e-6)
        guess = min(38.0, max(14.0, 26 - 6 * math.log2(bits / 0.045)))
        model = _Model(guess, self._scaled(firsts[len(firsts) // 2], length, guess))
        crf = self._within(model.solve(budget))
        self._report(0.03)
        amounts = [self._scaled(first, length, crf) for first in firsts]
        if abs(crf - guess) > 1:
            model.measure(crf, amounts[len(firsts) // 2])
        # the windows tell which parts need more than the source's own bytes say
        centres = [first + length / 2 for first in firsts]
        corrected = self._weights * np.interp(np.arange(frames), centres, amounts)
        amount = float(corrected.sum())
        self._weights = corrected / amount
        self._report(_WINDOWS_END)
        return _Model(crf, amount, model.slope)

    def _windows(self, count: int, last: int) -> list[int]:
        """First pictures of the windows, spread over the clip.

        A key picture of the source is taken where one is near, because it is decoded at once.
        """
        rate = float(self.recipe.slow * self.recipe.rate)
        keys = (self.clip.streams.key_times - self.recipe.start) * rate
        near = last / count / 2
        chosen = set()
        for i in range(count):
            at = last * (i + 0.5) / count
            key = float(keys[np.abs(keys - at).argmin()]) if len(keys) else at
            chosen.add(round(min(last, max(0.0, key if abs(key - at) <= near else at))))
        return sorted(chosen)

    def _scaled(self, first: int, length: int, crf: float) -> float:
        """Bytes of the whole clip, were it like the window.

        The window's key picture counts once in each stretch between two.
        """
        bounds.check_stop(self._stop)
        inputs, filters = self._source(first, first + length, before=0)
        args = [*inputs, *_PICTURE, filters, *self._h264(crf), "-f", "framecrc", "pipe:1"]
        table = ffmpeg.run(args, timeout=300).stdout.decode("ascii", "replace")
        sizes = [int(line.split(",")[4]) for line in table.splitlines() if line.startswith("0,")]
        if not sizes:
            raise FfmpegFailed(
                "A part of the clip could not be decoded.",
                hint="The file may be damaged; export it again.",
            )
        rest = sum(sizes[1:]) / max(1, len(sizes) - 1)
        each = sizes[0] / self.gop + rest * (self.gop - 1) / self.gop
        share = float(self._weights[first : first + length].sum())
        return _FORESIGHT * each * length / max(share, 1e-9)

    # -- one pass ----------------------------------------------------------------------------------

    def _steer(self, model: _Model, budget: float) -> tuple[int, bool]:
        """Encode all pieces. Returns how many, and whether the size was hit.

        It also counts as hit where a better quality is not worth having.
        """
        frames = self.recipe.frames
        gops = {max(1, round(share * frames / self.gop)) for share in _SHARES[:-1]}
        ends = [end for end in sorted(each * self.gop for each in gops) if end < frames] + [frames]
        spent, crf, steps, first = 0.0, 0.0, 0.0, 0
        for number, last in enumerate(ends):
            left = float(self._weights[first:].sum())
            wanted = self._within(model.solve((budget - spent) / left))
            crf = min(crf + 3, max(crf - 3, wanted)) if number else wanted
            made = self._piece(number, first, last, crf)
            if last == frames:
                break
            share = float(self._weights[first:last].sum())
            amount = made / share * (model.need(crf) * share / made) ** 0.3
            model = _Model(crf, amount, model.slope)
            spent, steps, first = spent + made, steps + crf * (last - first), last
        # The last piece is made again until the whole fills its size, unless it would have to look
        # unlike the rest. The budget lies in the middle of what is allowed, so half of the width is
        # free to either side.
        usual, wanted = steps / first if first else crf, budget - spent
        low = wanted - (FULL - LOW) * self.max_bytes
        high = wanted + (1 - FULL) * self.max_bytes * 0.9
        model = _Model(crf, made, model.slope)
        for _ in range(4):
            if low <= made <= high or (made < wanted and crf <= self.best_crf):
                return len(ends), True
            again = self._within(model.solve(max(wanted, 0.0)))
            if abs(again - usual) > _ALIKE:
                return len(ends), False
            fresh = self._piece(len(ends) - 1, first, frames, again)
            if abs(again - crf) > 0.2 and fresh != made:
                model.measure(again, fresh)
            crf, made = again, fresh
            model = _Model(crf, made, model.slope)
        return len(ends), False

    def _piece(self, number: int, first: int, last: int, crf: float) -> float:
        """Encode pictures ``first`` to ``last`` at a quality; returns the bytes of the pictures."""
        inputs, filters = self._source(first, last)
        path = self.work / f"piece{number}.mp4"
        args = [*inputs, *_PICTURE, filters, *self._h264(crf), "-f", "mp4", f"file:{path}"]
        begin, end = (
            _WINDOWS_END + (_PIECES_END - _WINDOWS_END) * at / self.recipe.frames
            for at in (first, last)
        )
        self._run(args, float((last - first) / self.recipe.rate), begin, end)
        return float(path.stat().st_size - _PER_FRAME * (last - first))

    def _source(self, first: int, last: int, before: int | None = None) -> tuple[list[str], str]:
        """Input arguments and filters for some pictures.

        Half a second (or ``before`` pictures) is decoded in advance, for filters that look back.
        """
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

    # -- two passes, sound, joining ----------------------------------------------------------------

    def _two_passes(self, budget: float, dest: Path) -> None:
        seconds, self._progress = self.recipe.seconds, 0.0
        bits, log = 8 * budget / seconds, self.work / "passes"
        inputs, filters = self._source(0, self.recipe.frames)
        common = [*inputs, *_PICTURE, filters]
        for attempt in range(4):
            rate = [*self._h264(23), "-passlogfile", str(log)]
            at = rate.index("-crf")
            rate[at : at + 2] = ["-b:v", f"{bits:.0f}"]
            if attempt == 0:
                self._run([*common, *rate, "-pass", "1", "-f", "null", "-"], seconds, 0.1, 0.4)
            made = ["-pass", "2", "-f", "mp4", f"file:{self.work / 'piece0.mp4'}"]
            self._run([*common, *rate, *made], seconds, 0.4, _PIECES_END)
            size = self._join(dest, 1)
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
        path, seconds = self.work / "sound.m4a", self.recipe.seconds
        most = int(min(128_000, max(48_000, 0.08 * 8 * self.max_bytes / seconds)))
        inputs = encode.reading(self.clip, self.recipe.start, self.recipe.taken)
        heard = ["-map", f"0:a:{self.clip.streams.sound.number}", "-vn"]
        heard += encode.sound(self.clip, self.recipe, most=most)
        tail = ["-t", f"{seconds:.6f}", *encode.CLEAN, "-f", "mp4", f"file:{path}"]
        self._run([*inputs, *heard, *tail], seconds, 0, 0)
        return path

    def _join(self, dest: Path, pieces: int) -> int:
        """Write ``dest`` from the pieces and the sound; returns its bytes."""
        listing = self.work / "pieces.txt"
        files = "".join(f"file piece{i}.mp4\n" for i in range(pieces))
        listing.write_text(f"ffconcat version 1.0\n{files}", "ascii")
        sound = ["-i", f"file:{self._sound}"] if self._sound else []
        maps = ["-map", "0:V:0", *(["-map", "1:a:0"] if self._sound else [])]
        inputs = ["-f", "concat", "-safe", "0", "-i", f"file:{listing}", *sound, *maps]
        copy = ["-c", "copy", "-map_metadata", "-1", "-movflags", "+faststart", "-f", "mp4"]
        self._run([*inputs, *copy, f"file:{dest}"], self.recipe.seconds, _PIECES_END, 1)
        return dest.stat().st_size


def _weights(clip: Clip, recipe: Recipe) -> Floats:
    """How much of the work each picture is, in sum 1.

    Half by number, half by the bytes that the source spends on its half second.
    """
    bins = max(1, math.ceil(recipe.seconds * 2))
    at = (clip.streams.times - recipe.start) * float(recipe.slow)
    inside = (at >= 0) & (at < recipe.seconds)
    sizes = clip.streams.sizes[inside]
    spent, _ = np.histogram(at[inside], bins=bins, range=(0, bins / 2), weights=sizes)
    index = (np.arange(recipe.frames) / float(recipe.rate) * 2).astype(np.int64)
    bytes_there = spent[np.minimum(index, bins - 1)].astype(np.float64)
    even: Floats = np.full(recipe.frames, 1 / recipe.frames)
    if bytes_there.sum() > 0:
        even = 0.5 * even + 0.5 * bytes_there / bytes_there.sum()
    return even
