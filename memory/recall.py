"""From a question's vector to the few cubes that answer to it: what the memory owner does, in one process.

`LocalRecall` keeps every video's keys and spans in plain arrays beside the truth (closed cubes never change, so the
arrays only grow) and multiplies: a search in one video is exact. Across videos the key index answers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from memory.errors import UnknownVideo
from memory.index import KeyIndex
from memory.records import F32, FINAL_STATUSES, Evidence, Hit, KeyedSpan, TimeSpan
from memory.selection import evidence, search_all
from memory.store import MemoryStore


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """What to recall of one video.

    Attributes:
        vector: float32 [K], unit length; None recalls by time or kind alone, with score 0.
        threshold: smallest cosine that counts as support.
        span: only cubes that share time with it.
        kinds: only keys of these kinds, for example ``("text",)``.
        limit: hits handed back at most: the best by score, or an even spread over time without a vector.
        join_gap_s: appearances closer than this count as one.
    """

    vector: F32 | None
    threshold: float = 0.0
    span: TimeSpan | None = None
    kinds: tuple[str, ...] | None = None
    limit: int = 64
    join_gap_s: float = 1.5


@dataclass(frozen=True, slots=True)
class Recalled:
    """Hits in order of time, and the evidence over *all* cubes above the threshold, however many were handed back."""

    hits: tuple[Hit, ...]
    evidence: Evidence
    cubes: int


class Recall(Protocol):
    """Where candidates come from: in this process, or the memory owner's."""

    def recall(self, video_id: str, request: RecallRequest) -> Recalled:
        """Candidates of one video, its open cube included. Raises `UnknownVideo`."""
        ...

    def search(self, vector: F32, limit: int, video_ids: Sequence[str] | None = None) -> list[Hit]:
        """Best cubes over many videos (all where None), best first, open cubes included."""
        ...

    def neighbours(self, video_id: str, span: TimeSpan) -> tuple[Hit | None, Hit | None]:
        """The cube that ends where `span` starts, and the one that starts where it ends."""
        ...


@dataclass(slots=True)
class _Keys:
    """One video's keys: rows [n, K], and for each row its cube's place and kind."""

    number: int
    rows: npt.NDArray[np.float32]
    cube_of_row: npt.NDArray[np.int64]
    kinds: list[str] = field(default_factory=list)
    spans: list[TimeSpan] = field(default_factory=list)
    ordinals: list[int | None] = field(default_factory=list)


