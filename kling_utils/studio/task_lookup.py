"""A task id from the provider, pasted: finds the job that has it, gives it to the job that waits for one, or makes a job of it.

Owns the box and what it says. A job is its files and its request, and a bare task id has neither: for a task that was sent from elsewhere
they are taken from the form. Nothing is ever sent from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.media import bounds
from kling_utils.show import cards
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.session import Form, Session, typed_key
from kling_utils.studio.visitor import Visitor

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client


class TaskLookup:
    """The box under the gallery."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        with gr.Accordion("Find a job by its task id", open=False, elem_id="find-task"):
            with gr.Row(equal_height=True):
                self.box = gr.Textbox(
                    label="Task id, as the provider shows it",
                    info="Opens the job that has it. A job that was not confirmed and is open on the stage takes it and goes on. "
                    "For one that was sent from elsewhere, put its image and its clip into the form first.",
                    max_lines=1,
                    elem_id="find-task-id",
                    scale=1,
                )
                self.button = gr.Button(
                    "Find it", size="sm", elem_id="find-task-go", scale=0, min_width=120
                )
            self.answer = gr.HTML("", elem_id="find-task-answer", apply_default_css=False)

    def bind(self, desk: gr.State, who: Any, key: gr.Textbox, form: list[Any]) -> list[Any]:
        """Returns the event after which the job is to be watched."""
        inputs = [desk, who, self.box, key, *form]
        return [
            gr.on(
                [self.button.click, self.box.submit],
                in_lane(
                    bounds.calling,
                    self.find,
                    busy=lambda error, *_: cards.error(error),
                    runner=self._runner,
                    form_at=4,
                ),
                inputs,
                [self.answer],
                **PRIVATE,
                **HIDDEN,
                **UNLIMITED,
            )
        ]

    def find(self, desk: Session, who: Visitor, task_id: str, key: str, *fields: Any) -> str:
        """Open the job that has the task, let the open one adopt it, or make one of the form's files."""
        asked, sees = task_id.strip(), who.sees
        if not asked:
            return cards.note(
                "The task id is empty",
                "Copy it from the provider's list of tasks.",
                severity="warning",
            )
        known = self._runner.with_task(asked, owner=sees) or next(
            (j for j in self._runner.jobs(owner=sees) if j.job_id == asked), None
        )
        if known is not None:
            desk.open(known.job_id)
            return found()
        doubtful = [job for job in self._runner.jobs(owner=sees) if job.state == "unconfirmed"]
        taker = next((job for job in doubtful if job.job_id == desk.job_id), None)
        form = Form(*fields)
        try:
            if taker is not None:
                job = self._runner.adopt(taker.job_id, asked, owner=sees, key=typed_key(key))
            elif doubtful and not (form.image and form.video):
                text = "Open the job that was not confirmed (its poster says so), then paste the task id again: it goes on with it."
                return cards.note("No job here has this task id", text, severity="warning")
            elif not (form.image and form.video):
                text = "Was it sent from elsewhere? Put the image and the clip that it was made from into the form, then paste it again."
                return cards.note("No job here has this task id", text, severity="warning")
            else:
                owner = who.owner
                job = self._runner.adopt_task(
                    form.request(), asked, owner=owner, key=typed_key(key)
                )
        except KlingError as error:
            return cards.error(error)
        desk.open(job.job_id)
        return found()


def found() -> str:
    """What is said about a job that is open now."""
    way = '<p class="kc-acts"><button type="button" class="kc-act" data-goto="stage">Go to the stage</button></p>'
    return cards.listing("Here it is, open on the stage", (), severity="pass", extra=way)
