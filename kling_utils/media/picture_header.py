"""What a picture's header says before anything is decoded: size, orientation, profile, frames, and the memory that decoding takes.

Only what is needed is read, with a cap on each part, because a few bytes of a header can ask for any amount. Tags that are
broken never make a picture unreadable: the decoder gets the bytes without them (``Header.ranges``).
"""

from __future__ import annotations

import io
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kling_utils.values import Size

MOST_FRAMES = 1000
"""Frames are counted up to here."""
_MOST_PARTS = (
    200_000  # chunks, segments or blocks of a file; 30 MB of PNG in pieces of 8 kB have 4,000
)
_MOST_RUNS = 4_000_000  # pixels of a run-length encoded BMP: Pillow decodes it in Python, at 10 million a second
_MOST_SCANS = 100  # of a progressive JPEG: encoders write about 10, each is a pass over all pixels
_MOST_TAG_BYTES = (
    64 * 2**20
)  # values of a TIFF's tags together: they overlap, so a small file can ask for gigabytes
_MOST_PROFILE = 8 * 2**20  # profiles of printers have up to 4 MB
_MOST_EXIF = 65536  # of which only the orientation is read, from the first directory

# Bytes a pixel at the peak of decoding and converting to 8-bit RGB, over the size of the source; measured on 12 megapixels
# with Pillow 11.3 and pillow-heif 1.8, as peak resident memory of a process: WebP 17, with transparency 19.3; AVIF 12.8 to 13.5, with more
# than 8 bits 16.4; HEIC 8.3 to 10.4. Everything else is decoded straight into the picture, of 1 to 4 bytes a pixel.
_OUT = 4
_WEBP, _AVIF, _AVIF_DEEP, _HEIF = 19.5, 13.5, 16.5, 10.5

_ORIENTATION, _MAKE, _SUB_IFDS, _DNG = 0x0112, 0x010F, 0x014A, 0xC612
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SENSOR = (
    32803,
    34892,
)  # photometric interpretations of raw photos: colour filter array, linear raw


class NoHeader(Exception):
    """The file says too little of itself, or contradicts itself, before its pixels."""


class TooMuch(Exception):
    """The header alone asks for more than is read; the message ends the sentence "this file is ..."."""


class RawPhoto(Exception):
    """A camera's raw photo in the form of a TIFF; the message names it."""


@dataclass(frozen=True, slots=True)
class Header:
    size: Size
    """As it is stored, before the orientation."""
    memory: int
    """Bytes at the peak of decoding it and converting it to RGB."""
    reduced: int | None = None
    """The same for one that is decoded at an eighth of its size; None where the decoder cannot."""
    frames: int = 1
    """Counted up to ``MOST_FRAMES``."""
    orientation: int = 1
    """The EXIF tag's, 1 to 8; 1 where the decoder turns the picture itself."""
    profile: bytes | None = None
    ranges: tuple[tuple[int, int], ...] | None = None
    """Where the bytes lie that a decoder needs; None: all of the file."""
    broken_tags: bool = False


