"""What belongs to a result: its analysis, the takes beside it, and files to send.

What is made lies in the job's folder, so that each is made once and goes with its job. The work is done behind the page, a few
at a time for all visitors together.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import gradio as gr
from pydantic import TypeAdapter

from kling_utils.errors import Busy, Interrupted, KlingError
from kling_utils.jobs import audits
from kling_utils.media import bounds
from kling_utils.media.files import atomic_write, cut, sha256
from kling_utils.show import judge, stage, words
from kling_utils.studio import events as lanes
from kling_utils.studio import routes
from kling_utils.studio.events import Events
from kling_utils.studio.session import Session
from kling_utils.studio.theme import static
from kling_utils.values import Job, Layout, Report

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client
    from kling_utils.preflight.advice import Advice
    from kling_utils.review.compare import Sound

LOG = logging.getLogger(__name__)

# -- analysis

POSTER = "poster.jpg"
"""Name of the poster in the folder of a job."""
MOTION = "motion-2.json"
"""The number counts up when what is measured changes: an older file is measured again."""
_STRIPS = TypeAdapter(
    dict[Literal["a", "b"], dict[Literal["times", "values", "cuts"], list[float]]]
)


@dataclass(frozen=True, slots=True)
class ResultAnalysis:
    """What was measured of a job that has ended; None where it could not be measured."""

    audit: Report | None = None
    motion: stage.Motions | None = None
    """Of reference and result."""
    poses: Path | None = None
    """Skeletons and close-ups, as the audit wrote them."""
    explanation: Advice | None = None
    """What the files of a failed job show that the provider's reason is about."""


