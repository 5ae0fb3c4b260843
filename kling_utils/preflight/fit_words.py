"""The words of fit: for each step what is done and what it costs, and for what cannot be done why, and what else to do.

Owns sentences only, so that another language is another copy of this file.
"""

from __future__ import annotations

NOTHING = "Nothing has to be changed."
CANNOT = "Cannot be repaired"
_SAVED = "Fine differences of colour that one does not see"

STEPS: dict[str, tuple[str, str]] = {
    # code: what was done, told of the file and beginning with a participle, so that it can also be told ahead; what it costs in quality
    "image.format": ("Converted from {from_} to {to}", ""),
    "image.still": ("Reduced to the first of {frames} frames", "The other frames are left out"),
    "image.upright": ("Turned upright in the pixels instead of by a tag", ""),
    "image.colours": ("Converted in colour from {from_} to 8-bit sRGB", _SAVED),
    "image.srgb": ("Converted in colour from {from_} to sRGB", "Colours beyond what screens show"),
    "image.untagged": ("Saved without the tags, which are damaged", ""),
    "image.behind": ("Put on {colour} where it is see-through", "The see-through ground is gone"),
    "image.pad": (
        "Padded with ground ({ground}): {from_} becomes {to}",
        "The person takes up less of the picture",
    ),
    "image.reduce": (
        "Made smaller, from {from_} to {to}: with its ground it would take too much memory to open",
        "Fine detail",
    ),
    "image.crop": (
        "Cut around the person: {from_} becomes {to}",
        "What lies outside of the cut is gone",
    ),
    "image.enlarge": (
        "Enlarged from {from_} to {to}",
        "No detail is gained: the picture looks soft",
    ),
    "image.shrink": (
        "Brought from {from_} to at most {to}, at the best quality that fits",
        "{cost}",
    ),
    "image.save": ("Saved as {to}, without metadata", "{cost}"),
    "image.smaller": (
        "Made smaller, from {from_} to {to}, because that looks better than a low quality",
        "Fine detail",
    ),
    "video.repack": ("Put into an MP4 without encoding: the pictures stay as they are", ""),
    "video.cut": (
        "Cut to {to} from {start}, without encoding: the pictures stay as they are",
        "The rest of the clip is left out",
    ),
    "video.trim": ("Cut to {to} from {start}", "The rest of the clip is left out"),
    "video.slow": (
        "Slowed down to {share} of its speed: {from_} becomes {to}",
        "Movement and sound are slower than they were",
    ),
    "video.upright": ("Turned upright in the pixels instead of by a tag ({degrees} degrees)", ""),
    "video.scan": ("Deinterlaced", "Fine horizontal lines are a little softer"),
    "video.rate": (
        "Given a constant rate of {to} pictures a second",
        "Single pictures are repeated or left out",
    ),
    "video.fewer": (
        "Reduced from {from_} to {to} pictures a second",
        "Fast movement is a little less smooth",
    ),
    "video.square": ("Given square pixels: {from_} becomes {to}", ""),
    "video.even": ("Cut to even sides: {from_} becomes {to}", "One row or column of pixels"),
    "video.enlarge": (
        "Enlarged from {from_} to {to}",
        "No detail is gained: the picture looks soft",
    ),
    "video.reduce": (
        "Made smaller, from {from_} to {to}",
        "Detail that results of this model do not have either",
    ),
    "video.colours": ("Converted in colour from {from_} to 8-bit 4:2:0", _SAVED),
    "video.hdr": (
        "Tone-mapped from HDR to a standard screen's brightness (BT.709)",
        "The brightest lights lose their difference",
    ),
    "video.silent": ("Stripped of its sound, which cannot be decoded", "The sound is gone"),
    "video.one_size": (
        "Given one size, {to}, throughout: later pictures have {from_}",
        "Pictures of another shape get black bars",
    ),
    "video.crop": ("Cropped in the pixels instead of by a tag: {from_} becomes {to}", ""),
    "video.dolby": (
        "Saved in the colours of Dolby Vision profile 5, which are not converted here",
        "People look green and purple: export the clip as standard video instead",
    ),
    "video.encode": ("Encoded as H.264 in an MP4, without metadata", "{cost}"),
    "video.shrink": (
        "Brought from {from_} to at most {to}: about {rate} Mbit/s at {size}, the size that looks best at that rate",
        "{cost}",
    ),
}


def ahead(text: str) -> str:
    """What a step does, told before it is done."""
    return f"Would be {text[:1].lower()}{text[1:]}"


COST_NONE = "No difference that one sees"
COST_LITTLE = "A little fine detail"
COST_SOME = "Fine detail, grain first"
COST_MUCH = "Much fine detail: cut it shorter to keep more"


def shrunk(ratio: float) -> str:
    """What it costs to have ``ratio`` of the bytes."""
    return (
        COST_NONE
        if ratio > 0.8
        else COST_LITTLE
        if ratio > 0.4
        else COST_SOME
        if ratio > 0.1
        else COST_MUCH
    )


IMPOSSIBLE: dict[str, tuple[str, str]] = {
    "unreadable": ("It cannot be read: {what}.", "{fix}"),
    "short": ("The clip has {measured}, and at least {allowed} is needed.", "Use a longer take."),
    "short.slow": (
        "The clip has {measured}, and at least {allowed} is needed.",
        "Use a longer take, or let it be slowed down to {share} of its speed.",
    ),
    "pixels": (
        "The clip has {measured}: no size is both large enough and small enough.",
        "Crop it first.",
    ),
    "protected": (
        "The clip is encrypted, and nobody can decode it without its key.",
        "Export it without protection, or record the movement yourself.",
    ),
    "damaged.short": (
        "The file is damaged: it {what}, and what is left is too short.",
        "Export or download it again.",
    ),
    "damaged": ("A part of it cannot be decoded.", "Record or export it again."),
}


def impossible(key: str, **values: object) -> tuple[str, str]:
    """Reason and hint."""
    reason, hint = IMPOSSIBLE[key]
    return reason.format(**values), hint.format(**values)
