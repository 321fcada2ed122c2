"""Low-rank pairs beside a model's frozen matrices, and their file.

LoRA (Hu et al., arXiv 2106.09685): A random, B zero, so training starts from the model as it is. As published but for
the matrices: all seven of a block rather than queries and values alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoraLinear(nn.Module):
    """A frozen linear layer with a trained low-rank pair: float32 pair, arithmetic in the layer's dtype."""

    def __init__(self, frozen: nn.Linear, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        self.frozen = frozen
        self.scale = alpha / rank
        bound = 1 / math.sqrt(frozen.in_features)
        start = torch.empty(rank, frozen.in_features).uniform_(-bound, bound, generator=generator)
        self.A = nn.Parameter(start)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., in] -> [..., out]."""
        low = nn.functional.linear(nn.functional.linear(x, self.A.to(x.dtype)), self.B.to(x.dtype))
        out: torch.Tensor = self.frozen(x) + self.scale * low
        return out


def adapt(model: nn.Module, rank: int, alpha: float, seed: int) -> list[nn.Parameter]:
    """Freezes the model, puts a pair beside each adapted matrix, and returns what is to be trained."""
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if name in ADAPTED and isinstance(child, nn.Linear):
                setattr(parent, name, LoraLinear(child, rank, alpha, generator))
    return [parameter for _, pair in pairs(model) for parameter in (pair.A, pair.B)]


def pairs(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """(name of the weight a pair changes, the pair), in the model's order."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear):
            yield f"{name}.weight", module


def save_adapter(model: nn.Module, path: Path, about: dict[str, str]) -> None:
    """Writes the pairs as float16, with what is known about them; replaces the file at once."""
    tensors = {}
    for name, pair in pairs(model):
        tensors[f"{name}.A"] = pair.A.detach().to(torch.float16).contiguous()
        tensors[f"{name}.B"] = pair.B.detach().to(torch.float16).contiguous()
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata=about)
    part.replace(path)
