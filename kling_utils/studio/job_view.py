"""The open job: where it is, its trouble, the stage, what was found out about the result, and what next."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.events import Note, StillRunning
from kling_utils.jobs import audits, timing
from kling_utils.media import bounds
from kling_utils.media.probe import probe_video
from kling_utils.show import advice, cards, stage, words
from kling_utils.studio import events as lanes
from kling_utils.studio import files, notices, results, routes
from kling_utils.studio.actions import Actions
from kling_utils.studio.comparison import Comparison
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.gallery import Gallery
from kling_utils.studio.recovery import Recovery
from kling_utils.studio.results import Exports, ResultAnalyses, ResultAnalysis
from kling_utils.studio.session import Session, View, key_or_none
from kling_utils.studio.theme import static
from kling_utils.values import Job

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

EVERY = 0.5
"""Seconds between two reads of the store, which take about a millisecond."""
SENT, LATE = 0.02, 2.0
"""Seconds between two looks whether what the view before sent has arrived, and for how long that is waited for."""
OTHERS = 20
"""Reads of the open job between two reads of the visitor's other jobs."""
GALLERY_EVERY = 4.0
"""Seconds between two reads of the visitor's jobs while none of them is watched."""
STANDING = 3.0
"""Seconds between two reads of a job that waits for somebody."""
TAKES_AMONG = 48
"""The newest jobs, among which takes of the same request are looked for."""
PAST = 300
"""Past jobs from which the wait is learned."""
PATIENCE = 240
"""Reads of a finished job whose result is still being analysed."""
SHOWN_NOTES, PAST_NOTES = 3, 20
"""Notes that are shown at once, and when they are unfolded; the newest ones."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What is true of a job now, and what was and is over; the newest last."""

    now: Sequence[str] = ()
    past: Sequence[str] = ()


@dataclass(slots=True)
class Shown:
    """What is known about the open job: the panels are drawn from it."""

    job: Job
    usual: timing.Wait | None = None
    """The wait that past jobs of this home suggest."""
    notes: Notes = field(default_factory=Notes)
    image: dict[str, Any] | None = None
    reference: dict[str, Any] | None = None
    fps: float | None = None
    result: dict[str, Any] | None = None
    analysis: ResultAnalysis | None = None
    """None while the result is being analysed."""
    takes: list[stage.Take] = field(default_factory=list)
    offers: dict[str, Any] = field(default_factory=dict)
    charge: str = ""
    balance: str = ""
    """What the account's balance says of a job in doubt."""
    live: bool = False
    """The job was followed before now: its result may play by itself."""

    @property
    def standing(self) -> bool:
        """It waits for somebody."""
        job = self.job
        return not job.done and (bool(job.waits_for) or job.state == "unconfirmed")


