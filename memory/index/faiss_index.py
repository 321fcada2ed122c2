"""The key index on FAISS: flat up to some tens of thousands of keys, then IVF-Flat, trained in the background.

FAISS only finds candidates; `exact_scores` ranks them. Flat asks for all that could be among the best within float32's
rounding, and equals `numpy_index` to the bit. IVF-Flat (`memory.index.ivf`) may miss some; its hits have the same
scores. HNSW is no alternative, since it cannot remove.

While an IVF-Flat is trained, the present index stays and goes on answering. New keys go into a small flat index beside
it, and removed videos are struck from its answers. When the new index has caught up, it replaces both. So searches wait
for additions and for the exchange (milliseconds), never for a training.

The index is a cache: it can always be rebuilt from the store. FAISS is optional and imported here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.config import IndexConfig
from memory.index import faiss_parts, ivf
from memory.index.base import cube_ids
from memory.index.gpu_replica import GpuReplica, open_replica
from memory.index.ivf import Lists
from memory.index.part import IndexPart
from memory.index.scores import checked_keys, checked_query, ranked
from memory.index.shared_lock import SharedLock
from memory.records import F32, Ids

_CAUGHT_UP = 2048


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ModuleNotFoundError("the FAISS index needs: pip install faiss-cpu (or faiss-gpu-cu12)") from error
    return faiss


class FaissIndex:
    """Implements `memory.index.base.KeyIndex`. Safe to call from several threads; searches run side by side.

    Args:
        dim: K.
        config: when it becomes an IVF-Flat, and how good that must be.
        lists: of an earlier index (`lists()`): it begins as that IVF-Flat, and keys added find their lists by id.
        loading: many keys are about to be added: nothing is trained before `settle`.

    Attributes:
        device: ``gpu`` where a copy on a GPU is read, else ``cpu: `` and why.
    """

    def __init__(
        self, dim: int, config: IndexConfig | None = None, lists: Lists | None = None, *, loading: bool = False
    ) -> None:
        self._faiss = _faiss()
        self._dim = dim
        self._config = config or IndexConfig()
        self._lock = SharedLock()
        self._cubes: set[int] = set()
        self._longest = 0.0
        self._replica: GpuReplica | None = None
        self.device = "cpu: as configured" if lists is None else "cpu: begun with lists"
        if self._config.gpu and lists is None:
            self._replica, self.device = open_replica(self._faiss, dim)
        self._lists, self._loading = lists, loading
        self._active = faiss_parts.flat(self._faiss, dim) if lists is None else ivf.restore(self._faiss, lists)
        self._train_at = self._flat_up_to() if lists is None else self._later(len(lists.ids))
        self._frozen: list[IndexPart] = []  # only while an IVF-Flat is made from the first
        self._to_remove: set[int] = set()  # videos that the one being made may still hold
        self._building: threading.Thread | None = None

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def kind(self) -> str:
        """``flat`` or ``ivf``: what answers at present."""
        return "ivf" if faiss_parts.is_ivf(self._first()) else "flat"

    @property
    def about(self) -> str:
        """Its shape, for people."""
        first = self._first()
        return f"ivf, {first.nprobe} of {first.nlist} lists a search" if faiss_parts.is_ivf(first) else "flat"

    def _first(self) -> Any:
        """The part with most of the keys."""
        return self._frozen[0].part if self._frozen else self._active

    def __len__(self) -> int:
        with self._lock.shared():
            return sum(part.count(self._faiss) for part in (*self._frozen, IndexPart(self._active)))

    def add(self, video_number: int, ordinal: int, keys: npt.NDArray[np.floating]) -> None:
        rows = checked_keys(keys, self._dim)
        self.add_many(cube_ids(video_number, ordinal, len(rows)), rows)

    def add_many(self, ids: Ids, keys: npt.NDArray[np.floating]) -> None:
        rows = checked_keys(keys, self._dim, len(ids))
        whole = np.ascontiguousarray(ids, np.int64)
        with self._lock.alone():
            cubes = set(np.unique(whole >> 8).tolist())
            if held := cubes & self._cubes:
                fresh = ~np.isin(whole >> 8, np.array(sorted(held), np.int64))
                whole, rows = whole[fresh], np.ascontiguousarray(rows[fresh])
            if not len(whole):
                return
            self._cubes |= cubes
            self._longest = max(self._longest, float(np.linalg.norm(rows, axis=1).max()))
            self._put(whole, rows)
            self._train_if_grown()

    def _put(self, ids: Ids, rows: F32) -> None:
        if self._lists is not None and not self._frozen:
            ivf.put_back(self._faiss, self._active, self._lists, ids, rows)
            return
        self._active.add_with_ids(rows, ids)
        if self._replica is not None and not self._frozen:
            self._replica.add(rows)

    def remove_video(self, video_number: int) -> int:
        with self._lock.alone():
            self._cubes = {cube for cube in self._cubes if cube >> 24 != video_number}
            removed = faiss_parts.remove(self._faiss, self._active, video_number)
            if removed and self._replica is not None and not self._frozen:
                self._replica.replace(faiss_parts.stored(self._faiss, self._active)[1])
            for part in self._frozen:
                before = part.count(self._faiss)
                part.struck.add(video_number)
                removed += before - part.count(self._faiss)
                self._to_remove.add(video_number)
            return removed

    def search(self, query: F32, limit: int, videos: Sequence[int] | None = None) -> list[tuple[int, float]]:
        vector = checked_query(query, self._dim)
        if limit <= 0:
            return []
        self._faiss.omp_set_num_threads(1)  # of this thread only: where cores are shared, two wait for each other
        with self._lock.shared():
            candidates = [self._near(part, vector, limit, videos) for part in (*self._frozen, IndexPart(self._active))]
            ids, rows = (np.concatenate(some) for some in zip(*candidates, strict=True))
        return ranked(ids, rows, vector, limit)

    def _near(self, part: IndexPart, vector: F32, limit: int, videos: Sequence[int] | None) -> tuple[Ids, F32]:
        slack = self._slack(vector)
        if videos is not None:
            return part.near_in(self._faiss, vector, limit, videos, slack)
        return part.near(self._faiss, self._replica if part.part is self._first() else None, vector, limit, slack)

    def alone(self, query: F32, limit: int) -> Any:
        """FAISS's own search, its distances and ids [1, limit]: what `search` is measured against."""
        self._faiss.omp_set_num_threads(1)
        with self._lock.shared():
            return self._active.search(query[None], limit)

    def _slack(self, vector: F32) -> float:
        """More than any two float32 roundings of one inner product differ by: 4 K 2^-24 |query| |key|."""
        return 4 * self._dim * 2.0**-24 * float(np.linalg.norm(vector)) * self._longest + 1e-30

    def lists(self) -> Lists | None:
        """What a snapshot keeps of an IVF-Flat beside its keys; None of a flat one."""
        with self._lock.shared():
            return ivf.lists_of(self._first()) if faiss_parts.is_ivf(self._first()) else None

    def settle(self) -> None:
        """Loading has ended: keys added from now on are new ones, and training may begin."""
        with self._lock.alone():
            self._lists, self._loading = None, False
            self._train_if_grown()

    def wait(self) -> None:
        """Returns when nothing is being trained."""
        while (thread := self._building) is not None and thread.is_alive():
            thread.join()

    def _flat_up_to(self) -> int | None:
        at = self._config.flat_up_to
        return at if at is None or self._replica is None else max(at, self._config.gpu_flat_up_to)

    def _later(self, count: int) -> int | None:
        """The size at which an index trained on `count` keys is trained again."""
        at = self._flat_up_to()
        return None if at is None else max(at, round(self._config.growth * count))

    def _train_if_grown(self) -> None:
        grown = self._train_at is not None and int(self._active.ntotal) > self._train_at
        if grown and not self._frozen and not self._loading:
            self._freeze()
            self._building = threading.Thread(target=self._build, name="index training", daemon=True)
            self._building.start()

    def _freeze(self) -> None:
        self._frozen.append(IndexPart(self._active))
        self._active = faiss_parts.flat(self._faiss, self._dim)

    def _build(self) -> None:
        """Makes the IVF-Flat from what nobody changes meanwhile, catches up with what came, and exchanges."""
        first = self._first()
        ready: Any | None = None
        count = int(first.ntotal)
        try:
            rows = faiss_parts.run_of(faiss_parts.pieces(self._faiss, first))
            made = ivf.train(self._faiss, count, rows, self._config.recall)
            while made is not None and int(self._active.ntotal) > _CAUGHT_UP:
                self._catch_up(made)
            ready = made
        finally:
            with self._lock.alone():
                self._exchange(ready, count)

    def _catch_up(self, made: Any) -> None:
        """What came meanwhile is frozen too and, without the lock, goes into the one being made."""
        with self._lock.alone():
            gone, self._to_remove = self._to_remove, set()
            self._freeze()
        for number in gone:  # before the frozen part goes in, which may hold such a video anew
            faiss_parts.remove(self._faiss, made, number)
        ids, rows = faiss_parts.stored(self._faiss, self._frozen[-1].part)
        made.add_with_ids(rows, ids)

    def _exchange(self, made: Any | None, count: int) -> None:
        """The one that was made in the place of all frozen parts; without one, the first of them stays."""
        first, rest = self._frozen[0], [] if made is not None else self._frozen[1:]
        chosen = first.part if made is None else made
        for number in first.struck if made is None else self._to_remove:
            faiss_parts.remove(self._faiss, chosen, number)
        for part in [*rest, IndexPart(self._active)]:
            ids, rows = faiss_parts.stored(self._faiss, part.part)
            kept = ~faiss_parts.of_videos(ids, part.struck)
            if kept.any():
                chosen.add_with_ids(np.ascontiguousarray(rows[kept]), np.ascontiguousarray(ids[kept]))
        self._active, self._frozen, self._to_remove, self._lists = chosen, [], set(), None
        if self._replica is not None and not faiss_parts.is_ivf(chosen):
            self._replica.replace(faiss_parts.stored(self._faiss, chosen)[1])
        elif self._replica is not None:
            self._replica, self.device = None, "cpu: too many keys for the copy on the GPU"
        self._train_at = self._later(count)
        self._train_if_grown()
