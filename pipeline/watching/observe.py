"""Observes one stream's frames: pairs them into steps, asks the backend for what is new in them, and finds borders.

This is the first stage of `pipeline.watching.cubes`; OCR (`pipeline.watching.ocr`) follows. A group of steps costs one
call of `encoders.base.Backend.observe`. A step that differs from the last encoded one by at most
`IngestConfig.same_picture` shares its encoding, and one that differs from the last one that things were detected in by
at most `SAME_SCENE` shares its detections, wherever a group of steps begins or ends: the sketches and what is shared
are part of the stream's saved state, so a resumed stream shares as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from encoders.base import Backend, BoundaryReason, Frame, Observation, Segmenter
from encoders.notes import FrameNotes, Thing
from encoders.sketch import change, miniature, sketch
from encoders.state_codec import pack, unpack
from pipeline.config import IngestConfig
from pipeline.watching.stages import in_order

TOGETHER = 4
"""Steps observed at once, at most; the pocket encoder's own batch. Groups begin anew at each
commit, so a resumed file repeats them; the pocket encoder's evidence differs by some 1e-6 between group sizes."""
SAME_SCENE = 0.006
"""What stands out of a picture stands out of those that differ from it by at most this; half of a still camera's."""

Sketch = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Step:
    """One step on its way to memory.

    Attributes:
        frames: its one or two pictures, until `OcrStage` has read the first.
        small: the first one's miniature, uint8 [H, W, 3].
        last_s: time of the last one (s).
        sketch: uint8 [32 * frames, 32], one below the other.
        new: whether it has an encoding of its own.
        tokens: float32 [S, N, D]; grid: (h, w).
        evidence: float32 [E].
        detections: what stands out, where the backend has a detector.
        border: why the cube before it ends here; None where it goes on.
        frame_notes: colours, once observed, and screen text, once read; of the first picture.
    """

    frames: tuple[Frame, ...]
    small: Frame
    last_s: float
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """A part before it is observed: which new steps detections are due for, and the sketches after the last step."""

    steps: list[Step]
    whole: bool
    due: list[bool]
    sketch: Sketch | None
    detected_in: Sketch | None


