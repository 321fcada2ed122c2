"""Retrieval: from a question's vector to the few cubes that match it, in the memory owner's process.

`LocalRetriever.videos` keeps every video in arrays beside the store (`memory.retrieval.followed_videos`). A search in
one video is exact and up to date (`memory.retrieval.scored_cubes`). A search across videos goes through the key index,
over all closed cubes taken in so far; `videos.sync` compares with the store, at every search or as often as `compare_s`
says. A key has the same score either way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from memory.errors import CorruptRecord, UnknownVideo
from memory.index.base import KeyIndex
from memory.records import F32, F64, Appearances, Hit, TimeSpan
from memory.retrieval.followed_videos import FollowedVideos, VideoView
from memory.retrieval.scan import KeyScanner
from memory.retrieval.scored_cubes import ScoredCubes
from memory.retrieval.selection import Order, appearances, best_cubes, candidates
from memory.retrieval.video_keys import KeysView
from memory.store.base import MemoryStore

_ANYTHING = -1.0
_FEW = 8


@dataclass(frozen=True, slots=True)
class RetrievalRequest:
    """What to retrieve from one video.

    Attributes:
        vector: float32 [K], unit length; None retrieves by time or kind alone, with score 0.
        threshold: smallest cosine that counts as support.
        span: only cubes that share time with it.
        kinds: only keys of these kinds, for example ``("text",)``.
        limit: hits handed back at most; without a vector an even spread over time.
        join_gap_s: appearances closer than this count as one.
        order: which hits are preferred when there are more than `limit` (`memory.retrieval.selection.candidates`).
        whole: a video with at most so many cubes hands all of them back.
    """

    vector: F32 | None
    threshold: float = 0.0
    span: TimeSpan | None = None
    kinds: tuple[str, ...] | None = None
    limit: int = 64
    join_gap_s: float = 1.5
    order: Order = "score"
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Hits in order of time, and the evidence over *all* cubes above the threshold, however many were handed back.

    Attributes:
        alike: float32 [H, H], cosines between the keys by which the hits were found; None without a vector.
    """

    hits: tuple[Hit, ...]
    evidence: Appearances
    cubes: int
    alike: F32 | None = None


class Retriever(Protocol):
    """Where candidates come from: in this process, or the memory owner's."""

    def retrieve(self, video_id: str, request: RetrievalRequest) -> Retrieval:
        """Candidates of one video, its open cube included. Raises `UnknownVideo`."""
        ...

    def search(self, vector: F32, limit: int, video_ids: Sequence[str] | None = None) -> list[Hit]:
        """Best cubes over many videos (all where None), best first, open cubes included."""
        ...

    def neighbours(self, video_id: str, span: TimeSpan) -> tuple[Hit | None, Hit | None]:
        """The cube that ends where `span` starts, and the one that starts where it ends."""
        ...


