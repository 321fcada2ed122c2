"""From a parsed question to what was found: recalls candidates, reads their notes, selects within the budget.

Between the memory (vectors and spans) and the findings (words): the one place that knows which kind of question needs
which candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from encoders.base import TEXT_KEY_KINDS, KeyEncoder, Notes
from memory.recall import Recall, RecallRequest
from memory.records import Hit, PackedTokens, TimeSpan, VideoRecord
from memory.store import MemoryStore
from pipeline import findings
from pipeline.config import AnswerConfig
from pipeline.findings import Finding
from pipeline.question import Question
from pipeline.reading import Seen, read


@dataclass(frozen=True, slots=True)
class Memory:
    """A selected memory with its tokens (None for an open cube)."""

    span: TimeSpan
    tokens: PackedTokens | None
    notes: Notes


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found, what of it is cited, and the memories a model may read; both in order of time."""

    finding: Finding
    cited: tuple[Seen, ...]
    memories: tuple[Memory, ...]


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
        best = sorted(finding.cited, key=lambda one: (-one.score, one.span.start_s))[: config.cubes]
        cited = tuple(sorted(best, key=lambda one: one.span.start_s))
        return Gathered(finding, cited, self._memories(video.id, cited, config))

    def _finding(self, video: VideoRecord, question: Question, config: AnswerConfig) -> Finding:
        if question.kind in ("before", "after"):
            return self._beside(video, question)
        if question.kind == "text" and not question.topic:
            return findings.written(question, self._look(video, question, kinds=TEXT_KEY_KINDS))
        if question.kind == "at":
            return findings.at_time(question, self._look(video, question, limit=config.cubes))
        if question.kind == "summary":
            return findings.summary(self._look(video, question, limit=config.cubes))
        answering = self._answering(video, question)
        if question.kind == "text":
            texts = [one for one in answering if one.notes.texts]
            return findings.written(question, texts) if texts else findings.nothing(question)
        return findings.about_thing(question, answering, self._config.join_gap_s)

    def _look(
        self, video: VideoRecord, question: Question, *, kinds: tuple[str, ...] | None = None, limit: int | None = None
    ) -> list[Seen]:
        """Cubes by time or kind alone."""
        request = RecallRequest(None, span=question.span, kinds=kinds, limit=limit or self._config.candidates)
        return [
            Seen(hit, notes, hit.span, 1.0, None)  # found by time or kind: certain
            for hit, notes in self._noted(video.id, self._recall.recall(video.id, request).hits)
        ]

    def _answering(self, video: VideoRecord, question: Question) -> list[Seen]:
        """Cubes that answer to the topic: by their words, or by a key above the backend's threshold."""
        threshold = self._keys.threshold
        request = RecallRequest(
            self._keys.question(question.topic), threshold, question.span, None, self._config.candidates
        )
        hits = self._recall.recall(video.id, request).hits
        quoted = question.quoted is not None
        seen = [read(hit, notes, question.topic, quoted=quoted) for hit, notes in self._noted(video.id, hits)]
        return [one for one in seen if one.score >= threshold and (one.named is not None or not quoted)]

    def _beside(self, video: VideoRecord, question: Question) -> Finding:
        anchors = self._answering(video, replace(question, span=None))
        if not anchors:
            return findings.nothing(question)
        spans = findings.appearances(anchors, self._config.join_gap_s)
        anchor = spans[0]
        before, after = self._recall.neighbours(video.id, anchor)
        hit = before if question.kind == "before" else after
        neighbours = [
            Seen(one, notes, one.span, 1.0, None) for one, notes in self._noted(video.id, [hit] if hit else [])
        ]
        return findings.beside(question, anchor, neighbours)

    def _noted(self, video_id: str, hits: Sequence[Hit]) -> list[tuple[Hit, Notes]]:
        noted = []
        for hit in hits:
            if hit.ordinal is not None:
                noted.append((hit, Notes.from_plain(dict(self._store.cube(video_id, hit.ordinal).notes))))
            elif (opened := self._store.open_cube(video_id)) is not None:
                noted.append((hit, Notes.from_plain(dict(opened.notes))))
        return noted

    def _memories(self, video_id: str, cited: Sequence[Seen], config: AnswerConfig) -> tuple[Memory, ...]:
        memories: list[Memory] = []
        tokens = 0
        for one in cited:
            stored = None if one.hit.ordinal is None else self._store.cube(video_id, one.hit.ordinal).tokens
            tokens += 0 if stored is None else stored.values.shape[1]
            if tokens > config.tokens and memories:
                break
            memories.append(Memory(one.hit.span, stored, one.notes))
        return tuple(memories)


def _resolved(question: Question, video: VideoRecord) -> Question:
    """Moments and "the last five minutes" become spans; a moment is the cube it falls into."""
    if question.span is not None:
        return question
    if question.recent_s is not None:
        return replace(question, span=TimeSpan(max(video.ingested_s - question.recent_s, 0.0), video.ingested_s))
    if question.at_s is not None:
        return replace(question, span=TimeSpan(question.at_s, question.at_s))
    return question
