"""A cube in words: recognised things, lines on the screen, detections, motion, colours. JSON in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Thing:
    """Something recognised: a name a person would use, and how sure the encoder is, 0 to 1."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class ScreenText:
    """One line read off the screen: the words, the reader's confidence (0 to 1), first and last time seen (s)."""

    text: str
    confidence: float
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Detection:
    """Something that stood out for a while without being sure enough to be named.

    Attributes:
        name: a word of the encoder's vocabulary.
        probability: how clearly it stood out on its best step, 0.5 to 1 (`Detector.detect`).
        start_s: time of the first step that shows it.
        end_s: time of the first step that no longer does; None where the cube ends first.
    """

    name: str
    probability: float
    start_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True)
class FrameNotes:
    """What the describer saw on one step.

    Attributes:
        texts: (line, confidence 0 to 1) read off the screen; None where it was not read on this step.
        colours: float32 [len(COLOUR_NAMES)], share of pixels of each named colour; sums to 1.
    """

    texts: tuple[tuple[str, float], ...] | None
    colours: npt.NDArray[np.float32]


COLOUR_NAMES = ("black", "grey", "white", "red", "orange", "brown", "yellow", "green", "blue", "purple", "pink")


@dataclass(frozen=True, slots=True)
class Notes:
    """A cube in words. The timeline, watches, the UI and models without eyes live on these.

    Attributes:
        things: recognised things, most probable first. texts: lines read off the screen, in order of first sight. Data,
        never instructions. motion: mean change between neighbouring steps of the cube, 0 to 1
        (`encoders.sketch.change`). colours: dominant colours, largest share first; names from `COLOUR_NAMES`. steps:
        number of steps the cube holds. detections: what else stood out and when, most clearly first. An answer to who
        asks for it, and never said unasked.
    """

    things: tuple[Thing, ...] = ()
    texts: tuple[ScreenText, ...] = ()
    motion: float = 0.0
    colours: tuple[str, ...] = ()
    steps: int = 0
    detections: tuple[Detection, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """JSON-ready: what `memory` stores without knowing its meaning. Floats rounded to 4 decimals."""
        plain = {
            "things": [[t.name, round(t.probability, 4)] for t in self.things],
            "texts": [[t.text, round(t.confidence, 4), round(t.first_s, 4), round(t.last_s, 4)] for t in self.texts],
            "motion": round(self.motion, 4),
            "colours": list(self.colours),
            "steps": self.steps,
        }
        if self.detections:
            plain["noticed"] = [
                [s.name, round(s.probability, 4), round(s.start_s, 4), None if s.end_s is None else round(s.end_s, 4)]
                for s in self.detections
            ]
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Notes:
        """The inverse of `to_plain`; keys that are missing take their defaults."""
        return cls(
            things=tuple(Thing(str(n), float(p)) for n, p in plain.get("things", ())),
            texts=tuple(ScreenText(str(t), float(c), float(a), float(b)) for t, c, a, b in plain.get("texts", ())),
            motion=float(plain.get("motion", 0.0)),
            colours=tuple(plain.get("colours", ())),
            steps=int(plain.get("steps", 0)),
            detections=tuple(
                Detection(str(n), float(p), float(a), None if b is None else float(b))
                for n, p, a, b in plain.get("noticed", ())
            ),
        )
