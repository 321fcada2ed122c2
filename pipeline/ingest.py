"""READ FIRST: how a recorded video becomes memory. Decode -> observe -> cube -> compress -> propagate -> commit.

    source.steps()       one frame after another, by presentation time    pipeline/video
    session.watching()   frames -> steps -> cubes                         pipeline/watching/cubes.py
    session.commit()     closed cubes, open cube and state, all or none   pipeline/session.py

Decoding, observing and reading the screen each have a thread and run a bounded number of steps ahead of the commits,
so the slowest of them sets the pace and memory stays flat.

Every `commit_steps` steps everything a restarted worker needs is committed together. A worker that dies loses at most
the steps since then, and the next one watches exactly those again: same frames, same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from encoders.base import Backend
from memory.records import FINAL_STATUSES, CubeMemory, VideoError, VideoRecord, VideoStatus
from memory.store.base import MemoryStore
from pipeline.config import IngestConfig
from pipeline.errors import MediaDamaged
from pipeline.session import WatchSession, check_backend
from pipeline.video.sampling import choose_mode
from pipeline.video.source import FrameSource

OnCommit = Callable[[VideoRecord, Sequence[CubeMemory]], None]


class Ingest:
    """Watches recorded videos into a store; `on_commit` hears of every commit (an index, a progress bar)."""

    def __init__(self, store: MemoryStore, backend: Backend, config: IngestConfig, on_commit: OnCommit) -> None:
        self._store = store
        self._backend = backend
        self._config = config
        self._on_commit = on_commit

    def run(self, video_id: str, source: FrameSource, stop: Callable[[], bool] = lambda: False) -> VideoRecord:
        """Watches `source` to its end, or until `stop()` says leave; goes on where an earlier worker was.

        Raises `CommitRefused` when another worker took the video over or it was deleted, `MediaDamaged` when not one
        frame could be decoded, `BackendMismatch` when another backend or sampling began it.
        """
        record = self._store.video(video_id)
        check_backend(record, self._backend, self._config)
        if record.status in FINAL_STATUSES:
            return record
        session = WatchSession(
            self._store, self._backend, self._config, video_id, lambda: choose_mode(source.probe(), self._config.fps)
        )
        with session.watching(source.steps(session.committed_s, session.mode)) as groups:
            while not stop() and (closed := next(groups, None)) is not None:
                session.commit(closed, "ingesting", error=_damage(source))
                self._on_commit(self._store.video(video_id), closed)
        if stop():
            return self._store.video(video_id)
        return self._finish(video_id, session, source)

    def _finish(self, video_id: str, session: WatchSession, source: FrameSource) -> VideoRecord:
        if session.last_s is None:
            raise MediaDamaged("not one picture of this file could be decoded")
        end_s = session.end_s
        duration_s = source.probe().duration_s
        if duration_s is not None and session.last_s < duration_s < end_s:
            end_s = duration_s
        error = _damage(source) or self._store.video(video_id).error  # or found by a worker before this one
        status: VideoStatus = "ready" if error is None else "partial"
        closed = session.finish("end", end_s)
        session.commit(closed, status, watched_s=end_s, error=error)
        record = self._store.video(video_id)
        self._on_commit(record, closed)
        return record


def _damage(source: FrameSource) -> VideoError | None:
    return None if source.damage is None else VideoError("media.damaged", source.damage)
