"""The key index: a rebuildable cache over the store's keys. `numpy_index` is the oracle, `faiss_index` the fast one.

Ids are int64: video number << 32 | ordinal (24 bits) << 8 | key slot (8 bits).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from memory.records import F32, Ids

MAX_ORDINAL = (1 << 24) - 1
MAX_SLOT = (1 << 8) - 1


def key_id(video_number: int, ordinal: int, slot: int) -> int:
    """Packs one key's id. Refuses what does not fit with ValueError."""
    if not (0 < video_number < 1 << 31 and 0 <= ordinal <= MAX_ORDINAL and 0 <= slot <= MAX_SLOT):
        raise ValueError(f"no index id for video {video_number}, ordinal {ordinal}, slot {slot}")
    return video_number << 32 | ordinal << 8 | slot


def cube_ids(video_number: int, ordinal: int, count: int) -> Ids:
    """Ids of a cube's `count` keys. Refuses what does not fit with ValueError."""
    first = key_id(video_number, ordinal, 0)
    key_id(video_number, ordinal, max(count - 1, 0))
    return np.arange(first, first + count, dtype=np.int64)


def split_id(value: int) -> tuple[int, int, int]:
    """Video number, ordinal, key slot."""
    return value >> 32, value >> 8 & MAX_ORDINAL, value & MAX_SLOT


class KeyIndex(Protocol):
    """Inner products over unit rows, so scores are cosines. One index per key space."""

    @property
    def dim(self) -> int: ...

    def __len__(self) -> int:
        """Keys held."""
        ...

    def add(self, video_number: int, ordinal: int, keys: npt.NDArray[np.floating]) -> None:
        """Adds a cube's keys [R, K]. Adding the same cube again changes nothing."""
        ...

    def add_many(self, ids: Ids, keys: npt.NDArray[np.floating]) -> None:
        """Adds whole cubes at once: ids [n] as `key_id` packs them, keys [n, K]. Cubes held already are passed over."""
        ...

    def remove_video(self, video_number: int) -> int:
        """Forgets a video; returns how many keys went."""
        ...

    def search(self, query: F32, limit: int, videos: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """The `limit` best (id, cosine), best first, ties by id; only among `videos` (numbers) where given. A search in
        one video is exact."""
        ...
