"""Files on their way to and from the browser.

Owns how an upload is taken, how a file of the home is handed out, and the small copies that
browsers can show. The home itself is never served: gradio gets copies in its own cache.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gradio.data_classes import FileData
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from kling_utils.errors import UnreadableMedia
from kling_utils.media import bounds, encode, ffmpeg
from kling_utils.media.bounds import visitor
from kling_utils.media.files import atomic_write, sha256
from kling_utils.media.files import named as cut_name
from kling_utils.media.images import plain
from kling_utils.studio import uploads
from kling_utils.values import ImageInfo, Job, VideoInfo

POSTER = 320
"""Longer side of a poster in pixels: twice what the strip shows, for dense screens."""
PICTURE = 1280
"""Longer side of a picture's preview in pixels."""
FRESH = 3600.0
"""Seconds after which a copy that is still used is touched."""
BROWSER_PICTURES = frozenset({"JPEG", "PNG", "WEBP", "GIF"})

_lock = threading.Lock()


@dataclass(slots=True)
class _Copy:
    """What a copy in the cache was made from, and for which visitors; not for all of them is it known."""

    sources: set[Path] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)


_copies: OrderedDict[Path, _Copy] = OrderedDict()
"""By path, the one that was not used for longest first. Complete, because the cache is empty when the process starts."""


def uploaded(payload: Any, owner: str) -> Path | None:
    """The path of a file that ``owner`` uploaded to this process; None for anything else, whatever a browser says that it is."""
    path = payload.get("path") if isinstance(payload, Mapping) else None
    return Path(path) if isinstance(path, str) and uploads.owns(owner, path) else None


def handed(path: Path) -> str | None:
    """A copy in gradio's cache, which the browser may fetch; None for a file that is gone. The cache is keyed by content."""
    try:
        stat = path.stat()
        copy = _copied(path, stat.st_mtime_ns, stat.st_size)
        if Path(copy).exists():
            os.utime(copy)  # the cache is cleared by age
        else:
            copy = str(save_file_to_cache(path, cache_dir=get_upload_folder()))
        _remember(Path(copy), path)
        return copy
    except OSError:
        return None


@functools.lru_cache(maxsize=256)
def _copied(path: Path, _modified: int, _size: int) -> str:
    """Copies are named by a hash of the content: remembered, because hashing each file at each look at the page would be felt."""
    return str(save_file_to_cache(path, cache_dir=get_upload_folder()))


def shown(path: Path, kind: Literal["image", "video"]) -> str | None:
    """As ``handed``, under a name that tells browsers what it is: what came from an address has none."""
    if path.suffix:
        return handed(path)
    try:
        out = made(path, "clip.mp4" if kind == "video" else "picture.png")
        if not out.exists():
            with atomic_write(out) as part:
                shutil.copyfile(path, part)
        return str(out)
    except OSError:
        return None


def named(path: Path, name: str) -> Path | None:
    """A copy under the name that the user gave it, so that a job made from another job's files keeps their names; None when it is gone."""
    try:
        out = made(path, _plain(path, name))
        if not out.exists():
            with atomic_write(out) as part:
                shutil.copyfile(path, part)
        if time.time() - out.stat().st_mtime > FRESH:
            os.utime(out)  # the cache is cleared by age; each touch makes it be measured again
        return out
    except OSError:
        return None


def _plain(path: Path, name: str) -> str:
    """The name that the user gave a file, as a disk and a browser take it."""
    plain = "".join(
        c for c in Path(name.replace("\\", "/")).name if c.isprintable() and c not in '<>:"|?*'
    ).strip(". ")
    plain, ending = plain or path.name, path.suffix
    stem = plain[: len(plain) - len(ending)] if plain.lower().endswith(ending.lower()) else plain
    return cut_name(stem, ending)


def copies(job: Job) -> list[Path]:
    """What the cache holds of a job's files: the same content, also as uploads of its owner, and all that was made of it."""
    with _lock:
        for copy in [each for each in _copies if not each.exists()]:
            del _copies[copy]
        made_from = {path: set(copy.sources) for path, copy in _copies.items()}
    own = [Path(job.request.image), Path(job.request.video), *([job.video] if job.video else [])]
    marks = {(_size(path), _hash(path)) for path in own}
    sizes = {size for size, _ in marks}
    paths = set(made_from).union(*made_from.values(), map(Path, uploads.of(job.owner)))
    of_job = {
        path for path in paths if _size(path) in sizes and (_size(path), _hash(path)) in marks
    } | set(own)
    while more := {copy for copy, sources in made_from.items() if sources & of_job} - of_job:
        of_job |= more
    return [path for path in of_job if path in made_from or str(path) in uploads.of(job.owner)]


