"""When a job is looked at, how long jobs take here, and what a span of time means: arithmetic only."""

from __future__ import annotations

import random
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from kling_utils.errors import InvalidRequest
from kling_utils.values import Job


@dataclass(frozen=True, slots=True)
class Pace:
    """All in seconds, except the factors ``growth`` and ``most``."""

    interval: float = 2.0
    """First wait between two polls; grows by ``growth`` to ``most`` times itself."""
    growth: float = 1.3
    most: float = 5.0
    near: float = 1.0
    """Longest wait for a server on this machine, where asking costs nothing."""
    late: float = 60.0
    """Between two polls once the deadline has passed."""
    deadline: float = 1200.0
    """Of processing; queue time does not count."""
    give_up: float = 24 * 3600.0
    """After the submit: from then on only on request."""
    adopt_every: float = 10.0
    sweep_every: float = 6 * 3600.0
    bill_every: float = 1800.0
    """Between two reads of the bill, while a job waits for its charge."""
    mishap: float = 10.0
    """After a step that ended in an unexpected error."""


def next_wait(
    pace: Pace, polls: int, eta: float | None, rng: random.Random, *, near: bool = False
) -> float:
    """Seconds until the next poll after ``polls`` of them: growing, with a fifth of jitter; the provider's ``eta`` makes it shorter."""
    wait = min(pace.interval * pace.growth ** min(polls, 50), pace.interval * pace.most)
    if near:
        wait = min(wait, pace.near)
    if eta is not None and 0 < eta < wait:
        wait = max(eta, pace.interval)
    return wait * rng.uniform(0.8, 1.2)


FEWEST = 2
"""Past jobs of the same kind below which nothing is said."""
MOST = 40
"""Past jobs that are looked at, the newest: machines and providers change."""


@dataclass(frozen=True, slots=True)
class Wait:
    """From asking to having, seconds, for one job, as learned from jobs that this home has finished."""

    median: float
    late: float
    """The 90th percentile: nine of ten were done by then."""
    jobs: int
    """How many past jobs it is learned from."""


def expected(job: Job, past: Iterable[Job]) -> Wait | None:
    """The wait to expect for ``job``: by provider, model and second of output, from ``past`` jobs (the newest first); None if too few."""
    rates = []
    for other in past:
        same = (other.provider, other.request.model_name) == (job.provider, job.request.model_name)
        done = other.state == "succeeded" and other.finished_at is not None and other.duration > 0
        if not (same and done) or other.job_id == job.job_id:
            continue
        taken = (other.finished_at or 0) - (other.queued_at or other.created)
        if taken > 0:
            rates.append(taken / other.duration)
        if len(rates) == MOST:
            break
    if len(rates) < FEWEST:
        return None
    late = statistics.quantiles(rates, n=10, method="inclusive")[-1]
    return Wait(statistics.median(rates) * job.duration, late * job.duration, len(rates))


_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def moment(since: str | float | datetime, now: float) -> float:
    """The Unix time that ``since`` means: a span before ``now`` (``90m``, ``12h``, ``1d``, ``2w``), a date or time, or itself.

    Without a time zone it is this machine's time. Raises ``InvalidRequest``.
    """
    try:
        if isinstance(since, datetime):
            return since.timestamp()
        if not isinstance(since, str):
            return float(since)
        if span := _SPAN.fullmatch(since.strip().lower()):
            return now - float(span[1]) * _SECONDS[span[2]]
        return datetime.fromisoformat(since.strip()).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(
            f"{since!r} is no time.",
            hint="Give a span such as 90m, 12h, 1d or 2w, or a date such as 2026-01-31.",
        ) from error
