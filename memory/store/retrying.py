"""A store for workers: while the store is away or full, calls wait with growing pauses and are tried again.

Workers use it for watching, recorded or live. Questions use the plain store and fail at once while it is away. A commit
whose answer was lost is sent again as it is; the store recognises it by its mark and applies it once
(`scripts/commit.lua`), whatever became of the first sending.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from memory.errors import StoreUnavailable
from memory.records import CubeMemory, IngestState, KeyedSpan, OpenCube, Searchable, VideoRecord
from memory.store.base import Commit, MemoryStore

log = logging.getLogger("longwatch.store")
T = TypeVar("T")
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


class RetryingStore:
    """Implements `memory.store.base.MemoryStore` over another one. As safe to share between threads as that one.

    Args:
        store: what answers, when it is there.
        retry_s: a call that has waited for so long raises its `StoreUnavailable`.
        stop: once true no call waits any more; asked after each pause.
        revive: called after each pause; may start a server, and may raise `StoreUnavailable`.
        check_room: called before what adds to the store; may raise `StoreFull`.
        sleep, clock: of `time`, or of a test.

    Attributes:
        claimed: the epoch last claimed through this object, by video.
    """

    def __init__(
        self,
        store: MemoryStore,
        retry_s: float,
        stop: Callable[[], bool] = lambda: False,
        revive: Callable[[], None] = lambda: None,
        check_room: Callable[[], None] = lambda: None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._retry_s = retry_s
        self._stop = stop
        self._revive = revive
        self._check_room = check_room
        self._sleep = sleep
        self._clock = clock
        self.claimed: dict[str, int] = {}

    def _retry(self, call: Callable[[], T]) -> T:
        began, pause_s = self._clock(), FIRST_PAUSE_S
        try:
            return call()
        except StoreUnavailable as away:
            if self._stop() or self._retry_s <= 0:
                raise
            log.warning("waiting: %s", away)
        while True:
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            try:
                self._revive()
                answer = call()
            except StoreUnavailable:
                if self._stop() or self._clock() - began >= self._retry_s:
                    raise
            else:
                log.warning("the store takes calls again after %.1f s", self._clock() - began)
                return answer

    def _retry_adding(self, call: Callable[[], T]) -> T:
        def add() -> T:
            self._check_room()
            return call()

        return self._retry(add)

    def create_video(self, record: VideoRecord) -> VideoRecord:
        return self._retry_adding(lambda: self._store.create_video(record))

    def video(self, video_id: str) -> VideoRecord:
        return self._retry(lambda: self._store.video(video_id))

    def videos(self, owner: str | None = None) -> list[VideoRecord]:
        return self._retry(lambda: self._store.videos(owner))

    def find_content(self, owner: str, sha256: str, key_space: str, sampling: str) -> str | None:
        return self._retry(lambda: self._store.find_content(owner, sha256, key_space, sampling))

    def update_video(self, video_id: str, *, while_epoch: int | None = None, **fields: object) -> VideoRecord:
        return self._retry(lambda: self._store.update_video(video_id, while_epoch=while_epoch, **fields))

    def claim(self, video_id: str) -> int:
        epoch = self._retry(lambda: self._store.claim(video_id))
        self.claimed[video_id] = epoch
        return epoch

    def commit(self, video_id: str, commit: Commit) -> int:
        return self._retry_adding(lambda: self._store.commit(video_id, commit))

    def epoch(self, video_id: str) -> int:
        return self._retry(lambda: self._store.epoch(video_id))

    def state(self, video_id: str) -> IngestState | None:
        return self._retry(lambda: self._store.state(video_id))

    def cube(self, video_id: str, ordinal: int) -> CubeMemory:
        return self._retry(lambda: self._store.cube(video_id, ordinal))

    def cubes(self, video_id: str, start: int = 0, stop: int | None = None) -> Iterator[CubeMemory]:
        """One at a time, so that what was handed out is not read again after a wait."""
        count = self.video(video_id).cubes
        for ordinal in range(max(start, 0), count if stop is None else min(stop, count)):
            yield self.cube(video_id, ordinal)

    def cubes_at(self, video_id: str, ordinals: Sequence[int]) -> list[CubeMemory]:
        return self._retry(lambda: self._store.cubes_at(video_id, ordinals))

    def open_cube(self, video_id: str) -> OpenCube | None:
        return self._retry(lambda: self._store.open_cube(video_id))

    def keyed_spans(self, video_id: str, start: int = 0) -> list[KeyedSpan]:
        return self._retry(lambda: self._store.keyed_spans(video_id, start))

    def searchable(self, video_id: str, start: int = 0) -> Searchable:
        return self._retry(lambda: self._store.searchable(video_id, start))

    @contextmanager
    def version_asked(self, video_id: str) -> Iterator[Callable[[], str]]:
        """Asks when called: what is sent early may be lost while the store is away."""
        yield lambda: self._retry(lambda: self._version(video_id))

    def _version(self, video_id: str) -> str:
        with self._store.version_asked(video_id) as version:
            return version()

    def applied(self, video_id: str) -> int:
        return self._retry(lambda: self._store.applied(video_id))

    def mark_video_deleted(self, video_id: str) -> VideoRecord:
        return self._retry(lambda: self._store.mark_video_deleted(video_id))

    def pending_deletions(self) -> list[VideoRecord]:
        return self._retry(self._store.pending_deletions)

    def delete_video(self, video_id: str) -> VideoRecord:
        return self._retry(lambda: self._store.delete_video(video_id))

    def ping(self) -> None:
        self._retry(self._store.ping)
