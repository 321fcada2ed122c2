"""Narrows a match to the times of the detections in its cube that answer the question.

A detection is a thing that stood out for a while without being named in the notes (`encoders.base.Detector`). With it a
car is retrieved, and timed, in half a minute that shows nothing else; a match that is named is narrowed to its
detections as well. Names and screen text are matched before, in `pipeline.answering.match`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from encoders.notes import Detection
from memory.records import TimeSpan
from pipeline.answering.match import CONTRADICTED, Match, words
from pipeline.queries.terms import ResolvedTerm

MOST_NAMES = 12
"""A word with more hyponyms than these counts by itself only: among many names, one matches by chance."""
JOIN_S = 1.5
"""Detections at most this many seconds apart are one."""


def detection_matches(match: Match, term: ResolvedTerm | None, span: TimeSpan | None) -> list[Match]:
    """The match as one match for each detection of the term within `span`; unchanged where there is none.

    A match by screen text is kept beside its detections. An unchanged match by key alone loses score where the cube has
    detections, but none of the term. `term` is None where only written words count.
    """
    if term is None or not term.word:
        return [match]
    detections = [detection for detection in match.notes.detections if _is(detection.name, term)]
    spans = [(detection, _span(detection, match.hit.span)) for detection in detections]
    inside = [(detection, when) for detection, when in spans if span is None or when.overlaps(span)]
    if not inside:
        alike = match.named is None and match.notes.detections and not detections
        return [replace(match, score=match.score - CONTRADICTED) if alike else match]
    named = match.named if match.named is not None and not match.by_text else None
    read = [match] if match.by_text else []
    return read + [_detected_match(match, run, named) for run in _joined(inside)]


def _is(name: str, term: ResolvedTerm) -> bool:
    if words(name) in (words(term.topic), words(term.word)):
        return True
    return len(term.names) <= MOST_NAMES and name.casefold() in term.names


def _span(detection: Detection, cube: TimeSpan) -> TimeSpan:
    start_s = max(detection.start_s, cube.start_s)
    return TimeSpan(start_s, max(start_s, cube.end_s if detection.end_s is None else min(detection.end_s, cube.end_s)))


def _joined(pairs: Sequence[tuple[Detection, TimeSpan]]) -> list[tuple[Detection, TimeSpan]]:
    """Detections that touch joined, under the name that stood out most."""
    runs: list[tuple[Detection, TimeSpan]] = []
    for detection, when in sorted(pairs, key=lambda pair: pair[1]):
        if runs and when.start_s <= runs[-1][1].end_s + JOIN_S:
            before, span = runs[-1]
            best = max(before, detection, key=lambda candidate: candidate.probability)
            runs[-1] = (best, TimeSpan(span.start_s, max(span.end_s, when.end_s)))
        else:
            runs.append((detection, when))
    return runs


def _detected_match(match: Match, run: tuple[Detection, TimeSpan], named: str | None) -> Match:
    """The match at the times of a detection; without a name in the notes it scores less than a named one would."""
    detection, when = run
    if named is not None:
        return replace(match, span=when)
    score = 0.5 + 0.8 * (detection.probability - 0.5)
    return replace(match, span=when, score=score, named=detection.name, by_text=False)
