"""Jobs that stand still, are in doubt, or were lost sight of: what a person may do about them. Nothing here sends twice by itself.

Owns the ways on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from kling_utils import errors
from kling_utils import events as ev
from kling_utils.errors import KlingError, MoneyState, Refused
from kling_utils.jobs.inputs import fingerprint
from kling_utils.jobs.job_errors import lost, named
from kling_utils.jobs.maker import Maker, NewJob
from kling_utils.jobs.store import DuplicateRequest
from kling_utils.jobs.views import Views
from kling_utils.jobs.watcher import Watcher
from kling_utils.jobs.worker import Worker
from kling_utils.preflight.check import check
from kling_utils.providers.http import TRIES
from kling_utils.providers.novita import NovitaProvider
from kling_utils.values import HOME_OWNER, Job, MotionRequest, State

DOUBT: tuple[State, ...] = ("unconfirmed",)


class Rescue(Views):
    """The part of ``Client`` that people ask for when a job does not go on by itself."""

    _maker: Maker
    _steps: Worker
    _watcher: Watcher

    def resume(self, job_id: str, *, owner: str | None = None, key: SecretStr | None = None) -> Job:
        """Go on with a job that stopped: sends one that was not sent, looks again at one past its deadline. Never sends twice.

        A job that failed because the provider did not have its task, or the link to its result, is looked for again: it may be there for
        another key, or by now.
        """
        job = self._store.get(job_id, owner=owner)
        if (job.done and not lost(job)) or job.state == "unconfirmed":
            return job
        self._access.remember(job_id, key)
        self._access.require(job)  # says what is missing before anything is changed
        self._steps.resumed(job_id)
        self._store.claim(
            job_id
        )  # before it stops waiting: what is leased is not marked as waiting by whoever just looked
        again: dict[str, Any] = (
            {"state": "queued", "trouble": None, "finished_at": None, "video": None}
            if lost(job)
            else {}
        )
        try:
            self._store.change(
                job_id,
                now=self._clock(),
                states=(job.state,) if again else None,
                waits_for="",
                overdue=False,
                **again,
            )
        except DuplicateRequest:
            told = "The same request is under way as another job."
            raise named(
                KlingError(
                    told,
                    hint="Wait until that one has ended, then resume this one.",
                    money=job.money,
                ),
                job,
            ) from None
        self._watcher.add(job_id)
        return self._store.get(job_id)

    # -- the three ways out of doubt

    def adopt(
        self, job_id: str, task_id: str, *, owner: str | None = None, key: SecretStr | None = None
    ) -> Job:
        """The task of an unconfirmed job was found at the provider: go on with it. Raises ``TaskNotFound``, and then nothing is changed."""
        job = self._store.get(job_id, owner=owner)
        wanted = _task(task_id)
        self._access.remember(job_id, key)
        self._seen(wanted, self._access.novita_of(job, tries=TRIES), money=job.money)
        now = self._clock()
        event = ev.Submitted(task_id=wanted)
        columns: dict[str, Any] = {
            "state": "queued",
            "task_id": wanted,
            "queued_at": now,
            "trouble": None,
        }
        if job.base_url is None:
            columns["base_url"] = self.settings.novita_base_url
        if self._store.change(job_id, event, now=now, states=DOUBT, **columns):
            self._watcher.add(job_id)
        return self._store.get(job_id)

    def dismiss(self, job_id: str, *, owner: str | None = None) -> Job:
        """Give an unconfirmed job up: it is kept as failed, and whether it was paid for stays unknown."""
        job = self._store.get(job_id, owner=owner)
        if job.state == "unconfirmed" and job.trouble is not None:
            trouble = replace(
                job.trouble,
                code="Dismissed",
                hint="You dismissed it. If it turns up in your account, it was paid for.",
            )
            event = ev.Failed(trouble=trouble)
            now = self._clock()
            self._steps.take_back(job)
            self._store.change(
                job_id,
                event,
                now=now,
                states=DOUBT,
                state="failed",
                trouble=trouble,
                finished_at=now,
            )
            self._access.forget(job_id)
        return self._store.get(job_id)

    def send_again(
        self, job_id: str, *, owner: str | None = None, key: SecretStr | None = None
    ) -> Job:
        """Send an unconfirmed job once more, at the user's own risk of paying twice."""
        job = self._store.get(job_id, owner=owner)
        self._access.remember(job_id, key)
        self._access.require(job)
        note = ev.Note(
            text="Sent again on request: if the first one arrived after all, both are billed.",
            lasting=True,
        )
        if self._store.change(
            job_id, note, now=self._clock(), states=DOUBT, state="checked", trouble=None
        ):
            self._watcher.add(job_id)
        return self._store.get(job_id)

    def adopt_task(
        self,
        request: MotionRequest,
        task_id: str,
        *,
        owner: str = HOME_OWNER,
        key: SecretStr | None = None,
    ) -> Job:
        """Make a job of a task that was sent from elsewhere, with the files that it was sent with. Nothing is sent, nothing is spent.

        A job that has the task already, or the same request in doubt, takes it. Raises ``TaskNotFound`` for a task that the key's account
        does not have, and the reason why a file cannot be read.
        """
        wanted = _task(task_id)
        if (known := self.with_task(wanted, owner=owner)) is not None:
            ended = known.done and not lost(known)
            return known if ended else self.resume(known.job_id, key=key)
        if (used := key or self._access.own_key(owner)) is None:
            raise errors.SettingError(
                "A task is at Novita, and no API key is set.",
                hint="Give the key of the account that has it.",
            )
        image, video = self._intake.image(request.image), self._intake.video(request.video)
        found = check(request, image.info, video.info)
        if found.image is None or found.video is None:
            raise Refused(found)
        self._seen(wanted, self._access.novita(used, tries=TRIES), money="no")
        mark = fingerprint(request, found.image.sha256, found.video.sha256)
        twins = self._store.twins(owner, "novita", mark)
        doubt = next((twin for twin in twins if twin.state == "unconfirmed"), None)
        if doubt is None:
            take = max((twin.take for twin in twins), default=0) + 1
            doubt = self._maker.make(
                NewJob(request, owner, "novita", take, mark, key, image, video, found, found.video),
                "unconfirmed",
            )
        return self.adopt(doubt.job_id, wanted, owner=owner, key=key)

    def _seen(self, task_id: str, there: NovitaProvider, *, money: MoneyState) -> None:
        """Raises ``TaskNotFound`` and its like when the provider does not show the task to this key; ``money`` is what they then say."""
        try:
            there.seen(task_id)
        except KlingError as error:
            error.money = money
            raise


def _task(task_id: str) -> str:
    if not task_id.strip():
        raise errors.InvalidRequest(
            "The task id is empty.", hint="Copy it from the provider's list of tasks."
        )
    return task_id.strip()