def read_header(path: Path) -> Header | None:
    """The header of a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC file; None for another kind.

    Raises ``NoHeader``, ``TooMuch``, ``RawPhoto`` and ``OSError``.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        head = _at(file, 0, 16)
        try:
            if head.startswith(b"\xff\xd8\xff"):
                return _jpeg(file, end)
            if head.startswith(b"\x89PNG\r\n\x1a\n"):
                return _png(file, end)
            if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
                return _webp(file, end)
            if head[:2] == b"BM":
                return _bmp(file, end)
            if head[:4] == b"GIF8":
                return _gif(file, end)
            if head[:4] in (b"II*\0", b"MM\0*"):
                return _tiff(file, end)
            if head[4:8] == b"ftyp":
                return _heif(file, end)
        except (struct.error, IndexError, OverflowError) as error:
            raise NoHeader from error
    return None


class _Spliced(io.RawIOBase):
    def __init__(self, path: Path, ranges: tuple[tuple[int, int], ...]) -> None:
        self._file = path.open("rb")
        self._parts: list[tuple[int, int, int]] = []
        self._length = 0
        for begin, end in ranges:
            self._parts.append((self._length, begin, end - begin))
            self._length += end - begin
        self._position = self._part = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position, self._part = max(0, base + offset), 0
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while self._part < len(self._parts):
            at, begin, length = self._parts[self._part]
            inside = self._position - at
            if inside < length:
                self._file.seek(begin + inside)
                data = self._file.read(min(len(buffer), length - inside))
                buffer[: len(data)] = data
                self._position += len(data)
                return len(data)
            self._part += 1
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()


def spliced(path: Path, ranges: tuple[tuple[int, int], ...]) -> BinaryIO:
    """Parts of a file, read as if they were a file of their own."""
    return io.BufferedReader(_Spliced(path, ranges))


def _at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _memory(size: Size, source: float) -> int:
    return int(size.width * size.height * (source + _OUT))


class _Parts:
    """Counts what is walked over, so that a file of tiny parts does not keep a processor."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> None:
        self._count += 1
        if self._count > _MOST_PARTS:
            raise TooMuch(f"a picture in more than {_MOST_PARTS:,} parts")


# -- JPEG ------------------------------------------------------------------------------------------


