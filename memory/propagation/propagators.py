"""The memory carried forward: one constant-size `GlobalMemory` for everything seen so far.

After VideoStreaming (arXiv 2405.16009, memory-propagated streaming encoding), where a trained language model reads the
memory so far with the next clip and writes the new one (`encoders.published.streaming.encoder`). `MergingPropagator` is
our training-free *surrogate*, not that model: old memory and new cube are clustered together, weighted by how many
patch tokens each token stands for (`memory.propagation.ordered_clustering`; the idea is Flash-VStream's context
memory). `NoPropagation` and `MeanPropagator` are controls: nothing is kept, or one mean of everything.

Plain arrays in and out; deterministic; a propagator has no state of its own, so a restart cannot change its result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol

import numpy as np

from encoders.registry import Registry
from memory.propagation.ordered_clustering import Prices, Weighted, merged
from memory.records import F32, GlobalMemory, TimeSpan

SIZE = 64


class Propagator(Protocol):
    """H, cube -> H: constant size, deterministic."""

    @property
    def dim(self) -> int:
        """D."""
        ...

    def update(self, memory: GlobalMemory, tokens: F32, weights: F32, positions: F32, span: TimeSpan) -> GlobalMemory:
        """Takes in one closed cube.

        Args:
            memory: everything up to the cube.
            tokens: float32 [S, M, D]; level 0 is taken.
            weights: float32 [M], patch tokens each stands for.
            positions: float32 [M, 3], time (s), row, column.
            span: the cube's.

        Raises:
            ValueError: shapes that do not fit, NaN or infinity.
        """
        ...


class NoPropagation:
    """The control: remembers only up to when."""

    def __init__(self, dim: int) -> None:
        self._dim = dim

    @property
    def dim(self) -> int:
        return self._dim

    def update(self, memory: GlobalMemory, tokens: F32, weights: F32, positions: F32, span: TimeSpan) -> GlobalMemory:
        """See `Propagator.update`; tokens stay as they are (none, when it began with `GlobalMemory.empty`)."""
        return GlobalMemory(memory.tokens, memory.weights, memory.positions, span.end_s)


class MergingPropagator:
    """Occupancy-weighted, ordered clustering of [H; cube] into at most `size` tokens.

    The sum of the weights is kept, so what is old fades by its share of everything seen, never by a decay of its own; a
    token that is not merged stays as it is to the bit.
    """

    def __init__(self, dim: int, size: int = SIZE, prices: Prices | None = None) -> None:
        if size < 1:
            raise ValueError("a memory holds at least one token")
        self._dim = dim
        self._size = size
        self._prices = prices or Prices()

    @property
    def dim(self) -> int:
        return self._dim

    def update(self, memory: GlobalMemory, tokens: F32, weights: F32, positions: F32, span: TimeSpan) -> GlobalMemory:
        """See `Propagator.update`."""
        self._check(tokens, weights, positions)
        both = Weighted.in_order(
            np.concatenate([memory.tokens, tokens[0]]).astype(np.float64),
            np.concatenate([memory.weights, weights]).astype(np.float64),
            np.concatenate([memory.positions, positions]).astype(np.float64),
        )
        left = merged(both, self._size, self._prices)
        return GlobalMemory(
            left.rows.astype(np.float32),
            left.mass.astype(np.float32),
            left.places.astype(np.float32),
            float(span.end_s),
        )

    def _check(self, tokens: F32, weights: F32, positions: F32) -> None:
        if tokens.ndim != 3 or tokens.shape[2] != self._dim:
            raise ValueError(f"tokens are [S, M, {self._dim}], not {tokens.shape}")
        count = tokens.shape[1]
        if weights.shape != (count,) or positions.shape != (count, 3):
            raise ValueError(f"{count} tokens with weights {weights.shape} and positions {positions.shape}")
        if not all(np.isfinite(a).all() for a in (tokens[0], weights, positions)):
            raise ValueError("tokens, weights or positions hold NaN or infinity")
        if (weights <= 0).any():
            raise ValueError("every token stands for more than nothing")


class MeanPropagator(MergingPropagator):
    """The other control: one token, the mean of everything."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, size=1)


@cache
def default_propagators() -> Registry[Callable[[int], Propagator]]:
    """The propagators by name, each made from D."""
    built_in: dict[str, Callable[[int], Propagator] | str] = {
        "none": NoPropagation,
        "mean": MeanPropagator,
        "merging": MergingPropagator,
    }
    return Registry("propagator", built_in=built_in)


def propagator(name: str, dim: int) -> Propagator:
    """A propagator by name, for tokens of `dim` channels. Raises `UnknownName` with the known ones."""
    return default_propagators().get(name)(dim)
