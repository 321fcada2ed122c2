"""Quicksviewer's trained parts as published: the cubing network and the 3D resampler (arXiv 2504.15270).

For users who have trained weights; `encoders.segmenters.momentum.MomentumSegmenter` is the surrogate that needs none.
The unit here is a whole clip: the k best borders are chosen over all of it, so this is not online.

Parameter names and shapes follow github.com/hqhq1025/quicksviewer, commit 704113694af9cc7840ba24e144c8cdaef0acdce5,
files `quicksviewer/model/multimodal_cubing/cubing_momentum.py` and `.../multimodal_resampler/resampler_3d.py`; a state
dict in that naming loads strictly. With d the vision width, D the language model's width and Q queries:

    CubingNetwork   agg_frame_fn.0.{weight [d, d], bias [d]}
                    proj_fn.0.{weight, bias [d]}  proj_fn.1.{weight [d, d], bias [d]}
                    proj_fn.3.{weight [2, d], bias [2]}
                    thumbnail_fn.1.{weight [D, d], bias [D]}
    Resampler3D     query [Q, D]  kv_proj.weight [D, d] (only where d is not D)  proj [D, D]
                    attn.{in_proj_weight [3D, D], in_proj_bias [3D], out_proj.weight [D, D], out_proj.bias [D]}
                    ln_q, ln_kv, ln_post.{weight, bias [D]}
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from encoders.published.gumbel import with_gumbel_noise

ALPHA = 0.8
THUMBNAIL_GROUP = 9


@dataclass(frozen=True, slots=True)
class ClipCuts:
    """A clip cut into cubes.

    Attributes:
        borders: float [T], exactly 0 or 1 going forward, 1 at frame 0; its gradient is that of `soft`.
        soft: float [T], the gate's probability of a border; 1 at frame 0.
        spans: half-open frame spans of the cubes.
        logits: float [T - 1, 2], of the gate; the published extra loss is 0.001 times their mean length.
    """

    borders: torch.Tensor
    soft: torch.Tensor
    spans: tuple[tuple[int, int], ...]
    logits: torch.Tensor


class CubingNetwork(nn.Module):
    """Momentum of frame features -> gate -> the k best borders of a clip, straight through."""

    def __init__(self, vision_dim: int, lm_dim: int = 4096) -> None:
        """
        Args:
            vision_dim: d. lm_dim: D, width of the thumbnail tokens.
        """
        super().__init__()
        self.agg_frame_fn = nn.Sequential(nn.Linear(vision_dim, vision_dim))
        self.proj_fn = nn.Sequential(
            nn.LayerNorm(vision_dim), nn.Linear(vision_dim, vision_dim), nn.GELU(), nn.Linear(vision_dim, 2)
        )
        self.thumbnail_fn = nn.Sequential(
            nn.AvgPool2d(kernel_size=(THUMBNAIL_GROUP, 1), stride=(THUMBNAIL_GROUP, 1)), nn.Linear(vision_dim, lm_dim)
        )

    def forward(
        self,
        frames: torch.Tensor,
        *,
        frames_per_cube: int = 5,
        temperature: float = 0.5,
        noise: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ClipCuts:
        """Cuts one clip.

        Args:
            frames: float [T, N, d], T >= 2.
            frames_per_cube: average length asked for; max(round(T / it) - 1, 1) borders beside frame 0.
            temperature: of the softmax (tau).
            noise: weight of the Gumbel noise (lambda): annealed from 1 to 0.01 in training, 0 at inference.
            generator: source of the noise.
        """
        if frames.ndim != 3 or len(frames) < 2:
            raise ValueError(f"a clip is [T, N, d] with at least two frames, not {list(frames.shape)}")
        logits = self.proj_fn(self.agg_frame_fn(momentum(frames)).mean(dim=1))
        soft = F.softmax(with_gumbel_noise(logits, noise, generator) / temperature, dim=-1)[:, 1]
        hard = torch.zeros_like(soft)
        hard[soft.topk(border_count(len(frames), frames_per_cube)).indices] = 1.0
        first = soft.new_ones(1)
        borders = torch.cat([first, hard + (soft - soft.detach())])
        return ClipCuts(borders, torch.cat([first, soft]), _spans(borders), logits)

    def thumbnail(self, frames: torch.Tensor, cubes: ClipCuts) -> torch.Tensor:
        """The clip's thumbnail tokens, [N // 9, D]: mean of the border frames' features, nine consecutive tokens at a
        time. Together with the cut itself the gate's only path for a gradient."""
        mean = (frames * cubes.borders[:, None, None]).sum(dim=0) / cubes.borders.detach().sum()
        tokens: torch.Tensor = self.thumbnail_fn(mean[None])[0]
        return tokens


