"""Questions on a made-up timeline with their right answers, in the sentences of `pipeline.answering.kinds`."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from memory.records import TimeSpan
from pipeline.times import format_duration, format_list, format_span, format_time, merge_spans
from pipeline.training.smollm.timelines import Names, TimelineEntry, is_called
from pipeline.training.smollm.wordings import WORDINGS

_ARTICLE = re.compile(r"\b(a)(?= [aeiou])", re.IGNORECASE)
UNKNOWN = "The memory does not say that."


@dataclass(frozen=True, slots=True)
class TimelineLesson:
    """A question and the answer to learn."""

    kind: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class TimelineScene:
    """A timeline and what may be asked about it."""

    entries: list[TimelineEntry]
    names: Names

    def spans(self, asked: str) -> list[TimeSpan]:
        """Separate appearances of what answers to the word."""
        return merge_spans((s.span for s in self.entries if self._shows(s, asked)), 0.5)

    def words(self) -> list[str]:
        """Everything that can be asked for by name."""
        return sorted({thing for entry in self.entries for thing in entry.things})

    def kind_words(self) -> list[str]:
        """Kinds that something in the timeline is of."""
        return sorted({kind for word in self.words() for kind in self.names.kinds[word]})

    def once(self) -> list[str]:
        """Names that appear once."""
        return [word for word in self.words() if len(self.spans(word)) == 1]

    def _shows(self, stretch: TimelineEntry, asked: str) -> bool:
        return any(is_called(self.names, thing, asked) for thing in stretch.things)


Made = tuple[dict[str, str], str] | None


def lesson(rng: random.Random, scene: TimelineScene, kind: str) -> TimelineLesson | None:
    """A question of a kind; None where the timeline has no answer of that form."""
    made = MAKERS[kind](rng, scene)
    if made is None:
        return None
    slots, answer = made
    question = _ARTICLE.sub(r"\1n", rng.choice(WORDINGS[kind]).format(**slots))
    question = question[:1].upper() + question[1:] if rng.random() < 0.8 else question.lower()
    return TimelineLesson(kind, question, answer[:1].upper() + answer[1:])


def _asked(rng: random.Random, scene: TimelineScene) -> str | None:
    words = scene.kind_words() if rng.random() < 0.3 else scene.words()
    return rng.choice(words) if words else None


def _format_spans(spans: list[TimeSpan]) -> str:
    return format_list(format_span(span) for span in spans)


def _when(rng: random.Random, scene: TimelineScene) -> Made:
    asked = _asked(rng, scene)
    if asked is None:
        return None
    phrase = _format_spans(scene.spans(asked)).replace(" and ", " and from ")
    return {"x": asked}, f"the {asked} is seen from {phrase}."


def _edge(place: int, word: str) -> Callable[[random.Random, TimelineScene], Made]:
    def make(rng: random.Random, scene: TimelineScene) -> Made:
        asked = _asked(rng, scene)
        if asked is None:
            return None
        return {"x": asked}, f"the {asked} is {word} seen from {format_span(scene.spans(asked)[place])}."

    return make


def _count(rng: random.Random, scene: TimelineScene) -> Made:
    asked = _asked(rng, scene)
    if asked is None:
        return None
    spans = scene.spans(asked)
    often = "once" if len(spans) == 1 else f"{len(spans)} times"
    return {"x": asked}, f"the {asked} is seen {often}: {_format_spans(spans)}."


def _at(rng: random.Random, scene: TimelineScene) -> Made:
    entry = rng.choice(scene.entries)
    moment = rng.randint(entry.start, max(entry.end - 1, entry.start))
    return {"t": moment_words(rng, moment)}, f"at {format_time(moment)}: {entry.phrase}."


def moment_words(rng: random.Random, seconds: int) -> str:
    """A moment as people type it."""
    minutes, left = divmod(seconds, 60)
    hours, rest = divmod(minutes, 60)
    forms = [format_time(seconds)] * 3 + [f"{seconds} s", f"{seconds} seconds"]
    forms += [f"{hours} h {rest} min {left} s", f"{hours}h{rest}m"] if hours else [f"{minutes:02d}:{left:02d}"]
    forms += [f"{minutes} min {left} s", f"minute {minutes}:{left:02d}"] if minutes and not hours else []
    return rng.choice(forms)


def _beside(step: int, word: str, edge: str) -> Callable[[random.Random, TimelineScene], Made]:
    def make(rng: random.Random, scene: TimelineScene) -> Made:
        once = scene.once()
        if not once:
            return None
        asked = rng.choice(once)
        place = next(i for i, entry in enumerate(scene.entries) if asked in entry.things)
        here = format_span(scene.entries[place].span)
        if not 0 <= place + step < len(scene.entries):
            return {"x": asked}, f"nothing comes {word} the {asked}: it is at the {edge}, from {here}."
        other = scene.entries[place + step]
        return {"x": asked}, f"{word} the {asked} ({here}): {other.phrase} from {format_span(other.span)}."

    return make


def _between(rng: random.Random, scene: TimelineScene) -> Made:
    once = scene.once()
    if len(once) < 2:
        return None
    x, y = sorted(rng.sample(once, 2), key=lambda word: scene.spans(word)[0])
    first, last = scene.spans(x)[0], scene.spans(y)[0]
    inside = [entry for entry in scene.entries if entry.start >= first.end_s and entry.end <= last.start_s]
    if not inside:
        return {"x": x, "y": y}, f"nothing comes between the {x} and the {y}."
    phrase = format_list(f"{entry.phrase} from {format_span(entry.span)}" for entry in inside[:4])
    return {"x": x, "y": y}, f"between the {x} and the {y}: {phrase}."


def _exists(rng: random.Random, scene: TimelineScene) -> Made:
    asked = _asked(rng, scene)
    absent = [name for name in rng.sample(scene.names.all, min(20, len(scene.names.all))) if not scene.spans(name)]
    if absent and (asked is None or rng.random() < 0.5):
        return {"x": absent[0]}, f"no, the {absent[0]} is not seen."
    if asked is None:
        return None
    return {
        "x": asked
    }, f"yes, the {asked} is seen from {_format_spans(scene.spans(asked)).replace(' and ', ' and from ')}."


def _text(_: random.Random, scene: TimelineScene) -> Made:
    lines = [f'"{text}" from {format_span(entry.span)}' for entry in scene.entries for text in entry.texts]
    return {}, f"the screen says {format_list(lines[:6])}." if lines else "no text is seen on the screen."


def _which_first(rng: random.Random, scene: TimelineScene) -> Made:
    if len(scene.words()) < 2:
        return None
    x, y = rng.sample(scene.words(), 2)
    a, b = scene.spans(x)[0], scene.spans(y)[0]
    if a.start_s == b.start_s:
        return None
    (first, first_span), (later, later_span) = ((x, a), (y, b)) if a.start_s < b.start_s else ((y, b), (x, a))
    return {
        "x": x,
        "y": y,
    }, f"the {first} comes first, from {format_span(first_span)}; the {later} follows from {format_span(later_span)}."


def _how_long(rng: random.Random, scene: TimelineScene) -> Made:
    once = scene.once()
    if not once:
        return None
    asked = rng.choice(once)
    span = scene.spans(asked)[0]
    return {"x": asked}, f"the {asked} is seen for {format_duration(span.seconds)}, from {format_span(span)}."


def _summary(_: random.Random, scene: TimelineScene) -> Made:
    return {}, ". ".join(f"{format_span(entry.span)}: {entry.phrase}" for entry in scene.entries[:6]) + "."


def _stretch(rng: random.Random, scene: TimelineScene) -> Made:
    start = rng.randrange(len(scene.entries))
    inside = scene.entries[start : start + rng.randint(1, 3)]
    t, u = inside[0].start + 1, max(inside[-1].end - 1, inside[0].start + 2)
    slots = {"t": moment_words(rng, t), "u": moment_words(rng, u)}
    return slots, ". ".join(f"{format_span(entry.span)}: {entry.phrase}" for entry in inside) + "."


def _now(_: random.Random, scene: TimelineScene) -> Made:
    last = scene.entries[-1]
    return {}, f"now: {last.phrase}, from {format_span(last.span)}."


def _cannot(rng: random.Random, scene: TimelineScene) -> Made:
    return ({"x": rng.choice(scene.words())}, UNKNOWN) if scene.words() else None


MAKERS: dict[str, Callable[[random.Random, TimelineScene], Made]] = {
    "when": _when, "first": _edge(0, "first"), "last": _edge(-1, "last"), "count": _count, "at": _at,
    "before": _beside(-1, "before", "start"), "after": _beside(1, "after", "end"), "between": _between,
    "exists": _exists, "text": _text, "which_first": _which_first, "how_long": _how_long, "summary": _summary,
    "stretch": _stretch, "now": _now, "cannot": _cannot,
}  # fmt: skip
