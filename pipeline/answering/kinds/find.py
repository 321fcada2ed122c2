"""When a thing is seen: all its appearances, or the first, the last, the third."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memory.records import Appearances, TimeSpan
from pipeline.answering.absent import absent
from pipeline.answering.appearances import appearances, evidence_of, in_time_order, left_over, listed
from pipeline.answering.claims import Facts, Findings, Sentence, stated_thing, thing_claim
from pipeline.answering.match import Match
from pipeline.answering.phrases import NamedThing, capital, number_of_times, ordinal
from pipeline.answering.retrieve import Answering, VideoMemory
from pipeline.queries.query import Find
from pipeline.times import format_span


@dataclass(frozen=True, slots=True)
class Appeared(Facts):
    """All appearances of a thing; `yes` where they are an answer to whether it is there."""

    thing: NamedThing
    evidence: Appearances
    yes: bool = False

    def sentences(self) -> tuple[Sentence, ...]:
        more, left = left_over(self.evidence.count)
        times = listed(self.evidence.spans).replace(" and ", " and from ")
        text = f"{self.thing.subject} {self.thing.verb} from {times}{more}."
        text = f"Yes, {text}" if self.yes else capital(text)
        return (Sentence(text, (stated_thing(self.thing, self.evidence.spans),), counts=left),)


@dataclass(frozen=True, slots=True)
class NthAppearance(Facts):
    """One appearance of a thing: number `place`, or the last (-1)."""

    thing: NamedThing
    place: int
    span: TimeSpan

    def sentences(self) -> tuple[Sentence, ...]:
        verb, word = self.thing.verb, {-1: "last", 1: "first"}.get(self.place)
        helper, participle = verb.split(" ", 1)
        when = f"{helper} {word} {participle}" if word else f"{verb} for the {ordinal(self.place)} time"
        text = capital(f"{self.thing.subject} {when} from {format_span(self.span)}.")
        qualifier = word or ordinal(self.place)
        return (Sentence(text, (stated_thing(self.thing, [self.span], qualifiers=(qualifier,)),)),)


@dataclass(frozen=True, slots=True)
class TooFew(Facts):
    """A thing that has not so many appearances as were asked for."""

    thing: NamedThing
    spans: tuple[TimeSpan, ...]

    def sentences(self) -> tuple[Sentence, ...]:
        count = len(self.spans)
        subject = f"{self.thing.subject} {self.thing.verb}"
        text = capital(f"{subject} only {number_of_times(count)}: {listed(self.spans)}.")
        return (Sentence(text, (stated_thing(self.thing, self.spans),), counts=(count,)),)


def find(query: Find, memory: VideoMemory) -> Findings:
    """Retrieves the thing, and states its appearances or the one that is asked for."""
    retrieved = memory.answering(query.term, query.scope.span, query.retrieval)
    if not retrieved.matches:
        return absent(query.term, query.scope, memory)
    ordered = in_time_order(retrieved.matches)
    if query.term.nth or query.place:
        return _placed(query, ordered, memory.gap_s, retrieved)
    return appeared(query.term.text, ordered, memory.gap_s, retrieved)


def appeared(
    topic: str, ordered: Sequence[Match], gap_s: float, retrieved: Answering, *, yes: bool = False
) -> Findings:
    """The findings that a thing was seen, at all its times."""
    evidence = evidence_of(ordered, gap_s, retrieved.everywhere)
    thing = NamedThing.of(topic, ordered)
    claim = thing_claim(thing, ordered, evidence.spans, count=evidence.count)
    return Findings(Appeared(thing, evidence, yes), (claim,), True, tuple(ordered), (), evidence, retrieved)


def _placed(query: Find, ordered: Sequence[Match], gap_s: float, retrieved: Answering) -> Findings:
    """One appearance by its place."""
    evidence = evidence_of(ordered, gap_s, retrieved.everywhere)
    place = -1 if query.place == "last" else max(query.term.nth, 1)
    if query.wanted and query.place and query.term.nth < 2:
        # "which animal is first": one of them, not all that follow each other
        edge = ordered[-1 if query.place == "last" else 0]
        ordered = [match for match in ordered if match.named == edge.named]
    spans = appearances(ordered, gap_s)
    if place > len(spans):
        thing = NamedThing.of(query.term.text, ordered)
        claim = thing_claim(thing, ordered, spans, count=len(spans))
        return Findings(TooFew(thing, tuple(spans)), (claim,), True, tuple(ordered), (), evidence, retrieved)
    span = spans[place - 1 if place > 0 else -1]
    cited = tuple(match for match in ordered if match.span.overlaps(span))
    thing = NamedThing.of(query.term.text, cited)
    qualifier = {-1: "last", 1: "first"}.get(place) or ordinal(place)
    claim = thing_claim(thing, cited, [span], qualifiers=(qualifier,))
    return Findings(NthAppearance(thing, place, span), (claim,), True, cited, (), evidence, retrieved)
