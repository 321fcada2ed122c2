"""VideoStreaming's memory-propagated encoder (arXiv 2405.16009): a small language model condenses clip after clip.

For clip k:  H_k, Ĥ_k = g([time prompt ; H_{k-1} ; F_k ; S_k ; Ŝ_k]), where g is a causal language model cut to its
first layers, F_k the clip's frame tokens, S_k summary tokens and Ŝ_k indicator tokens. H_k, the output at S_k, is both
the clip's memory and the history of the next clip, of constant size; Ĥ_k, the output at Ŝ_k, is the clip's retrieval
key. A question is read as [H ; question ; indicator token]. Read from notes about the paper: no code was published.

As published: the order of the parts, P = 4 summary tokens a frame and T = 16 frames a clip (64 tokens), 2 x 2
neighbouring patches joined into one token of four times the channels, the time prompt's wording, the first 16 layers.
Not readable, so named options of `StreamingConfig`: what the summary tokens start as, whether frames see the history,
how many indicator tokens there are, how H enters the next clip, whether question and clip share an indicator token.
Published: the question is read with the final memory H_K. Ours: with any H_k, since a live stream has no final one.

Nothing here is trained; `encoders.published.streaming.training` trains it. The training-free surrogate that runs
without any of this is `memory.propagation.propagators.MergingPropagator`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from encoders.published.streaming.body import LanguageBody
from encoders.published.streaming.mask import Context, Layout

Tokenize = Callable[[str], Sequence[int]]


@dataclass(frozen=True, slots=True)
class StreamingConfig:
    """Sizes, and what was not readable as options.

    Attributes:
        vision_dim: d, channels of a patch token. grid: (h, w), patches of a frame.
        clip_frames: T. summary_per_frame: P. layers: of the language model; None keeps all.
        join: patches along each side that become one token; an odd edge is repeated.
        summary: what summary tokens start as, beside a learned vector each. ``frame``: the mean of one of P stretches
            of their own frame; ``clip``: the mean of the whole clip; ``learned``: nothing. Not readable.
        context: see `encoders.published.streaming.mask.Context`. Not readable.
        indicators: indicator tokens of a clip and of a question; their outputs are averaged. Not readable.
        shared_indicator: whether question and clip use the same indicator token. Not readable.
        history: how H enters: ``direct``, or through a ``linear`` layer that starts as the identity. Not readable.
    """

    vision_dim: int
    grid: tuple[int, int]
    clip_frames: int = 16
    summary_per_frame: int = 4
    layers: int | None = 16
    join: int = 2
    summary: Literal["frame", "clip", "learned"] = "frame"
    context: Context = "isolated"
    indicators: int = 1
    shared_indicator: bool = False
    history: Literal["direct", "linear"] = "direct"

    @property
    def memory_tokens(self) -> int:
        """TP, tokens of H."""
        return self.clip_frames * self.summary_per_frame


@dataclass(frozen=True, slots=True)
class StreamClip:
    """One clip: patch tokens float [t, N, d] of 1 to T frames, and its half-open span in seconds."""

    frames: torch.Tensor
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Condensed:
    """What is left of everything up to and with a clip: tokens H_k [TP, D], and the clip's indicator Ĥ_k [D]."""

    tokens: torch.Tensor
    indicator: torch.Tensor


