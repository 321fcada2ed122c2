"""Records to put into a store, and a dump of all that a server holds, for the tests of the store's contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from memory.records import CubeMemory, GlobalMemory, IngestState, OpenCube, TimeSpan, VideoRecord
from memory.store.base import Commit
from memory.store.packing import pack_tokens
from memory.store.redis_store import RedisStore

SHA = "5e" * 32


def record(video_id: str = "v1", **fields: Any) -> VideoRecord:
    base = VideoRecord(video_id, 0, "local", "a.mp4", "ingesting", SHA, "pocket", "k:1:8", "1fps", 1000.0)
    return dataclasses.replace(base, **fields)


def cube(ordinal: int, seed: int = 0) -> CubeMemory:
    rng = np.random.default_rng(1000 * seed + ordinal)
    return CubeMemory(
        ordinal=ordinal,
        span=TimeSpan(10.0 * ordinal, 10.0 * ordinal + 10.0),
        boundary="change",
        tokens=pack_tokens(rng.normal(size=(1, 4, 6))),
        weights=np.ones(4, np.float32),
        positions=np.zeros((4, 3), np.float32),
        keys=rng.normal(size=(2, 8)).astype(np.float16),
        key_kinds=("seen", "text"),
        notes={"things": [["a red car – ünïcode", 0.5]]},
        thumbnail=b"\xff\xd8 jpeg",
    )


def state(step: int, ordinal: int) -> IngestState:
    memory = GlobalMemory(np.ones((2, 6), np.float32), np.ones(2, np.float32), np.zeros((2, 3), np.float32), 7.5)
    return IngestState(step, ordinal, "full", step - 0.25, memory, {"cubing": b"\x00\xff", "compressor": b""})


def opened() -> OpenCube:
    return OpenCube(TimeSpan(20.0, 21.5), np.ones((1, 8), np.float16), ("seen",), {"steps": 2}, b"\xff\xd8")


def full(epoch: int, step: int, next_step: int, closed: Sequence[CubeMemory] = (), ordinal: int = 0) -> Commit:
    after = ordinal + len(closed)
    return Commit(epoch, step, state(next_step, after), closed, opened(), float(next_step))


def everything(store: RedisStore) -> dict[bytes, Any]:
    """All that the server holds, by key."""
    read = {b"hash": "hgetall", b"string": "get", b"set": "smembers", b"zset": "zrange"}
    contents = {}
    for key in store._client.scan_iter(count=1000):
        command = read[store._client.type(key)]
        contents[key] = getattr(store._client, command)(key, *((0, -1) if command == "zrange" else ()))
    return contents
