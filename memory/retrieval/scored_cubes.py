"""A score for each cube of a video, and hits made from chosen cubes: the array side of `memory.retrieval.retriever`.

Scores come in two steps: a scan of all keys with an error margin (`memory.retrieval.scan`), then the exact score
(`memory.index.scores.exact_scores`) of every key near the threshold or near the best. So whatever is chosen,
counted or returned is as if every key had been scored exactly. Of equal keys one is scored.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memory.index.scores import exact_scores
from memory.records import F32, I32, Hit, TimeSpan
from memory.retrieval.scan import KeyScanner, ScanResult
from memory.retrieval.selection import Places, overlapping
from memory.retrieval.video_keys import KeysView

_LEAST = float(np.finfo(np.float32).min)


class ScoredCubes:
    """Some cubes of a video, scored against a question's vector (None: by time or kind alone).

    Args:
        threshold, best: what the caller will ask: which scores are at least the threshold, which `best` are best.
        every: whether no cube may be passed over that has a score.

    Attributes:
        cubes: which, ascending [c]: all that the request names and that have a score, save some that are neither among
            the best nor reach the threshold.
        scores: float64 [c]. Exact for the `best` best, and on the right side of the threshold for all; the others are
            within the scan's margin until `hits_at` returns them.
    """

    # What was taken of the scan: rows, ascending; the key that each has, and its product as it is known now; and
    # where the rows of each of `cubes` start among them, and how many there are.
    _rows: Places
    _which: I32
    _products: F32
    _starts: Places
    _counts: Places

    def __init__(
        self,
        video_id: str,
        keys: KeysView,
        scanner: KeyScanner,
        vector: F32 | None,
        kinds: tuple[str, ...] | None,
        span: TimeSpan | None,
        threshold: float,
        best: int,
        *,
        every: bool = False,
    ) -> None:
        self.keys, self._video_id, self._vector = keys, video_id, vector
        self._scan: ScanResult | None = None
        inside = None if span is None else overlapping(keys.spans, span)
        if vector is None and kinds is None:
            self.cubes = np.arange(len(keys)) if inside is None else np.flatnonzero(inside)
            self.scores = np.zeros(len(self.cubes))
            return
        self._scan = _nothing_asked(len(keys.rows)) if vector is None else scanner.scan(keys.rows, vector)
        self._exact = np.full(len(self._scan.products), vector is None)
        wanted = _wanted(keys, kinds, inside)
        if every or span is not None or not self._took_best(self._scan, wanted, threshold, best):
            self._take_all(self._scan, wanted, threshold, best)
        self._all_exact = bool(self._exact[self._which].all())

    def _took_best(self, scan: ScanResult, wanted: npt.NDArray[np.bool_] | None, threshold: float, best: int) -> bool:
        """Takes every row that reaches the threshold or is the best of one of the `best` best cubes; False where they
        could not be separated from the others, and all are to be taken."""
        different = len(scan.products)
        count, rows = min(best, different), 2 * best
        while count > 0:
            top = np.argpartition(scan.products, -count)[-count:]
            top = top[np.argsort(-scan.products[top])]
            enough = int(np.searchsorted(np.cumsum(scan.held[top]), rows))  # a guess; the cubes are counted below
            bar = float(scan.products[top[min(enough, count - 1)]])
            self._settle(scan, _doubtful(scan, threshold, bar))
            least = bar - scan.margin  # what reaches it is exact now, and nothing else does
            self._take(scan, wanted, min(least, threshold))
            if np.count_nonzero(self.scores >= least) >= best:
                return True
            if enough >= different:
                return False
            count, rows = min(4 * count, different), 4 * rows
        return False

    def _take_all(self, scan: ScanResult, wanted: npt.NDArray[np.bool_] | None, threshold: float, best: int) -> None:
        self._take(scan, wanted, _LEAST)
        bar = np.inf
        if best > 0:
            bar = float(np.partition(self.scores, -best)[-best]) if best < len(self.scores) else -np.inf
        taken = np.zeros(len(scan.products), np.bool_)
        taken[self._which] = True
        self._settle(scan, taken & _doubtful(scan, threshold, bar))
        self._score(scan)

    def _take(self, scan: ScanResult, wanted: npt.NDArray[np.bool_] | None, least: float) -> None:
        """Takes the wanted rows with at least such a product, and the cubes they are of."""
        rows = np.flatnonzero((scan.products >= max(least, _LEAST))[scan.which])
        self._rows = rows if wanted is None else rows[wanted[rows]]
        cubes = np.searchsorted(self.keys.first_row, self._rows, side="right") - 1
        self._which = scan.which[self._rows]
        self._starts = _run_starts(cubes)
        self._counts = np.append(self._starts[1:], len(cubes)) - self._starts if len(cubes) else self._starts
        self.cubes = cubes[self._starts]
        self._score(scan)

    def _score(self, scan: ScanResult) -> None:
        self._products = scan.products[self._which]
        best = np.maximum.reduceat(self._products, self._starts) if len(self._starts) else self._products
        self.scores = best.astype(np.float64)

    def _settle(self, scan: ScanResult, keys: npt.NDArray[np.bool_]) -> None:
        """Exact scores for some keys, in `scan`."""
        fresh = np.flatnonzero(keys & ~self._exact)
        if self._vector is not None and len(fresh):
            scan.products[fresh] = exact_scores(self.keys.rows[scan.first[fresh]], self._vector)
            self._exact[fresh] = True

    def hits_at(self, places: Places) -> tuple[list[Hit], F32, Places]:
        """Hits on some of the cubes, by their places in `cubes`, ascending [H], each by the first of its best keys; the
        different keys that these are [U, K], and which of them each hit has [H] (none by time alone)."""
        cubes = self.cubes[places]
        if self._scan is None:
            return self.keys.hits(self._video_id, cubes), self.keys.rows[:0], places[:0]
        asked = np.zeros(len(self.cubes), np.bool_)
        asked[places] = True
        if not self._all_exact:
            bars = np.where(asked, self.scores - 2 * self._scan.margin, np.inf)
            near = np.zeros(len(self._exact), np.bool_)
            near[self._which[self._products >= np.repeat(bars, self._counts)]] = True
            self._settle(self._scan, near)
            self._score(self._scan)
        best = np.flatnonzero(self._products == np.repeat(np.where(asked, self.scores, np.nan), self._counts))
        best = best[_run_starts(np.searchsorted(self._starts, best, side="right"))]
        hits = self.keys.hits(self._video_id, cubes, self.scores[places], self._rows[best])
        different, which = np.unique(self._which[best], return_inverse=True)
        return hits, self.keys.rows[self._scan.first[different]], which


def _wanted(
    keys: KeysView, kinds: tuple[str, ...] | None, inside: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    """Which rows are of these kinds and of these cubes; None for all."""
    of_kinds = None if kinds is None else np.array([name in kinds for name in keys.kind_names], np.bool_)[keys.kinds]
    if inside is None:
        return of_kinds
    of_cubes = np.repeat(inside, np.diff(keys.first_row))
    return of_cubes if of_kinds is None else of_cubes & of_kinds


def _doubtful(scan: ScanResult, threshold: float, bar: float) -> npt.NDArray[np.bool_]:
    """Which keys may reach a bar that is wrong by the margin itself, or be on either side of the threshold."""
    near = np.abs(scan.products - threshold) <= scan.margin
    return np.asarray(near | (scan.products >= max(bar - 2 * scan.margin, _LEAST)), np.bool_)


def _run_starts(sorted_values: Places) -> Places:
    """Where each of some values, ascending, first stands."""
    if not len(sorted_values):
        return sorted_values
    return np.flatnonzero(np.concatenate([[True], sorted_values[1:] != sorted_values[:-1]]))


def _nothing_asked(rows: int) -> ScanResult:
    """Every row has score 0."""
    which, first = np.zeros(rows, np.int32), np.zeros(1, np.int32)
    return ScanResult(np.zeros(1, np.float32), 0.0, which, first, np.array([rows], np.int32))
