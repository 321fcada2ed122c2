"""The worker that `test_kill.py` kills: a real ingest of a real file into a real store, with a backend of no weight.

Its exit status is 0 when the video was watched to its end, `LEFT` when another worker took it over.
"""

from __future__ import annotations

import sys
from pathlib import Path

from encoders.digest import file_sha256
from memory.config import StoreConfig
from memory.errors import CommitRefused
from memory.store.opening import StoreHold
from pipeline.config import IngestConfig
from pipeline.ingest import Ingest
from pipeline.library import Identity, register_file
from pipeline.video.file import FileSource
from pipeline.video.sampling import DecodeConfig
from tests.pipeline.fakes import colour_backend

LEFT = 3
CONFIG = IngestConfig(fps=2.0, commit_steps=2, propagator="merging")


def watch(data_dir: Path, file: Path) -> None:
    """Finds or registers the file and watches it to its end, as `longwatch ingest` does."""
    backend = colour_backend()
    source = FileSource(file, DecodeConfig(fps=CONFIG.fps))
    identity = Identity(file_sha256(file), backend.name, str(backend.keys.space), CONFIG.sampling)
    with StoreHold(StoreConfig(data_dir)) as hold:
        store = hold.retrying()
        video = register_file(store, identity, source, file, file.name).video
        try:
            Ingest(store, backend, CONFIG, lambda record, closed: None).run(video.id, source)
        except CommitRefused as refused:
            sys.exit(LEFT if refused.reason == "epoch" else 1)
