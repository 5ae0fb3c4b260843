"""Reference and result in one file that people can send: a film, an animation, a contact sheet or a still.

The file is made again, smaller, until it fits under a size, and appears whole or not at all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from PIL import Image

from kling_utils.errors import Interrupted, InvalidRequest
from kling_utils.media import ffmpeg
from kling_utils.media.files import atomic_write, local_trouble
from kling_utils.media.images import plain
from kling_utils.media.probe import probe_video
from kling_utils.review import graph
from kling_utils.review.board import DRAWN, GROUND, LARGEST, MOST_PIXELS, Role, board
from kling_utils.review.graph import Clip, Graph
from kling_utils.values import Layout, Size

Sound = Literal["reference", "result", "none"]
Progress = Callable[[float], None]
Stop = Callable[[], bool]
Kind = Literal["mp4", "gif", "webp", "png", "jpg"]

KINDS: dict[str, Kind] = {
    ".mp4": "mp4",
    ".gif": "gif",
    ".webp": "webp",
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
}
STILLS: frozenset[Kind] = frozenset({"png", "jpg"})


@dataclass(frozen=True, slots=True)
class EncodeSettings:
    """How large and how well one try is made."""

    height: float
    """Of each picture, pixels."""
    rate: Fraction
    """At most so many frames a second."""
    quality: float = 75.0
    """Of WebP and JPEG, 0..100."""
    bits: float | None = None
    """Of the pictures of an MP4 a second; None: by quality."""


START: dict[Kind, EncodeSettings] = {
    "mp4": EncodeSettings(1080, Fraction(60)),
    "gif": EncodeSettings(480, Fraction(25, 2)),
    "webp": EncodeSettings(540, Fraction(15), 72),
    "png": EncodeSettings(1080, Fraction(60)),
    "jpg": EncodeSettings(1080, Fraction(60), 88),
}
LEAST: dict[Kind, EncodeSettings] = {
    "mp4": EncodeSettings(160, Fraction(1), 1),
    "gif": EncodeSettings(96, Fraction(5), 1),
    "webp": EncodeSettings(96, Fraction(5), 35),
    "png": EncodeSettings(64, Fraction(1), 1),
    "jpg": EncodeSettings(64, Fraction(1), 40),
}
"""Where making it smaller ends: below, too little could be seen."""
_PALETTE = EncodeSettings(120, Fraction(3))
"""Colours are counted on a version of this height and rate."""
_MOST_TRIES = 7
_AIM = 0.93
"""Part of the size that the next try aims at, because sizes are only guessed."""
_SOUND_BITS = 160_000
_THREADS = ("-threads", "3", "-x264-params", "sliced-threads=1")
"""Of x264, on one frame together: a thread for each frame, which is its habit, keeps 25 MB more for each at 2 megapixels."""
_LEAST_BITS_PER_PIXEL = 0.035
"""Below it, this preset of x264 shows blocks: a smaller picture looks better (compared by eye at 720p)."""


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
    still = None
    if layout == "triptych" and picture is not None:
        still = plain(picture, "#{:02x}{:02x}{:02x}".format(*GROUND))
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        drawing = _Drawing(
            kind=kind,
            layout=layout,
            clips=clips,
            labels=labels,
            sound=sound,
            draft=draft,
            at=at,
            image=still,
            folder=Path(folder),
        )
        with local_trouble(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(out) as part:
                _write(drawing, part, max_bytes, _forward(on_progress), stop)
    if on_progress is not None:
        on_progress(1.0)
    return out


def poster(video: Path, out: Path, *, at: float | None = None, height: int = 480) -> Path:
    """One frame of a clip as ``.png`` or ``.jpg``, ``height`` pixels high at most, for a gallery. Default: a third into the clip,
    where a dance has begun and a fade is over. Raises ``InvalidRequest``, ``UnreadableMedia`` or ``FfmpegFailed``."""
    kind = _kind_of(out)
    if kind not in STILLS:
        raise InvalidRequest(
            f"A poster is a picture, and {out.name} is not one.", hint="Use .jpg or .png."
        )
    one = graph.clip(probe_video(Path(video)))
    tall = min(height, one.info.size.height)
    size = Size(max(1, round(tall * float(one.info.size.aspect))), tall)
    moment = one.up_to_last(one.info.duration / 3 if at is None else at)
    film = Graph(
        tuple(graph.opened(one, moment)),
        f"[0:V:0]{graph.fitted(one, size, pixels='gbrp', matrix='bt709')}[v]",
        size,
        one.info.frame_rate,
        one.info.duration,
    )
    with atomic_write(out) as part:
        ffmpeg.run(_arguments(kind, film, START[kind], part, None), timeout=60)
    return out


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What is drawn, at any size and rate."""

    kind: Kind
    layout: Layout
    clips: tuple[Clip, Clip]
    labels: tuple[str, str]
    sound: Sound
    draft: bool
    at: float | None
    image: Image.Image | None
    folder: Path

    def graph(self, settings: EncodeSettings) -> Graph:
        if self.layout == "sheet":
            scale = min(1.0, settings.height / 1080)
            return graph.sheet(self.clips, self.folder, self.labels, draft=self.draft, scale=scale)
        reference, result = (clip.info for clip in self.clips)
        pictures: list[tuple[Role, Size, str]] = [
            ("Reference", reference.size, self.labels[0]),
            ("Result", result.size, self.labels[1]),
        ]
        if self.image is not None:
            pictures.insert(0, ("Image", Size(*self.image.size), "Image"))
        is_still = self.kind in STILLS
        drawn = board(
            self.layout,
            int(min(settings.height, max(reference.size.height, result.size.height))),
            pictures,
            draft=self.draft,
            most_pixels=LARGEST.width * LARGEST.height if is_still else MOST_PIXELS,
        )
        image = None
        if self.image is not None:
            image = self.image.resize(drawn.panel("Image").size, Image.Resampling.LANCZOS)
        middle = min(reference.duration, result.duration) / 2
        heard = {"reference": 0, "result": 1, "none": None}[self.sound]
        if self.kind != "mp4" or (heard is not None and self.clips[heard].info.audio_codec is None):
            heard = None
        return graph.moving(
            drawn,
            self.clips,
            self.folder,
            rate=graph.common_rate(reference, result, settings.rate),
            still=image,
            wipe=self.layout == "wipe",
            heard=heard,
            pixels="gbrp" if is_still else "yuv420p",
            # WebP has no tag for its matrix: its pictures are BT.601
            matrix="bt601" if self.kind == "webp" else "bt709",
            at=(middle if self.at is None else self.at) if is_still else None,
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
    kind = _kind_of(out)
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


def _kind_of(out: Path) -> Kind:
    """The kind of file, by its ending. Raises ``InvalidRequest`` for an ending that is not written here."""
    kind = KINDS.get(out.suffix.lower())
    if kind is None:
        raise InvalidRequest(
            f"{out.name} ends in {out.suffix or 'nothing'}, which a comparison cannot be written as.",
            hint="Use .mp4 for a film, .gif or .webp for an animation, .png or .jpg for a picture, .html for a page.",
        )
    return kind


def _write(
    drawing: _Drawing, part: Path, most: int | None, tell: Progress, stop: Stop | None
) -> None:
    """Encode, and again smaller until it fits. Each try has half of the progress that is left, the only one of a file without limit all."""
    kind, settings = drawing.kind, START[drawing.kind]
    done, best, palette = 0.0, 0, None
    if kind == "gif":
        palette = drawing.folder / "palette.bgra"
        _write_palette(drawing.graph(_PALETTE), palette, stop=stop)
        done = 0.1
    for _ in range(_MOST_TRIES):
        if stop is not None and stop():
            raise Interrupted(
                "Stopped.", hint="Nothing was kept of it; start it again when you like."
            )
        film = drawing.graph(settings)
        begun, share = done, (1 - done) * (1.0 if most is None else 0.5)

        def progress(value: float, begun: float = begun, share: float = share) -> None:
            tell(begun + share * value)

        args = _arguments(kind, film, settings, part, palette)
        ffmpeg.run_to_end(["-y", *args], seconds=film.seconds, on_progress=progress, stop=stop)
        size = part.stat().st_size
        if most is None or size <= most:
            return
        done, best = done + share, min(best or size, size)
        smaller = _smaller(kind, settings, film, size, most)
        if smaller is None:
            break
        settings = smaller
    raise InvalidRequest(
        f"The comparison does not fit into {_bytes(most or 0)}: the smallest that was tried has {_bytes(best)}.",
        hint="Allow more bytes, or shorten the clips."
        if kind != "gif"
        else "Allow more bytes, shorten the clips, or use .webp or .mp4, which are smaller.",
    )


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


# -- how each kind of file is encoded


def _arguments(
    kind: Kind, film: Graph, settings: EncodeSettings, part: Path, palette: Path | None
) -> list[str]:
    """Arguments for one run of ffmpeg that writes ``part``."""
    inputs, filters, shown = list(film.inputs), film.filters, "[v]"
    if palette is not None:
        pictures = inputs.count("-i")
        form = ["-f", "rawvideo", "-pixel_format", "bgra", "-video_size", "16x16"]
        inputs += [*form, "-i", f"file:{palette}"]
        use = "paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"
        filters, shown = f"{filters};[v][{pictures}:v]{use}[shown]", "[shown]"
    if kind == "jpg":  # JPEG has no tag for its matrix: readers take BT.601, full range
        full = "scale=out_color_matrix=bt601:out_range=pc,format=yuvj444p"
        filters, shown = f"{filters};[v]{full}[shown]", "[shown]"
    out = [*inputs, "-filter_complex", filters, "-map", shown]
    if kind in STILLS:
        code = ["-c:v", "png", "-pix_fmt", "rgb24"]
        if kind == "jpg":  # ffmpeg's scale is 2 (best) to 31
            scale = min(31.0, max(2.0, 2 + (95 - settings.quality) * 0.32))
            code = ["-c:v", "mjpeg", "-q:v", f"{scale:.0f}"]
        return [*out, *code, "-frames:v", "1", "-f", "image2", "-update", "1", f"file:{part}"]
    out += ["-t", f"{film.seconds:.6f}"]
    if kind == "gif":
        return [*out, "-c:v", "gif", "-loop", "0", "-f", "gif", f"file:{part}"]
    if kind == "webp":
        quality = ["-quality", f"{settings.quality:.0f}", "-compression_level", "3"]
        return [*out, "-c:v", "libwebp_anim", *quality, "-loop", "0", "-f", "webp", f"file:{part}"]
    sound = ["-map", "[a]", "-c:a", "aac", "-b:a", str(_SOUND_BITS)] if film.sound else ["-an"]
    bits = ["-crf", "20"]
    if settings.bits is not None:
        most, buffer = settings.bits * 1.5, settings.bits * 2
        bits = [
            "-b:v",
            f"{settings.bits:.0f}",
            "-maxrate",
            f"{most:.0f}",
            "-bufsize",
            f"{buffer:.0f}",
        ]
    gop = str(max(1, round(film.rate * ffmpeg.GOP_SECONDS)))
    # ticks a second that hold the frame rate exactly
    ticks = film.rate.numerator * max(1, round(15000 / film.rate.numerator))
    pace = ["-g", gop, *_THREADS, "-video_track_timescale", str(ticks)]
    return [
        *out,
        *ffmpeg.H264,
        "-preset",
        "veryfast",
        *bits,
        *pace,
        *sound,
        "-f",
        "mp4",
        f"file:{part}",
    ]


def _write_palette(film: Graph, path: Path, *, stop: Stop | None) -> None:
    """Write the 256 colours that serve the whole film best, as raw BGRA.

    In a run of its own on a small version: inside of one graph ffmpeg would keep every full frame until the last one is seen.
    """
    filters = f"{film.filters};[v]trim=end={film.seconds:.6f},palettegen=stats_mode=full[colours]"
    out = ["-filter_complex", filters, "-map", "[colours]"]
    ffmpeg.run_to_end(
        [*film.inputs, *out, "-f", "rawvideo", "-pix_fmt", "bgra", "-y", f"file:{path}"],
        seconds=film.seconds,
        stop=stop,
    )


def _smaller(
    kind: Kind, settings: EncodeSettings, film: Graph, size: int, most: int
) -> EncodeSettings | None:
    """What to try after ``size`` bytes came out where ``most`` are allowed; None when there is nothing left to give up."""
    least, by = LEAST[kind], _AIM * most / size
    if kind == "mp4":
        whole = most * 8 * 0.97 / film.seconds - (_SOUND_BITS * 1.05 if film.sound else 0)
        bits = whole * _AIM if settings.bits is None else settings.bits * by
        if bits <= 0:
            return None
        pixels = bits / (float(film.rate) * _LEAST_BITS_PER_PIXEL)
        scale = min(1.0, (pixels / (film.size.width * film.size.height)) ** 0.5)
        if settings.height * scale < least.height >= settings.height:
            return None
        return replace(settings, bits=bits, height=max(least.height, settings.height * scale))
    shrink, slower, worse = {
        "png": (by**0.5, 1.0, 1.0),
        "gif": (by**0.4, by**0.2, 1.0),
        "webp": (by**0.35, by**0.15, by**0.25),
        "jpg": (by**0.35, 1.0, by**0.25),
    }[kind]
    lesser = EncodeSettings(
        max(least.height, settings.height * shrink),
        max(least.rate, Fraction(float(settings.rate) * slower).limit_denominator(100)),
        max(least.quality, settings.quality * worse),
    )
    return lesser if lesser != settings else None
