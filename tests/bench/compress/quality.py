"""Scores how well a compressor keeps a cube: coverage, small changes kept, time. Also plants the small changes.

A small change is a square of one patch that appears for two frames, in a colour far from what it covers. It counts as
recalled when a kept token lies within its cell and within its two frames.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from encoders.base import Compressor, CubeTokens, Frame, FrameEncoder

CUBE_STEPS = 8
_SHOWN_STEPS = 2
_TIMED_RUNS = 3


@dataclass(frozen=True, slots=True)
class PlantedChange:
    """One cube's tokens, float32 [S, T, N, D], with a small change at (row, column) on steps `step` and the next."""

    tokens: torch.Tensor
    grid: tuple[int, int]
    times_s: tuple[float, ...]
    row: int
    column: int
    step: int


def plant(
    frames: Sequence[Frame], encoder: FrameEncoder, grid: tuple[int, int], chance: np.random.Generator
) -> PlantedChange:
    """Encodes a cube's frames with a small change somewhere inside it."""
    row, column = int(chance.integers(1, grid[0] - 1)), int(chance.integers(1, grid[1] - 1))
    step = int(chance.integers(1, len(frames) - _SHOWN_STEPS))
    changed = list(frames)
    for shown in range(step, step + _SHOWN_STEPS):
        rgb = frames[shown].rgb.copy()
        top, bottom = (round(r * len(rgb) / grid[0]) for r in (row, row + 1))
        left, right = (round(c * rgb.shape[1] / grid[1]) for c in (column, column + 1))
        if shown == step:
            colour = np.where(rgb[top:bottom, left:right].mean(axis=(0, 1)) < 128, 255, 0)
        rgb[top:bottom, left:right] = colour
        changed[shown] = Frame(rgb, frames[shown].time_s)
    tokens = encoder.encode(changed)
    return PlantedChange(tokens.tokens, tokens.grid, tokens.times_s, row, column, step)


def coverage(tokens: torch.Tensor, kept: torch.Tensor, centre: torch.Tensor) -> float:
    """Mean over patch tokens [P, D] of the best cosine to a kept one [M, D], both taken from a common mean [D]."""
    alike = F.normalize(tokens - centre, dim=1) @ F.normalize(kept - centre, dim=1).T
    return float(alike.amax(dim=1).mean())


def recalled(planted: PlantedChange, cube: CubeTokens) -> bool:
    """Whether a kept token lies within the small change's cell and its two frames."""
    half = (planted.times_s[1] - planted.times_s[0]) / 2
    first, last = planted.times_s[planted.step], planted.times_s[planted.step + _SHOWN_STEPS - 1]
    when, row, column = cube.positions.unbind(dim=1)
    within = (when >= first - half) & (when <= last + half)
    within &= ((row - planted.row).abs() <= 0.5) & ((column - planted.column).abs() <= 0.5)
    return bool(within.any())


def measured(cubes: Sequence[PlantedChange], make: Callable[[int], Compressor], budget: int) -> dict[str, Any]:
    """One compressor over all cubes.

    `ms_per_frame` is processor time of one thread, `cube` included, on cubes of `CUBE_STEPS` frames: each cube's best
    of `_TIMED_RUNS`, since other work on the same core adds to it and never takes away; median over cubes.
    """
    centre = torch.cat([c.tokens[0].flatten(0, 1) for c in cubes]).mean(dim=0)
    runs = [[timed(make(budget), cube) for _ in range(_TIMED_RUNS)] for cube in cubes]
    rows = [min(of_cube, key=lambda run: run[1]) for of_cube in runs]
    covered = [coverage(p.tokens[0].flatten(0, 1), c.tokens[0], centre) for p, (c, _) in zip(cubes, rows, strict=True)]
    milliseconds = [1e3 * seconds / len(p.times_s) for p, (_, seconds) in zip(cubes, rows, strict=True)]
    kept = sum(len(c.weights) for c, _ in rows)
    return {
        "tokens_per_frame": round(kept / sum(len(p.times_s) for p in cubes), 3),
        "coverage": round(statistics.fmean(covered), 4),
        "small_change_recall": round(
            statistics.fmean(recalled(p, c) for p, (c, _) in zip(cubes, rows, strict=True)), 4
        ),
        "ms_per_frame": round(statistics.median(milliseconds), 3),
        "ms_per_frame_range": [round(min(milliseconds), 3), round(max(milliseconds), 3)],
        "cubes": len(cubes),
    }


def timed(compressor: Compressor, planted: PlantedChange) -> tuple[CubeTokens, float]:
    """The cube and the processor seconds it took."""
    started = time.thread_time()
    for number, time_s in enumerate(planted.times_s):
        compressor.add(planted.tokens[:, number], planted.grid, time_s)
    cube = compressor.cube()
    return cube, time.thread_time() - started
