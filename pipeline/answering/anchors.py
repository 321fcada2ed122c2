"""Appearances that a question counts from: "what comes after the dog", "ten seconds after the dog appears".

`anchor_of` retrieves the appearance; `find_from` answers a query whose moment is an offset away from one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from memory.records import TimeSpan
from pipeline.answering.absent import absent
from pipeline.answering.appearances import appearances
from pipeline.answering.claims import NOTHING, Claim, Facts, Findings, Sentence
from pipeline.answering.match import Match
from pipeline.answering.phrases import label
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import Offset, Query, Scope, Term
from pipeline.times import format_duration, format_span


@dataclass(frozen=True, slots=True)
class Anchor:
    """The appearance of a thing that a question counts from.

    Attributes:
        span: of that appearance, or of the moment that the question names instead of a thing.
        matches: the cubes of every appearance; empty for a moment.
    """

    span: TimeSpan
    matches: tuple[Match, ...] = ()

    @property
    def cubes(self) -> tuple[Match, ...]:
        """The cubes of this appearance."""
        return tuple(match for match in self.matches if match.span.overlaps(self.span))


@dataclass(frozen=True, slots=True)
class OutOfReach(Facts):
    """Nothing was watched at the offset from an appearance; `growing` where it may still come."""

    offset: Offset
    anchor: TimeSpan
    growing: bool = False

    def sentences(self) -> tuple[Sentence, ...]:
        seconds = abs(self.offset.seconds)
        side = "before" if self.offset.seconds < 0 else "after"
        far = f"{format_duration(seconds)} {side} {label(self.offset.term.text)}"
        far = f"in the {far}" if self.offset.stretch else far
        so_far = self.growing and self.offset.seconds > 0
        text = f"Nothing was found {far} ({format_span(self.anchor)}){' so far' if so_far else ''}."
        claim = Claim(self.offset.term.text, "not_known", (self.anchor,), seconds=seconds, qualifiers=(side,))
        return (Sentence(text, (replace(claim, qualifiers=(side, *["so far"] * so_far)),)),)


def anchor_of(term: Term, at_s: float | None, memory: VideoMemory) -> Anchor | None:
    """The appearance meant, the first where the question does not say; None where there is no such appearance.

    Args:
        at_s: the moment that is meant where the term is empty, in seconds.
    """
    if not term.text:
        return Anchor(TimeSpan(at_s or 0.0, at_s or 0.0))
    matches = memory.answering(term, preference="last" if term.nth < 0 else "first").matches
    spans = appearances(matches, memory.gap_s)
    place = term.nth - 1 if term.nth > 0 else term.nth
    return Anchor(spans[place], tuple(matches)) if -len(spans) <= place < len(spans) else None


def find_from(
    query: Query, offset: Offset, memory: VideoMemory, find: Callable[[Query, VideoMemory], Findings]
) -> Findings:
    """The findings of a query at the moment that lies an offset away from a thing, which is cited too."""
    offset = replace(offset, term=offset.term.resolved(memory.resolve))
    anchor = anchor_of(offset.term, None, memory)
    if anchor is None:
        return replace(absent(offset.term, Scope(), memory, numbered=True), query=query)
    scope = _scope_from(anchor.span, query.scope, offset, memory.watched_s)
    if scope is None:
        claim = Claim(offset.term.text, "not_known", why="nothing was watched then", seconds=abs(offset.seconds))
        facts = OutOfReach(offset, anchor.span, memory.growing)
        return Findings(facts, (claim,), supported=False, evidence=NOTHING, query=query)
    findings = find(replace(query, scope=scope).resolve_times(memory.watched_s), memory)
    if not findings.supported:
        return findings
    cited = {match.hit.span for match in findings.matches}
    return replace(findings, context=tuple(match for match in anchor.cubes if match.hit.span not in cited))


def _scope_from(anchor: TimeSpan, scope: Scope, offset: Offset, watched_s: float) -> Scope | None:
    """The moment an offset away from an appearance, or the span up to it as far as it was watched; None where nothing
    was watched then."""
    from_s = anchor.start_s if offset.onset else anchor.end_s
    there_s = from_s + offset.seconds
    if offset.stretch:
        span = TimeSpan(max(min(from_s, there_s), 0.0), max(min(max(from_s, there_s), watched_s), 0.0))
        return replace(scope, span=span, offset=None) if span.seconds > 0 else None
    return replace(scope, at_s=there_s, offset=None) if 0 <= there_s < watched_s else None
