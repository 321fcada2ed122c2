"""One live stream: pushed pictures in, memory out, while it is watched. A stream is a video with status `live`.

    push()   any thread: samples, queues; a full queue drops its oldest picture, counts it and says so
    run()    the stream's own thread: decode -> cube stream -> commit
    events   credit, closed and open cubes, refused pictures; numbered, so that nobody misses one

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
from dataclasses import dataclass
from typing import Any

from encoders.base import Backend, Frame
from encoders.notes import Notes
from memory.records import CubeMemory, VideoStatus
from memory.store.base import Commit, MemoryStore
from pipeline.answering.phrases import notes_phrase
from pipeline.config import IngestConfig
from pipeline.errors import PipelineError
from pipeline.video.pushed import decode_picture
from pipeline.watching.cubes import new_cube_stream


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """Bounds of one stream.

    Attributes:
        queue_frames: sampled pictures that may wait for the encoder; the credit a client begins with.
        group_frames: pictures encoded together at most.
        full_steps: steps between two full commits at most.
        idle_s: without a picture for so long, everything is committed.
    """

    queue_frames: int = 32
    group_frames: int = 4
    full_steps: int = 16
    idle_s: float = 1.0


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An event for the stream's clients: `kind` is ``credit``, ``cube`` or ``error``."""

    number: int
    kind: str
    data: dict[str, Any]


class LiveStream:
    """The state machine of one stream; made by whoever may write it, which takes the stream over."""

    def __init__(
        self, store: MemoryStore, backend: Backend, config: IngestConfig, video_id: str, live: LiveConfig
    ) -> None:
        self._store = store
        self._config = config
        self._live = live
        self._id = video_id
        self._stream = new_cube_stream(backend, config)
        self._changed = threading.Condition()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._events: deque[LiveEvent] = deque(maxlen=1024)
        self._number = 0
        self._ending = False
        self._dropped = 0
        self._received_s = 0.0
        self._closing = threading.Lock()
        self._ended = False
        self._take_over()

    def _take_over(self) -> None:
        record = self._store.video(self._id)
        if record.status != "live":  # ended by another since it was looked up; a commit here would make it live again
            raise ValueError(f"this video is {record.status}, not live")
        self._epoch = self._store.claim(self._id)
        self._start_utc_s = record.start_utc_s
        self._start_stored = record.start_utc_s is not None
        state = self._store.state(self._id)
        self._stored_step = 0
        self._committed_s: float | None = None
        self._last_grid = -1
        if state is not None:
            self._stream.restore(state)
            self._stored_step = state.next_step
            self._committed_s = self._received_s = state.resume_after_s or 0.0
            self._last_grid = self._grid(self._received_s)
            self._commit(self._stream.finish("interrupted", self._received_s + 1.0 / self._config.fps), full=True)

    @property
    def committed_s(self) -> float | None:
        """Stream time of the last acknowledged picture."""
        return self._committed_s

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
                    self._emit("credit", self._credit())
                self._changed.notify_all()

    def _credit(self) -> dict[str, Any]:
        return {
            "frames": self._live.queue_frames - len(self._queue),
            "dropped": self._dropped,
            "received_s": round(self._received_s, 6),
            "committed_s": None if self._committed_s is None else round(self._committed_s, 6),
        }

    def credit(self) -> dict[str, Any]:
        """How many more pictures may be sent now, what was dropped, and how far memory is."""
        with self._changed:
            return self._credit()

    @property
    def last_event(self) -> int:
        """Number of the last event."""
        with self._changed:
            return self._number

    def _emit(self, kind: str, data: dict[str, Any]) -> None:
        """The lock is held."""
        self._number += 1
        self._events.append(LiveEvent(self._number, kind, data))
        self._changed.notify_all()

    def events(self, after: int, timeout_s: float) -> list[LiveEvent]:
        """Events numbered above `after`; waits up to `timeout_s` for the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self._ending, timeout_s)
            return [event for event in self._events if event.number > after]

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
            elif self._stream.steps > self._stored_step:
                self._commit([], full=True)

    def _watch(self, group: Sequence[tuple[float, bytes]]) -> None:
        frames = []
        for time_s, picture in group:
            try:
                frames.append(Frame(decode_picture(picture), time_s))
            except PipelineError as error:
                with self._changed:
                    self._emit("error", {"code": error.code, "detail": str(error), "fatal": False})
        if not frames:
            with self._changed:
                self._emit("credit", self._credit())
            return
        closed = self._stream.take(frames)
        due = self._stream.steps - self._stored_step >= self._live.full_steps
        self._commit(closed, full=bool(closed) or due or self._stored_step == 0)

    def _commit(self, closed: Sequence[CubeMemory], *, full: bool, status: VideoStatus = "live") -> None:
        if not self._start_stored and self._start_utc_s is not None:
            self._store.update_video(self._id, while_epoch=self._epoch, start_utc_s=self._start_utc_s)
            self._start_stored = True
        state = self._stream.state("push") if full else None
        last_s = self._stream.last_s
        watched_s = (last_s + 1.0 / self._config.fps) if last_s is not None else 0.0
        opened = self._stream.open_cube()
        self._store.commit(self._id, Commit(self._epoch, self._stored_step, state, closed, opened, watched_s, status))
        if full:
            self._stored_step = self._stream.steps
        with self._changed:
            if full:
                self._committed_s = last_s
            for cube in closed:
                self._emit("cube", _cube_event(cube.span.start_s, cube.span.end_s, cube.notes, cube.ordinal))
            if opened is not None:
                self._emit("cube", _cube_event(opened.span.start_s, opened.span.end_s, opened.notes, None))
            self._emit("credit", self._credit())

    def leave(self) -> None:
        """Watches what is queued, then makes `run` return."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def end(self) -> None:
        """After `run` returned: closes the open cube and the video, which becomes `ready`. Whoever calls second waits
        for the first and does nothing; after an error the next call tries nothing again, since the cube is closed."""
        with self._closing:
            if self._ended:
                return
            self._ended = True
            last_s = self._stream.last_s
            closed = [] if last_s is None else self._stream.finish("end", last_s + 1.0 / self._config.fps)
            self._commit(closed, full=True, status="ready")

    def checkpoint(self) -> None:
        """After `run` returned: commits everything and leaves the stream live, unless it has ended."""
        with self._closing:
            if not self._ended and self._stream.steps > self._stored_step:
                self._commit([], full=True)


def _cube_event(start_s: float, end_s: float, notes: Any, ordinal: int | None) -> dict[str, Any]:
    phrase = notes_phrase(Notes.from_plain(dict(notes)))
    return {"span": {"start_s": start_s, "end_s": end_s}, "notes": phrase, "ordinal": ordinal, "open": ordinal is None}
