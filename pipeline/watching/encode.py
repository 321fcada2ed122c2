"""Encodes one stream's frames, unless they look like the one before, and cuts them into cubes.

This is the first stage of `pipeline.watching.cubes`; detection (`pipeline.watching.detect`) and OCR
(`pipeline.watching.ocr`) follow. A picture that differs from the last encoded one by at most
`IngestConfig.same_picture` shares its encoding, wherever a group of steps begins or ends: the last encoded picture's
sketch and encoding are part of the stream's saved state, so a resumed stream shares as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from encoders.base import Backend, BoundaryReason, Frame, Segmenter
from encoders.notes import FrameNotes, Thing
from encoders.sketch import change, miniature, sketch
from encoders.state_codec import pack, unpack

TOGETHER = 4
"""Pictures encoded at once, at most; the pocket encoder's own batch. Groups begin anew at each
commit, so a resumed file repeats them; the pocket encoder's evidence differs by some 1e-6 between group sizes."""

Sketch = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Step:
    """One step on its way to memory.

    Attributes:
        frame: the picture, until `OcrStage` has read it.
        small: its miniature, uint8 [H, W, 3].
        sketch: uint8 [32, 32].
        new: whether it has an encoding of its own.
        tokens: float32 [S, N, D]; grid: (h, w).
        evidence: float32 [E].
        detections: what stands out, where the backend has a detector.
        border: why the cube before it ends here; None where it goes on.
        frame_notes: colours and screen text, from the describer.
    """

    frame: Frame | None
    small: Frame
    sketch: Sketch
    new: bool
    tokens: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    grid: tuple[int, int] = (0, 0)
    evidence: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    detections: tuple[Thing, ...] = ()
    border: BoundaryReason | None = None
    frame_notes: FrameNotes | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Steps that travel together, and the states of the stages after the last of them.

    Attributes:
        whole: whether as many steps as are committed together end here.
    """

    steps: list[Step]
    whole: bool
    states: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Encoding:
    tokens: torch.Tensor
    grid: tuple[int, int]
    evidence: torch.Tensor


class EncodeStage:
    """Frames -> `Step` steps with tokens, evidence and borders; one object a stream."""

    def __init__(self, backend: Backend, cubing: Segmenter, same_picture: float) -> None:
        self._backend = backend
        self._cubing = cubing
        self._same_picture = same_picture
        self._sketch: Sketch | None = None
        self._last: _Encoding | None = None

    def parts(self, frames: Iterable[Frame], group: int) -> Iterator[Part]:
        """All frames in order; a part ends with its fourth new picture, and where a group of `group` steps ends."""
        steps: list[Step] = []
        for taken, frame in enumerate(frames, 1):
            steps.append(self._compared(frame))
            whole = taken % group == 0
            if whole or sum(step.new for step in steps) == TOGETHER:
                yield self._encoded(steps, whole)
                steps = []
        if steps:
            yield self._encoded(steps, False)

    def _compared(self, frame: Frame) -> Step:
        small = miniature(frame.rgb)
        frame_sketch = sketch(small)
        new = self._sketch is None or change(self._sketch, frame_sketch) > self._same_picture
        if new:
            self._sketch = frame_sketch
        return Step(frame, Frame(small, frame.time_s), frame_sketch, new)

    def _encoded(self, steps: list[Step], whole: bool) -> Part:
        new = iter(self._encodings([step.frame for step in steps if step.new and step.frame is not None]))
        for step in steps:
            last = next(new) if step.new else self._last
            if last is None:
                raise ValueError("the saved state lacks the last picture's encoding")
            self._last = last
            step.tokens, step.grid, step.evidence = last.tokens, last.grid, last.evidence
            step.border = self._cubing.step(step.tokens[0], step.small.time_s)
        return Part(steps, whole, self.state())

    def _encodings(self, frames: list[Frame]) -> list[_Encoding]:
        if not frames:
            return []
        tokens = self._backend.frames.encode(frames)
        evidence = self._backend.keys.evidence(frames, tokens)
        return [_Encoding(tokens.tokens[:, i], tokens.grid, evidence[i]) for i in range(len(frames))]

    def state(self) -> dict[str, bytes]:
        """By component. The encoding is exact: what a network computes in bfloat16 is saved in as many bytes."""
        last = self._last
        tensors = None if last is None else {"tokens": last.tokens, "evidence": last.evidence}
        sketched = None if self._sketch is None else torch.tensor(self._sketch)
        values = {"grid": [0, 0] if last is None else list(last.grid)}
        seeing = pack(values, {"sketch": sketched, **(tensors or {})})
        return {"cubing": self._cubing.state(), "seeing": seeing}

    def restore(self, states: dict[str, bytes]) -> None:
        """Goes on where `state` was taken."""
        self._cubing.restore(states["cubing"])
        values, tensors = unpack(states["seeing"])
        self._sketch = tensors["sketch"].numpy() if "sketch" in tensors else None
        grid = (values["grid"][0], values["grid"][1])
        self._last = _Encoding(tensors["tokens"], grid, tensors["evidence"]) if "tokens" in tensors else None
