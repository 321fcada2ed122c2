"""The novelty of a passage: how unlike everything before it its values are, computed once, when it arrives.

A token's values in all layers are compared with the mean of all values that came before and with it; the distance is
one minus the cosine, averaged over layers and heads. A passage's novelty is the mean over its w tokens, and a token's
that of the newest passage it is in, so that passages stay or go whole. What is unlike the rest of a stream cannot be
made up from the rest. No query is needed. Our own; near relatives are KeyDiff (arXiv 2504.15364), which compares each
key alone with those that are held, layer by layer and head by head, and InfiniPot-V's redundancy (arXiv 2506.15745).

The state is a running mean; the result is a number for each new token, the same in all layers and heads. Novelty is not
importance: an odd passage is kept, whatever it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

SCALE = 1 << 30
"""Novelty 0 ... 2 is noted as an integer, beside the other numbers of a slot."""

_OUTLIERS = 4
"""The first tokens of a stream, whose values are like no others': they are not part of the mean."""


@dataclass(frozen=True, slots=True)
class Novelty:
    """The state of a stream from which its next tokens are judged; constant in size.

    Attributes:
        passage: w, odd.
        arrived: tokens noted so far.
        total: sum of unit values, float32 [layers, B, Hkv, d]; None before the first.
        last: distances of the last 2 (w - 1) tokens at most, float32 [B, n]; their passages may go on.
    """

    passage: int
    arrived: int = 0
    total: torch.Tensor | None = None
    last: torch.Tensor | None = None

    def noted(self, values: Sequence[torch.Tensor]) -> tuple[Novelty, torch.Tensor]:
        """The next n tokens, of which `values` has [B, Hkv, n, d] for each layer.

        Returns:
            The new state, and int64 [B, m + n]: the novelty, times `SCALE`, of up to m = w - 1 tokens before, whose
            passages go on, and of the new ones.
        """
        unit = functional.normalize(torch.stack(tuple(values)).float(), dim=-1)
        total = unit[:, :, :, max(_OUTLIERS - self.arrived, 0) :].sum(3)
        total = total if self.total is None else self.total + total
        mean = functional.normalize(total, dim=-1)
        fresh = 1.0 - (unit * mean[:, :, :, None]).sum(-1).mean((0, 2))
        every = fresh if self.last is None else torch.cat((self.last, fresh), dim=1)
        more, half = self.passage - 1, self.passage // 2
        means = functional.avg_pool1d(every[:, None], self.passage, 1, half, count_include_pad=False)
        newest = functional.max_pool1d(means, self.passage, 1, half)[:, 0]
        after = Novelty(self.passage, self.arrived + fresh.shape[1], total, every[:, -2 * more or every.shape[1] :])
        news = newest[:, -min(fresh.shape[1] + more, every.shape[1]) :]
        return after, (news.clamp(0.0, 2.0).double() * SCALE).long()

    @property
    def bytes_held(self) -> int:
        """Of its tensors."""
        return sum(tensor.nbytes for tensor in (self.total, self.last) if tensor is not None)
