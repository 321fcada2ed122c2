"""Which folder a store's files lie in, so that a copy of them is never taken for the original.

`FolderIdentity.of(folder)` reads ``identity.json``: the folder's device and inode, its path, and a secret made for it.
The running server's socket is named after the secret. A copied or restored folder has another inode: its file counts
for nothing there, and whoever starts a server in it writes a new one with a secret of its own.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "identity.json"


@dataclass(frozen=True, slots=True)
class FolderIdentity:
    """A folder as the file in it describes it.

    Attributes:
        device, inode: of the folder itself.
        path: where it lay when its server was first started.
        secret: 16 random hexadecimal digits.
    """

    device: int
    inode: int
    path: str
    secret: str

    @classmethod
    def of(cls, folder: Path) -> FolderIdentity | None:
        """The identity written for this very folder; None where there is none, or where it was written for another."""
        try:
            identity = cls(**json.loads((folder / FILE_NAME).read_text()))
            about = folder.stat()
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return identity if (identity.device, identity.inode) == (about.st_dev, about.st_ino) else None

    @classmethod
    def settled(cls, folder: Path) -> FolderIdentity:
        """The folder's identity, written anew where it has none of its own. Call it with the folder's start lock."""
        if (identity := cls.of(folder)) is not None and identity.path == str(folder):
            return identity
        about = folder.stat()
        identity = cls(about.st_dev, about.st_ino, str(folder), secrets.token_hex(8))
        fresh = folder / f"{FILE_NAME}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(asdict(identity), out)
        fresh.replace(folder / FILE_NAME)
        return identity
