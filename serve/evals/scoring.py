"""Scores one answer against dated truth. Pure; `tests/evals/test_scoring.py` checks it on hand-worked cases.

Spans are (start, end) in seconds. A score that does not apply to an answer or to a truth is None, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.answering.mentions import counts_in, figures, numbers_in, spanned, timed, times_in, without_quotes

Span = tuple[float, float]

CLOCK_S = 1.0
"""How far a time may be off and still be the same: the clock in an answer is rounded down to whole seconds."""


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


def any_citation_hit(cited: Sequence[Span], truth: Sequence[Span]) -> bool:
    """Whether one of the citations hits."""
    return any(citation_hit(span, truth) for span in cited)


def temporal_iou(cited: Sequence[Span], truth: Sequence[Span]) -> float | None:
    """Seconds in both over seconds in either, all citations against all true spans; None where both are empty."""
    ours, theirs = _union(cited), _union(truth)
    shared = sum(overlap_s(a, b) for a in ours for b in theirs)
    either = sum(end - start for start, end in ours) + sum(end - start for start, end in theirs) - shared
    return shared / either if either > 0 else None


def _union(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def spans_stated(text: str) -> list[Span]:
    """What a sentence dates: "A to B" as a span, a time on its own as a moment (start equal to end)."""
    text = figures(text)
    ranges = list(spanned(text))
    inside = [(start, end) for _, _, start, end in ranges]
    lone = [
        (seconds, seconds)
        for seconds, start, end in timed(text)
        if not any(first <= start and end <= last for first, last in inside)
    ]
    return sorted([(min(a, b), max(a, b)) for a, b, _, _ in ranges] + lone)


def time_error_s(text: str, truth: Sequence[Span], question: str = "") -> float | None:
    """Mean distance, in seconds, of the times the answer names from the truth: of a span its start from the nearest
    true start, of a moment the moment from the nearest true span (0 inside it). Times that only repeat the question's
    do not count; None where no other is named, or nothing is true."""
    asked = times_in(question)
    stated = [span for span in spans_stated(text) if not all(_near(time, asked) for time in span)]
    if not stated or not truth:
        return None
    return sum(_distance_s(span, truth) for span in stated) / len(stated)


def _distance_s(stated: Span, truth: Sequence[Span]) -> float:
    if stated[0] < stated[1]:
        return min(abs(stated[0] - start) for start, _ in truth)
    return min(max(start - stated[0], stated[0] - end, 0.0) for start, end in truth)


def invented_times(text: str, memory: Sequence[Span], question: str = "") -> list[float]:
    """Times in the text, in seconds, that are neither the question's nor, by `CLOCK_S`, within or at an end of a span
    the answer's memory holds (its citations and the spans of its evidence). How long something lasts ("for 40 s") and
    what the screen says ("12:30") are no moments of the video."""
    asked, text = times_in(question), figures(without_quotes(text))
    return [
        time
        for time, start, _ in timed(text)
        if not _LASTING.search(text, 0, start)
        and not _near(time, asked)
        and not any(a - CLOCK_S < time < b + CLOCK_S for a, b in memory)
    ]


_LASTING = re.compile(r"\b(?:for|lasts)\s$", re.IGNORECASE)


def _near(time: float, times: Sequence[float]) -> bool:
    return any(abs(time - other) < CLOCK_S for other in times)


def word_hit(answer: str, words: Sequence[str] | Sequence[Sequence[str]]) -> bool:
    """Whether the answer says the words, singular or plural, as words of their own: of a flat list one, of a list of
    groups one of every group."""
    groups = [words] if all(isinstance(word, str) for word in words) else words
    return all(any(_says(answer, str(word)) for word in group) for group in groups)


def _says(answer: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?:s|es)?(?!\w)", answer, re.IGNORECASE) is not None


def count_stated(text: str) -> int | None:
    """How often the answer says it happened: "3 times", "twice", else the first number that is no time."""
    counts = counts_in(text)
    if counts:
        return counts[0]
    numbers = numbers_in(text)
    return int(numbers[0]) if numbers else None


def count_error(text: str, count: int) -> int | None:
    """Difference between the stated count and the true one; None where none is stated."""
    stated = count_stated(text)
    return None if stated is None else abs(stated - count)


def letter_stated(text: str, options: int) -> int | None:
    """The option an answer names by its letter, as an index: "B", "(B)", "B. red", "The answer is B"."""
    letters = "".join(chr(ord("A") + number) for number in range(options))
    match = re.match(rf"\s*\(?([{letters}])(?:[).:,]|\s*$)", text) or re.search(
        rf"\b(?:answer|option)\s*(?:is|:)?\s*\(?([{letters}])\b", text
    )
    return ord(match[1]) - ord("A") if match else None
