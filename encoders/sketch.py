"""A picture made small: in colour, for whatever does not need detail, as a thumbnail, and as a 32 x 32 grey sketch.

The sketch is what motion, near-duplicates and "has the screen changed?" are measured on: small enough (1 kB) to be
carried in a stream's saved state, and independent of the encoder. Shrinking a picture costs as much as its pixels are
many, so what can be had from the miniature is taken from there.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from encoders.frame import Frame

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


def thumbnail_jpeg(frame: Frame, max_side_px: int = 320, quality: int = 80) -> bytes:
    """A JPEG file, the same of the same frame, its longer side at most `max_side_px`, never enlarged; `quality` 1 to
    100. Raises ValueError."""
    if max_side_px < 1 or not 1 <= quality <= 100:
        raise ValueError(f"max_side_px must be at least 1 and quality 1 to 100: {max_side_px}, {quality}")
    height, width = frame.rgb.shape[:2]
    bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    scale = max_side_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    written, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not written:
        raise ValueError(f"a picture of {width} x {height} cannot be written as JPEG")
    return jpeg.tobytes()
