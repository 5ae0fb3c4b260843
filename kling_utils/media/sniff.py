"""What a file is, by its first bytes; its name is never trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kling_utils.errors import UnreadableMedia
from kling_utils.media.files import sha256

Field = Literal["image", "video"]
Family = Literal["image", "heif", "video", "audio", "text", "other", "unknown"]
HEAD_BYTES = 4096
"""Enough for every signature below; an EBML header names its kind within the first 64 bytes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A family, and a phrase that ends the sentence "this file is ..."."""

    family: Family
    phrase: str
    container: str = ""
    """Of a clip: ``mp4``, ``mov``, ``3gp``, ``webm``, ``matroska``, ``avi``, or ``gif``, which may
    be a still picture. Empty where it is not read here."""


RAW = "a raw photo"
"""How the phrase of a camera's raw photo begins."""

_STARTS: tuple[tuple[bytes, Family, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image", "a picture (PNG)"),
    (b"\xff\xd8\xff", "image", "a picture (JPEG)"),
    (b"FUJIFILMCCD-RAW", "other", f"{RAW} (Fujifilm RAF)"),
    (b"IIRO", "other", f"{RAW} (Olympus ORF)"),
    (b"IIRS", "other", f"{RAW} (Olympus ORF)"),
    (b"MMOR", "other", f"{RAW} (Olympus ORF)"),
    (b"IIU\0", "other", f"{RAW} (Panasonic RW2)"),
    (b"\0MRM", "other", f"{RAW} (Minolta MRW)"),
    (b"FOVb", "other", f"{RAW} (Sigma X3F)"),
    (b"II+\0", "other", "a BigTIFF"),
    (b"MM\0+", "other", "a BigTIFF"),
    (b"\xff\x0a", "other", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "other", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "other", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "other", "a JPEG 2000 picture"),
    (b"gimp xcf", "other", "a GIMP document"),
    (b"\0\0\1\0", "other", "an icon (ICO)"),
    (b"%!PS", "other", "a PostScript document"),
    (b"II*\x00", "image", "a picture (TIFF)"),
    (b"MM\x00*", "image", "a picture (TIFF)"),
    (b"8BPS", "other", "a Photoshop document"),
    (b"%PDF", "other", "a PDF document"),
    (b"PK\x03\x04", "other", "a ZIP archive"),
    (b"ID3", "audio", "sound only (MP3)"),
    (b"\xff\xfb", "audio", "sound only (MP3)"),
    (b"\xff\xf3", "audio", "sound only (MP3)"),
    (b"\xff\xf1", "audio", "sound only (AAC)"),
    (b"\xff\xf9", "audio", "sound only (AAC)"),
    (b"fLaC", "audio", "sound only (FLAC)"),
    (b"FLV\x01", "video", "a Flash video (FLV)"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video", "a Windows Media file"),
    (b"\x00\x00\x01\xba", "video", "an MPEG programme stream"),
)
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}
_QUICKTIME_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
"""The first box of a QuickTime file without a brand."""


_UNKNOWN = Kind("unknown", "of an unknown kind")
_RIFF = {
    b"WEBP": Kind("image", "a picture (WebP)"),
    b"WAVE": Kind("audio", "sound only (WAV)"),
    b"AVI ": Kind("video", "a clip (AVI)", "avi"),
}


def sniff(head: bytes) -> Kind:
    """The kind of file that begins with ``head`` (its first ``HEAD_BYTES`` bytes)."""
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return Kind("image", "a picture (GIF)", "gif")
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return Kind("other", f"{RAW} (Canon CR2)")
    for start, family, phrase in _STARTS:
        if head.startswith(start):
            return Kind(family, phrase)
    if head[4:8] == b"ftyp":
        return _branded(head)
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], _UNKNOWN)
    if head[:4] == b"OggS":
        sound = b"theora" not in head
        return Kind("audio", "sound only (Ogg)") if sound else Kind("video", "an Ogg video")
    if head[:4] == b"\x1aE\xdf\xa3":
        if b"webm" in head[:64]:
            return Kind("video", "a clip (WebM)", "webm")
        return Kind("video", "a clip (Matroska)", "matroska")
    if head[4:8] in _QUICKTIME_BOXES:
        return Kind("video", "a clip (MOV)", "mov")
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return Kind("image", "a picture (BMP)")
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return Kind("video", "an MPEG transport stream")
    return _text(head)


