"""A task as it is kept: its fields, its file, and what can be reckoned from its fellows.

Owns ``task.json`` and the estimates. Refuses to know who changes a task, and when.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal

from kling_utils.local.files import write_atomic

USUAL_SPEED = 2.5  # seconds of work for one of video, until this machine has shown its own; measured on two slow cores
USUAL_SECONDS = 10.0  # length of a clip that has not been fetched yet
_RECENT = 5  # tasks that the speed is reckoned from
_TELLING = 0.05  # progress from which on a task's own pace says more than the others'

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Task:
    """One task, as it is in ``task.json``. ``image`` and ``video`` are names in its folder, or addresses still to be fetched."""

    task_id: str
    order: int
    image: str = field(repr=False)
    video: str = field(repr=False)
    seconds: float
    model_name: str
    character_orientation: str
    keep_original_sound: bool
    created: float
    status: Literal["queued", "processing", "succeeded", "failed"] = "queued"
    reason: str = ""
    started: float | None = None
    ended: float | None = None
    progress: float = 0.0
    attempts: int = 0
    stage: str = ""
    token: str = field(default="", repr=False)

    @property
    def over(self) -> bool:
        return self.status in ("succeeded", "failed")

    @property
    def took(self) -> float:
        """Seconds of rendering, 0 until it ended."""
        return 0.0 if self.started is None or self.ended is None else self.ended - self.started


def waiting(tasks: Collection[Task]) -> list[Task]:
    """Those in the queue, the next one first."""
    return sorted((t for t in tasks if t.status == "queued"), key=lambda t: t.order)


def eta(task: Task, tasks: Collection[Task], now: float) -> int:
    """Seconds until the task is done, by its own pace, or by that of the last ones rendered here. ``now`` is Unix time."""
    if task.over:
        return 0
    speed = _speed(tasks)
    ahead = [
        t
        for t in tasks
        if t.status == "processing" or (t.status == "queued" and t.order < task.order)
    ]
    rest = _rest(task, speed, now) + (
        sum(_rest(t, speed, now) for t in ahead) if task.status == "queued" else 0.0
    )
    return max(1, round(rest))


def load(folder: Path) -> dict[str, Task]:
    """The tasks on disk by their ids; those that were being rendered wait again, in their old order."""
    known = {f.name for f in fields(Task)}
    tasks: dict[str, Task] = {}
    for place in folder.iterdir():
        if place.name.startswith("."):  # a submit that was cut short
            shutil.rmtree(place, ignore_errors=True)
            continue
        try:
            kept = json.loads((place / "task.json").read_text(encoding="utf-8"))
            task = Task(**{name: value for name, value in kept.items() if name in known})
        except (OSError, ValueError, TypeError, AttributeError):
            log.warning("the local task in %s cannot be read and is left out", place.name)
            continue
        if task.status == "processing":
            task.status = "queued"
        tasks[task.task_id] = task
    return tasks


def save(task: Task, folder: Path) -> None:
    """Write ``task.json`` into the task's folder, beside its place first."""
    write_atomic(folder / "task.json", json.dumps(asdict(task)))


def _speed(tasks: Collection[Task]) -> float:
    """Seconds of work for one second of video."""
    done = sorted(
        (t for t in tasks if t.status == "succeeded" and t.took > 0 and t.seconds > 0),
        key=lambda t: t.order,
    )[-_RECENT:]
    return sum(t.took for t in done) / sum(t.seconds for t in done) if done else USUAL_SPEED


def _rest(task: Task, speed: float, now: float) -> float:
    if task.status == "queued" or task.started is None:
        return task.seconds * speed
    gone = max(0.0, now - task.started)
    if task.progress >= _TELLING:
        return gone * (1 - task.progress) / task.progress
    return max(1.0, task.seconds * speed - gone)
