"""What the header of a picture says: size, orientation, profile, frames, and memory for decoding.

Only what is needed is read, each part with a cap, because a few bytes of a header can ask for any
amount. Pillow's parsers have no such caps: the tags of a TIFF overlap, comments of a GIF take
quadratic time, and decoders of WebP and AVIF take memory for sizes that stand elsewhere in
the file. Broken tags never make a picture unreadable: the decoder gets the bytes without them
(``Header.ranges``).
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
from typing import Any, BinaryIO

from kling_utils.values import Size

MOST_FRAMES = 1000
"""Frames are counted up to here."""
_MOST_PARTS = 200_000
"""Chunks, segments or blocks of a file; 30 MB of PNG in pieces of 8 kB have 4,000."""
_MOST_RUNS = 4_000_000
"""Pixels of a run-length encoded BMP: Pillow decodes it in Python, 10 million a second."""
_MOST_SCANS = 100
"""Of a progressive JPEG: encoders write about 10, and each is a pass over all pixels."""
_MOST_TAG_BYTES = 64 * 2**20
"""Values of a TIFF's tags together: they overlap, so a small file can ask for gigabytes."""
_MOST_PROFILE = 8 * 2**20  # profiles of printers have up to 4 MB
_MOST_EXIF = 65536  # only the orientation is read, from the first directory
_AV1_START = 4096
"""Bytes of an AV1 stream in which its first sequence header must stand."""

# Bytes a pixel at the peak of decoding and converting to 8-bit RGB, over the size of the source;
# measured on 12 megapixels with Pillow 11.3 and pillow-heif 1.8, as peak resident memory of a
# process: WebP 17, with transparency 19.3; AVIF 12.8 to 13.5, with more than 8 bits 16.4; HEIC 8.3
# to 10.4. Everything else is decoded straight into the picture, of 1 to 4 bytes a pixel.
_OUT = 4
_WEBP, _AVIF, _AVIF_DEEP, _HEIF = 19.5, 13.5, 16.5, 10.5

_ORIENTATION, _MAKE, _SUB_IFDS, _DNG = 0x0112, 0x010F, 0x014A, 0xC612
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SENSOR = (32803, 34892)  # photometric interpretations of raw photos: colour filter, linear


class NoHeader(Exception):
    """The header is incomplete, or contradicts itself."""


class TooMuch(Exception):
    """The header asks for more than is read; the message ends the sentence "this file is ..."."""


class RawPhoto(Exception):
    """A camera's raw photo in the form of a TIFF; the message names it."""


@dataclass(frozen=True, slots=True)
class Header:
    size: Size
    """As stored, before the orientation."""
    memory: int
    """Bytes at the peak of decoding it and converting it to RGB."""
    reduced: int | None = None
    """The same when it is decoded at an eighth of its size; None where the decoder cannot."""
    frames: int = 1
    """Counted up to ``MOST_FRAMES``."""
    orientation: int = 1
    """The EXIF tag, 1 to 8; 1 where the decoder turns the picture itself."""
    profile: bytes | None = None
    ranges: tuple[tuple[int, int], ...] | None = None
    """The bytes that a decoder needs, as pairs of begin and end; None: the whole file."""
    broken_tags: bool = False


