"""The small neural nets that find and follow people, run without the framework they come from.

Owns how a vendored tflite file is loaded and called, and the arithmetic around it: crops, letter
boxes, single-shot detections. Two backends with the same numbers out: LiteRT when it can be
imported, else OpenCV's own tflite importer (about 2.5 times slower).
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from kling_utils.media.arrays import Floats, Floats32, Frame, u8

Backend = Literal["auto", "litert", "opencv"]
Tensors = dict[str, Floats32]

MODELS = Path(__file__).parent / "models"
# Input sides; LiteRT reads them from the file, OpenCV does not tell.
_SIDES = {
    "pose_detection": 224,
    "face_landmark": 192,
    "face_detection_short_range": 128,
    "face_detection_full_range": 192,
    "hand_landmark_lite": 224,
}
_SIDE = 256
_quiet_lock = threading.Lock()


class CannotRun(Exception):
    """This backend cannot run this model."""


class Net:
    """One model file, ready to run. ``side`` is the side of its square input in pixels.

    Raises ``CannotRun`` for a model that the backend cannot read (OpenCV 5.0 and ``pose_detection``), ``ImportError`` when LiteRT is
    asked for by name and missing. Not safe for two threads at once.
    """

    def __init__(self, name: str, *, threads: int = 2, backend: Backend = "auto") -> None:
        path = MODELS / f"{name}.tflite"
        loaded = (
            None if backend == "opencv" else _load_litert(path, threads, needed=backend == "litert")
        )
        self._run, self.side = (
            loaded if loaded is not None else (_load_opencv(path), _SIDES.get(name, _SIDE))
        )

    def __call__(self, rgb: Frame, low: float = 0.0, high: float = 1.0) -> Tensors:
        """Outputs by name for one RGB picture of ``side`` x ``side``, whose bytes are scaled to ``low`` .. ``high``."""
        return self._run(
            (rgb.astype(np.float32) * np.float32((high - low) / 255.0) + np.float32(low))[None]
        )


def _load_litert(
    path: Path, threads: int, *, needed: bool
) -> tuple[Callable[[Floats32], Tensors], int] | None:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        if needed:
            raise
        return None
    with _quiet_stderr():
        interpreter: Any = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    outputs = [(str(o["name"]), int(o["index"])) for o in interpreter.get_output_details()]

    def run(x: Floats32) -> Tensors:
        interpreter.set_tensor(entry["index"], x)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in outputs}

    return run, int(entry["shape"][1])


def _load_opencv(path: Path) -> Callable[[Floats32], Tensors]:
    try:
        net = cv2.dnn.readNetFromTFLite(
            str(path), cv2.dnn.ENGINE_CLASSIC
        )  # the new engine of 5.0.0 returns one output only
    except cv2.error as error:
        raise CannotRun(f"OpenCV {cv2.__version__} cannot read {path.name}.") from error
    names = list(net.getUnconnectedOutLayersNames())

    def run(x: Floats32) -> Tensors:
        net.setInput(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        found: Any = net.forward(names)
        return {
            k: (v.transpose(0, 2, 3, 1) if v.ndim == 4 else v)
            for k, v in zip(names, found, strict=True)
        }

    return run


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """LiteRT greets on stderr from C++ at the first interpreter; the descriptor is the only place to stop that."""
    with _quiet_lock:
        try:
            kept = os.dup(2)
        except OSError:  # no stderr at all (a windowed process): nothing to keep quiet
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def sigmoid(x: npt.NDArray[Any]) -> Floats:
    """Logistic function, safe for large values."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -60, 60))), np.float64)


class Roi(NamedTuple):
    """A square region of a frame that may be turned: centre and side in pixels, ``angle`` in radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0


def crop(frame: Frame, roi: Roi, side: int) -> tuple[Frame, Floats]:
    """The region as an RGB patch of ``side`` x ``side`` (black outside the frame), and the (2, 3) matrix patch -> frame."""
    c, s, k = np.cos(roi.angle), np.sin(roi.angle), roi.side / side
    half = roi.side / 2
    matrix = np.array(
        [[c * k, -s * k, roi.x - (c - s) * half], [s * k, c * k, roi.y - (s + c) * half]]
    )
    patch = cv2.warpAffine(
        frame,
        matrix,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return np.ascontiguousarray(u8(patch)[:, :, ::-1]), matrix


def letterbox(frame: Frame, side: int) -> tuple[Frame, float]:
    """The frame shrunk into the upper left of a black RGB square, and the factor back to pixels of the frame."""
    height, width = frame.shape[:2]
    scale = side / max(height, width)
    small = u8(
        cv2.resize(
            frame,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA,
        )
    )
    out = np.zeros((side, side, 3), np.uint8)
    out[: small.shape[0], : small.shape[1]] = small[:, :, ::-1]
    return out, 1 / scale


class Detection(NamedTuple):
    """What a detector found: score 0..1, box (x, y, width, height) and key points (n, 2) in pixels of the frame."""

    score: float
    box: Floats
    points: Floats


def detect(
    net: Net,
    frame: Frame,
    *,
    strides: tuple[int, ...],
    points: int,
    per_cell: int = 2,
    threshold: float = 0.5,
) -> list[Detection]:
    """Single-shot detections of BlazePose or BlazeFace, best first, overlaps dropped."""
    square, scale = letterbox(frame, net.side)
    out = net(square, -1.0, 1.0)
    scores = sigmoid(next(v for v in out.values() if v.shape[-1] == 1).reshape(-1))
    raw = (
        next(v for v in out.values() if v.shape[-1] > 1).reshape(len(scores), -1).astype(np.float64)
    )
    best = [int(i) for i in np.argsort(-scores)[:40] if scores[i] >= threshold]
    centres = _anchors(net.side, strides, per_cell)
    found: list[Detection] = []
    for i in best:
        middle = raw[i, :2] + centres[i]
        box = np.concatenate([middle - raw[i, 2:4] / 2, raw[i, 2:4]]) * scale
        if all(overlap(box, other.box) < 0.3 for other in found):
            keys = raw[i, 4 : 4 + 2 * points].reshape(points, 2) + centres[i]
            found.append(Detection(float(scores[i]), box, keys * scale))
    return found


@functools.cache
def _anchors(side: int, strides: tuple[int, ...], per_cell: int) -> Floats:
    """Anchor centres (n, 2) in pixels of the net's input: ``per_cell`` for each cell and layer.

    Neighbouring layers of one stride share cells.
    """
    out: list[Floats] = []
    i = 0
    while i < len(strides):
        same = sum(s == strides[i] for s in strides)
        cells = int(np.ceil(side / strides[i]))
        c = (np.arange(cells) + 0.5) / cells
        out.append(np.repeat(np.stack(np.meshgrid(c, c), -1).reshape(-1, 2), per_cell * same, 0))
        i += same
    return np.concatenate(out) * side


def overlap(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    x = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    y = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return float(x * y / max(a[2] * a[3] + b[2] * b[3] - x * y, 1e-6))
