"""The inputs of a job: made files, fetched, measured once for each content, and kept. Nothing here costs anything or is sent.

An input may be given as a path, an address, bytes, a picture, an array or a moviepy clip.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast
from urllib.parse import unquote, urlsplit

from kling_utils.errors import AddressRefused, InvalidRequest, KlingError, UnreadableMedia
from kling_utils.jobs.home import Home
from kling_utils.media import bounds
from kling_utils.media.bounds import visitor
from kling_utils.media.fetch import Guard, direct, share_of
from kling_utils.media.files import local_trouble, part_name, sha256
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.media.sniff import HEAD_BYTES, sniff
from kling_utils.values import ImageInfo, MotionRequest, VideoInfo, is_url, parameters

if TYPE_CHECKING:
    import numpy as np
    from moviepy import VideoClip
    from PIL import Image

REMEMBERED = 200
FETCHED_FOR = 600.0
"""Cache time of a downloaded address, seconds."""


Info = TypeVar("Info", ImageInfo, VideoInfo)


@dataclass(frozen=True, slots=True)
class Measured(Generic[Info]):
    """One input: measured, or the error that says why it cannot be."""

    source: str | Path
    path: Path | None
    info: Info | KlingError

    @property
    def url(self) -> str | None:
        """The address that serves the file; of a share link, that of the file behind it."""
        return direct(str(self.source)) if is_url(self.source) else None

    def kept_in(self, folder: Path, stem: str, home: Home) -> Path:
        """The file in a job's folder, which the home has once by its content. Raises the reason why there is none."""
        if isinstance(self.info, KlingError) or self.path is None:
            raise self.info if isinstance(self.info, KlingError) else changed(stem, self.name)
        return _keep(self.path, folder, stem, self.info, home)

    @property
    def name(self) -> str:
        return display_name(self.source)


