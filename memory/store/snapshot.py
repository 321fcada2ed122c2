"""A consistent copy of a running embedded store, in the shape that the server itself starts from.

`write_snapshot` has the server write its whole data set at one moment (``BGSAVE``: a fork, so that commits go on) and
lays the file down as the base of an append-only file. A server started on a folder with it holds what was there at
that moment.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import Any

from memory.errors import StoreError
from memory.store.connection import translated

_DUMP = "dump.rdb"
_LOG_FOLDER = "appendonlydir"
_BASE = "appendonly.aof.1.base.rdb"
_MANIFEST = "appendonly.aof.manifest"
_POLL_S = 0.02


def write_snapshot(client: Any, store_dir: Path, target: Path) -> None:
    """Writes the data set of the server at `client`, whose files are in `store_dir`, into the new folder `target`.
    Raises StoreUnavailable, StoreError where the server could not write it, OSError where it cannot be copied."""
    with (store_dir / "backup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one dump at a time: they share a file
        dump = store_dir / _DUMP
        try:
            with translated():
                _save(client)
            log = target / _LOG_FOLDER
            log.mkdir(parents=True)
            _copy(dump, log / _BASE)
        finally:
            dump.unlink(missing_ok=True)
    (log / _MANIFEST).write_text(f"file {_BASE} seq 1 type b\n")


def _save(client: Any) -> None:
    saves = int(client.info("persistence")["rdb_saves"])
    client.bgsave(schedule=True)
    while True:
        about = client.info("persistence")
        if int(about["rdb_saves"]) > saves and not int(about["rdb_bgsave_in_progress"]):  # begun, and over
            if about["rdb_last_bgsave_status"] != "ok":
                raise StoreError("the store could not write a copy of itself; is its disk full?")
            return
        time.sleep(_POLL_S)  # the server announces nothing when it has saved


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
