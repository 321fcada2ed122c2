"""Merges neighbouring cubes with the same words into segments, from which summaries are made.

Pure functions over notes: `segment_matches` merges, `select_segments` keeps the most useful ones, and `format_segment`
puts one into words. Where there is too much, the longest segments are kept; nothing is chosen by meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memory.records import TimeSpan
from pipeline.answering.match import Match
from pipeline.answering.phrases import NotesPhrase
from pipeline.times import format_span

MOST_SEGMENTS = 12


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring cubes with the same words.

    Attributes:
        span: from the first cube's start to the last cube's end.
        phrase: what their notes say; the colours are the first cube's.
        cubes: in time order.
    """

    span: TimeSpan
    phrase: NotesPhrase
    cubes: tuple[Match, ...]

    @property
    def recognised(self) -> bool:
        """Whether the notes name a thing or hold screen text."""
        return self.phrase.recognised


def segment_matches(matches: Sequence[Match], gap_s: float) -> list[Segment]:
    """The segments in time order: neighbours at most `gap_s` seconds apart with the same words are merged."""
    segments: list[Segment] = []
    for match in sorted(matches, key=lambda match: match.span):
        new = Segment(match.span, NotesPhrase.of(match.notes), (match,))
        if segments and new.span.start_s - segments[-1].span.end_s <= gap_s and _alike(segments[-1], new):
            new = _merged(segments.pop(), new)
        segments.append(new)
    return segments


def _alike(a: Segment, b: Segment) -> bool:
    return set(a.phrase.things) == set(b.phrase.things) and set(a.phrase.texts) == set(b.phrase.texts)


def _merged(a: Segment, b: Segment) -> Segment:
    span = TimeSpan(a.span.start_s, max(a.span.end_s, b.span.end_s))
    return Segment(span, a.phrase, (*a.cubes, *b.cubes))


def select_segments(segments: Sequence[Segment], most: int = MOST_SEGMENTS) -> list[Segment]:
    """At most `most` segments, in time order. Those without words are left out where any has words. Of too many, the
    longest segment of each thing and line comes first, then the longest of the rest."""
    worth = [segment for segment in segments if segment.recognised] or list(segments)
    covered: set[str] = set()
    new: list[int] = []
    by_length = sorted(range(len(worth)), key=lambda i: -worth[i].span.seconds)
    for place in by_length:
        words = {*worth[place].phrase.things, *worth[place].phrase.texts}
        if not words <= covered:
            new.append(place)
            covered |= words
    chosen = [*new, *(place for place in by_length if place not in set(new))][:most]
    return [worth[place] for place in sorted(chosen)]


def format_segment(segment: Segment) -> str:
    """`0:10 to 0:17: tabby cat`."""
    return f"{format_span(segment.span)}: {segment.phrase.text}"
