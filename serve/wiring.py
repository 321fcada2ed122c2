"""Settings -> objects, in one process: what `longwatch ask` runs on, and what the service's processes build parts of.

Everything heavy is made on first use, so `longwatch videos` never loads a model.
"""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import torch

from encoders.base import Backend, KeySpace
from encoders.errors import WeightsUnavailable
from encoders.registry import default_backends
from memory.config import IndexConfig
from memory.errors import StoreError
from memory.index.faiss_index import FaissIndex
from memory.retrieval.index_snapshot import Snapshot
from memory.retrieval.keeper import COMPARE_S, Began, IndexKeeper, begin, snapshot_path
from memory.retrieval.retriever import LocalRetriever
from memory.store.opening import StoreHold
from memory.store.redis_store import RedisStore
from memory.store.retrying import RetryingStore
from pipeline.answer import Answerer
from pipeline.errors import BackendUnavailable
from pipeline.language.protocol import LanguageModel
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from pipeline.video.sandbox.source import SandboxedSource
from pipeline.video.source import FrameSource

from .jobs.job_queue import JobQueue
from .jobs.removal import Removal
from .settings import Settings

_WORTH_SAVING_CUBES = 2000
_SIDE_WITHOUT_TEXT_PX = 480


def load_backend(settings: Settings) -> Backend:
    """The encoder backend the settings name, on half the cores unless `threads` says otherwise: decoding runs beside
    it. Raises `BackendUnavailable` with the command that mends it."""
    threads = settings.threads or max(1, (os.cpu_count() or 1) // 2)
    try:
        return default_backends().get(settings.backend)(threads=threads)
    except WeightsUnavailable as missing:
        raise BackendUnavailable(str(missing)) from missing


def load_language_model(settings: Settings) -> LanguageModel:
    """The language model of the backend the settings name. From here on this process computes with one thread unless
    `threads` says otherwise: so small a model gains nothing from a second one, and where the cores are shared the two
    wait for each other (measured on two busy cores: 72 ms a token with one thread, 660 ms with two)."""
    from pipeline.language.smollm.model import PocketLanguageModel  # its libraries take seconds to import

    torch.set_num_threads(settings.threads or 1)
    return PocketLanguageModel(settings.cache_dir / "weights", cache_slots=settings.cache_slots)


def new_index(dim: int) -> FaissIndex:
    """The fast index. FAISS is an extra: without it the error names it."""
    return FaissIndex(dim)


def kept_retriever(settings: Settings, store: RedisStore, space: KeySpace, *, owner: bool) -> tuple[IndexKeeper, Began]:
    """Recall over all videos of a key space, from its snapshot on. The owner follows the store and trains its index; a
    single command's search compares once and trains nothing."""
    name, identity = str(space), store.identity()
    path = snapshot_path(settings.data_dir, name)
    config = IndexConfig() if owner else IndexConfig(flat_up_to=None)

    def make(snapshot: Snapshot | None) -> FaissIndex:
        return FaissIndex(space.dim, config, None if snapshot is None else snapshot.lists, loading=True)

    retriever, index, began = begin(store, path, name, identity, make, 2 * COMPARE_S if owner else 0.0)
    keeper = IndexKeeper(retriever, index, path, name, identity)
    keeper.begin_unsaved(began.replayed)
    return keeper, began


def file_source(settings: Settings, path: Path) -> FrameSource:
    """A source that samples as the settings say, decoded in a child process unless they trust all media. Pictures are
    as large as who looks at them needs: small lettering wants more than the pocket encoder."""
    small = settings.backend == "pocket" and not settings.screen_text
    config = DecodeConfig(fps=settings.fps, max_side_px=_SIDE_WITHOUT_TEXT_PX if small else DecodeConfig().max_side_px)
    sandbox = settings.sandbox_config()
    return FileSource(path, config) if sandbox is None else SandboxedSource(path, config, sandbox=sandbox)


class Longwatch:
    """The whole of Longwatch in this process. A context manager: leaving it lets go of the embedded store."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._hold = StoreHold(settings.store_config())

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
        return load_backend(self.settings)

    @functools.cached_property
    def model(self) -> LanguageModel:
        """The language model."""
        return load_language_model(self.settings)

    @functools.cached_property
    def retriever(self) -> LocalRetriever:
        """Exact in one video, the index across videos. What is asked of one video reads only that one."""
        space = self.backend.keys.space
        return LocalRetriever(self.store, new_index(space.dim), key_space=str(space))

    @functools.cached_property
    def retriever_everywhere(self) -> LocalRetriever:
        """Recall over all videos, from a snapshot where there is one; saved anew where much had to be read."""
        keeper, began = kept_retriever(self.settings, self.store, self.backend.keys.space, owner=False)
        if began.replayed >= _WORTH_SAVING_CUBES:
            with suppress(OSError, StoreError):  # it only saves the next search some reading
                keeper.save()
        return keeper.retriever

    @functools.cached_property
    def answerer(self) -> Answerer:
        """Questions."""
        return Answerer(self.store, self.retriever, self.backend.keys, self.model, self.settings.answer_config())
