"""The same question about several things alike: each is answered, in the order asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from memory.records import Appearances
from pipeline.answering import kinds
from pipeline.answering.appearances import in_time_order
from pipeline.answering.claims import Facts, Findings, Sentence
from pipeline.answering.retrieve import Answering, VideoMemory
from pipeline.queries.query import Several


@dataclass(frozen=True, slots=True)
class Together(Facts):
    """The facts of each thing."""

    parts: tuple[Facts, ...]

    def sentences(self) -> tuple[Sentence, ...]:
        return tuple(sentence for part in self.parts for sentence in part.sentences())


def find(query: Several, memory: VideoMemory) -> Findings:
    """Answers each part in the scope of the whole."""
    return together([kinds.findings_of(replace(part, scope=query.scope), memory) for part in query.parts])


def together(parts: Sequence[Findings]) -> Findings:
    """The findings about several things as one; supported where any of them is."""
    held = [part.evidence for part in parts if part.evidence is not None]
    spans = sorted(span for evidence in held for span in evidence.spans)
    evidence = Appearances(
        sum(evidence.count for evidence in held),
        min((evidence.first_s for evidence in held if evidence.first_s is not None), default=None),
        max((evidence.last_s for evidence in held if evidence.last_s is not None), default=None),
        tuple(spans[:20]),
    )
    retrieved = [match for part in parts if part.retrieved is not None for match in part.retrieved.matches]
    return Findings(
        Together(tuple(part.facts for part in parts)),
        tuple(claim for part in parts for claim in part.claims),
        any(part.supported for part in parts),
        tuple(in_time_order([match for part in parts for match in part.matches])),
        evidence=evidence,
        retrieved=Answering(retrieved, None, None),
    )
