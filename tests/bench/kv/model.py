"""The model of the cache benchmark: SmolLM2-135M as `transformers` has it, without Longwatch's adapter or decoder.

Needs torch, safetensors and any transformers 5, nothing of Longwatch: kvpress's environment loads the same weights with
it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch


def load_model(folder: Path, dtype: torch.dtype) -> Any:
    """`LlamaForCausalLM` from a folder with ``model.safetensors`` and ``config.json``."""
    from safetensors.torch import load_file
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM, LlamaRotaryEmbedding

    config = LlamaConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    weights = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model.load_state_dict(weights, strict=True, assign=True)
    model.model.rotary_emb = LlamaRotaryEmbedding(config)  # its buffer is computed, not stored
    return model.eval()
