"""A video's cubes with a score each, and hits made of some of them: the arrays' side of `memory.recall`."""

from __future__ import annotations

import numpy as np

from memory.records import F32, Hit, KeyedSpan, OpenCube, TimeSpan
from memory.selection import Places, best_rows, cube_scores, overlapping, row_scores
from memory.video_keys import KeysView, VideoKeys


class ScoredCubes:
    """Some cubes of a video, scored against a question's vector (None: by time or kind alone).

    Attributes:
        scores: float64 [C], -inf for cubes that the request leaves out.
    """

    def __init__(
        self, video_id: str, keys: KeysView, vector: F32 | None, kinds: tuple[str, ...] | None, span: TimeSpan | None
    ) -> None:
        self.keys = keys
        self._video_id = video_id
        by_time_alone = vector is None and kinds is None
        self._rows = None if by_time_alone else row_scores(keys, vector, kinds)
        self.scores = np.zeros(len(keys)) if self._rows is None else cube_scores(keys, self._rows)
        if span is not None:
            self.scores[~overlapping(keys.spans, span)] = -np.inf

    def found(self, cubes: Places) -> tuple[list[Hit], F32]:
        """Hits on some of the cubes, and the keys by which they were found [H, K] (none by time alone)."""
        if self._rows is None:
            return self.keys.hits(self._video_id, cubes), self.keys.rows[:0]
        rows = best_rows(self.keys, self._rows, self.scores, cubes)
        return self.keys.hits(self._video_id, cubes, self.scores[cubes], rows), self.keys.rows[rows]


def as_view(opened: OpenCube, dim: int) -> KeysView:
    """The open cube as a video of one cube."""
    keys = VideoKeys(dim)
    keys.extend([KeyedSpan(None, opened.span, opened.keys, opened.key_kinds)])
    return keys.view()
