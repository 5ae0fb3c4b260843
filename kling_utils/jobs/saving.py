"""The result onto this disk: fetched, made playable, and looked at. Whatever is there already is not fetched again.

Owns the names of a result in its job's folder. Refuses to know states: ``steps`` says what a failure here means for a job.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from kling_utils import events as ev
from kling_utils.errors import DownloadFailed, KlingError
from kling_utils.media import playable
from kling_utils.media.guard import Guard
from kling_utils.media.probe import probe_video
from kling_utils.novita.client import TaskStatus
from kling_utils.novita.download import download
from kling_utils.values import MISSED, Job

RESULT, RECEIVED = "result.mp4", "received.mp4"
MAX_RESULT_BYTES = 2_000_000_000

Tell = Callable[[ev.Event], object]


class Saver:
    """``asked`` polls a job's task anew, for a fresh link."""

    def __init__(
        self,
        asked: Callable[[Job], TaskStatus],
        *,
        guard: Guard,
        stopping: threading.Event,
        after: Callable[[str], None],
    ) -> None:
        self._asked, self._guard, self._stopping, self._after = asked, guard, stopping, after

    def save(self, job: Job, url: str | None, tell: Tell) -> list[ev.Note]:
        """Have the result in the job's folder; what there is to say about it. Raises ``KlingError`` and ``OSError``."""
        received, result = job.folder / RECEIVED, job.folder / RESULT
        if not result.exists():
            if not received.exists():
                self._fetch(job, url, received, tell)
                self._after("received")
            _finish(received, result)
        self._after("saved")
        return _notes(job, result)

    def _fetch(self, job: Job, url: str | None, dest: Path, tell: Tell) -> None:
        def fresh() -> str | None:
            return self._asked(job).video_url

        for half in dest.parent.glob(
            f".{dest.name}.*.part"
        ):  # of a process that was killed: the job is this one's now
            half.unlink(missing_ok=True)
        last = -1

        def told(done: int, total: int | None) -> None:
            nonlocal last
            step = done * 10 // total if total else done // 5_000_000
            if step > last:
                last = step
                tell(ev.Downloading(done=done, total=total))

        link = url or fresh()
        if link is None:
            raise DownloadFailed(
                "The task succeeded but no link to the video came with it.",
                hint="It is asked for again.",
            )
        # Strangers' addresses are guarded; the server of this home is on the loopback address on purpose.
        guard = Guard(allow=frozenset({urlsplit(link).netloc})) if job.draft else self._guard
        download(
            guard,
            link,
            dest,
            fresh_link=fresh,
            on_progress=told,
            max_bytes=MAX_RESULT_BYTES,
            stop=self._stopping.is_set,
            wait=self._stopping.wait,
        )


def _finish(received: Path, result: Path) -> None:
    """Make the received file one that plays in a browser; if that cannot be done, keep it as it came."""
    with contextlib.suppress(KlingError):
        info = probe_video(received)
        if not (playable.plays(info) and playable.starts_at_once(received)):
            playable.make_playable(received, info, result)
    if not result.exists():
        received.replace(result)


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
