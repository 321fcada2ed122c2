"""Matches the notes of a retrieved cube against the words of a question.

Keys propose candidates; the words decide. A cube whose notes name the thing, or whose screen text holds the words,
matches whatever its cosine is. `read` makes the `Match` of a hit.
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
"""Share of matching characters from which two words count as the same, since OCR makes errors; 0 to 1."""

SURE = 0.8
"""Probability from which a name in the notes contradicts a match by key alone."""
CONTRADICTED = 0.4


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate cube with its words.

    Attributes:
        score: cosine of the best key, or more where the words agree.
        named: the thing or line of the notes that agrees with the question; None where only a key does.
        span: of the cube, of the screen text where that matches, or of a detection.
        by_text: whether screen text matches.
        tokens: of the cube; None for an open one.
    """

    hit: Hit
    notes: Notes
    span: TimeSpan
    score: float
    named: str | None
    by_text: bool = False
    tokens: PackedTokens | None = None


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
    """Whether every word of `topic` stands on the line, small OCR errors allowed."""
    on_screen = words(line)
    wanted = [word for word in words(topic) if word not in ("of", "the")] or words(topic)
    return bool(wanted) and all(any(_same(word, other) for other in on_screen) for word in wanted)


def thing_is(name: str, topic: str) -> bool:
    """Whether name and topic agree: every word of the shorter is in the longer, exactly."""
    named, wanted = set(words(name)), set(words(topic))
    return bool(named and wanted) and (wanted <= named or named <= wanted)


def called(name: str, term: ResolvedTerm) -> bool:
    """Whether a thing of that name is what the term asks for. A term that the vocabulary knows decides by its own words
    and hyponyms; any other by the words of its topic."""
    if not term.word:
        return thing_is(name, term.topic)
    return words(name) in (words(term.topic), words(term.word)) or term.covers(name)


def read(hit: Hit, notes: Notes, term: ResolvedTerm, *, quoted: bool = False, literal: bool = False) -> Match:
    """The match of a hit, from its notes and the term. `quoted` words count only as screen text; `literal` ones never
    match by key alone."""
    named = None if quoted else next((thing for thing in notes.things if called(thing.name, term)), None)
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
    """What a match by key alone loses where the notes surely name something else, or where a proper name is asked for:
    a cello looks like a violin, but is none."""
    if not term.word:
        return CONTRADICTED if any(word[0].isupper() or word[0].isdigit() for word in term.topic.split()) else 0.0
    return CONTRADICTED if any(thing.probability >= SURE for thing in notes.things) else 0.0


def _line_end(last_s: float, cube: TimeSpan) -> float:
    """End of a line in seconds: a line read within 2 s of the cube's end lasts to that end."""
    return cube.end_s if cube.end_s - last_s <= 2.0 else last_s
