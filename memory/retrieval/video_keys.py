"""One video's closed cubes as arrays that only grow: keys, kinds and spans.

The retriever multiplies them, snapshots save them. Closed cubes never change, so a view that was taken once stays
valid, whoever appends meanwhile: rows behind its end are new, and an array that is full is left as it is for a larger
copy (capacity doubles).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat, starmap

import numpy as np
import numpy.typing as npt

from memory.index.base import key_id
from memory.records import F32, F64, Hit, Ids, KeyedSpan, OpenCube, TimeSpan
from memory.retrieval.growing import with_room

_MOST_KINDS = 256


@dataclass(frozen=True, slots=True)
class KeysView:
    """Closed cubes 0 … C - 1 of one video with their n keys, at one moment.

    Attributes:
        rows: float32 [n, K], cube by cube.
        first_row: int64 [C + 1]: cube c has rows first_row[c] to first_row[c + 1].
        kinds: uint8 [n], places in `kind_names`.
        spans: float64 [C, 2], seconds.
    """

    rows: F32
    first_row: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.uint8]
    kind_names: tuple[str, ...]
    spans: F64

    def __len__(self) -> int:
        return len(self.spans)

    def kind(self, row: int) -> str:
        return self.kind_names[int(self.kinds[row])]

    def hits(
        self,
        video_id: str,
        cubes: npt.NDArray[np.integer],
        scores: npt.NDArray[np.floating] | None = None,
        rows: npt.NDArray[np.integer] | None = None,
    ) -> list[Hit]:
        """A hit on each of some cubes, by these rows; by time alone (score 0) without."""
        worth = repeat(0.0) if scores is None else scores.tolist()
        kinds = repeat("") if rows is None else map(self.kind_names.__getitem__, self.kinds[rows].tolist())
        spans = starmap(TimeSpan, self.spans[cubes].tolist())
        return list(map(Hit, repeat(video_id), cubes.tolist(), spans, worth, kinds))  # a loop takes a quarter longer

    def ids(self, number: int, start: int = 0) -> Ids:
        """Index ids of the rows of cubes from `start` on (see `memory.index.base.key_id`)."""
        counts = np.diff(self.first_row[start:])
        if not counts.sum():
            return np.zeros(0, np.int64)
        key_id(number, len(self) - 1, int(counts.max()) - 1)  # refuses what does not fit
        cubes = np.repeat(np.arange(start, len(self), dtype=np.int64), counts)
        slots = np.arange(self.first_row[start], self.first_row[-1]) - self.first_row[cubes]
        return np.asarray((number << 32) | (cubes << 8) | slots, np.int64)


class VideoKeys:
    """The growing arrays. One thread appends at a time; views may be taken and read by any."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._rows = np.zeros((0, dim), np.float32)
        self._kinds = np.zeros(0, np.uint8)
        self._spans = np.zeros((0, 2), np.float64)
        self._first = np.zeros(1, np.int64)
        self._names: tuple[str, ...] = ()
        self._view = self._now(0, 0)

    @classmethod
    def of(cls, view: KeysView) -> VideoKeys:
        """Arrays that go on where a view ends; they share its memory until they grow."""
        keys = cls(view.rows.shape[1])
        keys._rows, keys._kinds, keys._names = view.rows, view.kinds, view.kind_names
        keys._spans, keys._first, keys._view = view.spans, view.first_row, view
        return keys

    def _now(self, cubes: int, rows: int) -> KeysView:
        return KeysView(
            self._rows[:rows], self._first[: cubes + 1], self._kinds[:rows], self._names, self._spans[:cubes]
        )

    def view(self) -> KeysView:
        """What is there now."""
        return self._view

    def extend(self, fresh: Sequence[KeyedSpan]) -> None:
        """Takes in the closed cubes that follow. Raises ValueError where keys and kinds do not match, the width is
        another, or there are more than 256 kinds; then nothing is taken in."""
        if not fresh:
            return
        for cube in fresh:
            if cube.keys.shape != (len(cube.key_kinds), self.dim):
                raise ValueError(f"cube {cube.ordinal} has keys {cube.keys.shape} of {len(cube.key_kinds)} kinds")
        names = tuple(dict.fromkeys((*self._names, *(kind for cube in fresh for kind in cube.key_kinds))))
        if len(names) > _MOST_KINDS:
            raise ValueError(f"a video has at most {_MOST_KINDS} kinds of keys")
        code = {name: place for place, name in enumerate(names)}
        cubes, rows = len(self._view), len(self._view.rows)
        counts = np.array([len(cube.key_kinds) for cube in fresh], np.int64)
        all_rows, all_cubes = rows + int(counts.sum()), cubes + len(fresh)
        self._rows = with_room(self._rows, rows, all_rows)
        self._kinds = with_room(self._kinds, rows, all_rows)
        self._spans = with_room(self._spans, cubes, all_cubes)
        self._first = with_room(self._first, cubes + 1, all_cubes + 1)
        if all_rows > rows:  # else the arrays may still be a snapshot's, which are read-only
            self._rows[rows:all_rows] = np.concatenate([cube.keys for cube in fresh])
            self._kinds[rows:all_rows] = [code[kind] for cube in fresh for kind in cube.key_kinds]
        self._spans[cubes:all_cubes] = [(cube.span.start_s, cube.span.end_s) for cube in fresh]
        self._first[cubes + 1 : all_cubes + 1] = rows + np.cumsum(counts)
        self._names = names
        self._view = self._now(all_cubes, all_rows)


def as_view(opened: OpenCube, dim: int) -> KeysView:
    """The open cube as a video of one cube."""
    keys = VideoKeys(dim)
    keys.extend([KeyedSpan(None, opened.span, opened.keys, opened.key_kinds)])
    return keys.view()
