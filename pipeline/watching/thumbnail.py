"""Makes a small JPEG of a frame; the same frame gives the same bytes."""

from __future__ import annotations

import cv2

from encoders.base import Frame


def thumbnail_jpeg(frame: Frame, max_side_px: int = 320, quality: int = 80) -> bytes:
    """JPEG with its longer side at most `max_side_px`, never enlarged; `quality` 1 to 100. Raises ValueError."""
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
