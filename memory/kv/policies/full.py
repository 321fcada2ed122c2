"""Everything stays: the cache grows with the text, as `transformers`' own does. The control for quality."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memory.kv.policies.base import KVPolicy, LayerView


@dataclass(frozen=True, slots=True)
class Full(KVPolicy):
    """Never compacts; `new_cache` gives it no budget whatever is asked for."""

    name: str = "full"

    def regions(self, keep: int) -> tuple[int, int]:
        """All of it recent."""
        return 0, keep

    def scores(self, view: LayerView) -> torch.Tensor:
        """All alike: only used when somebody compacts by hand; the recent ones then stay."""
        return view.values.new_zeros(view.values.shape[0], 1, view.values.shape[2], dtype=torch.float32)
