"""The words of the checks: a title and a next step for each code, and plain names for what the probes report.

Owns sentences only, so that another language is another copy of this file.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    "nobody": "not documented; from what players and encoders commonly do",
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
AS_VIDEO = "as long as the video in video orientation"

NAMES: dict[str, str] = {
    # what the probes report in the jargon of Pillow and ffmpeg; a word that is not here is shown as it is
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
    # facts that are yes or no
    "turned": "turned or mirrored by a tag",
    "variable": "varying",
    "sound": "a clip with sound",
    "unwanted": "sound not wanted",
    "silent": "a clip without sound",
}


def name(word: str) -> str:
    """The plain name of what a probe reports."""
    return NAMES.get(word, word)


def either(options: tuple[str, ...]) -> str:
    return " or ".join(options)


def span(low: str | None, high: str | None, unit: str) -> str:
    """``3 to 30 s``, ``300 px a side or more``, ``10 MB or less``."""
    if low is None:
        return f"{high}{unit} or less"
    return f"{low}{unit} or more" if high is None else f"{low} to {high}{unit}"


def size(shown: str) -> str:
    return f"{shown} px"


def animated(frames: int, *, more: bool) -> str:
    return f"animated, {frames} frames" + (" or more" if more else "")


def stretched(coded: str, shown: str) -> str:
    return f"{coded} pixels, shown as {shown}"


def decodes(readable: tuple[float, float] | None, seconds: float) -> str:
    """Which part can be decoded."""
    if readable is None:
        return "to its end"
    start, end = readable
    if end <= start:
        return "cannot be decoded"
    if start < 0.01:
        return f"cannot be decoded from {_seconds(end)} s on"
    last = f"to {_seconds(end)} s" if end < seconds - 0.01 else "on"
    return f"can be decoded from {_seconds(start)} s {last} only"


def by_header(header: float, pictures: float) -> str:
    return f"{_seconds(header)} s, but its pictures last {_seconds(pictures)} s"


def sizes(first: str, others: tuple[str, ...]) -> str:
    return ", then ".join((first, *others)) + " px"


def cropped(coded: str, visible: str) -> str:
    return f"{visible} px of {coded} px"


def _seconds(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def misnamed(ending: str, kind: str) -> str:
    return f"{ending}, but the file is {name(kind)}"


def shortened(result: str, clip: str) -> str:
    return f"{result} of a clip of {clip}"
