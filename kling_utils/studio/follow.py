"""Following a job: the panel that says where it is, its trouble, and the stage.

Owns what is seen of the job that is open. Refuses to own the job: it lives in the runner's watcher, and goes on when nobody looks.
The handler reads the store and sleeps; it blocks nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.show import cards, stage, words
from kling_utils.studio import files, history, visitor
from kling_utils.studio.desk import Desk
from kling_utils.studio.rescue import Rescue
from kling_utils.studio.theme import static
from kling_utils.values import Job

if TYPE_CHECKING:
    from kling_utils.jobs.runner import Runner

EVERY = 0.5
"""Seconds between two looks at the store, which take about a millisecond."""
OTHERS = 20
"""Looks between two looks at the visitor's other jobs."""
STANDING = 3.0
"""The same for a job that waits for somebody."""


class Follow:
    """The right side of the page."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        with gr.Column(elem_id="job"):
            self.panel = gr.HTML(
                _idle(), html_template=static("panel.html"), js_on_load=static("panel.js"), apply_default_css=False, elem_id="panel"
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
            with gr.Row(elem_id="job-actions"):
                self.download = gr.DownloadButton("Download the video", size="sm", visible=False, elem_id="download")
                self.reuse = gr.Button("Use these files again", size="sm", visible=False, elem_id="reuse")
                self.stop = gr.Button("Stop watching", size="sm", visible=False, elem_id="stop")
        self.history = history.strip()

    @property
    def outputs(self) -> list[Any]:
        """What ``watch`` changes."""
        return [self.panel, self.trouble, self.stage, self.download, self.reuse, self.stop, self.history, *self.rescue.outputs]

    def picked(self, desk: Desk, who: Any, event: gr.EventData) -> str:
        """A card of the history was clicked."""
        return "" if history.picked(self._runner, desk, who, event) else _gone()

    def again(self, desk: Desk, who: Any) -> tuple[Any, ...]:
        """Fill the form from the open job: (image, its view, video, its view, orientation, model, prompt, negative prompt, sound)."""
        try:
            asked = self._runner.job(desk.job_id, owner=visitor.sees(self._runner, who)).request
        except (KlingError, ValueError):
            return (gr.skip(),) * 9
        image, video = files.handed(Path(asked.image)), files.handed(Path(asked.video))
        texts = (asked.character_orientation, asked.model_name, asked.prompt, asked.negative_prompt, asked.keep_original_sound)
        return (image or "", image, video or "", video, *texts)

    def stopped(self, desk: Desk) -> tuple[Any, Any]:
        """Stop following; the job goes on."""
        job_id = desk.job_id
        desk.open("")
        says = {
            **_idle(),
            "mode": "stopped",
            "title": "Not watching any more",
            "note": "The job goes on and its result is saved. Open it below, under Your videos.",
        }
        return {**says, "job_id": job_id}, gr.update(visible=False)

    async def watch(self, desk: Desk, who: Any) -> AsyncIterator[dict[Any, Any]]:
        """Show the open job until it ends, another one is opened, or the page is closed. Yields only what changed."""
        mine, shown = desk.claim(), dict[Any, Any]()
        if not mine or not desk.job_id:
            yield {self.stop: gr.skip()}  # a generator that yields nothing would empty its outputs
        reference: dict[str, Any] | None = None
        looks, stood = 0, ""
        while mine and desk.holds(mine):
            try:
                job = self._runner.job(desk.job_id, owner=visitor.sees(self._runner, who))
            except (KlingError, ValueError):
                desk.open("")
                yield {self.panel: _idle(), self.trouble: gr.update(value=_gone(), visible=True)}
                return
            if not looks:  # first what is known at once: the reference may have to be made
                yield {self.panel: panel(job, self._runner.now())}
                reference = await asyncio.to_thread(self._reference, job)
            result = await asyncio.to_thread(files.data, job.video) if job.video is not None else None
            picture = self._picture(job, reference, result, live=looks > 0)
            if looks % OTHERS == 0 or job.state != stood:
                picture[self.history] = await asyncio.to_thread(history.value, self._runner, who, job.job_id)
            looks, stood = looks + 1, job.state
            news = {where: what for where, what in picture.items() if where not in shown or not _same(shown[where], what)}
            if not desk.holds(mine):
                return
            if news:
                shown |= news
                yield news
            if job.done:
                return
            await asyncio.sleep(STANDING if job.waits_for or job.state == "unconfirmed" else EVERY)

    def _picture(self, job: Job, reference: dict[str, Any] | None, result: dict[str, Any] | None, *, live: bool) -> dict[Any, Any]:
        trouble = cards.trouble(job.trouble, task_id=job.task_id) if job.trouble is not None else ""
        running = not job.done and not job.waits_for and job.state != "unconfirmed"
        return {
            self.panel: panel(job, self._runner.now()),
            self.trouble: gr.update(value=trouble, visible=bool(trouble)),
            self.stage: stage.of(job, reference, result, autoplay=live and result is not None),
            self.download: gr.update(value=result["path"] if result else None, visible=bool(result)),
            self.reuse: gr.update(visible=True),
            self.stop: gr.update(visible=running),
            **self.rescue.picture(job),
        }

    def _reference(self, job: Job) -> dict[str, Any] | None:
        try:
            return files.data(self._runner.reference(job))
        except (KlingError, OSError):
            return None  # the stage shows the result alone


def panel(job: Job, now: float) -> dict[str, Any]:
    """What the panel's script reads: facts and words; the seconds tick in the browser."""
    mode = "done" if job.state == "succeeded" else "failed" if job.state == "failed" else "run"
    note = "It is safe to close this page: the job goes on and the result is saved."
    if job.state == "unconfirmed" or job.waits_for:
        mode, note = "standing", ""
    elif job.overdue:
        note = "It takes longer than usual and is still followed, more slowly. It is safe to close this page."
    elif job.done:
        note = ""
    return {
        "mode": mode,
        "title": words.WAITS[job.waits_for] or words.STATE[job.state],
        "made": words.maker(job),
        "draft": job.draft,
        "note": note,
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
        "price": words.price(job.cost) if job.cost is not None and not job.draft else "",
        "take": job.take,
    }


def _same(before: Any, after: Any) -> bool:
    """The clock alone is no news: the browser has one."""
    if isinstance(before, dict) and isinstance(after, dict) and "now" in after:
        return {**before, "now": 0} == {**after, "now": 0}
    return bool(before == after)


def _idle() -> dict[str, Any]:
    return {"mode": "idle"}


def _gone() -> str:
    return cards.note("There is no such job here", "It was removed, or it belongs to another browser.", severity="warning")
