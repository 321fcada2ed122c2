"""Measures the error of a pruned cache: its logits against a full cache with the dropped tokens masked, in float64.

It runs the language model's real weights with the default policy, and every key stays at the position where it was
computed. Moved keys are checked on tiny models by the tests' oracle (`tests/memory/kv/kv_oracle.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from memory.kv.attention import attach
from memory.kv.build import new_cache
from memory.kv.layer import Held
from memory.kv.policies import DEFAULT
from tests.bench.kv.model import load_model

_NAME = "longwatch_kv_hidden"


class _Hiding:
    """Attention over all tokens, masked in each layer to those that the pruned cache holds."""

    def __init__(self) -> None:
        self.held: list[Held] = []

    def __call__(
        self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, scaling: float,
        **__: Any,
    ) -> tuple[torch.Tensor, None]:  # fmt: skip
        fresh, tokens = query.shape[2], key.shape[2]
        visible = torch.zeros(fresh, tokens, dtype=torch.bool)
        if self.held:
            visible[:, self.held[module.layer_idx].order[0, 0]] = True
        visible[:, tokens - fresh :] = torch.ones(fresh, fresh, dtype=torch.bool).tril()
        shared = query.shape[1] // key.shape[1]
        keys, values = (tensor.repeat_interleave(shared, dim=1) for tensor in (key, value))
        logits = (query @ keys.transpose(-1, -2) * scaling).masked_fill(~visible, float("-inf"))
        return (logits.softmax(-1) @ values).transpose(1, 2), None


@torch.inference_mode()
def largest_error(weights: Path, tokens: list[int], slots: int = 96, chunk: int = 32) -> float:
    """Largest difference of a logit over a text read in chunks, relative to the largest logit (at least 1)."""
    from transformers import DynamicCache
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
    from transformers.modeling_utils import AttentionInterface

    hiding = _Hiding()
    AttentionInterface.register(_NAME, hiding)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    pruned, full = load_model(weights, torch.float64), load_model(weights, torch.float64)
    cache, everything = new_cache(attach(pruned), DEFAULT, slots=slots, positions="kept"), DynamicCache()
    for layer in full.model.layers:
        layer.self_attn.config._attn_implementation = _NAME
    most = 0.0
    for start in range(0, len(tokens), chunk):
        ids = torch.tensor([tokens[start : start + chunk]])
        hiding.held = [cache.held(layer) for layer in range(len(full.model.layers))] if start else []
        at = cache.position_ids(ids.shape[1])
        expected = full(input_ids=ids, past_key_values=everything, use_cache=True).logits
        got = pruned(input_ids=ids, past_key_values=cache, use_cache=True, position_ids=at).logits
        most = max(most, float((got - expected).abs().max() / expected.abs().max().clamp_min(1.0)))
    return most
