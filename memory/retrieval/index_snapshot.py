"""A snapshot of the retriever in one checked file: videos' keys, spans and commit numbers, and the index's training.

It saves reading everything from the store again at the next start. A snapshot that cannot be used is rebuilt from the
store. It is written to a temporary file, synced and renamed: old or new, never half. Layout, little-endian:

    magic (5) | header length (uint32) | SHA-256 of the header (32) | header (JSON) | arrays, one after the other

The header names the key space, the store and each video, and lists each array with its type, shape and SHA-256, so a
flipped byte anywhere is detected and its place reported. Keys are kept as float16, as the store keeps them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import struct
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from memory.errors import CorruptRecord, KeySpaceMismatch
from memory.index.ivf import Lists
from memory.retrieval.followed_videos import HeldVideo
from memory.retrieval.video_keys import KeysView

_MAGIC = b"LWIX2"
_PREFIX = struct.Struct("<5sI32s")
_MOST_HEADER_BYTES = 1 << 30
_WIDEN = 1 << 16
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one file holds: the videos by id, and the lists of an IVF-Flat (None of a flat index)."""

    videos: Mapping[str, HeldVideo]
    lists: Lists | None


def save(path: Path, snapshot: Snapshot, key_space: str, store: str) -> int:
    """Writes a snapshot; returns its bytes. `store` is the identity of the store that the videos are of."""
    listed: list[dict[str, Any]] = []
    about = {
        "key_space": key_space,
        "store": store,
        "videos": {video_id: _video_header(held) for video_id, held in snapshot.videos.items()},
        "nprobe": None if snapshot.lists is None else snapshot.lists.nprobe,
        "arrays": listed,
    }
    arrays = list(_arrays(snapshot))
    for name, array in arrays:
        digest = hashlib.sha256(array.data if array.size else b"").hexdigest()
        listed.append({"name": name, "type": array.dtype.str, "shape": list(array.shape), "sha256": digest})
    header = json.dumps(about, sort_keys=True).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(_PREFIX.pack(_MAGIC, len(header), hashlib.sha256(header).digest()) + header)
            for _, array in arrays:
                out.write(array.data if array.size else b"")
            out.flush()
            os.fsync(out.fileno())
            written = out.tell()
        Path(fresh).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(fresh).unlink()
        raise
    _sync_folder(path.parent)
    return written


def _sync_folder(folder: Path) -> None:
    """A rename is on disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _video_header(held: HeldVideo) -> dict[str, Any]:
    return {
        "number": held.number,
        "created_s": held.created_s,
        "applied": held.applied,
        "kinds": list(held.keys.kind_names),
    }


def _arrays(snapshot: Snapshot) -> Iterable[tuple[str, Array]]:
    for video_id, held in snapshot.videos.items():
        keys = held.keys
        yield f"rows:{video_id}", np.ascontiguousarray(keys.rows.astype("<f2"))
        yield f"first:{video_id}", np.ascontiguousarray(keys.first_row, "<i8")
        yield f"kinds:{video_id}", np.ascontiguousarray(keys.kinds, "|u1")
        yield f"spans:{video_id}", np.ascontiguousarray(keys.spans, "<f8")
    if snapshot.lists is not None:
        yield "centroids", np.ascontiguousarray(snapshot.lists.centroids, "<f4")
        yield "ids", np.ascontiguousarray(snapshot.lists.ids, "<i8")
        yield "list_of", np.ascontiguousarray(snapshot.lists.list_of, "<i4")


def load(path: Path, key_space: str, store: str) -> Snapshot:
    """Reads a snapshot. Raises FileNotFoundError, KeySpaceMismatch, or CorruptRecord where it is torn, a byte is not
    what was written, or it is of another store."""
    with path.open("rb") as file:
        about = _header(file, path.name)
        if about["key_space"] != key_space:
            raise KeySpaceMismatch(about["key_space"], key_space)
        if about["store"] != store:
            raise CorruptRecord(f"{path.name} is of another store")
        arrays = _checked(file, about["arrays"], path.name)
    videos = {video_id: _video(entry, video_id, arrays) for video_id, entry in about["videos"].items()}
    if about["nprobe"] is None:
        return Snapshot(videos, None)
    return Snapshot(videos, Lists(arrays["centroids"], about["nprobe"], arrays["ids"], arrays["list_of"]))


def videos_in(path: Path) -> list[str]:
    """Ids of the videos that a snapshot names. Raises FileNotFoundError or CorruptRecord."""
    with path.open("rb") as file:
        return list(_header(file, path.name)["videos"])


def _header(file: BinaryIO, name: str) -> dict[str, Any]:
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size or not prefix.startswith(_MAGIC):
        raise CorruptRecord(f"{name} is not an index snapshot")
    _, length, digest = _PREFIX.unpack(prefix)
    header = file.read(length) if length < _MOST_HEADER_BYTES else b""
    if hashlib.sha256(header).digest() != digest:
        raise CorruptRecord(f"the header of {name} is damaged")
    about: dict[str, Any] = json.loads(header)
    return about


def _checked(file: BinaryIO, listed: list[dict[str, Any]], name: str) -> dict[str, Array]:
    """The arrays behind the header, read-only."""
    arrays: dict[str, Array] = {}
    for entry in listed:
        kind, shape = np.dtype(entry["type"]), tuple(entry["shape"])
        blob = file.read(kind.itemsize * math.prod(shape))
        if hashlib.sha256(blob).hexdigest() != entry["sha256"]:
            raise CorruptRecord(f"{entry['name']} in {name} is torn or damaged")
        arrays[entry["name"]] = np.frombuffer(blob, kind).reshape(shape)
    if file.read(1):
        raise CorruptRecord(f"{name} is longer than what was written")
    return arrays


def _video(about: dict[str, Any], video_id: str, arrays: dict[str, Array]) -> HeldVideo:
    narrow = arrays.pop(f"rows:{video_id}")
    rows = np.empty(narrow.shape, np.float32)
    for start in range(0, len(narrow), _WIDEN):
        rows[start : start + _WIDEN] = narrow[start : start + _WIDEN]
    keys = KeysView(
        rows,
        arrays.pop(f"first:{video_id}"),
        arrays.pop(f"kinds:{video_id}"),
        tuple(about["kinds"]),
        arrays.pop(f"spans:{video_id}"),
    )
    return HeldVideo(about["number"], about["created_s"], about["applied"], keys)
