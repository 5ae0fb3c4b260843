"""Files on their way to and from the browser: uploads, and the copies that gradio serves. The home itself is never served.

Gradio's cache knows no sessions, and its paths are no secrets. So the page keeps who uploaded which file, and bounds
keep one visitor, and all of them, from filling the disk.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gradio.data_classes import FileData
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from kling_utils.errors import UnreadableMedia
from kling_utils.media import bounds, encode, ffmpeg
from kling_utils.media import files as media_files
from kling_utils.media.bounds import visitor
from kling_utils.media.files import atomic_write, sha256
from kling_utils.media.images import plain
from kling_utils.values import ImageInfo, Job, VideoInfo

POSTER = 320
"""Longer side of a poster in pixels: twice what the strip shows, for dense screens."""
PICTURE = 1280
"""Longer side of a picture's preview in pixels."""
FRESH = 3600.0
"""Seconds after which a copy that is still used is touched."""
BROWSER_PICTURES = frozenset({"JPEG", "PNG", "WEBP", "GIF"})


@dataclass(slots=True)
class _Use:
    owners: set[str] = field(default_factory=set)
    sources: set[Path] = field(default_factory=set)
    """What a copy was made from."""


class CacheFiles:
    """Files in gradio's cache and who uses them. Thread-safe.

    ``limits`` gives the bytes for one owner and for all. Beyond them the files that were not used for longest are removed,
    except those that are ``spared``. The newest file always stays.
    """

    def __init__(
        self,
        limits: Callable[[], tuple[int, int]],
        spared: Callable[[Path], bool] = lambda path: False,
    ) -> None:
        self._limits, self._spared = limits, spared
        self._lock = threading.Lock()
        self._uses: OrderedDict[Path, _Use] = OrderedDict()  # the least recently used first

    def add(self, owner: str, path: str | Path, source: Path | None = None) -> None:
        """``owner`` uses the file now. An empty owner has no bound of its own."""
        path, (each, most) = Path(path), self._limits()
        with self._lock:
            use = self._uses.setdefault(path, _Use())
            known = owner in use.owners or (not owner and bool(use.sources))
            use.owners |= {owner} - {""}
            use.sources |= {source} - {None}  # type: ignore[arg-type]
            self._uses.move_to_end(path)
            if known:
                return
            for old in self._beyond(each, owner) if owner else []:
                self._disown(owner, old)
            for old in self._beyond(most):
                self._remove(old)

    def owns(self, owner: str, path: str | Path) -> bool:
        """Does ``owner`` use the file?"""
        with self._lock:
            use = self._uses.get(Path(path))
            return use is not None and owner in use.owners

    def of(self, owner: str) -> set[Path]:
        """The files of an owner."""
        with self._lock:
            return {path for path, use in self._uses.items() if owner in use.owners}

    def sources(self) -> dict[Path, set[Path]]:
        """Each file that is still there, and what it was made from."""
        with self._lock:
            for path in [each for each in self._uses if not each.exists()]:
                del self._uses[path]
            return {path: set(use.sources) for path, use in self._uses.items()}

    def forget(self, owner: str, path: str | Path) -> None:
        """``owner`` does not use the file any more. It is removed with its last owner."""
        with self._lock:
            if Path(path) in self._uses:
                self._disown(owner, Path(path))

    def drop(self, path: Path) -> None:
        """Keep no record of the file."""
        with self._lock:
            self._uses.pop(path, None)

    def __contains__(self, path: object) -> bool:
        with self._lock:
            return path in self._uses

    def _beyond(self, most: int, owner: str = "") -> list[Path]:
        """The files beyond ``most`` bytes, of an owner or of all, counted from the newest."""
        newest, *others = (
            p for p, use in reversed(self._uses.items()) if not owner or owner in use.owners
        )
        old, left = [], most - _size(newest)
        for path in others:
            left -= _size(path)
            if left < 0:
                old.append(path)
        return old

    def _disown(self, owner: str, path: Path) -> None:
        owners = self._uses[path].owners
        owners.discard(owner)
        if not owners:  # visitors who upload the same content share one file
            self._remove(path)

    def _remove(self, path: Path) -> None:
        del self._uses[path]
        if not self._spared(path):
            remove(path)


