"""Parses a question with rules: "when did the dog come after 2:10" -> a kind, a thing, a time.

    offset_of()   so long after a thing           pipeline/queries/rules/offsets.py
    moment_of()   the times it names              pipeline/queries/rules/times.py
    pair_of()     the two things, if it is of two pipeline/queries/rules/pairs.py
    kind_of()     what sort of answer it wants    pipeline/queries/rules/kinds.py
    subject_of()  the words that name the thing   pipeline/queries/rules/words.py
    each_of()     several things alike            pipeline/queries/rules/words.py

The rules are over English words, without a model. What no rule catches is of kind ``what``: whatever matches its words
best. `pipeline.queries.rules.planner` makes the `Query` of a `Question`; nothing else sees one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from memory.records import TimeSpan
from pipeline.queries.query import Edge, Offset
from pipeline.queries.rules.kinds import QUOTED, TEXT_WORDS, Kind, asks_for_text, edge_of, kind_of, literal
from pipeline.queries.rules.offsets import offset_of
from pipeline.queries.rules.pairs import Pair, ordinal_of, pair_of
from pipeline.queries.rules.times import TimeReference, in_figures, moment_of
from pipeline.queries.rules.words import Subject, each_of, spelled, subject_of, topic_of

OF_EACH: tuple[Kind, ...] = ("when", "first", "last", "count", "exists")
_WHICH = re.compile(
    r"\b(?:which|what)((?: [\w'-]+){1,3}?)\s+(?:is|are|was|were|does|do|did|has|had|can|comes?|came|follow\w*|"
    r"appear\w*|shows?|turn\w*|preced\w*|stands?|stood|lies?|lay)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart.

    Attributes:
        text: as asked.
        kind: what sort of answer it wants.
        topic: the words that name what to look for, in the order asked; may be empty.
        quoted: words in quotation marks: to be found on the screen as they are.
        at_s: a moment the question names, in seconds.
        span: a stretch of time the question names.
        recent_s: "in the last five minutes": seconds back from the end of what was watched.
        about_text: whether it asks for what is written on the screen.
        other: the second thing of kinds ``between`` and ``which_first``.
        edge: "at the start", "at the end".
        nth, other_nth: which appearance of the thing, and of the other: 1, 2, …; -1 the last; 0 any.
        wanted: "animal" in "which animal comes after the dog", "which animal is first".
        where, predicate, definite, verb_last: see `Subject`.
        literal: whether only its very words count: "any mention of".
        offset: "10 seconds after the dog": the moment is so far from another thing.
        each: the same question of each thing alone, where it names several alike: "how many cats and dogs".
    """

    text: str
    kind: Kind
    topic: str
    quoted: str | None = None
    at_s: float | None = None
    span: TimeSpan | None = None
    recent_s: float | None = None
    about_text: bool = False
    other: str = ""
    edge: Edge = ""
    nth: int = 0
    other_nth: int = 0
    wanted: str = ""
    where: str = ""
    predicate: str = ""
    definite: bool = False
    verb_last: bool = False
    literal: bool = False
    offset: Offset | None = None
    each: tuple[Question, ...] = ()


def parse(text: str) -> Question:
    """Takes a question apart; never fails: what no rule catches is kind ``what``."""
    text = " ".join(text.split())
    asked = text if QUOTED.search(text) else in_figures(spelled(text))  # what is quoted stays as it is
    offset, asked = offset_of(asked)
    quoted_match = QUOTED.search(asked)
    quoted = quoted_match[1] if quoted_match else None
    moment, bare = moment_of(asked) if offset is None else (TimeReference(counted=True), asked)
    about_text = quoted is None and asks_for_text(bare)
    if not moment.named and (quoted is None or len(QUOTED.findall(asked)) > 1) and (two := pair_of(bare)):
        return _of_two(text, two, moment)
    kind, named = kind_of(bare, moment, about_text)
    subject = subject_of(TEXT_WORDS.sub(" ", named) if about_text else named)
    if quoted is not None:
        subject = Subject(quoted)
    nth = ordinal_of(named) if kind in ("when", "first", "last", "what", "before", "after", "text") else 0
    question = _question(asked, kind, subject, moment, quoted=quoted, about_text=about_text, nth=nth)
    each = each_of(named) if kind in OF_EACH and quoted is None and not about_text and not nth else ()
    return replace(question, text=text, offset=offset, each=tuple(_alone(question, thing, text) for thing in each))


def _alone(question: Question, subject: Subject, text: str) -> Question:
    """The same question of a single thing out of several."""
    return replace(
        question,
        text=text,
        topic=subject.topic,
        where=subject.where,
        predicate=subject.predicate,
        definite=subject.definite,
        verb_last=subject.verb_last,
    )


def _of_two(text: str, two: Pair, moment: TimeReference) -> Question:
    quotes = [QUOTED.search(two.thing), QUOTED.search(two.other)]
    thing, other = (
        Subject(quote[1]) if quote else subject_of(named)
        for quote, named in zip(quotes, (two.thing, two.other), strict=True)
    )
    return Question(
        text=text,
        kind=two.kind,
        topic=thing.topic,
        quoted=thing.topic if all(quotes) else None,
        recent_s=moment.recent_s,
        other=other.topic,
        nth=ordinal_of(two.thing),
        other_nth=ordinal_of(two.other),
    )


def _question(
    text: str, kind: Kind, subject: Subject, moment: TimeReference, *, quoted: str | None, about_text: bool, nth: int
) -> Question:
    if not subject.topic and about_text and kind in ("count", "exists"):
        kind = "text"
    if not subject.topic and not about_text and kind in ("when", "what", "first", "last", "count", "exists"):
        moment = moment if kind != "what" or moment.edge or moment.named else TimeReference(edge=edge_of(text))
        kind = "at" if moment.edge or moment.named else "summary"
    return Question(
        text=text,
        kind=kind,
        topic=subject.topic,
        quoted=quoted,
        at_s=moment.at_s,
        span=moment.span,
        recent_s=moment.recent_s,
        about_text=about_text,
        edge=moment.edge or (edge_of(text) if kind == "text" and not subject.topic and not nth else ""),
        nth=0 if nth == 1 and kind == "first" else nth,
        wanted=_wanted(text),
        where=subject.where,
        predicate=subject.predicate,
        definite=subject.definite,
        verb_last=subject.verb_last,
        literal=literal(text),
    )


def _wanted(text: str) -> str:
    """What sort of thing: only where nothing but its name stands behind "which"."""
    match = _WHICH.search(text)
    named = match[1].split() if match else []
    return topic_of(" ".join(named)) if topic_of(" ".join(named)).split() == named else ""
