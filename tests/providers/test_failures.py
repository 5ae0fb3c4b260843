"""Every documented reason and every published failure text has its class and its advice."""

from __future__ import annotations

import inspect
import re

import pytest

from kling_utils.errors import (
    AccountRefused,
    BalanceTooLow,
    InputRefused,
    KeyRefused,
    ModerationRefused,
    NoFreeSlot,
    ProviderDown,
    ProviderError,
    RateLimited,
    TaskFailed,
    TaskNotFound,
)
from kling_utils.preflight import advice
from kling_utils.providers import failures
from kling_utils.providers.failures import error_for, task_failed

CONTRACT: dict[str, tuple[int, type[ProviderError]]] = {
    "INVALID_REQUEST_BODY": (400, InputRefused),
    "IMAGE_FILE_EXCEEDS_MAX_SIZE": (400, InputRefused),
    "INVALID_IMAGE_FORMAT": (400, InputRefused),
    "IMAGE_EXCEEDS_MAX_RESOLUTION": (400, InputRefused),
    "INVALID_IMAGE_SIZE": (400, InputRefused),
    "IMAGE_NO_FACE_DETECTED": (400, InputRefused),
    "ILLEGAL_PROMPT": (400, ModerationRefused),
    "ILLEGAL_IMAGE_CONTENT": (400, ModerationRefused),
    "MISSING_API_KEY": (400, KeyRefused),
    "INVALID_API_KEY": (403, KeyRefused),
    "FAILED_TO_AUTH": (401, KeyRefused),
    "BILLING_BALANCE_NOT_ENOUGH": (400, BalanceTooLow),
    "NOT_ENOUGH_BALANCE": (403, BalanceTooLow),
    "BILLING_AUTH_FAILED": (403, AccountRefused),
    "FEATURE_NOT_ALLOWED": (403, AccountRefused),
    "API_NOT_ALLOWED": (403, AccountRefused),
    "ACCESS_DENY": (403, AccountRefused),
    "NEED_REAL_NAME_VERIFY": (403, AccountRefused),
    "API_NOT_FOUND": (404, ProviderError),
    "TASK_NOT_FOUND": (404, TaskNotFound),
    "RATE_LIMIT_EXCEEDED": (429, RateLimited),
    "BILLING_FAILED": (500, ProviderDown),
    "CREATE_TASK_FAILED": (500, ProviderDown),
    "GET_RESULT_FAILED": (500, ProviderDown),
    "TASK_FAILED": (500, ProviderDown),
    "SERVICE_NOT_AVAILABLE": (503, ProviderDown),
}
TEXTS = {
    "No complete upper body detected in the video": ("video", TaskFailed, "one person"),
    "Image recognition failed. No complete upper body detected in the image": (
        "image",
        TaskFailed,
        "head and torso",
    ),
    "duration of continuous valid motion is too short": ("video", TaskFailed, "one clean take"),
    "character in the reference image or the first frame of the motion video is invalid": (
        "video",
        TaskFailed,
        "start",
    ),
    "parallel task over resource pack limit": ("", NoFreeSlot, "same request again"),
    "Failure to pass the risk control system": ("", ModerationRefused, "same input"),
    "resolution or aspect ratio of the input image is invalid": (
        "image",
        TaskFailed,
        "pass the checks",
    ),
}


def test_the_table_is_the_contracts() -> None:
    assert set(failures.REASONS) == set(CONTRACT)
    assert len(failures.TEXTS) == len(TEXTS)


@pytest.mark.parametrize("reason", CONTRACT)
def test_every_reason(reason: str) -> None:
    status, kind = CONTRACT[reason]
    error = error_for(
        status,
        {
            "code": status,
            "reason": reason,
            "message": "Verbatim, as it came.",
            "metadata": {"trace_id": "tr-1"},
        },
    )
    assert type(error) is kind
    assert (error.reason, error.status, error.words, error.money) == (
        reason,
        status,
        "Verbatim, as it came.",
        "no",
    )
    assert error.hint
    assert "tr-1" in error.message
    assert "Verbatim, as it came." in str(error)


