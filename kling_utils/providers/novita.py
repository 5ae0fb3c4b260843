"""Novita's contract for Kling V3.0 Motion Control: routes, fields, and the reading of answers.

Answers vary, so they are read leniently. Sources: the provider's pages, and captures that users published.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pydantic import SecretStr

from kling_utils.errors import (
    DownloadFailed,
    KlingError,
    ProviderDown,
    ProviderError,
    SubmitUnconfirmed,
)
from kling_utils.providers.base import Balance, Bill, Status, TaskStatus
from kling_utils.providers.failures import error_for
from kling_utils.providers.http import TRIES, Answer, Transport
from kling_utils.values import Job, Money, MotionRequest, parameters

SUBMIT = "/v3/async/kling-v3.0-motion-control"
POLL = "/v3/async/task-result"
BALANCE = "/openapi/v1/billing/balance/detail"
BILLS = "/openapi/v1/billing/bill/list"
UNIT = Decimal("0.0001")
"""USD: what the numbers of balance and bill count. For the balance it is documented; the bill's are read alike."""
LONGEST_BILL = 31 * 86400
"""Seconds of one query."""
LONGEST_ETA = 7 * 86400.0
"""Seconds. No task runs longer; a larger number is nonsense that a database may not hold."""
FARTHEST_PLACE = 1_000_000
REFUSALS = frozenset({*range(400, 408), *range(409, 418), 421, 422, 424, 426, 428, 429, 431, 451})
"""Answers of a server that understood the request and refused it. Others, such as 408 or a gateway's 499, leave open what happened."""

PROVED_FOR, MOST_PROVED = 600.0, 500
"""Seconds for which an accepted key is not asked about again, and how many keys are remembered."""
STATUS_WORDS: dict[str, Status] = {
    "TASK_STATUS_QUEUED": "queued",
    "TASK_STATUS_PROCESSING": "processing",
    "TASK_STATUS_SUCCEED": "succeeded",
    "TASK_STATUS_FAILED": "failed",
}


def payload(request: MotionRequest, *, image: str, video: str) -> dict[str, Any]:
    """The body of a submit. ``image`` is an address or base64, ``video`` an address. ``model_name`` is always sent: the page calls it
    required and gives it a default; empty texts are left out."""
    asked = {name: value for name, value in parameters(request).items() if value != ""}
    return {"image": image, "video": video, **asked}


class NovitaAPI:
    """One provider and one key. Cheap to make. ``tries`` bounds the repeats of a read; a submit is sent once."""

    def __init__(
        self, base_url: str, key: SecretStr, *, transport: Transport, tries: int = TRIES
    ) -> None:
        self._base = base_url.strip().rstrip("/").removesuffix("/v3").rstrip("/")
        self._key, self._transport, self._tries = key, transport, tries

    def submit(self, payload: Mapping[str, Any]) -> str:
        """Send a paid request; returns the task's id.

        Raises ``SubmitUnconfirmed`` whenever the task may exist; every other error (``NoContact``, ``RateLimited``, and the other
        refusals) means that nothing was spent.
        """
        answer = self._transport.post_once(self._base + SUBMIT, self._key, payload)
        task_id = answer.body.get("task_id") if isinstance(answer.body, dict) else None
        if (
            200 <= answer.status < 300
            and isinstance(task_id, str | int)
            and not isinstance(task_id, bool)
            and 0 < len(str(task_id).strip()) <= 500
        ):
            return str(task_id).strip()
        said = error_for(answer.status, answer.body)
        if answer.status in REFUSALS:
            raise said
        raise SubmitUnconfirmed(
            f"The request was sent, but the answer names no task (HTTP {answer.status}).",
            hint="The task may exist: look at your tasks at the provider before you send it again.",
            words=said.words,
        )

    def poll(self, task_id: str) -> TaskStatus:
        """The task's state. Raises ``DownloadFailed`` for a success without a link to a video, ``TaskNotFound``, ``KeyRefused`` ...;
        ``NoContact``, ``RateLimited`` and ``ProviderDown`` say nothing about the task."""
        answer = self._get(POLL, {"task_id": task_id})
        task = answer.body.get("task")
        if not isinstance(task, dict):
            raise ProviderDown(
                "The provider's answer has no task in it.",
                hint="It is asked again.",
                money="yes",
                status=answer.status,
            )
        answered = task.get("task_id")
        if answered not in (None, "") and str(answered).strip() != task_id:
            raise ProviderDown(
                "The provider answered about another task.",
                hint="It is asked again.",
                money="yes",
                status=answer.status,
            )
        word = str(task.get("status") or "")[:100]
        status = STATUS_WORDS.get(word.strip().upper(), "unknown")
        link = _video_url(answer.body)
        if status == "succeeded" and link is None:
            raise DownloadFailed(
                "The task succeeded, but no link to a video came with it.",
                hint="It is asked for again.",
            )
        progress, eta = _number(task.get("progress_percent")), _number(task.get("eta"))
        extra = answer.body.get("extra")
        place = _number(extra.get("queue_position")) if isinstance(extra, dict) else None
        return TaskStatus(
            status=status,
            word=word,
            reason=str(task.get("reason") or ""),
            progress=None if progress is None else int(min(100.0, progress)),
            eta=min(eta, LONGEST_ETA) if eta else None,
            video_url=link if status == "succeeded" else None,
            place=int(min(place, FARTHEST_PLACE)) if place else None,
        )

    def balance(self) -> Balance:
        """The account's balance. Costs nothing, so it is also the test of a key: raises ``KeyRefused`` for a wrong one."""
        body = self._get(BALANCE, {}, money="no").body
        amounts = {
            name: _amount(body.get(name))
            for name in ("availableBalance", "cashBalance", "creditLimit", "outstandingInvoices")
        }
        available = amounts["availableBalance"]
        if available is None:
            raise ProviderDown("The provider's answer has no balance in it.", hint="Try again.")
        return Balance(
            available,
            amounts["cashBalance"],
            amounts["creditLimit"],
            amounts["outstandingInvoices"],
        )

    def bills(self, start: float, end: float) -> list[Bill]:
        """The account's hours between two Unix times, at most 31 days of them. What cannot be read is left out."""
        asked = {
            "cycleType": "Hour",
            "productCategory": "gen_api",
            "startTime": str(int(max(start, end - LONGEST_BILL))),
            "endTime": str(int(end)),
        }
        body = self._get(BILLS, asked, money="no").body
        told = body.get("bills")
        if not isinstance(told, list):
            raise ProviderDown("The provider's answer has no bills in it.", hint="Try again.")
        return [bill for each in told if (bill := _bill(each)) is not None]

    def _get(
        self, route: str, params: Mapping[str, str], *, money: Literal["no", "yes"] = "yes"
    ) -> Answer:
        answer = self._transport.get_json(
            self._base + route, self._key, params, money=money, tries=self._tries
        )
        if not answer.usable:
            raise error_for(answer.status, answer.body, money=money)
        return answer


