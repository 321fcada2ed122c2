"""Retrieves the candidates for an answer: the cubes that match a topic, a time or a kind of key, with their notes.

Keys propose candidates; the words of the notes decide (`pipeline.answering.match`). `Candidates.answering` takes a
topic, `look` a time or kind, `beside` an anchor; `VideoMemory` binds them to one video. What they amount to is decided
in `pipeline.answering.kinds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from encoders.base import KeyEncoder
from encoders.notes import Notes
from memory.records import F32, Appearances, Hit, PackedTokens, TimeSpan, VideoRecord
from memory.retrieval.retriever import RetrievalRequest, Retriever
from memory.store.base import MemoryStore
from pipeline.answering.match import Match, called, read
from pipeline.answering.match_detections import detection_matches
from pipeline.config import AnswerConfig
from pipeline.queries.query import Preference, Term, last_moment
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

    def look(self, video_id: str, span: TimeSpan | None, kinds: tuple[str, ...] | None = None) -> list[Match]:
        """Cubes by time or kind of key alone, whatever they show."""
        request = RetrievalRequest(None, span=span, kinds=kinds, limit=self._config.candidates)
        return self._certain(video_id, self._retriever.retrieve(video_id, request).hits)

    def beside(self, video_id: str, anchor: TimeSpan, *, after: bool) -> list[Match]:
        """The cube next to a span, after or before it; empty at the edge of the video."""
        hit = self._retriever.neighbours(video_id, anchor)[1 if after else 0]
        return self._certain(video_id, [hit] if hit else [])

    def answering(
        self, video_id: str, asked: Term, span: TimeSpan | None = None, preference: Preference = "score"
    ) -> Answering:
        """Cubes of the span that answer the term, by their words or by a key above the backend's threshold."""
        threshold, config, quoted = self._keys.threshold, self._config, asked.quoted
        term = self.resolve_term(asked.text)
        vector = self._keys.question(asked.text)
        request = RetrievalRequest(
            vector,
            threshold,
            span,
            limit=config.candidates,
            join_gap_s=config.join_gap_s,
            order=preference,
            whole=config.read_whole,
        )
        retrieval = self._retriever.retrieve(video_id, request)
        looked_for = None if quoted or asked.literal else term
        matches = [
            replace(match, tokens=tokens)
            for hit, notes, tokens in self._noted(video_id, retrieval.hits)
            for match in detection_matches(
                read(hit, notes, term, quoted=quoted, literal=asked.literal), looked_for, span
            )
        ]
        kept = [match for match in matches if match.score >= threshold and (match.named is not None or not quoted)]
        kept = self._narrowed(kept, asked, term)
        place = {hit: number for number, hit in enumerate(retrieval.hits)}
        places = [place[match.hit] for match in kept]
        alike = None if retrieval.alike is None else retrieval.alike[np.ix_(places, places)]
        left_out = len(retrieval.hits) >= config.candidates and retrieval.cubes > config.read_whole
        return Answering(kept, alike, retrieval.evidence if left_out and not quoted else None)

    def _narrowed(self, matches: list[Match], asked: Term, term: ResolvedTerm) -> list[Match]:
        """The matches without those by screen text, if others show the thing; and only those that also show the second
        thing of the question ("a dog on a sofa"), if any do."""
        if term.word and not asked.literal and any(match.named and not match.by_text for match in matches):
            matches = [match for match in matches if not match.by_text]
        if not asked.where:
            return matches
        place = self.resolve_term(asked.where)
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


GROWING = ("queued", "ingesting", "live")
"""States of a video that is still being watched, so that its end is not known."""


@dataclass(frozen=True, slots=True)
class VideoMemory:
    """The memory of one video, as the kinds of questions ask it."""

    candidates: Candidates
    video: VideoRecord

    @property
    def watched_s(self) -> float:
        """How far the video was watched, in seconds; what comes later is not known."""
        return self.video.ingested_s

    @property
    def growing(self) -> bool:
        """Whether cubes may still follow the last one."""
        return self.video.status in GROWING

    @property
    def gap_s(self) -> float:
        """See `Candidates.gap_s`."""
        return self.candidates.gap_s

    def resolve(self, topic: str, *, verb_last: bool = False) -> ResolvedTerm:
        """See `Candidates.resolve_term`."""
        return self.candidates.resolve_term(topic, verb_last=verb_last)

    def look(self, span: TimeSpan | None, kinds: tuple[str, ...] | None = None) -> list[Match]:
        """See `Candidates.look`."""
        return self.candidates.look(self.video.id, span, kinds)

    def look_now(self) -> list[Match]:
        """The last of what was watched."""
        return self.look(last_moment(self.watched_s))

    def beside(self, anchor: TimeSpan, *, after: bool) -> list[Match]:
        """See `Candidates.beside`."""
        return self.candidates.beside(self.video.id, anchor, after=after)

    def answering(self, asked: Term, span: TimeSpan | None = None, preference: Preference = "score") -> Answering:
        """See `Candidates.answering`."""
        return self.candidates.answering(self.video.id, asked, span, preference)
