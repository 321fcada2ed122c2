"""The pruned cache as a `Cache` of `transformers`, for its mask functions and its `generate`.

A thin class around `memory.kv.cache.PrunedCache`, which does all the work and which models from elsewhere use directly.
"""

from __future__ import annotations

from typing import Any

from transformers.cache_utils import Cache

from memory.errors import CacheMisuse
from memory.kv.cache import PrunedCache


class TransformersCache(PrunedCache, Cache):  # type: ignore[misc]  # the base is not typed
    """See `memory.kv.cache.PrunedCache`."""

    layer_class_to_replicate = None
    offloading = False

    @property
    def is_sliding(self) -> list[bool]:
        """No layer sees only a window."""
        return [False] * len(self.layers)

    @property
    def is_compileable(self) -> bool:
        """Its sizes change."""
        return False

    @property
    def is_initialized(self) -> bool:
        """Nothing has to be taken ahead of the first write."""
        return False

    @property
    def is_croppable(self) -> bool:
        """Dropped slots do not come back."""
        return False

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """(slots with the new ones, 0)."""
        return self.layers[layer_idx].slots + query_length, 0

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """No limit that `transformers` could use."""
        return -1

    def crop(self, tokens_to_remove: int) -> None:
        """Refused: dropped slots do not come back. Work on a `fork`."""
        raise CacheMisuse("a pruned cache cannot be cropped; work on a fork")

    def reorder_cache(self, beam_idx: Any) -> None:
        """Refused: beams would need slots of their own."""
        raise CacheMisuse("a pruned cache does not search with beams")
