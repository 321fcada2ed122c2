"""Voting by a window of observation, as in SnapKV (arXiv 2404.14469).

Followed: the last `window` queries vote by their attention; votes are pooled over neighbours, so that what belongs
together stays together; each key-value head keeps its own slots; the window itself stays.
Not followed: the paper compresses a prompt once, before the answer; here the window is the end of whatever was read
last and votes are taken at every compaction, also over slots that survived earlier ones. Queries that share a key-value
head vote together (their attention is averaged), as later ports do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memory.kv.policies.base import KVPolicy, LayerView
from memory.kv.policies.scores import pooled, softmax


@dataclass(frozen=True, slots=True)
class SnapKV(KVPolicy):
    """`window` queries vote; `kernel`: pooling (odd)."""

    name: str = "snapkv"
    window: int = 64
    kernel: int = 5
    per_head: bool = True

    def regions(self, keep: int) -> tuple[int, int]:
        """The window stays, at most half of all."""
        return 0, min(self.window, keep // 2)

    def scores(self, view: LayerView) -> torch.Tensor:
        """Pooled votes."""
        return pooled(softmax(view), self.kernel)
