"""Scissorhands (arXiv 2305.17118): keys that got attention will get it again (persistence of importance).

Followed: over a history window of the last queries, a key is unimportant to a query that gives it less than the average
attention 1 / t; the slots with the most such verdicts go; each head has its own; the most recent always stay.
Not followed: the paper draws budgets for each layer from its own calibration, here all layers have the same (a chunk of
several tokens needs that); it drops slots in fixed portions, here down to the target; ties go by the sum of attention.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memory.kv.policies.base import KVPolicy, LayerView, part
from memory.kv.policies.scores import attention


@dataclass(frozen=True, slots=True)
class Scissorhands(KVPolicy):
    """`window`: the history in queries; `recent`: slots, or below 1 a share of what is kept."""

    name: str = "scissorhands"
    window: int = 256
    recent: float = 0.25
    per_head: bool = True

    def regions(self, keep: int) -> tuple[int, int]:
        """No sink: important slots find their own way."""
        return 0, part(self.recent, keep)

    def scores(self, view: LayerView) -> torch.Tensor:
        """Minus the number of queries to which a key is unimportant, plus less than 1 for its attention."""
        probabilities, visible = attention(view)
        average = 1.0 / visible.sum(-1, keepdim=True).clamp_min(1)
        unimportant = ((probabilities < average) & visible).sum(dim=(2, 3)).float()
        total = probabilities.sum(dim=(2, 3))
        return total / (total.amax(-1, keepdim=True) + 1e-6) * 0.999 - unimportant
