from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from encoders.errors import UnknownName
from memory.propagation.propagators import MergingPropagator, NoPropagation, Propagator, propagator
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


def single_token(
    value: float, time_s: float, weight: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, TimeSpan]:
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
        memory = model.update(memory, *single_token(value, time_s, weight))
    np.testing.assert_allclose(memory.tokens[:, 0], [9.0, 0.75])
    np.testing.assert_allclose(memory.weights, [2.0, 4.0])
    np.testing.assert_allclose(memory.positions[:, 0], [1.0, 1.5])


def test_the_old_fades_by_its_share_of_time() -> None:
    model = MergingPropagator(DIM, size=1)
    memory = model.update(GlobalMemory.empty(DIM), *single_token(1.0, 0.0))
    for second in range(1, 100):
        memory = model.update(memory, *single_token(0.0, float(second)))
    np.testing.assert_allclose(memory.tokens, 0.01, rtol=1e-5)


def test_ten_thousand_updates_lose_no_weight() -> None:
    model = MergingPropagator(DIM, size=8)
    rng = np.random.default_rng(0)
    memory, total = GlobalMemory.empty(DIM), 0.0
    for second in range(10_000):
        weights = rng.uniform(1, 700, 2).astype(np.float32)
        positions = np.array([[second, 1, 2], [second + 0.5, 3, 4]], np.float32)
        tokens = rng.normal(size=(1, 2, DIM)).astype(np.float32)
        memory = model.update(memory, tokens, weights, positions, TimeSpan(second, second + 1))
        total += float(weights.astype(np.float64).sum())
    assert len(memory.weights) == 8
    assert float(memory.weights.astype(np.float64).sum()) == pytest.approx(total, rel=1e-5)
    assert float(np.average(memory.positions[:, 0], weights=memory.weights)) == pytest.approx(5000, rel=0.02)


def scenes(cubes: int, kinds: int = 12, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, TimeSpan]]:
    """Cubes of 8 tokens of 8 s: a few kinds of scene, coming back at random, each a little different every time."""
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(kinds, 8, DIM)) * 3
    stream = []
    for number in range(cubes):
        tokens = looks[rng.integers(kinds)] + rng.normal(size=(8, DIM)) * 0.3
        positions = np.zeros((8, 3), np.float32)
        positions[:, 0] = number * 8 + np.arange(8)
        span = TimeSpan(number * 8.0, number * 8.0 + 8)
        stream.append((tokens[None].astype(np.float32), np.full(8, 81, np.float32), positions, span))
    return stream


def test_after_ten_times_its_length_the_beginning_still_has_its_share() -> None:
    """Columns do not take part in merging, so here they carry which share of a token comes from the beginning."""
    model, memory = MergingPropagator(DIM), GlobalMemory.empty(DIM)
    beginning, left = 40, []
    for number, (tokens, weights, positions, span) in enumerate(scenes(10 * beginning), start=1):
        positions[:, 2] = number <= beginning
        memory = model.update(memory, tokens, weights, positions, span)
        share = float(np.average(memory.positions[:, 2], weights=memory.weights))
        assert share == pytest.approx(min(1.0, beginning / number), rel=1e-4), "nothing is lost, whatever is merged"
        left.append(int((memory.positions[:, 2] > 0.5).sum()))
    assert left[beginning] == 64
    assert left[-1] >= 3, "some tokens still stand for the beginning"
    assert max(a - b for a, b in itertools.pairwise(left)) <= 8, "a cube of 8 tokens pushes out no more than 8"


def test_a_rare_thing_stays_findable_and_keeps_its_time() -> None:
    cubes = scenes(300)
    rare = np.full(DIM, 20.0, np.float32)
    cubes[30][0][0, :4] = rare
    model, memory = MergingPropagator(DIM), GlobalMemory.empty(DIM)
    for cube in cubes:
        memory = model.update(memory, *cube)
    nearest = int(np.argmin(((memory.tokens - rare) ** 2).sum(axis=1)))
    np.testing.assert_allclose(memory.tokens[nearest], rare, atol=1.0)
    assert memory.positions[nearest, 0] == pytest.approx(30 * 8 + 1.5, abs=4)


def test_threads_change_nothing() -> None:
    """The same bytes whatever the number of threads numpy's libraries may use."""
    program = (
        "import hashlib, numpy as np\n"
        "from memory.propagation.propagators import MergingPropagator\n"
        "from memory.records import GlobalMemory, TimeSpan\n"
        "rng, memory = np.random.default_rng(0), GlobalMemory.empty(512)\n"
        "for s in range(12):\n"
        "    tokens = rng.normal(size=(1, 16, 512)).astype(np.float32)\n"
        "    places = np.full((16, 3), s, np.float32)\n"
        "    weights, span = np.ones(16, np.float32), TimeSpan(s, s + 1)\n"
        "    memory = MergingPropagator(512).update(memory, tokens, weights, places, span)\n"
        "print(hashlib.sha256(memory.tokens.tobytes() + memory.positions.tobytes()).hexdigest())\n"
    )
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **dict.fromkeys(names, threads)},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    }
    assert len(digests) == 1


def test_the_mean_is_one_token() -> None:
    memory = feed(propagator("mean", DIM), 5)
    assert memory.tokens.shape == (1, DIM)
    assert float(memory.positions[0, 0]) == pytest.approx(25, abs=5)


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
    with pytest.raises(UnknownName, match="known: mean, merging, none"):
        propagator("trained", DIM)
