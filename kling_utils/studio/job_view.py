"""Following a job: the panel that says where it is, its trouble, the stage, what was found out about the result, and what next.

Owns what is seen of the job that is open. The handler reads the store and sleeps; it blocks nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.events import Note, StillRunning
from kling_utils.jobs import timing
from kling_utils.media import bounds
from kling_utils.media.probe import probe_video
from kling_utils.show import cards, stage
from kling_utils.studio import actions, files, history, job_files, lanes, notices, takes
from kling_utils.studio.actions import Actions
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.exports import Exports, stem
from kling_utils.studio.history import History
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.panel import Notes, idle, panel, stopped
from kling_utils.studio.rescue import Rescue
from kling_utils.studio.result_analysis import ResultAnalyses, ResultAnalysis
from kling_utils.studio.session import Session, key_or_none
from kling_utils.studio.theme import static
from kling_utils.studio.visitor import Visitor
from kling_utils.values import Job

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

EVERY = 0.5
"""Seconds between two looks at the store, which take about a millisecond."""
OTHERS = 20
"""Looks between two looks at the visitor's other jobs."""
ASIDE = 4.0
"""Seconds between two looks at the visitor's jobs while none of them is watched."""
STANDING = 3.0
"""Seconds between two looks at a job that waits for somebody."""
PAST = 300
"""Past jobs from which the wait is learned."""
_PATIENCE = 240
"""Looks at a finished job whose result is still being looked into."""


