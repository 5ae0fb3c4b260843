"""Awkward files, made on the spot: each function writes one into ``folder`` and returns its path."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from kling_utils.media import ffmpeg
from kling_utils.values import Size

MOVING = "testsrc2=s={size}:r={rate}"


# -- pictures ------------------------------------------------------------------------------------------------------------------------


def picture(mode: str = "RGB", size: tuple[int, int] = (400, 600)) -> Image.Image:
    """Something to look at, without a random number in it."""
    drawn = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(drawn).ellipse((50, 50, 250, 350), fill=(200, 80, 20))
    return drawn.convert(mode)


def image(
    folder: Path,
    name: str = "figure.png",
    *,
    mode: str = "RGB",
    size: tuple[int, int] = (400, 600),
    kind: str = "PNG",
) -> Path:
    path = folder / name
    picture(mode, size).save(path, format=kind)
    return path


def see_through(
    folder: Path,
    name: str = "through.png",
    *,
    how: str = "RGBA",
    size: tuple[int, int] = (400, 600),
) -> Path:
    """The left half is see-through, said in one of the ways that there are; by the ending also a GIF or WebP."""
    path, drawn = folder / name, picture(size=size)
    alpha = Image.new("L", size, 255)
    alpha.paste(0, (0, 0, size[0] // 2, size[1]))
    if how == "palette":
        table = drawn.quantize(200)
        table = table.remap_palette([0, *range(200)])
        table.paste(0, (0, 0, size[0] // 2, size[1]))
        table.save(path, transparency=0)
    elif how == "colour key":
        drawn.paste((1, 2, 3), (0, 0, size[0] // 2, size[1]))
        drawn.save(path, transparency=(1, 2, 3))
    elif how == "grey key":
        grey = drawn.convert("L").point(lambda value: max(1, value))
        grey.paste(0, (0, 0, size[0] // 2, size[1]))
        grey.save(path, transparency=0)
    else:
        drawn = drawn.convert(how)
        drawn.putalpha(alpha)
        drawn.save(path)
    return path


DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
PROPHOTO = ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
Primaries = tuple[tuple[float, float, float], ...]


def icc_profile(name: str, primaries: Primaries = (), gamma: float = 2.2) -> bytes:
    """An ICC profile of version 2 with these colorants (XYZ under D50) and this gamma; without colorants one for grey."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(map(fixed, values))

    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(gamma * 256), 0)
    text = name.encode() + b"\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {
        b"desc": desc,
        b"cprt": b"text" + bytes(4) + b"free\0",
        b"wtpt": xyz((0.9642, 1.0, 0.8249)),
    }
    if primaries:
        tags |= {
            key: xyz(each) for key, each in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)
        }
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    table, body = struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        table += key + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    space = b"RGB " if primaries else b"GRAY"
    head = bytes(8) + b"\2\x10\0\0mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(map(fixed, (0.9642, 1.0, 0.8249))) + bytes(48)
    return struct.pack(">I", 128 + len(table) + len(body)) + head[4:] + table + body


def turned_image(folder: Path, tag: int = 6) -> Path:
    """A phone's photograph: 600x400 in the file, and a tag that says how to hold it."""
    exif = Image.Exif()
    exif[0x0112] = tag
    path = folder / f"turned{tag}.jpg"
    picture(size=(600, 400)).save(path, exif=exif)
    return path


def tagged(folder: Path, name: str, *, exif: int = 0, xmp: int = 0) -> Path:
    """600x400, red in the first corner, with an orientation in EXIF or in XMP."""
    drawn = picture(size=(600, 400)).point(lambda value: max(value, 100))
    drawn.paste((255, 0, 0), (0, 0, 40, 40))
    path = folder / name
    options: dict[str, Any] = {}
    if exif:
        tags = Image.Exif()
        tags[0x0112] = exif
        options["exif"] = tags
    drawn.save(path, quality=95, **options)
    if xmp:
        packet = b"http://ns.adobe.com/xap/1.0/\0" + (
            b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
            % xmp
        )
        data = path.read_bytes()
        path.write_bytes(
            data[:2] + b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet + data[2:]
        )
    return path


def deep_image(folder: Path) -> Path:
    """16 bits a channel, grey."""
    path = folder / "deep.png"
    Image.new("I;16", (400, 600), 40_000).save(path)
    return path


