"""What a language model reads besides what answers: other memories, spread over the video, as many as were asked for.

A question may select up to 64 cubes. What answers to it is found by code and cited; where that is fewer, the rest of
the selection is the video's course, so that the model has seen what it speaks of. A live stream's course is in its
rolling cache already, and what is still there is not selected again. What it is not: support. Nothing read here is
cited, and the answer's facts stay those of the statement.
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
    """Chooses what is read for an answer, and keeps the rolling caches of live streams."""

    def __init__(self, store: MemoryStore, retriever: Retriever, model: LanguageModel) -> None:
        self._store = store
        self._retriever = retriever
        self._rolling = RollingReadings(store, model) if isinstance(model, ReadingModel) else None

    def select(
        self, video: VideoRecord, found: Sequence[Match], config: AnswerConfig, *, spoken: bool = True
    ) -> tuple[list[ReadableMemory], Reading | None]:
        """What to read in order of time, within both budgets, and what was read of a live stream before. Where no more
        than a few cubes are asked for, or the model will not speak, that is what was found and no more."""
        if config.cubes <= FEW_MEMORIES or not spoken:
            return [_readable(one) for one in found], None
        reading = self._rolled(video)
        if reading is not None:
            held = reading.held
            return [_readable(one) for one in found if one.hit.ordinal not in held], reading
        memories = [_readable(one) for one in found]
        others = self._others(video.id, found, config)
        return sorted(memories + others, key=lambda one: one.span), None

    def _rolled(self, video: VideoRecord) -> Reading | None:
        if self._rolling is None:
            return None
        if video.status == "live":
            return self._rolling.caught_up(video)
        self._rolling.forget(video.id)
        return None

    def _others(self, video_id: str, found: Sequence[Match], config: AnswerConfig) -> list[ReadableMemory]:
        known = {one.hit.ordinal for one in found}
        hits = self._retriever.retrieve(video_id, RetrievalRequest(None, limit=config.cubes)).hits
        free = [hit.ordinal for hit in hits if hit.ordinal is not None and hit.ordinal not in known]
        cubes = self._store.cubes_at(video_id, spread(free, max(config.cubes - len(found), 0)))
        left = config.tokens - sum(_size(one.tokens) for one in found)
        dearest = max((_size(cube.tokens) for cube in cubes), default=1)
        return [
            ReadableMemory(cubes[i].span, cubes[i].tokens, Notes.from_plain(dict(cubes[i].notes)))
            for i in spread(range(len(cubes)), max(left, 0) // max(dearest, 1))
        ]


def spread(items: Sequence[int], most: int) -> list[int]:
    """At most `most` of them, evenly spread, in their order."""
    if len(items) <= most:
        return list(items)
    return [items[(2 * i + 1) * len(items) // (2 * most)] for i in range(most)]


def _readable(seen: Match) -> ReadableMemory:
    return ReadableMemory(seen.hit.span, seen.tokens, seen.notes)


def _size(tokens: PackedTokens | None) -> int:
    return 0 if tokens is None else tokens.values.shape[1]
