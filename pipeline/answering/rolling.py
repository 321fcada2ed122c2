"""Keeps a rolling cache for each live stream, so that each closed cube is read once and a question reads only new ones.

`RollingReadings.caught_up` gives what the model has read of a stream, caught up from the store at each question. The
cache underneath has a hard budget, so a stream of ten hours takes as much memory as one of a minute. The stream that
was asked about least recently is dropped first, and is rebuilt from its last cubes at the next question. Nothing is
stored here: a reading can be dropped at any time.
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
"""Streams kept in the cache; 1024 slots of the pocket model take about 50 MB a stream."""

MOST_CUBES = 64
"""The most cubes read for one question; of a stream that has more unread ones, the last."""


@dataclass(slots=True)
class _Stream:
    """The reading of one stream, up to but not including ordinal `next_cube`."""

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
        """A copy of this stream's reading, caught up to the last cube of the record."""
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
        """Ids of the streams in the cache, the least recently asked first."""
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
