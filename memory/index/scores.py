"""Exact scores: what "the cosine" of a key is in Longwatch, for every index, and the checks that come before it.

`exact_scores` gives a row the same score wherever it lies, so ties are ties and go by id (`ranked`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memory.records import F32, Ids

_BLOCK = 4096


def exact_scores(rows: F32, query: F32) -> F32:
    """Inner products of float32 [n, K] with float32 [K]: summed in float64 a row at a time (a matrix product's rounding
    depends on a row's place), then rounded to float32 [n]."""
    wide = query.astype(np.float64)
    blocks = [(rows[i : i + _BLOCK].astype(np.float64) * wide).sum(axis=1) for i in range(0, len(rows), _BLOCK)]
    return np.concatenate([np.zeros(0), *blocks]).astype(np.float32)


def ranked(ids: Ids, rows: F32, query: F32, limit: int) -> list[tuple[int, float]]:
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
