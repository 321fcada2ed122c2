"""Watching a file in this process: `watch(longwatch, path)` gives its video, and a progress line on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

from encoders.digest import file_sha256
from encoders.errors import EncoderError
from memory.records import CubeMemory, VideoRecord
from pipeline.errors import PipelineError
from pipeline.ingest import Ingest
from pipeline.library import Identity, register_file
from pipeline.times import format_time

from .wiring import Longwatch, file_source


def watch(longwatch: Longwatch, path: Path) -> VideoRecord:
    """The file's video, watched to its end; at once where it was watched before. Nothing stays of one that fails."""
    config = longwatch.settings.ingest_config()
    source = file_source(longwatch.settings, path)
    source.probe()  # refused before a model is loaded
    backend = longwatch.backend
    identity = Identity(file_sha256(path), backend.name, str(backend.keys.space), config.sampling)
    registered = register_file(longwatch.store, identity, source, path.resolve(), path.name)
    if registered.replaced is not None:
        longwatch.removal.drop_outside(registered.replaced)
    video = registered.video
    with ProgressLine(sys.stderr, video.name, video.duration_s) as progress:

        def on_commit(record: VideoRecord, closed: Sequence[CubeMemory]) -> None:
            progress.show(record.ingested_s, record.cubes)

        try:
            video = Ingest(longwatch.retrying_store(), backend, config, on_commit).run(video.id, source)
        except (PipelineError, EncoderError):
            if longwatch.removal.kept(video) is None:  # else it is the service's, which goes on with it
                longwatch.removal.delete(video.id)
            raise
    longwatch.retriever.refresh(video.id)
    return video


class ProgressLine:
    """Shows how much of a video is watched: one line on a terminal, ten whole ones at most in a file or a pipe."""

    def __init__(self, out: TextIO, name: str, duration_s: float | None) -> None:
        self._out = out
        self._name = name
        self._duration_s = duration_s
        self._live = out.isatty()
        self._shown_tenth = -1
        self._open = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._out.write("\n")

    def show(self, watched_s: float, cubes: int) -> None:
        """One more commit."""
        share = min(watched_s / self._duration_s, 1.0) if self._duration_s else None
        of = f" of {format_time(self._duration_s)} ({share:.0%})" if self._duration_s and share is not None else ""
        line = f"watching {self._name}: {format_time(watched_s)}{of}, {cubes} cubes closed"
        if self._live:
            self._out.write(f"\r\x1b[K{line}")
            self._open = True
        elif share is None or int(share * 10) > self._shown_tenth:
            self._shown_tenth = int((share or 0.0) * 10)
            self._out.write(line + "\n")
        self._out.flush()
