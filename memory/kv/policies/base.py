"""What a cache policy is: which slots stay when a cache has more than it may hold.

A policy names a sink (the first slots, always kept), a recent part (the last slots, always kept) and a score for the
rest. It never moves a key and never touches a position; the cache does (`memory.kv.cache`). Protected slots stay
whatever a policy says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class LayerView:
    """One layer of a cache at the moment it is compacted: T slots, R queries, `Hkv` key-value heads, G queries a head.

    Attributes:
        keys, values: [B, Hkv, T, d], in order of arrival; keys rotated for the positions they hold now.
        queries: [B, Hkv, G, R, d], the last ones, rotated for positions that fit `keys`; R = 0 where none were kept.
        key_order, query_order: int64 [B, Hkv or 1, T] and [R], when each token came: a query sees keys up to its own.
        scaling: the attention's factor on q . k.
        sink, recent: slots at either end that stay anyway.
        room: slots that will stay of those in between.
        layer, layers: which one of how many.
        novelty: [B, Hkv or 1, T], how unlike the stream's other passages (`memory.kv.novelty`); zeros unless asked for.
    """

    keys: torch.Tensor
    values: torch.Tensor
    queries: torch.Tensor
    key_order: torch.Tensor
    query_order: torch.Tensor
    scaling: float
    sink: int
    recent: int
    room: int
    layer: int
    layers: int
    novelty: torch.Tensor


class KVPolicy(ABC):
    """A way to choose. One method to write, `scores`; everything else has a default that a class may override.

    Attributes:
        name: as in the registry.
        window: queries to be kept for scoring; 0 keeps none.
        per_head: whether each key-value head keeps slots of its own; else all heads of a layer share one set.
        most_picks: a slot that was chosen so often is not chosen again while others are left; None for no limit.
        passage: tokens in a passage whose novelty is noted (odd); 0 where it is not asked for.
    """

    name: str
    window: int = 0
    per_head: bool = False
    most_picks: int | None = None
    passage: int = 0

    def regions(self, keep: int) -> tuple[int, int]:
        """(sink, recent) when `keep` slots will stay; their sum is at most `keep`. Four slots, and a quarter of the
        rest, where a policy says nothing else."""
        sink = part(4, keep)
        return sink, part(0.25, keep - sink)

    @abstractmethod
    def scores(self, view: LayerView) -> torch.Tensor:
        """float [B, Hkv, T] where `per_head`, else [B, 1, T]; higher stays. Those of sink and recent do not matter."""


def part(share: float, keep: int) -> int:
    """A size given as a number of slots (1 or more) or as a share of what is kept (below 1)."""
    return min(int(share) if share >= 1 else round(share * keep), keep)
