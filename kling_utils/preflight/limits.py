"""The one table of limits: what may be sent, who says so, and what to do about a breach.

Novita's documented rules are errors; Kling's own, stricter ones are warnings; what is not documented
is a warning at most. Every number and every sentence of the checks is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal

from kling_utils.values import Severity

Unit = Literal["px", "aspect", "bytes", "s", "fps", "characters", "kind"]
Source = Literal["novita", "kling", "undocumented", "measured"]

MEGABYTE = 1_000_000
MEBIBYTE = 2**20
DURATION_TOLERANCE = Fraction(1, 20)
"""Seconds by which a length may miss a bound: a frame or two, which containers and players count differently."""
HEADER_TOLERANCE = 0.25
"""Seconds between the length by the header and that of the pictures: sound ends in whole packets, and phones end it a little later."""
DOLBY_ONLY = 5
"""The profile of Dolby Vision whose picture has no meaning to a reader that does not know it."""
RESULT_SECONDS_IMAGE = 5
"""Length of every result in ``image`` orientation, by Novita's documentation."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule. Inside of ``low``..``high``, both included, or among ``options``: a pass. Outside: ``severity``.

    Less than ``grace`` beyond a bound it is only ``grace_severity``. ``options`` are words of the probes where a probe reports one,
    else the sentence for a pass. ``field`` and texts follow from the code.
    """

    code: str
    unit: Unit
    severity: Severity
    source: Source
    low: Fraction | int | None = None
    high: Fraction | int | None = None
    options: tuple[str, ...] = ()
    grace: Fraction | int = 0
    grace_severity: Severity = "pass"

    @property
    def field(self) -> str:
        """``image``, ``video``, ``prompt``, ``negative_prompt`` or ``request``."""
        return self.code.partition(".")[0]

    @property
    def title(self) -> str:
        return TEXTS[self.code].title

    @property
    def allowed(self) -> str:
        """The rule in words, such as ``3 to 30 s``."""
        unit = UNITS[self.unit]
        low = None if self.low is None else _bound(self.low, self.unit)
        high = None if self.high is None else _bound(self.high, self.unit)
        if low is None and high is None:
            return " or ".join(dict.fromkeys(map(name, self.options)))
        if low is None:
            return f"{high}{unit} or less"
        return f"{low}{unit} or more" if high is None else f"{low} to {high}{unit}"

    def fix(self, breach: Literal["low", "high", "grace", ""] = "") -> str:
        """What the user does about a breach of that kind."""
        text = TEXTS[self.code]
        chosen = getattr(text, breach or "fix") or text.fix
        low, high = ("" if bound is None else number(bound) for bound in (self.low, self.high))
        return chosen.format(low=low, high=high, seconds=RESULT_SECONDS_IMAGE)


def name(word: str) -> str:
    """The plain name of what a probe reports."""
    return NAMES.get(word, word)


def show(value: Fraction | float, unit: Unit) -> str:
    """A measured number as people read it: ``4.12 s``, ``9.87 MB``, ``1:2.5``."""
    # Both are rounded up, so that what is just beyond a limit never reads as if it were at the limit.
    if unit == "aspect":
        slim = Fraction(ceil(max(value, 1 / Fraction(value)) * 1000), 1000)
        return _bound(slim if value >= 1 else 1 / slim, unit)
    if unit == "bytes":
        return (
            f"{number(ceil(value / 10_000) / 100)} MB"
            if value >= MEGABYTE
            else f"{ceil(value / 1000)} kB"
        )
    return _bound(value, unit) + UNITS[unit]


def number(value: Fraction | float) -> str:
    """At most three decimals, without trailing zeros."""
    return f"{float(value):.3f}".rstrip("0").rstrip(".")


def _bound(value: Fraction | float, unit: Unit) -> str:
    if unit == "aspect":
        return f"{number(value)}:1" if value >= 1 else f"1:{number(1 / value)}"
    return number(value / MEGABYTE if unit == "bytes" else value)


_TEN, _MAYBE = 10 * MEGABYTE, 10 * (MEBIBYTE - MEGABYTE)
_STILL, _CLIP = ("JPEG", "PNG"), ("mp4", "mov")

LIMITS: tuple[Limit, ...] = (
    Limit("image.format", "kind", "error", "novita", options=_STILL),
    Limit(
        "image.bytes", "bytes", "error", "novita", high=_TEN, grace=_MAYBE, grace_severity="warning"
    ),
    Limit("image.side", "px", "error", "novita", low=300),
    Limit("image.side.kling", "px", "warning", "kling", low=340),
    Limit("image.aspect", "aspect", "error", "novita", low=Fraction(2, 5), high=Fraction(5, 2)),
    Limit("image.frames", "kind", "warning", "undocumented", options=("still",)),
    Limit("image.mode", "kind", "advice", "undocumented", options=("RGB", "L", "1", "P")),
    Limit("image.profile", "kind", "advice", "undocumented", options=("sRGB",)),
    Limit("image.tags", "kind", "advice", "undocumented", options=("whole",)),
    Limit("image.turned", "kind", "advice", "undocumented", options=("upright",)),
    Limit(
        "image.name",
        "kind",
        "warning",
        "novita",
        options=(".jpg", ".jpeg", ".png"),
        grace_severity="advice",
    ),
    Limit("video.container", "kind", "error", "novita", options=_CLIP),
    Limit(
        "video.bytes", "bytes", "error", "novita", high=_TEN, grace=_MAYBE, grace_severity="warning"
    ),
    Limit("video.side", "px", "error", "novita", low=300),
    Limit("video.side.kling", "px", "warning", "kling", low=340, high=3850),
    Limit(
        "video.duration",
        "s",
        "error",
        "novita",
        low=3,
        high=30,
        grace=DURATION_TOLERANCE,
        grace_severity="advice",
    ),
    Limit(
        "video.duration.image",
        "s",
        "warning",
        "kling",
        low=3,
        high=10,
        grace=DURATION_TOLERANCE,
        grace_severity="advice",
    ),
    Limit(
        "video.codec", "kind", "warning", "undocumented", options=("h264",), grace_severity="advice"
    ),
    Limit("video.pixels", "kind", "warning", "undocumented", options=("yuv420p", "yuvj420p")),
    Limit("video.scan", "kind", "warning", "undocumented", options=("progressive",)),
    Limit("video.pixel_aspect", "kind", "advice", "undocumented", options=("square",)),
    Limit("video.sides_even", "kind", "advice", "undocumented", options=("even",)),
    Limit("video.frame_rate", "fps", "advice", "undocumented", low=15, high=60),
    Limit("video.rate", "kind", "advice", "undocumented", options=("constant",)),
    Limit("video.protected", "kind", "error", "measured", options=("not encrypted",)),
    Limit("video.decodes", "kind", "error", "measured", options=("to its end",)),
    Limit("video.one_size", "kind", "warning", "undocumented", options=("one size",)),
    Limit("video.header", "kind", "warning", "undocumented", options=("as its pictures",)),
    Limit("video.crop", "kind", "advice", "undocumented", options=("whole pictures",)),
    Limit("video.sound", "kind", "warning", "undocumented", options=("readable, or none",)),
    Limit("video.dolby", "kind", "warning", "undocumented", options=("standard colours",)),
    Limit(
        "video.name", "kind", "warning", "novita", options=(".mp4", ".mov"), grace_severity="advice"
    ),
    Limit("prompt.length", "characters", "error", "novita", low=0, high=2500),
    Limit("negative_prompt.length", "characters", "error", "novita", low=0, high=2500),
    Limit(
        "request.length",
        "kind",
        "advice",
        "novita",
        options=(
            f"{RESULT_SECONDS_IMAGE} s in image orientation",
            "as long as the video in video orientation",
        ),
    ),
    Limit(
        "request.sound",
        "kind",
        "advice",
        "measured",
        options=("a clip with sound", "sound not wanted"),
    ),
    Limit(
        "request.address",
        "kind",
        "error",
        "novita",
        options=("a public https address", "a file and a way to publish it"),
    ),
    Limit("image.unreadable", "kind", "error", "measured", options=_STILL),
    Limit("image.is_video", "kind", "error", "measured", options=_STILL),
    Limit("video.unreadable", "kind", "error", "measured", options=_CLIP),
    Limit("video.is_image", "kind", "error", "measured", options=_CLIP),
)


@dataclass(frozen=True, slots=True)
class Text:
    """``title`` of a rule, and what to do about a breach: below (``low``), above (``high``), just beyond (``grace``), or else ``fix``."""

    title: str
    fix: str = ""
    low: str = ""
    high: str = ""
    grace: str = ""


_FIT = "A repair (fit) does it for you."
_MEGABYTES = "It may be refused, as Novita does not say which of the two megabytes it counts in: make it a little smaller."
_NAME = Text(
    "",
    fix="The address ends in what is not documented, although the bytes are fine: offer the file under a documented ending.",
    grace="Its bytes are fine, and those count. Rename it if other programs stumble over it.",
)

TEXTS: dict[str, Text] = {
    "image.format": Text("Image format", fix=f"Save the picture as JPEG or PNG. {_FIT}"),
    "image.bytes": Text(
        "Image file size", fix=f"Save it as JPEG, or smaller. {_FIT}", grace=f"{_MEGABYTES} {_FIT}"
    ),
    "image.side": Text(
        "Image size",
        fix=f"Use a larger picture, or enlarge this one until its shorter side has {{low}} pixels. {_FIT}",
    ),
    "image.side.kling": Text(
        "Image size for Kling",
        fix=f"Kling itself asks for {{low}} pixels on the shorter side: enlarge the picture, or expect that it may be refused. {_FIT}",
    ),
    "image.aspect": Text(
        "Image aspect ratio",
        low=f"The picture is too tall: crop its top or bottom, or add ground at its sides. {_FIT}",
        high=f"The picture is too wide: crop its sides, or add ground above and below. {_FIT}",
    ),
    "image.frames": Text(
        "Image frames",
        fix=f"The picture is animated, and at most its first frame would be used: save the frame that you want as JPEG or PNG. {_FIT}",
    ),
    "image.mode": Text(
        "Image colours",
        fix=f"How these colours are read is not documented: save the picture as 8-bit RGB on a plain ground to be sure. {_FIT}",
    ),
    "image.profile": Text(
        "Image colour profile",
        fix=f"A reader that ignores the profile sees other, mostly paler colours: save the picture as sRGB to be sure. {_FIT}",
    ),
    "image.tags": Text(
        "Image tags",
        fix=f"Data beside the pixels is damaged, such as EXIF, and a strict reader may stop there: save the picture without it. {_FIT}",
    ),
    "image.turned": Text(
        "Image orientation tag",
        fix=f"The picture is turned by a tag in the file, which not every reader follows: save it upright to be sure. {_FIT}",
    ),
    "image.name": Text("Image file name", fix=_NAME.fix, grace=_NAME.grace),
    "video.container": Text("Video format", fix=f"Save or convert the clip as MP4. {_FIT}"),
    "video.bytes": Text(
        "Video file size",
        fix=f"Shorten the clip, or export it at 720p with a lower bit rate. {_FIT}",
        grace=f"{_MEGABYTES} {_FIT}",
    ),
    "video.side": Text(
        "Video size",
        fix=f"Use a larger clip, or enlarge this one until its shorter side has {{low}} pixels. {_FIT}",
    ),
    "video.side.kling": Text(
        "Video size for Kling",
        low=f"Kling itself asks for {{low}} pixels on the shorter side: enlarge the clip, or expect that it may be refused. {_FIT}",
        high=f"Kling itself takes {{high}} pixels on the longer side: export the clip smaller; 1080p is plenty. {_FIT}",
    ),
    "video.duration": Text(
        "Video length",
        low="Use a longer take: one continuous movement of at least {low} seconds.",
        high=f"Cut it to the best {{high}} seconds or less: one continuous movement. {_FIT}",
        grace="A frame or two beyond the limit, so it passes here; trim or extend it by a tenth of a second if it is refused.",
    ),
    "video.duration.image": Text(
        "Video length in image orientation",
        low="Use a longer take: one continuous movement of at least {low} seconds.",
        high="Kling itself takes {high} seconds in image orientation: cut the clip, or choose video orientation.",
        grace="A frame or two beyond Kling's limit, so it should pass; trim it by a tenth of a second if it is refused.",
    ),
    "video.codec": Text(
        "Video codec",
        fix=f"Which codecs are read is not documented; H.264 is the safe choice: export the clip as H.264. {_FIT}",
        grace=f"HEVC is common on phones and not documented here; H.264 is the safe choice, and every browser shows it. {_FIT}",
    ),
    "video.pixels": Text(
        "Video pixel format",
        fix=f"10-bit, HDR and 4:4:4 colours are not documented and stay black in many players: export it as 8-bit 4:2:0 (yuv420p). {_FIT}",
    ),
    "video.scan": Text(
        "Video scan",
        fix=f"Interlaced pictures show combs on fast movement: export the clip deinterlaced. {_FIT}",
    ),
    "video.pixel_aspect": Text(
        "Video pixel shape",
        fix=f"A reader that ignores the shape of the pixels sees a stretched person: export the clip with square pixels. {_FIT}",
    ),
    "video.sides_even": Text(
        "Video sides",
        fix=f"Many encoders cut or refuse odd sides: crop the clip by one pixel. {_FIT}",
    ),
    "video.frame_rate": Text(
        "Video frame rate",
        low="So few pictures a second hide fast movement: film at 24 to 60 if you can.",
        high=f"More than {{high}} pictures a second only make the file larger: export it at 30 or 60. {_FIT}",
    ),
    "video.rate": Text(
        "Video frame spacing",
        fix=f"With a varying rate the result may drift against the clip: export it at a constant rate. {_FIT}",
    ),
    "video.protected": Text(
        "Video protection",
        fix="Nobody can decode it without its key: export it without protection (DRM), or record the movement yourself.",
    ),
    "video.decodes": Text(
        "Video decoding",
        fix="The file is damaged: export or download it again.",
        grace=f"The file is damaged: export or download it again, or keep the part that can be decoded. {_FIT}",
    ),
    "video.one_size": Text(
        "Video size throughout",
        fix=f"Many readers show a later size wrong, or stop there: export the clip in one size. {_FIT}",
    ),
    "video.header": Text(
        "Video length by the header",
        fix=f"Players, browsers and a provider may go by the header: put the clip into a new file. {_FIT}",
    ),
    "video.crop": Text(
        "Video crop",
        fix=f"A reader that ignores the crop of the file shows its hidden edges: export the clip cropped. {_FIT}",
    ),
    "video.sound": Text(
        "Video sound track",
        fix=f"Its sound cannot be decoded, and may make a reader refuse the clip: export it with AAC sound, or without. {_FIT}",
    ),
    "video.dolby": Text(
        "Dolby Vision",
        fix="Readers without Dolby Vision show green and purple people: export it as standard video (SDR) where it was filmed.",
    ),
    "video.name": Text("Video file name", fix=_NAME.fix, grace=_NAME.grace),
    "prompt.length": Text(
        "Prompt",
        fix="Shorten the prompt to {high} characters. It tells scene, light and clothes; the motion comes from the clip.",
    ),
    "negative_prompt.length": Text(
        "Negative prompt", fix="Shorten the negative prompt to {high} characters."
    ),
    "request.length": Text(
        "Length of the result",
        fix="In image orientation every result has {seconds} seconds: choose video orientation to follow the whole clip.",
    ),
    "request.sound": Text(
        "Sound",
        fix="The clip has no sound, so the result has none: choose another clip if you want sound.",
    ),
    "request.address": Text(
        "Address of the clip",
        fix="Give the clip as a public https address, or set a way to publish it.",
    ),
    "image.unreadable": Text("Image file", fix="Choose a JPEG or PNG picture."),
    "image.is_video": Text(
        "Image file",
        fix="This is a video in the image's place: put it in the video's place, and give the character's picture here.",
    ),
    "video.unreadable": Text("Video file", fix="Choose an MP4 or MOV clip."),
    "video.is_image": Text(
        "Video file",
        fix="This is a picture in the video's place: put it in the image's place, and give a clip with the motion here.",
    ),
}

SOURCES = {
    "novita": "Novita's documentation of this model",
    "kling": "Kling's own rules, stricter than Novita's",
    "undocumented": "not documented; from what players and encoders commonly do",
    "measured": "measured in the file",
}
UNITS = {
    "px": " px a side",
    "aspect": "",
    "bytes": " MB",
    "s": " s",
    "fps": " frames a second",
    "characters": " characters",
    "kind": "",
}
NAMES: dict[str, str] = {
    "RGB": "8-bit RGB",
    "L": "8-bit grey",
    "1": "8-bit grey",
    "P": "palette",
    "RGBA": "RGB with transparency",
    "LA": "grey with transparency",
    "PA": "palette with transparency",
    "CMYK": "CMYK (for print)",
    "I;16": "16-bit grey",
    "I;16B": "16-bit grey",
    "I": "32-bit grey",
    "F": "floating-point grey",
    "RGB;16B": "16-bit RGB",
    "RGB;16L": "16-bit RGB",
    "WEBP": "WebP",
    "HEIF": "HEIC",
    "mp4": "MP4",
    "mov": "MOV",
    "3gp": "3GP",
    "webm": "WebM",
    "matroska": "Matroska (MKV)",
    "avi": "AVI",
    "gif": "GIF",
    "h264": "H.264",
    "hevc": "HEVC (H.265)",
    "av1": "AV1",
    "vp8": "VP8",
    "vp9": "VP9",
    "mpeg4": "MPEG-4 part 2",
    "prores": "ProRes",
    "mjpeg": "Motion JPEG",
}
"""What the probes report in the jargon of Pillow and ffmpeg; other words are shown as they are."""

_BY_CODE = {limit.code: limit for limit in LIMITS}


def limit(code: str) -> Limit:
    """The rule of that code; ``KeyError`` for an unknown one."""
    return _BY_CODE[code]
