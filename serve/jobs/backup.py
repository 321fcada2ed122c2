"""`longwatch backup` and `longwatch restore`: the whole data folder as it was at one moment, also while it is in use.

A backup is a folder: ``store/`` (the data set at that moment), ``media/`` (kept files) and ``backup.json`` (sizes and
SHA-256 of all files). It appears under its name when it is whole. Index snapshots are left out; they are made anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from memory.private_folder import private_folder
from memory.store.opening import StoreHold
from memory.store.snapshot import write_snapshot
from serve.errors import DiskFull, ServeError
from serve.settings import Settings

from .media import FOLDER as MEDIA

_LIST = "backup.json"
_STORE = "store"


class BackupRefused(ServeError):
    """It cannot be backed up or restored like this."""

    code = "backup.refused"


def back_up(settings: Settings, hold: StoreHold, target: Path) -> dict[str, Any]:
    """Writes a backup to the new folder `target`. Raises `BackupRefused`, `DiskFull`, `StoreUnavailable`."""
    if settings.redis_url:
        raise BackupRefused("the store is elsewhere (LONGWATCH_REDIS_URL): back it up with its own tools")
    if target.exists():
        raise BackupRefused(f"{target} is there already")
    partial = target.with_name(f"{target.name}.partial")
    hold.store.ping()
    with _written(partial):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        write_snapshot(hold.client(), settings.data_dir / _STORE, partial / _STORE)
        _copy_media(settings.data_dir / MEDIA, partial / MEDIA)
        files = {str(path.relative_to(partial)): _about(path) for path in sorted(partial.rglob("*")) if path.is_file()}
        made = {"version": version("longwatch"), "created_at": datetime.now(UTC).isoformat(), "files": files}
        (partial / _LIST).write_text(json.dumps(made, indent=1))
        partial.rename(target)
    return _summary(target, files)


def restore(settings: Settings, source: Path) -> dict[str, Any]:
    """Fills an empty data folder from a backup, every file checked. Raises `BackupRefused`, `DiskFull`,
    `StoreUnavailable` where the restored store cannot be opened."""
    if settings.redis_url:
        raise BackupRefused("the store is elsewhere (LONGWATCH_REDIS_URL): restore it with its own tools")
    data = settings.data_dir
    if data.is_dir() and any(data.iterdir()):
        raise BackupRefused(f"{data} is not empty: name another folder by LONGWATCH_DATA_DIR, or move it away first")
    try:
        files: dict[str, dict[str, Any]] = json.loads((source / _LIST).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupRefused(f"{source} is not a whole backup: it has no readable {_LIST}") from error
    for name, about in files.items():
        path = source / name
        if not path.resolve().is_relative_to(source.resolve()) or not path.is_file() or _about(path) != about:
            raise BackupRefused(f"{name} of the backup is missing or damaged")
    with _written(data / _STORE, data / MEDIA):
        private_folder(data)
        for name in sorted(files):
            (data / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(source / name, data / name)
    with StoreHold(settings.store_config()) as hold:
        hold.store.ping()
    return _summary(data, files)


@contextmanager
def _written(*folders: Path) -> Iterator[None]:
    """Nothing stays of what could not be written whole."""
    try:
        yield
    except BaseException as error:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise DiskFull(f"the files could not be written: {error.strerror}") from error
        raise


def _copy_media(source: Path, target: Path) -> None:
    """All kept files; one that is deleted meanwhile has no video any more."""
    target.mkdir(mode=0o700)
    for path in sorted(source.iterdir()) if source.is_dir() else ():
        try:
            shutil.copyfile(path, target / path.name)
        except FileNotFoundError:
            (target / path.name).unlink(missing_ok=True)


def _about(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _summary(folder: Path, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    size = sum(int(about["bytes"]) for about in files.values())
    return {"backup": {"folder": str(folder), "files": len(files), "bytes": size}}
