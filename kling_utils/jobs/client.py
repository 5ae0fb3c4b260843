"""What page, notebook and command line call: checks, jobs and their results, over one home.

A submit is done here up to the row: check, find the same request, keep copies, write the job. ``worker`` sends and
follows it, ``watcher`` says when.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import SecretStr

from kling_utils import errors
from kling_utils import events as ev
from kling_utils.errors import (
    AlreadyHave,
    Busy,
    InvalidRequest,
    KlingError,
    MoneyState,
    NotPublished,
    Refused,
    SettingError,
    StillRunning,
)
from kling_utils.events import Event
from kling_utils.jobs import budget, database, evidence, ledger, publishing, retakes
from kling_utils.jobs.audits import audit_of, explanation_of
from kling_utils.jobs.budget import Allowance, Limits
from kling_utils.jobs.credentials import Credentials
from kling_utils.jobs.home import Home, begin_job, new_job_id
from kling_utils.jobs.inputs import Given, Inputs, Measured, Room, as_file, changed, fingerprint
from kling_utils.jobs.job_errors import (
    WAYS_OUT,
    counts,
    error_of,
    have,
    lost,
    missing,
    named,
    standing,
)
from kling_utils.jobs.ledger import By, Entry, Spending
from kling_utils.jobs.listing import Group, Tally
from kling_utils.jobs.live import LiveJob
from kling_utils.jobs.publishing import Publishing
from kling_utils.jobs.retakes import Retakes
from kling_utils.jobs.store import DraftLimitReached, DuplicateRequest, JobSecrets, KeyFrom, Store
from kling_utils.jobs.timing import Pace, moment
from kling_utils.jobs.watcher import Lane, Watcher
from kling_utils.jobs.worker import Worker
from kling_utils.media import bounds, encode, track_files
from kling_utils.media.bounds import Rate, visitor
from kling_utils.media.fetch import Guard
from kling_utils.media.files import cut, sha256
from kling_utils.media.probe import probe_video
from kling_utils.preflight.check import check, check_image, check_text, check_video
from kling_utils.preflight.limits import SOURCES, limit
from kling_utils.preflight.plan import FitChoices, Plan, left_in_place, plan_fit
from kling_utils.preflight.preflight import Preflight
from kling_utils.preflight.quote import RateCard, expected_seconds, quote
from kling_utils.preflight.repair import Fitted, fit
from kling_utils.providers.base import Balance, PaidProvider
from kling_utils.providers.http import TRIES, Transport
from kling_utils.providers.local import LocalProvider
from kling_utils.providers.publish import (
    Host,
    PublishTarget,
    hub_target,
    link_target,
    not_public,
    store_target,
)
from kling_utils.settings import WAYS, Settings, clean_amount, load, unknown_variables
from kling_utils.values import (
    HOME_OWNER,
    LIST_CURRENCY,
    NAME_LENGTH,
    NOTE_LENGTH,
    RATINGS,
    STATES,
    Choice,
    Finding,
    ImageInfo,
    Job,
    Jobs,
    Money,
    MotionRequest,
    Provider,
    Quote,
    Rating,
    Report,
    Result,
    Span,
    State,
    Trouble,
    Usage,
    VideoInfo,
    Vote,
    parameters,
    printable,
    storable,
)

if TYPE_CHECKING:
    from kling_utils.preflight.advice import Advice
    from kling_utils.providers.tunnel import TemporaryLink

DRAFT_EXISTS = "A local draft of the same request exists; this one is made by Kling, and is billed."
DAY = 86400.0
UNUSED, HALF = DAY, 600.0
"""Ages in seconds at which the sweep removes files. A fetched or repaired file may stand in a form for a day; a file that is being
written is touched all the time."""
_WAITING: dict[Provider, tuple[int, int]] = {
    "local": (bounds.DRAFTS_WAITING_EACH, bounds.DRAFTS_WAITING),
    "novita": (bounds.KEY_JOBS_WAITING_EACH, bounds.KEY_JOBS_WAITING),
}
"""Most jobs that one visitor of a hosted page may have waiting, and all visitors together."""
_UNSENT: tuple[State, ...] = ("checked",)
_STANDING: tuple[State, ...] = ("unconfirmed", "succeeded", "failed")
"""Of several jobs for one request, ``AlreadyHave`` names the first by this order."""
ELSEWHERE = "Another process of this home works on the job; it is followed from here."
HERE = "The other process does not work on the job any more."
DOUBT: tuple[State, ...] = ("unconfirmed",)
_FRESH = 60.0
"""Seconds for which a balance is not asked for again for a job in doubt."""
_SERIES = 64
"""Series of tries that are remembered, the newest."""
_CHARGES = 60
"""Charges from which rates are learned, the newest."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is made of. ``clip`` is what was measured of the video."""

    request: MotionRequest
    owner: str
    provider: Provider
    key: SecretStr | None
    hf_token: SecretStr | None
    image: Measured[ImageInfo]
    video: Measured[VideoInfo]
    report: Report
    clip: VideoInfo
    fingerprint: str


