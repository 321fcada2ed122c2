"""The pocket backend's words for a cube: recognised things, colours, and the text on the screen.

It gives names of classes and kinds that are probable enough, shares of colours, and lines of text. It writes no
sentences and no captions: "two men shake hands" is beyond it. Colours are the eleven basic colour terms (Berlin & Kay,
1969), approximated by fixed rules on hue, saturation and value, for saying "mostly blue"; the thresholds were set on
plain patches and checked by eye on real pictures.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch

from encoders.base import Frame
from encoders.notes import COLOUR_NAMES, FrameNotes, Thing
from encoders.ocr import OcrReader
from encoders.pocket.keys import sureness
from encoders.pocket.vocabulary import Vocabulary

LEAST_CLASS, LEAST_KIND = 0.4, 0.33
"""The smallest sureness at which a class, and a narrow kind, is named; set on trial scenes, see docs/adr/0008."""
_LIMIT = 5
_SIZE_PX = 64
_BLACK_VALUE, _GREY_SATURATION, _WHITE_VALUE = 50, 40, 200  # of 255
# Upper end of each hue range, in OpenCV's half degrees (0 to 179); red comes round again at the end.
_HUES = (("red", 8), ("orange", 20), ("yellow", 34), ("green", 85), ("blue", 128), ("purple", 147), ("pink", 168))


class PocketDescriber:
    """Frames and evidence -> words; a `Describer`."""

    def __init__(self, vocabulary: Vocabulary, reader: OcrReader) -> None:
        self._vocabulary, self._reader = vocabulary, reader

    def describe_frame(self, frame: Frame, *, read_screen: bool) -> FrameNotes:
        """Colours, and the screen's text where it is due (0.1 to 0.3 s)."""
        texts = self._reader.read(frame.rgb) if read_screen else None
        return FrameNotes(texts, colour_shares(frame.rgb))

    def things(self, summary: torch.Tensor) -> tuple[Thing, ...]:
        """Names from the pool's summary [2, E], most probable first, at most 5."""
        sure = sureness(summary)
        chosen = self._vocabulary.narrowest(sure, LEAST_KIND, LEAST_CLASS, _LIMIT)
        return tuple(Thing(self._vocabulary.words[word], min(float(sure[word]), 1.0)) for word in chosen)


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
