"""A live stream's rolling cache: each closed cube is read once, as it comes, and a question reads only what is new.

What it is: for every stream that is asked with many cubes, what the model has read of it so far, caught up from the
store at each question. The cache underneath has a hard budget, so a stream of ten hours takes what one of a minute
does. A stream that nobody asks about goes cold: its place is given to another, and it is rebuilt from its last cubes
when somebody asks again. What it is not: memory. It can be dropped at any time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from encoders.notes import Notes
from memory.records import VideoRecord
from memory.store.base import MemoryStore
from pipeline.language.protocol import ReadableMemory, Reading, ReadingModel

MOST_STREAMS = 4
"""Streams kept warm; a cache of 1024 slots of the pocket model takes about 50 MB."""

MOST_CUBES = 64
"""Cubes read at once when a stream was cold: the last ones."""


@dataclass(slots=True)
class _Stream:
    """What was read of one stream, up to but not with ordinal `next_cube`."""

    reading: Reading
    next_cube: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class RollingReadings:
    """The streams' readings. Safe to call from several threads."""

    def __init__(self, store: MemoryStore, model: ReadingModel, streams: int = MOST_STREAMS) -> None:
        self._store = store
        self._model = model
        self._most = streams
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self._lock = threading.Lock()

    def caught_up(self, video: VideoRecord) -> Reading:
        """A copy of what was read of this stream, all cubes of the record included."""
        stream = self._stream(video.id)
        with stream.lock:
            first = max(stream.next_cube, video.cubes - MOST_CUBES)
            if first < video.cubes:
                cubes = self._store.cubes_at(video.id, range(first, video.cubes))
                stream.reading.read(
                    [
                        (cube.ordinal, ReadableMemory(cube.span, cube.tokens, Notes.from_plain(dict(cube.notes))))
                        for cube in cubes
                    ]
                )
                stream.next_cube = video.cubes
            return stream.reading.copy()

    def forget(self, video_id: str) -> None:
        """Drops a stream that ended or was deleted."""
        with self._lock:
            self._streams.pop(video_id, None)

    @property
    def streams(self) -> tuple[str, ...]:
        """Ids of the streams that are warm, the longest unasked first."""
        with self._lock:
            return tuple(self._streams)

    def _stream(self, video_id: str) -> _Stream:
        with self._lock:
            stream = self._streams.get(video_id)
            if stream is None:
                stream = self._streams[video_id] = _Stream(self._model.reading())
                while len(self._streams) > self._most:
                    self._streams.popitem(last=False)
            self._streams.move_to_end(video_id)
            return stream
