"""Opening pictures safely, and turning them into plain ones that are padded, scaled and saved.

``open_picture`` is the only place where a picture is decoded. What that takes is read from the
header and compared with ``MAX_MEMORY`` before a decoder sees the file. A plain picture is upright,
8-bit sRGB, opaque and without metadata.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal

import numpy as np
from PIL import Image, ImageCms, ImageColor, ImageFilter, ImageOps

from kling_utils.errors import UnreadableMedia
from kling_utils.media import bounds
from kling_utils.media.picture_header import (
    Header,
    NoHeader,
    RawPhoto,
    TooMuch,
    exif_orientation,
    read_header,
    spliced,
)
from kling_utils.media.sniff import RAW, Kind, not_readable, read_head, sniff, unreadable
from kling_utils.values import Size

# Pillow opens much more than pictures from a camera, and EPS would start Ghostscript.
PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
MAX_MEMORY = 540_000_000
"""Bytes that one picture may take while it is decoded and converted. Measured as peak resident
memory of a process: a progressive JPEG of 50 megapixels without subsampling takes 501 MB, one as
phones write it 411; a HEIC of 50 megapixels 434, and up to 525 in other forms of it; an RGBA PNG of
24 megapixels 220 MB; a WebP of 24 megapixels 400 MB, with transparency 470."""
MAX_PIXELS = MAX_MEMORY // 8
"""67 megapixels: every picture takes at least 4 bytes a pixel, and 4 for its copy in RGB."""
_AGAIN = "Export or download it again: this copy is incomplete or damaged."
_AS_PICTURE = "Save it as JPEG or PNG and choose that file."
_SMALLER = "Export it as JPEG with at most 4000 pixels a side."
_DEVELOP = (
    "Open it in a photo program or on the camera, export it as JPEG and choose that file: a raw "
    "photo is developed first."
)
_MOST_COMPATIBLE = (
    "Save it as JPEG: on an iPhone choose Settings > Camera > Formats > Most Compatible, or share "
    "the photo by mail."
)
_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)


ROWS = 256
"""Rows that are converted at once: a large picture then needs no second copy in another form."""
_SEEN = 8  # of 255: variants of sRGB differ by 2, grey of gamma 2.2 by 6, Display P3 by 30

Saved = Literal["JPEG", "PNG"]

QUALITY = 95
"""Of a JPEG without a limit to its size: no visible loss, and a third of the bytes of 100."""
_LEAST_QUALITY = 80.0
"""Instead of a lower quality the picture is made smaller, which looks better."""
_FILLED = 0.925
# The example tables of the JPEG standard (ITU T.81, annex K), which every encoder scales; ours in
# steps finer than whole qualities.
_LUMA = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100
103 99"""
_CHROMA = (
    "17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66" + 38 * " 99"
)


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A decoded picture. ``turn``: the EXIF orientation that ``upright`` still has to apply."""

    image: Image.Image
    format: str
    size: tuple[int, int]
    """As decoded whole, before ``turn``; ``image`` may be reduced."""
    mode: str
    """Pillow's mode, or the raw one, such as ``RGB;16B``, where Pillow halves 16 bits to 8."""
    turn: int
    profile: bytes | None
    header: Header


@contextmanager
def open_picture(path: Path, *, longest: int | None = None) -> Iterator[Opened]:
    """The decoded picture of a file, of several the first. Broken tags do not matter.

    ``longest``: pixels that the caller needs on the longer side; a JPEG is decoded reduced, but not
    below that. Waits while others take the memory for pictures. Raises ``UnreadableMedia``
    (message: what the file is; hint: what to do); nothing is decoded when it is too large.
    """
    kind, header = _measured(path)
    small = longest is not None and 8 * longest <= max(header.size)
    memory = header.reduced if small and header.reduced is not None else header.memory
    with (
        bounds.pictures.taken(memory),
        # our own file: Pillow's would stay open after a broken picture
        _source(path, header) as source,
    ):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a stray tag is no reason to stop
                opened = _decoded(source, header, longest)
        except Exception as error:  # a damaged file makes Pillow raise almost anything
            raise _broken(path, kind) from error
        with opened.image:
            yield opened


