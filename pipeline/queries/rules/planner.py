"""Plans English questions with rules, without a model: `RulePlanner().plan("How often is the dog seen?", context)`.

The rules take a question apart into an internal `Question` (`pipeline.queries.rules.question`); here that becomes a
`Query`. A kind that needs no grammar is recognised by the patterns of its variant instead (`QueryBase.wordings`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, assert_never, get_args

from pipeline.queries.planner import PlanContext
from pipeline.queries.query import (
    At,
    Between,
    Count,
    Duration,
    Exists,
    Find,
    Neighbour,
    Order,
    Query,
    QueryBase,
    ReadText,
    Scope,
    Several,
    Spoken,
    Summary,
    Term,
    Unsupported,
)
from pipeline.queries.rules.events import of_events
from pipeline.queries.rules.kinds import asks_speaker, counts, yes_or_no
from pipeline.queries.rules.question import OF_EACH, Question, parse
from pipeline.queries.rules.words import subject_of, topic_of

_OR = re.compile(r"\bor\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_DONE = "a memory holds what was visible and when, not what was done"
_NOT_HELD = "a memory holds what was visible and when, not who, why, how much or what a thing is like"


class RulePlanner:
    """A `QueryPlanner` of English rules.

    Args:
        variants: those of `Query` whose own `wordings` are tried first.
    """

    language = "en"

    def __init__(self, variants: Sequence[type[QueryBase]] = get_args(Query)) -> None:
        self._wordings = [
            (variant, re.compile(pattern, re.IGNORECASE))
            for variant in variants
            for language, pattern in variant.wordings
            if language == self.language
        ]

    def plan(self, text: str, context: PlanContext) -> Query:
        """See `QueryPlanner.plan`."""
        text = " ".join(text.split())
        for variant, pattern in self._wordings:
            if match := pattern.search(text):
                terms = {name: _term_of(words) for name, words in match.groupdict().items() if words}
                return _with_unused(variant(text=text, **terms), understood=match[0])  # type: ignore[arg-type]
        return _with_unused(query_of(parse(text)))


def search_topic(words: str) -> str:
    """What a search by these words is about: the thing they name, or all of them."""
    return parse(words).topic or words


def query_of(question: Question) -> Query:
    """The query of a question that the rules took apart."""
    if question.each and question.kind in OF_EACH:
        parts = tuple(part for part in map(_single, question.each) if isinstance(part, Find | Count | Exists))
        joint = _single(question)
        if isinstance(joint, Find | Count | Exists):
            return Several(text=question.text, scope=_scope(question), parts=parts, joint=joint)
    return _single(question)


def _single(question: Question) -> Query:
    """The query of a question about a single thing, two of them, or none."""
    text, scope, term = question.text, _scope(question), _term(question)
    match question.kind:
        case "when" | "what":
            return Find(text=text, scope=scope, term=term, wanted=question.wanted)
        case "first" | "last":
            return Find(text=text, scope=scope, term=term, place=question.kind, wanted=question.wanted)
        case "count":
            return Count(text=text, scope=scope, term=term)
        case "how_long":
            return Duration(text=text, scope=scope, term=term)
        case "exists":
            return Exists(text=text, scope=scope, term=term, either=bool(_OR.search(text)), yes=yes_or_no(text))
        case "at":
            return At(text=text, scope=scope, term=term)
        case "now":
            return At(text=text, scope=replace(scope, now=True))
        case "before" | "after":
            return Neighbour(text=text, scope=scope, term=term, side=question.kind, wanted=question.wanted)
        case "between":
            return Between(text=text, scope=scope, term=term, other=_other(question))
        case "which_first":
            return Order(text=text, scope=scope, term=term, other=_other(question))
        case "text":
            return ReadText(text=text, scope=scope, term=term)
        case "summary":
            return Summary(text=text, scope=scope)
        case "unknown":
            return _unsupported(question)
        case _:
            assert_never(question.kind)


def _unsupported(question: Question) -> Query:
    if asks_speaker(question.text):
        return Spoken(text=question.text, term=_term(question))
    done = counts(question.text) and of_events(question.text)
    return Unsupported(text=question.text, reason=_DONE if done else _NOT_HELD)


def _scope(question: Question) -> Scope:
    return Scope(
        at_s=question.at_s,
        span=question.span,
        recent_s=question.recent_s,
        edge=question.edge,
        offset=question.offset,
    )


def _term(question: Question) -> Term:
    return Term(
        text=question.topic,
        quoted=question.quoted is not None,
        written=question.about_text,
        where=question.where,
        predicate=question.predicate,
        definite=question.definite,
        verb_last=question.verb_last,
        literal=question.literal,
        nth=question.nth,
    )


def _other(question: Question) -> Term:
    return Term(text=question.other, quoted=question.quoted is not None, nth=question.other_nth)


def _term_of(words: str) -> Term:
    subject = subject_of(words)
    return Term(subject.topic, where=subject.where, predicate=subject.predicate, definite=subject.definite)


def _with_unused(query: Query, understood: str = "") -> Query:
    """The query with those content words of its text that no field uses; `understood` is used by its kind."""
    used = {word.casefold() for text in (understood, *_texts(query)) for word in _WORD.findall(text)}
    content = dict.fromkeys(_WORD.findall(topic_of(query.text)))
    in_text = set(_WORD.findall(query.text))
    return replace(query, unused=tuple(word for word in content if word.casefold() not in used and word in in_text))


def _texts(value: Any) -> Iterator[str]:
    """The words in every field of a query but its text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _texts(part)
    elif hasattr(value, "__dataclass_fields__"):
        for field in fields(value):
            if field.name not in ("text", "reason", "unused") or isinstance(value, Term):
                yield from _texts(getattr(value, field.name))
