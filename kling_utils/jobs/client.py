"""The use case: the one façade that app, notebook and command line call.

Owns the order of steps that make a job (check, find twins, keep copies, write the row) and how a
job is followed. What is known before is ``checks``, what happens afterwards ``steps``, when it
happens ``watcher``.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from kling_utils import errors
from kling_utils import events as ev
from kling_utils.errors import AlreadyHave, Busy, Refused, StillRunning
from kling_utils.events import Event
from kling_utils.jobs import salvage
from kling_utils.jobs.given import Given
from kling_utils.jobs.inputs import changed, fingerprint
from kling_utils.jobs.job_errors import WAYS_OUT, counts, have, missing, named
from kling_utils.jobs.live import LiveJob
from kling_utils.jobs.maker import Maker, NewJob
from kling_utils.jobs.poll_schedule import Pace
from kling_utils.jobs.rescue import Rescue
from kling_utils.jobs.store import DraftLimitReached, DuplicateRequest
from kling_utils.jobs.watcher import Lane, Watcher
from kling_utils.jobs.worker import Worker
from kling_utils.media import bounds
from kling_utils.media.names import cut
from kling_utils.preflight.check import check
from kling_utils.preflight.plan import FitChoices
from kling_utils.providers.http import Transport
from kling_utils.providers.local import LocalProvider
from kling_utils.settings import Settings, load, unknown_variables
from kling_utils.values import (
    HOME_OWNER,
    Job,
    MotionRequest,
    Provider,
    Report,
    Result,
    State,
    Trouble,
)

DRAFT_EXISTS = "A local draft of the same request exists; this one is made by Kling, and is billed."
DAY = 86400.0
UNUSED, HALF = DAY, 600.0
"""Seconds: what was fetched or repaired may stand in somebody's form for a day; what is half written is touched all the time."""
_WAITING: dict[Provider, tuple[int, int]] = {
    "local": (bounds.DRAFTS_WAITING_EACH, bounds.DRAFTS_WAITING),
    "novita": (bounds.KEY_JOBS_WAITING_EACH, bounds.KEY_JOBS_WAITING),
}
"""Most jobs that one visitor of a hosted page may have waiting, and all visitors together."""

_UNSENT: tuple[State, ...] = ("checked",)
_STANDING: tuple[State, ...] = ("unconfirmed", "succeeded", "failed")
"""Which of several jobs for one request is told of: a doubt before a result, a result before a failure."""


def _full(provider: Provider, full: DraftLimitReached) -> Busy:
    """What is said to a visitor whose job finds no room."""
    each, most = _WAITING[provider]
    what = "drafts" if provider == "local" else "jobs that are not sent yet"
    if full.mine:
        hint = "Wait until one has started"
        hint += "; drafts are made one at a time." if provider == "local" else ", then try again."
        return Busy(f"You have {each} {what} waiting already.", hint=hint)
    return Busy(
        f"This page is busy: {most} {what} of its visitors wait already.",
        hint="Try again in some minutes.",
    )


def _moving(job: Job) -> bool:
    """Is the job on its way, or about to be?"""
    return not job.done and job.state != "unconfirmed"