def _jpeg(file: BinaryIO, end: int) -> Header:
    at, parts = 2, _Parts()
    ranges = [(0, 2)]
    size, per_pixel, progressive = None, 0.0, False
    orientation, broken, exif_seen = 1, False, False
    profile: dict[int, bytes] = {}
    while True:
        parts.next()
        marker, length = struct.unpack(">HH", _at(file, at, 4))
        if marker == 0xFFFF or marker == 0xFF00 or marker == 0:
            at += 1  # filling, which decoders step over
            continue
        if marker < 0xFF01:
            raise NoHeader
        kind = marker & 0xFF
        if kind == 0xD9:
            raise NoHeader
        if kind == 0x01 or 0xD0 <= kind <= 0xD8:
            at += 2
            continue
        after = at + 2 + length
        if kind == 0xDA:
            break
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            data = _at(file, at + 4, 6)
            _, height, width, count = struct.unpack(">BHHB", data)
            samples = [
                each for _, each, _ in struct.iter_unpack("BBB", _at(file, at + 10, 3 * count))
            ]
            size, progressive = Size(width, height), kind in (0xC2, 0xC6, 0xCA, 0xCE)
            shares = [(each >> 4) * (each & 15) for each in samples]
            per_pixel = 2 * sum(shares) / max(1, max(shares)) if progressive else 0.0
        elif kind == 0xE1 and not exif_seen and _at(file, at + 4, 6) == b"Exif\0\0":
            exif_seen = True
            orientation, broken = _orientation(_at(file, at + 10, min(length - 8, _MOST_EXIF)))
        elif kind == 0xE2 and _at(file, at + 4, 12) == b"ICC_PROFILE\0":
            number = _at(file, at + 16, 1)[0]
            if sum(map(len, profile.values())) < _MOST_PROFILE:
                profile[number] = _at(file, at + 18, max(0, length - 16))
        # APP0 and APP14 say how the colours are stored; what else stands here are tags
        if not (0xE1 <= kind <= 0xEF or kind == 0xFE) or kind == 0xEE:
            ranges.append((at, min(after, end)))
        at = after
        if at >= end:
            raise NoHeader
    if size is None or 0 in size:
        raise NoHeader
    if progressive:
        _count_scans(file, at)
    ranges.append((at, end))
    # all coefficients of a progressive one are held until its last scan is read; then they go, and the conversion begins
    memory = max(_memory(size, 4), _memory(size, per_pixel))
    joined = b"".join(profile[number] for number in sorted(profile)) or None
    eighth = Size(-(-size.width // 8), -(-size.height // 8))
    return Header(
        size,
        memory,
        _memory(eighth, 4) + int(size.width * size.height * per_pixel),
        orientation=orientation,
        profile=joined,
        ranges=tuple(ranges),
        broken_tags=broken,
    )


def _count_scans(file: BinaryIO, at: int) -> None:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        last = data.find(b"\xff\xd9", at)
        last, scans = (last if last >= 0 else len(data)), 0
        while (at := data.find(b"\xff\xda", at, last)) >= 0:
            scans, at = scans + 1, at + 2
            if scans > _MOST_SCANS:
                raise TooMuch(f"a progressive JPEG with more than {_MOST_SCANS} scans")


# -- PNG -------------------------------------------------------------------------------------------


def _png(file: BinaryIO, end: int) -> Header:
    parts = _Parts()
    at, ranges = 8, [(0, 8)]
    size, per_pixel, frames, orientation, broken = None, 4, 1, 1, False
    profile, data_seen = None, False
    while at + 8 <= end:
        parts.next()
        length, kind = struct.unpack(">I4s", _at(file, at, 8))
        after = min(at + 12 + length, end)
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if kind == b"IHDR" and size is None:
                width, height, depth, colour = struct.unpack(">IIBB", _at(file, at + 8, 10))
                size = Size(width, height)
                per_pixel = 2 if colour == 0 and depth == 16 else 1 if colour in (0, 3) else 4
            data_seen = data_seen or kind == b"IDAT"
            if ranges[-1][1] == at:
                ranges[-1] = (ranges[-1][0], after)
            else:
                ranges.append((at, after))
            if kind == b"IEND":
                break
        else:
            good = after - at == 12 + length
            if good and length <= 2**20:
                body = _at(file, at + 4, length + 8)
                good = zlib.crc32(body[:-4]) == int.from_bytes(body[-4:])
            broken = broken or not good
            if kind == b"acTL" and good:
                frames = min(MOST_FRAMES, max(1, struct.unpack(">I", _at(file, at + 8, 4))[0]))
            elif kind == b"eXIf":
                orientation, wrong = _orientation(_at(file, at + 8, min(length, _MOST_EXIF)))
                broken = broken or wrong
            elif kind == b"iCCP" and profile is None:
                profile = _inflated(_at(file, at + 8, min(length, _MOST_PROFILE)))
                broken = broken or profile is None
        at = after
    if size is None or 0 in size or not data_seen:
        raise NoHeader
    memory = _memory(size, per_pixel)
    return Header(
        size,
        memory,
        frames=frames,
        orientation=orientation,
        profile=profile,
        ranges=tuple(ranges),
        broken_tags=broken,
    )


def _inflated(chunk: bytes) -> bytes | None:
    """The profile in an iCCP chunk: a name, a zero, the method, and deflated bytes."""
    name, _, rest = chunk.partition(b"\0")
    try:
        out = zlib.decompressobj().decompress(rest[1:], _MOST_PROFILE)
    except zlib.error:
        return None
    return out if name and 128 < len(out) < _MOST_PROFILE else None


# -- WebP, BMP, GIF -------------------------------------------------------------------------------------


def _webp(file: BinaryIO, end: int) -> Header:
    parts = _Parts()
    at, size, frames, profile, broken = 12, None, 0, None, False
    while at + 8 <= end:
        parts.next()
        kind, length = struct.unpack("<4sI", _at(file, at, 8))
        data = _at(file, at + 8, 10)
        if size is None and kind == b"VP8X":
            size = Size(
                1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
            )
        elif size is None and kind == b"VP8 ":
            width, height = struct.unpack("<HH", data[6:10])
            size = Size(width & 0x3FFF, height & 0x3FFF)
        elif size is None and kind == b"VP8L":
            bits = int.from_bytes(data[1:5], "little")
            size = Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        elif kind == b"ANMF":
            frames += 1
        elif kind == b"EXIF":
            exif = _at(file, at + 8, min(length, _MOST_EXIF)).removeprefix(b"Exif\0\0")
            _, broken = _orientation(exif)  # browsers do not turn a WebP by its tag
        elif kind == b"ICCP" and length <= _MOST_PROFILE:
            profile = _at(file, at + 8, length)
        at += 8 + length + (length & 1)
    if size is None or 0 in size:
        raise NoHeader
    # the decoder reads all of the file and keeps a copy
    memory = int(size.width * size.height * _WEBP) + 2 * end
    frames = min(MOST_FRAMES, max(1, frames))
    return Header(size, memory, frames=frames, profile=profile, broken_tags=broken)


def _bmp(file: BinaryIO, end: int) -> Header:
    head, compression = _at(file, 14, 12), 0
    if head[:4] == b"\x0c\0\0\0":
        size = Size(*struct.unpack("<HH", head[4:8]))
    else:
        width, height = struct.unpack("<ii", head[4:12])
        size = Size(abs(width), abs(height))  # a negative height: the rows begin at the top
        (compression,) = struct.unpack("<I", _at(file, 30, 4))
    if 0 in size:
        raise NoHeader
    pixels = size.width * size.height
    if compression in (1, 2) and max(pixels, end / 4) > _MOST_RUNS:
        raise TooMuch(f"a run-length encoded BMP of {pixels / 1e6:.0f} megapixels")
    return Header(size, _memory(size, 4))


def _gif(file: BinaryIO, end: int) -> Header:
    """The decoder gets the first frame only, and no comments: Pillow takes a time for them that grows with their square."""
    parts = _Parts()
    width, height, flags = struct.unpack("<HHB", _at(file, 6, 5))
    at, frames = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), 0
    ranges = [(0, min(at, end))]

    def skip(at: int) -> int:
        while True:
            parts.next()
            length = _at(file, at, 1)
            if length in (b"", b"\0"):
                return at + 1
            at += 1 + length[0]

    while frames < MOST_FRAMES:
        parts.next()
        kind = _at(file, at, 1)
        if kind == b"!":
            begin, control = at, _at(file, at + 1, 1) == b"\xf9"
            at = skip(at + 2)
            if control and not frames:
                ranges.append((begin, min(at, end)))
        elif kind == b",":
            left, top, wide, high, flags = struct.unpack("<4HB", _at(file, at + 1, 9))
            begin = at
            try:
                at = skip(at + 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0))
            except TooMuch:
                if frames:
                    break  # of a long film only the first frame counts
                raise
            if not frames:  # a frame that is larger than the screen makes the screen larger
                width, height = max(width, left + wide), max(height, top + high)
                ranges.append((begin, min(at, end)))
            frames += 1
        else:
            break
    size = Size(width, height)
    if not frames or 0 in size:
        raise NoHeader
    return Header(size, _memory(size, 4), frames=frames, ranges=tuple(ranges))


