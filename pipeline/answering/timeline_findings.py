"""What was found in stretches of time, told one after another: a moment, a part or all of it, what is written, what is
between two things. Pure functions, beside `pipeline.answering.findings`.

What it is not: a choice of what matters by meaning; what lasts longest is told where there is too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from memory.records import Appearances, TimeSpan
from pipeline.answering.findings import Finding, label, nothing, ordinal, where_asked
from pipeline.answering.match import Match
from pipeline.answering.segments import Segment, format_segment, notes_phrase, segment_matches, select_segments
from pipeline.queries.question import Question
from pipeline.times import format_duration, format_list, format_span, format_time, merge_spans

MOST_LINES_LISTED = 8


def at_time(question: Question, matches: Sequence[Match], gap_s: float) -> Finding:
    """Kind at: what the cubes over the named moment or stretch hold."""
    if not matches:
        return nothing(question)
    ordered = sorted(matches, key=lambda one: one.span.start_s)
    if question.edge:
        one = ordered[-1 if question.edge == "end" else 0]
        return Finding(
            f"At the {question.edge}: {notes_phrase(one.notes)}, from {format_span(one.span)}.", True, (one,)
        )
    if question.at_s is not None:
        return Finding(f"At {format_time(question.at_s)}: {notes_phrase(ordered[0].notes)}.", True, tuple(ordered[:1]))
    return summary(ordered, gap_s)


def summary(matches: Sequence[Match], gap_s: float) -> Finding:
    """Kind summary: a phrase a stretch, in order of time; the evidence holds every time that is said."""
    if not matches:
        return Finding("Nothing was found.", False, (), Appearances(0, None, None, ()))
    found = segment_matches(matches, gap_s)
    said = select_segments(found)
    evidence = Appearances(len(said), said[0].span.start_s, said[-1].span.end_s, tuple(one.span for one in said))
    left = sum(one.recognised for one in found) - sum(one.recognised for one in said)
    more = f" And {left} more." if left > 0 else ""
    return Finding(". ".join(format_segment(one) for one in said) + "." + more, True, _cubes_of(said), evidence)


def _cubes_of(said: Sequence[Segment]) -> tuple[Match, ...]:
    return tuple(cube for one in said for cube in one.cubes)


def written(question: Question, matches: Sequence[Match]) -> Finding:
    """Kind text: what the screen says, line by line, with times."""
    lines = [(line, one) for one in sorted(matches, key=lambda one: one.span.start_s) for line in one.notes.texts]
    if not lines:
        beside = f" with {label(question.topic)}" if question.topic else ""
        return Finding(f"No text was read on the screen{beside}{where_asked(question)}.", False, ())
    spans: dict[str, list[TimeSpan]] = {}
    for line, one in lines:
        end_s = one.hit.span.end_s if one.hit.span.end_s - line.last_s <= 2.0 else line.last_s
        spans.setdefault(line.text, []).append(TimeSpan(line.first_s, max(end_s, line.first_s)))
    said = {text: merge_spans(some, 1.5) for text, some in spans.items()}
    if edge := question.edge or _EDGE_OF.get(question.nth):
        text = max(said, key=lambda one: said[one][-1].end_s) if edge == "end" else next(iter(said))
        said = {text: said[text][-1:] if edge == "end" else said[text][:1]}
    kept = dict(list(said.items())[:MOST_LINES_LISTED])
    parts = [f'"{text}" from {format_list(format_span(span) for span in some)}' for text, some in kept.items()]
    times = sorted(span for some in kept.values() for span in some)
    cited = tuple(one for one in matches if any(one.span.overlaps(span) for span in _shown(one, kept)))
    evidence = Appearances(len(times), times[0].start_s, max(one.end_s for one in times), tuple(times[:20]))
    return Finding(f"The screen says {format_list(parts)}.", True, cited, evidence)


def _shown(one: Match, kept: Mapping[str, Sequence[TimeSpan]]) -> list[TimeSpan]:
    """When the cube's lines are shown, of those that are kept."""
    return [span for line in one.notes.texts for span in kept.get(line.text, ())]


_EDGE_OF: dict[int, str] = {1: "start", -1: "end"}


def between(
    question: Question, first: TimeSpan | None, last: TimeSpan | None, inside: Sequence[Match], gap_s: float
) -> Finding:
    """Kind between: what stands after one thing and before the other; None where a thing was not found."""
    if first is None or last is None:
        return nothing(question if first is None else replace(question, topic=question.other, nth=question.other_nth))
    both = f"{_numbered(question.topic, question.nth)} and {_numbered(question.other, question.other_nth)}"
    if not inside:
        return Finding(f"Nothing comes between {both}.", True, ())
    said = select_segments(segment_matches(inside, gap_s))
    parts = format_list(f"{one.phrase} from {format_span(one.span)}" for one in said)
    evidence = Appearances(len(said), said[0].span.start_s, said[-1].span.end_s, tuple(one.span for one in said))
    return Finding(f"Between {both}: {parts}.", True, _cubes_of(said), evidence)


def _numbered(topic: str, nth: int) -> str:
    word = {0: "", -1: "last "}.get(nth) if nth < 1 else f"{ordinal(nth)} "
    return label(topic).replace("the ", f"the {word}", 1)


def whole(watched_s: float, last: Sequence[Match]) -> Finding:
    """Kind how_long without a thing: how much was watched."""
    return Finding(f"What was watched lasts {format_duration(watched_s)}.", True, tuple(last))


def now(matches: Sequence[Match]) -> Finding:
    """Kind now: the last of what was watched."""
    if not matches:
        return Finding("Nothing was watched yet.", False, ())
    last = max(matches, key=lambda one: one.span.start_s)
    return Finding(f"Now: {notes_phrase(last.notes)}, from {format_span(last.span)}.", True, (last,))
