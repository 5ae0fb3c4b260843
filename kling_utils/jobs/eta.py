"""How long jobs take here: learned from the jobs that this home has finished.

Owns the arithmetic. With too few jobs of the same kind there is no expectation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kling_utils.values import Job

FEWEST = 2
"""Past jobs of the same kind below which nothing is said."""
MOST = 40
"""Past jobs that are looked at, the newest: machines and providers change."""


@dataclass(frozen=True, slots=True)
class Wait:
    """From asking to having, seconds, for one job."""

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
        if (
            not same
            or other.job_id == job.job_id
            or other.state != "succeeded"
            or other.finished_at is None
            or other.duration <= 0
        ):
            continue
        taken = other.finished_at - (other.queued_at or other.created)
        if taken > 0:
            rates.append(taken / other.duration)
        if len(rates) == MOST:
            break
    if len(rates) < FEWEST:
        return None
    rates.sort()
    return Wait(
        quantile(rates, 0.5) * job.duration, quantile(rates, 0.9) * job.duration, len(rates)
    )


def quantile(ordered: list[float], share: float) -> float:
    """The quantile of numbers in order, between neighbours where it falls between them."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