def forget(found: Collection[Path], owner: str, *, keep: Collection[str]) -> None:
    """Remove such copies, but for those that a form still uses. What another visitor's page shows is made again when it is looked at."""
    kept = {path for path in found if str(path) in keep}
    with _lock:
        kept |= {path for path in found if path in _copies and _copies[path].sources & kept}
    mine = uploads.of(owner)
    for path in set(found) - kept:
        if str(path) in mine:
            uploads.forget(owner, str(path))
        else:
            uploads.remove(path)
        with _lock:
            _copies.pop(path, None)


def _remember(copy: Path, source: Path) -> None:
    """``copy`` is in use. A new one makes room: what was not used for longest goes, of its visitor and of all."""
    if copy == source:
        return
    who = visitor.get()
    with _lock:
        new = copy not in _copies
        known = _copies.setdefault(copy, _Copy())
        known.sources.add(source)
        known.owners |= {who} - {""}
        _copies.move_to_end(copy)
        if new:
            for path in _beyond(who, bounds.COPIES_EACH) if who else []:
                _copies[path].owners.discard(who)
                if not _copies[path].owners:
                    _drop(path)
            for path in _beyond("", bounds.COPIES):
                _drop(path)


def _beyond(who: str, most: int) -> list[Path]:
    """The copies of a visitor, or of all, without which those that were used last have at most ``most`` bytes. The lock is held."""
    old = []
    newest, *others = reversed(_copies)
    left = most - max(0, _size(newest))
    for path in others:
        if not who or who in _copies[path].owners:
            left -= max(0, _size(path))
            if left < 0:
                old.append(path)
    return old


def _drop(path: Path) -> None:
    del _copies[path]
    if not uploads.known(str(path)):  # the same content was uploaded as well
        uploads.remove(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _hash(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return ""


def data(path: Path | None) -> dict[str, Any] | None:
    """A file as our own components take it: gradio fills in its address."""
    copy = handed(path) if path is not None else None
    return FileData(path=copy, orig_name=Path(copy).name).model_dump() if copy else None


def poster(path: Path) -> Path | None:
    """A small JPEG of a picture, made once; None when it cannot be read."""
    return _picture(path, POSTER)


def preview(path: Path) -> Path | None:
    """A JPEG of a picture that is large enough to look at, made once; None when it cannot be read."""
    return _picture(path, PICTURE)


def picture(info: ImageInfo) -> Path | None:
    """The picture as every browser shows it: itself where that works, else a JPEG of it; None when it cannot be read."""
    return info.path if info.format in BROWSER_PICTURES else _picture(info.path, PICTURE)


def clip(info: VideoInfo) -> Path:
    """The clip as every browser plays it: itself where that works, else a copy, made once. Raises ``FfmpegFailed``."""
    if encode.plays(info):
        return info.path
    out = made(info.path, "preview.mp4")
    if not out.exists():
        encode.make_playable(info.path, info, out, timeout=120)
    return out


def recording(path: Path) -> Path:
    """A webcam's recording as an MP4 of constant rate: browsers record WebM without a length. Raises ``FfmpegFailed``."""
    out = made(path, "webcam.mp4")
    if not out.exists():
        how = [
            "-vf",
            "scale=trunc(iw/2)*2:trunc(ih/2)*2",
            "-r",
            "30",
            *ffmpeg.H264,
            "-preset",
            "veryfast",
            "-crf",
            "20",
            "-g",
            "30",
        ]
        with atomic_write(out) as part:
            args = [
                *ffmpeg.source(path),
                "-t",
                "60",
                "-map",
                "0:V:0",
                "-map",
                "0:a:0?",
                *how,
                "-c:a",
                "aac",
                "-f",
                "mp4",
                f"file:{part}",
            ]
            ffmpeg.run(args, timeout=120)
    return out


def _picture(path: Path, longest: int) -> Path | None:
    try:
        out = made(path, f"picture-{longest}.jpg")
        if not out.exists():
            drawn = plain(path, "#ffffff", longest=2 * longest)
            drawn.thumbnail((longest, longest))
            with atomic_write(out) as part:
                drawn.save(part, "JPEG", quality=84)
        return out
    except (OSError, UnreadableMedia):  # gone, or nothing that is opened
        return None


def made(path: Path, name: str) -> Path:
    """Where a copy lies in gradio's cache: named for what it was made from, so that it is made once."""
    stat = path.stat()
    mark = hashlib.sha256(f"{name} {path} {stat.st_mtime_ns} {stat.st_size}".encode()).hexdigest()
    folder = Path(get_upload_folder()) / mark
    folder.mkdir(parents=True, exist_ok=True)
    _remember(folder / name, path)
    return folder / name
