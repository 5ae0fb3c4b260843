"""ffmpeg's description of a file, read by what a line says and not by how far it is indented.

Owns the form: lines of streams, what stands below them, which of them are mapped. Nested streams (of a timecode or a group), data and
subtitles between them do not move a fact to another stream. The bundled ffmpeg is pinned, and a zoo of files is read with it in the tests.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_STREAM = re.compile(r"Stream #0:(\d+)(?:\[[^\]]*\])?(?:\([^)]*\))?: (\w+): (.*)")
_MAPPED = re.compile(r"Stream #(\d+):(\d+) -> #(\d+):(\d+)")
_HEADER_ENDS = ("Stream mapping:", "Input #1,", "Output #0,", "At least one output file")
UNDECODED = frozenset(
    [
        "4gv",
        "ac4",
        "apple_apac",
        "celt",
        "codec2",
        "lc3",
        "mpegh_3d_audio",
        "smv",
        "sonic",
        "sonicls",
        "none",
        "unknown",
    ]
)
"""Sounds that ffmpeg names and has no decoder for: ``apple_apac`` is the spatial sound of phones."""
_CONTROL = re.compile(rb"[\x01-\x07\x0e-\x1f]")


@dataclass(slots=True)
class Stream:
    """``words`` follows the kind (``Video``, ``Audio``, ``Data``, ...); ``details`` are the lines of its tags and side data."""

    number: int
    kind: str
    words: str
    details: list[str] = field(default_factory=list)

    @property
    def codec(self) -> str:
        found = re.match(r"\w+", self.words)
        return found[0] if found else "unknown"

    @property
    def known(self) -> bool:
        """False where ffmpeg has no decoder for it."""
        return self.codec not in UNDECODED

    def detail(self, name: str) -> str:
        """What stands behind ``name: `` in the tags and side data; empty where it is not there."""
        start = f"{name}:".lower()
        return next(
            (
                each.partition(":")[2].strip()
                for each in self.details
                if each.lower().startswith(start)
            ),
            "",
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """The first input, and from output stream to its stream."""

    container: str
    duration: str
    """``00:00:04.00, start: 0.000000, bitrate: 59 kb/s``, or ``N/A, ...``."""
    streams: tuple[Stream, ...]
    mapped: dict[tuple[int, int], int]

    def of(self, kind: str) -> tuple[Stream, ...]:
        return tuple(each for each in self.streams if each.kind == kind)

    def output(self, number: int) -> Stream | None:
        """The stream that became stream ``number`` of the first output."""
        wanted = self.mapped.get((0, number))
        return next((each for each in self.streams if each.number == wanted), None)


def read(said: bytes, path: Path) -> Listing:
    """The listing in what ffmpeg wrote about the input ``path``; empty where it wrote none."""
    # The name may hold line breaks. ffmpeg prints it with a question mark for each control character but those.
    name = _CONTROL.sub(b"?", b"file:" + os.fsencode(path))
    lines = [
        line.strip() for line in said.replace(name, b"").decode("utf-8", "replace").split("\n")
    ]
    container, duration = "", "N/A"
    streams: dict[int, Stream] = {}
    mapped: dict[tuple[int, int], int] = {}
    inside, current = False, None
    for line in lines:
        if line.startswith("Input #0, "):
            inside, container = True, line[len("Input #0, ") :].partition(",")[0]
        elif line.startswith(_HEADER_ENDS):
            inside = False
        elif inside:
            # a line break in a tag's value is followed by a colon, so no tag passes for a stream
            found = _STREAM.match(line)
            if found:
                current = streams.setdefault(
                    int(found[1]), Stream(int(found[1]), found[2], found[3])
                )
            elif line.startswith("Duration: ") and not streams:
                duration = line[len("Duration: ") :]
            elif current is not None:
                current.details.append(line)
        else:
            pair = _MAPPED.match(line)
            if pair:
                mapped[int(pair[3]), int(pair[4])] = int(pair[2])
    return Listing(container, duration, tuple(streams.values()), mapped)


def by_moviepy(listing: Listing, video: Stream, sound: Stream | None, name: str) -> dict[str, Any]:
    """What moviepy's parser reads: size, rate, codec, the header's length. Raises ``ValueError`` for a header that says too little.

    It gets only the lines that count, in the indentation that it knows: it stumbles over subtitles, covers, nested streams and odd tags.
    """
    from moviepy.video.io.ffmpeg_reader import (
        FFmpegInfosParser,
    )  # half a second, because it imports all of moviepy

    picture = video.words
    if " fps" not in picture and " tbr" not in picture:
        picture += ", 0 tbr"  # one frame has no rate, and the parser insists on one
    long = not listing.duration.startswith("N/A")
    lines = [
        f"Input #0, {listing.container}:",
        f"  Duration: {listing.duration}",
        f"  Stream #0:{video.number}: Video: {picture}",
        *([f"  Stream #0:{sound.number}: Audio: {sound.words}"] if sound else []),
    ]
    try:
        known: dict[str, Any] = FFmpegInfosParser(
            "\n".join(lines), name, check_duration=long
        ).parse()
        width, height = known["video_size"]
        float(known["video_fps"])
    except (AttributeError, IndexError, KeyError, OSError, TypeError) as error:
        raise ValueError("the header says too little") from error
    return {**known, "video_size": (width, height)}
