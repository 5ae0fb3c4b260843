"""The contract's other side, as values: what a submit may hold, how a refusal reads, what a poll answers.

Owns the wire's shapes and limits, a second time and on purpose: this is the provider's side, and it does not ask the client's tables.
Refuses to know folders, tasks' lives and HTTP servers. Source of every limit: the provider's page for this route.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FILE_LIMIT = (
    10 * 1024 * 1024
)  # bytes, image and video alike; the page says "10 MB" and the larger reading is the tolerant one
SIDE_MIN = 300  # pixels, inclusive
ASPECT_MAX = 2.5  # inclusive, either way round
SECONDS_MIN, SECONDS_MAX = 3.0, 30.0  # inclusive
SECONDS_SLACK = 0.1  # encoders round the last frame up: a 30 s clip may measure 30.03 s
TEXT_LIMIT = 2500  # characters
PIXELS_MAX = 50_000_000  # not the provider's: what this machine is asked to decode
BODY_LIMIT = (
    64 * 1024 * 1024
)  # bytes of a submit; far over what a legal image needs, so that a large image gets its own refusal
IMAGE_SECONDS = 5.0  # length of a result in image orientation

STATUS_WORDS: dict[str, str] = {
    "queued": "TASK_STATUS_QUEUED",
    "processing": "TASK_STATUS_PROCESSING",
    "succeeded": "TASK_STATUS_SUCCEED",
    "failed": "TASK_STATUS_FAILED",
}
STATUS_OF: dict[str, int] = {
    "INVALID_REQUEST_BODY": 400,
    "IMAGE_FILE_EXCEEDS_MAX_SIZE": 400,
    "INVALID_IMAGE_FORMAT": 400,
    "IMAGE_EXCEEDS_MAX_RESOLUTION": 400,
    "INVALID_IMAGE_SIZE": 400,
    "MISSING_API_KEY": 400,
    "INVALID_API_KEY": 403,
    "ACCESS_DENY": 403,
    "API_NOT_FOUND": 404,
    "TASK_NOT_FOUND": 404,
    "CREATE_TASK_FAILED": 500,
}
_URL = re.compile(r"https?://[^\s/]+", re.IGNORECASE)
_DATA_URI = re.compile(r"data:[\w.+/-]*(;[\w.+=-]+)*;base64,", re.IGNORECASE)


class Refusal(Exception):
    """The server's considered no, as the contract words it. ``message`` never repeats a value that could be a secret."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
        self.status = STATUS_OF[reason]

    def body(self) -> dict[str, Any]:
        return {"code": self.status, "reason": self.reason, "message": self.message, "metadata": {}}


@dataclass(frozen=True, slots=True)
class Submission:
    """A body that passed. ``image`` is its bytes or an address, ``video`` an address; neither has been looked at yet."""

    image: bytes | str = field(repr=False)
    video: str = field(repr=False)
    model_name: str
    character_orientation: str
    keep_original_sound: bool


@dataclass(frozen=True, slots=True)
class View:
    """A task as a poll shows it: times in Unix seconds, ``eta`` in seconds, ``progress`` in per cent."""

    task_id: str
    status: Literal["queued", "processing", "succeeded", "failed"]
    reason: str
    progress: int
    eta: int
    created: float
    started: float | None
    ended: float | None
    place: int | None
    stage: str
    token: str = field(repr=False)
    ttl: int


def read_submit(raw: bytes) -> Submission:
    """The fields of a submit, checked in the documented order. Raises ``Refusal``, naming the first field that is wrong."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _invalid("the body is not JSON") from error
    if not isinstance(body, dict):
        raise _invalid("the body is not a JSON object")
    image, video = _text(body, "image"), _text(body, "video")
    source = image.strip() if _URL.match(image.strip()) else _decoded(image)
    if not _URL.match(video.strip()):
        raise _invalid("video: must be an http(s) URL")
    for name in ("prompt", "negative_prompt"):
        value = body.get(name, "")
        if not isinstance(value, str):
            raise _invalid(f"{name}: must be a string")
        if len(value) > TEXT_LIMIT:
            raise _invalid(f"{name}: at most {TEXT_LIMIT} characters, got {len(value)}")
    # The page calls both required *and* gives the model a default. A body without them is refused: what passes here, passes there.
    model_name = _one_of(body, "model_name", ("kling-v3-0-std", "kling-v3-0-pro"))
    sound = body.get("keep_original_sound", True)
    if not isinstance(sound, bool):
        raise _invalid("keep_original_sound: must be a boolean")
    orientation = _one_of(body, "character_orientation", ("image", "video"))
    return Submission(source, video.strip(), model_name, orientation, sound)


def check_image(path: Path) -> str:
    """A picture's file against the documented limits; returns the suffix that fits its bytes. Raises ``Refusal``."""
    if path.stat().st_size > FILE_LIMIT:
        raise Refusal(
            "IMAGE_FILE_EXCEEDS_MAX_SIZE",
            f"image: at most {FILE_LIMIT} bytes, got {path.stat().st_size}",
        )
    from kling_utils.errors import UnreadableMedia  # late: polls need no readers
    from kling_utils.media.picture_file import open_picture, picture_cost

    wrong = Refusal("INVALID_IMAGE_FORMAT", "image: must be a readable .jpg, .jpeg or .png")
    try:
        if picture_cost(path)[0] > PIXELS_MAX:
            raise _too_many_pixels()
        with open_picture(path, longest=1) as opened:
            (width, height), kind = opened.size, opened.format
    except UnreadableMedia as error:
        raise (_too_many_pixels() if error.found == "bomb" else wrong) from error
    if kind not in ("JPEG", "PNG"):
        raise wrong
    if min(width, height) < SIDE_MIN or max(width, height) > ASPECT_MAX * min(width, height):
        allowed = f"sides of at least {SIDE_MIN} px, aspect ratio 1:{ASPECT_MAX} to {ASPECT_MAX}:1"
        raise Refusal("INVALID_IMAGE_SIZE", f"image: {allowed}; got {width}x{height}")
    return ".png" if kind == "PNG" else ".jpg"


