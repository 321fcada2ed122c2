"""Retrieves the candidates for an answer: the cubes that match a topic, a time or a kind of key, with their notes.

Keys propose candidates; the words of the notes decide (`pipeline.answering.match`). `Candidates.answering` takes a
topic, `look` a time or kind, `beside` an anchor. What they amount to is stated in `pipeline.answering.findings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from encoders.base import KeyEncoder
from encoders.notes import Notes
from memory.records import F32, Appearances, Hit, PackedTokens, TimeSpan
from memory.retrieval.retriever import RetrievalRequest, Retriever
from memory.retrieval.selection import Order
from memory.store.base import MemoryStore
from pipeline.answering.match import Match, called, read
from pipeline.answering.match_detections import detection_matches
from pipeline.config import AnswerConfig
from pipeline.queries.question import Question
from pipeline.queries.terms import ResolvedTerm, resolve_term


@dataclass(frozen=True, slots=True)
class Answering:
    """Result of retrieval for a topic.

    Attributes:
        matches: the cubes that answer the topic, in time order of the cubes.
        alike: float32 [n, n], cosines between the keys of the matches; None where the retriever gives none.
        everywhere: evidence of the keys over all cubes, where there are more candidates than were read; else None.
    """

    matches: list[Match]
    alike: F32 | None
    everywhere: Appearances | None


class Candidates:
    """Retrieves cubes and reads their notes."""

    def __init__(self, store: MemoryStore, retriever: Retriever, keys: KeyEncoder, config: AnswerConfig) -> None:
        self._store = store
        self._retriever = retriever
        self._keys = keys
        self._config = config
        self._hyponyms = lru_cache(maxsize=4096)(keys.hyponyms)

    @property
    def gap_s(self) -> float:
        """Gap between two cubes, in seconds, up to which they are one appearance."""
        return self._config.join_gap_s

    def resolve_term(self, topic: str, *, verb_last: bool = False) -> ResolvedTerm:
        """A topic, resolved as far as the vocabulary goes."""
        return resolve_term(topic, self._hyponyms, verb_last=verb_last)

    def look(self, video_id: str, question: Question, *, kinds: tuple[str, ...] | None = None) -> list[Match]:
        """Cubes by time or kind of key alone, whatever they show."""
        request = RetrievalRequest(None, span=question.span, kinds=kinds, limit=self._config.candidates)
        return self._certain(video_id, self._retriever.retrieve(video_id, request).hits)

    def beside(self, video_id: str, anchor: TimeSpan, *, after: bool) -> list[Match]:
        """The cube next to a span, after or before it; empty at the edge of the video."""
        hit = self._retriever.neighbours(video_id, anchor)[1 if after else 0]
        return self._certain(video_id, [hit] if hit else [])

    def answering(self, video_id: str, question: Question) -> Answering:
        """Cubes that answer the topic, by their words or by a key above the backend's threshold."""
        threshold, config = self._keys.threshold, self._config
        quoted = question.quoted is not None
        term = self.resolve_term(question.topic)
        vector = self._keys.question(question.topic)
        request = RetrievalRequest(
            vector,
            threshold,
            question.span,
            limit=config.candidates,
            join_gap_s=config.join_gap_s,
            order=preferred(question),
            whole=config.read_whole,
        )
        retrieval = self._retriever.retrieve(video_id, request)
        looked_for = None if quoted or question.literal else term
        matches = [
            replace(match, tokens=tokens)
            for hit, notes, tokens in self._noted(video_id, retrieval.hits)
            for match in detection_matches(
                read(hit, notes, term, quoted=quoted, literal=question.literal), looked_for, question.span
            )
        ]
        kept = [match for match in matches if match.score >= threshold and (match.named is not None or not quoted)]
        kept = self._narrowed(kept, question, term)
        place = {hit: number for number, hit in enumerate(retrieval.hits)}
        places = [place[match.hit] for match in kept]
        alike = None if retrieval.alike is None else retrieval.alike[np.ix_(places, places)]
        left_out = len(retrieval.hits) >= config.candidates and retrieval.cubes > config.read_whole
        return Answering(kept, alike, retrieval.evidence if left_out and not quoted else None)

    def _narrowed(self, matches: list[Match], question: Question, term: ResolvedTerm) -> list[Match]:
        """The matches without those by screen text, if others show the thing; and only those that also show the second
        thing of the question ("a dog on a sofa"), if any do."""
        if term.word and not question.literal and any(match.named and not match.by_text for match in matches):
            matches = [match for match in matches if not match.by_text]
        if not question.where:
            return matches
        place = self.resolve_term(question.where)
        both = [match for match in matches if any(called(thing.name, place) for thing in match.notes.things)]
        return both or matches

    def _certain(self, video_id: str, hits: Sequence[Hit]) -> list[Match]:
        """Hits by time or kind as matches of score 1."""
        noted = self._noted(video_id, hits)
        return [Match(hit, notes, hit.span, 1.0, None, tokens=tokens) for hit, notes, tokens in noted]

    def _noted(self, video_id: str, hits: Sequence[Hit]) -> list[tuple[Hit, Notes, PackedTokens | None]]:
        """Each hit with its cube's notes and tokens; an open cube that closed meanwhile is left out."""
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


def preferred(question: Question) -> Order:
    """Which cubes to read where not all can be: the earliest or latest where their order counts, else the best."""
    if question.kind == "last" or question.nth < 0:
        return "last"
    placed = question.kind in ("first", "which_first", "between", "before", "after") or question.nth > 0
    return "first" if placed else "score"
