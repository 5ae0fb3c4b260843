"""Draw the example characters and motions that ship in ``kling_utils/examples``.

    python scripts/draw_examples.py [FOLDER]

The package must be importable (``pip install -e .``). Everything is drawn by code, from fixed numbers:
a second run gives the same pictures. Takes about a minute.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from drawing import looks, motions, places, tune
from drawing.brush import Sheet
from drawing.figure import Figure, Look
from drawing.rig import Pose, joints

from kling_utils.media import ffmpeg

FOLDER = Path(__file__).resolve().parents[1] / "kling_utils" / "examples"
STILL = (900, 1200)
CLIP = (720, 1280)
GROUND = 0.905  # of the height, in stills and clips alike: feet come down on the shadow that the still keeps
BEAT = 0.6  # seconds: 100 beats a minute

Scene = Callable[[Sheet], None]
Frames = Iterator[np.ndarray]


def violet_studio(sheet: Sheet) -> None:
    places.studio(
        sheet,
        wall=("#b9bdf2", "#dcd3f6"),
        floor=("#e6d3ee", "#c9b3e2"),
        disc="#f6ecff",
        horizon=0.80,
    )


def apricot_studio(sheet: Sheet) -> None:
    places.studio(
        sheet,
        wall=("#f6c9a8", "#fbdfc4"),
        floor=("#f8dcc6", "#e5b899"),
        disc="#fff1dd",
        horizon=0.80,
    )


def mint_studio(sheet: Sheet) -> None:
    places.studio(
        sheet,
        wall=("#a9d9cf", "#cdeae0"),
        floor=("#d3ebe0", "#a8cfc4"),
        disc="#eefbf3",
        horizon=0.80,
    )


def still(look: Look, scene: Scene, *, unit: float) -> np.ndarray:
    """A character in the pose of rest."""
    width, height = STILL
    sheet = Sheet(width, height, scale=3)
    scene(sheet)
    Figure(
        sheet,
        joints(Pose(), unit=unit, centre=width / 2, ground=height * GROUND, shoulder=look.shoulder),
        look,
    ).draw()
    return sheet.finished()


def clip(look: Look, scene: Scene, poses: list[Pose], *, unit: float) -> Frames:
    """The frames of a motion; the scene is drawn once."""
    width, height = CLIP
    empty = Sheet(width, height)
    scene(empty)
    for pose in poses:
        sheet = Sheet(width, height)
        sheet.image = empty.image.copy()
        Figure(
            sheet,
            joints(
                pose, unit=unit, centre=width / 2, ground=height * GROUND, shoulder=look.shoulder
            ),
            look,
        ).draw()
        yield sheet.finished()


def write_still(path: Path, picture: np.ndarray) -> None:
    if not cv2.imwrite(
        str(path),
        picture,
        [
            cv2.IMWRITE_JPEG_QUALITY,
            95,
            cv2.IMWRITE_JPEG_OPTIMIZE,
            1,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            0x111111,
        ],
    ):
        raise OSError(f"{path.name} could not be written")


def write_clip(path: Path, frames: Frames, *, rate: int, sound: np.ndarray | None = None) -> None:
    """H.264, a key frame each second; with ``sound`` (samples, 2) also AAC."""
    with tempfile.TemporaryDirectory() as folder:
        args = [
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "bgr24",
            "-s",
            "{}x{}".format(*CLIP),
            "-r",
            str(rate),
            "-i",
            "pipe:0",
        ]
        if sound is not None:
            raw = Path(folder) / "sound.f32"
            raw.write_bytes(sound.tobytes())
            args += [
                "-f",
                "f32le",
                "-ar",
                str(tune.RATE),
                "-ac",
                "2",
                "-i",
                f"file:{raw}",
                "-c:a",
                "aac",
                "-b:a",
                "128k",
                "-shortest",
            ]
        colours = [
            "-vf",
            "scale=out_color_matrix=bt709:out_range=tv",
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
        ]
        picture = [
            "-preset",
            "slow",
            "-crf",
            "20",
            "-g",
            str(rate * ffmpeg.GOP_SECONDS),
            "-threads",
            "1",
        ]
        with ffmpeg.start(
            [*args, *ffmpeg.H264, *colours, *picture, f"file:{path}"], stdin=True
        ) as running:
            if running.stdin is None:
                raise RuntimeError("ffmpeg was started without its input")
            for frame in frames:
                running.stdin.write(frame.tobytes())
            running.finish()


@dataclass(frozen=True)
class Motion:
    """What a clip is made of."""

    look: Look
    scene: Scene
    poses: list[Pose]
    rate: int
    unit: float = 285
    sound: np.ndarray | None = None


def stills() -> dict[str, Callable[[], np.ndarray]]:
    """File name -> how to draw it."""
    return {
        "dancer.jpg": lambda: still(looks.DANCER, violet_studio, unit=318),
        "explorer.jpg": lambda: still(looks.EXPLORER, places.hills, unit=315),
    }


def clips() -> dict[str, Motion]:
    """File name -> what it is made of."""
    return {
        "groove.mp4": Motion(
            looks.ACTOR_DANCE,
            apricot_studio,
            motions.groove(round(8 * BEAT * 30)),
            30,
            sound=tune.tune(BEAT),
        ),
        "hello.mp4": Motion(looks.ACTOR_STRETCH, mint_studio, motions.hello(125), 25),
    }


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in stills().items():
        write_still(folder / name, draw())
    for name, motion in clips().items():
        write_clip(
            folder / name,
            clip(motion.look, motion.scene, motion.poses, unit=motion.unit),
            rate=motion.rate,
            sound=motion.sound,
        )
    for name in (*stills(), *clips()):
        print(f"{name}: {(folder / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
