"""PVC's encoder: streaming equals offline, places stay apart, time is seen, shapes are the published ones."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.published.pvc import ProgressiveConfig, ProgressiveEncoder, pixel_unshuffle, sine_cosine

GRID = (4, 8)
Order = Literal["spatial_first", "temporal_first"]


def encoder(order: Order = "spatial_first", identity_start: bool = False, adaptive: bool = True) -> ProgressiveEncoder:
    torch.manual_seed(0)
    config = ProgressiveConfig(
        dim=12, heads=3, mlp_dim=24, out_dim=10, time_dim=8, temporal_layers=2,
        order=order, identity_start=identity_start, adaptive_projector=adaptive,
    )  # fmt: skip
    net = ProgressiveEncoder(config)
    if not identity_start:
        for name, parameter in net.named_parameters():
            if "modulation" in name:
                torch.nn.init.normal_(parameter, std=0.5)
    return net.double().requires_grad_(False)


def clip(frames: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(frames, 32, 12, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("order", ["spatial_first", "temporal_first"])
@settings(max_examples=25, deadline=None)
@given(frames=st.integers(1, 9), cuts=st.sets(st.integers(1, 8)), start=st.sampled_from([0.0, 3600.5]))
def test_streaming_with_carried_state_equals_the_offline_pass(
    order: Order, frames: int, cuts: set[int], start: float
) -> None:
    net, hidden, times = encoder(order), clip(frames), start + 0.5 * torch.arange(frames).double()
    whole, _ = net(hidden, GRID, times)
    edges = [0, *sorted(c for c in cuts if c < frames), frames]
    state, parts = None, []
    for a, b in pairwise(edges):
        tokens, state = net(hidden[a:b], GRID, times[a:b], state)
        parts.append(tokens)
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-9, atol=1e-9)


def test_a_frame_sees_earlier_frames_and_never_later_ones() -> None:
    net, times = encoder(), torch.arange(5).double()
    hidden, other = clip(5), clip(5)
    other[3] = clip(1, seed=2)[0]
    a, b = net(hidden, GRID, times)[0], net(other, GRID, times)[0]
    assert torch.equal(a[:3], b[:3])
    assert not torch.allclose(a[4], b[4])


def test_a_new_clip_owes_nothing_to_the_one_before_nor_to_the_time_of_day() -> None:
    net, hidden = encoder(), clip(3)
    early = net(hidden, GRID, torch.arange(3).double())[0]
    late = net(hidden, GRID, 7200.0 + torch.arange(3).double())[0]
    torch.testing.assert_close(early, late)


def test_frames_that_look_alike_say_different_things() -> None:
    net, still = encoder(), clip(1)[0]
    tokens = net.image(still, GRID)
    assert tokens.shape == (4 * 2, 10)
    first, *others = tokens.view(4, 2, 10)
    assert all((first - other).abs().max() > 1e-3 for other in others)


def test_untrained_time_leaves_the_image_model_as_it_was() -> None:
    net = encoder(identity_start=True)
    tokens = net(clip(1).expand(3, -1, -1), GRID, torch.arange(3).double())[0]
    torch.testing.assert_close(tokens[0], tokens[2])


def test_attention_over_time_keeps_places_apart() -> None:
    attention = encoder().layers[0].temporal
    a = clip(4)
    b = a.clone()
    b[:, 5] += 1.0
    elsewhere = torch.arange(32) != 5
    assert torch.equal(attention(a, None)[0][:, elsewhere], attention(b, None)[0][:, elsewhere])


def test_the_projector_can_do_without_the_time() -> None:
    assert encoder(adaptive=False)(clip(2), GRID, torch.arange(2).double())[0].shape == (2, 2, 10)


def test_published_widths_make_64_tokens_of_16384() -> None:
    assert pixel_unshuffle(torch.zeros(1, 32 * 32, 1024), (32, 32), 4).shape == (1, 64, 16384)
    config = ProgressiveConfig()
    assert (config.dim, config.unshuffle, config.time_dim) == (1024, 4, 256)


def test_unshuffling_keeps_blocks_and_their_patches_in_reading_order() -> None:
    places = torch.arange(16.0).view(1, 16, 1)
    blocks = pixel_unshuffle(places, (4, 4), 2)[0]
    assert blocks.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_times_are_told_apart_by_sines_and_cosines() -> None:
    table = sine_cosine(torch.tensor([0.0, 2.0]), 4)
    expected = torch.tensor([[0.0, 0, 1, 1], [2.0, 0.02, 0, 0]]).double()
    expected[1] = torch.cat([expected[1, :2].sin(), expected[1, :2].cos()])
    torch.testing.assert_close(table, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "grid", "times"), [((2, 31, 12), GRID, 2), ((2, 32, 12), GRID, 3), ((0, 32, 12), GRID, 0)]
)
def test_frames_that_do_not_fit_are_refused(shape: tuple[int, ...], grid: tuple[int, int], times: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        encoder()(torch.zeros(shape).double(), grid, torch.zeros(times))


def test_a_grid_that_cannot_be_cut_into_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks of 4"):
        pixel_unshuffle(torch.zeros(1, 36, 2), (6, 6), 4)
