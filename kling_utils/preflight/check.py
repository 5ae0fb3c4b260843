"""Measured files against the table of limits: every finding at once, passes included."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from kling_utils.errors import KlingError, UnreadableMedia
from kling_utils.media.picture_header import MOST_FRAMES
from kling_utils.preflight.limits import (
    DOLBY_ONLY,
    DURATION_TOLERANCE,
    HEADER_TOLERANCE,
    RESULT_SECONDS_IMAGE,
    SOURCES,
    Limit,
    limit,
    name,
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
    yield _one_of("image.format", image.format)
    yield _range("image.bytes", image.size_bytes)
    yield from _sides("image", image.size)
    yield _range("image.aspect", image.size.aspect)
    count = f"{image.frames} frames" + (" or more" if image.frames >= MOST_FRAMES else "")
    yield _fact("image.frames", f"animated, {count}" if image.frames != 1 else "")
    yield _one_of("image.mode", image.mode)
    yield _one_of("image.profile", image.profile or "sRGB")
    yield _fact("image.tags", "broken" if image.broken_tags else "")
    yield _fact("image.turned", "turned or mirrored by a tag" if image.turned else "")
    yield from _ending("image.name", source, image.format)


def _video_findings(
    video: VideoInfo, character_orientation: CharacterOrientation, source: str | Path
) -> Iterator[Finding]:
    yield _one_of("video.container", video.container)
    yield _fact("video.protected", "encrypted" if video.protected else "")
    if not video.protected:
        yield _decodes(video)
    yield _range("video.bytes", video.size_bytes)
    yield from _sides("video", video.size)
    length = _range("video.duration", video.duration)
    yield length
    if character_orientation == "image" and length.severity != "error":
        yield _range("video.duration.image", video.duration)
    yield _one_of("video.codec", video.codec, grace=("hevc",))
    yield _one_of("video.pixels", video.pixel_format)
    yield _fact("video.scan", "interlaced" if video.interlaced else "")
    coded, visible, upright = video.coded, video.visible or video.coded, video.size
    if video.rotation in (90, 270):
        upright = Size(upright.height, upright.width)
    stretched = f"{visible} pixels, shown as {upright}"
    yield _fact("video.pixel_aspect", "" if _alike(upright, visible) else stretched)
    yield _fact("video.crop", f"{visible} px of {coded} px" if visible != coded else "")
    sizes = ", then ".join(map(str, (video.size, *video.other_sizes)))
    yield _fact("video.one_size", f"{sizes} px" if video.other_sizes else "")
    yield _fact("video.sides_even", str(coded) if coded.width % 2 or coded.height % 2 else "")
    yield _range("video.frame_rate", video.frame_rate)
    yield _fact("video.rate", "varying" if video.variable_rate else "")
    yield _header(video)
    yield _fact("video.sound", "cannot be decoded" if video.unknown_sound else "")
    dolby = f"Dolby Vision profile {DOLBY_ONLY}" if video.dolby_profile == DOLBY_ONLY else ""
    yield _fact("video.dolby", dolby)
    yield from _ending("video.name", source, video.container)


def _decodes(video: VideoInfo) -> Finding:
    rule = limit("video.decodes")
    if video.readable is None:
        return _fact(rule.code)
    start, end = video.readable
    enough = end - start >= float(limit("video.duration").low or 0)
    return _finding(rule, "error", readable_part(video), rule.fix("grace" if enough else ""))


def readable_part(video: VideoInfo) -> str:
    """Which part of a damaged clip can be decoded."""
    start, end = video.readable or (0.0, video.duration)
    if end <= start:
        return "cannot be decoded"
    if start < 0.01:
        return f"cannot be decoded from {_seconds(end)} s on"
    last = f"to {_seconds(end)} s" if end < video.duration - 0.01 else "on"
    return f"can be decoded from {_seconds(start)} s {last} only"


def _header(video: VideoInfo) -> Finding:
    """The header's length, which is that of picture and sound together, against the packets of the picture."""
    header, length = video.header_duration, video.duration
    # of a clip that is damaged other things are told
    if header is None or video.readable is not None or abs(header - length) <= HEADER_TOLERANCE:
        return _fact("video.header")
    told = f"{_seconds(header)} s, but its pictures last {_seconds(length)} s"
    return _fact("video.header", told)


def _alike(a: Size, b: Size) -> bool:
    """Within one part in a hundred: editors leave pixels that are off by a rounding, and nobody sees it."""
    return all(abs(x - y) * 100 <= y for x, y in zip(a, b, strict=True))


def _check_choices(request: MotionRequest, video: VideoInfo) -> Iterator[Finding]:
    rule, clip = limit("request.length"), show(video.duration, "s")
    if request.character_orientation == "video":
        yield _finding(rule, "pass", clip)
    else:
        cut = video.duration > RESULT_SECONDS_IMAGE + DURATION_TOLERANCE
        result = show(RESULT_SECONDS_IMAGE, "s") + (f" of a clip of {clip}" if cut else "")
        yield _finding(rule, rule.severity if cut else "pass", result)
    rule = limit("request.sound")
    if not request.keep_original_sound:
        yield _finding(rule, "pass", "sound not wanted")
    elif video.audio_codec is not None:
        yield _finding(rule, "pass", "a clip with sound")
    else:
        yield _finding(rule, rule.severity, "a clip without sound")


def _seconds(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


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
        source=SOURCES[rule.source],
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


def _one_of(code: str, value: str, *, grace: tuple[str, ...] = ()) -> Finding:
    """A probe's word against the rule's options; ``grace`` are words that are let off with its ``grace_severity``."""
    rule = limit(code)
    if value in rule.options:
        return _finding(rule, "pass", name(value))
    if value in grace:
        return _finding(rule, rule.grace_severity, name(value), rule.fix("grace"))
    return _finding(rule, rule.severity, name(value))


def _fact(code: str, breach: str = "") -> Finding:
    """A yes or no: ``breach`` says what is wrong; empty for a pass."""
    rule = limit(code)
    return _finding(rule, rule.severity if breach else "pass", breach or rule.allowed)


def _sides(field: str, size: Size) -> Iterator[Finding]:
    """Novita's rule, and Kling's where Novita's is kept: one breach is told once."""
    shown = f"{size} px"
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
    shown = f"{ending}, but the file is {name(kind)}"
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
