"""Token merging (ToMe): bipartite soft matching over a cube's tokens, in chunks so that space stays constant.

The matching is as published (arXiv 2210.09461, section 3; applied to video tokens by VideoChat-Flash,
`tome16_mlp_hd64.py`): tokens are split into even and odd ones, each even one is matched with its most similar odd one
by cosine, the best r pairs are merged by size-weighted mean, r at most half; repeated until few enough are left. Ours:
the whole token is the metric (no attention heads are at hand), and what a chunk left over goes into the next chunk.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from encoders.base import CubeTokens
from encoders.compressors.base import Group, checked, checked_budget, nothing
from encoders.state_codec import pack, unpack


class ToMe:
    """At most M tokens a cube by repeated pairwise merging; needs no training."""

    def __init__(self, budget: int = 64, chunk_steps: int = 4) -> None:
        """
        Args:
            budget: M.
            chunk_steps: steps that are merged together (4 in VideoChat-Flash).
        """
        if chunk_steps < 1:
            raise ValueError(f"a chunk needs at least one step, not {chunk_steps}")
        self.budget, self.chunk_steps = checked_budget(budget), chunk_steps
        self.reset()

    def reset(self) -> None:
        self._kept: Group | None = None
        self._pending = 0
        self._shape: tuple[int, ...] | None = None

    def add(self, tokens: torch.Tensor, grid: tuple[int, int], time_s: float) -> None:
        tokens = checked(tokens, grid, self._shape)
        self._shape = tuple(tokens.shape)
        step = Group.of_step(tokens, grid, time_s)
        self._kept = step if self._kept is None else Group.joined([self._kept, step])
        self._pending += 1
        if self._pending == self.chunk_steps:
            self._kept, self._pending = merge_to(self._kept, self.budget), 0

    def cube(self) -> CubeTokens:
        return nothing() if self._kept is None else merge_to(self._kept, self.budget).cube()

    def state(self) -> bytes:
        shape = list(self._shape) if self._shape else None
        return pack({"pending": self._pending, "shape": shape}, self._kept.tensors() if self._kept else {})

    def restore(self, state: bytes) -> None:
        values, tensors = unpack(state)
        self._pending, self._kept = values["pending"], Group.from_tensors(tensors)
        self._shape = tuple(values["shape"]) if values["shape"] else None


def merge_to(group: Group, count: int) -> Group:
    """Rounds of bipartite soft matching until at most `count` tokens are left; fewer stay as they are."""
    while len(group) > count:
        group = _merge_once(group, min(len(group) - count, len(group) // 2))
    return group


def _merge_once(group: Group, pairs: int) -> Group:
    """Merges the `pairs` most similar (even, odd) pairs; the rest keep their order."""
    unit = F.normalize(group.tokens[0], dim=1)
    best, partner = (unit[::2] @ unit[1::2].T).max(dim=1)
    chosen = best.argsort(descending=True, stable=True)[:pairs]
    labels = torch.arange(len(group))
    labels[chosen * 2] = partner[chosen] * 2 + 1
    return group.merged(labels, len(group))
