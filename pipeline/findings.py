"""What was found, as one or two plain sentences with times: the extractive backbone under every answer.

Pure functions from a question and the cubes that answer to it to a `Finding`. The language model words the statement;
it never decides what was seen or when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from encoders.base import Notes
from memory.records import Evidence, TimeSpan
from pipeline.question import Question
from pipeline.reading import Seen
from pipeline.times import clock, joined, listed, spoken

MOST_SPANS_SAID = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer as code found it.

    Attributes:
        statement: never empty.
        supported: whether a memory holds it; False where nothing answers to the question.
        cited: the cubes the statement rests on, in order of time.
        evidence: for questions about a thing, every appearance; else None.
        context: further cubes that a model should read beside the cited ones, such as the one a neighbour stands next
            to; not cited.
    """

    statement: str
    supported: bool
    cited: tuple[Seen, ...]
    evidence: Evidence | None = None
    context: tuple[Seen, ...] = ()


def notes_said(notes: Notes) -> str:
    """A cube's notes as a phrase: `tabby cat; the screen says "EXIT"`."""
    parts = [listed(thing.name for thing in notes.things[:3])] if notes.things else []
    if notes.texts:
        parts.append("the screen says " + listed(f'"{line.text}"' for line in notes.texts[:3]))
    if not parts:
        colours = f"mostly {listed(notes.colours)}" if notes.colours else "a picture"
        parts.append(f"nothing recognised, {colours}")
    return "; ".join(parts)


def label(topic: str) -> str:
    """A topic as the subject of a sentence: "cat" -> "a cat", "cars" -> "cars", "APOLLO 11" stays. Several words are
    quoted as asked: whether they make a phrase is not known."""
    if " " in topic and not topic[0].isupper():
        return f'"{topic}"'
    if not topic or topic[0].isupper() or (topic.endswith("s") and not topic.endswith("ss")) or topic[0].isdigit():
        return topic
    return f"{'an' if topic[0].lower() in 'aeiou' else 'a'} {topic}"


def appearances(seen: Sequence[Seen], gap_s: float) -> list[TimeSpan]:
    """Separate appearances, in order of time."""
    return joined((one.span for one in seen), gap_s)


def evidence_of(seen: Sequence[Seen], gap_s: float) -> Evidence:
    """What a count over these cubes rests on."""
    spans = appearances(seen, gap_s)
    if not spans:
        return Evidence(0, None, None, ())
    return Evidence(len(spans), spans[0].start_s, spans[-1].end_s, tuple(spans[:20]))


def nothing(question: Question) -> Finding:
    """Nothing in the memory answers to the question."""
    wanted = f'matching "{question.topic}" ' if question.topic else ""
    where = f" around {clock(question.at_s)}" if question.at_s is not None else ""
    return Finding(f"Nothing {wanted}was found{where}.", False, (), Evidence(0, None, None, ()))


def about_thing(question: Question, seen: Sequence[Seen], gap_s: float, everywhere: Evidence | None = None) -> Finding:
    """Kinds when, first, last, count, exists and what, over the cubes that answer to the topic. `everywhere` is the
    evidence of all cubes where `seen` holds only the best of very many: the larger count is told."""
    if not seen:
        return nothing(question)
    ordered = sorted(seen, key=lambda one: one.span.start_s)
    evidence = evidence_of(ordered, gap_s)
    if everywhere is not None and everywhere.count > evidence.count:
        evidence = everywhere
    spans = list(evidence.spans)
    subject, verb = _subject(question, ordered)
    said = listed(spoken(span) for span in spans[:MOST_SPANS_SAID])
    more = f", and {evidence.count - MOST_SPANS_SAID} more times" if evidence.count > MOST_SPANS_SAID else ""
    if question.kind == "count":
        statement = f"{subject} {verb} {_times(evidence.count)}: {said}{more}."
        return Finding(_capital(statement), True, tuple(ordered), evidence)
    if question.kind in ("first", "last"):
        span = spans[0] if question.kind == "first" else appearances(ordered, gap_s)[-1]
        cited = tuple(one for one in ordered if one.span.overlaps(span))
        helper, participle = verb.split(" ", 1)
        statement = f"{subject} {helper} {question.kind} {participle} from {spoken(span)}."
        return Finding(_capital(statement), True, cited, evidence)
    lead = "Yes, " if question.kind == "exists" else ""
    statement = f"{subject} {verb} from {said.replace(' and ', ' and from ')}{more}."
    return Finding(lead + (statement if lead else _capital(statement)), True, tuple(ordered), evidence)


def _subject(question: Question, seen: Sequence[Seen]) -> tuple[str, str]:
    """Subject and verb: what is written is on the screen, what is shown is seen."""
    best = max(seen, key=lambda one: one.score)
    if best.by_text:
        return f'the text "{best.named}"', "is shown"
    topic = question.topic or best.named or "it"
    plural = topic.endswith("s") and not topic.endswith("ss")
    return label(topic), "are seen" if plural else "is seen"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def at_time(question: Question, seen: Sequence[Seen]) -> Finding:
    """Kind at: what the cubes over the named moment or stretch hold."""
    if not seen:
        return nothing(question)
    ordered = sorted(seen, key=lambda one: one.span.start_s)
    if question.at_s is not None:
        return Finding(f"At {clock(question.at_s)}: {notes_said(ordered[0].notes)}.", True, tuple(ordered[:1]))
    parts = [f"{spoken(one.span)}: {notes_said(one.notes)}" for one in ordered]
    return Finding(". ".join(_capital(part) for part in parts) + ".", True, tuple(ordered))


