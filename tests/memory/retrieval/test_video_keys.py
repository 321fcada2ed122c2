from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from memory.index.base import key_id
from memory.records import Hit, KeyedSpan, TimeSpan
from memory.retrieval.video_keys import VideoKeys


def cube(ordinal: int, kinds: tuple[str, ...], value: float = 1.0) -> KeyedSpan:
    keys = np.full((len(kinds), 2), value, np.float16)
    return KeyedSpan(ordinal, TimeSpan(2.0 * ordinal, 2.0 * ordinal + 2), keys, kinds)


batches = st.lists(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=40), max_size=8)


@given(batches)
@settings(deadline=None)
def test_views_stay_as_they_were_while_it_grows(sizes: list[list[list[str]]]) -> None:
    keys, ordinal, views, kinds = VideoKeys(2), 0, [VideoKeys(2).view()], []
    for batch in sizes:
        fresh = [cube(ordinal + i, tuple(names), ordinal + i) for i, names in enumerate(batch)]
        ordinal += len(fresh)
        kinds += [added.key_kinds for added in fresh]
        keys.extend(fresh)
        views.append(keys.view())
    for view in views:
        expected = [name for names in kinds[: len(view)] for name in names]
        assert [view.kind(row) for row in range(len(view.rows))] == expected
        assert view.rows[:, 0].tolist() == [i for i, names in enumerate(kinds[: len(view)]) for _ in names]
        assert view.spans.tolist() == [[2.0 * i, 2.0 * i + 2] for i in range(len(view))]
        slots = [key_id(7, i, slot) for i, names in enumerate(kinds[: len(view)]) for slot in range(len(names))]
        assert view.ids(7).tolist() == slots
        assert view.ids(7, len(view) // 2).tolist() == [
            key for key in slots if (key >> 8) % (1 << 24) >= len(view) // 2
        ]


def test_it_goes_on_from_a_view_and_leaves_the_view_alone() -> None:
    first = VideoKeys(2)
    first.extend([cube(0, ("a",)), cube(1, ("b", "a"))])
    view = first.view()
    second = VideoKeys.of(view)
    second.extend([cube(2, ("c",))])
    first.extend([cube(2, ("d", "d"))])
    assert (second.view().kind(3), first.view().kind(3), len(view)) == ("c", "d", 2)
    assert view.hits("v", np.array([1]), np.array([0.5]), np.array([2])) == [Hit("v", 1, TimeSpan(2, 4), 0.5, "a")]
    assert view.hits("v", np.array([0])) == [Hit("v", 0, TimeSpan(0, 2), 0.0, "")]


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    keys = VideoKeys(2)
    wrong = KeyedSpan(0, TimeSpan(0, 1), np.zeros((1, 2), np.float16), ("a", "b"))
    many = [cube(i, tuple(f"{i}-{j}" for j in range(100))) for i in range(3)]
    for fresh in ([cube(0, ("a",)), wrong], many):
        with pytest.raises(ValueError, match="kinds"):
            keys.extend(fresh)
        assert len(keys.view()) == 0
    keys.extend([cube(0, tuple("abc" * 86))])
    with pytest.raises(ValueError, match="no index id"):
        keys.view().ids(1)
