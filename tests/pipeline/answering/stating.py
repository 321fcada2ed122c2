"""Findings made by hand, for tests of what is said of them: sentences with the claims that each states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memory.records import Appearances, TimeSpan
from pipeline.answering.agreement import Stated
from pipeline.answering.claims import Claim, Facts, Findings, Sentence
from pipeline.answering.kinds import findings_of
from pipeline.answering.match import Match
from pipeline.answering.retrieve import Answering
from pipeline.queries.planner import PlanContext
from pipeline.queries.query import Query, Term
from pipeline.queries.rules.planner import RulePlanner
from pipeline.queries.terms import ResolvedTerm, resolve_term


@dataclass(frozen=True, slots=True)
class Written(Facts):
    """Sentences that are there already."""

    written: tuple[Sentence, ...]

    def sentences(self) -> tuple[Sentence, ...]:
        return self.written


def plan(question: str) -> Query:
    """The query of a question, by the rules."""
    return RulePlanner().plan(question, PlanContext())


def seconds(clock: str) -> float:
    """ "1:02:03" -> 3723."""
    total = 0.0
    for part in clock.split(":"):
        total = 60 * total + float(part)
    return total


def spans(*clocks: str) -> tuple[TimeSpan, ...]:
    """ "0:10-0:17" -> a span, for each."""
    return tuple(TimeSpan(*map(seconds, clock.split("-"))) for clock in clocks)


def claim(subject: str, *clocks: str, **more: Any) -> Claim:
    """A claim about a subject at spans like "0:10-0:17"."""
    return replace(Claim(subject, spans=spans(*clocks)), **more)


def findings(*sentences: Sentence, question: str = "", supported: bool = True) -> Findings:
    """Findings whose claims are those that the sentences state."""
    claims = tuple(claim for sentence in sentences for claim in sentence.claims)
    return Findings(Written(sentences), claims, supported, query=plan(question))


def stated(made: Findings) -> Stated:
    """What the verifier checks against."""
    assert made.query is not None
    return Stated.of(made.facts.sentences(), made.claims, made.query.text, made.query.unused)


def statement(made: Findings) -> str:
    """What templates say of the findings."""
    return " ".join(sentence.text for sentence in made.facts.sentences())


class HeldMatches:
    """A memory for `kinds.findings_of` whose matches are given by hand, whatever is asked for.

    Args:
        matches: what answers to words, and what is looked at.
        named: what answers to these words instead.
        beside: the cubes next to an anchor.
        vocabulary: the words that it can recognise.
    """

    gap_s = 1.5

    def __init__(
        self,
        *matches: Match,
        named: Mapping[str, Sequence[Match]] | None = None,
        beside: Sequence[Match] = (),
        vocabulary: Sequence[str] = ("cat", "cats", "dog", "people"),
        watched_s: float = 999.0,
        growing: bool = False,
        all_read: bool = True,
    ) -> None:
        self.matches, self.named, self.neighbours = list(matches), dict(named or {}), list(beside)
        self.vocabulary, self.watched_s, self.growing = set(vocabulary), watched_s, growing
        self.all_read = all_read

    def resolve(self, topic: str, *, verb_last: bool = False) -> ResolvedTerm:
        return resolve_term(topic, lambda word: frozenset({word} & self.vocabulary), verb_last=verb_last)

    def answering(self, asked: Term, span: TimeSpan | None = None, preference: str = "score") -> Answering:
        matches = list(self.named.get(asked.text, self.matches))
        return Answering(matches, None, None if self.all_read else Appearances(0, None, None, ()))

    def look(self, span: TimeSpan | None, kinds: tuple[str, ...] | None = None) -> list[Match]:
        return self.matches

    def look_now(self) -> list[Match]:
        return self.matches

    def beside(self, anchor: TimeSpan, *, after: bool) -> list[Match]:
        return self.neighbours


def asked(question: str, memory: HeldMatches) -> Findings:
    """The findings of a question, without resolving its words and times."""
    return findings_of(plan(question), memory)  # type: ignore[arg-type]
