"""Choosing the memories whose indicators are most like the question's: Gumbel top-k, straight through in training.

As published (VideoStreaming, 2405.16009, adaptive memory selection): scores are cosines between the question's
indicator and each clip's, and V = 4 memories are chosen by Gumbel top-k, then read in order of time. How the gradient
is made, the temperature and the amount of noise could not be read; here it is the softmax's, straight through, and
noise 0 (inference) is the plain top-k.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from encoders.published.gumbel import with_gumbel_noise

SELECTED = 4


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen.

    Attributes:
        indices: int64 [V'], the chosen clips in order of time, V' = min(V, K).
        gates: float [V'], exactly 1 going forward; multiply the chosen memories by them to let the answer's loss reach
            the scores.
    """

    indices: torch.Tensor
    gates: torch.Tensor


def similarity(question: torch.Tensor, indicators: torch.Tensor) -> torch.Tensor:
    """Cosines between one question [D] and K clips [K, D], float [K]."""
    return F.normalize(indicators, dim=-1) @ F.normalize(question, dim=-1)


def choose(
    scores: torch.Tensor,
    count: int = SELECTED,
    *,
    temperature: float = 0.1,
    noise: float = 0.0,
    generator: torch.Generator | None = None,
) -> Selection:
    """The `count` best of K scores.

    Args:
        scores: float [K], K >= 1.
        temperature: of the softmax whose gradient is used, and of the noise: g is added to scores / temperature.
        noise: weight of the Gumbel noise; 0 leaves no chance at all.
        generator: source of the noise.

    Raises:
        ValueError: nothing to choose from, or nothing asked for.
    """
    if scores.ndim != 1 or not len(scores) or count < 1:
        raise ValueError(f"cannot choose {count} of scores {list(scores.shape)}")
    logits = with_gumbel_noise(scores / temperature, noise, generator)
    soft = logits.softmax(dim=0)
    indices = logits.detach().topk(min(count, len(scores))).indices.sort().values
    chosen = soft[indices]
    return Selection(indices, 1.0 + (chosen - chosen.detach()))
