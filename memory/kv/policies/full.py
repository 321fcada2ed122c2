"""Everything stays: the cache grows with the text, as `transformers`' own does. The control for quality."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memory.kv.policies.base import LayerView


@dataclass(frozen=True, slots=True)
class Full:
    """Never compacts; `new_cache` gives it no budget whatever is asked for."""

    name: str = "full"
    window: int = 0
    per_head: bool = False
    most_picks: int | None = None
    passage: int = 0

    def regions(self, keep: int) -> tuple[int, int]:
        """All of it recent."""
        return 0, keep

    def scores(self, view: LayerView) -> torch.Tensor:
        """All alike: only used when somebody compacts by hand; the recent ones then stay."""
        return view.values.new_zeros(view.values.shape[0], 1, view.values.shape[2], dtype=torch.float32)