def animated_image(folder: Path, name: str = "animated.png") -> Path:
    """Three frames, as APNG, GIF or WebP by the ending."""
    path = folder / name
    frames = [Image.new("RGB", (400, 600), (shade, 0, 0)) for shade in (0, 120, 240)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


def camera_image(folder: Path) -> Path:
    """What many phones write as .jpg: a JPEG with a second picture behind it (MPO)."""
    path = folder / "camera.jpg"
    picture().save(path, format="MPO", save_all=True, append_images=[picture(size=(80, 120))])
    return path


def bomb(folder: Path, side: int = 20_000) -> Path:
    """A whole and valid PNG of a few kilobytes that unpacks to ``side`` x ``side`` pixels."""
    path = folder / "bomb.png"
    packer = zlib.compressobj(1)
    row = b"\0" * (1 + (side + 7) // 8)
    data = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    return path


def heic(folder: Path, name: str = "photo.heic", brand: bytes = b"heic") -> Path:
    """The first bytes of a phone's photograph, and nothing behind them."""
    path = folder / name
    path.write_bytes(
        struct.pack(">I", 24) + b"ftyp" + brand + b"\0\0\0\0mif1" + brand + b"\0" * 500
    )
    return path


def written(folder: Path, name: str, content: str | bytes = b"") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def beginning(path: Path, share: float, name: str = "") -> Path:
    """The first part of a file, as an interrupted copy leaves it."""
    cut = path.with_name(name or f"cut_{path.name}")
    data = path.read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    return cut


# -- clips ---------------------------------------------------------------------------------------------------------------------------


def clip(
    folder: Path,
    name: str = "clip.mp4",
    *,
    seconds: float = 3.0,
    size: str = "320x480",
    rate: str = "24",
    sound: float = 0,
    codec: tuple[str, ...] = ("libx264", "-pix_fmt", "yuv420p"),
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> Path:
    """A moving test picture. ``sound``: seconds of a tone beside it; ``before`` and ``after``: more arguments for input and output."""
    path = folder / name
    tone = ["-f", "lavfi", "-t", f"{sound}", "-i", "sine"] if sound else []
    picture = [
        "-f",
        "lavfi",
        *before,
        "-t",
        f"{seconds}",
        "-i",
        MOVING.format(size=size, rate=rate),
    ]
    codecs = [
        "-c:v",
        *codec,
        *(("-preset", "ultrafast") if codec[0] == "libx264" else ()),
        *(("-c:a", "aac") if tone else ()),
    ]
    ffmpeg.run(["-y", *picture, *tone, *codecs, *after, f"file:{path}"], timeout=60)
    return path


def copied(
    source: Path, name: str, *, before: tuple[str, ...] = (), after: tuple[str, ...] = ()
) -> Path:
    """The same packets in another wrapping."""
    path = source.with_name(name)
    ffmpeg.run(
        ["-y", *before, "-i", f"file:{source}", "-c", "copy", *after, f"file:{path}"], timeout=60
    )
    return path


def rotated_clip(folder: Path, degrees: int = 90) -> Path:
    """A phone's clip: wide in the file, and a display matrix that says how to hold it."""
    wide = clip(folder, "wide.mp4", size="640x360")
    return copied(wide, f"rotated{degrees}.mp4", before=("-display_rotation", str(degrees)))


def streamed_webm(folder: Path) -> Path:
    """A webcam's recording: written to a pipe, so that its header has no length."""
    args = [
        "-f",
        "lavfi",
        "-t",
        "3",
        "-i",
        MOVING.format(size="320x480", rate="30"),
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
    ]
    done = ffmpeg.run([*args, "-f", "webm", "pipe:1"], timeout=60)
    return written(folder, "webcam.webm", done.stdout)


def varying_clip(folder: Path) -> Path:
    """Every fifth picture of the second half is missing, as a busy phone leaves it."""
    chosen = "select='not(between(n,36,72)*eq(mod(n,5),0))'"
    return clip(folder, "varying.mp4", after=("-vf", chosen, "-fps_mode", "vfr", "-bf", "0"))


def sound_only(folder: Path, name: str = "song.mp4") -> Path:
    path = folder / name
    ffmpeg.run(["-y", "-f", "lavfi", "-t", "3", "-i", "sine", "-c:a", "aac", str(path)], timeout=60)
    return path


def sound_with_cover(folder: Path) -> Path:
    """A song whose cover is a video stream to a careless reader."""
    song, cover = sound_only(folder, "plain.m4a"), io.BytesIO()
    picture(size=(320, 320)).save(cover, "JPEG")
    art = written(folder, "cover.jpg", cover.getvalue())
    path = folder / "cover.mp4"
    maps = [
        "-map",
        "0:a",
        "-map",
        "1:v",
        "-c:a",
        "copy",
        "-c:v",
        "mjpeg",
        "-disposition:v:0",
        "attached_pic",
    ]
    ffmpeg.run(["-y", "-i", str(song), "-i", str(art), *maps, str(path)], timeout=60)
    return path


HDR = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
_X265 = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
HEVC_ALPHA = ("libx265", "-pix_fmt", "yuva420p", "-tag:v", "hvc1")
HEVC_ALPHA += ("-x265-params", "log-level=none:alpha=1")
AV1 = ("libsvtav1", "-preset", "12", "-svtav1-params", "lp=1")
FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov", "-g", "24")
SCREEN = ("-vf", "select='lt(n,24)+gt(n,60)'", "-fps_mode", "vfr", "-bf", "0")
"""Nothing moves on the screen for a while, and nothing is written."""
HEVC_10 = ("libx265", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1", "-x265-params", _X265)


def timecode(
    folder: Path,
    name: str,
    *,
    sound: float = 0,
    codec: tuple[str, ...] = ("libx264", "-pix_fmt", "yuv420p"),
    after: tuple[str, ...] = (),
) -> Path:
    """What action cameras and editors write: 640x480, 4 s, 25 pictures a second, and a track of timecodes."""
    more = ("-timecode", "01:00:00:00", *after)
    return clip(
        folder, name, seconds=4, size="640x480", rate="25", sound=sound, codec=codec, after=more
    )


def data_track(folder: Path, kind: bytes = b"gpmd", handler: bytes = b"meta") -> Path:
    """A camera's or phone's clip with a track of sensor data: the muxer writes none, so a timecode's track is renamed."""
    plain = timecode(folder, "sensors.mp4", sound=4)
    data = plain.read_bytes()
    entry = data.index(b"tmcd", data.index(b"stsd", data.index(b"hdlr\0\0\0\0\0\0\0\0tmcd")))
    renamed = data[:entry] + kind + data[entry + 4 :]
    head = b"hdlr\0\0\0\0\0\0\0\0"
    assert renamed.count(head + b"tmcd") == 1
    return changed(plain, renamed.replace(head + b"tmcd", head + handler), kind.decode())


def cover_first(folder: Path) -> Path:
    """Cover art lies before the film."""
    film = clip(folder, "film.mp4", seconds=4, size="640x480", rate="25", sound=4)
    art = image(folder, "art.jpg", size=(320, 320), kind="JPEG")
    path = folder / "cover_first.mp4"
    maps = ["-map", "1:v", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic"]
    ffmpeg.run(["-y", "-i", str(film), "-i", str(art), *maps, str(path)], timeout=60)
    return path


def two_pictures(folder: Path) -> Path:
    """Two films in one file, as some cameras write a small one beside the large one."""
    large = clip(folder, "large.mp4", seconds=4, size="640x480", rate="25", sound=4)
    small = clip(folder, "small.mp4", seconds=4, size="160x120", rate="25")
    path = folder / "two.mp4"
    maps = ["-map", "0", "-map", "1", "-c", "copy"]
    ffmpeg.run(["-y", "-i", str(large), "-i", str(small), *maps, str(path)], timeout=60)
    return path


def changed(path: Path, data: bytes, mark: str) -> Path:
    """A copy beside it, with other bytes."""
    made = path.with_name(f"{path.stem}_{mark}{path.suffix}")
    made.write_bytes(data)
    return made


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    return changed(path, data.replace(old, new), new.decode("latin1"))


def boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Names, places and lengths of the boxes of an MP4, children behind their parents."""
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        yield name, at, size
        if name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            yield from boxes(data, at + 8, at + size)
        at += size


def zeroed(path: Path) -> Path:
    """The second half of the data is lost, as after a copy that was not finished."""
    return _second_half(path, bytes, "zeros")


def scrambled(path: Path) -> Path:
    """The second half of the data is that of something else."""
    return _second_half(path, random.Random(1).randbytes, "scrambled")


def _second_half(path: Path, made: Callable[[int], bytes], mark: str) -> Path:
    data = bytearray(path.read_bytes())
    _, at, size = next(box for box in boxes(bytes(data)) if box[0] == b"mdat")
    middle = at + size // 2
    data[middle : at + size] = made(at + size - middle)
    return changed(path, bytes(data), mark)


def holed(path: Path, size: int, *, zeros: bool = False) -> Path:
    """From the middle on, ``size`` bytes are those of something else, or zeros."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + size] = bytes(size) if zeros else random.Random(3).randbytes(size)
    return changed(path, bytes(data), "holed")


def header_length(path: Path, seconds: float) -> Path:
    """The header of each track tells another length than its packets have."""
    data = bytearray(path.read_bytes())
    for name, at, _ in list(boxes(bytes(data))):
        if name == b"mdhd":
            clock = int.from_bytes(data[at + 20 : at + 24])
            data[at + 24 : at + 28] = round(seconds * clock).to_bytes(4)
    return changed(path, bytes(data), "header")


def inserted(path: Path, parent: bytes, box: bytes, mark: str) -> Path:
    """``box`` at the end of the first sample entry ``parent``; the index has to lie behind the data."""
    data = path.read_bytes()
    at = data.index(parent, data.index(b"stsd")) - 4
    end = at + int.from_bytes(data[at : at + 4])
    made = bytearray(data[:end] + box + data[end:])
    sizes = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", parent]
    for name in sizes:
        place = data.rindex(name, 0, at + 8) - 4
        size = int.from_bytes(data[place : place + 4]) + len(box)
        made[place : place + 4] = size.to_bytes(4)
    return changed(path, bytes(made), mark)


def clean_aperture(path: Path, visible: Size) -> Path:
    """A clip of which only the middle is shown."""
    numbers = (visible.width, 1, visible.height, 1, 0, 1, 0, 1)
    return inserted(path, b"avc1", struct.pack(">I4s8I", 40, b"clap", *numbers), "clap")


def encrypted(folder: Path) -> Path:
    """Common encryption, as streaming services use it."""
    plain = clip(folder, "plain.mp4", seconds=4, size="360x480", sound=4)
    keys = ("-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb")
    keys += ("-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")
    return copied(plain, "encrypted.mp4", after=("-encryption_scheme", "cenc-aes-ctr", *keys))


def changing_size(folder: Path, name: str) -> Path:
    """What a browser records of a call: 3 s of 480x720, then 3 s of 320x480."""
    parts = [
        clip(folder, f"{n}.ts", size=size, after=("-g", "24"))
        for n, size in enumerate(("480x720", "320x480"))
    ]
    whole = written(folder, "parts.ts", b"".join(part.read_bytes() for part in parts))
    return copied(whole, name)


def unknown_sound(folder: Path) -> Path:
    """Sound of a codec that nobody knows."""
    made = clip(folder, "told.mkv", seconds=4, size="360x480", sound=4)
    return replaced(made, b"A_AAC", b"A_XYZ")


def two_sounds(folder: Path) -> Path:
    """The first sound is of a codec that nobody knows, the second is AAC."""
    told = clip(folder, "told.mkv", seconds=4, size="360x480", sound=4)
    path = folder / "two_sounds.mkv"
    maps = ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy"]
    ffmpeg.run(["-y", "-i", str(told), *maps, str(path)], timeout=60)
    data = path.read_bytes()
    return changed(path, data.replace(b"A_AAC", b"A_XYZ", 1), "unknown")


def spatial_sound(folder: Path) -> Path:
    """The first sound is Apple's spatial one, which nobody else decodes, the second is AAC."""
    plain = clip(folder, "phone.mov", seconds=4, size="360x480", sound=4, after=("-bf", "0"))
    path = folder / "spatial.mov"
    maps = ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy"]
    turned = ["-display_rotation", "90", "-i", str(plain)]
    ffmpeg.run(["-y", *turned, *maps, str(path)], timeout=60)
    data = path.read_bytes()
    at = data.index(b"mp4a", data.index(b"smhd"))
    entry = data[at:].replace(b"mp4a", b"apac", 1).replace(b"esds", b"dapa", 1)
    return changed(path, data[:at] + entry, "apac")


def nameless_sound(folder: Path) -> Path:
    """Of the sound's description nothing is left: no codec, no rate, no channels."""
    path = clip(folder, "late.mov", seconds=4, size="360x480", sound=4)
    turned = copied(path, "turned.mov", before=("-display_rotation", "90"))
    data = turned.read_bytes()
    at = data.index(b"stsd", data.index(b"smhd")) - 4
    size = int.from_bytes(data[at : at + 4])
    return changed(turned, data[: at + 4] + b"free" + data[at + 8 :], f"{size}")


def broken_sound(folder: Path) -> Path:
    """It says AC-3, and no packet of it is."""
    made = clip(folder, "plain.mkv", seconds=4, size="360x480", sound=4)
    data = made.read_bytes()
    return changed(made, data.replace(b"A_AAC", b"A_AC3"), "ac3")


def dolby_five(folder: Path) -> Path:
    """The box that says Dolby Vision, profile 5, level 1, in a clip of HEVC."""
    made = clip(folder, "hevc.mp4", seconds=3, size="480x640", codec=HEVC_10)
    config = bytes([1, 0, 5 << 1, 1 << 3 | 0b101]) + bytes(20)
    return inserted(made, b"hvc1", struct.pack(">I4s", 32, b"dvcC") + config, "dolby")


def late_picture(source: Path, seconds: float) -> Path:
    """The sound begins at once, and the picture some time later: an edit list of two parts."""
    path = source.with_name(f"late{seconds}_{source.name}")
    late = ["-itsoffset", str(seconds), "-i", f"file:{source}", "-i", f"file:{source}"]
    ffmpeg.run(
        ["-y", *late, "-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{path}"], timeout=60
    )
    return path


def clicking(folder: Path) -> Path:
    """Four seconds with clicks in two rhythms, so that one can tell how far a sound was moved."""
    path = folder / "clicking.mp4"
    clicks = "(lt(mod(t,0.61),0.05)+lt(mod(t+0.2,0.97),0.04))"
    heard = f"aevalsrc='0.6*sin(2*PI*900*t)*{clicks}':s=44100"
    args = ["-f", "lavfi", "-i", "testsrc2=s=64x96:r=25", "-f", "lavfi", "-i", heard]
    ffmpeg.run(["-y", *args, "-t", "4", *ffmpeg.H264, "-c:a", "aac", str(path)], timeout=60)
    return path


H264_PLAIN = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-g", "25")
FLASHES = (0.52, 1.32, 2.72, 3.4)
"""Seconds of the flashes and clicks that ``two_parts`` shows."""


def two_parts(folder: Path) -> Path:
    """What an editor of a phone writes: an edit list shows seconds 0 to 2 and 4 to 6 of a clip with flashes, each with a click."""
    film, path = folder / "film.mp4", folder / "two_parts.mp4"
    at = "+".join(
        f"between(t,{t - 0.001:.3f},{t + 0.03:.3f})" for t in (0.52, 1.32, 2.6, 3.0, 4.72, 5.4)
    )
    seen = f"color=black:s=480x640:r=25,drawbox=color=white:t=fill:enable='{at}'"
    heard = f"aevalsrc='0.8*sin(2*PI*900*t)*({at})':s=48000"
    args = ["-f", "lavfi", "-i", seen, "-f", "lavfi", "-i", heard, "-t", "6", *H264_PLAIN]
    ffmpeg.run(["-y", *args, "-c:a", "aac", str(film)], timeout=60)
    data = film.read_bytes()
    made = bytearray(data)
    ticks = int.from_bytes(data[(at_ := data.index(b"mvhd") + 16) : at_ + 4])
    places = {name: at_ for name, at_, _ in boxes(data)}
    for _, trak, size in reversed([each for each in boxes(data) if each[0] == b"trak"]):
        track = data[trak : trak + size]
        media = int.from_bytes(track[(at_ := track.index(b"mdhd") + 16) : at_ + 4])
        begin = track.index(b"elst") - 4
        first = int.from_bytes(track[begin + 20 : begin + 24])
        entries = struct.pack(">IIiI", 2, 2 * ticks, first, 65536)
        entries += struct.pack(">IiI", 2 * ticks, first + 4 * media, 65536)
        made[trak + begin : trak + begin + 28] = struct.pack(">I4sI", 40, b"elst", 0) + entries
        for box in (trak + track.index(b"edts") - 4, trak, places[b"moov"]):
            made[box : box + 4] = (int.from_bytes(made[box : box + 4]) + 12).to_bytes(4)
    path.write_bytes(made)
    return path


def shaped(folder: Path, aspect: str, degrees: int) -> Path:
    """640x360 with pixels of that shape, and a display matrix."""
    wide = clip(folder, "wide.mp4", size="640x360", after=("-vf", f"setsar={aspect}"))
    return copied(wide, f"shaped{degrees}.mp4", before=("-display_rotation", str(degrees)))