class _Data:
    """A file by offset. ``step`` counts its parts: tiny ones must not keep a processor busy."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.end = file, file.seek(0, os.SEEK_END)
        self._parts = 0

    def at(self, offset: int, count: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(max(0, count))

    def unpack(self, form: str, offset: int) -> tuple[Any, ...]:
        """Raises ``struct.error`` at the end of the file."""
        return struct.unpack(form, self.at(offset, struct.calcsize(form)))

    def step(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise TooMuch(f"a picture in more than {_MOST_PARTS:,} parts")


def read_header(path: Path) -> Header | None:
    """The header of a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC file; None for another kind.

    Raises ``NoHeader``, ``TooMuch``, ``RawPhoto`` and ``OSError``.
    """
    with path.open("rb") as file:
        data = _Data(file)
        head = data.at(0, 16)
        try:
            if head.startswith(b"\xff\xd8\xff"):
                return _jpeg(data)
            if head.startswith(b"\x89PNG\r\n\x1a\n"):
                return _png(data)
            if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
                return _webp(data)
            if head[:2] == b"BM":
                return _bmp(data)
            if head[:4] == b"GIF8":
                return _gif(data)
            if head[:4] in (b"II*\0", b"MM\0*"):
                return _tiff(data)
            if head[4:8] == b"ftyp":
                return _heif(data)
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


def _memory(size: Size, source: float) -> int:
    return int(size.width * size.height * (source + _OUT))


# -- JPEG ------------------------------------------------------------------------------------------


def _jpeg(data: _Data) -> Header:
    at, ranges = 2, [(0, 2)]
    size, per_pixel, progressive = None, 0.0, False
    orientation, broken, exif_seen = 1, False, False
    profile: dict[int, bytes] = {}
    while True:
        data.step()
        marker, length = data.unpack(">HH", at)
        if marker in (0xFFFF, 0xFF00, 0):
            at += 1  # filling, which decoders step over
            continue
        kind = marker & 0xFF
        if marker < 0xFF01 or kind == 0xD9:
            raise NoHeader
        if kind == 0x01 or 0xD0 <= kind <= 0xD8:
            at += 2
            continue
        if kind == 0xDA:
            break
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            _, height, width, count = data.unpack(">BHHB", at + 4)
            samples = struct.iter_unpack("BBB", data.at(at + 10, 3 * count))
            shares = [(each >> 4) * (each & 15) for _, each, _ in samples]
            size, progressive = Size(width, height), kind in (0xC2, 0xC6, 0xCA, 0xCE)
            per_pixel = 2 * sum(shares) / max(1, max(shares)) if progressive else 0.0
        elif kind == 0xE1 and not exif_seen and data.at(at + 4, 6) == b"Exif\0\0":
            exif_seen = True
            orientation, broken = _orientation(data.at(at + 10, min(length - 8, _MOST_EXIF)))
        elif kind == 0xE2 and data.at(at + 4, 12) == b"ICC_PROFILE\0":
            number = data.at(at + 16, 1)[0]
            if sum(map(len, profile.values())) < _MOST_PROFILE:
                profile[number] = data.at(at + 18, length - 16)
        after = at + 2 + length
        # APP0 and APP14 say how the colours are stored; the other APPs and comments are tags
        if not (0xE1 <= kind <= 0xEF or kind == 0xFE) or kind == 0xEE:
            ranges.append((at, min(after, data.end)))
        at = after
        if at >= data.end:
            raise NoHeader
    if size is None or 0 in size:
        raise NoHeader
    if progressive:
        _count_scans(data.file, at)
    ranges.append((at, data.end))
    eighth = Size(-(-size.width // 8), -(-size.height // 8))
    return Header(
        size,
        # a progressive one holds all coefficients until its last scan; then it is converted
        max(_memory(size, 4), _memory(size, per_pixel)),
        _memory(eighth, 4) + int(size.width * size.height * per_pixel),
        orientation=orientation,
        profile=b"".join(profile[number] for number in sorted(profile)) or None,
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


def _png(data: _Data) -> Header:
    at, ranges = 8, [(0, 8)]
    size, per_pixel, frames, orientation, broken = None, 4, 1, 1, False
    profile, data_seen = None, False
    while at + 8 <= data.end:
        data.step()
        length, kind = data.unpack(">I4s", at)
        after = min(at + 12 + length, data.end)
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if kind == b"IHDR" and size is None:
                width, height, depth, colour = data.unpack(">IIBB", at + 8)
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
                body = data.at(at + 4, length + 8)
                good = zlib.crc32(body[:-4]) == int.from_bytes(body[-4:])
            broken = broken or not good
            if kind == b"acTL" and good:
                frames = min(MOST_FRAMES, max(1, data.unpack(">I", at + 8)[0]))
            elif kind == b"eXIf":
                orientation, wrong = _orientation(data.at(at + 8, min(length, _MOST_EXIF)))
                broken = broken or wrong
            elif kind == b"iCCP" and profile is None:
                profile = _inflated(data.at(at + 8, min(length, _MOST_PROFILE)))
                broken = broken or profile is None
        at = after
    if size is None or 0 in size or not data_seen:
        raise NoHeader
    return Header(
        size,
        _memory(size, per_pixel),
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


# -- WebP, BMP, GIF --------------------------------------------------------------------------------


def _webp(data: _Data) -> Header:
    at, size, frames, profile, broken = 12, None, 0, None, False
    while at + 8 <= data.end:
        data.step()
        kind, length = data.unpack("<4sI", at)
        start = data.at(at + 8, 10)
        if size is None and kind == b"VP8X":
            width, height = (
                int.from_bytes(start[4:7], "little"),
                int.from_bytes(start[7:], "little"),
            )
            size = Size(1 + width, 1 + height)
        elif size is None and kind == b"VP8 ":
            width, height = struct.unpack("<HH", start[6:])
            size = Size(width & 0x3FFF, height & 0x3FFF)
        elif size is None and kind == b"VP8L":
            bits = int.from_bytes(start[1:5], "little")
            size = Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        elif kind == b"ANMF":
            frames += 1
        elif kind == b"EXIF":
            exif = data.at(at + 8, min(length, _MOST_EXIF)).removeprefix(b"Exif\0\0")
            _, broken = _orientation(exif)  # browsers do not turn a WebP by its tag
        elif kind == b"ICCP" and length <= _MOST_PROFILE:
            profile = data.at(at + 8, length)
        at += 8 + length + (length & 1)
    if size is None or 0 in size:
        raise NoHeader
    # the decoder reads all of the file and keeps a copy
    memory = int(size.width * size.height * _WEBP) + 2 * data.end
    frames = min(MOST_FRAMES, max(1, frames))
    return Header(size, memory, frames=frames, profile=profile, broken_tags=broken)


def _bmp(data: _Data) -> Header:
    head, compression = data.at(14, 12), 0
    if head[:4] == b"\x0c\0\0\0":
        size = Size(*struct.unpack("<HH", head[4:8]))
    else:
        width, height = struct.unpack("<ii", head[4:12])
        size = Size(abs(width), abs(height))  # a negative height: the rows begin at the top
        (compression,) = data.unpack("<I", 30)
    if 0 in size:
        raise NoHeader
    pixels = size.width * size.height
    if compression in (1, 2) and max(pixels, data.end / 4) > _MOST_RUNS:
        raise TooMuch(f"a run-length encoded BMP of {pixels / 1e6:.0f} megapixels")
    return Header(size, _memory(size, 4))


def _gif(data: _Data) -> Header:
    """The decoder gets the first frame and no comments: for them Pillow takes quadratic time."""

    def table(flags: int) -> int:
        """Bytes of a table of colours."""
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    def skip(at: int) -> int:
        while True:
            data.step()
            length = data.at(at, 1)
            if length in (b"", b"\0"):
                return at + 1
            at += 1 + length[0]

    width, height, flags = data.unpack("<HHB", 6)
    at, frames = 13 + table(flags), 0
    ranges = [(0, min(at, data.end))]
    while frames < MOST_FRAMES:
        data.step()
        begin, kind = at, data.at(at, 1)
        if kind == b"!":
            at = skip(begin + 2)
            if data.at(begin + 1, 1) == b"\xf9" and not frames:  # a control block
                ranges.append((begin, min(at, data.end)))
        elif kind == b",":
            left, top, wide, high, flags = data.unpack("<4HB", begin + 1)
            try:
                at = skip(begin + 11 + table(flags))
            except TooMuch:
                if frames:
                    break  # of a long animation only the first frame is needed
                raise
            if not frames:  # a frame that is larger than the screen makes the screen larger
                width, height = max(width, left + wide), max(height, top + high)
                ranges.append((begin, min(at, data.end)))
            frames += 1
        else:
            break
    size = Size(width, height)
    if not frames or 0 in size:
        raise NoHeader
    return Header(size, _memory(size, 4), frames=frames, ranges=tuple(ranges))


# -- TIFF, and EXIF, which is a TIFF ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    field: bytes
    offset: int


class _Directory:
    """One directory of a TIFF: its entries by tag, the next one's offset, bytes of all values."""

    def __init__(self, data: _Data, order: str, offset: int) -> None:
        self._data, self._order = data, order
        (count,) = data.unpack(order + "H", offset)
        block = data.at(offset + 2, 12 * count + 4)
        self.entries: dict[int, _Entry] = {}
        self.total = 0
        for at in range(0, 12 * count, 12):
            tag, kind, number, value = struct.unpack(order + "HHI4s", block[at : at + 12])
            (place,) = struct.unpack(order + "I", value)
            self.entries.setdefault(tag, _Entry(kind, number, value, place))
            self.total += number * _TYPE_SIZES.get(kind, 0)
        rest = block[12 * count :]
        self.next: int = struct.unpack(order + "I", rest)[0] if len(rest) == 4 else 0

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a tag, where it is short enough to stand in the entry."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (3, 4) or entry.count < 1:
            return default
        if entry.kind == 3 and entry.count <= 2:
            return int(struct.unpack(self._order + "H", entry.field[:2])[0])
        return entry.offset if entry.kind == 4 and entry.count == 1 else default

    def value(self, tag: int) -> bytes | None:
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in (1, 2, 7) or not 4 < entry.count <= _MOST_PROFILE:
            return None
        return self._data.at(entry.offset, entry.count)

    def depth(self) -> int:
        """Bits of a sample; more than are likely where the tag is odd."""
        bits = self.entries.get(0x102)
        if bits is None:
            return 16
        if bits.kind != 3 or not 1 <= bits.count <= 16:
            return 64
        field = bits.field if bits.count <= 2 else self._data.at(bits.offset, 2 * bits.count)
        return int(max(struct.unpack(f"{self._order}{bits.count}H", field[: 2 * bits.count])))