class Inputs:
    """Measures inputs, remembering what was measured as long as the file is the same."""

    def __init__(
        self, home: Home, guard: Guard, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._home, self._guard, self._clock = home, guard, clock
        self._known: dict[tuple[object, ...], ImageInfo | VideoInfo] = {}
        self._fetched: dict[tuple[str, str], tuple[float, Path]] = {}
        self._fetching: dict[tuple[str, str], Future[Path]] = {}
        self._failed: dict[tuple[str, str], tuple[float, KlingError]] = {}
        self._room = Room(home.all_fetched)
        self._lock = threading.Lock()

    def image(self, source: str | Path) -> Measured[ImageInfo]:
        return self._look("image", source, probe_image)

    def video(self, source: str | Path) -> Measured[VideoInfo]:
        return self._look("video", source, probe_video)

    def known(self, kind: str, url: str, path: Path) -> None:
        """``path`` holds what the address served: it is not downloaded again to be measured. Before a paid call it is checked anyway."""
        key, now = (kind, direct(url)), self._clock()
        with self._lock:
            if now - self._fetched.get(key, (-FETCHED_FOR, path))[0] >= FETCHED_FOR:
                self._fetched[key] = now, path

    def begin(self, kind: str, source: str | Path | None) -> Future[Path] | None:
        """The download of an address, in threads of its own; the same one for all who want it.

        None for a file, and for an address whose answer is remembered. Raises ``Busy``.
        """
        if source is None or not is_url(source):
            return None
        shared = str(source)
        key = (kind, direct(shared))
        with self._lock:
            if self._answer(key) is not None:
                return None
            if (future := self._fetching.get(key)) is None:
                future = bounds.fetching.submit(lambda: self._download(key, shared))
                self._fetching[key] = future
        future.add_done_callback(lambda _: self._over(key, future))
        return future

    def _over(self, key: tuple[str, str], future: Future[Path]) -> None:
        with self._lock:
            if self._fetching.get(key) is future:
                del self._fetching[key]

    def _answer(self, key: tuple[str, str]) -> Path | KlingError | None:
        """What an address served or why it served nothing, while that is remembered. The lock is held."""
        now = self._clock()
        if key in self._fetched:
            at, path = self._fetched[key]
            if now - at < FETCHED_FOR and path.is_file():
                return path
            del self._fetched[key]
        if key in self._failed:
            at, error = self._failed[key]
            if now - at < bounds.UNREACHABLE_FOR:
                return error
            del self._failed[key]
        return None

    def _look(self, kind: str, source: str | Path, probe: Callable[[Path], Info]) -> Measured[Info]:
        path: Path | None = None
        try:
            path = self._fetch(kind, str(source)) if is_url(source) else Path(source)
            return Measured(source, path, self._probe(kind, path, probe))
        except KlingError as error:
            return Measured(source, path, error)

    def _probe(self, kind: str, path: Path, probe: Callable[[Path], Info]) -> Info:
        try:
            stat = path.stat()
        except OSError as error:
            raise UnreadableMedia(
                f"{path.name} is not there.", hint=f"Choose the {kind} again.", field=kind
            ) from error
        key = (kind, path, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            return cast(Info, known)  # the kind is part of the key
        info = probe(path)
        with self._lock:
            while len(self._known) > REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = info
        return info

    def _fetch(self, kind: str, shared: str) -> Path:
        future = self.begin(kind, shared)
        if future is not None:
            return future.result()
        with self._lock:
            answer = self._answer((kind, direct(shared)))
        if isinstance(answer, KlingError):
            raise answer.with_traceback(None)
        if answer is None:  # forgotten within this moment
            return self._fetch(kind, shared)
        with contextlib.suppress(OSError):
            os.utime(answer)  # what is used stays longest
        return answer

    def _download(self, key: tuple[str, str], shared: str) -> Path:
        try:
            path = self._guarded(key[1], shared)
        except KlingError as error:
            with self._lock:
                _drop_first(self._failed)
                self._failed[key] = self._clock(), error
            raise
        with self._lock:
            _drop_first(self._fetched)
            self._fetched[key] = self._clock(), path
        self._room.add(path, each=bounds.FETCHED_EACH, most=bounds.FETCHED)
        return path

    def _guarded(self, url: str, shared: str) -> Path:
        self._home.make()
        try:
            return self._guard.fetch(url, self._home.new_fetched(), max_bytes=bounds.FILE)
        except AddressRefused as error:
            share = share_of(shared)
            if share is None or url == shared:
                raise
            raise AddressRefused(
                f"This {share.name} link does not give the file to strangers. {error.message}",
                hint="Share it with everyone who has the link, or download the file and give it from there.",
            ) from None


def _drop_first(known: dict[tuple[str, str], tuple[float, Any]]) -> None:
    """Room for one more."""
    while len(known) >= REMEMBERED:
        del known[next(iter(known))]


class Room:
    """Bounds for files, or folders of files, that were made for visitors of this process.

    ``there`` gives all of them, also those of other processes.
    """

    def __init__(self, there: Callable[[], list[Path]]) -> None:
        self._there = there
        self._by: dict[Path, str] = {}
        self._lock = threading.Lock()

    def add(self, path: Path, *, each: int, most: int) -> None:
        """``path`` is new. The least recently used go, until at most ``each`` bytes are the visitor's and ``most`` are there in all."""
        who = visitor.get()
        with self._lock:
            self._by[path] = who
            mine = [path for path, by in self._by.items() if who and by == who]
        removed = _trim(mine, each) | _trim(self._there(), most)
        with self._lock:
            for path in removed:
                self._by.pop(path, None)


def _trim(paths: list[Path], most: int) -> set[Path]:
    """Remove the least recently used first, until the rest has at most ``most`` bytes. Returns what was removed or is gone."""
    there: list[tuple[float, int, Path]] = []
    gone: set[Path] = set()
    for path in paths:
        try:
            files = [path, *path.iterdir()] if path.is_dir() else [path]
            there.append((path.stat().st_mtime, sum(each.stat().st_size for each in files), path))
        except OSError:
            gone.add(path)
    left = sum(size for _, size, _ in there)
    for _, size, path in sorted(there):
        if left <= most:
            break
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        gone.add(path)
        left -= size
    return gone


def display_name(source: str | Path) -> str:
    """The name of an input for people: the file's name; of an address its last part, never the query, which may be a signature."""
    if is_url(source):
        share = share_of(str(source))
        if share is not None and share.name == "Google Drive":
            return "file at Google Drive"  # its links hold no name
        return unquote(urlsplit(str(source)).path.rsplit("/", 1)[-1]) or (
            urlsplit(str(source)).hostname or "address"
        )
    return Path(source).name


def fingerprint(request: MotionRequest, image_sha256: str, video_sha256: str) -> str:
    """Hash of both files' bytes and of everything else that is asked: equal exactly when the same thing is asked again.

    A field that is added to ``MotionRequest`` must be left out here while it has its default: otherwise no request finds the result that
    was paid for before.
    """
    asked = {**parameters(request), "image": image_sha256, "video": video_sha256}
    return hashlib.sha256(
        json.dumps(asked, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()


def _keep(source: Path, folder: Path, stem: str, info: ImageInfo | VideoInfo, home: Home) -> Path:
    """The job's input, by a link to the one copy of its content in the home.

    Raises ``UnreadableMedia`` when the file is not the one that was measured any more.
    """
    suffix = (
        f".{info.container}"
        if isinstance(info, VideoInfo)
        else {"JPEG": ".jpg"}.get(info.format, f".{info.format.lower()}")
    )
    dest = folder / f"{stem}{suffix}"
    kept = home.inputs / f"{info.sha256}{suffix}"
    with contextlib.suppress(OSError):
        os.link(kept, dest)
        if sha256(dest) == info.sha256:
            return dest
        dest.unlink()
        kept.unlink(missing_ok=True)  # it was damaged on the disk
    try:
        shutil.copyfile(source, dest)
    except OSError as error:
        raise UnreadableMedia(
            f"{source.name} could not be copied: {error.strerror}.",
            hint="Choose it again.",
            field=stem,
        ) from error
    if sha256(dest) != info.sha256:
        raise changed(stem, source.name)
    with contextlib.suppress(OSError):  # a disk without links: each job has its own copy
        os.link(dest, kept)
    return dest


def changed(field: str, name: str) -> UnreadableMedia:
    """A file that was swapped after it was checked."""
    return UnreadableMedia(
        f"The {field} {name} changed after it was checked, so it was not sent.",
        hint="Check it again, then send it.",
        field=field,
    )


# -- what is no file yet

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
