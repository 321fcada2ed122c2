"""The key index as plainly as it can be written: the oracle that `faiss_index` is held against, and good for thousands
of keys. Not for millions: every search looks at every key.

`exact_scores` is what "the cosine" of a key is in Longwatch, for every index: a row gives the same score wherever
it lies, so ties are ties and go by id.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from memory.index.base import key_id, split_id
from memory.records import F32

_BLOCK = 4096


def exact_scores(rows: F32, query: F32) -> F32:
    """Inner products of float32 [n, K] with float32 [K]: summed in float64 a row at a time (a matrix product's rounding
    depends on a row's place), then rounded to float32 [n]."""
    wide = query.astype(np.float64)
    blocks = [(rows[i : i + _BLOCK].astype(np.float64) * wide).sum(axis=1) for i in range(0, len(rows), _BLOCK)]
    return np.concatenate([np.zeros(0), *blocks]).astype(np.float32)


def ranked(ids: npt.NDArray[np.int64], rows: F32, query: F32, limit: int) -> list[tuple[int, float]]:
    """The `limit` best (id, cosine), best first, ties by id."""
    scores = exact_scores(rows, query)
    order = np.lexsort((ids, -scores))[: max(limit, 0)]
    return [(int(ids[i]), float(scores[i])) for i in order]


def checked_keys(keys: npt.NDArray[np.floating], dim: int, count: int | None = None) -> F32:
    """Keys as float32 [R, K]. Refuses other widths, another count, NaN and infinity with ValueError."""
    rows = np.ascontiguousarray(keys, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != dim or not np.isfinite(rows).all() or count not in (None, len(rows)):
        raise ValueError(f"keys are finite and [{'R' if count is None else count}, {dim}], not {rows.shape}")
    return rows


def checked_query(query: npt.NDArray[np.floating], dim: int) -> F32:
    """A query as float32 [K]. Refuses other widths, NaN and infinity with ValueError."""
    vector = np.ascontiguousarray(query, dtype=np.float32)
    if vector.shape != (dim,) or not np.isfinite(vector).all():
        raise ValueError(f"a query is finite and [{dim}], not {vector.shape}")
    return vector


class NumpyIndex:
    """Implements `memory.index.base.KeyIndex` with one array a cube. Safe to call from several threads."""

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._cubes: dict[tuple[int, int], F32] = {}

    @property
    def dim(self) -> int:
        return self._dim

    def __len__(self) -> int:
        return sum(len(rows) for rows in list(self._cubes.values()))

    def add(self, video_number: int, ordinal: int, keys: npt.NDArray[np.floating]) -> None:
        rows = checked_keys(keys, self._dim)
        key_id(video_number, ordinal, max(len(rows) - 1, 0))
        self._cubes.setdefault((video_number, ordinal), rows.copy())

    def add_many(self, ids: npt.NDArray[np.int64], keys: npt.NDArray[np.floating]) -> None:
        rows = checked_keys(keys, self._dim, len(ids))
        held = set(self._cubes)
        for cube in dict.fromkeys(split_id(int(value))[:2] for value in ids):
            if cube not in held:
                mine = ids >> 8 == key_id(*cube, 0) >> 8
                self.add(*cube, rows[mine][np.argsort(ids[mine])])

    def remove_video(self, video_number: int) -> int:
        gone = [cube for cube in list(self._cubes) if cube[0] == video_number]
        return sum(len(self._cubes.pop(cube)) for cube in gone)

    def search(
        self, query: npt.NDArray[np.float32], limit: int, videos: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        vector = checked_query(query, self._dim)
        wanted = [(cube, rows) for cube, rows in list(self._cubes.items()) if videos is None or cube[0] in videos]
        if not wanted:
            return []
        ids = [key_id(*cube, slot) for cube, rows in wanted for slot in range(len(rows))]
        return ranked(np.array(ids, np.int64), np.concatenate([rows for _, rows in wanted]), vector, limit)
