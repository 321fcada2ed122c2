"""LongVU's cosine filters, causal and under a hard budget: frames, then places, that say nothing new are dropped.

From arXiv 2410.17434 and its code (`longvu/cambrian_arch.py`, `scripts/train_video_qwen.sh`): (1) a frame whose cosine
to its window is at least 0.83 is dropped; (3) in windows of 8 frames the first is kept whole, later frames keep the
tokens whose cosine with the first frame's token at the same place is below 0.8. Its filter (2) needs the question and
is left out: what is written must serve every question. Ours: a frame is compared with its window's first frame, since
the frames to come are not known; tokens are average-pooled so that a whole frame takes half the budget; at a new window
only the places that changed begin anew; and where more changed than fits, the least changed give way. A dropped token's
weight goes to its place's token of the window's first frame.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from encoders.base import CubeTokens
from encoders.compressors.average import pooling_cells
from encoders.compressors.base import Group, checked, checked_budget, nothing
from encoders.state_codec import pack, unpack


class CosineFilter:
    """At most M tokens a cube: a pooled first frame and the most changed places of later ones."""

    def __init__(self, budget: int = 64, window: int = 8, drop_frame: float = 0.83, drop_token: float = 0.8) -> None:
        """
        Args:
            budget: M.
            window: steps compared with one first frame.
            drop_frame: mean cosine to the window's first frame from which a frame is dropped as a whole.
            drop_token: cosine to the first frame's token of the same place from which a token is dropped.
        """
        if window < 1:
            raise ValueError(f"a window needs at least one step, not {window}")
        self.budget, self.window = checked_budget(budget), window
        self.drop_frame, self.drop_token = drop_frame, drop_token
        self.reset()

    def reset(self) -> None:
        self._kept: Group | None = None  # K tokens
        self._places = torch.zeros(0, dtype=torch.int64)  # [K] pooled cell of each
        self._changes = torch.zeros(0)  # [K] how little each resembled its anchor; anchors: infinity
        self._anchors = torch.zeros(0, dtype=torch.int64)  # [C] the kept token each cell is compared with
        self._shape: tuple[int, ...] | None = None
        self._steps = 0

    def add(self, tokens: torch.Tensor, grid: tuple[int, int], time_s: float) -> None:
        tokens = checked(tokens, grid, self._shape)
        self._shape = tuple(tokens.shape)
        cells, count = pooling_cells(grid, max(self.budget // 2, 1))
        step = Group.of_step(tokens, grid, time_s).merged(cells, count)
        if self._kept is None:
            self._kept, self._places, self._anchors = step, torch.arange(count), torch.arange(count)
            self._changes = torch.full((count,), math.inf)
        else:
            self._compare(self._kept, step)
        self._steps += 1

    def _compare(self, kept: Group, step: Group) -> None:
        """Tokens like their anchors give it their weight; the others are kept, as anchors where a window begins."""
        likeness = F.cosine_similarity(kept.tokens[0, self._anchors], step.tokens[0], dim=1)
        changed = likeness < self.drop_token
        if float(likeness.mean()) >= self.drop_frame:
            changed = torch.zeros_like(changed)
        kept = _absorb(kept, self._anchors[~changed], step.at(~changed))
        changes = 1 - likeness[changed]
        if self._steps % self.window == 0:
            self._changes[self._anchors[changed]] = changes
            self._anchors[changed] = torch.arange(len(changes)) + len(kept)
            changes = torch.full_like(changes, math.inf)
        self._kept = Group.joined([kept, step.at(changed)])
        self._changes = torch.cat([self._changes, changes])
        self._places = torch.cat([self._places, changed.nonzero()[:, 0]])
        self._give_way(self._kept)

    def _give_way(self, kept: Group) -> None:
        """The least changed tokens over the budget leave their weight to their place's anchor."""
        surplus = len(kept) - self.budget
        if surplus <= 0:
            return
        leaving = self._changes.argsort(stable=True)[:surplus]
        kept = _absorb(kept, self._anchors[self._places[leaving]], kept.at(leaving))
        stays = torch.ones(len(kept), dtype=torch.bool)
        stays[leaving] = False
        self._kept, self._places, self._changes = kept.at(stays), self._places[stays], self._changes[stays]
        self._anchors = (stays.cumsum(0) - 1)[self._anchors]

    def cube(self) -> CubeTokens:
        return nothing() if self._kept is None else self._kept.cube()

    def state(self) -> bytes:
        tensors = {"places": self._places, "changes": self._changes, "anchors": self._anchors}
        if self._kept is not None:
            tensors |= self._kept.tensors()
        return pack({"steps": self._steps, "shape": list(self._shape) if self._shape else None}, tensors)

    def restore(self, state: bytes) -> None:
        values, tensors = unpack(state)
        self._steps, self._kept = values["steps"], Group.from_tensors(tensors)
        self._shape = tuple(values["shape"]) if values["shape"] else None
        self._places, self._changes, self._anchors = tensors["places"], tensors["changes"], tensors["anchors"]


def _absorb(kept: Group, into: torch.Tensor, dropped: Group) -> Group:
    """Adds weights and positions of dropped tokens to those they resemble, whose values stay as they are."""
    weights = kept.weights.index_add(0, into, dropped.weights)
    places = kept.positions * kept.weights[:, None].double()
    places = places.index_add(0, into, dropped.positions * dropped.weights[:, None].double())
    return Group(kept.tokens, weights, places / weights[:, None].double())
