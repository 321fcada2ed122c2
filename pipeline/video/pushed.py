"""A pushed picture (JPEG or WebP bytes) -> a frame. The bytes are a stranger's: format, size and pixels are checked
before anything is decoded."""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from pipeline.errors import MediaTooLarge, MediaUnsupported

LARGEST_BYTES = 8 * 2**20
LARGEST_PIXELS = 4096 * 4096
_FORMATS = ("JPEG", "WEBP")


def decode_picture(data: bytes, max_side_px: int = 960) -> npt.NDArray[np.uint8]:
    """Bytes -> uint8 [H, W, 3], upright, longer side at most `max_side_px`.

    Raises `MediaUnsupported` where it is no JPEG or WebP picture or is damaged, `MediaTooLarge` over the limits.
    """
    if len(data) > LARGEST_BYTES:
        raise MediaTooLarge(f"a picture may have {LARGEST_BYTES >> 20} MB, this one has {len(data) >> 20} MB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                if picture.width * picture.height > LARGEST_PIXELS:
                    raise MediaTooLarge(f"a picture of {picture.width} x {picture.height} is too large")
                picture.draft("RGB", (max_side_px, max_side_px))
                upright = ImageOps.exif_transpose(picture).convert("RGB")
    except MediaTooLarge:
        raise
    except Exception as error:
        raise MediaUnsupported("this is not a whole JPEG or WebP picture") from error
    upright.thumbnail((max_side_px, max_side_px), Image.Resampling.BILINEAR)
    return np.asarray(upright, dtype=np.uint8)
