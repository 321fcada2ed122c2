"""From a parsed question to what was found: recalls candidates, reads their notes, selects within the budget.

Between the memory (vectors and spans) and the findings (words): the one place that knows which kind of question needs
which candidates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from encoders.base import TEXT_KEY_KINDS, KeyEncoder, Notes
from memory.recall import Recall, RecallRequest
from memory.records import F32, Evidence, Hit, PackedTokens, TimeSpan, VideoRecord
from memory.selection import Order, select
from memory.store import MemoryStore
from pipeline.answering import findings, findings_told
from pipeline.answering.findings import Finding
from pipeline.answering.reading import Seen, called, read
from pipeline.answering.sighted import sighted
from pipeline.config import AnswerConfig
from pipeline.questions.question import Kind, Question
from pipeline.questions.sought import Sought, seek
from pipeline.questions.spans import apart, end_of, resolved
from pipeline.questions.times import FOREVER_S

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
"""A question and candidates in words -> a score each; what fits the budget is then chosen by it."""

_ORDERS: dict[Kind, Order] = {"first": "first", "last": "last", "at": "time", "summary": "time"}
"""Which memories a kind of question prefers when the budget binds; the others prefer what answers best."""


_GROWING = ("queued", "ingesting", "live")
_OR = re.compile(r"\bor\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found, and what of it fits the budget: what is cited, in order of time but for what it stands next to,
    which is last; and the same in order of time, as a model reads it."""

    finding: Finding
    cited: tuple[Seen, ...]
    read: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class _Answering:
    """Cubes that answer to a topic, how alike they are [n, n] (None where that is not known), and the evidence of the
    keys over all cubes where there are more candidates than were read."""

    seen: list[Seen]
    alike: F32 | None
    everywhere: Evidence | None


