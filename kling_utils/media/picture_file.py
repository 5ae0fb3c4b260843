"""The one door through which pictures are opened: ``open_picture``.

What decoding takes is read from the header and compared with ``MAX_MEMORY`` before a decoder sees the file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from PIL import Image

from kling_utils.errors import UnreadableMedia
from kling_utils.media import bounds
from kling_utils.media.opening import begin, unreadable
from kling_utils.media.picture_header import (
    Header,
    NoHeader,
    RawPhoto,
    TooMuch,
    exif_orientation,
    read_header,
    spliced,
)
from kling_utils.media.sniff import RAW, Kind, sniff

# Pillow opens much more than pictures from a camera (EPS would start Ghostscript), so it gets a list.
PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
MAX_MEMORY = 540_000_000
"""Bytes that one picture may take while it is decoded and converted. Measured as peak resident memory of a process: a progressive
JPEG of 50 megapixels without subsampling takes 501 MB, one as phones write it 411; a HEIC of 50 megapixels 434, and up to 525 in
other forms of it; an RGBA PNG of 24 megapixels 220 MB; a WebP of 24 megapixels 400 MB, with transparency 470."""
MAX_PIXELS = MAX_MEMORY // 8
"""67 megapixels: what fits with the least that every picture takes, 4 bytes a pixel and 4 of its copy in RGB."""
_AGAIN = "Export or download it again: this copy is incomplete or damaged."
_AS_PICTURE = "Save it as JPEG or PNG and choose that file."
_SMALLER = "Export it as JPEG with at most 4000 pixels a side."
_DEVELOP = "Open it in a photo program or on the camera, export it as JPEG and choose that file: a raw photo is developed first."
_MOST_COMPATIBLE = "Save it as JPEG: on an iPhone choose Settings > Camera > Formats > Most Compatible, or share the photo by mail."
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


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A decoded picture. ``turn`` is the EXIF orientation that is still to be applied: see ``upright``."""

    image: Image.Image
    format: str
    size: tuple[int, int]
    """As decoded whole, before ``turn``; ``image`` may be reduced."""
    mode: str
    """Pillow's, or the raw one where Pillow halves 16 bits a channel to 8, such as ``RGB;16B``."""
    turn: int
    profile: bytes | None
    header: Header


@contextmanager
def open_picture(path: Path, *, longest: int | None = None) -> Iterator[Opened]:
    """The picture in a file, of several the first, decoded. Broken tags do not matter.

    ``longest``: the caller needs no more pixels on the longer side, so a JPEG is decoded reduced, though not below that.
    Waits while others take the memory for pictures. Raises ``UnreadableMedia`` (message: what the file is; hint: what to do), before
    anything is decoded when it is too large.
    """
    kind, header = _measured(path)
    with (
        bounds.pictures.taken(_taken(header, longest)),
        # Pillow has no file of its own to keep open when the picture turns out to be broken
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
        raise _closed(path, error) from error


def _closed(path: Path, error: OSError) -> UnreadableMedia:
    what = f"not readable ({error.strerror})"
    return unreadable(path, "image", what, "Check its permissions and its disk.", "missing")


def _taken(header: Header, longest: int | None) -> int:
    """Bytes that opening takes, less where a JPEG is decoded at an eighth: a check then waits for nobody."""
    small = longest is not None and 8 * longest <= max(header.size)
    return header.reduced if small and header.reduced is not None else header.memory


def picture_cost(path: Path) -> tuple[int, int]:
    """Pixels, and bytes of memory, that opening takes. Reads the header only. Raises ``UnreadableMedia`` as ``open_picture``."""
    header = _measured(path)[1]
    return header.size.width * header.size.height, header.memory


def upright(image: Image.Image, turn: int) -> Image.Image:
    """The picture as its EXIF orientation says; itself for 1."""
    method = _TRANSPOSED.get(turn)
    return image if method is None else image.transpose(method)


def _measured(path: Path) -> tuple[Kind, Header]:
    _, head = begin(path, "image")
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
        raise unreadable(
            path, "image", f"{error}, more than is opened safely", hint, "bomb"
        ) from None
    except OSError as error:
        raise _closed(path, error) from error
    except NoHeader as error:
        raise _broken(path, kind) from error
    if header is None:
        raise _broken(path, kind)
    pixels = header.size.width * header.size.height
    if pixels > MAX_PIXELS or header.memory > MAX_MEMORY:
        what = (
            f"a picture of {pixels / 1e6:.0f} megapixels ({header.size.width}x{header.size.height}), which takes "
            f"{max(header.memory, 8 * pixels) / 1e6:,.0f} MB of memory to open; at most {MAX_PIXELS / 1e6:.0f} megapixels "
            f"and {MAX_MEMORY / 1e6:.0f} MB are allowed"
        )
        raise unreadable(path, "image", what, _SMALLER, "bomb")
    return kind, header


def _decoded(source: IO[bytes], header: Header, longest: int | None) -> Opened:
    _learn_heif()
    image = Image.open(source, formats=PICTURES)
    name, size, mode = image.format or "", image.size, _mode(image)
    if size[0] * size[1] > header.size.width * header.size.height:
        raise ValueError(f"the header says {header.size}, the decoder {size}")
    # Pillow turns TIFF and HEIC itself; what an AVIF's own boxes say, it tells in the form of EXIF
    turns = {"TIFF": 1, "HEIF": 1, "AVIF": exif_orientation(image.info.get("exif") or b"")}
    turn = turns.get(name, header.orientation)
    if longest is not None and name == "JPEG":
        share = min(1.0, longest / max(size))
        image.draft(None, (max(1, int(size[0] * share)), max(1, int(size[1] * share))))
    image.load()
    profile = header.profile or image.info.get("icc_profile")
    return Opened(image, name, size, mode, turn, profile, header)


def _learn_heif() -> None:
    """Teach Pillow to open HEIC; AVIF it knows itself."""
    import pillow_heif

    pillow_heif.register_heif_opener()


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
