"""Gumbel noise on logits: what is then the largest was drawn from their softmax (Gumbel-max)."""

from __future__ import annotations

import torch


def with_gumbel_noise(logits: torch.Tensor, noise: float, generator: torch.Generator | None) -> torch.Tensor:
    """logits + noise * g with g = -log(-log u), of the same shape and type; the logits themselves where noise is 0."""
    if not noise:
        return logits
    uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    return logits - noise * torch.log(-torch.log(uniform)).to(logits)
