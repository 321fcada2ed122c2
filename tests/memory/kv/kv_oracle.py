"""Tiny models of real classes, and a slow, plain cache that the pruned one is compared with."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache
from transformers.modeling_utils import AttentionInterface
from transformers.models.llama.modeling_llama import LlamaConfig, LlamaForCausalLM
from transformers.models.qwen2.modeling_qwen2 import Qwen2Config, Qwen2ForCausalLM
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLTextConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLTextConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel

from memory.kv.cache import PrunedCache
from memory.kv.layer import Held

VOCABULARY, HEADS, HEAD = 61, 4, 12


def tiny(family: str, layers: int = 2, kv_heads: int = 2, dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    """A model of a real class with random weights, large enough for attention to be uneven."""
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY, "hidden_size": HEADS * HEAD, "intermediate_size": 40, "num_hidden_layers": layers,
        "num_attention_heads": HEADS, "num_key_value_heads": kv_heads, "head_dim": HEAD,
        "max_position_embeddings": 4096, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip
    contiguous = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 2, 2]}
    model = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**sizes)),
        "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**sizes)),
        "qwen2.5-vl": lambda: Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**sizes, rope_parameters=contiguous)),
        "qwen3-vl": lambda: Qwen3VLTextModel(Qwen3VLTextConfig(**sizes, rope_parameters=contiguous)),
    }[family]()
    for name, weights in model.named_parameters():
        if "q_proj.weight" in name or "k_proj.weight" in name:
            weights.data *= 12
    return model.to(dtype).eval()


def words(count: int, batch: int = 1, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, VOCABULARY, (batch, count), generator=torch.Generator().manual_seed(seed))


def numbers(output: Any) -> torch.Tensor:
    """What a model gave: logits, or hidden states where it has none."""
    values: torch.Tensor = output.logits if hasattr(output, "logits") else output.last_hidden_state
    return values


@torch.inference_mode()
def run(model: Any, cache: Any, tokens: torch.Tensor, **more: Any) -> torch.Tensor:
    return numbers(model(input_ids=tokens, past_key_values=cache, use_cache=True, **more))


@dataclass
class Oracle:
    """Everything is kept, unrotated; each pass sees of it, in each layer and head, what a pruned cache says it holds,
    rotated for the positions it says. Written as plainly as can be."""

    model: Any
    cache: Any = field(default_factory=DynamicCache)
    held: list[Held] = field(default_factory=list)
    now: torch.Tensor = field(default_factory=lambda: torch.zeros(0))

    @staticmethod
    def of(model: Any) -> Oracle:
        twin = copy.deepcopy(model)
        AttentionInterface.register("kv_oracle", Oracle.attention)
        decoder = next(
            module for module in twin.modules() if hasattr(module, "rotary_emb") and hasattr(module, "layers")
        )
        oracle = Oracle(twin)
        for layer in decoder.layers:
            layer.self_attn.config._attn_implementation = "kv_oracle"
            object.__setattr__(layer.self_attn, "oracle", oracle)
            object.__setattr__(layer.self_attn, "rotary", decoder.rotary_emb)
        return oracle

    def read(self, tokens: torch.Tensor, pruned: PrunedCache) -> torch.Tensor:
        """The next tokens, which `pruned` has not read yet."""
        layers, slots = len(pruned.layers), pruned.slots
        self.held = [pruned.held(i) for i in range(layers)] if slots else []
        axes = pruned.position_ids(1).shape[0] if pruned.position_ids(1).ndim == 3 else 1
        self.now = pruned.position_ids(tokens.shape[1]).reshape(axes, 1, -1)
        nowhere = torch.zeros_like(pruned.position_ids(tokens.shape[1]))
        return run(self.model, self.cache, tokens, position_ids=nowhere)

    @staticmethod
    def attention(module: Any, query: Any, key: Any, value: Any, mask: Any, scaling: float, **_: Any) -> Any:
        assert mask is None
        oracle: Oracle = module.oracle
        batch, kv_heads, tokens, _ = key.shape
        fresh = query.shape[2]
        rows = []
        for b in range(batch):
            heads = []
            for h in range(query.shape[1]):
                g = h * kv_heads // query.shape[1]
                at = torch.zeros(oracle.now.shape[0], 1, tokens, dtype=torch.int64)
                visible = torch.zeros(tokens, dtype=torch.bool)
                if oracle.held:
                    held = oracle.held[module.layer_idx]
                    own = min(g, held.order.shape[1] - 1)
                    visible[held.order[b, own]] = True
                    at[:, 0, held.order[b, own]] = held.positions[:, b, own]
                at[:, :, tokens - fresh :] = oracle.now
                keys = Oracle.rotated(module, key[b, g], at)
                queries = Oracle.rotated(module, query[b, h], oracle.now)
                allowed = visible.expand(fresh, tokens).clone()
                allowed[:, tokens - fresh :] = torch.ones(fresh, fresh, dtype=torch.bool).tril()
                logits = (queries @ keys.T * scaling).masked_fill(~allowed, float("-inf"))
                heads.append(logits.softmax(-1) @ value[b, g])
            rows.append(torch.stack(heads, dim=1))
        return torch.stack(rows), None

    @staticmethod
    def rotated(module: Any, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        apply = sys.modules[type(module).__module__].apply_rotary_pos_emb
        cos, sin = module.rotary(x[None], at if at.shape[0] == 3 else at[0])
        turned: torch.Tensor = apply(x[None, None], x[None, None], cos, sin)[0][0, 0]
        return turned
