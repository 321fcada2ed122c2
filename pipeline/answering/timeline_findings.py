"""What was found in stretches of time, told one after another: a moment, a part or all of it, what is written, what is
between two things. Pure functions, beside `pipeline.answering.findings`.

What it is not: a choice of what matters by meaning; what lasts longest is told where there is too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from memory.records import Evidence, TimeSpan
from pipeline.answering.findings import Finding, label, nothing, ordinal, where_asked
from pipeline.answering.match import Seen
from pipeline.answering.segments import Stretch, notes_said, stretches, telling, told
from pipeline.queries.question import Question
from pipeline.times import clock, joined, lasting, listed, spoken

MOST_LINES_SAID = 8


def at_time(question: Question, seen: Sequence[Seen], gap_s: float) -> Finding:
    """Kind at: what the cubes over the named moment or stretch hold."""
    if not seen:
        return nothing(question)
    ordered = sorted(seen, key=lambda one: one.span.start_s)
    if question.edge:
        one = ordered[-1 if question.edge == "end" else 0]
        return Finding(f"At the {question.edge}: {notes_said(one.notes)}, from {spoken(one.span)}.", True, (one,))
    if question.at_s is not None:
        return Finding(f"At {clock(question.at_s)}: {notes_said(ordered[0].notes)}.", True, tuple(ordered[:1]))
    return summary(ordered, gap_s)


def summary(seen: Sequence[Seen], gap_s: float) -> Finding:
    """Kind summary: a phrase a stretch, in order of time; the evidence holds every time that is said."""
    if not seen:
        return Finding("Nothing was found.", False, (), Evidence(0, None, None, ()))
    found = stretches(seen, gap_s)
    said = telling(found)
    evidence = Evidence(len(said), said[0].span.start_s, said[-1].span.end_s, tuple(one.span for one in said))
    left = sum(one.recognised for one in found) - sum(one.recognised for one in said)
    more = f" And {left} more." if left > 0 else ""
    return Finding(". ".join(told(one) for one in said) + "." + more, True, _cubes_of(said), evidence)


def _cubes_of(said: Sequence[Stretch]) -> tuple[Seen, ...]:
    return tuple(cube for one in said for cube in one.cubes)


def written(question: Question, seen: Sequence[Seen]) -> Finding:
    """Kind text: what the screen says, line by line, with times."""
    lines = [(line, one) for one in sorted(seen, key=lambda one: one.span.start_s) for line in one.notes.texts]
    if not lines:
        beside = f" with {label(question.topic)}" if question.topic else ""
        return Finding(f"No text was read on the screen{beside}{where_asked(question)}.", False, ())
    spans: dict[str, list[TimeSpan]] = {}
    for line, one in lines:
        end_s = one.hit.span.end_s if one.hit.span.end_s - line.last_s <= 2.0 else line.last_s
        spans.setdefault(line.text, []).append(TimeSpan(line.first_s, max(end_s, line.first_s)))
    said = {text: joined(some, 1.5) for text, some in spans.items()}
    if edge := question.edge or _EDGE_OF.get(question.nth):
        text = max(said, key=lambda one: said[one][-1].end_s) if edge == "end" else next(iter(said))
        said = {text: said[text][-1:] if edge == "end" else said[text][:1]}
    kept = dict(list(said.items())[:MOST_LINES_SAID])
    parts = [f'"{text}" from {listed(spoken(span) for span in some)}' for text, some in kept.items()]
    times = sorted(span for some in kept.values() for span in some)
    cited = tuple(one for one in seen if any(one.span.overlaps(span) for span in _shown(one, kept)))
    evidence = Evidence(len(times), times[0].start_s, max(one.end_s for one in times), tuple(times[:20]))
    return Finding(f"The screen says {listed(parts)}.", True, cited, evidence)


def _shown(one: Seen, kept: Mapping[str, Sequence[TimeSpan]]) -> list[TimeSpan]:
    """When the cube's lines are shown, of those that are kept."""
    return [span for line in one.notes.texts for span in kept.get(line.text, ())]


_EDGE_OF: dict[int, str] = {1: "start", -1: "end"}


def between(
    question: Question, first: TimeSpan | None, last: TimeSpan | None, inside: Sequence[Seen], gap_s: float
) -> Finding:
    """Kind between: what stands after one thing and before the other; None where a thing was not found."""
    if first is None or last is None:
        return nothing(question if first is None else replace(question, topic=question.other, nth=question.other_nth))
    both = f"{_numbered(question.topic, question.nth)} and {_numbered(question.other, question.other_nth)}"
    if not inside:
        return Finding(f"Nothing comes between {both}.", True, ())
    said = telling(stretches(inside, gap_s))
    parts = listed(f"{one.said} from {spoken(one.span)}" for one in said)
    evidence = Evidence(len(said), said[0].span.start_s, said[-1].span.end_s, tuple(one.span for one in said))
    return Finding(f"Between {both}: {parts}.", True, _cubes_of(said), evidence)


def _numbered(topic: str, nth: int) -> str:
    word = {0: "", -1: "last "}.get(nth) if nth < 1 else f"{ordinal(nth)} "
    return label(topic).replace("the ", f"the {word}", 1)


def whole(watched_s: float, last: Sequence[Seen]) -> Finding:
    """Kind how_long without a thing: how much was watched."""
    return Finding(f"What was watched lasts {lasting(watched_s)}.", True, tuple(last))


def now(seen: Sequence[Seen]) -> Finding:
    """Kind now: the last of what was watched."""
    if not seen:
        return Finding("Nothing was watched yet.", False, ())
    last = max(seen, key=lambda one: one.span.start_s)
    return Finding(f"Now: {notes_said(last.notes)}, from {spoken(last.span)}.", True, (last,))
