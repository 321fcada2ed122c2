"""An attention function for `transformers` that shows a model's queries to its cache.

`attach` makes a model use it. It computes scaled dot-product attention as `transformers` does, then hands the queries
to the cache. With any other cache, or none, the result is that of ``sdpa`` to the bit. Its mask function is registered
under the same name: without one, `transformers` passes no mask and chunks of several tokens see their own future.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from memory.errors import CacheMisuse
from memory.kv.positions import Rotary

NAME = "longwatch_kv"


@dataclass(frozen=True, slots=True)
class Decoder:
    """The facts about a model that a cache needs.

    Attributes:
        layers: how many there are.
        rotary: its rotary embedding.
        of_transformers: whether it asks of a cache what `transformers` asks.
    """

    layers: int
    rotary: Rotary
    of_transformers: bool = False


def attach(model: Any) -> Decoder:
    """Makes a causal language model of `transformers` show its queries to its caches; harmless when done twice.

    Raises:
        CacheMisuse: no decoder is found in it, some layers see only a window of the past, or its rotary embedding is
            of a kind that cannot be moved.
    """
    decoder = next(
        (module for module in model.modules() if hasattr(module, "rotary_emb") and hasattr(module, "layers")), None
    )
    if decoder is None:
        raise CacheMisuse(f"{type(model).__name__} holds no decoder with layers and one rotary embedding")
    kinds = set(getattr(decoder.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise CacheMisuse(f"layers of kind {', '.join(sorted(kinds))}: only full attention can be pruned")
    _register()
    decoder.config._attn_implementation = NAME
    for layer in decoder.layers:
        layer.self_attn.config._attn_implementation = NAME
    return Decoder(len(decoder.layers), Rotary.of(decoder), of_transformers=True)


def _register() -> None:
    from transformers.masking_utils import AttentionMaskInterface
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, causal_mask)


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """``sdpa``, then the cache that `key` came from (if it is one of ours) observes the queries [B, Hq, q, d]."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    observe = getattr(key, "kv_observe_queries", None)
    if observe is not None:
        scaling = kwargs.get("scaling")
        observe(query, query.shape[-1] ** -0.5 if scaling is None else scaling, kwargs.get("position_ids"))
    return out, None


def causal_mask(*args: Any, attention_mask: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor | None:
    """``sdpa``'s mask over slots. Padded batches are refused: a slot's column of the mask is not its token's."""
    from transformers.masking_utils import sdpa_mask

    if attention_mask is not None and not bool(attention_mask.all()):
        raise CacheMisuse("rows of a batch have the same number of tokens here; padding is not supported")
    mask: torch.Tensor | None = sdpa_mask(*args, attention_mask=None, **kwargs)
    return mask
