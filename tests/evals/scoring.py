"""Scores of one answer against dated truth. Pure; `test_scoring.py` holds them to hand-worked cases."""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[float, float]


def overlap_s(a: Span, b: Span) -> float:
    """Seconds two spans share."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def citation_hit(cited: Span | None, truth: Sequence[Span]) -> bool:
    """Whether at least half of the cited span, or of a true span, lies in the other: a citation that covers a whole
    long video hits only what is nearly as long."""
    if cited is None:
        return False
    for true in truth:
        shared = overlap_s(cited, true)
        longest = max(cited[1] - cited[0], true[1] - true[0], 1e-9)
        if shared / longest >= 0.5 or (shared > 0 and shared >= 0.5 * (cited[1] - cited[0])):
            return True
    return False


def word_hit(answer: str, words: Sequence[str]) -> bool:
    """Whether the answer says one of the words, singular or plural, as a word of its own."""
    return any(re.search(rf"\b{re.escape(word)}(?:s|es)?\b", answer, re.IGNORECASE) for word in words)
