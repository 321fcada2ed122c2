"""Sightings in a remembered cube's notes that answer to what is sought, each as a find of its own span.

What it is: how a car is found, and when, in half a minute that shows nothing else: no note names it, but it stood out
(`encoders.base.Noticer`). It also narrows a find that is named to the times at which it stood out. What it is not:
reading names and lines (`pipeline.answering.match`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from encoders.notes import Sighting
from memory.records import TimeSpan
from pipeline.answering.match import CONTRADICTED, Seen, words
from pipeline.queries.terms import Sought

MOST_NAMES = 12
"""Of a word for more names than these, only the word itself counts: among many, chance alone finds one."""
JOIN_S = 1.5


def sighted(one: Seen, sought: Sought | None, span: TimeSpan | None) -> list[Seen]:
    """A cube that was read, as its sightings of what is sought where it has any within `span`; else as it is, and less
    sure of where a known thing neither is named nor stood out. None seeks nothing but written words."""
    if sought is None or not sought.known:
        return [one]
    found = [sighting for sighting in one.notes.noticed if _is(sighting.name, sought)]
    spans = [(sighting, _span(sighting, one.hit.span)) for sighting in found]
    inside = [(sighting, when) for sighting, when in spans if span is None or when.overlaps(span)]
    if not inside:
        alike = one.named is None and one.notes.noticed and not found
        return [replace(one, score=one.score - CONTRADICTED) if alike else one]
    named = one.named if one.named is not None and not one.by_text else None
    read = [one] if one.by_text else []
    return read + [_seen(one, run, named) for run in _joined(inside)]


def _is(name: str, sought: Sought) -> bool:
    if words(name) in (words(sought.topic), words(sought.known)):
        return True
    return len(sought.names) <= MOST_NAMES and name.casefold() in sought.names


def _span(sighting: Sighting, cube: TimeSpan) -> TimeSpan:
    start_s = max(sighting.start_s, cube.start_s)
    return TimeSpan(start_s, max(start_s, cube.end_s if sighting.end_s is None else min(sighting.end_s, cube.end_s)))


def _joined(found: Sequence[tuple[Sighting, TimeSpan]]) -> list[tuple[Sighting, TimeSpan]]:
    """Those that touch as one, by the name that stood out most."""
    runs: list[tuple[Sighting, TimeSpan]] = []
    for sighting, when in sorted(found, key=lambda pair: pair[1]):
        if runs and when.start_s <= runs[-1][1].end_s + JOIN_S:
            before, span = runs[-1]
            best = max(before, sighting, key=lambda one: one.probability)
            runs[-1] = (best, TimeSpan(span.start_s, max(span.end_s, when.end_s)))
        else:
            runs.append((sighting, when))
    return runs


def _seen(one: Seen, run: tuple[Sighting, TimeSpan], named: str | None) -> Seen:
    """A find at the times of a sighting; without a name it is support, and worth less than any find that is named."""
    sighting, when = run
    if named is not None:
        return replace(one, span=when)
    score = 0.5 + 0.8 * (sighting.probability - 0.5)
    return replace(one, span=when, score=score, named=sighting.name, by_text=False)
