"""The interface of a provider, as the jobs use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from kling_utils.values import Job, Money

Status = Literal["queued", "processing", "succeeded", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One look at a task."""

    status: Status
    word: str
    """The provider's own word for it."""
    reason: str = ""
    """Why it failed, verbatim."""
    progress: int | None = None
    """Per cent. May go back, and may be 0 at success."""
    eta: float | None = None
    """Seconds, as the provider estimates."""
    video_url: str | None = field(default=None, repr=False)
    """Signed, so a credential. Always there when a task of Novita's succeeded."""
    place: int | None = None
    """In the queue, 1 being next, where it is known."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What the account has."""

    available: Money
    cash: Money | None = None
    credit_limit: Money | None = None
    outstanding: Money | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What an account was charged for one product in one hour. Other programs may share the account."""

    start: float
    """Unix time, as is ``end``."""
    end: float
    product: str
    amount: Money


class Provider(Protocol):
    """Makes videos of jobs. All methods raise ``KlingError``."""

    base_url: str | None
    """The host that has the tasks; None for this machine."""
    takes_files: bool
    """Reads the job's own files: nothing has to be published, and the result appears in the job's folder."""

    def ready(self) -> float:
        """0 when a submit may go now; else the seconds after which to ask again. Raises where it would be refused."""
        ...

    def submit(self, job: Job, *, image: str, video: str) -> str:
        """Begin, with the inputs' addresses or base64; empty where the files are taken. Returns the task's id.

        Raises ``SubmitUnconfirmed`` whenever the task may exist; every other error means that nothing was spent.
        """
        ...

    def poll(self, job: Job) -> TaskStatus:
        """The state of the job's task."""
        ...


class PaidProvider(Provider, Protocol):
    """A provider with an account, which one key opens."""

    def seen(self, task_id: str) -> None:
        """Raises ``TaskNotFound`` and its like when this key does not have the task. One that has ended counts as seen."""
        ...

    def balance(self) -> Balance:
        """Free, so it is also the test of a key: raises ``KeyRefused`` for a wrong one."""
        ...

    def bills(self, start: float, end: float) -> list[Bill]:
        """What the account was charged in the hours between two Unix times, for generated images, videos and sounds."""
        ...
