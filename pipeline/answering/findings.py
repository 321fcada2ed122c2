"""States what was retrieved in one or two plain sentences with times: the extractive answer under every worded one.

Pure functions from a question and the cubes that answer it to a `Finding`. A language model may word the statement; it
never decides what was seen or when. Findings about stretches of time are in `pipeline.answering.timeline_findings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from memory.records import Appearances, TimeSpan
from pipeline.answering.match import Match, words
from pipeline.answering.segments import notes_phrase
from pipeline.queries.question import Question
from pipeline.queries.rules.kinds import yes_or_no
from pipeline.queries.rules.offsets import Offset
from pipeline.times import format_duration, format_list, format_span, format_time, merge_spans

__all__ = ["Finding", "notes_phrase"]

MOST_SPANS_LISTED = 5
MOST_NAMES_LISTED = 3
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer as code states it, before any language model words it.

    Attributes:
        statement: never empty.
        supported: whether a memory holds it; False where nothing answers the question.
        cited: the cubes the statement rests on, in time order.
        evidence: every appearance of the thing asked for, or every span that is stated; None for a single moment.
        context: cubes that are cited after those, such as the anchor that a neighbour stands next to.
    """

    statement: str
    supported: bool
    cited: tuple[Match, ...]
    evidence: Appearances | None = None
    context: tuple[Match, ...] = ()


def label(topic: str) -> str:
    """A topic as the subject of a sentence: "cat" -> "the cat"; "APOLLO 11" and "Ada" stay."""
    name = topic.isupper() or topic[:1].isdigit() or (topic[:1].isupper() and " " not in topic)
    return topic if name or not topic else f"the {topic}"


def appearances(matches: Sequence[Match], gap_s: float) -> list[TimeSpan]:
    """The separate appearances, in time order; cubes at most `gap_s` seconds apart are one."""
    return merge_spans((match.span for match in matches), gap_s)


def evidence_of(matches: Sequence[Match], gap_s: float) -> Appearances:
    """The evidence of a count over these cubes: how many appearances, the first and the last, at most 20 spans."""
    spans = appearances(matches, gap_s)
    if not spans:
        return Appearances(0, None, None, ())
    return Appearances(len(spans), spans[0].start_s, spans[-1].end_s, tuple(spans[:20]))


def nothing(question: Question) -> Finding:
    """The finding where nothing in the memory answers the question."""
    number = f"{ordinal(question.nth)} " if question.nth > 0 and question.kind in ("before", "after", "between") else ""
    wanted = f'matching "{number}{question.topic}" ' if question.topic else ""
    where = where_asked(question)
    if question.kind == "exists" and wanted and question.quoted is None and yes_or_no(question.text):
        verb = "are" if _plural(question.topic) else "is"
        return Finding(
            f"No, {label(question.topic)} {verb} not seen{where}.", False, (), Appearances(0, None, None, ())
        )
    return Finding(f"Nothing {wanted}was found{where}.", False, (), Appearances(0, None, None, ()))


def where_asked(question: Question) -> str:
    """The part of the video that the question names, as a phrase; "not seen" is stated of that part only."""
    if question.at_s is not None:
        return f" around {format_time(question.at_s)}"
    if question.edge:
        return f" at the {question.edge}"
    return "" if question.span is None else " in that time"


def about_thing(
    question: Question, matches: Sequence[Match], gap_s: float, everywhere: Appearances | None = None
) -> Finding:
    """Kinds when, first, last, count, exists and what, over the cubes that answer the topic. `everywhere` is the
    evidence of all cubes where `matches` holds only the best of very many: the larger count is stated."""
    if not matches:
        return nothing(question)
    ordered = sorted(matches, key=lambda match: match.span.start_s)
    evidence = evidence_of(ordered, gap_s)
    if everywhere is not None and everywhere.count > evidence.count:
        evidence = everywhere
    spans = list(evidence.spans)
    subject, verb = _subject(question, ordered)
    if question.nth or question.kind in ("first", "last"):
        return _one_appearance(question, ordered, gap_s, evidence)
    times = format_list(format_span(span) for span in spans[:MOST_SPANS_LISTED])
    more = f", and {evidence.count - MOST_SPANS_LISTED} more times" if evidence.count > MOST_SPANS_LISTED else ""
    if question.kind == "count":
        statement = f"{subject} {verb} {_times(evidence.count)}: {times}{more}."
        return Finding(_capital(statement), True, tuple(ordered), evidence)
    lead = "Yes, " if question.kind == "exists" and yes_or_no(question.text) else ""
    statement = f"{subject} {verb} from {times.replace(' and ', ' and from ')}{more}."
    return Finding(lead + (statement if lead else _capital(statement)), True, tuple(ordered), evidence)


