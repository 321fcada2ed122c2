"""The pocket backend's words: what is recognised, the colours, the text on the screen.

What it is: names of classes and kinds that are probable enough, plain colour shares, and lines of text; no sentences.
What it is not: a captioner; "two men shake hands" is beyond it.
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
"""The smallest sureness at which a class, and a narrow kind, is named; measured, see docs/LOG.md."""
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
