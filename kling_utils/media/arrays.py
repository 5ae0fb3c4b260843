"""Types of the arrays that pictures and landmarks are made of."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Frame: TypeAlias = npt.NDArray[np.uint8]
"""A picture, (height, width, 3) BGR; or one of its planes, (height, width)."""
Floats: TypeAlias = npt.NDArray[np.float64]
Floats32: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int32]
Bools: TypeAlias = npt.NDArray[np.bool_]


def u8(values: npt.NDArray[Any]) -> Frame:
    """The array as bytes, without a copy if it is: OpenCV's types say only "some number"."""
    return np.asarray(values, np.uint8)


def f32(values: npt.NDArray[Any]) -> Floats32:
    """The array as single precision, without a copy if it is."""
    return np.asarray(values, np.float32)
