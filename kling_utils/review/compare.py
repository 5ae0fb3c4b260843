"""Reference and result in one file that people can send: a film, an animation, a contact sheet or a still.

Owns which file is made from what, under which size, and that it appears whole or not at all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal

from PIL import Image

from kling_utils.errors import Interrupted, InvalidRequest
from kling_utils.media import ffmpeg
from kling_utils.media.pictures import plain
from kling_utils.media.playable import beside
from kling_utils.media.probe import probe_video
from kling_utils.media.temp_workdir import local_trouble
from kling_utils.review import encode, graph, sheet
from kling_utils.review.encode import STILLS, EncodeSettings, Kind
from kling_utils.review.graph import Clip, Graph
from kling_utils.review.labels import GROUND, Role
from kling_utils.review.layout import DRAWN, LARGEST, MOST_PIXELS, Board, board
from kling_utils.values import Layout, Size

Sound = Literal["reference", "result", "none"]
Progress = Callable[[float], None]
Stop = Callable[[], bool]

_PALETTE = EncodeSettings(120, Fraction(3))
"""Colours are counted on a version of this height and rate."""


def compare(
    reference: str | Path,
    result: str | Path,
    out: str | Path,
    *,
    layout: Layout = "side",
    image: str | Path | None = None,
    labels: tuple[str, str] = ("Reference", "Result"),
    sound: Sound = "result",
    max_bytes: int | None = None,
    at: float | None = None,
    on_progress: Progress | None = None,
    stop: Stop | None = None,
    draft: bool = False,
) -> Path:
    """Write reference and result as one file and give its path. The ending of ``out`` says what it is:

    - ``.mp4``: a film with the sound of one side (none if that side is silent); ``.gif``, ``.webp``: an animation;
    - ``.png``, ``.jpg``: a still at ``at`` seconds (default: the middle of what both have), or with ``layout="sheet"`` twelve pairs.

    Nothing is stretched; the shorter clip holds its last frame; the rate is constant, the faster clip's. ``triptych`` needs ``image``.
    ``max_bytes``: the file is made smaller, coarser or slower until it fits. ``draft`` marks the result as a local draft, in the picture.
    ``on_progress`` gets 0..1 and never goes back; ``stop`` is asked about twice a second. What lay at ``out`` before is replaced
    only when the new file is whole.

    Raises ``InvalidRequest`` (what cannot be drawn, or does not fit), ``UnreadableMedia``, ``Interrupted`` or ``FfmpegFailed``.
    """
    reference, result, out = Path(reference), Path(result), Path(out)
    picture = Path(image) if image is not None else None
    kind = _agreed(layout, out, picture, max_bytes, (reference, result))
    clips = graph.clip(probe_video(reference)), graph.clip(probe_video(result))
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        job = _Job(
            kind,
            layout,
            clips,
            labels,
            sound,
            draft,
            at,
            _picture(picture) if layout == "triptych" and picture else None,
            Path(folder),
        )
        with local_trouble(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            with beside(out) as part:
                _fit(job, part, max_bytes, _forward(on_progress), stop)
                os.replace(part, out)
    if on_progress is not None:
        on_progress(1.0)
    return out


def poster(video: Path, out: Path, *, at: float | None = None, height: int = 480) -> Path:
    """One frame of a clip as ``.png`` or ``.jpg``, ``height`` pixels high at most, for a gallery. Default: a third into the clip,
    where a dance has begun and a fade is over. Raises ``InvalidRequest``, ``UnreadableMedia`` or ``FfmpegFailed``."""
    kind = encode.kind_of(out)
    if kind not in STILLS:
        raise InvalidRequest(
            f"A poster is a picture, and {out.name} is not one.", hint="Use .jpg or .png."
        )
    one = graph.clip(probe_video(Path(video)))
    whole = one.info.size
    tall = min(height, whole.height)
    size = Size(max(1, round(tall * float(whole.aspect))), tall)
    last = one.info.duration - 1.5 / float(one.info.frame_rate or 1)
    moment = max(0.0, min(one.info.duration / 3 if at is None else at, last))
    film = Graph(
        tuple(graph.opened(one, moment)),
        f"[0:V:0]{graph.fitted(one, size, pixels='gbrp', matrix='bt709')}[v]",
        size,
        one.info.frame_rate,
        one.info.duration,
    )
    with beside(out) as part:
        ffmpeg.run(encode.arguments(kind, film, encode.START[kind], part, None), timeout=60)
        os.replace(part, out)
    return out


@dataclass(frozen=True, slots=True)
class _Job:
    kind: Kind
    layout: Layout
    clips: tuple[Clip, Clip]
    labels: tuple[str, str]
    sound: Sound
    draft: bool
    at: float | None
    image: Image.Image | None
    folder: Path

    def graph(self, knobs: EncodeSettings) -> Graph:
        """The graph at that size and rate."""
        if self.layout == "sheet":
            return sheet.sheet(
                self.clips,
                self.folder,
                self.labels,
                draft=self.draft,
                scale=min(1.0, knobs.height / 1080),
            )
        reference, result = (c.info for c in self.clips)
        rate = graph.common_rate(reference, result, knobs.rate)
        drawn = self._board(knobs.height)
        heard = {"reference": 0, "result": 1, "none": None}[self.sound]
        if self.kind != "mp4" or (heard is not None and self.clips[heard].info.audio_codec is None):
            heard = None
        at = None
        if self.kind in STILLS:
            at = self.at if self.at is not None else min(reference.duration, result.duration) / 2
        still = None
        if self.image is not None:
            box = next(p.size for p in drawn.panels if p.role == "Image")
            still = self.image.resize(box, Image.Resampling.LANCZOS)
        return graph.moving(
            drawn,
            self.clips,
            self.folder,
            rate=rate,
            still=still,
            wipe=self.layout == "wipe",
            heard=heard,
            pixels="gbrp" if self.kind in STILLS else "yuv420p",
            matrix="bt601"
            if self.kind == "webp"
            else "bt709",  # WebP has no tag for it: its pictures are BT.601
            at=at,
        )

    def _board(self, height: float) -> Board:
        reference, result = (c.info.size for c in self.clips)
        pictures: list[tuple[Role, Size, str]] = [
            ("Reference", reference, self.labels[0]),
            ("Result", result, self.labels[1]),
        ]
        if self.image is not None:
            pictures.insert(0, ("Image", Size(*self.image.size), "Image"))
        most = LARGEST.width * LARGEST.height if self.kind in STILLS else MOST_PIXELS
        return board(
            self.layout,
            int(min(height, max(reference.height, result.height))),
            pictures,
            draft=self.draft,
            most_pixels=most,
        )


def _agreed(
    layout: Layout, out: Path, image: Path | None, max_bytes: int | None, sources: tuple[Path, ...]
) -> Kind:
    """The kind of the file, once it is clear that it can be made."""
    if layout == "html":
        raise InvalidRequest(
            "The page that plays offline is not drawn here.",
            hint="kling_utils.show writes it: the stage with both clips inside of one HTML file.",
        )
    if layout not in DRAWN:
        raise InvalidRequest(
            f"layout is {layout!r}.", hint=f"Use {', '.join(DRAWN[:-1])} or {DRAWN[-1]}."
        )
    kind = encode.kind_of(out)
    if layout == "sheet" and kind not in STILLS:
        raise InvalidRequest(
            f"A contact sheet is a picture, and {out.name} is not one.", hint="Use .png or .jpg."
        )
    if layout == "triptych" and image is None:
        raise InvalidRequest(
            "A triptych shows the image beside the clips, and no image was given.",
            hint="Give the image (--image, or image=), or use 'side'.",
        )
    if max_bytes is not None and max_bytes < 1:
        raise InvalidRequest(
            f"max_bytes is {max_bytes}.", hint="Give the size in bytes, such as 8_000_000."
        )
    for source in (*sources, *([Path(image)] if image is not None else [])):
        if os.path.exists(out) and os.path.exists(source) and out.samefile(source):
            raise InvalidRequest(
                f"{out.name} is one of the files that are compared.",
                hint="Choose another name for the comparison.",
            )
    return kind


def _picture(path: Path) -> Image.Image:
    """The image upright, in RGB, on the ground of the comparison where it is transparent."""
    return plain(Path(path), "#{:02x}{:02x}{:02x}".format(*GROUND))


def _fit(job: _Job, part: Path, most: int | None, tell: Progress, stop: Stop | None) -> None:
    """Encode, and again smaller until it fits. Each try has half of the progress that is left, the only one of a file without limit all."""
    knobs, done, best = encode.START[job.kind], 0.0, 0
    palette = job.folder / "palette.bgra" if job.kind == "gif" else None
    if palette is not None:
        encode.palette_of(job.graph(_PALETTE), palette, stop=stop)
        done = 0.1
    for _ in range(encode.MOST_TRIES):
        if stop is not None and stop():
            raise Interrupted(
                "Stopped.", hint="Nothing was kept of it; start it again when you like."
            )
        film = job.graph(knobs)
        share = (1 - done) * (1.0 if most is None else 0.5)
        args = encode.arguments(job.kind, film, knobs, part, palette)
        run = partial(_part_of, tell, done, share)
        ffmpeg.run_to_end(["-y", *args], seconds=film.seconds, on_progress=run, stop=stop)
        size = part.stat().st_size
        if most is None or size <= most:
            return
        done, best = done + share, min(best or size, size)
        lesser = encode.smaller(job.kind, knobs, film, size, most)
        if lesser is None:
            break
        knobs = lesser
    raise InvalidRequest(
        f"The comparison does not fit into {_bytes(most or 0)}: the smallest that was tried has {_bytes(best)}.",
        hint="Allow more bytes, or shorten the clips."
        if job.kind != "gif"
        else "Allow more bytes, shorten the clips, or use .webp or .mp4, which are smaller.",
    )


def _part_of(tell: Progress, begun: float, share: float, value: float) -> None:
    tell(begun + share * value)


def _forward(on_progress: Progress | None) -> Progress:
    """Progress that never goes back and says each value once; the end is told when the file is in its place."""
    best = -1.0

    def tell(value: float) -> None:
        nonlocal best
        value = min(value, 0.999)
        if on_progress is not None and value > best:
            best = value
            on_progress(value)

    return tell


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"
