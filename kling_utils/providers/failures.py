"""What the provider's refusals and failures mean, and what to do about each: one table for reasons, one for failure texts.

Sources: the provider's error pages, and texts that users of this model published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from kling_utils.errors import (
    AccountRefused,
    BalanceTooLow,
    InputRefused,
    KeyRefused,
    KlingError,
    ModerationRefused,
    MoneyState,
    NoFreeSlot,
    ProviderDown,
    ProviderError,
    RateLimited,
    TaskFailed,
    TaskNotFound,
)
from kling_utils.media.fetch import without_queries
from kling_utils.values import MotionRequest

_LONGEST = 600  # characters of the provider's words


Error = TypeVar("Error", bound=KlingError, covariant=True)


@dataclass(frozen=True, slots=True)
class Refusal(Generic[Error]):
    """What one answer of the provider means: the error it becomes, what happened, what to do, and the field to change."""

    error: type[Error]
    message: str
    hint: str
    field: str = ""
    advice: tuple[str, ...] = ()
    """Codes of the advice about the content that would have told it."""


_KEY = "Copy the key again from novita.ai, Settings, Key Management."
_ACCOUNT = (
    "Look at your account at the provider: it must be verified and allowed to use this model."
)
_THEIRS = "This is on the provider's side; try again in a few minutes."
_PICTURE = "Use a .jpg or .png whose size and shape pass the checks, without a warning."

REASONS: dict[str, Refusal[ProviderError]] = {
    "INVALID_REQUEST_BODY": Refusal(
        InputRefused,
        "A field of the request was refused.",
        "Correct the field that the provider names.",
    ),
    "IMAGE_FILE_EXCEEDS_MAX_SIZE": Refusal(
        InputRefused, "The image file is too large.", "Save it as JPEG, or smaller.", "image"
    ),
    "INVALID_IMAGE_FORMAT": Refusal(
        InputRefused, "The image's format was refused.", "Save it as .jpg or .png.", "image"
    ),
    "IMAGE_EXCEEDS_MAX_RESOLUTION": Refusal(
        InputRefused, "The image has too many pixels.", "Make it smaller.", "image"
    ),
    "INVALID_IMAGE_SIZE": Refusal(InputRefused, "The image's size was refused.", _PICTURE, "image"),
    "IMAGE_NO_FACE_DETECTED": Refusal(
        InputRefused,
        "No face was found in the image.",
        "Use a picture that shows the face, uncovered and from the front.",
        "image",
        (
            *("image.person", "image.torso", "image.view", "image.area", "image.sharp"),
            *("image.light", "image.turned"),
        ),
    ),
    "ILLEGAL_PROMPT": Refusal(
        ModerationRefused,
        "The prompt was refused by moderation.",
        "Reword the prompt; the same words rarely pass later.",
        "prompt",
    ),
    "ILLEGAL_IMAGE_CONTENT": Refusal(
        ModerationRefused,
        "The image was refused by moderation.",
        "Use another image; the same one rarely passes later.",
        "image",
    ),
    "MISSING_API_KEY": Refusal(KeyRefused, "The API key did not arrive.", _KEY),
    "INVALID_API_KEY": Refusal(KeyRefused, "The API key was refused.", _KEY),
    "FAILED_TO_AUTH": Refusal(KeyRefused, "The API key was refused.", _KEY),
    "BILLING_BALANCE_NOT_ENOUGH": Refusal(
        BalanceTooLow,
        "The balance is too low.",
        "Top up your account at the provider, or choose std.",
    ),
    "NOT_ENOUGH_BALANCE": Refusal(
        BalanceTooLow,
        "The balance is too low.",
        "Top up your account at the provider, or choose std.",
    ),
    "BILLING_AUTH_FAILED": Refusal(
        AccountRefused, "The account's billing refused the request.", _ACCOUNT
    ),
    "FEATURE_NOT_ALLOWED": Refusal(
        AccountRefused, "The account may not use this feature.", _ACCOUNT
    ),
    "API_NOT_ALLOWED": Refusal(AccountRefused, "The account may not use this model.", _ACCOUNT),
    "ACCESS_DENY": Refusal(AccountRefused, "Access was denied.", _ACCOUNT),
    "NEED_REAL_NAME_VERIFY": Refusal(
        AccountRefused, "The account must be verified first.", "Verify your name at the provider."
    ),
    "API_NOT_FOUND": Refusal(
        ProviderError,
        "The provider does not know this address.",
        "Check NOVITA_BASE_URL: the host must offer Kling V3.0 Motion Control.",
    ),
    "TASK_NOT_FOUND": Refusal(
        TaskNotFound,
        "The provider does not know this task.",
        "It has expired there, or belongs to the account of another key.",
    ),
    "RATE_LIMIT_EXCEEDED": Refusal(
        RateLimited, "Too many requests.", "Wait a minute, or send fewer at a time."
    ),
    "BILLING_FAILED": Refusal(ProviderDown, "The provider's billing failed.", _THEIRS),
    "CREATE_TASK_FAILED": Refusal(ProviderDown, "The provider could not create the task.", _THEIRS),
    "GET_RESULT_FAILED": Refusal(
        ProviderDown, "The provider could not read the task's state.", _THEIRS
    ),
    "TASK_FAILED": Refusal(ProviderDown, "The task failed at the provider.", _THEIRS),
    "SERVICE_NOT_AVAILABLE": Refusal(ProviderDown, "The provider is overloaded.", _THEIRS),
}
STATUSES: dict[int, Refusal[ProviderError]] = {
    400: Refusal(InputRefused, "The request was refused.", "Correct what the provider names."),
    401: REASONS["FAILED_TO_AUTH"],
    402: REASONS["NOT_ENOUGH_BALANCE"],
    403: Refusal(AccountRefused, "Access was denied.", _ACCOUNT),
    404: REASONS["API_NOT_FOUND"],
    408: Refusal(ProviderDown, "The provider ran out of time.", _THEIRS),
    413: Refusal(
        InputRefused,
        "The request is too large.",
        "Use a smaller image, or one at a public address.",
        "image",
    ),
    422: Refusal(InputRefused, "The request was refused.", "Correct what the provider names."),
    429: REASONS["RATE_LIMIT_EXCEEDED"],
}


_OF_THE_IMAGE = (
    *("image.person", "image.people", "image.torso", "image.view", "image.area", "image.hands"),
    *("image.sharp", "image.light", "image.collage", "image.text", "image.turned"),
)
_OF_THE_VIDEO = (
    *("video.person", "video.people", "video.torso", "video.area", "video.leaving"),
    *("video.arms", "video.light", "video.collage", "video.text", "video.turned"),
)
_OF_THE_TAKE = (
    *("video.cuts", "video.changes", "video.back", "video.side", "video.first", "video.still"),
)

# Of a failed task, wherever the text is wrapped. The first that is found counts: the more precise ones stand above.
TEXTS: dict[str, Refusal[KlingError]] = {
    "No complete upper body detected in the image": Refusal(
        TaskFailed,
        "No head and torso were found in the image.",
        "Use a picture that shows head and torso, unoccluded and large enough.",
        "image",
        _OF_THE_IMAGE,
    ),
    "No complete upper body detected in the video": Refusal(
        TaskFailed,
        "No complete upper body was found in the video: the subject is too small, cropped or occluded, or there are two people.",
        "Crop the video to one person, larger in the frame, head and torso always visible.",
        "video",
        _OF_THE_VIDEO,
    ),
    "duration of continuous valid motion is too short": Refusal(
        TaskFailed,
        "The video has too little motion that can be followed: cuts, floor work, a turned back or occlusion interrupt it.",
        "Keep one clean take without a break, one person facing the camera.",
        "video",
        (*_OF_THE_VIDEO, *_OF_THE_TAKE),
    ),
    "character in the reference image or the first frame of the motion video is invalid": Refusal(
        TaskFailed,
        "The character was not recognised, in the image or in the video's first frame.",
        "Move the start of the video to a frame that shows the person clearly; if that does not help, use a less stylised picture.",
        "video",
        (
            *_OF_THE_IMAGE,
            *("video.first", "video.person", "video.torso", "video.turned", "pair.start"),
        ),
    ),
    "parallel task over resource pack limit": Refusal(
        NoFreeSlot,
        "All of the provider's slots were in use. Nothing is wrong with the files.",
        "Wait a few minutes, then send the same request again.",
    ),
    "Failure to pass the risk control system": Refusal(
        ModerationRefused,
        "Moderation refused the content.",
        "Change the image, the video or the prompt; the same input rarely passes later.",
    ),
    "resolution or aspect ratio of the input image is invalid": Refusal(
        TaskFailed, "The image's size or shape was refused.", _PICTURE, "image"
    ),
}


def error_for(
    status: int, body: object, *, money: MoneyState = "no", retry_after: float | None = None
) -> ProviderError:
    """The error that an answer means: by its ``reason`` first, then by its HTTP status, since sources disagree on the status.

    A success status means that the answer says nothing usable, and the provider is taken to be in trouble.
    """
    said = body if isinstance(body, dict) else {}
    reason = str(said.get("reason") or "")
    words = _words(said.get("message")) or ("" if reason in REASONS else _words(reason))
    refusal: Refusal[ProviderError]
    if status < 400:
        what = (
            "a redirect" if status >= 300 else "an error" if said.get("code") else "nothing usable"
        )
        refusal = Refusal(ProviderDown, f"The provider answered with {what}.", _THEIRS)
    elif status == 404 and not said:  # a page of some gateway knows nothing of tasks and routes
        what = "Something that is not the provider's API answered."
        refusal = Refusal(ProviderDown, what, STATUSES[404].hint)
    else:
        other = (
            Refusal(ProviderDown, "The provider is in trouble.", _THEIRS)
            if status >= 500
            else Refusal(ProviderError, "The provider refused the request.", _THEIRS)
        )
        refusal = REASONS.get(reason.strip().upper()) or STATUSES.get(status, other)
    about = ", ".join(
        part for part in (f"HTTP {status}", _words(reason)[:60], _trace(said)) if part
    )
    return refusal.error(
        f"{refusal.message} ({about})",
        hint=refusal.hint,
        money=money,
        words=words,
        field=refusal.field or (_field(words) if refusal.error is InputRefused else ""),
        reason=_words(reason),
        status=status,
        retry_after=retry_after,
    )


def task_failed(reason: str) -> KlingError:
    """The error of a task that was accepted and then failed, from ``task.reason``. Whether it was charged is not documented."""
    words = _words(reason)
    refusal, name = _meant(reason)
    if refusal is not None:
        more = {"reason": name} if name else {}
        failed: KlingError = refusal.error(
            refusal.message,
            hint=refusal.hint,
            money="unknown",
            words=words,
            field=refusal.field,
            **more,
        )
        return failed
    hint = (
        "Change what the provider names, or try again: a fault of theirs may pass."
        if words
        else "No reason was given. Another try is paid again; this one may have been charged."
    )
    return TaskFailed("The task failed at the provider.", hint=hint, words=words)


def advice_for(words: str) -> tuple[str, ...]:
    """Codes of the advice that would have told why a task failed, by the provider's words; empty where content is not to blame."""
    refusal, _ = _meant(words)
    return refusal.advice if refusal is not None else ()


def _meant(reason: str) -> tuple[Refusal[Any] | None, str]:
    """What a failed task's reason means, and the name of the reason where it is one of ``REASONS``."""
    plain = _plain(reason)
    for text, refusal in TEXTS.items():
        if _plain(text) in plain:
            return refusal, ""
    for name, meant in REASONS.items():
        of_input = meant.error in (InputRefused, ModerationRefused)
        if of_input and re.search(rf"\b{name}\b", reason, re.IGNORECASE):
            return meant, name
    return None, ""


def _words(text: object) -> str:
    """The provider's words as they are, except that signed addresses lose their signature; at most 600 characters."""
    return without_queries(text.strip())[:_LONGEST] if isinstance(text, str) else ""


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _trace(said: dict[str, Any]) -> str:
    metadata = said.get("metadata")
    trace = metadata.get("trace_id") if isinstance(metadata, dict) else None
    return f"trace {_words(trace)[:80]}" if trace and isinstance(trace, str) else ""


def _field(words: str) -> str:
    """The field of the wire that the words name first."""
    found = re.search(
        rf"\b({'|'.join(each.name for each in fields(MotionRequest))})\b", words.lower()
    )
    return found[1] if found else ""
