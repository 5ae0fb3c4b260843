"""Inputs for fit, made on the spot: every kind of picture and clip that is to be made legal, alone and in pairs.

Each clip flashes white and beeps at the same moments, 0.5 s into every second, so that a shift of the sound can be measured.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageDraw

from kling_utils.media import ffmpeg

X264 = ("libx264", "-preset", "ultrafast")
X265 = ("libx265", "-preset", "ultrafast", "-x265-params", "log-level=error", "-tag:v", "hvc1")
PQ = "log-level=error:colorprim=bt2020:transfer={}:colormatrix=bt2020nc"
_FLASH = "drawbox=c=white:t=fill:enable='lt(mod(t+0.5,1),0.15)'"
_BEEP = "aevalsrc='0.6*sin(2*PI*1000*t)*lt(mod(t+0.5,1),0.15)':s={rate}:c={layout}"

# -- pictures ------------------------------------------------------------------------------------------------------------------------


def drawing(size: tuple[int, int] = (400, 600), mode: str = "RGB") -> Image.Image:
    """Shapes on a slope of colours; with alpha, a hole in the middle."""
    drawn = Image.merge(
        "RGB", [Image.linear_gradient("L").rotate(turn).resize(size) for turn in (0, 90, 180)]
    )
    width, height = size
    ImageDraw.Draw(drawn).ellipse(
        (width // 5, height // 5, width // 2, height // 2), fill=(220, 30, 30)
    )
    if mode in ("RGBA", "LA"):
        drawn.putalpha(255)
        drawn.paste((0, 0, 0, 0), (0, 0, width // 3, height // 3))
    return drawn.convert(mode)


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """What no format makes small."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def saved(picture: Image.Image, path: Path, kind: str | None = None, **options: Any) -> Path:
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    picture.save(path, kind, **options)
    return path


def tagged(folder: Path, tag: int, size: tuple[int, int] = (600, 400)) -> Path:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = tag, "a camera"
    return saved(drawing(size), folder / f"tag{tag}.jpg", exif=exif)


def deep_colour(folder: Path) -> Path:
    path = folder / "deep.png"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=400x600",
            "-frames:v",
            "1",
            "-pix_fmt",
            "rgb48be",
            str(path),
        ],
        timeout=30,
    )
    return path


def animated(folder: Path, name: str, size: tuple[int, int] = (400, 600)) -> Path:
    frames = [Image.new("RGB", size, (shade, 0, 0)) for shade in (200, 100, 0)]
    return saved(frames[0], folder / name, save_all=True, append_images=frames[1:], duration=100)


def profile() -> bytes:
    """Colours that are not sRGB's, so that what comes out must differ."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


Maker = Callable[[Path], Path]

IMAGES: dict[str, Maker] = {
    "heic": lambda to: saved(drawing(), to / "a.heic", "HEIF"),
    "avif": lambda to: saved(drawing(), to / "a.avif"),
    "webp": lambda to: saved(drawing(), to / "a.webp"),
    "bmp": lambda to: saved(drawing(), to / "a.bmp"),
    "tiff": lambda to: saved(drawing(), to / "a.tiff"),
    "gif": lambda to: animated(to, "a.gif"),
    "apng": lambda to: animated(to, "a.png"),
    "animated webp": lambda to: animated(to, "a.webp"),
    "cmyk": lambda to: saved(drawing(mode="CMYK"), to / "a.jpg"),
    "16-bit grey": lambda to: saved(
        Image.fromarray((np.arange(240_000) % 65536).astype(np.uint16).reshape(600, 400)),
        to / "a.png",
    ),
    "16-bit colour": deep_colour,
    "see-through": lambda to: saved(drawing(mode="RGBA"), to / "a.png"),
    "grey see-through": lambda to: saved(drawing(mode="LA"), to / "a.png"),
    "turned 3": lambda to: tagged(to, 3),
    "turned 6": lambda to: tagged(to, 6),
    "mirrored 5": lambda to: tagged(to, 5),
    "small": lambda to: saved(drawing((200, 299)), to / "a.png"),
    "a little small": lambda to: saved(drawing((320, 600)), to / "a.jpg"),
    "wide": lambda to: saved(drawing((1800, 400)), to / "a.jpg"),
    "tall": lambda to: saved(drawing((350, 1201)), to / "a.png"),
    "heavy png": lambda to: saved(noise((2000, 1900)), to / "a.png", compress_level=1),
    "heavy jpeg": lambda to: saved(noise((2600, 2400)), to / "a.jpg", quality=99, subsampling=0),
    "heic, small": lambda to: saved(drawing((280, 280)), to / "a.heic", "HEIF"),
    "webp, see-through, wide": lambda to: saved(
        drawing((1600, 400), "RGBA"), to / "a.webp", lossless=True
    ),
    "tiff, cmyk": lambda to: saved(drawing(mode="CMYK"), to / "a.tiff"),
    "tiff, 16 bits": lambda to: saved(
        Image.fromarray(np.full((600, 400), 40_000, np.uint16)), to / "a.tiff"
    ),
    "gif, tall": lambda to: animated(to, "a.gif", (320, 1200)),
    "bmp, small": lambda to: saved(drawing((250, 250)), to / "a.bmp"),
    "turned, wide": lambda to: tagged(to, 6, (1500, 400)),
    "avif, profile": lambda to: saved(drawing(), to / "a.avif", icc_profile=profile()),
}

# -- clips ---------------------------------------------------------------------------------------------------------------------------


def clip(
    folder: Path,
    name: str = "a.mp4",
    *,
    seconds: float = 3.2,
    size: str = "360x480",
    rate: str = "30",
    video: tuple[str, ...] = X264,
    pixels: str = "yuv420p",
    sound: tuple[str, ...] | None = ("aac",),
    layout: str = "stereo",
    hertz: int = 48_000,
    filters: str = "",
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> Path:
    """A clip that flashes and beeps. ``before``: arguments before the picture's input; ``after``: before the output."""
    path = folder / name
    moving = (
        f"testsrc2=s={size}:r={rate},{_FLASH}{',' + filters if filters else ''},format={pixels}"
    )
    heard = (
        ["-f", "lavfi", "-t", str(seconds), "-i", _BEEP.format(rate=hertz, layout=layout)]
        if sound
        else []
    )
    codecs = ["-c:v", *video, *(("-c:a", *sound) if sound else ())]
    ffmpeg.run(
        [
            "-y",
            *before,
            "-f",
            "lavfi",
            "-t",
            str(seconds),
            "-i",
            moving,
            *heard,
            *codecs,
            *after,
            f"file:{path}",
        ],
        timeout=600,
    )
    return path


