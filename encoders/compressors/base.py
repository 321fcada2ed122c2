"""What compressors share: `GroupCompressor`, a base with one method to write, and the group of weighted tokens.

A compressor that keeps another state (running sums, runs) follows the protocol `encoders.base.Compressor` by itself and
uses `checked`, `nothing` and `Group` from here. Letters S, T, N, M, D as in `encoders.base`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from encoders.base import CubeTokens
from encoders.state_codec import pack, unpack


def checked(tokens: torch.Tensor, grid: tuple[int, int], like: tuple[int, ...] | None) -> torch.Tensor:
    """One step's tokens [S, N, D] as float32 without gradient.

    Args:
        like: (S, N, D) of the cube's earlier steps, None on its first.

    Raises:
        ValueError: not three axes, N is not h * w, another shape than the cube's, or NaN or infinity among the values.
    """
    if tokens.ndim != 3 or tokens.shape[1] != grid[0] * grid[1] or 0 in tokens.shape:
        raise ValueError(f"one step's tokens must be [S, {grid[0]}*{grid[1]}, D], not {list(tokens.shape)}")
    if like is not None and tuple(tokens.shape) != like:
        raise ValueError(f"a cube holds tokens of one shape: {list(like)} so far, now {list(tokens.shape)}")
    tokens = tokens.detach().to("cpu", torch.float32)
    if not torch.isfinite(tokens.sum()) and not torch.isfinite(tokens).all():  # the sum alone may overflow
        raise ValueError("tokens hold NaN or infinity")
    return tokens


def checked_budget(budget: int) -> int:
    """M, at least 1."""
    if budget < 1:
        raise ValueError(f"a cube needs a budget of at least one token, not {budget}")
    return budget


def nothing() -> CubeTokens:
    """The cube of no steps: zero tokens; S and D are not known yet (1 and 0)."""
    return CubeTokens(torch.zeros(1, 0, 0), torch.zeros(0), torch.zeros(0, 3))


@lru_cache(maxsize=8)
def cell_centres(grid: tuple[int, int]) -> torch.Tensor:
    """Row and column of each patch, float64 [N, 2], row-major. Shared: not to be written to."""
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    return torch.stack([rows.flatten(), columns.flatten()], dim=1).double()


@dataclass(frozen=True, slots=True)
class Group:
    """Weighted tokens on their way to a cube.

    Attributes:
        tokens: float32 [S, P, D].
        weights: float32 [P], patch tokens each stands for.
        positions: float64 [P, 3]: time (s), row, column.
    """

    tokens: torch.Tensor
    weights: torch.Tensor
    positions: torch.Tensor

    def __len__(self) -> int:
        return len(self.weights)

    @classmethod
    def of_step(cls, tokens: torch.Tensor, grid: tuple[int, int], time_s: float) -> Group:
        """One step's tokens [S, N, D], each for itself."""
        times = torch.full((tokens.shape[1], 1), time_s, dtype=torch.float64)
        return cls(tokens, torch.ones(tokens.shape[1]), torch.cat([times, cell_centres(grid)], dim=1))

    @classmethod
    def joined(cls, groups: Sequence[Group]) -> Group:
        """All of them, one after the other."""
        return cls(
            torch.cat([g.tokens for g in groups], dim=1),
            torch.cat([g.weights for g in groups]),
            torch.cat([g.positions for g in groups]),
        )

    def at(self, index: torch.Tensor) -> Group:
        """Those of an index or mask [P]."""
        return Group(self.tokens[:, index], self.weights[index], self.positions[index])

    def merged(self, labels: torch.Tensor, count: int) -> Group:
        """Weighted means by label (int64 [P], 0 to count - 1); labels nobody has are left out."""
        weights = torch.zeros(count, dtype=torch.float64).index_add_(0, labels, self.weights.double())
        weighted = self.tokens * self.weights[:, None]
        tokens = torch.zeros(weighted.shape[0], count, weighted.shape[2]).index_add_(1, labels, weighted)
        places = self.positions * self.weights[:, None].double()
        positions = torch.zeros(count, 3, dtype=torch.float64).index_add_(0, labels, places)
        some = (weights > 0).nonzero()[:, 0]
        weights = weights[some]
        return Group(
            tokens.index_select(1, some) / weights.float()[:, None],
            weights.float(),
            positions[some] / weights[:, None],
        )

    def cube(self) -> CubeTokens:
        """What a compressor hands out."""
        return CubeTokens(self.tokens.clone(), self.weights.clone(), self.positions.float())

    def tensors(self) -> dict[str, torch.Tensor]:
        """For `state_codec.pack`."""
        return {"tokens": self.tokens, "weights": self.weights, "positions": self.positions}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Group | None:
        """The inverse of `tensors`; None where none were saved."""
        if "tokens" not in tensors:
            return None
        return cls(tensors["tokens"], tensors["weights"], tensors["positions"])


class GroupCompressor(ABC):
    """A compressor that gathers steps in one weighted group and reduces it; one method to write, `reduced`. Space is
    constant: the group is reduced after every `chunk_steps` steps, and whenever it is read.

    Args:
        budget: M.
        chunk_steps: steps that are reduced together.
    """

    def __init__(self, budget: int = 64, chunk_steps: int = 4) -> None:
        if chunk_steps < 1:
            raise ValueError(f"a chunk needs at least one step, not {chunk_steps}")
        self.budget, self.chunk_steps = checked_budget(budget), chunk_steps
        self.reset()

    @abstractmethod
    def reduced(self, group: Group, count: int) -> Group:
        """At most `count` tokens in the place of a group of more; weights add up (`Group.merged` sees to it).
        Deterministic."""

    def reset(self) -> None:
        self._kept: Group | None = None
        self._pending = 0
        self._shape: tuple[int, ...] | None = None

    def add(self, tokens: torch.Tensor, grid: tuple[int, int], time_s: float) -> None:
        tokens = checked(tokens, grid, self._shape)
        self._shape = tuple(tokens.shape)
        step = Group.of_step(tokens, grid, time_s)
        self._kept = step if self._kept is None else Group.joined([self._kept, step])
        self._pending += 1
        if self._pending == self.chunk_steps:
            self._kept, self._pending = self._within(self._kept), 0

    def cube(self) -> CubeTokens:
        return nothing() if self._kept is None else self._within(self._kept).cube()

    def state(self) -> bytes:
        shape = list(self._shape) if self._shape else None
        return pack({"pending": self._pending, "shape": shape}, self._kept.tensors() if self._kept else {})

    def restore(self, state: bytes) -> None:
        values, tensors = unpack(state)
        self._pending, self._kept = values["pending"], Group.from_tensors(tensors)
        self._shape = tuple(values["shape"]) if values["shape"] else None

    def _within(self, group: Group) -> Group:
        return group if len(group) <= self.budget else self.reduced(group, self.budget)
