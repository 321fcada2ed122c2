"""The first layers of any decoder-only language model of `transformers`, as the body of another network.

`LanguageBody` takes a loaded model, finds its decoder and layers, drops the later ones, and does one forward pass over
embeddings under a ready-made mask. The attention has to take a 4-D mask (``sdpa``, ``eager``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from encoders.published.streaming.mask import additive

_READY = ("sdpa", "eager")


class LanguageBody(nn.Module):
    """The first layers of a causal language model: embeddings in, hidden states out.

    Args:
        model: an `AutoModelForCausalLM` or its decoder. It is *taken over*: its later layers are dropped in place.
        layers: how many are kept; None keeps all.

    Raises:
        ValueError: no layers are found, more are asked for than there are, or its attention takes no ready-made mask.
    """

    def __init__(self, model: Any, layers: int | None = None) -> None:
        super().__init__()
        self.decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
        config = self.decoder.config
        if getattr(config, "_attn_implementation", None) not in _READY:
            raise ValueError(
                f"attention is {config._attn_implementation!r}; a ready-made mask needs {' or '.join(_READY)}"
            )
        _cut(self.decoder, layers)
        self.dim: int = config.hidden_size
        self.layers: int = config.num_hidden_layers

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids int64 [n] -> [n, D]."""
        embedded: torch.Tensor = self.decoder.get_input_embeddings()(ids)
        return embedded

    def forward(self, embeds: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Embeddings [L, D] under a mask bool [L, L] -> hidden states after the decoder's last norm, [L, D]. Positions
        are 0 to L - 1."""
        positions = torch.arange(len(embeds), device=embeds.device)[None]
        mask = additive(visible, embeds.dtype).to(embeds.device)
        out: torch.Tensor = self.decoder(
            inputs_embeds=embeds[None], attention_mask=mask, position_ids=positions, use_cache=False
        ).last_hidden_state
        return out[0]


def _cut(decoder: Any, layers: int | None) -> None:
    """Keeps the first `layers` of the decoder's layers, and of what its config says of each layer."""
    config = decoder.config
    total = config.num_hidden_layers
    if layers is not None and not 1 <= layers <= total:
        raise ValueError(f"cannot keep {layers} of {total} layers")
    name = next((n for n, m in decoder.named_children() if isinstance(m, nn.ModuleList) and len(m) == total), None)
    if name is None:
        raise ValueError(f"{type(decoder).__name__} has no list of {total} layers")
    if layers is None or layers == total:
        return
    setattr(decoder, name, getattr(decoder, name)[:layers])
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    config.num_hidden_layers = layers
