"""The result onto this disk: downloaded, checked, and made playable. A file that is there already is not downloaded again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from kling_utils import events as ev
from kling_utils.errors import (
    DownloadFailed,
    KlingError,
    LinkExpired,
    TaskNotFound,
    UnreadableMedia,
)
from kling_utils.media import encode, ffmpeg, probe
from kling_utils.media.fetch import Guard
from kling_utils.media.probe import probe_video
from kling_utils.media.sniff import HEAD_BYTES, sniff
from kling_utils.providers.base import TaskStatus
from kling_utils.providers.download import download
from kling_utils.providers.local import RECEIVED
from kling_utils.values import MISSED, Job

RESULT, DAMAGED = "result.mp4", "damaged.mp4"
TRIES = 3
"""Fetches of a result in one step; the next step comes later."""
_OTHER = ("mov", "webm", "matroska", "avi", "gif", "3gp", "video")
"""Endings of a result that could not be made an MP4."""
_NOT_LOOKED_AT = (
    "The result is saved, but it could not be looked at to its end in time. Play it to its end."
)
MAX_RESULT_BYTES = 2_000_000_000

Tell = Callable[[ev.Event], object]


class TaskEnded(Exception):
    """The provider calls a task failed that it called a success before; the text is its reason."""


class ResultFile:
    """``asked`` polls a job's task anew, for a fresh link. ``seconds``: the most for decoding a result."""

    def __init__(
        self,
        asked: Callable[[Job], TaskStatus],
        *,
        guard: Guard,
        stopping: threading.Event,
        after: Callable[[str], None],
        seconds: float = probe.SECONDS,
    ) -> None:
        self._asked, self._guard, self._stopping, self._after = asked, guard, stopping, after
        self._seconds = seconds

    def save(self, job: Job, url: str | None, tell: Tell) -> tuple[Path, list[ev.Note]]:
        """Have the result in the job's folder: where, and what there is to say about it. Raises ``KlingError``,
        ``OSError`` and ``TaskEnded``.

        It is decoded to its end before it counts. What came damaged is fetched again, a few times at once, and kept meanwhile.
        """
        result, notes = saved(job.folder), list[ev.Note]()
        if result is None:
            result, notes = self._have(job, url, tell)
        self._after("saved")
        return result, [*notes, *_notes(job, result)]

    def _have(self, job: Job, url: str | None, tell: Tell) -> tuple[Path, list[ev.Note]]:
        received, damaged = job.folder / RECEIVED, job.folder / DAMAGED
        for again in range(TRIES):
            if not received.exists():
                try:
                    self._fetch(job, url if again == 0 else None, received, tell)
                except LinkExpired as error:
                    if damaged.exists():
                        error.message += (
                            f" What came of it is kept in the job's folder as {DAMAGED}."
                        )
                    raise
                self._after("received")
            wrong, notes = "", []
            try:
                wrong = _damage(received, self._seconds)
            except ffmpeg.TimedOut:
                notes = [ev.Note(text=_NOT_LOOKED_AT, lasting=True)]
            if not wrong:
                damaged.unlink(missing_ok=True)
                return _finish(received, job.folder / RESULT), notes
            received.replace(damaged)
            if again < TRIES - 1:
                tell(ev.Note(text=f"The result came damaged: {wrong}. It is fetched again."))
        raise DownloadFailed(
            f"The result came damaged: {wrong}.",
            hint=f"It is fetched again while the provider has it; what came is kept as {DAMAGED}.",
        )

    def _fetch(self, job: Job, url: str | None, dest: Path, tell: Tell) -> None:
        def fresh() -> str | None:
            status = self._asked(job)
            if status.status == "failed":
                raise TaskEnded(status.reason)
            return status.video_url

        dest.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # it may have been removed
        # of a process that was killed: the job is this one's now
        for half in dest.parent.glob(f".{dest.name}.*.part"):
            half.unlink(missing_ok=True)
        last = -1

        def told(done: int, total: int | None) -> None:
            nonlocal last
            step = done * 10 // total if total else done // 5_000_000
            if step > last:
                last = step
                tell(ev.Downloading(done=done, total=total))

        link = url or fresh()
        if link is None and job.draft:
            raise TaskNotFound(
                "The draft is not there any more.", hint="Make it again: it is free."
            )
        if link is None:
            raise DownloadFailed(
                "The task succeeded but no link to the video came with it.",
                hint="It is asked for again.",
            )
        download(
            self._guard,
            link,
            dest,
            fresh_link=fresh,
            on_progress=told,
            max_bytes=MAX_RESULT_BYTES,
            stop=self._stopping.is_set,
            wait=self._stopping.wait,
        )


def saved(folder: Path) -> Path | None:
    """The result in a job's folder, whatever its container; None when there is none."""
    each = (folder / f"result.{ending}" for ending in ("mp4", *_OTHER))
    return next((path for path in each if path.is_file()), None)


def _damage(received: Path, seconds: float) -> str:
    """What is wrong with what came, in words; nothing for a kind of film that is not read here. Raises ``ffmpeg.TimedOut``."""
    with received.open("rb") as file:
        kind = sniff(file.read(HEAD_BYTES))
    if kind.family == "video" and not kind.container:
        return ""
    try:
        return probe.damage(received, probe_video(received), seconds=seconds)
    except UnreadableMedia as error:
        if error.found == "slow":
            raise ffmpeg.TimedOut(error.message, hint=error.hint) from error
        return error.message.removesuffix(".")


def _finish(received: Path, result: Path) -> Path:
    """Make the received file one that plays in a browser; if that cannot be done, keep it as it came, under its own ending.

    What was encoded again is kept beside the result as it came.
    """
    try:
        info = probe_video(received)
    except KlingError:
        return received.replace(result.with_suffix(".video"))
    if encode.plays(info) and encode.starts_at_once(received):
        return received.replace(result)
    ending = info.container if info.container in ("mp4", *_OTHER) else "video"
    try:
        same = encode.make_playable(received, info, result)
    except KlingError:
        return received.replace(result.with_suffix(f".{ending}"))
    if same:
        received.unlink()
    elif ending != "mp4":
        received.replace(received.with_suffix(f".{ending}"))
    return result


def _notes(job: Job, result: Path) -> list[ev.Note]:
    try:
        got = probe_video(result).duration
    except KlingError:
        return [ev.Note(text="The result is saved, but it could not be read here.", lasting=True)]
    if got < job.duration - MISSED:
        return [
            ev.Note(
                text=f"The result is {got:.1f} s long, {job.duration:.1f} s were expected: the motion may have been cut short.",
                lasting=True,
            )
        ]
    return []
