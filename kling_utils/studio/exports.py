"""Files to send: side by side, stacked, wipe, triptych, sheet, animations, and a page that plays offline. Made when asked for.

Owns which files are offered and where they lie: in the job's folder, so that each is made once and
goes with its job. The work is done behind the page, a few at a time for all visitors together.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from kling_utils.errors import Busy, Interrupted, KlingError
from kling_utils.media import bounds
from kling_utils.media.files import cut
from kling_utils.studio import job_files, lanes
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static
from kling_utils.studio.visitor import Visitor
from kling_utils.values import Job, Layout

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.review.compare import Sound

LOG = logging.getLogger(__name__)
EVERY = 0.3
"""Seconds between two looks at the progress."""
ANIMATION_MB, _LEAST_MB, _MOST_MB = 8.0, 0.2, 200.0
"""Megabytes of an animation: what mail and messengers still take, and what may be asked for."""
SOUNDS = ("result", "reference", "none")


@dataclass(frozen=True, slots=True)
class Kind:
    """One file that is offered."""

    label: str
    hint: str
    layout: Layout
    ending: str
    sound: bool = True


KINDS: dict[str, Kind] = {
    "side": Kind("Side by side", "MP4", "side", ".mp4"),
    "stack": Kind("Stacked", "MP4", "stack", ".mp4"),
    "wipe": Kind("Wipe", "MP4", "wipe", ".mp4"),
    "triptych": Kind("With the picture", "MP4", "triptych", ".mp4"),
    "sheet": Kind("Contact sheet", "PNG", "sheet", ".png", sound=False),
    "gif": Kind("Animation", "GIF", "side", ".gif", sound=False),
    "webp": Kind("Animation, finer", "WebP", "side", ".webp", sound=False),
    "html": Kind("Page that plays offline", "HTML", "html", ".html", sound=False),
}


class Exports:
    """The offer of files, their making and their download."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        self._stops: dict[int, threading.Event] = {}
        self.panel = gr.HTML(
            self.value(None),
            html_template=static("exports.html"),
            js_on_load=static("exports.js"),
            apply_default_css=False,
            elem_id="exports",
        )

    def value(self, job: Job | None, **more: Any) -> dict[str, Any]:
        """What the panel shows: offered for a job that has a result."""
        ready = job is not None and job.video is not None
        items = (
            [
                {"id": name, "label": k.label, "hint": k.hint, "sound": k.sound}
                for name, k in KINDS.items()
            ]
            if ready
            else []
        )
        blank = {
            "busy": "",
            "progress": None,
            "waiting": False,
            "ready": "",
            "file": None,
            "name": "",
            "stamp": 0.0,
            "error": "",
        }
        return {
            "job_id": job.job_id if job is not None and ready else "",
            "items": items,
            **blank,
            **more,
        }

    async def make(self, event: gr.EventData, desk: Session, who: Visitor) -> AsyncIterator[Any]:
        """Make one file and hand it out. Yields the panel's value; ends quietly when another job is opened."""
        name, sound, most = (
            str(getattr(event, "id", "")),
            str(getattr(event, "sound", "result")),
            _megabytes(getattr(event, "most", None)),
        )
        try:
            job = self._runner.record(desk.job_id, owner=who.sees)
        except (KlingError, ValueError):
            job = None
        if job is None or job.video is None or name not in KINDS or id(desk) in self._stops:
            yield gr.skip()
            return
        stop = self._stops[id(desk)] = threading.Event()
        share = [0.0]
        begun: Future[Path] = Future()
        try:
            heard = cast("Sound", sound if sound in SOUNDS else "result")
            try:
                begun = lanes.begin(
                    bounds.making, desk, lambda: make(job, name, heard, most, share, stop)
                )
            except Busy as error:
                yield self.value(job, error=f"{error.message} {error.hint}")
                return
            work = asyncio.wrap_future(begun)
            yield self.value(job, busy=name, progress=0, waiting=not begun.running())
            shown = 0
            while not work.done():
                await asyncio.wait([work], timeout=EVERY)
                if desk.job_id != job.job_id:
                    stop.set()
                if stop.is_set():
                    begun.cancel()  # while it waits; what runs asks by itself
                if (per := int(100 * share[0])) != shown and not stop.is_set():
                    shown = per
                    yield self.value(job, busy=name, progress=per)
            if desk.job_id != job.job_id:
                return
            yield self._made(job, name, work)
        finally:
            stop.set()  # the page was closed
            begun.cancel()
            self._stops.pop(id(desk), None)

    def halt(self, desk: Session) -> None:
        """Stop making the file."""
        if (stop := self._stops.get(id(desk))) is not None:
            stop.set()

    def _made(self, job: Job, name: str, work: asyncio.Future[Path]) -> dict[str, Any]:
        try:
            path = work.result()
        except (Interrupted, asyncio.CancelledError):
            return self.value(job)
        except KlingError as error:
            return self.value(job, error=f"{error.message} {error.hint}".strip())
        except Exception:
            LOG.exception("a file could not be made")
            return self.value(
                job, error="Something went wrong on our side. The video itself is there."
            )
        return self.value(
            job, ready=name, file=job_files.data(job, path), name=path.name, stamp=time.time()
        )


def _megabytes(asked: Any) -> float:
    """What was typed, kept within reason; the usual size for what is no number."""
    try:
        typed = float(asked)
    except (TypeError, ValueError, OverflowError):
        return ANIMATION_MB
    return min(max(typed, _LEAST_MB), _MOST_MB) if math.isfinite(typed) else ANIMATION_MB


def make(
    job: Job, name: str, sound: Sound, most: float, share: list[float], stop: threading.Event
) -> Path:
    """The file of that kind, made once; an animation has at most ``most`` MB; ``share`` tells how far it is, 0..1.

    Raises ``Interrupted`` and what the drawing raises.
    """
    kind = KINDS[name]
    folder = job.folder / "exports"
    muffled = (
        f", sound of {'the reference' if sound == 'reference' else 'nobody'}"
        if kind.sound and sound != "result"
        else ""
    )
    moving = kind.ending in (".gif", ".webp")
    sized = f" {most:g} MB".replace(".", "-") if moving and most != ANIMATION_MB else ""
    out = (
        folder
        / f"{stem(job)}-{_plain(kind.label.lower() + muffled + sized)}{'-draft' if job.draft else ''}{kind.ending}"
    )
    if out.exists():
        return out
    if stop.is_set() or job.video is None:
        raise Interrupted("Stopped.")
    folder.mkdir(exist_ok=True)
    reference, image = Path(job.request.video), Path(job.request.image)

    def progress(done: float) -> None:
        share[0] = done

    if kind.layout == "html":
        from kling_utils.show import stage

        return stage.write_page(
            reference,
            job.video,
            out,
            title=stem(job),
            image=image,
            draft=job.draft,
            on_progress=progress,
            stop=stop.is_set,
        )
    from kling_utils.review.compare import compare

    return compare(
        reference,
        job.video,
        out,
        layout=kind.layout,
        image=image if kind.layout == "triptych" else None,
        sound=sound,
        max_bytes=int(most * 1e6) if moving else None,
        on_progress=progress,
        stop=stop.is_set,
        draft=job.draft,
    )


def stem(job: Job) -> str:
    """How the files of a job are called: after its picture and its clip."""
    return "-".join(_plain(part) for part in (Path(job.image_name).stem, Path(job.video_name).stem))


def _plain(text: str) -> str:
    words = "".join(c if c.isalnum() or c in "-_" else " " for c in text).split()
    return cut("-".join(words), 80) or "file"
