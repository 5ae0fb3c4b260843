"""Characters and motions to begin with, and pairs of them with what came out.

Pictures and clips are drawn by ``scripts/draw_examples.py``: no photograph, nobody's likeness. The
results are local drafts, made of them by ``scripts/make_pairs.py``; NOTICE.md tells how.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Example:
    """One file, with a title for people and a description for those who cannot see it."""

    path: Path
    title: str
    alt: str


def _example(name: str, title: str, alt: str) -> Example:
    return Example(Path(str(resources.files(__name__) / name)), title, alt)


IMAGES: tuple[Example, ...] = (
    _example(
        "dancer.jpg",
        "Dancer in the studio",
        "Drawing of a young woman with a bun and a yellow headband, in a coral and violet sports shirt, teal trousers and violet shoes. "
        "She faces the viewer with arms a little away from her body, in front of a lavender wall with a large pale disc.",
    ),
    _example(
        "explorer.jpg",
        "Explorer in the hills",
        "Drawing of a red-haired man in a yellow quilted vest over red sleeves, with a teal scarf, rucksack straps, "
        "navy trousers and brown boots. He faces the viewer on a light path, with soft green hills and a morning sun behind him.",
    ),
)
VIDEOS: tuple[Example, ...] = (
    _example(
        "groove.mp4",
        "Dance groove, 4.8 s, with music",
        "A drawn actor in a blue motion-capture suit steps from side to side, swings his arms low, then waves them overhead; eight beats, "
        "100 a minute, a loop without a seam.",
    ),
    _example(
        "hello.mp4",
        "Wave and stretch, 5 s, silent",
        "A drawn actress in a plum and coral motion-capture suit waves with her right hand, sweeps both arms up, leans to either side "
        "and lowers her arms; a loop without a seam.",
    ),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A character, a motion, and the local draft that was made of both, without a key."""

    image: Example
    video: Example
    result: Path
    fps: int
    """Frames a second of clip and result."""

    @property
    def title(self) -> str:
        return f"{self.image.title} × {self.video.title.partition(',')[0]}"


def _pair(number: int, fps: int) -> Pair:
    image, video = IMAGES[number], VIDEOS[number]
    name = f"{image.path.stem}-{video.path.stem}.mp4"
    return Pair(image, video, image.path.with_name(name), fps)


PAIRS: tuple[Pair, ...] = (_pair(1, 25), _pair(0, 30))


def images() -> list[Path]:
    """The characters' pictures."""
    return [example.path for example in IMAGES]


def videos() -> list[Path]:
    """The motions' clips."""
    return [example.path for example in VIDEOS]
