"""From a parsed question to what was found: recalls candidates, reads their notes, selects within the budget.

Between the memory (vectors and spans) and the findings (words): the one place that knows which kind of question needs
which candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoders.base import TEXT_KEY_KINDS, KeyEncoder, Notes
from memory.recall import Recall, RecallRequest
from memory.records import Evidence, Hit, PackedTokens, TimeSpan, VideoRecord
from memory.selection import Query, select
from memory.store import MemoryStore
from pipeline import findings
from pipeline.config import AnswerConfig
from pipeline.findings import Finding
from pipeline.question import Question
from pipeline.reading import Seen, read


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found, and what of it fits the budget: what is cited and what a model may read, in order of time."""

    finding: Finding
    cited: tuple[Seen, ...]


class Gatherer:
    """Finds what answers to a question in one video's memory."""

    def __init__(self, store: MemoryStore, recall: Recall, keys: KeyEncoder, config: AnswerConfig) -> None:
        self._store = store
        self._recall = recall
        self._keys = keys
        self._config = config

    def gather(self, video: VideoRecord, question: Question, config: AnswerConfig) -> Gathered:
        """The finding and its memories; `config` binds cubes and tokens."""
        question = _resolved(question, video)
        finding = self._finding(video, question, config)
        return Gathered(finding, within_budget(finding.cited, config))

    def _finding(self, video: VideoRecord, question: Question, config: AnswerConfig) -> Finding:
        if question.kind in ("before", "after"):
            return self._beside(video, question)
        if question.kind == "text" and not question.topic:
            return findings.written(question, self._look(video, question, kinds=TEXT_KEY_KINDS))
        if question.kind == "at":
            return findings.at_time(question, self._look(video, question, limit=config.cubes))
        if question.kind == "summary":
            return findings.summary(self._look(video, question, limit=config.cubes))
        answering, everywhere = self._answering(video, question)
        if question.kind == "text":
            texts = [one for one in answering if one.notes.texts]
            return findings.written(question, texts) if texts else findings.nothing(question)
        return findings.about_thing(question, answering, self._config.join_gap_s, everywhere)

    def _look(
        self, video: VideoRecord, question: Question, *, kinds: tuple[str, ...] | None = None, limit: int | None = None
    ) -> list[Seen]:
        """Cubes by time or kind alone."""
        request = RecallRequest(None, span=question.span, kinds=kinds, limit=limit or self._config.candidates)
        return [
            Seen(hit, notes, hit.span, 1.0, None, tokens=tokens)  # found by time or kind: certain
            for hit, notes, tokens in self._noted(video.id, self._recall.recall(video.id, request).hits)
        ]

    def _answering(self, video: VideoRecord, question: Question) -> tuple[list[Seen], Evidence | None]:
        """Cubes that answer to the topic, by their words or by a key above the backend's threshold; and, where there
        are more candidates than are read, the evidence of the keys over all."""
        threshold = self._keys.threshold
        request = RecallRequest(
            self._keys.question(question.topic), threshold, question.span, None, self._config.candidates
        )
        recalled = self._recall.recall(video.id, request)
        quoted = question.quoted is not None
        seen = [
            replace(read(hit, notes, question.topic, quoted=quoted), tokens=tokens)
            for hit, notes, tokens in self._noted(video.id, recalled.hits)
        ]
        kept = [one for one in seen if one.score >= threshold and (one.named is not None or not quoted)]
        return kept, recalled.evidence if len(recalled.hits) >= self._config.candidates and not quoted else None

    def _beside(self, video: VideoRecord, question: Question) -> Finding:
        anchors, _ = self._answering(video, replace(question, span=None))
        if not anchors:
            return findings.nothing(question)
        spans = findings.appearances(anchors, self._config.join_gap_s)
        anchor = spans[0]
        before, after = self._recall.neighbours(video.id, anchor)
        hit = before if question.kind == "before" else after
        noted = self._noted(video.id, [hit] if hit else [])
        neighbours = [Seen(one, notes, one.span, 1.0, None, tokens=tokens) for one, notes, tokens in noted]
        return findings.beside(question, anchor, neighbours)

    def _noted(self, video_id: str, hits: Sequence[Hit]) -> list[tuple[Hit, Notes, PackedTokens | None]]:
        """Each hit with its cube's words and tokens."""
        noted: list[tuple[Hit, Notes, PackedTokens | None]] = []
        for hit in hits:
            if hit.ordinal is not None:
                cube = self._store.cube(video_id, hit.ordinal)
                noted.append((hit, Notes.from_plain(dict(cube.notes)), cube.tokens))
            elif (opened := self._store.open_cube(video_id)) is not None:
                noted.append((hit, Notes.from_plain(dict(opened.notes)), None))
        return noted


def within_budget(found: Sequence[Seen], config: AnswerConfig) -> tuple[Seen, ...]:
    """The best of what was found, as many as both budgets allow, in order of time."""
    by_hit = {replace(one.hit, score=one.score): one for one in found}
    dearest = max((one.tokens.values.shape[1] for one in found if one.tokens is not None), default=1)
    query = Query(np.zeros((0, 1), np.float32), cubes=config.cubes, tokens=config.tokens)
    return tuple(by_hit[hit] for hit in select(query, list(by_hit), dearest))


def _resolved(question: Question, video: VideoRecord) -> Question:
    """Moments and "the last five minutes" become spans; a moment is the cube it falls into."""
    if question.span is not None:
        return question
    if question.recent_s is not None:
        return replace(question, span=TimeSpan(max(video.ingested_s - question.recent_s, 0.0), video.ingested_s))
    if question.at_s is not None:
        return replace(question, span=TimeSpan(question.at_s, question.at_s))
    return question
