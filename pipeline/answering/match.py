"""Reading a remembered cube's notes against a question's words: what the keys miss, the words may hold.

Keys find candidates; the words decide. A cube whose notes name the thing, or whose screen says the words, answers to
the question whatever the cosine says.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from encoders.notes import Notes, Thing
from memory.records import Hit, PackedTokens, TimeSpan
from pipeline.queries.terms import ResolvedTerm

_WORD = re.compile(r"[^\W_]+")
CLOSE_ENOUGH = 0.8
"""Share of matching characters from which two words are taken for one (screen text is read with errors)."""

SURE = 0.8
"""Probability from which a name in the notes contradicts a likeness."""
CONTRADICTED = 0.4


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate cube with its words.

    Attributes:
        score: cosine of the best key, or more where the words agree.
        named: the thing or line of the notes that agrees with the question; None where only the keys do.
        span: of the cube, or of the line on the screen where that is what was asked.
        tokens: of the cube; None for an open one.
        worth: what a re-ranker makes of it, by which it is chosen instead of the score; None without one.
    """

    hit: Hit
    notes: Notes
    span: TimeSpan
    score: float
    named: str | None
    by_text: bool = False
    tokens: PackedTokens | None = None
    worth: float | None = None


def words(text: str) -> list[str]:
    """Lower-case words, plural s removed."""
    return [_singular(word) for word in _WORD.findall(text.casefold())]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _same(a: str, b: str) -> bool:
    return a == b or (min(len(a), len(b)) >= 4 and difflib.SequenceMatcher(None, a, b).ratio() >= CLOSE_ENOUGH)


def line_says(line: str, topic: str) -> bool:
    """Whether every word of `topic` stands on the line, small reading errors forgiven."""
    on_screen = words(line)
    wanted = [word for word in words(topic) if word not in ("of", "the")] or words(topic)
    return bool(wanted) and all(any(_same(word, other) for other in on_screen) for word in wanted)


def thing_is(name: str, topic: str) -> bool:
    """Whether the name says the topic: every word of the shorter one is in the longer, exactly."""
    named, wanted = set(words(name)), set(words(topic))
    return bool(named and wanted) and (wanted <= named or named <= wanted)


def called(name: str, term: ResolvedTerm) -> bool:
    """Whether a thing of that name is what is sought: by its words and, where the vocabulary knows what is sought, by
    its kind alone."""
    if not term.word:
        return thing_is(name, term.topic)
    return words(name) in (words(term.topic), words(term.word)) or term.covers(name)


def read(hit: Hit, notes: Notes, term: ResolvedTerm, *, quoted: bool = False, literal: bool = False) -> Match:
    """A hit after its notes were read for what is sought; `quoted` words count only on the screen, `literal` ones never
    by likeness."""
    named = None if quoted else next((one for one in notes.things if called(one.name, term)), None)
    if named is not None and term.word:
        return _named(hit, notes, named)
    for line in notes.texts:
        if line_says(line.text, term.topic):
            span = TimeSpan(max(line.first_s, hit.span.start_s), _line_end(line.last_s, hit.span))
            return Match(hit, notes, span, 1.0, line.text, by_text=True)
    if named is not None:
        return _named(hit, notes, named)
    return Match(hit, notes, hit.span, 0.0 if quoted or literal else hit.score - _doubt(notes, term), None)


def _named(hit: Hit, notes: Notes, thing: Thing) -> Match:
    return Match(hit, notes, hit.span, max(hit.score, 0.6 + 0.4 * thing.probability), thing.name)


def _doubt(notes: Notes, term: ResolvedTerm) -> float:
    """What likeness loses where the notes surely name something else, or a proper name is asked for: a cello is like a
    violin, but none."""
    if not term.word:
        return CONTRADICTED if any(one[0].isupper() or one[0].isdigit() for one in term.topic.split()) else 0.0
    return CONTRADICTED if any(one.probability >= SURE for one in notes.things) else 0.0


def _line_end(last_s: float, cube: TimeSpan) -> float:
    """A line seen at the cube's last step stayed to its end."""
    return cube.end_s if cube.end_s - last_s <= 2.0 else last_s
