"""What comes before a job: files and addresses are measured, and checked against the rules. Nothing here costs anything or is sent.

Owns the measuring of inputs, once for each content, and the fingerprint. Refuses to know states and providers' answers.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast
from urllib.parse import unquote, urlsplit

from kling_utils.errors import AddressRefused, KlingError, UnreadableMedia
from kling_utils.jobs.home import Home
from kling_utils.media.guard import Guard
from kling_utils.media.probe import probe_image, probe_video
from kling_utils.media.shares import direct, share_of
from kling_utils.values import ImageInfo, MotionRequest, VideoInfo, is_url, parameters

MAX_FETCH_BYTES = 200_000_000
REMEMBERED = 200
FETCHED_FOR = 600.0
"""Seconds for which what an address served is taken as what it serves."""


Info = TypeVar("Info", ImageInfo, VideoInfo)


@dataclass(frozen=True, slots=True)
class Looked(Generic[Info]):
    """One input: measured, or the error that says why it cannot be."""

    source: str | Path
    path: Path | None
    info: Info | KlingError

    @property
    def url(self) -> str | None:
        """The address that serves the file; of a share link, that of the file behind it."""
        return direct(str(self.source)) if is_url(self.source) else None

    def kept_in(self, folder: Path, stem: str) -> Path:
        """The job's own copy. Raises the reason why there is none."""
        if isinstance(self.info, KlingError) or self.path is None:
            raise self.info if isinstance(self.info, KlingError) else changed(stem, self.name)
        return _keep(self.path, folder, stem, self.info)

    @property
    def name(self) -> str:
        return display_name(self.source)


class Intake:
    """Measures inputs, remembering what was measured as long as the file is the same."""

    def __init__(
        self, home: Home, guard: Guard, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._home, self._guard, self._clock = home, guard, clock
        self._known: dict[tuple[object, ...], ImageInfo | VideoInfo] = {}
        self._fetched: dict[tuple[str, str], tuple[float, Path]] = {}
        self._lock = threading.Lock()

    def image(self, source: str | Path) -> Looked[ImageInfo]:
        return self._look("image", source, probe_image)

    def video(self, source: str | Path) -> Looked[VideoInfo]:
        return self._look("video", source, probe_video)

    def known(self, kind: str, url: str, path: Path) -> None:
        """``path`` is what the address served once: it is not fetched again to be measured. Before a paid call it is looked at anyway."""
        key, now = (kind, direct(url)), self._clock()
        with self._lock:
            if now - self._fetched.get(key, (-FETCHED_FOR, path))[0] >= FETCHED_FOR:
                self._fetched[key] = now, path

    def _look(self, kind: str, source: str | Path, probe: Callable[[Path], Info]) -> Looked[Info]:
        path: Path | None = None
        try:
            path = self._fetch(kind, str(source)) if is_url(source) else Path(source)
            return Looked(source, path, self._probe(kind, path, probe))
        except KlingError as error:
            return Looked(source, path, error)

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
        url = direct(shared)
        with self._lock:
            at, path = self._fetched.get((kind, url), (0.0, Path()))
        if at and self._clock() - at < FETCHED_FOR and path.is_file():
            return path
        self._home.make()
        try:
            path = self._guard.fetch(
                url, self._home.fetched / secrets.token_hex(16), max_bytes=MAX_FETCH_BYTES
            )
        except AddressRefused as error:
            share = share_of(shared)
            if share is None or url == shared:
                raise
            raise AddressRefused(
                f"This {share.name} link does not give the file to strangers. {error.message}",
                hint="Share it with everyone who has the link, or download the file and give it from there.",
            ) from None
        with self._lock:
            self._fetched[(kind, url)] = (self._clock(), path)
        return path


def display_name(source: str | Path) -> str:
    """What people call an input: the file's name; of an address its last part, never the query, which may be a signature."""
    if is_url(source):
        share = share_of(str(source))
        if share is not None and share.name == "Google Drive":
            return "file at Google Drive"  # its links hold no name
        return unquote(urlsplit(str(source)).path.rsplit("/", 1)[-1]) or (
            urlsplit(str(source)).hostname or "address"
        )
    return Path(source).name


def fingerprint(request: MotionRequest, image_sha256: str, video_sha256: str) -> str:
    """Hash of both files' bytes and of everything else that is asked: equal exactly when the same thing is asked again."""
    asked = {**parameters(request), "image": image_sha256, "video": video_sha256}
    return hashlib.sha256(
        json.dumps(asked, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()


def _keep(source: Path, folder: Path, stem: str, info: ImageInfo | VideoInfo) -> Path:
    """The job's own copy of an input. Raises ``UnreadableMedia`` when the file is not the one that was measured any more."""
    suffix = (
        f".{info.container}"
        if isinstance(info, VideoInfo)
        else {"JPEG": ".jpg"}.get(info.format, f".{info.format.lower()}")
    )
    dest = folder / f"{stem}{suffix}"
    try:
        shutil.copyfile(source, dest)
    except OSError as error:
        raise UnreadableMedia(
            f"{source.name} could not be copied: {error.strerror}.",
            hint="Choose it again.",
            field=stem,
        ) from error
    with dest.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != info.sha256:
            raise changed(stem, source.name)
    return dest


def changed(field: str, name: str) -> UnreadableMedia:
    """A file that was swapped after it was checked."""
    return UnreadableMedia(
        f"The {field} {name} changed after it was checked, so it was not sent.",
        hint="Check it again, then send it.",
        field=field,
    )
