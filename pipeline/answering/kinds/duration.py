"""How long a thing is seen, or how much of the video was watched."""

from __future__ import annotations

from dataclasses import dataclass

from memory.records import Appearances
from pipeline.answering.absent import absent
from pipeline.answering.appearances import appearances, evidence_of, listed
from pipeline.answering.claims import Claim, Facts, Findings, Sentence, cubes_of, stated_thing, thing_claim
from pipeline.answering.phrases import NamedThing, capital
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import Duration
from pipeline.times import format_duration


@dataclass(frozen=True, slots=True)
class Lasted(Facts):
    """The sum of a thing's appearances, in seconds; a least where not `all_read`."""

    thing: NamedThing
    evidence: Appearances
    seconds: float
    all_read: bool = True

    def sentences(self) -> tuple[Sentence, ...]:
        least = "" if self.all_read else "at least "
        times = listed(self.evidence.spans)
        where = f", from {times}" if self.evidence.count == 1 else f": {times}"
        text = f"{self.thing.subject} {self.thing.verb} for {least}{format_duration(self.seconds)}{where}."
        return (Sentence(capital(text), (stated_thing(self.thing, self.evidence.spans, seconds=self.seconds),)),)


@dataclass(frozen=True, slots=True)
class Watched(Facts):
    """How much was watched, in seconds."""

    seconds: float

    def sentences(self) -> tuple[Sentence, ...]:
        claim = Claim("what was watched", seconds=self.seconds, qualifiers=("lasts",))
        return (Sentence(f"What was watched lasts {format_duration(self.seconds)}.", (claim,)),)


def find(query: Duration, memory: VideoMemory) -> Findings:
    """Retrieves the thing and adds up its appearances."""
    if not query.term.text:
        last = tuple(memory.look_now())
        claim = Claim("what was watched", seconds=memory.watched_s, cubes=cubes_of(last))
        return Findings(Watched(memory.watched_s), (claim,), True, last)
    retrieved = memory.answering(query.term, query.scope.span)
    matches = retrieved.matches
    if not matches:
        return absent(query.term, query.scope, memory)
    evidence = evidence_of(matches, memory.gap_s)
    seconds = sum(span.seconds for span in appearances(matches, memory.gap_s))
    thing = NamedThing.of(query.term.text, matches)
    claim = thing_claim(thing, matches, evidence.spans, seconds=seconds)
    facts = Lasted(thing, evidence, seconds, all_read=retrieved.everywhere is None)
    return Findings(facts, (claim,), True, tuple(matches), (), evidence, retrieved)
