"""Arriving at the page: who it is, which job to go on showing, and the examples.

Owns what happens on load: a reload, or another day, comes back to the job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from kling_utils.errors import KlingError
from kling_utils.studio import actions, history, samples
from kling_utils.studio.account import Account
from kling_utils.studio.generate import Generate
from kling_utils.studio.inputs import ImageInput, VideoInput
from kling_utils.studio.job_view import JobView
from kling_utils.studio.panel import idle
from kling_utils.studio.session import Session

if TYPE_CHECKING:
    from kling_utils.jobs.client import Client


class Arrive:
    """The load event."""

    def __init__(
        self,
        runner: Client,
        image: ImageInput,
        video: VideoInput,
        follow: JobView,
        generate: Generate,
        account: Account,
    ) -> None:
        self._runner, self._image, self._video, self._follow = runner, image, video, follow
        self._generate, self._keeper, self._account = generate, generate.keeper, account

    def outputs(self, who: Any) -> list[Any]:
        return [
            who,
            self._follow.history.panel,
            self._follow.trouble,
            self._follow.panel,
            self._image.strip,
            self._video.strip,
            self._keeper.panel,
            self._account.line,
            self._generate.button,
        ]

    def on_load(self, desk: Session, request: gr.Request) -> tuple[Any, ...]:
        """Open the job that the address names, else the newest one that is still on its way."""
        who = desk.who = self._keeper.visitor(request)
        sees = who.sees
        asked = str(request.query_params.get("job", ""))
        missing = ""
        if asked:
            try:
                desk.open(self._runner.record(asked, owner=sees).job_id)
            except (KlingError, ValueError):
                missing = actions.gone()
        if not desk.job_id:
            unfinished = next((j for j in self._runner.jobs(owner=sees) if not j.done), None)
            if unfinished is not None:
                desk.open(unfinished.job_id)
        return (
            who,
            history.value(self._runner, who, desk.job_id),
            gr.update(value=missing, visible=bool(missing)),
            {**idle(), "asked": asked} if missing and not desk.job_id else gr.skip(),
            samples.value(self._image.samples, "image"),
            samples.value(self._video.samples, "video"),
            self._keeper.hello(desk),
            self._account.says(None, desk),
            self._generate.arrived(desk),
        )