def _source(path: Path, header: Header) -> BinaryIO:
    try:
        return spliced(path, header.ranges) if header.ranges else path.open("rb")
    except OSError as error:
        raise not_readable(path, "image", error) from error


def picture_cost(path: Path) -> tuple[int, int]:
    """Pixels, and bytes of memory for opening, by the header. Raises as ``open_picture``."""
    header = _measured(path)[1]
    return header.size.width * header.size.height, header.memory


def upright(image: Image.Image, turn: int) -> Image.Image:
    """The picture as its EXIF orientation says; itself for 1."""
    method = _TRANSPOSED.get(turn)
    return image if method is None else image.transpose(method)


def _measured(path: Path) -> tuple[Kind, Header]:
    _, head = read_head(path, "image")
    kind = sniff(head)
    if kind.family == "video":
        swapped = "Give a JPEG or PNG picture here; perhaps the two files were swapped."
        raise unreadable(path, "image", f"{kind.phrase}, not a picture", swapped, "video")
    if kind.phrase.startswith(RAW):
        raise unreadable(path, "image", kind.phrase, _DEVELOP, kind.family)
    if kind.family not in ("image", "heif", "unknown"):
        is_one = kind.phrase.endswith(" picture")
        what = f"{kind.phrase}, {'which is not read here' if is_one else 'not a picture'}"
        raise unreadable(path, "image", what, _AS_PICTURE, kind.family)
    try:
        header = read_header(path)
    except RawPhoto as error:
        raise unreadable(path, "image", str(error), _DEVELOP, "other") from None
    except TooMuch as error:
        hint = "Save it anew, as a plain JPEG or PNG."
        what = f"{error}, more than is opened safely"
        raise unreadable(path, "image", what, hint, "bomb") from None
    except OSError as error:
        raise not_readable(path, "image", error) from error
    except NoHeader as error:
        raise _broken(path, kind) from error
    if header is None:
        raise _broken(path, kind)
    width, height = header.size
    pixels = width * height
    if pixels > MAX_PIXELS or header.memory > MAX_MEMORY:
        what = (
            f"a picture of {pixels / 1e6:.0f} megapixels ({width}x{height}), which takes "
            f"{max(header.memory, 8 * pixels) / 1e6:,.0f} MB of memory to open; at most "
            f"{MAX_PIXELS / 1e6:.0f} megapixels and {MAX_MEMORY / 1e6:.0f} MB are allowed"
        )
        raise unreadable(path, "image", what, _SMALLER, "bomb")
    return kind, header


def _decoded(source: IO[bytes], header: Header, longest: int | None) -> Opened:
    import pillow_heif

    pillow_heif.register_heif_opener()  # AVIF is known to Pillow itself
    image = Image.open(source, formats=PICTURES)
    name, size, mode = image.format or "", image.size, _mode(image)
    if size[0] * size[1] > header.size.width * header.size.height:
        raise ValueError(f"the header says {header.size}, the decoder {size}")
    # Pillow turns TIFF and HEIC itself, and gives the rotation of an AVIF's boxes as EXIF
    turns = {"TIFF": 1, "HEIF": 1, "AVIF": exif_orientation(image.info.get("exif") or b"")}
    turn = turns.get(name, header.orientation)
    if longest is not None and name == "JPEG":
        share = min(1.0, longest / max(size))
        image.draft(None, (max(1, int(size[0] * share)), max(1, int(size[1] * share))))
    image.load()
    profile = header.profile or image.info.get("icc_profile")
    return Opened(image, name, size, mode, turn, profile, header)


def _mode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", None)
    args = tiles[0][3] if tiles else None
    raw = args[0] if isinstance(args, tuple) and args else args
    return raw if isinstance(raw, str) and raw.startswith("RGB") and ";16" in raw else image.mode


