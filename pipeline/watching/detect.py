"""Detects what stands out in a stream's pictures beside their encoding, where the backend has a `Detector`.

This is the second stage of `pipeline.watching.cubes`. It runs the detector (`encoders.base.Detector`) on the pictures
that have an encoding of their own and differ by more than `SAME_SCENE` from the last one it ran on; all others share
that one's detections. Detection costs as much as encoding, so it has a stage of its own, which runs beside the encoding
of the next pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from encoders.base import Detector, Frame, FrameTokens
from encoders.notes import Thing
from encoders.sketch import change
from encoders.state_codec import pack, unpack
from pipeline.watching.encode import Part, Sketch, Step

SAME_SCENE = 0.006
"""What stands out of a picture stands out of those that differ from it by at most this; half of a still camera's."""


class DetectStage:
    """Fills in what stands out of each step; one object a stream. Without a detector nothing is."""

    def __init__(self, detector: Detector | None) -> None:
        self._detector = detector
        self._last: tuple[Thing, ...] = ()
        self._looked_at: Sketch | None = None

    def detect(self, part: Part) -> Part:
        """The same part with what stands out, and this stage's state."""
        if self._detector is not None:
            due = [step.new and self._looks_new(step.sketch) for step in part.steps]
            detected = iter(
                _detect(self._detector, [step for step, is_due in zip(part.steps, due, strict=True) if is_due])
            )
            for step, is_due in zip(part.steps, due, strict=True):
                step.detections = self._last = next(detected) if is_due else self._last
        part.states["noticing"] = self.state()
        return part

    def _looks_new(self, sketch: Sketch) -> bool:
        new = self._looked_at is None or change(self._looked_at, sketch) > SAME_SCENE
        self._looked_at = sketch if new else self._looked_at
        return new

    def state(self) -> bytes:
        """Exact."""
        looked_at = None if self._looked_at is None else torch.tensor(self._looked_at)
        return pack({"last": [[thing.name, thing.probability] for thing in self._last]}, {"looked_at": looked_at})

    def restore(self, state: bytes) -> None:
        """Goes on where `state` was taken."""
        values, tensors = unpack(state)
        self._last = tuple(Thing(*fields) for fields in values["last"])
        self._looked_at = tensors["looked_at"].numpy() if "looked_at" in tensors else None


def _detect(detector: Detector, steps: Sequence[Step]) -> tuple[tuple[Thing, ...], ...]:
    if not steps:
        return ()
    frames: list[Frame] = [step.frame for step in steps if step.frame is not None]
    if len(frames) < len(steps):
        raise ValueError("pictures are looked at closely before they are let go")
    tokens = torch.stack([step.tokens for step in steps], 1)
    shown = FrameTokens(tokens, steps[0].grid, tuple(frame.time_s for frame in frames))
    return detector.detect(frames, shown, torch.stack([step.evidence for step in steps]))
