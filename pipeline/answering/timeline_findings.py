"""States what stretches of time hold: a moment, a part or the whole video, its screen text, what is between two things.

Pure functions from a question and its matches to a `Finding`, like those of `pipeline.answering.findings`. Where there
is too much, the longest segments are stated (`pipeline.answering.segments`); nothing is chosen by meaning.
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
    """Kind at: what the cubes over the named moment or span hold."""
    if not matches:
        return nothing(question)
    ordered = sorted(matches, key=lambda match: match.span.start_s)
    if question.edge:
        match = ordered[-1 if question.edge == "end" else 0]
        return Finding(
            f"At the {question.edge}: {notes_phrase(match.notes)}, from {format_span(match.span)}.", True, (match,)
        )
    if question.at_s is not None:
        return Finding(f"At {format_time(question.at_s)}: {notes_phrase(ordered[0].notes)}.", True, tuple(ordered[:1]))
    return summary(ordered, gap_s)


def summary(matches: Sequence[Match], gap_s: float) -> Finding:
    """Kind summary: a phrase for each segment, in time order; the evidence holds every span that is stated."""
    if not matches:
        return Finding("Nothing was found.", False, (), Appearances(0, None, None, ()))
    segments = segment_matches(matches, gap_s)
    selected = select_segments(segments)
    evidence = Appearances(
        len(selected), selected[0].span.start_s, selected[-1].span.end_s, tuple(segment.span for segment in selected)
    )
    left = sum(segment.recognised for segment in segments) - sum(segment.recognised for segment in selected)
    more = f" And {left} more." if left > 0 else ""
    return Finding(
        ". ".join(format_segment(segment) for segment in selected) + "." + more, True, _cubes_of(selected), evidence
    )


def _cubes_of(segments: Sequence[Segment]) -> tuple[Match, ...]:
    return tuple(cube for segment in segments for cube in segment.cubes)


def written(question: Question, matches: Sequence[Match]) -> Finding:
    """Kind text: what the screen says, line by line, with times."""
    lines = [
        (line, match) for match in sorted(matches, key=lambda match: match.span.start_s) for line in match.notes.texts
    ]
    if not lines:
        beside = f" with {label(question.topic)}" if question.topic else ""
        return Finding(f"No text was read on the screen{beside}{where_asked(question)}.", False, ())
    spans: dict[str, list[TimeSpan]] = {}
    for line, match in lines:
        end_s = match.hit.span.end_s if match.hit.span.end_s - line.last_s <= 2.0 else line.last_s
        spans.setdefault(line.text, []).append(TimeSpan(line.first_s, max(end_s, line.first_s)))
    merged = {text: merge_spans(some, 1.5) for text, some in spans.items()}
    if edge := question.edge or _EDGE_OF.get(question.nth):
        text = max(merged, key=lambda key: merged[key][-1].end_s) if edge == "end" else next(iter(merged))
        merged = {text: merged[text][-1:] if edge == "end" else merged[text][:1]}
    kept = dict(list(merged.items())[:MOST_LINES_LISTED])
    parts = [f'"{text}" from {format_list(format_span(span) for span in some)}' for text, some in kept.items()]
    times = sorted(span for some in kept.values() for span in some)
    cited = tuple(match for match in matches if any(match.span.overlaps(span) for span in _shown(match, kept)))
    evidence = Appearances(len(times), times[0].start_s, max(span.end_s for span in times), tuple(times[:20]))
    return Finding(f"The screen says {format_list(parts)}.", True, cited, evidence)


def _shown(match: Match, kept: Mapping[str, Sequence[TimeSpan]]) -> list[TimeSpan]:
    """The spans in which those of the cube's lines that are kept are shown."""
    return [span for line in match.notes.texts for span in kept.get(line.text, ())]


_EDGE_OF: dict[int, str] = {1: "start", -1: "end"}


def between(
    question: Question, first: TimeSpan | None, last: TimeSpan | None, inside: Sequence[Match], gap_s: float
) -> Finding:
    """Kind between: what comes after one thing and before the other. A thing that was not found is None."""
    if first is None or last is None:
        return nothing(question if first is None else replace(question, topic=question.other, nth=question.other_nth))
    both = f"{_numbered(question.topic, question.nth)} and {_numbered(question.other, question.other_nth)}"
    if not inside:
        return Finding(f"Nothing comes between {both}.", True, ())
    segments = select_segments(segment_matches(inside, gap_s))
    parts = format_list(f"{segment.phrase} from {format_span(segment.span)}" for segment in segments)
    evidence = Appearances(
        len(segments), segments[0].span.start_s, segments[-1].span.end_s, tuple(segment.span for segment in segments)
    )
    return Finding(f"Between {both}: {parts}.", True, _cubes_of(segments), evidence)


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
    last = max(matches, key=lambda match: match.span.start_s)
    return Finding(f"Now: {notes_phrase(last.notes)}, from {format_span(last.span)}.", True, (last,))
