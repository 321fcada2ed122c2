"""The memory carried forward: one constant-size `GlobalMemory` for everything seen so far.

After VideoStreaming (arXiv 2405.16009, memory-propagated streaming encoding), where a trained language model reads the
memory so far with the next clip and writes the new one. `MergingPropagator` is our training-free *surrogate*, not that
model: old memory and new cube are clustered together, weighted by how many patch tokens each token stands for (weighted
k-means as in Flash-VStream's context memory). `NoPropagation` is the control that keeps nothing.

Plain arrays in and out; deterministic; a propagator has no state of its own, so a restart cannot change its result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from memory.records import F32, GlobalMemory, TimeSpan

SIZE = 64
ITERATIONS = 10
F64 = npt.NDArray[np.float64]


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
    """Weighted clustering of [H; cube] into at most `size` tokens, in order of time.

    The sum of the weights is kept, so what is old fades by its share of everything seen, never by a decay of its own.
    """

    def __init__(self, dim: int, size: int = SIZE) -> None:
        if size < 1:
            raise ValueError("a memory holds at least one token")
        self._dim = dim
        self._size = size

    @property
    def dim(self) -> int:
        return self._dim

    def update(self, memory: GlobalMemory, tokens: F32, weights: F32, positions: F32, span: TimeSpan) -> GlobalMemory:
        """See `Propagator.update`."""
        self._check(tokens, weights, positions)
        rows = np.concatenate([memory.tokens, tokens[0]]).astype(np.float64)
        mass = np.concatenate([memory.weights, weights]).astype(np.float64)
        places = np.concatenate([memory.positions, positions]).astype(np.float64)
        order = np.argsort(places[:, 0], kind="stable")
        rows, mass, places = rows[order], mass[order], places[order]
        if len(rows) > self._size:
            rows, mass, places = _merge(rows, mass, places, _clusters(rows, mass, self._size))
        return GlobalMemory(
            rows.astype(np.float32), mass.astype(np.float32), places.astype(np.float32), float(span.end_s)
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


def _clusters(rows: F64, mass: F64, size: int) -> npt.NDArray[np.intp]:
    """Weighted k-means (Lloyd): a cluster number for each of n rows [n, D], started from `size` runs of equal mass in
    order of time, so no chance is involved. Equal distances go to the earlier cluster; an emptied one stays empty."""
    middle = np.cumsum(mass) - mass / 2
    found: npt.NDArray[np.intp] = np.minimum((middle / mass.sum() * size).astype(np.intp), size - 1)
    for _ in range(ITERATIONS):
        used, compact = np.unique(found, return_inverse=True)
        member = np.zeros((len(used), len(rows)))
        member[compact, np.arange(len(rows))] = mass
        centres = member @ rows / member.sum(axis=1, keepdims=True)
        distance = (centres**2).sum(axis=1)[None] - 2 * rows @ centres.T
        nearest = np.argmin(distance, axis=1)
        if np.array_equal(nearest, compact):
            break
        found = nearest
    return found


def _merge(rows: F64, mass: F64, places: F64, found: npt.NDArray[np.intp]) -> tuple[F64, F64, F64]:
    """Weighted means of each cluster's rows and places, and its mass; clusters in order of mean time."""
    _, compact = np.unique(found, return_inverse=True)
    total: F64 = np.bincount(compact, mass).astype(np.float64)
    share = np.zeros((len(total), len(rows)))
    share[compact, np.arange(len(rows))] = mass / total[compact]
    centres, where = share @ rows, share @ places
    order = np.argsort(where[:, 0], kind="stable")
    return centres[order], total[order], where[order]


PROPAGATORS: dict[str, Callable[[int], Propagator]] = {"none": NoPropagation, "merging": MergingPropagator}


def propagator(name: str, dim: int) -> Propagator:
    """A propagator by name, for tokens of `dim` channels. An unknown name raises ValueError with the known ones."""
    if name not in PROPAGATORS:
        raise ValueError(f"no propagator {name!r}; known: {', '.join(sorted(PROPAGATORS))}")
    return PROPAGATORS[name](dim)
