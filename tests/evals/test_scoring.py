"""Tests the scorers of `longwatch eval` on cases worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.evals.scoring import (
    Span,
    any_citation_hit,
    citation_hit,
    count_error,
    count_stated,
    invented_times,
    letter_stated,
    overlap_s,
    spans_stated,
    temporal_iou,
    time_error_s,
    word_hit,
)


def test_overlap_is_what_is_shared() -> None:
    assert overlap_s((0, 10), (5, 20)) == 5
    assert overlap_s((0, 5), (5, 9)) == 0


@pytest.mark.parametrize(
    ("cited", "hit"),
    [
        ((10.0, 20.0), True),
        ((12.0, 18.0), True),  # inside the truth
        ((5.0, 15.0), True),  # half of it
        ((0.0, 12.0), False),  # a sixth of it
        ((0.0, 100.0), False),  # covers everything
        ((20.0, 30.0), False),
        (None, False),
    ],
)
def test_a_citation_hits_by_half(cited: Span | None, hit: bool) -> None:
    assert citation_hit(cited, [(10.0, 20.0)]) is hit


def test_any_citation_may_hit() -> None:
    assert any_citation_hit([(0, 5), (12, 18)], [(10, 20)])
    assert not any_citation_hit([(0, 5), (30, 40)], [(10, 20)])
    assert not any_citation_hit([], [(10, 20)])


def test_temporal_iou_counts_each_second_once() -> None:
    assert temporal_iou([(0, 10)], [(5, 15)]) == pytest.approx(5 / 15)
    assert temporal_iou([(0, 10), (5, 10)], [(0, 10)]) == 1.0  # cited twice
    assert temporal_iou([], [(0, 10)]) == 0.0
    assert temporal_iou([], []) is None


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=4),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=4),
)
def test_temporal_iou_is_the_slow_count_of_seconds(ours: list[Span], theirs: list[Span]) -> None:
    cited, truth = ([(a, a + n) for a, n in spans] for spans in (ours, theirs))
    seconds = [{second for a, b in spans for second in range(a, b)} for spans in (cited, truth)]
    either = seconds[0] | seconds[1]
    wanted = len(seconds[0] & seconds[1]) / len(either) if either else None
    assert temporal_iou(cited, truth) == (None if wanted is None else pytest.approx(wanted))


def test_spans_and_moments_are_read_off_a_sentence() -> None:
    assert spans_stated("Seen from 0:10 to 0:20 and at 1:05.") == [(10, 20), (65, 65)]
    assert spans_stated("between 90 s and 2:00, not before") == [(90, 120)]
    assert spans_stated("A cat is seen.") == []


@pytest.mark.parametrize(
    ("text", "question", "error"),
    [
        ("It is seen from 0:12 to 0:18.", "", 2.0),  # its start is 2 s late
        ("It is seen at 0:15.", "", 0.0),  # inside
        ("It is seen at 0:24.", "", 4.0),
        ("From 0:10 to 0:20 and from 0:50 to 0:56.", "", 5.0),  # 0 and 10, nearest true start being 40
        ("At 0:17: a cat.", "What is there at 0:17?", None),  # only the question's own time
        ("It is seen.", "", None),
    ],
)
def test_time_error_is_the_mean_distance(text: str, question: str, error: float | None) -> None:
    assert time_error_s(text, [(10, 20), (40, 45)], question) == error


def test_times_that_nothing_holds_are_invented() -> None:
    memory = [(10.0, 20.0), (60.0, 65.5)]
    assert invented_times("From 0:10 to 0:20, and from 1:00 to 1:05.", memory) == []
    assert invented_times("From 0:10 to 0:20, and at 0:40.", memory) == [40]
    assert invented_times("At 0:40: nothing.", memory, "What is there at 0:40?") == []
    assert invented_times("A cat, twice.", []) == []
    assert invented_times("It is seen for 40 s: 0:10 to 0:20.", memory) == []
    assert invented_times('The screen says "Closes at 17:30" from 1:00 to 1:05.', memory) == []
    assert invented_times("At 0:21.", memory) == [21]  # a whole second beside


def test_words_are_whole_and_may_be_plural() -> None:
    assert word_hit("Two bottles stand there.", ["bottle"])
    assert word_hit('It says "JD".', ["jd"])
    assert not word_hit("A scary caricature", ["car"])
    assert not word_hit("Nothing here", ["cat", "dog"])


def test_of_every_group_of_synonyms_one_word_is_said() -> None:
    groups = [["cat", "kitten"], ["sofa", "couch"]]
    assert word_hit("A kitten on the couch", groups)
    assert not word_hit("A kitten on the floor", groups)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("A person is seen 6 times: 0:06 to 0:19.", 6),
        ("It is seen once: 0:10.", 1),
        ("twice", 2),
        ("There are three cats.", 3),
        ("From 0:10 to 0:20.", None),  # times are no counts
    ],
)
def test_a_count_is_no_time(text: str, stated: int | None) -> None:
    assert count_stated(text) == stated
    assert count_error(text, 4) == (None if stated is None else abs(stated - 4))


def test_letters_are_read_where_they_stand_alone() -> None:
    assert [letter_stated(text, 4) for text in ("B", "(C)", "A. red", "The answer is D.")] == [1, 2, 0, 3]
    assert letter_stated("A cat is seen.", 4) is None
    assert letter_stated("E", 4) is None