class StreamingEncoder(nn.Module):
    """g, with its inputs and outputs: projection, prompt, summary and indicator tokens.

    Args:
        model: any decoder-only language model of `transformers`; taken over and cut (see `LanguageBody`).
        tokenize: text -> token ids of that model.
        config: sizes and options.
    """

    def __init__(self, model: Any, tokenize: Tokenize, config: StreamingConfig) -> None:
        super().__init__()
        self.config = config
        self.body = LanguageBody(model, config.layers)
        self._tokenize = tokenize
        dim = self.body.dim
        self.project = nn.Linear(config.vision_dim * config.join**2, dim)
        self.summary = nn.Parameter(torch.randn(config.memory_tokens, dim) * 0.02)
        self.clip_indicator = nn.Parameter(torch.randn(config.indicators, dim) * 0.02)
        self.question_indicator = (
            self.clip_indicator if config.shared_indicator else nn.Parameter(torch.randn(config.indicators, dim) * 0.02)
        )
        self.recall: nn.Module = nn.Identity()
        if config.history == "linear":
            self.recall = nn.Linear(dim, dim, bias=False)
            nn.init.eye_(self.recall.weight)

    @property
    def dim(self) -> int:
        """D, width of the language model."""
        return self.body.dim

    def forward(self, memory: torch.Tensor | None, clip: StreamClip) -> Condensed:
        """Reads one clip after everything before it.

        Args:
            memory: H_{k-1}, [TP, D]; None before the first clip.

        Raises:
            ValueError: a clip without frames, with more than T, or of another shape; a memory of another size.
        """
        self._check(memory, clip)
        history = self._history(memory)
        frames = self.project(joined(clip.frames, self.config.grid, self.config.join))
        prompt = self._words(time_prompt(clip.start_s, clip.end_s))
        summary = self.summary + self._start(frames)
        parts = [prompt, history, frames.flatten(0, 1), summary, self.clip_indicator]
        layout = Layout(*(len(part) for part in parts))
        out = self.body(torch.cat(parts), layout.mask(self.config.context))
        return Condensed(out[layout.part("summary")], out[layout.part("indicators")].mean(dim=0))

    def question(self, memory: torch.Tensor | None, text: str) -> torch.Tensor:
        """The question's indicator [D], to be compared with clips' by cosine. `memory` is H at any moment of the
        stream; None where nothing was watched yet."""
        parts = [self._history(memory), self._words(text), self.question_indicator]
        length = sum(len(part) for part in parts)
        out = self.body(torch.cat(parts), torch.ones(length, length, dtype=torch.bool).tril())
        indicator: torch.Tensor = out[-self.config.indicators :].mean(dim=0)
        return indicator

    def read(self, clips: Iterable[StreamClip], memory: torch.Tensor | None = None) -> list[Condensed]:
        """Every clip in turn, each with the memory that the one before it left."""
        states: list[Condensed] = []
        for clip in clips:
            states.append(self(memory, clip))
            memory = states[-1].tokens
        return states

    def own_state(self) -> dict[str, torch.Tensor]:
        """All weights but the language model's word embeddings, which training leaves as they are."""
        words = {id(p) for p in self.body.decoder.get_input_embeddings().parameters()}
        return {name: p for name, p in self.named_parameters() if id(p) not in words}

    def _words(self, text: str) -> torch.Tensor:
        ids = torch.tensor(list(self._tokenize(text)), dtype=torch.int64, device=self.summary.device)
        return self.body.embed(ids)

    def _history(self, memory: torch.Tensor | None) -> torch.Tensor:
        if memory is None:
            return self.summary.new_zeros(0, self.dim)
        recalled: torch.Tensor = self.recall(memory)
        return recalled

    def _start(self, frames: torch.Tensor) -> torch.Tensor:
        """What the summary tokens start as, [TP, D] (or broadcast to it), from the clip's tokens [t, n, D]. Where a
        clip is shorter than T frames, its frames are given out evenly, so H keeps its size."""
        if self.config.summary == "learned":
            return frames.new_zeros(1, self.dim)
        if self.config.summary == "clip":
            return frames.flatten(0, 1).mean(dim=0, keepdim=True)
        pooled = F.adaptive_avg_pool1d(frames.transpose(1, 2), self.config.summary_per_frame).transpose(1, 2)
        rows = torch.arange(self.config.clip_frames) * len(frames) // self.config.clip_frames
        return pooled[rows.to(frames.device)].flatten(0, 1)

    def _check(self, memory: torch.Tensor | None, clip: StreamClip) -> None:
        rows, columns = self.config.grid
        shape = tuple(clip.frames.shape)
        if len(shape) != 3 or shape[1:] != (rows * columns, self.config.vision_dim):
            raise ValueError(f"frames are [t, {rows * columns}, {self.config.vision_dim}], not {list(shape)}")
        if not 1 <= shape[0] <= self.config.clip_frames:
            raise ValueError(f"a clip has 1 to {self.config.clip_frames} frames, not {shape[0]}")
        if memory is not None and memory.shape != (self.config.memory_tokens, self.dim):
            raise ValueError(f"a memory is [{self.config.memory_tokens}, {self.dim}], not {list(memory.shape)}")


def time_prompt(start_s: float, end_s: float) -> str:
    """The published words; without a history the first half is left out (ours)."""
    clip = f"a clip sampled in {start_s:.0f} to {end_s:.0f} seconds"
    if start_s <= 0:
        return f"this contains {clip}"
    return f"this contains a history of 0 to {start_s:.0f} seconds, and {clip}"


def joined(frames: torch.Tensor, grid: tuple[int, int], side: int = 2) -> torch.Tensor:
    """Neighbouring patches side by side: [t, h * w, d] -> [t, ceil(h / side) * ceil(w / side), side**2 * d]. Where the
    grid does not divide, its last row and column are repeated (ours)."""
    count, _, width = frames.shape
    maps = frames.reshape(count, *grid, width)
    rows, columns = (torch.arange(-(-n // side) * side).clamp(max=n - 1).to(frames.device) for n in grid)
    maps = maps[:, rows][:, :, columns]
    blocks = maps.reshape(count, len(rows) // side, side, len(columns) // side, side, width)
    return blocks.permute(0, 1, 3, 2, 4, 5).reshape(count, -1, side * side * width)