def _one_appearance(question: Question, ordered: Sequence[Match], gap_s: float, evidence: Appearances) -> Finding:
    """One appearance by its place: the first, the last, the second."""
    which = question.wanted and question.kind in ("first", "last") and question.nth < 2
    if which:  # "which animal is first": one of them, not all that follow each other
        edge = ordered[-1 if question.kind == "last" else 0]
        ordered = [match for match in ordered if match.named == edge.named]
    spans = appearances(ordered, gap_s)
    place = -1 if question.kind == "last" else max(question.nth, 1)
    if place > len(spans):
        subject, verb = _subject(question, ordered)
        times = format_list(format_span(span) for span in spans[:MOST_SPANS_LISTED])
        return Finding(
            _capital(f"{subject} {verb} only {_times(len(spans))}: {times}."), True, tuple(ordered), evidence
        )
    span = spans[place - 1 if place > 0 else -1]
    cited = tuple(match for match in ordered if match.span.overlaps(span))
    subject, verb = _subject(question, cited)
    helper, participle = verb.split(" ", 1)
    word = {-1: "last", 1: "first"}.get(place)
    when = f"{helper} {word} {participle}" if word else f"{verb} for the {ordinal(place)} time"
    return Finding(_capital(f"{subject} {when} from {format_span(span)}."), True, cited, evidence)


def _subject(question: Question, matches: Sequence[Match]) -> tuple[str, str]:
    """Subject and verb: text "is shown", a thing "is seen". The names in the notes follow in brackets where they differ
    from the topic ("the dog (beagle)")."""
    best = max(matches, key=lambda match: match.score)
    if best.by_text:
        return f'the text "{best.named}"', "is shown"
    topic = question.topic or best.named or "it"
    names = dict.fromkeys(match.named for match in matches if match.named and not match.by_text)
    other = [name for name in names if words(name) != words(topic)]
    if len(other) > MOST_NAMES_LISTED:
        other = [*other[:MOST_NAMES_LISTED], "others"]
    called = f" ({format_list(other)})" if other else ""
    return label(topic) + called, "are seen" if _plural(topic) else "is seen"


_MANY = frozenset("people children men women mice geese police folk cattle".split())


def _plural(topic: str) -> bool:
    if topic.casefold().split(" ")[-1] in _MANY:
        return True
    return topic.endswith("s") and not topic.endswith("ss") and words(topic) != [topic.casefold()]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def together(parts: Sequence[Finding]) -> Finding:
    """The findings about several things as one, in their order; supported where any of them is."""
    cited = sorted((match for part in parts for match in part.cited), key=lambda match: match.span.start_s)
    spans = sorted(span for part in parts if part.evidence for span in part.evidence.spans)
    count = sum(part.evidence.count for part in parts if part.evidence)
    firsts = [part.evidence.first_s for part in parts if part.evidence and part.evidence.first_s is not None]
    lasts = [part.evidence.last_s for part in parts if part.evidence and part.evidence.last_s is not None]
    evidence = Appearances(count, min(firsts, default=None), max(lasts, default=None), tuple(spans[:20]))
    supported = any(part.supported for part in parts)
    return Finding(" ".join(part.statement for part in parts), supported, tuple(cited), evidence)


