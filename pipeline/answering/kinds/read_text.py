"""What the screen says, line by line, with times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from encoders.base import TEXT_KEY_KINDS
from memory.records import Appearances, TimeSpan
from pipeline.answering.absent import absent, where_asked
from pipeline.answering.appearances import in_time_order
from pipeline.answering.claims import Claim, Facts, Findings, Sentence
from pipeline.answering.match import Match
from pipeline.answering.phrases import label
from pipeline.answering.retrieve import VideoMemory
from pipeline.queries.query import ReadText, Scope
from pipeline.times import format_list, format_span, merge_spans

MOST_LINES_LISTED = 8
_EDGE_OF = {1: "start", -1: "end"}
_STANDS_S = 2.0
"""A line read within this time of a cube's end lasts to that end."""
_JOIN_S = 1.5


@dataclass(frozen=True, slots=True)
class Lines(Facts):
    """Lines on the screen, each with the spans in which it is shown."""

    lines: tuple[tuple[str, tuple[TimeSpan, ...]], ...]

    def sentences(self) -> tuple[Sentence, ...]:
        parts = [f'"{text}" from {format_list(format_span(span) for span in spans)}' for text, spans in self.lines]
        claims = tuple(Claim("text", spans=spans, quote=text) for text, spans in self.lines)
        return (Sentence(f"The screen says {format_list(parts)}.", claims, listed=len(parts) > 1),)


@dataclass(frozen=True, slots=True)
class NoText(Facts):
    """No line was read in the scope, or beside the thing asked about."""

    topic: str
    scope: Scope

    def sentences(self) -> tuple[Sentence, ...]:
        beside = f" with {label(self.topic)}" if self.topic else ""
        times = () if self.scope.at_s is None else (self.scope.at_s,)
        text = f"No text was read on the screen{beside}{where_asked(self.scope)}."
        return (Sentence(text, (Claim(f"text{beside}", "not_seen"),), times),)


def find(query: ReadText, memory: VideoMemory) -> Findings:
    """Looks for cubes with text, in the scope or beside the thing, and states their lines."""
    if query.term.text:
        matches = memory.answering(query.term, query.scope.span, query.term.preference).matches
        if not matches:
            return absent(query.term, query.scope, memory)
    else:
        matches = memory.look(query.scope.span, TEXT_KEY_KINDS)
    return written(query, matches)


def written(query: ReadText, matches: Sequence[Match]) -> Findings:
    """The lines of these cubes: all of them, or the first or last."""
    merged = _lines(matches)
    if not merged:
        claim = Claim("text", "not_seen")
        return Findings(NoText(query.term.text, query.scope), (claim,), supported=False)
    if edge := query.scope.edge or _EDGE_OF.get(query.term.nth):
        text = max(merged, key=lambda key: merged[key][-1].end_s) if edge == "end" else next(iter(merged))
        merged = {text: merged[text][-1:] if edge == "end" else merged[text][:1]}
    lines = dict(list(merged.items())[:MOST_LINES_LISTED])
    times = sorted(span for spans in lines.values() for span in spans)
    cited = tuple(match for match in matches if any(match.span.overlaps(span) for span in _shown(match, lines)))
    evidence = Appearances(len(times), times[0].start_s, max(span.end_s for span in times), tuple(times[:20]))
    facts = Lines(tuple((text, tuple(spans)) for text, spans in lines.items()))
    return Findings(facts, _claims(facts, cited), True, cited, evidence=evidence)


def _lines(matches: Sequence[Match]) -> dict[str, list[TimeSpan]]:
    """Each line's spans, lines in order of time."""
    spans: dict[str, list[TimeSpan]] = {}
    for match in in_time_order(matches):
        cube = match.hit.span
        for line in match.notes.texts:
            end_s = cube.end_s if cube.end_s - line.last_s <= _STANDS_S else line.last_s
            spans.setdefault(line.text, []).append(TimeSpan(line.first_s, max(end_s, line.first_s)))
    return {text: merge_spans(when, _JOIN_S) for text, when in spans.items()}


def _shown(match: Match, lines: Mapping[str, Sequence[TimeSpan]]) -> list[TimeSpan]:
    """The spans in which those of the cube's lines that are stated are shown."""
    return [span for line in match.notes.texts for span in lines.get(line.text, ())]


def _claims(facts: Lines, cited: Sequence[Match]) -> tuple[Claim, ...]:
    holding = {
        text: [match for match in cited if any(line.text == text for line in match.notes.texts)]
        for text, _ in facts.lines
    }
    return tuple(
        Claim("text", spans=spans, quote=text, cubes=tuple(match.hit.ordinal for match in holding[text]))
        for text, spans in facts.lines
    )
