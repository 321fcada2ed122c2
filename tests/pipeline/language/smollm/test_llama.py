"""The pocket model's own forward pass against `transformers`' on the same weights, with plain and pruned caches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from memory.kv.build import new_cache
from memory.kv.cache import feed
from pipeline.language.smollm.chat_template import ChatTemplate
from pipeline.language.smollm.llama import Llama, PackedMatrix
from pipeline.language.smollm.model import load_llama, load_model
from pipeline.language.smollm.weights_cache import converted_model

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = {
    "vocab_size": 61, "hidden_size": 48, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 12, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}, "pad_token_id": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def twins() -> tuple[Any, Llama]:
    """A random Llama whose attention is uneven: `transformers`' and ours."""
    torch.manual_seed(0)
    theirs = LlamaForCausalLM(LlamaConfig(**CONFIG)).eval()
    for name, weights in theirs.named_parameters():
        if "q_proj" in name or "k_proj" in name:
            weights.data *= 12
    return theirs, Llama(CONFIG, {name: tensor.detach() for name, tensor in theirs.state_dict().items()})


@settings(max_examples=15, deadline=None)
@given(
    chunks=st.lists(st.integers(1, 17), min_size=2, max_size=7),
    policy=st.sampled_from(["full", "participative", "snapkv", "streaming_llm"]),
    positions=st.sampled_from(["contiguous", "kept"]),
)
def test_it_is_the_model_of_transformers(
    twins: tuple[Any, Llama], chunks: list[int], policy: str, positions: str
) -> None:
    """Chunk by chunk and token by token, whatever the cache drops and moves."""
    theirs, ours = twins
    ids = torch.randint(0, 61, (sum(chunks),), generator=torch.Generator().manual_seed(len(chunks)))
    caches = [new_cache(model, policy, slots=24, keep=15, positions=positions) for model in (theirs, ours.decoder)]
    for part in torch.split(ids, chunks):
        expected = feed(theirs, caches[0], part[None]).logits[0]
        torch.testing.assert_close(ours(part.tolist(), caches[1], last=len(part)), expected, atol=1e-4, rtol=1e-5)
    assert caches[0].compactions == caches[1].compactions
    assert torch.equal(caches[0].held(1).order, caches[1].held(1).order)


def test_a_matrix_is_the_same_laid_out_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    top, bottom, x = torch.randn(24, 16), torch.randn(8, 16), torch.randn(5, 16)
    laid_out = PackedMatrix(top, bottom)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    plain = PackedMatrix(top, bottom)
    torch.testing.assert_close(laid_out(x), plain(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain(x), x @ torch.cat((top, bottom)).T, atol=1e-5, rtol=1e-5)


def test_a_dtype_that_the_processor_lacks_is_multiplied_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", lambda *arguments: pytest.fail("laid out"))
    weight, x = torch.eye(4, dtype=torch.bfloat16), torch.arange(8.0).reshape(2, 4)
    assert torch.equal(PackedMatrix(weight)(x), x.to(torch.bfloat16))


def test_a_head_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="embedding"):
        Llama({**CONFIG, "tie_word_embeddings": False}, {})


def test_the_real_weights_give_the_same_scores(language_cache: Path) -> None:
    """Beside `transformers` in float64: in float32 both are next to it, whichever kernels this processor has; in
    bfloat16 ours is nearer."""
    files = converted_model(language_cache)
    wording = ChatTemplate(files.tokenizer)
    ids = wording.prefix()[-70:] + wording.question("When does the cat appear?", "A cat is seen from 0:00 to 0:09.")

    def theirs(dtype: torch.dtype) -> torch.Tensor:
        with torch.inference_mode():
            scores: torch.Tensor = load_llama(files, dtype)(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        return scores.double()

    def ours(dtype: torch.dtype) -> torch.Tensor:
        model = load_model(files, dtype)
        return model(ids, new_cache(model.decoder, "full"), last=len(ids)).double()

    truth = theirs(torch.float64)
    off = {
        (name, dtype): float((scores(dtype) - truth).abs().mean())
        for name, scores in (("ours", ours), ("theirs", theirs))
        for dtype in (torch.float32, torch.bfloat16)
    }
    assert max(off["ours", torch.float32], off["theirs", torch.float32]) < 5e-5
    assert off["ours", torch.bfloat16] < off["theirs", torch.bfloat16] < 0.2


def test_answering_does_not_import_transformers() -> None:
    program = "import sys, pipeline.language.smollm.model; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
