"""The texts that people read about a job: one place, made from a code and values, so that another language can be added.

Owns words for states, money, ages and lengths. Refuses to know HTML.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from kling_utils.values import Job, ModelName, Quote, State

STATE: dict[State, str] = {
    "checked": "Getting ready",
    "submitting": "Sending",
    "unconfirmed": "Not confirmed",
    "queued": "In the queue",
    "processing": "Making the video",
    "downloading": "Saving the result",
    "succeeded": "Done",
    "failed": "Failed",
}
"""What a state is called on a page."""

MODEL: dict[ModelName, str] = {"kling-v3-0-std": "Standard", "kling-v3-0-pro": "Pro"}

MONEY: dict[Literal["no", "yes", "unknown"], str] = {
    "no": "Nothing was spent",
    "yes": "Money was spent",
    "unknown": "Whether money was spent is not known",
}

WAITS: dict[Literal["", "resume", "key", "host"], str] = {
    "": "",
    "resume": "It stands still until you say so",
    "key": "It waits for your key",
    "host": "It waits for the host it was sent to",
}


def seconds(value: float) -> str:
    """A length in seconds as people say it: ``4.1 s``, ``12 s``, ``2 min 05 s``."""
    if value >= 60:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes} min {rest:02d} s"
    return f"{value:.1f}".removesuffix(".0") + " s"


def age(then: float, now: float) -> str:
    """How long ago, in one unit."""
    gone = max(0.0, now - then)
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if gone >= length:
            count = int(gone // length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def maker(job: Job) -> str:
    """Who makes it: a local draft is never called by a model's name alone."""
    model = MODEL[job.request.model_name]
    return f"Local draft, {model.lower()}" if job.draft else f"Kling 3.0 {model}"


def price(quote: Quote) -> str:
    """A quote in a few words: ``free``, ``about 0.52 USD``, ``about 0.50 to 0.63 USD``."""
    if quote.free:
        return "free"
    exact = (quote.seconds * quote.rate.amount).quantize(Decimal("0.01"))
    if quote.low == quote.high:
        return f"about {quote.high}"
    return f"about {exact} {quote.rate.currency}"


def span(quote: Quote) -> str:
    """The honest width of a quote, in words: both ends when rounding matters, the rate, and where it comes from."""
    if quote.free:
        return "A local draft costs nothing."
    ends = f"{quote.low.amount:.2f} to {quote.high}" if quote.low != quote.high else str(quote.high)
    return f"{ends}: {quote.basis}."