def _broken(path: Path, kind: Kind) -> UnreadableMedia:
    if kind.family == "heif":
        what = f"{kind.phrase}, which cannot be read here"
        return unreadable(path, "image", what, _MOST_COMPATIBLE, "heif")
    if kind.family == "image":
        return unreadable(path, "image", "not a whole picture", _AGAIN, "broken")
    return unreadable(path, "image", "not a picture", _AS_PICTURE, "broken")


# -- colours ---------------------------------------------------------------------------------------


def strips(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in parts of ``ROWS`` rows, each with the number of its first row."""
    for top in range(0, picture.height, ROWS):
        yield top, picture.crop((0, top, picture.width, min(top + ROWS, picture.height)))


def to_srgb(profile: bytes | None, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    """A conversion of pictures of ``mode`` into sRGB; None without a profile that fits."""
    try:
        if mode == "LAB":
            own = ImageCms.createProfile("LAB")
        elif profile:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
        else:
            return None
        transform = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return lambda picture: ImageCms.applyTransform(picture, transform) or picture.convert("RGB")


def other_profile(profile: bytes | None, mode: str) -> str:
    """The name of a profile that changes how colours look; empty for sRGB and for no profile."""
    plain = "L" if mode in ("L", "LA", "La", "1") or mode.startswith("I") else "RGB"
    convert = None if mode in ("CMYK", "LAB") else to_srgb(profile, plain)
    if convert is None or profile is None:
        return ""
    levels = np.arange(0, 256, 51, dtype=np.uint8)[1:]
    if plain == "L":
        tried = Image.fromarray(levels[None, :])
    else:
        tried = Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3))
    before, after = (np.asarray(each.convert("RGB"), int) for each in (tried, convert(tried)))
    if np.abs(before - after).max() <= _SEEN:
        return ""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        name = ""
    return "".join(each for each in name if each.isprintable())[:60] or "a profile of its own"


def see_through(picture: Image.Image) -> bool:
    """True when any pixel is not fully opaque."""
    return picture.has_transparency_data and any(
        np.asarray(strip.convert("RGBA").getchannel("A")).min() < 255
        for _, strip in strips(picture)
    )


# -- plain pictures --------------------------------------------------------------------------------


def plain(path: Path, ground: str, turn: int = 0, *, longest: int | None = None) -> Image.Image:
    """The picture (of several, the first) as 8-bit sRGB, upright, on a ``ground`` colour.

    ``turn``: degrees clockwise by which it is turned then, 0, 90, 180 or 270.
    ``longest``: pixels that are needed on the longer side. Raises as ``open_picture``.
    """
    with open_picture(path, longest=longest) as opened:
        picture, tag = opened.image, opened.turn
        made = Image.new("RGB", picture.size, ImageColor.getrgb(ground)[:3])
        top = _top(picture)
        convert, known = None, False
        for row, strip in strips(picture):
            flat = _eight_bits(strip, top)
            if not known:
                convert, known = to_srgb(opened.profile, flat.mode), True
            seen = strip.convert("RGBA").getchannel("A") if strip.has_transparency_data else None
            made.paste(convert(flat) if convert else flat.convert("RGB"), (0, row), seen)
    made = upright(made, tag)
    return made.transpose(_CLOCKWISE[turn]) if turn else made


_CLOCKWISE = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
"""Pillow turns the other way round."""


def _top(picture: Image.Image) -> float:
    """The greatest value of a picture of more than 8 bits or of floats; 0 for others."""
    if not picture.mode.startswith(("I", "F")):
        return 0.0
    return max(float(np.asarray(strip).max(initial=0.0)) for _, strip in strips(picture))


def _eight_bits(picture: Image.Image, top: float) -> Image.Image:
    """As RGB, CMYK, LAB or L of 8 bits; more bits are scaled by the greatest value ``top``."""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture).astype(np.float32)
        scales = (1.0, 255.0, 65535.0) if picture.mode == "F" else (255.0, 65535.0)
        full = next((each for each in scales if top <= each), top)
        return Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))
    if picture.mode in ("RGB", "CMYK", "LAB", "L"):
        return picture
    if picture.mode in ("LA", "La", "1"):
        return picture.convert("L")
    if picture.mode in ("P", "PA", "RGBA", "RGBa"):
        picture = picture.convert("RGBA")
    return picture.convert("RGB")


def pad(picture: Image.Image, size: Size, ground: str) -> Image.Image:
    """The picture in the middle of a larger one: a colour or, for ``blur``, itself blurred."""
    if ground == "blur":
        little = max(1, 128 * size.width // max(size)), max(1, 128 * size.height // max(size))
        small = ImageOps.fit(picture, little)
        under = small.filter(ImageFilter.GaussianBlur(6)).resize(size, Image.Resampling.BICUBIC)
    else:
        under = Image.new("RGB", size, ImageColor.getrgb(ground)[:3])
    under.paste(picture, ((size.width - picture.width) // 2, (size.height - picture.height) // 2))
    return under


def scale(picture: Image.Image, size: Size) -> Image.Image:
    """The picture at another size, by Lanczos."""
    if picture.size == tuple(size):
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS)


def save(
    picture: Image.Image,
    dest: Path,
    kind: Saved,
    *,
    max_bytes: int,
    fill: bool,
    least: int,
    stop: Callable[[], None],
) -> tuple[Saved, float]:
    """Write it within ``max_bytes``; returns the format, and the factor it was made smaller by.

    A PNG that does not fit becomes a JPEG. ``fill``: use the best quality that fits, because the
    source had more to give; otherwise ``QUALITY``. ``least``: pixels that the shorter side keeps.
    ``stop`` is called between attempts and may raise.
    """
    if kind == "PNG":
        out = io.BytesIO()
        picture.save(out, "PNG")
        if out.tell() <= max_bytes:
            dest.write_bytes(out.getvalue())
            return "PNG", 1.0
    shrunk, made = 1.0, picture
    for _ in range(6):
        stop()
        best = _search(made, max_bytes, 100.0 if fill else float(QUALITY), stop)
        if best is not None:
            dest.write_bytes(best)
            return "JPEG", shrunk
        worst = len(_jpeg(made, _LEAST_QUALITY + 6))
        factor = max(min(0.95, (0.95 * max_bytes / worst) ** 0.5), least / min(made.size))
        shrunk *= factor
        made = scale(picture, Size(round(picture.width * shrunk), round(picture.height * shrunk)))
        fill = True
    raise UnreadableMedia(
        "The picture could not be brought under its size.", hint="Export it smaller.", field="image"
    )


def _search(
    picture: Image.Image, max_bytes: int, high: float, stop: Callable[[], None]
) -> bytes | None:
    """The JPEG of the best quality up to ``high`` that fits; None when the least is too large."""
    data = _jpeg(picture, high)
    if len(data) <= max_bytes:
        return data
    low, best = _LEAST_QUALITY, None
    for _ in range(9):
        stop()
        middle = (low + high) / 2
        data = _jpeg(picture, middle)
        if len(data) <= max_bytes:
            low, best = middle, data
            if len(data) >= _FILLED * max_bytes:
                break
        else:
            high = middle
    return best


def _jpeg(picture: Image.Image, quality: float) -> bytes:
    """A JPEG with all colours (4:4:4), for any quality from 50 to 100, such as 91.4."""
    factor = (200 - 2 * quality) / 100
    tables = [
        [min(255, max(1, round(int(v) * factor))) for v in table.split()]
        for table in (_LUMA, _CHROMA)
    ]
    # Optimised code tables need a buffer for the whole file, and Pillow's holds two bytes a pixel:
    # noise needs more at a high quality.
    for optimize in (True, False) if quality <= QUALITY else (False,):
        out = io.BytesIO()
        try:
            picture.save(out, "JPEG", qtables=tables, subsampling=0, optimize=optimize)
        except OSError:
            if not optimize:
                raise
        else:
            break
    return out.getvalue()