class JobView:
    """The right side of the page."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._analyses = ResultAnalyses()
        with gr.Column(elem_id="job"):
            self.panel = gr.HTML(
                {"mode": "idle"},
                html_template=static("panel.html"),
                js_on_load=static("panel.js"),
                apply_default_css=False,
                elem_id="panel",
            )
            self.trouble = gr.HTML("", elem_id="trouble", apply_default_css=False, visible=False)
            self.recovery = Recovery(client)
            self.comparison = Comparison(client, self._analyses)
            self.stage = gr.HTML(
                stage.nothing(),
                html_template=stage.template(static("lesson.html")),
                js_on_load=stage.script(),
                apply_default_css=False,
                elem_id="stage",
            )
            self.audit = gr.HTML("", elem_id="audit", apply_default_css=False)
            with gr.Row(elem_id="job-actions"):
                self.reuse = gr.Button(
                    "Use these files again", size="sm", visible=False, elem_id="reuse"
                )
                self.stop = gr.Button("Stop watching", size="sm", visible=False, elem_id="stop")
            self.actions = Actions(client)
            self.exports = Exports(client)

    def bind(self, events: Events, gallery: Gallery) -> None:
        self.gallery = gallery
        self.drawn = [self.panel, self.trouble, self.stage, self.reuse, self.stop]
        self.drawn += [self.comparison.panel]
        self.drawn += [self.audit, self.actions.panel, self.exports.panel, *self.recovery.drawn]
        deleted = [self.actions.answer, gallery.panel]
        for trigger in (self.actions.panel.discard, gallery.panel.discard):
            events.on(trigger, self.on_delete, deleted, lane=bounds.checking, opens=True)
        events.on(self.stop.click, self.on_stop, [self.panel, self.stop])

    def on_delete(self, event: gr.EventData, session: Session) -> Updates:
        """A job is to be removed, for good."""
        said = self.actions.delete(event, session)
        self.comparison.check(session)
        return {self.actions.answer: said, self.gallery.panel: self.gallery.value(session)}

    def on_stop(self, session: Session) -> Updates:
        """Stop following; the job goes on."""
        job_id = session.job_id
        session.view.job_id = ""  # its watcher goes on with the gallery
        text = "The job goes on and its result is saved. Open it below, under Your videos."
        said = {"title": "Not watching any more", "note": text, "job_id": job_id}
        return {self.panel: {"mode": "stopped", **said}, self.stop: gr.update(visible=False)}

    # -- following

    async def watch(self, session: Session, key: Any = "") -> AsyncIterator[Updates]:
        """Show the open job until it ends, another one is opened, or the page is closed; then keep the gallery fresh.

        Yields only what changed.
        """
        view = session.view
        if not view.watched:
            view.watched = True
            before, view.before = view.before, None
            waited = 0.0
            while before is not None and before.sending and waited < LATE:
                await asyncio.sleep(SENT)  # what is on its way would be drawn over this view
                waited += SENT
            for steps in (self._follow(session, view, key), self._refresh_gallery(session, view)):
                async for updates in steps:
                    view.sending = True
                    yield updates
                    view.sending = False
        # gradio sends the last value of a generator again at its end, over what came meanwhile, and nothing at all would empty
        # the outputs
        yield {self.stop: gr.skip()}

    async def _follow(self, session: Session, view: View, key: Any) -> AsyncIterator[Updates]:
        if self.comparison.jobs(session) is not None:
            async for updates in self._follow_pair(session, view):
                yield updates
            return
        if not view.job_id:
            if not view.first:
                yield self.draw(None)
            return
        shown: Shown | None = None
        drawn: Updates = {}
        job_id = view.job_id
        notes = JobNotes(self._client, job_id)
        reads = finished_reads = 0
        state = ""
        while session.shows(view):
            try:
                job = self._client.record(job_id, owner=session.visitor.sees)
            except (KlingError, ValueError):
                view.job_id = ""
                gone = gr.update(value=notices.gone(), visible=True)
                yield {**self.draw(None), self.trouble: gone}
                return
            if shown is None:  # first what is known at once: the reference may have to be made
                shown = await lanes.run(bounds.showing, session, self._first, job, notes)
                if not session.shows(view):
                    return
                yield {self.panel: self._panel(shown)}
                await lanes.run(bounds.showing, session, self._add_reference, shown)
            moved, state = job.state != state, job.state
            shown.job, shown.live = job, reads > 0
            await lanes.run(
                bounds.showing, session, self._update, shown, notes, session, key, moved=moved
            )
            shown.balance = ""
            if job.state == "unconfirmed":
                with contextlib.suppress(KlingError):  # also where there is no turn
                    shown.balance = await lanes.run(
                        bounds.calling, session, self._doubt, job, key_or_none(key)
                    )
            updates = await lanes.run(bounds.showing, session, self.draw, shown)
            if reads % OTHERS == 0 or moved:
                updates[self.gallery.panel] = await lanes.run(
                    bounds.showing, session, self.gallery.value, session
                )
            reads += 1
            news = {
                where: value
                for where, value in updates.items()
                if where not in drawn or not _same(drawn[where], value)
            }
            if moved:
                news[self.recovery.answer] = ""  # it was about the state before
            if not session.shows(view):
                return
            if news:
                drawn |= news
                yield news
            if job.done and (shown.analysis is not None or finished_reads > PATIENCE):
                series = shown.offers.get("series")
                if not series or series["over"]:
                    return
            finished_reads += job.done
            await asyncio.sleep(STANDING if shown.standing else EVERY)

    async def _follow_pair(self, session: Session, view: View) -> AsyncIterator[Updates]:
        """Two takes: at once, and once more when the motion of both is measured."""
        measured = False
        for reads in range(PATIENCE):
            if session.view is not view or measured:
                return
            measured = await lanes.run(bounds.showing, session, self.comparison.measured, session)
            if measured or not reads:
                updates = await lanes.run(bounds.showing, session, self._compared, session)
                if session.view is view:
                    yield updates
            await asyncio.sleep(EVERY)

    async def _refresh_gallery(self, session: Session, view: View) -> AsyncIterator[Updates]:
        """While a job of this visitor is under way that nobody watches here."""
        drawn = None
        while session.view is view:
            now = await lanes.run(bounds.showing, session, self.gallery.value, session)
            if not _same(drawn, now) and session.view is view:
                drawn = now
                yield {self.gallery.panel: now}
            if not now["going"]:
                return
            await asyncio.sleep(GALLERY_EVERY)

    def _compared(self, session: Session) -> Updates:
        about = self.comparison.draw(session, self.stage)
        return {**self.draw(None), self.panel: {"mode": "pair", "job_id": session.job_id}, **about}

    def _doubt(self, job: Job, key: Any) -> str:
        return self._client.doubt(job.job_id, key=key)

    def _first(self, job: Job, notes: JobNotes) -> Shown:
        usual = None if job.done else timing.expected(job, self._client.jobs(limit=PAST))
        return Shown(job, usual, notes.read())

    def _add_reference(self, shown: Shown) -> None:
        job = shown.job
        try:
            path = self._client.reference(job)
            image = routes.data(job, files.preview(Path(job.request.image)))
            shown.reference, shown.fps = routes.data(job, path), float(probe_video(path).frame_rate)
            shown.image = image
        except (KlingError, OSError):
            shown.reference = None  # the stage shows the result alone

    def _update(
        self, shown: Shown, notes: JobNotes, session: Session, key: Any, *, moved: bool
    ) -> None:
        job = shown.job
        shown.notes = notes.read()
        shown.result = routes.data(job, job.video)
        shown.analysis = self._analyses.of(job)
        if moved:
            entry = self._client.charge(job.job_id) if job.done else None
            shown.charge = entry.brief if entry is not None else ""
        if moved:
            shown.offers = self.actions.value(job, key_or_none(key), session.publishing)
            owner = session.visitor.sees
            among = self._client.jobs(owner=owner, limit=TAKES_AMONG)
            jobs = among if job.video is not None else []
            shown.takes = results.takes(job, jobs, self._analyses.of)
        elif shown.offers.get("series"):
            shown.offers = shown.offers | {"series": self.actions.series(job)}

    # -- what is drawn

    def draw(self, shown: Shown | None) -> Updates:
        """All panels of the open job; of none, the page as it was before the first one."""
        if shown is None:
            hidden = gr.update(visible=False)
            return {
                self.panel: {"mode": "idle"},
                self.trouble: gr.update(value="", visible=False),
                self.stage: stage.nothing(),
                self.comparison.panel: self.comparison.none,
                self.reuse: hidden,
                self.stop: hidden,
                self.audit: "",
                self.actions.panel: self.actions.value(None),
                self.exports.panel: self.exports.value(None),
                **self.recovery.draw(None),
                self.recovery.answer: "",
            }
        job, result, analysis = shown.job, shown.result, shown.analysis
        trouble = cards.trouble(job.trouble, job=job) if job.trouble is not None else ""
        trouble += _explanation(job, analysis)
        audit, motion, judge = "", None, None
        if result is not None:
            audit = cards.audit(analysis.audit if analysis else None, waiting=analysis is None)
            motion = analysis.motion if analysis else None
            judge = results.judged(job, analysis)
        running = not job.done and not shown.standing
        return {
            self.panel: self._panel(shown),
            self.trouble: gr.update(value=trouble, visible=bool(trouble)),
            self.stage: stage.of(
                job,
                shown.reference,
                result,
                autoplay=shown.live and result is not None,
                fps=shown.fps,
                image=shown.image,
                motion=motion,
                takes=shown.takes,
                judge=judge,
                save=results.save(job),
            ),
            self.comparison.panel: self.comparison.none,
            self.reuse: gr.update(visible=True),
            self.stop: gr.update(visible=running),
            self.audit: audit,
            self.actions.panel: shown.offers,
            self.exports.panel: self.exports.value(job),
            **self.recovery.draw(job, shown.balance),
        }

    def _panel(self, shown: Shown) -> dict[str, Any]:
        return panel(shown.job, self._client.now(), shown.usual, shown.notes, shown.charge)


def panel(
    job: Job,
    now: float,
    usual: timing.Wait | None = None,
    notes: Notes | None = None,
    charge: str = "",
) -> dict[str, Any]:
    """Facts and words about a job, as ``panel.js`` reads them. ``charge``: what was really charged, beside the quote."""
    notes = notes or Notes()
    mode = "done" if job.state == "succeeded" else "failed" if job.state == "failed" else "run"
    note = "It is safe to close this page: the job goes on and the result is saved."
    if job.state == "unconfirmed" or job.waits_for:
        mode, note = "standing", ""
    elif job.done:
        note = ""
    elif job.overdue:
        note = "It takes longer than usual and is still followed, more slowly. It is safe to close this page."
    wait = None
    if usual is not None and mode == "run":
        wait = {"median": usual.median, "late": usual.late, "jobs": usual.jobs}
    return {
        "mode": mode,
        "title": words.WAITS[job.waits_for] or words.STATE[job.state],
        "made": words.maker(job),
        "draft": job.draft,
        "note": note,
        "notes": list(notes.now)[-SHOWN_NOTES:],
        "past": list(notes.past)[-PAST_NOTES:],
        "job_id": job.job_id,
        "task_id": job.task_id or "",
        "created": job.created,
        "queued_at": job.queued_at,
        "processing_at": job.processing_at,
        "finished_at": job.finished_at,
        "now": now if not job.done else 0,
        "progress": job.progress,
        "eta": job.eta,
        "place": job.place,
        "usual": wait,
        "price": "" if job.draft else " · ".join(filter(None, (words.spent(job), charge))),
        "take": job.take,
    }


def _explanation(job: Job, analysis: ResultAnalysis | None) -> str:
    """What the files of a failed job show, where the provider's reason is about it."""
    if analysis is None and audits.explained(job):
        return advice.waiting("Looking at what the files show")
    if analysis is None or analysis.explanation is None:
        return ""
    return advice.advice(analysis.explanation, head="What the files show")


class JobNotes:
    """What happened to a job on the way, as sentences, each once; events that were read are not read again."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client, self._job_id = client, job_id
        self._after = 0
        self._lasting, self._now, self._past = list[str](), list[str](), list[str]()

    def read(self) -> Notes:
        """All so far, the newest last."""
        with contextlib.suppress(KlingError):  # deleted meanwhile
            for number, event in self._client.history(self._job_id, after=self._after):
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
        """Something newer was heard: the note about the moment before is history."""
        self._past += self._now
        self._now = []


def _same(before: Any, after: Any) -> bool:
    """The clock alone is no news: the browser has one."""
    if isinstance(before, dict) and isinstance(after, dict) and "now" in after:
        return {**before, "now": 0} == {**after, "now": 0}
    return bool(before == after)
