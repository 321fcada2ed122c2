"""What was found, as data: claims with a verdict, and the findings of a question. No sentence is made here.

`Findings` holds the claims, the cubes they rest on and the `Facts` of the question's kind. `Facts.sentences` words them
when a composer asks for it (`pipeline.answering.compose`). A `Sentence` keeps the claims that it states beside its
text, so that nothing has to be read out of the text again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memory.records import Appearances, TimeSpan
from pipeline.answering.match import Match
from pipeline.answering.phrases import NamedThing, NotesPhrase
from pipeline.answering.retrieve import Answering
from pipeline.queries.query import Query

Verdict = Literal["seen", "not_seen", "not_known"]
Confidence = Literal["high", "low"]
MOST_SPANS_LISTED = 5
"""Spans of a thing that a sentence states; the evidence holds more."""
NOTHING = Appearances(0, None, None, ())


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement about the video.

    Attributes:
        subject: what it is about, in words; empty for anything at all.
        verdict: whether it was seen, was looked for and not seen, or cannot be known.
        spans: when it was seen.
        count: how often it was seen, also beyond `spans`; None where the claim is not about all its appearances.
        quote: the words on the screen, where it is about those.
        cubes: ordinals of the cubes it rests on; None is the open cube.
        confidence: ``low`` where only likeness says so, and no name, detection or screen text.
        why: why it is not known, for a person.
        names: what the memory calls it, where that differs from the subject.
        seconds: a duration or a distance in time that it states.
        qualifiers: words that change what it means: "first", "together", "so far".
    """

    subject: str
    verdict: Verdict = "seen"
    spans: tuple[TimeSpan, ...] = ()
    count: int | None = None
    quote: str | None = None
    cubes: tuple[int | None, ...] = ()
    confidence: Confidence = "high"
    why: str = ""
    names: tuple[str, ...] = ()
    seconds: float | None = None
    qualifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and what it states.

    Attributes:
        text: the sentence.
        claims: those it states, in their order, with no more spans and names than it has.
        times: what it states in seconds before the spans of its claims: a moment asked for.
        counts: the counts that it states.
        listed: whether it is more of a list than a sentence, so that a small model would drop parts of it.
    """

    text: str
    claims: tuple[Claim, ...] = ()
    times: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    listed: bool = False


class Facts(ABC):
    """What the sentences about a kind of question need, as data."""

    __slots__ = ()

    @abstractmethod
    def sentences(self) -> tuple[Sentence, ...]:
        """The facts in plain English, with times."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the memory says to a question.

    Attributes:
        facts: what the sentences are made of.
        claims: every statement, also those that no sentence makes.
        supported: whether a memory holds the answer.
        matches: the cubes the claims rest on, in order of time.
        context: cubes that are cited after those, such as the anchor that a neighbour stands next to.
        evidence: every appearance of the thing asked for, or every span that is stated; None for a single moment.
        retrieved: what `matches` are from, where they were retrieved by words.
        query: the question, in words of the vocabulary and times of the video.
        cited: of the matches and the context what fits the budget, in order of time, those of the context last.
        read: the same cubes in order of time, each once, as a language model reads them.
    """

    facts: Facts
    claims: tuple[Claim, ...]
    supported: bool
    matches: tuple[Match, ...] = ()
    context: tuple[Match, ...] = ()
    evidence: Appearances | None = None
    retrieved: Answering | None = None
    query: Query | None = None
    cited: tuple[Match, ...] = ()
    read: tuple[Match, ...] = ()


def cubes_of(matches: Sequence[Match]) -> tuple[int | None, ...]:
    """The ordinals of the cubes, each once."""
    return tuple(dict.fromkeys(match.hit.ordinal for match in matches))


def thing_claim(thing: NamedThing, matches: Sequence[Match], spans: Sequence[TimeSpan], **more: object) -> Claim:
    """The claim that a thing was seen in these spans; `more` are other fields of it."""
    claim = appearance_claim(thing.topic, spans, matches)
    return replace(claim, quote=thing.quote, names=thing.names, **more)  # type: ignore[arg-type]


def appearance_claim(subject: str, spans: Sequence[TimeSpan], matches: Sequence[Match]) -> Claim:
    """The claim that something was seen in these spans, resting on these matches."""
    sure = any(match.named is not None for match in matches)
    return Claim(
        subject, spans=tuple(spans), cubes=cubes_of(matches), confidence="high" if sure or not matches else "low"
    )


def stated_thing(thing: NamedThing, spans: Sequence[TimeSpan] = (), **more: object) -> Claim:
    """The same claim as far as a sentence states it: text by its quotation, no more names and spans than are listed."""
    subject = thing.topic if thing.quote is None else "text"
    claim = Claim(subject, spans=tuple(spans[:MOST_SPANS_LISTED]), quote=thing.quote, names=thing.names_listed)
    return replace(claim, **more)  # type: ignore[arg-type]


def phrase_claims(phrase: NotesPhrase, spans: Sequence[TimeSpan], matches: Sequence[Match] = ()) -> tuple[Claim, ...]:
    """A claim for each thing and line of a phrase; where nothing was recognised, that, and what the picture was."""
    when, cubes = tuple(spans), cubes_of(matches)
    if not phrase.recognised:
        unnamed = Claim("", "not_known", cubes=cubes, why="nothing was recognised", qualifiers=("recognised",))
        return unnamed, Claim(phrase.picture, spans=when, cubes=cubes)
    things = [Claim(name, spans=when, cubes=cubes) for name in phrase.things]
    return (*things, *(Claim("text", spans=when, quote=text, cubes=cubes) for text in phrase.texts))
