"""Whether a text agrees with the claims of a draft: times, spans, counts, quotations, negation and words.

`Stated.of` collects what the sentences state and what else the findings hold true; `disagreement` says where a text
goes beyond it. Only the text is parsed, which a language model wrote. The rules do not prove the meaning and err
towards refusing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.answering.claims import Claim, Sentence
from pipeline.answering.mentions import (
    NEGATION,
    ORDER_WORDS,
    content,
    counts_in,
    figures,
    numbers_in,
    quotes_in,
    spanned,
    spans_in,
    times_in,
    without_quotes,
)
from pipeline.times import whole_seconds

_DANGLING = re.compile(r"\b(?:a|an|and|at|between|from|in|is|of|or|says|the|to|with)\W*$", re.I)
_TOKEN = re.compile(r"\w+")

Words = frozenset[str]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stated:
    """What a text may state, and what it has to.

    Attributes:
        times: those that the sentences state, in their order, in seconds as they are shown.
        true_times: others that the findings hold, and those that are part of names and of words on the screen.
        spans: those that the findings hold, each with the words it belongs to.
        quoted_spans: spans that are part of words on the screen.
        owned: content words that belong to a span of the sentences.
        counts: those that the sentences state.
        true_counts, true_numbers: those that the findings hold.
        quotable: what may stand in quotation marks, as lower-case words between spaces.
        negative: whether something was not seen, or is not known.
        words: content words of what the sentences state, by their stem.
        true_words: those of all claims, and those of the question that its query uses.
    """

    times: tuple[float, ...]
    true_times: frozenset[float]
    spans: tuple[tuple[Span, Words], ...]
    quoted_spans: frozenset[Span]
    owned: Words
    counts: tuple[int, ...]
    true_counts: frozenset[int]
    true_numbers: frozenset[float]
    quotable: tuple[str, ...]
    negative: bool
    words: Words
    true_words: Words

    @classmethod
    def of(
        cls, sentences: Sequence[Sentence], claims: Sequence[Claim] = (), question: str = "", unused: Iterable[str] = ()
    ) -> Stated:
        """What these sentences state over the claims of their findings.

        Args:
            question: its words may come up too; its times, numbers and words of order may not.
            unused: those of its words that were not understood, and so may not come up.
        """
        stated_claims = [claim for sentence in sentences for claim in sentence.claims]
        every = [*stated_claims, *claims]
        names = [text for claim in every for text in _texts(claim)]
        counts = tuple(count for sentence in sentences for count in sentence.counts)
        true_counts = frozenset((*counts, *(claim.count for claim in every if claim.count is not None)))
        asked = content(question) - content(" ".join(unused)) - ORDER_WORDS
        return cls(
            times=tuple(time for sentence in sentences for time in _sentence_times(sentence)),
            true_times=frozenset(
                (
                    *(time for claim in every for time in _claim_times(claim)),
                    *(t for name in names for t in times_in(name)),
                )
            ),
            spans=tuple((span, claim_words(claim)) for claim in every for span in _claim_spans(claim)),
            quoted_spans=frozenset(span for name in names for span in spans_in(name)),
            owned=_union(claim_words(claim) - ORDER_WORDS for claim in stated_claims if _claim_spans(claim)),
            counts=counts,
            true_counts=true_counts,
            true_numbers=frozenset((*map(float, true_counts), *(n for name in names for n in numbers_in(name)))),
            quotable=tuple(f" {_squeezed(name)} " for name in names),
            negative=any(claim.verdict != "seen" for claim in stated_claims),
            words=_union(map(claim_words, stated_claims)),
            true_words=_union(map(claim_words, every)) | asked,
        )


def claim_words(claim: Claim) -> Words:
    """Content words of a claim."""
    return _union(content(text) for text in (*_texts(claim), *claim.qualifiers))


def _texts(claim: Claim) -> tuple[str, ...]:
    return (claim.subject, *claim.names, *([claim.quote] if claim.quote is not None else []))


def _sentence_times(sentence: Sentence) -> list[float]:
    stated = [float(whole_seconds(time)) for time in sentence.times]
    return stated + [time for claim in sentence.claims for time in _claim_times(claim)]


def _claim_times(claim: Claim) -> list[float]:
    """The times of a claim as they are shown: a duration, then the ends of its spans."""
    lasting = [] if claim.seconds is None else [float(round(claim.seconds))]
    return lasting + [float(whole_seconds(end)) for span in claim.spans for end in (span.start_s, span.end_s)]


def _claim_spans(claim: Claim) -> list[Span]:
    spans = [(float(whole_seconds(span.start_s)), float(whole_seconds(span.end_s))) for span in claim.spans]
    return [(first, last) for first, last in spans if first != last]


def _union(sets: Iterable[Words]) -> Words:
    return frozenset().union(*sets)


def disagreement(text: str, stated: Stated, tolerance_s: float = 0.0, *, whole: bool = False) -> str:
    """Why the text may not be shown; empty where it may.

    Args:
        tolerance_s: how far a time may be off, in seconds.
        whole: all times and content words that are stated must be kept, not only the first time and the subject.
    """
    for rule in _RULES:
        if reason := rule(text, stated, tolerance_s):
            return reason
    if whole and not all(_near(time, times_in(text), tolerance_s) for time in stated.times):
        return "a time is missing"
    if whole and (missing := stated.words - content(text)):
        return f"a word is missing: {min(missing)}"
    return ""


def uncited_time(text: str, stated: Stated, tolerance_s: float = 0.0) -> str:
    """The reason where a time of the text is no time of the findings; empty where all are."""
    true = [*stated.times, *stated.true_times]
    foreign = [time for time in times_in(text) if not _near(time, true, tolerance_s)]
    return f"a time that was not found: {foreign[0]:g} s" if foreign else ""


def _times(text: str, stated: Stated, tolerance_s: float) -> str:
    if reason := uncited_time(text, stated, tolerance_s):
        return reason
    first = stated.times[:1]
    return "" if not first or _near(first[0], times_in(text), tolerance_s) else "the first time is missing"


def _near(time_s: float, others_s: Iterable[float], tolerance_s: float) -> bool:
    return any(abs(time_s - other_s) <= tolerance_s for other_s in others_s)


def _spans(text: str, stated: Stated, tolerance_s: float) -> str:
    for (first, last), owners in _owners(text):
        same = [
            words
            for (start, end), words in (*stated.spans, *((span, stated.owned) for span in stated.quoted_spans))
            if abs(start - first) <= tolerance_s and abs(end - last) <= tolerance_s
        ]
        if not same:
            return f"a span that was not found: {first:g} s to {last:g} s"
        if not owners & stated.owned <= _union(same):
            return f"the span from {first:g} s to {last:g} s belongs to something else"
    return ""


def _numbers(text: str, stated: Stated, _tolerance_s: float) -> str:
    counts, numbers = set(counts_in(without_quotes(text))), set(numbers_in(text))
    if not counts <= stated.true_counts:
        return "a count that was not found"
    if not {count for count in stated.counts if count > 1} <= counts | numbers:
        return "the count is missing"
    return "" if numbers <= stated.true_numbers else "a number that was not found"


def _quotes(text: str, stated: Stated, _tolerance_s: float) -> str:
    if without_quotes(text).replace('""', "").count('"'):
        return "an open quotation"
    for quote in quotes_in(text):
        if not any(f" {_squeezed(quote)} " in words for words in stated.quotable):
            return "a quotation that was not found"
    return ""


def _negation(text: str, stated: Stated, _tolerance_s: float) -> str:
    outside = without_quotes(text)
    if stated.negative != bool(NEGATION.search(outside)) or (
        stated.negative and re.search(r"\byes\b", outside, re.IGNORECASE)
    ):
        return "found and not found are swapped"
    return ""


def _subject(text: str, stated: Stated, _tolerance_s: float) -> str:
    words = content(text)
    if stated.words and not words & stated.words:
        return "the subject is missing"
    foreign = words - stated.true_words
    return f"a word from nowhere: {min(foreign)}" if foreign else ""


def _finished(text: str, _stated: Stated, _tolerance_s: float) -> str:
    if not text.strip():
        return "no words"
    return "cut short" if _DANGLING.search(text) else ""


_RULES: tuple[Callable[[str, Stated, float], str], ...] = (
    _finished, _times, _spans, _quotes, _numbers, _negation, _subject,
)  # fmt: skip


def _owners(text: str) -> list[tuple[Span, Words]]:
    """Each span, in seconds, with the content words that belong to it.

    These are the words between the previous span and this one, or the previous span's where there are none ("from A to
    B and from C to D"). Where a colon follows the span, they are the words up to the next span ("A to B: a cat").
    """
    text = figures(text)
    owners: list[tuple[Span, Words]] = []
    begin, words = 0, Words()
    spans = list(spanned(text))
    nexts = [start for _, _, start, _ in spans[1:]] + [len(text)]
    for (first, last, start, end), following in zip(spans, nexts, strict=False):
        heading = text[end : end + 1] == ":"
        words = content(text[end:following] if heading else text[begin:start]) - ORDER_WORDS or words
        owners.append(((first, last), words))
        begin = following if heading else end
    return owners


def _squeezed(text: str) -> str:
    return " ".join(_TOKEN.findall(text.lower()))
