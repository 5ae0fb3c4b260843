"""The result, from the provider's storage to a file that is whole.

A download is resumed, its length and first bytes are checked, and a fresh link is asked for once. A file has its
name only when all of it is there and on the disk. No key is sent: storage hosts are strangers, and are met through the
same guard as inputs. Behaviour after huggingface_hub and yt-dlp.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import requests

from kling_utils.errors import (
    AddressRefused,
    DownloadFailed,
    Interrupted,
    KlingError,
    LinkExpired,
    NoContact,
)
from kling_utils.media.fetch import FULL, Guard, bare, chunks, length, unwritten
from kling_utils.media.files import part_name
from kling_utils.media.sniff import HEAD_BYTES, sniff
from kling_utils.providers.http import PATIENCE, TRIES, full_jitter, retry_after

_GONE = (401, 403, 404, 410)
_SPARE = 16 * 2**20  # bytes that stay free on the disk
_TOTAL = 1800.0  # seconds for one connection, however slowly it sends
_TELL_EVERY = 0.25  # seconds between two reports of progress
_LATER = "The result is kept at the provider for about an hour; it is fetched again."


class _Again(Exception):
    def __init__(self, why: str, told: float | None = None) -> None:
        super().__init__(why)
        self.told = told


class _Gone(Exception):
    """The link does not lead to the file any more; ``final`` is raised when a fresh one does not either."""

    def __init__(self, final: DownloadFailed) -> None:
        super().__init__(str(final))
        self.final = final


def download(
    guard: Guard,
    url: str,
    dest: Path,
    *,
    fresh_link: Callable[[], str | None],
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
    max_bytes: int,
    stop: Callable[[], bool] = lambda: False,
    wait: Callable[[float], bool] | None = None,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> Path:
    """Save the video behind ``url`` as ``dest`` and return it.

    ``fresh_link`` is asked once, when the link is refused. ``on_progress(done, total)`` gets bytes, four times a second at most.
    ``stop`` ends it between two reads. Raises ``LinkExpired``, ``DownloadFailed`` and ``Interrupted``; what ``fresh_link`` raises passes.
    """
    pause, rng = wait or threading.Event().wait, rng or random.Random()  # noqa: S311 - jitter
    part = part_name(dest)  # beside it, and nobody else's
    try:
        with part.open("xb") as file:
            pull = _Pull(
                guard,
                url,
                file,
                max_bytes=max_bytes,
                stop=stop,
                wall=wall,
                free=free,
                tell=on_progress,
                clock=clock,
            )
            while True:
                _check_stop(stop())
                try:
                    pull.connection()
                    break
                except _Gone as gone:
                    pull.refresh(gone, fresh_link)
                except _Again as again:
                    pull.count(again)
                    told = again.told
                    wait_for = full_jitter(pull.failures, rng) if told is None else told
                    _check_stop(pause(min(wait_for, PATIENCE)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, dest)
    except OSError as error:
        if isinstance(error, KlingError):
            raise
        why = unwritten(error)
        hint = f"Free some space. {_LATER}" if why == FULL else _LATER
        raise DownloadFailed(f"{dest.name} could not be written: {why}.", hint=hint) from error
    finally:
        part.unlink(missing_ok=True)
    return dest


class _Pull:
    """One file that grows over several connections, and what is known of the file at the other end."""

    def __init__(
        self,
        guard: Guard,
        url: str,
        file: BinaryIO,
        *,
        max_bytes: int,
        stop: Callable[[], bool],
        wall: Callable[[], float],
        free: Callable[[Path], int],
        tell: Callable[[int, int | None], None],
        clock: Callable[[], float],
    ) -> None:
        self._guard, self._url, self._file = guard, url, file
        self._max_bytes, self._stop, self._wall, self._free = max_bytes, stop, wall, free
        self._tell, self._clock, self._told = tell, clock, float("-inf")
        self.failures = 0
        """Connections in a row that came no further than one before."""
        self._total: int | None = None
        self._validator = ""
        self._furthest = 0
        self._refreshed = False

    def connection(self) -> None:
        """From where the file ends, or from the start, to the end. Raises ``_Again`` and ``_Gone``."""
        file = self._file
        done = file.seek(0, os.SEEK_END)
        if done and not self._validator and (self._total is None or self._refreshed):
            done = self._restart()  # nothing would tell another file's rest from this one's
        headers = {"Range": f"bytes={done}-"} if done else {}
        if done and self._validator:
            headers["If-Range"] = self._validator
        try:
            with self._guard.open(self._url, headers=headers, total=_TOTAL) as response:
                start = self._accept(response, done)
                if start is None:
                    return
                self._check_room(start)
                checked = start > 0
                for chunk in chunks(response, self._url):
                    file.write(chunk)
                    if not checked and file.tell() >= 12:
                        self._check_head()
                        checked = True
                    self._check_size(file.tell())
                    self._progress()
                    _check_stop(self._stop())
        except AddressRefused as error:
            raise DownloadFailed(
                f"The result's link leads where nothing is fetched from. {error.message}",
                hint="If that host is yours, name it in KLING_ALLOW_PRIVATE_HOSTS.",
            ) from None
        except NoContact as error:
            raise _Again(error.message) from None
        if self._total is not None and file.tell() < self._total:
            raise _Again(f"it broke off after {file.tell()} of {self._total} bytes")
        if self._total is not None and file.tell() > self._total:
            self._restart()
            raise _Again("it is longer than it should be")
        self._check_head()
        self._progress(last=True)

    def refresh(self, gone: _Gone, fresh_link: Callable[[], str | None]) -> None:
        """Go on with a fresh link, once."""
        if self._refreshed:
            raise gone.final
        self._refreshed = True
        if not (fresh := fresh_link()):
            raise gone.final
        self._url = fresh

    def count(self, again: _Again) -> None:
        """Failures in a row; one that came further than ever before starts the count anew."""
        size = self._file.seek(0, os.SEEK_END)
        if size > self._furthest:
            self._furthest, self.failures = size, 0
        self.failures += 1
        if self.failures >= TRIES:
            told = f"{bare(self._url)} could not be fetched: {again}."
            raise DownloadFailed(told, hint=_LATER) from None

    def _accept(self, response: requests.Response, done: int) -> int | None:
        """Where the body of this answer goes in the file, or None when nothing is missing. Raises ``_Again`` and ``_Gone``."""
        status = response.status_code
        if status in _GONE:
            told = f"The link to the result does not work any more (HTTP {status})."
            raise _Gone(LinkExpired(told, hint="Look for it at the provider."))
        content_range = response.headers.get("Content-Range", "").strip()
        if status == 416:
            whole = re.fullmatch(r"bytes \*/(\d+)", content_range)
            if done and done == (int(whole[1]) if whole else self._total):
                self._total = done
                self._check_head()
                return None
            self._restart()
            raise _Again("the host refused to go on from there")
        if status in (408, 429) or status >= 500:
            told_wait = retry_after(response.headers.get("Retry-After"), self._wall())
            raise _Again(f"HTTP {status}", told_wait)
        if status not in (200, 206):
            told = f"{bare(self._url)} answered HTTP {status} instead of the video."
            raise DownloadFailed(told, hint=_LATER)
        validator = _validator(response)
        if status == 206:
            part = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
            start = int(part[1]) if part else -1
            total = int(part[2]) if part and part[2] != "*" else None
            known = self._total if done else None
            if (
                start != done
                or (known is not None and total not in (None, known))
                or (done and validator not in ("", self._validator))
            ):
                self._restart()
                self._validator, self._total = "", None
                raise _Again("the host went on somewhere else")
            self._total = total if total is not None else self._total
        else:  # the whole file again: the range was ignored, or the file is another one by now
            done = self._restart()
            self._total = length(response)
        self._validator = validator or self._validator
        return done

    def _check_room(self, start: int) -> None:
        if self._total is None:
            return
        self._check_size(self._total)
        if self._free(Path(self._file.name).parent) < self._total - start + _SPARE:
            raise DownloadFailed(
                f"The disk has no room for the result ({self._total / 2**20:.0f} MB).",
                hint=f"Free some space. {_LATER}",
            )

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise DownloadFailed(
                f"The result is larger than {self._max_bytes / 2**20:.0f} MB.",
                hint="Fetch it by hand at the provider.",
            )

    def _check_head(self) -> None:
        self._file.flush()
        with open(self._file.name, "rb") as reader:
            head = reader.read(HEAD_BYTES)
        kind = sniff(head)
        if kind.family == "video" or kind.container == "gif":
            return
        self._restart()
        what = "nothing" if not head else kind.phrase
        told = f"What {bare(self._url)} serves is not a video but {what}."
        # Storage hosts tell of an expired link in a page too, so a fresh one is worth a try.
        raise _Gone(DownloadFailed(told, hint=_LATER))

    def _restart(self) -> int:
        self._file.seek(0)
        self._file.truncate()
        return 0

    def _progress(self, *, last: bool = False) -> None:
        """Not more often than a person can read it."""
        if last or self._clock() - self._told >= _TELL_EVERY:
            self._told = self._clock()
            self._tell(self._file.tell(), self._total)


def _validator(response: requests.Response) -> str:
    """What ``If-Range`` may carry: a strong ETag, or else the date. A body that is encoded anyway cannot be resumed."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return ""
    etag = response.headers.get("ETag", "").strip()
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "").strip()


def _check_stop(stopped: bool) -> None:
    if stopped:
        raise Interrupted(
            "The download was stopped.",
            hint="It starts again when the job is resumed.",
            money="yes",
        )
