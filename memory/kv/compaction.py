"""One compaction of a cache: the policy scores every layer's slots, the best stay, the rest are dropped.

This file holds the order of these steps. Scores are the policy's (`memory.kv.policies`), precedence and groups are
`memory.kv.selection`'s, and the layer (`memory.kv.layer`) moves its slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from memory.kv.layer import GROUP, LEVEL, NOVELTY, ORDER, PICKS, SlotLayer
from memory.kv.novelty import SCALE
from memory.kv.policies.base import KVPolicy, LayerView
from memory.kv.selection import CANDIDATE, best, protected_within, standing, whole_groups


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a cache holds.

    Attributes:
        slots: M, most slots after a forward pass; None for no limit.
        keep: N, slots after a compaction.
        protected: share of `slots` that protected ones may take. Of more, turns give way before the system prompt and
            earlier ones before later ones.
        positions: ``contiguous`` or ``kept``.
        whole_groups: cubes stay whole or go whole, in all layers alike; then *at most* `keep` slots stay.
    """

    slots: int | None = 1024
    keep: int = 768
    protected: float = 0.5
    positions: Literal["contiguous", "kept"] = "contiguous"
    whole_groups: bool = False

    def __post_init__(self) -> None:
        if self.slots is not None and not 1 <= self.keep <= self.slots:
            raise ValueError(f"of {self.slots} slots {self.keep} cannot be kept")
        if not 0 <= self.protected <= 1 or self.positions not in ("contiguous", "kept"):
            raise ValueError("protected is a share; positions are contiguous or kept")

    @property
    def allowance(self) -> int:
        """Slots that protected ones may take, of those that are kept."""
        return min(int(self.protected * (self.slots or self.keep)), self.keep)


@dataclass(frozen=True, slots=True)
class ObservedQueries:
    """The last R queries, the same in all layers.

    Attributes:
        order: int64 [R], when each token came.
        computed, now: int64 [A, R], the position a query was computed for and the one that fits the keys now.
        scaling: the attention's factor.
    """

    order: torch.Tensor
    computed: torch.Tensor
    now: torch.Tensor
    scaling: float


@dataclass(frozen=True, slots=True)
class Compaction:
    """One compaction.

    Attributes:
        keep: slots that stay in every layer.
        room: slots that memory is taken for.
        tail: metadata of the tokens since the last compaction, the same in all layers.
        news: the novelty of the last tokens that came, int64 [B, n]; None where the policy asks for none.
    """

    policy: KVPolicy
    budget: Budget
    keep: int
    room: int
    tail: torch.Tensor
    observed: ObservedQueries
    news: torch.Tensor | None = None

    def run(self, layers: Sequence[SlotLayer]) -> int:
        """Drops what does not stay; returns the first free position, 0 where positions are kept."""
        judged = [self._judged(layers, place) for place in range(len(layers))]
        together = _together(judged, self.keep) if self.budget.whole_groups else None
        free = 0
        for layer, judgement in zip(layers, judged, strict=True):
            index = best(judgement.scores, judgement.rank, self.keep) if together is None else together
            if self.policy.most_picks is not None:
                judgement.count(index)
            move = self.budget.positions == "contiguous"
            free = max(free, layer.keep(index, judgement.metadata, self.room, move=move))
        return free

    def _judged(self, layers: Sequence[SlotLayer], place: int) -> _Judged:
        layer = layers[place]
        keys, metadata, most = layer.rows_k.view(), self._slot_metadata(layer), self.policy.most_picks
        if self.policy.per_head:
            metadata = metadata.expand(-1, -1, keys.shape[1], -1)
        sink, recent = self.policy.regions(self.keep)
        worn = None if most is None else metadata[PICKS] >= most
        rank = standing(protected_within(metadata[LEVEL], self.budget.allowance), worn, sink, recent)
        view = LayerView(
            keys,
            layer.rows_v.view(),
            self._queries(layer),
            metadata[ORDER],
            self.observed.order.to(keys.device),
            self.observed.scaling,
            sink,
            recent,
            room=max(self.keep - int((rank > CANDIDATE).sum(-1).max()), 0),
            layer=place,
            layers=len(layers),
            novelty=metadata[NOVELTY].float() / SCALE,
        )
        return _Judged(metadata if most is None else metadata.clone(), self.policy.scores(view), rank)

    def _slot_metadata(self, layer: SlotLayer) -> torch.Tensor:
        """A layer's slot metadata, int64 [rows, B, H, T], with the news."""
        metadata = layer.all_metadata(self.tail)
        if self.news is None:
            return metadata
        metadata = metadata.clone()
        place = metadata[ORDER] - (metadata[ORDER, ..., -1:] + 1 - self.news.shape[1])
        novelty = self.news[:, None].expand(-1, metadata.shape[2], -1).gather(-1, place.clamp_min(0))
        metadata[NOVELTY] = torch.where(place >= 0, novelty, metadata[NOVELTY])
        return metadata

    def _queries(self, layer: SlotLayer) -> torch.Tensor:
        """[B, Hkv, G, R, d], as if computed where the keys are now."""
        keys = layer.rows_k.view()
        batch, heads, _, width = keys.shape
        if not len(self.observed.order):
            return keys.new_zeros((batch, heads, 1, 0, width))
        queries = torch.cat(tuple(layer.queries), dim=2)[:, :, -len(self.observed.order) :]
        if not torch.equal(self.observed.computed, self.observed.now):
            both = torch.stack((self.observed.computed, self.observed.now)).to(keys.device)
            before, after = both[:, :, None, None].expand(-1, -1, batch, 1, -1)
            queries = layer.rotary.moved(queries, before, after)
        return queries.reshape(batch, heads, -1, queries.shape[2], width)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One layer's slots: metadata [rows, B, H, T], scores [B, H', T] and ranks [B, H, T]."""

    metadata: torch.Tensor
    scores: torch.Tensor
    rank: torch.Tensor

    def count(self, index: torch.Tensor) -> None:
        """Notes which were chosen rather than kept anyway."""
        chosen = (self.rank.gather(-1, index) <= CANDIDATE).long()
        self.metadata[PICKS].scatter_add_(-1, index, chosen)


def _together(judged: Sequence[_Judged], keep: int) -> torch.Tensor:
    """One choice for all layers, heads and rows of the batch: each layer's scores brought to 0 ... 1, then averaged."""
    parts = []
    for judgement in judged:
        scores = torch.nan_to_num(judgement.scores.float(), nan=0.0, neginf=0.0).mean((0, 1))
        low, high = scores.min(), scores.max()
        parts.append((scores - low) / (high - low).clamp_min(1e-12))
    first = judged[0]
    index = whole_groups(torch.stack(parts).mean(0), first.rank[0, 0], first.metadata[GROUP, 0, 0], keep)
    return index.expand(first.metadata.shape[1], first.metadata.shape[2], -1)
