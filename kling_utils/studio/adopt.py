"""A task id from the provider, pasted: finds the job that has it, or gives it to the job that waits for one.

Owns the box and what it says. Refuses to ask the provider for tasks that no job here knows: a job is its files and its request, and a bare
task id has neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.show import cards
from kling_utils.studio import visitor
from kling_utils.studio.desk import Desk
from kling_utils.studio.wire import HIDDEN, PRIVATE

if TYPE_CHECKING:
    from kling_utils.jobs.runner import Runner

SEARCHED = 500
"""Newest jobs that are looked through."""


class Adopt:
    """The box under the gallery."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        with gr.Accordion("Find a job by its task id", open=False, elem_id="find-task"):
            with gr.Row(equal_height=True):
                self.box = gr.Textbox(
                    label="Task id, as the provider shows it",
                    info="Opens the job that has it. A job that was not confirmed and is open on the stage takes it and goes on.",
                    max_lines=1,
                    elem_id="find-task-id",
                    scale=1,
                )
                self.button = gr.Button("Find it", size="sm", elem_id="find-task-go", scale=0, min_width=120)
            self.answer = gr.HTML("", elem_id="find-task-answer", apply_default_css=False)

    def wire(self, desk: gr.State, who: Any) -> list[Any]:
        """Returns the event after which the job is to be watched."""
        return [gr.on([self.button.click, self.box.submit], self.find, [desk, who, self.box], [self.answer], **PRIVATE, **HIDDEN)]

    def find(self, desk: Desk, who: Any, task_id: str) -> str:
        """Open the job that has the task, or let the open one adopt it."""
        asked, sees = task_id.strip(), visitor.sees(self._runner, who)
        if not asked:
            return cards.note("The task id is empty", "Copy it from the provider's list of tasks.", severity="warning")
        jobs = self._runner.jobs(owner=sees, limit=SEARCHED)
        known = next((job for job in jobs if asked in (job.task_id, job.job_id)), None)
        if known is not None:
            desk.open(known.job_id)
            return ""
        doubtful = [job for job in jobs if job.state == "unconfirmed"]
        taker = next((job for job in doubtful if job.job_id == desk.job_id), None)
        if taker is None:
            if doubtful:
                text = "Open the job that was not confirmed (its poster says so), then paste the task id again: it goes on with it."
            else:
                text = "Only a job that was not confirmed can take a new task id: what was asked is not told by the provider."
            return cards.note("No job here has this task id", text, severity="warning")
        try:
            self._runner.adopt(taker.job_id, asked, owner=sees)
        except KlingError as error:
            return cards.error(error)
        desk.open(taker.job_id)
        return ""
