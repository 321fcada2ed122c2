"""What stands next to a thing in time, or next to a moment: the cube beside it, or the nearest that shows what is
wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from memory.records import TimeSpan
from pipeline.answering.absent import absent
from pipeline.answering.anchors import Anchor, anchor_of
from pipeline.answering.claims import Claim, Facts, Findings, Sentence, appearance_claim, phrase_claims
from pipeline.answering.match import Match
from pipeline.answering.phrases import NotesPhrase, capital, label
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import FOREVER_S, Neighbour, Scope, Side, Term
from pipeline.times import format_span


@dataclass(frozen=True, slots=True)
class Beside(Facts):
    """What stands on one side of an anchor.

    Attributes:
        topic: the words for the anchor; empty for a moment.
        neighbour: the cube beside it; None where there is none.
        wanted: what sort of thing was looked for; empty for anything.
        held: whether the anchor was seen, rather than named as a moment.
        growing: whether it may still come.
    """

    side: Side
    topic: str
    anchor: TimeSpan
    neighbour: Match | None = None
    wanted: str = ""
    held: bool = False
    growing: bool = False

    @property
    def what(self) -> str:
        """The anchor in words."""
        return label(self.topic) if self.topic else format_span(self.anchor)

    @property
    def missing(self) -> Claim:
        """The claim that nothing stands there."""
        return Claim(f"{self.wanted} {self.side} {self.topic and label(self.topic)}".strip(), "not_seen")

    def sentences(self) -> tuple[Sentence, ...]:
        if self.neighbour is None:
            return (self._not_yet() if self.growing and self.side == "after" else self._none(),)
        where = format_span(self.anchor)
        phrase, span = NotesPhrase.of(self.neighbour.notes), self.neighbour.span
        anchor = f"{self.what} ({where})" if self.topic else where
        text = f"{capital(self.side)} {anchor}: {phrase.text} from {format_span(span)}."
        return (Sentence(text, phrase_claims(phrase, [span]), listed=True),)

    def _not_yet(self) -> Sentence:
        wanted = f"No {self.wanted}" if self.wanted else "Nothing"
        claim = replace(self.missing, qualifiers=("so far",))
        return Sentence(f"{wanted} was seen after {self.what} so far.", (claim,), self._moment)

    def _none(self) -> Sentence:
        edge = "start" if self.side == "before" else "end"
        wanted, where = f"no {self.wanted}" if self.wanted else "nothing", format_span(self.anchor)
        at_edge = self.held and not self.wanted
        at = f"it is at the {edge}, from {where}" if at_edge else f"that is the {edge}"
        text = capital(f"{wanted} comes {self.side} {self.what}: {at}.")
        claim = replace(self.missing, spans=(self.anchor,) if at_edge else ())
        return Sentence(text, (claim,), self._moment, listed=not self.topic)

    @property
    def _moment(self) -> tuple[float, ...]:
        return () if self.topic else (self.anchor.start_s,)


def find(query: Neighbour, memory: VideoMemory) -> Findings:
    """Retrieves the anchor, and looks beside it."""
    term = query.term
    anchor = anchor_of(term, query.scope.at_s, memory)
    if anchor is None:
        return absent(term, query.scope, memory, numbered=True)
    wanted = query.wanted if query.wanted and memory.resolve(query.wanted).word else ""
    after = query.side == "after"
    neighbours = _nearest(query, wanted, anchor.span, memory) if wanted else memory.beside(anchor.span, after=after)
    held = anchor.cubes
    if not neighbours and anchor.span.start_s > memory.watched_s and not held:
        moment = Scope(at_s=anchor.span.start_s)
        return absent(Term(), moment, memory)
    facts = Beside(
        query.side,
        term.text,
        anchor.span,
        neighbours[0] if neighbours else None,
        wanted,
        bool(held),
        memory.growing,
    )
    return Findings(facts, _claims(facts, anchor), True, tuple(neighbours[:1]), held)


def _claims(facts: Beside, anchor: Anchor) -> tuple[Claim, ...]:
    """That the anchor was seen, and what stands beside it."""
    held = [appearance_claim(facts.topic, [anchor.span], anchor.cubes)] if anchor.cubes else []
    if facts.neighbour is None:
        return (*held, facts.missing)
    match = facts.neighbour
    return (*phrase_claims(NotesPhrase.of(match.notes), [match.span], [match]), *held)


def _nearest(query: Neighbour, wanted: str, anchor: TimeSpan, memory: VideoMemory) -> list[Match]:
    """The nearest cube on that side that shows what is wanted: "which animal comes after the dog"."""
    after = query.side == "after"
    side = TimeSpan(anchor.end_s, FOREVER_S) if after else TimeSpan(0.0, anchor.start_s)
    matches = memory.answering(replace(query.term, text=wanted, where=""), side, query.retrieval).matches
    matches = [match for match in matches if not match.span.overlaps(anchor)]
    return sorted(matches, key=lambda match: match.span, reverse=not after)[:1]
