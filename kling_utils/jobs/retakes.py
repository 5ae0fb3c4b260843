"""Tries of one request, until a result follows its reference: each with another change, within a number and a sum.

Owns the series, which lives in this process: when the process ends, the try under way goes on as any job, and no other is
sent. A doubt is never tried again.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kling_utils.errors import KlingError, NoSuchJob, StillRunning
from kling_utils.preflight.plan import FitChoices
from kling_utils.preflight.variants import Variant, variants
from kling_utils.values import Job, Money, MotionRequest, Shown, is_url, parameters

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kling_utils.jobs.client import Client

LOG = logging.getLogger(__name__)
MOST = 10
"""Tries of one series."""
_LOOK = 0.2
"""Seconds between two looks at a series that is waited for."""
AGAIN = Variant("the same again, since results differ")
_LASTING = ("InputRefused", "ModerationRefused", "KeyRefused", "AccountRefused", "BalanceTooLow")
"""Codes of trouble that the next try would have as well."""
_STOPPED = "Stopped: no other try is sent."


@dataclass(frozen=True, slots=True)
class Try:
    """One job of a series, and what came of it."""

    job_id: str
    told: str
    """What was changed: ``from 3.2 s on, where the pose matches better``."""
    score: float | None = None
    """How well it follows, 0 to 100; None before it has ended, and where no score can be given."""
    ended: str = ""
    """What came of it, in words; empty while it is under way."""


class Retakes(Shown):
    """A series of tries after one job. Begun by ``Client.retake``; the attributes tell where it is."""

    def __init__(
        self,
        client: Client,
        first: Job,
        *,
        until: float,
        takes: int,
        budget: Decimal | None,
        key: SecretStr | None = None,
        hf_token: SecretStr | None = None,
    ) -> None:
        self._client, self._key, self._hf_token = client, key, hf_token
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self.first, self.until, self.takes = first, until, takes
        self.budget = None if budget is None else Money(budget)
        self._tries: list[Try] = []
        self.over = ""
        """Why it ended, in words; empty while it goes on."""
        context = contextvars.copy_context()  # whose tries they are
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="kling-retakes", daemon=True
        )

    def start(self) -> Retakes:
        self._thread.start()
        return self

    @property
    def tries(self) -> tuple[Try, ...]:
        """The oldest first."""
        with self._lock:
            return tuple(self._tries)

    @property
    def best(self) -> Try | None:
        """The try with the highest score; None where none has one."""
        scored = [each for each in self.tries if each.score is not None]
        return max(scored, key=lambda each: each.score or 0.0, default=None)

    @property
    def spent(self) -> Money:
        """What its tries cost at most; one that ended unspent costs nothing, and one in doubt counts."""
        return sum((self._cost(each.job_id) for each in self.tries), Money(Decimal(0)))

    def _cost(self, job_id: str) -> Money:
        entry = self._client.charge(job_id)
        if entry is None or entry.high is None or entry.status == "released":
            return Money(Decimal(0))
        return entry.high

    def stop(self) -> None:
        """Send no other try. One that was sent goes on; one that still waits to be sent, as in a pause, is deleted."""
        self._stopped.set()
        for each in self.tries[-1:]:
            with contextlib.suppress(KlingError):  # it is on its way, or gone
                if self._client.record(each.job_id).state == "checked":
                    self._client.delete(each.job_id)

    def wait(self, timeout: float | None = None) -> Retakes:
        """Until the series is over. Raises ``StillRunning`` after ``timeout`` seconds; it goes on then."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise StillRunning(
                f"The tries go on after {timeout:g} s.", hint="Wait again, or stop() them."
            )
        return self

    def ended(self) -> Iterator[Try]:
        """Each try once it has ended, until the series is over."""
        said = 0
        while self._thread.is_alive() or said < len(self.tries):
            self._thread.join(_LOOK)
            for each in self.tries[said:]:
                if not each.ended and self._thread.is_alive():
                    break
                said += 1
                yield each

    # -- the series

    def _run(self) -> None:
        try:
            self.over = self._go()
        except KlingError as error:
            self.over = f"Nothing more is sent: {error.message} {error.hint}".strip()
        except OSError as error:
            self.over = f"Nothing more is sent: the job's files could not be read ({error})."
        except Exception:  # a thread of its own must say how it ended
            LOG.exception("a series of tries ended in an error of our own")
            self.over = "Nothing more is sent: this program has a fault, which its log names."

    def _go(self) -> str:
        """Send one try after the other; why no other is sent."""
        changes = self._changes()
        for number in range(1, self.takes + 1):
            change = next(changes, None)
            if change is None:
                return "There is nothing else to change: a draft of the same files is the same."
            if self._stopped.is_set():
                return _STOPPED
            if told := self._send(number, change):
                return told
            ended = self._follow()
            if ended.score is not None and ended.score >= self.until:
                return f"Try {number} follows: {ended.score:.0f} of 100."
            if told := self._hopeless(ended):
                return told
        best = self.best
        most = "None has a score" if best is None else f"The best has {best.score:.0f}"
        return f"{self.takes} {'try was' if self.takes == 1 else 'tries were'} made. {most}; {self.until:g} was asked for."

    def _changes(self) -> Iterator[Variant]:
        """What is changed from try to try; without end where the same again may come out otherwise."""
        asked, first = self.first.request, self.first
        seen = self._client.check(asked)
        if first.state == "failed" and first.money == "no" and not first.draft:
            yield AGAIN  # nobody has seen what comes of it
        yield from variants(seen.advice, seen.report.image, asked.character_orientation)
        while not first.draft:
            yield AGAIN

    def _send(self, number: int, change: Variant) -> str:
        """Send a try; what is said where it would cost more than is left."""
        request = self._request(change)
        kind: dict[str, Any] = {} if self.first.draft else {"key": self._key}
        seen = self._client.preflight(
            image=request.image,
            video=request.video,
            owner=self.first.owner,
            draft=self.first.draft,
            hf_token=self._hf_token,
            **kind,
            **parameters(request),
        )
        cost = seen.quote.high if seen.quote is not None else None
        if self.budget is not None and cost is not None and not self.first.draft:
            left = self.budget.amount - self.spent.amount
            if cost.amount > left:
                return f"Try {number} would cost up to {cost}, and {Money(left)} of {self.budget} are left."
        if self._stopped.is_set():  # repairs and checks took their time
            return _STOPPED
        job = self._client.submit(
            request,
            owner=self.first.owner,
            report=seen.report,
            again=True,
            draft=self.first.draft,
            hf_token=self._hf_token,
            **kind,
        )
        told = f"Try {number} of {self.takes}: {change.told}."
        self._client.annotate(job.job_id, note=told)
        with self._lock:
            self._tries.append(Try(job.job_id, change.told))
        return ""

    def _request(self, change: Variant) -> MotionRequest:
        mine = self._files()
        asked = mine
        if not self.first.draft:
            given = self._client.as_given(self.first)
            image, video = (str(given.image), str(given.video))
            asked = replace(
                mine,
                image=image if is_url(image) else mine.image,
                video=video if is_url(video) else mine.video,
            )
        if change.orientation is not None:
            return replace(asked, character_orientation=change.orientation)
        if change.span is None and change.crop is None:
            return asked
        choices = FitChoices(crop=change.crop)
        if change.span is not None:
            choices = self._client.trimmed(asked, change.span, choices)
        return self._client.fit(mine, choices=choices).apply(asked)

    def _files(self) -> MotionRequest:
        """The request with copies of the first job's files, under the names that the user gave them."""
        first, folder = self.first, self._client.home.new_fitted()
        folder.mkdir(parents=True)
        copies: dict[str, Any] = {}
        for field, name in (("image", first.image_name), ("video", first.video_name)):
            copies[field] = folder / field / name
            copies[field].parent.mkdir()
            shutil.copyfile(getattr(first.request, field), copies[field])
        return replace(first.request, **copies)

    def _follow(self) -> Try:
        """Wait for the last try; what came of it."""
        at = self.tries[-1]
        try:
            result = self._client.follow(at.job_id, progress=False)
        except KlingError as error:
            at = replace(at, ended=error.message)
        else:
            fidelity = result.audit.fidelity if result.audit is not None else None
            score = fidelity.score.value if fidelity is not None else None
            at = replace(at, score=score, ended=str(fidelity or "It could not be judged."))
        with self._lock:
            self._tries[-1] = at
        return at

    def _hopeless(self, ended: Try) -> str:
        """Why another try is not worth its price, or not safe; empty where it is."""
        try:
            job = self._client.record(ended.job_id)
        except NoSuchJob:  # deleted before it was sent
            return (
                _STOPPED
                if self._stopped.is_set()
                else "The last try was deleted; no other is sent."
            )
        if job.state == "unconfirmed":
            return (
                "It is not known whether the last try was sent. Decide about it; no other is sent."
            )
        if not job.done:
            return f"The last try waits: {ended.ended} No other is sent."
        if job.state == "succeeded" and ended.score is None:
            return f"No score can be given, so no other is sent. {ended.ended}"
        if job.trouble is not None and job.trouble.code in _LASTING:
            return f"Another try would not change this: {ended.ended}"
        return ""

    def __str__(self) -> str:
        lines = [
            f"{i}. {each.told}: {each.ended or 'under way'}" for i, each in enumerate(self.tries, 1)
        ]
        return "\n".join([*lines, self.over or f"Until {self.until:g} of 100 is reached."])

    def __repr__(self) -> str:
        return f"Retakes({len(self.tries)} of {self.takes}, until {self.until:g}{', over' if self.over else ''})"
