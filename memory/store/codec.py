"""Records <-> bytes. Deterministic: the same record gives the same bytes. Not a store and not an exchange format.

One blob:

    version (1 byte) | kind (1 byte) | header length (uint32) | header (JSON, keys sorted) | parts | CRC-32 (uint32)

Everything little-endian. Parts are raw arrays and byte strings, listed in the header's ``parts`` by name, type and
shape. A blob that was cut, flipped or written by an unknown version raises `CorruptRecord`.

Version 2 is written; version 1 is read too, so that readers go on while `memory.store.migration` rewrites a store. What
changed: a cube's header names its tokens' type, and only int8 tokens have scales.

A closed cube is two blobs, so that a search need not read tokens: ``encode_keyed_span`` (span and keys) and
``encode_cube`` (the rest). A video record is one JSON text per field, since the store updates fields on their own.
"""

from __future__ import annotations

import dataclasses
import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.errors import CorruptRecord
from memory.records import (
    CubeMemory,
    GlobalMemory,
    IngestState,
    KeyedSpan,
    OpenCube,
    PackedTokens,
    TimeSpan,
    VideoError,
    VideoRecord,
)

VERSION = 2
OLDEST = 1
"""Versions from here on are read."""
_PREFIX = struct.Struct("<BcI")
_SUM = struct.Struct("<I")
_DTYPES = ("<f4", "<f2", "|i1", "<u2")