class ObserveStage:
    """Frames -> steps with tokens, evidence, detections, colours and borders; one object a stream."""

    def __init__(self, backend: Backend, cubing: Segmenter, config: IngestConfig) -> None:
        self._backend = backend
        self._cubing = cubing
        self._same_picture = config.same_picture
        self._detects = config.detect and backend.detector is not None
        self._waiting: list[Frame] = []
        self._sketch: Sketch | None = None
        self._encoding: _Encoding | None = None
        self._detected_in: Sketch | None = None
        self._detections: tuple[Thing, ...] = ()

    def parts(self, frames: Iterable[Frame], group: int, *, last: bool, at_once: int = 1) -> Iterator[Part]:
        """All frames in order; a part ends with its fourth new step, and where a group of `group` steps ends. A frame
        without a partner waits for the next call, or is its own where these are the stream's `last`. So many calls of
        the backend run `at_once`."""
        for plan, observation in in_order(self._observation, self._plans(frames, group, last), at_once):
            yield self._part(plan, observation)

    def _plans(self, frames: Iterable[Frame], group: int, last: bool) -> Iterator[_Plan]:
        steps: list[Step] = []
        for number, pictures in enumerate(self._paired(frames, last), 1):
            steps.append(self._compared(pictures))
            whole = number % group == 0
            if whole or sum(step.new for step in steps) == TOGETHER:
                yield self._planned(steps, whole)
                steps = []
        if steps:
            yield self._planned(steps, False)

    def _paired(self, frames: Iterable[Frame], last: bool) -> Iterator[tuple[Frame, ...]]:
        size = self._backend.frames.frames_per_step
        for frame in frames:
            self._waiting.append(frame)
            if len(self._waiting) == size:
                yield self._taken(size)
        if last and self._waiting:
            yield self._taken(size)

    def _taken(self, size: int) -> tuple[Frame, ...]:
        pictures, self._waiting = self._waiting, []
        return (*pictures, *[pictures[-1]] * (size - len(pictures)))

    def _compared(self, pictures: tuple[Frame, ...]) -> Step:
        small = [miniature(frame.rgb) for frame in pictures]
        step_sketch = np.concatenate([sketch(rgb) for rgb in small])
        new = self._sketch is None or change(self._sketch, step_sketch) > self._same_picture
        if new:
            self._sketch = step_sketch
        return Step(pictures, Frame(small[0], pictures[0].time_s), pictures[-1].time_s, step_sketch, new)

    def _planned(self, steps: list[Step], whole: bool) -> _Plan:
        due = [self._detects and self._another_scene(step.sketch) for step in steps if step.new]
        return _Plan(steps, whole, due, self._sketch, self._detected_in)

    def _observation(self, plan: _Plan) -> Observation | None:
        """What the new steps show; None where there is none. Any thread's: nothing of the stream is read here."""
        frames = [frame for step in plan.steps if step.new for frame in step.frames]
        return self._backend.observe(frames, detect=plan.due) if frames else None

    def _part(self, plan: _Plan, observation: Observation | None) -> Part:
        rows = self._rows(plan, observation)
        for step in plan.steps:
            if step.new:
                self._encoding, self._detections, step.frame_notes = next(rows)
            if self._encoding is None:
                raise ValueError("the saved state lacks the last step's encoding")
            step.tokens, step.grid, step.evidence = self._encoding.tokens, self._encoding.grid, self._encoding.evidence
            step.detections = self._detections
            step.border = self._cubing.step(step.tokens[0], step.small.time_s)
        return Part(plan.steps, plan.whole, self._state(plan.sketch, plan.detected_in))

    def _rows(
        self, plan: _Plan, observation: Observation | None
    ) -> Iterator[tuple[_Encoding, tuple[Thing, ...], FrameNotes]]:
        if observation is None:
            return
        tokens, grid = observation.tokens.tokens, observation.tokens.grid
        for i, due in enumerate(plan.due):
            detections = observation.detections[i] if due else self._detections
            yield _Encoding(tokens[:, i], grid, observation.evidence[i]), detections, observation.notes[i]

    def _another_scene(self, step_sketch: Sketch) -> bool:
        another = self._detected_in is None or change(self._detected_in, step_sketch) > SAME_SCENE
        self._detected_in = step_sketch if another else self._detected_in
        return another

    def state(self) -> dict[str, bytes]:
        """By component. The encoding is exact: what a network computes in bfloat16 is saved in as many bytes."""
        return self._state(self._sketch, self._detected_in)

    def _state(self, last_sketch: Sketch | None, detected_in: Sketch | None) -> dict[str, bytes]:
        last = self._encoding
        encoded = {"tokens": last.tokens, "evidence": last.evidence} if last else {}
        grid = list(last.grid) if last else [0, 0]
        named = [[thing.name, thing.probability] for thing in self._detections]
        return {
            "cubing": self._cubing.state(),
            "seeing": pack({"grid": grid}, {"sketch": _tensor(last_sketch), **encoded}),
            "noticing": pack({"last": named}, {"looked_at": _tensor(detected_in)}),
        }

    def restore(self, states: dict[str, bytes]) -> None:
        """Goes on where `state` was taken."""
        self._cubing.restore(states["cubing"])
        values, tensors = unpack(states["seeing"])
        self._sketch = _array(tensors.get("sketch"))
        grid = (values["grid"][0], values["grid"][1])
        self._encoding = _Encoding(tensors["tokens"], grid, tensors["evidence"]) if "tokens" in tensors else None
        values, tensors = unpack(states["noticing"])
        self._detections = tuple(Thing(*fields) for fields in values["last"])
        self._detected_in = _array(tensors.get("looked_at"))


def _tensor(step_sketch: Sketch | None) -> torch.Tensor | None:
    return None if step_sketch is None else torch.tensor(step_sketch)


def _array(tensor: torch.Tensor | None) -> Sketch | None:
    return None if tensor is None else tensor.numpy()
