"""Questions that no memory of this kind can answer."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.answering.claims import NOTHING, Claim, Facts, Findings, Sentence
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import Unsupported


@dataclass(frozen=True, slots=True)
class NotHeld(Facts):
    """The memory does not hold what is asked for."""

    reason: str

    def sentences(self) -> tuple[Sentence, ...]:
        return (Sentence("The memory does not say that.", (Claim("the memory", "not_known", why=self.reason),)),)


def find(query: Unsupported, memory: VideoMemory) -> Findings:
    """Says so, with the reason."""
    return not_held(query.reason)


def not_held(reason: str) -> Findings:
    """The findings where a memory cannot hold the answer."""
    return Findings(NotHeld(reason), (Claim("", "not_known", why=reason),), supported=False, evidence=NOTHING)