def wrapped(
    source: Path, name: str, *, before: tuple[str, ...] = (), after: tuple[str, ...] = ()
) -> Path:
    """The same packets in another file; the source is removed."""
    path = source.with_name(name)
    ffmpeg.run(
        ["-y", *before, "-i", f"file:{source}", "-map", "0", "-c", "copy", *after, f"file:{path}"],
        timeout=60,
    )
    source.unlink()
    return path


def turned(folder: Path, degrees: int, name: str = "a.mp4", **how: Any) -> Path:
    """Wide in the file, and a display matrix that says how to hold it."""
    flat = clip(folder, "flat.mp4", **{"size": "480x360", **how})
    return wrapped(flat, name, before=("-display_rotation", str(degrees)))


def varying(folder: Path, name: str = "a.mp4", **how: Any) -> Path:
    """Every fifth picture of the second half is missing, as a busy phone leaves it."""
    chosen = "select='not(gt(n\\,45)*eq(mod(n\\,5)\\,0))'"
    return clip(folder, name, filters=chosen, after=("-fps_mode", "vfr"), **how)


def late(folder: Path, *, sound: float = 0.0, picture: float = 0.0) -> Path:
    """One of both begins late, and what it shows or sounds still belongs together."""
    path, cut = folder / "a.mkv", f"trim=start={picture}"
    heard, moving = (
        f"{_BEEP.format(rate=48000, layout='mono')},atrim=start={sound}",
        f"testsrc2=s=360x480:r=30,{_FLASH},{cut}",
    )
    inputs = ["-f", "lavfi", "-i", moving, "-f", "lavfi", "-i", heard]
    ffmpeg.run(
        [
            "-y",
            *inputs,
            "-t",
            "4",
            "-copyts",
            "-c:v",
            *X264,
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
            f"file:{path}",
        ],
        timeout=60,
    )
    return path


def streamed(folder: Path) -> Path:
    """A webcam's recording: written to a pipe, so that its header has no length."""
    moving = [
        "-f",
        "lavfi",
        "-t",
        "3.2",
        "-i",
        f"testsrc2=s=360x480:r=30,{_FLASH}",
        "-f",
        "lavfi",
        "-t",
        "3.2",
    ]
    args = [
        *moving,
        "-i",
        _BEEP.format(rate=48000, layout="mono"),
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
        "-c:a",
        "libopus",
    ]
    path = folder / "a.webm"
    path.write_bytes(ffmpeg.run([*args, "-f", "webm", "pipe:1"], timeout=60).stdout)
    return path


def hdr(folder: Path, transfer: str, name: str = "a.mp4", **how: Any) -> Path:
    tags = ("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc")
    video = (*X265[:4], PQ.format(transfer), "-tag:v", "hvc1", *tags)
    return clip(folder, name, video=video, pixels="yuv420p10le", **how)


def heavy(
    folder: Path,
    name: str = "a.mp4",
    *,
    seconds: float = 4.0,
    size: str = "720x960",
    grain: int = 24,
    crf: int = 13,
    **how: Any,
) -> Path:
    """Grain that costs more than 10 Mbyte."""
    video = (*X264, "-crf", str(crf))
    return clip(
        folder,
        name,
        seconds=seconds,
        size=size,
        filters=f"noise=alls={grain}:allf=t",
        video=video,
        **how,
    )


