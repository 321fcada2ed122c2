from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import memory.retrieval.scan
from memory.records import F32, KeyedSpan, TimeSpan
from memory.retrieval.followed_videos import VideoView
from memory.retrieval.retriever import RetrievalRequest, _retrieved
from memory.retrieval.scan import CODED_FROM, KeyScanner
from memory.retrieval.scored_cubes import ScoredCubes
from memory.retrieval.selection import Order, candidates
from memory.retrieval.video_keys import KeysView, VideoKeys
from tests.memory.retrieval import retrieval_oracle

NAN, INF = float("nan"), float("inf")
RED, GREEN = np.eye(3, dtype=np.float32)[:2]


def view(*cubes: list[list[float]]) -> KeysView:
    keys = VideoKeys(3)
    keys.extend(
        [
            KeyedSpan(i, TimeSpan(i, i + 1), np.array(rows, np.float16).reshape(-1, 3), ("seen",) * len(rows))
            for i, rows in enumerate(cubes)
        ]
    )
    return keys.view()


def scored(
    keys: KeysView, vector: F32 | None = RED, threshold: float = 0.5, best: int = 9, **more: bool
) -> ScoredCubes:
    return ScoredCubes("v", keys, KeyScanner(3), vector, None, None, threshold, best, **more)


def test_damaged_and_missing_keys_are_passed_over() -> None:
    result = scored(view([[NAN, 0, 0]], [], [[NAN, 0, 0], [0.5, 0, 0], [0.5, 0, 0]], [[INF, 0, 0]], []))
    assert (result.cubes.tolist(), result.scores.tolist()) == ([2], [0.5])
    for nothing in (view(), view([], []), view([[NAN, 0, 0]])):
        assert scored(nothing).cubes.tolist() == []
        assert scored(nothing, every=True).hits_at(np.zeros(0, np.intp))[0] == []


def test_a_cube_is_found_by_the_first_of_its_best_keys() -> None:
    result = scored(view([[0, 1, 0]], [[0.25, 0, 0], [0.5, 0, 0], [0.5, 1, 0]], [[1, 0, 0]]))
    hits, keys, which = result.hits_at(np.array([1, 2]))
    assert [(hit.ordinal, hit.score) for hit in hits] == [(1, 0.5), (2, 1.0)]
    assert keys[which].tolist() == [[0.5, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("every", [False, True])
def test_what_is_neither_near_nor_best_may_be_passed_over(every: bool) -> None:
    keys = view(*[[[i / 100, 1 - i / 100, 0]] for i in range(100)])
    result = scored(keys, threshold=0.895, best=2, every=every)
    assert result.cubes.tolist()[-10:] == list(range(90, 100))
    assert (len(result.cubes) == 100) == every
    hits, _, _ = result.hits_at(np.arange(len(result.cubes)))
    assert [hit.score for hit in hits] == [float(np.float32(np.float16(i / 100))) for i in result.cubes]


def test_a_key_that_most_cubes_have_hides_nothing() -> None:
    keys = view(*[[[0.75, 0, 0], [0, 1, 0]] for _ in range(50)], [[0.5, 0, 0]], *[[[1, 0, 0], [0, 0, 1]]] * 50)
    assert scored(keys, threshold=2.0, best=50).cubes.tolist() == [*range(50), *range(51, 101)]
    assert scored(keys, threshold=2.0, best=25).cubes.tolist() == [*range(51, 101)]
    assert scored(keys, threshold=0.5, best=40).cubes.tolist() == [*range(101)]
    assert scored(keys, threshold=2.0, best=101).cubes.tolist() == [*range(101)]
    _, different, which = scored(keys).hits_at(np.arange(101))
    assert (len(different), len(which)) == (3, 101)


KINDS = ("seen", "text")
rows = st.lists(st.sampled_from([-1.0, 0.3, 0.301, 0.302, 0.303, 0.6, NAN, INF]), min_size=2, max_size=2)
cubes = st.lists(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(KINDS)), max_size=4), max_size=12)
spans = st.none() | st.tuples(st.integers(0, 12), st.integers(0, 6)).map(lambda at: TimeSpan(at[0], sum(at)))


@given(
    *(st.lists(rows, min_size=6, max_size=6), cubes, st.integers(0, 3)),
    *(st.sampled_from([-1.0, 0.3, 0.42, 2.0]), spans, st.none() | st.sampled_from([("seen",), ("text",), ()])),
    *(st.sampled_from(["score", "first", "last", "time"]), st.integers(0, 9), st.booleans()),
)
@settings(deadline=None, max_examples=300)
def test_few_keys_many_times_are_recalled_as_if_each_were_scored(
    pool: list[list[float]],
    which: list[list[tuple[int, str]]],
    later: int,
    threshold: float,
    span: TimeSpan | None,
    kinds: tuple[str, ...] | None,
    order: Order,
    limit: int,
    coded: bool,
) -> None:
    """Damaged keys among them, by codes or not, and of a moment behind which more was taken in already."""
    array = np.array(pool, np.float16)
    spanned = [
        KeyedSpan(
            i, TimeSpan(i, i + 1), array[[at for at, _ in picks]].reshape(-1, 2), tuple(kind for _, kind in picks)
        )
        for i, picks in enumerate(which)
    ]
    keys, scanner, vector = VideoKeys(2), KeyScanner(2), np.array([0.8, 0.6], np.float32)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(memory.retrieval.scan, "CODED_FROM", 1 if coded else CODED_FROM)
        now = len(spanned) - min(later, len(spanned))
        keys.extend(spanned[:now])
        asked = keys.view()
        keys.extend(spanned[now:])
        scanner.scan(keys.view().rows, vector)
        request = RetrievalRequest(vector, threshold, span, kinds, limit, 1.5, order)
        retrieval = _retrieved("v", VideoView(((asked, scanner),), ""), request)
    with np.errstate(invalid="ignore"):  # infinity times nothing
        every = retrieval_oracle.hits(vector, "v", [_only(cube, kinds) for cube in spanned[:now]], span)
    wanted = candidates(np.array([hit.score for hit in every]), order, limit, threshold)
    assert list(retrieval.hits) == [every[i] for i in wanted]
    assert (retrieval.evidence, retrieval.cubes) == (retrieval_oracle.evidence(every, threshold, 1.5), now)


def _only(cube: KeyedSpan, kinds: tuple[str, ...] | None) -> KeyedSpan:
    """The cube with its keys of these kinds."""
    kept = [i for i, kind in enumerate(cube.key_kinds) if kinds is None or kind in kinds]
    return replace(cube, keys=cube.keys[kept].reshape(-1, 2), key_kinds=tuple(cube.key_kinds[i] for i in kept))
