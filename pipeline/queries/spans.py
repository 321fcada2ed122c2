"""Turns the times in a question into spans of a video, once its length and its appearances are known.

These are pure functions over spans. Times in words are read by `pipeline.queries.rules.times`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from memory.records import TimeSpan, VideoRecord
from pipeline.queries.question import Question


def resolved(question: Question, video: VideoRecord) -> Question:
    """Moments and "the last five minutes" become spans; a moment is the cube it falls into."""
    if question.span is not None or question.kind in ("before", "after"):
        return question
    if question.recent_s is not None:
        return replace(question, span=TimeSpan(max(video.ingested_s - question.recent_s, 0.0), video.ingested_s))
    if question.at_s is not None:
        return replace(question, span=TimeSpan(question.at_s, question.at_s))
    if question.edge and question.kind != "text":
        return replace(question, span=_edge(question, video))
    return question


def _edge(question: Question, video: VideoRecord) -> TimeSpan:
    """The first or last moment; where a thing is asked for, the first or last tenth."""
    if question.kind == "at":
        return TimeSpan(0.0, 0.01) if question.edge == "start" else end_of(video)
    tenth = video.ingested_s / 10
    return TimeSpan(0.0, tenth) if question.edge == "start" else TimeSpan(video.ingested_s - tenth, video.ingested_s)


def end_of(video: VideoRecord) -> TimeSpan:
    return TimeSpan(max(video.ingested_s - 0.01, 0.0), video.ingested_s)


def apart(
    spans: Sequence[TimeSpan], other: Sequence[TimeSpan], question: Question
) -> tuple[TimeSpan | None, TimeSpan | None]:
    """An appearance of each, the earlier one first: those that are numbered, else the first pair with time between."""
    ones = _numbered(spans, question.nth)
    others = _numbered(other, question.other_nth)
    if not ones or not others:
        return (ones[0] if ones else None), (others[0] if others else None)
    pairs = [(min(a, b), max(a, b)) for a in ones for b in others]
    straight = [(a, b) for a in ones for b in others if b.start_s > a.end_s]
    apart = straight or [(a, b) for a, b in pairs if b.start_s > a.end_s]
    return min(apart or pairs, key=lambda two: (two[0], two[1]))


def _numbered(spans: Sequence[TimeSpan], nth: int) -> list[TimeSpan]:
    """The appearance of that number as a list; all where there is none."""
    if not nth:
        return list(spans)
    return [spans[nth - 1 if nth > 0 else nth]] if abs(nth) <= len(spans) else []
