"""Weighted spherical k-means over few points, deterministic: how `progressive` merges what is redundant.

Not a compressor. Directions are unit rows; every function gives the same result for the same input, so that a restored
stream ends in the same cube.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def far_seeds(directions: torch.Tensor, weights: torch.Tensor, count: int, rounds: int = 8) -> torch.Tensor:
    """Indices of `count` rows that lie far from each other, heavy ones first (k-means++ without chance, in rounds).

    Each round takes the rows whose weight times distance (1 - cosine) to the seeds so far is largest, every third of
    them, since neighbours in that order are often alike.
    """
    each = -(-count // rounds)
    seeds = torch.linspace(0, len(directions) - 1, each).long()
    if rounds == 1:
        return seeds
    best = (directions @ directions[seeds].T).amax(dim=1)
    while len(seeds) < count:
        take = min(each, count - len(seeds))
        need = (1 - best) * weights
        need[seeds] = -1.0
        more = need.topk(min(3 * take, len(need) - len(seeds))).indices[::3][:take]
        if len(more) < take:
            more = need.topk(take).indices
        seeds = torch.cat([seeds, more])
        best = torch.maximum(best, (directions @ directions[more].T).amax(dim=1))
    return seeds


def assign(directions: torch.Tensor, weights: torch.Tensor, centres: torch.Tensor, rounds: int) -> torch.Tensor:
    """The nearest centre of each row (int64 [P]) after `rounds` rounds of moving centres to their rows' mean."""
    for _ in range(rounds):
        labels = _nearest(directions, centres)
        sums = torch.zeros_like(centres).index_add_(0, labels, directions * weights[:, None])
        centres = torch.where(sums.any(dim=1, keepdim=True), F.normalize(sums, dim=1), centres)
    return _nearest(directions, centres)


def _nearest(directions: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """int64 [P]; numpy's argmax along rows is several times as fast as torch's (measured, one thread)."""
    return torch.from_numpy((directions @ centres.T).numpy().argmax(axis=1))


def peaks(height: torch.Tensor, grid: tuple[int, int], surround: float = 1.2, broad: float = 0.1) -> torch.Tensor:
    """How far each cell stands out from its eight neighbours, where it is the highest of them; 0 elsewhere.

    Args:
        height: float32 [N] of a grid of h * w cells, not negative.
        surround: share of the neighbours' mean that is taken off.
        broad: share of its height that a cell keeps in any case, for changes that are wider than a cell.
    """
    field = height.view(1, 1, *grid)
    edged = F.pad(field, (1, 1, 1, 1), mode="replicate")
    around = (F.avg_pool2d(edged, 3, 1) * 9 - field) / 8
    above = (field - surround * around).clamp_min(0) + broad * field
    return torch.where(above == F.max_pool2d(above, 3, 1, 1), above, 0.0).flatten()
