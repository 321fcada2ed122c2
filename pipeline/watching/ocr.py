"""Reads the words on the screen where that is due: on some of a stream's steps.

This is the second stage of `pipeline.watching.cubes`; the reader is `encoders.ocr`. Reading is slow, and whether it is
due depends on borders and on the reading before, so it is a stage and a call of its own. It is due on the first step of
every cube; else at most every `screen_text_every_s` seconds, and only where the picture has changed since and there was
text at the last reading or something looks like lettering now (`encoders.ocr.text_likely`). Where nothing does, it is
read every `UNLIKELY_S` seconds all the same. Of a step with two pictures the first is read. A step that shares the
encoding of the one before it also shares its colours.
"""

from __future__ import annotations

import torch

from encoders.base import Describer
from encoders.notes import FrameNotes
from encoders.ocr import text_likely
from encoders.sketch import change
from encoders.state_codec import pack, unpack
from pipeline.config import IngestConfig
from pipeline.watching.observe import Part, Sketch, Step

UNLIKELY_S = 10.0
"""A changed picture without lettering that the cheap test would find is read so often (s)."""


class OcrStage:
    """Completes each step's `frame_notes` and lets go of its pictures; one object a stream."""

    def __init__(self, describer: Describer, config: IngestConfig) -> None:
        self._describer = describer
        self._config = config
        self._begins = True
        self._read: tuple[float, Sketch] | None = None
        self._last: FrameNotes | None = None
        self._lines = False

    def annotate(self, part: Part) -> Part:
        """The same part with frame notes and this stage's state."""
        for step in part.steps:
            step.frame_notes = self._last = self._notes(step)
            step.frames = ()
        part.states["glimpsing"] = self.state()
        return part

    def begin_cube(self) -> None:
        """The open cube was closed from outside: the next step is the first of a new one."""
        self._begins = True

    def _notes(self, step: Step) -> FrameNotes:
        begins, self._begins = self._begins or step.border is not None, False
        if self._due(step, begins):
            if not step.frames:
                raise ValueError("this step's screen was read before")
            self._read = (step.small.time_s, step.sketch)
            frame_notes = self._describer.describe_frame(step.frames[0], read_screen=True)
            self._lines = bool(frame_notes.texts)
            return frame_notes
        if step.new and step.frame_notes is not None:
            return step.frame_notes
        if self._last is None:
            raise ValueError("the saved state lacks the last step's colours")
        return FrameNotes(None, self._last.colours)

    def _due(self, step: Step, begins: bool) -> bool:
        if not self._config.screen_text:
            return False
        if self._read is None or begins:
            return True
        when_s, picture = self._read
        waited_s = step.small.time_s - when_s
        if waited_s < self._config.screen_text_every_s or change(picture, step.sketch) <= self._config.same_picture:
            return False
        return self._lines or waited_s >= UNLIKELY_S or any(text_likely(frame.rgb) for frame in step.frames[:1])

    def state(self) -> bytes:
        """Exact."""
        tensors = {
            "read": None if self._read is None else torch.tensor(self._read[1]),
            "colours": None if self._last is None else torch.tensor(self._last.colours),
        }
        read_s = None if self._read is None else self._read[0]
        return pack({"begins": self._begins, "lines": self._lines, "read_s": read_s}, tensors)

    def restore(self, state: bytes) -> None:
        """Goes on where `state` was taken."""
        values, tensors = unpack(state)
        self._begins, self._lines = values["begins"], values["lines"]
        self._read = (values["read_s"], tensors["read"].numpy()) if "read" in tensors else None
        self._last = FrameNotes(None, tensors["colours"].numpy()) if "colours" in tensors else None
