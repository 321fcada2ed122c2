from __future__ import annotations

import re

import hypothesis.strategies as st
from hypothesis import given

from pipeline.patterns import AnyOf

PARTS = (r"\bcats?\b", r"ca", r"(?<=a)t", r"^dog", r"dog$", r"a+")
ANY, WHOLE = AnyOf(*PARTS), re.compile("|".join(PARTS), re.IGNORECASE)


@given(st.text(alphabet="catdogs A", max_size=20))
def test_it_is_what_one_alternation_of_all_would_be(text: str) -> None:
    assert [match.span() for match in ANY.finditer(text)] == [match.span() for match in WHOLE.finditer(text)]
    assert ANY.sub("-", text) == WHOLE.sub("-", text)
    assert ANY.sub(lambda match: match[0].upper(), text) == WHOLE.sub(lambda match: match[0].upper(), text)
    for begin in range(len(text)):
        a, b = ANY.match(text, begin), WHOLE.match(text, begin)
        assert (a and a.span()) == (b and b.span())
