"""Makes a cache for a model: `new_cache(model, policy, slots)`."""

from __future__ import annotations

from typing import Any

from memory.kv.attention import Decoder, attach
from memory.kv.cache import PrunedCache
from memory.kv.compaction import Budget
from memory.kv.policies import DEFAULT, kv_policy
from memory.kv.policies.base import KVPolicy


def new_cache(
    model: Any, policy: str | KVPolicy = DEFAULT, slots: int | None = 1024, keep: int | None = None, **budget: Any
) -> PrunedCache:
    """An empty cache for this model (or what `attach` made of it), which is attached.

    Args:
        policy: a name (`memory.kv.policies`), or a policy; ``full`` has no budget whatever `slots` says.
        slots: M. keep: N; three quarters of M where None (Deep Forcing: 16 of 21). budget: the rest of `Budget`.
    """
    decoder = model if isinstance(model, Decoder) else attach(model)
    chosen = kv_policy(policy) if isinstance(policy, str) else policy
    limit = None if chosen.name == "full" else slots
    kept = keep if keep is not None else max(1, round(0.75 * (limit or 1)))
    if decoder.of_transformers:
        from memory.kv.transformers_cache import TransformersCache  # that library's import takes a second

        return TransformersCache(decoder, chosen, Budget(limit, kept, **budget))
    return PrunedCache(decoder, chosen, Budget(limit, kept, **budget))
