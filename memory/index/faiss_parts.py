"""The parts of `FaissIndex`: a flat index with ids, or an IVF-Flat, read by the same functions.

Parts do not follow the `KeyIndex` protocol themselves. All arrays that these functions return are copies, except those
of `stored` and `pieces`: views on FAISS's own memory, invalid after the next change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.index import ivf
from memory.index.gpu_replica import MOST_NEIGHBOURS, GpuReplica
from memory.records import F32, Ids


def flat(faiss: Any, dim: int) -> Any:
    """An empty flat index with ids."""
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dim))


def is_ivf(part: Any) -> bool:
    return hasattr(part, "nprobe")


def stored(faiss: Any, part: Any) -> tuple[Ids, F32]:
    """A flat part's ids [n] and rows [n, K]."""
    count = int(part.ntotal)
    keys = ivf.view(faiss.downcast_index(part.index).get_xb(), count * part.d, np.float32)
    return ivf.view(part.id_map.data(), count, np.int64), keys.reshape(count, part.d)


def pieces(faiss: Any, part: Any) -> list[tuple[Ids, F32]]:
    """All of a part, list by list."""
    if not is_ivf(part):
        return [stored(faiss, part)]
    return [ivf.members(part, number) for number in range(part.nlist)]


def run_of(some: Sequence[tuple[Ids, F32]]) -> ivf.Rows:
    """Pieces as one run of places."""
    ends = np.cumsum([len(ids) for ids, _ in some])

    def rows(start: int, stop: int) -> tuple[Ids, F32]:
        first, last = np.searchsorted(ends, [start, stop - 1], side="right")
        ids = np.concatenate([piece for piece, _ in some[first : last + 1]])
        keys = np.concatenate([piece for _, piece in some[first : last + 1]])
        skipped = start - (int(ends[first - 1]) if first else 0)
        return ids[skipped : skipped + stop - start], keys[skipped : skipped + stop - start]

    return rows


def of_videos(ids: Ids, videos: set[int]) -> npt.NDArray[np.bool_]:
    """Which ids are of these videos."""
    return np.isin(ids >> 32, np.array(sorted(videos), np.int64))


def remove(faiss: Any, part: Any, video_number: int) -> int:
    """Removes a video's keys; returns how many."""
    first = video_number << 32
    return int(part.remove_ids(faiss.IDSelectorRange(first, first + (1 << 32))))


def best(faiss: Any, part: Any, replica: GpuReplica | None, vector: F32, count: int) -> tuple[Ids, F32, F32, bool]:
    """Ids, rows and FAISS's scores of the `count` best, and whether there are no more (IVF: that it would look at)."""
    if count == 0:
        return np.zeros(0, np.int64), np.zeros((0, part.d), np.float32), np.zeros(0, np.float32), True
    if not is_ivf(part):
        ids, rows = stored(faiss, part)
        searched = part.index if replica is None or count > MOST_NEIGHBOURS else replica
        scores, places = searched.search(vector[None], count)
        return ids[places[0]], rows[places[0]], scores[0], count == len(ids)
    scores, candidates, codes = part.search_and_return_codes(vector[None], count)
    here = candidates[0] >= 0
    rows = codes[0][here].view(np.float32).reshape(-1, part.d)
    return candidates[0][here], rows, scores[0][here], count == int(part.ntotal) or not here.all()


def within(faiss: Any, part: Any, videos: set[int], vector: F32, limit: int, slack: float) -> tuple[Ids, F32]:
    """Ids and rows of all keys of some videos that are within `slack` of the `limit` best: exact, by looking at every
    id."""
    mine = [(ids[kept], rows[kept]) for ids, rows in pieces(faiss, part) if (kept := of_videos(ids, videos)).any()]
    if not mine:
        return np.zeros(0, np.int64), np.zeros((0, part.d), np.float32)
    ids, rows = (np.concatenate(some) for some in zip(*mine, strict=True))
    if len(ids) <= limit:
        return ids, rows
    scores = rows @ vector
    near = scores >= np.partition(scores, -limit)[-limit] - slack
    return ids[near], rows[near]
