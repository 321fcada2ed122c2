"""Tables of numbers for the pocket backend's words: 32 bytes that name the words, then float16 in numpy's format.

`save_table` writes one; `load_table` reads it and refuses a table that was made for other words.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoders.errors import WeightsUnavailable


def load_table(
    path: Path, words_sha256: str, shape: tuple[int, ...], script: str
) -> tuple[npt.NDArray[np.float32], str]:
    """The table as float32 of this shape, and the file's SHA-256.

    Args:
        words_sha256: digest of the words it must have been made for.
        script: what makes it, for the error.

    Raises:
        WeightsUnavailable: the table was made for other words.
    """
    with path.open("rb") as file:
        made_for = file.read(32)
        table = np.load(file, allow_pickle=False)
    if made_for.hex() != words_sha256 or table.shape != shape:
        raise WeightsUnavailable(f"{path.name} was made for other words; run: python {script}")
    return table.astype(np.float32), hashlib.sha256(path.read_bytes()).hexdigest()


def save_table(path: Path, words_sha256: str, table: npt.NDArray[np.float32]) -> str:
    """Writes the table; returns the file's SHA-256."""
    with path.open("wb") as file:
        file.write(bytes.fromhex(words_sha256))
        np.save(file, table.astype(np.float16), allow_pickle=False)
    return hashlib.sha256(path.read_bytes()).hexdigest()