# -- TIFF, and the orientation in EXIF, which is one -----------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    field: bytes
    offset: int


def _directory(data: BinaryIO, order: str, offset: int) -> tuple[dict[int, _Entry], int, int]:
    """Entries of one directory by tag, where the next one lies, and the bytes of all values together."""
    (count,) = struct.unpack(order + "H", _at(data, offset, 2))
    block = _at(data, offset + 2, 12 * count + 4)
    entries: dict[int, _Entry] = {}
    total = 0
    for at in range(0, 12 * count, 12):
        tag, kind, number, value = struct.unpack(order + "HHI4s", block[at : at + 12])
        (place,) = struct.unpack(order + "I", value)
        entries.setdefault(tag, _Entry(kind, number, value, place))
        total += number * _TYPE_SIZES.get(kind, 0)
    rest = block[12 * count :]
    return entries, struct.unpack(order + "I", rest)[0] if len(rest) == 4 else 0, total


def _order(start: bytes) -> str:
    orders = {b"II*\0": "<", b"MM\0*": ">"}
    if start not in orders:
        raise NoHeader
    return orders[start]


def exif_orientation(exif: bytes) -> int:
    """The orientation in EXIF data; 1 where there is none."""
    return _orientation(exif.removeprefix(b"Exif\0\0"))[0]


def _number(entries: dict[int, _Entry], order: str, tag: int, default: int) -> int:
    """The first of a tag's values, where it is short enough to stand in the entry."""
    entry = entries.get(tag)
    if entry is None or entry.kind not in (3, 4) or entry.count < 1:
        return default
    if entry.kind == 3 and entry.count <= 2:
        return int(struct.unpack(order + "H", entry.field[:2])[0])
    return entry.offset if entry.kind == 4 and entry.count == 1 else default


