"""Settings of the memory, as plain values; `serve.settings` fills them from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RESERVE_BYTES = 64 << 20
"""Kept free on the disk of the data folder, besides room for the store's log to be written anew."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where memories are kept.

    Attributes:
        data_dir: files of the embedded server and index snapshots.
        url: ``redis://``, ``rediss://`` or ``unix://`` of a server elsewhere; None starts the embedded one.
        cluster: whether `url` is a node of a Redis Cluster; None asks the server.
        runtime_dir: where the embedded server's socket goes; None for the system's temporary folder.
        retry_s: how long a worker waits for a store that is away (`memory.store.retrying`).
        reserve_bytes: so much stays free on the disk of `data_dir`, else commits wait (`memory.store.disk_reserve`).
        answer_s: a question waits so long for an answer of the server; one that is hung is unavailable then.
    """

    data_dir: Path
    url: str | None = None
    cluster: bool | None = None
    runtime_dir: Path | None = None
    retry_s: float = 600.0
    reserve_bytes: int = RESERVE_BYTES
    answer_s: float = 1.5


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """When the key index changes its shape.

    Attributes:
        flat_up_to: so many keys are searched one by one; with more, an IVF-Flat is trained in the background. None
            never trains.
        growth: it is trained again when it holds so many times the keys it was trained with.
        recall: share of the ten nearest keys that an IVF-Flat has to find, measured when it is trained.
        gpu: keep a copy to read from on a GPU, where FAISS finds one.
        gpu_flat_up_to: the same as `flat_up_to` with such a copy.
    """

    flat_up_to: int | None = 65536
    growth: float = 4.0
    recall: float = 0.995
    gpu: bool = True
    gpu_flat_up_to: int = 4_000_000
