"""What a file is, told from its first bytes.

Owns the signatures of pictures, clips, sound and text. A file's name is never trusted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO, Literal

Family = Literal["image", "heif", "video", "audio", "text", "other", "unknown"]
HEAD_BYTES = 4096  # enough for every signature below; an EBML header names its kind within the first 64 bytes


@dataclass(frozen=True, slots=True)
class Kind:
    """A family, and a phrase that ends the sentence "this file is ..."."""

    family: Family
    phrase: str
    container: str = ""
    """For clips: ``mp4``, ``mov``, ``3gp``, ``webm``, ``matroska``, ``avi``, and ``gif``, which may be a still picture;
    empty for those that are not read here."""


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
_QUICKTIME_BOXES = {
    b"moov",
    b"mdat",
    b"wide",
    b"free",
    b"skip",
    b"pnot",
}  # how a QuickTime file without a brand begins


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
        return _riff(head[8:12])
    if head[:4] == b"OggS":
        sound = b"theora" not in head
        return Kind("audio", "sound only (Ogg)") if sound else Kind("video", "an Ogg video")
    if head[:4] == b"\x1aE\xdf\xa3":
        webm = b"webm" in head[:64]
        return (
            Kind("video", "a clip (WebM)", "webm")
            if webm
            else Kind("video", "a clip (Matroska)", "matroska")
        )
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
    # A picture of a phone names a picture brand first; a film names one of its own, though it may list "mif1" among the others.
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


def _riff(form: bytes) -> Kind:
    match form:
        case b"WEBP":
            return Kind("image", "a picture (WebP)")
        case b"WAVE":
            return Kind("audio", "sound only (WAV)")
        case b"AVI ":
            return Kind("video", "a clip (AVI)", "avi")
    return Kind("unknown", "of an unknown kind")


def _text(head: bytes) -> Kind:
    cut = head.rstrip(b"\xc0\xc1\xc2\xc3\xe2\xf0") if len(head) == HEAD_BYTES else head
    try:
        text = cut.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(cut) - 4:  # not merely a letter that the cut went through
            return Kind("unknown", "of an unknown kind")
        text = cut[: error.start].decode("utf-8-sig")
    if re.search(r"[\x00-\x08\x0e-\x1a]", text):
        return Kind("unknown", "of an unknown kind")
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


def is_animated_gif(file: BinaryIO) -> bool:
    """Whether a GIF has more than one picture, by its blocks: nothing is unpacked."""
    head = file.read(13)
    if len(head) < 13:
        return False
    file.seek(_table(head[10]), 1)
    pictures = 0
    while (block := file.read(1)) in (b"!", b","):
        if block == b"!":
            file.seek(1, 1)
        else:
            pictures += 1
            told = file.read(9)
            if pictures > 1 or len(told) < 9:
                return pictures > 1
            file.seek(_table(told[8]) + 1, 1)
        while size := int.from_bytes(file.read(1)):
            file.seek(size, 1)
    return False


def _table(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
