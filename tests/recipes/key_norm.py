"""The slots with the shortest keys stay (L2 norm, arXiv 2406.11430). As published, but for a sink and a recent part."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memory.kv.policies.base import KVPolicy, LayerView


@dataclass(frozen=True, slots=True)
class KeyNorm(KVPolicy):
    """Asks no query; each key-value head keeps its own slots."""

    name: str = "key_norm"
    per_head: bool = True

    def scores(self, view: LayerView) -> torch.Tensor:
        """Minus the length of each key, [B, Hkv, T]."""
        return -torch.linalg.vector_norm(view.keys.float(), dim=-1)
