"""Questions about two things: which comes first, and what is between them. Rules over English wordings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pipeline.queries.rules.kinds import QUOTED
from pipeline.queries.rules.words import topic_of

_BETWEEN_BOTH = re.compile(r"\bbetween\s+(?:the\s+|both\s+)*(?:two|both|2)\s+(.+)$", re.IGNORECASE)
_BETWEEN = re.compile(r"\b(?:in )?between\s+(.+?)\s+and\s+(.+)$", re.IGNORECASE)
_AFTER_BEFORE = re.compile(
    r"\bafter\s+(.+?)\s*,?\s+(?:and|but|yet)?\s*(?:still\s+)?(?:before|until)\s+(.+)$", re.IGNORECASE
)
_FROM_TO = re.compile(r"\bon the way from\s+(.+?)\s+to\s+(.+)$", re.IGNORECASE)
_SOONER = re.compile(r"\b(?:first|earlier|sooner|before|later|last|second)\b", re.IGNORECASE)
_FIRST_OF = re.compile(
    r"\bof\s+(.+?)\s+and\s+(.+?)(?:,|\?|\bwhich\b|\bcomes?\b|\bcame\b|\bis\b|\bwas\b|$)", re.IGNORECASE
)
_EITHER = re.compile(r"(.+?)\bor\b(.+)$", re.IGNORECASE)
_ASKED_ORDER = re.compile(
    r"^\s*(?:is|are|was|were|do|does|did|has|have|had|can)(?:n['’]t)?\s+(.+?)\s+"
    r"(?:before|after|earlier than|later than|sooner than|prior to|ahead of)\s+(.+?)(?:,?\s+or\b.*)?$",
    re.IGNORECASE,
)
_ORDINALS = "second third fourth fifth sixth seventh eighth ninth tenth".split()
_ORDINAL = re.compile(
    rf"\b(?:(?:the|its|his|her|their|a|my|for)\s+)(?:very\s+)?(?:(?P<word>first|last|final|{'|'.join(_ORDINALS)})|"
    r"(?P<digit>\d{1,2})(?:st|nd|rd|th))\b(?!\s*(?:and|or|,)?\s*(?:of\b|\d))",
    re.IGNORECASE,
)
_NTH = re.compile(rf"\s*(?:last|final|{'|'.join(_ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th))\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two things as worded in the question."""

    kind: Literal["between", "which_first"]
    thing: str
    other: str


def pair_of(text: str) -> Pair | None:
    """The two things, where the question is about two."""
    text = text.rstrip(" ?!.")
    if match := _BETWEEN_BOTH.search(text):
        return Pair("between", f"the first {match[1]}", f"the second {match[1]}")
    if (match := _BETWEEN.search(text)) and not re.search(r"\bfirst,?\s*\??$|which (?:comes|came|is|was) first", text):
        return _pair("between", match[1], match[2])
    if match := _AFTER_BEFORE.search(text) or _FROM_TO.search(text):
        return _pair("between", match[1], match[2])
    if _SOONER.search(text) and (match := _EITHER.search(text)) and not _ASKED_ORDER.search(text):
        return _pair("which_first", match[1], match[2])
    if _SOONER.search(text) and (match := _FIRST_OF.search(text) or _BETWEEN.search(text)):
        return _pair("which_first", match[1], match[2])
    if match := _ASKED_ORDER.search(text):
        return _pair("which_first", match[1], match[2])
    return None


def _pair(kind: Literal["between", "which_first"], thing: str, other: str) -> Pair | None:
    if not _named(thing):  # "the first and second dog"
        number = _NTH.match(other)
        thing, other = f"{thing} {topic_of(other)}", f"the {other}" if number else other
        return Pair(kind, thing, other) if kind == "between" and number and ordinal_of(thing) else None
    if _named(other):
        return Pair(kind, thing, other)
    return (
        Pair(kind, thing, f"{other} {topic_of(thing)}") if ordinal_of(other) else None
    )  # "the first cat and the second"


def _named(text: str) -> bool:
    """Whether it names anything, or quotes it."""
    return bool(topic_of(text) or QUOTED.search(text))


def ordinal_of(text: str) -> int:
    """Which appearance is meant: 1, 2, …; -1 for the last; 0 where the text does not say."""
    match = _ORDINAL.search(text)
    if match is None:
        return 0
    if match["digit"]:
        return int(match["digit"])
    word = match["word"].lower()
    return {"first": 1, "last": -1, "final": -1}.get(word) or _ORDINALS.index(word) + 2
