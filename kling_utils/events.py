"""What a job says on its way: a closed union of frozen values, the one stream that app, notebook and command line render.

::

    match event:
        case Checked(report=r): ...
        case Processing(progress=p): ...
        case Succeeded(video=path): ...
        case Failed(trouble=t): ...
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kling_utils.values import Quote, Report, Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The files were measured; nothing was spent so far."""

    report: Report
    quote: Quote | None
    kind: Literal["checked"] = "checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The provider can fetch the clip, and how. The address itself is a credential and is not told."""

    how: str
    expires_at: float | None
    kind: Literal["published"] = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """Accepted by the provider: from here on it may cost money."""

    task_id: str
    kind: Literal["submitted"] = "submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """Sent, but no usable answer came: the task may exist. Never resent by itself."""

    trouble: Trouble
    kind: Literal["unconfirmed"] = "unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Waiting at the provider; ``seconds`` so far, which do not count against the deadline."""

    seconds: float
    eta: float | None = None
    place: int | None = None
    kind: Literal["queued"] = "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """Being made: ``progress`` in per cent never goes back; queue and run time apart."""

    progress: int | None
    queue_seconds: float
    run_seconds: float
    eta: float | None = None
    kind: Literal["processing"] = "processing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth a line that changes nothing."""

    text: str
    lasting: bool = False
    """Still true when the job has ended. Other notes are about the moment: the next event makes them history."""
    kind: Literal["note"] = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRunning:
    """Past the deadline: watched more slowly, and resumable. Never a failure."""

    hint: str
    kind: Literal["still_running"] = "still_running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloading:
    """The result is being saved; bytes."""

    done: int
    total: int | None
    kind: Literal["downloading"] = "downloading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The result is saved and plays."""

    video: Path
    draft: bool
    kind: Literal["succeeded"] = "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The end of it, with what to do."""

    trouble: Trouble
    kind: Literal["failed"] = "failed"


Event = (
    Checked
    | Published
    | Submitted
    | Unconfirmed
    | Queued
    | Processing
    | Note
    | StillRunning
    | Downloading
    | Succeeded
    | Failed
)
