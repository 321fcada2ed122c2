"""Runs our policies in the cache benchmark: a pruned cache with the same number of slots after every chunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from memory.kv.attention import Decoder, attach
from memory.kv.build import new_cache
from memory.kv.cache import PrunedCache
from memory.kv.policies.base import KVPolicy
from tests.bench.kv.model import load_model


@dataclass(frozen=True, slots=True)
class PrunedReader:
    """A `reading.CacheReader` over our pruned cache."""

    model: Any
    cache: PrunedCache

    @staticmethod
    def new(model: Any, decoder: Decoder, policy: str | KVPolicy, slots: int, **budget: Any) -> PrunedReader:
        """With as many slots after every chunk."""
        return PrunedReader(model, new_cache(decoder, policy, slots=slots, keep=slots, **budget))

    def read(self, ids: torch.Tensor, logits: int) -> torch.Tensor:
        """See `CacheReader`."""
        out = self.model(
            input_ids=ids,
            past_key_values=self.cache,
            use_cache=True,
            position_ids=self.cache.position_ids(ids.shape[1]),
            logits_to_keep=logits,
        )
        result: torch.Tensor = out.logits
        return result

    def fork(self) -> PrunedReader:
        """See `CacheReader`."""
        twin = self.cache.fork()
        twin.budget = replace(twin.budget, slots=None)
        return PrunedReader(self.model, twin)

    @property
    def slots(self) -> int:
        """See `CacheReader`."""
        return self.cache.slots

    @property
    def bytes_held(self) -> int:
        """See `CacheReader`."""
        return self.cache.bytes_held


def attached(folder: Path, dtype: torch.dtype) -> tuple[Any, Decoder]:
    """The model, attached so that it hands its queries to the cache."""
    model = load_model(folder, dtype)
    return model, attach(model)