class NovitaProvider:
    """Novita, or a sister host, with one key. ``proved`` holds when which key was accepted, for all providers of a process."""

    takes_files = False

    def __init__(
        self,
        base_url: str,
        key: SecretStr,
        *,
        transport: Transport,
        proved: dict[str, float],
        clock: Callable[[], float] = time.time,
        tries: int = 1,
    ) -> None:
        self.base_url: str | None = base_url
        self._key, self._transport, self._proved, self._clock = key, transport, proved, clock
        self._api = NovitaAPI(base_url, key, transport=transport, tries=tries)

    def ready(self) -> float:
        """The key is proved by the free balance, then submits a minute are counted. Raises the refusal of a key (401, 403).

        Other trouble with the balance does not stop a job: a sister host may lack the route.
        """
        secret, now = self._key.get_secret_value(), self._clock()
        mark = hashlib.sha256(f"{self.base_url} {secret}".encode()).hexdigest()
        if now - self._proved.get(mark, -PROVED_FOR) >= PROVED_FOR:
            try:
                self._api.balance()
            except ProviderError as error:
                if error.status in (401, 403):
                    raise
                known = True
            except KlingError:
                known = False
            else:
                known = True
            if known:
                while len(self._proved) >= MOST_PROVED:
                    self._proved.pop(next(iter(self._proved)))
                self._proved[mark] = now
        return self._transport.turn(self._key)

    def submit(self, job: Job, *, image: str, video: str) -> str:
        """The paid call. Raises as ``NovitaAPI.submit``."""
        return self._api.submit(payload(job.request, image=image, video=video))

    def poll(self, job: Job) -> TaskStatus:
        """Raises as ``NovitaAPI.poll``."""
        return self._api.poll(job.task_id or "")

    def seen(self, task_id: str) -> None:
        """Raises ``TaskNotFound`` and its like when this key does not have the task. One that has ended counts as seen."""
        with contextlib.suppress(DownloadFailed):
            self._api.poll(task_id)

    def balance(self) -> Balance:
        """Raises as ``NovitaAPI.balance``."""
        return self._api.balance()

    def bills(self, start: float, end: float) -> list[Bill]:
        """As ``NovitaAPI.bills``."""
        return self._api.bills(start, end)


def _video_url(body: Mapping[str, Any]) -> str | None:
    """The first address of a video, an mp4 before anything else: a ``gif`` may stand beside it."""
    videos = body.get("videos")
    entries = [v for v in videos if isinstance(v, dict)] if isinstance(videos, list) else []
    entries.sort(key=lambda v: str(v.get("video_type") or "mp4").lower() != "mp4")
    links = (v.get("video_url") for v in entries)
    return next(
        (
            u.strip()
            for u in links
            if isinstance(u, str) and u.strip().lower().startswith(("http://", "https://"))
        ),
        None,
    )


def _number(value: object) -> float | None:
    """A number that is not negative, also when it comes as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _bill(told: object) -> Bill | None:
    """One hour of one product. ``amount`` is before vouchers, which a job uses up as well."""
    if not isinstance(told, dict):
        return None
    start, end = _number(told.get("startTime")), _number(told.get("endTime"))
    amount = _amount(told.get("amount"))
    if start is None or end is None or not start < end or amount is None or amount.amount < 0:
        return None
    return Bill(start, end, str(told.get("productName") or "")[:200], amount)


def _amount(value: object) -> Money | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return Money(amount * UNIT) if amount.is_finite() else None
