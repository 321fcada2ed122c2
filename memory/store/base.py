"""The store protocol: the truth about every video. `redis_store.RedisStore` is the implementation.

One video is written by one worker at a time: `claim` hands out a new epoch, and a commit carries it. A commit either
happens as a whole or raises `CommitRefused`; a refused worker reloads or leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from memory.records import (
    CubeMemory,
    IngestState,
    KeyedSpan,
    OpenCube,
    Searchable,
    VideoError,
    VideoRecord,
    VideoStatus,
)


@dataclass(frozen=True, slots=True)
class Commit:
    """What one tick of the commit clock writes, together.

    Attributes:
        epoch: the claim this worker holds.
        expected_step: `next_step` of the stored state this commit replaces.
        state: what a restarted worker needs; None for a light commit that only replaces the open cube.
        closed: cubes closed since the last commit, in order; ordinals follow the stored ones.
        open_cube: the open cube, or None.
        ingested_s: up to where the video is watched.
        status, error: new status, or None to leave it.
    """

    epoch: int
    expected_step: int
    state: IngestState | None
    closed: Sequence[CubeMemory]
    open_cube: OpenCube | None
    ingested_s: float
    status: VideoStatus | None = None
    error: VideoError | None = None


class MemoryStore(Protocol):
    """Every method may raise `StoreUnavailable`; those that take a video id, `UnknownVideo`."""

    def create_video(self, record: VideoRecord) -> VideoRecord:
        """Adds a video (its `number` is assigned here) and returns it as stored."""
        ...

    def video(self, video_id: str) -> VideoRecord: ...

    def videos(self, owner: str | None = None) -> list[VideoRecord]:
        """All, newest first."""
        ...

    def find_content(self, owner: str, sha256: str, key_space: str, sampling: str) -> str | None:
        """Id of the video that already holds this content's memory, if any."""
        ...

    def update_video(self, video_id: str, *, while_epoch: int | None = None, **fields: object) -> VideoRecord:
        """Changes descriptive fields (name, status, error, duration_s, media …); never epoch or state. With
        `while_epoch` raises `CommitRefused` where the video was claimed since that epoch."""
        ...

    def claim(self, video_id: str) -> int:
        """Takes the video over: a new epoch, larger than any before. Refuses a deleted video with `UnknownVideo`."""
        ...

    def commit(self, video_id: str, commit: Commit) -> int:
        """Writes all of it or nothing; returns the video's commit number (1, 2, 3 …). Raises `CommitRefused`. After a
        `StoreUnavailable` nobody knows whether it was written; sent again it is, once."""
        ...

    def epoch(self, video_id: str) -> int:
        """The last epoch handed out; 0 before the first claim."""
        ...

    def state(self, video_id: str) -> IngestState | None:
        """The last full state, or None before the first commit."""
        ...

    def cube(self, video_id: str, ordinal: int) -> CubeMemory: ...

    def cubes(self, video_id: str, start: int = 0, stop: int | None = None) -> Iterator[CubeMemory]:
        """Closed cubes in order of ordinal."""
        ...

    def cubes_at(self, video_id: str, ordinals: Sequence[int]) -> list[CubeMemory]:
        """Some closed cubes, in the order asked for, read together. Raises `UnknownCube`."""
        ...

    def open_cube(self, video_id: str) -> OpenCube | None: ...

    def keyed_spans(self, video_id: str, start: int = 0) -> list[KeyedSpan]:
        """Spans and keys of closed cubes from ordinal `start`, without tokens."""
        ...

    def searchable(self, video_id: str, start: int = 0) -> Searchable:
        """What recall needs, of one moment; one round trip where no cube closed since."""
        ...

    def version_asked(self, video_id: str) -> AbstractContextManager[Callable[[], str]]:
        """Asks for the video's version (see `Searchable`), at once where the store can; the call, made once and inside
        the context, waits for the answer and raises `UnknownVideo`. Good for looking at what is held while the store
        says whether that is still all there is."""
        ...

    def applied(self, video_id: str) -> int:
        """The video's last commit number."""
        ...

    def mark_video_deleted(self, video_id: str) -> VideoRecord:
        """Begins a deletion: nobody finds the video any more and workers are refused, but its record is kept until
        `delete_video`, so that what lies outside the store can be removed first, again after a crash."""
        ...

    def pending_deletions(self) -> list[VideoRecord]:
        """Videos whose deletion has begun and not ended."""
        ...

    def delete_video(self, video_id: str) -> VideoRecord:
        """Removes everything of it; resumable; running workers are refused from now on."""
        ...

    def ping(self) -> None:
        """Raises `StoreUnavailable` when the store does not answer."""
        ...
