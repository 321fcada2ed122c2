"""Keeps room on the disk for the embedded store's log: a server that cannot write its log ends.

`DiskReserve.check` before whatever fills the disk: a commit, a part of an upload.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from memory.config import RESERVE_BYTES
from memory.errors import StoreFull

_LOG_FOLDER = "appendonlydir"
_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class DiskReserve:
    """What has to stay free on the disk of `data_dir`: `reserve_bytes`, and as much as the store's log has, since the
    server writes the log anew beside the old one."""

    data_dir: Path
    reserve_bytes: int = RESERVE_BYTES

    def check(self) -> None:
        """Raises `StoreFull` where less is free; nothing where the folder is not there yet."""
        with suppress(FileNotFoundError):
            free = shutil.disk_usage(self.data_dir).free
            kept = self.reserve_bytes + _size(self.data_dir / "store" / _LOG_FOLDER)
            if free < kept:
                raise StoreFull(
                    f"the disk is full but for {free // _MB} MB; {-(-kept // _MB)} MB are kept free for the store"
                )


def _size(folder: Path) -> int:
    """Bytes of the files in a folder; a file that goes meanwhile counts as nothing."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total
