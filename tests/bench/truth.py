"""Clips and pictures with planted faults, made from the real ones, and what is true of each.

``python tests/bench/truth.py [--media ../shared/media] [--folder FOLDER] [--half dev] [--only PATTERN]``
makes them by hand; ``people.py`` and ``judging.py`` make what they need themselves. Each file has a
JSON record beside it. What is in the folder already is kept, unless ``VERSION`` has changed.

The halves are apart by *source*: thresholds are chosen on ``dev`` and reported on ``held``. No clip
mixes sources of both. Dev: the dance of 12 s (D1), the talking man (T), the face of 7 s (F1), the
dog, and the pictures man, anime, portrait, alpaca, painting. Held: the dance of 4 s (D2), the seated
woman (S), the face of 33 s (F2), the crowd (C), and the pictures woman, standing, drawing, render, camera.

A rule is *planted* (it must be told), *open* (either answer is right), or neither (telling it is a
false alarm). Two names with a bar are one fault that either rule may tell.

Left out, because no real material exists here: a half turned dancer (the crowd's woman in profile is
0.8 s long and held by somebody), floor work, two people who touch all the time, a real light leak, a
real gimbal. A back view exists once, in ``held``: its threshold cannot be chosen on ``dev``.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kling_utils.media import ffmpeg
from kling_utils.media.arrays import Floats, Frame, u8

ROOT = Path(__file__).resolve().parents[2]
VERSION = 1
"""Made files of another version are made again."""
SHORT = 480
"""Pixels of the shorter side of all that is made."""
LONGEST = 6.0
"""Seconds."""

Half = Literal["dev", "held"]
Span = tuple[float, float]

RULES = (
    "people",  # more than one person
    "nobody",
    "change",  # a cut, or a gradual change of the shot: one event each
    "camera",  # the camera moves or zooms
    "first",  # the first frame is empty, dark or blurred
    "dark",
    "blurred",
    "noisy",
    "small",
    "leaves",  # head or torso are out of the frame for a part of the clip
    "hidden",  # an arm or both hands
    "back",
    "fast",
    "still",  # hardly any motion
    "framing",  # head only: no upper body
    "collage",  # pictures: the same person several times
    "turned",  # on its side or upside down
    "text",
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one made clip or picture. Times are seconds."""

    name: str
    kind: str
    half: Half
    sources: tuple[str, ...]
    seconds: float = 0.0
    planted: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    cuts: tuple[float, ...] = ()
    gradual: tuple[Span, ...] = ()
    flashes: tuple[Span, ...] = ()
    people: tuple[Span, ...] = ()
    """Spans with two people or more."""
    unusable: tuple[Span, ...] = ()
    """Spans without the person's head and torso, or dark; those of ``people`` come on top."""
    version: int = VERSION

    @property
    def changes(self) -> tuple[Span, ...]:
        """Cuts and gradual changes, in their order."""
        return tuple(sorted([(cut, cut) for cut in self.cuts] + list(self.gradual)))

    @property
    def clean(self) -> Span:
        """The longest part without a cut, a second person, an absent head or torso, or darkness."""
        holes = sorted([*self.changes, *self.people, *self.unusable, (self.seconds, self.seconds)])
        best, begin = (0.0, 0.0), 0.0
        for start, end in holes:
            if start - begin > best[1] - best[0]:
                best = (begin, start)
            begin = max(begin, end)
        return best


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """Frames of one size at one rate, in memory: at most 6 s at 480 pixels."""

    frames: list[Frame]
    fps: float
    cut: float | None = None
    """Where the builder chose it."""

    @property
    def seconds(self) -> float:
        return len(self.frames) / self.fps

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.frames[0].shape[:2]
        return width, height

    def map(self, change: Callable[[Frame, float], Frame]) -> Shot:
        """Each frame changed; the function gets the frame and its time."""
        return Shot([change(f, i / self.fps) for i, f in enumerate(self.frames)], self.fps)

    def part(self, begin: float, end: float | None = None) -> Shot:
        last = None if end is None else round(end * self.fps)
        return Shot(self.frames[round(begin * self.fps) : last], self.fps)

    def picked(self, indices: Sequence[int], fps: float | None = None) -> Shot:
        most = len(self.frames) - 1
        return Shot([self.frames[min(max(i, 0), most)] for i in indices], fps or self.fps)

    def like(self, other: Shot) -> Shot:
        """Of the other's rate and size: the middle, filled."""
        n = int(self.seconds * other.fps)
        shot = self.picked([round(i * self.fps / other.fps) for i in range(n)], other.fps)
        return shot.map(lambda f, _t: cover(f, other.size))

    def then(self, *others: Shot) -> Shot:
        frames = list(self.frames)
        for other in others:
            frames += (
                other.like(self).frames
                if other.size != self.size or other.fps != self.fps
                else other.frames
            )
        return Shot(frames, self.fps)


@dataclass(frozen=True, slots=True)
class Take:
    """A part of a source, and what is true of it as it is."""

    name: str
    file: str
    half: Half
    start: float = 0.0
    seconds: float = LONGEST
    fps: float = 0.0
    planted: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    people: bool = False
    sound: bool = True


_HEAD = {"planted": ("framing",), "open": ("hidden",)}
# S: a second person's hands are in the picture, and she sits with her arms around her knees.
_SEATED = {"planted": ("camera",), "open": ("people", "hidden", "leaves", "framing")}
TAKES = {
    t.name: t
    for t in (
        Take("D1a", "dance_fullbody_12s.mp4", "dev", 0.0, 6.0, 24, open=("text",)),
        Take("D1b", "dance_fullbody_12s.mp4", "dev", 6.0, 6.0, 24, open=("text",)),
        Take("D1", "dance_fullbody_12s.mp4", "dev", 0.0, 12.0, 24, open=("text",)),
        Take(
            "T",
            "talking_man_portrait.mp4",
            "dev",
            0.0,
            6.0,
            30,
            open=("hidden", "framing"),
            sound=False,
        ),
        Take(
            "Tb",
            "talking_man_portrait.mp4",
            "dev",
            5.7,
            6.0,
            30,
            open=("hidden", "framing"),
            sound=False,
        ),
        Take("F1", "face_expressions_7s.mp4", "dev", 0.0, 6.0, 30, **_HEAD),
        Take("DOG", "dog_16fps.mp4", "dev", 0.0, 5.0, 16, ("nobody",), ("leaves",), sound=False),
        Take("D2", "dance_woman_4s.mp4", "held", 0.0, 4.1, 25),
        Take("S", "sitting_woman_5s.mp4", "held", 0.0, 5.3, 30, **_SEATED),
        Take("F2", "face_33s_too_long.mp4", "held", 0.0, 6.0, 30, **_HEAD),
        Take("F2b", "face_33s_too_long.mp4", "held", 12.0, 6.0, 30, **_HEAD),
        Take(
            "C",
            "crowd_50fps.avi",
            "held",
            0.0,
            4.1,
            50,
            ("people", "camera", "small"),
            ("back", "hidden", "leaves", "first", "fast", "nobody"),
            people=True,
        ),
    )
}


