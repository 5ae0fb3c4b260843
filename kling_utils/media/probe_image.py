"""What a picture really is: ``probe_image``.

Owns measuring: format from the bytes, size as displayed, a hash.
"""

from __future__ import annotations

from pathlib import Path

from kling_utils.media.colours import other_profile, see_through
from kling_utils.media.opening import begin, file_hash
from kling_utils.media.picture_file import SIDEWAYS, open_picture
from kling_utils.values import ImageInfo, Size

_WITH_ALPHA = {"RGB": "RGBA", "L": "LA", "1": "LA", "P": "PA"}
_OPAQUE = {"RGBA": "RGB", "RGBX": "RGB", "RGBa": "RGB", "LA": "L", "La": "L", "PA": "P"}


def probe_image(path: Path) -> ImageInfo:
    """Measure a picture. Everything is decoded once, so a truncated file does not pass; a JPEG at an eighth, which is as strict.

    Raises ``UnreadableMedia`` (message: what the file is; hint: what to do) for anything that is not a whole picture, and
    for one that would take too much memory.
    """
    with open_picture(path, longest=1) as opened:
        image, header, mode = opened.image, opened.header, opened.mode
        profile = other_profile(opened.profile, image.mode)
        if see_through(image):
            mode = _WITH_ALPHA.get(image.mode, image.mode)
        elif mode == image.mode:
            mode = _OPAQUE.get(mode, mode)
        # AVIF says its frames when it is open; a phone's HEIC may hold a burst around the picture
        frames = getattr(image, "n_frames", 1) if opened.format == "AVIF" else header.frames
        width, height = opened.size
        sideways = opened.turn in SIDEWAYS
        return ImageInfo(
            path=path,
            sha256=file_hash(path, "image"),
            size_bytes=begin(path, "image")[0],
            format=opened.format,
            size=Size(height, width) if sideways else Size(width, height),
            mode=mode,
            frames=frames,
            turned=opened.turn != 1 or header.orientation != 1,
            profile=profile,
            broken_tags=header.broken_tags,
        )