def which_first(question: Question, matches: Sequence[Match], other_matches: Sequence[Match]) -> Finding:
    """Kind which_first: which of two things appears earlier."""
    if not matches or not other_matches:
        return nothing(question if not matches else replace(question, topic=question.other))
    firsts = [(matches[0].span, question.topic, matches[0]), (other_matches[0].span, question.other, other_matches[0])]
    (a, earlier, first), (b, later, second) = sorted(firsts, key=lambda entry: entry[0])
    if a.start_s == b.start_s:
        both = f"{_capital(label(question.topic))} and {label(question.other)}"
        says = f"{both} come together, from {format_time(a.start_s)}."
        return Finding(says, True, (first, second) if first.hit != second.hit else (first,))
    says = (
        f"{_capital(label(earlier))} comes first, from {format_span(a)}; {label(later)} follows from {format_span(b)}."
    )
    return Finding(says, True, (first, second))


def how_long(question: Question, matches: Sequence[Match], gap_s: float, *, all_read: bool = True) -> Finding:
    """Kind how_long: the sum of the appearances; where not `all_read`, no more than "at least" that."""
    if not matches:
        return nothing(question)
    evidence = evidence_of(matches, gap_s)
    total_s = sum(span.seconds for span in appearances(matches, gap_s))
    times = format_list(format_span(span) for span in evidence.spans[:MOST_SPANS_LISTED])
    subject, verb = _subject(question, matches)
    least = "" if all_read else "at least "
    where = f", from {times}" if evidence.count == 1 else f": {times}"
    return Finding(
        _capital(f"{subject} {verb} for {least}{format_duration(total_s)}{where}."), True, tuple(matches), evidence
    )


def ordinal(number: int) -> str:
    """2 -> "second", 21 -> "21st"."""
    if 1 <= number <= len(ORDINALS):
        return ORDINALS[number - 1]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def unknown(question: Question) -> Finding:
    """Kind unknown: the question asks for what memories do not hold."""
    return Finding("The memory does not say that.", False, (), Appearances(0, None, None, ()))


def unwatched(question: Question, anchor: TimeSpan, offset: Offset, *, growing: bool = False) -> Finding:
    """The finding where nothing was watched at the offset from an appearance."""
    far = (
        f"{format_duration(abs(offset.seconds))} {'before' if offset.seconds < 0 else 'after'} {label(question.topic)}"
    )
    far = f"in the {far}" if offset.stretch else far
    so_far = " so far" if growing and offset.seconds > 0 else ""
    return Finding(
        f"Nothing was found {far} ({format_span(anchor)}){so_far}.", False, (), Appearances(0, None, None, ())
    )


def beside(
    question: Question,
    anchor: TimeSpan,
    neighbours: Sequence[Match],
    anchors: Sequence[Match] = (),
    *,
    watched_s: float | None = None,
    growing: bool = False,
) -> Finding:
    """Kinds before and after: what stands next to the anchor in time.

    Args:
        anchor: the span that the question counts from.
        neighbours: the cube next to it; empty at the edge of the video.
        anchors: the cubes of that appearance, cited last; empty where the anchor is a moment.
        watched_s: how far the video was watched, in seconds; what comes later is not known.
        growing: whether cubes may still follow the last one.
    """
    held = tuple(match for match in anchors if match.span.overlaps(anchor))
    where = format_span(anchor)
    what = label(question.topic) if question.topic else where
    if not neighbours and watched_s is not None and anchor.start_s > watched_s and not held:
        return Finding(f"Nothing was found around {where}.", False, (), Appearances(0, None, None, ()))
    if not neighbours and growing and question.kind == "after":
        wanted = f"No {question.wanted}" if question.wanted else "Nothing"
        return Finding(f"{wanted} was seen after {what} so far.", True, (), context=held)
    if not neighbours:
        edge = "start" if question.kind == "before" else "end"
        wanted = f"no {question.wanted}" if question.wanted else "nothing"
        at = f"it is at the {edge}, from {where}" if held and not question.wanted else f"that is the {edge}"
        return Finding(_capital(f"{wanted} comes {question.kind} {what}: {at}."), True, (), context=held)
    neighbour = neighbours[0]
    after = f"{what} ({where})" if question.topic else what
    statement = (
        f"{_capital(question.kind)} {after}: {notes_phrase(neighbour.notes)} from {format_span(neighbour.span)}."
    )
    return Finding(statement, True, (neighbour,), context=held)
