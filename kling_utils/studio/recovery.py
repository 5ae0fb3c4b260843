"""Jobs that wait for somebody: three ways out of doubt, going on with a job that stands still, and finding a job by its task id.

Nothing is sent again unless it was asked for here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.jobs.job_errors import lost
from kling_utils.media import bounds
from kling_utils.show import cards, words
from kling_utils.studio import notices
from kling_utils.studio.account import key_box
from kling_utils.studio.events import Events, Updates
from kling_utils.studio.session import Form, Session, typed_key
from kling_utils.values import HOME_OWNER, Job

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

_GO_ON = {
    "": ("", "Go on"),
    "resume": ("It was not sent and nothing was spent. It is sent when you say so.", "Send it now"),
    "key": (
        "Keys are never stored, so after a restart the job needs yours again. Nothing is sent twice.",
        "Go on",
    ),
    "lost": (
        "The result is not here. It is fetched again where the provider still has it: nothing is sent or paid.",
        "Fetch it again",
    ),
    "host": (
        "It was sent to another host than the one that is set now. Set NOVITA_BASE_URL back, then go on.",
        "Go on",
    ),
    "overdue": (
        "It is past its usual time and still looked at, now and then.",
        "Look again now",
    ),
}


class Recovery:
    """Two groups of questions, of which a job shows at most one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        with gr.Column(visible=False, elem_id="doubt", elem_classes="rescue") as self.doubt:
            gr.HTML(
                '<p class="rescue-head">Three ways on</p><p class="hint">Look into your account at the provider: is the task there?</p>',
                apply_default_css=False,
            )
            self.balance = gr.HTML("", elem_id="doubt-balance", apply_default_css=False)
            with gr.Row(equal_height=True):
                self.task_id = gr.Textbox(
                    label="It is there: its task id", max_lines=1, elem_id="task-id", scale=1
                )
                self.adopt = gr.Button(
                    "Follow this task", size="sm", elem_id="adopt", scale=0, min_width=140
                )
            with gr.Row():
                self.dismiss = gr.Button(
                    "It is not there: dismiss it", size="sm", elem_id="dismiss"
                )
                self.resend = gr.Button("Send it again…", size="sm", elem_id="send-again")
            with gr.Column(visible=False, elem_id="resend-ask") as self.ask:
                self.question = gr.HTML("", apply_default_css=False)
                self.sure = gr.Button(
                    "Send it again", size="sm", elem_id="send-again-sure", variant="stop"
                )
        with gr.Column(visible=False, elem_id="standing", elem_classes="rescue") as self.standing:
            self.why = gr.HTML("", apply_default_css=False)
            with gr.Row(equal_height=True):
                self.key = key_box(
                    "Your Novita API key", visible=False, elem_id="key-again", scale=1
                )
                self.go_on = gr.Button("Go on", size="sm", elem_id="go-on", scale=0, min_width=140)
        self.answer = gr.HTML("", elem_id="rescue-answer", apply_default_css=False)
        self.drawn = [self.doubt, self.standing, self.why, self.key, self.go_on, self.ask]
        self.drawn += [self.balance, self.answer]

    def bind(self, events: Events, key: Any) -> None:
        """``key`` is the page's own box."""
        asked, answer = [self.ask, self.question, self.sure], [self.answer]
        calls: dict[str, Any] = {
            "lane": bounds.calling,
            "busy": lambda error, _: {self.answer: cards.error(error)},
            "opens": True,
        }
        events.on(self.resend.click, self.on_resend, asked)
        events.on(self.adopt.click, self.on_adopt, answer, key=key, task_id=self.task_id, **calls)
        events.on(self.dismiss.click, self.on_dismiss, answer, **calls)
        events.on(self.sure.click, self.on_sure, answer, key=key, **calls)
        events.on(self.go_on.click, self.on_go_on, [*answer, self.key], key=self.key, **calls)

    def draw(self, job: Job | None, balance: str = "") -> Updates:
        """Which questions a job needs answered. ``balance``: what the account's balance says of one in doubt."""
        waits = ""
        if job is not None and job.done:
            waits = "lost" if lost(job) else ""
        elif job is not None:
            waits = job.waits_for or ("overdue" if job.overdue else "")
        why, label = _GO_ON[waits]
        needs_key = waits == "key" or (
            waits == "lost" and job is not None and not job.draft and job.owner != HOME_OWNER
        )
        return {
            self.doubt: gr.update(visible=job is not None and job.state == "unconfirmed"),
            self.balance: f'<p class="doubt-balance">{cards.escape(balance)}</p>'
            if balance
            else "",
            self.standing: gr.update(visible=bool(waits)),
            self.why: f'<p class="hint">{cards.escape(why)}</p>' if why else "",
            self.key: gr.update(visible=needs_key),
            self.go_on: gr.update(value=label),
            self.ask: gr.update(visible=False),
        }

    def on_adopt(self, session: Session, key: str, task_id: str) -> Updates:
        return self._did(
            session,
            lambda: self._client.adopt(
                session.job_id, task_id, owner=session.visitor.sees, key=typed_key(key)
            ),
        )

    def on_dismiss(self, session: Session) -> Updates:
        return self._did(
            session, lambda: self._client.dismiss(session.job_id, owner=session.visitor.sees)
        )

    def on_resend(self, session: Session) -> Any:
        """Before it is sent again: that it may be paid twice, and what it costs."""
        try:
            job = self._client.record(session.job_id, owner=session.visitor.sees)
        except (KlingError, ValueError):
            return gr.skip()
        session.asked_about = job.job_id
        price = words.price(job.cost) if job.cost is not None else "price not known"
        return {
            self.ask: gr.update(visible=True),
            self.question: notices.twice(price, close=False),
            self.sure: gr.update(value=notices.twice_label(price)),
        }

    def on_sure(self, session: Session, key: str) -> Updates:
        """Only the answer to the question sends."""
        if not session.job_id or session.asked_about != session.job_id:
            return {self.answer: ""}
        session.asked_about = ""
        return self._did(
            session,
            lambda: self._client.send_again(
                session.job_id, owner=session.visitor.sees, key=typed_key(key)
            ),
        )

    def on_go_on(self, session: Session, key: str) -> Updates:
        did = self._did(
            session,
            lambda: self._client.resume(
                session.job_id, owner=session.visitor.sees, key=typed_key(key)
            ),
        )
        return {**did, self.key: ""}

    def _did(self, session: Session, act: Callable[[], Any]) -> Updates:
        try:
            act()
        except KlingError as error:
            return {self.answer: cards.error(error)}
        session.open(session.job_id)  # a watcher of a standing job sleeps long: begin anew
        return {self.answer: ""}


