"""What the whole video shows, or a part of it: a phrase for each segment, in time order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.answering.absent import absent
from pipeline.answering.appearances import spans_evidence
from pipeline.answering.claims import Claim, Facts, Findings, Sentence, phrase_claims
from pipeline.answering.match import Match
from pipeline.answering.retrieve import VideoMemory
from pipeline.answering.segments import Segment, format_segment, segment_matches, select_segments
from pipeline.queries.query import Scope, Summary, Term


@dataclass(frozen=True, slots=True)
class Segmented(Facts):
    """The segments that are stated, and how many more there are in which something was recognised."""

    segments: tuple[Segment, ...]
    left: int = 0

    def sentences(self) -> tuple[Sentence, ...]:
        stated = [
            Sentence(f"{format_segment(segment)}.", phrase_claims(segment.phrase, [segment.span]), listed=True)
            for segment in self.segments
        ]
        more = [Sentence(f"And {self.left} more.", counts=(self.left,))] if self.left > 0 else []
        return (*stated, *more)


def find(query: Summary, memory: VideoMemory) -> Findings:
    """Looks at all that was watched, or at the time that is named."""
    matches = memory.look(query.scope.span)
    return in_segments(matches, memory.gap_s) if matches else absent(Term(), Scope(), memory)


def in_segments(matches: Sequence[Match], gap_s: float) -> Findings:
    """The findings of what cubes show, merged into segments; the evidence holds every span that is stated."""
    segments = segment_matches(matches, gap_s)
    selected = select_segments(segments)
    left = sum(segment.recognised for segment in segments) - sum(segment.recognised for segment in selected)
    evidence = spans_evidence([segment.span for segment in selected])
    facts = Segmented(tuple(selected), left)
    return Findings(facts, segment_claims(selected), True, segment_cubes(selected), evidence=evidence)


def segment_claims(segments: Sequence[Segment]) -> tuple[Claim, ...]:
    """The claims of the segments' phrases."""
    return tuple(
        claim for segment in segments for claim in phrase_claims(segment.phrase, [segment.span], segment.cubes)
    )


def segment_cubes(segments: Sequence[Segment]) -> tuple[Match, ...]:
    """The cubes of the segments, in order."""
    return tuple(cube for segment in segments for cube in segment.cubes)