class ResultAnalyses:
    """Measures jobs that have ended, one after the other, in a thread of its own. What cannot be measured fails nothing."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="analysis")
        self._lock = threading.Lock()
        self._known: dict[str, ResultAnalysis | None] = {}  # None: at work

    def of(self, job: Job) -> ResultAnalysis | None:
        """What is known; None while it is being measured, which this begins. Reads a small file at most."""
        failed = audits.explained(job)
        if not failed and (job.state != "succeeded" or job.video is None):
            return ResultAnalysis()
        with self._lock:
            if job.job_id in self._known:
                return self._known[job.job_id]
            self._known[job.job_id] = None
        if not failed and all((job.folder / name).exists() for name in (audits.NAME, MOTION)):
            self._measure(job)
        else:
            self._pool.submit(self._measure, job)
        return self._known[job.job_id]

    def _measure(self, job: Job) -> None:
        found = ResultAnalysis()
        try:
            if job.state == "failed":
                found = ResultAnalysis(explanation=audits.explanation_of(job))
            else:
                poster(job)
                found = ResultAnalysis(audits.audit_of(job), motion_of(job), audits.poses_of(job))
        except Exception:  # whatever it is, the result is there and is shown
            LOG.warning("job %s could not be analysed", job.job_id, exc_info=True)
        with self._lock:
            self._known[job.job_id] = found


def judged(job: Job, analysis: ResultAnalysis | None) -> judge.Judge | None:
    """What the stage tells about the result; None where it could not be measured."""
    if analysis is None:
        return judge.waiting()
    return judge.judge(analysis.audit, poses=routes.data(job, analysis.poses))


def motion_of(job: Job) -> stage.Motions | None:
    """The motion of reference and result, measured once and kept beside the result."""
    if job.video is None:
        return None
    kept = job.folder / MOTION
    with contextlib.suppress(OSError, ValueError):  # not there, or broken
        if both := _STRIPS.validate_json(kept.read_bytes()):
            return cast(stage.Motions, both)
    from kling_utils.review import motion  # opencv and numpy: only when there is a result

    try:
        strips: stage.Motions = {
            "a": stage.strip(motion.activity(Path(job.request.video))),
            "b": stage.strip(motion.activity(job.video)),
        }
    except KlingError:
        return None
    with atomic_write(kept) as part:
        part.write_text(json.dumps(strips), "utf-8")
    return strips


def poster(job: Job) -> Path | None:
    """A frame of the result, made once; None without a result, or when it cannot be read."""
    out = job.folder / POSTER
    if job.video is None or out.exists():
        return out if out.exists() else None
    from kling_utils.review.compare import poster as draw

    try:
        return draw(job.video, out, height=480)
    except (KlingError, OSError):
        return None


# -- takes

MOST_TAKES = 8
"""Takes on one stage."""
Content = tuple[tuple[int, str], ...]
"""Size and hash of both files of a job."""


def takes(
    job: Job, jobs: Iterable[Job], known: Callable[[Job], ResultAnalysis | None]
) -> list[stage.Take]:
    """The finished results of the same picture and clip, oldest first, as the stage takes them; ``known`` tells of their motion.

    Empty where the job's own is the only one: then there is nothing to choose from.
    """
    content = _content(job)
    if content is None:
        return []
    same = [
        other
        for other in jobs
        if other.video is not None
        and (other.job_id == job.job_id or _content(other, content) == content)
    ]
    same = sorted(same, key=lambda other: other.job_id)[-MOST_TAKES:]
    if len(same) < 2 or job not in same:
        return []
    shown = []
    for other, label in zip(same, words.takes(same), strict=True):
        video = routes.data(other, other.video)
        if video is not None:
            take = stage.Take(id=other.job_id, label=label, b=video, save=save(other))
            analysis = known(other)
            if analysis is not None and analysis.motion is not None:
                take["motion"] = analysis.motion.get("b")
            if analysis is not None:
                take["judge"] = judged(other, analysis)
            shown.append(take)
    return shown


def _content(job: Job, like: Content | None = None) -> Content | None:
    """None when the files are gone or, with ``like``, when the sizes already differ."""
    try:
        paths = [Path(job.request.image), Path(job.request.video)]
        stats = [path.stat() for path in paths]
        if like is not None and [s.st_size for s in stats] != [size for size, _ in like]:
            return None
        return tuple(
            (s.st_size, _hash(p, s.st_mtime_ns)) for p, s in zip(paths, stats, strict=True)
        )
    except OSError:
        return None


@functools.lru_cache(maxsize=256)
def _hash(path: Path, _modified: int) -> str:
    return sha256(path)


# -- files to send

EVERY = 0.3
"""Seconds between two updates of the progress."""
ANIMATION_MB, _LEAST_MB, _MOST_MB = 8.0, 0.2, 200.0
"""Megabytes of an animation: what mail and messengers still take, and what may be asked for."""
SOUNDS = ("result", "reference", "none")


@dataclass(frozen=True, slots=True)
class Kind:
    """One file that is offered."""

    label: str
    hint: str
    layout: Layout | None
    """None for a file that is no picture of the result."""
    ending: str
    sound: bool = True


EVIDENCE = "evidence"
KINDS: dict[str, Kind] = {
    "side": Kind("Side by side", "MP4", "side", ".mp4"),
    "stack": Kind("Stacked", "MP4", "stack", ".mp4"),
    "wipe": Kind("Wipe", "MP4", "wipe", ".mp4"),
    "triptych": Kind("With the picture", "MP4", "triptych", ".mp4"),
    "sheet": Kind("Contact sheet", "PNG", "sheet", ".png", sound=False),
    "gif": Kind("Animation", "GIF", "side", ".gif", sound=False),
    "webp": Kind("Animation, finer", "WebP", "side", ".webp", sound=False),
    "html": Kind("Page that plays offline", "HTML", "html", ".html", sound=False),
    EVIDENCE: Kind("For the provider's support", "ZIP", None, ".zip", sound=False),
}


class Exports:
    """The offer of files, their making and their download."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.panel = gr.HTML(
            self.value(None),
            html_template=static("exports.html"),
            js_on_load=static("exports.js"),
            apply_default_css=False,
            elem_id="exports",
        )

    def bind(self, events: Events) -> None:
        events.on(self.panel.make, self.on_make, [self.panel])
        events.on(self.panel.halt, self.on_stop, options={"queue": False})

    def value(self, job: Job | None, **more: Any) -> dict[str, Any]:
        """What the panel shows: all kinds for a job that has a result; evidence is about jobs of the provider."""
        offered = {name: kind for name, kind in KINDS.items() if _offered(name, job)}
        items = [
            {"id": name, "label": k.label, "hint": k.hint, "sound": k.sound}
            for name, k in offered.items()
        ]
        job_id = job.job_id if job is not None and items else ""
        return {"job_id": job_id, "items": items, "busy": "", **more}

    async def on_make(self, event: gr.EventData, session: Session) -> AsyncIterator[Any]:
        """Make one file and hand it out. Yields the panel's value; ends quietly when another job is opened."""
        name, sound = str(getattr(event, "id", "")), str(getattr(event, "sound", "result"))
        most = _megabytes(getattr(event, "most", None))
        try:
            job = self._client.record(session.job_id, owner=session.visitor.sees)
        except (KlingError, ValueError):
            job = None
        if job is None or name not in KINDS or not _offered(name, job) or session.stop_export:
            yield gr.skip()
            return
        stop = session.stop_export = threading.Event()
        share = [0.0]
        begun: Future[Path] = Future()
        try:
            heard = cast("Sound", sound if sound in SOUNDS else "result")
            try:
                begun = lanes.begin(
                    bounds.making, session, lambda: self._file(job, name, heard, most, share, stop)
                )
            except Busy as error:
                yield self.value(job, error=f"{error.message} {error.hint}")
                return
            work = asyncio.wrap_future(begun)
            yield self.value(job, busy=name, progress=0, waiting=not begun.running())
            shown = 0
            while not work.done():
                await asyncio.wait([work], timeout=EVERY)
                if session.job_id != job.job_id:
                    stop.set()
                if stop.is_set():
                    begun.cancel()  # while it waits; a running one asks by itself
                if (percent := int(100 * share[0])) != shown and not stop.is_set():
                    shown = percent
                    yield self.value(job, busy=name, progress=percent)
            if session.job_id != job.job_id:
                return
            yield self._made(job, name, work)
        finally:
            stop.set()  # the page was closed
            begun.cancel()
            session.stop_export = None

    def _file(
        self,
        job: Job,
        name: str,
        sound: Sound,
        most: float,
        share: list[float],
        stop: threading.Event,
    ) -> Path:
        if name != EVIDENCE:
            return make(job, name, sound, most, share, stop)
        out = job.folder / "exports" / f"{stem(job)}-{job.job_id}.zip"
        out.parent.mkdir(exist_ok=True)
        return self._client.evidence(job.job_id, out)

    @staticmethod
    def on_stop(session: Session) -> None:
        """Stop making the file."""
        if session.stop_export is not None:
            session.stop_export.set()

    def _made(self, job: Job, name: str, work: asyncio.Future[Path]) -> dict[str, Any]:
        try:
            path = work.result()
        except (Interrupted, asyncio.CancelledError):
            return self.value(job)
        except KlingError as error:
            return self.value(job, error=f"{error.message} {error.hint}".strip())
        except Exception:
            LOG.exception("a file could not be made")
            text = "Something went wrong on our side. The video itself is there."
            return self.value(job, error=text)
        file = routes.data(job, path)
        return self.value(job, ready=name, file=file, name=path.name, stamp=time.time())


