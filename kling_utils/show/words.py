"""The texts that people read about a job: states, money, ages, lengths, and a report of an error.

Each is made from a code and values, so that another language can be added.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import kling_utils
from kling_utils.errors import SPENT, KlingError, MoneyState, Refused
from kling_utils.values import (
    CharacterOrientation,
    Job,
    ModelName,
    Quote,
    Rating,
    State,
    Trouble,
    iso,
)

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

ORIENTATION: dict[CharacterOrientation, str] = {
    "video": "Like the clip",
    "image": "Like the picture",
}
"""Whose pose and framing the result has."""

MONEY: dict[MoneyState, str] = {money: text.removesuffix(".") for money, text in SPENT.items()}

WAITS: dict[Literal["", "resume", "key", "host"], str] = {
    "": "",
    "resume": "It stands still until you say so",
    "key": "It waits for your key",
    "host": "It waits for the host it was sent to",
}

GO: dict[str, str] = {
    "image": "Go to the picture",
    "video": "Go to the clip",
    "prompt": "Go to the prompt",
    "negative_prompt": "Go to the negative prompt",
    "character_orientation": "Go to pose and framing",
    "model_name": "Go to the model",
    "keep_original_sound": "Go to the sound",
    "key": "Go to the key",
    "ways": "Choose how Novita gets the clip",
    "budget": "Raise the budget",
}
"""What the button says that leads to a field, by the field's name on the wire; ``key`` is the box of the API key, ``ways`` the card
about how the clip is published, ``budget`` the panel of spending."""

_KEY = frozenset({"KeyRefused", "BalanceTooLow", "AccountRefused", "SettingError"})
_UNSAVED = frozenset({"DownloadFailed", "LinkExpired"})
_DOUBT = frozenset({"SubmitUnconfirmed", "StillRunning", "Dismissed"})
_ANSWERED = frozenset(
    {
        "ProviderError",
        "KeyRefused",
        "BalanceTooLow",
        "AccountRefused",
        "InputRefused",
        "RateLimited",
        "ProviderDown",
    }
)


def when(code: str, *, money: str = "no", task_id: str | None = None, draft: bool = False) -> str:
    """At which point it went wrong, in a few words; ``code`` is an error's."""
    if code in _DOUBT:
        return "Lost contact: the job may be running"
    if code in _UNSAVED:
        return "Made, but not saved"
    if code == "TaskNotFound":
        return "Not found at the provider"
    if code == "TaskFailed" or (task_id and code not in _ANSWERED):
        return "Failed while it was made"
    if code in _ANSWERED or code == "ModerationRefused":
        return f"Refused by {'the motion engine' if draft else 'Novita'}"
    return "Stopped before sending, free" if money == "no" else "Stopped before sending"


def go(code: str, field: str) -> str:
    """The field to change, as a name in ``GO``; empty when none is to blame."""
    if code == "NotPublished":
        return "ways"
    return "key" if code in _KEY else field if field in GO else ""


def seconds(value: float) -> str:
    """A length in seconds as people say it: ``4.1 s``, ``12 s``, ``2 min 05 s``."""
    if value >= 60:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes} min {rest:02d} s"
    return f"{value:.1f}".removesuffix(".0") + " s"


def clock(value: float) -> str:
    """A wait as clocks say it: ``0:16``, ``12:05``."""
    minutes, rest = divmod(round(max(0.0, value)), 60)
    return f"{minutes}:{rest:02d}"


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


RATING: dict[Rating, str] = {"": "", "good": "Good", "bad": "Bad", "favourite": "Favourite"}


def standing(job: Job) -> str:
    """How the job came off in blind comparisons, as ``won 2 of 3``; empty without any."""
    return f"won {job.won} of {len(job.votes)}" if job.votes else ""


def takes(jobs: Sequence[Job]) -> list[str]:
    """A name for each of several takes: only what tells it from the others, and always that it is a draft."""
    orientations = len({j.request.character_orientation for j in jobs}) > 1
    names = []
    for job in jobs:
        name = (job.name or MODEL[job.request.model_name]) + (" draft" if job.draft else "")
        if orientations and not job.name:
            name += ", " + ORIENTATION[job.request.character_orientation].lower()
        names.append(name)
    return [
        name if names.count(name) == 1 else f"{name} {names[: n + 1].count(name)}"
        for n, name in enumerate(names)
    ]


def pair(left: Job, right: Job) -> list[str]:
    """Names of two takes beside each other: those that people read, or what tells them apart where these are the same."""
    if left.subject == right.subject:
        return takes([left, right])
    return [job.subject + (", draft" if job.draft else "") for job in (left, right)]


