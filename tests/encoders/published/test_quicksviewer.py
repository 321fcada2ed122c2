"""The published cubing network and resampler: exactness, gradients, names and shapes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.published.quicksviewer import CubingNetwork, Resampler3D, border_count, momentum, positions_3d

# Names and shapes as in the published code (see the module's docstring), for d = 16, D = 32, 4 queries.
CUBING_SHAPES = {
    "agg_frame_fn.0.weight": (16, 16),
    "agg_frame_fn.0.bias": (16,),
    "proj_fn.0.weight": (16,),
    "proj_fn.0.bias": (16,),
    "proj_fn.1.weight": (16, 16),
    "proj_fn.1.bias": (16,),
    "proj_fn.3.weight": (2, 16),
    "proj_fn.3.bias": (2,),
    "thumbnail_fn.1.weight": (32, 16),
    "thumbnail_fn.1.bias": (32,),
}
RESAMPLER_SHAPES = {
    "query": (4, 32),
    "kv_proj.weight": (32, 16),
    "attn.in_proj_weight": (96, 32),
    "attn.in_proj_bias": (96,),
    "attn.out_proj.weight": (32, 32),
    "attn.out_proj.bias": (32,),
    "ln_q.weight": (32,),
    "ln_q.bias": (32,),
    "ln_kv.weight": (32,),
    "ln_kv.bias": (32,),
    "ln_post.weight": (32,),
    "ln_post.bias": (32,),
    "proj": (32, 32),
}


def network(dim: int = 8, seed: int = 0) -> CubingNetwork:
    torch.manual_seed(seed)
    return CubingNetwork(dim, lm_dim=6).double()


def clip(frames: int, places: int = 9, dim: int = 8, seed: int = 1) -> torch.Tensor:
    return torch.randn(frames, places, dim, generator=torch.Generator().manual_seed(seed)).double()


def test_state_dicts_in_the_published_naming_load_strictly() -> None:
    CubingNetwork(16, lm_dim=32).load_state_dict({k: torch.zeros(v) for k, v in CUBING_SHAPES.items()}, strict=True)
    Resampler3D(16, 32, queries=4).load_state_dict(
        {k: torch.zeros(v) for k, v in RESAMPLER_SHAPES.items()}, strict=True
    )


def test_equal_widths_need_no_projection_of_keys_and_values() -> None:
    names = set(Resampler3D(32, 32, queries=4).state_dict())
    assert names == set(RESAMPLER_SHAPES) - {"kv_proj.weight"}


@pytest.mark.parametrize(("frames", "cubes"), [(16, 3), (32, 6), (64, 13), (420, 84), (2, 2)])
def test_the_number_of_cubes_is_the_published_one(frames: int, cubes: int) -> None:
    assert border_count(frames) + 1 == cubes


@settings(max_examples=40, deadline=None)
@given(frames=st.integers(2, 40), noise=st.sampled_from([0.0, 0.3, 1.0]), seed=st.integers(0, 1000))
def test_borders_are_exactly_n_hot_and_frame_0_is_one(frames: int, noise: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cubes = network().forward(clip(frames, seed=seed), noise=noise, generator=generator)
    assert set(cubes.borders.tolist()) <= {0.0, 1.0}
    assert cubes.borders[0] == 1.0
    assert cubes.borders.sum() == border_count(frames) + 1
    assert [s for s, _ in cubes.spans] == cubes.borders.nonzero()[:, 0].tolist()
    assert [e for _, e in cubes.spans] == [*[s for s, _ in cubes.spans][1:], frames]


def test_without_noise_the_choice_is_the_gates_own() -> None:
    cubes = network()(clip(20))
    chosen = cubes.borders[1:].bool()
    assert cubes.soft[1:][chosen].min() > cubes.soft[1:][~chosen].max()
    assert torch.equal(cubes.borders, network()(clip(20)).borders)


def test_the_gate_is_projection_then_mean_then_mlp() -> None:
    net, frames = network(), clip(5)
    first = 0.8 * (frames[2] - frames[1]) + 0.2 * (frames[1] - frames[0])
    torch.testing.assert_close(momentum(frames)[:2], torch.stack([frames[1] - frames[0], first]))
    logits = net.proj_fn(net.agg_frame_fn[0](first).mean(dim=0))
    cubes = net(frames)
    torch.testing.assert_close(cubes.logits[1], logits)
    torch.testing.assert_close(cubes.soft[2], (logits / 0.5).softmax(0)[1])


def test_the_gradient_goes_straight_through_to_the_soft_borders() -> None:
    frames, weight = clip(9), torch.randn(9, generator=torch.Generator().manual_seed(2)).double()
    hard, soft = network(), network()
    (hard(frames).borders * weight).sum().backward()
    (soft(frames).soft * weight).sum().backward()
    for (name, a), (_, b) in zip(hard.named_parameters(), soft.named_parameters(), strict=True):
        if not name.startswith("thumbnail"):
            torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=0)


def test_the_gradient_equals_finite_differences_of_the_soft_borders() -> None:
    frames, weight = clip(9), torch.randn(9, generator=torch.Generator().manual_seed(2)).double()
    net = network()
    (net(frames).borders * weight).sum().backward()
    for parameter in (net.agg_frame_fn[0].weight, net.proj_fn[1].weight, net.proj_fn[3].weight):
        assert parameter.grad is not None
        for index in [(0, 0), (1, 3), (1, 7)]:
            sides = []
            for step in (1e-6, -1e-6):
                with torch.no_grad():
                    parameter[index] += step
                    sides.append(float((net(frames).soft * weight).sum()))
                    parameter[index] -= step
            assert float(parameter.grad[index]) == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-4, abs=1e-9)


def test_the_thumbnail_is_the_mean_of_border_frames_nine_tokens_at_a_time() -> None:
    net, frames = network(), clip(12, places=18)
    cubes = net(frames)
    mean = frames[cubes.borders.bool()].mean(dim=0)
    expected = torch.stack([net.thumbnail_fn[1](mean[i : i + 9].mean(dim=0)) for i in (0, 9)])
    thumbnail = net.thumbnail(frames, cubes)
    torch.testing.assert_close(thumbnail, expected)
    thumbnail.sum().backward()
    gate = net.proj_fn[3].weight.grad
    assert gate is not None
    assert gate.abs().sum() > 0


@pytest.mark.parametrize("shape", [(1, 9, 8), (9, 8)])
def test_a_clip_too_short_to_move_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two frames"):
        network()(torch.zeros(shape).double())


def test_positions_split_the_channels_between_time_row_and_column() -> None:
    table = positions_3d(16, range(3, 5), (2, 3)).view(2, 2, 3, 16)
    position = table[1, 1, 2]  # time 4, row 1, column 2
    time = [f(4 / 10000 ** (2 * i / 4)) for f in (math.sin, math.cos) for i in range(2)]
    row = [f(1 / 10000 ** (2 * i / 6)) for f in (math.sin, math.cos) for i in range(3)]
    column = [f(2 / 10000 ** (2 * i / 6)) for f in (math.sin, math.cos) for i in range(3)]
    torch.testing.assert_close(position, torch.tensor(time + row + column))


def test_the_resampler_is_one_cross_attention_with_positions_in_the_keys_only() -> None:
    torch.manual_seed(0)
    net = Resampler3D(16, 32, queries=4, heads=2)
    torch.nn.init.normal_(net.query)
    tokens = torch.randn(3, 6, 16)
    values = net.ln_kv(net.kv_proj(tokens.reshape(18, 16)))
    keys = values + positions_3d(32, range(7, 10), (2, 3))
    q, k, v = (
        t @ w.T + b
        for t, w, b in zip(
            (net.ln_q(net.query), keys, values),
            net.attn.in_proj_weight.chunk(3),
            net.attn.in_proj_bias.chunk(3),
            strict=True,
        )
    )
    heads = [(q[:, h] @ k[:, h].T / 4.0).softmax(dim=1) @ v[:, h] for h in (slice(0, 16), slice(16, 32))]
    expected = net.ln_post(net.attn.out_proj(torch.cat(heads, dim=1))) @ net.proj
    torch.testing.assert_close(net(tokens, (2, 3), first_frame=7), expected)
    assert not torch.allclose(net(tokens, (2, 3), first_frame=0), expected, atol=1e-3)


def test_widths_and_grids_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="divisible by 8"):
        Resampler3D(16, 36)
    with pytest.raises(ValueError, match="grid of 2 x 4"):
        Resampler3D(16, 32)(torch.zeros(3, 6, 16), (2, 4))
