"""Describes an open cube, step by step in constant space: lines on the screen, motion, colours, detections."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from encoders.notes import COLOUR_NAMES, FrameNotes, Notes, ScreenText, Thing
from pipeline.watching.track import Tracker

MOST_LINES = 32
DOMINANT_SHARE = 0.15


@dataclass(slots=True)
class DescriptionPool:
    """What one open cube shows so far.

    A line stays on the screen until a reading no longer finds it; steps on which the screen was not read extend the
    lines that were visible at the last reading. At most `MOST_LINES` lines are kept, the first seen.
    """

    steps: int = 0
    motion_sum: float = 0.0
    motion_steps: int = 0
    colours: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(COLOUR_NAMES)))
    lines: dict[str, tuple[str, float, float, float]] = field(default_factory=dict)
    visible: list[str] = field(default_factory=list)
    tracker: Tracker = field(default_factory=Tracker)

    def add(
        self, frame_notes: FrameNotes, motion: float | None, time_s: float, detections: Sequence[Thing] = ()
    ) -> None:
        """Takes one step; `motion` is None on a stream's first step."""
        self.steps += 1
        self.tracker.add(detections, time_s)
        self.colours += frame_notes.colours
        if motion is not None:
            self.motion_sum += motion
            self.motion_steps += 1
        if frame_notes.texts is not None:
            self.visible = [self._enter(text, confidence, time_s) for text, confidence in frame_notes.texts]
        for key in self.visible:
            if key in self.lines:
                text, confidence, first_s, _ = self.lines[key]
                self.lines[key] = (text, confidence, first_s, time_s)

    def _enter(self, text: str, confidence: float, time_s: float) -> str:
        key = " ".join(text.casefold().split())
        line = self.lines.get(key)
        if line is None and len(self.lines) < MOST_LINES:
            self.lines[key] = (text, confidence, time_s, time_s)
        elif line is not None and confidence > line[1]:
            self.lines[key] = (text, confidence, line[2], line[3])
        return key

    def texts(self) -> tuple[ScreenText, ...]:
        """Lines in order of first sight."""
        return tuple(ScreenText(*line) for line in sorted(self.lines.values(), key=lambda line: line[2]))

    def notes(self, things: tuple[Thing, ...]) -> Notes:
        """The cube so far in words."""
        shares = self.colours / max(self.steps, 1)
        order = [int(i) for i in np.argsort(-shares, kind="stable") if shares[i] >= DOMINANT_SHARE]
        return Notes(
            things=things,
            texts=self.texts(),
            motion=self.motion_sum / max(self.motion_steps, 1),
            colours=tuple(COLOUR_NAMES[i] for i in order[:3]),
            steps=self.steps,
            detections=self.tracker.clearest(),
        )

    def state(self) -> bytes:
        """Exact: floats survive JSON in Python bit for bit."""
        plain = [self.steps, self.motion_sum, self.motion_steps, self.colours.tolist(), self.lines, self.visible]
        return json.dumps([*plain, self.tracker.plain()]).encode()

    @classmethod
    def restored(cls, state: bytes) -> DescriptionPool:
        """The pool that `state` was taken from."""
        steps, motion_sum, motion_steps, colours, lines, visible, *tracker = json.loads(state)
        kept = {key: (str(t), float(c), float(a), float(b)) for key, (t, c, a, b) in lines.items()}
        tracks = Tracker.restored(tracker[0]) if tracker else Tracker()
        return cls(steps, motion_sum, motion_steps, np.asarray(colours, np.float64), kept, list(visible), tracks)