class Client:
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
        self.settings = settings
        self._clock = clock
        self.home = Home(settings.home)
        track_files.keep_in(self.home.looks)
        self._store = Store(self.home)
        verify = str(settings.ca_bundle) if settings.ca_bundle else True
        self.guard = Guard(allow=settings.private_hosts, verify=verify, proxies=settings.proxies)
        self.page: Host | None = None
        """The page as a host of clips, once it is up and found itself reachable from outside."""
        self.page_refusal = ""
        """Why the page is no host, once it looked."""
        self._link: TemporaryLink | None = None
        self._link_lock = threading.Lock()
        self._closing = threading.Event()
        self._transport = transport or Transport(
            proxies=settings.proxies,
            verify=verify,
            per_minute=settings.submits_per_minute,
            wait=self._closing.wait,
        )
        self._inputs = Inputs(self.home, self.guard)
        self._repaired = Room(self.home.all_fitted)
        self._balances = Rate(
            bounds.BALANCES, bounds.BALANCES_EACH, bounds.BALANCES_SECONDS, "other keys"
        )
        self._rates = RateCard(settings.rate_std, settings.rate_pro, LIST_CURRENCY)
        self._retakes: list[Retakes] = []
        self._bill_lock, self._bill_read = threading.Lock(), 0.0
        self._credentials = Credentials(
            settings,
            self._store,
            transport=self._transport,
            local=local or LocalProvider(settings.home),
            clock=clock,
        )
        self._after, self._rng = after, rng or random.Random()  # noqa: S311 - jitter
        self._pace = pace or Pace(interval=settings.poll_interval, deadline=settings.deadline)
        self._worker = Worker(
            self._store,
            provider=self._credentials.provider,
            guard=self.guard,
            pace=self._pace,
            clock=clock,
            rng=self._rng,
            stopping=self._closing,
            ways=self.ways,
            limits=lambda: self.limits,
            balance=self._keep_balance,
            after=after,
        )
        self._watcher = Watcher(
            self._store,
            self._advance,
            lane_of=self._lane_of,
            servable=self._credentials.servable,
            sweep=self._sweep,
            settle=self._settle,
            pace=self._pace,
        )

    def __repr__(self) -> str:
        ended = ", closed" if self._closing.is_set() else ""
        return f"Client(home {cut(self.home.root.name, 60)!r}{ended})"

    def close(self) -> None:
        """Stop watching. Jobs stay as they are; the next client of this home goes on with them."""
        self._closing.set()
        for series in self._retakes:
            series.stop()
        self._watcher.close()
        self._credentials.local.close()
        if self._link is not None:
            self._link.close()
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
        return database.repair_notice(self.home, self.rebuilt)

    def watch(self) -> None:
        """Begin to watch this home's jobs, also those that an earlier process left behind."""
        self._watcher.start()

    # -- before anything is sent

    def preflight(
        self,
        *,
        image: str | Path | None = None,
        video: str | Path | None = None,
        key: SecretStr | None = None,
        hf_token: SecretStr | None = None,
        draft: bool = False,
        owner: str = HOME_OWNER,
        **fields: Any,
    ) -> Preflight:
        """Measure and check whatever is there already; with ``draft``, for the server of this home. Nothing is sent.

        ``hf_token``: the clip would go by Hugging Face, with that token.
        """
        asked = MotionRequest(image or "missing", video or "missing", **fields)
        provider = self.provider_for(key, draft=draft, owner=owner)
        seen_image = self._inputs.image(asked.image) if image else None
        seen_video = self._inputs.video(asked.video) if video else None
        if seen_image and seen_video:
            report = check(asked, seen_image.info, seen_video.info)
        else:
            findings = [*check_text(asked)]
            if seen_image:
                findings += check_image(seen_image.info, source=asked.image)
            if seen_video:
                findings += check_video(
                    seen_video.info, asked.character_orientation, source=asked.video
                )
            report = Report(
                tuple(findings), _info(seen_image, ImageInfo), _info(seen_video, VideoInfo)
            )
        if unreachable := self._unreachable(seen_video, provider, hf_token):
            report = replace(report, findings=(*report.findings, *unreachable))
        orientation, clip = asked.character_orientation, report.video
        cost, seconds = None, None
        if clip is not None:
            cost = self._quote(asked, provider, clip, owner)
            seconds = expected_seconds(orientation, clip.duration, provider=provider)
        files = asked.image, asked.video
        rates = self.rates(owner)
        return Preflight(report, cost, seconds, provider, *files, orientation, rates)

    def rates(self, owner: str = HOME_OWNER) -> RateCard:
        """The rates of quotes: what this home's charges have taught instead of list prices. A visitor's account is another one."""
        if owner != HOME_OWNER:
            return self._rates
        host = self.settings.novita_base_url
        charged = self._store.entries(charged=True, limit=_CHARGES)
        return replace(
            self._rates,
            learned=tuple(ledger.learned(each for each in charged if each.base_url == host)),
        )

    def _quote(
        self, request: MotionRequest, provider: Provider, clip: VideoInfo, owner: str
    ) -> Quote:
        return quote(
            provider=provider,
            model_name=request.model_name,
            character_orientation=request.character_orientation,
            duration=clip.duration,
            rates=self.rates(owner),
        )

    def begin_fetch(self, kind: str, source: str | Path | None) -> Future[Path] | None:
        """As ``Inputs.begin``: what ``preflight`` and ``submit`` fetch themselves, for callers that must not wait in their thread."""
        return self._inputs.begin(kind, source)

    def request(
        self, image: MotionRequest | Given, video: Given | None = None, **fields: Any
    ) -> MotionRequest:
        """A request of these inputs and fields, or the one that is given. What is no file is written into the home, once.

        Raises ``InvalidRequest``, and ``TypeError`` for a name that is no field.
        """
        if isinstance(image, MotionRequest):
            if video is not None or fields:
                raise TypeError("Give a MotionRequest alone, or image, video and their fields.")
            return image
        if video is None:
            raise InvalidRequest(
                "The video is missing.", hint="Give image and video.", field="video"
            )
        folder = self.home.fetched
        return MotionRequest(
            as_file(image, "image", folder), as_file(video, "video", folder), **fields
        )

    def check(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        key: SecretStr | None = None,
        draft: bool = False,
        **fields: Any,
    ) -> Preflight:
        """Both files and all texts against every rule, whether the clip can get there, and the cost. Nothing is sent.

        The request, or image, video and its fields; true when nothing stands in the way.
        """
        asked = self.request(image, video, **fields)
        return self.preflight(
            image=asked.image, video=asked.video, key=key, draft=draft, **parameters(asked)
        )

    def _unreachable(
        self,
        video: Measured[VideoInfo] | None,
        provider: Provider,
        hf_token: SecretStr | None = None,
    ) -> tuple[Finding, ...]:
        """A clip of this machine, and no way from here to a provider that fetches clips by their address."""
        if (
            video is None
            or video.url
            or provider == "local"
            or isinstance(video.info, KlingError)
            or self.ways(hf_token=hf_token)
        ):
            return ()
        rule, error = limit("request.address"), self._no_way(video)
        return (
            Finding(
                rule.code,
                rule.field,
                rule.severity,
                rule.title,
                error.message,
                "",
                error.hint,
                SOURCES[rule.source],
            ),
        )

    def _no_way(self, video: Measured[VideoInfo]) -> NotPublished:
        """Why the provider cannot get at a clip of this machine, and what to do."""
        repaired = video.path is not None and video.path.is_relative_to(self.home.fitted)
        lacking = "HF_TOKEN is not set." if self.publishing.way == "huggingface" else ""
        return not_public(
            "the repaired clip is a new file" if repaired else f"{video.name} is a file",
            lacking or self.page_refusal,
        )

    def plan_fit(self, request: MotionRequest, *, choices: FitChoices | None = None) -> Plan:
        """What would make both files legal, and what that costs in quality; nothing is changed."""
        report = self.check(request).report
        choices = left_in_place(
            choices or FitChoices(), report, image=request.image, video=request.video
        )
        return plan_fit(
            report, choices=choices, character_orientation=request.character_orientation
        )

    def fit(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        choices: FitChoices | None = None,
        on_progress: Callable[[float, str], None] | None = None,
        stop: Callable[[], bool] | None = None,
        **fields: Any,
    ) -> Fitted:
        """Do what the plan says, to copies: ``.apply(request)`` is the request with them.

        Raises ``Unrepairable`` for what cannot be repaired, and says why.
        """
        plan = self.plan_fit(self.request(image, video, **fields), choices=choices)
        return self.repair(plan, on_progress=on_progress, stop=stop)

    def repair(
        self,
        plan: Plan,
        *,
        on_progress: Callable[[float, str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Fitted:
        """Do what a plan says. The new files lie in the home for a day, unless a job makes its own copies.

        Those of visitors have a bound: the oldest make room.
        """
        folder = self.home.new_fitted()
        fitted = fit(plan, folder, on_progress=on_progress, stop=stop)
        if visitor.get():
            self._repaired.add(folder, each=bounds.FITTED_EACH, most=bounds.FITTED)
        return fitted

    def quote(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        key: SecretStr | None = None,
        **fields: Any,
    ) -> Quote | None:
        """What the request will cost; None when the clip cannot be read."""
        return self.check(image, video, key=key, **fields).quote

    def ways(
        self, job: Job | None = None, *, hf_token: SecretStr | None = None
    ) -> list[PublishTarget]:
        """How a local clip gets to a public address; the first one is used. Of a job: as its files were published, where they were."""
        chosen, ways = self.publishing, list[PublishTarget]()
        given = hf_token or (self._credentials.token(job.job_id) if job is not None else None)
        token = given or self._credentials.own_token()
        before = job.publish if job is not None else ""
        first = before or ("huggingface" if given is not None else chosen.way)
        if first == "tunnel":
            ways.append(link_target(self._temporary_link()))
        elif first == "huggingface":
            if token is not None or before:
                ways.append(hub_target(token, self.settings.hf_endpoint))
        elif chosen.way not in ("", *WAYS):
            ways.append(store_target(chosen.way, delete=chosen.delete))
        if self.page is not None:
            ways.append(PublishTarget(self.page, "this page", withdraw=True))
        return ways

    @property
    def publishing(self) -> Publishing:
        """How local clips get to the provider: as the settings say, else as it was chosen on the page of this home."""
        settings = self.settings
        if settings.publish or settings.hosted:
            return Publishing(settings.publish, settings.publish_delete)
        return publishing.kept(self.home)

    def choose_publishing(self, chosen: Publishing) -> None:
        """Keep how clips of this home get to the provider. Raises ``SettingError``."""
        publishing.keep(self.home, chosen)

    @property
    def limits(self) -> Limits:
        """What may be spent: as the settings say, else as it was set on the page of this home. Raises ``SettingError``."""
        settings = self.settings
        kept = Limits() if settings.hosted else budget.kept(self.home)
        return Limits(
            kept.budget if settings.budget is None else settings.budget,
            settings.budget_visitor,
            kept.confirm_above if settings.confirm_above is None else settings.confirm_above,
        )

    def limit_spending(self, limits: Limits) -> None:
        """Keep limits for this home. A setting that names one wins."""
        budget.keep(self.home, limits)

    def allowance(self, owner: str = HOME_OWNER) -> Allowance | None:
        """What is left of today's budget of this home, or of a visitor; None where there is no budget."""
        limits, now = self.limits, self._clock()
        most = limits.budget if owner == HOME_OWNER else limits.budget_visitor
        if most is None:
            return None
        gone = self._store.spent(owner, now)
        return Allowance(Money(gone), Money(most), budget.day_of(now).end)

    def _temporary_link(self) -> TemporaryLink:
        from kling_utils.providers.tunnel import TemporaryLink

        with self._link_lock:
            if self._link is None:
                self._link = TemporaryLink(self.guard, wall=self._clock, wait=self._closing.wait)
            return self._link

    def provider_for(
        self, key: SecretStr | None = None, *, draft: bool = False, owner: str = HOME_OWNER
    ) -> Provider:
        """Where a request goes: to Novita with a key, else to the server of this home, as a ``draft`` always does.

        The key of the settings is used for this home's owner only.
        """
        return "local" if draft else self._credentials.provider_for(key, owner)

    def balance(self, key: SecretStr | None = None, *, owner: str = HOME_OWNER) -> Balance:
        """The account's balance: free, and the cheapest test of a key. Raises ``Busy`` for a visitor who asks too often."""
        used = key or self._credentials.own_key(owner)
        if used is None:
            raise SettingError(
                "No API key is set.", hint="Type one into the page, or set NOVITA_API_KEY."
            )
        if owner != HOME_OWNER:
            self._balances.count(owner, self._clock())
        return self._credentials.paid(used, tries=TRIES).balance()

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
        span: Literal["clean"] | Span | None = None,
        owner: str = HOME_OWNER,
        key: SecretStr | None = None,
        hf_token: SecretStr | None = None,
        report: Report | None = None,
        again: bool = False,
        draft: bool = False,
        agreed: bool = True,
        **fields: Any,
    ) -> LiveJob:
        """Check, keep copies of both inputs, write the job and hand it to the watcher. Returns at once; sending is the watcher's.

        The request, or image, video and its fields; with ``fit``, what the checks find wrong is repaired first.
        ``span``: the part of the clip that is sent, seconds, or ``clean``: the one that advice finds worth paying for.
        ``report`` is the one that the user saw: files that differ from it are refused. ``draft`` makes it here, free, also where a key
        is set.
        ``hf_token``: the clip goes by Hugging Face, with that token.
        The same request, while unfinished, is the same job. Unless ``again``, raises ``AlreadyHave`` for a request that has a
        result, or ended without one while money was or may have been spent; always for one in doubt, which only ``adopt``, ``dismiss`` or
        ``send_again`` ends. Raises ``Refused`` and ``NotPublished``,
        ``OverBudget`` where more is not left of today's budget, and, unless ``agreed``, ``PriceNotAgreed`` above ``KLING_CONFIRM_ABOVE``.
        """
        request = self._repaired_request(
            self.request(image, video, **fields), fit, span, quiet=True
        )
        job = self._submit(
            request, owner, key, report, again=again, draft=draft, agreed=agreed, hf_token=hf_token
        )
        return LiveJob(self, job.job_id)

    def run(
        self,
        image: MotionRequest | Given,
        video: Given | None = None,
        *,
        key: SecretStr | None = None,
        again: bool = False,
        fit: bool | FitChoices = False,
        span: Literal["clean"] | Span | None = None,
        draft: bool = False,
        progress: bool | Callable[[Event], None] = True,
        **fields: Any,
    ) -> Result:
        """Submit and follow to the result. ``fit``, ``span`` and ``draft`` as in ``submit``.

        A request that has its result already returns it: nothing is sent or paid, and ``.cached`` is true. ``again`` makes another take.
        Raises the error that ended or holds the job; ``.job_id`` then names it.
        """
        quiet = progress is not True
        request = self._repaired_request(
            self.request(image, video, **fields), fit, span, quiet=quiet
        )
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

    def retake(
        self,
        job_id: str,
        *,
        until: float = 70.0,
        takes: int = 3,
        budget: str | float | Decimal | None = None,
        key: SecretStr | None = None,
        hf_token: SecretStr | None = None,
        owner: str | None = None,
    ) -> Retakes:
        """Try an ended job again, each time with another change that advice suggests, until a result scores ``until`` of 100.

        At most ``takes`` tries, which together cost ``budget`` USD at most; a sum is needed where they are paid for. Returns at once;
        ``wait()`` waits, ``stop()`` sends no other. Raises ``InvalidRequest`` where nothing is to be tried: the job is under way or in
        doubt, follows well enough, or has a series already.
        """
        job = self._store.get(job_id, owner=owner)
        most = None if budget is None else clean_amount(budget)
        told, hint = "", "Nothing was sent."
        if not 1 <= takes <= retakes.MOST:
            told = f"{takes} tries cannot be made; 1 to {retakes.MOST} can."
        elif not 0 < until <= 100:
            told = f"{until:g} is no score: it goes from 0 to 100."
        elif not job.done:
            told, hint = (
                f"The job is {job.state}.",
                "Try again when it has ended. Nothing was sent.",
            )
        elif job.state == "failed" and job.money == "unknown":
            told = "It is not known whether the job was paid for."
            hint = f"{WAYS_OUT} Nothing was sent."
        elif most is None and self.provider_for(key, draft=job.draft, owner=job.owner) != "local":
            told, hint = (
                "The tries are paid for.",
                'Give the most that they may cost: budget="2 USD".',
            )
        elif (score := self._score(job)) is not None and score >= until:
            told = f"The result follows already: {score:.0f} of 100."
        elif any(_same_series(each.first, job) and not each.over for each in self._retakes):
            whose = "The job is" if job.owner == HOME_OWNER else "A job of yours is"
            told, hint = f"{whose} being tried again already.", "Wait for that, or stop it."
        if told:
            raise named(InvalidRequest(told, hint=hint), job)
        series = Retakes(
            self, job, until=until, takes=takes, budget=most, key=key, hf_token=hf_token
        )
        self._retakes.append(series)
        del self._retakes[:-_SERIES]
        return series.start()

    def retakes_of(self, job_id: str) -> Retakes | None:
        """The newest series of tries that a job began or belongs to, in this process."""
        for series in reversed(self._retakes):
            if job_id in (series.first.job_id, *(each.job_id for each in series.tries)):
                return series
        return None

    def _score(self, job: Job) -> float | None:
        if job.video is None or missing(job):
            return None
        audit = audit_of(job)
        return audit.fidelity.score.value if audit is not None and audit.fidelity else None

    def delete(self, job_id: str, *, owner: str | None = None) -> None:
        """Remove a job and its files. Raises ``StillRunning`` for one that is on its way, which may be paid for."""
        job = self._store.get(job_id, owner=owner)
        looks = _hashes(job.request.image, job.request.video, job.video)
        deleted = Trouble("Deleted", "The job was deleted before it was sent.", "", "no")
        if self._store.change(
            job_id, now=self._clock(), states=_UNSENT, state="failed", trouble=deleted
        ):
            self._worker.take_back(job)  # only now: it cannot be sent any more
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
        self._credentials.forget(job_id)
        for each in looks:
            track_files.forget(each)

    def usage(self, *, owner: str | None = None) -> Usage:
        """How many jobs are kept, of all owners when none is named, and how many bytes their files take."""
        jobs = self.jobs(owner=owner, limit=None)
        return Usage(len(jobs), sum(self.home.size(job.job_id) for job in jobs))

    def backup(self, out: str | Path, *, owner: str | None = None) -> int:
        """Write a ZIP of all ended jobs and their files; the number of jobs. Unpacked into a home, it brings them back.

        Jobs under way stay out: two homes that know the same unsent job would both send it. No key is in it. Raises ``OSError``.
        """
        ended = [job.job_id for job in self.jobs(owner=owner, limit=None) if job.done]
        self.home.pack(ended, Path(out))
        return len(ended)

    def delete_all(self, *, owner: str | None = None) -> Jobs:
        """Remove all jobs and their files; those that stay, because they are on their way or in doubt."""
        for job in self.jobs(owner=owner, limit=None):
            with contextlib.suppress(StillRunning, errors.NoSuchJob):
                self.delete(job.job_id, owner=owner)
        return self.jobs(owner=owner, limit=None)

    def follow(
        self,
        job_id: str,
        *,
        progress: bool | Callable[[Event], None] = True,
        after: int = 0,
        timeout: float | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Follow a job to its result. Raises ``StillRunning`` after ``timeout`` seconds, and after a ``stop``."""
        from kling_utils.show.progress import EventBar

        self._watcher.start()  # a job that another process left behind is taken up
        until = None if timeout is None else time.monotonic() + timeout

        def over() -> bool:
            return stop() or (until is not None and time.monotonic() > until)

        with EventBar(quiet=progress is not True) as bar:
            tell = progress if callable(progress) else bar
            for _, event in self.events(job_id, after=after, stop=over):
                tell(event)
        job = self.record(job_id)
        if over() and not job.done:
            late = f" after {timeout:g} s" if timeout is not None else ""
            hint = "It goes on; wait for it again."
            raise named(
                StillRunning(f"The job is {job.state}{late}.", hint=hint, money=job.money), job
            )
        return self.result(job_id)

    # -- queries

    def record(self, job_id: str, *, owner: str | None = None) -> Job:
        """A job as the store has it now. Raises ``NoSuchJob``, also for another owner's."""
        return self._store.get(job_id, owner=owner)

    def jobs(
        self,
        *,
        owner: str | None = None,
        state: State | None = None,
        since: str | float | datetime | None = None,
        text: str = "",
        rating: Rating | None = None,
        group: Group | None = None,
        limit: int | None = 50,
        offset: int = 0,
    ) -> Jobs:
        """The newest first; of all owners when none is named. ``since`` as in ``moment``; ``limit=None`` gives all after ``offset``.

        ``text``: words that name, prompt, note, file names, model, task id or job id have; capitals do not matter. ``rating``: ``good``,
        ``bad``, ``favourite``, or empty for those that have none. ``group`` as in ``listing``.
        """
        if state is not None and state not in STATES:
            raise InvalidRequest(f"{state!r} is no state.", hint=f"Use one of {', '.join(STATES)}.")
        _known_rating(rating)
        start = None if since is None else moment(since, self._clock())
        about: dict[str, Any] = {"owner": owner, "text": text, "rating": rating, "group": group}
        found = self._store.jobs(**about, state=state, since=start, limit=limit, offset=offset)
        return Jobs(found)

    def tally(
        self, *, owner: str | None = None, text: str = "", rating: Rating | None = None
    ) -> Tally:
        """How many jobs there are, in all and in each group; ``text`` and ``rating`` as in ``jobs``."""
        return self._store.tally(owner=owner, text=text, rating=rating)

    # -- what people say of takes

    def annotate(
        self,
        job_id: str,
        *,
        name: str | None = None,
        rating: Rating | None = None,
        note: str | None = None,
        owner: str | None = None,
    ) -> Job:
        """Name, rate or note a job; what is not given stays, an empty text takes it away. Kept in the home, also in the job's folder.

        Raises ``InvalidRequest`` for a rating that does not exist and for more than ``NAME_LENGTH`` or ``NOTE_LENGTH`` characters.
        """
        self._store.get(job_id, owner=owner)
        _known_rating(rating)
        name = None if name is None else " ".join(printable(storable(name)).split())
        note = None if note is None else printable(storable(note).replace("\r\n", "\n")).strip()
        for what, text, most in (("name", name, NAME_LENGTH), ("note", note, NOTE_LENGTH)):
            if text is not None and len(text) > most:
                told = f"The {what} has {len(text)} characters; at most {most} are kept."
                raise InvalidRequest(told, hint="Shorten it. Nothing was changed.", field=what)
        given: dict[str, Any] = {"name": name, "rating": rating, "note": note}
        if changes := {key: value for key, value in given.items() if value is not None}:
            self._store.change(job_id, now=self._clock(), **changes)
        return self._store.get(job_id, owner=owner)

    def vote(self, left: str, right: str, choice: Choice, *, owner: str | None = None) -> Vote:
        """Keep which of two finished jobs was found better: ``left``, ``right``, or ``same`` for no difference.

        Raises ``InvalidRequest`` for anything but two jobs with results. It is kept with both jobs.
        """
        if choice not in get_args(Choice):
            told = f"{choice!r} is no vote."
            raise InvalidRequest(told, hint=f"Use one of {', '.join(get_args(Choice))}.")
        self.pair(left, right, owner=owner)
        vote = Vote(new_job_id(), left, right, choice, self._clock())
        self._store.vote(vote)
        return vote

    def votes(self, *, owner: str | None = None) -> list[Vote]:
        """What was voted, the newest first; of all owners when none is named."""
        return self._store.voted(owner)

    def pair(self, left: str, right: str, *, owner: str | None = None) -> tuple[Job, Job]:
        """Two jobs that can be compared. Raises ``InvalidRequest`` where they are one, or one has no result, and ``NoSuchJob``."""
        one, other = (self._store.get(each, owner=owner) for each in (left, right))
        without = next((job for job in (one, other) if job.video is None or missing(job)), None)
        if left == right:
            raise InvalidRequest("A take cannot be compared with itself.", hint="Choose another.")
        if without is not None:
            told = f"{without.title} has no result."
            raise InvalidRequest(told, hint="Choose two takes that are finished.")
        return one, other

    # -- where they stand

    def stopped(self) -> Jobs:
        """What ``resume`` can go on with: jobs of this home that were not sent, are past their deadline, or that no process works on.

        The oldest first; none in doubt.
        """
        return Jobs(self._store.stopped())

    def as_given(self, job: Job) -> MotionRequest:
        """The request as it was asked: a file that was given by its address is one again, which may be signed: it is not to be shown."""
        private = self._store.private(job.job_id)
        asked: dict[str, Any] = {}
        for field, url in (("image", private.image_url), ("video", private.video_url)):
            if url:
                self._inputs.known(field, url, Path(getattr(job.request, field)))
                asked[field] = url
        return replace(job.request, **asked)

    def with_task(self, task_id: str, *, owner: str | None = None) -> Job | None:
        """The job that has a provider's task, if one has."""
        return self._store.with_task(task_id, owner=owner)

    def result(self, job_id: str) -> Result:
        """The result of a job, or the error that says why there is none (yet)."""
        job = self._store.get(job_id)
        if job.state == "succeeded" and job.video is not None and not missing(job):
            return Result(
                job, job.video, Path(job.request.video), Path(job.request.image), audit_of(job)
            )
        raise error_of(job)

    def explanation(self, job_id: str) -> Advice | None:
        """What the files of a failed job show that the provider's reason is about; None where it is about nothing of them.

        Takes seconds for files that were not looked at before.
        """
        return explanation_of(self._store.get(job_id))

    def evidence(self, job_id: str, out: str | Path) -> Path:
        """Write a ZIP about a job for the provider's support: request, times, what was said and measured, and the files; no key.

        Raises ``NoSuchJob`` and ``OSError``.
        """
        job = self._store.get(job_id)
        return evidence.write(job, self.log(job_id), Path(out), charge=self.charge(job_id))

    def reference(self, job: Job) -> Path:
        """The reference in a form that every browser plays: the job's own copy, or one made from it, once."""
        original, made = Path(job.request.video), job.folder / "reference.mp4"
        if made.exists():
            return made
        info = probe_video(original)
        if encode.plays(info) and encode.starts_at_once(original):
            return original
        encode.make_playable(original, info, made)
        return made

    def events(
        self, job_id: str, *, after: int = 0, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Event]]:
        """(number, event) of a job, from any process, until it ended, is in doubt, is past its deadline or waits for something.

        That another process works on it is said while it does, and when it is over. ``stop`` is asked all the time.
        """
        elsewhere = False
        while not stop():
            job = self._store.get(
                job_id
            )  # before its events: they are written with the state that they tell of
            for number, event in self._store.events(job_id, after):
                after = number
                yield number, event
            if job.done or job.state == "unconfirmed" or job.waits_for or job.overdue:
                return
            private = self._store.private(job_id)
            if private.elsewhere != elsewhere:
                elsewhere = private.elsewhere
                yield after, ev.Note(text=ELSEWHERE if elsewhere else HERE)
            if not private.leased and (
                job.state == "checked" or not self._credentials.servable(job_id)
            ):
                yield after, ev.Note(text=standing(job))
                return
            self._store.wait(0.2)

    def history(self, job_id: str, *, after: int = 0) -> list[tuple[int, Event]]:
        """(number, event) of everything so far, or since number ``after``; does not wait."""
        self._store.get(job_id)
        return self._store.events(job_id, after)

    def log(self, job_id: str) -> list[tuple[float, Event]]:
        """(Unix time, event) of everything so far."""
        self._store.get(job_id)
        return self._store.log(job_id)

    def pause(self, owner: str = HOME_OWNER) -> None:
        """Send nothing more that is paid: from here on no request leaves, from no process of this home, until ``go_on``.

        What was sent goes on, and so do drafts. Jobs may be submitted meanwhile; they wait. It outlives this program. Of this home, or of
        a visitor.
        """
        self._store.pause(owner, self._clock())

    def go_on(self, owner: str = HOME_OWNER) -> None:
        """Send again what waits. A job whose program has ended since is sent by ``resume``, as always."""
        self._store.go_on(owner)

    def paused(self, owner: str = HOME_OWNER) -> float | None:
        """Since when sending is paused, Unix time; None when it is not."""
        return self._store.paused(owner)

    def wait_for_change(self, seconds: float) -> None:
        """Until a job of this process changes, at most ``seconds``."""
        self._store.wait(seconds)

    def now(self) -> float:
        """Unix time by this client's clock."""
        return self._clock()

    # -- what it has cost

    def costs(
        self,
        by: By | None = None,
        *,
        since: str | float | datetime | None = None,
        owner: str = HOME_OWNER,
    ) -> list[Spending]:
        """Sums of what was or may have been paid: quotes, and charges where the bill was read; deleted jobs as well.

        ``by`` is ``model_name``, ``day``, ``month``, ``state`` or ``job``; without it there is one sum. Of this home, or of a visitor.
        """
        return ledger.spending(self.ledger(since=since, owner=owner), by)

    def periods(self, owner: str = HOME_OWNER) -> tuple[list[Spending], list[Spending]]:
        """The sums of today and of this month, by this machine's clock: as ``costs``, with the group ``today`` or ``this month``."""
        now = self._clock()
        sends = self._store.entries(owner=owner, since=budget.month_of(now))
        today = [each for each in sends if each.at >= budget.day_of(now).start]
        parts = (("today", today), ("this month", sends))
        sums = [[replace(s, group=name) for s in ledger.spending(part)] for name, part in parts]
        return sums[0], sums[1]

    def ledger(
        self, *, since: str | float | datetime | None = None, owner: str = HOME_OWNER
    ) -> list[Entry]:
        """Each send of a job, the newest first: quoted, reserved, charged where that is known, and the balance around it."""
        start = None if since is None else moment(since, self._clock())
        return self._store.entries(owner=owner, since=start)

    def charge(self, job_id: str) -> Entry | None:
        """What is known of the cost of a job's last send; None for a draft."""
        return next(iter(self._store.entries(job_id=job_id, limit=1)), None)

    def read_bill(self, key: SecretStr | None = None, *, owner: str = HOME_OWNER) -> None:
        """Read what the account was charged in the hours of jobs that the bill may say something new about. Costs nothing.

        Of this home, or of a visitor and their key. Raises ``KlingError`` where the bill cannot be read.
        """
        used, now = key or self._credentials.own_key(owner), self._clock()
        with self._bill_lock:
            if owner == HOME_OWNER:
                self._bill_read = now
            since = now - ledger.READ_FOR - DAY
            waiting = ledger.due(self._of_account(owner, since), now)
            if used is None or not waiting:
                return
            if owner != HOME_OWNER:
                self._balances.count(owner, now)
            since = min(entry.span[0] for entry in waiting) // 3600 * 3600
            bills = self._credentials.paid(used).bills(since, now)
            around = self._of_account(
                owner, since - 2 * DAY
            )  # what was sent before may have ended since
            told = {each.entry: each for each in ledger.settled(around, bills, now)}
            self._store.note_bill([told[each.entry] for each in waiting if each.entry in told], now)

    def _of_account(self, owner: str, since: float) -> list[Entry]:
        host, entries = self.settings.novita_base_url, self._store.entries(owner=owner, since=since)
        return [each for each in entries if each.base_url == host]

    def _settle(self) -> None:
        """The watcher's chore. Trouble with the bill is no trouble of a job: it is read again later."""
        now = self._clock()
        if not 0 <= now - self._bill_read < self._pace.bill_every:
            with contextlib.suppress(KlingError):
                self.read_bill()

    def doubt(self, job_id: str, *, key: SecretStr | None = None) -> str:
        """What the account's balance says of a job in doubt, in a sentence; empty where it says nothing. Asks for the balance, free."""
        job, entry = self._store.get(job_id), self.charge(job_id)
        if entry is None:
            return ""
        fresh = entry.balance_at is not None and self._clock() - entry.balance_at < _FRESH
        if job.state == "unconfirmed" and not fresh:
            held = self._credentials.held(job_id)
            self._credentials.remember(job_id, key)
            self._keep_balance(job, before=False)
            if held is None:
                self._credentials.forget(job_id, key)
            entry = self.charge(job_id) or entry
        owner = HOME_OWNER if entry.home else entry.owner
        around = self._store.entries(owner=owner, since=entry.at - DAY)
        return ledger.fell(entry, around)

    def _keep_balance(self, job: Job, *, before: bool) -> None:
        """Note the account's balance around a send, where it can be read: nothing depends on it."""
        if self.settings.lends(job.owner) and self._credentials.held(job.job_id) is None:
            return  # the account is none of the visitor's business
        with contextlib.suppress(KlingError):
            amount = self._credentials.paid_for(job).balance().available.amount
            self._store.note_balance(job.job_id, amount, self._clock(), before=before)

    # -- what a person may do about a job that stands still, is in doubt or was lost sight of

    def resume(self, job_id: str, *, owner: str | None = None, key: SecretStr | None = None) -> Job:
        """Go on with a job that stopped: sends one that was not sent, looks again at one past its deadline. Never sends twice.

        Raises ``OverBudget`` for one that would be sent and has nothing reserved today.

        A job whose link to the result was gone, or whose file was removed, is looked for again: it may be there by now.
        """
        job = self._store.get(job_id, owner=owner)
        if (job.done and not lost(job)) or job.state == "unconfirmed":
            return job
        self._credentials.remember(job_id, key)
        self._credentials.provider(job)  # says what is missing before anything is changed
        if job.state == "checked":
            self._store.change(job_id, now=self._clock(), states=_UNSENT, limits=self.limits)
        self._worker.resumed(job_id)
        # before it stops waiting: a job that is leased is not marked as waiting by a process that just looked
        self._store.claim(job_id)
        again: dict[str, Any] = {}
        if lost(job):
            again = {"state": "queued", "trouble": None, "finished_at": None, "video": None}
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
            hint = "Wait until that one has ended, then resume this one."
            raise named(KlingError(told, hint=hint, money=job.money), job) from None
        self._watcher.add(job_id)
        return self._store.get(job_id)

    def adopt(
        self, job_id: str, task_id: str, *, owner: str | None = None, key: SecretStr | None = None
    ) -> Job:
        """The task of an unconfirmed job was found at the provider: go on with it. Raises ``TaskNotFound``, and then nothing is changed."""
        job = self._store.get(job_id, owner=owner)
        wanted = _task(task_id)
        self._credentials.remember(job_id, key)
        _seen(wanted, self._credentials.paid_for(job, tries=TRIES), money=job.money)
        now = self._clock()
        if self._store.change(
            job_id,
            ev.Submitted(task_id=wanted),
            now=now,
            states=DOUBT,
            state="queued",
            task_id=wanted,
            queued_at=now,
            trouble=None,
            base_url=job.base_url or self.settings.novita_base_url,
        ):
            self._watcher.add(job_id)
        return self._store.get(job_id)

    def dismiss(self, job_id: str, *, owner: str | None = None) -> Job:
        """Give an unconfirmed job up: it is kept as failed, and whether it was paid for stays unknown.

        Raises ``InvalidRequest`` while it is not known to be in doubt.
        """
        job = self._store.get(job_id, owner=owner)
        _in_doubt(job)
        if job.state == "unconfirmed" and job.trouble is not None:
            hint = "You dismissed it. If it turns up in your account, it was paid for."
            trouble, now = replace(job.trouble, code="Dismissed", hint=hint), self._clock()
            self._worker.take_back(job)
            self._store.change(
                job_id,
                ev.Failed(trouble=trouble),
                now=now,
                states=DOUBT,
                state="failed",
                trouble=trouble,
                finished_at=now,
            )
            self._credentials.forget(job_id)
        return self._store.get(job_id)

    def send_again(
        self, job_id: str, *, owner: str | None = None, key: SecretStr | None = None
    ) -> Job:
        """Send an unconfirmed job once more, at the user's own risk of paying twice.

        Raises ``OverBudget``: both count. Raises ``InvalidRequest`` while it is not known to be in doubt.
        """
        job = self._store.get(job_id, owner=owner)
        _in_doubt(job)
        self._credentials.remember(job_id, key)
        self._credentials.provider(job)
        told = "Sent again on request: if the first one arrived after all, both are billed."
        note, now = ev.Note(text=told, lasting=True), self._clock()
        if self._store.change(
            job_id,
            note,
            now=now,
            states=DOUBT,
            limits=self.limits,
            state="checked",
            trouble=None,
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
        if (used := key or self._credentials.own_key(owner)) is None:
            raise errors.SettingError(
                "A task is at Novita, and no API key is set.",
                hint="Give the key of the account that has it.",
            )
        asked = self._new_job(request, owner, "novita", key)
        _seen(wanted, self._credentials.paid(used, tries=TRIES), money="no")
        twins = self._store.twins(owner, "novita", asked.fingerprint)
        doubt = next((twin for twin in twins if twin.state == "unconfirmed"), None)
        if doubt is None:
            doubt = self._make(asked, "unconfirmed", take=_next_take(twins))
        return self.adopt(doubt.job_id, wanted, owner=owner, key=key)

    # -- inside

    def _submit(
        self,
        request: MotionRequest,
        owner: str,
        key: SecretStr | None,
        report: Report | None,
        *,
        again: bool,
        draft: bool,
        agreed: bool,
        hf_token: SecretStr | None,
    ) -> Job:
        provider = self.provider_for(key, draft=draft, owner=owner)
        asked = self._new_job(
            request, owner, provider, key, report, sendable=True, hf_token=hf_token
        )
        self._after("measured")
        twins = self._store.twins(owner, provider, asked.fingerprint)
        if (unfinished := next((twin for twin in twins if _moving(twin)), None)) is not None:
            return self._joined(unfinished, key)
        paid = [twin for twin in twins if counts(twin)]
        doubt = any(twin.state == "unconfirmed" for twin in paid)
        if paid and (doubt or not again):
            raise have(min(paid, key=lambda twin: _STANDING.index(twin.state)))
        if not agreed:
            self.limits.agree(self._quote(request, provider, asked.clip, owner))
        most = None if owner == HOME_OWNER else _WAITING[provider]
        if owner != HOME_OWNER:
            self._make_room(owner)
        known = [twin.job_id for twin in twins]
        try:
            job = self._make(asked, "checked", take=_next_take(twins), most=most, known=known)
        except DraftLimitReached as full:
            raise _full(provider, full) from None
        except DuplicateRequest:  # another process was faster, and may be done by now
            twins = sorted(
                self._store.twins(owner, provider, asked.fingerprint),
                key=lambda twin: (twin.done, twin.job_id),
            )
            return twins[0] if twins[0].done else self._joined(twins[0], key)
        if not job.draft and any(
            twin.state == "succeeded"
            for twin in self._store.twins(owner, "local", asked.fingerprint)
        ):
            self._store.change(
                job.job_id, ev.Note(text=DRAFT_EXISTS, lasting=True), now=self._clock()
            )
        self._after("stored")
        self._watcher.add(job.job_id)
        return job

    def _new_job(
        self,
        request: MotionRequest,
        owner: str,
        provider: Provider,
        key: SecretStr | None,
        seen: Report | None = None,
        *,
        sendable: bool = False,
        hf_token: SecretStr | None = None,
    ) -> NewJob:
        """The request and its files, measured. Raises ``UnreadableMedia`` for files that differ from those of the report that was
        ``seen``, ``Refused``, and ``NotPublished`` for a clip that the provider cannot get at; only what cannot be read is refused where
        it is not to be ``sendable``.
        """
        image, video = self._inputs.image(request.image), self._inputs.video(request.video)
        report = check(request, image.info, video.info)
        for field, name in (("image", image.name), ("video", video.name)):
            before, now = getattr(seen, field, None), getattr(report, field)
            if before and now and before.sha256 != now.sha256:
                raise changed(field, name)
        unreachable = self._unreachable(video, provider, hf_token) if sendable else ()
        if report.image is None or report.video is None or (sendable and not report.ok):
            raise Refused(replace(report, findings=(*report.findings, *unreachable)))
        if unreachable:
            raise self._no_way(video)
        mark = fingerprint(request, report.image.sha256, report.video.sha256)
        return NewJob(
            request, owner, provider, key, hf_token, image, video, report, report.video, mark
        )

    def _make(
        self,
        asked: NewJob,
        state: State,
        *,
        take: int,
        most: tuple[int, int] | None = None,
        known: Collection[str] | None = None,
    ) -> Job:
        """The job in its first state; ``most`` and ``known`` as in ``Store.add``.

        Raises ``DuplicateRequest``, ``DraftLimitReached``, and the reason why a file cannot be kept.
        """
        now, job_id, request, provider = self._clock(), new_job_id(), asked.request, asked.provider
        folder = self.home.folder(job_id)
        folder.mkdir(mode=0o700)
        try:
            begin_job(folder)
            job = Job(
                job_id=job_id,
                owner=asked.owner,
                provider=provider,
                take=take,
                state=state,
                request=replace(
                    request,
                    image=asked.image.kept_in(folder, "image", self.home),
                    video=asked.video.kept_in(folder, "video", self.home),
                ),
                fingerprint=asked.fingerprint,
                created=now,
                updated=now,
                folder=folder,
                image_name=asked.image.name,
                video_name=asked.video.name,
                duration=expected_seconds(
                    request.character_orientation, asked.clip.duration, provider=provider
                ),
                cost=self._quote(request, provider, asked.clip, asked.owner),
            )
            key_from: KeyFrom = "settings" if asked.key is None else "visitor"
            self._credentials.remember(job_id, asked.key, asked.hf_token)
            self._store.add(
                job,
                JobSecrets(
                    "none" if job.draft else key_from, asked.image.url, asked.video.url, True
                ),
                ev.Checked(report=asked.report, quote=job.cost),
                most=most,
                known=known,
                limits=self.limits,
            )
        except BaseException:
            self._credentials.forget(job_id)
            self.home.remove(job_id)
            self.home.release()
            raise
        return job

    def _repaired_request(
        self,
        request: MotionRequest,
        fit: bool | FitChoices,
        span: Literal["clean"] | Span | None,
        *,
        quiet: bool,
    ) -> MotionRequest:
        """The request with what ``fit`` and ``span`` ask for done to copies of its files."""
        if not fit and span is None:
            return request
        from kling_utils.show.progress import ProgressBar

        choices = fit if isinstance(fit, FitChoices) else FitChoices()
        if span is not None:
            choices = self.trimmed(request, span, choices)
        with ProgressBar("repairing", quiet=quiet) as bar:
            fitted = self.fit(request, choices=choices, on_progress=lambda share, _: bar(share))
            return fitted.apply(request)

    def trimmed(
        self,
        request: MotionRequest,
        span: Literal["clean"] | Span,
        choices: FitChoices | None = None,
    ) -> FitChoices:
        """The choices of a repair that keeps only ``span`` of the clip, seconds; ``clean``: what advice finds worth paying for.

        Raises ``InvalidRequest`` where no clean take of 3 s was found, and for less than 3 s.
        """
        if span == "clean":
            found = self.check(request).advice.use
            if found is None:
                raise InvalidRequest(
                    "No clean take of 3 s was found in the clip.",
                    hint="Give start and end in seconds, or choose a clip of one person without cuts.",
                    field="video",
                )
            span = found
        start, end = span
        least = float(limit("video.duration").low or 0)
        if end - start < least - 0.05:
            raise InvalidRequest(
                f"{start:g} to {end:g} s are {end - start:g} s of the clip, and at least {least:g} are needed.",
                hint=f"Give a longer part, such as {start:g} to {start + least:g} s.",
                field="video",
            )
        return replace(choices or FitChoices(), start=start, length=end - start)

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
        key = self._credentials.held(job_id)
        try:
            delay = self._worker.advance(job_id)
            job = self._store.get(job_id)
        except errors.NoSuchJob:  # deleted meanwhile
            self._credentials.forget(job_id)
            return None
        if job.done:
            self._credentials.forget_token(job_id)
        if key is not None and (job.done or job.waits_for == "key"):
            self._credentials.forget(job_id, key)
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
        track_files.sweep()


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


def _seen(task_id: str, there: PaidProvider, *, money: MoneyState) -> None:
    """Raises ``TaskNotFound`` and its like when the provider does not show the task to this key; ``money`` is what they then say."""
    try:
        there.seen(task_id)
    except KlingError as error:
        error.money = money
        raise


def _same_series(one: Job, other: Job) -> bool:
    """Whether only one of two jobs may be tried again at a time: of a visitor any, of this home the same job."""
    return one.owner == other.owner != HOME_OWNER or one.job_id == other.job_id


def _in_doubt(job: Job) -> None:
    """A job that may be at the provider is not given up or sent again; one that ended, or waits to be sent, is left as it is."""
    if job.state in ("submitting", "queued", "processing", "downloading"):
        raise InvalidRequest(
            "The job is on its way, and not in doubt.",
            hint="Nothing was changed. Look at it again in a moment.",
            money=job.money,
        )


def _known_rating(rating: Rating | None) -> None:
    if rating is not None and rating not in RATINGS:
        told = f"{rating!r} is no rating."
        raise InvalidRequest(told, hint="Use good, bad, favourite, or an empty text for none.")


def _next_take(twins: Sequence[Job]) -> int:
    return max((twin.take for twin in twins), default=0) + 1


def _moving(job: Job) -> bool:
    """Is the job on its way, or about to be?"""
    return not job.done and job.state != "unconfirmed"


def _info(seen: Measured[Any] | None, kind: type[Any]) -> Any:
    return seen.info if seen is not None and isinstance(seen.info, kind) else None


def _hashes(*paths: str | Path | None) -> list[str]:
    """Hashes of the files that are there."""
    made = []
    for path in paths:
        with contextlib.suppress(OSError):
            made += [sha256(Path(path))] if path else []
    return made


def _task(task_id: str) -> str:
    if not task_id.strip():
        raise errors.InvalidRequest(
            "The task id is empty.", hint="Copy it from the provider's list of tasks."
        )
    return task_id.strip()
