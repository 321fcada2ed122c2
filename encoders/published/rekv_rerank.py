"""Re-ranks memories by a language model's own attention: for who compares it with our scores; no answer uses it.

After ReKV (arXiv 2503.00540, and its released code): a memory's key is the mean of its tokens' keys before rotary
positions, the question is the mean of its tokens' queries, both in every layer, and the score is their inner product
over all heads. Followed as published: the means, before rotation, no training. Ours: memories are their words (ReKV's
are a frame's cached keys), one score is the sum over the layers (ReKV chooses in each layer on its own), and each
layer's two means are scaled to unit length first, so that no layer outweighs the others (`unit=False` leaves them, as
in the released code).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class AttentionReranker:
    """A question and memories in words -> a score each, -L to L for L layers. One forward pass a text, about 20 tokens
    each; any number of threads may call.

    Args:
        model: a Llama-like causal language model of `transformers`.
        tokenizer: of the `tokenizers` library.
    """

    def __init__(self, model: Any, tokenizer: Any, *, unit: bool = True) -> None:
        self._model, self._tokenizer, self._unit = model, tokenizer, unit

    def __call__(self, question: str, candidates: Sequence[str]) -> list[float]:
        """Scores in the order of the candidates; equal words get equal scores. Nothing has no score to give: -inf."""
        asked = self._mean(question, "q_proj")
        if asked is None:
            return [0.0] * len(candidates)
        keys = {text: self._mean(text, "k_proj") for text in dict.fromkeys(candidates)}
        return [
            float("-inf") if (key := keys[text]) is None else float((asked * key).sum().item()) for text in candidates
        ]

    @torch.inference_mode()
    def _mean(self, text: str, projection: str) -> torch.Tensor | None:
        """The mean over tokens of queries or keys before rotation, float32 [layers, query heads, channels]; keys are
        repeated for the query heads that share them. None for a text without tokens."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        if not ids:
            return None
        body = self._model.model
        states = body(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=False).hidden_states
        means = [self._projected(layer, state, projection) for layer, state in zip(body.layers, states, strict=False)]
        stacked = torch.stack(means)
        if self._unit:
            stacked = stacked / stacked.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
        return stacked

    def _projected(self, layer: Any, state: torch.Tensor, projection: str) -> torch.Tensor:
        attention = layer.self_attn
        projected = getattr(attention, projection)(layer.input_layernorm(state))[0].float().mean(0)
        heads: torch.Tensor = projected.reshape(-1, attention.head_dim)
        return heads.repeat_interleave(self._model.config.num_attention_heads // len(heads), dim=0)