def _orientation(exif: bytes) -> tuple[int, bool]:
    """The orientation in EXIF data, 1 where there is none that counts; and whether the data is broken."""
    try:
        order, data = _order(exif[:4]), io.BytesIO(exif)
        entries, _, _ = _directory(data, order, struct.unpack(order + "I", exif[4:8])[0])
    except (NoHeader, struct.error):
        return 1, True
    turn = _number(entries, order, _ORIENTATION, 1)
    return (turn, False) if 1 <= turn <= 8 else (1, _ORIENTATION in entries)


def _tiff(file: BinaryIO, end: int) -> Header:
    head = _at(file, 0, 8)
    order = _order(head[:4])
    (first,) = struct.unpack(order + "I", head[4:])
    entries, following, total = _directory(file, order, first)
    if total > _MOST_TAG_BYTES:
        raise TooMuch(f"a TIFF with {total / 1e6:,.0f} MB of tags")
    _no_raw_photo(file, entries, order)
    size = Size(*(_number(entries, order, tag, 0) for tag in (0x100, 0x101)))
    if 0 in size:
        raise NoHeader
    samples = _number(entries, order, 0x115, 1)
    bits = entries.get(0x102)
    depth = 16 if bits is None else _depth(file, order, bits)
    tile = [_number(entries, order, tag, 0) for tag in (0x142, 0x143)]
    rows = min(_number(entries, order, 0x116, size.height), size.height)
    # one strip or tile is decoded at a time, into a buffer of its own; its size is the header's to say
    piece = tile[0] * tile[1] if 0 not in tile else size.width * rows
    buffer = piece * max(1, samples) * max(8, depth) // 8
    # Pillow keeps a row of a list for each strip and decodes all that are listed, also those beyond the picture
    across, down = (-(-size.width // tile[0]), tile[1]) if 0 not in tile else (1, max(1, rows))
    strips = across * -(-size.height // down) * max(1, samples)
    listed = max((entries[tag].count for tag in (0x111, 0x144) if tag in entries), default=0)
    if listed > _MOST_PARTS:
        raise TooMuch(f"a TIFF in more than {_MOST_PARTS:,} parts")
    if listed > strips:
        raise NoHeader
    frames, seen = 1, {first}
    while following and following not in seen and frames < MOST_FRAMES:
        seen.add(following)
        try:
            (count,) = struct.unpack(order + "H", _at(file, following, 2))
            (later,) = struct.unpack(order + "I", _at(file, following + 2 + 12 * count, 4))
        except struct.error:
            break
        frames, following = frames + 1, later
    turn = _number(entries, order, _ORIENTATION, 1)
    profile = _value(file, entries.get(0x8773))
    return Header(
        size,
        _memory(size, 4) + buffer,
        frames=frames,
        orientation=turn if 1 <= turn <= 8 else 1,
        profile=profile,
    )


def _depth(file: BinaryIO, order: str, bits: _Entry) -> int:
    if bits.kind != 3 or not 1 <= bits.count <= 16:
        return 64
    data = bits.field if bits.count <= 2 else _at(file, bits.offset, 2 * bits.count)
    depths: tuple[int, ...] = struct.unpack(f"{order}{bits.count}H", data[: 2 * bits.count])
    return max(depths)


def _value(file: BinaryIO, entry: _Entry | None) -> bytes | None:
    if entry is None or entry.kind not in (1, 2, 7) or not 4 < entry.count <= _MOST_PROFILE:
        return None
    return _at(file, entry.offset, entry.count)


def _no_raw_photo(file: BinaryIO, entries: dict[int, _Entry], order: str) -> None:
    """Raise ``RawPhoto`` for DNG, NEF, ARW, PEF and their like: TIFFs that begin with a thumbnail and hold a sensor's values."""
    if _DNG in entries:
        raise RawPhoto("a raw photo (DNG)")
    reduced = _number(entries, order, 0xFE, 0) & 1
    if (reduced and _SUB_IFDS in entries) or _number(entries, order, 0x106, 0) in _SENSOR:
        make = (_value(file, entries.get(_MAKE)) or b"").upper()
        makers = ((b"NIKON", "Nikon NEF"), (b"SONY", "Sony ARW"), (b"PENTAX", "Pentax PEF"))
        named = next((name for start, name in makers if make.startswith(start)), "TIFF")
        raise RawPhoto(f"a raw photo ({named})")


# -- AVIF and HEIC ---------------------------------------------------------------------------------


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the content of each box."""
    while at + 8 <= end:
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        begin = at + 8
        if length == 1:
            (length,) = struct.unpack(">Q", data[begin : begin + 8])
            begin += 8
        length = end - at if length == 0 else length
        if length < begin - at:
            raise NoHeader
        yield kind, begin, min(at + length, end)
        at += length


def _heif(file: BinaryIO, end: int) -> Header:
    """The largest size that any item, or the AV1 stream in it, says: grids, and sizes that contradict each other."""
    parts = _Parts()
    meta, at, film = b"", 0, False
    while at + 8 <= end:
        parts.next()
        length, kind = struct.unpack(">I4s", _at(file, at, 8))
        if length == 1:
            (length,) = struct.unpack(">Q", _at(file, at + 8, 8))
        length = end - at if length == 0 else length
        if length < 8:
            break
        if kind == b"meta":
            if length > _MOST_TAG_BYTES:
                raise TooMuch(f"a picture with {length / 1e6:,.0f} MB of tags")
            meta = _at(file, at + 12, max(0, length - 12))
        film = film or kind == b"moov"
        at += length
    sizes: list[Size] = []
    deep, av1 = False, False
    kinds: dict[int, bytes] = {}
    items: dict[int, list[tuple[bool, int, int]]] = {}
    inner = 0
    for kind, begin, finish in _boxes(meta, 0, len(meta)):
        if kind == b"iprp":
            for name, here in _properties(meta, begin, finish, parts):
                if name == b"ispe":
                    sizes.append(Size(*struct.unpack(">II", meta[here + 4 : here + 12])))
                elif name == b"av1C":
                    deep = deep or bool(meta[here + 2] & 0x40)
        elif kind == b"iloc":
            items = _extents(meta[begin:finish], parts)
        elif kind == b"iinf":
            kinds = _item_kinds(meta, begin, finish, parts)
        elif kind == b"idat":
            inner = begin
    for number, kind in kinds.items():
        if kind == b"av01":
            av1 = True
            data = b""
            for inside, offset, length in items.get(number, []):
                length = min(length, _AV1_START - len(data))
                data += meta[inner + offset :][:length] if inside else _at(file, offset, length)
            sizes.append(_av1_size(data))
        elif kind == b"Exif":
            length = sum(each[2] for each in items.get(number, []))
            for inside, offset, _ in items.get(number, [])[:1]:
                data = (
                    meta[inner + offset :][:_MOST_EXIF] if inside else _at(file, offset, _MOST_EXIF)
                )
                _no_exif_bomb(data[4 + int.from_bytes(data[:4]) :], length)
    if film:
        sizes += _film_sizes(file, end)
    if not sizes or any(0 in size for size in sizes):
        raise NoHeader
    most = max(sizes, key=lambda size: size.width * size.height)
    per_pixel = (_AVIF_DEEP if deep else _AVIF) if av1 else _HEIF
    return Header(most, int(most.width * most.height * per_pixel) + end)


def _no_exif_bomb(exif: bytes, length: int) -> None:
    """Raise ``TooMuch`` when values that overlap add up: whoever reads all tags copies each."""
    try:
        order = _order(exif[:4])
        offset = struct.unpack(order + "I", exif[4:8])[0]
        (count,) = struct.unpack(order + "H", exif[offset : offset + 2])
    except (NoHeader, struct.error):
        return
    if count * length > _MOST_TAG_BYTES:
        raise TooMuch(f"a picture with {count * length / 1e6:,.0f} MB of tags")


def _properties(meta: bytes, begin: int, end: int, parts: _Parts) -> Iterator[tuple[bytes, int]]:
    for container, start, stop in _boxes(meta, begin, end):
        if container == b"ipco":
            for name, here, _ in _boxes(meta, start, stop):
                parts.next()
                yield name, here


def _item_kinds(meta: bytes, begin: int, end: int, parts: _Parts) -> dict[int, bytes]:
    kinds: dict[int, bytes] = {}
    for name, here, _ in _boxes(meta, begin + (6 if meta[begin] == 0 else 8), end):
        parts.next()
        if name == b"infe" and meta[here] >= 2:
            wide = meta[here] > 2
            number = int.from_bytes(meta[here + 4 : here + (8 if wide else 6)])
            kinds[number] = meta[here + (10 if wide else 8) :][:4]
    return kinds


def _extents(iloc: bytes, parts: _Parts) -> dict[int, list[tuple[bool, int, int]]]:
    """Where the bytes of each item lie: inside of the meta box or not, offset and length."""
    read = io.BytesIO(iloc)

    def number(size: int) -> int:
        return int.from_bytes(read.read(size))

    version, _ = number(1), number(3)
    sizes = number(2)
    offset_size, length_size, base_size, index_size = (
        sizes >> 12,
        sizes >> 8 & 15,
        sizes >> 4 & 15,
        sizes & 15,
    )
    items: dict[int, list[tuple[bool, int, int]]] = {}
    for _ in range(number(2 if version < 2 else 4)):
        parts.next()
        name = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        number(2)
        base, extents = number(base_size), []
        for _ in range(number(2)):
            parts.next()
            if version:
                number(index_size)
            offset, length = base + number(offset_size), number(length_size)
            extents.append((method == 1, offset, length or _AV1_START))
        items[name] = extents
    return items


def _film_sizes(file: BinaryIO, end: int) -> list[Size]:
    """Sizes in the track of an AVIF film, by the header and by the stream: a decoder takes its pictures from there."""
    at = 0
    while at + 8 <= end:
        length, kind = struct.unpack(">I4s", _at(file, at, 8))
        if kind == b"moov":
            moov = _at(file, at, min(length, _MOST_TAG_BYTES))
            entry, chunks = moov.find(b"av01"), moov.find(b"stco")
            if entry < 0 or chunks < 0:
                return []
            (offset,) = struct.unpack(">I", moov[chunks + 12 : chunks + 16])
            size = Size(*struct.unpack(">HH", moov[entry + 28 : entry + 32]))
            return [size, _av1_size(_at(file, offset, _AV1_START))]
        if length < 8:
            break
        at += length
    return []


_AV1_START = (
    4096  # bytes of an AV1 stream in which its sequence header must stand; it is the first there is
)


def _av1_size(data: bytes) -> Size:
    """The largest picture that the sequence header of an AV1 stream allows: what its decoder gets memory for.

    By the AV1 specification, 5.3 to 5.5. The size that the file around it says need not be that of the stream.
    """
    at = 0
    while at < len(data):
        head = data[at]
        at += 1 + (head >> 2 & 1)
        length = len(data) - at
        if head & 2:
            length = shift = 0
            while True:
                byte = data[at]
                length |= (byte & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if byte < 0x80:
                    break
        if head >> 3 & 15 == 1:
            return _sequence(data[at : at + length])
        at += length
    raise NoHeader


def _sequence(data: bytes) -> Size:
    value: int = int.from_bytes(data[:1024])
    left: int = 8 * min(len(data), 1024)

    def bits(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise NoHeader
        return value >> left & ((1 << count) - 1)

    bits(4)
    if bits(1):  # a still picture's shorter form
        bits(5)
    else:
        delay, model = 0, 0
        if bits(1):
            bits(64)
            if bits(1):
                zeros = 0
                while not bits(1):
                    zeros += 1
                bits(zeros)
            model = bits(1)
            if model:
                delay = bits(5) + 1
                bits(42)
        shown = bits(1)
        for _ in range(bits(5) + 1):
            bits(12)
            if bits(5) > 7:
                bits(1)
            if model and bits(1):
                bits(2 * delay + 1)
            if shown and bits(1):
                bits(4)
    wide, high = bits(4) + 1, bits(4) + 1
    return Size(bits(wide) + 1, bits(high) + 1)
