"""Adapts a streaming encoder to cubes: a segmenter, a compressor and a propagator whose unit is the clip.

A clip ends after T steps, whatever it shows (`ClipSegmenter`); it is compressed into H_k, its key is the indicator
(`ClipCompressor`); and the global memory after it is H_k itself (`ClipPropagator`). The encoder is in
`encoders.published.streaming.encoder`, its training in `pipeline.training.streaming`. Without a trained encoder none of
this runs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from encoders.base import Backend, BoundaryReason, CubeTokens
from encoders.errors import UnknownName
from encoders.published.streaming.backend import StreamingBackend
from encoders.published.streaming.encoder import StreamClip, StreamingConfig, StreamingEncoder
from encoders.state_codec import pack, unpack
from memory.records import F32, GlobalMemory, TimeSpan


class ClipSegmenter:
    """A border every `steps` steps; every border is a `limit`."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._steps_in_clip = 0

    def step(self, tokens: torch.Tensor, time_s: float) -> BoundaryReason | None:
        """See `encoders.base.Segmenter.step`."""
        ends = self._steps_in_clip == self._steps
        self._steps_in_clip = 1 if ends else self._steps_in_clip + 1
        return "limit" if ends else None

    def state(self) -> bytes:
        return pack({"seen": self._steps_in_clip})

    def restore(self, state: bytes) -> None:
        self._steps_in_clip = unpack(state)[0]["seen"]


class ClipCompressor:
    """Gathers a clip's frames, reads them after everything before; a `Compressor` that carries H.

    The encoder takes one level of tokens and clips of at most T steps.
    """

    def __init__(self, encoder: StreamingEncoder) -> None:
        self._encoder = encoder
        self._frames: list[torch.Tensor] = []
        self._times: list[float] = []
        self._memory: torch.Tensor | None = None
        self._made: CubeTokens | None = None

    def add(self, tokens: torch.Tensor, grid: tuple[int, int], time_s: float) -> None:
        """Takes one step's tokens, float32 [1, N, D]."""
        if tokens.shape[0] != 1 or grid != self._encoder.config.grid:
            raise ValueError(f"one level on a grid of {self._encoder.config.grid}, not {list(tokens.shape)} on {grid}")
        if not torch.isfinite(tokens).all():
            raise ValueError("tokens hold NaN or infinity")
        self._made = None
        self._frames.append(tokens[0].clone())
        self._times.append(time_s)

    def cube(self) -> CubeTokens:
        """H_k as [1, TP, D] and the indicator as key; empty before the first step."""
        if not self._frames:
            return CubeTokens(torch.zeros(1, 0, self._encoder.dim), torch.zeros(0), torch.zeros(0, 3))
        if self._made is None:
            self._made = self._read()
        return self._made

    def reset(self) -> None:
        """Begins the next clip: what was H_k is its history."""
        if self._frames:
            self._memory = self.cube().tokens[0]
        self._frames, self._times, self._made = [], [], None

    def state(self) -> bytes:
        frames = torch.stack(self._frames) if self._frames else None
        return pack({"times": self._times}, {"frames": frames, "memory": self._memory})

    def restore(self, state: bytes) -> None:
        values, tensors = unpack(state)
        self._times = values["times"]
        self._frames = list(tensors["frames"]) if "frames" in tensors else []
        self._memory, self._made = tensors.get("memory"), None

    def _read(self) -> CubeTokens:
        config = self._encoder.config
        with torch.inference_mode():
            read = self._encoder(self._memory, self._clip())
            key = F.normalize(read.indicator, dim=0)
        patches = len(self._frames) * self._frames[0].shape[0]
        weights = torch.full((config.memory_tokens,), patches / config.memory_tokens)
        return CubeTokens(read.tokens[None].clone(), weights, positions(self._times, config), key=key.clone())

    def _clip(self) -> StreamClip:
        step_s = self._times[-1] - self._times[-2] if len(self._times) > 1 else 0.0
        return StreamClip(torch.stack(self._frames), self._times[0], self._times[-1] + step_s)


class ClipPropagator:
    """The published form: H_k is the memory of everything so far; a `Propagator`."""

    def __init__(self, dim: int) -> None:
        self._dim = dim

    @property
    def dim(self) -> int:
        return self._dim

    def update(self, memory: GlobalMemory, tokens: F32, weights: F32, positions: F32, span: TimeSpan) -> GlobalMemory:
        """See `memory.propagation.propagators.Propagator.update`; positions are the last clip's: H's have none of their
        own."""
        if tokens.ndim != 3 or tokens.shape[2] != self._dim:
            raise ValueError(f"tokens are [S, M, {self._dim}], not {tokens.shape}")
        return GlobalMemory(tokens[0], weights, positions, float(span.end_s))


def positions(times: list[float], config: StreamingConfig) -> torch.Tensor:
    """float32 [TP, 3]: each summary token's frame's time (s), and the middle of the grid; with ``frame`` summaries the
    middle of its stretch of rows."""
    frames = torch.arange(config.memory_tokens) // config.summary_per_frame * len(times) // config.clip_frames
    parts = torch.arange(config.memory_tokens) % config.summary_per_frame
    rows, columns = config.grid
    centre = torch.full((config.memory_tokens,), (rows - 1) / 2)
    row = (parts + 0.5) / config.summary_per_frame * rows - 0.5 if config.summary == "frame" else centre
    return torch.stack([torch.tensor(times)[frames], row, torch.full_like(centre, (columns - 1) / 2)], dim=1)


def clip_parts(backend: Backend) -> tuple[ClipSegmenter, ClipCompressor, ClipPropagator]:
    """New parts for one stream, at its beginning. Raises `UnknownName` for a backend without a streaming encoder."""
    if not isinstance(backend, StreamingBackend):
        raise UnknownName(f"no propagator 'streaming' for the backend {backend.name}, which has no streaming encoder")
    encoder = backend.encoder
    return ClipSegmenter(encoder.config.clip_frames), ClipCompressor(encoder), ClipPropagator(encoder.dim)