class Resampler3D(nn.Module):
    """All tokens of a cube -> `queries` tokens, by one cross-attention whose keys know where and when they are."""

    def __init__(
        self, vision_dim: int, lm_dim: int, queries: int = 64, heads: int | None = None, width_per_head: int = 128
    ) -> None:
        """
        Args:
            vision_dim: d. lm_dim: D, divisible by 8.
            heads: of the attention; D // `width_per_head` when None.
        """
        super().__init__()
        if lm_dim % 8:
            raise ValueError(f"the position table needs a width divisible by 8, not {lm_dim}")
        self.query = nn.Parameter(torch.zeros(queries, lm_dim))
        self.kv_proj = nn.Identity() if vision_dim == lm_dim else nn.Linear(vision_dim, lm_dim, bias=False)
        self.attn = nn.MultiheadAttention(lm_dim, heads or max(lm_dim // width_per_head, 1))
        self.ln_q = nn.LayerNorm(lm_dim, eps=1e-6)
        self.ln_kv = nn.LayerNorm(lm_dim, eps=1e-6)
        self.ln_post = nn.LayerNorm(lm_dim, eps=1e-6)
        self.proj = nn.Parameter(lm_dim**-0.5 * torch.randn(lm_dim, lm_dim))

    def forward(self, tokens: torch.Tensor, grid: tuple[int, int], first_frame: int = 0) -> torch.Tensor:
        """Tokens [T, N, d] of one cube -> [queries, D].

        Args:
            grid: (h, w), N = h * w.
            first_frame: index of the cube's first frame in the whole video: positions are absolute times.
        """
        steps, places, _ = tokens.shape
        if places != grid[0] * grid[1]:
            raise ValueError(f"{places} tokens a frame do not make a grid of {grid[0]} x {grid[1]}")
        values = self.ln_kv(self.kv_proj(tokens.reshape(steps * places, -1)))
        table = positions_3d(values.shape[1], range(first_frame, first_frame + steps), grid).to(values)
        out = self.attn(self.ln_q(self.query), values + table, values, need_weights=False)[0]
        projected: torch.Tensor = self.ln_post(out) @ self.proj
        return projected


def momentum(frames: torch.Tensor, alpha: float = ALPHA) -> torch.Tensor:
    """m_1 = F_1 - F_0, m_i = alpha (F_i - F_{i-1}) + (1 - alpha) m_{i-1}: [T, N, d] -> [T - 1, N, d]."""
    steps = frames[1:] - frames[:-1]
    out = [steps[0]]
    for step in steps[1:]:
        out.append(alpha * step + (1 - alpha) * out[-1])
    return torch.stack(out)


def border_count(frames: int, frames_per_cube: int = 5) -> int:
    """k: borders chosen beside frame 0, as published (Python's rounding: halves to even)."""
    return max(round(frames / frames_per_cube) - 1, 1)


def positions_3d(dim: int, times: range, grid: tuple[int, int]) -> torch.Tensor:
    """Sine-cosine table, float32 [len(times) * h * w, dim]: 2/8 of the channels for time, 3/8 row, 3/8 column."""
    time, row, column = torch.meshgrid(
        torch.arange(times.start, times.stop).float(),
        torch.arange(grid[0]).float(),
        torch.arange(grid[1]).float(),
        indexing="ij",
    )
    parts = [
        _sine_cosine(dim // 8 * 2, time.flatten()),
        _sine_cosine(dim // 8 * 3, row.flatten()),
        _sine_cosine(dim // 8 * 3, column.flatten()),
    ]
    return torch.cat(parts, dim=1)


def _sine_cosine(dim: int, position: torch.Tensor) -> torch.Tensor:
    angles = position[:, None] * 10000.0 ** -(torch.arange(dim // 2).float() / (dim / 2))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _spans(borders: torch.Tensor) -> tuple[tuple[int, int], ...]:
    starts = [int(i) for i in borders.detach().nonzero()[:, 0]]
    return tuple(zip(starts, [*starts[1:], len(borders)], strict=True))