def phone(folder: Path) -> Path:
    """What a phone leaves: 45 s of HEVC, about 40 MB, held upright by a tag, with gaps, in a MOV."""
    grain = "noise=alls=25:allf=t,select='not(gt(n\\,600)*eq(mod(n\\,7)\\,0))'"
    video = (*X265, "-crf", "19", "-g", "30")
    flat = clip(
        folder,
        "flat.mov",
        seconds=45,
        size="640x360",
        video=video,
        filters=grain,
        after=("-fps_mode", "vfr"),
    )
    return wrapped(flat, "a.mov", before=("-display_rotation", "90"))


VP9 = ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
AV1 = ("libaom-av1", "-cpu-used", "8", "-usage", "realtime")
PRORES = ("prores_ks", "-profile:v", "2")
INTERLACED = (*X264, "-flags", "+ildct+ilme", "-x264-params", "tff=1")

CLIPS: dict[str, Maker] = {
    "mov": lambda to: clip(to, "a.mov"),
    "mkv": lambda to: clip(to, "a.mkv"),
    "mkv, opus": lambda to: clip(to, "a.mkv", sound=("libopus",)),
    "webm, vp9": lambda to: clip(to, "a.webm", video=VP9, sound=("libopus",)),
    "webm without a length": streamed,
    "avi, mpeg4": lambda to: clip(to, "a.avi", video=("mpeg4", "-q:v", "4"), sound=("libmp3lame",)),
    "avi, h264": lambda to: clip(to, "a.avi", sound=("libmp3lame",)),
    "hevc": lambda to: clip(to, video=X265),
    "hevc, mov, 10 bits": lambda to: clip(to, "a.mov", video=X265, pixels="yuv420p10le"),
    "av1": lambda to: clip(to, "a.mp4", video=AV1),
    "prores": lambda to: clip(
        to, "a.mov", video=PRORES, pixels="yuv422p10le", sound=("pcm_s16le",)
    ),
    "10 bits": lambda to: clip(to, pixels="yuv420p10le"),
    "4:4:4": lambda to: clip(to, pixels="yuv444p"),
    "rgb": lambda to: clip(
        to, "a.mkv", video=("libx264rgb", "-preset", "ultrafast"), pixels="bgr24"
    ),
    "hdr, pq": lambda to: hdr(to, "smpte2084"),
    "hdr, hlg": lambda to: hdr(to, "arib-std-b67"),
    "interlaced": lambda to: clip(to, rate="25", video=INTERLACED),
    "varying rate": varying,
    "odd sides": lambda to: clip(to, size="361x481", pixels="yuv444p"),
    "wide pixels": lambda to: clip(to, filters="setsar=4/3"),
    "turned 90": lambda to: turned(to, 90),
    "turned 180": lambda to: turned(to, 180, size="360x480"),
    "small": lambda to: clip(to, size="240x320"),
    "too long": lambda to: clip(to, seconds=33, rate="24", after=("-g", "48")),
    "too long, one key picture": lambda to: clip(to, seconds=31, rate="24", after=("-g", "9999")),
    "too heavy": heavy,
    "120 a second": lambda to: clip(to, rate="120"),
    "surround": lambda to: clip(to, "a.mkv", layout="5.1"),
    "mono, 22 kHz": lambda to: clip(to, "a.mkv", layout="mono", hertz=22_050, video=X265),
    "silent": lambda to: clip(to, "a.mkv", sound=None, video=VP9),
    "sound begins late": lambda to: late(to, sound=0.7),
    "picture begins late": lambda to: late(to, picture=0.7),
    "hevc, turned": lambda to: turned(to, 270, video=X265),
    "hevc, turned, varying": lambda to: wrapped(
        varying(to, "v.mp4", video=X265, size="480x360"),
        "a.mov",
        before=("-display_rotation", "90"),
    ),
    "interlaced, wide pixels": lambda to: clip(
        to, "a.mkv", rate="25", video=INTERLACED, filters="setsar=16/11"
    ),
    "prores, too long": lambda to: clip(
        to, "a.mov", seconds=31, rate="24", size="360x360", video=PRORES, pixels="yuv422p10le"
    ),
    "av1, small": lambda to: clip(to, "a.mkv", video=AV1, size="200x240", sound=("libopus",)),
    "hdr, turned": lambda to: wrapped(
        hdr(to, "smpte2084", "flat.mp4", size="480x360"),
        "a.mp4",
        before=("-display_rotation", "90"),
    ),
    "mkv, varying": lambda to: varying(to, "a.mkv"),
    "webm, too heavy": lambda to: heavy(to, "a.mkv", sound=("libopus",), crf=12),
    "4:4:4, too heavy": lambda to: heavy(to, pixels="yuv444p"),
    "a phone's": phone,
    "large": lambda to: clip(to, size="2560x1440", rate="24", video=X265),
}
FAST_CLIPS = (
    "mov",
    "mkv, opus",
    "hevc, mov, 10 bits",
    "hdr, pq",
    "interlaced, wide pixels",
    "hevc, turned, varying",
    "odd sides",
    "picture begins late",
    "silent",
)
"""Those that the default run makes: a few seconds each."""
