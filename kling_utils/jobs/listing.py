"""Which jobs a list shows: conditions by owner, by what was searched for, by rating and by where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, case, func

from kling_utils.jobs import database
from kling_utils.show import words
from kling_utils.values import Rating, storable

Group = Literal["done", "going", "stopped", "draft", "kling"]
"""Finished; under way; failed, in doubt or waiting for somebody; by who makes it."""
GROUPS: tuple[Group, ...] = get_args(Group)
_jobs = database.jobs


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs there are."""

    total: int
    groups: dict[Group, int]


def about(
    owner: str | None = None, text: str = "", rating: Rating | None = None
) -> list[ColumnElement[bool]]:
    """Of ``owner``, or of all; with all words of ``text`` in name, prompt, note, file names, model or ids; with that ``rating``, "": none.

    Capitals do not matter.
    """
    found: list[ColumnElement[bool]] = []
    if owner is not None:
        found.append(_jobs.c.owner == owner)
    if rating is not None:
        found.append(_jobs.c.rating == rating)
    if words_ := storable(text).split():
        told = func.casefold(_told())
        found += [told.contains(word.casefold(), autoescape=True) for word in words_]
    return found


def _told() -> ColumnElement[str]:
    """All that is searched, as one text."""

    def asked(name: str) -> Any:
        return func.json_extract(_jobs.c.parameters, f"$.{name}")

    parts = (
        *(_jobs.c[name] for name in ("name", "note", "image_name", "video_name", "job_id")),
        *(func.coalesce(each, "") for each in (_jobs.c.task_id, asked("prompt"))),
        case(words.MODEL, value=asked("model_name"), else_=""),
        case(words.ORIENTATION, value=asked("character_orientation"), else_=""),
    )
    text = parts[0]
    for part in parts[1:]:
        text = text.concat("\n").concat(part)
    return text


def grouped(group: Group | None) -> list[ColumnElement[bool]]:
    """The condition that a job is in a group; none for all jobs."""
    done, failed = _jobs.c.state == "succeeded", _jobs.c.state == "failed"
    stands = (_jobs.c.state == "unconfirmed") | (_jobs.c.waits_for != "")
    draft = _jobs.c.provider == "local"
    conditions: dict[Group, ColumnElement[bool]] = {
        "done": done,
        "stopped": failed | (~done & stands),
        "going": ~done & ~failed & ~stands,
        "draft": draft,
        "kling": ~draft,
    }
    return [] if group is None else [conditions[group]]
