"""From a parsed question to what was found: recalls candidates, reads their notes, selects within the budget.

Between the memory (vectors and spans) and the findings (words): the one place that knows which kind of question needs
which candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoders.base import TEXT_KEY_KINDS, KeyEncoder, Notes
from memory.recall import Recall, RecallRequest
from memory.records import F32, Evidence, Hit, PackedTokens, TimeSpan, VideoRecord
from memory.selection import Order, select
from memory.store import MemoryStore
from pipeline import findings
from pipeline.config import AnswerConfig
from pipeline.findings import Finding
from pipeline.question import Kind, Question
from pipeline.reading import Seen, read

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
"""A question and candidates in words -> a score each; what fits the budget is then chosen by it."""

_ORDERS: dict[Kind, Order] = {"first": "first", "last": "last", "at": "time", "summary": "time"}
"""Which memories a kind of question prefers when the budget binds; the others prefer what answers best."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found, and what of it fits the budget, in order of time: what is cited, and what a model may read (the
    same, and its context as far as there is room)."""

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

    def gather(self, video: VideoRecord, question: Question, config: AnswerConfig) -> Gathered:
        """The finding and its memories; `config` binds cubes and tokens."""
        question = _resolved(question, video)
        finding, answering = self._finding(video, question, config)
        order = _ORDERS.get(question.kind, "score")
        cited = within_budget(self._judged(question, finding.cited), config, order, answering)
        room = replace(config, cubes=config.cubes - len(cited), tokens=config.tokens - _tokens(cited))
        told = {one.hit for one in cited}
        context = within_budget([one for one in finding.context if one.hit not in told], room)
        return Gathered(finding, cited, tuple(sorted((*cited, *context), key=lambda one: one.hit.span)))

    def _finding(self, video: VideoRecord, question: Question, config: AnswerConfig) -> tuple[Finding, _Answering]:
        told = _Answering([], None, None)
        if question.kind in ("before", "after"):
            return self._beside(video, question), told
        if question.kind == "text" and not question.topic:
            return findings.written(question, self._look(video, question, kinds=TEXT_KEY_KINDS)), told
        if question.kind in ("between", "which_first"):
            return self._two(video, question), told
        if question.kind == "unknown":
            return findings.unknown(question), told
        if question.kind == "now":
            moment = TimeSpan(max(video.ingested_s - 0.01, 0.0), video.ingested_s)
            return findings.now(self._look(video, replace(question, span=moment))), told
        if question.kind == "at":
            return findings.at_time(question, self._look(video, question, limit=config.cubes)), told
        if question.kind == "summary":
            return findings.summary(self._look(video, question, limit=config.cubes)), told
        told = self._answering(video, question)
        if question.kind == "how_long":
            return findings.how_long(question, told.seen, self._config.join_gap_s), told
        if question.kind == "text":
            texts = [one for one in told.seen if one.notes.texts]
            return (findings.written(question, texts) if texts else findings.nothing(question)), told
        return findings.about_thing(question, told.seen, self._config.join_gap_s, told.everywhere), told

    def _look(
        self, video: VideoRecord, question: Question, *, kinds: tuple[str, ...] | None = None, limit: int | None = None
    ) -> list[Seen]:
        """Cubes by time or kind alone."""
        request = RecallRequest(None, span=question.span, kinds=kinds, limit=limit or self._config.candidates)
        return [
            Seen(hit, notes, hit.span, 1.0, None, tokens=tokens)  # found by time or kind: certain
            for hit, notes, tokens in self._noted(video.id, self._recall.recall(video.id, request).hits)
        ]

    def _answering(self, video: VideoRecord, question: Question) -> _Answering:
        """Cubes that answer to the topic, by their words or by a key above the backend's threshold."""
        threshold, most = self._keys.threshold, self._config.candidates
        order: Order = question.kind if question.kind in ("first", "last") else "score"
        vector = self._keys.question(question.topic)
        request = RecallRequest(vector, threshold, question.span, None, most, self._config.join_gap_s, order)
        recalled = self._recall.recall(video.id, request)
        quoted = question.quoted is not None
        seen = [
            replace(read(hit, notes, question.topic, quoted=quoted), tokens=tokens)
            for hit, notes, tokens in self._noted(video.id, recalled.hits)
        ]
        kept = [one for one in seen if one.score >= threshold and (one.named is not None or not quoted)]
        place = {hit: number for number, hit in enumerate(recalled.hits)}
        places = [place[one.hit] for one in kept]
        alike = None if recalled.alike is None else recalled.alike[np.ix_(places, places)]
        return _Answering(kept, alike, recalled.evidence if len(recalled.hits) >= most and not quoted else None)

    def _two(self, video: VideoRecord, question: Question) -> Finding:
        """Questions about two things: their first appearances, and what is between."""
        one = self._answering(video, question).seen
        other = self._answering(video, replace(question, topic=question.other)).seen
        if question.kind == "which_first":
            return findings.which_first(question, one, other)
        gap_s = self._config.join_gap_s
        first, last = (findings.appearances(seen, gap_s)[0] if seen else None for seen in (one, other))
        if first is None or last is None or last.start_s <= first.end_s:
            return findings.between(question, first, last, [])
        inside = replace(question, span=TimeSpan(first.end_s, last.start_s))
        return findings.between(question, first, last, self._look(video, inside, limit=self._config.cubes))

    def _beside(self, video: VideoRecord, question: Question) -> Finding:
        anchors = self._answering(video, replace(question, span=None)).seen
        if not anchors:
            return findings.nothing(question)
        spans = findings.appearances(anchors, self._config.join_gap_s)
        anchor = spans[0]
        before, after = self._recall.neighbours(video.id, anchor)
        hit = before if question.kind == "before" else after
        noted = self._noted(video.id, [hit] if hit else [])
        neighbours = [Seen(one, notes, one.span, 1.0, None, tokens=tokens) for one, notes, tokens in noted]
        return findings.beside(question, anchor, neighbours, anchors)

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


def _resolved(question: Question, video: VideoRecord) -> Question:
    """Moments and "the last five minutes" become spans; a moment is the cube it falls into."""
    if question.span is not None:
        return question
    if question.recent_s is not None:
        return replace(question, span=TimeSpan(max(video.ingested_s - question.recent_s, 0.0), video.ingested_s))
    if question.at_s is not None:
        return replace(question, span=TimeSpan(question.at_s, question.at_s))
    return question
