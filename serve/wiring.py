"""Settings -> the objects they name: models, index, sources. `serve.embedded.Longwatch` puts them together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from encoders.backends import default_backends
from encoders.base import Backend, KeySpace
from encoders.compressors import default_compressors
from encoders.errors import WeightsUnavailable
from encoders.registry import Registry
from encoders.segmenters import default_segmenters
from memory.config import IndexConfig
from memory.index.faiss_index import FaissIndex
from memory.kv.policies import default_policies
from memory.propagation.propagators import default_propagators
from memory.retrieval.index_snapshot import Snapshot
from memory.retrieval.keeper import COMPARE_S, Began, IndexKeeper, begin, snapshot_path
from memory.store.redis_store import RedisStore
from pipeline.config import STREAMING
from pipeline.errors import BackendUnavailable
from pipeline.language.protocol import LanguageModel
from pipeline.queries.planners import planner_of
from pipeline.video.sampling import DecodeConfig
from pipeline.video.source import FrameSource
from pipeline.video.sources import open_source

from .settings import Settings

_WORTH_SAVING_CUBES = 2000
_SIDE_WITHOUT_TEXT_PX = 480


def registries() -> dict[str, Registry[Any]]:
    """What other distributions can add to, and cubings and propagators, by the setting that names one of each."""
    return {
        "backend": default_backends(),
        "cubing": default_segmenters(),
        "compressor": default_compressors(),
        "policy": default_policies(),
        "propagator": default_propagators(),
    }


def check_names(settings: Settings) -> None:
    """Raises `UnknownName` with the known names where a setting names what is not there; imports none of it."""
    for setting, registry in registries().items():
        name = getattr(settings, setting)
        if (setting, name) != ("propagator", STREAMING):  # the backend's own, if it has one
            registry.check(name)


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
    folder = settings.cache_dir / "weights"
    model = PocketLanguageModel(folder, cache_slots=settings.cache_slots, policy=settings.policy)
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


def file_source(settings: Settings, path: Path | str) -> FrameSource:
    """A source for a path or an address that samples as the settings say; a file is decoded in a child process unless
    they trust all media. Pictures are as large as who looks at them needs: small lettering wants more than the pocket
    encoder."""
    small = settings.backend == "pocket" and not settings.screen_text
    config = DecodeConfig(fps=settings.fps, max_side_px=_SIDE_WITHOUT_TEXT_PX if small else DecodeConfig().max_side_px)
    return open_source(path, config, settings.sandbox_config())
