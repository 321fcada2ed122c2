"""Progressive compression: within a cube each frame adds only what earlier frames did not say (default).

A training-free surrogate that keeps the contract of PVC (arXiv 2412.09613); the trained form is
`encoders.published.pvc`. All of what follows is ours. A cube is kept as one *run* per place, which lasts as long as the
place looks the same, and a bounded pool of runs that have ended:

- still places: the run goes on. Each frame is read at one interleaved sub-grid of about M places, another one each
  time (PVC's still video, where every repeat adds detail); the other still places only add their weight;
- changed places: a token that departs from its run's running mean ends the run and begins a new one;
- small changes: so do the few cells of a frame that stand out most from their surround, however little they changed;
- redundancy: `cube` merges all runs by clustering to at most M tokens. A share of the slots is reserved for the runs
  that stood out most, unmerged, so that clustering does not swallow what is small.

Every patch token belongs to exactly one run, and so to exactly one token of the cube.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import torch
import torch.nn.functional as F

from encoders.base import CubeTokens
from encoders.compressors.base import Group, cell_centres, checked, checked_budget, nothing
from encoders.compressors.clustering import assign, far_seeds, peaks
from encoders.state_codec import pack, unpack

_POOL_BUDGETS = 8  # ended runs that are kept apart, in budgets M
_SHARE_RESERVED = 1 / 4
_FINAL_ROUNDS = 2
_SMALLEST_PEAK = 0.15  # of the tokens' usual length


@dataclass(slots=True)
class _Cube:
    """The open cube: one run per place, and what runs are compared with.

    Attributes:
        centre: float32 [S, D], mean token of the cube's first step; tokens below are kept relative to it.
        mean: float32 [S, N, D], mean of the run's tokens that were read; reads: float32 [N], how many.
        weights: float32 [N], steps the run lasts; seconds: float64 [N], sum of their times.
        scores: float32 [N], how far the run stood out when it began.
        average: float32 [N, D], level 0 over the whole cube.
        pool_*: the runs that ended, as in `Group`, with their scores.
    """

    centre: torch.Tensor
    mean: torch.Tensor
    reads: torch.Tensor
    weights: torch.Tensor
    seconds: torch.Tensor
    scores: torch.Tensor
    average: torch.Tensor
    pool_tokens: torch.Tensor
    pool_weights: torch.Tensor
    pool_positions: torch.Tensor
    pool_scores: torch.Tensor

    @classmethod
    def begun(cls, tokens: torch.Tensor, time_s: float) -> _Cube:
        levels, places, dim = tokens.shape
        centre = tokens.mean(dim=1)
        mean = tokens - centre[:, None]
        return cls(
            centre=centre,
            mean=mean,
            reads=torch.ones(places),
            weights=torch.ones(places),
            seconds=torch.full((places,), time_s, dtype=torch.float64),
            scores=torch.zeros(places),
            average=mean[0].clone(),
            pool_tokens=torch.zeros(levels, 0, dim),
            pool_weights=torch.zeros(0),
            pool_positions=torch.zeros(0, 3, dtype=torch.float64),
            pool_scores=torch.zeros(0),
        )

    def runs(self, index: torch.Tensor, cells: torch.Tensor) -> Group:
        """The open runs of some places."""
        weights = self.weights[index]
        times = self.seconds[index] / weights.double()
        return Group(self.mean.index_select(1, index), weights, torch.cat([times[:, None], cells[index]], dim=1))

    def pool(self) -> Group:
        return Group(self.pool_tokens, self.pool_weights, self.pool_positions)

    def set_pool(self, group: Group, scores: torch.Tensor) -> None:
        self.pool_tokens, self.pool_weights, self.pool_positions = group.tokens, group.weights, group.positions
        self.pool_scores = scores


class ProgressiveCompressor:
    """At most M tokens a cube, whatever its length; needs no training."""

    def __init__(self, budget: int = 64, novelty: float = 0.3, peaks_per_step: int = 6, rotate: bool = True) -> None:
        """
        Args:
            budget: M.
            novelty: 1 - cosine to the run's mean from which a place has changed.
            peaks_per_step: most small changes that are noticed in one step.
            rotate: whether still places are read in turn (the contract) or all at every step.
        """
        self.budget, self.novelty, self.peaks_per_step = checked_budget(budget), novelty, peaks_per_step
        self.rotate = rotate
        self.reset()

    def reset(self) -> None:
        self._cube: _Cube | None = None
        self._grid = (0, 0)
        self._steps = 0

    def add(self, tokens: torch.Tensor, grid: tuple[int, int], time_s: float) -> None:
        tokens = checked(tokens, grid, tuple(self._cube.mean.shape) if self._cube else None)
        if self._cube is None:
            self._cube, self._grid = _Cube.begun(tokens, time_s), grid
        else:
            self._continue(self._cube, tokens - self._cube.centre[:, None], time_s)
        self._steps += 1

    def _continue(self, cube: _Cube, tokens: torch.Tensor, time_s: float) -> None:
        """Takes a further step's tokens [S, N, D], relative to the centre."""
        changed, scores = self._compare(cube, tokens[0])
        ended = changed.nonzero()[:, 0]
        if len(ended):
            runs = Group.joined([cube.pool(), cube.runs(ended, cell_centres(self._grid))])
            cube.set_pool(runs, torch.cat([cube.pool_scores, cube.scores[ended]]))
            cube.mean[:, ended], cube.scores[ended] = tokens.index_select(1, ended), scores[ended]
            cube.weights[ended], cube.seconds[ended], cube.reads[ended] = 0.0, 0.0, 1.0
        cube.weights += 1
        cube.seconds += time_s
        read = (~changed & self._turn()).nonzero()[:, 0]
        cube.reads[read] += 1
        mean = cube.mean.index_select(1, read)
        cube.mean[:, read] = mean + (tokens.index_select(1, read) - mean) / cube.reads[read][:, None]
        cube.average.lerp_(tokens[0], 1 / (self._steps + 1))
        if len(cube.pool_weights) > _POOL_BUDGETS * self.budget:
            half = _POOL_BUDGETS * self.budget // 2
            cube.set_pool(*self._reduced(cube.pool(), cube.pool_scores, half, half // 4, 0))

    def _compare(self, cube: _Cube, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Which places changed (bool [N]), and how far each stands out from its surround (float32 [N])."""
        length, run_length = tokens.norm(dim=1), cube.mean[0].norm(dim=1)
        products, alike = length * run_length, torch.linalg.vecdot(tokens, cube.mean[0])
        changed = products - alike > self.novelty * products
        changed |= (products == 0) & (length != run_length)  # from or to a blank place: no direction to compare
        smallest = _SMALLEST_PEAK * float(length.mean())
        steps = peaks((length**2 + run_length**2 - 2 * alike).clamp_min(0).sqrt(), self._grid)
        highest = steps.topk(min(self.peaks_per_step, len(steps)))
        changed[highest.indices[highest.values > smallest]] = True
        apart = length**2 + cube.average.norm(dim=1) ** 2 - 2 * torch.linalg.vecdot(tokens, cube.average)
        scores = peaks(apart.clamp_min(0).sqrt(), self._grid)
        return changed, torch.where(scores > smallest, scores, 0.0)

    def _turn(self) -> torch.Tensor:
        """Which places are read at this step while they are still (bool [N])."""
        stride = math.ceil(math.sqrt(self._grid[0] * self._grid[1] / self.budget)) if self.rotate else 1
        return _phases(self._grid, max(stride, 1)) == self._steps % max(stride, 1) ** 2

    def cube(self) -> CubeTokens:
        if self._cube is None:
            return nothing()
        everywhere = torch.arange(len(self._cube.weights))
        runs = Group.joined([self._cube.runs(everywhere, cell_centres(self._grid)), self._cube.pool()])
        scores = torch.cat([self._cube.scores, self._cube.pool_scores])
        merged, _ = self._reduced(runs, scores, self.budget, int(_SHARE_RESERVED * self.budget), _FINAL_ROUNDS)
        return replace(merged, tokens=merged.tokens + self._cube.centre[:, None]).cube()

    def _reduced(
        self, runs: Group, scores: torch.Tensor, count: int, reserved: int, rounds: int
    ) -> tuple[Group, torch.Tensor]:
        """At most `count` of the runs: the `reserved` ones with the best scores as they are, the others merged."""
        if len(runs) <= count:
            return runs, scores
        best = scores.topk(reserved)
        alone = best.indices[best.values > 0]
        standing = torch.ones(len(runs), dtype=torch.bool)
        standing[alone] = False
        others = standing.nonzero()[:, 0]
        directions = F.normalize(runs.tokens[0].index_select(0, others), dim=1)
        weights = runs.weights[others]
        seeds = far_seeds(directions, weights.sqrt(), count - len(alone), rounds=8 if rounds else 1)
        labels = torch.empty(len(runs), dtype=torch.int64)
        labels[others] = assign(directions, weights, directions[seeds], rounds) + len(alone)
        labels[alone] = torch.arange(len(alone))
        merged = runs.merged(labels, count)
        kept = torch.zeros(len(merged))
        kept[: len(alone)] = scores[alone]
        return merged, kept

    def state(self) -> bytes:
        values = {"steps": self._steps, "grid": list(self._grid)}
        if self._cube is None:
            return pack(values)
        return pack(values, {field.name: getattr(self._cube, field.name) for field in fields(_Cube)})

    def restore(self, state: bytes) -> None:
        values, tensors = unpack(state)
        self._steps, self._grid = values["steps"], (values["grid"][0], values["grid"][1])
        self._cube = _Cube(**tensors) if tensors else None


@lru_cache(maxsize=8)
def _phases(grid: tuple[int, int], stride: int) -> torch.Tensor:
    """Which of stride^2 interleaved sub-grids each place belongs to, int64 [N]. Shared: not to be written to."""
    row, column = torch.arange(grid[0]) % stride, torch.arange(grid[1]) % stride
    return (row[:, None] * stride + column[None, :]).flatten()
