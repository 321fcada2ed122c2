"""The worker that `test_kill.py` kills: a real ingest of a real file into a real store, with a backend of no weight."""

from __future__ import annotations

from pathlib import Path

from memory.embedded import EmbeddedValkey
from memory.redis_store import RedisStore
from pipeline.config import IngestConfig
from pipeline.decode import DecodeConfig
from pipeline.ingest import Ingest
from pipeline.library import Identity, file_sha256, register_file
from pipeline.sources.file import FileSource
from tests.pipeline.fakes import colour_backend

CONFIG = IngestConfig(fps=2.0, commit_steps=2, propagator="merging")


def watch(data_dir: Path, file: Path) -> None:
    """Finds or registers the file and watches it to its end, as `longwatch ingest` does."""
    backend = colour_backend()
    source = FileSource(file, DecodeConfig(fps=CONFIG.fps))
    identity = Identity(file_sha256(file), backend.name, str(backend.keys.space), CONFIG.sampling)
    with EmbeddedValkey(data_dir) as server:
        store = RedisStore.at_socket(server.socket)
        video = register_file(store, identity, source, file, file.name).video
        Ingest(store, backend, CONFIG, lambda record, closed: None).run(video.id, source)
        store.close()
