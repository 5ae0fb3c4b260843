"""The error tree. Every error says what happened, to what, whether money was spent, and what to do.

::

    KlingError                      .hint (what to do)  .money (was money spent?)  .words (the provider's)  .field
    ├── InvalidRequest              a value no provider could accept            (a ValueError)
    ├── SettingError                a setting or key that cannot be used        (a ValueError)
    ├── UnreadableMedia             a file that cannot be read as what it should be
    ├── FfmpegFailed                the bundled ffmpeg refused or ran out of time
    ├── AddressRefused              an address that is not fetched              (a ValueError)
    ├── Refused                     the checks found errors; .report has them
    │   └── Unrepairable            ... and no repair answers one of them
    ├── NotPublished                a local file that the provider could not fetch
    ├── OverBudget                  more than is left of today's budget; .left .resets_at
    ├── PriceNotAgreed              more than the sum above which you want to be asked
    ├── AlreadyHave                 the same request is finished or in doubt; .job_id names it
    ├── NoSuchJob                   no job of that id for this owner            (a LookupError)
    ├── CannotServe                 the key or the host that a job needs is not here; .waits_for
    ├── Interrupted                 work that was stopped on request
    ├── Busy                        too much is going on at once; ask again in a moment
    ├── NoContact                   nothing was delivered: name, connection     (a ConnectionError)
    ├── SubmitUnconfirmed           sent, no usable answer: the task may exist
    ├── StillRunning                past the deadline; resume with the job id   (a TimeoutError)
    ├── DownloadFailed              the result exists but could not be fetched
    │   └── LinkExpired             ... because its link is gone
    ├── ProviderError               the provider's considered no: .reason .status
    │   ├── KeyRefused  ├── BalanceTooLow  ├── AccountRefused  ├── InputRefused
    │   ├── ModerationRefused  ├── RateLimited (.retry_after)  ├── TaskNotFound  └── ProviderDown
    ├── NoFreeSlot                  the provider's slots were all in use; send it again later
    └── TaskFailed                  accepted, then failed at the provider
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from decimal import Decimal

    from kling_utils.values import Report

MoneyState = Literal["no", "yes", "unknown"]
SPENT: dict[MoneyState, str] = {
    "no": "Nothing was spent.",
    "yes": "Money was spent.",
    "unknown": "Whether money was spent is not known.",
}


class KlingError(Exception):
    """Base of all errors of this package."""

    money: MoneyState = "no"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        money: MoneyState | None = None,
        words: str = "",
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.message, self.hint, self.words, self.field = message, hint, words, field
        self.job_id: str | None = None
        self.task_id: str | None = None
        if money is not None:
            self.money = money

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied with all attributes, whatever the arguments of ``__init__`` are."""
        return _restored, (type(self), self.args, self.__dict__)

    @property
    def code(self) -> str:
        """Stable name for stores and machines: the class's."""
        return type(self).__name__

    def __str__(self) -> str:
        said = f' The provider said: "{self.words}"' if self.words else ""
        return " ".join(
            part for part in (self.message + said, self.hint, SPENT[self.money]) if part
        )


