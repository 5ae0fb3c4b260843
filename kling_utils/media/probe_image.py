"""What a picture really is: ``probe_image``.

Owns measuring: format from the bytes, size as displayed, a hash. Refuses to know what anybody's limits are, and to trust a file's name.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from PIL import Image

from kling_utils.media.opening import begin, file_hash, unreadable
from kling_utils.media.sniff import sniff
from kling_utils.values import ImageInfo, Size

# Pillow opens much more than pictures from a camera (EPS would start Ghostscript), so it gets a list.
PICTURES = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
MAX_PIXELS = (
    89_478_485  # where Pillow begins to suspect a bomb: a quarter of a gigabyte once unpacked
)
_ORIENTATION = 0x0112
_TURNED_SIDEWAYS = (5, 6, 7, 8)
_AGAIN = "Export, record or download it again: this copy is incomplete or damaged."
_AS_PICTURE = "Save it as JPEG or PNG and choose that file."


def probe_image(path: Path) -> ImageInfo:
    """Measure a picture. Everything is decoded once, so a truncated file does not pass.

    Raises ``UnreadableMedia`` (message: what the file is; hint: what to do) for anything that is not a whole picture.
    """
    size_bytes, head = begin(path, "image")
    kind = sniff(head)
    phones = kind.family == "heif"
    if phones:
        learn_heif()
    if kind.family == "video":
        raise unreadable(
            path,
            "image",
            f"{kind.phrase}, not a picture",
            "Give a JPEG or PNG picture here; perhaps the two files were swapped.",
            "video",
        )
    if kind.family not in ("image", "heif", "unknown"):
        raise unreadable(path, "image", f"{kind.phrase}, not a picture", _AS_PICTURE, kind.family)
    pixels = 0
    try:
        with Image.open(path, formats=PICTURES) as picture:
            name, mode, size = picture.format or "", _mode(picture), Size(*picture.size)
            pixels = size.width * size.height
            if pixels <= MAX_PIXELS:
                turn = picture.getexif().get(_ORIENTATION, 1)
                frames = (
                    1 if name == "HEIF" else getattr(picture, "n_frames", 1)
                )  # a phone's file may hold a burst around the picture
                if frames > 1:
                    picture.seek(0)
                if name in ("JPEG", "MPO"):
                    picture.draft(
                        "L", (size.width // 8, size.height // 8)
                    )  # decoded at an eighth: as strict, faster
                picture.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        counted = re.search(r"(\d+) pixels", str(error))
        pixels = int(counted[1]) if counted else 2 * MAX_PIXELS
    except Exception as error:  # a damaged file makes Pillow raise almost anything, and all of it means "unreadable"
        if phones:
            raise unreadable(
                path,
                "image",
                f"{kind.phrase}, which cannot be read here",
                "Save it as JPEG: on an iPhone choose Settings > Camera > Formats > Most Compatible, or share the photo by mail.",
                "heif",
            ) from error
        what = "not a whole picture" if kind.family == "image" else "not a picture"
        raise unreadable(
            path, "image", what, _AGAIN if kind.family == "image" else _AS_PICTURE, "broken"
        ) from error
    if pixels > MAX_PIXELS:
        what = f"a picture of {pixels / 1e6:.0f} megapixels, more than is opened safely ({MAX_PIXELS / 1e6:.0f})"
        raise unreadable(path, "image", what, "Export it with at most 4000 pixels a side.", "bomb")
    if (
        name == "MPO"
    ):  # a camera's JPEG with a preview or depth map behind the picture: still one JPEG picture
        name, frames = "JPEG", 1
    sideways = turn in _TURNED_SIDEWAYS
    return ImageInfo(
        path=path,
        sha256=file_hash(path, "image"),
        size_bytes=size_bytes,
        format=name,
        size=Size(size.height, size.width) if sideways else size,
        mode=mode,
        frames=frames,
        turned=sideways or turn in (2, 3, 4),
    )


def learn_heif() -> None:
    """Teach Pillow to open HEIC, where the decoder is installed; AVIF it knows itself."""
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


def _mode(picture: Image.Image) -> str:
    """Pillow's mode; the raw one where Pillow quietly halves 16 bits a channel to 8, such as ``RGB;16B``."""
    tiles = getattr(picture, "tile", None)
    args = tiles[0][3] if tiles else None
    raw = args[0] if isinstance(args, tuple) and args else args
    return raw if isinstance(raw, str) and raw.startswith("RGB") and ";16" in raw else picture.mode
