"""The protocols that every encoder, segmenter and compressor follows, and the tensor shapes that cross them.

Implementations are in the folders beside this file. What is stored of their results is in `memory.records`.

Letters used for shapes everywhere in Longwatch:

    T  steps (sampled frames)      S  token levels: 1 + the model's deepstack levels (pocket: 1)
    N  patch tokens of a step, N = h * w              D  channels of a token
    M  tokens a cube is compressed to                 E  channels of one step's evidence
    R  keys of a cube                                 K  channels of a key

Time is seconds since the stream's first frame, from presentation timestamps.

A step has one frame, or two where the frame encoder's `frames_per_step` says so; frames of T steps are given in order.

There are two kinds of objects. *Models* (`FrameEncoder`, `KeyEncoder`, `Describer`, `Detector`) are stateless and
heavy, are shared by all videos, and may live in another process; a `Backend` puts them together, and who watches calls
`Backend.observe` once for a group of steps. *Per-stream objects* (`Segmenter`, `Compressor`, `EvidencePool`) are light,
belong to one video, and can be saved and restored between any two steps: `state()` is bounded bytes, and
`restore(state())` followed by the same steps gives the same result to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from encoders.frame import Frame as Frame
from encoders.notes import FrameNotes, Thing
from encoders.sketch import miniature

BoundaryReason = Literal["change", "limit", "interrupted", "end"]
"""Why a cube closed: its content changed; it reached the longest span; the stream broke; the video ended."""


@dataclass(frozen=True, slots=True)
class FrameTokens:
    """Visual tokens of T steps, after the connector where the backend has one.

    Attributes:
        tokens: float32 [S, T, N, D] on the CPU.
        grid: (h, w) with N = h * w; row-major.
        times_s: T presentation times in seconds (of a step's first frame).
        frames_per_step: 1, or 2 for models with a temporal patch of two frames.
    """

    tokens: torch.Tensor
    grid: tuple[int, int]
    times_s: tuple[float, ...]
    frames_per_step: int = 1


@dataclass(frozen=True, slots=True)
class CubeTokens:
    """A cube after compression.

    Attributes:
        tokens: float32 [S, M', D], M' <= M.
        weights: float32 [M'], patch tokens each one stands for; sums to T * N of the cube.
        positions: float32 [M', 3]: time (s), row, column; fractional centroids on the patch grid.
        key: float32 [K], unit length, where the compressor makes the cube's search key itself; it then is the only one.
    """

    tokens: torch.Tensor
    weights: torch.Tensor
    positions: torch.Tensor
    key: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class KeySpace:
    """Where keys of one encoder can be compared: same encoder, same weights, same width, else not comparable.

    Attributes:
        encoder: name of the key encoder, for example ``"conse-minilm"``.
        weights_sha256: one digest over all weight files that shape a key.
        dim: K.
    """

    encoder: str
    weights_sha256: str
    dim: int

    def __str__(self) -> str:
        return f"{self.encoder}:{self.weights_sha256[:12]}:{self.dim}"


TEXT_KEY_KINDS = ("text", "line")
"""Kinds of keys made from words on the screen: all lines together, and single lines. Every key encoder uses these."""
CLIP_KEY_KIND = "clip"
"""A key that a compressor gives for the whole cube (`encoders.published.streaming`)."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Search keys of one cube.

    Attributes:
        vectors: float32 [R, K], rows of unit length.
        kinds: R names of what each row was made from, for example ``"seen"``, ``"peak"``, ``"text"``.
    """

    vectors: npt.NDArray[np.float32]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a backend makes of T steps.

    Attributes:
        tokens: of the T steps.
        evidence: float32 [T, E].
        detections: T times what stands out; empty where it was not asked for.
        notes: T times the colours, without the screen's text: of a step's first frame, made small.
    """

    tokens: FrameTokens
    evidence: torch.Tensor
    detections: tuple[tuple[Thing, ...], ...]
    notes: tuple[FrameNotes, ...]


@runtime_checkable
class FrameEncoder(Protocol):
    """Frames -> visual tokens. Stateless; results do not depend on how frames are batched."""

    @property
    def levels(self) -> int:
        """S."""
        ...

    @property
    def dim(self) -> int:
        """D."""
        ...

    @property
    def frames_per_step(self) -> int:
        """1, or 2 where neighbouring frames are encoded together."""
        ...

    def encode(self, frames: Sequence[Frame]) -> FrameTokens:
        """Encodes ``len(frames) / frames_per_step`` steps. An empty sequence gives T = 0."""
        ...


class EvidencePool(Protocol):
    """One open cube's evidence, in constant space."""

    def add(self, evidence: torch.Tensor) -> None:
        """Takes one step's evidence, float32 [E]."""
        ...

    def summary(self) -> torch.Tensor:
        """What the steps since `reset` amount to, float32 [P, E]; P is the key encoder's business."""
        ...

    def reset(self) -> None: ...

    def state(self) -> bytes: ...

    def restore(self, state: bytes) -> None: ...


class KeyEncoder(Protocol):
    """Evidence and words -> keys in one space, so that a question can be compared with a cube."""

    @property
    def space(self) -> KeySpace: ...

    @property
    def threshold(self) -> float:
        """The smallest cosine between a question and a key that counts as support, measured per backend."""
        ...

    def evidence(self, frames: Sequence[Frame], tokens: FrameTokens) -> torch.Tensor:
        """What each step shows, float32 [T, E]. A backend with a tower of its own looks at `frames`, all of the T
        steps; one that shares the frame encoder's forward pass (pocket) looks at `tokens` alone."""
        ...

    def pool(self) -> EvidencePool:
        """A new, empty pool for one stream."""
        ...

    def keys(self, summary: torch.Tensor, texts: Sequence[str]) -> Keys:
        """A cube's keys from its pool's summary [P, E] and the lines read off its screen."""
        ...

    def question(self, text: str) -> npt.NDArray[np.float32]:
        """Embeds what a question is about, unit length, float32 [K]."""
        ...

    def hyponyms(self, topic: str) -> frozenset[str]:
        """All names of this encoder's vocabulary that are called by that word, in the singular or plural: for "dog" the
        breeds, the kinds of dogs and "dog" itself. Empty where the word covers nothing it knows, or it has no
        vocabulary."""
        ...


class Describer(Protocol):
    """Frames and evidence -> words. Every backend has one."""

    def describe_frame(self, frame: Frame, *, read_screen: bool) -> FrameNotes:
        """Looks at one picture; reading the screen is the slow part, so the caller says when it is due. Stateless."""
        ...

    def things(self, summary: torch.Tensor) -> tuple[Thing, ...]:
        """Names for a cube's evidence summary [P, E], most probable first; empty when nothing is sure enough."""
        ...


class Detector(Protocol):
    """What stands out of single steps without being sure enough for a name. A backend may do without."""

    def detect(
        self, frames: Sequence[Frame], tokens: FrameTokens, evidence: torch.Tensor
    ) -> tuple[tuple[Thing, ...], ...]:
        """For each of T steps what stands out, most clearly first, calibrated on pictures without it: 0.5 is more than
        chance would give, less only carries on what stood out before. Stateless. `evidence` is the key encoder's."""
        ...


class Segmenter(Protocol):
    """Where one cube ends and the next begins; online, one object per stream."""

    def step(self, tokens: torch.Tensor, time_s: float) -> BoundaryReason | None:
        """Looks at the next step's tokens [N, D] (level 0). A reason means: the open cube ends here, and this step is
        the first of a new one. None on a stream's first step and wherever the open cube goes on."""
        ...

    def state(self) -> bytes: ...

    def restore(self, state: bytes) -> None: ...


class Compressor(Protocol):
    """A cube's patch tokens -> at most M tokens; causal, one object per stream."""

    def add(self, tokens: torch.Tensor, grid: tuple[int, int], time_s: float) -> None:
        """Takes one step's tokens, float32 [S, N, D]. Refuses NaN with ValueError."""
        ...

    def cube(self) -> CubeTokens:
        """The cube so far, at any time; does not end it."""
        ...

    def reset(self) -> None:
        """Begins the next cube."""
        ...

    def state(self) -> bytes: ...

    def restore(self, state: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Backend:
    """The models one video is watched with. Chosen once; a video remembers `name` and the key space.

    Who watches calls `observe` and `summarize`, which call the parts in order; a backend that has them in one model, or
    in another process (`serve.actors.remote`), does both in its own way.
    """

    name: str
    frames: FrameEncoder
    keys: KeyEncoder
    describer: Describer
    notes: dict[str, str] = field(default_factory=dict)
    """Why this device, dtype and so on were chosen; shown by `longwatch doctor`."""
    detector: Detector | None = None

    def observe(self, frames: Sequence[Frame], *, detect: Sequence[bool] = ()) -> Observation:
        """Everything that is made of T steps before their screens are read.

        Args:
            frames: ``T * frames_per_step``, in order of time.
            detect: for each step whether detections are asked for; for none where it is empty.
        """
        tokens = self.frames.encode(frames)
        evidence = self.keys.evidence(frames, tokens)
        small = [Frame(miniature(frame.rgb), frame.time_s) for frame in frames[:: self.frames.frames_per_step]]
        notes = tuple(self.describer.describe_frame(frame, read_screen=False) for frame in small)
        detections = self._detections(frames, tokens, evidence, [i for i, due in enumerate(detect) if due])
        return Observation(tokens, evidence, detections, notes)

    def _detections(
        self, frames: Sequence[Frame], tokens: FrameTokens, evidence: torch.Tensor, steps: list[int]
    ) -> tuple[tuple[Thing, ...], ...]:
        if self.detector is None or not steps:
            return ((),) * len(tokens.times_s)
        size = self.frames.frames_per_step
        chosen = [frame for step in steps for frame in frames[step * size : (step + 1) * size]]
        times_s = tuple(tokens.times_s[step] for step in steps)
        of_steps = FrameTokens(tokens.tokens[:, steps], tokens.grid, times_s, size)
        detections = dict(zip(steps, self.detector.detect(chosen, of_steps, evidence[steps]), strict=True))
        return tuple(detections.get(step, ()) for step in range(len(tokens.times_s)))

    def summarize(self, summary: torch.Tensor, texts: Sequence[str]) -> tuple[tuple[Thing, ...], Keys]:
        """A cube's names and keys, from its evidence [P, E] and the lines read off its screen."""
        return self.describer.things(summary), self.keys.keys(summary, texts)
