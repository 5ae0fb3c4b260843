"""An error as plain text that can be sent to somebody who helps: facts, words, times; no key, no address' query, no path.

Owns what goes into a report and what is struck out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import kling_utils
from kling_utils.errors import KlingError, Refused
from kling_utils.values import Job, Trouble

_QUERY = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]*")
_LOGIN = re.compile(r"(https?://)[^/\s@]+@")
_SECRET = re.compile(
    r"(?i)\b(bearer\s+\S+|sk[-_][\w-]{6,}|hf_\w{8,}|(?:api[-_ ]?key|token|signature)[=:]\s*\S+)"
)
_PATH = re.compile(r"(?<![\w/:.])(?:[A-Za-z]:\\|/)(?:[^\s/\\:\"'<>]+[/\\])+([^\s/\\:\"'<>]*)")


def of_error(error: KlingError) -> str:
    """An error that no job has kept."""
    lines = [
        *_head(),
        *_said(error.code, error.message, error.words, error.hint, error.money, error.field),
    ]
    if isinstance(error, Refused):
        lines += [f"- {finding}" for finding in error.report.errors]
    lines += [f"job: {error.job_id}"] if error.job_id else []
    lines += [f"task: {error.task_id}"] if error.task_id else []
    return plain("\n".join(lines))


def of_job(job: Job, trouble: Trouble) -> str:
    """A job's trouble, with where and when it happened."""
    asked = job.request
    lines = [
        *_head(),
        *_said(
            trouble.code, trouble.message, trouble.words, trouble.hint, trouble.money, trouble.field
        ),
        f"job: {job.job_id}, take {job.take}, {job.state}",
        f"task: {job.task_id or 'none'}",
        f"made by: {'local draft' if job.draft else 'novita'}, {asked.model_name}, orientation {asked.character_orientation}",
        f"length expected: {job.duration:.2f} s",
        *(f"{name}: {_time(at)}" for name, at in _times(job) if at),
    ]
    return plain("\n".join(lines))


def plain(text: str) -> str:
    """The text without what could open a door: keys, logins, the queries of addresses; and without this machine's folders."""
    text = _SECRET.sub("[struck out]", _LOGIN.sub(r"\1", _QUERY.sub(r"\1?[struck out]", text)))
    return _PATH.sub(r".../\1", text)


def _head() -> list[str]:
    return [f"Motion Control Studio {kling_utils.__version__}"]


def _said(code: str, message: str, words: str, hint: str, money: str, field: str) -> list[str]:
    lines = [f"{code}: {message}"]
    lines += [f"the provider said: {words}"] if words else []
    lines += [f"advice: {hint}"] if hint else []
    lines += [f"money spent: {money}"]
    return lines + ([f"field: {field}"] if field else [])


def _times(job: Job) -> tuple[tuple[str, float | None], ...]:
    return (
        ("created", job.created),
        ("queued", job.queued_at),
        ("processing", job.processing_at),
        ("finished", job.finished_at),
    )


def _time(at: float | None) -> str:
    return datetime.fromtimestamp(at or 0, UTC).isoformat(timespec="seconds")
