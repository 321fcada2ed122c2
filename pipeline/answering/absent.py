"""What is stated where nothing in the memory answers: "Nothing matching "dog" was found around 0:05."

`absent` makes the findings of it for any kind of question. A thing that the vocabulary knows, or text that was looked
for on the screen, was not seen; any other is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.answering.claims import NOTHING, Claim, Facts, Findings, Sentence
from pipeline.answering.phrases import label, ordinal, plural
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import Scope, Term
from pipeline.times import format_time


@dataclass(frozen=True, slots=True)
class Absent(Facts):
    """Nothing answers.

    Attributes:
        topic: the words that were looked for; empty where it was anything.
        number: which appearance of it; 0 for any.
        scope: where it was looked for.
        denied: whether the answer is "no".
        claim: the claim that this is.
    """

    topic: str
    number: int
    scope: Scope
    denied: bool
    claim: Claim

    def sentences(self) -> tuple[Sentence, ...]:
        """Stated of the part of the video that the question names, and of no other."""
        at_s = self.scope.at_s
        where, times = where_asked(self.scope), () if at_s is None else (at_s,)
        if self.denied:
            verb = "are" if plural(self.topic) else "is"
            return (Sentence(f"No, {label(self.topic)} {verb} not seen{where}.", (self.claim,), times),)
        wanted = f'matching "{_numbered(self.topic, self.number)}" ' if self.topic else ""
        return (Sentence(f"Nothing {wanted}was found{where}.", (self.claim,), times),)


def absent(term: Term, scope: Scope, memory: VideoMemory, *, numbered: bool = False, denied: bool = False) -> Findings:
    """The findings where no cube answers to a term in a scope.

    Args:
        numbered: whether the number of the term is part of what was not found: "the third cat".
        denied: whether "no" is a true answer; never said of quoted words.
    """
    number = max(term.nth, 0) if numbered else 0
    subject = _numbered(term.text, number)
    if not term.text:
        claim = Claim("", "not_known", why="nothing was watched then")
    elif term.on_screen or memory.resolve(term.text).word:
        claim = Claim(subject, "not_seen")
    else:
        claim = Claim(subject, "not_known", why=f'"{term.text}" is no word that this memory can recognise')
    facts = Absent(term.text, number, scope, denied and bool(term.text) and not term.quoted, claim)
    return Findings(facts, (claim,), supported=False, evidence=NOTHING)


def where_asked(scope: Scope) -> str:
    """The part of the video that a question names, as a phrase."""
    if scope.at_s is not None:
        return f" around {format_time(scope.at_s)}"
    if scope.edge:
        return f" at the {scope.edge}"
    return "" if scope.span is None else " in that time"


def _numbered(topic: str, number: int) -> str:
    return f"{ordinal(number)} {topic}" if number else topic
