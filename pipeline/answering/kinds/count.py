"""How often a thing is seen."""

from __future__ import annotations

from dataclasses import dataclass

from memory.records import Appearances
from pipeline.answering.absent import absent
from pipeline.answering.appearances import evidence_of, in_time_order, left_over, listed
from pipeline.answering.claims import Facts, Findings, Sentence, stated_thing, thing_claim
from pipeline.answering.phrases import NamedThing, capital, number_of_times
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import Count


@dataclass(frozen=True, slots=True)
class Counted(Facts):
    """The appearances of a thing."""

    thing: NamedThing
    evidence: Appearances

    def sentences(self) -> tuple[Sentence, ...]:
        count, spans = self.evidence.count, self.evidence.spans
        more, left = left_over(count)
        text = f"{self.thing.subject} {self.thing.verb} {number_of_times(count)}: {listed(spans)}{more}."
        stated = stated_thing(self.thing, spans, count=count)
        return (Sentence(capital(text), (stated,), counts=(count, *left)),)


def find(query: Count, memory: VideoMemory) -> Findings:
    """Retrieves the thing and counts its appearances."""
    retrieved = memory.answering(query.term, query.scope.span)
    if not retrieved.matches:
        return absent(query.term, query.scope, memory)
    ordered = in_time_order(retrieved.matches)
    evidence = evidence_of(ordered, memory.gap_s, retrieved.everywhere)
    thing = NamedThing.of(query.term.text, ordered)
    claim = thing_claim(thing, ordered, evidence.spans, count=evidence.count)
    return Findings(Counted(thing, evidence), (claim,), True, tuple(ordered), (), evidence, retrieved)