def _order(start: bytes) -> str:
    orders = {b"II*\0": "<", b"MM\0*": ">"}
    if start not in orders:
        raise NoHeader
    return orders[start]


def exif_orientation(exif: bytes) -> int:
    """The orientation in EXIF data; 1 where there is none."""
    return _orientation(exif.removeprefix(b"Exif\0\0"))[0]


def _orientation(exif: bytes) -> tuple[int, bool]:
    """The orientation in EXIF data, 1 where there is no valid one; and whether it is broken."""
    try:
        order = _order(exif[:4])
        first = struct.unpack(order + "I", exif[4:8])[0]
        directory = _Directory(_Data(io.BytesIO(exif)), order, first)
    except (NoHeader, struct.error):
        return 1, True
    turn = directory.number(_ORIENTATION, 1)
    return (turn, False) if 1 <= turn <= 8 else (1, _ORIENTATION in directory.entries)


def _tiff(data: _Data) -> Header:
    order = _order(data.at(0, 4))
    (first,) = data.unpack(order + "I", 4)
    tags = _Directory(data, order, first)
    if tags.total > _MOST_TAG_BYTES:
        raise TooMuch(f"a TIFF with {tags.total / 1e6:,.0f} MB of tags")
    _no_raw_photo(tags)
    size = Size(tags.number(0x100), tags.number(0x101))
    if 0 in size:
        raise NoHeader
    samples = max(1, tags.number(0x115, 1))
    tile = Size(tags.number(0x142), tags.number(0x143))
    rows = min(tags.number(0x116, size.height), size.height)
    # One strip or tile is decoded at a time, into a buffer whose size the header gives. Pillow
    # keeps a row of a list for each strip and decodes all that are listed, also those beyond the
    # picture.
    if 0 not in tile:
        piece = tile.width * tile.height
        strips = -(-size.width // tile.width) * -(-size.height // tile.height) * samples
    else:
        piece = size.width * rows
        strips = -(-size.height // max(1, rows)) * samples
    buffer = piece * samples * max(8, tags.depth()) // 8
    listed = max(
        (tags.entries[tag].count for tag in (0x111, 0x144) if tag in tags.entries), default=0
    )
    if listed > _MOST_PARTS:
        raise TooMuch(f"a TIFF in more than {_MOST_PARTS:,} parts")
    if listed > strips:
        raise NoHeader
    frames, seen, following = 1, {first}, tags.next
    while following and following not in seen and frames < MOST_FRAMES:
        seen.add(following)
        try:
            (count,) = data.unpack(order + "H", following)
            (later,) = data.unpack(order + "I", following + 2 + 12 * count)
        except struct.error:
            break
        frames, following = frames + 1, later
    turn = tags.number(_ORIENTATION, 1)
    return Header(
        size,
        _memory(size, 4) + buffer,
        frames=frames,
        orientation=turn if 1 <= turn <= 8 else 1,
        profile=tags.value(0x8773),
    )


def _no_raw_photo(tags: _Directory) -> None:
    """Raise ``RawPhoto`` for DNG, NEF, ARW, PEF and their like.

    They are TIFFs that begin with a thumbnail and hold the values of a sensor.
    """
    if _DNG in tags.entries:
        raise RawPhoto("a raw photo (DNG)")
    thumbnail = tags.number(0xFE) & 1 and _SUB_IFDS in tags.entries
    if thumbnail or tags.number(0x106) in _SENSOR:
        make = (tags.value(_MAKE) or b"").upper()
        makers = ((b"NIKON", "Nikon NEF"), (b"SONY", "Sony ARW"), (b"PENTAX", "Pentax PEF"))
        named = next((name for start, name in makers if make.startswith(start)), "TIFF")
        raise RawPhoto(f"a raw photo ({named})")


# -- AVIF and HEIC ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Extent:
    inside: bool
    """In the idat box of the meta box."""
    offset: int
    length: int


def _boxes(
    data: _Data, at: int, end: int, *, lax: bool = False
) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the content of each box.

    Something else than a box raises ``NoHeader``; ``lax``: it is the end.
    """
    while at + 8 <= end:
        data.step()
        length, kind = data.unpack(">I4s", at)
        begin = at + 8
        if length == 1:
            (length,) = data.unpack(">Q", begin)
            begin += 8
        length = end - at if length == 0 else length
        if length < begin - at:
            if lax:
                return
            raise NoHeader
        yield kind, begin, min(at + length, end)
        at += length


def _heif(data: _Data) -> Header:
    """The largest size of any item and of any AV1 stream: grids, and sizes that contradict."""
    meta, sizes = b"", []
    for kind, begin, end in _boxes(data, 0, data.end, lax=True):  # cameras append other data
        if kind == b"meta":
            if end - begin > _MOST_TAG_BYTES:
                raise TooMuch(f"a picture with {(end - begin) / 1e6:,.0f} MB of tags")
            meta = data.at(begin + 4, end - begin - 4)
        elif kind == b"moov":
            sizes += _film_sizes(data, begin, end)
    deep, av1, inner = False, False, 0
    kinds: dict[int, bytes] = {}
    items: dict[int, list[_Extent]] = {}
    tags = _Data(io.BytesIO(meta))
    for kind, begin, end in _boxes(tags, 0, tags.end):
        if kind == b"iprp":
            for name, start, stop in _boxes(tags, begin, end):
                for prop, here, _ in _boxes(tags, start, stop) if name == b"ipco" else ():
                    if prop == b"ispe":
                        sizes.append(Size(*tags.unpack(">II", here + 4)))
                    elif prop == b"av1C":
                        deep = deep or bool(meta[here + 2] & 0x40)
        elif kind == b"iloc":
            items = _extents(meta[begin:end], tags)
        elif kind == b"iinf":
            kinds = _item_kinds(tags, begin, end)
        elif kind == b"idat":
            inner = begin
    for number, kind in kinds.items():
        extents = items.get(number, [])
        if kind == b"av01":
            av1, stream = True, b""
            for each in extents:
                wanted = min(each.length, _AV1_START - len(stream))
                source, base = (tags, inner) if each.inside else (data, 0)
                stream += source.at(base + each.offset, wanted)
            sizes.append(_av1_size(stream))
        elif kind == b"Exif" and extents:
            source, base = (tags, inner) if extents[0].inside else (data, 0)
            exif = source.at(base + extents[0].offset, _MOST_EXIF)
            length = sum(each.length for each in extents)
            _no_exif_bomb(exif[4 + int.from_bytes(exif[:4]) :], length)
    if not sizes or any(0 in size for size in sizes):
        raise NoHeader
    most = max(sizes, key=lambda size: size.width * size.height)
    per_pixel = (_AVIF_DEEP if deep else _AVIF) if av1 else _HEIF
    return Header(most, int(most.width * most.height * per_pixel) + data.end)


def _no_exif_bomb(exif: bytes, length: int) -> None:
    """Raise ``TooMuch`` for overlapping values: a reader of all tags copies each of them."""
    try:
        order = _order(exif[:4])
        offset = struct.unpack(order + "I", exif[4:8])[0]
        (count,) = struct.unpack(order + "H", exif[offset : offset + 2])
    except (NoHeader, struct.error):
        return
    if count * length > _MOST_TAG_BYTES:
        raise TooMuch(f"a picture with {count * length / 1e6:,.0f} MB of tags")


def _item_kinds(tags: _Data, begin: int, end: int) -> dict[int, bytes]:
    """The type of each item, from the content of the iinf box."""
    kinds: dict[int, bytes] = {}
    version = tags.at(begin, 1)[0]
    for name, here, _ in _boxes(tags, begin + (6 if version == 0 else 8), end):
        entry = tags.at(here, 14)
        if name == b"infe" and entry[0] >= 2:
            wide = entry[0] > 2
            kinds[int.from_bytes(entry[4 : 8 if wide else 6])] = entry[10 if wide else 8 :][:4]
    return kinds


def _extents(iloc: bytes, tags: _Data) -> dict[int, list[_Extent]]:
    """Where the bytes of each item lie, from the content of the iloc box."""
    read = io.BytesIO(iloc)

    def number(size: int) -> int:
        return int.from_bytes(read.read(size))

    version, _ = number(1), number(3)
    sizes = number(2)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15
    items: dict[int, list[_Extent]] = {}
    for _ in range(number(2 if version < 2 else 4)):
        tags.step()
        name = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        number(2)
        base, extents = number(base_size), []
        for _ in range(number(2)):
            tags.step()
            if version:
                number(index_size)
            offset, length = base + number(offset_size), number(length_size)
            extents.append(_Extent(method == 1, offset, length or _AV1_START))
        items[name] = extents
    return items


def _film_sizes(data: _Data, begin: int, end: int) -> list[Size]:
    """Sizes of the track of an animated AVIF, by its header and by its stream.

    A decoder takes its pictures from there.
    """
    moov = data.at(begin, min(end - begin, _MOST_TAG_BYTES))
    entry, chunks = moov.find(b"av01"), moov.find(b"stco")
    if entry < 0 or chunks < 0:
        return []
    (offset,) = struct.unpack(">I", moov[chunks + 12 : chunks + 16])
    size = Size(*struct.unpack(">HH", moov[entry + 28 : entry + 32]))
    return [size, _av1_size(data.at(offset, _AV1_START))]


def _av1_size(data: bytes) -> Size:
    """The largest picture that the sequence header of an AV1 stream allows.

    The decoder gets memory for it, whatever the file around the stream says. Source: the AV1
    specification, 5.3 to 5.5.
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
