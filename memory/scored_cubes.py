"""A video's cubes with a score each, and hits made of some of them: the arrays' side of `memory.recall`.

Scores come in two steps: a first pass over all keys with a margin (`memory.first_pass`), then the exact score
(`memory.numpy_index.exact_scores`) of every cube near the threshold or near the best, so that whatever is chosen,
counted or handed back is as if every key had been scored exactly.
"""

from __future__ import annotations

import numpy as np

from memory.first_pass import FirstPass
from memory.numpy_index import exact_scores
from memory.records import F32, Hit, KeyedSpan, OpenCube, TimeSpan
from memory.selection import Places, best_rows, cube_scores, overlapping, row_scores, rows_of, worth_a_look
from memory.video_keys import KeysView, VideoKeys


class ScoredCubes:
    """Some cubes of a video, scored against a question's vector (None: by time or kind alone).

    Args:
        threshold, limit: what the caller will ask: which scores are at least the threshold, which `limit` are best.

    Attributes:
        scores: float64 [C], -inf for cubes that the request leaves out and for some that are neither among the best
            nor reach the threshold. Exact for the `limit` best, and on the right side of the threshold for all.
    """

    def __init__(
        self,
        video_id: str,
        keys: KeysView,
        first_pass: FirstPass,
        vector: F32 | None,
        kinds: tuple[str, ...] | None,
        span: TimeSpan | None,
        threshold: float,
        limit: int,
    ) -> None:
        self.keys = keys
        self._video_id, self._vector = video_id, vector
        by_time_alone = vector is None and kinds is None
        nothing = np.zeros(len(keys.rows), np.float32), 0.0
        found, self._margin = nothing if vector is None else first_pass.scores(keys.rows, vector)
        self._rows = None if by_time_alone else row_scores(keys, found, kinds)
        if self._rows is None:
            self.scores = np.zeros(len(keys))
        else:
            whole = vector is None or span is not None
            among = None if whole else worth_a_look(keys, self._rows, threshold, limit, self._margin)
            self.scores = cube_scores(keys, self._rows, among)
        if span is not None:
            self.scores[~overlapping(keys.spans, span)] = -np.inf
        self._exact = np.full(len(keys), vector is None)
        self._settle(self._doubtful(threshold, limit))

    def _doubtful(self, threshold: float, limit: int) -> Places:
        """Cubes that may be among the `limit` best, or on either side of the threshold."""
        left = np.flatnonzero(self.scores > -np.inf)  # few of a long video's: the rest is neither best nor near
        scores = self.scores[left]
        near = (scores >= threshold - self._margin) & (scores <= threshold + self._margin)
        if limit > 0:
            last = np.partition(scores, -limit)[-limit] if limit < len(scores) else -np.inf
            near |= scores >= last - 2 * self._margin
        return left[near]

    def _settle(self, cubes: Places) -> None:
        """Exact scores for some cubes: of each, the rows that may be its best are scored; the others lie below."""
        cubes = cubes[~self._exact[cubes] & (self.scores[cubes] > -np.inf)]
        if self._rows is None or self._vector is None or not len(cubes):
            return
        rows, whose = rows_of(self.keys, cubes)
        near = self._rows[rows] >= self.scores[cubes][whose] - 2 * self._margin
        rows, whose = rows[near], whose[near]
        self._rows[rows] = exact_scores(self.keys.rows[rows], self._vector)
        self.scores[cubes] = np.maximum.reduceat(self._rows[rows], np.searchsorted(whose, np.arange(len(cubes))))
        self._exact[cubes] = True

    def found(self, cubes: Places) -> tuple[list[Hit], F32]:
        """Hits on some of the cubes, and the keys by which they were found [H, K] (none by time alone)."""
        if self._rows is None:
            return self.keys.hits(self._video_id, cubes), self.keys.rows[:0]
        self._settle(cubes)
        rows = best_rows(self.keys, self._rows, self.scores, cubes)
        return self.keys.hits(self._video_id, cubes, self.scores[cubes], rows), self.keys.rows[rows]


def as_view(opened: OpenCube, dim: int) -> KeysView:
    """The open cube as a video of one cube."""
    keys = VideoKeys(dim)
    keys.extend([KeyedSpan(None, opened.span, opened.keys, opened.key_kinds)])
    return keys.view()
