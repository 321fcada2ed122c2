from __future__ import annotations

import numpy as np
import pytest

from memory.first_pass import FirstPass
from memory.records import F32, KeyedSpan, TimeSpan
from memory.scored_cubes import ScoredCubes
from memory.video_keys import KeysView, VideoKeys

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
    return ScoredCubes("v", keys, FirstPass(3), vector, None, None, threshold, best, **more)


def test_damaged_and_missing_keys_are_passed_over() -> None:
    found = scored(view([[NAN, 0, 0]], [], [[NAN, 0, 0], [0.5, 0, 0], [0.5, 0, 0]], [[INF, 0, 0]], []))
    assert (found.cubes.tolist(), found.scores.tolist()) == ([2], [0.5])
    for nothing in (view(), view([], []), view([[NAN, 0, 0]])):
        assert scored(nothing).cubes.tolist() == []
        assert scored(nothing, every=True).found(np.zeros(0, np.intp))[0] == []


def test_a_cube_is_found_by_the_first_of_its_best_keys() -> None:
    found = scored(view([[0, 1, 0]], [[0.25, 0, 0], [0.5, 0, 0], [0.5, 1, 0]], [[1, 0, 0]]))
    hits, keys, which = found.found(np.array([1, 2]))
    assert [(hit.ordinal, hit.score) for hit in hits] == [(1, 0.5), (2, 1.0)]
    assert keys[which].tolist() == [[0.5, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("every", [False, True])
def test_what_is_neither_near_nor_best_may_be_passed_over(every: bool) -> None:
    keys = view(*[[[i / 100, 1 - i / 100, 0]] for i in range(100)])
    found = scored(keys, threshold=0.895, best=2, every=every)
    assert found.cubes.tolist()[-10:] == list(range(90, 100))
    assert (len(found.cubes) == 100) == every
    hits, _, _ = found.found(np.arange(len(found.cubes)))
    assert [hit.score for hit in hits] == [float(np.float32(np.float16(i / 100))) for i in found.cubes]


def test_a_key_that_most_cubes_have_hides_nothing() -> None:
    keys = view(*[[[0.75, 0, 0], [0, 1, 0]] for _ in range(50)], [[0.5, 0, 0]], *[[[1, 0, 0], [0, 0, 1]]] * 50)
    assert scored(keys, threshold=2.0, best=50).cubes.tolist() == [*range(50), *range(51, 101)]
    assert scored(keys, threshold=2.0, best=25).cubes.tolist() == [*range(51, 101)]
    assert scored(keys, threshold=0.5, best=40).cubes.tolist() == [*range(101)]
    assert scored(keys, threshold=2.0, best=101).cubes.tolist() == [*range(101)]
    _, different, which = scored(keys).found(np.arange(101))
    assert (len(different), len(which)) == (3, 101)