class LocalRecall:
    """Recall over a store and an index in this process. Safe to call from several threads."""

    def __init__(self, store: MemoryStore, index: KeyIndex) -> None:
        self._store = store
        self._index = index
        self._known: dict[str, _Keys] = {}
        self._lock = threading.Lock()

    def refresh(self, video_id: str) -> int:
        """Takes in cubes closed since the last look, in the arrays and in the index; returns how many."""
        with self._lock:
            return self._refresh(video_id)

    def forget(self, video_id: str) -> None:
        """Drops a deleted video from the arrays and the index."""
        with self._lock:
            known = self._known.pop(video_id, None)
            if known is not None:
                self._index.remove_video(known.number)

    def _refresh(self, video_id: str) -> int:
        known = self._known.get(video_id)
        if known is None:
            number = self._store.video(video_id).number
            known = _Keys(number, np.zeros((0, self._index.dim), np.float32), np.zeros(0, np.int64))
            self._known[video_id] = known
        fresh = self._store.keyed_spans(video_id, start=len(known.spans))
        _append(known, fresh)
        for one in fresh:
            if one.ordinal is not None:
                self._index.add(known.number, one.ordinal, one.keys)
        return len(fresh)

    def _current(self, video_id: str) -> _Keys:
        """Closed cubes and, last, the open one."""
        with self._lock:
            self._refresh(video_id)
            known = self._known[video_id]
            current = _Keys(
                known.number, known.rows, known.cube_of_row, list(known.kinds), list(known.spans), list(known.ordinals)
            )
        opened = self._store.open_cube(video_id)
        if opened is not None:
            _append(current, [KeyedSpan(None, opened.span, opened.keys, opened.key_kinds)])
        return current

    def recall(self, video_id: str, request: RecallRequest) -> Recalled:
        """See `Recall.recall`."""
        keys = self._current(video_id)
        scores, slots = _best_slots(keys, request)
        allowed = np.isfinite(scores)
        if request.span is not None:
            allowed &= np.array([span.overlaps(request.span) for span in keys.spans], dtype=bool)
        order = np.flatnonzero(allowed)
        hits = [
            Hit(video_id, keys.ordinals[i], keys.spans[i], float(scores[i]), keys.kinds[slots[i]] if keys.kinds else "")
            for i in order
        ]
        found = evidence(hits, request.threshold, request.join_gap_s)
        return Recalled(tuple(_limited(hits, request)), found, len(keys.spans))

    def search(self, vector: F32, limit: int, video_ids: Sequence[str] | None = None) -> list[Hit]:
        """See `Recall.search`."""
        numbers: dict[int, str] = {}
        best: dict[tuple[str, int | None], Hit] = {}
        for video in self._store.videos():
            if video_ids is not None and video.id not in video_ids:
                continue
            known = self._known.get(video.id)
            try:
                if known is None or len(known.spans) < video.cubes:
                    self.refresh(video.id)
                if video.status not in FINAL_STATUSES:
                    for hit in self._open_hits(video.id, vector):
                        best[video.id, None] = hit
            except UnknownVideo:
                continue  # deleted since it was listed
            numbers[video.number] = video.id
        for one in search_all(self._index, vector, limit, numbers):
            known = self._known.get(one.video_id)
            if known is None:
                continue  # forgotten since it was listed
            place = int(np.searchsorted(known.cube_of_row, one.ordinal)) + one.slot
            hit = Hit(one.video_id, one.ordinal, known.spans[one.ordinal], one.score, known.kinds[place])
            best[one.video_id, one.ordinal] = hit
        ranked = sorted(best.values(), key=lambda hit: (-hit.score, hit.video_id, hit.span))
        return ranked[:limit]

    def _open_hits(self, video_id: str, vector: F32) -> list[Hit]:
        opened = self._store.open_cube(video_id)
        if opened is None or not len(opened.keys):
            return []
        scores = opened.keys.astype(np.float32) @ vector
        slot = int(np.argmax(scores))
        return [Hit(video_id, None, opened.span, float(scores[slot]), opened.key_kinds[slot])]

    def neighbours(self, video_id: str, span: TimeSpan) -> tuple[Hit | None, Hit | None]:
        """See `Recall.neighbours`."""
        keys = self._current(video_id)
        before = [i for i, one in enumerate(keys.spans) if one.end_s <= span.start_s + 1e-6]
        after = [i for i, one in enumerate(keys.spans) if one.start_s >= span.end_s - 1e-6]

        def hit(i: int) -> Hit:
            return Hit(video_id, keys.ordinals[i], keys.spans[i], 0.0, "")

        return (hit(before[-1]) if before else None), (hit(after[0]) if after else None)


def _append(known: _Keys, fresh: Sequence[KeyedSpan]) -> None:
    if not fresh:
        return
    rows, owners = [known.rows], [known.cube_of_row]
    for one in fresh:
        rows.append(one.keys.astype(np.float32).reshape(len(one.key_kinds), known.rows.shape[1]))
        owners.append(np.full(len(one.key_kinds), len(known.spans), np.int64))
        known.kinds.extend(one.key_kinds)
        known.spans.append(one.span)
        known.ordinals.append(one.ordinal)
    known.rows = np.concatenate(rows)
    known.cube_of_row = np.concatenate(owners)


def _best_slots(keys: _Keys, request: RecallRequest) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Per cube the best score and its row; -inf where no key of the wanted kinds is."""
    cubes = len(keys.spans)
    scores = np.full(cubes, -np.inf)
    slots = np.zeros(cubes, np.int64)
    if request.vector is None and request.kinds is None:
        return np.zeros(cubes), slots
    values = np.zeros(len(keys.rows)) if request.vector is None else (keys.rows @ request.vector).astype(np.float64)
    if request.kinds is not None:
        values = np.where(np.isin(np.array(keys.kinds), request.kinds), values, -np.inf)
    np.maximum.at(scores, keys.cube_of_row, values)
    best = np.flatnonzero(values == scores[keys.cube_of_row]) if len(values) else np.zeros(0, np.int64)
    slots[keys.cube_of_row[best[::-1]]] = best[::-1]
    return scores, slots


def _limited(hits: list[Hit], request: RecallRequest) -> list[Hit]:
    """The best by score, in order of time; without a vector, spread evenly over time."""
    if len(hits) <= request.limit:
        return hits
    if request.vector is None:
        return [hits[int(i)] for i in np.linspace(0, len(hits) - 1, request.limit).round()]
    best = sorted(hits, key=lambda hit: (-hit.score, hit.span))[: request.limit]
    return sorted(best, key=lambda hit: hit.span)
