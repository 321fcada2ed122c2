"""Re-ranking scores are those that hooks on a small real model give."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from encoders.published.rekv_rerank import AttentionReranker


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str, add_special_tokens: bool = True) -> SimpleNamespace:
        return SimpleNamespace(ids=[ord(letter) % 64 for letter in text])


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=4,
    )
    return LlamaForCausalLM(config).eval()


def hooked(model: LlamaForCausalLM, text: str, name: str) -> list[torch.Tensor]:
    """What each layer's projection gave, its mean over tokens."""
    means: list[torch.Tensor] = []
    hooks = [
        getattr(layer.self_attn, name).register_forward_hook(lambda _, __, out: means.append(out[0].mean(0)))
        for layer in model.model.layers
    ]
    with torch.inference_mode():
        model(torch.tensor([Letters().encode(text).ids]))
    for hook in hooks:
        hook.remove()
    return means


@pytest.mark.parametrize("unit", [True, False])
def test_scores_are_what_hooks_on_the_model_see(model: LlamaForCausalLM, unit: bool) -> None:
    texts = ["a tabby cat", "the screen says EXIT", "x"]
    expected = []
    for text in texts:
        total = 0.0
        for query, key in zip(hooked(model, "where is it", "q_proj"), hooked(model, text, "k_proj"), strict=True):
            repeated = key.reshape(2, 4).repeat_interleave(3, dim=0).flatten()
            scale = query.norm() * repeated.norm() if unit else torch.tensor(1.0)
            total += float(query @ repeated / scale)
        expected.append(total)
    assert AttentionReranker(model, Letters(), unit=unit)("where is it", texts) == pytest.approx(expected, rel=1e-4)


def test_equal_words_are_equal_and_nothing_comes_last(model: LlamaForCausalLM) -> None:
    rerank = AttentionReranker(model, Letters())
    first, nothing, again = rerank("cat", ["a cat", "", "a cat"])
    assert first == again
    assert nothing == float("-inf")
    assert rerank("", ["a cat", "b"]) == [0.0, 0.0]
    assert rerank("cat", []) == []
