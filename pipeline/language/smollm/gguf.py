"""Reads a small Llama from a GGUF file: tensors, tokenizer and config in the form `transformers` names them.

Reading and dequantising takes about 6 s for 135 M parameters, most of it for the vocabulary, and `weights_cache` does
it once. The reader knows the ``llama`` architecture with tied embeddings and a byte-level BPE vocabulary, which is what
SmolLM2 is, and refuses anything else.

Layout facts from the GGUF specification and llama.cpp's converter: rows of the query and key projections are stored
interleaved for its rotary embedding, so they are put back into halves; norms are float32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

CONTROL_TOKEN = 3  # GGUF: tokenizer.ggml.token_type of a token that structures the prompt

_OUTSIDE_BLOCKS = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_INSIDE_BLOCKS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.weight")


@dataclass(frozen=True, slots=True)
class LlamaParts:
    """What a GGUF file holds.

    Attributes:
        weights: tensors by their `transformers` names, dequantised; the tied ``lm_head`` is left out.
        tokenizer: byte-level BPE, digits one by one, control tokens marked special.
        config: arguments of `transformers.LlamaConfig`.
    """

    weights: dict[str, torch.Tensor]
    tokenizer: Tokenizer
    config: dict[str, Any]


def read_gguf(path: Path, dtype: torch.dtype) -> LlamaParts:
    """Reads and dequantises the file; weights come back as `dtype`.

    Raises:
        ValueError: the file holds another architecture, another kind of vocabulary or an unknown tensor.
    """
    from gguf import GGUFReader  # only ever needed once per machine

    reader = GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    kind = (fields["general.architecture"], fields["tokenizer.ggml.model"], fields["tokenizer.ggml.pre"])
    if kind != ("llama", "gpt2", "smollm"):
        raise ValueError(f"not a Llama with SmolLM's vocabulary: {kind}")
    config = _config(fields)
    return LlamaParts(_weights(reader.tensors, config, dtype), _tokenizer(fields), config)


def transformers_name(gguf_name: str) -> str:
    """``blk.3.attn_q.weight`` -> ``model.layers.3.self_attn.q_proj.weight``; ValueError for an unknown name."""
    block = _BLOCK.fullmatch(gguf_name)
    if block and block[2] in _INSIDE_BLOCKS:
        return f"model.layers.{block[1]}.{_INSIDE_BLOCKS[block[2]]}.weight"
    if gguf_name in _OUTSIDE_BLOCKS:
        return _OUTSIDE_BLOCKS[gguf_name]
    raise ValueError(f"unknown tensor in GGUF file: {gguf_name}")


def rotary_halves(rows: npt.NDArray[np.float32], heads: int) -> npt.NDArray[np.float32]:
    """Rows [heads * d, in] stored as pairs (x0, y0, x1, y1 …) per head -> halves (x0, x1 … y0, y1 …)."""
    pairs = rows.reshape(heads, -1, 2, rows.shape[1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def _weights(tensors: Any, config: dict[str, Any], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    from gguf import dequantize

    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    weights = {}
    for tensor in tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        block = _BLOCK.fullmatch(tensor.name)
        if block and block[2] in heads:
            values = rotary_halves(values, heads[block[2]])
        weights[transformers_name(tensor.name)] = torch.from_numpy(np.array(values, np.float32)).to(dtype)
    return weights


def _config(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "vocab_size": fields["llama.vocab_size"],
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": fields["llama.rope.dimension_count"],
        "max_position_embeddings": fields["llama.context_length"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "rope_parameters": {"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]},
        "tie_word_embeddings": True,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    }


def _tokenizer(fields: dict[str, Any]) -> Tokenizer:
    names: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = zip(names, fields["tokenizer.ggml.token_type"], strict=True)
    tokenizer.add_special_tokens(
        [AddedToken(n, special=True, normalized=False) for n, t in control if t == CONTROL_TOKEN]
    )
    return tokenizer
