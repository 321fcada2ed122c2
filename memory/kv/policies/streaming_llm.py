"""StreamingLLM (arXiv 2309.17453): the first few slots and the most recent ones.

Followed: 4 sink slots, the rest recent; positions are those in the cache, not in the text; no key is rotated twice.
Not followed: the paper evicts before it adds; here the cache is compacted after a chunk, to the same effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memory.kv.policies.base import KVPolicy, LayerView, part


@dataclass(frozen=True, slots=True)
class StreamingLLM(KVPolicy):
    """`sink` slots, or below 1 a share of what is kept."""

    name: str = "streaming_llm"
    sink: float = 4

    def regions(self, keep: int) -> tuple[int, int]:
        """Sink and recent take all."""
        sink = part(self.sink, keep)
        return sink, keep - sink

    def scores(self, view: LayerView) -> torch.Tensor:
        """The later, the better: where protected slots leave less room, the oldest go first."""
        order = view.key_order[:, :1].float()
        return order.expand(view.keys.shape[0], 1, view.keys.shape[2])
