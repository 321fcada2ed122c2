from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from memory.numpy_index import NumpyIndex
from memory.records import Evidence, Hit, KeyedSpan, TimeSpan
from memory.selection import MOST_SPANS, Found, Query, evidence, hits, search_all, select

NAN = float("nan")
RED, DOG = np.eye(3, dtype=np.float32)[:2]


def keyed(ordinal: int, *rows: list[float], kinds: tuple[str, ...] | None = None) -> KeyedSpan:
    keys = np.array(rows, np.float16).reshape(len(rows), 3)
    span = TimeSpan(10.0 * ordinal, 10.0 * ordinal + 10)
    return KeyedSpan(ordinal, span, keys, kinds or tuple(f"k{i}" for i in range(len(rows))))


def hit(start_s: float, score: float, end_s: float | None = None) -> Hit:
    return Hit("v", int(start_s), TimeSpan(start_s, start_s + 1 if end_s is None else end_s), score, "seen")


def query(*vectors: np.ndarray, **fields: object) -> Query:
    rows = np.array(vectors, np.float32).reshape(len(vectors), 3)
    return Query(rows, **fields)  # type: ignore[arg-type]


scores = st.lists(st.floats(-1, 1, width=32), max_size=30)
orders = st.sampled_from(["score", "first", "last", "time"])


def test_a_hit_is_the_best_slot_over_all_vectors() -> None:
    found = hits(query(RED, DOG), "v", [keyed(1, [0.5, 0, 0], [0, 0.75, 0]), keyed(0, [0.25, 0, 0])])
    assert [(h.ordinal, h.score, h.kind) for h in found] == [(0, 0.25, "k0"), (1, 0.75, "k1")]
    assert found[0].video_id == "v"


def test_damaged_and_missing_keys_are_passed_over() -> None:
    spans = [keyed(0, [NAN, 0, 0]), keyed(1), keyed(2, [NAN, 0, 0], [0.5, 0, 0]), keyed(3, [np.inf, 0, 0])]
    assert [(h.ordinal, h.kind) for h in hits(query(RED), "v", spans)] == [(2, "k1")]


def test_only_allowed_times_are_looked_at() -> None:
    spans = [keyed(i, [1, 0, 0]) for i in range(5)]
    asked = query(RED, spans=(TimeSpan(0, 5), TimeSpan(30, 30)))
    assert [h.ordinal for h in hits(asked, "v", spans)] == [0, 3]
    assert hits(query(RED, spans=()), "v", spans) == []


def test_a_question_of_time_alone_needs_no_vector() -> None:
    spans = [keyed(i, [1, 0, 0]) for i in range(8)] + [keyed(8)]
    asked = query(order="time", cubes=3, threshold=0.9)
    assert [h.ordinal for h in select(asked, hits(asked, "v", spans), 1)] == [1, 4, 7]


@pytest.mark.parametrize(
    ("order", "expected"), [("score", [2, 6]), ("first", [0, 2]), ("last", [6, 8]), ("time", [2, 8])]
)
def test_what_is_preferred_when_the_budget_binds(order: str, expected: list[int]) -> None:
    found = [hit(0, 0.5), hit(2, 0.9), hit(4, 0.1), hit(6, 0.8), hit(8, 0.6)]
    chosen = select(query(RED, threshold=0.4, order=order, cubes=2), found, 1)
    assert [h.ordinal for h in chosen] == expected


@given(scores, orders, st.integers(0, 8), st.integers(0, 200), st.integers(1, 64))
@settings(deadline=None)
def test_both_budgets_bind_and_time_runs_forward(values: list, order: str, cubes: int, tokens: int, each: int) -> None:
    found = [hit(i, value) for i, value in enumerate(values)]
    chosen = select(query(RED, threshold=0.2, order=order, cubes=cubes, tokens=tokens), found, each)
    supported = sum(value >= 0.2 for value in values)
    assert len(chosen) == min(cubes, tokens // each, supported)
    assert chosen == sorted(set(chosen), key=lambda h: h.span)
    assert all(h.score >= 0.2 for h in chosen)


def test_nothing_above_the_threshold_selects_nothing() -> None:
    assert select(query(RED, threshold=0.5), [hit(0, 0.49), hit(1, NAN)], 16) == []


def test_neighbours_are_one_appearance() -> None:
    found = [hit(0, 0.9), hit(1, 0.9), hit(3.5, 0.9), hit(20, 0.1), hit(30, 0.9), hit(40, NAN)]
    assert evidence(found, 0.5, gap_s=1.5) == Evidence(2, 0.0, 31.0, (TimeSpan(0, 4.5), TimeSpan(30, 31)))
    assert evidence(reversed(found), 0.5, gap_s=1.4).count == 3


def test_no_appearance_is_a_count_of_zero() -> None:
    assert evidence([hit(0, 0.4)], 0.5, 1.0) == Evidence(0, None, None, ())


def test_a_span_within_another_does_not_end_it() -> None:
    assert evidence([hit(0, 1, 10), hit(2, 1, 3), hit(10, 1, 11)], 0.5, 0.0).spans == (TimeSpan(0, 11),)


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=60, unique_by=lambda pair: pair[0]))
@settings(deadline=None)
def test_evidence_counts_runs(marks: list[tuple[int, bool]]) -> None:
    seen = {second for second, shown in marks if shown}
    runs = sorted(second for second in seen if second - 1 not in seen)
    found = evidence([hit(second, 1.0 if shown else 0.0) for second, shown in marks], 0.5, 0.0)
    assert found.count == len(runs)
    assert [span.start_s for span in found.spans] == runs[:MOST_SPANS]


@pytest.mark.parametrize("gap_s", [-1.0, NAN])
def test_a_gap_is_a_length_of_time(gap_s: float) -> None:
    with pytest.raises(ValueError, match="gap"):
        evidence([], 0.5, gap_s)


@pytest.mark.parametrize("bad", [{"cubes": -1}, {"tokens": -1}])
def test_budgets_are_not_negative(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="budget"):
        query(RED, **bad)


def test_query_vectors_are_numbers() -> None:
    with pytest.raises(ValueError, match="finite"):
        query(np.array([NAN, 0, 0]))


def test_search_over_videos_names_each_cube_once() -> None:
    index = NumpyIndex(3)
    index.add(1, 0, np.array([[1, 0, 0]] * 30))
    index.add(1, 1, np.array([[0.5, 0, 0]]))
    index.add(2, 0, np.array([[0, 1, 0], [0.75, 0, 0]]))
    index.add(3, 0, np.array([[1, 0, 0]]))
    found = search_all(index, RED, 3, {1: "one", 2: "two"})
    assert found == [Found("one", 0, 0, 1.0), Found("two", 0, 1, 0.75), Found("one", 1, 0, 0.5)]
    assert search_all(index, RED, 1, {1: "one", 2: "two"}) == found[:1]
    assert search_all(index, RED, 3, {}) == []
