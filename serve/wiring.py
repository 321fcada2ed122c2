"""Settings -> the objects they name: models, index, sources. `serve.embedded.Longwatch` puts them together."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from encoders.base import Backend, KeySpace
from encoders.errors import WeightsUnavailable
from encoders.registry import default_backends
from memory.config import IndexConfig
from memory.index.faiss_index import FaissIndex
from memory.retrieval.index_snapshot import Snapshot
from memory.retrieval.keeper import COMPARE_S, Began, IndexKeeper, begin, snapshot_path
from memory.store.redis_store import RedisStore
from pipeline.errors import BackendUnavailable
from pipeline.language.protocol import LanguageModel
from pipeline.queries.planner import planner_of
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from pipeline.video.sandbox.source import SandboxedSource
from pipeline.video.source import FrameSource

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
    """The language model of the backend the settings name. Raises `BackendUnavailable` where it cannot be loaded, or
    cannot be the planner that they name. From here on this process computes with one thread unless
    `threads` says otherwise: so small a model gains nothing from a second one, and where the cores are shared the two
    wait for each other (measured on two busy cores: 72 ms a token with one thread, 660 ms with two)."""
    from pipeline.language.smollm.model import PocketLanguageModel  # its libraries take seconds to import

    torch.set_num_threads(settings.threads or 1)
    model = PocketLanguageModel(settings.cache_dir / "weights", cache_slots=settings.cache_slots)
    planner_of(settings.planner, model)  # refused where the service starts, not with the first question
    return model


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
