"""One worker's session with one video, a file's or a camera's: claims it, goes on where the last one was, commits.

    session = WatchSession(store, backend, config, video_id, lambda: "push")     claimed and restored
    closed = session.take(frames)                           or `watching`, in threads
    session.commit(closed, "live")                          closed cubes, open cube and state, all or none
    session.commit(session.finish("end"), "ready")

A commit is made here and nowhere else. A light one (``full=False``) replaces only the open cube; a worker that dies
loses the steps since the last full one, and the next session watches exactly those again: same frames, same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from encoders.base import Backend, BoundaryReason, Frame
from memory.records import CubeMemory, OpenCube, VideoError, VideoRecord, VideoStatus
from memory.store.base import Commit, MemoryStore
from pipeline.config import IngestConfig
from pipeline.errors import BackendMismatch
from pipeline.video.source import DecodeMode
from pipeline.watching.cubes import new_cube_stream


def check_backend(record: VideoRecord, backend: Backend, config: IngestConfig) -> None:
    """Raises `BackendMismatch` where another backend or sampling began the video."""
    here = (backend.name, str(backend.keys.space), config.sampling)
    if here != (record.backend, record.key_space, record.sampling):
        made = f"{record.backend} ({record.sampling})"
        raise BackendMismatch(f"begun with {made}, this is {backend.name} ({config.sampling})")


class WatchSession:
    """The stream of cubes, the epoch and the commits of one worker. Making one takes the video over.

    Args:
        new_mode: how frames are got; asked only for a video that nobody has begun.

    Attributes:
        epoch: the claim; a commit of an older one is refused with `CommitRefused`.
        mode: how frames are got, from the first commit to the last.
        committed_s: time of the last picture that a full commit holds; None before the first.
    """

    def __init__(
        self,
        store: MemoryStore,
        backend: Backend,
        config: IngestConfig,
        video_id: str,
        new_mode: Callable[[], DecodeMode],
    ) -> None:
        self._store = store
        self._id = video_id
        self._stream = new_cube_stream(backend, config)
        self.epoch = store.claim(video_id)
        state = store.state(video_id)
        if state is not None:
            self._stream.restore(state)
        self.mode = _mode(state.decode_mode) if state else new_mode()
        self.committed_s = state.resume_after_s if state else None
        self._committed_steps = state.next_step if state else 0

    @property
    def last_s(self) -> float | None:
        """Time of the last picture watched, or None."""
        return self._stream.last_s

    @property
    def end_s(self) -> float:
        """Up to where the video is watched: one picture's time after the last."""
        return self._stream.end_s

    @property
    def uncommitted_steps(self) -> int:
        """Steps watched since the last full commit."""
        return self._stream.steps - self._committed_steps

    @property
    def begun(self) -> bool:
        """Whether a full commit holds any step."""
        return self._committed_steps > 0

    def watching(self, frames: Iterator[Frame]) -> AbstractContextManager[Iterator[list[CubeMemory]]]:
        """Watches frames in threads, a group with each item taken: the cubes that closed meanwhile, to be committed
        before the next is taken. See `CubeStream.watching`."""
        return self._stream.watching(frames)

    def take(self, frames: Sequence[Frame]) -> list[CubeMemory]:
        """Watches frames in this thread; returns the cubes that closed meanwhile."""
        return self._stream.take(frames)

    def finish(self, reason: BoundaryReason, end_s: float | None = None) -> list[CubeMemory]:
        """Watches what waits for its partner, and closes the open cube, if there is one, at `end_s`, else one
        picture's time after the last."""
        closed = self._stream.take((), last=True)
        return closed + self._stream.finish(reason, self.end_s if end_s is None else end_s)

    def commit(
        self,
        closed: Sequence[CubeMemory],
        status: VideoStatus,
        *,
        full: bool = True,
        watched_s: float | None = None,
        error: VideoError | None = None,
    ) -> OpenCube | None:
        """Stores the cubes that closed since the last commit, the open one and, where `full`, the state; all or none.

        Args:
            closed: in order; a light commit has none.
            watched_s: up to where the video is watched, where that is not `end_s`.

        Returns:
            The open cube as stored.

        Raises:
            CommitRefused: another worker has taken the video over, or it was deleted.
        """
        state = self._stream.state(self.mode) if full else None
        opened = self._stream.open_cube()
        watched_s = self.end_s if watched_s is None else watched_s
        commit = Commit(self.epoch, self._committed_steps, state, closed, opened, watched_s, status, error)
        self._store.commit(self._id, commit)
        if full:
            self._committed_steps, self.committed_s = self._stream.steps, self._stream.last_s
        return opened


def _mode(stored: str) -> DecodeMode:
    modes: tuple[DecodeMode, ...] = ("keyframes", "push")
    return next((mode for mode in modes if mode == stored), "full")
