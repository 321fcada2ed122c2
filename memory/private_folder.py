"""Folders and socket paths that only this user may enter.

`private_folder` makes one, `socket_path` finds a place for a unix socket whose path is short enough for the kernel.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from memory.errors import StoreUnavailable

LONGEST_SOCKET_PATH_BYTES = 107


def private_folder(folder: Path) -> Path:
    """Makes `folder` with mode 0700; an existing one of ours is closed to others. Raises StoreUnavailable where it is
    somebody else's, a link, or cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.lstat()
        if folder.is_symlink() or about.st_uid != os.getuid():
            raise StoreUnavailable(f"{folder} belongs to somebody else")
        if about.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise StoreUnavailable(f"{folder} cannot be used: {error.strerror}") from error
    return folder


def short_private_folder(runtime_dir: Path | None, name: str, longest_bytes: int) -> Path:
    """A private folder in which a file called `name` has a path of at most `longest_bytes` bytes: `runtime_dir`, else a
    folder of this user's among the temporary ones. Raises StoreUnavailable where there is none."""
    private = f"longwatch-{os.getuid()}"
    folders = [Path(tempfile.gettempdir()) / private, Path("/tmp") / private]
    if runtime_dir is not None:
        folders.insert(0, Path(runtime_dir).resolve())
    for folder in folders:
        if len(os.fsencode(folder / name)) <= longest_bytes:
            return private_folder(folder)
    raise StoreUnavailable(f"no folder with a path short enough for {name} among {[str(f) for f in folders]}")


def socket_path(runtime_dir: Path | None, name: str) -> Path:
    """Where a unix socket called `name` may go. Raises StoreUnavailable where no folder is short enough."""
    return short_private_folder(runtime_dir, name, LONGEST_SOCKET_PATH_BYTES) / name
