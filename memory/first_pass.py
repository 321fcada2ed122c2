"""A first look at all keys of one video: every inner product, wrong by at most a margin that is told with it.

A long video's keys are tens of megabytes, and a product is as fast as they are read. So from `CODED_FROM` rows on they
are kept once more, as int8 and equal rows once: a quarter of the bytes, and half of those, as a kind of thing has one
key wherever it is seen. row = scale x codes, the query as two columns of codes, the second for what the first rounded
off. The integers' product is exact; what is lost is the rows' rounding, bounded by Cauchy-Schwarz with the measured
length of the largest loss. Fewer rows are multiplied as they are, within float32's rounding. What it is not: a score.
Whoever needs one asks `memory.numpy_index.exact_scores` for the rows that may matter (`memory.scored_cubes`).
"""

from __future__ import annotations

import functools
import hashlib
import threading

import numpy as np
import numpy.typing as npt

from memory.growing import with_room
from memory.records import F32

CODED_FROM = 4096
_CODE, _QUERY_CODE = 127, 63
_SLACK = 2.0**-20  # sixteen roundings to float32: of the exact score, and of what is computed here
_WIDEST = 2**24 // (_CODE * _QUERY_CODE)  # up to here float32 holds every sum of products of codes

I8 = npt.NDArray[np.int8]
_Which = npt.NDArray[np.int32]


class FirstPass:
    """Codes of rows that only grow: every call brings the same rows, and perhaps more. Safe to call from several
    threads."""

    def __init__(self, dim: int) -> None:
        self._lock = threading.Lock()
        self._codes: I8 = np.zeros((0, dim), np.int8)
        self._scales = np.zeros(0, np.float32)
        self._which: _Which = np.zeros(0, np.int32)
        self._places: dict[bytes, int] = {}
        self._seen = self._coded = 0
        self._longest = self._lost = 0.0

    def scores(self, rows: F32, vector: F32) -> tuple[F32, float]:
        """Products of float32 [n, K] with float32 [K], float32 [n], and their margin: each differs from `exact_scores`
        by less. Not a number where a row or the vector is not."""
        longest, lost, codes, scales, which = self._taken_in(rows)
        size = float(np.linalg.norm(vector.astype(np.float64)))
        margin = _SLACK * size * longest
        if not len(which) or not np.isfinite(size):
            products = np.einsum("nk,k->n", rows, vector)  # a product would wait for every core there is
            return np.asarray(products, np.float32), margin * (1 + len(vector)) + 1e-30
        first, second, step, rest = _query_codes(vector)
        products = _products(codes, np.stack([first, second], axis=1)).astype(np.float32)
        found = products[:, 1] * np.float32(1 / (2 * _QUERY_CODE))
        found += products[:, 0]
        found *= scales
        found *= np.float32(step)
        return found[which], margin + lost * size + (longest + lost) * rest + 1e-30

    def _taken_in(self, rows: F32) -> tuple[float, float, I8, F32, _Which]:
        """The longest row, the most that a row's codes lost, the codes of different rows, and which of them each row
        has; none of these where rows are multiplied as they are."""
        count = len(rows)
        with self._lock:
            if count > self._seen:
                self._longest = max(self._longest, _longest(rows[self._seen :]))
                self._seen = count
            if count >= CODED_FROM and count > self._coded and exact_products(rows.shape[1]):
                self._code(rows, count)
            held, kept = (count, len(self._places)) if self._coded >= count else (0, 0)
            return self._longest, self._lost, self._codes[:kept], self._scales[:kept], self._which[:held]

    def _code(self, rows: F32, count: int) -> None:
        self._which = with_room(self._which, self._coded, count)
        for start in range(self._coded, count, CODED_FROM):
            some = rows[start : min(start + CODED_FROM, count)]
            before, fresh = len(self._places), []
            for place, row in enumerate(some):
                key = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
                if key not in self._places:
                    self._places[key] = len(self._places)
                    fresh.append(place)
                self._which[start + place] = self._places[key]
            after = len(self._places)
            self._codes = with_room(self._codes, before, after)
            self._scales = with_room(self._scales, before, after)
            if fresh:
                self._codes[before:after], self._scales[before:after], lost = _coded(some[fresh])
                self._lost = max(self._lost, lost)
        self._coded = count


def _longest(rows: F32) -> float:
    """Of the rows that are numbers."""
    squares = np.einsum("nk,nk->n", rows, rows, dtype=np.float64)
    return float(np.sqrt(squares[np.isfinite(squares)].max(initial=0.0)))


def _coded(rows: F32) -> tuple[I8, F32, float]:
    """Codes [n, K], scales [n] (NaN for a row that is not numbers) and the length of the largest loss."""
    wide = rows.astype(np.float64)
    most = np.abs(wide).max(axis=1)
    damaged = ~np.isfinite(most)
    wide[damaged], most[damaged] = 0.0, 0.0
    scales = (np.where(most > 1e-30, most, 1.0) / _CODE).astype(np.float32)
    codes = np.clip(np.rint(wide / scales[:, None]), -_CODE, _CODE)
    lost = float(np.linalg.norm(wide - codes * scales[:, None], axis=1).max(initial=0.0))
    return codes.astype(np.int8), np.where(damaged, np.float32(np.nan), scales), lost


def _query_codes(vector: F32) -> tuple[I8, I8, float, float]:
    """vector = step x (first + second / (2 x 63)) up to a rest of the length told last. Six bits and a sign: two of
    their products with a byte fit into 16 bits, as some processors need it."""
    wide = vector.astype(np.float64)
    step = float(np.abs(wide).max(initial=0.0)) / _QUERY_CODE or 1.0
    first = np.rint(wide / step)
    second = np.rint((wide / step - first) * 2 * _QUERY_CODE)
    rest = float(np.linalg.norm(wide - step * (first + second / (2 * _QUERY_CODE))))
    return first.astype(np.int8), second.astype(np.int8), step, rest


def _products(codes: I8, query: I8) -> npt.NDArray[np.int32]:
    """int8 [n, K] times int8 [K, 2], int32 [n, 2]: PyTorch's integer product, on one thread where PyTorch has one."""
    import torch  # only long videos need it

    found: npt.NDArray[np.int32] = torch._int_mm(torch.from_numpy(codes), torch.from_numpy(query)).numpy()
    return found


@functools.cache
def exact_products(dim: int) -> bool:
    """Whether this machine multiplies codes of this width without error, tried once with the largest there are; where
    it does not, or PyTorch has no integer product any more, rows are multiplied as they are."""
    if dim > _WIDEST:
        return False
    signs = np.random.default_rng(0).integers(0, 2, (CODED_FROM, dim)) * 2 - 1
    signs[0], signs[1] = 1, -1
    codes = (signs * _CODE).astype(np.int8)
    query = np.stack([signs[0], signs[2]], axis=1).astype(np.int8) * np.int8(_QUERY_CODE)
    try:
        return bool((_products(codes, query) == codes.astype(np.int32) @ query.astype(np.int32)).all())
    except (AttributeError, RuntimeError):
        return False
