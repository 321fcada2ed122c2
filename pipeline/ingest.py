"""READ FIRST: how a recorded video becomes memory. Decode -> encode -> cube -> compress -> propagate -> commit.

    source.steps()     one frame a step, by presentation time          pipeline/video
    stream.watching()  frames -> tokens, borders, words                pipeline/watching/cubes.py
    stream.keep()      compressed, pooled, described: cubes            the same
    store.commit()     closed cubes, open cube and state, all or none  memory/store/base.py

Decoding, encoding and looking at the screen each have a thread and run a bounded number of steps ahead of the commits,
so the slowest of them sets the pace and memory stays flat.

Every `commit_steps` steps everything a restarted worker needs is committed together. A worker that dies loses at most
the steps since then, and the next one watches exactly those again: same frames, same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from encoders.base import Backend
from memory.records import FINAL_STATUSES, CubeMemory, IngestState, VideoError, VideoRecord, VideoStatus
from memory.store.base import Commit, MemoryStore
from pipeline.config import IngestConfig
from pipeline.errors import BackendMismatch, MediaDamaged
from pipeline.video.sampling import choose_mode
from pipeline.video.source import DecodeMode, FrameSource
from pipeline.watching.cubes import CubeStream, new_cube_stream

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
        self._check(record)
        if record.status in FINAL_STATUSES:
            return record
        stream = new_cube_stream(self._backend, self._config)
        epoch = self._store.claim(video_id)
        state = self._store.state(video_id)
        if state is not None:
            stream.restore(state)
        mode = choose_mode(source.probe(), self._config.fps) if state is None else _mode(state)
        steps = source.steps(state.resume_after_s if state else None, mode)
        with stream.watching(steps) as groups:
            while not stop() and (group := next(groups, None)) is not None:
                before = stream.steps
                closed = stream.keep(group)
                self._commit(video_id, epoch, stream, source, mode, before, closed)
        if stop():
            return self._store.video(video_id)
        return self._finish(video_id, epoch, stream, mode, source)

    def _check(self, record: VideoRecord) -> None:
        here = (self._backend.name, str(self._backend.keys.space), self._config.sampling)
        if here != (record.backend, record.key_space, record.sampling):
            made = f"{record.backend} ({record.sampling})"
            raise BackendMismatch(f"begun with {made}, this is {self._backend.name} ({self._config.sampling})")

    def _commit(
        self,
        video_id: str,
        epoch: int,
        stream: CubeStream,
        source: FrameSource,
        mode: DecodeMode,
        before: int,
        closed: Sequence[CubeMemory],
    ) -> None:
        state = stream.state(mode)
        watched_s = (stream.last_s or 0.0) + 1.0 / self._config.fps
        error = _damage(source)
        commit = Commit(epoch, before, state, closed, stream.open_cube(), watched_s, "ingesting", error)
        self._store.commit(video_id, commit)
        self._on_commit(self._store.video(video_id), closed)

    def _finish(
        self, video_id: str, epoch: int, stream: CubeStream, mode: DecodeMode, source: FrameSource
    ) -> VideoRecord:
        if stream.last_s is None:
            raise MediaDamaged("not one picture of this file could be decoded")
        end_s = stream.last_s + 1.0 / self._config.fps
        duration_s = source.probe().duration_s
        if duration_s is not None and stream.last_s < duration_s < end_s:
            end_s = duration_s
        error = _damage(source) or self._store.video(video_id).error  # or found by a worker before this one
        status: VideoStatus = "ready" if error is None else "partial"
        closed = stream.finish("end", end_s)
        commit = Commit(epoch, stream.steps, stream.state(mode), closed, None, end_s, status, error)
        self._store.commit(video_id, commit)
        record = self._store.video(video_id)
        self._on_commit(record, closed)
        return record


def _mode(state: IngestState) -> DecodeMode:
    return "keyframes" if state.decode_mode == "keyframes" else "full"


def _damage(source: FrameSource) -> VideoError | None:
    return None if source.damage is None else VideoError("media.damaged", source.damage)
