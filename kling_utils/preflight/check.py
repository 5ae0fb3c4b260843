"""Measured files against the table of limits: every finding at once, passes included.

Owns which measured value belongs to which rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from kling_utils.errors import KlingError, UnreadableMedia
from kling_utils.media.picture_header import MOST_FRAMES
from kling_utils.preflight import words
from kling_utils.preflight.limits import (
    DOLBY_ONLY,
    DURATION_TOLERANCE,
    HEADER_TOLERANCE,
    RESULT_SECONDS_IMAGE,
    Limit,
    limit,
    show,
)
from kling_utils.values import (
    CharacterOrientation,
    Finding,
    ImageInfo,
    MotionRequest,
    Report,
    Severity,
    Size,
    VideoInfo,
    is_url,
)

_ENDINGS = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "mp4": (".mp4",), "mov": (".mov",)}


def check(
    request: MotionRequest, image: ImageInfo | KlingError, video: VideoInfo | KlingError
) -> Report:
    """Every rule for a whole request. An error instead of an info is the reason why that file could not be measured."""
    findings = (
        *check_image(image, source=request.image),
        *check_video(video, request.character_orientation, source=request.video),
        *check_text(request),
        *(_check_choices(request, video) if isinstance(video, VideoInfo) else ()),
    )
    return Report(
        findings,
        image=image if isinstance(image, ImageInfo) else None,
        video=video if isinstance(video, VideoInfo) else None,
    )


def check_image(
    image: ImageInfo | KlingError, *, source: str | Path | None = None
) -> tuple[Finding, ...]:
    """The rules for the image alone. ``source``: the path or address as the user gave it, when ``image.path`` is a copy."""
    if isinstance(image, KlingError):
        return (_unreadable("image", image, swapped=getattr(image, "found", "") == "video"),)
    return tuple(_image_findings(image, image.path if source is None else source))


def check_video(
    video: VideoInfo | KlingError,
    character_orientation: CharacterOrientation,
    *,
    source: str | Path | None = None,
) -> tuple[Finding, ...]:
    """The rules for the video alone; in ``image`` orientation Kling takes shorter clips."""
    if isinstance(video, KlingError):
        return (
            _unreadable("video", video, swapped=getattr(video, "found", "") in ("image", "heif")),
        )
    return tuple(
        _video_findings(video, character_orientation, video.path if source is None else source)
    )


def check_text(request: MotionRequest) -> tuple[Finding, ...]:
    """The rules for both prompts: lengths in characters, not bytes."""
    return (
        _range("prompt.length", len(request.prompt)),
        _range("negative_prompt.length", len(request.negative_prompt)),
    )


def _image_findings(image: ImageInfo, source: str | Path) -> Iterator[Finding]:
    yield _choice("image.format", image.format)
    yield _range("image.bytes", image.size_bytes)
    yield from _sides("image", image.size)
    yield _range("image.aspect", image.size.aspect)
    yield _choice(
        "image.frames",
        "still"
        if image.frames == 1
        else words.animated(image.frames, more=image.frames >= MOST_FRAMES),
    )
    yield _choice("image.mode", image.mode)
    yield _choice("image.profile", image.profile or "sRGB")
    yield _choice("image.tags", "broken" if image.broken_tags else "whole")
    yield _choice("image.turned", "turned" if image.turned else "upright")
    yield from _ending("image.name", source, image.format)


def _video_findings(
    video: VideoInfo, character_orientation: CharacterOrientation, source: str | Path
) -> Iterator[Finding]:
    yield _choice("video.container", video.container)
    yield _choice("video.protected", "encrypted" if video.protected else "not encrypted")
    if not video.protected:
        yield _decodes(video)
    yield _range("video.bytes", video.size_bytes)
    yield from _sides("video", video.size)
    length = _range("video.duration", video.duration)
    yield length
    if character_orientation == "image" and length.severity != "error":
        yield _range("video.duration.image", video.duration)
    yield _choice("video.codec", video.codec, grace=("hevc",))
    yield _choice("video.pixels", video.pixel_format)
    yield _choice("video.scan", "interlaced" if video.interlaced else "progressive")
    upright = (
        Size(video.size.height, video.size.width) if video.rotation in (90, 270) else video.size
    )
    visible = video.visible or video.coded
    yield _choice(
        "video.pixel_aspect",
        "square" if _alike(upright, visible) else words.stretched(str(visible), str(upright)),
    )
    yield _choice(
        "video.crop",
        "whole pictures"
        if visible == video.coded
        else words.cropped(str(video.coded), str(visible)),
    )
    yield _choice(
        "video.one_size",
        words.sizes(str(video.size), tuple(map(str, video.other_sizes)))
        if video.other_sizes
        else "one size",
    )
    yield _choice(
        "video.sides_even",
        "even" if video.coded.width % 2 == video.coded.height % 2 == 0 else str(video.coded),
    )
    yield _range("video.frame_rate", video.frame_rate)
    yield _choice("video.rate", "variable" if video.variable_rate else "constant")
    yield _header(video)
    yield _choice(
        "video.sound", "cannot be decoded" if video.unknown_sound else "readable, or none"
    )
    yield _choice(
        "video.dolby",
        f"Dolby Vision profile {video.dolby_profile}"
        if video.dolby_profile == DOLBY_ONLY
        else "standard colours",
    )
    yield from _ending("video.name", source, video.container)


def _decodes(video: VideoInfo) -> Finding:
    rule = limit("video.decodes")
    measured = words.decodes(video.readable, video.duration)
    if video.readable is None:
        return _finding(rule, "pass", measured)
    start, end = video.readable
    enough = end - start >= float(limit("video.duration").low or 0)
    return _finding(rule, "error", measured, rule.fix("grace" if enough else ""))


def _header(video: VideoInfo) -> Finding:
    """The header's length, which is that of picture and sound together, against the packets of the picture."""
    rule, header = limit("video.header"), video.header_duration
    # of a clip that is damaged other things are told
    if header is None or video.readable is not None:
        return _finding(rule, "pass", rule.allowed)
    if abs(header - video.duration) <= HEADER_TOLERANCE:
        return _finding(rule, "pass", rule.allowed)
    return _finding(rule, rule.severity, words.by_header(header, video.duration))


