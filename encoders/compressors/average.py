"""Average pooling over space and the cube's whole time: the control that every other compressor has to beat.

The patch grid is cut into a coarser grid of at most M cells and each cell averages all of its patches over all steps.
Running sums only, so space is constant and the result does not depend on when it is read.
"""

from __future__ import annotations

import torch

from encoders.base import CubeTokens
from encoders.compressors.base import cell_centres, checked, checked_budget, nothing
from encoders.state_codec import pack, unpack


class AveragePooling:
    """At most M tokens a cube, one per cell of the largest sub-grid that fits the budget."""

    def __init__(self, budget: int = 64) -> None:
        """budget: M."""
        self.budget = checked_budget(budget)
        self.reset()

    def reset(self) -> None:
        self._sums: torch.Tensor | None = None  # float64 [S, C, D], C cells
        self._grid = (0, 0)
        self._shape: tuple[int, ...] | None = None
        self._steps = 0
        self._seconds = 0.0

    def add(self, tokens: torch.Tensor, grid: tuple[int, int], time_s: float) -> None:
        tokens = checked(tokens, grid, self._shape)
        cells, count = pooling_cells(grid, self.budget)
        if self._sums is None:
            self._sums = torch.zeros(tokens.shape[0], count, tokens.shape[2], dtype=torch.float64)
            self._grid, self._shape = grid, tuple(tokens.shape)
        self._sums.index_add_(1, cells, tokens.double())
        self._steps += 1
        self._seconds += time_s

    def cube(self) -> CubeTokens:
        if self._sums is None:
            return nothing()
        cells, count = pooling_cells(self._grid, self.budget)
        patches = torch.bincount(cells, minlength=count).double()
        places = torch.zeros(count, 2, dtype=torch.float64).index_add_(0, cells, cell_centres(self._grid))
        times = torch.full((count, 1), self._seconds / self._steps, dtype=torch.float64)
        weights = patches * self._steps
        return CubeTokens(
            (self._sums / weights[:, None]).float(),
            weights.float(),
            torch.cat([times, places / patches[:, None]], dim=1).float(),
        )

    def state(self) -> bytes:
        values = {"steps": self._steps, "seconds": self._seconds, "grid": list(self._grid)}
        shape = list(self._shape) if self._shape else None
        return pack({**values, "shape": shape}, {"sums": self._sums})

    def restore(self, state: bytes) -> None:
        values, tensors = unpack(state)
        self._steps, self._seconds = values["steps"], values["seconds"]
        self._grid = (values["grid"][0], values["grid"][1])
        self._shape = tuple(values["shape"]) if values["shape"] else None
        self._sums = tensors.get("sums")


def pooling_cells(grid: tuple[int, int], budget: int) -> tuple[torch.Tensor, int]:
    """The cell of each patch (int64 [N]) and the number of cells: as many as the budget allows, as square as can be."""
    height, width = grid
    sizes = [(r, min(width, budget // r)) for r in range(1, min(height, budget) + 1)]
    rows, columns = max(sizes, key=lambda s: (s[0] * s[1], -abs(height / s[0] - width / s[1])))
    row = torch.arange(height) * rows // height
    column = torch.arange(width) * columns // width
    return (row[:, None] * columns + column[None, :]).flatten(), rows * columns