def summary(seen: Sequence[Seen]) -> Finding:
    """Kind summary: one phrase a cube, in order of time."""
    ordered = sorted(seen, key=lambda one: one.span.start_s)
    parts = [f"{spoken(one.span)}: {notes_said(one.notes)}" for one in ordered]
    return Finding(". ".join(parts) + ".", True, tuple(ordered))


def written(question: Question, seen: Sequence[Seen]) -> Finding:
    """Kind text: what the screen says, line by line, with times."""
    lines = [(line, one) for one in sorted(seen, key=lambda one: one.span.start_s) for line in one.notes.texts]
    if not lines:
        return Finding("No text was read on the screen.", False, ())
    said: dict[str, list[TimeSpan]] = {}
    for line, one in lines:
        end_s = one.hit.span.end_s if one.hit.span.end_s - line.last_s <= 2.0 else line.last_s
        said.setdefault(line.text, []).append(TimeSpan(line.first_s, max(end_s, line.first_s)))
    parts = [
        f'"{text}" from {listed(spoken(span) for span in joined(spans, 1.5))}' for text, spans in list(said.items())[:6]
    ]
    return Finding(f"The screen says {listed(parts)}.", True, tuple(one for one in seen if one.notes.texts))


def between(question: Question, first: TimeSpan | None, last: TimeSpan | None, inside: Sequence[Seen]) -> Finding:
    """Kind between: what stands after one thing and before the other; None where a thing was not found."""
    if first is None or last is None:
        return nothing(question if first is None else replace(question, topic=question.other))
    where = f"between {label(question.topic)} ({spoken(first)}) and {label(question.other)} ({spoken(last)})"
    if not inside:
        return Finding(f"Nothing was seen {where}.", True, ())
    parts = [f"{notes_said(one.notes)} from {spoken(one.span)}" for one in inside]
    return Finding(_capital(f"{where}: {listed(parts)}."), True, tuple(inside))


def which_first(question: Question, one: Sequence[Seen], other: Sequence[Seen]) -> Finding:
    """Kind which_first: the one whose first appearance is earlier."""
    if not one or not other:
        return nothing(question if not one else replace(question, topic=question.other))
    found = sorted([(one[0].span, question.topic, one[0]), (other[0].span, question.other, other[0])], key=lambda x: x[0])
    (a, earlier, first), (b, later, second) = found
    says = f"{_capital(_the(earlier))} comes first, from {spoken(a)}; {_the(later)} follows from {spoken(b)}."
    return Finding(says, True, (first, second))


def how_long(question: Question, seen: Sequence[Seen], gap_s: float) -> Finding:
    """Kind how_long: the sum of the appearances."""
    if not seen:
        return nothing(question)
    evidence = evidence_of(seen, gap_s)
    total_s = sum(span.seconds for span in appearances(seen, gap_s))
    said = listed(spoken(span) for span in evidence.spans[:MOST_SPANS_SAID])
    subject, verb = _subject(question, seen)
    return Finding(_capital(f"{subject} {verb} for {lasting(total_s)}: {said}."), True, tuple(seen), evidence)


def lasting(seconds: float) -> str:
    """75 -> "1 min 15 s"."""
    minutes, left = divmod(round(seconds), 60)
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest) + [f"{left} s"] * bool(left or not minutes)
    return " ".join(parts)


def now(seen: Sequence[Seen]) -> Finding:
    """Kind now: the last of what was watched."""
    if not seen:
        return Finding("Nothing was watched yet.", False, ())
    last = max(seen, key=lambda one: one.span.start_s)
    return Finding(f"Now, since {clock(last.span.start_s)}: {notes_said(last.notes)}.", True, (last,))


def unknown(question: Question) -> Finding:
    """Kind unknown: what no memory of this kind holds."""
    return Finding("The memory does not say that.", False, (), Evidence(0, None, None, ()))


def _the(topic: str) -> str:
    return topic if topic[:1].isupper() else f"the {topic}"


def beside(question: Question, anchor: TimeSpan, neighbours: Sequence[Seen], anchors: Sequence[Seen] = ()) -> Finding:
    """Kinds before and after: what stands next to the anchor in time. `anchors`: the cubes of that appearance."""
    held = tuple(one for one in anchors if one.span.overlaps(anchor))
    if not neighbours:
        edge = "start" if question.kind == "before" else "end"
        where = spoken(anchor)
        return Finding(f"{_capital(label(question.topic))} is at the {edge}, from {where}.", True, (), context=held)
    one = neighbours[0]
    side = "Before" if question.kind == "before" else "After"
    statement = f"{side} {label(question.topic)} ({spoken(anchor)}): {notes_said(one.notes)} from {spoken(one.span)}."
    return Finding(statement, True, (one,), context=held)
