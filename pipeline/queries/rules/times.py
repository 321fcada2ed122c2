"""Reads the times a question names: moments, stretches, "in the last minute", "after 2:10", "at the end".

The rules are over English words and digits and know no video. What depends on a video's length is left open
(`TimeReference.recent_s`, `TimeReference.edge`) and resolved by `pipeline.queries.query.Scope`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from memory.records import TimeSpan
from pipeline.patterns import AnyOf
from pipeline.queries.query import FOREVER_S, Edge

_CLOCK = r"(?:(?P<h>\d{1,2}):)?(?P<m>\d{1,2}):(?P<s>\d{2}(?:\.\d+)?)"
_END = r"(?![^\W\d_])"  # no letter follows: "5 m" and "2m5s", not "5 men"
_N = r"\d{1,9}(?:\.\d{1,9})?"  # no longer: hours of so many digits are a finite number of seconds
_AND = r"(?:\s*(?:,|and)\s*(?=\d))?\s*"
_H = rf"(?P<uh>{_N})[\s-]*(?:h|hours?|hrs?){_END}{_AND}"
_M = rf"(?P<um>{_N})[\s-]*(?:m|min|minutes?|mins){_END}{_AND}"
_S = rf"(?P<us>{_N})[\s-]*(?:s|sec|secs|seconds?){_END}"
TIME = AnyOf(_CLOCK, rf"{_H}(?:{_M})?(?:{_S})?", rf"{_M}(?:{_S})?", _S)
"""A time in figures: on the clock, or in hours, minutes and seconds."""

NUMBER_WORDS = {
    **{"a": 1.0, "an": 1.0, "couple": 2.0, "few": 3.0, "half": 0.5},
    **{word: float(n) for n, word in enumerate("one two three four five six seven eight nine ten".split(), 1)},
    **{"fifteen": 15.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0},
}
UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_AMOUNT = (
    rf"(?:(?P<amount>{_N}\s*|(?:[a-z]+\s+)))?(?P<unit>seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)\b"
    r"(?P<half> and a half\b)?"
)
_RECENT = re.compile(
    rf"\b(?:(?:in|during|over|within|of|from|for)\s+)?the\s+(?:very\s+)?(?:last|past)\s+{_AMOUNT}", re.I
)
_CLOSING = re.compile(rf"\b(?:the\s+)?{_AMOUNT}\s+before\s+(?:the\s+(?:very\s+)?end|it\s+(?:ends|stops))\b", re.I)
_OPENING = re.compile(rf"\b(?:(?:in|during|over|within|of|from|for)\s+)?the\s+(?:very\s+)?first\s+{_AMOUNT}", re.I)
_SINCE = re.compile(r"\b(?:(?P<next>after|later than|following)|since|from)\s*$", re.IGNORECASE)
_UNTIL = re.compile(r"\b(?:(?P<next>before|earlier than|preceding|prior to)|until|till|up to)\s*$", re.IGNORECASE)
_NEXT = re.compile(
    r"\b(?:comes?|came|next|follow\w*|appears?|appeared|right|just|directly|immediately|shortly)\b", re.IGNORECASE
)
_EDGES: tuple[tuple[Edge, re.Pattern[str]], ...] = (
    ("end", re.compile(r"\b(?:at|in|towards?|near|by) the (?:very )?(?:end|close|finish)\b", re.I)),
    ("start", re.compile(r"\b(?:at|in|from|near) the (?:very )?(?:start|beginning|outset|opening)\b", re.I)),
    ("end", re.compile(r"\bhow (?:does|did) .*\b(?:end|finish|close)\b", re.I)),
    ("start", re.compile(r"\bhow (?:does|did) .*\b(?:start|begin|open)\b", re.I)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TimeReference:
    """When a question asks about; at most one of the first four is set.

    Attributes:
        at_s: a moment, in seconds; with `beside`, what comes next to it is asked for.
        span: a stretch; it ends at `FOREVER_S` where its end is left open.
        recent_s: seconds back from the end of what was watched.
        edge: the beginning or the end of what was watched.
        beside: "what comes after 2:10", "before 2:10".
        counted: it is counted from a thing (`pipeline.queries.rules.offsets`), and known once that is found.
    """

    at_s: float | None = None
    span: TimeSpan | None = None
    recent_s: float | None = None
    edge: Edge = ""
    beside: Literal["", "before", "after"] = ""
    counted: bool = False

    @property
    def named(self) -> bool:
        """Whether a time is named in figures."""
        return self.at_s is not None or self.span is not None or self.counted


_WORDED = re.compile(
    r"\b(?P<word>one|two|three|four|five|six|seven|eight|nine|ten|fifteen|twenty|thirty|forty|fifty|sixty)"
    r"[\s-]+(?P<unit>seconds?|minutes?|hours?)\b(?!\s+(?:and a half|before)\b)(?P<mark>[\s-]+marks?\b)?",
    re.IGNORECASE,
)
_TURNED = re.compile(
    rf"(?<!\bthe )\b(?P<unit>second|minute|hour)\s+(?P<number>{_N})(?![\w:.])(?!\s*[hms]\b)", re.IGNORECASE
)


def in_figures(text: str) -> str:
    """The text with times in words as figures: "the two minute mark" -> "the 2 minute", "minute 2" -> "2 minute"."""
    text = _WORDED.sub(lambda match: f"{NUMBER_WORDS[match['word'].lower()]:g} {match['unit']}", text)
    return _TURNED.sub(lambda match: f"{match['number']} {match['unit']}", text)


def times_named(text: str) -> list[float]:
    """Every time of day in the video that `text` names, in seconds: 2:10, 1:02:03, 130 s, 1 h 3 min."""
    return [seconds for seconds, _, _ in _timed(text)]


def without_times(text: str) -> str:
    """The text with each time replaced by a space."""
    return TIME.sub(lambda match: " " if match[0].strip() else match[0], text)


def moment_of(text: str) -> tuple[TimeReference, str]:
    """When the question asks about, and the question without the words that say so; times in figures stay in it."""
    if (amount := _amount(_RECENT, text) or _amount(_CLOSING, text)) is not None:
        return TimeReference(recent_s=amount[0]), amount[1]
    if (amount := _amount(_OPENING, text)) is not None:
        return TimeReference(span=TimeSpan(0.0, amount[0])), amount[1]
    times = _timed(text)
    if len(times) >= 2:
        first, last = times[0][0], times[1][0]
        return TimeReference(span=TimeSpan(min(first, last), max(first, last))), text
    if times:
        return _one_time(text, *times[0])
    for edge, pattern in _EDGES:
        if match := pattern.search(text):
            return TimeReference(edge=edge), f"{text[: match.start()]} {text[match.end() :]}"
    return TimeReference(), text


def _timed(text: str) -> list[tuple[float, int, int]]:
    """(seconds, start, end) of each time."""
    times = []
    for match in TIME.finditer(text):
        part = {name: float(value) for name, value in match.groupdict().items() if value}
        if match[0].strip() and part:
            hours = part.get("h", 0.0) + part.get("uh", 0.0)
            minutes = part.get("m", 0.0) + part.get("um", 0.0)
            seconds = hours * 3600 + minutes * 60 + part.get("s", 0.0) + part.get("us", 0.0)
            times.append((seconds, match.start(), match.end()))
    return times


def _one_time(text: str, seconds: float, start: int, end: int) -> tuple[TimeReference, str]:
    """A moment, or everything on one side of it, or what comes next to it there."""
    for pattern, side in ((_SINCE, "after"), (_UNTIL, "before")):
        if match := pattern.search(text[:start]):
            rest = text[: match.start()] + " " + re.sub(r"^\s*(?:on(?:wards?)?)\b", " ", text[end:])
            if match["next"] and _NEXT.search(text):
                return TimeReference(seconds, beside="after" if side == "after" else "before"), rest
            span = TimeSpan(seconds, max(FOREVER_S, seconds)) if side == "after" else TimeSpan(0.0, seconds)
            return TimeReference(span=span), rest
    return TimeReference(seconds), text


def _amount(pattern: re.Pattern[str], text: str) -> tuple[float, str] | None:
    match = pattern.search(text)
    if match is None or (match["amount"] is None and len(match["unit"]) < 4):
        return None
    word = (match["amount"] or "a").lower().strip()
    amount = float(word) if word[0].isdigit() else NUMBER_WORDS.get(word)
    if amount is None:
        return None
    amount += 0.5 * bool(match["half"])
    return amount * UNIT_S[match["unit"][0].lower()], text[: match.start()] + " " + text[match.end() :]
