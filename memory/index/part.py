"""A part of the FAISS index, and which of its keys may be among the best. Usually there is one part; while an IVF-Flat
is made from it, nobody changes it, and videos removed meanwhile are struck from its answers
(`memory.index.faiss_index`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memory.index import faiss_parts
from memory.index.gpu_replica import GpuReplica
from memory.records import F32, Ids

_SPARE = 16


class IndexPart:
    """One FAISS index with ids. `struck`: numbers of videos whose keys no longer count. Not thread-safe: the index's
    lock guards it."""

    def __init__(self, part: Any) -> None:
        self.part = part
        self.struck: set[int] = set()

    def count(self, faiss: Any) -> int:
        """Keys that count."""
        held = int(self.part.ntotal)
        if not self.struck:
            return held
        every = faiss_parts.pieces(faiss, self.part)
        return held - sum(int(faiss_parts.of_videos(ids, self.struck).sum()) for ids, _ in every)

    def near(self, faiss: Any, replica: GpuReplica | None, vector: F32, limit: int, slack: float) -> tuple[Ids, F32]:
        """Ids and rows of all keys (IVF: of most keys) that may be among the `limit` best, where a product is wrong by
        at most `slack`; read from the replica where there is one."""
        wanted = limit + _SPARE
        while True:
            count = min(wanted, int(self.part.ntotal))
            ids, rows, scores, no_more = faiss_parts.best(faiss, self.part, replica, vector, count)
            if self.struck:
                kept = ~faiss_parts.of_videos(ids, self.struck)
                ids, rows, scores = ids[kept], rows[kept], scores[kept]
            if no_more or (len(scores) > limit and scores[-1] < scores[limit - 1] - slack):
                return ids, rows
            wanted *= 4

    def near_in(self, faiss: Any, vector: F32, limit: int, videos: Sequence[int], slack: float) -> tuple[Ids, F32]:
        """The same in some videos only, exact."""
        return faiss_parts.within(faiss, self.part, set(videos) - self.struck, vector, limit, slack)