def _offered(name: str, job: Job | None) -> bool:
    if job is None:
        return False
    return job.done and not job.draft if name == EVIDENCE else job.video is not None


def _megabytes(asked: Any) -> float:
    """What was typed, kept within reason; the usual size for anything that is no number."""
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
    kind, draft = KINDS[name], "-draft" if job.draft else ""
    told = kind.label.lower()
    if kind.sound and sound != "result":
        told += f", sound of {'the reference' if sound == 'reference' else 'nobody'}"
    moving = kind.ending in (".gif", ".webp")
    if moving and most != ANIMATION_MB:
        told += f" {most:g} MB".replace(".", "-")
    out = job.folder / "exports" / f"{stem(job)}-{_plain(told)}{draft}{kind.ending}"
    if out.exists():
        return out
    if stop.is_set() or job.video is None or kind.layout is None:
        raise Interrupted("Stopped.")
    out.parent.mkdir(exist_ok=True)
    reference, image = Path(job.request.video), Path(job.request.image)

    def progress(done: float) -> None:
        share[0] = done

    if kind.layout == "html":
        return stage.write_page(
            reference,
            job.video,
            out,
            title=stem(job),
            image=image,
            judged=[judge.judge(audits.audit_of(job), poses=_inside(audits.poses_of(job)))],
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


def _inside(poses: Path | None) -> Any:
    """What the stage would fetch from a server."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(poses.read_bytes()) if poses is not None else None
    return None


def save(job: Job) -> stage.Save | None:
    """How the result is downloaded, under a name that says what it is: in a folder of downloads, ``result.mp4`` says nothing."""
    if job.video is None or not job.video.is_file():
        return None
    take = f"-take-{job.take}" if job.take > 1 else ""
    name = f"{stem(job)}{take}{'-draft' if job.draft else ''}.mp4"
    return {"url": routes.url(job, job.video, name, saved=True), "name": name}


def stem(job: Job) -> str:
    """How the files of a job are called: after its picture and its clip."""
    return "-".join(_plain(part) for part in (Path(job.image_name).stem, Path(job.video_name).stem))


def _plain(text: str) -> str:
    words = "".join(c if c.isalnum() or c in "-_" else " " for c in text).split()
    return cut("-".join(words), 80) or "file"
