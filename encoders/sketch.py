"""A picture made small: in colour, for whatever does not need detail, and as a 32 x 32 grey sketch.

The sketch is what motion, near-duplicates and "has the screen changed?" are measured on: small enough (1 kB) to be
carried in a stream's saved state, and independent of the encoder. Shrinking a picture costs as much as its pixels are
many, so what can be had from the miniature is taken from there.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

SIZE_PX = 32
MINIATURE_PX = 320


def miniature(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3] -> the same with its longer side at most 320 px, averaged over equal areas; never enlarged."""
    height, width = rgb.shape[:2]
    scale = MINIATURE_PX / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def sketch(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3] -> uint8 [32, 32], luma averaged over equal areas."""
    small = cv2.resize(rgb, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def change(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    """Mean absolute difference of two sketches, 0 (same) to 1 (black against white)."""
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean() / 255.0)
