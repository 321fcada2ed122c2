"""PVC's progressive encoder (arXiv 2412.09613), as far as it could be read: for users who train or bring weights.

It takes the hidden states of an image transformer before its last L layers and computes those layers, with attention
over time in each, then the compressor. The training-free surrogate is `encoders.compressors.progressive`.

As published (paper and secondary readings): in the last L layers a token also attends to the tokens at the same place
of this and earlier frames; an embedding of a frame's relative time (sine-cosine, 256 channels, MLP) distinguishes
frames, through adaptive layer norms, (1 + scale(e)) * LN(x) + shift(e); pixel-unshuffle by 4 takes a grid of 32 x 32 x
1024 to 64 tokens of 16384; an image is a still video of 4 frames.

Not readable, and therefore named options of `ProgressiveConfig` with a usual value: L, the order of the sub-layers,
whether temporal attention starts as the identity, what the projector is made of. The published checkpoint's parameter
names were not available either, so it is not claimed that this loads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True, slots=True)
class ProgressiveConfig:
    """Widths as published, and what was not readable as options.

    Attributes:
        dim, heads, mlp_dim: of the image transformer (InternViT-300M).
        unshuffle: patches along each side that become one token.
        out_dim: width of the language model.
        time_dim: channels of the sine-cosine embedding of time.
        temporal_layers: L. Not readable.
        order: where temporal attention stands in a layer. Not readable.
        identity_start: temporal attention's output starts at zero, so that training starts from the image model. Not
            readable.
        adaptive_projector: whether the projector's layer norm knows the time too. Not readable.
    """

    dim: int = 1024
    heads: int = 16
    mlp_dim: int = 4096
    unshuffle: int = 4
    out_dim: int = 4096
    time_dim: int = 256
    temporal_layers: int = 8
    order: Literal["spatial_first", "temporal_first"] = "spatial_first"
    identity_start: bool = True
    adaptive_projector: bool = True


@dataclass(frozen=True, slots=True)
class TemporalState:
    """What a clip's earlier frames leave to its later ones; None stands for a clip's beginning.

    Attributes:
        first_s: time of the clip's first frame; times are relative to it.
        keys, values: per layer, [N, heads, T, dim / heads].
    """

    first_s: float
    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]


class ProgressiveEncoder(nn.Module):
    """Hidden states of a clip's frames -> few tokens a frame, each frame aware of the clip's earlier ones."""

    def __init__(self, config: ProgressiveConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or ProgressiveConfig()
        self.time = nn.Sequential(nn.Linear(c.time_dim, c.dim), nn.SiLU(), nn.Linear(c.dim, c.dim))
        self.layers = nn.ModuleList(_TemporalLayer(c) for _ in range(c.temporal_layers))
        self.projector = _Projector(c)

    def forward(
        self, hidden: torch.Tensor, grid: tuple[int, int], times_s: torch.Tensor, state: TemporalState | None = None
    ) -> tuple[torch.Tensor, TemporalState]:
        """The next frames of a clip.

        Args:
            hidden: float [T, N, dim], N = h * w patch tokens (no class token), T >= 1.
            grid: (h, w), both divisible by the unshuffle factor.
            times_s: float [T], seconds.
            state: what the clip's earlier frames left; None begins a clip.

        Returns:
            Tokens [T, N / unshuffle^2, out_dim] and the state for the frames that follow.
        """
        if hidden.ndim != 3 or hidden.shape[1] != grid[0] * grid[1] or len(times_s) != len(hidden) or not len(hidden):
            raise ValueError(f"expected [T, {grid[0]}*{grid[1]}, D] with T >= 1 times, not {list(hidden.shape)}")
        first_s = float(times_s[0]) if state is None else state.first_s
        waves = sine_cosine(times_s.double() - first_s, self.config.time_dim)
        when = self.time(waves.to(hidden.dtype))[:, None]
        keys, values = [], []
        for number, layer in enumerate(self.layers):
            past = None if state is None else (state.keys[number], state.values[number])
            hidden, (key, value) = layer(hidden, when, past)
            keys.append(key)
            values.append(value)
        tokens = self.projector(pixel_unshuffle(hidden, grid, self.config.unshuffle), when)
        return tokens, TemporalState(first_s, tuple(keys), tuple(values))

    def image(self, hidden: torch.Tensor, grid: tuple[int, int], repeats: int = 4) -> torch.Tensor:
        """An image [N, dim] as a still video of `repeats` frames: [repeats * N / unshuffle^2, out_dim]."""
        tokens, _ = self(hidden.expand(repeats, -1, -1), grid, torch.arange(repeats))
        flat: torch.Tensor = tokens.flatten(0, 1)
        return flat


class AdaptiveLayerNorm(nn.Module):
    """(1 + scale(e)) * LN(x) + shift(e); scale and shift start at zero."""

    def __init__(self, dim: int, time_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.modulation = nn.Linear(time_dim, 2 * dim)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
        """x [T, N, dim], when [T, 1, time_dim]."""
        scale, shift = self.modulation(when).chunk(2, dim=-1)
        out: torch.Tensor = (1 + scale) * self.norm(x) + shift
        return out


class TemporalAttention(nn.Module):
    """Causal attention over time among the tokens at one place; places do not see each other."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(
        self, x: torch.Tensor, past: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """x [T, N, dim] -> the same shape, and keys and values of all frames so far, [N, heads, T', dim / heads]."""
        steps, places, dim = x.shape
        split = self.qkv(x).view(steps, places, 3, self.heads, dim // self.heads)
        query, key, value = split.permute(2, 1, 3, 0, 4)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        earlier = key.shape[2] - steps
        mask = torch.ones(steps, key.shape[2], dtype=torch.bool, device=x.device).tril(earlier)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(attended.permute(2, 0, 1, 3).reshape(steps, places, dim)), (key, value)


class _TemporalLayer(nn.Module):
    """One transformer layer: attention within the frame, attention over time, feed-forward."""

    def __init__(self, c: ProgressiveConfig) -> None:
        super().__init__()
        self.temporal_first = c.order == "temporal_first"
        self.norm_spatial, self.norm_mlp = nn.LayerNorm(c.dim), nn.LayerNorm(c.dim)
        self.norm_temporal = AdaptiveLayerNorm(c.dim, c.dim)
        self.spatial = nn.MultiheadAttention(c.dim, c.heads, batch_first=True)
        self.temporal = TemporalAttention(c.dim, c.heads)
        self.mlp = nn.Sequential(nn.Linear(c.dim, c.mlp_dim), nn.GELU(), nn.Linear(c.mlp_dim, c.dim))
        if c.identity_start:
            nn.init.zeros_(self.temporal.out.weight)
            nn.init.zeros_(self.temporal.out.bias)

    def forward(
        self, x: torch.Tensor, when: torch.Tensor, past: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        if not self.temporal_first:
            x = self._within(x)
        over_time, carried = self.temporal(self.norm_temporal(x, when), past)
        x = x + over_time
        if self.temporal_first:
            x = self._within(x)
        return x + self.mlp(self.norm_mlp(x)), carried

    def _within(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm_spatial(x)
        out: torch.Tensor = x + self.spatial(normed, normed, normed, need_weights=False)[0]
        return out


class _Projector(nn.Module):
    """Unshuffled tokens -> the language model's width: layer norm (adaptive or not), linear, GELU, linear."""

    def __init__(self, c: ProgressiveConfig) -> None:
        super().__init__()
        wide = c.unshuffle**2 * c.dim
        self.norm = AdaptiveLayerNorm(wide, c.dim) if c.adaptive_projector else nn.LayerNorm(wide)
        self.mlp = nn.Sequential(nn.Linear(wide, c.out_dim), nn.GELU(), nn.Linear(c.out_dim, c.out_dim))

    def forward(self, x: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.mlp(self.norm(x, when) if isinstance(self.norm, AdaptiveLayerNorm) else self.norm(x))
        return out


def sine_cosine(times: torch.Tensor, dim: int) -> torch.Tensor:
    """Embedding of times [T] in seconds, float64 [T, dim], base 10000."""
    angles = times.double()[:, None] * 10000.0 ** -(torch.arange(dim // 2, device=times.device).double() / (dim // 2))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def pixel_unshuffle(x: torch.Tensor, grid: tuple[int, int], factor: int) -> torch.Tensor:
    """Each block of factor x factor patches becomes one token: [T, h * w, d] -> [T, h * w / factor^2, factor^2 * d].

    Blocks in row-major order; within a token its patches in row-major order, as InternVL's `ps_version` v2.
    """
    steps, _, dim = x.shape
    rows, columns = grid[0] // factor, grid[1] // factor
    if rows * factor != grid[0] or columns * factor != grid[1]:
        raise ValueError(f"a grid of {grid[0]} x {grid[1]} cannot be cut into blocks of {factor} x {factor}")
    blocks = x.reshape(steps, rows, factor, columns, factor, dim).permute(0, 1, 3, 2, 4, 5)
    return blocks.reshape(steps, rows * columns, factor * factor * dim)
