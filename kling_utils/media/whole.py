"""Whether a film that came over a network is all there: its boxes are whole, and pictures and sound can be decoded to their end."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from kling_utils.media import ffmpeg
from kling_utils.media.packets import Table, Track
from kling_utils.values import MISSED, VideoInfo

SECONDS = 180.0
"""Most time for one decoding: 30 s of 1080p take 6 s on two cores."""
_MAY_MISS = 2
"""Pictures that a decoder may leave out: some encoders end with one that is never shown."""
_MAY_LACK = 0.1
"""Seconds of sound that a decoder may leave out: what it needs to begin, and what fills the last packet."""
_HARM = re.compile(
    "error while decoding MB|concealing|Error submitting packet|Decoding error|Invalid NAL unit"
    "|missing picture in access unit|EBML number|exceeds containing master element"
)
"""What ffmpeg says of a damaged packet; of a damaged picture it makes something that can be shown."""
_PLAIN = ("pcm", "rawvideo")
"""Codecs in which a packet of zeros is silence, or black."""


def damage(path: Path, info: VideoInfo, *, seconds: float = SECONDS) -> str:
    """What is wrong with the file, in words, or nothing. ``info`` is what the probe measured.

    Raises ``ffmpeg.TimedOut`` where that cannot be found out in ``seconds``.
    """
    boxes = info.container in ("mp4", "mov", "3gp")
    if boxes and _cut(path):
        return "its end is missing"
    if not boxes and (info.header_duration or 0.0) > info.duration + 2 * MISSED:
        return "its end is missing"
    stored, made, harmed = _decoded(path, "0:V:0", "wrapped_avframe", seconds)
    lost = len(stored) - len(made)
    if lost > _MAY_MISS:
        return f"only {len(made)} of its {len(stored)} pictures can be decoded"
    if harmed or stored.zeros:
        return "some of its pictures are damaged"
    if info.audio_codec is not None:
        sound = f"0:a:{info.audio_number}"
        stored, made, harmed = _decoded(path, sound, "pcm_s16le", seconds)
        lack = max(_length(stored) - _length(made), _end(stored) - _end(made))
        if lack > _MAY_LACK:
            return f"{lack:.1f} s of its sound cannot be decoded"
        if harmed or stored.zeros:
            return "some of its sound is damaged"
    return ""


def _decoded(path: Path, stream: str, to: str, seconds: float) -> tuple[Track, Track, bool]:
    """The packets of a stream, what a decoder makes of them, and whether it found a damaged one."""
    stored, made = Table(), Table()
    source, form = [*ffmpeg.source(path), "-map", stream], ["-f", "framecrc", "pipe:1"]
    ffmpeg.run([*source, "-c", "copy", *form], timeout=seconds, check=False, sink=stored.feed)
    decode = ["-c", to, "-enc_time_base", "demux", "-fps_mode", "passthrough", "-noautoscale"]
    done = ffmpeg.run([*source, *decode, *form], timeout=seconds, check=False, sink=made.feed)
    track = stored.track(0)
    if track.codec.startswith(_PLAIN):
        track.zeros = 0
    return track, made.track(0), bool(_HARM.search(done.stderr))


def _length(track: Track) -> float:
    """Seconds that a stream's packets have in all."""
    return float(int(np.frombuffer(track.lengths, np.int64).sum()) * track.tick)


def _end(track: Track) -> float:
    """When the last packet of a stream ends, in seconds."""
    times = track.times
    return (
        float((int(times.max()) + track.lengths[int(times.argmax())]) * track.tick)
        if len(times)
        else 0.0
    )


def _cut(path: Path) -> bool:
    """Does a box of the file say that it is longer than the file?"""
    with path.open("rb") as file:
        end, at = file.seek(0, os.SEEK_END), 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1 and len(head) == 16:
                size = int.from_bytes(head[8:16], "big")
            if size < 8:  # 0: to the end of the file
                return False
            at += size
    return at > end
