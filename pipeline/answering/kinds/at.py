"""What is seen at a moment, in a stretch, at the start or the end, or now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.answering.absent import absent
from pipeline.answering.appearances import in_time_order
from pipeline.answering.claims import Claim, Facts, Findings, Sentence, phrase_claims
from pipeline.answering.kinds.summary import in_segments
from pipeline.answering.match import Match
from pipeline.answering.phrases import NotesPhrase
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import At
from pipeline.times import format_span, format_time


@dataclass(frozen=True, slots=True)
class Moment(Facts):
    """What a cube shows, at a moment (s), or at a place in the video such as "At the end" or "Now"."""

    match: Match
    at_s: float | None = None
    place: str = ""

    def sentences(self) -> tuple[Sentence, ...]:
        phrase, span = NotesPhrase.of(self.match.notes), self.match.span
        if self.at_s is not None:
            claims = phrase_claims(phrase, [])
            return (Sentence(f"At {format_time(self.at_s)}: {phrase.text}.", claims, (self.at_s,), listed=True),)
        first, *others = phrase_claims(phrase, [span])
        first = replace(first, qualifiers=(*first.qualifiers, self.place.lower()))
        text = f"{self.place}: {phrase.text}, from {format_span(span)}."
        listed = len(phrase.texts) > 1 or bool(phrase.things and phrase.texts)
        return (Sentence(text, (first, *others), listed=listed),)


class Unwatched(Facts):
    """Nothing was watched at all."""

    __slots__ = ()

    def sentences(self) -> tuple[Sentence, ...]:
        return (Sentence("Nothing was watched yet.", (Claim("watched", "not_known", qualifiers=("yet",)),)),)


def find(query: At, memory: VideoMemory) -> Findings:
    """Looks at the time and states what its cubes hold, whatever it is."""
    scope = query.scope
    matches = memory.look(scope.span)
    if scope.now or (scope.edge == "end" and memory.growing):  # the end of such a video is not known yet
        return _now(matches)
    if not matches:
        return absent(query.term, scope, memory)
    ordered = in_time_order(matches)
    if scope.edge:
        match = ordered[-1 if scope.edge == "end" else 0]
        return _shown(Moment(match, place=f"At the {scope.edge}"))
    if scope.at_s is not None:
        return _shown(Moment(ordered[0], at_s=scope.at_s))
    return in_segments(ordered, memory.gap_s)


def _now(matches: Sequence[Match]) -> Findings:
    if not matches:
        claim = Claim("", "not_known", why="nothing was watched yet")
        return Findings(Unwatched(), (claim,), supported=False)
    return _shown(Moment(max(matches, key=lambda match: match.span.start_s), place="Now"))


def _shown(facts: Moment) -> Findings:
    match = facts.match
    claims = phrase_claims(NotesPhrase.of(match.notes), [match.span], [match])
    return Findings(facts, claims, supported=True, matches=(match,))