@pytest.mark.parametrize("reason", CONTRACT)
def test_the_reason_counts_more_than_the_status(reason: str) -> None:
    assert type(error_for(418, {"reason": reason})) is CONTRACT[reason][1]
    assert (
        type(error_for(CONTRACT[reason][0], {"reason": reason})) is CONTRACT[reason][1]
    )  # metadata and message may be absent


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InputRefused),
        (401, KeyRefused),
        (402, BalanceTooLow),
        (403, AccountRefused),
        (404, ProviderError),
        (408, ProviderDown),
        (413, InputRefused),
        (418, ProviderError),
        (422, InputRefused),
        (429, RateLimited),
        (500, ProviderDown),
        (599, ProviderDown),
        (200, ProviderDown),
        (302, ProviderDown),
    ],
)
def test_a_status_alone(status: int, kind: type[ProviderError]) -> None:
    error = error_for(status, {"code": status, "reason": "SOMETHING_NEW", "message": "what?"})
    assert type(error) is kind
    assert error.hint
    assert "SOMETHING_NEW" in error.message


@pytest.mark.parametrize(
    "body",
    [
        None,
        "text",
        [],
        {"reason": None, "message": None, "metadata": None},
        {"reason": 7, "message": {"a": 1}},
    ],
)
def test_any_body(body: object) -> None:
    assert error_for(500, body).words in ("", "7")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "wrap", ["{}", "task failed: {} (code 1201)", '{{"message": "{}."}}', "  {}\n"]
)
def test_every_failure_text(text: str, wrap: str) -> None:
    field, kind, advice = TEXTS[text]
    for said in (wrap.format(text), wrap.format(text).upper()):
        error = task_failed(said)
        assert type(error) is kind
        assert error.field == field
        assert advice in error.hint
        assert error.words == said.strip()
        assert error.money == "unknown"


def test_a_failure_nobody_has_seen() -> None:
    error = task_failed("gremlins")
    assert type(error) is TaskFailed
    assert (error.words, error.money) == ("gremlins", "unknown")
    assert error.hint
    assert "No reason" in task_failed("").hint


def test_a_reason_of_the_table_as_a_failure_text() -> None:
    error = task_failed("ILLEGAL_IMAGE_CONTENT: sensitive")
    assert type(error) is ModerationRefused
    assert (error.field, error.money) == ("image", "unknown")


def test_words_lose_signatures_and_nothing_else() -> None:
    said = "cannot fetch https://u:p@bucket.example/a/clip.mp4?X-Amz-Signature=abc&x=1#f now, see https://docs.example/errors"
    error = error_for(400, {"reason": "INVALID_REQUEST_BODY", "message": said})
    assert (
        error.words
        == "cannot fetch https://bucket.example/a/clip.mp4 now, see https://docs.example/errors"
    )


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("video: must be a URL", "video"),
        ("field negative_prompt is too long", "negative_prompt"),
        ("Invalid value for 'character_orientation'", "character_orientation"),
        ("the images are bad", ""),
    ],
)
def test_the_field_that_the_words_name(message: str, field: str) -> None:
    assert error_for(400, {"reason": "INVALID_REQUEST_BODY", "message": message}).field == field


def test_what_is_said_of_the_content_names_the_advice_that_tells_it() -> None:
    source = inspect.getsource(advice)
    known = {where + rule for where, rule in re.findall(r'"(image|video|pair)(\.[a-z]+)"', source)}
    shared = re.findall(r'f"\{where\}(\.[a-z]+)"', source)
    known |= {where + rule for where in ("image", "video") for rule in shared}
    about = [refusal for refusal in failures.TEXTS.values() if refusal.advice]
    assert len(about) == 4
    for refusal in (*about, failures.REASONS["IMAGE_NO_FACE_DETECTED"]):
        assert set(refusal.advice) <= known, refusal.message
    refused = error_for(400, {"reason": "IMAGE_NO_FACE_DETECTED", "message": "no face"})
    assert "image.view" in failures.advice_for(f"{refused.words} {refused.message}")
    assert failures.advice_for("Failure to pass the risk control system") == ()
