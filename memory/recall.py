"""From a question's vector to the few cubes that answer to it: what the memory owner does, in one process.

`LocalRecall` keeps every video's keys and spans in arrays beside the truth (`memory.video_keys`) and multiplies: what
is asked of one video is exact and up to date. Across videos the key index answers, over all closed cubes taken in so
far: `sync` compares with the truth, at every search or as often as `compare_s` says.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from memory.errors import CorruptRecord, UnknownVideo
from memory.index import KeyIndex
from memory.known_video import HeldVideo, KnownVideo
from memory.records import F32, FINAL_STATUSES, Evidence, Hit, TimeSpan, VideoRecord
from memory.scored_cubes import ScoredCubes, as_view
from memory.selection import Order, best_cubes, candidates, evidence
from memory.store import MemoryStore
from memory.video_keys import KeysView, VideoKeys

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """What to recall of one video.

    Attributes:
        vector: float32 [K], unit length; None recalls by time or kind alone, with score 0.
        threshold: smallest cosine that counts as support.
        span: only cubes that share time with it.
        kinds: only keys of these kinds, for example ``("text",)``.
        limit: hits handed back at most; without a vector an even spread over time.
        join_gap_s: appearances closer than this count as one.
        order: which hits are preferred when there are more than `limit` (`memory.selection.candidates`).
    """

    vector: F32 | None
    threshold: float = 0.0
    span: TimeSpan | None = None
    kinds: tuple[str, ...] | None = None
    limit: int = 64
    join_gap_s: float = 1.5
    order: Order = "score"


@dataclass(frozen=True, slots=True)
class Recalled:
    """Hits in order of time, and the evidence over *all* cubes above the threshold, however many were handed back.

    Attributes:
        alike: float32 [H, H], cosines between the keys by which the hits were found; None without a vector.
    """

    hits: tuple[Hit, ...]
    evidence: Evidence
    cubes: int
    alike: F32 | None = None


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


class LocalRecall:
    """Recall over a store and an index in this process. Safe to call from several threads.

    Args:
        key_space: other videos are left out of searches; None takes all.
        compare_s: a search across videos compares with the truth when the last comparison is older than this.
        now: a clock in seconds that never runs back.
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
        self._store, self._index = store, index
        self._key_space, self._compare_s, self._now = key_space, compare_s, now
        self._known: dict[str, KnownVideo] = {}
        self._names: dict[int, str] = {}
        self._growing: frozenset[str] = frozenset()
        self._damaged: dict[str, str] = {}
        self._compared_at: float | None = None
        self._lock = threading.Lock()

    def refresh(self, video_id: str) -> int:
        """Takes in cubes closed since the last look, in the arrays and in the index; returns how many."""
        return self._refresh(video_id)[1]

    def _refresh(self, video_id: str) -> tuple[KeysView, int]:
        known = self._known.get(video_id) or self._learn(self._store.video(video_id), VideoKeys(self._index.dim))
        with known.lock:
            if known.gone:
                raise UnknownVideo(video_id)
            held = len(known.keys.view())
            fresh = self._store.keyed_spans(video_id, start=held)
            known.keys.extend(fresh)
            view = known.keys.view()
            if fresh:
                self._index.add_many(view.ids(known.number, held), view.rows[view.first_row[held] :])
            return view, len(fresh)

    def _learn(self, record: VideoRecord, keys: VideoKeys) -> KnownVideo:
        with self._lock:
            known = self._known.setdefault(record.id, KnownVideo(record, keys))
            self._names[known.number] = record.id
            return known

    def forget(self, video_id: str) -> bool:
        """Drops a deleted video from the arrays and the index; whether it was known."""
        known = self._known.get(video_id)
        if known is None:
            return False
        with known.lock:
            if known.gone:
                return False
            known.gone = True
            self._index.remove_video(known.number)
            with self._lock:
                self._known.pop(video_id, None)
                self._names.pop(known.number, None)
        return True

    def sync(self) -> tuple[int, int]:
        """Compares with the truth: takes in what is new, drops what is gone. Returns how many closed cubes came and how
        many videos went."""
        before = [(name, known, len(known.keys.view())) for name, known in list(self._known.items())]
        listed = {one.id: one for one in self._store.videos() if self._key_space in (None, one.key_space)}
        gone = [name for name, known, n in before if name not in listed or not known.is_of(listed[name], n)]
        went = sum(self.forget(video_id) for video_id in gone)
        came = sum(self._catch_up(record) for record in listed.values())
        self._growing = frozenset(one.id for one in listed.values() if one.status not in FINAL_STATUSES)
        self._compared_at = self._now()
        return came, went

    def _catch_up(self, record: VideoRecord) -> int:
        known = self._known.get(record.id) or self._learn(record, VideoKeys(self._index.dim))
        if len(known.keys.view()) >= record.cubes:
            return 0
        try:
            return self.refresh(record.id)
        except UnknownVideo:
            return 0  # deleted since it was listed
        except CorruptRecord as error:
            self._warn_once(record.id, error)
            return 0  # what was read of it before stays searchable, and so do all other videos

    def _warn_once(self, video_id: str, error: CorruptRecord) -> None:
        if self._damaged.get(video_id) != str(error):
            self._damaged[video_id] = str(error)
            log.warning("video %s cannot be searched to its end: %s", video_id, error)

    def held(self) -> dict[str, HeldVideo]:
        """Every video as it is held now, for a snapshot."""
        found: dict[str, HeldVideo] = {}
        for video_id, known in list(self._known.items()):
            try:
                applied = self._store.applied(video_id)
                self.refresh(video_id)
            except UnknownVideo:
                continue  # deleted meanwhile
            except CorruptRecord:
                applied = 0  # whatever could be read is kept
            found[video_id] = HeldVideo(known.number, known.created_s, applied, known.keys.view())
        return found

    def adopt(self, video_id: str, held: HeldVideo, record: VideoRecord) -> bool:
        """Takes a video over from a snapshot, where the truth's record is of the same video and not behind it."""
        known = KnownVideo(record, VideoKeys.of(held.keys))
        same = (held.number, held.created_s) == (record.number, record.created_s) and known.is_of(record)
        if not same or video_id in self._known or not self._reaches(video_id, held.applied):
            return False
        self._index.add_many(held.keys.ids(held.number), held.keys.rows)
        self._learn(record, known.keys)
        return True

    def _reaches(self, video_id: str, applied: int) -> bool:
        """Whether the truth is as far as a snapshot says."""
        try:
            return self._store.applied(video_id) >= applied
        except UnknownVideo:
            return False  # deleted meanwhile

    def recall(self, video_id: str, request: RecallRequest) -> Recalled:
        """See `Recall.recall`."""
        parts = [
            ScoredCubes(video_id, keys, request.vector, request.kinds, request.span) for keys in self._views(video_id)
        ]
        scores = np.concatenate([part.scores for part in parts])
        spans = np.concatenate([part.keys.spans for part in parts])
        order: Order = "time" if request.vector is None else request.order
        places = candidates(scores, order, request.limit, request.threshold)
        supported = (scores >= request.threshold) & (scores > -np.inf)
        closed = len(parts[0].keys)
        found = [parts[0].found(places[places < closed])]
        if places.size and places[-1] >= closed:
            hits, rows = parts[1].found(np.zeros(1, np.intp))
            found.append(([replace(hits[0], ordinal=None)], rows))
        hits, keys = [hit for some, _ in found for hit in some], np.concatenate([rows for _, rows in found])
        alike = None if request.vector is None else np.asarray(keys @ keys.T, np.float32)
        return Recalled(tuple(hits), evidence(spans[supported], request.join_gap_s), len(spans), alike)

    def _views(self, video_id: str) -> list[KeysView]:
        """The closed cubes and, where there is one, the open cube as a video of one cube."""
        keys, _ = self._refresh(video_id)
        opened = self._store.open_cube(video_id)
        return [keys] if opened is None else [keys, as_view(opened, self._index.dim)]

    def search(self, vector: F32, limit: int, video_ids: Sequence[str] | None = None) -> list[Hit]:
        """See `Recall.search`."""
        if video_ids is not None:
            found = [hit for video_id in dict.fromkeys(video_ids) for hit in self._best_of(video_id, vector, limit)]
        else:
            if self._compared_at is None or self._now() - self._compared_at >= self._compare_s:
                self.sync()
            found = [hit for video_id in sorted(self._growing) for hit in self._open_hits(video_id, vector)]
            found += self._closed_hits(vector, limit)
        return sorted(found, key=lambda hit: (-hit.score, hit.video_id, hit.span))[: max(limit, 0)]

    def _best_of(self, video_id: str, vector: F32, limit: int) -> Iterable[Hit]:
        """The best of one named video, exact; nothing of an unknown one or of another key space."""
        try:
            if self._key_space in (None, self._store.video(video_id).key_space):
                return self.recall(video_id, RecallRequest(vector, limit=limit)).hits
        except UnknownVideo:
            return ()
        return ()

    def _open_hits(self, video_id: str, vector: F32) -> Iterable[Hit]:
        """A growing video's open cube, after taking in what closed before it."""
        try:
            views = self._views(video_id)
        except UnknownVideo:
            return ()
        except CorruptRecord as error:
            self._warn_once(video_id, error)
            return ()
        part = ScoredCubes(video_id, views[-1], vector, None, None)
        if len(views) < 2 or part.scores[0] == -np.inf:
            return ()
        return [replace(hit, ordinal=None) for hit in part.found(np.zeros(1, np.intp))[0]]

    def _closed_hits(self, vector: F32, limit: int) -> Iterable[Hit]:
        for one in best_cubes(self._index, vector, limit):
            video_id = self._names.get(one.number)
            known = None if video_id is None else self._known.get(video_id)
            if video_id is None or known is None:
                continue  # forgotten since it was found
            keys = known.keys.view()
            cube = np.array([one.ordinal])
            yield from keys.hits(video_id, cube, np.array([one.score]), keys.first_row[cube] + one.slot)

    def neighbours(self, video_id: str, span: TimeSpan) -> tuple[Hit | None, Hit | None]:
        """See `Recall.neighbours`."""
        views = self._views(video_id)
        spans = np.concatenate([keys.spans for keys in views])

        def hit(place: int) -> Hit:
            if place < len(views[0]):
                return views[0].hits(video_id, np.array([place]))[0]
            return replace(views[1].hits(video_id, np.zeros(1, np.intp))[0], ordinal=None)

        before = np.flatnonzero(spans[:, 1] <= span.start_s + 1e-6)
        after = np.flatnonzero(spans[:, 0] >= span.end_s - 1e-6)
        return (hit(int(before[-1])) if len(before) else None), (hit(int(after[0])) if len(after) else None)
