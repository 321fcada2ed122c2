"""Extracts from a sentence what can be checked: times, spans, numbers, counts and quotations.

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
