"""Tests of what is particular to each compressor; tests/contracts/test_compressors.py has what all share."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.compressors.average import AveragePooling, pooling_cells
from encoders.compressors.base import Group
from encoders.compressors.clustering import assign, far_seeds, peaks
from encoders.compressors.cosine import CosineFilter
from encoders.compressors.progressive import ProgressiveCompressor
from encoders.compressors.tome import ToMe


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unit(*angles: float) -> torch.Tensor:
    """Directions in the plane, [1, P, 2]."""
    return torch.tensor([[[math.cos(a), math.sin(a)] for a in angles]])


# --- average pooling


@settings(max_examples=50, deadline=None)
@given(height=st.integers(1, 30), width=st.integers(1, 30), budget=st.integers(1, 70))
def test_pooling_uses_the_budget_and_leaves_no_cell_empty(height: int, width: int, budget: int) -> None:
    cells, count = pooling_cells((height, width), budget)
    assert count <= budget
    assert cells.unique().tolist() == list(range(count))
    if height * width <= budget:
        assert count == height * width


def test_the_budget_of_64_is_an_eight_by_eight_grid() -> None:
    cells, count = pooling_cells((24, 24), 64)
    assert count == 64
    assert cells.view(24, 24)[::3, ::3].flatten().tolist() == list(range(64))


def test_pooling_is_the_mean_over_space_and_time() -> None:
    frames = noise(5, 2, 36, 3)
    pooled = AveragePooling(9)
    for step, tokens in enumerate(frames):
        pooled.add(tokens, (6, 6), 2.0 * step)
    expected = frames.view(5, 2, 3, 2, 3, 2, 3).mean(dim=(0, 3, 5)).flatten(1, 2)
    cube = pooled.cube()
    torch.testing.assert_close(cube.tokens, expected)
    assert cube.weights.tolist() == [20.0] * 9
    assert cube.positions[5].tolist() == [4.0, 2.5, 4.5]


# --- ToMe


def test_tome_merges_the_most_alike_neighbours_first_by_weight() -> None:
    group = Group(unit(0.0, 0.1, 1.5, 2.9), torch.tensor([3.0, 1.0, 1.0, 1.0]), torch.arange(12.0).view(4, 3).double())
    merged = ToMe(3).reduced(group, 3)
    assert merged.weights.tolist() == [4.0, 1.0, 1.0]
    torch.testing.assert_close(merged.tokens[:, 0], (3 * group.tokens[:, 0] + group.tokens[:, 1]) / 4)
    torch.testing.assert_close(merged.positions[0], (3 * group.positions[0] + group.positions[1]) / 4)


def test_tome_conserves_the_sum_of_all_tokens() -> None:
    frames = noise(11, 1, 30, 4)
    tome = ToMe(8, chunk_steps=3)
    for step, tokens in enumerate(frames):
        tome.add(tokens, (5, 6), float(step))
    cube = tome.cube()
    total = (cube.tokens * cube.weights[:, None]).sum(dim=1)
    torch.testing.assert_close(total, frames.sum(dim=(0, 2)), rtol=1e-4, atol=1e-4)


# --- cosine filters


def test_cosine_keeps_the_first_frame_and_what_no_longer_looks_like_it() -> None:
    cosine = CosineFilter(budget=8, drop_frame=2.0)
    first = unit(0.0, 1.0, 2.0, 3.0)
    cosine.add(first, (2, 2), 0.0)
    later = first.clone()
    later[0, 2] = unit(2.0 + 1.0)[0, 0]
    cosine.add(later, (2, 2), 1.0)
    cube = cosine.cube()
    torch.testing.assert_close(cube.tokens, torch.cat([first, later[:, 2:3]], dim=1))
    assert cube.weights.tolist() == [2.0, 2.0, 1.0, 2.0, 1.0]
    assert cube.positions[4].tolist() == [1.0, 1.0, 0.0]


def test_cosine_drops_a_whole_frame_that_is_nearly_its_windows_first() -> None:
    cosine = CosineFilter(budget=8)
    cosine.add(unit(0.0, 1.0, 2.0, 3.0), (2, 2), 0.0)
    cosine.add(unit(0.0, 1.0, 2.0, 3.0 + 0.9), (2, 2), 1.0)
    assert cosine.cube().weights.tolist() == [2.0] * 4


def test_cosine_gives_up_the_least_changed_first() -> None:
    cosine = CosineFilter(budget=5, drop_frame=2.0)
    first = unit(0.0, 1.0)
    cosine.add(first, (1, 2), 0.0)
    for step, turn in enumerate((0.9, 1.4, 1.1, 1.3), start=1):
        cosine.add(unit(turn, 1.0), (1, 2), float(step))
    kept = cosine.cube()
    assert [round(float(p[0])) for p in kept.positions[2:]] == [2, 3, 4]
    assert kept.weights.tolist() == [2.0, 5.0, 1.0, 1.0, 1.0]


def test_cosine_compares_with_a_new_frame_in_each_window() -> None:
    cosine = CosineFilter(budget=12, window=2, drop_frame=2.0)
    for step in range(6):
        cosine.add(unit(0.0 if step < 2 else 1.5, 1.0), (1, 2), float(step))
    cube = cosine.cube()
    assert len(cube.weights) == 3
    assert cube.weights.tolist() == [2.0, 6.0, 4.0]


# --- progressive


def fed(frames: torch.Tensor, grid: tuple[int, int], **options: float) -> ProgressiveCompressor:
    compressor = ProgressiveCompressor(**options)  # type: ignore[arg-type]
    for step, tokens in enumerate(frames):
        compressor.add(tokens[None], grid, float(step))
    return compressor


def test_a_small_change_keeps_a_token_of_its_own() -> None:
    grid = (24, 24)
    for seed in range(10):
        scene = noise(576, 16, seed=seed)
        frames = scene + 0.1 * noise(8, 576, 16, seed=100 + seed)
        place, step = 25 * seed + 37, 1 + seed % 5
        frames[step : step + 2, place] = noise(16, seed=200 + seed)
        cube = fed(frames, grid, budget=64).cube()
        here = (cube.positions[:, 1] == place // 24) & (cube.positions[:, 2] == place % 24)
        here &= (cube.positions[:, 0] >= step) & (cube.positions[:, 0] <= step + 1)
        assert here.any(), seed
        assert cube.weights[here].tolist() == [2.0]


def test_still_places_are_read_in_turn_and_all_of_them_in_time() -> None:
    scene = noise(36, 8)
    compressor = fed(scene.expand(1, -1, -1), (6, 6), budget=4)
    read = []
    for step in range(1, 10):
        before = compressor.cube()
        drift = scene + 1e-4 * step
        state = ProgressiveCompressor(4)
        state.restore(compressor.state())
        compressor.add(drift[None], (6, 6), float(step))
        assert len(before.weights) == 4
        old, new = state._cube, compressor._cube
        assert old is not None
        assert new is not None
        read.append((old.mean[0] != new.mean[0]).any(dim=1))
    assert [int(places.sum()) for places in read] == [4] * 9
    assert torch.stack(read).any(dim=0).all()


def test_clustering_covers_a_cube_better_than_pooling() -> None:
    kinds = noise(20, 12)
    generator = torch.Generator().manual_seed(3)
    scene = kinds[torch.randint(20, (256,), generator=generator)]
    frames = scene + 0.2 * noise(8, 256, 12, seed=4)

    def coverage(tokens: torch.Tensor) -> float:
        a, b = (torch.nn.functional.normalize(t, dim=-1) for t in (frames.flatten(0, 1), tokens))
        return float((a @ b.T).amax(dim=1).mean())

    pooled, merged = AveragePooling(32), ToMe(32)
    for step, tokens in enumerate(frames):
        pooled.add(tokens[None], (16, 16), float(step))
        merged.add(tokens[None], (16, 16), float(step))
    progressive = coverage(fed(frames, (16, 16), budget=32).cube().tokens[0])
    assert progressive > 0.9
    assert progressive > coverage(pooled.cube().tokens[0])
    assert progressive > coverage(merged.cube().tokens[0]) - 0.01


def test_what_changes_for_good_takes_few_runs() -> None:
    frames = noise(36, 8).expand(40, -1, -1).clone()
    frames[20:, :12] = noise(12, 8, seed=9)
    compressor = fed(frames, (6, 6), budget=16)
    assert compressor._cube is not None
    assert len(compressor._cube.pool_weights) <= 12


def test_what_follows_a_blank_picture_is_not_taken_for_it() -> None:
    frames = noise(100, 8).expand(4, -1, -1).clone()
    frames[0] = 0.0
    cube = fed(frames, (10, 10), budget=16).cube()
    total = (cube.tokens[0] * cube.weights[:, None]).sum(dim=0)
    torch.testing.assert_close(total, frames.sum(dim=(0, 1)), rtol=1e-4, atol=1e-3)


# --- clustering


def test_seeds_are_distinct_and_reach_every_far_group() -> None:
    centres = torch.eye(12)
    rows = torch.nn.functional.normalize(centres.repeat_interleave(10, 0) + 0.01 * noise(120, 12), dim=1)
    seeds = far_seeds(rows, torch.ones(120), 40)
    assert len(set(seeds.tolist())) == 40
    assert {int(s) // 10 for s in seeds} == set(range(12))


@pytest.mark.parametrize("count", [30, 36, 39, 40])
def test_seeds_are_distinct_where_nearly_every_row_is_one(count: int) -> None:
    for seed in range(5):
        rows = torch.nn.functional.normalize(noise(40, 8, seed=seed), dim=1)
        assert len(set(far_seeds(rows, torch.ones(40), count).tolist())) == count


def test_assignment_finds_the_nearest_centre() -> None:
    rows = unit(0.0, 0.1, 1.5, 1.6)[0]
    assert assign(rows, torch.ones(4), rows[[0, 2]], rounds=3).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_flat_field_has_no_peaks(value: float) -> None:
    assert peaks(torch.full((12,), value), (3, 4), broad=0.0).tolist() == [0.0] * 12


def test_a_peak_stands_out_from_its_neighbours() -> None:
    field = torch.ones(5, 5)
    field[2, 3] = 9.0
    heights = peaks(field.flatten(), (5, 5), surround=1.0, broad=0.0)
    assert heights.nonzero().tolist() == [[13]]
    assert float(heights[13]) == pytest.approx(8.0)
