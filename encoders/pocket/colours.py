"""The share of each named colour in a picture, by fixed rules on hue, saturation and value.

An approximation of the eleven basic colour terms (Berlin & Kay, 1969), for saying "mostly blue". The thresholds were
set on plain patches and checked by eye on real pictures.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from encoders.notes import COLOUR_NAMES

_SIZE_PX = 64
_BLACK_VALUE, _GREY_SATURATION, _WHITE_VALUE = 50, 40, 200  # of 255
# Upper end of each hue range, in OpenCV's half degrees (0 to 179); red comes round again at the end.
_HUES = (("red", 8), ("orange", 20), ("yellow", 34), ("green", 85), ("blue", 128), ("purple", 147), ("pink", 168))


def colour_shares(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """uint8 [H, W, 3] -> share of pixels of each of `COLOUR_NAMES`, float32 [11], sums to 1."""
    small = cv2.resize(rgb, (_SIZE_PX, _SIZE_PX), interpolation=cv2.INTER_AREA)
    hue, saturation, value = np.moveaxis(cv2.cvtColor(small, cv2.COLOR_RGB2HSV), -1, 0)
    names = np.full(hue.shape, COLOUR_NAMES.index("red"), np.int64)
    for name, end in reversed(_HUES):
        names[hue < end] = COLOUR_NAMES.index(name)
    names[_is(names, "orange") & (value < 170)] = COLOUR_NAMES.index("brown")
    names[_is(names, "red") & (saturation < 120) & (value >= 150)] = COLOUR_NAMES.index("pink")
    names[saturation < _GREY_SATURATION] = COLOUR_NAMES.index("grey")
    names[(saturation < _GREY_SATURATION) & (value >= _WHITE_VALUE)] = COLOUR_NAMES.index("white")
    names[value < _BLACK_VALUE] = COLOUR_NAMES.index("black")
    counts = np.bincount(names.ravel(), minlength=len(COLOUR_NAMES))
    return np.asarray(counts / names.size, np.float32)


def _is(names: npt.NDArray[np.int64], name: str) -> npt.NDArray[np.bool_]:
    return np.asarray(names == COLOUR_NAMES.index(name))
