"""Cubes in words, and neighbouring cubes that say the same as one stretch: what summaries are told from.

What it is: pure functions over notes. What it is not: a choice by meaning; where there is too much to say, what lasts
longest is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from encoders.notes import Notes
from memory.records import TimeSpan
from pipeline.answering.match import Match
from pipeline.times import format_list, format_span

_THINGS = _TEXTS = 3
MOST_SEGMENTS = 12


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring cubes with the same words.

    Attributes:
        span: from the first one's start to the last one's end.
        things, texts: at most three each, as they are said.
        cubes: in order of time.
    """

    span: TimeSpan
    things: tuple[str, ...]
    texts: tuple[str, ...]
    cubes: tuple[Match, ...]

    @property
    def recognised(self) -> bool:
        """Whether there is anything to say of it."""
        return bool(self.things or self.texts)

    @property
    def phrase(self) -> str:
        """Its words, or its colours where there are none."""
        return _phrase(self.things, self.texts) or notes_phrase(self.cubes[0].notes)


def notes_phrase(notes: Notes) -> str:
    """A cube's notes as a phrase: `tabby cat; the screen says "EXIT"`."""
    phrase = _phrase([one.name for one in notes.things[:_THINGS]], [one.text for one in notes.texts[:_TEXTS]])
    return phrase or f"nothing recognised, {f'mostly {format_list(notes.colours)}' if notes.colours else 'a picture'}"


def _phrase(things: Iterable[str], texts: Iterable[str]) -> str:
    seen, read = format_list(things), format_list(f'"{text}"' for text in texts)
    return "; ".join([seen] * bool(seen) + [f"the screen says {read}"] * bool(read))


def segment_matches(seen: Sequence[Match], gap_s: float) -> list[Segment]:
    """In order of time, neighbours at most `gap_s` apart with the same words made one."""
    found: list[Segment] = []
    for one in sorted(seen, key=lambda one: one.span):
        things = tuple(thing.name for thing in one.notes.things[:_THINGS])
        texts = tuple(line.text for line in one.notes.texts[:_TEXTS])
        new = Segment(one.span, things, texts, (one,))
        if found and new.span.start_s - found[-1].span.end_s <= gap_s and _alike(found[-1], new):
            new = _merged(found.pop(), new)
        found.append(new)
    return found


def _alike(a: Segment, b: Segment) -> bool:
    return set(a.things) == set(b.things) and set(a.texts) == set(b.texts)


def _merged(a: Segment, b: Segment) -> Segment:
    span = TimeSpan(a.span.start_s, max(a.span.end_s, b.span.end_s))
    return Segment(span, a.things, a.texts, (*a.cubes, *b.cubes))


def select_segments(found: Sequence[Segment], most: int = MOST_SEGMENTS) -> list[Segment]:
    """What is worth saying, in order of time: what is recognised, where anything is; of too much, each thing's and
    line's longest stretch first, then the longest."""
    worth = [one for one in found if one.recognised] or list(found)
    covered: set[str] = set()
    new: list[int] = []
    by_length = sorted(range(len(worth)), key=lambda i: -worth[i].span.seconds)
    for place in by_length:
        words = {*worth[place].things, *worth[place].texts}
        if not words <= covered:
            new.append(place)
            covered |= words
    chosen = [*new, *(place for place in by_length if place not in set(new))][:most]
    return [worth[place] for place in sorted(chosen)]


def format_segment(one: Segment) -> str:
    """`0:10 to 0:17: tabby cat`."""
    return f"{format_span(one.span)}: {one.phrase}"
