"""Turns one stream of frames into cubes: observe, read the screen, keep.

Files and cameras both run through here.

    ObserveStage  frames -> steps: tokens, evidence, detections, borders   pipeline/watching/observe.py
    OcrStage      words on the screen                                      pipeline/watching/ocr.py
    CubeStream    compress, pool, describe -> closed cubes                 here

`CubeStream` is the state machine between frames and closed cubes. Decoding is in `pipeline.video`, storing in
`pipeline.session`. The stages may run in threads of their own, each ahead of the next: what a stage needs to go on
travels with the steps it passes on. The whole state fits in an `IngestState`, and a restored stream fed the same
frames, in whatever groups, gives the same cubes to the bit.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from encoders.base import CLIP_KEY_KIND, Backend, BoundaryReason, Compressor, Frame, Keys, Segmenter
from encoders.compressors import default_compressors
from encoders.segmenters import default_segmenters
from encoders.sketch import SIZE_PX, change, thumbnail_jpeg
from memory.propagation.propagators import Propagator, propagator
from memory.records import CubeMemory, GlobalMemory, IngestState, OpenCube, TimeSpan
from memory.store.packing import pack_tokens
from pipeline.config import STREAMING, IngestConfig
from pipeline.watching.describe import DescriptionPool
from pipeline.watching.observe import ObserveStage, Part, Sketch, Step
from pipeline.watching.ocr import OcrStage
from pipeline.watching.stages import Stages

_PARTS_AHEAD = 2
_AT_ONCE = 2
"""Groups observed at once: while things are detected in a group, the next is encoded, or on its way to the encoder."""


class CubeStream:
    """Takes groups of frames, gives closed cubes, and shows the open one at any time."""

    def __init__(
        self, backend: Backend, cubing: Segmenter, compressor: Compressor, propagator: Propagator, config: IngestConfig
    ) -> None:
        self._backend = backend
        self._observe_stage = ObserveStage(backend, cubing, config)
        self._ocr_stage = OcrStage(backend.describer, config)
        self._compressor = compressor
        self._propagator = propagator
        self._config = config
        self._pool = backend.keys.pool()
        self._description = DescriptionPool()
        self._global = GlobalMemory.empty(propagator.dim)
        self._steps = 0
        self._ordinal = 0
        self._start_s = 0.0
        self._last_s: float | None = None
        self._thumbnail = b""
        self._sketch: Sketch | None = None
        self._states = {**self._observe_stage.state(), "glimpsing": self._ocr_stage.state()}

    @property
    def steps(self) -> int:
        """Steps taken since the stream began."""
        return self._steps

    @property
    def last_s(self) -> float | None:
        """Time of the last step's last picture, or None before the first step."""
        return self._last_s

    @property
    def end_s(self) -> float:
        """Up to where the stream is watched: one picture's time after the last; 0 before the first."""
        return 0.0 if self._last_s is None else self._last_s + 1.0 / self._config.fps

    def take(self, frames: Sequence[Frame], *, last: bool = False) -> list[CubeMemory]:
        """Watches a group of frames, in order of time, in this thread; returns the cubes that closed meanwhile. Where
        a step has two frames, an odd one waits for its partner, or is its own where these are the `last`."""
        parts = self._observe_stage.parts(frames, max(len(frames), 1), last=last)
        return self._keep([self._ocr_stage.annotate(part) for part in parts])

    @contextmanager
    def watching(self, frames: Iterator[Frame]) -> Iterator[Iterator[list[CubeMemory]]]:
        """Watches all `frames`, a group of `commit_steps` steps with each item taken: the cubes that closed meanwhile.
        Decoding, observing and OCR run ahead in threads of their own, until the block is left; an error in one is
        raised here, after the whole groups before it."""
        with Stages() as line:
            decoded = line.ahead(frames, self._config.prefetch_steps, "decode")
            parts = self._observe_stage.parts(decoded, self._config.commit_steps, last=True, at_once=_AT_ONCE)
            observed = line.ahead(parts, _PARTS_AHEAD, "observe")
            read = line.ahead(map(self._ocr_stage.annotate, observed), _PARTS_AHEAD, "ocr")
            yield map(self._keep, _groups(read))

    def _keep(self, parts: Sequence[Part]) -> list[CubeMemory]:
        """Takes steps that have passed all stages."""
        closed: list[CubeMemory] = []
        for step in (step for part in parts for step in part.steps):
            if step.border is not None and self._description.steps:
                closed.append(self._close(step.border, step.small.time_s))
            self._step(step)
        self._states = parts[-1].states if parts else self._states
        return closed

    def finish(self, reason: BoundaryReason, end_s: float) -> list[CubeMemory]:
        """Closes the open cube, if there is one, at `end_s`."""
        self._ocr_stage.begin_cube()
        self._states = {**self._states, "glimpsing": self._ocr_stage.state()}
        return [self._close(reason, end_s)] if self._description.steps else []

    def _step(self, step: Step) -> None:
        if step.frame_notes is None:
            raise ValueError("a step is kept after it was observed")
        time_s = step.small.time_s
        if self._description.steps == 0:
            self._start_s = time_s
        if self._description.steps < 2:  # the second step shows a cube better: the first is often still in transition
            self._thumbnail = thumbnail_jpeg(step.small)
        self._compressor.add(step.tokens, step.grid, time_s)
        self._pool.add(step.evidence)
        motion = None if self._sketch is None else change(self._sketch, step.sketch)
        self._description.add(step.frame_notes, motion, time_s, step.detections)
        self._sketch = step.sketch
        self._last_s = step.last_s
        self._steps += 1

    def _words_and_keys(self) -> tuple[dict[str, object], Keys]:
        lines = [line.text for line in self._description.texts()]
        things, keys = self._backend.summarize(self._pool.summary(), lines)
        return self._description.notes(things).to_plain(), keys

    def _close(self, reason: BoundaryReason, end_s: float) -> CubeMemory:
        notes, keys = self._words_and_keys()
        compressed = self._compressor.cube()
        if compressed.key is not None:
            keys = Keys(compressed.key.numpy()[None], (CLIP_KEY_KIND,))
        span = TimeSpan(self._start_s, max(end_s, self._start_s))
        cube = CubeMemory(
            ordinal=self._ordinal,
            span=span,
            boundary=reason,
            tokens=pack_tokens(compressed.tokens.numpy(), self._config.token_type),
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
        """The cube still growing, as a question may find it."""
        if not self._description.steps:
            return None
        notes, keys = self._words_and_keys()
        return OpenCube(
            span=TimeSpan(self._start_s, self.end_s),
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
        }
        components = {
            **self._states,
            "compressor": self._compressor.state(),
            "evidence": self._pool.state(),
            "description": self._description.state(),
            "stream": json.dumps(own).encode(),
        }
        return IngestState(self._steps, self._ordinal, decode_mode, self._last_s, self._global, components)

    def restore(self, state: IngestState) -> None:
        """Goes on where `state` was taken."""
        own = json.loads(state.components["stream"])
        self._states = {name: state.components[name] for name in self._states}
        self._observe_stage.restore(self._states)
        self._ocr_stage.restore(self._states["glimpsing"])
        self._compressor.restore(state.components["compressor"])
        self._pool.restore(state.components["evidence"])
        self._description = DescriptionPool.restored(state.components["description"])
        self._start_s = own["start_s"]
        self._thumbnail = base64.b64decode(own["thumbnail"])
        self._sketch = _sketch(own["sketch"])
        self._steps = state.next_step
        self._ordinal = state.next_ordinal
        self._last_s = state.resume_after_s
        self._global = state.global_memory


def _groups(parts: Iterator[Part]) -> Iterator[list[Part]]:
    group: list[Part] = []
    for part in parts:
        group.append(part)
        if part.whole:
            yield group
            group = []
    if group:  # the last new picture was the last of its part, and of the file
        yield group


def _picture(sketch: Sketch | None) -> str | None:
    return None if sketch is None else base64.b64encode(sketch.tobytes()).decode()


def _sketch(text: str | None) -> Sketch | None:
    return None if text is None else np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, SIZE_PX)


def new_cube_stream(backend: Backend, config: IngestConfig) -> CubeStream:
    """A stream at its beginning, with the parts that `config` names; with a streaming encoder, the clip's own parts."""
    if config.propagator == STREAMING:
        from pipeline.watching.clips import clip_parts  # published code, for who has weights

        return CubeStream(backend, *clip_parts(backend), config)
    return CubeStream(
        backend,
        default_segmenters().get(config.cubing)(),
        default_compressors().get(config.compressor)(config.cube_tokens),
        propagator(config.propagator, backend.frames.dim),
        config,
    )
