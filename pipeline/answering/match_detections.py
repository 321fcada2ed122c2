"""Detections in a remembered cube's notes that answer to what is sought, each as a find of its own span.

What it is: how a car is found, and when, in half a minute that shows nothing else: no note names it, but it stood out
(`encoders.base.Detector`). It also narrows a find that is named to the times at which it stood out. What it is not:
reading names and lines (`pipeline.answering.match`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from encoders.notes import Detection
from memory.records import TimeSpan
from pipeline.answering.match import CONTRADICTED, Match, words
from pipeline.queries.terms import ResolvedTerm

MOST_NAMES = 12
"""Of a word for more names than these, only the word itself counts: among many, chance alone finds one."""
JOIN_S = 1.5


def detection_matches(one: Match, term: ResolvedTerm | None, span: TimeSpan | None) -> list[Match]:
    """A cube that was read, as its sightings of what is sought where it has any within `span`; else as it is, and less
    sure of where a known thing neither is named nor stood out. None seeks nothing but written words."""
    if term is None or not term.word:
        return [one]
    found = [detection for detection in one.notes.detections if _is(detection.name, term)]
    spans = [(detection, _span(detection, one.hit.span)) for detection in found]
    inside = [(detection, when) for detection, when in spans if span is None or when.overlaps(span)]
    if not inside:
        alike = one.named is None and one.notes.detections and not found
        return [replace(one, score=one.score - CONTRADICTED) if alike else one]
    named = one.named if one.named is not None and not one.by_text else None
    read = [one] if one.by_text else []
    return read + [_detected_match(one, run, named) for run in _joined(inside)]


def _is(name: str, term: ResolvedTerm) -> bool:
    if words(name) in (words(term.topic), words(term.word)):
        return True
    return len(term.names) <= MOST_NAMES and name.casefold() in term.names


def _span(detection: Detection, cube: TimeSpan) -> TimeSpan:
    start_s = max(detection.start_s, cube.start_s)
    return TimeSpan(start_s, max(start_s, cube.end_s if detection.end_s is None else min(detection.end_s, cube.end_s)))


def _joined(found: Sequence[tuple[Detection, TimeSpan]]) -> list[tuple[Detection, TimeSpan]]:
    """Those that touch as one, by the name that stood out most."""
    runs: list[tuple[Detection, TimeSpan]] = []
    for detection, when in sorted(found, key=lambda pair: pair[1]):
        if runs and when.start_s <= runs[-1][1].end_s + JOIN_S:
            before, span = runs[-1]
            best = max(before, detection, key=lambda one: one.probability)
            runs[-1] = (best, TimeSpan(span.start_s, max(span.end_s, when.end_s)))
        else:
            runs.append((detection, when))
    return runs


def _detected_match(one: Match, run: tuple[Detection, TimeSpan], named: str | None) -> Match:
    """A find at the times of a sighting; without a name it is support, and worth less than any find that is named."""
    detection, when = run
    if named is not None:
        return replace(one, span=when)
    score = 0.5 + 0.8 * (detection.probability - 0.5)
    return replace(one, span=when, score=score, named=detection.name, by_text=False)