class Media:
    """The folder of real clips and pictures, decoded once each and kept while they are in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.take = functools.lru_cache(maxsize=3)(self._take)
        self.cutout = functools.lru_cache(maxsize=None)(self._cutout)

    def clip(self, name: str) -> Path:
        return self.folder / "video" / TAKES[name].file

    def picture(self, name: str) -> Frame:
        found = next((self.folder / "image").glob(f"{name}.*"))
        image = cv2.imread(str(found))
        assert image is not None, found
        scale = SHORT / min(image.shape[:2])
        return resize(u8(image), scale)

    def _take(self, name: str) -> Shot:
        take = TAKES[name]
        height, width = self._size(take.file)
        scale = SHORT / min(width, height)
        w, h = 2 * round(width * scale / 2), 2 * round(height * scale / 2)
        chain = (
            f"fps={take.fps},trim=start={take.start}:duration={take.seconds},setpts=PTS-STARTPTS,"
            f"scale={w}:{h}:flags=area"
        )
        path = self.clip(name)
        raw = ffmpeg.raw_frames(path, chain, w * h * 3, limit=take.seconds)
        return Shot([u8(np.frombuffer(r, np.uint8).reshape(h, w, 3)) for r in raw], take.fps)

    @functools.cache  # noqa: B019 - one object for a run
    def _size(self, file: str) -> tuple[int, int]:
        video = cv2.VideoCapture(str(self.folder / "video" / file))
        ok, frame = video.read()
        assert ok, file
        return frame.shape[0], frame.shape[1]

    def _cutout(self, name: str) -> tuple[Frame, Floats]:
        """A picture of a person on a plain light ground, cropped, with its alpha of 0..1."""
        image = self.picture(name)
        alpha = _key(image)
        x, y, w, h = cv2.boundingRect((alpha > 0.5).astype(np.uint8))
        return u8(image[y : y + h, x : x + w]), alpha[y : y + h, x : x + w]

    def keyed(self, shot: Shot) -> list[tuple[Frame, Floats]]:
        """Each frame with the alpha of the person: only the dance before white (D2) can be keyed."""
        return [(frame, _key(frame)) for frame in shot.frames]


def _key(image: Frame) -> Floats:
    """Alpha of a person on a grey or white ground: coloured or dark, in one piece, without holes.

    At the bottom the ground itself may be dark.
    """
    low, high = image.min(2).astype(np.int32), image.max(2).astype(np.int32)
    floor = np.arange(image.shape[0])[:, None] > 0.9 * image.shape[0]
    solid = ((high - low > 30) | ((low < 125) & ~floor)).astype(np.uint8)
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((7, 7)))
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((3, 3)))
    edges, _tree = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(solid)
    cv2.drawContours(filled, [max(edges, key=cv2.contourArea)], -1, 1, -1)
    return cv2.GaussianBlur(filled.astype(np.float64), (0, 0), 0.8)


# --- pictures ---------------------------------------------------------------------------------------


def resize(image: Frame, scale: float) -> Frame:
    height, width = image.shape[:2]
    size = max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
    return u8(cv2.resize(image, size, interpolation=_kernel(scale)))


def _kernel(scale: float) -> int:
    return int(cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def cover(image: Frame, size: tuple[int, int]) -> Frame:
    """The middle of the picture, filling the size."""
    scale = max(size[0] / image.shape[1], size[1] / image.shape[0])
    w, h = math.ceil(image.shape[1] * scale), math.ceil(image.shape[0] * scale)
    big = cv2.resize(image, (w, h), interpolation=_kernel(scale))
    x, y = (w - size[0]) // 2, (h - size[1]) // 2
    return u8(big[y : y + size[1], x : x + size[0]])


def paste(under: Frame, top: Frame, x: float, y: float, alpha: Floats | None = None) -> Frame:
    """``top`` laid over a copy of ``under`` with its upper left corner there, clipped at the edges."""
    out, x0, y0 = under.copy(), round(x), round(y)
    h, w = top.shape[:2]
    a, b = max(0, -x0), min(w, under.shape[1] - x0)
    c, d = max(0, -y0), min(h, under.shape[0] - y0)
    if a >= b or c >= d:
        return out
    place = np.s_[y0 + c : y0 + d, x0 + a : x0 + b]
    if alpha is None:
        out[place] = top[c:d, a:b]
    else:
        k = alpha[c:d, a:b, None]
        out[place] = u8(np.rint(top[c:d, a:b] * k + out[place] * (1 - k)))
    return out


def window(image: Frame, x: float, y: float, share: float) -> Frame:
    """The part of ``share`` of the sides around the centre (x, y in 0..1), enlarged to the whole size."""
    height, width = image.shape[:2]
    m = np.float32(
        [
            [1 / share, 0, width / 2 - x * width / share],
            [0, 1 / share, height / 2 - y * height / share],
        ]
    )
    return u8(
        cv2.warpAffine(
            image, m, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
    )


def light(image: Frame, gain: float, lift: float = 0.0) -> Frame:
    return u8(cv2.convertScaleAbs(image, alpha=gain, beta=lift))


def blend(a: Frame, b: Frame, share: float) -> Frame:
    return u8(cv2.addWeighted(a, 1 - share, b, share, 0))


def noisy(image: Frame, sigma: float, seed: int) -> Frame:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return u8(np.clip(image + noise, 0, 255).astype(np.uint8))


def hue(image: Frame, degrees: float) -> Frame:
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int32) + round(degrees / 2)) % 180
    return u8(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))


def grey(image: Frame) -> Frame:
    return u8(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))


def words(image: Frame, lines: Sequence[str], y: float, scale: float = 1.1) -> Frame:
    out = image.copy()
    for i, line in enumerate(lines):
        (w, h), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_DUPLEX, scale, 2)
        at = (image.shape[1] - w) // 2, round(y * image.shape[0]) + i * 2 * h
        cv2.putText(out, line, at, cv2.FONT_HERSHEY_DUPLEX, scale, (255, 255, 255), 2, cv2.LINE_AA)
    return out


def plate(shot: Shot) -> Frame:
    """The ground without the person: a line from the left to the right edge in each row."""
    some = np.stack(shot.frames[:: max(1, len(shot.frames) // 12)])
    left, right = np.median(some[:, :, :10], axis=(0, 2)), np.median(some[:, :, -10:], axis=(0, 2))
    k = np.linspace(0, 1, shot.size[0])[None, :, None]
    return u8(np.rint(left[:, None] * (1 - k) + right[:, None] * k).astype(np.uint8))


def ramp(t: float, begin: float, end: float) -> float:
    return float(np.clip((t - begin) / (end - begin), 0.0, 1.0))


def joined(a: Shot, b: Shot, at: float, length: float, mix: Callable[..., Frame]) -> Shot:
    """``a`` until ``at``, then ``mix(a's frame, b's frame, 0..1)`` for a time, then ``b``."""
    b = b.like(a) if b.size != a.size or b.fps != a.fps else b
    k, n = round(at * a.fps), round(length * a.fps)
    middle = [mix(a.frames[k + i], b.frames[i], (i + 1) / (n + 1)) for i in range(n)]
    return Shot(a.frames[:k] + middle + b.frames[n:], a.fps)


def standing(
    person: tuple[Frame, Floats], height: float, feet: tuple[float, float]
) -> Callable[[Frame], Frame]:
    """Lays a person of ``height`` (share of the frame's) with the feet at x, y (shares) over a frame."""

    def laid(frame: Frame) -> Frame:
        image, alpha = person
        scale = height * frame.shape[0] / image.shape[0]
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        small = u8(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        soft = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        x, y = feet[0] * frame.shape[1] - size[0] / 2, feet[1] * frame.shape[0] - size[1]
        return paste(frame, small, x, y, soft)

    return laid


# --- kinds ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """One clip to make. ``build`` gives its frames; ``truth`` is complete but for the length."""

    truth: Truth
    build: Callable[[Media], Shot]
    crf: int = 20

    @property
    def name(self) -> str:
        return self.truth.name


Builder = Callable[..., Shot]


def recipe(
    kind: str,
    takes: str,
    build: Builder,
    *,
    planted: Sequence[str] = (),
    open: Sequence[str] = (),
    without: Sequence[str] = (),
    crf: int = 20,
    **spans: object,
) -> Recipe:
    """``takes`` are names with spaces between; their own truths are added, but for ``without``."""
    names = takes.split()
    used = [TAKES[n] for n in names]
    half = used[0].half
    assert all(t.half == half for t in used), (kind, takes)
    own = {r for t in used for r in t.planted} - set(without)
    may = {r for t in used for r in t.open} | set(open)
    if len(used) > 1:  # what holds for a part of the clip is not known to hold for the whole
        may |= {r for r in own if not all(r in t.planted for t in used)} | {"leaves"}
        own = {r for r in own if r not in may}
    if used[0].people and "people" not in without:
        spans.setdefault("people", ((0.0, 60.0),))
    must = set(planted)
    if spans.get("cuts") or spans.get("gradual"):
        must.add("change")
    if spans.get("people"):
        must.add("people")
    may -= must
    must |= own - may
    truth = Truth(
        f"{kind}_{'_'.join(names)}",
        kind,
        half,
        tuple(t.file for t in used),
        planted=tuple(sorted(must)),
        open=tuple(sorted(may - must)),
        **spans,  # type: ignore[arg-type]
    )
    return Recipe(truth, lambda media: build(*(media.take(n) for n in names)), crf)


def known(media: Media) -> Iterator[Recipe]:
    """The kinds of the first measurement (58 clips), made again of 6 s at 480 pixels."""
    for name in ("D1a", "D1b", "T", "F1", "DOG", "D2", "S", "F2", "C"):
        yield recipe("plain", name, lambda s: s)
    for name in ("D1a", "T", "S", "D2"):
        still = name == "S"
        yield recipe(
            "blur",
            name,
            lambda s: s.map(lambda f, _t: u8(cv2.GaussianBlur(f, (0, 0), 5.0))),
            planted=["blurred"],
            open=["hidden", "first"],
        )
        yield recipe(
            "dark",
            name,
            lambda s: s.map(lambda f, _t: light(f, 0.15)),
            planted=["dark"],
            open=["first", "hidden", "blurred", "noisy", "nobody", "leaves", "back"],
            unusable=((0.0, 60.0),),
        )
        yield recipe(
            "noise",
            name,
            lambda s: Shot([noisy(f, 25, i) for i, f in enumerate(s.frames)], s.fps),
            planted=["noisy"],
            open=["hidden", "leaves", *(["people"] if still else [])],
        )
        yield recipe(
            "blurfirst",
            name,
            lambda s: s.map(
                lambda f, t: u8(cv2.GaussianBlur(f, (0, 0), 8 * (1 - ramp(t, 0, 0.3)) + 0.01))
            ),
            planted=["first"],
        )
        yield recipe(
            "fadein",
            name,
            lambda s: s.map(lambda f, t: light(f, ramp(t, 0, 1.0))),
            planted=["first"],
            open=["change", "dark"],
            unusable=((0.0, 0.4),),
        )
        yield recipe("lowq", name, lambda s: s, crf=40, open=["blurred", "hidden"])
        yield recipe("shake", name, _shaken, planted=["camera"])
        yield recipe(
            "pan",
            name,
            lambda s: s.map(
                lambda f, t: window(f, 0.5 + 0.05 * (t - s.seconds / 2) * 0.75, 0.4, 0.75)
            ),
            planted=["camera"],
            open=["leaves", "framing", "hidden"],
        )
        yield recipe(
            "zoom",
            name,
            lambda s: s.map(lambda f, t: window(f, 0.5, 0.42, 1 / (1 + 0.06 * t))),
            planted=["camera"],
            open=["leaves", "framing", "hidden"],
        )
        yield recipe("slow", name, lambda s: s.picked([i // 2 for i in range(int(6 * s.fps))]))
    for a, b in (("D1a", "T"), ("T", "F1"), ("D1b", "F1"), ("S", "D2"), ("F2", "S"), ("D2", "F2")):
        yield recipe("cut", f"{a} {b}", lambda x, y: x.part(0, 3).then(y.part(1, 4)), cuts=(3.0,))
        yield recipe(
            "xfade",
            f"{a} {b}",
            lambda x, y: joined(x, y, 2.6, 0.8, blend).part(0, 5.2),
            gradual=((2.6, 3.4),),
        )
        yield recipe(
            "fadeblack",
            f"{a} {b}",
            lambda x, y: joined(
                x,
                y,
                2.6,
                1.0,
                lambda p, q, k: light(p, 1 - 2 * k) if k < 0.5 else light(q, 2 * k - 1),
            ).part(0, 5.4),
            gradual=((2.6, 3.6),),
            open=["dark"],
        )
    for name, gap in (("D1a", 1.5), ("D1b", 1.0), ("T", 1.5), ("D2", 1.0), ("S", 1.5), ("F2", 1.5)):
        yield _jump("jump", name, gap, 0.75)
    for name in ("T", "D1a", "S", "D2"):
        yield recipe(
            "punchin",
            name,
            lambda s: s.map(lambda f, t: f if t < 2.5 - 1e-6 else window(f, 0.5, 0.35, 0.72)),
            cuts=(2.5,),
            open=["framing", "leaves", "hidden"],
        )
        yield recipe(
            "static",
            name,
            lambda s: Shot([s.frames[10]] * int(5 * s.fps), s.fps),
            planted=["still"],
            without=["camera"],
            unusable=((0.0, 60.0),),
        )
    for name in ("D1", "D2"):
        # Three times as fast; the short one forth, back and forth again.
        yield recipe(
            "fast",
            name,
            lambda s: (
                s.picked([3 * i for i in range(len(s.frames) // 3)])
                if s.seconds > 6
                else s.picked([_swing(3 * i, len(s.frames)) for i in range(len(s.frames))])
            ),
            planted=["fast"],
        )
    for name in ("D1a", "S"):
        yield recipe(
            "fps50dup",
            name,
            lambda s: s.picked([int(i * s.fps / 50) for i in range(int(s.seconds * 50))], 50),
        )
        yield recipe("fps50blend", name, _blended)
    for name in ("D1a", "D2"):
        yield recipe(
            "half", name, lambda s: s.map(lambda f, _t: window(f, 0.5, 0.3, 0.55)), open=["hidden"]
        )
        yield recipe(
            "leave",
            name,
            _leaving,
            planted=["leaves|nobody"],
            open=["camera", "change", "nobody", "leaves", "hidden", "still"],
            unusable=((2.6, 60.0),),
        )
        yield recipe(
            "headless",
            name,
            lambda s: s.map(lambda f, _t: f[int(0.3 * f.shape[0]) & ~1 :]),
            planted=["leaves|nobody|framing"],
            open=["leaves", "nobody", "framing", "hidden", "back", "first"],
            unusable=((0.0, 60.0),),
        )
        yield recipe(
            "small",
            name,
            lambda s: _on_plate(s, 0.22),
            planted=["small"],
            open=["hidden"],
        )
    yield recipe("small", "T", lambda s: _on_plate(s, 0.2), planted=["small"], open=["hidden"])
    whole = ((0.0, 60.0),)
    for a, b in (("D1a", "T"), ("T", "F1"), ("D1a", "D1b"), ("S", "D2"), ("F2", "S"), ("D2", "D2")):
        yield recipe(
            "two",
            f"{a} {b}",
            _beside,
            people=whole,
            open=["camera", "hidden", "framing", "leaves", "small"],
        )
    yield recipe(
        "two_small", "D2", lambda s: _small_self(media, s, 0.4), people=whole, open=["hidden"]
    )


def unknown(media: Media) -> Iterator[Recipe]:
    """Kinds that the first measurement did not have: those that it missed later, and more."""
    whole = ((0.0, 60.0),)
    man, woman = ("fullbody_man", "fullbody_woman")

    def others(name: str) -> tuple[Frame, Floats]:
        return media.cutout(man if TAKES[name].half == "dev" else woman)

    def mirrored(person: tuple[Frame, Floats]) -> tuple[Frame, Floats]:
        return u8(person[0][:, ::-1]), person[1][:, ::-1]

    def placed(
        name: str,
        height: float,
        feet: Callable[[float], tuple[float, float]],
        turned: bool = False,
        when: Callable[[float], bool] = lambda _t: True,
    ) -> Builder:
        def build(s: Shot) -> Shot:
            person = mirrored(others(name)) if turned else others(name)

            def laid(f: Frame, t: float) -> Frame:
                return standing(person, height, feet(t))(f) if when(t) else f

            return s.map(laid)

        return build

    # People: small ones, bystanders, somebody who crosses.
    for name in ("D1a", "D1b", "D2", "S", "T"):
        ground = {"T": 0.46, "S": 0.42}.get(name, 0.89)  # behind those who fill the frame
        left = placed(name, 0.25, lambda t, y=ground: (0.1, y + 0.004 * math.sin(5 * t)))
        right = placed(name, 0.25, lambda t, y=ground: (0.9, y + 0.004 * math.cos(4 * t)), True)
        yield recipe("twosmall", name, lambda s, a=left, b=right: b(a(s)), people=whole)
        yield recipe("bystander", name, right, people=whole)
        yield recipe(
            "passing",
            name,
            placed(name, 0.3, lambda _t, y=ground: (0.89, y), when=lambda t: 1.5 <= t < 3.5),
            people=((1.5, 3.5),),
            open=["change"],  # they are there from one frame to the next
        )
        yield recipe(
            "crosses",
            name,
            placed(
                name, 0.8, lambda t: (-0.25 + 1.5 * ramp(t, 1.2, 3.2), 0.97), when=lambda t: t < 3.3
            ),
            people=((1.45, 2.95),),
            open=["hidden", "leaves", "fast", "back", "change"],
        )
    yield recipe(
        "crowdpair",
        "C",
        lambda s: _crop(s, [(2.7, 0.6, 0.62, 0.95), (4.1, 0.63, 0.6, 0.9)], 2.7, 4.08, 20),
        people=whole,
        without=["small", "people"],
        open=["blurred", "fast", "first", "small"],
    )
    for a, b in (("D1a", "T"), ("T", "F1"), ("S", "D2"), ("D2", "F2")):
        yield recipe(
            "pip",
            f"{a} {b}",
            lambda x, y: Shot(
                [
                    paste(f, resize(g, 0.34), 0.62 * x.size[0], 0.03 * x.size[1])
                    for f, g in zip(x.frames, y.like(x).frames, strict=False)
                ],
                x.fps,
            ),
            people=whole,
            open=["hidden", "framing"],
        )
    for name in ("D1a", "D2"):
        yield recipe(
            "splitscreen",
            name,
            lambda s: _beside(s, s.map(lambda f, _t: u8(f[:, ::-1]))),
            people=whole,
        )
        yield recipe(
            "poster",
            name,
            lambda s: s.map(
                lambda f, _t: paste(f, resize(u8(s.frames[0][:, ::-1]), 0.3), 0.02 * s.size[0], 20)
            ),
            open=["people", "hidden"],
        )
    # Cuts and what is none.
    for name, gap in (
        ("D1a", 0.5),
        ("D1b", 0.5),
        ("D1b", 2.0),
        ("D2", 0.5),
        ("D2", 0.8),
        ("S", 0.7),
    ):
        made = _jump("jumpmid", name, gap, 0.5)
        yield replace(made, truth=replace(made.truth, name=f"{made.name}_{round(10 * gap)}"))
    for name in ("D1a", "D1b", "D2", "F1", "F2"):
        yield recipe("twos", name, lambda s: s.picked([i - i % 2 for i in range(len(s.frames))]))
        yield recipe("threes", name, lambda s: s.picked([i - i % 3 for i in range(len(s.frames))]))
    for name in ("D1a", "T", "D2", "S"):
        yield recipe("leak", name, _leak, flashes=((1.8, 2.7),))
        yield recipe(
            "flash",
            name,
            lambda s: s.map(
                lambda f, t: (
                    blend(f, np.full_like(f, 255), 0.9) if 2.0 <= t < 2.0 + 2.5 / s.fps else f
                )
            ),
            flashes=((2.0, 2.1),),
        )
        yield recipe(
            "pulse", name, lambda s: s.map(lambda f, t: light(f, 1 + 0.25 * math.sin(9.4 * t)))
        )
        yield recipe("disco", name, _disco, open=["dark"])
        yield recipe("lowerthird", name, _lower_third, planted=["text"])
        yield from _on_its_side(name)
        yield recipe("sticker", name, _sticker)
        yield from _parts(name)
        yield recipe(
            "endcard",
            name,
            lambda s: s.part(0, s.seconds - 1.4).then(
                Shot([_card(s.size)] * round(1.4 * s.fps), s.fps)
            ),
            cuts=(round(_length(name) - 1.4, 3),),
            open=["nobody", "leaves", "hidden", "still"],
            unusable=((_length(name) - 1.4, 60.0),),
        )
        yield recipe(
            "freeze",
            name,
            lambda s: s.picked(
                [
                    i if i < 1.5 * s.fps else max(round(1.5 * s.fps), i - round(1.5 * s.fps))
                    for i in range(len(s.frames))
                ]
            ),
            planted=["still"],
            unusable=((1.5, 3.0),),
        )
        yield recipe(
            "zoomout",
            name,
            lambda s: s.map(
                lambda f, t: (
                    window(f, 0.5, 0.42 + 0.08 * ramp(t, 0, 5), 0.7 * (1 + 0.07 * t))
                    if 0.7 * (1 + 0.07 * t) < 1
                    else f
                )
            ),
            planted=["camera"],
            open=["leaves", "framing", "hidden"],
        )
        yield recipe(
            "beatzoom",
            name,
            lambda s: s.map(
                lambda f, t: window(f, 0.5, 0.45, 1 / (1 + 0.1 * math.exp(-6 * (t % 0.8))))
            ),
            open=["camera", "change", "framing", "leaves"],
        )
        yield recipe(
            "darkstart",
            name,
            lambda s: s.map(lambda f, t: light(f, 0.08 + 0.92 * ramp(t, 1.2, 1.6))),
            planted=["first"],
            open=["dark", "change", "leaves", "hidden"],
            unusable=((0.0, 1.35),),
        )
    for a, b, later in (
        ("D1a", "D1b", 0.0),
        ("T", "Tb", 0.0),
        ("D2", "D2", 1.2),
        ("F2", "F2b", 0.0),
    ):
        yield recipe(
            "xfadesame",
            f"{a} {b}",
            lambda x, y, later=later: joined(x, y.part(later), 1.6, 1.0, blend).part(0, 4.0),
            gradual=((1.6, 2.6),),
        )
    for a, b in (("D1a", "T"), ("T", "D1b"), ("D1b", "DOG"), ("S", "D2"), ("D2", "S"), ("S", "F2")):
        yield recipe(
            "insert",
            f"{a} {b}",
            lambda x, y: x.part(0, 2).then(y.like(x).part(1, 1.8), x.part(2)).part(0, 5),
            cuts=(2.0, 2.8),
            open=["nobody"],
        )
        yield recipe(
            "whip",
            f"{a} {b}",
            lambda x, y: joined(x, y, 2.0, 0.3, _whipped).part(0, 4.2),
            gradual=((2.0, 2.3),),
        )
        yield recipe(
            "wipe",
            f"{a} {b}",
            lambda x, y: joined(x, y, 2.0, 0.6, _wiped).part(0, 4.2),
            gradual=((2.0, 2.6),),
        )
        yield recipe(
            "dipwhite",
            f"{a} {b}",
            lambda x, y: joined(x, y, 2.0, 0.6, _dipped).part(0, 4.2),
            gradual=((2.0, 2.6),),
        )
    # The picture as a whole.
    for name in ("D1a", "T", "D2", "S"):
        yield recipe("letterbox", name, lambda s: s.map(_letterboxed))
        yield recipe("sideblur", name, lambda s: s.map(_side_blurred), open=["small"])
        yield recipe(
            "tilt",
            name,
            lambda s: s.map(lambda f, _t: _turned(f, 12)),
            open=["leaves", "framing", "hidden"],
        )
        yield recipe(
            "sideways",
            name,
            lambda s: s.map(lambda f, _t: u8(cv2.rotate(f, cv2.ROTATE_90_CLOCKWISE))),
            planted=["turned"],
            open=[
                "nobody",
                "leaves",
                "hidden",
                "back",
                "framing",
                "first",
                "small",
                "fast",
                "people",
            ],
        )
        yield recipe("grey", name, lambda s: s.map(lambda f, _t: grey(f)))
        yield recipe("cartoon", name, lambda s: s.map(_cartoon), open=["noisy", "blurred"])
        yield recipe(
            "squeezed",
            name,
            lambda s: s.map(lambda f, _t: u8(cv2.resize(f, (SHORT, 2 * round(f.shape[0] * 0.39))))),
        )
    for name in ("D1a", "D2"):
        yield recipe(
            "emptyfirst",
            name,
            _empty_first,
            planted=["first"],
            open=["change", "leaves", "nobody", "hidden"],
            unusable=((0.0, 1.2),),
        )
        yield recipe(
            "headout",
            name,
            lambda s: s.map(lambda f, t: window(f, 0.5, 0.37 + 0.26 * ramp(t, 1.6, 2.2), 0.7)),
            planted=["leaves|nobody"],
            open=["camera", "change", "leaves", "nobody", "framing", "hidden"],
            unusable=((1.9, 60.0),),
        )
        yield recipe(
            "armbox",
            name,
            lambda s: s.map(lambda f, _t: _boxed(f, 0.62, 0.13, 1.0, 0.62)),
            planted=["hidden"],
        )
        yield recipe("legbox", name, lambda s: s.map(lambda f, _t: _boxed(f, 0.2, 0.72, 0.8, 1.0)))
        yield recipe(
            "speedramp",
            name,
            lambda s: s.picked(
                [
                    i if i < s.fps else round(s.fps + 2.2 * (i - s.fps))
                    for i in range(round(s.fps + (len(s.frames) - s.fps) / 2.2))
                ]
            ),
            open=["fast"],
        )
    yield recipe(
        "backview",
        "C",
        lambda s: _crop(
            s,
            [
                (0.0, 0.555, 0.44, 0.62),
                (0.8, 0.574, 0.42, 0.62),
                (1.2, 0.551, 0.48, 0.64),
                (1.6, 0.548, 0.47, 0.64),
                (2.0, 0.593, 0.5, 0.66),
            ],
            0.0,
            2.1,
            30,
        ),
        planted=["back"],
        without=["small", "people"],
        open=["people", "blurred", "first"],
    )


def _length(name: str) -> float:
    take = TAKES[name]
    return {"D2": 103 / 25, "S": 159 / 30}.get(name, take.seconds)


def _swing(i: int, n: int) -> int:
    """Index into n frames that are played forth and back for ever."""
    i %= 2 * (n - 1)
    return i if i < n else 2 * (n - 1) - i


def _shaken(s: Shot) -> Shot:
    def shaken(f: Frame, t: float) -> Frame:
        x = 0.012 * math.sin(8.1 * t) + 0.008 * math.sin(13.7 * t + 1)
        y = 0.01 * math.sin(9.3 * t + 2) + 0.006 * math.sin(15.1 * t)
        return window(f, 0.5 + x, 0.5 + y, 0.92)

    return s.map(shaken)


def _jump(kind: str, name: str, gap: float, quantile: float) -> Recipe:
    """A part left out, where the change is seen: a third of the clip's greatest at least."""

    def build(s: Shot) -> Shot:
        g = round(gap * s.fps)
        ks = range(round(1.0 * s.fps), len(s.frames) - g - round(1.0 * s.fps))
        small = [cv2.resize(f, (64, 96), interpolation=cv2.INTER_AREA) for f in s.frames]
        steps = np.array([cv2.absdiff(small[k - 1], small[k - 1 + g]).mean() for k in ks])
        seen = [int(i) for i in np.argsort(steps) if steps[i] >= steps.max() / 3]
        k = ks[seen[int(quantile * (len(seen) - 1))]]
        return Shot(s.frames[:k] + s.frames[k + g :], s.fps, cut=k / s.fps)

    return recipe(kind, name, build, cuts=(-1.0,))


def _blended(s: Shot) -> Shot:
    frames = []
    for i in range(int(s.seconds * 50) - 2):
        x = i * s.fps / 50
        k = min(int(x), len(s.frames) - 2)
        frames.append(blend(s.frames[k], s.frames[k + 1], x - k))
    return Shot(frames, 50)


def _on_its_side(name: str) -> Iterator[Recipe]:
    """Turned, as phones hand clips over; and a still that is zoomed and moved, with grain."""
    anything = [rule for rule in RULES if rule not in ("turned", "change")]
    for kind, turns in (("onside", 1), ("upsidedown", 2)):
        yield recipe(
            kind,
            name,
            lambda s, turns=turns: s.map(
                lambda f, _t: u8(np.ascontiguousarray(np.rot90(f, turns)))
            ),
            planted=["turned"],
            open=anything,
        )
    for kind, x, zoom in (("stillzoomed", 0.0, 0.05), ("stillpanned", 0.02, 0.0)):
        yield recipe(
            kind,
            name,
            lambda s, x=x, zoom=zoom: Shot(
                [
                    noisy(
                        window(
                            s.frames[0], 0.47 + x * i / s.fps, 0.45, 0.85 - zoom * i / s.fps / 2
                        ),
                        8,
                        i,
                    )
                    for i in range(len(s.frames))
                ],
                s.fps,
            ),
            planted=["still"],
            open=["camera", "leaves", "framing", "hidden", "noisy"],
        )


def _parts(name: str) -> Iterator[Recipe]:
    """Faults of 1.8 s, less than half of the clip: of the median there is nothing to be seen."""

    def on(t: float) -> bool:
        return 1.0 <= t < 2.8

    def panned(f: Frame, t: float) -> Frame:
        return window(f, 0.5 + 0.06 * (ramp(t, 1.0, 2.8) - 0.5), 0.45, 0.85)

    if "camera" not in TAKES[name].planted:
        framed = ["leaves", "framing", "hidden"]
        yield recipe("panpart", name, lambda s: s.map(panned), planted=["camera"], open=framed)
    yield recipe(
        "darkpart",
        name,
        lambda s: s.map(lambda f, t: light(f, 0.15) if on(t) else f),
        planted=["dark"],
        open=[
            "change",
            "hidden",
            "blurred",
            "noisy",
            "nobody",
            "leaves",
            "back",
            "people",
            "still",
        ],
        unusable=((1.0, 2.8),),
    )
    yield recipe(
        "blurpart",
        name,
        lambda s: s.map(lambda f, t: u8(cv2.GaussianBlur(f, (0, 0), 5.0)) if on(t) else f),
        planted=["blurred"],
        open=["change", "hidden"],
    )
    yield recipe(
        "noisepart",
        name,
        lambda s: Shot(
            [noisy(f, 25, i) if on(i / s.fps) else f for i, f in enumerate(s.frames)], s.fps
        ),
        planted=["noisy"],
        open=["change", "hidden", "leaves"],
    )


def _leaving(s: Shot) -> Shot:
    """The person goes out of the frame to the left, with the ground, from 2.2 to 3 s."""
    ground = plate(s)

    def gone(f: Frame, t: float) -> Frame:
        x = round(ramp(t, 2.2, 3.0) * s.size[0])
        return u8(np.concatenate([f, ground], 1)[:, x : x + s.size[0]])

    return s.map(gone)


def _on_plate(s: Shot, share: float) -> Shot:
    ground = u8(cv2.GaussianBlur(plate(s), (0, 0), 12))
    w, h = s.size
    return s.map(
        lambda f, _t: paste(ground, resize(f, share), w * (0.5 - share / 2), h * (0.6 - share / 2))
    )


def _beside(a: Shot, b: Shot) -> Shot:
    """Two clips side by side, of half the size each."""
    b = b.like(Shot([cover(a.frames[0], (SHORT, a.size[1]))], a.fps))
    n = min(len(a.frames), len(b.frames))
    return Shot([u8(np.concatenate([a.frames[i], b.frames[i]], 1)) for i in range(n)], a.fps).map(
        lambda f, _t: resize(f, 0.75)
    )


def _small_self(media: Media, s: Shot, height: float) -> Shot:
    cut = media.keyed(s)
    later = cut[25:] + cut[::-1]
    return Shot(
        [standing(later[i], height, (0.16, 0.95))(f) for i, f in enumerate(s.frames)], s.fps
    )


def _crop(
    s: Shot, path: Sequence[tuple[float, float, float, float]], begin: float, end: float, fps: float
) -> Shot:
    """Follows centre and height (shares) given at times; upright 2:3, every frame, played at ``fps``."""
    times = [p[0] for p in path]
    frames = []
    for i in range(round(begin * s.fps), min(round(end * s.fps), len(s.frames))):
        x, y, h = (float(np.interp(i / s.fps, times, [p[k] for p in path])) for k in (1, 2, 3))
        width, height = s.size
        tall = h * height
        x0 = min(max(0, round(x * width - tall / 3)), width - round(tall * 2 / 3))
        y0 = min(max(0, round(y * height - tall / 2)), height - round(tall))
        part = s.frames[i][y0 : y0 + round(tall), x0 : x0 + round(tall * 2 / 3)]
        frames.append(u8(cv2.resize(part, (SHORT, 720), interpolation=cv2.INTER_CUBIC)))
    return Shot(frames, fps)


def _leak(s: Shot) -> Shot:
    """Orange light that grows from the right, covers nearly all, and goes: the same shot goes on."""
    w, h = s.size
    x = np.linspace(0, 1, w)[None, :, None] * np.ones((h, 1, 1))
    colour = np.array([60, 150, 255.0])

    def lit(f: Frame, t: float) -> Frame:
        k = ramp(t, 1.8, 2.15) * (1 - ramp(t, 2.25, 2.7))
        if k <= 0:
            return f
        share = np.clip(1.9 * k - 0.9 * (1 - x), 0, 0.93)
        return u8(np.rint(f * (1 - share) + colour * share).astype(np.uint8))

    return s.map(lit)


def _disco(s: Shot) -> Shot:
    """Coloured light that steps every quarter of a second."""
    gains = np.random.default_rng(5).uniform(0.72, 1.15, (40, 3))
    return s.map(lambda f, t: u8(np.clip(f * gains[int(t / 0.25 + 1e-6)], 0, 255).astype(np.uint8)))


def _lower_third(s: Shot) -> Shot:
    w, h = s.size
    bar = words(
        np.full((round(0.13 * h), w, 3), (140, 60, 30), np.uint8), ["FOLLOW FOR MORE"], 0.6, 1
    )
    return s.map(
        lambda f, t: paste(f, bar, -w * (1 - ramp(t, 1.5, 1.9)), 0.78 * h) if t >= 1.5 else f
    )


def _sticker(s: Shot) -> Shot:
    w, h = s.size

    def pasted(f: Frame, t: float) -> Frame:
        if not 2.0 <= t < 3.0:
            return f
        out, at, r = f.copy(), (round(0.84 * w), round(0.16 * h)), round(0.12 * min(w, h))
        cv2.circle(out, at, r, (0, 215, 255), -1, cv2.LINE_AA)
        cv2.putText(
            out,
            "!",
            (at[0] - 8, at[1] + 14),
            cv2.FONT_HERSHEY_DUPLEX,
            1.4,
            (0, 0, 0),
            3,
            cv2.LINE_AA,
        )
        return out

    return s.map(pasted)


def _card(size: tuple[int, int]) -> Frame:
    return words(
        np.full((size[1], size[0], 3), (48, 36, 120), np.uint8), ["THANKS", "FOR WATCHING"], 0.45
    )


def _whipped(a: Frame, b: Frame, k: float) -> Frame:
    w = a.shape[1]
    x = round(w * k)
    both = u8(np.concatenate([a, b], 1)[:, x : x + w])
    return u8(cv2.blur(both, (max(3, w // 6), 1)))


def _wiped(a: Frame, b: Frame, k: float) -> Frame:
    x = round(a.shape[1] * k)
    return u8(np.concatenate([b[:, :x], a[:, x:]], 1))


def _dipped(a: Frame, b: Frame, k: float) -> Frame:
    white = np.full_like(a, 255)
    return blend(a, white, 2 * k) if k < 0.5 else blend(white, b, 2 * k - 1)


def _letterboxed(f: Frame, _t: float) -> Frame:
    h, w = f.shape[:2]
    inner = resize(f, 0.75)
    return paste(np.zeros((h, w, 3), np.uint8), cover(f, (w, inner.shape[0])), 0, 0.125 * h)


def _side_blurred(f: Frame, _t: float) -> Frame:
    size = (854, SHORT)
    ground = light(u8(cv2.GaussianBlur(cover(f, size), (0, 0), 18)), 0.7)
    inner = resize(f, SHORT / f.shape[0])
    return paste(ground, inner, (size[0] - inner.shape[1]) / 2, 0)


def _turned(f: Frame, degrees: float) -> Frame:
    h, w = f.shape[:2]
    m = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    return u8(cv2.warpAffine(f, m, (w, h), borderMode=cv2.BORDER_REFLECT))


def _cartoon(f: Frame, _t: float) -> Frame:
    small = cv2.resize(f, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    flat = cv2.bilateralFilter(small, 7, 60, 5)
    flat = cv2.resize(flat, (f.shape[1], f.shape[0]), interpolation=cv2.INTER_LINEAR)
    edges = cv2.adaptiveThreshold(
        cv2.medianBlur(cv2.cvtColor(f, cv2.COLOR_BGR2GRAY), 5), 255, 0, cv2.THRESH_BINARY, 9, 4
    )
    levels = u8(flat // 32 * 32 + 16)
    return u8(cv2.bitwise_and(levels, levels, mask=edges))


def _empty_first(s: Shot) -> Shot:
    ground = plate(s)
    return s.map(lambda f, t: _wiped(ground, f, ramp(t, 1.0, 1.4)))


def _boxed(f: Frame, x0: float, y0: float, x1: float, y1: float) -> Frame:
    out, (h, w) = f.copy(), f.shape[:2]
    a, b = (round(x0 * w), round(y0 * h)), (round(x1 * w), round(y1 * h))
    cv2.rectangle(out, a, b, (70, 90, 110), -1)
    return out


# --- pictures -----------------------------------------------------------------------------------------


def pictures(media: Media) -> Iterator[tuple[Truth, Callable[[], Frame]]]:
    """Pictures as they are, and with planted faults; ``kind`` says which."""

    def of(name: str, half: Half, planted: str = "", may: str = "") -> None:
        facts[name] = half, tuple(planted.split()), tuple(may.split())

    facts: dict[str, tuple[Half, tuple[str, ...], tuple[str, ...]]] = {}
    of("fullbody_man", "dev")
    of("anime_girl", "dev", may="hidden")
    of("portrait_woman", "dev", "framing", "hidden")
    of("painting_halfbody", "dev", may="noisy hidden")
    of("wide_alpaca", "dev", "nobody", "small leaves framing hidden")
    of("small_dog_256", "dev", "nobody", "noisy leaves framing hidden")
    of("fullbody_woman", "held")
    of("standing_woman", "held", may="hidden")
    of("drawing_woman", "held")
    of("render_boy_portrait", "held", "framing", "hidden")
    of("no_person_camera", "held", "nobody", "leaves framing hidden")

    def made(
        kind: str, name: str, change: Callable[[Frame], Frame], planted: str = "", may: str = ""
    ) -> tuple[Truth, Callable[[], Frame]]:
        half, own, also = facts[name]
        must = tuple(sorted({*own, *planted.split()} - set(may.split())))
        truth = Truth(
            f"{kind}_{name}",
            kind,
            half,
            (name,),
            planted=must,
            open=tuple(sorted({*also, *may.split()} - set(must))),
        )
        return truth, lambda: change(media.picture(name))

    anything = " ".join(rule for rule in RULES if rule != "turned")
    for name in facts:
        yield made("plain", name, lambda f: f)
    for name in ("fullbody_man", "portrait_woman", "fullbody_woman", "standing_woman"):
        man = name in ("fullbody_man", "portrait_woman")
        other = "fullbody_man" if man else "fullbody_woman"
        yield made(
            "blur", name, lambda f: u8(cv2.GaussianBlur(f, (0, 0), 5.0)), "blurred", "hidden"
        )
        yield made("dark", name, lambda f: light(f, 0.15), "dark", "hidden blurred noisy nobody")
        yield made("noise", name, lambda f: noisy(f, 25, 1), "noisy", "hidden")
        yield made("grey", name, grey)
        yield made("mirror", name, lambda f: u8(f[:, ::-1]))
        yield made("onside", name, lambda f: u8(np.rot90(f)), "turned", anything)
        yield made("tilt", name, lambda f: _turned(f, 10), "", "leaves framing hidden")
        yield made(
            "bystander",
            name,
            lambda f, other=other: standing(media.cutout(other), 0.25, (0.12, 0.9))(f),
            "people",
        )
        yield made(
            "collage",
            name,
            lambda f: u8(np.concatenate([f, window(f[:, ::-1], 0.5, 0.35, 0.7), f], 1)),
            "people|collage",
            "people collage framing hidden small",
        )
        if name != "portrait_woman":
            yield made(
                "small",
                name,
                lambda f: paste(
                    np.full_like(f, np.median(f[:40], axis=(0, 1)).astype(np.uint8)),
                    resize(f, 0.2),
                    0.4 * f.shape[1],
                    0.4 * f.shape[0],
                ),
                "small",
                "hidden",
            )
            yield made(
                "half", name, lambda f: f[: int(0.5 * f.shape[0]) & ~1], "", "hidden framing"
            )
            yield made(
                "headless",
                name,
                lambda f: f[int(0.3 * f.shape[0]) & ~1 :],
                "leaves|nobody|framing",
                "leaves nobody framing hidden back",
            )


# --- fidelity -----------------------------------------------------------------------------------------

Verdict = Literal["self", "good", "damaged", "bad"]


@dataclass(frozen=True, slots=True)
class Pair:
    """One reference and a result, and what the audit must say."""

    name: str
    half: Half
    reference: str
    """Take."""
    kind: str
    verdict: Verdict
    picture: str = "result"
    """The character: the first frame of the result or of the reference, or a picture's name."""
    sound: Literal["right", "none", "late", "short"] = "right"
    when: float = 0.0
    """Seconds at which the fault begins, where it has a begin."""
    version: int = VERSION


PairBuilder = Callable[[Shot], Shot]


def pairs() -> Iterator[tuple[Pair, Callable[[Media], Shot]]]:
    """References are one shot each; a result has the reference's sound unless ``sound`` says else."""
    wrong = {"D1a": "T", "D1b": "F1", "T": "D1a", "F1": "T", "D2": "S", "S": "D2", "F2": "S"}
    other = {"D1a": "D1b", "D1b": "D1a", "T": "Tb", "F2": "F2b"}
    for name in ("D1a", "D1b", "T", "F1", "D2", "S", "F2"):
        half, long = TAKES[name].half, _length(name)

        def made(
            kind: str,
            verdict: Verdict,
            change: PairBuilder,
            second: str = "",
            name: str = name,
            half: Half = half,
            **more: object,
        ) -> tuple[Pair, Callable[[Media], Shot]]:
            pair = Pair(f"{kind}_{name}", half, name, kind, verdict, **more)  # type: ignore[arg-type]
            if second:
                return pair, lambda m: m.take(second).like(m.take(name)).part(0, _length(name))
            return pair, lambda m: change(m.take(name))

        yield made("self", "self", lambda s: s)
        yield made("reencoded", "good", lambda s: s.map(lambda f, _t: light(f, 1.0)))
        yield made("rescaled", "good", lambda s: s.map(lambda f, _t: resize(f, 0.6)))
        yield made("cropped", "good", lambda s: s.map(lambda f, _t: window(f, 0.5, 0.5, 0.9)))
        yield made("brighter", "good", lambda s: s.map(lambda f, _t: light(f, 1.12, 10)))
        yield made("hue", "good", lambda s: s.map(lambda f, _t: hue(f, 12)))
        yield made(
            "proportions",
            "good",
            lambda s: s.map(
                lambda f, _t: u8(cv2.resize(f, (f.shape[1], 2 * round(f.shape[0] * 0.44))))
            ),
        )
        yield made("moved", "good", lambda s: _on_plate(s, 0.7))
        yield made(
            "rate",
            "good",
            lambda s: s.picked([round(i * s.fps / 20) for i in range(int(s.seconds * 20))], 20),
        )
        yield made("still", "bad", lambda s: Shot([s.frames[0]] * len(s.frames), s.fps))
        yield made(
            "stillzoom",
            "bad",
            lambda s: s.map(lambda _f, t: window(s.frames[0], 0.5, 0.45, 1 / (1 + 0.03 * t))),
        )
        yield made(
            "stillgrain",
            "bad",
            lambda s: Shot([noisy(s.frames[0], 8, i) for i in range(len(s.frames))], s.fps),
        )
        yield made("wrong", "bad", lambda s: s, wrong[name])
        if name in other:
            yield made("otherpart", "bad", lambda s: s, other[name])
        yield made("mirrored", "damaged", lambda s: s.map(lambda f, _t: u8(f[:, ::-1])))
        yield made("reversed", "bad", lambda s: Shot(s.frames[::-1], s.fps))
        yield made(
            "halfspeed", "damaged", lambda s: s.picked([i // 2 for i in range(len(s.frames))])
        )
        yield made(
            "doublespeed",
            "damaged",
            lambda s: s.picked([_swing(2 * i, len(s.frames)) for i in range(len(s.frames))]),
        )
        yield made(
            "halffrozen",
            "damaged",
            lambda s: s.picked([min(i, len(s.frames) // 2) for i in range(len(s.frames))]),
            when=long / 2,
        )
        yield made(
            "late",
            "damaged",
            lambda s: s.picked([max(0, i - round(0.6 * s.fps)) for i in range(len(s.frames))]),
            sound="late",
            when=0.6,
        )
        yield made(
            "picturelate",
            "damaged",
            lambda s: s.picked([max(0, i - round(0.6 * s.fps)) for i in range(len(s.frames))]),
            when=0.6,
        )
        yield made(
            "cutoff",
            "damaged",
            lambda s: s.part(0, 0.6 * s.seconds),
            sound="short",
            when=0.6 * long,
        )
        yield made("nosound", "good", lambda s: s, sound="none")
        yield made(
            "greypicture",
            "bad",
            lambda s: Shot([np.full_like(s.frames[0], 128)] * len(s.frames), s.fps),
        )
        yield made(
            "blackwhite", "damaged", lambda s: s.map(lambda f, _t: grey(f)), picture="reference"
        )
        yield made(
            "anotherperson",
            "damaged",
            lambda s: s,
            picture="portrait_woman" if half == "dev" else "render_boy_portrait",
        )
        yield made(
            "otherclothes",
            "damaged",
            lambda s: s.map(lambda f, t: f if t < s.seconds / 2 else hue(f, 100)),
            when=long / 2,
        )
        yield made(
            "twopeople",
            "damaged",
            lambda s: Shot(
                [
                    u8(np.concatenate([f, s.frames[_swing(i + 20, len(s.frames))][:, ::-1]], 1))
                    for i, f in enumerate(s.frames)
                ],
                s.fps,
            ).map(lambda f, _t: resize(f, 0.7)),
        )
        yield made(
            "colourdrift",
            "damaged",
            lambda s: s.map(
                lambda f, t: u8(
                    np.clip(
                        f * (1 + ramp(t, 1, s.seconds) * np.array([-0.4, 0.0, 0.3])), 0, 255
                    ).astype(np.uint8)
                )
            ),
            when=1.0,
        )
        yield made(
            "flicker",
            "damaged",
            lambda s: Shot(
                [light(f, 1.12 if i % 2 else 0.88) for i, f in enumerate(s.frames)], s.fps
            ),
        )


# --- files --------------------------------------------------------------------------------------------


def write(shot: Shot, dest: Path, crf: int = 20, sound: Sequence[str] = ()) -> None:
    """Encodes quickly. ``sound``: input and output options of a second input."""
    w, h = shot.size
    w, h = w - w % 2, h - h % 2
    before, after = (list(sound[:-2]), list(sound[-2:])) if sound else ([], [])
    part = dest.with_name(f".part-{dest.name}")
    command = [
        *(ffmpeg.executable(), "-v", "error", "-nostdin", "-y", "-f", "rawvideo"),
        *("-pix_fmt", "bgr24", "-s", f"{w}x{h}", "-r", f"{shot.fps:g}", "-i", "pipe:0", *before),
        *("-map", "0:v", *(["-map", "1:a?"] if sound else []), "-c:v", "libx264"),
        *("-preset", "ultrafast", "-crf", str(crf), "-pix_fmt", "yuv420p", "-c:a", "aac"),
        *(*after, "-movflags", "+faststart", str(part)),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for frame in shot.frames:
            process.stdin.write(np.ascontiguousarray(frame[:h, :w]).tobytes())
        process.stdin.close()
        if process.wait():
            raise SystemExit(f"ffmpeg could not write {dest.name}")
    part.replace(dest)


def _sound(media: Media, pair: Pair, seconds: float) -> list[str]:
    take = TAKES[pair.reference]
    if pair.sound == "none" or not take.sound:
        return []
    long = f"{seconds:.3f}"
    late = ["-af", "adelay=600:all=1"] if pair.sound == "late" else ["-t", long]
    return ["-ss", f"{take.start}", "-t", long, "-i", str(media.clip(pair.reference)), *late]


def _current(record: Path) -> dict[str, Any] | None:
    """The record of a made file, if it is of this version."""
    try:
        told: dict[str, Any] = json.loads(record.read_text())
    except (OSError, ValueError):
        return None
    return told if told.get("version") == VERSION else None


def _keep(record: Path, what: Truth | Pair) -> None:
    more = {"clean": what.clean} if isinstance(what, Truth) else {}
    text = json.dumps(asdict(what) | more, indent=1)
    if not record.exists() or record.read_text() != text:
        record.write_text(text)


def _clipped(spans: Sequence[Span], seconds: float) -> tuple[Span, ...]:
    return tuple((a, min(b, seconds)) for a, b in spans)


def clips(
    media: Media, folder: Path, half: Half | None = None, only: str = "*"
) -> Iterator[tuple[Path, Truth]]:
    """Each clip for the advice with its truth, made when it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in (*known(media), *unknown(media)):
        if (half and each.truth.half != half) or not fnmatch(each.name, only):
            continue
        path, record = folder / f"{each.name}.mp4", folder / f"{each.name}.json"
        told = _current(record)
        if told is None or not path.exists():
            shot = each.build(media)
            write(shot.part(0, LONGEST), path, each.crf)
            long = round(min(shot.seconds, LONGEST), 3)
            cuts = each.truth.cuts if shot.cut is None else (round(shot.cut, 3),)
        else:
            long = told["seconds"]
            cuts = tuple(told["cuts"])
        truth = replace(
            each.truth,
            seconds=long,
            cuts=cuts,
            people=_clipped(each.truth.people, long),
            unusable=_clipped(each.truth.unusable, long),
        )
        _keep(record, truth)
        yield path, truth


def images(
    media: Media, folder: Path, half: Half | None = None, only: str = "*"
) -> Iterator[tuple[Path, Truth]]:
    """Each picture for the advice with its truth."""
    folder.mkdir(parents=True, exist_ok=True)
    for truth, build in pictures(media):
        if (half and truth.half != half) or not fnmatch(truth.name, only):
            continue
        path, record = folder / f"{truth.name}.png", folder / f"{truth.name}.json"
        if _current(record) is None or not path.exists():
            cv2.imwrite(str(path), build())
        _keep(record, truth)
        yield path, truth


@dataclass(frozen=True, slots=True)
class Files:
    """Paths of one pair for the audit."""

    picture: Path
    reference: Path
    result: Path


def results(
    media: Media, folder: Path, half: Half | None = None, only: str = "*"
) -> Iterator[tuple[Files, Pair]]:
    """Each pair for the audit: picture, reference clip, result clip."""
    folder.mkdir(parents=True, exist_ok=True)
    for pair, build in pairs():
        if (half and pair.half != half) or not fnmatch(pair.name, only):
            continue
        reference = folder / f"reference_{pair.reference}.mp4"
        result, record = folder / f"{pair.name}.mp4", folder / f"{pair.name}.json"
        shot: Shot | None = None
        if not reference.exists():
            whole = media.take(pair.reference)
            plain = Pair("", pair.half, pair.reference, "", "self")
            write(whole, reference, 16, _sound(media, plain, whole.seconds))
            cv2.imwrite(str(reference.with_suffix(".png")), whole.frames[0])
        if _current(record) is None or not result.exists():
            shot = build(media)
            crf = 34 if pair.kind == "reencoded" else 23
            write(shot, result, crf, _sound(media, pair, min(shot.seconds, LONGEST)))
            cv2.imwrite(str(result.with_suffix(".png")), shot.frames[0])
        _keep(record, pair)
        picture = result.with_suffix(".png")
        if pair.picture == "reference":
            picture = reference.with_suffix(".png")
        elif pair.picture != "result":
            own = next((media.folder / "image").glob(f"{pair.picture}.*"))
            picture = folder / own.name
            if not picture.exists():
                shutil.copyfile(own, picture)
        yield Files(picture, reference, result), pair


def media_folder(argument: Path | None) -> Path:
    """The folder of real clips and pictures: the argument, or beside the project as the tests find it."""
    folder = argument or ROOT.parent / "shared" / "media"
    if not (folder / "video").is_dir():
        raise SystemExit(f"needs the folder of real clips and pictures; there is none at {folder}")
    return folder


def arguments(about: str | None) -> argparse.ArgumentParser:
    """What all programs around these clips are told."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--media", type=Path, help="the folder of real clips and pictures")
    parser.add_argument("--folder", type=Path, help="where made files are kept between runs")
    parser.add_argument("--half", choices=("dev", "held"), help="only one half of the sources")
    parser.add_argument("--only", default="*", help="a pattern of names, such as 'cut_*'")
    parser.add_argument("--kept", action="store_true", help="only what was looked at before")
    return parser


def main() -> int:
    args = arguments(__doc__).parse_args()
    media = Media(media_folder(args.media))
    folder = args.folder or Path(tempfile.mkdtemp(prefix="truth-"))
    begun, counts = time.perf_counter(), [0, 0, 0]
    for i, (what, make) in enumerate((("clips", clips), ("images", images), ("results", results))):
        for made in make(media, folder / what, args.half, args.only):  # type: ignore[operator]
            counts[i] += 1
            print(made[1].name, end=" ", flush=True)
    print(f"\n{counts[0]} clips, {counts[1]} pictures, {counts[2]} pairs in {folder}")
    print(f"{time.perf_counter() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
