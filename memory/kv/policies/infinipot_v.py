"""InfiniPot-V (arXiv 2506.15745): no queries at all; what is new and what is strong stays.

Followed: the most recent slots stay; a share `alpha` of the rest goes to the keys least like the recent ones (temporal
redundancy, TaR: minus the mean cosine with the recent frames' keys), what is left to the largest value norms (VaN),
pooled over neighbours with a kernel that narrows from the first layer to the last; each key-value head on its own.
Not followed: TaR compares patches at the same place of the picture; a stream of words and cubes has no such grid, so a
key is compared with all recent keys. Known from secondary readings of the paper, not from its code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from memory.kv.policies.base import KVPolicy, LayerView, part
from memory.kv.policies.scores import pooled, value_norm


@dataclass(frozen=True, slots=True)
class InfiniPotV(KVPolicy):
    """`recent`: slots, or below 1 a share of what is kept; `alpha`: share that goes by redundancy; `kernel`: of the
    first layer (odd)."""

    name: str = "infinipot_v"
    recent: float = 0.25
    alpha: float = 0.5
    kernel: int = 7
    per_head: bool = True

    def regions(self, keep: int) -> tuple[int, int]:
        """No sink."""
        return 0, part(self.recent, keep)

    def scores(self, view: LayerView) -> torch.Tensor:
        """2 and more for those chosen by redundancy, below 1 for the rest by value norm."""
        slots, ends = view.keys.shape[2], slice(view.sink, view.keys.shape[2] - view.recent)
        narrow = 1 + 2 * round((self.kernel // 2) * (1 - view.layer / max(view.layers - 1, 1)))
        norms = pooled(value_norm(view), narrow)
        scores = norms / (norms.amax(-1, keepdim=True) + 1e-6) * 0.999
        unit = functional.normalize(view.keys.float(), dim=-1)
        recent = unit[:, :, slots - max(view.recent, 1) :].mean(2, keepdim=True)
        novelty = -(unit * recent).sum(-1)[..., ends]
        count = min(round(self.alpha * view.room), novelty.shape[-1])
        if count > 0:
            chosen = novelty.topk(count, dim=-1).indices + ends.start
            scores = scores.scatter_add(-1, chosen, torch.full_like(chosen, 2, dtype=scores.dtype))
        return scores
