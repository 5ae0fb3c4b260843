"""The result, from the provider's storage to a file that is whole.

Owns resuming, length and first bytes, and the one fresh link. A file has its name only when all of it is there and on the disk. Refuses
to send a key: storage hosts are strangers, and are met through the same guard as inputs. Behaviour after huggingface_hub and yt-dlp.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(slots=True)
class _State:
    """What is known of the file at the other end; ``url`` changes when a fresh link is asked for."""

    url: str
    total: int | None = None
    validator: str = ""
    furthest: int = 0
    failures: int = 0
    refreshed: bool = False


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
    state = _State(url)
    pause, rng = wait or threading.Event().wait, rng or random.Random()  # noqa: S311 - jitter
    part = part_name(dest)  # beside it, and nobody else's
    try:
        with part.open("xb") as file:
            told = _Teller(on_progress, clock)
            while True:
                _check_stop(stop())
                try:
                    _pull(
                        guard,
                        state,
                        file,
                        told,
                        max_bytes=max_bytes,
                        stop=stop,
                        wall=wall,
                        free=free,
                    )
                    break
                except _Gone as gone:
                    _refresh(state, gone, fresh_link)
                except _Again as again:
                    _count(state, file, again)
                    asked = (
                        full_jitter(state.failures, rng)
                        if again.told is None
                        else min(again.told, PATIENCE)
                    )
                    _check_stop(pause(asked))
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


def _pull(
    guard: Guard,
    state: _State,
    file: BinaryIO,
    told: _Teller,
    *,
    max_bytes: int,
    stop: Callable[[], bool],
    wall: Callable[[], float],
    free: Callable[[Path], int],
) -> None:
    """One connection: from where the file ends, or from the start, to the end. Raises ``_Again`` and ``_Gone``."""
    done = file.seek(0, os.SEEK_END)
    if done and not state.validator and (state.total is None or state.refreshed):
        done = _restart(file)  # nothing would tell another file's rest from this one's
    headers = {"Range": f"bytes={done}-"} if done else {}
    if done and state.validator:
        headers["If-Range"] = state.validator
    try:
        with guard.open(state.url, headers=headers, total=_TOTAL) as response:
            start = _accept(response, state, file, done, wall)
            if start is None:
                return
            if state.total is not None and state.total > max_bytes:
                raise DownloadFailed(
                    f"The result is larger than {max_bytes / 2**20:.0f} MB.",
                    hint="Fetch it by hand at the provider.",
                )
            if (
                state.total is not None
                and free(Path(file.name).parent) < state.total - start + _SPARE
            ):
                raise DownloadFailed(
                    f"The disk has no room for the result ({state.total / 2**20:.0f} MB).",
                    hint=f"Free some space. {_LATER}",
                )
            checked = start > 0
            for chunk in chunks(response, state.url):
                file.write(chunk)
                if not checked and file.tell() >= 12:
                    _check_head(file, state)
                    checked = True
                if file.tell() > max_bytes:
                    raise DownloadFailed(
                        f"The result is larger than {max_bytes / 2**20:.0f} MB.",
                        hint="Fetch it by hand at the provider.",
                    )
                told(file.tell(), state.total)
                _check_stop(stop())
    except AddressRefused as error:
        hint = "If that host is yours, name it in KLING_ALLOW_PRIVATE_HOSTS."
        raise DownloadFailed(
            f"The result's link leads where nothing is fetched from. {error.message}", hint=hint
        ) from None
    except NoContact as error:
        raise _Again(error.message) from None
    if state.total is not None and file.tell() < state.total:
        raise _Again(f"it broke off after {file.tell()} of {state.total} bytes")
    if state.total is not None and file.tell() > state.total:
        _restart(file)
        raise _Again("it is longer than it should be")
    _check_head(file, state)
    told(file.tell(), state.total, last=True)


def _accept(
    response: requests.Response, state: _State, file: BinaryIO, done: int, wall: Callable[[], float]
) -> int | None:
    """Where the body of this answer goes in the file, or None when nothing is missing. Raises ``_Again`` and ``_Gone``."""
    status = response.status_code
    if status in _GONE:
        raise _Gone(
            LinkExpired(
                f"The link to the result does not work any more (HTTP {status}).",
                hint="Look for it at the provider.",
            )
        )
    if status == 416:
        whole = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", "").strip())
        if done and done == (int(whole[1]) if whole else state.total):
            state.total = done
            _check_head(file, state)
            return None
        _restart(file)
        raise _Again("the host refused to go on from there")
    if status in (408, 429) or status >= 500:
        raise _Again(f"HTTP {status}", retry_after(response.headers.get("Retry-After"), wall()))
    if status not in (200, 206):
        raise DownloadFailed(
            f"{bare(state.url)} answered HTTP {status} instead of the video.", hint=_LATER
        )
    validator = _validator(response)
    if status == 206:
        start, total = _content_range(response)
        known = state.total if done else None
        if (
            start != done
            or (known is not None and total not in (None, known))
            or (done and validator not in ("", state.validator))
        ):
            _restart(file)
            state.validator, state.total = "", None
            raise _Again("the host went on somewhere else")
        state.total = total if total is not None else state.total
    else:
        done = _restart(
            file
        )  # the whole file again: the range was ignored, or the file is another one by now
        state.total = length(response)
    state.validator = validator or state.validator
    return done


def _refresh(state: _State, gone: _Gone, fresh_link: Callable[[], str | None]) -> None:
    if state.refreshed:
        raise gone.final
    state.refreshed = True
    fresh = fresh_link()
    if not fresh:
        raise gone.final
    state.url = fresh


def _count(state: _State, file: BinaryIO, again: _Again) -> None:
    """Failures in a row; one that came further than ever before starts the count anew."""
    size = file.seek(0, os.SEEK_END)
    if size > state.furthest:
        state.furthest, state.failures = size, 0
    state.failures += 1
    if state.failures >= TRIES:
        raise DownloadFailed(
            f"{bare(state.url)} could not be fetched: {again}.", hint=_LATER
        ) from None


def _check_head(file: BinaryIO, state: _State) -> None:
    file.flush()
    with open(file.name, "rb") as reader:
        head = reader.read(HEAD_BYTES)
    kind = sniff(head)
    if kind.family == "video" or kind.container == "gif":
        return
    _restart(file)
    what = "nothing" if not head else kind.phrase
    # Storage hosts tell of an expired link in a page too, so a fresh one is worth a try.
    raise _Gone(
        DownloadFailed(f"What {bare(state.url)} serves is not a video but {what}.", hint=_LATER)
    )


def _restart(file: BinaryIO) -> int:
    file.seek(0)
    file.truncate()
    return 0


def _validator(response: requests.Response) -> str:
    """What ``If-Range`` may carry: a strong ETag, or else the date. A body that is encoded anyway cannot be resumed."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return ""
    etag = response.headers.get("ETag", "").strip()
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "").strip()


def _content_range(response: requests.Response) -> tuple[int, int | None]:
    """Start and total of a 206; a start of -1 when it does not say."""
    match = re.fullmatch(
        r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip()
    )
    if match is None:
        return -1, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _check_stop(stopped: bool) -> None:
    if stopped:
        raise Interrupted(
            "The download was stopped.",
            hint="It starts again when the job is resumed.",
            money="yes",
        )


class _Teller:
    """Progress, not more often than a person can read it."""

    def __init__(self, tell: Callable[[int, int | None], None], clock: Callable[[], float]) -> None:
        self._tell, self._clock, self._last = tell, clock, float("-inf")

    def __call__(self, done: int, total: int | None, *, last: bool = False) -> None:
        if last or self._clock() - self._last >= _TELL_EVERY:
            self._last = self._clock()
            self._tell(done, total)
