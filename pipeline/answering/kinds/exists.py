"""Whether a thing is seen: "yes" and "no" are said only of all that was asked."""

from __future__ import annotations

from dataclasses import replace

from pipeline.answering.absent import absent
from pipeline.answering.appearances import in_time_order
from pipeline.answering.claims import Findings
from pipeline.answering.kinds.find import appeared
from pipeline.answering.match import called
from pipeline.answering.retrieve import Answering, VideoMemory
from pipeline.queries.query import Exists, Term


def find(query: Exists, memory: VideoMemory) -> Findings:
    """Retrieves the thing, or either of two, and decides whether it answers with yes or no."""
    term, span = query.term, query.scope.span
    retrieved = memory.answering(term, span)
    yes = query.yes
    if not term.on_screen and query.either:
        if not retrieved.matches and memory.resolve(term.where).word:
            term = replace(term, text=term.where, where="")
            retrieved = memory.answering(term, span)
    elif not term.on_screen:
        yes = yes and _certain(term, retrieved, memory)
    if not retrieved.matches:
        return absent(term, query.scope, memory, denied=yes)
    return appeared(term.text, in_time_order(retrieved.matches), memory.gap_s, retrieved, yes=yes)


def _certain(term: Term, retrieved: Answering, memory: VideoMemory) -> bool:
    """Whether the matches answer with yes, or their absence with no. For "a dog with a ball" the dog alone is no yes; a
    thing that the vocabulary does not know gets neither: "Is it raining?"."""
    matches = retrieved.matches
    place = memory.resolve(term.where)
    both = not place.word or any(called(thing.name, place) for match in matches for thing in match.notes.things)
    named = any(match.named is not None for match in matches)
    return (both or not matches) and bool(named or memory.resolve(term.text).word)