class Gatherer:
    """Finds what answers to a question in one video's memory."""

    def __init__(
        self,
        store: MemoryStore,
        recall: Recall,
        keys: KeyEncoder,
        config: AnswerConfig,
        rerank: Rerank | None = None,
    ) -> None:
        self._store = store
        self._recall = recall
        self._keys = keys
        self._config = config
        self._rerank = rerank
        self._kin = lru_cache(maxsize=4096)(keys.kin)

    def gather(self, video: VideoRecord, question: Question, config: AnswerConfig) -> Gathered:
        """The finding and its memories; `config` binds cubes and tokens."""
        question = self._understood(resolved(question, video))
        finding, answering = self._finding(video, question, config)
        order = _ORDERS.get(question.kind, "score")
        best = within_budget(self._judged(question, finding.cited), config, order, answering)
        room = replace(config, cubes=config.cubes - len(best), tokens=config.tokens - _tokens(best))
        told = {one.hit for one in best}
        cited = (*best, *within_budget([one for one in finding.context if one.hit not in told], room))
        cubes = {one.hit: one for one in cited}.values()  # several sightings are one cube to a reader
        return Gathered(finding, cited, tuple(sorted(cubes, key=lambda one: one.hit.span)))

    def _finding(self, video: VideoRecord, question: Question, config: AnswerConfig) -> tuple[Finding, _Answering]:
        told, gap_s = _Answering([], None, None), self._config.join_gap_s
        match question.kind:
            case "unknown":
                return findings.unknown(question), told
            case "before" | "after":
                return self._beside(video, question), told
            case "between" | "which_first":
                return self._two(video, question), told
            case "now":
                return findings_told.now(self._look(video, replace(question, span=end_of(video)))), told
            case "at" if question.edge == "end" and video.status in _GROWING:  # nobody knows its end yet
                return findings_told.now(self._look(video, question)), told
            case "at":
                return findings_told.at_time(question, self._look(video, question), gap_s), told
            case "summary":
                return findings_told.summary(self._look(video, question), gap_s), told
            case "how_long" if not question.topic:
                return findings_told.whole(
                    video.ingested_s, self._look(video, replace(question, span=end_of(video)))
                ), told
            case "text":
                return self._text(video, question), told
        told = self._answering(video, question)
        if question.kind == "exists":
            question, told = self._either(video, question, told)
        if question.kind == "how_long":
            return findings.how_long(question, told.seen, gap_s, all_read=told.everywhere is None), told
        return findings.about_thing(question, told.seen, gap_s, told.everywhere), told

    def _either(self, video: VideoRecord, question: Question, told: _Answering) -> tuple[Question, _Answering]:
        """Whether there is a thing, where a second one is named: "a cat or a dog" is answered by either; of "a dog with
        a ball" the dog alone is no yes. Nor is there a no for what the vocabulary does not know: "Is it raining?"."""
        if question.quoted is not None or question.about_text:
            return question, told
        place = self._seek(question.where)
        if _OR.search(question.text):
            if not told.seen and place.known:
                question = replace(question, topic=question.where, where="")
                return question, self._answering(video, question)
            return question, told
        seen = [] if place.known else told.seen
        both = seen or [one for one in told.seen if any(called(thing.name, place) for thing in one.notes.things)]
        sure = self._seek(question.topic).known or any(one.named is not None for one in told.seen)
        return (question if (both or not told.seen) and sure else replace(question, kind="what")), told

    def _text(self, video: VideoRecord, question: Question) -> Finding:
        """What the screen says, where or when it was asked for; all of it where nothing stands beside that."""
        lines = self._look(video, question, kinds=TEXT_KEY_KINDS)
        if question.topic:
            seen = self._answering(video, question).seen
            return findings_told.written(question, seen) if seen else findings.nothing(question)
        return findings_told.written(question, lines)

    def _look(
        self, video: VideoRecord, question: Question, *, kinds: tuple[str, ...] | None = None, limit: int | None = None
    ) -> list[Seen]:
        """Cubes by time or kind alone."""
        request = RecallRequest(None, span=question.span, kinds=kinds, limit=limit or self._config.candidates)
        return [
            Seen(hit, notes, hit.span, 1.0, None, tokens=tokens)  # found by time or kind: certain
            for hit, notes, tokens in self._noted(video.id, self._recall.recall(video.id, request).hits)
        ]

    def _seek(self, topic: str) -> Sought:
        return seek(topic, self._kin)

    def _understood(self, question: Question) -> Question:
        """Without the words behind a known one: "taxi drive" is a taxi. What they say of *the* thing, no memory holds:
        "Is the dog brown?"."""
        if question.quoted is not None or question.about_text:
            return question
        one = seek(question.topic, self._kin, verb_last=question.verb_last)
        if not one.known and question.topic.endswith("ing") and (tool := self._seek(question.where)).known:
            one = tool  # "somebody sweeping with a broom"
        if question.kind == "text" and one.known:  # "which dog is it"
            question = replace(question, kind="what", literal=False)
        if question.kind == "exists" and question.definite and one.known and (one.behind or question.said_of):
            return replace(question, kind="unknown")
        return replace(question, topic=one.bare, other=self._seek(question.other).bare)

    def _answering(self, video: VideoRecord, question: Question) -> _Answering:
        """Cubes that answer to the topic, by their words or by a key above the backend's threshold."""
        threshold, most = self._keys.threshold, self._config.candidates
        order = _preferred(question)
        quoted = question.quoted is not None
        sought = self._seek(question.topic)
        vector = self._keys.question(question.topic)
        request = RecallRequest(vector, threshold, question.span, None, most, self._config.join_gap_s, order)
        recalled = self._recall.recall(video.id, request)
        looked_for = None if quoted or question.literal else sought
        seen = [
            replace(found, tokens=tokens)
            for hit, notes, tokens in self._noted(video.id, recalled.hits)
            for found in sighted(
                read(hit, notes, sought, quoted=quoted, literal=question.literal), looked_for, question.span
            )
        ]
        kept = [one for one in seen if one.score >= threshold and (one.named is not None or not quoted)]
        kept = self._narrowed(kept, question, sought)
        place = {hit: number for number, hit in enumerate(recalled.hits)}
        places = [place[one.hit] for one in kept]
        alike = None if recalled.alike is None else recalled.alike[np.ix_(places, places)]
        return _Answering(kept, alike, recalled.evidence if len(recalled.hits) >= most and not quoted else None)

    def _narrowed(self, seen: list[Seen], question: Question, sought: Sought) -> list[Seen]:
        """Without cubes where only the screen says the word, if others show the thing; and only those that show what
        else was named ("a dog on a sofa"), if any do."""
        if sought.known and not question.literal and any(one.named and not one.by_text for one in seen):
            seen = [one for one in seen if not one.by_text]
        if not question.where:
            return seen
        place = self._seek(question.where)
        both = [one for one in seen if any(called(thing.name, place) for thing in one.notes.things)]
        return both or seen

    def _two(self, video: VideoRecord, question: Question) -> Finding:
        """Questions about two things: their appearances, and what is between."""
        one = self._answering(video, question).seen
        other = self._answering(video, replace(question, topic=question.other)).seen
        if question.kind == "which_first":
            return findings.which_first(question, one, other)
        gap_s = self._config.join_gap_s
        first, last = apart(findings.appearances(one, gap_s), findings.appearances(other, gap_s), question)
        if first is None or last is None or last.start_s <= first.end_s:
            return findings_told.between(question, first, last, [], gap_s)
        inside = self._look(video, replace(question, span=TimeSpan(first.end_s, last.start_s)))
        inside = [one for one in inside if not one.span.overlaps(first) and not one.span.overlaps(last)]
        return findings_told.between(question, first, last, inside, gap_s)

    def _beside(self, video: VideoRecord, question: Question) -> Finding:
        anchors: list[Seen] = []
        if question.topic:
            anchors = self._answering(video, replace(question, span=None, at_s=None)).seen
            spans = findings.appearances(anchors, self._config.join_gap_s)
            place = question.nth - 1 if question.nth > 0 else question.nth
            if not -len(spans) <= place < len(spans):
                return findings.nothing(question)
            anchor = spans[place]
        else:
            anchor = TimeSpan(question.at_s or 0.0, question.at_s or 0.0)
        if question.wanted and self._seek(question.wanted).known:
            return self._told_beside(video, question, anchor, self._next(video, question, anchor), anchors)
        before, after = self._recall.neighbours(video.id, anchor)
        hit = before if question.kind == "before" else after
        noted = self._noted(video.id, [hit] if hit else [])
        neighbours = [Seen(one, notes, one.span, 1.0, None, tokens=tokens) for one, notes, tokens in noted]
        return self._told_beside(video, replace(question, wanted=""), anchor, neighbours, anchors)

    def _told_beside(
        self, video: VideoRecord, question: Question, anchor: TimeSpan, beside: list[Seen], anchors: list[Seen]
    ) -> Finding:
        growing, watched_s = video.status in _GROWING, video.ingested_s
        return findings.beside(question, anchor, beside, anchors, watched_s=watched_s, growing=growing)

    def _next(self, video: VideoRecord, question: Question, anchor: TimeSpan) -> list[Seen]:
        """The nearest cube on that side of what is wanted: "which animal comes after the dog"."""
        after = question.kind == "after"
        side = TimeSpan(anchor.end_s, FOREVER_S) if after else TimeSpan(0.0, anchor.start_s)
        seen = self._answering(video, replace(question, topic=question.wanted, where="", span=side)).seen
        seen = [one for one in seen if not one.span.overlaps(anchor)]
        return sorted(seen, key=lambda one: one.span, reverse=not after)[:1]

    def _noted(self, video_id: str, hits: Sequence[Hit]) -> list[tuple[Hit, Notes, PackedTokens | None]]:
        """Each hit with its cube's words and tokens; an open cube that closed meanwhile is left out."""
        closed = [hit for hit in hits if hit.ordinal is not None]
        cubes = self._store.cubes_at(video_id, [hit.ordinal for hit in closed if hit.ordinal is not None])
        noted: list[tuple[Hit, Notes, PackedTokens | None]] = [
            (hit, Notes.from_plain(dict(cube.notes)), cube.tokens) for hit, cube in zip(closed, cubes, strict=True)
        ]
        for hit in hits:
            opened = self._store.open_cube(video_id) if hit.ordinal is None else None
            if opened is not None and opened.span.start_s == hit.span.start_s:
                noted.append((hit, Notes.from_plain(dict(opened.notes)), None))
        return noted

    def _judged(self, question: Question, found: Sequence[Seen]) -> Sequence[Seen]:
        """With the re-ranker's scores in the place of their own, where there is one."""
        if self._rerank is None or len(found) < 2:
            return found
        scores = self._rerank(question.text, [findings.notes_said(one.notes) for one in found])
        return [replace(one, worth=float(score)) for one, score in zip(found, scores, strict=True)]


