"""Tiny random language models of real classes, for tests of what has one as its body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

WIDTH = 32
_SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_EXTRA: dict[str, dict[str, Any]] = {"gemma3_text": {"head_dim": 8}, "qwen3": {"head_dim": 8}, "gpt2": {"n_inner": 48}}

FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "phi3", "gemma3_text", "gpt_neox", "gpt2")


def tiny(family: str = "llama", seed: int = 0, attention: str = "sdpa", spread: float = 0.02) -> Any:
    """A causal language model of that family with random weights of that deviation, in float32, for inference."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(family, initializer_range=spread, **_SIZES, **_EXTRA.get(family, {}))
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


def tokenize(text: str) -> Sequence[int]:
    """One token a word, by the sum of its letters."""
    return [3 + sum(map(ord, word)) % 60 for word in text.split()]