class TaskLookup:
    """The box under the gallery: finds the job that has a task, gives the task to the job that waits for one, or makes a job of it.

    A job is its files and its request, and a bare task id has neither: for a task that was sent from elsewhere they are taken from
    the form.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
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

    def bind(self, events: Events, key: Any) -> None:
        events.on(
            [self.button.click, self.box.submit],
            self.on_find,
            [self.answer],
            lane=bounds.calling,
            busy=lambda error, _: cards.error(error),
            fetch=True,
            opens=True,
            task_id=self.box,
            key=key,
            **events.form,
        )

    def on_find(self, session: Session, task_id: str, key: str, **form: Any) -> str:
        """Open the job that has the task, let the open one adopt it, or make one of the form's files."""
        asked, sees, client = task_id.strip(), session.visitor.sees, self._client
        if not asked:
            text = "Copy it from the provider's list of tasks."
            return cards.note("The task id is empty", text, severity="warning")
        jobs = client.jobs(owner=sees)
        job = client.with_task(asked, owner=sees)
        job = job or next((each for each in jobs if each.job_id == asked), None)
        doubtful = [each for each in jobs if each.state == "unconfirmed"]
        filled = Form(**form)
        try:
            if job is not None:
                pass
            elif any(each.job_id == session.job_id for each in doubtful):
                job = client.adopt(session.job_id, asked, owner=sees, key=typed_key(key))
            elif filled.image and filled.video:
                owner, typed = session.visitor.owner, typed_key(key)
                job = client.adopt_task(filled.request(), asked, owner=owner, key=typed)
            else:
                text = (
                    "Open the job that was not confirmed (its poster says so), then paste the task id again: it goes on with it."
                    if doubtful
                    else "Was it sent from elsewhere? Put the image and the clip that it was made from into the form, then paste it again."
                )
                return cards.note("No job here has this task id", text, severity="warning")
        except KlingError as error:
            return cards.error(error)
        session.open(job.job_id)
        way = '<p class="kc-acts"><button type="button" class="kc-act" data-goto="stage">Go to the stage</button></p>'
        return cards.listing("Here it is, open on the stage", (), severity="pass", extra=way)
