"""Extracts from a sentence what can be checked: times, spans, numbers, counts, quotations and content words.

Pure functions from text to plain values, in the order of the text; times are in seconds. They parse what a language
model writes, in English only. Used by `pipeline.answering.agreement` and by the scorers of answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.patterns import AnyOf

_NUMBER_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
"""
_WORD_VALUES = {word: str(value) for value, word in enumerate(_NUMBER_WORDS.split())}
_WORD_VALUES |= {"once": "1 time", "twice": "2 times"}
_WORD = re.compile(rf"\b({'|'.join(_WORD_VALUES)})\b", re.IGNORECASE)

_CLOCK = r"(?<![\d:.])(?:(?P<hh>\d{1,3}):(?P<h_mm>[0-5]\d)|(?P<mm>\d{1,3})):(?P<ss>[0-5]\d(?:\.\d+)?)(?!\d|:\d)"
_AND = r"(?:\s*,?\s*(?:and\s+)?)"
_H, _M, _S = (
    rf"(?<![\w:.])(?P<{{name}}>\d+(?:\.\d+)?)\s*(?:{unit})\b".format(name=name)
    for name, unit in (("h", "hours?|hrs?|h"), ("m", "minutes?|mins?|m"), ("s", "seconds?|secs?|s"))
)
_TIME = AnyOf(_CLOCK, f"{_H}(?:{_AND}{_M})?(?:{_AND}{_S})?", f"{_M}(?:{_AND}{_S})?", _S)
_SECONDS_EACH = {"hh": 3600, "h_mm": 60, "mm": 60, "ss": 1, "h": 3600, "m": 60, "s": 1}

_RANGE = re.compile(r"\s*(?:to|until|till|through|-|–|—)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])")
_COUNT = re.compile(r"(?<![\w.])(\d+)\s+(?:\w+\s+)?(?:times?|occasions?|appearances?)\b", re.IGNORECASE)
_QUOTE = re.compile(r"\"([^\"]*)\"|“([^”]*)”|«([^»]*)»|(?<!\w)'([^']+)'(?!\w)")

_NEUTRAL_WORDS = """
a about across again all also an and any appear appearance appeared are around as at be been being between both but by
came can come comes could did do does during each end ends every following for found from had has have here how in
into is it its just least long many match matching mention mentioned moment more most occasion occur of often on once
only or other our out over present read reads say says scene screen second see seen separate several shot show shown
shows sign since some start starts still such text than that the their them then there these they thing this those
through till time times timestamp to total twice until up very video view visible was we were what when where which
while who will with word words would write written yes you your minute hour happen happens happened place
"""
_NEUTRAL = frozenset(_NEUTRAL_WORDS.split())
"""Words that carry no fact: function words and the vocabulary of seeing, showing and stating times."""

ORDER_WORDS = frozenset({"first", "last", "before", "after", "earlier", "later", "next", "previous"})
"""Words that change what a time means: the statement itself must hold them; it is not enough that the question does."""

NEGATION = re.compile(r"\b(?:no|not|nothing|never|none|nobody|nowhere|without|cannot|neither|nor)\b|n['’]t\b", re.I)
_CONTENT_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def times_in(text: str) -> list[float]:
    """Every time, in seconds: ``2:10``, ``1:02:03``, ``130 s``, ``ten seconds``, ``1 h 3 min``."""
    return [seconds for seconds, _, _ in timed(figures(text))]


def spans_in(text: str) -> list[tuple[float, float]]:
    """Every "A to B" and "between A and B", in seconds."""
    return [(a, b) for a, b, _, _ in spanned(figures(text))]


def numbers_in(text: str) -> list[float]:
    """Every number that is not part of a time or stuck to letters, as digits or as a word up to twenty."""
    return [float(match[0]) for match in _NUMBER.finditer(without_times(figures(text)))]


def counts_in(text: str) -> list[int]:
    """Every count of occurrences: ``2 times``, ``twice``, ``three separate occasions``."""
    return [int(match[1]) for match in _COUNT.finditer(without_times(figures(text)))]


def quotes_in(text: str) -> list[str]:
    """Every quotation, without its marks; double, curly, angled, or single where they are no apostrophe."""
    return [next(part for part in match.groups() if part is not None) for match in _QUOTE.finditer(text)]


def without_quotes(text: str) -> str:
    """The text with each quotation replaced by a lone pair of marks."""
    return _QUOTE.sub('""', text)


def without_times(text: str) -> str:
    """The text with each time replaced by a space."""
    return _TIME.sub(" ", text)


def figures(text: str) -> str:
    """Number words up to twenty as digits; ``once`` and ``twice`` as counts."""
    return _WORD.sub(lambda match: _WORD_VALUES[match[1].lower()], text)


def timed(text: str) -> Iterator[tuple[float, int, int]]:
    """(seconds, start, end) of each time; start and end index `text`, whose number words must be `figures` already."""
    for match in _TIME.finditer(text):
        parts = {name: value for name, value in match.groupdict().items() if value is not None}
        yield sum(_SECONDS_EACH[name] * float(value) for name, value in parts.items()), match.start(), match.end()


def spanned(text: str) -> Iterator[tuple[float, float, int, int]]:
    """(first, last, start, end) of each range of two times, as `timed`. A time belongs to one range at most."""
    times = list(timed(text))
    index = 0
    while index + 1 < len(times):
        (first, start, gap_start), (last, gap_end, end) = times[index], times[index + 1]
        between = text[:start].rstrip().lower().endswith("between") and text[gap_start:gap_end].strip() == "and"
        if between or _RANGE.fullmatch(text[gap_start:gap_end]):
            yield first, last, start, end
            index += 1
        index += 1


def content(text: str) -> frozenset[str]:
    """Words that carry facts, reduced to a stem; other rules check numbers, times and negations."""
    words = (match[0].lower() for match in _CONTENT_WORD.finditer(without_times(NEGATION.sub(" ", figures(text)))))
    return frozenset(
        _stem(word) for word in words if len(word) > 1 and word not in _NEUTRAL and _stem(word) not in _NEUTRAL
    )


def _stem(word: str) -> str:
    """A rough stem, equal for a word's plural, past and -ing form where they are regular."""
    word = re.sub(r"['’]s?$|['’].*$", "", word)
    for ending, least in (("ing", 6), ("ied", 5), ("ies", 5), ("ed", 5), ("es", 5), ("s", 4), ("e", 4), ("y", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            return word.removesuffix(ending)
    return word
