"""The key index as plainly as it can be written: the oracle that `faiss_index` is held against, and good for thousands
of keys. Not for millions: every search looks at every key.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from memory.index.base import key_id, split_id
from memory.index.scores import checked_keys, checked_query, ranked
from memory.records import F32, Ids


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

    def add_many(self, ids: Ids, keys: npt.NDArray[np.floating]) -> None:
        rows = checked_keys(keys, self._dim, len(ids))
        held = set(self._cubes)
        for cube in dict.fromkeys(split_id(int(value))[:2] for value in ids):
            if cube not in held:
                mine = ids >> 8 == key_id(*cube, 0) >> 8
                self.add(*cube, rows[mine][np.argsort(ids[mine])])

    def remove_video(self, video_number: int) -> int:
        gone = [cube for cube in list(self._cubes) if cube[0] == video_number]
        return sum(len(self._cubes.pop(cube)) for cube in gone)

    def search(self, query: F32, limit: int, videos: Sequence[int] | None = None) -> list[tuple[int, float]]:
        vector = checked_query(query, self._dim)
        wanted = [(cube, rows) for cube, rows in list(self._cubes.items()) if videos is None or cube[0] in videos]
        if not wanted:
            return []
        ids = [key_id(*cube, slot) for cube, rows in wanted for slot in range(len(rows))]
        return ranked(np.array(ids, np.int64), np.concatenate([rows for _, rows in wanted]), vector, limit)
