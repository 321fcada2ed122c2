from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from memory.propagation import MergingPropagator, NoPropagation, Propagator, propagator
from memory.records import GlobalMemory, TimeSpan

DIM = 5


def feed(
    model: Propagator, cubes: int, count: int = 16, seed: int = 0, memory: GlobalMemory | None = None
) -> GlobalMemory:
    rng = np.random.default_rng(seed)
    memory = memory or GlobalMemory.empty(DIM)
    for _ in range(cubes):
        start = memory.until_s
        positions = np.zeros((count, 3), np.float32)
        positions[:, 0] = np.sort(rng.uniform(start, start + 10, count))
        tokens = rng.normal(size=(2, count, DIM)).astype(np.float32)
        weights = rng.integers(1, 50, count).astype(np.float32)
        memory = model.update(memory, tokens, weights, positions, TimeSpan(start, start + 10))
    return memory


def one(value: float, time_s: float, weight: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, TimeSpan]:
    token = np.full((1, 1, DIM), value, np.float32)
    position = np.array([[time_s, 0, 0]], np.float32)
    return token, np.array([weight], np.float32), position, TimeSpan(time_s, time_s + 1)


def test_the_control_keeps_nothing_but_the_time() -> None:
    memory = feed(NoPropagation(DIM), 5)
    assert memory.tokens.shape == (0, DIM)
    assert memory.until_s == 50.0


def test_what_fits_is_kept_as_it_is() -> None:
    model = MergingPropagator(DIM, size=64)
    memory = feed(model, 4, count=16)
    assert memory.tokens.shape == (64, DIM)
    again = feed(model, 3, count=16)
    np.testing.assert_array_equal(memory.tokens[:48], again.tokens)


@given(st.integers(1, 8), st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_size_is_bounded_weights_are_kept_and_time_runs_forward(size: int, cubes: int, count: int, seed: int) -> None:
    memory = feed(MergingPropagator(DIM, size=size), cubes, count, seed)
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(cubes):
        rng.uniform(0, 1, count)
        rng.normal(size=(2, count, DIM))
        total += float(rng.integers(1, 50, count).sum())
    assert len(memory.tokens) == len(memory.weights) == len(memory.positions) <= size
    assert float(memory.weights.sum()) == pytest.approx(total, rel=1e-5)
    assert (np.diff(memory.positions[:, 0]) >= 0).all()
    assert all(a.dtype == np.float32 for a in (memory.tokens, memory.weights, memory.positions))


def test_restarted_equals_uninterrupted() -> None:
    whole = feed(MergingPropagator(DIM, size=8), 6, seed=3)
    again = feed(MergingPropagator(DIM, size=8), 6, seed=3)
    assert whole.tokens.tobytes() == again.tokens.tobytes()
    assert whole.positions.tobytes() == again.positions.tobytes()


def test_like_is_merged_with_like_and_means_are_weighted() -> None:
    model = MergingPropagator(DIM, size=2)
    memory = GlobalMemory.empty(DIM)
    for value, time_s, weight in [(0.0, 0.0, 1.0), (9.0, 1.0, 2.0), (1.0, 2.0, 3.0)]:
        memory = model.update(memory, *one(value, time_s, weight))
    np.testing.assert_allclose(memory.tokens[:, 0], [9.0, 0.75])
    np.testing.assert_allclose(memory.weights, [2.0, 4.0])
    np.testing.assert_allclose(memory.positions[:, 0], [1.0, 1.5])


def test_the_old_fades_by_its_share_of_time() -> None:
    model = MergingPropagator(DIM, size=1)
    memory = model.update(GlobalMemory.empty(DIM), *one(1.0, 0.0))
    for second in range(1, 100):
        memory = model.update(memory, *one(0.0, float(second)))
    np.testing.assert_allclose(memory.tokens, 0.01, rtol=1e-5)


@pytest.mark.parametrize(
    ("tokens", "weights", "why"),
    [
        (np.zeros((1, 2, DIM + 1)), np.ones(2), "not \\(1, 2, 6\\)"),
        (np.zeros((1, 2, DIM)), np.ones(3), "weights"),
        (np.full((1, 2, DIM), np.nan), np.ones(2), "NaN"),
        (np.zeros((1, 2, DIM)), np.zeros(2), "nothing"),
    ],
)
def test_what_does_not_fit_is_refused(tokens: np.ndarray, weights: np.ndarray, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MergingPropagator(DIM).update(
            GlobalMemory.empty(DIM), tokens, weights, np.zeros((2, 3), np.float32), TimeSpan(0, 1)
        )


def test_propagators_have_names() -> None:
    assert isinstance(propagator("none", DIM), NoPropagation)
    assert propagator("merging", DIM).dim == DIM
    with pytest.raises(ValueError, match="known: merging, none"):
        propagator("trained", DIM)
