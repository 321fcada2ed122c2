"""Merges neighbouring cubes with the same words into segments, from which summaries are made.

Pure functions over notes: `segment_matches` merges, `select_segments` keeps the most useful ones, and `format_segment`
and `notes_phrase` put them into words. Where there is too much, the longest segments are kept; nothing is chosen by
meaning.
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
        span: from the first cube's start to the last cube's end.
        things, texts: at most three each, as they stand in the notes.
        cubes: in time order.
    """

    span: TimeSpan
    things: tuple[str, ...]
    texts: tuple[str, ...]
    cubes: tuple[Match, ...]

    @property
    def recognised(self) -> bool:
        """Whether the notes name a thing or hold screen text."""
        return bool(self.things or self.texts)

    @property
    def phrase(self) -> str:
        """Its words, or its colours where it has none."""
        return _phrase(self.things, self.texts) or notes_phrase(self.cubes[0].notes)


def notes_phrase(notes: Notes) -> str:
    """A cube's notes as a phrase: `tabby cat; the screen says "EXIT"`."""
    phrase = _phrase([thing.name for thing in notes.things[:_THINGS]], [line.text for line in notes.texts[:_TEXTS]])
    return phrase or f"nothing recognised, {f'mostly {format_list(notes.colours)}' if notes.colours else 'a picture'}"


def _phrase(things: Iterable[str], texts: Iterable[str]) -> str:
    shown, read = format_list(things), format_list(f'"{text}"' for text in texts)
    return "; ".join([shown] * bool(shown) + [f"the screen says {read}"] * bool(read))


def segment_matches(matches: Sequence[Match], gap_s: float) -> list[Segment]:
    """The segments in time order: neighbours at most `gap_s` seconds apart with the same words are merged."""
    segments: list[Segment] = []
    for match in sorted(matches, key=lambda match: match.span):
        things = tuple(thing.name for thing in match.notes.things[:_THINGS])
        texts = tuple(line.text for line in match.notes.texts[:_TEXTS])
        new = Segment(match.span, things, texts, (match,))
        if segments and new.span.start_s - segments[-1].span.end_s <= gap_s and _alike(segments[-1], new):
            new = _merged(segments.pop(), new)
        segments.append(new)
    return segments


def _alike(a: Segment, b: Segment) -> bool:
    return set(a.things) == set(b.things) and set(a.texts) == set(b.texts)


def _merged(a: Segment, b: Segment) -> Segment:
    span = TimeSpan(a.span.start_s, max(a.span.end_s, b.span.end_s))
    return Segment(span, a.things, a.texts, (*a.cubes, *b.cubes))


def select_segments(segments: Sequence[Segment], most: int = MOST_SEGMENTS) -> list[Segment]:
    """At most `most` segments, in time order. Those without words are left out where any has words. Of too many, the
    longest segment of each thing and line comes first, then the longest of the rest."""
    worth = [segment for segment in segments if segment.recognised] or list(segments)
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


def format_segment(segment: Segment) -> str:
    """`0:10 to 0:17: tabby cat`."""
    return f"{format_span(segment.span)}: {segment.phrase}"