def _alike(a: Size, b: Size) -> bool:
    """Within one part in a hundred: editors leave pixels that are off by a rounding, and nobody sees it."""
    return all(abs(x - y) * 100 <= y for x, y in zip(a, b, strict=True))


def _check_choices(request: MotionRequest, video: VideoInfo) -> Iterator[Finding]:
    rule, clip = limit("request.length"), show(video.duration, "s")
    if request.character_orientation == "video":
        yield _finding(rule, "pass", clip)
    else:
        cut = video.duration > RESULT_SECONDS_IMAGE + DURATION_TOLERANCE
        result = show(RESULT_SECONDS_IMAGE, "s")
        yield _finding(
            rule, rule.severity if cut else "pass", words.shortened(result, clip) if cut else result
        )
    yield _choice(
        "request.sound",
        "unwanted"
        if not request.keep_original_sound
        else "silent"
        if video.audio_codec is None
        else "sound",
    )


# -- one value against one rule ------------------------------------------------------------------------------------------------------


def _finding(rule: Limit, severity: Severity, measured: str, fix: str = "") -> Finding:
    return Finding(
        code=rule.code,
        field=rule.field,
        severity=severity,
        title=rule.title,
        measured=measured,
        allowed=rule.allowed,
        fix="" if severity == "pass" else fix or rule.fix(),
        source=words.SOURCES[rule.source],
    )


def _range(code: str, value: float | Fraction, *, measured: str | None = None) -> Finding:
    """Inclusive bounds; beyond them the rule's grace, then its severity."""
    rule = limit(code)
    shown = show(value, rule.unit) if measured is None else measured
    # A float is taken to the microsecond, because 30.05 in binary is a hair more than 30.05.
    exact = (
        Fraction(value).limit_denominator(1_000_000)
        if isinstance(value, float)
        else Fraction(value)
    )
    short = rule.low - exact if rule.low is not None else 0
    beyond = max(short, exact - rule.high if rule.high is not None else 0)
    if beyond <= 0:
        return _finding(rule, "pass", shown)
    if beyond <= rule.grace:
        return _finding(rule, rule.grace_severity, shown, rule.fix("grace"))
    return _finding(rule, rule.severity, shown, rule.fix("low" if short > 0 else "high"))


def _choice(
    code: str, value: str, *, measured: str | None = None, grace: tuple[str, ...] = ()
) -> Finding:
    """One of the rule's options, in words; ``grace`` are values that are let off with its ``grace_severity``."""
    rule, word = limit(code), words.name(value)
    shown = word if measured is None else measured
    if word in rule.options:
        return _finding(rule, "pass", shown)
    return (
        _finding(rule, rule.grace_severity, shown, rule.fix("grace"))
        if value in grace
        else _finding(rule, rule.severity, shown)
    )


def _sides(field: str, size: Size) -> Iterator[Finding]:
    """Novita's rule, and Kling's where Novita's is kept: one breach is told once."""
    shown = words.size(str(size))
    documented = _range(f"{field}.side", min(size), measured=shown)
    yield documented
    if documented.severity == "pass":
        stricter = limit(f"{field}.side.kling")
        too_long = stricter.high is not None and max(size) > stricter.high
        yield _range(stricter.code, max(size) if too_long else min(size), measured=shown)


def _ending(code: str, source: str | Path, kind: str) -> Iterator[Finding]:
    """The name, judged only where the bytes are fine and it has an ending: a wrong format is told elsewhere.

    An address is sent as it is, and who fetches it may go by its ending; a file is sent under the ending of its bytes.
    """
    address = is_url(source)
    ending = PurePosixPath(
        urlsplit(str(source)).path if address else Path(source).name
    ).suffix.lower()
    fitting = _ENDINGS.get(kind)
    if fitting is None or not ending:
        return
    rule = limit(code)
    if ending in fitting:
        yield _finding(rule, "pass", ending)
        return
    shown = words.misnamed(ending, kind)
    if address and ending not in rule.options:
        yield _finding(rule, rule.severity, shown)
    else:
        yield _finding(rule, rule.grace_severity, shown, rule.fix("grace"))


def _unreadable(field: str, error: KlingError, *, swapped: bool) -> Finding:
    what = (
        error.what
        if isinstance(error, UnreadableMedia) and error.what
        else error.message.rstrip(".")
    )
    if swapped:
        return _finding(
            limit("image.is_video" if field == "image" else "video.is_image"), "error", what
        )
    return _finding(limit(f"{field}.unreadable"), "error", what, error.hint)
