"""Tests of borders: where they must be, where they must not, and that a restored stream draws the same ones."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.base import BoundaryReason, Frame, Segmenter
from encoders.pocket.vision import PocketFrameEncoder
from encoders.segmenters import default_segmenters
from encoders.segmenters.momentum import MomentumSegmenter
from encoders.segmenters.uniform import UniformSegmenter

Borders = list[tuple[int, BoundaryReason]]


def borders(cubing: Segmenter, frames: torch.Tensor, seconds: float = 1.0) -> Borders:
    """Steps at which a cube ended, and why; frames [T, N, D] are `seconds` apart."""
    reasons = [(step, cubing.step(tokens, step * seconds)) for step, tokens in enumerate(frames)]
    return [(step, reason) for step, reason in reasons if reason is not None]


def scenes(*lengths: int, places: int = 25, dim: int = 16, noise: float = 0.05, seed: int = 0) -> torch.Tensor:
    """Still scenes that have nothing in common, one after the other, with noise."""
    generator = torch.Generator().manual_seed(seed)
    held = [torch.randn(1, places, dim, generator=generator).expand(n, -1, -1) for n in lengths]
    frames = torch.cat(held)
    return frames + noise * torch.randn(frames.shape, generator=generator)


@st.composite
def streams(draw: st.DrawFn) -> torch.Tensor:
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    places, dim = draw(st.integers(1, 12)), draw(st.integers(1, 8))
    noise = draw(st.sampled_from([0.0, 0.05, 1.0]))
    return scenes(*lengths, places=places, dim=dim, noise=noise, seed=draw(st.integers(0, 2**31)))


@pytest.mark.parametrize("name", default_segmenters().names())
@settings(max_examples=60, deadline=None)
@given(frames=streams(), split=st.integers(0, 32))
def test_a_restored_stream_draws_the_same_borders(name: str, frames: torch.Tensor, split: int) -> None:
    make = default_segmenters().get(name)
    whole = make()
    expected = borders(whole, frames)
    first, second = make(), make()
    got = borders(first, frames[:split])
    second.restore(first.state())
    for step in range(min(split, len(frames)), len(frames)):
        reason = second.step(frames[step], float(step))
        if reason is not None:
            got.append((step, reason))
    assert got == expected
    assert second.state() == whole.state()


@pytest.mark.parametrize("name", default_segmenters().names())
@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_values_that_are_no_numbers_are_refused_and_leave_no_trace(name: str, bad: float) -> None:
    cubing = default_segmenters().get(name)()
    cubing.step(torch.ones(4, 3), 0.0)
    before = cubing.state()
    with pytest.raises(ValueError, match="NaN or infinity"):
        cubing.step(torch.full((4, 3), bad), 1.0)
    assert cubing.state() == before


@pytest.mark.parametrize("name", default_segmenters().names())
def test_steps_of_another_shape_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"must be \[N, D\]"):
        default_segmenters().get(name)().step(torch.zeros(1, 4, 3), 0.0)


def test_one_stream_holds_one_shape() -> None:
    cubing = MomentumSegmenter()
    cubing.step(torch.zeros(4, 3), 0.0)
    with pytest.raises(ValueError, match="one shape"):
        cubing.step(torch.zeros(5, 3), 1.0)


@pytest.mark.parametrize("options", [{"min_steps": 0}, {"max_s": 0.0}, {"alpha": 0.0}, {"window": 0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        default_segmenters().get("momentum")(**options)


def test_uniform_borders_come_by_the_clock_alone() -> None:
    frames = torch.zeros(13, 4, 3)
    assert borders(UniformSegmenter(2.0), frames, seconds=0.5) == [(4, "limit"), (8, "limit"), (12, "limit")]


def test_a_uniform_cube_that_does_not_last_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        UniformSegmenter(0.0)


def test_hard_cuts_are_borders_and_have_no_echo() -> None:
    assert borders(MomentumSegmenter(), scenes(6, 9, 2, 3, 12)) == [(s, "change") for s in (6, 15, 17, 20)]


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_scene_that_stays_is_one_cube(noise: float) -> None:
    assert borders(MomentumSegmenter(), scenes(80, noise=noise)) == []


def test_the_longest_cube_ends_at_its_limit() -> None:
    assert borders(MomentumSegmenter(), scenes(25), seconds=60.0) == [(10, "limit"), (20, "limit")]


def test_a_limit_counts_from_the_last_border() -> None:
    drawn = borders(MomentumSegmenter(max_s=10.0), scenes(6, 20))
    assert drawn == [(6, "change"), (16, "limit")]


def test_a_slow_pan_is_one_cube() -> None:
    wide = torch.randn(40, 64, 8, generator=torch.Generator().manual_seed(1)).cumsum(dim=0)
    wide = (wide - wide.mean(dim=0)) / wide.std(dim=0)
    between = torch.linspace(0, 20, 60)
    frames = torch.stack([wide[int(b) : int(b) + 8].lerp(wide[int(b) + 1 : int(b) + 9], float(b % 1)) for b in between])
    assert borders(MomentumSegmenter(), frames.flatten(1, 2)) == []


def test_a_visitor_comes_and_goes() -> None:
    frames = scenes(60, places=100)
    visitor = torch.randn(18, 16, generator=torch.Generator().manual_seed(5))
    frames[20:40, 30:48] = visitor + 0.05 * torch.randn(20, 18, 16, generator=torch.Generator().manual_seed(6))
    assert borders(MomentumSegmenter(), frames) == [(20, "change"), (40, "change")]


@settings(max_examples=30, deadline=None)
@given(frames=streams(), scale=st.sampled_from([0.25, 8.0]), offset=st.sampled_from([0.0, 4.0]))
def test_borders_do_not_depend_on_the_unit_or_on_a_common_offset(
    frames: torch.Tensor, scale: float, offset: float
) -> None:
    frames = (frames * 64).round() / 64  # so that scaling and adding are exact
    assert borders(MomentumSegmenter(), frames * scale + offset) == borders(MomentumSegmenter(), frames)


def test_the_callers_buffer_may_be_used_again() -> None:
    frames, buffer, cubing = scenes(6, 6), torch.empty(25, 16), MomentumSegmenter()
    reasons = [cubing.step(buffer.copy_(frame), float(step)) for step, frame in enumerate(frames)]
    assert [step for step, reason in enumerate(reasons) if reason] == [6]


def test_after_a_cut_a_livelier_scene_is_not_judged_by_the_quiet_one_before() -> None:
    frames = scenes(40, 20, noise=0.0)
    frames[44:] += 0.25 * torch.randn(16, 25, 16, generator=torch.Generator().manual_seed(7))
    assert borders(MomentumSegmenter(), frames) == [(40, "change")]


def test_more_happening_makes_more_cubes() -> None:
    counts = [len(borders(MomentumSegmenter(), scenes(*[60 // n] * n))) for n in (1, 2, 4, 10)]
    assert counts == [0, 1, 3, 9]


def _picture(rgb: np.ndarray, left: int, generator: np.random.Generator) -> np.ndarray:
    view = rgb[:, left : left + 400].astype(np.int16) + generator.integers(-4, 5, (len(rgb), 400, 3), np.int16)
    return np.clip(view, 0, 255).astype(np.uint8)


def test_borders_of_real_pictures_through_the_real_encoder() -> None:
    """A still, a cut, a slow pan, a cut, a still into which something comes and from which it goes."""
    generator = np.random.default_rng(0)
    size = (640, 400)
    cat, coffee, face = (cv2.resize(p, size) for p in map(np.ascontiguousarray, _pictures()))
    shown = [_picture(cat, 0, generator) for _ in range(6)]
    shown += [_picture(coffee, 6 * i, generator) for i in range(12)]
    visited = face.copy()
    visited[120:330, 20:180] = cat[100:310, 200:360]
    shown += [_picture(visited if 6 <= i < 12 else face, 0, generator) for i in range(18)]
    tokens = PocketFrameEncoder().encode([Frame(rgb, float(i)) for i, rgb in enumerate(shown)]).tokens[0]
    assert borders(MomentumSegmenter(), tokens) == [(s, "change") for s in (6, 18, 24, 30)]


def _pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut()
