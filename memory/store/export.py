"""The canonical export of one video: JSON lines, byte-identical for identical memories.

What it is for: proof that a killed and restarted ingest remembers exactly what an uninterrupted one does, and an
exchange format that any language reads. One line a closed cube, then the open cube if there is one, the global memory,
and the record. Nothing depends on the time of day, the host or the run: no creation time, commit number, epoch or media
path, and in the place of the id stands the content's sha256.

Arrays are ``{"dtype", "shape", "base64"}``, raw and little-endian; thumbnails and components are base64. Tokens that
are not int8 have no scales; those in bfloat16 say so in their dtype.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from memory.records import CubeMemory, GlobalMemory, OpenCube, TimeSpan, VideoRecord
from memory.store.base import MemoryStore
from memory.store.codec import little_endian

_OF_THE_RUN = frozenset({"id", "number", "owner", "created_s", "media", "start_utc_s", "watched_s"})
"""Record fields that say where and when it was watched, not what is remembered."""


def _array(array: npt.NDArray[Any]) -> dict[str, Any]:
    return {"dtype": str(array.dtype), "shape": list(array.shape), "base64": _text(little_endian(array).tobytes())}


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _span(span: TimeSpan) -> list[float]:
    return [span.start_s, span.end_s]


def _line(kind: str, values: dict[str, Any]) -> str:
    text = json.dumps({"kind": kind, **values}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text + "\n"


def _cube(cube: CubeMemory) -> dict[str, Any]:
    return {
        "ordinal": cube.ordinal,
        "boundary": cube.boundary,
        "values": {**_array(cube.tokens.values), "dtype": cube.tokens.dtype},
        "scales": None if cube.tokens.scales is None else _array(cube.tokens.scales),
        "weights": _array(cube.weights),
        "positions": _array(cube.positions),
        **_common(cube),
    }


def _common(cube: CubeMemory | OpenCube) -> dict[str, Any]:
    """What closed and open cubes have in common."""
    return {
        "span_s": _span(cube.span),
        "keys": _array(cube.keys),
        "key_kinds": list(cube.key_kinds),
        "notes": dict(cube.notes),
        "thumbnail": _text(cube.thumbnail),
    }


def _global(memory: GlobalMemory) -> dict[str, Any]:
    return {
        "tokens": _array(memory.tokens),
        "weights": _array(memory.weights),
        "positions": _array(memory.positions),
        "until_s": memory.until_s,
    }


def _record(record: VideoRecord, *, canonical: bool) -> dict[str, Any]:
    left_out = _OF_THE_RUN if canonical else frozenset()
    return {name: value for name, value in dataclasses.asdict(record).items() if name not in left_out}


def export_lines(store: MemoryStore, video_id: str, *, canonical: bool = True) -> Iterator[str]:
    """The export, line by line, each ending in a newline; `canonical` leaves out what belongs to the run and not to the
    memory (ids, days, paths). Raises what the store's methods raise."""
    record = store.video(video_id)
    for cube in store.cubes(video_id):
        yield _line("cube", _cube(cube))
    opened = store.open_cube(video_id)
    if opened is not None:
        yield _line("open_cube", _common(opened))
    state = store.state(video_id)
    if state is not None:
        where = {"next_step": state.next_step, "resume_after_s": state.resume_after_s}
        yield _line("global_memory", {**_global(state.global_memory), **where})
    yield _line("video", _record(record, canonical=canonical))
