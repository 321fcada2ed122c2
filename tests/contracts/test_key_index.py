"""The contract of `memory.index.base.KeyIndex`: the plain index and FAISS give the same answers to the bit."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from memory.index.base import MAX_ORDINAL, KeyIndex, cube_ids, key_id, split_id
from memory.index.faiss_index import FaissIndex
from memory.index.ivf import Lists
from memory.index.numpy_index import NumpyIndex

DIM = 6


def trained(dim: int) -> FaissIndex:
    """An empty IVF-Flat whose four lists are all looked into."""
    centroids = np.eye(dim, dtype=np.float32)[:4]
    return FaissIndex(dim, lists=Lists(centroids, 4, np.zeros(0, np.int64), np.zeros(0, np.int32)))


MAKERS: dict[str, Callable[[int], KeyIndex]] = {"numpy": NumpyIndex, "faiss": FaissIndex, "ivf": trained}

# Few distinct values, so that ties are the rule.
rows = st.lists(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=DIM, max_size=DIM), min_size=1, max_size=4)
cubes = st.tuples(st.integers(1, 4), st.integers(0, 5), rows)
videos = st.none() | st.lists(st.integers(1, 5), max_size=4)
steps = st.lists(st.tuples(st.just("add"), cubes) | st.tuples(st.just("remove"), st.integers(1, 4)), max_size=25)


@pytest.fixture(params=sorted(MAKERS))
def index(request: pytest.FixtureRequest) -> KeyIndex:
    return MAKERS[request.param](DIM)


def unit(*hot: int) -> np.ndarray:
    keys = np.zeros((len(hot), DIM), np.float32)
    keys[np.arange(len(hot)), hot] = 1.0
    return keys


@given(
    steps=steps,
    query=st.lists(st.floats(-1, 1, width=32), min_size=DIM, max_size=DIM),
    among=videos,
    limit=st.integers(0, 19),
)
@settings(max_examples=150, deadline=None)
def test_both_give_the_same_after_any_history(
    steps: list, query: list[float], among: list[int] | None, limit: int
) -> None:
    oracle, flat, ivf = NumpyIndex(DIM), FaissIndex(DIM), trained(DIM)
    for what, value in steps:
        if what == "add":
            number, ordinal, keys = value
            for target in (oracle, flat, ivf):
                target.add(number, ordinal, np.array(keys, np.float16))
        else:
            assert oracle.remove_video(value) == flat.remove_video(value) == ivf.remove_video(value)
    assert len(oracle) == len(flat) == len(ivf)
    vector = np.array(query, np.float32)
    assert flat.search(vector, limit, among) == oracle.search(vector, limit, among)
    assert ivf.search(vector, limit, among) == oracle.search(vector, limit, among)


@given(seed=st.integers(0, 2**32 - 1), dim=st.sampled_from([3, 64, 384]), among=st.sampled_from([None, [2], [1, 3]]))
@settings(max_examples=25, deadline=None)
def test_both_give_the_same_on_many_close_keys(seed: int, dim: int, among: list[int] | None) -> None:
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=dim)
    oracle, fast = NumpyIndex(dim), FaissIndex(dim)
    for number in (1, 2, 3):
        for ordinal in range(20):
            keys = middle + rng.choice([0.0, 1e-4, 1e-7], size=(5, 1)) * rng.normal(size=(5, dim))
            keys = (keys / np.linalg.norm(keys, axis=1, keepdims=True)).astype(np.float32)
            for target in (oracle, fast):
                target.add(number, ordinal, keys)
    query = (middle / np.linalg.norm(middle)).astype(np.float32)
    assert fast.search(query, 9, among) == oracle.search(query, 9, among)


def test_the_best_come_first_and_ties_go_by_id(index: KeyIndex) -> None:
    index.add(2, 0, unit(0, 1))
    index.add(1, 7, unit(1, 0))
    index.add(1, 3, unit(1))
    best = index.search(unit(1)[0], 10)
    assert best[:3] == [(key_id(1, 3, 0), 1.0), (key_id(1, 7, 0), 1.0), (key_id(2, 0, 1), 1.0)]
    assert [score for _, score in best[3:]] == [0.0, 0.0]
    assert index.search(unit(1)[0], 2) == best[:2]


def test_a_search_stays_within_the_videos(index: KeyIndex) -> None:
    index.add(1, 0, unit(0))
    index.add(2, 0, unit(0))
    assert [split_id(i)[0] for i, _ in index.search(unit(0)[0], 10, [2])] == [2]
    assert index.search(unit(0)[0], 10, []) == []
    assert index.search(unit(0)[0], 10, [9]) == []


def test_adding_a_cube_again_changes_nothing(index: KeyIndex) -> None:
    index.add(1, 0, unit(0, 1))
    index.add(1, 0, unit(2, 3))
    assert len(index) == 2
    assert index.search(unit(2)[0], 1) == [(key_id(1, 0, 0), 0.0)]


def test_many_cubes_are_added_at_once(index: KeyIndex) -> None:
    index.add(1, 0, unit(0))
    ids = np.concatenate([cube_ids(1, 0, 2), cube_ids(2, 5, 1), cube_ids(1, 3, 2)])
    index.add_many(ids, unit(5, 5, 1, 2, 3))
    assert len(index) == 4  # the cube that was held stays as it was
    assert index.search(unit(5)[0], 1) == [(key_id(1, 0, 0), 0.0)]
    assert index.search(unit(3)[0], 1) == [(key_id(1, 3, 1), 1.0)]
    with pytest.raises(ValueError, match="keys are finite"):
        index.add_many(ids, unit(0))


def test_a_removed_video_is_gone_and_may_come_again(index: KeyIndex) -> None:
    index.add(1, 0, unit(0, 1))
    index.add(2, 0, unit(0))
    assert index.remove_video(1) == 2
    assert index.remove_video(1) == 0
    assert [i for i, _ in index.search(unit(0)[0], 10)] == [key_id(2, 0, 0)]
    index.add(1, 0, unit(5))
    assert index.search(unit(5)[0], 1) == [(key_id(1, 0, 0), 1.0)]


def test_an_empty_index_finds_nothing(index: KeyIndex) -> None:
    assert len(index) == 0
    assert index.search(unit(0)[0], 5) == []
    assert index.search(unit(0)[0], 0) == []


@pytest.mark.parametrize("keys", [np.zeros((1, DIM + 1)), np.zeros(DIM), np.full((1, DIM), np.nan)])
def test_keys_that_do_not_fit_are_refused(index: KeyIndex, keys: np.ndarray) -> None:
    with pytest.raises(ValueError, match="keys are finite"):
        index.add(1, 0, keys)
    assert len(index) == 0


@pytest.mark.parametrize("query", [np.zeros(DIM + 1), np.full(DIM, np.inf)])
def test_queries_that_do_not_fit_are_refused(index: KeyIndex, query: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a query is finite"):
        index.search(query, 1)


@pytest.mark.parametrize(
    ("number", "ordinal", "count"), [(0, 0, 1), (1 << 31, 0, 1), (1, MAX_ORDINAL + 1, 1), (1, 0, 257)]
)
def test_ids_that_do_not_fit_are_refused(index: KeyIndex, number: int, ordinal: int, count: int) -> None:
    with pytest.raises(ValueError, match="no index id"):
        index.add(number, ordinal, np.zeros((count, DIM), np.float32))
    assert len(index) == 0


@given(number=st.integers(1, (1 << 31) - 1), ordinal=st.integers(0, MAX_ORDINAL), slot=st.integers(0, 255))
@settings(deadline=None)
def test_ids_unpack_to_what_was_packed(number: int, ordinal: int, slot: int) -> None:
    packed = key_id(number, ordinal, slot)
    assert split_id(packed) == (number, ordinal, slot)
    assert 0 < packed < 1 << 63