def _preferred(question: Question) -> Order:
    """Which cubes to read where not all can be: the earliest where the place in the row counts, and the latest."""
    if question.kind == "last" or question.nth < 0:
        return "last"
    placed = question.kind in ("first", "which_first", "between", "before", "after") or question.nth > 0
    return "first" if placed else "score"


def _tokens(found: Sequence[Seen]) -> int:
    """Memory tokens of these cubes."""
    return sum(one.tokens.values.shape[1] for one in found if one.tokens is not None)


def within_budget(
    found: Sequence[Seen], config: AnswerConfig, order: Order = "score", answering: _Answering | None = None
) -> tuple[Seen, ...]:
    """The preferred of what was found, as many as both budgets allow, in order of time; by score, less alike ones where
    the config asks for diversity."""
    ordered = sorted(found, key=lambda one: one.hit.span)
    dearest = max((one.tokens.values.shape[1] for one in ordered if one.tokens is not None), default=1)
    room = min(config.cubes, config.tokens // max(dearest, 1))
    scores = np.array([one.score if one.worth is None else one.worth for one in ordered], np.float64)
    alike = None
    if answering is not None and answering.alike is not None and config.diversity > 0:
        place = {one.hit: number for number, one in enumerate(answering.seen)}
        places = [place[one.hit] for one in ordered]
        alike = answering.alike[np.ix_(places, places)]
    return tuple(ordered[i] for i in select(scores, room, order, alike, config.diversity))
