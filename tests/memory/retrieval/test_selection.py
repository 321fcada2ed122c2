from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from memory.index.numpy_index import NumpyIndex
from memory.records import Appearances, Hit, TimeSpan
from memory.retrieval.selection import (
    MOST_SPANS,
    IndexMatch,
    appearances,
    best_cubes,
    candidates,
    overlapping,
    select,
)
from tests.memory.retrieval import retrieval_oracle

NAN, INF = float("nan"), float("inf")
RED = np.eye(3, dtype=np.float32)[0]

moments = st.sampled_from([0.0, 1.0, 2.5, 3.0, 7.0])
spans = st.tuples(moments, moments).map(lambda pair: TimeSpan(min(pair), max(pair)))
scores = st.lists(st.sampled_from([-INF, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0]), max_size=30)
orders = st.sampled_from(["score", "first", "last", "time"])


@given(st.lists(spans, max_size=12), spans)
@settings(deadline=None)
def test_spans_share_time_as_records_say(many: list[TimeSpan], other: TimeSpan) -> None:
    array = np.array([(span.start_s, span.end_s) for span in many]).reshape(-1, 2)
    assert overlapping(array, other).tolist() == [span.overlaps(other) for span in many]


@given(scores, orders, st.integers(0, 8), st.sampled_from([0.0, 0.5]))
@settings(deadline=None)
def test_candidates_are_the_preferred_ones(values: list[float], order: str, limit: int, threshold: float) -> None:
    chosen = candidates(np.array(values), order, limit, threshold).tolist()  # type: ignore[arg-type]
    allowed = [i for i, value in enumerate(values) if value > -INF]
    assert len(chosen) == min(limit, len(allowed))
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(allowed)
    if order == "score":
        assert chosen == sorted(sorted(allowed, key=lambda i: (-values[i], i))[:limit])
    supported = [i for i in allowed if values[i] >= threshold]
    if order == "first":
        assert set(supported[: limit // 2]) <= set(chosen)
    if order == "last" and limit > 1:
        assert set(supported[-(limit // 2) :]) <= set(chosen)


@pytest.mark.parametrize(
    ("order", "expected"), [("score", [1, 3]), ("first", [0, 1]), ("last", [3, 4]), ("time", [1, 3])]
)
def test_what_is_preferred_when_the_budget_binds(order: str, expected: list[int]) -> None:
    assert select(np.array([0.5, 0.9, 0.45, 0.8, 0.6]), 2, order) == expected  # type: ignore[arg-type]


@given(st.lists(st.floats(-1, 1, width=32), max_size=12), orders, st.integers(-1, 8), st.floats(0, 1), st.booleans())
@settings(deadline=None)
def test_the_budget_binds_and_time_runs_forward(
    values: list[float], order: str, room: int, diversity: float, with_alike: bool
) -> None:
    alike = np.eye(len(values), dtype=np.float32) if with_alike else None
    chosen = select(np.array(values), room, order, alike, diversity)  # type: ignore[arg-type]
    assert len(chosen) == max(min(room, len(values)), 0)
    assert chosen == sorted(set(chosen))
    if order == "score" and diversity == 0:
        assert chosen == sorted(sorted(range(len(values)), key=lambda i: (-values[i], i))[: max(room, 0)])


def test_diversity_takes_one_of_each_kind_first() -> None:
    values = np.array([0.9, 0.89, 0.88, 0.6, 0.5])
    alike = np.eye(5, dtype=np.float32)
    alike[:3, :3] = 1.0
    assert select(values, 3, alike=alike) == [0, 1, 2]
    assert select(values, 3, alike=alike, diversity=0.5) == [0, 3, 4]
    assert select(values, 4, alike=alike, diversity=0.5) == [0, 1, 3, 4]
    assert select(values, 3, diversity=0.5) == [0, 1, 2]  # likeness is not known
    alike[:3, :3] = 0.8  # of one sort, and not the same
    assert select(values, 3, alike=alike, diversity=0.25) == [0, 1, 2]
    with pytest.raises(ValueError, match="diversity"):
        select(values, 3, diversity=1.5)


def spread(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, np.float64).reshape(-1, 2)


def test_neighbours_are_one_appearance() -> None:
    rows = spread((0, 1), (1, 2), (3.5, 4.5), (30, 31))
    assert appearances(rows, 1.5) == Appearances(2, 0.0, 31.0, (TimeSpan(0, 4.5), TimeSpan(30, 31)))
    assert appearances(rows[::-1], 1.4).count == 3
    assert appearances(spread(), 1.0) == Appearances(0, None, None, ())
    assert appearances(spread((0, 10), (2, 3), (10, 11)), 0.0).spans == (TimeSpan(0, 11),)


@given(st.lists(spans, max_size=40), st.sampled_from([0.0, 0.5, 2.0]))
@settings(deadline=None)
def test_evidence_is_counted_as_one_would_by_hand(many: list[TimeSpan], gap_s: float) -> None:
    hits = [Hit("v", 0, span, 1.0, "seen") for span in many]
    expected = retrieval_oracle.evidence(hits, 0.5, gap_s)
    assert appearances(spread(*((span.start_s, span.end_s) for span in many)), gap_s) == expected


def test_evidence_keeps_the_first_spans() -> None:
    result = appearances(spread(*((2.0 * i, 2.0 * i + 1) for i in range(50))), 0.5)
    assert (result.count, result.last_s, len(result.spans)) == (50, 99.0, MOST_SPANS)


@pytest.mark.parametrize("gap_s", [-1.0, NAN])
def test_a_gap_is_a_length_of_time(gap_s: float) -> None:
    with pytest.raises(ValueError, match="gap"):
        appearances(spread(), gap_s)


def test_each_cube_is_found_once() -> None:
    index = NumpyIndex(3)
    index.add(1, 0, np.array([[1, 0, 0]] * 30))
    index.add(1, 1, np.array([[0.5, 0, 0]]))
    index.add(2, 0, np.array([[0, 1, 0], [0.75, 0, 0]]))
    matches = best_cubes(index, RED, 3)
    assert matches == [IndexMatch(1, 0, 0, 1.0), IndexMatch(2, 0, 1, 0.75), IndexMatch(1, 1, 0, 0.5)]
    assert best_cubes(index, RED, 1) == matches[:1]
    assert best_cubes(index, RED, 0) == []