def _branded(head: bytes) -> Kind:
    brand = head[8:12]
    length = min(max(int.from_bytes(head[:4]), 16), len(head))
    brands = {brand, *(head[i : i + 4] for i in range(16, length - 3, 4))}
    # A phone's picture names a picture brand first. A film may list "mif1" among the others.
    if brand in _AVIF:
        return Kind("heif", "a picture (AVIF)")
    if brand in _HEIF:
        return Kind("heif", "a picture (AVIF)" if brands & _AVIF else "a picture (HEIC)")
    if brand == b"crx ":
        return Kind("other", f"{RAW} (Canon CR3)")
    if brand == b"qt  ":
        return Kind("video", "a clip (MOV)", "mov")
    if brand in (b"M4A ", b"M4B ", b"M4P "):
        return Kind("audio", "sound only (M4A)")
    if brand[:3] in (b"3gp", b"3g2"):
        return Kind("video", "a clip (3GP)", "3gp")
    return Kind("video", "a clip (MP4)", "mp4")


def _text(head: bytes) -> Kind:
    cut = head.rstrip(b"\xc0\xc1\xc2\xc3\xe2\xf0") if len(head) == HEAD_BYTES else head
    try:
        text = cut.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(cut) - 4:  # not merely a letter that the cut went through
            return _UNKNOWN
        text = cut[: error.start].decode("utf-8-sig")
    if re.search(r"[\x00-\x08\x0e-\x1a]", text):
        return _UNKNOWN
    start = text.lstrip().lower()
    if start.startswith("#extm3u") or "<mpd" in start[:500]:
        return Kind("text", "a playlist that points at other files")
    if start.startswith("ffconcat"):
        return Kind("text", "a list of files for ffmpeg")
    if start.startswith(("<!doctype html", "<html")):
        return Kind("text", "a saved web page")
    if "<svg" in start[:500]:
        return Kind("other", "a vector drawing (SVG)")
    return Kind("text", "text")


def boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    """Type and length of each box at the top of an MP4, as far as the lengths make sense."""
    with path.open("rb") as file:
        end, at = file.seek(0, 2), 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4])
            if length == 1 and len(head) == 16:
                length = int.from_bytes(head[8:])
            yield head[4:8], length
            if length < 8:  # 0: to the end of the file
                return
            at += length


def read_head(path: Path, field: Field) -> tuple[int, bytes]:
    """Size in bytes and first bytes of a regular, non-empty file. Raises ``UnreadableMedia``."""
    try:
        if not path.is_file():
            what = "not a regular file" if path.exists() else "not there"
            what = "a folder" if path.is_dir() else what
            raise unreadable(path, field, what, f"Choose the {field} again.", "missing")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            size = file.seek(0, 2)
    except OSError as error:
        raise not_readable(path, field, error) from error
    if size == 0:
        hint = "The copy or upload was interrupted; choose the file again."
        raise unreadable(path, field, "empty (0 bytes)", hint, "empty")
    return size, head


def unreadable(path: Path, field: Field, what: str, hint: str, found: str) -> UnreadableMedia:
    """The error "this file is ``what``"; ``found`` says the same as one word."""
    message = f"{path.name} is {what}."
    return UnreadableMedia(message, hint=hint, what=what, found=found, field=field)


def not_readable(path: Path, field: Field, error: OSError) -> UnreadableMedia:
    """The error for a file that the system does not let us read."""
    what = f"not readable ({error.strerror})"
    return unreadable(path, field, what, "Check its permissions and its disk.", "missing")


def file_hash(path: Path, field: Field) -> str:
    """``sha256`` of an input. Raises ``UnreadableMedia``."""
    try:
        return sha256(path)
    except OSError as error:
        raise not_readable(path, field, error) from error
