"""Reads questions on written timelines and scores whether an answer to one is exactly right. Pure functions.

A timeline is what a memory says in words, a line for each span:
``[0:10-0:17] tabby cat and sofa; the screen says "EXIT"``. The scoring is strict: an answer that names one wrong time,
or a thing from another span, is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.answering.mentions import counts_in, numbers_in, times_in, without_quotes

_LINE = re.compile(r"\[([\d:]+)-([\d:]+)\] (.*)")
_SCREEN = re.compile(r'the screen says "([^"]*)"')
_NO = re.compile(r"\b(?:no|not|nothing|never|none|nobody|cannot|unknown)\b|n['’]t\b", re.IGNORECASE)
_HALF_A_SECOND = 0.5


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One line of a timeline: seconds, the names of what is shown, what the screen says."""

    start_s: float
    end_s: float
    things: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """A question on a timeline and what an exactly right answer must hold; what is None or empty is not asked for.

    Attributes:
        times: spans (s) whose starts must be named; no time but their starts and ends may be.
        words: groups of alternatives; one of each group must be named.
        count: how often.
        seconds: how long, in seconds.
        yes: whether it is there.
        refuse: the timeline cannot answer it.
        at_end: nothing comes after it.
        first, other: of two things, the one to name first.
    """

    kind: str
    timeline: tuple[str, ...]
    question: str
    times: tuple[tuple[float, float], ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    count: int | None = None
    seconds: float | None = None
    yes: bool | None = None
    refuse: bool = False
    at_end: bool = False
    first: str = ""
    other: str = ""


def parse_timeline(timeline: Sequence[str]) -> list[TimelineLine]:
    """The lines of a timeline as data. Raises ValueError for a line of another form."""
    lines = []
    for line in timeline:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"not a line of a timeline: {line!r}")
        start, end, rest = match.groups()
        recognised = "" if "nothing recognised" in rest else _SCREEN.sub("", rest)
        things = tuple(part for part in re.split(r"\s*(?:;|,| and )\s*", recognised) if part)
        lines.append(TimelineLine(_seconds(start), _seconds(end), things, tuple(_SCREEN.findall(rest))))
    return lines


def read_items(path: Path) -> list[TimelineItem]:
    """A list of items, each with its timeline, or ``{"timelines": {name: …}, "items": […]}`` with names for them."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(document, list):
        return [_item(entry, entry["timeline"]) for entry in document]
    return [_item(entry, document["timelines"][entry["timeline"]]) for entry in document["items"]]


def exact(item: TimelineItem, answer: str) -> bool:
    """Whether the answer says all that is wanted and nothing that is wrong."""
    negative = bool(_NO.search(without_quotes(answer)))
    if item.refuse or (item.yes is False and not item.first):
        return negative and not times_in(answer)
    if item.at_end:
        return negative or bool(re.search(r"\bend\b", answer))
    return not negative and _times(item, answer) and _amounts(item, answer) and _words(item, answer)


def _times(item: TimelineItem, answer: str) -> bool:
    if not item.times:
        return True
    stated, edges = times_in(answer), [edge for span in item.times for edge in span]
    return all(_near(start, stated) for start, _ in item.times) and all(_near(time, edges) for time in stated)


def _amounts(item: TimelineItem, answer: str) -> bool:
    if item.count is not None:
        counts: set[float] = set(counts_in(answer)) or set(numbers_in(answer))
        return counts == {item.count}
    return item.seconds is None or _near(item.seconds, times_in(answer))


def _words(item: TimelineItem, answer: str) -> bool:
    if not all(any(_says(answer, word) for word in group) for group in item.words):
        return False
    if item.first and _says(answer, item.other) and not _place(answer, item.first) < _place(answer, item.other):
        return False
    return not item.words or not any(_says(answer, name) for name in _foreign(item))


def _foreign(item: TimelineItem) -> list[str]:
    """Names from lines that hold nothing of the right answer, unless the question names them."""
    foreign: set[str] = set()
    for line in parse_timeline(item.timeline):
        names = (*line.things, *line.texts)
        if not any(_within(name, item) for name in names):
            foreign.update(name for name in names if not _says(item.question, name))
    return sorted(foreign)


def _within(name: str, item: TimelineItem) -> bool:
    """Whether a wanted word is part of the name: the wanted "dog" is part of "border dog"."""
    return any(_says(name, word) for group in item.words for word in group)


def _says(text: str, word: str) -> bool:
    return _place(text, word) >= 0


def _place(text: str, word: str) -> int:
    """Where the word stands in the text as words of its own, plural or not; -1 where it does not."""
    match = re.search(rf"(?<!\w){re.escape(word)}(?:s|es)?(?!\w)", text, re.IGNORECASE)
    return match.start() if match else -1


def _near(time_s: float, others_s: Sequence[float]) -> bool:
    return any(abs(time_s - other_s) <= _HALF_A_SECOND for other_s in others_s)


def _seconds(clock: str) -> float:
    total = 0.0
    for part in clock.split(":"):
        total = 60 * total + float(part)
    return total


def _item(plain: dict[str, Any], timeline: Sequence[str]) -> TimelineItem:
    spans = [span.split("-") for span in plain.get("times", ())]
    return TimelineItem(
        kind=plain["kind"],
        timeline=tuple(timeline),
        question=plain["question"],
        times=tuple((_seconds(start), _seconds(end)) for start, end in spans),
        words=tuple(tuple(group) for group in plain.get("words", ())),
        count=plain.get("count"),
        seconds=plain.get("seconds"),
        yes=plain.get("yes"),
        refuse=plain.get("refuse", False),
        at_end=plain.get("end", False),
        first=plain.get("first", ""),
        other=plain.get("other", ""),
    )
