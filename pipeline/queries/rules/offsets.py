"""Finds a moment counted from a thing or from another moment: "10 seconds after the dog appears", "5 s before 2:10".

It also finds the stretch from the one to the other: "in the 10 seconds after the dog appears". Only exact distances
count: "a few seconds after" is none. A distance from the video's own ends is read by `pipeline.queries.rules.times`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from pipeline.queries.query import Offset, Term
from pipeline.queries.rules.kinds import QUOTED
from pipeline.queries.rules.pairs import ordinal_of
from pipeline.queries.rules.times import NUMBER_WORDS, TIME, UNIT_S, times_named
from pipeline.queries.rules.words import Subject, subject_of

_SIDE = re.compile(
    r"\s*\b(?:(?P<after>after|past|later than|following)|before|ahead of|earlier than|prior to|preceding)"
    r"\s+(?P<anchor>[^,;?!]+)",
    re.IGNORECASE,
)
_WORDED = re.compile(
    r"\b(?:(?P<share>half)\s+)?(?P<number>\d{1,9}(?:\.\d{1,9})?|[a-z]+)[\s-]+"
    r"(?P<unit>seconds?|secs?|minutes?|mins?|hours?|hrs?)(?P<more> and a half)?$",
    re.IGNORECASE,
)
_UNMEASURED = frozenset({"couple", "few"})
_SINGLE = frozenset({"the", "first", "last", "next"})
"""In the place of a number: "in the minute before"."""
_STRETCH = re.compile(
    r"\b(?:(?:in|within|during|over|for)\s+(?:the\s+)?|the\s+)(?:(?:very|first|last|next)\s+)*$", re.IGNORECASE
)
_NO_MOMENT = re.compile(
    r"\b(?:first|last|past|next|than|least|most|from|since|until|till|to|between|and|and a|or|every|by)\s*$",
    re.IGNORECASE,
)
"""Before a distance: it is a bound, or one of two."""
_ASKED = re.compile(r"\s(?=(?:what|which|who|whose|where|how)\b)", re.IGNORECASE)
_OWN_END = re.compile(r"^(?:the\s+(?:very\s+)?end\b|it\s+(?:ends|stops)\b)", re.IGNORECASE)
_ONSET = re.compile(
    r"\b(?:appear\w*|comes?|came|coming|arriv\w*|enter\w*|(?:turn|show|pop)(?:s|p?ed)? up|start\w*|beg[aiu]n\w*|"
    r"first (?:seen|shown|visible))\b",
    re.IGNORECASE,
)
_LEAVING = re.compile(
    r"\b(?:leav\w*|(?<!the )left|gone|goes|went|disappear\w*|vanish\w*|ends?|ended|(?:is|are|was|were) over|"
    r"last (?:seen|shown|visible))\b",
    re.IGNORECASE,
)
_LAST = re.compile(r"\blast (?:seen|shown|visible|appear\w*|comes?|came)\b", re.IGNORECASE)


def offset_of(text: str) -> tuple[Offset | None, str]:
    """The moment that is counted from a thing, and the question without the words that say so; None where there is
    none. What is counted from a time is put into the question as a time."""
    quotations = [match.span() for match in QUOTED.finditer(text)]
    for side in _SIDE.finditer(text):
        if any(start < side.start() < end for start, end in quotations):
            continue
        distance = _distance(text[: side.start()])
        anchor = _ASKED.split(side["anchor"], maxsplit=1)[0]
        if distance is None or _OWN_END.search(anchor):
            continue
        before, start, after = text[: distance[1]], side.start("anchor"), side["after"] is not None
        stretch = _STRETCH.search(before)
        if stretch is not None:
            before = before[: stretch.start()]
        elif _NO_MOMENT.search(before):
            continue
        if (moment := TIME.match(anchor, 4 * anchor.lower().startswith("the "))) and (named := times_named(moment[0])):
            there = f"{_times(named[0], distance[0] if after else -distance[0], stretch is not None)} "
            return None, f"{before}{there}{text[start + moment.end() :]}"
        offset = _from(anchor, distance[0], after=after)
        if offset is not None:
            return replace(offset, stretch=stretch is not None), f"{before} {text[start + len(anchor) :]}"
    return None, text


def _times(from_s: float, seconds: float, stretch: bool) -> str:
    """A moment so far from another, or both, no earlier than the video, as `pipeline.queries.rules.times` reads
    them."""
    there_s = max(from_s + seconds, 0.0)
    return f"between {min(from_s, there_s):.2f} s and {max(from_s, there_s):.2f} s" if stretch else f"{there_s:.2f} s"


def _distance(text: str) -> tuple[float, int] | None:
    """The distance that `text` ends with, in seconds, and where it begins."""
    for match in TIME.finditer(text):
        if match.end() == len(text) and match[0][-1:].isalpha():  # "1 min 30 s", but no time of day
            return times_named(match[0])[0], match.start()
    worded = _WORDED.search(text)
    number = worded["number"].lower() if worded else ""
    amount = float(number) if number[:1].isdigit() else NUMBER_WORDS.get(number)
    if worded and number in _SINGLE and not worded["unit"].endswith("s"):
        return UNIT_S[worded["unit"][0].lower()], worded.start("unit")
    if worded is None or amount is None or number in _UNMEASURED:
        return None
    amount = amount * (0.5 if worded["share"] else 1.0) + (0.5 if worded["more"] else 0.0)
    return amount * UNIT_S[worded["unit"][0].lower()], worded.start()


def _from(anchor: str, seconds: float, *, after: bool) -> Offset | None:
    quote = QUOTED.search(anchor)
    subject = Subject(quote[1]) if quote else subject_of(anchor)
    if not subject.topic or (times_named(anchor) and not quote):
        return None
    leaving = bool(_LEAVING.search(anchor))
    onset = not leaving and (not after or bool(_ONSET.search(anchor)))
    nth = ordinal_of(anchor) or -bool(_LAST.search(anchor))
    term = Term(subject.topic, quoted=quote is not None, where=subject.where, nth=nth)
    return Offset(seconds if after else -seconds, onset, term)
