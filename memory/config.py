"""Settings of the memory, as plain values; `serve.settings` fills them from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where memories are kept.

    Attributes:
        data_dir: files of the embedded server and index snapshots.
        url: ``redis://``, ``rediss://`` or ``unix://`` of a server elsewhere; None starts the embedded one.
        cluster: whether `url` is a node of a Redis Cluster.
        runtime_dir: where the embedded server's socket goes; None for the system's temporary folder.
    """

    data_dir: Path
    url: str | None = None
    cluster: bool = False
    runtime_dir: Path | None = None
