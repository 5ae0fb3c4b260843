"""Jobs that wait for somebody: the three ways out of doubt, and going on with a job that stands still.

Owns the questions. Nothing is sent again unless it was asked for here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.jobs.job_errors import lost
from kling_utils.media import bounds
from kling_utils.show import cards, words
from kling_utils.studio import notices
from kling_utils.studio.account import key_box
from kling_utils.studio.event_options import HIDDEN, PRIVATE, UNLIMITED
from kling_utils.studio.lanes import in_lane
from kling_utils.studio.session import Session, typed_key
from kling_utils.studio.visitor import Visitor
from kling_utils.values import HOME_OWNER, Job

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client

_GO_ON = {
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
}


class Rescue:
    """Two groups of questions, of which a job shows at most one."""

    def __init__(self, runner: Client) -> None:
        self._runner = runner
        with gr.Column(visible=False, elem_id="doubt", elem_classes="rescue") as self.doubt:
            gr.HTML(
                '<p class="rescue-head">Three ways on</p><p class="hint">Look into your account at the provider: is the task there?</p>',
                apply_default_css=False,
            )
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

    @property
    def outputs(self) -> list[Any]:
        """What ``picture`` changes."""
        return [self.doubt, self.standing, self.why, self.key, self.go_on, self.ask, self.answer]

    def picture(self, job: Job) -> dict[Any, Any]:
        """Which questions a job needs answered."""
        waits: str = job.waits_for or ("resume" if job.overdue else "")
        if job.done:
            waits = "lost" if lost(job) else ""
        why, label = _GO_ON.get(waits, ("", "Go on"))
        if job.overdue and not job.waits_for:
            why, label = (
                "It is past its usual time and still looked at, now and then.",
                "Look again now",
            )
        return {
            self.doubt: gr.update(visible=job.state == "unconfirmed"),
            self.standing: gr.update(visible=bool(waits)),
            self.why: f'<p class="hint">{cards.escape(why)}</p>' if why else "",
            self.key: gr.update(
                visible=waits == "key"
                or (waits == "lost" and not job.draft and job.owner != HOME_OWNER)
            ),
            self.go_on: gr.update(value=label),
            self.ask: gr.update(visible=False),
        }

    def bind(self, desk: gr.State, who: Any, key: Any) -> list[Any]:
        """``key`` is the page's own box. Returns the events after which the job is to be watched again."""
        common = {**PRIVATE, **HIDDEN, **UNLIMITED}
        outputs = [self.ask, self.question, self.sure]
        self.resend.click(self._asked, [desk, who], outputs, **common)
        adopt, dismiss, resend = (
            in_lane(bounds.calling, each, busy=lambda error, *_: cards.error(error))
            for each in (self._adopt, self._dismiss, self._resend)
        )
        resume = in_lane(
            bounds.calling, self._resume, busy=lambda error, *_: (cards.error(error), gr.skip())
        )
        return [
            self.adopt.click(adopt, [desk, who, key, self.task_id], [self.answer], **common),
            self.dismiss.click(dismiss, [desk, who], [self.answer], **common),
            self.sure.click(resend, [desk, who, key], [self.answer], **common),
            self.go_on.click(resume, [desk, who, self.key], [self.answer, self.key], **common),
        ]

    def _adopt(self, desk: Session, who: Visitor, key: str, task_id: str) -> str:
        def act() -> Any:
            return self._runner.adopt(desk.job_id, task_id, owner=who.sees, key=typed_key(key))

        return self._did(desk, act)

    def _dismiss(self, desk: Session, who: Visitor) -> str:
        return self._did(desk, lambda: self._runner.dismiss(desk.job_id, owner=who.sees))

    def _asked(self, desk: Session, who: Visitor) -> tuple[Any, Any, Any]:
        """Before it is sent again: that it may be paid twice, and what it costs. Returns (panel, question, button)."""
        try:
            job = self._runner.record(desk.job_id, owner=who.sees)
        except (KlingError, ValueError):
            return gr.skip(), gr.skip(), gr.skip()
        desk.asked_about = job.job_id
        price = words.price(job.cost) if job.cost is not None else "price not known"
        label = gr.update(value=notices.twice_label(price))
        return gr.update(visible=True), notices.twice(price, close=False), label

    def _resend(self, desk: Session, who: Visitor, key: str) -> str:
        if not desk.job_id or desk.asked_about != desk.job_id:
            return ""  # only the answer to the question sends
        desk.asked_about = ""
        return self._did(
            desk,
            lambda: self._runner.send_again(desk.job_id, owner=who.sees, key=typed_key(key)),
        )

    def _resume(self, desk: Session, who: Visitor, key: str) -> tuple[str, str]:
        says = self._did(
            desk,
            lambda: self._runner.resume(desk.job_id, owner=who.sees, key=typed_key(key)),
        )
        return says, ""

    def _did(self, desk: Session, act: Any) -> str:
        try:
            act()
        except KlingError as error:
            return cards.error(error)
        desk.open(desk.job_id)  # whoever watched sleeps long: begin anew
        return ""
