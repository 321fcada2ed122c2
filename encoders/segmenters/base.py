"""What segmenters share: the check of one step's tokens. The protocol is `encoders.base.Segmenter`."""

from __future__ import annotations

import torch


def checked_step(tokens: torch.Tensor) -> torch.Tensor:
    """One step's level-0 tokens [N, D] as float32. Raises ValueError for other shapes, NaN and infinity."""
    if tokens.ndim != 2 or 0 in tokens.shape:
        raise ValueError(f"one step's tokens must be [N, D], not {list(tokens.shape)}")
    tokens = tokens.detach().to("cpu", torch.float32)
    if not torch.isfinite(tokens).all():
        raise ValueError("tokens hold NaN or infinity")
    return tokens
