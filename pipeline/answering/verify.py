"""Checks that a language model's words state only what the memory holds, before anyone reads them.

A sentence passes when its times, spans, numbers, quotations, subject and negation are those of the statement.
`verify` checks a whole text, `verify_stream` checks sentence by sentence while the model writes. Pure functions over
text. They do not prove the meaning and err towards refusing, since `verify_stream` can always fall back to the
statement itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.answering.mentions import (
    counts_in,
    figures,
    numbers_in,
    quotes_in,
    spanned,
    spans_in,
    times_in,
    without_quotes,
    without_times,
)
from pipeline.language.protocol import Generation, StopWriting

__all__ = [
    "Verification",
    "VerifiedText",
    "counts_in",
    "numbers_in",
    "quotes_in",
    "spans_in",
    "times_in",
    "verify",
    "verify_stream",
]

_NEUTRAL_WORDS = """
a about across again all also an and any appear appearance appeared are around as at be been being between both but by
came can come comes could did do does during each end ends every following for found from had has have here how in
into is it its just least long many match matching mention mentioned moment more most occasion occur of often on once
only or other our out over present read reads say says scene screen second see seen separate several shot show shown
shows sign since some start starts still such text than that the their them then there these they thing this those
through till time timestamp to total twice until up very video view visible was we were what when where which while
who will with word words would write written yes you your minute hour happen happens happened place
"""
_NEUTRAL = frozenset(_NEUTRAL_WORDS.split())
"""Words that carry no fact: function words and the vocabulary of seeing, showing and stating times."""

_ORDER = frozenset({"first", "last", "before", "after", "earlier", "later", "next", "previous"})
"""Words that change what a time means: the statement itself must hold them; it is not enough that the question does."""

_NEGATION = re.compile(r"\b(?:no|not|nothing|never|none|nobody|nowhere|without|cannot|neither|nor)\b|n['’]t\b", re.I)
_DANGLING = re.compile(r"\b(?:a|an|and|at|between|from|in|is|of|or|says|the|to|with)\W*$", re.I)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_TOKEN = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"[.!?…][\"”»']?(?=\s)|\n")


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a text may be shown, and if not, why not (for logs and tests, not for the reader)."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedText:
    """What the reader got.

    Attributes:
        text: everything that was shown.
        phrased_by: ``model``, or ``memory`` where the statement was shown instead.
        reason: why the model was stopped or not used; empty where all its words were shown.
        generation: the model's own account; None where `pieces` gave none.
    """

    text: str
    phrased_by: Literal["model", "memory"]
    reason: str
    generation: Generation | None


def verify(
    text: str, statement: str, tolerance_s: float = 0.0, *, question: str = "", whole: bool = False
) -> Verification:
    """Whether `text` states only what `statement` does, and its main point.

    Args:
        tolerance_s: how far a time may be off, in seconds.
        question: its words may come up in the text besides the statement's; its times and numbers may not.
        whole: all of the statement's times and content words must be kept, not only its first time and subject.
    """
    for rule in _RULES:
        if reason := rule(text, statement, question, tolerance_s):
            return Verification(False, reason)
    if whole and not all(_near(time, times_in(text), tolerance_s) for time in times_in(statement)):
        return Verification(False, "a time is missing")
    if whole and (missing := _content(statement) - _content(text)):
        return Verification(False, f"a word is missing: {min(missing)}")
    return Verification(True)


def verify_stream(
    pieces: Iterator[str | Generation], statement: str, *, question: str = "", tolerance_s: float = 0.0
) -> Iterator[str | VerifiedText]:
    """Yields a model's words sentence by sentence, each once all text so far is verified; last, one `VerifiedText`.

    If the first sentence fails, the statement is yielded instead; if a later one fails, the text ends before it. Either
    way the model is stopped by `StopWriting`, and `pieces` is closed, which also happens when the caller closes this
    iterator. If the statement is one sentence, the model's first sentence must keep all of it.
    """
    text_so_far, reason, generation = "", "", None
    accounts: list[Generation] = []
    whole = _sentence_end(statement.strip()) is None
    try:
        for sentence in _sentences(_with_accounts(pieces, accounts)):
            if isinstance(sentence, Generation):
                generation = sentence
                break
            verdict = verify(text_so_far + sentence, statement, question=question, tolerance_s=tolerance_s, whole=whole)
            if not verdict.ok:
                reason = verdict.reason
                generation = accounts[0] if accounts else _stopped(pieces)
                break
            yield sentence
            text_so_far += sentence
    finally:
        if isinstance(pieces, Generator):
            pieces.close()
    if not text_so_far:
        yield statement
    yield VerifiedText(
        text_so_far or statement,
        "model" if text_so_far else "memory",
        reason or ("" if text_so_far else "no words"),
        generation,
    )


def _with_accounts(pieces: Iterator[str | Generation], accounts: list[Generation]) -> Iterator[str | Generation]:
    """The pieces as they are; a `Generation` among them is also put into `accounts`."""
    for piece in pieces:
        if isinstance(piece, Generation):
            accounts.append(piece)
        yield piece


def _stopped(pieces: Iterator[str | Generation]) -> Generation | None:
    """Ends a model's generation; its account, where it gives one."""
    if not isinstance(pieces, Generator):
        return None
    try:
        last = pieces.throw(StopWriting())
    except (StopWriting, StopIteration):
        return None
    return last if isinstance(last, Generation) else None