def check_video(path: Path) -> float:
    """A clip's file against the documented limits; returns its length in seconds. Raises ``Refusal``."""
    from kling_utils.errors import KlingError
    from kling_utils.media import probe  # late: it loads the readers, and polls need none

    if path.stat().st_size > FILE_LIMIT:
        raise _invalid(f"video: at most {FILE_LIMIT} bytes, got {path.stat().st_size}")
    try:
        info = probe.probe_video(path)
    except KlingError as error:
        raise _invalid(f"video: cannot be read ({error.message})") from error
    if info.container not in ("mp4", "mov"):
        raise _invalid("video: must be .mp4 or .mov")
    if min(info.size) < SIDE_MIN:
        raise _invalid(f"video: sides of at least {SIDE_MIN} px, got {info.size}")
    if not SECONDS_MIN - SECONDS_SLACK <= info.duration <= SECONDS_MAX + SECONDS_SLACK:
        raise _invalid(
            f"video: {SECONDS_MIN:.0f} to {SECONDS_MAX:.0f} s, got {info.duration:.2f} s"
        )
    return info.duration


def answer(view: View, base_url: str) -> dict[str, Any]:
    """The documented answer to a poll. Our additions stand in ``extra``: ``queue_position``, ``stage``, ``draft``."""
    extra: dict[str, Any] = {
        "seed": "0",  # a number, as the provider's own client reads it
        "enable_nsfw_detection": False,
        "debug_info": {
            "request_info": "",
            "submit_time_ms": _milliseconds(view.created),
            "execute_time_ms": _milliseconds(view.started),
            "complete_time_ms": _milliseconds(view.ended),
        },
        "draft": True,  # a draft never passes for a result of the model
    }
    if view.place is not None:
        extra["queue_position"] = view.place
    if view.stage:
        extra["stage"] = view.stage
    videos = []
    if view.status == "succeeded":
        link = f"{base_url}/local/results/{view.token}.mp4"
        videos.append({"video_url": link, "video_url_ttl": str(view.ttl), "video_type": "mp4"})
    return {
        "extra": extra,
        "task": {
            "task_id": view.task_id,
            "status": STATUS_WORDS[view.status],
            "reason": view.reason,
            "task_type": "LOCAL_DRAFT",
            "eta": view.eta,
            "progress_percent": view.progress,
        },
        "images": [],
        "videos": videos,
        "audios": [],
    }


BALANCE = {
    "availableBalance": "0",
    "cashBalance": "0",
    "creditLimit": "0",
    "outstandingInvoices": "0",
}
"""Drafts are free, so there is nothing to have; the unit would be 0.0001 USD."""


def _decoded(image: str) -> bytes:
    """Base64, raw or as a data URI: the page does not say which, so both are taken."""
    head = _DATA_URI.match(image)
    text = "".join(image[head.end() if head else 0 :].split())
    if len(text) > FILE_LIMIT * 4 // 3 + 4:
        raise Refusal("IMAGE_FILE_EXCEEDS_MAX_SIZE", f"image: at most {FILE_LIMIT} bytes")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("image: neither an http(s) URL nor base64") from error
    if not data:
        raise _invalid("image: is empty")
    return data


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None or value == "":
        raise _invalid(f"{name}: is required")
    if not isinstance(value, str):
        raise _invalid(f"{name}: must be a string")
    return value


def _one_of(body: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = _text(body, name)
    if value not in allowed:
        raise _invalid(f"{name}: must be {' or '.join(allowed)}")
    return value


def _invalid(message: str) -> Refusal:
    return Refusal("INVALID_REQUEST_BODY", message)


def _too_many_pixels() -> Refusal:
    return Refusal("IMAGE_EXCEEDS_MAX_RESOLUTION", f"image: at most {PIXELS_MAX} pixels")


def _milliseconds(moment: float | None) -> str:
    """Of a moment that is not there yet, 0: the provider's own client reads a number."""
    return "0" if moment is None else str(int(moment * 1000))
