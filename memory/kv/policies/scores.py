"""Scores of a key by recent queries: those of Deep Forcing's participative compression, and related ones.

Pure functions from keys [B, H, T, d] and queries [B, H, G, R, d] to scores [B, H, T]; H are key-value heads, G the
queries that share one (grouped-query attention). Which is best is a matter of measurement: on a constructed case where
half of the queries want a key and half avoid it, the linear sum loses every such key and the other two none.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from memory.kv.policies.base import LayerView


def linear(view: LayerView) -> torch.Tensor:
    """Sum over queries of q . k, without softmax: Deep Forcing (arXiv 2512.05081), Eq. 7, as published. Linear, so the
    queries are summed first."""
    summed = view.queries.float().sum(dim=(2, 3))
    return (view.keys.float() @ summed[..., None])[..., 0] * view.scaling


def largest(view: LayerView) -> torch.Tensor:
    """The largest q . k over queries: the released code's other option."""
    return (_logits(view) * view.scaling).amax(dim=(2, 3))


def softmax(view: LayerView) -> torch.Tensor:
    """Sum of attention probabilities over queries, each over the keys it may see: SnapKV's votes (arXiv 2404.14469)."""
    return attention(view)[0].sum(dim=(2, 3))


def attention(view: LayerView) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities [B, H, G, R, T] of the queries over the keys they may see, and which those are (bool)."""
    visible = view.key_order[:, :, None, None, :] <= view.query_order[:, None]
    logits = (_logits(view) * view.scaling).masked_fill(~visible, float("-inf"))
    return logits.softmax(-1), visible


SCORES: dict[str, Callable[[LayerView], torch.Tensor]] = {"linear": linear, "max": largest, "softmax": softmax}
"""By name."""


def value_norm(view: LayerView) -> torch.Tensor:
    """Euclidean length of each value: InfiniPot-V's value norm; also a weight for the scores above."""
    lengths: torch.Tensor = torch.linalg.vector_norm(view.values.float(), dim=-1)
    return lengths


def pooled(scores: torch.Tensor, kernel: int) -> torch.Tensor:
    """Each score becomes the largest in its neighbourhood of `kernel` (odd) slots, so that neighbours stay together."""
    if kernel <= 1:
        return scores
    near: torch.Tensor = functional.max_pool1d(scores, kernel, stride=1, padding=kernel // 2)
    return near


def _logits(view: LayerView) -> torch.Tensor:
    return view.queries.float() @ view.keys.float()[:, :, None].transpose(-1, -2)
