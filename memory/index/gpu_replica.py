"""A copy of a flat index's keys on a GPU, for searching: with it, a million keys need no IVF-Flat.

It is FAISS's `GpuIndexFlatIP`, kept place by place like the flat index on the CPU, which remains the one that is
changed and saved. Scores are float32 sums in another order, within the slack that `FaissIndex` allows for. Candidates
are ranked by the same exact scores, so answers are the same with and without the copy.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from memory.records import F32, Ids

MOST_NEIGHBOURS = 2048
"""FAISS's limit on a GPU; who asks for more asks the CPU."""


class GpuReplica:
    """The rows of a flat index on the first GPU. Not thread-safe: the index's lock guards it."""

    def __init__(self, faiss: Any, dim: int) -> None:
        self._turn = threading.Lock()
        self._resources = faiss.StandardGpuResources()
        self._index = faiss.GpuIndexFlatIP(self._resources, dim)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, rows: F32) -> None:
        """Rows behind those that are there."""
        self._index.add(rows)

    def replace(self, rows: F32) -> None:
        """All rows anew: places moved."""
        self._index.reset()
        if len(rows):
            self._index.add(np.ascontiguousarray(rows))

    def search(self, query: F32, count: int) -> tuple[F32, Ids]:
        """Scores and places [1, count] of the best, count at most `MOST_NEIGHBOURS`."""
        with self._turn:  # FAISS's GPU indexes take one caller at a time
            scores, places = self._index.search(query, count)
        return scores, places


def open_replica(faiss: Any, dim: int) -> tuple[GpuReplica | None, str]:
    """A replica on the first GPU, or None; and what was chosen and why."""
    if not hasattr(faiss, "StandardGpuResources"):
        return None, "cpu: this build of FAISS knows no GPU"
    if faiss.get_num_gpus() == 0:
        return None, "cpu: no CUDA device"
    return GpuReplica(faiss, dim), "gpu"
