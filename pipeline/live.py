"""One live stream: pushed pictures in, memory out, while it is watched. A stream is a video with status `live`.

    push()   any thread: samples, queues; a full queue drops its oldest picture, counts it and says so
    run()    the stream's own thread: decode -> cube stream -> commit          pipeline/session.py
    events   credit, closed and open cubes, refused pictures                   pipeline/live_events.py

Commits: the open cube at least once a second while pictures come; the full state every `full_steps` steps, when a cube
closes, and when no picture came for a second. Only pictures up to the last *full* commit are acknowledged
(`committed_s`): a client keeps what is after it and sends it again after a lost connection. A stream taken up again
after a crash closes the cube that was open as `interrupted`.

With a store that waits (`memory.store.retrying`) a store that is away only holds the stream up: no commit, so no new
credit, while pictures queue; when it is back the same commit goes through.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from encoders.base import Backend, Frame
from memory.records import CubeMemory, VideoStatus
from memory.store.base import MemoryStore
from pipeline.config import IngestConfig, LiveConfig
from pipeline.errors import PipelineError
from pipeline.live_events import EventLog, LiveEvent, cube_event
from pipeline.session import WatchSession, check_backend
from pipeline.video.pushed import decode_picture


class LiveStream:
    """The state machine of one stream; made by whoever may write it, which takes the stream over.

    Raises:
        ValueError: the video is not live.
        BackendMismatch: another backend or sampling began it.
    """

    def __init__(
        self, store: MemoryStore, backend: Backend, config: IngestConfig, video_id: str, live: LiveConfig
    ) -> None:
        self._store = store
        self._config = config
        self._live = live
        self._id = video_id
        self._changed = threading.Condition()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._log = EventLog(self._changed)
        self._ending = False
        self._dropped = 0
        self._closing = threading.Lock()
        self._ended = False
        record = store.video(video_id)
        if record.status != "live":  # ended by another since it was looked up; a commit here would make it live again
            raise ValueError(f"this video is {record.status}, not live")
        check_backend(record, backend, config)
        self._start_utc_s = record.start_utc_s
        self._start_stored = record.start_utc_s is not None
        self._session = WatchSession(store, backend, config, video_id, lambda: "push")
        self._received_s = self._session.committed_s or 0.0
        self._last_grid = self._grid(self._received_s) if self._session.begun else -1
        if self._session.begun:
            self._commit(self._session.finish("interrupted"), full=True)

    @property
    def committed_s(self) -> float | None:
        """Stream time of the last acknowledged picture."""
        return self._session.committed_s

    def _grid(self, time_s: float) -> int:
        return math.floor(time_s * self._config.fps + 1e-6)

    def push(self, capture_us: int, picture: bytes) -> None:
        """Takes one picture: capture time in microseconds of Unix UTC, never run back; JPEG or WebP bytes."""
        with self._changed:
            if self._start_utc_s is None:
                self._start_utc_s = capture_us / 1e6  # stored before the first commit: here nothing waits for the store
            self._received_s = max(capture_us / 1e6 - self._start_utc_s, self._received_s)
            grid = self._grid(self._received_s)
            if grid > self._last_grid:
                self._last_grid = grid
                self._queue.append((self._received_s, picture))
                if len(self._queue) > self._live.queue_frames:
                    self._queue.popleft()
                    self._dropped += 1
                    self._log.emit("credit", self.credit())
                self._changed.notify_all()

    def credit(self) -> dict[str, Any]:
        """How many more pictures may be sent now, what was dropped, and how far memory is."""
        with self._changed:
            committed_s = self.committed_s
            return {
                "frames": self._live.queue_frames - len(self._queue),
                "dropped": self._dropped,
                "received_s": round(self._received_s, 6),
                "committed_s": None if committed_s is None else round(committed_s, 6),
            }

    @property
    def last_event(self) -> int:
        """Number of the last event."""
        return self._log.number

    def events(self, after: int, timeout_s: float) -> list[LiveEvent]:
        """Events numbered above `after`; waits up to `timeout_s` for the first."""
        return self._log.after(after, timeout_s)

    def run(self) -> None:
        """Watches until `end`; runs in the stream's own thread."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._ending, self._live.idle_s)
                group = [self._queue.popleft() for _ in range(min(len(self._queue), self._live.group_frames))]
                ending = self._ending
            if group:
                self._watch(group)
            elif ending:
                return
            elif self._session.uncommitted_steps:
                self._commit([], full=True)

    def _watch(self, group: Sequence[tuple[float, bytes]]) -> None:
        frames = []
        for time_s, picture in group:
            try:
                frames.append(Frame(decode_picture(picture), time_s))
            except PipelineError as error:
                self._log.emit("error", {"code": error.code, "detail": str(error), "fatal": False})
        before = self._session.uncommitted_steps
        closed = self._session.take(frames)
        if self._session.uncommitted_steps == before:  # nothing could be decoded, or a picture waits for its partner
            self._log.emit("credit", self.credit())
            return
        due = self._session.uncommitted_steps >= self._live.full_steps
        self._commit(closed, full=bool(closed) or due or not self._session.begun)

    def _commit(self, closed: Sequence[CubeMemory], *, full: bool, status: VideoStatus = "live") -> None:
        if not self._start_stored and self._start_utc_s is not None:
            self._store.update_video(self._id, while_epoch=self._session.epoch, start_utc_s=self._start_utc_s)
            self._start_stored = True
        opened = self._session.commit(closed, status, full=full)
        with self._changed:
            for cube in (*closed, opened):
                if cube is not None:
                    self._log.emit("cube", cube_event(cube))
            self._log.emit("credit", self.credit())

    def leave(self) -> None:
        """Watches what is queued, then makes `run` return."""
        with self._changed:
            self._ending = True
            self._log.end()

    def end(self) -> None:
        """After `run` returned: closes the open cube and the video, which becomes `ready`. Whoever calls second waits
        for the first and does nothing; after an error the next call tries nothing again, since the cube is closed."""
        with self._closing:
            if self._ended:
                return
            self._ended = True
            self._commit(self._session.finish("end"), full=True, status="ready")

    def checkpoint(self) -> None:
        """After `run` returned: commits everything and leaves the stream live, unless it has ended."""
        with self._closing:
            if not self._ended and self._session.uncommitted_steps:
                self._commit([], full=True)
