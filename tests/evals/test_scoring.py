"""The scorers, worked out by hand."""

from __future__ import annotations

import pytest

from tests.evals.scoring import Span, citation_hit, overlap_s, word_hit


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


def test_words_are_whole_and_may_be_plural() -> None:
    assert word_hit("Two bottles stand there.", ["bottle"])
    assert word_hit('It says "JD".', ["jd"])
    assert not word_hit("A scary caricature", ["car"])
