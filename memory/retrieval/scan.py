"""A fast scan of all keys of one video: every inner product, with a bound on its error.

A long video's keys are tens of megabytes, and a product takes as long as reading them. So of equal rows only one is
multiplied, since a kind of thing has the same key wherever it is seen (of ten hours' 21,766 rows 2,570 differ). From
`CODED_FROM` rows on they are also kept as int8, a quarter of the bytes: row = scale x codes, and the query as two
columns of codes, the second for the rounding of the first. The integers' product is exact. The error is the rows'
rounding, bounded by Cauchy-Schwarz with the measured length of the largest loss. Fewer rows are multiplied as they are,
within float32's rounding.

Exact scores come from `memory.index.scores.exact_scores`, for the rows that may matter
(`memory.retrieval.scored_cubes`).
"""

from __future__ import annotations

import functools
import hashlib
import math
import threading
from dataclasses import dataclass

import numpy as np

from memory.records import F32, F64, I8, I32
from memory.retrieval.growing import with_room

CODED_FROM = 512
_ROWS_AT_ONCE = 4096
_CODE, _QUERY_CODE = 127, 63
_SLACK = 2.0**-20  # sixteen roundings to float32: of the exact score, and of what is computed here
_WIDEST = 2**24 // (_CODE * _QUERY_CODE)  # up to here float32 holds every sum of products of codes


@dataclass(frozen=True, slots=True)
class ScanResult:
    """A vector's products with n rows, of equal rows once: D of them.

    Attributes:
        products: float32 [D], each less than `margin` from `exact_scores`; -inf where it is not a number. The caller's
            own, to write into; the others are not.
        which: int32 [n]: row i has ``products[which[i]]``.
        first: int32 [D]: the first row that has it.
        held: int32 [D]: how many rows have it, later ones perhaps included: good for a guess.
    """

    products: F32
    margin: float
    which: I32
    first: I32
    held: I32


class KeyScanner:
    """Rows that only grow, sorted out: every call brings the same rows, and perhaps more. Safe to call from several
    threads."""

    def __init__(self, dim: int) -> None:
        self._lock = threading.Lock()
        self._which, self._first, self._held = (np.zeros(0, np.int32) for _ in range(3))
        self._places: dict[bytes, int] = {}
        self._codes: I8 = np.zeros((0, dim), np.int8)
        self._scales = np.zeros(0, np.float32)
        self._sorted = self._coded = 0
        self._longest = self._lost = 0.0

    def scan(self, rows: F32, vector: F32) -> ScanResult:
        """Products of float32 [n, K] with float32 [K]."""
        kept, coded = self._taken_in(rows)
        first = self._first[:kept]
        wide = vector.astype(np.float64)
        size = math.sqrt(np.dot(wide, wide))
        margin = _SLACK * size * self._longest
        if coded and math.isfinite(size):
            products, rest = _by_codes(self._codes[:kept], self._scales[:kept], wide)
            margin += self._lost * size + (self._longest + self._lost) * rest
        else:
            products = np.einsum("nk,k->n", rows[first], vector)  # a product would wait for every core there is
            margin *= 1 + len(vector)
        products[~np.isfinite(products)] = -np.inf
        return ScanResult(products, margin + 1e-30, self._which[: len(rows)], first, self._held[:kept])

    def _taken_in(self, rows: F32) -> tuple[int, bool]:
        """How many different rows there are, and whether there are codes of them. What is measured of all rows may be
        of later ones too."""
        count = len(rows)
        with self._lock:
            for start in range(self._sorted, count, _ROWS_AT_ONCE):
                self._sort_out(rows[start : min(start + _ROWS_AT_ONCE, count)])
            kept = int(np.searchsorted(self._first[: len(self._places)], count))
            if count >= CODED_FROM and exact_products(rows.shape[1]):
                for start in range(self._coded, kept, _ROWS_AT_ONCE):
                    self._code(rows[self._first[start : min(start + _ROWS_AT_ONCE, kept)]])
            return kept, self._coded >= kept > 0

    def _sort_out(self, fresh: F32) -> None:
        before, start, end = len(self._places), self._sorted, self._sorted + len(fresh)
        self._which = with_room(self._which, start, end)
        new: list[int] = []
        for place, row in enumerate(fresh, start):
            key = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
            which = self._places.setdefault(key, len(self._places))
            if which == before + len(new):
                new.append(place)
            self._which[place] = which
        kept = len(self._places)
        self._first, self._held = with_room(self._first, before, kept), with_room(self._held, before, kept)
        self._first[before:kept] = new
        self._held[:kept] += np.bincount(self._which[start:end], minlength=kept)
        self._longest = max(self._longest, _longest(fresh))
        self._sorted = end

    def _code(self, fresh: F32) -> None:
        before, after = self._coded, self._coded + len(fresh)
        self._codes, self._scales = with_room(self._codes, before, after), with_room(self._scales, before, after)
        self._codes[before:after], self._scales[before:after], lost = _coded(fresh)
        self._lost = max(self._lost, lost)
        self._coded = after


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


def _by_codes(codes: I8, scales: F32, vector: F64) -> tuple[F32, float]:
    """Products of scales [D] x codes [D, K] with a vector [K], and what the vector's own codes lose at most:
    vector = step x (first + second / (2 x 63)) + at most half a step of the second. Six bits and a sign: two of their
    products with a byte fit into 16 bits, as some processors need it."""
    step = float(np.abs(vector).max(initial=0.0)) / _QUERY_CODE or 1.0
    query = np.empty((len(vector), 2), np.int8)
    steps = vector / step
    query[:, 0] = first = np.rint(steps)
    query[:, 1] = np.rint((steps - first) * (2 * _QUERY_CODE))
    exact = _products(codes, query)
    products = np.multiply(exact[:, 1], 1 / (2 * _QUERY_CODE), dtype=np.float32)
    products += exact[:, 0]
    products *= scales
    products *= np.float32(step)
    return products, step / (4 * _QUERY_CODE) * math.sqrt(len(vector))


def _products(codes: I8, query: I8) -> I32:
    """int8 [n, K] times int8 [K, 2], int32 [n, 2]: PyTorch's integer product, on one thread where PyTorch has one."""
    import torch  # only long videos need it

    products: I32 = torch._int_mm(torch.from_numpy(codes), torch.from_numpy(query)).numpy()
    return products


@functools.cache
def exact_products(dim: int) -> bool:
    """Whether this machine multiplies codes of this width without error, tried once with the largest there are; where
    it does not, or PyTorch has no integer product any more, rows are multiplied as they are."""
    if dim > _WIDEST:
        return False
    signs = np.random.default_rng(0).integers(0, 2, (_ROWS_AT_ONCE, dim)) * 2 - 1
    signs[0], signs[1] = 1, -1
    codes = (signs * _CODE).astype(np.int8)
    query = np.stack([signs[0], signs[2]], axis=1).astype(np.int8) * np.int8(_QUERY_CODE)
    try:
        return bool((_products(codes, query) == codes.astype(np.int32) @ query.astype(np.int32)).all())
    except (AttributeError, RuntimeError):
        return False