def _sentences(pieces: Iterator[str | Generation]) -> Iterator[str | Generation]:
    """Whole sentences without surrounding white space (later ones begin with a space), then the `Generation`."""
    rest, lead = "", ""
    for piece in pieces:
        if isinstance(piece, Generation):
            if rest.strip():
                yield lead + rest.strip()
            yield piece
            return
        rest += piece
        while (end := _sentence_end(rest)) is not None:
            if sentence := rest[:end].strip():
                yield lead + sentence
                lead = " "
            rest = rest[end:]


def _sentence_end(text: str) -> int | None:
    for match in _SENTENCE_END.finditer(text):
        if text.count('"', 0, match.end()) % 2 == 0 or match[0] == "\n":
            return match.end()
    return None


def _times(text: str, statement: str, _question: str, tolerance_s: float) -> str:
    times, expected = times_in(text), times_in(statement)
    if foreign := [time for time in times if not _near(time, expected, tolerance_s)]:
        return f"a time that was not found: {foreign[0]:g} s"
    return "the first time is missing" if expected and not _near(expected[0], times, tolerance_s) else ""


def _near(time_s: float, others_s: list[float], tolerance_s: float) -> bool:
    return any(abs(time_s - other_s) <= tolerance_s for other_s in others_s)


def _spans(text: str, statement: str, _question: str, tolerance_s: float) -> str:
    expected = _owners(statement)
    for (first, last), owners in _owners(text):
        same = [o for (a, b), o in expected if abs(a - first) <= tolerance_s and abs(b - last) <= tolerance_s]
        if not same:
            return f"a span that was not found: {first:g} s to {last:g} s"
        if not owners & _content(statement) <= set().union(*same):
            return f"the span from {first:g} s to {last:g} s belongs to something else"
    return ""


def _numbers(text: str, statement: str, _question: str, _tolerance_s: float) -> str:
    counts, expected = counts_in(without_quotes(text)), counts_in(without_quotes(statement))
    if not set(counts) <= set(expected):
        return "a count that was not found"
    if not {count for count in expected if count > 1} <= set(counts) | set(numbers_in(text)):
        return "the count is missing"
    return "" if set(numbers_in(text)) <= set(numbers_in(statement)) else "a number that was not found"


def _quotes(text: str, statement: str, _question: str, _tolerance_s: float) -> str:
    statement_words = f" {_squeezed(statement)} "
    if without_quotes(text).replace('""', "").count('"'):
        return "an open quotation"
    for quote in quotes_in(text):
        if f" {_squeezed(quote)} " not in statement_words:
            return "a quotation that was not found"
    return ""


def _negation(text: str, statement: str, _question: str, _tolerance_s: float) -> str:
    outside = without_quotes(text)
    negative = bool(_NEGATION.search(without_quotes(statement)))
    if negative != bool(_NEGATION.search(outside)) or (negative and re.search(r"\byes\b", outside, re.I)):
        return "found and not found are swapped"
    return ""


def _subject(text: str, statement: str, question: str, _tolerance_s: float) -> str:
    content, expected = _content(text), _content(statement)
    if expected and not content & expected:
        return "the subject is missing"
    if foreign := content - expected - (_content(question) - _ORDER):
        return f"a word from nowhere: {min(foreign)}"
    return ""


def _whole(text: str, _statement: str, _question: str, _tolerance_s: float) -> str:
    if not text.strip():
        return "no words"
    return "cut short" if _DANGLING.search(text) else ""


_RULES: tuple[Callable[[str, str, str, float], str], ...] = (
    _whole, _times, _spans, _quotes, _numbers, _negation, _subject,
)  # fmt: skip


def _content(text: str) -> set[str]:
    """Words that carry facts, reduced to a stem; other rules check numbers, times and negations."""
    words = (match[0].lower() for match in _WORD.finditer(without_times(_NEGATION.sub(" ", figures(text)))))
    return {_stem(word) for word in words if len(word) > 1 and word not in _NEUTRAL and _stem(word) not in _NEUTRAL}


def _stem(word: str) -> str:
    """A rough stem, equal for a word's plural, past and -ing form where they are regular."""
    word = re.sub(r"['’]s?$|['’].*$", "", word)
    for ending, least in (("ing", 6), ("ied", 5), ("ies", 5), ("ed", 5), ("es", 5), ("s", 4), ("e", 4), ("y", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            return word.removesuffix(ending)
    return word


def _owners(text: str) -> list[tuple[tuple[float, float], set[str]]]:
    """Each span, in seconds, with the content words that belong to it.

    These are the words between the previous span and this one, or the previous span's where there are none ("from A to
    B and from C to D"). Where a colon follows the span, they are the words up to the next span ("A to B: a cat").
    """
    text = figures(text)
    owners: list[tuple[tuple[float, float], set[str]]] = []
    begin, words = 0, set[str]()
    spans = list(spanned(text))
    nexts = [start for _, _, start, _ in spans[1:]] + [len(text)]
    for (first, last, start, end), following in zip(spans, nexts, strict=False):
        heading = text[end : end + 1] == ":"
        words = _content(text[end:following] if heading else text[begin:start]) - _ORDER or words
        owners.append(((first, last), words))
        begin = following if heading else end
    return owners


def _squeezed(text: str) -> str:
    return " ".join(_TOKEN.findall(text.lower()))
