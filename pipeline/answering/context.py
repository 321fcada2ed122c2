"""Selects the memories that a language model reads for an answer: the matches, and other cubes spread over the video.

A question may select up to 64 cubes. The matches are retrieved by code and cited. Where they are fewer, the rest of the
selection is spread evenly over the video, so that the model has read the context of what it words. These extra cubes
support nothing: they are not cited, and the facts of the answer stay those of the claims. A live stream's earlier
cubes are in its rolling cache (`pipeline.answering.rolling`), and those still held there are not selected again.
"""

from __future__ import annotations

from collections.abc import Sequence

from encoders.notes import Notes
from memory.records import PackedTokens, VideoRecord
from memory.retrieval.retriever import RetrievalRequest, Retriever
from memory.store.base import MemoryStore
from pipeline.answering.match import Match
from pipeline.answering.rolling import RollingReadings
from pipeline.config import AnswerConfig
from pipeline.language.protocol import FEW_MEMORIES, LanguageModel, ReadableMemory, Reading, ReadingModel


class ContextSelector:
    """Selects what is read for an answer, and keeps the rolling caches of live streams."""

    def __init__(self, store: MemoryStore, retriever: Retriever, model: LanguageModel) -> None:
        self._store = store
        self._retriever = retriever
        self._rolling = RollingReadings(store, model) if isinstance(model, ReadingModel) else None

    def select(
        self, video: VideoRecord, matches: Sequence[Match], config: AnswerConfig, *, worded: bool = True
    ) -> tuple[list[ReadableMemory], Reading | None]:
        """The memories to read, in time order and within both budgets, and the earlier reading of a live stream.

        These are the matches alone where at most `FEW_MEMORIES` cubes are asked for, or where the model will not word
        the answer (`worded` is False).
        """
        if config.cubes <= FEW_MEMORIES or not worded:
            return [_readable(match) for match in matches], None
        reading = self._rolled(video)
        if reading is not None:
            held = reading.held
            return [_readable(match) for match in matches if match.hit.ordinal not in held], reading
        memories = [_readable(match) for match in matches]
        others = self._others(video.id, matches, config)
        return sorted(memories + others, key=lambda memory: memory.span), None

    def _rolled(self, video: VideoRecord) -> Reading | None:
        if self._rolling is None:
            return None
        if video.status == "live":
            return self._rolling.caught_up(video)
        self._rolling.forget(video.id)
        return None

    def _others(self, video_id: str, matches: Sequence[Match], config: AnswerConfig) -> list[ReadableMemory]:
        ordinals = {match.hit.ordinal for match in matches}
        hits = self._retriever.retrieve(video_id, RetrievalRequest(None, limit=config.cubes)).hits
        free = [hit.ordinal for hit in hits if hit.ordinal is not None and hit.ordinal not in ordinals]
        cubes = self._store.cubes_at(video_id, spread(free, max(config.cubes - len(matches), 0)))
        left = config.tokens - sum(_size(match.tokens) for match in matches)
        dearest = max((_size(cube.tokens) for cube in cubes), default=1)
        return [
            ReadableMemory(cubes[i].span, cubes[i].tokens, Notes.from_plain(dict(cubes[i].notes)))
            for i in spread(range(len(cubes)), max(left, 0) // max(dearest, 1))
        ]


def spread(items: Sequence[int], most: int) -> list[int]:
    """At most `most` of the items, evenly spread, in their order."""
    if len(items) <= most:
        return list(items)
    return [items[(2 * i + 1) * len(items) // (2 * most)] for i in range(most)]


def _readable(match: Match) -> ReadableMemory:
    return ReadableMemory(match.hit.span, match.tokens, match.notes)


def _size(tokens: PackedTokens | None) -> int:
    return 0 if tokens is None else tokens.values.shape[1]
