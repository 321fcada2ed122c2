"""A Llama in plain torch, for inference: batch size one, keys and values in a cache of `memory.kv.cache`.

This is the pocket model's forward pass. It equals `transformers`' on the same weights
(tests/pipeline/language/smollm/test_llama.py), starts without that library's seconds of imports, and multiplies with
matrices laid out for the processor once. It loads no other model: another language model of `transformers` runs in that
library with `memory.kv.attention.attach`.

Llama (Touvron et al., arXiv 2302.13971, section 2.2) with grouped queries (Ainslie et al., arXiv 2305.13245): RMSNorm
before each part, rotary positions in halves, SwiGLU, and a head that is the embedding. As published. What one layer
hands to the next is float32 whatever the weights are: with bfloat16 weights that halves the distance to float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from memory.kv.attention import Decoder
from memory.kv.cache import PrunedCache
from memory.kv.positions import Rotary

_ROWS = 128
"""Rows a matrix is laid out for; laid out for one, it is twice as slow with one and no faster with many."""


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """Sizes of a Llama.

    Attributes:
        layers, heads, kv_heads, width: of a head; `theta`: base of the rotary frequencies; `eps`: of the norms.
    """

    layers: int
    heads: int
    kv_heads: int
    width: int
    theta: float
    eps: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> LlamaShape:
        """From the arguments of `transformers.LlamaConfig`."""
        return cls(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            kv_heads=config["num_key_value_heads"],
            width=config["head_dim"],
            theta=config["rope_parameters"]["rope_theta"],
            eps=config["rms_norm_eps"],
        )


def lays_out(dtype: torch.dtype) -> bool:
    """Whether torch has oneDNN, and this processor its product in this dtype. The names are not torch's public ones."""
    names = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


class PackedMatrix:
    """A matrix W [out, in], laid out by oneDNN where it can be: x [n, in] -> x Wᵀ [n, out] in the dtype of W."""

    def __init__(self, *weights: torch.Tensor) -> None:
        whole = torch.cat(weights) if len(weights) > 1 else weights[0]
        self._dtype = whole.dtype
        self._laid_out = lays_out(whole.dtype)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(whole, _ROWS) if self._laid_out else whole

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if not self._laid_out:
            return functional.linear(x.to(self._dtype), self._weight)
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x.to(self._dtype), self._weight, None, "none", [], "")
        return out


class Angles:
    """Rotary angles, halves alike: position ids int64 [B, n] -> cos, sin [B, n, width] in the dtype of `x`; computed in
    float32 (Su et al., arXiv 2104.09864, Eq. 34)."""

    def __init__(self, shape: LlamaShape) -> None:
        even = torch.arange(0, shape.width, 2, dtype=torch.int64).float()
        self.inv_freq = 1.0 / shape.theta ** (even / shape.width)

    def __call__(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        turns = position_ids[..., None].float() * self.inv_freq
        both = torch.cat((turns, turns), dim=-1)
        return both.cos().to(x.dtype), both.sin().to(x.dtype)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tokens of a pass stand: position ids int64 [1, n], cos and signed sin [n, width]."""

    ids: torch.Tensor
    cos: torch.Tensor
    sin: torch.Tensor

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        """[1, H, n, width] queries or keys, at their positions."""
        return torch.addcmul(x * self.cos, x.roll(x.shape[-1] // 2, -1), self.sin)


class LlamaBlock:
    """One layer: x float32 [n, D] -> [n, D]."""

    def __init__(self, shape: LlamaShape, number: int, weights: Mapping[str, torch.Tensor]) -> None:
        def matrices(*names: str) -> PackedMatrix:
            return PackedMatrix(*(weights[f"model.layers.{number}.{name}_proj.weight"] for name in names))

        self._shape, self._number = shape, number
        self._before_attention = weights[f"model.layers.{number}.input_layernorm.weight"].float()
        self._before_mlp = weights[f"model.layers.{number}.post_attention_layernorm.weight"].float()
        self._qkv = matrices("self_attn.q", "self_attn.k", "self_attn.v")
        self._out = matrices("self_attn.o")
        self._gate_up, self._down = matrices("mlp.gate", "mlp.up"), matrices("mlp.down")

    def __call__(self, x: torch.Tensor, place: Place, cache: PrunedCache) -> torch.Tensor:
        x = x + self._out(self._attended(normed(x, self._before_attention, self._shape.eps), place, cache))
        gate, up = self._gate_up(normed(x, self._before_mlp, self._shape.eps)).chunk(2, dim=-1)
        return x + self._down(functional.silu(gate) * up)

    def _attended(self, x: torch.Tensor, place: Place, cache: PrunedCache) -> torch.Tensor:
        shape = self._shape
        heads = self._qkv(x).view(len(x), -1, shape.width).transpose(0, 1)[None]
        turned = place.turned(heads[:, : shape.heads + shape.kv_heads])
        queries, fresh = turned[:, : shape.heads], turned[:, shape.heads :]
        keys, values = cache.update(fresh, heads[:, shape.heads + shape.kv_heads :], self._number)
        scaling = shape.width**-0.5
        out = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=causal(len(x), keys.shape[2]), scale=scaling, enable_gqa=True
        )
        cache.observe_queries(self._number, queries, scaling, place.ids)
        return out[0].transpose(0, 1).reshape(len(x), -1)


class Llama:
    """Tokens and a cache -> scores of the token after them. Any number of threads may call, each with a cache of its
    own.

    Args:
        config: arguments of `transformers.LlamaConfig`.
        weights: by their `transformers` names, all of one dtype, the arithmetic's.

    Attributes:
        decoder: what a cache needs to know of it (`memory.kv.build.new_cache`).
    """

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> None:
        if not config["tie_word_embeddings"]:
            raise ValueError("only a Llama whose head is its embedding")
        self._shape = LlamaShape.of(config)
        self._embedding = weights["model.embed_tokens.weight"]
        self._head = PackedMatrix(self._embedding)
        self._norm = weights["model.norm.weight"].float()
        self._blocks = [LlamaBlock(self._shape, number, weights) for number in range(self._shape.layers)]
        self._angles = Angles(self._shape)
        self.decoder = Decoder(self._shape.layers, Rotary(self._angles, axes=1))

    @torch.inference_mode()
    def __call__(self, tokens: Sequence[int], cache: PrunedCache, last: int = 1) -> torch.Tensor:
        """Reads n >= 1 tokens into the cache; scores [last, vocabulary] after the last ones of them."""
        x = functional.embedding(torch.tensor(tokens), self._embedding).float()
        place = self._place(cache.position_ids(len(tokens)))
        for block in self._blocks:
            x = block(x, place, cache)
        return self._head(normed(x[-last:], self._norm, self._shape.eps))

    def _place(self, ids: torch.Tensor) -> Place:
        cos, sin = self._angles(self._embedding, ids)
        signed = torch.cat((-sin[0, :, : self._shape.width // 2], sin[0, :, self._shape.width // 2 :]), dim=-1)
        return Place(ids, cos[0], signed)


def normed(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """RMSNorm (Zhang & Sennrich, arXiv 1910.07467, Eq. 4), float32 [n, D]."""
    return functional.rms_norm(x, weight.shape, weight, eps)


def causal(fresh: int, slots: int) -> torch.Tensor | None:
    """Who of the last `fresh` of `slots` may see what: bool [fresh, slots]; None where there is nothing to hide."""
    return None if fresh == 1 else torch.ones(fresh, slots, dtype=torch.bool).tril(slots - fresh)