class Client(Rescue):
    """Checks requests, submits them, and follows them to their result. One for each process and home; thread-safe."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        api_key: str | SecretStr | None = None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        transport: Transport | None = None,
        local: LocalProvider | None = None,
        after: Callable[[str], None] = lambda step: None,
        **given: Any,
    ) -> None:
        """``settings``, or each setting by its name (``home=...``, ``novita_base_url=...``) over the environment's.

        ``api_key`` is the provider's key. Warns of ``KLING_...`` variables that mean nothing. Raises ``TypeError`` for a name that is no
        setting, and ``SettingError``.
        """
        if settings is None:
            for told in unknown_variables():
                warnings.warn(told, stacklevel=2)
            settings = load(**given, **({} if api_key is None else {"novita_api_key": api_key}))
        elif given or api_key is not None:
            raise TypeError("Give settings, or each of them by its name.")
        super().__init__(settings, clock=clock, transport=transport, local=local)
        self._after, self._rng = after, rng or random.Random()  # noqa: S311 - jitter
        self._pace = pace or Pace(interval=settings.poll_interval, deadline=settings.deadline)
        self._maker = Maker(self.home, self._store, self._access, self._rates, clock)
        self._steps = Worker(
            self._store,
            provider=self._access.provider,
            guard=self.guard,
            pace=self._pace,
            clock=clock,
            rng=self._rng,
            stopping=self._closing,
            ways=self.ways,
            after=after,
        )
        self._watcher = Watcher(
            self._store,
            self._advance,
            lane_of=self._lane_of,
            servable=self._access.servable,
            sweep=self._sweep,
            pace=self._pace,
        )

    def __repr__(self) -> str:
        ended = ", closed" if self._closing.is_set() else ""
        return f"Client(home {cut(self.home.root.name, 60)!r}{ended})"

    def close(self) -> None:
        """Stop watching. Jobs stay as they are; the next runner of this home goes on with them."""
        self._closing.set()
        self._watcher.close()
        self._access.local.close()
        self._transport.close()
        self._store.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def rebuilt(self) -> int:
        """How many jobs came back from their folders when the home was opened."""
        return self._store.rebuilt

    @property
    def home_said(self) -> str:
        """What to tell about the home's database when it was damaged or lost; empty when all is well."""
        return salvage.sentence(self.home, self.rebuilt)

    def watch(self) -> None:
        """Begin to watch this home's jobs, also those that an earlier process left behind."""
        self._watcher.start()

    # -- jobs

    def job(self, job_id: str) -> LiveJob:
        """A handle of a job, which reads the store at each access. Raises ``NoSuchJob``."""
        return LiveJob(self, self.record(job_id).job_id)

    def submit(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        fit: bool | FitChoices = False,
        owner: str = HOME_OWNER,
        key: SecretStr | None = None,
        report: Report | None = None,
        again: bool = False,
        draft: bool = False,
        **fields: Any,
    ) -> LiveJob:
        """Check, keep copies of both inputs, write the job and hand it to the watcher. Returns at once; sending is the watcher's.

        The request, or image, video and its fields; with ``fit``, what the checks find wrong is repaired first.
        ``report`` is the one that the user saw: files that differ from it are refused. ``draft`` makes it here, free, also where a key
        is set. The same request, while unfinished, is the same job. Unless ``again``, raises ``AlreadyHave`` for a request that has a
        result, is in doubt, or ended without a result while money was or may have been spent. Raises ``Refused`` and ``NotPublished``.
        """
        request = self.request(image, video, **fields)
        if fit:
            request = self._fitted(request, fit, quiet=True)
        job = self._submit(request, owner, key, report, again=again, draft=draft)
        return LiveJob(self, job.job_id)

    def _submit(
        self,
        request: MotionRequest,
        owner: str,
        key: SecretStr | None,
        report: Report | None,
        *,
        again: bool,
        draft: bool,
    ) -> Job:
        image, video = self._intake.image(request.image), self._intake.video(request.video)
        found = check(request, image.info, video.info)
        if (
            report is not None
            and report.image
            and found.image
            and report.image.sha256 != found.image.sha256
        ):
            raise changed("image", image.name)
        if (
            report is not None
            and report.video
            and found.video
            and report.video.sha256 != found.video.sha256
        ):
            raise changed("video", video.name)
        provider = self.provider_for(key, draft=draft, owner=owner)
        nowhere = self._reach(video, provider)
        if not found.ok or found.image is None or found.video is None:
            raise Refused(replace(found, findings=(*found.findings, *nowhere)))
        if nowhere:
            raise self._no_way(video)
        self._after("measured")
        mark = fingerprint(request, found.image.sha256, found.video.sha256)
        twins = self._store.twins(owner, provider, mark)
        if (unfinished := next((twin for twin in twins if _moving(twin)), None)) is not None:
            return self._joined(unfinished, key)
        paid = [twin for twin in twins if counts(twin)]
        if paid and not again:
            raise have(min(paid, key=lambda twin: _STANDING.index(twin.state)))
        take = max((twin.take for twin in twins), default=0) + 1
        most = None if owner == HOME_OWNER else _WAITING[provider]
        if owner != HOME_OWNER:
            self._make_room(owner)
        asked = NewJob(request, owner, provider, take, mark, key, image, video, found, found.video)
        try:
            job = self._maker.make(asked, "checked", most=most, known=[t.job_id for t in twins])
        except DraftLimitReached as full:
            raise _full(provider, full) from None
        except DuplicateRequest:  # somebody was faster; and may be done by now
            twins = sorted(
                self._store.twins(owner, provider, mark), key=lambda twin: (twin.done, twin.job_id)
            )
            return twins[0] if twins[0].done else self._joined(twins[0], key)
        if not job.draft and any(
            twin.state == "succeeded" for twin in self._store.twins(owner, "local", mark)
        ):
            self._store.change(
                job.job_id, ev.Note(text=DRAFT_EXISTS, lasting=True), now=self._clock()
            )
        self._after("stored")
        self._watcher.add(job.job_id)
        return job

    def run(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        key: SecretStr | None = None,
        again: bool = False,
        fit: bool | FitChoices = False,
        draft: bool = False,
        progress: bool | Callable[[Event], None] = True,
        **fields: Any,
    ) -> Result:
        """Submit and follow to the result; with ``fit``, what the checks find wrong is repaired first; ``draft`` as in ``submit``.

        A request that has its result already returns it: nothing is sent or paid, and ``.cached`` is true. ``again`` makes another take.
        Raises the error that ended or holds the job; ``.job_id`` then names it.
        """
        request = self.request(image, video, **fields)
        if fit:
            request = self._fitted(request, fit, quiet=progress is not True)
        try:
            job_id = self.submit(request, key=key, again=again, draft=draft).job_id
        except AlreadyHave as have_it:
            job = self.record(have_it.job_id or "")
            if job.state != "succeeded":
                raise
            if not missing(job):
                return replace(self.result(job.job_id), cached=True)
            job_id = self.resume(job.job_id, key=key).job_id
        return self.follow(job_id, progress=progress)

    def _fitted(
        self, request: MotionRequest, fit: bool | FitChoices, *, quiet: bool
    ) -> MotionRequest:
        from kling_utils.show.progress import ProgressBar

        choices = fit if isinstance(fit, FitChoices) else None
        with ProgressBar("repairing", quiet=quiet) as bar:
            fitted = self.fit(request, choices=choices, on_progress=lambda share, _: bar(share))
            return fitted.apply(request)

    def follow(self, job_id: str, **how: Any) -> Result:
        """As ``Views.follow``; a job that another process left behind is taken up."""
        self._watcher.start()
        return super().follow(job_id, **how)

    def delete(self, job_id: str, *, owner: str | None = None) -> None:
        """Remove a job and its files. Raises ``StillRunning`` for one that is on its way, which may be paid for."""
        job = self._store.get(job_id, owner=owner)
        deleted = Trouble("Deleted", "The job was deleted before it was sent.", "", "no")
        if self._store.change(
            job_id, now=self._clock(), states=_UNSENT, state="failed", trouble=deleted
        ):
            self._steps.take_back(job)  # only now that nobody sends it any more
        if not self._store.delete([job_id], states=("succeeded", "failed")):
            job = self._store.get(job_id, owner=owner)
            if job.state == "unconfirmed":
                told, hint = "Whether the job was sent is in doubt.", WAYS_OUT
            else:
                told, hint = (
                    f"The job is {'being drafted' if job.draft else 'on its way'}.",
                    "Delete it when it has ended.",
                )
            raise named(StillRunning(told, hint=hint, money=job.money), job)
        self._access.forget(job_id)

    # -- inside

    def _make_room(self, owner: str) -> None:
        """Remove the oldest ended drafts of visitors where their jobs take too much. Raises ``Busy`` where that does not help."""
        for whose, most in ((owner, bounds.JOBS_EACH), (None, bounds.JOBS)):
            jobs = self._store.of_visitors(whose)
            sizes = {job.job_id: self.home.size(job.job_id) for job in jobs}
            drafts = [job.job_id for job in jobs if job.draft and job.done]
            while sum(sizes.values()) > most and drafts:
                oldest = drafts.pop(0)
                self._store.delete([oldest], states=("succeeded", "failed"))
                del sizes[oldest]
            if sum(sizes.values()) > most:
                what = "Your videos" if whose else "The videos of this page's visitors"
                hint = "Download the ones that you want to keep, and delete some."
                raise Busy(
                    f"{what} take {most / 1e9:g} GB, the most that is kept here.",
                    hint=hint if whose else "Delete some of yours, or try again another day.",
                )

    def _advance(self, job_id: str) -> float | None:
        key = self._access.held(job_id)
        try:
            delay = self._steps.advance(job_id)
            job = self._store.get(job_id)
        except errors.NoSuchJob:  # deleted meanwhile
            self._access.forget(job_id)
            return None
        if key is not None and (job.done or job.waits_for == "key"):
            self._access.forget(job_id, key)
        return delay

    def _lane_of(self, job_id: str) -> tuple[Lane, str]:
        """Which threads a job's next step uses, and whose job it is."""
        job = self._store.get(job_id)
        if job.draft:
            return "draft", job.owner
        lanes: dict[State, Lane] = {"checked": "send", "submitting": "send", "downloading": "save"}
        return lanes.get(job.state, "poll"), job.owner

    def _joined(self, job: Job, key: SecretStr | None) -> Job:
        """The same request again while it is unfinished: the same job, set going again if it stood still."""
        if not self._store.private(job.job_id).leased or job.waits_for:
            return self.resume(job.job_id, key=key)
        return job

    def _sweep(self) -> None:
        now = self._clock()
        keeps = self.settings.keep_days * DAY if self.home.steady(now) else now
        ended = now - keeps
        self._store.presence.sweep()
        self._store.sweep(ended_before=ended, unused_since=now - UNUSED, halves_since=now - HALF)