uploads = CacheFiles(lambda: (bounds.KEPT_EACH, bounds.KEPT))
"""What visitors uploaded to this process."""
copies = CacheFiles(lambda: (bounds.COPIES_EACH, bounds.COPIES), lambda path: path in uploads)
"""What the page made: copies, trims, previews. Complete, because the cache is empty when the process starts."""


def uploaded(payload: Any, owner: str) -> Path | None:
    """The path of a file that ``owner`` uploaded to this process; None for anything else that a browser sends."""
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
    """Copies are named by a hash of the content: remembered, because hashing each file at each event would be felt."""
    return str(save_file_to_cache(path, cache_dir=get_upload_folder()))


def shown(path: Path, kind: Literal["image", "video"]) -> str | None:
    """As ``handed``, under a name that tells browsers what it is: a file from an address has none."""
    if path.suffix:
        return handed(path)
    copy = _copy(path, "clip.mp4" if kind == "video" else "picture.png")
    return str(copy) if copy else None


def named(path: Path, name: str) -> Path | None:
    """A copy under the name that the user gave it, so that a job made from another job's files keeps their names; None when it is gone."""
    out = _copy(path, _plain(path, name))
    if out is not None and time.time() - out.stat().st_mtime > FRESH:
        os.utime(out)  # the cache is cleared by age; each touch makes it be measured again
    return out


def _copy(path: Path, name: str) -> Path | None:
    try:
        out = made(path, name)
        if not out.exists():
            with atomic_write(out) as part:
                shutil.copyfile(path, part)
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
    return media_files.named(stem, ending)


def copies_of(job: Job) -> list[Path]:
    """What the cache holds of a job's files: the same content, also as uploads of its owner, and all that was made of it."""
    made_from, mine = copies.sources(), uploads.of(job.owner)
    own = [Path(job.request.image), Path(job.request.video), *([job.video] if job.video else [])]
    contents = {(_size(path), _hash(path)) for path in own}
    sizes = {size for size, _ in contents}
    paths = set(made_from).union(*made_from.values(), mine)
    same = {p for p in paths if _size(p) in sizes and (_size(p), _hash(p)) in contents}
    of_job = same | set(own)
    while more := {copy for copy, sources in made_from.items() if sources & of_job} - of_job:
        of_job |= more
    return [path for path in of_job if path in made_from or path in mine]


def forget(found: Collection[Path], owner: str, *, keep: Collection[str]) -> None:
    """Remove such copies, except those that a form still uses. What another visitor's page shows is made again on demand."""
    kept = {path for path in found if str(path) in keep}
    kept |= {path for path, sources in copies.sources().items() if sources & kept}
    mine = uploads.of(owner)
    for path in set(found) - kept:
        if path in mine:
            uploads.forget(owner, path)
        else:
            remove(path)
        copies.drop(path)


def _remember(copy: Path, source: Path) -> None:
    if copy != source:
        copies.add(visitor.get(), copy, source)


def remove(path: Path) -> None:
    """Remove a file of the cache, and its folder when it was the last one there: the same content may lie there under other names."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


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
    return info.path if info.format in BROWSER_PICTURES else preview(info.path)


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
        video = f"-vf scale=trunc(iw/2)*2:trunc(ih/2)*2 -r 30 {' '.join(ffmpeg.H264)} -preset veryfast -crf 20 -g 30"
        with atomic_write(out) as part:
            args = [
                *ffmpeg.source(path),
                *["-t", "60", "-map", "0:V:0", "-map", "0:a:0?"],
                *video.split(),
            ]
            ffmpeg.run([*args, "-c:a", "aac", "-f", "mp4", f"file:{part}"], timeout=120)
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
    except (OSError, UnreadableMedia):
        return None


def made(path: Path, name: str) -> Path:
    """Where a copy lies in gradio's cache: named for what it was made from, so that it is made once."""
    stat = path.stat()
    source = f"{name} {path} {stat.st_mtime_ns} {stat.st_size}"
    folder = Path(get_upload_folder()) / hashlib.sha256(source.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    _remember(folder / name, path)
    return folder / name