class JobView:
    """The right side of the page, and the gallery."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        self._insights = ResultAnalyses()
        with gr.Column(elem_id="job"):
            self.panel = gr.HTML(
                idle(),
                html_template=static("panel.html"),
                js_on_load=static("panel.js"),
                apply_default_css=False,
                elem_id="panel",
            )
            self.trouble = gr.HTML("", elem_id="trouble", apply_default_css=False, visible=False)
            self.rescue = Rescue(runner)
            self.stage = gr.HTML(
                stage.nothing(),
                html_template=stage.template(static("lesson.html")),
                js_on_load=stage.script(),
                apply_default_css=False,
                elem_id="stage",
            )
            self.audit = gr.HTML("", elem_id="audit", apply_default_css=False)
            with gr.Row(elem_id="job-actions"):
                self.download = gr.HTML(
                    "", visible=False, elem_id="download", apply_default_css=False
                )
                self.reuse = gr.Button(
                    "Use these files again", size="sm", visible=False, elem_id="reuse"
                )
                self.stop = gr.Button("Stop watching", size="sm", visible=False, elem_id="stop")
            self.actions = Actions(runner)
            self.exports = Exports(runner)
        self.history = History()

    @property
    def outputs(self) -> list[Any]:
        """What ``watch`` changes."""
        seen = [
            self.panel,
            self.trouble,
            self.stage,
            self.download,
            self.reuse,
            self.stop,
            self.audit,
            self.history.panel,
        ]
        return [*seen, self.actions.panel, self.exports.panel, *self.rescue.outputs]

    def bind(
        self, desk: gr.State, who: Any, key: Any, form: list[Any], views: tuple[Any, Any]
    ) -> list[Any]:
        """Offers, files to send, the form filled again. ``form``: source of the image, of the video, and the rest; ``views``: what shows
        both. Returns the events after which a job is to be watched."""
        common = {**PRIVATE, **HIDDEN}
        offers, export, gallery = self.actions, self.exports, self.history.panel
        filled = [form[0], views[0], form[1], views[1], *form[2:]]
        trim = in_lane(bounds.making, offers.trim)
        offers.panel.trim(trim, [desk, who], [offers.answer, *filled], **common, **UNLIMITED)
        again = in_lane(bounds.checking, offers.again)
        self.reuse.click(again, [desk, who, key], filled, **common, **UNLIMITED)
        offers.panel.refill(again, [desk, who, key], filled, **common, **UNLIMITED)
        refreshed = in_lane(bounds.checking, offers.refreshed)
        gr.on(
            [key.blur, key.submit],
            refreshed,
            [desk, who, key],
            [offers.panel],
            **common,
            **UNLIMITED,
        )
        export.panel.make(export.make, [desk, who], [export.panel], **common, **UNLIMITED)
        export.panel.halt(export.halt, [desk], None, **common, queue=False)
        deleted = in_lane(bounds.checking, self.deleted)
        return [
            offers.panel.act(
                in_lane(bounds.checking, offers.act),
                [desk, who, key],
                [offers.panel, offers.answer],
                **common,
                **UNLIMITED,
            ),
            offers.panel.discard(
                deleted, [desk, who], [offers.answer, gallery], **common, **UNLIMITED
            ),
            gallery.discard(deleted, [desk, who], [offers.answer, gallery], **common, **UNLIMITED),
        ]

    def picked(self, desk: Session, who: Visitor, event: gr.EventData) -> str:
        """A card of the history was clicked."""
        return (
            ""
            if history.picked(self._runner, desk, who, event)
            else notices.closable(actions.gone())
        )

    def deleted(self, event: gr.EventData, desk: Session, who: Visitor) -> tuple[str, Any]:
        """A job is to be removed, for good. Returns (answer, gallery)."""
        said = self.actions.delete(event, desk, who)
        return said, history.value(self._runner, who, desk.job_id)

    def stopped(self, desk: Session) -> tuple[Any, Any]:
        """Stop following; the job goes on."""
        job_id = desk.job_id
        desk.open("")
        return stopped(job_id), gr.update(visible=False)

    async def aside(self, desk: Session, who: Visitor, every: float = ASIDE) -> AsyncIterator[Any]:
        """Keep the gallery fresh while nobody watches and a job of this visitor is under way. Yields the gallery when it changed."""
        same = desk.aside()
        shown: Any = None
        while same is not None and same():
            now = await lanes.run(
                bounds.showing, desk, history.value, self._runner, who, desk.job_id
            )
            if now != shown and same():
                shown = now
                yield now
            if not any(item["group"] == "going" for item in now["items"]):
                break
            await asyncio.sleep(every)
        yield gr.skip()  # at its end gradio sends the last value again, and nothing at all would empty the outputs

    async def watch(
        self, desk: Session, who: Visitor, key: Any = ""
    ) -> AsyncIterator[dict[Any, Any]]:
        """Show the open job until it ends, another one is opened, or the page is closed. Yields only what changed."""
        mine, shown = desk.claim(), dict[Any, Any]()
        if not mine or not desk.job_id:
            # a generator that yields nothing would empty its outputs
            yield self._nothing() if mine else {self.stop: gr.skip()}
            return
        reference = _Reference()
        usual: timing.Wait | None = None
        looks, stood, idle_looks = 0, "", 0
        notes = _Notes(self._runner, desk.job_id)
        offers: dict[str, Any] = {}
        others: list[stage.Take] = []
        while mine and desk.holds(mine):
            try:
                job = self._runner.record(desk.job_id, owner=who.sees)
            except (KlingError, ValueError):
                desk.open("")
                yield {
                    **self._nothing(),
                    self.trouble: gr.update(value=actions.gone(), visible=True),
                }
                return
            if not looks:  # first what is known at once: the reference may have to be made
                usual = await lanes.run(bounds.showing, desk, self._usual, job)
                first = panel(
                    job,
                    self._runner.now(),
                    usual,
                    await lanes.run(bounds.showing, desk, notes.read),
                )
                if not desk.holds(mine):
                    break
                yield {self.panel: first}
                reference = await lanes.run(bounds.showing, desk, self._reference, job)
            result = (
                await lanes.run(bounds.showing, desk, job_files.data, job, job.video)
                if job.video is not None
                else None
            )
            seen = await lanes.run(bounds.showing, desk, self._insights.of, job)
            if job.state != stood:
                offers = await lanes.run(
                    bounds.showing, desk, self.actions.value, job, key_or_none(key)
                )
                others = await lanes.run(bounds.showing, desk, self._takes, job, who)
            said = panel(
                job, self._runner.now(), usual, await lanes.run(bounds.showing, desk, notes.read)
            )
            picture = await lanes.run(
                bounds.showing,
                desk,
                self._picture,
                job,
                said,
                reference,
                result,
                seen,
                others,
                offers,
                live=looks > 0,
            )
            if looks % OTHERS == 0 or job.state != stood:
                picture[self.history.panel] = await lanes.run(
                    bounds.showing, desk, history.value, self._runner, who, job.job_id
                )
            looks, moved, stood = looks + 1, job.state != stood, job.state
            news = {
                where: what
                for where, what in picture.items()
                if where not in shown or not _same(shown[where], what)
            }
            if moved:
                news[self.rescue.answer] = ""  # it was about the state before
            if not desk.holds(mine):
                break
            if news:
                shown |= news
                yield news
            if job.done and (seen is not None or idle_looks > _PATIENCE):
                break
            idle_looks += job.done
            await asyncio.sleep(
                STANDING
                if not job.done and (job.waits_for or job.state == "unconfirmed")
                else EVERY
            )
        # gradio sends the last value of a generator again at its end, over what came meanwhile
        yield {self.stop: gr.skip()}

    def _picture(
        self,
        job: Job,
        said: dict[str, Any],
        reference: _Reference,
        result: dict[str, Any] | None,
        seen: ResultAnalysis | None,
        others: list[stage.Take],
        offers: dict[str, Any],
        *,
        live: bool,
    ) -> dict[Any, Any]:
        download = self._download(job) if result is not None else ""
        trouble = cards.trouble(job.trouble, job=job) if job.trouble is not None else ""
        running = not job.done and not job.waits_for and job.state != "unconfirmed"
        audit = (
            cards.audit(seen.audit if seen is not None else None, waiting=seen is None)
            if result is not None
            else ""
        )
        return {
            self.panel: said,
            self.trouble: gr.update(value=trouble, visible=bool(trouble)),
            self.stage: stage.of(
                job,
                reference.clip,
                result,
                autoplay=live and result is not None,
                fps=reference.fps,
                image=reference.image,
                motion=seen.motion if seen is not None and result is not None else None,
                takes=others,
            ),
            self.download: gr.update(value=download, visible=bool(download)),
            self.reuse: gr.update(visible=True),
            self.stop: gr.update(visible=running),
            self.actions.panel: offers,
            self.exports.panel: self.exports.value(job),
            self.audit: audit,
            **self.rescue.picture(job),
        }

    def _nothing(self) -> dict[Any, Any]:
        """No job is open: the page as it was before the first one."""
        hidden = gr.update(visible=False)
        return {
            self.panel: idle(),
            self.trouble: gr.update(value="", visible=False),
            self.stage: stage.nothing(),
            self.download: gr.update(value="", visible=False),
            self.reuse: hidden,
            self.stop: hidden,
            self.actions.panel: self.actions.value(None),
            self.exports.panel: self.exports.value(None),
            self.audit: "",
            self.rescue.doubt: hidden,
            self.rescue.standing: hidden,
            self.rescue.answer: "",
        }

    @staticmethod
    def _download(job: Job) -> str:
        """A link that saves the result, under a name that says what it is: in a folder of downloads, ``result.mp4`` says nothing.

        It has a ``download`` attribute: a plain link begins to leave the page, and Gradio then ends the session.
        """
        take = f"-take-{job.take}" if job.take > 1 else ""
        name = f"{stem(job)}{take}{'-draft' if job.draft else ''}.mp4"
        if job.video is None or not job.video.is_file():
            return ""
        url = cards.escape(job_files.url(job, job.video, name, saved=True))
        return f'<a href="{url}" download="{cards.escape(name)}">Download the video</a>'

    def _usual(self, job: Job) -> timing.Wait | None:
        return None if job.done else timing.expected(job, self._runner.jobs(limit=PAST))

    def _takes(self, job: Job, who: Visitor) -> list[stage.Take]:
        jobs = (
            self._runner.jobs(owner=who.sees, limit=history.SHOWN) if job.video is not None else []
        )
        return takes.of(job, jobs, self._insights.of)

    def _reference(self, job: Job) -> _Reference:
        try:
            path = self._runner.reference(job)
            image = job_files.data(job, files.preview(Path(job.request.image)))
            return _Reference(job_files.data(job, path), image, float(probe_video(path).frame_rate))
        except (KlingError, OSError):
            return _Reference()  # the stage shows the result alone


@dataclass(frozen=True, slots=True)
class _Reference:
    """What stands on the stage before there is a result."""

    clip: dict[str, Any] | None = None
    image: dict[str, Any] | None = None
    fps: float | None = None


class _Notes:
    """What happened to a job on the way, as sentences, each once; what was read already is not read again."""

    def __init__(self, runner: Client, job_id: str) -> None:
        self._runner, self._job_id = runner, job_id
        self._after = 0
        self._lasting, self._now, self._past = list[str](), list[str](), list[str]()

    def read(self) -> Notes:
        """All so far, the newest last."""
        with contextlib.suppress(KlingError):  # deleted meanwhile
            for number, event in self._runner.history(self._job_id, after=self._after):
                self._after = number
                if isinstance(event, Note):
                    self._noted(event)
                elif not isinstance(event, StillRunning):
                    self._over()
        return Notes((*self._lasting, *self._now), tuple(self._past))

    def _noted(self, note: Note) -> None:
        for told in (self._lasting, self._now, self._past):
            if note.text in told:
                told.remove(note.text)
        if note.lasting:
            self._lasting.append(note.text)
        else:
            self._over()
            self._now = [note.text]

    def _over(self) -> None:
        """Something newer was heard: what was said about the moment before is history."""
        self._past += self._now
        self._now = []


def _same(before: Any, after: Any) -> bool:
    """The clock alone is no news: the browser has one."""
    if isinstance(before, dict) and isinstance(after, dict) and "now" in after:
        return {**before, "now": 0} == {**after, "now": 0}
    return bool(before == after)
