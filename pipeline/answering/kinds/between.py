"""What comes after one thing and before another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memory.records import TimeSpan
from pipeline.answering.absent import absent
from pipeline.answering.appearances import appearances, spans_evidence
from pipeline.answering.claims import Claim, Facts, Findings, Sentence, appearance_claim, phrase_claims
from pipeline.answering.kinds.summary import segment_claims, segment_cubes
from pipeline.answering.match import Match
from pipeline.answering.phrases import numbered
from pipeline.answering.retrieve import VideoMemory
from pipeline.answering.segments import Segment, segment_matches, select_segments
from pipeline.queries.query import Between, Term
from pipeline.times import format_list, format_span


@dataclass(frozen=True, slots=True)
class InBetween(Facts):
    """The segments between two things; none where nothing is."""

    term: Term
    other: Term
    segments: tuple[Segment, ...] = ()

    def sentences(self) -> tuple[Sentence, ...]:
        both = f"{numbered(self.term.text, self.term.nth)} and {numbered(self.other.text, self.other.nth)}"
        if not self.segments:
            return (Sentence(f"Nothing comes between {both}.", (Claim(both, "not_seen"),)),)
        parts = format_list(f"{segment.phrase.text} from {format_span(segment.span)}" for segment in self.segments)
        claims = [claim for segment in self.segments for claim in phrase_claims(segment.phrase, [segment.span])]
        quotes = sum(len(segment.phrase.texts) for segment in self.segments)
        mixed = any(segment.phrase.things and segment.phrase.texts for segment in self.segments)
        text = f"Between {both}: {parts}."
        return (Sentence(text, (Claim(both), *claims), listed=quotes > 1 or mixed),)


def find(query: Between, memory: VideoMemory) -> Findings:
    """Retrieves both things and looks at the time between the appearances that are meant."""
    matches = memory.answering(query.term, query.scope.span, query.retrieval).matches
    others = memory.answering(query.other, query.scope.span, query.retrieval).matches
    gap_s = memory.gap_s
    first, last = apart(appearances(matches, gap_s), appearances(others, gap_s), query.term.nth, query.other.nth)
    if first is None or last is None:
        return absent(query.term if first is None else query.other, query.scope, memory, numbered=True)
    ends = (_end(query.term, first, matches), _end(query.other, last, others))
    if last.start_s <= first.end_s:
        return _nothing(query, ends)
    inside = memory.look(TimeSpan(first.end_s, last.start_s))
    inside = [match for match in inside if not match.span.overlaps(first) and not match.span.overlaps(last)]
    if not inside:
        return _nothing(query, ends)
    segments = select_segments(segment_matches(inside, gap_s))
    evidence = spans_evidence([segment.span for segment in segments])
    facts = InBetween(query.term, query.other, tuple(segments))
    return Findings(facts, (*segment_claims(segments), *ends), True, segment_cubes(segments), evidence=evidence)


def _end(term: Term, span: TimeSpan, matches: Sequence[Match]) -> Claim:
    return appearance_claim(term.text, [span], [match for match in matches if match.span.overlaps(span)])


def _nothing(query: Between, ends: tuple[Claim, ...]) -> Findings:
    both = f"{numbered(query.term.text, query.term.nth)} and {numbered(query.other.text, query.other.nth)}"
    return Findings(InBetween(query.term, query.other), (*ends, Claim(f"between {both}", "not_seen")), supported=True)


def apart(
    spans: Sequence[TimeSpan], others: Sequence[TimeSpan], nth: int, other_nth: int
) -> tuple[TimeSpan | None, TimeSpan | None]:
    """An appearance of each, the earlier one first: those that are numbered, else the first pair with time between."""
    spans, others = _numbered(spans, nth), _numbered(others, other_nth)
    if not spans or not others:
        return (spans[0] if spans else None), (others[0] if others else None)
    pairs = [(min(a, b), max(a, b)) for a in spans for b in others]
    straight = [(a, b) for a in spans for b in others if b.start_s > a.end_s]
    parted = straight or [(a, b) for a, b in pairs if b.start_s > a.end_s]
    return min(parted or pairs, key=lambda pair: (pair[0], pair[1]))


def _numbered(spans: Sequence[TimeSpan], nth: int) -> Sequence[TimeSpan]:
    """The appearance of that number alone; all where there is none."""
    if not nth:
        return spans
    return [spans[nth - 1 if nth > 0 else nth]] if abs(nth) <= len(spans) else []
