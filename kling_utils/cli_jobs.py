"""What the commands about jobs say of them: tables for programs, one job in full, what was spent, and what is to be sent.

It knows no client: a command hands it the jobs.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from kling_utils.events import Event, Note
from kling_utils.jobs.ledger import Entry, Spending
from kling_utils.show import words
from kling_utils.show.progress import describe
from kling_utils.values import Finding, Job, counted, iso, moment_of, printable


def print_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A table on stdout, with its head also where it has no rows."""
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: printable(v) if isinstance(v, str) else v for name, v in row.items()}
        )
    sys.stdout.flush()


def files(job: Job) -> list[dict[str, Any]]:
    """What lies in the job's folder: path and size of each file."""
    paths = sorted(path for path in job.folder.rglob("[!.]*") if path.is_file())
    return [{"file": str(path), "bytes": path.stat().st_size} for path in paths]


def events(log: list[tuple[float, Event]]) -> list[dict[str, Any]]:
    """The events of a job for ``--json``."""
    return [{"at": iso(at), **asdict(event)} for at, event in log]


def shown(
    job: Job,
    log: list[tuple[float, Event]],
    found: Sequence[Finding] = (),
    *,
    charge: str = "",
    balance: str = "",
) -> str:
    """One job for a terminal: what was asked, where it stands, what its files show of a failure, its files and its events.

    ``charge`` is what the bill says of it, ``balance`` what the account's balance says of one in doubt.
    """
    request, trouble = job.request, job.trouble
    facts = {
        "name": job.title,
        "rating": words.RATING[job.rating].lower(),
        "note": job.note,
        "blind votes": words.standing(job),
        "made by": words.maker(job),
        "orientation": request.character_orientation,
        "image": job.image_name,
        "video": job.video_name,
        "prompt": request.prompt,
        "negative prompt": request.negative_prompt,
        "sound": "" if request.keep_original_sound else "none",
        "task": job.task_id or "",
        "cost": str(job.cost or "not known"),
        "charge": charge,
        "money": words.MONEY[job.money],
        "balance": balance,
        **{
            name: _time(at)
            for name, at in (
                ("created", job.created),
                ("queued", job.queued_at),
                ("processing", job.processing_at),
                ("finished", job.finished_at),
            )
        },
        "error": f"{trouble.message} {trouble.hint}".strip() if trouble else "",
        "waits": words.WAITS[job.waits_for],
    }
    lines = [f"{job.job_id}  {job.state}"]
    lines += [f"  {name:<16}{value}" for name, value in facts.items() if value]
    lines += [f"  {'what it shows':<16}{finding}" for finding in found]
    lines += ["files", *(f"  {each['file']}  {_size(each['bytes'])}" for each in files(job))]
    # of a progress that goes on, only how far it came
    told = [
        (at, event)
        for (at, event), (_, after) in zip(log, [*log[1:], (0.0, None)], strict=True)
        if isinstance(event, Note) or type(event) is not type(after)
    ]
    lines += ["events", *(f"  {_time(at)}  {describe(event)}" for at, event in told)]
    return "\n".join(lines)


def spent(rows: list[Spending], totals: list[Spending]) -> str:
    """Sums for a terminal: a line for each, the total last, and what the sums are."""
    listed = [*rows, *totals]
    if not listed:
        return "No job was paid."
    width = max(len(each.group) for each in listed)
    return "\n".join(f"{each.group:<{width}}  {_sums(each)}" for each in listed)


def send(entry: Entry) -> str:
    """One send of a job for a terminal: its quote, and what the bill and the balance say."""
    parts = [f"{entry.job_id}  {_time(entry.at)}  {entry.state}, {entry.status}"]
    if entry.low and entry.high:
        parts.append(_between(entry.low.amount, entry.high.amount, entry.high.currency))
    else:
        parts.append("cost not known")
    parts.append(entry.told() or "Charge not known.")
    return "; ".join(parts)


def _sums(each: Spending) -> str:
    parts = []
    if each.paid:
        amount = _between(each.low, each.high, each.currency)
        parts.append(f"{counted(each.paid, 'job')} paid, {amount}")
    if each.perhaps:
        amount = _between(each.perhaps_low, each.perhaps_high, each.currency)
        parts.append(f"{counted(each.perhaps, 'job')} perhaps paid, {amount}")
    if each.charges:
        parts.append(
            f"{each.charged:.2f} {each.currency} charged for {counted(each.charges, 'job')}"
        )
    if each.unquoted:
        parts.append(f"{each.unquoted} of them without a quote and in no sum")
    return "; ".join(parts)


def _between(low: Decimal, high: Decimal, currency: str) -> str:
    if not currency:
        return "cost not known"
    return (
        f"about {high:.2f} {currency}"
        if low == high
        else f"about {low:.2f} to {high:.2f} {currency}"
    )


def price(jobs: Sequence[Job]) -> str:
    """What it costs to send the jobs."""
    quotes = [job.cost for job in jobs if job.cost is not None]
    sums = {
        currency: _between(
            sum((q.low.amount for q in quotes if q.high.currency == currency), Decimal(0)),
            sum((q.high.amount for q in quotes if q.high.currency == currency), Decimal(0)),
            currency,
        )
        for currency in sorted({q.high.currency for q in quotes})
    }
    rest = len(jobs) - len(quotes)
    told = list(sums.values()) + ([f"{counted(rest, 'job')} of unknown cost"] if rest else [])
    return " and ".join(told)


def _time(at: float | None) -> str:
    """By this machine's clock."""
    when = moment_of(at, None)
    return "" if when is None else f"{when:%Y-%m-%d %H:%M:%S}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
