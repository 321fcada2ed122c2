"""The attention mask of the streaming encoder's sequence [time prompt ; H ; F ; S ; Ŝ] (VideoStreaming, 2405.16009).

As published: summary tokens S attend to the frames F and to earlier summary tokens, frames never attend to S, the mask
is causal, and the order of the parts is the one above. Whether frames see the history H could not be read, so it is the
option `Context`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

Context = Literal["isolated", "causal"]
"""``isolated`` (default): frames see the time prompt and frames before them; the history and the clip meet only in the
summary. ``causal``: every token sees everything before it, the language model's own mask. Not readable in the paper."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How many tokens each part has, in the order of the sequence."""

    prompt: int
    history: int
    frames: int
    summary: int
    indicators: int

    @property
    def length(self) -> int:
        """L, tokens in all."""
        return self.prompt + self.history + self.frames + self.summary + self.indicators

    def part(self, name: Literal["prompt", "history", "frames", "summary", "indicators"]) -> slice:
        """Where a part's tokens stand."""
        start = 0
        for part in ("prompt", "history", "frames", "summary", "indicators"):
            size: int = getattr(self, part)
            if part == name:
                return slice(start, start + size)
            start += size
        raise ValueError(f"no part is called {name!r}")

    def mask(self, context: Context = "isolated") -> torch.Tensor:
        """bool [L, L], True where the row's token may look at the column's."""
        visible = torch.ones(self.length, self.length, dtype=torch.bool).tril()
        if context == "isolated":
            visible[self.part("frames"), self.part("history")] = False
        return visible


def additive(visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask as `transformers` takes it ready-made, [1, 1, L, L]: 0 where looking is allowed, the lowest number
    elsewhere."""
    return torch.zeros(visible.shape, dtype=dtype).masked_fill(~visible, torch.finfo(dtype).min)[None, None]
