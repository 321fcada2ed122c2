"""Answers questions that relate things in time: which comes first, what is between, before or after, or an offset away.

Here are the appearances that a question counts from, and what is retrieved from there. The statement is made in
`pipeline.answering.findings`; the question is parsed in `pipeline.queries.rules.pairs` and
`pipeline.queries.rules.offsets`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from memory.records import TimeSpan, VideoRecord
from pipeline.answering import findings, timeline_findings
from pipeline.answering.findings import Finding
from pipeline.answering.match import Match
from pipeline.answering.retrieve import Candidates
from pipeline.queries.question import Kind, Question
from pipeline.queries.rules.offsets import Offset
from pipeline.queries.rules.times import FOREVER_S
from pipeline.queries.spans import apart

GROWING = ("queued", "ingesting", "live")
"""States of a video that is still being watched, so that its end is not known."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The appearance of a thing that a question counts from.

    Attributes:
        span: of that appearance, or of the moment that the question names instead of a thing.
        matches: the cubes of every appearance; empty for a moment.
    """

    span: TimeSpan
    matches: list[Match]


def two(candidates: Candidates, video: VideoRecord, question: Question) -> Finding:
    """Kinds between and which_first: the appearances of both things, and what is between."""
    matches = candidates.answering(video.id, question).matches
    other_matches = candidates.answering(video.id, replace(question, topic=question.other)).matches
    if question.kind == "which_first":
        return findings.which_first(question, matches, other_matches)
    gap_s = candidates.gap_s
    first, last = apart(findings.appearances(matches, gap_s), findings.appearances(other_matches, gap_s), question)
    if first is None or last is None or last.start_s <= first.end_s:
        return timeline_findings.between(question, first, last, [], gap_s)
    inside = candidates.look(video.id, replace(question, span=TimeSpan(first.end_s, last.start_s)))
    inside = [match for match in inside if not match.span.overlaps(first) and not match.span.overlaps(last)]
    return timeline_findings.between(question, first, last, inside, gap_s)


def beside(candidates: Candidates, video: VideoRecord, question: Question) -> Finding:
    """Kinds before and after: the cube next to the anchor, or the nearest that shows what is wanted."""
    anchor = anchor_of(candidates, video, question)
    if anchor is None:
        return findings.nothing(question)
    if question.wanted and candidates.resolve_term(question.wanted).word:
        neighbours = _nearest(candidates, video, question, anchor.span)
    else:
        question = replace(question, wanted="")
        neighbours = candidates.beside(video.id, anchor.span, after=question.kind == "after")
    return findings.beside(
        question,
        anchor.span,
        neighbours,
        anchor.matches,
        watched_s=video.ingested_s,
        growing=video.status in GROWING,
    )


def anchor_of(candidates: Candidates, video: VideoRecord, question: Question) -> Anchor | None:
    """The appearance meant, the first where the question does not say; None where there is no such appearance."""
    if not question.topic:
        return Anchor(TimeSpan(question.at_s or 0.0, question.at_s or 0.0), [])
    matches = candidates.answering(video.id, replace(question, span=None, at_s=None)).matches
    spans = findings.appearances(matches, candidates.gap_s)
    place = question.nth - 1 if question.nth > 0 else question.nth
    return Anchor(spans[place], matches) if -len(spans) <= place < len(spans) else None


def anchor_asked(question: Question, offset: Offset) -> Question:
    """A question for the thing that an offset is counted from."""
    quoted = offset.topic if offset.quoted else None
    kind: Kind = "before" if offset.seconds < 0 else "after"
    return Question(question.text, kind, offset.topic, quoted=quoted, where=offset.where, nth=offset.nth)


def counted_from(anchor: TimeSpan, question: Question, offset: Offset, watched_s: float) -> Question | None:
    """The question about the moment an offset away from an appearance, or about the span up to it as far as it was
    watched; None where nothing was watched then. `watched_s`: how far the video was watched, in seconds."""
    from_s = anchor.start_s if offset.onset else anchor.end_s
    there_s = from_s + offset.seconds
    if offset.stretch:
        span = TimeSpan(max(min(from_s, there_s), 0.0), max(min(max(from_s, there_s), watched_s), 0.0))
        return replace(question, span=span, offset=None) if span.seconds > 0 else None
    return replace(question, at_s=there_s, offset=None) if 0 <= there_s < watched_s else None


def _nearest(candidates: Candidates, video: VideoRecord, question: Question, anchor: TimeSpan) -> list[Match]:
    """The nearest cube on that side that shows what is wanted: "which animal comes after the dog"."""
    after = question.kind == "after"
    side = TimeSpan(anchor.end_s, FOREVER_S) if after else TimeSpan(0.0, anchor.start_s)
    matches = candidates.answering(video.id, replace(question, topic=question.wanted, where="", span=side)).matches
    matches = [match for match in matches if not match.span.overlaps(anchor)]
    return sorted(matches, key=lambda match: match.span, reverse=not after)[:1]
