"""The pocket backend's words for a cube: recognised things, colours, and the text on the screen.

It gives names of classes and kinds that are probable enough, shares of colours, and lines of text. It writes no
sentences and no captions: "two men shake hands" is beyond it.
"""

from __future__ import annotations

import torch

from encoders.base import Frame
from encoders.notes import FrameNotes, Thing
from encoders.ocr import OcrReader
from encoders.pocket.colours import colour_shares
from encoders.pocket.keys import sureness
from encoders.pocket.vocabulary import Vocabulary

LEAST_CLASS, LEAST_KIND = 0.4, 0.33
"""The smallest sureness at which a class, and a narrow kind, is named; set on trial scenes, see docs/adr/0008."""
_LIMIT = 5


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
