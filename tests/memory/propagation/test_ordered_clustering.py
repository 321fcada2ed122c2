from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from memory.propagation.ordered_clustering import Prices, Weighted, merged


def tokens(count: int, seed: int, dim: int = 4) -> Weighted:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim))
    places = np.stack([rng.uniform(0, 100, count), rng.uniform(0, 9, count), rng.uniform(0, 9, count)], axis=1)
    return Weighted.in_order(rows, rng.integers(1, 50, count).astype(np.float64), places)


def slowly_merged(given: Weighted, size: int, prices: Prices) -> Weighted:
    """The same in plain loops: every price of every pair anew before every merge."""
    when = given.places[:, 0]
    lasted = when.max() - when.min()
    mean = np.average(given.rows, axis=0, weights=given.mass)
    variance = np.average(((given.rows - mean) ** 2).sum(axis=1), weights=given.mass)
    kept = [(row, float(mass), place) for row, mass, place in zip(given.rows, given.mass, given.places, strict=True)]
    while len(kept) > size:
        best = None
        for i, (row, mass, place) in enumerate(kept):
            for j in range(i + 1, len(kept)):
                other, mass2, place2 = kept[j]
                apart = ((row - other) ** 2).sum() + prices.time * variance * ((place[0] - place2[0]) / lasted) ** 2
                price = (mass * mass2 / (mass + mass2)) ** prices.rarity * apart
                if best is None or price < best[0] * (1 - 1e-12):
                    best = (price, i, j)
        assert best is not None
        _, i, j = best
        (row, mass, place), (other, mass2, place2) = kept[i], kept.pop(j)
        share = mass / (mass + mass2)
        kept[i] = (share * row + (1 - share) * other, mass + mass2, share * place + (1 - share) * place2)
    kept.sort(key=lambda token: token[2][0])
    return Weighted(np.stack([k[0] for k in kept]), np.array([k[1] for k in kept]), np.stack([k[2] for k in kept]))


@given(
    st.integers(2, 14),
    st.integers(1, 10),
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 1.0, 50.0]),
)
@settings(max_examples=60, deadline=None)
def test_it_is_what_plain_loops_make_of_it(count: int, size: int, seed: int, rarity: float, time: float) -> None:
    given_tokens = tokens(count, seed)
    fast = merged(given_tokens, size, Prices(rarity, time))
    slow = slowly_merged(given_tokens, size, Prices(rarity, time))
    np.testing.assert_allclose(fast.rows, slow.rows, atol=1e-9)
    np.testing.assert_allclose(fast.mass, slow.mass, rtol=1e-12)
    np.testing.assert_allclose(fast.places, slow.places, atol=1e-9)


@given(st.integers(1, 20), st.integers(1, 12), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_means_lie_inside_what_they_are_means_of(count: int, size: int, seed: int) -> None:
    before = tokens(count, seed)
    after = merged(before, size, Prices())
    assert len(after.rows) == min(size, count)
    assert after.mass.sum() == pytest.approx(before.mass.sum(), rel=1e-12)
    assert (np.diff(after.places[:, 0]) >= 0).all()
    for inside, hull in ((after.rows, before.rows), (after.places, before.places)):
        directions = np.random.default_rng(seed).normal(size=(hull.shape[1], 30))
        projected, limit = inside @ directions, hull @ directions
        assert (projected <= limit.max(axis=0) + 1e-9).all()
        assert (projected >= limit.min(axis=0) - 1e-9).all()


@given(st.integers(3, 20), st.integers(1, 6), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_what_is_not_merged_stays_to_the_bit(count: int, surplus: int, seed: int) -> None:
    before = tokens(count, seed)
    after = merged(before, max(count - surplus, 1), Prices())
    old = {row.tobytes() for row in before.rows}
    assert sum(row.tobytes() in old for row in after.rows) >= count - 2 * surplus


def test_at_rarity_one_it_is_wards_method() -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy", reason="scipy comes with scikit-image")
    rows = np.random.default_rng(0).normal(size=(20, 3))
    labels = hierarchy.fcluster(hierarchy.ward(rows), 6, "maxclust")
    expected = sorted(rows[labels == label].mean(axis=0).tolist() for label in np.unique(labels))
    places = np.zeros((20, 3))
    places[:, 0] = np.arange(20)
    got = merged(Weighted(rows, np.ones(20), places), 6, Prices(rarity=1.0, time=0.0))
    np.testing.assert_allclose(sorted(got.rows.tolist()), expected, atol=1e-9)


def test_time_keeps_apart_what_looks_alike() -> None:
    rows = np.array([[0.0], [1.0], [0.0], [1.0]])
    places = np.zeros((4, 3))
    places[:, 0] = [0.0, 1.0, 100.0, 101.0]
    four = Weighted(rows, np.ones(4), places)
    alike = merged(four, 2, Prices(time=0.0))
    assert sorted(alike.rows[:, 0].tolist()) == [0.0, 1.0]
    near = merged(four, 2, Prices(time=100.0))
    assert near.places[:, 0].tolist() == [0.5, 100.5]


def test_of_two_equal_prices_the_first_pair_is_merged() -> None:
    rows = np.array([[0.0], [1.0], [5.0], [6.0]])
    places = np.zeros((4, 3))
    places[:, 0] = np.arange(4)
    got = merged(Weighted(rows, np.ones(4), places), 3, Prices(time=0.0))
    assert got.rows[:, 0].tolist() == [0.5, 5.0, 6.0]


def test_tokens_of_one_moment_can_be_merged() -> None:
    still = Weighted(np.ones((3, 2)), np.ones(3), np.zeros((3, 3)))
    got = merged(still, 1, Prices())
    assert got.rows.tolist() == [[1.0, 1.0]]
    assert got.mass.tolist() == [3.0]
