"""The key index on FAISS: `IndexIDMap2` over `IndexFlatIP`, held in memory, saved as one checked file.

Exact, and equal to `numpy_index` to the bit: FAISS only finds candidates, all that could be among the best within
float32's rounding; `exact_scores` ranks them. Flat serves up to about a million
keys; beyond, an IVF-Flat with the same add and remove would take its place (HNSW cannot remove).

A cache: it can always be rebuilt from the store, and a snapshot only saves the time. FAISS is optional, imported here.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.errors import CorruptRecord, KeySpaceMismatch
from memory.index import key_id
from memory.numpy_index import checked_keys, checked_query, ranked
from memory.records import F32

_MAGIC = b"LWIX1"
_HEADER = struct.Struct("<5s32sI")


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ModuleNotFoundError("the FAISS index needs: pip install faiss-cpu (or faiss-gpu-cu12)") from error
    return faiss


class FaissIndex:
    """Implements `memory.index.KeyIndex`. Safe to call from several threads, one at a time."""

    def __init__(self, dim: int) -> None:
        self._faiss = _faiss()
        self._dim = dim
        self._lock = threading.Lock()
        self._adopt(self._faiss.IndexIDMap2(self._faiss.IndexFlatIP(dim)))

    def _adopt(self, index: Any) -> None:
        self._index = index
        self._flat = self._faiss.downcast_index(index.index)
        ids, rows = self._stored()
        self._cubes = {int(value) >> 8 for value in ids}
        self._longest = float(np.linalg.norm(rows, axis=1).max(initial=0.0))

    @property
    def dim(self) -> int:
        return self._dim

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def _stored(self) -> tuple[npt.NDArray[np.int64], F32]:
        """Ids [n] and rows [n, K]: views on FAISS's own memory, void after the next change."""
        count = int(self._index.ntotal)
        if count == 0:
            return np.zeros(0, np.int64), np.zeros((0, self._dim), np.float32)
        rows = self._faiss.rev_swig_ptr(self._flat.get_xb(), count * self._dim).reshape(count, self._dim)
        return self._faiss.rev_swig_ptr(self._index.id_map.data(), count), rows

    def add(self, video_number: int, ordinal: int, keys: npt.NDArray[np.floating]) -> None:
        rows = checked_keys(keys, self._dim)
        first = key_id(video_number, ordinal, 0)
        key_id(video_number, ordinal, max(len(rows) - 1, 0))
        with self._lock:
            if first >> 8 in self._cubes or not len(rows):
                return
            self._index.add_with_ids(rows, np.arange(first, first + len(rows), dtype=np.int64))
            self._cubes.add(first >> 8)
            self._longest = max(self._longest, float(np.linalg.norm(rows, axis=1).max()))

    def remove_video(self, video_number: int) -> int:
        start = video_number << 32
        selector = self._faiss.IDSelectorRange(start, start + (1 << 32))
        with self._lock:
            self._cubes = {cube for cube in self._cubes if cube >> 24 != video_number}
            return int(self._index.remove_ids(selector))

    def search(
        self, query: npt.NDArray[np.float32], limit: int, videos: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        vector = checked_query(query, self._dim)
        with self._lock:
            ids, rows = self._stored()
            within = None if videos is None else np.flatnonzero(np.isin(ids >> 32, np.asarray(videos, dtype=np.int64)))
            count = min(limit, len(ids) if within is None else len(within))
            if count <= 0:
                return []
            near = self._near(vector, count, within)
            return ranked(ids[near], rows[near], vector, limit)

    def _near(self, vector: F32, count: int, within: npt.NDArray[np.intp] | None) -> npt.NDArray[np.int64]:
        """Places of all rows (`within` some of them) that may be among the `count` best, by FAISS."""
        chosen = None
        if within is not None:
            chosen = self._faiss.SearchParameters(sel=self._faiss.IDSelectorBatch(within))
        best, _ = self._flat.search(vector[None], count, params=chosen)
        radius = float(best[0, -1]) - self._slack(vector)
        _, _, places = self._flat.range_search(vector[None], radius, params=chosen)
        return np.asarray(places, dtype=np.int64)

    def _slack(self, vector: F32) -> float:
        """More than any two float32 roundings of one inner product differ by: 4 K 2^-24 |query| |key|."""
        return 4 * self._dim * 2.0**-24 * float(np.linalg.norm(vector)) * self._longest + 1e-30

    def save(self, path: Path, key_space: str, applied: Mapping[str, int]) -> None:
        """Writes a snapshot: old or new, never half. `applied` is each video's commit number that the index holds."""
        with self._lock:
            body = bytes(self._faiss.serialize_index(self._index))
        about = json.dumps({"key_space": key_space, "applied": dict(applied)}, sort_keys=True).encode()
        digest = hashlib.sha256(about + body).digest()
        fresh = path.with_name(path.name + ".new")
        with fresh.open("wb") as out:
            out.write(_HEADER.pack(_MAGIC, digest, len(about)) + about + body)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path, dim: int, key_space: str) -> tuple[FaissIndex, dict[str, int]]:
        """A snapshot and what it holds. Raises FileNotFoundError, CorruptRecord, or KeySpaceMismatch; after any of them
        the index is built again from the store."""
        blob = path.read_bytes()
        if len(blob) < _HEADER.size or not blob.startswith(_MAGIC):
            raise CorruptRecord(f"{path.name} is not an index snapshot")
        _, digest, length = _HEADER.unpack_from(blob)
        if hashlib.sha256(blob[_HEADER.size :]).digest() != digest:
            raise CorruptRecord(f"the checksum of {path.name} is wrong")
        about = json.loads(blob[_HEADER.size : _HEADER.size + length])
        if about["key_space"] != key_space:
            raise KeySpaceMismatch(about["key_space"], key_space)
        loaded = cls(dim)
        body = np.frombuffer(blob, np.uint8, offset=_HEADER.size + length)
        loaded._adopt(loaded._faiss.deserialize_index(body))
        return loaded, {str(video): int(number) for video, number in about["applied"].items()}
