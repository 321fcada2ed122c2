"""Which of two things is seen first."""

from __future__ import annotations

from dataclasses import dataclass

from memory.records import TimeSpan
from pipeline.answering.absent import absent
from pipeline.answering.claims import Claim, Facts, Findings, Sentence, appearance_claim
from pipeline.answering.phrases import capital, label
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import Order
from pipeline.times import format_span, format_time


@dataclass(frozen=True, slots=True)
class Ordered(Facts):
    """Two things in the order of their first spans; in the order asked where they come at the same time."""

    topic: str
    span: TimeSpan
    later: str
    later_span: TimeSpan

    def sentences(self) -> tuple[Sentence, ...]:
        first, second = label(self.topic), label(self.later)
        if self.span.start_s == self.later_span.start_s:
            moment = TimeSpan(self.span.start_s, self.span.start_s)
            text = f"{capital(first)} and {second} come together, from {format_time(moment.start_s)}."
            both = Claim(f"{self.topic} and {self.later}", spans=(moment,), qualifiers=("together",))
            return (Sentence(text, (both,)),)
        text = f"{capital(first)} comes first, from {format_span(self.span)}; "
        claims = (
            Claim(self.topic, spans=(self.span,), qualifiers=("first",)),
            Claim(self.later, spans=(self.later_span,), qualifiers=("follows",)),
        )
        return (Sentence(f"{text}{second} follows from {format_span(self.later_span)}.", claims, listed=True),)


def find(query: Order, memory: VideoMemory) -> Findings:
    """Retrieves both things and compares where they begin."""
    matches = memory.answering(query.term, query.scope.span, query.retrieval).matches
    others = memory.answering(query.other, query.scope.span, query.retrieval).matches
    if not matches or not others:
        return absent(query.other if matches else query.term, query.scope, memory)
    pairs = [(matches[0], query.term.text), (others[0], query.other.text)]
    if matches[0].span.start_s != others[0].span.start_s:
        pairs.sort(key=lambda pair: pair[0].span)
    (first, earlier), (second, later) = pairs
    claims = tuple(appearance_claim(topic, [match.span], [match]) for match, topic in pairs)
    cited = (first, second) if first.hit != second.hit else (first,)
    return Findings(Ordered(earlier, first.span, later, second.span), claims, True, cited)
