"""Longwatch in one process: `Longwatch` watches files and answers questions about them.

with Longwatch() as longwatch:
    video = longwatch.watch("film.mp4")
    print(longwatch.ask(video.id, "When does the cat appear?").text)
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from encoders.base import Backend
from encoders.digest import file_sha256
from encoders.errors import EncoderError
from memory.errors import StoreError
from memory.records import CubeMemory, VideoRecord
from memory.retrieval.retriever import LocalRetriever
from memory.store.opening import StoreHold
from memory.store.redis_store import RedisStore
from memory.store.retrying import RetryingStore
from pipeline.answer import Answer, Answerer
from pipeline.errors import PipelineError
from pipeline.ingest import Ingest
from pipeline.language.protocol import LanguageModel
from pipeline.library import Identity, register_file
from pipeline.times import format_time

from . import wiring
from .jobs.job_queue import JobQueue
from .jobs.removal import Removal
from .settings import Settings

OnCommit = Callable[[VideoRecord, Sequence[CubeMemory]], None]
"""Called after each commit with the video as it then is and the cubes that closed."""
_WORTH_SAVING_CUBES = 2000


class Longwatch:
    """The whole of Longwatch in this process. A context manager: leaving it lets go of the embedded store.

    Everything heavy is made on first use: listing videos loads no model.

    Args:
        settings: those of the environment (`LONGWATCH_…`) where None.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._hold = StoreHold(self.settings.store_config())

    @property
    def hold(self) -> StoreHold:
        """The hold on the store, for what works on its server."""
        return self._hold

    def __enter__(self) -> Longwatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hold.close()

    @functools.cached_property
    def store(self) -> RedisStore:
        """The truth, with what a crash left half-done mended."""
        self.removal.resume()
        return self._hold.store

    @functools.cached_property
    def removal(self) -> Removal:
        """Forgets videos, with their jobs and kept files."""
        jobs = JobQueue(self._hold.client(), self.settings.lease_s)
        return Removal(self._hold.store, jobs, self.settings.data_dir)

    def retrying_store(self) -> RetryingStore:
        """The store for watching: it waits while the server is away."""
        return self._hold.retrying()

    @functools.cached_property
    def backend(self) -> Backend:
        """The encoders."""
        return wiring.load_backend(self.settings)

    @functools.cached_property
    def model(self) -> LanguageModel:
        """The language model."""
        return wiring.load_language_model(self.settings)

    @functools.cached_property
    def retriever(self) -> LocalRetriever:
        """Exact in one video, the index across videos. What is asked of one video reads only that one."""
        space = self.backend.keys.space
        return LocalRetriever(self.store, wiring.new_index(space.dim), key_space=str(space))

    @functools.cached_property
    def retriever_everywhere(self) -> LocalRetriever:
        """Recall over all videos, from a snapshot where there is one; saved anew where much had to be read."""
        keeper, began = wiring.kept_retriever(self.settings, self.store, self.backend.keys.space, owner=False)
        if began.replayed >= _WORTH_SAVING_CUBES:
            with suppress(OSError, StoreError):  # it only saves the next search some reading
                keeper.save()
        return keeper.retriever

    @functools.cached_property
    def answerer(self) -> Answerer:
        """Questions."""
        return Answerer(self.store, self.retriever, self.backend.keys, self.model, self.settings.answer_config())

    def watch(self, path: Path | str, on_commit: OnCommit = lambda record, closed: None) -> VideoRecord:
        """The file's video, watched to its end; at once where it was watched before. Nothing stays of one that fails.

        Raises `PipelineError` where the file cannot be watched, `StoreError` where the memory cannot be kept.
        """
        path = Path(path)
        config = self.settings.ingest_config()
        source = wiring.file_source(self.settings, path)
        source.probe()  # refused before a model is loaded
        identity = Identity(file_sha256(path), self.backend.name, str(self.backend.keys.space), config.sampling)
        registered = register_file(self.store, identity, source, path.resolve(), path.name)
        if registered.replaced is not None:
            self.removal.drop_outside(registered.replaced)
        video = registered.video
        try:
            video = Ingest(self.retrying_store(), self.backend, config, on_commit).run(video.id, source)
        except (PipelineError, EncoderError):
            if self.removal.kept(video) is None:  # else it is the service's, which goes on with it
                self.removal.delete(video.id)
            raise
        self.retriever.videos.refresh(video.id)
        return video

    def ask(self, video_id: str, question: str) -> Answer:
        """The whole answer to a question about one video.

        Raises `UnknownVideo`, `BackendMismatch`, and `NotWatchedYet` before anything was watched.
        """
        *_, answer = self.answerer.ask(video_id, question)
        if not isinstance(answer, Answer):
            raise RuntimeError("an answer did not end with an Answer")
        return answer


def watch(longwatch: Longwatch, path: Path) -> VideoRecord:
    """`Longwatch.watch` with a progress line on stderr."""
    with ProgressLine(sys.stderr, path.name) as progress:
        return longwatch.watch(path, lambda record, closed: progress.show(record))


class ProgressLine:
    """Shows how much of a video is watched: one line on a terminal, ten whole ones at most in a file or a pipe."""

    def __init__(self, out: TextIO, name: str) -> None:
        self._out = out
        self._name = name
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

    def show(self, video: VideoRecord) -> None:
        """One more commit."""
        watched_s, duration_s = video.ingested_s, video.duration_s
        share = min(watched_s / duration_s, 1.0) if duration_s else None
        of = f" of {format_time(duration_s)} ({share:.0%})" if duration_s and share is not None else ""
        line = f"watching {self._name}: {format_time(watched_s)}{of}, {video.cubes} cubes closed"
        if self._live:
            self._out.write(f"\r\x1b[K{line}")
            self._open = True
        elif share is None or int(share * 10) > self._shown_tenth:
            self._shown_tenth = int((share or 0.0) * 10)
            self._out.write(line + "\n")
        self._out.flush()
