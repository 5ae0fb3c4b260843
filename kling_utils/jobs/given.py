"""Inputs as experimenters have them: a path, an address, bytes, a picture, an array or a moviepy clip, as a file of the home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from kling_utils.errors import InvalidRequest
from kling_utils.media.names import part_name
from kling_utils.media.opening import sha256
from kling_utils.media.sniff import HEAD_BYTES, sniff
from kling_utils.media.temp_workdir import local_trouble

if TYPE_CHECKING:
    import numpy as np
    from moviepy import VideoClip
    from PIL import Image

Given: TypeAlias = "str | Path | bytes | Image.Image | np.ndarray[Any, Any] | VideoClip"
_HINT = {
    "image": "Give a path, an https address, bytes, a PIL image, or an array of height x width x 3 or 4 of uint8.",
    "video": "Give a path, an https address, bytes, or a moviepy clip.",
}


def as_file(value: Given, field: str, folder: Path) -> str | Path:
    """A path or an address as it is; anything else written to ``folder``, once for each content. Raises ``InvalidRequest``."""
    if isinstance(value, str | os.PathLike):
        return str(value) if isinstance(value, str) else Path(value)
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return _written(folder, _ending(data, field), lambda part: part.write_bytes(data))
    if field == "video" and hasattr(value, "write_videofile"):
        return _written(folder, ".mp4", lambda part: _film(value, part))
    if field == "image":
        picture = _picture(value)
        return _written(folder, ".png", lambda part: picture.save(part, "PNG"))
    raise InvalidRequest(
        f"The {field} cannot be a {type(value).__name__}.", hint=_HINT[field], field=field
    )


def _ending(data: bytes, field: str) -> str:
    kind = sniff(data[:HEAD_BYTES])
    if kind.family == "video":
        return ".mov" if kind.container == "mov" else ".mp4"
    return ".jpg" if "JPEG" in kind.phrase else ".png" if field == "image" else ".mp4"


def _picture(value: Any) -> Image.Image:
    from PIL import Image

    if isinstance(value, Image.Image):
        return value
    try:
        return Image.fromarray(value)
    except (TypeError, ValueError, AttributeError) as error:
        shape = getattr(value, "shape", None)
        what = f"an array of {shape}" if shape is not None else f"a {type(value).__name__}"
        raise InvalidRequest(
            f"The image cannot be {what}.", hint=_HINT["image"], field="image"
        ) from error


def _film(clip: Any, part: Path) -> None:
    rate = getattr(clip, "fps", None)
    if not rate:
        hint = "Set it: clip.with_fps(30)."
        raise InvalidRequest("The clip has no frame rate.", hint=hint, field="video")
    clip.write_videofile(
        str(part), fps=rate, codec="libx264", audio_codec="aac", preset="veryfast", logger=None
    )


def _written(folder: Path, ending: str, write: Any) -> Path:
    """The file, named by its content."""
    with local_trouble(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # the ending comes last: writers choose the format by it
        part = part_name(folder / "given").with_suffix(f".part{ending}")
        try:
            write(part)
            path = folder / f"{sha256(part)}{ending}"
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    return path
