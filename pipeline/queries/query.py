"""A question as data: a closed union with one variant for each kind of answer that may be wanted.

A planner makes a `Query` of a question (`pipeline.queries.planner`). What differs by kind is a property or a method of
its variant: which cubes are preferred where not all fit, and how words and times become those of one video. `Term` is a
thing that is asked for, `Scope` the time that is asked about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

from memory.records import TimeSpan
from pipeline.queries.terms import Resolve, ResolvedTerm

Edge = Literal["", "start", "end"]
Side = Literal["before", "after"]
Preference = Literal["score", "first", "last", "time"]
"""Which cubes are preferred where there are too many: the best, the earliest, the latest, an even spread."""
FOREVER_S = 1e9
"""End of a span whose end is left open, in seconds."""


@dataclass(frozen=True, slots=True)
class Term:
    """A thing that is asked for, by its words.

    Attributes:
        text: the words that name it, in the order asked; may be empty.
        quoted: whether they are to be found on the screen as they are.
        written: whether what is written on the screen is asked for.
        where: other words that name things: where, with what.
        predicate: words about the thing itself: "open" in "Is the gate still open?".
        definite: whether it is *the* thing, taken to be there.
        verb_last: whether the last of several words may be a verb: "did the taxi drive by".
        literal: whether only its very words count: "any mention of".
        nth: which appearance: 1, 2, …; -1 the last; 0 any.
    """

    text: str = ""
    quoted: bool = False
    written: bool = False
    where: str = ""
    predicate: str = ""
    definite: bool = False
    verb_last: bool = False
    literal: bool = False
    nth: int = 0

    @property
    def on_screen(self) -> bool:
        """Whether its words are read off the screen, so that no vocabulary of things is asked."""
        return self.quoted or self.written

    @property
    def preference(self) -> Preference:
        """Which cubes to retrieve where not all can be."""
        return "last" if self.nth < 0 else "first" if self.nth else "score"

    def looked_up(self, resolve: Resolve) -> ResolvedTerm:
        """What the vocabulary knows of its words."""
        term = resolve(self.text, verb_last=self.verb_last)
        if not term.word and self.text.endswith("ing") and (tool := resolve(self.where)).word:
            return tool  # "somebody sweeping with a broom"
        return term

    def resolved(self, resolve: Resolve) -> Term:
        """The term without the words that follow a word of the vocabulary: "taxi drive" becomes "taxi"."""
        return self if self.on_screen else replace(self, text=self.looked_up(resolve).bare)


@dataclass(frozen=True, slots=True)
class Offset:
    """A moment so far from an appearance of a thing.

    Attributes:
        seconds: how far; negative before it.
        onset: whether it is counted from where the thing comes, or from where it goes.
        term: the thing.
        stretch: whether all is meant that lies between the thing and there.
    """

    seconds: float
    onset: bool
    term: Term
    stretch: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """The time that is asked about.

    Attributes:
        at_s: a moment, in seconds.
        span: a stretch; it ends at `FOREVER_S` where its end is left open.
        recent_s: seconds back from the end of what was watched.
        edge: the start or the end of what was watched.
        now: the last of what was watched.
        offset: a moment counted from a thing, known once that is retrieved.
    """

    at_s: float | None = None
    span: TimeSpan | None = None
    recent_s: float | None = None
    edge: Edge = ""
    now: bool = False
    offset: Offset | None = None

    def resolved(self, watched_s: float) -> Scope:
        """Moments, "the last five minutes" and an edge as spans of a video; an edge is its first or last tenth."""
        if self.span is not None:
            return self
        if self.recent_s is not None:
            return replace(self, span=TimeSpan(max(watched_s - self.recent_s, 0.0), watched_s))
        if self.at_s is not None:
            return replace(self, span=TimeSpan(self.at_s, self.at_s))
        if self.edge:
            tenth_s = watched_s / 10
            start_s = 0.0 if self.edge == "start" else watched_s - tenth_s
            return replace(self, span=TimeSpan(start_s, start_s + tenth_s if self.edge == "start" else watched_s))
        return self


def last_moment(watched_s: float) -> TimeSpan:
    """The end of what was watched, as a span."""
    return TimeSpan(max(watched_s - 0.01, 0.0), watched_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryBase:
    """What all variants hold.

    Attributes:
        text: the question as asked, white space apart.
        scope: the time asked about.
        unused: content words of the question that no field uses; no claim may repeat them.
    """

    text: str
    scope: Scope = Scope()
    unused: tuple[str, ...] = ()
    wordings: ClassVar[tuple[tuple[str, str], ...]] = ()
    """(language, regular expression) of questions of this kind, tried before a planner's own rules. Named groups are
    fields that are a `Term`. For kinds that need no grammar."""

    @property
    def preference(self) -> Preference:
        """Which cubes are cited where not all fit."""
        return "score"

    def resolve_times(self, watched_s: float) -> Query:
        """The same query of a video that was watched so far."""
        return replace(self, scope=self.scope.resolved(watched_s))  # type: ignore[return-value]

    def resolve_words(self, resolve: Resolve) -> Query:
        """The same query in words of the vocabulary; another kind where those decide it."""
        return self  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Find(QueryBase):
    """When a thing is seen; with `place` or a numbered term one appearance of it.

    Attributes:
        place: the first or the last appearance.
        wanted: "animal" in "which animal is first".
    """

    term: Term
    place: Literal["", "first", "last"] = ""
    wanted: str = ""

    @property
    def preference(self) -> Preference:
        return self.place or "score"

    @property
    def retrieval(self) -> Preference:
        """Which cubes to retrieve where not all can be."""
        return self.place or self.term.preference

    def resolve_words(self, resolve: Resolve) -> Query:
        return replace(self, term=self.term.resolved(resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(QueryBase):
    """How often a thing is seen."""

    term: Term

    def resolve_words(self, resolve: Resolve) -> Query:
        return replace(self, term=self.term.resolved(resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration(QueryBase):
    """How long a thing is seen; without a term, how much was watched."""

    term: Term = Term()

    def resolve_words(self, resolve: Resolve) -> Query:
        return replace(self, term=self.term.resolved(resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exists(QueryBase):
    """Whether a thing is seen.

    Attributes:
        either: whether the thing beside it would do as well: "a cat or a dog".
        yes: whether "yes" means that it was seen: not of "is there no dog", "are there two dogs".
    """

    term: Term
    either: bool = False
    yes: bool = True

    def resolve_words(self, resolve: Resolve) -> Query:
        """What is asked about *the* thing is in no memory: "Is the dog brown?"."""
        if not self.term.on_screen and self.term.definite:
            term = self.term.looked_up(resolve)
            if term.word and (term.behind or self.term.predicate):
                return Unsupported(text=self.text, scope=self.scope, unused=self.unused, reason=OF_THE_THING)
        return replace(self, term=self.term.resolved(resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class At(QueryBase):
    """What is seen at a moment, in a stretch, at an edge or now; a term is only what the question also names."""

    term: Term = Term()

    @property
    def preference(self) -> Preference:
        return "score" if self.scope.now else "time"

    def resolve_times(self, watched_s: float) -> Query:
        """Here an edge is a moment."""
        scope = self.scope
        if scope.now:
            return replace(self, scope=replace(scope, span=last_moment(watched_s)))
        if scope.edge and scope.span is None and scope.recent_s is None and scope.at_s is None:
            span = TimeSpan(0.0, 0.01) if scope.edge == "start" else last_moment(watched_s)
            return replace(self, scope=replace(scope, span=span))
        return replace(self, scope=scope.resolved(watched_s))

    def resolve_words(self, resolve: Resolve) -> Query:
        return replace(self, term=self.term.resolved(resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour(QueryBase):
    """What stands next to a thing, or to the moment of the scope where there is no term.

    Attributes:
        wanted: "animal" in "which animal comes after the dog".
    """

    term: Term = Term()
    side: Side
    wanted: str = ""

    @property
    def retrieval(self) -> Preference:
        """Which appearances to retrieve where not all can be."""
        return "last" if self.term.nth < 0 else "first"

    def resolve_times(self, watched_s: float) -> Query:
        """Its time is the anchor, not a part of the video to look at."""
        return self

    def resolve_words(self, resolve: Resolve) -> Query:
        return replace(self, term=self.term.resolved(resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class Between(QueryBase):
    """What comes after one thing and before another."""

    term: Term
    other: Term

    @property
    def retrieval(self) -> Preference:
        """Which appearances to retrieve where not all can be."""
        return "last" if self.term.nth < 0 else "first"

    def resolve_words(self, resolve: Resolve) -> Query:
        return replace(self, term=self.term.resolved(resolve), other=self.other.resolved(resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(QueryBase):
    """Which of two things is seen first."""

    term: Term
    other: Term

    @property
    def retrieval(self) -> Preference:
        """Which appearances to retrieve where not all can be."""
        return "last" if self.term.nth < 0 else "first"

    def resolve_words(self, resolve: Resolve) -> Query:
        return replace(self, term=self.term.resolved(resolve), other=self.other.resolved(resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadText(QueryBase):
    """What the screen says: in the scope, or beside a thing; an edge or a number asks for a single line of it."""

    term: Term = Term()

    def resolve_times(self, watched_s: float) -> Query:
        """Here an edge chooses among the lines, wherever they stand."""
        return self if self.scope.edge and not self._timed else replace(self, scope=self.scope.resolved(watched_s))

    @property
    def _timed(self) -> bool:
        return any(time is not None for time in (self.scope.span, self.scope.recent_s, self.scope.at_s))

    def resolve_words(self, resolve: Resolve) -> Query:
        """A thing of the vocabulary is seen rather than read: "Which dog is it?"."""
        term = self.term.resolved(resolve)
        if self.term.on_screen or not self.term.looked_up(resolve).word:
            return replace(self, term=term)
        return Find(text=self.text, scope=self.scope, unused=self.unused, term=replace(term, literal=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken(QueryBase):
    """What somebody says. No memory holds speech yet."""

    term: Term = Term()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(QueryBase):
    """What the whole video shows, or a part of it."""

    @property
    def preference(self) -> Preference:
        return "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Several(QueryBase):
    """The same question about several things alike: "how many cats and dogs".

    Attributes:
        parts: one query for each thing; their scope is this one's.
        joint: the query of all the words together, for where they name one thing: "mortar and pestle".
    """

    parts: tuple[Find | Count | Exists, ...]
    joint: Find | Count | Exists

    @property
    def preference(self) -> Preference:
        return self.joint.preference

    def resolve_times(self, watched_s: float) -> Query:
        scope = self.scope.resolved(watched_s)
        return replace(self, scope=scope, joint=replace(self.joint, scope=scope))

    def resolve_words(self, resolve: Resolve) -> Query:
        """The joint query where the vocabulary does not know all the things, or where they are one."""
        joint = self.joint.resolve_words(resolve)
        if isinstance(joint, Unsupported):
            return joint
        names = [part.term.text for part in self.parts]
        named = " and ".join(names)
        if not all(resolve(name).word for name in names) or resolve(named).word == named:
            return joint
        parts = [part.resolve_words(resolve) for part in self.parts]
        if refused := next((part for part in parts if isinstance(part, Unsupported)), None):
            return refused  # "Are the cat and the dog brown?"
        return replace(self, parts=tuple(part for part in parts if isinstance(part, Find | Count | Exists)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported(QueryBase):
    """A question that no memory of this kind can answer.

    Attributes:
        reason: why, for a person.
    """

    reason: str

    def resolve_times(self, watched_s: float) -> Query:
        return self


Query: TypeAlias = (
    Find
    | Count
    | Duration
    | Exists
    | At
    | Neighbour
    | Between
    | Order
    | ReadText
    | Spoken
    | Summary
    | Several
    | Unsupported
)

OF_THE_THING = "a memory holds what was seen, not what the thing is like"
"""Reason for what is asked about a thing rather than for it."""