class LocalRetriever:
    """Implements `Retriever` over a store and an index in this process. Safe to call from several threads.

    Args:
        key_space: other videos are left out of searches across videos; None takes all.
        compare_s: a search across videos compares with the store when the last comparison is older.
        now: a clock in seconds that never runs back.

    Attributes:
        videos: every video's keys and spans, to be compared with the store, saved, or forgotten.
    """

    def __init__(
        self,
        store: MemoryStore,
        index: KeyIndex,
        *,
        key_space: str | None = None,
        compare_s: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.videos = FollowedVideos(store, index, key_space=key_space, compare_s=compare_s, now=now)
        self._store, self._index, self._key_space = store, index, key_space

    def retrieve(self, video_id: str, request: RetrievalRequest) -> Retrieval:
        """See `Retriever.retrieve`."""
        if (last := self.videos.last_view(video_id)) is not None:
            with self._store.version_asked(video_id) as version:  # asked first, and read when the rest is done
                retrieval = _retrieved(video_id, last, request)
                if version() == last.version:
                    return retrieval
        return _retrieved(video_id, self.videos.view(video_id), request)

    def search(self, vector: F32, limit: int, video_ids: Sequence[str] | None = None) -> list[Hit]:
        """See `Retriever.search`."""
        if video_ids is not None:
            hits = [hit for video_id in dict.fromkeys(video_ids) for hit in self._best_of(video_id, vector, limit)]
        else:
            if not self.videos.compared_lately():
                self.videos.sync()
            hits = [hit for video_id in self.videos.growing for hit in self._open_hits(video_id, vector)]
            hits += self._closed_hits(vector, limit)
        return sorted(hits, key=lambda hit: (-hit.score, hit.video_id, hit.span))[: max(limit, 0)]

    def _best_of(self, video_id: str, vector: F32, limit: int) -> Iterable[Hit]:
        """The best of one named video, exact; nothing of an unknown one or of another key space."""
        try:
            if self._key_space in (None, self._store.video(video_id).key_space):
                return self.retrieve(video_id, RetrievalRequest(vector, _ANYTHING, limit=limit)).hits
        except UnknownVideo:
            return ()
        return ()

    def _open_hits(self, video_id: str, vector: F32) -> Iterable[Hit]:
        """A growing video's open cube, after taking in what closed before it."""
        try:
            views = self.videos.view(video_id).views
        except UnknownVideo:
            return ()
        except CorruptRecord as error:
            self.videos.warn_once(video_id, error)
            return ()
        if len(views) < 2:
            return ()
        part = _scored(video_id, *views[-1], RetrievalRequest(vector, _ANYTHING, limit=1))
        return [replace(hit, ordinal=None) for hit in part.hits_at(np.arange(len(part.cubes)))[0]]

    def _closed_hits(self, vector: F32, limit: int) -> Iterable[Hit]:
        for match in best_cubes(self._index, vector, limit):
            if (named := self.videos.by_number(match.number)) is None:
                continue  # forgotten since it was found
            video_id, keys = named
            cube = np.array([match.ordinal])
            yield from keys.hits(video_id, cube, np.array([match.score]), keys.first_row[cube] + match.slot)

    def neighbours(self, video_id: str, span: TimeSpan) -> tuple[Hit | None, Hit | None]:
        """See `Retriever.neighbours`."""
        views = [keys for keys, _ in self.videos.view(video_id).views]
        spans = np.concatenate([keys.spans for keys in views])

        def hit(place: int) -> Hit:
            if place < len(views[0]):
                return views[0].hits(video_id, np.array([place]))[0]
            return replace(views[1].hits(video_id, np.zeros(1, np.intp))[0], ordinal=None)

        before = np.flatnonzero(spans[:, 1] <= span.start_s + 1e-6)
        after = np.flatnonzero(spans[:, 0] >= span.end_s - 1e-6)
        return (hit(int(before[-1])) if len(before) else None), (hit(int(after[0])) if len(after) else None)


def _retrieved(video_id: str, moment: VideoView, request: RetrievalRequest) -> Retrieval:
    if (cubes := sum(len(keys) for keys, _ in moment.views)) <= request.whole:
        request = replace(request, limit=max(request.limit, cubes))
    parts = [_scored(video_id, keys, scanner, request) for keys, scanner in moment.views]
    scores = _joined([part.scores for part in parts])
    order: Order = "time" if request.vector is None else request.order
    places = candidates(scores, order, request.limit, request.threshold)
    spans = _joined([part.keys.spans[part.cubes[part.scores >= request.threshold]] for part in parts])
    chosen = [parts[0].hits_at(places[places < len(parts[0].cubes)])]
    if places.size and places[-1] >= len(parts[0].cubes):
        (hit,), keys, which = parts[1].hits_at(np.zeros(1, np.intp))
        chosen.append(([replace(hit, ordinal=None)], keys, which + len(chosen[0][1])))
    alike = None
    if request.vector is not None:
        which = np.concatenate([which for *_, which in chosen])
        alike = _cosines(np.concatenate([keys for _, keys, _ in chosen]))[which][:, which]
    hits = tuple(hit for some, *_ in chosen for hit in some)
    return Retrieval(hits, appearances(spans, request.join_gap_s), cubes, alike)


def _scored(video_id: str, keys: KeysView, scanner: KeyScanner, request: RetrievalRequest) -> ScoredCubes:
    asked = request.vector, request.kinds, request.span, request.threshold, request.limit
    every = request.order == "time" or request.vector is None  # spread over all of them
    return ScoredCubes(video_id, keys, scanner, *asked, every=every)


def _cosines(keys: F32) -> F32:
    """Of each with each, [H, K] -> [H, H], in products too small for numpy to share among threads: waiting for a busy
    core takes many times as long."""
    products = [keys[i : i + _FEW] @ keys.T for i in range(0, len(keys), _FEW)]
    return np.concatenate([np.zeros((0, len(keys)), np.float32), *products])


def _joined(parts: Sequence[F64]) -> F64:
    """One after the other; a long video that is closed is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
