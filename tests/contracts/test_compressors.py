"""What every compressor keeps, whatever its method."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.base import Compressor, CubeTokens
from encoders.compressors import default_compressors
from tests.recipes.runs import Runs

MAKERS = {name: default_compressors().get(name) for name in default_compressors().names()} | {"runs": Runs}
NAMES = sorted(MAKERS)
Clip = tuple[torch.Tensor, tuple[int, int]]  # float32 [T, S, N, D] and the grid


@st.composite
def clips(draw: st.DrawFn, most_steps: int = 12) -> Clip:
    """Still, changing and jumping clips of any small size."""
    grid = (draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    steps, levels, dim = draw(st.integers(1, most_steps)), draw(st.integers(1, 3)), draw(st.integers(1, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scene = torch.randn(levels, grid[0] * grid[1], dim, generator=generator)
    noise = draw(st.sampled_from([0.0, 0.02, 0.5]))
    frames = []
    for _ in range(steps):
        if draw(st.integers(0, 5)) == 0:
            scene = torch.randn(scene.shape, generator=generator)
        elif draw(st.booleans()):
            scene = scene.clone()
            scene[:, draw(st.integers(0, scene.shape[1] - 1))] += 3.0
        frames.append(scene + noise * torch.randn(scene.shape, generator=generator))
    return torch.stack(frames), grid


def fed(compressor: Compressor, clip: Clip, first: int = 0) -> Compressor:
    for step, tokens in enumerate(clip[0][first:], start=first):
        compressor.add(tokens, clip[1], 0.5 * step)
    return compressor


def assert_same(a: CubeTokens, b: CubeTokens) -> None:
    assert torch.equal(a.tokens, b.tokens)
    assert torch.equal(a.weights, b.weights)
    assert torch.equal(a.positions, b.positions)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(clip=clips(), budget=st.integers(1, 20))
def test_every_patch_token_is_accounted_for_within_the_budget(name: str, clip: Clip, budget: int) -> None:
    frames, grid = clip
    steps, levels, places, dim = frames.shape
    cube = fed(MAKERS[name](budget), clip).cube()
    kept = len(cube.weights)
    assert 1 <= kept <= budget
    assert cube.tokens.shape == (levels, kept, dim)
    assert cube.positions.shape == (kept, 3)
    assert {cube.tokens.dtype, cube.weights.dtype, cube.positions.dtype} == {torch.float32}
    assert cube.weights.sum().item() == pytest.approx(steps * places, rel=1e-5)
    assert (cube.weights > 0).all()
    assert torch.isfinite(cube.tokens).all()
    centroid = (cube.positions * cube.weights[:, None]).sum(dim=0) / cube.weights.sum()
    expected = torch.tensor([0.5 * (steps - 1) / 2, (grid[0] - 1) / 2, (grid[1] - 1) / 2])
    torch.testing.assert_close(centroid, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(clip=clips(), budget=st.integers(1, 20), split=st.integers(0, 12))
def test_a_restored_stream_ends_in_the_same_cube_to_the_bit(name: str, clip: Clip, budget: int, split: int) -> None:
    make = MAKERS[name]
    whole = fed(make(budget), clip)
    first = fed(make(budget), (clip[0][:split], clip[1]))
    first.cube()  # reading does not disturb
    second = make(budget)
    second.restore(first.state())
    fed(second, clip, first=min(split, len(clip[0])))
    assert_same(second.cube(), whole.cube())
    assert second.state() == whole.state()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(clips=st.tuples(clips(), clips()))
def test_a_cube_owes_nothing_to_the_one_before(name: str, clips: tuple[Clip, Clip]) -> None:
    make = MAKERS[name]
    used = fed(make(8), clips[0])
    used.reset()
    assert_same(fed(used, clips[1]).cube(), fed(make(8), clips[1]).cube())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_makes_no_tokens(name: str) -> None:
    compressor = MAKERS[name](8)
    assert compressor.cube().tokens.shape[1] == len(compressor.cube().weights) == len(compressor.cube().positions) == 0
    compressor.restore(compressor.state())
    assert len(compressor.cube().weights) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 2.5])
def test_a_constant_clip_is_that_constant(name: str, value: float) -> None:
    clip = torch.full((9, 2, 12, 5), value), (3, 4)
    cube = fed(MAKERS[name](6), clip).cube()
    torch.testing.assert_close(cube.tokens, torch.full_like(cube.tokens, value))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cosine"])  # its first frame takes half the budget
def test_a_frame_within_the_budget_is_kept_as_it_is(name: str) -> None:
    tokens = torch.randn(1, 12, 5, generator=torch.Generator().manual_seed(0))
    cube = fed(MAKERS[name](12), (tokens[None], (3, 4))).cube()
    order = (cube.positions[:, 1] * 4 + cube.positions[:, 2]).argsort()
    torch.testing.assert_close(cube.tokens[0, order], tokens[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_no_numbers_are_refused_and_leave_no_trace(name: str, bad: float) -> None:
    compressor = MAKERS[name](4)
    good = torch.randn(1, 12, 5, generator=torch.Generator().manual_seed(0))
    compressor.add(good, (3, 4), 0.0)
    before = compressor.state()
    broken = good.clone()
    broken[0, 7, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        compressor.add(broken, (3, 4), 1.0)
    assert compressor.state() == before


@pytest.mark.parametrize("name", NAMES)
def test_very_large_numbers_are_not_taken_for_infinity(name: str) -> None:
    compressor = MAKERS[name](4)
    compressor.add(torch.full((1, 12, 5), 3e37), (3, 4), 0.0)
    assert compressor.cube().weights.sum() == 12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("shape", "grid"), [((1, 12, 5), (3, 5)), ((12, 5), (3, 4)), ((1, 0, 5), (0, 4))])
def test_tokens_that_do_not_fill_their_grid_are_refused(
    name: str, shape: tuple[int, ...], grid: tuple[int, int]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        MAKERS[name](4).add(torch.zeros(shape), grid, 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_cube_holds_tokens_of_one_shape(name: str) -> None:
    compressor = MAKERS[name](4)
    compressor.add(torch.ones(1, 12, 5), (3, 4), 0.0)
    with pytest.raises(ValueError, match="one shape"):
        compressor.add(torch.ones(1, 12, 6), (3, 4), 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        MAKERS[name](0)


@pytest.mark.parametrize("name", NAMES)
def test_saved_state_stays_bounded(name: str) -> None:
    compressor = MAKERS[name](8)
    generator = torch.Generator().manual_seed(0)
    sizes = []
    for step in range(120):
        compressor.add(torch.randn(1, 64, 6, generator=generator), (8, 8), float(step))
        sizes.append(len(compressor.state()))
    assert max(sizes[60:]) <= max(sizes[:60]) * 1.05


@pytest.mark.parametrize("name", NAMES)
def test_handed_out_tokens_are_the_callers_own(name: str) -> None:
    compressor = MAKERS[name](8)
    compressor.add(torch.ones(1, 12, 5), (3, 4), 0.0)
    cube = compressor.cube()
    cube.tokens.zero_()
    cube.weights.zero_()
    assert torch.equal(compressor.cube().tokens, torch.ones_like(cube.tokens))