Part = npt.NDArray[Any] | bytes


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def little_endian(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array in one piece and little-endian, as it is stored and exported; itself where it is that already."""
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)


def _raw(part: Part) -> tuple[str, list[int], bytes]:
    if isinstance(part, bytes):
        return "bytes", [len(part)], part
    little = little_endian(part)
    if little.dtype.str not in _DTYPES:
        raise ValueError(f"arrays of {part.dtype} are not stored")
    return little.dtype.str, list(part.shape), little.tobytes()


def _seal(kind: bytes, meta: Mapping[str, Any], parts: Mapping[str, Part]) -> bytes:
    raws = [(name, *_raw(part)) for name, part in sorted(parts.items())]
    header = _json({**meta, "parts": [[name, dtype, shape] for name, dtype, shape, _ in raws]})
    blob = b"".join([_PREFIX.pack(VERSION, kind, len(header)), header, *(raw for *_, raw in raws)])
    return blob + _SUM.pack(zlib.crc32(blob))


def _open(kind: bytes, blob: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and parts of a sealed blob; arrays are writable copies."""
    if len(blob) < _PREFIX.size + _SUM.size:
        raise CorruptRecord(f"a record of {len(blob)} bytes is cut short")
    if zlib.crc32(blob[: -_SUM.size]) != _SUM.unpack(blob[-_SUM.size :])[0]:
        raise CorruptRecord("a record's checksum is wrong")
    version, stored, length = _PREFIX.unpack_from(blob)
    if not OLDEST <= version <= VERSION:
        raise CorruptRecord(f"a record of schema version {version}; this release reads {OLDEST} to {VERSION}")
    if stored != kind:
        raise CorruptRecord(f"a record of kind {stored!r} where {kind!r} was expected")
    header = json.loads(blob[_PREFIX.size : _PREFIX.size + length])
    return header, _parts(header.pop("parts"), blob, _PREFIX.size + length)


def _parts(listed: list[tuple[str, str, list[int]]], blob: bytes, start: int) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name, dtype, shape in listed:
        count = math.prod(shape)
        if dtype == "bytes":
            parts[name] = blob[start : start + count]
            start += count
        else:
            array = np.frombuffer(blob, np.dtype(dtype), count, start)
            parts[name] = array.reshape(shape).copy()
            start += array.nbytes
    return parts


def _span(meta: Mapping[str, Any]) -> TimeSpan:
    return TimeSpan(*meta["span"])


def _span_meta(span: TimeSpan) -> list[float]:
    return [float(span.start_s), float(span.end_s)]


def encode_keyed_span(cube: CubeMemory | KeyedSpan) -> bytes:
    """What a search reads of a closed cube: ordinal, span, keys and their kinds."""
    meta = {"ordinal": cube.ordinal, "span": _span_meta(cube.span), "kinds": list(cube.key_kinds)}
    return _seal(b"K", meta, {"keys": cube.keys})


def decode_keyed_span(blob: bytes) -> KeyedSpan:
    """The inverse of `encode_keyed_span`. Raises CorruptRecord."""
    meta, parts = _open(b"K", blob)
    return KeyedSpan(meta["ordinal"], _span(meta), parts["keys"], tuple(meta["kinds"]))


def encode_cube(cube: CubeMemory) -> bytes:
    """A closed cube without span and keys, which `encode_keyed_span` holds."""
    meta = {
        "ordinal": cube.ordinal,
        "boundary": cube.boundary,
        "notes": dict(cube.notes),
        "tokens": cube.tokens.dtype,
    }
    parts: dict[str, Part] = {
        "values": cube.tokens.values,
        "weights": cube.weights,
        "positions": cube.positions,
        "thumbnail": bytes(cube.thumbnail),
    }
    if cube.tokens.scales is not None:
        parts["scales"] = cube.tokens.scales
    return _seal(b"C", meta, parts)


def decode_cube(blob: bytes, keyed_span: bytes) -> CubeMemory:
    """A closed cube from its two blobs. Raises CorruptRecord, also when the two are not of one cube."""
    meta, parts = _open(b"C", blob)
    keyed = decode_keyed_span(keyed_span)
    if keyed.ordinal != meta["ordinal"]:
        raise CorruptRecord(f"cube {meta['ordinal']} was stored with the keys of cube {keyed.ordinal}")
    return CubeMemory(
        ordinal=meta["ordinal"],
        span=keyed.span,
        boundary=meta["boundary"],
        tokens=PackedTokens(parts["values"], parts.get("scales"), meta.get("tokens", "int8")),
        weights=parts["weights"],
        positions=parts["positions"],
        keys=keyed.keys,
        key_kinds=keyed.key_kinds,
        notes=meta["notes"],
        thumbnail=parts["thumbnail"],
    )


def encode_open_cube(cube: OpenCube) -> bytes:
    """The open cube, whole."""
    meta = {"span": _span_meta(cube.span), "kinds": list(cube.key_kinds), "notes": dict(cube.notes)}
    return _seal(b"O", meta, {"keys": cube.keys, "thumbnail": bytes(cube.thumbnail)})


def decode_open_cube(blob: bytes) -> OpenCube:
    """The inverse of `encode_open_cube`. Raises CorruptRecord."""
    meta, parts = _open(b"O", blob)
    return OpenCube(_span(meta), parts["keys"], tuple(meta["kinds"]), meta["notes"], parts["thumbnail"])


def encode_state(state: IngestState) -> bytes:
    """A worker's state with its global memory; components' bytes are kept as they are."""
    meta = {
        "next_step": int(state.next_step),
        "next_ordinal": int(state.next_ordinal),
        "decode_mode": state.decode_mode,
        "resume_after_s": None if state.resume_after_s is None else float(state.resume_after_s),
        "until_s": float(state.global_memory.until_s),
    }
    memory = state.global_memory
    parts: dict[str, Part] = {"tokens": memory.tokens, "weights": memory.weights, "positions": memory.positions}
    parts |= {f"component:{name}": bytes(value) for name, value in state.components.items()}
    return _seal(b"S", meta, parts)


def decode_state(blob: bytes) -> IngestState:
    """The inverse of `encode_state`. Raises CorruptRecord."""
    meta, parts = _open(b"S", blob)
    memory = GlobalMemory(parts.pop("tokens"), parts.pop("weights"), parts.pop("positions"), meta.pop("until_s"))
    components = {name.removeprefix("component:"): value for name, value in parts.items()}
    return IngestState(**meta, global_memory=memory, components=components)


def upgraded(blob: bytes) -> bytes:
    """A blob of any version that is read, as this version writes it; the same bytes where it is of this version.
    Raises CorruptRecord."""
    kind = blob[1:2]
    meta, parts = _open(kind, blob)
    if blob[0] == VERSION:
        return blob
    if kind == b"C":
        meta.setdefault("tokens", "int8")
    return _seal(kind, meta, parts)


def encode_video_field(value: object) -> bytes:
    """One field of a video record as JSON."""
    return _json(dataclasses.asdict(value) if isinstance(value, VideoError) else value)


def encode_video(record: VideoRecord) -> dict[str, bytes]:
    """A video record, one JSON text per field."""
    return {f.name: encode_video_field(getattr(record, f.name)) for f in dataclasses.fields(record)}


def decode_video(texts: Mapping[str, bytes]) -> VideoRecord:
    """The inverse of `encode_video`; other fields are passed over. Raises CorruptRecord where one is missing; only
    `watched_s` may be, which version 1 did not have."""
    texts = {"watched_s": b"null", **texts}
    try:
        values = {f.name: json.loads(texts[f.name]) for f in dataclasses.fields(VideoRecord)}
        error = values.pop("error")
        return VideoRecord(**values, error=None if error is None else VideoError(**error))
    except (KeyError, TypeError, ValueError) as caught:
        raise CorruptRecord(f"a video record cannot be read: {caught}") from caught
