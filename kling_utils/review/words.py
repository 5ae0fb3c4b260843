"""The words of the audit: a title for each rule, and what each outcome probably means and what to do about it.

Owns sentences only, so that another language is another copy of this file.
"""

from __future__ import annotations

TITLES: dict[str, str] = {
    "result.length": "Length of the result",
    "result.frame_rate": "Frame rate",
    "result.size": "Size of the picture",
    "result.shape": "Shape of the picture",
    "result.sound": "Sound",
    "result.sound_offset": "Sound in step",
    "result.black": "Black stretches",
    "result.frozen": "Frozen stretches",
    "result.cuts": "Hard cuts",
    "result.bit_rate": "Bit rate",
}

ALLOWED: dict[str, str] = {
    "length": "{expected} s",
    "frame_rate": "{rate} fps, as the reference",
    "size": "{lines} lines, as the reference",
    "shape": "that of the reference or the image",
    "sound": "the reference's sound",
    "no sound": "no sound was asked for",
    "nothing to keep": "the reference has no sound",
    "sound_offset": "at most {early} ms early, {late} ms late",
    "black": "none that the reference has not",
    "frozen": "none while the reference moves",
    "cuts": "none that the reference has not",
    "bit_rate": "at least {bits} bits a pixel",
}

MEASURED: dict[str, str] = {
    "length": "{seconds} s",
    "cut end": "{seconds} s: it ends at {end} s of the reference",
    "cut start": "{seconds} s: it begins at {begin} s of the reference",
    "cut both": "{seconds} s: it shows {begin} to {end} s of the reference",
    "frame_rate": "{rate} fps",
    "variable": "{rate} fps on average, varying",
    "size": "{size}",
    "sound": "there",
    "no track": "no sound track",
    "silent track": "a sound track that is silent",
    "no sound": "none",
    "in step": "in step, within {ms} ms",
    "late": "{ms} ms late",
    "early": "{ms} ms early",
    "cannot tell": "cannot be told",
    "none": "none",
    "as reference": "only where the reference has them",
    "all frozen": "all of it",
    "stretches": "{list}",
    "bit_rate": "{kbps} kbit/s, {bits} bits a pixel",
}

FIXES: dict[str, str] = {
    "short": "The result was cut short: the rest of the motion is missing. Look at what was billed; try again with a shorter clip.",
    "short, documented": "In image orientation results have a fixed length; use video orientation for the whole motion.",
    "a bit short": "A few frames are missing at the end, which most people do not notice.",
    "begins late": "The beginning of the motion is missing. Let the clip begin with a second of calm, and try again.",
    "long": "It is longer than expected: the provider may have held or repeated frames; trim it to the reference.",
    "slow rate": "Fast motion looks choppier than in the reference. The provider chooses the rate; a calmer motion suffers less.",
    "variable rate": "Frames are not evenly spaced, which not every editor takes well: export it at a constant rate before editing.",
    "small": "It has fewer details than the reference. A take with the other model may have more.",
    "shape": "Neither the reference nor the image has this shape: something was cropped or padded. Give both the shape that you want.",
    "no track": "The sound was to be kept and is missing: lay the reference's sound under it, both start together.",
    "silent": "The track is there, but nothing can be heard: lay the reference's sound under it.",
    "unwanted": "It was not asked for: mute it if it disturbs.",
    "late": "The sound comes after the picture of the reference would have it: shift it by that much in an editor.",
    "early": "The sound runs ahead: shift it by that much in an editor.",
    "slightly off": "Attentive people may notice it with lips and claps.",
    "black": "Frames were lost or the generation failed there: try again, and trim the result otherwise.",
    "frozen all": "Nothing moves although the reference does: the motion was not taken over. See that both inputs show the whole body.",
    "frozen end": "The motion stops before the reference does: trim the result there, or try again with a shorter clip.",
    "frozen": "The motion stands still while the reference goes on: look whether the figure is covered or leaves the picture there.",
    "cuts": "The picture jumps although the reference does not: the generation was stitched there. Try again, or cut at that place.",
    "coarse": "Strongly compressed: blocks and smeared details are likely, and they are in the file that came.",
}

AT = {
    "start": "{length} s at its start",
    "end": "from {begin} s to its end",
    "middle": "{begin} to {end} s",
}

SOURCES: dict[str, str] = {
    "length": "Novita's documentation of both orientations",
    "sound_offset": "ITU-R BT.1359: detectable and acceptable offsets of sound and picture",
    "measured": "measured on real clips",
}
