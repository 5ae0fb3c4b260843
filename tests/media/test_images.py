"""Opening pictures: what a header may ask for, tags that are broken, orientation, transparency, and colours."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import zoo
from PIL import Image

from kling_utils.errors import UnreadableMedia
from kling_utils.media.images import MAX_MEMORY, MAX_PIXELS, open_picture, picture_cost, plain
from kling_utils.media.picture_header import MOST_FRAMES
from kling_utils.media.probe import probe_image
from kling_utils.values import Size

# Opens each file as the check does and prints what it took, in bytes, at most.
MEASURE = """
import resource, sys, pathlib
from kling_utils.errors import UnreadableMedia
from kling_utils.media.images import open_picture
from kling_utils.media.images import plain
import pillow_heif
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
before = peak()
for name in sys.argv[1:]:
    try:
        plain(pathlib.Path(name), "white")
    except UnreadableMedia as error:
        assert error.found == "bomb", error
print(peak() - before)
"""


def peak(*paths: Path) -> int:
    """Bytes of resident memory that a process needs to open and convert the pictures, one after the other."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    args = [sys.executable, "-c", MEASURE, *map(str, paths)]
    done = subprocess.run(args, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(picture: Image.Image, *extra: bytes, **options: object) -> bytes:
    """A PNG with more chunks after its header."""
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    data = out.getvalue()
    return data[:33] + b"".join(extra) + data[33:]


def huge_png(colour: int, depth: int = 8, side: int = 8100) -> bytes:
    rows = zlib.compress(
        bytes(10_000), 9
    )  # not enough of them, which is seen after the memory is taken
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def huge_webp() -> bytes:
    """16383x5450 pixels in 34 bytes."""
    bits = (16383 - 1) | (5450 - 1) << 14
    data = b"\x2f" + struct.pack("<I", bits) + b"\x07\x10\xfd\x8f\xfe\x07\x22\xa2\xff\x01"
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(entries: list[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    """A TIFF of one directory at its beginning: tag, type, count and value of each entry."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4) + tail


def plain_tags(
    width: int, height: int, *more: tuple[int, int, int, int]
) -> list[tuple[int, int, int, int]]:
    wanted = {0x100: (4, 1, width), 0x101: (4, 1, height), 0x102: (3, 1, 8), 0x103: (3, 1, 1)}
    wanted |= {0x106: (3, 1, 1), 0x111: (4, 1, 8), 0x115: (3, 1, 1), 0x116: (4, 1, height)}
    wanted |= {tag: rest for tag, *rest in more}  # type: ignore[misc]
    return [(tag, *wanted[tag]) for tag in sorted(wanted)]  # type: ignore[misc]


def jpeg_with_scans(count: int) -> bytes:
    out = io.BytesIO()
    zoo.picture().save(out, "JPEG", progressive=True)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + count * data[last:-2] + data[-2:]


def liar_avif(side: int = 8192) -> bytes:
    """The boxes say 64x64, the stream in them has many more: the decoder believes the stream."""
    out = io.BytesIO()
    Image.new("L", (side, side)).save(out, "AVIF", speed=10)
    data = bytearray(out.getvalue())
    at = data.index(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", 64, 64)
    return bytes(data)


BOMBS: dict[str, Callable[[], bytes]] = {
    "lossless.webp": huge_webp,
    "large.png": lambda: huge_png(6, side=8300),
    "larger.png": lambda: huge_png(0, side=60_000),
    "canvas.gif": lambda: (
        b"GIF89a"
        + struct.pack("<HHBBB", 9000, 9000, 0, 0, 0)
        + b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
    ),
    "frame.gif": lambda: (
        b"GIF89a"
        + struct.pack("<HHBBB", 9, 9, 0, 0, 0)
        + b","
        + struct.pack("<4HB", 0, 0, 60000, 60000, 0)
        + b"\x02\x02D\x01\0;"
    ),
    "rows.bmp": lambda: (
        b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 30000, -30000, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(40)
    ),
    "runs.bmp": lambda: (
        b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 8000, 8000, 1, 8, 1, 0, 0, 0, 0, 0)
        + bytes(40_000)
    ),
    "strip.tif": lambda: tiff(plain_tags(8000, 8000, (0x102, 3, 1, 32)), bytes(64)),
    "tile.tif": lambda: tiff(
        plain_tags(64, 64, (0x103, 3, 1, 8), (0x142, 4, 1, 32768), (0x143, 4, 1, 32768)), bytes(64)
    ),
    "tags.tif": lambda: tiff(
        [*plain_tags(64, 64), *((40_000 + n, 1, 1_000_000, 8) for n in range(5000))],
        bytes(1_000_000),
    ),
    "scans.jpg": lambda: jpeg_with_scans(150),
    "liar.avif": liar_avif,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_asks_for_too_much_is_refused(tmp_path: Path, name: str) -> None:
    path = zoo.written(tmp_path, name, BOMBS[name]())
    assert path.stat().st_size < 1_100_000
    with pytest.raises(UnreadableMedia) as caught:
        probe_image(path)
    assert caught.value.found == "bomb"
    assert caught.value.hint
    assert "more than" in caught.value.message or "at most" in caught.value.message


def test_no_bomb_takes_memory(tmp_path: Path) -> None:
    paths = [zoo.written(tmp_path, name, make()) for name, make in BOMBS.items()]
    assert peak(*paths) < 60e6


def honest(folder: Path) -> Iterator[Path]:
    """Six megapixels of every kind; each costs what a larger one of its kind costs a pixel."""
    size = (3000, 2000)
    picture, seen = Image.linear_gradient("L").resize(size), Image.radial_gradient("L").resize(size)
    colour = Image.merge("RGB", (picture, seen, picture))
    alpha = Image.merge("RGBA", (picture, seen, picture, seen))
    kinds: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("a.jpg", colour, {}),
        ("progressive.jpg", colour, {"progressive": True, "subsampling": 0}),
        ("print.jpg", colour.convert("CMYK"), {"progressive": True}),
        ("a.png", alpha, {"compress_level": 1}),
        ("palette.png", colour.convert("P"), {"compress_level": 1}),
        ("a.webp", alpha, {"method": 0, "quality": 30}),
        ("a.avif", alpha, {"speed": 10, "quality": 30}),
        ("a.tif", alpha, {"compression": "tiff_deflate"}),
        ("a.bmp", colour, {}),
        ("a.gif", picture, {}),
    ]
    for name, image, options in kinds:
        image.save(folder / name, **options)
        yield folder / name
    import pillow_heif

    pillow_heif.from_pillow(colour).save(folder / "a.heic", quality=30)
    yield folder / "a.heic"


def test_what_a_picture_takes_is_known_before_it_is_decoded(tmp_path: Path) -> None:
    # strips in other forms while it is converted, and what libraries load when they are first used
    around = 24e6
    for path in honest(tmp_path):
        pixels, memory = picture_cost(path)
        assert pixels == 6_000_000, path.name
        assert memory <= 20 * pixels + path.stat().st_size * 2, path.name
        assert peak(path) <= memory + around, path.name


def test_photos_of_phones_are_within_the_limit() -> None:
    assert MAX_MEMORY >= 50e6 * 10.5, "HEIC of 50 megapixels"
    assert MAX_MEMORY >= 50e6 * 10, "a progressive JPEG of 50 megapixels without subsampling"
    assert MAX_MEMORY >= 24e6 * 19.5, "WebP of 24 megapixels"
    assert MAX_PIXELS > 64e6


def test_a_photo_of_48_megapixels_is_checked_without_unpacking_it(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    Image.new("RGB", (8064, 6048), (90, 120, 60)).save(path)
    info = probe_image(path)
    assert info.size == Size(8064, 6048)
    with open_picture(path, longest=1) as opened:
        assert opened.image.size == (1008, 756)


# -- frames ----------------------------------------------------------------------------------------


def pages(count: int) -> bytes:
    """A TIFF of that many pages of one pixel, each its own directory."""
    entries = plain_tags(1, 1)
    length = 2 + 12 * len(entries) + 4
    page = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *each) for each in entries
    )
    parts = [
        page + struct.pack("<I", 8 + (n + 1) * length if n + 1 < count else 0) for n in range(count)
    ]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(parts)


def test_pages_are_counted_up_to_a_bound(tmp_path: Path) -> None:
    assert probe_image(zoo.written(tmp_path, "few.tif", pages(3))).frames == 3
    many = probe_image(zoo.written(tmp_path, "many.tif", pages(100_000)))
    assert many.frames == MOST_FRAMES


def test_pages_that_go_round_end(tmp_path: Path) -> None:
    data = bytearray(pages(3))
    data[-4:] = struct.pack("<I", 8)
    assert probe_image(zoo.written(tmp_path, "round.tif", bytes(data))).frames == 3


def test_frames_of_a_gif_are_counted_up_to_a_bound(tmp_path: Path) -> None:
    frame = b"," + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\0"
    start = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    many = zoo.written(tmp_path, "many.gif", start + 50_000 * frame + b";")
    assert probe_image(many).frames == MOST_FRAMES


def test_comments_of_a_gif_are_not_read(tmp_path: Path) -> None:
    data = zoo.animated_image(tmp_path, "whole.gif").read_bytes()
    at = data.index(b"!")
    comment = b"!\xfe" + 40_000 * (b"\xff" + b"x" * 255) + b"\0"
    info = probe_image(zoo.written(tmp_path, "long.gif", data[:at] + comment + data[at:]))
    assert (info.frames, info.size) == (3, Size(400, 600))


def test_what_lies_twice_in_a_file_counts_once(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 8000, 8000, 8, 0, 0, 0, 0)
    png = zoo.written(tmp_path, "two.png", png_with(zoo.picture(), chunk(b"IHDR", header)))
    strips = tiff(plain_tags(64, 64, (0x111, 4, 100_000, 200)), bytes(400_200))
    for path in (png, zoo.written(tmp_path, "strips.tif", strips)):
        with pytest.raises(UnreadableMedia, match="not a whole picture"):
            probe_image(path)


# -- tags ------------------------------------------------------------------------------------------


def exif(orientation: int = 6, kind: int = 3) -> bytes:
    return tiff([(0x112, kind, 1, orientation)])


BROKEN_PNG = {
    "eXIf": chunk(b"eXIf", b"no such thing"),
    "eXIf that is cut": chunk(b"eXIf", exif()[:12]),
    "iCCP": chunk(b"iCCP", b"x\0\0not deflated"),
    "text beyond its limit": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000))),
    "a checksum": chunk(b"tEXt", b"Title\0a")[:-4] + b"oops",
}


@pytest.mark.parametrize("name", BROKEN_PNG)
def test_a_png_with_a_broken_tag_is_a_picture(tmp_path: Path, name: str) -> None:
    path = zoo.written(tmp_path, "figure.png", png_with(zoo.picture(), BROKEN_PNG[name]))
    info = probe_image(path)
    assert (info.size, info.turned) == (Size(400, 600), False)
    assert info.broken_tags == (name != "text beyond its limit"), "that one is only large"


def app(number: int, data: bytes) -> bytes:
    return bytes((0xFF, 0xE0 + number)) + struct.pack(">H", len(data) + 2) + data


BROKEN_JPEG = {
    "EXIF": app(1, b"Exif\0\0nothing"),
    "EXIF that points outside": app(1, b"Exif\0\0II*\0\xff\xff\xff\x7f"),
    "a profile": app(2, b"ICC_PROFILE\0\x01\x01" + bytes(200)),
    "a cut profile": app(2, b"ICC_PROFILE\0"),
    "an index of pictures": app(2, b"MPF\0II*\0\x08\0\0\0\xff\xff"),
    "XMP": app(1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta"),
    "Photoshop's": app(13, b"Photoshop 3.0\x008BIM\xff"),
}


@pytest.mark.parametrize("name", BROKEN_JPEG)
def test_a_jpeg_with_a_broken_tag_is_a_picture(tmp_path: Path, name: str) -> None:
    data = zoo.image(tmp_path, "whole.jpg", kind="JPEG").read_bytes()
    path = zoo.written(tmp_path, "figure.jpg", data[:2] + BROKEN_JPEG[name] + data[2:])
    info = probe_image(path)
    assert (info.format, info.size, info.turned) == ("JPEG", Size(400, 600), False)
    assert info.broken_tags == name.startswith("EXIF")


def test_a_segment_that_is_shorter_than_its_name_is_refused(tmp_path: Path) -> None:
    data = zoo.image(tmp_path, "whole.jpg", kind="JPEG").read_bytes()
    short = b"\xff\xe1\x00\x04Exif\0\0" + exif()
    with pytest.raises(UnreadableMedia, match="not a whole picture"):
        probe_image(zoo.written(tmp_path, "figure.jpg", data[:2] + short + data[2:]))


def test_overlapping_exif_values_are_not_read(tmp_path: Path) -> None:
    data = zoo.image(tmp_path, "whole.jpg", kind="JPEG").read_bytes()
    body = tiff([(1000 + n, 1, 60_000, 8) for n in range(5000)])[:65_000]
    path = zoo.written(
        tmp_path, "figure.jpg", data[:2] + 20 * app(1, b"Exif\0\0" + body) + data[2:]
    )
    assert peak(path) < 40e6


# -- transparency ----------------------------------------------------------------------------------

SEE_THROUGH = [
    ("RGBA", "a.png", "RGBA"),
    ("LA", "a.png", "LA"),
    ("palette", "a.png", "PA"),
    ("palette", "a.gif", "PA"),
    ("colour key", "a.png", "RGBA"),
    ("grey key", "a.png", "LA"),
    ("RGBA", "a.webp", "RGBA"),
    ("RGBA", "a.avif", "RGBA"),
    ("RGBA", "a.tif", "RGBA"),
]


@pytest.mark.parametrize(("how", "name", "mode"), SEE_THROUGH)
def test_transparency_is_found_and_laid_on_the_ground(
    tmp_path: Path, how: str, name: str, mode: str
) -> None:
    path = zoo.see_through(tmp_path, name, how=how)
    assert probe_image(path).mode == mode
    made = plain(path, "#20c040")
    assert made.mode == "RGB"
    assert made.getpixel((100, 500)) == pytest.approx((0x20, 0xC0, 0x40), abs=2)
    assert made.getpixel((300, 590))[0] > 200, "the other half stays"  # type: ignore[index]


def test_a_palette_with_a_clear_colour_that_no_pixel_has_is_opaque(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    zoo.picture().quantize(200).remap_palette([0, *range(200)]).save(path, transparency=0)
    assert b"tRNS" in path.read_bytes()
    assert probe_image(path).mode == "P"


# -- colours ---------------------------------------------------------------------------------------

ORANGE = (200, 100, 50)
WIDE = [
    ("Display P3", zoo.DISPLAY_P3, 2.2, (216, 93, 24)),
    ("Adobe RGB", zoo.ADOBE_RGB, 2.2, (227, 100, 42)),
    ("ProPhoto", zoo.PROPHOTO, 1.8, (255, 80, 46)),
]


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "avif", "tif"])
@pytest.mark.parametrize(("name", "primaries", "gamma", "shown"), WIDE)
def test_wide_colours_are_named_and_converted(
    tmp_path: Path,
    kind: str,
    name: str,
    primaries: zoo.Primaries,
    gamma: float,
    shown: tuple[int, int, int],
) -> None:
    path = tmp_path / f"photo.{kind}"
    options = {"quality": 100, "subsampling": 0} if kind == "jpg" else {"quality": 100}
    profile = zoo.icc_profile(name, primaries, gamma)
    Image.new("RGB", (400, 600), ORANGE).save(path, icc_profile=profile, **options)
    assert probe_image(path).profile == name
    assert plain(path, "white").getpixel((9, 9)) == pytest.approx(shown, abs=4)


def test_srgb_under_another_name_is_srgb(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    zoo.picture().save(path, icc_profile=zoo.icc_profile("Camera", zoo.SRGB))
    assert probe_image(path).profile == ""


def test_grey_with_a_profile_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    Image.new("L", (400, 600), 128).save(path, icc_profile=zoo.icc_profile("Linear", gamma=1.0))
    assert probe_image(path).profile == "Linear"
    assert plain(path, "white").getpixel((9, 9)) == pytest.approx((188, 188, 188), abs=2)


def test_a_profile_for_other_colours_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (400, 600), ORANGE).save(path, icc_profile=zoo.icc_profile("Grey", gamma=1.0))
    assert probe_image(path).profile == ""
    assert plain(path, "white").getpixel((9, 9)) == ORANGE


def test_see_through_colours_are_converted_too(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    image = Image.new("RGBA", (400, 600), (*ORANGE, 255))
    image.paste((0, 0, 0, 0), (0, 0, 200, 600))
    image.save(path, icc_profile=zoo.icc_profile(*WIDE[0][:3]))
    made = plain(path, "#ffffff")
    assert made.getpixel((9, 9)) == (255, 255, 255)
    assert made.getpixel((300, 9)) == pytest.approx(WIDE[0][3], abs=4)


# -- orientation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tags"),
    [("xmp.jpg", {"xmp": 6}), ("both.jpg", {"exif": 1, "xmp": 6}), ("exif.webp", {"exif": 6})],
)
def test_what_browsers_do_not_turn_is_not_turned(
    tmp_path: Path, name: str, tags: dict[str, int]
) -> None:
    info = probe_image(zoo.tagged(tmp_path, name, **tags))
    assert (info.size, info.turned) == (Size(600, 400), False)
    assert plain(info.path, "white").size == (600, 400)


@pytest.mark.parametrize("name", ["exif.jpg", "exif.png", "exif.tif", "exif.avif"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_every_reader_turns_alike(tmp_path: Path, name: str, tag: int) -> None:
    path = zoo.tagged(tmp_path, name, exif=tag)
    info = probe_image(path)
    assert info.size == (Size(400, 600) if tag >= 5 else Size(600, 400))
    assert info.turned == (tag != 1)
    made = plain(path, "white")
    assert made.size == info.size
    # the corner that is red when it is held right, by the definition of the tag
    corner = {
        1: (0, 0),
        2: (1, 0),
        3: (1, 1),
        4: (0, 1),
        5: (0, 0),
        6: (1, 0),
        7: (1, 1),
        8: (0, 1),
    }
    x, y = corner[tag]
    red, green, _ = made.getpixel((x * (made.width - 1), y * (made.height - 1)))  # type: ignore[misc]
    assert red > 200
    assert green < 80


# -- raw photos and other documents ----------------------------------------------------------------

NAMED = [
    (b"II*\0\x10\0\0\0CR\x02\0", "Canon CR2"),
    (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40), "Canon CR3"),
    (b"FUJIFILMCCD-RAW 0201", "Fujifilm RAF"),
    (b"IIRO\x08\0\0\0", "Olympus ORF"),
    (b"IIU\0\x18\0\0\0", "Panasonic RW2"),
    (tiff([*plain_tags(160, 213), (0xC612, 1, 4, 0x0401)]), "DNG"),
    (
        tiff(
            plain_tags(160, 120, (0xFE, 4, 1, 1), (0x10F, 2, 18, 256), (0x14A, 4, 1, 9)),
            bytes(110) + b"NIKON CORPORATION\0",
        ),
        "Nikon NEF",
    ),
    (
        tiff(
            plain_tags(160, 120, (0xFE, 4, 1, 1), (0x10F, 2, 5, 256), (0x14A, 4, 2, 9)),
            bytes(110) + b"SONY\0",
        ),
        "Sony ARW",
    ),
]


@pytest.mark.parametrize(("data", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_raw_photo_is_named_and_told_what_to_do(tmp_path: Path, data: bytes, name: str) -> None:
    with pytest.raises(UnreadableMedia) as caught:
        probe_image(zoo.written(tmp_path, "photo.raw", data + bytes(64)))
    assert f"a raw photo ({name})" in caught.value.message
    assert "export it as JPEG" in caught.value.hint
    assert caught.value.found not in ("video", "image")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\x0a\x10\x20", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"II+\0\x08\0\0\0", "BigTIFF"),
    ],
)
def test_other_documents_are_named(tmp_path: Path, data: bytes, name: str) -> None:
    with pytest.raises(UnreadableMedia) as caught:
        probe_image(zoo.written(tmp_path, "picture.jpg", data))
    assert name in caught.value.message
    assert "picture, not a picture" not in caught.value.message
    assert "JPEG or PNG" in caught.value.hint


def test_a_real_photo_of_wide_colours_is_named(shared_media: Path) -> None:
    name = "Display P3 Gamut with sRGB Transfer"
    assert probe_image(shared_media / "image" / "portrait_woman.png").profile == name


def test_the_page_of_checks_has_the_limits() -> None:
    page = Path(__file__).resolve().parents[2].joinpath("docs/checks.md").read_text("utf-8")
    told = f"more than {MAX_PIXELS // 10**6} megapixels, or one that takes more than {MAX_MEMORY // 10**6} MB"
    assert told in page
