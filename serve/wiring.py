"""Settings -> objects, in one process: what `longwatch ask` runs on, and what the service's processes build parts of.

Everything heavy is made on first use, so `longwatch videos` never loads a model.
"""

from __future__ import annotations

import functools
from pathlib import Path
from types import TracebackType

import torch

from encoders.base import Backend
from encoders.errors import WeightsUnavailable
from encoders.registry import default_backends
from memory.index import KeyIndex
from memory.opening import StoreHold
from memory.recall import LocalRecall
from memory.redis_store import RedisStore
from pipeline.answer import Answerer
from pipeline.decode import DecodeConfig
from pipeline.errors import BackendUnavailable
from pipeline.language.base import LanguageModel
from pipeline.sources.file import FileSource

from .settings import Settings


def load_backend(settings: Settings) -> Backend:
    """The encoder backend the settings name. Raises `BackendUnavailable` with the command that mends it."""
    limit_threads(settings)
    try:
        return default_backends().get(settings.backend)(threads=settings.threads or None)
    except WeightsUnavailable as missing:
        raise BackendUnavailable(str(missing)) from missing


def load_language_model(settings: Settings) -> LanguageModel:
    """The language model of the backend the settings name. From here on this process computes with one thread unless
    `threads` says otherwise: so small a model gains nothing from a second one, and where the cores are shared the two
    wait for each other (measured on two busy cores: 72 ms a token with one thread, 660 ms with two)."""
    from pipeline.language.pocket import PocketLanguageModel  # its libraries take seconds to import

    torch.set_num_threads(settings.threads or 1)
    return PocketLanguageModel(settings.cache_dir / "weights")


def limit_threads(settings: Settings) -> None:
    """Applies `threads`; 0 leaves torch's own choice."""
    if settings.threads:
        torch.set_num_threads(settings.threads)


def new_index(dim: int) -> KeyIndex:
    """The fast index."""
    from memory.faiss_index import FaissIndex  # faiss is an extra: the error names it

    return FaissIndex(dim)


def file_source(settings: Settings, path: Path) -> FileSource:
    """A source that samples as the settings say."""
    return FileSource(path, DecodeConfig(fps=settings.fps))


class Longwatch:
    """The whole of Longwatch in this process. A context manager: leaving it lets go of the embedded store."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._hold = StoreHold(settings.store_config())

    def __enter__(self) -> Longwatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hold.close()

    @functools.cached_property
    def store(self) -> RedisStore:
        """The truth, with what a crash left half-done mended."""
        self._hold.store.repair()
        return self._hold.store

    @functools.cached_property
    def backend(self) -> Backend:
        """The encoders."""
        return load_backend(self.settings)

    @functools.cached_property
    def model(self) -> LanguageModel:
        """The language model."""
        return load_language_model(self.settings)

    @functools.cached_property
    def recall(self) -> LocalRecall:
        """Exact in one video, the index across videos."""
        return LocalRecall(self.store, new_index(self.backend.keys.space.dim))

    @functools.cached_property
    def answerer(self) -> Answerer:
        """Questions."""
        return Answerer(self.store, self.recall, self.backend.keys, self.model, self.settings.answer_config())
