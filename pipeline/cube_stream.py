"""One stream of steps becoming cubes: encode, cube, compress, pool, describe. Files and cameras both run through here.

What it is: the state machine between frames and closed cubes. What it is not: decoding (`pipeline.sources`), storing
(`pipeline.ingest`, `pipeline.live`), or any model. Its whole state fits in an `IngestState`, and a restored stream fed
the same frames in the same groups gives the same cubes to the bit.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from encoders.base import Backend, BoundaryReason, Compressor, Cubing, Frame, Keys
from encoders.compressors import default_compressors
from encoders.cubing import default_cubings
from encoders.sketch import change, sketch
from memory.packing import pack_tokens
from memory.propagation import Propagator, propagator
from memory.records import CubeMemory, GlobalMemory, IngestState, OpenCube, TimeSpan
from pipeline.config import IngestConfig
from pipeline.description import DescriptionPool
from pipeline.thumbnail import thumbnail_jpeg

Sketch = npt.NDArray[np.uint8]


@dataclass(slots=True)
class _Encoded:
    """A group of steps after the models: tokens [S, T, N, D], evidence [T, E], one sketch a step."""

    tokens: torch.Tensor
    grid: tuple[int, int]
    evidence: torch.Tensor
    sketches: list[Sketch]


class CubeStream:
    """Takes groups of frames, gives closed cubes, and shows the open one at any time."""

    def __init__(
        self, backend: Backend, cubing: Cubing, compressor: Compressor, propagator: Propagator, config: IngestConfig
    ) -> None:
        self._backend = backend
        self._cubing = cubing
        self._compressor = compressor
        self._propagator = propagator
        self._config = config
        self._pool = backend.keys.pool()
        self._description = DescriptionPool()
        self._global = GlobalMemory.empty(backend.frames.dim)
        self._steps = 0
        self._ordinal = 0
        self._start_s = 0.0
        self._last_s: float | None = None
        self._thumbnail = b""
        self._sketch: Sketch | None = None
        self._read: tuple[float, Sketch] | None = None

    @property
    def steps(self) -> int:
        """Steps taken since the stream began."""
        return self._steps

    @property
    def last_s(self) -> float | None:
        """Time of the last step taken, or None before the first."""
        return self._last_s

    def take(self, frames: Sequence[Frame]) -> list[CubeMemory]:
        """Watches a group of frames, in order of time; returns the cubes that closed meanwhile."""
        if not frames:
            return []
        encoded = self._encode(frames)
        closed: list[CubeMemory] = []
        for i, frame in enumerate(frames):
            reason = self._cubing.step(encoded.tokens[0, i], frame.time_s)
            if reason is not None and self._description.steps:
                closed.append(self._close(reason, frame.time_s))
            self._step(frame, encoded, i)
        return closed

    def finish(self, reason: BoundaryReason, end_s: float) -> list[CubeMemory]:
        """Closes the open cube, if there is one, at `end_s`."""
        return [self._close(reason, end_s)] if self._description.steps else []

    def _encode(self, frames: Sequence[Frame]) -> _Encoded:
        """Runs the models once for every picture that differs from the one before it in this group."""
        sketches = [sketch(frame.rgb) for frame in frames]
        source, kept = [0], [0]
        for i in range(1, len(frames)):
            if change(sketches[kept[-1]], sketches[i]) > self._config.same_picture:
                kept.append(i)
            source.append(len(kept) - 1)
        distinct = [frames[i] for i in kept]
        tokens = self._backend.frames.encode(distinct)
        evidence = self._backend.keys.evidence(distinct, tokens)
        rows = torch.tensor(source)
        return _Encoded(tokens.tokens[:, rows], tokens.grid, evidence[rows], sketches)

    def _step(self, frame: Frame, encoded: _Encoded, i: int) -> None:
        seen = encoded.sketches[i]
        if self._description.steps == 0:
            self._start_s = frame.time_s
        if self._description.steps < 2:  # the second step shows a cube better: the first is often still in transition
            self._thumbnail = thumbnail_jpeg(frame)
        self._compressor.add(encoded.tokens[:, i], encoded.grid, frame.time_s)
        self._pool.add(encoded.evidence[i])
        read = self._reading_due(frame.time_s, seen)
        glimpse = self._backend.describer.look(frame, read_screen=read)
        if read:
            self._read = (frame.time_s, seen)
        motion = None if self._sketch is None else change(self._sketch, seen)
        self._description.add(glimpse, motion, frame.time_s)
        self._sketch = seen
        self._last_s = frame.time_s
        self._steps += 1

    def _reading_due(self, time_s: float, seen: Sketch) -> bool:
        if not self._config.screen_text:
            return False
        if self._read is None or self._description.steps == 0:
            return True
        when_s, picture = self._read
        due = time_s - when_s >= self._config.screen_text_every_s
        return due and change(picture, seen) > self._config.same_picture

    def _words_and_keys(self) -> tuple[dict[str, object], Keys]:
        summary = self._pool.summary()
        notes = self._description.notes(self._backend.describer.things(summary))
        keys = self._backend.keys.keys(summary, [line.text for line in notes.texts])
        return notes.to_plain(), keys

    def _close(self, reason: BoundaryReason, end_s: float) -> CubeMemory:
        notes, keys = self._words_and_keys()
        compressed = self._compressor.cube()
        span = TimeSpan(self._start_s, max(end_s, self._start_s))
        cube = CubeMemory(
            ordinal=self._ordinal,
            span=span,
            boundary=reason,
            tokens=pack_tokens(compressed.tokens.numpy()),
            weights=compressed.weights.numpy(),
            positions=compressed.positions.numpy(),
            keys=keys.vectors.astype(np.float16),
            key_kinds=keys.kinds,
            notes=notes,
            thumbnail=self._thumbnail,
        )
        self._global = self._propagator.update(
            self._global, compressed.tokens.numpy(), compressed.weights.numpy(), compressed.positions.numpy(), span
        )
        self._ordinal += 1
        self._compressor.reset()
        self._pool.reset()
        self._description = DescriptionPool()
        return cube

    def open_cube(self) -> OpenCube | None:
        """The cube still growing, as a question may find it; its span ends one step after its last picture."""
        if not self._description.steps or self._last_s is None:
            return None
        notes, keys = self._words_and_keys()
        return OpenCube(
            span=TimeSpan(self._start_s, self._last_s + 1.0 / self._config.fps),
            keys=keys.vectors.astype(np.float16),
            key_kinds=keys.kinds,
            notes=notes,
            thumbnail=self._thumbnail,
        )

    def state(self, decode_mode: str) -> IngestState:
        """Everything a restarted worker needs."""
        own = {
            "start_s": self._start_s,
            "thumbnail": base64.b64encode(self._thumbnail).decode(),
            "sketch": _picture(self._sketch),
            "read": None if self._read is None else [self._read[0], _picture(self._read[1])],
        }
        components = {
            "cubing": self._cubing.state(),
            "compressor": self._compressor.state(),
            "evidence": self._pool.state(),
            "description": self._description.state(),
            "stream": json.dumps(own).encode(),
        }
        return IngestState(self._steps, self._ordinal, decode_mode, self._last_s, self._global, components)

    def restore(self, state: IngestState) -> None:
        """Goes on where `state` was taken."""
        own = json.loads(state.components["stream"])
        self._cubing.restore(state.components["cubing"])
        self._compressor.restore(state.components["compressor"])
        self._pool.restore(state.components["evidence"])
        self._description = DescriptionPool.restored(state.components["description"])
        self._start_s = own["start_s"]
        self._thumbnail = base64.b64decode(own["thumbnail"])
        self._sketch = _sketch(own["sketch"])
        self._read = None if own["read"] is None else (own["read"][0], np.asarray(_sketch(own["read"][1])))
        self._steps = state.next_step
        self._ordinal = state.next_ordinal
        self._last_s = state.resume_after_s
        self._global = state.global_memory


def _picture(seen: Sketch | None) -> str | None:
    return None if seen is None else base64.b64encode(seen.tobytes()).decode()


def _sketch(text: str | None) -> Sketch | None:
    if text is None:
        return None
    side = int(len(raw := base64.b64decode(text)) ** 0.5)
    return np.frombuffer(raw, np.uint8).reshape(side, side)


def new_cube_stream(backend: Backend, config: IngestConfig) -> CubeStream:
    """A stream at its beginning, with the parts that `config` names."""
    return CubeStream(
        backend,
        default_cubings().get(config.cubing)(),
        default_compressors().get(config.compressor)(config.cube_tokens),
        propagator(config.propagator, backend.frames.dim),
        config,
    )