def line(job: Job, now: float) -> str:
    """A job in one line of text: what one needs to find it again, and its result or what stands in the way."""
    end = f"  {job.video}" if job.video else f"  {job.trouble.message}" if job.trouble else ""
    files = f"{job.image_name} + {job.video_name}"
    called = f"{job.name} ({files})" if job.name else files
    told = "".join(f"  {each}" for each in (RATING[job.rating].lower(), standing(job)) if each)
    return f"{job.job_id}  {job.state:<12} {maker(job):<24} {age(job.created, now):<16} {called}{told}{end}"


def price(quote: Quote) -> str:
    """A quote in a few words: ``free``, ``about 1.51 USD`` or ``about 0.50 to 0.63 USD``."""
    return "free" if quote.free else f"about {quote.amount}"


def spent(job: Job) -> str:
    """What a job costs or has cost, in a few words: "perhaps" where the charge is not known, empty where the price is not."""
    if job.draft:
        return "free"
    if job.done and job.money == "no":
        return "nothing spent"
    if job.cost is None:
        return ""
    if job.state in ("failed", "unconfirmed") and job.money == "unknown" and not job.cost.free:
        return f"perhaps {job.cost.amount}"
    return price(job.cost)


def span(quote: Quote) -> str:
    """The honest width of a quote, in words: both ends when rounding matters, the rate, and where it comes from."""
    if quote.draft:
        return "A local draft costs nothing."
    return f"{quote.amount}: {quote.basis}."


def difference(new: Quote, old: Quote | None) -> str:
    """How much more or less than the other one, as ``0.21 USD more``; empty where that is not known or nothing."""
    if old is None or old.free or new.free or old.rate.currency != new.rate.currency:
        return ""
    more = (new.seconds * new.rate.amount - old.seconds * old.rate.amount).quantize(Decimal("0.01"))
    return f"{abs(more)} {new.rate.currency} {'more' if more > 0 else 'less'}" if more else ""


# -- an error as plain text that can be sent to somebody who helps

_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]*")
_LOGIN = re.compile(r"(https?://)[^/\s@]+@")
_SECRET = re.compile(
    r"(?i)\b(bearer\s+\S+|sk[-_][\w-]{6,}|hf_\w{8,}|(?:api[-_ ]?key|token|signature)[=:]\s*\S+)"
)
_PATH = re.compile(r"(?<![\w/:.])(?:[A-Za-z]:\\|/)(?:[^\s/\\:\"'<>]+[/\\])+([^\s/\\:\"'<>]*)")


def report_of_error(error: KlingError) -> str:
    """An error that no job has kept."""
    lines = []
    if isinstance(error, Refused):
        lines += [f"- {finding}" for finding in error.report.errors]
    lines += [f"job: {error.job_id}"] if error.job_id else []
    lines += [f"task: {error.task_id}"] if error.task_id else []
    return _report(error, lines)


def report_of_job(job: Job, trouble: Trouble | None) -> str:
    """A job and its trouble, with where and when it happened."""
    asked, who = job.request, "local draft" if job.draft else "novita"
    times = {
        "created": job.created,
        "queued": job.queued_at,
        "processing": job.processing_at,
        "finished": job.finished_at,
    }
    lines = [
        f"job: {job.job_id}, take {job.take}, {job.state}",
        f"task: {job.task_id or 'none'}",
        f"made by: {who}, {asked.model_name}, orientation {asked.character_orientation}",
        f"length expected: {job.duration:.2f} s",
        *(f"{name}: {iso(at)}" for name, at in times.items() if at),
    ]
    return _report(trouble, lines)


def _report(trouble: KlingError | Trouble | None, more: Sequence[str]) -> str:
    lines = [f"Motion Control Studio {kling_utils.__version__}"]
    if trouble is not None:
        lines.append(f"{trouble.code}: {trouble.message}")
        lines += [f"the provider said: {trouble.words}"] if trouble.words else []
        lines += [f"advice: {trouble.hint}"] if trouble.hint else []
        lines.append(f"money spent: {trouble.money}")
        lines += [f"field: {trouble.field}"] if trouble.field else []
    return redacted("\n".join([*lines, *more]))


def redacted(text: str) -> str:
    """Without what could open a door (keys, logins, the queries of addresses) and without this machine's folders."""
    text = _SECRET.sub("[struck out]", _LOGIN.sub(r"\1", _QUERY.sub(r"\1?[struck out]", text)))
    return _PATH.sub(r".../\1", text)