def _restored(
    kind: type[KlingError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> KlingError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class InvalidRequest(KlingError, ValueError):
    """A value that no provider could accept."""


class SettingError(KlingError, ValueError):
    """A setting or a key that cannot be used. The value itself is never echoed."""


class UnreadableMedia(KlingError):
    """A file that cannot be read as the picture or clip it should be.

    ``what`` is what it is instead, as in "this file is ..."; ``found`` the same in one word for machines: ``image``, ``video``, ``audio``,
    ``text``, ``heif``, ``empty``, ``missing``, ``broken``, ... Both may be empty.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        what: str = "",
        found: str = "",
        field: str = "",
        money: MoneyState | None = None,
        words: str = "",
    ) -> None:
        super().__init__(message, hint=hint, field=field, money=money, words=words)
        self.what, self.found = what, found


class FfmpegFailed(KlingError):
    """The bundled ffmpeg refused a file or ran out of time."""


class AddressRefused(KlingError, ValueError):
    """An address that is not fetched: private, malformed, too large, or a page instead of a file."""


_OF_FILES = (".unreadable", ".is_image", ".is_video", ".protected", ".decodes")
"""Ends of the codes of findings about a file as a whole. What was measured is then words, or a sentence of its own, and no value."""


class Refused(KlingError):
    """The checks found errors, so nothing was sent."""

    def __init__(self, report: Report) -> None:
        self.report = report
        first = report.errors[0]
        more = len(report.errors) - 1
        rest = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
        if first.code.endswith(_OF_FILES) or not first.allowed:
            told = f"Not sent. {first.title}: {first.measured.removesuffix('.')}{rest}."
        else:
            told = f"Not sent: the {first.title.lower()} is {first.measured}, allowed is {first.allowed}{rest}."
        super().__init__(told, hint=first.fix, field=first.field)


class Unrepairable(Refused):
    """A file that cannot be made legal: why, and what else to do."""

    def __init__(self, report: Report, message: str, *, hint: str, field: str) -> None:
        KlingError.__init__(self, message, hint=hint, field=field)
        self.report = report


class NotPublished(KlingError):
    """A local file that the provider could not fetch."""


class OverBudget(KlingError):
    """The job may cost more than is left of today's budget; nothing was sent.

    ``left`` is what is left, in USD, ``resets_at`` the Unix time at which the budget starts anew.
    """

    left: Decimal | None = None
    resets_at: float | None = None


class PriceNotAgreed(KlingError):
    """The job may cost more than the sum above which the user wants to be asked; nothing was sent."""


class AlreadyHave(KlingError):
    """The same request is already finished, or its outcome is in doubt; ``job_id`` names the job."""


class NoSuchJob(KlingError, LookupError):
    """No job of that id for this owner."""


class CannotServe(KlingError):
    """This process lacks the key or the host that a job needs; the job waits, visibly."""

    def __init__(
        self, message: str, *, hint: str, waits_for: Literal["key", "host"], money: MoneyState
    ) -> None:
        super().__init__(message, hint=hint, money=money)
        self.waits_for = waits_for


class Interrupted(KlingError):
    """Work that was stopped on request."""


class Busy(KlingError):
    """Too much of the same kind is going on at once, or waits already. Nothing was begun."""


class NoContact(KlingError, ConnectionError):
    """The provider could not be reached; what was to be sent provably never left.

    ``lasting`` is True where a repeat cannot end differently: a certificate or an address that cannot be used.
    """

    lasting = False


class SubmitUnconfirmed(KlingError):
    """The request was sent and no usable answer came: the task may exist and may be billed. Never resent by itself."""

    money: MoneyState = "unknown"


class StillRunning(KlingError, TimeoutError):
    """The deadline passed; the task goes on at the provider and can be resumed."""

    money: MoneyState = "yes"


class DownloadFailed(KlingError):
    """The result exists at the provider but could not be saved."""

    money: MoneyState = "yes"


class LinkExpired(DownloadFailed):
    """The result's link does not work any more, not even a fresh one."""


class ProviderError(KlingError):
    """The provider's considered no."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        money: MoneyState | None = None,
        words: str = "",
        field: str = "",
        reason: str = "",
        status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, money=money, words=words, field=field)
        self.reason, self.status, self.retry_after = reason, status, retry_after


class KeyRefused(ProviderError):
    """The API key is missing, wrong or revoked."""


class BalanceTooLow(ProviderError):
    """The account's balance does not cover the task."""


class AccountRefused(ProviderError):
    """The account may not use this model."""


class InputRefused(ProviderError):
    """A field of the request is not accepted; ``field`` names it when it is known."""


class ModerationRefused(ProviderError):
    """Refused by the provider's moderation: the same input rarely passes later."""


class RateLimited(ProviderError):
    """Too many requests; ``retry_after`` seconds when the provider said so."""


class TaskNotFound(ProviderError):
    """Unknown, foreign or expired task."""


class ProviderDown(ProviderError):
    """Trouble on the provider's side."""


class NoFreeSlot(KlingError):
    """All of the provider's slots were in use. The input is fine; the same request may be sent again."""


class TaskFailed(KlingError):
    """Accepted, then failed at the provider. Whether failed tasks are charged is not documented."""

    money: MoneyState = "unknown"
