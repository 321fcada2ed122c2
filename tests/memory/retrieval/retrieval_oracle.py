"""Slow, plain retrieval, cube by cube, to compare `memory.retrieval.retriever` with; and a store of keys alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from memory.errors import UnknownVideo
from memory.index.scores import exact_scores
from memory.records import F32, Appearances, Hit, KeyedSpan, OpenCube, Searchable, TimeSpan, VideoRecord, VideoStatus


def hits(vector: F32 | None, video_id: str, cubes: Iterable[KeyedSpan], span: TimeSpan | None = None) -> list[Hit]:
    """Every cube that the span allows and that can be compared, with its best slot, in order of time."""
    matches = []
    for cube in cubes:
        if span is not None and not cube.span.overlaps(span):
            continue
        if vector is None:
            matches.append(Hit(video_id, cube.ordinal, cube.span, 0.0, ""))
            continue
        best: tuple[float, str] | None = None
        for score, kind in zip(
            exact_scores(cube.keys.astype(np.float32), vector).tolist(), cube.key_kinds, strict=True
        ):
            if np.isfinite(score) and (best is None or score > best[0]):
                best = score, kind
        if best is not None:
            matches.append(Hit(video_id, cube.ordinal, cube.span, *best))
    return sorted(matches, key=lambda hit: hit.span)


def evidence(matches: Iterable[Hit], threshold: float, gap_s: float) -> Appearances:
    """Appearances counted one after the other."""
    joined: list[TimeSpan] = []
    for span in sorted(hit.span for hit in matches if hit.score >= threshold):
        if joined and span.start_s - joined[-1].end_s <= gap_s:
            joined[-1] = TimeSpan(joined[-1].start_s, max(joined[-1].end_s, span.end_s))
        else:
            joined.append(span)
    if not joined:
        return Appearances(0, None, None, ())
    return Appearances(len(joined), joined[0].start_s, joined[-1].end_s, tuple(joined[:20]))


@dataclass
class KeysOnly:
    """What `LocalRetriever` reads of a store: videos, spans with keys, open cubes and commit numbers."""

    closed: dict[str, list[KeyedSpan]] = field(default_factory=dict)
    opened: dict[str, OpenCube] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    key_spaces: dict[str, str] = field(default_factory=dict)
    status: VideoStatus = "live"
    reads: list[tuple[str, int]] = field(default_factory=list)

    def video(self, video_id: str) -> VideoRecord:
        if video_id not in self.closed:
            raise UnknownVideo(video_id)
        number = self.numbers.setdefault(video_id, 1 + len(self.numbers))
        space, cubes = self.key_spaces.get(video_id, ""), len(self.closed[video_id])
        return VideoRecord(video_id, number, "local", "", self.status, "", "", space, "", 1.0 * number, cubes=cubes)

    def videos(self) -> list[VideoRecord]:
        return [self.video(video_id) for video_id in self.closed][::-1]

    def keyed_spans(self, video_id: str, start: int = 0) -> list[KeyedSpan]:
        if video_id not in self.closed:
            raise UnknownVideo(video_id)
        self.reads.append((video_id, len(self.closed[video_id]) - start))
        return self.closed[video_id][start:]

    def open_cube(self, video_id: str) -> OpenCube | None:
        return self.opened.get(video_id)

    def searchable(self, video_id: str, start: int = 0) -> Searchable:
        return Searchable(self.keyed_spans(video_id, start), self.open_cube(video_id), self._version(video_id))

    def _version(self, video_id: str) -> str:
        """Of what is there, as far as tests change it."""
        if video_id not in self.closed:
            raise UnknownVideo(video_id)
        return f"{len(self.closed[video_id])} {id(self.opened.get(video_id))}"

    @contextmanager
    def version_asked(self, video_id: str) -> Iterator[Callable[[], str]]:
        yield lambda: self._version(video_id)

    def applied(self, video_id: str) -> int:
        return len(self.closed[video_id])

    def delete(self, video_id: str) -> None:
        """Its number is never given out again."""
        del self.closed[video_id]
        self.numbers[f"{video_id} that was {len(self.numbers)}"] = self.numbers.pop(video_id, 0)
