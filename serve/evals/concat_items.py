"""Maps dated questions about single clips to dated questions about a concatenation of them.

By rule, so that nobody has to judge again:

- A question with a `subject` and no time of its own is asked of the whole: every time at which any of the clips shows
  the subject, at every occurrence, counts as right. Its `first` or `last` is the first or last of these, and its count
  is their number, those closer than `JOIN_S` being one.
- A question that names a time is asked once, of one occurrence drawn by the seed, with its times moved; only that
  occurrence counts as right.
- A question about something absent stays where no clip shows its subject.
- All others are dropped: what is before or after a thing means another neighbour at each occurrence, and an item that
  is `alone` or has no subject means its clip.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from memory.records import TimeSpan
from pipeline.answering.mentions import timed, times_in
from pipeline.times import format_time, merge_spans

from .concat import Placed
from .items import ClipTruth, Item
from .scoring import Span

JOIN_S = 1.5
WHOLE = frozenset({"when", "first", "last", "count", "exists", "what", "text"})
"""Kinds that can be asked of the whole."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """The questions for the joined file, and why the others were dropped: (question, reason)."""

    items: tuple[Item, ...]
    dropped: tuple[tuple[str, str], ...]


def map_items(
    items: Sequence[Item], clips: Mapping[str, ClipTruth], placed: Sequence[Placed], video: str, seed: int
) -> Mapped:
    """The questions of `items` for the file `video`, in which the clips lie as `placed` says."""
    chance = random.Random(seed)
    kept: list[Item] = []
    dropped: list[tuple[str, str]] = []
    for item in items:
        here = [occurrence for occurrence in placed if occurrence.clip == item.video]
        mapped = _moved(item, chance.choice(here), video) if here and times_in(item.question) else item
        if mapped is item:
            mapped = _whole(item, clips, placed, video) if here else "its clip is not there"
        if isinstance(mapped, Item):
            if not any((mapped.question, mapped.kind) == (earlier.question, earlier.kind) for earlier in kept):
                kept.append(mapped)
        else:
            dropped.append((item.question, mapped))
    return Mapped(tuple(kept), tuple(dropped))


def _moved(item: Item, where: Placed, video: str) -> Item | str:
    """Asked of one occurrence."""
    length_s = where.end_s - where.start_s
    question, end = "", 0
    for seconds, first, last in timed(item.question):
        if seconds >= length_s:
            return "its time is cut off"
        question += item.question[end:first] + format_time(where.start_s + seconds)
        end = last
    spans = tuple((a + where.start_s, min(b, length_s) + where.start_s) for a, b in item.spans if a < length_s)
    return replace(item, video=video, question=question + item.question[end:], spans=spans)


def _whole(item: Item, clips: Mapping[str, ClipTruth], placed: Sequence[Placed], video: str) -> Item | str:
    """Asked of all occurrences of all clips, or why not."""
    if not item.subject or item.alone:
        return "means one clip"
    spans = shown(item.subject, clips, placed)
    if item.refusal:
        return f"a clip shows {item.subject}" if spans else replace(item, video=video)
    if item.kind not in WHOLE:
        return f"{item.kind} is not clear where clips repeat"
    if not spans:
        return "no clip says when"
    if item.kind in ("first", "last"):
        spans = [spans[0 if item.kind == "first" else -1]]
    count = len(spans) if item.kind == "count" else None
    words = ((str(count),),) if count is not None else item.words
    return replace(item, video=video, spans=tuple(spans), count=count, words=words)


def shown(subject: str, clips: Mapping[str, ClipTruth], placed: Sequence[Placed]) -> list[Span]:
    """Every time at which the subject can be seen in the joined file, those closer than `JOIN_S` made one."""
    spans = [
        TimeSpan(where.start_s + start, min(where.start_s + end, where.end_s))
        for where in placed
        if where.clip in clips
        for start, end in clips[where.clip].shows.get(subject, ())
        if where.start_s + start < where.end_s
    ]
    return [(span.start_s, span.end_s) for span in merge_spans(spans, JOIN_S)]
